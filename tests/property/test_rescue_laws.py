"""Laws of the rescue of bright ground, for any classes and any looks."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from pixels import fixed

from rsmonitor.records.parameters import ClearParameters, RescueParameters
from rsmonitor.records.rasters import Scl
from rsmonitor.stages.clear import Screens, clear_ground
from rsmonitor.stages.rescue import (
    CLOUDS,
    Patches,
    bright_patches,
    initial_bright_looks,
    remember,
    rescue_halo,
)

SMALL = RescueParameters(max_extent_m=60.0, ring_m=40.0, max_obscured=0.3)
CLEAR = ClearParameters()
SIDE = 60
LIGHT = st.one_of(
    st.floats(-1, 2, width=32), st.sampled_from([np.nan, np.inf, -np.inf, 1e30])
)


@st.composite
def classes(draw: st.DrawFn) -> NDArray[np.uint8]:
    """Draw a scene in which there are more or fewer small things of any class."""
    scl = np.full((SIDE, SIDE), Scl.VEGETATION, dtype=np.uint8)
    for _ in range(draw(st.integers(1, 8))):
        row, col = draw(st.integers(0, SIDE - 1)), draw(st.integers(0, SIDE - 1))
        height, width = draw(st.integers(1, 7)), draw(st.integers(1, 7))
        scl[row : row + height, col : col + width] = draw(
            st.sampled_from([*CLOUDS, *CLOUDS, *Scl])
        )
    return scl


def patches_of(
    scl: NDArray[np.uint8],
    *,
    grow_pixels: int = 2,
    displacement: NDArray[np.float32] | None = None,
    parameters: RescueParameters = SMALL,
) -> Patches:
    return bright_patches(
        fixed(scl),
        pixel_m=10.0,
        grow_pixels=grow_pixels,
        displacement=displacement,
        clear_parameters=CLEAR,
        parameters=parameters,
    )


@given(classes(), st.integers(0, 2), st.integers(0, SIDE - 1), st.integers(0, SIDE - 1))
def test_a_block_read_with_its_halo_finds_what_the_whole_scene_finds(
    scl: NDArray[np.uint8], grow_pixels: int, row: int, col: int
) -> None:
    halo = grow_pixels + 6 + 4 + 1
    assert halo <= rescue_halo(10.0, grow_pixels=grow_pixels, parameters=SMALL)
    top, left = max(0, row - halo), max(0, col - halo)
    part = patches_of(
        scl[top : row + halo + 6, left : col + halo + 6], grow_pixels=grow_pixels
    ).standing[row - top : row - top + 6, col - left : col - left + 6]
    whole = patches_of(scl, grow_pixels=grow_pixels).standing
    np.testing.assert_array_equal(part, whole[row : row + 6, col : col + 6])


@given(classes())
def test_only_what_the_screen_took_as_cloud_may_be_rescued(
    scl: NDArray[np.uint8],
) -> None:
    standing = patches_of(scl).standing
    light = np.full((1, SIDE, SIDE), 0.2, dtype=np.float32)
    seen, _ = clear_ground(light, scl, bands=("B04",), grow_pixels=2, parameters=CLEAR)
    assert not (standing & seen).any()
    allowed = (*CLOUDS, Scl.CLOUD_SHADOW, *CLEAR.clear_classes)
    assert np.isin(scl[standing], allowed).all()


@given(classes(), st.floats(0, 0.3), st.floats(0, 0.3))
def test_asking_for_clearer_surroundings_never_rescues_more_clouds(
    scl: NDArray[np.uint8], one: float, two: float
) -> None:
    strict, lax = (
        patches_of(
            scl, grow_pixels=0, parameters=RescueParameters(max_obscured=share)
        ).standing
        for share in sorted((one, two))
    )
    assert (strict <= lax).all()


@given(classes(), st.integers(0, 2**32 - 1))
def test_what_is_flat_stands_and_nothing_that_is_high_does(
    scl: NDArray[np.uint8], seed: int
) -> None:
    index = np.random.default_rng(seed).uniform(-1, 1, scl.shape).astype(np.float32)
    judged = patches_of(scl, grow_pixels=0, displacement=index)
    assert (judged.flat <= judged.standing).all()
    assert (judged.standing <= patches_of(scl, grow_pixels=0).standing).all()


@st.composite
def histories(
    draw: st.DrawFn,
) -> list[tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float32]]]:
    """Draw looks at a few pixels: where patches stand, what is seen, and the light."""
    looks = []
    for _ in range(draw(st.integers(1, 9))):
        kind = draw(arrays(np.uint8, (1, 6), elements=st.integers(0, 2)))
        looks.append(
            (kind == 1, kind == 2, draw(arrays(np.float32, (1, 6), elements=LIGHT)))
        )
    return looks


@given(histories())
def test_unseen_pixels_do_not_move_and_no_pixel_heeds_its_neighbours(
    looks: list[tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float32]]],
) -> None:
    state = initial_bright_looks((1, 6))
    single = [initial_bright_looks((1, 1)) for _ in range(6)]
    for standing, seen, light in looks:
        patches = Patches(standing=standing, flat=np.zeros_like(standing))
        after, rescued = remember(
            fixed(state), patches, fixed(light), seen=seen, parameters=SMALL
        )
        unmoved = ~seen & ~(standing & np.isfinite(light))
        np.testing.assert_array_equal(after[unmoved], state[unmoved])
        assert not (rescued & ~(standing & np.isfinite(light))).any()
        for k in range(6):
            cut = (slice(0, 1), slice(k, k + 1))
            single[k], alone = remember(
                single[k], patches[cut], light[cut], seen=seen[cut], parameters=SMALL
            )
            assert single[k].item() == after[0, k]
            assert alone.item() == rescued[0, k]
        state = after


@given(histories())
def test_nothing_is_rescued_before_so_many_looks_stood_there(
    looks: list[tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float32]]],
) -> None:
    state, stood = initial_bright_looks((1, 6)), np.zeros((1, 6), dtype=int)
    for standing, seen, light in looks:
        patches = Patches(standing=standing, flat=np.zeros_like(standing))
        state, rescued = remember(state, patches, light, seen=seen, parameters=SMALL)
        stood += standing & np.isfinite(light)
        assert (stood[rescued] >= SMALL.looks).all()


@given(classes(), st.integers(0, 2**32 - 1), st.integers(0, 3))
def test_every_pixel_is_counted_once_whatever_is_rescued(
    scl: NDArray[np.uint8], seed: int, grow_pixels: int
) -> None:
    random = np.random.default_rng(seed)
    light = random.uniform(0, 0.6, (3, *scl.shape)).astype(np.float32)
    light[0, random.random(scl.shape) < 0.1] = np.nan
    rescued, hazy = (random.random(scl.shape) < share for share in (0.3, 0.1))
    bands = ("B03", "B04", "B11")
    clear, counts = clear_ground(
        light,
        scl,
        bands=bands,
        grow_pixels=grow_pixels,
        parameters=CLEAR,
        screens=Screens(rescued=rescued, hazy=hazy),
    )
    gone = (
        counts.not_measured,
        counts.classed_out,
        counts.grown_out,
        counts.snow,
        counts.hazy,
    )
    assert sum(gone) + counts.clear == counts.pixels == scl.size
    assert not (clear & hazy).any()
    plain, before = clear_ground(
        light, scl, bands=bands, grow_pixels=grow_pixels, parameters=CLEAR
    )
    assert counts.rescued == (clear & ~plain).sum()
    assert (clear <= plain | rescued).all()
    assert before.rescued == before.hazy == 0
