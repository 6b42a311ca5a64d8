"""A scene's numbers are held against what its metadata says."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from numpy.typing import NDArray

from rsmonitor.records.offer import Numbers, Radiometry
from rsmonitor.records.rasters import Scl
from rsmonitor.stages.radiometry import MIN_PIXELS, Soundness, judge, tally

APPLIED = Radiometry(add_offset=0, quantification_value=10_000, because="flag: applied")
RAW = Radiometry(
    add_offset=-1000, quantification_value=10_000, because="baseline 05.09"
)
FOREST = {"B02": 250, "B03": 450, "B04": 280, "B08": 3000, "B11": 1500, "B12": 700}
WATER = {"B02": 400, "B03": 350, "B04": 200, "B08": 100, "B11": 40, "B12": 20}
SAND = {"B02": 1800, "B03": 2300, "B04": 2900, "B08": 3500, "B11": 4500, "B12": 4200}
FINE = ("B02", "B03", "B04", "B08")
SIZE = 40


def scene(
    ground: Mapping[str, int],
    scl: Scl,
    *,
    added: int = 0,
    without: tuple[str, ...] = (),
) -> Numbers:
    """Give numbers of one kind of ground, with a little noise."""
    random = np.random.default_rng(1)

    def plane(band: str, size: int) -> NDArray[np.uint16]:
        noise = random.normal(0, 0.1 * ground[band] + 5, (size, size))
        return np.clip(ground[band] + noise + added, 1, 65_534).astype(np.uint16)

    coarse = tuple(band for band in ("B11", "B12") if band not in without)
    return Numbers(
        bands_10m=FINE,
        bands_20m=coarse,
        dn_10m=np.stack([plane(band, 2 * SIZE) for band in FINE]),
        dn_20m=np.stack([plane(band, SIZE) for band in coarse]),
        scl=np.full((SIZE, SIZE), scl, dtype=np.uint8),
    )


def said(numbers: Numbers, radiometry: Radiometry = APPLIED) -> Soundness:
    return judge(tally(numbers), radiometry)


@pytest.mark.parametrize(("ground", "scl"), [(FOREST, 4), (WATER, 6)])
@pytest.mark.parametrize(("added", "radiometry"), [(0, APPLIED), (1000, RAW)])
def test_a_scene_that_agrees_with_its_metadata_is_sound(
    ground: Mapping[str, int], scl: int, added: int, radiometry: Radiometry
) -> None:
    found = said(scene(ground, Scl(scl), added=added), radiometry)
    assert found.contradiction is None
    assert found.offset_judged


@pytest.mark.parametrize(("ground", "scl"), [(FOREST, 4), (WATER, 6)])
def test_an_offset_that_nobody_took_off_is_seen_on_dark_ground(
    ground: Mapping[str, int], scl: int
) -> None:
    found = said(scene(ground, Scl(scl), added=1000), APPLIED)
    assert found.contradiction is not None
    assert "still in the numbers" in found.contradiction
    assert "flag: applied" in found.contradiction


@pytest.mark.parametrize(("ground", "scl"), [(FOREST, 4), (WATER, 6)])
def test_an_offset_taken_off_twice_is_seen_on_dark_ground(
    ground: Mapping[str, int], scl: int
) -> None:
    found = said(scene(ground, Scl(scl)), RAW)
    assert found.contradiction is not None
    assert "taken off already" in found.contradiction
    assert "baseline 05.09" in found.contradiction


@pytest.mark.parametrize(("added", "radiometry"), [(0, APPLIED), (1000, APPLIED)])
def test_bright_ground_cannot_be_judged_and_is_not_refused(
    added: int, radiometry: Radiometry
) -> None:
    for scl in (Scl.NOT_VEGETATED, Scl.CLOUD_HIGH, Scl.SNOW):
        found = said(scene(SAND, scl, added=added), radiometry)
        assert found.contradiction is None
        assert not found.offset_judged
        assert "not judged" in found.note


def test_haze_over_a_forest_is_not_taken_for_an_offset() -> None:
    haze = {**FOREST, "B02": 1150, "B03": 1240, "B04": 1070}
    assert said(scene(haze, Scl.VEGETATION)).contradiction is None
    # B11 alone does not tell haze from an offset where there is no shade
    without = scene(haze, Scl.VEGETATION, without=("B12",))
    assert said(without).contradiction is None
    assert not said(without).offset_judged


def test_bands_of_64000_under_a_class_of_no_data_are_refused() -> None:
    # Element84/earth-search issue 78, tile 38TPT
    numbers = scene(FOREST, Scl.VEGETATION)
    numbers.dn_10m[:] = 64_500 + numbers.dn_10m % 500
    assert "30,000 and more" in (said(numbers).contradiction or "")
    numbers.scl[:37] = Scl.NO_DATA
    assert "92%" in (said(numbers).contradiction or "")


def test_single_glints_are_no_corruption() -> None:
    numbers = scene(FOREST, Scl.VEGETATION)
    numbers.dn_10m[:, :4, :4] = 45_000
    assert said(numbers).contradiction is None


def test_saturated_pixels_are_no_corruption() -> None:
    numbers = scene(FOREST, Scl.VEGETATION)
    numbers.dn_10m[:, :20, :20] = 65_535
    assert said(numbers).contradiction is None


def test_classes_over_nothing_measured_are_refused() -> None:
    numbers = scene(FOREST, Scl.VEGETATION)
    numbers.dn_10m[:, : SIZE + 1] = 0
    numbers.dn_20m[:, : SIZE // 2 + 1] = 0
    assert "no band has numbers" in (said(numbers).contradiction or "")


def test_the_edge_of_a_swath_is_sound() -> None:
    numbers = scene(FOREST, Scl.VEGETATION)
    numbers.dn_10m[:, :SIZE] = 0
    numbers.dn_20m[:, : SIZE // 2] = 0
    numbers.scl[: SIZE // 2] = 0
    found = said(numbers)
    assert found.contradiction is None
    assert found.offset_judged


def test_a_constant_and_an_empty_band_are_refused() -> None:
    numbers = scene(FOREST, Scl.VEGETATION)
    numbers.dn_20m[0] = 1500
    assert said(numbers).contradiction == "B11 is 1500 everywhere"
    numbers.dn_20m[0] = 0
    assert "B11 has 0 pixels" in (said(numbers).contradiction or "")


def test_a_class_that_does_not_exist_is_refused() -> None:
    numbers = scene(FOREST, Scl.VEGETATION)
    numbers.scl[3, 3] = 12
    assert "no class" in (said(numbers).contradiction or "")


def test_almost_nothing_measured_is_not_judged() -> None:
    numbers = scene(FOREST, Scl.VEGETATION, added=1000)
    rows = MIN_PIXELS // SIZE - 1
    numbers.dn_10m[:, 2 * rows :] = 0
    numbers.dn_20m[:, rows:] = 0
    numbers.scl[rows:] = 0
    assert said(numbers).contradiction is None
    assert not said(numbers).offset_judged


def test_counts_of_parts_add_up_to_the_count_of_the_whole() -> None:
    numbers = scene(WATER, Scl.WATER)
    parts = [
        replace(
            numbers,
            dn_10m=numbers.dn_10m[:, 2 * rows.start : 2 * rows.stop],
            dn_20m=numbers.dn_20m[:, rows],
            scl=numbers.scl[rows],
        )
        for rows in (slice(0, 13), slice(13, SIZE))
    ]
    total, whole = tally(parts[0]) + tally(parts[1]), tally(numbers)
    for name in whole.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(total, name), getattr(whole, name))


def test_no_real_scene_is_refused_and_no_shift_of_it_passes_where_judged(
    demo_cube: tuple[Path, Path],
) -> None:
    with (
        xr.open_dataset(demo_cube[0], mask_and_scale=False) as fine,
        xr.open_dataset(demo_cube[1], mask_and_scale=False) as coarse,
    ):
        fine.load()
        coarse.load()
    twice = judged = 0
    for time in range(fine.sizes["time"]):
        numbers = Numbers(
            bands_10m=FINE,
            bands_20m=("B8A", "B11"),
            dn_10m=np.stack([fine[b].values[time] for b in ("B2", "B3", "B4", "B8")]),
            dn_20m=np.stack([coarse[b].values[time] for b in ("B8A", "B11")]),
            scl=coarse["SCL"].values[time].astype(np.uint8),
        )
        sound = said(numbers)
        assert sound.contradiction is None, fine.time.values[time]
        twice += said(numbers, RAW).contradiction is not None
        shifted = replace(
            numbers, dn_10m=numbers.dn_10m + 1000, dn_20m=numbers.dn_20m + 1000
        )
        if sound.offset_judged:
            judged += 1
            assert said(shifted).contradiction is not None
    assert twice == 115
    assert judged == 31


def test_a_real_scene_with_the_offset_in_is_recognised(test_data: Path) -> None:
    path = test_data / "rstoolbox_sen2" / "sen2_l2a_12band_offset_in.tif"
    with rasterio.open(path) as file:
        values = file.read()[:, :246, :236]
        names = [str(name) for name in file.descriptions]
    bands = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09")
    if len(names) == len(values) and all(names):
        index = {name: position for position, name in enumerate(names)}
    else:
        index = {band: at for at, band in enumerate((*bands, "B11", "B12"))}
    red, nir = (values[index[band]].astype(float) - 1000 for band in ("B04", "B08"))
    green = (nir - red) / (nir + red + 1e-6) > 0.6
    numbers = Numbers(
        bands_10m=FINE,
        bands_20m=("B11", "B12"),
        dn_10m=np.stack([values[index[band]] for band in FINE]).astype(np.uint16),
        dn_20m=np.stack([values[index[b]][::2, ::2] for b in ("B11", "B12")]).astype(
            np.uint16
        ),
        scl=np.where(green, 4, 5)[::2, ::2].astype(np.uint8),
    )
    assert "still in the numbers" in (said(numbers, APPLIED).contradiction or "")
    assert said(numbers, RAW).contradiction is None
    assert said(numbers, RAW).offset_judged
