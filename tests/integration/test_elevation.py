"""Elevation from DEM files: where it lies, where it is unknown, what is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.transform import from_origin

from rsmonitor.errors import SourceError
from rsmonitor.io.sources.elevation import Elevation
from rsmonitor.records.grid import Block, Grid
from rsmonitor.stages.sun import Sun
from rsmonitor.stages.terrain import light, pixel_frame, shadow_halo

UTM = "EPSG:32650"
LEFT, TOP = 299_980.0, 2_765_020.0
ARC_SECOND = 1 / 3600

GRID = Grid(
    crs=UTM,
    left=LEFT + 400,
    top=TOP - 400,
    pixel_width=10,
    pixel_height=10,
    height=60,
    width=80,
)
WHOLE = Block(row=0, col=0, height=60, width=80)


def write_dem(
    path: Path,
    values: NDArray[Any],
    *,
    crs: str | None = UTM,
    left: float = LEFT,
    top: float = TOP,
    pixel: float = 30.0,
    **more: Any,  # noqa: ANN401 - rasterio's own
) -> Path:
    bands = values if values.ndim == 3 else values[None]
    tags = {key: more.pop(key) for key in ("units", "scales") if key in more}
    profile = {
        "driver": "GTiff",
        "count": len(bands),
        "height": bands.shape[1],
        "width": bands.shape[2],
        "dtype": bands.dtype.name,
        "transform": from_origin(left, top, pixel, pixel),
        **more,
    }
    if crs is not None:
        profile["crs"] = crs
    with rasterio.open(path, "w", **profile) as file:
        file.write(bands)
        for key, value in tags.items():
            setattr(file, key, value)
    return path


def hills(height: int = 60, width: int = 60, seed: int = 1) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    return random.uniform(100, 900, (height, width)).astype(np.float32)


def plane_in_utm(x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
    return 300 + 0.3 * (x - LEFT) - 0.1 * (TOP - y)


def plane(pixel: float = 30.0, size: int = 60) -> NDArray[np.float32]:
    rows, cols = np.mgrid[:size, :size]
    x, y = LEFT + pixel * (cols + 0.5), TOP - pixel * (rows + 0.5)
    return plane_in_utm(x, y).astype(np.float32)


def centres(grid: Grid, block: Block, halo: int = 0) -> tuple[NDArray[Any], ...]:
    rows = np.arange(block.row - halo, block.row + block.height + halo)
    cols = np.arange(block.col - halo, block.col + block.width + halo)
    return tuple(
        np.meshgrid(
            grid.left + grid.pixel_width * (cols + 0.5),
            grid.top - grid.pixel_height * (rows + 0.5),
        )
    )


# ----------------------------------------------------------------------- where it lies


def test_between_the_centres_of_a_dem_a_plane_stays_a_plane(tmp_path: Path) -> None:
    dem = Elevation([write_dem(tmp_path / "dem.tif", plane())])
    found = dem.load(GRID, WHOLE)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, plane_in_utm(*centres(GRID, WHOLE)), atol=1e-3)


def test_on_its_own_pixels_a_dem_is_what_it_is(tmp_path: Path) -> None:
    values = hills()
    values[20, 20] = np.nan
    dem = Elevation([write_dem(tmp_path / "dem.tif", values)])
    grid = replace(
        GRID, left=LEFT, top=TOP, pixel_width=30, pixel_height=30, height=60, width=60
    )
    block = Block(row=0, col=0, height=60, width=60)
    np.testing.assert_array_equal(dem.load(grid, block), values)


def test_a_dem_in_degrees_lies_where_it_is(tmp_path: Path) -> None:
    to_utm = Transformer.from_crs("EPSG:4326", UTM, always_xy=True)
    lon, lat = Transformer.from_crs(UTM, "EPSG:4326", always_xy=True).transform(
        LEFT, TOP
    )
    left, top = lon - 20 * ARC_SECOND, lat + 20 * ARC_SECOND
    rows, cols = np.mgrid[:120, :120]
    x, y = to_utm.transform(
        left + ARC_SECOND * (cols + 0.5), top - ARC_SECOND * (rows + 0.5)
    )
    path = write_dem(
        tmp_path / "dem.tif",
        plane_in_utm(x, y),
        crs="EPSG:4326",
        left=left,
        top=top,
        pixel=ARC_SECOND,
    )
    found = Elevation([path]).load(GRID, WHOLE, halo=5)
    np.testing.assert_allclose(found, plane_in_utm(*centres(GRID, WHOLE, 5)), atol=0.01)


def test_the_halo_goes_on_beyond_the_grid(tmp_path: Path) -> None:
    dem = Elevation([write_dem(tmp_path / "dem.tif", plane())])
    found = dem.load(GRID, WHOLE, halo=30)
    assert found.shape == (120, 140)
    expected = plane_in_utm(*centres(GRID, WHOLE, 30))
    np.testing.assert_allclose(found, expected, atol=1e-3)


blocks = st.tuples(st.integers(0, 50), st.integers(0, 70)).flatmap(
    lambda at: st.builds(
        Block,
        row=st.just(at[0]),
        col=st.just(at[1]),
        height=st.integers(1, 60 - at[0]),
        width=st.integers(1, 80 - at[1]),
    )
)


@pytest.fixture(scope="module")
def rough(tmp_path_factory: pytest.TempPathFactory) -> Elevation:
    """Give hills in degrees, with gaps, in two files."""
    lon, lat = Transformer.from_crs(UTM, "EPSG:4326", always_xy=True).transform(
        LEFT, TOP
    )
    folder = tmp_path_factory.mktemp("dem")
    values = hills(60, 120)
    values[np.random.default_rng(2).random(values.shape) < 0.02] = np.nan
    half = {"crs": "EPSG:4326", "top": lat + 10 * ARC_SECOND, "pixel": ARC_SECOND}
    left = lon - 10 * ARC_SECOND
    files = [
        write_dem(folder / "west.tif", values[:, :40], left=left, **half),
        write_dem(
            folder / "east.tif", values[:, 40:], left=left + 40 * ARC_SECOND, **half
        ),
    ]
    return Elevation(files)


@given(block=blocks, halo=st.integers(0, 40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_block_is_cut_out_of_the_whole(
    rough: Elevation, block: Block, halo: int
) -> None:
    whole = rough.load(GRID, WHOLE, halo=40)
    part = rough.load(GRID, block, halo=halo)
    rows = slice(block.row + 40 - halo, block.row + block.height + 40 + halo)
    cols = slice(block.col + 40 - halo, block.col + block.width + 40 + halo)
    np.testing.assert_array_equal(part, whole[rows, cols])
    known = part[np.isfinite(part)]
    if known.size:
        beyond_m = 10.0 * halo
        assert np.ptp(known) <= rough.relief_m(GRID, beyond_m=beyond_m) <= 800


def test_light_is_the_same_for_any_cutting_into_blocks(rough: Elevation) -> None:
    frame = pixel_frame(GRID)
    sun = Sun(zenith_deg=50.0, azimuth_deg=150.0)
    halo = shadow_halo(
        rough.relief_m(GRID, beyond_m=500),
        elevation_deg=sun.elevation_deg,
        frame=frame,
        limit_m=500,
    )
    whole = light(rough.load(GRID, WHOLE, halo=halo), sun=sun, frame=frame, halo=halo)
    assert 0 < whole.shadow.mean() < 1
    for block in GRID.blocks(23):
        part = light(
            rough.load(GRID, block, halo=halo), sun=sun, frame=frame, halo=halo
        )
        np.testing.assert_array_equal(part.shadow, whole.shadow[block.rows, block.cols])
        np.testing.assert_array_equal(part.cos_i, whole.cos_i[block.rows, block.cols])


# ------------------------------------------------------------------------ several files


def test_files_that_lie_beside_each_other_have_no_seam(tmp_path: Path) -> None:
    whole = plane()
    files = [
        write_dem(tmp_path / "a.tif", whole[:, :25]),
        write_dem(tmp_path / "b.tif", whole[:20, 25:], left=LEFT + 750),
        write_dem(tmp_path / "c.tif", whole[20:, 25:], left=LEFT + 750, top=TOP - 600),
    ]
    one = Elevation([write_dem(tmp_path / "one.tif", whole)]).load(GRID, WHOLE)
    np.testing.assert_array_equal(Elevation(files).load(GRID, WHOLE), one)


def test_files_that_lie_half_a_pixel_apart_are_not_read_as_one(tmp_path: Path) -> None:
    rows, cols = np.mgrid[:60, :60]
    shifted = plane_in_utm(LEFT + 885 + 30 * (cols + 0.5), TOP + 15 - 30 * (rows + 0.5))
    files = [
        write_dem(tmp_path / "west.tif", plane()[:, :35]),
        write_dem(
            tmp_path / "east.tif",
            shifted.astype(np.float32),
            left=LEFT + 885,
            top=TOP + 15,
        ),
    ]
    found = Elevation(files).load(GRID, WHOLE)
    np.testing.assert_allclose(found, plane_in_utm(*centres(GRID, WHOLE)), atol=1e-3)


def test_where_two_files_know_a_place_the_first_does(tmp_path: Path) -> None:
    one = np.full((60, 60), 100, dtype=np.float32)
    one[:, 30:] = np.nan
    files = [
        write_dem(tmp_path / "one.tif", one),
        write_dem(tmp_path / "other.tif", np.full((60, 60), 500, dtype=np.float32)),
    ]
    found = Elevation(files).load(GRID, WHOLE)
    assert (found[0, 0], found[0, -1]) == (100, 500)
    assert (Elevation(files[::-1]).load(GRID, WHOLE) == 500).all()


def test_files_of_different_pixels_fill_each_other(tmp_path: Path) -> None:
    files = [
        write_dem(tmp_path / "fine.tif", plane(pixel=12.5, size=50), pixel=12.5),
        write_dem(tmp_path / "coarse.tif", plane()),
    ]
    found = Elevation(files).load(GRID, WHOLE)
    np.testing.assert_allclose(found, plane_in_utm(*centres(GRID, WHOLE)), atol=1e-3)


# ---------------------------------------------------------------------- what is unknown


def test_outside_all_files_elevation_is_unknown_and_that_is_told_once(
    tmp_path: Path,
) -> None:
    notes: list[str] = []
    dem = Elevation([write_dem(tmp_path / "dem.tif", plane()[:, :30])], notes.append)
    for _ in range(2):
        found = dem.load(GRID, WHOLE)
    # the last centre of the DEM is 885 m from its left edge, 485 m from the grid's
    assert np.isfinite(found[:, :48]).all()
    assert np.isnan(found[:, 49:]).all()
    (note,) = notes
    assert note.startswith(f"{GRID.grid_id}: elevation is unknown at 1860 of 4800")


def test_far_from_all_files_nothing_is_known(tmp_path: Path) -> None:
    notes: list[str] = []
    dem = Elevation([write_dem(tmp_path / "dem.tif", plane())], notes.append)
    far = replace(GRID, left=700_000.0)
    assert np.isnan(dem.load(far, WHOLE, halo=3)).all()
    assert dem.relief_m(far, beyond_m=1000) == 0.0
    assert len(notes) == 1


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32", "float64"])
def test_no_data_is_unknown_whether_the_file_says_so_or_not(
    tmp_path: Path, dtype: str
) -> None:
    values = plane().astype(dtype)
    values[30, 30] = -9999
    values[31, 31] = -32768
    notes: list[str] = []
    path = write_dem(tmp_path / "dem.tif", values, nodata=-9999)
    grid = replace(GRID, left=LEFT, top=TOP, pixel_width=30, pixel_height=30)
    found = Elevation([path], notes.append).load(
        grid, Block(row=28, col=28, height=6, width=6)
    )
    unknown = np.argwhere(np.isnan(found)).tolist()
    assert unknown == [[2, 2], [3, 3]]
    assert any("-32768, which is no elevation" in note for note in notes)


def test_the_shore_is_known(tmp_path: Path) -> None:
    dem = Elevation([write_dem(tmp_path / "dem.tif", np.zeros((60, 60), np.float32))])
    assert (dem.load(GRID, WHOLE) == 0).all()


def test_relief_is_that_of_the_grid_and_of_what_is_around_it(tmp_path: Path) -> None:
    values = np.full((60, 60), 100, dtype=np.float32)
    values[30, 30] = 400  # 505 m from the grid's left edge
    values[5, 5] = 900
    dem = Elevation([write_dem(tmp_path / "dem.tif", values)])
    assert dem.relief_m(GRID) == 300
    assert dem.relief_m(GRID, beyond_m=400) == 800


# -------------------------------------------------------------------------- the digest


def test_the_digest_is_of_the_content_not_of_the_name(tmp_path: Path) -> None:
    one = write_dem(tmp_path / "one.tif", hills(seed=1))
    two = write_dem(tmp_path / "two.tif", hills(seed=2))
    moved = tmp_path / "moved.tif"
    moved.write_bytes(one.read_bytes())
    assert Elevation([one]).sha256 == Elevation([moved]).sha256
    assert len(Elevation([one]).sha256) == 64
    different = {
        Elevation(files).sha256 for files in ([one], [two], [one, two], [two, one])
    }
    assert len(different) == 4


# ---------------------------------------------------------------------- what is refused

Spoil = Callable[[Path], Path]


def _renamed_vrt(path: Path) -> Path:
    path.write_text(
        '<VRTDataset rasterXSize="9" rasterYSize="9"><VRTRasterBand dataType="Float32" '
        'band="1"><SimpleSource><SourceFilename>/etc/passwd</SourceFilename>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    return path


def _cut(path: Path) -> Path:
    write_dem(path, hills(), compress="deflate")
    path.write_bytes(path.read_bytes()[:200])
    return path


def _turned(path: Path) -> Path:
    write_dem(path, hills())
    with rasterio.open(path, "r+") as file:
        file.transform = rasterio.Affine(30, 3, LEFT, 3, -30, TOP)
    return path


def _upside_down(path: Path) -> Path:
    write_dem(path, hills())
    with rasterio.open(path, "r+") as file:
        file.transform = rasterio.Affine(30, 0, LEFT, 0, 30, TOP)
    return path


def _one_huge_piece(path: Path) -> Path:
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=1,
        height=9000,
        width=9000,
        dtype="int16",
        crs=UTM,
        transform=from_origin(LEFT, TOP, 30, 30),
        tiled=True,
        blockxsize=9008,
        blockysize=9008,
        sparse_ok=True,
    ):
        pass
    return path


REFUSED: dict[str, tuple[Spoil, str]] = {
    "missing": (lambda p: p, "missing, damaged or no GeoTIFF"),
    "empty": (lambda p: (p.write_bytes(b""), p)[1], "cannot be read"),
    "text": (lambda p: (p.write_text("hills"), p)[1], "cannot be read"),
    "vrt": (_renamed_vrt, "cannot be read"),
    "cut": (_cut, "cannot be read"),
    "turned": (_turned, "north must be up"),
    "upside down": (_upside_down, "north must be up"),
    "a picture": (
        lambda p: write_dem(p, np.zeros((9, 9), np.uint8)),
        "1 layers of uint8",
    ),
    "three layers": (
        lambda p: write_dem(p, np.zeros((3, 9, 9), np.float32)),
        "3 layers of float32",
    ),
    "no crs": (lambda p: write_dem(p, hills(), crs=None), "has no CRS"),
    "feet": (lambda p: write_dem(p, hills(), units=("ft",)), "its unit is 'ft'"),
    "decimetres": (lambda p: write_dem(p, hills(), scales=(0.1,)), "scale 0.1"),
    "degrees as metres": (
        lambda p: write_dem(p, hills(), left=115.0, top=25.0, pixel=ARC_SECOND),
        "in EPSG:32650 a pixel is 0.000277 by 0.000277 m; it must be 0.5 to 1000 m",
    ),
    "metres as degrees": (
        lambda p: write_dem(p, hills(), crs="EPSG:4326"),
        "in EPSG:4326 a pixel is nan",
    ),
    "kilometres": (lambda p: write_dem(p, hills(), pixel=3000.0), "a pixel is 3e.03"),
    "a huge piece": (_one_huge_piece, "pieces of 9008 x 9008"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_dem_is_refused_by_name_and_rule(tmp_path: Path, case: str) -> None:
    spoil, rule = REFUSED[case]
    path = spoil(tmp_path / "dem.tif")
    with pytest.raises(SourceError, match=rule) as caught:
        Elevation([path])
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("name", ["dem.vrt", "dem.hgt", "dem", "dem.tif.xml"])
def test_no_other_kind_of_file_is_opened(tmp_path: Path, name: str) -> None:
    write_dem(tmp_path / "dem.tif", hills()).rename(tmp_path / name)
    with pytest.raises(SourceError, match=r"must end in \.tif, \.tiff"):
        Elevation([tmp_path / name])


def test_no_file_at_all_is_refused() -> None:
    with pytest.raises(SourceError, match="no elevation file given"):
        Elevation([])


def test_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dem.tif").mkdir()
    with pytest.raises(SourceError, match="cannot be read"):
        Elevation([tmp_path / "dem.tif"])


def test_a_file_that_is_cut_after_it_was_opened_is_an_error(tmp_path: Path) -> None:
    path = write_dem(tmp_path / "dem.tif", hills(), compress="deflate")
    dem = Elevation([path])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SourceError, match="cannot be read"):
        dem.load(GRID, WHOLE)


def test_a_dem_much_finer_than_the_grid_is_refused_with_what_to_do(
    tmp_path: Path,
) -> None:
    dem = Elevation([write_dem(tmp_path / "dem.tif", hills(), pixel=1.0)])
    for ask in (lambda: dem.load(GRID, WHOLE), lambda: dem.relief_m(GRID)):
        with pytest.raises(SourceError, match="gdalwarp -r average"):
            ask()


# --------------------------------------------------------------------------- real files


def test_a_real_copernicus_dem_is_read(test_data: Path) -> None:
    notes: list[str] = []
    path = test_data / "dem_sample" / "cop_dem30_saotome_512.tif"
    dem = Elevation([path], notes.append)
    grid = Grid(
        crs="EPSG:32632",
        left=226_000.0,
        top=34_000.0,
        pixel_width=10,
        pixel_height=10,
        height=400,
        width=400,
    )
    found = dem.load(grid, Block(row=0, col=0, height=400, width=400), halo=50)
    assert np.isfinite(found).all(), notes
    assert 0 <= found.min() < found.max() < 2025
    assert dem.relief_m(grid) >= np.ptp(found[50:-50, 50:-50])


def test_real_srtm_on_the_pixels_of_its_scene_is_read_as_it_is(test_data: Path) -> None:
    path = test_data / "rstoolbox_sen2" / "srtm.tif"
    with rasterio.open(path) as file:
        values = file.read(1)
        grid = Grid(
            crs="EPSG:4326",
            left=file.transform.c,
            top=file.transform.f,
            pixel_width=file.transform.a,
            pixel_height=-file.transform.e,
            height=file.height,
            width=file.width,
        )
    block = Block(row=0, col=0, height=grid.height, width=grid.width)
    np.testing.assert_array_equal(Elevation([path]).load(grid, block), values)
