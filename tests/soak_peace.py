"""The same weeks over the same scenes without any trouble, and what both say."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import soak_jobs
from soak_offices import MARGIN, Soak, write_settings
from soak_scenes import AT, SIDE

from rsmonitor.config import read_districts
from rsmonitor.io.deliver.folder import FolderSink
from rsmonitor.io.foundation.clock import FixedClock
from rsmonitor.io.stores.ledger import SqliteLedger
from rsmonitor.pipeline import run
from rsmonitor.records.alert import Alert
from rsmonitor.records.site import Site
from rsmonitor.wiring.office import open_office


def live_in_peace(soak: Soak, folder: Path) -> None:
    """Run all weeks over what the archive has in the end, and write down the result."""
    soak_jobs.cut_grids(SIDE + 2 * MARGIN, (AT[0] - MARGIN, AT[1] - MARGIN))
    world, _ = soak.world(folder / "world", disturbed=False)
    world.render()
    world.at(datetime.max.replace(tzinfo=UTC))
    places = tuple(replace(place, kind="folder") for place in soak.places())
    config = write_settings(
        folder / "office", places, "folder", {}, world.archive.resolve()
    )
    found = {}
    for office in read_districts(config):
        with open_office(office, pictures=False) as opened:
            sink = FolderSink(office.path(office.run.out), keep=2, head=opened.head)
            week = soak.first
            for _ in range(soak.weeks):
                clock = FixedClock(week.end + timedelta(hours=7))
                doors = replace(opened.doors, clock=clock, sink=sink, diary=None)
                run(opened.job, doors, week=week)
                week = week.next()
            code = office.district.code
            ledger: Any = opened.doors.ledger
            found[code] = told(ledger, code)
    (folder / "told.json").write_text(json.dumps(found))


def told(ledger: SqliteLedger, code: str) -> dict[str, Any]:
    """Give what a ledger says of a district in the end, in canonical form.

    Without what tells where it was computed: ids and versions, which depend on when
    each scene was there, the settings' digest and the register's.
    """
    sites = ledger.sites(code)
    alerts = ledger.alerts(code)
    known = {str(key): value for key, value in ((s.site_id, s) for s in sites)}
    return {
        "sites": sorted(plain_site(site) for site in sites if site.merged_into is None),
        "alerts": sorted(plain_alert(alert) for alert in alerts),
        "ids": sorted(known),
        "versions": sum(alert.version for alert in alerts),
    }


def plain_site(site: Site) -> str:
    """Say all of a site that does not depend on when scenes arrived."""
    seen = site.latest.disturbance
    return json.dumps(
        [
            *(seen.grid_id, site.state.value, seen.tier.code, seen.pixels),
            *(seen.began_after, seen.began_by, seen.confirmed),
            *(seen.last_seen, seen.last_clear, seen.clear_looks_since),
            round(seen.area_m2, 3),
            seen.geometry.normalize().wkt,
            {cause.value: p for cause, p in sorted(site.latest.causes.items())},
        ],
        default=str,
    )


def plain_alert(alert: Alert) -> str:
    """The same of an alert."""
    return json.dumps(
        [
            plain_site(alert.site),
            *(alert.rank, alert.verdict.category.value, alert.verdict.certainty.value),
            [
                [part.category.value, round(part.area_m2, 3)]
                for part in alert.verdict.parts
            ],
            alert.provenance.scenes,
        ],
        default=str,
    )
