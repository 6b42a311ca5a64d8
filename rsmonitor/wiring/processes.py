"""A command in a process of its own: heard, let finish, and not waited for forever."""

import contextlib
import contextvars
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import IO, Final

from rsmonitor.io.foundation.redaction import redact

PROGRAM: Final = (sys.executable, "-m", "rsmonitor")
"""How a job is started."""

_GRACE_S: Final = 60.0
"""From being interrupted to being killed."""

_EAR_S: Final = 10.0
"""How long the last lines are waited for: a grandchild may hold the pipe open."""


class Bell:
    """Asks the scheduler to stop: once after the job at hand, twice at once.

    It may be rung from within a signal handler, so it holds no lock.
    """

    def __init__(self) -> None:
        self._rings = 0

    def ring(self) -> None:
        """Ask once more."""
        self._rings += 1

    @property
    def rang(self) -> bool:
        """True once it was asked to stop."""
        return self._rings > 0

    @property
    def hurries(self) -> bool:
        """True once it was asked to stop at once."""
        return self._rings > 1

    def sleep(self, seconds: float) -> None:
        """
        Sleep until the bell rings.

        Parameters
        ----------
        seconds : float
            At most so long.
        """
        until = time.monotonic() + seconds
        while not self.rang and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.25))


def run_process(
    words: Sequence[str],
    *,
    longest_s: float,
    said: Callable[[str], None],
    bell: Bell,
    quiet_stderr: bool = False,
) -> int:
    """
    Run a command in a process of its own, and hear what it says.

    A signal to the scheduler does not reach it: it is let finish, unless the bell
    hurries or its time is up. Then it is interrupted, and killed a minute later.

    Parameters
    ----------
    words : sequence of str
        The command.
    longest_s : float
        Seconds after which it is interrupted.
    said : callable
        Takes each line that it prints, without secrets.
    bell : Bell
        Asks to hurry.
    quiet_stderr : bool, default False
        True hears standard output alone.

    Returns
    -------
    int
        Its exit code; negative if a signal ended it.
    """
    process = subprocess.Popen(  # noqa: S603 - our own command line
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if quiet_stderr else subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env=_environment(),
        start_new_session=True,
    )
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    ear = threading.Thread(
        # its lines bear the run's id, which a thread does not inherit
        target=contextvars.copy_context().run,
        args=(_hear, process.stdout, said),
        daemon=True,
    )
    ear.start()
    deadline = time.monotonic() + longest_s
    interrupted: float | None = None
    try:
        while process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.2)
            now = time.monotonic()
            if interrupted is None and (bell.hurries or now > deadline):
                interrupted = now
                _signal(process, signal.SIGINT)
            elif interrupted is not None and now > interrupted + _GRACE_S:
                _signal(process, signal.SIGKILL)
    except BaseException:
        _signal(process, signal.SIGINT)
        raise
    # a grandchild may hold the pipe open; what it says is not waited for
    ear.join(_EAR_S)
    if not ear.is_alive():
        process.stdout.close()
    return process.returncode


def _hear(stream: IO[str], said: Callable[[str], None]) -> None:
    """Pass on each line, whatever comes of it."""
    for line in stream:
        if text := redact(line.rstrip()):
            said(text)


def _signal(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    """Signal a process and all that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _environment() -> dict[str, str]:
    """Give a job our environment; what it prints must reach us at once."""
    return {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
