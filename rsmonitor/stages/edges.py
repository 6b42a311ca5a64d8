"""Pixels at the rim of a change, which only part of it reaches.

The test is sensitive enough to see a quarter of a pixel change, and the blur of the
instrument, the 20 m bands and shifts between scenes carry a change one or two pixels
out. They are evidence that something changed, but drawn into an outline they would
join what lies apart and make every area too large.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def core(
    tier: NDArray[np.uint8],
    strength: NDArray[np.float32],
    *,
    share: float,
    pixels: int,
) -> NDArray[np.bool_]:
    """
    Say which graded pixels changed by enough to be drawn.

    A pixel is rim if it changed less than `share` of the strongest change within
    `pixels`, and only from outside in: a weak spot inside a change stays. How strongly
    a pixel changed, over the strongest nearby, is taken for the part of it that
    changed: that holds where the ground before and after is the same over that
    distance.

    Parameters
    ----------
    tier : ndarray of uint8, shape (y, x)
        See `rsmonitor.records.rasters.Tier`.
    strength : ndarray of float32, shape (y, x)
        How strongly each pixel changed, from
        `rsmonitor.stages.evidence.strength`.
    share : float
        0 leaves no rim.
    pixels : int
        Width of the rim, pixels.

    Returns
    -------
    ndarray of bool, shape (y, x)
        True for graded pixels that are not rim.

    Examples
    --------
    >>> tier = np.array([[0, 3, 3, 3, 0]], dtype=np.uint8)
    >>> strength = np.array([[0, 2, 20, 12, 0]], dtype=np.float32)
    >>> core(tier, strength, share=0.3, pixels=2)
    array([[False, False,  True,  True, False]])
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
    return ~outside
