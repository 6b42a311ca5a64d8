"""Both ledgers obey the same laws; the one on disk keeps them against damage too."""

import math
import re
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_samples import (
    FULL,
    LINE,
    NOW,
    OTHER_LINE,
    alert,
    commit,
    done,
    event,
    everything,
    pointer,
    product,
    site,
)

from rsmonitor.errors import (
    BusyError,
    ContractError,
    OutputError,
    RsmonitorError,
    StoreError,
)
from rsmonitor.io.stores.ledger import SqliteLedger, StoredLedger
from rsmonitor.io.stores.memory_ledger import MemoryLedger
from rsmonitor.io.stores.postgres.ledger import PostgresLedger
from rsmonitor.records.event import GENESIS, EventDraft, EventKind
from rsmonitor.records.run import RunCommit

if TYPE_CHECKING:
    from postgres_server import Server

    from rsmonitor.interfaces import Ledger

AnyLedger = StoredLedger | MemoryLedger


@pytest.fixture(params=["disk", "postgres", "memory"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> AnyLedger:
    return (
        MemoryLedger()
        if request.param == "memory"
        else stored_in(request.param, request, tmp_path)
    )


@pytest.fixture(params=["disk", "postgres"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> StoredLedger:
    return stored_in(request.param, request, tmp_path)


def stored_in(where: str, request: pytest.FixtureRequest, folder: Path) -> StoredLedger:
    if where == "disk":
        return on_disk(folder)
    server: Server = request.getfixturevalue("postgres")
    ledger = PostgresLedger(server.address())
    SERVERS[ledger.name] = server
    return ledger


SERVERS: dict[str, "Server"] = {}
"""Who lets a test tamper with a ledger, by its name."""


def on_disk(folder: Path) -> SqliteLedger:
    return SqliteLedger(folder / "ledger.sqlite", locks=folder / "locks")


def test_ledger_without_runs_is_empty(ledger: AnyLedger) -> None:
    protocol: Ledger = ledger  # both satisfy it; a type checker looks here
    assert protocol.runs("demo") == ()
    assert everything(ledger) == [(), (), (), (), (), (), [], (0, GENESIS)]
    assert ledger.verify() == []


def test_everything_of_a_run_is_there_after_its_commit(ledger: AnyLedger) -> None:
    ledger.commit(FULL)
    assert ledger.runs("demo") == (FULL.record,)
    assert ledger.pointers(LINE) == FULL.pointers
    assert ledger.applied(LINE) == FULL.products
    assert ledger.sites("demo") == FULL.sites
    assert ledger.alerts("demo") == FULL.alerts
    assert ledger.lines("demo") == (LINE,)
    assert [e.body for e in ledger.events()] == ['{"n":0}', '{"n":1}']
    assert ledger.verify() == []


def test_other_districts_and_lines_are_not_touched(ledger: AnyLedger) -> None:
    ledger.commit(FULL)
    ledger.commit(
        commit(
            district="other",
            line=OTHER_LINE,
            pointers=(pointer(line=OTHER_LINE),),
            products=(product(9),),
            replayed=True,
            sites=(site(2, "other"),),
            alerts=(alert(2, district="other"),),
        )
    )
    assert ledger.pointers(LINE) == FULL.pointers
    assert ledger.applied(LINE) == FULL.products
    assert ledger.sites("demo") == FULL.sites
    assert ledger.alerts("demo") == FULL.alerts
    assert ledger.lines("demo") == (LINE,)
    assert ledger.lines("other") == (OTHER_LINE,)


def test_lists_are_in_the_order_that_they_promise(ledger: AnyLedger) -> None:
    second = pointer(block_id="r00000c00512")
    ledger.commit(
        commit(
            2,
            pointers=(second, pointer(kind="reference"), pointer()),
            products=(product(5), product(0)),
            sites=(site(1), site(0)),
            alerts=(alert(1, rank=10), alert(2, rank=9), alert(0, rank=10)),
        )
    )
    ledger.commit(commit(1, sites=(site(1), site(0))))
    assert [run.week.week for run in ledger.runs("demo")] == [1, 2]
    assert [p.place[2:] for p in ledger.pointers(LINE)] == [
        ("r00000c00000", "evidence"),
        ("r00000c00000", "reference"),
        ("r00000c00512", "evidence"),
    ]
    assert ledger.applied(LINE) == (product(0), product(5))
    assert ledger.sites("demo") == (site(0), site(1))
    ledger.commit(commit(3, alerts=(alert(1, 10), alert(2, 9), alert(0, 10))))
    assert ledger.alerts("demo") == (alert(2, 9), alert(0, 10), alert(1, 10))


def test_next_run_flips_pointers_adds_products_and_replaces_sites(
    ledger: AnyLedger,
) -> None:
    ledger.commit(FULL)
    ledger.commit(
        commit(
            2,
            pointers=(pointer(1, "b"),),
            products=(product(10),),
            sites=(site(0),),
            events=(event(2),),
        )
    )
    assert ledger.pointers(LINE) == (pointer(1, "b"),)
    assert ledger.applied(LINE) == (product(0), product(5), product(10))
    assert ledger.sites("demo") == (site(0),)
    assert ledger.alerts("demo") == ()
    assert ledger.head()[0] == 3
    assert ledger.verify() == []


def test_replay_replaces_what_was_applied(ledger: AnyLedger) -> None:
    ledger.commit(FULL)
    replaced = (product(0, "v2"), product(3))
    ledger.commit(commit(2, products=replaced, replayed=True))
    assert ledger.applied(LINE) == replaced


def test_run_is_not_committed_twice(ledger: AnyLedger) -> None:
    ledger.commit(FULL)
    before = everything(ledger)
    with pytest.raises(StoreError, match=r"demo-2018-w01.* already committed"):
        ledger.commit(commit(sites=(site(3),)))
    assert everything(ledger) == before


def test_second_version_of_an_acquisition_needs_a_replay(ledger: AnyLedger) -> None:
    ledger.commit(FULL)
    before = everything(ledger)
    with pytest.raises(StoreError, match=r"day-0-v2.*day-0-v1"):
        ledger.commit(commit(2, products=(product(10), product(0, "v2"))))
    assert everything(ledger) == before
    # the same one again is part of the state already
    ledger.commit(commit(2, products=(product(0), product(10))))
    assert ledger.applied(LINE) == (product(0), product(5), product(10))


def test_slot_written_while_it_was_the_truth_is_refused(ledger: AnyLedger) -> None:
    ledger.commit(FULL)
    before = everything(ledger)
    with pytest.raises(StoreError, match="slot 0 was written while"):
        ledger.commit(commit(2, pointers=(pointer(0, "b"),)))
    assert everything(ledger) == before
    ledger.commit(commit(2, pointers=FULL.pointers))


@pytest.mark.parametrize(
    "wrong",
    [
        commit(2, pointers=(pointer(line=OTHER_LINE),)),
        commit(2, pointers=(pointer(), pointer(1, "b"))),
        commit(2, pointers=(pointer(grid_id="\ud800"),)),
        commit(2, products=(product(10), product(10, "v2"))),
        commit(2, products=(replace(product(10), product_id="\udcff"),)),
        commit(2, sites=(site(0, "other"),)),
        commit(2, sites=(site(0), site(0, a=1.0))),
        commit(2, alerts=(alert(0, district="other"),)),
        commit(2, alerts=(alert(0), alert(0, rank=2))),
        commit(2, events=(event(), event(n=math.nan))),
        commit(2, events=(event(what=date(2018, 7, 2)),)),
        commit(2, events=(event(what="\ud800"),)),
        replace(commit(2), finished_at=datetime(2018, 7, 2)),  # noqa: DTZ001
        replace(commit(2), finished_at=NOW.astimezone(timezone(timedelta(hours=8)))),
    ],
)
def test_commit_that_contradicts_itself_changes_nothing(
    ledger: AnyLedger, wrong: RunCommit
) -> None:
    ledger.commit(FULL)
    before = everything(ledger)
    with pytest.raises(ContractError):
        ledger.commit(wrong)
    assert everything(ledger) == before


def test_nothing_that_an_alert_said_is_forgotten(ledger: AnyLedger) -> None:
    said = [alert(0), alert(0, bureau="c"), alert(0, rank=2)]
    ledger.commit(commit(1, alerts=(said[0],)))
    ledger.commit(commit(2, alerts=(said[0],)))
    ledger.commit(commit(3, alerts=(said[1],)))
    ledger.commit(commit(4, alerts=(said[2], alert(1, rank=3))))
    ledger.commit(commit(5))
    assert ledger.alerts("demo") == ()
    assert ledger.versions(said[0].alert_id) == tuple(said)


def test_a_ledger_says_cheaply_what_is_new(stored: StoredLedger) -> None:
    assert stored.tables.stamp() is None
    assert (stored.last_runs(), stored.districts_of([])) == ({}, {})
    stored.commit(FULL)
    stored.commit(commit(3, district="other", line=OTHER_LINE))
    last = commit(2, sites=(site(1), site(0)))
    stored.commit(last)
    assert stored.last_runs() == {
        "demo": (2, 3, last.record.run_id),
        "other": (1, 2, "other-2018-w03-fedcba9876543210"),
    }
    names = [site(0).site_id, site(1).site_id]
    assert stored.districts_of([*reversed(names), "s"]) == {"demo": tuple(names)}
    stamps = [stored.tables.stamp()]
    assert stored.tables.stamp() == stamps[0]
    stored.append([done()])
    stamps.append(stored.tables.stamp())
    stored.commit(commit(4))
    stamps.append(stored.tables.stamp())
    assert len(set(stamps)) == 3


def test_a_run_is_found_by_what_it_said(stored: StoredLedger) -> None:
    assert stored.run_that_said(alert(0).alert_id) is None
    runs = [
        commit(1, alerts=(alert(0), alert(1, rank=2))),
        commit(2, alerts=(replace(alert(0), version=2), alert(1, rank=2))),
        commit(3, alerts=(replace(alert(0), version=2),)),
    ]
    for run in runs:
        stored.commit(run)
    assert stored.run_that_said(alert(0).alert_id) == runs[1].record.run_id
    assert stored.run_that_said(alert(1).alert_id) == runs[0].record.run_id
    assert stored.first_weeks("demo") == {
        (alert(0).alert_id, 1): runs[0].record.week,
        (alert(1).alert_id, 1): runs[0].record.week,
        (alert(0).alert_id, 2): runs[1].record.week,
    }
    assert stored.first_weeks("other") == {}


def test_retired_line_has_no_state_but_its_runs_stay(ledger: AnyLedger) -> None:
    ledger.commit(FULL)
    other = pointer(line=OTHER_LINE)
    ledger.commit(commit(1, line=OTHER_LINE, pointers=(other,)))
    assert ledger.lines("demo") == (LINE, OTHER_LINE)
    ledger.retire([LINE, "nothing"])
    assert ledger.lines("demo") == (OTHER_LINE,)
    assert (ledger.pointers(LINE), ledger.applied(LINE)) == ((), ())
    assert ledger.pointers(OTHER_LINE) == (other,)
    assert len(ledger.runs("demo")) == 2
    with pytest.raises(StoreError, match="already committed"):
        ledger.commit(FULL)


def test_retiring_from_an_empty_ledger_does_nothing(ledger: AnyLedger) -> None:
    ledger.retire([LINE])
    assert ledger.lines("demo") == ()


def test_district_is_locked_once_and_free_afterwards(ledger: AnyLedger) -> None:
    with ledger.lock("demo"):
        with pytest.raises(BusyError, match="demo"), ledger.lock("demo"):
            pass
        with ledger.lock("other"):
            pass
    with pytest.raises(KeyError), ledger.lock("demo"):
        raise KeyError
    with ledger.lock("demo"):
        pass


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "demo\n", ".ledger", "A"])
def test_lock_of_no_district_is_refused(ledger: AnyLedger, name: str) -> None:
    with pytest.raises(ContractError), ledger.lock(name):
        pass


drafts = st.lists(
    st.builds(
        EventDraft,
        kind=st.sampled_from(EventKind),
        at=st.datetimes(timezones=st.just(UTC)),
        who=st.text(min_size=1, max_size=5),
        body=st.dictionaries(
            st.text(max_size=5),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.text(max_size=5),
                st.lists,
                max_leaves=3,
            ),
            max_size=3,
        ),
    ),
    max_size=4,
)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(runs=st.lists(drafts, min_size=1, max_size=3))
def test_chain_is_the_same_on_disk_and_in_memory(
    tmp_path_factory: pytest.TempPathFactory, runs: list[list[EventDraft]]
) -> None:
    disk, memory = on_disk(tmp_path_factory.mktemp("ledger")), MemoryLedger()
    for week, events in enumerate(runs, start=1):
        for ledger in (disk, memory):
            ledger.commit(commit(week, events=tuple(events)))
    assert everything(disk) == everything(memory)
    assert disk.verify(memory.head()) == []


def test_chain_is_read_whole_however_long(stored: StoredLedger) -> None:
    ledger = stored
    ledger.commit(commit(1, events=tuple(event(n) for n in range(2000))))
    assert [e.seq for e in ledger.events()] == list(range(1, 2001))
    assert ledger.verify((2000, ledger.head()[1])) == []


def test_reading_the_chain_slowly_does_not_hold_up_a_commit(
    stored: StoredLedger,
) -> None:
    ledger = stored
    ledger.commit(FULL)
    chain = ledger.events()
    next(chain)
    ledger.commit(commit(2, events=(event(2),)))
    assert [e.seq for e in chain] == [2]


def tamper(ledger: StoredLedger, *statements: str) -> None:
    """Change what is kept behind the ledger's back, as one with access to it could."""
    if isinstance(ledger, PostgresLedger):
        schema = ledger.name.rpartition(" ")[2]
        SERVERS[ledger.name].tamper(schema, *statements)
        return
    path = Path(ledger.name)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        triggers = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        for _, statement in triggers:  # and leave no trace
            connection.execute(statement)


@pytest.fixture
def kept(stored: StoredLedger) -> StoredLedger:
    return with_two_runs(stored)


@pytest.fixture
def kept_on_disk(tmp_path: Path) -> SqliteLedger:
    ledger = on_disk(tmp_path)
    with_two_runs(ledger)
    return ledger


def with_two_runs(ledger: StoredLedger) -> StoredLedger:
    ledger.commit(FULL)
    ledger.commit(commit(2, alerts=(alert(0),), events=(event(2), event(3))))
    return ledger


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE event SET body = '{}' WHERE seq = 2", "event 2 was changed"),
        ("UPDATE event SET who = 'x' WHERE seq = 4", "event 4 was changed"),
        ("UPDATE event SET at = '2018' WHERE seq = 1", "event 1 was changed"),
        ("UPDATE event SET kind = 'x' WHERE seq = 1", "event 1 was changed"),
        ("DELETE FROM event WHERE seq = 1", "some are missing"),
        ("DELETE FROM event WHERE seq = 3", "some are missing"),
        (
            (
                "INSERT INTO event SELECT 9, prev_hash, 'x' || substr(hash, 2), kind, "
                "at, who, body FROM event WHERE seq = 1"
            ),
            "some are missing",
        ),
    ],
)
def test_changed_or_missing_events_are_found(
    kept: StoredLedger, statement: str, problem: str
) -> None:
    assert kept.verify() == []
    tamper(kept, statement)
    assert any(problem in text for text in kept.verify())


def test_reordered_events_are_found(kept: StoredLedger) -> None:
    tamper(
        kept,
        "UPDATE event SET seq = 99 WHERE seq = 2",
        "UPDATE event SET seq = 2 WHERE seq = 3",
        "UPDATE event SET seq = 3 WHERE seq = 99",
    )
    assert any("names another event before it" in text for text in kept.verify())


def test_cut_tail_is_found_with_a_head_kept_elsewhere(kept: StoredLedger) -> None:
    head = kept.head()
    assert kept.verify(head) == []
    tamper(kept, "DELETE FROM event WHERE seq = 4")
    assert kept.verify() == []
    assert any("cut off" in text for text in kept.verify(head))


def test_rewritten_chain_is_found_with_a_head_kept_elsewhere(tmp_path: Path) -> None:
    ledger, forged = on_disk(tmp_path / "a"), on_disk(tmp_path / "b")
    for n, of in enumerate((ledger, forged)):
        of.commit(commit(1, events=(event(n),)))
    assert forged.verify() == []
    assert forged.verify(ledger.head()) != []
    # an older head stays good as the chain grows
    head = ledger.head()
    ledger.commit(commit(2, events=(event(2),)))
    assert ledger.verify(head) == []


def test_every_head_that_was_kept_is_asked_for(kept: StoredLedger) -> None:
    end, made_up = kept.head(), (2, "f" * 64)
    assert kept.verify(end, (0, GENESIS), None) == []
    (problem,) = kept.verify(end, made_up)
    assert "event 2 with hash ffff" in problem


def test_an_event_that_holds_no_text_is_found(kept_on_disk: SqliteLedger) -> None:
    tamper(kept_on_disk, "UPDATE event SET kind = x'00' WHERE seq = 1")
    assert any("event 1 was changed" in text for text in kept_on_disk.verify())


def test_removed_triggers_are_found(kept: StoredLedger) -> None:
    if isinstance(kept, PostgresLedger):
        schema = kept.name.rpartition(" ")[2]
        server = SERVERS[kept.name]
        server.psql(f"ALTER TABLE {schema}.event DISABLE TRIGGER event_fixed")
    else:
        with closing(sqlite3.connect(kept.name)) as connection:
            connection.execute("DROP TRIGGER event_fixed")
    (problem,) = kept.verify()
    assert problem.endswith("triggers that keep the past were removed: event_fixed")


def test_what_an_alert_said_is_held_against_its_digest(kept: StoredLedger) -> None:
    tamper(kept, "UPDATE alert_version SET record = replace(record, '100.0', '90.0')")
    (problem,) = kept.verify()
    assert alert(0).alert_id in problem


def test_what_people_do_joins_the_same_chain(ledger: AnyLedger) -> None:
    (first,) = ledger.append([done()])
    assert (first.seq, first.prev_hash) == (1, GENESIS)
    ledger.commit(commit(1, events=(event(0),)))
    both = ledger.append([done(1), done(2)], expected_head=ledger.head())
    assert [one.seq for one in both] == [3, 4]
    assert list(ledger.events())[2:] == list(both)
    assert ledger.append([]) == ()
    assert ledger.verify(ledger.head()) == []


def test_appending_is_all_or_nothing(ledger: AnyLedger) -> None:
    ledger.append([done()])
    before = ledger.head()
    for wrong, words in (
        (done(due="soon"), "due must be a day"),
        (done(why=""), "why is empty"),
        (done(why=None), "why must be a text"),
        (event(), "written by a run"),
        (
            EventDraft(
                kind=EventKind.TRIAGED, at=NOW, who="x", body={"site_id": math.nan}
            ),
            "cannot be stored",
        ),
    ):
        with pytest.raises(ContractError, match=words):
            ledger.append([done(1), wrong])
        assert ledger.head() == before


def test_what_was_decided_on_an_older_chain_is_not_added(ledger: AnyLedger) -> None:
    before = ledger.head()
    ledger.append([done()])
    with pytest.raises(BusyError, match="it had 0"):
        ledger.append([done(1)], expected_head=before)
    assert ledger.head()[0] == 1


def test_both_ledgers_say_when_an_alert_said_what(ledger: AnyLedger) -> None:
    ledger.commit(commit(1, alerts=(alert(0), alert(1, rank=2))))
    ledger.commit(commit(2, alerts=(replace(alert(0), version=2),)))
    ledger.commit(commit(3, alerts=(replace(alert(0), version=2),)))
    said = ledger.said("demo")
    assert [(s.alert_id, s.version) for s in said] == [
        (alert(0).alert_id, 1),
        (alert(1).alert_id, 1),
        (alert(0).alert_id, 2),
    ]
    assert {(s.site_id, s.area_m2, s.at) for s in said} == {
        (site(0).site_id, 100.0, NOW),
        (site(1).site_id, 100.0, NOW),
    }
    assert ledger.said("other") == ()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET body = '{}'",
        "DELETE FROM event",
        "REPLACE INTO event SELECT * FROM event WHERE seq = 1",
        (
            "INSERT INTO event SELECT 9, prev_hash, 'x' || substr(hash, 2), kind, at, "
            "who, body FROM event WHERE seq = 1"
        ),
        "UPDATE alert_version SET record = '{}'",
        "DELETE FROM alert_version",
        "REPLACE INTO alert_version SELECT * FROM alert_version",
        (
            "REPLACE INTO alert_version (alert_id, sha256, record, run_id) "
            "SELECT alert_id, sha256, '{}', run_id FROM alert_version"
        ),
    ],
)
def test_history_cannot_be_changed_by_accident(
    kept_on_disk: SqliteLedger, tmp_path: Path, statement: str
) -> None:
    with (
        closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as connection,
        pytest.raises(sqlite3.IntegrityError),
    ):
        connection.execute(statement)
    assert kept_on_disk.verify() == []
    assert kept_on_disk.versions(alert(0).alert_id) == (alert(0),)


@pytest.mark.parametrize("table", ["run", "site", "alert", "applied"])
@pytest.mark.parametrize("value", ["'{}'", "''", "x'ff'", "7", "cast(x'ff' AS TEXT)"])
def test_damaged_record_is_refused_and_the_ledger_named(
    kept_on_disk: SqliteLedger, table: str, value: str
) -> None:
    kept_on_disk.commit(commit(3, sites=(site(0),), alerts=(alert(0),)))
    column = "product" if table == "applied" else "record"
    tamper(kept_on_disk, f"UPDATE {table} SET {column} = {value}")  # noqa: S608
    read: dict[str, Callable[[], object]] = {
        "run": lambda: kept_on_disk.runs("demo"),
        "site": lambda: kept_on_disk.sites("demo"),
        "alert": lambda: kept_on_disk.alerts("demo"),
        "applied": lambda: kept_on_disk.applied(LINE),
    }
    with pytest.raises(StoreError, match=r"ledger\.sqlite"):
        read[table]()


def test_damaged_pointer_is_refused(kept: StoredLedger) -> None:
    tamper(kept, f"UPDATE slot SET sha256 = '{'G' * 64}'")  # noqa: S608
    table = re.escape(f"{kept.name}, table slot")
    with pytest.raises(StoreError, match=table):
        kept.pointers(LINE)
    with pytest.raises(StoreError, match=table):
        kept.commit(commit(3, pointers=(pointer(1, "b"),)))


def test_missing_run_behind_a_row_is_found(kept: StoredLedger) -> None:
    tamper(kept, "DELETE FROM run")
    assert any("names a run that is not there" in text for text in kept.verify())


ALL: list[Callable[[SqliteLedger], object]] = [
    lambda ledger: ledger.runs("demo"),
    lambda ledger: ledger.verify(),
    lambda ledger: ledger.retire([LINE]),
    lambda ledger: ledger.commit(commit(9)),
]


@pytest.mark.parametrize("use", ALL)
@pytest.mark.parametrize(
    "content", [b"", b"SQLite format 3\0", b"junk" * 1000, b"\0" * 8192]
)
def test_file_that_is_no_ledger_is_refused_and_left_alone(
    tmp_path: Path, content: bytes, use: Callable[[SqliteLedger], object]
) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"ledger\.sqlite"):
        use(on_disk(tmp_path))
    assert path.read_bytes() == content


@pytest.mark.parametrize("use", ALL)
def test_ledger_of_another_schema_version_is_refused(
    kept_on_disk: SqliteLedger, use: Callable[[SqliteLedger], object]
) -> None:
    tamper(kept_on_disk, "PRAGMA user_version = 9")
    with pytest.raises(StoreError, match="schema version 9, this rsmonitor knows 3"):
        use(kept_on_disk)


def to_schema_2(path: Path) -> None:
    """Make of a ledger what the schema before was: two kinds of state, by name."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            """
            ALTER TABLE slot RENAME TO newer;
            CREATE TABLE slot (
                line TEXT NOT NULL, grid_id TEXT NOT NULL, block_id TEXT NOT NULL,
                kind TEXT NOT NULL CHECK (kind IN ('reference', 'evidence')),
                slot INTEGER NOT NULL CHECK (slot IN (0, 1)),
                sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
                run_id TEXT NOT NULL REFERENCES run (run_id),
                PRIMARY KEY (line, grid_id, block_id, kind)
            );
            INSERT INTO slot SELECT * FROM newer;
            DROP TABLE newer;
            UPDATE meta SET value = '2' WHERE key = 'schema_version';
            PRAGMA user_version = 2;
            """
        )


def test_ledger_of_the_schema_before_is_upgraded_and_kept(tmp_path: Path) -> None:
    ledger, path = on_disk(tmp_path), tmp_path / "ledger.sqlite"
    ledger.commit(FULL)
    before = (
        list(ledger.events()),
        ledger.runs("demo"),
        ledger.applied(FULL.record.line),
    )
    to_schema_2(path)
    with pytest.raises(StoreError, match="schema version 2"):
        ledger.runs("demo")
    copy = ledger.upgrade()
    assert copy == tmp_path / "ledger.sqlite.schema2"
    assert ledger.verify() == []
    after = (
        list(ledger.events()),
        ledger.runs("demo"),
        ledger.applied(FULL.record.line),
    )
    assert after == before
    with closing(sqlite3.connect(copy)) as kept:
        assert kept.execute("PRAGMA user_version").fetchone() == (2,)
        assert kept.execute("SELECT count(*) FROM event").fetchone() == (
            len(before[0]),
        )
    assert ledger.upgrade() is None, "nothing is left to do"


def test_upgrade_that_fails_leaves_the_ledger_as_it_was(tmp_path: Path) -> None:
    ledger, path = on_disk(tmp_path), tmp_path / "ledger.sqlite"
    ledger.commit(FULL)
    to_schema_2(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE slot_before (x)")
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="slot_before"):
        ledger.upgrade()
    assert path.read_bytes() == before


@pytest.mark.parametrize("use", ALL)
def test_database_of_another_program_is_refused(
    tmp_path: Path, use: Callable[[SqliteLedger], object]
) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as connection:
        connection.execute("CREATE TABLE event (x)")
        connection.execute("PRAGMA user_version = 1")
    with pytest.raises(StoreError, match="not a ledger of rsmonitor"):
        use(on_disk(tmp_path))


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_damage_anywhere_in_the_file_never_escapes_as_a_strange_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    ledger = on_disk(folder)
    ledger.commit(FULL)
    path = folder / "ledger.sqlite"
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        start = data.draw(st.integers(0, len(content) - 1))
        junk = data.draw(st.binary(min_size=1, max_size=64))
        content[start : start + len(junk)] = junk
    path.write_bytes(content)
    for read in (everything, SqliteLedger.verify):
        try:
            read(ledger)
        except RsmonitorError as error:
            assert "ledger.sqlite" in str(error)  # noqa: PT017


def test_nothing_is_made_on_disk_by_reading(tmp_path: Path) -> None:
    ledger = on_disk(tmp_path)
    everything(ledger)
    ledger.verify()
    ledger.retire([LINE])
    assert list(tmp_path.iterdir()) == []


def test_a_reader_cannot_write(kept_on_disk: SqliteLedger) -> None:
    with pytest.raises(RsmonitorError, match="cannot be written"):
        kept_on_disk._rows("DELETE FROM site")  # noqa: SLF001 - no public query writes


def test_write_protected_ledger_can_be_read(
    kept_on_disk: SqliteLedger, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.sqlite"
    before = everything(kept_on_disk)
    path.chmod(stat.S_IRUSR)
    assert everything(kept_on_disk) == before
    assert kept_on_disk.verify() == []


def test_ledger_that_cannot_be_made_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ledger = SqliteLedger(tmp_path / "file" / "ledger.sqlite", locks=tmp_path / "locks")
    with pytest.raises(OutputError, match="file"):
        ledger.commit(FULL)
    locked_out = SqliteLedger(tmp_path / "l.sqlite", locks=tmp_path / "file")
    with pytest.raises(OutputError, match="file"), locked_out.lock("demo"):
        pass


def test_journal_that_outlived_its_ledger_does_no_harm(tmp_path: Path) -> None:
    for name in ("ledger.sqlite-journal", ".ledger.sqlite.new"):
        (tmp_path / name).write_bytes(b"junk" * 500)
    ledger = on_disk(tmp_path)
    ledger.commit(FULL)
    assert ledger.verify() == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ledger.sqlite", "locks"]


def test_path_with_odd_characters_is_a_path(tmp_path: Path) -> None:
    folder = tmp_path / "50% ?mode=memory#稀土"
    ledger = on_disk(folder)
    ledger.commit(FULL)
    assert (folder / "ledger.sqlite").stat().st_size > 0
    assert on_disk(folder).runs("demo") == (FULL.record,)
