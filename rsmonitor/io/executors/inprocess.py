"""Work done in this process: one task after another, or in a pool of threads.

Threads, not processes: decoding, NumPy kernels and zlib release the interpreter lock,
and arrays need not be copied.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Final, TypeVar

from rsmonitor.errors import ContractError

_T = TypeVar("_T")
_R = TypeVar("_R")

_AHEAD: Final = 2
"""Tasks handed out per worker: results wait in memory until their turn comes."""


class InProcessExecutor:
    """Workers of this process; satisfies `rsmonitor.interfaces.Executor`.

    Parameters
    ----------
    workers : int, default 1
        Threads; with 1 everything happens in the caller's own.

    Raises
    ------
    ContractError
        If there is no worker.
    """

    def __init__(self, workers: int = 1) -> None:
        if workers < 1:
            raise ContractError(f"workers must be at least 1, got {workers}")
        self._workers = workers

    def map(self, function: Callable[[_T], _R], tasks: Sequence[_T]) -> Iterator[_R]:
        """
        Apply a function to every task.

        Tasks are started as results are taken, at most two for each worker ahead.
        After an error or an interrupt no task is started; those that run are waited
        for, because one that still wrote after the district's lock is free would
        write into another run's state.

        Parameters
        ----------
        function : callable
            Takes one task; called from several threads at once.
        tasks : sequence
            What to do.

        Yields
        ------
        object
            Results in the order of the tasks.

        Raises
        ------
        Exception
            What `function` raised first.

        Examples
        --------
        >>> list(InProcessExecutor(workers=2).map(abs, [-3, 2, -1]))
        [3, 2, 1]
        """
        if self._workers == 1:
            for task in tasks:
                yield function(task)
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
                    waiting.append(pool.submit(function, following))
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
