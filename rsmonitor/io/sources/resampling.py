"""Coarser bands brought to the pixels of a finer grid, block by block.

Every value is a function of the grids and the stored values alone, never of the block
that asks for it: a block reads the coarse pixels it needs beyond its own edges.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import SourceError
from rsmonitor.records.grid import Block, Grid

_TOLERANCE: Final = 0.01
"""Edges may be off by this share of a fine pixel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where the pixels of a fine grid lie in a coarser one, or in an equal one."""

    ratio_y: int
    """Fine rows in a coarse row."""

    ratio_x: int
    """Fine columns in a coarse column."""

    row: int
    """Fine rows between the northern edge of the coarse grid and the fine grid."""

    col: int
    """Fine columns between the western edge of the coarse grid and the fine grid."""

    height: int
    """Rows of the coarse grid."""

    width: int
    """Columns of the coarse grid."""

    @property
    def is_same_pixels(self) -> bool:
        """True if both grids have pixels of one size: nothing is resampled."""
        return self.ratio_y == 1 and self.ratio_x == 1

    def window(self, block: Block) -> Block:
        """
        Give the coarse pixels that a block of the fine grid depends on.

        Parameters
        ----------
        block : Block
            Of the fine grid.

        Returns
        -------
        Block
            Of the coarse grid: the pixels under the block and those beside them.
        """
        row, height = _span(self._rows(block), self.height)
        col, width = _span(self._cols(block), self.width)
        return Block(row=row, col=col, height=height, width=width)

    def nearest(self, coarse: NDArray[Any], block: Block) -> NDArray[Any]:
        """
        Repeat coarse pixels: for classes, which have no in-between.

        Parameters
        ----------
        coarse : ndarray, shape of ``window(block)``
            Values of the coarse pixels in the window.
        block : Block
            Of the fine grid.

        Returns
        -------
        ndarray, shape of `block`
            To each fine pixel the value of the coarse pixel that holds it.
        """
        window = self.window(block)
        rows, cols = self._rows(block), self._cols(block)
        return coarse[np.ix_(rows.holder - window.row, cols.holder - window.col)]

    def bilinear(
        self, coarse: NDArray[np.float32], block: Block
    ) -> NDArray[np.float32]:
        """
        Interpolate reflectance between the centres of coarse pixels.

        A fine pixel is NaN exactly where the coarse pixel that holds it is NaN.
        Elsewhere the up to four coarse pixels around it count by their bilinear
        weights; those that are NaN are left out and the other weights scaled up, so
        nothing is invented and nothing measured is lost beside a gap. Beyond the
        outermost centres the outermost value holds.

        Parameters
        ----------
        coarse : ndarray of float32, shape of ``window(block)``
            Values of the coarse pixels in the window; NaN where not measured.
        block : Block
            Of the fine grid.

        Returns
        -------
        ndarray of float32, shape of `block`
            Within the range of the coarse values around.
        """
        if self.is_same_pixels:
            return coarse
        window = self.window(block)
        rows, cols = self._rows(block), self._cols(block)
        measured = ~np.isnan(coarse)
        values = np.where(measured, coarse, np.float32(0)).astype(np.float64)
        total = _between(values, rows, cols, window)
        weight = _between(measured.astype(np.float64), rows, cols, window)
        held = measured[np.ix_(rows.holder - window.row, cols.holder - window.col)]
        fine = np.full((block.height, block.width), np.nan)
        np.divide(total, weight, out=fine, where=held)
        return fine.astype(np.float32)

    def _rows(self, block: Block) -> "_Neighbours":
        """Coarse rows that the rows of a block lie in and between."""
        return _neighbours(
            self.row + block.row, block.height, self.ratio_y, self.height
        )

    def _cols(self, block: Block) -> "_Neighbours":
        """Coarse columns that the columns of a block lie in and between."""
        return _neighbours(self.col + block.col, block.width, self.ratio_x, self.width)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Neighbours:
    """Along one axis: to each fine pixel its coarse pixels."""

    holder: NDArray[np.intp]
    before: NDArray[np.intp]
    after: NDArray[np.intp]
    weight_after: NDArray[np.float64]


def placement(coarse: Grid, fine: Grid) -> Placement:
    """
    Find where a fine grid lies in a coarser or equal one.

    Parameters
    ----------
    coarse : Grid
        Grid with the larger pixels.
    fine : Grid
        Grid with the smaller pixels, in the same CRS.

    Returns
    -------
    Placement
        Whole numbers of fine pixels.

    Raises
    ------
    SourceError
        If pixel sizes are not whole multiples, if edges are more than 1 % of a fine
        pixel apart, or if the coarse grid does not cover the fine one.
    """
    ratio_y, row = _along_axis(
        "y",
        (coarse.top, coarse.bottom, coarse.height),
        (fine.top, fine.bottom, fine.height),
    )
    ratio_x, col = _along_axis(
        "x",
        (coarse.left, coarse.right, coarse.width),
        (fine.left, fine.right, fine.width),
    )
    return Placement(
        ratio_y=ratio_y,
        ratio_x=ratio_x,
        row=row,
        col=col,
        height=coarse.height,
        width=coarse.width,
    )


def _along_axis(
    axis: str, coarse: tuple[float, float, int], fine: tuple[float, float, int]
) -> tuple[int, int]:
    """Fine pixels in a coarse one, and between the first edges of both."""
    coarse_start, coarse_end, coarse_count = coarse
    fine_start, fine_end, fine_count = fine
    pixel = (fine_end - fine_start) / fine_count
    coarse_pixel = (coarse_end - coarse_start) / coarse_count
    ratio = round(coarse_pixel / pixel)
    before = (fine_start - coarse_start) / pixel
    behind = (coarse_end - fine_end) / pixel
    numbers = (
        f"{axis} from {coarse_start} to {coarse_end} in {coarse_count} pixels of "
        f"{abs(coarse_pixel):.10g}, against {fine_start} to {fine_end} in "
        f"{fine_count} pixels of {abs(pixel):.10g}"
    )
    if ratio < 1 or abs(ratio * coarse_count - before - behind - fine_count) > (
        _TOLERANCE
    ):
        raise SourceError(f"{numbers}: pixel sizes must be whole multiples")
    if abs(before - round(before)) > _TOLERANCE or (
        abs(behind - round(behind)) > _TOLERANCE
    ):
        raise SourceError(
            f"{numbers}: edges are {before:.4g} and {behind:.4g} fine pixels apart; "
            "they must be whole numbers, to 1 %"
        )
    if round(before) < 0 or round(behind) < 0:
        raise SourceError(f"{numbers}: the coarser grid must cover the finer one")
    return ratio, round(before)


def _neighbours(start: int, count: int, ratio: int, size: int) -> _Neighbours:
    """Neighbours of `count` fine pixels from `start`; whole numbers, so exact."""
    fine = np.arange(start, start + count)
    # a fine centre lies (2 fine + 1 - ratio) / (2 ratio) coarse pixels behind the
    # first coarse centre
    before, remainder = np.divmod(2 * fine + 1 - ratio, 2 * ratio)
    return _Neighbours(
        holder=fine // ratio,
        before=np.clip(before, 0, size - 1),
        after=np.clip(before + (remainder > 0), 0, size - 1),
        weight_after=remainder / (2 * ratio),
    )


def _span(neighbours: _Neighbours, size: int) -> tuple[int, int]:
    """First coarse pixel and number of coarse pixels that an axis needs."""
    first = int(neighbours.before[0])
    last = min(int(neighbours.after[-1]), size - 1)
    return first, last - first + 1


def _between(
    values: NDArray[np.float64], rows: _Neighbours, cols: _Neighbours, window: Block
) -> NDArray[np.float64]:
    """Weight along y, then along x."""
    south = rows.weight_after[:, None]
    east = cols.weight_after[None, :]
    by_row = (
        values[rows.before - window.row] * (1 - south)
        + values[rows.after - window.row] * south
    )
    return np.asarray(
        by_row[:, cols.before - window.col] * (1 - east)
        + by_row[:, cols.after - window.col] * east,
        dtype=np.float64,
    )
