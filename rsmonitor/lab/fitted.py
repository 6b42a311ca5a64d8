"""Our detector, fitted once on a history that many series share.

Series that differ after their history alone have one reference. Fitting it takes ten
times as long as all looks after it, so those who compare many such series fit once.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import ContractError
from rsmonitor.lab.detector import Detection, PlainDetector, sights
from rsmonitor.lab.series import Series
from rsmonitor.records.parameters import (
    ClearParameters,
    EvidenceParameters,
    OutlineParameters,
)
from rsmonitor.records.rasters import REFERENCE_FILL, planes
from rsmonitor.stages.evidence import initial_state, tiers


class Fitted(PlainDetector):
    """
    The detector with its defaults, fitted on the history of a series.

    Parameters
    ----------
    series : Series
        The series.
    """

    def __init__(self, series: Series) -> None:
        super().__init__(series, EvidenceParameters(), None, ClearParameters())

    def detections(
        self, series: Series, ends: Sequence[int]
    ) -> Mapping[int, Detection]:
        """
        Detect in a series of the same history, and say what is known on some days.

        Parameters
        ----------
        series : Series
            Its looks up to the end of the history must be those that this was fitted
            on.
        ends : sequence of int
            Days since 1970-01-01.

        Returns
        -------
        mapping of int to Detection
            By day: what `detect` says of the looks up to that day.

        Raises
        ------
        ContractError
            If the history is another.
        """
        past = self._past()
        same = (
            series.history_until == self._series.history_until
            and np.array_equal(series.days[: past.size], self._series.days[past])
            and int((series.days <= series.history_until).sum()) == past.size
        )
        if not same:
            raise ContractError(
                f"series {series.name} has another history than {self._series.name}"
            )
        other = self._following(series)
        state = initial_state(self.reference, len(self.names))
        found: dict[int, Detection] = {}
        looks = list(range(past.size, series.days.size))
        for end in sorted(ends):
            while looks and series.days[looks[0]] <= end:
                state = other.take(state, looks.pop(0))
            found[end] = other.detection(state)
        return found

    def detection(self, state: NDArray[np.uint16]) -> Detection:
        """
        Say what a state knows.

        Parameters
        ----------
        state : ndarray of uint16, shape (plane, y, x)
            From `take`.

        Returns
        -------
        Detection
            As `detect` gives it.
        """
        graded = tiers(state, self._evidence)
        plane = planes(state)
        return Detection(
            detector="rsmonitor",
            first_seen=np.where(graded > 0, plane["first_seen"], 0).astype(np.int64),
            confirmed=plane["confirmed"].astype(np.int64),
            monitored=self.reference[0] != REFERENCE_FILL,
            drawn=self.drawn(state, graded, OutlineParameters()),
        )

    def follow(self, series: Series) -> None:
        """
        Take the later looks of another series for one's own.

        Parameters
        ----------
        series : Series
            Of the same history.
        """
        n_past = self._past().size
        later = replace(
            series,
            days=series.days[n_past:],
            reflectance=series.reflectance[n_past:],
            scl=series.scl[n_past:],
        )
        self._looks = [
            *self._looks[:n_past],
            *sights(later, self.names, clear=ClearParameters()),
        ]
        self._series = series

    def _following(self, series: Series) -> Self:
        """Give a detector of the same reference for another series."""
        other = copy.copy(self)
        other.follow(series)
        return other
