"""A GeoPackage that QGIS opens styled: layers, titles, code lists, styles, fixed times.

GDAL writes the layers; what it cannot write (styles, titles, fixed times) is added
with SQL afterwards. Version 1.3 because QGIS 3.22 warns about 1.4. The same layers
give the same bytes with the same GDAL and SQLite.
"""

import contextlib
import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import pyogrio
import pyogrio.raw
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError
from shapely import MultiPolygon, Polygon

from rsmonitor.errors import OutputError
from rsmonitor.io.foundation.files import write_atomic

ColumnType: TypeAlias = Literal["text", "integer", "number", "day", "yes_no"]
"""What a column holds."""

Vocabularies: TypeAlias = Mapping[str, Mapping[str, str]]
"""By column: label of each code that it may hold."""

_GDAL_ERRORS: Final = (DataSourceError, DataLayerError, FeatureError, FieldError)

_NUMPY: Final[Mapping[ColumnType, str]] = {
    "text": "object",
    "integer": "int32",
    "number": "float64",
    "day": "datetime64[D]",
    "yes_no": "bool",
}

_SCHEMA_EXTENSION: Final = """
CREATE TABLE gpkg_data_columns (
  table_name TEXT NOT NULL, column_name TEXT NOT NULL, name TEXT, title TEXT,
  description TEXT, mime_type TEXT, constraint_name TEXT,
  CONSTRAINT pk_gdc PRIMARY KEY (table_name, column_name),
  CONSTRAINT gdc_tn UNIQUE (table_name, name)
);
CREATE TABLE gpkg_data_column_constraints (
  constraint_name TEXT NOT NULL, constraint_type TEXT NOT NULL, value TEXT,
  min NUMERIC, min_is_inclusive BOOLEAN, max NUMERIC, max_is_inclusive BOOLEAN,
  description TEXT,
  CONSTRAINT gdcc_ntv UNIQUE (constraint_name, constraint_type, value)
);
INSERT INTO gpkg_extensions VALUES
  ('gpkg_data_columns', NULL, 'gpkg_schema',
   'http://www.geopackage.org/spec130/#extension_schema', 'read-write'),
  ('gpkg_data_column_constraints', NULL, 'gpkg_schema',
   'http://www.geopackage.org/spec130/#extension_schema', 'read-write');
"""

# the table that QGIS makes itself when a user saves a style in the file
_STYLE_TABLE: Final = """
CREATE TABLE layer_styles (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256),
  f_table_schema TEXT(256), f_table_name TEXT(256), f_geometry_column TEXT(256),
  styleName TEXT(30), styleQML TEXT, styleSLD TEXT, useAsDefault BOOLEAN,
  description TEXT, owner TEXT(30), ui TEXT(30),
  update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now'))
);
INSERT INTO gpkg_contents (table_name, data_type, identifier, description)
VALUES ('layer_styles', 'attributes', 'layer_styles', 'QGIS styles');
"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """One layer before it is written."""

    name: str
    """Name of its table."""

    title: str
    """What people read."""

    columns: Mapping[str, ColumnType]
    """What each column holds, in their order."""

    titles: Mapping[str, tuple[str, str]]
    """Title and description of each column."""

    geometries: Sequence[Polygon | MultiPolygon]
    """CRS84, one a row."""

    rows: Sequence[Mapping[str, Any]]
    """Values by column."""

    style: str
    """QML."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imprint:
    """What every layer of a file says of itself."""

    metadata: Mapping[str, str]
    """For `ogrinfo` and for QGIS."""

    notice: str
    """The sentence that every product carries."""

    at: datetime
    """When the file says that it was made: the end of the week, never the clock's."""


def write_layers(
    path: Path,
    layers: Sequence[Layer],
    *,
    imprint: Imprint,
    vocabularies: Vocabularies,
    finish: Callable[[sqlite3.Connection], None] | None = None,
) -> None:
    """
    Write layers as a GeoPackage 1.3.

    Parameters
    ----------
    path : Path
        The file, replaced if it is there; its name ends in ``.gpkg``.
    layers : sequence of Layer
        In the order in which QGIS lists them.
    imprint : Imprint
        What each says of itself.
    vocabularies : Mapping
        Codes that columns of these names may hold.
    finish : callable, optional
        Adds what is left, before the file is put into place.

    Raises
    ------
    OutputError
        If it cannot be written; an older file is then as it was.
    """
    try:
        # beside the target, so that it fails or fits where the target will be
        with tempfile.TemporaryDirectory(
            prefix=f".{path.name}.", dir=path.parent
        ) as folder:
            draft = Path(folder) / path.name
            with _unsynced():
                for layer in layers:
                    _write_layer(draft, layer, imprint)
            _finish(draft, layers, imprint, vocabularies, finish)
            data = draft.read_bytes()
    except (OSError, *_GDAL_ERRORS, sqlite3.Error) as error:
        raise OutputError(
            f"{path} cannot be written: {error}; look for free space and the right "
            "to write, or choose another folder"
        ) from error
    write_atomic(path, data)


@contextlib.contextmanager
def _unsynced() -> Iterator[None]:
    """Keep GDAL from syncing a private draft: half the time, and for nothing."""
    option = "OGR_SQLITE_SYNCHRONOUS"
    former = pyogrio.get_gdal_config_option(option)
    pyogrio.set_gdal_config_options({option: "OFF"})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({option: former})


def _write_layer(path: Path, layer: Layer, imprint: Imprint) -> None:
    """Write one layer with GDAL; the first makes the file."""
    first = not path.exists()
    multi = [
        geometry if isinstance(geometry, MultiPolygon) else MultiPolygon([geometry])
        for geometry in layer.geometries
    ]
    wkb = np.empty(len(multi), dtype=object)
    wkb[:] = shapely.to_wkb(multi, byte_order=1)
    pyogrio.raw.write(
        str(path),
        wkb,
        [_array(layer, column) for column in layer.columns],
        list(layer.columns),
        layer=layer.name,
        driver="GPKG",
        geometry_type="MultiPolygon",
        crs="EPSG:4326",
        append=not first,
        dataset_options={"VERSION": "1.3"} if first else None,
        # not of the dataset: every reader's GDAL would leave an .aux.xml beside it
        layer_metadata=dict(imprint.metadata),
        layer_options={
            "IDENTIFIER": f"{layer.title} {layer.name}",
            "DESCRIPTION": imprint.notice,
        },
    )


def _array(layer: Layer, column: str) -> NDArray[Any]:
    """Give one column as an array of its type; lists and objects become text."""
    kind = layer.columns[column]
    array: NDArray[Any] = np.empty(len(layer.rows), dtype=_NUMPY[kind])
    for index, row in enumerate(layer.rows):
        value = row[column]
        if kind == "text":
            array[index] = None if value is None else _text(value)
        elif value is None:
            array[index] = np.datetime64("NaT") if kind == "day" else np.nan
        else:
            array[index] = value
    return array


def _text(value: object) -> str:
    """Write names as a list for people, and objects as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and all(isinstance(v, str) for v in value):
        return "; ".join(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _finish(
    path: Path,
    layers: Sequence[Layer],
    imprint: Imprint,
    vocabularies: Vocabularies,
    finish: Callable[[sqlite3.Connection], None] | None,
) -> None:
    """Add what GDAL cannot write, and set every time to that of the imprint."""
    instant = imprint.at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    connection = sqlite3.connect(path)
    try:
        # the draft is private and is synced when it is moved into place
        connection.execute("PRAGMA synchronous = OFF")
        connection.executescript(_SCHEMA_EXTENSION + _STYLE_TABLE)
        connection.executemany(
            "INSERT INTO gpkg_data_column_constraints "
            "(constraint_name, constraint_type, value, description) "
            "VALUES (?, 'enum', ?, ?)",
            [
                (f"{name}_codes", code, label)
                for name, labels in vocabularies.items()
                for code, label in labels.items()
            ],
        )
        connection.executemany(
            "INSERT INTO gpkg_data_columns VALUES (?, ?, ?, ?, ?, NULL, ?)",
            [
                (
                    layer.name,
                    column,
                    column,
                    *layer.titles[column],
                    f"{column}_codes" if column in vocabularies else None,
                )
                for layer in layers
                for column in layer.columns
            ],
        )
        connection.executemany(
            "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, "
            "f_geometry_column, styleName, styleQML, styleSLD, useAsDefault, "
            "description, owner, update_time) "
            "VALUES ('', '', ?, 'geom', 'rsmonitor', ?, '', 1, ?, '', ?)",
            [(layer.name, layer.style, layer.title, instant) for layer in layers],
        )
        connection.execute("UPDATE gpkg_contents SET last_change = ?", (instant,))
        connection.execute(
            "UPDATE gpkg_metadata_reference SET timestamp = ?", (instant,)
        )
        if finish is not None:
            finish(connection)
        connection.commit()
    finally:
        connection.close()
