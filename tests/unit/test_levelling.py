"""Haze in one valley is taken off there and nowhere else, without seams."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pixels import fixed

from rsmonitor.stages.levelling import CELL_STEPS, LEAST_CELL, Cells, levels

SIDE = 500
STEP = 5
CELLS = Cells.over((SIDE, SIDE), STEP)


def lattice() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rows, cols = np.mgrid[0:SIDE:STEP, 0:SIDE:STEP]
    return rows.ravel(), cols.ravel()


def test_a_grid_too_small_to_tell_places_apart_is_one_cell() -> None:
    assert (Cells.over((100, 100), 1).rows, Cells.over((100, 100), 1).cols) == (1, 1)
    assert (CELLS.rows, CELLS.cols) == (10, 10)
    whole = Cells.over((10_980, 10_980), 109)
    assert whole.rows == whole.cols == round(10_980 / (109 * CELL_STEPS))
    assert Cells.over((40 * LEAST_CELL, 20), 1).cols == 1


def test_haze_over_one_corner_is_taken_off_there_alone() -> None:
    rows, cols = lattice()
    random = np.random.default_rng(1)
    hazy = (rows < 200) & (cols < 200)
    residual = np.where(hazy, -0.2, 0.0) + random.normal(0, 0.01, rows.size)
    found = levels(residual[None], CELLS.of(rows, cols), CELLS)
    laid = CELLS.at(found.offset, slice(0, SIDE), slice(0, SIDE))[0]
    assert laid[50, 50] == pytest.approx(-0.2, abs=0.02)
    assert laid[400, 400] == pytest.approx(0.0, abs=0.02)
    assert found.weak == 0


def test_a_hectare_of_felling_is_not_taken_for_haze() -> None:
    rows, cols = lattice()
    felled = (abs(rows - 250) < 25) & (abs(cols - 250) < 25)  # 25 ha
    residual = np.where(felled, -0.5, 0.0)
    found = levels(residual[None], CELLS.of(rows, cols), CELLS)
    assert np.abs(found.offset).max() < 1e-6


def test_a_cell_that_shows_little_follows_the_scene_and_is_believed_less() -> None:
    rows, cols = lattice()
    random = np.random.default_rng(2)
    slope = 0.1 * cols / SIDE
    residual = (slope + random.normal(0, 0.01, rows.size))[None].copy()
    hidden = (rows < 200) & (cols < 200)
    hidden[0] = False
    residual[:, hidden] = np.nan
    found = levels(residual, CELLS.of(rows, cols), CELLS)
    assert found.weak > 0
    assert found.offset[0, 0] == pytest.approx(0.05, abs=0.02), "as the whole scene"
    assert found.spread[0, 0] > 2 * found.spread[0, -1]


def test_nothing_seen_gives_nothing() -> None:
    rows, cols = lattice()
    found = levels(np.full((2, rows.size), np.nan), CELLS.of(rows, cols), CELLS)
    assert np.isnan(found.offset).all()
    assert found.weak == 100


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, SIDE - 1),
    st.integers(1, SIDE - 1),
)
def test_what_is_laid_over_a_window_is_the_same_bytes_as_over_the_whole(
    seed: int, row: int, col: int
) -> None:
    values = fixed(np.random.default_rng(seed).normal(size=(2, 100)), np.float32)
    whole = CELLS.at(values, slice(0, SIDE), slice(0, SIDE))
    for rows in (slice(0, row), slice(row, SIDE)):
        for cols in (slice(0, col), slice(col, SIDE)):
            part = CELLS.at(values, rows, cols)
            assert part.tobytes() == whole[:, rows, cols].tobytes()


@given(st.integers(0, 2**32 - 1))
def test_there_are_no_seams(seed: int) -> None:
    values = fixed(np.random.default_rng(seed).uniform(-1, 1, (1, 100)), np.float32)
    laid = CELLS.at(values, slice(0, SIDE), slice(0, SIDE))[0]
    steepest = 2 / (SIDE / CELLS.rows)  # from -1 to 1 over the width of a cell
    assert np.abs(np.diff(laid, axis=0)).max() <= steepest + 1e-5
    assert np.abs(np.diff(laid, axis=1)).max() <= steepest + 1e-5
    assert laid.min() >= values.min() - 1e-6
    assert laid.max() <= values.max() + 1e-6
