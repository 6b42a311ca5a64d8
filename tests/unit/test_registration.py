"""Scenes off their place are measured and put back; what changed is no witness."""

import numpy as np
import pytest
from numpy.typing import NDArray
from pixels import fixed
from scipy import ndimage

from rsmonitor.records.grid import Block, Grid
from rsmonitor.stages.registration import (
    CHIP_PIXELS,
    SEARCH_PIXELS,
    Shift,
    chips,
    margin,
    measure_shift,
    put_back,
)


def ground(side: int = 120, seed: int = 1) -> NDArray[np.float32]:
    """Give two indices of one landscape, with edges as Sentinel-2 blurs them."""
    random = np.random.default_rng(seed)
    fields = ndimage.gaussian_filter(random.normal(size=(2, side, side)), (0, 2.5, 2.5))
    fields = np.where(fields > 0, 0.8, 0.5) + 0.02 * random.normal(size=fields.shape)
    return ndimage.gaussian_filter(fields, (0, 0.8, 0.8)).astype(np.float32)


def moved(values: NDArray[np.float32], dy: float, dx: float) -> NDArray[np.float32]:
    """Show what belongs at (y, x) at (y + dy, x + dx)."""
    planes = [
        ndimage.shift(plane, (dy, dx), order=3, mode="nearest") for plane in values
    ]
    return np.stack(planes).astype(np.float32)


@pytest.mark.parametrize(
    ("dy", "dx"), [(0, 0), (0.5, 0), (0, -0.75), (1.2, -0.4), (-2.0, 2.0), (0.1, 0.1)]
)
def test_a_shift_is_measured_to_a_tenth_of_a_pixel(dy: float, dx: float) -> None:
    place = ground()
    random = np.random.default_rng(2)
    look = moved(place, dy, dx) + random.normal(0, 0.01, place.shape).astype(np.float32)
    found = measure_shift([fixed(place)], [fixed(look)])
    assert found is not None
    assert (found.dy, found.dx) == pytest.approx((dy, dx), abs=0.1)


def test_clouds_and_haze_do_not_hide_a_shift() -> None:
    place = ground()
    look = moved(place, 0.6, -0.6) * 0.7 + 0.1
    look += np.linspace(0, 0.2, 120, dtype=np.float32)  # haze thickens to the right
    look[:, 20:60, 30:80] = np.nan
    found = measure_shift([place], [look])
    assert found is not None
    assert (found.dy, found.dx) == pytest.approx((0.6, -0.6), abs=0.15)


def test_what_changed_does_not_look_like_a_shift() -> None:
    place = ground()
    look = place.copy()
    look[:, 40:52, 60:80] -= 0.4  # two hectares opened
    found = measure_shift([place], [look])
    assert found is not None
    assert found.length < 0.05


def test_chips_speak_together() -> None:
    places = [ground(seed=seed) for seed in (3, 4, 5)]
    looks = [moved(place, -0.8, 0.3) for place in places]
    looks[1][:] = np.nan  # one under cloud
    found = measure_shift(places, looks)
    assert found is not None
    assert (found.dy, found.dx) == pytest.approx((-0.8, 0.3), abs=0.1)


@pytest.mark.parametrize(
    "look",
    [
        np.full((2, 120, 120), np.nan, dtype=np.float32),
        np.random.default_rng(6).normal(size=(2, 120, 120)).astype(np.float32),
        moved(ground(), SEARCH_PIXELS + 1.5, 0),
        np.zeros((2, 120, 120), dtype=np.float32),
    ],
    ids=["nothing seen", "noise", "farther than is looked for", "nothing to see"],
)
def test_what_cannot_be_told_is_not_told(look: NDArray[np.float32]) -> None:
    assert measure_shift([ground()], [look]) is None


def test_indices_that_disagree_are_not_believed() -> None:
    place = ground()
    look = np.stack([moved(place, 1, 0)[0], moved(place, -1, 0)[1]])
    assert measure_shift([place], [look]) is None


@pytest.mark.parametrize(("dy", "dx"), [(1, 0), (-2, 1), (0, 2)])
def test_whole_pixels_are_put_back_exactly(dy: int, dx: int) -> None:
    place = ground(30)
    look = np.roll(place, (dy, dx), axis=(1, 2))
    back = put_back(fixed(look), Shift(dy=float(dy), dx=float(dx)))
    rim = margin(Shift(dy=float(dy), dx=float(dx)))
    inside = slice(rim, -rim)
    np.testing.assert_allclose(
        back[:, inside, inside], place[:, inside, inside], atol=1e-6
    )
    assert np.isnan(back[:, :rim]).all()


def test_putting_back_half_a_pixel_leaves_little_of_the_error() -> None:
    place = ground()
    look = moved(place, 0.5, -0.7)
    back = put_back(look, Shift(dy=0.5, dx=-0.7))
    inside = (slice(None), slice(4, -4), slice(4, -4))
    before = np.abs(look - place)[inside].mean()
    after = np.abs(back - place)[inside].mean()
    assert after < 0.1 * before


def test_what_was_not_seen_stays_unseen_where_it_belongs() -> None:
    look = np.full((1, 20, 20), 0.5, dtype=np.float32)
    look[0, 10, 10] = np.nan
    back = put_back(look, Shift(dy=1.0, dx=0.0))
    inside = back[0, 3:-3, 3:-3]
    assert np.isnan(back[0, 9, 10])
    assert np.isnan(inside).sum() == 1
    np.testing.assert_allclose(inside[~np.isnan(inside)], 0.5, rtol=1e-6)


def test_a_small_grid_is_one_chip_and_a_large_one_has_five_inside_it() -> None:
    def grid(height: int, width: int) -> Grid:
        return Grid(
            crs="EPSG:32650",
            left=0.0,
            top=0.0,
            pixel_width=10.0,
            pixel_height=10.0,
            height=height,
            width=width,
        )

    assert chips(grid(100, 90)) == (Block(row=0, col=0, height=100, width=90),)
    large = chips(grid(3000, 10_980))
    assert len(large) == 5
    for chip in large:
        assert (chip.height, chip.width) == (CHIP_PIXELS, CHIP_PIXELS)
        assert chip.row + chip.height <= 3000
        assert chip.col + chip.width <= 10_980
    narrow = chips(grid(50, 4000))
    assert {chip.height for chip in narrow} == {50}
