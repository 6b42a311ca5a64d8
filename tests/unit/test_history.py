"""The reference: what unchanged looks like, whatever clouds and seasons do."""

from datetime import date

import numpy as np
import pytest
from numpy.typing import NDArray
from pixels import NORM, common, fixed, one_cell
from scipy import optimize

from rsmonitor.errors import ContractError, HistoryError
from rsmonitor.records.parameters import HistoryParameters
from rsmonitor.records.rasters import REFERENCE_FILL, REFERENCE_SCALE, HistoryClass
from rsmonitor.stages.history import (
    BIWEIGHT,
    LEAST_SPREAD,
    Norm,
    SceneNorm,
    fit_reference,
    quantised,
    robust_fit,
    scene_noise,
    scene_norm,
    seasonal_terms,
)

UNTIL = date(2018, 6, 30)
DAYS = 16_600 + 10 * np.arange(90, dtype=np.int64)
ONE = np.array([1.0], dtype=np.float32)
STABLE = HistoryClass.STABLE


def parameters(**changes: float) -> HistoryParameters:
    return HistoryParameters(until=UNTIL, **changes)  # type: ignore[arg-type]


def fit(
    values: NDArray[np.float32],
    offsets: NDArray[np.float32] | None = None,
    *,
    days: NDArray[np.int64] | None = None,
    **changes: float,
) -> NDArray[np.int16]:
    """Fit one index over one row of pixels, given as (time, pixel)."""
    days = DAYS[: len(values)] if days is None else days
    if offsets is None:
        offsets = np.zeros((len(values), 1), dtype=np.float32)
    return fit_reference(
        fixed(values, np.float32)[:, None, None, :],
        days,
        fixed(offsets)[:, :, None, None],
        norm=common(1),
        weights=ONE,
        names=("ndmi",),
        parameters=parameters(**changes),
    )[:, 0]


# ------------------------------------------------------------------- the seasonal terms


def test_the_terms_come_round_after_a_year() -> None:
    year = seasonal_terms(np.array([0, 1461]), 2)  # four years hold a leap day
    np.testing.assert_allclose(year[0], year[1], atol=1e-12)
    assert year.shape == (2, 5)
    assert year[0].tolist() == [1, 1, 0, 1, 0]


def test_without_harmonics_only_the_mean_is_left() -> None:
    assert seasonal_terms(DAYS, 0).tolist() == [[1.0]] * len(DAYS)


# ----------------------------------------------------------------------- the robust fit


@pytest.mark.parametrize("harmonics", [0, 1, 2, 3])
def test_clean_data_are_fitted_as_least_squares_fits_them(harmonics: int) -> None:
    random = np.random.default_rng(harmonics)
    terms = seasonal_terms(DAYS, harmonics)
    y = terms @ random.uniform(-0.3, 0.3, (terms.shape[1], 20))
    ours, spread, looks = robust_fit(fixed(y), terms, parameters(ridge=0.0))
    theirs, *_ = np.linalg.lstsq(terms, y, rcond=None)
    np.testing.assert_allclose(ours, theirs, atol=1e-8)
    assert (spread == LEAST_SPREAD).all(), "no scatter is less than rounding"
    assert (looks == len(DAYS)).all()


def test_noise_with_clouds_is_fitted_as_scipy_minimises_the_biweight() -> None:
    random = np.random.default_rng(5)
    terms = seasonal_terms(DAYS, 1)
    y = terms @ np.array([[0.7], [0.1], [-0.05]]) + random.normal(0, 0.02, (90, 8))
    y[random.random(y.shape) < 0.08] -= 0.5  # missed clouds
    ours, spread, _ = robust_fit(fixed(y), terms, parameters(ridge=0.0))

    def biweight(squares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the loss and its first two derivatives, as scipy wants them."""
        left = np.maximum(1 - squares, 0)
        return np.stack([(1 - left**3) / 3, left**2, -2 * left])

    for pixel in range(y.shape[1]):
        best = optimize.least_squares(
            lambda x, pixel=pixel: terms @ x - y[:, pixel],
            np.median(y[:, pixel]) * np.array([1, 0, 0]),
            loss=biweight,
            f_scale=BIWEIGHT * spread[pixel],
        )
        np.testing.assert_allclose(ours[:, pixel], best.x, atol=1e-3)


def test_the_spread_is_that_of_the_noise_and_not_of_the_clouds() -> None:
    random = np.random.default_rng(6)
    y = 0.7 + random.normal(0, 0.02, (90, 400))
    y[::12] = 0.1
    _, spread, _ = robust_fit(fixed(y), seasonal_terms(DAYS, 1), parameters())
    assert np.median(spread) == pytest.approx(0.02, rel=0.15)


def test_the_ridge_holds_the_season_and_not_the_mean() -> None:
    terms = seasonal_terms(DAYS, 1)
    y = terms @ np.array([[0.7], [0.2], [0.0]])
    loose, _, _ = robust_fit(y, terms, parameters(ridge=0.0))
    tight, _, _ = robust_fit(y, terms, parameters(ridge=100.0))
    assert abs(tight[1, 0]) < 0.5 * abs(loose[1, 0])
    assert tight[0, 0] == pytest.approx(0.7, abs=0.02)


@pytest.mark.parametrize("ridge", [0.0, 0.3])
@pytest.mark.parametrize("looks", [0, 1, 2])
def test_a_pixel_with_hardly_a_look_does_not_stop_the_fit(
    ridge: float, looks: int
) -> None:
    y = np.full((90, 2), 0.7)
    y[looks:, 0] = np.nan
    coefficients, spread, counted = robust_fit(
        fixed(y), seasonal_terms(DAYS, 1), parameters(ridge=ridge)
    )
    assert np.isfinite(coefficients).all()
    assert np.isfinite(spread).all()
    assert counted.tolist() == [looks, 90]
    np.testing.assert_allclose(coefficients[:, 1], [0.7, 0, 0], atol=1e-6)
    if not looks:
        assert not coefficients[:, 0].any()


# ----------------------------------------------------------------- what whole scenes do


def scenes(
    shift: NDArray[np.float64], pixels: int = 300, *, noise: float = 0.0
) -> NDArray[np.float32]:
    """Show a mixed landscape under scenes that are all a little off."""
    random = np.random.default_rng(7)
    ground = random.uniform(0.2, 0.9, pixels)
    values = ground + shift[:, None] + random.normal(0, 1, (len(shift), pixels)) * noise
    return values.astype(np.float32)[:, None]


def norm_of(
    values: NDArray[np.float32], *, min_sample: int = 50, **changes: float
) -> SceneNorm:
    cell, cells = one_cell(values.shape[2])
    return scene_norm(
        fixed(values),
        DAYS[: len(values)],
        weights=ONE,
        min_sample=min_sample,
        parameters=parameters(**changes),
        cell=cell,
        cells=cells,
    )


def test_scenes_that_differ_as_a_whole_differ_in_their_offset_alone() -> None:
    shift = np.random.default_rng(8).uniform(-0.2, 0.2, len(DAYS))
    found = norm_of(scenes(shift))
    offsets = found.offsets[:, 0, 0] - found.offsets[0, 0, 0]
    np.testing.assert_allclose(offsets, shift - shift[0], atol=1e-6)
    assert found.floor.item() == pytest.approx(LEAST_SPREAD)


def test_clouds_over_bright_ground_do_not_make_a_scene_look_dark() -> None:
    values = scenes(np.zeros(len(DAYS)))
    bright = values[0, 0] > 0.5
    values[10, 0, bright] = np.nan
    found = norm_of(values)
    # one round of medians alone would be off by a quarter of the range, 0.18
    assert abs((found.offsets[10] - found.offsets[0]).item()) < 0.01


def test_clouds_that_prefer_some_cover_do_not_widen_the_spread_of_pixels() -> None:
    random = np.random.default_rng(0)
    fields = np.arange(300) < 100
    values = np.where(fields, 0.45, 0.85) + random.normal(0, 0.02, (90, 300))
    for scene in values:
        hidden = np.where(fields, random.uniform(0, 0.9), random.uniform(0, 0.9))
        scene[random.random(300) < hidden] = np.nan
    found = norm_of(values.astype(np.float32)[:, None], min_sample=20)
    assert found.floor.item() < 0.021, "0.024 after one round"


def test_a_scene_with_too_small_a_sample_has_no_offset() -> None:
    values = scenes(np.zeros(len(DAYS)))
    values[3, 0, 49:] = np.nan
    values[4, 0, 50:] = np.nan
    found = norm_of(values, min_sample=50)
    assert np.isnan(found.offsets[:, 0, 0]).nonzero()[0].tolist() == [3]


def test_usual_spread_and_floor_are_those_of_the_noise() -> None:
    found = norm_of(scenes(np.zeros(len(DAYS)), noise=0.03))
    assert found.spread.item() == pytest.approx(0.03, rel=0.1)
    assert found.floor.item() == pytest.approx(0.03, rel=0.1)
    assert found.combined == pytest.approx(1.0, rel=0.1)


def test_ground_outside_the_swath_does_not_lower_the_floor_under_spreads() -> None:
    values = scenes(np.zeros(len(DAYS)), noise=0.03)
    whole = norm_of(values).floor.item()
    values[:, :, :200] = np.nan  # two thirds of the sample are never seen
    values[:3, :, 100:200] = 0.5  # some of it three times
    assert norm_of(values).floor.item() == pytest.approx(whole, rel=0.1)


def test_two_indices_that_say_the_same_scatter_as_one_and_others_less() -> None:
    same = scenes(np.zeros(len(DAYS)), noise=0.03)
    other = scenes(np.zeros(len(DAYS))) + np.random.default_rng(9).normal(
        0, 0.03, same.shape
    ).astype(np.float32)
    half = np.array([0.5, 0.5], dtype=np.float32)

    def combined(*indices: NDArray[np.float32]) -> float:
        values = np.concatenate(indices, axis=1)
        cell, cells = one_cell(values.shape[2])
        return scene_norm(
            values,
            DAYS,
            weights=half,
            min_sample=50,
            parameters=parameters(),
            cell=cell,
            cells=cells,
        ).combined

    assert combined(same, same) == pytest.approx(1.0, rel=0.1)
    assert combined(same, other) == pytest.approx(0.5**0.5, rel=0.1)


def test_a_history_with_too_few_scenes_is_refused_with_what_to_do() -> None:
    with pytest.raises(HistoryError, match=r"11 scenes.*12 are needed.*Start.*earlier"):
        norm_of(scenes(np.zeros(11)))
    norm_of(scenes(np.zeros(12)))


def test_a_sample_without_pixels_is_refused() -> None:
    with pytest.raises(HistoryError, match="0 scenes"):
        norm_of(scenes(np.zeros(len(DAYS)), pixels=0))


def test_a_hazy_scene_is_believed_less_and_a_fine_one_not_more() -> None:
    assert scene_noise(np.array([0.01, 0.02, 0.06]), 0.02).tolist() == [1, 1, 3]


# ----------------------------------------------------------------- what is stored of it


def test_the_reference_is_coefficients_spread_and_looks() -> None:
    terms = seasonal_terms(DAYS, 1)
    y = terms @ np.array([[0.7, 0.3], [0.1, 0.0], [-0.05, 0.2]])
    reference = fit(y, ridge=0.0)
    assert reference[:3].tolist() == [[7000, 3000], [1000, 0], [-500, 2000]]
    assert reference[3].tolist() == [LEAST_SPREAD * REFERENCE_SCALE] * 2
    assert reference[4:].tolist() == [[90] * 2, [DAYS[-1]] * 2, [STABLE] * 2]


def test_scene_offsets_are_taken_off_before_the_fit() -> None:
    shift = np.random.default_rng(10).uniform(-0.3, 0.3, (90, 1)).astype(np.float32)
    np.testing.assert_array_equal(fit(0.6 + shift, shift), fit(np.full((90, 1), 0.6)))


def test_a_pixel_with_too_few_looks_is_not_monitored_but_its_looks_are_known() -> None:
    values = np.full((90, 3), 0.7)
    values[11:, 0] = np.nan
    values[12:, 1] = np.nan
    reference = fit(values)
    assert (reference[:-3, 0] == REFERENCE_FILL).all()
    assert (reference[:-3, 1:] != REFERENCE_FILL).all()
    assert reference[-3].tolist() == [11, 12, 90]
    assert reference[-2].tolist() == DAYS[[10, 11, 89]].tolist()
    assert reference[-1].tolist() == [HistoryClass.TOO_FEW, STABLE, STABLE]


def test_looks_of_a_scene_without_offset_do_not_count() -> None:
    offsets = np.zeros((90, 1), dtype=np.float32)
    offsets[:30] = np.nan
    values = np.full((90, 1), 0.7)
    values[:30] = 0.0
    reference = fit(values, offsets)
    assert reference[-3].item() == 60
    assert reference[0].item() == 7000


def test_a_look_that_lacks_one_index_counts_for_none() -> None:
    values = np.full((90, 2, 1, 1), 0.5, dtype=np.float32)
    values[5:, 1] = np.nan
    offsets = np.zeros((90, 2), dtype=np.float32)
    reference = fit_reference(
        values,
        DAYS,
        offsets[:, :, None, None],
        norm=common(2),
        weights=np.array([0.5, 0.5], dtype=np.float32),
        names=("ndmi", "nbr"),
        parameters=parameters(),
    )
    assert reference[-3].item() == 5
    assert (reference[:-3] == REFERENCE_FILL).all()


def test_more_looks_than_the_counter_holds_stop_at_its_end() -> None:
    looks = np.iinfo(np.int16).max + 5
    days = np.arange(looks, dtype=np.int64)
    assert fit(np.full((looks, 1), 0.5), days=days, harmonics=0)[-3].item() == 32_767


@pytest.mark.parametrize(
    ("offsets", "days"), [((90, 2), 90), ((89, 1), 90), ((90, 1), 89)]
)
def test_arrays_that_do_not_belong_together_are_refused(
    offsets: tuple[int, int], days: int
) -> None:
    with pytest.raises(ContractError, match=r"\(90, 1, 1, 1\).*do not agree"):
        fit_reference(
            np.zeros((90, 1, 1, 1), dtype=np.float32),
            DAYS[:days],
            np.zeros((*offsets, 1, 1), dtype=np.float32),
            norm=common(1),
            weights=ONE,
            names=("ndvi",),
            parameters=parameters(),
        )


def test_stored_numbers_never_reach_the_fill_value() -> None:
    stored = quantised(np.array([-99.0, -3.2768, 3.2767, 99.0, 0.00004, -0.00006]))
    assert stored.tolist() == [-32_767, -32_767, 32_767, 32_767, 0, -1]
    assert REFERENCE_FILL not in stored


def test_what_is_usual_survives_being_stored() -> None:
    packed = SceneNorm(
        offsets=np.zeros((0, 2, 1), dtype=np.float32),
        green=np.array([0.9, 0.5], dtype=np.float32),
        spread=NORM.spread,
        floor=np.array([0.013, LEAST_SPREAD], dtype=np.float32),
        level=np.array([0.8, -0.3], dtype=np.float32),
        combined=0.71234,
    ).packed()
    assert packed.shape == (7, 1, 1)
    assert packed.dtype == np.int16
    back = Norm.unpack(packed)
    np.testing.assert_allclose(back.spread, NORM.spread, atol=5e-5)
    np.testing.assert_allclose(back.floor, [0.013, 0.001], atol=5e-5)
    np.testing.assert_allclose(back.level, [0.8, -0.3], atol=5e-5)
    assert back.combined == pytest.approx(0.7123)
