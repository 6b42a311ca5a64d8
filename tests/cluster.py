"""A Dask cluster of real processes on this machine, and steps for it to do.

Workers import this module too, so that steps go to them by name.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rsmonitor import errors
from rsmonitor.errors import SourceUnreachableError, StoreError
from rsmonitor.io.executors.lease import Lease

TESTS = Path(__file__).parent
PATIENCE_S = 20.0
"""Seconds in which a process must have started or ended."""

FOLDER_VARIABLE = "RSMONITOR_TEST_FOLDER"


@dataclass(frozen=True)
class Room:
    """The doors of these tests: a folder."""

    folder: Path
    opened: int

    def note(self, name: str, text: str) -> None:
        """Add a line to a file; short lines of several processes do not mix."""
        with (self.folder / name).open("a") as file:
            file.write(f"{text}\n")

    def notes(self, name: str) -> list[str]:
        """Read what was noted."""
        path = self.folder / name
        return path.read_text().split("\n")[:-1] if path.exists() else []


@contextlib.contextmanager
def open_room(folder: Path) -> Iterator[Room]:
    room = Room(folder, opened=os.getpid())
    room.note("opened", str(os.getpid()))
    try:
        yield room
    finally:
        room.note("closed", str(os.getpid()))


def lease_in(folder: Path, patience: float = PATIENCE_S) -> Lease:
    return Lease(folder / "district.lease", patience)


def lease_elsewhere(folder: Path) -> Lease:
    """Find another folder where the environment says so, as a bad mount would."""
    return lease_in(Path(os.environ.get(FOLDER_VARIABLE, str(folder))))


# ------------------------------------------------------------------------------- steps


def square(room: Room, number: int) -> tuple[int, int]:
    del room
    return number, number * number


def slow_square(room: Room, number: int) -> int:
    return _noted(room, number, 0.1)


def long_square(room: Room, number: int) -> int:
    return _noted(room, number, 1.0)


def _noted(room: Room, number: int, seconds: float) -> int:
    room.note("log", f"start {number}")
    time.sleep(seconds)
    room.note("log", f"end {number}")
    return number * number


def running(log: list[str]) -> set[str]:
    """Give the tasks of a log that were started and did not end."""
    going: set[str] = set()
    for line in log:
        what, number = line.split()
        (going.add if what == "start" else going.discard)(number)
    return going


def dying_square(room: Room, number: int) -> int:
    """Kill the process that does it for the first time, of one task."""
    if number == 4 and not room.notes("died"):
        room.note("died", str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def deadly(room: Room, number: int) -> int:
    del room
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def flaky_square(room: Room, number: int) -> int:
    """Fail twice at each task as disks and networks do."""
    before = room.notes(f"tries-{number}")
    room.note(f"tries-{number}", str(os.getpid()))
    if len(before) < 2:
        raise ConnectionResetError(104, "reset")
    return number * number


def broken_disk(room: Room, number: int) -> int:
    room.note("tries", str(number))
    raise OSError(5, "Input/output error", "state")


def refuse(room: Room, number: int) -> int:
    room.note("tries", str(number))
    if number == 2:
        raise StoreError("state 2 is damaged")
    return number


def refuse_in_kind(room: Room, name: str) -> None:
    """Raise an error of a class of rsmonitor."""
    room.note("tries", name)
    kind: type[errors.RsmonitorError] = getattr(errors, name)
    raise kind(f"{name} of 定南县")


def stumble(room: Room, number: int) -> int:
    room.note("tries", str(number))
    if number == 2:
        raise KeyError(number)
    return number


class StubbornError(ValueError):
    """Cannot be unpickled."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} {second}")


def raise_stubbornly(room: Room, number: int) -> int:
    del room, number
    raise StubbornError("not", "portable")


def stop(room: Room, number: int) -> int:
    del room, number
    raise StopIteration


@contextlib.contextmanager
def open_nothing(folder: Path) -> Iterator[Room]:
    raise SourceUnreachableError(f"{folder} is not mounted")
    yield Room(folder, 0)


@dataclass(frozen=True)
class Adder:
    """A step that carries something, as steps of the pipeline do."""

    number: int

    def __call__(self, room: Room, task: int) -> int:
        del room
        return self.number + task


# ----------------------------------------------------------------------------- cluster


@dataclass
class Cluster:
    """A scheduler and its workers, each a process."""

    folder: Path
    address: str = ""
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def add_worker(
        self, environment: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[bytes]":
        return self._start(
            "dask_worker",
            *(self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard"),
            *("--host", "127.0.0.1", "--death-timeout", "30"),
            *("--local-directory", str(self.folder)),
            environment=environment or {},
        )

    def await_workers(self, count: int) -> None:
        import distributed  # noqa: PLC0415 - an extra

        with distributed.Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=PATIENCE_S)

    def _start(
        self, module: str, *arguments: str, environment: Mapping[str, str]
    ) -> "subprocess.Popen[bytes]":
        paths = [environment.get("PYTHONPATH", ""), str(TESTS.parent), str(TESTS)]
        log = self.folder / f"{module}-{len(self.processes)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", f"distributed.cli.{module}", *arguments],
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=self.folder,  # which Python looks in before all else
                env={
                    **os.environ,
                    **environment,
                    "PYTHONPATH": os.pathsep.join(p for p in paths if p),
                    "OMP_NUM_THREADS": "1",
                },
            )
        self.processes.append(process)
        return process

    def start(
        self, environment: Mapping[str, str] | None = None, scheme: str = "tcp://"
    ) -> None:
        told = self.folder / "scheduler.json"
        self._start(
            "dask_scheduler",
            *("--port", "0", "--no-dashboard", "--no-show"),
            *("--host", f"{scheme}127.0.0.1"),
            *("--scheduler-file", str(told)),
            environment=environment or {},
        )
        end = time.monotonic() + PATIENCE_S
        while not self.address:
            if time.monotonic() > end:
                raise TimeoutError((self.folder / "dask_scheduler-0.log").read_text())
            with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
                self.address = json.loads(told.read_text())["address"]
            time.sleep(0.05)

    def end(self) -> None:
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait(PATIENCE_S)


@contextlib.contextmanager
def cluster(
    folder: Path, workers: int, environment: Mapping[str, str] | None = None
) -> Iterator[Cluster]:
    folder.mkdir(parents=True, exist_ok=True)
    found = Cluster(folder)
    try:
        found.start(environment)
        for _ in range(workers):
            found.add_worker()
        if workers:
            found.await_workers(workers)
        yield found
    finally:
        found.end()


def until(true: Callable[[], bool], what: str) -> None:
    """Wait for something, with an end."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.02)
