"""Which cause a disturbance probably has: by rule, or by a trained model.

The rules say that they are rules: their probabilities are judgement, not frequencies,
and nobody has calibrated them. At 10 m a small digging and a small felling look alike
until the soil stays bare, which is why 'unknown' keeps a large share everywhere.

A model is asked only for what it has seen. Where a disturbance is unlike everything
that it was trained on, 'unknown' wins. A model of one question, whether it is digging,
speaks through the rules: it moves their probability of digging, and where it has seen
nothing like it, the rules stand as they are. How much each measurement decided is kept
beside the features, so that an alert can be explained when the model is long gone.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import ContractError
from rsmonitor.records.disturbance import Cause, Classified, Disturbance
from rsmonitor.records.rasters import Tier
from rsmonitor.stages.features import BARE_NDVI, FEATURE_ORDER

MODEL_ID: Final = "rules-1"
"""Stands on every alert whose cause these rules named."""

GREEN_NDVI: Final = 0.5
"""Above this the ground is still mostly green, as under a felled canopy."""

DECIDES: Final = "decides:"
"""Before the name of a feature: by how much the probability of the named cause is
higher than with the median of the training data in that feature's place."""

UNLIKE: Final = "unlike"
"""Distance from everything that a model was trained on, over the farthest that passes:
above 1 the disturbance is unlike anything seen."""

KNOWN_AT_MOST: Final = 0.5
"""Share that the causes of a model keep together where a disturbance is unlike anything
seen: 'unknown' then wins."""

LEAST: Final = 1e-6
"""What a model says of digging is kept so far from 0 and 1: odds stay finite."""

DIGITS: Final = 4
"""Decimals of a model's probabilities: finer ones differ between processors."""

_BARE: Final[Mapping[Cause, float]] = {
    Cause.DIGGING: 0.40,
    Cause.CONSTRUCTION: 0.15,
    Cause.ROAD: 0.05,
    Cause.LANDSLIDE: 0.05,
    Cause.CLEAR_CUT: 0.10,
    Cause.UNKNOWN: 0.25,
}
_STILL_GREEN: Final[Mapping[Cause, float]] = {
    Cause.CLEAR_CUT: 0.40,
    Cause.ORCHARD: 0.05,
    Cause.DIGGING: 0.10,
    Cause.UNKNOWN: 0.45,
}
_BETWEEN: Final[Mapping[Cause, float]] = {
    Cause.DIGGING: 0.20,
    Cause.CLEAR_CUT: 0.25,
    Cause.LANDSLIDE: 0.05,
    Cause.FIRE: 0.05,
    Cause.UNKNOWN: 0.45,
}


class Estimator(Protocol):
    """A classifier with scikit-learn's manners; who loads it checks it."""

    classes_: Any
    """Codes of causes, in the order of the probabilities."""

    def predict_proba(self, rows: NDArray[np.float64], /) -> NDArray[np.float64]:
        """Give a probability a class, for each row of features."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CauseModel:
    """A trained model, with what it needs to know that it does not know."""

    model_id: str
    """Stands on every alert whose cause it named."""

    estimator: Estimator
    """Fitted; takes finite numbers."""

    features: tuple[str, ...]
    """Names of `rsmonitor.stages.features.FEATURES` that it takes, in order."""

    medians: NDArray[np.float64]
    """Median of each over the training data, shape (feature,)."""

    centres: NDArray[np.float64]
    """Mean of each class, shape (class, feature)."""

    precision: NDArray[np.float64]
    """Inverse covariance within classes, shape (feature, feature)."""

    threshold: float
    """Distance from the nearest centre beyond which nothing like it was seen."""

    weight: float | None = None
    """Share of its log odds of digging by which it moves those of the rules, above 0 up
    to 1; None where it names causes by itself."""

    def __post_init__(self) -> None:
        n = len(self.features)
        strange = set(self.features) - set(FEATURE_ORDER)
        if strange or not n:
            raise ContractError(
                f"model {self.model_id} takes features that are not measured: "
                f"{', '.join(sorted(strange))}"
            )
        if (
            self.medians.shape != (n,)
            or self.centres.ndim != 2  # noqa: PLR2004 - class and feature
            or self.centres.shape[1] != n
            or self.precision.shape != (n, n)
            or not 0 < self.threshold < math.inf
            # beside a NaN nothing is far away, and everything would count as seen
            or not all(
                np.isfinite(each).all()
                for each in (self.medians, self.centres, self.precision)
            )
        ):
            raise ContractError(
                f"model {self.model_id}: medians, centres and precision must be finite "
                f"and of its {n} features, and the threshold positive"
            )
        codes = {cause.value for cause in Cause}
        if not set(map(str, self.estimator.classes_)) <= codes:
            raise ContractError(
                f"model {self.model_id} names causes that are not in the table: "
                f"{sorted(map(str, self.estimator.classes_))}"
            )
        asked = {Cause.DIGGING.value, Cause.UNKNOWN.value}
        if self.weight is not None and not (
            0 < self.weight <= 1 and set(map(str, self.estimator.classes_)) == asked
        ):
            raise ContractError(
                f"model {self.model_id}: what moves the rules has a weight above 0 up "
                f"to 1 and tells {' from '.join(sorted(asked))}, got weight "
                f"{self.weight} and {sorted(map(str, self.estimator.classes_))}"
            )

    @property
    def causes(self) -> tuple[Cause, ...]:
        """The causes that it was trained on, and 'unknown', which it can always say."""
        own = [Cause(str(code)) for code in self.estimator.classes_]
        return tuple(own if Cause.UNKNOWN in own else [*own, Cause.UNKNOWN])

    def distance(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """
        Say how far rows lie from everything seen.

        Parameters
        ----------
        rows : ndarray of float64, shape (row, feature)
            Features, finite.

        Returns
        -------
        ndarray of float64, shape (row,)
            Mahalanobis distance from the nearest class, over `threshold`.
        """
        away = rows[:, None, :] - self.centres
        square = np.einsum("rcf,fg,rcg->rc", away, self.precision, away)
        nearest = np.sqrt(np.maximum(square, 0.0)).min(axis=1)
        return np.asarray(nearest / self.threshold)

    def probabilities(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """
        Give the probability of each of `causes`.

        Parameters
        ----------
        rows : ndarray of float64, shape (row, feature)
            Features, finite.

        Returns
        -------
        ndarray of float64, shape (row, cause)
            They sum to 1.
        """
        own = np.asarray(self.estimator.predict_proba(rows), dtype=np.float64)
        causes = self.causes
        found = np.zeros((len(rows), len(causes)))
        found[:, : own.shape[1]] = own
        far = self.distance(rows)
        known = np.ones(len(rows))
        beyond = far > 1
        known[beyond] = KNOWN_AT_MOST / far[beyond] ** 2
        found *= known[:, None]
        found[:, causes.index(Cause.UNKNOWN)] += 1 - known
        return found


def moved(
    rules: Mapping[Cause, float], model: CauseModel, rows: NDArray[np.float64]
) -> NDArray[np.float64]:
    """
    Move what the rules say of digging by what a model says.

    Parameters
    ----------
    rules : Mapping of Cause to float
        Probabilities by the rules.
    model : CauseModel
        One with a weight.
    rows : ndarray of float64, shape (row, feature)
        Features, finite.

    Returns
    -------
    ndarray of float64, shape (row, cause)
        In the order of `rules`; the other causes keep their proportions. Where a row is
        unlike anything that the model has seen it is what the rules say.

    Raises
    ------
    ContractError
        If the model has no weight.
    """
    if model.weight is None:
        raise ContractError(f"model {model.model_id} names causes by itself")
    causes = tuple(rules)
    said = np.array([rules[cause] for cause in causes], dtype=np.float64)
    found = np.repeat(said[None], len(rows), axis=0)
    own = rules.get(Cause.DIGGING, 0.0)
    if not 0 < own < 1:
        return found
    classes = [str(code) for code in model.estimator.classes_]
    told = np.asarray(model.estimator.predict_proba(rows), dtype=np.float64)
    told = told[:, classes.index(Cause.DIGGING.value)].clip(LEAST, 1 - LEAST)
    shift = model.weight * np.log(told / (1 - told))
    shift[model.distance(rows) > 1] = 0.0
    digging = 1 / (1 + (1 - own) / own * np.exp(-shift))
    found *= ((1 - digging) / (1 - own))[:, None]
    found[:, causes.index(Cause.DIGGING)] = digging
    return found


def classify(disturbance: Disturbance, model: CauseModel | None = None) -> Classified:
    """
    Name the causes of one disturbance.

    Parameters
    ----------
    disturbance : Disturbance
        With features.
    model : CauseModel, optional
        Who names them; default: the rules.

    Returns
    -------
    Classified
        Never suspected in-situ leaching above the low tier, see `within_sight`.
    """
    found = _by_rule(disturbance)
    if model is not None:
        through_rules = model.weight is not None
        found = (_moved if through_rules else _by_model)(disturbance, model)
    return within_sight(found)


def within_sight(classified: Classified) -> Classified:
    """
    Claim no more of in-situ leaching than Sentinel-2 can see.

    Ground that is leached in place stays green: what changed there was seen, but not
    that it is leaching. It is a suspicion, for a drone or finer imagery to settle.

    Parameters
    ----------
    classified : Classified
        With its causes.

    Returns
    -------
    Classified
        The same, in the low tier and not confirmed if in-situ leaching is its most
        probable cause.
    """
    seen = classified.disturbance
    if classified.cause is not Cause.IN_SITU_LEACH or (
        seen.tier is Tier.LOW and seen.confirmed is None
    ):
        return classified
    lowered = replace(seen, tier=Tier.LOW, confirmed=None)
    return replace(classified, disturbance=lowered)


def _by_model(disturbance: Disturbance, model: CauseModel) -> Classified:
    """Ask a model, and what each measurement did to its answer."""
    features = disturbance.features
    row = np.array([features.get(name, math.nan) for name in model.features])
    if not np.isfinite(row).all():
        return Classified(
            disturbance=disturbance,
            causes={Cause.UNKNOWN: 1.0},
            model_id=model.model_id,
        )
    # the row, and the row with one feature after the other as it usually is
    rows = np.repeat(row[None], len(row) + 1, axis=0)
    place = np.arange(len(row))
    rows[place + 1, place] = model.medians
    found = model.probabilities(rows)
    return _told(disturbance, model, model.causes, found)


def _moved(disturbance: Disturbance, model: CauseModel) -> Classified:
    """Ask the rules, and let a model move what they say of digging."""
    ruled = _by_rule(disturbance)
    row = np.array([disturbance.features.get(n, math.nan) for n in model.features])
    if not np.isfinite(row).all() or model.distance(row[None])[0] > 1:
        # nothing that the model knows: it was the rules that named the cause
        return ruled
    rows = np.repeat(row[None], len(row) + 1, axis=0)
    place = np.arange(len(row))
    rows[place + 1, place] = model.medians
    found = moved(ruled.causes, model, rows)
    return _told(disturbance, model, tuple(ruled.causes), found)


def _told(
    disturbance: Disturbance,
    model: CauseModel,
    causes: tuple[Cause, ...],
    found: NDArray[np.float64],
) -> Classified:
    """Write down what a model said, and what each measurement did to it.

    The first of the rows is the disturbance, the others are it with one feature after
    the other as that usually is.
    """
    rounded = [round(float(p), DIGITS) for p in found[0]]
    first = int(np.argmax(rounded))
    rest = math.fsum(p for n, p in enumerate(rounded) if n != first)
    rounded[first] = round(1 - rest, DIGITS)
    named = causes.index(
        Classified(
            disturbance=disturbance,
            causes=dict(zip(causes, rounded, strict=True)),
            model_id=model.model_id,
        ).cause
    )
    effects = {
        f"{DECIDES}{name}": round(float(found[0, named] - other), DIGITS)
        for name, other in zip(model.features, found[1:, named], strict=True)
    }
    features = disturbance.features
    row = np.array([features[name] for name in model.features])
    unlike = {UNLIKE: round(float(model.distance(row[None])[0]), DIGITS)}
    return Classified(
        disturbance=replace(disturbance, features={**features, **effects, **unlike}),
        causes=dict(zip(causes, rounded, strict=True)),
        model_id=model.model_id,
    )


def _by_rule(disturbance: Disturbance) -> Classified:
    """Name causes by NDVI before and after, and by bare soil where there is SWIR."""
    before = disturbance.features.get("ndvi_before", math.nan)
    after = before + disturbance.features.get("ndvi_change", math.nan)
    cover = disturbance.features.get("nbsi_before", math.nan)
    cover += disturbance.features.get("nbsi_change", math.nan)
    causes: Mapping[Cause, float]
    if math.isnan(after):
        causes = {Cause.UNKNOWN: 1.0}
    elif after < BARE_NDVI and not cover > 0:
        causes = _BARE
    elif after >= GREEN_NDVI:
        causes = _STILL_GREEN
    else:
        causes = _BETWEEN
    return Classified(disturbance=disturbance, causes=causes, model_id=MODEL_ID)
