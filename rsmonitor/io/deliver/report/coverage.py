"""What was seen week by week, and what was not: the trend, its rate, the coverage."""

import math
import statistics
from collections.abc import Sequence
from typing import Any, Final

from rsmonitor.io.deliver.report.lists import table
from rsmonitor.io.deliver.report.words import brief, percent, pick
from rsmonitor.records.package import Language, Package, WeekCount

FEWEST_WEEKS: Final = 8
"""Weeks below which no rate of alerts is told: it would be a guess."""


def trend(package: Package) -> dict[str, Any]:
    """
    Give the bars of the trend.

    Parameters
    ----------
    package : Package
        The package.

    Returns
    -------
    dict
        ``bars`` and what they show.
    """
    language = package.language
    return {
        "title": pick(language, ("每周新增线索（含后来撤回的）", "new alerts by week")),
        "standing": pick(language, ("周末在册", "standing")),
        "most": max((each.new for each in package.trend), default=0),
        "bars": [
            {
                "week": f"W{each.week.week:02d}",
                "new": each.new,
                "standing": each.standing,
            }
            for each in package.trend
        ],
    }


def expected_words(language: Language, weeks: Sequence[WeekCount]) -> str:
    """
    Say how many alerts a week brings, as far as it was measured here.

    Parameters
    ----------
    language : Language
        Which.
    weeks : sequence of WeekCount
        The trend, oldest first.

    Returns
    -------
    str
        Median and range; or that it is not measured yet.
    """
    known = list(weeks)
    if len(known) < FEWEST_WEEKS:
        return pick(
            language,
            (
                (
                    f"本区域每周新增数量尚未测得：可用记录 {len(known)} 周，"
                    f"至少需要 {FEWEST_WEEKS} 周。"
                ),
                (
                    f"How many a week brings here is not yet measured: {len(known)} "
                    "weeks "
                    f"of record, at least {FEWEST_WEEKS} are needed."
                ),
            ),
        )
    new = [each.new for each in known]
    middle, low, high = f"{statistics.median(new):g}", min(new), max(new)
    return pick(
        language,
        (
            (
                f"按本区域自身记录实测：最近 {len(known)} 周每周新增中位数 {middle} 条"
                "，"
                f"范围 {low} 至 {high} 条（含后来撤回的）。"
            ),
            (
                f"Measured on this area's own record: over the last {len(known)} weeks "
                f"a median of {middle} new alerts a week, from {low} to {high} "
                "(those that were withdrawn later included)."
            ),
        ),
    )


def share_seen(package: Package) -> float:
    """
    Give the share of what is watched that was seen clear in the week.

    Parameters
    ----------
    package : Package
        The package.

    Returns
    -------
    float
        0 to 1; NaN where nothing is watched.
    """
    watched = math.fsum(each.area_m2 for each in package.coverage)
    seen = math.fsum(each.share_seen * each.area_m2 for each in package.coverage)
    return seen / watched if watched else math.nan


def coverage(package: Package) -> dict[str, Any]:
    """
    Say what was seen and what was not.

    Parameters
    ----------
    package : Package
        The package.

    Returns
    -------
    dict
        A table, and sentences.
    """
    language = package.language
    total = math.fsum(each.area_m2 for each in package.coverage)
    seen = share_seen(package)
    hidden = math.nan if math.isnan(seen) else 1.0 - seen
    never = ("从未见到", "never seen")
    rows = [
        [
            brief(each.district, 30),
            each.grid_id,
            f"{each.area_m2 / 1e6:,.1f}",
            percent(each.share_seen, language),
            percent(each.share_monitored, language),
            pick(language, never)
            if math.isnan(each.median_days_since_clear)
            else f"{each.median_days_since_clear:.0f}",
            str(each.scenes_used),
            str(each.scenes_without_clear),
        ]
        for each in package.coverage
    ]
    sentence = pick(
        language,
        (
            "没有告警不等于没有开采：云、影、雪下的地面没有被看到。",
            (
                "No alert is not no mining: nobody saw the ground under cloud, shadow "
                "and "
                "snow."
            ),
        ),
    )
    share = (
        pick(language, ("本周没有覆盖资料。", "There is no record of what was seen."))
        if math.isnan(seen)
        else pick(
            language,
            (
                (
                    f"监测范围 {total / 1e6:,.1f} 平方千米，本周未见到 "
                    f"{percent(hidden, language)}。"
                ),
                (
                    f"Of {total / 1e6:,.1f} km² under watch "
                    f"{percent(hidden, language)} "
                    "was not seen this week."
                ),
            ),
        )
    )
    columns = [
        (("监测区", "district"), 3, "left"),
        (("格网", "grid"), 3, "left"),
        (("平方千米", "km²"), 2, "right"),
        (("本周可见", "seen this week"), 2, "right"),
        (("可监测", "monitored"), 2, "right"),
        (("距上次晴空（天，中位）", "days since clear (median)"), 3, "right"),
        (("使用影像", "scenes used"), 2, "right"),
        (("其中全无晴空", "without clear ground"), 2, "right"),
    ]
    return {
        "sentence": sentence,
        "share": share,
        "table": table(language, columns, rows),
    }
