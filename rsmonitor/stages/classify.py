"""Which cause a disturbance probably has: by rule, or by a trained model.

The rules say that they are rules: their probabilities are judgement, not frequencies,
and nobody has calibrated them. At 10 m a small digging and a small felling look alike
until the soil stays bare, which is why 'unknown' keeps a large share everywhere.

A model is asked only for what it has seen. Where a disturbance is unlike everything
that it was trained on, 'unknown' wins. How much each measurement decided is kept beside
the features, so that an alert can be explained when the model is long gone.
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
            or not self.threshold > 0
        ):
            raise ContractError(
                f"model {self.model_id}: medians, centres and precision must be of its "
                f"{n} features, and the threshold positive"
            )
        codes = {cause.value for cause in Cause}
        if not set(map(str, self.estimator.classes_)) <= codes:
            raise ContractError(
                f"model {self.model_id} names causes that are not in the table: "
                f"{sorted(map(str, self.estimator.classes_))}"
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
    found = _by_rule(disturbance) if model is None else _by_model(disturbance, model)
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
    causes = model.causes
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
