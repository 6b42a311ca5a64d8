"""Windows of looks, read, screened and thinned for images that people look at."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.interfaces import SceneSource
from rsmonitor.pipeline.chip_places import Window, cut_out
from rsmonitor.records.acquisition import Product
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.parameters import Parameters
from rsmonitor.records.scene import SceneNumbers
from rsmonitor.stages.clear import clear_ground
from rsmonitor.stages.composite import bands_shown
from rsmonitor.stages.geodesy import radius_pixels
from rsmonitor.stages.reflectance import reflectance_of

MOSTLY: Final = 0.5
"""Share of what a thinned pixel stands for that must be seen."""

DARKEST_WHITE: Final = 0.18
BRIGHTEST_WHITE: Final = 0.50
"""Between which reflectances the one lies that both images draw as white."""

WHITE_PERCENT: Final = 99.5
WHITE_OF_SITE: Final = 95.0
"""It is these percentiles of both, of the chip and of the site's own pixels: bare soil
does not saturate, forest does not go black, and a tone means the same before and
after."""

Colours = NDArray[np.float16]
"""Reflectance of the bands that are shown, shape (band, y, x)."""


class LookReader:
    """Read windows of looks of one grid as they are shown.

    Parameters
    ----------
    source : SceneSource
        Where scenes come from.
    grid : Grid
        The grid.
    parameters : Parameters
        The clear-sky screen.
    """

    def __init__(self, source: SceneSource, grid: Grid, parameters: Parameters) -> None:
        self._source, self._grid = source, grid
        self._clear = parameters.clear
        self._grow = radius_pixels(grid, parameters.clear.grow_m)
        self.shown = bands_shown(source.bands)

    def windows(
        self, product: Product, group: Sequence[Window]
    ) -> list[tuple[Colours, NDArray[np.bool_]]]:
        """
        Read windows of one look.

        Parameters
        ----------
        product : Product
            The look.
        group : sequence of Window
            Neighbours, which are read as one; or one window alone, which may be large
            and is read piece by piece.

        Returns
        -------
        list of tuple of ndarray
            For each window its colours, float16 (band, y, x), and where the ground was
            seen, bool (y, x).

        Raises
        ------
        SourceError
            If the look cannot be read.
        """
        if len(group) == 1:
            (window,) = group
            shape = window.own.shape
            colours = np.empty((len(self.shown), *shape), dtype=np.float16)
            clear = np.empty(shape, dtype=np.bool_)
            for piece in window.pieces():
                into = window.thinned(piece)
                numbers, read = self._numbers(product, [piece])
                colours[:, *into], clear[into] = self._part(
                    numbers, read, piece, window.step
                )
            return [(colours, clear)]
        numbers, read = self._numbers(product, [window.block for window in group])
        return [
            self._part(numbers, read, window.block, window.step) for window in group
        ]

    def _numbers(
        self, product: Product, blocks: Sequence[Block]
    ) -> tuple[SceneNumbers, Block]:
        """Read what holds some blocks, and what clouds near them grow from."""
        row, col = min(b.row for b in blocks), min(b.col for b in blocks)
        window = Block(
            row=row,
            col=col,
            height=max(b.row + b.height for b in blocks) - row,
            width=max(b.col + b.width for b in blocks) - col,
        ).with_halo(self._grow, self._grid)
        return self._source.numbers(product, self._grid, window), window

    def _part(
        self, numbers: SceneNumbers, window: Block, block: Block, step: int
    ) -> tuple[Colours, NDArray[np.bool_]]:
        """Screen one block of what was read, and average it."""
        around = block.with_halo(self._grow, self._grid)
        mine = cut_out(numbers, *around.within(window))
        reflectance = reflectance_of(mine)
        clear, _ = clear_ground(
            reflectance,
            mine.scl,
            bands=mine.bands,
            grow_pixels=self._grow,
            parameters=self._clear,
        )
        inner = block.within(around)
        rows = [mine.bands.index(band) for band in self.shown]
        colours, seen = reflectance[rows][:, *inner], clear[inner]
        if step > 1:
            shape = (block.height // step, step, block.width // step, step)
            parts = colours.reshape(len(rows), *shape)
            measured = np.isfinite(parts).sum(axis=(2, 4))
            # of nothing it is NaN, as before
            with np.errstate(invalid="ignore"):
                colours = np.nansum(parts, axis=(2, 4)) / measured
            seen = seen.reshape(shape).mean(axis=(1, 3)) >= MOSTLY
        return colours.astype(np.float16), seen


def grid_of(window: Window, grid: Grid) -> Grid:
    """
    Give the pixels of an image as a grid of their own.

    Parameters
    ----------
    window : Window
        What the image shows.
    grid : Grid
        The grid that it is cut from.

    Returns
    -------
    Grid
        The image's.
    """
    step, block = window.step, window.block
    return replace(
        grid,
        left=grid.left + block.col * grid.pixel_width,
        top=grid.top - block.row * grid.pixel_height,
        pixel_width=grid.pixel_width * step,
        pixel_height=grid.pixel_height * step,
        height=block.height // step,
        width=block.width // step,
        # of thinned pixels none is the tile's
        mgrs_tile=grid.mgrs_tile if step == 1 else None,
    )


def white_of(
    images: Sequence[tuple[Colours, NDArray[np.bool_]]], own: NDArray[np.bool_]
) -> float:
    """
    Choose the reflectance that all images of a place draw as white.

    Parameters
    ----------
    images : sequence of tuple of ndarray
        Colours and where they are clear; may be empty.
    own : ndarray of bool, shape (y, x)
        Pixels that the images are made for.

    Returns
    -------
    float
        `DARKEST_WHITE` to `BRIGHTEST_WHITE`.
    """
    white = DARKEST_WHITE
    for where, percent in ((np.ones_like(own), WHITE_PERCENT), (own, WHITE_OF_SITE)):
        brightness = np.concatenate(
            [np.empty(0, dtype=np.float16)]
            + [colours[:, clear & where].max(axis=0) for colours, clear in images]
        )
        if brightness.size:
            found = np.nanpercentile(brightness.astype(np.float32), percent)
            white = max(white, float(found))
    return min(white, BRIGHTEST_WHITE)
