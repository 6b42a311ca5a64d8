"""One slot on disk: written in place and synced; read in parts, each verified.

Buffers belong to the thread and are used again: to ask the system for new memory takes
longer than to pack what goes into it.
"""

import contextlib
import os
import shutil
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import OutputError, StoreError
from rsmonitor.io.foundation.files import fsync_folder
from rsmonitor.io.stores.slot_format import (
    BUNDLE,
    Bytes,
    Header,
    Layout,
    State,
    checksum,
    header_of,
    layout_of,
    packed,
)
from rsmonitor.io.stores.slot_kernels import unpack

ADVICE: Final = (
    "restore it from a backup, or delete the folder state: it is computed again"
)

_AT_ONCE: Final = 2**21
"""Bytes that are read at once: few enough to be in the cache when they are unpacked."""

_FIRST: Final = 4_096
"""Bytes in which the header of a usual block has room."""

_FLAGS: Final = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""A link or a pipe in the place of the file is refused, and not waited for."""


class _Buffers(threading.local):
    """Memory of one thread."""

    def __init__(self) -> None:
        self._kept: dict[str, NDArray[np.uint64]] = {}

    def bytes(self, name: str, size: int) -> Bytes:
        """Give at least so many bytes, 8-byte aligned, with any content."""
        words = -(-size // 8)
        kept = self._kept.get(name)
        if kept is None or kept.size < words:
            kept = self._kept[name] = np.empty(words, dtype=np.uint64)
        return kept.view(np.uint8)


_BUFFERS: Final = _Buffers()


def write_slot(path: Path, array: State) -> str:
    """
    Write a state over whatever the file held, and sync it.

    Blocks of a file that is there are used again; a process that dies meanwhile leaves
    a file that no digest fits. So nothing may point at it when this is called.

    Parameters
    ----------
    path : Path
        The file, or a name in an existing folder; a folder of that name, as earlier
        versions made them, is removed.
    array : ndarray of uint16 or int16, shape (plane, y, x)
        The state.

    Returns
    -------
    str
        Its digest, for the ledger.

    Raises
    ------
    ContractError
        If the array is no state.
    OutputError
        If it cannot be written.
    """
    room = _BUFFERS.bytes("packed", Layout.of(array).most_bytes)
    data, sha256 = packed(array, room)
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o666)
        try:
            _write(descriptor, data, path.parent)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror or error}; free space or "
            "choose another state folder"
        ) from error
    return sha256


def _write(descriptor: int, data: Bytes, folder: Path) -> None:
    """Write all of a file in place and sync it."""
    before = os.fstat(descriptor)
    if not stat.S_ISREG(before.st_mode):
        raise OSError(0, "it is no file")
    if before.st_size == 0:
        # the name first: once there is content, the name is known to be safe
        fsync_folder(folder)
    done = 0
    while done < data.size:
        done += os.pwrite(descriptor, data[done:].data, done)
    if before.st_size > data.size:
        os.ftruncate(descriptor, data.size)
    os.fdatasync(descriptor)  # all but the times of the file


class SlotFile:
    """
    A slot that is open for reading.

    Parameters
    ----------
    path : Path
        The file.
    sha256 : str
        What the ledger holds.

    Raises
    ------
    StoreError
        If it is missing, damaged, or something else.
    """

    def __init__(self, path: Path, sha256: str) -> None:
        self._path = path
        try:
            self._descriptor = os.open(path, os.O_RDONLY | _FLAGS)
        except FileNotFoundError as error:
            raise StoreError(f"state {path} is missing; {ADVICE}") from error
        except OSError as error:
            raise StoreError(
                f"state {path} cannot be read: {error.strerror}; {ADVICE}"
            ) from error
        try:
            self._header = self._verified_header(sha256)
        except BaseException:
            self.close()
            raise
        self._rows, self._groups = self.layout.rows, self.layout.groups

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    @property
    def layout(self) -> Layout:
        """Type and shape."""
        return self._header.layout

    def read(self, planes: range, rows: range, cols: range, out: State) -> None:
        """
        Read a part of the state, and verify the pieces that it lies in.

        Parameters
        ----------
        planes : range
            Planes; step 1, within the shape.
        rows : range
            Rows.
        cols : range
            Columns.
        out : ndarray of uint16 or int16, shape (plane, y, x)
            Filled; C-contiguous, of the type of the state.

        Raises
        ------
        StoreError
            If the file is damaged there.
        """
        if not (planes and rows and cols):
            return
        n_plane, height, width = self.layout.shape
        target = out.view(np.uint16)
        # what the pieces hold, which may be more than is asked for
        held_rows = _widened(rows, self._rows, height)
        for first in range(planes.start // BUNDLE * BUNDLE, planes.stop, BUNDLE):
            held = range(first, min(first + BUNDLE, n_plane))
            wanted = range(max(held.start, planes.start), min(held.stop, planes.stop))
            there = target[wanted.start - planes.start : wanted.stop - planes.start]
            if (wanted, rows, len(cols)) == (held, held_rows, width):
                self._unpack(held, held_rows, there.reshape(len(held), -1))
                continue
            shape = (len(held), len(held_rows), width)
            size = 2 * len(held) * len(held_rows) * width
            whole = _BUFFERS.bytes("held", size)[:size].view(np.uint16).reshape(shape)
            self._unpack(held, held_rows, whole.reshape(len(held), -1))
            there[:] = whole[
                wanted.start - held.start : wanted.stop - held.start,
                rows.start - held_rows.start : rows.stop - held_rows.start,
                cols.start : cols.stop,
            ]
        if (len(planes), len(rows), len(cols)) == self.layout.shape:
            self._require_zeros()

    def _unpack(self, planes: range, rows: range, target: NDArray[np.uint16]) -> None:
        """Read whole pieces of one bundle."""
        header, first = self._header, planes.start // BUNDLE * self._groups
        piece = first + rows.start // self._rows
        last = first + -(-rows.stop // self._rows)
        offsets, width = header.offsets, self.layout.shape[2]
        start = 0
        while piece < last:
            begin, stop = offsets[piece], piece + 1
            while stop < last and offsets[stop + 1] - begin <= _AT_ONCE:
                stop += 1
            data = self._fetch(begin, offsets[stop])
            view = data.data
            for n in range(piece, stop):
                part = view[offsets[n] - begin : offsets[n + 1] - begin]
                if checksum(part) != header.checksums[n]:
                    row = (n - first) * self._rows
                    raise self._damaged(
                        f"a checksum does not fit: planes from {planes.start}, rows "
                        f"from {row}"
                    )
            ends = header.ends[piece : stop + 1] - begin
            if not unpack(data, ends, target, start, self._rows * width):
                raise self._damaged("its checksums fit, but it cannot be unpacked")
            start += (stop - piece) * self._rows * width
            piece = stop

    def _fetch(self, begin: int, end: int) -> Bytes:
        """Read bytes of the file into the buffer of the thread."""
        data = _BUFFERS.bytes("fetched", end - begin)[: end - begin]
        done = 0
        while done < data.size:
            try:
                got = os.preadv(self._descriptor, [data[done:].data], begin + done)
            except OSError as error:
                raise self._damaged(f"{error.strerror}") from error
            if got == 0:
                raise self._damaged(f"it ends at byte {begin + done}")
            done += got
        return data

    def _require_zeros(self) -> None:
        """Refuse a file with something behind its pieces."""
        begin = self._header.offsets[-1]
        if self._fetch(begin, self._header.file_bytes).any():
            raise self._damaged(f"there is something behind its last piece, at {begin}")

    def _verified_header(self, sha256: str) -> Header:
        """Read the header."""
        status = os.fstat(self._descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise StoreError(
                f"state {self._path} is a folder: earlier builds kept it so, and it is "
                "not read any more; delete the folder state: it is computed again "
                "from the scenes"
            )
        size = status.st_size if stat.S_ISREG(status.st_mode) else 0
        start = self._fetch(0, min(size, _FIRST)).tobytes()
        with self._naming():
            layout = layout_of(start, size)
        n_bytes = layout.header_bytes
        if n_bytes > len(start):
            start = self._fetch(0, n_bytes).tobytes()
        with self._naming():
            return header_of(start[:n_bytes], layout, size, sha256)

    @contextlib.contextmanager
    def _naming(self) -> Iterator[None]:
        """Say which file it is that is wrong."""
        try:
            yield
        except StoreError as error:
            raise StoreError(f"state {self._path} {error}; {ADVICE}") from error

    def _damaged(self, why: str) -> StoreError:
        """Make an error that names the file."""
        return StoreError(f"state {self._path} is damaged: {why}; {ADVICE}")


def _widened(part: range, step: int, end: int) -> range:
    """Widen a range to whole steps."""
    return range(part.start // step * step, min(-(-part.stop // step) * step, end))
