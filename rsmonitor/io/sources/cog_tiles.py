"""Windows of cloud-optimised GeoTIFFs, each internal tile inflated once if it can be.

A window of a grid, with what it needs around it, cuts internal tiles; the next window
needs the rest of them. What was inflated is kept, as far as the next window to the east
or in the row to the south will ask for it, and within a bound.
"""

import os
import threading
from collections import OrderedDict
from typing import Any, Final, NamedTuple

from numpy.typing import NDArray

from rsmonitor.errors import SourceError
from rsmonitor.io.sources.cog_inflate import inflated, unpacked
from rsmonitor.io.sources.cog_layout import CogLayout, stamp_of

KEPT_BYTES: Final = 128 * 2**20
"""Of inflated tiles, in all files together."""

KEPT_ROWS: Final = 128
"""Pixels: windows one below the other share no more rows than these."""

_KEPT_COLS: Final = 2
"""Columns of internal tiles that a window shares with the one to its east."""


class _Rows(NamedTuple):
    """Rows of an internal tile, differences not undone."""

    first: int
    """Row of the tile that is the first one here."""

    numbers: NDArray[Any]

    def below(self, first: int) -> "_Rows":
        """Leave out the rows before one; those are let go of."""
        numbers = self.numbers[first - self.first :].copy()
        numbers.flags.writeable = False
        return _Rows(first, numbers)


_Tiles = dict[tuple[int, int], _Rows]


class CogTiles:
    """
    Reader of windows that remembers; for any number of threads.

    Parameters
    ----------
    kept_bytes : int, default 128 MiB
        Most that is remembered.
    """

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._bound = kept_bytes
        self._files: OrderedDict[tuple[str, tuple[int, int, int]], _Tiles] = (
            OrderedDict()
        )
        self._guard = threading.Lock()
        self._sizes: dict[tuple[str, tuple[int, int, int]], int] = {}
        self._inflated = 0

    @property
    def inflated_tiles(self) -> int:
        """Internal tiles that were inflated so far."""
        with self._guard:
            return self._inflated

    @property
    def kept_bytes(self) -> int:
        """Bytes that are remembered."""
        with self._guard:
            return sum(self._sizes.values())

    def read(
        self,
        layout: CogLayout,
        row: int,
        col: int,
        pixels: NDArray[Any],
        *,
        in_turn: bool = True,
    ) -> None:
        """
        Read a window into an array of the caller.

        Parameters
        ----------
        layout : CogLayout
            The file.
        row, col : int
            Pixel of the MGRS tile, at the sampling of the file, that comes first.
        pixels : ndarray of the file's type, shape (y, x)
            Is written to; 0 where the file has no pixels.
        in_turn : bool, default True
            False for a window from anywhere, before others are read row by row: all
            that it inflated is kept until its turn comes.

        Raises
        ------
        SourceError
            If an internal tile is damaged, or the file is not what it was.
        """
        # the window, and what it shares with the file, in pixels of the file
        row, col = row - layout.row, col - layout.col
        top, bottom = max(row, 0), min(row + pixels.shape[0], layout.height)
        left, right = max(col, 0), min(col + pixels.shape[1], layout.width)
        if (bottom - top, right - left) != pixels.shape:
            pixels[:] = 0
        if top >= bottom or left >= right:
            return
        part = pixels[top - row : bottom - row, left - col : right - col]
        key = (layout.path, layout.stamp)
        with self._guard:
            known = dict(self._files.get(key, {}))
        fresh = _fill(layout, known, (top, left), part)
        with self._guard:
            self._inflated += len(fresh)
            tiles = {**self._files.get(key, {}), **fresh}
            if in_turn:
                tiles = _still_needed(layout, tiles, top, bottom, right)
            self._keep(key, tiles)

    def _keep(self, key: tuple[str, tuple[int, int, int]], tiles: _Tiles) -> None:
        """Remember a file; let go of those that were not asked for lately."""
        self._files[key] = tiles
        self._files.move_to_end(key)
        self._sizes[key] = sum(rows.numbers.nbytes for rows in tiles.values())
        excess = sum(self._sizes.values()) - self._bound
        while excess > 0:
            oldest, tiles = next(iter(self._files.items()))
            while tiles and excess > 0:
                size = tiles.pop(next(iter(tiles))).numbers.nbytes
                self._sizes[oldest] -= size
                excess -= size
            if not tiles:
                del self._files[oldest], self._sizes[oldest]


def _fill(
    layout: CogLayout, known: _Tiles, start: tuple[int, int], pixels: NDArray[Any]
) -> _Tiles:
    """Write the pixels from a row and column of the file on; give what was inflated."""
    top, left = start
    bottom, right = top + pixels.shape[0], left + pixels.shape[1]
    height, width = layout.tile_height, layout.tile_width
    fresh: _Tiles = {}
    try:
        descriptor = os.open(layout.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise SourceError(
            f"{layout.path}: it cannot be read: {error.strerror}"
        ) from error
    try:
        _refuse_changed(layout, descriptor)
        for y in range(top // height, -(-bottom // height)):
            low, high = max(top, y * height), min(bottom, (y + 1) * height)
            for x in range(left // width, -(-right // width)):
                west, east = max(left, x * width), min(right, (x + 1) * width)
                part = pixels[low - top : high - top, west - left : east - left]
                if layout.counts[y, x] == 0:
                    part[:] = layout.fill
                    continue
                rows = known.get((y, x))
                if rows is None or rows.first > low - y * height:
                    rows = _Rows(0, _inflated(layout, descriptor, y, x))
                    fresh[y, x] = rows
                unpacked(
                    rows.numbers,
                    part,
                    (low - y * height - rows.first, west - x * width),
                    has_differences=layout.has_differences,
                )
        # a file that was changed while it was read
        _refuse_changed(layout, descriptor)
    finally:
        os.close(descriptor)
    return fresh


def _refuse_changed(layout: CogLayout, descriptor: int) -> None:
    """Refuse a file that is not the one that was looked at."""
    if stamp_of(os.fstat(descriptor)) != layout.stamp:
        raise SourceError(
            f"{layout.path}: it cannot be read: it has changed since it was listed"
        )


def _inflated(layout: CogLayout, descriptor: int, y: int, x: int) -> NDArray[Any]:
    """Read one internal tile."""
    offset, count = int(layout.offsets[y, x]), int(layout.counts[y, x])
    try:
        stored = os.pread(descriptor, count, offset)
        return inflated(stored, layout.tile_bytes, layout.dtype, layout.tile_width)
    except (OSError, ValueError, OverflowError) as error:
        raise SourceError(
            f"{layout.path}: it cannot be read: internal tile {y}, {x}: {error}; the "
            "file is damaged. Get it again"
        ) from error


def _still_needed(
    layout: CogLayout, tiles: _Tiles, top: int, bottom: int, right: int
) -> _Tiles:
    """
    Keep what windows to the east and in the next row will ask for.

    To the east are the last columns of internal tiles, whole; to the south the rows
    that the next row of windows shares with this one, and all below them.
    """
    height = layout.tile_height
    first_col = -(-right // layout.tile_width) - _KEPT_COLS
    kept: _Tiles = {}
    for (y, x), rows in tiles.items():
        above = (top if x >= first_col else bottom - KEPT_ROWS) - y * height
        if above >= height:
            continue
        cut = x < first_col and above > rows.first
        kept[y, x] = rows.below(above) if cut else rows
    return kept
