"""Sections that the report of a county and the summary of a province have in common."""

import math
from collections import Counter
from typing import Any, Final

from rsmonitor.io.deliver.legend import CATEGORY_COLOURS
from rsmonitor.io.deliver.report.coverage import share_seen
from rsmonitor.io.deliver.report.words import mu, percent, pick
from rsmonitor.records.case import CaseState, Level
from rsmonitor.records.package import NEWS_LABELS, Dossier, News, Package
from rsmonitor.records.verdict import CATEGORY_LABELS, Category

Figure = dict[str, str]

_NONE: Final = (
    (
        "本期没有在册线索。这只说明在看到的地方未发现符合条件的变化；看到了多少，见"
        "“未观测到的范围”。"
    ),
    (
        "No alert stands this week. That says only that no change was found where the "
        "ground was seen; how much was seen stands under 'What was not observed'."
    ),
)
_ORDER: Final = (
    (
        "排序依次看：是否未办结；变化是否已确认；目前是否仍有活动；类别轻重；采矿类成因"
        "概率（低于三分之一、至三分之二、以上三档）；是否位于限制区；是否停滞后再次活动"
        "；"
        "近90天新增面积；总面积。"
    ),
    (
        "The order asks in turn: is it unsettled; is the change confirmed; is anything "
        "still going on; how serious is the category; how probable is mining (under a "
        "third, to two thirds, above); does it lie in a restriction; did it begin "
        "again; "
        "how much grew in 90 days; how large is it."
    ),
)
"""As `rsmonitor.stages.attention.by_attention` orders them."""


def figures(package: Package) -> list[Figure]:
    """
    Count the week.

    Parameters
    ----------
    package : Package
        The package.

    Returns
    -------
    list of dict
        ``value``, ``label`` and ``tone``: ``accent`` where something presses.
    """
    language = package.language
    news = Counter(dossier.news for dossier in package.dossiers)
    seen = [dossier.alert.site.latest.disturbance for dossier in package.dossiers]
    counts = [
        *((news[each], NEWS_LABELS[each]) for each in News),
        (mu(math.fsum(each.area_m2 for each in seen)), ("面积（亩）", "area, mu")),
        (sum(map(is_open, package.dossiers)), ("未办结", "open cases")),
        (sum(d.days_overdue > 0 for d in package.dossiers), ("逾期", "overdue")),
        (percent(share_seen(package), language), ("本周可见", "seen this week")),
    ]
    return [
        {
            "value": str(value),
            "label": pick(language, label),
            "tone": "accent" if label[1] == "overdue" and value else "plain",
        }
        for value, label in counts
    ]


def is_open(dossier: Dossier) -> bool:
    """
    Say whether a case is still in the hands of the bureau.

    Parameters
    ----------
    dossier : Dossier
        The alert.

    Returns
    -------
    bool
        As the figures of a county count it: neither closed nor with others.
    """
    done = {CaseState.CLOSED, CaseState.ENDED, CaseState.TRANSFERRED}
    return dossier.case is not None and dossier.case.state not in done


def waiting(package: Package) -> tuple[Dossier, ...]:
    """
    Find the alerts that somebody still has to deal with.

    Parameters
    ----------
    package : Package
        The package.

    Returns
    -------
    tuple of Dossier
        What is open, overdue, or has changed since it was closed; what is overdue for
        longest comes first, then in the order of attention.
    """
    mine = [
        dossier
        for dossier in package.dossiers
        if is_open(dossier)
        or dossier.days_overdue > 0
        or (dossier.case is not None and dossier.case.changed_since)
    ]
    return tuple(sorted(mine, key=lambda each: (-each.days_overdue, each.place)))


def categories(package: Package) -> list[dict[str, Any]]:
    """
    Count the alerts by category.

    Parameters
    ----------
    package : Package
        The package.

    Returns
    -------
    list of dict
        In the order of `Category`; ``share`` of the largest count.
    """
    counts = Counter(each.alert.verdict.category for each in package.dossiers)
    most = max(counts.values(), default=1)
    return [
        {
            "label": pick(package.language, CATEGORY_LABELS[category]),
            "count": counts[category],
            "share": counts[category] / most,
            "colour": CATEGORY_COLOURS[category],
        }
        for category in Category
        if counts[category]
    ]


def budget_words(package: Package) -> list[str]:
    """
    Say how many alerts get a page, why no more, and how the order comes about.

    Parameters
    ----------
    package : Package
        The package.

    Returns
    -------
    list of str
        Paragraphs.
    """
    language, total = package.language, len(package.dossiers)
    if total == 0:
        return [pick(language, _NONE)]
    shown = len(package.paged)
    if package.area.level is Level.COUNTY:
        shape = (
            (
                f"在册 {total} 条线索中，最前的 {shown} 条各附一页，其余 "
                f"{total - shown} "
                "条列表。"
            ),
            (
                f"Of {total} standing alerts the first {shown} get a page each, the "
                "other "
                f"{total - shown} a line in a list."
            ),
        )
    else:
        shape = (
            f"在册 {total} 条线索中，最前的 {shown} 条附简要说明，其余见各县周报。",
            (
                f"Of {total} standing alerts the first {shown} are described here, the "
                "others in the reports of the counties."
            ),
        )
    why = (
        (
            f"一周内能认真核查的数量有限，上限（{package.pages}）由设置 deliver.pages "
            "规定；未附说明的线索同样有效。"
        ),
        (
            " How many can be looked at well in a week is limited: deliver.pages sets "
            f"{package.pages}. The others are no less valid."
        ),
    )
    told = [] if package.precision is None else [package.precision[language]]
    return [pick(language, shape) + pick(language, why), pick(language, _ORDER), *told]
