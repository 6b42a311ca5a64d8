"""Outlines of pixels, many figures at once.

The polygoniser is rasterio's. Around it: figures are laid out side by side, so that it
does not walk over the empty ground between them, and their corners are projected and
made into polygons all together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio import features
from shapely import GeometryType, LineString, MultiPolygon, Polygon

from rsmonitor.errors import ContractError
from rsmonitor.records.grid import Grid
from rsmonitor.stages.geodesy import to_lonlat
from rsmonitor.stages.increments import starts_of

SHEET: Final = (512, 1024)
"""Rows and columns of the sheets that figures are traced on, unless one is larger: the
corners of a sheet, which come as Python numbers, are a few tens of megabytes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Figures:
    """Pixels to outline: one figure after the other."""

    rows: NDArray[np.int64]
    """Row of each pixel in the grid."""

    cols: NDArray[np.int64]
    """Column of each."""

    number: NDArray[np.int64]
    """Figure of each, rising from 0 with none left out."""

    corner_row: NDArray[np.int64]
    """Row that each figure counts from, shape (figure,)."""

    corner_col: NDArray[np.int64]
    """Column that each counts from: how coordinates round depends on it."""


def polygons(
    drawn: NDArray[np.bool_], grid: Grid, *, row: int = 0, col: int = 0
) -> Polygon | MultiPolygon:
    """
    Draw the outline of some pixels.

    Parameters
    ----------
    drawn : ndarray of bool, shape (y, x)
        Pixels to outline, at least one.
    grid : Grid
        Where they are.
    row, col : int
        Where the array starts on the grid.

    Returns
    -------
    Polygon or MultiPolygon
        CRS84 longitude and latitude, along the pixel edges.

    Raises
    ------
    ContractError
        If no pixel is drawn.
    """
    rows, cols = np.nonzero(drawn)
    if not rows.size:
        raise ContractError("there is no pixel to outline")
    figure = Figures(
        rows=rows + row,
        cols=cols + col,
        number=np.zeros_like(rows),
        corner_row=np.array([row]),
        corner_col=np.array([col]),
    )
    whole: Polygon | MultiPolygon = traced(figure, grid)[0]
    return whole


def traced(figures: Figures, grid: Grid) -> NDArray[np.object_]:
    """
    Outline figures along the edges of their pixels.

    They are laid out on sheets, apart, so that the cost grows with them and not with
    the ground between them.

    Parameters
    ----------
    figures : Figures
        At least one.
    grid : Grid
        Where the pixels are.

    Returns
    -------
    ndarray of Polygon or MultiPolygon, shape (figure,)
        CRS84 longitude and latitude; valid, for pixels that meet at a corner alone are
        not joined.
    """
    starts = starts_of(figures.number)
    top = np.minimum.reduceat(figures.rows, starts)
    left = np.minimum.reduceat(figures.cols, starts)
    height = np.maximum.reduceat(figures.rows, starts) - top + 1
    width = np.maximum.reduceat(figures.cols, starts) - left + 1
    sizes = np.diff(starts, append=figures.rows.size)
    a, _, c, _, e, f = grid.transform
    shapes = np.empty(starts.size, dtype=np.object_)
    for which, rows, cols in _sheets(height, width):
        image = np.zeros(
            (int((rows + height[which]).max()), int((cols + width[which]).max())),
            dtype=np.uint8 if which.size < 256 else np.int32,  # noqa: PLR2004 - of uint8
        )
        place = np.repeat(np.arange(which.size), sizes[which])
        within = np.arange(place.size) - (np.cumsum(sizes[which]) - sizes[which])[place]
        pixel = starts[which][place] + within
        # what leads from the grid to the sheet
        row, col = rows - top[which], cols - left[which]
        image[figures.rows[pixel] + row[place], figures.cols[pixel] + col[place]] = (
            place + 1
        )
        figure, rings, corners, points = _rings(image)
        at = np.repeat(figure, np.add.reduceat(corners, _before(rings)))
        corner_row = figures.corner_row[which]
        corner_col = figures.corner_col[which]
        points[:, 0] -= (col + corner_col)[at]
        points[:, 1] -= (row + corner_row)[at]
        points[:, 0] = (c + corner_col * a)[at] + points[:, 0] * a
        points[:, 1] = (f + corner_row * e)[at] + points[:, 1] * e
        shapes[which] = _assembled(figure, rings, corners, points, grid.crs)
    return shapes


def _sheets(
    height: NDArray[np.int64], width: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Lay boxes out in shelves, tallest first: which are on a sheet, and where."""
    order = np.argsort(-height, kind="stable").tolist()
    placed: list[tuple[int, int, int]] = []
    top, left, shelf = 0, 0, 0
    for box in order:
        if left and left + width[box] > SHEET[1]:
            top, left, shelf = top + shelf + 1, 0, 0
        if placed and top + height[box] > SHEET[0]:
            yield tuple(np.array(placed).T)
            placed, top, left, shelf = [], 0, 0, 0
        placed.append((box, top, left))
        left, shelf = left + int(width[box]) + 1, max(shelf, int(height[box]))
    yield tuple(np.array(placed).T)


def _rings(
    image: NDArray[np.integer],
) -> tuple[
    NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]
]:
    """Trace an image: figure and rings of polygons, corners of rings, and these."""
    figure, rings, corners = [], [], []
    points: list[tuple[float, float]] = []
    for geometry, value in features.shapes(image, mask=image > 0, connectivity=4):
        figure.append(int(value) - 1)
        rings.append(len(geometry["coordinates"]))
        for ring in geometry["coordinates"]:
            corners.append(len(ring))
            points += ring
    flat = np.fromiter(chain.from_iterable(points), dtype=np.float64)
    return np.array(figure), np.array(rings), np.array(corners), flat.reshape(-1, 2)


def _assembled(
    figure: NDArray[np.int64],
    rings: NDArray[np.int64],
    corners: NDArray[np.int64],
    points: NDArray[np.float64],
    crs: str,
) -> NDArray[np.object_]:
    """Make one geometry a figure of its polygons, in longitude and latitude."""
    polygons_ = shapely.from_ragged_array(
        GeometryType.POLYGON,
        shapely.get_coordinates(to_lonlat(LineString(points), crs)),
        (np.append(0, np.cumsum(corners)), np.append(0, np.cumsum(rings))),
    )
    order = np.argsort(figure, kind="stable")
    ordered, figure = polygons_[order], figure[order]
    starts = starts_of(figure)
    shapes: NDArray[np.object_] = ordered[starts]
    several = np.bincount(figure) > 1
    if several.any():
        own = several[figure]
        shapes[several] = shapely.multipolygons(
            ordered[own], indices=np.cumsum(several)[figure[own]] - 1
        )
    return shapes


def _before(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Add up what comes before each."""
    return np.cumsum(counts) - counts
