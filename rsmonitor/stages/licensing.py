"""Sites and the register -> what each site is in law, how sure that is, and why.

Each increment of a site's growth is held against the rights in force in the interval
in which it began: from the day of the last clear look that saw nothing, for the act
may have begun that afternoon, to the day of the first that saw it, both days included.
Where rights overlap, the one that serves the holder best decides, and all are named.
What no right covers is the rest. Words are measured: imagery gives clues.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum, auto
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from rsmonitor.records.disturbance import CAUSE_LABELS, Cause, Increment
from rsmonitor.records.licence import (
    KIND_LABELS,
    Licence,
    LicenceKind,
    RegisterSnapshot,
)
from rsmonitor.records.parameters import LicensingParameters
from rsmonitor.records.site import Site
from rsmonitor.records.verdict import (
    CATEGORY_LABELS,
    Category,
    Certainty,
    Part,
    Verdict,
)
from rsmonitor.stages.geodesy import WGS84, area_m2

EXTRACTION: Final = frozenset(
    {Cause.DIGGING, Cause.PONDS, Cause.IN_SITU_LEACH, Cause.QUARRY}
)
"""Causes that take something out of the ground, or prepare to."""

BUILDING: Final = frozenset({Cause.CONSTRUCTION, Cause.ROAD, Cause.SOLAR})
"""Causes that a land approval permits."""

SUSPECT: Final = EXTRACTION | {Cause.UNKNOWN}
"""Causes that can be mining. What looks like felling, fire or a road is not accused of
mining for lying outside every right: a person looks at it."""

RARE_EARTH: Final = re.compile(
    r"稀土|独居石|磷钇矿|氟碳铈矿|rare.?earth|monazite|xenotime|bastn"
    r"|(?<![a-z])(t|l|m|h)?re[eo](?![a-z])",
    re.IGNORECASE,
)
"""How registers write rare earth among the minerals of a right."""

ACCUSING: Final = frozenset(
    category for category, (zh, _) in CATEGORY_LABELS.items() if zh.startswith("疑似")
)
"""Categories that accuse; their labels begin with 疑似."""

UNLICENSED: Final = frozenset({Category.NO_RIGHT, Category.BEYOND_BOUNDARY})
"""Categories of what lies outside every right that was in force."""

_GRID_DEGREES: Final = 1e-9
"""Overlays snap to a tenth of a millimetre, which makes them robust."""

_TOUCH_DEGREES: Final = 1e-8
"""What lies a millimetre apart touches."""

_NOISE_M2: Final = 0.01
"""Smaller pieces are rounding, not land."""

_FAVOUR: Final = {category: place for place, category in enumerate(Category)}
"""How little each category says against the holder; the largest decides."""

_SURENESS: Final = {Certainty.UNCLEAR: 0, Certainty.POSSIBLE: 1, Certainty.CERTAIN: 2}

_Area = Polygon | MultiPolygon


class _Standing(Enum):
    """How the validity of a right stands to the interval in which something began."""

    THROUGHOUT = auto()
    ENDED = auto()
    LATER = auto()
    PARTLY = auto()
    UNDATED = auto()


_MINING: Final[Mapping[_Standing, Category | None]] = {
    _Standing.THROUGHOUT: Category.NOTHING_ABNORMAL,
    _Standing.ENDED: Category.EXPIRED,
    _Standing.LATER: None,
    _Standing.PARTLY: Category.UNCLEAR,
    _Standing.UNDATED: Category.UNCLEAR,
}
_RULES: Final[Mapping[LicenceKind, Mapping[_Standing, Category | None]]] = {
    LicenceKind.MINING: _MINING,
    LicenceKind.RECOVERY: {
        **_MINING,
        _Standing.ENDED: Category.RECOVERY_BEYOND_PERIOD,
    },
    LicenceKind.EXPLORATION: {
        **_MINING,
        _Standing.THROUGHOUT: Category.EXPLORATION_WORKS,
        _Standing.ENDED: None,
    },
    LicenceKind.LAND_USE: {**_MINING, _Standing.ENDED: None},
}
"""What a right makes of that which began inside it; None: nothing. Kinds that are
missing here permit nothing and are only named."""


@dataclass(frozen=True, slots=True)
class _Ruling:
    """Why something is in a category; equal for all that one sentence can cover."""

    category: Category
    right: Licence | None = None
    """The right that decides, or whose boundary was crossed; None without one."""
    standing: _Standing | None = None
    """How that right stood to the interval."""
    mentions: tuple[tuple[Licence, _Standing], ...] = ()
    """Rights that cover it and change nothing, for the reason that is said."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """What one ruling says of one increment."""

    increment: Increment
    geometry: _Area
    area_m2: float
    certainty: Certainty


@dataclass(frozen=True, slots=True)
class _Case:
    """A site and what of the register lies near it."""

    site: Site
    near: tuple[Licence, ...]
    covered: frozenset[Licence]
    """Those that share more than rounding with the site."""
    register_is_empty: bool
    refused: int
    """Licences of the register that could not be read."""
    parameters: LicensingParameters

    @property
    def cause(self) -> Cause:
        return self.site.latest.cause


def judge(
    site: Site, register: RegisterSnapshot, parameters: LicensingParameters
) -> Verdict:
    """
    Judge one site.

    Parameters
    ----------
    site : Site
        Where something was seen; its identity and geometry are not touched.
    register : RegisterSnapshot
        All licences, in and out of force.
    parameters : LicensingParameters
        The error of position, and the least area that decides.

    Returns
    -------
    Verdict
        As `judge_all` gives it.
    """
    return judge_all([site], register, parameters)[site.site_id]


def judge_all(
    sites: Iterable[Site], register: RegisterSnapshot, parameters: LicensingParameters
) -> dict[str, Verdict]:
    """
    Judge sites by what was in force when each part of them began.

    Parameters
    ----------
    sites : iterable of Site
        With different ids.
    register : RegisterSnapshot
        All licences, in and out of force. An empty one accuses nobody with
        certainty.
    parameters : LicensingParameters
        The error of position, and the least area that decides.

    Returns
    -------
    dict of str to Verdict
        By `site_id`, in the order of the sites. The areas of a verdict's parts sum
        to those of the site's increments.

    Notes
    -----
    Certainty is in space and in time. A part is ``certain`` if some of it lies
    farther than the error of position from everything that would have made another
    category of it. It is ``unclear`` where a right began, ended or has no dates in
    the interval. The tolerance never moves a boundary: a dig outside stays outside.
    What accuses is at most ``possible`` while the cause is open, and so is what lies
    outside every right while licences of the register could not be read.
    """
    listed = list(sites)
    licences = register.licences
    outlines = np.array([licence.geometry for licence in licences], dtype=object)
    boxes = np.array(
        [
            _box_around(site.latest.disturbance.geometry, parameters.position_error_m)
            for site in listed
        ],
        dtype=object,
    )
    near: list[list[Licence]] = [[] for _ in listed]
    if licences and listed:
        pairs = shapely.STRtree(outlines).query(boxes, predicate="intersects")
        for place, index in sorted(pairs.T.tolist()):
            near[place].append(licences[index])
    return {
        site.site_id: _judged(
            _Case(
                site=site,
                near=tuple(close),
                covered=frozenset(
                    licence
                    for licence in close
                    if _shares_land(licence, _whole(site.latest.disturbance.geometry))
                ),
                register_is_empty=not licences,
                refused=len(register.refused),
                parameters=parameters,
            ),
            register.snapshot_id,
        )
        for site, close in zip(listed, near, strict=True)
    }


def _judged(case: _Case, snapshot_id: str) -> Verdict:
    """Divide every increment, gather what one sentence covers, and sum up."""
    pieces: dict[_Ruling, list[_Piece]] = {}
    for increment in case.site.latest.disturbance.increments:
        for ruling, piece in _divided(case, increment):
            pieces.setdefault(ruling, []).append(piece)
    parts = sorted(
        (_part(case, ruling, found) for ruling, found in pieces.items()),
        key=lambda part: (_FAVOUR[part.category], -part.area_m2, part.licence_ids),
    )
    counted = [part for part in parts if part.area_m2 >= case.parameters.min_part_m2]
    deciding = counted[0] if counted else max(parts, key=lambda part: part.area_m2)
    same = [part for part in counted if part.category is deciding.category]
    return Verdict(
        site_id=case.site.site_id,
        category=deciding.category,
        certainty=_surest(part.certainty for part in same or [deciding]),
        parts=tuple(parts),
        licence_ids=tuple(sorted({id_ for part in parts for id_ in part.licence_ids})),
        register_snapshot=snapshot_id,
    )


def _divided(case: _Case, increment: Increment) -> list[tuple[_Ruling, _Piece]]:
    """Cut an increment along the rights that decide, the most favourable first."""
    standings = {licence: _standing(licence, increment) for licence in case.near}
    deciding = [
        (licence, category)
        for licence in case.near
        if (category := _category(licence, standings[licence], case.cause)) is not None
    ]
    deciding.sort(key=lambda pair: -_FAVOUR[pair[1]])
    rest = _whole(increment.geometry)
    cut: list[tuple[_Ruling, _Area]] = []
    for licence, category in deciding:
        if shapely.intersects(rest, licence.geometry):
            ruling = _Ruling(category, licence, standings[licence])
            cut.append((ruling, _overlay(shapely.intersection, rest, licence)))
            rest = _overlay(shapely.difference, rest, licence)
    cut.append((_outside(case, standings, rest), rest))
    surroundings = _Surroundings(
        increment.geometry, deciding, case.parameters.position_error_m
    )
    return [
        (
            ruling,
            _Piece(
                increment=increment,
                geometry=geometry,
                area_m2=area,
                certainty=_certainty(case, ruling, geometry, surroundings),
            ),
        )
        for ruling, geometry, area in _measured(cut, increment)
    ]


def _standing(licence: Licence, increment: Increment) -> _Standing:
    """Compare days: a right is in force on its last day, and on each before it."""
    if licence.valid_from is None or licence.valid_to is None:
        return _Standing.UNDATED
    # without a clear look before, the start may be any day
    first = increment.began_after or date.min
    if licence.valid_to < first:
        return _Standing.ENDED
    if licence.valid_from > increment.began_by:
        return _Standing.LATER
    if licence.valid_from <= first and increment.began_by <= licence.valid_to:
        return _Standing.THROUGHOUT
    return _Standing.PARTLY


def _category(licence: Licence, standing: _Standing, cause: Cause) -> Category | None:
    """Say what a right makes of that which began inside it; None if nothing."""
    if licence.kind not in _RULES or (
        licence.kind is LicenceKind.LAND_USE and cause not in BUILDING
    ):
        return None
    in_force = standing is _Standing.THROUGHOUT
    if in_force and licence.kind is LicenceKind.MINING:
        other = licence.minerals and not any(map(RARE_EARTH.search, licence.minerals))
        if other and cause in EXTRACTION:
            return Category.OTHER_MINERAL_RIGHT
    if in_force and licence.kind is LicenceKind.EXPLORATION and cause in EXTRACTION:
        return Category.MINING_UNDER_EXPLORATION
    return _RULES[licence.kind][standing]


def _outside(
    case: _Case, standings: Mapping[Licence, _Standing], rest: _Area
) -> _Ruling:
    """Rule on what no right covers, which may continue from inside a mining right."""
    if case.cause not in SUSPECT:
        return _Ruling(Category.UNCLEAR, mentions=_mentions(case, standings, rest))
    crossed = [
        licence
        for licence in case.near
        if licence in case.covered
        and licence.kind is LicenceKind.MINING
        and standings[licence] is _Standing.THROUGHOUT
    ]
    if crossed:
        return _Ruling(Category.BEYOND_BOUNDARY, crossed[0], _Standing.THROUGHOUT)
    return _Ruling(Category.NO_RIGHT, mentions=_mentions(case, standings, rest))


def _mentions(
    case: _Case, standings: Mapping[Licence, _Standing], rest: _Area
) -> tuple[tuple[Licence, _Standing], ...]:
    """List the rights that cover it and change nothing."""
    return tuple(
        (licence, standings[licence])
        for licence in case.near
        if licence.kind in _RULES
        and _category(licence, standings[licence], case.cause) is None
        and _shares_land(licence, rest)
    )


def _measured(
    cut: Sequence[tuple[_Ruling, _Area]], increment: Increment
) -> list[tuple[_Ruling, _Area, float]]:
    """Measure pieces so that they sum to the increment; noise joins the largest."""
    areas = [area_m2(geometry) for _, geometry in cut]
    largest = max(range(len(cut)), key=areas.__getitem__)
    if areas[largest] == 0:  # thinner than the overlay's grid: nothing to cut
        ruling, _ = cut[-1]
        return [(ruling, increment.geometry, increment.area_m2)]
    kept = [
        place
        for place, area in enumerate(areas)
        if area >= _NOISE_M2 or place == largest
    ]
    noise = [
        geometry
        for place, (_, geometry) in enumerate(cut)
        if place not in kept and not geometry.is_empty
    ]
    total = math.fsum(areas)
    measured = []
    for place in kept:
        ruling, geometry = cut[place]
        area = areas[place]
        if place == largest and noise:
            geometry = _united([geometry, *noise])
            area = total - math.fsum(areas[other] for other in kept if other != largest)
        measured.append((ruling, geometry, increment.area_m2 * (area / total)))
    return measured


class _Surroundings:
    """The rights that decide near an increment, in metres."""

    def __init__(
        self,
        around: _Area,
        deciding: Sequence[tuple[Licence, Category]],
        position_error_m: float,
    ) -> None:
        self._plane = _Plane(around)
        # whole millimetres: GEOS loses a polygon that it buffers by almost nothing
        self._error_m = round(position_error_m, 3)
        # so wide that the clipping is never mistaken for a boundary
        window = shapely.box(*self._plane.of(around).bounds).buffer(
            3 * position_error_m + 1, join_style="mitre"
        )
        self._rights = [
            (shapely.intersection(self._plane.of(licence.geometry), window), category)
            for licence, category in deciding
        ]

    def leave_beyond_error(self, geometry: _Area, category: Category) -> bool:
        """Say whether some of a piece is in its category wherever it is shifted."""
        rest = self._plane.of(geometry)
        others = [right for right, _ in self._rights]
        if category not in UNLICENSED:
            same = [right for right, other in self._rights if other is category]
            rest = shapely.intersection(
                rest, shapely.union_all(same).buffer(-self._error_m)
            )
            others = [
                right
                for right, other in self._rights
                if _FAVOUR[other] > _FAVOUR[category]
            ]
        if others:
            reach = shapely.union_all(others).buffer(self._error_m)
            rest = shapely.difference(rest, reach)
        return bool(rest.area > _NOISE_M2)


class _Plane:
    """Metres around a place: right to a thousandth over a few kilometres."""

    def __init__(self, around: _Area) -> None:
        west, south, east, north = around.bounds
        self._origin = np.array([(west + east) / 2, (south + north) / 2])
        sin_lat = math.sin(math.radians(self._origin[1]))
        curved = 1 - WGS84.es * sin_lat**2
        across = WGS84.a / math.sqrt(curved)
        along = WGS84.a * (1 - WGS84.es) / curved**1.5
        cos_lat = max(math.cos(math.radians(self._origin[1])), 1e-6)
        self._scale = np.radians(np.array([across * cos_lat, along]))

    def of(self, geometry: BaseGeometry) -> BaseGeometry:
        """Give a geometry in metres."""

        def metres(points: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.asarray((points - self._origin) * self._scale)

        return shapely.transform(geometry, metres)

    def degrees(self, length_m: float) -> tuple[float, float]:
        """Give a length in degrees of longitude and of latitude."""
        return float(length_m / self._scale[0]), float(length_m / self._scale[1])


def _certainty(
    case: _Case, ruling: _Ruling, geometry: _Area, surroundings: _Surroundings
) -> Certainty:
    """Say how sure a ruling is, in time and in space."""
    if ruling.category is Category.UNCLEAR:
        return Certainty.UNCLEAR
    if not case.register_is_empty and surroundings.leave_beyond_error(
        geometry, ruling.category
    ):
        return Certainty.CERTAIN
    return Certainty.POSSIBLE


def _surest(certainties: Iterable[Certainty]) -> Certainty:
    """Give the surest: one certain hectare is not made doubtful by a sliver."""
    return max(certainties, key=_SURENESS.__getitem__)


def _part(case: _Case, ruling: _Ruling, pieces: Sequence[_Piece]) -> Part:
    """Join the pieces that one sentence covers."""
    geometry = _united([piece.geometry for piece in pieces])
    certainty = _surest(piece.certainty for piece in pieces)
    named = {licence.licence_id for licence in case.near if _touch(licence, geometry)}
    if ruling.right is not None:
        named.add(ruling.right.licence_id)
    clause_zh, clause = _clause(case, ruling, pieces, geometry, certainty)
    if _cause_is_open(case, ruling.category) or _register_is_open(
        case, ruling.category
    ):
        certainty = min(certainty, Certainty.POSSIBLE, key=_SURENESS.__getitem__)
    return Part(
        category=ruling.category,
        certainty=certainty,
        area_m2=math.fsum(piece.area_m2 for piece in pieces),
        licence_ids=tuple(sorted(named)),
        clause=clause,
        clause_zh=clause_zh,
        geometry=geometry,
    )


def _register_is_open(case: _Case, category: Category) -> bool:
    """Say whether a right that could not be read might cover a part."""
    return case.refused > 0 and category in UNLICENSED


def _cause_is_open(case: _Case, category: Category) -> bool:
    """Say whether a part is accused of mining that may be something else."""
    return category in ACCUSING and case.cause not in EXTRACTION


def _clause(
    case: _Case,
    ruling: _Ruling,
    pieces: Sequence[_Piece],
    geometry: _Area,
    certainty: Certainty,
) -> tuple[str, str]:
    """Say in Chinese and in English which rule decided, on what dates and places."""
    label_zh, label = CATEGORY_LABELS[ruling.category]
    began_zh, began = _began([piece.increment for piece in pieces])
    cause_zh, cause = CAUSE_LABELS[case.cause]
    where_zh, where = _where(case, ruling, geometry)
    doubt_zh = doubt = ""
    if certainty is Certainty.POSSIBLE and not case.register_is_empty:
        error = f"{case.parameters.position_error_m:g}"
        doubt_zh = f"全部距权属边界不足{error}米，在定位误差之内。"
        doubt = (
            f" All of it lies within {error} m of a boundary, which is within the "
            "error of position."
        )
    if _cause_is_open(case, ruling.category):
        doubt_zh += "成因未定，不能确定为开采。"
        doubt += " The cause is open, so that it is mining is not certain."
    if _register_is_open(case, ruling.category):
        doubt_zh += f"登记资料中有{case.refused}项许可无法读取，登记册不完整。"
        doubt += (
            f" The register is not whole: {case.refused} of its licences could not be "
            "read."
        )
    mentions = [_mention(licence, standing) for licence, standing in ruling.mentions]
    return (
        f"{began_zh}（最可能：{cause_zh}），{where_zh}：{label_zh}。"
        + doubt_zh
        + "".join(zh for zh, _ in mentions),
        f"{began} (most probably {cause}), {where}: {label}."
        + doubt
        + "".join(f" {en}" for _, en in mentions),
    )


def _began(increments: Sequence[Increment]) -> tuple[str, str]:
    """Say when it began: between two looks, never on a day."""
    by = max(increment.began_by for increment in increments)
    looks = [increment.began_after for increment in increments]
    known = [look for look in looks if look is not None]
    if len(known) < len(looks):
        return (
            f"变化首见于{by}或之前，此前部分地块无晴空观测",
            f"First seen by {by}, with no clear look before at least part of it",
        )
    after = min(known)
    return f"变化始于{after}至{by}之间", f"Began between {after} and {by}"


def _where(case: _Case, ruling: _Ruling, geometry: _Area) -> tuple[str, str]:
    """Say where it lies: inside a right, across its boundary, or outside all."""
    if ruling.right is None or ruling.standing is None:
        if case.register_is_empty:
            return "未提供任何许可登记资料", "and no register of licences was given"
        return (
            "不在登记册中当时有效的权属范围内",
            "inside no right of the register that was then in force",
        )
    right_zh, right = _named(ruling.right)
    period_zh, period = _PERIODS[ruling.standing]
    first, last = ruling.right.valid_from, ruling.right.valid_to
    period_zh = period_zh.format(first=first or "未载明", last=last or "未载明")
    period = period.format(first=first or "not given", last=last or "not given")
    if ruling.category is Category.BEYOND_BOUNDARY:
        metres = _farthest_m(geometry, ruling.right.geometry)
        return (
            f"自{right_zh}（{period_zh}）范围内向外延续，最远超出{metres:.0f}米",
            f"continuing from inside {right} ({period}) to {metres:.0f} m beyond it",
        )
    if ruling.category is Category.OTHER_MINERAL_RIGHT:
        minerals = "、".join(ruling.right.minerals)
        period_zh += f"，矿种为{minerals}，不含稀土"
        period += f", for {minerals} and not for rare earth"
    return f"位于{right_zh}（{period_zh}）范围内", f"inside {right} ({period})"


_PERIODS: Final[Mapping[_Standing, tuple[str, str]]] = {
    _Standing.THROUGHOUT: (
        "有效期{first}至{last}",
        "in force from {first} to {last}",
    ),
    _Standing.ENDED: (
        "有效期{first}至{last}，早于变化；延续情况待核",
        "valid from {first} to {last}, before that; renewal to be checked",
    ),
    _Standing.LATER: (
        "有效期{first}至{last}，晚于变化",
        "valid from {first} to {last}, after that",
    ),
    _Standing.PARTLY: (
        "有效期{first}至{last}，起止日期落在变化时段内，无法判定先后",
        "valid from {first} to {last}, so it began or ended within that time",
    ),
    _Standing.UNDATED: (
        "有效期{first}至{last}，日期不全，无法判定",
        "valid from {first} to {last}: without both dates nothing can be said",
    ),
}


def _mention(licence: Licence, standing: _Standing) -> tuple[str, str]:
    """Say why a right that covers it changes nothing."""
    right_zh, right = _named(licence)
    if standing is _Standing.LATER:
        return (
            f"{right_zh}自{licence.valid_from}起生效，不追溯此前的开挖。",
            f"The {right}, valid from {licence.valid_from}, cures nothing earlier.",
        )
    if standing is _Standing.ENDED:
        return (
            f"{right_zh}已于{licence.valid_to}到期。",
            f"The {right} had ended on {licence.valid_to}.",
        )
    return f"{right_zh}不准许此类活动。", f"The {right} does not permit this."


def _named(licence: Licence) -> tuple[str, str]:
    """Name a licence with its kind."""
    kind_zh, kind = KIND_LABELS[licence.kind]
    return f"{kind_zh}{licence.licence_id}", f"{kind} {licence.licence_id}"


def _farthest_m(geometry: _Area, right: _Area) -> float:
    """Measure how far the corners of a piece reach beyond a right."""
    plane = _Plane(geometry)
    corners = shapely.points(shapely.get_coordinates(plane.of(geometry)))
    return float(shapely.distance(corners, plane.of(right)).max())


def _box_around(geometry: _Area, margin_m: float) -> Polygon:
    """Give the box in which rights can matter to a site."""
    across, along = _Plane(geometry).degrees(margin_m + 1)
    west, south, east, north = geometry.bounds
    return shapely.box(west - across, south - along, east + across, north + along)


def _touch(licence: Licence, geometry: _Area) -> bool:
    """Say whether a licence lies on, or against, a geometry."""
    return bool(shapely.dwithin(licence.geometry, geometry, _TOUCH_DEGREES))


def _shares_land(licence: Licence, geometry: _Area) -> bool:
    """Say whether a licence covers more of a geometry than rounding would."""
    if not shapely.intersects(licence.geometry, geometry):
        return False
    return area_m2(_overlay(shapely.intersection, geometry, licence)) >= _NOISE_M2


def _overlay(
    operation: Callable[..., BaseGeometry], geometry: _Area, licence: Licence
) -> _Area:
    """Overlay on the grid; give polygons only."""
    result = operation(geometry, licence.geometry, grid_size=_GRID_DEGREES)
    return _polygons(result)


def _united(geometries: Sequence[_Area]) -> _Area:
    """Join geometries; one alone stays as it is."""
    if len(geometries) == 1:
        return geometries[0]
    return _polygons(shapely.union_all(geometries, grid_size=_GRID_DEGREES))


def _whole(geometry: _Area) -> _Area:
    """Mend an outline that crosses itself, which cannot be overlaid."""
    if geometry.is_valid:
        return geometry
    return _polygons(shapely.make_valid(geometry, method="structure"))


def _polygons(geometry: BaseGeometry) -> _Area:
    """Keep what has area, exterior rings counter-clockwise."""
    parts = [
        part
        for part in shapely.get_parts(geometry)
        if isinstance(part, Polygon) and not part.is_empty
    ]
    kept = parts[0] if len(parts) == 1 else MultiPolygon(parts)
    return shapely.orient_polygons(kept)
