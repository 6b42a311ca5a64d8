"""Boosted trees of `pair-screen`: grown by scikit-learn, kept as plain arrays.

A model file then holds no tree objects, so that the store need not trust their types.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Trees = dict[str, NDArray[Any]]
"""``feature``, ``threshold``, ``left``, ``right`` and ``value`` of every node, shape
(tree, node), where a leaf leads to itself; and ``start``, shape (1,)."""

TREES: Final = 200
PACE: Final = 0.05
"""Share of what a tree finds that is believed."""
LEAVES: Final = 5
FEATURE_SHARE: Final = 0.1
"""Share of the features that each split may choose from."""
SHRINKAGE: Final = 5.0
"""L2 penalty of the leaves."""


def grown(
    features: NDArray[np.float64], truth: NDArray[np.int64], *, trees: int = TREES
) -> Trees:
    """
    Grow trees by histogram gradient boosting.

    Parameters
    ----------
    features : ndarray of float64, shape (row, feature)
        Finite.
    truth : ndarray of int, shape (row,)
        1 is positive, 0 is not; both are there.
    trees : int, default 200
        How many.

    Returns
    -------
    dict of str to ndarray
        As `Trees` says. The same rows give the same bytes.
    """
    from sklearn.ensemble import (  # noqa: PLC0415 - heavy, only training needs it
        HistGradientBoostingClassifier,
    )
    from threadpoolctl import (  # noqa: PLC0415 - where it is used
        threadpool_limits,
    )

    grower = HistGradientBoostingClassifier(
        max_iter=trees,
        learning_rate=PACE,
        max_leaf_nodes=LEAVES,
        max_features=FEATURE_SHARE,
        l2_regularization=SHRINKAGE,
        early_stopping=False,
        random_state=0,
    )
    # sums of several threads are rounded in the order in which the threads end
    with threadpool_limits(1, user_api="openmp"):
        grower.fit(features, truth)
    return _arrays(grower)


def height(trees: Trees, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Add up what the trees say of each row.

    Parameters
    ----------
    trees : dict of str to ndarray
        As `grown` gives them.
    features : ndarray of float64, shape (row, feature)
        Finite.

    Returns
    -------
    ndarray of float64, shape (row,)
        Logarithm of the odds of being positive, as the trees see it.
    """
    which = np.arange(trees["feature"].shape[0])
    node = np.zeros((len(features), which.size), dtype=np.int64)
    rows = np.arange(len(features))[:, None]
    # no way down is longer than there are splits
    for _ in range(LEAVES - 1):
        seen = features[rows, trees["feature"][which, node]]
        down = seen <= trees["threshold"][which, node]
        node = np.where(down, trees["left"][which, node], trees["right"][which, node])
    return np.asarray(
        trees["start"][0] + trees["value"][which, node].sum(axis=1), dtype=np.float64
    )


def _arrays(grower: Any) -> Trees:  # noqa: ANN401 - scikit-learn has no types
    """Take the nodes out of a grown model."""
    nodes = [each.nodes for (each,) in grower._predictors]  # noqa: SLF001 - no public way
    shape = (len(nodes), max(each.size for each in nodes))
    stay = np.broadcast_to(np.arange(shape[1]), shape)
    trees: Trees = {
        "feature": np.zeros(shape, dtype=np.int64),
        "threshold": np.zeros(shape),
        "left": stay.copy(),
        "right": stay.copy(),
        "value": np.zeros(shape),
        "start": np.asarray(grower._baseline_prediction, np.float64).reshape(1),  # noqa: SLF001
    }
    for tree, each in enumerate(nodes):
        split = np.flatnonzero(each["is_leaf"] == 0)
        for name, column in (
            ("feature", "feature_idx"),
            ("threshold", "num_threshold"),
            ("left", "left"),
            ("right", "right"),
        ):
            trees[name][tree, split] = each[column][split]
        trees["value"][tree, : each.size] = each["value"]
    return trees
