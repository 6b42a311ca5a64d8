"""What is due: runs, deliveries, verification and pruning, by the clock of Shanghai.

Everything is worked out anew from what was done and what time it is, so nothing is
missed while nobody watches, and nothing is done twice. What failed is tried again, ever
less often. A clock that was set back makes at most one more verification and pruning.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from rsmonitor.errors import ContractError
from rsmonitor.records.licence import SHANGHAI
from rsmonitor.records.week import IsoWeek

GIVE_UP: Final = 5
"""Failures in a row after which a missed week is passed over: a later run looks at its
scenes as well."""

_LONGEST_PAUSE: Final = timedelta(hours=6)
_WEEK: Final = timedelta(days=7)
_DAY: Final = timedelta(days=1)
_MINUTES_A_DAY: Final = 24 * 60


class TaskKind(StrEnum):
    """What can be due, in the order in which it is done."""

    VERIFY = "verify"
    """Is the chain of the ledger whole?"""

    PRUNE = "prune"
    """Old scenes are removed; a full disk is better emptied before a run."""

    RUN = "run"
    """One week of one district."""

    DELIVER = "deliver"
    """The packages of the week, of all districts."""


_ORDER: Final = {kind: place for place, kind in enumerate(TaskKind)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """When what may begin; times of day are minutes since midnight in Shanghai."""

    run_at: int = 360
    """Monday: the week before is run."""

    deliver_at: int = 480
    """Monday: it is delivered."""

    verify_at: int = 300
    """Monday: the chain is verified."""

    prune_at: int = 240
    """Every day: old scenes are removed."""

    deliver_grace_hours: int = 24
    """So long districts that were not run are waited for."""

    catch_up_weeks: int = 8
    """Missed weeks that are run one by one."""

    retry_minutes: int = 30
    """Until what failed is tried again for the first time."""

    def __post_init__(self) -> None:
        for name, least, most in (
            ("run_at", 0, _MINUTES_A_DAY - 1),
            ("deliver_at", 0, _MINUTES_A_DAY - 1),
            ("verify_at", 0, _MINUTES_A_DAY - 1),
            ("prune_at", 0, _MINUTES_A_DAY - 1),
            ("deliver_grace_hours", 0, 120),
            ("catch_up_weeks", 1, 520),
            ("retry_minutes", 1, 360),
        ):
            if not least <= getattr(self, name) <= most:
                raise ContractError(
                    f"schedule.{name} must be {least} to {most}, got "
                    f"{getattr(self, name)}"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One district, and how far its ledger is."""

    district: str
    """`District.code`."""

    first_week: IsoWeek
    """First week that ends after the history."""

    last_week: IsoWeek | None = None
    """Last week that was run; None: it is new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Something that is due."""

    kind: TaskKind
    """What."""

    district: str = ""
    """Of which district; empty where it concerns all."""

    week: IsoWeek | None = None
    """Of which week; None where it has none."""

    covered: tuple[str, ...] = ()
    """Delivery: districts that were run for the week."""

    first: bool = False
    """True where a district begins: its whole history is read."""

    @property
    def name(self) -> str:
        """What logs call it."""
        parts = (self.kind.value, self.district, str(self.week or ""))
        return " ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The last time that something was done."""

    task: Task
    """What."""

    at: datetime
    """When it ended, UTC."""

    code: int
    """Its exit code."""

    failures: int = 0
    """How often in a row the same failed; 0: it succeeded."""

    seconds: float = 0.0
    """How long it took."""

    said: str = ""
    """Its last words where it failed."""

    def after(self, before: "Attempt | None") -> "Attempt":
        """
        Count the failures in a row.

        Parameters
        ----------
        before : Attempt or None
            The one before of its kind and district.

        Returns
        -------
        Attempt
            This one, counted.
        """
        same = before is not None and _is_same(before.task, self.task)
        earlier = before.failures if before is not None and same else 0
        return Attempt(
            task=self.task,
            at=self.at,
            code=self.code,
            failures=earlier + 1 if self.failures else 0,
            seconds=self.seconds,
            said=self.said,
        )


def newest_week(timetable: Timetable, now: datetime) -> IsoWeek:
    """
    Give the newest week whose run may begin.

    Parameters
    ----------
    timetable : Timetable
        When what may begin.
    now : datetime
        The time, UTC.

    Returns
    -------
    IsoWeek
        It is over, and its Monday has come to `Timetable.run_at`.

    Examples
    --------
    >>> monday = datetime(2021, 1, 3, 22, 0, tzinfo=UTC)  # 06:00 in Shanghai
    >>> str(newest_week(Timetable(), monday))
    '2020-W53'
    >>> str(newest_week(Timetable(), monday - timedelta(seconds=1)))
    '2020-W52'
    """
    return IsoWeek.of(now - _WEEK - timedelta(minutes=timetable.run_at))


def due_tasks(
    timetable: Timetable,
    watched: Sequence[Watched],
    attempts: Iterable[Attempt],
    now: datetime,
    *,
    prunes: bool = True,
) -> tuple[Task, ...]:
    """
    List what is due now.

    Of each district at most one week is due at a time, the earliest that was missed.

    Parameters
    ----------
    timetable : Timetable
        When what may begin.
    watched : sequence of Watched
        The districts of one settings file.
    attempts : iterable of Attempt
        The last of each kind and district.
    now : datetime
        The time, UTC.
    prunes : bool, default True
        False where no scenes are kept that could be removed.

    Returns
    -------
    tuple of Task
        In the order in which it is done; missed weeks oldest first.
    """
    last = {(each.task.kind, each.task.district): each for each in attempts}
    wanted = [
        *_weekly(TaskKind.VERIFY, _monday(now, timetable.verify_at), last, now),
        *_weekly(TaskKind.PRUNE, _daily(now, timetable.prune_at), last, now),
        *(_run(timetable, each, last, now) for each in watched),
        _delivery(timetable, watched, last, now),
    ]
    # without a run there is no ledger that could be verified
    begun = any(each.last_week is not None for each in watched)
    left_out = {
        *(() if begun else (TaskKind.VERIFY,)),
        *(() if prunes else (TaskKind.PRUNE,)),
    }
    found = [
        task
        for task in wanted
        if task is not None
        and task.kind not in left_out
        and _may_begin(timetable, task, last, now)
    ]
    return tuple(sorted(found, key=_place))


def next_change(
    timetable: Timetable, attempts: Iterable[Attempt], now: datetime
) -> datetime:
    """
    Say until when nothing else becomes due by time alone.

    Parameters
    ----------
    timetable : Timetable
        When what may begin.
    attempts : iterable of Attempt
        The last of each kind and district.
    now : datetime
        The time, UTC.

    Returns
    -------
    datetime
        Later than `now`, UTC.
    """
    opens = newest_week(timetable, now).end + timedelta(minutes=timetable.deliver_at)
    moments = [
        _monday(now, timetable.run_at) + _WEEK,
        _monday(now, timetable.verify_at) + _WEEK,
        _daily(now, timetable.prune_at) + _DAY,
        opens,
        opens + timedelta(hours=timetable.deliver_grace_hours),
        # what was done in a future that the clock forgot counts again from then on
        *(each.at for each in attempts),
        *(each.at + _pause(timetable, each) for each in attempts),
    ]
    return min(moment for moment in moments if moment > now)


def backfill_tasks(
    watched: Watched, first: IsoWeek, last: IsoWeek, *, done: Collection[IsoWeek] = ()
) -> tuple[Task, ...]:
    """
    List the runs that fill a period week by week.

    Parameters
    ----------
    watched : Watched
        The district.
    first : IsoWeek
        First week wanted.
    last : IsoWeek
        Last week wanted.
    done : collection of IsoWeek
        Weeks that were run.

    Returns
    -------
    tuple of Task
        In order; weeks that were run, or lie within the history, are left out.

    Raises
    ------
    ContractError
        If the ledger is past a wanted week that was never run: the chain is not
        rewritten.
    """
    week = max(first, watched.first_week)
    weeks = []
    while week <= last:
        if week not in done:
            weeks.append(week)
        week = week.next()
    if weeks and watched.last_week is not None and weeks[0] <= watched.last_week:
        raise ContractError(
            f"district {watched.district} has been run up to {watched.last_week}, and "
            f"{weeks[0]} lies before that; begin after it, or name another work folder "
            "(run.work) to compute the period anew"
        )
    return tuple(
        Task(
            kind=TaskKind.RUN,
            district=watched.district,
            week=each,
            first=watched.last_week is None and place == 0,
        )
        for place, each in enumerate(weeks)
    )


def _weekly(
    kind: TaskKind,
    slot: datetime,
    last: dict[tuple[TaskKind, str], Attempt],
    now: datetime,
) -> tuple[Task, ...]:
    """Give what is done once since a moment, unless it was."""
    before = last.get((kind, ""))
    if before and before.failures == 0 and slot <= before.at <= now:
        return ()
    return (Task(kind=kind),)


def _run(
    timetable: Timetable,
    watched: Watched,
    last: dict[tuple[TaskKind, str], Attempt],
    now: datetime,
) -> Task | None:
    """Give the earliest missed week of a district that is still worth a try."""
    newest = newest_week(timetable, now)
    if watched.last_week is None:
        # the first run looks at everything up to its end; later ones go on from there
        missed = [newest] if watched.first_week <= newest else []
    else:
        week = max(
            watched.first_week,
            watched.last_week.next(),
            IsoWeek.of(newest.start - (timetable.catch_up_weeks - 1) * _WEEK),
        )
        missed = []
        while week <= newest:
            missed.append(week)
            week = week.next()
    before = last.get((TaskKind.RUN, watched.district))
    if before is not None and before.task.week in missed:
        # what comes before the week of the last try was given up
        missed = missed[missed.index(before.task.week) :]
        if before.failures >= GIVE_UP and len(missed) > 1:
            missed = missed[1:]
    if not missed:
        return None
    return Task(
        kind=TaskKind.RUN,
        district=watched.district,
        week=missed[0],
        first=watched.last_week is None,
    )


def _delivery(
    timetable: Timetable,
    watched: Sequence[Watched],
    last: dict[tuple[TaskKind, str], Attempt],
    now: datetime,
) -> Task | None:
    """Give the delivery of the newest week, once all were run or waited for."""
    week = newest_week(timetable, now)
    covered = tuple(each.district for each in watched if each.last_week == week)
    late = any(
        each.first_week <= week and (each.last_week is None or each.last_week < week)
        for each in watched
    )
    opens = week.end + timedelta(minutes=timetable.deliver_at)
    if late:
        opens += timedelta(hours=timetable.deliver_grace_hours)
    if not covered or now < opens:
        return None
    task = Task(kind=TaskKind.DELIVER, week=week, covered=covered)
    before = last.get((TaskKind.DELIVER, ""))
    if before and before.failures == 0 and _is_same(before.task, task):
        return None
    return task


def _may_begin(
    timetable: Timetable,
    task: Task,
    last: dict[tuple[TaskKind, str], Attempt],
    now: datetime,
) -> bool:
    """Say whether the pause after a failure is over."""
    before = last.get((task.kind, task.district))
    if before is None or not _is_same(before.task, task) or before.at > now:
        return True
    if before.failures == 0 and task.kind is not TaskKind.RUN:
        return True
    return now >= before.at + _pause(timetable, before)


def _pause(timetable: Timetable, attempt: Attempt) -> timedelta:
    """Say how long after an attempt the same is tried again."""
    doubled = min(max(attempt.failures, 1) - 1, 10)
    pause = timedelta(minutes=timetable.retry_minutes * (1 << doubled))
    return min(pause, _LONGEST_PAUSE)


def _is_same(one: Task, other: Task) -> bool:
    """Say whether two tasks are the same work."""
    return (one.kind, one.district, one.week, one.covered) == (
        other.kind,
        other.district,
        other.week,
        other.covered,
    )


def _place(task: Task) -> tuple[int, tuple[int, int]]:
    """Say when a task has its turn; Python keeps the order of the districts."""
    week = (task.week.year, task.week.week) if task.week else (0, 0)
    return _ORDER[task.kind], week


def _monday(now: datetime, minutes: int) -> datetime:
    """Give the last Monday, at a time of day in Shanghai, that is not after now."""
    since = timedelta(minutes=minutes)
    return IsoWeek.of(now - since).start + since


def _daily(now: datetime, minutes: int) -> datetime:
    """Give the last day, at a time of day in Shanghai, that is not after now."""
    since = timedelta(minutes=minutes)
    day = (now - since).astimezone(SHANGHAI).date()
    midnight = datetime.combine(day, datetime.min.time(), SHANGHAI)
    return midnight.astimezone(UTC) + since
