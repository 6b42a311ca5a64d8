"""How good probabilities of pairs are: ranking, calls and calibration."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import ContractError
from rsmonitor.lab.measures import DRAWS, LEAST_UNITS, Interval

BINS: Final = 10
"""Bins of the calibration error, of equal width."""
SEED: Final = 20_261_129


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Measures of the probabilities of some pairs; None where one class is missing."""

    n: int
    """Pairs that were judged."""

    positives: int
    """How many are positive."""

    threshold: float
    """Probability from which a pair is called positive."""

    auc: float | None
    """Chance that a positive pair is ranked above another, 0.5 without skill."""

    average_precision: float | None
    """Mean precision over recall."""

    f1: float | None
    """Harmonic mean of precision and recall at the threshold."""

    precision: float | None
    """Share of called pairs that are positive."""

    recall: float | None
    """Share of positive pairs that are called."""

    brier: float
    """Mean square of probability minus truth."""

    ece: float
    """Expected calibration error over `BINS` bins of equal width."""

    intervals: Mapping[str, Interval | None]
    """95 % bootstrap intervals of ``auc``, ``average_precision``, ``f1``, ``brier`` and
    ``ece``; None where there are too few pairs."""


def judge(
    truth: NDArray[np.bool_],
    probability: NDArray[np.float64],
    *,
    threshold: float,
    units: NDArray[np.int64] | None = None,
) -> Judgement:
    """
    Judge probabilities, with intervals over places drawn again.

    Parameters
    ----------
    truth : ndarray of bool, shape (pair,)
        What is positive.
    probability : ndarray of float64, shape (pair,)
        0 to 1.
    threshold : float
        From where a pair is called positive.
    units : ndarray of int, shape (pair,), optional
        Place of each: pairs of one place are drawn together. Default: each its own.

    Returns
    -------
    Judgement
        Measures and intervals.

    Raises
    ------
    ContractError
        If there is no pair, shapes differ or a probability is none.
    """
    if truth.size == 0 or truth.shape != probability.shape:
        raise ContractError(
            f"{truth.shape} truths and {probability.shape} probabilities: nothing to "
            "judge"
        )
    if not ((probability >= 0) & (probability <= 1)).all():
        raise ContractError("probabilities must lie within 0 to 1")
    measures: dict[str, Callable[..., float | None]] = {
        "auc": auc,
        "average_precision": average_precision,
        "f1": lambda t, p: _calls(t, p, threshold)[2],
        "brier": lambda t, p: float(np.square(p - t).mean()),
        "ece": ece,
    }
    precision, recall, f1 = _calls(truth, probability, threshold)
    return Judgement(
        n=int(truth.size),
        positives=int(truth.sum()),
        threshold=threshold,
        auc=auc(truth, probability),
        average_precision=average_precision(truth, probability),
        f1=f1,
        precision=precision,
        recall=recall,
        brier=float(np.square(probability - truth).mean()),
        ece=ece(truth, probability),
        intervals=_intervals(truth, probability, measures, units),
    )


def auc(truth: NDArray[np.bool_], score: NDArray[np.float64]) -> float | None:
    """
    Compute the area under the receiver operating characteristic.

    Parameters
    ----------
    truth : ndarray of bool
        What is positive.
    score : ndarray of float64
        Higher means more likely positive; ties count half.

    Returns
    -------
    float or None
        None where one class is missing.

    Examples
    --------
    >>> import numpy as np
    >>> auc(np.array([False, True, True]), np.array([0.1, 0.4, 0.1]))
    0.75
    """
    above, below = score[truth], np.sort(score[~truth])
    if above.size == 0 or below.size == 0:
        return None
    won = np.searchsorted(below, above, "left") + np.searchsorted(below, above, "right")
    return float(won.sum() / (2 * above.size * below.size))


def average_precision(
    truth: NDArray[np.bool_], score: NDArray[np.float64]
) -> float | None:
    """
    Compute the mean precision over the steps of recall.

    Parameters
    ----------
    truth : ndarray of bool
        What is positive.
    score : ndarray of float64
        Higher means more likely positive.

    Returns
    -------
    float or None
        None where one class is missing.
    """
    if truth.all() or not truth.any():
        return None
    order = np.argsort(-score, kind="stable")
    hit, ranked = truth[order], score[order]
    last = np.r_[np.flatnonzero(np.diff(ranked)), truth.size - 1]
    found = np.cumsum(hit)[last]
    return float((found / (last + 1) * np.diff(found, prepend=0)).sum() / truth.sum())


def ece(truth: NDArray[np.bool_], probability: NDArray[np.float64]) -> float:
    """
    Compute the expected calibration error.

    Parameters
    ----------
    truth : ndarray of bool
        What is positive.
    probability : ndarray of float64
        0 to 1.

    Returns
    -------
    float
        Mean over pairs of the distance between the mean probability and the share of
        positives of their bin.
    """
    bins = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
    gap = np.bincount(bins, probability - truth, minlength=BINS)
    return float(np.abs(gap).sum() / truth.size)


def auc_difference(
    truth: NDArray[np.bool_],
    one: NDArray[np.float64],
    other: NDArray[np.float64],
    *,
    units: NDArray[np.int64],
) -> Interval | None:
    """
    Give the 95 % interval of the AUC of one score minus that of another.

    Parameters
    ----------
    truth : ndarray of bool, shape (pair,)
        What is positive.
    one, other : ndarray of float64, shape (pair,)
        Scores of the same pairs.
    units : ndarray of int, shape (pair,)
        Place of each: pairs of one place are drawn together.

    Returns
    -------
    tuple of float or None
        Low and high; None with too few places.
    """
    both = one + 1j * other  # drawn together

    def difference(
        drawn: NDArray[np.bool_], scores: NDArray[np.complex128]
    ) -> float | None:
        first, second = auc(drawn, scores.real), auc(drawn, scores.imag)
        return None if first is None or second is None else first - second

    return _intervals(truth, both, {"difference": difference}, units)["difference"]


def auc_gain(
    truth: NDArray[np.bool_],
    ours: NDArray[np.float64],
    others: NDArray[np.float64],
    *,
    units: NDArray[np.int64],
) -> Interval | None:
    """
    Give the 95 % interval of a difference of AUC that is averaged over cuts.

    Parameters
    ----------
    truth : ndarray of bool, shape (pair,)
        What is positive.
    ours, others : ndarray of float64, shape (cut, pair)
        Scores of the same pairs in the same cuts.
    units : ndarray of int, shape (pair,)
        Place of each: pairs of one place are drawn together, in all cuts.

    Returns
    -------
    tuple of float or None
        Low and high; None with too few places.
    """
    both = ours.T + 1j * others.T  # drawn together

    def gain(drawn: NDArray[np.bool_], scores: NDArray[np.complex128]) -> float | None:
        if drawn.all() or not drawn.any():
            return None
        return float(
            np.mean(
                [
                    (auc(drawn, cut.real) or 0.0) - (auc(drawn, cut.imag) or 0.0)
                    for cut in scores.T
                ]
            )
        )

    return _intervals(truth, both, {"gain": gain}, units)["gain"]


def best_threshold(truth: NDArray[np.bool_], probability: NDArray[np.float64]) -> float:
    """
    Choose the threshold of the highest F1, for probabilities that are calibrated.

    Parameters
    ----------
    truth : ndarray of bool
        What is positive; both classes.
    probability : ndarray of float64
        Of pairs that did not train.

    Returns
    -------
    float
        0.01 to 0.5.

    Notes
    -----
    Of calibrated probabilities the best threshold is half of the highest F1 [1]_. That
    F1 varies little between samples, but the place where it is reached varies a lot.

    References
    ----------
    .. [1] Lipton, Elkan and Naryanaswamy (2014), "Optimal thresholding of classifiers
       to maximize F1 measure", ECML PKDD.
    """
    order = np.argsort(-probability, kind="stable")
    ranked, hits = probability[order], np.cumsum(truth[order])
    f1 = 2 * hits / (np.arange(1, truth.size + 1) + truth.sum())
    ends = np.r_[np.diff(ranked) < 0, True]
    return float(np.clip(round(float(f1[ends].max()) / 2, 4), 0.01, 0.5))


def called_by_category(
    category: Sequence[str], probability: NDArray[np.float64], threshold: float
) -> list[dict[str, Any]]:
    """
    Count the calls of every category: which confusers confuse.

    Parameters
    ----------
    category : sequence of str
        Of each pair.
    probability : ndarray of float64
        Of each pair.
    threshold : float
        From where a pair is called positive.

    Returns
    -------
    list of dict
        ``category, n, called, share_called, mean_probability``, by name.
    """
    names = np.array(category)
    lines = []
    for name in sorted(set(category)):
        own = probability[names == name]
        called = int((own >= threshold).sum())
        lines.append(
            {
                "category": name,
                "n": int(own.size),
                "called": called,
                "share_called": round(called / own.size, 4),
                "mean_probability": round(float(own.mean()), 4),
            }
        )
    return lines


def _calls(
    truth: NDArray[np.bool_], probability: NDArray[np.float64], threshold: float
) -> tuple[float | None, float | None, float | None]:
    """Compute precision, recall and F1 of the calls."""
    called = probability >= threshold
    right, said, there = (int(v.sum()) for v in (called & truth, called, truth))
    return (
        right / said if said else None,
        right / there if there else None,
        2 * right / (said + there) if there else None,
    )


def _intervals(
    truth: NDArray[np.bool_],
    probability: NDArray[np.float64] | NDArray[np.complex128],
    measures: Mapping[str, Callable[..., float | None]],
    units: NDArray[np.int64] | None,
) -> dict[str, Interval | None]:
    """Draw places again, and give 95 % of each measure."""
    random = np.random.default_rng(SEED)
    _, unit = np.unique(
        np.arange(truth.size) if units is None else units, return_inverse=True
    )
    members = np.split(np.argsort(unit, kind="stable"), np.cumsum(np.bincount(unit)))
    members = members[:-1]
    if len(members) < LEAST_UNITS:
        return dict.fromkeys(measures)
    told: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(DRAWS):
        drawn = random.integers(len(members), size=len(members))
        chosen = np.concatenate([members[i] for i in drawn])
        for name, measure in measures.items():
            value = measure(truth[chosen], probability[chosen])
            if value is not None:
                told[name].append(value)
    return {name: _middle(values) for name, values in told.items()}


def _middle(values: Sequence[float]) -> Interval | None:
    """Give the 95 % in the middle."""
    if not values:
        return None
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)
