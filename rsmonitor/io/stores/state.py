"""Per-block state on disk: two Zarr arrays a block, of which the ledger trusts one.

``root/<line>/<grid_id>/<block_id>/<kind>/<0 or 1>/`` is a Zarr v3 array of one chunk.
A run writes the slot that the ledger does not point at; until the ledger points at it,
no reader looks there, so a run that dies half way leaves nothing to repair.

Zstandard at level 1 over shuffled bytes: on evidence of 8 x 512 x 512 pixels half the
size of LZ4, at 11 ms instead of 6 to compress; syncing the larger file costs as much.
The checksum of the compressed chunk is verified before Blosc sees it, which does not
expect damaged input.
"""

import hashlib
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, Crc32cCodec

from rsmonitor.errors import ContractError, OutputError, StoreError
from rsmonitor.io.foundation.files import fsync_folder, fsync_tree, make_folder
from rsmonitor.records.run import SlotPointer, StateKind

State = NDArray[np.uint16] | NDArray[np.int16]

_KINDS: Final = ("reference", "evidence")
_DTYPES: Final = (np.dtype(np.uint16), np.dtype(np.int16))

_PATH_PART: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""What may become a folder name: nothing that leads out of the folder."""

_MOST_BYTES: Final = 2**31
"""No block is larger; a damaged header must not ask for all memory."""


class ZarrStateStore:
    """State of blocks in a folder; satisfies `rsmonitor.interfaces.StateStore`.

    Writing is safe from several threads as long as no two write the same place, and
    from one process per line: hold the district's lock.

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
        array : ndarray of uint16 or int16
            The state, any shape; usually (plane, y, x).
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
            If the array has another type, a name is no plain name, or `current`
            points at another place.
        OutputError
            If it cannot be written; the slot of `current` is untouched.
        """
        place = (line, grid_id, block_id, kind)
        slot = idle_slot(array, place=place, current=current)
        folder = self._folder(place)
        target = folder / str(slot)
        make_folder(folder)
        try:
            if target.exists():
                shutil.rmtree(target)
            stored = zarr.create_array(
                target,
                shape=array.shape,
                chunks=tuple(max(1, n) for n in array.shape),
                dtype=array.dtype.newbyteorder("="),
                compressors=[
                    BloscCodec(cname="zstd", clevel=1, shuffle="shuffle"),
                    Crc32cCodec(),
                ],
                fill_value=0,
                # one folder to sync instead of one for each dimension
                chunk_key_encoding={"name": "default", "separator": "."},
            )
            stored[...] = array
        except OSError as error:
            raise OutputError(
                f"{target} cannot be written: {error.strerror or error}; free space "
                "or choose another state folder"
            ) from error
        fsync_tree(target)
        fsync_folder(folder)
        return SlotPointer(
            line=line,
            grid_id=grid_id,
            block_id=block_id,
            kind=kind,
            slot=slot,
            sha256=array_digest(array),
        )

    def read(self, pointer: SlotPointer) -> State:
        """
        Read a slot and check its digest.

        Parameters
        ----------
        pointer : SlotPointer
            From `write`, or from the ledger. One that a reader kept while two runs
            were committed may point at what the second has written over.

        Returns
        -------
        ndarray of uint16 or int16
            What was written, in memory of its own.

        Raises
        ------
        StoreError
            If the slot is missing or damaged; the message names its folder.
        """
        folder = self._folder(pointer.place) / str(pointer.slot)
        advice = "restore it from a backup, or start with an empty work folder"
        if not folder.is_dir():
            raise StoreError(f"state {folder} is missing; {advice}")
        try:
            array = _read(folder)
        except Exception as error:
            # zarr and its codecs raise at will on damaged input
            raise StoreError(f"state {folder} is damaged: {error}; {advice}") from error
        if array_digest(array) != pointer.sha256:
            raise StoreError(
                f"state {folder} is damaged: its digest is not the one that the "
                f"ledger holds, {pointer.sha256}; {advice}"
            )
        # zarr marks little-endian as such; others take that for a foreign byte order
        return cast("State", array.astype(array.dtype.newbyteorder("=")))

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


def array_digest(array: State) -> str:
    """
    Digest type, shape and values of an array, whatever its layout in memory.

    Parameters
    ----------
    array : ndarray of uint16 or int16
        Any shape, any byte order.

    Returns
    -------
    str
        SHA-256, hexadecimal.

    Examples
    --------
    >>> rows = np.arange(6, dtype=np.uint16).reshape(2, 3)
    >>> array_digest(rows) == array_digest(np.asfortranarray(rows))
    True
    >>> array_digest(rows) == array_digest(rows.T)
    False
    """
    plain: NDArray[Any] = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    digest = hashlib.sha256(f"{plain.dtype.name} {array.shape} ".encode())
    digest.update(plain.data if plain.size else b"")
    return digest.hexdigest()


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
    array : ndarray of uint16 or int16
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
        If the array has another type or no dimension, a part of the place is no plain
        name, or `current` points at another place.
    """
    _require_place(place)
    if array.dtype.newbyteorder("=") not in _DTYPES or array.ndim == 0:
        raise ContractError(
            f"state must be an array of uint16 or int16, got {array.dtype} of shape "
            f"{array.shape}"
        )
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


def _read(folder: Path) -> State:
    """Read an array, but not one that is larger than any state."""
    stored = zarr.open_array(folder, mode="r", zarr_format=3)
    if stored.dtype not in _DTYPES or stored.nbytes > _MOST_BYTES:
        raise ValueError(f"{stored.dtype} of shape {stored.shape} is no state")
    array: State = np.asarray(stored[...])
    return array


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
