"""Sites, alerts and coverage as GeoJSON (RFC 7946): what other programs read.

The keys are a contract; ``docs/schemas`` states it. The same result gives the same
bytes: nothing here asks for the time, and every list has an order of its own.
"""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from rsmonitor.errors import OutputError
from rsmonitor.records.alert import M2_PER_MU, NOTICE, NOTICE_INVENTED, Alert
from rsmonitor.records.disturbance import Cause
from rsmonitor.records.run import Coverage, RunResult
from rsmonitor.records.site import Site, SiteState
from rsmonitor.records.verdict import Part

SCHEMA_VERSION: Final = 1
"""Raised when a key of the three collections changes."""

DECIMALS: Final = 7
"""Of a degree: about a centimetre, and the most that the contract allows."""

STANDING: Final = frozenset({SiteState.NEW, SiteState.ACTIVE, SiteState.RECOVERING})
"""States of the sites that are told: withdrawn and merged ones are in the ledger."""

MAX_LONGITUDE: Final = 180.0
MAX_LATITUDE: Final = 90.0


def alerts_collection(result: RunResult) -> dict[str, Any]:
    """
    Describe the standing alerts of a run, by rank.

    Parameters
    ----------
    result : RunResult
        What the run says.

    Returns
    -------
    dict
        A FeatureCollection, one feature an alert, `id` is the alert's.

    Raises
    ------
    OutputError
        If a geometry has coordinates that are not longitude and latitude.
    """
    features = [
        _feature(
            alert.alert_id, alert.site.latest.disturbance.geometry, _of_alert(alert)
        )
        for alert in sorted(result.alerts, key=lambda a: (a.rank, a.alert_id))
    ]
    return _collection(result, features)


def disturbances_collection(result: RunResult) -> dict[str, Any]:
    """
    Describe every standing site of a run, licensed or not, by id.

    Parameters
    ----------
    result : RunResult
        What the run says.

    Returns
    -------
    dict
        A FeatureCollection, one feature a site that is neither withdrawn nor merged,
        `id` is the site's.

    Raises
    ------
    OutputError
        If a geometry has coordinates that are not longitude and latitude.
    """
    features = [
        _feature(site.site_id, site.latest.disturbance.geometry, _of_site(site))
        for site in sorted(result.sites, key=lambda s: s.site_id)
        if site.state in STANDING
    ]
    return _collection(result, features)


def coverage_collection(result: RunResult) -> dict[str, Any]:
    """
    Describe what was seen in the week: no alert is not the same as no mining.

    Parameters
    ----------
    result : RunResult
        What the run says.

    Returns
    -------
    dict
        A FeatureCollection, one feature a district, grid and week.

    Raises
    ------
    OutputError
        If a geometry has coordinates that are not longitude and latitude.
    """
    features = [
        _feature(
            f"{coverage.district}-{coverage.week}-{coverage.grid_id}".lower(),
            coverage.geometry,
            _of_coverage(coverage),
        )
        for coverage in sorted(
            result.coverage, key=lambda c: (c.district, c.week, c.grid_id)
        )
    ]
    return _collection(result, features)


def dumps(collection: Mapping[str, Any]) -> bytes:
    """
    Write a collection as text, one feature a line so that two weeks can be compared.

    Parameters
    ----------
    collection : Mapping
        What one of the three functions above gave.

    Returns
    -------
    bytes
        UTF-8 without BOM, keys in the order of the collection, newline at the end.

    Raises
    ------
    OutputError
        If a number is NaN or infinite, which JSON cannot say.
    """
    try:
        members = [
            f"{_json(key)}:{_json(value)}"
            for key, value in collection.items()
            if key != "features"
        ]
        lines = ",\n".join(_json(feature) for feature in collection["features"])
    except ValueError as error:
        raise OutputError(f"GeoJSON holds finite numbers only: {error}") from error
    features = f'"features":[\n{lines}\n]' if lines else '"features":[]'
    return ("{" + ",\n".join([*members, features]) + "}\n").encode()


def rounded(geometry: BaseGeometry, *, what: str) -> Polygon | MultiPolygon | None:
    """
    Round a geometry as RFC 7946 wants it, without making it invalid.

    Parameters
    ----------
    geometry : shapely geometry
        Polygon or MultiPolygon, CRS84 longitude and latitude.
    what : str
        What has this geometry, for the message.

    Returns
    -------
    Polygon or MultiPolygon or None
        Valid, at most seven decimals, no doubled vertex, exterior rings
        counter-clockwise, rings and parts in one order whatever the order of the
        input. None if nothing of it is as wide as the rounding.

    Raises
    ------
    OutputError
        If a coordinate is not finite or outside longitude and latitude.

    Examples
    --------
    >>> tiny = shapely.box(115.0, 25.0, 115.000000001, 25.1)
    >>> rounded(tiny, what="a sliver") is None
    True
    >>> rounded(shapely.box(115.00000004, 25, 116, 26), what="a box").bounds
    (115.0, 25.0, 116.0, 26.0)
    """
    flat = shapely.force_2d(geometry)
    _require_lonlat(flat, what)
    if not flat.is_valid:
        flat = shapely.make_valid(flat, method="structure", keep_collapsed=False)
    # snap-rounding keeps rings valid where rounding each number would let them cross
    snapped = shapely.set_precision(flat, 10.0**-DECIMALS)
    polygons = [
        part
        for part in shapely.get_parts(snapped)
        if isinstance(part, Polygon) and not part.is_empty
    ]
    if not polygons:
        return None
    whole = polygons[0] if len(polygons) == 1 else MultiPolygon(polygons)
    # the grid of set_precision is binary; this gives the shortest decimal of each,
    # and adding zero turns -0.0 into 0.0
    decimal = shapely.transform(whole, lambda xy: np.round(xy, DECIMALS) + 0.0)
    ordered = shapely.normalize(decimal)
    # last, because normalize turns exterior rings clockwise
    oriented: Polygon | MultiPolygon = shapely.orient_polygons(ordered)
    return oriented


def _require_lonlat(geometry: BaseGeometry, what: str) -> None:
    """Refuse coordinates that no place on Earth has."""
    coordinates = shapely.get_coordinates(geometry)
    # written so that NaN is outside
    inside = (np.abs(coordinates) <= (MAX_LONGITUDE, MAX_LATITUDE)).all(axis=1)
    if not inside.all():
        x, y = coordinates[~inside][0]
        raise OutputError(
            f"{what}: geometry must be CRS84 longitude (-180 to 180) and latitude "
            f"(-90 to 90), got ({x}, {y})"
        )


def _collection(
    result: RunResult, features: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Join features under what every product must say; the type comes first."""
    invented = result.register.invented
    collection: dict[str, Any] = {
        "type": "FeatureCollection",
        "schema_version": SCHEMA_VERSION,
        "notice": notice(invented=invented),
        "software": result.software,
        "district": result.partition.district,
        "week": str(result.partition.week),
        "invented_licences": invented,
        "licences_refused": list(result.register.refused),
    }
    boxes = [feature["bbox"] for feature in features]
    if boxes:
        west, south, east, north = zip(*boxes, strict=True)
        collection["bbox"] = [min(west), min(south), max(east), max(north)]
    collection["features"] = list(features)
    return collection


def notice(*, invented: bool) -> str:
    """
    Give the sentence that every product carries.

    Parameters
    ----------
    invented : bool
        True where licences were invented, which must then be said beside it.

    Returns
    -------
    str
        Chinese and English.
    """
    return f"{NOTICE} {NOTICE_INVENTED}" if invented else NOTICE


def _feature(
    identity: str, geometry: BaseGeometry, properties: Mapping[str, Any]
) -> dict[str, Any]:
    """Give one feature with its box."""
    polygon = rounded(geometry, what=identity)
    if polygon is None:
        raise OutputError(
            f"{identity}: its geometry vanishes when rounded to {DECIMALS} decimals "
            "of a degree; a site is at least a pixel"
        )
    return {
        "type": "Feature",
        "id": identity,
        "bbox": [float(v) for v in polygon.bounds],
        "properties": properties,
        "geometry": shapely.geometry.mapping(polygon),
    }


def _of_site(site: Site) -> dict[str, Any]:
    """Give the properties of a site: all of them, and no other."""
    classified, seen = site.latest, site.latest.disturbance
    return {
        "site_id": site.site_id,
        "tier": seen.tier.code,
        "began_after": _day(seen.began_after),
        "began_by": _day(seen.began_by),
        "first_seen": _day(seen.began_by),
        "confirmed": _day(seen.confirmed),
        "last_seen": _day(seen.last_seen),
        "last_clear": _day(seen.last_clear),
        "clear_looks_since": seen.clear_looks_since,
        "area_m2": round(seen.area_m2, 1),
        "cause": classified.cause.value,
        "cause_probability": round(classified.causes[classified.cause], 4),
        "causes": {
            cause.value: round(classified.causes[cause], 4)
            for cause in Cause
            if cause in classified.causes
        },
        "state": site.state.value,
    }


def _of_alert(alert: Alert) -> dict[str, Any]:
    """Give the properties of an alert: those of its site and its own."""
    verdict, provenance = alert.verdict, alert.provenance
    return {
        "alert_id": alert.alert_id,
        "version": alert.version,
        "rank": alert.rank,
        "category": verdict.category.value,
        "certainty": verdict.certainty.value,
        **_of_site(alert.site),
        "area_mu": round(alert.site.latest.disturbance.area_m2 / M2_PER_MU, 2),
        "parts": [part_properties(part, alert.alert_id) for part in verdict.parts],
        "licence_ids": list(verdict.licence_ids),
        "restrictions": list(verdict.restrictions),
        "register_warnings": list(verdict.warnings),
        "register_snapshot": verdict.register_snapshot,
        "law_table": verdict.law_table,
        "county_codes": list(alert.county_codes),
        "bureau": alert.bureau,
        "scenes": list(provenance.scenes),
        "software": provenance.software,
        "settings_digest": provenance.settings_digest,
        "model_id": provenance.model_id,
        "invented_licences": alert.invented_licences,
        "notice": notice(invented=alert.invented_licences),
    }


def part_properties(part: Part, of: str) -> dict[str, Any]:
    """
    Describe a part of a verdict.

    Parameters
    ----------
    part : Part
        The part; one thinner than the rounding keeps its area and loses its shape.
    of : str
        What it is a part of, for the message.

    Returns
    -------
    dict
        As ``parts`` of an alert holds it.

    Raises
    ------
    OutputError
        If its geometry has coordinates that are not longitude and latitude.
    """
    properties: dict[str, Any] = {
        "category": part.category.value,
        "certainty": part.certainty.value,
        "area_m2": round(part.area_m2, 1),
        "licence_ids": list(part.licence_ids),
        "clause": f"{part.clause_zh} {part.clause}",
        "restrictions": list(part.restrictions),
        "trace": [
            {"rule": step.rule, "zh": step.zh, "en": step.en} for step in part.trace
        ],
    }
    polygon = rounded(part.geometry, what=f"a part of {of}")
    if polygon is not None:
        properties["geometry"] = shapely.geometry.mapping(polygon)
    return properties


def _of_coverage(coverage: Coverage) -> dict[str, Any]:
    """Give the properties of a week's coverage."""
    age = coverage.median_days_since_clear
    return {
        "district": coverage.district,
        "grid_id": coverage.grid_id,
        "week": str(coverage.week),
        "area_m2": round(coverage.area_m2, 1),
        "share_seen": round(coverage.share_seen, 4),
        "share_monitored": round(coverage.share_monitored, 4),
        "median_days_since_clear": None if math.isnan(age) else round(age, 1),
        "scenes_used": coverage.scenes_used,
        "scenes_without_clear": coverage.scenes_without_clear,
    }


def _day(value: date | None) -> str | None:
    """Write a day as ISO 8601."""
    return None if value is None else value.isoformat()


def _json(value: object) -> str:
    """Write one value without spaces, characters unescaped."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
