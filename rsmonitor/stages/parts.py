"""A part of a verdict in words: its sentence, how sure it is, and its trace."""

import math
from collections.abc import Sequence
from datetime import date
from itertools import combinations
from typing import Final

from rsmonitor.records.disturbance import Cause, Increment
from rsmonitor.records.licence import KIND_LABELS, Licence, LicenceKind
from rsmonitor.records.verdict import Category, Certainty, Part, TraceStep
from rsmonitor.stages import wording
from rsmonitor.stages.court import GRANTING, Case, Piece, Ruling, Words
from rsmonitor.stages.division import CROSSING
from rsmonitor.stages.error_budget import farthest_m
from rsmonitor.stages.nearness import (
    Area,
    Right,
    mended,
    shares_land,
    touching,
    united,
)
from rsmonitor.stages.rules import (
    EXTRACTION,
    JUDGED,
    OF_MINING,
    UNLICENSED,
    Act,
    inside,
)
from rsmonitor.stages.standing import standing_of
from rsmonitor.stages.wording import Said

_LIMITS: Final = TraceStep(rule="limits", zh=wording.UNSEEN[0], en=wording.UNSEEN[1])
"""What 'nothing abnormal seen' does not cover."""

_OPEN: Final = TraceStep(
    rule="space",
    zh="时间或事实未定，不作空间判定",
    en="time or facts are open: place decides nothing",
)
"""What the place says where time or facts do not."""

_ERROR: Final = "which is within the error of position"
_NOT_WHOLE: Final = "The register is not whole"
_UNREAD: Final = "could not be read"

Doubt = tuple[str, str, str]
"""A step of the trace, and why it leaves doubt, in Chinese and English."""


def part_of(case: Case, ruling: Ruling, pieces: Sequence[Piece]) -> Part:
    """
    Join the pieces that one sentence covers.

    Parameters
    ----------
    case : Case
        The site and what lies near it.
    ruling : Ruling
        What they are.
    pieces : sequence of Piece
        All pieces of that ruling.

    Returns
    -------
    Part
        With its sentence and the trace of the rules.
    """
    increments = case.site.latest.disturbance.increments
    whole = all(piece.whole for piece in pieces)
    if len(pieces) == 1:
        geometry = pieces[0].geometry
    elif whole and len(pieces) == len(increments):
        geometry = mended(case.site.latest.disturbance.geometry)
    else:
        geometry = united([piece.geometry for piece in pieces])
    rights = _rights(case, pieces, geometry, whole=whole) if case.near else []
    restrictions = _restrictions(rights, geometry) if rights else ()
    names = {right.licence.licence_id for right in rights}
    if ruling.right is not None:
        names.add(ruling.right.licence.licence_id)
    words = _words(case, ruling, pieces, rights, restrictions, geometry)
    return Part(
        category=ruling.category,
        certainty=words.certainty,
        area_m2=math.fsum(piece.area_m2 for piece in pieces),
        licence_ids=tuple(sorted(names)),
        clause=words.clause,
        clause_zh=words.clause_zh,
        geometry=geometry,
        trace=words.trace,
        restrictions=restrictions,
        counted_only=ruling.finding.reason == "counted",
    )


def _words(
    case: Case,
    ruling: Ruling,
    pieces: Sequence[Piece],
    rights: Sequence[Right],
    restrictions: tuple[str, ...],
    geometry: Area,
) -> Words:
    """Put a part into words; what lies near nothing is said once for all such."""
    increments = case.site.latest.disturbance.increments
    covered = [increments[piece.place] for piece in pieces]
    best, by, first = pieces[0], covered[0].began_by, covered[0].began_after
    if len(pieces) > 1:
        best = max(
            pieces, key=lambda piece: (piece.sure, piece.margin_m - piece.budget_m)
        )
        by = max(each.began_by for each in covered)
        looks = [each.began_after for each in covered]
        seen = [look for look in looks if look is not None]
        first = min(seen) if len(seen) == len(looks) else None
    known = first is None and all(map(case.on_the_day, covered))
    alone = ruling.right is None and not rights and not ruling.mentions
    key = None
    if alone and (best.sure or ruling.category is Category.UNCLEAR):
        place = (case.counties, case.site.district, best.act.land_known, best.budget_m)
        key = (ruling.finding, case.cause, first, by, known, *place)
        if key in case.court.said:
            return case.court.said[key]
    act = _began(case, covered, (first, by), known=known)
    zh, en = _where(case, ruling, geometry, best.act)
    label = wording.label(ruling.category)
    zh, en = f"{zh}：{label[0]}", f"{en}: {label[1]}"
    short, basis = case.court.basis(ruling.category, first, by)
    certainty, doubts = _certainty(case, ruling, best, by)
    trace = [
        act,
        *_asked(case, rights, best),
        TraceStep(rule=_step_of(ruling), zh=zh, en=en),
        _space(case, ruling, best, alone=alone),
    ]
    clause_zh, clause = f"{act.zh}，{zh}。", f"{act.en}, {en}."
    for rule, doubt_zh, doubt in doubts:
        trace.append(TraceStep(rule=rule, zh=doubt_zh, en=doubt))
        clause_zh += doubt_zh
        clause += f" {doubt}"
    for right, how in ruling.mentions:
        mention_zh, mention = wording.mention(right.licence, how)
        clause_zh += mention_zh
        clause += f" {mention}"
    trace += [
        TraceStep(rule="restriction", zh=f"位于{name}内", en=f"inside {name}")
        for name in restrictions
    ]
    if ruling.category is Category.NOTHING_ABNORMAL:
        trace.append(_LIMITS)
    if basis is not None:
        trace.append(basis)
    words = Words(
        certainty=certainty,
        clause=clause + short[1],
        clause_zh=clause_zh + short[0],
        trace=tuple(trace),
    )
    if key is not None:
        case.court.said[key] = words
    return words


def _began(
    case: Case,
    covered: Sequence[Increment],
    interval: tuple[date | None, date],
    *,
    known: bool,
) -> TraceStep:
    """Say when it began, and from what; many began between the same two looks."""
    key = (case.cause, interval, known)
    step = case.court.steps.get(key)
    if step is None:
        began = wording.began(covered, known=known)
        caused = wording.caused(case.cause)
        step = case.court.steps[key] = TraceStep(
            rule="act", zh=began[0] + caused[0], en=began[1] + caused[1]
        )
    return step


def _restrictions(rights: Sequence[Right], geometry: Area) -> tuple[str, ...]:
    """Name the restriction layers that a part lies in."""
    return tuple(
        dict.fromkeys(
            _restriction(right.licence)
            for right in rights
            if right.licence.kind is LicenceKind.RESTRICTION
            and shares_land(right, geometry)
        )
    )


def _step_of(ruling: Ruling) -> str:
    """Name the step of the trace that decided."""
    reason = ruling.finding.reason
    if reason == "legacy":
        step = "legacy"
    elif reason in CROSSING:
        step = "across"
    elif reason.startswith("construction") or reason == "counted":
        step = "construction"
    elif ruling.right is None:
        step = "outside"
    else:
        step = "favour"
    return step


def _rights(
    case: Case, pieces: Sequence[Piece], geometry: Area, *, whole: bool
) -> list[Right]:
    """List the rights that lie on, or against, a part."""
    if whole:
        found = {
            touch.right: None
            for piece in pieces
            for touch in case.touches[piece.place]
            if touch.touches
        }
        return list(found)
    if len(pieces) == 1:
        touches = case.touches[pieces[0].place]
        return [touch.right for touch in touches if touch.touches_piece(geometry)]
    return [right for right in case.near if touching(right, geometry)]


def _restriction(licence: Licence) -> str:
    """Name a restriction layer."""
    kind = licence.subkind or KIND_LABELS[LicenceKind.RESTRICTION][0]
    return f"{kind} {licence.mine or licence.licence_id}"


def _asked(case: Case, rights: Sequence[Right], best: Piece) -> list[TraceStep]:
    """Say of every right that touches a part what it makes of it."""
    steps, act = [], best.act
    for right in rights:
        licence = right.licence
        if licence.kind not in JUDGED:
            steps.append(
                TraceStep(
                    rule="inside",
                    zh=f"{right.said[0]}：不准许任何活动，仅列出",
                    en=f"{right.said[1]}: permits nothing, only named",
                )
            )
            continue
        if right in best.asked:
            standing, finding = best.asked[right]
        else:  # of what was there before the history no right was asked
            standing = standing_of(licence, act.first, act.by)
            finding = inside(licence, standing, act, case.court.register.producing)
        zh, en = right.told(standing)
        if finding is None:
            rule, label = "time", ("不改变结论", "changes nothing")
        else:
            rule, label = "inside", wording.label(finding.category)
        steps.append(
            TraceStep(rule=rule, zh=f"{zh}：{label[0]}", en=f"{en}: {label[1]}")
        )
    return steps


def _space(case: Case, ruling: Ruling, best: Piece, *, alone: bool) -> TraceStep:
    """Say which metres decide how sure the place is."""
    scene = case.court.parameters.position_error_m
    if ruling.category is Category.UNCLEAR:
        return _OPEN
    if best.sure and (alone or math.isinf(best.margin_m)):
        metres = best.budget_m or case.court.widest_m
        step = case.court.steps.get(metres)
        if step is None:
            step = case.court.steps[metres] = TraceStep(
                rule="space",
                zh=f"其中一部分距会改变结论的权属边界超过误差预算{metres:g}米：确定",
                en=f"some of it lies farther than the budget of {metres:g} m from "
                "every boundary that would change it: certain",
            )
        return step
    margin = f"{best.margin_m:.0f}"
    key = (best.budget_m, margin, best.sure)
    step = case.court.steps.get(key)
    if step is None:
        zh = f"误差预算{best.budget_m:g}米（影像与轮廓{scene:g}米，权属坐标"
        zh += f"{best.budget_m - scene:g}米），最远处距有关边界约{margin}米"
        en = f"budget {best.budget_m:g} m (scene and outline {scene:g} m, datum "
        en += f"{best.budget_m - scene:g} m); farthest about {margin} m from the "
        en += "boundary that matters"
        step = case.court.steps[key] = TraceStep(
            rule="space",
            zh=zh + ("：确定" if best.sure else "：在误差之内"),
            en=en + (": certain" if best.sure else ": within the error"),
        )
    return step


def _certainty(
    case: Case, ruling: Ruling, best: Piece, by: date
) -> tuple[Certainty, list[Doubt]]:
    """Say how sure a ruling is, and what leaves doubt."""
    category = ruling.category
    if category is Category.UNCLEAR:
        return Certainty.UNCLEAR, []
    doubts: list[Doubt] = []
    if not best.sure:
        doubts.append(
            (
                "space",
                f"全部距权属边界不足{best.budget_m:g}米，在定位误差之内。",
                f"All of it lies within {best.budget_m:g} m of a boundary, {_ERROR}.",
            )
        )
    if category in OF_MINING and case.cause not in EXTRACTION:
        doubts.append(_CAUSE_OPEN)
    elif category in OF_MINING and case.cause is Cause.IN_SITU_LEACH:
        doubts.append(_IN_SITU)
    if ruling.finding.reason == "ponds_in_restoration":
        doubts.append(_SETTLING)
    doubts += _register_doubts(case, category, by, best.act)
    certain = not doubts and bool(case.court.register.licences)
    return (Certainty.CERTAIN if certain else Certainty.POSSIBLE), doubts


_CAUSE_OPEN: Final[Doubt] = (
    "act",
    "成因未定，不能确定为开采。",
    "The cause is open, so that it is mining is not certain.",
)
_IN_SITU: Final[Doubt] = (
    "act",
    "原地浸矿仅凭影像不能确定。",
    "Imagery alone cannot be certain of in-situ leaching.",
)
_SETTLING: Final[Doubt] = (
    "act",
    "治理工程也可能有沉淀池。",
    "A restoration project may have settling ponds of its own.",
)
_LISTS: Final[Doubt] = (
    "register",
    "在产矿山名单由各集团分别公示，可能不全。",
    "Each group publishes its own list of producing mines: one may be missing.",
)
_LAND: Final[Doubt] = (
    "register",
    "登记册未声明用地批准完整。",
    "The register is not declared complete for land approvals.",
)


def _register_doubts(case: Case, category: Category, by: date, act: Act) -> list[Doubt]:
    """Say what the register leaves open."""
    register = case.court.register
    doubts: list[Doubt] = []
    if register.refused and category in UNLICENSED:
        doubts.append(
            (
                "register",
                f"登记资料中有{len(register.refused)}项许可无法读取，登记册不完整。",
                f"{_NOT_WHOLE}: {len(register.refused)} of its licences {_UNREAD}.",
            )
        )
    if category is Category.NO_RIGHT and register.licences:
        days = [case.court.complete_until(case.counties, kind) for kind in GRANTING]
        if any(day is None or day < by for day in days):
            doubts.append(_incomplete(case, by))
    if category is Category.OFF_LIST:
        doubts.append(_LISTS)
    if category is Category.UNAUTHORISED_CONSTRUCTION and not act.land_known:
        doubts.append(_LAND)
    return doubts


def _incomplete(case: Case, by: date) -> Doubt:
    """Say that the register is not declared complete where a site lies."""
    codes = case.counties
    zh = f"登记册未声明{'、'.join(codes) or '该地'}的采矿权和回收项目截至{by}完整"
    zh += "（稀土采矿权由自然资源部登记，公告2020年第21号）。"
    en = (
        "The register is not declared complete for mining rights and recovery projects "
    )
    en += f"in {', '.join(codes) or 'this place'} up to {by} "
    en += "(the ministry registers rare-earth mining rights, announcement 21 of 2020)."
    return "register", zh, en


def _where(case: Case, ruling: Ruling, geometry: Area, act: Act) -> Said:
    """Say where it lies: inside a right, across its boundary, or outside all."""
    reason = ruling.finding.reason
    right = ruling.right
    if right is None or ruling.standing is None:
        more = wording.reason(reason, None, act)
        if not case.court.register.licences:
            return (
                "未提供任何许可登记资料" + more[0],
                "and no register of licences was given" + more[1],
            )
        return (
            "不在登记册中当时有效的权属范围内" + more[0],
            "inside no right of the register that was then in force" + more[1],
        )
    more = wording.reason(reason, right.licence, act)
    zh, en = right.told(ruling.standing)
    if reason in CROSSING:
        metres = farthest_m(geometry, right.geometry)
        return (
            f"自{zh}范围内向外延续，最远超出{metres:.0f}米{more[0]}",
            f"continuing from inside {en} to {metres:.0f} m beyond it{more[1]}",
        )
    return f"位于{zh}范围内{more[0]}", f"inside {en}{more[1]}"


def warnings_of(case: Case) -> tuple[str, ...]:
    """
    Say what is odd about the register where a site lies.

    Parameters
    ----------
    case : Case
        The site and what lies near it.

    Returns
    -------
    tuple of str
        Mining rights that overlap each other, and rights inside a restriction layer.
    """
    rights = list(
        {
            touch.right: None
            for increment in case.touches
            for touch in increment
            if touch.touches
        }
    )
    if len(rights) <= 1:
        return ()
    warnings = []
    mining = [r for r in rights if r.licence.kind is LicenceKind.MINING]
    for one, other in combinations(mining, 2):
        if _together(one.licence, other.licence) and case.court.overlap(one, other):
            ids = sorted((one.licence.licence_id, other.licence.licence_id))
            warnings.append(
                f"登记资料存疑：采矿权{ids[0]}与{ids[1]}范围重叠。"
                f"The register is odd: mining rights {ids[0]} and {ids[1]} overlap."
            )
    layers = [r for r in rights if r.licence.kind is LicenceKind.RESTRICTION]
    for right in rights:
        if right.licence.kind not in {*GRANTING, LicenceKind.EXPLORATION}:
            continue
        for layer in layers:
            if case.court.overlap(right, layer):
                name = _restriction(layer.licence)
                warnings.append(
                    f"{right.said[0]}与{name}重叠。The {right.said[1]} overlaps {name}."
                )
    return tuple(dict.fromkeys(warnings))


def _together(one: Licence, other: Licence) -> bool:
    """Say whether two licences of different numbers were valid on one day."""
    if one.licence_id == other.licence_id:
        return False
    start = max(one.valid_from or date.min, other.valid_from or date.min)
    return start <= min(one.valid_to or date.max, other.valid_to or date.max)
