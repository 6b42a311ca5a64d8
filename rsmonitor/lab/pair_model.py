"""`pair-screen` itself: how it is fitted, what it says, and how it is written.

Each feature is replaced by its rank, in 16 bins. A support vector machine with a radial
kernel ranks pairs, and a logistic curve turns its value into a probability. The curve
and the threshold are fitted to what machines say that did not see the neighbours of a
pair.
"""

import warnings
import zipfile
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.io.stores.models import canonical
from rsmonitor.lab.pair_folds import blocked_folds
from rsmonitor.lab.pair_judging import best_threshold

NAME: Final = "pair-screen"
BINS: Final = 16
"""Bins of equal count that every feature is cut into: only its rank is kept."""
SOFTNESS: Final = 3.0
"""How much a pair on the wrong side costs; small enough that one wrong label does not
bend the border."""
SEED: Final = 7


def fitted(
    views: NDArray[np.float64], truth: NDArray[np.bool_], place: NDArray[np.int64]
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

    Returns
    -------
    tuple of dict and float
        ``ranking`` and ``calibration``, two scikit-learn estimators; and the threshold
        of the highest F1 among pairs whose neighbours did not train.
    """
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - heavy

    apart = np.empty(truth.size)
    for train, judged in blocked_folds(truth, place, seed=SEED):
        ranking = _ranking(views[train], truth[train])
        apart[judged] = ranking.decision_function(views[judged, 0])
    calibration = LogisticRegression().fit(apart[:, None], truth.astype(np.int64))
    model = {"ranking": _ranking(views, truth), "calibration": calibration}
    told = calibration.predict_proba(apart[:, None])[:, 1]
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
    value = model["ranking"].decision_function(features)
    told = model["calibration"].predict_proba(value[:, None])[:, 1]
    return np.asarray(told, dtype=np.float64)


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
    with warnings.catch_warnings():
        # a feature of few values has fewer bins: that is meant
        warnings.filterwarnings("ignore", message="Bins whose width are too small")
        warnings.filterwarnings("ignore", message="Feature .* is constant")
        return machine.fit(
            views.reshape(-1, views.shape[-1]),
            np.repeat(truth.astype(np.int64), views.shape[1]),
        )
