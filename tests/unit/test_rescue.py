"""Bright ground that SCL calls cloud: single patches and what they are taken for."""

import numpy as np
import pytest
from numpy.typing import NDArray

from rsmonitor.errors import ContractError
from rsmonitor.records.parameters import ClearParameters, RescueParameters
from rsmonitor.records.rasters import Scl
from rsmonitor.stages.rescue import (
    COUNT_BITS,
    Patches,
    bright_patches,
    initial_bright_looks,
    remember,
)

PIT = (slice(40, 44), slice(50, 56))
SIDE = 100


def green() -> NDArray[np.uint8]:
    """Make a scene without a cloud."""
    return np.full((SIDE, SIDE), Scl.VEGETATION, dtype=np.uint8)


def pit(scl: int = Scl.CLOUD_HIGH) -> NDArray[np.uint8]:
    """Make a scene in which a pit alone is called cloud."""
    scene = green()
    scene[PIT] = scl
    return scene


def found(
    scl: NDArray[np.uint8],
    *,
    grow_pixels: int = 0,
    cloud_share: float | None = None,
    displacement: NDArray[np.float32] | None = None,
    parameters: RescueParameters | None = None,
) -> Patches:
    return bright_patches(
        scl,
        pixel_m=10.0,
        grow_pixels=grow_pixels,
        cloud_share=cloud_share,
        displacement=displacement,
        clear_parameters=ClearParameters(),
        parameters=parameters or RescueParameters(),
    )


def everywhere(value: float) -> NDArray[np.float32]:
    return np.full((SIDE, SIDE), value, dtype=np.float32)


def one(looks: str, *, red: list[float] | None = None) -> list[bool]:
    """Follow one pixel: C called cloud, g seen as ground, - not seen."""
    state, rescued = initial_bright_looks((1, 1)), []
    for k, look in enumerate(looks):
        standing = np.array([[look == "C"]])
        state, now = remember(
            state,
            Patches(standing=standing, flat=np.zeros_like(standing)),
            np.array([[0.2 if red is None else red[k]]], dtype=np.float32),
            seen=np.array([[look == "g"]]),
            parameters=RescueParameters(),
        )
        rescued.append(bool(now.item()))
    return rescued


# ------------------------------------------------------------------------------ patches


@pytest.mark.parametrize("scl", [Scl.CLOUD_MEDIUM, Scl.CLOUD_HIGH, Scl.CIRRUS])
def test_a_small_cloud_alone_may_be_ground(scl: Scl) -> None:
    standing = found(pit(scl)).standing
    assert standing[PIT].all()
    assert standing.sum() == 24


@pytest.mark.parametrize(
    "scl", [c for c in Scl if c not in {Scl.CLOUD_MEDIUM, Scl.CLOUD_HIGH, Scl.CIRRUS}]
)
def test_nothing_else_alone_is_taken_for_bright_ground(scl: Scl) -> None:
    assert not found(pit(scl)).standing.any()


def test_the_false_shadow_beside_a_false_cloud_belongs_to_it() -> None:
    scene = pit()
    scene[44:46, 50:53] = Scl.CLOUD_SHADOW
    assert found(scene).standing.sum() == 24 + 6


def test_ground_beside_a_false_cloud_comes_back_with_it_but_snow_does_not() -> None:
    scene = pit()
    scene[38, 50:56] = Scl.SNOW
    standing = found(scene, grow_pixels=2).standing
    assert standing[45, 52]
    assert standing[38, 49]
    assert not standing[38, 50:56].any()
    assert not standing[47, 52]


def test_a_long_cloud_is_left_to_be_one() -> None:
    scene = green()
    scene[40, 20:50] = Scl.CLOUD_HIGH
    assert found(scene).standing.sum() == 30
    scene[40, 50] = Scl.CLOUD_HIGH
    assert not found(scene).standing.any()


@pytest.mark.parametrize(
    "other", [Scl.CLOUD_HIGH, Scl.CLOUD_SHADOW, Scl.SNOW, Scl.NO_DATA]
)
def test_a_small_cloud_among_others_is_no_ground(other: Scl) -> None:
    scene = pit()
    scene[40:60, 62:95] = other
    assert not found(scene).standing[PIT].any()
    assert found(scene, parameters=RescueParameters(max_obscured=0.5)).standing.any()


def test_terrain_shadow_around_a_pit_is_no_cloud() -> None:
    scene = pit()
    scene[45:, :] = Scl.DARK
    assert found(scene).standing[PIT].all()


def test_a_patch_that_touches_the_edge_may_go_on_beyond_it() -> None:
    scene = green()
    scene[0:3, 50:53] = Scl.CLOUD_HIGH
    assert not found(scene).standing.any()
    scene = green()
    scene[1:4, 50:53] = Scl.CLOUD_HIGH
    assert found(scene).standing.any()


def test_in_a_cloudy_scene_nothing_is_rescued() -> None:
    assert found(pit(), cloud_share=0.3).standing.any()
    cloudy = found(pit(), cloud_share=0.31, displacement=everywhere(0.9))
    assert not cloudy.standing.any()
    assert not cloudy.flat.any()


def test_an_unknown_share_of_cloud_leaves_it_to_the_surroundings() -> None:
    assert found(pit(), cloud_share=float("nan")).standing.any()


def test_the_edge_of_a_true_cloud_is_not_given_back_with_the_pit_beside_it() -> None:
    scene = pit()
    scene[5:9, 50:56] = Scl.CLOUD_HIGH
    scene[9:40, 52] = Scl.CLOUD_MEDIUM  # a streak that makes one long cloud of both
    assert not found(scene, grow_pixels=2).standing.any()


# ------------------------------------------------------------------------- displacement


def test_a_patch_without_parallax_is_ground_at_the_first_look() -> None:
    scene = green()
    scene[40:46, 50:56] = Scl.CLOUD_HIGH
    patches = found(scene, displacement=everywhere(0.3))
    assert patches.flat.sum() == 36


def test_a_patch_with_parallax_is_never_counted() -> None:
    patches = found(pit(), displacement=everywhere(-0.6))
    assert not patches.standing.any()


@pytest.mark.parametrize("index", [-0.2, 0.05, np.nan])
def test_a_patch_of_unclear_parallax_has_to_persist(index: float) -> None:
    scene = green()
    scene[40:46, 50:56] = Scl.CLOUD_HIGH
    patches = found(scene, displacement=everywhere(index))
    assert patches.standing.any()
    assert not patches.flat.any()


def test_a_patch_too_small_for_the_window_has_to_persist() -> None:
    patches = found(pit(), displacement=everywhere(0.9))  # 2400 m2
    assert patches.standing.any()
    assert not patches.flat.any()


# ------------------------------------------------------------------------------- looks


def test_the_third_look_at_which_a_cloud_still_stands_there_sees_ground() -> None:
    assert one("CCCC") == [False, False, True, True]


def test_looks_that_saw_nothing_do_not_move_anything() -> None:
    assert one("C--C---C")[-1]


def test_clear_looks_between_make_it_less_sure() -> None:
    assert not one("CgCgC")[-1]
    assert one("CgCgCC")[-1]


def test_a_cloud_that_passed_once_is_forgotten() -> None:
    assert not one("CgggCggC")[-1]


def test_a_cloud_over_the_pit_is_brighter_than_the_pit() -> None:
    usual = [0.2] * 4
    assert one("CCCC", red=usual)[-1]
    assert not one("CCCC", red=[0.2, 0.2, 0.2, 0.5])[-1]
    assert one("CCCCC", red=[0.2, 0.2, 0.2, 0.5, 0.2])[-1]


def test_clouds_of_changing_brightness_never_add_up() -> None:
    assert not any(one("C" * 9, red=[0.2, 0.5, 0.3, 0.6, 0.15, 0.4, 0.7, 0.25, 0.5]))


def test_the_usual_brightness_follows_the_season() -> None:
    red = list(np.linspace(0.15, 0.35, 40))
    assert all(one("C" * 40, red=red)[2:])


def test_dark_plants_at_the_rim_are_as_bright_as_each_other() -> None:
    assert one("CCC", red=[0.02, 0.045, 0.01])[-1]


def test_a_pixel_that_is_no_longer_called_cloud_is_forgotten_in_the_end() -> None:
    state = initial_bright_looks((1, 1))
    one_pixel = np.ones((1, 1), dtype=np.bool_)
    red = np.full((1, 1), 0.2, dtype=np.float32)
    for _ in range(30):
        patches = Patches(standing=one_pixel, flat=~one_pixel)
        state, _ = remember(
            state, patches, red, seen=~one_pixel, parameters=RescueParameters()
        )
    assert state.item() & (1 << COUNT_BITS) - 1 == 12
    for _ in range(12):
        patches = Patches(standing=~one_pixel, flat=~one_pixel)
        state, _ = remember(
            state, patches, red, seen=one_pixel, parameters=RescueParameters()
        )
    assert state.item() == 0


def test_light_that_was_not_measured_is_neither_counted_nor_rescued() -> None:
    assert not any(one("CCCC", red=[float("nan")] * 4))


# ----------------------------------------------------------------------------- refusals


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ContractError, match="one shape"):
        found(green(), displacement=np.zeros((2, 2), dtype=np.float32))
    with pytest.raises(ContractError, match="pixel_m"):
        bright_patches(
            green(),
            pixel_m=float("nan"),
            grow_pixels=0,
            clear_parameters=ClearParameters(),
            parameters=RescueParameters(),
        )
    one_pixel = np.ones((1, 1), dtype=np.bool_)
    patches = Patches(standing=one_pixel, flat=one_pixel)
    red = np.full((1, 1), 0.2, dtype=np.float32)
    for state in (
        np.zeros((1, 2), dtype=np.uint16),
        np.zeros((1, 1), dtype=np.uint8),
    ):
        with pytest.raises(ContractError, match="bright_looks"):
            remember(state, patches, red, seen=one_pixel, parameters=RescueParameters())


@pytest.mark.parametrize(
    "values",
    [
        {"looks": 1},
        {"looks": 5, "spare": 3},
        {"brightness_ratio": 0.9},
        {"max_obscured": float("nan")},
        {"cloud_displacement": 0.2},
        {"haze": -0.1},
    ],
)
def test_parameters_that_make_no_sense_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ContractError, match=next(iter(values))):
        RescueParameters(**values)  # type: ignore[arg-type]
