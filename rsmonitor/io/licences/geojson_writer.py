"""Licences as GeoJSON (RFC 7946) that `rsmonitor.io.licences.geojson` reads back.

Coordinates are written with every digit that they have: a boundary that went out and
comes back must be the same boundary, not a new version of it.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import shapely
from shapely import MultiPolygon, Polygon

from rsmonitor.errors import LicenceError
from rsmonitor.io.foundation.files import write_atomic
from rsmonitor.records.licence import Licence


def write_geojson(path: Path, licences: Sequence[Licence]) -> None:
    """
    Write licences as GeoJSON in CRS84, UTF-8.

    Parameters
    ----------
    path : Path
        Replaced whole, or not at all.
    licences : sequence of Licence
        One or more; each becomes a feature.

    Raises
    ------
    LicenceError
        If there is none.
    OutputError
        If the file cannot be written.
    """
    write_atomic(path, geojson_of(licences).encode("utf-8"))


def geojson_of(licences: Sequence[Licence]) -> str:
    """
    Give licences as GeoJSON.

    Parameters
    ----------
    licences : sequence of Licence
        One or more; each becomes a feature.

    Returns
    -------
    str
        A FeatureCollection, one feature a line; what a licence does not say is left
        out.

    Raises
    ------
    LicenceError
        If there is none.
    """
    if not licences:
        raise LicenceError("no licence to write: a file has at least one")
    features = ",\n".join(
        json.dumps(_feature(licence), ensure_ascii=False, allow_nan=False)
        for licence in licences
    )
    bounds = shapely.total_bounds([licence.geometry for licence in licences]).tolist()
    return (
        f'{{"type": "FeatureCollection", "bbox": {json.dumps(bounds)}, "features": [\n'
        f"{features}\n]}}\n"
    )


def _feature(licence: Licence) -> dict[str, Any]:
    """Write one licence."""
    return {
        "type": "Feature",
        "id": f"{licence.kind.value}:{licence.licence_id}",
        "bbox": list(licence.geometry.bounds),
        "geometry": _geometry(licence.geometry),
        "properties": _properties(licence),
    }


def _properties(licence: Licence) -> dict[str, Any]:
    """List what a licence says, by the names that the reader knows."""
    days = {
        name: getattr(licence, name)
        for name in (
            *("valid_from", "valid_to", "renewal_accepted", "renewal_decided"),
            "deadline",
        )
    }
    texts = {
        name: getattr(licence, name)
        for name in (
            *("holder", "mine", "method", "issuer", "status", "subkind", "source"),
        )
    }
    said: dict[str, Any] = {
        "licence_id": licence.licence_id,
        "kind": licence.kind.value,
        "minerals": list(licence.minerals),
        "associated_minerals": list(licence.associated_minerals),
        **texts,
        **{name: day.isoformat() for name, day in days.items() if day is not None},
        "status_history": ";".join(
            f"{change.on} {change.status.value}" for change in licence.status_history
        ),
        "elevation": "",
        "invented": licence.invented,
    }
    if licence.elevation_m is not None:
        low, high = licence.elevation_m
        said["elevation"] = f"{low!r}至{high!r}米"
    return {
        **{name: value for name, value in said.items() if value},
        "datum": licence.datum,
        "position_error_m": float(licence.position_error_m),
        "version": licence.version,
    }


def _geometry(geometry: Polygon | MultiPolygon) -> dict[str, Any]:
    """Write a geometry as RFC 7946 wants it: outer rings to the left."""
    polygons = [
        [
            [[x, y] for x, y, *_ in ring.coords]
            for ring in (part.exterior, *part.interiors)
        ]
        for part in shapely.get_parts(shapely.orient_polygons(geometry))
    ]
    if isinstance(geometry, Polygon):
        return {"type": "Polygon", "coordinates": polygons[0]}
    return {"type": "MultiPolygon", "coordinates": polygons}
