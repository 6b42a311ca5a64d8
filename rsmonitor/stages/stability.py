r"""
Whether the history of a pixel is one ground throughout.

A reference fitted over a felling, or over fields that change with the crops, describes
no ground that ever was. So the standardised residuals :math:`z` of a first
fit are split where the means before and after differ most,

.. math::

   t_k = \frac{\bar z_{>k} - \bar z_{\le k}}
              {s \sqrt{1/n_{\le k} + 1/n_{>k}}}, \qquad
   s = \frac{1.4826}{\sqrt 2}\,\mathrm{median}\,|z_{i+1} - z_i|,\ s \ge 1

with residuals clipped at ten scatters, so that one cloud is no break, and with the
scatter from successive looks, which a break does not inflate. A split is a break if
both :math:`|t|` and the difference of the means, in scatters, are large.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

LEAST_SIDE: Final = 5
"""Looks on each side of a break: fewer are a spell of haze."""

LEAST_T: Final = 8.0
"""Significance of a break, standard errors; over every split of forty looks noise alone
stays under 5."""

CLIP: Final = 10.0
"""Scatters at which residuals are clipped."""

MAD_TO_SIGMA: Final = 1.4826
"""Median absolute deviation of a normal distribution to its standard deviation."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Breaks:
    """The clearest break of each pixel."""

    since: NDArray[np.int64]
    """First look after the break; 0 where there is none, shape (pixel,)."""

    step: NDArray[np.float64]
    """Mean after less mean before, in scatters; 0 where there is none, same shape."""


def breaks(z: NDArray[np.float64], *, least_step: float) -> Breaks:
    """
    Look for a break in the history of each pixel.

    Parameters
    ----------
    z : ndarray of float64, shape (time, pixel)
        Residuals of a fit over the whole history, in spreads of usual ground, negative
        where plant cover is missing; NaN where not seen.
    least_step : float
        Least difference of the means on both sides, in scatters of the pixel.

    Returns
    -------
    Breaks
        Where the ground changed, and by how much.

    Examples
    --------
    >>> z = np.zeros((20, 2))
    >>> z[12:, 1] = -5.0
    >>> found = breaks(z, least_step=3.0)
    >>> found.since.tolist(), found.step.tolist()
    ([0, 12], [0.0, -5.0])
    """
    seen = np.isfinite(z)
    clipped = np.clip(z / _scatter(z), -CLIP, CLIP)
    filled = np.where(seen, clipped, 0.0)
    before = seen.cumsum(axis=0)
    after = before[-1] - before
    total = filled.cumsum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        step = (total[-1] - total) / after - total / before
        significance = np.abs(step) / np.sqrt(1 / before + 1 / after)
    possible = (before >= LEAST_SIDE) & (after >= LEAST_SIDE) & seen
    significance = np.where(possible, significance, 0.0)
    last = significance.argmax(axis=0)
    pixels = np.arange(z.shape[1])
    size = np.where(possible[last, pixels], step[last, pixels], 0.0)
    found = (significance[last, pixels] >= LEAST_T) & (np.abs(size) >= least_step)
    # the first look after the break is the next one that was seen
    later = seen & (np.arange(z.shape[0])[:, None] > last[None])
    return Breaks(
        since=np.where(found, later.argmax(axis=0), 0),
        step=np.where(found, size, 0.0),
    )


def _scatter(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scatter of successive looks, at least 1, shape (pixel,)."""
    seen = np.isfinite(z)
    times = np.arange(z.shape[0])[:, None]
    latest = np.maximum.accumulate(np.where(seen, times, -1), axis=0)
    before = np.vstack([np.full((1, z.shape[1]), -1), latest[:-1]])
    jump = np.abs(z - np.take_along_axis(z, np.maximum(before, 0), axis=0))
    jump[~seen | (before < 0)] = np.nan
    ordered = np.sort(jump, axis=0)  # NaN go last
    count = np.isfinite(jump).sum(axis=0)
    middle = ordered[np.maximum(count - 1, 0) // 2, np.arange(z.shape[1])]
    scatter = MAD_TO_SIGMA / np.sqrt(2) * np.nan_to_num(middle)
    bounded: NDArray[np.float64] = np.maximum(scatter, 1.0)
    return bounded
