"""Who may write state just now: what keeps a forgotten worker out of another run.

A district's lock dies with the process that holds it, but its tasks may live on: on a
worker that lost touch with the cluster, or because the run itself was killed. Such a
task would write a slot that is idle no longer. So there is one file beside the locks:

- a run writes a token into it, which no other run ever had, and takes it out when its
  tasks are over;
- a worker locks the file, shared with its like, for as long as it does a task, and does
  it only if the token is that of the task's run;
- a run changes the token under an exclusive lock, which it gets only when no worker
  does a task.

Locks die with their process, so a worker that is gone never holds one. They must reach
over machines: NFS 4, Lustre mounted with ``flock``, CephFS and GPFS do.
"""

import contextlib
import errno
import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rsmonitor.errors import BusyError, OutputError
from rsmonitor.io.foundation.files import make_folder

_PAUSE_S: Final = 0.05
"""Time between two looks at a lock that others hold."""

_TOKEN_BYTES: Final = 200
"""More than any token has."""

_FEW: Final = 40
"""Letters of an unknown token that a message shows."""


def _no_check() -> None:
    """Trust that locks reach over machines."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write one district's state, by turns."""

    path: Path
    """The file, in a folder that all workers see."""

    patience: float = 600.0
    """Seconds to wait for tasks that still run."""

    @contextlib.contextmanager
    def hold(self, check: Callable[[], None] = _no_check) -> Iterator[str]:
        """
        Let tasks with a new token run, those of any other run no more.

        Leaving waits for tasks that still run, then takes the token out, so that no
        task starts late. Hold the district's lock around it.

        Parameters
        ----------
        check : callable, optional
            Called while nobody else can hold the file: ask `shuts_out` elsewhere.

        Yields
        ------
        str
            The token.

        Raises
        ------
        BusyError
            If tasks still run when patience ends: those of an earlier run on entering,
            of a worker that was given up on leaving. Where the context ends by an
            error, that is raised instead, with a note.
        OutputError
            If the file cannot be made or locked.
        """
        token = secrets.token_hex(16)
        self._pass_to(token, check)
        try:
            yield token
        except BaseException as error:
            try:
                self._pass_to("")
            except (BusyError, OutputError) as left:
                # the token stays, but the next run waits in its turn
                error.add_note(str(left))
            raise
        self._pass_to("")

    def revoke(self) -> None:
        """
        Let no task of a cluster run; do nothing where there never was one.

        Raises
        ------
        BusyError
            If tasks still run when patience ends.
        OutputError
            If the file cannot be locked.
        """
        if self.path.exists():
            self._pass_to("")

    @contextlib.contextmanager
    def task(self, token: str) -> Iterator[None]:
        """
        Do a task while the token is still the one of its run.

        Parameters
        ----------
        token : str
            From `hold`.

        Yields
        ------
        None
            As long as this lasts, no other run begins.

        Raises
        ------
        BusyError
            If another token holds, none, or one is just being changed for too long.
        OutputError
            If this machine does not see the folder, or it has no locks.
        """
        with self._locked(fcntl.LOCK_SH) as file:
            found = os.pread(file, _TOKEN_BYTES, 0).decode(errors="replace")
            if found != token:
                raise BusyError(
                    f"{self.path} on {os.uname().nodename} holds {found[:_FEW]!r} and "
                    "not the token of this run: the run is over, or the folder is not "
                    "the one that the run sees; mount it here"
                )
            yield

    def shuts_out(self) -> bool:
        """
        Tell whether a run that holds the file is felt on this machine.

        Returns
        -------
        bool
            False if this machine sees another file, or locks do not reach it.

        Raises
        ------
        OutputError
            If this machine does not see the folder, or it has no locks.
        """
        try:
            with self._locked(fcntl.LOCK_SH, patience=0):
                return False
        except BusyError:
            return True

    def _pass_to(self, token: str, check: Callable[[], None] = _no_check) -> None:
        """Change the token when no task runs."""
        if not self.path.parent.is_dir():
            make_folder(self.path.parent)
        with self._locked(fcntl.LOCK_EX) as file:
            if os.pread(file, _TOKEN_BYTES, 0) != token.encode():
                os.ftruncate(file, 0)
                os.pwrite(file, token.encode(), 0)
                os.fsync(file)
            check()

    @contextlib.contextmanager
    def _locked(self, kind: int, patience: float | None = None) -> Iterator[int]:
        """Hold the file, waiting for others with bounded patience."""
        try:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise OutputError(
                f"{self.path} cannot be opened on {os.uname().nodename}: "
                f"{error.strerror}; the work folder must be one that every worker sees "
                "under the same name"
            ) from error
        try:
            self._wait(file, kind, self.patience if patience is None else patience)
            yield file
        finally:
            os.close(file)  # and the lock with it

    def _wait(self, file: int, kind: int, patience: float) -> None:
        """Get the lock, or say who has it."""
        end = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(file, kind | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in {errno.EWOULDBLOCK, errno.EACCES, errno.EINTR}:
                    raise OutputError(
                        f"{self.path} cannot be locked: {error.strerror}; a cluster "
                        "needs a shared folder with locks that reach over machines"
                    ) from error
            else:
                return
            if time.monotonic() > end:
                raise BusyError(
                    f"{self.path} is still locked after {patience:g} s: a worker "
                    "does a task that nobody waits for. Let it end or end that worker "
                    f"(on its machine: fuser {self.path}), then run again"
                )
            time.sleep(_PAUSE_S)
