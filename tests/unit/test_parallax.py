"""Height from parallax: what a cloud and what the ground look like."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from rsmonitor.errors import ContractError
from rsmonitor.stages.parallax import (
    PARALLAX_BANDS,
    cloud_displacement,
    displacement_halo,
)


def texture(seed: int, side: int = 60) -> NDArray[np.float32]:
    """Make light that changes over some pixels."""
    noise = np.random.default_rng(seed).normal(size=(side, side))
    smooth = ndimage.gaussian_filter(noise, 2.0)
    return (0.4 + 0.05 * smooth / smooth.std()).astype(np.float32)


def at_height(shift: int) -> NDArray[np.float32]:
    """Make a layer whose B08 is displaced against the other two."""
    layer = texture(3)
    return np.stack([layer, np.roll(layer, shift, axis=0), layer])


def index(
    light: NDArray[np.float32], pixel_m: float = 10.0
) -> NDArray[np.float32] | None:
    return cloud_displacement(light, bands=PARALLAX_BANDS, pixel_m=pixel_m)


def test_what_is_displaced_in_b08_is_a_cloud() -> None:
    found = index(at_height(2))
    assert found is not None
    assert np.nanmax(found[20:40, 20:40]) < -0.9


def test_ground_whose_red_edge_varies_is_no_cloud() -> None:
    near = texture(1)
    found = index(np.stack([texture(2), near, near]))
    assert found is not None
    assert np.nanmin(found[20:40, 20:40]) > 0.8


def test_light_without_structure_says_neither() -> None:
    found = index(np.full((3, 30, 30), 0.3, dtype=np.float32))
    assert found is not None
    assert (found[7:23, 7:23] == 0).all()


def test_more_light_on_all_bands_displaces_nothing() -> None:
    light = at_height(1)
    one, two = index(light), index(light * np.float32(1.7))
    assert one is not None
    assert two is not None
    np.testing.assert_allclose(one, two, atol=1e-5)


def test_a_gap_in_the_data_is_no_displacement() -> None:
    near = texture(1)
    light = np.stack([texture(2), near, near])
    whole = index(light)
    gap = light.copy()
    gap[:, 28:32, 28:32] = np.nan
    found = index(gap)
    assert whole is not None
    assert found is not None
    assert np.isfinite(found[29, 29])
    assert np.abs(found - whole)[15:45, 15:45].max() < 0.3


def test_where_most_of_the_window_is_missing_nothing_is_said() -> None:
    light = at_height(1)
    light[:, :, 20:] = np.nan
    found = index(light)
    assert found is not None
    assert np.isfinite(found[30, 10])
    assert np.isnan(found[30, 40])


def test_water_is_too_dark_for_a_ratio() -> None:
    found = index(at_height(1) * np.float32(0.02))
    assert found is not None
    assert np.isnan(found).all()


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e30, -1e30, 0.0])
def test_hostile_light_gives_an_index_or_nothing(value: float) -> None:
    light = at_height(1)
    light[:, 10:20, 10:20] = value
    found = index(light)
    assert found is not None
    assert ((np.abs(found) <= 1) | np.isnan(found)).all()


@pytest.mark.parametrize("missing", PARALLAX_BANDS)
def test_without_one_of_the_bands_nothing_is_said(missing: str) -> None:
    bands = tuple("B04" if band == missing else band for band in PARALLAX_BANDS)
    assert cloud_displacement(at_height(1), bands=bands, pixel_m=10.0) is None


def test_pixels_of_twenty_metres_are_too_coarse() -> None:
    assert index(at_height(1), pixel_m=20.0) is None


def test_a_window_read_with_its_halo_says_what_the_whole_says() -> None:
    near = texture(1)
    light = np.stack([texture(2), np.roll(near, 1, axis=0), near])
    halo = displacement_halo(10.0)
    whole, part = index(light), index(light[:, 7:47, 9:49])
    assert whole is not None
    assert part is not None
    inner = slice(halo, 40 - halo)
    expected = whole[7:47, 9:49][inner, inner]
    np.testing.assert_array_equal(part[inner, inner], expected)
    assert not np.array_equal(part[inner, 0], whole[7:47, 9:49][inner, 0])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ContractError, match="does not fit 2 bands"):
        cloud_displacement(at_height(1), bands=("B07", "B08"), pixel_m=10.0)
    with pytest.raises(ContractError, match="pixel_m"):
        index(at_height(1), pixel_m=0.0)
