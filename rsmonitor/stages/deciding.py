"""What decided the named cause of a disturbance, in words."""

import math
from collections.abc import Mapping
from typing import Final

from rsmonitor.records.disturbance import Cause, Classified
from rsmonitor.records.package import Reason
from rsmonitor.stages.classify import DECIDES, GREEN_NDVI, MODEL_ID, UNLIKE
from rsmonitor.stages.features import BARE_NDVI

MOST: Final = 3
"""Measurements that are told."""

_HALF_PERCENT: Final = 0.005

FEATURE_WORDS: Final[Mapping[str, Reason]] = {
    "ndvi_before": Reason(zh="变化前植被指数 NDVI", en="NDVI before"),
    "ndvi_change": Reason(zh="植被指数 NDVI 的变化", en="change of NDVI"),
    "ndmi_before": Reason(zh="变化前水分指数 NDMI", en="NDMI (moisture) before"),
    "ndmi_change": Reason(zh="水分指数 NDMI 的变化", en="change of NDMI (moisture)"),
    "nbsi_before": Reason(
        zh="变化前裸土指数（负值为裸土）", en="bare soil index before"
    ),
    "nbsi_change": Reason(zh="裸土指数的变化", en="change of the bare soil index"),
    "dred_before": Reason(zh="变化前红光暗度", en="darkness in red before"),
    "dred_change": Reason(
        zh="红光暗度的变化（负值为变亮）",
        en="change of darkness in red (below 0: brighter)",
    ),
    "area_m2": Reason(zh="面积（平方米）", en="area in square metres"),
    "days_to_confirm": Reason(zh="确认所需天数", en="days until confirmed"),
    "share_recovered": Reason(zh="变化迹象已消失的比例", en="share that recovered"),
    "ndvi_spread": Reason(zh="图斑内 NDVI 变化的差异", en="spread of the NDVI change"),
    "dred_spread": Reason(zh="图斑内明暗变化的差异", en="spread of the change in red"),
    "share_bare": Reason(zh="裸露像元的比例", en="share of bare pixels"),
    "share_bright": Reason(zh="明显变亮像元的比例", en="share of much brighter pixels"),
    "share_wet": Reason(
        zh="植被消失而仍湿润的比例", en="share without plants, yet moist"
    ),
    "compactness": Reason(zh="轮廓的紧凑度", en="compactness of the outline"),
    "solidity": Reason(zh="轮廓与凸包之比", en="share of its convex hull"),
    "roundness": Reason(zh="轮廓与外接圆之比", en="share of its least circle"),
    "interval_days": Reason(zh="起始时间的不确定天数", en="days within which it began"),
    "growth_days": Reason(zh="扩展历时（天）", en="days over which it grew"),
    "growth_steps": Reason(zh="扩展次数", en="steps of growth"),
    "looks_since": Reason(zh="其后的清晰影像数", en="clear looks since"),
}
"""A name for people of each of `rsmonitor.stages.features.FEATURES`."""

DRONE: Final = Reason(
    zh="原地浸矿地表变化微弱，仅凭哨兵二号不能高于低置信度；请用无人机或高分影像核查。",
    en="In-situ leaching hardly shows at the surface: from Sentinel-2 alone it stays "
    "in the low tier; check with a drone or finer imagery.",
)
"""What stands with every suspicion of in-situ leaching."""

STRANGE: Final = Reason(
    zh="与模型见过的样本都不相像，故列为未知。",
    en="It is unlike anything that the model has seen, hence unknown.",
)
"""What stands where a disturbance is unlike anything seen."""


def decided_by(classified: Classified) -> tuple[Reason, ...]:
    """
    Say which measurements decided the named cause.

    Parameters
    ----------
    classified : Classified
        As `rsmonitor.stages.classify.classify` gave it.

    Returns
    -------
    tuple of Reason
        Three measurements, the weightiest first; before them that it is unlike anything
        seen, after them that in-situ leaching needs a finer look, where that is so.
    """
    told = reasons_of(classified.model_id, classified.disturbance.features)
    if classified.cause is Cause.IN_SITU_LEACH:
        told = (*told, DRONE)
    return told


def reasons_of(model_id: str, features: Mapping[str, float]) -> tuple[Reason, ...]:
    """
    Say the same from what was kept of a disturbance.

    Parameters
    ----------
    model_id : str
        Who named the cause; of the rules it is known what decides.
    features : Mapping of str to float
        `Disturbance.features`; may lack some, or be NaN.

    Returns
    -------
    tuple of Reason
        Sentences. A model that left no effects of its measurements is not explained:
        then greenness alone is told.
    """
    effects = {
        name.removeprefix(DECIDES): effect
        for name, effect in features.items()
        if name.startswith(DECIDES)
    }
    if effects:
        ranked = sorted(effects, key=lambda name: (-abs(effects[name]), name))[:MOST]
        told = [_effect(name, features, effects[name]) for name in ranked]
        strange = [STRANGE] if features.get(UNLIKE, 0.0) > 1 else []
        return (*strange, *told)
    before = features.get("ndvi_before", math.nan)
    after = before + features.get("ndvi_change", math.nan)
    cover = features.get("nbsi_before", math.nan)
    cover += features.get("nbsi_change", math.nan)
    gone = features.get("share_recovered", math.nan)
    told = [_greenness(before, after)]
    if model_id == MODEL_ID and not math.isnan(after):
        told.append(_ruling(after, cover))
    if not math.isnan(gone):
        told.append(_recovery(gone))
    return tuple(told)


def _effect(name: str, features: Mapping[str, float], effect: float) -> Reason:
    """Say what one measurement did to the probability of the named cause."""
    value, points = features.get(name, math.nan), round(100 * abs(effect))
    words = FEATURE_WORDS.get(name, Reason(zh=name, en=name))
    sign = "+" if name.endswith("_change") else ""
    shown = f"{value:{sign}.2f}" if abs(value) < 100 else f"{value:.0f}"  # noqa: PLR2004 - an area
    if points == 0:
        return Reason(
            zh=f"{words.zh} {shown}：换作训练样本的中位值，结论几乎不变。",
            en=f"{words.en} {shown}: with the median of the training data in its place "
            "hardly anything would change.",
        )
    zh, en = ("低", "lower") if effect > 0 else ("高", "higher")
    return Reason(
        zh=f"{words.zh} {shown}：换作训练样本的中位值，"
        f"该成因的概率会{zh} {points} 个百分点。",
        en=f"{words.en} {shown}: with the median of the training data in its place the "
        f"named cause would be {points} points {en}.",
    )


def _recovery(gone: float) -> Reason:
    """Say how much of it looks undisturbed again."""
    # what is more than nothing and less than all never reads so
    share = f"{gone:.0%}"
    if 0 < gone < _HALF_PERCENT:
        share = "<1%"
    elif 1 - _HALF_PERCENT < gone < 1:
        share = ">99%"
    return Reason(
        zh=f"已确认的像元中，{share} 的变化迹象已经消失；"
        "采挖多年裸露，采伐后常在一两年内返绿。",
        en=f"Of the confirmed pixels {share} show no sign of it any more: dug ground "
        "stays bare for years, felled ground is often green after one or two.",
    )


def _greenness(before: float, after: float) -> Reason:
    """Say how green it was and is."""
    if math.isnan(after):
        return Reason(
            zh="未测得植被指数，成因无从判断。",
            en="NDVI was not measured: no cause shows.",
        )
    return Reason(
        zh=f"植被指数 NDVI：变化前 {before:.2f}，变化后平均 {after:.2f}。",
        en=f"NDVI {before:.2f} before, {after:.2f} on average since.",
    )


def _ruling(after: float, cover: float) -> Reason:
    """Say which rule decided, in the order in which the rules ask."""
    bare, green = f"{BARE_NDVI:.2f}", f"{GREEN_NDVI:.2f}"
    soil = (
        Reason(
            zh="裸土指数未测（影像无短波红外）",
            en="bare soil index not measured (no SWIR)",
        )
        if math.isnan(cover)
        else Reason(
            zh=f"裸土指数（负值为裸土）{cover:+.2f}", en=f"bare soil index {cover:+.2f}"
        )
    )
    if after < BARE_NDVI and not cover > 0:
        return Reason(
            zh=f"低于 {bare}，几无植被；{soil.zh}：指向采挖，其次建设、采伐。",
            en=f"Below {bare} little grows; {soil.en}: points to digging, less to "
            "construction or felling.",
        )
    if after >= GREEN_NDVI:
        return Reason(
            zh=f"不低于 {green}，地面仍以绿色为主：指向采伐，采挖的可能较小。",
            en=f"At {green} or above the ground is still green: points to felling, "
            "less to digging.",
        )
    if after < BARE_NDVI:
        return Reason(
            zh=f"低于 {bare}，但{soil.zh}，土未裸露：采伐与采挖难分。",
            en=f"Below {bare}, yet the {soil.en} shows no bare soil: felling and "
            "digging look alike.",
        )
    return Reason(
        zh=f"介于 {bare} 与 {green} 之间：采伐与采挖难分。",
        en=f"Between {bare} and {green}: felling and digging look alike.",
    )
