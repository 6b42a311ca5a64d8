"""How the form of an alert in a triage file looks, and what a pointer over it shows."""

from collections.abc import Mapping
from typing import Final

from rsmonitor.io.deliver.triage import qgis_form
from rsmonitor.io.deliver.triage.columns import (
    COLUMNS,
    CONTRADICTIONS,
    JUDGED,
    PICTURE_WIDTH,
    TITLES,
    codes_in,
    in_language,
    refused_causes,
)
from rsmonitor.io.deliver.triage.qgis_form import Form, FormField, Group, Tab, escaped
from rsmonitor.records.package import Language

_NOBODY: Final[Mapping[Language, str]] = {"zh": "（未判定）", "en": "(not judged)"}
_TODAY: Final = (
    'CASE WHEN "verdict" IS NOT NULL AND "judged_on" IS NULL '
    'THEN to_date(now()) ELSE "judged_on" END'
)
"""Fills in the day once there is a verdict, and leaves a day that is there."""


def form_in(language: Language) -> Form:
    """
    Lay out the form of an alert: the verdict first, then the facts.

    Parameters
    ----------
    language : {"zh", "en"}
        Of titles and lists.

    Returns
    -------
    Form
        For `rsmonitor.io.deliver.triage.qgis_form.form_parts`.
    """

    def word(zh: str, en: str) -> str:
        return in_language(language, (zh, en))

    return Form(
        fields=[_field(column, language) for column in COLUMNS],
        tabs=(
            Tab(
                title=word("判读", "triage"),
                groups=(
                    (
                        Group(
                            title=word("判定（请填写）", "verdict"), columns=(*JUDGED,)
                        ),
                        Group(
                            title=word("前后影像", "pictures"), columns=("pictures",)
                        ),
                    ),
                    Group(
                        title=word("要点（只读）", "in short (read only)"),
                        columns=(
                            *("place", "short_name", "category", "certainty"),
                            *("area_mu", "began", "likely_causes", "reasons"),
                            *("look_for", "licence_ids", "case_due"),
                        ),
                    ),
                ),
            ),
            Tab(
                title=word("依据", "facts"),
                groups=(
                    Group(
                        title=word("监测与登记（只读）", "watch and register"),
                        columns=(
                            *("news", "tier", "phase", "grown_mu", "began_by"),
                            *("last_clear", "longitude", "latitude", "clause"),
                            *("restrictions", "register_warnings"),
                            *("also_counties", "case_state", "days_overdue"),
                        ),
                    ),
                    Group(
                        title=word("来源（只读）", "provenance (read only)"),
                        columns=(
                            *("rank", "alert_id", "version", "site_id"),
                            *("county_codes", "scenes", "software", "model_id"),
                            *("settings_digest", "invented_licences", "notice"),
                        ),
                    ),
                ),
            ),
        ),
        display=(
            "\"place\" || '  ' || \"short_name\" || '  ' || "
            'represent_value("category") || CASE WHEN "verdict" IS NULL THEN \'\' '
            "ELSE '  ✓ ' || represent_value(\"verdict\") END"
        ),
        sort="place",
        map_tip=map_tip_in(language),
    )


def map_tip_in(language: Language) -> str:
    """
    Write what a pointer over an alert shows.

    Parameters
    ----------
    language : {"zh", "en"}
        Of the titles.

    Returns
    -------
    str
        HTML with expressions; everything that comes from data is escaped in it.
    """
    lines = [
        f"<b>{in_language(language, TITLES[column])}</b>: [% {escaped(column)} %]"
        for column in ("began", "likely_causes", "look_for", "licence_ids")
    ]
    return (
        f'<div style="width:{2 * PICTURE_WIDTH + 40}px">'
        f'<b>[% "place" %]. [% {escaped("short_name")} %]</b> '
        '[% represent_value("category") %] '
        f'[% "area_mu" %] {in_language(language, ("亩", "mu"))}<br>'
        f"{'<br>'.join(lines)}"
        '[% "pictures" %]</div>'
    )


def label_in(language: Language) -> str:
    """
    Write the expression of what stands beside an alert on the map.

    Parameters
    ----------
    language : {"zh", "en"}
        Of the verdicts.

    Returns
    -------
    str
        Its place, and the verdict once there is one.
    """
    cases = " ".join(
        f"WHEN \"verdict\" = '{code}' THEN ' {label}'"
        for code, label in codes_in(language)["verdict"].items()
    )
    return f"\"place\" || CASE {cases} ELSE '' END"


def _field(column: str, language: Language) -> FormField:
    """Lay out one column."""
    editable = column in JUDGED
    codes = codes_in(language)
    if column in codes:
        none = _NOBODY[language] if column == "verdict" else "—"
        widget = qgis_form.codes(codes[column], none=none if editable else None)
    elif column in {"judged_on", "began_by", "last_clear", "case_due"}:
        widget = qgis_form.day()
    elif column == "photos":
        widget = qgis_form.photo()
    elif column in {"who", "imagery"}:
        widget = qgis_form.completing()
    else:
        lines = column in {"note", "reasons", "look_for", "clause", "notice", "scenes"}
        widget = qgis_form.text(lines=lines, html=column == "pictures")
    constraint, why = _constraint(column, language)
    return FormField(
        column=column,
        title=in_language(language, TITLES[column]),
        widget=widget,
        editable=editable,
        default=_TODAY if column == "judged_on" else "",
        constraint=constraint,
        why=why,
        in_table=column not in {"pictures", "clause", "scenes", "notice"},
    )


def _constraint(column: str, language: Language) -> tuple[str, str]:
    """Say what the form demands, before the file itself does."""
    if column == "judged_on":
        return (
            '"judged_on" IS NULL OR "judged_on" <= to_date(now())',
            in_language(language, ("不得晚于今天", "not after today")),
        )
    if column != "cause":
        return "", ""
    rules, words = [], []
    for judgement, told in CONTRADICTIONS.items():
        causes = refused_causes(judgement)
        listed = ", ".join(f"'{cause.value}'" for cause in causes if cause is not None)
        bad = f'"cause" IN ({listed})'
        if None in causes:
            bad = f'("cause" IS NULL OR {bad})'
        rules.append(f"NOT (\"verdict\" = '{judgement.value}' AND {bad})")
        words.append(in_language(language, told))
    rule = " AND ".join(rules)
    return f'"verdict" IS NULL OR ({rule})', "; ".join(words)
