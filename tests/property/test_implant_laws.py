import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import affinity

from rsmonitor.lab.implant import (
    RIM,
    Shape,
    area_fractions,
    draw_parts,
    seen_fractions,
)

SIDE = 48
areas = st.floats(20.0, 20_000.0)
seeds = st.integers(0, 2**32 - 1)
shapes = st.sampled_from([Shape.DISC, Shape.SQUARE, Shape.RAGGED])
offsets = st.floats(-2.0, 2.0)


@given(shapes, areas, seeds)
def test_an_outline_has_the_area_that_was_asked_for(
    shape: Shape, area: float, seed: int
) -> None:
    (part,) = draw_parts(shape, area, "bare_soil", np.random.default_rng(seed))
    assert part.outline.is_valid
    assert part.outline.area == pytest.approx(area, rel=1e-6)


@given(areas, seeds)
def test_the_parts_of_an_in_situ_site_sum_to_its_area(area: float, seed: int) -> None:
    parts = draw_parts(Shape.IN_SITU, area, "bare_soil", np.random.default_rng(seed))
    assert sum(part.outline.area for part in parts) == pytest.approx(area, rel=1e-6)


@given(shapes, areas, seeds, offsets, offsets)
def test_fractions_sum_to_the_area_wherever_it_lies(
    shape: Shape, area: float, seed: int, dy: float, dx: float
) -> None:
    (part,) = draw_parts(shape, area, "bare_soil", np.random.default_rng(seed))
    pixels = affinity.scale(part.outline, 0.1, 0.1, origin=(0, 0))
    middle = affinity.translate(pixels, SIDE / 2 + dx, SIDE / 2 + dy)
    # a long ragged one may reach beyond the grid
    inside = middle.intersection(shapely.box(0, 0, SIDE, SIDE)).area
    fractions = area_fractions(middle, (SIDE, SIDE))
    assert fractions.sum() == pytest.approx(inside, abs=1e-6)
    assert fractions.min() >= 0
    assert fractions.max() <= 1


@given(
    st.lists(
        st.tuples(
            st.integers(RIM, 23 - RIM), st.integers(RIM, 23 - RIM), st.floats(0.0, 1.0)
        ),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from([1, 2]),
)
def test_blur_and_coarse_pixels_keep_what_there_is(
    pixels: list[tuple[int, int, float]], ratio: int
) -> None:
    fractions = np.zeros((24, 24))
    for row, col, value in pixels:
        fractions[row, col] = value
    seen = seen_fractions(fractions, ratio=ratio)
    assert seen.sum() == pytest.approx(fractions.sum(), abs=1e-4)
    assert seen.min() >= 0
    assert seen.max() <= fractions.max() + 1e-6
