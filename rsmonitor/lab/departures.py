"""How far every pixel of every look departs from its reference, kept side by side.

What `rsmonitor.lab.detector.detect` computes and forgets look by look; here it is kept,
of the history too, so that looks can be put in another order. A test holds the evidence
that follows from it against the detector's own.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsmonitor.lab.detector import PlainDetector
from rsmonitor.lab.series import Series
from rsmonitor.records.parameters import (
    ClearParameters,
    EvidenceParameters,
    HistoryParameters,
    RescueParameters,
)
from rsmonitor.records.rasters import REFERENCE_FILL, planes
from rsmonitor.stages.evidence import (
    combined_departure,
    initial_state,
    log_ratio,
    residuals,
    scene_statistics,
    tiers,
    update,
)
from rsmonitor.stages.history import Norm
from rsmonitor.stages.registration import MOST_SHIFT
from rsmonitor.stages.sight import Sight, with_rescued


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Departures:
    """Departures of all looks that could be used, oldest first."""

    days: NDArray[np.int64]
    """Days since 1970-01-01, shape (time,)."""

    past: NDArray[np.bool_]
    """True for looks of the history, which the reference was fitted to."""

    combined: NDArray[np.float32]
    """Spreads of the combined index, NaN where not seen, shape (time, y, x)."""

    each: NDArray[np.float32]
    """Departure of each index, index units, shape (time, index, y, x)."""

    reference: NDArray[np.int16]
    """See `rsmonitor.records.rasters.REFERENCE_STATE`."""

    norm: Norm
    """What is usual."""

    weights: NDArray[np.float32]
    """Share of each index, shape (index,)."""

    @property
    def monitored(self) -> NDArray[np.bool_]:
        """True where there is a reference, shape (y, x)."""
        there: NDArray[np.bool_] = self.reference[0] != REFERENCE_FILL
        return there


def departures_of(
    series: Series,
    *,
    evidence: EvidenceParameters | None = None,
    history: HistoryParameters | None = None,
) -> Departures:
    """
    Compute the departures of all looks of a series, as the detector sees them.

    Parameters
    ----------
    series : Series
        The looks, of one scene.
    evidence : EvidenceParameters, optional
        The sequential test, which says what is left out when scenes are put on one
        another; default: the defaults.
    history : HistoryParameters, optional
        How the reference is fitted; default: the defaults.

    Returns
    -------
    Departures
        Of the history and after.
    """
    steps = _Kept(series, evidence or EvidenceParameters(), history, ClearParameters())
    kept = [t for t in range(series.days.size) if steps.keep(t)]
    return Departures(
        days=series.days[kept],
        past=(series.days <= series.history_until)[kept],
        combined=np.stack(steps.combined),
        each=np.stack(steps.each),
        reference=steps.reference,
        norm=steps.norm,
        weights=steps.weights,
    )


class _Kept(PlainDetector):
    """The steps of the detector, with what it computes of each look kept."""

    def __init__(
        self,
        series: Series,
        evidence: EvidenceParameters,
        history: HistoryParameters | None,
        clear: ClearParameters,
    ) -> None:
        super().__init__(series, evidence, history, clear)
        self.weights = self._share
        self.combined: list[NDArray[np.float32]] = []
        self.each: list[NDArray[np.float32]] = []
        self._state = initial_state(self.reference, len(self.names))

    def keep(self, t: int) -> bool:
        """Take one look, in order; False if it shows too little or lies off."""
        day = int(self._series.days[t])
        watched = day > self._series.history_until
        seen = self._lying_right(t) if watched else self._looks[t]
        if seen is None:
            return False
        statistics = scene_statistics(
            residuals(seen.seen, self.reference, day).reshape(len(self.names), -1),
            norm=self.norm,
            parameters=self._test,
            cell=self._cell,
            cells=self._cells,
        )
        if statistics is None:
            return False
        values = self._rescued(seen) if watched else seen.seen
        shared = statistics.over(self._cells, *self._window)
        away = residuals(values, self.reference, day) - shared.offset
        both = combined_departure(
            away,
            self.reference,
            weights=self._share,
            noise=shared.noise,
            norm=self.norm,
        )
        self.combined.append(both)
        self.each.append(away)
        if watched:
            ratio = log_ratio(both, self._evidence)
            self._state = update(
                self._state, ratio, away, day=day, parameters=self._evidence
            )
        return True

    def _lying_right(self, t: int) -> Sight | None:
        """Put a look of the watch back; None if it still lies off."""
        if not self._series.connected:
            return self._looks[t]
        disturbed = tiers(self._state, self._evidence) > 0
        seen, moved = self._registered(t, disturbed)
        if moved is None:
            return seen
        rest = self._shift(seen, disturbed, int(self._series.days[t]))
        return None if rest is None or rest.length > MOST_SHIFT else seen

    def _rescued(self, seen: Sight) -> NDArray[np.float32]:
        """Take bright ground back, and remember what was bright."""
        if not self._series.connected:
            return seen.seen
        bright, values, _ = with_rescued(
            seen,
            planes(self._state)["bright_looks"],
            cloud_share=float(seen.cloudy.mean()),
            parameters=RescueParameters(),
        )
        planes(self._state)["bright_looks"][...] = bright
        return values
