"""A run is committed whole or not at all, wherever its process dies."""

import errno
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from rsmonitor.errors import BusyError, OutputError, StoreError
from rsmonitor.io.foundation.files import staged_folder, write_atomic
from rsmonitor.io.stores.ledger import SqliteLedger
from rsmonitor.io.stores.state import SlotStateStore
from rsmonitor.records.run import RunCommit, RunRecord, SlotPointer
from rsmonitor.records.week import IsoWeek

KILLS = 20
BLOCKS = ("r00000c00000", "r00000c00032", "r00032c00000")
LINE = "0123456789abcdef"

RUNS = f"""
import os, signal, sys, time
from datetime import UTC, datetime, timedelta
from pathlib import Path
import numpy as np
from rsmonitor.io.stores.ledger import SqliteLedger
from rsmonitor.io.stores.state import SlotStateStore
from rsmonitor.records.acquisition import AcquisitionKey, Product
from rsmonitor.records.event import EventDraft, EventKind
from rsmonitor.records.run import RunCommit, RunRecord
from rsmonitor.records.week import IsoWeek

root = Path(sys.argv[1])
line = {LINE!r}

def runs_without_end(done):
    ledger = SqliteLedger(root / "ledger.sqlite", locks=root / "locks")
    states = SlotStateStore(root / "state")
    with ledger.lock("demo"):
        n = len(ledger.runs("demo"))
        while True:
            n += 1
            now = datetime(2018, 1, 1, tzinfo=UTC) + timedelta(weeks=n)
            truth = {{p.block_id: p for p in ledger.pointers(line)}}
            pointers = tuple(
                states.write(
                    np.full((8, 32, 32), n, np.uint16),
                    line=line, grid_id="31TCJ", block_id=block, kind="evidence",
                    current=truth.get(block),
                )
                for block in {BLOCKS!r}
            )
            key = AcquisitionKey(
                grid_id="31TCJ", platform="S2A", datatake_start=now
            )
            product = Product(
                key=key, product_id=f"n{{n}}", processing_baseline=None,
                sensed_at=now, source="cube",
            )
            drafts = tuple(
                EventDraft(
                    kind=EventKind.APPLIED, at=now, who="test", body={{"n": n, "k": k}}
                )
                for k in range(3)
            )
            ledger.commit(RunCommit(
                record=RunRecord(
                    run_id=f"demo-{{n}}", line=line, district="demo",
                    week=IsoWeek.of(now), location=f"runs/{{n}}", counts={{"n": n}},
                ),
                finished_at=now, pointers=pointers, products=(product,),
                replayed=False, sites=(), alerts=(), events=drafts,
            ))
            os.write(done, b".")

# all that a first use loads is loaded once
warm = SlotStateStore(root / "warm")
warm.read(warm.write(
    np.zeros((8, 32, 32), np.uint16),
    line=line, grid_id="31TCJ", block_id="b", kind="evidence", current=None,
))
"""

# Imports once, then forks a child for every line it reads: to import anew for each
# of the kills would take most of the time.
FORKS = """
print("ready", flush=True)
for order in sys.stdin:
    after, seconds = order.split()
    told, done = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            runs_without_end(done)
        finally:
            os._exit(1)  # a run that ends by itself is a failed test
    os.close(done)
    if after == "commit":
        os.read(told, 1)
    time.sleep(float(seconds))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os.close(told)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


@contextmanager
def nursery(root: Path, program: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", program + FORKS, str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


def check_whole(root: Path) -> int:
    """Fail if anything is half done; count the runs that are there."""
    ledger = SqliteLedger(root / "ledger.sqlite", locks=root / "locks")
    states = SlotStateStore(root / "state")
    assert ledger.verify() == []
    runs = len(ledger.runs("demo"))
    assert [p.product_id for p in ledger.applied(LINE)] == [
        f"n{n}" for n in range(1, runs + 1)
    ]
    assert ledger.head()[0] == 3 * runs
    pointers = ledger.pointers(LINE)
    assert [p.block_id for p in pointers] == (list(BLOCKS) if runs else [])
    for pointer in pointers:
        # the state of the last run that was committed, not of one that was begun
        assert (states.read(pointer) == runs).all()
    return runs


def test_kill_at_any_moment_leaves_whole_runs_only(tmp_path: Path) -> None:
    moments = random.Random(0)  # noqa: S311 - no secret
    counts = [0]
    with nursery(tmp_path, RUNS) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for n in range(KILLS):
            after = ("start", "commit")[n % 2]
            process.stdin.write(f"{after} {moments.uniform(0, 0.1)}\n")
            process.stdin.flush()
            assert int(process.stdout.readline()) == -signal.SIGKILL
            counts.append(check_whole(tmp_path))
    assert counts == sorted(counts)
    assert len(set(counts)) > KILLS // 2
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


WRITES = f"""
import os, signal, sys, time
from pathlib import Path
import numpy as np
from rsmonitor.io.stores.state import SlotStateStore
from rsmonitor.records.run import SlotPointer

root = Path(sys.argv[1])
place = dict(line={LINE!r}, grid_id="31TCJ", block_id={BLOCKS[0]!r}, kind="evidence")
noise = np.random.default_rng(0).integers(0, 2**16, (8, 64, 64), np.uint16)

def runs_without_end(done):
    pwrite = os.pwrite

    def in_small_pieces(descriptor, data, offset):
        time.sleep(0.0005)
        return pwrite(descriptor, data[:4096], offset)

    os.pwrite = in_small_pieces
    store = SlotStateStore(root)
    ledger = os.open(root / "ledger", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    lines = os.pread(ledger, 2**20, 0).decode().splitlines()
    truth = None
    if lines:
        slot, sha256 = lines[-1].split()
        truth = SlotPointer(**place, slot=int(slot), sha256=sha256)
    n = len(lines)
    while True:
        n += 1
        truth = store.write(noise + np.uint16(n), **place, current=truth)
        os.write(ledger, f"{{truth.slot}} {{truth.sha256}}\\n".encode())
        os.write(done, b".")

warm = SlotStateStore(root / "warm")
warm.read(warm.write(noise, **place, current=None))
"""


def test_writer_that_is_killed_leaves_the_state_before_or_after(
    tmp_path: Path,
) -> None:
    moments = random.Random(1)  # noqa: S311 - no secret
    store, trial = SlotStateStore(tmp_path), SlotStateStore(tmp_path / "trial")
    noise = np.random.default_rng(0).integers(0, 2**16, (8, 64, 64), np.uint16)
    torn = 0
    with nursery(tmp_path, WRITES) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(KILLS):
            process.stdin.write(f"commit {moments.uniform(0, 0.05)}\n")
            process.stdin.flush()
            assert int(process.stdout.readline()) == -signal.SIGKILL
            lines = (tmp_path / "ledger").read_text().splitlines()
            slot, sha256 = lines[-1].split()
            place = {"line": LINE, "grid_id": "31TCJ", "block_id": BLOCKS[0]}
            truth = SlotPointer(**place, kind="evidence", slot=int(slot), sha256=sha256)
            last = len(lines)
            np.testing.assert_array_equal(store.read(truth), noise + np.uint16(last))
            # the other slot: the state before, that of a run that was not committed,
            # or neither, and then it is refused under both names
            whole = 0
            for n in (last - 1, last + 1):
                state = noise + np.uint16(n)
                made = trial.write(state, **place, kind="evidence", current=None)
                other = replace(truth, slot=1 - truth.slot, sha256=made.sha256)
                try:
                    found = store.read(other)
                except StoreError:
                    continue
                np.testing.assert_array_equal(found, state)
                whole += 1
            assert whole <= 1
            torn += not whole
    assert torn > 0, "no kill came in the middle of a write"


HOLD = """
import sys, time
from pathlib import Path
from rsmonitor.io.stores.ledger import SqliteLedger
root = Path(sys.argv[1])
with SqliteLedger(root / "ledger.sqlite", locks=root / "locks").lock("demo"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_second_process_is_told_who_is_busy_until_that_one_is_killed(
    tmp_path: Path,
) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.sqlite", locks=tmp_path / "locks")
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(BusyError, match=rf"district demo.*process {holder.pid} "),
            ledger.lock("demo"),
        ):
            pass
        holder.kill()
        holder.wait()
    with ledger.lock("demo"):
        pass


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def run(n: int, location: str = "runs") -> RunCommit:
    return RunCommit(
        record=RunRecord(
            run_id=f"demo-{n}",
            line=LINE,
            district="demo",
            week=IsoWeek(year=2018, week=n),
            location=location,
            counts={},
        ),
        finished_at=datetime(2018, 7, 2, tzinfo=UTC),
        pointers=(),
        products=(),
        replayed=False,
        sites=(),
        alerts=(),
    )


def test_state_that_does_not_fit_leaves_the_old_one_readable(tmp_path: Path) -> None:
    store = SlotStateStore(tmp_path)
    place = {"line": LINE, "grid_id": "31TCJ", "block_id": BLOCKS[0]}
    noise = np.random.default_rng(0).integers(0, 2**16, (8, 64, 64), np.uint16)
    truth = store.write(noise, **place, kind="evidence", current=None)
    for _ in range(2):
        with largest_file(10_000), pytest.raises(OutputError, match="evidence/1"):
            store.write(noise + 1, **place, kind="evidence", current=truth)
        np.testing.assert_array_equal(store.read(truth), noise)
    after = store.write(noise + 1, **place, kind="evidence", current=truth)
    np.testing.assert_array_equal(store.read(after), noise + 1)


def test_full_disk_leaves_the_old_state_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SlotStateStore(tmp_path)
    place = {"line": LINE, "grid_id": "31TCJ", "block_id": BLOCKS[0]}
    noise = np.random.default_rng(0).integers(0, 2**16, (8, 64, 64), np.uint16)
    truth = store.write(noise, **place, kind="evidence", current=None)
    for call in ("pwrite", "fdatasync"):

        def full(*_: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            patch.setattr(os, call, full)
            with pytest.raises(OutputError, match=r"No space left.*free space"):
                store.write(noise + 1, **place, kind="evidence", current=truth)
        np.testing.assert_array_equal(store.read(truth), noise)


def test_commit_that_does_not_fit_leaves_the_old_ledger_readable(
    tmp_path: Path,
) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.sqlite", locks=tmp_path / "locks")
    ledger.commit(run(1))
    size = (tmp_path / "ledger.sqlite").stat().st_size
    with (
        largest_file(size + 10_000),
        pytest.raises(OutputError, match=r"ledger\.sqlite cannot be written"),
    ):
        ledger.commit(run(2, location="x" * 100_000))
    assert [r.run_id for r in ledger.runs("demo")] == ["demo-1"]
    assert ledger.verify() == []
    ledger.commit(run(2))
    assert len(ledger.runs("demo")) == 2


def test_ledger_that_does_not_fit_is_not_half_made(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.sqlite", locks=tmp_path / "locks")
    with largest_file(10_000), pytest.raises(OutputError, match=r"ledger\.sqlite"):
        ledger.commit(run(1))
    assert not (tmp_path / "ledger.sqlite").exists()
    ledger.commit(run(1))
    assert ledger.verify() == []


def test_output_that_does_not_fit_leaves_the_old_output(tmp_path: Path) -> None:
    path = tmp_path / "alerts.geojson"
    write_atomic(path, b"old")
    too_much = b"x" * 20_000
    with largest_file(10_000):
        with pytest.raises(OutputError, match=os.strerror(errno.EFBIG)):
            write_atomic(path, too_much)
        with (
            pytest.raises(OutputError, match="run"),
            staged_folder(tmp_path / "run") as staged,
        ):
            (staged / "a").write_bytes(too_much)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["alerts.geojson"]
