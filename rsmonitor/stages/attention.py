"""In which order a bureau looks at its alerts, why, and what to look for there.

The rank of an alert orders a district by what was seen and what the law says of it.
Attention knows more: what grew lately, what began again, and what people settled.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import shapely
from shapely import MultiPolygon, Point, Polygon

from rsmonitor.records.alert import M2_PER_MU, Alert
from rsmonitor.records.case import Case, CaseState
from rsmonitor.records.disturbance import Cause, Disturbance
from rsmonitor.records.lifecycle import PHASE_LABELS, QUIET, Phase
from rsmonitor.records.package import Reason
from rsmonitor.records.rasters import Tier
from rsmonitor.records.verdict import CATEGORY_LABELS, CERTAINTY_LABELS
from rsmonitor.stages.alerting import MINING_CAUSES, SERIOUSNESS

RECENT: Final = timedelta(days=90)
"""Growth counts as recent for so long: a wet season may hide the ground for weeks."""

_LIKELY, _OPEN = 2 / 3, 1 / 3
"""Bounds of the classes of the probability of mining: finer would be pretence."""

LOOK_FOR: Final[Mapping[Cause, Reason]] = {
    Cause.DIGGING: Reason(
        zh="新鲜开挖面、装载机械、运土便道、堆土，坡脚排水沟",
        en="fresh cuts, loaders, haul tracks, heaps, ditches at the foot",
    ),
    Cause.PONDS: Reason(
        zh="防渗膜池、管线、药剂袋（硫酸铵等）、水色异常",
        en="lined ponds, pipes, bags of reagent (ammonium sulphate), odd water colour",
    ),
    Cause.IN_SITU_LEACH: Reason(
        zh="山坡注液孔和管网、坡脚集液沟与母液池；卫星难以看清，需无人机或高分影像",
        en="injection holes and pipes on the slope, ditches and ponds at its foot; a "
        "satellite hardly sees them: use a drone or finer imagery",
    ),
    Cause.CONSTRUCTION: Reason(
        zh="厂房、地基、围墙、设备；用地与立项手续",
        en="sheds, foundations, walls, plant; the permits for land and project",
    ),
    Cause.CLEAR_CUT: Reason(
        zh="伐桩、堆放的木材、采伐许可证；有无挖土",
        en="stumps, stacked timber, the felling permit; whether soil was dug",
    ),
    Cause.ORCHARD: Reason(
        zh="水平梯带、新栽果树或油茶、防虫网；有无池和管线",
        en="level terraces, young trees, insect nets; whether there are ponds or pipes",
    ),
    Cause.FIRE: Reason(
        zh="过火痕迹、防火带；火后有无开挖",
        en="burnt stems, fire breaks; whether it was dug up afterwards",
    ),
    Cause.LANDSLIDE: Reason(
        zh="滑坡后缘裂缝、崩岗沟壁；有无机械痕迹",
        en="cracks at the crown, walls of a gully; whether machines left marks",
    ),
    Cause.ROAD: Reason(
        zh="路基、边坡；道路通向何处",
        en="road bed and banks; where the road leads",
    ),
    Cause.QUARRY: Reason(
        zh="石料、破碎设备、采矿许可证及其矿种与范围",
        en="stone, crushers, the mining licence with its mineral and boundary",
    ),
    Cause.SOLAR: Reason(
        zh="光伏板、支架；用地手续",
        en="panels and frames; the permit for the land",
    ),
    Cause.FARMLAND: Reason(
        zh="田埂、灌渠、土地整治项目公示牌",
        en="banks, ditches, the sign of a levelling project",
    ),
    Cause.REMEDIATION: Reason(
        zh="治理项目公示牌、覆土和种植；有无外运土石或浸矿设施",
        en="the sign of the project, soil cover and planting; whether soil leaves the "
        "site or anything leaches",
    ),
    Cause.ARTEFACT: Reason(
        zh="先看新影像：可能只是云、影或错位",
        en="look at newer imagery first: it may be cloud, shadow or a shift",
    ),
    Cause.UNKNOWN: Reason(
        zh="地表是否裸露、何人何时施工、有何手续",
        en="whether the ground is bare, who works there since when, with what permit",
    ),
}
"""What an inspector looks for, by probable cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attended:
    """One alert in the order of attention."""

    alert: Alert
    """The alert."""

    grown_m2: float
    """Ground that began to change lately, square metres."""

    reasons: tuple[Reason, ...]
    """Why it stands where it does, the weightiest first."""


def by_attention(
    alerts: Sequence[Alert],
    *,
    on: date,
    phases: Mapping[str, Phase],
    cases: Mapping[str, Case],
) -> tuple[Attended, ...]:
    """
    Order alerts by how much attention they ask for.

    Parameters
    ----------
    alerts : sequence of Alert
        Standing alerts.
    on : date
        Last day of the week.
    phases : Mapping of str to Phase
        By `Site.site_id`, as far as known.
    cases : Mapping of str to Case
        By `Alert.alert_id`, as far as there are any.

    Returns
    -------
    tuple of Attended
        The same for any order of `alerts`.

    Notes
    -----
    First what is not settled, then what is confirmed, then what is not quiet (dormant,
    cleared, greening: it is followed, and nothing is going on there); then by category,
    in the order of `rsmonitor.records.verdict.Category`; then by the probability of
    mining in three classes (under a third, to two thirds, above); then what lies in a
    restriction layer; then what began again; then by what grew in the last 90 days;
    then by area.
    """
    attended = [
        Attended(
            alert=alert,
            grown_m2=grown_m2(alert.site.latest.disturbance, on=on),
            reasons=_reasons(
                alert,
                on=on,
                phase=phases.get(alert.site.site_id),
                case=cases.get(alert.alert_id),
            ),
        )
        for alert in alerts
    ]
    return tuple(
        sorted(
            attended,
            key=lambda each: (
                is_settled(cases.get(each.alert.alert_id)),
                each.alert.site.latest.disturbance.tier is not Tier.HIGH,
                phases.get(each.alert.site.site_id) in QUIET,
                SERIOUSNESS[each.alert.verdict.category],
                -_class_of(mining_probability(each.alert)),
                not each.alert.verdict.restrictions,
                phases.get(each.alert.site.site_id) is not Phase.RESTARTED,
                -each.grown_m2,
                -each.alert.site.latest.disturbance.area_m2,
                each.alert.alert_id,
            ),
        )
    )


def grown_m2(disturbance: Disturbance, *, on: date) -> float:
    """
    Measure the ground that began to change lately.

    Parameters
    ----------
    disturbance : Disturbance
        As last seen.
    on : date
        Last day of the week.

    Returns
    -------
    float
        Square metres that were first seen changed in the 90 days before.
    """
    return math.fsum(
        part.area_m2
        for part in disturbance.increments
        if on - RECENT < part.began_by <= on
    )


def mining_probability(alert: Alert) -> float:
    """
    Add up the probabilities of the causes that are mining.

    Parameters
    ----------
    alert : Alert
        The alert.

    Returns
    -------
    float
        0 to 1.
    """
    causes = alert.site.latest.causes
    return math.fsum(causes.get(cause, 0.0) for cause in MINING_CAUSES)


def is_settled(case: Case | None) -> bool:
    """
    Say whether people have dealt with a case, and nothing changed since.

    Parameters
    ----------
    case : Case or None
        The case, if there is one.

    Returns
    -------
    bool
        True where nothing is left to be done.
    """
    return (
        case is not None
        and case.state in {CaseState.CLOSED, CaseState.TRANSFERRED}
        and not case.changed_since
    )


def inner_point(geometry: Polygon | MultiPolygon) -> Point:
    """
    Find a point inside an outline, as far from its edge as there is.

    A centroid may lie outside, on a neighbour's ground.

    Parameters
    ----------
    geometry : Polygon or MultiPolygon
        CRS84.

    Returns
    -------
    Point
        Inside, with at most seven decimals; of several parts, in the one that is
        widest.

    Examples
    --------
    >>> horseshoe = Polygon(
    ...     [(0, 0), (3, 0), (3, 3), (2, 3), (2, 1), (1, 1), (1, 3), (0, 3)]
    ... )
    >>> (
    ...     horseshoe.contains(horseshoe.centroid),
    ...     horseshoe.contains(inner_point(horseshoe)),
    ... )
    (False, True)
    """
    valid = shapely.make_valid(geometry)
    parts = [
        part
        for part in shapely.get_parts(shapely.get_parts(valid))
        if isinstance(part, Polygon) and part.area > 0
    ]
    # a degree of longitude is shorter than one of latitude: made alike, then undone
    shrink = math.cos(math.radians(shapely.bounds(geometry)[1]))

    def squeezed(part: Polygon) -> Polygon:
        return shapely.transform(part, lambda xy: xy * [shrink, 1.0])

    best: tuple[float, Point, Polygon] | None = None
    for part in parts or [Polygon(shapely.box(*geometry.bounds))]:
        flat = squeezed(part)
        tolerance = max(math.sqrt(abs(flat.area)) / 200, 1e-9)
        line = shapely.maximum_inscribed_circle(flat, tolerance=tolerance)
        radius = float(line.length)
        if best is None or radius > best[0]:
            x, y = line.coords[0]
            best = radius, Point(round(x / shrink, 7), round(y, 7)), part
    assert best is not None  # noqa: S101 - there is at least one part
    _, point, part = best
    # a part thinner than the rounding: what shapely promises, unrounded
    return point if part.contains(point) else part.representative_point()


def _class_of(probability: float) -> int:
    """Give the class of a probability of mining: 2 likely, 1 open, 0 unlikely."""
    if probability >= _LIKELY:
        return 2
    return int(probability >= _OPEN)


def _reasons(
    alert: Alert, *, on: date, phase: Phase | None, case: Case | None
) -> tuple[Reason, ...]:
    """Say what the order rests on, in its order."""
    seen, verdict = alert.site.latest.disturbance, alert.verdict
    found = []
    if is_settled(case):
        found.append(
            Reason(zh="已处理，其后未见变化", en="dealt with; no change since")
        )
    if seen.tier is Tier.HIGH:
        found.append(
            Reason(
                zh=f"变化已确认（{seen.confirmed or seen.began_by}）",
                en=f"change confirmed ({seen.confirmed or seen.began_by})",
            )
        )
    else:
        found.append(Reason(zh="变化尚未确认", en="change not confirmed yet"))
    if phase is not None and phase in QUIET:
        zh, en = PHASE_LABELS[phase]
        found.append(Reason(zh=f"目前：{zh}", en=f"at present: {en}"))
    zh, en = CATEGORY_LABELS[verdict.category]
    sure = CERTAINTY_LABELS[verdict.certainty]
    found.append(Reason(zh=f"{zh}（{sure[0]}）", en=f"{en} ({sure[1]})"))
    mining = mining_probability(alert)
    found.append(
        Reason(
            zh=f"采矿类成因概率 {mining:.0%}", en=f"probability of mining {mining:.0%}"
        )
    )
    if verdict.restrictions:
        named = ", ".join(verdict.restrictions)
        found.append(
            Reason(zh=f"位于限制区：{named}", en=f"within a restriction: {named}")
        )
    if phase is Phase.RESTARTED:
        found.append(
            Reason(zh="停滞后再次活动", en="active again after it was dormant")
        )
    grown = grown_m2(seen, on=on)
    if grown > 0:
        mu = grown / M2_PER_MU
        found.append(
            Reason(
                zh=f"近90天新增 {mu:.1f} 亩",
                en=f"grew by {mu:.1f} mu in the last 90 days",
            )
        )
    area = seen.area_m2 / M2_PER_MU
    found.append(Reason(zh=f"面积 {area:.1f} 亩", en=f"area {area:.1f} mu"))
    return tuple(found)


def look_for(alert: Alert, *, most: int = 3) -> tuple[Reason, ...]:
    """
    Say what to look for on site: what tells the probable causes apart.

    Parameters
    ----------
    alert : Alert
        The alert.
    most : int, default 3
        Causes that are taken, the most probable first.

    Returns
    -------
    tuple of Reason
        One sentence a cause.
    """
    order = list(Cause)
    ranked = sorted(
        alert.site.latest.causes.items(), key=lambda c: (-c[1], order.index(c[0]))
    )
    return tuple(
        LOOK_FOR[cause] for cause, probability in ranked[:most] if probability > 0
    )
