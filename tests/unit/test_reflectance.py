"""Digital numbers become reflectance once, and nothing measured is lost."""

import numpy as np
import pytest

from rsmonitor.records.scene import SceneNumbers
from rsmonitor.stages.reflectance import (
    as_numbers,
    reflectance_of,
    scaled_reflectance,
    to_reflectance,
)

EVERY_DN = np.arange(65_536, dtype=np.uint16)


def test_same_ground_reads_the_same_across_processing_baselines() -> None:
    before = np.array([250, 1450, 9000], dtype=np.uint16)
    after = before + np.uint16(1000)
    np.testing.assert_array_equal(
        to_reflectance(before, add_offset=0), to_reflectance(after, add_offset=-1000)
    )


def test_dark_ground_stays_negative() -> None:
    dn = np.array([1, 900], dtype=np.uint16)
    np.testing.assert_allclose(
        to_reflectance(dn, add_offset=-1000), [-0.0999, -0.01], rtol=1e-6
    )


def test_not_measured_is_nan_and_not_the_offset() -> None:
    dn = np.array([0, 1], dtype=np.uint16)
    assert np.isnan(to_reflectance(dn, add_offset=-1000)).tolist() == [True, False]


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.uint8, np.int64])
def test_numbers_that_may_be_converted_already_are_refused(dtype: type) -> None:
    with pytest.raises(TypeError, match="uint16"):
        to_reflectance(np.ones(3, dtype=dtype), add_offset=0)


def test_both_ways_of_converting_agree_on_every_digital_number() -> None:
    for offset in (0, -1000):
        np.testing.assert_allclose(
            scaled_reflectance(EVERY_DN, scale_factor=1e-4, add_offset=offset / 1e4),
            to_reflectance(EVERY_DN, add_offset=offset),
            rtol=1e-6,
            atol=1e-8,
        )


def test_fill_is_found_before_the_scale_and_negative_values_are_kept() -> None:
    stored = np.array([-9999, -100, 0, 100], dtype=np.int16)
    result = scaled_reflectance(
        stored, scale_factor=1e-4, add_offset=0.0, fill_values=[-9999]
    )
    np.testing.assert_allclose(result, [np.nan, -0.01, np.nan, 0.01], rtol=1e-6)
    assert result.dtype == np.float32


def test_a_fill_value_with_more_digits_than_the_data_is_still_found() -> None:
    stored = np.array([0.1, -9999.9, 1e30], dtype=np.float32)
    result = scaled_reflectance(
        stored, scale_factor=1.0, add_offset=0.0, fill_values=[-9999.9, 1e30]
    )
    assert np.isnan(result).tolist() == [False, True, True]


def test_a_fill_value_that_the_type_cannot_hold_matches_nothing() -> None:
    stored = np.array([1, 55_537], dtype=np.uint16)  # 55,537 is -9,999 in 16 bits
    result = scaled_reflectance(
        stored, scale_factor=1e-4, add_offset=0.0, fill_values=[-9999, 1e300]
    )
    assert np.isfinite(result).all()


def test_infinite_is_not_measured_and_too_large_does_not_pass_for_measured() -> None:
    stored = np.array([np.inf, -np.inf, np.nan, 1e300])
    result = scaled_reflectance(stored, scale_factor=1.0, add_offset=0.0)
    assert np.isnan(result).tolist() == [True, True, True, False]
    assert np.isinf(result[3])


def test_the_stored_numbers_are_not_touched() -> None:
    stored = np.array([0, 100], dtype=np.uint16)
    scaled_reflectance(stored, scale_factor=1e-4, add_offset=-0.1, fill_values=[100])
    to_reflectance(stored, add_offset=-1000)
    assert stored.tolist() == [0, 100]


# ------------------------------------------------------------------ stored numbers


def numbers(
    coarse: list[list[int]], shape: tuple[int, int], *, row: int = 0, col: int = 0
) -> SceneNumbers:
    return SceneNumbers(
        fine_bands=("B04",),
        coarse_bands=("B11",),
        fine=np.arange(1000, 1000 + shape[0] * shape[1], dtype=np.uint16).reshape(
            1, *shape
        ),
        coarse=np.array([coarse], dtype=np.uint16),
        ratio=2,
        row=row,
        col=col,
        scl=np.zeros(shape, dtype=np.uint8),
        add_offset=-1000,
    )


def test_coarse_bands_are_interpolated_after_they_are_reflectance() -> None:
    found = reflectance_of(numbers([[1000, 2000]], (2, 4)))
    np.testing.assert_array_equal(
        found[0], to_reflectance(numbers([[1, 1]], (2, 4)).fine[0], add_offset=-1000)
    )
    np.testing.assert_allclose(found[1], [[0, 0.025, 0.075, 0.1]] * 2, rtol=1e-6)


def test_a_window_may_begin_within_a_coarse_pixel() -> None:
    coarse = [[1000, 2000, 3000], [1400, 1200, 7000]]
    whole = reflectance_of(numbers(coarse, (4, 6)))
    part = reflectance_of(numbers(coarse, (3, 3), row=-1, col=-3))
    np.testing.assert_array_equal(part[1], whole[1, 1:, 3:])


@pytest.mark.parametrize("gap", [0, 65_535])
def test_a_coarse_pixel_without_measurement_is_nan_and_nothing_to_its_neighbours(
    gap: int,
) -> None:
    found = reflectance_of(numbers([[2000, gap, 4000]], (2, 6)))[1]
    assert np.isnan(found[:, 2:4]).all()
    np.testing.assert_allclose(found[:, [0, 1]], 0.1, rtol=1e-6)
    np.testing.assert_allclose(found[:, [4, 5]], 0.3, rtol=1e-6)


def test_reflectance_on_the_pixels_of_the_window_is_itself() -> None:
    reflectance = np.array([[[0.1, np.nan, -0.02]]], dtype=np.float32)
    scl = np.array([[4, 0, 5]], dtype=np.uint8)
    stored = as_numbers(reflectance, scl, ["B8A"])
    assert stored.bands == ("B8A",)
    np.testing.assert_array_equal(reflectance_of(stored), reflectance)
    np.testing.assert_array_equal(stored.scl, scl)
