"""Find haze where it matters, cell by cell.

The plain form, `rsmonitor.stages.haze.hazy_ground`, takes the lowest of means over
windows and compares it with a limit. Ground is hazy exactly if some pixel of its window
is land and none such has a mean at or below the limit: so one low pixel decides a whole
cell that is no larger than half a window, and over clear ground it is found at once.
"""

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rsmonitor.stages.fused.patches import JUDGED
from rsmonitor.stages.fused.planes import Plane, read_rectangle

_LOW: Final = 1
_LAND: Final = 2
_STEP: Final = 4
"""Every how manieth row of cells is looked at first."""


class Land(NamedTuple):
    """What is read of a look."""

    kinds: NDArray[np.uint8]
    """See `rsmonitor.stages.fused.patches`; shape (y, at least x)."""

    width: int
    """Columns that are pixels."""

    blue: Plane
    """B02."""

    red: Plane
    """B04."""

    limit: float
    """Means above it are haze."""


@njit(nogil=True, cache=True, error_model="numpy")
def hazy(
    wanted: NDArray[np.uint8],
    bit: int,
    land: Land,
    place: tuple[int, int],
    radius: int,
) -> NDArray[np.uint8]:
    """
    Say where wanted pixels lie under haze.

    Parameters
    ----------
    wanted : ndarray of uint8, shape (y, x)
        Pixels that are wanted have `bit`.
    bit : int
        Which.
    land : Land
        The look.
    place : tuple of int
        Row and column in `land` of the first wanted pixel.
    radius : int
        Half the side of the window, pixels.

    Returns
    -------
    ndarray of uint8, shape (y, x) or (0, 0)
        1 under haze where it was wanted; of no pixel if there is none.
    """
    rows, cols = wanted.shape
    top, left = place
    side = radius + 1
    n_rows, n_cols = -(-rows // side), -(-cols // side)
    # one cell more on each side holds all windows
    doubted = np.zeros((n_rows + 2, n_cols + 2), np.bool_)
    some = left_over = False
    line = np.empty((1, cols), np.uint8)
    for i in range(n_rows):
        y0, y1 = i * side, min((i + 1) * side, rows)
        doubts = doubted[i + 1, 1 : n_cols + 1]
        doubts[:] = True
        # a line through the middle of all cells of a row, and more if need be
        for y in range((y1 - y0) // 2, (y1 - y0) // 2 + y1 - y0, _STEP):
            line[:] = 0
            _witness(land, top + y0 + y % (y1 - y0), left, line)
            left_over = False
            for j in range(n_cols):
                x0, x1 = j * side, min((j + 1) * side, cols)
                doubts[j] = (
                    doubts[j]
                    and not _has(line[:, x0:x1], _LOW)
                    and _has(wanted[y0:y1, x0:x1], bit)
                )
                left_over |= doubts[j]
            if not left_over:
                break
        some |= left_over
    if not some:
        return np.zeros((0, 0), np.uint8)
    seen = np.zeros(((n_rows + 2) * side, (n_cols + 2) * side), np.uint8)
    for i in range(n_rows + 2):
        j = 0
        while j < n_cols + 2:
            first = j
            while (
                j < n_cols + 2
                and doubted[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2].any()
            ):
                j += 1
            if j > first:
                _witness(
                    land,
                    top + (i - 1) * side,
                    left + (first - 1) * side,
                    seen[i * side : (i + 1) * side, first * side : j * side],
                )
            j += 1
    out = np.zeros((rows, cols), np.uint8)
    for i in range(n_rows):
        for j in range(n_cols):
            if doubted[i + 1, j + 1]:
                y0, x0 = i * side, j * side
                _floor(
                    seen[y0 + 1 : y0 + 3 * side - 1, x0 + 1 : x0 + 3 * side - 1],
                    radius,
                    wanted[y0 : y0 + side, x0 : x0 + side],
                    bit,
                    out[y0 : y0 + side, x0 : x0 + side],
                )
    return out


@njit(nogil=True, cache=True)
def _has(plane: NDArray[np.uint8], bit: int) -> bool:
    """Say whether any pixel has a bit."""
    found = np.uint8(0)
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            found |= plane[y, x]
    return bool(found & bit)


@njit(nogil=True, cache=True, error_model="numpy")
def _witness(land: Land, top: int, left: int, out: NDArray[np.uint8]) -> None:
    """Say of each pixel of a rectangle, part of which may be no pixels, what it is."""
    kinds, height, limit = land.kinds, land.kinds.shape[0], land.limit
    rows, cols = out.shape
    y0, y1 = max(top - 1, 0), min(top + rows + 1, height)
    x0, x1 = max(left - 1, 0), min(left + cols + 1, land.width)
    if y0 >= y1 or x0 >= x1:
        return
    blues = np.empty((y1 - y0, x1 - x0), np.float32)
    reds = np.empty((y1 - y0, x1 - x0), np.float32)
    read_rectangle(land.blue, y0, x0, blues)
    read_rectangle(land.red, y0, x0, reds)
    transform = np.zeros((rows + 2, cols + 2), np.float64)
    judged = np.zeros((rows + 2, cols + 2), np.float64)
    down, right = y0 - (top - 1), x0 - (left - 1)
    for y in range(y1 - y0):
        kind = kinds[y0 + y, x0:x1]
        value_of, judged_of = transform[down + y, right:], judged[down + y, right:]
        for x in range(x1 - x0):
            value = np.float64(blues[y, x]) - 0.5 * np.float64(reds[y, x])
            counts = (kind[x] & np.uint8(JUDGED) != 0) & np.isfinite(value)
            value_of[x] = value if counts else 0.0
            judged_of[x] = 1.0 if counts else 0.0
    total = np.empty(cols + 2, np.float64)
    count = np.empty(cols + 2, np.float64)
    for y in range(rows):
        for x in range(cols + 2):
            total[x] = transform[y + 1, x] + (transform[y, x] + transform[y + 2, x])
            count[x] = judged[y + 1, x] + (judged[y, x] + judged[y + 2, x])
        line, judged_of = out[y], judged[y + 1, 1:]
        for x in range(cols):
            mean = (total[x + 1] + (total[x] + total[x + 2])) / (
                count[x + 1] + (count[x] + count[x + 2])
            )
            low = np.uint8(_LAND | _LOW if mean <= limit else _LAND)
            line[x] = low if judged_of[x] > 0 else np.uint8(0)


@njit(nogil=True, cache=True)
def _floor(
    seen: NDArray[np.uint8],
    radius: int,
    wanted: NDArray[np.uint8],
    bit: int,
    out: NDArray[np.uint8],
) -> None:
    """Ask all windows of a cell; `seen` begins `radius` pixels before it."""
    rows, cols = out.shape
    size = 2 * radius + 1
    if not _has(seen, _LOW):
        # land is hazy by itself, and only what is none has to look for some
        alike = True
        for y in range(rows):
            for x in range(cols):
                is_wanted = wanted[y, x] & bit != 0
                is_land = seen[y + radius, x + radius] & _LAND != 0
                out[y, x] = np.uint8(1 if is_wanted & is_land else 0)
                alike &= is_land | (not is_wanted)
        if alike:
            return
    # what has been gathered so far of so many columns, and then of so many rows
    one, two = seen.copy(), np.empty_like(seen)
    have = 1
    while have < size:
        step = min(have, size - have)
        for y in range(rows + 2 * radius):
            line, further, out_line = one[y], one[y, step:], two[y]
            for x in range(len(further)):
                out_line[x] = line[x] | further[x]
        one, two = two, one
        have += step
    have = 1
    while have < size:
        step = min(have, size - have)
        for y in range(rows + 2 * radius - step):
            line, further, out_line = one[y], one[y + step], two[y]
            for x in range(cols):
                out_line[x] = line[x] | further[x]
        one, two = two, one
        have += step
    for y in range(rows):
        for x in range(cols):
            is_hazy = one[y, x] & (_LAND | _LOW) == _LAND
            out[y, x] = np.uint8(1 if is_hazy and wanted[y, x] & bit else 0)
