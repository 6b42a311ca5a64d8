"""What the layer of alerts in a triage file holds.

The first seven columns are for people; all others are facts, which nobody changes.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

from PIL import Image

from rsmonitor.io.deliver.geojson import notice
from rsmonitor.io.deliver.geopackage import VOCABULARIES
from rsmonitor.io.deliver.legend import FIELD_LABELS
from rsmonitor.io.deliver.pictures.chip_images import chip_png
from rsmonitor.io.deliver.tables import clean
from rsmonitor.io.deliver.triage.qgis_package import ColumnType
from rsmonitor.records.alert import M2_PER_MU
from rsmonitor.records.case import CASE_STATE_LABELS
from rsmonitor.records.disturbance import CAUSE_LABELS, Cause
from rsmonitor.records.finding import JUDGEMENT_LABELS, Judgement, contradiction
from rsmonitor.records.lifecycle import PHASE_LABELS
from rsmonitor.records.package import (
    CHIP_LABELS,
    NEWS_LABELS,
    ChipRole,
    Dossier,
    Language,
    Package,
    Reason,
)

JUDGED: Final[Mapping[str, ColumnType]] = {
    "verdict": "text",
    "cause": "text",
    "imagery": "text",
    "note": "text",
    "who": "text",
    "judged_on": "day",
    "photos": "text",
}
"""Columns for people; their names are those that `rsmonitor triage import` reads."""

FACTS: Final[Mapping[str, ColumnType]] = {
    "place": "integer",
    "short_name": "text",
    "news": "text",
    "category": "text",
    "certainty": "text",
    "tier": "text",
    "phase": "text",
    "area_mu": "number",
    "grown_mu": "number",
    "began": "text",
    "began_by": "day",
    "last_clear": "day",
    "likely_causes": "text",
    "reasons": "text",
    "look_for": "text",
    "clause": "text",
    "longitude": "number",
    "latitude": "number",
    "licence_ids": "text",
    "restrictions": "text",
    "register_warnings": "text",
    "also_counties": "text",
    "case_state": "text",
    "case_due": "day",
    "days_overdue": "integer",
    "pictures": "text",
    "rank": "integer",
    "alert_id": "text",
    "version": "integer",
    "site_id": "text",
    "county_codes": "text",
    "scenes": "text",
    "software": "text",
    "settings_digest": "text",
    "model_id": "text",
    "invented_licences": "yes_no",
    "notice": "text",
}
"""Columns that nobody changes."""

COLUMNS: Final[Mapping[str, ColumnType]] = {**JUDGED, **FACTS}
"""All, in their order."""

TITLES: Final[Mapping[str, tuple[str, str]]] = {
    **FIELD_LABELS,
    "verdict": ("判定", "verdict"),
    "cause": ("原因", "cause"),
    "imagery": ("依据影像", "imagery that decided"),
    "note": ("备注", "note"),
    "who": ("核查人", "who judged"),
    "judged_on": ("核查日期", "judged on"),
    "photos": ("照片", "photo"),
    "place": ("顺序", "order"),
    "short_name": ("简称", "short name"),
    "news": ("本周", "this week"),
    "phase": ("阶段", "phase"),
    "grown_mu": ("近90天新增（亩）", "grown in 90 days, mu"),
    "began": ("开始时间", "began"),
    "likely_causes": ("可能成因", "likely causes"),
    "reasons": ("排序理由", "why it stands here"),
    "look_for": ("现场查看", "what to look for"),
    "clause": ("判定依据", "rule that decided"),
    "longitude": ("经度", "longitude"),
    "latitude": ("纬度", "latitude"),
    "also_counties": ("同时涉及", "also concerns"),
    "case_state": ("案件状态", "case"),
    "case_due": ("办理期限", "case due"),
    "days_overdue": ("逾期天数", "days overdue"),
    "pictures": ("前后影像", "before and after"),
    "rank": ("监测区内排序", "rank in its district"),
}
"""Chinese and English title of each column."""

CODES: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "verdict": {j.value: label for j, label in JUDGEMENT_LABELS.items()},
    "cause": {c.value: label for c, label in CAUSE_LABELS.items()},
    "news": {n.value: label for n, label in NEWS_LABELS.items()},
    "phase": {p.value: label for p, label in PHASE_LABELS.items()},
    "case_state": {s.value: label for s, label in CASE_STATE_LABELS.items()},
    **{column: VOCABULARIES[column] for column in ("category", "certainty", "tier")},
}
"""Codes that a column may hold, with their Chinese and English labels."""

CONTRADICTIONS: Final[Mapping[Judgement, tuple[str, str]]] = {
    Judgement.PSEUDO_CHANGE: (
        "伪变化须填写非采矿类原因",
        "a pseudo-change needs a cause that is not mining",
    ),
    Judgement.UNLAWFUL: (
        "原因为影像伪变化时不能判为疑似违法",
        "an artefact of the imagery is no unlawful act",
    ),
}
"""What is said where a verdict and its cause contradict each other."""

PICTURE_WIDTH: Final = 144
"""Pixels at which one of the pictures is shown; two stand side by side."""

_SIDE: Final = 192
_SHOWN: Final = (ChipRole.BEFORE, ChipRole.AFTER)
_QUALITY: Final = 82


def in_language(language: Language, pair: tuple[str, str]) -> str:
    """
    Choose one of a Chinese and an English word.

    Parameters
    ----------
    language : {"zh", "en"}
        Which.
    pair : tuple of str
        Chinese and English.

    Returns
    -------
    str
        One of the two.
    """
    return pair[0 if language == "zh" else 1]


def codes_in(language: Language) -> dict[str, dict[str, str]]:
    """
    Give the label of each code in one language.

    Parameters
    ----------
    language : {"zh", "en"}
        Which.

    Returns
    -------
    dict
        By column and code.
    """
    return {
        column: {code: in_language(language, label) for code, label in labels.items()}
        for column, labels in CODES.items()
    }


def refused_causes(judgement: Judgement) -> tuple[Cause | None, ...]:
    """
    List the causes that contradict a verdict; None stands for no cause.

    Parameters
    ----------
    judgement : Judgement
        The verdict.

    Returns
    -------
    tuple of Cause or None
        By the one rule that the import applies as well.

    Examples
    --------
    >>> refused_causes(Judgement.UNLAWFUL)
    (<Cause.ARTEFACT: 'artefact'>,)
    """
    return tuple(
        cause for cause in (None, *Cause) if contradiction(judgement, cause) is not None
    )


def row_of(dossier: Dossier, package: Package) -> dict[str, Any]:
    """
    Give the row of an alert.

    Parameters
    ----------
    dossier : Dossier
        The alert with what its package says of it.
    package : Package
        The package.

    Returns
    -------
    dict
        By column; what people fill in is None.
    """
    alert, language = dossier.alert, package.language
    verdict, seen = alert.verdict, alert.site.latest.disturbance
    case, provenance = dossier.case, alert.provenance
    facts = {
        "place": dossier.place,
        "short_name": dossier.short_name,
        "news": dossier.news.value,
        "category": verdict.category.value,
        "certainty": verdict.certainty.value,
        "tier": seen.tier.code,
        "phase": None if dossier.phase is None else dossier.phase.value,
        "area_mu": round(seen.area_m2 / M2_PER_MU, 2),
        "grown_mu": round(dossier.grown_m2 / M2_PER_MU, 2),
        "began": _began(dossier, language),
        "began_by": seen.began_by,
        "last_clear": seen.last_clear,
        "likely_causes": _causes(alert.site.latest.causes, language),
        "reasons": _sentences(dossier.reasons, language),
        "look_for": _sentences(dossier.look_for, language),
        "clause": _clause(dossier, language),
        "longitude": round(dossier.point.x, 6),
        "latitude": round(dossier.point.y, 6),
        "licence_ids": "; ".join(verdict.licence_ids),
        "restrictions": "; ".join(verdict.restrictions),
        "register_warnings": "; ".join(verdict.warnings),
        "also_counties": "; ".join(
            package.names.get(code, code) for code in dossier.also
        ),
        "case_state": None if case is None else case.state.value,
        "case_due": None if case is None else case.due,
        "days_overdue": dossier.days_overdue,
        "pictures": pictures(dossier, language),
        "rank": alert.rank,
        "alert_id": alert.alert_id,
        "version": alert.version,
        "site_id": alert.site.site_id,
        "county_codes": "; ".join(alert.county_codes),
        "scenes": "; ".join(provenance.scenes),
        "software": provenance.software,
        "settings_digest": provenance.settings_digest,
        "model_id": provenance.model_id,
        "invented_licences": alert.invented_licences,
        "notice": notice(invented=alert.invented_licences),
    }
    cleaned = {
        name: clean(value) if isinstance(value, str) and name != "pictures" else value
        for name, value in facts.items()
    }
    return {**dict.fromkeys(JUDGED), **cleaned}


def pictures(dossier: Dossier, language: Language) -> str:
    """
    Write the images before and after as HTML that needs no other file.

    Parameters
    ----------
    dossier : Dossier
        The alert.
    language : {"zh", "en"}
        Of the captions.

    Returns
    -------
    str
        A table; it holds nothing but our labels, days and images.
    """
    outline = dossier.alert.site.latest.disturbance.geometry
    cells = []
    for role in _SHOWN:
        chip = dossier.chip(role)
        if chip is None:
            continue
        label = in_language(language, CHIP_LABELS[role])
        days = " ".join(day.isoformat() for day in chip.days)
        data = io.BytesIO()
        with Image.open(io.BytesIO(chip_png(chip, outline, side=_SIDE))) as image:
            image.convert("RGB").save(data, format="JPEG", quality=_QUALITY)
        coded = base64.b64encode(data.getvalue()).decode()
        cells.append(
            f'<td>{label} {days}<br><img width="{PICTURE_WIDTH}" '
            f'src="data:image/jpeg;base64,{coded}"></td>'
        )
    if not cells:
        return in_language(language, ("没有可用影像", "no image shows the ground"))
    return f'<table cellspacing="4"><tr>{"".join(cells)}</tr></table>'


def _began(dossier: Dossier, language: Language) -> str:
    """Say between which looks it began."""
    seen = dossier.alert.site.latest.disturbance
    if seen.began_after is None:
        return in_language(
            language, (f"{seen.began_by} 之前", f"before {seen.began_by}")
        )
    return f"{seen.began_after} … {seen.began_by}"


def _causes(causes: Mapping[Cause, float], language: Language) -> str:
    """Rank the causes; what is under one percent is left out."""
    order = list(Cause)
    ranked = sorted(causes.items(), key=lambda c: (-c[1], order.index(c[0])))
    return "; ".join(
        f"{in_language(language, CAUSE_LABELS[cause])} {probability:.0%}"
        for cause, probability in ranked
        if probability >= _LEAST
    )


_LEAST: Final = 0.01


def _sentences(reasons: Sequence[Reason], language: Language) -> str:
    """Write sentences below each other."""
    return "\n".join(reason[language] for reason in reasons)


def _clause(dossier: Dossier, language: Language) -> str:
    """Give the rule of the part that decided: of several, of the largest."""
    verdict = dossier.alert.verdict
    part = max(
        (part for part in verdict.parts if part.category is verdict.category),
        key=lambda part: part.area_m2,
    )
    return in_language(language, (part.clause_zh, part.clause))
