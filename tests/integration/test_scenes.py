"""Scenes of an archive are those of the cube they were cut from, to the number."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import shapely
from landscape import Desk, outputs
from scenes_of_demo import (
    AS_SHIPPED,
    COARSE,
    FINE,
    MemoryArchive,
    TileCube,
    tile_cube,
    write_cubes,
)

from rsmonitor.errors import ContractError, SourceError, SourceUnreachableError
from rsmonitor.io.sources.cube import CubeSource
from rsmonitor.io.sources.scenes import ArchiveScenes
from rsmonitor.io.stores.cache import SceneCache
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.offer import Numbers, Offer, Radiometry, TileWindow
from rsmonitor.records.rasters import Scl
from rsmonitor.records.week import IsoWeek
from rsmonitor.stages.geodesy import grid_outline
from rsmonitor.stages.reflectance import reflectance_of
from rsmonitor.stages.tile_cells import cells_of
from rsmonitor.stages.tiling import tile_grid

BANDS = (*FINE, *COARSE)
START = datetime(2015, 1, 1, tzinfo=UTC)
UNTIL = datetime(2030, 1, 1, tzinfo=UTC)
OFFSET = Radiometry(add_offset=-1000, quantification_value=10_000, because="a test")
HISTORY_UNTIL = date(2018, 6, 30)


def window_grid(
    row: int, col: int, height: int, width: int, *, mgrs_tile: str = "50RKN"
) -> Grid:
    tile = tile_grid(mgrs_tile)
    return replace(
        tile,
        left=tile.left + 10 * col,
        top=tile.top - 10 * row,
        height=height,
        width=width,
    )


def forest(grid: Grid, *, looks: int = 2) -> TileCube:
    """Give numbers like those of a forest, no two looks alike."""
    random = np.random.default_rng(7)
    half = (grid.height // 2, grid.width // 2)
    first = datetime(2018, 1, 1, 3, tzinfo=UTC)
    return TileCube(
        grid=grid,
        times=tuple(first + timedelta(days=5 * look) for look in range(looks)),
        fine=random.integers(150, 450, (4, looks, *grid.shape)).astype(np.uint16),
        coarse=random.integers(900, 3500, (2, looks, *half)).astype(np.uint16),
        scl=np.full((looks, *half), Scl.VEGETATION, dtype=np.uint8),
    )


# where four cells meet
CORNER = window_grid(3986, 4980, 40, 60)


def source_of(
    archive: MemoryArchive,
    folder: Path,
    *grids: Grid,
    bands: Sequence[str] = BANDS,
    said: list[str] | None = None,
) -> ArchiveScenes:
    return ArchiveScenes(
        archive,
        grids or (archive.cube.grid,),
        cache=SceneCache(folder / "cache"),
        start=START,
        bands=bands,
        report=None if said is None else said.append,
    )


def whole(grid: Grid) -> Block:
    return Block(row=0, col=0, height=grid.height, width=grid.width)


# --------------------------------------------------------------------- the demo


@pytest.fixture(scope="module")
def demo(request: pytest.FixtureRequest) -> TileCube:
    return tile_cube(*request.getfixturevalue("demo_cube"))


@dataclass
class Both:
    """The demo as a cube on disk and as an archive."""

    cube: CubeSource
    scenes: ArchiveScenes
    archive: MemoryArchive
    cache: SceneCache


@pytest.fixture(scope="module")
def both(demo: TileCube, tmp_path_factory: pytest.TempPathFactory) -> Both:
    folder = tmp_path_factory.mktemp("both")
    archive = MemoryArchive(demo)
    cube = CubeSource.open(write_cubes(demo, folder))
    return Both(cube, source_of(archive, folder), archive, SceneCache(folder / "cache"))


@pytest.mark.slow
def test_numbers_come_back_to_the_byte(both: Both, demo: TileCube) -> None:
    cells = cells_of(demo.place)
    assert len(cells) == 2
    looks = both.scenes.looks(demo.grid, until=UNTIL)
    assert len(looks) == len(demo.times) == 140
    for time, look in enumerate(looks):
        both.scenes.load(look.product, demo.grid, whole(demo.grid))
        for cell in cells:
            kept = both.cache.get(look.offers[0], cell, BANDS)
            shipped = demo.numbers(time, cell, BANDS)
            assert kept is not None
            assert kept.dn_10m.tobytes() == shipped.dn_10m.tobytes()
            assert kept.dn_20m.tobytes() == shipped.dn_20m.tobytes()
            assert kept.scl.tobytes() == shipped.scl.tobytes()


@pytest.mark.slow
def test_scenes_are_those_of_the_cube(both: Both, demo: TileCube) -> None:
    (grid,) = both.cube.grids()
    assert grid.shape == demo.grid.shape
    scenes = both.scenes.find(demo.grid, until=UNTIL)
    for product, other in zip(both.cube.find(grid, until=UNTIL), scenes, strict=True):
        expected = both.cube.load(product, grid, whole(grid))
        found = both.scenes.load(other, demo.grid, whole(grid))
        assert product.sensed_at == other.sensed_at
        assert list(found.band) == list(expected.band)
        assert found.scl.identical(expected.scl)
        np.testing.assert_array_equal(found.reflectance, expected.reflectance)


@pytest.mark.slow
def test_archive_and_cube_give_the_same_alerts_and_evidence(
    both: Both, demo: TileCube
) -> None:
    week = IsoWeek.of(demo.times[-1])
    shown = []
    for source in (both.cube, both.scenes):
        desk = Desk.new(block_size=64, until=HISTORY_UNTIL)
        outcome = desk.run(source, week)
        assert not outcome.refused
        shown.append(desk.shown)
    expected, found = shown
    assert len(expected.alerts) == len(found.alerts) > 0
    for one, other in zip(expected.alerts, found.alerts, strict=True):
        assert one.rank == other.rank
        before, after = (x.site.latest.disturbance for x in (one, other))
        np.testing.assert_equal(dict(after.features), dict(before.features))
        assert replace(after, grid_id="", features={}) == replace(
            before, grid_id="", features={}
        )
    told = [
        [value for name, value in outputs(one).items() if name.startswith("evidence")]
        for one in shown
    ]
    assert told[0] == told[1]


# --------------------------------------------------------------- cells and blocks


def test_no_value_depends_on_the_block(tmp_path: Path) -> None:
    source = source_of(MemoryArchive(forest(CORNER)), tmp_path)
    product = source.find(CORNER, until=UNTIL)[0]
    expected = source.load(product, CORNER, whole(CORNER))
    for size in (7, 13, 39):
        for block in CORNER.blocks(size):
            found = source.load(product, CORNER, block)
            cut = expected.isel(y=block.rows, x=block.cols)
            np.testing.assert_array_equal(found.reflectance, cut.reflectance)
            np.testing.assert_array_equal(found.scl, cut.scl)


def test_bands_of_10_m_are_not_resampled_and_those_of_20_m_blend(
    tmp_path: Path,
) -> None:
    cube = forest(CORNER)
    source = source_of(MemoryArchive(cube), tmp_path)
    product = source.find(CORNER, until=UNTIL)[0]
    scene = source.load(product, CORNER, whole(CORNER))
    assert source.bands == ("B02", "B03", "B04", "B08", "B8A", "B11")
    expected = cube.fine[:, 0].astype(np.float32) / np.float32(10_000)
    np.testing.assert_array_equal(scene.reflectance[:4], expected)
    swir = cube.coarse[1, 0].astype(float) / 10_000
    blended = (9 * swir[3, 3] + 3 * swir[3, 4] + 3 * swir[4, 3] + swir[4, 4]) / 16
    assert scene.reflectance[5, 7, 7] == pytest.approx(blended)


def test_a_request_shows_the_cell_and_not_the_site(tmp_path: Path) -> None:
    cube = forest(CORNER, looks=1)
    asked = []
    for row, col in ((3988, 4982), (3998, 4996)):
        archive = MemoryArchive(cube)
        site = window_grid(row, col, 4, 4)
        source = source_of(archive, tmp_path / str(row), site)
        source.load(source.find(site, until=UNTIL)[0], site, whole(site))
        asked.append(archive.fetched)
    assert asked[0] == asked[1]
    ((_, window),) = asked[0]
    tile = tile_grid("50RKN")
    assert (tile.top - 10 * window.row) % 10_000 == 0
    assert (tile.left + 10 * window.col) % 10_000 == 0
    assert (window.height, window.width) == (1000, 1000)


def test_what_was_fetched_is_never_fetched_again(tmp_path: Path) -> None:
    archive = MemoryArchive(forest(CORNER))
    for _ in range(2):
        source = source_of(archive, tmp_path)
        for product in source.find(CORNER, until=UNTIL):
            for block in CORNER.blocks(16):
                source.load(product, CORNER, block)
    assert len(archive.fetched) == len(set(archive.fetched)) == 2 * 4
    assert archive.searched == 1


def test_blocks_read_at_the_same_time_fetch_once(tmp_path: Path) -> None:
    archive = MemoryArchive(forest(CORNER))
    source = source_of(archive, tmp_path)
    product = source.find(CORNER, until=UNTIL)[0]
    blocks = list(CORNER.blocks(8))
    with ThreadPoolExecutor(8) as pool:
        scenes = list(pool.map(lambda b: source.load(product, CORNER, b), blocks))
    assert len(archive.fetched) == 4
    expected = source.load(product, CORNER, whole(CORNER))
    for block, scene in zip(blocks, scenes, strict=True):
        cut = expected.isel(y=block.rows, x=block.cols)
        np.testing.assert_array_equal(scene.reflectance, cut.reflectance)


def test_explain_knows_what_is_still_to_be_fetched(tmp_path: Path) -> None:
    source = source_of(MemoryArchive(forest(CORNER)), tmp_path)
    assert len(source.outstanding(CORNER, until=UNTIL)) == 2 * 4
    product = source.find(CORNER, until=UNTIL)[0]
    source.load(product, CORNER, whole(CORNER))
    left = source.outstanding(CORNER, until=UNTIL)
    assert len(left) == 4
    assert all(offer.sensed_at != product.sensed_at for offer, _ in left)


# ------------------------------------------------------------ failure and quarantine


def test_a_failed_read_names_the_scene_and_no_secret(tmp_path: Path) -> None:
    archive = MemoryArchive(forest(CORNER))
    first, _ = (offer.product_id for offer in archive.offers())
    archive.failing = {first}
    source = source_of(archive, tmp_path)
    products = source.find(CORNER, until=UNTIL)
    for attempt in ("1 time;", "2 times;"):
        with pytest.raises(SourceError, match="HTTP 500") as failed:
            source.load(products[0], CORNER, whole(CORNER))
        said = str(failed.value)
        assert first in said
        assert attempt in said
        assert "B04" in said
        assert "https://" in said
        assert "secret" not in said
        assert "abc" not in said
    source.load(products[1], CORNER, whole(CORNER))
    cache = SceneCache(tmp_path / "cache")
    (trouble,) = cache.failures()
    assert (trouble.product_id, trouble.attempts) == (first, 2)
    assert "secret" not in trouble.reason
    archive.failing = set()
    source.load(products[0], CORNER, whole(CORNER))
    assert not cache.failures()


def test_a_source_that_does_not_answer_stays_told_apart(tmp_path: Path) -> None:
    class Silent(MemoryArchive):
        def fetch(self, *_: object) -> Numbers:
            raise SourceUnreachableError("no answer in 30 s")

    source = source_of(Silent(forest(CORNER)), tmp_path)
    product = source.find(CORNER, until=UNTIL)[0]
    with pytest.raises(SourceUnreachableError, match="no answer"):
        source.load(product, CORNER, whole(CORNER))


def test_an_offset_taken_twice_puts_the_scene_aside_with_the_reason(
    tmp_path: Path,
) -> None:
    said: list[str] = []
    archive = MemoryArchive(forest(CORNER), radiometry=OFFSET)
    source = source_of(archive, tmp_path, said=said)
    products = source.find(CORNER, until=UNTIL)
    for _ in range(2):
        with pytest.raises(SourceError, match="taken off already"):
            source.load(products[0], CORNER, whole(CORNER))
    assert list(source.find(CORNER, until=UNTIL)) == list(products[1:])
    assert len(said) == 1
    assert products[0].product_id in said[0]
    cache = SceneCache(tmp_path / "cache")
    (trouble,) = cache.quarantines()
    assert "taken off already" in trouble.reason
    assert cache.release(products[0].product_id) == 1
    assert list(source.find(CORNER, until=UNTIL)) == list(products)


def test_the_offset_is_taken_off_once_and_no_data_stays_no_data(tmp_path: Path) -> None:
    cube = forest(CORNER)
    cube.fine[:, :, 3, 5] = 0
    cube.fine[0, :, 4, 6] = 65_535 - 1000  # saturated when 1000 is added
    shipped = MemoryArchive(cube, radiometry=OFFSET, added=1000)
    plain = MemoryArchive(cube, radiometry=AS_SHIPPED)
    scenes = []
    for name, archive in (("shipped", shipped), ("plain", plain)):
        source = source_of(archive, tmp_path / name)
        product = source.find(CORNER, until=UNTIL)[0]
        scenes.append(source.load(product, CORNER, whole(CORNER)).reflectance)
    assert np.isnan(scenes[0][:4, 3, 5]).all()
    assert np.isnan(scenes[0][0, 4, 6])
    kept = scenes[0].where(~np.isnan(scenes[0]), scenes[1])
    np.testing.assert_allclose(kept, scenes[1], atol=1e-7)


# ------------------------------------------------------------------------- identity


class Strips(MemoryArchive):
    """Every look comes as a northern and a southern part of the tile."""

    split: int = 4002
    newest: str = "03.00"

    def offers(self) -> list[Offer]:
        middle = grid_outline(CORNER).centroid.y
        north = shapely.box(110, middle, 119, 40)
        south = shapely.box(110, 20, 119, middle)
        return [
            replace(
                offer,
                product_id=f"{offer.product_id[:-1]}{part}",
                footprint=footprint,
                processing_baseline=self.newest if part == 1 else "03.00",
            )
            for offer in super().offers()
            for part, footprint in enumerate((north, south))
        ]

    def fetch(self, offer: Offer, window: TileWindow, bands: Sequence[str]) -> Numbers:
        numbers = super().fetch(offer, window, bands)
        edge = min(max(0, self.split - window.row), window.height)
        gone = slice(edge, None) if offer.product_id.endswith("0") else slice(0, edge)
        half = slice(
            None if gone.start is None else gone.start // 2,
            None if gone.stop is None else gone.stop // 2,
        )
        numbers.dn_10m[:, gone] = 0
        numbers.dn_20m[:, half] = 0
        numbers.scl[half] = 0
        return numbers


@pytest.mark.parametrize("split", [3994, 4002, 4010])
def test_strips_of_a_split_tile_are_one_look_and_one_picture(
    tmp_path: Path, split: int
) -> None:
    grid = CORNER
    cube = forest(grid)
    strips = Strips(cube)
    strips.split = split
    whole_source = source_of(MemoryArchive(cube), tmp_path / "whole")
    source = source_of(strips, tmp_path / "strips")
    expected, found = (one.find(grid, until=UNTIL) for one in (whole_source, source))
    assert [product.key for product in found] == [product.key for product in expected]
    for one, other in zip(expected, found, strict=True):
        assert "+" in other.product_id
        picture = whole_source.load(one, grid, whole(grid))
        merged = source.load(other, grid, whole(grid))
        np.testing.assert_array_equal(merged.reflectance, picture.reflectance)
        np.testing.assert_array_equal(merged.scl, picture.scl)


@dataclass
class Mixed(Strips):
    """Strips of which one was made with an offset and the other without."""

    def offers(self) -> list[Offer]:
        return [
            replace(one, radiometry=OFFSET if one.product_id[-1] == "1" else AS_SHIPPED)
            for one in super().offers()
        ]

    def fetch(self, offer: Offer, window: TileWindow, bands: Sequence[str]) -> Numbers:
        found = super().fetch(offer, window, bands)
        if offer.product_id[-1] == "1":
            for dn in (found.dn_10m, found.dn_20m):
                dn[dn > 0] += 1000
        return found


def test_strips_are_merged_as_numbers_if_one_rule_converts_them(
    tmp_path: Path,
) -> None:
    cube = forest(CORNER)
    cube.fine[0, :, 3, 5] = 0
    cube.coarse[1, :, 4, 6] = 65_535 - 1000  # saturated in the strip with an offset
    loaded = {}
    for kind, dtype in ((Strips, np.uint16), (Mixed, np.float32)):
        source = source_of(kind(cube), tmp_path / kind.__name__)
        product = source.find(CORNER, until=UNTIL)[0]
        for block in (whole(CORNER), Block(row=9, col=7, height=15, width=30)):
            numbers = source.numbers(product, CORNER, block)
            assert numbers.fine.dtype == numbers.coarse.dtype == dtype
            scene = source.load(product, CORNER, block)
            order = [numbers.bands.index(band) for band in source.bands]
            np.testing.assert_array_equal(
                reflectance_of(numbers)[order], scene["reflectance"]
            )
            np.testing.assert_array_equal(numbers.scl, scene["scl"])
        loaded[kind] = source.load(product, CORNER, whole(CORNER))["reflectance"]
    # 0.2 - 0.1 and 0.1 are not the same to the last bit
    np.testing.assert_allclose(loaded[Strips][:4], loaded[Mixed][:4], atol=1e-7)


def test_cells_are_kept_in_half_the_memory(tmp_path: Path) -> None:
    source = source_of(MemoryArchive(forest(CORNER)), tmp_path)
    product = source.find(CORNER, until=UNTIL)[0]
    numbers = source.numbers(product, CORNER, whole(CORNER))
    assert numbers.fine_bands == ("B02", "B03", "B04", "B08")
    assert numbers.coarse_bands == ("B8A", "B11")
    assert numbers.fine.dtype == numbers.coarse.dtype == np.uint16
    assert numbers.coarse.shape == (2, CORNER.height // 2 + 2, CORNER.width // 2 + 2)
    assert (numbers.ratio, numbers.row, numbers.col) == (2, -2, -2)


def test_a_scene_processed_again_is_the_same_look_and_another_product(
    tmp_path: Path,
) -> None:
    archive = MemoryArchive(forest(CORNER))
    before = source_of(archive, tmp_path / "a").find(CORNER, until=UNTIL)

    class Again(MemoryArchive):
        def offers(self) -> list[Offer]:
            first, *others = super().offers()
            name = first.product_id.replace("N0300", "N0500")
            again = replace(first, product_id=name, processing_baseline="05.00")
            return [first, *others, again]

    after = source_of(Again(archive.cube), tmp_path / "b").find(CORNER, until=UNTIL)
    assert [p.key for p in after] == [p.key for p in before]
    assert after[0] != before[0]
    assert after[0].processing_baseline == "05.00"
    assert after[1:] == before[1:]


def test_a_footprint_beside_the_grid_is_not_fetched(tmp_path: Path) -> None:
    class Beside(MemoryArchive):
        def offers(self) -> list[Offer]:
            first, second = super().offers()
            return [replace(first, footprint=shapely.box(0, 0, 1, 1)), second]

    source = source_of(Beside(forest(CORNER)), tmp_path)
    (product,) = source.find(CORNER, until=UNTIL)
    assert product.sensed_at == source._archive.offers()[1].sensed_at  # type: ignore[attr-defined] # noqa: SLF001


# ------------------------------------------------------------------------- refusals


def test_only_windows_of_a_tile_on_its_pixels_are_grids(tmp_path: Path) -> None:
    archive = MemoryArchive(forest(CORNER))
    for grid in (
        replace(CORNER, left=CORNER.left + 5),
        replace(CORNER, mgrs_tile=None),
        replace(CORNER, crs="EPSG:32649"),
        replace(CORNER, pixel_width=20.0, pixel_height=20.0),
    ):
        with pytest.raises(ContractError):
            source_of(archive, tmp_path, grid)
    with pytest.raises(ContractError, match="bands"):
        source_of(archive, tmp_path, bands=("B01",))
    with pytest.raises(ContractError, match="UTC"):
        ArchiveScenes(
            archive,
            (CORNER,),
            cache=SceneCache(tmp_path),
            start=datetime(2018, 1, 1),  # noqa: DTZ001 - refused for it
            bands=BANDS,
        )


def test_blocks_and_products_of_others_are_refused(tmp_path: Path) -> None:
    source = source_of(MemoryArchive(forest(CORNER)), tmp_path)
    product = source.find(CORNER, until=UNTIL)[0]
    with pytest.raises(ContractError):
        source.load(product, CORNER, Block(row=0, col=0, height=41, width=2))
    with pytest.raises(ContractError, match="find"):
        source.load(replace(product, product_id="other"), CORNER, whole(CORNER))


def test_a_window_of_a_tile_has_an_id_of_its_own() -> None:
    tile = tile_grid("50RKN")
    assert tile.grid_id == "50RKN"
    assert CORNER.grid_id.startswith("50RKN-")
    assert len(CORNER.grid_id) == len("50RKN-1a2b3c4d")
    assert CORNER.grid_id != window_grid(3986, 4980, 40, 58).grid_id
