"""Which weeks are over, and when their runs are done."""

from datetime import date, datetime, timedelta
from typing import Final

from rsmonitor.errors import SettingsError
from rsmonitor.interfaces import Clock
from rsmonitor.io.foundation.clock import FixedClock
from rsmonitor.records.licence import SHANGHAI
from rsmonitor.records.week import IsoWeek

FIRST_SCENE: Final = date(2015, 6, 27)
"""Sentinel-2A sent its first images on this day."""


def last_whole_week(until: date | None, clock: Clock) -> IsoWeek:
    """
    Give the newest week that is over.

    Parameters
    ----------
    until : date, optional
        Last day to look at; yesterday by default.
    clock : Clock
        Knows today.

    Returns
    -------
    IsoWeek
        The last week whose Sunday is not after `until`.

    Raises
    ------
    SettingsError
        If the day is not over, or before there was any scene.
    """
    yesterday = clock.now().astimezone(SHANGHAI).date() - timedelta(days=1)
    day = yesterday if until is None else until
    if not FIRST_SCENE <= day <= yesterday:
        raise SettingsError(
            f"--until {day} must be from {FIRST_SCENE}, the first scenes of "
            f"Sentinel-2, to {yesterday}, because a day counts when it is over"
        )
    sunday = day - timedelta(days=day.isoweekday() % 7)
    midnight = datetime.combine(sunday, datetime.min.time(), SHANGHAI)
    return IsoWeek.of(midnight)


def weeks_between(first_day: date, last: IsoWeek) -> tuple[IsoWeek, ...]:
    """
    List weeks from the one that holds a day to another one.

    Parameters
    ----------
    first_day : date
        A day of the first week.
    last : IsoWeek
        The last week.

    Returns
    -------
    tuple of IsoWeek
        In order; empty if `last` is before the first.
    """
    week = IsoWeek.of(datetime.combine(first_day, datetime.min.time(), SHANGHAI))
    weeks = []
    while week <= last:
        weeks.append(week)
        week = week.next()
    return tuple(weeks)


def monday_morning(week: IsoWeek) -> Clock:
    """
    Give the clock of a run that is done on the Monday after a week.

    Parameters
    ----------
    week : IsoWeek
        The week that is over.

    Returns
    -------
    Clock
        Monday 06:00 in Shanghai, standing still: a replay has no other time.
    """
    return FixedClock(week.end + timedelta(hours=6))
