"""Stored numbers of one band, read as reflectance where a kernel needs them.

What they mean is what `rsmonitor.stages.reflectance` says; bands of larger pixels are
read between their centres as `rsmonitor.io.sources.resampling` does, to the last bit.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rsmonitor.records.scene import SceneNumbers
from rsmonitor.stages.reflectance import NODATA_DN, SATURATED_DN

NODATA: Final = NODATA_DN
SATURATED: Final = SATURATED_DN
ABSENT: Final = 1
"""Bit of `gaps`: not measured."""

INFINITE: Final = 2
"""Bit of `gaps`: infinite, which spreads to what is interpolated from it."""

_NAN: Final = np.float32(np.nan)
_DOUBLE: Final = 2


class Plane(NamedTuple):
    """One band, and where its pixels lie in those of the window."""

    numbers: NDArray[Any]
    """Stored numbers that nobody can write to, shape (Y, X)."""

    ratio: int
    """Pixels of the window in one of the band, along one axis."""

    row: int
    """Row of the window at which the first row of the band begins."""

    col: int
    """Column of the window at which the first column of the band begins."""

    digital: bool
    """True for digital numbers, False for reflectance."""

    offset: np.float32
    """Added to a digital number."""

    quantification: np.float32
    """What a digital number is then divided by."""


def sealed(array: NDArray[Any]) -> NDArray[Any]:
    """
    Give a view that nobody can write to, so that kernels are compiled but once.

    Parameters
    ----------
    array : ndarray
        Any array.

    Returns
    -------
    ndarray
        The same values, in the order of C; copied only if they were in another.
    """
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def plane(numbers: SceneNumbers, band: str) -> Plane | None:
    """
    Give one band of a look.

    Parameters
    ----------
    numbers : SceneNumbers
        The look.
    band : str
        ESA name.

    Returns
    -------
    Plane or None
        None if the look has no such band.
    """
    if band in numbers.fine_bands:
        stored, place = numbers.fine[numbers.fine_bands.index(band)], (1, 0, 0)
    elif band in numbers.coarse_bands:
        stored = numbers.coarse[numbers.coarse_bands.index(band)]
        place = (numbers.ratio, numbers.row, numbers.col)
    else:
        return None
    return Plane(
        sealed(stored),
        *place,
        stored.dtype == np.uint16,
        np.float32(numbers.add_offset),
        np.float32(numbers.quantification_value),
    )


@njit(nogil=True, cache=True, error_model="numpy")
def meant(
    number: float, digital: bool, offset: np.float32, quantification: np.float32
) -> np.float32:
    """
    Say what a stored number means.

    Parameters
    ----------
    number : uint16 or float32
        As it is stored.
    digital : bool
        True for digital numbers, False for reflectance.
    offset : float32
        Added to a digital number.
    quantification : float32
        What it is then divided by.

    Returns
    -------
    float32
        Reflectance; NaN where not measured.
    """
    value = np.float32(number)
    if digital:
        # not `in`: it would not be done for many at once
        if (number == NODATA) | (number == SATURATED):
            return _NAN
        return np.float32((value + offset) / quantification)
    return value


@njit(nogil=True, cache=True, error_model="numpy")
def neighbours(
    start: int, count: int, ratio: int, size: int
) -> tuple[
    NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]
]:
    """
    Find the pixels of a band that pixels of the window lie in and between.

    Parameters
    ----------
    start : int
        First pixel along one axis, counted from where the band begins.
    count : int
        Number of pixels.
    ratio : int
        Pixels of the window in one of the band.
    size : int
        Pixels of the band.

    Returns
    -------
    holder, before, after : ndarray of int64, shape (count,)
        Pixels of the band.
    weight_after : ndarray of float64, shape (count,)
        Weight of `after`; that of `before` is the rest.
    """
    holder = np.empty(count, np.int64)
    before = np.empty(count, np.int64)
    after = np.empty(count, np.int64)
    weight_after = np.empty(count, np.float64)
    for i in range(count):
        holder[i], before[i], after[i], weight_after[i] = _neighbour(
            start + i, ratio, size
        )
    return holder, before, after, weight_after


@njit(nogil=True, cache=True, error_model="numpy")
def read_rectangle(band: Plane, top: int, left: int, out: NDArray[np.float32]) -> None:
    """
    Read a rectangle of the window.

    Parameters
    ----------
    band : Plane
        The band.
    top : int
        First row of the window.
    left : int
        First column of the window.
    out : ndarray of float32, shape (y, x)
        Written: reflectance, NaN where not measured.
    """
    numbers, digital = band.numbers, band.digital
    offset, quantification = band.offset, band.quantification
    rows, cols = out.shape
    if band.ratio == 1:
        first = left - band.col
        for i in range(rows):
            line, given = out[i], numbers[top - band.row + i, first : first + cols]
            for j in range(cols):
                line[j] = meant(given[j], digital, offset, quantification)
        return
    height, width = numbers.shape
    first = _neighbour(left - band.col, band.ratio, width)[1]
    span = _neighbour(left - band.col + cols - 1, band.ratio, width)[2] - first + 1
    # found where they are needed only, because they cost more than the reading
    held_x, west, east, right = neighbours(0, 0, band.ratio, width)
    total = np.empty(span, np.float64)
    weight = np.empty(span, np.float64)
    for i in range(rows):
        held_y, north, south, down = _neighbour(top - band.row + i, band.ratio, height)
        upper = numbers[north, first : first + span]
        lower = numbers[south, first : first + span]
        holding, line = numbers[held_y], out[i]
        up = 1.0 - down
        lost = np.uint8(0)
        for k in range(span):
            n = np.float64(meant(upper[k], digital, offset, quantification))
            s = np.float64(meant(lower[k], digital, offset, quantification))
            n_gap, s_gap = np.isnan(n), np.isnan(s)
            total[k] = (0.0 if n_gap else n) * up + (0.0 if s_gap else s) * down
            weight[k] = (0.0 if n_gap else up) + (0.0 if s_gap else down)
            lost |= np.uint8(1 if n_gap | s_gap else 0)
        # weights of quarters add up to one exactly
        if lost == 0 and band.ratio == _DOUBLE:
            _doubled(total, left - band.col, line)
            continue
        if len(west) == 0:
            held_x, west, east, right = neighbours(
                left - band.col, cols, band.ratio, width
            )
        for j in range(cols):
            b, a, part = west[j] - first, east[j] - first, right[j]
            held = meant(holding[held_x[j]], digital, offset, quantification)
            value = np.float32(
                (total[b] * (1.0 - part) + total[a] * part)
                / (weight[b] * (1.0 - part) + weight[a] * part)
            )
            line[j] = _NAN if np.isnan(held) else value


@njit(nogil=True, cache=True, error_model="numpy")
def _doubled(values: NDArray[np.float64], start: int, out: NDArray[np.float32]) -> None:
    """Interpolate along a row whose pixels are half as wide as those given."""
    before = (start - 1) // _DOUBLE
    after = (start + len(out) - 2) // _DOUBLE + 1
    # beyond the outermost centres the outermost value holds
    held = np.empty(after - before + 1, np.float64)
    lead = 1 if before < 0 else 0
    held[lead : lead + len(values)] = values
    held[0], held[-1] = values[0], values[-1]
    odd = start % _DOUBLE
    if odd:
        out[0] = np.float32(held[0] * 0.75 + held[1] * 0.25)
    pairs = (len(out) - odd) // _DOUBLE
    given = out[odd:]
    for k in range(pairs):
        middle = held[k + 1] * 0.75
        given[2 * k] = np.float32(held[k] * 0.25 + middle)
        given[2 * k + 1] = np.float32(middle + held[k + 2] * 0.25)
    if odd + pairs * _DOUBLE < len(out):
        given[-1] = np.float32(held[pairs] * 0.25 + held[pairs + 1] * 0.75)


@njit(nogil=True, cache=True, error_model="numpy")
def gaps(stored: NDArray[Any], digital: bool) -> tuple[NDArray[np.uint8], int]:
    """
    Say which pixels miss a measurement in any band.

    Parameters
    ----------
    stored : ndarray of uint16 or float32, shape (band, y, x)
        Stored numbers.
    digital : bool
        True for digital numbers, False for reflectance.

    Returns
    -------
    missing : ndarray of uint8, shape (y, x)
        Bits `ABSENT` and `INFINITE`.
    any : int
        All of its bits together: 0 where nothing is missing.
    """
    height, width = stored.shape[1:]
    missing = np.zeros((height, width), np.uint8)
    found = 0
    for y in range(height):
        found |= gaps_of_row(stored, digital, y, 0, missing[y])
    return missing, found


@njit(nogil=True, cache=True, error_model="numpy")
def gaps_of_row(
    stored: NDArray[Any], digital: bool, row: int, first: int, out: NDArray[np.uint8]
) -> int:
    """
    Add what is missing in a part of one row, whatever the band.

    Parameters
    ----------
    stored : ndarray of uint16 or float32, shape (band, y, x)
        Stored numbers.
    digital : bool
        True for digital numbers, False for reflectance.
    row : int
        Row of `stored`.
    first : int
        First column of `stored`.
    out : ndarray of uint8, shape (x,)
        Bits `ABSENT` and `INFINITE` are added.

    Returns
    -------
    int
        All bits of `out` together.
    """
    width = len(out)
    for band in range(stored.shape[0]):
        line = stored[band, row, first : first + width]
        if digital:
            for x in range(width):
                gone = (line[x] == NODATA) | (line[x] == SATURATED)
                out[x] |= np.uint8(ABSENT if gone else 0)
        else:
            for x in range(width):
                nan, infinite = np.isnan(line[x]), np.isinf(line[x])
                out[x] |= np.uint8(
                    (ABSENT if nan else 0) | (INFINITE if infinite else 0)
                )
    found = np.uint8(0)
    for x in range(width):
        found |= out[x]
    return int(found)


@njit(nogil=True, cache=True, error_model="numpy")
def _neighbour(at: int, ratio: int, size: int) -> tuple[int, int, int, float]:
    """Holder, before, after and the weight of the last."""
    twice = 2 * at + 1 - ratio
    before = twice // (2 * ratio)
    remainder = twice - before * 2 * ratio
    after = before + (1 if remainder > 0 else 0)
    return (
        at // ratio,
        min(max(before, 0), size - 1),
        min(max(after, 0), size - 1),
        remainder / (2 * ratio),
    )
