"""Pixels at the rim of a change, which only part of it reaches.

The test is sensitive enough to see a quarter of a pixel change, and the blur of the
instrument, the 20 m bands and shifts between scenes carry a change one or two pixels
out. Left in, these pixels join what lies apart and make every area too large.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def without_edges(
    tier: NDArray[np.uint8],
    strength: NDArray[np.float32],
    *,
    share: float,
    pixels: int,
) -> NDArray[np.uint8]:
    """
    Take the blurred rim off graded pixels.

    A pixel goes if it changed less than `share` of the strongest change within
    `pixels`, and only from outside in: a weak spot inside a change stays.

    Parameters
    ----------
    tier : ndarray of uint8, shape (y, x)
        See `rsmonitor.records.rasters.Tier`; not modified.
    strength : ndarray of float32, shape (y, x)
        How strongly each pixel changed, from
        `rsmonitor.stages.evidence.strength`.
    share : float
        0 takes nothing away.
    pixels : int
        Width of the rim, pixels.

    Returns
    -------
    ndarray of uint8, shape (y, x)
        The tiers, 0 where a rim was.

    Examples
    --------
    >>> tier = np.array([[0, 3, 3, 3, 0]], dtype=np.uint8)
    >>> strength = np.array([[0, 2, 20, 12, 0]], dtype=np.float32)
    >>> without_edges(tier, strength, share=0.3, pixels=2)
    array([[0, 0, 3, 3, 0]], dtype=uint8)
    """
    graded = tier > 0
    y, x = np.mgrid[-pixels : pixels + 1, -pixels : pixels + 1]
    disk = y * y + x * x <= (pixels + 0.5) ** 2
    # greener than before is no change, and no reason to take ground without a rim
    changed = np.where(graded, np.maximum(strength, 0), 0)
    strongest = ndimage.maximum_filter(changed, footprint=disk, mode="constant")
    weak = graded & (changed < share * strongest)
    outside = ~graded
    for _ in range(pixels):
        reached = ndimage.binary_dilation(outside, structure=np.ones((3, 3)))
        outside = outside | (weak & reached)
    return np.where(outside, 0, tier).astype(np.uint8)
