r"""
Per-pixel seasonal reference: what unchanged looks like, and how much it scatters.

Model. Index :math:`k` of pixel :math:`p` at look :math:`t` is

.. math::

   y_{kpt} = o_{kt} + a_{kp} + \sum_{h} b_{khp} \cos h\tau_t + c_{khp} \sin h\tau_t
             + \varepsilon_{kpt}, \qquad \tau_t = 2\pi\,\mathrm{day}_t / 365.25

where :math:`o_{kt}`, the scene's offset, is the same for all pixels: phenology of the
common cover, haze and light. It is estimated as a median over a fixed sample of
pixels, so the year's common course falls out before any pixel is judged. The seasonal
terms are fitted by iteratively reweighted least squares with Tukey's biweight, so a few
missed clouds do not count.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import ContractError, HistoryError
from rsmonitor.records.parameters import HistoryParameters
from rsmonitor.records.rasters import REFERENCE_FILL, REFERENCE_SCALE

DAYS_PER_YEAR: Final = 365.25
ITERATIONS: Final = 6
BIWEIGHT: Final = 3.0
"""Residuals beyond this many spreads count for nothing."""
MAD_TO_SIGMA: Final = 1.4826
"""Median absolute deviation of a normal distribution to its standard deviation."""
LEAST_COMBINED: Final = 0.05
"""Indices never agree so well that their mean scatters less than this."""
LEAST_RIDGE: Final = 1e-9
"""Too small to move a coefficient, large enough to be solved with."""
LEAST_SPREAD: Final = 0.001
"""Below this a spread is rounding, not scatter."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SceneNorm:
    """What the history says of scenes as a whole; the same for all blocks."""

    offsets: NDArray[np.float32]
    """Scene offsets, shape (time, index); NaN where a scene could not be used."""

    spread: NDArray[np.float32]
    """Typical spread of a scene's sample about the reference, shape (index,)."""

    floor: NDArray[np.float32]
    """Median pixel spread, below which no pixel's spread goes, shape (index,)."""

    level: NDArray[np.float32]
    """Median offset: what the common cover reads in a usual scene, shape (index,)."""

    combined: float
    """Spread of the weighted mean of the standardised indices; 1 if they all agree."""

    def packed(self) -> NDArray[np.int16]:
        """
        Give what monitoring needs as integers, as stored in the grid's own block.

        Returns
        -------
        ndarray of int16, shape (3 * index + 1, 1, 1)
            Spreads, floors, levels and the combined spread, times `REFERENCE_SCALE`.
        """
        values = np.concatenate([self.spread, self.floor, self.level, [self.combined]])
        return quantised(values)[:, None, None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Norm:
    """`SceneNorm` as monitoring reads it back."""

    spread: NDArray[np.float32]
    """Typical spread of a scene, shape (index,)."""

    floor: NDArray[np.float32]
    """Least pixel spread, shape (index,)."""

    level: NDArray[np.float32]
    """What the common cover reads in a usual scene, shape (index,)."""

    combined: float
    """Spread of the weighted mean of the standardised indices."""

    @classmethod
    def unpack(cls, packed: NDArray[np.int16]) -> "Norm":
        """
        Read back what `SceneNorm.packed` wrote.

        Parameters
        ----------
        packed : ndarray of int16, shape (3 * index + 1, 1, 1)
            As stored.

        Returns
        -------
        Norm
            The norm.
        """
        values = packed.reshape(-1).astype(np.float32) / np.float32(REFERENCE_SCALE)
        n = (values.size - 1) // 3
        return cls(
            spread=values[:n],
            floor=values[n : 2 * n],
            level=values[2 * n : 3 * n],
            combined=float(values[-1]),
        )


def seasonal_terms(days: NDArray[np.int64], harmonics: int) -> NDArray[np.float64]:
    """
    Compute the terms of the seasonal model.

    Parameters
    ----------
    days : ndarray of int64, shape (time,)
        Days since 1970-01-01.
    harmonics : int
        Pairs of cosine and sine.

    Returns
    -------
    ndarray of float64, shape (time, 1 + 2 * harmonics)
        One, then cosine and sine of each harmonic of the year.

    Examples
    --------
    >>> seasonal_terms(np.array([0]), 1)
    array([[1., 1., 0.]])
    """
    phase = 2 * np.pi * np.asarray(days, dtype=np.float64) / DAYS_PER_YEAR
    terms = [np.ones_like(phase)]
    for h in range(1, harmonics + 1):
        terms += [np.cos(h * phase), np.sin(h * phase)]
    return np.stack(terms, axis=1)


def scene_norm(
    values: NDArray[np.float32],
    days: NDArray[np.int64],
    *,
    weights: NDArray[np.float32],
    min_sample: int,
    parameters: HistoryParameters,
) -> SceneNorm:
    """
    Estimate what is common to whole scenes, from a sample of pixels.

    Parameters
    ----------
    values : ndarray of float32, shape (time, index, pixel)
        Indices of the sample over the history; NaN where not clear.
    days : ndarray of int64, shape (time,)
        Days since 1970-01-01.
    weights : ndarray of float32, shape (index,)
        Share of each index in the combined one; they sum to 1.
    min_sample : int
        Clear sample pixels below which a scene is not used.
    parameters : HistoryParameters
        Harmonics and ridge.

    Returns
    -------
    SceneNorm
        Offsets of the scenes, spreads, and the spread of the combined index.

    Raises
    ------
    HistoryError
        If too few scenes can be used to fit anything.
    """
    usable = np.isfinite(values).all(axis=1).sum(axis=1) >= min_sample
    if int(usable.sum()) < parameters.min_looks:
        raise HistoryError(
            f"history until {parameters.until} has {int(usable.sum())} scenes with at "
            f"least {min_sample} clear sample pixels; {parameters.min_looks} are "
            "needed (history.min_looks). Start the history earlier or end it later"
        )
    terms = seasonal_terms(days, parameters.harmonics)
    n_time, n_index, n_pixel = values.shape
    offsets = np.full((n_time, n_index), np.nan, dtype=np.float32)
    spread = np.empty(n_index, dtype=np.float32)
    floor = np.empty(n_index, dtype=np.float32)
    standardised = np.zeros((n_time, n_pixel), dtype=np.float64)
    for k in range(n_index):
        y = np.where(usable[:, None], values[:, k], np.nan)
        offset = _row_median(y)
        residual = np.empty_like(y)
        scatter = np.empty(n_pixel, dtype=np.float64)
        looks = np.empty(n_pixel, dtype=np.int64)
        # Two rounds: the first offsets still hold which pixels happened to be clear.
        for _ in range(2):
            coefficients, scatter, looks = robust_fit(
                y - offset[:, None], terms, parameters
            )
            residual = y - offset[:, None] - terms @ coefficients
            offset = offset + _row_median(residual)
            residual = residual - _row_median(residual)[:, None]
        scene_spread = MAD_TO_SIGMA * _row_median(np.abs(residual))
        offsets[:, k] = offset
        spread[k] = max(float(np.nanmedian(scene_spread)), LEAST_SPREAD)
        # Few looks are fitted too well to say how much a pixel scatters.
        fitted = looks >= min(parameters.min_looks, int(looks.max()))
        floor[k] = max(float(np.median(scatter[fitted])), LEAST_SPREAD)
        noise = scene_noise(scene_spread, spread[k])
        scale = np.maximum(scatter, floor[k])[None, :] * noise[:, None]
        standardised += weights[k] * residual / scale
    seen = standardised[np.isfinite(standardised)]
    combined = MAD_TO_SIGMA * float(np.median(np.abs(seen)))
    return SceneNorm(
        offsets=offsets,
        spread=spread,
        floor=floor,
        level=np.nanmedian(offsets, axis=0),
        combined=max(combined, LEAST_COMBINED),
    )


def fit_reference(
    values: NDArray[np.float32],
    days: NDArray[np.int64],
    offsets: NDArray[np.float32],
    *,
    parameters: HistoryParameters,
) -> NDArray[np.int16]:
    """
    Fit the reference of one block.

    Parameters
    ----------
    values : ndarray of float32, shape (time, index, y, x)
        Indices over the history; NaN where not clear.
    days : ndarray of int64, shape (time,)
        Days since 1970-01-01.
    offsets : ndarray of float32, shape (time, index)
        `SceneNorm.offsets`; looks of scenes with NaN are not used.
    parameters : HistoryParameters
        Harmonics, ridge and the least number of looks.

    Returns
    -------
    ndarray of int16, shape (parameter, y, x)
        See `rsmonitor.records.rasters.REFERENCE_STATE`.

    Raises
    ------
    ContractError
        If shapes do not agree.
    """
    n_time, n_index, height, width = values.shape
    if offsets.shape != (n_time, n_index) or days.shape != (n_time,):
        raise ContractError(
            f"values {values.shape}, days {days.shape} and offsets {offsets.shape} "
            "do not agree"
        )
    terms = seasonal_terms(days, parameters.harmonics)
    n_terms = terms.shape[1]
    planes_per_index = n_terms + 1
    reference = np.empty((n_index * planes_per_index + 1, height, width), np.int16)
    usable = np.isfinite(offsets.sum(axis=1))[:, None, None]
    seen = np.isfinite(values).all(axis=1) & usable
    looks = seen.sum(axis=0)
    enough = looks >= parameters.min_looks
    reference[:-1] = REFERENCE_FILL
    reference[-1] = np.minimum(looks, np.iinfo(np.int16).max)
    if not enough.any():
        return reference
    for k in range(n_index):
        # pixels that will not be monitored are not worth a fit
        series = values[:, k, enough] - offsets[:, k, None]
        y = np.where(seen[:, enough], series, np.nan)
        coefficients, scatter, _ = robust_fit(y, terms, parameters)
        planes = reference[k * planes_per_index : (k + 1) * planes_per_index]
        planes[:n_terms, enough] = quantised(coefficients)
        planes[n_terms, enough] = quantised(scatter)
    return reference


def robust_fit(
    y: NDArray[np.floating],
    terms: NDArray[np.float64],
    parameters: HistoryParameters,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """
    Fit seasonal terms to each pixel by reweighted least squares.

    Parameters
    ----------
    y : ndarray, shape (time, pixel)
        Observations; NaN where there is none.
    terms : ndarray of float64, shape (time, term)
        From `seasonal_terms`.
    parameters : HistoryParameters
        Ridge, which holds the seasonal terms (not the mean) near zero.

    Returns
    -------
    coefficients : ndarray of float64, shape (term, pixel)
        Zero where a pixel has no observation.
    spread : ndarray of float64, shape (pixel,)
        1.4826 times the median absolute residual.
    looks : ndarray of int64, shape (pixel,)
        Observations of each pixel.

    Examples
    --------
    >>> from datetime import date
    >>> terms = seasonal_terms(np.arange(0, 730, 10), 1)
    >>> y = (terms @ [0.5, 0.2, -0.1])[:, None].copy()
    >>> y[3] = 9.0  # one missed cloud
    >>> parameters = HistoryParameters(until=date(2018, 1, 1), ridge=0.0)
    >>> coefficients, spread, looks = robust_fit(y, terms, parameters)
    >>> coefficients[:, 0].round(3).tolist(), int(looks[0])
    ([0.5, 0.2, -0.1], 73)
    """
    seen = np.isfinite(y)
    filled = np.where(seen, y, 0.0)
    looks = seen.sum(axis=0)
    n_pixel, n_terms = y.shape[1], terms.shape[1]
    products = (terms[:, :, None] * terms[:, None, :]).reshape(len(terms), -1)
    # a pixel with fewer looks than terms still has one solution
    least = max(parameters.ridge, LEAST_RIDGE)
    ridge = np.diag([LEAST_RIDGE] + [least] * (n_terms - 1))
    weight = seen.astype(np.float64)
    coefficients = np.zeros((n_terms, n_pixel))
    spread = np.full(n_pixel, LEAST_SPREAD)
    for _ in range(ITERATIONS):
        normal = (weight.T @ products).reshape(n_pixel, n_terms, n_terms) + ridge
        moment = (weight * filled).T @ terms
        coefficients = np.linalg.solve(normal, moment[:, :, None])[:, :, 0].T
        residual = np.where(seen, filled - terms @ coefficients, np.nan)
        spread = np.maximum(
            MAD_TO_SIGMA * _row_median(np.abs(residual).T), LEAST_SPREAD
        )
        u = np.where(seen, residual, 0.0) / (BIWEIGHT * spread)
        weight = np.where(seen & (np.abs(u) < 1), (1 - u * u) ** 2, 0.0)
    return coefficients, np.nan_to_num(spread, nan=LEAST_SPREAD), looks


def scene_noise(
    scene_spread: NDArray[np.floating] | float, typical: NDArray[np.floating] | float
) -> NDArray[np.float64]:
    """
    Say how much noisier than usual a scene is.

    Parameters
    ----------
    scene_spread : ndarray or float
        Spread of the scene's sample about the reference, index units.
    typical : ndarray or float
        The same over the history.

    Returns
    -------
    ndarray of float64
        At least 1: a hazy scene is believed less, a fine one not more than usual.
    """
    ratio = np.asarray(scene_spread, dtype=np.float64) / np.asarray(typical)
    noise: NDArray[np.float64] = np.maximum(ratio, 1.0)
    return noise


def quantised(values: NDArray[np.floating]) -> NDArray[np.int16]:
    """
    Round to the integers that are stored.

    Parameters
    ----------
    values : ndarray of float
        Index units, within about 3.2 of zero.

    Returns
    -------
    ndarray of int16
        `values` times `REFERENCE_SCALE`, clipped so that `REFERENCE_FILL` stays free.
    """
    scaled = np.rint(np.asarray(values, dtype=np.float64) * REFERENCE_SCALE)
    return np.clip(scaled, REFERENCE_FILL + 1, 32_767).astype(np.int16)


def _row_median(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Median of each row without NaN; NaN where a row has none, and no warning."""
    ordered = np.sort(values, axis=1)  # NaN go last
    count = np.isfinite(values).sum(axis=1)
    rows = np.arange(len(values))
    low = ordered[rows, np.maximum(count - 1, 0) // 2]
    high = ordered[rows, np.maximum(count // 2, 0).clip(max=values.shape[1] - 1)]
    return np.where(count > 0, (low + high) / 2.0, np.nan)
