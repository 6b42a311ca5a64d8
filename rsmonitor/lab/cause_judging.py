"""How good the model `cause` is on places that it has not seen, beside the rules."""

import itertools
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.lab.cause_material import (
    FEATURES,
    Material,
    by_rule,
    fitted,
    folds_of,
)
from rsmonitor.lab.pair_folds import countries_of
from rsmonitor.lab.pair_judging import auc, ece
from rsmonitor.records.disturbance import Cause

DRAWS: Final = 500
"""Times that places are drawn again for an interval."""
SIZES: Final = (4, 20, 100, 10_000)
"""Pixels at which classes of size begin; the last ends them."""
LOOKS: Final = (1, 10, 30, 10_000)
"""Clear looks at which classes begin."""
LEAST: Final = 5
"""Objects on both sides below which an AUC is not told."""
HECTARE: Final = 100
"""Pixels of 10 m."""
FOREST_NDVI: Final = 0.6
"""NDVI before from which ground counts as forest or thicket."""
BINS: Final = 10
CODES: Final = tuple(cause.value for cause in Cause)

Numbers = NDArray[np.float64]
Chosen = NDArray[np.bool_]


def measures(material: Material, *, repeats: int) -> dict[str, Any]:
    """
    Measure in folds, and with years, countries, data sets and causes left out.

    Parameters
    ----------
    material : Material
        Objects.
    repeats : int
        Times that the folds are cut anew.

    Returns
    -------
    dict
        JSON values.
    """
    cuts = np.stack([_judged(material, seed) for seed in range(repeats)])
    digging = cuts[:, :, CODES.index("digging")]
    rules = by_rule(material)
    found: dict[str, Any] = {"objects": counts_of(material)}
    found["digging_against_others"] = {
        name: beside_rules(material, digging, rules, chosen)
        for name, chosen in tasks(material).items()
    }
    truth = material.causes == Cause.DIGGING.value
    trains = material.trains()
    found["confusion"] = _confusion(material, cuts)
    found["mining_called"] = _mining_called(material, cuts)
    found["calibration_of_digging"] = {
        "all_trained_causes": _calibration(truth, digging, trains, balanced=False),
        "causes_counted_alike": _calibration(truth, digging, trains, balanced=True),
        "pairs_2019": _calibration(
            truth, digging, tasks(material)["pairs_2019"], balanced=False
        ),
    }
    pixels = np.array([each.disturbance.pixels for each in material.objects])
    in_2019 = tasks(material)["pairs_2019"]
    found["by_pixels"] = _by_class(material, digging, rules, in_2019, pixels, SIZES)
    found["felling_by_clear_looks"] = _by_looks(material, cuts)
    found["countries_left_out"] = _countries(material)
    found["years"] = _years(material)
    found["sources_left_out"] = _left_sources(material)
    found["causes_never_seen"] = _left_causes(material)
    return found


def tasks(material: Material) -> dict[str, Chosen]:
    """
    Choose the objects on which model and rules are compared.

    Parameters
    ----------
    material : Material
        Objects.

    Returns
    -------
    dict of str to ndarray of bool
        Which objects, by name.
    """
    source = sources_of(material)
    year = np.array([each.year for each in material.objects])
    within = source == "s2_mining_pairs"
    in_2019 = within & (year == 2019)  # noqa: PLR2004 - the one window with both labels
    felled = material.causes == Cause.CLEAR_CUT.value
    forest = material.rows[:, FEATURES.index("ndvi_before")] > FOREST_NDVI
    pixels = np.array([each.disturbance.pixels for each in material.objects])
    return {
        "pairs_2019": in_2019,
        "pairs_2019_below_1_ha": in_2019 & (pixels < HECTARE),
        "pairs_2019_from_1_ha": in_2019 & (pixels >= HECTARE),
        "pairs_2019_where_forest_was": in_2019 & forest,
        "pairs_2019_and_fellings": in_2019 | felled,
        "pairs_of_all_years": within,
    }


def _judged(material: Material, seed: int) -> Numbers:
    """Give probabilities by models that saw no neighbour, shape (object, cause)."""
    found = np.zeros((len(material.objects), len(CODES)))
    for trains, judged in folds_of(material, seed):
        found[judged] = _asked(material, trains, judged)
    return found


def _asked(material: Material, trains: NDArray[Any], judged: NDArray[Any]) -> Numbers:
    """Train on some, judge others."""
    model = fitted(material.rows[trains], material.causes[trains])
    found = np.zeros((len(material.rows[judged]), len(CODES)))
    places = [CODES.index(cause.value) for cause in model.causes]
    found[:, places] = model.probabilities(material.rows[judged])
    return found


def beside_rules(
    material: Material, digging: Numbers, rules: Numbers, chosen: Chosen
) -> dict[str, Any]:
    """
    Compare the order in which model and rules put objects.

    Parameters
    ----------
    material : Material
        Objects.
    digging : ndarray of float64, shape (cut, object)
        Probability of digging by models that saw no neighbour.
    rules : ndarray of float64, shape (object,)
        The same by the rules.
    chosen : ndarray of bool, shape (object,)
        Which objects.

    Returns
    -------
    dict
        AUC of both and the gain, each with its 95 % interval over places.
    """
    truth = (material.causes == Cause.DIGGING.value)[chosen]
    own, other = digging[:, chosen], rules[chosen]
    each = [auc(truth, scores) or 0.0 for scores in own]
    middle = own[int(np.argsort(each)[len(each) // 2])]
    place = material.place[chosen]

    def interval(of: Callable[[NDArray[Any]], float | None]) -> list[float]:
        return interval_of(of, place)

    def gain(at: NDArray[Any]) -> float | None:
        mine, theirs = auc(truth[at], middle[at]), auc(truth[at], other[at])
        return None if mine is None or theirs is None else mine - theirs

    return {
        "objects": int(chosen.sum()),
        "mining": int(truth.sum()),
        "places": len(set(place.tolist())),
        "auc": short(float(np.mean(each))),
        "auc_of_cuts": [short(value) for value in each],
        "auc_interval": interval(lambda at: auc(truth[at], middle[at])),
        "auc_rules": short(auc(truth, other)),
        "auc_rules_interval": interval(lambda at: auc(truth[at], other[at])),
        "gain": short(gain(np.arange(truth.size))),
        "gain_interval": interval(gain),
    }


def interval_of(
    of: Callable[[NDArray[Any]], float | None], place: NDArray[np.int64]
) -> list[float]:
    """
    Draw places again; give the 95 % interval.

    Parameters
    ----------
    of : callable
        Gives a number for objects by their indices, or None.
    place : ndarray of int64, shape (object,)
        Place of each.

    Returns
    -------
    list of float
        Both ends.
    """
    random = np.random.default_rng(20_261_129)
    members = [np.flatnonzero(place == each) for each in np.unique(place)]
    values = []
    for _ in range(DRAWS):
        drawn = random.integers(len(members), size=len(members))
        value = of(np.concatenate([members[n] for n in drawn]))
        if value is not None:
            values.append(value)
    low, high = np.percentile(values, (2.5, 97.5))
    return [short(low), short(high)]


def counts_of(material: Material) -> dict[str, dict[str, Any]]:
    """
    Count objects by data set and label.

    Parameters
    ----------
    material : Material
        Objects.

    Returns
    -------
    dict
        Cause, number, and whether they may train, by data set and label.
    """
    found: dict[str, dict[str, Any]] = {}
    trains = material.trains()
    for own, each in zip(trains.tolist(), material.objects, strict=True):
        key = f"{each.source}: {each.label}"
        entry = found.setdefault(
            key, {"cause": each.cause.value, "objects": 0, "trained": own}
        )
        entry["objects"] += 1
    return found


def _confusion(material: Material, cuts: Numbers) -> dict[str, dict[str, float]]:
    """Say what each label was called, as shares of its objects."""
    called = cuts.argmax(axis=2)
    found = {}
    for label, chosen in _labels(material).items():
        shares = np.bincount(called[:, chosen].ravel(), minlength=len(CODES))
        total = shares.sum()
        found[label] = {
            CODES[n]: short(share / total) for n, share in enumerate(shares) if share
        }
    return found


def _mining_called(material: Material, cuts: Numbers) -> dict[str, Any]:
    """Say what mining was called where forest stood, by size: what would be missed."""
    mining = material.causes == Cause.DIGGING.value
    forest = material.rows[:, FEATURES.index("ndvi_before")] > FOREST_NDVI
    pixels = np.array([each.disturbance.pixels for each in material.objects])
    return {
        name: {
            "objects": int(chosen.sum()),
            "called": _called(cuts[:, chosen].reshape(-1, len(CODES))),
        }
        for name, chosen in (
            ("where forest was, below 1 ha", mining & forest & (pixels < HECTARE)),
            ("where forest was, 1 ha and more", mining & forest & (pixels >= HECTARE)),
            ("elsewhere", mining & ~forest),
        )
    }


def _calibration(
    truth: Chosen, digging: Numbers, chosen: Chosen, *, balanced: bool
) -> dict[str, Any]:
    """Hold probabilities against frequencies."""
    told = digging[:, chosen].mean(axis=0)
    is_digging = truth[chosen]
    weight = np.ones(told.size)
    if balanced:
        # two parts of three are not mining where three causes count alike
        weight[is_digging] = 1 / is_digging.sum()
        weight[~is_digging] = 2 / (~is_digging).sum()
    weight /= weight.sum()
    bins = np.minimum((told * BINS).astype(np.int64), BINS - 1)
    mass = np.bincount(bins, weight, minlength=BINS)
    mean = np.bincount(bins, weight * told, minlength=BINS)
    share = np.bincount(bins, weight * is_digging, minlength=BINS)
    known = mass > 0
    return {
        "brier": short(float((weight * (told - is_digging) ** 2).sum())),
        "ece": short(float(np.abs(mean - share).sum()))
        if balanced
        else short(ece(is_digging, told)),
        "reliability": [
            {
                "told": short(m / w),
                "mining": short(s / w),
                "objects": int((bins == n).sum()),
            }
            for n, (m, s, w) in enumerate(zip(mean, share, mass, strict=True))
            if known[n]
        ],
    }


def _by_class(
    material: Material,
    digging: Numbers,
    rules: Numbers,
    among: Chosen,
    values: NDArray[np.int64],
    bounds: tuple[int, ...],
) -> list[dict[str, Any]]:
    """Give the AUC by classes of a number."""
    truth = material.causes == Cause.DIGGING.value
    mean = digging.mean(axis=0)
    found = []
    for low, high in itertools.pairwise(bounds):
        chosen = among & (values >= low) & (values < high)
        found.append(
            {
                "from": low,
                "below": high,
                "objects": int(chosen.sum()),
                "mining": int(truth[chosen].sum()),
                "auc": _auc(truth[chosen], mean[chosen]),
                "auc_rules": _auc(truth[chosen], rules[chosen]),
            }
        )
    return found


def _by_looks(material: Material, cuts: Numbers) -> list[dict[str, Any]]:
    """Say how often fellings of a series are called so, by their clear looks."""
    looks = np.array(
        [each.disturbance.features["looks_since"] for each in material.objects]
    )
    felled = material.causes == Cause.CLEAR_CUT.value
    named = cuts.argmax(axis=2) == CODES.index("clear_cut")
    return [
        {
            "from": low,
            "below": high,
            "objects": int(chosen.sum()),
            "called_felling": short(named[:, chosen].mean()) if chosen.any() else None,
        }
        for low, high in itertools.pairwise(LOOKS)
        for chosen in [felled & (looks >= low) & (looks < high)]
    ]


def _countries(material: Material) -> dict[str, Any]:
    """Leave out one country after another, and its neighbours."""
    lon, lat = np.array([each.place for each in material.objects]).T
    names = countries_of(lon, lat)
    if names is None:
        return {}
    truth = material.causes == Cause.DIGGING.value
    found = {}
    for name in sorted(set(names.tolist()) - {""}):
        judged = names == name
        trains = material.trains() & ~np.isin(material.place, material.place[judged])
        if len(set(material.causes[trains].tolist())) < 2:  # noqa: PLR2004
            continue
        own = _asked(material, np.flatnonzero(trains), np.flatnonzero(judged))
        found[str(name)] = {
            "objects": int(judged.sum()),
            "mining": int(truth[judged].sum()),
            "auc": _auc(truth[judged], own[:, CODES.index("digging")]),
            "called": _called(own),
        }
    return found


def _years(material: Material) -> dict[str, Any]:
    """Train on the window of 2019 alone and judge that of 2018, elsewhere."""
    year = np.array([each.year for each in material.objects])
    within = sources_of(material) == "s2_mining_pairs"
    judged = within & (year == 2018)  # noqa: PLR2004 - the first window
    trains = material.trains() & ~judged
    trains &= ~np.isin(material.place, material.place[judged])
    known = set(material.causes[trains].tolist())
    if not judged.any() or len(known) < 2:  # noqa: PLR2004
        return {}
    own = _asked(material, np.flatnonzero(trains), np.flatnonzero(judged))
    return {
        "2018_judged_by_others": {
            "objects": int(judged.sum()),
            "mining": int((material.causes[judged] == Cause.DIGGING.value).sum()),
            "trained_on": int(trains.sum()),
            "called": _called(own),
        }
    }


def _left_sources(material: Material) -> dict[str, Any]:
    """Leave out one data set after another."""
    source = sources_of(material)
    found = {}
    for name in sorted(set(source.tolist())):
        judged = source == name
        trains = material.trains() & ~judged
        if len(set(material.causes[trains].tolist())) < 2:  # noqa: PLR2004
            continue
        own = _asked(material, np.flatnonzero(trains), np.flatnonzero(judged))
        found[name] = {"objects": int(judged.sum()), "called": _called(own)}
    return found


def _left_causes(material: Material) -> dict[str, Any]:
    """Leave out one cause after another, and say whether that is noticed."""
    found = {}
    for cause in sorted(set(material.causes.tolist())):
        judged = material.causes == cause
        trains = material.trains() & ~judged
        model = fitted(material.rows[trains], material.causes[trains])
        far = model.distance(material.rows[judged])
        own = _asked(material, np.flatnonzero(trains), np.flatnonzero(judged))
        found[cause] = {
            "objects": int(judged.sum()),
            "unlike_anything_seen": short(float((far > 1).mean())),
            "called": _called(own),
        }
    return found


def _called(probabilities: Numbers) -> dict[str, float]:
    """Give the shares of what objects were called."""
    shares = np.bincount(probabilities.argmax(axis=1), minlength=len(CODES))
    return {
        CODES[n]: short(share / shares.sum()) for n, share in enumerate(shares) if share
    }


def _labels(material: Material) -> dict[str, Chosen]:
    """Give the objects of each label."""
    names = np.array([f"{each.source}: {each.label}" for each in material.objects])
    return {str(name): names == name for name in np.unique(names)}


def sources_of(material: Material) -> NDArray[np.str_]:
    """
    Name the data set of each object.

    Parameters
    ----------
    material : Material
        Objects.

    Returns
    -------
    ndarray of str, shape (object,)
        Names.
    """
    return np.array([each.source for each in material.objects])


def _auc(truth: Chosen, score: Numbers) -> float | None:
    """Give the AUC where both sides have some objects."""
    if min(truth.sum(), (~truth).sum()) < LEAST:
        return None
    return short(auc(truth, score))


def short(value: Any) -> float:  # noqa: ANN401 - a number, or None where there is none
    """
    Keep three decimals.

    Parameters
    ----------
    value : Any
        A number.

    Returns
    -------
    float
        Rounded.
    """
    return round(float(value), 3)
