"""Laws of the notations of a place, and of the shift of Chinese web maps."""

import math
from functools import cache

import geocoordinates_ffi
import numpy as np
import prcoords
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer
from shapely import Point

from rsmonitor.errors import ContractError
from rsmonitor.io.returns.columns import degrees_in
from rsmonitor.stages.coordinates import (
    dms,
    gauss_krueger,
    in_zone,
    web_map_point,
    zone_of,
)
from rsmonitor.stages.gcj02 import from_gcj02, to_gcj02
from rsmonitor.stages.geodesy import WGS84

COUNTY = ["360734"]
# making the conversion of a zone takes longer than the law: a few zones, not all
southern = st.builds(Point, st.floats(109.5, 120.0), st.floats(18.0, 30.0))
places = st.builds(Point, st.floats(73.5, 135.1), st.floats(17.0, 54.0))


@given(places)
def test_the_shift_is_that_of_two_independent_packages(place: Point) -> None:
    ours = to_gcj02(place)
    one = prcoords.wgs_gcj((place.y, place.x), check_china=False)
    other = geocoordinates_ffi.wgs84_to_gcj02(
        geocoordinates_ffi.coordinate_wgs84(place.y, place.x)
    )
    for lon, lat in ((one.lon, one.lat), (other.lon, other.lat)):
        assert metres(ours, Point(lon, lat)) < 1e-5


@given(places)
def test_taking_the_shift_back_returns_to_the_place(place: Point) -> None:
    assert metres(from_gcj02(to_gcj02(place)), place) < 1e-5


@given(places)
def test_no_place_of_the_mainland_is_shifted_by_a_kilometre(place: Point) -> None:
    shifted = web_map_point(place, COUNTY)
    assert shifted is not None
    assert 0 < metres(shifted, place) < 1000


@given(
    st.floats(-180, 180),
    st.floats(-90, 90),
    st.sampled_from(["demo-romania", "810000", "710000", "", "36073x"]),
)
def test_only_places_of_the_mainland_have_a_web_map_point(
    lon: float, lat: float, code: str
) -> None:
    assert web_map_point(Point(lon, lat), [code]) is None
    if not 73 <= lon <= 137:
        assert web_map_point(Point(lon, lat), COUNTY) is None


@given(st.floats(-180, 180))
def test_an_angle_in_seconds_is_the_angle(degrees: float) -> None:
    text = dms(degrees, "EW")
    back = degrees_in(text[:-1]) * (-1 if text[-1] == "W" else 1)
    assert abs(back - degrees) <= 0.0005 / 3600 + 1e-12
    assert "60.000" not in text


@pytest.mark.parametrize("wrong", [math.nan, math.inf, 180.001])
def test_no_angle_is_beyond_half_a_circle(wrong: float) -> None:
    with pytest.raises(ContractError, match="at most 180"):
        dms(wrong, "EW")


@given(southern)
def test_a_zone_gives_the_place_back_and_stands_before_the_easting(
    place: Point,
) -> None:
    grid = gauss_krueger(place)
    assert grid is not None
    assert grid.zone == zone_of(place.x) == grid.epsg - 4488
    assert int(grid.easting_m // 1e6) == grid.zone
    assert abs(place.x - 3 * grid.zone) <= 1.5
    # as the authority declares them: northing and easting, latitude and longitude
    lat, lon = back_from(grid.epsg).transform(grid.northing_m, grid.easting_m)
    assert metres(Point(lon, lat), place) < 0.001


def test_a_published_corner_is_where_it_was_published() -> None:
    grid = gauss_krueger(Point(120.21816, 30.29819))
    assert grid is not None
    # the ministry's format: X to the north, Y to the east with the zone
    assert grid.northing_m == pytest.approx(3_353_189.181, abs=1)
    assert grid.easting_m == pytest.approx(40_520_986.477, abs=1)
    assert gauss_krueger(Point(22.15, 45.2)) is None


@given(st.integers(37, 39), st.floats(-0.2, 0.2), st.floats(18, 50))
def test_corners_beyond_the_border_of_a_zone_keep_their_distance(
    zone: int, beyond: float, lat: float
) -> None:
    lon = 3 * zone + 1.5 + beyond
    (one, other) = in_zone(np.array([[lon, lat], [lon + 0.001, lat]]), zone)
    flat = float(np.hypot(*(one - other)))
    assert flat == pytest.approx(
        metres(Point(lon, lat), Point(lon + 0.001, lat)), rel=6e-4
    )


@pytest.mark.parametrize("zone", [25, 36, 38, 39, 45])
def test_a_zone_has_the_meridian_that_its_number_says(zone: int) -> None:
    assert zone_of(3 * zone - 1.5) == zone_of(3 * zone + 1.4999) == zone
    grid = gauss_krueger(Point(3 * zone, 25))
    assert grid is not None
    assert grid.easting_m == pytest.approx(zone * 1e6 + 500_000, abs=1e-3)


def test_there_is_no_zone_beyond_those_of_china() -> None:
    with pytest.raises(ContractError, match="25 to 45, got 46"):
        in_zone(np.array([[138.0, 40.0]]), 46)


@cache
def back_from(epsg: int) -> Transformer:
    """Give the conversion of a zone to longitude and latitude."""
    return Transformer.from_crs(f"EPSG:{epsg}", "EPSG:4490")


def metres(one: Point, other: Point) -> float:
    """Measure between two places."""
    return float(WGS84.inv(one.x, one.y, other.x, other.y)[2])
