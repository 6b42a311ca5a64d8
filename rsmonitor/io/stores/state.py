"""Per-block state on disk: two files a block and kind, of which the ledger trusts one.

``root/<line>/<grid_id>/<block_id>/<kind>/<0 or 1>`` is a file as `slot_format` says. A
run writes the slot that the ledger does not point at, over what it held: no new blocks
of the disk are needed from week to week. Until the ledger points at it, no reader looks
there, so a run that dies half way leaves nothing to repair.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, cast, get_args

import numpy as np

from rsmonitor.errors import ContractError, OutputError, StoreError
from rsmonitor.io.foundation.files import make_folder
from rsmonitor.io.stores.slot_file import SlotFile, write_slot
from rsmonitor.io.stores.slot_format import Layout, State
from rsmonitor.records.run import SlotPointer, StateKind

_KINDS: Final = get_args(StateKind)

_PATH_PART: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""What may become a folder name: nothing that leads out of the folder."""


class SlotStateStore:
    """State of blocks in a folder; satisfies `rsmonitor.interfaces.StateStore`.

    Reading and writing is safe from several threads and processes as long as no two
    write the same place: hold the district's lock.

    Parameters
    ----------
    root : Path
        Folder of the state; made when the first block is written.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(
        self,
        array: State,
        *,
        line: str,
        grid_id: str,
        block_id: str,
        kind: StateKind,
        current: SlotPointer | None,
    ) -> SlotPointer:
        """
        Write the slot that `current` does not point at, and sync it.

        Parameters
        ----------
        array : ndarray of uint16 or int16, shape (plane, y, x)
            The state.
        line : str
            `Partition.line`.
        grid_id : str
            `Grid.grid_id`.
        block_id : str
            `Block.block_id`.
        kind : {"reference", "evidence"}
            Which state of the block.
        current : SlotPointer or None
            The slot that is the truth for this place; None if there is none.

        Returns
        -------
        SlotPointer
            Points at what was written; not the truth until the ledger commits it.

        Raises
        ------
        ContractError
            If the array is no state, a name is no plain name, or `current` points at
            another place.
        OutputError
            If it cannot be written; the slot of `current` is untouched.
        """
        place = (line, grid_id, block_id, kind)
        slot = idle_slot(array, place=place, current=current)
        folder = self._folder(place)
        make_folder(folder)
        return SlotPointer(
            line=line,
            grid_id=grid_id,
            block_id=block_id,
            kind=kind,
            slot=slot,
            sha256=write_slot(folder / str(slot), array),
        )

    def read(
        self,
        pointer: SlotPointer,
        planes: slice | None = None,
        *,
        out: State | None = None,
    ) -> State:
        """
        Read a slot, or some of its planes, and verify what was read.

        Parameters
        ----------
        pointer : SlotPointer
            From `write`, or from the ledger. One that a reader kept while two runs
            were committed may point at what the second has written over.
        planes : slice, optional
            Which planes, as numpy counts, in steps of 1; all by default.
        out : ndarray of uint16 or int16, shape (plane, y, x), optional
            Where to, C-contiguous; to read into the same memory block after block is
            faster than into new memory.

        Returns
        -------
        ndarray of uint16 or int16, shape (plane, y, x)
            What was written: `out`, or memory of its own.

        Raises
        ------
        StoreError
            If the slot is missing or damaged; the message names its file.
        ContractError
            If `planes` or `out` does not fit.
        """
        with self._opened(pointer) as file:
            part = part_of(file.layout, planes=planes)
            target = target_of(file.layout, part, out)
            file.read(*part, target)
        return target

    def read_window(self, pointer: SlotPointer, rows: slice, cols: slice) -> State:
        """
        Read a window of a slot: no more than the rows it lies in, in whole groups.

        Parameters
        ----------
        pointer : SlotPointer
            As for `read`.
        rows : slice
            Rows of the block, as numpy counts, in steps of 1.
        cols : slice
            Columns, likewise.

        Returns
        -------
        ndarray of uint16 or int16, shape (plane, y, x)
            All planes of the window, verified, in memory of their own.

        Raises
        ------
        StoreError
            If the slot is missing or damaged there; the message names its file.
        ContractError
            If a slice has another step.
        """
        with self._opened(pointer) as file:
            part = part_of(file.layout, rows=rows, cols=cols)
            target = target_of(file.layout, part, None)
            file.read(*part, target)
        return target

    def holds(self, line: str) -> bool:
        """
        Say whether anything at all is kept of a line.

        Parameters
        ----------
        line : str
            Which line.

        Returns
        -------
        bool
            True if there is a file of it, whole or not.

        Raises
        ------
        ContractError
            If a line is no plain name.
        StoreError
            If its folder cannot be read: what is out of sight is not gone.
        """
        top = self._root / _checked("line", line)

        def tell(error: OSError) -> None:
            if not isinstance(error, FileNotFoundError):
                raise StoreError(
                    f"{error.filename} cannot be read: {error.strerror}; look for the "
                    "right to read there"
                ) from error

        # not rglob, which passes over folders that it may not read
        return any(files for _, _, files in os.walk(top, onerror=tell))

    def forget(self, keep: Iterable[SlotPointer], *, lines: Iterable[str]) -> None:
        """
        Remove the blocks of `lines` that no pointer of `keep` points at.

        Take them out of the ledger first: a crash in between then leaves files that
        nobody reads, and not pointers to files that are gone.

        Parameters
        ----------
        keep : iterable of SlotPointer
            The truth; of a block that one points at, both slots stay.
        lines : iterable of str
            Lines to clean; one without state is passed over.

        Raises
        ------
        ContractError
            If a line is no plain name.
        OutputError
            If a folder cannot be removed.
        """
        kept = {self._folder(pointer.place) for pointer in keep}
        parents = {parent for folder in kept for parent in folder.parents}
        for line in lines:
            top = self._root / _checked("line", line)
            try:
                _prune(top, kept, parents)
            except OSError as error:
                raise OutputError(
                    f"{top} cannot be removed: {error.strerror or error}; remove it "
                    "by hand"
                ) from error

    def _folder(self, place: tuple[str, str, str, str]) -> Path:
        """Give the folder of a place, every part of it checked."""
        _require_place(place)
        return self._root.joinpath(*place)

    @contextlib.contextmanager
    def _opened(self, pointer: SlotPointer) -> Iterator[SlotFile]:
        """Open a slot for reading."""
        file = SlotFile(self._folder(pointer.place) / str(pointer.slot), pointer.sha256)
        with contextlib.closing(file):
            yield file


ZarrStateStore = SlotStateStore  # until the wiring names the class itself


def part_of(
    layout: Layout,
    *,
    planes: slice | None = None,
    rows: slice | None = None,
    cols: slice | None = None,
) -> tuple[range, range, range]:
    """
    Say what slices of a state mean.

    Parameters
    ----------
    layout : Layout
        Its shape.
    planes : slice, optional
        Planes; all by default.
    rows : slice, optional
        Rows, likewise.
    cols : slice, optional
        Columns, likewise.

    Returns
    -------
    tuple of range
        Planes, rows and columns; empty where there is nothing.

    Raises
    ------
    ContractError
        If a step is not 1.

    Examples
    --------
    >>> layout = Layout(dtype=np.dtype(np.uint16), shape=(12, 100, 100))
    >>> part_of(layout, rows=slice(-10, None))
    (range(0, 12), range(90, 100), range(0, 100))
    """
    wanted = [
        range(*(part or slice(None)).indices(n))
        for part, n in zip((planes, rows, cols), layout.shape, strict=True)
    ]
    if any(part.step != 1 for part in wanted):
        raise ContractError(f"state is read in steps of 1, got {planes, rows, cols}")
    return wanted[0], wanted[1], wanted[2]


def target_of(
    layout: Layout, part: tuple[range, range, range], out: State | None
) -> State:
    """
    Give the array that a part of a state is read into.

    Parameters
    ----------
    layout : Layout
        Type of the state.
    part : tuple of range
        From `part_of`.
    out : ndarray of uint16 or int16, or None
        What the caller has for it.

    Returns
    -------
    ndarray of uint16 or int16, shape (plane, y, x)
        `out`, or new memory.

    Raises
    ------
    ContractError
        If `out` has another type, shape or layout.
    """
    shape = tuple(len(axis) for axis in part)
    if out is None:
        return cast("State", np.empty(shape, dtype=layout.dtype))
    if (out.dtype, out.shape) != (layout.dtype, shape) or not (
        out.flags.c_contiguous and out.flags.writeable
    ):
        raise ContractError(
            f"out must be C-contiguous {layout.dtype} of shape {shape}, got "
            f"{out.dtype} of shape {out.shape}"
        )
    return out


def idle_slot(
    array: State,
    *,
    place: tuple[str, str, str, str],
    current: SlotPointer | None,
) -> int:
    """
    Choose the slot that may be written, after checking what is to be written.

    Parameters
    ----------
    array : ndarray of uint16 or int16, shape (plane, y, x)
        The state.
    place : tuple of str
        `SlotPointer.place`: line, grid, block and kind.
    current : SlotPointer or None
        The slot that is the truth for this place.

    Returns
    -------
    int
        0 or 1, never the slot of `current`.

    Raises
    ------
    ContractError
        If the array is no state, a part of the place is no plain name, or `current`
        points at another place.
    """
    _require_place(place)
    Layout.of(array)
    if current is not None and current.place != place:
        raise ContractError(f"state of {place} cannot replace that of {current.place}")
    return 0 if current is None else 1 - current.slot


def _require_place(place: tuple[str, str, str, str]) -> None:
    """Refuse a place that is not four plain names."""
    *names, kind = place
    for name, part in zip(("line", "grid_id", "block_id"), names, strict=True):
        _checked(name, part)
    if kind not in _KINDS:
        raise ContractError(f"state is one of {_KINDS}, got {kind!r}")


def _checked(name: str, part: str) -> str:
    """Refuse what a path could misread; a trailing newline included."""
    if not _PATH_PART.fullmatch(part):
        raise ContractError(f"{name} must match {_PATH_PART.pattern}, got {part!r}")
    return part


def _prune(folder: Path, kept: set[Path], parents: set[Path]) -> None:
    """Remove a folder but for what is kept below it."""
    if folder in kept or not folder.exists():
        return
    if folder not in parents:
        shutil.rmtree(folder)
        return
    for child in sorted(folder.iterdir()):
        _prune(child, kept, parents)
