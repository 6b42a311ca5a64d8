r"""
What a scene shares around each place: haze, light and the common year.

A scene departs from the reference as a whole, and more here than there: haze hangs in
one valley. So its offset and its noise are estimated by cell and its neighbours, from a
fixed sample of pixels, and laid between the centres of cells by bilinear
interpolation. Cells are anchored to the grid, never to blocks: there are no seams, and
the result is the same for any cutting into blocks.

What a cell shows is drawn towards the whole scene where its sample is small. With
:math:`n` sample pixels in a cell and its neighbours, local median :math:`m` and scene
median :math:`M`,

.. math::

   o = \frac{n\,m + k\,M}{n + k}, \qquad
   s^2 = \frac{n\,\ell^2 + k\,(L^2 + B^2)}{n + k}

where :math:`\ell` and :math:`L` are the local and the scene's spread and :math:`B` is
the scatter of cells about the scene: a cell in which little was seen is believed less,
since how much it departs from the scene can only be guessed. It is assumed that most
of the sample of a cell and its neighbours is undisturbed ground, and that haze and
light change little over a cell.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

MAD_TO_SIGMA: Final = 1.4826
"""Median absolute deviation of a normal distribution to its standard deviation."""

CELL_STEPS: Final = 10
"""Steps of the sample's lattice along the side of a cell: 100 sample pixels in a cell,
900 with its neighbours."""

LEAST_CELL: Final = 48
"""Least side of a cell, pixels: with its neighbours larger than what is looked for."""

LEAST_CELLS: Final = 3
"""A grid that gives fewer cells a side is one cell: its neighbours are all there is."""

PULL: Final = 50.0
"""Sample pixels that the scene as a whole counts for in a cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """A lattice of cells over a grid."""

    height: int
    """Rows of the grid."""

    width: int
    """Columns of the grid."""

    rows: int
    """Cells from top to bottom."""

    cols: int
    """Cells from left to right."""

    @classmethod
    def over(cls, shape: tuple[int, int], step: int) -> "Cells":
        """
        Lay cells over a grid.

        Parameters
        ----------
        shape : tuple of int = (height, width)
            Of the grid, pixels.
        step : int
            Step of the sample's lattice, pixels.

        Returns
        -------
        Cells
            One cell where the grid is too small to tell places apart.
        """
        side = max(CELL_STEPS * step, LEAST_CELL)
        rows, cols = (
            n if (n := round(length / side)) >= LEAST_CELLS else 1 for length in shape
        )
        return cls(height=shape[0], width=shape[1], rows=rows, cols=cols)

    def of(self, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> NDArray[np.int64]:
        """
        Give the cell of each pixel.

        Parameters
        ----------
        rows : ndarray of int64
            Rows in the grid.
        cols : ndarray of int64
            Columns in the grid, same shape.

        Returns
        -------
        ndarray of int64
            Number of the cell, row by row.
        """
        down = rows * self.rows // self.height
        along = cols * self.cols // self.width
        cells: NDArray[np.int64] = down * self.cols + along
        return cells

    def at(
        self, values: NDArray[np.float32], rows: slice, cols: slice
    ) -> NDArray[np.float32]:
        """
        Lay values of cells over a window, without steps at their borders.

        Parameters
        ----------
        values : ndarray of float32, shape (index, cell)
            One value a cell.
        rows : slice
            Rows of the window in the grid.
        cols : slice
            Columns of the window in the grid.

        Returns
        -------
        ndarray of float32, shape (index, y, x)
            Bilinear between the centres of cells, constant beyond the outermost.
        """
        lattice = values.reshape(-1, self.rows, self.cols)
        top, down = cells_between(rows, self.height, self.rows)
        left, along = cells_between(cols, self.width, self.cols)
        bottom = np.minimum(top + 1, self.rows - 1)
        right = np.minimum(left + 1, self.cols - 1)
        along = along[None, None, :]
        upper = lattice[:, top][:, :, left] * (1 - along)
        upper = upper + lattice[:, top][:, :, right] * along
        lower = lattice[:, bottom][:, :, left] * (1 - along)
        lower = lower + lattice[:, bottom][:, :, right] * along
        down = down[None, :, None]
        laid: NDArray[np.float32] = upper * (1 - down) + lower * down
        return laid


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Levels:
    """What a scene shares around each place."""

    offset: NDArray[np.float32]
    """Departure of the common cover, index units, shape (index, cell)."""

    spread: NDArray[np.float32]
    """Scatter of the sample about it, index units, shape (index, cell)."""

    weak: int
    """Cells that show less than the scene as a whole counts for: drawn towards it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shared:
    """What a scene shares, laid over the pixels of a window."""

    offset: NDArray[np.float32]
    """What the common cover departs, shape (index, y, x) or (index, 1, 1)."""

    noise: NDArray[np.float32]
    """How much noisier than usual, at least 1, same shape."""


def levels(
    residuals: NDArray[np.floating], cell: NDArray[np.int64], cells: Cells
) -> Levels:
    """
    Estimate what a scene shares, by cell.

    Parameters
    ----------
    residuals : ndarray of float, shape (index, pixel)
        Departures of the sample from the reference; NaN where not seen.
    cell : ndarray of int64, shape (pixel,)
        Cell of each sample pixel.
    cells : Cells
        The lattice.

    Returns
    -------
    Levels
        NaN everywhere if nothing was seen.
    """
    kept = np.isfinite(residuals).all(axis=0)
    seen = np.asarray(residuals, dtype=np.float64)[:, kept]
    n_index, count = seen.shape
    n_cells = cells.rows * cells.cols
    if count == 0:
        nothing = np.full((n_index, n_cells), np.nan, dtype=np.float32)
        return Levels(offset=nothing, spread=nothing.copy(), weak=n_cells)
    whole = np.median(seen, axis=1)
    wide = MAD_TO_SIGMA * np.median(np.abs(seen - whole[:, None]), axis=1)
    if n_cells == 1:
        return Levels(
            offset=whole[:, None].astype(np.float32),
            spread=wide[:, None].astype(np.float32),
            weak=0,
        )
    number, local, near = _by_cell(seen, cell[kept], cells)
    known = number > 0
    between = np.zeros(n_index)
    if known.any():
        apart = np.abs(local[:, known] - whole[:, None])
        between = MAD_TO_SIGMA * np.median(apart, axis=1)
    own = number / (number + PULL)
    offset = own * np.where(known, local, 0) + (1 - own) * whole[:, None]
    guessed = (wide**2 + between**2)[:, None]
    variance = own * np.where(known, near, 0) ** 2 + (1 - own) * guessed
    return Levels(
        offset=offset.astype(np.float32),
        spread=np.sqrt(variance).astype(np.float32),
        weak=int((number < PULL).sum()),
    )


def _by_cell(
    seen: NDArray[np.float64], cell: NDArray[np.int64], cells: Cells
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Count, median and spread of each cell with its eight neighbours."""
    n_cells = cells.rows * cells.cols
    order = np.argsort(cell, kind="stable")
    bounds = np.searchsorted(cell[order], np.arange(n_cells + 1))
    inside = [order[bounds[c] : bounds[c + 1]] for c in range(n_cells)]
    number = np.zeros(n_cells, dtype=np.int64)
    local = np.full((seen.shape[0], n_cells), np.nan)
    near = np.full((seen.shape[0], n_cells), np.nan)
    for row in range(cells.rows):
        for col in range(cells.cols):
            around = [
                inside[r * cells.cols + c]
                for r in range(max(row - 1, 0), min(row + 2, cells.rows))
                for c in range(max(col - 1, 0), min(col + 2, cells.cols))
            ]
            pixels = np.concatenate(around)
            c = row * cells.cols + col
            number[c] = pixels.size
            if pixels.size:
                values = seen[:, pixels]
                local[:, c] = np.median(values, axis=1)
                spread = np.median(np.abs(values - local[:, c, None]), axis=1)
                near[:, c] = MAD_TO_SIGMA * spread
    return number, local, near


def cells_between(
    window: slice, length: int, count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """
    Say between which two cells each row or column lies, and how far along.

    Parameters
    ----------
    window : slice
        Rows or columns of the grid.
    length : int
        Rows or columns that the grid has.
    count : int
        Cells along that axis.

    Returns
    -------
    first : ndarray of int64
        The cell before.
    share : ndarray of float32
        How far on the way to the next, 0 to 1.
    """
    place = (np.arange(window.start, window.stop) + 0.5) * count / length - 0.5
    place = np.clip(place, 0, count - 1)
    first = np.minimum(place.astype(np.int64), max(count - 2, 0))
    return first, (place - first).astype(np.float32)
