"""What a site is in law, one rule at a time, on squares that can be checked by eye."""

from collections.abc import Sequence
from datetime import date

import pytest
import shapely
from shapely import MultiPolygon, Polygon

from rsmonitor.records.disturbance import Cause, Classified, Disturbance, Increment
from rsmonitor.records.licence import (
    Completeness,
    Licence,
    LicenceKind,
    RegisterSnapshot,
)
from rsmonitor.records.parameters import LicensingParameters
from rsmonitor.records.rasters import Tier
from rsmonitor.records.site import Site, SiteState
from rsmonitor.records.verdict import Category, Certainty, Verdict
from rsmonitor.stages.geodesy import area_m2
from rsmonitor.stages.licensing import judge, judge_all

LON, LAT = 115.5, 24.9
# metres in degrees at 24.9 N
EAST = 1 / 100_986.0
NORTH = 1 / 110_772.0
AFTER = date(2020, 5, 1)
BY = date(2020, 6, 1)
PARAMETERS = LicensingParameters(position_error_m=20.0, min_part_m2=200.0)


def square(west: float, south: float, east: float, north: float) -> Polygon:
    """A rectangle, given in metres from (LON, LAT)."""
    return shapely.box(
        LON + west * EAST, LAT + south * NORTH, LON + east * EAST, LAT + north * NORTH
    )


def increment(
    geometry: Polygon | MultiPolygon, after: date | None = AFTER, by: date = BY
) -> Increment:
    return Increment(
        geometry=geometry, area_m2=area_m2(geometry), began_after=after, began_by=by
    )


def site(
    *increments: Increment, cause: Cause = Cause.DIGGING, site_id: str = "saaaaaaaaaaaa"
) -> Site:
    geometry = shapely.union_all([each.geometry for each in increments])
    first = increments[0]
    last = max(each.began_by for each in increments)
    return Site(
        site_id=site_id,
        district="360734",
        state=SiteState.ACTIVE,
        latest=Classified(
            disturbance=Disturbance(
                grid_id="grid",
                anchor=(0, 0),
                tier=Tier.HIGH,
                geometry=geometry,
                area_m2=sum(each.area_m2 for each in increments),
                pixels=100,
                began_after=first.began_after,
                began_by=first.began_by,
                confirmed=None,
                last_seen=last,
                last_clear=last,
                clear_looks_since=4,
                increments=increments,
            ),
            causes={cause: 1.0},
            model_id="test",
        ),
    )


def right(
    geometry: Polygon,
    kind: LicenceKind = LicenceKind.MINING,
    *,
    licence_id: str = "C1",
    valid_from: date | None = date(2010, 1, 1),
    valid_to: date | None = date(2030, 12, 31),
    minerals: Sequence[str] = ("稀土",),
) -> Licence:
    return Licence(
        licence_id=licence_id,
        kind=kind,
        geometry=geometry,
        minerals=tuple(minerals),
        valid_from=valid_from,
        valid_to=valid_to,
    )


COMPLETE = tuple(
    Completeness(county_code="360734", kind=kind, complete_on=date(2026, 1, 1))
    for kind in (LicenceKind.MINING, LicenceKind.RECOVERY)
)


def register(
    *licences: Licence, completeness: tuple[Completeness, ...] = COMPLETE
) -> RegisterSnapshot:
    return RegisterSnapshot(
        snapshot_id="snapshot", licences=licences, completeness=completeness
    )


def verdict_on(one: Site, *licences: Licence) -> Verdict:
    return judge(one, register(*licences), PARAMETERS)


PIT = square(0, 0, 100, 100)
AROUND = square(-500, -500, 600, 600)
WEST_HALF = square(-500, -500, 50, 600)
DUG = site(increment(PIT))


def test_digging_inside_a_mining_right_in_force_shows_nothing_abnormal() -> None:
    verdict = verdict_on(DUG, right(AROUND))
    assert verdict.category is Category.NOTHING_ABNORMAL
    assert verdict.certainty is Certainty.CERTAIN
    assert not verdict.raises_alert
    (part,) = verdict.parts
    assert part.licence_ids == ("C1",)
    assert part.area_m2 == pytest.approx(area_m2(PIT))
    assert "权内未见异常" in part.clause_zh
    assert "C1" in part.clause
    assert "2010-01-01" in part.clause


def test_digging_where_no_right_is_has_no_right_however_near_one_lies() -> None:
    verdict = verdict_on(DUG, right(square(101, 0, 600, 100)))
    assert verdict.category is Category.NO_RIGHT
    assert verdict.certainty is Certainty.CERTAIN
    assert verdict.licence_ids == ()
    assert "疑似无证开采" in verdict.parts[0].clause_zh
    assert "suspected" in verdict.parts[0].clause


def test_without_a_register_everything_is_only_possibly_without_a_right() -> None:
    verdict = verdict_on(DUG)
    assert verdict.category is Category.NO_RIGHT
    assert verdict.certainty is Certainty.POSSIBLE
    assert "no register of licences was given" in verdict.parts[0].clause
    assert "未提供" in verdict.parts[0].clause_zh


def test_digging_that_continues_across_the_boundary_is_beyond_it() -> None:
    verdict = verdict_on(DUG, right(WEST_HALF))
    assert verdict.category is Category.BEYOND_BOUNDARY
    assert verdict.certainty is Certainty.CERTAIN
    beyond, inside = verdict.parts
    assert beyond.category is Category.BEYOND_BOUNDARY
    assert inside.category is Category.NOTHING_ABNORMAL
    assert beyond.area_m2 == pytest.approx(area_m2(PIT) / 2, rel=1e-3)
    assert beyond.area_m2 + inside.area_m2 == pytest.approx(area_m2(PIT), abs=0.01)
    assert "50 m beyond" in beyond.clause
    assert beyond.licence_ids == ("C1",)


def test_growth_outside_that_continues_a_licensed_pit_is_beyond_the_boundary() -> None:
    grown = site(
        increment(square(0, 0, 50, 100)),
        increment(square(50, 0, 100, 100), date(2021, 5, 1), date(2021, 6, 1)),
    )
    verdict = verdict_on(grown, right(WEST_HALF))
    assert {part.category for part in verdict.parts} == {
        Category.BEYOND_BOUNDARY,
        Category.NOTHING_ABNORMAL,
    }


@pytest.mark.parametrize(
    ("width_m", "certainty"),
    [(19.0, Certainty.POSSIBLE), (21.0, Certainty.CERTAIN)],
)
def test_a_strip_narrower_than_the_error_of_position_is_only_possible(
    width_m: float, certainty: Certainty
) -> None:
    verdict = verdict_on(DUG, right(square(-500, -500, 100 - width_m, 600)))
    assert verdict.category is Category.BEYOND_BOUNDARY
    assert verdict.certainty is certainty
    assert ("error of position" in verdict.parts[0].clause) is (
        certainty is Certainty.POSSIBLE
    )


def test_the_tolerance_never_makes_an_outside_dig_lawful() -> None:
    verdict = verdict_on(DUG, right(square(-500, -500, 95, 600)))
    assert verdict.category is Category.BEYOND_BOUNDARY
    outside = [p for p in verdict.parts if p.category is Category.BEYOND_BOUNDARY]
    assert outside[0].area_m2 == pytest.approx(500, rel=0.01)


def test_what_lies_less_than_the_error_inside_an_expired_right_is_only_possible() -> (
    None
):
    ended = date(2019, 1, 1)
    thin = right(square(-500, -500, 10, 600), valid_to=ended)
    expired = [
        part
        for part in verdict_on(DUG, thin).parts
        if part.category is Category.EXPIRED
    ]
    assert [part.certainty for part in expired] == [Certainty.POSSIBLE]
    wide = right(AROUND, valid_to=ended)
    assert verdict_on(DUG, wide).certainty is Certainty.CERTAIN


def test_what_a_right_in_force_may_cover_is_not_certainly_expired() -> None:
    old = right(AROUND, licence_id="C-old", valid_to=date(2019, 1, 1))
    near = right(square(-500, -500, 85, 600), licence_id="C-new")
    verdict = verdict_on(DUG, old, near)
    assert verdict.category is Category.EXPIRED
    assert verdict.certainty is Certainty.POSSIBLE
    farther = right(square(-500, -500, 75, 600), licence_id="C-new")
    assert verdict_on(DUG, old, farther).certainty is Certainty.CERTAIN


def test_two_rights_side_by_side_leave_no_doubt_at_the_boundary_between_them() -> None:
    verdict = verdict_on(
        DUG,
        right(WEST_HALF, licence_id="C1"),
        right(square(50, -500, 600, 600), licence_id="C2"),
    )
    assert verdict.category is Category.NOTHING_ABNORMAL
    assert {part.certainty for part in verdict.parts} == {Certainty.CERTAIN}
    assert verdict.licence_ids == ("C1", "C2")


def test_a_part_too_small_to_count_does_not_decide_but_is_still_listed() -> None:
    verdict = verdict_on(DUG, right(square(-500, -500, 98.5, 600)))
    assert verdict.category is Category.NOTHING_ABNORMAL
    assert {part.category for part in verdict.parts} == {
        Category.NOTHING_ABNORMAL,
        Category.BEYOND_BOUNDARY,
    }


def test_where_every_part_is_small_the_largest_decides() -> None:
    small = site(increment(square(0, 0, 14, 10)))
    verdict = verdict_on(small, right(square(-500, -500, 10, 600)))
    assert verdict.category is Category.NOTHING_ABNORMAL


def test_many_small_increments_with_one_finding_count_together() -> None:
    steps = [
        increment(
            square(10 * step, 0, 10 * step + 10, 10),
            date(2020, 1 + step, 1),
            date(2020, 1 + step, 20),
        )
        for step in range(5)
    ]
    (part,) = verdict_on(site(*steps)).parts
    assert part.area_m2 == pytest.approx(500, rel=0.01)
    assert "between 2020-01-01 and 2020-05-20" in part.clause


@pytest.mark.parametrize(
    ("valid_from", "valid_to", "category"),
    [
        # seen clear on 1 May, and dug on 1 June
        (date(2010, 1, 1), date(2020, 4, 30), Category.EXPIRED),
        (date(2010, 1, 1), date(2020, 5, 1), Category.UNCLEAR),
        (date(2010, 1, 1), date(2020, 5, 31), Category.UNCLEAR),
        (date(2010, 1, 1), date(2020, 6, 1), Category.NOTHING_ABNORMAL),
        (date(2020, 5, 1), date(2030, 1, 1), Category.NOTHING_ABNORMAL),
        (date(2020, 5, 2), date(2030, 1, 1), Category.UNCLEAR),
        (date(2020, 6, 1), date(2030, 1, 1), Category.UNCLEAR),
        (date(2020, 6, 2), date(2030, 1, 1), Category.NO_RIGHT),
        (None, date(2030, 1, 1), Category.UNCLEAR),
        (date(2010, 1, 1), None, Category.UNCLEAR),
        (None, None, Category.UNCLEAR),
        (date(1900, 1, 1), date(9999, 12, 31), Category.NOTHING_ABNORMAL),
    ],
)
def test_a_mining_right_counts_on_the_days_it_was_in_force(
    valid_from: date | None, valid_to: date | None, category: Category
) -> None:
    verdict = verdict_on(DUG, right(AROUND, valid_from=valid_from, valid_to=valid_to))
    assert verdict.category is category
    assert (verdict.certainty is Certainty.UNCLEAR) is (category is Category.UNCLEAR)


def test_an_unclear_verdict_gives_the_dates_of_the_act_and_of_the_right() -> None:
    verdict = verdict_on(DUG, right(AROUND, valid_to=date(2020, 5, 20)))
    for clause in (verdict.parts[0].clause, verdict.parts[0].clause_zh):
        for day in ("2020-05-01", "2020-06-01", "2010-01-01", "2020-05-20"):
            assert day in clause
    undated = verdict_on(DUG, right(AROUND, valid_to=None))
    assert "to not given" in undated.parts[0].clause
    assert "未载明" in undated.parts[0].clause_zh


def test_a_later_licence_does_not_cure_earlier_digging_and_this_is_said() -> None:
    verdict = verdict_on(DUG, right(AROUND, valid_from=date(2020, 7, 1)))
    assert verdict.category is Category.NO_RIGHT
    assert verdict.certainty is Certainty.CERTAIN
    assert "2020-07-01" in verdict.parts[0].clause
    assert "不追溯" in verdict.parts[0].clause_zh
    assert verdict.licence_ids == ("C1",)


def test_a_later_expiry_does_not_condemn_earlier_digging() -> None:
    verdict = verdict_on(DUG, right(AROUND, valid_to=date(2020, 6, 30)))
    assert verdict.category is Category.NOTHING_ABNORMAL


def test_each_increment_is_judged_by_what_was_in_force_when_it_happened() -> None:
    grown = site(
        increment(square(0, 0, 50, 100), date(2018, 5, 1), date(2018, 6, 1)),
        increment(square(50, 0, 100, 100), date(2020, 5, 1), date(2020, 6, 1)),
    )
    verdict = verdict_on(grown, right(AROUND, valid_to=date(2019, 6, 30)))
    assert [part.category for part in verdict.parts] == [
        Category.EXPIRED,
        Category.NOTHING_ABNORMAL,
    ]
    assert verdict.category is Category.EXPIRED
    assert "2019-06-30" in verdict.parts[0].clause


def test_without_a_clear_look_before_a_dated_right_leaves_it_unclear() -> None:
    unseen = site(increment(PIT, None))
    assert verdict_on(unseen, right(AROUND)).category is Category.UNCLEAR
    ended = right(AROUND, valid_to=date(2015, 1, 1))
    assert verdict_on(unseen, ended).category is Category.UNCLEAR
    later = right(AROUND, valid_from=date(2021, 1, 1))
    assert verdict_on(unseen, later).category is Category.NO_RIGHT
    far = right(square(5000, 0, 6000, 100))
    assert verdict_on(unseen, far).category is Category.NO_RIGHT


@pytest.mark.parametrize(
    ("cause", "category"),
    [
        (Cause.DIGGING, Category.MINING_UNDER_EXPLORATION),
        (Cause.PONDS, Category.MINING_UNDER_EXPLORATION),
        (Cause.QUARRY, Category.MINING_UNDER_EXPLORATION),
        (Cause.ROAD, Category.EXPLORATION_WORKS),
        (Cause.CLEAR_CUT, Category.EXPLORATION_WORKS),
        (Cause.UNKNOWN, Category.EXPLORATION_WORKS),
    ],
)
def test_an_exploration_right_permits_works_but_not_mining(
    cause: Cause, category: Category
) -> None:
    one = site(increment(PIT), cause=cause)
    verdict = verdict_on(one, right(AROUND, LicenceKind.EXPLORATION))
    assert verdict.category is category


def test_an_expired_exploration_right_leaves_digging_without_a_right() -> None:
    verdict = verdict_on(
        DUG, right(AROUND, LicenceKind.EXPLORATION, valid_to=date(2019, 1, 1))
    )
    assert verdict.category is Category.NO_RIGHT
    assert "had ended on 2019-01-01" in verdict.parts[0].clause
    assert verdict.licence_ids == ("C1",)


@pytest.mark.parametrize(
    ("valid_to", "category"),
    [
        (date(2030, 1, 1), Category.NOTHING_ABNORMAL),
        (date(2020, 5, 15), Category.UNCLEAR),
        (date(2019, 1, 1), Category.RECOVERY_BEYOND_PERIOD),
    ],
)
def test_a_recovery_project_counts_within_its_period(
    valid_to: date, category: Category
) -> None:
    verdict = verdict_on(DUG, right(AROUND, LicenceKind.RECOVERY, valid_to=valid_to))
    assert verdict.category is category


def test_a_land_approval_permits_building_and_not_digging() -> None:
    approval = right(AROUND, LicenceKind.LAND_USE, licence_id="L1")
    built = verdict_on(site(increment(PIT), cause=Cause.CONSTRUCTION), approval)
    assert built.category is Category.NOTHING_ABNORMAL
    dug = verdict_on(DUG, approval)
    assert dug.category is Category.NO_RIGHT
    assert dug.certainty is Certainty.CERTAIN
    assert "L1" in dug.parts[0].clause
    assert dug.licence_ids == ("L1",)


@pytest.mark.parametrize("kind", [LicenceKind.PLANT, LicenceKind.RESTRICTION])
def test_kinds_that_permit_nothing_are_named_and_subtract_nothing(
    kind: LicenceKind,
) -> None:
    verdict = verdict_on(DUG, right(WEST_HALF, kind, licence_id="X1"))
    (part,) = verdict.parts
    assert part.category is Category.NO_RIGHT
    assert part.certainty is Certainty.CERTAIN
    assert part.licence_ids == ("X1",)


@pytest.mark.parametrize(
    ("minerals", "category"),
    [
        ((), Category.UNCLEAR),
        (("离子型稀土",), Category.NOTHING_ABNORMAL),
        (("钨矿", "重稀土"), Category.NOTHING_ABNORMAL),
        (("Rare Earth",), Category.NOTHING_ABNORMAL),
        (("REE",), Category.NOTHING_ABNORMAL),
        (("TREO矿",), Category.NOTHING_ABNORMAL),
        (("钨矿",), Category.OTHER_MINERAL_RIGHT),
        (("freestone",), Category.OTHER_MINERAL_RIGHT),
    ],
)
def test_a_right_covers_rare_earth_only_if_its_minerals_say_so(
    minerals: tuple[str, ...], category: Category
) -> None:
    verdict = verdict_on(DUG, right(AROUND, minerals=minerals))
    assert verdict.category is category


def test_felling_inside_a_tungsten_right_is_nothing_abnormal() -> None:
    felled = site(increment(PIT), cause=Cause.CLEAR_CUT)
    verdict = verdict_on(felled, right(AROUND, minerals=("钨矿",)))
    assert verdict.category is Category.NOTHING_ABNORMAL


def test_the_most_favourable_right_decides_and_all_that_touch_are_named() -> None:
    verdict = verdict_on(
        DUG,
        right(AROUND, LicenceKind.EXPLORATION, licence_id="T1"),
        right(AROUND, licence_id="C-old", valid_to=date(2019, 1, 1)),
        right(AROUND, licence_id="C-new"),
        right(WEST_HALF, LicenceKind.RESTRICTION, licence_id="R1"),
    )
    (part,) = verdict.parts
    assert part.category is Category.NOTHING_ABNORMAL
    assert part.licence_ids == ("C-new", "C-old", "R1", "T1")
    assert "C-new" in part.clause


def test_the_most_serious_part_that_counts_decides() -> None:
    verdict = verdict_on(
        DUG,
        right(square(-500, -500, 40, 600), licence_id="C1", valid_to=date(2019, 1, 1)),
        right(square(40, -500, 80, 600), LicenceKind.EXPLORATION, licence_id="T1"),
    )
    assert [part.category for part in verdict.parts] == [
        Category.NO_RIGHT,
        Category.MINING_UNDER_EXPLORATION,
        Category.EXPIRED,
    ]
    assert verdict.category is Category.NO_RIGHT


def test_an_outline_drawn_along_a_licence_leaves_no_sliver() -> None:
    verdict = verdict_on(DUG, right(PIT))
    (part,) = verdict.parts
    assert part.category is Category.NOTHING_ABNORMAL
    assert part.area_m2 == pytest.approx(area_m2(PIT), abs=0.001)


def test_the_areas_of_parts_follow_the_area_that_the_outline_measured() -> None:
    measured = Increment(
        geometry=PIT, area_m2=area_m2(PIT) * 1.00002, began_after=AFTER, began_by=BY
    )
    parts = verdict_on(site(measured), right(WEST_HALF)).parts
    assert sum(part.area_m2 for part in parts) == pytest.approx(
        measured.area_m2, rel=1e-12
    )


def test_a_site_of_several_pieces_and_a_right_with_a_hole_are_divided() -> None:
    pieces = MultiPolygon([PIT, square(200, 0, 300, 100)])
    ring = AROUND.difference(square(200, 0, 260, 100))
    assert isinstance(ring, Polygon)
    verdict = verdict_on(site(increment(pieces)), right(ring))
    beyond = next(p for p in verdict.parts if p.category is Category.BEYOND_BOUNDARY)
    assert beyond.area_m2 == pytest.approx(6000, rel=0.01)
    assert isinstance(beyond.geometry, Polygon)


def test_an_outline_that_crosses_itself_is_judged_all_the_same() -> None:
    crossed = Polygon(
        [
            (LON, LAT),
            (LON + 200 * EAST, LAT + 100 * NORTH),
            (LON + 200 * EAST, LAT),
            (LON, LAT + 100 * NORTH),
        ]
    )
    one = site(
        Increment(geometry=crossed, area_m2=10_000, began_after=AFTER, began_by=BY)
    )
    assert verdict_on(one, right(WEST_HALF)).category is Category.BEYOND_BOUNDARY


def test_judging_many_sites_says_of_each_what_judging_it_alone_says() -> None:
    sites = [
        site(
            increment(square(250 * step, 0, 250 * step + 100, 100)),
            site_id="s" + "abcdefgh"[step] * 12,
        )
        for step in range(8)
    ]
    snapshot = register(
        right(square(0, 0, 300, 300), licence_id="C1"),
        right(square(700, 0, 1100, 50), LicenceKind.EXPLORATION, licence_id="T1"),
        right(square(1300, 0, 1400, 90), licence_id="C2", valid_to=date(2019, 1, 1)),
    )
    together = judge_all(sites, snapshot, PARAMETERS)
    assert list(together) == [one.site_id for one in sites]
    assert together == {one.site_id: judge(one, snapshot, PARAMETERS) for one in sites}
    found = {part.category for verdict in together.values() for part in verdict.parts}
    assert len(found) == 5
    assert judge_all([], snapshot, PARAMETERS) == {}


def test_a_verdict_names_the_snapshot_it_used() -> None:
    assert verdict_on(DUG, right(AROUND)).register_snapshot == "snapshot"
