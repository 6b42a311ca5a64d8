"""What goes wrong in a cluster changes no result, and writes into no other run."""

import inspect
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from cluster import (
    FOLDER_VARIABLE,
    TESTS,
    Cluster,
    Room,
    StubbornError,
    broken_disk,
    cluster,
    deadly,
    dying_square,
    flaky_square,
    lease_elsewhere,
    lease_in,
    open_room,
    raise_stubbornly,
    refuse,
    refuse_in_kind,
    running,
    slow_square,
    square,
    stop,
    stumble,
    until,
)

from rsmonitor import errors
from rsmonitor.errors import BusyError, OutputError, RsmonitorError, StoreError
from rsmonitor.io.executors.dask import DaskExecutor
from rsmonitor.io.executors.inprocess import InProcessExecutor
from rsmonitor.io.executors.lease import Lease
from rsmonitor.io.executors.worker import ClusterError, Failed, versions, work

pytest.importorskip("distributed", reason='missing: pip install "rsmonitor[dask]"')

KINDS = [
    name
    for name, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, RsmonitorError)
]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster"), workers=2) as found:
        yield found


def executor_of(
    address: str, folder: Path, crew_patience: float = 20.0
) -> DaskExecutor[Room]:
    return DaskExecutor(
        address,
        partial(open_room, folder),
        partial(lease_in, folder),
        patience=2,
        crew_patience=crew_patience,
    )


# --------------------------------------------------------------------- workers that die


@pytest.mark.slow
def test_workers_killed_in_the_middle_change_nothing(tmp_path: Path) -> None:
    tasks = range(12)
    squares = [n * n for n in tasks]
    with (
        cluster(tmp_path / "cluster", workers=3) as found,
        executor_of(found.address, tmp_path) as executor,
    ):
        # killed in the middle of a task, by the task
        assert list(executor.map(dying_square, tasks)) == squares
        gone = int(Room(tmp_path, 0).notes("died")[0])
        ended = next(p for p in found.processes if p.pid == gone)
        assert ended.wait(10) == -signal.SIGKILL
        # killed by somebody, while results come
        victim = next(p for p in found.processes[1:] if p is not ended)
        results = []
        for result in executor.map(slow_square, tasks):
            results.append(result)
            if len(results) == 3:
                victim.send_signal(signal.SIGKILL)
        assert results == squares
        assert victim.wait(10) == -signal.SIGKILL
        # and a new one takes part
        found.add_worker()
        found.await_workers(2)
        assert list(executor.map(slow_square, tasks)) == squares
    assert len(Room(tmp_path, 0).notes("opened")) == 4


@pytest.mark.slow
def test_a_task_of_which_workers_die_is_given_up(tmp_path: Path) -> None:
    once = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    with (
        cluster(tmp_path / "cluster", 2, once) as found,
        executor_of(found.address, tmp_path) as executor,
    ):
        with pytest.raises(ClusterError, match=r"a task was given up: .*memory"):
            list(executor.map(deadly, range(4)))
        assert list(executor.map(square, [3])) == [(3, 9)], "the other goes on"
        with pytest.raises(ClusterError, match="given up"):
            list(executor.map(deadly, [1]))
    with executor_of(found.address, tmp_path) as executor:
        began = time.monotonic()
        with pytest.raises(ClusterError, match="no Dask scheduler answers"):
            list(executor.map(square, [1]))
        assert time.monotonic() - began < 10


@pytest.mark.slow
def test_a_cluster_without_workers_and_then_without_scheduler(tmp_path: Path) -> None:
    with cluster(tmp_path / "cluster", workers=0) as found:
        with executor_of(found.address, tmp_path, crew_patience=1) as executor:
            with pytest.raises(ClusterError, match=r"no worker for 1 s.*dask worker"):
                list(executor.map(square, [1]))
            only = found.add_worker()
            found.await_workers(1)
            results = executor.map(slow_square, range(100))
            assert next(results) == 0
            only.kill()
            with pytest.raises(ClusterError, match="no worker for 1 s"):
                list(results)
        found.add_worker()
        found.await_workers(1)
        with executor_of(found.address, tmp_path) as executor:
            results = executor.map(slow_square, range(1000))
            assert next(results) == 0
            found.processes[0].kill()
            began = time.monotonic()
            with pytest.raises(ClusterError, match="was lost"):
                list(results)
            assert time.monotonic() - began < 10


# ------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("name", KINDS)
def test_an_error_on_purpose_reaches_the_caller_as_itself_and_once(
    pair: Cluster, tmp_path: Path, name: str
) -> None:
    kind: type[RsmonitorError] = getattr(errors, name)
    with executor_of(pair.address, tmp_path) as executor:
        with pytest.raises(kind, match=f"^{name} of 定南县") as caught:
            list(executor.map(refuse_in_kind, [name]))
        assert type(caught.value) is kind
        assert caught.value.args == (f"{name} of 定南县",)
        assert caught.value.exit_code == kind.exit_code
        assert caught.value.__notes__[0].startswith("on ")
    assert Room(tmp_path, 0).notes("tries") == [name]


def test_after_an_error_on_purpose_nothing_is_started(
    pair: Cluster, tmp_path: Path
) -> None:
    with executor_of(pair.address, tmp_path) as executor:
        with pytest.raises(StoreError, match="state 2 is damaged"):
            list(executor.map(refuse, range(1000)))
        tries = Room(tmp_path, 0).notes("tries")
        assert len(tries) <= 2 + 1 + 4
        assert tries.count("2") == 1
        time.sleep(0.3)
        assert Room(tmp_path, 0).notes("tries") == tries


def test_a_mistake_is_not_repeated_and_says_where_it_was_made(
    pair: Cluster, tmp_path: Path
) -> None:
    with (
        executor_of(pair.address, tmp_path) as executor,
        pytest.raises(KeyError) as caught,
    ):
        list(executor.map(stumble, range(10)))
    assert caught.value.args == (2,)
    assert "in stumble" in caught.value.__notes__[0]
    assert Room(tmp_path, 0).notes("tries").count("2") == 1


def test_an_error_that_passes_is_tried_again(pair: Cluster, tmp_path: Path) -> None:
    with executor_of(pair.address, tmp_path) as executor:
        assert list(executor.map(flaky_square, range(4))) == [0, 1, 4, 9]
    assert len(Room(tmp_path, 0).notes("tries-3")) == 3


def test_an_error_that_does_not_pass_is_raised_after_three_more(
    pair: Cluster, tmp_path: Path
) -> None:
    with (
        executor_of(pair.address, tmp_path) as executor,
        pytest.raises(OSError, match="Input/output error") as caught,
    ):
        list(executor.map(broken_disk, [7]))
    assert (caught.value.errno, caught.value.filename) == (5, "state")
    assert Room(tmp_path, 0).notes("tries") == ["7"] * 4


def test_an_error_that_cannot_travel_is_told_in_words(
    pair: Cluster, tmp_path: Path
) -> None:
    with executor_of(pair.address, tmp_path) as executor:
        with pytest.raises(RuntimeError, match=f"{StubbornError.__name__}: not portab"):
            list(executor.map(raise_stubbornly, [1]))
        with pytest.raises(RuntimeError):  # no end of the results
            list(executor.map(stop, [1, 2, 3]))


# ------------------------------------------------------------ a cluster that is not fit


def test_a_scheduler_that_is_not_there_is_told_soon(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.monotonic()
    with pytest.raises(ClusterError) as caught:
        list(executor_of(f"tcp://127.0.0.1:{port}", tmp_path).map(square, [1]))
    assert time.monotonic() - began < 10
    for word in (f"tcp://127.0.0.1:{port}", "dask.scheduler", "Is it started"):
        assert word in str(caught.value)
    assert caught.value.exit_code == errors.EXIT_UNREACHABLE


def test_something_that_listens_and_does_not_answer_is_told_soon(
    tmp_path: Path,
) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        address = f"tcp://127.0.0.1:{mute.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(ClusterError, match="no Dask scheduler answers"):
            list(executor_of(address, tmp_path).map(square, [1]))
        assert time.monotonic() - began < 10


def another_algorithm(folder: Path) -> dict[str, str]:
    # run by Python at its start
    (folder / "sitecustomize.py").write_text(
        "import rsmonitor\nrsmonitor.ALGORITHM_VERSION = '0'\n"
    )
    return {"PYTHONPATH": str(folder)}


def another_package(folder: Path) -> dict[str, str]:
    (folder / "rsmonitor").mkdir(parents=True)
    (folder / "rsmonitor" / "__init__.py").write_text("__version__ = '0.0.1'\n")
    return {"PYTHONPATH": str(folder)}


def another_folder(folder: Path) -> dict[str, str]:
    return {FOLDER_VARIABLE: str(folder)}


def no_folder(folder: Path) -> dict[str, str]:
    return {FOLDER_VARIABLE: str(folder / "nowhere")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("unfit", "why"),
    [
        (another_algorithm, "has algorithm 0 instead of"),
        (another_package, "does not know rsmonitor as it is"),
        (another_folder, "it sees another folder"),
        (no_folder, "cannot be opened"),
    ],
)
def test_a_worker_that_would_give_another_result_is_refused(
    tmp_path: Path, unfit: Callable[[Path], dict[str, str]], why: str
) -> None:
    (tmp_path / "other").mkdir()
    with (
        cluster(tmp_path / "cluster", workers=0) as found,
        DaskExecutor(
            found.address,
            partial(open_room, tmp_path),
            partial(lease_elsewhere, tmp_path),
        ) as executor,
    ):
        found.add_worker(unfit(tmp_path / "other"))
        with pytest.raises(ClusterError, match=why):
            list(executor.map(square, [1]))


@pytest.mark.parametrize("name", sorted(versions()))
def test_a_worker_that_joins_later_looks_for_itself(name: str) -> None:
    answer = work({**versions(), name: "0.0"}, b"", b"")
    assert isinstance(answer, Failed)
    assert isinstance(answer.error, ClusterError)
    assert f"{name} {versions()[name]} instead of 0.0" in str(answer.error)


# ------------------------------------------------------------------- runs that are over


PROGRAM = """
import sys
from functools import partial
from pathlib import Path
from cluster import lease_in, long_square, open_room
from rsmonitor.io.executors.dask import DaskExecutor
folder = Path(sys.argv[2])
doors, lease = partial(open_room, folder), partial(lease_in, folder)
executor = DaskExecutor(sys.argv[1], doors, lease)
try:
    with executor:
        for result in executor.map(long_square, range(1000)):
            print(result, flush=True)
except KeyboardInterrupt:
    sys.exit(130)
"""


def start_run(address: str, folder: Path) -> "subprocess.Popen[bytes]":
    child = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", PROGRAM, address, str(folder)],
        env={**os.environ, "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}"},
    )
    room = Room(folder, 0)
    until(lambda: len(running(room.notes("log"))) == 2, "both workers at work")
    return child


def test_an_interrupt_waits_for_what_runs_and_starts_nothing(
    pair: Cluster, tmp_path: Path
) -> None:
    child = start_run(pair.address, tmp_path)
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=15) == 130
    log = Room(tmp_path, 0).notes("log")
    assert running(log) == set()
    assert len(log) < 20
    time.sleep(0.5)
    assert Room(tmp_path, 0).notes("log") == log


@pytest.mark.parametrize("in_process", [False, True])
def test_a_run_waits_for_the_tasks_of_one_that_was_killed(
    pair: Cluster,
    tmp_path: Path,
    in_process: bool,  # noqa: FBT001 - a case
) -> None:
    child = start_run(pair.address, tmp_path)
    child.kill()
    child.wait(10)
    room = Room(tmp_path, 0)
    assert running(room.notes("log")), "workers do not know yet"
    executor: DaskExecutor[Room] | InProcessExecutor[Room] = (
        InProcessExecutor(1, room, lease=lease_in(tmp_path))
        if in_process
        else executor_of(pair.address, tmp_path)
    )
    assert list(executor.map(slow_square, [5000, 5001])) == [5000**2, 5001**2]
    log = room.notes("log")
    first = min(log.index("start 5000"), log.index("start 5001"))
    assert running(log[:first]) == set(), "the old ones had ended"
    assert all(line.split()[1] in {"5000", "5001"} for line in log[first:])
    assert running(log) == set()


@pytest.fixture
def lease(tmp_path: Path) -> Lease:
    return lease_in(tmp_path / "locks", patience=0.2)


def test_a_task_is_done_only_while_its_run_goes_on(lease: Lease) -> None:
    with lease.hold() as token:
        with lease.task(token), lease.task(token):
            pass  # several at once
        with pytest.raises(BusyError, match="not the token"), lease.task("another"):
            pytest.fail("was let in")
    with pytest.raises(BusyError, match="the run is over"), lease.task(token):
        pytest.fail("was let in")
    with lease.hold() as later:
        assert later != token
        with pytest.raises(BusyError), lease.task(token):
            pytest.fail("was let in")


def test_no_run_begins_or_ends_while_a_forgotten_task_runs(lease: Lease) -> None:
    with lease.hold() as token:
        forgotten = lease.task(token)
        forgotten.__enter__()
        with pytest.raises(BusyError, match=r"still locked after 0.2 s.*fuser"):
            lease.revoke()
        with pytest.raises(BusyError), lease.hold():
            pytest.fail("began beside it")
        forgotten.__exit__(None, None, None)
    over = lease.hold()
    forgotten = lease.task(over.__enter__())
    forgotten.__enter__()
    with pytest.raises(BusyError, match="nobody waits for"):
        over.__exit__(None, None, None)
    forgotten.__exit__(None, None, None)
    lease.revoke()


def test_what_went_wrong_first_is_raised_though_a_task_runs(lease: Lease) -> None:
    over = lease.hold()
    first = KeyError("first")
    with lease.task(over.__enter__()):
        assert not over.__exit__(KeyError, first, None), "raised as it is"
    assert "still locked" in first.__notes__[0]


def test_a_lease_dies_with_its_process(lease: Lease) -> None:
    program = (
        "import sys, time\nfrom pathlib import Path\n"
        "from rsmonitor.io.executors.lease import Lease\n"
        "with Lease(Path(sys.argv[1])).task(sys.argv[2]):\n"
        "    print('in', flush=True)\n    time.sleep(60)\n"
    )
    with lease.hold() as token:
        child = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-c", program, str(lease.path), token],
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None
        with child.stdout as out:
            assert out.readline() == b"in\n"
        with pytest.raises(BusyError):
            lease.revoke()
        child.kill()
        child.wait(10)
    lease.revoke()


def test_who_never_had_a_cluster_writes_no_lease(tmp_path: Path) -> None:
    lease = lease_in(tmp_path / "locks")
    executor = InProcessExecutor(1, 2, lease=lease)
    assert list(executor.map(pow, [3])) == [8]
    assert not lease.path.parent.exists()


def test_a_folder_without_locks_is_told(
    lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse_lock(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse_lock)
    with (
        pytest.raises(OutputError, match="No locks available; a cluster needs"),
        lease.hold(),
    ):
        pytest.fail("was let in")
