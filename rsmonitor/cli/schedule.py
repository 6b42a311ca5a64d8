"""The schedule: kept by a process, or handed to systemd or cron."""

import contextlib
import signal
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsmonitor.errors import EXIT_DONE

if TYPE_CHECKING:
    from datetime import date

    from rsmonitor.stages.schedule import Task
    from rsmonitor.wiring.processes import Bell
    from rsmonitor.wiring.scheduling import Scheduler

_DAY = ["%Y-%m-%d"]


def schedule(  # noqa: PLR0913, PLR0917 - one for each option
    config: Annotated[Path, typer.Argument(help="Settings, a TOML file.")],
    once: Annotated[
        bool, typer.Option("--once", help="Do what is due now, and stop.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Say what is due, and what new districts cost; stop."
        ),
    ] = False,
    backfill: Annotated[
        datetime | None,
        typer.Option(
            formats=_DAY, help="Run every week from this day on, in order, and stop."
        ),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(formats=_DAY, help="Last day of --backfill; default: yesterday."),
    ] = None,
    district: Annotated[
        str | None, typer.Option(help="Only this district, of --backfill.")
    ] = None,
    metrics: Annotated[
        Path | None,
        typer.Option(help="Write metrics for Prometheus to this file (.prom)."),
    ] = None,
    systemd: Annotated[
        Path | None,
        typer.Option(help="Write systemd units into this folder, and stop."),
    ] = None,
    crontab: Annotated[
        bool, typer.Option("--crontab", help="Print crontab lines, and stop.")
    ] = False,
) -> int:
    """
    Keep the schedule: run each week, deliver, verify, prune, and tell what is amiss.

    Weeks are those of Shanghai, and [schedule] says when. What was missed is caught up
    once, one job at a time, each a process of its own; what fails is tried again, ever
    less often. The settings are read anew each minute, so a new district begins by
    itself. What needs a person goes to [notices] addresses by mail. Logs are lines of
    JSON on stderr. SIGTERM or Ctrl-C stops after the job at hand, a second one at once.

    Exit codes: 0 done, or stopped; 1 a job failed (--once, --backfill); 2 usage; 3 bad
    input; 4 another scheduler keeps these settings.

    Example: rsmonitor schedule configs/ganzhou.toml --metrics /var/lib/rsmonitor.prom
    """
    from rsmonitor.io.foundation.logs import logged_to
    from rsmonitor.wiring.scheduling import Scheduler

    _check_usage(backfill=backfill, until=until, district=district)
    if systemd is not None or crontab:
        return _hand_over(config, systemd, crontab=crontab)
    scheduler = Scheduler(config=config, metrics=metrics)
    if backfill is not None:
        last: date | None = until.date() if until else None
        tasks = scheduler.backfill(backfill.date(), last, district)
        if dry_run:
            return _say(scheduler, tasks)
        with logged_to(sys.stderr), _signals(scheduler.bell):
            return scheduler.fill(tasks)
    if dry_run:
        return _say(scheduler, scheduler.due())
    with logged_to(sys.stderr), _signals(scheduler.bell):
        if once:
            return scheduler.once()
        scheduler.keep()
    return EXIT_DONE


def _check_usage(
    *, backfill: datetime | None, until: datetime | None, district: str | None
) -> None:
    """Refuse options that would not be heeded."""
    if backfill is None and (until is not None or district is not None):
        raise typer.BadParameter("--until and --district belong to --backfill")


def _say(scheduler: "Scheduler", tasks: "tuple[Task, ...]") -> int:
    """Say what is due, with the cost of what begins."""
    from rsmonitor.config import read_districts
    from rsmonitor.records.licence import SHANGHAI
    from rsmonitor.wiring.scheduling import estimate
    from rsmonitor.wiring.survey import explain_cost

    for task in tasks:
        typer.echo(f"rsmonitor {' '.join(scheduler.command(task))}")
        if task.first and task.week is not None:
            (settings,) = read_districts(scheduler.config, task.district)
            cost = estimate(explain_cost(settings, task.week.last_day, _tell))
            units = cost["processing_units"]
            typer.echo(
                f"  a new district: {cost['scenes']} scenes, about "
                f"{cost['megabytes']:.0f} MB to fetch"
                + ("" if units is None else f", about {units:.0f} processing units")
                + f"; about {cost['computing_minutes']:.0f} min to compute on one core "
                f"and {cost['fetching_minutes']:.0f} min to fetch at 20 Mbit/s"
            )
    upcoming = scheduler.next_change().astimezone(SHANGHAI)
    typer.echo(
        f"{len(tasks)} due; next looked at {upcoming:%Y-%m-%d %H:%M} (Asia/Shanghai)"
    )
    return EXIT_DONE


def _hand_over(config: Path, folder: Path | None, *, crontab: bool) -> int:
    """Write units into a folder, or print crontab lines."""
    from rsmonitor.config import read_districts
    from rsmonitor.io.deliver import units
    from rsmonitor.io.foundation.files import make_folder, write_atomic
    from rsmonitor.wiring.processes import PROGRAM

    timetable = read_districts(config)[0].schedule.timetable
    made = units.Installation(
        program=PROGRAM,
        config=str(config.absolute()),
        run_at=timetable.run_at,
        deliver_at=timetable.deliver_at,
        verify_at=timetable.verify_at,
        prune_at=timetable.prune_at,
    )
    if folder is not None:
        make_folder(folder)
        for name, text in units.systemd_units(made).items():
            write_atomic(folder / name, text.encode())
            typer.echo(str(folder / name))
    if crontab:
        typer.echo(units.crontab(made), nl=False)
    return EXIT_DONE


@contextlib.contextmanager
def _signals(bell: "Bell") -> Iterator[None]:
    """Let SIGTERM and SIGINT ring the bell while the schedule is kept."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: bell.ring()) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _tell(note: str) -> None:
    """Print what a source found worth telling."""
    typer.echo(f"note: {note}", err=True)
