"""One internal tile of a GeoTIFF: from stored bytes to pixels."""

from typing import Any

import deflate
import numba
import numpy as np
from numpy.typing import NDArray


def inflated(
    stored: bytes, size: int, dtype: np.dtype[Any], width: int
) -> NDArray[Any]:
    """
    Inflate a tile; its checksum is compared.

    Parameters
    ----------
    stored : bytes
        In the form of zlib.
    size : int
        Bytes that must come out of it.
    dtype : dtype
        Of the numbers, little-endian.
    width : int
        Columns of the tile.

    Returns
    -------
    ndarray of `dtype`, shape (y, `width`)
        Numbers as stored, differences not yet undone. Not writable.

    Raises
    ------
    ValueError
        If it is damaged, or another number of bytes comes out.
    """
    try:
        data = deflate.zlib_decompress(stored, size)
    except deflate.DeflateError as error:
        raise ValueError(str(error)) from error
    if len(data) != size:
        raise ValueError(f"{len(data):,} bytes inflated, {size:,} expected")
    return np.frombuffer(data, dtype=dtype).reshape(-1, width)


def unpacked(
    numbers: NDArray[Any],
    pixels: NDArray[Any],
    start: tuple[int, int],
    *,
    has_differences: bool,
) -> None:
    """
    Write a part of a tile to where it is wanted.

    Parameters
    ----------
    numbers : ndarray of uint8 or uint16, shape (y, x)
        Whole rows of a tile, as stored.
    pixels : ndarray of the same type
        Is written to; may be a part of a larger array.
    start : tuple of int
        Row and column of `numbers` that come first.
    has_differences : bool
        True if each number is the difference from the pixel to its west, modulo the
        range of the type.
    """
    row, col = start
    if has_differences:
        _undo_differences(numbers, pixels, row, col)
    else:
        height, width = pixels.shape
        pixels[:] = numbers[row : row + height, col : col + width]


@numba.njit(nogil=True, cache=True)
def _undo_differences(
    numbers: NDArray[Any], pixels: NDArray[Any], row: int, col: int
) -> None:
    """Add up along each row, from its first pixel on."""
    height, width = pixels.shape
    for y in range(height):
        value = np.uint32(0)
        for number in numbers[row + y, :col]:
            value = np.uint32(value + number)
        # views from 0 on: twice as fast as indices that could be negative
        stored, wanted = numbers[row + y, col : col + width], pixels[y]
        for x in range(width):
            value = np.uint32(value + stored[x])
            # what does not fit in the type is cut off: that is the modulo
            wanted[x] = value
