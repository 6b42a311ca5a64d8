"""Two composites of one grid for people: before the watch began, and now.

Both are taken from the same season, because a map that compares summer with winter
shows the year and not the digging.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import NoClearObservationError, SourceError
from rsmonitor.interfaces import SceneSource
from rsmonitor.pipeline.looks import day_of
from rsmonitor.records.acquisition import Product
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.parameters import Parameters
from rsmonitor.stages.clear import clear_ground
from rsmonitor.stages.composite import median_composite, true_colour
from rsmonitor.stages.geodesy import radius_pixels

LOOKS: Final = 6
"""Looks behind a composite: enough for a median, few enough to be one moment."""

SEEN_SHARE: Final = 0.6
"""Share of the grid that a look must show to be taken."""

MOST_PIXELS: Final = 4_000_000
"""Larger grids are not drawn: their composites would not fit in a modest memory."""

DAYS_OF_YEAR: Final = 365.25
BRIGHTEST: Final = 0.16
"""Reflectance drawn as white: bare soil is about this bright in red."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Composite:
    """An image and the days of the looks behind it."""

    rgb: NDArray[np.uint8]
    """Colours, shape (y, x, 3)."""

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
        If no look shows enough of the grid, or the grid is too large to draw.
    """
    if grid.height * grid.width > MOST_PIXELS:
        raise NoClearObservationError(
            f"grid {grid.grid_id} has more than {MOST_PIXELS} pixels; it is not drawn"
        )
    until = parameters.history.until
    reader = _Reader(source, grid, parameters)
    latest = reader.newest([p for p in products if day_of(p) > until])
    if not latest:
        latest = reader.newest(list(products))
    if not latest:
        raise NoClearObservationError(
            f"no look shows {SEEN_SHARE:.0%} of grid {grid.grid_id}, so there is no "
            "image to draw"
        )
    season = float(np.median([day_of(p).timetuple().tm_yday for p in latest]))
    past = [p for p in products if day_of(p) <= until]
    earlier = reader.newest(
        [p for p in past if _apart(p, season) <= DAYS_OF_YEAR / 8]
    ) or reader.newest(past)
    return reader.composite(earlier or latest), reader.composite(latest)


class _Reader:
    """Read looks once, choose, and make composites of them."""

    def __init__(self, source: SceneSource, grid: Grid, parameters: Parameters) -> None:
        self._source, self._grid = source, grid
        self._clear = parameters.clear
        self._grow = radius_pixels(grid, parameters.clear.grow_m)
        self._whole = Block(row=0, col=0, height=grid.height, width=grid.width)
        self._read: dict[str, tuple[NDArray[np.float32], NDArray[np.bool_]]] = {}

    def newest(self, products: Sequence[Product]) -> list[Product]:
        """Choose the newest looks that show enough, oldest first."""
        chosen: list[Product] = []
        for product in reversed(products):
            if len(chosen) == LOOKS:
                break
            try:
                _, clear = self._look(product)
            except SourceError:
                continue  # the run that could not read it has said so
            if clear.mean() >= SEEN_SHARE:
                chosen.append(product)
            else:
                del self._read[product.product_id]
        return chosen[::-1]

    def composite(self, products: Sequence[Product]) -> Composite:
        """Take the median of some looks."""
        looks = [self._look(product) for product in products]
        median, _ = median_composite(
            np.stack([reflectance for reflectance, _ in looks]),
            np.stack([clear for _, clear in looks]),
        )
        bands = self._source.bands
        return Composite(
            rgb=true_colour(median, bands, BRIGHTEST),
            days=tuple(sorted(day_of(product) for product in products)),
            true_colour="B02" in bands,
        )

    def _look(self, product: Product) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Read a look, once."""
        if product.product_id not in self._read:
            scene = self._source.load(product, self._grid, self._whole)
            reflectance = scene["reflectance"].to_numpy()
            clear, _ = clear_ground(
                reflectance,
                scene["scl"].to_numpy(),
                bands=self._source.bands,
                grow_pixels=self._grow,
                parameters=self._clear,
            )
            self._read[product.product_id] = (reflectance, clear)
        return self._read[product.product_id]


def _apart(product: Product, season: float) -> float:
    """Days between a look and a day of the year, around the turn of the year."""
    days = abs(day_of(product).timetuple().tm_yday - season)
    return min(days, DAYS_OF_YEAR - days)
