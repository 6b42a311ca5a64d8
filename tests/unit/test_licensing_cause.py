"""What a verdict may say of mining depends on what caused the change."""

from dataclasses import replace
from datetime import date

import pytest
from shapely import box

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
from rsmonitor.records.verdict import Category, Certainty
from rsmonitor.stages.geodesy import area_m2
from rsmonitor.stages.licensing import judge

PLACE = box(115.0, 24.8, 115.001, 24.801)
FAR_RIGHT = Licence(
    licence_id="C1",
    kind=LicenceKind.MINING,
    geometry=box(115.1, 24.8, 115.2, 24.9),
    valid_from=date(2015, 1, 1),
    valid_to=date(2030, 1, 1),
)
REGISTER = RegisterSnapshot(
    snapshot_id="x",
    licences=(FAR_RIGHT,),
    completeness=tuple(
        Completeness(county_code="360728", kind=kind, complete_on=date(2020, 1, 6))
        for kind in (LicenceKind.MINING, LicenceKind.RECOVERY)
    ),
)


def site(cause: Cause) -> Site:
    area = area_m2(PLACE)
    days = {"began_after": date(2020, 1, 1), "began_by": date(2020, 1, 6)}
    seen = Disturbance(
        grid_id="g",
        anchor=(0, 0),
        tier=Tier.HIGH,
        geometry=PLACE,
        area_m2=area,
        pixels=100,
        confirmed=date(2020, 2, 1),
        last_seen=date(2020, 2, 1),
        last_clear=date(2020, 2, 1),
        clear_looks_since=4,
        increments=(Increment(geometry=PLACE, area_m2=area, **days),),
        **days,
    )
    return Site(
        site_id="s" + "a" * 12,
        district="360728",
        state=SiteState.ACTIVE,
        latest=Classified(disturbance=seen, causes={cause: 1.0}, model_id="rules-1"),
    )


def test_digging_outside_every_right_is_certainly_without_a_right() -> None:
    verdict = judge(site(Cause.DIGGING), REGISTER, LicensingParameters())
    assert verdict.category is Category.NO_RIGHT
    assert verdict.certainty is Certainty.CERTAIN


def test_an_open_cause_outside_every_right_is_at_most_possible_and_says_so() -> None:
    verdict = judge(site(Cause.UNKNOWN), REGISTER, LicensingParameters())
    assert verdict.category is Category.NO_RIGHT
    assert verdict.certainty is Certainty.POSSIBLE
    assert "成因未定" in verdict.parts[0].clause_zh
    assert "cause is open" in verdict.parts[0].clause


@pytest.mark.parametrize("cause", [Cause.CLEAR_CUT, Cause.FIRE, Cause.ROAD])
def test_what_does_not_look_like_mining_is_checked_and_not_accused(
    cause: Cause,
) -> None:
    verdict = judge(site(cause), REGISTER, LicensingParameters())
    assert verdict.category is Category.UNCLEAR
    assert verdict.certainty is Certainty.UNCLEAR
    assert "疑似" not in verdict.parts[0].clause_zh


def test_felling_inside_a_mining_right_is_still_nothing_abnormal() -> None:
    right = replace(FAR_RIGHT, geometry=box(114.9, 24.7, 115.1, 24.9))
    register = RegisterSnapshot(snapshot_id="y", licences=(right,))
    verdict = judge(site(Cause.CLEAR_CUT), register, LicensingParameters())
    assert verdict.category is Category.NOTHING_ABNORMAL
