"""The schedule kept: what is due is done by the same commands that a person would call.

Each job is a process of its own, so neither a crash nor the memory of one takes the
scheduler down. One job at a time, hence one run at a time for each district.
"""

import contextlib
import json
import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from rsmonitor.config import Settings, read_districts
from rsmonitor.errors import (
    EXIT_DONE,
    EXIT_PARTIAL,
    ContractError,
    RsmonitorError,
    SettingsError,
)
from rsmonitor.interfaces import Clock
from rsmonitor.io.foundation.clock import SystemClock
from rsmonitor.io.foundation.files import lock_file
from rsmonitor.io.foundation.logs import run_named, values
from rsmonitor.records.licence import SHANGHAI
from rsmonitor.records.week import IsoWeek
from rsmonitor.stages.schedule import (
    Attempt,
    Task,
    TaskKind,
    Watched,
    backfill_tasks,
    due_tasks,
    newest_week,
    next_change,
)
from rsmonitor.wiring.gauges import write_gauges
from rsmonitor.wiring.notices import look_after
from rsmonitor.wiring.processes import PROGRAM, Bell, run_process
from rsmonitor.wiring.stores import open_ledger
from rsmonitor.wiring.upkeep import read_attempts, waiting_of, write_attempts

logger = logging.getLogger(__name__)

NAP: Final = timedelta(minutes=1)
"""Settings and ledger are looked at so often: others change them as well."""

LOOK_AFTER: Final = timedelta(hours=1)
"""What needs a person is looked for so often, and after each round of jobs."""

SECONDS_A_PIXEL_LOOK: Final = 6e-8
"""Computing a look, on one core (docs/performance.md)."""

BYTES_A_SECOND: Final = 2.5e6
"""Fetching over a line of 20 Mbit/s."""

_LAST_LINES: Final = 5
_LAST_CHARACTERS: Final = 1000


@dataclass(slots=True, eq=False)
class Scheduler:
    """Keeps the schedule of one settings file."""

    config: Path
    """The settings file, read again whenever something could be due."""

    clock: Clock = field(default_factory=SystemClock)
    """Time."""

    bell: Bell = field(default_factory=Bell)
    """Asks it to stop."""

    metrics: Path | None = None
    """Where metrics are written; None: nowhere."""

    _offices: tuple[Settings, ...] = ()
    _complaint: str = ""
    _looked: datetime | None = None

    def keep(self) -> None:
        """
        Keep the schedule until the bell rings.

        Raises
        ------
        SettingsError
            If the settings cannot be read at the start; later that is a notice.
        BusyError
            If another scheduler keeps it.
        OutputError
            If the work folder cannot be written.
        """
        with self._alone():
            logger.info("scheduler started", extra=values(config=str(self.config)))
            while not self.bell.rang:
                self._round()
                if not self.bell.rang:
                    self.bell.sleep(self._until_next())
            logger.info("scheduler stopped")

    def once(self) -> int:
        """
        Do what is due, until nothing is.

        Returns
        -------
        int
            0, or 1 if a job failed.

        Raises
        ------
        SettingsError
            If the settings cannot be read.
        BusyError
            If another scheduler keeps them.
        OutputError
            If the work folder cannot be written.
        """
        with self._alone():
            return EXIT_PARTIAL if self._round() else EXIT_DONE

    def fill(self, tasks: Sequence[Task]) -> int:
        """
        Do given tasks in order, and stop at the first that fails.

        Parameters
        ----------
        tasks : sequence of Task
            From `Scheduler.backfill`.

        Returns
        -------
        int
            0, or 1 if one failed or the bell rang.

        Raises
        ------
        BusyError
            If another scheduler keeps the settings.
        OutputError
            If the work folder cannot be written.
        """
        with self._alone():
            for task in tasks:
                if self.bell.rang or self._do(task).failures:
                    return EXIT_PARTIAL
        return EXIT_DONE

    def due(self) -> tuple[Task, ...]:
        """
        List what is due now; nothing is done.

        Returns
        -------
        tuple of Task
            In the order in which it would be done.

        Raises
        ------
        SettingsError
            If the settings cannot be read.
        StoreError
            If a ledger is damaged.
        """
        offices = self._offices or self._read()
        return due_tasks(
            offices[0].schedule.timetable,
            [watched_of(each)[0] for each in offices],
            read_attempts(offices[0]),
            self.clock.now(),
            prunes=any(each.source.kind != "cube" for each in offices),
        )

    def backfill(
        self, first: date, last: date | None = None, district: str | None = None
    ) -> tuple[Task, ...]:
        """
        List the runs that fill a period week by week; nothing is done.

        Parameters
        ----------
        first : date
            A day of the first week.
        last : date, optional
            A day of the last week; the newest week that is over by default.
        district : str, optional
            Only this district.

        Returns
        -------
        tuple of Task
            In order, one district after the other.

        Raises
        ------
        ContractError
            If a ledger is past a week that was never run, or the period is empty.
        SettingsError
            If the settings cannot be read, or have no such district.
        StoreError
            If a ledger is damaged.
        """
        offices = read_districts(self.config, district)
        newest = newest_week(offices[0].schedule.timetable, self.clock.now())
        start = _week_of(first)
        end = newest if last is None else min(newest, _week_of(last))
        if start > end:
            raise ContractError(
                f"the period from {start} to {end} holds no week that is over"
            )
        found: list[Task] = []
        for office in offices:
            watched, done = watched_of(office)
            found += backfill_tasks(watched, start, end, done=done)
        return tuple(found)

    def next_change(self) -> datetime:
        """
        Say when something can become due next.

        Returns
        -------
        datetime
            UTC.

        Raises
        ------
        SettingsError
            If the settings cannot be read.
        """
        offices = self._offices or self._read()
        return next_change(
            offices[0].schedule.timetable, read_attempts(offices[0]), self.clock.now()
        )

    # ----------------------------------------------------------------------- inside

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Be the only scheduler of these settings."""
        self._read()
        work = self._offices[0].path(self._offices[0].run.work)
        with lock_file(work / "locks" / ".schedule.lock", what="the schedule"):
            yield

    def _read(self) -> tuple[Settings, ...]:
        """Read the settings anew."""
        self._offices = read_districts(self.config)
        return self._offices

    def _refresh(self) -> bool:
        """Read the settings anew; say whether that could be done."""
        try:
            self._read()
        except SettingsError as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                logger.error(  # noqa: TRY400 - the message says all of it
                    "settings cannot be read", extra=values(why=str(error))
                )
                self._looked = None
            return False
        if self._complaint:
            self._complaint, self._looked = "", None
        return True

    def _round(self) -> bool:
        """Do what is due until nothing is; say whether anything failed."""
        failed = done = False
        while not self.bell.rang and self._refresh():
            try:
                self._upgrade()
                due = self.due()
            except RsmonitorError as error:
                logger.error(  # noqa: TRY400 - the message says all of it
                    "what is due cannot be worked out", extra=values(why=str(error))
                )
                failed = True
                break
            if not due:
                break
            failed = bool(self._do(due[0]).failures) or failed
            done = True
        now = self.clock.now()
        looked = self._looked
        # who asked to stop waits for the job at hand, and for nothing else; a clock
        # that was set back looks at once
        if not self.bell.rang and (
            done or looked is None or not looked <= now < looked + LOOK_AFTER
        ):
            self._look_after(now)
        return failed

    def _upgrade(self) -> None:
        """Bring older ledgers up to date, as every command does that writes."""
        for office in {
            each.path(each.run.work): each for each in self._offices
        }.values():
            older = open_ledger(office).upgrade()
            if older is not None:
                logger.info("ledger upgraded", extra=values(kept=str(older)))

    def _look_after(self, now: datetime) -> None:
        """Find what needs a person; write the metrics."""
        self._looked = now
        offices = self._offices
        try:
            notices = look_after(
                self.config, offices, now, settings_error=self._complaint
            )
            if self.metrics is not None:
                write_gauges(self.metrics, offices, notices, now)
        except RsmonitorError as error:
            logger.error(  # noqa: TRY400 - the message says all of it
                "notices or metrics cannot be written", extra=values(why=str(error))
            )

    def _until_next(self) -> float:
        """Say how many seconds nothing can become due."""
        left = self.next_change() - self.clock.now()
        return max(0.1, min(left, NAP).total_seconds())

    def _do(self, task: Task) -> Attempt:
        """Do one task, and write down what became of it."""
        settings = self._offices[0]
        begun = self.clock.now()
        run_id = f"{task.name.replace(' ', '-')}-{begun:%Y%m%dT%H%M%SZ}".lower()
        last: deque[str] = deque(maxlen=_LAST_LINES)

        def said(line: str) -> None:
            last.append(line)
            logger.info("job said", extra=values(line=line))

        with run_named(run_id):
            if task.first:
                self._announce(task)
            command = self.command(task)
            logger.info("job started", extra=values(task=task.name, command=command))
            started = time.monotonic()
            code = run_process(
                (*PROGRAM, *command),
                longest_s=settings.schedule.longest_hours * 3600,
                said=said,
                bell=self.bell,
            )
            attempts = {
                (each.task.kind, each.task.district): each
                for each in read_attempts(settings)
            }
            failed = not self._succeeded(task, code)
            attempt = Attempt(
                task=task,
                at=self.clock.now(),
                code=code,
                failures=int(failed),
                seconds=time.monotonic() - started,
                said=" / ".join(last)[-_LAST_CHARACTERS:] if failed else "",
            ).after(attempts.get((task.kind, task.district)))
            attempts[task.kind, task.district] = attempt
            write_attempts(settings, attempts.values())
            logger.log(
                logging.ERROR if failed else logging.INFO,
                "job failed" if failed else "job ended",
                extra=values(
                    task=task.name,
                    code=code,
                    seconds=round(attempt.seconds, 1),
                    failures=attempt.failures,
                ),
            )
        return attempt

    def command(self, task: Task) -> tuple[str, ...]:
        """
        Give the command that does a task; to repeat it does no harm.

        Parameters
        ----------
        task : Task
            What is due.

        Returns
        -------
        tuple of str
            Its words after ``rsmonitor``.
        """
        config = str(self.config.absolute())
        if task.kind is TaskKind.PRUNE:
            return ("cache", "prune", config)
        if task.kind is TaskKind.RUN and task.week is not None:
            until = task.week.last_day.isoformat()
            return ("run", config, "--district", task.district, "--until", until)
        return (task.kind.value, config)

    def _announce(self, task: Task) -> None:
        """Say how long a new district takes and what it costs, before it begins."""
        words = ("explain", str(self.config.absolute()), "--district", task.district)
        until = task.week.last_day.isoformat() if task.week else ""
        lines: list[str] = []
        code = run_process(
            (*PROGRAM, *words, "--until", until, "--json"),
            longest_s=3600,
            said=lines.append,
            bell=self.bell,
            quiet_stderr=True,
        )
        try:
            (cost,) = json.loads("\n".join(lines))
        except ValueError:
            logger.warning(
                "a new district begins; its cost is not known",
                extra=values(district=task.district, code=code),
            )
            return
        logger.info("a new district begins", extra=values(**estimate(cost)))

    def _succeeded(self, task: Task, code: int) -> bool:
        """Say whether a task is done; a delivery is not while its mail waits."""
        if code == EXIT_DONE:
            return True
        if code != EXIT_PARTIAL:
            return False
        if task.kind is not TaskKind.DELIVER:
            return True
        try:
            return not waiting_of(self._offices[0])
        except RsmonitorError:
            return False


def watched_of(settings: Settings) -> tuple[Watched, frozenset[IsoWeek]]:
    """
    Say how far the ledger of a district is.

    Parameters
    ----------
    settings : Settings
        Settings.

    Returns
    -------
    watched : Watched
        The district.
    done : frozenset of IsoWeek
        The weeks that were run.

    Raises
    ------
    StoreError
        If the ledger is damaged.
    """
    code = settings.district.code
    done = frozenset(each.week for each in open_ledger(settings).runs(code))
    watched = Watched(
        district=code,
        first_week=_week_of(settings.history.until + timedelta(days=1)),
        last_week=max(done, default=None),
    )
    return watched, done


def estimate(cost: dict[str, Any]) -> dict[str, Any]:
    """
    Say how long a first run takes and what it costs.

    Parameters
    ----------
    cost : dict
        From `rsmonitor.wiring.survey.explain_cost`.

    Returns
    -------
    dict
        ``district``, ``scenes``, ``megabytes``, ``processing_units``,
        ``computing_minutes`` (one core) and ``fetching_minutes`` (20 Mbit/s).
    """
    looks = sum(grid["pixels"] * grid["scenes"] for grid in cost["grids"])
    return {
        "district": cost["district"],
        "scenes": sum(grid["scenes"] for grid in cost["grids"]),
        "megabytes": cost["megabytes"],
        "processing_units": cost["processing_units"],
        "computing_minutes": round(looks * SECONDS_A_PIXEL_LOOK / 60, 1),
        "fetching_minutes": round(cost["megabytes"] * 1e6 / BYTES_A_SECOND / 60, 1),
    }


def _week_of(day: date) -> IsoWeek:
    """Give the week of a day of Shanghai."""
    return IsoWeek.of(datetime.combine(day, datetime.min.time(), SHANGHAI))
