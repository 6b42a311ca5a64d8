"""A small world to serve: districts in three counties and one without.

Everything in it has a name or a coordinate of its own, so that a test can tell from an
answer whose it is.
"""

import hashlib
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import shapely

from rsmonitor.io.stores.ledger import SqliteLedger
from rsmonitor.io.stores.observations import SqliteObservations
from rsmonitor.records.alert import Alert
from rsmonitor.records.disturbance import Cause, Classified, Disturbance, Increment
from rsmonitor.records.event import EventDraft, EventKind
from rsmonitor.records.lifecycle import Observation
from rsmonitor.records.provenance import Provenance
from rsmonitor.records.rasters import Tier
from rsmonitor.records.run import RunCommit, RunRecord
from rsmonitor.records.site import Site, SiteState
from rsmonitor.records.verdict import Category, Certainty, Part, TraceStep, Verdict
from rsmonitor.records.week import IsoWeek

NOW: Final = datetime(2026, 11, 24, 8, tzinfo=UTC)
WEEK: Final = IsoWeek(year=2026, week=46)
LETTERS: Final = "abcdefghijklmnopqrstuvwxyz234567"

XUNWU, PINGYUAN, ANYUAN = "360734", "441426", "360726"
PLACES: Final = {
    XUNWU: (115.65, 24.95, "寻乌县", "Xunwu"),
    PINGYUAN: (115.89, 24.57, "平远县", "Pingyuan"),
    ANYUAN: (115.39, 25.14, "安远县", "Anyuan"),
    "demo-woods": (25.1, 45.2, "示例林区", "Demo woods"),
}
"""Longitude, latitude and names of each district."""

_HEAD: Final = """
[source]
kind = "cube"
files = ["forest.nc"]

[history]
until = 2017-12-31

[licences]
files = ["licences.geojson"]

[run]
work = "work"
out = "out"

[deliver]
out = "packages"
"""


def settings_text(districts: Sequence[str] = tuple(PLACES)) -> str:
    """Write settings of some districts."""
    tables = [
        f'[[districts]]\ncode = "{code}"\nname_zh = "{PLACES[code][2]}"\n'
        f'name_en = "{PLACES[code][3]}"\nbureau = "{PLACES[code][2]}自然资源局"\n'
        for code in districts
    ]
    return "\n".join(tables) + _HEAD


def letters(text: str) -> str:
    """Give twelve letters of a text."""
    digest = hashlib.sha256(text.encode()).digest()
    return "".join(LETTERS[byte % 32] for byte in digest[:12])


def an_alert(
    district: str,
    number: int,
    *,
    codes: tuple[str, ...] | None = None,
    tier: Tier = Tier.HIGH,
    category: Category = Category.NO_RIGHT,
    version: int = 1,
    day: date = date(2026, 9, 1),
    at: tuple[float, float] | None = None,
) -> Alert:
    """Make an alert whose numbers nobody else has."""
    west, south, *_ = PLACES[district]
    digest = hashlib.sha256(f"{district} {number}".encode()).digest()
    x = west + int.from_bytes(digest[:3]) / 2**24 * 0.2
    y = south + int.from_bytes(digest[3:6]) / 2**24 * 0.2
    x, y = at or (x, y)
    square = shapely.box(
        round(x, 7), round(y, 7), round(x + 0.0007, 7), round(y + 0.0006, 7)
    )
    area = 4000.0 + number
    name = letters(f"{district} {number}")
    site = Site(
        site_id=f"s{name}",
        district=district,
        state=SiteState.ACTIVE if tier is Tier.HIGH else SiteState.NEW,
        latest=Classified(
            disturbance=Disturbance(
                grid_id="50RKU",
                anchor=(number, 1),
                tier=tier,
                geometry=square,
                area_m2=area,
                pixels=40,
                began_after=date(2026, 8, 20),
                began_by=day,
                confirmed=day if tier is Tier.HIGH else None,
                last_seen=date(2026, 11, 10),
                last_clear=date(2026, 11, 12),
                clear_looks_since=6,
                increments=(
                    Increment(
                        geometry=square,
                        area_m2=area,
                        began_after=date(2026, 8, 20),
                        began_by=day,
                    ),
                ),
            ),
            causes={Cause.DIGGING: 0.75, Cause.ROAD: 0.25},
            model_id="rules-1",
        ),
    )
    county = (district,) if district.isdigit() else ()
    return Alert(
        alert_id=f"a{name}",
        version=version,
        rank=number + 1,
        site=site,
        verdict=Verdict(
            site_id=site.site_id,
            category=category,
            certainty=Certainty.CERTAIN,
            parts=(
                Part(
                    category=category,
                    certainty=Certainty.CERTAIN,
                    area_m2=area,
                    licence_ids=(f"licence-of-{district}",),
                    clause="No right covers it.",
                    clause_zh="未见任何权利覆盖。",
                    geometry=square,
                    trace=(TraceStep(rule="mining", zh="无采矿权", en="no right"),),
                ),
            ),
            licence_ids=(f"licence-of-{district}",),
            register_snapshot="0" * 16,
        ),
        county_codes=county if codes is None else codes,
        bureau=f"{PLACES[district][2]}自然资源局",
        provenance=Provenance(
            software="rsmonitor 0.1.0",
            settings_digest="0" * 64,
            scenes=(f"scene-of-{district}",),
            processing_baselines=(),
            model_id="rules-1",
        ),
        invented_licences=True,
    )


def commit_of(
    district: str, alerts: Sequence[Alert], *, week: IsoWeek = WEEK
) -> RunCommit:
    """Make the run that found some alerts."""
    line = "0123456789abcdef"
    return RunCommit(
        record=RunRecord(
            run_id=f"{district}-{week}-{line}".lower(),
            line=line,
            district=district,
            week=week,
            location=f"{district}-{week}".lower(),
            counts={},
        ),
        finished_at=NOW,
        pointers=(),
        products=(),
        replayed=False,
        sites=tuple(sorted((a.site for a in alerts), key=lambda s: s.site_id)),
        alerts=tuple(alerts),
        events=tuple(
            EventDraft(
                kind=EventKind.DETECTED,
                at=NOW,
                who="rsmonitor",
                body={"site_id": alert.site.site_id, "run_id": district},
            )
            for alert in alerts
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A settings file with a ledger, and what stands in it."""

    config: Path
    ledger: SqliteLedger
    alerts: dict[str, tuple[Alert, ...]]
    """By district."""

    @property
    def folder(self) -> Path:
        return self.config.parent

    @property
    def everything(self) -> tuple[Alert, ...]:
        return tuple(a for alerts in self.alerts.values() for a in alerts)

    def seen(self, areas: Sequence[str]) -> set[str]:
        """Say which alerts a scope sees, as simply as it can be said."""
        return {
            alert.alert_id
            for alert in self.everything
            for code in alert.county_codes or (alert.site.district,)
            for area in areas
            if area in ("*", code) or (code.isdigit() and code.startswith(area))
        }


def some_alerts(district: str, count: int) -> list[Alert]:
    """Make alerts of all kinds."""
    tiers = (Tier.HIGH, Tier.MEDIUM, Tier.LOW)
    categories = (Category.NO_RIGHT, Category.EXPIRED, Category.UNCLEAR)
    return [
        an_alert(
            district,
            number,
            tier=tiers[number % 3],
            category=categories[number % 3],
            day=date(2026, 9, 1 + number % 25),
        )
        for number in range(count)
    ]


def build(folder: Path, *, each: int = 6) -> World:
    """Make a world: some alerts a district, one of which crosses a border."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "settings.toml"
    config.write_text(settings_text(), encoding="utf-8")
    (folder / "licences.geojson").write_text(_licences(), encoding="utf-8")
    work = folder / "work"
    ledger = SqliteLedger(work / "ledger.sqlite", locks=work / "locks")
    diary = SqliteObservations(work / "observations.sqlite", locks=work / "locks")
    alerts: dict[str, tuple[Alert, ...]] = {}
    for district in PLACES:
        mine = some_alerts(district, each)
        if district == XUNWU:
            mine[1] = replace(mine[1], county_codes=(XUNWU, PINGYUAN))
        ledger.commit(commit_of(district, mine))
        alerts[district] = tuple(mine)
        diary.keep(
            district,
            [
                Observation(
                    site_id=mine[0].site.site_id,
                    look=f"look {day}",
                    product_id=f"scene-of-{district}",
                    day=day,
                    share_seen=share,
                    ndvi=0.3 if share else None,
                    bare_share=0.6 if share else None,
                    area_m2=1234.5,
                )
                for day, share in (
                    (date(2026, 9, 1), 1.0),
                    (date(2026, 10, 3), 0.0),
                    (date(2026, 11, 10), 0.9),
                )
            ],
            [],
        )
        _coverage(
            folder / "out" / district / "runs" / f"{district}-{WEEK}".lower(), district
        )
        _package(folder / "packages", district, mine)
    return World(config=config, ledger=ledger, alerts=alerts)


def _box(district: str) -> shapely.Polygon:
    west, south, *_ = PLACES[district]
    return shapely.box(west, south, west + 0.21, south + 0.21)


def _licences() -> str:
    """Write an invented licence for each district."""
    features = []
    for district, (west, south, *_) in PLACES.items():
        square = shapely.box(west + 0.01, south + 0.01, west + 0.02, south + 0.02)
        features.append(
            {
                "type": "Feature",
                "geometry": shapely.geometry.mapping(square),
                "properties": {
                    "licence_id": f"licence-of-{district}",
                    "kind": "mining",
                    "holder": f"holder-of-{district}",
                    "valid_from": "2020-01-01",
                    "valid_to": "2030-12-31",
                    "invented": True,
                },
            }
        )
    return json.dumps({"type": "FeatureCollection", "features": features})


def _coverage(run: Path, district: str) -> None:
    """Write what the last run of a district saw."""
    run.mkdir(parents=True)
    feature = {
        "type": "Feature",
        "id": f"{district}-{WEEK}-50rku".lower(),
        "properties": {
            "district": district,
            "grid_id": "50RKU",
            "week": str(WEEK),
            "area_m2": 1e8,
            "share_seen": 0.5,
            "share_monitored": 0.9,
            "median_days_since_clear": 7.0,
            "scenes_used": 2,
            "scenes_without_clear": 0,
        },
        "geometry": shapely.geometry.mapping(_box(district)),
    }
    (run / "coverage.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": [feature]})
    )


def _package(root: Path, district: str, alerts: Sequence[Alert]) -> None:
    """Lay down what `rsmonitor deliver` would have built."""
    code = district
    folder = root / str(WEEK) / code
    (folder / "field").mkdir(parents=True)
    files: dict[str, Any] = {}
    for name in ("alerts.geojson", "field/sites.csv"):
        data = f"package-of-{code} {name}\n".encode()
        (folder / name).write_bytes(data)
        files[name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    manifest = {
        "area": {
            "code": code,
            "level": "county",
            "name_zh": PLACES[district][2],
            "name_en": PLACES[district][3],
            "bureau": "",
        },
        "week": str(WEEK),
        "revision": 1,
        "runs": [],
        "alerts": [
            {
                "alert_id": a.alert_id,
                "site_id": a.site.site_id,
                "version": 1,
                "also": [],
            }
            for a in alerts
        ],
        "letter": {},
        "invented_licences": True,
        "files": files,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "head.json").write_text("{}")
    archive = root / str(WEEK) / f"rsmonitor-{code}-{WEEK}.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                packed.write(path, f"{code}-{WEEK}/{path.relative_to(folder)}")
