"""Relief and light: single cases, and what is refused."""

import math
from pathlib import Path

import numpy as np
import pytest

from rsmonitor.errors import ContractError
from rsmonitor.records.grid import Grid
from rsmonitor.stages.sun import Sun
from rsmonitor.stages.terrain import (
    LEAST_SAMPLE,
    PixelFrame,
    cast_shadow,
    fit_illumination,
    illumination,
    light,
    pixel_frame,
    shadow_halo,
    slope_aspect,
    without_illumination,
)
from rsmonitor.stages.tiling import tile_grid

TEN_METRES = PixelFrame(
    right_east_m=10.0, right_north_m=0.0, down_east_m=0.0, down_north_m=-10.0
)
SOUTH_EAST = Sun(zenith_deg=52.0, azimuth_deg=155.0)


def ridge(height: float, side: int = 41) -> np.ndarray:
    """Build a ridge from west to east, with sides of 45 degrees."""
    across = np.abs(np.arange(side) - side // 2) * 10.0
    profile = np.maximum(height - across, 0)
    return np.tile(profile[:, None], (1, side)).astype(np.float32)


# ------------------------------------------------------------------------------- frames


def test_in_the_middle_of_a_utm_zone_grid_north_is_north() -> None:
    grid = Grid(
        crs="EPSG:32650",
        left=500_000 - 50,
        top=2_765_000,
        pixel_width=10,
        pixel_height=10,
        height=10,
        width=10,
    )
    frame = pixel_frame(grid)
    assert frame.right_east_m == pytest.approx(10, rel=1e-3)
    assert frame.right_north_m == pytest.approx(0, abs=1e-3)
    assert frame.down_east_m == pytest.approx(0, abs=1e-3)
    assert frame.down_north_m == pytest.approx(-10, rel=1e-3)


def test_at_the_edge_of_a_utm_zone_grid_north_is_turned() -> None:
    # 50RKN lies 2.5 degrees west of its meridian, at 25 degrees north
    frame = pixel_frame(tile_grid("50RKN"))
    turned = math.degrees(math.atan2(frame.right_north_m, frame.right_east_m))
    assert 0.7 < abs(turned) < 1.4


def test_in_the_grid_of_europe_grid_north_is_far_from_north() -> None:
    grid = Grid(
        crs="EPSG:3035",
        left=5_500_000,
        top=2_700_000,
        pixel_width=10,
        pixel_height=10,
        height=100,
        width=100,
    )
    frame = pixel_frame(grid)
    turned = math.degrees(math.atan2(frame.right_north_m, frame.right_east_m))
    assert abs(turned) > 8
    rows, cols = frame.pixels(0.0, 1000.0)
    assert rows == pytest.approx(-100, rel=0.05)
    assert abs(cols) > 12, "a step north is a step aside"


def test_pixels_in_degrees_are_as_long_as_they_are() -> None:
    grid = Grid(
        crs="EPSG:4326",
        left=115.0,
        top=60.0,
        pixel_width=1e-4,
        pixel_height=1e-4,
        height=10,
        width=10,
    )
    frame = pixel_frame(grid)
    assert frame.right_east_m == pytest.approx(5.58, abs=0.05)
    assert frame.down_north_m == pytest.approx(-11.14, abs=0.05)


@pytest.mark.parametrize("width", [0.0, -10.0, math.nan])
def test_pixels_that_fold_are_no_frame(width: float) -> None:
    with pytest.raises(ContractError, match="without folding"):
        PixelFrame(
            right_east_m=width, right_north_m=0.0, down_east_m=0.0, down_north_m=-10.0
        )


# ------------------------------------------------------------------------------- shadow


def test_the_far_side_of_a_steep_ridge_is_in_shadow_and_the_near_side_is_not() -> None:
    ground = np.pad(ridge(150.0), 12, mode="edge")
    found = light(ground, sun=SOUTH_EAST, frame=TEN_METRES, halo=12)
    middle = found.shadow[:, 20]
    assert middle[10:20].all(), "north of the crest"
    assert not middle[20:].any(), "the crest and all south of it"
    assert (found.cos_i[:, 20][6:19] < 0.05).all()
    assert (found.cos_i[:, 20][22:34] > 0.9).all()
    assert found.counts.turned_away > 0
    assert found.counts.cast > 0, "the foot faces the sun, and does not see it"


def test_the_shadow_of_a_ridge_ends_where_the_ray_over_its_crest_does() -> None:
    sun = Sun(zenith_deg=70.0, azimuth_deg=180.0)
    around = np.pad(ridge(50.0), 20, mode="edge")
    found = cast_shadow(around, sun=sun, frame=TEN_METRES, halo=20)[:, 20]
    length = 50 / math.tan(math.radians(20)) / 10
    assert np.flatnonzero(found).min() == 20 - math.floor(length)


def test_a_ray_that_only_touches_a_crest_is_not_hidden() -> None:
    wall = np.zeros((1, 5), dtype=np.float32)
    wall[0, 3] = 10.0
    around = np.pad(wall, 2, constant_values=np.nan)
    east = Sun(zenith_deg=45.0, azimuth_deg=90.0)
    assert not cast_shadow(around, sun=east, frame=TEN_METRES, halo=2).any()
    around += np.float32(0.01) * (around == 10)
    found = cast_shadow(around, sun=east, frame=TEN_METRES, halo=2)
    assert np.flatnonzero(found).tolist() == [2]


def test_turned_axes_do_not_move_the_shadow_on_the_ground() -> None:
    peak = np.zeros((61, 61), dtype=np.float32)
    peak[30, 30] = 80.0
    turn = math.radians(10)
    turned = PixelFrame(
        right_east_m=10 * math.cos(turn),
        right_north_m=10 * math.sin(turn),
        down_east_m=10 * math.sin(turn),
        down_north_m=-10 * math.cos(turn),
    )
    ways = []
    for frame in (TEN_METRES, turned):
        found = cast_shadow(peak, sun=SOUTH_EAST, frame=frame, halo=12)
        rows, cols = (np.argwhere(found).mean(axis=0) - 18).tolist()
        east = cols * frame.right_east_m + rows * frame.down_east_m
        north = cols * frame.right_north_m + rows * frame.down_north_m
        ways.append(math.degrees(math.atan2(east, north)) % 360)
    assert ways == pytest.approx([335.0, 335.0], abs=5)


def test_at_night_all_that_is_known_is_in_shadow() -> None:
    ground = np.zeros((5, 5), dtype=np.float32)
    ground[2, 2] = np.nan
    night = Sun(zenith_deg=95.0, azimuth_deg=10.0)
    found = light(ground, sun=night, frame=TEN_METRES, halo=1)
    assert found.shadow.sum() == 8
    assert not found.shadow[1, 1]
    assert found.counts.unknown == 1


def test_right_under_the_sun_only_overhangs_would_be_in_shadow() -> None:
    noon = Sun(zenith_deg=0.0, azimuth_deg=0.0)
    ground = np.pad(ridge(150.0), 5, mode="edge")
    assert not light(ground, sun=noon, frame=TEN_METRES, halo=5).shadow.any()


def test_what_is_beyond_the_halo_casts_no_shadow() -> None:
    ground = np.zeros((1, 60), dtype=np.float32)
    ground[0, 40] = 1000.0
    east = Sun(zenith_deg=60.0, azimuth_deg=90.0)
    around = np.pad(ground, ((10, 10), (10, 10)), constant_values=np.nan)
    found = cast_shadow(around, sun=east, frame=TEN_METRES, halo=10)
    assert np.flatnonzero(found[0]).tolist() == list(range(30, 40))


def test_a_cliff_across_a_gap_of_the_dem_still_casts_its_shadow() -> None:
    ground = np.zeros((1, 20), dtype=np.float32)
    ground[0, 10] = 100.0
    ground[0, 7:9] = np.nan
    around = np.pad(ground, 9, constant_values=np.nan)
    east = Sun(zenith_deg=45.0, azimuth_deg=90.0)
    found = cast_shadow(around, sun=east, frame=TEN_METRES, halo=9)
    assert np.flatnonzero(found[0]).tolist() == [1, 2, 3, 4, 5, 6, 9]


@pytest.mark.parametrize("wrong", [np.inf, -np.inf])
def test_infinite_elevation_is_unknown(wrong: float) -> None:
    ground = np.zeros((9, 9), dtype=np.float32)
    ground[4, 4] = wrong
    found = light(ground, sun=SOUTH_EAST, frame=TEN_METRES, halo=2)
    assert found.counts.unknown == 1
    assert not found.shadow.any()


def test_the_inputs_stay_as_they_are() -> None:
    ground = ridge(100.0)
    ground[3, 3] = np.nan
    before = ground.copy()
    ground.setflags(write=False)
    light(ground, sun=SOUTH_EAST, frame=TEN_METRES, halo=3)
    slope_aspect(ground, frame=TEN_METRES)
    np.testing.assert_array_equal(ground, before)


@pytest.mark.parametrize(("shape", "halo"), [((4, 9), 2), ((9, 4), 2), ((5, 5), -1)])
def test_an_array_that_is_all_halo_is_refused(
    shape: tuple[int, int], halo: int
) -> None:
    ground = np.zeros(shape, dtype=np.float32)
    for ask in (light, cast_shadow):
        with pytest.raises(ContractError, match="within a halo"):
            ask(ground, sun=SOUTH_EAST, frame=TEN_METRES, halo=halo)


def test_a_halo_ends_at_its_limit() -> None:
    least = shadow_halo(0.0, elevation_deg=30.0, frame=TEN_METRES)
    assert least == 1, "slopes need one pixel"
    far = shadow_halo(9000.0, elevation_deg=1.0, frame=TEN_METRES)
    assert far == 500
    assert shadow_halo(1.0, elevation_deg=-3.0, frame=TEN_METRES) == far


@pytest.mark.parametrize("relief", [-1.0, math.nan, math.inf])
def test_relief_that_is_none_is_refused(relief: float) -> None:
    with pytest.raises(ContractError, match="finite and not negative"):
        shadow_halo(relief, elevation_deg=30.0, frame=TEN_METRES)


# -------------------------------------------------------------- taking illumination out


def sample(n: int, slope: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    cosine = random.uniform(0.3, 0.9, n).astype(np.float32)
    residual = slope * cosine + random.normal(0, 0.01, n)
    return residual[None].astype(np.float32), cosine


def test_a_small_sample_says_nothing() -> None:
    residuals, cosine = sample(LEAST_SAMPLE)
    assert fit_illumination(residuals, cosine).slopes[0] > 0.2
    residuals[0, 0] = np.nan
    fit = fit_illumination(residuals, cosine)
    assert (fit.pixels, fit.slopes[0]) == (LEAST_SAMPLE - 1, 0.0)


def test_gentle_relief_says_nothing() -> None:
    residuals, cosine = sample(4000)
    level = (0.6 + (cosine - 0.6) * 0.05).astype(np.float32)
    assert fit_illumination(residuals, level).slopes[0] == 0.0


def test_each_index_has_its_own_slope() -> None:
    (up,), cosine = sample(4000)
    still = np.random.default_rng(5).normal(0, 0.01, cosine.size)
    fit = fit_illumination(np.stack([up, -2 * up, still]), cosine)
    assert fit.slopes == pytest.approx([0.3, -0.6, 0.0], abs=0.02)
    assert fit.slopes[2] == 0.0


def test_a_slope_that_leaves_the_sample_no_narrower_is_none() -> None:
    # a cloud that was missed covers the sunny slopes
    random = np.random.default_rng(5)
    cosine = random.uniform(0.3, 0.9, 4000)
    residual = random.normal(0, 0.01, cosine.size)
    cloudy = (cosine > 0.7) & (random.random(cosine.size) < 0.9)
    residual[cloudy] -= random.uniform(0.1, 0.5, cosine.size)[cloudy]
    assert fit_illumination(residual[None], cosine).slopes[0] == 0.0


def test_where_the_cosine_is_unknown_nothing_is_taken_out() -> None:
    residuals, cosine = sample(4000)
    fit = fit_illumination(residuals, cosine)
    cosine[:10] = np.nan
    residuals[0, 5] = np.nan
    left = without_illumination(residuals, cosine, fit)
    np.testing.assert_array_equal(left[0, :10], residuals[0, :10])
    assert left.dtype == np.float32
    assert left[0, 10:].std() < 0.2 * residuals[0, 10:].std()


def test_an_empty_sample_changes_nothing() -> None:
    fit = fit_illumination(np.empty((2, 0), np.float32), np.empty(0, np.float32))
    assert fit.slopes.tolist() == [0.0, 0.0]
    residuals = np.ones((2, 3, 4), dtype=np.float32)
    left = without_illumination(residuals, np.full((3, 4), 0.5), fit)
    np.testing.assert_array_equal(left, residuals)


def test_residuals_of_other_pixels_are_refused() -> None:
    residuals, cosine = sample(300)
    with pytest.raises(ContractError, match="do not fit cos_i"):
        fit_illumination(residuals, cosine[1:])
    with pytest.raises(ContractError, match="do not fit 1 slopes"):
        without_illumination(residuals, cosine[1:], fit_illumination(residuals, cosine))


# ----------------------------------------------------------------------- on a real DEM


def test_on_a_real_island_the_winter_shadow_lies_on_slopes_away_from_the_sun(
    test_data: Path,
) -> None:
    import rasterio  # noqa: PLC0415 - only with data

    path = test_data / "dem_sample" / "cop_dem30_saotome_512.tif"
    with rasterio.open(path) as file:
        ground = file.read(1)
        grid = Grid(
            crs="EPSG:4326",
            left=file.transform.c,
            top=file.transform.f,
            pixel_width=file.transform.a,
            pixel_height=-file.transform.e,
            height=file.height,
            width=file.width,
        )
    frame = pixel_frame(grid)
    halo = 40
    low = Sun(zenith_deg=54.0, azimuth_deg=155.0)
    found = light(ground, sun=low, frame=frame, halo=halo)
    _, aspect = slope_aspect(ground, frame=frame)
    turned = np.abs((aspect[halo:-halo, halo:-halo] - 155 + 180) % 360 - 180)
    share = found.shadow.mean()
    assert 0.001 < share < 0.2
    assert np.nanmedian(turned[found.shadow]) > 120
    high = Sun(zenith_deg=15.0, azimuth_deg=155.0)
    assert light(ground, sun=high, frame=frame, halo=halo).shadow.mean() < 1e-3
    assert np.isfinite(illumination(ground, sun=low, frame=frame)[1:-1, 1:-1]).all()
