"""Windows of the numbers stored in cubes, north-up, with the last ones kept."""

import os
import threading
from collections import OrderedDict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.io.sources.cube_container import reading
from rsmonitor.io.sources.cube_metadata import CubeFile
from rsmonitor.records.grid import Block

_WHOLE_BYTES: Final = 256 * 2**20
"""A file smaller than this is read once and kept."""

_SPAN_BYTES: Final = 256 * 2**20
"""Of larger files, windows are kept up to this size in all."""


class StoredValues:
    """Windows of stored numbers, north-up, with what was read last kept at hand."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._whole: dict[tuple[CubeFile, str], NDArray[Any]] = {}
        self._spans: OrderedDict[tuple[CubeFile, str, int, Block], NDArray[Any]] = (
            OrderedDict()
        )

    def read(
        self, file: CubeFile, variable: str, time: int, window: Block
    ) -> NDArray[Any]:
        """
        Read one window at one time.

        Parameters
        ----------
        file : CubeFile
            An open file.
        variable : str
            Name of a band in the file.
        time : int
            Index of the time.
        window : Block
            Of the file's own grid.

        Returns
        -------
        ndarray, shape of `window`
            As stored. Not to be written to.

        Raises
        ------
        SourceError
            If the file is damaged there.
        """
        with self._lock:
            sizes = (file.dataset.variables[v].nbytes for v in file.variables.values())
            if sum(sizes) > _WHOLE_BYTES:
                return self._from_span(file, variable, time, window)
            key = (file, variable)
            if key not in self._whole:
                everywhere = Block(
                    row=0, col=0, height=file.grid.height, width=file.grid.width
                )
                always = slice(0, file.times.size)
                self._whole[key] = _stored(file, variable, always, everywhere)
            return self._whole[key][time, window.rows, window.cols]

    def forget(self) -> None:
        """Drop all that is kept."""
        with self._lock:
            self._whole.clear()
            self._spans.clear()

    def _from_span(
        self, file: CubeFile, variable: str, time: int, window: Block
    ) -> NDArray[Any]:
        """Read on in time as far as the file's chunks go: unpacking costs the most."""
        array = file.dataset.variables[variable]
        one = window.height * window.width * array.dtype.itemsize
        # enough room for every band of every block that is worked on at once
        share = _SPAN_BYTES // (len(file.variables) * (os.cpu_count() or 1))
        chunks = array.encoding.get("preferred_chunks") or {}
        length = max(1, min(int(chunks.get(file.dims[0], 1)), share // one))
        start = time - time % length
        key = (file, variable, start, window)
        span = self._spans.get(key)
        if span is None:
            span = _stored(file, variable, slice(start, start + length), window)
            self._spans[key] = span
            while sum(kept.nbytes for kept in self._spans.values()) > _SPAN_BYTES:
                self._spans.popitem(last=False)
        elif length > 1:
            self._spans.move_to_end(key)
        values: NDArray[Any] = span[time - start]
        return values


def _stored(file: CubeFile, variable: str, times: slice, window: Block) -> NDArray[Any]:
    """Read numbers as they are, rows from the north, columns from the west."""
    rows, cols = window.rows, window.cols
    if file.turned[0]:
        rows = slice(file.grid.height - rows.stop, file.grid.height - rows.start)
    if file.turned[1]:
        cols = slice(file.grid.width - cols.stop, file.grid.width - cols.start)
    where = dict(zip(file.dims, (times, rows, cols), strict=True))
    with reading(file.path, variable):
        lazy = file.dataset.variables[variable].isel(where)
        values: NDArray[Any] = np.asarray(lazy.transpose(*file.dims).values)
    if file.turned[0]:
        values = values[:, ::-1]
    if file.turned[1]:
        values = values[:, :, ::-1]
    return np.ascontiguousarray(values)
