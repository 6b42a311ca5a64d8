"""The median of clear looks by a sorting network, many pixels at a time.

The plain way is `rsmonitor.stages.composite.median_composite`; the same to the last
bit. A network compares the same places whatever the values are, so that one comparison
is done for a row of pixels at once, on digital numbers as they are stored: sixteen bits
hold twice the pixels that reflectance would. Looks that were not clear are set below
and above all values in turn, which keeps the median in the middle for every pixel; what
does not lead to the middle is left out of the network.
"""

from functools import lru_cache
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rsmonitor.errors import ContractError
from rsmonitor.records.scene import Stored
from rsmonitor.stages.reflectance import (
    NODATA_DN,
    QUANTIFICATION_VALUE,
    SATURATED_DN,
)

_BUFFER_BYTES: Final = 20 * 1024
"""All looks of a row of pixels, which stay in the fastest cache."""

_LANES: Final = 64
"""Pixels of a row come in whole numbers of so many: the registers' width."""

_NAN: Final = np.float32(np.nan)
_TWO: Final = np.float32(2)
_LOW_DN: Final = np.uint16(0)
_HIGH_DN: Final = np.uint16(SATURATED_DN)
_NODATA_DN: Final = np.uint16(NODATA_DN)
_LOWEST: Final = np.float32(-np.inf)
_HIGHEST: Final = np.float32(np.inf)


def median_of_looks(
    looks: Stored,
    clear: NDArray[np.bool_],
    *,
    add_offset: int = 0,
    quantification_value: int = QUANTIFICATION_VALUE,
) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    r"""
    Take the median of the clear looks of each pixel.

    Between two looks in the middle the mean of their reflectance is taken, in float32,
    and not that of their digital numbers.

    Parameters
    ----------
    looks : ndarray of uint16 or float32, shape (time, band, y, x)
        Digital numbers, of which 0 and 65535 are no measurement, or reflectance, NaN
        where not measured; not modified.
    clear : ndarray of bool, shape (time, y, x)
        True where the ground was seen.
    add_offset : int, default 0
        ``BOA_ADD_OFFSET`` of digital numbers, one for all looks.
    quantification_value : int, default 10000
        ``BOA_QUANTIFICATION_VALUE`` of digital numbers.

    Returns
    -------
    composite : ndarray of float32, shape (band, y, x)
        Median reflectance; NaN where a pixel was never clear.
    n_clear : ndarray of uint16, shape (y, x)
        Clear looks behind each pixel.

    Raises
    ------
    ContractError
        If there is no look or no band, shapes do not agree or the type is another one.

    See Also
    --------
    rsmonitor.stages.composite.median_composite : Of reflectance, the plain way.

    Notes
    -----
    Batcher's merge exchange [1]_ compares :math:`O(n \log^2 n)` pairs of :math:`n`
    looks.

    References
    ----------
    .. [1] D. E. Knuth, "The Art of Computer Programming", volume 3, algorithm 5.2.2M.

    Examples
    --------
    >>> looks = np.array([1100, 1500, 1200], dtype=np.uint16).reshape(3, 1, 1, 1)
    >>> clear = np.array([True, False, True]).reshape(3, 1, 1)
    >>> composite, n_clear = median_of_looks(looks, clear, add_offset=-1000)
    >>> round(composite.item(), 4), n_clear.item()
    (0.015, 2)
    """
    count = len(looks)
    if (
        looks.ndim != 4  # noqa: PLR2004 - time, band, y, x
        or 0 in looks.shape[:2]
        or clear.shape != (count, *looks.shape[2:])
    ):
        raise ContractError(
            f"looks {looks.shape} must be one at least, of one band at least, and fit "
            f"clear {clear.shape}"
        )
    bands, pixels = looks.shape[1], clear[0].size
    composite = np.empty(looks.shape[1:], dtype=np.float32)
    n_clear = np.empty(clear.shape[1:], dtype=np.uint16)
    stack: Any = np.ascontiguousarray(looks).reshape(count, bands, pixels)
    seen = np.ascontiguousarray(clear).reshape(count, pixels)
    size = _BUFFER_BYTES // (count * looks.dtype.itemsize) // _LANES * _LANES
    buffer = np.empty((count, max(size, _LANES)), dtype=looks.dtype)
    out, number = composite.reshape(bands, pixels), n_clear.reshape(pixels)
    if looks.dtype == np.uint16:
        _of_numbers(
            stack,
            seen,
            network(count),
            buffer,
            np.float32(add_offset),
            np.float32(quantification_value),
            out,
            number,
        )
    elif looks.dtype == np.float32:
        _of_reflectance(stack, seen, network(count), buffer, out, number)
    else:
        raise ContractError(f"looks are uint16 or float32, got {looks.dtype}")
    return composite, n_clear


@lru_cache(maxsize=64)
def network(count: int) -> NDArray[np.int64]:
    """
    Give the comparisons that bring the median of some looks to the middle.

    Parameters
    ----------
    count : int
        Looks; at least one.

    Returns
    -------
    ndarray of int64, shape (comparison, 2)
        Places whose values change places if the first is larger, in order. Afterwards
        places ``(count - 1) // 2 - 1``, as far as there is one, to ``count // 2`` hold
        what they would hold in sorted order; the others hold anything.

    Examples
    --------
    >>> network(3).tolist()
    [[0, 2], [0, 1], [1, 2]]
    """
    needed = set(range(max(0, (count - 1) // 2 - 1), count // 2 + 1))
    kept = []
    for pair in reversed(_merge_exchange(count)):
        if needed & set(pair):
            needed |= set(pair)
            kept.append(pair)
    kept.reverse()
    found = np.array(kept, dtype=np.int64).reshape(-1, 2)
    found.flags.writeable = False
    return found


def _merge_exchange(count: int) -> list[tuple[int, int]]:
    """List the comparisons of Batcher's merge exchange."""
    pairs: list[tuple[int, int]] = []
    top = 1 << max(0, (count - 1).bit_length() - 1)
    p = top if count > 1 else 0
    while p > 0:
        q, r, d = top, 0, p
        while True:
            pairs.extend((i, i + d) for i in range(count - d) if i & p == r)
            if q == p:
                break
            d, q, r = q - p, q >> 1, p
        p >>= 1
    return pairs


@njit(nogil=True, cache=True)
def _sort_lanes(buffer: Any, pairs: Any, lanes: int) -> None:  # noqa: ANN401
    """Send a row of pixels through the network."""
    for pair in range(pairs.shape[0]):
        first, second = buffer[pairs[pair, 0]], buffer[pairs[pair, 1]]
        for lane in range(lanes):
            one, other = first[lane], second[lane]
            first[lane] = min(one, other)
            second[lane] = max(one, other)


@njit(nogil=True, cache=True)
def _places(buffer: Any) -> Any:  # noqa: ANN401
    """Give the rows in which the middle lies, whatever number of looks is hidden.

    One hidden look more lies above than below if their number is odd: the middle is
    then half a place lower.
    """
    count = buffer.shape[0]
    return (
        buffer[max((count - 2) // 2, 0)],
        buffer[(count - 1) // 2],
        buffer[count // 2],
    )


@njit(nogil=True, cache=True)
def _of_numbers(
    looks: NDArray[np.uint16],
    clear: NDArray[np.bool_],
    pairs: NDArray[np.int64],
    buffer: NDArray[np.uint16],
    add_offset: np.float32,
    quantification_value: np.float32,
    composite: NDArray[np.float32],
    n_clear: NDArray[np.uint16],
) -> None:
    """Take the median of digital numbers, and convert it."""
    count, bands, pixels = looks.shape
    width = buffer.shape[1]
    hidden = np.empty(width, dtype=np.uint16)
    lost = np.empty(width, dtype=np.uint16)
    before, middle, after = _places(buffer)
    for start in range(0, pixels, width):
        lanes = min(width, pixels - start)
        number = n_clear[start : start + lanes]
        for band in range(bands):
            hidden[:] = 0
            lost[:] = 0
            for look in range(count):
                stored = looks[look, band, start : start + lanes]
                seen = clear[look, start : start + lanes]
                row = buffer[look]
                for lane in range(lanes):
                    value = stored[lane]
                    unmeasured = (value == _NODATA_DN) | (value == _HIGH_DN)
                    beside = _LOW_DN if hidden[lane] & 1 else _HIGH_DN
                    kept = _HIGH_DN if unmeasured else value
                    row[lane] = kept if seen[lane] else beside
                    hidden[lane] += np.uint16(not seen[lane])
                    lost[lane] += np.uint16(seen[lane] & unmeasured)
            _sort_lanes(buffer, pairs, lanes)
            out = composite[band, start : start + lanes]
            for lane in range(lanes):
                odd = hidden[lane] & 1
                lower = before[lane] if odd else middle[lane]
                upper = middle[lane] if odd else after[lane]
                under = (np.float32(lower) + add_offset) / quantification_value
                over = (np.float32(upper) + add_offset) / quantification_value
                number[lane] = np.uint16(count - hidden[lane])
                known = number[lane] // 2 < np.int32(number[lane]) - lost[lane]
                out[lane] = (under + over) / _TWO if known else _NAN


@njit(nogil=True, cache=True)
def _of_reflectance(
    looks: NDArray[np.float32],
    clear: NDArray[np.bool_],
    pairs: NDArray[np.int64],
    buffer: NDArray[np.float32],
    composite: NDArray[np.float32],
    n_clear: NDArray[np.uint16],
) -> None:
    """Take the median of reflectance."""
    count, bands, pixels = looks.shape
    width = buffer.shape[1]
    hidden = np.empty(width, dtype=np.uint16)
    lost = np.empty(width, dtype=np.uint16)
    before, middle, after = _places(buffer)
    for start in range(0, pixels, width):
        lanes = min(width, pixels - start)
        number = n_clear[start : start + lanes]
        for band in range(bands):
            hidden[:] = 0
            lost[:] = 0
            for look in range(count):
                stored = looks[look, band, start : start + lanes]
                seen = clear[look, start : start + lanes]
                row = buffer[look]
                for lane in range(lanes):
                    value = stored[lane]
                    unmeasured = np.isnan(value)
                    beside = _LOWEST if hidden[lane] & 1 else _HIGHEST
                    kept = _HIGHEST if unmeasured else value
                    row[lane] = kept if seen[lane] else beside
                    hidden[lane] += np.uint16(not seen[lane])
                    lost[lane] += np.uint16(seen[lane] & unmeasured)
            _sort_lanes(buffer, pairs, lanes)
            out = composite[band, start : start + lanes]
            for lane in range(lanes):
                odd = hidden[lane] & 1
                lower = before[lane] if odd else middle[lane]
                upper = middle[lane] if odd else after[lane]
                number[lane] = np.uint16(count - hidden[lane])
                known = number[lane] // 2 < np.int32(number[lane]) - lost[lane]
                out[lane] = (lower + upper) / _TWO if known else _NAN
