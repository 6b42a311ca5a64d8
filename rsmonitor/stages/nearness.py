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

TOUCH_DEGREES: Final = 1e-8
"""What lies a millimetre apart touches."""

AT_ONCE: Final = 512
"""Points and boxes that live at one time: each is an object that the collector of
garbage walks, as long as it lives."""

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

    __slots__ = ("_standing", "_told", "error_m", "geometry", "licence", "said")

    def __init__(self, licence: Licence, position_error_m: float) -> None:
        self.licence = licence
        self.geometry = licence.geometry
        self.error_m = budget_m(licence, position_error_m)
        self.said = named(licence)
        self._standing: Standing | None = None
        self._told: Said = ("", "")

    def told(self, standing: Standing) -> Said:
        """
        Name it, and say when it was valid and how that stands to an act.

        Parameters
        ----------
        standing : Standing
            How its validity stands to the act.

        Returns
        -------
        tuple of str
            Chinese and English.
        """
        # sites around one right seldom differ in this
        if self._standing is not standing:
            when = period(self.licence, standing)
            self._told = f"{self.said[0]}（{when[0]}）", f"{self.said[1]} ({when[1]})"
            self._standing = standing
        return self._told


def rights_near(
    licences: Sequence[Licence],
    outlines: NDArray[np.object_],
    margins_m: NDArray[np.float64],
) -> list[Sequence[int]]:
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
    list of sequence of int
        By outline: places in `licences`, rising.
    """
    near: list[Sequence[int]] = [()] * len(outlines)
    if not len(outlines) or not licences:
        return near
    bounds = shapely.bounds(outlines)
    scale = degree_m((bounds[:, 1] + bounds[:, 3]) / 2).T
    across, along = margins_m / scale[:, 0], margins_m / scale[:, 1]
    windows = bounds + np.column_stack([-across, -along, across, along])
    rights = np.array([licence.geometry for licence in licences], dtype=object)
    tree = shapely.STRtree(rights)
    for first in range(0, len(outlines), AT_ONCE):
        boxes = shapely.box(*windows[first : first + AT_ONCE].T)
        pairs = tree.query(boxes, predicate="intersects")
        for place, index in pairs.T[np.lexsort((pairs[1], pairs[0]))].tolist():
            near[first + place] = *near[first + place], index
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


def geometries_of(
    sites: Sequence[Site], near: Sequence[Sequence[int]]
) -> list[tuple[Area, ...]]:
    """
    Give the geometries of the increments of sites.

    Parameters
    ----------
    sites : sequence of Site
        The sites.
    near : sequence of sequence of int
        By site, the rights near it: where there are any, what crosses itself is mended.

    Returns
    -------
    list of tuple of Polygon or MultiPolygon
        By site, one an increment; none where no right lies near.
    """
    found: list[tuple[Area, ...]] = [
        tuple([each.geometry for each in site.latest.disturbance.increments])
        if rights
        else ()
        for site, rights in zip(sites, near, strict=True)
    ]
    flat = np.array([each for geometries in found for each in geometries], dtype=object)
    if not shapely.is_valid(flat).all():
        return [tuple(map(mended, geometries)) for geometries in found]
    return found


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
    return bool(shapely.dwithin(right.geometry, geometry, TOUCH_DEGREES))


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
    # the order in which pyproj adds the rings of a geometry, without its detours
    total = 0.0
    whole = isinstance(geometry, Polygon)
    for polygon in [geometry] if whole else shapely.get_parts(geometry).tolist():
        holes = shapely.get_num_interior_rings(polygon)
        signed = 0.0
        for ring in shapely.get_rings(polygon).tolist() if holes else [polygon]:
            corners = shapely.get_coordinates(ring)
            signed += WGS84.polygon_area_perimeter(corners[:, 0], corners[:, 1])[0]
        total += signed
    return abs(total)


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
