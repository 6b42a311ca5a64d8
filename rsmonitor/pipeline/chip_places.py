"""Where chips of sites and tips lie, and how their windows are read together."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from rsmonitor.errors import ContractError
from rsmonitor.records.disturbance import Disturbance
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.scene import SceneNumbers
from rsmonitor.records.site import Site
from rsmonitor.stages.geodesy import from_lonlat, radius_pixels

LEAST_M: Final = 640.0
"""Side of the smallest chip, metres: enough around a site to find it again."""

MARGIN: Final = 0.5
"""Ground around a site on each side, as a share of its extent."""

MOST_PIXELS: Final = 512
"""Pixels of a side of a chip, at most; of a larger site every so many are averaged."""

CELL: Final = 512
"""Rows and columns that are read at once: the tiles that most files are cut into."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Window:
    """Pixels of a grid that an image shows."""

    block: Block
    """Pixels of the grid, a multiple of `step` on each side."""

    step: int
    """Rows and columns of the grid in one of the image."""

    own: NDArray[np.bool_]
    """True for the image's pixels that it is made for: a site's, or those near a tip's
    place."""

    def pieces(self) -> Iterator[Block]:
        """
        Cut the block into what is read at once.

        Yields
        ------
        Block
            Of at most `CELL` pixels a side, each a multiple of `step`.
        """
        size = max(1, CELL // self.step) * self.step
        for row in range(0, self.block.height, size):
            for col in range(0, self.block.width, size):
                yield Block(
                    row=self.block.row + row,
                    col=self.block.col + col,
                    height=min(size, self.block.height - row),
                    width=min(size, self.block.width - col),
                )

    def thinned(self, piece: Block) -> tuple[slice, slice]:
        """
        Say which pixels of the chip a piece of the block becomes.

        Parameters
        ----------
        piece : Block
            One of `pieces`.

        Returns
        -------
        tuple of slice
            Rows and columns of the chip.
        """
        rows, cols = (
            slice(side.start // self.step, side.stop // self.step)
            for side in piece.within(self.block)
        )
        return rows, cols


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Place(Window):
    """Where the chip of a site lies."""

    site: Site
    """Whose chip it is."""

    @property
    def site_id(self) -> str:
        """The site's id."""
        return self.site.site_id

    @property
    def seen(self) -> Disturbance:
        """What is known of the site."""
        return self.site.latest.disturbance


def place_of(site: Site, grid: Grid) -> Place | None:
    """
    Find the pixels of a site's chip.

    Parameters
    ----------
    site : Site
        The site.
    grid : Grid
        The grid that it was seen on.

    Returns
    -------
    Place or None
        Inside the grid, with the site in the middle as far as the grid goes; None where
        the site lies off the grid.
    """
    found = window_of(
        site.latest.disturbance.geometry, grid, least_m=LEAST_M, margin=MARGIN
    )
    if found is None:
        return None
    return Place(site=site, block=found.block, step=found.step, own=found.own)


def window_of(
    outline: Polygon | MultiPolygon, grid: Grid, *, least_m: float, margin: float
) -> Window | None:
    """
    Find the pixels of an image around an outline.

    Parameters
    ----------
    outline : Polygon or MultiPolygon
        What the image is made for, CRS84.
    grid : Grid
        The grid that is shown.
    least_m : float
        Side of the smallest image, metres.
    margin : float
        Ground around the outline on each side, as a share of its extent.

    Returns
    -------
    Window or None
        Inside the grid, with the outline in the middle as far as the grid goes; None
        where it lies off the grid.
    """
    try:
        placed = from_lonlat(outline, grid.crs)
    except ContractError:
        return None  # so far away that the projection has no place for it
    west, south, east, north = shapely.bounds(placed)
    top, bottom = ((grid.top - y) / grid.pixel_height for y in (north, south))
    left, right = ((x - grid.left) / grid.pixel_width for x in (west, east))
    if top >= grid.height or left >= grid.width or bottom <= 0 or right <= 0:
        return None
    least = radius_pixels(grid, least_m / 2) * 2
    side = math.ceil(max(least, max(bottom - top, right - left) * (1 + 2 * margin)))
    row = math.floor((top + bottom) / 2 - side / 2)
    col = math.floor((left + right) / 2 - side / 2)
    # moved into the grid where that is large enough
    row = min(max(0, row), max(0, grid.height - side))
    col = min(max(0, col), max(0, grid.width - side))
    height, width = min(side, grid.height - row), min(side, grid.width - col)
    step = -(-max(height, width) // MOST_PIXELS)
    if min(height, width) < step:
        step = 1  # a grid of a few rows is not thinned away
    block = Block(
        row=row,
        col=col,
        height=height // step * step,
        width=width // step * step,
    )
    return Window(block=block, step=step, own=_own(placed, block, step, grid))


def _own(
    outline: Polygon | MultiPolygon, block: Block, step: int, grid: Grid
) -> NDArray[np.bool_]:
    """Tell which pixels of a chip are the site's: those whose centre it holds."""
    rows = block.row + (np.arange(block.height // step) + 0.5) * step
    cols = block.col + (np.arange(block.width // step) + 0.5) * step
    x, y = np.meshgrid(
        grid.left + cols * grid.pixel_width, grid.top - rows * grid.pixel_height
    )
    shapely.prepare(outline)
    own = np.array(shapely.contains_xy(outline, x, y), dtype=np.bool_)
    if not own.any():  # thinner than a pixel
        spot = shapely.get_coordinates(outline.representative_point())[0]
        distance = np.hypot(x - spot[0], y - spot[1])
        own.flat[int(distance.argmin())] = True
    return own


def groups(places: Iterable[Place]) -> Iterator[list[Place]]:
    """
    Part sites into those that are read together.

    Parameters
    ----------
    places : iterable of Place
        On one grid.

    Yields
    ------
    list of Place
        Neighbours, row by row; a chip of more than `CELL` pixels alone.
    """
    cells: defaultdict[tuple[int, int], list[Place]] = defaultdict(list)
    for place in places:
        block = place.block
        middle = (block.row + block.height // 2, block.col + block.width // 2)
        cells[middle[0] // CELL, middle[1] // CELL].append(place)
    for _, cell in sorted(cells.items(), key=lambda item: item[0]):
        small = [p for p in cell if max(p.block.height, p.block.width) <= CELL]
        if small:
            yield small
        yield from ([p] for p in cell if p not in small)


def cut_out(numbers: SceneNumbers, rows: slice, cols: slice) -> SceneNumbers:
    """
    Cut rows and columns out of what was read.

    Parameters
    ----------
    numbers : SceneNumbers
        Of a larger window.
    rows, cols : slice
        Pixels of it.

    Returns
    -------
    SceneNumbers
        With the coarse pixels under the window and beside it, so that they mean what
        they meant.
    """
    ratio = numbers.ratio
    spans, starts = [], []
    for side, first, length in (
        (rows, numbers.row, numbers.coarse.shape[1]),
        (cols, numbers.col, numbers.coarse.shape[2]),
    ):
        begin = max(0, (side.start - first) // ratio - 1)
        end = min(length, (side.stop - 1 - first) // ratio + 2)
        spans.append(slice(begin, end))
        starts.append(first + begin * ratio - side.start)
    if not numbers.coarse_bands:
        spans, starts = [slice(0), slice(0)], [0, 0]
    return replace(
        numbers,
        fine=numbers.fine[:, rows, cols],
        coarse=numbers.coarse[:, *spans],
        row=starts[0],
        col=starts[1],
        scl=numbers.scl[rows, cols],
    )
