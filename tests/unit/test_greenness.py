"""Pixels of a site and of its ring, and what a look shows of them."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import MultiPolygon, Polygon

from rsmonitor.errors import ContractError
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.rasters import REFERENCE_FILL
from rsmonitor.stages.geodesy import to_lonlat
from rsmonitor.stages.greenness import curve_of, footprint, on_day, on_pixels, shown

GRID = Grid(
    crs="EPSG:32650",
    left=500_000.0,
    top=2_800_000.0,
    pixel_width=10.0,
    pixel_height=10.0,
    height=60,
    width=80,
)


def pixels(row: int, col: int, height: int, width: int) -> Polygon:
    box = shapely.box(
        GRID.left + 10 * col,
        GRID.top - 10 * (row + height),
        GRID.left + 10 * (col + width),
        GRID.top - 10 * row,
    )
    return to_lonlat(box, GRID.crs)


@given(
    row=st.integers(0, 50),
    col=st.integers(0, 70),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
)
def test_an_outline_made_of_pixels_gives_back_those_pixels(
    row: int, col: int, height: int, width: int
) -> None:
    place = footprint(pixels(row, col, height, width), [], GRID)
    assert place is not None
    whole = np.zeros(GRID.shape, dtype=bool)
    whole[place.window.rows, place.window.cols] = place.inside
    expected = np.zeros(GRID.shape, dtype=bool)
    expected[row : row + height, col : col + width] = True
    assert (whole == expected).all()
    assert not (place.inside & place.ring).any()


def test_the_ring_keeps_off_the_site_and_off_every_other() -> None:
    other = pixels(30, 50, 3, 3)
    place = footprint(pixels(30, 40, 4, 4), [other], GRID)
    assert place is not None
    whole = np.zeros(GRID.shape, dtype=bool)
    whole[place.window.rows, place.window.cols] = place.ring
    rows, cols = np.nonzero(whole)
    for row, col in zip(rows, cols, strict=True):
        centre = shapely.Point(col + 0.5, row + 0.5)
        assert 2.99 < centre.distance(shapely.box(40, 30, 44, 34)) < 15.1
        assert centre.distance(shapely.box(50, 30, 53, 33)) > 2.99
    assert whole.sum() > 400


def test_a_site_outside_the_grid_or_between_pixel_centres_has_no_pixels() -> None:
    assert footprint(pixels(500, 500, 3, 3), [], GRID) is None
    sliver = shapely.box(
        GRID.left + 101, GRID.top - 104, GRID.left + 104, GRID.top - 101
    )
    assert footprint(to_lonlat(sliver, GRID.crs), [], GRID) is None


def test_the_other_side_of_the_earth_has_no_place_on_some_grids() -> None:
    grid = Grid(
        crs="+proj=gnom +lat_0=90 +lon_0=0 +datum=WGS84",
        left=0,
        top=0,
        pixel_width=10,
        pixel_height=10,
        height=5,
        width=5,
    )
    with pytest.raises(ContractError, match="no place"):
        on_pixels(shapely.box(0, -80, 1, -79), grid)


def test_several_parts_are_one_site() -> None:
    both = MultiPolygon([pixels(10, 10, 2, 2), pixels(20, 30, 3, 1)])
    place = footprint(both, [], GRID)
    assert place is not None
    assert place.inside.sum() == 7


def _look(ndvi: float, wood: float) -> tuple[np.ndarray, np.ndarray, object]:
    place = footprint(pixels(25, 35, 4, 4), [], GRID)
    assert place is not None
    values = np.full(place.inside.shape, wood, dtype=np.float32)
    values[place.inside] = ndvi
    return values, values - np.float32(0.7), place


def test_what_was_not_seen_is_left_out_of_medians_and_told_as_a_share() -> None:
    values, departures, place = _look(0.2, 0.8)
    values[place.inside & (np.cumsum(place.inside).reshape(place.inside.shape) > 4)] = (  # type: ignore[attr-defined]
        np.nan
    )
    seen = shown(values, departures, place)  # type: ignore[arg-type]
    assert seen.share_seen == 0.25
    assert seen.ndvi == pytest.approx(0.2)
    assert seen.ring == pytest.approx(0.8)
    assert seen.ring_predicted == pytest.approx(0.7, abs=1e-3)
    assert seen.bare_share == 1.0


def test_a_look_that_showed_nothing_says_nothing() -> None:
    values, departures, place = _look(0.2, 0.8)
    values[:], departures[:] = np.nan, np.nan
    seen = shown(values, departures, place)  # type: ignore[arg-type]
    assert (seen.share_seen, seen.ndvi, seen.ring, seen.bare_share) == (
        0.0,
        None,
        None,
        None,
    )


def test_a_ring_of_a_few_pixels_is_no_neighbourhood() -> None:
    values, departures, place = _look(0.2, 0.8)
    departures[place.ring & (np.cumsum(place.ring).reshape(place.ring.shape) > 19)] = (  # type: ignore[attr-defined]
        np.nan
    )
    assert shown(values, departures, place).ring is None  # type: ignore[arg-type]


def test_the_curve_of_a_site_is_that_of_its_middle_pixel() -> None:
    window = Block(row=0, col=0, height=1, width=5)
    inside = np.ones((window.height, window.width), dtype=bool)
    reference = np.zeros((2 * 4 + 3, 1, 5), dtype=np.int16)
    reference[4, 0] = [REFERENCE_FILL, 100, 200, 900, 900]
    reference[0, 0, 0] = REFERENCE_FILL
    inside[0, 4] = False
    assert curve_of(reference, inside, index=1, n_index=2) == (0.02, 0.0, 0.0)
    reference[0] = REFERENCE_FILL
    assert curve_of(reference, inside, index=1, n_index=2) is None


@given(st.integers(0, 20_000))
def test_a_curve_comes_back_every_year(day: int) -> None:
    year = 4 * 365 + 1
    assert on_day((0.5, 0.2, 0.1), day) == pytest.approx(
        on_day((0.5, 0.2, 0.1), day + year), abs=1e-9
    )
