"""Our detector on a series in memory: the stages of the pipeline, without its doors.

It is the plain form of the detector: one block, no state on disk, every look in order.
Faster paths are held against it.
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from rsmonitor.lab.series import Series
from rsmonitor.records.parameters import (
    ClearParameters,
    EvidenceParameters,
    HistoryParameters,
    OutlineParameters,
    RescueParameters,
)
from rsmonitor.records.rasters import REFERENCE_FILL, Tier, planes
from rsmonitor.stages.edges import core
from rsmonitor.stages.evidence import (
    initial_state,
    observe,
    residuals,
    scene_statistics,
    strength,
    tiers,
)
from rsmonitor.stages.history import (
    LEAST_COMBINED,
    Norm,
    SceneNorm,
    fit_reference,
    robust_fit,
    scene_norm,
    seasonal_terms,
    unlike_before,
)
from rsmonitor.stages.indices import available, weights
from rsmonitor.stages.levelling import MAD_TO_SIGMA, Cells, Shared
from rsmonitor.stages.outline import drawn_objects, label_objects
from rsmonitor.stages.registration import MOST_SHIFT, Shift, margin, shift_of
from rsmonitor.stages.sight import (
    Screening,
    Sight,
    padded,
    put_back_sight,
    sight,
    with_rescued,
)

EPOCH: Final = date(1970, 1, 1)

LEAST_SHARED: Final = 50
"""Pixels of one scene below which nothing can be told of what the scene shares."""

LONE_HARMONICS: Final = 2
"""Harmonics where no scene takes the year's common course off."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detection:
    """What a detector said of each pixel; the same record for ours and for peers."""

    detector: str
    """Name, with its setting."""

    first_seen: NDArray[np.int64]
    """First look of the change, days since 1970-01-01; 0 where none, shape (y, x)."""

    confirmed: NDArray[np.int64]
    """Day on which the alarm was raised; 0 where none, shape (y, x)."""

    monitored: NDArray[np.bool_]
    """True where the detector could judge, shape (y, x)."""

    drawn: NDArray[np.bool_] | None = None
    """True inside the outlines, where a detector draws its own; shape (y, x)."""

    def objects(self, min_pixels: int) -> NDArray[np.bool_]:
        """
        Leave out alarms that are too small to be an object.

        Parameters
        ----------
        min_pixels : int
            Least number of 4-connected pixels.

        Returns
        -------
        ndarray of bool, shape (y, x)
            True where an object of alarms lies, as the detector draws it.
        """
        if self.drawn is not None:
            return self.drawn
        labels, _ = ndimage.label(self.confirmed > 0)
        large = np.bincount(labels.ravel()) >= min_pixels
        large[0] = False
        kept: NDArray[np.bool_] = large[labels]
        return kept


def index_values(
    series: Series,
    names: tuple[str, ...],
    *,
    clear: ClearParameters,
) -> NDArray[np.float32]:
    """
    Compute the indices of all looks, as the pipeline does.

    Parameters
    ----------
    series : Series
        The looks.
    names : tuple of str
        Indices.
    clear : ClearParameters
        The screen of cloud and snow.

    Returns
    -------
    ndarray of float32, shape (time, index, y, x)
        NaN where the ground was not seen.
    """
    return np.stack([seen.seen for seen in sights(series, names, clear=clear)])


def sights(
    series: Series, names: tuple[str, ...], *, clear: ClearParameters
) -> list[Sight]:
    """
    Screen all looks, as the pipeline does.

    Parameters
    ----------
    series : Series
        The looks.
    names : tuple of str
        Indices.
    clear : ClearParameters
        Classes that are taken out.

    Returns
    -------
    list of Sight
        One a look. Pixels that are places of their own have no surroundings: there is
        no haze screen and no rescue.
    """
    grow = round(clear.grow_m / series.pixel_m) if series.connected else 0
    screening = Screening(
        pixel_m=series.pixel_m,
        grow_pixels=grow,
        clear=clear,
        rescue=RescueParameters() if series.connected else RescueParameters(haze=1.0),
    )
    return [
        sight(
            reflectance,
            scl,
            bands=series.bands,
            names=names,
            window=(slice(None), slice(None)),
            screening=screening,
        )
        for reflectance, scl in zip(series.reflectance, series.scl, strict=True)
    ]


def detect(
    series: Series,
    *,
    evidence: EvidenceParameters | None = None,
    outline: OutlineParameters | None = None,
    history: HistoryParameters | None = None,
    clear: ClearParameters | None = None,
) -> Detection:
    """
    Run our detector over a series.

    Parameters
    ----------
    series : Series
        The looks and the end of the history.
    evidence : EvidenceParameters, optional
        The sequential test; default: the defaults.
    outline : OutlineParameters, optional
        How edges are taken off; default: the defaults.
    history : HistoryParameters, optional
        How the reference is fitted; its `until` is replaced by that of the series.
    clear : ClearParameters, optional
        The screen of cloud and snow.

    Returns
    -------
    Detection
        Days of the first look and of the confirmation.
    """
    evidence = evidence or EvidenceParameters()
    plain = PlainDetector(series, evidence, history, clear or ClearParameters())
    state = initial_state(plain.reference, len(plain.names))
    for t in np.flatnonzero(series.days > series.history_until):
        state = plain.take(state, int(t))
    graded = tiers(state, evidence)
    plane = planes(state)
    return Detection(
        detector="rsmonitor",
        first_seen=np.where(graded > 0, plane["first_seen"], 0).astype(np.int64),
        confirmed=plane["confirmed"].astype(np.int64),
        monitored=plain.reference[0] != REFERENCE_FILL,
        drawn=plain.drawn(state, graded, outline or OutlineParameters()),
    )


def lone_norm(
    values: NDArray[np.float32],
    days: NDArray[np.int64],
    weights: NDArray[np.float32],
    parameters: HistoryParameters,
) -> SceneNorm:
    """
    Say what is usual of a few pixels that have no scene around them.

    Parameters
    ----------
    values : ndarray of float32, shape (time, index, pixel)
        Indices over the history; NaN where not seen.
    days : ndarray of int64, shape (time,)
        Days since 1970-01-01.
    weights : ndarray of float32, shape (index,)
        Share of each index; they sum to 1.
    parameters : HistoryParameters
        Harmonics and ridge.

    Returns
    -------
    SceneNorm
        Without scene offsets: the year's course is left to each pixel's own seasons,
        and haze is left in.
    """
    terms = seasonal_terms(days, parameters.harmonics)
    n_time, n_index, n_pixel = values.shape
    floor = np.empty(n_index, dtype=np.float32)
    standardised = np.zeros((n_time, n_pixel))
    for k in range(n_index):
        coefficients, scatter, _ = robust_fit(values[:, k], terms, parameters)
        floor[k] = np.median(scatter)
        residual = values[:, k] - terms @ coefficients
        standardised += weights[k] * residual / np.maximum(scatter, floor[k])
    seen = np.abs(standardised[np.isfinite(standardised)])
    nothing = np.zeros(n_index, dtype=np.float32)
    return SceneNorm(
        offsets=np.zeros((n_time, n_index, 1), dtype=np.float32),
        spread=floor,
        floor=floor,
        level=nothing,
        green=nothing,
        combined=max(MAD_TO_SIGMA * float(np.median(seen)), LEAST_COMBINED),
    )


class PlainDetector:
    """
    The steps of the pipeline on one block that is the whole place.

    Parameters
    ----------
    series : Series
        The looks.
    evidence : EvidenceParameters
        The sequential test.
    history : HistoryParameters or None
        How the reference is fitted; None: the defaults, until the end of the history.
    clear : ClearParameters
        Classes that are taken out.
    """

    def __init__(
        self,
        series: Series,
        evidence: EvidenceParameters,
        history: HistoryParameters | None,
        clear: ClearParameters,
    ) -> None:
        until = EPOCH + timedelta(days=int(series.history_until))
        self._series, self._evidence = series, evidence
        self._alone = series.truth.size < LEAST_SHARED
        self._history = history or HistoryParameters(
            until=until, harmonics=LONE_HARMONICS if self._alone else 1
        )
        self.names = available(evidence.indices, series.bands)
        self._share = weights(self.names)
        self._looks = sights(series, self.names, clear=clear)
        height, width = series.truth.shape
        self._window = (slice(0, height), slice(0, width))
        self._cells = Cells.over((height, width), 1)
        self._cell = self._cells.of(*np.divmod(np.arange(height * width), width))
        least = min(evidence.min_sample, max(1, height * width // 20))
        self._test = replace(evidence, min_sample=least)
        self.norm, self.reference = self._fitted()
        if series.connected:
            for t in self._past():
                changed = unlike_before(self.reference)
                self._looks[t], _ = self._registered(int(t), changed)
            self.norm, self.reference = self._fitted()

    def _past(self) -> NDArray[np.int64]:
        """Positions of the looks of the history."""
        return np.flatnonzero(self._series.days <= self._series.history_until)

    def _fitted(self) -> tuple[Norm, NDArray[np.int16]]:
        """Fit on the history as it now lies."""
        past = self._past()
        values = np.stack([self._looks[t].seen for t in past])
        days = self._series.days[past]
        sample = values.reshape(past.size, len(self.names), -1)
        if self._alone:
            common = lone_norm(sample, days, self._share, self._history)
        else:
            common = scene_norm(
                sample,
                days,
                weights=self._share,
                min_sample=self._test.min_sample,
                parameters=self._history,
                cell=self._cell,
                cells=self._cells,
            )
        offsets = [self._cells.at(o, *self._window) for o in common.offsets]
        return Norm.unpack(common.packed()), fit_reference(
            values,
            days,
            np.stack(offsets),
            norm=common,
            weights=self._share,
            names=self.names,
            parameters=self._history,
        )

    def _registered(
        self, t: int, disturbed: NDArray[np.bool_]
    ) -> tuple[Sight, Shift | None]:
        """Put a look back, if it lies off; say how far it still does."""
        seen, day = self._looks[t], int(self._series.days[t])
        shift = self._shift(seen, disturbed, day)
        if shift is None or shift.length <= MOST_SHIFT:
            return seen, None
        rim = (margin(shift), margin(shift))
        return put_back_sight(padded(seen, (rim, rim)), shift), shift

    def _shift(
        self, seen: Sight, disturbed: NDArray[np.bool_], day: int
    ) -> Shift | None:
        """Measure how far a look lies off."""
        return shift_of([seen.seen], [self.reference], [disturbed], day, self._share)

    def _shared(self, seen: Sight, day: int) -> Shared | None:
        """Say what a look shares around each place; None if it shows too little."""
        if self._alone:
            nothing = np.zeros((len(self.names), 1, 1), dtype=np.float32)
            return Shared(offset=nothing, noise=nothing + 1)
        departures = residuals(seen.seen, self.reference, day)
        statistics = scene_statistics(
            departures.reshape(len(self.names), -1),
            norm=self.norm,
            parameters=self._test,
            cell=self._cell,
            cells=self._cells,
        )
        if statistics is None:
            return None
        return statistics.over(self._cells, *self._window)

    def take(self, state: NDArray[np.uint16], t: int) -> NDArray[np.uint16]:
        """
        Add one look.

        Parameters
        ----------
        state : ndarray of uint16, shape (plane, y, x)
            Evidence before it.
        t : int
            Which look.

        Returns
        -------
        ndarray of uint16, shape (plane, y, x)
            Evidence after it; the same if it shows too little or lies off.
        """
        day = int(self._series.days[t])
        seen = self._looks[t]
        if self._series.connected:
            disturbed = tiers(state, self._evidence) > 0
            seen, moved = self._registered(t, disturbed)
            rest = self._shift(seen, disturbed, day) if moved else None
            if moved and (rest is None or rest.length > MOST_SHIFT):
                return state
        shared = self._shared(seen, day)
        if shared is None:
            return state
        bright, values = planes(state)["bright_looks"], seen.seen
        if self._series.connected:
            bright, values, _ = with_rescued(
                seen,
                bright,
                cloud_share=float(seen.cloudy.mean()),
                parameters=RescueParameters(),
            )
        after = observe(
            state,
            self.reference,
            values,
            day=day,
            weights=self._share,
            shared=shared,
            norm=self.norm,
            parameters=self._evidence,
        )
        planes(after)["bright_looks"][...] = bright
        return after

    def drawn(
        self,
        state: NDArray[np.uint16],
        graded: NDArray[np.uint8],
        outline: OutlineParameters,
    ) -> NDArray[np.bool_]:
        """
        Say which pixels lie inside the outlines of confirmed objects.

        Parameters
        ----------
        state : ndarray of uint16, shape (plane, y, x)
            Evidence.
        graded : ndarray of uint8, shape (y, x)
            Its tiers.
        outline : OutlineParameters
            Least size, and the share that must have changed.

        Returns
        -------
        ndarray of bool, shape (y, x)
            True inside.
        """
        if not self._series.connected:
            alone: NDArray[np.bool_] = graded == Tier.HIGH
            return alone
        inside = core(
            graded,
            strength(state, self.norm, self._share),
            share=outline.edge_share,
            pixels=outline.edge_pixels,
        )
        labels, tier_of = label_objects(graded, outline.min_pixels)
        labels, tier_of = drawn_objects(
            labels, tier_of, graded, inside, outline.min_pixels
        )
        high = [label for label, tier in tier_of.items() if tier is Tier.HIGH]
        inside_high: NDArray[np.bool_] = np.isin(labels, high)
        return inside_high
