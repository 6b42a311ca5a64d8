"""A right whose boundary changed: what lay inside is judged by the one of the day."""

from dataclasses import replace
from datetime import date

import pytest
from sightings import outline, sighting, site, square

from rsmonitor.records.licence import Licence, LicenceKind, RegisterSnapshot
from rsmonitor.records.site import Site
from rsmonitor.stages.rights_report import Quarter, RightRow, rights, rights_in_time

CHANGED = date(2019, 8, 15)
"""In the middle of 2019Q3."""

WEST = outline(square(0, 0, 10))
EAST = outline(square(0, 20, 10))
OLD = Licence(
    licence_id="C1",
    kind=LicenceKind.MINING,
    geometry=WEST,
    holder="旧",
    valid_from=date(2015, 1, 1),
    valid_to=date(2030, 12, 31),
    version=1,
)
NEW = replace(OLD, geometry=EAST, holder="新", valid_from=CHANGED, version=2)
REGISTER = RegisterSnapshot(snapshot_id="0" * 64, licences=(NEW,), earlier=(OLD,))


def pit(began: date, *, east: bool) -> Site:
    seen = sighting(square(2, 22 if east else 2, 3), began_by=began)
    return site(("sb" if east else "sa") + "a" * 11, seen)


def row(quarter: str, *sites: Site, register: RegisterSnapshot = REGISTER) -> RightRow:
    (told,) = rights(
        Quarter.parse(quarter), sites, register, observed={"C1": 1.0}, min_area_m2=200.0
    )
    return told


@pytest.mark.parametrize(
    ("began", "inside"),
    [
        (date(2019, 8, 14), {"west"}),
        (date(2019, 8, 15), {"east"}),
        (date(2019, 9, 30), {"east"}),
        (date(2019, 7, 1), {"west"}),
    ],
)
def test_a_boundary_that_changed_in_mid_quarter_holds_from_its_day(
    began: date, inside: set[str]
) -> None:
    west, east = (row("2019Q3", pit(began, east=side)) for side in (False, True))
    assert {
        name for name, told in (("west", west), ("east", east)) if told.growth_m2 > 0
    } == inside


def test_what_lay_inside_stays_inside_after_the_boundary_moved_away() -> None:
    early = pit(date(2019, 7, 20), east=False)
    then, later = row("2019Q3", early), row("2019Q4", early)
    assert then.growth_m2 > 0
    assert later.growth_m2 == 0
    assert later.disturbed_m2 == then.disturbed_m2
    # and it never lay inside what the register knows now alone
    assert row("2019Q3", early, register=replace(REGISTER, earlier=())).growth_m2 == 0


def test_the_row_names_what_held_at_the_end_of_the_quarter() -> None:
    holders = [row(quarter).licence.holder for quarter in ("2019Q2", "2019Q3")]
    assert holders == ["旧", "新"]
    assert row("2014Q1").licence.holder == "旧", "before it began the first is named"


def test_the_ground_of_a_quarter_is_all_that_belonged_to_the_right_in_it() -> None:
    (right,) = rights_in_time(REGISTER)
    areas = {q: right.ground(Quarter.parse(q)).area for q in ("2019Q2", "2019Q3")}
    assert areas["2019Q2"] == pytest.approx(WEST.area)
    assert areas["2019Q3"] == pytest.approx(WEST.area + EAST.area)
    assert right.ground(Quarter.parse("2019Q4")).equals(EAST)


def test_a_version_that_began_no_earlier_than_the_next_was_a_mistake() -> None:
    wrong = replace(OLD, valid_from=CHANGED)
    register = replace(REGISTER, earlier=(wrong,))
    assert row("2019Q3", pit(date(2019, 8, 1), east=True), register=register).growth_m2
