"""Train the model `cause` again on a bureau's own labels, and hold it against the old.

Both judge the same objects, in places that trained neither: where the model in use was
trained on some of them itself, it is made again without them, or its places are passed
over.
"""

import hashlib
import platform
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import OutputError
from rsmonitor.io.stores.models import (
    METADATA_FILE,
    canonical,
    read_metadata,
    write_model,
)
from rsmonitor.lab.cause_material import FEATURES, fitted
from rsmonitor.lab.retraining_card import card
from rsmonitor.lab.retraining_material import (
    FOLDS,
    OWN_DATA,
    OwnMaterial,
    folds_of,
    training_rows,
)
from rsmonitor.records.disturbance import Cause
from rsmonitor.records.model import ModelMetadata
from rsmonitor.stages.classify import MODEL_ID, CauseModel, classify
from rsmonitor.wiring.causes import NAME

REPEATS: Final = 3
"""Times that the folds are cut anew."""

DRAWS: Final = 2000
"""Times that places are drawn again for an interval."""

LEAST_JUDGED: Final = 10
"""Held-out objects below which nothing is compared."""

EQUAL: Final = 1e-9
"""Difference of scores that is rounding."""

CODES: Final = tuple(cause.value for cause in Cause)

LIMITS: Final = (
    "It knows what one bureau judged in its own district: elsewhere nothing is known.",
    "Labels are of alerts, so it learnt nothing of what was never alerted.",
    "Who judges an alert sees what the model in use says of it, and may follow it.",
    "Probabilities hold where causes are as frequent; elsewhere only their order does.",
)
"""What must not be asked of the model."""

FROM_ELSEWHERE: Final = (
    "It was trained on objects from elsewhere too, which may outweigh the own labels."
)
"""The same, with the material of the shipped model."""

Progress = Callable[[str, int, int], None]
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InUse:
    """Who names causes now."""

    model: CauseModel | None = None
    """The model; None: the rules."""

    metadata: ModelMetadata | None = None
    """Of the model."""

    @property
    def model_id(self) -> str:
        """What alerts call it."""
        return MODEL_ID if self.model is None else self.model.model_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two models on the same held-out objects."""

    in_use: str
    """`model_id` of the one in use."""

    judged: int
    """Held-out objects."""

    places: int
    """Places they lie in."""

    passed_over: int
    """Labelled objects in places that trained the model in use; judged by neither."""

    remade: bool
    """True where the model in use was made again without the held-out places."""

    brier: tuple[float, float]
    """Mean Brier score over all causes, 0 to 2, less is better: new, in use."""

    brier_gain: tuple[float, float, float]
    """By how much the new one's is less, and the limits of its 95 % interval over
    places drawn again."""

    accuracy: tuple[float, float]
    """Share whose most probable cause is right: new, in use."""

    accuracy_gain: tuple[float, float, float]
    """By how much the new one's is more, with its interval."""

    by_cause: dict[str, dict[str, float]]
    """``objects``, and the shares called right, ``new`` and ``in_use``, by cause."""

    @property
    def is_worse(self) -> bool:
        """True where the new model's Brier score is the larger."""
        return self.brier_gain[0] < -EQUAL

    @property
    def is_shown(self) -> bool:
        """True where the interval of the difference does not hold 0."""
        return self.brier_gain[1] > 0 or self.brier_gain[2] < 0

    def as_json(self) -> dict[str, Any]:
        """
        Give it as JSON values.

        Returns
        -------
        dict
            Numbers with four decimals.
        """
        return {
            "in_use": self.in_use,
            "judged": self.judged,
            "places": self.places,
            "passed_over": self.passed_over,
            "remade": self.remade,
            "brier": _short(self.brier),
            "brier_gain": _short(self.brier_gain),
            "accuracy": _short(self.accuracy),
            "accuracy_gain": _short(self.accuracy_gain),
            "by_cause": self.by_cause,
            "worse": self.is_worse,
            "shown": self.is_shown,
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Retrained:
    """A model made of a bureau's labels, and how it stands beside the one in use."""

    metadata: ModelMetadata
    """With the digest of `data`."""

    data: bytes
    """Content of the model file."""

    comparison: Comparison
    """On held-out places."""


def compare(
    material: OwnMaterial,
    in_use: InUse,
    *,
    progress: Progress = lambda what, done, total: None,  # noqa: ARG005
) -> Comparison | str:
    """
    Judge held-out objects by models that did not see their places.

    Parameters
    ----------
    material : OwnMaterial
        Labels, enough of them.
    in_use : InUse
        Who names causes now.
    progress : callable, optional
        Told what is done.

    Returns
    -------
    Comparison or str
        A sentence where too little is left to compare.
    """
    seen = _seen(material, in_use)
    remade = bool(seen.any()) and _can_be_remade(material, in_use)
    held = np.ones(len(seen), dtype=np.bool_)
    if seen.any() and not remade:
        held = ~np.isin(material.place, material.place[seen])
    if held.sum() < LEAST_JUDGED:
        return (
            f"not enough: {int(held.sum())} of {LEAST_JUDGED} labelled objects lie in "
            f"places that did not train {in_use.model_id}; give --data as when it was "
            "trained, or judge alerts elsewhere"
        )
    n = len(material.causes)
    told = np.zeros((2, REPEATS, n, len(CODES)))
    told[1] = _asked(material, in_use.model)
    for seed in range(REPEATS):
        progress("folds", seed, REPEATS)
        for trains, judged in folds_of(material, seed):
            # the new one, and the one in use as it would be without these places
            for which, own in enumerate((trains, trains[seen[trains]])[: 1 + remade]):
                model = _refitted(material, own, judged)
                if model is None:
                    return (
                        "not enough: without one place only one cause is left to train "
                        "on; judge alerts of each cause in several places"
                    )
                told[which, seed, judged] = _by(model, material.rows[judged])
    progress("folds", REPEATS, REPEATS)
    return _compared(material, told, held, in_use.model_id, remade=remade)


def retrain(
    material: OwnMaterial,
    comparison: Comparison,
    *,
    number: str,
    command: str,
) -> Retrained:
    """
    Fit the model on everything that is labelled.

    Parameters
    ----------
    material : OwnMaterial
        Labels, enough of them.
    comparison : Comparison
        From `compare`.
    number : str
        Version of the model.
    command : str
        What makes it again.

    Returns
    -------
    Retrained
        The same bytes for the same labels and versions.
    """
    import skops.io  # noqa: PLC0415 - heavy, only training needs it

    own = np.flatnonzero(material.trains)
    rows, causes = training_rows(material, own, np.zeros(0, dtype=np.int64))
    model = _fitted(rows, causes, model_id=f"{NAME}-{number}")
    data = canonical(skops.io.dumps(model.estimator))
    named = [cause.value for cause in model.causes]
    metadata = ModelMetadata(
        name=NAME,
        version=number,
        task="names the cause of a disturbance: " + ", ".join(named),
        positive="digging" if "digging" in named else named[0],
        sha256=hashlib.sha256(data).hexdigest(),
        software={
            "python": platform.python_version(),
            **{
                name: version(name)
                for name in ("numpy", "scipy", "scikit-learn", "skops")
            },
        },
        feature_order=FEATURES,
        data=material.data,
        folds=f"{FOLDS} folds of whole places, cut anew {REPEATS} times; places lie at "
        f"least {material.apart_km:g} km apart; only own labels are judged",
        metrics={
            "seen": {
                "medians": model.medians.tolist(),
                "centres": model.centres.tolist(),
                "precision": model.precision.tolist(),
                "threshold": model.threshold,
            },
            "labels": dict(sorted(Counter(material.causes.tolist()).items())),
            "trained": sorted(set(causes.tolist())),
            "left_out": dict(material.left_out),
            "comparison": comparison.as_json(),
        },
        threshold=0.5,
        retrain=command,
        trained_on=tuple(sorted(material.fingerprints[n] for n in own)),
        limits=LIMITS if material.others is None else (*LIMITS, FROM_ELSEWHERE),
    )
    return Retrained(metadata=metadata, data=data, comparison=comparison)


def write(retrained: Retrained, folder: Path) -> list[Path]:
    """
    Write a model with its metadata and card.

    Parameters
    ----------
    retrained : Retrained
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
        If the folder holds another model, or cannot be written.
    StoreError
        If what lies there cannot be read.
    """
    if (folder / METADATA_FILE).exists():
        there = read_metadata(folder)
        if there.sha256 != retrained.metadata.sha256:
            raise OutputError(
                f"{folder} holds {there.model_id}, another model that alerts may name; "
                "give another folder with --out"
            )
    return write_model(
        folder,
        data=retrained.data,
        metadata=retrained.metadata,
        card=card(retrained.metadata),
    )


def _seen(material: OwnMaterial, in_use: InUse) -> NDArray[np.bool_]:
    """Say which own objects trained the model in use."""
    known = set() if in_use.metadata is None else set(in_use.metadata.trained_on)
    return np.array([each in known for each in material.fingerprints], dtype=np.bool_)


def _can_be_remade(material: OwnMaterial, in_use: InUse) -> bool:
    """Say whether all that the model in use rests on is at hand."""
    metadata = in_use.metadata
    if metadata is None or metadata.feature_order != FEATURES:
        return False
    at_hand = {each.sha256 for each in material.data if each.name != OWN_DATA}
    rests_on = {each.sha256 for each in metadata.data if each.name != OWN_DATA}
    return rests_on == at_hand and set(metadata.trained_on) <= set(
        material.fingerprints
    )


def _refitted(
    material: OwnMaterial, own: NDArray[np.int64], judged: NDArray[np.int64]
) -> CauseModel | None:
    """Train on some own objects and all others; None where one cause is left."""
    rows, causes = training_rows(material, own, judged)
    if len(set(causes.tolist())) < 2 or not np.ptp(rows, axis=0).all():  # noqa: PLR2004
        return None
    return _fitted(rows, causes)


def _fitted(
    rows: Numbers, causes: NDArray[np.str_], *, model_id: str = NAME
) -> CauseModel:
    """Fit in one thread: a few hundred rows gain nothing from more, and wait."""
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - scikit-learn's

    with threadpool_limits(1):
        return fitted(rows, causes, model_id=model_id)


def _by(model: CauseModel, rows: Numbers) -> Numbers:
    """Ask a model, shape (object, cause of the table)."""
    found = np.zeros((len(rows), len(CODES)))
    found[:, [CODES.index(cause.value) for cause in model.causes]] = (
        model.probabilities(rows)
    )
    return found


def _asked(material: OwnMaterial, model: CauseModel | None) -> Numbers:
    """Ask the model in use as a run does."""
    found = np.zeros((len(material.disturbances), len(CODES)))
    for n, each in enumerate(material.disturbances):
        for cause, probability in classify(each, model).causes.items():
            found[n, CODES.index(cause.value)] = probability
    return found


def _compared(
    material: OwnMaterial,
    told: Numbers,
    held: NDArray[np.bool_],
    in_use: str,
    *,
    remade: bool,
) -> Comparison:
    """Score both on the same objects."""
    truth = np.array([CODES.index(code) for code in material.causes.tolist()])
    one_hot = np.eye(len(CODES))[truth]
    # over the cuts first: an object counts once however often it was judged
    brier = ((told - one_hot) ** 2).sum(axis=3).mean(axis=1)[:, held]
    right = (told.argmax(axis=3) == truth).astype(np.float64).mean(axis=1)[:, held]
    place, causes = material.place[held], material.causes[held]
    return Comparison(
        in_use=in_use,
        judged=int(held.sum()),
        places=len(set(place.tolist())),
        passed_over=int((~held).sum()),
        remade=remade,
        brier=(float(brier[0].mean()), float(brier[1].mean())),
        brier_gain=_gain(brier[1] - brier[0], place),
        accuracy=(float(right[0].mean()), float(right[1].mean())),
        accuracy_gain=_gain(right[0] - right[1], place),
        by_cause={
            str(cause): {
                "objects": int((causes == cause).sum()),
                "new": round(float(right[0, causes == cause].mean()), 4),
                "in_use": round(float(right[1, causes == cause].mean()), 4),
            }
            for cause in np.unique(causes)
        },
    )


def _gain(difference: Numbers, place: NDArray[np.int64]) -> tuple[float, float, float]:
    """Give a mean and the 95 % interval of it where places are drawn again."""
    _, of = np.unique(place, return_inverse=True)
    total, count = np.bincount(of, difference), np.bincount(of)
    random = np.random.default_rng(20_261_129)
    drawn = random.integers(len(count), size=(DRAWS, len(count)))
    means = total[drawn].sum(axis=1) / count[drawn].sum(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return float(difference.mean()), float(low), float(high)


def _short(values: tuple[float, ...]) -> list[float]:
    """Keep four decimals."""
    return [round(value, 4) for value in values]
