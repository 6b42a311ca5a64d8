r"""
Per-pixel seasonal reference: what unchanged looks like, and how much it scatters.

Model. Index :math:`k` of pixel :math:`p` at look :math:`t` is

.. math::

   y_{kpt} = o_{kt}(p) + a_{kp} + \sum_{h} b_{khp} \cos h\tau_t
             + c_{khp} \sin h\tau_t + \varepsilon_{kpt},
   \qquad \tau_t = 2\pi\,\mathrm{day}_t / 365.25

where :math:`o_{kt}(p)`, the scene's offset around a place, is shared by the pixels
there: phenology of the common cover, haze and light (`rsmonitor.stages.levelling`). So
the year's common course falls out before any pixel is judged. The seasonal terms are
fitted by iteratively reweighted least squares with Tukey's biweight, so a few missed
clouds do not count.

A pixel whose history holds a break (`rsmonitor.stages.stability`) is fitted again on
what comes after it, and is not monitored where that is too little; where the ground
falls and rises by turns, the spread holds the swings. Bare ground is not monitored.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import ContractError, HistoryError
from rsmonitor.records.parameters import HistoryParameters
from rsmonitor.records.rasters import (
    REFERENCE_COMMON,
    REFERENCE_FILL,
    REFERENCE_SCALE,
    HistoryClass,
)
from rsmonitor.stages.levelling import MAD_TO_SIGMA, Cells, levels
from rsmonitor.stages.stability import Breaks, breaks

DAYS_PER_YEAR: Final = 365.25
ITERATIONS: Final = 6
BIWEIGHT: Final = 3.0
"""Residuals beyond this many spreads count for nothing."""
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
    """Scene offsets, shape (time, index, cell); NaN where a scene is not used."""

    spread: NDArray[np.float32]
    """Typical spread of a scene's sample about the reference, shape (index,)."""

    floor: NDArray[np.float32]
    """Median pixel spread, below which no pixel's spread goes, shape (index,)."""

    level: NDArray[np.float32]
    """Median offset: what the common cover reads in a usual scene, shape (index,)."""

    green: NDArray[np.float32]
    """Offset of the greenest scenes (90th percentile), shape (index,)."""

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
    cell: NDArray[np.int64],
    cells: Cells,
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
    cell : ndarray of int64, shape (pixel,)
        Cell of each sample pixel.
    cells : Cells
        The lattice over which a scene may differ from place to place.

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
    n_cells = cells.rows * cells.cols
    offsets = np.full((n_time, n_index, n_cells), np.nan, dtype=np.float32)
    spread = np.empty(n_index, dtype=np.float32)
    floor = np.empty(n_index, dtype=np.float32)
    standardised = np.zeros((n_time, n_pixel), dtype=np.float64)
    for k in range(n_index):
        y = np.where(usable[:, None], values[:, k], np.nan)
        # every cell starts from the whole scene
        offset = np.repeat(_row_median(y)[:, None], n_cells, axis=1)
        scatter = np.empty(n_pixel, dtype=np.float64)
        looks = np.empty(n_pixel, dtype=np.int64)
        local = np.empty_like(offset)
        residual = np.empty_like(y)
        # Two rounds: the first offsets still hold which pixels happened to be clear.
        for _ in range(2):
            coefficients, scatter, looks = robust_fit(
                y - offset[:, cell], terms, parameters
            )
            residual = y - offset[:, cell] - terms @ coefficients
            for t in range(n_time):
                shared = levels(residual[t][None], cell, cells)
                offset[t] += shared.offset[0]
                local[t] = shared.spread[0]
                residual[t] -= shared.offset[0][cell]
        offsets[:, k] = offset
        spread[k] = max(float(np.nanmedian(local)), LEAST_SPREAD)
        # Few looks are fitted too well to say how much a pixel scatters.
        fitted = looks >= min(parameters.min_looks, int(looks.max()))
        floor[k] = max(float(np.median(scatter[fitted])), LEAST_SPREAD)
        noise = scene_noise(local, spread[k])[:, cell]
        scale = np.maximum(scatter, floor[k])[None, :] * noise
        standardised += weights[k] * residual / scale
    seen = standardised[np.isfinite(standardised)]
    combined = MAD_TO_SIGMA * float(np.median(np.abs(seen)))
    scenes = np.nanmedian(offsets[usable], axis=2)
    return SceneNorm(
        offsets=offsets,
        spread=spread,
        floor=floor,
        level=np.median(scenes, axis=0),
        green=np.percentile(scenes, 90, axis=0).astype(np.float32),
        combined=max(combined, LEAST_COMBINED),
    )


def fit_reference(
    values: NDArray[np.float32],
    days: NDArray[np.int64],
    offsets: NDArray[np.float32],
    *,
    norm: SceneNorm,
    weights: NDArray[np.float32],
    names: tuple[str, ...],
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
    offsets : ndarray of float32, shape (time, index, y, x) or (time, index, 1, 1)
        Scene offsets at each pixel; looks of scenes with NaN are not used.
    norm : SceneNorm
        What is usual: it puts the indices on one scale.
    weights : ndarray of float32, shape (index,)
        Share of each index in the combined one; they sum to 1.
    names : tuple of str
        The indices.
    parameters : HistoryParameters
        Harmonics, ridge, the least number of looks, and what is a break.

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
    if offsets.shape[:2] != (n_time, n_index) or days.shape != (n_time,):
        raise ContractError(
            f"values {values.shape}, days {days.shape} and offsets {offsets.shape} "
            "do not agree"
        )
    terms = seasonal_terms(days, parameters.harmonics)
    own = terms.shape[1] + 1
    reference = np.full(
        (n_index * own + REFERENCE_COMMON, height, width), REFERENCE_FILL, np.int16
    )
    departures = values - offsets
    seen = np.isfinite(departures).all(axis=1)
    looks = seen.sum(axis=0)
    enough = looks >= parameters.min_looks
    reference[-3] = np.minimum(looks, np.iinfo(np.int16).max)
    reference[-2] = np.where(seen, days[:, None, None], 0).max(axis=0)
    reference[-1] = HistoryClass.TOO_FEW
    if not enough.any():
        return reference
    # pixels that will not be monitored are not worth a fit
    y = np.where(seen[:, None], departures, np.nan)[:, :, enough]
    fits = [robust_fit(y[:, k], terms, parameters) for k in range(n_index)]
    # usual spreads, since a break inflates the pixel's own
    usual = weights / (norm.floor * norm.combined)
    z = np.zeros((n_time, y.shape[2]))
    for k, (coefficients, _, _) in enumerate(fits):
        z += usual[k] * (y[:, k] - terms @ coefficients)
    ground = _present_ground(z, y, terms, usual, parameters)
    refit = np.flatnonzero(~ground.rests_on.all(axis=0))
    swings = ground.kind == HistoryClass.ROTATION
    peak = np.full(y.shape[2], np.inf)
    for k, (coefficients, scatter, _) in enumerate(fits):
        if refit.size:
            own_looks = np.where(ground.rests_on[:, refit], y[:, k, refit], np.nan)
            again, spread, _ = robust_fit(own_looks, terms, parameters)
            coefficients[:, refit], scatter[refit] = again, spread
        if swings.any():
            residual = y[:, k, swings] - terms @ coefficients[:, swings]
            scatter[swings] = np.nanstd(residual, axis=0)
        if names[k] == "ndvi":
            season = np.hypot(coefficients[1::2], coefficients[2::2]).sum(axis=0)
            peak = coefficients[0] + season + norm.green[k]
        planes = reference[k * own : (k + 1) * own]
        planes[:-1, enough] = quantised(coefficients)
        planes[-1, enough] = quantised(scatter)
    kind = np.where(
        (peak < parameters.bare_ndvi) & (ground.kind != HistoryClass.TOO_FEW),
        HistoryClass.BARE,
        ground.kind,
    )
    unmonitored = np.zeros((height, width), dtype=bool)
    unmonitored[enough] = np.isin(kind, (HistoryClass.TOO_FEW, HistoryClass.BARE))
    reference[:-REFERENCE_COMMON, unmonitored] = REFERENCE_FILL
    rests_on = ground.rests_on & np.isfinite(z)
    reference[-3, enough] = np.minimum(rests_on.sum(axis=0), np.iinfo(np.int16).max)
    late = np.flatnonzero(enough.ravel())[kind == HistoryClass.LATE]
    last = np.where(rests_on, days[:, None], 0).max(axis=0)
    reference[-2].reshape(-1)[late] = last[kind == HistoryClass.LATE]
    reference[-1, enough] = kind
    return reference


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Ground:
    """Which looks of the history show the ground that a reference describes."""

    kind: NDArray[np.uint8]
    """`HistoryClass`, shape (pixel,)."""

    rests_on: NDArray[np.bool_]
    """True for the looks to fit on, shape (time, pixel)."""


def _present_ground(
    z: NDArray[np.float64],
    y: NDArray[np.float32],
    terms: NDArray[np.float64],
    usual: NDArray[np.float32],
    parameters: HistoryParameters,
) -> _Ground:
    """Choose the looks of each pixel that its reference rests on."""
    first = breaks(z, least_step=parameters.break_step)
    broken = np.flatnonzero(first.since)
    kind = np.full(z.shape[1], HistoryClass.STABLE, dtype=np.uint8)
    rests_on = np.ones(z.shape, dtype=bool)
    if not broken.size:
        return _Ground(kind=kind, rests_on=rests_on)
    since, step = first.since[broken], first.step[broken]
    second = _second_break(y[:, :, broken], since, terms, usual, parameters)
    turns = second.step * step < 0
    kind[broken] = np.where(
        turns,
        HistoryClass.ROTATION,
        np.where(step < 0, HistoryClass.DISTURBED, HistoryClass.RECOVERED),
    )
    once, seen = ~turns, np.isfinite(z[:, broken])
    after = np.arange(len(z))[:, None] >= since[None]
    new = once & ((seen & after).sum(axis=0) >= parameters.min_looks)
    old = once & ((seen & ~after).sum(axis=0) >= parameters.min_looks)
    lost = once & (step < 0)
    rests_on[:, broken[new]] = after[:, new]
    late = ~new & old & lost
    rests_on[:, broken[late]] = ~after[:, late]
    kind[broken[late]] = HistoryClass.LATE
    kind[broken[~new & ~old & lost]] = HistoryClass.TOO_FEW
    return _Ground(kind=kind, rests_on=rests_on)


def _second_break(
    y: NDArray[np.float32],
    since: NDArray[np.int64],
    terms: NDArray[np.float64],
    usual: NDArray[np.float32],
    parameters: HistoryParameters,
) -> Breaks:
    """Look for another break in what a season and a first step leave over."""
    z = np.zeros((len(y), y.shape[2]))
    for look in np.unique(since):
        step = (np.arange(len(y)) >= look).astype(np.float64)
        wider = np.column_stack([terms, step])
        pixels = since == look
        for k, share in enumerate(usual):
            series = y[:, k, pixels]
            coefficients, _, _ = robust_fit(series, wider, parameters)
            z[:, pixels] += share * (series - wider @ coefficients)
    return breaks(z, least_step=parameters.break_step)


def unlike_before(reference: NDArray[np.int16]) -> NDArray[np.bool_]:
    """
    Say where the history holds a change, so that its looks do not show one ground.

    Parameters
    ----------
    reference : ndarray of int16, shape (parameter, y, x)
        See `rsmonitor.records.rasters.REFERENCE_STATE`.

    Returns
    -------
    ndarray of bool, shape (y, x)
        True for every `HistoryClass` but stable, bare and too few looks.
    """
    return ~np.isin(
        reference[-1],
        (HistoryClass.STABLE, HistoryClass.BARE, HistoryClass.TOO_FEW),
    )


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
