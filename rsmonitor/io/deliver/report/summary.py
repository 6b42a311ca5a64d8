"""What the summary of a prefecture or a province adds: ranking and short entries."""

import math
from collections.abc import Sequence
from typing import Any, Final

from rsmonitor.io.deliver.legend import TIER_LABELS
from rsmonitor.io.deliver.report.case import case_words
from rsmonitor.io.deliver.report.coverage import share_seen
from rsmonitor.io.deliver.report.lists import codes_of, counties_of, is_high, table
from rsmonitor.io.deliver.report.sections import (
    is_open,
)
from rsmonitor.io.deliver.report.words import (
    area_name,
    area_words,
    brief,
    decimal_place,
    interval,
    mu,
    percent,
    pick,
)
from rsmonitor.records.case import Level
from rsmonitor.records.disturbance import CAUSE_LABELS
from rsmonitor.records.package import NEWS_LABELS, Dossier, News, Package
from rsmonitor.records.verdict import CATEGORY_LABELS, CERTAINTY_LABELS

_PREFECTURE_DIGITS: Final = 4

_COLUMNS: Final = [
    (("位次", "rank"), 2, "right"),
    (("县", "county"), 7, "left"),
    (("在册", "standing"), 3, "right"),
    (("新增", "new"), 3, "right"),
    (("高等级", "high tier"), 3, "right"),
    (("未办结", "open"), 3, "right"),
    (("逾期", "overdue"), 3, "right"),
    (("面积（亩）", "area, mu"), 4, "right"),
    (("本周可见", "seen"), 4, "right"),
]


def ranking(package: Package) -> dict[str, Any]:
    """
    Rank the counties, and add them up.

    Parameters
    ----------
    package : Package
        Of a prefecture or a province.

    Returns
    -------
    dict
        A table; ``sums`` says how many rows at its end are totals.
    """
    language = package.language
    rows = [
        [
            str(rank),
            area_name(package, each.area),
            str(each.standing),
            str(each.new),
            str(each.high),
            str(each.open),
            str(each.overdue),
            mu(each.area_m2),
            percent(each.share_seen, language),
        ]
        for rank, each in enumerate(package.counties, start=1)
    ]
    sums = []
    if package.area.level is Level.PROVINCE:
        codes = sorted(
            {each.area.code[:_PREFECTURE_DIGITS] for each in package.counties}
        )
        for code in codes:
            mine = [
                dossier
                for dossier in package.dossiers
                if any(each.startswith(code) for each in codes_of(dossier))
            ]
            name = brief(package.names.get(code, code), 30)
            said = pick(language, (f"{name}小计", f"{name}, subtotal"))
            # what was seen is known by grid, which no prefecture's border follows
            sums.append(_sum_row(mine, said, "—"))
    whole = pick(language, ("合计", "total"))
    sums.append(
        _sum_row(package.dossiers, whole, percent(share_seen(package), language))
    )
    return table(language, _COLUMNS, [*rows, *sums]) | {"sums": len(sums)}


def short_entry(package: Package, dossier: Dossier) -> dict[str, Any]:
    """
    Say the most important of one alert.

    Parameters
    ----------
    package : Package
        The package.
    dossier : Dossier
        The alert.

    Returns
    -------
    dict
        For the template.
    """
    language = package.language
    seen, verdict = dossier.alert.site.latest.disturbance, dossier.alert.verdict
    cause = dossier.alert.site.latest.cause
    chance = percent(dossier.alert.site.latest.causes[cause], language)
    sure = pick(language, CERTAINTY_LABELS[verdict.certainty])
    return {
        "place": str(dossier.place),
        "short": dossier.short_name,
        "id": dossier.alert.alert_id,
        "category": pick(language, CATEGORY_LABELS[verdict.category]),
        "county": counties_of(package, dossier),
        "lines": [
            " · ".join(
                [
                    area_words(language, seen.area_m2),
                    pick(language, ("证据等级 ", "evidence "))
                    + pick(language, TIER_LABELS[seen.tier]),
                    pick(language, ("把握 ", "certainty ")) + sure,
                    pick(language, NEWS_LABELS[dossier.news]),
                ]
            ),
            pick(language, ("开始 ", "began "))
            + interval(language, seen.began_after, seen.began_by),
            pick(language, ("可能成因 ", "probable cause "))
            + f"{pick(language, CAUSE_LABELS[cause])} {chance}",
            decimal_place(dossier.point),
            pick(language, ("办理 ", "case ")) + case_words(language, dossier),
        ],
    }


def _sum_row(dossiers: Sequence[Dossier], name: str, seen: str) -> list[str]:
    """Add up alerts, each once."""
    return [
        "",
        name,
        str(len(dossiers)),
        str(sum(each.news is News.NEW for each in dossiers)),
        str(sum(map(is_high, dossiers))),
        str(sum(map(is_open, dossiers))),
        str(sum(each.days_overdue > 0 for each in dossiers)),
        mu(math.fsum(each.alert.site.latest.disturbance.area_m2 for each in dossiers)),
        seen,
    ]
