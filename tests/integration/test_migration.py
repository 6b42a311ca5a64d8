"""A ledger that the first version wrote opens, verifies and loses nothing."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from rsmonitor.errors import StoreError
from rsmonitor.io.stores.codec import encode
from rsmonitor.io.stores.ledger import SqliteLedger

CORPUS = Path(__file__).parents[1] / "corpus" / "ledgers"
WRITTEN: dict[str, Any] = json.loads((CORPUS / "schema1.json").read_text("utf-8"))
"""What the version that wrote the ledger read from it."""

DISTRICT = WRITTEN["district"]
TABLES = ("event", "run", "slot", "applied", "site", "alert_version")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return Path(shutil.copy(CORPUS / "schema1.sqlite", tmp_path / "ledger.sqlite"))


@pytest.fixture
def ledger(path: Path) -> SqliteLedger:
    return SqliteLedger(path, locks=path.parent / "locks")


def rows(path: Path, table: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()  # noqa: S608


def later(alert: dict[str, Any]) -> dict[str, Any]:
    """Give an alert of the first version with the fields that came later, empty."""
    verdict = {**alert["verdict"], "warnings": [], "law_table": ""}
    verdict["parts"] = [
        {**part, "trace": [], "restrictions": [], "counted_only": False}
        for part in verdict["parts"]
    ]
    return {**alert, "verdict": verdict}


def test_it_verifies_as_it_is_and_is_not_touched(
    ledger: SqliteLedger, path: Path
) -> None:
    before = path.read_bytes()
    assert ledger.verify(tuple(WRITTEN["head"])) == []
    assert ledger.head() == tuple(WRITTEN["head"])
    assert len(list(ledger.events())) == WRITTEN["head"][0]
    with pytest.raises(StoreError, match="'rsmonitor cases list' brings it up to date"):
        ledger.alerts(DISTRICT)
    assert path.read_bytes() == before


def test_everything_that_it_said_can_be_read_after_it_was_brought_up_to_date(
    ledger: SqliteLedger,
) -> None:
    ledger.upgrade()
    assert [encode(run) for run in ledger.runs(DISTRICT)] == WRITTEN["runs"]
    assert [encode(site) for site in ledger.sites(DISTRICT)] == WRITTEN["sites"]
    assert [encode(alert) for alert in ledger.alerts(DISTRICT)] == [
        later(alert) for alert in WRITTEN["alerts"]
    ]
    for alert_id, versions in WRITTEN["versions"].items():
        found = [encode(version) for version in ledger.versions(alert_id)]
        assert found == [later(version) for version in versions]
    (line,) = ledger.lines(DISTRICT)
    assert [encode(each) for each in ledger.applied(line)] == WRITTEN["applied"]
    assert [encode(each) for each in ledger.pointers(line)] == WRITTEN["pointers"]
    said = ledger.said(DISTRICT)
    assert {each.alert_id for each in said} >= set(WRITTEN["versions"])


def test_the_past_stays_as_it_was_written(ledger: SqliteLedger, path: Path) -> None:
    before = {table: rows(path, table) for table in TABLES}
    copy = ledger.upgrade()
    assert copy == path.with_name("ledger.sqlite.schema1")
    assert {table: rows(path, table) for table in TABLES} == before
    assert {table: rows(copy, table) for table in TABLES} == before
    assert rows(copy, "alert") == rows(CORPUS / "schema1.sqlite", "alert")
    assert ledger.verify(tuple(WRITTEN["head"])) == []
    assert ledger.upgrade() is None, "nothing is left to do"


def test_its_triggers_still_refuse_to_change_the_past(
    ledger: SqliteLedger, path: Path
) -> None:
    ledger.upgrade()
    for statement in ("UPDATE event SET who = 'x'", "DELETE FROM alert_version"):
        with (
            closing(sqlite3.connect(path)) as connection,
            pytest.raises(sqlite3.IntegrityError),
        ):
            connection.execute(statement)


def test_an_upgrade_that_fails_leaves_it_as_it_was(
    ledger: SqliteLedger, path: Path
) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE slot_before (x)")
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="slot_before"):
        ledger.upgrade()
    assert path.read_bytes() == before


def test_a_damaged_alert_does_not_stop_the_others(
    ledger: SqliteLedger, path: Path
) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alert SET record = '{' WHERE rowid = 1")
        connection.commit()
    ledger.upgrade()
    with pytest.raises(StoreError, match="table alert"):
        ledger.alerts(DISTRICT)
    assert len(ledger.sites(DISTRICT)) == len(WRITTEN["sites"])
