"""GeoPackages, read as what they are: SQLite databases that somebody else made.

GDAL is not asked, because what a view in a GeoPackage calls would run in it, and it has
functions that reach for the network. They are opened as
`rsmonitor.io.foundation.foreign_sqlite` says, and only real tables are layers.
"""

import math
import sqlite3
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rsmonitor.errors import LicenceError
from rsmonitor.io.foundation.foreign_sqlite import (
    DAMAGE,
    Confinement,
    companions,
    kind_of,
    opened,
    quoted,
)
from rsmonitor.io.licences.attributes import MAX_TEXT, identity
from rsmonitor.io.licences.found import Refusal, UnusableError
from rsmonitor.io.licences.parcel import Declared, Order, Parcel, ParcelFile, Ring
from rsmonitor.io.licences.untrusted import shown

MAX_FILE_BYTES: Final = 256 * 2**20
"""Largest file that is read; indexes make GeoPackages larger than what they hold."""

MAX_RECORDS: Final = 200_000
"""Most parcels of one layer."""

MAX_LAYERS: Final = 100
"""Most layers of one file."""

_CONFINEMENT: Final = Confinement(
    refusal=LicenceError,
    max_file_bytes=MAX_FILE_BYTES,
    max_value_bytes=8 * 2**20,
    max_pauses=2_000,
)
_SYSTEM: Final = ("gpkg_contents", "gpkg_geometry_columns", "gpkg_spatial_ref_sys")
_LAYERS: Final = """
SELECT c.table_name, g.column_name, s.organization, s.organization_coordsys_id,
       s.definition
FROM gpkg_contents c JOIN gpkg_geometry_columns g ON g.table_name = c.table_name
LEFT JOIN gpkg_spatial_ref_sys s ON s.srs_id = g.srs_id
WHERE c.data_type = 'features'
LIMIT 101
"""

_BLOB: Final = struct.Struct("<2sBB")
_BLOB_BYTES: Final = 8
_ENVELOPE_BYTES: Final = (0, 32, 48, 48, 64)
_EMPTY: Final = 0x10
_EXTENDED: Final = 0x20
_POLYGON: Final = 3
_MULTI: Final = 6
_KINDS: Final = {1: "a point", 2: "a line", 4: "points", 5: "lines", 7: "a collection"}
_CURVED: Final = range(8, 15)
_MAX_TYPE: Final = 4000

_RULE_AREAS: Final = "a licence is an area: export the polygons"
_RULE_BLOB: Final = "the geometry is damaged; export the layer again"
_RULE_TABLE: Final = (
    "only real tables are read, because a view runs what somebody else wrote: export "
    "the layer to a new GeoPackage"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    """One layer, as the file lists it."""

    name: str
    geometry_column: str
    declared: Declared


def read_geopackage(path: Path) -> ParcelFile:
    """
    Read the polygons of a GeoPackage.

    Parameters
    ----------
    path : Path
        The file; where a ``-wal`` beside it holds edits that are not in it yet, they
        are read too, from a copy. The file itself is not changed.

    Returns
    -------
    ParcelFile
        A parcel for each feature of each layer of polygons.

    Raises
    ------
    LicenceError
        If the file is missing, too large, no SQLite database, damaged, no GeoPackage,
        or takes too long to answer.

    Examples
    --------
    >>> read_geopackage(Path("no-such.gpkg"))
    Traceback (most recent call last):
    rsmonitor.errors.LicenceError: no-such.gpkg: there is no such file
    """
    file = str(path)
    parcels: list[Parcel] = []
    refused: list[Refusal] = []
    with opened(path, _CONFINEMENT) as database:
        repairs = tuple(
            f"{path}: edits that are still in {beside.name} were read too; close the "
            "program that has the file open, and import it again"
            for beside in companions(path)
        )
        try:
            layers = _layers(file, database, refused)
            for layer in layers:
                _read_layer(file, database, layer, parcels, refused)
        except DAMAGE as error:
            raise LicenceError(
                f"{file}: cannot be read as a GeoPackage ({error}); it is damaged or "
                "hostile: export it again"
            ) from error
    if not layers and not refused:
        raise LicenceError(
            f"{file}: has no layer of features; export the licences into it"
        )
    return ParcelFile(parcels=tuple(parcels), refused=tuple(refused), repairs=repairs)


def _layers(
    file: str, database: sqlite3.Connection, refused: list[Refusal]
) -> list[_Layer]:
    """List the layers that are real tables of features."""
    for name in _SYSTEM:
        kind = kind_of(database, name)
        if kind != "table":
            raise LicenceError(
                f"{file}: {name} is {kind}: every GeoPackage has it as a table; it is "
                "another sort of database, or hostile: export it again"
            )
    layers: list[_Layer] = []
    rows = database.execute(_LAYERS).fetchall()
    if len(rows) > MAX_LAYERS:
        raise LicenceError(
            f"{file}: more than {MAX_LAYERS} layers: export only the licences"
        )
    for name, column, organization, code, definition in rows:
        kind = kind_of(database, name) if isinstance(name, str) else "no name"
        if kind != "table" or not isinstance(column, str):
            refused.append(
                Refusal(
                    file=file,
                    where=f"layer {shown(name)[1:-1]}",
                    value=f"it is {kind}",
                    rule=_RULE_TABLE,
                )
            )
            continue
        layers.append(
            _Layer(
                name=name,
                geometry_column=column,
                declared=Declared(
                    definition=_definition(organization, code, definition),
                    order=Order.EAST_FIRST,
                ),
            )
        )
    return layers


def _definition(organization: object, code: object, definition: object) -> str:
    """Name the reference system by its code, else give its WKT."""
    if (
        isinstance(organization, str)
        and organization.upper() == "EPSG"
        and isinstance(code, int)
        and code > 0
    ):
        return f"EPSG:{code}"
    text = definition if isinstance(definition, str) else ""
    return "" if text.lower() == "undefined" else text


def _read_layer(
    file: str,
    database: sqlite3.Connection,
    layer: _Layer,
    parcels: list[Parcel],
    refused: list[Refusal],
) -> None:
    """Read the features of one layer."""
    # nothing of the file but a name, and that quoted
    cursor = database.execute(f"SELECT rowid, * FROM {quoted(layer.name)}")  # noqa: S608
    names = [column for column, *_ in cursor.description]
    if layer.geometry_column not in names[1:]:
        raise LicenceError(
            f"{file}, layer {shown(layer.name)[1:-1]}: has no column "
            f"{shown(layer.geometry_column)}, which should hold its geometry"
        )
    place = names.index(layer.geometry_column, 1)
    for count, row in enumerate(cursor, start=1):
        if count > MAX_RECORDS:
            raise LicenceError(
                f"{file}, layer {shown(layer.name)[1:-1]}: more than {MAX_RECORDS} "
                "features: export only the licences of your districts"
            )
        number = row[0] if isinstance(row[0], int) else count
        where = f"layer {shown(layer.name)[1:-1]}, feature {number}"
        try:
            rings = _rings(row[place])
        except UnusableError as error:
            refused.append(
                Refusal(
                    file=file,
                    where=where,
                    value=error.value,
                    rule=error.rule,
                    line=number,
                )
            )
            continue
        attributes = _attributes(names[1:], row[1:], layer.geometry_column)
        found = identity(attributes)
        parcels.append(
            Parcel(
                file=file,
                where=where,
                rings=rings,
                line=number,
                name=found.name,
                number=found.number,
                declared=layer.declared,
                attributes=attributes,
                stated_area=found.stated_area,
                stated_area_m2=found.stated_area_m2,
            )
        )


def _attributes(
    names: Sequence[str], values: Sequence[object], geometry_column: str
) -> dict[str, str]:
    """Give the fields as text; what is binary is left out."""
    found: dict[str, str] = {}
    for name, value in zip(names, values, strict=True):
        if name == geometry_column or value is None or isinstance(value, bytes):
            continue
        text = repr(value) if isinstance(value, float) else str(value)
        text = " ".join(text.split())[:MAX_TEXT]
        if text:
            found[name] = text
    return found


def _rings(blob: object) -> tuple[Ring, ...]:
    """Read the rings of a geometry as GeoPackage stores it."""
    if not isinstance(blob, bytes):
        raise UnusableError(f"its geometry is {shown(blob)}", _RULE_AREAS)
    if len(blob) < _BLOB_BYTES:
        raise UnusableError(f"a geometry of {len(blob)} bytes", _RULE_BLOB)
    magic, version, flags = _BLOB.unpack_from(blob)
    envelope = flags >> 1 & 7
    if (
        magic != b"GP"
        or version
        or envelope >= len(_ENVELOPE_BYTES)
        or flags & _EXTENDED
    ):
        raise UnusableError(f"a geometry that begins with {blob[:4].hex()}", _RULE_BLOB)
    if flags & _EMPTY:
        raise UnusableError("its geometry is empty", _RULE_AREAS)
    try:
        rings, _ = _polygons(blob, _BLOB_BYTES + _ENVELOPE_BYTES[envelope])
    except struct.error as error:
        raise UnusableError(f"a geometry of {len(blob)} bytes", _RULE_BLOB) from error
    if not rings:
        raise UnusableError("its geometry is empty", _RULE_AREAS)
    return tuple(Ring(label="", corners=ring) for ring in rings)


def _polygons(
    wkb: bytes, place: int, *, inside: bool = False
) -> tuple[list[tuple[tuple[float, float], ...]], int]:
    """Read a Polygon or MultiPolygon; GEOS would nest as deeply as a file asks."""
    order = "<" if wkb[place : place + 1] == b"\1" else ">"
    code, count = struct.unpack_from(f"{order}II", wkb, place + 1)
    if code >= _MAX_TYPE:
        raise UnusableError(f"a geometry of type {code}", _RULE_BLOB)
    kind, dimensions = code % 1000, (2, 3, 3, 4)[code // 1000]
    place += 9
    rings: list[tuple[tuple[float, float], ...]] = []
    if kind == _MULTI and not inside:
        for _ in range(count):
            more, place = _polygons(wkb, place, inside=True)
            rings.extend(more)
        return rings, place
    if kind != _POLYGON:
        what = "curves" if kind in _CURVED else _KINDS.get(kind, f"of type {kind}")
        raise UnusableError(f"its geometry is {what}", _RULE_AREAS)
    for _ in range(count):
        (corners,) = struct.unpack_from(f"{order}I", wkb, place)
        place += 4
        size = 8 * dimensions * corners
        if place + size > len(wkb):  # counts are hostile
            raise UnusableError(
                f"a ring of {corners} corners in {len(wkb) - place} bytes", _RULE_BLOB
            )
        values = struct.unpack_from(f"{order}{dimensions * corners}d", wkb, place)
        place += size
        x, y = values[::dimensions], values[1::dimensions]
        wrong = next((v for v in (*x, *y) if not math.isfinite(v)), None)
        if wrong is not None:
            raise UnusableError(
                f"a coordinate is {wrong}", "coordinates are finite numbers; correct it"
            )
        rings.append(tuple(zip(x, y, strict=True)))
    return rings, place
