"""The command line in processes of its own, started cold or from a warm nursery."""

import hashlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[1]
PATIENCE = 240

# Imports once, then forks a child for every line it reads: to import anew for each of
# many commands would take most of the time.
NURSERY = """
import json, os, sys, traceback
import matplotlib.figure, rasterio, scipy.ndimage, xarray, zarr
import rsmonitor.cli, rsmonitor.io.deliver.pictures.map, rsmonitor.wiring
import rsmonitor.wiring.labels, rsmonitor.wiring.reproduce, rsmonitor.wiring.tips

for line in sys.stdin:
    task = json.loads(line)
    child = os.fork()
    if child:
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
        continue
    for stream, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    code = 1
    try:
        sys.argv = ["rsmonitor", *task["arguments"]]
        if task["program"] is None:
            rsmonitor.cli.main()
        else:
            exec(task["program"], {"__name__": "program"})
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One command that has ended."""

    code: int
    stdout: str
    stderr: str
    cpu_seconds: float = 0.0


class Command:
    """``python -m rsmonitor`` with some arguments, started cold."""

    def __init__(self, *arguments: str | Path, scratch: Path) -> None:
        scratch.mkdir(parents=True, exist_ok=True)
        self._stdout, self._stderr = scratch / "stdout", scratch / "stderr"
        with self._stdout.open("wb") as out, self._stderr.open("wb") as err:
            self.process = subprocess.Popen(  # noqa: S603 - our own command line
                [sys.executable, "-m", "rsmonitor", *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=scratch,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )

    def wait(self) -> Ran:
        """Wait for its end, and never longer than is sensible."""
        deadline = time.monotonic() + PATIENCE
        while True:
            pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > deadline:
                self.process.kill()
            time.sleep(0.02)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        return Ran(
            code=self.process.returncode,
            stdout=self._stdout.read_text(),
            stderr=self._stderr.read_text(),
            cpu_seconds=usage.ru_utime + usage.ru_stime,
        )


def rsmonitor(*arguments: str | Path, scratch: Path) -> Ran:
    """Run a command to its end, started cold."""
    return Command(*arguments, scratch=scratch).wait()


class Nursery:
    """A process that has imported everything, and forks one for every command."""

    def __init__(self, scratch: Path) -> None:
        scratch.mkdir(parents=True, exist_ok=True)
        self.scratch = scratch
        self._process = subprocess.Popen(  # noqa: S603 - the program above
            [sys.executable, "-c", NURSERY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=scratch,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def start(self, *arguments: str | Path, program: str | None = None) -> int:
        """Start a command, or a program that finds the arguments; give its pid."""
        task = {"arguments": [str(a) for a in arguments], "program": program}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def wait(self) -> Ran:
        """Wait for the end of what was started last."""
        return Ran(
            code=self._answer(),
            stdout=(self.scratch / "stdout").read_text(),
            stderr=(self.scratch / "stderr").read_text(),
        )

    def run(self, *arguments: str | Path, program: str | None = None) -> Ran:
        """Run a command to its end."""
        self.start(*arguments, program=program)
        return self.wait()

    def _answer(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


def tree(folder: Path) -> dict[str, str]:
    """Give a digest of every file below a folder, and the target of every link."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found
