"""Pixels counted by row and by day, in one pass."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rsmonitor.records.rasters import REFERENCE_FILL

DAYS = 1 << 16
"""Days that state can hold."""


def counted(
    last_clear: NDArray[np.uint16],
    reference: NDArray[np.int16],
    since: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """
    Count the pixels of a block.

    Parameters
    ----------
    last_clear : ndarray of uint16, shape (y, x)
        Day of the last clear look; 0 where never.
    reference : ndarray of int16, shape (parameter, y, x)
        See `rsmonitor.records.rasters.REFERENCE_STATE`.
    since : int
        Days since 1970-01-01, at least 1.

    Returns
    -------
    seen : ndarray of int64, shape (y,)
        Pixels with a clear look on that day or later.
    monitored : ndarray of int64, shape (y,)
        Pixels with a reference.
    days : ndarray of int64, shape (65536,)
        Pixels by day of their last clear look.

    Examples
    --------
    >>> reference = np.zeros((15, 1, 3), dtype=np.int16)
    >>> last_clear = np.array([[0, 9, 9]], dtype=np.uint16)
    >>> seen, monitored, days = counted(last_clear, reference, 5)
    >>> seen, monitored, days[[0, 9]]
    (array([2]), array([3]), array([1, 2]))
    """
    height = last_clear.shape[0]
    seen = np.zeros(height, dtype=np.int64)
    monitored = np.zeros(height, dtype=np.int64)
    days = np.zeros(DAYS, dtype=np.int64)
    _count(last_clear, reference, since, seen, monitored, days)
    return seen, monitored, days


@njit(nogil=True, cache=True)
def _count(last_clear, reference, since, seen, monitored, days):
    """Fill the counts row by row."""
    for y in range(last_clear.shape[0]):
        for x in range(last_clear.shape[1]):
            day = last_clear[y, x]
            days[day] += 1
            seen[y] += day >= since
            monitored[y] += reference[0, y, x] != REFERENCE_FILL
