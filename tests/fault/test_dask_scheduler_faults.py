"""The scheduler of a cluster is killed in the middle of a run: nothing is lost."""

import signal
import time
from pathlib import Path

import pytest
from cluster import cluster
from commands import PATIENCE, Command, tree
from cubes import write
from landscape import HISTORY_UNTIL, LOOKS, landscape, week_of

from rsmonitor.config import read_settings
from rsmonitor.errors import EXIT_UNREACHABLE
from rsmonitor.io.stores.ledger import SqliteLedger
from rsmonitor.wiring.office import open_office

pytest.importorskip("distributed", reason='missing: pip install "rsmonitor[dask]"')

WEEK = week_of(LOOKS - 1)
DISTRICT = "360728"
SETTINGS = f"""
[district]
code = "{DISTRICT}"
name_zh = "定南县"
name_en = "Dingnan"
bureau = "定南县自然资源局"
[source]
kind = "cube"
files = ["forest.nc"]
[history]
until = {HISTORY_UNTIL}
[run]
work = "work"
out = "out"
block_size = 8
"""
LONGEST_S = 15.0
"""From the kill to the end of the run."""


def office(folder: Path, scheduler: str | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    if not (folder / "forest.nc").exists():
        write(landscape().cube(), folder / "forest.nc")
    more = f'[dask]\nscheduler = "{scheduler}"\n' if scheduler else ""
    path = folder / "watch.toml"
    path.write_text(SETTINGS + more, encoding="utf-8")
    return path


def weekly(settings: Path, scratch: Path) -> Command:
    until_ = WEEK.last_day.isoformat()
    return Command("run", settings, "--until", until_, scratch=scratch)


def told(folder: Path) -> dict[str, str]:
    """Give what readers see, but for the head, which has the clock in it."""
    return {
        name: digest
        for name, digest in tree(folder / "out" / "latest").items()
        if name not in {"head.json", "manifest.json"}
    }


def stored(settings: Path) -> list[tuple[object, bytes]]:
    """Give the state that the ledger points at, as bytes."""
    with open_office(read_settings(settings), pictures=False) as opened:
        line = opened.job.partition(WEEK).line
        return [
            (pointer.place, opened.doors.states.read(pointer).tobytes())
            for pointer in sorted(
                opened.doors.ledger.pointers(line), key=lambda each: each.place
            )
        ]


def ledger_of(folder: Path) -> SqliteLedger:
    work = folder / "work"
    return SqliteLedger(work / "ledger.sqlite", locks=work / "locks")


def written(folder: Path) -> int:
    """Count the blocks of state that are written, whether they will count or not."""
    return sum(path.is_file() for path in (folder / "work" / "state").rglob("*"))


@pytest.mark.slow
def test_a_scheduler_killed_in_mid_run_loses_nothing(tmp_path: Path) -> None:
    alone, many = tmp_path / "alone", tmp_path / "many"
    assert weekly(office(alone), tmp_path / "one").wait().code == 0
    with cluster(tmp_path / "first", workers=2) as found:
        running = weekly(office(many, found.address), tmp_path / "two")
        end = time.monotonic() + PATIENCE
        while not written(many):
            assert time.monotonic() < end, "no block of state was written"
            assert running.process.poll() is None, running.wait().stderr
            time.sleep(0.01)
        found.processes[0].send_signal(signal.SIGKILL)
        began = time.monotonic()
        ended = running.wait()
        assert time.monotonic() - began < LONGEST_S
    assert ended.code == EXIT_UNREACHABLE, ended.stderr
    assert "Traceback" not in ended.stderr
    assert found.address in ended.stderr
    assert "was lost" in ended.stderr
    if (many / "work" / "ledger.sqlite").exists():
        assert ledger_of(many).runs(DISTRICT) == ()
        assert ledger_of(many).verify() == []
    assert not (many / "out" / "latest").exists()
    # again, on a cluster that is there
    with cluster(tmp_path / "second", workers=2) as found:
        again = weekly(office(many, found.address), tmp_path / "three").wait()
    assert again.code == 0, again.stderr
    assert ledger_of(many).verify() == []
    assert [run.week for run in ledger_of(many).runs(DISTRICT)] == [WEEK]
    assert told(many) == told(alone)
    assert stored(many / "watch.toml") == stored(alone / "watch.toml")
