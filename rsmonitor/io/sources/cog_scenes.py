"""Scenes that lie on this machine in files that are cheap to read: no copy is kept.

What is fetched over a network, or decoded at a price, is kept in the cache. A window of
a deflated GeoTIFF with tiles inside costs no more to read than one of the cache does.
"""

from collections.abc import Sequence
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rsmonitor.io.sources.scene_area import Area
from rsmonitor.io.sources.scene_cells import by_sampling
from rsmonitor.records.grid import Block
from rsmonitor.records.offer import Numbers, Offer

SCL: Final = "SCL"

PATCH: Final = 512
"""Pixels of 10 m, rows and columns of a patch that is counted; the usual side of a tile
inside a GeoTIFF, and patches lie on whole multiples of it."""

PATCHES: Final = 3
"""Along each axis; nine patches of a whole MGRS tile are 2 % of it, and a little more
of the tiles inside its files."""


@runtime_checkable
class DirectArchive(Protocol):
    """A `SceneArchive` of which some products are read in place."""

    def stamp(self, offer: Offer, bands: Sequence[str]) -> str | None:
        """Give what changes when the files do; None if they are not read in place."""

    def read(
        self,
        offer: Offer,
        band: str,
        row: int,
        col: int,
        pixels: NDArray[Any],
        *,
        in_turn: bool = True,
    ) -> None:
        """Read from a pixel of the MGRS tile on, at the band's own sampling."""


def window_in_place(
    archive: DirectArchive, offer: Offer, bands: Sequence[str], area: Area, block: Block
) -> Numbers:
    """
    Read one block of one product, and the 20 m pixels around it.

    Parameters
    ----------
    archive : DirectArchive
        Who has the product.
    offer : Offer
        One that has a stamp.
    bands : sequence of str
        ESA names.
    area : Area
        The grid in its tile.
    block : Block
        Of the grid.

    Returns
    -------
    Numbers
        Those of 10 m on the pixels of the block, those of 20 m and the classes on
        ``area.coarse(block)``.

    Raises
    ------
    SourceError
        If a file is damaged there, or is not what it was.
    """
    return _read(archive, offer, bands, area.fine(block), area.coarse(block))


def sample_in_place(
    archive: DirectArchive, offer: Offer, bands: Sequence[str], area: Area
) -> Numbers:
    """
    Read the patches of a product that are held against its metadata.

    A wrong offset, a band of 64,000 or classes that are gone run through all of a
    product, as the processor or a catalogue made them; so 3 x 3 patches of 5 km, spread
    over what is read of the tile, show them: 600,000 pixels of 20 m where 200 of dark
    ground decide. What is wrong at one place only, and decodes, they do not show. Where
    there are no more than nine patches, that is everything.

    Parameters
    ----------
    archive : DirectArchive
        Who has the product.
    offer : Offer
        One that has a stamp.
    bands : sequence of str
        ESA names.
    area : Area
        The grid in its tile.

    Returns
    -------
    Numbers
        Patches one below the other: they are no picture, but they can be counted.

    Raises
    ------
    SourceError
        If a file is damaged there, or is not what it was.
    """
    patches = [
        _read(archive, offer, bands, patch, _half(patch), in_turn=False)
        for patch in sample_patches(area.covered)
    ]
    first = patches[0]
    return Numbers(
        bands_10m=first.bands_10m,
        bands_20m=first.bands_20m,
        dn_10m=_in_a_column([patch.dn_10m for patch in patches]),
        dn_20m=_in_a_column([patch.dn_20m for patch in patches]),
        scl=_in_a_column([patch.scl[None] for patch in patches])[0],
    )


def sample_patches(covered: Block) -> tuple[Block, ...]:
    """
    Choose patches: always the same ones of the same area.

    Parameters
    ----------
    covered : Block
        Pixels of a tile at 10 m, on even rows and columns.

    Returns
    -------
    tuple of Block
        At most nine, on even rows and columns, none overlapping another.

    Examples
    --------
    >>> [
    ...     patch.row
    ...     for patch in sample_patches(Block(row=0, col=0, height=5490, width=2))
    ... ]
    [0, 2560, 5120]
    """
    rows = _spread(covered.row, covered.row + covered.height)
    cols = _spread(covered.col, covered.col + covered.width)
    return tuple(
        Block(row=top, col=left, height=bottom - top, width=right - left)
        for top, bottom in rows
        for left, right in cols
    )


def _spread(start: int, stop: int) -> list[tuple[int, int]]:
    """First and last ones and one between, of the patches along an axis."""
    first, count = start // PATCH, -(-stop // PATCH) - start // PATCH
    chosen = {
        first + (count - 1) * number // max(min(count, PATCHES) - 1, 1)
        for number in range(min(count, PATCHES))
    }
    return [
        (max(start, patch * PATCH), min(stop, (patch + 1) * PATCH))
        for patch in sorted(chosen)
    ]


def _half(patch: Block) -> Block:
    """Give the 20 m pixels of a patch."""
    return Block(
        row=patch.row // 2,
        col=patch.col // 2,
        height=patch.height // 2,
        width=patch.width // 2,
    )


def _in_a_column(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Lay parts of several widths one below the other; 0 is no data."""
    height = sum(part.shape[1] for part in parts)
    width = max(part.shape[2] for part in parts)
    column = np.zeros((len(parts[0]), height, width), dtype=parts[0].dtype)
    row = 0
    for part in parts:
        column[:, row : row + part.shape[1], : part.shape[2]] = part
        row += part.shape[1]
    return column


def _read(
    archive: DirectArchive,
    offer: Offer,
    bands: Sequence[str],
    fine: Block,
    coarse: Block,
    *,
    in_turn: bool = True,
) -> Numbers:
    """Read pixels of the tile, of 10 m and of 20 m."""
    names_10m, names_20m = by_sampling(bands)
    dn_10m = np.empty((len(names_10m), fine.height, fine.width), dtype=np.uint16)
    dn_20m = np.empty((len(names_20m), coarse.height, coarse.width), dtype=np.uint16)
    scl = np.empty((coarse.height, coarse.width), dtype=np.uint8)
    for name, plane in zip(names_10m, dn_10m, strict=True):
        archive.read(offer, name, fine.row, fine.col, plane, in_turn=in_turn)
    for name, plane in zip(names_20m, dn_20m, strict=True):
        archive.read(offer, name, coarse.row, coarse.col, plane, in_turn=in_turn)
    archive.read(offer, SCL, coarse.row, coarse.col, scl, in_turn=in_turn)
    return Numbers(
        bands_10m=tuple(names_10m),
        bands_20m=tuple(names_20m),
        dn_10m=dn_10m,
        dn_20m=dn_20m,
        scl=scl,
    )
