"""Spectral statistics of two looks at one place: what a pair of patches is made of.

Both looks are reflectance on the same pixels. Nothing here knows where a place lies or
when it was seen: a model that knew would learn the archive instead of the ground.
"""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float64]
Measure = tuple[str, float]

PAIR_BANDS: Final = ("B02", "B03", "B04", "B08", "B11", "B12")
"""Bands of a patch, in order."""
LOOKS: Final = ("before", "after")
QUANTILES: Final = {"p05": 5, "p25": 25, "p50": 50, "p75": 75, "p95": 95}
SPREAD: Final = {"p05": 5, "p50": 50, "p95": 95}

INDEX_MEANINGS: Final[Mapping[str, str]] = {
    "ndvi": "greenness, (B08 - B04) / (B08 + B04)",
    "ndmi": "moisture of leaves, (B08 - B11) / (B08 + B11)",
    "nbr": "burn ratio, (B08 - B12) / (B08 + B12)",
    "bsi": "bare soil, (B11 + B04 - B08 - B02) / (B11 + B04 + B08 + B02)",
    "ndwi": "open water by near infrared, (B03 - B08) / (B03 + B08)",
    "mndwi": "open water by shortwave infrared, (B03 - B11) / (B03 + B11)",
    "bright": "brightness, mean reflectance of B02, B03 and B04",
    "redness": "iron and mud, (B04 - B03) / (B04 + B03)",
    "mud": "sediment in water and soil, (B04 - B02) / (B04 + B02)",
    "clay": "clay and dryness, (B11 - B12) / (B11 + B12)",
}
"""Indices of a pixel: name and meaning; all but brightness lie within -1 to 1."""

COVER_MEANINGS: Final[Mapping[str, str]] = {
    "water": "open water",
    "forest": "closed canopy",
    "bare": "bare or built ground",
    "other": "what is neither water, forest nor bare",
    "turbid": "water bright in red",
    "dark": "water dark in red",
    "pale": "bare ground of high brightness",
}
CLASSES: Final = ("water", "forest", "bare", "other")
"""Covers that share out the patch."""

WATER_MNDWI: Final = 0.0
WATER_NDWI: Final = 0.05
FOREST_NDVI: Final = 0.72
BARE_NDVI: Final = 0.45
TURBID_RED: Final = 0.055
PALE_BRIGHTNESS: Final = 0.12
DARKEST: Final = 0.005
"""Reflectance below this is noise; logarithms start here."""
FLAT: Final = 1e-12
"""Spread below which nothing varies."""
CELLS: Final = 6
"""A patch is cut into this many cells a side."""
CELL_RANKS: Final = {"lowest": 0, "third": 2, "third-last": -3, "highest": -1}
CELL_INDICES: Final = ("ndvi", "ndmi", "bsi", "mndwi", "bright", "mud", "redness")


def indices_of(patch: Plane) -> dict[str, Plane]:
    """
    Compute the indices of every pixel.

    Parameters
    ----------
    patch : ndarray of float64, shape (band, y, x)
        Reflectance of `PAIR_BANDS`, without NaN.

    Returns
    -------
    dict of str to ndarray
        Planes by name, in the order of `INDEX_MEANINGS`; finite.
    """
    b02, b03, b04, b08, b11, b12 = np.maximum(patch, 0.0)
    return {
        "ndvi": _ratio(b08, b04),
        "ndmi": _ratio(b08, b11),
        "nbr": _ratio(b08, b12),
        "bsi": _ratio(b11 + b04, b08 + b02),
        "ndwi": _ratio(b03, b08),
        "mndwi": _ratio(b03, b11),
        "bright": np.asarray((b02 + b03 + b04) / 3),
        "redness": _ratio(b04, b03),
        "mud": _ratio(b04, b02),
        "clay": _ratio(b11, b12),
    }


def covers_of(
    patch: Plane, indices: Mapping[str, Plane]
) -> dict[str, NDArray[np.bool_]]:
    """
    Say what covers every pixel, by fixed rules.

    Parameters
    ----------
    patch : ndarray of float64, shape (band, y, x)
        Reflectance of `PAIR_BANDS`.
    indices : mapping of str to ndarray
        Its indices.

    Returns
    -------
    dict of str to ndarray of bool
        Planes by name, in the order of `COVER_MEANINGS`; `CLASSES` share out the patch.
    """
    water = (indices["mndwi"] > WATER_MNDWI) | (indices["ndwi"] > WATER_NDWI)
    forest = (indices["ndvi"] > FOREST_NDVI) & ~water
    bare = (indices["ndvi"] < BARE_NDVI) & ~water
    turbid = patch[2] > TURBID_RED
    return {
        "water": water,
        "forest": forest,
        "bare": bare,
        "other": ~(water | forest | bare),
        "turbid": water & turbid,
        "dark": water & ~turbid,
        "pale": bare & (indices["bright"] > PALE_BRIGHTNESS),
    }


def index_measures(
    before: Mapping[str, Plane], after: Mapping[str, Plane]
) -> Iterator[Measure]:
    """
    Measure how the indices of both looks, and their difference, are distributed.

    Parameters
    ----------
    before, after : mapping of str to ndarray
        Indices of the looks.

    Yields
    ------
    tuple of str and float
        Name and value, such as ``change.ndvi.p05``.
    """
    names = [(w, name) for name in INDEX_MEANINGS for w in (*LOOKS, "change")]
    planes = np.array(
        [
            plane.ravel()
            for name in INDEX_MEANINGS
            for plane in (before[name], after[name], after[name] - before[name])
        ]
    )
    # all at once: a call for each would take longer than the sorting
    shares = np.percentile(planes, tuple(QUANTILES.values()), axis=1).T
    spreads = planes.std(axis=1)
    for (when, name), values, spread in zip(names, shares, spreads, strict=True):
        for how, value in zip(QUANTILES, values, strict=True):
            yield f"{when}.{name}.{how}", float(value)
        yield f"{when}.{name}.sd", float(spread)


def band_measures(when: str, patch: Plane) -> Iterator[Measure]:
    """
    Measure how the bands of one look are distributed, and go together.

    Parameters
    ----------
    when : str
        One of `LOOKS`.
    patch : ndarray of float64, shape (band, y, x)
        Reflectance.

    Yields
    ------
    tuple of str and float
        Name and value, such as ``after.B04.p95`` or ``after.B02-B03.correlation``.
    """
    logs = np.log(np.maximum(patch, DARKEST)).reshape(len(PAIR_BANDS), -1)
    shares = np.percentile(logs, tuple(SPREAD.values()), axis=1).T
    for band, values in zip(PAIR_BANDS, shares, strict=True):
        for how, value in zip(SPREAD, values, strict=True):
            yield f"{when}.{band}.{how}", float(value)
    for (i, one), (j, other) in combinations(enumerate(PAIR_BANDS), 2):
        yield f"{when}.{one}-{other}.correlation", correlation(logs[i], logs[j])


def cover_measures(
    before: Mapping[str, NDArray[np.bool_]], after: Mapping[str, NDArray[np.bool_]]
) -> Iterator[Measure]:
    """
    Measure the shares of covers, and of what became what.

    Parameters
    ----------
    before, after : mapping of str to ndarray of bool
        Covers of the looks.

    Yields
    ------
    tuple of str and float
        Name and value, such as ``after.bare.share`` or ``forest>bare.share``.
    """
    for name in COVER_MEANINGS:
        first, second = float(before[name].mean()), float(after[name].mean())
        yield f"before.{name}.share", first
        yield f"after.{name}.share", second
        yield f"change.{name}.share", second - first
    pairs = [(one, other) for one in CLASSES for other in CLASSES]
    pairs += [("forest", "turbid"), ("bare", "turbid"), ("dark", "turbid")]
    for one, other in pairs:
        yield f"{one}>{other}.share", float((before[one] & after[other]).mean())
    for when, covers in zip(LOOKS, (before, after), strict=True):
        both = float(covers["bare"].mean() * covers["water"].mean())
        yield f"{when}.bare-water.share", both**0.5


def cell_measures(
    before: Mapping[str, Plane], after: Mapping[str, Plane]
) -> Iterator[Measure]:
    """
    Measure the extreme cells of a patch: a mine may fill a small part of it.

    Parameters
    ----------
    before, after : mapping of str to ndarray
        Indices of the looks.

    Yields
    ------
    tuple of str and float
        Name and value, such as ``after.bsi.cell-highest``.
    """
    for name in CELL_INDICES:
        planes = (before[name], after[name], after[name] - before[name])
        for when, plane in zip((*LOOKS, "change"), planes, strict=True):
            means, inner = _cells(plane)
            for how, rank in CELL_RANKS.items():
                yield f"{when}.{name}.cell-{how}", float(means[rank])
            yield f"{when}.{name}.cell-sd", float(means.std())
            yield f"{when}.{name}.cell-inner", float(inner[-3])


def correlation(a: Plane, b: Plane) -> float:
    """
    Compute a correlation that is 0 where one side does not vary.

    Parameters
    ----------
    a, b : ndarray of float64
        Values, same shape.

    Returns
    -------
    float
        Within -1 to 1.

    Examples
    --------
    >>> import numpy as np
    >>> round(correlation(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.0])), 6)
    1.0
    >>> correlation(np.ones(3), np.array([1.0, 3.0, 5.0]))
    0.0
    """
    a, b = a.ravel() - a.mean(), b.ravel() - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(np.clip((a @ b) / scale, -1.0, 1.0)) if scale > FLAT else 0.0


def _ratio(a: Plane, b: Plane) -> Plane:
    """Compute a normalised difference that is 0 where nothing is reflected."""
    total = a + b
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, (a - b) / total, 0.0)


def _cells(plane: Plane) -> tuple[Plane, Plane]:
    """Give the means and the inner deviations of all cells, each sorted."""
    rows, columns = (length * np.arange(CELLS) // CELLS for length in plane.shape)
    sizes = np.outer(
        np.diff(rows, append=plane.shape[0]), np.diff(columns, append=plane.shape[1])
    )
    sums, squares = (
        np.add.reduceat(np.add.reduceat(power, rows, axis=0), columns, axis=1) / sizes
        for power in (plane, np.square(plane))
    )
    inner = np.sqrt(np.maximum(squares - np.square(sums), 0.0))
    return np.sort(sums.ravel()), np.sort(inner.ravel())
