"""Sites and rights that are squares, which can be judged by eye."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import shapely
from shapely import MultiPolygon, Polygon

from rsmonitor.records.disturbance import Cause, Classified, Disturbance, Increment
from rsmonitor.records.licence import (
    Completeness,
    Licence,
    LicenceKind,
    ProducingList,
    RegisterSnapshot,
)
from rsmonitor.records.parameters import LicensingParameters
from rsmonitor.records.rasters import Tier
from rsmonitor.records.rule import LawTable
from rsmonitor.records.site import Site, SiteState
from rsmonitor.records.verdict import Verdict
from rsmonitor.stages.geodesy import area_m2
from rsmonitor.stages.licensing import judge_all

LON, LAT = 115.5, 24.9
EAST, NORTH = 1 / 100_986.0, 1 / 110_772.0
"""Metres in degrees at 24.9 N."""

AFTER, BY = date(2020, 5, 1), date(2020, 6, 1)
PARAMETERS = LicensingParameters(position_error_m=20.0, min_part_m2=200.0)
COMPLETE = tuple(
    Completeness(county_code="360734", kind=kind, complete_on=date(2026, 1, 1))
    for kind in (LicenceKind.MINING, LicenceKind.RECOVERY)
)


def square(west: float, south: float, east: float, north: float) -> Polygon:
    """Give a rectangle, in metres from (LON, LAT)."""
    return shapely.box(
        LON + west * EAST, LAT + south * NORTH, LON + east * EAST, LAT + north * NORTH
    )


PIT = square(0, 0, 100, 100)
AROUND = square(-500, -500, 600, 600)
WEST_HALF = square(-500, -500, 50, 600)


def dug(
    *geometries: Polygon | MultiPolygon,
    cause: Cause = Cause.DIGGING,
    after: date | None = AFTER,
    by: date = BY,
    state: SiteState = SiteState.ACTIVE,
    last_seen: date | None = None,
    site_id: str = "s" + "a" * 12,
) -> Site:
    """Give a site of one increment a geometry, all in the same interval."""
    increments = tuple(
        Increment(geometry=each, area_m2=area_m2(each), began_after=after, began_by=by)
        for each in geometries or (PIT,)
    )
    whole = shapely.union_all([each.geometry for each in increments])
    last = last_seen or by
    seen = Disturbance(
        grid_id="grid",
        anchor=(0, 0),
        tier=Tier.HIGH,
        geometry=whole,
        area_m2=sum(each.area_m2 for each in increments),
        pixels=100,
        began_after=after,
        began_by=by,
        confirmed=None,
        last_seen=last,
        last_clear=last,
        clear_looks_since=4,
        increments=increments,
    )
    return Site(
        site_id=site_id,
        district="360734",
        state=state,
        latest=Classified(disturbance=seen, causes={cause: 1.0}, model_id="test"),
    )


def right(
    geometry: Polygon | MultiPolygon = AROUND,
    kind: LicenceKind = LicenceKind.MINING,
    **said: Any,  # noqa: ANN401 - fields of a licence
) -> Licence:
    """Give a right for rare earth that is in force, unless something else is said."""
    fields: dict[str, Any] = {
        "licence_id": "C1",
        "valid_from": date(2010, 1, 1),
        "valid_to": date(2030, 12, 31),
        "minerals": ("离子型稀土",),
    }
    return Licence(kind=kind, geometry=geometry, **(fields | said))


def judged(
    sites: Site | Sequence[Site],
    *licences: Licence,
    completeness: tuple[Completeness, ...] = COMPLETE,
    producing: tuple[ProducingList, ...] = (),
    earlier: tuple[Licence, ...] = (),
    laws: LawTable | None = None,
    parameters: LicensingParameters = PARAMETERS,
    history_start: date | None = None,
) -> Verdict:
    """Give the verdict on the first site."""
    listed = [sites] if isinstance(sites, Site) else list(sites)
    register = RegisterSnapshot(
        snapshot_id="snapshot",
        licences=licences,
        completeness=completeness,
        producing=producing,
        earlier=earlier,
    )
    verdicts = judge_all(
        listed,
        register,
        parameters,
        laws=laws or LawTable(),
        history_start=history_start,
    )
    return verdicts[listed[0].site_id]
