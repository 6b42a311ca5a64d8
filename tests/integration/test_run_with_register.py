"""A run judges by the register, names its snapshot, and stops where it must."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from commands import Nursery
from cubes import write
from landscape import HISTORY_UNTIL, landscape, week_of
from rights import delivery, right, write_geojson
from shapely import box

from rsmonitor.config import read_settings
from rsmonitor.errors import LicenceError
from rsmonitor.io.stores.register_database import DatabaseRegister
from rsmonitor.io.stores.register_doubts import SuspectRegisterError
from rsmonitor.wiring.licences import register_of

EARLY = datetime(2018, 1, 1, tzinfo=UTC)
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
until = {until}

[licences]
files = [{files}]
register = "register.sqlite"

[run]
work = "work"
out = "out"
"""


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with Nursery(tmp_path_factory.mktemp("nursery")) as nursery:
        yield nursery


def settings_in(folder: Path, *files: str) -> Path:
    path = folder / "forest.toml"
    names = ", ".join(json.dumps(name) for name in files)
    text = SETTINGS.format(until=HISTORY_UNTIL, files=names)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def register(tmp_path: Path) -> DatabaseRegister:
    return DatabaseRegister(tmp_path / "register.sqlite")


EVERYWHERE = box(116.9, 25.2, 117.1, 25.4)
"""Around all of the forest."""


def test_a_run_judges_by_the_register_and_names_its_snapshot(
    nursery: Nursery, tmp_path: Path, register: DatabaseRegister
) -> None:
    write(landscape().cube(), tmp_path / "forest.nc")
    settings = settings_in(tmp_path)
    ended = date(2018, 1, 31)  # before the ground was opened
    mine = right(geometry=EVERYWHERE, valid_from=date(2010, 1, 1), valid_to=ended)
    given = delivery(mine, refused=("采矿权.geojson: feature 2: bad",))
    register.import_licences(given, at=EARLY, by="李华")
    ran = nursery.run("run", settings, "--until", week_of(50).last_day.isoformat())
    assert ran.code == 1, "done, but the register is not whole"
    assert "refused: 采矿权.geojson: feature 2: bad" in ran.stderr
    latest = tmp_path / "out" / "latest"
    alerts = json.loads((latest / "alerts.geojson").read_bytes())["features"]
    assert alerts
    for alert in alerts:
        told = alert["properties"]
        assert told["register_snapshot"] == register.snapshot().snapshot_id
        assert (told["category"], told["licence_ids"]) == ("expired", ["C1"])


def test_files_beside_a_register_add_what_it_does_not_hold(
    tmp_path: Path, register: DatabaseRegister
) -> None:
    register.import_licences(delivery(right("C1")), at=EARLY, by="李华")
    write_geojson(tmp_path / "more.geojson", right("C1"), right("C2", east=0.1))
    settings = read_settings(settings_in(tmp_path, "more.geojson"))
    snapshot = register_of(settings).snapshot()
    assert [one.licence_id for one in snapshot.licences] == ["C1", "C2"]
    assert snapshot.snapshot_id != register.snapshot().snapshot_id


def test_a_register_alone_is_the_snapshot(
    tmp_path: Path, register: DatabaseRegister
) -> None:
    register.import_licences(delivery(right("C1")), at=EARLY, by="李华")
    longer = right("C1", valid_to=date(2035, 1, 1))
    register.import_licences(delivery(longer), at=EARLY, by="李华")
    settings = read_settings(settings_in(tmp_path))
    assert register_of(settings).snapshot() == register.snapshot()


def test_a_file_that_contradicts_the_register_stops_the_run(
    tmp_path: Path, register: DatabaseRegister
) -> None:
    register.import_licences(delivery(right("C1")), at=EARLY, by="李华")
    write_geojson(tmp_path / "more.geojson", right("C1", holder="另一公司"))
    settings = read_settings(settings_in(tmp_path, "more.geojson"))
    with pytest.raises(LicenceError, match="differently by the register and"):
        register_of(settings)


def test_a_register_that_is_named_and_missing_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(LicenceError, match="there is no register; fill it"):
        register_of(read_settings(settings_in(tmp_path)))
    assert list(tmp_path.glob("*.sqlite")) == []


def test_an_empty_register_stops_the_run_until_it_is_accepted(
    tmp_path: Path, register: DatabaseRegister
) -> None:
    register.import_licences(delivery(right("C1")), at=EARLY, by="李华")
    register.withdraw(1, reason="not ours", at=EARLY, by="李华")
    settings = read_settings(settings_in(tmp_path))
    with pytest.raises(SuspectRegisterError, match=r"no licence at all.*\[empty\]"):
        register_of(settings)
    register.import_licences(
        delivery(), at=EARLY, by="李华", accept="no right in this county"
    )
    assert register_of(settings).snapshot().licences == ()


@pytest.mark.parametrize(("days", "stops"), [(0, True), (1, False)])
def test_rights_that_all_ended_before_the_watch_began_stop_the_run(
    tmp_path: Path, register: DatabaseRegister, days: int, *, stops: bool
) -> None:
    # the first day that is watched is the day after the history
    last = date.fromordinal(HISTORY_UNTIL.toordinal() + days)
    ended = replace(right("C1"), valid_from=date(2010, 1, 1), valid_to=last)
    register.import_licences(
        delivery(ended), at=datetime(2012, 1, 1, tzinfo=UTC), by="李华"
    )
    settings = read_settings(settings_in(tmp_path))
    if stops:
        with pytest.raises(SuspectRegisterError, match=r"\[expired\]"):
            register_of(settings)
    else:
        assert len(register_of(settings).snapshot().licences) == 1
