"""What was measured of a site: its images, its causes, and what tells those apart."""

from typing import Any, Final

from rsmonitor.io.deliver.report.words import percent, pick, scene_words, span
from rsmonitor.records.disturbance import CAUSE_LABELS, Cause
from rsmonitor.records.package import CHIP_LABELS, Chip, ChipRole, Dossier, Language
from rsmonitor.stages.classify import MODEL_ID
from rsmonitor.stages.deciding import reasons_of

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
    told = [(each.zh, each.en) for each in reasons_of(model_id, features)]
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
        told.append(
            (
                (
                    f"概率出自模型 {model_id}，其准确度见模型卡；"
                    "在离子型稀土矿上未经检验。"
                ),
                (
                    f"Probabilities: model {model_id}; its card says how good it is. "
                    "On ionic rare-earth mines it was not measured."
                ),
            )
        )
    return [pick(language, each) for each in told]


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
