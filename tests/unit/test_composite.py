"""Composites: one image of clear looks, for people."""

import numpy as np
import pytest
from pixels import fixed

from rsmonitor.errors import ContractError
from rsmonitor.stages.composite import median_composite, true_colour
from rsmonitor.stages.fused.composite import median_of_looks, network


def test_a_composite_is_the_median_that_numpy_takes_of_the_clear_looks() -> None:
    random = np.random.default_rng(1)
    looks = random.random((9, 3, 20, 30)).astype(np.float32)
    clear = random.random((9, 20, 30)) < 0.7
    clear[:, 0, 0] = False
    clear[:, 0, 1] = np.arange(9) == 4
    composite, n_clear = median_composite(fixed(looks), fixed(clear))
    hidden = np.where(clear[:, None], looks, np.nan)
    np.testing.assert_allclose(
        composite[:, 0, 2:], np.nanmedian(hidden[..., 0, 2:], axis=0), rtol=1e-6
    )
    np.testing.assert_allclose(
        composite[:, 1:], np.nanmedian(hidden[..., 1:, :], axis=0), rtol=1e-6
    )
    assert np.isnan(composite[:, 0, 0]).all()
    np.testing.assert_array_equal(composite[:, 0, 1], looks[4, :, 0, 1])
    np.testing.assert_array_equal(n_clear, clear.sum(axis=0))
    assert composite.dtype == np.float32
    assert n_clear.dtype == np.uint16


def test_a_missed_cloud_does_not_show_in_a_composite_of_three_looks() -> None:
    looks = fixed([0.04, 0.9, 0.05], np.float32)[:, None, None, None]
    composite, _ = median_composite(looks, np.ones((3, 1, 1), dtype=np.bool_))
    assert composite.item() == pytest.approx(0.05)


def test_ground_that_no_look_showed_is_grey_and_not_black() -> None:
    composite = fixed([[[np.nan, 0.0, 0.16, 0.9, -0.1]]] * 3, np.float32)
    rgb = true_colour(composite, ("B02", "B03", "B04"), 0.16)
    assert rgb[0].tolist() == [[v] * 3 for v in (128, 0, 255, 255, 0)]
    assert rgb.dtype == np.uint8


@pytest.mark.parametrize(
    ("bands", "levels", "expected"),
    [
        (("B02", "B03", "B04", "B08"), (50, 100, 200, 150), [200, 100, 50]),
        (("B08", "B04", "B03", "B02"), (150, 200, 100, 50), [200, 100, 50]),
        (("B03", "B04", "B08"), (100, 200, 150), [150, 200, 100]),
        (("B04", "B08"), (200, 150), [150, 200, 200]),
        (("B04",), (200,), [200, 200, 200]),
    ],
)
def test_colours_are_those_of_the_eye_or_of_infrared_where_blue_is_missing(
    bands: tuple[str, ...], levels: tuple[int, ...], expected: list[int]
) -> None:
    stored = [(level / 255) ** 2 for level in levels]  # the image takes the root
    rgb = true_colour(fixed(stored, np.float32)[:, None, None], bands, 1.0)
    np.testing.assert_allclose(rgb[0, 0], expected, atol=1)


def test_what_counts_as_white_sets_how_bright_the_image_is() -> None:
    grey = fixed([[[0.04]]], np.float32)
    for white, level in ((0.04, 255), (0.16, 127), (4.0, 25)):
        assert true_colour(grey, ("B04",), white)[0, 0].tolist() == [level] * 3


def test_a_fused_composite_of_digital_numbers_is_the_one_of_their_reflectance() -> None:
    looks = fixed([1100, 1500, 1201, 0, 65_535], np.uint16)[:, None, None, None]
    looks = np.broadcast_to(looks, (5, 1, 1, 3))
    clear = fixed([[1, 1, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0], [0, 1, 0]], np.bool_)
    composite, n_clear = median_of_looks(looks, clear[:, None], add_offset=-1000)
    one, other = np.float32(100) / np.float32(1e4), np.float32(201) / np.float32(1e4)
    assert composite[0, 0, 0] == (one + other) / np.float32(2)
    # of four looks that were called clear, one saturated: it counts as the brightest
    assert composite[0, 0, 1] == (other + np.float32(500) / np.float32(1e4)) / 2
    assert np.isnan(composite[0, 0, 2])
    assert n_clear.tolist() == [[2, 4, 0]]
    assert composite.dtype == np.float32
    assert n_clear.dtype == np.uint16


@pytest.mark.parametrize("count", range(1, 13))
def test_a_network_brings_the_middle_to_the_middle_whatever_it_is_given(
    count: int,
) -> None:
    # what sorts all zeros and ones sorts everything, and so for each single place
    values = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
    ordered = np.sort(values, axis=1)
    for first, second in network(count):
        assert first < second
        pair = np.sort(values[:, [first, second]], axis=1)
        values[:, [first, second]] = pair
    middle = slice(max(0, (count - 1) // 2 - 1), count // 2 + 1)
    np.testing.assert_array_equal(values[:, middle], ordered[:, middle])


def test_a_network_leaves_out_what_does_not_lead_to_the_middle() -> None:
    assert [len(network(count)) for count in (1, 2, 3, 4)] == [0, 1, 3, 5]
    assert len(network(24)) < 120


@pytest.mark.parametrize(
    ("looks", "clear", "dtype"),
    [
        ((0, 1, 2, 2), (0, 2, 2), np.uint16),
        ((2, 0, 2, 2), (2, 2, 2), np.uint16),
        ((2, 1, 2, 2), (2, 2, 3), np.float32),
        ((2, 1, 2, 2), (1, 2, 2), np.float32),
        ((2, 2, 2), (2, 2), np.float32),
        ((2, 1, 2, 2), (2, 2, 2), np.float64),
    ],
)
def test_what_is_no_stack_of_looks_is_refused(
    looks: tuple[int, ...], clear: tuple[int, ...], dtype: type
) -> None:
    with pytest.raises(ContractError, match="looks"):
        median_of_looks(np.ones(looks, dtype), np.ones(clear, np.bool_))
