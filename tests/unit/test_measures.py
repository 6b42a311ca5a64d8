"""What is right, false and missed, how late, and how sure that is."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import ArrayLike, NDArray
from places import LOOKS, alarms, day, place
from scipy import stats

from rsmonitor.errors import ContractError
from rsmonitor.lab.detector import Detection
from rsmonitor.lab.measures import (
    Score,
    bootstrap,
    dry_months,
    f1_of,
    poisson_upper,
    score,
    share_of,
)
from rsmonitor.lab.series import Series, Truth

COUNTS = st.integers(0, 10_000)
SHAPE = (12, 12)


def judged(series: Series, found: Detection, **how: ArrayLike) -> Score:
    clear = np.ones((LOOKS, *series.truth.shape), dtype=np.bool_)
    inside = how.get("inside")
    return score(
        series,
        found,
        random=np.random.default_rng(1),
        clear=np.asarray(how.get("clear", clear), dtype=np.bool_),
        inside=None if inside is None else np.asarray(inside, dtype=np.bool_),
    )


def opening(*, rows: slice = slice(2, 5), cols: slice = slice(2, 5)) -> Series:
    """A place with one opening, of nine pixels where nothing else is said."""
    truth = np.zeros(SHAPE, dtype=np.uint8)
    truth[rows, cols] = Truth.OPENED
    return place(truth)


def alarm(series: Series, look: int) -> NDArray[np.int64]:
    return np.where(series.truth == Truth.OPENED, day(look), 0)


# ------------------------------------------------------------------------------- shares


@given(COUNTS, COUNTS, COUNTS)
def test_f1_is_the_harmonic_mean_of_precision_and_recall(
    right: int, false: int, missed: int
) -> None:
    assume(right > 0)
    precision, recall = right / (right + false), right / (right + missed)
    mean = 2 / (1 / precision + 1 / recall)
    assert f1_of(right, false, missed) == pytest.approx(mean)


@given(COUNTS, COUNTS, COUNTS)
def test_f1_does_not_ask_which_error_is_which(
    right: int, false: int, missed: int
) -> None:
    assert f1_of(right, false, missed) == f1_of(right, missed, false)


@given(COUNTS, COUNTS)
def test_f1_is_one_only_without_errors(right: int, wrong: int) -> None:
    assume(right > 0)
    assert (f1_of(right, wrong, 0) == 1) == (wrong == 0)


def test_nothing_to_find_and_nothing_found_is_no_score() -> None:
    assert f1_of(0, 0, 0) is None
    assert share_of(0, 0) is None


@given(
    arrays(np.uint8, SHAPE, elements=st.sampled_from([0, 1, 2])),
    arrays(np.bool_, SHAPE),
)
def test_the_score_of_any_map_keeps_its_identities(
    truth: NDArray[np.uint8], drawn: NDArray[np.bool_]
) -> None:
    series = place(truth)
    result = judged(series, alarms(np.where(drawn, day(120), 0)))
    opened = int((truth == Truth.OPENED).sum())
    assert result.pixels_opened == opened
    assert (result.f1 is None) == (opened == 0)
    if result.f1 and result.precision and result.recall:
        both = 1 / result.precision + 1 / result.recall
        assert result.f1 == pytest.approx(2 / both)
    assert 0 <= result.openings_found <= result.openings
    assert result.false_objects + result.objects_right <= result.objects
    turned = judged(
        replace(series, truth=truth[::-1, ::-1], began_after=series.began_after[::-1]),
        alarms(np.where(drawn[::-1, ::-1], day(120), 0)),
    )
    assert (turned.f1, turned.objects) == (result.f1, result.objects)


# --------------------------------------------------------------------- right and wrong


def test_a_perfect_detection_scores_one_in_everything() -> None:
    series = opening()
    result = judged(series, alarms(alarm(series, 102)))
    assert (result.precision, result.recall, result.f1) == (1, 1, 1)
    assert (result.openings, result.openings_found) == (1, 1)
    assert (result.object_precision, result.object_recall, result.object_f1) == (
        1,
        1,
        1,
    )
    assert result.false_objects == 0


def test_a_detection_of_nothing_finds_nothing_and_is_not_false() -> None:
    result = judged(opening(), alarms(np.zeros(SHAPE)))
    assert (result.precision, result.recall, result.f1) == (None, 0, 0)
    assert (result.objects, result.false_objects, result.delay.openings) == (0, 0, 0)


def test_an_alarm_before_the_change_is_false_and_the_change_is_missed() -> None:
    series = opening()
    early = judged(series, alarms(alarm(series, 90)))
    assert (early.precision, early.recall, early.f1) == (0, 0, 0)
    assert (early.openings_found, early.openings_premature) == (0, 1)
    assert early.false_objects == 1
    assert early.f1_any_day == 1


def test_an_alarm_on_the_last_day_that_is_known_unchanged_is_too_early() -> None:
    series = opening()
    assert judged(series, alarms(alarm(series, 99))).openings_premature == 1
    assert judged(series, alarms(alarm(series, 100))).openings_found == 1


def test_an_alarm_while_the_change_may_have_begun_is_right() -> None:
    series = opening()
    apart = np.where(series.truth == Truth.OPENED, day(80), 0)
    result = judged(replace(series, began_after=apart), alarms(alarm(series, 90)))
    assert result.f1 == 1
    assert result.openings_premature == 0


def test_specks_are_not_drawn() -> None:
    series = opening()
    days = np.zeros(SHAPE, dtype=np.int64)
    days[8, 8:11] = day(120)
    assert judged(series, alarms(days)).objects == 0
    days[9, 8] = day(120)
    assert judged(series, alarms(days)).false_objects == 1


def test_an_object_that_touches_what_is_not_counted_is_not_called_false() -> None:
    truth = np.zeros(SHAPE, dtype=np.uint8)
    truth[8, 8] = Truth.NOT_COUNTED
    days = np.zeros(SHAPE, dtype=np.int64)
    days[8, 5:9] = day(120)
    result = judged(place(truth), alarms(days))
    assert (result.objects, result.false_objects) == (1, 0)
    assert result.objects_right == 0


def test_one_blob_over_everything_is_not_a_right_object() -> None:
    series = opening()
    result = judged(series, alarms(np.full(SHAPE, day(120))))
    assert (result.objects, result.objects_right, result.false_objects) == (1, 0, 0)
    assert result.object_precision == 0


def test_what_is_not_counted_moves_no_share_of_pixels() -> None:
    truth = opening().truth.copy()
    truth[2:5, 5:9] = Truth.NOT_COUNTED
    series = place(truth)
    days = alarm(series, 102)
    more = np.where(truth == Truth.NOT_COUNTED, day(102), days)
    one, other = (judged(series, alarms(each)) for each in (days, more))
    assert (one.precision, one.recall) == (other.precision, other.recall) == (1, 1)


def test_pixels_that_are_places_of_their_own_are_objects_of_their_own() -> None:
    truth = np.array([[1, 1, 0, 0]], dtype=np.uint8)
    series = place(truth, connected=False)
    result = judged(series, alarms([[day(102), 0, day(102), 0]]))
    assert (result.openings, result.openings_found) == (2, 1)
    assert (result.objects, result.false_objects) == (2, 1)


def test_only_what_lies_inside_is_judged() -> None:
    series = opening()
    days = alarm(series, 102)
    days[8:10, 8:10] = day(102)
    west = np.arange(SHAPE[1])[None, :] < 6
    result = judged(
        series, alarms(days), inside=np.broadcast_to(west, SHAPE).astype(np.uint8)
    )
    assert (result.precision, result.false_objects) == (1, 0)
    assert judged(series, alarms(days)).false_objects == 1


def test_a_detection_of_another_shape_is_refused() -> None:
    with pytest.raises(ContractError, match=r"invented.*\(3, 3\)"):
        judged(opening(), alarms(np.zeros((3, 3))))


# -------------------------------------------------------------------------------- delay


def test_delay_counts_looks_after_the_first_that_shows_the_opening() -> None:
    series = opening()
    for look, delay in ((100, 0), (102, 2), (107, 7)):
        late = judged(series, alarms(alarm(series, look))).delay
        assert (late.looks, late.days, late.openings) == (delay, 10 * delay, 1)


def test_cloudy_looks_do_not_count_but_their_days_do() -> None:
    series = opening()
    clear = np.ones((LOOKS, *SHAPE), dtype=np.bool_)
    clear[101:105] = False
    late = judged(series, alarms(alarm(series, 106)), clear=clear).delay
    assert (late.looks, late.days) == (2, 60)


def test_a_confirmation_before_the_first_look_that_shows_it_is_negative() -> None:
    series = opening()
    wide = np.where(series.truth == Truth.OPENED, day(90), 0)
    late = judged(replace(series, began_after=wide), alarms(alarm(series, 97))).delay
    assert (late.looks, late.days) == (-3, -30)


def test_an_opening_is_confirmed_when_as_many_pixels_are_as_make_an_object() -> None:
    series = opening()
    days = alarm(series, 120)
    days[2, 2:5] = day(101)
    days[3, 2] = day(105)
    assert judged(series, alarms(days)).delay.looks == 5


def test_an_opening_without_a_known_start_has_no_delay() -> None:
    series = replace(opening(), began_by=np.zeros(SHAPE, dtype=np.int64))
    result = judged(series, alarms(alarm(series, 102)))
    assert result.openings_found == 1
    assert (result.delay.openings, result.delay.looks) == (0, None)


def test_delay_is_split_by_the_season_in_which_the_opening_began() -> None:
    # looks 100 and 118 are in April and in October
    truth = np.zeros(SHAPE, dtype=np.uint8)
    truth[2:4, 2:4] = truth[8:10, 8:10] = Truth.OPENED
    at = np.where(np.arange(SHAPE[0])[:, None] < 6, 100, 118)
    series = place(truth, opened_at=np.broadcast_to(at, SHAPE))
    days = np.where(truth == Truth.OPENED, series.began_by + 30, 0)
    days[8:10, 8:10] += 40
    month = series.days.astype("datetime64[D]").astype("datetime64[M]").astype(int) % 12
    clear = np.broadcast_to(
        ((month >= 3) & (month < 9))[:, None, None]
        | (np.arange(LOOKS) > 99)[:, None, None],
        (LOOKS, *SHAPE),
    )
    result = judged(series, alarms(days), clear=clear)
    assert (result.delay_dry.openings, result.delay_wet.openings) == (1, 1)
    assert (result.delay_dry.days, result.delay_wet.days) == (30, 70)


def test_the_dry_season_is_the_half_year_that_is_seen_most() -> None:
    days = np.arange(730)
    summer = ((days % 365) > 130) & ((days % 365) < 260)
    assert dry_months(days, summer.astype(float)) >= {5, 6, 7, 8, 9}


@given(arrays(np.float64, 60, elements=st.floats(0, 1)))
def test_a_dry_season_is_six_months_in_a_row(share: NDArray[np.float64]) -> None:
    months = dry_months(np.arange(0, 600, 10), share)
    assert len(months) == 6
    assert sum((month % 12) + 1 in months for month in months) == 5


# ------------------------------------------------------------------------ false alarms


@given(st.integers(0, 500), st.floats(1e-3, 1e4))
def test_at_the_poisson_limit_as_few_events_are_seen_in_one_case_of_twenty(
    events: int, exposure: float
) -> None:
    limit = poisson_upper(events, exposure)
    assert stats.poisson.cdf(events, limit * exposure) == pytest.approx(0.05, rel=1e-6)


@given(st.integers(0, 200), st.floats(0.01, 100))
def test_the_limit_rises_with_events_and_falls_with_exposure(
    events: int, exposure: float
) -> None:
    limit = poisson_upper(events, exposure)
    assert poisson_upper(events + 1, exposure) > limit > events / exposure
    assert poisson_upper(events, exposure * 2) == pytest.approx(limit / 2)


@pytest.mark.parametrize(
    ("events", "exposure"), [(-1, 1.0), (0, 0.0), (0, -1.0), (0, float("nan"))]
)
def test_a_limit_of_nothing_watched_is_refused(events: int, exposure: float) -> None:
    with pytest.raises(ContractError, match="no limit"):
        poisson_upper(events, exposure)


def test_exposure_is_unchanged_ground_that_was_watched_times_years() -> None:
    series = opening()
    years = (LOOKS - 75) * 10 / 365.25
    whole = judged(series, alarms(np.zeros(SHAPE)))
    assert whole.exposure_km2_years == pytest.approx((144 - 9) * 1e-4 * years)
    assert whole.false_upper95_per_100km2_year == pytest.approx(
        100 * 2.9957 / whole.exposure_km2_years, rel=1e-4
    )
    north = np.arange(SHAPE[0])[:, None] < 6
    half = judged(
        series,
        alarms(np.zeros(SHAPE), monitored=np.broadcast_to(north, SHAPE)),
    )
    assert half.exposure_km2_years == pytest.approx((72 - 9) * 1e-4 * years)
    assert half.monitored == 0.5


def test_without_exposure_nothing_is_said_of_false_alarms() -> None:
    series = place(np.ones((2, 2)))
    result = judged(series, alarms(np.full((2, 2), day(110))))
    assert result.exposure_km2_years == 0
    assert result.false_upper95_per_100km2_year is None


# --------------------------------------------------------------------------- intervals


def test_bootstrap_intervals_cover_the_truth_as_often_as_they_say() -> None:
    random = np.random.default_rng(3)
    covered = 0
    for _ in range(300):
        found = random.random(60) < 0.7
        low, high = bootstrap(found, lambda drawn: drawn.mean(axis=1), random) or (1, 0)
        covered += low <= 0.7 <= high
    assert 0.90 <= covered / 300 <= 0.98


def test_units_that_do_not_differ_leave_no_doubt() -> None:
    same = np.full(20, 4.0)
    random = np.random.default_rng(1)
    assert bootstrap(same, lambda drawn: drawn.mean(axis=1), random) == (4, 4)


def test_a_handful_of_units_gives_no_interval() -> None:
    random = np.random.default_rng(1)
    assert bootstrap(np.arange(7), lambda drawn: drawn.mean(axis=1), random) is None


def test_a_statistic_that_is_never_defined_gives_no_interval() -> None:
    random = np.random.default_rng(1)
    with np.errstate(invalid="ignore"):
        nowhere = bootstrap(
            np.zeros(10), lambda drawn: drawn.sum(axis=1) / drawn.sum(axis=1), random
        )
    assert nowhere is None


def test_intervals_of_a_scene_hold_its_score_and_are_the_same_every_time() -> None:
    random = np.random.default_rng(5)
    truth = np.zeros((100, 100), dtype=np.uint8)
    for row in range(5, 95, 12):
        for col in range(5, 95, 12):
            truth[row : row + 4, col : col + 4] = Truth.OPENED
    series = place(truth)
    found = np.where((truth == Truth.OPENED) & (random.random(truth.shape) < 0.9), 1, 0)
    found[random.random(truth.shape) < 0.01] = 1
    clear = np.ones((LOOKS, 100, 100), dtype=np.bool_)
    one, other = (
        score(
            series,
            alarms(found * day(103)),
            random=np.random.default_rng(9),
            clear=clear,
        )
        for _ in range(2)
    )
    assert one == other
    for value, interval in (
        (one.precision, one.precision_interval),
        (one.recall, one.recall_interval),
        (one.f1, one.f1_interval),
        (one.delay.looks, one.delay.looks_interval),
    ):
        assert value is not None
        assert interval is not None
        assert interval[0] <= value <= interval[1]
    assert one.f1_interval[1] - one.f1_interval[0] < 0.1  # type: ignore[index]
