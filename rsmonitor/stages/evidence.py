r"""
Sequential evidence of disturbance: one look at a time, with a small state.

For each clear look the residuals of all indices about the reference are standardised
and averaged to one number :math:`z`, which has unit spread over undisturbed ground.
The log likelihood ratio of 'dropped by :math:`\delta`' against 'unchanged' is added to
a score that never falls below zero (Page's cumulative sum [1]_):

.. math::

   S_t = \min\left(c,\; \max\left(0,\; S_{t-1} +
         \mathrm{clip}(-\delta z_t - \delta^2/2,\ \pm m)\right)\right)

The clip :math:`m` bounds what one look can say, because a missed cloud is not normal
noise. A look that was not clear does not move the score: not observed is not unchanged.
The last look at which the score was zero and the first at which it was not are the
interval in which the change began.

References
----------
.. [1] Page, E. S. (1954), "Continuous inspection schemes", Biometrika 41, 100-115.
   doi:10.1093/biomet/41.1-2.100
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsmonitor.records.parameters import EvidenceParameters
from rsmonitor.records.rasters import (
    DEPARTURE_ZERO,
    EVIDENCE_PLANES,
    REFERENCE_FILL,
    REFERENCE_SCALE,
    SCORE_SCALE,
    Tier,
    planes,
    planes_per_index,
)
from rsmonitor.stages.history import Norm, scene_noise, seasonal_terms
from rsmonitor.stages.levelling import Cells, Shared, levels

DEPARTURE_LOOKS = 10
"""The mean departure is that of the first looks, this many: enough to average out
shifts between scenes, and then it stands still while the ground greens again."""

FULL = np.iinfo(np.uint16).max
"""Counters stop here instead of starting again at zero."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SceneStatistics:
    """What one scene departs from the reference by cell; the same for all blocks."""

    offset: NDArray[np.float32]
    """Departure of the common cover, shape (index, cell)."""

    noise: NDArray[np.float32]
    """How much noisier than usual, at least 1, shape (index, cell)."""

    sample: int
    """Clear sample pixels that it rests on."""

    weak_cells: int
    """Cells in which too little was seen to tell them from the whole scene."""

    def over(self, cells: Cells, rows: slice, cols: slice) -> Shared:
        """
        Lay what the scene shares over a window.

        Parameters
        ----------
        cells : Cells
            The lattice.
        rows : slice
            Rows of the window in the grid.
        cols : slice
            Columns of the window in the grid.

        Returns
        -------
        Shared
            Offset and noise at each pixel; one value for all where there is one cell.
        """
        if self.offset.shape[1] == 1:
            return Shared(offset=self.offset[:, :, None], noise=self.noise[:, :, None])
        return Shared(
            offset=cells.at(self.offset, rows, cols),
            noise=cells.at(self.noise, rows, cols),
        )


def residuals(
    values: NDArray[np.float32],
    reference: NDArray[np.int16],
    day: int,
) -> NDArray[np.float32]:
    """
    Compute departures from the reference.

    Parameters
    ----------
    values : ndarray of float32, shape (index, ...)
        Indices of one scene; NaN where not clear.
    reference : ndarray of int16, shape (parameter, ...)
        See `rsmonitor.records.rasters.REFERENCE_STATE`.
    day : int
        Days since 1970-01-01.

    Returns
    -------
    ndarray of float32, shape (index, ...)
        Index units; NaN where not clear or not monitored.
    """
    n_index = values.shape[0]
    per_index = planes_per_index(reference, n_index)
    harmonics = (per_index - 2) // 2
    terms = seasonal_terms(np.array([day]), harmonics)[0].astype(np.float32)
    monitored = reference[0] != REFERENCE_FILL
    result = np.empty_like(values)
    for k in range(n_index):
        coefficients = reference[k * per_index : k * per_index + per_index - 1]
        # Term by term: how BLAS rounds a sum depends on the shape of the block.
        predicted = np.zeros(values.shape[1:], dtype=np.float32)
        for term, coefficient in zip(terms, coefficients, strict=True):
            predicted += term * coefficient
        result[k] = values[k] - predicted / np.float32(REFERENCE_SCALE)
    result[:, ~monitored] = np.nan
    return result


def scene_statistics(
    sample_residuals: NDArray[np.float32],
    *,
    norm: Norm,
    parameters: EvidenceParameters,
    cell: NDArray[np.int64],
    cells: Cells,
) -> SceneStatistics | None:
    """
    Estimate what a scene departs from the reference around each place.

    Parameters
    ----------
    sample_residuals : ndarray of float32, shape (index, pixel)
        From `residuals`, at the fixed sample of pixels.
    norm : Norm
        What is usual, from the history.
    parameters : EvidenceParameters
        The least sample.
    cell : ndarray of int64, shape (pixel,)
        Cell of each sample pixel.
    cells : Cells
        The lattice.

    Returns
    -------
    SceneStatistics or None
        None where too few sample pixels were clear: the scene says nothing.
    """
    sample = int(np.isfinite(sample_residuals).all(axis=0).sum())
    if sample < parameters.min_sample:
        return None
    shared = levels(sample_residuals, cell, cells)
    return SceneStatistics(
        offset=shared.offset,
        noise=scene_noise(shared.spread, norm.spread[:, None]).astype(np.float32),
        sample=sample,
        weak_cells=shared.weak,
    )


def combined_departure(
    departures: NDArray[np.float32],
    reference: NDArray[np.int16],
    *,
    weights: NDArray[np.float32],
    noise: NDArray[np.float32],
    norm: Norm,
) -> NDArray[np.float32]:
    """
    Standardise departures of all indices and average them to one.

    Parameters
    ----------
    departures : ndarray of float32, shape (index, y, x)
        Residuals less the scene's offset; NaN where not clear or not monitored.
    reference : ndarray of int16, shape (parameter, y, x)
        Its spread planes are used.
    weights : ndarray of float32, shape (index,)
        Share of each index; they sum to 1.
    noise : ndarray of float32, shape (index, y, x) or (index, 1, 1)
        How much noisier than usual the scene is there.
    norm : Norm
        Least spreads, and the spread of the mean.

    Returns
    -------
    ndarray of float32, shape (y, x)
        Spreads of the combined index; NaN where not clear or not monitored.
    """
    n_index = departures.shape[0]
    per_index = planes_per_index(reference, n_index)
    total = np.zeros(departures.shape[1:], dtype=np.float32)
    for k in range(n_index):
        stored = reference[(k + 1) * per_index - 1].astype(np.float32)
        spread = np.maximum(stored / REFERENCE_SCALE, norm.floor[k])
        total += weights[k] * departures[k] / (spread * noise[k])
    return total / np.float32(norm.combined)


def observe(
    state: NDArray[np.uint16],
    reference: NDArray[np.int16],
    values: NDArray[np.float32],
    *,
    day: int,
    weights: NDArray[np.float32],
    shared: Shared,
    norm: Norm,
    parameters: EvidenceParameters,
) -> NDArray[np.uint16]:
    """
    Judge one look at a block against its reference and add it to the evidence.

    Parameters
    ----------
    state : ndarray of uint16, shape (plane, y, x)
        Evidence before the look, not modified; see `EVIDENCE_PLANES`.
    reference : ndarray of int16, shape (parameter, y, x)
        See `rsmonitor.records.rasters.REFERENCE_STATE`.
    values : ndarray of float32, shape (index, y, x)
        Indices of the look; NaN where not clear.
    day : int
        Days since 1970-01-01, not before any day in `state`.
    weights : ndarray of float32, shape (index,)
        Share of each index in the evidence; they sum to 1.
    shared : Shared
        What the scene shares there, from `SceneStatistics.over`.
    norm : Norm
        What is usual.
    parameters : EvidenceParameters
        Drop, clip and levels.

    Returns
    -------
    ndarray of uint16, shape (plane, y, x)
        Evidence after the look.
    """
    departures = residuals(values, reference, day) - shared.offset
    combined = combined_departure(
        departures, reference, weights=weights, noise=shared.noise, norm=norm
    )
    ratio = log_ratio(combined, parameters)
    after = update(state, ratio, departures, day=day, parameters=parameters)
    # Ground without a reference is not judged, but that it was seen is a fact.
    seen = (reference[0] == REFERENCE_FILL) & np.isfinite(values).all(axis=0)
    plane = planes(after)
    plane["last_clear"][seen] = day
    plane["n_clear"][seen] += plane["n_clear"][seen] < FULL
    return after


def log_ratio(
    combined: NDArray[np.float32], parameters: EvidenceParameters
) -> NDArray[np.float64]:
    r"""
    Compute what an optical look says for 'dropped' against 'unchanged'.

    Parameters
    ----------
    combined : ndarray of float32, shape (y, x)
        From `combined_departure`.
    parameters : EvidenceParameters
        The drop :math:`\delta`, spreads.

    Returns
    -------
    ndarray of float64, shape (y, x)
        :math:`-\delta z - \delta^2 / 2` in nats, for :math:`z` of unit spread; NaN
        where not seen. Not clipped.

    Examples
    --------
    >>> z = np.array([[0.0, -6.0]], dtype=np.float32)
    >>> log_ratio(z, EvidenceParameters(drop=6.0))
    array([[-18.,  18.]])
    """
    drop = parameters.drop
    return -drop * combined.astype(np.float64) - drop * drop / 2


def update(
    state: NDArray[np.uint16],
    ratio: NDArray[np.float64],
    departures: NDArray[np.float32] | None,
    *,
    day: int,
    parameters: EvidenceParameters,
) -> NDArray[np.uint16]:
    """
    Add one look to the evidence, of whatever sensor.

    Parameters
    ----------
    state : ndarray of uint16, shape (plane, y, x)
        Evidence before the look, not modified; see `EVIDENCE_PLANES`.
    ratio : ndarray of float64, shape (y, x)
        Log likelihood ratio of 'disturbed' against 'unchanged' by the noise model of
        the sensor, nats; NaN where not seen, which moves nothing. It is clipped here.
    departures : ndarray of float32, shape (index, y, x), or None
        Residuals less the scene's offset; None for a sensor that has not these indices.
    day : int
        Days since 1970-01-01.
    parameters : EvidenceParameters
        Clip and levels.

    Returns
    -------
    ndarray of uint16, shape (plane, y, x)
        Evidence after the look.
    """
    after = state.copy()
    plane = planes(after)
    seen = np.isfinite(ratio)
    ratio = np.clip(np.where(seen, ratio, 0.0), -parameters.clip, parameters.clip)
    before = plane["score"].astype(np.float64) / SCORE_SCALE
    score = np.clip(before + np.where(seen, ratio, 0.0), 0.0, parameters.cap)
    # as stored, so that what rounds to nothing starts nothing
    score = np.rint(score * SCORE_SCALE) / SCORE_SCALE
    unconfirmed = seen & (plane["confirmed"] == 0)

    starts = unconfirmed & (before == 0) & (score > 0)
    plane["began_after"][starts] = plane["last_clear"][starts]
    plane["first_seen"][starts] = day
    ends = unconfirmed & (score == 0)
    for departure in after[len(EVIDENCE_PLANES) :]:
        departure[starts | ends] = DEPARTURE_ZERO
    for name in ("began_after", "first_seen", "last_seen", "looks_since"):
        plane[name][ends] = 0

    disturbed = seen & (plane["first_seen"] > 0)
    plane["looks_since"][disturbed] += plane["looks_since"][disturbed] < FULL
    plane["last_seen"][disturbed & (ratio > 0)] = day
    if departures is not None:
        _track_departures(after, departures, disturbed)

    plane["confirmed"][unconfirmed & (score >= parameters.high)] = day
    plane["score"][seen] = (score[seen] * SCORE_SCALE).astype(np.uint16)
    plane["last_clear"][seen] = day
    plane["n_clear"][seen] += plane["n_clear"][seen] < FULL
    return after


def initial_state(reference: NDArray[np.int16], n_index: int) -> NDArray[np.uint16]:
    """
    Make the evidence of ground that nothing has happened to yet.

    Parameters
    ----------
    reference : ndarray of int16, shape (parameter, y, x)
        See `rsmonitor.records.rasters.REFERENCE_STATE`; the last clear look is the last
        that the reference rests on.
    n_index : int
        Number of indices.

    Returns
    -------
    ndarray of uint16, shape (plane, y, x)
        See `EVIDENCE_PLANES`.
    """
    shape = (len(EVIDENCE_PLANES) + n_index, *reference.shape[1:])
    state = np.zeros(shape, dtype=np.uint16)
    planes(state)["last_clear"][...] = reference[-2]
    state[len(EVIDENCE_PLANES) :] = DEPARTURE_ZERO
    return state


def tiers(
    state: NDArray[np.uint16], parameters: EvidenceParameters
) -> NDArray[np.uint8]:
    """
    Grade the evidence of each pixel.

    A confirmed pixel stays in the high tier when the ground greens again: what
    happened there happened. Unconfirmed evidence that goes away leaves nothing.

    Parameters
    ----------
    state : ndarray of uint16, shape (plane, y, x)
        Evidence, see `EVIDENCE_PLANES`.
    parameters : EvidenceParameters
        Levels.

    Returns
    -------
    ndarray of uint8, shape (y, x)
        See `rsmonitor.records.rasters.Tier`.
    """
    plane = planes(state)
    score = plane["score"].astype(np.float64) / SCORE_SCALE
    graded = np.zeros(score.shape, dtype=np.uint8)
    graded[score >= parameters.low] = Tier.LOW
    graded[score >= parameters.medium] = Tier.MEDIUM
    graded[plane["confirmed"] > 0] = Tier.HIGH
    return graded


def mean_departures(state: NDArray[np.uint16]) -> NDArray[np.float32]:
    """
    Give the mean departure of each index since a disturbance was first seen.

    Parameters
    ----------
    state : ndarray of uint16, shape (plane, y, x)
        Evidence.

    Returns
    -------
    ndarray of float32, shape (index, y, x)
        Index units, negative where plant cover was lost.
    """
    stored = state[len(EVIDENCE_PLANES) :].astype(np.float32)
    return (stored - DEPARTURE_ZERO) / np.float32(REFERENCE_SCALE)


def strength(
    state: NDArray[np.uint16], norm: Norm, weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """
    Say how strongly each pixel changed, from the sharpest indices alone.

    Parameters
    ----------
    state : ndarray of uint16, shape (plane, y, x)
        Evidence.
    norm : Norm
        Least spreads, which put indices on one scale.
    weights : ndarray of float32, shape (index,)
        The largest mark the indices of the finest bands.

    Returns
    -------
    ndarray of float32, shape (y, x)
        Spreads; about 0 where nothing changed, more where more of the pixel did.
    """
    sharp = np.flatnonzero(weights == weights.max())
    departures = mean_departures(state)[sharp] / norm.floor[sharp, None, None]
    strong: NDArray[np.float32] = -departures.mean(axis=0, dtype=np.float32)
    return strong


def _track_departures(
    state: NDArray[np.uint16],
    departures: NDArray[np.float32],
    disturbed: NDArray[np.bool_],
) -> None:
    """Add a look to the mean departures of `state`, in place, while they are young."""
    looks = planes(state)["looks_since"]
    young = disturbed & (looks <= DEPARTURE_LOOKS)
    weight = 1.0 / np.maximum(looks, 1)
    for k in range(departures.shape[0]):
        stored = state[len(EVIDENCE_PLANES) + k]
        mean = stored.astype(np.float64) - DEPARTURE_ZERO
        look = np.where(young, departures[k], 0.0) * REFERENCE_SCALE
        moved = np.rint(mean + (look - mean) * weight) + DEPARTURE_ZERO
        stored[young] = np.clip(moved, 0, FULL).astype(np.uint16)[young]
