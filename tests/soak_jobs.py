"""Jobs of a scheduler that lives in simulated time, each a process of its own.

`rsmonitor schedule` starts a program for each job and hears what it prints. Here that
program is a small client which asks a server that has imported everything to fork: the
child gets the client's output, the simulated instant, and the fault that is due. Other
than that it is the command line as it is: ``rsmonitor.cli.main``.

What differs from a real job: the clock; pauses and time-outs towards services, which
are short; and the grid of a district, which is a part of its cell of 10 km.
"""

import array
import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent

CLIENT = """
import array, json, os, socket, sys
where, *words = sys.argv[1:]
asked = socket.socket(socket.AF_UNIX)
asked.connect(where)
said = json.dumps({"words": words, "cwd": os.getcwd()}).encode()
fds = array.array("i", [1, 2])
asked.sendmsg([said], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
code = json.loads(asked.makefile().readline())
if code < 0:
    os.kill(os.getpid(), -code)
sys.exit(code)
"""

HUB = {
    "RSMONITOR_SH_CLIENT_ID": "canary-client-4711",
    "RSMONITOR_SH_CLIENT_SECRET": "canary-SECRET-p9Xw7",
}


def program(where: Path) -> tuple[str, ...]:
    """Give what a scheduler starts in place of ``python -m rsmonitor``."""
    return (sys.executable, "-I", "-S", "-c", CLIENT, str(where))


@contextmanager
def server(folder: Path, *, side: int, at: tuple[int, int]) -> Iterator[Path]:
    """Run a server of jobs; give its address, a socket in the folder.

    ``now`` in the folder holds the simulated instant, ``due`` the faults of jobs that
    are to come, and ``jobs.jsonl`` gets a line for each job that has ended.
    """
    folder.mkdir(parents=True, exist_ok=True)
    where = folder / "jobs.socket"
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    process = subprocess.Popen(  # noqa: S603 - our own program
        [
            *(sys.executable, str(Path(__file__)), str(where)),
            *map(str, (side, *at)),
        ],
        env={**os.environ, **HUB, "PYTHONPATH": paths},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        assert process.stdout.readline().strip() == "ready"
        yield where
    finally:
        process.kill()
        process.communicate()
        where.unlink(missing_ok=True)


# ------------------------------------------------------------------ inside the server


def _warm(side: int, at: tuple[int, int], scratch: Path) -> None:
    """Import and compile what jobs need; make waits short and grids small."""
    import rsmonitor.cli  # noqa: PLC0415 - first: it says where kernels are kept
    import rsmonitor.io.sources.sentinelhub  # noqa: PLC0415
    import rsmonitor.io.sources.stac  # noqa: PLC0415
    import rsmonitor.wiring.scheduling  # noqa: PLC0415

    shorten_waits()
    cut_grids(side, at)
    config = rehearsal(scratch)
    for words in (
        ("run", str(config), "--until", "2026-08-02"),
        ("deliver", str(config)),
        ("verify", str(config)),
    ):
        with contextlib.suppress(SystemExit):
            sys.argv = ["rsmonitor", *words]
            rsmonitor.cli.main()


def rehearsal(folder: Path) -> Path:
    """Make a small watch whose first run compiles what every job needs."""
    from soak_offices import write_settings  # noqa: PLC0415 - it imports much
    from soak_scenes import (  # noqa: PLC0415
        FIRST_LOOK,
        Opening,
        Place,
        World,
        shots_of,
    )

    opened = Opening(row=20, col=20, size=8, day=FIRST_LOOK)
    place = Place(code="360700", kind="folder", cell="50RLN_05", openings=(opened,))
    shots, _ = shots_of(place, 0, date(2026, 8, 1), disturbed=False)
    world = World(folder=folder / "world", kind="folder", places=[place], shots=shots)
    world.render()
    world.at(datetime(2027, 1, 1, tzinfo=UTC))
    return write_settings(
        folder / "office", [place], "folder", {}, world.archive.resolve()
    )


def shorten_waits() -> None:
    """Let services be given up after two seconds instead of minutes."""
    from rsmonitor.io.foundation.http import HttpPolicy  # noqa: PLC0415
    from rsmonitor.io.sources.sentinelhub import SentinelHubArchive  # noqa: PLC0415

    HttpPolicy.__init__.__kwdefaults__.update(  # type: ignore[union-attr]
        connect_timeout_s=1.0,
        read_timeout_s=1.0,
        total_s=2.0,
        attempts=3,
        first_pause_s=0.05,
        longest_pause_s=1.0,
        requests_per_minute=60_000.0,
    )
    SentinelHubArchive.__init__.__kwdefaults__["units_per_minute"] = 1e6  # type: ignore[index]


def cut_grids(side: int, at: tuple[int, int]) -> None:
    """Watch a part of each cell, not all of it: so many pixels from a corner on."""
    from rsmonitor.wiring import sources, survey  # noqa: PLC0415

    whole = sources.area_of

    def part(settings: Any) -> Any:  # noqa: ANN401 - as the original
        return tuple(
            replace(
                grid,
                left=grid.left + 10 * at[1],
                top=grid.top - 10 * at[0],
                height=side,
                width=side,
            )
            for grid in whole(settings)
        )

    for module in (sources, survey):
        if hasattr(module, "area_of"):
            module.area_of = part  # type: ignore[attr-defined]


def set_clock(instant: datetime) -> None:
    """Let this process believe that it is another time; it goes on from there."""
    from rsmonitor.io.foundation.clock import SystemClock  # noqa: PLC0415

    begun = time.monotonic()

    def now(_: SystemClock) -> datetime:
        return instant + timedelta(seconds=time.monotonic() - begun)

    SystemClock.now = now  # type: ignore[method-assign]


def _due(folder: Path, words: list[str]) -> dict[str, Any]:
    """Take the first fault that is due for a command."""
    path = folder / "due.json"
    faults = json.loads(path.read_text()) if path.exists() else []
    command = " ".join(words)
    for place, fault in enumerate(faults):
        if fault["on"] in command:
            draft = folder / ".due.json"
            draft.write_text(json.dumps(faults[:place] + faults[place + 1 :]))
            draft.replace(path)
            return dict(fault)
    return {}


def _suffer(fault: dict[str, Any]) -> None:
    """Do to this process what a fault says."""
    if fault.get("do") == "kill":
        _die_at(int(fault["at"]))
    elif fault.get("do") == "full":
        # the write then fails, as on a full disk
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        limit = int(fault["bytes"])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def _die_at(count: int) -> None:
    """Be killed when something is synced or renamed for the so-manieth time."""
    left = [count]

    def counted(real: Any) -> Any:  # noqa: ANN401 - functions of os
        def call(*given: Any, **more: Any) -> Any:  # noqa: ANN401 - as the original
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*given, **more)

        return call

    for name in ("fsync", "replace", "rename"):
        setattr(os, name, counted(getattr(os, name)))


def _child(said: dict[str, Any], fds: list[int], folder: Path) -> int:
    """Be the job."""
    os.dup2(fds[0], 1)
    os.dup2(fds[1], 2)
    os.chdir(said["cwd"])
    code: Any = 1
    try:
        set_clock(datetime.fromisoformat((folder / "now").read_text()).astimezone(UTC))
        _suffer(said["fault"])
        import rsmonitor.cli  # noqa: PLC0415

        sys.argv = ["rsmonitor", *said["words"]]
        rsmonitor.cli.main()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:  # noqa: BLE001 - said to whoever asked
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    return int(code)


def _serve(where: Path) -> None:
    """Fork a job for each client, one after the other."""
    asked = socket.socket(socket.AF_UNIX)
    asked.bind(str(where))
    asked.listen(8)
    print("ready", flush=True)  # noqa: T201 - what the starter waits for
    log = where.parent / "jobs.jsonl"
    while True:
        client, _ = asked.accept()
        data, ancillary, _, _ = client.recvmsg(1 << 16, socket.CMSG_SPACE(8))
        if not data:
            client.close()
            continue
        fds = array.array("i")
        for _, _, held in ancillary:
            fds.frombytes(held)
        said = json.loads(data)
        said["fault"] = _due(where.parent, said["words"])
        begun = time.monotonic()
        child = os.fork()
        if child == 0:
            os._exit(_child(said, list(fds), where.parent))
        for fd in fds:
            os.close(fd)
        _, status, usage = os.wait4(child, 0)
        code = os.waitstatus_to_exitcode(status)
        entry = {
            "words": said["words"],
            "now": (where.parent / "now").read_text(),
            "fault": said["fault"],
            "code": code,
            "seconds": round(time.monotonic() - begun, 3),
            "cpu": round(usage.ru_utime + usage.ru_stime, 3),
            "peak_kib": usage.ru_maxrss,
        }
        with log.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        client.sendall(f"{code}\n".encode())
        client.close()


if __name__ == "__main__":
    address = Path(sys.argv[1])
    held = os.dup(1)
    os.dup2(2, 1)  # what the rehearsal says is no answer to who started this
    _warm(
        int(sys.argv[2]),
        (int(sys.argv[3]), int(sys.argv[4])),
        address.parent / "rehearsal",
    )
    sys.stdout.flush()
    os.dup2(held, 1)
    _serve(address)
