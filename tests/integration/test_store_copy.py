"""``rsmonitor store copy``: the books moved from files to a server and back."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ledger_samples import FULL, alert, commit, done, event, everything, product, site
from observed import SITE_ID, every
from rights import AT, delivery, right, rights

from rsmonitor.cli.store import copy
from rsmonitor.config import read_settings
from rsmonitor.errors import (
    BusyError,
    SettingsError,
    StoreError,
    StoreUnreachableError,
)
from rsmonitor.io.foundation.files import rename_durably
from rsmonitor.io.stores.copying import content_of, copy_part
from rsmonitor.io.stores.ledger_schema import LEDGER
from rsmonitor.io.stores.postgres.ledger import PostgresLedger
from rsmonitor.io.stores.postgres.tables import PostgresTables
from rsmonitor.records.licence import Completeness, LicenceKind, ProducingList
from rsmonitor.records.lifecycle import HistoryCurve
from rsmonitor.wiring.store import copy_store
from rsmonitor.wiring.stores import open_diary, open_ledger, open_licence_book
from rsmonitor.wiring.survey import check_all

if TYPE_CHECKING:
    from postgres_server import Server

SETTINGS = """
[district]
code = "{code}"
name_zh = "某县"
name_en = "Some"
bureau = "局"
[source]
kind = "cube"
files = ["cube.nc"]
[history]
until = 2018-06-30
[run]
work = "{work}"
out = "out"
[licences]
{register}
[store]
{store}
"""


def settings_in(
    folder: Path,
    name: str,
    *,
    work: str = "work",
    store: str = "",
    code: str = "demo",
    register: str = 'register = "register.sqlite"',
) -> Path:
    path = folder / f"{name}.toml"
    path.write_text(
        SETTINGS.format(code=code, work=work, store=store, register=register), "utf-8"
    )
    return path


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Give settings of books in files, with something of everything in them."""
    path = settings_in(tmp_path, "files")
    settings = read_settings(path)
    ledger = open_ledger(settings)
    ledger.commit(FULL)
    ledger.append([done()])
    other = commit(
        *(2,),
        products=(product(20),),
        sites=(site(0, x=0.1), site(3)),
        alerts=(replace(alert(0), version=2), alert(3, rank=2)),
        events=tuple(event(n, 说="稀土 ☃") for n in range(30)),
    )
    ledger.commit(other)
    register = open_licence_book(settings)
    assert register is not None
    register.import_licences(delivery(*rights("C1", "C2")), at=AT, by="李华")
    listed = ProducingList(
        year=2026,
        publisher="某集团",
        published=date(2026, 3, 1),
        licence_ids=frozenset({"C1"}),
    )
    register.import_producing(listed, file="l", sha256="0" * 64, at=AT, by="李华")
    complete = Completeness(
        county_code="360728", kind=LicenceKind.MINING, complete_on=date(2026, 11, 1)
    )
    register.declare_complete(complete, at=AT, by="李华")
    register.import_licences(
        delivery(right("C1", holder="另一公司"), right("C3", east=0.1)),
        at=AT + timedelta(days=1),
        by="王强",
        accept="so it is",
    )
    curve = HistoryCurve(site_id=SITE_ID, line="a", coefficients=(0.01, -0.02, 1 / 3))
    open_diary(settings).keep("demo", every(10, [0.5, 0.7, 1 / 3]), [curve])
    return path


@pytest.fixture
def served(postgres: "Server", tmp_path: Path) -> Path:
    """Give settings of books on a server where nothing is yet."""
    address = postgres.address()
    store = f'url = "{address.url}"\nschema = "{address.schema}"'
    return settings_in(tmp_path, "server", store=store)


def said(config: Path) -> list[object]:
    """Give all that the books say."""
    settings = read_settings(config)
    register = open_licence_book(settings)
    assert register is not None
    diary, ledger = open_diary(settings), open_ledger(settings)
    return [
        everything(ledger),
        ledger.said("demo"),
        ledger.versions(alert(0).alert_id),
        ledger.first_weeks("demo"),
        ledger.withheld(),
        register.snapshot(),
        register.history(),
        diary.of("demo"),
        diary.curves("demo"),
    ]


def test_there_and_back_everything_is_the_same_and_verifies(
    files: Path, served: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = open_ledger(read_settings(files)).head()
    assert copy(files, served) == 0
    told = capsys.readouterr().out
    assert "event 33, run 2, slot 1, applied 3, site 2, alert 2" in told
    assert "entry 4, licence 4, completeness 1, producing 1" in told
    assert "observation 3, curve 1" in told
    assert f"both chains verify: {head[0]} events, the last is {head[1]}" in told
    assert said(served) == said(files)
    # it goes on there
    there = open_ledger(read_settings(served))
    there.append([done(1)], expected_head=head)
    there.commit(commit(3, events=(event(3),)))
    register = open_licence_book(read_settings(served))
    assert register is not None
    register.withdraw(4, reason="wrong", at=AT + timedelta(days=2), by="李华")

    back = settings_in(
        tmp_path, "back", work="work2", register='register = "register2.sqlite"'
    )
    copied = copy_store(served, back)
    assert all(part.new for part in copied.parts)
    assert copied.head == there.head()
    assert said(back) == said(served)
    assert open_ledger(read_settings(back)).verify(head) == []
    # and goes on there
    open_ledger(read_settings(back)).commit(commit(4, events=(event(4),)))
    assert sorted(path.name for path in (tmp_path / "work2").iterdir()) == [
        "ledger.sqlite",
        "locks",
        "observations.sqlite",
    ]


def test_a_copy_can_be_repeated_and_changes_nothing(files: Path, served: Path) -> None:
    copy_store(files, served)
    again = copy_store(files, served)
    assert not any(part.new for part in again.parts)


def test_a_target_that_holds_something_else_is_refused(
    files: Path, served: Path
) -> None:
    there = open_ledger(read_settings(served))
    there.commit(FULL)
    before = everything(there)
    with pytest.raises(StoreError, match="holds something else"):
        copy_store(files, served)
    assert everything(there) == before
    register = open_licence_book(read_settings(served))
    assert register is not None
    assert not register.exists()


def test_a_ledger_that_does_not_verify_is_not_copied(files: Path, served: Path) -> None:
    path = files.parent / "work" / "ledger.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        (trigger,) = connection.execute(
            "SELECT sql FROM sqlite_master WHERE name = 'event_fixed'"
        ).fetchone()
        connection.execute("DROP TRIGGER event_fixed")
        connection.execute("UPDATE event SET who = 'x' WHERE seq = 2")
        connection.execute(trigger)
    with pytest.raises(StoreError, match=r"not copied.*event 2 was changed"):
        copy_store(files, served)
    assert not open_ledger(read_settings(served)).exists()


def test_a_copy_that_stops_anywhere_on_the_way_leaves_nothing(
    files: Path, served: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = copy_part
    for part in ("register of licences", "diary of sites", "ledger"):
        whole = False

        def stopped(*given: object, until: str = part) -> object:
            nonlocal whole
            copied = plain(*given)  # type: ignore[arg-type]
            if given[2].layout.what == until:  # type: ignore[attr-defined]
                whole = True
                raise KeyboardInterrupt
            return copied

        with monkeypatch.context() as patch:
            patch.setattr("rsmonitor.io.stores.postgres.copying.copy_part", stopped)
            with pytest.raises(KeyboardInterrupt):
                copy_store(files, served)
        assert whole
        assert not open_ledger(read_settings(served)).exists()
        assert not open_diary(read_settings(served)).tables.exists()
    copy_store(files, served)
    assert said(served) == said(files)


def test_files_that_a_stopped_copy_left_are_finished(
    files: Path, served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_store(files, served)
    back = settings_in(tmp_path, "back", work="w2", register='register = "r2.sqlite"')
    plain, renamed = rename_durably, 0

    def stopped(path: Path, final: Path) -> None:
        nonlocal renamed
        if path.name.endswith(".copy"):
            renamed += 1
            if renamed == 2:
                raise KeyboardInterrupt
        plain(path, final)

    with monkeypatch.context() as patch:
        patch.setattr("rsmonitor.io.stores.copying.rename_durably", stopped)
        with pytest.raises(KeyboardInterrupt):
            copy_store(served, back)
    assert (tmp_path / "r2.sqlite").exists()
    assert not open_ledger(read_settings(back)).exists()
    copied = copy_store(served, back)
    assert [part.new for part in copied.parts] == [False, True, True]
    assert said(back) == said(files)


OLD = Path(__file__).parents[1] / "corpus" / "ledgers" / "schema1.sqlite"


def test_a_ledger_of_the_first_schema_is_copied_beside_a_register(
    files: Path, served: Path, tmp_path: Path, postgres: "Server"
) -> None:
    shutil.copy(OLD, tmp_path / "work" / "ledger.sqlite")
    assert open_ledger(read_settings(files)).upgrade() is not None
    copy_store(files, served)
    assert not any(part.new for part in copy_store(files, served).parts)
    address = postgres.address()
    store = f'url = "{address.url}"\nschema = "{address.schema}"'
    other = settings_in(tmp_path, "other", store=store)
    back = settings_in(tmp_path, "back", work="w2", register='register = "r2.sqlite"')
    copy_store(served, other)
    copy_store(other, back)
    with closing(sqlite3.connect(OLD)) as connection:
        rows = connection.execute("SELECT alert_id FROM alert_version").fetchall()
    ids = {alert_id for (alert_id,) in rows}
    assert ids
    for alert_id in ids:
        said_of = [
            open_ledger(read_settings(config)).versions(alert_id)
            for config in (files, served, other, back)
        ]
        assert said_of == [said_of[0]] * 4
    with closing(sqlite3.connect(tmp_path / "r2.sqlite")) as connection:
        keys = connection.execute("SELECT key FROM meta").fetchall()
    assert keys == [("schema_version",)]


def test_a_file_that_came_meanwhile_stays(
    files: Path, served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_store(files, served)
    back = settings_in(tmp_path, "back", work="w2", register='register = "r2.sqlite"')
    there, plain = open_ledger(read_settings(back)), copy_part

    def overtaken(*given: object) -> object:
        if not there.exists():
            there.append([done()])
        return plain(*given)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr("rsmonitor.io.stores.copying.copy_part", overtaken)
        with pytest.raises(StoreError, match="somebody else"):
            copy_store(served, back)
    assert there.head()[0] == 1


def test_a_journal_that_was_left_is_not_played_into_the_copy(
    files: Path, served: Path, tmp_path: Path
) -> None:
    copy_store(files, served)
    back = settings_in(tmp_path, "back", work="w2", register='register = "r2.sqlite"')
    lost = tmp_path / "w2" / "ledger.sqlite"
    open_ledger(read_settings(back)).append([done()])
    journal = lost.with_name("ledger.sqlite-journal")
    with closing(sqlite3.connect(lost, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")  # the journal counts at once
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE meta SET value = value || 'x'")
        half = journal.read_bytes()
    lost.unlink()
    journal.write_bytes(half)
    copy_store(served, back)
    assert not journal.exists()
    assert said(back) == said(files)


def test_what_is_written_to_during_a_copy_is_not_copied(
    files: Path, served: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, ledger = copy_part, open_ledger(read_settings(files))

    def disturbed(*given: object) -> object:
        if ledger.head()[0] == 33:
            ledger.append([done(2)])
        return plain(*given)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr("rsmonitor.io.stores.postgres.copying.copy_part", disturbed)
        with pytest.raises(StoreError, match="written to while it was copied"):
            copy_store(files, served)
    assert not open_ledger(read_settings(served)).exists()
    copy_store(files, served)
    assert said(served) == said(files)


def test_nothing_is_copied_while_a_run_goes_on(files: Path, served: Path) -> None:
    for config in (files, served):
        ledger = open_ledger(read_settings(config))
        with ledger.lock("demo"), pytest.raises(BusyError, match="district demo"):
            copy_store(files, served)
    assert not open_ledger(read_settings(served)).exists()


def test_settings_that_do_not_fit_are_refused(
    files: Path, served: Path, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="where"):
        copy_store(files, files)
    with pytest.raises(SettingsError, match="districts of"):
        copy_store(files, settings_in(tmp_path, "o", work="o", code="other"))
    with pytest.raises(SettingsError, match=r"no licences\.register"):
        copy_store(files, settings_in(tmp_path, "p", work="p", register=""))
    with pytest.raises(StoreError, match="nothing to copy"):
        copy_store(served, files)
    away = 'url = "postgresql://office@/office?host=/nowhere"'
    with pytest.raises(StoreUnreachableError, match="cannot be reached") as caught:
        copy_store(files, settings_in(tmp_path, "away", store=away))
    assert caught.value.exit_code == 5


def test_check_says_whether_the_database_answers(
    files: Path, served: Path, tmp_path: Path, postgres: "Server"
) -> None:
    def told(config: Path) -> tuple[bool, str]:
        found = [
            each
            for each in check_all(read_settings(config))
            if each.what == "the database of the books answers"
        ]
        return found[0].ok, found[0].says

    good, words = told(served)
    assert good
    assert words.endswith("will be made by the first run")
    copy_store(files, served)
    good, words = told(served)
    assert good
    assert words.endswith("the ledger is there")
    postgres.psql("CREATE DATABASE without")
    bare = f'url = "{postgres.url("without")}"'
    good, words = told(settings_in(tmp_path, "bare", store=bare))
    assert not good
    assert "CREATE EXTENSION postgis" in words


def test_a_difference_of_one_byte_is_seen(
    files: Path, served: Path, postgres: "Server"
) -> None:
    copy_store(files, served)
    settings = read_settings(served)
    before = content_of(open_ledger(settings).tables, LEDGER)
    ledger = open_ledger(settings)
    assert isinstance(ledger, PostgresLedger)
    assert isinstance(ledger.tables, PostgresTables)
    postgres.tamper(
        ledger.tables.address.schema,
        "UPDATE slot SET slot = 1 - slot",
    )
    after = content_of(ledger.tables, LEDGER)
    assert after.rows == before.rows
    assert after.sha256 != before.sha256
    with pytest.raises(StoreError, match="holds something else"):
        copy_store(files, served)
