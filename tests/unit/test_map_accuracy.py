"""Accuracy from a stratified sample, against printed numbers and against a census."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsmonitor.errors import ContractError
from rsmonitor.stages.accuracy import SampledPoint, map_accuracy


def sample(counts: list[list[int]]) -> list[SampledPoint]:
    """Points of a matrix: rows are classes of the map and strata, columns true."""
    return [
        SampledPoint(stratum=str(row), mapped=str(row), reference=str(column))
        for row, numbers in enumerate(counts)
        for column, number in enumerate(numbers)
        for _ in range(number)
    ]


def test_the_printed_example_of_mapac() -> None:
    # the error matrix and areas that the R package mapac prints its estimates of;
    # standard errors with n - 1, as Olofsson et al. (2014)
    found = map_accuracy(
        sample([[410, 26], [67, 369]]), {"0": 828_837, "1": 33_067_283}
    )
    users, producers = found.users, found.producers
    assert users["0"].value == pytest.approx(0.940367, abs=1e-6)
    assert users["1"].value == pytest.approx(0.846330, abs=1e-6)
    assert producers["0"].value == pytest.approx(0.132986, abs=1e-6)
    assert producers["1"].value == pytest.approx(0.998237, abs=1e-6)
    assert found.overall.value == pytest.approx(0.848630, abs=1e-6)
    assert found.overall.standard_error == pytest.approx(0.0168705, abs=1e-7)
    assert users["0"].standard_error == pytest.approx(0.01135396, abs=1e-8)
    assert users["1"].standard_error == pytest.approx(0.01729097, abs=1e-8)
    assert producers["0"].standard_error == pytest.approx(0.0130482, abs=1e-7)
    assert producers["1"].standard_error == pytest.approx(0.000337001, abs=1e-9)
    whole = 828_837 + 33_067_283
    area = found.area_m2["0"]
    assert area.value / whole == pytest.approx(0.172906, abs=1e-6)
    assert (area.high - area.value) / whole == pytest.approx(0.033066, abs=1e-6)


def test_ten_right_of_ten_is_not_certainly_all() -> None:
    found = map_accuracy(sample([[10, 0], [0, 10]]), {"0": 1e6, "1": 1e6})
    assert found.users["0"].value == 1.0
    assert found.users["0"].low == pytest.approx(0.7225, abs=1e-3)  # Wilson, 10 of 10


def test_one_point_has_no_variance() -> None:
    found = map_accuracy(sample([[1, 0], [0, 5]]), {"0": 1e6, "1": 1e6})
    assert math.isnan(found.users["0"].low)
    assert not math.isnan(found.users["1"].low)


def test_what_is_mapped_and_never_true_has_no_producers_accuracy() -> None:
    found = map_accuracy(sample([[0, 5], [0, 5]]), {"0": 1e6, "1": 1e6})
    assert math.isnan(found.producers["0"].value)
    assert found.producers["0"].points == 0
    assert found.area_m2["0"].value == 0


@pytest.mark.parametrize(
    ("areas", "rule"),
    [
        ({"0": 1e6}, "area is unknown"),
        ({"0": 1e6, "1": 1e6, "2": 1e6}, "no judged point"),
        ({"0": 1e6, "1": -1.0}, "must be positive"),
        ({"0": math.nan, "1": 1.0}, "must be positive"),
    ],
)
def test_a_sample_must_cover_its_strata(areas: dict[str, float], rule: str) -> None:
    with pytest.raises(ContractError, match=rule):
        map_accuracy(sample([[3, 1], [1, 3]]), areas)


@given(
    counts=st.lists(
        st.lists(st.integers(0, 12), min_size=3, max_size=3).filter(any),
        min_size=3,
        max_size=3,
    ),
    areas=st.lists(st.floats(1.0, 1e9), min_size=3, max_size=3),
)
def test_shares_add_up(counts: list[list[int]], areas: list[float]) -> None:
    given_areas = {str(row): area for row, area in enumerate(areas)}
    found = map_accuracy(sample(counts), given_areas)
    total = math.fsum(each.value for each in found.area_m2.values())
    assert total == pytest.approx(math.fsum(areas), rel=1e-9)
    for each in (found.overall, *found.users.values(), *found.producers.values()):
        if not math.isnan(each.value):
            assert -1e-9 <= each.value <= 1 + 1e-9
        if not math.isnan(each.low):
            assert 0 <= each.low <= each.value + 1e-9
            assert each.value - 1e-9 <= each.high <= 1


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    # a population whose truth is known: 2 % mapped as change, of which 80 % is; of the
    # rest 1 % is change that was missed
    chance = np.random.default_rng(11)
    truth = 0.02 * 0.8 / (0.02 * 0.8 + 0.98 * 0.01)
    inside = {"users": 0, "producers": 0}
    trials = 400
    for _ in range(trials):
        hits, missed = int(chance.binomial(60, 0.8)), int(chance.binomial(300, 0.01))
        found = map_accuracy(
            sample([[hits, 60 - hits], [missed, 300 - missed]]),
            {"0": 0.02e9, "1": 0.98e9},
        )
        inside["users"] += found.users["0"].low <= 0.8 <= found.users["0"].high
        if not math.isnan(found.producers["0"].low):
            inside["producers"] += (
                found.producers["0"].low <= truth <= found.producers["0"].high
            )
    assert inside["users"] / trials > 0.92
    # a rare class in a wide stratum: honest, but three points decide
    assert inside["producers"] / trials > 0.85
