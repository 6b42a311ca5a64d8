"""Which looks the images of a tip's place are made of, and what they do not show."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
import shapely
from shapely import Point

from rsmonitor.errors import SourceError
from rsmonitor.io.stores.memory import MemorySource
from rsmonitor.pipeline.chip_places import Window, window_of
from rsmonitor.pipeline.chip_reading import grid_of
from rsmonitor.pipeline.tip_evidence import near
from rsmonitor.pipeline.tip_images import TipImages, images_around
from rsmonitor.records.acquisition import Product
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.parameters import HistoryParameters, Parameters
from rsmonitor.records.rasters import Scl
from rsmonitor.records.scene import SceneNumbers
from rsmonitor.records.tip import Tip
from rsmonitor.records.tip_view import Chosen, LooksSince
from rsmonitor.stages.geodesy import WGS84, to_lonlat
from rsmonitor.stages.matching import grown
from rsmonitor.wiring.tip_imagery import deepest

GRID = Grid(
    crs="EPSG:32650",
    left=500_000.0,
    top=2_800_000.0,
    pixel_width=10.0,
    pixel_height=10.0,
    height=60,
    width=70,
)
PLACE = to_lonlat(Point(500_305.0, 2_799_695.0), GRID.crs)
"""The centre of row 30 and column 30."""

BANDS = ("B02", "B03", "B04", "B08", "B11")
FOREST = np.array([0.03, 0.05, 0.03, 0.30, 0.14], dtype=np.float32)
PARAMETERS = Parameters(history=HistoryParameters(until=date(2017, 12, 31)))
TIP = date(2020, 7, 1)
Pixels = tuple[slice, slice]
ALL = (slice(None), slice(None))
WEST = (slice(None), slice(0, 20))


class Failing(MemorySource):
    failing: frozenset[str] = frozenset()

    def numbers(self, product: Product, grid: Grid, block: Block) -> SceneNumbers:
        if product.product_id in self.failing:
            raise SourceError("truncated")
        return super().numbers(product, grid, block)


def looks(
    *days: date,
    cloud: dict[date, Pixels] | None = None,
    hazy: Sequence[date] = (),
) -> Failing:
    """Give looks at a forest; the place of a look in the list stands in its red."""
    shape = (len(days), len(BANDS), *GRID.shape)
    reflectance = np.broadcast_to(FOREST[:, None, None], shape).copy()
    scl = np.full((len(days), *GRID.shape), Scl.VEGETATION, dtype=np.uint8)
    for look, day in enumerate(days):
        reflectance[look, 2] += look * 4e-3
        if day in hazy:
            reflectance[look] += 0.12
        if day in (cloud or {}):
            scl[look, *(cloud or {})[day]] = Scl.CLOUD_HIGH
    return Failing(
        GRID,
        times=[datetime(day.year, day.month, day.day, 3, tzinfo=UTC) for day in days],
        reflectance=reflectance,
        scl=scl,
        bands=BANDS,
    )


def window(within_m: float = 50.0) -> Window:
    found = window_of(grown(PLACE, within_m), GRID, least_m=1000.0, margin=0.1)
    assert found is not None
    return replace(found, own=near(PLACE, grid_of(found, GRID), within_m))


def images(source: MemorySource, day: date = TIP) -> TipImages:
    products = source.find(GRID, until=datetime(2031, 1, 1, tzinfo=UTC))
    return images_around(source, GRID, products, window(), day, parameters=PARAMETERS)


def days_of(source: MemorySource, day: date = TIP) -> tuple[list[date], list[date]]:
    found = images(source, day)
    return tuple(
        [] if each is None else [seen for seen, _ in each.looks]
        for each in (found.before, found.after)
    )


# -------------------------------------------------------------------- which looks


def test_newest_since_the_tip_and_the_same_season_a_year_earlier() -> None:
    summer, winter, now = date(2019, 8, 1), date(2019, 12, 20), date(2020, 9, 1)
    before, after = days_of(looks(summer, winter, date(2020, 7, 5), now))
    assert (before, after) == ([summer], [now])


@pytest.mark.parametrize(
    ("earlier", "chosen"),
    [
        ([date(2019, 7, 10), date(2019, 11, 1)], Chosen.YEAR_EARLIER),
        ([date(2017, 7, 10), date(2019, 11, 1)], Chosen.SEASON),
        ([date(2019, 2, 1), date(2019, 11, 1)], Chosen.OTHER_SEASON),
        ([date(2020, 3, 1), date(2020, 6, 20)], Chosen.SHORTLY),
    ],
)
def test_the_image_before_is_of_the_best_days_that_there_are(
    earlier: list[date], chosen: Chosen
) -> None:
    found = images(looks(*earlier, date(2020, 7, 20))).before
    assert found is not None
    assert found.chosen is chosen
    newest = chosen in {Chosen.OTHER_SEASON, Chosen.SHORTLY}
    assert [day for day, _ in found.looks] == [earlier[-1] if newest else earlier[0]]


def test_a_look_that_misses_the_place_is_passed_over_and_its_holes_are_filled() -> None:
    clear, misses, holes = date(2020, 7, 20), date(2020, 9, 1), date(2020, 8, 1)
    source = looks(
        date(2019, 7, 5), clear, holes, misses,
        cloud={misses: (slice(20, 40), slice(20, 40)), holes: WEST},
    )  # fmt: skip
    found = images(source).after
    assert found is not None
    days = found.days
    assert days[30, 30] == np.datetime64(holes), "the newest that shows the place"
    # the west is under cloud in it: the look nearest in time stands there
    assert days[30, 5] == np.datetime64(clear)
    assert {day for day, _ in found.looks} == {clear, holes}
    # and each pixel shows the colour of its own day
    reds = {found.rgb[30, 30, 0], found.rgb[30, 5, 0]}
    assert len(reds) == 2


def test_haze_only_fills_what_no_other_look_shows() -> None:
    fine, hazy = date(2020, 7, 20), date(2020, 9, 1)
    _, after = days_of(looks(fine, hazy, hazy=[hazy]))
    assert after == [fine]
    _, after = days_of(looks(date(2019, 1, 1), hazy, hazy=[hazy]))
    assert after == [hazy]


# ------------------------------------------------------------- what was not seen


def test_nothing_clear_since_the_tip_shows_what_was_last_seen_and_says_so() -> None:
    last, since = date(2020, 6, 1), [date(2020, 7, 11), date(2020, 8, 1)]
    source = looks(date(2019, 6, 1), last, *since, cloud=dict.fromkeys(since, ALL))
    found = images(source)
    assert found.after is not None
    assert found.after.chosen is Chosen.UNTIL
    assert [day for day, _ in found.after.looks] == [last]
    assert found.since == LooksSince(
        looks=2, clear=0, partly=0, unreadable=0, left_out=0, last_clear=last
    )
    assert found.before is not None
    # half a year before what is shown, not only before the tip
    assert [day for day, _ in found.before.looks] == [date(2019, 6, 1)]


def test_nothing_clear_at_all_gives_no_image() -> None:
    days = [date(2019, 6, 1), date(2020, 7, 11)]
    found = images(looks(*days, cloud=dict.fromkeys(days, ALL)))
    assert (found.before, found.after) == (None, None)
    assert found.since.last_clear is None
    assert found.since.looks == 1


def test_looks_since_the_tip_are_counted_by_what_they_show_of_the_place() -> None:
    half = (slice(None), slice(0, 30))  # clouds grow, so more than half of it
    whole, part, none = (TIP + timedelta(days=d) for d in (0, 5, 10))
    source = looks(
        TIP - timedelta(days=5), whole, part, none, cloud={part: half, none: ALL}
    )
    since = images(source).since
    assert (since.looks, since.clear, since.partly) in {(3, 1, 1), (3, 1, 0)}
    assert since.last_clear == whole


def test_a_look_that_cannot_be_read_is_counted_and_left_out() -> None:
    fine, broken = date(2020, 7, 20), date(2020, 9, 1)
    source = looks(fine, broken)
    products = source.find(GRID, until=datetime(2031, 1, 1, tzinfo=UTC))
    source.failing = frozenset({products[-1].product_id})
    found = images(source)
    assert found.since.unreadable == 1
    assert found.after is not None
    assert [day for day, _ in found.after.looks] == [fine]


def test_a_gap_is_told_apart_from_ground() -> None:
    found = images(looks(date(2020, 7, 20), cloud={date(2020, 7, 20): WEST})).after
    assert found is not None
    assert not found.seen[:, :19].any()
    assert found.seen[:, 30:].all()
    assert (found.rgb[30, 5] == 128).all()


# ------------------------------------------------------------------------ nearness


@pytest.mark.parametrize("within_m", [0.0, 4.0, 60.0, 150.0])
def test_near_is_what_lies_within_so_many_metres_on_the_ellipsoid(
    within_m: float,
) -> None:
    shown = near(PLACE, GRID, within_m)
    rows, cols = np.indices(GRID.shape)
    spots = to_lonlat(
        shapely.MultiPoint(
            np.column_stack(
                [
                    GRID.left + (cols.ravel() + 0.5) * 10,
                    GRID.top - (rows.ravel() + 0.5) * 10,
                ]
            )
        ),
        GRID.crs,
    )
    lon, lat = shapely.get_coordinates(spots).T
    here = [np.full(lon.size, c) for c in (PLACE.x, PLACE.y)]
    metres = WGS84.inv(*here, lon, lat)[2].reshape(GRID.shape)
    differ = shown != (metres <= within_m)
    # a metre at the rim is what one scale for a whole window costs
    assert (abs(metres[differ] - within_m) < 1.0).all()
    assert shown[30, 30]


# ------------------------------------------------------------------------ which grid


def tip_at(x: float, y: float) -> Tip:
    place = to_lonlat(Point(x, y), GRID.crs)
    return Tip(tip_id="t" + "a" * 12, day=TIP, place=place)


def test_of_tiles_that_overlap_the_one_that_holds_most_around_is_read() -> None:
    east = replace(GRID, left=GRID.left + 400.0)
    # 150 m from the eastern edge of the one, 150 m from the western of the other
    for x, expected in ((500_500.0, GRID), (500_600.0, east)):
        for grids in ((GRID, east), (east, GRID)):
            assert deepest(grids, tip_at(x, 2_799_700.0), 50.0) == expected


@pytest.mark.parametrize(
    ("outside_m", "found"), [(-5.0, True), (45.0, True), (60.0, False)]
)
def test_a_tip_beyond_the_edge_counts_as_far_as_people_point_amiss(
    outside_m: float, *, found: bool
) -> None:
    tip = tip_at(500_700.0 + outside_m, 2_799_700.0)
    assert (deepest((GRID,), tip, 50.0) is not None) == found
