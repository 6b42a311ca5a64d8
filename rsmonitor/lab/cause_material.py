"""Labelled objects as the model `cause` takes them, the model, and folds by place."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import SourceError
from rsmonitor.lab.cause_objects import SOURCES, Labelled
from rsmonitor.lab.datasets import Places
from rsmonitor.lab.pair_folds import places_of
from rsmonitor.records.disturbance import Cause
from rsmonitor.records.model import TrainingData
from rsmonitor.stages.classify import CauseModel, classify

FEATURES: Final = (
    "ndvi_before",
    "ndvi_change",
    "ndmi_before",
    "ndmi_change",
    "dred_before",
    "dred_change",
)
"""What the model takes: what every data set gives alike. Texture and shape helped among
pairs and made it call fellings of an unseen country mining; size is what collectors
chose; what composites lack (time) would tell data sets apart, not causes."""

STRENGTH: Final = 0.1
"""Inverse strength of the penalty: few places, so little is believed."""

SEEN_SHARE: Final = 0.99
"""Share of the training objects that count as seen."""

FOLDS: Final = 5
LEAST_OF_CAUSE: Final = 20
"""Objects below which a cause is not trained: it stays what the model has not seen."""

KNOWN: Final[Mapping[str, tuple[str, str, bool, tuple[str, ...]]]] = {
    "s2_mining_pairs": (
        "github.com/joelibaceta/sat-mining-detector at 7db9892, repacked",
        "none stated",
        False,
        ("s2_mining_pairs", "pairs_train_val.nc"),
    ),
    "nrt_romania": (
        "PyPI nrt 0.2.1; openings from the project's reference map of the demo",
        "EUPL-1.2",
        True,
        (),
    ),
    "s2_deforest_ts": (
        "github.com/albhasan/deforestation-sentinel2 at 2699a23, data/validation",
        "MIT",
        True,
        ("s2_deforest_ts", "timeseries.csv.gz"),
    ),
    "pixel_series_china": (
        "github.com/Remote-Sensing-of-Land-Resource-Lab/pyxccd at e91af13",
        "Apache-2.0",
        True,
        ("pixel_series_china", "1_hls_sc.csv"),
    ),
}
"""Source, licence, whether it lets everybody pass on, and file of each data set."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Material:
    """Labelled objects as a model takes them."""

    objects: tuple[Labelled, ...]
    """Those whose features are all measured."""

    rows: NDArray[np.float64]
    """Features, shape (object, feature)."""

    causes: NDArray[np.str_]
    """Code of the cause of each."""

    place: NDArray[np.int64]
    """Place of each: objects of a chain of neighbours share one."""

    data: tuple[TrainingData, ...]
    """What they are from."""

    def trains(self) -> NDArray[np.bool_]:
        """
        Say which objects may train: those of causes with enough examples.

        Returns
        -------
        ndarray of bool, shape (object,)
            True where the cause has `LEAST_OF_CAUSE` objects.
        """
        names, counts = np.unique(self.causes, return_counts=True)
        return np.isin(self.causes, names[counts >= LEAST_OF_CAUSE])


def gather(places: Places, sources: Sequence[str] | None = None) -> Material:
    """
    Read the labelled objects.

    Parameters
    ----------
    places : Places
        Where the data is.
    sources : sequence of str, optional
        Data sets to take; default: all of `rsmonitor.lab.cause_objects.SOURCES`.

    Returns
    -------
    Material
        What a model can be trained on.

    Raises
    ------
    SourceUnreachableError
        If data is missing.
    SourceError
        If a data set is not known, or fewer than two causes have enough objects.
    """
    chosen = tuple(SOURCES) if sources is None else tuple(sources)
    strange = [name for name in chosen if name not in SOURCES]
    if strange:
        raise SourceError(
            f"no data set {', '.join(strange)}; known are {', '.join(SOURCES)}"
        )
    objects, data = [], []
    for name in chosen:
        own = [each for each in SOURCES[name](places) if _is_whole(each)]
        objects += own
        source, licence, licensed, parts = KNOWN[name]
        path = places.file(*parts) if parts else places.demo_reference()
        data.append(
            TrainingData(
                name=f"{name}/{path.name}",
                sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
                samples=len(own),
                positives=sum(each.cause is Cause.DIGGING for each in own),
                source=source,
                licence=licence,
                licensed=licensed,
            )
        )
    lon, lat = np.array([each.place for each in objects], dtype=np.float64).T
    material = Material(
        objects=tuple(objects),
        rows=np.array([row_of(each) for each in objects]),
        causes=np.array([each.cause.value for each in objects]),
        place=places_of(lon, lat),
        data=tuple(data),
    )
    trained = sorted(set(material.causes[material.trains()].tolist()))
    if len(trained) < 2:  # noqa: PLR2004 - one cause is no choice
        raise SourceError(
            f"{', '.join(chosen)}: only {', '.join(trained) or 'no cause'} has "
            f"{LEAST_OF_CAUSE} objects; a model needs two causes. Without "
            "s2_mining_pairs there is no mining: give other pairs in its form, with a "
            "licence, in a folder of that name"
        )
    return material


def row_of(labelled: Labelled) -> list[float]:
    """
    Give the features of an object as the model takes them.

    Parameters
    ----------
    labelled : Labelled
        The object.

    Returns
    -------
    list of float
        In the order of `FEATURES`.
    """
    return [labelled.disturbance.features[name] for name in FEATURES]


def fitted(
    rows: NDArray[np.float64], causes: NDArray[np.str_], *, model_id: str = "cause"
) -> CauseModel:
    """
    Fit the model, and the bounds of what it has seen.

    Parameters
    ----------
    rows : ndarray of float64, shape (object, feature)
        Features.
    causes : ndarray of str, shape (object,)
        Code of each.
    model_id : str, optional
        What it is called.

    Returns
    -------
    CauseModel
        A linear model that counts every cause alike.
    """
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - heavy

    middle, scale = rows.mean(axis=0), rows.std(axis=0)
    estimator = LogisticRegression(
        C=STRENGTH, class_weight="balanced", max_iter=2000
    ).fit((rows - middle) / scale, causes)
    # one estimator that takes features as they are measured: less to load, and to check
    estimator.coef_ = estimator.coef_ / scale
    estimator.intercept_ = estimator.intercept_ - estimator.coef_ @ middle
    classes = [str(each) for each in estimator.classes_]
    centres = np.array([rows[causes == each].mean(axis=0) for each in classes])
    away = rows - centres[np.searchsorted(classes, causes)]
    precision = np.linalg.inv(away.T @ away / max(1, len(rows) - len(classes)))
    open_ended = CauseModel(
        model_id=model_id,
        estimator=estimator,
        features=FEATURES,
        medians=np.median(rows, axis=0),
        centres=centres,
        precision=precision,
        threshold=1.0,
    )
    seen = float(np.quantile(open_ended.distance(rows), SEEN_SHARE))
    return replace(open_ended, threshold=seen)


def by_rule(material: Material) -> NDArray[np.float64]:
    """
    Ask the rules for the probability of digging.

    Parameters
    ----------
    material : Material
        Objects.

    Returns
    -------
    ndarray of float64, shape (object,)
        0 to 1.
    """
    return np.array(
        [
            classify(each.disturbance).causes.get(Cause.DIGGING, 0.0)
            for each in material.objects
        ]
    )


def folds_of(material: Material, seed: int) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """
    Cut objects into folds by whole places.

    Parameters
    ----------
    material : Material
        Objects.
    seed : int
        Which cut.

    Returns
    -------
    list of tuple
        Who trains and who is judged.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415 - heavy

    cut = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    trains = material.trains()
    # what does not train is judged too, in whatever fold
    of = np.where(trains, material.causes, material.causes[trains][0])
    return [
        (train[trains[train]], judged)
        for train, judged in cut.split(material.rows, of, material.place)
    ]


def _is_whole(labelled: Labelled) -> bool:
    """Say whether every feature that the model takes was measured."""
    return bool(np.isfinite(row_of(labelled)).all())
