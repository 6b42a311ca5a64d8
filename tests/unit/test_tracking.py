"""Sites are recognised from run to run: examples a person can follow."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import shapely
from sightings import FIRST, sighting, site, square

from rsmonitor.errors import ContractError
from rsmonitor.records.disturbance import Classified
from rsmonitor.records.event import EventKind
from rsmonitor.records.parameters import TrackingParameters
from rsmonitor.records.site import Site, SiteState
from rsmonitor.stages.tracking import events_of, new_site_id, track

LATER = FIRST + timedelta(days=90)
AT = datetime(2018, 10, 8, tzinfo=UTC)


def tracked(
    classified: Sequence[Classified],
    previous: Sequence[Site] = (),
    *,
    min_overlap: float = 0.1,
) -> tuple[Site, ...]:
    parameters = TrackingParameters(min_overlap=min_overlap)
    return track(classified, previous, district="demo", parameters=parameters)


def states(sites: Sequence[Site]) -> dict[str, SiteState]:
    return {each.site_id: each.state for each in sites}


def kinds(before: Sequence[Site], after: Sequence[Site]) -> list[tuple[EventKind, str]]:
    drafts = events_of(before, after, at=AT, who="test", run_id="demo-2018-w40-0")
    return [(draft.kind, draft.body["site_id"]) for draft in drafts]


def test_a_disturbance_seen_for_the_first_time_is_a_new_site() -> None:
    (only,) = tracked([sighting(square(0, 0, 3))])
    assert only.state is SiteState.NEW
    assert only.site_id == new_site_id(
        district="demo", grid_id="g0", anchor=(0, 0), began_by=FIRST
    )


@pytest.mark.parametrize(
    "other",
    [
        {"district": "elsewhere"},
        {"grid_id": "g1"},
        {"anchor": (0, 10)},
        {"anchor": (10, 0)},
        {"began_by": FIRST + timedelta(days=1)},
        {"again": 1},
    ],
)
def test_an_id_depends_on_district_grid_pixel_and_day(other: dict[str, Any]) -> None:
    where: dict[str, Any] = {
        "district": "demo",
        "grid_id": "g0",
        "anchor": (1, 0),
        "began_by": FIRST,
    }
    assert new_site_id(**where) != new_site_id(**(where | other))


def test_a_site_that_grows_and_changes_its_dates_and_model_keeps_its_id() -> None:
    (before,) = tracked([sighting(square(2, 2, 3))])
    reprocessed = sighting(
        square(1, 1, 5),
        anchor=(1, 3),
        began_by=FIRST - timedelta(days=10),
        model_id="forest-2",
    )
    (after,) = tracked([reprocessed], [before])
    assert after.site_id == before.site_id
    assert after.latest is reprocessed


def test_outlines_that_share_too_little_are_different_sites() -> None:
    (before,) = tracked([sighting(square(0, 0, 4))])
    corner = sighting(square(3, 3, 4), began_by=LATER)  # 1 of 16 cells is common
    assert len(tracked([corner], [before], min_overlap=0.1)) == 2
    assert len(tracked([corner], [before], min_overlap=0.05)) == 1


def test_outlines_that_only_touch_are_different_sites_at_any_threshold() -> None:
    (before,) = tracked([sighting(square(0, 0, 2))])
    assert len(tracked([sighting(square(0, 2, 2))], [before], min_overlap=0.0)) == 2


def test_a_small_opening_inside_a_large_outline_is_the_same_place() -> None:
    (before,) = tracked([sighting(square(2, 2, 1))])
    (after,) = tracked([sighting(square(0, 0, 20))], [before])
    assert after.site_id == before.site_id


def test_sites_that_grow_together_keep_the_oldest_id_and_remember_the_others() -> None:
    old = sighting(square(0, 4, 2), began_by=FIRST)
    young = sighting(square(0, 0, 2), began_by=LATER)
    before = tracked([young, old])
    ids = {each.latest.disturbance.began_by: each.site_id for each in before}

    together = sighting({(row, col) for row in range(2) for col in range(6)})
    after = tracked([together], before)
    assert states(after) == {
        ids[FIRST]: SiteState.NEW,
        ids[LATER]: SiteState.MERGED,
    }
    (gone,) = [each for each in after if each.state is SiteState.MERGED]
    assert gone.merged_into == ids[FIRST]
    assert gone.latest is young
    assert kinds(before, after) == [(EventKind.MERGED, ids[LATER])]


def test_sites_of_the_same_day_merge_into_the_first_by_id() -> None:
    before = tracked([sighting(square(0, 0, 2)), sighting(square(0, 4, 2))])
    together = sighting({(row, col) for row in range(2) for col in range(6)})
    after = tracked([together], before)
    assert [each.state for each in after] == [SiteState.NEW, SiteState.MERGED]


def test_a_confirmed_site_merged_into_an_unconfirmed_one_is_still_confirmed() -> None:
    old = sighting(square(0, 4, 2))
    young = sighting(square(0, 0, 2), began_by=LATER, confirmed=LATER)
    before = tracked([young, old])
    together = sighting({(row, col) for row in range(2) for col in range(6)})
    after = tracked([together], before)
    assert sorted(states(after).values()) == [SiteState.ACTIVE, SiteState.MERGED]


def test_a_merged_site_stays_merged_when_its_place_parts_again() -> None:
    left, right = sighting(square(0, 0, 2)), sighting(square(0, 4, 2))
    before = tracked([left, right])
    together = sighting({(row, col) for row in range(2) for col in range(6)})
    merged = tracked([together], before)
    apart = tracked([left, right], merged)
    assert len(apart) == 3
    (gone,) = [each for each in apart if each.state is SiteState.MERGED]
    assert gone in merged
    living = [each for each in apart if each.state is SiteState.NEW]
    assert len({each.site_id for each in living} | {gone.site_id}) == 3


def test_a_site_that_splits_leaves_its_id_to_the_largest_part() -> None:
    whole = sighting({(row, col) for row in range(3) for col in range(8)})
    (before,) = tracked([whole])
    small, large = sighting(square(0, 0, 2)), sighting(square(0, 4, 3))
    after = tracked([small, large], [before])
    ids = {each.latest.disturbance.pixels: each.site_id for each in after}
    assert ids[9] == before.site_id
    assert ids[4] != before.site_id  # although it has the anchor that made the id


def test_a_site_that_splits_evenly_leaves_its_id_to_the_first_part() -> None:
    whole = sighting(
        {(row, col) for row in range(2) for col in range(6)}, anchor=(0, 3)
    )
    (before,) = tracked([whole])
    west, east = sighting(square(0, 0, 2)), sighting(square(0, 4, 2))
    after = tracked([east, west], [before])
    ids = {each.latest.disturbance.anchor: each.site_id for each in after}
    assert ids[(0, 0)] == before.site_id


def test_unconfirmed_evidence_that_goes_away_is_withdrawn_and_kept() -> None:
    before = tracked([sighting(square(0, 0, 3))])
    after = tracked([], before)
    assert after == (replace(before[0], state=SiteState.WITHDRAWN),)
    assert kinds(before, after) == [(EventKind.WITHDRAWN, before[0].site_id)]
    assert tracked([], after) == after
    assert kinds(after, after) == []


def test_evidence_back_at_its_place_and_date_revives_the_withdrawn_site() -> None:
    seen = sighting(square(0, 0, 3))
    first = tracked([seen])
    gone = tracked([], first)
    back = tracked([seen], gone)
    assert back == first
    assert kinds(gone, back) == [(EventKind.DETECTED, first[0].site_id)]


def test_later_evidence_at_the_place_of_a_withdrawn_site_is_another_site() -> None:
    gone = tracked([], tracked([sighting(square(0, 0, 3))]))
    after = tracked([sighting(square(0, 0, 3), began_by=LATER)], gone)
    assert sorted(states(after).values()) == [SiteState.NEW, SiteState.WITHDRAWN]


def test_a_confirmed_site_is_active_until_it_looks_like_its_reference_for_long() -> (
    None
):
    confirmed = FIRST + timedelta(days=20)
    looks = [
        sighting(
            square(0, 0, 3),
            confirmed=confirmed,
            last_clear=confirmed + timedelta(days=days),
        )
        for days in (0, 59, 60)
    ]
    assert [tracked([look])[0].state for look in looks] == [
        SiteState.ACTIVE,
        SiteState.ACTIVE,
        SiteState.RECOVERING,
    ]


def test_a_recovering_site_that_looks_disturbed_again_is_active_again() -> None:
    quiet = sighting(square(0, 0, 3), confirmed=FIRST, last_clear=LATER)
    dug = sighting(square(0, 0, 3), confirmed=FIRST, last_seen=LATER)
    before = tracked([quiet])
    after = tracked([dug], before)
    assert (before[0].state, after[0].state) == (
        SiteState.RECOVERING,
        SiteState.ACTIVE,
    )


def test_a_confirmed_site_without_evidence_keeps_its_last_observation() -> None:
    before = tracked([sighting(square(0, 0, 3), confirmed=FIRST)])
    after = tracked([], before)
    assert after == (replace(before[0], state=SiteState.RECOVERING),)
    assert kinds(before, after) == [(EventKind.RECOVERED, before[0].site_id)]
    assert tracked([], after) == after


def test_a_site_that_was_confirmed_is_never_withdrawn() -> None:
    before = tracked([sighting(square(0, 0, 3), confirmed=FIRST)])
    faded = tracked([sighting(square(0, 0, 3), began_by=LATER)], tracked([], before))
    assert states(faded) == {before[0].site_id: SiteState.ACTIVE}
    assert states(tracked([], faded)) == {before[0].site_id: SiteState.RECOVERING}


def test_events_tell_kinds_in_order_and_sites_by_id() -> None:
    before = tracked([sighting(square(0, 0, 2)), sighting(square(9, 9, 2))])
    after = tracked(
        [
            sighting(square(0, 0, 2), confirmed=LATER),
            sighting(square(20, 0, 2), began_by=LATER, confirmed=LATER),
            sighting(square(30, 0, 2), began_by=LATER),
        ],
        before,
    )
    ids = {each.latest.disturbance.anchor: each.site_id for each in after}
    assert kinds(before, after) == [
        *((EventKind.DETECTED, each) for each in sorted([ids[(20, 0)], ids[(30, 0)]])),
        *((EventKind.CONFIRMED, each) for each in sorted([ids[(0, 0)], ids[(20, 0)]])),
        (EventKind.WITHDRAWN, ids[(9, 9)]),
    ]


def test_an_event_says_which_run_saw_what_and_when() -> None:
    after = tracked([sighting(square(0, 0, 2), confirmed=LATER)])
    detected, confirmed = events_of(
        (), after, at=AT, who="rsmonitor", run_id="demo-2018-w40-0"
    )
    assert (detected.kind, confirmed.kind) == (
        EventKind.DETECTED,
        EventKind.CONFIRMED,
    )
    assert (detected.at, detected.who) == (AT, "rsmonitor")
    assert detected.body == {
        "site_id": after[0].site_id,
        "run_id": "demo-2018-w40-0",
        "state": "active",
        "tier": "high",
        "area_m2": 400.0,
        "began_after": "2018-06-27",
        "began_by": "2018-07-02",
        "confirmed": "2018-09-30",
        "last_seen": "2018-09-30",
        "last_clear": "2018-09-30",
    }


def test_a_merged_event_names_the_older_site() -> None:
    before = tracked([sighting(square(0, 0, 2)), sighting(square(0, 4, 2))])
    together = sighting({(row, col) for row in range(2) for col in range(6)})
    after = tracked([together], before)
    (event,) = events_of(before, after, at=AT, who="test", run_id="r")
    assert event.body["merged_into"] == after[0].site_id


def test_events_refuse_a_lost_site() -> None:
    before = tracked([sighting(square(0, 0, 3))])
    with pytest.raises(ContractError, match=f"never lost.*{before[0].site_id}"):
        kinds(before, ())


def test_a_new_site_never_takes_the_id_of_one_that_merges_now() -> None:
    far = sighting(square(50, 50, 2), began_by=LATER)
    name = new_site_id(district="demo", grid_id="g0", anchor=(50, 50), began_by=LATER)
    old = site("saaaaaaaaaaaa", sighting(square(0, 4, 2)))
    young = site(name, sighting(square(0, 0, 2), began_by=LATER))
    together = sighting({(row, col) for row in range(2) for col in range(6)})
    after = tracked([together, far], [old, young])
    assert len(after) == 3
    assert states(after)[name] is SiteState.MERGED


def test_an_outline_that_did_not_move_overlaps_itself_whatever_overlay_rounds() -> None:
    circle = shapely.Point(115.1137, 25.10731).buffer(0.00101)
    assert shapely.intersection(circle, circle).area < circle.area
    seen = sighting(square(0, 0, 2))
    seen = replace(seen, disturbance=replace(seen.disturbance, geometry=circle))
    later = replace(seen, disturbance=replace(seen.disturbance, anchor=(1, 1)))
    assert len(tracked([later], tracked([seen]), min_overlap=1.0)) == 1


def test_an_outline_that_crosses_itself_is_followed_all_the_same() -> None:
    seen = sighting(square(0, 0, 4))
    west, south, east, north = seen.disturbance.geometry.bounds
    bow_tie = shapely.Polygon(
        [(west, south), (east, north), (east, south), (west, north)]
    )
    crossed = replace(seen, disturbance=replace(seen.disturbance, geometry=bow_tie))
    (before,) = tracked([crossed])
    (after,) = tracked([seen], [before])
    assert after.site_id == before.site_id


@pytest.mark.parametrize(
    "outline",
    [
        "POLYGON EMPTY",
        "POLYGON ((115 25, 115.1 25, 115.2 25, 115 25))",
        "POLYGON ((115 25, nan 25, 115.2 25.1, 115 25))",
        "POLYGON ((115 25, inf 25, 115.2 25.1, 115 25))",
    ],
    ids=["empty", "a line", "NaN", "infinite"],
)
def test_an_outline_without_area_is_refused(outline: str) -> None:
    seen = sighting(square(7, 8, 2))
    broken = replace(
        seen, disturbance=replace(seen.disturbance, geometry=shapely.from_wkt(outline))
    )
    with pytest.raises(ContractError, match=r"grid g0 at row 7, col 8.*without area"):
        tracked([broken])


def test_two_disturbances_at_one_anchor_are_refused() -> None:
    seen = sighting(square(7, 8, 2))
    with pytest.raises(ContractError, match="grid g0 share the anchor row 7, col 8"):
        tracked([seen, seen])


def test_sites_of_another_district_are_refused() -> None:
    other = site("saaaaaaaaaaaa", sighting(square(0, 0, 2)), district="elsewhere")
    with pytest.raises(ContractError, match="district elsewhere, not demo"):
        tracked([], [other])


def test_a_site_listed_twice_is_refused() -> None:
    twice = site("saaaaaaaaaaaa", sighting(square(0, 0, 2)))
    with pytest.raises(ContractError, match="saaaaaaaaaaaa is listed twice"):
        tracked([], [twice, twice])


def test_a_new_site_never_takes_the_id_of_one_that_lives_elsewhere() -> None:
    name = new_site_id(district="demo", grid_id="g0", anchor=(0, 0), began_by=FIRST)
    elsewhere = sighting(square(50, 50, 2))
    after = tracked(
        [elsewhere, sighting(square(0, 0, 2))],
        [Site(site_id=name, district="demo", state=SiteState.NEW, latest=elsewhere)],
    )
    assert len(after) == 2
    assert [each.latest for each in after if each.site_id == name] == [elsewhere]
