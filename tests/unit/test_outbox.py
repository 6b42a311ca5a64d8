"""The outbox holds what is to leave the house, and refuses what cannot be."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from outgoing import AREA, LI, WANG, WEEK, parcel_in

from rsmonitor.errors import BusyError, ContractError, StoreError
from rsmonitor.io.stores.outbox import SqliteOutbox
from rsmonitor.records.sending import (
    FOLDER,
    Outcome,
    Parcel,
    Sending,
    SendingState,
    hidden_address,
)

NOW = datetime(2026, 11, 24, tzinfo=UTC)
DOMAIN = "office.example"


@pytest.fixture
def outbox(tmp_path: Path) -> SqliteOutbox:
    return SqliteOutbox(tmp_path / "outbox.sqlite", locks=tmp_path / "locks")


@pytest.fixture
def parcel(tmp_path: Path) -> Parcel:
    return parcel_in(tmp_path)


def test_an_outbox_that_does_not_exist_is_empty(
    outbox: SqliteOutbox, tmp_path: Path
) -> None:
    assert outbox.all() == outbox.due() == outbox.untold() == outbox.recover() == ()
    assert not list(tmp_path.iterdir())


def test_what_was_planned_comes_back_whole(
    outbox: SqliteOutbox, parcel: Parcel
) -> None:
    outbox.plan(parcel, [WANG, LI, FOLDER], domain=DOMAIN)
    due = outbox.due()
    assert [each.sending.recipient for each in due] == [FOLDER, LI, WANG]
    assert {each.parcel for each in due} == {parcel}
    assert {each.sending.state for each in due} == {SendingState.PLANNED}
    assert len({each.sending.message_id for each in due}) == 3


def test_only_the_owner_may_read_addresses(
    outbox: SqliteOutbox, parcel: Parcel, tmp_path: Path
) -> None:
    outbox.plan(parcel, [WANG], domain=DOMAIN)
    assert (tmp_path / "outbox.sqlite").stat().st_mode & 0o777 == 0o600


def test_the_key_is_of_area_week_runs_and_revision_alone(parcel: Parcel) -> None:
    same = [
        replace(parcel, run_ids=("b", "a")),
        replace(parcel, run_ids=("a", "b"), sha256="1" * 64, language="en", lines=()),
    ]
    assert same[0].key == same[1].key
    others = {
        parcel.key,
        same[0].key,
        replace(parcel, area="441426").key,
        replace(parcel, week=WEEK.next()).key,
        replace(parcel, revision=2).key,
        replace(parcel, run_ids=("ab",)).key,
    }
    assert len(others) == 6


def test_one_row_a_parcel_and_recipient(
    outbox: SqliteOutbox, parcel: Parcel, tmp_path: Path
) -> None:
    for _ in range(2):
        outbox.plan(parcel, [WANG, WANG], domain=DOMAIN)
    with closing(sqlite3.connect(tmp_path / "outbox.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM sending").fetchone() == (1,)
        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            connection.execute("INSERT INTO sending SELECT * FROM sending")
        with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
            connection.execute("UPDATE sending SET state = 'sent'")


def test_a_parcel_built_again_replaces_what_still_waits(
    outbox: SqliteOutbox, parcel: Parcel
) -> None:
    outbox.plan(parcel, [WANG], domain=DOMAIN)
    rebuilt = replace(parcel, sha256="1" * 64)
    outbox.plan(rebuilt, [WANG], domain=DOMAIN)
    assert [each.parcel for each in outbox.due()] == [rebuilt]


def test_a_row_that_changed_meanwhile_is_not_written_over(
    outbox: SqliteOutbox, parcel: Parcel
) -> None:
    outbox.plan(parcel, [WANG], domain=DOMAIN)
    (due,) = outbox.due()
    begun = outbox.record(due.sending, due.sending.attempting(at=NOW))
    with pytest.raises(StoreError, match="no longer planned"):
        outbox.record(due.sending, due.sending.refused(said="550", at=NOW))
    outbox.record(begun, begun.accepted(said="250", at=NOW))
    with pytest.raises(StoreError, match="no longer attempting"):
        outbox.record(begun, begun.waiting(said="451"))


def test_what_died_in_the_middle_waits_and_is_doubtful(
    outbox: SqliteOutbox, parcel: Parcel
) -> None:
    outbox.plan(parcel, [WANG, LI], domain=DOMAIN)
    (first, _) = outbox.due()
    outbox.record(first.sending, first.sending.attempting(at=NOW))
    (left,) = outbox.recover()
    assert (left.recipient, left.doubtful, left.attempt) == (LI, True, 1)
    assert outbox.recover() == ()
    assert outbox.due()[0].sending == left


def test_times_and_words_come_back(outbox: SqliteOutbox, parcel: Parcel) -> None:
    outbox.plan(parcel, [WANG], domain=DOMAIN)
    (due,) = outbox.due()
    later = NOW + timedelta(minutes=15)
    waits = due.sending.waiting(said="450 请稍后", at=NOW, next_try=later)
    outbox.record(due.sending, waits)
    assert outbox.all() == (waits,)
    assert (waits.at, waits.next_try) == (NOW, later)


def test_only_one_holds_the_lock(outbox: SqliteOutbox) -> None:
    with outbox.lock(), pytest.raises(BusyError), outbox.lock():
        pytest.fail("two at once")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE sending SET at = 'yesterday'",
        "UPDATE parcel SET week = '2026-47'",
        "UPDATE sending SET doubtful = 1",
    ],
)
def test_a_damaged_row_is_named(
    outbox: SqliteOutbox, parcel: Parcel, tmp_path: Path, change: str
) -> None:
    outbox.plan(parcel, [WANG], domain=DOMAIN)
    with closing(sqlite3.connect(tmp_path / "outbox.sqlite")) as connection, connection:
        connection.execute(change)
    with pytest.raises(StoreError, match=r"outbox\.sqlite, table sending"):
        outbox.all()


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0 but not really"])
def test_a_file_that_is_no_outbox_is_left_alone(
    outbox: SqliteOutbox, parcel: Parcel, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "outbox.sqlite").write_bytes(content)
    with pytest.raises(StoreError, match="outbox"):
        outbox.plan(parcel, [WANG], domain=DOMAIN)
    assert (tmp_path / "outbox.sqlite").read_bytes() == content


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("area", "../x"),
        ("revision", 0),
        ("run_ids", ()),
        ("run_ids", ("",)),
        ("sha256", "0" * 63),
        ("zip", ""),
        ("new", -1),
    ],
)
def test_a_parcel_that_cannot_be_is_refused(
    parcel: Parcel, field: str, value: object
) -> None:
    with pytest.raises(ContractError):
        replace(parcel, **{field: value})


def a_sending(state: SendingState) -> Sending:
    return Sending(
        key="k",
        area=AREA,
        week=WEEK,
        recipient=WANG,
        attempt=1,
        state=state,
        message_id="<m@x>",
    )


def test_how_a_call_ends_says_what_a_scheduler_must_know() -> None:
    done = (a_sending(SendingState.ACCEPTED),)
    waits = (a_sending(SendingState.WAITING),)
    refused = (a_sending(SendingState.REFUSED),)
    assert Outcome().exit_code == 0
    assert Outcome(accepted=done).exit_code == 0
    assert Outcome(waiting=waits).exit_code == 1
    assert Outcome(refused=refused, accepted=done).exit_code == 1
    assert Outcome(waiting=waits, unreachable=True).exit_code == 5
    assert Outcome(waiting=waits, accepted=done, unreachable=True).exit_code == 1


def test_logs_name_no_person() -> None:
    assert hidden_address(WANG) == "w***@bureau.example"
    assert hidden_address(FOLDER) == ""
    assert a_sending(SendingState.WAITING).shown == f"{AREA} (w***@bureau.example)"
