"""What is measured of a disturbance, in the order in which a model takes it."""

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pixels import NORM, evidence, fixed
from sightings import FIRST, outline, sighting, square

from rsmonitor.records.disturbance import Disturbance
from rsmonitor.records.rasters import (
    DEPARTURE_ZERO,
    EVIDENCE_PLANES,
    REFERENCE_FILL,
    REFERENCE_SCALE,
)
from rsmonitor.stages.features import FEATURE_ORDER, FEATURES, measure

LABELS = fixed([[1, 1, 0], [1, 2, 2]], np.int32)
NDVI = len(EVIDENCE_PLANES)
NDMI = NDVI + 1


def found(*, confirmed_after: int | None = None) -> Disturbance:
    confirmed = None
    if confirmed_after is not None:
        confirmed = FIRST + timedelta(days=confirmed_after)
    return sighting(square(0, 0, 2), confirmed=confirmed).disturbance


def measured(
    *disturbances: Disturbance,
    state: np.ndarray | None = None,
    reference: np.ndarray | None = None,
    names: tuple[str, ...] = ("ndvi", "ndmi"),
) -> tuple[Disturbance, ...]:
    return measure(
        disturbances,
        LABELS,
        state=fixed(evidence((2, 3)) if state is None else state),
        reference=fixed(
            np.zeros((11, 2, 3), dtype=np.int16) if reference is None else reference
        ),
        norm=NORM,
        names=names,
    )


def test_every_feature_has_a_value_or_nan_in_the_order_that_models_take() -> None:
    (one, two) = measured(found(), found())
    assert tuple(one.features) == tuple(two.features) == FEATURE_ORDER
    assert all(FEATURES.values())
    assert math.isnan(one.features["nbsi_before"])
    assert math.isnan(one.features["dred_change"])


def test_change_is_the_mean_departure_of_the_objects_own_pixels() -> None:
    state = evidence((2, 3))
    state[NDVI] = DEPARTURE_ZERO + np.array([[-2000, -4000, 9999], [-6000, -500, -300]])
    state[NDMI] = DEPARTURE_ZERO + 100
    one, two = measured(found(), found(), state=state)
    assert one.features["ndvi_change"] == pytest.approx(-0.4)
    assert two.features["ndvi_change"] == pytest.approx(-0.04)
    assert one.features["ndmi_change"] == pytest.approx(0.01)


def test_what_was_before_is_the_pixels_mean_in_a_usual_scene() -> None:
    reference = np.zeros((11, 2, 3), dtype=np.int16)
    reference[0] = [[100, 200, 9999], [300, -500, -500]]
    reference[4] = 1000
    one, two = measured(found(), found(), reference=reference)
    assert one.features["ndvi_before"] == pytest.approx(0.8 + 0.02)
    assert two.features["ndvi_before"] == pytest.approx(0.8 - 0.05)
    assert one.features["ndmi_before"] == pytest.approx(0.4 + 0.1)


def test_ground_without_a_reference_is_left_out_of_the_mean() -> None:
    reference = np.zeros((11, 2, 3), dtype=np.int16)
    reference[:, 0, 0] = REFERENCE_FILL
    reference[:, 1, 1:] = REFERENCE_FILL
    reference[0, 0, 1] = REFERENCE_SCALE // 10
    one, two = measured(found(), found(), reference=reference)
    assert one.features["ndvi_before"] == pytest.approx(0.8 + 0.05)
    assert math.isnan(two.features["ndvi_before"])


def test_the_share_that_recovered_is_that_of_confirmed_pixels() -> None:
    state = evidence(
        (2, 3), confirmed=[[9, 9, 0], [9, 0, 0]], score=[[0, 5, 0], [7, 0, 0]]
    )
    one, two = measured(found(), found(), state=state)
    assert one.features["share_recovered"] == pytest.approx(1 / 3)
    assert math.isnan(two.features["share_recovered"])


def test_days_to_confirm_are_counted_from_the_first_look() -> None:
    one, two = measured(found(confirmed_after=25), found())
    assert one.features["days_to_confirm"] == 25
    assert math.isnan(two.features["days_to_confirm"])


def test_area_is_that_of_the_outline() -> None:
    (one, _) = measured(replace(found(), area_m2=1234.5), found())
    assert one.features["area_m2"] == 1234.5


def test_texture_is_how_far_pixels_lie_from_their_mean() -> None:
    state = evidence((2, 3))
    state[NDVI] = DEPARTURE_ZERO + np.array([[-2000, -4000, 0], [-6000, -500, -500]])
    one, two = measured(found(), found(), state=state)
    assert one.features["ndvi_spread"] == pytest.approx(0.2 * math.sqrt(2 / 3))
    assert two.features["ndvi_spread"] == 0
    assert math.isnan(one.features["dred_spread"]), "red was not measured"


def test_bare_bright_and_wet_pixels_are_counted() -> None:
    state = evidence((2, 3))
    names = ("ndvi", "ndmi")
    # NDVI in a usual scene is 0.8: below -0.45 of change the ground is bare
    state[NDVI] = DEPARTURE_ZERO + np.array([[-6000, -4000, 0], [-1000, -7000, -7000]])
    state[NDMI] = DEPARTURE_ZERO + np.array([[100, -100, 0], [100, -100, 300]])
    one, two = measured(found(), found(), state=state, names=names)
    assert one.features["share_bare"] == pytest.approx(1 / 3)
    assert two.features["share_bare"] == 1
    assert one.features["share_wet"] == pytest.approx(1 / 3)
    assert two.features["share_wet"] == pytest.approx(1 / 2)
    assert math.isnan(one.features["share_bright"])
    (one, two) = measured(found(), found(), state=state, names=("ndvi", "dred"))
    assert one.features["share_bright"] == 0
    state[NDMI] = DEPARTURE_ZERO - np.array([[3011, 2900, 0], [3100, 3200, 100]])
    (one, two) = measured(found(), found(), state=state, names=("ndvi", "dred"))
    assert one.features["share_bright"] == pytest.approx(2 / 3)
    assert two.features["share_bright"] == pytest.approx(1 / 2)


@given(
    st.floats(0.1, 20), st.integers(-70, 70), st.integers(-170, 170), st.floats(1, 30)
)
def test_shape_does_not_depend_on_size_or_place(
    size: float, lat: int, lon: int, length: float
) -> None:
    # a rectangle on the ground, `length` times as wide as high
    height = size * 1e-3
    width = length * height / math.cos(math.radians(lat))
    box = shapely.box(
        lon - width / 2, lat - height / 2, lon + width / 2, lat + height / 2
    )
    (one, _) = measured(replace(found(), geometry=box), found())
    shape = one.features
    assert shape["compactness"] == pytest.approx(
        math.pi * length / (1 + length) ** 2, abs=2e-4
    )
    assert shape["solidity"] == 1
    assert shape["roundness"] == pytest.approx(
        4 * length / (math.pi * (1 + length**2)), abs=2e-4
    )


def test_a_bent_outline_fills_less_of_its_hull() -> None:
    bent = outline({(0, 0), (1, 0), (2, 0), (2, 1), (2, 2)})
    one, two = measured(replace(found(), geometry=bent), found())
    assert one.features["solidity"] < two.features["solidity"] == 1
    assert one.features["compactness"] < two.features["compactness"]


def test_the_course_in_time_is_measured() -> None:
    seen = found()
    (first,) = seen.increments
    later = replace(
        first,
        began_after=first.began_by,
        began_by=first.began_by + timedelta(days=60),
    )
    grown = replace(seen, increments=(first, later), clear_looks_since=9)
    one, two = measured(grown, replace(seen, began_after=None))
    assert one.features["growth_days"] == 60
    assert one.features["growth_steps"] == 2
    assert one.features["interval_days"] == 5
    assert one.features["looks_since"] == 9
    assert two.features["growth_days"] == 0
    assert two.features["growth_steps"] == 1
    assert math.isnan(two.features["interval_days"])


def test_place_and_date_are_not_among_what_a_model_sees() -> None:
    forbidden = ("lon", "lat", "distance", "road", "year", "month", "licence", "county")
    assert not [name for name in FEATURES if any(word in name for word in forbidden)]


def test_nothing_else_of_a_disturbance_changes() -> None:
    before = found(confirmed_after=10)
    (after, _) = measured(before, found())
    assert replace(after, features={}) == before


def test_indices_are_told_apart_by_name_and_not_by_place() -> None:
    state = evidence((2, 3))
    state[NDVI] = DEPARTURE_ZERO - 1000
    (swapped, _) = measured(found(), found(), state=state, names=("ndmi", "ndvi"))
    assert swapped.features["ndmi_change"] == pytest.approx(-0.1)
    assert swapped.features["ndvi_change"] == 0


def test_no_disturbance_has_no_features() -> None:
    assert measured() == ()
