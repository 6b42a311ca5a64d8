"""Train the model `cause`, and measure it where none of its neighbours trained.

Everything that is fitted, the scaling and the bounds of what was seen too, is fitted
without the fold that is judged. The rules are asked about the same objects.
"""

import hashlib
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from rsmonitor.io.stores.models import (
    canonical,
    write_model,
)
from rsmonitor.lab.cause_card import card
from rsmonitor.lab.cause_judging import measures
from rsmonitor.lab.cause_material import FEATURES, FOLDS, Material, fitted, gather
from rsmonitor.lab.datasets import Places
from rsmonitor.lab.pair_folds import NEIGHBOUR_KM
from rsmonitor.records.disturbance import Cause
from rsmonitor.records.model import ModelMetadata
from rsmonitor.stages.classify import CauseModel
from rsmonitor.wiring.causes import NAME

REPEATS: Final = 5
"""Times that the folds are cut anew."""

LIMITS: Final = tuple(
    """\
Ionic rare-earth mines: not measured, for want of any object. Claim nothing of them.
Mining is gold mining in the Amazon basin; labels are of whole images and noisy.
All pairs whose first image is of 2018 are mining: trust the measures of 2019.
Where forest stood before, it was not shown to be better than the rules.
Below 1 ha it was not shown to be better than the rules.
Felling was seen at two places only (Romania, Rondonia), both in dense moist forest: \
much of what it calls felling it calls so for what stood there before.
A cause that it was not trained on is mostly taken for one that it was: the only fire \
was called digging, and what is unlike anything seen is rarely noticed.
Probabilities hold where each trained cause is as frequent; elsewhere their order does.
Not trained, for want of real examples: fire, landslide, road, construction, orchard, \
ponds, quarry, solar, farmland, remediation, in-situ leaching.""".splitlines()
)
"""What must not be asked of the model, one sentence each; a test holds them against
what was measured."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trained:
    """A model and all that was measured of it."""

    model: CauseModel
    """Fitted on everything."""

    metadata: ModelMetadata
    """With the digest of `data`."""

    data: bytes
    """Content of the model file."""

    material: Material
    """What it was trained on."""


def train(
    places: Places, *, sources: Sequence[str] | None = None, number: str = "1"
) -> Trained:
    """
    Measure the model in folds, then fit it on everything.

    Parameters
    ----------
    places : Places
        Where the data is.
    sources : sequence of str, optional
        Data sets to take; default: all.
    number : str, default "1"
        Version of the model.

    Returns
    -------
    Trained
        The model and its measures.

    Raises
    ------
    SourceError
        As `gather`.
    """
    material = gather(places, sources)
    own = material.trains()
    model = fitted(
        material.rows[own], material.causes[own], model_id=f"{NAME}-{number}"
    )
    data = _written(model.estimator)
    named = "" if sources is None else f" --sources {' '.join(sources)}"
    metadata = ModelMetadata(
        name=NAME,
        version=number,
        task="names the cause of a disturbance: "
        + ", ".join(cause.value for cause in model.causes),
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
        data=material.data,
        folds=f"{FOLDS} folds of whole places, cut anew {REPEATS} times; a place is a "
        f"chain of objects within {NEIGHBOUR_KM:g} km of each other; Romania is one "
        "place, Rondonia's tile is one place",
        metrics={
            "seen": {
                "medians": model.medians.tolist(),
                "centres": model.centres.tolist(),
                "precision": model.precision.tolist(),
                "threshold": model.threshold,
            },
            **measures(material, repeats=REPEATS),
        },
        threshold=0.5,
        retrain=f"python -m rsmonitor.lab.cause_training --data DATA{named} "
        f"--out models/{NAME}/{number}",
        limits=LIMITS,
    )
    return Trained(model=model, metadata=metadata, data=data, material=material)


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


def _written(estimator: Any) -> bytes:  # noqa: ANN401 - scikit-learn has no types
    """Write the model the same way every time."""
    import skops.io  # noqa: PLC0415 - heavy, only training needs it

    return canonical(skops.io.dumps(estimator))


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

    from rsmonitor.lab.cause_figures import draw  # noqa: PLC0415 - matplotlib

    parser = argparse.ArgumentParser(description="Train the model that names causes.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data")
    parser.add_argument("--sources", nargs="+", help="data sets to take; default: all")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model")
    parser.add_argument("--figure", type=Path, help="PNG of what was measured")
    given = parser.parse_args(arguments)
    number = given.out.name if given.out.name.isdecimal() else "1"
    trained = train(Places(data=given.data), sources=given.sources, number=number)
    for path in write(trained, given.out):
        print(path)  # noqa: T201 - a command's answer
    if given.figure is not None:
        draw(trained.metadata, given.figure)
        print(given.figure)  # noqa: T201
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
