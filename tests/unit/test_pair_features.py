"""What two patches say of themselves: laws first, then values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rsmonitor.errors import ContractError
from rsmonitor.stages.pair_features import (
    FEATURE_ORDER,
    FEATURES,
    FEATURES_DIGEST,
    LEAST_SIDE,
    SIDE,
    filled,
    pair_features,
    seen_shares,
)
from rsmonitor.stages.pair_spectra import PAIR_BANDS

FOREST = (0.02, 0.04, 0.025, 0.30, 0.13, 0.06)
SOIL = (0.09, 0.13, 0.17, 0.24, 0.33, 0.28)
POND = (0.08, 0.11, 0.10, 0.05, 0.02, 0.01)

Patch = NDArray[np.float64]


def ground(spectrum: tuple[float, ...], side: int = SIDE, seed: int = 0) -> Patch:
    random = np.random.default_rng(seed)
    rough = 1 + 0.05 * random.standard_normal((len(PAIR_BANDS), side, side))
    return np.array(spectrum)[:, None, None] * rough


def dug(patch: Patch, at: slice = slice(10, 26)) -> Patch:
    after = patch.copy()
    after[:, at, at] = np.array(SOIL)[:, None, None]
    after[:, 14:18, 14:18] = np.array(POND)[:, None, None]
    return after


def value(row: NDArray[np.float64], name: str) -> float:
    return float(row[FEATURE_ORDER.index(name)])


def test_every_feature_has_a_name_of_its_own_and_a_meaning() -> None:
    assert len(set(FEATURE_ORDER)) == len(FEATURE_ORDER) == len(FEATURES)
    assert [feature.name for feature in FEATURES] == list(FEATURE_ORDER)
    assert all(len(feature.meaning) > 10 for feature in FEATURES)
    assert len(FEATURES_DIGEST) == 64


def test_the_row_knows_neither_place_nor_date() -> None:
    parts = {part for name in FEATURE_ORDER for part in name.split(".")}
    assert not parts & {"lon", "lat", "day", "year", "window", "place"}


@settings(max_examples=20)
@given(
    seed=st.integers(0, 2**16),
    side=st.integers(LEAST_SIDE, 60),
    unseen=st.floats(0, 0.95),
)
def test_a_row_is_finite_whatever_is_missing(
    seed: int, side: int, unseen: float
) -> None:
    random = np.random.default_rng(seed)
    before, after = random.uniform(-0.02, 1.2, (2, len(PAIR_BANDS), side, side))
    before[:, random.random((side, side)) < unseen] = np.nan
    row = pair_features(before, after)
    assert row.shape == (len(FEATURE_ORDER),)
    assert np.isfinite(row).all()


@settings(max_examples=10)
@given(turns=st.integers(1, 3), seed=st.integers(0, 99))
def test_turning_both_patches_changes_nothing(turns: int, seed: int) -> None:
    before = ground(FOREST, seed=seed)
    after = dug(before)
    row = pair_features(before, after)
    turned = pair_features(*(np.rot90(p, turns, (1, 2)) for p in (before, after)))
    np.testing.assert_allclose(row, turned, atol=2e-3, rtol=2e-3)


@settings(max_examples=12)
@given(gain=st.floats(0.8, 1.25))
def test_brightness_that_the_whole_patch_shares_is_no_levelled_change(
    gain: float,
) -> None:
    before = ground(FOREST)
    row = pair_features(before, before * gain)
    assert value(row, "change.levelled.p99") == pytest.approx(0, abs=0.02)
    assert value(row, "pieces.changed.largest") == 0


def test_nothing_seen_before_is_no_change() -> None:
    after = dug(ground(FOREST))
    row = pair_features(np.full_like(after, np.nan), after)
    names = [n for n in FEATURE_ORDER if n.startswith("change.") and ".p" in n]
    assert len(names) > 50
    assert all(value(row, n) == 0 for n in names if "pattern" not in n)
    assert value(row, "change.levelled.p99") == 0
    assert value(row, "pieces.opened.largest") == 0
    assert seen_shares(np.full_like(after, np.nan), after) == (0.0, 1.0)


def test_what_neither_look_saw_is_like_the_rest() -> None:
    before = ground(FOREST)
    after = before.copy()
    before[:, :9], after[:, :9] = np.nan, np.nan
    one, other = filled(before, after)
    assert np.isfinite(one).all()
    assert np.array_equal(one, other)


def test_a_mine_is_told_by_its_soil_and_water() -> None:
    before = ground(FOREST)
    row = pair_features(before, dug(before))
    share = 16 * 16 / SIDE**2
    assert value(row, "pieces.opened.largest") == pytest.approx(share, rel=1e-4)
    assert value(row, "forest>bare.share") == pytest.approx(240 / SIDE**2, rel=1e-4)
    assert value(row, "forest>turbid.share") == pytest.approx(16 / SIDE**2, rel=1e-4)
    assert value(row, "pieces.opened.number") == 1
    assert value(row, "before.forest.share") == 1


def test_of_a_large_patch_the_middle_counts() -> None:
    before = ground(FOREST, side=SIDE + 20)
    after = before.copy()
    after[:, :9, :9] = np.array(SOIL)[:, None, None]
    row = pair_features(before, after)
    assert value(row, "pieces.opened.largest") == 0


@pytest.mark.parametrize(
    ("before", "after", "rule"),
    [
        ((6, 48, 48), (6, 48, 47), "one shape"),
        ((5, 48, 48), (5, 48, 48), "bands"),
        ((6, 8, 48), (6, 8, 48), "at least"),
        ((48, 48), (48, 48), "one shape"),
    ],
)
def test_other_shapes_are_refused(
    before: tuple[int, ...], after: tuple[int, ...], rule: str
) -> None:
    with pytest.raises(ContractError, match=rule):
        pair_features(np.zeros(before), np.zeros(after))


def test_a_pair_that_nobody_saw_is_refused() -> None:
    nothing = np.full((6, 48, 48), np.nan)
    with pytest.raises(ContractError, match="no pixel"):
        pair_features(nothing, nothing)
