"""The fused median of looks is the plain one, to the last bit."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from rsmonitor.records.scene import SceneNumbers
from rsmonitor.stages.composite import median_composite
from rsmonitor.stages.fused.composite import median_of_looks
from rsmonitor.stages.reflectance import reflectance_of

SHAPES = st.tuples(
    st.integers(1, 26), st.integers(1, 3), st.integers(1, 5), st.integers(1, 70)
)
FEW = st.integers(0, 2**32 - 1)


def same(
    found: tuple[NDArray[np.float32], NDArray[np.uint16]],
    plain: tuple[NDArray[np.float32], NDArray[np.uint16]],
) -> None:
    for mine, theirs in zip(found, plain, strict=True):
        assert mine.dtype == theirs.dtype
        np.testing.assert_array_equal(mine, theirs)


@settings(max_examples=60, deadline=None)
@given(
    shape=SHAPES,
    seed=FEW,
    top=st.sampled_from([3, 40, 65_536]),
    lost=st.floats(0, 1),
    hidden=st.floats(0, 1),
    add_offset=st.sampled_from([0, -1000, 7]),
    quantification_value=st.sampled_from([10_000, 9_999, 1]),
)
def test_of_digital_numbers(
    shape: tuple[int, int, int, int],
    seed: int,
    top: int,
    lost: float,
    hidden: float,
    add_offset: int,
    quantification_value: int,
) -> None:
    rng = np.random.default_rng(seed)
    dn = rng.integers(0, top, shape).astype(np.uint16)
    gap = rng.random(shape) < lost / 2
    dn[gap] = rng.choice([0, 65_535], gap.sum())
    clear = rng.random((shape[0], *shape[2:])) >= hidden
    bands = tuple(f"B{i:02d}" for i in range(shape[1]))
    reflectance = np.stack(
        [
            reflectance_of(
                SceneNumbers(
                    fine_bands=bands,
                    coarse_bands=(),
                    fine=look,
                    coarse=np.empty((0, 1, 1), dtype=np.uint16),
                    ratio=2,
                    row=0,
                    col=0,
                    scl=np.zeros(shape[2:], dtype=np.uint8),
                    add_offset=add_offset,
                    quantification_value=quantification_value,
                )
            )
            for look in dn
        ]
    )
    plain = median_composite(reflectance, clear)
    same(
        median_of_looks(
            dn,
            clear,
            add_offset=add_offset,
            quantification_value=quantification_value,
        ),
        plain,
    )
    same(median_of_looks(reflectance, clear), plain)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), shape=SHAPES)
def test_of_any_reflectance(
    data: st.DataObject, shape: tuple[int, int, int, int]
) -> None:
    values = st.floats(width=32) | st.sampled_from([np.nan, np.inf, -np.inf, 0.0])
    looks = data.draw(arrays(np.float32, shape, elements=values, fill=values))
    clear = data.draw(arrays(np.bool_, (shape[0], *shape[2:])))
    with np.errstate(all="ignore"):
        plain = median_composite(looks, clear)
    same(median_of_looks(looks, clear), plain)


@settings(max_examples=20, deadline=None)
@given(seed=FEW, count=st.integers(1, 9), width=st.sampled_from([63, 2000, 11_000]))
def test_wherever_the_rows_of_pixels_begin_and_end(
    seed: int, count: int, width: int
) -> None:
    rng = np.random.default_rng(seed)
    dn = rng.integers(0, 60, (count, 2, 2, width)).astype(np.uint16)
    clear = rng.random((count, 2, width)) < 0.6
    whole, n_clear = median_of_looks(dn, clear)
    cut = int(rng.integers(1, width))
    for part in (slice(0, cut), slice(cut, width)):
        # views that do not lie in one piece
        composite, number = median_of_looks(dn[..., part], clear[..., part])
        np.testing.assert_array_equal(composite, whole[..., part])
        np.testing.assert_array_equal(number, n_clear[..., part])


@settings(max_examples=20, deadline=None)
@given(seed=FEW, count=st.integers(1, 9))
def test_looks_and_what_was_clear_stay_as_they_were(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    dn = rng.integers(0, 60, (count, 1, 3, 50)).astype(np.uint16)
    clear = rng.random((count, 3, 50)) < 0.6
    looks = dn.astype(np.float32)
    for array in (dn, clear, looks):
        array.flags.writeable = False
    composite, _ = median_of_looks(dn, clear)
    order = rng.permutation(count)
    again, _ = median_of_looks(dn[order], clear[order])
    np.testing.assert_array_equal(again, composite)
    median_of_looks(looks, clear)
