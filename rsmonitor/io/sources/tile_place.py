"""Where a tile and a window of it lie, in the terms in which archives are asked."""

from collections.abc import Sequence

from pyproj import Transformer

from rsmonitor.errors import ContractError
from rsmonitor.records.grid import Grid
from rsmonitor.records.offer import BANDS_10M, BANDS_20M, TileWindow

_EDGE_POINTS = 21


def tile_bbox(grid: Grid) -> tuple[float, float, float, float]:
    """
    Give the box of longitude and latitude around a tile.

    A search asks for this box and nothing smaller, so that no site shows in it.

    Parameters
    ----------
    grid : Grid
        The tile's grid.

    Returns
    -------
    tuple of four float
        West, south, east, north; degrees, CRS84, seven decimals.
    """
    found = Transformer.from_crs(grid.crs, "OGC:CRS84", always_xy=True)
    bounds = found.transform_bounds(
        grid.left, grid.bottom, grid.right, grid.top, densify_pts=_EDGE_POINTS
    )
    west, south, east, north = (round(float(value), 7) for value in bounds)
    return west, south, east, north


def window_bounds(grid: Grid, window: TileWindow) -> tuple[int, int, int, int]:
    """
    Give the box of a window in the tile's projection.

    Parameters
    ----------
    grid : Grid
        The tile's grid at 10 m.
    window : TileWindow
        Pixels of it.

    Returns
    -------
    tuple of four int
        Left, bottom, right, top; metres. Tiles start on whole multiples of 20 m.
    """
    left = grid.left + window.col * grid.pixel_width
    top = grid.top - window.row * grid.pixel_height
    right = left + window.width * grid.pixel_width
    bottom = top - window.height * grid.pixel_height
    return round(left), round(bottom), round(right), round(top)


def by_sampling(bands: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """
    Split bands into those of 10 m and those of 20 m.

    Parameters
    ----------
    bands : sequence of str
        ESA names.

    Returns
    -------
    tuple of two tuples of str
        Each in the order of `bands`.

    Raises
    ------
    ContractError
        If a band is unknown, or there twice.

    Examples
    --------
    >>> by_sampling(["B11", "B04", "B08"])
    (('B04', 'B08'), ('B11',))
    """
    unknown = [band for band in bands if band not in (*BANDS_10M, *BANDS_20M)]
    if unknown or len(set(bands)) != len(bands):
        raise ContractError(
            f"bands must be different ones of {', '.join((*BANDS_10M, *BANDS_20M))}, "
            f"got {', '.join(bands)}"
        )
    return (
        tuple(band for band in bands if band in BANDS_10M),
        tuple(band for band in bands if band in BANDS_20M),
    )
