"""Laws of bringing coarse bands to a finer grid."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from rsmonitor.errors import SourceError
from rsmonitor.io.sources.resampling import Placement, placement
from rsmonitor.records.grid import Block, Grid


@dataclass(frozen=True)
class Case:
    """A coarse raster, a finer grid inside, and a block of that."""

    coarse: NDArray[np.float32]
    place: Placement
    whole: Block
    block: Block


@st.composite
def cases(draw: st.DrawFn) -> Case:
    ratio_y, ratio_x = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    height, width = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    row = draw(st.integers(0, height * ratio_y - 1))
    col = draw(st.integers(0, width * ratio_x - 1))
    whole = Block(
        row=0,
        col=0,
        height=draw(st.integers(1, height * ratio_y - row)),
        width=draw(st.integers(1, width * ratio_x - col)),
    )
    top = draw(st.integers(0, whole.height - 1))
    left = draw(st.integers(0, whole.width - 1))
    block = Block(
        row=top,
        col=left,
        height=draw(st.integers(1, whole.height - top)),
        width=draw(st.integers(1, whole.width - left)),
    )
    values = st.one_of(st.just(np.nan), st.floats(-0.125, 1.5, width=32))
    coarse = draw(st.lists(values, min_size=height * width, max_size=height * width))
    return Case(
        coarse=np.array(coarse, dtype=np.float32).reshape(height, width),
        place=Placement(
            ratio_y=ratio_y,
            ratio_x=ratio_x,
            row=row,
            col=col,
            height=height,
            width=width,
        ),
        whole=whole,
        block=block,
    )


def bilinear(case: Case, block: Block) -> NDArray[np.float32]:
    window = case.place.window(block)
    return case.place.bilinear(case.coarse[window.rows, window.cols], block)


def nearest(case: Case, block: Block) -> NDArray[np.float32]:
    window = case.place.window(block)
    nearest: NDArray[np.float32] = case.place.nearest(
        case.coarse[window.rows, window.cols], block
    )
    return nearest


@given(cases())
def test_a_pixel_does_not_depend_on_the_block_that_asks_for_it(case: Case) -> None:
    cut = case.block.within(case.whole)
    for way in (bilinear, nearest):
        np.testing.assert_array_equal(way(case, case.block), way(case, case.whole)[cut])


@given(cases())
def test_a_pixel_is_nan_exactly_where_its_coarse_pixel_is(case: Case) -> None:
    np.testing.assert_array_equal(
        np.isnan(bilinear(case, case.whole)), np.isnan(nearest(case, case.whole))
    )


@given(cases())
def test_nothing_is_invented_beyond_what_was_measured(case: Case) -> None:
    fine = bilinear(case, case.whole)
    if np.isfinite(fine).any():
        assert np.nanmin(fine) >= np.nanmin(case.coarse) - 1e-6
        assert np.nanmax(fine) <= np.nanmax(case.coarse) + 1e-6


@given(cases(), st.floats(-0.125, 1.5, width=32))
def test_even_ground_stays_even_whatever_is_missing(case: Case, ground: float) -> None:
    even = np.where(np.isnan(case.coarse), case.coarse, np.float32(ground))
    fine = bilinear(
        Case(coarse=even, place=case.place, whole=case.whole, block=case.block),
        case.whole,
    )
    np.testing.assert_allclose(fine[np.isfinite(fine)], ground, rtol=1e-6, atol=1e-7)


@given(cases())
def test_equal_pixels_are_taken_as_they_are(case: Case) -> None:
    same = Placement(
        ratio_y=1, ratio_x=1, row=0, col=0, height=case.coarse.shape[0],
        width=case.coarse.shape[1],
    )  # fmt: skip
    block = Block(row=0, col=0, height=same.height, width=same.width)
    assert same.window(block) == block
    np.testing.assert_array_equal(same.bilinear(case.coarse, block), case.coarse)
    np.testing.assert_array_equal(same.nearest(case.coarse, block), case.coarse)


@pytest.mark.parametrize("ratio", [2, 3, 6])
def test_complete_bands_are_interpolated_as_scipy_does(ratio: int) -> None:
    rng = np.random.default_rng(7)
    coarse = rng.uniform(0, 0.5, (9, 12)).astype(np.float32)
    place = Placement(
        ratio_y=ratio, ratio_x=ratio, row=0, col=0, height=9, width=12
    )  # fmt: skip
    block = Block(row=0, col=0, height=9 * ratio, width=12 * ratio)
    expected = ndimage.zoom(
        coarse.astype(float), ratio, order=1, grid_mode=True, mode="nearest"
    )
    np.testing.assert_allclose(place.bilinear(coarse, block), expected, atol=1e-6)


def grid(left: float, top: float, pixel: float, height: int, width: int) -> Grid:
    return Grid(
        crs="EPSG:32650",
        left=left,
        top=top,
        pixel_width=pixel,
        pixel_height=pixel,
        height=height,
        width=width,
    )


@given(
    st.integers(1, 6),
    st.integers(0, 20),
    st.integers(0, 20),
    st.floats(-0.009, 0.009),
    st.sampled_from([10.0, 8.99105017e-05]),
)
def test_a_grid_is_found_inside_a_coarser_one(
    ratio: int, row: int, col: int, noise: float, pixel: float
) -> None:
    coarse = grid(500_000 * pixel, 2e6 * pixel, pixel * ratio, 50, 60)
    fine = grid(
        coarse.left + (col + noise) * pixel,
        coarse.top - (row + noise) * pixel,
        pixel,
        50 * ratio - row,
        60 * ratio - col,
    )
    found = placement(coarse, fine)
    assert (found.ratio_y, found.ratio_x) == (ratio, ratio)
    assert (found.row, found.col) == (row, col)


@given(st.floats(0.02, 0.98))
def test_a_shift_by_part_of_a_pixel_is_refused(shift: float) -> None:
    coarse = grid(500_000, 2e6, 20.0, 50, 60)
    fine = grid(500_000 + shift * 10, 2e6, 10.0, 100, 100)
    with pytest.raises(SourceError, match="fine pixels apart"):
        placement(coarse, fine)
