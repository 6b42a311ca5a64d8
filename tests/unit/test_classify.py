"""Causes by rule and by model: honest about what 10 m cannot tell apart."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sightings import FIRST, sighting, square

from rsmonitor.errors import ContractError
from rsmonitor.records.disturbance import Cause, Classified
from rsmonitor.records.rasters import Tier
from rsmonitor.stages.classify import (
    DECIDES,
    GREEN_NDVI,
    MODEL_ID,
    UNLIKE,
    CauseModel,
    classify,
    within_sight,
)
from rsmonitor.stages.deciding import DRONE, FEATURE_WORDS, STRANGE, decided_by
from rsmonitor.stages.features import BARE_NDVI, FEATURES

NAN = float("nan")


def judged(**features: float) -> Classified:
    disturbance = sighting(square(0, 0, 2)).disturbance
    return classify(replace(disturbance, features=features))


def test_bare_ground_where_forest_stood_is_probably_dug() -> None:
    found = judged(
        ndvi_before=0.85, ndvi_change=-0.65, nbsi_before=0.3, nbsi_change=-0.4
    )
    assert found.cause is Cause.DIGGING


def test_ground_that_is_still_green_was_felled_at_most_and_mostly_is_unknown() -> None:
    found = judged(ndvi_before=0.9, ndvi_change=-0.3)
    assert found.cause is Cause.UNKNOWN
    assert found.causes[Cause.CLEAR_CUT] > found.causes[Cause.DIGGING]


def test_what_lies_between_is_unknown() -> None:
    assert judged(ndvi_before=0.8, ndvi_change=-0.4).cause is Cause.UNKNOWN


def test_soil_that_swir_sees_covered_is_not_called_bare() -> None:
    bare = {"ndvi_before": 0.8, "ndvi_change": -0.6}
    assert judged(**bare, nbsi_before=0.3, nbsi_change=-0.1).cause is Cause.UNKNOWN
    assert judged(**bare, nbsi_before=0.3, nbsi_change=-0.3).cause is Cause.DIGGING


def test_without_swir_greenness_decides_alone() -> None:
    bare = {"ndvi_before": 0.8, "ndvi_change": -0.6}
    assert judged(**bare).cause is Cause.DIGGING
    assert judged(**bare, nbsi_before=NAN, nbsi_change=NAN).cause is Cause.DIGGING


@pytest.mark.parametrize(
    ("after", "cause", "green"),
    [
        (BARE_NDVI - 0.001, Cause.DIGGING, False),
        (BARE_NDVI + 0.001, Cause.UNKNOWN, False),
        (GREEN_NDVI - 0.001, Cause.UNKNOWN, False),
        (GREEN_NDVI + 0.001, Cause.UNKNOWN, True),
    ],
)
def test_the_limits_are_where_they_are_said_to_be(
    after: float, cause: Cause, *, green: bool
) -> None:
    found = judged(ndvi_before=0.9, ndvi_change=after - 0.9)
    assert found.cause is cause
    assert (Cause.ORCHARD in found.causes) == green


@pytest.mark.parametrize(
    "features",
    [
        {},
        {"ndvi_before": 0.8},
        {"ndvi_change": -0.6},
        {"ndvi_before": NAN, "ndvi_change": -0.6},
        {"nbsi_before": -0.3, "nbsi_change": -0.3},
    ],
)
def test_where_greenness_was_not_measured_nothing_is_claimed(
    features: dict[str, float],
) -> None:
    assert judged(**features).causes == {Cause.UNKNOWN: 1.0}


@pytest.mark.parametrize("after", [-0.2, 0.1, 0.4, 0.45, 0.7, 1.0])
def test_rules_say_that_they_are_rules_and_are_never_sure(after: float) -> None:
    found = judged(ndvi_before=0.8, ndvi_change=after - 0.8)
    assert found.model_id == MODEL_ID
    assert found.causes[Cause.UNKNOWN] >= 0.25
    assert max(found.causes.values()) < 0.5
    assert Cause.IN_SITU_LEACH not in found.causes, "it cannot be seen from 10 m"


# ---------------------------------------------------------------------------- a model


class Linear:
    """A logistic model of two measurements, small enough to work out by hand."""

    classes_ = np.array(["clear_cut", "digging"])

    def predict_proba(self, rows: NDArray[np.float64], /) -> NDArray[np.float64]:
        """Call digging what lost much greenness, whatever was there before."""
        digging = 1 / (1 + np.exp(10 * (rows[:, 1] + 0.4)))
        return np.stack([1 - digging, digging], axis=1)


def model(**changed: Any) -> CauseModel:  # noqa: ANN401 - any field
    fields: dict[str, Any] = {
        "model_id": "cause-7",
        "estimator": Linear(),
        "features": ("ndvi_before", "ndvi_change"),
        "medians": np.array([0.8, -0.4]),
        "centres": np.array([[0.8, -0.2], [0.8, -0.6]]),
        "precision": np.diag([100.0, 100.0]),
        "threshold": 3.0,
    }
    return CauseModel(**(fields | changed))


def asked(features: Mapping[str, float], **changed: Any) -> Classified:  # noqa: ANN401
    disturbance = sighting(square(0, 0, 2)).disturbance
    return classify(replace(disturbance, features=features), model(**changed))


@given(st.floats(-1, 1), st.floats(-2, 2))
def test_a_model_gives_probabilities_and_unknown_wins_where_nothing_like_it_was_seen(
    before: float, change: float
) -> None:
    found = asked({"ndvi_before": before, "ndvi_change": change})
    far = found.disturbance.features[UNLIKE]
    assert found.model_id == "cause-7"
    if far > 1.001:
        assert found.cause is Cause.UNKNOWN
        assert found.causes[Cause.UNKNOWN] >= 0.5
    if far < 0.999:
        assert found.causes[Cause.UNKNOWN] < 1e-9
    assert {DECIDES + name for name in model().features} <= set(
        found.disturbance.features
    )


def test_what_is_kept_is_what_another_measurement_would_have_changed() -> None:
    found = asked({"ndvi_before": 0.8, "ndvi_change": -0.6})
    assert found.cause is Cause.DIGGING
    digging = 1 / (1 + np.exp(-2))
    assert found.causes[Cause.DIGGING] == pytest.approx(digging, abs=1e-4)
    features = found.disturbance.features
    assert features["decides:ndvi_change"] == pytest.approx(digging - 0.5, abs=1e-4)
    assert features["decides:ndvi_before"] == 0


def test_more_of_a_measurement_that_speaks_for_a_cause_makes_it_more_probable() -> None:
    told = [
        asked({"ndvi_before": 0.8, "ndvi_change": change}).causes[Cause.DIGGING]
        for change in np.linspace(-0.2, -0.6, 9)
    ]
    assert told == sorted(told)


@pytest.mark.parametrize("change", [NAN, None])
def test_a_model_claims_nothing_of_what_was_not_measured(change: float | None) -> None:
    features = {"ndvi_before": 0.8}
    if change is not None:
        features["ndvi_change"] = change
    assert asked(features).causes == {Cause.UNKNOWN: 1.0}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"features": ("ndvi_before", "distance_to_road")}, "distance_to_road"),
        ({"features": ()}, "not measured"),
        ({"medians": np.zeros(3)}, "2 features"),
        ({"precision": np.eye(3)}, "2 features"),
        ({"threshold": 0.0}, "positive"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(
    changed: dict[str, Any], told: str
) -> None:
    with pytest.raises(ContractError, match=told):
        model(**changed)


def test_a_model_that_names_a_cause_of_its_own_is_refused() -> None:
    class Other(Linear):
        classes_ = np.array(["clear_cut", "gold"])

    with pytest.raises(ContractError, match="gold"):
        model(estimator=Other())


# ------------------------------------------------------------------- in-situ leaching


@given(
    st.sampled_from(list(Tier)[1:]),
    st.floats(0, 1),
    st.none() | st.integers(0, 30),
    st.sampled_from([cause for cause in Cause if cause is not Cause.IN_SITU_LEACH]),
)
def test_suspected_leaching_is_never_above_the_low_tier(
    tier: Tier, share: float, confirmed: int | None, other: Cause
) -> None:
    on = None if confirmed is None else FIRST + timedelta(days=confirmed)
    seen = sighting(
        square(0, 0, 2),
        tier=tier,
        confirmed=on,
        causes={Cause.IN_SITU_LEACH: share, other: 1 - share},
    )
    found = within_sight(seen)
    if found.cause is Cause.IN_SITU_LEACH:
        assert found.disturbance.tier is Tier.LOW
        assert found.disturbance.confirmed is None
        assert decided_by(found)[-1] == DRONE
    else:
        assert found == seen
        assert DRONE not in decided_by(found)
    assert found.causes == seen.causes


def test_a_model_that_names_leaching_is_held_to_the_low_tier() -> None:
    class Leach(Linear):
        classes_ = np.array(["clear_cut", "in_situ_leach"])

    disturbance = sighting(square(0, 0, 2), confirmed=FIRST).disturbance
    features = {"ndvi_before": 0.8, "ndvi_change": -0.6}
    found = classify(replace(disturbance, features=features), model(estimator=Leach()))
    assert found.cause is Cause.IN_SITU_LEACH
    assert found.disturbance.tier is Tier.LOW
    assert "无人机" in decided_by(found)[-1].zh


# ------------------------------------------------------------------------- in words


def test_every_measurement_has_a_name_for_people() -> None:
    assert list(FEATURE_WORDS) == list(FEATURES)
    assert all(words.zh and words.en for words in FEATURE_WORDS.values())
    assert len({words.zh for words in FEATURE_WORDS.values()}) == len(FEATURES)


@given(
    st.dictionaries(
        st.sampled_from(sorted(FEATURES)), st.floats(-1, 1), min_size=3, max_size=9
    )
)
def test_three_measurements_are_told_the_weightiest_first(
    effects: dict[str, float],
) -> None:
    features = dict.fromkeys(FEATURES, 0.25)
    features |= {DECIDES + name: effect for name, effect in effects.items()}
    seen = sighting(square(0, 0, 2), model_id="cause-7")
    disturbance = replace(seen.disturbance, features=features)
    told = decided_by(replace(seen, disturbance=disturbance))
    ranked = sorted(effects, key=lambda name: (-abs(effects[name]), name))[:3]
    assert len(told) == 3
    for name, reason in zip(ranked, told, strict=True):
        assert reason.en.startswith(FEATURE_WORDS[name].en)
        assert reason.zh.startswith(FEATURE_WORDS[name].zh)
        points = round(100 * abs(effects[name]))
        assert (f" {points} points" in reason.en) == (points > 0)


def test_what_is_unlike_anything_seen_is_said_to_be_so_first() -> None:
    found = asked({"ndvi_before": -0.9, "ndvi_change": 0.9})
    assert decided_by(found)[0] == STRANGE
    assert STRANGE not in decided_by(asked({"ndvi_before": 0.8, "ndvi_change": -0.5}))


def test_the_rules_say_what_they_measured() -> None:
    found = judged(ndvi_before=0.8, ndvi_change=-0.6, nbsi_before=0.3, nbsi_change=-0.4)
    greenness, ruling = decided_by(found)
    assert "0.80" in greenness.en
    assert "0.20" in greenness.zh
    assert "-0.10" in ruling.zh
    assert "points to digging" in ruling.en
