"""Laws of what was seen, of indices, of composites and of evidence, for any ground."""

import itertools
from collections.abc import Sequence
from datetime import date
from random import Random

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from pixels import DAY, NORM, common, days_of, fixed, one_cell, start, watch

from rsmonitor.records.parameters import (
    ClearParameters,
    EvidenceParameters,
    HistoryParameters,
)
from rsmonitor.records.rasters import (
    DEPARTURE_ZERO,
    EVIDENCE_PLANES,
    REFERENCE_FILL,
    REFERENCE_SCALE,
    SCORE_SCALE,
    Scl,
    Tier,
    planes,
)
from rsmonitor.stages.clear import clear_ground
from rsmonitor.stages.composite import median_composite
from rsmonitor.stages.evidence import (
    initial_state,
    observe,
    residuals,
    scene_statistics,
    tiers,
)
from rsmonitor.stages.history import (
    Norm,
    fit_reference,
    quantised,
    robust_fit,
    scene_norm,
    seasonal_terms,
)
from rsmonitor.stages.indices import (
    INDICES,
    normalized_difference,
    spectral_indices,
)
from rsmonitor.stages.levelling import Shared

HISTORY = HistoryParameters(until=date(2018, 6, 30))
BANDS = ("B02", "B03", "B04", "B08", "B11", "B12")
FINITE = st.floats(-(2.0**90), 2.0**90, width=32)
ANYTHING = st.one_of(FINITE, st.sampled_from([np.nan, np.inf, -np.inf, 0.0]))
LIGHT = st.floats(2.0**-12, 2, width=32)

# ------------------------------------------------------------------------------ indices


@given(arrays(np.float32, (2, 30), elements=ANYTHING))
def test_a_normalised_difference_is_in_its_range_or_unknown(
    light: NDArray[np.float32],
) -> None:
    ratio = normalized_difference(*light)
    assert ((np.abs(ratio) <= 1) | np.isnan(ratio)).all()
    assert np.isnan(ratio[~np.isfinite(light).all(axis=0)]).all()


@given(arrays(np.float32, (2, 30), elements=ANYTHING))
def test_swapping_the_bands_turns_the_sign(light: NDArray[np.float32]) -> None:
    a, b = light
    np.testing.assert_array_equal(
        normalized_difference(a, b), -normalized_difference(b, a)
    )


@given(arrays(np.float32, (2, 30), elements=LIGHT), st.floats(2.0**-6, 64, width=32))
def test_brighter_light_changes_no_normalised_difference(
    light: NDArray[np.float32], factor: float
) -> None:
    a, b = light
    np.testing.assert_allclose(
        normalized_difference(*(light * np.float32(factor))),
        normalized_difference(a, b),
        atol=1e-6,
    )


@given(
    arrays(np.float32, (len(BANDS), 1, 30), elements=ANYTHING),
    st.permutations(list(INDICES)),
)
def test_every_index_is_in_its_range_whatever_the_bands_hold(
    reflectance: NDArray[np.float32], names: list[str]
) -> None:
    values = spectral_indices(fixed(reflectance), bands=BANDS, names=tuple(names))
    for name, value in zip(names, values, strict=True):
        if name != "dred":
            assert ((np.abs(value) <= 1) | np.isnan(value)).all(), name


@given(arrays(np.float32, (1, 1, 30), elements=ANYTHING))
def test_more_red_is_never_darker_and_noise_below_the_floor_is_one_value(
    red: NDArray[np.float32],
) -> None:
    dark = spectral_indices(fixed(red), bands=("B04",), names=("dred",)).ravel()
    light = red.ravel()
    np.testing.assert_array_equal(np.isnan(dark), np.isnan(light))
    order = np.argsort(light)  # NaN go last
    known = dark[order][: int((~np.isnan(light)).sum())]
    assert (known[1:] <= known[:-1]).all()
    assert (known <= -np.log10(np.float32(0.002))).all()
    assert len(np.unique(dark[light < 0.002])) <= 1


@given(
    arrays(np.float32, 30, elements=st.floats(2.0**-6, 2, width=32)),
    st.floats(0.5, 8, width=32),
)
def test_brighter_red_shifts_darkness_by_the_same_everywhere(
    red: NDArray[np.float32], factor: float
) -> None:
    stacked = np.stack([red, red * np.float32(factor)])[None]
    before, after = spectral_indices(stacked, bands=("B04",), names=("dred",))[0]
    np.testing.assert_allclose(before - after, np.log10(factor), atol=1e-5)


# -------------------------------------------------------------------------------- clear

CLASSES = st.one_of(st.sampled_from([int(scl) for scl in Scl]), st.just(4))


@st.composite
def looks_at_ground(
    draw: st.DrawFn,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    shape = draw(array_shapes(min_dims=2, max_dims=2, max_side=12))
    scl = draw(arrays(np.uint8, shape, elements=CLASSES))
    light = st.one_of(st.floats(-0.5, 1.5, width=32), st.sampled_from([np.nan, np.inf]))
    reflectance = draw(arrays(np.float32, (3, *shape), elements=light))
    return reflectance, scl


def clear_of(
    look: tuple[NDArray[np.float32], NDArray[np.uint8]], radius: int
) -> NDArray[np.bool_]:
    reflectance, scl = look
    clear, counts = clear_ground(
        fixed(reflectance),
        fixed(scl),
        bands=("B03", "B04", "B11"),
        grow_pixels=radius,
        parameters=ClearParameters(),
    )
    gone = counts.not_measured + counts.classed_out + counts.grown_out + counts.snow
    assert gone + counts.clear == counts.pixels == scl.size
    assert counts.clear == clear.sum()
    return clear


@given(looks_at_ground(), st.integers(0, 6), st.integers(0, 6))
def test_growing_clouds_further_never_makes_a_pixel_clear(
    look: tuple[NDArray[np.float32], NDArray[np.uint8]], radius: int, more: int
) -> None:
    assert (clear_of(look, radius + more) <= clear_of(look, radius)).all()


@given(looks_at_ground())
def test_what_is_clear_was_measured_and_classed_as_ground(
    look: tuple[NDArray[np.float32], NDArray[np.uint8]],
) -> None:
    clear = clear_of(look, 0)
    reflectance, scl = look
    assert np.isfinite(reflectance[:, clear]).all()
    assert np.isin(scl[clear], ClearParameters().clear_classes).all()


@given(looks_at_ground(), st.integers(0, 4), st.data())
def test_a_block_read_with_its_margin_sees_what_the_whole_scene_sees(
    look: tuple[NDArray[np.float32], NDArray[np.uint8]],
    radius: int,
    data: st.DataObject,
) -> None:
    reflectance, scl = look
    row, col = (data.draw(st.integers(0, n - 1)) for n in scl.shape)
    rows = slice(max(0, row - radius), row + radius + 1)
    cols = slice(max(0, col - radius), col + radius + 1)
    part = clear_of((reflectance[:, rows, cols], scl[rows, cols]), radius)
    assert part[row - rows.start, col - cols.start] == clear_of(look, radius)[row, col]


# ---------------------------------------------------------------------------- composite


@st.composite
def stacks(draw: st.DrawFn) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    looks = draw(st.integers(1, 7))
    clear = draw(arrays(np.bool_, (looks, 2, 3)))
    reflectance = draw(
        arrays(np.float32, (looks, 2, 2, 3), elements=st.floats(-1, 2, width=32))
    )
    hidden = np.broadcast_to(~clear[:, None], reflectance.shape)
    fill = draw(st.sampled_from([np.nan, np.inf, 9.0]))
    return np.where(hidden, np.float32(fill), reflectance), clear


@given(stacks(), st.randoms(use_true_random=False))
def test_the_order_of_looks_does_not_matter_to_a_composite(
    stack: tuple[NDArray[np.float32], NDArray[np.bool_]], random: Random
) -> None:
    reflectance, clear = stack
    order = list(range(len(clear)))
    random.shuffle(order)
    for one, other in zip(
        median_composite(fixed(reflectance), fixed(clear)),
        median_composite(reflectance[order], clear[order]),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


@given(stacks())
def test_a_composite_of_one_look_is_that_look(
    stack: tuple[NDArray[np.float32], NDArray[np.bool_]],
) -> None:
    reflectance, clear = stack[0][:1], stack[1][:1]
    composite, n_clear = median_composite(reflectance, clear)
    np.testing.assert_array_equal(
        composite, np.where(clear[0], reflectance[0], np.float32(np.nan))
    )
    np.testing.assert_array_equal(n_clear, clear[0])


@given(stacks(), st.integers(0, 7))
def test_a_wholly_cloudy_look_changes_nothing_in_a_composite(
    stack: tuple[NDArray[np.float32], NDArray[np.bool_]], place: int
) -> None:
    reflectance, clear = stack
    place = min(place, len(clear))
    for one, other in zip(
        median_composite(reflectance, clear),
        median_composite(
            np.insert(reflectance, place, np.float32(0.9), axis=0),
            np.insert(clear, place, values=False, axis=0),
        ),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


# ------------------------------------------------------------------------------ history


@given(
    arrays(np.float64, 40, elements=st.floats(-0.5, 0.5)),
    st.integers(0, 2**32 - 1),
)
def test_what_is_common_to_a_scene_is_taken_for_its_offset_exactly(
    shift: NDArray[np.float64], seed: int
) -> None:
    ground = np.random.default_rng(seed).uniform(0.2, 0.9, 60)
    values = (ground + shift[:, None]).astype(np.float32)[:, None]
    days = 16_600 + 10 * np.arange(40)
    cell, cells = one_cell(60)
    norm = scene_norm(
        fixed(values),
        days,
        weights=np.ones(1, dtype=np.float32),
        min_sample=20,
        parameters=HISTORY,
        cell=cell,
        cells=cells,
    )
    np.testing.assert_allclose(
        norm.offsets[:, 0, 0] - norm.offsets[0, 0, 0], shift - shift[0], atol=1e-6
    )
    reference = fit_reference(
        values[:, :, None, :],
        days,
        norm.offsets[..., None],
        norm=norm,
        weights=np.ones(1, dtype=np.float32),
        names=("ndmi",),
        parameters=HISTORY,
    )
    for t, day in enumerate(days):
        left = residuals(values[t][:, None], reference, int(day))[0, 0]
        np.testing.assert_allclose(left, shift[t] + np.median(ground), atol=2e-4)


@given(
    st.integers(0, 2**32 - 1),
    st.sets(st.integers(0, 59), max_size=6),
    st.floats(0.2, 1.5),
    st.sampled_from([-1, 1]),
)
def test_a_few_missed_clouds_hardly_move_the_reference(
    seed: int, missed: set[int], depth: float, sign: int
) -> None:
    random = np.random.default_rng(seed)
    terms = seasonal_terms(16_600 + 10 * np.arange(60), 1)
    truth = np.array([[0.7], [0.1], [-0.05]])
    y = terms @ truth + random.normal(0, 0.02, (60, 1))
    clouded = y.copy()
    clouded[sorted(missed)] += sign * depth
    clean, _, _ = robust_fit(fixed(y), terms, HISTORY)
    found, spread, _ = robust_fit(fixed(clouded), terms, HISTORY)
    assert np.abs(found - clean).max() < 0.02, "less than one spread"
    assert spread.item() < 0.04


@given(arrays(np.float64, 20, elements=st.floats(-3.27, 3.27)))
def test_storing_moves_a_number_by_half_a_step_at_most_and_only_once(
    values: NDArray[np.float64],
) -> None:
    stored = quantised(fixed(values))
    back = stored / REFERENCE_SCALE
    assert (np.abs(back - values) <= 0.5 / REFERENCE_SCALE + 1e-12).all()
    np.testing.assert_array_equal(quantised(back), stored)
    np.testing.assert_array_equal(quantised(np.sort(values)), np.sort(stored))


@given(arrays(np.float64, 20, elements=st.floats(-1e300, 1e300)))
def test_no_number_is_stored_as_not_monitored(values: NDArray[np.float64]) -> None:
    assert (quantised(values) != REFERENCE_FILL).all()


# ----------------------------------------------------------------------------- evidence

Z = st.one_of(
    st.floats(-40, 40, width=32),
    st.sampled_from([np.nan, 0.0, -3.0, -3.5, -6.0, -1e6, 1e6]),
)


@st.composite
def series(draw: st.DrawFn) -> NDArray[np.float32]:
    shape = (draw(st.integers(1, 12)), draw(st.integers(1, 2)), draw(st.integers(1, 4)))
    return draw(arrays(np.float32, shape, elements=Z))


@st.composite
def settings_of_the_test(draw: st.DrawFn) -> EvidenceParameters:
    # levels in the steps in which they are stored, else they hold to half a step
    clip = draw(st.integers(SCORE_SCALE, 20 * SCORE_SCALE))
    levels = [clip]
    for least in (1, 0, 0, 0):
        levels.append(levels[-1] + draw(st.integers(least, 8 * SCORE_SCALE)))
    clip, low, medium, high, cap = (level / SCORE_SCALE for level in levels)
    drop = draw(st.floats(0.5, 20))
    return EvidenceParameters(
        drop=drop, clip=clip, low=low, medium=medium, high=high, cap=cap
    )


@st.composite
def days_for(draw: st.DrawFn, looks: int) -> Sequence[int]:
    gaps = draw(st.lists(st.integers(1, 90), min_size=looks, max_size=looks))
    return [DAY + int(passed) for passed in np.cumsum(gaps)]


@given(
    arrays(np.float32, (20, 1, 3), elements=st.floats(0, 40, width=32)),
    settings_of_the_test(),
)
def test_undisturbed_ground_leaves_no_evidence_however_long_it_is_watched(
    above: NDArray[np.float32], parameters: EvidenceParameters
) -> None:
    limit = np.float32(-parameters.drop / 2)
    assume(limit >= -parameters.drop / 2)
    steady = np.maximum(above + limit, limit)
    state = watch(steady, parameters=parameters)[-1]
    assert not planes(state)["score"].any()
    assert not planes(state)["first_seen"].any()
    assert not tiers(state, parameters).any()


@given(series(), settings_of_the_test())
def test_ground_that_was_not_observed_is_never_disturbed(
    looks: NDArray[np.float32], parameters: EvidenceParameters
) -> None:
    looks[:, 0, 0] = np.nan
    state = watch(looks, parameters=parameters)[-1]
    assert tiers(fixed(state), parameters)[0, 0] == Tier.NONE
    np.testing.assert_array_equal(state[:, 0, 0], start((1, 1))[:, 0, 0])


@given(series(), st.data())
def test_a_look_that_is_not_clear_moves_nothing(
    looks: NDArray[np.float32], data: st.DataObject
) -> None:
    hidden = data.draw(arrays(np.bool_, looks.shape))
    states = [start(looks.shape[1:]), *watch(np.where(hidden, np.nan, looks))]
    for before, after, cloud in zip(states[:-1], states[1:], hidden, strict=True):
        np.testing.assert_array_equal(after[:, cloud], before[:, cloud])


@given(series(), settings_of_the_test(), st.data())
def test_hiding_looks_that_point_to_a_disturbance_never_adds_one(
    looks: NDArray[np.float32], parameters: EvidenceParameters, data: st.DataObject
) -> None:
    # Hiding a look at recovered ground may: a cloud keeps what was known before it.
    points = looks < -parameters.drop / 2
    hidden = points & data.draw(arrays(np.bool_, looks.shape))
    whole = watch(looks, parameters=parameters)
    less = watch(np.where(hidden, np.nan, looks), parameters=parameters)
    for seen, seen_less in zip(whole, less, strict=True):
        assert (tiers(seen_less, parameters) <= tiers(seen, parameters)).all()
        assert (planes(seen_less)["score"] <= planes(seen)["score"]).all()


@given(
    arrays(np.float32, (12, 1, 4), elements=st.floats(-3, 40, width=32)),
    st.integers(0, 11),
    st.floats(-(2.0**60), 0, width=32),
)
def test_one_bad_look_of_any_size_never_raises_even_the_low_tier(
    steady: NDArray[np.float32], when: int, size: float
) -> None:
    steady[when] = size
    for state in watch(steady):
        assert not tiers(state, EvidenceParameters()).any()


@given(settings_of_the_test(), st.floats(-(2.0**60), 0, width=32))
def test_no_setting_lets_one_look_raise_a_tier(
    parameters: EvidenceParameters, size: float
) -> None:
    looks = np.array([0, size, 0], dtype=np.float32)[:, None, None]
    for state in watch(looks, parameters=parameters):
        assert not tiers(state, parameters).any()


@given(series(), settings_of_the_test(), st.data())
def test_the_dates_of_a_pixel_are_in_order_and_its_counts_are_those_of_its_looks(
    looks: NDArray[np.float32], parameters: EvidenceParameters, data: st.DataObject
) -> None:
    days = data.draw(days_for(len(looks)))
    for t, state in enumerate(watch(looks, days=days, parameters=parameters)):
        plane = {name: p.astype(int) for name, p in planes(state).items()}
        seen = np.isfinite(looks[: t + 1])
        np.testing.assert_array_equal(plane["n_clear"], seen.sum(axis=0))
        assert (plane["score"] <= parameters.cap * SCORE_SCALE).all()
        dated = plane["first_seen"] > 0
        assert (plane["began_after"] < plane["first_seen"])[dated].all()
        assert (plane["began_after"] >= DAY)[dated].all()
        assert (plane["first_seen"] <= plane["last_seen"])[dated].all()
        assert (plane["last_seen"] <= plane["last_clear"]).all()
        assert (plane["looks_since"] >= 1)[dated].all()
        assert (plane["looks_since"] <= plane["n_clear"]).all()
        confirmed = plane["confirmed"] > 0
        assert (plane["confirmed"] >= plane["first_seen"])[confirmed].all()
        assert dated[confirmed].all()
        # no look lies inside the interval in which the change began
        for day, was_seen in zip(days, seen, strict=False):
            inside = (plane["began_after"] < day) & (day < plane["first_seen"])
            assert not (inside & was_seen & dated).any()


@given(series(), settings_of_the_test())
def test_unconfirmed_evidence_that_went_away_leaves_no_trace(
    looks: NDArray[np.float32], parameters: EvidenceParameters
) -> None:
    for state in watch(looks, parameters=parameters):
        plane = planes(state)
        unconfirmed = plane["confirmed"] == 0
        gone = unconfirmed & (plane["score"] == 0)
        for name in ("began_after", "first_seen", "last_seen", "looks_since"):
            assert not plane[name][gone].any(), name
        assert (state[len(EVIDENCE_PLANES) :, gone] == DEPARTURE_ZERO).all()
        graded = tiers(state, parameters) > 0
        assert (plane["first_seen"] > 0)[graded].all()


@given(series(), settings_of_the_test())
def test_a_confirmed_pixel_keeps_its_dates_for_ever(
    looks: NDArray[np.float32], parameters: EvidenceParameters
) -> None:
    states = watch(looks, parameters=parameters)
    for before, after in itertools.pairwise(states):
        confirmed = planes(before)["confirmed"] > 0
        for name in ("began_after", "first_seen", "confirmed"):
            np.testing.assert_array_equal(
                planes(after)[name][confirmed], planes(before)[name][confirmed]
            )
        assert (tiers(after, parameters)[confirmed] == Tier.HIGH).all()


@given(series(), st.data())
def test_a_run_that_is_cut_in_two_anywhere_gives_the_same_bytes(
    looks: NDArray[np.float32], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(looks)))
    days = days_of(len(looks))
    whole = watch(looks)[-1]
    before = [start(looks.shape[1:]), *watch(looks[:cut], days=days[:cut])][-1]
    stored = before.astype("<u2").tobytes()
    again = np.frombuffer(stored, dtype="<u2").reshape(before.shape)
    after = [again, *watch(looks[cut:], days=days[cut:], state=again)][-1]
    assert after.tobytes() == whole.tobytes()


# ------------------------------------------------------------ a look, and what it shows


@st.composite
def blocks(
    draw: st.DrawFn,
) -> tuple[NDArray[np.uint16], NDArray[np.int16], NDArray[np.float32]]:
    """Give evidence, reference and a look for a block of many pixels."""
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (height, width)
    reference = random.integers(-9_000, 9_000, (11, *shape)).astype(np.int16)
    reference[[3, 7]] = np.abs(reference[[3, 7]]) // 30 + 10
    reference[:-3, random.random(shape) < 0.1] = REFERENCE_FILL
    state = start(shape)
    plane = planes(state)
    plane["score"][:] = random.integers(0, 24 * SCORE_SCALE, shape)
    plane["first_seen"][:] = np.where(plane["score"] > 0, DAY, 0)
    # near the reference, where the last bit of a residual still shows in the evidence
    nothing = np.zeros((2, *shape), dtype=np.float32)
    values = random.normal(-0.06, 0.04, nothing.shape).astype(np.float32)
    values -= residuals(nothing, reference, DAY + 5)
    values[:, random.random(shape) < 0.2] = np.nan
    return state, reference, values


def one_look(
    state: NDArray[np.uint16],
    reference: NDArray[np.int16],
    values: NDArray[np.float32],
) -> NDArray[np.uint16]:
    return observe(
        fixed(state),
        fixed(reference),
        fixed(values),
        day=DAY + 5,
        weights=fixed([2 / 3, 1 / 3], np.float32),
        shared=Shared(
            offset=fixed([[[0.01]], [[-0.02]]], np.float32),
            noise=fixed([[[1.0]], [[1.7]]], np.float32),
        ),
        norm=NORM,
        parameters=EvidenceParameters(clip=5.9),
    )


@given(blocks(), st.data())
def test_evidence_is_the_same_bytes_however_the_ground_is_cut(
    block: tuple[NDArray[np.uint16], NDArray[np.int16], NDArray[np.float32]],
    data: st.DataObject,
) -> None:
    whole = one_look(*block)
    height, width = whole.shape[1:]
    row = data.draw(st.integers(0, height - 1))
    col = data.draw(st.integers(0, width - 1))
    joined, departures = np.empty_like(whole), np.empty_like(block[2])
    for rows in (slice(0, row), slice(row, height)):
        for cols in (slice(0, col), slice(col, width)):
            part = [array[:, rows, cols].copy() for array in block]
            if part[0].size:
                joined[:, rows, cols] = one_look(*part)
                departures[:, rows, cols] = residuals(part[2], part[1], DAY + 5)
    assert joined.tobytes() == whole.tobytes()
    np.testing.assert_array_equal(departures, residuals(block[2], block[1], DAY + 5))


@given(blocks(), st.data())
def test_a_pixel_does_not_look_at_its_neighbours(
    block: tuple[NDArray[np.uint16], NDArray[np.int16], NDArray[np.float32]],
    data: st.DataObject,
) -> None:
    whole = one_look(*block)
    row, col = (data.draw(st.integers(0, n - 1)) for n in whole.shape[1:])
    others = [np.roll(array[:, ::-1], 1, axis=2).copy() for array in block]
    for mine, other in zip(block, others, strict=True):
        other[:, row, col] = mine[:, row, col]
    np.testing.assert_array_equal(one_look(*others)[:, row, col], whole[:, row, col])


@given(st.integers(0, 2**32 - 1), st.integers(1, 29), st.integers(1, 29))
def test_the_reference_is_the_same_bytes_however_the_ground_is_cut(
    seed: int, row: int, col: int
) -> None:
    random = np.random.default_rng(seed)
    values = random.normal(0.6, 0.05, (25, 2, 30, 30)).astype(np.float32)
    values[random.random(values.shape) < 0.2] = np.nan
    days = 16_600 + 15 * np.arange(25)
    offsets = random.normal(0, 0.02, (25, 2)).astype(np.float32)

    def fit(rows: slice, cols: slice) -> NDArray[np.int16]:
        cut = fixed(values[:, :, rows, cols])
        return fit_reference(
            cut,
            days,
            fixed(offsets)[:, :, None, None],
            norm=common(2),
            weights=fixed([0.5, 0.5], np.float32),
            names=("ndvi", "ndmi"),
            parameters=HISTORY,
        )

    whole = fit(slice(None), slice(None))
    joined = np.empty_like(whole)
    for rows in (slice(0, row), slice(row, 30)):
        for cols in (slice(0, col), slice(col, 30)):
            joined[:, rows, cols] = fit(rows, cols)
    assert joined.tobytes() == whole.tobytes()


@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 10),
    st.floats(0.22, 0.6),
    st.floats(0.0, 0.4),
)
@pytest.mark.slow
def test_an_opening_is_confirmed_within_five_clear_looks_and_dated_by_those_around_it(
    seed: int, opened: int, size: float, clouds: float
) -> None:
    random = np.random.default_rng(seed)
    past, looks, pixels, opening = 40, 30, 300, 20
    days = DAY - 10 * past + 10 * np.arange(past + looks)
    season = 0.1 * np.cos(2 * np.pi * days / 365.25)
    ground = random.uniform(0.7, 0.9, pixels)
    haze = random.normal(0, 0.05, len(days))
    ndvi = ground + (season + haze)[:, None] + random.normal(0, 0.02, (70, pixels))
    ndmi = 0.5 * ndvi + random.normal(0, 0.02, (70, pixels))
    ndvi[past + opened :, :opening] -= size
    ndmi[past + opened :, :opening] -= size / 2
    values = np.stack([ndvi, ndmi], axis=1).astype(np.float32)
    clear = random.random((70, pixels)) >= clouds
    values[~np.broadcast_to(clear[:, None], values.shape)] = np.nan

    half = fixed([0.5, 0.5], np.float32)
    parameters = EvidenceParameters()
    cell, cells = one_cell(pixels)
    shared = scene_norm(
        fixed(values[:past]),
        days[:past],
        weights=half,
        min_sample=50,
        parameters=HISTORY,
        cell=cell,
        cells=cells,
    )
    norm = Norm.unpack(fixed(shared.packed()))
    reference = fixed(
        fit_reference(
            fixed(values[:past, :, None]),
            days[:past],
            shared.offsets[..., None],
            norm=shared,
            weights=half,
            names=("ndvi", "ndmi"),
            parameters=HISTORY,
        )
    )
    state = initial_state(reference, 2)
    for t in range(past, past + looks):
        look = fixed(values[t])
        statistics = scene_statistics(
            residuals(look, reference[:, 0], int(days[t])),
            norm=norm,
            parameters=EvidenceParameters(min_sample=50),
            cell=cell,
            cells=cells,
        )
        assert statistics is not None
        state = observe(
            fixed(state),
            reference,
            look[:, None],
            day=int(days[t]),
            weights=half,
            shared=statistics.over(cells, slice(0, 1), slice(0, pixels)),
            norm=norm,
            parameters=parameters,
        )
    plane = {name: p[0].astype(int) for name, p in planes(state).items()}
    assert not (plane["confirmed"][opening:] > 0).any(), "nothing else changed"
    after = [days[past + opened :][clear[past + opened :, i]] for i in range(opening)]
    fifth = np.array([d[min(4, len(d) - 1)] for d in after])
    found = plane["confirmed"][:opening]
    assert ((found > 0) & (found <= fifth)).all()
    third = np.array([d[2] for d in after])
    assert (found >= third).mean() >= 0.8, "noise before it may help one pixel along"
    first = np.array([d[0] for d in after])
    before = np.array(
        [max(days[: past + opened][clear[: past + opened, i]]) for i in range(opening)]
    )
    dated = (plane["first_seen"][:opening] == first) & (
        plane["began_after"][:opening] == before
    )
    assert dated.mean() >= 0.8
