"""Every category of law, at the days and metres where it begins and ends."""

import json
import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
import shapely
from shapely import MultiPolygon
from squares import AFTER, AROUND, BY, PARAMETERS, WEST_HALF, dug, judged, right, square

from rsmonitor.records.district import District
from rsmonitor.records.disturbance import Cause
from rsmonitor.records.licence import (
    Completeness,
    LicenceKind,
    LicenceStatus,
    ProducingList,
    RegisterSnapshot,
    StatusChange,
)
from rsmonitor.records.parameters import AlertingParameters
from rsmonitor.records.provenance import Provenance
from rsmonitor.records.site import SiteState
from rsmonitor.records.verdict import CATEGORY_LABELS, Category, Certainty, Verdict
from rsmonitor.stages.alerting import alert_sites
from rsmonitor.stages.licensing import judge_all
from rsmonitor.stages.rules import RULES

DAY = timedelta(days=1)
DISTRICT = District(
    code="360734", name_zh="寻乌县", name_en="Xunwu", bureau="寻乌县自然资源局"
)
PROVENANCE = Provenance(
    software="test",
    settings_digest="0" * 64,
    scenes=("one",),
    processing_baselines=(),
    model_id="test",
)
ENDED = date(2019, 1, 1)
LEACH = (Cause.PONDS, Cause.IN_SITU_LEACH)


def categories(verdict: Verdict) -> set[Category]:
    return {part.category for part in verdict.parts}


# ----------------------------------------------------------------- exploration rights


@pytest.mark.parametrize(
    ("side_m", "category"),
    [(31.5, Category.EXPLORATION_WORKS), (31.8, Category.MINING_UNDER_EXPLORATION)],
)
def test_digging_of_a_thousand_square_metres_is_more_than_a_trench(
    side_m: float, category: Category
) -> None:
    verdict = judged(
        dug(square(0, 0, side_m, side_m)), right(AROUND, LicenceKind.EXPLORATION)
    )
    assert verdict.category is category


def test_a_trench_that_grew_is_mining_under_an_exploration_right() -> None:
    grown = dug(square(0, 0, 18, 18), square(18, 0, 36, 18))
    verdict = judged(grown, right(AROUND, LicenceKind.EXPLORATION))
    assert verdict.category is Category.MINING_UNDER_EXPLORATION


@pytest.mark.parametrize("cause", [Cause.ROAD, Cause.CONSTRUCTION, Cause.CLEAR_CUT])
def test_pads_and_tracks_inside_an_exploration_right_are_its_works(
    cause: Cause,
) -> None:
    verdict = judged(dug(cause=cause), right(AROUND, LicenceKind.EXPLORATION))
    assert verdict.category is Category.EXPLORATION_WORKS


def test_a_trench_across_the_boundary_or_after_the_end_is_without_a_right() -> None:
    trench = dug(square(40, 0, 65, 25))
    across = judged(trench, right(WEST_HALF, LicenceKind.EXPLORATION))
    assert across.category is Category.EXPLORATION_WITHOUT_RIGHT
    ended = judged(trench, right(AROUND, LicenceKind.EXPLORATION, valid_to=ENDED))
    assert ended.category is Category.EXPLORATION_WITHOUT_RIGHT


# ----------------------------------------------------- across the boundary of a right


@pytest.mark.parametrize(
    ("west_m", "category"),
    [(99.0, Category.BEYOND_BOUNDARY), (101.0, Category.NO_RIGHT)],
)
def test_beyond_the_boundary_needs_a_metre_inside_it(
    west_m: float, category: Category
) -> None:
    verdict = judged(dug(), right(square(west_m, -500, 600, 600)))
    assert verdict.category is category


def test_a_piece_that_is_not_connected_with_the_licensed_pit_has_no_right() -> None:
    apart = dug(MultiPolygon([square(0, 0, 100, 100), square(300, 0, 400, 100)]))
    verdict = judged(apart, right(WEST_HALF))
    found = {part.category: part.area_m2 for part in verdict.parts}
    assert found[Category.BEYOND_BOUNDARY] == pytest.approx(5000, rel=0.01)
    assert found[Category.NO_RIGHT] == pytest.approx(10_000, rel=0.01)


def test_pieces_that_meet_at_a_corner_of_pixels_are_connected() -> None:
    corner = dug(MultiPolygon([square(0, 0, 100, 100), square(100, 100, 200, 200)]))
    assert Category.NO_RIGHT not in categories(judged(corner, right(WEST_HALF)))


@pytest.mark.parametrize("cause", [Cause.ROAD, Cause.CONSTRUCTION])
def test_tracks_and_sheds_that_continue_outside_are_ancillary_land(
    cause: Cause,
) -> None:
    verdict = judged(dug(cause=cause), right(WEST_HALF))
    assert verdict.category is Category.ANCILLARY_LAND
    assert "疑似" not in verdict.parts[0].clause_zh


@pytest.mark.parametrize(
    ("kind", "category"),
    [
        (LicenceKind.RECOVERY, Category.RECOVERY_BEYOND_AREA),
        (LicenceKind.RESTORATION, Category.MINING_UNDER_RESTORATION),
    ],
)
def test_projects_have_boundaries_of_their_own(
    kind: LicenceKind, category: Category
) -> None:
    verdict = judged(dug(), right(WEST_HALF, kind))
    assert category in categories(verdict)
    assert verdict.parts[0].category is category


# --------------------------------------------------------------------------- minerals


@pytest.mark.parametrize(
    ("minerals", "associated", "cause", "category"),
    [
        (("钨矿",), (), Cause.PONDS, Category.OTHER_MINERAL),
        (("钨矿",), (), Cause.IN_SITU_LEACH, Category.OTHER_MINERAL),
        (("钨矿",), (), Cause.DIGGING, Category.OTHER_MINERAL_RIGHT),
        (("钨矿",), ("稀土",), Cause.PONDS, Category.UNCLEAR),
        (("钨矿",), ("稀土",), Cause.DIGGING, Category.UNCLEAR),
        ((), (), Cause.PONDS, Category.UNCLEAR),
        (("稀土",), (), Cause.PONDS, Category.NOTHING_ABNORMAL),
        (("钨矿",), (), Cause.CLEAR_CUT, Category.NOTHING_ABNORMAL),
    ],
)
def test_leaching_inside_a_right_for_another_mineral_is_not_covered(
    minerals: tuple[str, ...],
    associated: tuple[str, ...],
    cause: Cause,
    category: Category,
) -> None:
    licence = right(AROUND, minerals=minerals, associated_minerals=associated)
    assert judged(dug(cause=cause), licence).category is category


def test_leaching_in_a_tungsten_right_that_ended_never_had_a_right() -> None:
    licence = right(AROUND, minerals=("钨矿",), valid_to=ENDED)
    assert judged(dug(cause=Cause.PONDS), licence).category is Category.NO_RIGHT
    assert judged(dug(), licence).category is Category.EXPIRED


# ------------------------------------------------------------------- dates and status


@pytest.mark.parametrize(
    ("accepted", "decided", "category"),
    [
        (None, None, Category.EXPIRED),
        (date(2019, 12, 30), None, Category.UNCLEAR),
        (date(2019, 12, 31), None, Category.UNCLEAR),
        (date(2020, 1, 1), None, Category.EXPIRED),
        (date(2019, 12, 1), AFTER, Category.EXPIRED),
        (date(2019, 12, 1), AFTER + DAY, Category.UNCLEAR),
        (date(2019, 12, 1), BY, Category.UNCLEAR),
        (date(2019, 12, 1), BY + DAY, Category.UNCLEAR),
    ],
)
def test_a_renewal_that_was_accepted_in_time_and_is_open_leaves_it_unclear(
    accepted: date | None, decided: date | None, category: Category
) -> None:
    licence = right(
        AROUND,
        valid_to=date(2019, 12, 31),
        renewal_accepted=accepted,
        renewal_decided=decided,
    )
    assert judged(dug(), licence).category is category


@pytest.mark.parametrize(
    "status",
    [LicenceStatus.CANCELLED, LicenceStatus.REVOKED, LicenceStatus.ANNULLED],
)
@pytest.mark.parametrize(
    ("on", "category"),
    [
        (AFTER, Category.EXPIRED),
        (AFTER + DAY, Category.UNCLEAR),
        (BY, Category.UNCLEAR),
        (BY + DAY, Category.NOTHING_ABNORMAL),
    ],
)
def test_a_right_that_was_taken_away_ends_on_that_day(
    status: LicenceStatus, on: date, category: Category
) -> None:
    licence = right(AROUND, status_history=(StatusChange(on=on, status=status),))
    verdict = judged(dug(), licence)
    assert verdict.category is category
    assert on.isoformat() in verdict.parts[0].clause


def test_digging_while_a_right_is_suspended_is_for_a_person() -> None:
    stopped = StatusChange(on=date(2020, 1, 1), status=LicenceStatus.SUSPENDED)
    again = StatusChange(on=date(2020, 4, 1), status=LicenceStatus.IN_FORCE)
    during = judged(dug(), right(AROUND, status_history=(stopped,)))
    assert during.category is Category.UNCLEAR
    assert "停产" in during.parts[0].clause_zh
    after = judged(dug(), right(AROUND, status_history=(stopped, again)))
    assert after.category is Category.NOTHING_ABNORMAL


def test_two_rights_that_follow_each_other_leave_no_gap() -> None:
    old = right(AROUND, licence_id="C-old", valid_to=date(2020, 5, 15))
    new = right(AROUND, licence_id="C-new", valid_from=date(2020, 5, 16))
    verdict = judged(dug(), old, new)
    assert verdict.category is Category.NOTHING_ABNORMAL
    assert verdict.licence_ids == ("C-new", "C-old")
    gap = replace(new, valid_from=date(2020, 5, 17))
    assert judged(dug(), old, gap).category is Category.UNCLEAR


def test_a_boundary_that_moved_within_the_interval_is_unclear_where_it_moved() -> None:
    old = right(AROUND, valid_to=date(2030, 1, 1))
    new = right(WEST_HALF, valid_from=date(2020, 5, 16), version=2)
    verdict = judged(dug(), new, earlier=(old,))
    found = {part.category: part.area_m2 for part in verdict.parts}
    assert found[Category.NOTHING_ABNORMAL] == pytest.approx(5000, rel=0.01)
    assert found[Category.UNCLEAR] == pytest.approx(5000, rel=0.01)
    for day in ("2020-05-15", "2020-05-01", "2020-06-01"):
        assert any(day in part.clause for part in verdict.parts)


def test_what_happened_under_an_older_boundary_is_judged_by_it() -> None:
    old = right(AROUND)
    new = right(WEST_HALF, valid_from=date(2021, 1, 1), version=2)
    assert judged(dug(), new, earlier=(old,)).category is Category.NOTHING_ABNORMAL


# ------------------------------------------------------------ list of producing mines


def listed(year: int, *ids: str) -> ProducingList:
    return ProducingList(
        year=year,
        publisher="某集团",
        published=date(year, 3, 1),
        licence_ids=frozenset(ids),
    )


@pytest.mark.parametrize(
    ("lists", "category"),
    [
        ((), Category.NOTHING_ABNORMAL),
        ((listed(2019, "C9"),), Category.NOTHING_ABNORMAL),
        ((listed(2020, "C1"),), Category.NOTHING_ABNORMAL),
        ((listed(2020, "C9"),), Category.OFF_LIST),
        ((listed(2020, "C9"), listed(2020, "C1")), Category.NOTHING_ABNORMAL),
    ],
)
def test_off_the_list_needs_the_list_of_that_year(
    lists: tuple[ProducingList, ...], category: Category
) -> None:
    verdict = judged(dug(), right(AROUND), producing=lists)
    assert verdict.category is category
    if category is Category.OFF_LIST:
        assert verdict.certainty is Certainty.POSSIBLE


def test_off_the_list_needs_digging_and_lists_of_both_years() -> None:
    lists = (listed(2019, "C9"), listed(2020, "C1"))
    felled = judged(dug(cause=Cause.CLEAR_CUT), right(AROUND), producing=lists[:1])
    assert felled.category is Category.NOTHING_ABNORMAL
    winter = dug(after=date(2019, 12, 20), by=date(2020, 1, 10))
    assert judged(winter, right(AROUND), producing=lists).category is Category.UNCLEAR
    off = (listed(2019, "C9"), listed(2020, "C9"))
    assert judged(winter, right(AROUND), producing=off).category is Category.OFF_LIST
    one = judged(winter, right(AROUND), producing=off[:1])
    assert one.category is Category.NOTHING_ABNORMAL


# ---------------------------------------------------------- restoration, closed sites


@pytest.mark.parametrize(
    ("cause", "category"),
    [
        (Cause.PONDS, Category.MINING_UNDER_RESTORATION),
        (Cause.DIGGING, Category.UNCLEAR),
        (Cause.REMEDIATION, Category.NOTHING_ABNORMAL),
    ],
)
def test_inside_a_restoration_project_ponds_are_suspect_and_earthworks_are_checked(
    cause: Cause, category: Category
) -> None:
    verdict = judged(dug(cause=cause), right(AROUND, LicenceKind.RESTORATION))
    assert verdict.category is category
    assert verdict.certainty is not Certainty.CERTAIN or cause is Cause.REMEDIATION


@pytest.mark.parametrize(
    ("valid_to", "category"),
    [
        (AFTER - DAY, Category.MINING_UNDER_RESTORATION),
        (AFTER, Category.UNCLEAR),
        (BY, Category.UNCLEAR),
    ],
)
def test_digging_after_the_period_of_a_restoration_project_is_mining(
    valid_to: date, category: Category
) -> None:
    project = right(AROUND, LicenceKind.RESTORATION, valid_to=valid_to)
    assert judged(dug(), project).category is category


@pytest.mark.parametrize(
    ("last_seen", "state", "category"),
    [
        (date(2021, 12, 31), SiteState.ACTIVE, Category.UNCLEAR),
        (date(2022, 1, 1), SiteState.ACTIVE, Category.RESTORATION_OVERDUE),
        (date(2022, 1, 1), SiteState.RECOVERING, Category.UNCLEAR),
    ],
)
def test_restoration_is_overdue_from_the_day_after_its_deadline(
    last_seen: date, state: SiteState, category: Category
) -> None:
    project = right(AROUND, LicenceKind.RESTORATION, deadline=date(2021, 12, 31))
    verdict = judged(dug(last_seen=last_seen, state=state), project)
    assert verdict.category is category


@pytest.mark.parametrize("kind", [LicenceKind.RESTORATION, LicenceKind.CLOSED])
def test_an_order_that_has_not_begun_is_not_overdue(kind: LicenceKind) -> None:
    later = right(
        AROUND,
        kind,
        valid_from=date(2030, 1, 1),
        valid_to=date(2031, 1, 1),
        deadline=date(2000, 1, 1),
    )
    verdict = judged(dug(last_seen=date(2022, 1, 1)), later)
    assert verdict.category is Category.NO_RIGHT


@pytest.mark.parametrize(
    ("closed_on", "cause", "category"),
    [
        (AFTER, Cause.DIGGING, Category.RESTARTED),
        (AFTER, Cause.PONDS, Category.RESTARTED),
        (AFTER, Cause.CLEAR_CUT, Category.UNCLEAR),
        (AFTER, Cause.UNKNOWN, Category.NO_RIGHT),
        (AFTER + DAY, Cause.DIGGING, Category.UNCLEAR),
        (BY, Cause.DIGGING, Category.UNCLEAR),
        (BY + DAY, Cause.DIGGING, Category.NO_RIGHT),
        (None, Cause.DIGGING, Category.UNCLEAR),
    ],
)
def test_a_closed_site_is_restarted_by_digging_and_not_by_loss_of_green(
    closed_on: date | None, cause: Cause, category: Category
) -> None:
    closed = right(AROUND, LicenceKind.CLOSED, valid_from=closed_on, valid_to=None)
    assert judged(dug(cause=cause), closed).category is category


def test_lawful_reuse_of_a_closed_site_comes_first() -> None:
    closed = right(AROUND, LicenceKind.CLOSED, licence_id="X1")
    verdict = judged(dug(), closed, right(AROUND))
    assert verdict.category is Category.NOTHING_ABNORMAL
    assert verdict.licence_ids == ("C1", "X1")


@pytest.mark.parametrize(
    ("last_seen", "state", "category"),
    [
        (date(2021, 6, 30), SiteState.ACTIVE, Category.NO_RIGHT),
        (date(2021, 7, 1), SiteState.ACTIVE, Category.CLOSED_NOT_CLEARED),
        (date(2021, 7, 1), SiteState.RECOVERING, Category.NO_RIGHT),
    ],
)
def test_a_closed_site_is_not_cleared_from_the_day_after_its_deadline(
    last_seen: date, state: SiteState, category: Category
) -> None:
    closed = right(
        AROUND,
        LicenceKind.CLOSED,
        valid_from=date(2021, 1, 1),
        valid_to=None,
        deadline=date(2021, 6, 30),
    )
    assert judged(dug(last_seen=last_seen, state=state), closed).category is category


# ----------------------------------------------------------------------- construction


BUILT = dug(cause=Cause.CONSTRUCTION)


@pytest.mark.parametrize(
    "kind",
    [
        LicenceKind.MINING,
        LicenceKind.RECOVERY,
        LicenceKind.CLOSED,
        LicenceKind.PLANT,
    ],
)
@pytest.mark.parametrize(
    ("metres", "category"),
    [
        (199.0, Category.UNAUTHORISED_CONSTRUCTION),
        (201.0, Category.UNCLEAR),
    ],
)
def test_construction_is_suspected_only_near_mines_closed_sites_and_plants(
    kind: LicenceKind, metres: float, category: Category
) -> None:
    verdict = judged(BUILT, right(square(100 + metres, 0, 900, 100), kind))
    assert verdict.category is category
    assert verdict.raises_alert is (category is not Category.UNCLEAR)
    assert verdict.counted_only is (category is Category.UNCLEAR)


@pytest.mark.parametrize(
    "kind",
    [LicenceKind.EXPLORATION, LicenceKind.LAND_USE, LicenceKind.RESTRICTION],
)
def test_construction_near_anything_else_is_counted_and_never_alerted(
    kind: LicenceKind,
) -> None:
    verdict = judged(BUILT, right(square(150, 0, 900, 100), kind))
    assert verdict.counted_only
    assert not verdict.raises_alert


def test_construction_attached_to_digging_is_suspected() -> None:
    near = dug(square(110, 0, 200, 100), site_id="s" + "b" * 12)
    far = dug(square(300, 0, 400, 100), site_id="s" + "b" * 12)
    found = judged([BUILT, near])
    assert found.category is Category.UNAUTHORISED_CONSTRUCTION
    assert judged([BUILT, far]).counted_only
    felled = replace(near, latest=replace(near.latest, causes={Cause.CLEAR_CUT: 1.0}))
    assert judged([BUILT, felled]).counted_only


@pytest.mark.parametrize("cause", [Cause.ROAD, Cause.SOLAR])
def test_roads_and_solar_farms_are_counted(cause: Cause) -> None:
    plant = right(square(150, 0, 900, 100), LicenceKind.PLANT)
    assert judged(dug(cause=cause), plant).counted_only


def test_a_land_approval_covers_construction_beside_a_plant() -> None:
    plant = right(square(150, 0, 900, 100), LicenceKind.PLANT, licence_id="P1")
    approval = right(AROUND, LicenceKind.LAND_USE, licence_id="L1")
    assert judged(BUILT, plant, approval).category is Category.NOTHING_ABNORMAL


def test_construction_in_a_mining_right_is_suspect_if_all_approvals_are_known() -> None:
    assert judged(BUILT, right(AROUND)).category is Category.NOTHING_ABNORMAL
    known = Completeness(
        county_code="360734", kind=LicenceKind.LAND_USE, complete_on=BY
    )
    verdict = judged(BUILT, right(AROUND), completeness=(known,))
    assert verdict.category is Category.UNAUTHORISED_CONSTRUCTION
    assert verdict.certainty is Certainty.CERTAIN
    before = replace(known, complete_on=BY - DAY)
    older = judged(BUILT, right(AROUND), completeness=(before,))
    assert older.category is Category.NOTHING_ABNORMAL


# ----------------------------------------------- what was there, and what is complete


@pytest.mark.parametrize(
    ("start", "after", "category"),
    [
        (BY, None, Category.LEGACY),
        (BY - DAY, None, Category.NO_RIGHT),
        (BY, AFTER, Category.NO_RIGHT),
    ],
)
def test_what_was_there_when_the_history_starts_is_legacy(
    start: date, after: date | None, category: Category
) -> None:
    far = right(square(5000, 0, 6000, 100))
    verdict = judged(dug(after=after), far, history_start=start)
    assert verdict.category is category
    assert verdict.raises_alert is (category is not Category.LEGACY)


@pytest.mark.parametrize(
    ("declared", "certainty"),
    [
        ((), Certainty.POSSIBLE),
        ((("360734", BY),), Certainty.CERTAIN),
        ((("360734", BY - DAY),), Certainty.POSSIBLE),
        ((("360700", BY),), Certainty.CERTAIN),
        ((("360735", BY),), Certainty.POSSIBLE),
    ],
)
def test_no_right_is_certain_only_where_the_register_is_declared_complete(
    declared: tuple[tuple[str, date], ...], certainty: Certainty
) -> None:
    completeness = tuple(
        Completeness(county_code=code, kind=kind, complete_on=on)
        for code, on in declared
        for kind in (LicenceKind.MINING, LicenceKind.RECOVERY)
    )
    far = right(square(5000, 0, 6000, 100))
    verdict = judged(dug(), far, completeness=completeness)
    assert verdict.category is Category.NO_RIGHT
    assert verdict.certainty is certainty
    said = verdict.parts[0].clause_zh
    assert ("自然资源部" in said) is (certainty is Certainty.POSSIBLE)


def test_mining_rights_alone_do_not_make_the_register_complete() -> None:
    mining = Completeness(county_code="360734", kind=LicenceKind.MINING, complete_on=BY)
    far = right(square(5000, 0, 6000, 100))
    assert judged(dug(), far, completeness=(mining,)).certainty is Certainty.POSSIBLE


# ------------------------------------------------------- overlaps, layers, old datums


def test_two_mining_rights_on_one_place_are_a_warning_about_the_register() -> None:
    verdict = judged(dug(), right(AROUND), right(WEST_HALF, licence_id="C2"))
    (warning,) = verdict.warnings
    assert "C1" in warning
    assert "C2" in warning
    beside = right(square(600, -500, 900, 600), licence_id="C2")
    assert judged(dug(), right(AROUND), beside).warnings == ()
    later = right(AROUND, licence_id="C2", valid_from=date(2031, 1, 1), valid_to=None)
    assert judged(dug(), right(AROUND), later).warnings == ()


def test_a_restriction_layer_permits_nothing_is_named_and_flags_a_right_in_it() -> None:
    layer = right(
        AROUND, LicenceKind.RESTRICTION, licence_id="R1", subkind="生态保护红线"
    )
    alone = judged(dug(), layer)
    assert alone.category is Category.NO_RIGHT
    assert alone.restrictions == ("生态保护红线 R1",)
    with_right = judged(dug(), layer, right(AROUND))
    assert with_right.category is Category.NOTHING_ABNORMAL
    assert any("生态保护红线" in warning for warning in with_right.warnings)


@pytest.mark.parametrize("kind", [LicenceKind.RESTRICTION, LicenceKind.LAND_USE])
def test_a_military_layer_changes_nothing_and_is_never_named(kind: LicenceKind) -> None:
    layer = right(AROUND, kind, licence_id="M1", subkind="军事用地")
    for cause in (Cause.DIGGING, Cause.CONSTRUCTION):
        far = right(square(150, 0, 900, 100))
        with_layer = judged(dug(cause=cause), far, layer)
        assert with_layer == judged(dug(cause=cause), far)
        assert "M1" not in str(with_layer)


@pytest.mark.parametrize(
    ("east_m", "error_m", "category", "certainty"),
    [
        (79.0, 0.5, Category.BEYOND_BOUNDARY, Certainty.CERTAIN),
        (80.0, 0.5, Category.BEYOND_BOUNDARY, Certainty.POSSIBLE),
        (79.0, 100.0, Category.UNCLEAR, Certainty.UNCLEAR),
        (-15.0, 100.0, Category.NO_RIGHT, Certainty.POSSIBLE),
        (-21.0, 100.0, Category.NO_RIGHT, Certainty.CERTAIN),
    ],
)
def test_an_old_datum_widens_the_doubt_and_never_makes_anything_lawful(
    east_m: float, error_m: float, category: Category, certainty: Certainty
) -> None:
    licence = right(
        square(-900, -900, east_m, 900),
        datum="CGCS2000" if error_m < 1 else "Xi'an 80",
        position_error_m=error_m,
    )
    verdict = judged(dug(), licence)
    outside = next(p for p in verdict.parts if p.category is not _LAWFUL)
    assert outside.category is category
    assert outside.certainty is certainty


_LAWFUL = Category.NOTHING_ABNORMAL


def test_a_dig_far_beyond_a_right_of_an_old_datum_is_beyond_it() -> None:
    licence = right(WEST_HALF, datum="Beijing 54", position_error_m=100.0)
    long = dug(square(0, 0, 300, 100))
    assert judged(long, licence).category is Category.BEYOND_BOUNDARY


# -------------------------------------------------------------------------- the trace


def test_the_trace_names_each_right_the_metres_and_what_imagery_cannot_see() -> None:
    verdict = judged(
        dug(), right(AROUND), right(AROUND, LicenceKind.EXPLORATION, licence_id="T1")
    )
    (part,) = verdict.parts
    rules = [step.rule for step in part.trace]
    assert rules == ["act", "inside", "inside", "favour", "space", "limits"]
    told = " ".join(step.en for step in part.trace)
    for word in ("C1", "T1", "20.5 m", "contracting out"):
        assert word in told
    assert all(step.zh and step.en for step in part.trace)


def test_a_licence_never_changes_a_site() -> None:
    site = dug()
    before = shapely.to_wkb(site.latest.disturbance.geometry)
    judged(site, right(WEST_HALF), right(AROUND, licence_id="C2"))
    assert shapely.to_wkb(site.latest.disturbance.geometry) == before
    assert site == dug()


def test_the_schema_lists_the_steps_of_a_trace() -> None:
    path = Path(__file__).parents[2] / "docs" / "schemas" / "alerts.schema.json"
    schema = json.loads(path.read_text(encoding="utf-8"))
    steps = schema["$defs"]["trace_step"]["properties"]["rule"]["enum"]
    assert steps == list(RULES)


def test_legality_md_explains_every_category() -> None:
    path = Path(__file__).parents[2] / "docs" / "legality.md"
    told = re.findall(
        r"^\| `([a-z_]+)` \| (\S+) \|", path.read_text("utf-8"), re.MULTILINE
    )
    assert told == [(c.value, CATEGORY_LABELS[c][0]) for c in Category]


def test_within_a_category_a_restriction_layer_raises_the_rank() -> None:
    layer = right(square(1000, 0, 1100, 100), LicenceKind.RESTRICTION, licence_id="R1")
    small = dug(square(1000, 0, 1050, 50), site_id="s" + "b" * 12)
    sites = [dug(), small]
    register = RegisterSnapshot(snapshot_id="x", licences=(layer,))
    alerts = alert_sites(
        sites,
        judge_all(sites, register, PARAMETERS),
        (),
        district=DISTRICT,
        provenance=lambda _: PROVENANCE,
        register=register,
        parameters=AlertingParameters(),
    )
    assert [alert.site.site_id for alert in alerts] == [small.site_id, dug().site_id]
