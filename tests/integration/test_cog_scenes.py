"""A folder of cloud-optimised GeoTIFFs is read in place: same numbers, no copies."""

import json
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from safe_products import DESCRIPTION, TILE, Safe, write_images

from rsmonitor.errors import ContractError, SourceError
from rsmonitor.io.sources import scene_reader
from rsmonitor.io.sources.cog_scenes import PATCH, sample_in_place, sample_patches
from rsmonitor.io.sources.folder import FolderArchive
from rsmonitor.io.sources.scenes import ArchiveScenes
from rsmonitor.io.stores.cache import SceneCache
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.offer import Numbers, Offer, TileWindow
from rsmonitor.records.scene import SceneNumbers
from rsmonitor.stages.geodesy import grid_outline
from rsmonitor.stages.reflectance import reflectance_of
from rsmonitor.stages.tiling import tile_grid

START, UNTIL = datetime(2015, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
BANDS = ("B04", "B08", "B8A", "B11")
SIDE = 1100
"""Pixels of 10 m: over the seam between cells, at 1002, in both directions."""


@dataclass
class Copied:
    """The same archive, whose files are not read in place."""

    inner: FolderArchive
    name: str = "folder"
    requests_cost: bool = False

    def search(
        self, *, mgrs_tile: str, start: datetime, until: datetime
    ) -> Sequence[Offer]:
        return self.inner.search(mgrs_tile=mgrs_tile, start=start, until=until)

    def fetch(self, offer: Offer, window: TileWindow, bands: Sequence[str]) -> Numbers:
        return self.inner.fetch(offer, window, bands)


def in_tiles(path: Path, **changes: object) -> None:
    """Write a GeoTIFF anew as a cloud-optimised one."""
    with rasterio.open(path) as file:
        values, profile = file.read(1), file.profile
    options = {"compress": "deflate", "predictor": 2, "tiled": True}
    options |= {"blockxsize": 256, "blockysize": 256, **changes}
    path.unlink()
    with rasterio.open(path, "w", **{**profile, **options}) as file:
        file.write(values, 1)


def product(folder: Path, *, name: str = "a", gap: slice | None = None) -> Path:
    """Write one; some of it may be missing."""
    made = write_images(folder / name, Safe(side=SIDE), product_id=name)
    for path in sorted(made.glob("*.tif")):
        with rasterio.open(path, "r+") as file:
            values = file.read(1)
            if gap is not None:
                values[gap] = 0
            values[5:9, 20:23] = 0
            file.write(values, 1)
        in_tiles(path)
    return made


def grid_of(row: int, col: int, height: int, width: int) -> Grid:
    tile = tile_grid(TILE)
    return replace(
        tile,
        left=tile.left + 10 * col,
        top=tile.top - 10 * row,
        height=height,
        width=width,
    )


GRID = grid_of(4, 6, 1040, 1052)


def opened(
    archive: FolderArchive | Copied, cache: Path, grid: Grid = GRID
) -> ArchiveScenes:
    return ArchiveScenes(
        archive, (grid,), cache=SceneCache(cache), start=START, bands=BANDS
    )


def whole(grid: Grid) -> Block:
    return Block(row=0, col=0, height=grid.height, width=grid.width)


def require_same(found: SceneNumbers, expected: SceneNumbers) -> None:
    assert (found.bands, found.ratio, found.row, found.col) == (
        expected.bands,
        expected.ratio,
        expected.row,
        expected.col,
    )
    assert found.fine.dtype == expected.fine.dtype
    for name in ("fine", "coarse", "scl"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def pieces(cache: Path) -> list[Path]:
    return [
        path for path in cache.rglob("*") if path.is_file() and path.suffix != ".json"
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("products")
    product(made)
    return made


@pytest.fixture
def own(folder: Path, tmp_path: Path) -> Path:
    """Give a copy of the folder that a test may harm."""
    return Path(shutil.copytree(folder, tmp_path / "products"))


def test_what_is_read_in_place_is_what_the_cache_would_give(
    folder: Path, tmp_path: Path
) -> None:
    grid = grid_of(302, 406, 798, 694)
    kept = opened(Copied(FolderArchive(folder)), tmp_path / "kept", grid)
    direct = opened(FolderArchive(folder), tmp_path / "direct", grid)
    (look,) = kept.find(grid, until=UNTIL)
    assert list(direct.find(grid, until=UNTIL)) == [look]
    blocks = [*grid.blocks(450), whole(grid), Block(row=7, col=3, height=1, width=1)]
    for block in blocks:
        found = direct.numbers(look, grid, block)
        assert found.fine.dtype == np.uint16
        require_same(found, kept.numbers(look, grid, block))
        scene = direct.load(look, grid, block)
        order = [found.bands.index(band) for band in BANDS]
        np.testing.assert_array_equal(
            reflectance_of(found)[order], scene["reflectance"]
        )
        np.testing.assert_array_equal(found.scl, scene["scl"])
    assert pieces(tmp_path / "kept")
    assert not pieces(tmp_path / "direct")
    assert direct.outstanding(grid, until=UNTIL) == ()
    assert direct.fetched_bytes == 0


def test_the_numbers_are_those_of_the_files(folder: Path, tmp_path: Path) -> None:
    source = opened(FolderArchive(folder), tmp_path)
    (look,) = source.find(GRID, until=UNTIL)
    found = source.numbers(look, GRID, whole(GRID))
    assert (found.add_offset, found.quantification_value) == (-1000, 10_000)
    expected = Safe(side=SIDE).values("B08")
    expected[5:9, 20:23] = 0
    np.testing.assert_array_equal(
        found.fine[found.fine_bands.index("B08")],
        expected[4 : 4 + GRID.height, 6 : 6 + GRID.width],
    )
    classes = Safe(side=SIDE).values("SCL")
    classes[5:9, 20:23] = 0
    np.testing.assert_array_equal(
        found.scl,
        classes.repeat(2, axis=0).repeat(2, axis=1)[
            4 : 4 + GRID.height, 6 : 6 + GRID.width
        ],
    )


def test_blocks_read_by_several_threads_are_the_same(
    folder: Path, tmp_path: Path
) -> None:
    source = opened(FolderArchive(folder), tmp_path)
    (look,) = source.find(GRID, until=UNTIL)
    expected = source.numbers(look, GRID, whole(GRID))
    blocks = list(GRID.blocks(200))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda b: source.numbers(look, GRID, b), blocks))
    for block, one in zip(blocks, found, strict=True):
        np.testing.assert_array_equal(
            one.fine, expected.fine[:, block.rows, block.cols]
        )


class Strips(FolderArchive):
    """Its products are said to be a northern and a southern part."""

    def search(
        self, *, mgrs_tile: str, start: datetime, until: datetime
    ) -> Sequence[Offer]:
        middle = grid_outline(GRID).centroid.y
        parts = {
            "n": shapely.box(110, middle, 119, 40),
            "s": shapely.box(110, 20, 119, middle),
        }
        return [
            replace(offer, footprint=parts[offer.product_id])
            for offer in super().search(mgrs_tile=mgrs_tile, start=start, until=until)
        ]


def test_strips_are_merged_as_numbers(tmp_path: Path) -> None:
    made = tmp_path / "products"
    product(made, name="n", gap=slice(600, None))
    product(made, name="s", gap=slice(0, 500))
    block = Block(row=450, col=300, height=300, width=400)
    found = []
    for archive in (Strips(made), Copied(Strips(made))):
        source = opened(archive, tmp_path / type(archive).__name__)
        (look,) = source.find(GRID, until=UNTIL)
        assert "+" in look.product_id
        found.append(source.numbers(look, GRID, block))
        assert found[-1].fine.dtype == np.uint16
        assert found[-1].fine.all()
    require_same(*found)
    assert not pieces(tmp_path / "Strips")


@pytest.mark.parametrize("changes", [{"compress": "lzw"}, {"tiled": False}])
def test_what_is_not_usual_still_goes_through_the_cache(
    folder: Path, own: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    in_tiles(next(own.rglob("*_B11_20m.tif")), **changes)
    grid = grid_of(2, 2, 60, 60)
    odd = opened(FolderArchive(own), tmp_path / "odd", grid)
    usual = opened(FolderArchive(folder), tmp_path / "usual", grid)
    (look,) = odd.find(grid, until=UNTIL)
    assert len(odd.outstanding(grid, until=UNTIL)) == 1
    (same,) = usual.find(grid, until=UNTIL)
    require_same(
        odd.numbers(look, grid, whole(grid)), usual.numbers(same, grid, whole(grid))
    )
    assert pieces(tmp_path / "odd")


# ----------------------------------------------------------------------- the check


def test_a_scene_that_contradicts_itself_is_put_aside(
    own: Path, tmp_path: Path
) -> None:
    path = next(own.rglob("*_B08_10m.tif"))
    with rasterio.open(path, "r+") as file:
        file.write(np.full((SIDE, SIDE), 64_000, dtype=np.uint16), 1)
    source = opened(FolderArchive(own), tmp_path / "cache")
    (look,) = source.find(GRID, until=UNTIL)
    block = Block(row=0, col=0, height=20, width=20)
    for _ in range(2):
        with pytest.raises(SourceError, match="30,000 and more"):
            source.numbers(look, GRID, block)
    assert source.find(GRID, until=UNTIL) == []
    (trouble,) = SceneCache(tmp_path / "cache").quarantines()
    assert trouble.product_id == "a"


def test_a_scene_is_checked_once_and_again_when_its_files_change(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = []

    def counting(*given: Any) -> Numbers:  # noqa: ANN401
        counted.append(given)
        return sample_in_place(*given)

    monkeypatch.setattr(scene_reader, "sample_in_place", counting)

    def run() -> None:
        source = opened(FolderArchive(own), tmp_path / "cache")
        (look,) = source.find(GRID, until=UNTIL)
        for block in list(GRID.blocks(400))[:3]:
            source.numbers(look, GRID, block)

    run()
    run()
    assert len(counted) == 1
    os.utime(next(own.rglob("*_B04_10m.tif")), (1, 1))
    run()
    assert len(counted) == 2


def test_a_damaged_tile_is_told_when_its_block_is_read(
    own: Path, tmp_path: Path
) -> None:
    path = next(own.rglob("*_B04_10m.tif"))
    with rasterio.open(path) as file:
        place = int(file.get_tag_item("BLOCK_OFFSET_4_2", "TIFF", bidx=1)) + 500
    data = bytearray(path.read_bytes())
    data[place] ^= 0xFF
    path.write_bytes(bytes(data))
    grid = grid_of(0, 0, SIDE, SIDE)
    archive = FolderArchive(own)
    source = opened(archive, tmp_path / "cache", grid)
    (look,) = source.find(grid, until=UNTIL)
    source.numbers(look, grid, Block(row=0, col=0, height=100, width=100))
    with pytest.raises(SourceError, match=r"a@.*B04.*internal tile 2, 4") as told:
        source.numbers(look, grid, Block(row=500, col=1000, height=100, width=100))
    assert "will be tried again" in str(told.value)


def test_a_file_that_changes_while_it_is_in_use_is_told(
    own: Path, tmp_path: Path
) -> None:
    source = opened(FolderArchive(own), tmp_path / "cache")
    (look,) = source.find(GRID, until=UNTIL)
    block = Block(row=0, col=0, height=100, width=100)
    source.numbers(look, GRID, block)
    path = next(own.rglob("*_B04_10m.tif"))
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(SourceError, match=r"B04.*has changed since"):
        source.numbers(look, GRID, block)
    path.unlink()
    with pytest.raises(SourceError, match=r"B04.*cannot be read"):
        source.numbers(look, GRID, block)


def test_listed_checksums_are_held(own: Path, tmp_path: Path) -> None:
    described = {**DESCRIPTION, "product_id": "a"}
    described["sha256"] = {"scene_B11_20m.tif": "0" * 64}
    (own / "a" / "product.json").write_text(json.dumps(described))
    source = opened(FolderArchive(own), tmp_path / "cache")
    (look,) = source.find(GRID, until=UNTIL)
    with pytest.raises(SourceError, match=r"B11.*is damaged: its sha256"):
        source.numbers(look, GRID, Block(row=0, col=0, height=9, width=9))


def test_only_products_with_a_stamp_are_read_in_place(tmp_path: Path) -> None:
    Safe().write(tmp_path)
    archive = FolderArchive(tmp_path)
    (offer,) = archive.search(mgrs_tile=TILE, start=START, until=UNTIL)
    assert archive.stamp(offer, ("B04",)) is None
    with pytest.raises(ContractError, match="no stamp"):
        archive.read(offer, "B04", 0, 0, np.empty((4, 4), dtype=np.uint16))


@pytest.mark.parametrize(
    "covered",
    [
        Block(row=0, col=0, height=10_980, width=10_980),
        Block(row=998, col=2998, height=1000, width=4000),
        Block(row=10_000, col=0, height=980, width=2),
    ],
)
def test_patches_are_spread_and_do_not_overlap(covered: Block) -> None:
    patches = sample_patches(covered)
    assert 1 <= len(patches) <= 9
    seen = np.zeros((10_980, 10_980), dtype=np.uint8)
    for patch in patches:
        seen[patch.rows, patch.cols] += 1
        for number in (patch.row, patch.col, patch.height, patch.width):
            assert number % 2 == 0
        assert max(patch.height, patch.width) <= PATCH
    assert seen.max() == 1
    outside = seen.copy()
    outside[covered.rows, covered.cols] = 0
    assert not outside.any()
    for axis, start, size in (
        (1, covered.row, covered.height),
        (0, covered.col, covered.width),
    ):
        (lines,) = np.nonzero(seen.any(axis=axis))
        assert (lines[0], lines[-1]) == (start, start + size - 1)
