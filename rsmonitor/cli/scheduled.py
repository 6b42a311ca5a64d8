"""The scheduled job, and its replay on the sample."""

import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsmonitor.cli.terminal import (
    Watcher,
    list_files,
    naming,
    say,
    say_refused,
    summarise,
)
from rsmonitor.errors import EXIT_DONE, EXIT_PARTIAL, RsmonitorError

if TYPE_CHECKING:
    from rsmonitor.config import Settings
    from rsmonitor.records.week import IsoWeek


def run(
    config: Annotated[Path, typer.Argument(help="Settings, a TOML file.")],
    until: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Last day to look at (Asia/Shanghai); its last whole week is run. "
            "Default: yesterday.",
        ),
    ] = None,
    district: Annotated[
        str | None,
        typer.Option(help="Only this district of the file."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and stop.")
    ] = False,
) -> int:
    """
    Do one scheduled job: find, load, detect, track, judge, alert.

    It looks up to the end of the last whole ISO week (Asia/Shanghai). Doing a week
    twice does nothing the second time; interrupted, it starts the week again. Outputs
    appear together in OUT/latest.

    Exit codes: 0 done; 1 done, but a scene or a licence was refused; 2 usage; 3 bad
    input; 4 busy; 5 a source cannot be reached; 130 interrupted.

    Example: rsmonitor run configs/demo.toml --until 2019-07-01
    """
    from rsmonitor.config import read_districts
    from rsmonitor.io.foundation.clock import SystemClock
    from rsmonitor.wiring import last_whole_week

    week = last_whole_week(until.date() if until else None, SystemClock())
    offices = read_districts(config, district)
    codes = {
        _attempt(config, settings, week, dry_run=dry_run, alone=len(offices) == 1)
        for settings in offices
    }
    return codes.pop() if len(codes) == 1 else EXIT_PARTIAL


def _attempt(
    config: Path, settings: "Settings", week: "IsoWeek", *, dry_run: bool, alone: bool
) -> int:
    """Do the job of one district; its trouble is not that of the others."""
    if not alone:
        typer.echo(f"district {settings.district.code}:")
    try:
        return _run_one(config, settings, week, dry_run=dry_run)
    except RsmonitorError as error:
        if alone:
            raise
        typer.echo(f"rsmonitor: {settings.district.code}: {error}", err=True)
        return error.exit_code


def _run_one(
    config: Path, settings: "Settings", week: "IsoWeek", *, dry_run: bool
) -> int:
    """Do the job of one district, and say what came of it."""
    from rsmonitor.pipeline import run as run_week
    from rsmonitor.wiring import open_office

    with (
        naming([config]),
        Watcher() as watcher,
        open_office(settings, progress=watcher) as office,
    ):
        say(office.notes)
        say_refused(office.refused)
        if dry_run:
            for grid in office.doors.source.grids():
                found = office.doors.source.find(grid, until=week.end)
                typer.echo(
                    f"week {week}: grid {grid.grid_id}, {grid.height} x {grid.width} "
                    f"pixels, {len(found)} scenes up to its end"
                )
            return EXIT_DONE
        outcome = run_week(office.job, office.doors, week=week)
        folder = settings.path(settings.run.out) / "runs" / outcome.location
        fetched, units = office.spent()
    say(outcome.notes)
    say_refused([f"{r.product_id}: {r.reason}" for r in outcome.refused])
    if outcome.result is not None:
        typer.echo(
            f"scenes: {outcome.found} found, {len(outcome.result.products)} used, "
            f"{len(outcome.unusable)} without enough clear ground, "
            f"{len(outcome.refused)} refused; {fetched / 1e6:.1f} MB fetched"
            + ("" if units is None else f", {units:.1f} processing units")
        )
    if outcome.result is None:
        typer.echo(f"week {week} was done before; nothing changed")
    try:
        summarise(folder)
    except (OSError, ValueError, KeyError):
        typer.echo(f"its outputs are no longer kept whole: {folder}", err=True)
    typer.echo(f"outputs: {settings.path(settings.run.out) / 'latest'}")
    return EXIT_PARTIAL if outcome.refused or office.refused else EXIT_DONE


def demo(
    out: Annotated[
        Path, typer.Argument(help="Folder of the outputs, made if missing.")
    ] = Path("demo-out"),
) -> int:
    """
    Do the main job on the embedded real sample, offline.

    The history is fitted up to mid-2018; then one scheduled run a week, as a bureau
    would live it, to the end of the sample. The imagery is real: one square kilometre
    of forest in Romania, from the Python package nrt. The licences are invented.
    Done twice, it changes nothing the second time; interrupted, it goes on.

    Example: rsmonitor demo demo-out
    """
    from rsmonitor.wiring import demo_settings, replay

    started = time.monotonic()
    settings = demo_settings(out)
    with Watcher() as watcher:
        done = replay(settings, progress=watcher)
    say(done.notes)
    say_refused(done.refused)
    typer.echo(
        f"{settings.district.name_zh} {settings.district.name_en}: "
        f"{done.weeks} weekly runs"
        + (f", {done.before} of them done before" if done.before else "")
    )
    summarise(out)
    typer.echo(f"files, also of each of the last weeks in {out / 'runs'}:")
    list_files(out)
    typer.echo(f"time: {time.monotonic() - started:.1f} s")
    return EXIT_PARTIAL if done.refused else EXIT_DONE
