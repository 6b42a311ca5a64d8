"""The shift of Chinese web maps: its formula, and noticing it."""

import math
from collections.abc import Mapping

import numpy as np
import pytest
import shapely
from shapely import Polygon

from rsmonitor.stages.gcj02 import from_gcj02, gcj02_shift, to_gcj02
from rsmonitor.stages.geodesy import WGS84


@pytest.mark.parametrize(
    ("lon", "lat", "shifted_lon", "shifted_lat"),
    [  # computed with the packages prcoords 1.0.2 and geocoordinates-rs 0.14.2
        (115.4, 25.9, 115.40517411338465, 25.897123797695105),
        (97.95, 24.4, 97.95016788078894, 24.396878081877574),
    ],
)
def test_the_formula_is_that_of_two_independent_packages(
    lon: float, lat: float, shifted_lon: float, shifted_lat: float
) -> None:
    shifted = to_gcj02(shapely.Point(lon, lat))
    assert shifted.x == pytest.approx(shifted_lon, abs=1e-12)
    assert shifted.y == pytest.approx(shifted_lat, abs=1e-12)


def test_in_southern_jiangxi_the_shift_is_about_six_hundred_metres() -> None:
    shifted = to_gcj02(shapely.Point(115.41, 25.95))
    _, _, metres = WGS84.inv(115.41, 25.95, shifted.x, shifted.y)
    assert metres == pytest.approx(600, abs=15)


def test_taking_the_shift_back_is_right_to_a_millimetre() -> None:
    for lon in range(98, 120, 3):
        for lat in range(18, 32, 3):
            back = from_gcj02(to_gcj02(shapely.Point(lon, lat)))
            _, _, metres = WGS84.inv(lon, lat, back.x, back.y)
            assert metres < 0.001


def test_a_parcel_from_a_web_map_is_noticed() -> None:
    parcel = shapely.box(115.40, 24.80, 115.405, 24.804)
    shift = gcj02_shift({"C1": to_gcj02(parcel)}, {"C1": parcel})
    assert shift is not None
    assert shift.is_gcj02
    assert shift.compared == 1
    assert 300 < shift.length_m < 700
    assert shift.undone_m < 0.01


@pytest.mark.parametrize("metres", [0.0, 60.0, 150.0, 600.0])
@pytest.mark.parametrize("azimuth", [0.0, 60.0, 200.0, 290.0])
def test_another_shift_is_not_taken_for_that_of_web_maps(
    metres: float, azimuth: float
) -> None:
    east = metres * math.sin(math.radians(azimuth)) / 101_000
    north = metres * math.cos(math.radians(azimuth)) / 110_800
    known = hexagons()
    moved = {
        code: shapely.transform(one, lambda xy: np.add(xy, (east, north)))
        for code, one in known.items()
    }
    shift = gcj02_shift(moved, known)
    assert shift is not None
    assert not shift.is_gcj02
    assert shift.length_m == pytest.approx(metres, abs=5)


def test_layers_without_an_outline_in_common_cannot_be_compared() -> None:
    square = shapely.box(115, 25, 115.1, 25.1)
    assert gcj02_shift({"360728": square}, {"360783": square}) is None


def hexagons() -> Mapping[str, Polygon]:
    """Give a few counties of 30 km."""
    return {
        f"36072{number}": shapely.Point(114.5 + 0.3 * number, 25).buffer(
            0.15, quad_segs=6
        )
        for number in range(4)
    }
