"""The fixed cells that a Sentinel-2 tile is fetched and kept in.

Cells are squares of 10 km, at whole multiples of 10 km of the projection: the same for
everyone who asks, so that a request never tells which site is looked at. At the edges
of the tile, which reach beyond the 100 km square, they are cut.
"""

import itertools
from typing import Final

from rsmonitor.records.grid import Block
from rsmonitor.records.offer import TileWindow
from rsmonitor.stages.tiling import CELL_M, tile_grid

_PIXEL_M: Final = 10
_CELL_PIXELS: Final = CELL_M // _PIXEL_M


def cells_of(window: TileWindow) -> tuple[TileWindow, ...]:
    """
    List the cells that a window of a tile touches.

    Parameters
    ----------
    window : TileWindow
        Pixels of the tile.

    Returns
    -------
    tuple of TileWindow
        Row by row from the north; together they cover the window, none overlaps
        another, and where they lie does not depend on the window.

    Examples
    --------
    >>> window = TileWindow(mgrs_tile="50RKN", row=5000, col=5000, height=2, width=2)
    >>> [(cell.row, cell.col, cell.height, cell.width) for cell in cells_of(window)]
    [(4002, 4002, 1000, 1000)]
    """
    tile = tile_grid(window.mgrs_tile)
    to_north = round(tile.top % CELL_M) // _PIXEL_M
    to_west = round(-tile.left % CELL_M) // _PIXEL_M
    return tuple(
        TileWindow(
            mgrs_tile=window.mgrs_tile,
            row=top,
            col=left,
            height=bottom - top,
            width=right - left,
        )
        for top, bottom in _spans(window.row, window.height, to_north, tile.height)
        for left, right in _spans(window.col, window.width, to_west, tile.width)
    )


def around(cells: tuple[TileWindow, ...]) -> Block:
    """
    Give the rectangle around cells.

    Parameters
    ----------
    cells : tuple of TileWindow
        Of one tile; at least one.

    Returns
    -------
    Block
        Pixels of the tile.
    """
    row = min(cell.row for cell in cells)
    col = min(cell.col for cell in cells)
    return Block(
        row=row,
        col=col,
        height=max(cell.row + cell.height for cell in cells) - row,
        width=max(cell.col + cell.width for cell in cells) - col,
    )


def _spans(start: int, count: int, first: int, size: int) -> list[tuple[int, int]]:
    """Start and end of the cells along one axis that `count` pixels touch."""
    edges = sorted({0, *range(first, size, _CELL_PIXELS), size})
    return [
        (low, high)
        for low, high in itertools.pairwise(edges)
        if low < start + count and start < high
    ]
