"""Haze that SCL lets through, and white ground that is none."""

import numpy as np
import pytest
from numpy.typing import NDArray

from rsmonitor.errors import ContractError
from rsmonitor.records.parameters import RescueParameters
from rsmonitor.records.rasters import Scl
from rsmonitor.stages.haze import HAZE_BANDS, haze_halo, hazy_ground

FOREST = (0.03, 0.03)
SOIL = (0.09, 0.19)
WHITE = (0.45, 0.50)
VEIL = (0.11, 0.07)


def scene(*, side: int = 90) -> NDArray[np.float32]:
    """Make a forest in B02 and B04."""
    return np.tile(
        np.array(FOREST, dtype=np.float32)[:, None, None], (1, side, side)
    ).copy()


def hazy(
    light: NDArray[np.float32], scl: NDArray[np.uint8] | None = None
) -> NDArray[np.bool_]:
    if scl is None:
        scl = np.full(light.shape[1:], Scl.VEGETATION, dtype=np.uint8)
    found = hazy_ground(
        light, scl, bands=HAZE_BANDS, pixel_m=10.0, parameters=RescueParameters()
    )
    assert found is not None
    return found


def paint(
    light: NDArray[np.float32], where: slice, colour: tuple[float, float]
) -> None:
    light[:, where, where] = np.array(colour, dtype=np.float32)[:, None, None]


@pytest.mark.parametrize("ground", [FOREST, SOIL])
def test_ground_in_clear_air_is_not_hazy(ground: tuple[float, float]) -> None:
    light = scene()
    paint(light, slice(0, 90), ground)
    assert not hazy(light).any()


@pytest.mark.parametrize("ground", [FOREST, SOIL])
def test_a_veil_over_everything_is_haze(ground: tuple[float, float]) -> None:
    light = scene()
    paint(light, slice(0, 90), ground)
    assert hazy(light + np.array(VEIL, dtype=np.float32)[:, None, None]).all()


def test_white_tailings_in_clear_air_are_not_haze() -> None:
    light = scene()
    paint(light, slice(30, 58), WHITE)
    assert not hazy(light).any()


def test_one_dark_pixel_does_not_clear_the_haze() -> None:
    light = scene() + np.array(VEIL, dtype=np.float32)[:, None, None]
    light[:, 45, 45] = FOREST
    assert hazy(light).all()


def test_water_is_no_witness() -> None:
    light = np.full((2, 60, 60), 0.2, dtype=np.float32)
    water = np.full((60, 60), Scl.WATER, dtype=np.uint8)
    assert not hazy(light, water).any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_light_that_was_not_measured_is_no_witness(value: float) -> None:
    light = scene() + np.array(VEIL, dtype=np.float32)[:, None, None]
    light[0, 20:40, 20:40] = value
    assert hazy(light)[:10].all()
    assert not hazy(np.full((2, 9, 9), value, dtype=np.float32)).any()


def test_a_window_read_with_its_halo_says_what_the_whole_says() -> None:
    light = scene()
    light[:, :, 47:] += np.array(VEIL, dtype=np.float32)[:, None, None]
    halo = haze_halo(10.0, parameters=RescueParameters())
    part = hazy(light[:, 10:70, 20:80])
    inner = slice(halo, 60 - halo)
    expected = hazy(light)[10:70, 20:80][inner, inner]
    np.testing.assert_array_equal(part[inner, inner], expected)


def test_without_blue_or_red_haze_is_not_looked_for() -> None:
    scl = np.full((90, 90), Scl.VEGETATION, dtype=np.uint8)
    for bands in (("B03", "B04"), ("B02", "B08")):
        found = hazy_ground(
            scene(), scl, bands=bands, pixel_m=10.0, parameters=RescueParameters()
        )
        assert found is None


def test_what_does_not_fit_is_refused() -> None:
    scl = np.zeros((3, 3), dtype=np.uint8)
    for light, pixel_m, rule in (
        (np.zeros((2, 2, 2), dtype=np.float32), 10.0, "does not fit"),
        (np.zeros((2, 3, 3), dtype=np.float32), 0.0, "pixel_m"),
    ):
        with pytest.raises(ContractError, match=rule):
            hazy_ground(
                light,
                scl,
                bands=HAZE_BANDS,
                pixel_m=pixel_m,
                parameters=RescueParameters(),
            )
