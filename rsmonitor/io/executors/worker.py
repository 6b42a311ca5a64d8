"""What a worker process of a cluster does: tasks, through doors that it keeps open."""

import atexit
import contextlib
import functools
import importlib
import importlib.metadata
import os
import platform
import threading
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from rsmonitor import ALGORITHM_VERSION, __version__
from rsmonitor.errors import ClusterError, RsmonitorError
from rsmonitor.io.executors.lease import Lease
from rsmonitor.io.foundation.redaction import guard_logging, redact

_D = TypeVar("_D")
_T = TypeVar("_T")
_R = TypeVar("_R")

_MOST_OPEN: Final = 4
"""Runs of which one worker keeps the doors: districts that share a cluster."""

_MOST_TRACE: Final = 4000
"""Letters of a traceback that travel with an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(Generic[_D, _T, _R]):
    """What all tasks of one call of `map` share."""

    run: str
    """Which doors: no two runs share them, so that none sees what is out of date."""

    token: str
    """Right to write, from `Lease.hold`."""

    step: Callable[[_D, _T], _R]
    """What to do."""

    opener: Callable[[], AbstractContextManager[_D]]
    """Opens the doors on the worker's machine."""

    lease: Callable[[], Lease]
    """Finds the lease on the worker's machine."""


@dataclass(frozen=True, slots=True)
class Done(Generic[_R]):
    """A task that was done."""

    result: _R
    """What the step returned."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A task that would fail again."""

    error: Exception
    """What the step raised."""


def versions() -> dict[str, str]:
    """
    Say what decides the bytes that this process computes.

    Returns
    -------
    dict
        By name, the versions that must be the same everywhere.
    """
    return {
        "rsmonitor": __version__,
        "algorithm": ALGORITHM_VERSION,
        "python": _minor(platform.python_version()),
        "numpy": _minor(importlib.metadata.version("numpy")),
        "numba": _minor(_version("numba")),
    }


def differences(ours: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """
    Compare versions.

    Parameters
    ----------
    ours : mapping of str to str
        `versions` of the run.
    theirs : mapping of str to str
        `versions` of a worker.

    Returns
    -------
    str
        What differs, in words; empty if nothing does.

    Examples
    --------
    >>> differences({"numpy": "2.4", "numba": "0.62"}, {"numpy": "2.3"})
    'numpy 2.3 instead of 2.4, numba none instead of 0.62'
    """
    return ", ".join(
        f"{name} {theirs.get(name, 'none')} instead of {wanted}"
        for name, wanted in ours.items()
        if theirs.get(name, "none") != wanted
    )


def introduce(lease: bytes) -> tuple[dict[str, str], bool | str]:
    """
    Say who this worker is, and whether it feels the lock that the run now holds.

    Parameters
    ----------
    lease : bytes
        A pickled `Order.lease`.

    Returns
    -------
    versions : dict
        From `versions`.
    shut_out : bool or str
        True if the lock is felt; why not, in words, where that is known.
    """
    own = versions()
    try:
        find: Callable[[], Lease] = _loads(lease)
        return own, find().shuts_out()
    except Exception as error:  # noqa: BLE001 - whatever it is, the run says it
        return own, redact(str(error))


def work(wanted: Mapping[str, str], order: bytes, task: bytes) -> Done[Any] | Failed:
    """
    Do one task.

    Order and task come pickled, so that they are not touched before versions are known
    to be the same.

    Parameters
    ----------
    wanted : mapping of str to str
        `versions` of the run.
    order : bytes
        A pickled `Order`.
    task : bytes
        A pickled task.

    Returns
    -------
    Done or Failed
        Failed if doing it again would not help.

    Raises
    ------
    OSError
        If doing it again may help.
    MemoryError
        The same.
    """
    try:
        _require(wanted)
        terms: Order[Any, Any, Any] = _order(order)
        item = _loads(task)
        with (
            terms.lease().task(terms.token),
            _DESK.doors(terms.run, terms.opener) as doors,
        ):
            return Done(terms.step(doors, item))
    except RsmonitorError as error:
        return Failed(_portable(error))
    except (OSError, MemoryError) as error:
        # without what it came from, which may not be picklable
        travelling = _portable(error)
        raise travelling from None
    except Exception as error:  # noqa: BLE001 - the caller shall see it, once
        return Failed(_portable(error))


def cloudpickle() -> Any:  # noqa: ANN401 - it declares no types
    """
    Import what comes with Dask, where it is used.

    Returns
    -------
    module
        ``cloudpickle``.
    """
    return importlib.import_module("cloudpickle")


def close(run: str) -> None:
    """
    Close the doors of a run that is over.

    Parameters
    ----------
    run : str
        `Order.run`.
    """
    _DESK.close(run)


@dataclass(slots=True)
class _Open(Generic[_D]):
    """Doors that are open."""

    doors: _D
    stack: ExitStack
    users: int = 0


class _Desk:
    """Doors that this process keeps open, those of the latest runs."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, _Open[Any]] = OrderedDict()
        self._turn = threading.Lock()

    @contextlib.contextmanager
    def doors(
        self, run: str, opener: Callable[[], AbstractContextManager[_D]]
    ) -> Iterator[_D]:
        """Give the doors of a run, opened at its first task here."""
        with self._turn:
            kept = self._kept.get(run)
            if kept is None:
                guard_logging()  # Dask logs what a task raises
                stack = ExitStack()
                kept = _Open(stack.enter_context(opener()), stack)
                self._kept[run] = kept
            kept.users += 1
            self._kept.move_to_end(run)
            idle = [name for name, doors in self._kept.items() if not doors.users]
            for name in idle[: max(0, len(self._kept) - _MOST_OPEN)]:
                self._kept.pop(name).stack.close()
        try:
            yield kept.doors
        finally:
            with self._turn:
                kept.users -= 1

    def close(self, run: str | None = None) -> None:
        """Close the doors of a run, or of all, but for those in use."""
        with self._turn:
            for name in [run] if run is not None else list(self._kept):
                if name in self._kept and not self._kept[name].users:
                    self._kept.pop(name).stack.close()


_DESK: Final = _Desk()
atexit.register(_DESK.close)


def _require(wanted: Mapping[str, str]) -> None:
    """Refuse to work where the result may be another."""
    differ = differences(wanted, versions())
    if differ:
        raise ClusterError(
            f"worker on {_place()} has {differ}: other versions may give other "
            "results; install the same there"
        )


def _loads(data: bytes) -> Any:  # noqa: ANN401 - whatever was sent
    """Unpickle what the run sent: who reaches a scheduler may run anything anyway."""
    try:
        return cloudpickle().loads(data)
    except Exception as error:
        raise ClusterError(
            f"worker on {_place()} cannot read its task: {error}; install there what "
            "the run has"
        ) from error


@functools.lru_cache(maxsize=_MOST_OPEN)
def _order(data: bytes) -> Order[Any, Any, Any]:
    """Unpickle once what many tasks share."""
    order: Order[Any, Any, Any] = _loads(data)
    return order


def _portable(error: Exception) -> Exception:
    """Make an error that arrives as itself, or as a plain one if it cannot."""
    note = f"on {_place()}"
    if not isinstance(error, RsmonitorError):
        text = "".join(traceback.format_exception(error))
        note = f"{note}:\n{redact(text)[-_MOST_TRACE:]}"
    error.add_note(note)
    try:
        copy = cloudpickle().loads(cloudpickle().dumps(error))
    except Exception:  # noqa: BLE001 - errors of others define what they like
        copy = None
    if type(copy) is type(error):
        return error
    plain = OSError if isinstance(error, OSError) else RuntimeError
    stand_in = plain(redact(f"{type(error).__name__}: {error}"))
    stand_in.add_note(note)
    return stand_in


def _place() -> str:
    """Name this process."""
    return f"{platform.node()}, process {os.getpid()}"


def _version(name: str) -> str:
    """Give the version of a package that may be missing."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def _minor(version: str) -> str:
    """Leave out what changes no result."""
    return ".".join(version.split(".")[:2])
