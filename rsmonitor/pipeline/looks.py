"""One product at one place becomes index values, NaN where the ground was not seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import SourceError
from rsmonitor.interfaces import SceneSource
from rsmonitor.pipeline.relief import Relief
from rsmonitor.records.acquisition import Product
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.licence import SHANGHAI
from rsmonitor.records.parameters import Parameters
from rsmonitor.records.rasters import DAY_ZERO, SCENE, check
from rsmonitor.stages.geodesy import pixel_size_m, radius_pixels
from rsmonitor.stages.indices import available, bands_needed
from rsmonitor.stages.registration import Shift, margin
from rsmonitor.stages.rescue import rescue_halo
from rsmonitor.stages.sight import (
    SCREENING_BANDS,
    Screening,
    Sight,
    padded,
    put_back_sight,
    sight,
)

KEPT_BYTES: Final = 256 * 2**20
"""Looks are kept between two passes over a grid while they fit in this much."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """What one look shows of the fixed sample of pixels of a grid."""

    values: NDArray[np.float32]
    """Indices; NaN where not seen, shape (index, pixel)."""

    places: NDArray[np.int64]
    """Row times grid width plus column, ascending, shape (pixel,)."""

    cloud_share: float
    """Share that SCL calls cloud, 0 to 1."""


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
    relief : Relief, optional
        Its shadow is not ground that was seen.

    Raises
    ------
    SourceError
        If the source's bands give none of the indices.
    """

    def __init__(
        self,
        source: SceneSource,
        grid: Grid,
        parameters: Parameters,
        relief: Relief | None = None,
    ) -> None:
        self._relief = relief
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
        self._screening = Screening(
            pixel_m=min(pixel_size_m(grid)),
            grow_pixels=radius_pixels(grid, parameters.clear.grow_m),
            clear=parameters.clear,
            rescue=parameters.rescue,
        )
        self._halo = rescue_halo(
            self._screening.pixel_m,
            grow_pixels=self._screening.grow_pixels,
            parameters=parameters.rescue,
        )
        self._kept: dict[tuple[str, Block, Shift | None], Sight] = {}
        self._kept_bytes = 0

    def sight(
        self, product: Product, window: Block, shift: Shift | None = None
    ) -> Sight:
        """
        Read one look at a window.

        Parameters
        ----------
        product : Product
            Which look.
        window : Block
            Where; clouds outside it that reach in are seen.
        shift : Shift, optional
            How far the scene lies off; it is put back.

        Returns
        -------
        Sight
            Indices in the order of `names`, and what was seen.

        Raises
        ------
        SourceError
            If the product cannot be read.
        """
        place = (product.product_id, window, shift)
        kept = self._kept.get(place)
        if kept is not None:
            return kept
        if shift is None:
            seen = self._read(product, window)
        else:
            seen = self._moved(product, window, shift)
        if self._kept_bytes + seen.nbytes <= KEPT_BYTES:
            self._kept[place] = seen
            self._kept_bytes += seen.nbytes
        return seen

    def _moved(self, product: Product, window: Block, shift: Shift) -> Sight:
        """Read with a margin, and put back."""
        rim = margin(shift)
        around = window.with_halo(rim, self.grid)
        rows, cols = window.within(around)
        seen = self._read(product, around, window)
        missing = (
            (rim - rows.start, rim - (around.height - rows.stop)),
            (rim - cols.start, rim - (around.width - cols.stop)),
        )
        return put_back_sight(padded(seen, missing), shift)

    def _read(
        self, product: Product, window: Block, counted: Block | None = None
    ) -> Sight:
        """Read a window as it lies."""
        around = window.with_halo(self._halo, self.grid)
        scene = check(self._source.load(product, self.grid, around), SCENE)
        return sight(
            scene["reflectance"].to_numpy()[self._rows],
            scene["scl"].to_numpy(),
            bands=self._bands,
            names=self.names,
            window=window.within(around),
            screening=self._screening,
            shadow=(
                None if self._relief is None else self._relief.shadow(product, window)
            ),
            counted=(counted or window).within(around),
        )

    def sample(
        self,
        product: Product,
        blocks: Sequence[Block],
        step: int,
        shift: Shift | None = None,
    ) -> Sample:
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
        shift : Shift, optional
            How far the scene lies off; it is put back.

        Returns
        -------
        Sample
            The same for any cutting into blocks.

        Raises
        ------
        SourceError
            If the product cannot be read.
        """
        found, where, clouds = [], [], []
        for block in blocks:
            rows = np.arange(
                -(-block.row // step) * step, block.row + block.height, step
            )
            cols = np.arange(
                -(-block.col // step) * step, block.col + block.width, step
            )
            if not (rows.size and cols.size):
                continue
            seen = self.sight(product, block, shift)
            cut = ((rows - block.row)[:, None], (cols - block.col)[None])
            found.append(seen.seen[:, *cut].reshape(len(self.names), -1))
            clouds.append(seen.cloudy[cut].reshape(-1))
            where.append((rows[:, None] * self.grid.width + cols[None]).reshape(-1))
        places = np.concatenate(where)
        order = np.argsort(places)
        return Sample(
            values=np.concatenate(found, axis=1)[:, order],
            places=places[order],
            cloud_share=float(np.concatenate(clouds).mean()),
        )

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
