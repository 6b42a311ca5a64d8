"""A second sensor speaks in nats, by its own noise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixels import days_of, of_pixel, start
from scipy import stats

from rsmonitor.errors import ContractError
from rsmonitor.records.parameters import EvidenceParameters
from rsmonitor.stages.evidence import log_ratio, update
from rsmonitor.stages.radar import radar_log_ratio

USUAL = np.full((1, 1), 0.1, dtype=np.float32)


@given(st.floats(2.0**-9, 2, width=32), st.floats(1, 50), st.floats(-10, -0.5))
def test_it_is_the_log_ratio_of_two_gamma_densities(
    seen: float, looks: float, change_db: float
) -> None:
    mean = USUAL.astype(np.float64).item()
    after = mean * 10 ** (change_db / 10)
    found = radar_log_ratio(
        np.full((1, 1), seen, dtype=np.float32), USUAL, looks=looks, change_db=change_db
    )
    density = [
        stats.gamma.logpdf(np.float32(seen), looks, scale=m / looks)
        for m in (after, mean)
    ]
    assert found.item() == pytest.approx(density[0] - density[1], rel=1e-5, abs=1e-5)


def test_speckle_of_unchanged_ground_argues_against_a_change_on_average() -> None:
    random = np.random.default_rng(1)
    usual = np.full((100, 100), 0.1, dtype=np.float32)
    speckle = random.gamma(4.4, 0.1 / 4.4, usual.shape).astype(np.float32)
    cleared = speckle * np.float32(10**-0.4)
    kept = radar_log_ratio(speckle, usual, looks=4.4, change_db=-4.0)
    changed = radar_log_ratio(cleared, usual, looks=4.4, change_db=-4.0)
    assert kept.mean() < -1
    assert changed.mean() > 1


def test_what_was_not_measured_says_nothing() -> None:
    seen = np.array([[np.nan, 0.1, 0.0, -0.1]], dtype=np.float32)
    usual = np.array([[0.1, np.nan, 0.1, 0.1]], dtype=np.float32)
    assert np.isnan(radar_log_ratio(seen, usual, looks=4.4, change_db=-4.0)).all()


@pytest.mark.parametrize(("looks", "change_db"), [(0.5, -3), (np.nan, -3), (4, 0)])
def test_a_noise_model_that_says_nothing_is_refused(
    looks: float, change_db: float
) -> None:
    with pytest.raises(ContractError):
        radar_log_ratio(USUAL, USUAL, looks=looks, change_db=change_db)


def test_radar_confirms_through_clouds_what_an_optical_look_began() -> None:
    parameters = EvidenceParameters()
    drop = np.full((1, 1), -8.0, dtype=np.float32)
    dark = np.full((1, 1), 0.025, dtype=np.float32)
    state = start((1, 1))
    for number, day in enumerate(days_of(6)):
        if number == 0:
            ratio, departures = log_ratio(drop, parameters), np.full((2, 1, 1), -0.2)
        else:
            ratio = radar_log_ratio(dark, USUAL, looks=4.4, change_db=-4.0)
            departures = None
        state = update(state, ratio, departures, day=day, parameters=parameters)
    pixel = of_pixel(state)
    assert pixel["first_seen"] == days_of(1)[0]
    assert pixel["confirmed"] > 0
    assert pixel["n_clear"] == 6


def test_one_radar_look_raises_no_alarm_either() -> None:
    parameters = EvidenceParameters()
    dark = np.full((1, 1), 1e-6, dtype=np.float32)
    ratio = radar_log_ratio(dark, USUAL, looks=50.0, change_db=-10.0)
    state = update(start((1, 1)), ratio, None, day=days_of(1)[0], parameters=parameters)
    assert of_pixel(state)["score"] <= parameters.clip * 256
