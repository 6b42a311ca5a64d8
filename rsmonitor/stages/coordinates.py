"""A place as people write it down: degrees, minutes, Gauss-Krueger, and web maps.

WGS 84 is taken for CGCS2000: they differ by less than half a metre, which is a
twentieth of a pixel. GCJ-02 is another matter, and is given only beside a name that
says so.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer
from shapely import Point

from rsmonitor.errors import ContractError
from rsmonitor.stages.gcj02 import to_gcj02
from rsmonitor.stages.geodesy import LONLAT

FIRST_ZONE: Final = 25
LAST_ZONE: Final = 45
"""Zones of three degrees that China's grids are defined for."""

_EPSG_BEFORE_ZONES: Final = 4488
"""EPSG 4513 is zone 25, its eastings with the zone before them."""

_ZONE_DEGREES: Final = 3
_SECONDS: Final = 3600
_WEB_MAP_BOX: Final = (72.004, 0.8293, 137.8347, 55.8271)
"""West, south, east, north: outside, no web map shifts anything."""

_MAINLAND: Final = re.compile(r"(1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5])[0-9]{0,4}")
"""Codes of GB/T 2260 of provinces, prefectures and counties of the mainland."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GaussKrueger:
    """A place in a zone of three degrees of CGCS2000."""

    zone: int
    """25 to 45; its middle meridian is three times that."""

    epsg: int
    """4513 to 4533."""

    northing_m: float
    """X, to the north, metres."""

    easting_m: float
    """Y, to the east, metres; eight digits, of which two are the zone."""


def zone_of(longitude: float) -> int | None:
    """
    Give the zone of three degrees that holds a longitude.

    Parameters
    ----------
    longitude : float
        Degrees.

    Returns
    -------
    int or None
        25 to 45; None elsewhere. A border of zones belongs to the eastern one.

    Examples
    --------
    >>> zone_of(115.4999), zone_of(115.5), zone_of(22.1)
    (38, 39, None)
    """
    zone = math.floor((longitude + _ZONE_DEGREES / 2) / _ZONE_DEGREES)
    return zone if FIRST_ZONE <= zone <= LAST_ZONE else None


def gauss_krueger(point: Point) -> GaussKrueger | None:
    """
    Convert a place to its zone of three degrees.

    Parameters
    ----------
    point : Point
        CRS84.

    Returns
    -------
    GaussKrueger or None
        None outside the zones of China.

    Examples
    --------
    >>> place = gauss_krueger(Point(115.65, 24.95))
    >>> place.epsg, str(place.easting_m)[:2]
    (4527, '39')
    """
    zone = zone_of(point.x)
    if zone is None:
        return None
    ((easting, northing),) = in_zone(np.array([[point.x, point.y]]), zone).tolist()
    return GaussKrueger(
        zone=zone,
        epsg=_EPSG_BEFORE_ZONES + zone,
        northing_m=northing,
        easting_m=easting,
    )


def in_zone(points: NDArray[np.float64], zone: int) -> NDArray[np.float64]:
    """
    Convert places to one zone, also those that lie beyond its border.

    The corners of one outline are written in one zone, else they could not be joined.

    Parameters
    ----------
    points : ndarray of float64, shape (n, 2)
        Longitudes and latitudes.
    zone : int
        25 to 45.

    Returns
    -------
    ndarray of float64, shape (n, 2)
        Eastings with the zone before them, and northings: metres.

    Raises
    ------
    ContractError
        If there is no such zone, or a place cannot be put into it.
    """
    if not FIRST_ZONE <= zone <= LAST_ZONE:
        raise ContractError(
            f"a zone of three degrees is {FIRST_ZONE} to {LAST_ZONE}, got {zone}"
        )
    easting, northing = _to_zone(zone).transform(points[:, 0], points[:, 1])
    placed = np.column_stack([easting, northing]).astype(np.float64)
    if not np.isfinite(placed).all():
        raise ContractError(f"a place cannot be put into zone {zone}")
    return placed


def dms(degrees: float, signs: str) -> str:
    """
    Write an angle in degrees, minutes and seconds.

    Parameters
    ----------
    degrees : float
        At most 180 either way.
    signs : str
        Letter of the positive half, then of the negative: ``NS`` or ``EW``.

    Returns
    -------
    str
        Seconds to three decimals, about three centimetres; never 60 seconds.

    Raises
    ------
    ContractError
        If the angle is not finite or too large, or there are not two letters.

    Examples
    --------
    >>> dms(115.6519993, "EW").encode("ascii", "replace")
    b'115?39?07.197?E'
    >>> dms(24.99999999, "NS").encode("ascii", "replace")
    b'25?00?00.000?N'
    """
    if not abs(degrees) <= 180:  # noqa: PLR2004 - half a circle; NaN is outside
        raise ContractError(f"an angle is at most 180 degrees, got {degrees}")
    if len(signs) != 2:  # noqa: PLR2004 - one of each half
        raise ContractError(f"halves are named by two letters, got {signs!r}")
    # as whole thousandths of a second first: rounding must carry
    thousandths = round(abs(degrees) * _SECONDS * 1000)
    seconds, thousandths = divmod(thousandths, 1000)
    minutes, seconds = divmod(seconds, 60)
    whole, minutes = divmod(minutes, 60)
    letter = signs[1] if degrees < 0 else signs[0]
    fine = f"{seconds:02d}.{thousandths:03d}"
    return f"{whole}\u00b0{minutes:02d}\u2032{fine}\u2033{letter}"


def web_map_point(point: Point, codes: Iterable[str]) -> Point | None:
    """
    Give a place as Chinese web maps have it, where they shift anything.

    Parameters
    ----------
    point : Point
        CRS84.
    codes : iterable of str
        Codes of the counties in which it lies.

    Returns
    -------
    Point or None
        GCJ-02; None where the place is not known to lie in mainland China.

    Examples
    --------
    >>> shifted = web_map_point(Point(115.4, 25.9), ["360731"])
    >>> round(shifted.x, 6), round(shifted.y, 6)
    (115.405174, 25.897124)
    >>> web_map_point(Point(115.4, 25.9), ["demo"]) is None
    True
    """
    west, south, east, north = _WEB_MAP_BOX
    within = west <= point.x <= east and south <= point.y <= north
    if not within or not any(_MAINLAND.fullmatch(code) for code in codes):
        return None
    return to_gcj02(point)


@lru_cache(maxsize=LAST_ZONE - FIRST_ZONE + 1)
def _to_zone(zone: int) -> Transformer:
    """Make the conversion to a zone, x before y."""
    return Transformer.from_crs(
        LONLAT, f"EPSG:{_EPSG_BEFORE_ZONES + zone}", always_xy=True
    )
