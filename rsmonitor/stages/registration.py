r"""
How far a scene lies from its place, and putting it back.

A scene of before August 2021 may lie 12 m off, and even refined ones wander by some
metres, which turns every edge between two land covers into a change. The shift is
measured against what the seasonal reference predicts for that day, not against
another scene: sun and shade of the season are in the prediction, so that a low sun is
not mistaken for a shift.

Method. Prediction :math:`P` and scene :math:`Q` are cut into chips, freed of what is
wider than a few pixels, and correlated by phase [1]_:

.. math::

   C(\delta) = \mathcal{F}^{-1}\left[
       \frac{\overline{\hat P}\,\hat Q}{|\hat P|\,|\hat Q|}\; G \right](\delta)

with a low-pass :math:`G`, because the finest waves of two scenes are noise. The surface
is summed over chips and evaluated at twentieths of a pixel around zero by the matrix
form of the Fourier transform [2]_. Where a pixel was not seen, or reads like no ground
within reach of a shift, both images are zero: what changed is no witness of where it
lies.

References
----------
.. [1] Kuglin, C. D. and Hines, D. C. (1975), "The phase correlation image alignment
   method", Proc. IEEE Int. Conf. on Cybernetics and Society, 163-165.
.. [2] Guizar-Sicairos, M., Thurman, S. T. and Fienup, J. R. (2008), "Efficient subpixel
   image registration algorithms", Optics Letters 33, 156-158.
   doi:10.1364/OL.33.000156
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from rsmonitor.records.grid import Block, Grid
from rsmonitor.stages.evidence import residuals
from rsmonitor.stages.levelling import MAD_TO_SIGMA

CHIP_PIXELS: Final = 192
"""Side of a chip: wide enough for a sharp peak, small against a tile."""

SEARCH_PIXELS: Final = 2.5
"""How far a shift is looked for; sensors have not been farther off than 12 m."""

STEPS: Final = 20
"""Parts of a pixel that are told apart."""

WIDE_PIXELS: Final = 4.0
"""Standard deviation of what is taken off before correlating: haze and terrain."""

FINEST: Final = 0.12
"""Standard deviation of the low-pass, cycles a pixel."""

LEAST_SEEN: Final = 2_000
"""Pixels of a chip below which it says nothing about a shift."""

CHANGED_SPREADS: Final = 5.0
"""A pixel that departs from all ground around it by more spreads is no witness."""

LEAST_PEAK: Final = 8.0
"""Height of the peak over the mean height of the surface, below which it is noise."""

AGREEMENT_PIXELS: Final = 0.5
"""How far the shifts of single indices may lie apart."""

LEAST_WEIGHT: Final = 0.6
"""Share of the kernel that must have been seen for a pixel to be put back."""

MOST_SHIFT: Final = 0.5
"""A scene farther off than this is put back; moving one that lies nearer would only
blur it."""

WHOLE_GRID: Final = 256
"""A grid up to this size is one chip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """How far a scene lies from its place, pixels."""

    dy: float
    """Downwards: what belongs at row y is seen at row y + dy."""

    dx: float
    """To the right."""

    @property
    def length(self) -> float:
        """Length in pixels."""
        return float(np.hypot(self.dy, self.dx))


def chips(grid: Grid) -> tuple[Block, ...]:
    """
    Choose where the shift of a scene is measured; the same for all scenes.

    Parameters
    ----------
    grid : Grid
        The grid.

    Returns
    -------
    tuple of Block
        The whole of a small grid, or five chips, like the pips of a die.
    """
    height, width = grid.shape
    if max(height, width) <= WHOLE_GRID:
        return (Block(row=0, col=0, height=height, width=width),)
    rows, cols = min(CHIP_PIXELS, height), min(CHIP_PIXELS, width)
    places = {
        (
            min(max(round(height * down) - rows // 2, 0), height - rows),
            min(max(round(width * along) - cols // 2, 0), width - cols),
        )
        for down, along in (
            (0.25, 0.25),
            (0.25, 0.75),
            (0.5, 0.5),
            (0.75, 0.25),
            (0.75, 0.75),
        )
    }
    return tuple(
        Block(row=row, col=col, height=rows, width=cols) for row, col in sorted(places)
    )


def measure_shift(
    predicted: Sequence[NDArray[np.float32]], observed: Sequence[NDArray[np.float32]]
) -> Shift | None:
    """
    Measure how far a scene lies from what is expected of it.

    Parameters
    ----------
    predicted : sequence of ndarray of float32, shape (index, y, x)
        What the reference says of that day, one array a chip; NaN where nothing.
    observed : sequence of ndarray of float32, shape (index, y, x)
        What was seen, NaN where not; the indices of the finest bands alone.

    Returns
    -------
    Shift or None
        None where it cannot be told: too little was seen, the peak is no higher than
        noise, or the indices disagree.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> ground = ndimage.gaussian_filter(rng.normal(size=(1, 90, 90)), (0, 1.5, 1.5))
    >>> ground = ground.astype(np.float32)
    >>> seen = np.roll(ground, (0, 1), axis=(1, 2))  # one pixel to the right
    >>> measure_shift([ground], [seen])
    Shift(dy=0.0, dx=1.0)
    """
    n_index = predicted[0].shape[0]
    steps = round(SEARCH_PIXELS * STEPS)
    tried = np.arange(-steps, steps + 1) / STEPS
    surfaces = np.zeros((n_index, tried.size, tried.size))
    found = False
    for expected, look in zip(predicted, observed, strict=True):
        both = np.isfinite(np.concatenate([expected, look])).all(axis=0)
        if int(both.sum()) < min(LEAST_SEEN, both.size // 4):
            continue
        found = True
        for k in range(n_index):
            surfaces[k] += _correlated(expected[k], look[k], both, tried)
    if not found:
        return None
    single = []
    for surface in surfaces:
        row, col = np.unravel_index(int(surface.argmax()), surface.shape)
        at_the_rim = {int(row), int(col)} & {0, tried.size - 1}
        if at_the_rim or surface[row, col] < LEAST_PEAK:
            return None
        single.append((tried[row], tried[col]))
    mean = np.mean(single, axis=0)
    if np.hypot(*(np.array(single) - mean).T).max() > AGREEMENT_PIXELS / 2:
        return None
    return Shift(dy=round(float(mean[0]), 3), dx=round(float(mean[1]), 3))


def shift_of(
    looks: Sequence[NDArray[np.float32]],
    references: Sequence[NDArray[np.int16]],
    disturbed: Sequence[NDArray[np.bool_]],
    day: int,
    weights: NDArray[np.float32],
) -> Shift | None:
    """
    Measure the shift of a scene against the reference.

    Parameters
    ----------
    looks : sequence of ndarray of float32, shape (index, y, x)
        Indices of each chip; NaN where not seen.
    references : sequence of ndarray of int16, shape (parameter, y, x)
        Reference of each chip.
    disturbed : sequence of ndarray of bool, shape (y, x)
        True where there is evidence of a disturbance, which is no witness, nor is what
        lies beside it.
    day : int
        Days since 1970-01-01.
    weights : ndarray of float32, shape (index,)
        The largest mark the indices of the finest bands.

    Returns
    -------
    Shift or None
        From `measure_shift`.
    """
    sharp = np.flatnonzero(weights == weights.max())
    observed = [look[sharp] for look in looks]
    predicted = []
    for look, reference, changed in zip(looks, references, disturbed, strict=True):
        expected = look[sharp] - residuals(look, reference, day)[sharp]
        near = ndimage.binary_dilation(changed, structure=np.ones((5, 5)))
        predicted.append(np.where(near, np.float32(np.nan), expected))
    return measure_shift(predicted, observed)


def put_back(values: NDArray[np.float32], shift: Shift) -> NDArray[np.float32]:
    r"""
    Put a shifted scene back in its place by cubic convolution.

    Parameters
    ----------
    values : ndarray of float32, shape (index, y, x)
        What was seen; NaN where not. A margin of `margin(shift)` pixels on each side
        cannot be filled and comes back NaN.
    shift : Shift
        From `measure_shift`.

    Returns
    -------
    ndarray of float32, shape (index, y, x)
        ``values`` as they would be without the shift; NaN where less than most of the
        kernel was seen.

    Notes
    -----
    The kernel is Keys' with a = -1/2, whose sum over what was not seen is made up for
    by what was: :math:`\sum_i w_i v_i / \sum_i w_i` over seen :math:`i`.

    References
    ----------
    Keys, R. G. (1981), "Cubic convolution interpolation for digital image processing",
    IEEE Trans. Acoustics, Speech, and Signal Processing 29, 1153-1160.
    doi:10.1109/TASSP.1981.1163711

    Examples
    --------
    >>> row = np.array([[[1, 2, 4, 8, 16, 32, 64]]], dtype=np.float32)
    >>> put_back(np.repeat(row, 7, axis=1), Shift(dy=0.0, dx=1.0))[0, 3]
    array([nan, nan,  8., 16., 32., nan, nan], dtype=float32)
    """
    down, along = _kernel(shift.dy), _kernel(shift.dx)
    seen = np.atleast_2d(np.isfinite(values).all(axis=0))
    weight = _convolved(seen.astype(np.float32), down, along)
    nearest = np.roll(seen, (-round(shift.dy), -round(shift.dx)), axis=(0, 1))
    rim = margin(shift)
    kept = nearest & (weight >= LEAST_WEIGHT)
    inside = np.zeros_like(kept)
    inside[rim:-rim, rim:-rim] = True
    kept &= inside
    result = np.full_like(values, np.nan)
    for k in range(values.shape[0]):
        filled = values[k].copy()
        filled[~seen] = 0
        moved = _convolved(filled, down, along)
        result[k, kept] = moved[kept] / weight[kept]
    return result


def margin(shift: Shift) -> int:
    """
    Say how many pixels around a window `put_back` needs.

    Parameters
    ----------
    shift : Shift
        The shift.

    Returns
    -------
    int
        Pixels on each side.
    """
    return int(np.ceil(max(abs(shift.dy), abs(shift.dx)))) + 1


def _correlated(
    expected: NDArray[np.float32],
    look: NDArray[np.float32],
    both: NDArray[np.bool_],
    tried: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Correlate one index of one chip by phase, over the mean height of its surface."""
    residual = (look - expected)[both]
    offset = float(np.median(residual))
    spread = MAD_TO_SIGMA * float(np.median(np.abs(residual - offset)))
    # What no ground within reach of a shift could show has changed.
    around = 2 * int(np.ceil(SEARCH_PIXELS)) + 1
    low = ndimage.minimum_filter(np.where(both, expected, np.inf), around)
    high = ndimage.maximum_filter(np.where(both, expected, -np.inf), around)
    level = np.where(both, look - offset, np.nan)
    with np.errstate(invalid="ignore"):
        witness = both & (level >= low - CHANGED_SPREADS * spread)
        witness &= level <= high + CHANGED_SPREADS * spread
    taper = np.outer(_taper(look.shape[0]), _taper(look.shape[1]))
    a = np.fft.fft2(_fine(expected, witness) * taper)
    b = np.fft.fft2(_fine(look, witness) * taper)
    cross = np.conj(a) * b
    size = np.abs(cross)
    down = np.fft.fftfreq(look.shape[0])
    along = np.fft.fftfreq(look.shape[1])
    low_pass = np.exp(-(down[:, None] ** 2 + along[None] ** 2) / (2 * FINEST**2))
    # waves that are hardly there have no phase
    cross = cross / (size + 1e-3 * size.max() + 1e-30) * low_pass
    mean_height = np.sqrt(np.mean(np.abs(np.fft.ifft2(cross)) ** 2))
    rows = np.exp(2j * np.pi * np.outer(tried, down))
    cols = np.exp(2j * np.pi * np.outer(along, tried))
    surface: NDArray[np.float64] = (rows @ cross @ cols).real / cross.size
    return np.asarray(surface / (mean_height + 1e-30))


def _fine(values: NDArray[np.float32], seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Take off what is wide, and leave zero where nothing was seen."""
    filled = np.where(seen, values, 0.0).astype(np.float64)
    wide = ndimage.gaussian_filter(filled, WIDE_PIXELS)
    share = ndimage.gaussian_filter(seen.astype(np.float64), WIDE_PIXELS)
    return np.where(seen, filled - wide / np.maximum(share, 1e-6), 0.0)


def _taper(length: int) -> NDArray[np.float64]:
    """Fade the borders of a chip, which are no edges of the ground."""
    fade = min(8, length // 4)
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(fade) + 0.5) / max(fade, 1))
    taper = np.ones(length)
    taper[:fade], taper[length - fade :] = ramp, ramp[::-1]
    return taper


def _kernel(shift: float) -> NDArray[np.float64]:
    """Weights of pixels -n..n around a pixel, so that it shows what lies at +shift."""
    reach = int(np.ceil(abs(shift))) + 1
    distance = np.abs(np.arange(-reach, reach + 1) - shift)
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    weights: NDArray[np.float64] = np.where(
        distance <= 1,
        near,
        np.where(distance < 2, far, 0.0),  # noqa: PLR2004 - Keys
    )
    return weights


def _convolved(
    values: NDArray[np.float32],
    down: NDArray[np.float64],
    along: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Apply a kernel to columns and then to rows, zero outside."""
    once = ndimage.correlate1d(values, down, axis=0, mode="constant")
    return np.asarray(ndimage.correlate1d(once, along, axis=1, mode="constant"))
