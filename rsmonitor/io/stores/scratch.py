"""Screened looks between two passes over a grid: in memory, and beyond that on disk.

A look is read and screened before anything can be judged, because what the whole scene
shares is known only then. What was screened waits here, raw, so that nothing is decoded
twice. It is not state: what is lost is read again, nothing is synced, and a run starts
with none of it.

Files that were used once are used again: overwriting a file costs less than making one.
"""

import contextlib
import hashlib
import json
import os
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import ContractError
from rsmonitor.records.grid import Block
from rsmonitor.records.scene import SceneNumbers, ScreenedLook, unclassified
from rsmonitor.stages.clear import ClearCounts

MEMORY_BYTES: Final = 24 * 2**20
"""What waits in memory, of one process."""

DISK_BYTES: Final = 4 * 2**30
"""What one process puts on disk between two passes; what is beyond is read twice."""

FREE_BYTES: Final = 2**30
"""Files that are kept to be used again take no more than this."""

_HEADER: Final = 4096
_FREE: Final = "free"
_Place = tuple[str, Block]
_Kept = tuple[ScreenedLook, ClearCounts]


class MemoryScratch:
    """
    Screened looks in memory alone; satisfies `rsmonitor.interfaces.Scratch`.

    Parameters
    ----------
    most_bytes : int, optional
        What does not fit is forgotten.
    """

    def __init__(self, most_bytes: int = MEMORY_BYTES) -> None:
        self._most = most_bytes
        self._kept: dict[_Place, _Kept] = {}
        self._bytes = 0
        self._guard = threading.Lock()

    def get(self, place: _Place) -> _Kept | None:
        """
        Give what was put for a product and window.

        Parameters
        ----------
        place : tuple of str and Block
            Product id and window.

        Returns
        -------
        tuple of ScreenedLook and ClearCounts, or None
            None if it is not there.
        """
        with self._guard:
            return self._kept.get(place)

    def put(self, place: _Place, kept: _Kept) -> None:
        """
        Keep what was screened, if there is room.

        Parameters
        ----------
        place : tuple of str and Block
            Product id and window.
        kept : tuple of ScreenedLook and ClearCounts
            What to keep.
        """
        self.took(place, kept)

    def took(self, place: _Place, kept: _Kept) -> bool:
        """
        Keep what was screened, and say whether there was room.

        Parameters
        ----------
        place : tuple of str and Block
            Product id and window.
        kept : tuple of ScreenedLook and ClearCounts
            What to keep.

        Returns
        -------
        bool
            False if it was not kept.
        """
        with self._guard:
            if place in self._kept:
                return True
            if self._bytes + kept[0].nbytes > self._most:
                return False
            self._kept[place] = kept
            self._bytes += kept[0].nbytes
            return True

    def clear(self) -> None:
        """Forget everything."""
        with self._guard:
            self._kept.clear()
            self._bytes = 0


class FolderScratch:
    """
    Screened looks in memory, and in files beyond that.

    Satisfies `rsmonitor.interfaces.Scratch`. Several processes may share the folder.

    Parameters
    ----------
    root : Path
        Folder of the files; made when it is needed.
    most_bytes : int, optional
        What is kept in memory.
    disk_bytes : int, optional
        What is put on disk beyond that.
    free_bytes : int, optional
        What the files may take that wait to be used again.
    """

    def __init__(
        self,
        root: Path,
        most_bytes: int = MEMORY_BYTES,
        *,
        disk_bytes: int = DISK_BYTES,
        free_bytes: int = FREE_BYTES,
    ) -> None:
        self._root = root
        self._memory = MemoryScratch(most_bytes)
        self._disk_bytes, self._free_bytes = disk_bytes, free_bytes
        self._on_disk = 0
        self._guard = threading.Lock()

    def get(self, place: _Place) -> _Kept | None:
        """
        Give what was put for a product and window.

        Parameters
        ----------
        place : tuple of str and Block
            Product id and window.

        Returns
        -------
        tuple of ScreenedLook and ClearCounts, or None
            None if it is not there, or not whole.
        """
        kept = self._memory.get(place)
        if kept is not None:
            return kept
        try:
            with self._path(place).open("rb", buffering=0) as file:
                return _read(file.fileno(), place)
        except (OSError, ValueError, KeyError, TypeError, ContractError):
            return None  # it is read from the source again

    def put(self, place: _Place, kept: _Kept) -> None:
        """
        Keep what was screened; on disk if memory is full, not at all if the disk is.

        Parameters
        ----------
        place : tuple of str and Block
            Product id and window.
        kept : tuple of ScreenedLook and ClearCounts
            What to keep.
        """
        if self._memory.took(place, kept):
            return
        with self._guard:
            if self._on_disk + kept[0].nbytes > self._disk_bytes:
                return
            self._on_disk += kept[0].nbytes
        target = self._path(place)
        draft = target.with_name(f"{target.name}.{os.getpid()}.{threading.get_ident()}")
        try:
            self._claim(draft)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                _write(descriptor, place, kept)
            finally:
                os.close(descriptor)
            draft.replace(target)
        except OSError:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)

    def clear(self) -> None:
        """Forget everything; some files stay, to be overwritten."""
        self._memory.clear()
        with self._guard:
            self._on_disk = 0
        free = self._root / _FREE
        with contextlib.suppress(OSError):
            files = [path for path in self._root.iterdir() if path.is_file()]
            free.mkdir(exist_ok=True)
            for path in files:
                path.replace(free / path.name)
            size = 0
            for path in sorted(free.iterdir()):
                size += path.stat().st_size
                if size > self._free_bytes:
                    path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Forget everything and give the disk back."""
        self.clear()
        with contextlib.suppress(OSError):
            for path in (self._root / _FREE).iterdir():
                path.unlink(missing_ok=True)

    def _claim(self, draft: Path) -> None:
        """Take a file that was used before, if there is one."""
        self._root.mkdir(parents=True, exist_ok=True)
        with (
            contextlib.suppress(OSError),
            os.scandir(self._root / _FREE) as entries,
        ):
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):  # another was faster
                    Path(entry.path).replace(draft)
                    return

    def _path(self, place: _Place) -> Path:
        """Name the file of a place."""
        product_id, window = place
        text = json.dumps([product_id, asdict(window)])
        return self._root / hashlib.sha256(text.encode()).hexdigest()[:32]


def _write(descriptor: int, place: _Place, kept: _Kept) -> None:
    """Write a header and the raw arrays."""
    look, counts = kept
    numbers = look.numbers
    header = json.dumps(
        {
            "place": [place[0], asdict(place[1])],
            "dtype": numbers.fine.dtype.name,
            "fine": numbers.fine.shape,
            "coarse": numbers.coarse.shape,
            "fine_bands": numbers.fine_bands,
            "coarse_bands": numbers.coarse_bands,
            "ratio": numbers.ratio,
            "row": numbers.row,
            "col": numbers.col,
            "add_offset": numbers.add_offset,
            "quantification_value": numbers.quantification_value,
            "counts": asdict(counts),
        }
    ).encode()
    if len(header) > _HEADER:
        raise OSError(f"a header of {len(header)} bytes is too long")
    arrays = [numbers.fine, numbers.coarse, look.flags]
    parts = [header.ljust(_HEADER), *(_bytes_of(array) for array in arrays)]
    _write_all(descriptor, parts)


def _bytes_of(array: NDArray[Any]) -> memoryview:
    """Give the bytes of an array, which may be empty."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _write_all(descriptor: int, parts: list[Any]) -> None:
    """Write everything, however many calls that takes."""
    views = [memoryview(part) for part in parts if len(part)]
    while views:
        written = os.writev(descriptor, views)
        while views and written >= len(views[0]):
            written -= len(views.pop(0))
        if views and written:
            views[0] = views[0][written:]


def _read(descriptor: int, place: _Place) -> _Kept:
    """Read what `_write` wrote."""
    head = json.loads(os.pread(descriptor, _HEADER, 0))
    if head["place"] != [place[0], asdict(place[1])]:
        raise ValueError("another place")
    shape = tuple(head["fine"])[1:]
    wanted = [
        np.empty(head["fine"], head["dtype"]),
        np.empty(head["coarse"], head["dtype"]),
        np.empty(shape, np.uint8),
    ]
    offset = _HEADER
    for array in wanted:
        view = _bytes_of(array)
        while len(view):
            read = os.preadv(descriptor, [view], offset)
            if not read:
                raise ValueError("the file ends too early")
            view, offset = view[read:], offset + read
    fine, coarse, flags = wanted
    numbers = SceneNumbers(
        fine_bands=tuple(head["fine_bands"]),
        coarse_bands=tuple(head["coarse_bands"]),
        fine=fine,
        coarse=coarse,
        ratio=head["ratio"],
        row=head["row"],
        col=head["col"],
        scl=unclassified((slice(0, shape[0]), slice(0, shape[1]))),
        add_offset=head["add_offset"],
        quantification_value=head["quantification_value"],
    )
    return ScreenedLook(numbers=numbers, flags=flags), ClearCounts(**head["counts"])
