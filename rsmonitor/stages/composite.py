"""Clear looks become one image for people to look at; never input to detection."""

import numpy as np
from numpy.typing import NDArray


def median_composite(
    reflectance: NDArray[np.float32], clear: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    """
    Take the median of the clear looks of each pixel.

    Parameters
    ----------
    reflectance : ndarray of float32, shape (time, band, y, x)
        Reflectance; not modified.
    clear : ndarray of bool, shape (time, y, x)
        True where the ground was seen.

    Returns
    -------
    composite : ndarray of float32, shape (band, y, x)
        Median; NaN where a pixel was never clear.
    n_clear : ndarray of uint16, shape (y, x)
        Clear looks behind each pixel.

    Examples
    --------
    >>> looks = np.array([0.1, 0.5, 0.2], dtype=np.float32).reshape(3, 1, 1, 1)
    >>> clear = np.array([True, False, True]).reshape(3, 1, 1)
    >>> composite, n_clear = median_composite(looks, clear)
    >>> round(composite.item(), 2), n_clear.item()
    (0.15, 2)
    """
    n_clear = clear.sum(axis=0)
    seen = np.where(clear[:, None], reflectance, np.float32(np.nan))
    ordered = np.sort(seen, axis=0)  # NaN go last
    low = np.maximum(n_clear - 1, 0) // 2
    high = np.minimum(n_clear // 2, max(len(clear) - 1, 0))
    lower = np.take_along_axis(ordered, low[None, None], axis=0)[0]
    upper = np.take_along_axis(ordered, high[None, None], axis=0)[0]
    composite = np.where(n_clear > 0, (lower + upper) / 2, np.float32(np.nan))
    return composite.astype(np.float32), n_clear.astype(np.uint16)


def bands_shown(bands: tuple[str, ...]) -> tuple[str, ...]:
    """
    Say which bands an image is made of.

    Parameters
    ----------
    bands : tuple of str
        ESA names of the bands that there are.

    Returns
    -------
    tuple of str
        For red, green and blue, as far as there are such bands.

    Examples
    --------
    >>> bands_shown(("B03", "B04", "B08"))
    ('B08', 'B04', 'B03')
    """
    rgb = ("B04", "B03", "B02") if "B02" in bands else ("B08", "B04", "B03")
    return tuple(band for band in rgb if band in bands)


def true_colour(
    composite: NDArray[np.float32], bands: tuple[str, ...], brightest: float
) -> NDArray[np.uint8]:
    """
    Stretch a composite to an image.

    Parameters
    ----------
    composite : ndarray of float32, shape (band, y, x)
        Reflectance.
    bands : tuple of str
        ESA names of the bands.
    brightest : float
        Reflectance that becomes white.

    Returns
    -------
    ndarray of uint8, shape (y, x, 3)
        Red, green and blue; near infrared, red and green where there is no blue.
        Pixels never seen are mid grey.
    """
    chosen = [composite[bands.index(band)] for band in bands_shown(bands)]
    while len(chosen) < 3:  # noqa: PLR2004 - an image has three channels
        chosen.append(chosen[-1])
    stacked = np.stack(chosen, axis=-1) / brightest
    # the square root opens the shadows of a forest, where most of the picture lies
    scaled = np.sqrt(np.clip(stacked, 0.0, 1.0)) * 255
    return np.where(np.isfinite(scaled), scaled, 128).astype(np.uint8)
