"""Workers change how fast results come, never which or in what order."""

import signal
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsmonitor.errors import ContractError
from rsmonitor.io.executors.inprocess import InProcessExecutor

WORKERS = (1, 2, 5)


@given(tasks=st.lists(st.integers(0, 50), max_size=30), workers=st.integers(1, 6))
def test_results_are_those_of_a_plain_loop(tasks: list[int], workers: int) -> None:
    executor = InProcessExecutor(workers, 3)
    assert list(executor.map(pow, tasks)) == [pow(3, n) for n in tasks]


def test_every_step_is_handed_the_same_doors() -> None:
    doors = object()
    executor = InProcessExecutor(3, doors)
    assert all(executor.map(lambda given, _: given is doors, range(20)))


def test_results_keep_the_order_of_tasks_that_end_in_another() -> None:
    tasks = [0.05, 0.0, 0.03, 0.0]

    def doze(_: None, seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    assert list(InProcessExecutor(4, None).map(doze, tasks)) == tasks


def test_two_workers_work_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=10)
    # a single worker would wait for the other until the barrier breaks
    list(InProcessExecutor(2, meeting).map(lambda m, _: m.wait(), [0, 1]))


@pytest.mark.parametrize("workers", WORKERS)
def test_first_error_is_raised_and_cancels_the_rest(workers: int) -> None:
    started = []

    def fail_on_three(_: None, n: int) -> int:
        started.append(n)
        if n == 3:
            raise KeyError(n)
        return n

    with pytest.raises(KeyError):
        list(InProcessExecutor(workers, None).map(fail_on_three, range(1000)))
    assert len(started) <= 4 + 2 * workers


def test_an_error_is_raised_before_slower_tasks_in_front_of_it_end() -> None:
    release = threading.Event()

    def work(_: None, n: int) -> int:
        if n == 1:
            release.set()
            raise KeyError(n)
        # ends when the other has failed; a slow task, but not a stuck one
        assert release.wait(10)
        time.sleep(0.01)
        return n

    results = InProcessExecutor(2, None).map(work, [0, 1, 2, 3])
    with pytest.raises(KeyError):
        list(results)


@pytest.mark.parametrize("workers", WORKERS)
def test_no_task_runs_after_the_error_was_raised(workers: int) -> None:
    running = []

    def work(_: None, n: int) -> int:
        running.append(n)
        time.sleep(0.005)
        if n == 2:
            raise KeyError(n)
        running.remove(n)
        return n

    with pytest.raises(KeyError):
        list(InProcessExecutor(workers, None).map(work, range(50)))
    assert running == [2]


@pytest.mark.parametrize("workers", WORKERS)
def test_results_are_not_heaped_up_before_they_are_taken(workers: int) -> None:
    started: list[int] = []
    results = InProcessExecutor(workers, started).map(list.append, range(1000))
    next(results)
    time.sleep(0.05)
    assert len(started) <= 2 * workers
    results.close()  # type: ignore[attr-defined]  # a generator


@pytest.mark.parametrize("workers", WORKERS)
def test_a_stray_stop_iteration_does_not_look_like_the_end(workers: int) -> None:
    def stop(_: None, n: int) -> int:
        if n == 1:
            raise StopIteration
        return n

    with pytest.raises(RuntimeError):
        list(InProcessExecutor(workers, None).map(stop, range(3)))


@pytest.mark.parametrize("workers", [0, -1])
def test_nobody_cannot_do_the_work(workers: int) -> None:
    with pytest.raises(ContractError, match=str(workers)):
        InProcessExecutor(workers, None)


@pytest.mark.parametrize("workers", [1, 2])
def test_interrupt_stops_soon(workers: int) -> None:
    program = (
        "import sys, time\n"
        "from rsmonitor.io.executors.inprocess import InProcessExecutor\n"
        "def work(_, n):\n"
        "    if n == 20: print('started', flush=True)\n"
        "    time.sleep(0.05)\n"
        "try:\n"
        f"    list(InProcessExecutor({workers}, None).map(work, range(100_000)))\n"
        "except KeyboardInterrupt:\n"
        "    sys.exit(130)\n"
    )
    child = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", program], stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    with child.stdout as stdout:
        assert stdout.readline() == b"started\n"
    child.send_signal(signal.SIGINT)
    # the tasks would take minutes
    assert child.wait(timeout=30) == 130
