"""One product at one place: what was seen of it, for kernels and for the plain way."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import SourceError
from rsmonitor.interfaces import SceneSource, Scratch
from rsmonitor.pipeline.relief import Relief
from rsmonitor.records.acquisition import Product
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.licence import SHANGHAI
from rsmonitor.records.parameters import Parameters
from rsmonitor.records.rasters import DAY_ZERO
from rsmonitor.records.scene import SceneNumbers, ScreenedLook
from rsmonitor.stages.clear import ClearCounts
from rsmonitor.stages.fused.rows import index_values
from rsmonitor.stages.fused.screen import CLEAR, CLOUDY, POSSIBLE, screened
from rsmonitor.stages.geodesy import pixel_size_m, radius_pixels
from rsmonitor.stages.indices import available, bands_needed
from rsmonitor.stages.reflectance import reflectance_of
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

RESCUED_BY = "B04"
"""The band whose brightness tells bright ground from cloud."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """What one look shows of the fixed sample of pixels of a grid, or of a block."""

    values: NDArray[np.float32]
    """Indices; NaN where not seen, shape (index, pixel)."""

    places: NDArray[np.int64]
    """Row times grid width plus column, ascending, shape (pixel,)."""

    cloudy: NDArray[np.bool_]
    """True where SCL says cloud, shape (pixel,)."""

    @property
    def cloud_share(self) -> float:
        """Share that SCL calls cloud, 0 to 1."""
        return float(self.cloudy.mean())


class Looks:
    """
    Read looks of one grid.

    Parameters
    ----------
    source : SceneSource
        Where scenes come from.
    grid : Grid
        The grid.
    parameters : Parameters
        Indices and clear-sky screen.
    scratch : Scratch
        Keeps what was screened, so that it is read once.
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
        scratch: Scratch,
        relief: Relief | None = None,
    ) -> None:
        self.relief = relief
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
        self._kept_bands = tuple(
            band for band in self._bands if band in {*needed, RESCUED_BY}
        )
        self._source = source
        self._scratch = scratch
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

    def screened(
        self, product: Product, window: Block
    ) -> tuple[ScreenedLook, ClearCounts]:
        """
        Read and screen one look at a window.

        Parameters
        ----------
        product : Product
            Which look.
        window : Block
            Where; clouds outside it that reach in are seen.

        Returns
        -------
        look : ScreenedLook
            The bands of the indices, and flags.
        counts : ClearCounts
            What each screen removed.

        Raises
        ------
        SourceError
            If the product cannot be read.
        """
        place = (product.product_id, window)
        kept = self._scratch.get(place)
        if kept is not None:
            return kept
        around = window.with_halo(self._halo, self.grid)
        numbers = self._numbers(product, around)
        inside = window.within(around)
        seen = screened(
            numbers,
            window=inside,
            screening=self._screening,
            shadow=self._shadow(product, window),
        )
        look = ScreenedLook(
            numbers=numbers.cut(inside, self._kept_bands, classes=False),
            flags=seen.flags,
        )
        self._scratch.put(place, (look, seen.counts))
        return look, seen.counts

    def seen(
        self, product: Product, window: Block, shift: Shift | None = None
    ) -> NDArray[np.float32]:
        """
        Give the indices of a window where its ground was seen.

        Parameters
        ----------
        product : Product
            Which look.
        window : Block
            Where.
        shift : Shift, optional
            How far the scene lies off; it is put back.

        Returns
        -------
        ndarray of float32, shape (index, y, x)
            In the order of `names`; NaN where not seen.

        Raises
        ------
        SourceError
            If the product cannot be read.
        """
        if shift is not None:
            return self.sight(product, window, shift).seen
        look, _ = self.screened(product, window)
        return values_seen(look, self.names)

    def sight(self, product: Product, window: Block, shift: Shift) -> Sight:
        """
        Read one look at a window and put it back in its place, plainly.

        Parameters
        ----------
        product : Product
            Which look.
        window : Block
            Where; clouds outside it that reach in are seen.
        shift : Shift
            How far the scene lies off.

        Returns
        -------
        Sight
            Indices in the order of `names`, and what was seen.

        Raises
        ------
        SourceError
            If the product cannot be read.
        """
        rim = margin(shift)
        wider = window.with_halo(rim, self.grid)
        around = wider.with_halo(self._halo, self.grid)
        numbers = self._numbers(product, around)
        seen = sight(
            reflectance_of(numbers),
            numbers.scl,
            bands=numbers.bands,
            names=self.names,
            window=wider.within(around),
            screening=self._screening,
            shadow=self._shadow(product, wider),
            counted=window.within(around),
        )
        rows, cols = window.within(wider)
        missing = (
            (rim - rows.start, rim - (wider.height - rows.stop)),
            (rim - cols.start, rim - (wider.width - cols.stop)),
        )
        return put_back_sight(padded(seen, missing), shift)

    def sample(
        self, product: Product, block: Block, step: int, shift: Shift | None = None
    ) -> Sample:
        """
        Read what lies in a block of the fixed sample of pixels.

        Parameters
        ----------
        product : Product
            Which look.
        block : Block
            Where.
        step : int
            Every how manieth row and column of the grid is in the sample.
        shift : Shift, optional
            How far the scene lies off; it is put back.

        Returns
        -------
        Sample
            Of the block; may be empty.

        Raises
        ------
        SourceError
            If the product cannot be read.
        """
        rows, cols = sample_of(block, step)
        places = (rows[:, None] * self.grid.width + cols[None]).reshape(-1)
        if shift is not None:
            moved = self.sight(product, block, shift)
            cut = ((rows - block.row)[:, None], (cols - block.col)[None])
            values, cloudy = moved.seen[:, *cut], moved.cloudy[cut]
        else:
            look, _ = self.screened(product, block)
            cut = ((rows - block.row)[:, None], (cols - block.col)[None])
            values = values_seen(look, self.names, rows - block.row)[
                :, :, cols - block.col
            ]
            cloudy = (look.flags[cut] & CLOUDY) > 0
        return Sample(
            values=values.reshape(len(self.names), -1),
            places=places,
            cloudy=cloudy.reshape(-1),
        )

    def _numbers(self, product: Product, window: Block) -> SceneNumbers:
        """Read the bands that are needed."""
        numbers = self._source.numbers(product, self.grid, window)
        if set(numbers.bands) == set(self._bands):
            return numbers
        whole = (slice(0, window.height), slice(0, window.width))
        return numbers.cut(whole, self._bands)

    def _shadow(self, product: Product, window: Block) -> NDArray[np.bool_] | None:
        """Say what lies in the shadow of relief."""
        return None if self.relief is None else self.relief.shadow(product, window)


def sample_of(block: Block, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """
    Give the rows and columns of a block that are in the fixed sample of its grid.

    Parameters
    ----------
    block : Block
        The block.
    step : int
        Every how manieth row and column of the grid is in the sample.

    Returns
    -------
    rows, cols : ndarray of int64
        Of the grid; may be empty.

    Examples
    --------
    >>> rows, cols = sample_of(Block(row=5, col=0, height=4, width=7), 3)
    >>> rows.tolist(), cols.tolist()
    ([6], [0, 3, 6])
    """
    rows = np.arange(-(-block.row // step) * step, block.row + block.height, step)
    cols = np.arange(-(-block.col // step) * step, block.col + block.width, step)
    return rows, cols


def whole_sample(parts: Sequence[Sample]) -> Sample:
    """
    Join the samples of the blocks of a grid.

    Parameters
    ----------
    parts : sequence of Sample
        Of all blocks, in any order.

    Returns
    -------
    Sample
        The same for any cutting into blocks.
    """
    places = np.concatenate([part.places for part in parts])
    order = np.argsort(places)
    return Sample(
        values=np.concatenate([part.values for part in parts], axis=1)[:, order],
        places=places[order],
        cloudy=np.concatenate([part.cloudy for part in parts])[order],
    )


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


def values_seen(
    look: ScreenedLook, names: tuple[str, ...], rows: NDArray[np.int64] | None = None
) -> NDArray[np.float32]:
    """
    Compute indices of some rows of a look where the ground was seen.

    Parameters
    ----------
    look : ScreenedLook
        The look.
    names : tuple of str
        Indices.
    rows : ndarray of int64, optional
        Rows of the window; all by default.

    Returns
    -------
    ndarray of float32, shape (index, row, x)
        NaN where not seen.
    """
    if rows is None:
        rows = np.arange(look.flags.shape[0])
    values = index_values(look.numbers, names, (look.flags & POSSIBLE) > 0, rows)
    values[:, (look.flags[rows] & CLEAR) == 0] = np.nan
    return values
