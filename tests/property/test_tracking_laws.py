"""Laws of tracking, on worlds of patches that come, grow, join, part and go."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from sightings import FIRST, Cell, sighting

from rsmonitor.records.disturbance import Classified
from rsmonitor.records.event import EventKind
from rsmonitor.records.lifecycle import Kin
from rsmonitor.records.parameters import TrackingParameters
from rsmonitor.records.site import Site, SiteState
from rsmonitor.stages.kinship import family_of, kin_of_events
from rsmonitor.stages.tracking import (
    CONFIRMED_ONCE,
    LIVING,
    events_of,
    split_from,
    track,
)

SIZE = 7
AT = datetime(2019, 1, 1, tzinfo=UTC)


def patches(disturbed: frozenset[Cell]) -> list[set[Cell]]:
    """Cut cells into patches that touch at corners at most, as outlines do."""
    left, found = set(disturbed), []
    while left:
        patch, edge = set(), [min(left)]
        while edge:
            row, col = edge.pop()
            if (row, col) in left:
                left.remove((row, col))
                patch.add((row, col))
                edge += [(row - 1, col), (row + 1, col), (row, col - 1), (row, col + 1)]
        found.append(patch)
    return found


cells = st.tuples(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1))
worlds = st.frozensets(cells, max_size=30).map(patches)


@st.composite
def looks(
    draw: st.DrawFn,
    world: st.SearchStrategy[list[set[Cell]]] = worlds,
    grid_id: str = "g0",
) -> list[Classified]:
    """Draw what one run sees on one grid: patches with dates and anchors."""
    seen = []
    for patch in draw(world):
        days = sorted(draw(st.lists(st.integers(0, 200), min_size=4, max_size=4)))
        began, confirmed, last_seen, last_clear = (
            FIRST + timedelta(days=day) for day in days
        )
        seen.append(
            sighting(
                patch,
                grid_id=grid_id,
                anchor=draw(st.sampled_from(sorted(patch))),
                began_by=began,
                confirmed=draw(st.sampled_from([confirmed, None])),
                last_seen=last_seen,
                last_clear=last_clear,
            )
        )
    return seen


two_grids = st.tuples(looks(), looks(grid_id="g1")).map(lambda both: both[0] + both[1])
"""One place seen on two grids, as where MGRS tiles overlap: outlines overlap too."""

any_looks = looks() | two_grids

parameters = st.builds(
    TrackingParameters,
    min_overlap=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    recovering_days=st.sampled_from([1, 60]),
)


def replay(
    runs: Sequence[Sequence[Classified]], how: TrackingParameters
) -> list[tuple[Site, ...]]:
    """Track run after run; the first entry is the empty district."""
    told: list[tuple[Site, ...]] = [()]
    for seen in runs:
        told.append(track(seen, told[-1], district="demo", parameters=how))
    return told


several_runs = st.lists(any_looks, max_size=4)


@given(several_runs, any_looks, parameters, st.randoms(use_true_random=False))
def test_the_order_of_disturbances_and_sites_does_not_matter(
    runs: list[list[Classified]],
    now: list[Classified],
    how: TrackingParameters,
    random: Random,
) -> None:
    previous = replay(runs, how)[-1]
    expected = track(now, previous, district="demo", parameters=how)
    shuffled, mixed = list(now), list(previous)
    random.shuffle(shuffled)
    random.shuffle(mixed)
    assert track(shuffled, mixed, district="demo", parameters=how) == expected


@given(several_runs, any_looks, parameters)
def test_tracking_the_same_disturbances_again_changes_nothing(
    runs: list[list[Classified]], now: list[Classified], how: TrackingParameters
) -> None:
    once = track(now, replay(runs, how)[-1], district="demo", parameters=how)
    assert track(now, once, district="demo", parameters=how) == once


@given(several_runs, parameters)
def test_every_disturbance_is_one_living_site_and_no_id_is_given_twice(
    runs: list[list[Classified]], how: TrackingParameters
) -> None:
    for seen, sites in zip(runs, replay(runs, how)[1:], strict=True):
        ids = [site.site_id for site in sites]
        assert ids == sorted(set(ids))
        followed = [id(site.latest) for site in sites if site.state in LIVING]
        assert all(followed.count(id(each)) == 1 for each in seen)


@given(several_runs, parameters)
def test_no_site_is_lost_and_a_merged_one_never_comes_back(
    runs: list[list[Classified]], how: TrackingParameters
) -> None:
    for earlier, later in pairwise(replay(runs, how)):
        now = {site.site_id: site for site in later}
        for site in earlier:
            assert site.site_id in now
            if site.state is SiteState.MERGED:
                assert now[site.site_id] == site


@given(several_runs, parameters)
def test_a_site_merges_into_an_older_one_that_lives_on(
    runs: list[list[Classified]], how: TrackingParameters
) -> None:
    for earlier, later in pairwise(replay(runs, how)):
        was = {site.site_id: site for site in earlier}
        now = {site.site_id: site for site in later}
        for site in later:
            if site.merged_into is None or was[site.site_id] == site:
                continue
            older = was[site.merged_into]
            assert now[older.site_id].state in LIVING
            assert (older.latest.disturbance.began_by, older.site_id) < (
                site.latest.disturbance.began_by,
                site.site_id,
            )


@given(several_runs, parameters)
def test_a_confirmed_site_is_never_new_or_withdrawn_again(
    runs: list[list[Classified]], how: TrackingParameters
) -> None:
    confirmed: set[str] = set()
    for sites in replay(runs, how):
        for site in sites:
            if site.state in CONFIRMED_ONCE:
                confirmed.add(site.site_id)
            elif site.state is not SiteState.MERGED:
                assert site.site_id not in confirmed


@given(several_runs, parameters)
def test_every_site_is_detected_before_anything_else_happens_to_it(
    runs: list[list[Classified]], how: TrackingParameters
) -> None:
    detected: set[str] = set()
    for earlier, later in pairwise(replay(runs, how)):
        for event in events_of(earlier, later, at=AT, who="test", run_id="r"):
            if event.kind is EventKind.DETECTED:
                detected.add(event.body["site_id"])
            assert event.body["site_id"] in detected
        assert {site.site_id for site in later} == detected


@given(several_runs, parameters)
def test_nothing_happens_between_a_run_and_itself(
    runs: list[list[Classified]], how: TrackingParameters
) -> None:
    sites = replay(runs, how)[-1]
    assert events_of(sites, sites, at=AT, who="test", run_id="r") == ()


@given(st.data(), worlds, parameters)
def test_new_dates_anchors_and_models_at_the_same_places_give_no_new_site(
    data: st.DataObject, world: list[set[Cell]], how: TrackingParameters
) -> None:
    first, again = data.draw(looks(st.just(world))), data.draw(looks(st.just(world)))
    _, before, after = replay([first, again], how)
    assert [site.site_id for site in after] == [site.site_id for site in before]
    assert [site.latest.disturbance.geometry for site in after] == [
        site.latest.disturbance.geometry for site in before
    ]


# ------------------------------------------------------------------- the family tree


@given(several_runs, any_looks, parameters, st.randoms(use_true_random=False))
def test_what_parted_from_what_does_not_depend_on_any_order(
    runs: list[list[Classified]],
    now: list[Classified],
    how: TrackingParameters,
    random: Random,
) -> None:
    before = list(replay(runs, how)[-1])
    after = list(track(now, before, district="demo", parameters=how))
    expected = split_from(before, after, parameters=how)
    random.shuffle(before)
    random.shuffle(after)
    assert split_from(before, after, parameters=how) == expected


@given(several_runs, parameters)
def test_a_new_site_parts_only_from_older_ones_that_stood_and_nothing_parts_twice(
    runs: list[list[Classified]], how: TrackingParameters
) -> None:
    told = replay(runs, how)
    seen: set[str] = set()
    for before, after in pairwise(told):
        was = {site.site_id: site for site in before}
        for child, olders in split_from(before, after, parameters=how).items():
            assert child not in was
            assert child not in seen
            seen.add(child)
            assert olders
            assert all(was[older].state in LIVING for older in olders)
        assert split_from(after, after, parameters=how) == {}


def _tree(runs: Sequence[Sequence[Classified]], how: TrackingParameters) -> list[Kin]:
    told = []
    for before, after in pairwise(replay(runs, how)):
        told += [
            (draft.kind.value, draft.body)
            for draft in events_of(
                before, after, at=AT, who="test", run_id="r", parameters=how
            )
        ]
    return list(kin_of_events(told))


@given(several_runs, parameters)
def test_every_merge_and_split_is_in_the_tree_and_every_kin_knows_the_other(
    runs: list[list[Classified]], how: TrackingParameters
) -> None:
    tree = _tree(runs, how)
    last = replay(runs, how)[-1]
    merged = {
        (site.merged_into, site.site_id)
        for site in last
        if site.state is SiteState.MERGED
    }
    assert merged <= {(kin.older, kin.younger) for kin in tree}
    for site in last:
        family = family_of(site.site_id, tree)
        for parent in family.parents:
            assert site.site_id in family_of(parent, tree).children
        for child in family.children:
            assert site.site_id in family_of(child, tree).parents
            assert family_of(child, tree).tree == family.tree


@given(several_runs, parameters, st.randoms(use_true_random=False))
def test_the_tree_is_the_same_when_runs_are_done_again(
    runs: list[list[Classified]], how: TrackingParameters, random: Random
) -> None:
    shuffled = [random.sample(run, len(run)) for run in runs]
    assert _tree(shuffled, how) == _tree(runs, how)
    twice = [run for run in runs for _ in range(2)]
    assert _tree(twice, how) == _tree(runs, how)
