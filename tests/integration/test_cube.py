"""Cubes are read as they are: right pixels, right values, right times."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr
from cubes import (
    ALWAYS,
    DAYS,
    LEFT,
    TOP,
    band,
    cube,
    numbers,
    scenes,
    vegetation,
    whole,
    write,
)
from numpy.typing import NDArray
from pyproj import CRS
from shapely import Point

from rsmonitor.interfaces import SceneSource
from rsmonitor.io.sources import cube_windows
from rsmonitor.io.sources.cube import CubeSource
from rsmonitor.records.grid import Block
from rsmonitor.records.rasters import SCENE, check
from rsmonitor.stages.geodesy import grid_outline, pixel_size_m
from rsmonitor.stages.reflectance import reflectance_of

ROWS, COLS = 4, 6


def stored(path: Path, variable: str) -> NDArray[Any]:
    """Read a variable by another way than the source does."""
    with netCDF4.Dataset(path) as file:
        file.set_auto_maskandscale(False)
        return np.asarray(file[variable][:])


# ------------------------------------------------------------------ the real samples


def test_the_demo_is_read_on_the_grid_of_its_finest_bands(
    demo_cube: tuple[Path, Path],
) -> None:
    notes: list[str] = []
    with CubeSource.open(demo_cube, report=notes.append) as source:
        (grid,) = source.grids()
        assert source.bands == ("B02", "B03", "B04", "B08", "B8A", "B11")
        assert (grid.crs, grid.shape, grid.pixel_width) == ("EPSG:3035", (100, 100), 10)
        assert grid_outline(grid).covers(Point(22.15, 45.205))
        assert len(source.find(grid, until=ALWAYS)) == 140
        np.testing.assert_array_equal(
            band(source, "B04"), stored(demo_cube[0], "B4") / np.float32(10_000)
        )
        np.testing.assert_array_equal(band(source, "SCL"), stored(demo_cube[0], "SCL"))
    (choice,) = [note for note in notes if "finer" in note]
    assert choice.startswith("B03, B04, SCL: in two files; took the finer, ")
    assert "romania_10m.nc" in choice


def test_numbers_of_the_demo_are_what_is_loaded(demo_cube: tuple[Path, Path]) -> None:
    with CubeSource.open(demo_cube) as source:
        (grid,) = source.grids()
        product = source.find(grid, until=ALWAYS)[70]
        for block in list(grid.blocks(37))[:4]:
            scene = source.load(product, grid, block)
            numbers_there = source.numbers(product, grid, block)
            assert numbers_there.bands == source.bands
            np.testing.assert_array_equal(
                reflectance_of(numbers_there), scene["reflectance"]
            )
            np.testing.assert_array_equal(numbers_there.scl, scene["scl"])


def test_coarse_bands_of_the_demo_keep_their_mean(
    demo_cube: tuple[Path, Path],
) -> None:
    with CubeSource.open(demo_cube) as source:
        fine = band(source, "B11")
    coarse = stored(demo_cube[1], "B11") / 10_000
    # inside, each coarse pixel spreads over its neighbours and gets as much back
    blocks = fine.reshape(140, 50, 2, 50, 2).mean(axis=(1, 2, 3, 4))
    np.testing.assert_allclose(blocks, coarse.mean(axis=(1, 2)), rtol=0.01)
    assert np.corrcoef(fine[:, ::2, ::2].ravel(), coarse.ravel())[0, 1] > 0.97


def test_the_order_of_the_files_does_not_matter(demo_cube: tuple[Path, Path]) -> None:
    block = Block(row=37, col=51, height=9, width=12)
    with CubeSource.open(demo_cube) as one, CubeSource.open(demo_cube[::-1]) as other:
        assert one.grids() == other.grids()
        for here, there in zip(scenes(one, block), scenes(other, block), strict=True):
            xr.testing.assert_identical(here, there)


def test_the_real_mine_is_read_in_degrees(test_data: Path) -> None:
    path = test_data / "s2_mine_timeseries" / "mine_0.nc"
    notes: list[str] = []
    with CubeSource.open([path], report=notes.append) as source:
        (grid,) = source.grids()
        assert grid.crs == "EPSG:4326"
        assert pixel_size_m(grid) == pytest.approx((9.1, 9.0), abs=0.1)
        assert source.bands == ("B02", "B04", "B08", "B11", "B12")
        red = stored(path, "B04")
        np.testing.assert_array_equal(
            band(source, "B04"),
            np.where(red == 0, np.nan, red / np.float32(10_000)).astype(np.float32),
        )
    assert "mine_0.nc: ignored, not bands: aoi_mask, data_mask, phase" in notes


# ------------------------------------------------------------------- grid and bands


def as_scene_source(source: SceneSource) -> SceneSource:
    return source


def test_a_cube_is_a_scene_source(tmp_path: Path) -> None:
    source = as_scene_source(CubeSource.open([write(cube(), tmp_path / "a.nc")]))
    (grid,) = source.grids()
    (first, *_) = source.find(grid, until=ALWAYS)
    scene = check(source.load(first, grid, whole(grid)), SCENE)
    assert scene.band.to_numpy().tolist() == list(source.bands) == ["B04"]
    assert source.name == first.source == "cube"


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_zarr_and_netcdf_give_the_same(tmp_path: Path, zarr_format: int) -> None:
    dataset = cube({"B04": numbers(ROWS, COLS), "SCL": vegetation(ROWS, COLS)})
    dataset.B04.attrs |= {"_FillValue": np.uint16(1003), "scale_factor": 2e-4}
    netcdf = write(dataset, tmp_path / "a.nc")
    zarr = write(dataset, tmp_path / "a.zarr", zarr_format=zarr_format)
    with CubeSource.open([netcdf]) as one, CubeSource.open([str(zarr)]) as other:
        assert one.grids() == other.grids()
        assert one.find(*one.grids(), until=ALWAYS) == other.find(
            *other.grids(), until=ALWAYS
        )
        for here, there in zip(scenes(one), scenes(other), strict=True):
            xr.testing.assert_identical(here, there)


def test_the_grid_is_the_cubes_own(tmp_path: Path) -> None:
    with CubeSource.open([write(cube(left=499_993.7), tmp_path / "a.nc")]) as source:
        (grid,) = source.grids()
    assert (grid.left, grid.top, grid.crs) == (499_993.7, TOP, "EPSG:32650")
    assert (grid.height, grid.width, grid.pixel_height) == (ROWS, COLS, 10.0)
    assert grid.mgrs_tile is None


@pytest.mark.parametrize("axis", ["y", "x"])
def test_an_axis_stored_the_other_way_round_is_turned(
    tmp_path: Path, axis: str
) -> None:
    dataset = cube()
    straight = write(dataset, tmp_path / "straight.nc")
    turned = write(dataset.isel({axis: slice(None, None, -1)}), tmp_path / "turned.nc")
    notes: list[str] = []
    with (
        CubeSource.open([straight]) as one,
        CubeSource.open([turned], report=notes.append) as other,
    ):
        assert one.grids() == other.grids()
        block = Block(row=1, col=2, height=2, width=3)
        np.testing.assert_array_equal(band(one, "B04"), band(other, "B04"))
        np.testing.assert_array_equal(
            band(one, "B04", block), band(other, "B04", block)
        )
    assert any("turned" in note for note in notes)


def test_the_order_of_dimensions_in_the_file_does_not_matter(tmp_path: Path) -> None:
    dataset = cube()
    plain = write(dataset, tmp_path / "plain.nc")
    other_way = write(dataset.transpose("x", "time", "y"), tmp_path / "other.nc")
    with CubeSource.open([plain]) as one, CubeSource.open([other_way]) as other:
        np.testing.assert_array_equal(band(one, "B04"), band(other, "B04"))


@pytest.mark.parametrize(("y", "x"), [("latitude", "longitude"), ("lat", "lon")])
def test_axes_may_have_their_geographic_names(tmp_path: Path, y: str, x: str) -> None:
    dataset = cube(pixel=1e-4, left=115.0, top=25.0, crs="EPSG:4326")
    path = write(dataset.rename({"y": y, "x": x}), tmp_path / "a.nc")
    with CubeSource.open([path]) as source:
        (grid,) = source.grids()
        assert (grid.left, grid.top) == pytest.approx((115.0, 25.0))
        assert band(source, "B04").shape == (3, ROWS, COLS)


@pytest.mark.parametrize(
    ("name", "esa"),
    [
        ("B4", "B04"),
        ("b04", "B04"),
        ("B_04", "B04"),
        ("B8A", "B8A"),
        ("b8a", "B8A"),
        ("B11", "B11"),
        ("red", "B04"),
        ("Blue", "B02"),
        ("green", "B03"),
        ("red_edge_1", "B05"),
        ("rededge3", "B07"),
        ("nir", "B08"),
        ("nir08", "B8A"),
        ("narrow_nir", "B8A"),
        ("swir16", "B11"),
        ("swir1", "B11"),
        ("SWIR_2", "B12"),
        ("swir22", "B12"),
    ],
)
def test_bands_are_known_by_their_usual_names(
    tmp_path: Path, name: str, esa: str
) -> None:
    dataset = cube({name: numbers(2, 2), "scene_classification": vegetation(2, 2)})
    with CubeSource.open([write(dataset, tmp_path / "a.nc")]) as source:
        assert source.bands == (esa,)


def test_bands_come_in_the_order_of_wavelength(tmp_path: Path) -> None:
    names = ("B12", "B09", "B8A", "B08", "B2", "SCL")
    dataset = cube(
        {n: vegetation(2, 2) if n == "SCL" else numbers(2, 2) for n in names}
    )
    with CubeSource.open([write(dataset, tmp_path / "a.nc")]) as source:
        assert source.bands == ("B02", "B08", "B8A", "B09", "B12")


# ------------------------------------------------------------------------------- CRS


def without_crs() -> xr.Dataset:
    dataset = cube(crs=None)
    for variable in dataset.data_vars.values():
        variable.attrs.pop("grid_mapping", None)
    return dataset


def parameters_only(dataset: xr.Dataset) -> None:
    """Leave what CF says without WKT."""
    words = CRS("EPSG:32650").to_cf()
    attributes = {k: v for k, v in words.items() if k not in {"crs_wkt", "spatial_ref"}}
    dataset["projection"] = xr.Variable((), 0, attributes)
    dataset.B04.attrs["grid_mapping"] = "projection"


def unnamed_variable(dataset: xr.Dataset) -> None:
    wkt = CRS("EPSG:32650").to_wkt("WKT1_GDAL")
    dataset["crs"] = xr.Variable((), 0, {"spatial_ref": wkt})


def attribute_of_file(dataset: xr.Dataset) -> None:
    dataset.attrs["crs"] = "+init=epsg:32650"


def attribute_of_file_as_number(dataset: xr.Dataset) -> None:
    dataset.attrs["crs"] = 32650


def attribute_of_band(dataset: xr.Dataset) -> None:
    dataset.SCL.attrs["crs"] = "EPSG:32650"


@pytest.mark.parametrize(
    "put",
    [
        parameters_only,
        unnamed_variable,
        attribute_of_file,
        attribute_of_file_as_number,
        attribute_of_band,
    ],
)
def test_the_crs_is_found_where_writers_leave_it(tmp_path: Path, put: Any) -> None:  # noqa: ANN401
    dataset = without_crs()
    put(dataset)
    with CubeSource.open([write(dataset, tmp_path / "a.nc")]) as source:
        assert [grid.crs for grid in source.grids()] == ["EPSG:32650"]


def test_a_crs_without_a_code_is_kept_as_wkt(tmp_path: Path) -> None:
    own = "+proj=laea +lat_0=25 +lon_0=115 +datum=WGS84 +units=m"
    with CubeSource.open([write(cube(crs=own), tmp_path / "a.nc")]) as source:
        (grid,) = source.grids()
    assert CRS(grid.crs) == CRS(CRS(own).to_wkt())


def test_a_crs_with_a_code_but_a_shift_of_its_own_is_not_given_the_code(
    tmp_path: Path,
) -> None:
    shifted = "+proj=utm +zone=50 +ellps=krass +towgs84=100,200,300,0,0,0,0 +units=m"
    with CubeSource.open([write(cube(crs=shifted), tmp_path / "a.nc")]) as source:
        (grid,) = source.grids()
    assert not grid.crs.startswith("EPSG")


# ---------------------------------------------------------------------------- values


def values_of(
    tmp_path: Path,
    values: NDArray[Any],
    attributes: dict[str, Any] | None = None,
    **options: Any,  # noqa: ANN401
) -> tuple[list[float], list[str]]:
    """Read one row of a band, and what was said about it."""
    several = np.stack([np.stack([values, values])] * len(DAYS))
    scl = vegetation(2, values.size)
    dataset = cube({"B04": several, "SCL": scl})
    dataset.B04.attrs |= attributes or {}
    notes: list[str] = []
    path = write(dataset, tmp_path / "a.nc")
    with CubeSource.open([path], report=notes.append, **options) as source:
        return band(source, "B04")[0, 0].tolist(), notes


def same(found: list[float], expected: list[float]) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


NAN = float("nan")


def test_sixteen_bit_integers_without_a_scale_are_ten_thousandths(
    tmp_path: Path,
) -> None:
    found, notes = values_of(tmp_path, np.array([0, 1, 12_000], dtype=np.uint16))
    same(found, [NAN, 1e-4, 1.2])
    assert "a.nc: B04: no scale in the file; taken as reflectance x 10,000" in notes


def test_negative_reflectance_is_kept(tmp_path: Path) -> None:
    found, _ = values_of(tmp_path, np.array([0, -100, 300], dtype=np.int16))
    same(found, [NAN, -0.01, 0.03])


def test_the_files_own_scale_is_applied_once_and_after_the_fill(tmp_path: Path) -> None:
    attributes = {
        "scale_factor": 1e-4,
        "add_offset": -0.1,
        "_FillValue": np.uint16(1500),
    }
    found, notes = values_of(
        tmp_path, np.array([0, 1000, 1500, 900], dtype=np.uint16), attributes
    )
    same(found, [NAN, 0.0, NAN, -0.01])
    assert notes == []


def test_the_files_own_scale_wins_over_the_one_given_and_it_says_so(
    tmp_path: Path,
) -> None:
    found, notes = values_of(
        tmp_path, np.array([500], dtype=np.uint16).repeat(2), {"scale_factor": 2e-4},
        scale=1e-4,
    )  # fmt: skip
    same(found, [0.1, 0.1])
    assert any("not those given" in note for note in notes)


def test_a_scale_of_one_that_writers_put_on_everything_says_nothing(
    tmp_path: Path,
) -> None:
    attributes = {"scale_factor": 1.0, "add_offset": 0.0}
    found, notes = values_of(tmp_path, np.array([1, 2], dtype=np.uint16), attributes)
    same(found, [1e-4, 2e-4])
    assert any("10,000" in note for note in notes)


def test_scale_and_offset_given_are_used_where_the_file_is_silent(
    tmp_path: Path,
) -> None:
    found, _ = values_of(
        tmp_path, np.array([1000.0, 3000.0]), scale=1e-4, offset=-0.1
    )  # fmt: skip
    same(found, [0.0, 0.2])


def test_an_offset_alone_leaves_the_usual_scale(tmp_path: Path) -> None:
    found, _ = values_of(tmp_path, np.array([1000, 3000], dtype=np.uint16), offset=-0.1)
    same(found, [0.0, 0.2])


def test_floats_that_look_like_reflectance_are_taken_as_it(tmp_path: Path) -> None:
    found, notes = values_of(tmp_path, np.array([0.0, NAN, -0.02, 1.6]))
    same(found, [NAN, NAN, -0.02, 1.6])
    assert any("reflectance as it is" in note for note in notes)


@pytest.mark.parametrize("name", ["_FillValue", "missing_value", "nodata"])
def test_not_measured_is_known_by_any_of_its_names(tmp_path: Path, name: str) -> None:
    found, _ = values_of(
        tmp_path, np.array([-9999, 100], dtype=np.int16), {name: np.int16(-9999)}
    )
    same(found, [NAN, 0.01])


def test_saturated_is_not_measured(tmp_path: Path) -> None:
    found, _ = values_of(tmp_path, np.array([65_535, 9000], dtype=np.uint16))
    same(found, [NAN, 0.9])


def test_big_endian_numbers_are_numbers(tmp_path: Path) -> None:
    scl = vegetation(2, 2).astype(np.int8)
    dataset = cube({"B04": numbers(2, 2).astype(np.int16), "SCL": scl})
    path = tmp_path / "a.nc"
    dataset.to_netcdf(path, format="NETCDF3_CLASSIC")  # which is big-endian
    with CubeSource.open([path]) as source:
        same(band(source, "B04")[0, 0].tolist(), [0.1, 0.1001])


@pytest.mark.parametrize(
    ("values", "attributes"),
    [
        (np.array([4, 0], dtype=np.uint8), {}),
        (np.array([4, 255], dtype=np.uint8), {"_FillValue": np.uint8(255)}),
        (np.array([4.0, NAN], dtype=np.float32), {}),
        (np.array([4, -1], dtype=np.int16), {"_FillValue": np.int16(-1)}),
    ],
)
def test_classes_not_given_are_no_data(
    tmp_path: Path, values: NDArray[Any], attributes: dict[str, Any]
) -> None:
    scl = np.stack([np.stack([values, values])] * len(DAYS))
    dataset = cube({"B04": numbers(2, 2), "SCL": scl})
    dataset.SCL.attrs |= attributes
    with CubeSource.open([write(dataset, tmp_path / "a.nc")]) as source:
        assert band(source, "SCL")[0, 0].tolist() == [4, 0]


# ------------------------------------------------------------------ several files


def fine_and_coarse(tmp_path: Path) -> tuple[Path, Path]:
    """B04 at 10 m; SCL, B11 and again B04 at 20 m, with a gap in B11."""
    swir = numbers(ROWS // 2, COLS // 2)
    swir[0, 0, 0] = 0
    scl = vegetation(ROWS // 2, COLS // 2)
    scl[:, 1, 2] = 9
    red = numbers(ROWS // 2, COLS // 2)
    coarse: dict[str, NDArray[Any]] = {"B11": swir, "SCL": scl, "B04": red}
    return (
        write(cube({"B04": numbers(ROWS, COLS)}), tmp_path / "fine.nc"),
        write(cube(coarse, pixel=20.0), tmp_path / "coarse.zarr"),
    )


def test_the_finest_band_is_never_resampled(tmp_path: Path) -> None:
    with CubeSource.open(fine_and_coarse(tmp_path)) as source:
        assert source.bands == ("B04", "B11")
        np.testing.assert_array_equal(
            band(source, "B04"), numbers(ROWS, COLS) / np.float32(10_000)
        )


def test_a_gap_in_a_coarse_band_stays_as_large_as_it_is(tmp_path: Path) -> None:
    with CubeSource.open(fine_and_coarse(tmp_path)) as source:
        swir = band(source, "B11")[0]
    gap = np.zeros((ROWS, COLS), dtype=bool)
    gap[:2, :2] = True
    np.testing.assert_array_equal(np.isnan(swir), gap)


def test_classes_of_a_coarse_file_are_repeated(tmp_path: Path) -> None:
    with CubeSource.open(fine_and_coarse(tmp_path)) as source:
        scl = band(source, "SCL")[0]
    expected = np.full((ROWS, COLS), 4)
    expected[2:, 4:] = 9
    np.testing.assert_array_equal(scl, expected)


def test_a_band_is_interpolated_between_the_centres_of_its_pixels(
    tmp_path: Path,
) -> None:
    with CubeSource.open(fine_and_coarse(tmp_path)) as source:
        swir = band(source, "B11")[1]
    # the stored numbers rise by 1 a coarse pixel eastwards, so by half a fine one
    np.testing.assert_allclose(np.diff(swir[0, 1:5]), 0.5e-4, atol=1e-6)
    np.testing.assert_allclose(np.diff(swir[0])[[0, 4]], 0.25e-4, atol=1e-6)


def test_a_coarse_file_may_reach_further_than_the_fine_one(tmp_path: Path) -> None:
    wide = cube(
        {"B11": numbers(6, 7), "SCL": vegetation(6, 7)},
        pixel=20.0,
        left=LEFT - 40,
        top=TOP + 20,
    )
    fine = write(cube({"B04": numbers(ROWS, COLS)}), tmp_path / "fine.nc")
    with CubeSource.open([write(wide, tmp_path / "wide.nc"), fine]) as source:
        (grid,) = source.grids()
        assert (grid.left, grid.top, grid.shape) == (LEFT, TOP, (ROWS, COLS))
        # row 1, column 2 of the wide file lies under the first fine pixels
        middle = band(source, "B11")[0][:2, :2].mean()
    assert middle == pytest.approx((1000 + 7 + 2) / 10_000, abs=1e-5)


def test_of_equally_fine_files_the_smaller_gives_the_grid(tmp_path: Path) -> None:
    large = cube({"B08": numbers(8, 8), "SCL": vegetation(8, 8)}, top=TOP + 20)
    paths = [
        write(large, tmp_path / "large.nc"),
        write(cube({"B04": numbers(ROWS, COLS)}), tmp_path / "small.nc"),
    ]
    with CubeSource.open(paths) as source:
        (grid,) = source.grids()
        assert grid.shape == (ROWS, COLS)
        np.testing.assert_array_equal(
            band(source, "B08"), numbers(8, 8)[:, 2:6, :6] / np.float32(10_000)
        )


def test_every_block_gives_what_the_whole_gives(tmp_path: Path) -> None:
    with CubeSource.open(fine_and_coarse(tmp_path)) as source:
        (grid,) = source.grids()
        everything = scenes(source)
        for size in (1, 2, 3):
            for block in grid.blocks(size):
                cut = {"y": block.rows, "x": block.cols}
                for part, full in zip(scenes(source, block), everything, strict=True):
                    xr.testing.assert_identical(part, full.isel(cut))


@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_files_too_large_to_keep_give_the_same_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    dataset = cube({"B04": numbers(ROWS, COLS), "SCL": vegetation(ROWS, COLS)})
    path = tmp_path / "a.nc"
    chunks = {"chunksizes": (chunk, 2, 3), "zlib": True}
    dataset.isel(y=slice(None, None, -1), x=slice(None, None, -1)).to_netcdf(
        path, encoding={"B04": chunks, "SCL": chunks}
    )
    block = Block(row=0, col=1, height=3, width=4)
    with CubeSource.open([path]) as source:
        kept = scenes(source, block)
    monkeypatch.setattr(cube_windows, "_WHOLE_BYTES", 0)
    for budget in (2**20, 0):  # 0: nothing can be kept
        monkeypatch.setattr(cube_windows, "_SPAN_BYTES", budget)
        with CubeSource.open([path]) as source:
            for here, there in zip(scenes(source, block), kept, strict=True):
                xr.testing.assert_identical(here, there)


def test_several_threads_read_the_same(demo_cube: tuple[Path, Path]) -> None:
    with CubeSource.open(demo_cube) as source:
        (grid,) = source.grids()
        products = source.find(grid, until=ALWAYS)[::20]
        block = whole(grid)
        alone = [source.load(product, grid, block) for product in products]
        with ThreadPoolExecutor(4) as pool:
            together = pool.map(lambda p: source.load(p, grid, block), products)
            for here, there in zip(together, alone, strict=True):
                xr.testing.assert_identical(here, there)


# ----------------------------------------------------------------------------- times


def test_a_date_names_its_scene_and_a_time_does_so_to_the_second(
    tmp_path: Path,
) -> None:
    times = ("2018-01-01", "2018-01-06T02:57:11.024", "2018-01-06T02:57:12")
    with CubeSource.open([write(cube(times=times), tmp_path / "place.nc")]) as source:
        found = source.find(*source.grids(), until=ALWAYS)
    assert [product.product_id for product in found] == [
        "place@20180101",
        "place@20180106T025711",
        "place@20180106T025712",
    ]
    assert found[1].sensed_at == datetime(2018, 1, 6, 2, 57, 11, 24_000, tzinfo=UTC)
    assert found[1].key.datatake_start == found[1].sensed_at
    assert found[1].processing_baseline is None


def test_only_scenes_before_the_instant_are_found(tmp_path: Path) -> None:
    with CubeSource.open([write(cube(), tmp_path / "a.nc")]) as source:
        (grid,) = source.grids()
        until = datetime(2018, 1, 6, tzinfo=UTC)
        found = source.find(grid, until=until)
    assert [product.product_id for product in found] == ["a@20180101"]
    assert found[0].key.grid_id == grid.grid_id


def test_fractions_of_days_come_out_on_the_second(tmp_path: Path) -> None:
    # in days since 1950 this time is 256 ns early
    dataset = cube(times=("2018-01-01T02:57:10", *DAYS[1:]))
    dataset.time.encoding = {"units": "days since 1950-01-01", "dtype": "float64"}
    with CubeSource.open([write(dataset, tmp_path / "a.nc")]) as source:
        found = source.find(*source.grids(), until=ALWAYS)
    assert found[0].sensed_at == datetime(2018, 1, 1, 2, 57, 10, tzinfo=UTC)
    assert found[0].product_id == "a@20180101T025710"


@pytest.mark.parametrize(
    ("attribute", "argument", "expected"),
    [
        (None, None, "unknown"),
        ("S2C", None, "S2C"),
        ("Landsat 8", None, "unknown"),
        ("S2A", "S2B", "S2B"),
    ],
)
def test_the_platform_is_what_is_known(
    tmp_path: Path, attribute: str | None, argument: str | None, expected: str
) -> None:
    dataset = cube()
    if attribute is not None:
        dataset.attrs["platform"] = attribute
    path = write(dataset, tmp_path / "a.nc")
    with CubeSource.open([path], platform=argument) as source:
        found = source.find(*source.grids(), until=ALWAYS)
    assert {product.key.platform for product in found} == {expected}
