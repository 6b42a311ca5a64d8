"""The access log: who looked at which coordinates, and nobody changes it."""

import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from served import HERE, TurnedClock, accounts_in, entry_of, with_people

from rsmonitor.errors import ContractError, StoreError
from rsmonitor.io.stores.access_log import AccessLog
from rsmonitor.records.access import Access
from rsmonitor.wiring.accounts import Accounts


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def accounts(tmp_path: Path, clock: TurnedClock) -> Accounts:
    return with_people(accounts_in(tmp_path, clock))


def test_what_is_logged_comes_back_newest_first_and_in_pages(
    accounts: Accounts,
) -> None:
    for number in range(5):
        accounts.log.add(
            entry_of(accounts, count=number, who="li" if number % 2 else "wang")
        )
    found = accounts.log.entries()
    assert [each.count for each in found] == [4, 3, 2, 1, 0]
    assert replace(found[2], seq=None) == entry_of(accounts, who="wang")
    assert [each.count for each in accounts.log.entries(who="li")] == [3, 1]
    page = accounts.log.entries(limit=2)
    assert [each.count for each in accounts.log.entries(before=page[-1].seq)] == [
        2,
        1,
        0,
    ]


def test_long_texts_and_many_ids_are_cut(accounts: Accounts) -> None:
    accounts.log.add(
        entry_of(
            accounts,
            query="x" * 5000,
            count=1000,
            ids=tuple(f"a{number}" for number in range(1000)),
        )
    )
    (found,) = accounts.log.entries()
    assert (len(found.query), found.count, len(found.ids)) == (500, 1000, 100)


def test_entries_are_not_changed_and_not_removed(accounts: Accounts) -> None:
    accounts.log.add(entry_of(accounts))
    with closing(sqlite3.connect(accounts.log.path)) as connection:
        for change in (
            "UPDATE access SET who = 'nobody'",
            "DELETE FROM access",
            "REPLACE INTO access SELECT * FROM access",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(change)
    assert len(accounts.log.entries()) == 1


def test_pruning_removes_what_is_old_and_stays_written(
    accounts: Accounts, clock: TurnedClock
) -> None:
    for _ in range(3):
        accounts.log.add(entry_of(accounts))
        clock.turn(days=100)
    with pytest.raises(ContractError, match="183 days"):
        accounts.log.prune(now=clock.now(), kept=timedelta(days=182))
    assert accounts.log.prune(now=clock.now(), kept=timedelta(days=183)) == 2
    assert accounts.log.prune(now=clock.now(), kept=timedelta(days=183)) == 0
    assert len(accounts.log.entries()) == 1
    with closing(sqlite3.connect(accounts.log.path)) as connection:
        assert connection.execute("SELECT removed FROM pruning").fetchall() == [(2,)]
        for change in ("UPDATE pruning SET removed = 0", "DELETE FROM pruning"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(change)


def test_many_who_look_at_once_are_all_written(accounts: Accounts) -> None:
    def look(number: int) -> None:
        for turn in range(5):
            accounts.log.add(entry_of(accounts, count=number * 5 + turn))

    threads = [threading.Thread(target=look, args=(each,)) for each in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {each.count for each in accounts.log.entries(limit=200)} == set(range(100))


def test_whoever_cannot_be_written_down_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "access.sqlite"
    path.write_bytes(b"no database")
    log = AccessLog(path, locks=tmp_path / "locks")
    with pytest.raises(StoreError, match="access log"):
        log.add(
            Access(
                at=TurnedClock().now(),
                who="li",
                role="analyst",
                how="session",
                address=HERE,
                what="alerts",
                query="",
                count=0,
                ids=(),
            )
        )
