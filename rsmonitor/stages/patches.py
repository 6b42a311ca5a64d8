"""Edges and objects of scattered pixels, without the raster they came from.

What `rsmonitor.stages.edges.core`, `rsmonitor.stages.outline.label_objects` and
`drawn_objects` do with rasters, for the few pixels of a tile that are graded at all:
the same answer, at a cost in time and memory that grows with those pixels alone.

A pixel is one number here, its row times the width of a line plus its column. Lines
are wider than the grid by as much as any step goes, so that whoever steps over the
end of one finds nobody there.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rsmonitor.records.rasters import Tier

LEVELS: Final = (
    (Tier.HIGH, Tier.MEDIUM),
    (Tier.MEDIUM, Tier.LOW),
    (Tier.LOW, Tier.LOW),
)
"""Tiers of objects, strongest first, each with the least tier of its pixels: a
confirmed object may hold pixels that are about to be confirmed."""


def core_of(
    keys: NDArray[np.int64],
    strength: NDArray[np.float32],
    *,
    line: int,
    shape: tuple[int, int],
    share: float,
    pixels: int,
) -> NDArray[np.bool_]:
    """
    Say which graded pixels changed by enough to be drawn.

    Parameters
    ----------
    keys : ndarray of int64, shape (pixel,)
        All graded pixels of the grid, rising: row times `line` plus column.
    strength : ndarray of float32, shape (pixel,)
        How strongly each changed.
    line : int
        At least the width of the grid plus `pixels`, and plus 1.
    shape : tuple of int
        Rows and columns of the grid.
    share : float
        0 leaves no rim.
    pixels : int
        Width of the rim, pixels.

    Returns
    -------
    ndarray of bool, shape (pixel,)
        As `rsmonitor.stages.edges.core` has it.

    Examples
    --------
    >>> keys = np.array([1, 2, 3])
    >>> strength = np.array([2, 20, 12], dtype=np.float32)
    >>> core_of(keys, strength, line=7, shape=(1, 5), share=0.3, pixels=2)
    array([False,  True,  True])
    """
    y, x = np.mgrid[-pixels : pixels + 1, -pixels : pixels + 1]
    disk = y * y + x * x <= (pixels + 0.5) ** 2
    changed = np.maximum(strength, np.float32(0))
    strongest = _strongest(keys, line, disk.sum(axis=1) // 2, changed)
    weak = changed < share * strongest
    inside: NDArray[np.bool_] = ~_rim(keys, line, weak, *shape, pixels)
    return inside


def objects_of(
    keys: NDArray[np.int64],
    tier: NDArray[np.uint8],
    core: NDArray[np.bool_],
    *,
    line: int,
    min_pixels: int,
) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """
    Find the objects that are to be drawn, and number them.

    Parameters
    ----------
    keys : ndarray of int64, shape (pixel,)
        Graded pixels, rising: row times `line` plus column.
    tier : ndarray of uint8, shape (pixel,)
        See `rsmonitor.records.rasters.Tier`.
    core : ndarray of bool, shape (pixel,)
        From `core_of`.
    line : int
        More than the width of the grid.
    min_pixels : int
        Pixels that an object needs, and that a part of one needs to be kept.

    Returns
    -------
    number : ndarray of int32, shape (pixel,)
        1 for the first object in the reading order of first pixels; 0 for none.
    tiers : ndarray of uint8, shape (object,)
        Tier of each object.

    Examples
    --------
    >>> keys = np.array([0, 1, 4, 10, 11])
    >>> tier = np.array([3, 3, 1, 3, 3], dtype=np.uint8)
    >>> objects_of(keys, tier, tier > 0, line=10, min_pixels=2)
    (array([1, 1, 0, 1, 1], dtype=int32), array([3], dtype=uint8))
    """
    level = np.zeros(keys.size, dtype=np.uint8)
    whole = np.full(keys.size, -1, dtype=np.int32)
    free = np.ones(keys.size, dtype=np.bool_)
    for grade, edge in LEVELS:
        part = _connected(keys, line, (tier >= edge) & free)
        kept = _large(part[(tier >= grade) & (part >= 0)], keys.size, min_pixels)
        taken = (part >= 0) & kept[part]
        level[taken] = grade
        whole[taken] = part[taken]
        free = ~_beside(keys, line, level > 0)
    drawn = _drawn(keys, whole, core, line=line, min_pixels=min_pixels)
    members = np.flatnonzero(drawn >= 0)
    # a part is named by its first pixel, so that names rise in reading order
    first, number = np.unique(drawn[members], return_inverse=True)
    tiers = np.zeros(first.size, dtype=np.uint8)
    np.maximum.at(tiers, number, np.minimum(tier, level)[members])
    numbered = np.zeros(keys.size, dtype=np.int32)
    numbered[members] = number + 1
    return numbered, tiers


def _drawn(
    keys: NDArray[np.int64],
    whole: NDArray[np.int32],
    core: NDArray[np.bool_],
    *,
    line: int,
    min_pixels: int,
) -> NDArray[np.int32]:
    """Leave the parts of objects that are to be drawn, named by their first pixels."""
    part = _connected(keys, line, core & (whole >= 0))
    size = np.bincount(part[part >= 0], minlength=keys.size)
    kept = size >= min_pixels
    firsts = np.flatnonzero(size)
    # Of an object whose parts are all too small: the largest, and the first of those.
    order = firsts[np.lexsort((firsts, -size[firsts], whole[firsts]))]
    owner = whole[order]
    largest = order[np.append(True, owner[1:] != owner[:-1])] if order.size else order
    has_core = np.zeros(keys.size, dtype=np.bool_)
    has_core[owner] = True
    has_large = np.zeros(keys.size, dtype=np.bool_)
    has_large[whole[firsts[kept[firsts]]]] = True
    kept[largest[~has_large[whole[largest]]]] = True
    drawn = np.where((part >= 0) & kept[part], part, -1)
    # An object that is all rim is drawn as it is.
    return np.where((whole >= 0) & ~has_core[whole], whole, drawn)


def _large(part: NDArray[np.int32], pixels: int, min_pixels: int) -> NDArray[np.bool_]:
    """Say of each name whether enough of the pixels given bear it."""
    large: NDArray[np.bool_] = np.bincount(part, minlength=pixels) >= min_pixels
    return large


@njit(nogil=True, cache=True)
def _strongest(
    keys: NDArray[np.int64],
    line: int,
    reach: NDArray[np.int64],
    changed: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Find the largest value within a disk of `reach` columns in each of its rows."""
    best = np.zeros(keys.size, dtype=np.float32)
    half = reach.size // 2
    for k in range(reach.size):
        shift = (k - half) * line
        first = 0
        for i in range(keys.size):
            centre = keys[i] + shift
            while first < keys.size and keys[first] < centre - reach[k]:
                first += 1
            j = first
            while j < keys.size and keys[j] <= centre + reach[k]:
                best[i] = max(best[i], changed[j])
                j += 1
    return best


@njit(nogil=True, cache=True)
def _rim(
    keys: NDArray[np.int64],
    line: int,
    weak: NDArray[np.bool_],
    height: int,
    width: int,
    pixels: int,
) -> NDArray[np.bool_]:
    """Take off weak pixels from outside in, one ring a step."""
    step_of = np.zeros(keys.size, dtype=np.uint8)
    for step in range(1, pixels + 1):
        first = np.zeros(3, dtype=np.int64)
        moved = False
        for i in range(keys.size):
            if not weak[i] or step_of[i] > 0:
                continue
            graded = 0
            beside_rim = False
            for k in range(3):
                centre = keys[i] + (k - 1) * line
                while first[k] < keys.size and keys[first[k]] < centre - 1:
                    first[k] += 1
                j = first[k]
                while j < keys.size and keys[j] <= centre + 1:
                    graded += 1
                    beside_rim |= 0 < step_of[j] < step
                    j += 1
            row, col = keys[i] // line, keys[i] % line
            rows = min(row + 1, height - 1) - max(row - 1, 0) + 1
            cols = min(col + 1, width - 1) - max(col - 1, 0) + 1
            # beyond the border of the grid nothing is known to be outside
            if beside_rim or graded < rows * cols:
                step_of[i] = step
                moved = True
        if not moved:
            break
    return step_of > 0


@njit(nogil=True, cache=True)
def _beside(
    keys: NDArray[np.int64], line: int, taken: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Say which pixels are taken, or touch one that is by an edge or a corner."""
    beside = np.zeros(keys.size, dtype=np.bool_)
    for shift in (-line, 0, line):
        first = 0
        for i in range(keys.size):
            centre = keys[i] + shift
            while first < keys.size and keys[first] < centre - 1:
                first += 1
            j = first
            while j < keys.size and keys[j] <= centre + 1:
                beside[i] |= taken[j]
                j += 1
    return beside


@njit(nogil=True, cache=True)
def _connected(
    keys: NDArray[np.int64], line: int, chosen: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """Join chosen pixels by their edges; name each part by its first pixel, else -1."""
    part = np.full(keys.size, -1, dtype=np.int32)
    above = 0
    for i in range(keys.size):
        if not chosen[i]:
            continue
        part[i] = i
        if i > 0 and keys[i - 1] == keys[i] - 1 and chosen[i - 1]:
            _join(part, i, i - 1)
        while keys[above] < keys[i] - line:
            above += 1
        if keys[above] == keys[i] - line and chosen[above]:
            _join(part, i, above)
    # A name never follows its pixel, so one pass forward settles all.
    for i in range(keys.size):
        if chosen[i]:
            part[i] = part[part[i]]
    return part


@njit(nogil=True, cache=True)
def _join(part: NDArray[np.int32], one: int, other: int) -> None:
    """Give the parts of two pixels the name that comes first."""
    while part[one] != one:
        part[one] = part[part[one]]
        one = part[one]
    while part[other] != other:
        part[other] = part[part[other]]
        other = part[other]
    if one < other:
        part[other] = one
    else:
        part[one] = other
