"""Disturbed pixels become polygons: examples that a person can follow."""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import pytest
import shapely
from numpy.typing import ArrayLike, NDArray
from pixels import DAY, degrees, evidence, fixed, metres
from pyproj import Geod
from scipy import ndimage
from shapely import MultiPolygon, Polygon

from rsmonitor.errors import ContractError
from rsmonitor.records.disturbance import Disturbance
from rsmonitor.records.grid import Grid
from rsmonitor.records.parameters import OutlineParameters
from rsmonitor.records.rasters import Tier
from rsmonitor.stages.outline import EPOCH, label_objects, outline
from rsmonitor.stages.tracing import polygons

SEEN = DAY + 10
PIXEL = 2.0**-13


def day(number: int) -> date:
    return EPOCH + timedelta(days=number)


def drawn(  # noqa: PLR0913 - each plane of the evidence that outlines read
    tier: ArrayLike,
    *,
    first_seen: ArrayLike = SEEN,
    began_after: ArrayLike = DAY,
    confirmed: ArrayLike | None = None,
    last_seen: ArrayLike = SEEN + 20,
    last_clear: ArrayLike = SEEN + 30,
    looks_since: ArrayLike = 3,
    grid: Grid | None = None,
    min_pixels: int = 2,
) -> tuple[tuple[Disturbance, ...], NDArray[np.int32]]:
    """Draw what a raster of tiers shows; pixels of the high tier were confirmed."""
    grades = fixed(tier, np.uint8)
    if confirmed is None:
        confirmed = np.where(grades == Tier.HIGH, SEEN + 15, 0)
    state = evidence(
        grades.shape,
        first_seen=first_seen,
        began_after=began_after,
        confirmed=confirmed,
        last_seen=last_seen,
        last_clear=last_clear,
        looks_since=looks_since,
    )
    return outline(
        fixed(state),
        grades,
        fixed(grades > 0),
        grid=grid or degrees(*grades.shape),
        parameters=OutlineParameters(min_pixels=min_pixels),
    )


def tiers_of(tier: Sequence[Sequence[int]], min_pixels: int = 2) -> list[str]:
    return [found.tier.code for found in drawn(tier, min_pixels=min_pixels)[0]]


# -------------------------------------------------------------------- what an object is


def test_pixels_that_share_an_edge_are_one_object_and_those_at_a_corner_are_two() -> (
    None
):
    found, labels = drawn([[3, 3, 0, 0], [0, 0, 3, 3]])
    assert labels.tolist() == [[1, 1, 0, 0], [0, 0, 2, 2]]
    assert [each.pixels for each in found] == [2, 2]


def test_objects_are_numbered_in_reading_order_of_their_first_pixels() -> None:
    _, labels = drawn([[0, 0, 1, 1, 0], [3, 0, 0, 0, 0], [3, 0, 2, 2, 0]])
    assert labels.tolist() == [[0, 0, 1, 1, 0], [2, 0, 0, 0, 0], [2, 0, 3, 3, 0]]


def test_what_is_too_small_is_no_object() -> None:
    assert tiers_of([[3, 3, 3, 0, 3, 3]], min_pixels=3) == ["high"]
    assert tiers_of([[3, 3, 3, 0, 3, 3]], min_pixels=4) == []


def test_nothing_graded_draws_nothing() -> None:
    found, labels = drawn(np.zeros((3, 4)))
    assert found == ()
    assert not labels.any()
    assert labels.shape == (3, 4)


def test_one_tier_is_labelled_as_scipy_labels_it() -> None:
    low = np.random.default_rng(1).random((60, 70)) < 0.5
    labels, tier_of = label_objects(low.astype(np.uint8), 5)
    parts, count = ndimage.label(low)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    sizes[0] = 0
    keep = sizes >= 5
    np.testing.assert_array_equal(labels > 0, keep[parts])
    assert len(tier_of) == keep.sum()
    for label in tier_of:
        assert len(np.unique(parts[labels == label])) == 1


def test_a_confirmed_object_takes_in_what_is_about_to_be_confirmed() -> None:
    _, labels = drawn([[3, 3, 2, 2, 0]])
    assert labels.tolist() == [[1, 1, 1, 1, 0]]


def test_a_confirmed_object_does_not_take_in_its_blurred_edge() -> None:
    found, labels = drawn([[1, 3, 3, 1, 0], [1, 1, 1, 1, 0]])
    assert labels.tolist() == [[0, 1, 1, 0, 0], [0, 0, 0, 0, 0]]
    assert [each.tier for each in found] == [Tier.HIGH]


def test_weak_evidence_one_pixel_away_is_an_object_of_its_own() -> None:
    assert tiers_of([[3, 3, 0, 1, 1, 1]]) == ["high", "low"]


def test_the_edge_of_a_confirmed_object_does_not_make_a_neighbour_larger() -> None:
    # the first of four is edge, which leaves three
    assert tiers_of([[3, 3, 3, 3, 1, 1, 1, 1]], min_pixels=4) == ["high"]
    assert tiers_of([[3, 3, 3, 3, 1, 1, 1, 1]], min_pixels=3) == ["high", "low"]


def test_too_few_pixels_of_a_tier_lower_the_object_to_the_next() -> None:
    assert tiers_of([[3, 2, 1]], min_pixels=1) == ["high"]
    assert tiers_of([[3, 2, 1]], min_pixels=2) == ["medium"]
    assert tiers_of([[3, 2, 1]], min_pixels=3) == ["low"]
    assert tiers_of([[3, 2, 1]], min_pixels=4) == []


def test_pixels_that_were_never_dated_are_no_object() -> None:
    found, labels = drawn([[3, 3, 3]], first_seen=[[SEEN, SEEN, 0]])
    assert labels.tolist() == [[1, 1, 0]]
    assert found[0].pixels == 2


# ------------------------------------------------------------------------ when it began


def test_dates_are_those_of_the_earliest_pixels() -> None:
    (found,), _ = drawn(
        [[0, 3, 3], [3, 3, 3]],
        first_seen=[[0, SEEN + 5, SEEN], [SEEN + 5, SEEN, SEEN + 9]],
        began_after=[[0, DAY + 8, DAY + 4], [DAY + 3, DAY + 5, DAY + 6]],
        confirmed=[[0, SEEN + 30, SEEN + 20], [SEEN + 25, SEEN + 40, SEEN + 40]],
        last_seen=[[0, SEEN + 40, SEEN + 41], [SEEN + 42, SEEN + 43, SEEN + 44]],
        last_clear=[[SEEN + 99, SEEN + 50, SEEN + 50], [SEEN + 60, SEEN, SEEN + 44]],
        looks_since=[[0, 1, 2], [3, 4, 50]],
        min_pixels=3,
    )
    assert found.anchor == (0, 2), "the first of the earliest, in reading order"
    assert found.began_by == day(SEEN)
    assert found.began_after == day(DAY + 3)
    assert found.confirmed == day(SEEN + 30), "when the third pixel was"
    assert found.last_seen == day(SEEN + 44)
    assert found.last_clear == day(SEEN + 60), "of its own pixels"
    assert found.clear_looks_since == 3
    assert found.grid_id == degrees(2, 3).grid_id
    assert found.features == {}


def test_the_beginning_is_open_if_any_pixel_was_never_seen_before() -> None:
    (found,), _ = drawn([[3, 3]], began_after=[[DAY, 0]])
    assert found.began_after is None
    assert found.increments[0].began_after is None


def test_two_looks_on_the_day_of_a_change_leave_its_beginning_open() -> None:
    (found,), _ = drawn([[3, 3]], began_after=[[SEEN, SEEN]])
    assert found.began_after is None
    assert found.began_by == day(SEEN)


@pytest.mark.parametrize("tier", [[[3, 1, 3]], [[3, 2, 2]], [[3, 3, 1]]])
def test_what_is_not_in_the_high_tier_is_not_confirmed(tier: list[list[int]]) -> None:
    (found,), _ = drawn(tier, min_pixels=3)
    assert found.tier is not Tier.HIGH
    assert found.confirmed is None


def test_confirmed_pixels_that_hang_together_by_weak_ones_confirm_nothing() -> None:
    (found,), _ = drawn([[3, 3, 1, 3, 3]], min_pixels=4)
    assert found.tier is Tier.MEDIUM
    assert found.pixels == 5
    assert found.confirmed is None


# ------------------------------------------------------------------------- how it grows


def growth(*first_seen: int, began_after: int = DAY) -> list[tuple[int, date]]:
    """Give pixels and last day of the increments of one row of pixels."""
    (found,), _ = drawn(
        np.full((1, len(first_seen)), 3),
        first_seen=[[SEEN + days for days in first_seen]],
        began_after=[[began_after + days for days in first_seen]],
        last_seen=SEEN + 900,
        last_clear=SEEN + 900,
    )
    area = found.area_m2 / found.pixels
    return [(round(part.area_m2 / area), part.began_by) for part in found.increments]


def test_what_began_together_is_one_increment() -> None:
    assert growth(0, 10, 20, 30) == [(4, day(SEEN + 30))]


def test_ground_opened_later_is_an_increment_of_its_own_oldest_first() -> None:
    assert growth(90, 95, 0, 0, 5) == [(3, day(SEEN + 5)), (2, day(SEEN + 95))]


def test_the_gap_that_separates_increments_is_longer_than_the_limit() -> None:
    assert len(growth(0, 0, 45, 45)) == 1
    assert len(growth(0, 0, 46, 46)) == 2


def test_steps_that_follow_each_other_are_one_growth_however_long_it_takes() -> None:
    assert len(growth(*range(0, 400, 40))) == 1


def test_a_single_pixel_with_a_late_date_is_noise_and_not_growth() -> None:
    assert growth(0, 0, 0, 300) == [(4, day(SEEN + 300))]


def test_a_group_below_a_tenth_of_the_object_joins_its_neighbour_in_time() -> None:
    assert len(growth(*[0] * 18, 100, 100)) == 2
    assert len(growth(*[0] * 19, 100, 100)) == 1


def test_a_small_group_joins_the_nearer_of_its_neighbours() -> None:
    assert growth(0, 0, 0, 60, 200, 200, 200) == [
        (4, day(SEEN + 60)),
        (3, day(SEEN + 200)),
    ]
    assert growth(0, 0, 0, 140, 200, 200, 200) == [
        (3, day(SEEN)),
        (4, day(SEEN + 200)),
    ]


def test_an_increment_spans_from_its_earliest_last_look_to_its_latest_first_look() -> (
    None
):
    (found,), _ = drawn(
        np.full((1, 4), 3),
        first_seen=[[SEEN, SEEN + 7, SEEN + 100, SEEN + 120]],
        began_after=[[DAY + 3, DAY + 1, SEEN + 95, SEEN + 90]],
        last_seen=SEEN + 200,
        last_clear=SEEN + 200,
    )
    assert [(part.began_after, part.began_by) for part in found.increments] == [
        (day(DAY + 1), day(SEEN + 7)),
        (day(SEEN + 90), day(SEEN + 120)),
    ]
    assert (found.began_after, found.began_by) == (day(DAY + 1), day(SEEN))


def test_the_anchor_stays_where_it_was_when_a_site_grows() -> None:
    before, _ = drawn([[0, 0, 3, 3]])
    after, _ = drawn([[3, 3, 3, 3]], first_seen=[[SEEN + 100] * 2 + [SEEN] * 2])
    assert before[0].anchor == after[0].anchor == (0, 2)


# --------------------------------------------------------------------- shapes and areas


def test_an_outline_runs_along_the_edges_of_its_pixels() -> None:
    (found,), _ = drawn([[0, 0, 0], [0, 3, 3], [0, 3, 0]])
    west, north = 115 + PIXEL, 25 - PIXEL
    expected = Polygon(
        [
            (west, north),
            (west, north - 2 * PIXEL),
            (west + PIXEL, north - 2 * PIXEL),
            (west + PIXEL, north - PIXEL),
            (west + 2 * PIXEL, north - PIXEL),
            (west + 2 * PIXEL, north),
        ]
    )
    assert isinstance(found.geometry, Polygon)
    assert found.geometry.normalize().equals_exact(expected.normalize(), 1e-12)


def test_an_untouched_clearing_stays_a_hole() -> None:
    ring = np.full((3, 3), 3)
    ring[1, 1] = 0
    (found,), _ = drawn(ring)
    assert isinstance(found.geometry, Polygon)
    assert len(found.geometry.interiors) == 1
    assert found.pixels == 8


def test_increments_that_lie_apart_are_several_polygons() -> None:
    (found,), _ = drawn(
        np.full((1, 6), 3),
        first_seen=[[SEEN, SEEN, SEEN + 100, SEEN + 100, SEEN, SEEN]],
        last_seen=SEEN + 200,
        last_clear=SEEN + 200,
    )
    older, newer = found.increments
    assert isinstance(older.geometry, MultiPolygon)
    assert isinstance(newer.geometry, Polygon)
    assert isinstance(found.geometry, Polygon)


@pytest.mark.parametrize("grid", [degrees(40, 40), metres(40, 40)])
def test_areas_are_those_that_pyproj_measures_on_the_ellipsoid(grid: Grid) -> None:
    tier = np.where(np.random.default_rng(2).random((40, 40)) < 0.6, 3, 0)
    geod = Geod(ellps="WGS84")
    found, _ = drawn(tier, grid=grid)
    assert len(found) > 5
    for each in found:
        oriented = shapely.orient_polygons(each.geometry, exterior_cw=False)
        area, _ = geod.geometry_area_perimeter(oriented)
        assert each.area_m2 == pytest.approx(area, rel=1e-4)


def test_the_area_of_a_pixel_depends_on_its_row_where_the_grid_is_in_degrees() -> None:
    grid = Grid(
        crs="EPSG:4326",
        left=115.0,
        top=60.0,
        pixel_width=1.0,
        pixel_height=30.0,
        height=2,
        width=2,
    )
    found, _ = drawn([[3, 3], [0, 0]], grid=grid)
    south, _ = drawn([[0, 0], [3, 3]], grid=grid)
    assert south[0].area_m2 > 1.3 * found[0].area_m2


def test_part_of_a_grid_is_drawn_at_its_place() -> None:
    grid = metres(30, 40)
    whole = np.zeros((30, 40), dtype=np.bool_)
    whole[12:15, 20:22] = True
    part = polygons(fixed(whole[10:20, 15:30]), grid, row=10, col=15)
    assert part.equals_exact(polygons(fixed(whole), grid), 1e-12)


def test_pixels_that_meet_at_a_corner_are_two_valid_polygons() -> None:
    corner = polygons(np.eye(2, dtype=np.bool_), degrees(2, 2))
    assert isinstance(corner, MultiPolygon)
    assert len(corner.geoms) == 2
    assert corner.is_valid


def test_nothing_has_no_outline() -> None:
    with pytest.raises(ContractError, match="no pixel to outline"):
        polygons(np.zeros((2, 2), dtype=np.bool_), degrees(2, 2))


def test_rasters_of_another_grid_are_refused() -> None:
    with pytest.raises(ContractError, match=r"\(1, 2\).*grid's shape \(2, 1\)"):
        drawn([[3, 3]], grid=degrees(2, 1))
    with pytest.raises(ContractError, match=r"evidence \(1, 2\) and tier \(2, 1\)"):
        outline(
            evidence((1, 2)),
            np.zeros((2, 1), dtype=np.uint8),
            np.zeros((2, 1), dtype=np.bool_),
            grid=degrees(2, 1),
            parameters=OutlineParameters(),
        )
