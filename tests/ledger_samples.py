"""Runs, and what people did about them, for tests of the ledgers."""

import hashlib
from datetime import UTC, date, datetime, timedelta
from typing import Any

import shapely

from rsmonitor.io.stores.ledger import StoredLedger
from rsmonitor.io.stores.memory_ledger import MemoryLedger
from rsmonitor.records.acquisition import AcquisitionKey, Product
from rsmonitor.records.alert import Alert
from rsmonitor.records.disturbance import Cause, Classified, Disturbance, Increment
from rsmonitor.records.event import EventDraft, EventKind
from rsmonitor.records.provenance import Provenance
from rsmonitor.records.rasters import Tier
from rsmonitor.records.run import RunCommit, RunRecord, SlotPointer
from rsmonitor.records.site import Site, SiteState
from rsmonitor.records.verdict import Category, Certainty, Part, Verdict
from rsmonitor.records.week import IsoWeek

LINE = "0123456789abcdef"
OTHER_LINE = "fedcba9876543210"
NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)


def pointer(slot: int = 0, content: str = "a", **changes: Any) -> SlotPointer:  # noqa: ANN401
    place = {
        "line": LINE,
        "grid_id": "31TCJ",
        "block_id": "r00000c00000",
        "kind": "evidence",
    }
    digest = hashlib.sha256(content.encode()).hexdigest()
    return SlotPointer(slot=slot, sha256=digest, **(place | changes))


def product(day: int, version: str = "v1") -> Product:
    sensed = datetime(2018, 7, 1, 2, 55, 49, tzinfo=UTC) + timedelta(days=day)
    return Product(
        key=AcquisitionKey(grid_id="31TCJ", platform="S2A", datatake_start=sensed),
        product_id=f"day-{day}-{version}",
        processing_baseline="05.10",
        sensed_at=sensed,
        source="cube",
    )


def site(n: int, district: str = "demo", **features: float) -> Site:
    square = shapely.box(25.1, 45.2, 25.3, 45.4)
    day = date(2018, 7, 2)
    return Site(
        site_id=f"s{'a' * 11}{'abcdefghij'[n]}",
        district=district,
        state=SiteState.NEW,
        latest=Classified(
            disturbance=Disturbance(
                grid_id="31TCJ",
                anchor=(3, 4),
                tier=Tier.LOW,
                geometry=square,
                area_m2=100.0,
                pixels=1,
                began_after=None,
                began_by=day,
                confirmed=None,
                last_seen=day,
                last_clear=day,
                clear_looks_since=1,
                increments=(
                    Increment(
                        geometry=square, area_m2=100.0, began_after=None, began_by=day
                    ),
                ),
                features=features,
            ),
            causes={Cause.DIGGING: 0.75, Cause.ROAD: 0.25},
            model_id="rules-1",
        ),
    )


def alert(n: int, rank: int = 1, district: str = "demo", bureau: str = "b") -> Alert:
    of = site(n, district)
    return Alert(
        alert_id="a" + of.site_id[1:],
        version=1,
        rank=rank,
        site=of,
        verdict=Verdict(
            site_id=of.site_id,
            category=Category.NO_RIGHT,
            certainty=Certainty.CERTAIN,
            parts=(
                Part(
                    category=Category.NO_RIGHT,
                    certainty=Certainty.CERTAIN,
                    area_m2=100.0,
                    licence_ids=(),
                    clause="nothing touches it",
                    clause_zh="无任何许可",
                    geometry=of.latest.disturbance.geometry,
                ),
            ),
            licence_ids=(),
            register_snapshot="0" * 16,
        ),
        county_codes=("360728",),
        bureau=bureau,
        provenance=Provenance(
            software="rsmonitor 0.1.0",
            settings_digest="0" * 64,
            scenes=("p",),
            processing_baselines=(),
            model_id="rules-1",
        ),
        invented_licences=True,
    )


def event(n: int = 0, **body: Any) -> EventDraft:  # noqa: ANN401
    return EventDraft(
        kind=EventKind.DETECTED, at=NOW, who="rsmonitor", body={"n": n} | body
    )


def commit(  # noqa: PLR0913 - everything of a run
    week: int = 1,
    *,
    line: str = LINE,
    district: str = "demo",
    pointers: tuple[SlotPointer, ...] = (),
    products: tuple[Product, ...] = (),
    replayed: bool = False,
    sites: tuple[Site, ...] = (),
    alerts: tuple[Alert, ...] = (),
    events: tuple[EventDraft, ...] = (),
) -> RunCommit:
    of = IsoWeek(year=2018, week=week)
    return RunCommit(
        record=RunRecord(
            run_id=f"{district}-{of}-{line}".lower(),
            line=line,
            district=district,
            week=of,
            location=f"runs/{week}",
            counts={"sites": len(sites)},
        ),
        finished_at=NOW,
        pointers=pointers,
        products=products,
        replayed=replayed,
        sites=sites,
        alerts=alerts,
        events=events,
    )


FULL = commit(
    pointers=(pointer(),),
    products=(product(0), product(5)),
    sites=(site(0), site(1)),
    alerts=(alert(0),),
    events=(event(0), event(1)),
)


def done(n: int = 0, **body: Any) -> EventDraft:  # noqa: ANN401
    said = {"site_id": site(n).site_id, "due": "2026-12-31", "why": "大雪封山"} | body
    return EventDraft(kind=EventKind.EXTENDED, at=NOW, who="李四", body=said)


def everything(ledger: StoredLedger | MemoryLedger) -> list[object]:
    """List all that a ledger says of the district and line of these tests."""
    return [
        ledger.runs("demo"),
        ledger.pointers(LINE),
        ledger.applied(LINE),
        ledger.sites("demo"),
        ledger.alerts("demo"),
        ledger.lines("demo"),
        list(ledger.events()),
        ledger.head(),
    ]
