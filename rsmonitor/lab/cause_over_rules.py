"""Train `cause/2`, which moves the rules, and measure it where nothing near it trained.

The rules name causes as ever. The model answers one question, whether a change is
digging, and moves the rules' probability of digging by half of its log odds; the other
causes keep their proportions. It names no felling, so a small mine in the forest cannot
sink in a list because a model took it for one; and where a change is unlike anything
that it has seen, the rules stand as they are.

The recipe was written down before it was measured: features, penalty and bounds are
those of `cause/1`, the weight is a half. Other weights are measured beside it and chose
nothing. The imagery of the demo trains no part of it, so the demo shows it on ground
that it has not seen.
"""

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.io.stores.models import (
    canonical,
    write_model,
)
from rsmonitor.lab.cause_judging import (
    FOREST_NDVI,
    HECTARE,
    beside_rules,
    counts_of,
    interval_of,
    short,
    sources_of,
    tasks,
)
from rsmonitor.lab.cause_material import (
    FEATURES,
    FOLDS,
    Material,
    by_rule,
    fitted,
    folds_of,
    gather,
)
from rsmonitor.lab.cause_over_rules_card import card
from rsmonitor.lab.datasets import Places
from rsmonitor.lab.pair_folds import NEIGHBOUR_KM, countries_of
from rsmonitor.records.disturbance import Cause
from rsmonitor.records.model import ModelMetadata, TrainingData
from rsmonitor.stages.classify import CauseModel, classify, moved
from rsmonitor.wiring.causes import NAME, WEIGHT

NUMBER: Final = "2"
"""Version of the model."""

HALF: Final = 0.5
"""Share of its log odds by which it moves those of the rules."""

OTHER_WEIGHTS: Final = (0.25, 1.0)
"""Measured beside it; they chose nothing."""

SHOWN: Final = "nrt_romania"
"""The imagery that the demo shows: judged, never trained on."""

REPEATS: Final = 5
"""Times that the folds are cut anew."""

LIMITS: Final = tuple(
    """\
Ionic rare-earth mines: not measured, for want of any object. Claim nothing of them.
Mining is gold mining in the Amazon basin; labels are of whole images and noisy.
All pairs whose first image is of 2018 are mining: trust the measures of 2019.
Below 1 ha it was not shown to be better than the rules.
It tells digging from other change and nothing else: felling, fire, roads and all \
other causes have the proportions that the rules give them.
On ground that was no forest it names less mining digging than the rules do, which \
name almost everything digging there.
Probabilities are those of the rules, moved: an order of what to look at first, and no \
frequencies.""".splitlines()
)
"""What must not be asked of the model, one sentence each."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainedOverRules:
    """A model and all that was measured of it."""

    model: CauseModel
    """Fitted on everything but what the demo shows."""

    metadata: ModelMetadata
    """With the digest of `data`."""

    data: bytes
    """Content of the model file."""


def over_rules(
    rows: Numbers,
    digging: NDArray[np.bool_],
    *,
    model_id: str = NAME,
    weight: float = HALF,
) -> CauseModel:
    """
    Fit the model.

    Parameters
    ----------
    rows : ndarray of float64, shape (object, feature)
        Features.
    digging : ndarray of bool, shape (object,)
        What is digging.
    model_id : str, default "cause"
        What it is called.
    weight : float, default 0.5
        Share of its log odds by which it moves those of the rules.

    Returns
    -------
    CauseModel
        One that moves the rules.
    """
    causes = np.where(digging, Cause.DIGGING.value, Cause.UNKNOWN.value)
    return replace(fitted(rows, causes, model_id=model_id), weight=weight)


def train(places: Places, *, number: str = NUMBER) -> TrainedOverRules:
    """
    Measure the model in folds, then fit it on everything but what the demo shows.

    Parameters
    ----------
    places : Places
        Where the data is.
    number : str, default "2"
        Version of the model.

    Returns
    -------
    TrainedOverRules
        The model and its measures.

    Raises
    ------
    SourceError
        As `rsmonitor.lab.cause_material.gather`.
    """
    import skops.io  # noqa: PLC0415 - heavy, only training needs it

    material = gather(places)
    own = _trains(material)
    model = over_rules(
        material.rows[own],
        material.causes[own] == Cause.DIGGING.value,
        model_id=f"{NAME}-{number}",
    )
    data = canonical(skops.io.dumps(model.estimator))
    metadata = ModelMetadata(
        name=NAME,
        version=number,
        task="says whether a disturbance is digging, and moves what the rules say of "
        "it",
        positive=Cause.DIGGING.value,
        sha256=hashlib.sha256(data).hexdigest(),
        software={
            "python": platform.python_version(),
            **{
                name: version(name)
                for name in ("numpy", "scipy", "scikit-learn", "skops")
            },
        },
        feature_order=FEATURES,
        data=tuple(each for each in material.data if _is_trained(each, material, own)),
        folds=f"{FOLDS} folds of whole places, cut anew {REPEATS} times; a place is a "
        f"chain of objects within {NEIGHBOUR_KM:g} km of each other; the demo's place "
        "is judged and trains nothing",
        metrics={
            "seen": {
                "medians": model.medians.tolist(),
                "centres": model.centres.tolist(),
                "precision": model.precision.tolist(),
                "threshold": model.threshold,
            },
            WEIGHT: model.weight,
            **measures(material),
        },
        threshold=0.5,
        retrain=f"python -m rsmonitor.lab.cause_over_rules --data DATA --out "
        f"models/{NAME}/{number}",
        limits=LIMITS,
    )
    return TrainedOverRules(model=model, metadata=metadata, data=data)


def measures(material: Material) -> dict[str, Any]:
    """
    Measure in folds beside the rules, and with countries left out.

    Parameters
    ----------
    material : Material
        Objects, those of the demo too.

    Returns
    -------
    dict
        JSON values.
    """
    ruled = _ruled(material)
    rules = by_rule(material)
    chosen = tasks(material)
    cuts = _cuts(material, ruled, HALF)
    digging = cuts[:, :, 0]
    return {
        "objects": {
            name: {**row, "trained": row["trained"] and not name.startswith(SHOWN)}
            for name, row in counts_of(material).items()
        },
        "digging_against_others": {
            name: beside_rules(material, digging, rules, some)
            for name, some in chosen.items()
        },
        "brier": {
            name: _brier(material, digging, rules, some)
            for name, some in chosen.items()
        },
        "called_digging": _called(material, cuts, ruled),
        "other_weights": {
            f"{weight:g}": {
                name: {key: row[key] for key in ("auc", "auc_rules", "gain_interval")}
                for name, some in chosen.items()
                for row in [beside_rules(material, other, rules, some)]
            }
            for weight in OTHER_WEIGHTS
            for other in [_cuts(material, ruled, weight)[:, :, 0]]
        },
        "countries_left_out": _countries(material, ruled, rules),
    }


def write(trained: TrainedOverRules, folder: Path) -> list[Path]:
    """
    Write a model with its metadata and card.

    Parameters
    ----------
    trained : TrainedOverRules
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


def _trains(material: Material) -> NDArray[np.bool_]:
    """Say what trains: causes with enough objects, and nothing that the demo shows."""
    return np.asarray(material.trains() & (sources_of(material) != SHOWN))


def _is_trained(data: TrainingData, material: Material, own: NDArray[np.bool_]) -> bool:
    """Say whether any object of a file trains."""
    names = set(sources_of(material)[own].tolist())
    return data.name.split("/")[0] in names


def _ruled(material: Material) -> list[Mapping[Cause, float]]:
    """Ask the rules about every object."""
    return [classify(each.disturbance).causes for each in material.objects]


def _cuts(
    material: Material, ruled: Sequence[Mapping[Cause, float]], weight: float
) -> Numbers:
    """Ask models that saw no neighbour, shape (cut, object, digging and named so)."""
    found = np.zeros((REPEATS, len(ruled), 2))
    own = _trains(material)
    for seed in range(REPEATS):
        for trains, judged in folds_of(material, seed):
            some = trains[own[trains]]
            found[seed, judged] = _asked(material, ruled, some, judged, weight)
    return found


def _asked(
    material: Material,
    ruled: Sequence[Mapping[Cause, float]],
    trains: NDArray[np.int64],
    judged: NDArray[np.int64],
    weight: float,
) -> Numbers:
    """Train on some, ask about others: probability of digging, and if it is named."""
    digging = material.causes == Cause.DIGGING.value
    model = over_rules(material.rows[trains], digging[trains], weight=weight)
    found = np.zeros((judged.size, 2))
    for place, number in enumerate(judged.tolist()):
        causes = list(ruled[number])
        told = moved(ruled[number], model, material.rows[[number]])[0]
        if Cause.DIGGING in causes:
            at = causes.index(Cause.DIGGING)
            found[place] = told[at], float(told.argmax() == at)
    return found


def _brier(
    material: Material, digging: Numbers, rules: Numbers, chosen: NDArray[np.bool_]
) -> dict[str, Any]:
    """Compare Brier scores, both sides counted alike."""
    truth = (material.causes == Cause.DIGGING.value)[chosen]
    own = ((digging[:, chosen] - truth) ** 2).mean(axis=0)
    other = (rules[chosen] - truth) ** 2

    def alike(values: Numbers, at: NDArray[np.int64]) -> float | None:
        sides = [values[at][truth[at] == side] for side in (True, False)]
        if not all(side.size for side in sides):
            return None
        return float(np.mean([side.mean() for side in sides]))

    everything = np.arange(truth.size)
    return {
        "model": short(alike(own, everything)),
        "rules": short(alike(other, everything)),
        "gain": short(alike(other - own, everything)),
        "gain_interval": interval_of(
            lambda at: alike(other - own, at), material.place[chosen]
        ),
    }


def _called(
    material: Material, cuts: Numbers, ruled: Sequence[Mapping[Cause, float]]
) -> dict[str, Any]:
    """Say how often groups of objects are named digging, by model and rules."""
    mining = material.causes == Cause.DIGGING.value
    forest = material.rows[:, FEATURES.index("ndvi_before")] > FOREST_NDVI
    pixels = np.array([each.disturbance.pixels for each in material.objects])
    source = sources_of(material)
    by_rules = np.array(
        [max(one, key=lambda c: one[c]) is Cause.DIGGING for one in ruled]
    )
    groups = {
        "mining in forest, below 1 ha": mining & forest & (pixels < HECTARE),
        "mining in forest, 1 ha and more": mining & forest & (pixels >= HECTARE),
        "mining elsewhere": mining & ~forest,
        "other change in forest": ~mining & forest & (source == "s2_mining_pairs"),
        "other change elsewhere": ~mining & ~forest & (source == "s2_mining_pairs"),
        "fellings of the demo": source == SHOWN,
        "clearings of Rondonia": source == "s2_deforest_ts",
    }
    return {
        name: {
            "objects": int(some.sum()),
            "model": short(cuts[:, some, 1].mean()),
            "rules": short(by_rules[some].mean()),
        }
        for name, some in groups.items()
        if some.any()
    }


def _countries(
    material: Material, ruled: Sequence[Mapping[Cause, float]], rules: Numbers
) -> dict[str, Any]:
    """Leave out one country after another, and its neighbours."""
    from rsmonitor.lab.pair_judging import auc  # noqa: PLC0415 - beside its only use

    lon, lat = np.array([each.place for each in material.objects]).T
    names = countries_of(lon, lat)
    if names is None:
        return {}
    truth = material.causes == Cause.DIGGING.value
    found = {}
    for name in sorted(set(names.tolist()) - {""}):
        judged = np.flatnonzero(names == name)
        if min(truth[judged].sum(), (~truth[judged]).sum()) < FOLDS:
            continue
        trains = np.flatnonzero(
            _trains(material) & ~np.isin(material.place, material.place[judged])
        )
        own = _asked(material, ruled, trains, judged, HALF)[:, 0]
        found[str(name)] = {
            "objects": int(judged.size),
            "mining": int(truth[judged].sum()),
            "auc": short(auc(truth[judged], own)),
            "auc_rules": short(auc(truth[judged], rules[judged])),
        }
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Train from the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: those of the process.

    Returns
    -------
    int
        0.

    Raises
    ------
    SourceError
        If the data does not suffice.
    """
    import argparse  # noqa: PLC0415 - only here

    parser = argparse.ArgumentParser(
        description="Train the model that moves the rules."
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the data")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model")
    given = parser.parse_args(arguments)
    number = given.out.name if given.out.name.isdecimal() else NUMBER
    for path in write(train(Places(data=given.data), number=number), given.out):
        print(path)  # noqa: T201 - a command's answer
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
