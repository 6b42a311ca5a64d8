"""What was seen of the ground, pixel by pixel."""

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from rsmonitor.errors import ContractError
from rsmonitor.records.parameters import ClearParameters
from rsmonitor.records.rasters import Scl
from rsmonitor.stages.clear import ClearCounts, Screens, clear_ground, grow

GROUND = {Scl.VEGETATION, Scl.NOT_VEGETATED, Scl.WATER, Scl.UNCLASSIFIED}
GROWN = {Scl.CLOUD_SHADOW, Scl.CLOUD_MEDIUM, Scl.CLOUD_HIGH, Scl.CIRRUS}


def seen(
    scl: ArrayLike,
    *,
    grow_pixels: int = 0,
    bands: tuple[str, ...] = ("B04",),
    reflectance: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.bool_], ClearCounts]:
    classes = np.array(scl, dtype=np.uint8)
    if reflectance is None:
        reflectance = np.full((len(bands), *classes.shape), 0.1, dtype=np.float32)
    return clear_ground(
        reflectance,
        classes,
        bands=bands,
        grow_pixels=grow_pixels,
        parameters=ClearParameters(),
    )


def look(**values: float) -> NDArray[np.float32]:
    """Give the reflectance of one pixel, by band."""
    return np.array(list(values.values()), dtype=np.float32)[:, None, None]


@pytest.mark.parametrize("scl", list(Scl))
def test_the_scene_classification_says_which_classes_show_the_ground(scl: Scl) -> None:
    clear, _ = seen([[scl]])
    assert clear.item() == (scl in GROUND)


@pytest.mark.parametrize("scl", list(Scl))
def test_only_clouds_and_their_shadows_spoil_their_neighbours(scl: Scl) -> None:
    clear, _ = seen([[Scl.VEGETATION, scl]], grow_pixels=1)
    assert clear[0, 0] == (scl not in GROWN)


def test_water_between_vegetation_and_cloud_is_not_made_up_by_averaging() -> None:
    clear, _ = seen([[Scl.VEGETATION, Scl.CLOUD_MEDIUM]])
    assert clear.tolist() == [[True, False]]


@pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf])
def test_a_pixel_that_lacks_one_band_was_not_seen(missing: float) -> None:
    reflectance = np.full((2, 1, 2), 0.1, dtype=np.float32)
    reflectance[1, 0, 0] = missing
    clear, counts = seen([[4, 4]], bands=("B04", "B08"), reflectance=reflectance)
    assert clear.tolist() == [[False, True]]
    assert counts.not_measured == 1


def test_negative_reflectance_over_dark_ground_was_measured() -> None:
    clear, _ = seen([[6]], reflectance=look(B04=-0.01))
    assert clear.item()


def test_bright_snow_that_is_classed_as_ground_is_not_clear() -> None:
    bands = ("B03", "B11")
    clear, counts = seen([[4]], bands=bands, reflectance=look(B03=0.5, B11=0.1))
    assert not clear.item()
    assert counts.snow == 1


@pytest.mark.parametrize(
    ("ground", "green", "swir"),
    [("dark water", 0.05, 0.01), ("forest", 0.05, 0.12), ("bare soil", 0.12, 0.30)],
)
def test_ground_is_not_taken_for_snow(ground: str, green: float, swir: float) -> None:
    bands = ("B03", "B11")
    clear, _ = seen([[4]], bands=bands, reflectance=look(B03=green, B11=swir))
    assert clear.item(), ground


@pytest.mark.parametrize("bands", [("B03", "B04"), ("B04", "B11")])
def test_without_green_or_swir_nothing_is_called_snow(bands: tuple[str, str]) -> None:
    clear, counts = seen([[4]], bands=bands, reflectance=look(a=0.9, b=0.1))
    assert clear.item()
    assert counts.snow == 0


def test_every_pixel_is_counted_once_by_the_first_screen_that_takes_it() -> None:
    scl = [[Scl.NO_DATA, Scl.CLOUD_HIGH, Scl.VEGETATION, Scl.VEGETATION, Scl.DARK, 4]]
    reflectance = np.full((2, 1, 6), 0.1, dtype=np.float32)
    reflectance[:, 0, 1] = np.nan  # cloud without data: not measured, and still grows
    reflectance[:, 0, 2] = 0.9, 0.1  # snow beside a cloud
    reflectance[:, 0, 5] = 0.9, 0.1
    clear, counts = seen(
        scl, grow_pixels=1, bands=("B03", "B11"), reflectance=reflectance
    )
    assert clear.tolist() == [[False, False, False, True, False, False]]
    assert counts == ClearCounts(
        pixels=6, not_measured=2, classed_out=1, grown_out=1, snow=1, clear=1
    )


def test_an_empty_selection_of_classes_sees_nothing() -> None:
    clear, _ = clear_ground(
        np.full((1, 1, 1), 0.1, dtype=np.float32),
        np.array([[4]], dtype=np.uint8),
        bands=("B04",),
        grow_pixels=0,
        parameters=ClearParameters(clear_classes=()),
    )
    assert not clear.any()


def test_a_cloud_grows_by_a_disk() -> None:
    cloud = np.zeros((7, 7), dtype=np.bool_)
    cloud[3, 3] = True
    assert grow(cloud, 2).astype(int).tolist() == [
        [0, 0, 0, 0, 0, 0, 0],
        [0, 0, 1, 1, 1, 0, 0],
        [0, 1, 1, 1, 1, 1, 0],
        [0, 1, 1, 1, 1, 1, 0],
        [0, 1, 1, 1, 1, 1, 0],
        [0, 0, 1, 1, 1, 0, 0],
        [0, 0, 0, 0, 0, 0, 0],
    ]


@pytest.mark.parametrize("radius", [2, 3, 5, 9])
def test_growing_agrees_with_the_distance_to_the_nearest_cloud(radius: int) -> None:
    cloud = np.random.default_rng(radius).random((40, 50)) < 0.01
    distance = ndimage.distance_transform_edt(~cloud)
    np.testing.assert_array_equal(grow(cloud, radius), distance <= radius + 0.5)


def test_growing_by_nothing_gives_a_copy() -> None:
    cloud = np.array([[True, False]])
    grown = grow(cloud, 0)
    assert grown.tolist() == cloud.tolist()
    assert not np.shares_memory(grown, cloud)


def test_reflectance_that_does_not_fit_its_bands_or_classes_is_refused() -> None:
    one = np.zeros((1, 2, 2), dtype=np.float32)
    with pytest.raises(ContractError, match=r"\(1, 2, 2\) does not fit 2 bands"):
        seen([[4, 4], [4, 4]], bands=("B03", "B11"), reflectance=one)
    with pytest.raises(ContractError, match=r"scl \(1, 2\)"):
        seen([[4, 4]], reflectance=one)


def test_what_was_rescued_is_clear_and_counted_once() -> None:
    classes = np.array([[Scl.CLOUD_HIGH, 4, 4, Scl.CLOUD_HIGH]], dtype=np.uint8)
    clear, counts = clear_ground(
        np.full((1, 1, 4), 0.1, dtype=np.float32),
        classes,
        bands=("B04",),
        grow_pixels=1,
        parameters=ClearParameters(),
        screens=Screens(rescued=np.array([[True, True, False, False]])),
    )
    assert clear.tolist() == [[True, True, False, False]]
    assert counts == ClearCounts(
        pixels=4,
        not_measured=0,
        classed_out=1,
        grown_out=1,
        snow=0,
        clear=2,
        rescued=2,
    )


def test_a_rescue_brings_back_neither_snow_nor_what_was_not_measured() -> None:
    light = np.array([[[0.5, np.nan]], [[0.1, 0.1]]], dtype=np.float32)
    clear, counts = clear_ground(
        light,
        np.array([[9, 9]], dtype=np.uint8),
        bands=("B03", "B11"),
        grow_pixels=0,
        parameters=ClearParameters(),
        screens=Screens(rescued=np.array([[True, True]])),
    )
    assert not clear.any()
    assert (counts.snow, counts.not_measured, counts.rescued) == (1, 1, 0)


def test_ground_under_haze_is_not_clear() -> None:
    clear, counts = clear_ground(
        np.full((1, 1, 2), 0.1, dtype=np.float32),
        np.array([[4, 9]], dtype=np.uint8),
        bands=("B04",),
        grow_pixels=0,
        parameters=ClearParameters(),
        screens=Screens(hazy=np.array([[True, True]])),
    )
    assert not clear.any()
    assert (counts.hazy, counts.classed_out) == (1, 1)


def test_a_rescue_of_another_shape_is_refused() -> None:
    with pytest.raises(ContractError, match=r"rescued \(1, 2\)"):
        clear_ground(
            np.full((1, 1, 1), 0.1, dtype=np.float32),
            np.array([[4]], dtype=np.uint8),
            bands=("B04",),
            grow_pixels=0,
            parameters=ClearParameters(),
            screens=Screens(rescued=np.array([[True, True]])),
        )
