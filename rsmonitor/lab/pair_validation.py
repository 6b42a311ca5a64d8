"""How good `pair-screen` is where it did not train: by block, window and country."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.lab.measures import Interval
from rsmonitor.lab.pair_folds import FOLDS, blocked_folds, countries_of, left_out
from rsmonitor.lab.pair_judging import (
    auc,
    auc_difference,
    auc_gain,
    called_by_category,
    judge,
)
from rsmonitor.lab.pair_material import Material
from rsmonitor.lab.pair_model import alone, fitted, probabilities
from rsmonitor.stages.pair_features import FEATURE_ORDER

CUT: Final = 100
"""Seed of the first cut: other cuts than those in which the model was chosen."""
SHARES: Final = (0.25, 0.5, 0.75)
"""Shares of the training places of the learning curve, beside all."""
LEAST_OF_CLASS: Final = 5
"""Pairs of a class below which an AUC is not told."""
PATCH_HA: Final = 23.04
"""Area of a patch of 48 x 48 pixels of 10 m."""
SIZES_HA: Final = (0.0, 0.1, 0.5, 2.0, 23.05)
"""Edges of the classes of the largest piece that opened, hectares."""

Progress = Callable[[str, int, int], None]
Fold = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Validation:
    """What models said of pairs whose neighbours they did not see."""

    probability: NDArray[np.float64]
    """Shape (cut, pair)."""

    middle: int
    """The cut of the median AUC."""

    threshold: float
    """Median of the thresholds that were chosen without the fold."""

    measures: dict[str, Any]
    """Plain numbers and tables, for ``metadata.json``."""


def validate(
    material: Material,
    *,
    repeats: int,
    brief: bool,
    folds: int = FOLDS,
    progress: Progress,
) -> Validation:
    """
    Judge the model in blocked folds, and what becomes of it when more is left out.

    Parameters
    ----------
    material : Material
        Pairs.
    repeats : int
        Times that the folds are cut anew.
    brief : bool
        Leave out countries, windows, the learning curve and other classifiers.
    folds : int, default 5
        Folds of each cut; those of the learning curve stay.
    progress : callable
        Told what is done.

    Returns
    -------
    Validation
        Probabilities and measures.
    """
    truth = material.truth
    probability = np.empty((repeats, truth.size))
    calls = np.empty((repeats, truth.size), np.bool_)
    parts: dict[str, NDArray[np.float64]] = {}
    of_folds, thresholds = [], []
    for cut in range(repeats):
        for fold, (train, judged) in enumerate(
            blocked_folds(truth, material.place, seed=CUT + cut, folds=folds)
        ):
            progress("folds", cut * folds + fold, repeats * folds)
            model, threshold = _trained(material, train)
            own = probabilities(model, material.views[judged, 0])
            for name, told in alone(model, material.views[judged, 0]).items():
                shape = probability.shape
                parts.setdefault(name, np.empty(shape))[cut, judged] = told
            probability[cut, judged], calls[cut, judged] = own, own >= threshold
            of_folds.append(auc(truth[judged], own))
            thresholds.append(threshold)
    each = [auc(truth, own) or 0.0 for own in probability]
    middle = int(np.argsort(each)[repeats // 2])
    threshold = float(np.median(thresholds))
    measures = {
        "auc": _short(float(np.mean(each))),
        "auc_of_cuts": [_short(value) for value in each],
        "auc_of_folds": [_short(value) for value in of_folds],
        **_overall(material, probability[middle], calls, threshold),
        "parts": [
            {
                "part": name,
                "auc": _short(float(np.mean([auc(truth, own) or 0.0 for own in told]))),
                "whole_better_by": _ends(
                    auc_gain(truth, probability, told, units=material.place)
                ),
            }
            for name, told in parts.items()
        ],
        "by_category": called_by_category(
            material.category, probability[middle], threshold
        ),
        "by_opened_area": _by_size(material, calls),
        "label_noise": _noise(material, probability.mean(axis=0)),
    }
    if not brief:
        measures |= _thorough(material, probability, middle, progress)
    return Validation(
        probability=probability, middle=middle, threshold=threshold, measures=measures
    )


def _thorough(
    material: Material,
    probability: NDArray[np.float64],
    middle: int,
    progress: Progress,
) -> dict[str, Any]:
    """Measure what takes most of the time."""
    whole = {
        "share": 1.0,
        "pairs": round(material.truth.size * (1 - 1 / FOLDS)),
        "auc": _auc(material.truth, probability[0]),
    }
    return {
        "windows": _windows(material, probability[middle], progress),
        "countries_left_out": _countries(material, progress),
        "learning_curve": [*_learning_curve(material, progress), whole],
        "auc_without_blocks": _without_blocks(material, progress),
        "other_classifiers": _others(material, probability[0], progress),
    }


def _judged(material: Material, fold: Fold) -> tuple[NDArray[np.float64], float]:
    """Train on one part and judge the other."""
    train, judged = fold
    model, threshold = _trained(material, train)
    return probabilities(model, material.views[judged, 0]), threshold


def _trained(
    material: Material, train: NDArray[np.int64]
) -> tuple[dict[str, Any], float]:
    """Train on one part."""
    return fitted(
        material.views[train],
        material.truth[train],
        material.place[train],
        trees=material.trees,
    )


def _overall(
    material: Material,
    own: NDArray[np.float64],
    calls: NDArray[np.bool_],
    threshold: float,
) -> dict[str, Any]:
    """Sum up the cut in the middle, with intervals over places."""
    truth = material.truth
    judged = judge(truth, own, threshold=threshold, units=material.place)
    right, called = (calls & truth).sum(axis=1), calls.sum(axis=1)
    return {
        "auc_interval": _ends(judged.intervals["auc"]),
        "average_precision": _short(judged.average_precision),
        "average_precision_interval": _ends(judged.intervals["average_precision"]),
        "f1": _short(float((2 * right / (called + truth.sum())).mean())),
        "f1_interval": _ends(judged.intervals["f1"]),
        "precision": _short(float((right / called).mean())),
        "recall": _short(float((right / truth.sum()).mean())),
        "brier": _short(judged.brier),
        "brier_interval": _ends(judged.intervals["brier"]),
        "ece": _short(judged.ece),
        "ece_interval": _ends(judged.intervals["ece"]),
    }


def _by_size(material: Material, calls: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Give the recall by the area of the largest piece that opened."""
    column = FEATURE_ORDER.index("pieces.opened.largest")
    opened = material.views[:, 0, column] * PATCH_HA
    lines = []
    for low, high in pairwise(SIZES_HA):
        inside = (opened >= low) & (opened < high)
        positive, other = inside & material.truth, inside & ~material.truth
        lines.append(
            {
                "from_ha": low,
                "to_ha": high,
                "positives": int(positive.sum()),
                "recall": _mean(calls[:, positive]),
                "others": int(other.sum()),
                "called_of_others": _mean(calls[:, other]),
            }
        )
    return lines


def _windows(
    material: Material, own: NDArray[np.float64], progress: Progress
) -> list[dict[str, Any]]:
    """Judge every window of time by itself, and by models that never saw it."""
    lines = []
    for done, (name, (train, judged)) in enumerate(
        left_out(material.window, material.place)
    ):
        progress("windows", done, len(set(material.window.tolist())))
        truth = material.truth[judged]
        line: dict[str, Any] = {
            "earlier_look_from": name,
            "pairs": int(judged.size),
            "positives": int(truth.sum()),
            "auc_within": _auc(truth, own[judged]),
        }
        line |= _apart(material, (train, judged))
        lines.append(line)
    return lines


def _countries(material: Material, progress: Progress) -> list[dict[str, Any]] | None:
    """Judge every country by a model that saw nothing of it, nor across its border."""
    countries = countries_of(material.lon, material.lat)
    if countries is None:
        return None
    lines = []
    for done, (name, fold) in enumerate(left_out(countries, material.place)):
        progress("countries", done, len(set(countries.tolist())))
        truth = material.truth[fold[1]]
        lines.append(
            {
                "country": name,
                "pairs": int(truth.size),
                "positives": int(truth.sum()),
                **_apart(material, fold),
            }
        )
    return lines


def _apart(material: Material, fold: Fold) -> dict[str, Any]:
    """Judge what was left out, where enough is left to train on."""
    trained = material.truth[fold[0]]
    nothing = {"trained_on": int(trained.size), "auc": None}
    if min(trained.sum(), (~trained).sum()) < FOLDS * LEAST_OF_CLASS:
        return {**nothing, "recall": None, "called_of_others": None}
    own, threshold = _judged(material, fold)
    truth, called = material.truth[fold[1]], own >= threshold
    return {
        "trained_on": int(trained.size),
        "auc": _auc(truth, own),
        "recall": _mean(called[truth]),
        "called_of_others": _mean(called[~truth]),
    }


def _learning_curve(material: Material, progress: Progress) -> list[dict[str, Any]]:
    """Judge models of fewer places, in the first cut."""
    random = np.random.default_rng(CUT)
    lines = []
    folds = blocked_folds(material.truth, material.place, seed=CUT)
    for done, share in enumerate(SHARES):
        progress("learning curve", done, len(SHARES))
        own = np.empty(material.truth.size)
        sizes = []
        for train, judged in folds:
            places = np.unique(material.place[train])
            kept = random.permutation(places)[: round(share * places.size)]
            fewer = train[np.isin(material.place[train], kept)]
            own[judged], _ = _judged(material, (fewer, judged))
            sizes.append(fewer.size)
        lines.append(
            {
                "share": share,
                "pairs": int(np.mean(sizes)),
                "auc": _auc(material.truth, own),
            }
        )
    return lines


def _without_blocks(material: Material, progress: Progress) -> float | None:
    """Judge folds whose neighbours do train: what a random split would show."""
    progress("without blocks", 0, 1)
    alone = np.arange(material.truth.size)
    own = np.empty(alone.size)
    for fold in blocked_folds(material.truth, alone, seed=CUT):
        own[fold[1]], _ = _judged(material, fold)
    return _auc(material.truth, own)


def _others(
    material: Material, ours: NDArray[np.float64], progress: Progress
) -> list[dict[str, Any]]:
    """Hold the usual classifiers against ours: same features, views and first cut."""
    from sklearn.ensemble import (  # noqa: PLC0415 - heavy
        HistGradientBoostingClassifier,
        RandomForestClassifier,
    )

    usual = {
        "random forest": RandomForestClassifier(
            300, min_samples_leaf=2, max_features="sqrt", n_jobs=2, random_state=0
        ),
        "histogram gradient boosting": HistGradientBoostingClassifier(
            max_iter=200,
            learning_rate=0.05,
            max_leaf_nodes=5,
            max_features=0.1,
            l2_regularization=5.0,
            random_state=0,
        ),
    }
    truth, views = material.truth, material.views
    lines = []
    for done, (name, classifier) in enumerate(usual.items()):
        progress("other classifiers", done, len(usual))
        own = np.empty(truth.size)
        for train, judged in blocked_folds(truth, material.place, seed=CUT):
            classifier.fit(
                views[train].reshape(-1, views.shape[2]),
                np.repeat(truth[train], views.shape[1]),
            )
            own[judged] = classifier.predict_proba(views[judged, 0])[:, 1]
        lines.append(
            {
                "classifier": name,
                "auc": _auc(truth, own),
                "ours_better_by": _ends(
                    auc_difference(truth, ours, own, units=material.place)
                ),
            }
        )
    return lines


def _noise(material: Material, own: NDArray[np.float64]) -> dict[str, Any]:
    """
    Estimate wrong labels by confident learning, and what a faultless ranking would get.

    A label counts as wrong where the probability of the other class, by models that did
    not see the place, is above its mean in that other class. What the model does not
    understand counts too, so that the ceiling is a low guess.
    """
    truth = material.truth
    sure, surely_not = float(own[truth].mean()), float(own[~truth].mean())
    not_positive = float((own[truth] <= surely_not).mean())
    not_other = float((own[~truth] >= sure).mean())
    right, right_too = 1 - not_positive, 1 - not_other
    ceiling = right * right_too + (right * not_other + not_positive * right_too) / 2
    return {
        "positives_doubted": round(not_positive, 4),
        "others_doubted": round(not_other, 4),
        "auc_of_a_faultless_ranking": round(ceiling, 4),
    }


def _auc(truth: NDArray[np.bool_], own: NDArray[np.float64]) -> float | None:
    """Compute an AUC where both classes are there."""
    if min(truth.sum(), (~truth).sum()) < LEAST_OF_CLASS:
        return None
    return _short(auc(truth, own))


def _mean(values: NDArray[np.bool_]) -> float | None:
    """Compute a share, where there is anything."""
    return round(float(values.mean()), 4) if values.size else None


def _short(value: float | None) -> float | None:
    """Round for a table."""
    return None if value is None else round(float(value), 4)


def _ends(interval: Interval | None) -> Sequence[float] | None:
    """Round an interval for a table."""
    return None if interval is None else [round(end, 4) for end in interval]
