"""How every increment lies to every right near its site: all pairs at once.

What covers, what touches, what is common, and how far the middle of a piece lies from a
boundary is asked of GEOS in columns; records are made one after the other.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import GeometryType

from rsmonitor.stages.error_budget import degree_m
from rsmonitor.stages.nearness import (
    AT_ONCE,
    TOUCH_DEGREES,
    Area,
    Right,
    has_land,
    polygons,
    touching,
)

_CLOSE_DEGREES: Final = 1e-7
"""A centimetre: no piece of an increment touches what lies farther from all of it."""


class Touch:
    """
    How an increment lies to a right near it.

    Parameters
    ----------
    right : Right
        The right.
    connected : bool
        True if the increment is one polygon, so that what a right cuts off it and what
        it leaves lie against each other.
    close : bool
        False if they lie farther apart than rounding could bridge.
    touches : bool
        True if they touch or overlap.
    covers : bool
        True if the right covers all of the increment.
    common : Polygon or MultiPolygon or None
        What they share, where that is a part of the increment.
    rest : Polygon or MultiPolygon or None
        What the right leaves of the increment, in the same case.
    outside_m : float
        Metres from the right to the middle of the increment, or to the corner of the
        rest that lies farthest; 0 within it.
    inside_m : float
        Metres from the right's boundary to the middle of the increment, or to the
        corner of what they share that lies deepest; 0 outside it.
    """

    __slots__ = (
        "_shares",
        "close",
        "common",
        "connected",
        "covers",
        "inside_m",
        "outside_m",
        "rest",
        "right",
        "touches",
    )

    def __init__(  # noqa: PLR0913 - a row of columns, all by keyword
        self,
        right: Right,
        *,
        connected: bool,
        close: bool,
        touches: bool,
        covers: bool,
        common: Area | None,
        rest: Area | None,
        outside_m: float,
        inside_m: float,
    ) -> None:
        self.right = right
        self.connected = connected
        self.close = close
        self.touches = touches
        self.covers = covers
        self.common = common
        self.rest = rest
        self.outside_m = outside_m
        self.inside_m = inside_m
        self._shares: bool | None = None

    def touches_piece(self, piece: Area) -> bool:
        """
        Say whether the right lies on, or against, a piece of the increment.

        Parameters
        ----------
        piece : Polygon or MultiPolygon
            Of the increment, CRS84.

        Returns
        -------
        bool
            True up to a millimetre.
        """
        if piece is self.common or (piece is self.rest and self.connected):
            return True
        return self.close and touching(self.right, piece)

    @property
    def shares(self) -> bool:
        """True if they share more than rounding."""
        if self._shares is None:
            self._shares = self.covers or (
                self.common is not None and has_land(self.common)
            )
        return self._shares


def touches_of(
    rights: Callable[[int], Right],
    geometries: Sequence[tuple[Area, ...]],
    near: Sequence[Sequence[int]],
) -> Iterator[tuple[tuple[Touch, ...], ...]]:
    """
    Say how every increment lies to every right near its site.

    Parameters
    ----------
    rights : callable
        Gives the right of a place in the register.
    geometries : sequence of tuple of Polygon or MultiPolygon
        By site, those of its increments.
    near : sequence of sequence of int
        By site, places in the register.

    Yields
    ------
    tuple of tuple of Touch
        For each site that rights lie near: by increment, in the order of `near`.
    """
    shapes: list[Area] = []
    places: list[int] = []
    for outlined, found in zip(geometries, near, strict=True):
        if found:
            for geometry in outlined:
                shapes += [geometry] * len(found)
                places += found
    if not places:
        return
    ones = np.array(shapes, dtype=object)
    used, back = np.unique(places, return_inverse=True)
    near_rights = list(map(rights, used.tolist()))
    outlines = np.array([right.geometry for right in near_rights], dtype=object)
    shapely.prepare(outlines)
    others = outlines[back]
    close = shapely.dwithin(others, ones, _CLOSE_DEGREES)
    touches = close.copy()
    touches[close] = shapely.dwithin(others[close], ones[close], TOUCH_DEGREES)
    covers = np.zeros(len(ones), dtype=bool)
    covers[touches] = shapely.covers(others[touches], ones[touches])
    cut = np.flatnonzero(touches & ~covers)
    common = shapely.intersection(ones[cut], others[cut])
    rest = shapely.difference(ones[cut], others[cut])
    outside, inside = _reach_m(ones, common, rest, others, cut)
    # one after the other, so that what is said of one site goes when it is judged
    records = _records(
        map(near_rights.__getitem__, back.tolist()),
        zip(_all_polygons(common), _all_polygons(rest), strict=True),
        zip(
            (shapely.get_type_id(ones) == GeometryType.POLYGON).tolist(),
            close.tolist(),
            touches.tolist(),
            covers.tolist(),
            strict=True,
        ),
        zip(outside, inside, strict=True),
    )
    for outlined, found in zip(geometries, near, strict=True):
        if found:
            yield tuple([tuple([next(records) for _ in found]) for _ in outlined])


def _records(
    rights: Iterable[Right],
    cut: Iterator[tuple[Area, Area]],
    facts: Iterable[tuple[bool, bool, bool, bool]],
    metres: Iterable[tuple[float, float]],
) -> Iterator[Touch]:
    """Make records of columns; what a boundary cuts takes the next pieces."""
    for right, (connected, close, touches, covers), (outside, inside) in zip(
        rights, facts, metres, strict=True
    ):
        common, rest = next(cut) if touches and not covers else (None, None)
        yield Touch(
            right,
            connected=connected,
            close=close,
            touches=touches,
            covers=covers,
            common=common,
            rest=rest,
            outside_m=outside,
            inside_m=inside,
        )


def _all_polygons(geometries: NDArray[np.object_]) -> list[Area]:
    """Keep what has area of each, as `polygons` does of one."""
    found = shapely.orient_polygons(geometries)
    kind = shapely.get_type_id(found)
    plain = (kind == GeometryType.POLYGON) & ~shapely.is_empty(found)
    # an overlay gives no empty parts
    plain |= (kind == GeometryType.MULTIPOLYGON) & (
        shapely.get_num_geometries(found) > 1
    )
    for place in np.flatnonzero(~plain):
        found[place] = polygons(geometries[place])
    kept: list[Area] = found.tolist()
    return kept


def _reach_m(
    ones: NDArray[np.object_],
    common: NDArray[np.object_],
    rest: NDArray[np.object_],
    others: NDArray[np.object_],
    cut: NDArray[np.intp],
) -> tuple[list[float], list[float]]:
    """Measure how far what lies beyond each right reaches, and how deep the rest."""
    scale = degree_m(shapely.bounds(ones)[:, 1]).T
    middles = shapely.get_coordinates(shapely.point_on_surface(ones)) * scale
    outside, inside = np.zeros(len(ones)), np.zeros(len(ones))
    for first in range(0, len(ones), AT_ONCE):
        few = slice(first, first + AT_ONCE)
        flat = _flat(others[few], scale[few])
        points = np.asarray(shapely.points(middles[few]))
        outside[few] = shapely.distance(points, flat)
        within = np.flatnonzero(outside[few] <= 0)
        inside[few][within] = shapely.distance(
            points[within], shapely.boundary(flat[within])
        )
    # of what a boundary cuts, the corner that lies farthest
    flat = _flat(others[cut], scale[cut])
    for geometries, target, metres in (
        (rest, flat, outside),
        (common, shapely.boundary(flat), inside),
    ):
        corners, owners = shapely.get_coordinates(geometries, return_index=True)
        corners *= scale[cut][owners]
        farthest = np.zeros(len(cut))
        for first in range(0, len(owners), AT_ONCE):
            few = slice(first, first + AT_ONCE)
            measured = shapely.distance(
                shapely.points(corners[few]), target[owners[few]]
            )
            np.maximum.at(farthest, owners[few], measured)
        metres[cut] = farthest
    return outside.tolist(), inside.tolist()


def _flat(
    geometries: NDArray[np.object_], scale: NDArray[np.float64]
) -> NDArray[np.object_]:
    """Give geometries in metres, each with its own length of a degree."""
    coordinates, rows = shapely.get_coordinates(geometries, return_index=True)
    flat: NDArray[np.object_] = shapely.set_coordinates(
        geometries.copy(), coordinates * scale[rows]
    )
    return flat
