"""Causes by rule: honest about what 10 m cannot tell apart."""

from dataclasses import replace

import pytest
from sightings import sighting, square

from rsmonitor.records.disturbance import Cause, Classified
from rsmonitor.stages.classify import BARE_NDVI, GREEN_NDVI, MODEL_ID, classify

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
