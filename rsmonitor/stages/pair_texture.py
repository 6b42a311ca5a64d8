"""Shapes and texture of two looks at one place: how what changed is laid out.

Diggings are many small ponds and heaps without direction; fields, roads and buildings
have right angles; rivers and shadows change along one line.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from rsmonitor.stages.pair_spectra import (
    DARKEST,
    LOOKS,
    Measure,
    Plane,
    correlation,
)

LAYER_MEANINGS: Final[Mapping[str, str]] = {
    "ndvi": "greenness",
    "bright": "logarithm of brightness",
    "mndwi": "open water",
    "B11": "logarithm of B11",
    "mud": "sediment",
}
"""What texture is measured of."""
LAGS: Final = (1, 2, 4, 8, 16)
"""Distances of the variogram, pixels."""
CHANGE_LEVELS: Final = (0.1, 0.2, 0.3, 0.5, 0.8)
"""Levels of the levelled change of log reflectance."""
GREENNESS_STEPS: Final = (0.1, 0.2, 0.35)
"""Losses and gains of NDVI."""
CHANGE_LAGS: Final = (1, 4, 10)
STABLE_INDICES: Final = ("ndvi", "ndmi", "nbr", "bsi", "ndwi", "mndwi", "bright")
"""Indices whose pattern is held against that of the other look."""
MAPS: Final[Mapping[str, str]] = {
    "loss": "pixels that lost 0.2 of NDVI",
    "changed": "pixels whose levelled change is over 0.3",
    "water-after": "water after",
    "water-before": "water before",
    "bare-after": "bare ground after",
    "bare-before": "bare ground before",
    "open-after": "bare ground and water after",
    "opened": "bare ground and water that were neither before",
}
"""What is counted as pieces."""
LEAST_PIECE: Final = 3
"""Pixels below which a piece is not counted."""
LOSS: Final = 0.2
"""NDVI that is lost where plants go."""
CHANGED: Final = 0.3
"""Level of the levelled change that is called changed."""
NOTHING: Final = 1e-7


def change_measures(
    before: Plane,
    after: Plane,
    first: Mapping[str, Plane],
    second: Mapping[str, Plane],
) -> Iterator[Measure]:
    """
    Measure how much of the patch changed, by how much, and how connected it is.

    The change of every band is levelled by its median over the patch first, so that
    haze, season and sun, which shift everything, cancel.

    Parameters
    ----------
    before, after : ndarray of float64, shape (band, y, x)
        Reflectance.
    first, second : mapping of str to ndarray
        Indices of the same.

    Yields
    ------
    tuple of str and float
        Name and value, such as ``change.levelled.over-0.3``.
    """
    size = levelled_change(before, after)
    for level in CHANGE_LEVELS:
        yield f"change.levelled.over-{level}", float((size > level).mean())
    for how, value in zip(
        ("p50", "p90", "p99"), np.percentile(size, (50, 90, 99)), strict=True
    ):
        yield f"change.levelled.{how}", float(value)
    for lag in CHANGE_LAGS:
        shift = min(lag, size.shape[0] - 2)
        together = correlation(size[shift:], size[:-shift])
        yield f"change.levelled.together-{lag}", together
    change = second["ndvi"] - first["ndvi"]
    around = change - np.median(change)
    for step in GREENNESS_STEPS:
        yield f"change.ndvi.lost-{step}", float((change < -step).mean())
        yield f"change.ndvi.gained-{step}", float((change > step).mean())
        yield f"change.ndvi.lost-around-{step}", float((around < -step).mean())
    for name in STABLE_INDICES:
        yield f"change.{name}.pattern", correlation(first[name], second[name])


def levelled_change(before: Plane, after: Plane) -> Plane:
    """
    Compute the change of log reflectance that the whole patch does not share.

    Parameters
    ----------
    before, after : ndarray of float64, shape (band, y, x)
        Reflectance.

    Returns
    -------
    ndarray of float64, shape (y, x)
        Root mean square over bands, natural logarithms; not negative.
    """
    change = np.log(np.maximum(after, DARKEST)) - np.log(np.maximum(before, DARKEST))
    change = change - np.median(change, axis=(1, 2), keepdims=True)
    return np.asarray(np.sqrt(np.mean(np.square(change), axis=0)), dtype=np.float64)


def piece_measures(
    before: Plane,
    after: Plane,
    first: Mapping[str, Plane],
    second: Mapping[str, Plane],
    covers: tuple[Mapping[str, NDArray[np.bool_]], Mapping[str, NDArray[np.bool_]]],
) -> Iterator[Measure]:
    """
    Measure the pieces of what was lost, opened, bare or under water.

    Parameters
    ----------
    before, after : ndarray of float64, shape (band, y, x)
        Reflectance.
    first, second : mapping of str to ndarray
        Indices of the same.
    covers : tuple of two mappings
        Covers before and after.

    Yields
    ------
    tuple of str and float
        Name and value, such as ``pieces.opened.largest``.
    """
    old, new = covers
    open_before, open_after = old["bare"] | old["water"], new["bare"] | new["water"]
    maps = {
        "loss": second["ndvi"] - first["ndvi"] < -LOSS,
        "changed": levelled_change(before, after) > CHANGED,
        "water-after": new["water"],
        "water-before": old["water"],
        "bare-after": new["bare"],
        "bare-before": old["bare"],
        "open-after": open_after,
        "opened": open_after & ~open_before,
    }
    for name in MAPS:
        for how, value in _pieces(maps[name]).items():
            yield f"pieces.{name}.{how}", value


def texture_measures(
    patches: tuple[Plane, Plane], indices: tuple[Mapping[str, Plane], ...]
) -> Iterator[Measure]:
    """
    Measure roughness by scale, gradients and their directions, before and after.

    Parameters
    ----------
    patches : tuple of two ndarrays, shape (band, y, x)
        Reflectance before and after.
    indices : tuple of two mappings
        Their indices.

    Yields
    ------
    tuple of str and float
        Name and value, such as ``after.ndvi.rough-4``; what is also compared between
        the looks comes last, such as ``change.ndvi.rough-4``.
    """
    told: dict[str, dict[str, float]] = {}
    for when, patch, own in zip(LOOKS, patches, indices, strict=True):
        layers = {
            "ndvi": own["ndvi"],
            "bright": np.log(np.maximum(own["bright"], DARKEST)),
            "mndwi": own["mndwi"],
            "B11": np.log(np.maximum(patch[4], DARKEST)),
            "mud": own["mud"],
        }
        told[when] = {
            f"{name}.{how}": value
            for name in LAYER_MEANINGS
            for how, value in _texture(layers[name])
        }
        for name, value in told[when].items():
            yield f"{when}.{name}", value
    for name, value in told["after"].items():
        if name.partition(".")[2].startswith(("rough", "steep", "fine")):
            yield f"change.{name}", value - told["before"][name]


def _texture(plane: Plane) -> Iterator[Measure]:
    """Measure one layer of one look."""
    rough = [_variogram(plane, lag) for lag in LAGS]
    for lag, value in zip(LAGS, rough, strict=True):
        yield f"rough-{lag}", float(np.log(value + NOTHING))
    for place, lag in enumerate(LAGS[:-1]):
        ratio = (rough[place] + NOTHING) / (rough[place + 1] + NOTHING)
        yield f"rough-{lag}-of-{LAGS[place + 1]}", float(np.log(ratio))
    # edges repeat themselves, so that a window beyond the patch sees no step
    gx, gy = ndimage.sobel(plane, 1) / 8, ndimage.sobel(plane, 0) / 8
    steep = np.hypot(gx, gy)
    p50, p90 = np.percentile(steep, (50, 90))
    yield "steep-p50", float(p50)
    yield "steep-p90", float(p90)
    total = float(steep.sum()) + NOTHING
    # squaring a complex number doubles its angle, so that opposite ways add up
    twice = np.square(gx + 1j * gy) / np.maximum(steep, NOTHING)
    fourfold = np.square(twice) / np.maximum(steep, NOTHING)
    yield "one-way", float(abs(twice.sum())) / total
    yield "right-angled", float(abs(fourfold.sum())) / total
    ring = plane[2:, 1:-1] + plane[:-2, 1:-1] + plane[1:-1, 2:] + plane[1:-1, :-2]
    fine = np.median(np.abs(plane[1:-1, 1:-1] - ring / 4))
    yield "fine", float(np.log(fine + 1e-6))
    spread = plane.std()
    scaled = (plane - plane.mean()) / spread if spread > NOTHING else plane * 0.0
    yield "skew", float((scaled**3).mean())
    yield "peaked", float((scaled**4).mean())


def _variogram(plane: Plane, lag: int) -> float:
    """Compute half the mean square difference of pixels some way apart, both ways."""
    down, across = (min(lag, length - 1) for length in plane.shape)
    vertical = np.square(plane[down:] - plane[:-down]).mean()
    level = np.square(plane[:, across:] - plane[:, :-across]).mean()
    return float(vertical + level) / 2


def _pieces(chosen: NDArray[np.bool_]) -> dict[str, float]:
    """Count pieces of pixels that touch, and measure the largest."""
    labels, n = ndimage.label(chosen)
    if n == 0:
        return dict.fromkeys(
            ("largest", "number", "typical", "compact", "gathered"), 0.0
        )
    sizes = np.bincount(labels.ravel())[1:].astype(np.float64)
    largest = labels == int(sizes.argmax()) + 1
    rim = largest & ~ndimage.binary_erosion(largest, border_value=1)
    counted = sizes[sizes >= LEAST_PIECE]
    area = float(sizes.max())
    return {
        "largest": area / chosen.size,
        "number": float(counted.size),
        "typical": float(np.median(sizes)),
        "compact": 4 * np.pi * area / max(float(rim.sum()), 1.0) ** 2,
        "gathered": float(np.square(counted).sum() / sizes.sum() ** 2),
    }
