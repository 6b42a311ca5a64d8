"""Evidence: one pixel at a time, one look after the other."""

import numpy as np
import pytest
from pixels import (
    DAY,
    INDEX_UNITS,
    NORM,
    days_of,
    evidence,
    fixed,
    of_pixel,
    one_cell,
    row,
    start,
    watch,
)

from rsmonitor.errors import ContractError
from rsmonitor.records.parameters import EvidenceParameters
from rsmonitor.records.rasters import (
    DEPARTURE_ZERO,
    EVIDENCE_PLANES,
    REFERENCE_FILL,
    SCORE_SCALE,
    Tier,
    planes,
)
from rsmonitor.stages.evidence import (
    DEPARTURE_LOOKS,
    FULL,
    SceneStatistics,
    combined_departure,
    mean_departures,
    observe,
    residuals,
    scene_statistics,
    strength,
    tiers,
    update,
)
from rsmonitor.stages.levelling import Shared

NAN = float("nan")
LOW, NONE, MEDIUM, HIGH = Tier.LOW, Tier.NONE, Tier.MEDIUM, Tier.HIGH
DROP = -10.0
DAYS = days_of(20)
USUAL = Shared(
    offset=np.zeros((2, 1, 1), dtype=np.float32),
    noise=np.ones((2, 1, 1), dtype=np.float32),
)
HALF = np.array([0.5, 0.5], dtype=np.float32)


def grades(*series: float) -> list[int]:
    """Give the tier of one pixel after each look."""
    return [
        int(tiers(state, EvidenceParameters()).item()) for state in watch(row(series))
    ]


# ------------------------------------------------------------- how evidence comes about


def test_a_drop_that_lasts_climbs_the_tiers_and_is_confirmed_at_the_third_look() -> (
    None
):
    assert grades(0, 0, DROP, DROP, DROP, DROP) == [
        NONE,
        NONE,
        NONE,
        MEDIUM,
        HIGH,
        HIGH,
    ]


def test_a_smaller_drop_takes_longer_and_passes_the_low_tier() -> None:
    assert grades(-4, -4, -4) == [NONE, MEDIUM, HIGH]
    assert grades(*[-3.42] * 6) == [
        NONE,
        NONE,
        LOW,
        MEDIUM,
        HIGH,
        HIGH,
    ]


def test_a_drop_of_less_than_half_of_what_is_tested_for_is_no_evidence() -> None:
    assert grades(*[-3.0] * 50) == [NONE] * 50


def test_ground_that_greens_is_no_evidence_and_saves_up_no_credit() -> None:
    assert grades(*[10.0] * 30, DROP, DROP, DROP)[-3:] == [NONE, MEDIUM, HIGH]


def test_the_change_is_dated_between_the_looks_around_it() -> None:
    pixel = of_pixel(watch(row([0, 0, DROP, DROP, DROP, DROP]))[-1])
    assert pixel["began_after"] == DAYS[1]
    assert pixel["first_seen"] == DAYS[2]
    assert pixel["confirmed"] == DAYS[4]
    assert pixel["last_seen"] == pixel["last_clear"] == DAYS[5]
    assert pixel["looks_since"] == 4
    assert pixel["n_clear"] == 6


def test_a_change_at_the_first_look_began_after_the_history() -> None:
    assert of_pixel(watch(row([DROP]))[-1])["began_after"] == DAY


def test_without_any_look_before_nobody_knows_when_it_began() -> None:
    states = watch(row([DROP]), state=start((1, 1), last_clear=0))
    assert of_pixel(states[-1])["began_after"] == 0


def test_clouds_widen_the_interval_in_which_a_change_began() -> None:
    pixel = of_pixel(watch(row([0, NAN, NAN, DROP, NAN, DROP, DROP]))[-1])
    assert pixel["began_after"] == DAYS[0]
    assert pixel["first_seen"] == DAYS[3]
    assert pixel["confirmed"] == DAYS[6]
    assert pixel["looks_since"] == 3
    assert pixel["n_clear"] == 4


def test_a_cloud_that_was_missed_once_is_forgotten_at_the_next_look() -> None:
    states = watch(row([0, -1e6, 0]))
    assert of_pixel(states[1])["first_seen"] == DAYS[1]
    pixel = of_pixel(states[2])
    assert pixel["score"] == 0
    for name in ("began_after", "first_seen", "confirmed", "last_seen", "looks_since"):
        assert pixel[name] == 0, name
    assert pixel["last_clear"] == DAYS[2]
    assert (states[2][len(EVIDENCE_PLANES) :] == DEPARTURE_ZERO).all()


def test_a_second_alarm_is_dated_by_itself_and_not_by_the_first() -> None:
    pixel = of_pixel(watch(row([DROP, 0, 0, DROP, DROP]))[-1])
    assert pixel["began_after"] == DAYS[2]
    assert pixel["first_seen"] == DAYS[3]


def test_one_good_look_takes_away_what_one_bad_look_gave() -> None:
    assert grades(DROP, DROP, 0, 0) == [NONE, MEDIUM, NONE, NONE]


def test_what_was_confirmed_stays_so_when_the_ground_greens_again() -> None:
    looks = [0, DROP, DROP, DROP, *[0.0] * 10]
    states = watch(row(looks))
    assert [int(tiers(s, EvidenceParameters()).item()) for s in states[3:]] == [
        HIGH
    ] * 11
    pixel = of_pixel(states[-1])
    assert pixel["score"] == 0
    assert pixel["first_seen"] == DAYS[1]
    assert pixel["began_after"] == DAYS[0]
    assert pixel["confirmed"] == DAYS[3]
    assert pixel["last_seen"] == DAYS[3]
    assert pixel["looks_since"] == 13


def test_evidence_stops_growing_so_that_recovery_shows_in_bounded_time() -> None:
    states = watch(row([DROP] * 20))
    assert of_pixel(states[-1])["score"] == 24 * SCORE_SCALE
    after = watch(row([0] * 6), days=days_of(26)[20:], state=states[-1])
    assert of_pixel(after[-2])["score"] > 0
    assert of_pixel(after[-1])["score"] == 0


def test_evidence_that_is_too_small_to_store_starts_nothing() -> None:
    faint = -3.0 - 0.1 / SCORE_SCALE / 6  # a tenth of the smallest step
    pixel = of_pixel(watch(row([0, faint]))[-1])
    assert pixel["score"] == pixel["first_seen"] == pixel["last_seen"] == 0


def test_a_day_with_two_looks_keeps_both_in_order() -> None:
    days = [DAYS[0], DAYS[0], DAYS[1]]
    pixel = of_pixel(watch(row([0, DROP, DROP]), days=days)[-1])
    assert pixel["began_after"] == pixel["first_seen"] == DAYS[0]


def test_counters_stop_at_their_end() -> None:
    full = evidence(
        (1, 1), score=9 * SCORE_SCALE, first_seen=DAY, looks_since=FULL, n_clear=FULL
    )
    pixel = of_pixel(watch(row([DROP]), state=full)[-1])
    assert pixel["looks_since"] == pixel["n_clear"] == FULL


# ----------------------------------------------------------------- how large the change


def test_the_departure_is_the_mean_of_the_first_looks_and_then_stands_still() -> None:
    first = [-10.0, -14.0] * (DEPARTURE_LOOKS // 2)
    states = watch(row([0, *first, *[-4.0] * 8]))
    for state in states[DEPARTURE_LOOKS:]:
        np.testing.assert_allclose(
            mean_departures(state)[:, 0, 0], -12 * INDEX_UNITS, atol=2e-4
        )


def test_a_departure_that_was_forgotten_does_not_come_back() -> None:
    states = watch(row([-30, 0, -10, -10, -10]))
    np.testing.assert_allclose(
        mean_departures(states[-1])[:, 0, 0], -10 * INDEX_UNITS, atol=2e-4
    )


def test_a_departure_beyond_what_can_be_stored_stays_at_the_end() -> None:
    after = update(
        start((1, 2)),
        np.full((1, 2), 18.0),
        fixed([[[-50.0, 1.0]], [[50.0, 1.0]]], np.float32),
        day=DAYS[0],
        parameters=EvidenceParameters(),
    )
    np.testing.assert_allclose(
        mean_departures(after)[:, 0], [[-3.2768, 1.0], [3.2767, 1.0]]
    )


def test_strength_comes_from_the_sharpest_indices_alone() -> None:
    state = watch(row([DROP], [0]))[-1]
    weighted = strength(state, NORM, fixed([0.7, 0.3], np.float32))
    assert weighted[0].tolist() == pytest.approx([10.0, 0.0], abs=0.01)
    both = strength(state, NORM, HALF)
    assert both[0].tolist() == pytest.approx([7.5, 0.0], abs=0.01)


def test_evidence_before_the_first_look_says_only_when_ground_was_last_seen() -> None:
    state = start((2, 3))
    assert state.shape == (len(EVIDENCE_PLANES) + 2, 2, 3)
    assert state.dtype == np.uint16
    for name, plane in planes(state).items():
        assert (plane == (DAY if name == "last_clear" else 0)).all(), name
    assert not mean_departures(state).any()


def test_an_array_that_is_no_evidence_is_refused() -> None:
    for shape in ((8, 1, 1), (9, 1)):
        with pytest.raises(ContractError, match=r"at least 9 planes"):
            tiers(np.zeros(shape, dtype=np.uint16), EvidenceParameters())


# ---------------------------------------------------------- from a look to its evidence


def reference(*pixels: tuple[int, ...]) -> np.ndarray:
    """Write references of single pixels: two indices of (mean, cos, sin, spread)."""
    return fixed(np.array(pixels, dtype=np.int16).T[:, None, :])


STEADY = (8000, 0, 0, 200, 4000, 0, 0, 200, 40, DAY, 1)
SEASON = (8000, 1000, 0, 200, 4000, 0, 500, 200, 40, DAY, 1)
UNKNOWN = (*[REFERENCE_FILL] * 8, 5, DAY, 0)


def test_a_residual_is_what_the_season_does_not_explain() -> None:
    winter, spring = 0, 91  # a quarter of a year on
    values = fixed([[[0.8, 0.9]], [[0.4, 0.4]]], np.float32)
    np.testing.assert_allclose(
        residuals(values, reference(STEADY, SEASON), winter)[:, 0],
        [[0, 0], [0, 0]],
        atol=1e-6,
    )
    np.testing.assert_allclose(
        residuals(values, reference(STEADY, SEASON), spring)[:, 0],
        [[0, 0.1], [0, -0.05]],
        atol=1e-3,
    )


def test_ground_without_a_reference_has_no_residual() -> None:
    values = fixed([[[0.8, 0.8]], [[0.4, 0.4]]], np.float32)
    found = residuals(values, reference(STEADY, UNKNOWN), DAY)
    assert np.isfinite(found[:, 0, 0]).all()
    assert np.isnan(found[:, 0, 1]).all()


def test_the_combined_departure_is_the_weighted_mean_in_spreads() -> None:
    departures = fixed([[[-0.2, -0.2, -0.2]], [[-0.1, -0.1, np.nan]]], np.float32)
    noisy = (
        8000,
        0,
        0,
        400,
        4000,
        0,
        0,
        50,
        40,
        DAY,
        1,
    )  # the second is below the floor
    weights = fixed([0.75, 0.25], np.float32)
    found = combined_departure(
        departures,
        reference(STEADY, noisy, STEADY),
        weights=weights,
        noise=USUAL.noise,
        norm=NORM,
    )
    expected = [-(0.75 * 10 + 0.25 * 5), -(0.75 * 5 + 0.25 * 5), np.nan]
    np.testing.assert_allclose(found[0], expected, rtol=1e-5)


def observed(values: float, shared: Shared = USUAL) -> float:
    """Give the score, in nats, after one look at which NDVI and NDMI read so."""
    after = observe(
        start((1, 1)),
        reference(STEADY),
        fixed([[[0.8 + values]], [[0.4 + values]]], np.float32),
        day=DAYS[0],
        weights=HALF,
        shared=shared,
        norm=NORM,
        parameters=EvidenceParameters(clip=5.9),
    )
    return of_pixel(after)["score"] / SCORE_SCALE


def test_what_the_whole_scene_departs_by_is_no_evidence_against_one_pixel() -> None:
    hazy = Shared(offset=np.full((2, 1, 1), -0.2, dtype=np.float32), noise=USUAL.noise)
    assert observed(-0.2) == pytest.approx(5.9, abs=0.01)
    assert observed(-0.2, hazy) == 0


def test_a_noisy_scene_is_believed_less() -> None:
    noisy = Shared(offset=USUAL.offset, noise=2 * USUAL.noise)
    assert observed(-0.075) == pytest.approx(4.5, abs=0.01)  # 6 x 3.75 - 18
    assert observed(-0.075, noisy) == 0


def test_ground_without_a_reference_is_not_judged_but_was_seen() -> None:
    values = fixed([[[0.0, NAN]], [[0.0, 0.0]]], np.float32)
    state = start((1, 2))
    for day in DAYS[:5]:
        state = observe(
            fixed(state),
            reference(UNKNOWN, UNKNOWN),
            values,
            day=day,
            weights=HALF,
            shared=USUAL,
            norm=NORM,
            parameters=EvidenceParameters(),
        )
    assert not tiers(state, EvidenceParameters()).any()
    seen, clouded = of_pixel(state, 0), of_pixel(state, 1)
    assert (seen["n_clear"], seen["last_clear"]) == (5, DAYS[4])
    assert (clouded["n_clear"], clouded["last_clear"]) == (0, DAY)
    assert seen["score"] == seen["first_seen"] == 0


def test_looks_at_ground_without_a_reference_stop_being_counted_at_the_end() -> None:
    after = observe(
        evidence((1, 1), n_clear=FULL),
        reference(UNKNOWN),
        fixed([[[0.8]], [[0.4]]], np.float32),
        day=DAYS[0],
        weights=HALF,
        shared=USUAL,
        norm=NORM,
        parameters=EvidenceParameters(),
    )
    assert of_pixel(after)["n_clear"] == FULL


# ----------------------------------------------------------- what a scene as a whole is


def described(sample: np.ndarray, min_sample: int = 200) -> SceneStatistics | None:
    cell, cells = one_cell(sample.shape[1])
    return scene_statistics(
        fixed(sample),
        norm=NORM,
        parameters=EvidenceParameters(min_sample=min_sample),
        cell=cell,
        cells=cells,
    )


def test_a_scene_is_described_by_the_median_and_spread_of_its_sample() -> None:
    random = np.random.default_rng(3)
    sample = random.normal(0.1, 0.06, (2, 4000)).astype(np.float32)
    sample[:, :400] = -0.8  # felled everywhere, a tenth of the sample
    sample[0, 400:1000] = np.nan
    found = described(sample, min_sample=3400)
    assert found is not None
    assert found.sample == 3400
    np.testing.assert_allclose(found.offset[:, 0], [0.09, 0.09], atol=0.01)
    np.testing.assert_allclose(found.noise[:, 0], [3.3, 3.3], atol=0.4)


def test_a_scene_that_shows_too_little_says_nothing() -> None:
    sample = np.zeros((2, 300), dtype=np.float32)
    sample[1, 199:] = np.nan
    assert described(sample, min_sample=200) is None
    assert described(sample[:, :0], min_sample=200) is None


def test_a_scene_finer_than_usual_is_not_believed_more() -> None:
    found = described(np.zeros((2, 300), dtype=np.float32))
    assert found is not None
    assert found.noise.tolist() == [[1], [1]]
