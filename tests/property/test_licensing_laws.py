"""Laws of subtraction: what is taken from a site, and what is left, are the whole."""

import dataclasses
import math
from datetime import date, timedelta

import shapely
from hypothesis import assume, given
from hypothesis import strategies as st
from shapely import MultiPolygon, Polygon, affinity

from rsmonitor.records.disturbance import Cause, Classified, Disturbance, Increment
from rsmonitor.records.licence import Licence, LicenceKind, RegisterSnapshot
from rsmonitor.records.parameters import LicensingParameters
from rsmonitor.records.rasters import Tier
from rsmonitor.records.site import Site, SiteState
from rsmonitor.records.verdict import CATEGORY_LABELS, Category, Certainty, Verdict
from rsmonitor.stages.geodesy import area_m2
from rsmonitor.stages.licensing import judge
from rsmonitor.stages.rules import ACCUSING, EXTRACTION, OF_MINING, RULES, UNLICENSED

LON, LAT = 115.5, 24.9
DEGREE_M = 100_000.0
DAY_0 = date(2018, 1, 1)
PARAMETERS = LicensingParameters()
GRANTING = (
    LicenceKind.MINING,
    LicenceKind.EXPLORATION,
    LicenceKind.RECOVERY,
    LicenceKind.LAND_USE,
)


@st.composite
def parcels(draw: st.DrawFn, *, reach_m: float = 300.0) -> Polygon:
    """A rotated rectangle, or an ellipse of few corners, near the place."""
    shift = st.floats(-reach_m, reach_m)
    side = st.floats(15.0, 400.0)
    if draw(st.booleans()):
        shape = shapely.box(0, 0, draw(side), draw(side))
    else:
        shape = affinity.scale(
            shapely.Point(0, 0).buffer(0.5, quad_segs=draw(st.integers(1, 4))),
            draw(side),
            draw(side),
        )
    turned = affinity.rotate(shape, draw(st.floats(0, 180)))
    moved = affinity.translate(turned, draw(shift), draw(shift))
    return affinity.translate(
        affinity.scale(moved, 1 / DEGREE_M, 1 / DEGREE_M, origin=(0, 0)), LON, LAT
    )


@st.composite
def staircases(draw: st.DrawFn) -> Polygon | MultiPolygon:
    """Pixels of 10 m, as the outline stage draws them: edges that run together."""
    cells = draw(
        st.sets(
            st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=30
        )
    )
    step = 10 / DEGREE_M
    united = shapely.union_all(
        [shapely.box(col, row, col + 1, row + 1) for row, col in cells]
    )
    placed = affinity.scale(united, step, step, origin=(0, 0))
    return affinity.translate(placed, LON, LAT)


days = st.integers(0, 1500).map(lambda number: DAY_0 + timedelta(days=number))


@st.composite
def licences(draw: st.DrawFn, *, number: int = 0) -> Licence:
    first, last = sorted((draw(days), draw(days)))
    return Licence(
        licence_id=f"C{number}",
        kind=draw(st.sampled_from(LicenceKind)),
        geometry=draw(parcels()),
        minerals=draw(st.sampled_from([(), ("稀土",), ("钨",)])),
        valid_from=draw(st.sampled_from([first, None])),
        valid_to=draw(st.sampled_from([last, None])),
        renewal_accepted=draw(st.sampled_from([None, last])),
        deadline=draw(st.sampled_from([None, last])),
        position_error_m=draw(st.sampled_from([0.5, 100.0])),
    )


@st.composite
def registers(draw: st.DrawFn, *, max_size: int = 4) -> tuple[Licence, ...]:
    size = draw(st.integers(0, max_size))
    return tuple(draw(licences(number=number)) for number in range(size))


def site_of(*increments: Increment, cause: Cause = Cause.DIGGING) -> Site:
    first, last = increments[0], max(each.began_by for each in increments)
    return Site(
        site_id="saaaaaaaaaaaa",
        district="360734",
        state=SiteState.ACTIVE,
        latest=Classified(
            disturbance=Disturbance(
                grid_id="grid",
                anchor=(0, 0),
                tier=Tier.HIGH,
                geometry=shapely.union_all([each.geometry for each in increments]),
                area_m2=math.fsum(each.area_m2 for each in increments),
                pixels=1,
                began_after=first.began_after,
                began_by=first.began_by,
                confirmed=None,
                last_seen=last,
                last_clear=last,
                clear_looks_since=1,
                increments=increments,
            ),
            causes={cause: 1.0},
            model_id="test",
        ),
    )


def increment_of(
    geometry: Polygon | MultiPolygon, after: date | None, by: date
) -> Increment:
    return Increment(
        geometry=geometry, area_m2=area_m2(geometry), began_after=after, began_by=by
    )


@st.composite
def sites(draw: st.DrawFn) -> Site:
    """One outline, or one cut in two that began at different times."""
    outline = draw(st.one_of(parcels(reach_m=100.0), staircases()))
    blade = draw(parcels(reach_m=100.0))
    growth = [outline]
    if draw(st.booleans()):
        growth = [shapely.intersection(outline, blade), outline.difference(blade)]
        assume(
            all(
                isinstance(each, Polygon | MultiPolygon) and area_m2(each) > 1.0
                for each in growth
            )
        )
    increments = []
    for geometry in growth:
        by = draw(days)
        gap = draw(st.one_of(st.none(), st.integers(1, 400)))
        after = None if gap is None else by - timedelta(days=gap)
        increments.append(increment_of(geometry, after, by))
    return site_of(*increments, cause=draw(st.sampled_from(Cause)))


def judged(site: Site, rights: tuple[Licence, ...]) -> Verdict:
    register = RegisterSnapshot(snapshot_id="snapshot", licences=rights)
    return judge(site, register, PARAMETERS)


def unlicensed(verdict: Verdict) -> Polygon | MultiPolygon:
    united = shapely.union_all(
        [part.geometry for part in verdict.parts if part.category in UNLICENSED]
    )
    assert isinstance(united, Polygon | MultiPolygon) or united.is_empty
    return united if isinstance(united, Polygon | MultiPolygon) else MultiPolygon([])


def unlicensed_m2(verdict: Verdict) -> float:
    return math.fsum(
        part.area_m2 for part in verdict.parts if part.category in UNLICENSED
    )


def rounding_m2(site: Site, rights: tuple[Licence, ...] = ()) -> float:
    """A tenth of a millimetre along every edge, and what counts as noise."""
    outlines = [site.latest.disturbance.geometry, *(each.geometry for each in rights)]
    edges_m = sum(outline.length for outline in outlines) * DEGREE_M
    return 0.02 + 2e-4 * edges_m


@given(sites(), registers())
def test_parts_are_the_whole_site(site: Site, rights: tuple[Licence, ...]) -> None:
    verdict = judged(site, rights)
    whole = area_m2(site.latest.disturbance.geometry)
    tolerance = max(0.01, 1e-6 * whole)
    assert abs(math.fsum(part.area_m2 for part in verdict.parts) - whole) <= tolerance
    united = shapely.union_all([part.geometry for part in verdict.parts])
    missing = shapely.symmetric_difference(united, site.latest.disturbance.geometry)
    assert missing.area * DEGREE_M**2 <= rounding_m2(site, rights)


@given(sites(), registers())
def test_parts_do_not_overlap_and_have_the_area_that_they_show(
    site: Site, rights: tuple[Licence, ...]
) -> None:
    verdict = judged(site, rights)
    shown = math.fsum(part.geometry.area for part in verdict.parts)
    assert abs(shown - site.latest.disturbance.geometry.area) * DEGREE_M**2 <= (
        rounding_m2(site, rights)
    )
    for part in verdict.parts:
        assert part.geometry.is_valid
        assert abs(area_m2(part.geometry) - part.area_m2) <= rounding_m2(site, rights)


def throughout(licence: Licence) -> Licence:
    """The same parcel, as a mining right for rare earth that is always in force."""
    return dataclasses.replace(
        licence,
        kind=LicenceKind.MINING,
        minerals=("稀土",),
        valid_from=date.min,
        valid_to=date(9999, 12, 31),
    )


@given(sites(), registers())
def test_nothing_that_is_left_is_licensed(
    site: Site, rights: tuple[Licence, ...]
) -> None:
    in_force = tuple(throughout(licence) for licence in rights)
    left = unlicensed(judged(site, in_force))
    covered = shapely.intersection(
        left, shapely.union_all([licence.geometry for licence in in_force])
    )
    assert covered.area * DEGREE_M**2 <= rounding_m2(site, in_force)


@given(sites(), registers())
def test_subtracting_twice_is_subtracting_once(
    site: Site, rights: tuple[Licence, ...]
) -> None:
    in_force = tuple(throughout(licence) for licence in rights)
    left = unlicensed(judged(site, in_force))
    assume(area_m2(left) > 1.0)
    began = site.latest.disturbance
    again = site_of(increment_of(left, began.began_after, began.began_by))
    verdict = judged(again, in_force)
    assert abs(unlicensed_m2(verdict) - area_m2(left)) <= rounding_m2(again, in_force)


@given(sites(), registers(), licences(number=99))
def test_one_more_licence_never_leaves_more_unlicensed(
    site: Site, rights: tuple[Licence, ...], more: Licence
) -> None:
    before = unlicensed_m2(judged(site, rights))
    after = unlicensed_m2(judged(site, (*rights, more)))
    assert after <= before + rounding_m2(site, (*rights, more))


@given(sites(), registers(), licences(number=99))
def test_a_licence_that_begins_after_everything_subtracts_nothing(
    site: Site, rights: tuple[Licence, ...], later: Licence
) -> None:
    later = dataclasses.replace(
        later, valid_from=date(2100, 1, 1), valid_to=date(2101, 1, 1)
    )
    before, after = judged(site, rights), judged(site, (*rights, later))
    assert abs(unlicensed_m2(after) - unlicensed_m2(before)) <= rounding_m2(
        site, (*rights, later)
    )
    assert after.category is before.category


@given(sites(), registers())
def test_a_mining_right_over_everything_leaves_nothing_to_say(
    site: Site, rights: tuple[Licence, ...]
) -> None:
    everywhere = Licence(
        licence_id="C99",
        kind=LicenceKind.MINING,
        geometry=shapely.box(LON - 1, LAT - 1, LON + 1, LAT + 1),
        minerals=("离子型稀土",),
        valid_from=date.min,
        valid_to=date.max,
    )
    verdict = judged(site, (*rights, everywhere))
    assert not verdict.raises_alert
    assert verdict.certainty is Certainty.CERTAIN


@given(sites(), registers(), st.randoms(use_true_random=False))
def test_the_order_of_licences_does_not_change_what_is_left(
    site: Site, rights: tuple[Licence, ...], chance: st.DataObject
) -> None:
    shuffled = list(rights)
    chance.shuffle(shuffled)
    one, other = judged(site, rights), judged(site, tuple(shuffled))
    assert one.category is other.category
    assert one.licence_ids == other.licence_ids
    assert abs(unlicensed_m2(one) - unlicensed_m2(other)) <= rounding_m2(site, rights)


@given(sites(), registers(), st.floats(0, 100), st.floats(0, 100))
def test_a_larger_error_of_position_never_makes_anything_surer_or_moves_a_boundary(
    site: Site, rights: tuple[Licence, ...], one_m: float, other_m: float
) -> None:
    small, large = sorted((one_m, other_m))
    # inside the error of an old datum nothing is said to lie beyond a boundary
    good = tuple(dataclasses.replace(each, position_error_m=0.5) for each in rights)
    register = RegisterSnapshot(snapshot_id="snapshot", licences=good)
    sharp = judge(site, register, LicensingParameters(position_error_m=small))
    blunt = judge(site, register, LicensingParameters(position_error_m=large))
    assert blunt.category is sharp.category
    assert math.isclose(unlicensed_m2(blunt), unlicensed_m2(sharp), abs_tol=0.01)
    if blunt.certainty is Certainty.CERTAIN:
        assert sharp.certainty is Certainty.CERTAIN


@given(sites(), registers(), st.floats(0, 500))
def test_a_tolerance_never_makes_an_outside_dig_lawful(
    site: Site, rights: tuple[Licence, ...], error_m: float
) -> None:
    blunt = tuple(
        dataclasses.replace(licence, position_error_m=error_m) for licence in rights
    )
    assert abs(lawful_m2(judged(site, blunt)) - lawful_m2(judged(site, rights))) <= (
        rounding_m2(site, rights)
    )


def lawful_m2(verdict: Verdict) -> float:
    return math.fsum(
        part.area_m2
        for part in verdict.parts
        if part.category is Category.NOTHING_ABNORMAL
    )


@given(sites(), registers())
def test_importing_licences_never_changes_a_site(
    site: Site, rights: tuple[Licence, ...]
) -> None:
    before = shapely.to_wkb(site.latest.disturbance.geometry)
    parts = [shapely.to_wkb(i.geometry) for i in site.latest.disturbance.increments]
    judged(site, rights)
    after = site.latest.disturbance
    assert shapely.to_wkb(after.geometry) == before
    assert [shapely.to_wkb(each.geometry) for each in after.increments] == parts


@given(sites(), registers())
def test_every_part_says_why_in_two_languages(
    site: Site, rights: tuple[Licence, ...]
) -> None:
    for part in judged(site, rights).parts:
        assert part.trace[0].rule == "act"
        assert {step.rule for step in part.trace} <= set(RULES)
        assert all(step.zh and step.en for step in part.trace)
        assert ("疑似" in CATEGORY_LABELS[part.category][0]) is (
            part.category in ACCUSING
        )


@given(sites(), registers())
def test_what_accuses_is_certain_only_if_the_cause_is_extraction(
    site: Site, rights: tuple[Licence, ...]
) -> None:
    for part in judged(site, rights).parts:
        if part.category in OF_MINING and part.certainty is Certainty.CERTAIN:
            assert site.latest.cause in EXTRACTION
