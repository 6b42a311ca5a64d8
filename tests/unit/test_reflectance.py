"""Digital numbers become reflectance once, and nothing measured is lost."""

import numpy as np
import pytest

from rsmonitor.stages.reflectance import scaled_reflectance, to_reflectance

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
