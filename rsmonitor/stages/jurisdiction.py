"""Which counties a site belongs to; near a border it belongs to all of them.

Public county borders differ from each other by hundreds of metres. A site within 300 m
of one therefore names the counties on both sides, and people decide.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from rsmonitor.errors import ContractError
from rsmonitor.stages.geodesy import WGS84

NEAR_BORDER_M: Final = 300.0
"""Nearer than this to a border nobody can tell the county from public layers."""

_COUNTY_CODE: Final = re.compile(r"[0-9]{6}")
_METRES_A_DEGREE: Final = 110_000.0
"""A degree of latitude is nowhere shorter."""

_SLACK: Final = 1.05


@dataclass(frozen=True, slots=True, kw_only=True)
class County:
    """A county and its outline, as one border layer has it."""

    code: str
    """GB/T 2260, six digits."""

    name: str
    """Chinese name."""

    geometry: Polygon | MultiPolygon
    """Outline, CRS84, valid."""

    def __post_init__(self) -> None:
        if not _COUNTY_CODE.fullmatch(self.code):
            raise ContractError(
                f"county codes have six digits (GB/T 2260), got {self.code!r}"
            )
        if self.geometry.is_empty or not self.geometry.is_valid:
            raise ContractError(f"county {self.code}: geometry is empty or not valid")


def county_codes(
    geometry: Polygon | MultiPolygon,
    counties: Sequence[County],
    *,
    within_m: float = NEAR_BORDER_M,
) -> tuple[str, ...]:
    """
    Name the counties of a site.

    Parameters
    ----------
    geometry : Polygon or MultiPolygon
        The site, CRS84, not empty.
    counties : sequence of County
        One border layer.
    within_m : float, default 300
        Metres on the ellipsoid; a county this near is named too.

    Returns
    -------
    tuple of str
        Codes: those that hold some of the site, the largest share first, then those
        that are only near, the nearest first. Empty where the layer has no county:
        then the jurisdiction is unknown, not nobody's.

    Raises
    ------
    ContractError
        If the geometry is empty or `within_m` is negative or not finite.
    """
    if geometry.is_empty:
        raise ContractError("a site without geometry is in no county")
    if not math.isfinite(within_m) or within_m < 0:
        raise ContractError(f"within_m must be finite and not negative, got {within_m}")
    reached = _grown(geometry.bounds, within_m)
    ranked: list[tuple[float, float, str]] = []
    for county in counties:
        if not reached.intersects(shapely.box(*county.geometry.bounds)):
            continue
        shared = shapely.intersection(geometry, county.geometry).area
        metres = 0.0 if shared else distance_m(geometry, county.geometry)
        if metres <= within_m:
            ranked.append((-shared, metres, county.code))
    ranked.sort()
    return tuple(dict.fromkeys(code for _, _, code in ranked))


def distance_m(one: Polygon | MultiPolygon, other: Polygon | MultiPolygon) -> float:
    """
    Measure the distance between two outlines on the ellipsoid.

    Parameters
    ----------
    one, other : Polygon or MultiPolygon
        CRS84, not empty.

    Returns
    -------
    float
        Metres, 0 where they touch. Right to a metre up to some 10 km.
    """
    # in degrees east and north count differently, and the nearest point would be wrong
    shorter = math.cos(math.radians(one.centroid.y))
    line = shapely.shortest_line(_stretched(one, shorter), _stretched(other, shorter))
    (x1, y1), (x2, y2) = shapely.get_coordinates(line)
    _, _, metres = WGS84.inv(x1 / shorter, y1, x2 / shorter, y2)
    return float(metres)


def outlines(counties: Iterable[County]) -> dict[str, Polygon | MultiPolygon]:
    """
    Give the outlines of counties by code, to compare two layers.

    Parameters
    ----------
    counties : iterable of County
        One border layer.

    Returns
    -------
    dict of str to Polygon or MultiPolygon
        By code.
    """
    return {county.code: county.geometry for county in counties}


def _grown(bounds: tuple[float, float, float, float], metres: float) -> Polygon:
    """Grow a box of longitude and latitude by at least so many metres."""
    west, south, east, north = bounds
    up = metres / _METRES_A_DEGREE * _SLACK
    steepest = min(max(abs(south), abs(north)) + up, 89.0)
    aside = up / math.cos(math.radians(steepest))
    return shapely.box(west - aside, south - up, east + aside, north + up)


def _stretched(
    geometry: Polygon | MultiPolygon, factor: float
) -> Polygon | MultiPolygon:
    """Scale longitudes."""

    def scale(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(points * (factor, 1.0), dtype=np.float64)

    scaled: Polygon | MultiPolygon = shapely.transform(geometry, scale)
    return scaled
