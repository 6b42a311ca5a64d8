"""Which counties a site names."""

import math

import pytest
import shapely
from shapely import Polygon

from rsmonitor.errors import ContractError
from rsmonitor.stages.geodesy import WGS84
from rsmonitor.stages.jurisdiction import County, county_codes, distance_m, outlines

BORDER = 115.0
LAT = 24.8
WEST = County(
    code="360783", name="龙南市", geometry=shapely.box(114.5, 24.5, BORDER, 25.1)
)
EAST = County(
    code="360728", name="定南县", geometry=shapely.box(BORDER, 24.5, 115.5, 25.1)
)
FAR = County(
    code="441426", name="平远县", geometry=shapely.box(115.7, 24.5, 116.0, 25.1)
)
LAYER = (WEST, EAST, FAR)


def site(metres_east_of_border: float, size: float = 1e-4) -> Polygon:
    """Give a site whose western edge is so far east of the border."""
    azimuth = 90.0 if metres_east_of_border >= 0 else 270.0
    lon, _, _ = WGS84.fwd(BORDER, LAT, azimuth, abs(metres_east_of_border))
    return shapely.box(lon, LAT, lon + size, LAT + size)


def test_a_site_far_from_every_border_names_its_county() -> None:
    assert county_codes(site(5_000), LAYER) == ("360728",)


@pytest.mark.parametrize(
    ("metres", "expected"),
    [(299.0, ("360728", "360783")), (301.0, ("360728",))],
)
def test_within_three_hundred_metres_of_a_border_both_counties_are_named(
    metres: float, expected: tuple[str, ...]
) -> None:
    assert county_codes(site(metres), LAYER) == expected


def test_the_county_that_holds_more_of_the_site_comes_first() -> None:
    width = 0.01
    mostly_west = shapely.box(BORDER - width, LAT, BORDER + width / 4, LAT + width)
    assert county_codes(mostly_west, LAYER) == ("360783", "360728")
    mostly_east = shapely.box(BORDER - width / 4, LAT, BORDER + width, LAT + width)
    assert county_codes(mostly_east, LAYER) == ("360728", "360783")


def test_a_site_beyond_the_layer_but_near_it_names_the_nearest_county() -> None:
    outside = shapely.box(116.002, LAT, 116.0021, LAT + 1e-4)
    assert county_codes(outside, LAYER) == ("441426",)


def test_a_site_that_no_county_is_near_names_none() -> None:
    assert county_codes(shapely.box(118, 24, 118.01, 24.01), LAYER) == ()
    assert county_codes(site(0), ()) == ()


def test_the_order_of_the_layer_does_not_matter() -> None:
    near = site(100)
    assert county_codes(near, LAYER) == county_codes(near, LAYER[::-1])


def test_a_county_in_two_parts_is_named_once() -> None:
    parts = (
        WEST,
        County(code="360783", name="", geometry=shapely.box(114.0, 24.5, 114.5, 25.1)),
    )
    across = shapely.box(114.49, LAT, 114.51, LAT + 0.01)
    assert county_codes(across, parts) == ("360783",)


def test_distance_is_measured_on_the_ground_in_every_direction() -> None:
    spot = shapely.Point(BORDER, LAT).buffer(1e-7)
    for azimuth in range(0, 360, 30):
        lon, lat, _ = WGS84.fwd(BORDER, LAT, float(azimuth), 300.0)
        other = shapely.Point(lon, lat).buffer(1e-7)
        assert distance_m(spot, other) == pytest.approx(300.0, abs=0.1)


def test_outlines_are_given_by_code() -> None:
    assert outlines(LAYER)["441426"] is FAR.geometry


def test_a_site_without_geometry_is_refused() -> None:
    with pytest.raises(ContractError, match="without geometry"):
        county_codes(Polygon(), LAYER)


@pytest.mark.parametrize("metres", [-1.0, math.nan, math.inf])
def test_an_impossible_distance_is_refused(metres: float) -> None:
    with pytest.raises(ContractError, match="within_m"):
        county_codes(site(0), LAYER, within_m=metres)


@pytest.mark.parametrize(
    "code", ["36078", "3607283", "demo", "\uff13\uff16\uff10\uff17\uff12\uff18"]
)
def test_a_county_without_a_gb_code_is_refused(code: str) -> None:
    with pytest.raises(ContractError, match="six digits"):
        County(code=code, name="", geometry=WEST.geometry)


def test_a_county_with_a_crossing_outline_is_refused() -> None:
    with pytest.raises(ContractError, match="not valid"):
        County(
            code="360728",
            name="",
            geometry=Polygon([(0, 0), (1, 1), (1, 0), (0, 1), (0, 0)]),
        )
