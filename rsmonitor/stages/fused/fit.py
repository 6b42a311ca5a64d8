"""The history fit in one pass over the pixels, `LANES` of them at a time.

`fit_reference` and `robust_fit` do what those of `rsmonitor.stages.history` do, which
stay as the oracle. What is held beside input and output is that of a few groups of
lanes, however many pixels a block has; only arrays that do not lie in order are copied.

Sums are taken one look after the other and rounded once, with its product, on any
machine; BLAS and LAPACK may take another order. So coefficients and spreads agree
within 1e-9 index units where looks suffice for the terms, and what is stored within one
unit, where a number lies on the edge between two.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rsmonitor.errors import ContractError
from rsmonitor.records.parameters import HistoryParameters
from rsmonitor.records.rasters import REFERENCE_COMMON, REFERENCE_FILL
from rsmonitor.stages.fused.fit_block import fit_block
from rsmonitor.stages.fused.fit_lanes import LANES, load, store
from rsmonitor.stages.fused.fit_robust import (
    count_holes,
    design,
    even,
    fit_lanes,
    space_for,
    unsee,
)
from rsmonitor.stages.fused.fit_sort import lists
from rsmonitor.stages.history import LEAST_RIDGE, SceneNorm, seasonal_terms


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
    Fit the reference of one block, as `rsmonitor.stages.history.fit_reference` does.

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
    n_terms = terms.shape[1]
    planes = n_index * (n_terms + 1) + REFERENCE_COMMON
    reference = np.full((planes, height * width), REFERENCE_FILL, np.int16)
    shared = offsets.shape[2:] == (1, 1)
    kind = np.result_type(values, offsets)
    if not shared:
        offsets = np.broadcast_to(offsets, values.shape)
    columns, products = design(terms)
    ndvi = [k for k in range(n_index) if names[k] == "ndvi"]
    # the step of a pixel that holds a break is one term more
    fit_block(
        _still(values.astype(kind, copy=False)).reshape(-1),
        _still(days.astype(np.int64)),
        _still(offsets.astype(kind, copy=False)).reshape(-1),
        (n_time, n_index, height * width, shared),
        (weights / (norm.floor * norm.combined)).astype(np.float64),
        (ndvi[-1], float(norm.green[ndvi[-1]])) if ndvi else (-1, 0.0),
        columns,
        products,
        _ridge(n_terms + 1, parameters),
        lists(even(n_time)),
        (
            parameters.min_looks,
            float(parameters.break_step),
            float(parameters.bare_ndvi),
        ),
        reference,
    )
    return reference.reshape(planes, height, width)


def robust_fit(
    y: NDArray[np.floating],
    terms: NDArray[np.float64],
    parameters: HistoryParameters,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """
    Fit terms to each pixel, as `rsmonitor.stages.history.robust_fit` does.

    Parameters
    ----------
    y : ndarray, shape (time, pixel)
        Observations; NaN where there is none.
    terms : ndarray of float64, shape (time, term)
        From `rsmonitor.stages.history.seasonal_terms`, or others.
    parameters : HistoryParameters
        Ridge, which holds all terms but the first near zero.

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
    n_time, n_pixel = y.shape
    columns, products = design(terms)
    coefficients = np.empty((terms.shape[1], n_pixel))
    spread = np.empty(n_pixel)
    looks = np.empty(n_pixel, dtype=np.int64)
    _fit_pixels(
        _still(y),
        columns,
        products,
        _ridge(terms.shape[1], parameters),
        lists(even(n_time)),
        coefficients,
        spread,
        looks,
    )
    return coefficients, spread, looks


def _ridge(n_terms: int, parameters: HistoryParameters) -> NDArray[np.float64]:
    """Give what holds each coefficient: the mean is free, as far as it can be."""
    ridge = np.full(n_terms, max(parameters.ridge, LEAST_RIDGE), dtype=np.float64)
    ridge[0] = LEAST_RIDGE
    return ridge


def _still(array: NDArray[Any]) -> NDArray[Any]:
    """Give one kind of array whoever may write to it, so that kernels compile once."""
    still = np.ascontiguousarray(array).view()
    still.flags.writeable = False
    return still


@njit(nogil=True, cache=True)
def _fit_pixels(y, columns, products, ridge, sizes, coefficients, spread, looks):
    """Fill what `robust_fit` gives."""
    n_time, n_pixel = y.shape
    n_terms, n_rows = ridge.size, columns.shape[0]
    nought = np.int64(0)  # not a literal, which would be compiled for by itself
    space = space_for(sizes, columns, products)
    series = np.empty(n_rows * LANES)
    holes = np.empty(LANES)
    found = np.empty(n_terms * LANES)
    scatter = np.empty(LANES)
    for start in range(0, n_pixel, LANES):
        n_lanes = min(LANES, n_pixel - start)
        unsee(series, 0, series.size)
        for t in range(n_time):
            for lane in range(n_lanes):
                series[t * LANES + lane] = y[t, start + lane]
        store(holes, 0, count_holes(series, n_rows))
        missing = load(holes, 0)
        fitted = fit_lanes(
            series,
            nought,
            n_rows,
            missing,
            columns,
            products,
            ridge,
            sizes,
            found,
            nought,
            space,
        )
        store(scatter, 0, fitted)
        for lane in range(n_lanes):
            for j in range(n_terms):
                coefficients[j, start + lane] = found[j * LANES + lane]
            spread[start + lane] = scatter[lane]
            looks[start + lane] = n_rows - int(holes[lane])
