"""Which alerts a person should judge next, by what their verdicts would teach.

Another order than that of attention, which asks what is serious. Here it is asked how
much doubt a verdict would settle: about the alert itself, and about those that stand
and are like it. What is like something that was judged, or that stands higher in the
list, has less left to teach, so the list does not say the same thing ten times.
"""

import heapq
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import ContractError
from rsmonitor.records.disturbance import CAUSE_LABELS, Cause
from rsmonitor.records.package import Reason
from rsmonitor.stages.features import FEATURE_ORDER

WIDTH: Final = 0.5
"""Distance, in spreads a feature, at which likeness has fallen to 0.61."""

ALIKE: Final = 0.5
"""Likeness from which two alerts are called alike."""

STRANGE: Final = 0.1
"""Likeness to everything judged below which an alert is called unlike it."""

FARTHEST: Final = 4.0
"""Spreads from the median beyond which it does not matter how far: areas have tails."""

LEAST_SHARE: Final = 1e-9
"""Share of the doubt below which a verdict teaches nothing."""

_CHUNK: Final = 64
_IQR: Final = 1.349
"""Interquartile range of a normal distribution, in standard deviations."""

Rows = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A standing alert on which a verdict may be asked for."""

    alert_id: str
    """`Alert.alert_id`."""

    features: Mapping[str, float]
    """`Disturbance.features`."""

    causes: Mapping[Cause, float]
    """Probability by cause; they sum to 1."""

    disputed: bool = False
    """True where people judged it and disagree: then nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One alert in the order of what it would teach."""

    alert_id: str
    """`Alert.alert_id`."""

    place: int
    """Place in the list, from 1."""

    share: float
    """Share of all doubt about standing alerts that its verdict would settle, after
    those above it: 0 to 1."""

    doubt: float
    """How uncertain its own cause is, 0 to 1."""

    nearest: float
    """Likeness to the nearest alert that was judged, 0 to 1."""

    alike: int
    """Other standing alerts that are like it and not judged either."""

    reasons: tuple[Reason, ...]
    """Why it stands there."""


def suggest(
    candidates: Sequence[Candidate],
    judged: Sequence[Mapping[str, float]],
    *,
    most: int = 20,
) -> tuple[Suggestion, ...]:
    r"""
    Order alerts by what a verdict on each would teach.

    Parameters
    ----------
    candidates : sequence of Candidate
        Standing alerts that are not settled by a verdict.
    judged : sequence of Mapping of str to float
        Features of what was judged.
    most : int, default 20
        Longest list.

    Returns
    -------
    tuple of Suggestion
        The same for any order of `candidates` and `judged`; their `share` never rises
        along the list. Shorter than `most` where nothing more would be learnt.

    Raises
    ------
    ContractError
        If an alert is there twice.

    Notes
    -----
    With :math:`u_j` the doubt about alert :math:`j` and :math:`s_{ij}` the likeness of
    two alerts, the next one is that with the largest

    .. math:: \sum_j u_j \max(0, s_{ij} - m_j)

    where :math:`m_j` is the likeness of :math:`j` to the nearest alert that was judged
    or chosen before. That sum is monotone and submodular, so choosing one after the
    other is within 37 % of the best list of that length. Likeness is
    :math:`e^{-d^2 / 2 w^2}` with :math:`d^2` the mean square difference of features in
    robust spreads; a feature that was not measured counts as usual.

    Examples
    --------
    >>> clear = {Cause.DIGGING: 1.0}
    >>> torn = {Cause.DIGGING: 0.5, Cause.CLEAR_CUT: 0.5}
    >>> [
    ...     each.alert_id
    ...     for each in suggest(
    ...         [
    ...             Candidate(alert_id="a1", features={"area_m2": 1.0}, causes=clear),
    ...             Candidate(alert_id="a2", features={"area_m2": 9.0}, causes=torn),
    ...         ],
    ...         [],
    ...     )
    ... ]
    ['a2']
    """
    ordered = sorted(candidates, key=lambda each: each.alert_id)
    if len({each.alert_id for each in ordered}) < len(ordered):
        raise ContractError("an alert is suggested twice")
    if not ordered:
        return ()
    doubts = np.array([doubt_of(each) for each in ordered])
    total = math.fsum(doubts.tolist())
    if total <= 0:
        return ()
    own, known = _standardised([each.features for each in ordered], judged)
    met = _nearest(own, known)
    nearest = met.copy()
    gains, alike = _first_gains(own, doubts, met)
    # what was once worth little is never worth more later: only the best is asked anew
    waiting = [(-gain, n) for n, gain in enumerate(gains.tolist())]
    heapq.heapify(waiting)
    found: list[Suggestion] = []
    while waiting and len(found) < most:
        _, n = heapq.heappop(waiting)
        likeness = _likeness(own[n : n + 1], own)[0]
        gain = _gain(likeness, doubts, met)
        if waiting and (-gain, n) > waiting[0]:
            heapq.heappush(waiting, (-gain, n))
            continue
        if gain <= LEAST_SHARE * total:
            break
        met = np.maximum(met, likeness)
        found.append(
            Suggestion(
                alert_id=ordered[n].alert_id,
                place=len(found) + 1,
                share=min(1.0, gain / total),
                doubt=float(doubts[n]),
                nearest=float(nearest[n]),
                alike=int(alike[n]),
                reasons=_reasons(
                    ordered[n],
                    nearest=float(nearest[n]) if judged else None,
                    alike=int(alike[n]),
                ),
            )
        )
    return tuple(found)


def doubt_of(candidate: Candidate) -> float:
    """
    Say how uncertain the cause of an alert is.

    'Unknown' is no cause: its probability may belong to any of the others.

    Parameters
    ----------
    candidate : Candidate
        The alert.

    Returns
    -------
    float
        0 where one cause is certain, 1 where nothing is known or people disagree.

    Examples
    --------
    >>> sure, lost = {Cause.DIGGING: 1.0}, {Cause.UNKNOWN: 1.0}
    >>> [
    ...     doubt_of(Candidate(alert_id="a", features={}, causes=causes))
    ...     for causes in (sure, lost)
    ... ]
    [0.0, 1.0]
    """
    if candidate.disputed:
        return 1.0
    named = [cause for cause in Cause if cause is not Cause.UNKNOWN]
    spread = candidate.causes.get(Cause.UNKNOWN, 0.0) / len(named)
    shares = [candidate.causes.get(cause, 0.0) + spread for cause in named]
    entropy = -math.fsum(share * math.log(share) for share in shares if share > 0)
    return round(min(1.0, max(0.0, entropy / math.log(len(named)))), 12)


def _standardised(
    own: Sequence[Mapping[str, float]], judged: Sequence[Mapping[str, float]]
) -> tuple[Rows, Rows]:
    """Give features in spreads from their median; what tells nothing is left out."""
    values = np.array(
        [
            [each.get(name, math.nan) for name in FEATURE_ORDER]
            for each in (*own, *judged)
        ],
        dtype=np.float64,
    )
    values[~np.isfinite(values)] = np.nan
    columns = []
    for column in values.T:
        measured = column[np.isfinite(column)]
        if not measured.size:
            continue
        low, middle, high = np.percentile(measured, (25, 50, 75))
        # where most are alike, the others still differ
        spread = (high - low) / _IQR or np.ptp(measured)
        if spread > 0:
            away = np.clip((column - middle) / spread, -FARTHEST, FARTHEST)
            columns.append(np.where(np.isnan(away), 0.0, away))
    if not columns:
        columns = [np.zeros(len(values))]
    rows = np.stack(columns, axis=1)
    return rows[: len(own)], rows[len(own) :]


def _likeness(some: Rows, others: Rows) -> Rows:
    """Say how alike each of some is to each of others, 0 to 1."""
    square = ((some[:, None, :] - others) ** 2).mean(axis=2)
    return np.asarray(np.exp(-square / (2 * WIDTH**2)))


def _chunks(rows: Rows) -> Iterator[slice]:
    """Cut rows so that all pairs of them never lie in memory at once."""
    for start in range(0, len(rows), _CHUNK):
        yield slice(start, start + _CHUNK)


def _nearest(own: Rows, known: Rows) -> Rows:
    """Give the likeness of each alert to the nearest that was judged."""
    found = np.zeros(len(own))
    if len(known):
        for chunk in _chunks(own):
            found[chunk] = _likeness(own[chunk], known).max(axis=1)
    return found


def _first_gains(own: Rows, doubts: Rows, met: Rows) -> tuple[Rows, NDArray[np.int64]]:
    """Give what each alert would teach as the first, and how many are like it."""
    gains, alike = np.zeros(len(own)), np.zeros(len(own), dtype=np.int64)
    for chunk in _chunks(own):
        likeness = _likeness(own[chunk], own)
        alike[chunk] = (likeness >= ALIKE).sum(axis=1) - 1
        gains[chunk] = [_gain(row, doubts, met) for row in likeness]
    return gains, alike


def _gain(likeness: Rows, doubts: Rows, met: Rows) -> float:
    """Give the doubt that one verdict would settle."""
    return float((doubts * np.maximum(0.0, likeness - met)).sum())


def _reasons(
    candidate: Candidate, *, nearest: float | None, alike: int
) -> tuple[Reason, ...]:
    """Say in words why a verdict would teach something."""
    reasons = []
    if candidate.disputed:
        reasons.append(Reason(zh="核查意见不一", en="people disagree about it"))
    likely = sorted(
        (cause for cause in Cause if candidate.causes.get(cause, 0.0) > 0),
        key=lambda cause: (-candidate.causes[cause], list(Cause).index(cause)),
    )[:3]
    zh = "、".join(f"{CAUSE_LABELS[c][0]}{candidate.causes[c]:.0%}" for c in likely)
    en = ", ".join(f"{CAUSE_LABELS[c][1]} {candidate.causes[c]:.0%}" for c in likely)
    reasons.append(Reason(zh=f"成因：{zh}", en=f"cause: {en}"))
    # where nothing was judged, that is true of all and says nothing of one
    if nearest is not None and nearest < STRANGE:
        reasons.append(
            Reason(zh="与已核查的线索都不相似", en="unlike everything that was judged")
        )
    elif nearest is not None and nearest < ALIKE:
        reasons.append(
            Reason(zh="与已核查的线索不太相似", en="not much like anything judged")
        )
    if alike:
        are = "alerts are" if alike > 1 else "alert is"
        reasons.append(
            Reason(
                zh=f"另有 {alike} 条在册线索与其相似",
                en=f"{alike} other standing {are} like it",
            )
        )
    return tuple(reasons)
