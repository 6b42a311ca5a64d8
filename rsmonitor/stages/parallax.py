r"""
Tell clouds from bright ground by their height: the cloud displacement index.

Sentinel-2 looks at one place through its bands one after another and so from slightly
different directions. What stands high above the ground is displaced between them. Of
the three near infrared bands B8A lies close in time to B07 and far from B08, while
their reflectances are alike; so over a cloud the ratio B08 / B8A varies much from
pixel to pixel and B07 / B8A little, and over the ground it is the other way round [1]_:

.. math::

   \mathrm{CDI} = \frac{V_7 - V_8}{V_7 + V_8}, \qquad
   V_b = \mathrm{var}_{w \times w}\!\left(\rho_b / \rho_{8A}\right)

over windows `w` of seven pixels of 20 m. B08, which is finer, is first blurred to the
resolution of the other two. Here all three are then blurred a little, because on a
grid of 10 m the bands of 20 m come in steps that would pass for displacement.

What it cannot do: a layer of cloud without structure varies in neither ratio, and haze
lets the ground through. Water and deep shade are too dark for a ratio. On a grid of
20 m, to which B08 comes averaged, ground and cloud overlap (measured on the scenes on
which 10 m tell them apart), so there nothing is computed.

References
----------
.. [1] Frantz, D., Hass, E., Uhl, A., Stoffels, J. and Hill, J. (2018), "Improvement of
   the Fmask algorithm for Sentinel-2 images: Separating clouds from bright surfaces
   based on parallax effects", Remote Sensing of Environment 215, 471-481.
   doi:10.1016/j.rse.2018.04.046
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from rsmonitor.errors import ContractError

PARALLAX_BANDS: Final = ("B07", "B08", "B8A")
"""Bands without which displacement is not measured."""

WINDOW_M: Final = 70.0
"""Half the side of the window, short of half a pixel: seven pixels of 20 m."""

COARSEST_M: Final = 15.0
"""Size of a pixel above which displacement is lost in it, metres."""

STEP_BLUR_M: Final = 7.0
"""Blur of all three bands, which takes off the steps of bands finer than their
pixels; standard deviation, metres."""

FINE_BLUR_M: Final = 10.0
"""Blur of B08 to the resolution of the other two; standard deviation, metres."""

BLUR_REACH: Final = 3.0
"""Where the blur ends, standard deviations."""

DARKEST: Final = 0.02
"""B8A below which a ratio is noise."""

LEAST_SHARE: Final = 0.5
"""Share of a window that must be measured."""


def displacement_halo(pixel_m: float) -> int:
    """
    Say how far around a pixel its displacement index looks.

    Parameters
    ----------
    pixel_m : float
        Size of a pixel, metres.

    Returns
    -------
    int
        Pixels.

    Examples
    --------
    >>> displacement_halo(10.0)
    13
    """
    blurs = (_blur(STEP_BLUR_M, pixel_m), _blur(FINE_BLUR_M, pixel_m))
    return _radius(pixel_m) + sum(blur.size // 2 for blur in blurs)


def cloud_displacement(
    reflectance: NDArray[np.float32], *, bands: tuple[str, ...], pixel_m: float
) -> NDArray[np.float32] | None:
    """
    Compute the cloud displacement index.

    Parameters
    ----------
    reflectance : ndarray of float32, shape (band, y, x)
        Reflectance; NaN where not measured.
    bands : tuple of str
        ESA names of the bands, in the order of the first axis.
    pixel_m : float
        Size of a pixel, metres.

    Returns
    -------
    ndarray of float32, shape (y, x), or None
        From -1 (a cloud) to 1; NaN where less than half of the window was measured.
        None if a band of `PARALLAX_BANDS` is missing, or pixels are larger than
        `COARSEST_M`.

    Raises
    ------
    ContractError
        If the number of bands does not agree or the pixel size is not positive.

    Examples
    --------
    >>> light = np.random.default_rng(1).uniform(0.3, 0.6, (3, 41, 41))
    >>> light = ndimage.gaussian_filter(light, (0, 2, 2)).astype(np.float32)
    >>> red_edge, near, far = light
    >>> seen = {"B07": red_edge, "B08": near, "B8A": near}  # ground differs by colour
    >>> ground = cloud_displacement(
    ...     np.stack(list(seen.values())), bands=tuple(seen), pixel_m=10.0
    ... )
    >>> seen = {"B07": near, "B08": np.roll(near, 2, axis=0), "B8A": near}
    >>> cloud = cloud_displacement(
    ...     np.stack(list(seen.values())), bands=tuple(seen), pixel_m=10.0
    ... )
    >>> ground[20, 20] > 0.5, cloud[20, 20] < -0.9
    (np.True_, np.True_)
    """
    if reflectance.ndim != 3 or len(reflectance) != len(bands):  # noqa: PLR2004
        raise ContractError(
            f"reflectance {reflectance.shape} does not fit {len(bands)} bands"
        )
    if not pixel_m > 0:
        raise ContractError(f"pixel_m must be positive, got {pixel_m}")
    if not set(PARALLAX_BANDS) <= set(bands) or pixel_m > COARSEST_M:
        return None
    red_edge, wide, narrow = (
        reflectance[bands.index(band)].astype(np.float64) for band in PARALLAX_BANDS
    )
    with np.errstate(invalid="ignore"):
        usable = np.isfinite(red_edge) & np.isfinite(wide) & (narrow > DARKEST)
    usable &= np.isfinite(narrow) & (np.abs(red_edge) < 10) & (np.abs(wide) < 10)  # noqa: PLR2004
    usable &= narrow < 10  # noqa: PLR2004 - nothing on Earth; keeps squares finite
    step, fine = _blur(STEP_BLUR_M, pixel_m), _blur(FINE_BLUR_M, pixel_m)
    weight = usable.astype(np.float64)
    # each band through the same gaps, so that a gap is no displacement
    red_edge, wide, narrow = (
        _spread(np.where(usable, band, 0.0), step) for band in (red_edge, wide, narrow)
    )
    wide = _spread(np.where(usable, wide, 0.0), fine)
    once = _spread(weight, step)
    twice = _spread(np.where(usable, once, 0.0), fine)
    window = np.full(2 * _radius(pixel_m) + 1, 1.0)
    count = _spread(weight, window)
    with np.errstate(divide="ignore", invalid="ignore"):
        red_edge_ratio = red_edge / narrow
        wide_ratio = (wide / twice) / (narrow / once)
        red_edge_varies = _variance(red_edge_ratio, usable, window, count)
        wide_varies = _variance(wide_ratio, usable, window, count)
        varies = red_edge_varies + wide_varies
        # below the rounding of float32 nothing varies
        index = np.where(varies > 1e-10, (red_edge_varies - wide_varies) / varies, 0.0)  # noqa: PLR2004
    index[count < LEAST_SHARE * window.size**2] = np.nan
    return index.astype(np.float32)


def _radius(pixel_m: float) -> int:
    """Give half the side of the window, pixels."""
    return int(WINDOW_M // pixel_m)


def _blur(sigma_m: float, pixel_m: float) -> NDArray[np.float64]:
    """Make one side of a Gaussian of weight one."""
    reach = int(np.ceil(BLUR_REACH * sigma_m / pixel_m))
    steps = np.arange(-reach, reach + 1) * pixel_m / sigma_m
    weights = np.exp(-0.5 * steps**2)
    blur: NDArray[np.float64] = weights / weights.sum()
    return blur


def _spread(
    values: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Correlate with weights along both axes, nothing being outside.

    Term by term, not by running sums: a pixel's value must not depend on where the
    block that it is in begins.
    """
    for axis in (0, 1):
        values = ndimage.correlate1d(values, weights, axis=axis, mode="constant")
    return values


def _variance(
    ratio: NDArray[np.float64],
    usable: NDArray[np.bool_],
    window: NDArray[np.float64],
    count: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Compute the variance of what is usable in a window."""
    # ratios are near one; taking it off keeps the difference of squares exact
    centred = np.where(usable, ratio - 1.0, 0.0)
    mean = _spread(centred, window) / count
    square = _spread(centred * centred, window) / count
    return np.maximum(square - mean * mean, 0.0)
