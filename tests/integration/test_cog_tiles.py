"""Cloud-optimised GeoTIFFs are read to the number, as GDAL reads them, or refused."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.shutil import copy as copy_raster
from rasterio.transform import Affine

from rsmonitor.errors import SourceError
from rsmonitor.io.sources.cog_layout import CogLayout, layout_of
from rsmonitor.io.sources.cog_tiles import CogTiles
from rsmonitor.stages.tiling import tile_grid

TILE = tile_grid("50RKN")


def numbers(
    height: int, width: int, *, seed: int = 0, dtype: str = "uint16"
) -> NDArray[Any]:
    """Give a picture that uses the whole range of its type, so that sums wrap."""
    random = np.random.default_rng(seed)
    most = np.iinfo(dtype).max
    smooth = np.add.outer(np.arange(height) * 7, np.arange(width) * 3)
    noise = random.integers(0, most, (height, width), endpoint=True)
    picked = random.random((height, width)) < 0.2
    return np.where(picked, noise, smooth % most).astype(dtype)


def write(
    path: Path,
    values: NDArray[Any],
    *,
    pixel_m: int = 10,
    row: int = 0,
    col: int = 0,
    side: int = 128,
    **options: object,
) -> str:
    """Write one band; by default deflated, in tiles, with differences."""
    chosen: dict[str, object] = {
        "compress": "deflate",
        "predictor": 2,
        "tiled": True,
        "blockxsize": side,
        "blockysize": side,
        **options,
    }
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=1,
        dtype=values.dtype,
        height=values.shape[0],
        width=values.shape[1],
        crs=TILE.crs,
        transform=Affine(
            pixel_m, 0, TILE.left + pixel_m * col, 0, -pixel_m, TILE.top - pixel_m * row
        ),
        **chosen,
    ) as file:
        file.write(values, 1)
    return str(path)


def layout(path: str, *, pixel_m: int = 10, dtype: str = "uint16") -> CogLayout:
    found = layout_of(path, TILE, pixel_m=pixel_m, dtype=dtype)
    assert found is not None
    return found


def by_gdal(path: str) -> NDArray[Any]:
    with rasterio.Env(GDAL_NUM_THREADS="1"), rasterio.open(path) as file:
        return np.asarray(file.read(1))


def read(
    found: CogLayout, shape: tuple[int, int], *, row: int = 0, col: int = 0
) -> NDArray[Any]:
    pixels = np.full(shape, 77, dtype=found.dtype)
    CogTiles().read(found, row, col, pixels)
    return pixels


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize(
    ("height", "width", "sides"),
    [
        (300, 420, (128, 128)),
        (256, 256, (256, 256)),
        (40, 50, (512, 512)),
        (700, 530, (512, 256)),
        (130, 1100, (128, 1024)),
    ],
)
def test_every_pixel_is_the_one_that_gdal_reads(
    tmp_path: Path,
    height: int,
    width: int,
    sides: tuple[int, int],
    predictor: int,
    dtype: str,
) -> None:
    values = numbers(height, width, dtype=dtype)
    path = write(
        tmp_path / "a.tif",
        values,
        predictor=predictor,
        blockysize=sides[0],
        blockxsize=sides[1],
    )
    found = layout(path, dtype=dtype)
    assert found.has_differences == (predictor == 2)
    np.testing.assert_array_equal(read(found, values.shape), values)
    np.testing.assert_array_equal(by_gdal(path), values)
    reader, random = CogTiles(), np.random.default_rng(5)
    for _ in range(40):
        top, left = int(random.integers(height)), int(random.integers(width))
        bottom = int(random.integers(top + 1, height + 1))
        right = int(random.integers(left + 1, width + 1))
        pixels = np.empty((bottom - top, right - left), dtype=dtype)
        reader.read(found, top, left, pixels)
        np.testing.assert_array_equal(pixels, values[top:bottom, left:right])


@pytest.mark.parametrize(
    "options",
    [
        {"BIGTIFF": "YES"},
        {"COPY_SRC_OVERVIEWS": "YES", "zlevel": 1},
        {"nodata": 0},
        {"interleave": "pixel"},
        {"STREAMABLE_OUTPUT": "NO", "zlevel": 9},
    ],
)
def test_other_writers_and_options_change_nothing(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    values = numbers(300, 420)
    path = write(tmp_path / "a.tif", values, **options)
    np.testing.assert_array_equal(read(layout(path), values.shape), values)


def test_a_file_by_the_cog_driver_with_overviews_is_read(tmp_path: Path) -> None:
    values = numbers(600, 700)
    plain = write(tmp_path / "plain.tif", values)
    path = str(tmp_path / "cog.tif")
    copy_raster(
        plain, path, driver="COG", compress="deflate", predictor="yes", blocksize=128
    )
    with rasterio.open(path) as file:
        assert file.overviews(1)
    np.testing.assert_array_equal(read(layout(path), values.shape), values)


@pytest.mark.parametrize("nodata", [None, 0, 7])
def test_tiles_that_are_not_stored_are_what_gdal_says(
    tmp_path: Path, nodata: int | None
) -> None:
    values = numbers(300, 420)
    values[:128] = values[256:, 256:] = nodata or 0
    options: dict[str, Any] = {} if nodata is None else {"nodata": nodata}
    path = write(tmp_path / "a.tif", values, SPARSE_OK="TRUE", **options)
    found = layout(path)
    assert (found.counts == 0).sum() == 4 + 2
    np.testing.assert_array_equal(read(found, values.shape), by_gdal(path))
    np.testing.assert_array_equal(read(found, values.shape), values)


def test_a_file_of_nothing_is_nothing(tmp_path: Path) -> None:
    values = np.zeros((200, 200), dtype=np.uint16)
    found = layout(write(tmp_path / "a.tif", values, SPARSE_OK="TRUE"))
    np.testing.assert_array_equal(read(found, (200, 200)), values)


def test_a_part_of_a_tile_is_placed_and_what_lies_beyond_is_no_data(
    tmp_path: Path,
) -> None:
    values = numbers(150, 160)
    path = write(tmp_path / "a.tif", values, pixel_m=20, row=30, col=40)
    found = layout(path, pixel_m=20)
    expected = np.zeros((400, 400), dtype=np.uint16)
    expected[30:180, 40:200] = values
    np.testing.assert_array_equal(read(found, (400, 400)), expected)
    for row, col in ((0, 0), (10, 45), (100, 150), (180, 0), (300, 300)):
        np.testing.assert_array_equal(
            read(found, (60, 70), row=row, col=col),
            expected[row : row + 60, col : col + 70],
        )


@pytest.mark.parametrize(
    "options",
    [
        {"compress": "lzw"},
        {"compress": "zstd"},
        {"compress": None, "predictor": 1},
        {"tiled": False},
        {"side": 64},
        {"side": 2048},
        {"ENDIANNESS": "BIG"},
        {"NBITS": 12, "predictor": 1},
        {"nodata": -1, "predictor": 1},
    ],
)
def test_what_is_not_usual_is_left_to_gdal(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    given = {key: value for key, value in options.items() if value is not None}
    if "compress" in options and options["compress"] is None:
        given["compress"] = "none"
    values = numbers(300, 420) % 4000
    if options.get("nodata") == -1:
        given["nodata"] = 65_535.0
        path = write(tmp_path / "a.tif", values, **given)
        np.testing.assert_array_equal(read(layout(path), values.shape), values)
        return
    path = write(tmp_path / "a.tif", values, **given)
    assert layout_of(path, TILE, pixel_m=10, dtype="uint16") is None


def test_another_place_or_type_is_refused(tmp_path: Path) -> None:
    values = numbers(300, 420)
    path = write(tmp_path / "a.tif", values)
    with pytest.raises(SourceError, match="not pixels of tile"):
        layout_of(path, TILE, pixel_m=20, dtype="uint16")
    with pytest.raises(SourceError, match="must be one of uint8"):
        layout_of(path, TILE, pixel_m=10, dtype="uint8")
    with pytest.raises(SourceError, match="MTD_TL"):
        layout_of(path, TILE, pixel_m=10, dtype="uint16", shape=(300, 400))


# ------------------------------------------------------------------------- damage


def test_a_damaged_tile_is_refused_and_the_others_are_read(tmp_path: Path) -> None:
    values = numbers(256, 384)
    path = write(tmp_path / "a.tif", values)
    found = layout(path)
    data = bytearray(Path(path).read_bytes())
    middle = int(found.offsets[1, 2] + found.counts[1, 2] // 2)
    data[middle] ^= 0xFF
    Path(path).write_bytes(bytes(data))
    found = layout(path)
    with pytest.raises(SourceError, match=r"internal tile 1, 2.*damaged"):
        read(found, values.shape)
    np.testing.assert_array_equal(read(found, (256, 256)), values[:, :256])


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.99])
def test_half_a_file_is_refused(tmp_path: Path, share: float) -> None:
    values = numbers(300, 420)
    path = write(tmp_path / "a.tif", values)
    data = Path(path).read_bytes()
    Path(path).write_bytes(data[: int(share * len(data))])
    with pytest.raises(SourceError, match="cannot be read"):
        read(layout(path), values.shape)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_directory_that_lies_never_gives_other_pixels(tmp_path: Path) -> None:
    values = numbers(300, 420)
    path = Path(write(tmp_path / "a.tif", values))
    whole = path.read_bytes()
    directory = int.from_bytes(whole[4:8], "little")
    entries = range(directory, min(directory + 600, len(whole)))
    random = np.random.default_rng(3)
    told = right = 0
    for place in random.choice(entries, 150, replace=False):
        data = bytearray(whole)
        data[place] = int(random.integers(256))
        path.write_bytes(bytes(data))
        try:
            found = layout_of(str(path), TILE, pixel_m=10, dtype="uint16")
            if found is None:
                continue
            ours = read(found, values.shape)
        except SourceError:
            told += 1
            continue
        np.testing.assert_array_equal(ours, by_gdal(str(path)))
        right += np.array_equal(ours, values)
    assert told
    assert right


def replaced(path: Path) -> None:
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)
    os.utime(path, (1, 1))


def linked(path: Path) -> None:
    other = path.with_suffix(".other")
    other.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(other)


@pytest.mark.parametrize("change", [Path.unlink, replaced, linked])
def test_a_file_that_went_away_or_changed_is_refused(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    values = numbers(300, 420)
    path = write(tmp_path / "a.tif", values)
    found, reader = layout(path), CogTiles()
    pixels = np.empty((100, 100), dtype=np.uint16)
    reader.read(found, 0, 0, pixels)
    change(Path(path))
    with pytest.raises(SourceError, match="cannot be read"):
        reader.read(found, 0, 0, pixels)


# ------------------------------------------------------------------------- memory


def windows(
    height: int, width: int, *, block: int, halo: int
) -> list[tuple[int, int, int, int]]:
    """Cut row by row, with what is needed around."""
    return [
        (
            max(top - halo, 0),
            max(left - halo, 0),
            min(top + block + halo, height),
            min(left + block + halo, width),
        )
        for top in range(0, height, block)
        for left in range(0, width, block)
    ]


@pytest.mark.parametrize("side", [128, 256])
def test_each_tile_inside_is_inflated_once_row_by_row(
    tmp_path: Path, side: int
) -> None:
    values = numbers(1500, 1300)
    found, reader = layout(write(tmp_path / "a.tif", values, side=side)), CogTiles()
    most = 0
    for y, x in ((0, 4), (3, 2), (5, 0)):
        sample = np.empty((side, side), dtype=np.uint16)
        reader.read(found, y * side, x * side, sample, in_turn=False)
    for top, left, bottom, right in windows(1500, 1300, block=512, halo=48):
        pixels = np.empty((bottom - top, right - left), dtype=np.uint16)
        reader.read(found, top, left, pixels)
        np.testing.assert_array_equal(pixels, values[top:bottom, left:right])
        most = max(most, reader.kept_bytes)
    assert reader.inflated_tiles == found.counts.size
    assert most < values.nbytes / 2


@pytest.mark.parametrize("bound", [0, 50_000, 200_000])
def test_what_is_kept_is_bounded_and_changes_no_pixel(
    tmp_path: Path, bound: int
) -> None:
    values = [numbers(700, 600, seed=seed) for seed in range(3)]
    files = [
        layout(write(tmp_path / f"{seed}.tif", one)) for seed, one in enumerate(values)
    ]
    reader = CogTiles(kept_bytes=bound)
    for top, left, bottom, right in windows(700, 600, block=256, halo=20):
        for one, found in zip(values, files, strict=True):
            pixels = np.empty((bottom - top, right - left), dtype=np.uint16)
            reader.read(found, top, left, pixels)
            np.testing.assert_array_equal(pixels, one[top:bottom, left:right])
            assert reader.kept_bytes <= bound


def test_any_number_of_threads_read_the_same(tmp_path: Path) -> None:
    values = numbers(900, 800)
    found = layout(write(tmp_path / "a.tif", values))
    reader = CogTiles(kept_bytes=300_000)

    def same(window: tuple[int, int, int, int]) -> bool:
        top, left, bottom, right = window
        pixels = np.empty((bottom - top, right - left), dtype=np.uint16)
        reader.read(found, top, left, pixels)
        return np.array_equal(pixels, values[top:bottom, left:right])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(same, windows(900, 800, block=100, halo=30) * 3))
    assert reader.kept_bytes <= 300_000
