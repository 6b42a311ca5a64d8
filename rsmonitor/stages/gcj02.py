"""GCJ-02: the shifted coordinates of Chinese web maps, and how to notice them.

Layers taken from web maps lie 300 to 700 m beside the ground, differently from place
to place. A shifted border gives sites to the wrong county and a shifted parcel makes
lawful digging look illegal, so such layers are noticed and refused, never guessed at.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Point, Polygon
from shapely.geometry.base import BaseGeometry

from rsmonitor.stages.geodesy import WGS84

_SEMI_MAJOR_M: Final = 6_378_245.0
_ECCENTRICITY_SQUARED: Final = 0.006693421622965943
_LON0: Final = 105.0
_LAT0: Final = 35.0
_ROUNDS: Final = 8

_MOST_CORNERS: Final = 400
_LEAST_SHIFT_M: Final = 100.0
_UNDONE_SHARE: Final = 0.8
"""A layer is shifted if undoing GCJ-02 brings it to less than this share of its
distance. Against a coarse public layer, honest counties reach 1.8 and more, shifted
ones 0.4, the worst 0.6."""

_BESIDE_SHARE: Final = 0.75
"""Centroids may miss the shift of the formula by this share of it: two honest layers
of one county put its centroid up to 0.6 of it apart."""

_G = TypeVar("_G", bound=BaseGeometry)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """How a layer lies against one that is known to be right."""

    compared: int
    """Outlines that both layers hold."""

    east_m: float
    """Median shift of the centroids to the east, metres."""

    north_m: float
    """Median shift of the centroids to the north, metres."""

    formula_east_m: float
    """What GCJ-02 would shift to the east, metres."""

    formula_north_m: float
    """What GCJ-02 would shift to the north, metres."""

    as_is_m: float
    """Median distance of its corners from the known outlines, metres."""

    undone_m: float
    """The same after taking it for GCJ-02 and converting it, metres."""

    @property
    def length_m(self) -> float:
        """Length of the shift, metres."""
        return math.hypot(self.east_m, self.north_m)

    @property
    def is_gcj02(self) -> bool:
        """True where the layer is GCJ-02: shifted so, and it fits when converted."""
        beside = math.hypot(
            self.east_m - self.formula_east_m, self.north_m - self.formula_north_m
        )
        return (
            self.as_is_m > _LEAST_SHIFT_M
            and self.undone_m < _UNDONE_SHARE * self.as_is_m
            and beside
            < _BESIDE_SHARE * math.hypot(self.formula_east_m, self.formula_north_m)
        )


def to_gcj02(geometry: _G) -> _G:
    """
    Shift a geometry as Chinese web maps do.

    Parameters
    ----------
    geometry : shapely geometry
        WGS84 longitude and latitude, in mainland China: elsewhere web maps do not
        shift, and this function must not be used.

    Returns
    -------
    shapely geometry
        Same type, GCJ-02.

    Notes
    -----
    The formula is public knowledge since 2013; it is tested against two independent
    packages.
    """
    return shapely.transform(geometry, _shifted)


def from_gcj02(geometry: _G) -> _G:
    """
    Take back the shift of Chinese web maps.

    Parameters
    ----------
    geometry : shapely geometry
        GCJ-02 longitude and latitude.

    Returns
    -------
    shapely geometry
        Same type, WGS84; right to a millimetre.
    """
    return shapely.transform(geometry, _restored)


def gcj02_shift(
    candidate: Mapping[str, Polygon | MultiPolygon],
    known: Mapping[str, Polygon | MultiPolygon],
) -> Shift | None:
    """
    Compare a layer with one that is known to be right.

    Parameters
    ----------
    candidate : mapping of str to Polygon or MultiPolygon
        Outlines by code, said to be WGS84 longitude and latitude.
    known : mapping of str to Polygon or MultiPolygon
        The same outlines from a source that is right; coarser is good enough. Counties
        by their code or parcels by their licence.

    Returns
    -------
    Shift or None
        None if the two have no outline in common, so that nothing can be said.

    Notes
    -----
    The corners of each outline are measured against the known outline of the same
    code, once as they are and once taken for GCJ-02 and converted. One shift for a
    whole layer would not do: GCJ-02 moves every place differently. `Shift.is_gcj02`
    says what follows.
    """
    codes = sorted(candidate.keys() & known.keys())
    if not codes:
        return None
    as_is, undone, seen, formula = [], [], [], []
    for code in codes:
        outline = candidate[code]
        corners = shapely.get_coordinates(outline)
        step = max(1, len(corners) // _MOST_CORNERS)
        corners = corners[::step]
        as_is.append(_distances_m(corners, known[code]))
        undone.append(_distances_m(_restored(corners), known[code]))
        middle = known[code].centroid
        seen.append(_step_m(middle, outline.centroid))
        formula.append(_step_m(middle, to_gcj02(middle)))
    (east, north), (formula_east, formula_north) = (
        np.median(steps, axis=0).tolist() for steps in (seen, formula)
    )
    return Shift(
        compared=len(codes),
        east_m=east,
        north_m=north,
        formula_east_m=formula_east,
        formula_north_m=formula_north,
        as_is_m=float(np.median(np.concatenate(as_is))),
        undone_m=float(np.median(np.concatenate(undone))),
    )


def _step_m(start: Point, end: Point) -> tuple[float, float]:
    """Measure a step to the east and to the north."""
    azimuth, _, metres = WGS84.inv(start.x, start.y, end.x, end.y)
    turned = math.radians(azimuth)
    return metres * math.sin(turned), metres * math.cos(turned)


def _distances_m(
    points: NDArray[np.float64], outline: Polygon | MultiPolygon
) -> NDArray[np.float64]:
    """Measure how far points are from an outline."""
    # degrees of longitude are shorter: without this the nearest point is another one
    shorter = math.cos(math.radians(outline.centroid.y))
    scale = np.array([shorter, 1.0])
    line = shapely.transform(outline.boundary, lambda xy: xy * scale)
    pairs = shapely.shortest_line(shapely.points(points * scale), line)
    ends = shapely.get_coordinates(pairs).reshape(-1, 4)
    _, _, metres = WGS84.inv(
        ends[:, 0] / shorter, ends[:, 1], ends[:, 2] / shorter, ends[:, 3]
    )
    return np.asarray(metres, dtype=np.float64)


def _restored(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take the formula back, round by round: it has no inverse in closed form."""
    found = points.copy()
    for _ in range(_ROUNDS):
        found += points - _shifted(found)
    return found


def _shifted(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Apply the formula to longitudes and latitudes in degrees."""
    x, y = points[:, 0] - _LON0, points[:, 1] - _LAT0
    root, waves = np.sqrt(np.abs(x)), 20.0 * (_wave(6.0, x) + _wave(2.0, x))
    lat = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root
    lat += 2 / 3 * (waves + 20.0 * _wave(1.0, y) + 40.0 * _wave(1 / 3, y))
    lat += 2 / 3 * (160.0 * _wave(1 / 12, y) + 320.0 * _wave(1 / 30, y))
    lon = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root
    lon += 2 / 3 * (waves + 20.0 * _wave(1.0, x) + 40.0 * _wave(1 / 3, x))
    lon += 2 / 3 * (150.0 * _wave(1 / 12, x) + 300.0 * _wave(1 / 30, x))
    phi = np.radians(points[:, 1])
    magic = 1 - _ECCENTRICITY_SQUARED * np.sin(phi) ** 2
    meridian = _SEMI_MAJOR_M * (1 - _ECCENTRICITY_SQUARED) / magic**1.5
    parallel = _SEMI_MAJOR_M / np.sqrt(magic) * np.cos(phi)
    moved = np.column_stack([np.degrees(lon / parallel), np.degrees(lat / meridian)])
    return np.asarray(points + moved, dtype=np.float64)


def _wave(frequency: float, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sine of so many half turns a degree."""
    return np.asarray(np.sin(frequency * np.pi * values), dtype=np.float64)
