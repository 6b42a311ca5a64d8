"""The rules, one by one: what a right makes of an act, and what none leaves of it.

A rule reads facts and gives a category. Where it is, when it was and how sure that is
are other rooms; words are `rsmonitor.stages.wording`. Categories that accuse are given
only where the facts say so; what they leave open is for a person.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum, auto
from typing import Final, NamedTuple

from rsmonitor.records.disturbance import Cause
from rsmonitor.records.licence import Licence, LicenceKind, ProducingList
from rsmonitor.records.verdict import CATEGORY_LABELS, Category
from rsmonitor.stages.standing import Standing

EXTRACTION: Final = frozenset(
    {Cause.DIGGING, Cause.PONDS, Cause.IN_SITU_LEACH, Cause.QUARRY}
)
"""Causes that take something out of the ground, or prepare to."""

LEACHING: Final = frozenset({Cause.PONDS, Cause.IN_SITU_LEACH})
"""Causes that speak of ionic rare earth."""

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

OF_MINING: Final = ACCUSING - {
    Category.UNAUTHORISED_CONSTRUCTION,
    Category.CLOSED_NOT_CLEARED,
    Category.RESTORATION_OVERDUE,
}
"""Categories that say that something is dug or leached."""

BESIDE_CONSTRUCTION: Final = frozenset(
    {LicenceKind.MINING, LicenceKind.RECOVERY, LicenceKind.CLOSED, LicenceKind.PLANT}
)
"""Kinds near which construction is suspected."""

UNLICENSED: Final = frozenset({Category.NO_RIGHT, Category.BEYOND_BOUNDARY})
"""Categories of what lies outside every right that was in force."""

RULES: Final[Mapping[str, tuple[str, str]]] = {
    "act": ("变化何时开始、成因为何", "when it began, and from what cause"),
    "legacy": ("历史起点之前已存在", "already there when the history starts"),
    "inside": ("位于权属范围内", "what a right makes of it that it lies in"),
    "favour": ("多项权属重叠，取最有利者", "of several rights the best decides"),
    "across": ("自权属范围内向外延续", "does it continue across a boundary"),
    "outside": ("不在任何有效权属内", "what is left that no right covers"),
    "construction": ("建设是否邻近矿山或企业", "is construction near mine or plant"),
    "register": ("登记资料是否完整", "is the register whole"),
    "space": ("误差预算", "the error budget in space"),
    "time": ("权属与时段", "the right and the interval"),
    "restriction": ("限制区", "restriction layers"),
    "limits": ("影像不能判定的事项", "what imagery cannot see"),
    "basis": ("依据", "the law in force at the act"),
}
"""Codes of the steps of a trace: what each asks, in Chinese and English."""


class Finding(NamedTuple):
    """What one rule says."""

    category: Category
    """The category."""

    reason: str
    """Code of the reason, one of `rsmonitor.stages.wording.REASONS`."""


class Minerals(Enum):
    """What a right says of rare earth."""

    RARE_EARTH = auto()
    ASSOCIATED = auto()
    OTHER = auto()
    UNSAID = auto()


@dataclass(frozen=True, slots=True)
class Act:
    """What happened, as the rules see it."""

    cause: Cause
    """Most probable cause."""

    first: date
    """First day on which it may have begun."""

    by: date
    """Last day on which it may have begun."""

    large: bool
    """True if it is of size, or grew: more than a trench or a pad."""

    disturbed_on: date | None
    """Last day on which it still looked disturbed; None where it recovers."""

    land_known: bool
    """True where the register is declared to hold all land approvals."""


def minerals_of(licence: Licence) -> Minerals:
    """
    Say whether a right covers rare earth: only if its minerals say so.

    Parameters
    ----------
    licence : Licence
        The right.

    Returns
    -------
    Minerals
        What it says; co-occurring (共生) and associated (伴生) ones are for a person.
    """
    if any(map(RARE_EARTH.search, licence.minerals)):
        return Minerals.RARE_EARTH
    if any(map(RARE_EARTH.search, licence.associated_minerals)):
        return Minerals.ASSOCIATED
    return Minerals.OTHER if licence.minerals else Minerals.UNSAID


def inside(
    licence: Licence, standing: Standing, act: Act, lists: Iterable[ProducingList]
) -> Finding | None:
    """
    Say what a right makes of an act that lies in it.

    Parameters
    ----------
    licence : Licence
        The right.
    standing : Standing
        How its validity stands to the act.
    act : Act
        The act.
    lists : iterable of ProducingList
        Published lists of producing mines.

    Returns
    -------
    Finding or None
        None where it changes nothing: it permits no such thing, or had ended, or began
        later.
    """
    rule = _INSIDE.get(licence.kind)
    if rule is None:
        return None
    found = rule(licence, standing, act)
    if found == _IN_FORCE and act.cause in EXTRACTION:
        return _off_list(licence, act, lists) or found
    return found


def across(licence: Licence, standing: Standing, act: Act) -> Finding | None:
    """
    Say what it is that continues from inside a right across its boundary.

    Parameters
    ----------
    licence : Licence
        A right that the same disturbance shares land with.
    standing : Standing
        How its validity stands to the act.
    act : Act
        The act, the part of it outside.

    Returns
    -------
    Finding or None
        None where the right says nothing of what lies outside it.
    """
    if standing is not Standing.THROUGHOUT:
        return None
    kind = licence.kind
    if act.cause in {Cause.CONSTRUCTION, Cause.ROAD} and kind in {
        LicenceKind.MINING,
        LicenceKind.RECOVERY,
    }:
        return Finding(Category.ANCILLARY_LAND, "ancillary")
    if act.cause not in SUSPECT:
        return None
    if (
        kind is LicenceKind.EXPLORATION
        and act.cause in EXTRACTION
        and act.large is False
    ):
        return Finding(Category.EXPLORATION_WITHOUT_RIGHT, "works_beyond")
    return _ACROSS.get(kind)


def outside(act: Act, *, near: bool) -> Finding:
    """
    Say what an act is that no right covers and that continues from none.

    Parameters
    ----------
    act : Act
        The act.
    near : bool
        True near a mining right, a recovery project, a closed site or a plant, or
        attached to digging or ponds.

    Returns
    -------
    Finding
        Construction that is near nothing is only counted.
    """
    if act.cause in SUSPECT:
        return Finding(Category.NO_RIGHT, "outside")
    if act.cause is Cause.CONSTRUCTION and near:
        return Finding(Category.UNAUTHORISED_CONSTRUCTION, "construction_near")
    if act.cause in BUILDING:
        return Finding(Category.UNCLEAR, "counted")
    return Finding(Category.UNCLEAR, "outside")


_IN_FORCE: Final = Finding(Category.NOTHING_ABNORMAL, "inside")

_ACROSS: Final[Mapping[LicenceKind, Finding]] = {
    LicenceKind.MINING: Finding(Category.BEYOND_BOUNDARY, "beyond"),
    LicenceKind.RECOVERY: Finding(Category.RECOVERY_BEYOND_AREA, "beyond"),
    LicenceKind.RESTORATION: Finding(Category.MINING_UNDER_RESTORATION, "beyond"),
}
"""Of what can be mining; in this order where it continues from several."""

ACROSS_ORDER: Final = (
    LicenceKind.MINING,
    LicenceKind.RECOVERY,
    LicenceKind.RESTORATION,
    LicenceKind.EXPLORATION,
)
"""Which right counts where something continues from several."""

_OPEN: Final[Mapping[Standing, Finding]] = {
    standing: Finding(Category.UNCLEAR, "time")
    for standing in (Standing.RENEWING, Standing.PARTLY, Standing.UNDATED)
}
"""Standings that decide nothing, whatever the right is."""


def _mining(licence: Licence, standing: Standing, act: Act) -> Finding | None:
    """Judge inside a mining right."""
    said = minerals_of(licence)
    if standing is Standing.THROUGHOUT:
        if act.cause in EXTRACTION and said is not Minerals.RARE_EARTH:
            return _other_mineral(said, act)
        if act.cause is Cause.CONSTRUCTION and act.land_known:
            return Finding(Category.UNAUTHORISED_CONSTRUCTION, "construction_inside")
        return _IN_FORCE
    if standing is Standing.ENDED:
        # a tungsten right that ended never covered a leaching pond
        foreign = said is Minerals.OTHER and act.cause in LEACHING
        if act.cause not in SUSPECT or foreign:
            return None
        return Finding(Category.EXPIRED, "time")
    return _suspended(standing, act) or _OPEN.get(standing)


def _other_mineral(said: Minerals, act: Act) -> Finding:
    """Judge digging inside a right whose minerals do not say rare earth."""
    if said is Minerals.UNSAID:
        return Finding(Category.UNCLEAR, "minerals_unsaid")
    if said is Minerals.ASSOCIATED:
        return Finding(Category.UNCLEAR, "minerals_associated")
    if act.cause in LEACHING:
        return Finding(Category.OTHER_MINERAL, "minerals_other")
    return Finding(Category.OTHER_MINERAL_RIGHT, "minerals_other")


def _suspended(standing: Standing, act: Act) -> Finding | None:
    """Judge inside a right that is suspended: it exists, and must not produce."""
    if standing is not Standing.SUSPENDED:
        return None
    return Finding(Category.UNCLEAR, "time") if act.cause in SUSPECT else _IN_FORCE


def _recovery(licence: Licence, standing: Standing, act: Act) -> Finding | None:
    """Judge inside a recovery project."""
    del licence
    if standing is Standing.THROUGHOUT:
        return _IN_FORCE
    if standing is Standing.ENDED:
        if act.cause not in SUSPECT:
            return None
        return Finding(Category.RECOVERY_BEYOND_PERIOD, "time")
    return _suspended(standing, act) or _OPEN.get(standing)


def _exploration(licence: Licence, standing: Standing, act: Act) -> Finding | None:
    """Judge inside an exploration right."""
    del licence
    if standing is Standing.THROUGHOUT:
        if act.cause in EXTRACTION and act.large:
            return Finding(Category.MINING_UNDER_EXPLORATION, "inside")
        return Finding(Category.EXPLORATION_WORKS, "inside")
    if standing is Standing.ENDED:
        if act.cause in EXTRACTION and not act.large:
            return Finding(Category.EXPLORATION_WITHOUT_RIGHT, "time")
        return None
    return _suspended(standing, act) or _OPEN.get(standing)


def _land_use(licence: Licence, standing: Standing, act: Act) -> Finding | None:
    """Judge inside a land approval, which permits building and nothing else."""
    del licence
    if act.cause not in BUILDING:
        return None
    if standing is Standing.THROUGHOUT:
        return _IN_FORCE
    return _suspended(standing, act) or _OPEN.get(standing)


def _restoration(licence: Licence, standing: Standing, act: Act) -> Finding | None:
    """Judge inside a restoration project: earthworks, but no ponds, and in time."""
    during = standing is Standing.THROUGHOUT
    if during and act.cause in LEACHING:
        return Finding(Category.MINING_UNDER_RESTORATION, "ponds_in_restoration")
    late = _overdue(licence, licence.deadline or licence.valid_to, act)
    if late and (during or standing is Standing.LATER):
        return Finding(Category.RESTORATION_OVERDUE, "overdue")
    if during and act.cause is Cause.REMEDIATION:
        return _IN_FORCE
    return _RESTORATION.get(standing) if act.cause in SUSPECT else None


_RESTORATION: Final[Mapping[Standing, Finding]] = {
    **_OPEN,
    Standing.THROUGHOUT: Finding(Category.UNCLEAR, "earthworks"),
    Standing.SUSPENDED: Finding(Category.UNCLEAR, "time"),
    Standing.ENDED: Finding(Category.MINING_UNDER_RESTORATION, "time"),
}
"""What digging inside a restoration project is."""


def _closed(licence: Licence, standing: Standing, act: Act) -> Finding | None:
    """Judge inside a closed site: dug before, or dug again."""
    if standing is Standing.THROUGHOUT:
        if act.cause in EXTRACTION:
            return Finding(Category.RESTARTED, "restarted")
        return None
    if standing is Standing.LATER:
        if _overdue(licence, licence.deadline, act):
            return Finding(Category.CLOSED_NOT_CLEARED, "overdue")
        return None
    return _OPEN.get(standing) if act.cause in EXTRACTION else None


def _overdue(licence: Licence, deadline: date | None, act: Act) -> bool:
    """Say whether it still looked disturbed after a day, of an order that had begun."""
    if deadline is None or act.disturbed_on is None:
        return False
    # what begins in the future is not overdue, whatever a register says of its deadline
    begun = licence.valid_from is None or act.disturbed_on >= licence.valid_from
    return begun and act.disturbed_on > deadline


def _off_list(
    licence: Licence, act: Act, lists: Iterable[ProducingList]
) -> Finding | None:
    """Compare a right with the lists of the years in which the act may lie."""
    # a recovery project is no mine and stands on no list of mines
    if licence.kind is not LicenceKind.MINING:
        return None
    on: dict[int, bool] = {}
    for each in lists:
        on[each.year] = on.get(each.year, False) or (
            licence.licence_id in each.licence_ids
        )
    years = range(act.first.year, act.by.year + 1)
    if not on or len(years) > len(on) or any(year not in on for year in years):
        return None
    listed = {on[year] for year in years}
    if listed == {True}:
        return None
    if listed == {False}:
        return Finding(Category.OFF_LIST, "off_list")
    return Finding(Category.UNCLEAR, "list_changed")


_INSIDE: Final[
    Mapping[LicenceKind, Callable[[Licence, Standing, Act], Finding | None]]
] = {
    LicenceKind.MINING: _mining,
    LicenceKind.RECOVERY: _recovery,
    LicenceKind.EXPLORATION: _exploration,
    LicenceKind.LAND_USE: _land_use,
    LicenceKind.RESTORATION: _restoration,
    LicenceKind.CLOSED: _closed,
}
"""Kinds that are missing here permit nothing and are only named."""

JUDGED: Final = frozenset(_INSIDE)
"""Kinds of which a rule speaks."""
