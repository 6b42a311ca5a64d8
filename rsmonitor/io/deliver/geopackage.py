"""A run as one GeoPackage that QGIS opens styled, with Chinese titles.

GDAL writes the layers; what it cannot write (styles, titles, fixed times) is added
with SQL afterwards. Version 1.3 because QGIS 3.22 warns about 1.4. The same result
gives the same bytes with the same GDAL and SQLite.
"""

import contextlib
import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pyogrio
import pyogrio.raw
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError
from shapely import MultiPolygon, Polygon

from rsmonitor.errors import OutputError
from rsmonitor.io.deliver import qml
from rsmonitor.io.deliver.geojson import (
    alerts_collection,
    coverage_collection,
    disturbances_collection,
    notice,
    rounded,
)
from rsmonitor.io.deliver.legend import (
    CATEGORY_COLOURS,
    FIELD_LABELS,
    KIND_COLOURS,
    TIER_LABELS,
    VALIDITY_LABELS,
    Validity,
    validity_on,
)
from rsmonitor.io.foundation.files import write_atomic
from rsmonitor.records.disturbance import CAUSE_LABELS, Cause
from rsmonitor.records.licence import KIND_LABELS, LicenceKind
from rsmonitor.records.rasters import Tier
from rsmonitor.records.run import RunResult
from rsmonitor.records.site import STATE_LABELS, SiteState
from rsmonitor.records.verdict import (
    CATEGORY_LABELS,
    CERTAINTY_LABELS,
    Category,
)

ColumnType = Literal["text", "integer", "number", "day", "yes_no"]

_SITE_COLUMNS: Final[Mapping[str, ColumnType]] = {
    "site_id": "text",
    "tier": "text",
    "tier_zh": "text",
    "state": "text",
    "state_zh": "text",
    "began_after": "day",
    "began_by": "day",
    "first_seen": "day",
    "confirmed": "day",
    "last_seen": "day",
    "last_clear": "day",
    "clear_looks_since": "integer",
    "area_m2": "number",
    "cause": "text",
    "cause_zh": "text",
    "cause_probability": "number",
    "causes": "text",
}

_ALERT_COLUMNS: Final[Mapping[str, ColumnType]] = {
    "rank": "integer",
    "alert_id": "text",
    "version": "integer",
    "category": "text",
    "category_zh": "text",
    "certainty": "text",
    "area_mu": "number",
    **_SITE_COLUMNS,
    "licence_ids": "text",
    "parts": "text",
    "restrictions": "text",
    "register_warnings": "text",
    "register_snapshot": "text",
    "law_table": "text",
    "county_codes": "text",
    "bureau": "text",
    "scenes": "text",
    "software": "text",
    "settings_digest": "text",
    "model_id": "text",
    "invented_licences": "yes_no",
    "notice": "text",
}

_LICENCE_COLUMNS: Final[Mapping[str, ColumnType]] = {
    "licence_id": "text",
    "kind": "text",
    "kind_zh": "text",
    "validity": "text",
    "valid_from": "day",
    "valid_to": "day",
    "minerals": "text",
    "holder": "text",
    "status": "text",
    "invented": "yes_no",
}

_COVERAGE_COLUMNS: Final[Mapping[str, ColumnType]] = {
    "district": "text",
    "grid_id": "text",
    "week": "text",
    "area_m2": "number",
    "share_seen": "number",
    "share_monitored": "number",
    "median_days_since_clear": "number",
    "scenes_used": "integer",
    "scenes_without_clear": "integer",
}

VOCABULARIES: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "tier": {t.code: TIER_LABELS[t] for t in Tier if t is not Tier.NONE},
    "category": {c.value: CATEGORY_LABELS[c] for c in Category},
    "certainty": {c.value: label for c, label in CERTAINTY_LABELS.items()},
    "cause": {c.value: label for c, label in CAUSE_LABELS.items()},
    "state": {s.value: label for s, label in STATE_LABELS.items()},
    "kind": {k.value: label for k, label in KIND_LABELS.items()},
    "validity": {v.value: label for v, label in VALIDITY_LABELS.items()},
}
"""Codes that a column may hold, with their Chinese and English labels."""

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
class _Layer:
    """One layer before it is written."""

    name: str
    title: str
    columns: Mapping[str, ColumnType]
    geometries: Sequence[Polygon | MultiPolygon]
    rows: Sequence[Mapping[str, Any]]
    style: str


def write_geopackage(path: Path, result: RunResult) -> None:
    """
    Write alerts, disturbances, licences and coverage of a run as a GeoPackage 1.3.

    Parameters
    ----------
    path : Path
        The file, replaced if it is there; its name ends in ``.gpkg``.
    result : RunResult
        What the run says.

    Raises
    ------
    OutputError
        If it cannot be written; an older file is then as it was.
    """
    layers = (
        _alerts(result),
        _disturbances(result),
        _licences(result),
        _coverage(result),
    )
    try:
        # beside the target, so that it fails or fits where the target will be
        with tempfile.TemporaryDirectory(
            prefix=f".{path.name}.", dir=path.parent
        ) as folder:
            draft = Path(folder) / path.name
            with _unsynced():
                for layer in layers:
                    _write_layer(draft, layer, result)
            _finish(draft, layers, result)
            data = draft.read_bytes()
    except (OSError, *_GDAL_ERRORS, sqlite3.Error) as error:
        raise OutputError(
            f"{path} cannot be written: {error}; look for free space and the right "
            "to write, or choose another folder"
        ) from error
    write_atomic(path, data)


def _alerts(result: RunResult) -> _Layer:
    """Flatten the alerts."""
    features = alerts_collection(result)["features"]
    rows = [_with_labels(feature["properties"]) for feature in features]
    present = {row["category"] for row in rows}
    entries = [
        qml.Entry(
            value=category.value,
            label=CATEGORY_LABELS[category][0],
            fill=CATEGORY_COLOURS[category],
            outline="#000000",
            outline_mm=0.4,
        )
        for category in Category
        if category.value in present
    ]
    return _Layer(
        name="alerts",
        title="疑似线索",
        columns=_ALERT_COLUMNS,
        geometries=_geometries(features),
        rows=rows,
        style=_style(
            _ALERT_COLUMNS,
            qml.categorised(
                "category",
                entries,
                other=qml.Entry(
                    value="",
                    label="其他",
                    fill="#777777",
                    outline="#000000",
                    outline_mm=0.4,
                ),
            ),
            label_field="rank",
        ),
    )


def _disturbances(result: RunResult) -> _Layer:
    """Flatten the standing sites."""
    features = disturbances_collection(result)["features"]
    outlines = {"low": "#b0b0b0", "medium": "#707070", "high": "#202020"}
    entries = [
        qml.Entry(
            value=tier,
            label=f"证据等级：{VOCABULARIES['tier'][tier][0]}",
            fill=None,
            outline=outlines[tier],
            outline_mm=0.35,
        )
        for tier in reversed(outlines)
    ]
    return _Layer(
        name="disturbances",
        title="扰动图斑",
        columns=_SITE_COLUMNS,
        geometries=_geometries(features),
        rows=[_with_labels(feature["properties"]) for feature in features],
        style=_style(_SITE_COLUMNS, qml.categorised("tier", entries)),
    )


def _licences(result: RunResult) -> _Layer:
    """Lay out the register."""
    day = result.partition.week.last_day
    rows, geometries = [], []
    for licence in result.register.licences:
        geometry = rounded(licence.geometry, what=f"licence {licence.licence_id}")
        if geometry is None:
            raise OutputError(
                f"licence {licence.licence_id} is thinner than a centimetre; correct "
                "its geometry in the licence file"
            )
        geometries.append(geometry)
        rows.append(
            {
                "licence_id": licence.licence_id,
                "kind": licence.kind.value,
                "kind_zh": KIND_LABELS[licence.kind][0],
                "validity": validity_on(licence, day).value,
                "valid_from": licence.valid_from,
                "valid_to": licence.valid_to,
                "minerals": licence.minerals,
                "holder": licence.holder,
                "status": licence.status,
                "invented": licence.invented,
            }
        )
    present = {(row["kind"], row["validity"]) for row in rows}
    entries = [
        qml.Entry(
            value=f"{kind.value} {validity.value}",
            label=f"{KIND_LABELS[kind][0]}·{VALIDITY_LABELS[validity][0]}",
            fill=None,
            outline=KIND_COLOURS[kind],
            outline_mm=0.7,
            line=_line(kind, validity),
        )
        for kind in LicenceKind
        for validity in Validity
        if (kind.value, validity.value) in present
    ]
    return _Layer(
        name="licences",
        title="许可证（虚构）" if result.register.invented else "许可证",
        columns=_LICENCE_COLUMNS,
        geometries=geometries,
        rows=rows,
        style=_style(
            _LICENCE_COLUMNS,
            qml.categorised('"kind" || \' \' || "validity"', entries),
            label_field="licence_id",
        ),
    )


def _line(kind: LicenceKind, validity: Validity) -> str:
    """Dot what is not in force, as the map does; dash what is no mining right."""
    if validity is not Validity.IN_FORCE:
        return "dot"
    return "solid" if kind is LicenceKind.MINING else "dash"


def _coverage(result: RunResult) -> _Layer:
    """Lay out the coverage."""
    features = coverage_collection(result)["features"]
    outline = qml.Entry(
        value="", label="监测范围", fill=None, outline="#333333", outline_mm=0.3
    )
    return _Layer(
        name="coverage",
        title="观测覆盖",
        columns=_COVERAGE_COLUMNS,
        geometries=_geometries(features),
        rows=[feature["properties"] for feature in features],
        style=_style(_COVERAGE_COLUMNS, qml.single(outline)),
    )


def _with_labels(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Add the Chinese label beside each code."""
    row = dict(properties)
    labels: Mapping[str, Callable[[str], tuple[str, str]]] = {
        "tier": lambda code: TIER_LABELS[Tier[code.upper()]],
        "state": lambda code: STATE_LABELS[SiteState(code)],
        "cause": lambda code: CAUSE_LABELS[Cause(code)],
        "category": lambda code: CATEGORY_LABELS[Category(code)],
    }
    for column, label in labels.items():
        if column in row:
            row[f"{column}_zh"] = label(row[column])[0]
    return row


def _geometries(features: Sequence[Mapping[str, Any]]) -> list[Polygon | MultiPolygon]:
    """Give the geometries of GeoJSON features."""
    shapes = [shapely.geometry.shape(feature["geometry"]) for feature in features]
    return [shape for shape in shapes if isinstance(shape, Polygon | MultiPolygon)]


def _style(
    columns: Mapping[str, ColumnType], renderer: str, label_field: str | None = None
) -> str:
    """Write the style of a layer: renderer, labels, Chinese titles, code lists."""
    return qml.document(
        renderer,
        titles={column: FIELD_LABELS[column][0] for column in columns},
        code_lists={
            column: {code: label[0] for code, label in VOCABULARIES[column].items()}
            for column in columns
            if column in VOCABULARIES
        },
        label_field=label_field,
    )


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


def _write_layer(path: Path, layer: _Layer, result: RunResult) -> None:
    """Write one layer with GDAL; the first makes the file."""
    first = not path.exists()
    multi = [
        geometry if isinstance(geometry, MultiPolygon) else MultiPolygon([geometry])
        for geometry in layer.geometries
    ]
    wkb = np.empty(len(multi), dtype=object)
    wkb[:] = shapely.to_wkb(multi, byte_order=1)
    sentence = notice(invented=result.register.invented)
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
        layer_metadata=_metadata(result),
        layer_options={
            "IDENTIFIER": f"{layer.title} {layer.name}",
            "DESCRIPTION": sentence,
        },
    )


def _metadata(result: RunResult) -> dict[str, str]:
    """Say what the file is, for `ogrinfo` and for QGIS."""
    return {
        "notice": notice(invented=result.register.invented),
        "invented_licences": "true" if result.register.invented else "false",
        "software": result.software,
        "district": result.partition.district,
        "week": str(result.partition.week),
        "settings_digest": result.partition.settings_digest,
    }


def _array(layer: _Layer, column: str) -> NDArray[Any]:
    """Give one column as an array of its type; lists and objects become text."""
    kind = layer.columns[column]
    array: NDArray[Any] = np.empty(len(layer.rows), dtype=_NUMPY[kind])
    for index, row in enumerate(layer.rows):
        value = row[column]
        if kind == "text":
            array[index] = _text(value)
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


def _finish(path: Path, layers: Sequence[_Layer], result: RunResult) -> None:
    """Add what GDAL cannot write, and set every time to the end of the week."""
    instant = result.partition.week.end.strftime("%Y-%m-%dT%H:%M:%S.000Z")
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
                (f"{name}_codes", code, label[0])
                for name, labels in VOCABULARIES.items()
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
                    *FIELD_LABELS[column],
                    f"{column}_codes" if column in VOCABULARIES else None,
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
        connection.commit()
    finally:
        connection.close()
