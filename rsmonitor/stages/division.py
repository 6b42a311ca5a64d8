"""An increment, cut along the rights that decide, and ruled on piece by piece."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import combinations
from typing import Final

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon

from rsmonitor.records.disturbance import Cause, Increment
from rsmonitor.records.verdict import Category
from rsmonitor.stages.court import (
    FAVOUR,
    GRANTING,
    Case,
    Court,
    Opinions,
    Piece,
    Ruling,
)
from rsmonitor.stages.error_budget import (
    CLEARLY_M,
    NOISE_M2,
    POOR_DATUM_M,
    Plane,
    Surroundings,
    farthest_m,
)
from rsmonitor.stages.nearness import (
    Area,
    Right,
    land_m2,
    overlay,
    polygons,
    shares_land,
    touching,
    united,
)
from rsmonitor.stages.rules import (
    ACROSS_ORDER,
    BESIDE_CONSTRUCTION,
    JUDGED,
    Act,
    Finding,
    across,
    inside,
    minerals_of,
    outside,
)
from rsmonitor.stages.standing import Standing, standing_of
from rsmonitor.stages.touches import Touch

_CORNER_DEGREES: Final = 1e-6
"""Pieces of one disturbance a decimetre apart are joined at a corner of pixels."""


_DAY: Final = timedelta(days=1)


CROSSING: Final = frozenset({"beyond", "works_beyond", "ancillary", "datum"})
"""Reasons of what lies outside the right that they name."""


@dataclass(frozen=True, slots=True)
class _Deciding:
    """A right near an increment that makes something of it."""

    right: Right
    finding: Finding
    standing: Standing
    touch: Touch | None
    """How the increment lies to it; None for rights that were joined."""


def divided(case: Case, place: int) -> list[tuple[Ruling, Piece]]:
    """
    Cut an increment along the rights that decide, the most favourable first.

    Parameters
    ----------
    case : Case
        The site and what lies near it.
    place : int
        Which increment.

    Returns
    -------
    list of tuple of Ruling and Piece
        Their areas sum to the increment's.
    """
    increment = case.site.latest.disturbance.increments[place]
    geometry = case.increments[place]
    act = case.act(increment)
    start = case.court.history_start
    seen_first = increment.began_after is None and not case.on_the_day(increment)
    if start is not None and seen_first and act.by <= start:
        ruling = Ruling(Finding(Category.LEGACY, "legacy"))
        return [(ruling, _all_of(place, act, geometry, increment))]
    if not case.near:
        ruling = Ruling(outside(act, near=case.attached))
        return [(ruling, _all_of(place, act, geometry, increment))]
    touches = case.touches[place]
    asked = _opinions(case.court, touches, act)
    deciding = _deciding(case.court, touches, asked, act)
    rest: Area | None = geometry
    cut: list[tuple[Ruling, Area]] = []
    for each in deciding:
        if rest is None or (each.touch is not None and not each.touch.touches):
            continue
        ruling = Ruling(each.finding, each.right, each.standing)
        touch = each.touch
        if rest is geometry and touch is not None and touch.covers:
            cut.append((ruling, geometry))
            rest = None
        elif rest is geometry and touch is not None:
            # where they only touch, all is left
            if touch.common is not None and not touch.common.is_empty:
                cut.append((ruling, touch.common))
                rest = _left(touch.rest)
        elif shapely.intersects(rest, each.right.geometry):
            cut.append((ruling, overlay(shapely.intersection, rest, each.right)))
            rest = _left(overlay(shapely.difference, rest, each.right))
    if rest is not None:
        cut += _outside(case, place, act, asked, rest)
    around = _Around(place, act, geometry, deciding, asked)
    return [
        (ruling, around.piece(ruling, piece, area, whole=whole))
        for ruling, piece, area, whole in _measured(cut, geometry, increment)
    ]


def _all_of(place: int, act: Act, geometry: Area, increment: Increment) -> Piece:
    """Give an increment that lies near nothing as one piece."""
    return Piece(
        place=place,
        act=act,
        geometry=geometry,
        area_m2=increment.area_m2,
        sure=True,
        margin_m=math.inf,
        budget_m=0.0,
        whole=True,
        asked={},
    )


def _left(rest: Area | None) -> Area | None:
    """Give what is left, if anything is."""
    return None if rest is None or rest.is_empty else rest


class _Around:
    """What surrounds an increment, asked only as far as it takes to be sure."""

    def __init__(
        self,
        place: int,
        act: Act,
        geometry: Area,
        deciding: Sequence[_Deciding],
        asked: Opinions,
    ) -> None:
        self._place = place
        self._act = act
        self._geometry = geometry
        self._deciding = deciding
        self._asked = asked
        self._surroundings: Surroundings | None = None

    def piece(
        self, ruling: Ruling, geometry: Area, area: float, *, whole: bool
    ) -> Piece:
        """Say of a piece how sure its place is."""
        sure, margin, budget = False, math.inf, 0.0
        if ruling.category is not Category.UNCLEAR:
            beyond = ruling.right is None or ruling.finding.reason in CROSSING
            favour = None if beyond else FAVOUR[ruling.category]
            if whole or len(self._deciding) == 1:
                sure, margin, budget = self._middle(favour)
            if not sure:
                sure, margin, budget = self._reach(geometry, favour)
        return Piece(
            place=self._place,
            act=self._act,
            geometry=geometry,
            area_m2=area,
            sure=sure,
            margin_m=margin,
            budget_m=budget,
            whole=whole,
            asked=self._asked,
        )

    def _middle(self, favour: int | None) -> tuple[bool, float, float]:
        """Ask the place in the middle, which was measured for all at once."""
        slack, margin, budget = math.inf, math.inf, 0.0
        deepest = (-math.inf, 0.0, 0.0)
        for each in self._deciding:
            other = FAVOUR[each.finding.category]
            if each.touch is None:
                return False, 0.0, 0.0
            error = each.right.error_m
            if favour is not None and other == favour:
                metres = each.touch.inside_m
                deepest = max(deepest, (metres - error, metres, error))
            elif favour is None or other > favour:
                metres = each.touch.outside_m
                if metres - error < slack:
                    slack, margin, budget = metres - error, metres, error
        if favour is not None and deepest[0] < slack:
            slack, margin, budget = deepest
        return slack > CLEARLY_M, margin, budget

    def _reach(self, geometry: Area, favour: int | None) -> tuple[bool, float, float]:
        """Ask every corner, and in the end the buffers."""
        if self._surroundings is None:
            self._surroundings = Surroundings(
                self._geometry,
                [
                    (
                        each.right.geometry,
                        each.right.error_m,
                        FAVOUR[each.finding.category],
                    )
                    for each in self._deciding
                ],
            )
        return self._surroundings.reach(geometry, favour)


def _opinions(court: Court, touches: Sequence[Touch], act: Act) -> Opinions:
    """Ask every right near an act that a rule speaks of."""
    lists = court.register.producing
    asked: dict[Right, tuple[Standing, Finding | None]] = {}
    for touch in touches:
        licence = touch.right.licence
        if licence.kind in JUDGED:
            standing = standing_of(licence, act.first, act.by)
            asked[touch.right] = standing, inside(licence, standing, act, lists)
    return asked


def _deciding(
    court: Court, touches: Sequence[Touch], asked: Opinions, act: Act
) -> list[_Deciding]:
    """List the rights that make something of an act, the most favourable first."""
    found: list[_Deciding] = []
    partly: list[Right] = []
    for touch in touches:
        if touch.right not in asked:
            continue
        standing, finding = asked[touch.right]
        if finding is not None:
            found.append(_Deciding(touch.right, finding, standing, touch))
        if touch.touches and standing is Standing.PARTLY:
            partly.append(touch.right)
    for right in _joined(court, partly, act):
        finding = inside(
            right.licence, Standing.THROUGHOUT, act, court.register.producing
        )
        if finding is not None:
            found.append(_Deciding(right, finding, Standing.THROUGHOUT, None))
    if len(found) > 1:
        found.sort(key=lambda each: -FAVOUR[each.finding.category])
    return found


def _joined(court: Court, partly: Sequence[Right], act: Act) -> list[Right]:
    """Join rights that follow each other: where both lie, one was always in force."""
    joined = []
    for one, other in combinations(partly, 2):
        first, second = sorted(
            (one.licence, other.licence),
            key=lambda licence: (licence.valid_from or date.min, licence.version),
        )
        if (
            first.kind is not second.kind
            or first.kind not in GRANTING
            or minerals_of(first) is not minerals_of(second)
            or first.status_history
            or second.status_history
            or first.valid_to is None
            or second.valid_from is None
            or second.valid_from > min(first.valid_to, date.max - _DAY) + _DAY
        ):
            continue
        common = polygons(shapely.intersection(first.geometry, second.geometry))
        if common.is_empty:
            continue
        licence = replace(
            second,
            geometry=common,
            valid_from=first.valid_from,
            position_error_m=max(first.position_error_m, second.position_error_m),
        )
        if standing_of(licence, act.first, act.by) is Standing.THROUGHOUT:
            joined.append(Right(licence, court.parameters.position_error_m))
    return joined


def _outside(
    case: Case,
    place: int,
    act: Act,
    asked: Opinions,
    rest: Area,
) -> list[tuple[Ruling, Area]]:
    """Rule on what no right covers, which may continue from inside a right."""
    crossing = _crossing(act, asked)
    found: list[tuple[Ruling, Area]] = []
    for connected, piece in _connected(case, rest, needed=bool(crossing)):
        ruling = None
        for right, finding in crossing:
            if not _continues(case, right, connected, finding):
                continue
            within = (
                right.licence.position_error_m > POOR_DATUM_M
                and finding.category is not Category.ANCILLARY_LAND
                and not piece.is_empty
                and farthest_m(piece, right.geometry) <= right.error_m
            )
            ruling = Ruling(
                Finding(Category.UNCLEAR, "datum") if within else finding,
                right,
                Standing.THROUGHOUT,
            )
            break
        if ruling is None:
            near = case.cause is Cause.CONSTRUCTION and (
                case.attached or _beside(case, place, act)
            )
            ruling = Ruling(
                outside(act, near=near),
                mentions=_mentions(case, place, asked, piece),
            )
        found.append((ruling, piece))
    return found


def _crossing(act: Act, asked: Opinions) -> list[tuple[Right, Finding]]:
    """List the rights that it might continue from, the first that counts first."""
    found = [
        (right, finding)
        for right, (standing, _) in asked.items()
        if (finding := across(right.licence, standing, act)) is not None
    ]
    found.sort(
        key=lambda pair: (
            ACROSS_ORDER.index(pair[0].licence.kind),
            pair[0].licence.licence_id,
        )
    )
    return found


def _connected(
    case: Case, rest: Area, *, needed: bool
) -> list[tuple[Area | None, Area]]:
    """Sort what is left by the connected piece of the site that it belongs to."""
    whole = case.site.latest.disturbance.geometry
    if not needed or isinstance(whole, Polygon) or rest.is_empty:
        return [(None, rest)]
    shapes = list(whole.geoms)
    groups: list[list[Polygon]] = []
    for shape in shapes:
        with_it = [
            group
            for group in groups
            if any(shapely.dwithin(shape, other, _CORNER_DEGREES) for other in group)
        ]
        groups = [group for group in groups if group not in with_it]
        groups.append([shape, *(other for group in with_it for other in group)])
    if len(groups) == 1:
        return [(None, rest)]
    left: list[list[Polygon]] = [[] for _ in groups]
    for piece in shapely.get_parts(rest):
        inner = shapely.point_on_surface(piece)
        distances = [
            min(shapely.distance(inner, shape) for shape in group) for group in groups
        ]
        left[int(np.argmin(distances))].append(piece)
    return [
        (MultiPolygon(group), polygons(shapely.GeometryCollection(pieces)))
        for group, pieces in zip(groups, left, strict=True)
        if pieces
    ]


def _continues(
    case: Case, right: Right, connected: Area | None, finding: Finding
) -> bool:
    """Say whether a connected piece of the site lies in a right as well."""
    if connected is not None:
        if finding.category is Category.ANCILLARY_LAND:
            return touching(right, connected)
        return shares_land(right, connected)
    touches = (
        touch
        for increment in case.touches
        for touch in increment
        if touch.right is right
    )
    if finding.category is Category.ANCILLARY_LAND:
        return any(touch.touches for touch in touches)
    return any(touch.shares for touch in touches)


def _beside(case: Case, place: int, act: Act) -> bool:
    """Say whether construction lies near what makes it suspect."""
    geometry = case.increments[place]
    plane = Plane(geometry.bounds)
    flat = plane.of(geometry)
    return any(
        shapely.dwithin(
            flat, plane.of(right.geometry), case.court.parameters.construction_near_m
        )
        for right in case.near
        if right.licence.kind in BESIDE_CONSTRUCTION
        and (right.licence.valid_from or date.min) <= act.by
    )


def _mentions(
    case: Case,
    place: int,
    asked: Opinions,
    rest: Area,
) -> tuple[tuple[Right, Standing], ...]:
    """List the rights that cover it and change nothing."""
    # what they share with all of the increment was cut already
    whole = rest is case.increments[place]
    return tuple(
        [
            (touch.right, asked[touch.right][0])
            for touch in case.touches[place]
            if touch.touches
            and touch.right in asked
            and asked[touch.right][1] is None
            and touch.shares
            and (touch.covers or whole or shares_land(touch.right, rest))
        ]
    )


def _measured(
    cut: Sequence[tuple[Ruling, Area]], whole: Area, increment: Increment
) -> list[tuple[Ruling, Area, float, bool]]:
    """Measure pieces so that they sum to the increment; noise joins the largest."""
    cut = [pair for pair in cut if not pair[1].is_empty] or list(cut[-1:])
    if len(cut) == 1:
        return [(cut[0][0], whole, increment.area_m2, True)]
    areas = [land_m2(geometry) for _, geometry in cut]
    largest = max(range(len(cut)), key=areas.__getitem__)
    if areas[largest] == 0:  # thinner than the overlay's grid: nothing to cut
        ruling, _ = cut[-1]
        return [(ruling, increment.geometry, increment.area_m2, True)]
    kept = [
        place
        for place, area in enumerate(areas)
        if area >= NOISE_M2 or place == largest
    ]
    if len(kept) == 1:
        return [(cut[largest][0], whole, increment.area_m2, True)]
    noise = [cut[place][1] for place in range(len(cut)) if place not in kept]
    total = math.fsum(areas)
    measured = []
    for place in kept:
        ruling, geometry = cut[place]
        area = areas[place]
        if place == largest and noise:
            geometry = united([geometry, *noise])
            area = total - math.fsum(areas[other] for other in kept if other != largest)
        measured.append((ruling, geometry, increment.area_m2 * (area / total), False))
    return measured
