"""Runs on full disks, at odd times, and two at once: nothing lost, nothing twice."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from commands import ROOT, Nursery, Ran, tree
from cubes import write
from landscape import LOOKS, Desk, landscape, monitored_weeks, outputs, week_of

from rsmonitor.io.foundation.clock import FixedClock
from rsmonitor.io.stores.ledger import SqliteLedger
from rsmonitor.pipeline import Doors, run
from rsmonitor.records.week import IsoWeek

LAST = LOOKS - 1
DISTRICT = "360728"
SETTINGS = """
[district]
code = "360728"
name_zh = "定南县"
name_en = "Dingnan"
bureau = "定南县自然资源局"
[source]
kind = "cube"
files = ["forest.nc"]
[history]
until = 2017-12-31
[run]
work = "work"
out = "out"
"""
LIMITED = """
import resource, sys
from rsmonitor.cli import main
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write then fails, as on a full disk
main()
"""


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with Nursery(tmp_path_factory.mktemp("nursery")) as nursery:
        yield nursery


def office(folder: Path) -> Path:
    folder.mkdir()
    write(landscape().cube(), folder / "forest.nc")
    path = folder / "district.toml"
    path.write_text(SETTINGS, encoding="utf-8")
    return path


def weekly(nursery: Nursery, settings: Path, look: int) -> Ran:
    until = week_of(look).last_day.isoformat()
    return nursery.run("run", settings, "--until", until)


def told(folder: Path) -> dict[str, str]:
    """Give what readers see, but for the head, which has the clock in it."""
    return {
        name: digest
        for name, digest in tree(folder / "out" / "latest").items()
        if name not in {"head.json", "manifest.json"}
    }


def ledger_of(folder: Path) -> SqliteLedger:
    return SqliteLedger(
        folder / "work" / "ledger.sqlite", locks=folder / "work" / "locks"
    )


@pytest.mark.slow
@pytest.mark.parametrize("limit", [0, 4096, 20_000, 150_000])
def test_a_run_on_a_full_disk_says_so_and_is_done_when_there_is_room(
    nursery: Nursery, tmp_path: Path, limit: int
) -> None:
    settings, peace = office(tmp_path / "full"), office(tmp_path / "peace")
    assert weekly(nursery, settings, LAST - 1).code == 0
    assert weekly(nursery, peace, LAST - 1).code == 0
    before = list(ledger_of(settings.parent).events())
    until = week_of(LAST).last_day.isoformat()
    ended = subprocess.run(  # noqa: S603 - the program above
        [sys.executable, "-c", LIMITED, str(limit), "run", settings, "--until", until],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert ended.returncode == 3, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "rsmonitor: " in ended.stderr
    assert ledger_of(settings.parent).verify() == []
    assert list(ledger_of(settings.parent).events()) == before
    assert weekly(nursery, settings, LAST).code == 0
    assert weekly(nursery, peace, LAST).code == 0
    assert told(settings.parent) == told(peace.parent)
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


@pytest.mark.slow
def test_an_output_folder_that_cannot_be_written_stops_the_run_before_it_computes(
    nursery: Nursery, tmp_path: Path
) -> None:
    settings = office(tmp_path / "office")
    (tmp_path / "office" / "out").write_text("a file stands where the folder should")
    ran = weekly(nursery, settings, LAST)
    assert ran.code == 3
    assert str(tmp_path / "office" / "out") in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "office" / "work" / "ledger.sqlite").exists()
    (tmp_path / "office" / "out").unlink()
    assert weekly(nursery, settings, LAST).code == 0


@pytest.mark.slow
def test_of_two_runs_at_once_one_is_told_to_wait(
    nursery: Nursery, tmp_path: Path
) -> None:
    settings = office(tmp_path / "office")
    until = week_of(LAST).last_day.isoformat()
    with Nursery(tmp_path / "other") as other:
        first = nursery.start("run", settings, "--until", until)
        second = other.start("run", settings, "--until", until)
        assert first != second
        codes = [nursery.wait().code, other.wait().code]
    # the second may have come when the first was done
    assert sorted(codes) in ([0, 4], [0, 0])
    again = weekly(nursery, settings, LAST)
    assert again.code == 0
    runs = ledger_of(settings.parent).runs(DISTRICT)
    assert [record.week for record in runs] == [week_of(LAST)]
    assert ledger_of(settings.parent).verify() == []


def test_a_clock_that_was_set_back_changes_no_result_and_breaks_no_chain() -> None:
    desk, peace = Desk.new(), Desk.new()
    source = landscape().source()
    weeks = monitored_weeks(LAST - 3, LAST)
    for number, week in enumerate(weeks):
        # two weeks forward, then a month back
        clock = week.end + timedelta(hours=6) - timedelta(days=30) * (number % 2)
        run_at(desk, source, week, clock)
        run_at(peace, source, week, week.end + timedelta(hours=6))
    assert outputs(desk.shown) == outputs(peace.shown)
    assert desk.state("evidence") == peace.state("evidence")
    times = [event.at for event in desk.ledger.events()]
    assert times != sorted(times), "the clock did go back"


@pytest.mark.parametrize(
    "instant",
    [
        datetime(2018, 12, 30, 15, 59, 59, tzinfo=UTC),  # Sunday's last in Shanghai
        datetime(2018, 12, 30, 16, 0, 0, tzinfo=UTC),  # Monday's first
        datetime(2018, 12, 31, 0, 0, 0, tzinfo=UTC),  # midnight in UTC
        datetime(2021, 1, 3, 15, 59, 59, tzinfo=UTC),  # the end of week 53
    ],
)
def test_the_moment_of_a_run_decides_nothing_but_when_it_was(instant: datetime) -> None:
    desk, peace = Desk.new(), Desk.new()
    source = landscape().source()
    week = week_of(LAST)
    run_at(desk, source, week, instant)
    run_at(peace, source, week, week.end + timedelta(hours=6))
    assert outputs(desk.shown) == outputs(peace.shown)
    said = f"{instant:%Y-%m-%dT%H:%M:%SZ}"
    assert {event.at for event in desk.ledger.events()} == {said}
    told_ = [json.loads(event.body) for event in desk.ledger.events()]
    assert {body["run_id"] for body in told_ if "run_id" in body} == {
        record.run_id for record in desk.ledger.runs(DISTRICT)
    }


def run_at(desk: Desk, source: object, week: IsoWeek, instant: datetime) -> None:
    """Do the job of a week at some moment."""
    doors: Doors = desk.doors(source, FixedClock(instant))
    run(desk.job, doors, week=week)
