"""Where a grid lies in its MGRS tile, and the cells that are fetched for it."""

from dataclasses import dataclass

from rsmonitor.io.sources.resampling import Placement
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.offer import TileWindow
from rsmonitor.stages.tile_cells import around, cells_of
from rsmonitor.stages.tiling import tile_window

Cut = tuple[slice, slice]
"""Rows and columns of an array."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """A grid in its tile."""

    grid: Grid
    """On the tile's own 10 m pixels."""

    place: TileWindow
    """The grid's pixels, in the tile."""

    cells: tuple[TileWindow, ...]
    """The cells that the grid touches."""

    covered: Block
    """All pixels of the cells, in the tile."""

    placement: Placement
    """How the 20 m pixels of the cells lie to the grid."""

    def fine(self, block: Block) -> Block:
        """
        Give the 10 m pixels of a block, in the tile.

        Parameters
        ----------
        block : Block
            Of the grid.

        Returns
        -------
        Block
            Rows and columns of the tile at 10 m.
        """
        return Block(
            row=self.place.row + block.row,
            col=self.place.col + block.col,
            height=block.height,
            width=block.width,
        )

    def coarse(self, block: Block) -> Block:
        """
        Give the 20 m pixels that a block depends on, in the tile.

        Parameters
        ----------
        block : Block
            Of the grid.

        Returns
        -------
        Block
            Rows and columns of the tile at 20 m: those under the block and those
            beside them.
        """
        halo = self.placement.window(block)
        return Block(
            row=self.covered.row // 2 + halo.row,
            col=self.covered.col // 2 + halo.col,
            height=halo.height,
            width=halo.width,
        )


def area_of(grid: Grid) -> Area:
    """
    Find a grid in its tile.

    Parameters
    ----------
    grid : Grid
        A window of a tile.

    Returns
    -------
    Area
        With the cells that it touches.

    Raises
    ------
    ContractError
        If the grid is no window of its tile.
    """
    place = tile_window(grid)
    cells = cells_of(place)
    covered = around(cells)
    return Area(
        grid=grid,
        place=place,
        cells=cells,
        covered=covered,
        placement=Placement(
            ratio_y=2,
            ratio_x=2,
            row=place.row - covered.row,
            col=place.col - covered.col,
            height=covered.height // 2,
            width=covered.width // 2,
        ),
    )


def overlap(into: Block, out_of: Block) -> tuple[Cut, Cut] | None:
    """
    Give what two rectangles of the same pixels share.

    Parameters
    ----------
    into, out_of : Block
        Rectangles.

    Returns
    -------
    tuple of two cuts, or None
        Where it lies in `into` and in `out_of`; None if they share nothing.

    Examples
    --------
    >>> left = Block(row=0, col=0, height=2, width=4)
    >>> overlap(left, Block(row=1, col=3, height=5, width=5))
    ((slice(1, 2, None), slice(3, 4, None)), (slice(0, 1, None), slice(0, 1, None)))
    """
    top, left = max(into.row, out_of.row), max(into.col, out_of.col)
    bottom = min(into.row + into.height, out_of.row + out_of.height)
    right = min(into.col + into.width, out_of.col + out_of.width)
    if top >= bottom or left >= right:
        return None
    mine, theirs = (
        (
            slice(top - one.row, bottom - one.row),
            slice(left - one.col, right - one.col),
        )
        for one in (into, out_of)
    )
    return mine, theirs
