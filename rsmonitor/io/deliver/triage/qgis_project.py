"""A QGIS project as text: layers in groups, bookmarks, where to look; paths relative.

Written by hand, because QGIS cannot be a dependency; read by QGIS 3.22 and later.
"""

import io
import json
import re
import sqlite3
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote
from xml.etree import ElementTree as ET

import pyproj
import rasterio

from rsmonitor.errors import OutputError
from rsmonitor.io.deliver.tables import clean
from rsmonitor.records.basemap import Basemap

Bounds = tuple[float, float, float, float]
"""West, south, east and north."""

_HEAD: Final = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_CODE: Final = re.compile(r"[A-Z]+:[0-9]+")
_DEGREES: Final = re.compile(r"(^c$|4326|4490|crs84)", re.IGNORECASE)
"""Names of tile matrix sets in degrees; those of Tianditu are ``c`` and ``w``."""

# as QGIS makes it when a user saves a project in a GeoPackage
_PROJECTS: Final = (
    "CREATE TABLE qgis_projects (name TEXT PRIMARY KEY, metadata BLOB, content BLOB)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectLayer:
    """One layer of a project."""

    layer_id: str
    """Unique in the project; QGIS gives another to what has ten characters or fewer."""

    title: str
    """What people read."""

    provider: Literal["ogr", "gdal", "wms"]
    """Which part of QGIS reads it."""

    source: str
    """Path relative to the project or absolute, or what the provider takes."""

    crs: str
    """``EPSG:4326``, or WKT; QGIS asks nobody else."""

    style: str = ""
    """QML; empty for what QGIS chooses."""

    visible: bool = True
    """Whether it is drawn when the project opens."""

    read_only: bool = True
    """Whether QGIS offers to edit it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerGroup:
    """Layers that stand together in the list."""

    title: str
    """What people read."""

    layers: tuple[ProjectLayer, ...]
    """From the top."""

    visible: bool = True
    """Whether it is drawn when the project opens."""

    expanded: bool = True
    """Whether its layers are listed when the project opens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark:
    """A place to which one click leads."""

    title: str
    """What people read; the list is sorted by it."""

    bounds: Bounds
    """CRS84."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A whole project."""

    title: str
    """What stands in the title bar."""

    abstract: str
    """What stands in its properties."""

    crs: str
    """In which the map is drawn, ``EPSG:32650``."""

    metres: bool
    """Whether that counts metres, or degrees."""

    bounds: Bounds
    """Where the map opens, in `crs`."""

    groups: tuple[LayerGroup, ...]
    """From the top: what is drawn last stands first."""

    bookmarks: tuple[Bookmark, ...] = ()
    """Places."""


def raster_crs(path: Path) -> str:
    """
    Read the reference system of an image, and no pixel.

    QGIS takes it from the project alone.

    Parameters
    ----------
    path : Path
        A GeoTIFF or MBTiles file.

    Returns
    -------
    str
        Such as ``EPSG:32650``; as WKT where it has no code.

    Raises
    ------
    OutputError
        If the file is missing, is no image, or says of no place.
    """
    try:
        with rasterio.open(path) as image:
            crs = image.crs
    except (rasterio.errors.RasterioError, OSError) as error:
        raise OutputError(
            f"{path} cannot be opened as an image ({error}); put the file there, or "
            "take it out of the settings"
        ) from error
    if crs is None:
        raise OutputError(
            f"{path} says of no reference system; give it one (gdal_edit.py -a_srs)"
        )
    authority = crs.to_authority()
    return ":".join(authority) if authority else str(crs.to_wkt())


def basemap_layer(basemap: Basemap, *, number: int) -> ProjectLayer:
    """
    Make a layer of a bureau's own imagery.

    Parameters
    ----------
    basemap : Basemap
        A file, or a WMTS.
    number : int
        Makes its id.

    Returns
    -------
    ProjectLayer
        With its days in the title.

    Raises
    ------
    OutputError
        If a GeoTIFF cannot be opened here: where it lies must be known.
    """
    title = clean(basemap.dated_title)
    if not basemap.is_service:
        tiles = basemap.source.lower().endswith(".mbtiles")  # of one system only
        return ProjectLayer(
            layer_id=f"bureau_basemap_{number}",
            title=title,
            provider="gdal",
            source=basemap.source,
            crs="EPSG:3857" if tiles else raster_crs(Path(basemap.source)),
        )
    crs = "EPSG:4490" if _DEGREES.search(basemap.matrix) else "EPSG:3857"
    options = {
        "contextualWMSLegend": "0",
        "crs": crs,
        "dpiMode": "7",
        "format": "image/png",
        "layers": basemap.layer,
        "styles": "default",
        "tileMatrixSet": basemap.matrix,
        # some services take a key in the address, whose '&' must not end it
        "url": basemap.source,
    }
    return ProjectLayer(
        layer_id=f"bureau_basemap_{number}",
        title=title,
        provider="wms",
        source="&".join(
            f"{key}={quote(value, safe=':/')}" for key, value in options.items()
        ),
        crs=crs,
    )


def project_file(project: Project, *, name: str) -> bytes:
    """
    Write a project.

    Parameters
    ----------
    project : Project
        The project.
    name : str
        Name of the file that is in it, without ``.qgs``.

    Returns
    -------
    bytes
        A ``.qgz``; the same project gives the same bytes.
    """
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as packed:
        entry = zipfile.ZipInfo(f"{name}.qgs", _EPOCH)
        entry.compress_type = zipfile.ZIP_DEFLATED
        packed.writestr(entry, project_text(project))
    return written.getvalue()


def keep_project(
    database: sqlite3.Connection, name: str, packed: bytes, *, at: datetime
) -> None:
    """
    Lay a copy of a project into a GeoPackage, where QGIS lists it.

    Parameters
    ----------
    database : sqlite3.Connection
        The GeoPackage.
    name : str
        Under which QGIS lists it.
    packed : bytes
        What `project_file` gave.
    at : datetime
        When it says that it was changed.
    """
    metadata = {
        "last_modified_time": at.strftime("%Y-%m-%dT%H:%M:%S"),
        "last_modified_user": "rsmonitor",
    }
    database.execute(_PROJECTS)
    # QGIS keeps the bytes as hexadecimal text
    database.execute(
        "INSERT INTO qgis_projects VALUES (?, ?, ?)",
        (name, json.dumps(metadata), packed.hex()),
    )


def project_text(project: Project) -> str:
    """
    Write a project as XML.

    Parameters
    ----------
    project : Project
        The project.

    Returns
    -------
    str
        What QGIS calls a QGS file.
    """
    title = clean(project.title)
    root = ET.Element("qgis", projectname=title, version="3.22.0")
    ET.SubElement(root, "homePath", path="")
    ET.SubElement(root, "title").text = title
    for name in ("autotransaction", "evaluateDefaultValues", "trust"):
        ET.SubElement(root, name, active="0")
    _crs(ET.SubElement(root, "projectCrs"), project.crs)
    tree = ET.SubElement(root, "layer-tree-group")
    layers = ET.SubElement(root, "projectlayers")
    for group in project.groups:
        inside = ET.SubElement(
            tree,
            "layer-tree-group",
            name=clean(group.title),
            checked=_checked(group.visible),
            expanded=str(int(group.expanded)),
        )
        for layer in group.layers:
            ET.SubElement(
                inside,
                "layer-tree-layer",
                id=layer.layer_id,
                name=clean(layer.title),
                source=layer.source,
                providerKey=layer.provider,
                checked=_checked(layer.visible),
                expanded=str(int(layer.provider == "ogr")),
            )
            layers.append(_layer(layer))
    _canvas(root, project)
    _properties(root)
    _bookmarks(root, project.bookmarks)
    about = ET.SubElement(root, "projectMetadata")
    ET.SubElement(about, "title").text = title
    ET.SubElement(about, "abstract").text = clean(project.abstract)
    return _HEAD + ET.tostring(root, encoding="unicode")


def _layer(layer: ProjectLayer) -> ET.Element:
    """Write one layer with its style."""
    vector = layer.provider == "ogr"
    element = ET.Element("maplayer", type="vector" if vector else "raster")
    if vector:
        element.set("geometry", "Polygon")
        element.set("wkbType", "MultiPolygon")
        element.set("readOnly", str(int(layer.read_only)))
    ET.SubElement(element, "id").text = layer.layer_id
    ET.SubElement(element, "datasource").text = layer.source
    ET.SubElement(element, "layername").text = clean(layer.title)
    if layer.crs:
        _crs(ET.SubElement(element, "srs"), layer.crs)
    encoding = {"encoding": "UTF-8"} if vector else {}
    ET.SubElement(element, "provider", encoding).text = layer.provider
    if layer.style:
        style = ET.fromstring(layer.style)  # noqa: S314 - our own text
        element.set("labelsEnabled", style.get("labelsEnabled", "0"))
        element.set("styleCategories", "AllStyleCategories")
        element.extend(style)
    return element


def _canvas(root: ET.Element, project: Project) -> None:
    """Write where the map opens."""
    canvas = ET.SubElement(root, "mapcanvas", name="theMapCanvas")
    ET.SubElement(canvas, "units").text = "meters" if project.metres else "degrees"
    extent = ET.SubElement(canvas, "extent")
    names = ("xmin", "ymin", "xmax", "ymax")
    for name, value in zip(names, project.bounds, strict=True):
        ET.SubElement(extent, name).text = repr(float(value))
    ET.SubElement(canvas, "rotation").text = "0"
    _crs(ET.SubElement(canvas, "destinationsrs"), project.crs)
    # whither 'zoom to the whole' leads: not to all that a basemap covers
    view = ET.SubElement(root, "ProjectViewSettings", UseProjectScales="0")
    whole = ET.SubElement(view, "DefaultViewExtent")
    for name, value in zip(names, project.bounds, strict=True):
        whole.set(name, repr(float(value)))
    _crs(whole, project.crs)


def _properties(root: ET.Element) -> None:
    """Write that paths are relative, and that sizes are those on the ellipsoid."""
    properties = ET.SubElement(root, "properties")
    given = {
        "Paths": {"Absolute": ("bool", "false")},
        # without it QGIS passes over the reference system of the project
        "SpatialRefSys": {"ProjectionsEnabled": ("int", "1")},
        "Measure": {"Ellipsoid": ("QString", "EPSG:7030")},
        "Measurement": {
            "AreaUnits": ("QString", "m2"),
            "DistanceUnits": ("QString", "meters"),
        },
    }
    for scope, values in given.items():
        element = ET.SubElement(properties, scope)
        for name, (kind, value) in values.items():
            ET.SubElement(element, name, type=kind).text = value


def _bookmarks(root: ET.Element, bookmarks: Sequence[Bookmark]) -> None:
    """Write the places."""
    listed = ET.SubElement(root, "Bookmarks")
    for number, bookmark in enumerate(bookmarks, start=1):
        west, south, east, north = bookmark.bounds
        corners = (
            *((west, south), (east, south), (east, north), (west, north)),
            (west, south),
        )
        ring = ", ".join(f"{x!r} {y!r}" for x, y in corners)
        element = ET.SubElement(
            listed,
            "Bookmark",
            id=f"bookmark_{number}",
            name=clean(bookmark.title),
            group="",
            extent=f"Polygon (({ring}))",
        )
        _crs(element, "EPSG:4326")


def _crs(inside: ET.Element, code: str) -> None:
    """Write a reference system: by its code, or as text where it has none."""
    system = ET.SubElement(inside, "spatialrefsys")
    # of the project itself QGIS reads the text alone, and finds the code in it
    ET.SubElement(system, "wkt").text = pyproj.CRS.from_user_input(code).to_wkt()
    if _CODE.fullmatch(code):
        ET.SubElement(system, "authid").text = code


def _checked(visible: bool) -> str:  # noqa: FBT001 - what it says is its only argument
    """Write a check mark as Qt does."""
    return "Qt::Checked" if visible else "Qt::Unchecked"
