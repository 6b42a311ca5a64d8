"""Find 'clouds' that may be ground by their runs along rows.

The plain form, `rsmonitor.stages.rescue.bright_patches`, labels every pixel of the
surroundings. Here a row is read eight pixels at a time, only stretches of cloud are
joined, and what costs more is asked only of 'clouds' that have passed what costs less.
"""

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rsmonitor.records.parameters import ClearParameters
from rsmonitor.records.rasters import Scl
from rsmonitor.stages.haze import JUDGED as WITNESSES
from rsmonitor.stages.rescue import CLOUDS

GROUND: Final = 1
"""Bit of a kind: SCL shows the ground."""

GROWN: Final = 2
"""Bit of a kind: its edges are not trusted."""

OTHERS: Final = 4
"""Bit of a kind: `GROWN`, and no 'cloud' that may be ground."""

LABELLED: Final = 8
"""Bit of a kind: cloud or its shadow, which make a patch together."""

CLOUD: Final = 16
"""Bit of a kind: SCL says cloud."""

ALONE: Final = 32
"""Bit of a kind: in a 'cloud' that may be ground."""

FLAT: Final = 64
"""Bit of a kind: in a 'cloud' without parallax."""

JUDGED: Final = 128
"""Bit of a kind: witnesses haze."""

SPREADING: Final = GROWN | OTHERS | ALONE | FLAT
"""Bits that reach beyond their pixels."""

WORD: Final = 8
"""Pixels that are read at once; rows of kinds are filled up to whole words."""

_ALL_LABELLED: Final = np.uint64(LABELLED * 0x0101_0101_0101_0101)
_WHOLE_IMAGE: Final = 0.25
"""Share of the image above which running sums are cheaper than counting boxes."""


class Runs(NamedTuple):
    """Stretches of cloud or shadow along rows, row by row."""

    row: NDArray[np.int32]
    """Row, shape (run,)."""

    start: NDArray[np.int32]
    """First column, shape (run,)."""

    stop: NDArray[np.int32]
    """Column behind the last, shape (run,)."""

    patch: NDArray[np.int32]
    """Number of a run of the same patch, the same for all of them, shape (run,)."""


class Asked(NamedTuple):
    """What is asked of a patch, in pixels."""

    extent: int
    """A longer one is a cloud."""

    ring: int
    """How far its surroundings reach."""

    most_obscured: float
    """Share of the surroundings that may be hidden."""


def kinds_of_classes(
    parameters: ClearParameters,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """
    Say what every class is.

    Parameters
    ----------
    parameters : ClearParameters
        Classes that show the ground, and those that grow.

    Returns
    -------
    kinds : ndarray of uint8, shape (256,)
        Bits of each class.
    obscured : ndarray of uint8, shape (256,)
        1 if the class hides the ground around a patch.
    """
    kinds = np.zeros(256, dtype=np.uint8)
    for bits, classes in (
        (GROUND, parameters.clear_classes),
        (GROWN | OTHERS, parameters.grown_classes),
        (LABELLED, (*CLOUDS, Scl.CLOUD_SHADOW)),
        (CLOUD, CLOUDS),
        (JUDGED, WITNESSES),
    ):
        for scl in set(classes):
            kinds[scl] |= bits
    obscured = np.ones(256, dtype=np.uint8)
    obscured[[*parameters.clear_classes, Scl.DARK]] = 0
    return kinds, obscured


def disk(radius: int) -> NDArray[np.int64]:
    """
    Give the disk by which `rsmonitor.stages.clear.grow` grows.

    Parameters
    ----------
    radius : int
        Pixels.

    Returns
    -------
    ndarray of int64, shape (radius + 1,)
        Half its width so many rows from its middle.

    Examples
    --------
    >>> disk(2)
    array([2, 2, 1])
    """
    away = np.arange(radius + 1)
    if radius == 1:
        return np.array([1, 0])
    inside = away[:, None] ** 2 + away**2 <= (radius + 0.5) ** 2
    return np.asarray(inside.sum(axis=1) - 1, dtype=np.int64)


@njit(nogil=True, cache=True)
def kinds_of(
    scl: NDArray[np.uint8], table: NDArray[np.uint8], out: NDArray[np.uint8]
) -> int:
    """
    Look the kinds of pixels up.

    Parameters
    ----------
    scl : ndarray of uint8, shape (y, x)
        Scene classification.
    table : ndarray of uint8, shape (256,)
        Kind of each class.
    out : ndarray of uint8, shape (y, at least x)
        Written; 0 behind the last column.

    Returns
    -------
    int
        Bits that are anywhere.
    """
    height, width = scl.shape
    found = np.uint8(0)
    for y in range(height):
        line, kind = scl[y], out[y]
        for x in range(width):
            kind[x] = table[line[x]]
        for x in range(width, len(kind)):
            kind[x] = 0
        for x in range(width):
            found |= kind[x]
    return int(found)


@njit(nogil=True, cache=True)
def runs_of(kinds: NDArray[np.uint8], words: NDArray[np.uint64]) -> Runs:
    """
    Find runs of cloud and shadow, and join those that touch at sides or corners.

    Parameters
    ----------
    kinds : ndarray of uint8, shape (y, x)
        Kinds of pixels.
    words : ndarray of uint64, shape (y, x / 8)
        The same memory.

    Returns
    -------
    Runs
        In the order of rows and columns.
    """
    height, width = kinds.shape
    most = height * (width // 2 + 1)
    row = np.empty(most, np.int32)
    start = np.empty(most, np.int32)
    stop = np.empty(most, np.int32)
    patch = np.empty(most, np.int32)
    count = before = 0
    for y in range(height):
        first = count
        inside = False
        for w in range(words.shape[1]):
            labelled = words[y, w] & _ALL_LABELLED
            if labelled == (_ALL_LABELLED if inside else np.uint64(0)):
                continue
            for x in range(w * WORD, w * WORD + WORD):
                if (kinds[y, x] & LABELLED != 0) == inside:
                    continue
                if inside:
                    stop[count - 1] = x
                else:
                    row[count], start[count], patch[count] = y, x, count
                    count += 1
                inside = not inside
        if inside:
            stop[count - 1] = width
        above = before
        for i in range(first, count):
            while above < first and stop[above] < start[i]:
                above += 1
            k = above
            while k < first and start[k] <= stop[i]:
                _join(patch, k, i)
                k += 1
        before = first
    for i in range(count):
        # the root of a patch is its first run, whose own root is found by now
        patch[i] = patch[patch[i]]
    return Runs(
        row[:count].copy(), start[:count].copy(), stop[:count].copy(), patch[:count]
    )


@njit(nogil=True, cache=True)
def alone_of(
    runs: Runs,
    kinds: NDArray[np.uint8],
    scl: NDArray[np.uint8],
    obscured: NDArray[np.uint8],
    asked: Asked,
    near: tuple[int, int, int, int],
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """
    Find patches that are small, whole, no mere shadow, and in clear surroundings.

    Parameters
    ----------
    runs : Runs
        From `runs_of`.
    kinds : ndarray of uint8, shape (y, at least x)
        Kinds of pixels.
    scl : ndarray of uint8, shape (y, x)
        Scene classification.
    obscured : ndarray of uint8, shape (256,)
        1 if a class hides the ground.
    asked : Asked
        Sizes and the share.
    near : tuple of int
        Rows and columns, first and behind the last, which no other patch can reach.

    Returns
    -------
    alone : ndarray of bool, shape (run,)
        True at the number of a patch that is.
    clouds : ndarray of int64, shape (run,)
        Pixels of cloud of such a patch.
    """
    height, width = scl.shape
    n = len(runs.row)
    top, bottom = np.full(n, height, np.int32), np.zeros(n, np.int32)
    left, right = np.full(n, width, np.int32), np.zeros(n, np.int32)
    own, clouds = np.zeros(n, np.int64), np.zeros(n, np.int64)
    for i in range(n):
        p = runs.patch[i]
        top[p], bottom[p] = min(top[p], runs.row[i]), max(bottom[p], runs.row[i] + 1)
        left[p], right[p] = min(left[p], runs.start[i]), max(right[p], runs.stop[i])
        own[p] += runs.stop[i] - runs.start[i]
    alone = np.zeros(n, np.bool_)
    for p in range(n):
        alone[p] = (
            own[p] > 0
            and (bottom[p] - top[p] <= asked.extent)
            and (right[p] - left[p] <= asked.extent)
            and top[p] > 0
            and left[p] > 0
            and bottom[p] < height
            and right[p] < width
            # one that cannot reach what is wanted need not be judged
            and top[p] < near[1]
            and bottom[p] > near[0]
            and left[p] < near[3]
            and right[p] > near[2]
        )
    for i in range(n):
        p = runs.patch[i]
        if alone[p]:
            for x in range(runs.start[i], runs.stop[i]):
                clouds[p] += (kinds[runs.row[i], x] & CLOUD) // CLOUD
    effort = 0
    for p in range(n):
        alone[p] &= clouds[p] > 0
        if alone[p]:
            top[p], left[p] = max(top[p] - asked.ring, 0), max(left[p] - asked.ring, 0)
            bottom[p] = min(bottom[p] + asked.ring, height)
            right[p] = min(right[p] + asked.ring, width)
            effort += (bottom[p] - top[p]) * (right[p] - left[p])
    summed = effort > _WHOLE_IMAGE * height * width
    sums = _running_sums(scl, obscured) if summed else np.zeros((1, 1), np.int32)
    for p in range(n):
        if not alone[p]:
            continue
        y0, y1, x0, x1 = top[p], bottom[p], left[p], right[p]
        inside = 0
        if summed:
            inside = sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0]
        else:
            for y in range(y0, y1):
                for x in range(x0, x1):
                    inside += obscured[scl[y, x]]
        around = (y1 - y0) * (x1 - x0) - own[p]
        alone[p] = inside - own[p] <= asked.most_obscured * around
    return alone, clouds


@njit(nogil=True, cache=True)
def mark(
    kinds: NDArray[np.uint8],
    runs: Runs,
    alone: NDArray[np.bool_],
    flat: NDArray[np.bool_],
) -> None:
    """
    Write into the kinds of pixels what was found of their patches.

    Parameters
    ----------
    kinds : ndarray of uint8, shape (y, x)
        Changed.
    runs : Runs
        From `runs_of`.
    alone : ndarray of bool, shape (run,)
        True at the number of a patch that may be ground.
    flat : ndarray of bool, shape (run,)
        Of those, without parallax.
    """
    for i in range(len(runs.row)):
        if alone[runs.patch[i]]:
            bits = np.uint8(ALONE | FLAT if flat[runs.patch[i]] else ALONE)
            for x in range(runs.start[i], runs.stop[i]):
                kind = kinds[runs.row[i], x]
                kinds[runs.row[i], x] = (kind | bits) & np.uint8(255 - OTHERS)


@njit(nogil=True, cache=True)
def grown(
    kinds: NDArray[np.uint8],
    width: int,
    half_widths: NDArray[np.int64],
    top: int,
    left: int,
    out: NDArray[np.uint8],
) -> None:
    """
    Let the bits of `SPREADING` grow by a disk, all at once.

    Parameters
    ----------
    kinds : ndarray of uint8, shape (y, at least x)
        Kinds of pixels.
    width : int
        Columns that are pixels.
    half_widths : ndarray of int64, shape (radius + 1,)
        From `disk`.
    top : int
        First row of what is wanted.
    left : int
        First column of what is wanted.
    out : ndarray of uint8, shape (y, x)
        Zero; the bits are added.
    """
    height = kinds.shape[0]
    rows, cols = out.shape
    radius = len(half_widths) - 1
    first, last = max(left - radius, 0), min(left + cols + radius, width)
    # the row with nothing beyond its ends
    line = np.zeros(cols + 2 * radius, np.uint8)
    given = line[first - left + radius : last - left + radius]
    reach = np.empty(cols, np.uint8)
    for y in range(max(top - radius, 0), min(top + rows + radius, height)):
        kind = kinds[y, first:last]
        found = np.uint8(0)
        for x in range(len(given)):
            given[x] = kind[x] & np.uint8(SPREADING)
            found |= given[x]
        if found == 0:
            continue
        reach[:] = line[radius : radius + cols]
        wide = 0
        # from the ends of the disk, which are narrow, to its middle
        for away in range(radius, -1, -1):
            while wide < half_widths[away]:
                wide += 1
                before = line[radius - wide : radius - wide + cols]
                behind = line[radius + wide : radius + wide + cols]
                for x in range(cols):
                    reach[x] |= before[x] | behind[x]
            if 0 <= y - away - top < rows:
                _add(reach, out[y - away - top])
            if away > 0 and 0 <= y + away - top < rows:
                _add(reach, out[y + away - top])


@njit(nogil=True, cache=True)
def _add(bits: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Add bits to a row."""
    for x in range(len(out)):
        out[x] |= bits[x]


@njit(nogil=True, cache=True)
def _join(patch: NDArray[np.int32], one: int, two: int) -> None:
    """Give two runs one root: the earlier of theirs."""
    while patch[one] != one:
        patch[one] = patch[patch[one]]
        one = patch[one]
    while patch[two] != two:
        patch[two] = patch[patch[two]]
        two = patch[two]
    patch[max(one, two)] = min(one, two)


@njit(nogil=True, cache=True)
def _running_sums(
    scl: NDArray[np.uint8], obscured: NDArray[np.uint8]
) -> NDArray[np.int32]:
    """Count what is hidden above and to the left of each corner."""
    height, width = scl.shape
    sums = np.zeros((height + 1, width + 1), np.int32)
    for y in range(height):
        of_row = 0
        for x in range(width):
            of_row += obscured[scl[y, x]]
            sums[y + 1, x + 1] = sums[y, x + 1] + of_row
    return sums
