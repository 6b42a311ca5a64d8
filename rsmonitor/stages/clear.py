"""What was seen of the ground: free of cloud, shadow, snow and missing data.

The scene classification (SCL) decides, with clouds and their shadows grown, because
their edges carry through. Classes are never interpolated: between class 4 and 8 lies
6, which is water. Bare soil that SCL calls cloud is lost here and counted as cloud;
rescuing it needs more than one scene.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from rsmonitor.errors import ContractError
from rsmonitor.records.parameters import ClearParameters
from rsmonitor.records.rasters import Scl


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearCounts:
    """Pixels that each screen removed; every pixel is counted once."""

    pixels: int
    """All pixels."""

    not_measured: int
    """Without data in a band or in SCL."""

    classed_out: int
    """SCL says cloud, shadow, snow, saturated or dark."""

    grown_out: int
    """Next to a cloud or a shadow."""

    snow: int
    """Bright and snow-like although SCL says ground."""

    clear: int
    """What is left."""


def clear_ground(
    reflectance: NDArray[np.float32],
    scl: NDArray[np.uint8],
    *,
    bands: tuple[str, ...],
    grow_pixels: int,
    parameters: ClearParameters,
) -> tuple[NDArray[np.bool_], ClearCounts]:
    """
    Say for each pixel whether the ground was seen.

    Parameters
    ----------
    reflectance : ndarray of float32, shape (band, y, x)
        Reflectance, NaN where not measured.
    scl : ndarray of uint8, shape (y, x)
        Scene classification, see `Scl`.
    bands : tuple of str
        ESA names of the bands, in the order of the first axis.
    grow_pixels : int
        Radius by which clouds and shadows grow, pixels.
    parameters : ClearParameters
        Classes and thresholds.

    Returns
    -------
    clear : ndarray of bool, shape (y, x)
        True where the ground was seen.
    counts : ClearCounts
        What each screen removed.

    Raises
    ------
    ContractError
        If shapes or the number of bands do not agree.

    Examples
    --------
    >>> scl = np.array([[4, 4, 4, 9]], dtype=np.uint8)
    >>> reflectance = np.full((1, 1, 4), 0.1, dtype=np.float32)
    >>> clear, counts = clear_ground(
    ...     reflectance,
    ...     scl,
    ...     bands=("B04",),
    ...     grow_pixels=1,
    ...     parameters=ClearParameters(),
    ... )
    >>> clear
    array([[ True,  True, False, False]])
    >>> counts.classed_out, counts.grown_out, counts.clear
    (1, 1, 2)
    """
    if reflectance.shape != (len(bands), *scl.shape):
        raise ContractError(
            f"reflectance {reflectance.shape} does not fit {len(bands)} bands "
            f"and scl {scl.shape}"
        )
    measured = np.isfinite(reflectance).all(axis=0) & (scl != Scl.NO_DATA)
    classed = np.isin(scl, parameters.clear_classes)
    near_cloud = grow(np.isin(scl, parameters.grown_classes), grow_pixels)
    snow = _snow(reflectance, bands, parameters)
    clear = measured & classed & ~near_cloud & ~snow
    counts = ClearCounts(
        pixels=scl.size,
        not_measured=int((~measured).sum()),
        classed_out=int((measured & ~classed).sum()),
        grown_out=int((measured & classed & near_cloud).sum()),
        snow=int((measured & classed & ~near_cloud & snow).sum()),
        clear=int(clear.sum()),
    )
    return clear, counts


def grow(covered: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """
    Grow what is True by a disk.

    Parameters
    ----------
    covered : ndarray of bool, shape (y, x)
        What grows.
    radius : int
        Radius of the disk, pixels; 0 grows nothing.

    Returns
    -------
    ndarray of bool, shape (y, x)
        True within `radius` of what was True.

    Examples
    --------
    >>> grow(np.array([[True, False, False]]), 1)
    array([[ True,  True, False]])
    """
    if radius == 0 or not covered.any():
        return covered.copy()
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    # half a pixel more than the radius makes the disk round on a pixel grid
    disk = y * y + x * x <= (radius + 0.5) ** 2
    if radius == 1:
        disk = np.abs(y) + np.abs(x) <= 1
    grown: NDArray[np.bool_] = ndimage.binary_dilation(covered, structure=disk)
    return grown


def _snow(
    reflectance: NDArray[np.float32],
    bands: tuple[str, ...],
    parameters: ClearParameters,
) -> NDArray[np.bool_]:
    """Find bright snow; without B03 and B11 nothing is called snow."""
    if "B03" not in bands or "B11" not in bands:
        return np.zeros(reflectance.shape[1:], dtype=np.bool_)
    green = reflectance[bands.index("B03")]
    swir = reflectance[bands.index("B11")]
    with np.errstate(divide="ignore", invalid="ignore"):
        ndsi = (green - swir) / (green + swir)
    snowy: NDArray[np.bool_] = (ndsi > parameters.snow_ndsi) & (
        green > parameters.snow_green
    )
    return snowy
