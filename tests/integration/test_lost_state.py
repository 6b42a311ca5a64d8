"""State that is gone is computed again, and nothing of what was said changes."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from cubes import write
from landscape import HISTORY_UNTIL, LOOKS, Desk, landscape, outputs, week_of

from rsmonitor.config import read_settings
from rsmonitor.errors import StoreError
from rsmonitor.io.foundation.clock import FixedClock
from rsmonitor.io.stores.ledger import SqliteLedger
from rsmonitor.io.stores.memory import MemoryStateStore
from rsmonitor.pipeline import Outcome, run
from rsmonitor.wiring.office import open_office

LAST = LOOKS - 1
SETTINGS = f"""
[district]
code = "360728"
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
"""


def test_a_run_without_any_state_begins_anew_and_says_the_same() -> None:
    desk, peace = Desk.new(), Desk.new()
    source = landscape().source()
    for each in (desk, peace):
        each.run_all(source, [week_of(LAST - 2), week_of(LAST - 1)])
    desk.states = MemoryStateStore()
    again = desk.run(source, week_of(LAST))
    plain = peace.run(source, week_of(LAST))
    assert "nothing was left of the state" in again.notes[0]
    assert again.notes[1:] == plain.notes
    assert outputs(desk.shown) == outputs(peace.shown)
    assert desk.state("evidence") == peace.state("evidence")
    assert desk.state("reference") == peace.state("reference")
    assert desk.ledger.verify() == []


def office(folder: Path) -> Path:
    folder.mkdir()
    write(landscape().cube(), folder / "forest.nc")
    path = folder / "watch.toml"
    path.write_text(SETTINGS, encoding="utf-8")
    return path


def weekly(settings: Path, look: int) -> Outcome:
    week = week_of(look)
    with open_office(read_settings(settings), pictures=False) as opened:
        doors = replace(opened.doors, clock=FixedClock(week.end))
        return run(opened.job, doors, week=week)


def alerts(settings: Path) -> bytes:
    return (settings.parent / "out" / "latest" / "alerts.geojson").read_bytes()


def test_a_ledger_from_a_backup_goes_on_once_state_is_deleted(tmp_path: Path) -> None:
    settings, peace = office(tmp_path / "restored"), office(tmp_path / "peace")
    work, backup = tmp_path / "restored" / "work", tmp_path / "backup.sqlite"
    for look in (LAST - 4, LAST - 3):
        weekly(settings, look)
        weekly(peace, look)
    shutil.copy(work / "ledger.sqlite", backup)
    for look in (LAST - 2, LAST - 1):
        weekly(settings, look)
        weekly(peace, look)
    # the disk is lost; the ledger comes back from two weeks ago
    shutil.copy(backup, work / "ledger.sqlite")
    (tmp_path / "restored" / "out").rename(tmp_path / "out-of-before")
    with pytest.raises(StoreError, match="delete the folder"):
        weekly(settings, LAST - 2)
    shutil.rmtree(work / "state")
    told = weekly(settings, LAST - 2).notes
    assert any("nothing was left of the state" in note for note in told)
    assert not any(
        "nothing was left" in note for note in weekly(settings, LAST - 1).notes
    )
    weekly(settings, LAST)
    weekly(peace, LAST)
    assert alerts(settings) == alerts(peace)
    ledger = SqliteLedger(work / "ledger.sqlite", locks=work / "locks")
    assert ledger.verify() == []
    weeks = [record.week for record in ledger.runs("360728")]
    assert weeks == [week_of(look) for look in range(LAST - 4, LAST + 1)]


def test_part_of_the_state_missing_is_damage_and_not_a_new_beginning(
    tmp_path: Path,
) -> None:
    settings = office(tmp_path / "office")
    weekly(settings, LAST - 1)
    state = tmp_path / "office" / "work" / "state"
    found = sorted(path for path in state.rglob("*") if path.is_file())
    assert len(found) > 3
    for path in found[:-1]:
        path.unlink()
    with pytest.raises(StoreError, match="is missing"):
        weekly(settings, LAST)
