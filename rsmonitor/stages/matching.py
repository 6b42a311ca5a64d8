"""Tips + sites -> which may speak of which, in space and time, both ways.

A tip without a change asks for a priority look; a change without a tip stays what it
is. Nothing here weighs a tip: it says what lies near it, and what does not.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Geod

from rsmonitor.records.site import Site
from rsmonitor.records.tip import MatchingParameters, Place, Tip, TipMatch
from rsmonitor.stages.tracking import LIVING

_WGS84: Final = Geod(ellps="WGS84")
_METRES_A_DEGREE: Final = 110_500.0
"""Fewest metres of a degree of latitude, so that boxes are never too small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """What became of tips."""

    matches: tuple[TipMatch, ...]
    """By tip, then nearest in space first, then in time, then by site."""

    priority: tuple[str, ...]
    """`Tip.tip_id` of tips with a place near which no site is: look there first."""

    unplaced: tuple[str, ...]
    """`Tip.tip_id` of tips that have no place yet."""

    untold: tuple[str, ...]
    """`Site.site_id` of standing sites that no tip speaks of."""


def match_tips(
    tips: Sequence[Tip],
    sites: Sequence[Site],
    *,
    parameters: MatchingParameters,
    suppressed: frozenset[str] = frozenset(),
) -> Matched:
    """
    Match tips to sites in space and time.

    A site counts from the last clear look that saw nothing (a tip may come before
    the change is seen) to the last look that saw it.

    Parameters
    ----------
    tips : sequence of Tip
        Tips, in any order.
    sites : sequence of Site
        Sites; only those that stand are matched.
    parameters : MatchingParameters
        How near counts.
    suppressed : frozenset of str, optional
        `Site.site_id` of sites that no product may show: they match nothing, and the
        tip is listed as if nothing were known.

    Returns
    -------
    Matched
        The same for any order of tips and sites.
    """
    standing = sorted(
        (s for s in sites if s.state in LIVING and s.site_id not in suppressed),
        key=lambda site: site.site_id,
    )
    outlines = [site.latest.disturbance.geometry for site in standing]
    tree = shapely.STRtree(outlines)
    matches: list[TipMatch] = []
    priority, unplaced = [], []
    for tip in sorted(tips, key=lambda tip: tip.tip_id):
        if tip.place is None:
            unplaced.append(tip.tip_id)
            continue
        found = []
        for index in tree.query(grown(tip.place, parameters.within_m)):
            match = _match(tip, tip.place, standing[int(index)], parameters)
            if match is not None:
                found.append(match)
        found.sort(key=lambda m: (m.distance_m, abs(m.days_apart), m.site_id))
        matches += found
        if not found:
            priority.append(tip.tip_id)
    told = {match.site_id for match in matches}
    return Matched(
        matches=tuple(matches),
        priority=tuple(priority),
        unplaced=tuple(unplaced),
        untold=tuple(s.site_id for s in standing if s.site_id not in told),
    )


def _match(
    tip: Tip, place: Place, site: Site, parameters: MatchingParameters
) -> TipMatch | None:
    """Give the match of a tip and a site; None if they are too far apart."""
    seen = site.latest.disturbance
    begins = seen.began_after or seen.began_by
    if begins > tip.day:
        days = (begins - tip.day).days
        near = days <= parameters.days_ahead
    elif seen.last_seen < tip.day:
        days = -(tip.day - seen.last_seen).days
        near = -days <= parameters.days_behind
    else:
        days, near = 0, True
    if not near:
        return None
    metres = _distance_m(place, seen.geometry)
    if metres > parameters.within_m:
        return None
    return TipMatch(
        tip_id=tip.tip_id,
        site_id=site.site_id,
        distance_m=round(metres, 1),
        days_apart=days,
    )


def _distance_m(place: Place, outline: shapely.Polygon | shapely.MultiPolygon) -> float:
    """Measure on the ellipsoid from the nearest points, found at one scale."""
    # in degrees east and north count differently, and the nearest point would be wrong
    shorter = math.cos(math.radians(place.centroid.y))

    def scale(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(points * (shorter, 1.0), dtype=np.float64)

    line = shapely.shortest_line(
        shapely.transform(place, scale), shapely.transform(outline, scale)
    )
    (x1, y1), (x2, y2) = shapely.get_coordinates(line)
    _, _, metres = _WGS84.inv(x1 / shorter, y1, x2 / shorter, y2)
    return float(metres)


def grown(place: Place, metres: float) -> shapely.Polygon:
    """
    Grow the box of a place by at least so many metres.

    Parameters
    ----------
    place : Point, Polygon or MultiPolygon
        CRS84.
    metres : float
        On each side.

    Returns
    -------
    Polygon
        A box, CRS84.
    """
    west, south, east, north = place.bounds
    up = metres / _METRES_A_DEGREE + 1e-9
    steepest = min(max(abs(south), abs(north)) + up, 89.0)
    aside = up / math.cos(math.radians(steepest))
    return shapely.box(west - aside, south - up, east + aside, north + up)
