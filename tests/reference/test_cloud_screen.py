"""The rescue of bright ground and the haze screen on real looks."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from rsmonitor.records.parameters import ClearParameters, RescueParameters
from rsmonitor.records.rasters import Scl
from rsmonitor.stages.clear import clear_ground
from rsmonitor.stages.haze import HAZE_BANDS, hazy_ground
from rsmonitor.stages.parallax import PARALLAX_BANDS, cloud_displacement
from rsmonitor.stages.rescue import (
    CLOUDS,
    bright_patches,
    initial_bright_looks,
    remember,
)

CLEAR = ClearParameters()
RESCUE = RescueParameters()

Look = tuple[NDArray[np.uint8], NDArray[np.float32]]


def rescued_of(looks: Iterator[Look], pixel_m: float) -> Iterator[NDArray[np.bool_]]:
    """Go through classes and B04 look by look, and give what is rescued."""
    state = None
    for scl, red in looks:
        if state is None:
            state = initial_bright_looks(scl.shape)
        grow = round(CLEAR.grow_m / pixel_m)
        patches = bright_patches(
            scl,
            pixel_m=pixel_m,
            grow_pixels=grow,
            cloud_share=float(np.isin(scl, CLOUDS).mean()),
            clear_parameters=CLEAR,
            parameters=RESCUE,
        )
        seen, _ = clear_ground(
            red[None], scl, bands=("B04",), grow_pixels=grow, parameters=CLEAR
        )
        state, rescued = remember(state, patches, red, seen=seen, parameters=RESCUE)
        yield rescued


def romania(path: Path, pit: NDArray[np.bool_] | None = None) -> Iterator[Look]:
    """Read the demo series; a pit is called cloud wherever its surroundings are seen.

    Its brightness wanders as that of a real pit does from look to look.
    """
    wander = np.random.default_rng(2)
    with xr.open_dataset(path, mask_and_scale=False) as cube:
        for t in range(cube.sizes["time"]):
            scl = cube["SCL"].to_numpy()[t].astype(np.uint8)
            red = cube["B4"].to_numpy()[t].astype(np.float32) / 10_000
            if pit is not None and np.isin(scl[pit], CLEAR.clear_classes).all():
                scl[pit] = Scl.CLOUD_HIGH
                red[pit] = 0.2 * wander.uniform(0.85, 1.15)
            yield scl, red


def test_no_real_cloud_of_five_years_is_taken_for_ground(
    demo_cube: tuple[Path, Path],
) -> None:
    clouds = sum(int(np.isin(scl, CLOUDS).sum()) for scl, _ in romania(demo_cube[0]))
    wrong = sum(int(seen.sum()) for seen in rescued_of(romania(demo_cube[0]), 10.0))
    assert clouds > 300_000
    assert wrong == 0


def test_a_pit_that_is_always_called_cloud_is_seen_from_the_third_look_on(
    demo_cube: tuple[Path, Path],
) -> None:
    pit = np.zeros((100, 100), dtype=np.bool_)
    pit[40:48, 60:67] = True
    false_looks, back = 0, []
    looks = romania(demo_cube[0], pit)
    for t, seen in enumerate(rescued_of(romania(demo_cube[0], pit), 10.0)):
        scl, red = next(looks)
        if (scl[pit] == Scl.CLOUD_HIGH).all() and np.ptp(red[pit]) == 0:
            false_looks += 1
            back.append(float(seen[pit].mean()))
        assert t < 140
    assert false_looks > 60
    assert max(back[:2]) == 0
    assert np.mean(back) > 0.75


def test_nothing_over_a_real_pit_in_the_monsoon_is_rescued(test_data: Path) -> None:
    path = test_data / "s2_mine_timeseries" / "mine_0.nc"
    with xr.open_dataset(path) as cube:
        scl = np.where(cube["data_mask"] == 1, cube["SCL"], 0).astype(np.uint8)
        red = cube["B04"].to_numpy().astype(np.float32) / 10_000
    assert np.isin(scl, CLOUDS).sum() > 10_000
    assert not any(seen.any() for seen in rescued_of(zip(scl, red, strict=True), 9.0))


def test_the_one_hazy_look_that_scl_calls_clear_is_found_and_no_other(
    test_data: Path,
) -> None:
    path = test_data / "s2_mine_timeseries" / "mine_0.nc"
    with xr.open_dataset(path) as cube:
        scl = np.where(cube["data_mask"] == 1, cube["SCL"], 0).astype(np.uint8)
        light = np.stack([cube[b].to_numpy() for b in HAZE_BANDS], axis=1) / 10_000
        days = [str(day)[:10] for day in cube["time"].to_numpy()]
    hazy_days = []
    for day, classes, look in zip(days, scl, light.astype(np.float32), strict=True):
        hazy = hazy_ground(
            look, classes, bands=HAZE_BANDS, pixel_m=9.0, parameters=RESCUE
        )
        assert hazy is not None
        if (hazy & np.isin(classes, CLEAR.clear_classes)).any():
            hazy_days.append(day)
    assert hazy_days == ["2023-09-30"]


@pytest.fixture
def scenes_of_all_bands(test_data: Path) -> list[NDArray[np.float32]]:
    """Read two real scenes of cloud and three of clear forest and meadow."""
    path = test_data / "eolearn_patch" / "eolearn_testpatch.nc"
    with xr.open_dataset(path) as patch:
        scenes = patch["REFERENCE_SCENES"].sel(band=list(PARALLAX_BANDS))
        light = scenes.transpose("scene", "band", "y", "x").to_numpy()
    return list(light.astype(np.float32))


def test_real_clouds_are_displaced_and_real_ground_is_not(
    scenes_of_all_bands: list[NDArray[np.float32]],
) -> None:
    shares = []
    for light in scenes_of_all_bands:
        index = cloud_displacement(light, bands=PARALLAX_BANDS, pixel_m=10.0)
        assert index is not None
        said = index[np.isfinite(index)]
        assert said.size > 0.95 * index.size
        shares.append(
            (
                float((said < RESCUE.cloud_displacement).mean()),
                float((said > RESCUE.ground_displacement).mean()),
            )
        )
    for high, flat in shares[:2]:
        assert high > 0.99
        assert flat == 0
    for high, flat in shares[2:]:
        assert high < 0.1
        assert flat > 0.3
