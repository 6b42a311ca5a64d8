"""One piece of a scene as bytes: the numbers of a window, losslessly compressed.

A line of JSON that says what follows, then one block for each of the three arrays:
shuffled bytes under Zstandard, as Blosc writes them. The digital numbers of the demo's
140 scenes come to 63 % of their size.
"""

import json
import threading
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numcodecs import blosc  # type: ignore[import-untyped]
from numpy.typing import NDArray

from rsmonitor.errors import StoreError
from rsmonitor.records.offer import Numbers, TileWindow

_MAGIC: Final = "rsmonitor piece 1"
_ARRAYS: Final = (("dn_10m", "<u2"), ("dn_20m", "<u2"), ("scl", "|u1"))
_CODEC: Final = blosc.Blosc(cname="zstd", clevel=3, shuffle=blosc.Blosc.SHUFFLE)
_MOST_HEADER: Final = 10_000
_TURN: Final = threading.Lock()


def encode(numbers: Numbers) -> bytes:
    """
    Turn the numbers of a window into bytes.

    Parameters
    ----------
    numbers : Numbers
        As shipped.

    Returns
    -------
    bytes
        The same for the same numbers.
    """
    blocks = []
    for name, dtype in _ARRAYS:
        array = np.ascontiguousarray(getattr(numbers, name), dtype=dtype)
        # the codec knows nothing of empty arrays
        blocks.append(_compressed(array) if array.size else b"")
    header = {
        "format": _MAGIC,
        "bands_10m": list(numbers.bands_10m),
        "bands_20m": list(numbers.bands_20m),
        "shapes": [list(getattr(numbers, name).shape) for name, _ in _ARRAYS],
        "lengths": [len(block) for block in blocks],
    }
    return b"".join([json.dumps(header).encode(), b"\n", *blocks])


def _compressed(array: NDArray[Any]) -> bytes:
    """Compress with one thread: more write their blocks in whatever order they end."""
    with _TURN:
        before = blosc.use_threads
        blosc.use_threads = False
        try:
            return bytes(_CODEC.encode(array))
        finally:
            blosc.use_threads = before


def decode(data: bytes) -> Numbers:
    """
    Turn bytes back into the numbers of a window.

    Check the digest of `data` first: the codec does not expect damaged input.

    Parameters
    ----------
    data : bytes
        From `encode`.

    Returns
    -------
    Numbers
        In memory of their own.

    Raises
    ------
    StoreError
        If these are not such bytes.
    """
    try:
        return _decoded(data)
    except (ValueError, KeyError, TypeError, RuntimeError, RecursionError) as error:
        raise StoreError(f"this is no piece of a scene: {error}") from error


def _decoded(data: bytes) -> Numbers:
    """Decode, raising whatever damaged input raises."""
    end = data.index(b"\n", 0, _MOST_HEADER)
    header = json.loads(data[:end])
    if header["format"] != _MAGIC:
        raise ValueError(f"format {header['format']!r}")
    arrays: dict[str, Any] = {}
    start = end + 1
    for (name, dtype), shape, length in zip(
        _ARRAYS, header["shapes"], header["lengths"], strict=True
    ):
        block = data[start : start + length]
        start += length
        if len(block) != length:
            raise ValueError("it ends early")
        array = np.empty(shape, dtype=dtype)
        if array.nbytes:
            _CODEC.decode(block, out=array)
        arrays[name] = array.astype(array.dtype.newbyteorder("="), copy=False)
    return Numbers(
        bands_10m=tuple(header["bands_10m"]),
        bands_20m=tuple(header["bands_20m"]),
        dn_10m=arrays["dn_10m"],
        dn_20m=arrays["dn_20m"],
        scl=arrays["scl"],
    )


def refuse_other(numbers: Numbers, window: TileWindow, bands: Sequence[str]) -> None:
    """
    Refuse numbers that are not those asked for.

    Parameters
    ----------
    numbers : Numbers
        What an archive gave, or what was kept.
    window : TileWindow
        What was asked for.
    bands : sequence of str
        The bands that were asked for, in any order.

    Raises
    ------
    StoreError
        If shapes, types or bands are others; the message says which.
    """
    got = (*numbers.bands_10m, *numbers.bands_20m)
    if sorted(got) != sorted(bands):
        raise StoreError(f"bands {sorted(got)} instead of {sorted(bands)}")
    half = (window.height // 2, window.width // 2)
    for name, dtype, shape in (
        (
            "dn_10m",
            np.uint16,
            (len(numbers.bands_10m), window.height, window.width),
        ),
        ("dn_20m", np.uint16, (len(numbers.bands_20m), *half)),
        ("scl", np.uint8, half),
    ):
        array = getattr(numbers, name)
        if array.dtype != dtype or array.shape != shape:
            raise StoreError(
                f"{name} of {array.dtype} and shape {array.shape} instead of "
                f"{np.dtype(dtype)} and shape {shape}"
            )
