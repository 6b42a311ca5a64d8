# ruff: noqa: ARG001 - numba hands every builder the same arguments
"""The middle of the rows of `LANES` pixels, by comparisons that no data decide.

Rows are sorted by networks of comparisons, a register of `PART` pixels at a time:
blocks of sixteen without leaving the registers, then merged in pairs. Two sorted lists
are enough to know the middle of both.
"""

from collections.abc import Sequence
from typing import Any, Final

from numba import njit, types

from rsmonitor.stages.fused.fit_lanes import (
    LANES,
    PART,
    everywhere,
    intrinsic,
    load,
    maximum,
    minimum,
    part_of,
    store,
)

BLOCK: Final = 16
"""Rows that are sorted within the registers."""
LEAST_LIST: Final = 8
"""Rows of the shortest list."""
INFINITY: Final = float("inf")
PARTS: Final = LANES // PART

Network = Sequence[tuple[int, int]]


def sorting(rows: int) -> Network:
    """
    Give Batcher's odd-even merge sort.

    Parameters
    ----------
    rows : int
        Rows to sort, a power of two.

    Returns
    -------
    sequence of (int, int)
        Which rows to compare, in order; the lower value goes to the first.
    """
    network = []
    p = 1
    while p < rows:
        k = p
        while k:
            for first in range(k % p, rows - k, 2 * k):
                network += [
                    (low, low + k)
                    for low in range(first, min(first + k, rows - k))
                    if low // (2 * p) == (low + k) // (2 * p)
                ]
            k //= 2
        p *= 2
    return network


def cleaning(rows: int) -> Network:
    """
    Give what sorts rows that rise and then fall, or fall and then rise.

    Parameters
    ----------
    rows : int
        Rows to sort, a power of two.

    Returns
    -------
    sequence of (int, int)
        Which rows to compare, in order; the lower value goes to the first.
    """
    network, k = [], rows // 2
    while k:
        network += [(low, low + k) for low in range(rows) if not low & k]
        k //= 2
    return network


def lists(rows: int) -> tuple[int, int]:
    """
    Choose two lists to sort.

    Parameters
    ----------
    rows : int
        Rows that there are.

    Returns
    -------
    longer, shorter : int
        Powers of two, as few rows as possible, but not fewer than there are.

    Examples
    --------
    >>> lists(24), lists(90)
    ((16, 8), (64, 32))
    """
    sizes = [LEAST_LIST]
    while sizes[-1] < rows:
        sizes.append(2 * sizes[-1])
    pairs = [(a, b) for a in sizes for b in sizes if b <= a and a + b >= rows]
    return min(pairs, key=lambda pair: (sum(pair), pair[0]))


def _block(rows: int, network: Network) -> Any:  # noqa: ANN401 - numba's
    """Make what runs a network on one part of some rows."""

    @intrinsic
    def run(typing, keys, at, part):
        def build(context, builder, signature, arguments):
            places = [
                part_of(context, builder, signature, arguments, row)
                for row in range(rows)
            ]
            values = [builder.load(place, align=8) for place in places]
            for low, high in network:
                a, b = values[low], values[high]
                less, more = (builder.fcmp_ordered(sign, a, b) for sign in "<>")
                values[low] = builder.select(less, a, b)
                values[high] = builder.select(more, a, b)
            for place, value in zip(places, values, strict=True):
                builder.store(value, place, align=8)
            return context.get_dummy_value()

        return types.none(keys, types.intp, types.intp), build

    return run


_sort_sixteen = _block(BLOCK, sorting(BLOCK))
_sort_eight = _block(LEAST_LIST, sorting(LEAST_LIST))
_clean_sixteen = _block(BLOCK, cleaning(BLOCK))


@intrinsic
def _exchange(typing, keys, low, high, part):
    """Put the lower of two rows first, in one part."""

    def build(context, builder, signature, arguments):
        keys, low, high, part = arguments
        places = [
            part_of(context, builder, signature, (keys, row, part), 0)
            for row in (low, high)
        ]
        a, b = (builder.load(place, align=8) for place in places)
        less, more = (builder.fcmp_ordered(sign, a, b) for sign in "<>")
        builder.store(builder.select(less, a, b), places[0], align=8)
        builder.store(builder.select(more, a, b), places[1], align=8)
        return context.get_dummy_value()

    return types.none(keys, types.intp, types.intp, types.intp), build


@njit(nogil=True, cache=True)
def _merge(keys, at, width, part):
    """Merge two sorted lists of a power of two rows, `BLOCK` or more."""
    for i in range(width):
        _exchange(keys, at + i, at + 2 * width - 1 - i, part)
    apart = width // 2
    while apart >= BLOCK:
        for start in range(at, at + 2 * width, 2 * apart):
            for low in range(start, start + apart):
                _exchange(keys, low, low + apart, part)
        apart //= 2
    for start in range(at, at + 2 * width, BLOCK):
        _clean_sixteen(keys, start, part)


@njit(nogil=True, cache=True)
def _sort(keys, at, rows, part):
    """Sort a list."""
    if rows == LEAST_LIST:
        _sort_eight(keys, at, part)
        return
    for start in range(at, at + rows, BLOCK):
        _sort_sixteen(keys, start, part)
    width = BLOCK
    while width < rows:
        for start in range(at, at + rows, 2 * width):
            _merge(keys, start, width, part)
        width *= 2


@njit(nogil=True, cache=True)
def middle(keys, rows, sizes):
    """
    Give the two middle ones of an even number of rows, which are left disordered.

    `keys` has room for both lists of `lists`, whose sizes are given.
    """
    longer, shorter = sizes
    for row in range(rows, longer + shorter):
        store(keys, row, everywhere(INFINITY))
    for part in range(PARTS):
        _sort(keys, 0, longer, part)
        _sort(keys, longer, shorter, part)
    # of two sorted lists, one forwards and one backwards, the lower ones of each pair
    # are the lower half of all; who has no partner is in the half that is his anyway
    low, high = everywhere(-INFINITY), everywhere(INFINITY)
    half = rows // 2
    for i in range(max(half - shorter, 0), min(half, longer)):
        a, b = load(keys, i), load(keys, longer + half - 1 - i)
        low = maximum(low, minimum(a, b))
        high = minimum(high, maximum(a, b))
    if half > shorter:
        low = maximum(low, load(keys, half - shorter - 1))
    if half < longer:
        high = minimum(high, load(keys, half))
    if half < shorter:
        high = minimum(high, load(keys, longer + half))
    return low, high
