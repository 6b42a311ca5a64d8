"""Observations of a site -> its life: phases with dates, recovery, what was not seen.

Everything here is read from the imagery. Greenness that has come back is not a
restoration that meets its standard, and no growth is not 'no mining': what goes on
below ground, or on ground that is bare already, does not show.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Final

import numpy as np
from shapely.geometry.base import BaseGeometry

from rsmonitor.records.licence import Licence, LicenceKind
from rsmonitor.records.lifecycle import (
    QUIET,
    Aftermath,
    Greenness,
    LifeCycle,
    LifeParameters,
    Observation,
    Period,
    Phase,
    Visibility,
)
from rsmonitor.records.parameters import EvidenceParameters
from rsmonitor.records.site import Site

YEAR: Final = timedelta(days=365)

TELLING: Final = 0.2
"""Expected NDVI below which greenness is no measure of anything."""

ENDED: Final = frozenset(
    {LicenceKind.CLOSED, LicenceKind.RESTORATION, LicenceKind.RECOVERY}
)
"""Kinds of places in which something must come to an end."""


def life_of(
    site: Site,
    observations: Iterable[Observation],
    *,
    parameters: LifeParameters | None = None,
) -> LifeCycle:
    """
    Read the life of a site from what was observed of it.

    Parameters
    ----------
    site : Site
        The site; its increments say when it grew.
    observations : iterable of Observation
        Of this site, in any order.
    parameters : LifeParameters, optional
        When it counts as quiet, greening or recovered.

    Returns
    -------
    LifeCycle
        Does not depend on the order of the observations. A look that was not clear
        changes no phase.

    Notes
    -----
    The recovery curve is the median over the last `quiet_looks` clear looks of the
    growing season of NDVI over the expected NDVI. A phase begins on the day of the look
    that showed it. While a site is quiet it goes on to the farthest of dormant,
    cleared, restoring and recovered that was shown; only growth or new loss of plants
    leads back, to restarted, and recovered vegetation that browns a little is
    restoring again.
    """
    how = parameters or LifeParameters()
    began = site.latest.disturbance.began_by
    rows = sorted(observations, key=lambda row: (row.day, row.look))
    clear = [row for row in rows if row.share_seen >= how.clear_share]
    area = growth_of(site, parameters=how)
    points = {point.row.look: point for point in _curve(clear, began=began, how=how)}
    walk = _Walk(site, how, [day for day, _ in area])
    for row in clear:
        if row.day >= began:
            walk.take(row, points.get(row.look))
    walk.finish()
    return LifeCycle(
        site_id=site.site_id,
        periods=walk.periods(),
        area=area,
        curve=tuple(point.greenness for point in points.values()),
        last_activity=walk.last_activity,
        bare_gone=walk.bare_gone(),
    )


def growth_of(
    site: Site, *, parameters: LifeParameters | None = None
) -> tuple[tuple[date, float], ...]:
    """
    Give the area of a site on each day on which it grew.

    Parameters
    ----------
    site : Site
        The site.
    parameters : LifeParameters, optional
        How small a growth does not count.

    Returns
    -------
    tuple of (date, float)
        Days in order, and the square metres that had begun by each; the first is the
        day on which it began. Growth that is too small to count goes with the next,
        what is left of it at the end with the last.
    """
    how = parameters or LifeParameters()
    seen = site.latest.disturbance
    by_day: dict[date, float] = {}
    for part in seen.increments:
        by_day[part.began_by] = by_day.get(part.began_by, 0.0) + part.area_m2
    (first, area), *later = sorted(by_day.items())
    steps = [(min(first, seen.began_by), area)]
    pending = 0.0
    for day, more in later:
        pending += more
        if pending >= how.growth_m2:
            steps.append((day, steps[-1][1] + pending))
            pending = 0.0
    steps[-1] = (steps[-1][0], steps[-1][1] + pending)
    return tuple(steps)


def visibility_of(
    observations: Iterable[Observation],
    *,
    looks_to_confirm: int,
    parameters: LifeParameters | None = None,
) -> Visibility:
    """
    Say what could not be seen of a site, and how late a change there would be known.

    Parameters
    ----------
    observations : iterable of Observation
        Of one site, in any order; looks that were not clear included.
    looks_to_confirm : int
        See `looks_to_confirm`.
    parameters : LifeParameters, optional
        What counts as a clear look.

    Returns
    -------
    Visibility
        Of the year up to the last look; the time from the last clear look to the last
        look is a gap too.
    """
    how = parameters or LifeParameters()
    rows = sorted(observations, key=lambda row: (row.day, row.look))
    clear = sorted({row.day for row in rows if row.share_seen >= how.clear_share})
    last_clear = clear[-1] if clear else None
    since = {row.look for row in rows if last_clear is None or row.day > last_clear}
    recent = [day for day in clear if day > rows[-1].day - YEAR] if rows else []
    gaps = [(later - earlier).days for earlier, later in pairwise(recent)]
    if gaps and rows[-1].day > recent[-1]:
        gaps.append((rows[-1].day - recent[-1]).days)
    return Visibility(
        last_clear=last_clear,
        looks_since=len(since),
        clear_looks=len(recent),
        gap_median_days=float(np.median(gaps)) if gaps else None,
        gap_90_days=float(np.quantile(gaps, 0.9, method="higher")) if gaps else None,
        looks_to_confirm=looks_to_confirm,
    )


def looks_to_confirm(evidence: EvidenceParameters) -> int:
    """
    Say how many clear looks confirm a change, at least.

    Parameters
    ----------
    evidence : EvidenceParameters
        The sequential test.

    Returns
    -------
    int
        No look adds more than `clip`, and `high` confirms.

    Examples
    --------
    >>> looks_to_confirm(EvidenceParameters())
    3
    """
    return math.ceil(evidence.high / evidence.clip)


def aftermath_of(
    site: Site, life: LifeCycle, licences: Iterable[Licence]
) -> tuple[Aftermath, ...]:
    """
    Say what became of a site in each place where something must come to an end.

    Parameters
    ----------
    site : Site
        The site.
    life : LifeCycle
        Its life.
    licences : iterable of Licence
        The register; closed sites, restoration and recovery projects count.

    Returns
    -------
    tuple of Aftermath
        By licence id and kind. Where the register gives no date, no date is given.

    Notes
    -----
    Nothing may go on in a closed site and in a restoration project from the first day
    of validity, and where a recovery project was from the day after its last. What a
    site was on that day already, it was on that day.
    """
    places = (licence for licence in licences if licence.kind in ENDED)
    told = {
        (licence.licence_id, licence.kind.value, _end_of(licence)): licence
        for licence in places
        if _shares_area(site.latest.disturbance.geometry, licence.geometry)
    }
    return tuple(
        _after(life, told[key])
        for key in sorted(told, key=lambda key: (*key[:2], key[2] or date.min))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    """A point of the recovery curve, and the look that completed it."""

    row: Observation
    greenness: Greenness
    bare: float


def _curve(
    clear: Sequence[Observation], *, began: date, how: LifeParameters
) -> Iterator[_Point]:
    """Give the recovery curve: medians over a few looks of the growing season."""
    expected = {row.look: row.expected for row in clear}
    top = max((value for value in expected.values() if value is not None), default=0.0)
    least = max(TELLING, how.growing_season * top)
    green = [
        (row, row.ndvi, value)
        for row in clear
        if row.day >= began
        and row.ndvi is not None
        and (value := expected[row.look]) is not None
        and value >= least
    ]
    for last in range(how.quiet_looks - 1, len(green)):
        few = green[last - how.quiet_looks + 1 : last + 1]
        beside = [
            ndvi / row.ring
            for row, ndvi, _ in few
            if row.ring is not None and row.ring > TELLING
        ]
        row = green[last][0]
        yield _Point(
            row=row,
            greenness=Greenness(
                day=row.day,
                own=round(
                    float(np.median([ndvi / value for _, ndvi, value in few])), 4
                ),
                beside=round(float(np.median(beside)), 4) if beside else None,
            ),
            bare=float(np.median([each.bare_share or 0.0 for each, _, _ in few])),
        )


_ORDER: Final = (
    Phase.DORMANT,
    Phase.CLEARED,
    Phase.RESTORING,
    Phase.RECOVERED_VEGETATION,
)
"""How far a quiet site has come."""


class _Walk:
    """The phases of a site, look by look."""

    def __init__(self, site: Site, how: LifeParameters, grew: Sequence[date]) -> None:
        seen = site.latest.disturbance
        self.how = how
        self.began = seen.began_by
        self.confirmed = seen.confirmed
        self.last_activity = grew[0]
        self.phases: list[tuple[date, Phase]] = [(grew[0], Phase.NEW)]
        self._growth = list(grew[1:])
        self._quiet_from = grew[0]
        self._held_since: date | None = None
        self._gone: list[date] = []  # when bare spots went, came back, went, ...
        self._looks = 0
        self._lowest, self._best, self._barest = math.inf, -math.inf, 0.0

    @property
    def phase(self) -> Phase:
        """The phase that lasts."""
        return self.phases[-1][1]

    def take(self, row: Observation, point: _Point | None) -> None:
        """Take a clear look."""
        self._happened(row.day)
        self._looks += 1
        if point is not None:
            self._browned(point)
        confirmed = self.confirmed is not None and self.confirmed <= row.day
        quiet = (
            confirmed
            and (row.day - self._quiet_from).days >= self.how.quiet_days
            and self._looks > self.how.quiet_looks
        )
        if quiet:
            self._enter(row.day, self._quiet_phase(row.day, point))

    def finish(self) -> None:
        """Take what was dated by looks that were not clear of most of the site."""
        self._happened(date.max)

    def periods(self) -> tuple[Period, ...]:
        """Give the phases with their ends."""
        untils = [day for day, _ in self.phases[1:]]
        return tuple(
            Period(phase=phase, since=day, until=until)
            for (day, phase), until in zip(self.phases, [*untils, None], strict=True)
        )

    def bare_gone(self) -> tuple[tuple[date, date | None], ...]:
        """Give the times in which the bare spots that it had were gone."""
        ends = [*self._gone, None]
        return tuple((went, ends[2 * i + 1]) for i, went in enumerate(self._gone[::2]))

    def _happened(self, day: date) -> None:
        """Take growth and confirmation up to a day, in order."""
        while self._growth and self._growth[0] <= day:
            grew = self._growth.pop(0)
            self._confirm(grew)
            self._activity(grew)
        self._confirm(day)

    def _confirm(self, day: date) -> None:
        """Be active from the day of confirmation on."""
        if (
            self.phase is Phase.NEW
            and self.confirmed is not None
            and self.confirmed <= day
        ):
            self._enter(max(self.confirmed, self.last_activity), Phase.ACTIVE)
            self._quiet_from = max(self.confirmed, self.last_activity)
            self._looks = 0

    def _activity(self, day: date) -> None:
        """Take growth or new loss: a quiet site starts again."""
        if self.phase in QUIET:
            self._enter(day, Phase.RESTARTED)
        self.last_activity = max(day, self.last_activity)
        self._quiet_from = self.last_activity
        self._looks = 0
        self._lowest, self._best = math.inf, -math.inf
        self._held_since = None

    def _browned(self, point: _Point) -> None:
        """Follow the recovery curve; a marked fall from its best is a new loss."""
        # greener than expected is haze over the ring, not a height to fall from
        own, beside = min(point.greenness.own, 1.0), point.greenness.beside
        fell = self.phase in QUIET and own <= self._best - self.how.greening
        if fell:
            self._activity(point.row.day)
        self._lowest, self._best = min(self._lowest, own), max(self._best, own)
        self._barest = max(self._barest, point.bare)
        if point.bare >= self.how.bare_before:
            self._gone += [point.row.day] * (len(self._gone) % 2)
        elif point.bare <= self.how.bare_after and self._barest >= self.how.bare_before:
            self._gone += [point.row.day] * (1 - len(self._gone) % 2)
        if own < self.how.recovered or (beside or 0.0) < self.how.recovered:
            self._held_since = None
        elif self._held_since is None:
            self._held_since = point.row.day

    def _quiet_phase(self, day: date, point: _Point | None) -> Phase:
        """Give the phase of a site at which nothing goes on."""
        before = self.phase if self.phase in QUIET else Phase.DORMANT
        if point is None:
            return before
        shown = Phase.DORMANT
        if self._barest >= self.how.bare_before and point.bare <= self.how.bare_after:
            shown = Phase.CLEARED
        own = min(point.greenness.own, 1.0)
        if self._lowest <= self.how.lost and own >= self._lowest + self.how.greening:
            shown = Phase.RESTORING
        if shown is Phase.RESTORING and self._held_since is not None:
            held = (day - self._held_since).days
            if held >= self.how.recovered_days:
                return Phase.RECOVERED_VEGETATION
        if before is Phase.RECOVERED_VEGETATION:
            # a dry week makes no difference; a little more than that does
            slack = self.how.recovered - self.how.greening / 3
            return before if own >= slack else Phase.RESTORING
        return max(before, shown, key=_ORDER.index)

    def _enter(self, day: date, phase: Phase) -> None:
        """Begin a phase; one that lasts no day was none."""
        if phase is self.phase:
            return
        day = max(day, self.phases[-1][0])
        if self.phases[-1][0] == day and len(self.phases) > 1:
            self.phases.pop()
            if self.phase is phase:
                return
        self.phases.append((day, phase))


def _shares_area(one: BaseGeometry, other: BaseGeometry) -> bool:
    """Tell whether two outlines share more than an edge."""
    return bool(one.intersects(other) and one.intersection(other).area > 0)


def _end_of(licence: Licence) -> date | None:
    """Give the first day on which nothing may go on any more."""
    if licence.kind is LicenceKind.RECOVERY:
        return licence.valid_to
    return licence.valid_from


def _after(life: LifeCycle, licence: Licence) -> Aftermath:
    """Date what became of a site since something had to end."""
    since = _end_of(licence)
    first: dict[str, date | None] = dict.fromkeys(
        ("cleared", "regreening", "recovered_vegetation", "started_again")
    )
    names = {
        Phase.RESTORING: "regreening",
        Phase.RECOVERED_VEGETATION: "recovered_vegetation",
        Phase.RESTARTED: "started_again",
    }
    if since is not None:
        for period in life.periods:
            name = names.get(period.phase)
            over = period.until is not None and period.until <= since
            if name is not None and not over and first[name] is None:
                first[name] = max(period.since, since)
        # bare spots may go while plants come already, and then there is no such phase
        first["cleared"] = next(
            (
                max(went, since)
                for went, back in life.bare_gone
                if back is None or back > since
            ),
            None,
        )
        # what grew after the end need not have been quiet before it
        grew = [day for day, _ in life.area if day > since]
        restarted = [
            period.since
            for period in life.periods
            if period.phase is Phase.RESTARTED and period.since > since
        ]
        first["started_again"] = min([*grew, *restarted], default=None)
    return Aftermath(
        site_id=life.site_id,
        licence_id=licence.licence_id,
        kind=licence.kind,
        since=since,
        **first,
    )
