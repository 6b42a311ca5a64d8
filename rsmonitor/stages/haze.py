r"""
Find haze that the scene classification lets through.

Thin cloud and smoke add light in the blue above all. Over the ground blue is bound to
red: the haze optimised transform [1]_, in the form of Fmask [2]_,

.. math:: \mathrm{HOT} = \rho_{02} - \tfrac12\, \rho_{04},

is near zero over soil as over plants and rises with haze. White roofs and tailings
raise it as well, but only where they are, while haze raises all there is around. So
what counts is the floor: the lowest HOT within some 150 m, of means over three by three
pixels. It misses haze in smaller patches, which is the price for not losing white
ground.

References
----------
.. [1] Zhang, Y., Guindon, B. and Cihlar, J. (2002), "An image transform to characterize
   and compensate for spatial variations in thin cloud contamination of Landsat
   images", Remote Sensing of Environment 82, 173-187.
   doi:10.1016/S0034-4257(02)00034-2
.. [2] Zhu, Z. and Woodcock, C. E. (2012), "Object-based cloud and cloud shadow
   detection in Landsat imagery", Remote Sensing of Environment 118, 83-94.
   doi:10.1016/j.rse.2011.10.028
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from rsmonitor.errors import ContractError
from rsmonitor.records.parameters import RescueParameters
from rsmonitor.records.rasters import Scl

HAZE_BANDS: Final = ("B02", "B04")
"""Bands without which haze is not measured."""

JUDGED: Final = (Scl.VEGETATION, Scl.NOT_VEGETATED, Scl.UNCLASSIFIED)
"""Classes that witness haze; water is blue by itself."""


def haze_halo(pixel_m: float, *, parameters: RescueParameters) -> int:
    """
    Say how far around a pixel its haze is looked for.

    Parameters
    ----------
    pixel_m : float
        Size of a pixel, metres.
    parameters : RescueParameters
        The window.

    Returns
    -------
    int
        Pixels.

    Examples
    --------
    >>> haze_halo(10.0, parameters=RescueParameters())
    16
    """
    return _radius(pixel_m, parameters) + 1


def hazy_ground(
    reflectance: NDArray[np.float32],
    scl: NDArray[np.uint8],
    *,
    bands: tuple[str, ...],
    pixel_m: float,
    parameters: RescueParameters,
) -> NDArray[np.bool_] | None:
    """
    Say for each pixel whether it lies under haze.

    Parameters
    ----------
    reflectance : ndarray of float32, shape (band, y, x)
        Reflectance; NaN where not measured.
    scl : ndarray of uint8, shape (y, x)
        Scene classification.
    bands : tuple of str
        ESA names of the bands, in the order of the first axis.
    pixel_m : float
        Size of a pixel, metres.
    parameters : RescueParameters
        Threshold and window.

    Returns
    -------
    ndarray of bool, shape (y, x), or None
        True under haze; False where no land around can witness it. None without the
        bands of `HAZE_BANDS`.

    Raises
    ------
    ContractError
        If shapes or the number of bands do not agree, or the pixel size is not
        positive.

    Examples
    --------
    >>> scl = np.full((40, 40), Scl.VEGETATION, dtype=np.uint8)
    >>> light = np.full((2, 40, 40), 0.03, dtype=np.float32)
    >>> light[:, 20:24, 20:24] = 0.4  # a white roof
    >>> clear, hazed = (
    ...     hazy_ground(
    ...         light + np.array(veil, dtype=np.float32)[:, None, None],
    ...         scl,
    ...         bands=HAZE_BANDS,
    ...         pixel_m=10.0,
    ...         parameters=RescueParameters(),
    ...     )
    ...     for veil in ((0.0, 0.0), (0.1, 0.06))
    ... )
    >>> clear.any(), hazed.all()
    (np.False_, np.True_)
    """
    if reflectance.shape != (len(bands), *scl.shape):
        raise ContractError(
            f"reflectance {reflectance.shape} does not fit {len(bands)} bands "
            f"and scl {scl.shape}"
        )
    if not pixel_m > 0:
        raise ContractError(f"pixel_m must be positive, got {pixel_m}")
    if not set(HAZE_BANDS) <= set(bands):
        return None
    blue, red = (reflectance[bands.index(band)] for band in HAZE_BANDS)
    with np.errstate(invalid="ignore", over="ignore"):
        transform = blue.astype(np.float64) - 0.5 * red.astype(np.float64)
    judged = np.isfinite(transform) & np.isin(scl, JUDGED)
    total, count = np.where(judged, transform, 0.0), judged.astype(np.float64)
    for axis in (0, 1):
        total, count = (
            ndimage.correlate1d(plane, np.ones(3), axis=axis, mode="constant")
            for plane in (total, count)
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(judged, total / count, np.inf)
    floor = ndimage.minimum_filter(
        mean, 2 * _radius(pixel_m, parameters) + 1, mode="constant", cval=np.inf
    )
    hazy: NDArray[np.bool_] = np.isfinite(floor) & (floor > parameters.haze)
    return hazy


def _radius(pixel_m: float, parameters: RescueParameters) -> int:
    """Give half the side of the window, pixels."""
    return max(1, round(parameters.haze_window_m / 2 / pixel_m))
