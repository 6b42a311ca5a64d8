"""How sure a place is: metres, the error budget, and what holds wherever a piece lies.

The budget of one boundary is the error of scene and outline (a setting) plus that of
the licence's datum. They are added, not squared: a datum without parameters shifts all
corners the same way. A tolerance grades what is said; it never moves a boundary.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from rsmonitor.records.licence import Licence
from rsmonitor.stages.geodesy import WGS84

NOISE_M2: Final = 0.01
"""Smaller pieces are rounding, not land."""

POOR_DATUM_M: Final = 10.0
"""A datum that is worse has no public transformation: 'beyond the boundary' is not said
inside its error."""

CLEARLY_M: Final = 0.2
"""A corner that lies this much farther than it must needs no buffer to prove it."""

_Area = Polygon | MultiPolygon


def budget_m(licence: Licence, position_error_m: float) -> float:
    """
    Give the error with which a place is known against the boundary of a licence.

    Parameters
    ----------
    licence : Licence
        Whose `Licence.position_error_m` is that of its datum.
    position_error_m : float
        Of scene and outline together, metres.

    Returns
    -------
    float
        Metres, whole millimetres: GEOS loses a polygon that it buffers by almost
        nothing.
    """
    return round(position_error_m + licence.position_error_m, 3)


class Plane:
    """
    Metres around a place: right to a thousandth over a few kilometres.

    Parameters
    ----------
    bounds : tuple of float
        West, south, east, north of the place, degrees.
    """

    def __init__(self, bounds: tuple[float, float, float, float]) -> None:
        west, south, east, north = bounds
        self._origin = np.array([(west + east) / 2, (south + north) / 2])
        self._scale = degree_m(float(self._origin[1]))

    def of(self, geometry: BaseGeometry) -> BaseGeometry:
        """
        Give a geometry in metres.

        Parameters
        ----------
        geometry : shapely geometry
            CRS84 degrees.

        Returns
        -------
        shapely geometry
            Metres east and north of the middle of the place.
        """
        flat: BaseGeometry = shapely.set_coordinates(geometry, self.corners(geometry))
        return flat

    def corners(self, geometry: BaseGeometry) -> NDArray[np.float64]:
        """
        Give the corners of a geometry in metres.

        Parameters
        ----------
        geometry : shapely geometry
            CRS84 degrees.

        Returns
        -------
        ndarray of float64, shape (n, 2)
            Metres east and north of the middle of the place.
        """
        corners: NDArray[np.float64] = shapely.get_coordinates(geometry)
        corners -= self._origin
        corners *= self._scale
        return corners

    def degrees(self, length_m: float) -> tuple[float, float]:
        """
        Give a length in degrees.

        Parameters
        ----------
        length_m : float
            Metres.

        Returns
        -------
        tuple of float
            Of longitude and of latitude.
        """
        return float(length_m / self._scale[0]), float(length_m / self._scale[1])


def degree_m(latitude: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Measure a degree of longitude and one of latitude.

    Parameters
    ----------
    latitude : float or ndarray of float64, shape (n,)
        Degrees.

    Returns
    -------
    ndarray of float64, shape (2,) or (2, n)
        Metres on the ellipsoid.
    """
    angle = np.radians(latitude)
    curved = 1 - WGS84.es * np.sin(angle) ** 2
    across = WGS84.a / np.sqrt(curved)
    along = WGS84.a * (1 - WGS84.es) / curved**1.5
    degree: NDArray[np.float64] = np.radians(
        np.array([across * np.maximum(np.cos(angle), 1e-6), along])
    )
    return degree


class Surroundings:
    """
    The rights that decide near an increment, in metres.

    Parameters
    ----------
    around : Polygon or MultiPolygon
        The increment, CRS84.
    rights : sequence of tuple
        Boundary, budget in metres, and favour of the category that it gives; the most
        favourable has the largest number.
    """

    def __init__(
        self, around: _Area, rights: Sequence[tuple[_Area, float, int]]
    ) -> None:
        self._plane = Plane(around.bounds)
        self._rights = rights
        self._flat: list[BaseGeometry] | None = None

    def _boundaries(self) -> list[BaseGeometry]:
        """Give the rights in metres, computed once."""
        if self._flat is None:
            self._flat = [self._plane.of(right) for right, _, _ in self._rights]
        return self._flat

    def reach(self, piece: _Area, favour: int | None) -> tuple[bool, float, float]:
        """
        Say whether some of a piece is in its category wherever it is shifted.

        Parameters
        ----------
        piece : Polygon or MultiPolygon
            Of the increment, CRS84.
        favour : int or None
            Favour of its category; None for what lies outside every right.

        Returns
        -------
        sure : bool
            True if some of it lies farther than the budget from everything that would
            have made another category of it.
        margin_m : float
            About how far the corner that lies farthest does; infinite where nothing
            that decides is near.
        budget_m : float
            Budget of the boundary that is nearest; 0 where none is near.
        """
        if not self._rights:
            return True, math.inf, 0.0
        flat = self._boundaries()
        own = [
            index
            for index, (_, _, other) in enumerate(self._rights)
            if favour is not None and other == favour
        ]
        others = [
            index
            for index, (_, _, other) in enumerate(self._rights)
            if favour is None or other > favour
        ]
        corners = self._corners(piece)
        slack = np.full(len(corners), np.inf)
        margin = np.full(len(corners), np.inf)
        budget = np.zeros(len(corners))
        for index in others:
            metres = shapely.distance(corners, flat[index])
            self._take(slack, margin, budget, metres, self._rights[index][1])
        if own:
            depth = np.full(len(corners), -1.0)
            error = np.zeros(len(corners))
            for index in own:
                within = np.where(
                    shapely.intersects(flat[index], corners),
                    shapely.distance(corners, shapely.boundary(flat[index])),
                    -1.0,
                )
                deeper = within > depth
                depth[deeper] = within[deeper]
                error[deeper] = self._rights[index][1]
            self._take(slack, margin, budget, depth, error)
        best = int(np.argmax(slack))
        found = float(margin[best]), float(budget[best])
        if slack[best] > CLEARLY_M:
            return (True, *found)
        return (self._proved(piece, own, others), *found)

    @staticmethod
    def _take(
        slack: NDArray[np.float64],
        margin: NDArray[np.float64],
        budget: NDArray[np.float64],
        metres: NDArray[np.float64],
        error: float | NDArray[np.float64],
    ) -> None:
        """Keep, corner by corner, the boundary that leaves least."""
        less = metres - error < slack
        slack[less] = (metres - error)[less]
        margin[less] = metres[less]
        budget[less] = error if isinstance(error, float) else error[less]

    def _corners(self, piece: _Area) -> NDArray[np.object_]:
        """Give the corners of a piece and one place within it, in metres."""
        corners = self._plane.corners(piece)
        flat = shapely.set_coordinates(piece, corners)
        inner = shapely.get_coordinates(shapely.point_on_surface(flat))
        return np.asarray(shapely.points(np.concatenate([corners, inner])))

    def _proved(self, piece: _Area, own: Sequence[int], others: Sequence[int]) -> bool:
        """Say the same by buffers, where no corner proves it."""
        flat = self._boundaries()
        rest = self._plane.of(piece)
        west, south, east, north = rest.bounds
        wide = 3 * max(error for _, error, _ in self._rights) + 1
        window = shapely.box(west - wide, south - wide, east + wide, north + wide)
        # so wide that the clipping is never mistaken for a boundary
        if own:
            united = _united(
                [shapely.intersection(flat[index], window) for index in own]
            )
            shrink = max(self._rights[index][1] for index in own)
            rest = shapely.intersection(rest, united.buffer(-shrink))
        errors = sorted({self._rights[index][1] for index in others})
        for error in errors:
            united = _united(
                [
                    shapely.intersection(flat[index], window)
                    for index in others
                    if self._rights[index][1] == error
                ]
            )
            rest = shapely.difference(rest, united.buffer(error))
        return bool(rest.area > NOISE_M2)


def _united(geometries: Sequence[BaseGeometry]) -> BaseGeometry:
    """Join geometries; there is nothing to join of one."""
    if len(geometries) == 1:
        return geometries[0]
    joined: BaseGeometry = shapely.union_all(geometries)
    return joined


def farthest_m(piece: _Area, right: _Area) -> float:
    """
    Measure how far the corners of a piece reach beyond a right.

    Parameters
    ----------
    piece : Polygon or MultiPolygon
        CRS84.
    right : Polygon or MultiPolygon
        CRS84.

    Returns
    -------
    float
        Metres; 0 if none lies beyond.
    """
    plane = Plane(piece.bounds)
    corners = shapely.points(plane.corners(piece))
    return float(shapely.distance(corners, plane.of(right)).max())
