"""The file of one slot: a header that vouches for every part, then the parts.

=======================  =======================================================
bytes                    what
=======================  =======================================================
0 to 31                  magic, version, type, shape, size of the file
then 24 for each piece   its length and its checksum
then the pieces          bundle by bundle of planes, each by groups of rows
then zeros               up to the size of the file
=======================  =======================================================

A piece is four planes of about 32,768 pixels, packed as `slot_codes` says: what must be
read and verified to see a window, or some of the planes. Checksums are 128 bits of XXH3
over the packed bytes, some fifty times as fast as reading a disk; the ledger keeps
the SHA-256 of the header. Together they find damage, torn writes and the wrong file.
They are no proof against a forger, who can find other bytes of the same XXH3; what
proves who said what is the ledger's chain of events, not the state.

Files grow in steps of a byte per pixel: what a look reads and writes is the same
from one look to the next, unless far more or less of the ground is disturbed. The same
array always makes the same bytes.
"""

import hashlib
import itertools
import struct
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import xxhash
from numpy.typing import NDArray

from rsmonitor.errors import ContractError, StoreError
from rsmonitor.io.stores.slot_codes import HEAD, MOST_PIXELS
from rsmonitor.io.stores.slot_kernels import pack

State: TypeAlias = NDArray[np.uint16] | NDArray[np.int16]
Bytes: TypeAlias = NDArray[np.uint8]

MAGIC: Final = b"rsmslot\n"
VERSION: Final = 1
"""Raised when anything in the file changes its meaning."""

BUNDLE: Final = 4
"""Planes of a piece: so a reference is read without the planes of no index."""

GROUP: Final = 32_768
"""Pixels of a piece, as nearly as whole rows allow; its planes fit in the cache."""

MOST_BYTES: Final = 2**31
"""No array is larger; a damaged header must not ask for all memory."""

MOST_PLANES: Final = 4_096
"""No array has more."""

_PAGE: Final = 4_096
_START: Final = struct.Struct("<8sHHIIIQ")
_PIECE: Final = struct.Struct("<Q16s")
_DTYPES: Final = (np.dtype(np.uint16), np.dtype(np.int16))


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How an array is cut into pieces; follows from its type and shape."""

    dtype: np.dtype[np.uint16] | np.dtype[np.int16]
    """Type of the numbers, native."""

    shape: tuple[int, int, int]
    """Planes, rows, columns."""

    def __post_init__(self) -> None:
        n_plane, height, width = self.shape
        if self.dtype not in _DTYPES or min(self.shape) < 1:
            raise ContractError(
                "state must be a (plane, y, x) array of uint16 or int16, got "
                f"{self.dtype} of shape {self.shape}"
            )
        if (
            n_plane > MOST_PLANES
            or width > MOST_PIXELS
            or 2 * n_plane * height * width > MOST_BYTES
        ):
            raise ContractError(
                f"state must have at most {MOST_PLANES} planes, {MOST_PIXELS} columns "
                f"and {MOST_BYTES} bytes, got shape {self.shape}"
            )

    @classmethod
    def of(cls, array: State) -> "Layout":
        """
        Cut an array.

        Parameters
        ----------
        array : ndarray of uint16 or int16, shape (plane, y, x)
            Any byte order.

        Returns
        -------
        Layout
            Of its type and shape.

        Raises
        ------
        ContractError
            If it has another type, another number of dimensions, or is too large.
        """
        if array.ndim != 3:  # noqa: PLR2004 - planes, rows, columns
            raise ContractError(
                "state must be a (plane, y, x) array of uint16 or int16, got "
                f"{array.dtype} of shape {array.shape}"
            )
        n_plane, height, width = array.shape
        return cls(dtype=array.dtype.newbyteorder("="), shape=(n_plane, height, width))

    @property
    def rows(self) -> int:
        """Rows of a group."""
        return max(1, GROUP // self.shape[2])

    @property
    def groups(self) -> int:
        """Groups of rows."""
        return -(-self.shape[1] // self.rows)

    @property
    def bundles(self) -> int:
        """Bundles of planes."""
        return -(-self.shape[0] // BUNDLE)

    @property
    def pieces(self) -> int:
        """Pieces of the file."""
        return self.groups * self.bundles

    @property
    def header_bytes(self) -> int:
        """Bytes before the first piece."""
        return _START.size + _PIECE.size * self.pieces

    @property
    def most_bytes(self) -> int:
        """Bytes of a file in which nothing could be packed."""
        n_plane, height, width = self.shape
        pixels = min(height, self.rows) * width
        most = n_plane * self.groups * (HEAD + 2 * pixels + HEAD)
        return self.file_bytes(self.header_bytes + most)

    def file_bytes(self, used: int) -> int:
        """
        Give the size of a file: its content, filled up to the next step.

        Parameters
        ----------
        used : int
            Bytes of header and pieces.

        Returns
        -------
        int
            A multiple of a byte per pixel, in whole pages.
        """
        step = -(-self.shape[1] * self.shape[2] // _PAGE) * _PAGE
        return -(-used // step) * step


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Header:
    """What the pieces of a file are, and where."""

    layout: Layout
    """Type, shape and pieces."""

    offsets: list[int]
    """Where each piece begins in the file, and where the last one ends."""

    ends: NDArray[np.int64]
    """The same, for the kernels."""

    checksums: list[bytes]
    """XXH3-128 of each piece."""

    file_bytes: int
    """Size of the file."""


def checksum(data: memoryview) -> bytes:
    """
    Sum up packed bytes.

    Parameters
    ----------
    data : memoryview
        A piece.

    Returns
    -------
    bytes
        XXH3-128, 16 bytes.
    """
    return xxhash.xxh3_128_digest(data)


def packed(array: State, room: Bytes) -> tuple[Bytes, str]:
    """
    Make the file of an array.

    Parameters
    ----------
    array : ndarray of uint16 or int16, shape (plane, y, x)
        The state, whatever its layout in memory.
    room : ndarray of uint8
        At least `Layout.most_bytes`, 8-byte aligned; written over.

    Returns
    -------
    file : ndarray of uint8
        The whole file: the beginning of `room`.
    sha256 : str
        SHA-256 of its header, hexadecimal.

    Raises
    ------
    ContractError
        If the array is no state.
    """
    layout = Layout.of(array)
    plain = np.ascontiguousarray(array, dtype=layout.dtype).view(np.uint16)
    flip = np.uint16(0x8000 if layout.dtype == np.int16 else 0)
    first = layout.header_bytes
    lengths = np.empty(layout.pieces, dtype=np.int64)
    used = first + pack(plain, flip, layout.rows, BUNDLE, room[first:], lengths)
    size = layout.file_bytes(used)
    room[used:size] = 0
    offsets = itertools.accumulate(lengths.tolist(), initial=first)
    view, signed = room.data, layout.dtype == np.int16
    header = _START.pack(MAGIC, VERSION, signed, *layout.shape, size) + b"".join(
        _PIECE.pack(end - begin, checksum(view[begin:end]))
        for begin, end in itertools.pairwise(offsets)
    )
    room[:first] = np.frombuffer(header, dtype=np.uint8)
    return room[:size], hashlib.sha256(header).hexdigest()


def layout_of(start: bytes, file_bytes: int) -> Layout:
    """
    Read the beginning of a file.

    Parameters
    ----------
    start : bytes
        Its first bytes, at least 32 if it has so many.
    file_bytes : int
        Its size.

    Returns
    -------
    Layout
        What it says; not verified yet.

    Raises
    ------
    StoreError
        If it cannot be a slot of this version: the message begins with a verb.
    """
    if not start.startswith(MAGIC) or len(start) < _START.size:
        raise StoreError(f"is no slot of rsmonitor: it begins with {start[:8]!r}")
    _, version, signed, *shape, size = _START.unpack_from(start)
    if version != VERSION:
        raise StoreError(f"has version {version}, this rsmonitor knows {VERSION}")
    if signed not in {0, 1}:
        raise StoreError(f"is damaged: its type is {signed}, not 0 or 1")
    n_plane, height, width = shape
    try:
        layout = Layout(dtype=_DTYPES[signed], shape=(n_plane, height, width))
    except ContractError as error:
        raise StoreError(f"is damaged: {error}") from error
    if size != file_bytes:
        raise StoreError(
            f"is damaged: it has {file_bytes} bytes and should have {size}"
        )
    if not layout.header_bytes <= size <= layout.most_bytes:
        raise StoreError(
            f"is damaged: {size} bytes are not {layout.header_bytes} to "
            f"{layout.most_bytes}"
        )
    return layout


def header_of(header: bytes, layout: Layout, file_bytes: int, sha256: str) -> Header:
    """
    Verify and read the header of a file.

    Parameters
    ----------
    header : bytes
        All of it.
    layout : Layout
        From `layout_of`.
    file_bytes : int
        Size of the file.
    sha256 : str
        What the ledger holds.

    Returns
    -------
    Header
        Verified.

    Raises
    ------
    StoreError
        If its digest is another one; the message begins with a verb.
    """
    if hashlib.sha256(header).hexdigest() != sha256:
        raise StoreError(
            "is damaged, or of another run: the digest of its header is not the one "
            f"that the ledger holds, {sha256}"
        )
    pieces = list(_PIECE.iter_unpack(header[_START.size :]))
    lengths = (length for length, _ in pieces)
    offsets = list(itertools.accumulate(lengths, initial=layout.header_bytes))
    if layout.file_bytes(offsets[-1]) != file_bytes:
        raise StoreError(f"is damaged: its pieces do not fill {file_bytes} bytes")
    return Header(
        layout=layout,
        offsets=offsets,
        ends=np.array(offsets, dtype=np.int64),
        checksums=[summed for _, summed in pieces],
        file_bytes=file_bytes,
    )
