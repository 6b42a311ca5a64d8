"""Laws of light on relief."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from rsmonitor.records.grid import Block
from rsmonitor.stages.sun import Sun
from rsmonitor.stages.terrain import (
    PixelFrame,
    cast_shadow,
    fit_illumination,
    illumination,
    light,
    shadow_halo,
    slope_aspect,
    without_illumination,
)

TEN_METRES = PixelFrame(
    right_east_m=10.0, right_north_m=0.0, down_east_m=0.0, down_north_m=-10.0
)
EPS = 1e-3

azimuths = st.floats(0, 360)
elevations_of_sun = st.floats(5, 85)
suns = st.builds(
    lambda azimuth, elevation: Sun(zenith_deg=90 - elevation, azimuth_deg=azimuth),
    azimuths,
    elevations_of_sun,
)


@st.composite
def frames(draw: st.DrawFn) -> PixelFrame:
    """Pixels of any size, turned against north, not quite square."""
    turn = math.radians(draw(st.floats(-180, 180)))
    size = draw(st.floats(5, 40))
    flat = draw(st.floats(0.5, 2.0))
    return PixelFrame(
        right_east_m=size * math.cos(turn),
        right_north_m=size * math.sin(turn),
        down_east_m=flat * size * math.sin(turn),
        down_north_m=-flat * size * math.cos(turn),
    )


def heights(side: int, *, unknown: bool = True) -> st.SearchStrategy[NDArray]:
    values = st.floats(0, 300, width=32)
    if unknown:
        values |= st.just(math.nan)
    return arrays(np.float32, (side, side), elements=values)


def shadows(
    ground: NDArray[np.float32],
    sun: Sun,
    frame: PixelFrame = TEN_METRES,
    halo: int = 12,
) -> NDArray[np.bool_]:
    """Find shadows on ground that nothing is known around."""
    around = np.pad(ground, halo, constant_values=np.nan)
    return cast_shadow(around, sun=sun, frame=frame, halo=halo)


# ------------------------------------------------------------------------------- shadow


@given(st.floats(-400, 8000, width=32), suns, frames())
def test_level_ground_has_no_shadow(height: float, sun: Sun, frame: PixelFrame) -> None:
    ground = np.full((9, 9), height, dtype=np.float32)
    assert not shadows(ground, sun, frame).any()
    lit = light(ground, sun=sun, frame=frame, halo=1)
    assert not lit.shadow.any()
    assert lit.cos_i == pytest.approx(math.sin(math.radians(sun.elevation_deg)))


@given(st.floats(5, 85), st.floats(15, 200), st.sampled_from([0, 90, 180, 270]))
def test_a_wall_casts_a_shadow_of_its_height_over_the_tangent(
    elevation: float, height: float, azimuth: float
) -> None:
    length = height / math.tan(math.radians(elevation)) / 10
    reach = 60
    strip = np.zeros((2 * reach + 1, 3), dtype=np.float32)
    strip[reach] = height
    # turned so that the sun is in the direction of the first row
    strip = np.rot90(strip, k=-round(azimuth / 90))
    sun = Sun(zenith_deg=90 - elevation, azimuth_deg=azimuth)
    found = shadows(strip, sun, halo=reach)
    behind = np.rot90(found, k=round(azimuth / 90))[reach + 1 :, 1]
    steps = np.arange(1, reach + 1)
    sure = np.abs(steps - length) > EPS
    assert (behind == (steps < length))[sure].all()
    assert not np.rot90(found, k=round(azimuth / 90))[: reach + 1].any()


@given(heights(9), suns, frames())
def test_turning_scene_and_sun_together_turns_the_shadow(
    ground: NDArray[np.float32], sun: Sun, frame: PixelFrame
) -> None:
    # np.rot90 turns counterclockwise: right becomes up
    turned_frame = PixelFrame(
        right_east_m=frame.down_east_m,
        right_north_m=frame.down_north_m,
        down_east_m=-frame.right_east_m,
        down_north_m=-frame.right_north_m,
    )
    # the same place under other axes: nothing on the ground has moved
    sure = np.abs(margins(ground, sun, frame, 12)) > EPS
    one = shadows(ground, sun, frame)
    other = np.rot90(shadows(np.rot90(ground), sun, turned_frame), k=-1)
    assert (one == other)[sure].all()
    # and the other way round: the ground and the sun move, the axes stay
    turned_sun = Sun(
        zenith_deg=sun.zenith_deg, azimuth_deg=(sun.azimuth_deg - 90) % 360
    )
    sure = np.abs(margins(ground, sun, TEN_METRES, 12)) > EPS
    one = shadows(ground, sun)
    other = np.rot90(shadows(np.rot90(ground), turned_sun), k=-1)
    assert (one == other)[sure].all()


@given(heights(9), azimuths, elevations_of_sun, elevations_of_sun)
def test_shadow_grows_as_the_sun_sinks(
    ground: NDArray[np.float32], azimuth: float, one: float, other: float
) -> None:
    low, high = (
        shadows(ground, Sun(zenith_deg=90 - elevation, azimuth_deg=azimuth))
        for elevation in sorted((one, other))
    )
    assert not (high & ~low).any()


@given(heights(9), suns)
def test_the_highest_ground_is_in_the_sun(
    ground: NDArray[np.float32], sun: Sun
) -> None:
    ground[4, 4] = 300.0
    assert not shadows(ground, sun)[4, 4]


@given(heights(9), suns, st.floats(-300, 3000, width=32))
def test_how_high_above_the_sea_the_ground_lies_does_not_matter(
    ground: NDArray[np.float32], sun: Sun, lift: float
) -> None:
    sure = np.abs(margins(ground, sun, TEN_METRES, 12)) > 2e-3
    lifted = ground + np.float32(lift)
    assert (shadows(lifted, sun) == shadows(ground, sun))[sure].all()


@given(heights(9), suns)
def test_unknown_ground_is_not_in_shadow_and_casts_none(
    ground: NDArray[np.float32], sun: Sun
) -> None:
    found = shadows(ground, sun)
    assert not found[np.isnan(ground)].any()
    # a pit casts no shadow either; the ground beside it still may, where the ray
    # crosses between both
    pits = np.where(np.isnan(ground), np.float32(-1e4), ground)
    assert not (found & ~shadows(pits, sun)).any()


@given(heights(24), suns, frames(), st.data())
def test_a_block_with_its_halo_is_the_same_as_the_whole(
    ground: NDArray[np.float32], sun: Sun, frame: PixelFrame, data: st.DataObject
) -> None:
    known = ground[np.isfinite(ground)]
    relief = float(np.ptp(known)) if known.size else 0.0
    halo = shadow_halo(relief, elevation_deg=sun.elevation_deg, frame=frame)
    large = halo + data.draw(st.integers(0, 5))
    whole = light(
        np.pad(ground, large, constant_values=np.nan), sun=sun, frame=frame, halo=large
    )
    row, col = data.draw(st.integers(0, 20)), data.draw(st.integers(0, 20))
    block = Block(
        row=row,
        col=col,
        height=data.draw(st.integers(1, 24 - row)),
        width=data.draw(st.integers(1, 24 - col)),
    )
    around = np.pad(ground, halo, constant_values=np.nan)[
        block.row : block.row + block.height + 2 * halo,
        block.col : block.col + block.width + 2 * halo,
    ]
    part = light(around, sun=sun, frame=frame, halo=halo)
    assert (part.shadow == whole.shadow[block.rows, block.cols]).all()
    np.testing.assert_array_equal(part.cos_i, whole.cos_i[block.rows, block.cols])
    counts = part.counts
    assert counts.pixels == part.shadow.size
    assert (
        counts.unknown + counts.turned_away + counts.cast + counts.lit == counts.pixels
    )
    assert counts.turned_away + counts.cast == part.shadow.sum()


@given(heights(16, unknown=False), suns, frames())
def test_the_shadow_is_that_of_the_definition(
    ground: NDArray[np.float32], sun: Sun, frame: PixelFrame
) -> None:
    halo = 16
    found = shadows(ground, sun, frame, halo)
    margin = margins(ground, sun, frame, halo)
    sure = np.abs(margin) > EPS
    assert (found == (margin > 0))[sure].all()


def margins(
    ground: NDArray[np.float32], sun: Sun, frame: PixelFrame, halo: int
) -> NDArray[np.float64]:
    """By how much the highest crossing is above the ray, pixel by pixel."""
    azimuth = math.radians(sun.azimuth_deg)
    rows, cols = frame.pixels(math.sin(azimuth), math.cos(azimuth))
    larger = max(abs(rows), abs(cols))
    rise = math.tan(math.radians(sun.elevation_deg)) / larger
    height, width = ground.shape
    found = np.full(ground.shape, -math.inf)
    for row in range(height):
        for col in range(width):
            for k in range(1, halo + 1):
                y, x = row + k * rows / larger, col + k * cols / larger
                north, west = math.floor(y + 1e-9), math.floor(x + 1e-9)
                share = max(0.0, y - north, x - west)
                far = (north, west)
                if share > 1e-6:
                    far = (north + (y - north > 1e-6), west + (x - west > 1e-6))
                inside = all(
                    0 <= r < height and 0 <= c < width for r, c in ((north, west), far)
                )
                if inside:
                    over = (1 - share) * ground[north, west] + share * ground[far]
                    found[row, col] = max(
                        found[row, col], over - k * rise - ground[row, col]
                    )
    return found


@given(st.floats(0, 3000), elevations_of_sun, elevations_of_sun, frames())
def test_the_halo_grows_with_relief_and_as_the_sun_sinks(
    relief: float, one: float, other: float, frame: PixelFrame
) -> None:
    low, high = sorted((one, other))
    far = shadow_halo(relief, elevation_deg=low, frame=frame)
    assert 1 <= shadow_halo(relief, elevation_deg=high, frame=frame) <= far
    assert far <= shadow_halo(relief + 100, elevation_deg=low, frame=frame)
    assert far <= shadow_halo(relief, elevation_deg=0.0, frame=frame)


# ----------------------------------------------------------------- slopes, illumination


@given(st.floats(-2, 2), st.floats(-2, 2), suns, frames())
def test_a_plane_has_one_slope_and_one_cosine_by_the_textbook(
    east: float, north: float, sun: Sun, frame: PixelFrame
) -> None:
    rows, cols = np.mgrid[:5, :5]
    x = cols * frame.right_east_m + rows * frame.down_east_m
    y = cols * frame.right_north_m + rows * frame.down_north_m
    plane = (1000 + east * x + north * y).astype(np.float32)
    slope, aspect = slope_aspect(plane, frame=frame)
    steep = math.hypot(east, north)
    assert slope[2, 2] == pytest.approx(math.degrees(math.atan(steep)), abs=0.02)
    if steep > 0.05:
        downhill = math.degrees(math.atan2(-east, -north)) % 360
        assert abs((aspect[2, 2] - downhill + 180) % 360 - 180) < 0.2
    z, a = math.radians(sun.zenith_deg), math.radians(sun.azimuth_deg)
    s, o = math.atan(steep), math.atan2(-east, -north)
    textbook = math.cos(z) * math.cos(s) + math.sin(z) * math.sin(s) * math.cos(a - o)
    cosine = illumination(plane, sun=sun, frame=frame)
    assert cosine[2, 2] == pytest.approx(textbook, abs=1e-3)
    assert np.isnan(cosine[0]).all(), "nothing is known beyond the rim"


@given(heights(7), suns)
def test_the_cosine_is_one_of_a_cosine_and_unknown_beside_the_unknown(
    ground: NDArray[np.float32], sun: Sun
) -> None:
    cosine = illumination(ground, sun=sun, frame=TEN_METRES)
    known = np.isfinite(cosine)
    assert (np.abs(cosine[known]) <= 1 + 1e-6).all()
    for row, col in np.argwhere(known):
        assert np.isfinite(ground[row - 1 : row + 2, col - 1 : col + 2]).all()


# ------------------------------------------------------------- taking illumination out


@given(
    st.floats(-0.5, 0.5),
    st.floats(-0.2, 0.2),
    st.floats(0.001, 0.02),
    st.integers(0, 2**32 - 1),
)
def test_a_slope_is_found_whatever_changed_in_earnest(
    slope: float, offset: float, noise: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    cosine = random.uniform(0.3, 0.9, 3000)
    residual = offset + slope * cosine + random.normal(0, noise, cosine.size)
    residual[:150] -= 0.6  # dug
    fit = fit_illumination(residual[None].astype(np.float32), cosine)
    # the clean error of the slope is noise / (0.17 sqrt(3000)); shrinking adds 6 of it
    assert abs(fit.slopes[0] - slope) <= 12 * noise / (0.17 * math.sqrt(3000)) + 0.01
    assert abs(fit.slopes[0]) <= abs(slope) + 0.01
    if fit.slopes[0] and abs(slope) > 0.1:
        left = without_illumination(residual[None].astype(np.float32), cosine, fit)
        assert np.std(left[0, 150:]) <= np.std(residual[150:])


@given(st.integers(0, 2**32 - 1), st.integers(200, 4000))
def test_what_does_not_go_with_illumination_is_left_alone(seed: int, n: int) -> None:
    random = np.random.default_rng(seed)
    cosine = random.uniform(0.3, 0.9, n)
    residual = random.normal(0, 0.03, (2, n)).astype(np.float32)
    assert not fit_illumination(residual, cosine).slopes.any()


@given(
    arrays(np.float32, (2, 300), elements=st.floats(width=32)),
    arrays(np.float32, 300, elements=st.floats(width=32)),
)
def test_no_sample_however_wild_gives_a_slope_that_is_no_number(
    residuals: NDArray[np.float32], cosine: NDArray[np.float32]
) -> None:
    assert np.isfinite(fit_illumination(residuals, cosine).slopes).all()
