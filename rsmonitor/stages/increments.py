"""What the pixels of objects say together: when each began, and how it grew.

All objects are counted at once: their pixels lie one object after the other, and what
is asked of each is a sum, an extreme or a middle of its stretch.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

LOUD_SHARE: Final = 0.1
"""A group of first looks smaller than this share of its object is noise of dating."""

_DAY_BITS: Final = 16
"""Days and counts are uint16: an object's number fits above them in one integer."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Members:
    """The pixels of some objects: one object after the other, each in reading order."""

    rows: NDArray[np.int64]
    """Row of each pixel in the grid, shape (pixel,)."""

    cols: NDArray[np.int64]
    """Column of each, shape (pixel,)."""

    number: NDArray[np.int64]
    """Object of each, rising from 0 with none left out, shape (pixel,)."""

    plane: Mapping[str, NDArray[np.uint16]]
    """Evidence by name, see `rsmonitor.records.rasters.EVIDENCE_PLANES`."""

    @classmethod
    def sorted_from(
        cls,
        rows: NDArray[np.integer],
        cols: NDArray[np.integer],
        number: NDArray[np.integer],
        plane: Mapping[str, NDArray[np.uint16]],
    ) -> "Members":
        """
        Bring pixels in reading order into the order of their objects.

        Parameters
        ----------
        rows, cols : ndarray of int, shape (pixel,)
            Where they are, in reading order.
        number : ndarray of int, shape (pixel,)
            Object of each, from 0 with none left out.
        plane : Mapping
            Evidence by name, each of shape (pixel,).

        Returns
        -------
        Members
            The same pixels.
        """
        order = np.argsort(number, kind="stable")
        return cls(
            rows=rows[order].astype(np.int64),
            cols=cols[order].astype(np.int64),
            number=number[order].astype(np.int64),
            plane={name: values[order] for name, values in plane.items()},
        )

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where each object begins, shape (object,)."""
        return starts_of(self.number)


def starts_of(number: NDArray[np.int64]) -> NDArray[np.int64]:
    """
    Say where each stretch of equal numbers begins.

    Parameters
    ----------
    number : ndarray of int64, shape (pixel,)
        Rising.

    Returns
    -------
    ndarray of int64, shape (stretch,)
        Positions.

    Examples
    --------
    >>> starts_of(np.array([0, 0, 1, 2, 2]))
    array([0, 2, 3])
    """
    return np.flatnonzero(np.diff(number, prepend=-1))


def groups_of(members: Members, gap_days: int) -> NDArray[np.int64]:
    """
    Split objects where their first looks lie far apart.

    A group that is too small to be growth joins its neighbour in time: single pixels
    are dated wrongly by noise, and a wrong date can accuse.

    Parameters
    ----------
    members : Members
        With the plane ``first_seen``.
    gap_days : int
        First looks farther apart than this belong to different groups.

    Returns
    -------
    ndarray of int64, shape (pixel,)
        Group of each pixel: from 0, object by object, oldest first.
    """
    first_seen = members.plane["first_seen"]
    number, days = _sorted_by_object(members.number, first_seen)
    jump = (np.diff(days) > gap_days) & (np.diff(number) == 0)
    within = np.zeros(number.size, dtype=np.int64)
    several = np.ones(int(number[-1]) + 1 if number.size else 0, dtype=np.int64)
    ends = np.append(members.starts, number.size)
    for object_ in np.unique(number[1:][jump]):
        own = slice(ends[object_], ends[object_ + 1])
        begins = _first_days(days[own], gap_days)
        within[own] = np.searchsorted(begins, first_seen[own], side="right") - 1
        several[object_] = len(begins)
    before = np.cumsum(several) - several
    return before[members.number] + within


def middle(number: NDArray[np.int64], values: NDArray[np.uint16]) -> NDArray[np.int64]:
    """
    Give the median of each object, rounded down.

    Parameters
    ----------
    number : ndarray of int64, shape (pixel,)
        Object of each pixel, rising from 0 with none left out.
    values : ndarray of uint16, shape (pixel,)
        What to take the median of.

    Returns
    -------
    ndarray of int64, shape (object,)
        Medians.

    Examples
    --------
    >>> middle(np.array([0, 0, 1]), np.array([1, 4, 7], dtype=np.uint16))
    array([2, 7])
    """
    number, ordered = _sorted_by_object(number, values)
    starts = starts_of(number)
    size = np.diff(starts, append=number.size)
    median: NDArray[np.int64] = (
        ordered[starts + (size - 1) // 2] + ordered[starts + size // 2]
    ) // 2
    return median


def nth_day(
    number: NDArray[np.int64], days: NDArray[np.uint16], n: int
) -> NDArray[np.int64]:
    """
    Give the day on which `n` pixels of each object had one, or all that ever did.

    Parameters
    ----------
    number : ndarray of int64, shape (pixel,)
        Object of each pixel, rising from 0 with none left out.
    days : ndarray of uint16, shape (pixel,)
        0 for never.
    n : int
        At least 1.

    Returns
    -------
    ndarray of int64, shape (object,)
        Days; 0 for an object of which no pixel has one.

    Examples
    --------
    >>> days = np.array([0, 9, 5, 8, 0], dtype=np.uint16)
    >>> nth_day(np.array([0, 0, 0, 0, 1]), days, 2)
    array([8, 0])
    """
    dated = np.add.reduceat((days > 0).astype(np.int64), starts_of(number))
    number, ordered = _sorted_by_object(number, days)
    ends = np.append(starts_of(number)[1:], number.size)
    nth: NDArray[np.int64] = ordered[ends - np.maximum(dated - n, 0) - 1]
    return nth


def _sorted_by_object(
    number: NDArray[np.int64], values: NDArray[np.uint16]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sort values within each object, by one sort of one integer a pixel."""
    joined = np.sort(number << _DAY_BITS | values)
    return joined >> _DAY_BITS, joined & ((1 << _DAY_BITS) - 1)


def _first_days(ordered: NDArray[np.int64], gap_days: int) -> list[int]:
    """Give the first day of each group of one object, from its days in order."""
    days, counts = np.unique(ordered, return_counts=True)
    starts = [0, *(np.flatnonzero(np.diff(days) > gap_days) + 1).tolist(), len(days)]
    spans = [days[a:b] for a, b in itertools.pairwise(starts)]
    sizes = [int(counts[a:b].sum()) for a, b in itertools.pairwise(starts)]
    least = max(2, LOUD_SHARE * ordered.size)
    while len(spans) > 1:
        small = int(np.argmin(sizes))
        if sizes[small] >= least:
            break
        gaps = {
            other: abs(int(spans[small].mean()) - int(spans[other].mean()))
            for other in (small - 1, small + 1)
            if 0 <= other < len(spans)
        }
        near = min(gaps, key=lambda other: (gaps[other], other))
        low, high = sorted((small, near))
        spans[low : high + 1] = [np.concatenate(spans[low : high + 1])]
        sizes[low : high + 1] = [sum(sizes[low : high + 1])]
    return [int(span[0]) for span in spans]
