"""Two composites of one grid for people: before the watch began, and now.

Both are taken from the same season, because a map that compares summer with winter
shows the year and not the digging. A grid is read block by block, and of a large one
every so many rows and columns are kept: the picture of a whole tile takes no more
memory than that of a valley.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import NoClearObservationError, SourceError
from rsmonitor.interfaces import SceneSource
from rsmonitor.pipeline.looks import day_of
from rsmonitor.records.acquisition import Product
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.parameters import ClearParameters, Parameters
from rsmonitor.records.scene import SceneNumbers
from rsmonitor.stages.clear import clear_ground, grow
from rsmonitor.stages.composite import bands_shown, true_colour
from rsmonitor.stages.fused.composite import median_of_looks
from rsmonitor.stages.geodesy import radius_pixels
from rsmonitor.stages.reflectance import as_numbers, reflectance_of

LOOKS: Final = 6
"""Looks behind a composite: enough for a median, few enough to be one moment."""

SEEN_SHARE: Final = 0.6
"""Share of the grid that a look must show to be taken."""

LONGEST_SIDE: Final = 1400
"""Pixels of a side that are kept of a large grid, at most: more than a map shows."""

MOST_PIXELS: Final = LONGEST_SIDE**2
"""Of grids with more, every so many rows and columns are kept."""

BLOCK: Final = 1024
"""Rows and columns that are read at once; two of the tiles that most files are cut
into."""

DAYS_OF_YEAR: Final = 365.25
BRIGHTEST: Final = 0.16
"""Reflectance drawn as white: bare soil is about this bright in red."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Composite:
    """An image and the days of the looks behind it."""

    rgb: NDArray[np.uint8]
    """Colours, shape (y, x, 3): of all pixels, or of every so many of a large grid."""

    days: tuple[date, ...]
    """Days of the looks, oldest first."""

    true_colour: bool
    """False where near infrared stands for blue, which the source lacks."""


def before_and_after(
    source: SceneSource,
    grid: Grid,
    products: Sequence[Product],
    *,
    parameters: Parameters,
) -> tuple[Composite, Composite]:
    """
    Make the composites of a grid.

    Parameters
    ----------
    source : SceneSource
        Where scenes come from.
    grid : Grid
        The grid.
    products : sequence of Product
        Everything up to the day of the map, oldest first.
    parameters : Parameters
        The clear-sky screen, and where the history ends.

    Returns
    -------
    before : Composite
        From the last looks of the history in the season of `after`.
    after : Composite
        From the last looks that showed most of the grid.

    Raises
    ------
    NoClearObservationError
        If no look shows enough of the grid.
    """
    until = parameters.history.until
    reader = _Reader(source, grid, parameters)
    latest = _latest(reader, grid, products, parameters)
    after = reader.composite(latest)
    season = float(np.median([day_of(p).timetuple().tm_yday for p in latest]))
    past = [p for p in products if day_of(p) <= until]
    earlier = reader.newest(
        [p for p in past if _apart(p, season) <= DAYS_OF_YEAR / 8]
    ) or reader.newest(past)
    return reader.composite(earlier) if earlier else after, after


def newest_composite(
    source: SceneSource,
    grid: Grid,
    products: Sequence[Product],
    *,
    parameters: Parameters,
) -> Composite:
    """
    Make the composite of a grid as it is now: half the work of `before_and_after`.

    Parameters
    ----------
    source : SceneSource
        Where scenes come from.
    grid : Grid
        The grid.
    products : sequence of Product
        Everything up to the day of the map, oldest first.
    parameters : Parameters
        The clear-sky screen, and where the history ends.

    Returns
    -------
    Composite
        What `before_and_after` gives as its second.

    Raises
    ------
    NoClearObservationError
        If no look shows enough of the grid.
    """
    reader = _Reader(source, grid, parameters)
    return reader.composite(_latest(reader, grid, products, parameters))


def steps(grid: Grid) -> tuple[int, int]:
    """
    Say how many rows and columns of a grid one of its picture stands for.

    Parameters
    ----------
    grid : Grid
        The grid.

    Returns
    -------
    down, along : int
        1 and 1 of a grid of `MOST_PIXELS` and less.

    Examples
    --------
    >>> tile = Grid(
    ...     crs="EPSG:32650",
    ...     left=0,
    ...     top=0,
    ...     pixel_width=10,
    ...     pixel_height=10,
    ...     height=10_980,
    ...     width=10_980,
    ... )
    >>> steps(tile)
    (8, 8)
    """
    if grid.height * grid.width <= MOST_PIXELS:
        return 1, 1
    return -(-grid.height // LONGEST_SIDE), -(-grid.width // LONGEST_SIDE)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Kept:
    """What a picture takes of one look, or of a block of it, thinned."""

    numbers: SceneNumbers
    """Bands that are shown, all of them as fine ones."""

    clear: NDArray[np.bool_]
    """True where the ground was seen, shape (y, x)."""


class _Reader:
    """Read looks once, choose, and make composites of them."""

    def __init__(self, source: SceneSource, grid: Grid, parameters: Parameters) -> None:
        self._source, self._grid = source, grid
        self._clear = parameters.clear
        self._grow = radius_pixels(grid, parameters.clear.grow_m)
        self._shown = bands_shown(source.bands)
        self._steps = steps(grid)
        self._read: dict[str, _Kept] = {}

    def newest(self, products: Sequence[Product]) -> list[Product]:
        """Choose the newest looks that show enough, oldest first."""
        chosen: list[Product] = []
        for product in reversed(products):
            if len(chosen) == LOOKS:
                break
            try:
                look = self._look(product)
            except SourceError:
                continue  # the run that could not read it has said so
            if look.clear.mean() >= SEEN_SHARE:
                chosen.append(product)
            else:
                del self._read[product.product_id]
        return chosen[::-1]

    def composite(self, products: Sequence[Product]) -> Composite:
        """Take the median of some looks, and let go of them."""
        looks = [self._read.pop(product.product_id) for product in products]
        numbers = _of_one_scale([look.numbers for look in looks])
        stack: Any = np.stack([look.fine for look in numbers])  # of one type
        median, _ = median_of_looks(
            stack,
            np.stack([look.clear for look in looks]),
            add_offset=numbers[0].add_offset,
            quantification_value=numbers[0].quantification_value,
        )
        return Composite(
            rgb=true_colour(median, self._shown, BRIGHTEST),
            days=tuple(sorted(day_of(product) for product in products)),
            true_colour="B02" in self._shown,
        )

    def _look(self, product: Product) -> _Kept:
        """Read a look, once."""
        if product.product_id not in self._read:
            blocks = list(self._grid.blocks(BLOCK))
            parts = [self._part(product, block) for block in blocks]
            self._read[product.product_id] = self._whole(blocks, parts)
        return self._read[product.product_id]

    def _part(self, product: Product, block: Block) -> _Kept:
        """Read and screen a block, and keep every so many of its rows and columns."""
        around = block.with_halo(self._grow, self._grid)
        numbers = self._source.numbers(product, self._grid, around)
        thin, reach = self._thin(block, around), self._grow
        if self._steps != (1, 1):
            # of what lies between nothing is needed but clouds that reach over
            numbers = _sampled(numbers, thin, reach, self._clear)
            thin, reach = (slice(None), slice(None)), 0
        reflectance = reflectance_of(numbers)
        clear, _ = clear_ground(
            reflectance,
            numbers.scl,
            bands=numbers.bands,
            grow_pixels=reach,
            parameters=self._clear,
        )
        scl = numbers.scl[thin].copy()
        if set(self._shown) <= set(numbers.fine_bands):
            fine = [numbers.fine_bands.index(band) for band in self._shown]
            kept = SceneNumbers(
                fine_bands=self._shown,
                coarse_bands=(),
                fine=numbers.fine[fine][:, *thin].copy(),
                coarse=np.empty((0, 0, 0), dtype=numbers.fine.dtype),
                ratio=1,
                row=0,
                col=0,
                scl=scl,
                add_offset=numbers.add_offset,
                quantification_value=numbers.quantification_value,
            )
        else:
            rows = [numbers.bands.index(band) for band in self._shown]
            kept = as_numbers(reflectance[rows][:, *thin].copy(), scl, self._shown)
        return _Kept(numbers=kept, clear=clear[thin].copy())

    def _whole(self, blocks: Sequence[Block], parts: Sequence[_Kept]) -> _Kept:
        """Lay blocks side by side."""
        down, along = self._steps
        shape = (-(-self._grid.height // down), -(-self._grid.width // along))
        numbers = _of_one_scale([part.numbers for part in parts])
        fine = np.empty((len(self._shown), *shape), dtype=numbers[0].fine.dtype)
        scl, clear = np.empty(shape, dtype=np.uint8), np.empty(shape, dtype=np.bool_)
        for block, part, number in zip(blocks, parts, numbers, strict=True):
            row, col = -(-block.row // down), -(-block.col // along)
            rows = slice(row, row + part.clear.shape[0])
            cols = slice(col, col + part.clear.shape[1])
            fine[:, rows, cols] = number.fine
            scl[rows, cols] = number.scl
            clear[rows, cols] = part.clear
        return _Kept(numbers=replace(numbers[0], fine=fine, scl=scl), clear=clear)

    def _thin(self, block: Block, around: Block) -> tuple[slice, slice]:
        """Rows and columns of a block that are kept, in the arrays of a larger one."""
        down, along = self._steps
        rows, cols = block.within(around)
        # counted from the edge of the grid, so the same whatever the blocks are
        return (
            slice(rows.start + -block.row % down, rows.stop, down),
            slice(cols.start + -block.col % along, cols.stop, along),
        )


def _latest(
    reader: _Reader, grid: Grid, products: Sequence[Product], parameters: Parameters
) -> list[Product]:
    """Choose the looks of the composite after; of the history where none is later."""
    until = parameters.history.until
    latest = reader.newest([p for p in products if day_of(p) > until])
    latest = latest or reader.newest(list(products))
    if not latest:
        raise NoClearObservationError(
            f"no look shows {SEEN_SHARE:.0%} of grid {grid.grid_id}, so there is no "
            "image to draw"
        )
    return latest


def _sampled(
    numbers: SceneNumbers,
    thin: tuple[slice, slice],
    reach: int,
    parameters: ClearParameters,
) -> SceneNumbers:
    """Keep some rows and columns, clouds grown; of coarse bands what holds them."""
    rows, cols = (np.arange(side.start, side.stop, side.step) for side in thin)
    height, width = numbers.scl.shape
    scl = numbers.scl[thin].copy()
    spreads = np.isin(np.arange(256), parameters.grown_classes)[numbers.scl]
    one = np.zeros((2 * reach + 1, 2 * reach + 1), dtype=np.bool_)
    one[reach, reach] = True
    near = np.zeros(scl.shape, dtype=np.bool_)
    for y, x in np.argwhere(grow(one, reach)) - reach:
        # what lies at the rim is no farther than what would lie beyond it
        down, along = np.clip(rows + y, 0, height - 1), np.clip(cols + x, 0, width - 1)
        near |= spreads[np.ix_(down, along)]
    if near.any():
        scl[near] = parameters.grown_classes[0]
    fine: Any = numbers.fine[:, *thin].copy()
    if numbers.coarse_bands:
        held = numbers.coarse[:, (rows - numbers.row) // numbers.ratio]
        held = held[:, :, (cols - numbers.col) // numbers.ratio]
        fine = np.concatenate([fine, held])
    return replace(
        numbers,
        fine_bands=numbers.bands,
        coarse_bands=(),
        fine=fine,
        coarse=fine[:0],
        ratio=1,
        row=0,
        col=0,
        scl=scl,
    )


def _of_one_scale(numbers: Sequence[SceneNumbers]) -> Sequence[SceneNumbers]:
    """Give numbers that mean the same everywhere; as reflectance where they do not."""
    scales = {
        (one.fine.dtype, one.add_offset, one.quantification_value) for one in numbers
    }
    if len(scales) == 1:
        return numbers
    return [as_numbers(reflectance_of(one), one.scl, one.fine_bands) for one in numbers]


def _apart(product: Product, season: float) -> float:
    """Days between a look and a day of the year, around the turn of the year."""
    days = abs(day_of(product).timetuple().tm_yday - season)
    return min(days, DAYS_OF_YEAR - days)
