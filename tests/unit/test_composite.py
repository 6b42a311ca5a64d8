"""Composites: one image of clear looks, for people."""

import numpy as np
import pytest
from pixels import fixed

from rsmonitor.stages.composite import median_composite, true_colour


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
