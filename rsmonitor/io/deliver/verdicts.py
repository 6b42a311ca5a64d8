"""Verdicts on polygons that were given, as GeoJSON (RFC 7946)."""

from collections.abc import Mapping, Sequence
from typing import Any

import shapely

from rsmonitor.errors import OutputError
from rsmonitor.io.deliver.geojson import (
    DECIMALS,
    SCHEMA_VERSION,
    notice,
    part_properties,
    rounded,
)
from rsmonitor.records.alert import M2_PER_MU
from rsmonitor.records.licence import RegisterSnapshot
from rsmonitor.records.site import Site
from rsmonitor.records.verdict import CATEGORY_LABELS, Verdict


def verdicts_collection(
    sites: Sequence[Site],
    verdicts: Mapping[str, Verdict],
    names: Mapping[str, str],
    *,
    register: RegisterSnapshot,
    software: str,
) -> dict[str, Any]:
    """
    Describe the verdicts on polygons, in the order of the polygons.

    Parameters
    ----------
    sites : sequence of Site
        The polygons.
    verdicts : Mapping of str to Verdict
        By `site_id`.
    names : Mapping of str to str
        What the file calls each, by `site_id`.
    register : RegisterSnapshot
        The licences that the verdicts used.
    software : str
        ``rsmonitor`` and its version.

    Returns
    -------
    dict
        A FeatureCollection with the members that every product has.

    Raises
    ------
    OutputError
        If a polygon vanishes when it is rounded.
    """
    features = []
    for site in sites:
        verdict, seen = verdicts[site.site_id], site.latest.disturbance
        name = names[site.site_id]
        polygon = rounded(seen.geometry, what=name)
        if polygon is None:
            raise OutputError(
                f"{name}: its geometry vanishes when rounded to {DECIMALS} decimals of "
                "a degree"
            )
        zh, en = CATEGORY_LABELS[verdict.category]
        features.append(
            {
                "type": "Feature",
                "id": site.site_id,
                "bbox": [float(value) for value in polygon.bounds],
                "properties": {
                    "name": name,
                    "category": verdict.category.value,
                    "category_zh": zh,
                    "category_en": en,
                    "certainty": verdict.certainty.value,
                    "raises_alert": verdict.raises_alert,
                    "cause": site.latest.cause.value,
                    "began_after": None
                    if seen.began_after is None
                    else seen.began_after.isoformat(),
                    "began_by": seen.began_by.isoformat(),
                    "area_m2": round(seen.area_m2, 1),
                    "area_mu": round(seen.area_m2 / M2_PER_MU, 2),
                    "parts": [part_properties(part, name) for part in verdict.parts],
                    "licence_ids": list(verdict.licence_ids),
                    "restrictions": list(verdict.restrictions),
                    "register_warnings": list(verdict.warnings),
                    "register_snapshot": verdict.register_snapshot,
                    "law_table": verdict.law_table,
                    "invented_licences": register.invented,
                    "notice": notice(invented=register.invented),
                },
                "geometry": shapely.geometry.mapping(polygon),
            }
        )
    boxes = [feature["bbox"] for feature in features]
    west, south, east, north = zip(*boxes, strict=True)
    return {
        "type": "FeatureCollection",
        "schema_version": SCHEMA_VERSION,
        "notice": notice(invented=register.invented),
        "software": software,
        "register_snapshot": register.snapshot_id,
        "invented_licences": register.invented,
        "licences_refused": list(register.refused),
        "bbox": [min(west), min(south), max(east), max(north)],
        "features": features,
    }
