"""Tips and sites, matched in space and time, both ways."""

import random
from collections.abc import Sequence
from datetime import date, timedelta

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from sightings import CELL, FIRST, NORTH, WEST, sighting, site, square

from rsmonitor.errors import ContractError
from rsmonitor.records.site import Site, SiteState
from rsmonitor.records.tip import MatchingParameters, Place, Tip
from rsmonitor.stages.matching import Matched, match_tips

NEAR = MatchingParameters(within_m=100.0, days_ahead=30, days_behind=60)
SITE = site("s" + "a" * 12, sighting(square(0, 0, 3), last_seen=FIRST + timedelta(20)))
METRE_NORTH = 1 / 110_800


def tip(place: Place | None, day: date = FIRST, tip_id: str = "t" + "a" * 12) -> Tip:
    return Tip(tip_id=tip_id, day=day, place=place)


def match(
    tips: Sequence[Tip], sites: Sequence[Site] = (SITE,), **suppressed: frozenset[str]
) -> Matched:
    return match_tips(tips, sites, parameters=NEAR, **suppressed)


def north_of_it(metres: float) -> shapely.Point:
    return shapely.Point(WEST + CELL, NORTH + metres * METRE_NORTH)


def test_a_tip_on_a_site_in_its_time_is_matched() -> None:
    done = match([tip(shapely.Point(WEST + CELL, NORTH - CELL))])
    (found,) = done.matches
    assert (found.site_id, found.distance_m, found.days_apart) == (SITE.site_id, 0.0, 0)
    assert not done.priority
    assert not done.untold


@pytest.mark.parametrize(("metres", "matches"), [(95, 1), (105, 0)])
def test_the_distance_that_counts_is_a_setting(metres: float, matches: int) -> None:
    assert len(match([tip(north_of_it(metres))]).matches) == matches


def test_a_tip_without_a_change_is_listed_for_a_priority_look() -> None:
    done = match([tip(north_of_it(5_000))])
    assert done.priority == ("t" + "a" * 12,)
    assert done.untold == (SITE.site_id,)


def test_an_address_is_unmatched_until_a_person_gives_a_place() -> None:
    done = match([tip(None)])
    assert done.unplaced == ("t" + "a" * 12,)
    assert not done.priority


@pytest.mark.parametrize(
    ("days", "apart"),
    [(-35, 30), (-36, None), (-5, 0), (20, 0), (80, -60), (81, None)],
)
def test_time_counts_from_the_last_clear_look_before_to_the_last_that_saw_it(
    days: int, apart: int | None
) -> None:
    # the site began after FIRST - 5 and was seen last on FIRST + 20
    done = match([tip(north_of_it(10), FIRST + timedelta(days))])
    assert [one.days_apart for one in done.matches] == (
        [] if apart is None else [apart]
    )


def test_an_area_is_matched_by_its_nearest_part() -> None:
    area = shapely.box(WEST - 0.01, NORTH + 50 * METRE_NORTH, WEST + 0.01, NORTH + 0.01)
    (found,) = match([tip(area)]).matches
    assert found.distance_m == pytest.approx(50, abs=1)


@pytest.mark.parametrize("state", [SiteState.WITHDRAWN, SiteState.MERGED])
def test_what_no_longer_stands_is_not_matched(state: SiteState) -> None:
    gone = Site(
        site_id=SITE.site_id,
        district="demo",
        state=state,
        latest=SITE.latest,
        merged_into="s" + "b" * 12 if state is SiteState.MERGED else None,
    )
    assert match([tip(north_of_it(0))], [gone]).priority


def test_a_suppressed_site_leaves_no_trace() -> None:
    done = match([tip(north_of_it(0))], suppressed=frozenset({SITE.site_id}))
    assert done == match([tip(north_of_it(0))], [])


@pytest.mark.parametrize(
    "wrong", [{"within_m": -1.0}, {"within_m": float("nan")}, {"days_ahead": -1}]
)
def test_nearness_is_not_negative(wrong: dict[str, float]) -> None:
    with pytest.raises(ContractError):
        MatchingParameters(**wrong)  # type: ignore[arg-type]


places = st.builds(
    lambda x, y: shapely.Point(WEST + x * CELL, NORTH - y * CELL),
    st.integers(-60, 60),
    st.integers(-60, 60),
)


@given(
    st.lists(st.tuples(places, st.integers(-60, 100)), max_size=5),
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=5, unique=True
    ),
    st.randoms(),
)
def test_matching_is_all_pairs_and_does_not_know_an_order(
    given_tips: list[tuple[shapely.Point, int]],
    corners: list[tuple[int, int]],
    chance: random.Random,
) -> None:
    tips = [
        tip(place, FIRST + timedelta(days), "t" + "abcde"[n] * 12)
        for n, (place, days) in enumerate(given_tips)
    ]
    sites = [
        site("s" + "abcde"[n] * 12, sighting(square(*corner, 2)))
        for n, corner in enumerate(corners)
    ]
    done = match(tips, sites)
    alone = {
        (one.tip_id, one.site_id, one.distance_m, one.days_apart)
        for each in tips
        for other in sites
        for one in match([each], [other]).matches
    }
    assert {
        (one.tip_id, one.site_id, one.distance_m, one.days_apart)
        for one in done.matches
    } == alone
    assert set(done.priority) == {t.tip_id for t in tips} - {one[0] for one in alone}
    assert set(done.untold) == {s.site_id for s in sites} - {one[1] for one in alone}
    chance.shuffle(tips)
    chance.shuffle(sites)
    assert match(tips, sites) == done
