"""The fused history fit says what the plain one says, whatever the history holds."""

from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pixels import common, fixed

from rsmonitor.errors import ContractError
from rsmonitor.records.parameters import HistoryParameters
from rsmonitor.records.rasters import REFERENCE_FILL, HistoryClass
from rsmonitor.stages import history as plain
from rsmonitor.stages.fused import fit as fused
from rsmonitor.stages.fused.fit_lanes import LANES
from rsmonitor.stages.fused.fit_sort import cleaning, lists, sorting
from rsmonitor.stages.history import SceneNorm, seasonal_terms

NAMES = ("ndvi", "ndmi", "dred")
WELL_POSED = 1e-9
"""Most that coefficients and spreads differ by, index units."""

SEEDS = st.integers(0, 2**32 - 1)
# the first and last numbers at which groups of lanes and lists of rows change
WIDTHS = st.sampled_from([1, 7, LANES - 1, LANES, LANES + 1, 37, 8 * LANES + 3])
TIMES = st.sampled_from([13, 16, 17, 24, 25, 31, 40, 49, 64, 66])


def parameters(harmonics: int = 1, **changes: float) -> HistoryParameters:
    return HistoryParameters(
        until=date(2020, 12, 31),
        harmonics=harmonics,
        **changes,  # type: ignore[arg-type]
    )


def days_of(random: np.random.Generator, n_time: int) -> NDArray[np.int64]:
    chosen = random.choice(1_200, n_time, replace=False)
    return (16_600 + np.sort(chosen)).astype(np.int64)


def a_history(
    random: np.random.Generator, n_time: int, n_index: int, n_pixel: int
) -> NDArray[np.float32]:
    """Seasons, clouds, gaps, steps up and down, and ground that was never seen."""
    t = np.arange(n_time)[:, None]
    phase = 2 * np.pi * t / 18
    y = random.uniform(0.1, 0.8, (1, n_index, 1)) + np.zeros((n_time, 1, n_pixel))
    y = y + 0.1 * np.cos(phase)[:, None] + random.normal(0, 0.02, y.shape)
    ends = np.sort(random.integers(0, n_time + 1, (2, n_pixel)), axis=0)
    ends[1, random.random(n_pixel) < 0.5] = n_time
    step = random.choice([-0.4, -0.2, 0.0, 0.0, 0.3], n_pixel)
    y += (step * ((t >= ends[0]) & (t < ends[1])))[:, None]
    y[random.random((n_time, n_pixel)).repeat(n_index, 0).reshape(y.shape) < 0.03] -= 1
    y[random.random(y.shape) < random.choice([0.0, 0.1, 0.3])] = np.nan
    y[random.random(y.shape) < 0.003] = random.choice([np.inf, -np.inf])
    y[:, :, random.random(n_pixel) < 0.1] = np.nan
    return y.astype(np.float32)


def both(
    random: np.random.Generator,
    values: NDArray[np.float32],
    days: NDArray[np.int64],
    settings_of: HistoryParameters,
    **changes: Any,  # noqa: ANN401
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    n_time, n_index = values.shape[:2]
    offsets = random.normal(0, 0.03, (n_time, n_index, 1, 1)).astype(np.float32)
    offsets[random.random(n_time) < 0.05] = np.nan
    if random.random() < 0.5:  # those of each pixel
        offsets = offsets + random.normal(0, 0.01, values.shape).astype(np.float32)
    share = random.uniform(0.2, 1, n_index).astype(np.float32)
    arguments: dict[str, Any] = {
        "norm": SceneNorm(
            offsets=offsets[:, :, 0, :1],
            spread=random.uniform(0.01, 0.03, n_index).astype(np.float32),
            floor=random.uniform(0.01, 0.03, n_index).astype(np.float32),
            level=np.zeros(n_index, dtype=np.float32),
            green=random.uniform(-0.1, 0.1, n_index).astype(np.float32),
            combined=float(random.uniform(0.3, 1)),
        ),
        "weights": share / share.sum(),
        "names": NAMES[:n_index],
        "parameters": settings_of,
    } | changes
    values, days, offsets = fixed(values), fixed(days), fixed(offsets)
    return (
        plain.fit_reference(values, days, offsets, **arguments),
        fused.fit_reference(values, days, offsets, **arguments),
    )


def same(one: NDArray[np.int16], other: NDArray[np.int16]) -> None:
    """Looks, days and classes alike, and the rest within one unit."""
    assert one.shape == other.shape
    assert other.dtype == np.int16
    np.testing.assert_array_equal(one[-3:], other[-3:])
    np.testing.assert_array_equal(one == REFERENCE_FILL, other == REFERENCE_FILL)
    apart = np.abs(one.astype(np.int64) - other)
    assert apart.max(initial=0) <= 1
    assert np.count_nonzero(apart) <= 1 + apart.size // 10_000, "ties are rare"


@settings(deadline=None, max_examples=15)
@given(seed=SEEDS, n_time=TIMES, width=WIDTHS, n_index=st.integers(1, 3))
def test_the_fused_reference_is_the_plain_one(
    seed: int, n_time: int, width: int, n_index: int
) -> None:
    random = np.random.default_rng(seed)
    values = a_history(random, n_time, n_index, 2 * width)
    values = values.reshape(n_time, n_index, 2, width)
    same(*both(random, values, days_of(random, n_time), parameters()))


@settings(deadline=None, max_examples=10)
@given(
    seed=SEEDS, harmonics=st.sampled_from([0, 2, 3]), ridge=st.sampled_from([0.3, 5])
)
def test_it_is_with_any_number_of_harmonics(
    seed: int, harmonics: int, ridge: float
) -> None:
    random = np.random.default_rng(seed)
    values = a_history(random, 60, 2, 50).reshape(60, 2, 5, 10)
    chosen = parameters(harmonics, ridge=ridge, break_step=2, min_looks=14)
    same(*both(random, values, days_of(random, 60), chosen))


def test_every_kind_of_history_is_met_and_alike() -> None:
    random = np.random.default_rng(4)
    values = a_history(random, 48, 3, 4_000).reshape(48, 3, 40, 100)
    values[:, 0, :10] -= 0.5
    one, other = both(random, values, days_of(random, 48), parameters())
    assert set(np.unique(one[-1])) == set(HistoryClass)
    same(one, other)


@pytest.mark.parametrize("names", [("ndmi", "dred"), ("ndvi", "ndvi")])
def test_bare_ground_is_told_by_the_last_ndvi_or_not_at_all(
    names: tuple[str, str],
) -> None:
    random = np.random.default_rng(9)
    values = a_history(random, 40, 2, 300).reshape(40, 2, 3, 100)
    values[:, 1] -= 0.3
    one, other = both(random, values, days_of(random, 40), parameters(), names=names)
    assert (one[-1] == HistoryClass.BARE).any() == ("ndvi" in names)
    same(one, other)


def test_what_does_not_fit_into_sixteen_bits_is_clipped_alike() -> None:
    random = np.random.default_rng(2)
    values = np.full((30, 1, 1, 40), 50.0, dtype=np.float32)
    values[..., 20:] = -50
    values += random.normal(0, 3, values.shape).astype(np.float32)
    one, other = both(
        random, values, days_of(random, 30), parameters(bare_ndvi=-1.0), names=("x",)
    )
    assert one.max() == 32_767
    assert one.min() == REFERENCE_FILL + 1
    same(one, other)


def test_a_block_in_which_nobody_has_enough_looks_is_not_fitted() -> None:
    random = np.random.default_rng(1)
    values = a_history(random, 11, 1, 30).reshape(11, 1, 3, 10)
    one, other = both(random, values, days_of(random, 11), parameters())
    assert (other[-1] == HistoryClass.TOO_FEW).all()
    np.testing.assert_array_equal(one, other)


@settings(deadline=None, max_examples=10)
@given(seed=SEEDS)
def test_a_pixel_does_not_know_its_neighbours(seed: int) -> None:
    random = np.random.default_rng(seed)
    values = a_history(random, 30, 2, 3 * LANES)[:, :, None]
    days = days_of(random, 30)
    order = random.permutation(3 * LANES)[: 2 * LANES + 5]
    offsets = np.zeros((30, 2, 1, 1), dtype=np.float32)
    norm = common(2)
    whole, part = (
        fused.fit_reference(
            chosen,
            days,
            offsets,
            norm=norm,
            weights=np.full(2, 0.5, dtype=np.float32),
            names=NAMES[:2],
            parameters=parameters(),
        )
        for chosen in (values, values[..., order])
    )
    np.testing.assert_array_equal(whole[..., order], part)


def test_shapes_that_do_not_agree_are_refused() -> None:
    random = np.random.default_rng(0)
    values = a_history(random, 20, 1, 4)[:, :, None]
    with pytest.raises(ContractError, match="do not agree"):
        fused.fit_reference(
            values,
            days_of(random, 19),
            np.zeros((20, 1, 1, 1), dtype=np.float32),
            norm=None,  # type: ignore[arg-type]
            weights=np.ones(1, dtype=np.float32),
            names=("ndvi",),
            parameters=parameters(),
        )


# ----------------------------------------------------------------------- the robust fit


@settings(deadline=None, max_examples=40)
@given(
    seed=SEEDS,
    n_time=TIMES,
    n_pixel=WIDTHS,
    harmonics=st.integers(0, 3),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_the_fused_robust_fit_is_the_plain_one(
    seed: int, n_time: int, n_pixel: int, harmonics: int, dtype: type
) -> None:
    random = np.random.default_rng(seed)
    y = a_history(random, n_time, 1, n_pixel)[:, 0].astype(dtype)
    y[:, random.random(n_pixel) < 0.1] = np.nan
    terms = seasonal_terms(days_of(random, n_time), harmonics)
    one = plain.robust_fit(fixed(y), terms, parameters(harmonics))
    other = fused.robust_fit(fixed(y), terms, parameters(harmonics))
    np.testing.assert_array_equal(one[2], other[2])
    for ours, theirs in zip(other[:2], one[:2], strict=True):
        assert ours.shape == theirs.shape
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=WELL_POSED)


def test_terms_of_any_kind_are_fitted() -> None:
    random = np.random.default_rng(3)
    days = days_of(random, 50)
    step = (np.arange(50) >= 20).astype(np.float64)
    terms = np.column_stack([seasonal_terms(days, 1), step])
    y = a_history(random, 50, 1, 40)[:, 0]
    one, other = (each.robust_fit(y, terms, parameters()) for each in (plain, fused))
    np.testing.assert_allclose(other[0], one[0], rtol=0, atol=WELL_POSED)


# --------------------------------------------------------------------------- the median


@pytest.mark.parametrize("rows", [8, 16])
def test_the_networks_sort_all_zeros_and_ones_and_so_everything(rows: int) -> None:
    every = (np.arange(2**rows)[:, None] >> np.arange(rows) & 1).astype(np.int8)
    rising = np.sort(every[:, : rows // 2], axis=1)
    bitonic = np.hstack([rising, np.sort(every[:, rows // 2 :], axis=1)[:, ::-1]])
    for network, keys in ((sorting(rows), every), (cleaning(rows), bitonic)):
        for low, high in network:
            a, b = keys[:, low].copy(), keys[:, high].copy()
            keys[:, low], keys[:, high] = np.minimum(a, b), np.maximum(a, b)
        assert (np.diff(keys, axis=1) >= 0).all()


@given(st.integers(2, 2_000))
def test_two_lists_hold_all_rows_and_not_many_more(rows: int) -> None:
    longer, shorter = lists(rows)
    assert longer >= shorter
    assert rows <= longer + shorter <= max(16, 1.5 * rows)
