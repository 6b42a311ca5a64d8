"""Polygons to be judged, from GeoJSON: hostile until parsed.

Read with the standard library, for the same reasons as licences; what cannot be used is
refused with its value and the rule, and the others are judged.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon
from shapely.geometry import shape

from rsmonitor.errors import LicenceError
from rsmonitor.io.licences.days import RULE_DAY, day
from rsmonitor.io.licences.found import Refusal, UnusableError
from rsmonitor.io.licences.untrusted import decoded, read_bytes, shown
from rsmonitor.records.disturbance import Cause, Classified, Disturbance, Increment
from rsmonitor.records.rasters import Tier
from rsmonitor.records.site import Site, SiteState
from rsmonitor.stages.geodesy import area_m2

MAX_FEATURES: Final = 100_000
"""Most polygons that are judged at once."""

MODEL_ID: Final = "given"
"""Stands where a model would: the cause was given."""

_DAY: Final = timedelta(days=1)
_MAX_NAME: Final = 200
_MAX_DEGREES: Final = (180.0, 90.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenPolygons:
    """What one file was understood to ask."""

    sites: tuple[Site, ...]
    """One a polygon, in the order of the file."""

    names: Mapping[str, str]
    """By `Site.site_id`: what the file calls it."""

    on_day: frozenset[str]
    """Sites that are judged as of the day that was asked for."""

    refused: tuple[Refusal, ...]
    """Features that were not used."""


def read_polygons(path: Path, *, on: date, county: str = "") -> GivenPolygons:
    """
    Read polygons to be judged.

    Parameters
    ----------
    path : Path
        A FeatureCollection, a Feature or a geometry, in CRS84. Properties, none of
        them needed: ``cause`` (a code of `Cause`; ``unknown`` by default),
        ``began_after`` and ``began_by`` (days), ``last_seen``; ``alert_id``,
        ``site_id``, ``name`` or the feature's id.
    on : date
        Day of the act where a feature gives no ``began_by``.
    county : str, optional
        GB/T 2260 code of the county that they lie in.

    Returns
    -------
    GivenPolygons
        Sites and refusals.

    Raises
    ------
    LicenceError
        If the file is missing, too large, no JSON, not GeoJSON, or none of its features
        can be used.
    """
    text, _ = decoded(str(path), read_bytes(path, what="a GeoJSON file"))
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise LicenceError(f"{path}: is not JSON: {error}") from error
    features = _features(path, document)
    sites: list[Site] = []
    names: dict[str, str] = {}
    on_day: set[str] = set()
    refused: list[Refusal] = []
    for number, feature in enumerate(features, start=1):
        try:
            site, name, exact = _site(feature, number, on, county)
        except UnusableError as error:
            refused.append(
                Refusal(
                    file=str(path),
                    where=f"feature {number}",
                    value=error.value,
                    rule=error.rule,
                    line=number,
                )
            )
            continue
        sites.append(site)
        names[site.site_id] = name
        if exact:
            on_day.add(site.site_id)
    if not sites:
        first = f": {refused[0]}" if refused else ""
        raise LicenceError(f"{path}: no polygon can be used{first}")
    return GivenPolygons(
        sites=tuple(sites),
        names=names,
        on_day=frozenset(on_day),
        refused=tuple(refused),
    )


def _refuse_constant(name: str) -> float:
    """Refuse the numbers that Python reads and JSON does not have."""
    raise ValueError(f"{name} is not a number in JSON")


def _features(path: Path, document: object) -> list[object]:
    """Give the features of whatever GeoJSON it is."""
    if not isinstance(document, dict):
        raise LicenceError(f"{path}: is {shown(document)}: it must be GeoJSON")
    if "crs" in document:
        raise LicenceError(
            f"{path}: has a crs member, which GeoJSON no longer knows: convert it to "
            "WGS 84 longitude and latitude and leave crs out"
        )
    match document.get("type"):
        case "FeatureCollection":
            features = document.get("features")
            if not isinstance(features, list) or not features:
                raise LicenceError(f"{path}: has no feature")
            if len(features) > MAX_FEATURES:
                raise LicenceError(
                    f"{path}: has {len(features)} features, more than {MAX_FEATURES}"
                )
            return features
        case "Feature":
            return [document]
        case "Polygon" | "MultiPolygon":
            return [{"type": "Feature", "properties": {}, "geometry": document}]
        case other:
            raise LicenceError(
                f"{path}: type is {shown(other)}: it must be a FeatureCollection"
            )


def _site(
    feature: object, number: int, on: date, county: str
) -> tuple[Site, str, bool]:
    """Make a site of a feature."""
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        raise UnusableError(shown(feature), "a feature has the type Feature")
    properties = feature.get("properties") or {}
    if not isinstance(properties, dict):
        raise UnusableError(shown(properties), "properties are an object")
    geometry = _geometry(feature.get("geometry"))
    after, by = _day(properties, "began_after"), _day(properties, "began_by")
    exact = after is None and by is None
    by = by or on
    if after is not None and after >= by:
        raise UnusableError(f"began_after {after}", f"it is before began_by {by}")
    last = max(_day(properties, "last_seen") or on, by)
    area = area_m2(geometry)
    if not area > 0:
        raise UnusableError(f"{area} m2", "a polygon has an area")
    name = _name(feature, properties) or f"feature {number}"
    digest = hashlib.sha256(f"{number}\n{name}".encode() + geometry.wkb).digest()
    classified = Classified(
        disturbance=Disturbance(
            grid_id=MODEL_ID,
            anchor=(number, 0),
            tier=Tier.HIGH,
            geometry=geometry,
            area_m2=area,
            pixels=1,
            began_after=after,
            began_by=by,
            confirmed=None,
            last_seen=last,
            last_clear=last,
            clear_looks_since=1,
            increments=(
                Increment(
                    geometry=geometry, area_m2=area, began_after=after, began_by=by
                ),
            ),
        ),
        causes={_cause(properties): 1.0},
        model_id=MODEL_ID,
    )
    site = Site(
        site_id="s" + base64.b32encode(digest).decode().lower()[:12],
        district=county or MODEL_ID,
        state=SiteState.ACTIVE,
        latest=classified,
    )
    return site, name, exact


def _name(feature: Mapping[str, Any], properties: Mapping[str, Any]) -> str:
    """Give what the file calls a feature."""
    for value in (
        properties.get("alert_id"),
        properties.get("site_id"),
        properties.get("name"),
        feature.get("id"),
    ):
        if isinstance(value, str | int) and not isinstance(value, bool):
            text = " ".join(str(value).split())
            if text and text.isprintable():
                return text[:_MAX_NAME]
    return ""


def _cause(properties: Mapping[str, Any]) -> Cause:
    """Read the cause; open where none is given."""
    value = properties.get("cause")
    if value is None:
        return Cause.UNKNOWN
    for cause in Cause:
        if value == cause.value:
            return cause
    known = ", ".join(cause.value for cause in Cause)
    raise UnusableError(f"cause is {shown(value)}", f"it must be one of {known}")


def _day(properties: Mapping[str, Any], key: str) -> date | None:
    """Read a day; None where it is absent or null."""
    value = properties.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise UnusableError(f"{key} is {shown(value)}", f"a day is text: {RULE_DAY}")
    return day(key, value)


def _geometry(given: object) -> Polygon | MultiPolygon:
    """Build a valid polygon; repair nothing."""
    if not isinstance(given, dict) or given.get("type") not in {
        "Polygon",
        "MultiPolygon",
    }:
        raise UnusableError(shown(given), "geometry is a Polygon or a MultiPolygon")
    try:
        geometry = shapely.force_2d(shape(given))
        coordinates = shapely.get_coordinates(geometry)
        # written so that NaN is outside
        inside = bool((np.abs(coordinates) <= _MAX_DEGREES).all())
    # whatever a hostile nesting does to shapely, it is one feature that is refused
    except Exception as error:
        raise UnusableError(shown(given.get("coordinates")), str(error)) from error
    if not isinstance(geometry, Polygon | MultiPolygon) or geometry.is_empty:
        raise UnusableError(shown(given.get("type")), "a polygon has three corners")
    if not inside:
        raise UnusableError(
            shown(coordinates[:1].tolist()),
            "positions are longitude and latitude in degrees, longitude first",
        )
    if not geometry.is_valid:
        raise UnusableError(
            str(shapely.is_valid_reason(geometry)),
            "the outline crosses itself there; correct it",
        )
    oriented: Polygon | MultiPolygon = shapely.orient_polygons(geometry)
    return oriented
