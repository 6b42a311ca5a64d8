"""Train `pair-screen`, and measure it in folds none of whose neighbours train.

Everything that is fitted, the bins, the calibration and the threshold too, is fitted
without the fold that is judged.
"""

import hashlib
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np

from rsmonitor.io.stores.models import write_model
from rsmonitor.lab.pair_card import card
from rsmonitor.lab.pair_folds import FOLDS, NEIGHBOUR_KM
from rsmonitor.lab.pair_material import Material, gather
from rsmonitor.lab.pair_model import NAME, fitted, packed
from rsmonitor.lab.pair_trees import TREES
from rsmonitor.lab.pair_validation import Progress, Validation, validate
from rsmonitor.lab.pairs import POSITIVE
from rsmonitor.records.model import ModelMetadata
from rsmonitor.stages.pair_features import FEATURE_ORDER

MACHINE_ONLY: Final = "1"
"""The version that has no boosted trees, so that its own command makes it again."""
REPEATS: Final = 5
"""Times that the folds are cut anew."""
LIMITS: Final = (
    (
        "It knows the Amazon basin, and mostly gold mining along rivers; on ionic "
        "rare-earth mines nothing was measured, so nothing may be claimed."
    ),
    (
        "Labels are of whole patches and noisy: some places were mined before the "
        "first look, some show no mine after it, some composites have cloud."
    ),
    (
        "All pairs whose earlier look is of 2018 are positive, so part of the skill "
        "may be that of telling archives apart: trust the measure within one window."
    ),
    (
        "It judges patches of 480 m about a place that somebody suspects; it was never "
        "measured on whole scenes, where positives are rare."
    ),
    (
        "Probabilities hold where about 7 of 10 pairs are positive; elsewhere only "
        "their order does."
    ),
)
"""What must not be asked of the model."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trained:
    """A model and all that was measured of it."""

    metadata: ModelMetadata
    """With the digest of `data`."""

    data: bytes
    """Content of the model file."""

    validation: Validation
    """Probabilities by models that did not see the neighbours of a pair."""

    material: Material
    """What it was trained on."""


def train(
    files: Sequence[Path],
    *,
    number: str = "1",
    licence: str | None = None,
    repeats: int = REPEATS,
    brief: bool = False,
    folds: int = FOLDS,
    trees: int = TREES,
    progress: Progress = lambda what, done, total: None,  # noqa: ARG005
) -> Trained:
    """
    Measure the model in folds, then fit it on everything.

    Parameters
    ----------
    files : sequence of Path
        NetCDF files of pairs, or folders that hold them.
    number : str, default "1"
        Version of the model; "1" is the machine alone, later ones have trees too.
    licence : str, optional
        Licence of all files; default: what is known of them, else none.
    repeats : int, default 5
        Times that the folds are cut anew.
    brief : bool, default False
        Measure blocked folds only: no countries, windows, learning curve and other
        classifiers.
    folds : int, default 5
        Folds of each cut.
    trees : int, default 200
        Boosted trees, but for version "1"; with fewer it is a trial, and its limits
        say so.
    progress : callable, optional
        Told what is done.

    Returns
    -------
    Trained
        The model and its measures.

    Raises
    ------
    SourceError
        If a file cannot be read, or the files hold too few pairs of a class.
    """
    material = gather(
        files, licence=licence, trees=0 if number == MACHINE_ONLY else trees
    )
    validation = validate(
        material, repeats=repeats, brief=brief, folds=folds, progress=progress
    )
    progress("fit on everything", 0, 1)
    model, threshold = fitted(
        material.views, material.truth, material.place, trees=material.trees
    )
    data = packed(model)
    metadata = ModelMetadata(
        name=NAME,
        version=number,
        task="judges two composites of one place of 480 m, before and after: has a "
        "mine emerged between them?",
        positive=POSITIVE,
        sha256=hashlib.sha256(data).hexdigest(),
        software=_software(),
        feature_order=FEATURE_ORDER,
        data=material.data,
        folds=f"{folds} folds of whole places, cut anew {repeats} times; a place is a "
        f"chain of pairs within {NEIGHBOUR_KM:g} km of each other; calibration and "
        "threshold are fitted without the fold that is judged",
        metrics=validation.measures,
        threshold=threshold,
        retrain=f"rsmonitor train pairs {' '.join(each.name for each in material.data)}"
        + ("" if number == MACHINE_ONLY else f" --number {number}")
        + f" --out models/{NAME}/{number}",
        trained_on=tuple(
            sorted({each for pairs in material.pairs for each in pairs.fingerprints()})
        ),
        limits=LIMITS + _trial(material.trees),
    )
    return Trained(
        metadata=metadata, data=data, validation=validation, material=material
    )


def write(trained: Trained, folder: Path) -> list[Path]:
    """
    Write a model with its metadata and card.

    Parameters
    ----------
    trained : Trained
        What was trained.
    folder : Path
        Where; made if missing.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    return write_model(
        folder,
        data=trained.data,
        metadata=trained.metadata,
        card=card(trained.metadata),
    )


def suspicious(trained: Trained, most: int = 40) -> list[dict[str, Any]]:
    """
    List the pairs whose label the rest of the data contradicts most.

    Parameters
    ----------
    trained : Trained
        What was trained.
    most : int, default 40
        How many.

    Returns
    -------
    list of dict
        ``sample, category, probability``, the most contradicted first.
    """
    told = trained.validation.probability.mean(axis=0)
    against = np.where(trained.material.truth, 1 - told, told)
    return [
        {
            "sample": trained.material.ids[place],
            "category": trained.material.category[place],
            "probability": round(float(told[place]), 4),
        }
        for place in np.argsort(-against, kind="stable")[:most]
    ]


def _trial(trees: int) -> tuple[str, ...]:
    """Say that a model is not what its command makes, if it is not."""
    if trees in {0, TREES}:
        return ()
    return (f"A trial with {trees} boosted trees where the recipe has {TREES}.",)


def _software() -> dict[str, str]:
    """Name the versions that a result depends on."""
    names = ("numpy", "scipy", "scikit-learn", "skops")
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in names},
    }
