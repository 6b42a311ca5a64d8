"""From rings to a parcel: which is a hole, which a part, and what is no ring at all.

The number of a ring (圈号) says nothing: some programs count holes with it, others
parts. Only containment decides. What crosses itself by a trifle is put right; what
crosses so that two readings are possible is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon, STRtree

from rsmonitor.io.licences.found import UnusableError

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

MAX_RINGS: Final = 1000
"""Most rings of one parcel."""

RULE_CORNERS: Final = "no parcel has so many; split it"
"""Why a parcel of more corners than `MAX_CORNERS` is refused."""

MAX_CORNERS: Final = 100_000
"""Most corners of one parcel."""

_MIN_CORNERS: Final = 3
_SAME_DEGREES: Final = 1.1e-7
"""Corners nearer than this, a centimetre, are one."""

_TRIFLE: Final = 0.01
"""Share of an area that a repair may change."""


@dataclass(frozen=True, slots=True)
class PlacedRing:
    """One ring in its place."""

    label: str
    """Number of the ring, as written."""

    corners: NDArray[np.float64]
    """Longitude and latitude, shape (n, 2); open or closed."""

    line: int | None = None
    """Line of its first corner."""


def assembled(
    rings: Sequence[PlacedRing],
) -> tuple[Polygon | MultiPolygon, tuple[str, ...]]:
    """
    Make a parcel of its rings.

    Parameters
    ----------
    rings : sequence of PlacedRing
        In the order of the file.

    Returns
    -------
    Polygon or MultiPolygon
        Valid, not empty, outer rings counter-clockwise.
    tuple of str
        What was put right, one sentence each.

    Raises
    ------
    UnusableError
        If there is no ring, a ring has no area or crosses itself, two rings cross each
        other, or there are too many.
    """
    if not rings:
        raise UnusableError(
            "no corners", "a parcel has a ring of three or more corners"
        )
    if sum(len(ring.corners) for ring in rings) > MAX_CORNERS:
        raise UnusableError(f"more than {MAX_CORNERS} corners", RULE_CORNERS)
    repairs: list[str] = []
    single = [part for ring in rings for part in _split(ring, repairs)]
    if len(single) > MAX_RINGS:
        raise UnusableError(
            f"{len(single)} rings", f"no parcel has more than {MAX_RINGS}; split it"
        )
    polygons = [_polygon(ring, repairs) for ring in single]
    labels = [ring.label for ring in single]
    return _nested(polygons, labels, repairs), tuple(repairs)


def _named(label: str) -> str:
    """Name a ring."""
    return f"ring {label}" if label else "a ring"


def _split(ring: PlacedRing, repairs: list[str]) -> list[PlacedRing]:
    """Take a ring apart where it closes and goes on; drop repeated corners."""
    corners = ring.corners
    if not len(corners):
        return []
    step = np.abs(np.diff(corners, axis=0)).max(axis=1, initial=0.0)
    kept = np.concatenate(([True], step > _SAME_DEGREES))
    if not kept.all():
        repairs.append(
            f"{_named(ring.label)}: {int((~kept).sum())} corners written twice "
            "in a row were read once"
        )
    numbers = np.flatnonzero(kept)
    corners = corners[numbers]
    found: list[PlacedRing] = []
    begin = 0
    for end in range(1, len(corners)):
        closes = np.abs(corners[end] - corners[begin]).max() <= _SAME_DEGREES
        if end > begin and closes and end - begin >= _MIN_CORNERS:
            found.append(_piece(ring, corners[begin:end], int(numbers[begin])))
            begin = end + 1
    if begin < len(corners):
        found.append(_piece(ring, corners[begin:], int(numbers[begin])))
    if len(found) > 1:
        repairs.append(
            f"{_named(ring.label)} closes and goes on: read as {len(found)} rings"
        )
    return found


def _piece(ring: PlacedRing, corners: NDArray[np.float64], offset: int) -> PlacedRing:
    """Give a piece of a ring, with the line that it begins on."""
    line = None if ring.line is None else ring.line + offset
    return PlacedRing(ring.label, corners, line)


def _polygon(ring: PlacedRing, repairs: list[str]) -> Polygon | MultiPolygon:
    """Make a polygon of one ring."""
    if len(ring.corners) < _MIN_CORNERS:
        raise UnusableError(
            f"{_named(ring.label)} has {len(ring.corners)} different corners",
            "a ring has three or more; complete it",
            ring.line,
        )
    polygon: Polygon | MultiPolygon = Polygon(ring.corners)
    if not polygon.is_valid:
        polygon = _repaired(ring, polygon, repairs)
    if polygon.is_empty or polygon.area <= 0:
        raise UnusableError(
            f"{_named(ring.label)} has no area",
            "its corners lie on one line; correct them",
            ring.line,
        )
    return polygon


def _repaired(
    ring: PlacedRing, polygon: Polygon | MultiPolygon, repairs: list[str]
) -> Polygon | MultiPolygon:
    """Take away a spike or a sliver; refuse a figure of eight."""
    reason = shapely.is_valid_reason(polygon)
    whole = shapely.make_valid(polygon)
    parts = [
        part
        for part in shapely.get_parts(shapely.get_parts(whole))
        if isinstance(part, Polygon)
    ]
    area = sum(part.area for part in parts)
    wound = abs(_winding(ring.corners))
    if not parts or abs(area - wound) > _TRIFLE * max(area, wound):
        raise UnusableError(
            f"{_named(ring.label)} crosses itself ({reason})",
            "its corners are in the wrong order, or one is wrong; correct the file",
            ring.line,
        )
    large = [part for part in parts if part.area > _TRIFLE * area]
    repairs.append(
        f"{_named(ring.label)} crosses or touches itself ({reason}): the sliver or "
        "spike was taken away"
    )
    joined = shapely.union_all(large)
    return joined if isinstance(joined, Polygon | MultiPolygon) else Polygon()


def _winding(corners: NDArray[np.float64]) -> float:
    """Signed area by the shoelace formula: lobes that turn the other way count less."""
    shifted = corners - corners.mean(axis=0)
    x, y = shifted[:, 0], shifted[:, 1]
    return float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) / 2.0


def _nested(
    polygons: Sequence[Polygon | MultiPolygon],
    labels: Sequence[str],
    repairs: list[str],
) -> Polygon | MultiPolygon:
    """Join parts and cut holes, by how many rings contain each ring."""
    order = sorted(range(len(polygons)), key=lambda one: -polygons[one].area)
    tree = STRtree(list(polygons))
    rank = {one: place for place, one in enumerate(order)}
    depth: dict[int, int] = {}
    for one in order:
        around = _around(one, polygons, labels, tree, rank, depth)
        if around is None:
            repairs.append(f"{_named(labels[one])} is written twice: read once")
            continue
        depth[one] = around
        if around % 2 and labels[one] == labels[order[0]] != "":
            repairs.append(
                f"{_named(labels[one])} is written twice, one inside the other: the "
                "inner one is read as a hole"
            )
        elif around == 0 and one != order[0] and labels[one] != labels[order[0]]:
            repairs.append(
                f"{_named(labels[one])} lies outside {_named(labels[order[0]])}: read "
                "as another part"
            )
    deepest = max(depth.values())
    parcel: BaseGeometry = Polygon()
    for level in range(deepest + 1):
        layer = shapely.union_all([polygons[i] for i, d in depth.items() if d == level])
        parcel = parcel.difference(layer) if level % 2 else parcel.union(layer)
    parts = [part for part in shapely.get_parts(parcel) if isinstance(part, Polygon)]
    parts = [part for part in parts if part.area > 0]
    if not parts:
        raise UnusableError("no area is left", "its holes fill it; correct the file")
    made = parts[0] if len(parts) == 1 else MultiPolygon(parts)
    made = shapely.orient_polygons(made)
    if not made.is_valid or made.is_empty:
        raise UnusableError(
            shapely.is_valid_reason(made), "its rings make no parcel; correct the file"
        )
    return made


def _around(
    one: int,
    polygons: Sequence[Polygon | MultiPolygon],
    labels: Sequence[str],
    tree: STRtree,
    rank: dict[int, int],
    depth: dict[int, int],
) -> int | None:
    """Count the rings around one ring; None if it is written twice."""
    ring = polygons[one]
    around = 0
    for other in tree.query(ring, predicate="intersects").tolist():
        if rank[other] >= rank[one] or other not in depth:
            continue
        share = ring.intersection(polygons[other]).area / ring.area
        if share < _TRIFLE:
            continue
        if share <= 1 - _TRIFLE:
            raise UnusableError(
                f"{_named(labels[one])} crosses {_named(labels[other])}",
                "a ring lies inside another, as a hole, or outside, as a part; "
                "correct the corners",
            )
        if ring.area > (1 - _TRIFLE) * polygons[other].area:
            return None
        around += 1
    return around
