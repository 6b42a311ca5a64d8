"""Laws of stored numbers: they mean what `load` gives, however cut and merged."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from numpy.typing import NDArray

from rsmonitor.io.sources.cog_inflate import unpacked
from rsmonitor.io.sources.resampling import Placement
from rsmonitor.io.sources.scene_cells import (
    Measured,
    as_shipped,
    measured,
    merged,
    repeated,
)
from rsmonitor.records.grid import Block
from rsmonitor.records.offer import Numbers, Radiometry
from rsmonitor.records.scene import SceneNumbers
from rsmonitor.stages.reflectance import reflectance_of

OFFSET = Radiometry(add_offset=-1000, quantification_value=10_000, because="a test")

DN = st.one_of(
    st.sampled_from([0, 1, 999, 1000, 1001, 65_534, 65_535]), st.integers(0, 65_535)
)
REFLECTANCE = st.one_of(st.just(np.nan), st.floats(-0.125, 1.5, width=32))


@st.composite
def windows(draw: st.DrawFn) -> tuple[Placement, Block]:
    """Give a coarse raster, a finer grid inside and a block of that."""
    ratio = draw(st.integers(1, 6))
    height, width = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    row = draw(st.integers(0, height * ratio - 1))
    col = draw(st.integers(0, width * ratio - 1))
    top = draw(st.integers(0, height * ratio - row - 1))
    left = draw(st.integers(0, width * ratio - col - 1))
    block = Block(
        row=top,
        col=left,
        height=draw(st.integers(1, height * ratio - row - top)),
        width=draw(st.integers(1, width * ratio - col - left)),
    )
    place = Placement(
        ratio_y=ratio, ratio_x=ratio, row=row, col=col, height=height, width=width
    )
    return place, block


def cut(
    coarse: NDArray[np.float32] | NDArray[np.uint16], place: Placement, block: Block
) -> SceneNumbers:
    """Give what a source gives of one coarse band."""
    window = place.window(block)
    fine = np.empty((0, block.height, block.width), dtype=coarse.dtype)
    return SceneNumbers(
        fine_bands=(),
        coarse_bands=("B11",),
        fine=fine,
        coarse=coarse[None, window.rows, window.cols],
        ratio=place.ratio_y,
        row=window.row * place.ratio_y - place.row - block.row,
        col=window.col * place.ratio_x - place.col - block.col,
        scl=np.zeros((block.height, block.width), dtype=np.uint8),
        add_offset=-1000,
    )


@given(windows(), st.data())
def test_coarse_reflectance_is_brought_to_the_window_as_a_placement_does(
    case: tuple[Placement, Block], data: st.DataObject
) -> None:
    place, block = case
    coarse = data.draw(
        st_numpy.arrays(np.float32, (place.height, place.width), elements=REFLECTANCE)
    )
    window = place.window(block)
    np.testing.assert_array_equal(
        reflectance_of(cut(coarse, place, block))[0],
        place.bilinear(coarse[window.rows, window.cols], block),
    )


@given(windows(), st.data())
def test_no_value_of_coarse_numbers_depends_on_the_window(
    case: tuple[Placement, Block], data: st.DataObject
) -> None:
    place, block = case
    coarse = data.draw(
        st_numpy.arrays(np.uint16, (place.height, place.width), elements=DN)
    )
    whole = Block(
        row=0,
        col=0,
        height=place.height * place.ratio_y - place.row,
        width=place.width * place.ratio_x - place.col,
    )
    np.testing.assert_array_equal(
        reflectance_of(cut(coarse, place, block))[0],
        reflectance_of(cut(coarse, place, whole))[0, block.rows, block.cols],
    )


@st.composite
def strips(draw: st.DrawFn) -> list[Measured]:
    height, width = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    return [
        as_shipped(
            Numbers(
                bands_10m=("B04", "B08"),
                bands_20m=("B11",),
                dn_10m=draw(
                    st_numpy.arrays(np.uint16, (2, 2 * height, 2 * width), elements=DN)
                ),
                dn_20m=draw(
                    st_numpy.arrays(np.uint16, (1, height, width), elements=DN)
                ),
                scl=draw(
                    st_numpy.arrays(
                        np.uint8, (height, width), elements=st.integers(0, 11)
                    )
                ),
            ),
            ("B08", "B11", "B04"),
        )
        for _ in range(draw(st.integers(1, 3)))
    ]


@given(strips())
def test_merging_numbers_is_merging_the_reflectance_of_them(
    parts: list[Measured],
) -> None:
    before = measured(merged(parts), OFFSET)
    after = merged([measured(part, OFFSET) for part in parts])
    assert before.bands_10m == after.bands_10m == ("B08", "B04")
    np.testing.assert_array_equal(before.fine, after.fine)
    np.testing.assert_array_equal(before.coarse, after.coarse)
    np.testing.assert_array_equal(before.scl, after.scl)


@given(
    st_numpy.arrays(np.uint8, st.tuples(st.integers(1, 5), st.integers(1, 5))),
    st.data(),
)
def test_classes_are_repeated_for_any_part(
    scl: NDArray[np.uint8], data: st.DataObject
) -> None:
    whole = scl.repeat(2, axis=0).repeat(2, axis=1)
    row = data.draw(st.integers(0, whole.shape[0] - 1))
    col = data.draw(st.integers(0, whole.shape[1] - 1))
    shape = (
        data.draw(st.integers(1, whole.shape[0] - row)),
        data.draw(st.integers(1, whole.shape[1] - col)),
    )
    np.testing.assert_array_equal(
        repeated(scl, (row, col), shape),
        whole[row : row + shape[0], col : col + shape[1]],
    )


@given(
    dtype=st.sampled_from([np.uint8, np.uint16]),
    height=st.integers(1, 6),
    width=st.integers(1, 40),
    has_differences=st.booleans(),
    data=st.data(),
)
def test_any_part_of_a_tile_is_unpacked_as_the_whole_is(
    *,
    dtype: type,
    height: int,
    width: int,
    has_differences: bool,
    data: st.DataObject,
) -> None:
    numbers = data.draw(st_numpy.arrays(dtype, (height, width)))
    pixels = numbers
    if has_differences:
        pixels = np.cumsum(numbers, axis=1, dtype=dtype)
    row = data.draw(st.integers(0, height - 1))
    col = data.draw(st.integers(0, width - 1))
    found: NDArray[Any] = np.zeros((height - row + 2, width - col + 2), dtype=dtype)
    numbers.flags.writeable = False
    unpacked(numbers, found[1:-1, 1:-1], (row, col), has_differences=has_differences)
    np.testing.assert_array_equal(found[1:-1, 1:-1], pixels[row:, col:])
    found[1:-1, 1:-1] = 0
    assert not found.any()
