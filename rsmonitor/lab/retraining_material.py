"""A bureau's own labels as the model `cause` takes them, and folds by their places."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.lab.cause_material import FEATURES, Material
from rsmonitor.lab.pair_folds import distances_km
from rsmonitor.records.disturbance import Disturbance
from rsmonitor.records.event import canonical_json
from rsmonitor.records.model import TrainingData
from rsmonitor.wiring.learning import Labelled, Labels

LEAST_LABELS: Final = 30
"""Labelled objects below which nothing is trained."""

LEAST_OF_CAUSE: Final = 8
"""Objects of a cause below which it is not trained."""

LEAST_CAUSES: Final = 2
"""Causes that need so many."""

FOLDS: Final = 5

APART_KM: Final = (20.0, 10.0, 5.0, 2.0, 1.0, 0.5)
"""How far places may lie apart at least: the first that leaves enough of them is
taken. Nearer objects are of one hillside, and judge each other too kindly."""

LARGEST_PLACE: Final = 0.5
"""Share of the objects that one place may hold."""

OWN_DATA: Final = "own-labels"
"""Name of a bureau's own labels among the data of a model."""

Split = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OwnMaterial:
    """Labelled objects of a bureau, and others that may train beside them."""

    disturbances: tuple[Disturbance, ...]
    """Own objects whose features are all measured."""

    rows: NDArray[np.float64]
    """Features of own objects, shape (object, feature)."""

    causes: NDArray[np.str_]
    """Code of the cause of each."""

    fingerprints: tuple[str, ...]
    """What names each in a model without saying where it is."""

    place: NDArray[np.int64]
    """Place of each."""

    apart_km: float | None
    """Kilometres between places, at least; None where no distance leaves enough."""

    left_out: Mapping[str, int]
    """Why judged sites or polygons are not among them, and how many."""

    data: tuple[TrainingData, ...]
    """The own labels, and the others'."""

    others: Material | None = None
    """Material of the shipped model; trains, and is never judged."""

    others_place: NDArray[np.int64] | None = None
    """Place of each of `others`."""

    @property
    def trains(self) -> NDArray[np.bool_]:
        """Which own objects may train: those of causes with enough of them."""
        names, counts = np.unique(self.causes, return_counts=True)
        enough = set(names[counts >= LEAST_OF_CAUSE].tolist())
        if self.others is not None:
            enough |= set(self.others.causes[self.others.trains()].tolist())
        return np.isin(self.causes, sorted(enough))

    @property
    def places(self) -> int:
        """How many places own objects lie in."""
        return len(set(self.place.tolist()))


def own_material(
    labels: Labels, *, district: str, others: Material | None = None
) -> OwnMaterial:
    """
    Bring labels into the form that a model takes.

    Parameters
    ----------
    labels : Labels
        From `rsmonitor.wiring.learning.labels_of`.
    district : str
        Whose labels they are, for the card.
    others : Material, optional
        Material of the shipped model.

    Returns
    -------
    OwnMaterial
        The same for the same labels.
    """
    left = Counter(dict(labels.left_out))
    whole: list[Labelled] = []
    rows: list[list[float]] = []
    for each in sorted(labels.labelled, key=lambda one: one.site.site_id):
        seen = each.site.latest.disturbance
        row = [seen.features.get(name, np.nan) for name in FEATURES]
        if np.isfinite(row).all():
            whole.append(each)
            rows.append(row)
        else:
            left["a feature was not measured"] += 1
    disturbances = tuple(each.site.latest.disturbance for each in whole)
    causes = np.array([each.cause.value for each in whole], dtype=np.str_)
    apart_km, place, others_place = _places(disturbances, others)
    return OwnMaterial(
        disturbances=disturbances,
        rows=np.array(rows, dtype=np.float64).reshape(len(rows), len(FEATURES)),
        causes=causes,
        fingerprints=tuple(fingerprint(each.site.site_id) for each in whole),
        place=place,
        apart_km=apart_km,
        left_out=dict(sorted(left.items())),
        data=(
            _described(whole, rows, district),
            *(() if others is None else others.data),
        ),
        others=others,
        others_place=others_place,
    )


def fingerprint(site_id: str) -> str:
    """
    Name a site in a model without saying where it is.

    Parameters
    ----------
    site_id : str
        `Site.site_id`.

    Returns
    -------
    str
        SHA-256, hexadecimal.
    """
    return hashlib.sha256(f"site {site_id}".encode()).hexdigest()


def shortage(material: OwnMaterial) -> str | None:
    """
    Say what is missing for a model to be trained and judged.

    Parameters
    ----------
    material : OwnMaterial
        Labels.

    Returns
    -------
    str or None
        One sentence; None where there is enough.
    """
    n = len(material.causes)
    counts = Counter(material.causes.tolist())
    if n < LEAST_LABELS:
        return f"not enough: {n} of {LEAST_LABELS} labelled objects"
    enough = [cause for cause, count in counts.items() if count >= LEAST_OF_CAUSE]
    if len(enough) < LEAST_CAUSES:
        told = ", ".join(f"{cause} {count}" for cause, count in sorted(counts.items()))
        return (
            f"not enough: {len(enough)} of {LEAST_CAUSES} causes have {LEAST_OF_CAUSE} "
            f"labelled objects ({told})"
        )
    if material.apart_km is None:
        return (
            f"not enough: the {n} labelled objects do not lie in {FOLDS} places that "
            f"are {APART_KM[-1]:g} km apart, so none can be held out; judge alerts "
            "elsewhere too"
        )
    same = [
        name
        for name, values in zip(FEATURES, material.rows.T, strict=True)
        if not np.ptp(values) > 0
    ]
    if same:
        return f"not enough: all {n} labelled objects have the same {', '.join(same)}"
    return None


def folds_of(material: OwnMaterial, seed: int) -> list[Split]:
    """
    Cut own objects into folds by whole places.

    Parameters
    ----------
    material : OwnMaterial
        Labels, enough of them.
    seed : int
        Which cut.

    Returns
    -------
    list of tuple
        Who trains and who is judged; every object is judged once.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415 - heavy

    trains = material.trains
    # what does not train is judged too, in whatever fold
    of = np.where(trains, material.causes, material.causes[trains][0])
    cut = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    return [
        (np.asarray(train[trains[train]]), np.asarray(judged))
        for train, judged in cut.split(material.rows, of, material.place)
    ]


def training_rows(
    material: OwnMaterial, own: NDArray[np.int64], judged: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    """
    Give what trains beside own objects: others that lie in no judged place.

    Parameters
    ----------
    material : OwnMaterial
        Labels.
    own : ndarray of int
        Own objects that train.
    judged : ndarray of int
        Own objects that are held out; may be empty.

    Returns
    -------
    rows : ndarray of float64, shape (object, feature)
        Features.
    causes : ndarray of str, shape (object,)
        Codes.
    """
    rows, causes = material.rows[own], material.causes[own]
    if material.others is None or material.others_place is None:
        return rows, causes
    held = np.isin(material.others_place, material.place[judged])
    beside = material.others.trains() & ~held
    return (
        np.concatenate([rows, material.others.rows[beside]]),
        np.concatenate([causes, material.others.causes[beside]]),
    )


def _places(
    disturbances: Sequence[Disturbance], others: Material | None
) -> tuple[float | None, NDArray[np.int64], NDArray[np.int64] | None]:
    """Give a number to each place, as far apart as leaves enough of them."""
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415 - heavy

    n = len(disturbances)
    points = [(p.x, p.y) for p in (each.geometry.centroid for each in disturbances)]
    if others is not None:
        points += [each.place for each in others.objects]
    if not n:
        empty = np.zeros(0, dtype=np.int64)
        return None, empty, None if others is None else empty
    lon, lat = np.array(points, dtype=np.float64).T
    away = distances_km(lon, lat)
    number: NDArray[Any] = np.zeros(len(points), dtype=np.int64)
    chosen = None
    for apart_km in APART_KM:
        _, number = connected_components(away <= apart_km, directed=False)
        _, counts = np.unique(number[:n], return_counts=True)
        if len(counts) >= FOLDS and counts.max() <= LARGEST_PLACE * n:
            chosen = apart_km
            break
    place = np.asarray(number, dtype=np.int64)
    return chosen, place[:n], None if others is None else place[n:]


def _described(
    whole: Sequence[Labelled], rows: Sequence[Sequence[float]], district: str
) -> TrainingData:
    """Describe own labels as data that a model rests on."""
    body = [
        [each.site.site_id, each.cause.value, each.origin, list(row)]
        for each, row in zip(whole, rows, strict=True)
    ]
    return TrainingData(
        name=OWN_DATA,
        sha256=hashlib.sha256(canonical_json({"labels": body}).encode()).hexdigest(),
        samples=len(whole),
        positives=sum(each.cause.value == "digging" for each in whole),
        source=f"verdicts of the ledger of {district}, and polygons given with them",
        licence="the bureau's own; not to be passed on unless it says so",
        licensed=False,
    )
