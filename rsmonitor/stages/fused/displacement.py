"""The cloud displacement index of a rectangle, term by term as the plain form has it.

See `rsmonitor.stages.parallax`: no value depends on the rectangle that it is in.
"""

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rsmonitor.stages.fused.patches import CLOUD, Runs
from rsmonitor.stages.fused.planes import Plane, read_rectangle
from rsmonitor.stages.parallax import (
    DARKEST,
    FINE_BLUR_M,
    LEAST_SHARE,
    STEP_BLUR_M,
    _blur,
    _radius,
)

TILE: Final = 32
"""Side of the squares in which the index is computed, pixels."""

_SCALE: Final = 2.0**20
_ABSURD: Final = 10.0
_STILL: Final = 1e-10


class Lens(NamedTuple):
    """How far the index looks."""

    step: NDArray[np.float64]
    """One side of the blur of all bands, and its mirror, shape (odd,)."""

    fine: NDArray[np.float64]
    """The same for the blur of B08."""

    radius: int
    """Half the side of the window, pixels."""


def lens(pixel_m: float) -> Lens:
    """
    Say how far the index looks.

    Parameters
    ----------
    pixel_m : float
        Size of a pixel, metres.

    Returns
    -------
    Lens
        In pixels.
    """
    return Lens(
        _blur(STEP_BLUR_M, pixel_m), _blur(FINE_BLUR_M, pixel_m), _radius(pixel_m)
    )


@njit(nogil=True, cache=True, error_model="numpy")
def mean_displacement(
    runs: Runs,
    alone: NDArray[np.bool_],
    kinds: NDArray[np.uint8],
    width: int,
    bands: tuple[Plane, Plane, Plane],
    lens: Lens,
) -> NDArray[np.float64]:
    """
    Take the mean displacement index of the clouds of patches.

    Parameters
    ----------
    runs : Runs
        From `rsmonitor.stages.fused.patches.runs_of`.
    alone : ndarray of bool, shape (run,)
        True at the number of a patch that is asked for.
    kinds : ndarray of uint8, shape (y, at least x)
        Kinds of pixels.
    width : int
        Columns that are pixels.
    bands : tuple of Plane
        B07, B08 and B8A.
    lens : Lens
        From `lens`.

    Returns
    -------
    ndarray of float64, shape (run,)
        At the number of a patch; NaN where nothing was measured.
    """
    n, height = len(runs.row), kinds.shape[0]
    n_rows, n_cols = -(-height // TILE), -(-width // TILE)
    # of each tile only the box of what is asked for
    box = np.empty((n_rows, n_cols, 4), np.int64)
    box[:] = np.array([height, 0, width, 0])
    for i in range(n):
        if alone[runs.patch[i]]:
            y, start, stop = runs.row[i], runs.start[i], runs.stop[i]
            for tile in range(start // TILE, (stop - 1) // TILE + 1):
                of = box[y // TILE, tile]
                of[0], of[1] = min(of[0], y), max(of[1], y + 1)
                of[2] = min(of[2], max(start, tile * TILE))
                of[3] = max(of[3], min(stop, (tile + 1) * TILE))
    index = np.empty((height, width), np.float32)
    for i in range(n_rows):
        for j in range(n_cols):
            y0, y1, x0, x1 = box[i, j]
            if y0 < y1:
                displacement(bands, height, width, y0, x0, lens, index[y0:y1, x0:x1])
    total, number = np.zeros(n, np.float64), np.zeros(n, np.int64)
    for i in range(n):
        p, y = runs.patch[i], runs.row[i]
        if alone[p]:
            for x in range(runs.start[i], runs.stop[i]):
                if kinds[y, x] & CLOUD and np.isfinite(index[y, x]):
                    # whole numbers, so that the order of adding cannot matter
                    total[p] += np.rint(np.float64(index[y, x]) * _SCALE)
                    number[p] += 1
    return total / number / _SCALE


@njit(nogil=True, cache=True, error_model="numpy")
def displacement(
    bands: tuple[Plane, Plane, Plane],
    height: int,
    width: int,
    top: int,
    left: int,
    lens: Lens,
    out: NDArray[np.float32],
) -> None:
    """
    Compute the cloud displacement index of a rectangle.

    Parameters
    ----------
    bands : tuple of Plane
        B07, B08 and B8A.
    height : int
        Rows that are pixels.
    width : int
        Columns that are pixels.
    top : int
        First row of the rectangle.
    left : int
        First column of the rectangle.
    lens : Lens
        From `lens`.
    out : ndarray of float32, shape (y, x)
        Written: -1 to 1, NaN where too little was measured.
    """
    # what is right so far from the edges: after one blur, after two, after the window
    one = len(lens.step) // 2
    two = one + len(lens.fine) // 2
    halo = two + lens.radius
    rows, cols = out.shape[0] + 2 * halo, out.shape[1] + 2 * halo
    y0, y1 = max(top - halo, 0), min(top + out.shape[0] + halo, height)
    x0, x1 = max(left - halo, 0), min(left + out.shape[1] + halo, width)
    light = np.full((3, rows, cols), np.nan, np.float32)
    down, right = y0 - top + halo, x0 - left + halo
    for b, band in enumerate(bands):
        part = light[b, down : down + y1 - y0, right : right + x1 - x0]
        read_rectangle(band, y0, x0, part)
    weight = np.empty((rows, cols), np.float64)
    planes = np.empty((3, rows, cols), np.float64)
    gap = False
    for y in range(rows):
        for x in range(cols):
            red_edge = np.float64(light[0, y, x])
            wide, narrow = np.float64(light[1, y, x]), np.float64(light[2, y, x])
            usable = (
                np.isfinite(red_edge)
                & (narrow > DARKEST)
                & (np.abs(red_edge) < _ABSURD)
                & (np.abs(wide) < _ABSURD)
                & (narrow < _ABSURD)
            )
            gap |= not usable
            weight[y, x] = 1.0 if usable else 0.0
            planes[0, y, x] = red_edge if usable else 0.0
            planes[1, y, x] = wide if usable else 0.0
            planes[2, y, x] = narrow if usable else 0.0
    spare = np.empty((rows, cols), np.float64)
    once = np.empty((rows, cols), np.float64)
    blurred = np.empty((3, rows, cols), np.float64)
    for b in range(3):
        _spread(planes[b], lens.step, one, spare, blurred[b])
    if gap:
        _spread(weight, lens.step, one, spare, once)
    else:
        once[:] = _spread_even(1.0, lens.step)
    # what is not usable is left out of the second blur as well
    gappy, gappy_once, twice = planes[0], planes[1], planes[2]
    for y in range(one, rows - one):
        for x in range(one, cols - one):
            usable = weight[y, x] > 0
            gappy[y, x] = blurred[1, y, x] if usable else 0.0
            gappy_once[y, x] = once[y, x] if usable else 0.0
    _spread(gappy, lens.fine, two, spare, blurred[1])
    if gap:
        _spread(gappy_once, lens.fine, two, spare, twice)
    else:
        twice[:] = _spread_even(once[0, 0], lens.fine)
    narrow_of, wide_of = planes[0], planes[1]
    for y in range(two, rows - two):
        for x in range(two, cols - two):
            usable = weight[y, x] > 0
            red_edge_ratio = blurred[0, y, x] / blurred[2, y, x]
            wide_ratio = (blurred[1, y, x] / twice[y, x]) / (
                blurred[2, y, x] / once[y, x]
            )
            narrow_of[y, x] = red_edge_ratio - 1.0 if usable else 0.0
            wide_of[y, x] = wide_ratio - 1.0 if usable else 0.0
    window = np.ones(2 * lens.radius + 1)
    count = once
    if gap:
        _spread(weight, window, halo, spare, count)
    else:
        count[:] = _spread_even(1.0, window)
    red_edge_varies, wide_varies, square = blurred[0], blurred[1], blurred[2]
    _variance(narrow_of, window, halo, spare, count, square, red_edge_varies)
    _variance(wide_of, window, halo, spare, count, square, wide_varies)
    least = LEAST_SHARE * len(window) ** 2
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            red_edge = red_edge_varies[y + halo, x + halo]
            wide = wide_varies[y + halo, x + halo]
            varies = red_edge + wide
            of = (red_edge - wide) / varies if varies > _STILL else 0.0
            enough = count[y + halo, x + halo] >= least
            out[y, x] = np.float32(of if enough else np.nan)


@njit(nogil=True, cache=True, error_model="numpy")
def _variance(
    centred: NDArray[np.float64],
    window: NDArray[np.float64],
    margin: int,
    spare: NDArray[np.float64],
    count: NDArray[np.float64],
    square: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Compute the variance in windows; what is given is changed."""
    rows, cols = centred.shape
    _spread(centred, window, margin, spare, out)
    for y in range(rows):
        for x in range(cols):
            centred[y, x] = centred[y, x] * centred[y, x]
    _spread(centred, window, margin, spare, square)
    for y in range(margin, rows - margin):
        for x in range(margin, cols - margin):
            mean = out[y, x] / count[y, x]
            out[y, x] = max(square[y, x] / count[y, x] - mean * mean, 0.0)


@njit(nogil=True, cache=True, error_model="numpy")
def _spread(
    values: NDArray[np.float64],
    weights: NDArray[np.float64],
    margin: int,
    spare: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Correlate along both axes in the order of scipy's symmetric `correlate1d`."""
    rows, cols = values.shape
    reach = len(weights) // 2
    wide = cols - 2 * (margin - reach)
    for y in range(margin, rows - margin):
        line, middle = spare[y, margin - reach :], values[y, margin - reach :]
        for x in range(wide):
            line[x] = middle[x] * weights[reach]
        for away in range(reach, 1, -2):
            _add_two(
                line[:wide],
                (
                    values[y - away, margin - reach :],
                    values[y + away, margin - reach :],
                ),
                (
                    values[y - away + 1, margin - reach :],
                    values[y + away - 1, margin - reach :],
                ),
                (weights[reach - away], weights[reach - away + 1]),
            )
        if reach % 2:
            above, below = (
                values[y - 1, margin - reach :],
                values[y + 1, margin - reach :],
            )
            for x in range(wide):
                line[x] += (above[x] + below[x]) * weights[reach - 1]
        wanted, middle = out[y, margin : cols - margin], line[reach:]
        for x in range(len(wanted)):
            wanted[x] = middle[x] * weights[reach]
        for away in range(reach, 1, -2):
            _add_two(
                wanted,
                (line[reach - away :], line[reach + away :]),
                (line[reach - away + 1 :], line[reach + away - 1 :]),
                (weights[reach - away], weights[reach - away + 1]),
            )
        if reach % 2:
            before, behind = line[reach - 1 :], line[reach + 1 :]
            for x in range(len(wanted)):
                wanted[x] += (before[x] + behind[x]) * weights[reach - 1]


@njit(nogil=True, cache=True, error_model="numpy")
def _add_two(
    out: NDArray[np.float64],
    one: tuple[NDArray[np.float64], NDArray[np.float64]],
    two: tuple[NDArray[np.float64], NDArray[np.float64]],
    weights: tuple[float, float],
) -> None:
    """Add two terms one after the other, each a pair on both sides of the middle."""
    before, behind = one
    nearer_before, nearer_behind = two
    weight, nearer_weight = weights
    for x in range(len(out)):
        out[x] = (out[x] + (before[x] + behind[x]) * weight) + (
            nearer_before[x] + nearer_behind[x]
        ) * nearer_weight


@njit(nogil=True, cache=True, error_model="numpy")
def _spread_even(value: float, weights: NDArray[np.float64]) -> float:
    """Correlate what is everywhere the same, with the rounding of `_spread`."""
    reach = len(weights) // 2
    for _ in range(2):
        total = value * weights[reach]
        for away in range(reach, 0, -1):
            total += (value + value) * weights[reach - away]
        value = total
    return value
