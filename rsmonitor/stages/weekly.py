"""The figures of a week: what is new, how counties stand, how weeks went."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import shapely
from shapely import MultiPolygon, Polygon

from rsmonitor.records.alert import Alert
from rsmonitor.records.case import Case, CaseState
from rsmonitor.records.licence import RegisterSnapshot
from rsmonitor.records.package import Area, CountyFigures, News, WeekCount
from rsmonitor.records.rasters import Tier
from rsmonitor.records.run import Coverage
from rsmonitor.records.week import IsoWeek
from rsmonitor.stages.cases import shanghai_day

TREND_WEEKS: Final = 12
"""Weeks of the trend."""

_DONE: Final = frozenset({CaseState.CLOSED, CaseState.ENDED, CaseState.TRANSFERRED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """In which weeks an alert was first and last heard of."""

    first: IsoWeek
    """Week of its first version."""

    last: IsoWeek
    """Week of its newest version."""

    def news(self, week: IsoWeek) -> News:
        """
        Say what is new about it.

        Parameters
        ----------
        week : IsoWeek
            The week that goes out.

        Returns
        -------
        News
            Against the week before.
        """
        if self.first >= week:
            return News.NEW
        return News.CHANGED if self.last >= week else News.STANDING


def spoken(said: Mapping[tuple[str, int], IsoWeek]) -> dict[str, Spoken]:
    """
    Find in which weeks alerts were heard of.

    Parameters
    ----------
    said : Mapping of tuple of str and int to IsoWeek
        By `Alert.alert_id` and `Alert.version`: the week of the run that said it first.

    Returns
    -------
    dict of str to Spoken
        By `Alert.alert_id`, withdrawn alerts included.
    """
    newest: dict[str, int] = {}
    first: dict[str, IsoWeek] = {}
    for (alert_id, version), week in said.items():
        newest[alert_id] = max(version, newest.get(alert_id, version))
        first[alert_id] = min(week, first.get(alert_id, week))
    return {
        alert_id: Spoken(first=first[alert_id], last=said[alert_id, version])
        for alert_id, version in newest.items()
    }


def county_figures(
    area: Area,
    alerts: Sequence[Alert],
    *,
    week: IsoWeek,
    cases: Mapping[str, Case],
    weeks: Mapping[str, Spoken],
    coverage: Sequence[Coverage],
) -> CountyFigures:
    """
    Count one county.

    Parameters
    ----------
    area : Area
        The county.
    alerts : sequence of Alert
        Its standing alerts.
    week : IsoWeek
        The week that goes out.
    cases : Mapping of str to Case
        By `Alert.alert_id`.
    weeks : Mapping of str to Spoken
        By `Alert.alert_id`.
    coverage : sequence of Coverage
        What was seen of the districts that watch it.

    Returns
    -------
    CountyFigures
        Its line in the summary.
    """
    monday = shanghai_day(week.end)
    theirs = [cases[a.alert_id] for a in alerts if a.alert_id in cases]
    watched = math.fsum(each.area_m2 for each in coverage)
    seen = math.fsum(each.share_seen * each.area_m2 for each in coverage)
    ids = [alert.alert_id for alert in alerts]
    return CountyFigures(
        area=area,
        standing=len(alerts),
        new=sum(i not in weeks or weeks[i].first >= week for i in ids),
        high=sum(a.site.latest.disturbance.tier is Tier.HIGH for a in alerts),
        open=sum(case.state not in _DONE for case in theirs),
        overdue=sum(case.days_overdue(monday) > 0 for case in theirs),
        area_m2=math.fsum(a.site.latest.disturbance.area_m2 for a in alerts),
        share_seen=seen / watched if watched else math.nan,
        by_category=dict(Counter(a.verdict.category.value for a in alerts)),
    )


def ranked(figures: Iterable[CountyFigures]) -> tuple[CountyFigures, ...]:
    """
    Order counties by what is to be done there.

    Parameters
    ----------
    figures : iterable of CountyFigures
        Counties.

    Returns
    -------
    tuple of CountyFigures
        Overdue cases first, then new alerts, then open cases, then area.
    """
    return tuple(
        sorted(
            figures,
            key=lambda f: (-f.overdue, -f.new, -f.open, -f.area_m2, f.area.code),
        )
    )


def trend(
    everything: Iterable[str],
    standing: Iterable[str],
    *,
    weeks: Mapping[str, Spoken],
    since: IsoWeek,
    week: IsoWeek,
) -> tuple[WeekCount, ...]:
    """
    Count the alerts of the last weeks.

    Parameters
    ----------
    everything : iterable of str
        `Alert.alert_id` of all that was ever said of an area, withdrawn alerts too.
    standing : iterable of str
        Of those that stand now.
    weeks : Mapping of str to Spoken
        By `Alert.alert_id`.
    since : IsoWeek
        Week of the first run. It is left out: what it found is what years of history
        had left behind.
    week : IsoWeek
        The week that goes out, which is the last one.

    Returns
    -------
    tuple of WeekCount
        At most `TREND_WEEKS` weeks, oldest first.
    """
    firsts = [weeks[each].first for each in everything if each in weeks]
    stand = [weeks[each].first for each in standing if each in weeks]
    return tuple(
        WeekCount(
            week=each,
            new=sum(first == each for first in firsts),
            standing=sum(first <= each for first in stand),
        )
        for back in reversed(range(TREND_WEEKS))
        for each in [IsoWeek.of(week.end - timedelta(days=7 * back, seconds=1))]
        if each > since
    )


def licences_near(
    register: RegisterSnapshot,
    alerts: Iterable[Alert],
    ground: Iterable[Polygon | MultiPolygon],
) -> RegisterSnapshot:
    """
    Keep the licences that an area's package shows.

    Parameters
    ----------
    register : RegisterSnapshot
        All licences.
    alerts : iterable of Alert
        The area's alerts.
    ground : iterable of Polygon or MultiPolygon
        Its border, or what is watched of it.

    Returns
    -------
    RegisterSnapshot
        Licences that an alert names, or that lie on the ground; of the same name.
    """
    named = {i for alert in alerts for i in alert.verdict.licence_ids}
    whole = shapely.union_all(list(ground))
    shapely.prepare(whole)
    kept = tuple(
        licence
        for licence in register.licences
        if licence.licence_id in named or whole.intersects(licence.geometry)
    )
    return RegisterSnapshot(snapshot_id=register.snapshot_id, licences=kept)
