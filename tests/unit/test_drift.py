"""A rule, and not the calendar, says when a reference is out of date."""

from hypothesis import given
from hypothesis import strategies as st

from rsmonitor.stages.drift import DUE, LEAST_LOOKS, Drift


def after(*noises: float) -> Drift:
    drift = Drift()
    for noise in noises:
        drift = drift.after(noise)
    return drift


def test_ground_that_scatters_as_usual_needs_no_new_reference() -> None:
    assert not after(*[1.0] * 500).due


def test_ground_that_went_on_scattering_more_needs_one() -> None:
    assert after(*[1.0] * 50, *[4.0] * 30).due


def test_a_hazy_month_is_no_reason() -> None:
    assert not after(*[1.2] * 50, *[5.0] * 2, *[1.2] * 5).due
    assert not after(*[9.0] * (LEAST_LOOKS - 1)).due


@given(st.lists(st.floats(1, 1e6), max_size=60), st.integers(0, 60))
def test_the_average_survives_being_stored(noises: list[float], cut: int) -> None:
    drift = after(*noises[:cut])
    for noise in noises[cut:]:
        drift = Drift.unpack(drift.packed()).after(noise)
    assert drift == after(*noises)


@given(st.lists(st.floats(1, DUE), min_size=1, max_size=80))
def test_no_look_below_the_limit_ever_makes_a_reference_due(
    noises: list[float],
) -> None:
    assert not after(*noises).due
