"""A run is committed whole or not at all, whatever happens to process or server."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ledger_samples import FULL, commit, done, event, everything, product, site

from rsmonitor.errors import BusyError, StoreUnreachableError
from rsmonitor.io.stores.postgres import tables
from rsmonitor.io.stores.postgres.books import PostgresRegister
from rsmonitor.io.stores.postgres.connection import Address, PostgresConnection
from rsmonitor.io.stores.postgres.ledger import PostgresLedger
from rsmonitor.io.stores.postgres.schema import LEDGER_HERE

if TYPE_CHECKING:
    from postgres_server import Server

SOCKET = ".s.PGSQL.5432"
ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}

# Imports once, then forks a child for every line it reads; the child kills itself
# before or after the given statement of a commit.
KILLED = """
import os, signal, sys
from ledger_samples import commit, event, product, site
from rsmonitor.io.stores.postgres.connection import Address, PostgresConnection
from rsmonitor.io.stores.postgres.ledger import PostgresLedger

url, schema = sys.argv[1:]

def dying(step, when):
    seen = 0
    def watched(plain):
        def call(self, *values):
            nonlocal seen
            seen += 1
            if seen == step and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            given = plain(self, *values)
            if seen == step and when == "after":
                os.kill(os.getpid(), signal.SIGKILL)
            return given
        return call
    for name in ("execute", "executemany"):
        setattr(PostgresConnection, name, watched(getattr(PostgresConnection, name)))

print("ready", flush=True)
for line in sys.stdin:
    step, when, week = line.split()
    child = os.fork()
    if child == 0:
        ledger = PostgresLedger(Address(url=url, schema=schema))
        ledger.exists()
        dying(int(step), when)
        ledger.commit(commit(
            int(week), products=(product(int(week)),), sites=(site(0), site(1)),
            events=(event(int(week)), event(int(week))),
        ))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


def test_kill_before_or_after_each_step_leaves_whole_runs_only(
    postgres: "Server",
) -> None:
    address = postgres.address()
    ledger = PostgresLedger(address)
    ledger.commit(commit(1, products=(product(1),), events=(event(1), event(1))))
    week, outcomes = 2, []
    with subprocess.Popen(  # noqa: S603 - the program above
        [sys.executable, "-c", KILLED, address.url, address.schema],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=ENVIRONMENT,
        text=True,
    ) as nursery:
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        assert nursery.stdout.readline() == "ready\n"
        step, code = 1, -signal.SIGKILL
        while code:
            for when in ("before", "after"):
                nursery.stdin.write(f"{step} {when} {week}\n")
                nursery.stdin.flush()
                code = int(nursery.stdout.readline())
                runs = len(ledger.runs("demo"))
                assert ledger.head()[0] == 2 * runs
                assert len(ledger.applied(FULL.record.line)) == runs
                assert len(ledger.sites("demo")) == (2 if runs > 1 else 0)
                outcomes.append((when, code, runs == week))
                week = runs + 1
            step += 1
        nursery.stdin.close()
    assert ledger.verify() == []
    killed = [outcome for outcome in outcomes if outcome[1]]
    assert {code for _, code, _ in killed} == {-signal.SIGKILL}
    assert len(killed) > 20, "steps of a commit"
    # only what died after COMMIT was answered is there
    assert [when for when, _, there in killed if there] == ["after"]
    assert killed[-1] == ("after", -signal.SIGKILL, True)


# Imports once; its children begin together, and the tables are made by one of them.
WRITES = """
import os, sys
from ledger_samples import commit, done, event, product
from rights import AT, delivery, right
from rsmonitor.io.stores.postgres.books import PostgresRegister
from rsmonitor.io.stores.postgres.connection import Address
from rsmonitor.io.stores.postgres.ledger import PostgresLedger

address = Address(url=sys.argv[1], schema=sys.argv[2])

def write(me):
    ledger, register = PostgresLedger(address), PostgresRegister(address)
    for week in range(1, 7):
        with ledger.lock(f"d{me}"):
            ledger.commit(commit(
                week, district=f"d{me}", line=str(me) * 16, products=(product(week),),
                events=(event(week), event(week)),
            ))
        ledger.append([done()])
    register.import_licences(
        delivery(right(f"C{me}", east=0.02 * me), file=f"{me}.geojson"), at=AT, by="t"
    )

started, begin = os.pipe()
children = []
for me in range(3):
    children.append(os.fork())
    if children[-1] == 0:
        os.close(begin)
        os.read(started, 1)
        try:
            write(me)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
os.close(begin)
print([os.waitpid(child, 0)[1] for child in children])
"""


def test_processes_that_write_at_once_write_one_after_the_other(
    postgres: "Server",
) -> None:
    address = postgres.address()
    wrote = subprocess.run(  # noqa: S603 - the program above
        [sys.executable, "-c", WRITES, address.url, address.schema],
        capture_output=True,
        env=ENVIRONMENT,
        text=True,
        check=False,
    )
    assert wrote.stdout == "[0, 0, 0]\n", wrote.stderr
    ledger, register = PostgresLedger(address), PostgresRegister(address)
    assert ledger.verify() == register.verify() == []
    assert ledger.head()[0] == 3 * 6 * 3
    for n in range(3):
        assert [run.week.week for run in ledger.runs(f"d{n}")] == list(range(1, 7))
    assert [entry.number for entry in register.history()] == [1, 2, 3]
    assert len(register.snapshot().licences) == 3


# --------------------------------------------------------------------- lost connections


def terminate(server: "Server") -> None:
    """Let the server end the connections of rsmonitor."""
    server.psql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name LIKE 'rsmonitor%'"
    )


def test_a_server_that_has_no_patience_is_no_damage(postgres: "Server") -> None:
    ledger = PostgresLedger(postgres.address())
    ledger.commit(FULL)

    def dawdle() -> None:
        with ledger.tables.writing() as connection:
            connection.execute("SET LOCAL idle_in_transaction_session_timeout TO 50")
            time.sleep(0.3)
            connection.execute("DELETE FROM site")

    with pytest.raises(StoreUnreachableError, match=r"was lost.*Nothing of this"):
        dawdle()
    assert ledger.sites("demo") == FULL.sites


def test_who_cannot_be_asked_for_being_busy_leaves_the_outcome_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = tables.PostgresTables(Address(url="postgresql:///office"), LEDGER_HERE)

    def busy() -> None:
        raise BusyError("canceled")

    monkeypatch.setattr(place, "connected", busy)
    monkeypatch.setattr(tables, "_ASKED_SECONDS", 0.3)
    assert place._fate("7") is None  # noqa: SLF001 - no server says it on demand


@pytest.mark.parametrize("step", [1, 4, 8, 12, -1])
def test_connection_lost_in_a_commit_is_told_and_leaves_nothing(
    postgres: "Server", monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    ledger = PostgresLedger(postgres.address())
    ledger.commit(FULL)
    before, seen = everything(ledger), 0
    plain = PostgresConnection.execute

    def cut(self: PostgresConnection, query: str, *values: object) -> object:
        nonlocal seen
        seen += 1
        if seen == step or (step == -1 and query == "COMMIT"):
            terminate(postgres)
        return plain(self, query, *values)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(PostgresConnection, "execute", cut)
        with pytest.raises(StoreUnreachableError, match=r"was lost.*Nothing of this"):
            ledger.commit(commit(2, sites=(site(3),), events=(event(2),)))
    assert everything(ledger) == before
    ledger.commit(commit(2, sites=(site(3),), events=(event(2),)))
    assert ledger.verify() == []


class Proxy:
    """Pass on what is said to the server, until COMMIT: its answer is never heard."""

    def __init__(self, server: "Server", folder: Path, *, deliver: bool) -> None:
        self.behind = str(server.folder / SOCKET)
        self.deliver, self.once = deliver, threading.Event()
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(folder / SOCKET))
        self.listening.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client: socket.socket) -> None:
        # the server's end stays open, as where a network swallows everything
        server = socket.socket(socket.AF_UNIX)
        server.connect(self.behind)
        threading.Thread(target=self.answer, args=(server, client), daemon=True).start()
        while data := client.recv(65536):
            if b"COMMIT\0" in data and not self.once.is_set():
                self.once.set()
                client.shutdown(socket.SHUT_RDWR)
                if self.deliver:
                    server.sendall(data)
                return
            server.sendall(data)
        server.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def answer(server: socket.socket, client: socket.socket) -> None:
        while data := server.recv(65536):
            try:
                client.sendall(data)
            except OSError:
                return


@contextmanager
def proxy(server: "Server", name: str, *, deliver: bool) -> Iterator[str]:
    folder = server.folder / name  # a socket's path is short
    folder.mkdir()
    assert server.port == SOCKET.rpartition(".")[2]
    made = Proxy(server, folder, deliver=deliver)
    try:
        yield f"postgresql://postgres@/office?host={folder}"
    finally:
        made.listening.close()


@pytest.mark.parametrize("deliver", [True, False])
def test_a_commit_whose_answer_was_lost_is_asked_about(
    postgres: "Server", *, deliver: bool
) -> None:
    address = postgres.address()
    PostgresLedger(address).commit(FULL)
    with proxy(postgres, f"proxy-{deliver}", deliver=deliver) as url:
        ledger = PostgresLedger(Address(url=url, schema=address.schema))
        if deliver:
            ledger.commit(commit(2, events=(event(2),)))
        else:
            with pytest.raises(StoreUnreachableError, match="Nothing of this"):
                ledger.commit(commit(2, events=(event(2),)))
    runs = PostgresLedger(address).runs("demo")
    assert len(runs) == (2 if deliver else 1)


def test_a_commit_that_nobody_can_be_asked_about_is_said_to_be_unknown(
    postgres: "Server", monkeypatch: pytest.MonkeyPatch
) -> None:
    address = postgres.address()
    PostgresLedger(address).commit(FULL)
    monkeypatch.setattr(tables, "_ASKED_SECONDS", 0.0)
    with proxy(postgres, "proxy-gone", deliver=True) as url:
        ledger = PostgresLedger(Address(url=url, schema=address.schema))
        with pytest.raises(StoreUnreachableError, match="whole or not at all"):
            ledger.commit(commit(2))


def test_a_writer_that_waits_too_long_is_told_that_others_write(
    postgres: "Server", monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = PostgresLedger(postgres.address())
    ledger.commit(FULL)
    monkeypatch.setattr(tables, "_BUSY_SECONDS", 1)
    with (
        ledger.tables.writing(),
        pytest.raises(BusyError, match="is being written by others"),
    ):
        ledger.append([done()])
    ledger.append([done()])


# ----------------------------------------------------------------------------- the lock

HOLD = """
import sys, time
from rsmonitor.io.stores.postgres.connection import Address
from rsmonitor.io.stores.postgres.ledger import PostgresLedger
with PostgresLedger(Address(url=sys.argv[1], schema=sys.argv[2])).lock("demo"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_second_process_is_told_who_is_busy_until_that_one_is_killed(
    postgres: "Server",
) -> None:
    address = postgres.address()
    ledger, elsewhere = PostgresLedger(address), PostgresLedger(postgres.address())
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", HOLD, address.url, address.schema],
        stdout=subprocess.PIPE,
        env=ENVIRONMENT,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        host = re.escape(socket.gethostname()[:20])
        told = rf"district demo is busy: process {holder.pid} on {host}.*since 20\d\d-"
        with pytest.raises(BusyError, match=told), ledger.lock("demo"):
            pass
        with elsewhere.lock("demo"), ledger.lock("other"):
            pass  # another office, another district
        holder.kill()
        holder.wait()
    for _ in range(50):
        try:
            with ledger.lock("demo"):
                return
        except BusyError:  # the server notices within a moment
            time.sleep(0.1)
    pytest.fail("the lock outlived its process")


def test_a_lock_is_free_before_it_is_let_go_of(
    postgres: "Server", monkeypatch: pytest.MonkeyPatch
) -> None:
    psycopg = pytest.importorskip("psycopg")
    ledger, late = PostgresLedger(postgres.address()), []

    def closed_late(connection: object) -> None:
        late.append(connection)

    with monkeypatch.context() as patch:
        # a server that hears only later that a connection was closed
        patch.setattr(psycopg.Connection, "close", closed_late)
        with ledger.lock("demo"):
            pass
        with ledger.lock("demo"):
            pass
    assert len(late) == 2
    for connection in late:
        connection.close()


def test_a_run_whose_lock_was_lost_commits_nothing(postgres: "Server") -> None:
    ledger = PostgresLedger(postgres.address())
    ledger.commit(FULL)
    before = everything(ledger)

    def run() -> None:
        with ledger.lock("demo"):
            terminate(postgres)
            ledger.commit(commit(2))

    with pytest.raises(StoreUnreachableError, match=r"lock of district demo.*was lost"):
        run()
    assert everything(ledger) == before
    with ledger.lock("demo"):
        ledger.commit(commit(2))
