"""The order of attention: why an alert stands where it does."""

import random
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from sample_package import sample_package

from rsmonitor.records.case import Case, CaseState, Closing, Handling, ProvinceCheck
from rsmonitor.records.disturbance import Cause
from rsmonitor.records.lifecycle import Phase
from rsmonitor.stages.attention import (
    LOOK_FOR,
    by_attention,
    inner_point,
    is_settled,
    look_for,
)

PACKAGE = sample_package(alerts=12)
ALERTS = [dossier.alert for dossier in PACKAGE.dossiers]
DAY = PACKAGE.week.last_day


def order(**known: object) -> list[str]:
    asked = {"on": DAY, "phases": {}, "cases": {}} | known
    return [each.alert.alert_id for each in by_attention(ALERTS, **asked)]  # type: ignore[arg-type]


def closed(alert_id: str, site_id: str, *, changed: bool) -> Case:
    return Case(
        site_id=site_id,
        alert_id=alert_id,
        district="demo",
        area_m2=1000.0,
        opened=datetime(2020, 1, 1, tzinfo=UTC),
        state=CaseState.CLOSED,
        due=DAY,
        province_check=ProvinceCheck.NOT_NEEDED,
        closing=Closing(
            handling=Handling.NOT_FILED,
            document="",
            why="seen on site",
            who="Li",
            at=datetime(2020, 2, 1, tzinfo=UTC),
        ),
        changed_since=changed,
    )


def test_the_order_does_not_hang_on_the_order_given() -> None:
    shuffled = ALERTS.copy()
    random.Random(3).shuffle(shuffled)  # noqa: S311 - not a secret
    again = by_attention(shuffled, on=DAY, phases={}, cases={})
    assert [each.alert.alert_id for each in again] == order()


def test_what_is_settled_comes_last_unless_it_changed() -> None:
    first = next(a for a in ALERTS if a.alert_id == order()[0])
    case = closed(first.alert_id, first.site.site_id, changed=False)
    assert order(cases={first.alert_id: case})[-1] == first.alert_id
    woken = replace(case, changed_since=True)
    assert order(cases={first.alert_id: woken})[0] == first.alert_id
    assert not is_settled(None)


def test_what_began_again_comes_before_its_like_and_what_is_quiet_after() -> None:
    usual = order()
    places = {a.alert_id: a.site.site_id for a in ALERTS}
    quiet = order(phases={places[usual[0]]: Phase.RESTORING})
    assert quiet.index(usual[0]) > 0
    again = order(phases={places[usual[-1]]: Phase.RESTARTED})
    assert again.index(usual[-1]) <= usual.index(usual[-1])
    told = by_attention(
        ALERTS, on=DAY, phases={places[usual[0]]: Phase.RESTARTED}, cases={}
    )[0]
    assert any("再次活动" in reason.zh for reason in told.reasons)


def test_every_cause_has_something_to_look_for_in_two_languages() -> None:
    assert set(LOOK_FOR) == set(Cause)
    assert all(
        each.zh and each.en and each["en"] == each.en for each in LOOK_FOR.values()
    )
    assert 1 <= len(look_for(ALERTS[0])) <= 3


@given(
    st.lists(
        st.tuples(st.floats(-0.01, 0.01), st.floats(-0.01, 0.01)),
        min_size=3,
        max_size=12,
    ),
    st.floats(-60, 60),
)
def test_the_point_is_inside(corners: list[tuple[float, float]], south: float) -> None:
    shape = shapely.make_valid(
        shapely.Polygon([(115 + x, south + y) for x, y in corners])
    )
    areas = [g for g in shapely.get_parts(shape) if g.geom_type == "Polygon"]
    areas = [g for g in areas if g.area > 1e-9]
    if not areas:
        return
    whole = shapely.MultiPolygon(areas)
    assert whole.contains(inner_point(whole))


def test_the_point_of_a_ring_is_not_in_its_hole() -> None:
    ring = (
        shapely.Point(115, 25)
        .buffer(0.01)
        .difference(shapely.Point(115, 25).buffer(0.008))
    )
    point = inner_point(ring)
    assert ring.contains(point)
    # as far from the edges as there is: in the middle of the band
    assert point.distance(ring.boundary) == pytest.approx(0.001, rel=0.2)
