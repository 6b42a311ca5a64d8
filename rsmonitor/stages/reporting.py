"""What became of the alerts of a year: counts and areas, handled and open, cleared.

Alerts are counted in the year and month in which they were first seen from space, which
no re-run moves. Ground that began to change in the year counts as grown in it, also at
sites of earlier years.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rsmonitor.records.alert import Alert
from rsmonitor.records.event import Event, EventKind
from rsmonitor.records.finding import FINDING_KINDS
from rsmonitor.records.licence import Licence
from rsmonitor.records.lifecycle import Phase
from rsmonitor.records.site import Site, SiteState
from rsmonitor.records.verdict import CATEGORY_LABELS, Category
from rsmonitor.stages.precision import (
    TierPrecision,
    Triage,
    judgement_of,
    precision_by_tier,
)

CLEARED: Final = frozenset(
    {
        SiteState.RECOVERING.value,
        Phase.CLEARED.value,
        Phase.RESTORING.value,
        Phase.RECOVERED_VEGETATION.value,
    }
)
"""States and phases in which the last clear looks no longer see disturbed ground."""

NOBODY: Final = ("", "无登记权利人", "no holder known to the register")
"""Key and labels of the alerts that no right touches."""

_MERGED: Final = SiteState.MERGED.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One alert, and what became of it."""

    alert: Alert
    """The last that was said of it."""

    state: str
    """`SiteState` value of its site as it is now."""

    phase: str | None = None
    """`Phase` value of its site, where its life was read; else `state` decides."""

    standing: bool
    """False where the alert was withdrawn or its site became part of another."""

    triages: tuple[Triage, ...] = ()
    """What people said of it, oldest first."""

    handling: str | None = None
    """How it was closed, such as 立案; None while it is open."""

    @property
    def cleared(self) -> bool:
        """True where imagery no longer sees disturbed ground: not 'accepted'."""
        return (self.phase or self.state) in CLEARED

    @property
    def year(self) -> int:
        """Year in which it was first seen."""
        return self.alert.site.latest.disturbance.began_by.year

    @property
    def month(self) -> int:
        """Month in which it was first seen."""
        return self.alert.site.latest.disturbance.began_by.month

    @property
    def area_m2(self) -> float:
        """Area as last seen, square metres."""
        return self.alert.site.latest.disturbance.area_m2

    def grown_m2(self, year: int) -> float:
        """
        Measure the ground that began to change in a year.

        Parameters
        ----------
        year : int
            Calendar year.

        Returns
        -------
        float
            Square metres.
        """
        return math.fsum(
            part.area_m2
            for part in self.alert.site.latest.disturbance.increments
            if part.began_by.year == year
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Counts and areas of some alerts."""

    key: str
    """Code of what they have in common."""

    zh: str
    """In Chinese."""

    en: str
    """In English."""

    alerts: int
    """Alerts first seen in the year."""

    area_m2: float
    """Their area as last seen, square metres."""

    grown_m2: float
    """Ground that began to change in the year, at older sites as well."""

    handled: int
    """Of the alerts, those that are closed."""

    open: int
    """Of the alerts, those that are not."""

    cleared: int
    """Of the alerts, those where imagery no longer sees disturbed ground."""

    not_cleared: int
    """Of the alerts, those where it still does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Yearly:
    """The table of a year."""

    year: int
    """Calendar year."""

    total: Row
    """Every alert once."""

    tables: Mapping[str, tuple[Row, ...]]
    """``county``, ``category``, ``month`` and ``holder``. An alert near a border, or
    that rights of two holders touch, stands in several rows."""

    handling: Mapping[str, int]
    """Closed alerts by how they were handled."""

    withdrawn: int
    """Alerts first seen in the year that stand no more; in no row."""

    merged: int
    """Alerts first seen in the year whose site became part of another; in no row."""

    precision: tuple[TierPrecision, ...]
    """Of the alerts first seen in the year that people judged, withdrawn included."""

    cases: tuple[Case, ...]
    """Those that stand, and were first seen or grew in the year; by alert id."""


def cases_of(
    alerts: Iterable[Sequence[Alert]],
    *,
    sites: Iterable[Site],
    standing: Collection[str],
    events: Iterable[Event],
    phases: Mapping[str, str] | None = None,
) -> tuple[Case, ...]:
    """
    Bring together what was said of each alert and what people did about it.

    Parameters
    ----------
    alerts : iterable of sequence of Alert
        All versions of each alert, oldest first.
    sites : iterable of Site
        All sites as they are now.
    standing : collection of str
        Ids of the alerts that stand.
    events : iterable of Event
        The chain, from its start. An event whose body is not understood says nothing.
    phases : mapping of str to str, optional
        `Phase` values by site id, where the life of a site was read.

    Returns
    -------
    tuple of Case
        By alert id; an alert of which nothing was ever said has none.
    """
    states = {site.site_id: site.state.value for site in sites}
    versions = {each[-1].site.site_id: each for each in alerts if each}
    triages: dict[str, list[Triage]] = {}
    closed: dict[str, str] = {}
    for event in events:
        body = _body(event)
        site_id = str(body.get("site_id", ""))
        if site_id not in versions:
            continue
        if event.kind in FINDING_KINDS:
            triage = _triage(event, body, versions[site_id])
            if triage is not None:
                triages.setdefault(site_id, []).append(triage)
        elif event.kind == EventKind.CLOSED:
            closed[site_id] = str(body.get("handling", "")) or "?"
        elif event.kind in {EventKind.DETECTED, EventKind.ASSIGNED}:
            # what came back, or was given to somebody, after it was closed is open
            closed.pop(site_id, None)
    return tuple(
        Case(
            alert=each[-1],
            state=states.get(site_id, each[-1].site.state.value),
            phase=(phases or {}).get(site_id),
            standing=each[-1].alert_id in standing,
            triages=tuple(triages.get(site_id, ())),
            handling=closed.get(site_id),
        )
        for site_id, each in sorted(versions.items())
    )


def yearly(
    year: int,
    cases: Iterable[Case],
    *,
    licences: Iterable[Licence],
    county_names: Mapping[str, str],
) -> Yearly:
    """
    Count the alerts of a year.

    Parameters
    ----------
    year : int
        Calendar year of the first clear look that saw the change.
    cases : iterable of Case
        Of all years.
    licences : iterable of Licence
        Who holds the rights that touch them.
    county_names : mapping of str to str
        Chinese names by GB/T 2260 code, where known.

    Returns
    -------
    Yearly
        The counts. Order of `cases` does not matter.
    """
    ordered = sorted(cases, key=lambda case: case.alert.alert_id)
    mine = [case for case in ordered if case.year == year]
    kept = [
        case
        for case in ordered
        if case.standing and (case.year == year or case.grown_m2(year) > 0)
    ]
    holders = {licence.licence_id: licence.holder for licence in licences}

    def by(keys: Callable[[Case], Iterable[tuple[str, str, str]]]) -> tuple[Row, ...]:
        groups: dict[tuple[str, str, str], list[Case]] = {}
        for case in kept:
            for key in dict.fromkeys(keys(case)):
                groups.setdefault(key, []).append(case)
        return tuple(_row(*key, groups[key], year) for key in sorted(groups))

    categories = {category: place for place, category in enumerate(Category)}
    by_category = by(lambda case: [_category(case.alert.verdict.category)])
    gone = [case for case in mine if not case.standing]
    return Yearly(
        year=year,
        total=_row("total", "合计", "total", kept, year),
        tables={
            "county": by(lambda case: _counties(case.alert, county_names)),
            "category": tuple(
                sorted(by_category, key=lambda row: categories[Category(row.key)])
            ),
            # growth of an older site is no alert of a month
            "month": tuple(
                _row(
                    f"{year}-{month:02d}",
                    f"{month}月",
                    f"{year}-{month:02d}",
                    [c for c in kept if c.year == year and c.month == month],
                    year,
                )
                for month in range(1, 13)
            ),
            "holder": by(lambda case: _holders(case.alert, holders)),
        },
        handling=dict(
            sorted(
                Counter(
                    case.handling
                    for case in kept
                    if case.handling is not None and case.year == year
                ).items()
            )
        ),
        withdrawn=sum(case.state != _MERGED for case in gone),
        merged=sum(case.state == _MERGED for case in gone),
        precision=precision_by_tier(triage for case in mine for triage in case.triages),
        cases=tuple(kept),
    )


def _row(key: str, zh: str, en: str, cases: Sequence[Case], year: int) -> Row:
    """Count some alerts."""
    seen = [case for case in cases if case.year == year]
    handled = sum(case.handling is not None for case in seen)
    cleared = sum(case.cleared for case in seen)
    return Row(
        key=key,
        zh=zh,
        en=en,
        alerts=len(seen),
        area_m2=math.fsum(case.area_m2 for case in seen),
        grown_m2=math.fsum(case.grown_m2(year) for case in cases),
        handled=handled,
        open=len(seen) - handled,
        cleared=cleared,
        not_cleared=len(seen) - cleared,
    )


def _category(category: Category) -> tuple[str, str, str]:
    """Give code and labels of a category."""
    return (category.value, *CATEGORY_LABELS[category])


def _counties(alert: Alert, names: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Give codes and names of the counties that an alert concerns."""
    if not alert.county_codes:
        return [("", "县区不详", "county not known")]
    return [(code, names.get(code, code), code) for code in alert.county_codes]


def _holders(alert: Alert, holders: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Give the holders of the rights that touch an alert."""
    named = [holders.get(each, "") or each for each in alert.verdict.licence_ids]
    return [(name, name, name) for name in named] or [NOBODY]


def _triage(
    event: Event, body: Mapping[str, Any], versions: Sequence[Alert]
) -> Triage | None:
    """Read a verdict of a person; None where it is not understood."""
    judgement = judgement_of(body.get("verdict"))
    if judgement is None:
        return None
    # what the person saw, where the event says so; else what was said last
    shown = next(
        (each for each in versions if each.version == body.get("version")),
        versions[-1],
    )
    return Triage(
        alert_id=shown.alert_id,
        tier=shown.site.latest.disturbance.tier,
        who=str(body.get("judged_by") or event.who),
        judgement=judgement,
    )


def _body(event: Event) -> Mapping[str, Any]:
    """Read what an event says."""
    body = json.loads(event.body)
    return body if isinstance(body, dict) else {}
