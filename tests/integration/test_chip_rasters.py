import struct
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from sample_package import sample_package

from rsmonitor.errors import OutputError
from rsmonitor.io.deliver.pictures.chip_rasters import ChipRaster, write_chip_rasters
from rsmonitor.records.grid import Grid
from rsmonitor.records.package import Chip, ChipRole, Dossier, Package
from rsmonitor.stages.tiling import tile_grid

TILE = tile_grid("50RLN")


def chip_at(
    row: int,
    col: int,
    *,
    tone: int,
    role: ChipRole = ChipRole.AFTER,
    every: int = 1,
    grid: Grid = TILE,
    unseen: tuple[slice, slice] | None = None,
    day: date = date(2020, 5, 1),
) -> Chip:
    seen = np.ones((32, 40), dtype=np.bool_)
    if unseen is not None:
        seen[unseen] = False
    rgb = np.full((32, 40, 3), tone, dtype=np.uint8)
    rgb[..., 1] = np.arange(40)
    return Chip(
        role=role,
        rgb=rgb,
        seen=seen,
        grid=replace(
            grid,
            left=grid.left + col * grid.pixel_width,
            top=grid.top - row * grid.pixel_height,
            pixel_width=grid.pixel_width * every,
            pixel_height=grid.pixel_height * every,
            height=32,
            width=40,
            mgrs_tile=None,
        ),
        days=(day,),
        scenes=("S2A",),
        true_colour=True,
    )


def package_with(*chips: tuple[Chip, ...]) -> Package:
    package = sample_package(alerts=len(chips))
    dossiers: list[Dossier] = [
        replace(dossier, chips=theirs)
        for dossier, theirs in zip(package.dossiers, chips, strict=True)
    ]
    return replace(package, dossiers=tuple(dossiers))


def read(folder: Path, raster: ChipRaster) -> tuple[NDArray[np.uint8], Grid]:
    with rasterio.open(folder / raster.path) as file:
        a, _, left, _, e, top = file.transform[:6]
        grid = Grid(
            crs=file.crs.to_string(),
            left=left,
            top=top,
            pixel_width=a,
            pixel_height=-e,
            height=file.height,
            width=file.width,
        )
        return file.read(), grid


def part(
    image: NDArray[np.uint8], grid: Grid, chip: Chip
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    row = (grid.top - chip.grid.top) / grid.pixel_height
    col = (chip.grid.left - grid.left) / grid.pixel_width
    assert (row, col) == (round(row), round(col))
    cut = image[:, int(row) : int(row) + 32, int(col) : int(col) + 40]
    return np.moveaxis(cut[:3], 0, -1), cut[3]


def test_chips_lie_where_they_lie_and_nothing_between_them(tmp_path: Path) -> None:
    chips = [
        chip_at(50, 80, tone=60),
        chip_at(400, 700, tone=200, unseen=(slice(4), slice(7))),
    ]
    package = package_with(*[(chip,) for chip in chips])
    (raster,) = write_chip_rasters(tmp_path, package)
    assert raster.role is ChipRole.AFTER
    assert raster.days == (date(2020, 5, 1),)
    image, grid = read(tmp_path, raster)
    assert grid.crs == TILE.crs
    for chip in chips:
        rgb, opaque = part(image, grid, chip)
        np.testing.assert_array_equal(opaque == 255, chip.seen)
        np.testing.assert_array_equal(rgb[chip.seen], chip.rgb[chip.seen])
    assert (image[3] > 0).sum() == sum(int(chip.seen.sum()) for chip in chips)
    assert not image[:3, image[3] == 0].any(), "nothing is told behind transparency"


def test_the_alert_of_higher_attention_lies_on_top_and_a_hole_in_it_does_not(
    tmp_path: Path,
) -> None:
    first = chip_at(10, 10, tone=40, unseen=(slice(8, 12), slice(10)))
    second = chip_at(14, 10, tone=220)
    (raster,) = write_chip_rasters(tmp_path, package_with((first,), (second,)))
    image, grid = read(tmp_path, raster)
    rgb, opaque = part(image, grid, first)
    assert (opaque == 255).all()
    np.testing.assert_array_equal(rgb[first.seen][:, 0], 40)
    assert (rgb[8:12, :10, 0] == 220).all()


def test_roles_have_files_of_their_own_and_evidence_has_none(tmp_path: Path) -> None:
    package = package_with(tuple(chip_at(0, 0, tone=9, role=role) for role in ChipRole))
    rasters = write_chip_rasters(tmp_path, package)
    assert [raster.role for raster in rasters] == [ChipRole.BEFORE, ChipRole.AFTER]
    assert sorted(p.name for p in (tmp_path / "imagery").iterdir()) == sorted(
        raster.path.removeprefix("imagery/") for raster in rasters
    )


def test_a_thinned_chip_lies_on_the_pixels_of_the_others(tmp_path: Path) -> None:
    fine, thin = chip_at(0, 0, tone=50), chip_at(101, 203, tone=90, every=3)
    (raster,) = write_chip_rasters(tmp_path, package_with((thin,), (fine,)))
    image, grid = read(tmp_path, raster)
    assert grid.pixel_width == TILE.pixel_width
    assert image.shape[1:] == (101 + 96, 203 + 120)
    np.testing.assert_array_equal(
        image[1, 101:, 203:], np.repeat(np.repeat(thin.rgb[..., 1], 3, 0), 3, 1)
    )


def test_lattices_that_do_not_fit_have_files_of_their_own(tmp_path: Path) -> None:
    other = replace(TILE, left=TILE.left + 3.0)
    package = package_with(
        (chip_at(0, 0, tone=1),), (chip_at(0, 0, tone=1, grid=other),)
    )
    rasters = write_chip_rasters(tmp_path, package)
    assert len({raster.path for raster in rasters}) == 2
    lefts = {read(tmp_path, raster)[1].left for raster in rasters}
    assert lefts == {TILE.left, TILE.left + 3.0}


def test_no_chip_is_no_file(tmp_path: Path) -> None:
    assert write_chip_rasters(tmp_path, package_with((), ())) == ()
    assert not list(tmp_path.iterdir())


def test_chips_over_a_wide_ground_make_a_small_optimised_file_twice_the_same(
    tmp_path: Path,
) -> None:
    corners = [(0, 0), (4000, 100), (100, 4500)]
    package = package_with(*[(chip_at(*corner, tone=99),) for corner in corners])
    (raster,) = write_chip_rasters(tmp_path, package)
    path = tmp_path / raster.path
    first = path.read_bytes()
    write_chip_rasters(tmp_path, package)
    assert path.read_bytes() == first
    assert len(first) < 150_000
    require_optimised(path)
    with rasterio.open(path) as file:
        assert file.overviews(1) == [2, 4, 8, 16, 32]
        assert file.block_shapes == [(256, 256)] * 4
        assert [c.name for c in file.colorinterp] == ["red", "green", "blue", "alpha"]
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        thin = file.read(4, out_shape=(file.height // 16, file.width // 16))
        assert (thin > 0).any()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "imagery").write_text("a file stands in the way")
    with pytest.raises(OutputError, match="imagery"):
        write_chip_rasters(tmp_path, package_with((chip_at(0, 0, tone=1),)))


def require_optimised(path: Path) -> None:
    """Ask what GDAL's own check asks: heads first, then overviews, smallest first."""
    data = path.read_bytes()
    assert data[:4] == b"II*\0"
    offset = int(struct.unpack_from("<I", data, 4)[0])
    heads, tiles = [], []
    while offset:
        heads.append(offset)
        (count,) = struct.unpack_from("<H", data, offset)
        for entry in range(count):
            tag, kind, number, value = struct.unpack_from(
                "<HHII", data, offset + 2 + 12 * entry
            )
            if tag == 324:  # offsets of tiles
                assert kind == 4
                at = value if number > 1 else offset + 2 + 12 * entry + 8
                where = struct.unpack_from(f"<{number}I", data, at)
                tiles.append([one for one in where if one])
        (offset,) = struct.unpack_from("<I", data, offset + 2 + 12 * count)
    assert len(heads) == len(tiles) > 1
    assert heads == sorted(heads)
    assert max(heads) < min(min(held) for held in tiles)
    starts = [min(held) for held in tiles]
    assert starts == sorted(starts, reverse=True)
