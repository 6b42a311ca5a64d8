"""How green a site is, beside its own history and its unchanged neighbourhood."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from rsmonitor.errors import ContractError
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.rasters import (
    REFERENCE_FILL,
    REFERENCE_SCALE,
    planes_per_index,
)
from rsmonitor.stages.geodesy import LONLAT, pixel_size_m
from rsmonitor.stages.history import seasonal_terms

RING_FROM_M: Final = 30.0
"""Nearer to a change than this a pixel may show some of it: blur and shift."""

RING_TO_M: Final = 150.0
"""Farther than this the neighbourhood is another slope."""

MIN_RING_PIXELS: Final = 20
"""Seen pixels of the ring below which it says nothing."""

BARE_NDVI: Final = 0.25
"""NDVI below which a pixel that is not snow is bare: soil, ponds, roofs and sheeting
have 0 to 0.2, dry grass 0.3."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Footprint:
    """The pixels of a site, and those of its neighbourhood, in one window."""

    window: Block
    """Where."""

    inside: NDArray[np.bool_]
    """True for the site's pixels, shape (y, x)."""

    ring: NDArray[np.bool_]
    """True for pixels around it that no site has changed, shape (y, x)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What one look shows of a footprint; None where too little was seen."""

    share_seen: float
    """Share of the site's pixels, 0 to 1."""

    ndvi: float | None
    """Median of the site."""

    ring: float | None
    """Median of the ring."""

    ring_predicted: float | None
    """Median of what the reference predicts for the same pixels of the ring."""

    bare_share: float | None
    """Share of the site's seen pixels that are bare."""


def on_pixels(geometry: BaseGeometry, grid: Grid) -> BaseGeometry:
    """
    Convert a geometry to pixel coordinates of a grid.

    Parameters
    ----------
    geometry : shapely geometry
        CRS84.
    grid : Grid
        The grid.

    Returns
    -------
    shapely geometry
        x in columns from the western edge, y in rows from the northern edge; the
        centre of pixel (row, col) lies at (col + 0.5, row + 0.5).

    Raises
    ------
    ContractError
        If a vertex has no place in the grid's projection.
    """
    transformer = _from_lonlat(grid.crs)

    def convert(points: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = transformer.transform(points[:, 0], points[:, 1])
        placed = np.column_stack(
            [
                (np.asarray(x) - grid.left) / grid.pixel_width,
                (grid.top - np.asarray(y)) / grid.pixel_height,
            ]
        )
        if not np.isfinite(placed).all():
            raise ContractError(
                f"an outline has no place in the projection {grid.crs[:60]}"
            )
        return placed

    return shapely.transform(geometry, convert)


def footprint(
    outline: Polygon | MultiPolygon,
    others: Sequence[Polygon | MultiPolygon],
    grid: Grid,
) -> Footprint | None:
    """
    Give the pixels of a site and of the ring around it.

    Parameters
    ----------
    outline : Polygon or MultiPolygon
        The site, CRS84.
    others : sequence of Polygon or MultiPolygon
        Other sites, CRS84; those far away make no difference.
    grid : Grid
        The grid.

    Returns
    -------
    Footprint or None
        None if no pixel's centre lies in the site.

    Raises
    ------
    ContractError
        If a vertex has no place in the grid's projection.

    Notes
    -----
    The ring lies from `RING_FROM_M` to `RING_TO_M` off the site, and at least
    `RING_FROM_M` off every other.
    """
    size = min(pixel_size_m(grid))
    near, far = RING_FROM_M / size, RING_TO_M / size
    place = on_pixels(outline, grid)
    window = _window(place, far, grid)
    if window is None:
        return None
    inside = _covered(place, window)
    if not inside.any():
        return None
    changed = [place, *(on_pixels(other, grid) for other in others)]
    ring = _covered(place.buffer(far), window)
    for each in changed:
        ring &= ~_covered(each.buffer(near), window)
    return Footprint(window=window, inside=inside, ring=ring)


def curve_of(
    reference: NDArray[np.int16], inside: NDArray[np.bool_], *, index: int, n_index: int
) -> tuple[float, ...] | None:
    """
    Give the seasonal curve that the pixels of a site have in common.

    Parameters
    ----------
    reference : ndarray of int16, shape (parameter, y, x)
        See `rsmonitor.records.rasters.REFERENCE_STATE`.
    inside : ndarray of bool, shape (y, x)
        The site's pixels.
    index : int
        Which of the reference's indices.
    n_index : int
        How many it has.

    Returns
    -------
    tuple of float or None
        Median of each coefficient, index units; None if no pixel is monitored.

    Raises
    ------
    ContractError
        If the reference cannot have so many indices.
    """
    per_index = planes_per_index(reference, n_index)
    start = index * per_index
    monitored = inside & (reference[0] != REFERENCE_FILL)
    if not monitored.any():
        return None
    coefficients = reference[start : start + per_index - 1, monitored]
    medians = np.median(coefficients, axis=1) / REFERENCE_SCALE
    return tuple(float(value) for value in medians)


def on_day(coefficients: Sequence[float], day: int) -> float:
    """
    Evaluate a seasonal curve.

    Parameters
    ----------
    coefficients : sequence of float
        A constant, then cosine and sine of each harmonic.
    day : int
        Days since 1970-01-01.

    Returns
    -------
    float
        Units of the coefficients.

    Examples
    --------
    >>> on_day([0.8, 0.1, 0.0], 0)
    0.9
    """
    terms = seasonal_terms(np.array([day]), (len(coefficients) - 1) // 2)[0]
    return float(terms @ np.asarray(coefficients, dtype=np.float64))


def shown(
    values: NDArray[np.float32],
    departures: NDArray[np.float32],
    place: Footprint,
) -> Shown:
    """
    Measure what a look shows of a footprint.

    Parameters
    ----------
    values : ndarray of float32, shape (y, x)
        NDVI in the footprint's window; NaN where the ground was not seen.
    departures : ndarray of float32, shape (y, x)
        The same less what the reference predicts; NaN also where not monitored.
    place : Footprint
        The pixels.

    Returns
    -------
    Shown
        Medians over pixels that were seen.
    """
    site = values[place.inside]
    site = site[np.isfinite(site)]
    around = place.ring & np.isfinite(departures)
    enough = int(around.sum()) >= MIN_RING_PIXELS
    ring = values[around]
    return Shown(
        share_seen=site.size / int(place.inside.sum()),
        ndvi=_median(site) if site.size else None,
        ring=_median(ring) if enough else None,
        ring_predicted=_median(ring - departures[around]) if enough else None,
        bare_share=float((site < BARE_NDVI).mean()) if site.size else None,
    )


def _median(values: NDArray[np.float32]) -> float:
    """Give the median to four decimals, which is finer than what is measured."""
    return round(float(np.median(values)), 4)


def _window(place: BaseGeometry, far: float, grid: Grid) -> Block | None:
    """Give the pixels that a site and its ring can lie in, as far as the grid goes."""
    west, north, east, south = place.bounds
    top = max(0, int(np.floor(north - far)))
    left = max(0, int(np.floor(west - far)))
    bottom = min(grid.height, int(np.ceil(south + far)))
    right = min(grid.width, int(np.ceil(east + far)))
    if top >= bottom or left >= right:
        return None
    return Block(row=top, col=left, height=bottom - top, width=right - left)


def _covered(place: BaseGeometry, window: Block) -> NDArray[np.bool_]:
    """Tell which pixels of a window have their centre in a geometry."""
    covered = np.zeros((window.height, window.width), dtype=np.bool_)
    west, north, east, south = place.bounds
    top = max(window.row, int(np.floor(north)))
    left = max(window.col, int(np.floor(west)))
    bottom = min(window.row + window.height, int(np.ceil(south)))
    right = min(window.col + window.width, int(np.ceil(east)))
    if top >= bottom or left >= right:
        return covered
    cols, rows = np.meshgrid(np.arange(left, right) + 0.5, np.arange(top, bottom) + 0.5)
    shapely.prepare(place)
    covered[
        top - window.row : bottom - window.row, left - window.col : right - window.col
    ] = shapely.contains_xy(place, cols, rows)
    return covered


@lru_cache(maxsize=64)
def _from_lonlat(crs: str) -> Transformer:
    """One transformer a CRS: making one costs more than using it."""
    return Transformer.from_crs(LONLAT, crs, always_xy=True)
