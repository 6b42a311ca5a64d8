"""A package as a STAC item, so that a catalogue finds it and says what it rests on.

STAC 1.1 with the extensions projection, file and processing. Links are relative, so
that a package can be moved; scenes are named by their product ids, because where an
archive keeps them is not ours to say.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import shapely
from shapely import MultiPolygon, Polygon

from rsmonitor.io.deliver.geojson import notice, rounded
from rsmonitor.io.foundation.files import make_folder, write_atomic
from rsmonitor.records.package import Package

FOLDER: Final = "stac"
"""Folder of the item and of its collection, inside that of the package."""

COLLECTION: Final = "collection.json"
"""Name of the collection."""

STAC_VERSION: Final = "1.1.0"

EXTENSIONS: Final = (
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
    "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
)
"""Extensions of the item."""

SHA256_MULTIHASH: Final = "1220"
"""What stands before the digits in ``file:checksum``: SHA-256, of 32 bytes."""

SCENE: Final = "urn:rsmonitor:scene:"
"""What stands before the product id of a scene in a link to it."""

_WORLD: Final = [-180.0, -90.0, 180.0, 90.0]

_TYPES: Final[Mapping[str, str]] = {
    "pdf": "application/pdf",
    "html": "text/html",
    "json": "application/json",
    "geojson": "application/geo+json",
    "csv": "text/csv",
    "txt": "text/plain",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "png": "image/png",
    "jpg": "image/jpeg",
    "svg": "image/svg+xml",
    "kml": "application/vnd.google-earth.kml+xml",
    "kmz": "application/vnd.google-earth.kmz",
    "gpx": "application/gpx+xml",
    "gpkg": "application/geopackage+sqlite3",
    "db": "application/vnd.sqlite3",
    "nc": "application/netcdf",
    "tif": "image/tiff; application=geotiff",
    "zip": "application/zip",
    "shp": "application/vnd.shp",
    "shx": "application/vnd.shx",
    "dbf": "application/vnd.dbf",
    "xml": "application/xml",
    "qgs": "application/xml",
    "ics": "text/calendar",
}
"""Media type by the end of a name."""

_ROLES: Final[Mapping[str, str]] = {
    "png": "overview",
    "jpg": "overview",
    "pdf": "report",
    "html": "report",
    "csv": "data",
    "json": "metadata",
    "txt": "data",
}
"""Role of an asset by the end of its name; ``data`` for the rest."""

_OURS: Final = frozenset({"manifest.json", "head.json"})
"""Files that name every other one by its digest: they come after this, and so cannot
stand in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One file of a package."""

    size: int
    """Bytes."""

    sha256: str
    """Hexadecimal."""


def write_stac(folder: Path, package: Package) -> None:
    """
    Describe the files of a package's folder in ``stac/`` beside them.

    Parameters
    ----------
    folder : Path
        The folder of the package, with all its files but the manifest.
    package : Package
        What an area receives.

    Raises
    ------
    OutputError
        If a file cannot be written, or a geometry is not longitude and latitude.
    """
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] != FOLDER
    }
    assets = {
        name: Asset(size=len(data), sha256=hashlib.sha256(data).hexdigest())
        for name, data in files.items()
        if name not in _OURS
    }
    make_folder(folder / FOLDER)
    for name, data in stac_documents(package, assets).items():
        write_atomic(folder / FOLDER / name, data)


def stac_documents(package: Package, assets: Mapping[str, Asset]) -> dict[str, bytes]:
    """
    Give the item of a package, and a collection that holds it.

    Parameters
    ----------
    package : Package
        What an area receives.
    assets : Mapping of str to Asset
        Its files, by their names relative to the folder of the package.

    Returns
    -------
    dict of str to bytes
        ``collection.json`` and ``<item id>.json``; they lie one folder below the files.

    Raises
    ------
    OutputError
        If a geometry is not longitude and latitude.
    """
    item = _item(package, assets)
    name = f"{item['id']}.json"
    return {
        COLLECTION: _json(_collection(package, item, name)),
        name: _json(item),
    }


def item_id(package: Package) -> str:
    """
    Name the item of a package.

    Parameters
    ----------
    package : Package
        What an area receives.

    Returns
    -------
    str
        Code of the area and week, such as ``360734-2026-w47``: safe as a file name.
    """
    return f"{package.area.code}-{package.week}".lower()


def _item(package: Package, assets: Mapping[str, Asset]) -> dict[str, Any]:
    """Describe the package."""
    geometry = _geometry(package)
    start, end = (
        instant.strftime("%Y-%m-%dT%H:%M:%SZ")
        for instant in (package.week.start, package.week.end)
    )
    name, _, version = package.software.partition(" ")
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": list(EXTENSIONS),
        "id": item_id(package),
        "collection": _collection_id(package),
        "geometry": None,
        "properties": {
            "title": _title(package),
            "description": notice(invented=package.invented),
            "datetime": None,
            "start_datetime": start,
            "end_datetime": end,
            "proj:code": "EPSG:4326",
            "processing:software": {name: version},
            "processing:lineage": (
                "Changes of the ground in Sentinel-2 time series, compared with the "
                "register of licences; derived_from names the scenes that decided."
            ),
            "rsmonitor:alerts": len(package.dossiers),
            "rsmonitor:register_snapshot": package.register.snapshot_id,
            "rsmonitor:settings_digest": package.settings_digest,
            "rsmonitor:runs": list(package.runs),
            "rsmonitor:invented_licences": package.invented,
        },
        "links": [
            {"rel": rel, "href": f"./{COLLECTION}", "type": "application/json"}
            for rel in ("root", "parent", "collection")
        ]
        + [
            {
                "rel": "derived_from",
                "href": f"{SCENE}{quote(scene, errors='replace')}",
                "title": scene,
            }
            for scene in _scenes(package)
        ],
        "assets": {name: _asset(name, asset) for name, asset in sorted(assets.items())},
    }
    if geometry is not None:
        item["geometry"] = shapely.geometry.mapping(geometry)
        item["bbox"] = list(geometry.bounds)
    return item


def _collection(package: Package, item: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Describe the series of packages of an area, of which this is one."""
    properties = item["properties"]
    return {
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "id": _collection_id(package),
        "title": f"{package.area.name_zh} {package.area.name_en}",
        "description": (
            "Weekly packages of suspected cases. " + notice(invented=package.invented)
        ),
        "license": "other",
        "extent": {
            "spatial": {"bbox": [item.get("bbox", _WORLD)]},
            "temporal": {
                "interval": [[properties["start_datetime"], properties["end_datetime"]]]
            },
        },
        "links": [
            {"rel": "root", "href": f"./{COLLECTION}", "type": "application/json"},
            {"rel": "item", "href": f"./{name}", "type": "application/geo+json"},
        ],
    }


def _collection_id(package: Package) -> str:
    """Name the series of packages of an area."""
    return f"rsmonitor-{package.area.code}"


def _title(package: Package) -> str:
    """Say what it is."""
    if package.language == "zh":
        return f"{package.area.name_zh} {package.week} 疑似线索"
    return f"{package.area.name_en} {package.week} suspected cases"


def _geometry(package: Package) -> Polygon | MultiPolygon | None:
    """Give the border of the area, or else what was watched for it."""
    border = package.area.geometry
    if border is None:
        watched = shapely.union_all([each.geometry for each in package.coverage])
        outlines = [
            each.alert.site.latest.disturbance.geometry for each in package.dossiers
        ]
        whole = watched if not watched.is_empty else shapely.union_all(outlines)
        if not isinstance(whole, Polygon | MultiPolygon) or whole.is_empty:
            return None
        border = whole
    return rounded(border, what=f"area {package.area.code}")


def _scenes(package: Package) -> Iterable[str]:
    """Name the scenes behind the alerts and the images, each once."""
    found = {
        scene
        for dossier in package.dossiers
        for scenes in (
            dossier.alert.provenance.scenes,
            *(chip.scenes for chip in dossier.chips),
        )
        for scene in scenes
    }
    return sorted(found)


def _asset(name: str, asset: Asset) -> dict[str, Any]:
    """Describe a file."""
    suffix = name.rpartition(".")[2].lower()
    described = {
        "href": f"../{quote(name, errors='replace')}",
        "title": name,
        "type": _TYPES.get(suffix, "application/octet-stream"),
        "roles": [_ROLES.get(suffix, "data")],
        "file:size": asset.size,
        "file:checksum": SHA256_MULTIHASH + asset.sha256,
    }
    if suffix in {"shp", "db"}:
        described["proj:code"] = "EPSG:4490"
    return described


def _quoted(text: str) -> str:
    """Write a text as part of an address; half of a pair becomes a question mark."""
    return quote(text, errors="replace")


def _json(value: Mapping[str, Any]) -> bytes:
    """Write a document; characters that are half of a pair are escaped."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1)
    try:
        return f"{text}\n".encode()
    except UnicodeEncodeError:
        return f"{json.dumps(value, allow_nan=False, indent=1)}\n".encode()
