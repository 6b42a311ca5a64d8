"""What was measured of a site: its images, its causes, and what tells those apart."""

import math
from typing import Any, Final

from rsmonitor.io.deliver.report.words import percent, pick, scene_words, span
from rsmonitor.records.disturbance import CAUSE_LABELS, Cause
from rsmonitor.records.package import CHIP_LABELS, Chip, ChipRole, Dossier, Language
from rsmonitor.stages.classify import BARE_NDVI, GREEN_NDVI, MODEL_ID

MOST_CAUSES: Final = 3
"""Causes that a page ranks."""

MOST_SCENES: Final = 8
"""Full names of looks in small print."""


def separating(
    language: Language, model_id: str, features: dict[str, float]
) -> list[str]:
    """
    Say what tells the probable causes apart, as it was measured.

    Parameters
    ----------
    language : Language
        Which.
    model_id : str
        Who named the causes; of the rules it is known what decides.
    features : dict of str to float
        By the names of `rsmonitor.stages.features.FEATURES`; may lack some, or be NaN.

    Returns
    -------
    list of str
        Sentences.
    """
    before = features.get("ndvi_before", math.nan)
    after = before + features.get("ndvi_change", math.nan)
    cover = features.get("nbsi_before", math.nan)
    cover += features.get("nbsi_change", math.nan)
    gone = features.get("share_recovered", math.nan)
    told = [_greenness(before, after)]
    if model_id == MODEL_ID and not math.isnan(after):
        told.append(_ruling(after, cover))
    if not math.isnan(gone):
        share = percent(gone, language)
        told.append(
            (
                (
                    f"已确认的像元中，{share} 的变化迹象已经消失；"
                    "采挖多年裸露，采伐后常在一两年内返绿。"
                ),
                (
                    f"Of the confirmed pixels {share} show no sign of it any more: dug "
                    "ground stays bare for years, felled ground is often green after "
                    "one "
                    "or two."
                ),
            )
        )
    if model_id == MODEL_ID:
        told.append(
            (
                "概率出自规则，是判断而非统计频率，未经校准。",
                (
                    "The probabilities come from rules: judgement, not frequency, and "
                    "not "
                    "calibrated."
                ),
            )
        )
    else:
        told.append((f"概率出自模型 {model_id}。", f"Probabilities: model {model_id}."))
    return [pick(language, each) for each in told]


def _greenness(before: float, after: float) -> tuple[str, str]:
    """Say how green it was and is."""
    if math.isnan(after):
        return (
            "未测得植被指数，成因无从判断。",
            "NDVI was not measured: no cause shows.",
        )
    return (
        f"植被指数 NDVI：变化前 {before:.2f}，变化后平均 {after:.2f}。",
        f"NDVI {before:.2f} before, {after:.2f} on average since.",
    )


def _ruling(after: float, cover: float) -> tuple[str, str]:
    """Say which rule decided, in the order in which `classify` asks."""
    bare, green = f"{BARE_NDVI:.2f}", f"{GREEN_NDVI:.2f}"
    soil = (
        ("裸土指数未测（影像无短波红外）", "bare soil index not measured (no SWIR)")
        if math.isnan(cover)
        else (f"裸土指数（负值为裸土）{cover:+.2f}", f"bare soil index {cover:+.2f}")
    )
    if after < BARE_NDVI and not cover > 0:
        return (
            f"低于 {bare}，几无植被；{soil[0]}：指向采挖，其次建设、采伐。",
            (
                f"Below {bare} little grows; {soil[1]}: points to digging, less to "
                "construction or felling."
            ),
        )
    if after >= GREEN_NDVI:
        return (
            f"不低于 {green}，地面仍以绿色为主：指向采伐，采挖的可能较小。",
            (
                f"At {green} or above the ground is still green: points to felling, "
                "less "
                "to digging."
            ),
        )
    if after < BARE_NDVI:
        return (
            f"低于 {bare}，但{soil[0]}，土未裸露：采伐与采挖难分。",
            (
                f"Below {bare}, yet the {soil[1]} shows no bare soil: felling and "
                "digging "
                "look alike."
            ),
        )
    return (
        f"介于 {bare} 与 {green} 之间：采伐与采挖难分。",
        f"Between {bare} and {green}: felling and digging look alike.",
    )


def causes(language: Language, dossier: Dossier) -> list[dict[str, Any]]:
    """
    Rank the causes.

    Parameters
    ----------
    language : Language
        Which.
    dossier : Dossier
        The alert.

    Returns
    -------
    list of dict
        ``label``, ``value`` and ``share`` of the most probable ones.
    """
    order = list(Cause)
    ranked = sorted(
        dossier.alert.site.latest.causes.items(),
        key=lambda each: (-each[1], order.index(each[0])),
    )
    return [
        {
            "label": pick(language, CAUSE_LABELS[cause]),
            "value": percent(probability, language),
            "share": probability,
        }
        for cause, probability in ranked[:MOST_CAUSES]
        if probability > 0
    ]


def chip_captions(language: Language, dossier: Dossier) -> list[dict[str, str]]:
    """
    Caption the three images of a site.

    Parameters
    ----------
    language : Language
        Which.
    dossier : Dossier
        The alert.

    Returns
    -------
    list of dict
        One for each role: ``file`` (empty where there is no image), label, day, scene.
    """
    captions = []
    for role in ChipRole:
        chip = dossier.chip(role)
        captions.append(
            {
                "file": "" if chip is None else chip_file(dossier, role),
                "label": pick(language, CHIP_LABELS[role]),
                "day": span(language, () if chip is None else chip.days),
                "scene": "" if chip is None else _chip_scene(language, chip),
            }
        )
    return captions


def chip_file(dossier: Dossier, role: ChipRole) -> str:
    """
    Name the file of an image.

    Parameters
    ----------
    dossier : Dossier
        The alert.
    role : ChipRole
        Which image.

    Returns
    -------
    str
        A name without a folder.
    """
    return f"{dossier.place}-{role.value}.png"


def _chip_scene(language: Language, chip: Chip) -> str:
    """Name the look of an image, and what its colours are."""
    scene = scene_words(chip.scenes[-1]) if chip.scenes else ""
    if len(chip.scenes) > 1:
        more = len(chip.scenes) - 1
        scene += pick(language, (f" 等{more + 1}景", f" and {more} more"))
    if not chip.true_colour:
        scene += pick(language, (" · 近红外代蓝", " · NIR for blue"))
    return scene


def scenes(language: Language, dossier: Dossier) -> list[str]:
    """
    Name the looks behind a page in full.

    Parameters
    ----------
    language : Language
        Which.
    dossier : Dossier
        The alert.

    Returns
    -------
    list of str
        Product ids, and how many there are beyond these.
    """
    named = list(
        dict.fromkeys(
            [
                *dossier.alert.provenance.scenes,
                *(scene for chip in dossier.chips for scene in chip.scenes),
            ]
        )
    )
    more = len(named) - MOST_SCENES
    shown = named[:MOST_SCENES]
    if more > 0:
        shown.append(pick(language, (f"另有 {more} 景", f"{more} more")))
    return shown
