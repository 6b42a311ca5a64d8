"""One product at one place becomes index values, NaN where the ground was not seen."""

from collections.abc import Sequence
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import SourceError
from rsmonitor.interfaces import SceneSource
from rsmonitor.records.acquisition import Product
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.licence import SHANGHAI
from rsmonitor.records.parameters import Parameters
from rsmonitor.records.rasters import DAY_ZERO, SCENE, check
from rsmonitor.stages.clear import clear_ground
from rsmonitor.stages.geodesy import radius_pixels
from rsmonitor.stages.indices import available, bands_needed, spectral_indices

KEPT_BYTES: Final = 256 * 2**20
"""Looks are kept between two passes over a grid while they fit in this much."""

SCREENING_BANDS: Final = ("B03", "B11")
"""Bands that the clear-sky screen reads beside SCL."""


class Looks:
    """
    Read looks of one grid, and remember the last ones.

    Parameters
    ----------
    source : SceneSource
        Where scenes come from.
    grid : Grid
        The grid.
    parameters : Parameters
        Indices and clear-sky screen.

    Raises
    ------
    SourceError
        If the source's bands give none of the indices.
    """

    def __init__(self, source: SceneSource, grid: Grid, parameters: Parameters) -> None:
        wanted = parameters.evidence.indices
        self.grid = grid
        self.names = available(wanted, source.bands)
        if not self.names:
            raise SourceError(
                f"source {source.name} has bands {', '.join(source.bands) or 'none'}: "
                f"none of the indices {', '.join(wanted)} can be computed. "
                "B04 and B08 are the least"
            )
        self.left_out = tuple(name for name in wanted if name not in self.names)
        needed = bands_needed(self.names, source.bands)
        self._bands = tuple(
            band for band in source.bands if band in {*needed, *SCREENING_BANDS}
        )
        self._rows = [source.bands.index(band) for band in self._bands]
        self._source = source
        self._clear = parameters.clear
        self._grow = radius_pixels(grid, parameters.clear.grow_m)
        self._kept: dict[tuple[str, Block], NDArray[np.float32]] = {}
        self._kept_bytes = 0

    def values(self, product: Product, window: Block) -> NDArray[np.float32]:
        """
        Read the indices of a window.

        Parameters
        ----------
        product : Product
            Which look.
        window : Block
            Where; clouds outside it that reach in are seen.

        Returns
        -------
        ndarray of float32, shape (index, y, x)
            Indices in the order of `names`; NaN where the ground was not seen.

        Raises
        ------
        SourceError
            If the product cannot be read.
        """
        place = (product.product_id, window)
        kept = self._kept.get(place)
        if kept is not None:
            return kept
        around = window.with_halo(self._grow, self.grid)
        scene = check(self._source.load(product, self.grid, around), SCENE)
        reflectance = scene["reflectance"].to_numpy()[self._rows]
        clear, _ = clear_ground(
            reflectance,
            scene["scl"].to_numpy(),
            bands=self._bands,
            grow_pixels=self._grow,
            parameters=self._clear,
        )
        rows, cols = window.within(around)
        values = spectral_indices(
            reflectance[:, rows, cols], bands=self._bands, names=self.names
        )
        values[:, ~clear[rows, cols]] = np.nan
        # an index that failed makes the look unusable for all of them
        values[:, ~np.isfinite(values).all(axis=0)] = np.nan
        if self._kept_bytes + values.nbytes <= KEPT_BYTES:
            self._kept[place] = values
            self._kept_bytes += values.nbytes
        return values

    def sample(
        self, product: Product, blocks: Sequence[Block], step: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """
        Read the fixed sample of pixels from which scene statistics are taken.

        Parameters
        ----------
        product : Product
            Which look.
        blocks : sequence of Block
            Blocks that cover the grid.
        step : int
            Every how manieth row and column of the grid is in the sample.

        Returns
        -------
        values : ndarray of float32, shape (index, pixel)
            Indices; NaN where not seen.
        places : ndarray of int64, shape (pixel,)
            Row times grid width plus column; the same for any cutting into blocks.

        Raises
        ------
        SourceError
            If the product cannot be read.
        """
        found, where = [], []
        for block in blocks:
            rows = np.arange(
                -(-block.row // step) * step, block.row + block.height, step
            )
            cols = np.arange(
                -(-block.col // step) * step, block.col + block.width, step
            )
            if not (rows.size and cols.size):
                continue
            values = self.values(product, block)
            cut = values[:, (rows - block.row)[:, None], (cols - block.col)[None]]
            found.append(cut.reshape(len(self.names), -1))
            where.append((rows[:, None] * self.grid.width + cols[None]).reshape(-1))
        places = np.concatenate(where)
        order = np.argsort(places)
        return np.concatenate(found, axis=1)[:, order], places[order]

    def forget(self) -> None:
        """Let go of the looks that are remembered."""
        self._kept.clear()
        self._kept_bytes = 0


def day_of(product: Product) -> date:
    """
    Give the Shanghai day of a look.

    Parameters
    ----------
    product : Product
        The look.

    Returns
    -------
    date
        The day.
    """
    return product.sensed_at.astimezone(SHANGHAI).date()


def day_number(product: Product) -> int:
    """
    Give the Shanghai day of a look as state counts days.

    Parameters
    ----------
    product : Product
        The look.

    Returns
    -------
    int
        Days since 1970-01-01.
    """
    return int((np.datetime64(day_of(product), "D") - DAY_ZERO).astype(int))
