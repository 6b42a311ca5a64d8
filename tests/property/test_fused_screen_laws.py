"""The fused screening is the plain one to the last bit, whatever the numbers are."""

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pixels import fixed
from scipy import ndimage

from rsmonitor.errors import ContractError
from rsmonitor.records.parameters import ClearParameters, RescueParameters
from rsmonitor.records.rasters import Scl
from rsmonitor.records.scene import SceneNumbers
from rsmonitor.stages.clear import grow
from rsmonitor.stages.fused import displacement, patches, planes
from rsmonitor.stages.fused.screen import (
    CLEAR,
    CLOUDY,
    FLAT,
    POSSIBLE,
    STANDING,
    screened,
)
from rsmonitor.stages.parallax import PARALLAX_BANDS, cloud_displacement
from rsmonitor.stages.reflectance import reflectance_of
from rsmonitor.stages.rescue import CLOUDS
from rsmonitor.stages.sight import SCREENING_BANDS, Screening, Sight, sight

MIDDLE = {"B02": 0.05, "B03": 0.08, "B04": 0.05, "B11": 0.09}
LOST = st.sampled_from([(), (0.02, np.nan), (0.3, np.nan), (0.01, np.inf)])
Window = tuple[slice, slice]


def light(
    random: np.random.Generator, band: str, shape: tuple[int, int], veil: float
) -> NDArray[np.float32]:
    """Make one band of rough ground, so that every threshold is met on both sides."""
    level = MIDDLE.get(band, 0.3)
    smooth = ndimage.gaussian_filter(random.normal(size=shape), 1.5) * 3
    values = level * (1 + 0.4 * smooth + 0.1 * random.normal(size=shape)) + veil
    return np.asarray(values, dtype=np.float32)


def classes(random: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Make ground with more or fewer things of any class, and their neighbours."""
    scl = random.choice(
        np.array([Scl.VEGETATION, Scl.NOT_VEGETATED, Scl.WATER], dtype=np.uint8), shape
    )
    for _ in range(random.integers(0, 12)):
        row, col = (random.integers(0, size) for size in shape)
        height, width = random.integers(1, 9, 2)
        kind = random.choice([*CLOUDS, *CLOUDS, *Scl])
        part = scl[row : row + height, col : col + width]
        part[random.random(part.shape) < random.choice([0.5, 1.0])] = kind
    return scl


@st.composite
def scenes(draw: st.DrawFn, *, most: int = 70) -> SceneNumbers:
    """Draw numbers of some bands, anywhere on the grid of the coarse ones."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.integers(1, most)), draw(st.integers(1, most))
    ratio = draw(st.sampled_from([1, 2, 2, 2, 3]))
    row, col = -draw(st.integers(0, 2 * ratio)), -draw(st.integers(0, 2 * ratio))
    some = st.sets(st.sampled_from(SCREENING_BANDS)) | st.just({*SCREENING_BANDS})
    bands = sorted({"B04", *draw(some)})
    coarse = draw(st.sets(st.sampled_from(bands)) | st.just({"B07", "B8A", "B11"}))
    fine_bands = tuple(band for band in bands if band not in coarse)
    coarse_bands = tuple(band for band in bands if band in coarse)
    size = tuple(
        -(-(n - start) // ratio) + draw(st.integers(0, 1))
        for n, start in zip(shape, (row, col), strict=True)
    )
    veil = draw(st.sampled_from([0.0, 0.03, 0.07]))
    lost, digital = draw(LOST), draw(st.booleans())

    def stack(names: tuple[str, ...], shape: tuple[int, ...]) -> NDArray[np.float32]:
        values = np.empty((len(names), *shape), dtype=np.float32)
        for plane, band in zip(values, names, strict=True):
            plane[:] = light(random, band, (shape[0], shape[1]), veil)
            if lost:
                plane[random.random(plane.shape) < lost[0] / len(bands)] = lost[1]
        if not digital:
            return values
        dn = np.where(np.isfinite(values), np.rint(values * 10_000 + 1000), 0)
        dn = np.clip(dn, 0, 65_534)
        return np.asarray(np.where(np.isinf(values), 65_535, dn), dtype=np.uint16)

    return SceneNumbers(
        fine_bands=fine_bands,
        coarse_bands=coarse_bands,
        fine=fixed(stack(fine_bands, shape)),
        coarse=fixed(stack(coarse_bands, size)),
        ratio=ratio,
        row=row,
        col=col,
        scl=fixed(classes(random, shape)),
        add_offset=-1000,
    )


@st.composite
def windows(draw: st.DrawFn, shape: tuple[int, ...]) -> Window:
    """Draw a part of an array with at least one pixel."""
    rows, cols = (
        sorted((draw(st.integers(0, n - 1)), draw(st.integers(0, n - 1))))
        for n in shape
    )
    return slice(rows[0], rows[1] + 1), slice(cols[0], cols[1] + 1)


SCREENINGS = st.builds(
    Screening,
    pixel_m=st.sampled_from([8.0, 10.0, 20.0]),
    grow_pixels=st.integers(0, 4),
    clear=st.builds(ClearParameters, snow_ndsi=st.sampled_from([0.0, 0.2])),
    rescue=st.builds(
        RescueParameters,
        max_extent_m=st.sampled_from([60.0, 120.0]),
        ring_m=st.sampled_from([20.0, 60.0]),
        max_obscured=st.sampled_from([0.0, 0.1, 0.5]),
        min_flat_m2=st.sampled_from([0.0, 500.0]),
        ground_displacement=st.sampled_from([-0.2, 0.1]),
        haze=st.sampled_from([0.02, 0.06]),
        haze_window_m=st.sampled_from([10.0, 60.0, 300.0]),
    ),
)


def meaning_of(numbers: SceneNumbers) -> NDArray[np.float32]:
    """Give the reflectance, in which what is infinite may become NaN."""
    with np.errstate(invalid="ignore"):
        return reflectance_of(numbers)


def check_alike(
    numbers: SceneNumbers,
    *,
    window: Window,
    screening: Screening,
    shadow: NDArray[np.bool_] | None = None,
    counted: Window | None = None,
) -> Sight:
    """Screen in both ways; give what the plain one saw."""
    seen = sight(
        meaning_of(numbers),
        numbers.scl,
        bands=numbers.bands,
        names=("dred",),
        window=window,
        screening=screening,
        shadow=shadow,
        counted=counted,
    )
    found = screened(
        numbers, window=window, screening=screening, shadow=shadow, counted=counted
    )
    measured = found.flags & POSSIBLE > 0
    assert found.counts == seen.counts
    for flag, plane in (
        (POSSIBLE, np.isfinite(seen.values[0])),
        (CLEAR, seen.clear),
        (STANDING, seen.patches.standing),
        (FLAT, seen.patches.flat),
    ):
        np.testing.assert_array_equal((found.flags & flag > 0) & measured, plane)
    np.testing.assert_array_equal(found.flags & CLOUDY > 0, seen.cloudy)
    return seen


@given(scenes(), SCREENINGS, st.data())
def test_the_fused_screening_is_the_plain_one(
    numbers: SceneNumbers, screening: Screening, data: st.DataObject
) -> None:
    window = data.draw(windows(numbers.scl.shape))
    counted = data.draw(st.none() | windows(numbers.scl.shape))
    seed = data.draw(st.none() | st.integers(0, 99))
    shadow = None
    if seed is not None:
        shape = numbers.scl[window].shape
        shadow = fixed(np.random.default_rng(seed).random(shape) < 0.3)
    check_alike(
        numbers, window=window, screening=screening, shadow=shadow, counted=counted
    )


@pytest.mark.parametrize("digital", [True, False])
@pytest.mark.parametrize("parallax", [True, False])
def test_a_scene_in_which_every_screen_takes_something_is_screened_alike(
    *, digital: bool, parallax: bool
) -> None:
    random = np.random.default_rng(3)
    side = 200
    fine_bands = ("B02", "B03", "B04", "B08")
    coarse_bands = ("B07", "B8A", "B11") if parallax else ("B11",)
    fine = np.stack([light(random, band, (side, side), 0) for band in fine_bands])
    coarse = np.stack(
        [light(random, band, (side // 2, side // 2), 0) for band in coarse_bands]
    )
    fine[:3, 120:] += np.float32(0.12)  # haze
    fine[1, :40, :40] += np.float32(0.4)  # snow
    scl = np.full((side, side), Scl.VEGETATION, dtype=np.uint8)
    for _ in range(60):
        row, col = random.integers(0, side, 2)
        height, width = random.integers(1, 9, 2)
        scl[row : row + height, col : col + width] = Scl.CLOUD_HIGH
    scl[:60, 150:] = Scl.CLOUD_MEDIUM
    fine[:, ::37, ::41] = coarse[:, ::17, ::13] = 0 if digital else np.nan
    if digital:
        fine, coarse = (np.rint(values * 10_000) for values in (fine, coarse))
    kind: type[np.uint16 | np.float32] = np.uint16 if digital else np.float32
    shadow = np.zeros((side - 20, side - 20), dtype=np.bool_)
    shadow[:, :30] = True
    seen = check_alike(
        SceneNumbers(
            fine_bands=fine_bands,
            coarse_bands=coarse_bands,
            fine=fixed(fine, kind),
            coarse=fixed(coarse, kind),
            ratio=2,
            row=0,
            col=0,
            scl=scl,
        ),
        window=(slice(10, -10), slice(10, -10)),
        screening=Screening(
            pixel_m=10.0, grow_pixels=2, rescue=RescueParameters(max_obscured=0.2)
        ),
        shadow=shadow,
    )
    counts = seen.counts
    taken = (counts.not_measured, counts.classed_out, counts.grown_out, counts.snow)
    assert min(*taken, counts.hazy, counts.shadowed, counts.clear) > 0
    assert seen.patches.standing.any()
    assert seen.patches.flat.any() == parallax


@given(scenes(most=30), st.data())
def test_any_rectangle_of_any_band_is_read_as_it_is_meant(
    numbers: SceneNumbers, data: st.DataObject
) -> None:
    rows, cols = data.draw(windows(numbers.scl.shape))
    for band, plain in zip(numbers.bands, meaning_of(numbers), strict=True):
        plane = planes.plane(numbers, band)
        assert plane is not None
        out = np.empty((rows.stop - rows.start, cols.stop - cols.start), np.float32)
        planes.read_rectangle(plane, rows.start, cols.start, out)
        finite = np.isfinite(plain[rows, cols])
        np.testing.assert_array_equal(np.isfinite(out), finite)
        np.testing.assert_array_equal(out[finite], plain[rows, cols][finite])


@given(scenes(most=50), st.sampled_from([7.5, 10.0, 15.0]), st.data())
def test_the_displacement_index_of_a_rectangle_is_that_of_the_whole(
    numbers: SceneNumbers, pixel_m: float, data: st.DataObject
) -> None:
    assume(set(PARALLAX_BANDS) <= set(numbers.bands))
    rows, cols = data.draw(windows(numbers.scl.shape))
    plain = cloud_displacement(
        meaning_of(numbers), bands=numbers.bands, pixel_m=pixel_m
    )
    assert plain is not None
    out = np.empty((rows.stop - rows.start, cols.stop - cols.start), np.float32)
    red_edge, wide, narrow = (planes.plane(numbers, band) for band in PARALLAX_BANDS)
    assert red_edge is not None
    assert wide is not None
    assert narrow is not None
    displacement.displacement(
        (red_edge, wide, narrow),
        numbers.scl.shape[0],
        numbers.scl.shape[1],
        rows.start,
        cols.start,
        displacement.lens(pixel_m),
        out,
    )
    np.testing.assert_array_equal(out, plain[rows, cols])


@given(st.integers(0, 2**32 - 1), st.integers(0, 12), st.data())
@example(0, 1, None)
def test_growth_by_rows_is_growth_by_the_disk(
    seed: int, radius: int, data: st.DataObject | None
) -> None:
    random = np.random.default_rng(seed)
    kinds = random.integers(0, 256, (30, 40)).astype(np.uint8)
    kinds[random.random(kinds.shape) < 0.97] = 1
    whole = (slice(0, 30), slice(0, 37))
    rows, cols = whole if data is None else data.draw(windows((30, 37)))
    out = np.zeros((rows.stop - rows.start, cols.stop - cols.start), np.uint8)
    patches.grown(kinds, 37, patches.disk(radius), rows.start, cols.start, out)
    for bit in (patches.GROWN, patches.OTHERS, patches.ALONE, patches.FLAT):
        plain = grow(kinds[:, :37] & bit > 0, radius)
        np.testing.assert_array_equal(out & bit > 0, plain[rows, cols])


def test_a_shadow_that_does_not_fit_the_window_is_refused() -> None:
    numbers = SceneNumbers(
        fine_bands=("B04",),
        coarse_bands=(),
        fine=np.ones((1, 4, 4), dtype=np.float32),
        coarse=np.ones((0, 2, 2), dtype=np.float32),
        ratio=2,
        row=0,
        col=0,
        scl=np.full((4, 4), Scl.VEGETATION, dtype=np.uint8),
    )
    whole = (slice(None), slice(None))
    with pytest.raises(ContractError, match="does not fit"):
        screened(
            numbers,
            window=whole,
            screening=Screening(pixel_m=10.0, grow_pixels=1),
            shadow=np.zeros((3, 4), dtype=np.bool_),
        )
    with pytest.raises(ContractError, match="positive"):
        screened(numbers, window=whole, screening=Screening(pixel_m=0.0, grow_pixels=1))
