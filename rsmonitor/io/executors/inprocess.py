"""Work done in this process: one task after another, or in a pool of threads.

Threads, not processes: decoding, NumPy kernels and zlib release the interpreter lock,
and arrays need not be copied.
"""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Final, Generic, TypeVar

from rsmonitor.errors import ContractError
from rsmonitor.io.executors.lease import Lease

_D = TypeVar("_D")
_T = TypeVar("_T")
_R = TypeVar("_R")

_AHEAD: Final = 2
"""Tasks handed out per worker: results wait in memory until their turn comes."""


class InProcessExecutor(Generic[_D]):
    """Workers of this process; satisfies `rsmonitor.interfaces.Executor`.

    Parameters
    ----------
    workers : int
        Threads; with 1 everything happens in the caller's own.
    doors : object
        What every step is handed; used by several threads at once.
    lease : Lease, optional
        Taken from a cluster that once worked here, so that none of its tasks that was
        forgotten writes beside these.

    Raises
    ------
    ContractError
        If there is no worker.
    """

    def __init__(self, workers: int, doors: _D, *, lease: Lease | None = None) -> None:
        if workers < 1:
            raise ContractError(f"workers must be at least 1, got {workers}")
        self._workers = workers
        self._doors = doors
        self._lease = lease

    def map(
        self, step: Callable[[_D, _T], _R], tasks: Sequence[_T]
    ) -> Generator[_R, None, None]:
        """
        Do a step for every task.

        Tasks are started as results are taken, at most two for each worker ahead.
        After an error or an interrupt no task is started; those that run are waited
        for, because one that still wrote after the district's lock is free would
        write into another run's state.

        Parameters
        ----------
        step : callable
            Takes the doors and one task; called from several threads at once.
        tasks : sequence
            What to do.

        Yields
        ------
        object
            Results in the order of the tasks.

        Raises
        ------
        Exception
            What `step` raised first.
        BusyError
            If a cluster that once worked here has not ended its tasks.

        Examples
        --------
        >>> list(InProcessExecutor(2, 10).map(pow, [3, 2, 1]))
        [1000, 100, 10]
        """
        if self._lease is not None:
            self._lease.revoke()
        if self._workers == 1:
            for task in tasks:
                yield step(self._doors, task)
            return
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="rsmonitor")
        waiting: deque[Future[_R]] = deque()
        rest = iter(tasks)
        try:
            while True:
                while len(waiting) < _AHEAD * self._workers:
                    try:
                        following = next(rest)
                    except StopIteration:
                        break
                    waiting.append(pool.submit(step, self._doors, following))
                if not waiting:
                    return
                _wait_for_first(waiting)
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _wait_for_first(waiting: deque[Future[_R]]) -> None:
    """Wait for the first in line, or raise as soon as any of them fails."""
    while True:
        done = wait(waiting, return_when=FIRST_COMPLETED).done
        for future in waiting:
            if future in done:
                future.result()
        if waiting[0] in done:
            return
        # else one behind it is done: wait for one that is not
        wait([f for f in waiting if f not in done], return_when=FIRST_COMPLETED)
