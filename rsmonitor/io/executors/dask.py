"""Work done by a Dask cluster: the same results in the same order, from many machines.

What a worker may touch it opens itself, once a run (`rsmonitor.io.executors.worker`).
Who may write is said by `rsmonitor.io.executors.lease`.
"""

import asyncio
import contextlib
import importlib
import secrets
import time
import typing
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

from rsmonitor.errors import ClusterError, ContractError, SettingsError
from rsmonitor.io.executors.lease import Lease
from rsmonitor.io.executors.worker import (
    Done,
    Failed,
    Order,
    close,
    cloudpickle,
    differences,
    introduce,
    versions,
    work,
)

Client = Any
Future = Any
"""Dask's own, which declares no types."""

_D = TypeVar("_D")
_T = TypeVar("_T")
_R = TypeVar("_R")

_AHEAD: Final = 2
"""Tasks in flight for each thread of a worker; their results count until taken."""

_RETRIES: Final = 3
"""Times that a task is done again after an error that may pass."""

_LOOK_S: Final = 2.0
"""Time between two looks at how many workers there are."""

_ANSWER_S: Final = 15.0
"""Time in which a scheduler or a worker answers."""

_FETCH_S: Final = 60.0
"""Time after which it is asked anew for a result."""

_MOST_NAMED: Final = 5
"""Workers that a message names."""

_TLS_NAMES: Final = {
    "ca": "tls_ca_file",
    "cert": "tls_client_cert",
    "key": "tls_client_key",
}
"""How Dask calls the files."""

_EXTRA: Final = "pip install 'rsmonitor[dask]'"


class DaskExecutor(Generic[_D]):
    """Workers of a cluster; satisfies `rsmonitor.interfaces.Executor`.

    Nothing is connected before the first task. Close it, or use it as a context.

    Parameters
    ----------
    scheduler : str
        ``tcp://host:port`` or ``tls://host:port``.
    opener : callable
        Opens, on a worker, what steps are handed. Picklable, without secrets: a worker
        finds its own in its environment.
    lease : callable
        Finds the lease, here and on a worker, in the folder that both see. Picklable.
    tls : mapping of str to str, optional
        Paths ``ca``, ``cert`` and ``key`` of PEM files; Dask's own configuration
        otherwise.
    patience : float, default 10.0
        Seconds in which the scheduler must answer.
    crew_patience : float, default 60.0
        Seconds without any worker after which the run gives up.
    """

    def __init__(
        self,
        scheduler: str,
        opener: Callable[[], AbstractContextManager[_D]],
        lease: Callable[[], Lease],
        *,
        tls: Mapping[str, str] | None = None,
        patience: float = 10.0,
        crew_patience: float = 60.0,
    ) -> None:
        self._scheduler = scheduler
        self._opener = opener
        self._lease = lease
        self._tls = dict(tls or {})
        self._patience = patience
        self._crew_patience = crew_patience
        self._run = secrets.token_hex(8)
        self._client: Client | None = None
        self._mapping = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let workers close their doors, and leave the cluster; repeatable."""
        client, self._client = self._client, None
        if client is None:
            return
        # a cluster that is gone has nothing open
        with contextlib.suppress(Exception):
            client.run(close, self._run, on_error="ignore", callback_timeout=_ANSWER_S)
        with contextlib.suppress(Exception):
            client.close(timeout=_ANSWER_S)

    def map(
        self, step: Callable[[_D, _T], _R], tasks: Sequence[_T]
    ) -> Generator[_R, None, None]:
        """
        Do a step for every task.

        Tasks are handed out as results are taken, at most two for each thread of the
        workers. One whose worker dies, or that raises `OSError` or `MemoryError`, is
        done again up to three times. After any other error or an interrupt, what does
        not run is cancelled and what runs is waited for.

        Parameters
        ----------
        step : callable
            Takes the doors and one task; picklable. It may be called twice for one
            task, even at the same time if a worker is wrongly given up.
        tasks : sequence
            What to do; picklable, small.

        Yields
        ------
        object
            Results in the order of the tasks.

        Raises
        ------
        Exception
            What `step` raised first, as itself.
        BusyError
            If tasks of an earlier run do not end, or one of this run does not.
        ClusterError
            If the scheduler cannot be reached or is lost, no worker is there, workers
            differ from this process, do not see its folder, or died of a task.
        ContractError
            If step or tasks cannot be pickled, or a `map` of this executor goes on.
        OutputError
            If the lease cannot be written.
        SettingsError
            If the extra ``dask`` is not installed.
        """
        if not tasks:
            return
        if self._mapping:
            raise ContractError("take all results of one map before the next")
        self._mapping = True
        try:
            client = self._connected()
            crew = _Crew(client, self._scheduler, self._crew_patience)
            crew.threads()  # none at all is said before anything is locked

            with self._lease().hold(lambda: self._meet(client)) as token:
                order = Order(
                    run=self._run,
                    token=token,
                    step=step,
                    opener=self._opener,
                    lease=self._lease,
                )
                flight = _Flight(client, crew, _dumps(order, "a step"), token)
                try:
                    yield from flight.results(tasks)
                finally:
                    flight.cancel()
        finally:
            self._mapping = False

    def _connected(self) -> Client:
        """Connect, or say what to look at."""
        if self._client is not None and self._client.status == "running":
            return self._client
        self.close()
        try:
            distributed = _distributed()
        except ImportError as error:
            raise SettingsError(
                f"dask.scheduler is {self._scheduler}, but Dask is not installed: "
                f"{_EXTRA}"
            ) from error
        try:
            security = distributed.Security(
                require_encryption=self._scheduler.startswith("tls://"),
                **{_TLS_NAMES[key]: path for key, path in self._tls.items()},
            )
            # Dask's own time-out ends when something listens, though it say nothing
            with ThreadPoolExecutor(1) as aside:
                aside.submit(asyncio.run, self._greet(security)).result()
            self._client = distributed.Client(
                self._scheduler,
                timeout=self._patience,
                security=security,
                set_as_default=False,
                name="rsmonitor",
            )
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            raise ClusterError(
                f"no Dask scheduler answers at {self._scheduler} (dask.scheduler) "
                f"within {self._patience:g} s: {_said(error)}. Is it started, is the "
                "port open to this machine, and do tcp or tls and its files agree?"
            ) from error
        return self._client

    async def _greet(self, security: Any) -> None:  # noqa: ANN401 - it has no types
        """Prove that a scheduler answers, within the time for that."""
        async with asyncio.timeout(self._patience):
            comm = await _distributed().comm.connect(
                self._scheduler,
                timeout=self._patience,
                **security.get_connection_args("client"),
            )
            await comm.close()

    def _meet(self, client: Client) -> None:
        """Refuse workers that would give other bytes or write elsewhere."""
        ours = versions()
        lease = _dumps(self._lease, "a lease")
        try:
            crew: dict[str, Any] = client.run(
                introduce, lease, on_error="return", callback_timeout=_ANSWER_S
            )
        except OSError:
            return  # one of them is slow or dying; each task looks for itself
        problems = []
        for address, said in crew.items():
            if isinstance(said, OSError):
                continue  # it just died
            if isinstance(said, BaseException):
                problems.append(f"{address} does not know rsmonitor as it is: {said}")
                continue
            theirs, shut_out = said
            differ = differences(ours, theirs)
            if differ:
                problems.append(f"{address} has {differ}")
            elif shut_out is not True:
                why = shut_out or "it sees another folder, or locks do not reach it"
                problems.append(f"{address} does not share the work folder: {why}")
        if problems:
            more = ", ..." if len(problems) > _MOST_NAMED else ""
            raise ClusterError(
                f"workers of {self._scheduler} cannot take part: "
                f"{'; '.join(problems[:_MOST_NAMED])}{more}. All must have the same "
                "versions, which give the same results, and the same work folder"
            )


class _Crew:
    """How many hands there are."""

    def __init__(self, client: Client, scheduler: str, patience: float) -> None:
        self._client = client
        self._scheduler = scheduler
        self._patience = patience
        self._known = 0
        self._looked_at = self._seen_at = -float("inf")

    def threads(self) -> int:
        """Count the threads of all workers, waiting for the first."""
        now = time.monotonic()
        if now - self._looked_at < _LOOK_S and self._known:
            return self._known
        end = now + self._patience
        while not self.look():
            if time.monotonic() > end:
                self._none()
            time.sleep(_LOOK_S / 10)
        return self._known

    def look(self) -> int:
        """Count the threads that there are just now; not none for too long."""
        try:
            found: Mapping[str, int] = self._client.sync(
                self._client.scheduler.ncores, callback_timeout=_ANSWER_S
            )
        except Exception as error:
            # comm errors, time-outs, or a client that closed itself
            raise self.lost(error) from error
        now = time.monotonic()
        self._known, self._looked_at = sum(found.values()), now
        if self._known:
            self._seen_at = now
        elif now - self._seen_at > self._patience and self._seen_at > 0:
            self._none()
        return self._known

    def lost(self, error: BaseException) -> ClusterError:
        """Say that the scheduler is gone."""
        return ClusterError(
            f"the Dask scheduler at {self._scheduler} (dask.scheduler) was lost: "
            f"{_said(error)}. Nothing was committed; run again"
        )

    def _none(self) -> typing.NoReturn:
        raise ClusterError(
            f"the Dask scheduler at {self._scheduler} (dask.scheduler) has had no "
            f"worker for {self._patience:g} s: start some with dask worker "
            f"{self._scheduler} --nthreads 1"
        )


class _Flight:
    """Tasks of one call of `map` on their way."""

    def __init__(self, client: Client, crew: _Crew, order: bytes, token: str) -> None:
        self._client, self._crew = client, crew
        self._order, self._token = order, token
        self._versions = versions()
        self._waiting: dict[int, Future] = {}
        self._ready: dict[int, Any] = {}

    def results(self, tasks: Sequence[Any]) -> Iterator[Any]:
        """Give results in the order of the tasks."""
        rest = enumerate(tasks)
        for turn in range(len(tasks)):
            while turn not in self._ready:
                self._hand_out(rest)
                self._collect()
            yield self._ready.pop(turn)

    def _hand_out(self, rest: Iterator[tuple[int, Any]]) -> None:
        """Hand out tasks while there are hands."""
        most = _AHEAD * max(1, self._crew.threads())
        while len(self._waiting) + len(self._ready) < most:
            following = next(rest, None)
            if following is None:
                return
            number, task = following
            self._waiting[number] = self._client.submit(
                work,
                self._versions,
                self._order,
                _dumps(task, "a task"),
                key=f"rsmonitor-{self._token}-{number}",
                retries=_RETRIES,
                pure=False,
            )

    def _collect(self) -> None:
        """Take the results that are there, waiting for at least a moment."""
        distributed = _distributed()
        with (
            self._client.as_current(),
            contextlib.suppress(distributed.TimeoutError, distributed.CancelledError),
        ):
            distributed.wait(
                list(self._waiting.values()),
                timeout=_LOOK_S,
                return_when="FIRST_COMPLETED",
            )
        for number, future in list(self._waiting.items()):
            if future.status in {"pending", "lost"}:  # lost: its worker died, redone
                continue
            answer = self._answer(future)
            if isinstance(answer, Failed):
                raise answer.error
            if answer is not None:
                self._ready[number] = answer.result
                del self._waiting[number]

    def _answer(self, future: Future) -> Done[Any] | Failed | None:
        """Fetch what became of a task; None if it was lost on the way and is redone."""
        distributed = _distributed()
        if future.status == "finished":
            try:
                answer: Done[Any] | Failed = future.result(timeout=_FETCH_S)
            except distributed.TimeoutError:
                return None
            except distributed.CancelledError as error:
                raise self._crew.lost(error) from error
            return answer
        if future.status == "error":
            raised: Exception = future.exception(timeout=_FETCH_S)
            if isinstance(raised, distributed.scheduler.KilledWorker):
                raise ClusterError(
                    f"a task was given up: {raised}. Workers that die of a task mostly "
                    "lack memory: see their logs"
                ) from raised
            raise raised
        raise self._crew.lost(RuntimeError(f"a task is {future.status}"))

    def cancel(self) -> None:
        """Take back what does not run yet; what runs ends by itself."""
        futures = list(self._waiting.values())
        self._waiting.clear()
        if futures:
            # where the scheduler is gone, the lease keeps its workers out
            with contextlib.suppress(Exception):
                self._client.cancel(futures, force=True)


def _said(error: BaseException) -> str:
    """Give the words of an error, or its name where it has none."""
    return str(error) or type(error).__name__


def _distributed() -> Any:  # noqa: ANN401 - it declares no types
    """Import an extra where it is used."""
    return importlib.import_module("distributed")


def _dumps(value: object, what: str) -> bytes:
    """Pickle by reference what can be imported, by value what cannot."""
    try:
        data: bytes = cloudpickle().dumps(value)
    except Exception as error:
        raise ContractError(f"{what} cannot be sent to workers: {error}") from error
    return data
