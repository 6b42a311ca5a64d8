"""The blurred rim of a change goes; what changed, and weak spots inside it, stay."""

import numpy as np
import pytest
from numpy.typing import ArrayLike
from pixels import fixed

from rsmonitor.stages.edges import core


def kept(
    strength: ArrayLike,
    tier: ArrayLike | None = None,
    *,
    share: float = 0.3,
    pixels: int = 2,
) -> list[list[int]]:
    """Give what is left; where nothing else is said, all that has strength is high."""
    strong = fixed(strength, np.float32)
    graded = fixed(np.where(strong != 0, 3, 0) if tier is None else tier, np.uint8)
    inside = core(graded, strong, share=share, pixels=pixels)
    assert inside.dtype == np.bool_
    found: list[list[int]] = np.where(inside, graded, 0).tolist()
    return found


def test_a_mixed_pixel_beside_a_strong_change_is_its_edge() -> None:
    assert kept([[0, 2, 20, 20, 5, 0]]) == [[0, 0, 3, 3, 0, 0]]


def test_a_pixel_that_changed_enough_stays() -> None:
    assert kept([[0, 6, 20, 20, 7, 0]]) == [[0, 3, 3, 3, 3, 0]]


def test_a_weak_change_by_itself_is_no_edge_of_anything() -> None:
    assert kept([[0, 2, 2, 2, 0, 0, 0, 20, 20, 0]]) == [[0, 3, 3, 3, 0, 0, 0, 3, 3, 0]]


def test_strength_outside_graded_ground_makes_no_edge() -> None:
    assert kept([[50, 2, 2, 0]], [[0, 3, 3, 0]]) == [[0, 3, 3, 0]]


def test_a_rim_is_taken_off_as_wide_as_it_may_be_and_no_wider() -> None:
    wide = [[0, 1, 1, 1, 20, 20, 0]]
    assert kept(wide, pixels=1) == [[0, 3, 3, 3, 3, 3, 0]]
    assert kept(wide, pixels=2) == [[0, 3, 3, 3, 3, 3, 0]]
    assert kept(wide, pixels=3) == [[0, 0, 0, 0, 3, 3, 0]]


def test_a_weak_spot_inside_a_change_stays() -> None:
    strength = np.zeros((7, 7))
    strength[1:6, 1:6] = 20
    strength[3, 3] = 1
    left = kept(strength)
    assert left[3][3] == 3
    assert np.count_nonzero(left) == 25


def test_a_weak_spot_that_opens_to_the_outside_is_edge() -> None:
    strength = np.zeros((7, 7))
    strength[1:6, 1:6] = 20
    strength[1, 3] = 1
    assert kept(strength)[1][3] == 0


def test_the_border_of_the_grid_is_not_the_rim_of_a_change() -> None:
    assert kept([[2, 20, 20]]) == [[3, 3, 3]]


def test_what_stays_keeps_its_tier() -> None:
    assert kept([[0, 9, 20, 8, 1, 0]], [[0, 1, 3, 2, 1, 0]]) == [[0, 1, 3, 2, 0, 0]]


def test_share_zero_takes_nothing_even_where_ground_grew_greener() -> None:
    assert kept([[0, -5, 20, 1, 0]], share=0.0) == [[0, 3, 3, 3, 0]]


def test_a_change_that_only_blurred_indices_saw_is_not_all_edge() -> None:
    # moisture fell and confirmed it, greenness rose a little
    assert kept([[0, -1, -2, -1, 0]]) == [[0, 3, 3, 3, 0]]


def test_ground_that_grew_greener_beside_a_change_is_its_edge() -> None:
    assert kept([[0, -1, 20, 20, 0]]) == [[0, 0, 3, 3, 0]]


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_without_width_there_is_no_rim(share: float) -> None:
    assert kept([[0, 1, 20, 0]], share=share, pixels=0) == [[0, 3, 3, 0]]
