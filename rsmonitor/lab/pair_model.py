"""`pair-screen` itself: how it is fitted, what it says, and how it is written.

Each feature is replaced by its rank, in 16 bins. A support vector machine with a radial
kernel ranks pairs; since version 2 boosted trees rank them too, and the mean of both
counts, each on the scale of its own logistic curve. A last curve turns it into a
probability. All curves and the threshold are fitted to what models say that did not see
the neighbours of a pair.
"""

import warnings
import zipfile
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.io.stores.models import canonical
from rsmonitor.lab.pair_folds import blocked_folds
from rsmonitor.lab.pair_judging import best_threshold
from rsmonitor.lab.pair_trees import TREES, grown, height

NAME: Final = "pair-screen"
BINS: Final = 16
"""Bins of equal count that every feature is cut into: only its rank is kept."""
SOFTNESS: Final = 3.0
"""How much a pair on the wrong side costs; small enough that one wrong label does not
bend the border."""
SEED: Final = 7
SCALES: Final = ("machine_scale", "tree_scale")
"""Curves that bring the parts to one scale."""
PARTS: Final = ("support vector machine alone", "boosted trees alone")
"""The same parts in words."""


def fitted(
    views: NDArray[np.float64],
    truth: NDArray[np.bool_],
    place: NDArray[np.int64],
    *,
    trees: int = TREES,
) -> tuple[dict[str, Any], float]:
    """
    Fit the model with its calibration, and choose its threshold.

    Parameters
    ----------
    views : ndarray of float64, shape (pair, view, feature)
        Rows of the whole patch and of its corners.
    truth : ndarray of bool, shape (pair,)
        What is positive.
    place : ndarray of int, shape (pair,)
        Place of each.
    trees : int, default 200
        Boosted trees that judge beside the machine; 0 is the form of version 1.

    Returns
    -------
    tuple of dict and float
        ``ranking`` and ``calibration``, two scikit-learn estimators, and where there
        are any ``trees``, ``machine_scale`` and ``tree_scale``; and the threshold of
        the highest F1 among pairs whose neighbours did not train.
    """
    from sklearn.utils.parallel import Parallel, delayed  # noqa: PLC0415 - heavy

    folds = blocked_folds(truth, place, seed=SEED)
    everything = np.arange(truth.size)
    # here and not in the threads, which share one list of filters
    with warnings.catch_warnings():
        # a feature of few values has fewer bins: that is meant
        warnings.filterwarnings("ignore", message="Bins whose width are too small")
        warnings.filterwarnings("ignore", message="Feature .* is constant")
        # threads, since most of the work is done outside of Python
        *parts, model = Parallel(n_jobs=2, prefer="threads")(
            delayed(_parts)(views[train], truth[train], trees=trees)
            for train in (*(train for train, _ in folds), everything)
        )
    apart = np.empty((1 + (trees > 0), truth.size))
    for part, (_, judged) in zip(parts, folds, strict=True):
        apart[:, judged] = _values(part, views[judged, 0])
    if trees:
        scales = [_curve(each, truth) for each in apart]
        model |= dict(zip(SCALES, scales, strict=True))
    value = _joined(model, apart)
    model["calibration"] = _curve(value, truth)
    told = model["calibration"].predict_proba(value[:, None])[:, 1]
    return model, best_threshold(truth, told)


def probabilities(
    model: dict[str, Any], features: NDArray[np.float64]
) -> NDArray[np.float64]:
    """
    Compute the probability that each pair is positive.

    Parameters
    ----------
    model : dict
        As `fitted` gives it.
    features : ndarray of float64, shape (pair, feature)
        Rows of whole patches.

    Returns
    -------
    ndarray of float64, shape (pair,)
        0 to 1.
    """
    if not len(features):
        return np.empty(0)
    value = _joined(model, _values(model, features))
    told = model["calibration"].predict_proba(value[:, None])[:, 1]
    return np.asarray(told, dtype=np.float64)


def alone(
    model: dict[str, Any], features: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """
    Compute what each part would say without the other, calibrated by itself.

    Parameters
    ----------
    model : dict
        As `fitted` gives it.
    features : ndarray of float64, shape (pair, feature)
        Rows of whole patches.

    Returns
    -------
    dict of str to ndarray of float64
        Probabilities by part; none where the model has one part only. The machine
        alone is the form of version 1.
    """
    if "trees" not in model:
        return {}
    return {
        name: np.asarray(model[scale].predict_proba(value[:, None])[:, 1])
        for name, scale, value in zip(
            PARTS, SCALES, _values(model, features), strict=True
        )
    }


def packed(model: dict[str, Any]) -> bytes:
    """
    Write a model as skops does, with the same bytes for the same model.

    Parameters
    ----------
    model : dict
        As `fitted` gives it.

    Returns
    -------
    bytes
        Content of the model file.
    """
    import skops.io  # noqa: PLC0415 - heavy

    return canonical(skops.io.dumps(model, compression=zipfile.ZIP_STORED))


def _parts(
    views: NDArray[np.float64], truth: NDArray[np.bool_], *, trees: int
) -> dict[str, Any]:
    """Fit what ranks, without any calibration."""
    model = {"ranking": _ranking(views, truth)}
    if trees:
        model["trees"] = grown(*_flat(views, truth), trees=trees)
    return model


def _values(
    model: dict[str, Any], features: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Ask each part what it says, shape (part, pair)."""
    told = [model["ranking"].decision_function(features)]
    if "trees" in model:
        told.append(height(model["trees"], features))
    return np.stack(told)


def _joined(model: dict[str, Any], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take the mean of the calibrated logits; the machine alone needs none."""
    if "trees" not in model:
        return np.asarray(values[0], dtype=np.float64)
    told = [
        model[name].decision_function(each[:, None])
        for name, each in zip(SCALES, values, strict=True)
    ]
    return np.asarray(np.mean(told, axis=0), dtype=np.float64)


def _curve(value: NDArray[np.float64], truth: NDArray[np.bool_]) -> Any:  # noqa: ANN401 - scikit-learn has no types
    """Fit a logistic curve from a value to the truth."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - heavy

    return LogisticRegression().fit(value[:, None], truth.astype(np.int64))


def _flat(
    views: NDArray[np.float64], truth: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Make every view a row of its own."""
    return (
        views.reshape(-1, views.shape[-1]),
        np.repeat(truth.astype(np.int64), views.shape[1]),
    )


def _ranking(views: NDArray[np.float64], truth: NDArray[np.bool_]) -> Any:  # noqa: ANN401 - scikit-learn has no types
    """Fit bins and machine to all views of some pairs."""
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415 - heavy
    from sklearn.preprocessing import KBinsDiscretizer  # noqa: PLC0415
    from sklearn.svm import SVC  # noqa: PLC0415

    bins = KBinsDiscretizer(
        BINS,
        encode="ordinal",
        strategy="quantile",
        quantile_method="averaged_inverted_cdf",
        subsample=None,
    )
    machine = make_pipeline(bins, SVC(C=SOFTNESS, kernel="rbf", gamma="scale"))
    return machine.fit(*_flat(views, truth))
