"""Images of a map from arrays: pale ground, evidence in colours. Needs numpy alone."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from rsmonitor.records.rasters import Tier

MOST_PIXELS: Final = 540
"""A side of an image is thinned to this, which is what a panel has."""

BAND_ROWS: Final = 1024
"""Rows of a large grid that are looked at together."""

YEARS_A_TIER: Final = 10_000
"""Packs tier and year in one number, so that the highest tier wins."""

OPACITY: Final[Mapping[Tier, float]] = {
    Tier.LOW: 0.38,
    Tier.MEDIUM: 0.68,
    Tier.HIGH: 1.0,
}
"""More evidence is more opaque."""

YEAR_COLOURS: Final[Sequence[tuple[int, int, int]]] = (
    (34, 6, 144),
    (106, 0, 168),
    (177, 42, 144),
    (216, 87, 107),
    (244, 136, 73),
    (253, 190, 42),
)
"""Dark to bright for old to new, after matplotlib's ``plasma``.

The order survives the common colour vision deficiencies and a grey printer.
"""

MOST_YEARS: Final = len(YEAR_COLOURS)
"""Years that have a colour of their own; older ones share the first."""


def thinned(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """
    Thin an image that has more pixels than a panel.

    Parameters
    ----------
    image : ndarray of uint8, shape (y, x, 3)
        Colours.

    Returns
    -------
    ndarray of uint8, shape (y, x, 3)
        At most `MOST_PIXELS` a side; a smaller image as it is.
    """
    rows, cols = _starts(image.shape[0]), _starts(image.shape[1])
    return image[rows][:, cols]


def pale(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """
    Turn a picture into a light grey ground that colours stand out on.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (y, x, 3)
        Colours.

    Returns
    -------
    ndarray of uint8, shape (y, x, 3)
        Greys, none darker than 178.
    """
    grey = rgb @ np.array([0.299, 0.587, 0.114])
    light = 255 - (255 - grey) * 0.3
    return np.repeat(light[..., None], 3, axis=2).round().astype(np.uint8)


def hatched(shape: tuple[int, int]) -> NDArray[np.uint8]:
    """
    Give white pixels with grey diagonals, for what is not monitored.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.

    Returns
    -------
    ndarray of uint8, shape (y, x, 3)
        Greys.
    """
    rows, cols = np.indices(shape)
    grey = np.where((rows + cols) % 4 == 0, 150, 245).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def years_of(evidence: xr.Dataset) -> list[int]:
    """
    List the years in which anything was first seen.

    Parameters
    ----------
    evidence : xarray.Dataset
        `rsmonitor.records.rasters.EVIDENCE_PRODUCT`.

    Returns
    -------
    list of int
        Oldest first, at most the newest `MOST_YEARS`.
    """
    found: set[int] = set()
    for _, part in _bands(evidence):
        year = _year(part["first_seen"].to_numpy())
        seen = year[part["tier"].to_numpy() > Tier.NONE]
        found |= {int(y) for y in np.unique(seen[seen > 0])}
    return sorted(found)[-MOST_YEARS:]


def monitored_everywhere(evidence: xr.Dataset) -> bool:
    """
    Say whether every pixel is monitored.

    Parameters
    ----------
    evidence : xarray.Dataset
        `rsmonitor.records.rasters.EVIDENCE_PRODUCT`.

    Returns
    -------
    bool
        False if one is not.
    """
    return all(bool(part["monitored"].to_numpy().all()) for _, part in _bands(evidence))


def colours_of(years: Sequence[int]) -> list[NDArray[np.float64]]:
    """
    Choose a colour for each year, far apart where there are few.

    Parameters
    ----------
    years : sequence of int
        What `years_of` gave.

    Returns
    -------
    list of ndarray
        Red, green and blue, 0 to 255.
    """
    last = MOST_YEARS - 1
    places = [round(i * last / max(1, len(years) - 1)) for i in range(len(years))]
    return [np.array(YEAR_COLOURS[place], dtype=np.float64) for place in places]


def blended(
    ground: NDArray[np.float64], colour: NDArray[np.float64], tier: Tier
) -> NDArray[np.float64]:
    """
    Lay the colour of a year over the ground, as opaque as the tier is high.

    Parameters
    ----------
    ground : ndarray, shape (..., 3)
        Colours, 0 to 255.
    colour : ndarray, shape (3,)
        Colour of the year, 0 to 255.
    tier : Tier
        How much evidence there is.

    Returns
    -------
    ndarray, shape (..., 3)
        Colours, 0 to 255.
    """
    opacity = OPACITY[tier]
    return ground * (1 - opacity) + colour * opacity


def dyed(ground: NDArray[np.uint8], evidence: xr.Dataset) -> NDArray[np.uint8]:
    """
    Colour a pale ground by the year of first sight, and by tier.

    Parameters
    ----------
    ground : ndarray of uint8, shape (y, x, 3)
        What `pale` gave of a picture that `thinned` gave.
    evidence : xarray.Dataset
        `rsmonitor.records.rasters.EVIDENCE_PRODUCT`, not thinned.

    Returns
    -------
    ndarray of uint8, shape (y, x, 3)
        Hatched where nothing is monitored.
    """
    _, cols = (_starts(n) for n in evidence["tier"].shape)
    keys, seen = [], []
    for rows, part in _bands(evidence):
        # a thinned pixel shows the most evidence in it, or small openings would vanish
        key = part["tier"].to_numpy().astype(np.int64) * YEARS_A_TIER + _year(
            part["first_seen"].to_numpy()
        )
        keys.append(_strongest(key, rows, cols))
        seen.append(_strongest(part["monitored"].to_numpy(), rows, cols))
    key, monitored = np.concatenate(keys), np.concatenate(seen)
    tier, year = np.divmod(key, YEARS_A_TIER)
    blind = ~monitored
    image = ground.astype(np.float64)
    image[blind] = hatched(blind.shape)[blind]
    years = years_of(evidence)
    for index, colour in enumerate(colours_of(years)):
        # years older than the legend share its first line
        span = year <= years[0] if index == 0 else year == years[index]
        for level in OPACITY:
            here = span & (tier == level)
            image[here] = blended(image[here], colour, level)
    return image.round().astype(np.uint8)


def _bands(evidence: xr.Dataset) -> Iterator[tuple[NDArray[np.intp], xr.Dataset]]:
    """Cut a grid into bands of whole runs of rows, so that none is large.

    With each band come the rows at which its runs begin.
    """
    height = evidence["tier"].shape[0]
    starts = _starts(height)
    runs = max(1, BAND_ROWS * starts.size // height)
    for first in range(0, starts.size, runs):
        begin = starts[first]
        end = starts[first + runs] if first + runs < starts.size else height
        yield (
            starts[first : first + runs] - begin,
            evidence.isel(y=slice(int(begin), int(end))),
        )


def _strongest(
    values: NDArray[Any], rows: NDArray[np.intp], cols: NDArray[np.intp]
) -> NDArray[Any]:
    """Give the largest value of each run of rows and columns."""
    down = np.maximum.reduceat(values, rows, axis=0)
    return np.asarray(np.maximum.reduceat(down, cols, axis=1))


def _starts(length: int) -> NDArray[np.intp]:
    """Cut a side into as many equal runs as a panel shows; say where each begins."""
    count = min(length, MOST_PIXELS)
    return np.arange(count) * length // count


def _year(first_seen: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Give the year of each date; 0 for NaT."""
    year: NDArray[np.int64] = first_seen.astype("datetime64[Y]").astype(np.int64) + 1970
    year[np.isnat(first_seen)] = 0
    return year
