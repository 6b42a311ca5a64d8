"""What people found, as labels with their provenance."""

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import shapely

from rsmonitor.io.deliver.geojson import rounded
from rsmonitor.io.stores.labels import write_labels
from rsmonitor.records.alert import NOTICE
from rsmonitor.records.disturbance import CAUSE_LABELS
from rsmonitor.records.finding import JUDGEMENT_LABELS, Finding, Standing, standings
from rsmonitor.records.site import Site
from rsmonitor.wiring.office import SOFTWARE
from rsmonitor.wiring.returns import Desk


def export_labels(desk: Desk, out: Path) -> Counter[str]:
    """
    Write what people found as labels.

    Parameters
    ----------
    desk : Desk
        The ledger.
    out : Path
        ``.geojson`` or ``.gpkg``.

    Returns
    -------
    Counter of str
        Labels by verdict; suppressed sites are not among them, and not counted.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    findings = desk.findings()
    standing = standings(finding for _, finding in findings)
    hidden = desk.suppressed()
    features = [
        _label(desk.sites[finding.site_id], finding, seq, standing[finding.site_id])
        for seq, finding in findings
        if finding.site_id in desk.sites and finding.site_id not in hidden
    ]
    write_labels(
        out,
        [feature for feature in features if feature is not None],
        notice=NOTICE,
        software=SOFTWARE,
    )
    return Counter(f["properties"]["verdict"] for f in features if f is not None)


def _label(
    site: Site, finding: Finding, seq: int, standing: Standing
) -> dict[str, Any] | None:
    """Write one finding as a GeoJSON feature; None where rounding leaves none."""
    polygon = rounded(site.latest.disturbance.geometry, what=site.site_id)
    if polygon is None:
        return None
    seen = site.latest.disturbance
    detected = site.latest.cause
    cause = finding.cause
    return {
        "type": "Feature",
        "id": finding.finding_id,
        "bbox": [float(value) for value in polygon.bounds],
        "properties": {
            "label_id": finding.finding_id,
            "site_id": site.site_id,
            "verdict": finding.judgement.value,
            "verdict_zh": JUDGEMENT_LABELS[finding.judgement][0],
            "cause": None if cause is None else cause.value,
            "cause_zh": None if cause is None else CAUSE_LABELS[cause][0],
            "kind": finding.kind.value,
            "judged_by": finding.judged_by,
            "judged_on": finding.judged_on.isoformat(),
            "imagery": finding.imagery,
            "agreed": standing.agreed,
            "latest": finding in standing.findings,
            "photos": len(finding.photos),
            "detected_cause": detected.value,
            "detected_probability": round(site.latest.causes[detected], 4),
            "model_id": site.latest.model_id,
            "began_after": _day(seen.began_after),
            "began_by": _day(seen.began_by),
            "last_seen": _day(seen.last_seen),
            "tier": seen.tier.code,
            "area_m2": round(seen.area_m2, 1),
            "district": site.district,
            "event": seq,
        },
        "geometry": shapely.geometry.mapping(polygon),
    }


def _day(day: date | None) -> str | None:
    """Write a day."""
    return None if day is None else day.isoformat()
