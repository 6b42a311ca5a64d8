"""Rows of GeoPackages and GeoJSON files, with their geometry."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rsmonitor.errors import ReturnsError
from rsmonitor.io.deliver.triage.delivery import (
    ALERTS,
    DELIVERY,
    PACKAGE_ID,
    SCHEMA_VERSION,
)
from rsmonitor.io.foundation.foreign_sqlite import DAMAGE, quoted, tables
from rsmonitor.io.licences.untrusted import decoded, read_bytes
from rsmonitor.io.returns.columns import MAX_TEXT, named
from rsmonitor.io.returns.geometry import (
    Converter,
    converter_of,
    place_in_geojson,
    place_in_geopackage,
)
from rsmonitor.io.returns.rows import Refusal, Row, UnusableRowError

if TYPE_CHECKING:
    from rsmonitor.records.tip import Place

MAX_FEATURES: Final = 200_000
"""Most features of one layer."""

_MAX_LAYERS: Final = 100
_MAX_DEPTH_ADVICE: Final = "it is no GeoJSON of features; export it again"
_LAYERS: Final = """
SELECT c.table_name, g.column_name, s.organization, s.organization_coordsys_id,
       s.definition
FROM gpkg_contents c LEFT JOIN gpkg_geometry_columns g ON g.table_name = c.table_name
LEFT JOIN gpkg_spatial_ref_sys s ON s.srs_id = g.srs_id
WHERE c.data_type IN ('features', 'attributes')
LIMIT 101
"""
_WORDS: Final = frozenset({"cause", "note", "imagery", "photos"})
_SYSTEM: Final = frozenset(
    {"gpkg_contents", "gpkg_geometry_columns", "gpkg_spatial_ref_sys"}
)


def is_geopackage(database: sqlite3.Connection) -> bool:
    """
    Say whether an opened SQLite file has the tables of a GeoPackage.

    Parameters
    ----------
    database : sqlite3.Connection
        From `rsmonitor.io.foundation.foreign_sqlite.opened`.

    Returns
    -------
    bool
        True if it has.
    """
    return set(tables(database)) >= _SYSTEM


def read_geopackage(
    database: sqlite3.Connection,
    *,
    fields: Mapping[str, tuple[str, ...]],
    file: str,
) -> tuple[list[Row], list[Refusal], list[str]]:
    """
    Read the features and the plain rows of a GeoPackage.

    Parameters
    ----------
    database : sqlite3.Connection
        From `rsmonitor.io.foundation.foreign_sqlite.opened`.
    fields : Mapping of str to tuple of str
        Fields by the names of columns.
    file : str
        Its name for messages.

    Returns
    -------
    rows : list of Row
        By layer and feature; layers without any known column give none.
    refused : list of Refusal
        Features whose geometry cannot be read.
    notes : list of str
        Layers that were passed over; which delivery it is; how many of its alerts
        nobody has judged.

    Raises
    ------
    ReturnsError
        If it is damaged, or no layer has a known column, or nothing in a delivery is
        judged.
    """
    rows: list[Row] = []
    refused: list[Refusal] = []
    notes: list[str] = []
    used = 0
    try:
        layers = _layers(database, file)
        delivery = _delivery(database, file) if "verdict" in fields else None
        if delivery is not None:
            # its other layers are ours, and no outline of it says anything new
            layers = [(ALERTS, None, None, None, None)]
            notes.append(f"{file}: is delivery {delivery}")
        real = set(tables(database))
        for name, column, organization, code, definition in layers:
            if name not in real:
                notes.append(f"{file}: layer {name!r} is no table; not read")
                continue
            crs = (
                f"EPSG:{code}"
                if str(organization).upper() == "EPSG" and isinstance(code, int)
                else str(definition)
            )
            found = _layer(database, str(name), column, crs, fields)
            if found is None:
                notes.append(f"{file}: layer {name!r} has no known column; not read")
                continue
            used += 1
            for row in found:
                if isinstance(row, Row):
                    rows.append(row)
                else:
                    refused.append(_refusal(file, *row))
    except DAMAGE as error:
        raise ReturnsError(
            f"{file}: cannot be read as a GeoPackage ({error}); export it again"
        ) from error
    if not used:
        wanted = ", ".join(names[0] for names in fields.values())
        raise ReturnsError(f"{file}: no layer has a column such as {wanted}")
    if delivery is not None:
        rows = _judged(rows, refused, notes, file)
    return rows, refused, notes


def read_geojson(
    path: Path, *, fields: Mapping[str, tuple[str, ...]], file: str
) -> tuple[list[Row], list[Refusal], list[str]]:
    """
    Read the features of a GeoJSON file.

    Parameters
    ----------
    path : Path
        The file, CRS84.
    fields : Mapping of str to tuple of str
        Fields by the names of properties.
    file : str
        Its name for messages.

    Returns
    -------
    rows : list of Row
        In their order.
    refused : list of Refusal
        Features that cannot be read.
    notes : list of str
        None.

    Raises
    ------
    ReturnsError
        If it is no GeoJSON of features.
    LicenceError
        If it is missing, too large or no text.
    """
    text, _ = decoded(file, read_bytes(path, what="GeoJSON"))
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ReturnsError(f"{file}: {error}; {_MAX_DEPTH_ADVICE}") from error
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list):
        raise ReturnsError(f"{file}: has no list of features; {_MAX_DEPTH_ADVICE}")
    rows: list[Row] = []
    refused: list[Refusal] = []
    for number, feature in enumerate(features[:MAX_FEATURES], start=1):
        where = f"feature {number}"
        try:
            rows.append(_feature(feature, where, number, fields))
        except UnusableRowError as error:
            refused.append(_refusal(file, where, number, error))
    if len(features) > MAX_FEATURES:
        raise ReturnsError(f"{file}: more than {MAX_FEATURES} features; split it")
    return rows, refused, []


def _layers(database: sqlite3.Connection, file: str) -> list[tuple[Any, ...]]:
    """List the layers that a GeoPackage says it has."""
    layers = database.execute(_LAYERS).fetchall()
    if len(layers) > _MAX_LAYERS:
        raise ReturnsError(f"{file}: more than {_MAX_LAYERS} layers; split it")
    return layers


def _delivery(database: sqlite3.Connection, file: str) -> str | None:
    """Say which delivery a file is; None where it is none of ours."""
    if DELIVERY not in tables(database):
        return None
    told = dict(
        database.execute(f"SELECT key, value FROM {DELIVERY} LIMIT 20")  # noqa: S608
    )
    name, version = str(told.get("package_id")), str(told.get("schema_version"))
    if not PACKAGE_ID.fullmatch(name):
        raise ReturnsError(
            f"{file}: its table {DELIVERY} names no delivery, got {name[:80]!r}; use "
            "the file that was delivered"
        )
    if version != str(SCHEMA_VERSION):
        raise ReturnsError(
            f"{file}: is of format {version[:80]!r}, and this rsmonitor reads "
            f"{SCHEMA_VERSION}; use the rsmonitor that made it"
        )
    return name


def _judged(
    rows: list[Row], refused: list[Refusal], notes: list[str], file: str
) -> list[Row]:
    """Keep the rows with a verdict; tell of the others, of those with words by name."""
    judged = [row for row in rows if "verdict" in row.fields]
    silent = [row for row in rows if "verdict" not in row.fields]
    if silent:
        notes.append(f"{file}: {len(silent)} of {len(rows)} alerts are not judged")
    started = [row for row in silent if _WORDS & row.fields.keys()]
    if started:
        named_rows = ", ".join(str(row.line) for row in started[:20])
        notes.append(
            f"{file}: features {named_rows} hold words and no verdict, so that nothing "
            "of them is kept; choose a verdict (判定)"
        )
    if not judged and not refused:
        raise ReturnsError(
            f"{file}: none of its {len(rows)} alerts is judged yet; choose verdicts "
            "(判定) in QGIS, save the layer, and bring it again"
        )
    return judged


def _feature(
    feature: Any,  # noqa: ANN401 - JSON
    where: str,
    number: int,
    fields: Mapping[str, tuple[str, ...]],
) -> Row:
    """Read one feature."""
    if not isinstance(feature, dict):
        raise UnusableRowError("no object", "a feature is an object; export it again")
    given = feature.get("properties")
    properties = given if isinstance(given, dict) else {}
    return Row(
        where=where,
        line=number,
        fields=_texts(properties, named(list(properties), fields)),
        place=place_in_geojson(feature.get("geometry")),
    )


def _layer(
    database: sqlite3.Connection,
    name: str,
    column: object,
    crs: str,
    fields: Mapping[str, tuple[str, ...]],
) -> Iterator[Row | tuple[str, int, UnusableRowError]] | None:
    """Give the rows of a layer, refused ones as place, number and reason."""
    # nothing of the file but a name, and that quoted
    with closing(
        database.execute(f"SELECT rowid, * FROM {quoted(name)} LIMIT 0")  # noqa: S608
    ) as cursor:
        names = [str(each) for each, *_ in cursor.description]
    known = named(names[1:], fields)
    if not known:
        return None
    return _features_of(database, name, column, crs, names, known)


def _features_of(
    database: sqlite3.Connection,
    name: str,
    column: object,
    crs: str,
    names: list[str],
    known: Mapping[str, str],
) -> Iterator[Row | tuple[str, int, UnusableRowError]]:
    """Give the rows of a layer one by one."""
    convert: Converter | None = None
    cursor = database.execute(f"SELECT rowid, * FROM {quoted(name)}")  # noqa: S608
    for count, row in enumerate(cursor, start=1):
        if count > MAX_FEATURES:
            raise ReturnsError(
                f"layer {name!r}: more than {MAX_FEATURES} features; split it"
            )
        number = row[0] if isinstance(row[0], int) else count
        where = f"layer {name}, feature {number}"
        try:
            place: Place | None = None
            if isinstance(column, str) and column in names[1:]:
                convert = convert or converter_of(crs)
                place = place_in_geopackage(row[names.index(column, 1)], convert)
        except UnusableRowError as error:
            yield where, number, error
            continue
        texts = _texts(dict(zip(names[1:], row[1:], strict=True)), known)
        if texts or place is not None:
            yield Row(where=where, line=number, fields=texts, place=place)


def _texts(values: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, str]:
    """Give known fields as text; what is binary or nested is left out."""
    found = {}
    for name, column in known.items():
        value = values.get(column)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            text = repr(value) if isinstance(value, float) else str(value)
            if text.strip():
                found[name] = " ".join(text.split())[:MAX_TEXT]
        elif isinstance(value, list) and all(isinstance(v, str) for v in value):
            found[name] = "; ".join(value)[:MAX_TEXT]
    return found


def _refusal(file: str, where: str, number: int, error: UnusableRowError) -> Refusal:
    """Say which feature is refused."""
    return Refusal(
        file=file, where=where, line=number, value=error.value, rule=error.rule
    )
