from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sightings import sighting, square
from sightings import site as followed

from rsmonitor.errors import SourceError, SourceUnreachableError
from rsmonitor.io.stores.memory import MemorySource
from rsmonitor.pipeline.chip_places import CELL, MOST_PIXELS, cut_out
from rsmonitor.pipeline.chips import chips_of
from rsmonitor.records.acquisition import Product
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.package import Chip, ChipRole
from rsmonitor.records.parameters import HistoryParameters, Parameters
from rsmonitor.records.rasters import Scl
from rsmonitor.records.scene import SceneNumbers
from rsmonitor.records.site import Site
from rsmonitor.stages.geodesy import to_lonlat
from rsmonitor.stages.reflectance import reflectance_of

BANDS = ("B02", "B03", "B04", "B08", "B11")
FOREST = np.array([0.03, 0.05, 0.03, 0.30, 0.14], dtype=np.float32)
PARAMETERS = Parameters(history=HistoryParameters(until=date(2019, 12, 31)))
START = datetime(2020, 1, 3, 3, tzinfo=UTC)
GRID = Grid(
    crs="EPSG:32650",
    left=500_000.0,
    top=2_800_000.0,
    pixel_width=10.0,
    pixel_height=10.0,
    height=90,
    width=110,
)
NEVER = date(2030, 1, 1)


class Counted(MemorySource):
    failing: frozenset[str] = frozenset()
    unreachable: frozenset[str] = frozenset()
    reads: list[tuple[str, Block]]

    def numbers(self, product: Product, grid: Grid, block: Block) -> SceneNumbers:
        self.reads.append((product.product_id, block))
        if product.product_id in self.failing:
            raise SourceError("truncated")
        if product.product_id in self.unreachable:
            raise SourceUnreachableError("nobody answers")
        return super().numbers(product, grid, block)


def source_of(
    days: Sequence[date],
    *,
    grid: Grid = GRID,
    cloudy: Sequence[int] = (),
    hazy: Sequence[int] = (),
) -> Counted:
    """Give looks at a forest; the number of a look stands in its red."""
    shape = (len(days), len(BANDS), *grid.shape)
    reflectance = np.broadcast_to(FOREST[:, None, None], shape).copy()
    for look in range(len(days)):
        reflectance[look, 2] += look * 1e-3
    for look in hazy:
        reflectance[look] += 0.12
    scl = np.full((len(days), *grid.shape), Scl.VEGETATION, dtype=np.uint8)
    scl[list(cloudy)] = Scl.CLOUD_HIGH
    source = Counted(
        grid,
        times=[datetime.combine(day, START.timetz()) for day in days],
        reflectance=reflectance,
        scl=scl,
        bands=BANDS,
    )
    source.reads = []
    return source


def site_at(  # noqa: PLR0913 - a test names what it is about
    row: float,
    col: float,
    size: float = 6,
    *,
    grid: Grid = GRID,
    name: str = "saaaaaaaaaaaa",
    began_after: date | None = date(2020, 3, 1),
    began_by: date = date(2020, 3, 10),
    last_seen: date | None = None,
    last_clear: date | None = None,
) -> Site:
    box = shapely.box(
        grid.left + col * grid.pixel_width,
        grid.top - (row + size) * grid.pixel_height,
        grid.left + (col + size) * grid.pixel_width,
        grid.top - row * grid.pixel_height,
    )
    seen = sighting(square(0, 0, 1), began_by=began_by, grid_id=grid.grid_id)
    disturbance = replace(
        seen.disturbance,
        geometry=to_lonlat(box, grid.crs),
        began_after=began_after,
        last_seen=last_seen or began_by,
        last_clear=last_clear or last_seen or began_by,
    )
    return followed(name, replace(seen, disturbance=disturbance))


def chips(source: Counted, *sites: Site) -> list[dict[ChipRole, Chip]]:
    (grid,) = source.grids()
    products = source.find(grid, until=datetime(2031, 1, 1, tzinfo=UTC))
    found = chips_of(source, grid, products, sites, parameters=PARAMETERS)
    assert list(found) == [site.site_id for site in sites]
    return [{chip.role: chip for chip in found[site.site_id]} for site in sites]


def every(days: int, count: int, first: date = date(2020, 1, 3)) -> list[date]:
    return [first + timedelta(days=days * i) for i in range(count)]


# ------------------------------------------------------------------------------ laws


@settings(max_examples=30)
@given(
    cloudy=st.sets(st.integers(0, 11)),
    began=st.integers(1, 11),
    last=st.tuples(st.integers(0, 11), st.integers(0, 11)),
    bounded=st.booleans(),
)
def test_each_image_is_the_newest_clear_look_of_its_days(
    cloudy: set[int], began: int, last: tuple[int, int], *, bounded: bool
) -> None:
    days = every(5, 12)
    seen, clear = (max(began, each) for each in sorted(last))
    site = site_at(
        40,
        50,
        began_after=days[began - 1] if bounded else None,
        began_by=days[began],
        last_seen=days[seen],
        last_clear=days[clear],
    )
    (found,) = chips(source_of(days, cloudy=sorted(cloudy)), site)
    fine = [i for i in range(12) if i not in cloudy]
    before = [i for i in fine if i < began]
    after = (
        [i for i in fine if seen <= i <= clear]
        or [i for i in fine if began <= i <= seen]
        or [i for i in fine if i > clear]
    )
    if before:
        assert found[ChipRole.BEFORE].days == (days[before[-1]],)
    else:
        assert ChipRole.BEFORE not in found
    if after:
        assert found[ChipRole.AFTER].days == (days[after[-1]],)
        assert found[ChipRole.AFTER].seen.all()
    elif ChipRole.AFTER in found:  # what the run saw, although it is classed as cloud
        assert found[ChipRole.AFTER].days == (days[seen],)
        assert not found[ChipRole.AFTER].seen.any()


@settings(max_examples=15)
@given(
    places=st.lists(
        st.tuples(st.integers(-8, 95), st.integers(-8, 115), st.integers(1, 30)),
        min_size=1,
        max_size=5,
    ),
    cloudy=st.sets(st.integers(0, 5)),
)
def test_neighbours_change_nothing(
    places: list[tuple[int, int, int]], cloudy: set[int]
) -> None:
    days = every(15, 6)
    source = source_of(days, cloudy=sorted(cloudy))
    sites = [
        site_at(*place, name="saaaaaaaaaaa" + "abcde"[i])
        for i, place in enumerate(places)
    ]
    together = chips(source, *sites)
    for site, found in zip(sites, together, strict=True):
        (alone,) = chips(source, site)
        assert found.keys() == alone.keys()
        for role, chip in found.items():
            assert (chip.grid, chip.days) == (alone[role].grid, alone[role].days)
            np.testing.assert_array_equal(chip.rgb, alone[role].rgb)
            np.testing.assert_array_equal(chip.seen, alone[role].seen)


@given(
    row=st.integers(0, 20),
    col=st.integers(0, 20),
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    offset=st.tuples(st.integers(-3, 0), st.integers(-3, 0)),
)
def test_a_window_that_is_cut_out_means_what_the_whole_means(
    row: int, col: int, height: int, width: int, offset: tuple[int, int]
) -> None:
    random = np.random.default_rng(5)
    whole = SceneNumbers(
        fine_bands=("B04",),
        coarse_bands=("B11",),
        fine=random.integers(1, 9000, (1, 32, 32)).astype(np.uint16),
        coarse=random.integers(0, 9000, (1, 18, 18)).astype(np.uint16),
        ratio=2,
        row=offset[0],
        col=offset[1],
        scl=np.full((32, 32), 4, dtype=np.uint8),
        add_offset=-1000,
    )
    window = (slice(row, row + height), slice(col, col + width))
    part = cut_out(whole, *window)
    np.testing.assert_array_equal(
        reflectance_of(part), reflectance_of(whole)[:, *window]
    )


# ---------------------------------------------------------------------------- choice


def test_summer_is_compared_with_summer_where_there_was_one() -> None:
    summers = [date(2019, 7, 10), date(2020, 7, 8)]
    days = [summers[0], date(2020, 1, 5), date(2020, 2, 25), summers[1]]
    site = site_at(40, 50, last_seen=summers[1])
    (found,) = chips(source_of(days), site)
    assert found[ChipRole.AFTER].days == (summers[1],)
    assert found[ChipRole.BEFORE].days == (summers[0],)
    (clouded,) = chips(source_of(days, cloudy=[0]), site)
    assert clouded[ChipRole.BEFORE].days == (date(2020, 2, 25),)


def test_new_year_is_one_season() -> None:
    days = [date(2019, 12, 28), date(2020, 9, 1), date(2021, 1, 4)]
    site = site_at(
        40, 50, began_after=days[1], began_by=days[1] + timedelta(days=5),
        last_seen=days[2],
    )  # fmt: skip
    (found,) = chips(source_of(days), site)
    assert found[ChipRole.BEFORE].days == (days[0],)


def test_a_look_through_haze_is_passed_over_but_better_than_none() -> None:
    days = every(10, 10)
    site = site_at(40, 50, last_seen=days[9])
    (found,) = chips(source_of(days, hazy=[5, 9]), site)
    assert found[ChipRole.BEFORE].days == (days[4],)
    assert found[ChipRole.AFTER].days == (days[8],)
    (found,) = chips(source_of(days, hazy=range(10)), site)
    assert found[ChipRole.BEFORE].days == (days[5],)
    assert found[ChipRole.AFTER].days == (days[9],)


def test_a_site_under_cloud_that_covers_half_the_chip_is_shown_by_another_look() -> (
    None
):
    days = every(5, 16)
    source = source_of(days)
    source._scl[15, :, 50:] = Scl.CLOUD_HIGH  # noqa: SLF001 - over the site
    (found,) = chips(source, site_at(40, 60, last_seen=days[15]))
    assert found[ChipRole.AFTER].days == (days[14],)
    (found,) = chips(source, site_at(40, 15, last_seen=days[15]))
    after = found[ChipRole.AFTER]
    assert after.days == (days[15],)
    assert 0 < (~after.seen).mean() < 0.4


def test_where_no_look_is_clear_the_clearest_tells_what_it_does_not_show() -> None:
    days = every(5, 16)
    source = source_of(days, cloudy=range(16))
    source._scl[3, :, :56] = Scl.VEGETATION  # noqa: SLF001 - through half of the site
    (found,) = chips(source, site_at(40, 50, 12, last_seen=days[15]))
    before = found[ChipRole.BEFORE]
    assert before.days == (days[3],)
    assert 0 < before.seen.mean() < 0.6


def test_nothing_seen_is_no_image() -> None:
    days = every(5, 6)
    site = site_at(40, 50, began_after=None, began_by=days[0], last_seen=NEVER)
    assert chips(source_of(days, cloudy=range(6)), site) == [{}]
    assert chips(source_of(days[:1]), site_at(40, 50, last_seen=NEVER))[0].keys() == {
        ChipRole.BEFORE
    }


# ---------------------------------------------------------------------------- faults


def test_a_product_that_cannot_be_read_gives_way_to_the_next() -> None:
    days = every(5, 16)
    site = site_at(40, 50, last_seen=days[15])
    source = source_of(days)
    products = source.find(GRID, until=datetime(2031, 1, 1, tzinfo=UTC))
    source.failing = frozenset({products[11].product_id})
    source.unreachable = frozenset({products[15].product_id})
    (found,) = chips(source, site)
    assert found[ChipRole.BEFORE].days == (days[10],)
    assert found[ChipRole.AFTER].days == (days[14],)


def test_an_archive_that_does_not_answer_is_asked_once_a_product() -> None:
    grid = replace(GRID, height=1200, width=1100)
    days = every(5, 2, date(2020, 3, 20))
    source = source_of(days, grid=grid)
    source.unreachable = frozenset(
        p.product_id for p in source.find(grid, until=datetime(2031, 1, 1, tzinfo=UTC))
    )
    sites = [
        site_at(r, c, grid=grid, name=f"saaaaaaaaaa{a}a", last_seen=days[1])
        for r, c, a in ((10, 10, "a"), (1100, 10, "b"), (10, 1000, "c"))
    ]
    assert chips(source, *sites) == [{}, {}, {}]
    assert len(source.reads) == 2


# ----------------------------------------------------------------------------- place


@pytest.mark.parametrize(
    ("row", "col"), [(-200, 50), (40, -200), (500, 50), (40, 500), (4e5, 4e5)]
)
def test_a_site_off_the_grid_has_no_image(row: float, col: float) -> None:
    assert chips(source_of(every(5, 4)), site_at(row, col)) == [{}]


@pytest.mark.parametrize(("row", "col"), [(-3, 50), (40, 107), (86, -2), (0, 0)])
def test_a_chip_at_the_edge_is_moved_into_the_grid(row: float, col: float) -> None:
    days = every(5, 16)
    (found,) = chips(source_of(days), site_at(row, col))
    grid = found[ChipRole.BEFORE].grid
    assert grid.shape == (64, 64)
    assert GRID.left <= grid.left < grid.right <= GRID.right
    assert GRID.bottom <= grid.bottom < grid.top <= GRID.top


def test_a_large_site_is_thinned_evenly_and_stays_in_its_place() -> None:
    grid = replace(GRID, height=1300, width=1250)
    days = every(5, 2, date(2020, 2, 1))
    source = source_of(days, grid=grid)
    source._reflectance[:, 2, 600:900, 300:600] = 0.2  # noqa: SLF001 - a bright square
    site = site_at(400, 400, 500, grid=grid, began_after=days[0], began_by=days[1])
    (found,) = chips(source, site)
    chip = found[ChipRole.BEFORE]
    assert max(chip.rgb.shape) <= MOST_PIXELS
    step = chip.grid.pixel_width / grid.pixel_width
    assert step == 2
    top, left = (
        round((grid.top - chip.grid.top) / 10),
        round((chip.grid.left - grid.left) / 10),
    )
    rows, cols = np.nonzero(chip.rgb[..., 0] > chip.rgb[..., 0].min() + 20)
    ends = [
        top + rows.min() * step,
        top + (rows.max() + 1) * step,
        left + cols.min() * step,
        left + (cols.max() + 1) * step,
    ]
    np.testing.assert_allclose(ends, [600, 900, 300, 600], atol=step - 1)
    assert all(max(b.height, b.width) <= CELL + 64 for _, b in source.reads)


def test_neighbours_share_a_read() -> None:
    days = every(5, 16)
    source = source_of(days)
    sites = [
        site_at(10 + 3 * i, 20 + 3 * i, name=f"saaaaaaaaaa{a}a")
        for i, a in enumerate("abcdefghij")
    ]
    chips(source, *sites)
    assert len(source.reads) == 2


# ---------------------------------------------------------------------------- colour


def test_a_tone_means_the_same_before_and_after() -> None:
    days = every(5, 16)
    source = source_of(days)
    after = slice(15, 16)
    spot = (slice(40, 46), slice(50, 56))
    source._reflectance[after, :, *spot] = 0.4  # noqa: SLF001 - bare granite soil
    (found,) = chips(source, site_at(40, 50, last_seen=days[15]))
    before, now = found[ChipRole.BEFORE], found[ChipRole.AFTER]
    assert now.days == (days[15],)
    assert before.rgb[..., 1].min() > 40, "forest is not black"
    assert 225 < now.rgb[..., 2].max() <= 255, "soil is bright"
    # green of the forest is the same in both
    assert before.rgb[0, 0, 1] == now.rgb[0, 0, 1]
    bright = now.rgb[np.any(now.rgb != now.rgb[0, 0], axis=-1)]
    assert len(bright) == 36


def test_evidence_colours_the_site_alone() -> None:
    days = every(5, 16)
    source = source_of(days)
    (grid,) = source.grids()
    site = site_at(40, 50)

    def first_seen(block: Block) -> NDArray[np.datetime64]:
        found = np.full(grid.shape, np.datetime64("2020-03-10"), dtype="datetime64[D]")
        found[:43] = np.datetime64("2020-04-01")
        found[45:] = np.datetime64("NaT")
        return found[block.rows, block.cols]

    products = source.find(grid, until=datetime(2031, 1, 1, tzinfo=UTC))
    (found,) = chips_of(
        source, grid, products, [site], parameters=PARAMETERS, first_seen=first_seen
    ).values()
    before, after, evidence = found
    assert [chip.role for chip in found] == list(ChipRole)
    assert evidence.days == (date(2020, 3, 10), date(2020, 4, 1))
    assert (evidence.grid, evidence.scenes) == (after.grid, after.scenes)
    assert before.grid == after.grid
    coloured = np.ptp(evidence.rgb.astype(int), axis=-1) > 5
    rows, cols = np.nonzero(coloured)
    top = round((grid.top - evidence.grid.top) / 10)
    left = round((evidence.grid.left - grid.left) / 10)
    assert (rows.min() + top, rows.max() + top) == (40, 44)
    assert (cols.min() + left, cols.max() + left) == (50, 55)
    assert coloured.sum() == 5 * 6
    newer, older = evidence.rgb[40 - top, 52 - left], evidence.rgb[44 - top, 52 - left]
    assert newer.astype(int).sum() > older.astype(int).sum() + 100


def test_a_thinned_pixel_began_when_the_first_of_its_pixels_did() -> None:
    grid = replace(GRID, height=1200, width=1200)
    days = every(5, 2, date(2020, 3, 20))
    source = source_of(days, grid=grid)
    site = site_at(300, 300, 400, grid=grid, last_seen=days[1])

    def first_seen(block: Block) -> NDArray[np.datetime64]:
        found = np.full(grid.shape, np.datetime64("NaT"), dtype="datetime64[D]")
        found[500, 501] = np.datetime64("2020-03-12")
        found[500:502, 500] = np.datetime64("2020-03-20")
        return found[block.rows, block.cols]

    products = source.find(grid, until=datetime(2031, 1, 1, tzinfo=UTC))
    (found,) = chips_of(
        source, grid, products, [site], parameters=PARAMETERS, first_seen=first_seen
    ).values()
    assert found[-1].role is ChipRole.EVIDENCE
    assert found[-1].grid.pixel_width == 20
    assert found[-1].days[0] == date(2020, 3, 12)
    coloured = np.ptp(found[-1].rgb.astype(int), axis=-1) > 5
    assert 1 <= coloured.sum() <= 3
