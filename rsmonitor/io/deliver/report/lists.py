"""Tables of the report: alerts a line each, and cases that wait for somebody."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rsmonitor.io.deliver.legend import TIER_LABELS
from rsmonitor.io.deliver.report.case import case_words, overdue_words
from rsmonitor.io.deliver.report.words import brief, decimal_place, mu, pick
from rsmonitor.records.case import CASE_STATE_LABELS, Level, ProvinceCheck
from rsmonitor.records.lifecycle import PHASE_LABELS
from rsmonitor.records.package import Dossier, Language, Package
from rsmonitor.records.rasters import Tier
from rsmonitor.records.verdict import CATEGORY_LABELS, CERTAINTY_LABELS

_CHECKS: Final[Mapping[ProvinceCheck, tuple[str, str]]] = {
    ProvinceCheck.NOT_NEEDED: ("", ""),
    ProvinceCheck.DUE: ("待核查", "due"),
    ProvinceCheck.DONE: ("已核查", "done"),
}
"""Whether the province was there, in the width of a column."""


def table(
    language: Language,
    columns: Sequence[tuple[tuple[str, str], int, str]],
    rows: Sequence[Sequence[str]],
) -> dict[str, Any]:
    """
    Lay out a table for the template.

    Parameters
    ----------
    language : Language
        Which.
    columns : sequence of tuple
        Heading in Chinese and English, share of the width, ``left`` or ``right``.
    rows : sequence of sequence of str
        Cells.

    Returns
    -------
    dict
        ``heads``, ``widths``, ``sides`` and ``rows``.
    """
    return {
        "heads": [pick(language, heading) for heading, _, _ in columns],
        "widths": [width for _, width, _ in columns],
        "sides": [side for _, _, side in columns],
        "rows": [list(row) for row in rows],
    }


def rest_table(package: Package, dossiers: Sequence[Dossier]) -> dict[str, Any]:
    """
    List alerts, a line each.

    Parameters
    ----------
    package : Package
        The package.
    dossiers : sequence of Dossier
        Which.

    Returns
    -------
    dict
        For the template.
    """
    language = package.language
    rows = []
    for dossier in dossiers:
        seen = dossier.alert.site.latest.disturbance
        rows.append(
            [
                str(dossier.place),
                dossier.short_name,
                pick(language, CATEGORY_LABELS[dossier.alert.verdict.category]),
                mu(seen.area_m2),
                pick(language, TIER_LABELS[seen.tier]),
                seen.began_by.isoformat(),
                decimal_place(dossier.point),
                case_words(language, dossier),
            ]
        )
    columns = [
        (("序", "no."), 8, "right"),
        (("简号", "short"), 16, "left"),
        (("类别", "category"), 34, "left"),
        (("亩", "mu"), 12, "right"),
        (("等级", "tier"), 13, "left"),
        (("不晚于", "began by"), 19, "left"),
        (("坐标", "coordinates"), 38, "left"),
        (("办理", "case"), 34, "left"),
    ]
    return table(language, columns, rows)


def open_table(package: Package, dossiers: Sequence[Dossier]) -> dict[str, Any]:
    """
    List cases that wait for somebody.

    Parameters
    ----------
    package : Package
        The package; of a county, the category stands where else the county does.
    dossiers : sequence of Dossier
        Which; those without a case are left out.

    Returns
    -------
    dict
        For the template.
    """
    language = package.language
    of_county = package.area.level is Level.COUNTY
    rows = [
        [
            str(dossier.place),
            dossier.short_name,
            pick(language, CATEGORY_LABELS[dossier.alert.verdict.category])
            if of_county
            else counties_of(package, dossier),
            mu(dossier.alert.site.latest.disturbance.area_m2),
            phase_words(language, dossier),
            pick(language, CASE_STATE_LABELS[case.state]),
            pick(language, ("尚未交办", "nobody yet"))
            if case.handler is None
            else brief(case.handler, 20),
            case.due.isoformat(),
            overdue_words(language, dossier.days_overdue),
            pick(language, _CHECKS[case.province_check]),
        ]
        for dossier in dossiers
        if (case := dossier.case) is not None
    ]
    second = ("类别", "category") if of_county else ("县", "county")
    columns = [
        (("序", "no."), 8, "right"),
        (("简号", "short"), 15, "left"),
        (second, 31, "left"),
        (("亩", "mu"), 11, "right"),
        (("活动", "phase"), 28, "left"),
        (("状态", "case"), 14, "left"),
        (("承办", "handler"), 19, "left"),
        (("期限", "due"), 18, "left"),
        (("逾期", "overdue"), 16, "left"),
        (("省级核查", "province"), 15, "left"),
    ]
    return table(language, columns, rows)


def leading_table(package: Package, *, most: int = 5) -> dict[str, Any]:
    """
    List what a reader in a hurry should know.

    Parameters
    ----------
    package : Package
        The package.
    most : int, default 5
        Alerts that are listed.

    Returns
    -------
    dict
        For the template.
    """
    language = package.language
    rows = []
    for dossier in package.dossiers[:most]:
        verdict, seen = dossier.alert.verdict, dossier.alert.site.latest.disturbance
        rows.append(
            [
                str(dossier.place),
                dossier.short_name,
                pick(language, CATEGORY_LABELS[verdict.category]),
                pick(language, CERTAINTY_LABELS[verdict.certainty]),
                mu(seen.area_m2),
                mu(dossier.grown_m2) if dossier.grown_m2 > 0 else "—",
                phase_words(language, dossier),
                case_words(language, dossier),
            ]
        )
    columns = [
        (("序", "no."), 8, "right"),
        (("简号", "short"), 16, "left"),
        (("类别", "category"), 34, "left"),
        (("把握", "certainty"), 15, "left"),
        (("亩", "mu"), 12, "right"),
        (("近90天新增", "in 90 days"), 20, "right"),
        (("活动", "phase"), 32, "left"),
        (("办理", "case"), 37, "left"),
    ]
    return table(language, columns, rows)


def phase_words(language: Language, dossier: Dossier) -> str:
    """
    Say where a site is in its life.

    Parameters
    ----------
    language : Language
        Which.
    dossier : Dossier
        The alert.

    Returns
    -------
    str
        A dash where no observation was kept.
    """
    return "—" if dossier.phase is None else pick(language, PHASE_LABELS[dossier.phase])


def counties_of(package: Package, dossier: Dossier) -> str:
    """
    Name the counties of an alert.

    Parameters
    ----------
    package : Package
        The package.
    dossier : Dossier
        The alert.

    Returns
    -------
    str
        Names, or codes where nobody gave a name.
    """
    codes = codes_of(dossier)
    named = [brief(package.names.get(code, code), 20) for code in codes]
    return pick(package.language, ("、", ", ")).join(named)


def codes_of(dossier: Dossier) -> tuple[str, ...]:
    """
    Give the codes of the counties of an alert.

    Parameters
    ----------
    dossier : Dossier
        The alert.

    Returns
    -------
    tuple of str
        The district's own where the alert names none.
    """
    return dossier.alert.county_codes or (dossier.alert.site.district,)


def is_high(dossier: Dossier) -> bool:
    """
    Say whether an alert is of the high tier.

    Parameters
    ----------
    dossier : Dossier
        The alert.

    Returns
    -------
    bool
        True where it is.
    """
    return dossier.alert.site.latest.disturbance.tier is Tier.HIGH
