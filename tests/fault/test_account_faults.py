"""What survives of accounts when their service is killed, or their file is damaged."""

import os
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from served import HERE, PASSWORDS, TurnedClock, accounts_in, with_people

from rsmonitor.errors import StoreError
from rsmonitor.records.account import Role, Scope
from rsmonitor.wiring.accounts import Accounts
from rsmonitor.wiring.logins import Session


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def accounts(tmp_path: Path, clock: TurnedClock) -> Accounts:
    return with_people(accounts_in(tmp_path, clock))


def keep_writing(accounts: Accounts, told: int) -> None:
    """Add, log in and remove until somebody kills us; tell of each whole round."""
    with_people(accounts)
    for number in range(10_000):
        name = f"n{number}"
        accounts.add(name, role=Role.BUREAU, scope=Scope.of(["36"]))
        accounts.make_token(name, label="", days=3)
        accounts.set_password(name, PASSWORDS["li"])
        accounts.log_in(name, PASSWORDS["li"], HERE)
        if number % 3 == 0:
            accounts.store.remove(name)
        os.write(told, f"{number}\n".encode())


def killed_writer(folder: Path, wait: float) -> list[int]:
    """Let a process write, kill it, and give what it told before."""
    accounts = accounts_in(folder, TurnedClock())
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        try:
            keep_writing(accounts, theirs)
        finally:
            os._exit(1)
    os.close(theirs)
    with os.fdopen(ours) as lines:
        lines.readline()
        time.sleep(wait)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL
        return [0, *map(int, lines)]


def test_a_service_killed_while_it_writes_leaves_all_of_a_change_or_nothing(
    tmp_path: Path,
) -> None:
    for number in range(12):
        folder = tmp_path / str(number)
        told = killed_writer(folder, number * 0.007)
        accounts = accounts_in(folder, TurnedClock())
        names = {each.name for each in accounts.store.all()} - set(PASSWORDS)
        # what was told is there, whole; of what was not, at most one round
        for each in told:
            assert (f"n{each}" in names) is (each % 3 != 0)
        begun = names - {f"n{each}" for each in told}
        assert begun <= {f"n{len(told)}"}
        owners = [each.owner for each in accounts.tokens.all()]
        assert len(owners) == len(set(owners))
        assert names - begun <= set(owners) <= names
        for name in names - begun:
            assert isinstance(accounts.log_in(name, PASSWORDS["li"], HERE), Session)
        with closing(sqlite3.connect(accounts.store.path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def test_a_damaged_file_of_accounts_is_named(
    accounts: Accounts, tmp_path: Path, clock: TurnedClock
) -> None:
    path = accounts.store.path
    path.write_bytes(b"\0" * path.stat().st_size)
    with pytest.raises(StoreError, match=r"accounts\.sqlite"):
        accounts_in(tmp_path, clock).log_in("li", "x", HERE)
