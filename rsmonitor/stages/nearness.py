"""Which rights lie near which sites, and how: all pairs at once.

Everything that a loop over sites would ask GEOS again and again is asked here for all
of them together: what touches, what covers, what is common, and how far the middle of a
piece lies from a boundary.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from rsmonitor.records.disturbance import Cause
from rsmonitor.records.licence import Licence
from rsmonitor.records.site import Site
from rsmonitor.stages.error_budget import NOISE_M2, Plane, budget_m, degree_m
from rsmonitor.stages.geodesy import WGS84, area_m2
from rsmonitor.stages.rules import EXTRACTION
from rsmonitor.stages.standing import Standing
from rsmonitor.stages.wording import Said, named, period

Area = Polygon | MultiPolygon
"""What has land."""

_GRID_DEGREES: Final = 1e-9
"""Unions snap to a tenth of a millimetre, which makes them robust."""

_TOUCH_DEGREES: Final = 1e-8
"""What lies a millimetre apart touches."""

_DEGREE2_M2: Final = 111_320.0**2
"""Square metres of a square degree at the equator: an upper bound."""


class Right:
    """
    A licence of the register, with its error budget; one object a licence.

    Parameters
    ----------
    licence : Licence
        The licence.
    position_error_m : float
        Of scene and outline together, metres.
    """

    __slots__ = ("_periods", "error_m", "geometry", "licence", "said")

    def __init__(self, licence: Licence, position_error_m: float) -> None:
        self.licence = licence
        self.geometry = licence.geometry
        self.error_m = budget_m(licence, position_error_m)
        self.said = named(licence)
        self._periods: dict[Standing, Said] = {}

    def period(self, standing: Standing) -> Said:
        """
        Say when it was valid, and how that stands to an act.

        Parameters
        ----------
        standing : Standing
            How its validity stands to the act.

        Returns
        -------
        tuple of str
            Chinese and English.
        """
        found = self._periods.get(standing)
        if found is None:
            found = self._periods[standing] = period(self.licence, standing)
        return found


class Touch:
    """
    How an increment lies to a right near it.

    Parameters
    ----------
    right : Right
        The right.
    covers : bool
        True if the right covers all of the increment.
    touches : bool
        True if they touch or overlap.
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
        "common",
        "covers",
        "inside_m",
        "outside_m",
        "rest",
        "right",
        "touches",
    )

    def __init__(
        self,
        right: Right,
        *,
        covers: bool,
        touches: bool,
        common: Area | None,
        rest: Area | None,
        outside_m: float,
        inside_m: float,
    ) -> None:
        self.right = right
        self.covers = covers
        self.touches = touches
        self.common = common
        self.rest = rest
        self.outside_m = outside_m
        self.inside_m = inside_m

    @property
    def shares(self) -> bool:
        """True if they share more than rounding."""
        return self.covers or (self.common is not None and has_land(self.common))


def rights_near(
    licences: Sequence[Licence],
    outlines: NDArray[np.object_],
    margins_m: NDArray[np.float64],
) -> list[list[int]]:
    """
    List for each outline the licences that can matter to it.

    Parameters
    ----------
    licences : sequence of Licence
        All licences.
    outlines : ndarray of Polygon or MultiPolygon
        CRS84.
    margins_m : ndarray of float64
        How far from each outline a licence can matter, metres.

    Returns
    -------
    list of list of int
        By outline: places in `licences`, rising.
    """
    near: list[list[int]] = [[] for _ in outlines]
    if not len(outlines) or not licences:
        return near
    bounds = shapely.bounds(outlines)
    scale = degree_m((bounds[:, 1] + bounds[:, 3]) / 2).T
    across, along = margins_m / scale[:, 0], margins_m / scale[:, 1]
    boxes = shapely.box(
        bounds[:, 0] - across,
        bounds[:, 1] - along,
        bounds[:, 2] + across,
        bounds[:, 3] + along,
    )
    rights = np.array([licence.geometry for licence in licences], dtype=object)
    pairs = shapely.STRtree(rights).query(boxes, predicate="intersects")
    order = np.lexsort((pairs[1], pairs[0]))
    for place, index in pairs.T[order].tolist():
        near[place].append(index)
    return near


def attached_to_digging(
    causes: Sequence[Cause], outlines: NDArray[np.object_], within_m: float
) -> frozenset[int]:
    """
    List the sites of construction that lie against digging or ponds.

    Parameters
    ----------
    causes : sequence of Cause
        Of all sites.
    outlines : ndarray of Polygon or MultiPolygon
        Theirs.
    within_m : float
        What lies this near is attached, metres.

    Returns
    -------
    frozenset of int
        Places in `causes`.
    """
    building = [p for p, cause in enumerate(causes) if cause is Cause.CONSTRUCTION]
    digging = [p for p, cause in enumerate(causes) if cause in EXTRACTION]
    if not building or not digging:
        return frozenset()
    tree = shapely.STRtree(outlines[digging])
    found = set()
    for place in building:
        plane = Plane(outlines[place].bounds)
        across, along = plane.degrees(within_m + 1)
        west, south, east, north = outlines[place].bounds
        window = shapely.box(west - across, south - along, east + across, north + along)
        flat = plane.of(outlines[place])
        for index in tree.query(window):
            other = plane.of(outlines[digging[index]])
            if shapely.dwithin(flat, other, within_m):
                found.add(place)
                break
    return frozenset(found)


def geometries_of(site: Site, *, near: bool) -> tuple[Area, ...]:
    """
    Give the geometries of a site's increments.

    Parameters
    ----------
    site : Site
        The site.
    near : bool
        True where rights lie near, so that what crosses itself must be mended.

    Returns
    -------
    tuple of Polygon or MultiPolygon
        One an increment.
    """
    increments = site.latest.disturbance.increments
    if near:
        return tuple(mended(increment.geometry) for increment in increments)
    return tuple(increment.geometry for increment in increments)


def touches_of(
    rights: Callable[[int], Right],
    geometries: Sequence[tuple[Area, ...]],
    near: Sequence[Sequence[int]],
) -> list[tuple[tuple[Touch, ...], ...]]:
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

    Returns
    -------
    list of tuple of tuple of Touch
        By site and increment, in the order of `near`.
    """
    pairs = [
        (place, number, index)
        for place, found in enumerate(near)
        if found
        for number in range(len(geometries[place]))
        for index in found
    ]
    found: list[list[list[Touch]]] = [[[] for _ in each] for each in geometries]
    if pairs:
        ones = np.array([geometries[p][n] for p, n, _ in pairs], dtype=object)
        used, back = np.unique([index for *_, index in pairs], return_inverse=True)
        outlines = np.array([rights(int(i)).geometry for i in used], dtype=object)
        shapely.prepare(outlines)
        others = outlines[back]
        touches = shapely.dwithin(others, ones, _TOUCH_DEGREES)
        covers = np.zeros(len(pairs), dtype=bool)
        covers[touches] = shapely.covers(others[touches], ones[touches])
        partly = touches & ~covers
        common = np.full(len(pairs), None, dtype=object)
        common[partly] = shapely.intersection(ones[partly], others[partly])
        rest = np.full(len(pairs), None, dtype=object)
        rest[partly] = shapely.difference(ones[partly], others[partly])
        outside, inside = _reach_m(ones, common, rest, others, partly)
        for row, (place, number, index) in enumerate(pairs):
            shared, left = common[row], rest[row]
            found[place][number].append(
                Touch(
                    rights(index),
                    covers=bool(covers[row]),
                    touches=bool(touches[row]),
                    common=None if shared is None else polygons(shared),
                    rest=None if left is None else polygons(left),
                    outside_m=outside[row],
                    inside_m=inside[row],
                )
            )
    return [tuple(map(tuple, each)) for each in found]


def _reach_m(
    ones: NDArray[np.object_],
    common: NDArray[np.object_],
    rest: NDArray[np.object_],
    others: NDArray[np.object_],
    partly: NDArray[np.bool_],
) -> tuple[list[float], list[float]]:
    """Measure how far what lies beyond each right reaches, and how deep the rest."""
    scale = degree_m(shapely.bounds(ones)[:, 1]).T
    coordinates, rows = shapely.get_coordinates(others, return_index=True)
    flat = shapely.set_coordinates(others.copy(), coordinates * scale[rows])
    edges = shapely.boundary(flat)
    middles = shapely.get_coordinates(shapely.point_on_surface(ones)) * scale
    points = shapely.points(middles)
    outside = shapely.distance(points, flat)
    inside = np.where(outside > 0, 0.0, shapely.distance(points, edges))
    # of what a boundary cuts, the corner that lies farthest
    cut = np.flatnonzero(partly)
    for geometries, target, metres in ((rest, flat, outside), (common, edges, inside)):
        corners, owners = shapely.get_coordinates(geometries[cut], return_index=True)
        owners = cut[owners]
        measured = shapely.distance(
            shapely.points(corners * scale[owners]), target[owners]
        )
        metres[cut] = 0.0
        np.maximum.at(metres, owners, measured)
    return outside.tolist(), inside.tolist()


def touching(right: Right, geometry: Area) -> bool:
    """
    Say whether a right lies on, or against, a geometry.

    Parameters
    ----------
    right : Right
        The right.
    geometry : Polygon or MultiPolygon
        CRS84.

    Returns
    -------
    bool
        True up to a millimetre.
    """
    return bool(shapely.dwithin(right.geometry, geometry, _TOUCH_DEGREES))


def shares_land(right: Right, geometry: Area) -> bool:
    """
    Say whether a right covers more of a geometry than rounding would.

    Parameters
    ----------
    right : Right
        The right.
    geometry : Polygon or MultiPolygon
        CRS84.

    Returns
    -------
    bool
        True if they share land.
    """
    if not shapely.intersects(right.geometry, geometry):
        return False
    return has_land(overlay(shapely.intersection, geometry, right))


def has_land(geometry: Area) -> bool:
    """
    Say whether a geometry is more than rounding.

    Parameters
    ----------
    geometry : Polygon or MultiPolygon
        CRS84.

    Returns
    -------
    bool
        True from a square decimetre on.
    """
    roughly = geometry.area * _DEGREE2_M2
    return roughly >= NOISE_M2 and (
        # far more than the cosine of any latitude can take away
        roughly >= 100 * NOISE_M2 or area_m2(geometry) >= NOISE_M2
    )


def land_m2(geometry: Area) -> float:
    """
    Measure an area on the ellipsoid, as `rsmonitor.stages.geodesy.area_m2` does.

    Parameters
    ----------
    geometry : Polygon or MultiPolygon
        CRS84, from `polygons`, so that its rings run the right way.

    Returns
    -------
    float
        Square metres.
    """
    if isinstance(geometry, Polygon) and not shapely.get_num_interior_rings(geometry):
        corners = shapely.get_coordinates(geometry)
        signed, _ = WGS84.polygon_area_perimeter(corners[:, 0], corners[:, 1])
        return abs(float(signed))
    return area_m2(geometry)


def overlay(
    operation: Callable[..., BaseGeometry], geometry: Area, right: Right
) -> Area:
    """
    Overlay a geometry with a right; give polygons only.

    Parameters
    ----------
    operation : callable
        Of shapely.
    geometry : Polygon or MultiPolygon
        CRS84.
    right : Right
        The right.

    Returns
    -------
    Polygon or MultiPolygon
        May be empty.
    """
    return polygons(operation(geometry, right.geometry))


def united(geometries: Sequence[Area]) -> Area:
    """
    Join geometries; one alone stays as it is.

    Parameters
    ----------
    geometries : sequence of Polygon or MultiPolygon
        CRS84.

    Returns
    -------
    Polygon or MultiPolygon
        Their union.
    """
    if len(geometries) == 1:
        return geometries[0]
    return polygons(shapely.union_all(geometries, grid_size=_GRID_DEGREES))


def mended(geometry: Area) -> Area:
    """
    Mend an outline that crosses itself, which cannot be overlaid.

    Parameters
    ----------
    geometry : Polygon or MultiPolygon
        CRS84.

    Returns
    -------
    Polygon or MultiPolygon
        Valid; itself where it was.
    """
    if geometry.is_valid:
        return geometry
    return polygons(shapely.make_valid(geometry, method="structure"))


def polygons(geometry: BaseGeometry) -> Area:
    """
    Keep what has area, exterior rings counter-clockwise.

    Parameters
    ----------
    geometry : shapely geometry
        What an overlay gave.

    Returns
    -------
    Polygon or MultiPolygon
        May be empty.
    """
    if isinstance(geometry, Polygon):
        oriented: Polygon | MultiPolygon = shapely.orient_polygons(geometry)
        return oriented if not geometry.is_empty else MultiPolygon()
    parts = [
        part
        for part in shapely.get_parts(geometry)
        if isinstance(part, Polygon) and not part.is_empty
    ]
    kept = parts[0] if len(parts) == 1 else MultiPolygon(parts)
    turned: Polygon | MultiPolygon = shapely.orient_polygons(kept)
    return turned
