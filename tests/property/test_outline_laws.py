"""Laws of edges, objects and outlines, for any scatter of disturbed pixels."""

import itertools
from datetime import timedelta

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from pixels import DAY, degrees, evidence, fixed, metres
from rasterio.features import rasterize
from rasterio.transform import Affine
from scipy import ndimage
from shapely import MultiPolygon, Polygon

from rsmonitor.records.disturbance import Disturbance
from rsmonitor.records.grid import Grid
from rsmonitor.records.parameters import OutlineParameters
from rsmonitor.records.rasters import Tier, planes
from rsmonitor.stages.edges import core
from rsmonitor.stages.geodesy import pixel_area_m2
from rsmonitor.stages.outline import EPOCH, label_objects, outline

SHAPES = array_shapes(min_dims=2, max_dims=2, max_side=9)
TIERS = st.sampled_from([0, 0, 1, 2, 3, 3])
FIRST = [DAY + days for days in (5, 20, 65, 70, 200, 260)]

# -------------------------------------------------------------------------------- edges


@st.composite
def changes(draw: st.DrawFn) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    shape = draw(SHAPES)
    tier = draw(arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 3, 3])))
    strong = st.one_of(st.sampled_from([0.0, 1.0, 20.0]), st.floats(-9, 40, width=32))
    return tier, draw(arrays(np.float32, shape, elements=strong))


def without_edges(
    tier: NDArray[np.uint8],
    strength: NDArray[np.float32],
    *,
    share: float,
    pixels: int,
) -> NDArray[np.uint8]:
    inside = core(fixed(tier), fixed(strength), share=share, pixels=pixels)
    return np.where(inside, tier, 0).astype(np.uint8)


@given(changes(), st.floats(0, 1), st.integers(0, 3))
def test_taking_edges_off_adds_nothing_and_changes_no_tier(
    change: tuple[NDArray[np.uint8], NDArray[np.float32]], share: float, pixels: int
) -> None:
    tier, strength = change
    left = without_edges(fixed(tier), fixed(strength), share=share, pixels=pixels)
    assert ((left == tier) | (left == 0)).all()


@given(changes(), st.integers(0, 3))
def test_share_zero_and_width_zero_take_nothing(
    change: tuple[NDArray[np.uint8], NDArray[np.float32]], pixels: int
) -> None:
    tier, strength = change
    for share, width in ((0.0, pixels), (1.0, 0)):
        left = without_edges(tier, strength, share=share, pixels=width)
        np.testing.assert_array_equal(left, tier)


@given(changes(), st.floats(0, 1), st.floats(0, 1), st.integers(0, 3))
def test_a_larger_share_never_keeps_more(
    change: tuple[NDArray[np.uint8], NDArray[np.float32]],
    share: float,
    other: float,
    pixels: int,
) -> None:
    less, more = sorted((share, other))
    assert (
        without_edges(*change, share=more, pixels=pixels)
        <= without_edges(*change, share=less, pixels=pixels)
    ).all()


@given(changes(), st.floats(0, 1), st.integers(0, 3))
def test_only_pixels_within_the_width_of_the_rim_go(
    change: tuple[NDArray[np.uint8], NDArray[np.float32]], share: float, pixels: int
) -> None:
    tier, strength = change
    padded = np.pad(tier > 0, 1, constant_values=True)  # the border is no rim
    depth = ndimage.distance_transform_cdt(padded, metric="chessboard")[1:-1, 1:-1]
    if (tier > 0).all():
        depth = np.full(tier.shape, 99)
    gone = (tier > 0) & (without_edges(tier, strength, share=share, pixels=pixels) == 0)
    assert (depth[gone] <= pixels).all()


@given(changes(), st.floats(0, 1), st.integers(0, 3))
def test_the_strongest_pixel_of_a_change_stays(
    change: tuple[NDArray[np.uint8], NDArray[np.float32]], share: float, pixels: int
) -> None:
    tier, strength = change
    left = without_edges(tier, strength, share=share, pixels=pixels)
    graded = np.where(tier > 0, strength, -np.inf)
    strongest = (graded == graded.max()) & (tier > 0)
    assert (left[strongest] > 0).all()


# ------------------------------------------------------------------------------ objects


@given(arrays(np.uint8, SHAPES, elements=TIERS), st.integers(1, 5))
def test_objects_follow_the_rules_of_their_tiers(
    tier: NDArray[np.uint8], min_pixels: int
) -> None:
    labels, tier_of = label_objects(fixed(tier), min_pixels)
    assert sorted(tier_of) == list(range(1, len(tier_of) + 1))
    assert set(np.unique(labels)) - {0} == set(tier_of)
    edge = {Tier.HIGH: Tier.MEDIUM, Tier.MEDIUM: Tier.LOW, Tier.LOW: Tier.LOW}
    for label, level in tier_of.items():
        inside = labels == label
        assert ndimage.label(inside)[1] == 1, "hangs together by edges"
        assert (tier[inside] >= edge[level]).all()
        assert (tier[inside] >= level).sum() >= min_pixels
        near = ndimage.binary_dilation(inside, structure=np.ones((3, 3)))
        for other in set(np.unique(labels[near])) - {0, label}:
            assert tier_of[int(other)] is level, "tiers keep a pixel apart"
        beside = ndimage.binary_dilation(inside)
        assert set(np.unique(labels[beside])) <= {0, label}, "never share an edge"


@given(arrays(np.uint8, SHAPES, elements=TIERS), st.integers(1, 5))
def test_confirmed_ground_that_is_large_enough_is_always_an_object(
    tier: NDArray[np.uint8], min_pixels: int
) -> None:
    labels, tier_of = label_objects(tier, min_pixels)
    parts, count = ndimage.label(tier == Tier.HIGH)
    for part in range(1, count + 1):
        inside = parts == part
        if inside.sum() >= min_pixels:
            (label,) = np.unique(labels[inside])
            assert tier_of[int(label)] is Tier.HIGH


@given(arrays(np.uint8, SHAPES, elements=TIERS), st.integers(1, 5))
def test_asking_for_more_pixels_never_gives_more_ground_to_the_high_tier(
    tier: NDArray[np.uint8], min_pixels: int
) -> None:
    def high(least: int) -> NDArray[np.bool_]:
        labels, tier_of = label_objects(tier, least)
        return np.isin(
            labels, [n for n, level in tier_of.items() if level is Tier.HIGH]
        )

    assert (high(min_pixels + 1) <= high(min_pixels)).all()


# ----------------------------------------------------------------------------- outlines


@st.composite
def evidences(draw: st.DrawFn) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    tier = draw(arrays(np.uint8, SHAPES, elements=TIERS))
    few = draw(st.integers(1, len(FIRST)))
    first = draw(arrays(np.uint16, tier.shape, elements=st.sampled_from(FIRST[:few])))
    gap = draw(arrays(np.uint16, tier.shape, elements=st.integers(1, 5)))
    never = draw(
        arrays(np.bool_, tier.shape, elements=st.sampled_from([False] * 9 + [True]))
    )
    later = draw(arrays(np.uint16, tier.shape, elements=st.integers(0, 30)))
    state = evidence(
        tier.shape,
        first_seen=first,
        began_after=np.where(never, 0, first - gap),
        confirmed=np.where(tier == Tier.HIGH, first + later, 0),
        last_seen=first + later,
        last_clear=first + later + gap,
        looks_since=later + 1,
    )
    return state, tier


def draw_all(
    case: tuple[NDArray[np.uint16], NDArray[np.uint8]], grid: Grid, min_pixels: int = 2
) -> tuple[tuple[Disturbance, ...], NDArray[np.int32]]:
    state, tier = case
    return outline(
        fixed(state),
        fixed(tier),
        fixed(tier > 0),
        grid=grid,
        parameters=OutlineParameters(min_pixels=min_pixels),
    )


def burned(geometry: Polygon | MultiPolygon, grid: Grid) -> NDArray[np.bool_]:
    """Draw a polygon on its grid again, by the centres of the pixels."""
    image = rasterize(
        [geometry],
        out_shape=grid.shape,
        transform=Affine(*grid.transform),
        dtype="uint8",
    )
    return np.asarray(image) > 0


@given(evidences(), st.integers(1, 5))
def test_an_outline_holds_the_pixels_of_its_object_and_no_other(
    case: tuple[NDArray[np.uint16], NDArray[np.uint8]], min_pixels: int
) -> None:
    grid = degrees(*case[1].shape)
    found, labels = draw_all(case, grid, min_pixels)
    assert labels.max(initial=0) == len(found)
    for number, each in enumerate(found, start=1):
        inside = labels == number
        assert each.pixels == inside.sum()
        assert each.geometry.is_valid
        assert isinstance(each.geometry, Polygon)
        np.testing.assert_array_equal(burned(each.geometry, grid), inside)
    for one, other in itertools.combinations(found, 2):
        assert not shapely.relate_pattern(one.geometry, other.geometry, "T********")


@given(evidences())
def test_area_is_the_number_of_pixels_times_the_area_of_a_pixel(
    case: tuple[NDArray[np.uint16], NDArray[np.uint8]],
) -> None:
    for grid in (degrees(*case[1].shape), metres(*case[1].shape)):
        row_area = pixel_area_m2(grid)
        found, labels = draw_all(case, grid)
        for number, each in enumerate(found, start=1):
            per_row = (labels == number).sum(axis=1)
            assert each.area_m2 == pytest.approx(float(per_row @ row_area), rel=1e-12)
            assert each.area_m2 == pytest.approx(each.pixels * row_area[0], rel=1e-4)


@given(evidences())
def test_increments_tile_their_object(
    case: tuple[NDArray[np.uint16], NDArray[np.uint8]],
) -> None:
    grid = degrees(*case[1].shape)
    found, labels = draw_all(case, grid)
    for number, each in enumerate(found, start=1):
        total = sum(part.area_m2 for part in each.increments)
        assert total == pytest.approx(each.area_m2, rel=1e-12)
        covered = sum(burned(p.geometry, grid).astype(int) for p in each.increments)
        np.testing.assert_array_equal(covered, labels == number)
        union = shapely.union_all([part.geometry for part in each.increments])
        assert union.symmetric_difference(each.geometry).area < 1e-15
        assert all(part.geometry.is_valid for part in each.increments)


@given(evidences())
def test_increments_come_oldest_first_and_apart_in_time(
    case: tuple[NDArray[np.uint16], NDArray[np.uint8]],
) -> None:
    grid = degrees(*case[1].shape)
    found, _ = draw_all(case, grid)
    first_seen = planes(case[0])["first_seen"]
    for each in found:
        spans = []
        for part in each.increments:
            days = first_seen[burned(part.geometry, grid)]
            spans.append((int(days.min()), int(days.max())))
            assert part.began_by == EPOCH + timedelta(days=int(days.max()))
            least = max(2, 0.1 * each.pixels)
            assert days.size >= least or len(each.increments) == 1
        for before, after in itertools.pairwise(spans):
            assert after[0] - before[1] > OutlineParameters().growth_gap_days
        assert each.began_by == EPOCH + timedelta(days=spans[0][0])
        assert each.began_after == each.increments[0].began_after


@given(evidences(), st.integers(1, 5))
def test_objects_come_in_reading_order_and_are_anchored_in_their_oldest_pixel(
    case: tuple[NDArray[np.uint16], NDArray[np.uint8]], min_pixels: int
) -> None:
    state, tier = case
    found, labels = draw_all(case, degrees(*tier.shape), min_pixels)
    firsts = [int(np.argmax(labels.ravel() == n + 1)) for n in range(len(found))]
    assert firsts == sorted(firsts)
    first_seen = planes(state)["first_seen"]
    for number, each in enumerate(found, start=1):
        inside = labels == number
        assert inside[each.anchor]
        assert first_seen[each.anchor] == first_seen[inside].min()


@given(evidences(), st.integers(1, 5))
def test_an_object_is_confirmed_exactly_if_it_is_of_the_high_tier(
    case: tuple[NDArray[np.uint16], NDArray[np.uint8]], min_pixels: int
) -> None:
    found, _ = draw_all(case, degrees(*case[1].shape), min_pixels)
    for each in found:
        assert (each.confirmed is not None) == (each.tier is Tier.HIGH)
        if each.confirmed is not None:
            assert each.confirmed >= each.began_by


@given(evidences())
def test_a_projected_grid_draws_the_same_objects(
    case: tuple[NDArray[np.uint16], NDArray[np.uint8]],
) -> None:
    shape = case[1].shape
    one, labels = draw_all(case, degrees(*shape))
    other, other_labels = draw_all(case, metres(*shape))
    np.testing.assert_array_equal(labels, other_labels)
    for here, there in zip(one, other, strict=True):
        assert there.geometry.is_valid
        assert (here.anchor, here.pixels, here.tier, here.began_by) == (
            there.anchor,
            there.pixels,
            there.tier,
            there.began_by,
        )
        union = shapely.union_all([part.geometry for part in there.increments])
        missed = union.symmetric_difference(there.geometry).area / there.geometry.area
        assert missed < 1e-5, "long edges are straight in another projection"
