"""A run as one GeoPackage that QGIS opens styled, with Chinese titles.

The same result gives the same bytes with the same GDAL and SQLite.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import shapely
from shapely import MultiPolygon, Polygon

from rsmonitor.errors import OutputError
from rsmonitor.io.deliver import qml
from rsmonitor.io.deliver.geojson import (
    alerts_collection,
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
from rsmonitor.io.deliver.triage.qgis_package import (
    ColumnType,
    Imprint,
    Layer,
    write_layers,
)
from rsmonitor.records.disturbance import CAUSE_LABELS, Cause
from rsmonitor.records.licence import KIND_LABELS, LicenceKind, RegisterSnapshot
from rsmonitor.records.package import Language
from rsmonitor.records.rasters import Tier
from rsmonitor.records.run import Coverage, RunResult
from rsmonitor.records.site import STATE_LABELS, SiteState
from rsmonitor.records.verdict import (
    CATEGORY_LABELS,
    CERTAINTY_LABELS,
    Category,
)

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

_LICENCE_TITLES: Final[Mapping[Language, tuple[str, str]]] = {
    "zh": ("许可证", "许可证（虚构）"),
    "en": ("licences", "licences (invented)"),
}
"""Title of the layer of licences: of real ones, and of invented ones."""


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
    week = result.partition.week
    write_layers(
        path,
        (
            _alerts(result),
            _disturbances(result),
            licence_layer(result.register, week.last_day),
            coverage_layer(result.coverage),
        ),
        imprint=Imprint(
            metadata=_metadata(result),
            notice=notice(invented=result.register.invented),
            at=week.end,
        ),
        vocabularies=labels_in("zh"),
    )


def _alerts(result: RunResult) -> Layer:
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
    return Layer(
        name="alerts",
        title="疑似线索",
        columns=_ALERT_COLUMNS,
        titles=FIELD_LABELS,
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


def _disturbances(result: RunResult) -> Layer:
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
    return Layer(
        name="disturbances",
        title="扰动图斑",
        columns=_SITE_COLUMNS,
        titles=FIELD_LABELS,
        geometries=_geometries(features),
        rows=[_with_labels(feature["properties"]) for feature in features],
        style=_style(_SITE_COLUMNS, qml.categorised("tier", entries)),
    )


def labels_in(language: Language) -> dict[str, dict[str, str]]:
    """
    Give the label of each code of `VOCABULARIES` in one language.

    Parameters
    ----------
    language : {"zh", "en"}
        Which.

    Returns
    -------
    dict
        By column and code.
    """
    place = 0 if language == "zh" else 1
    return {
        column: {code: label[place] for code, label in labels.items()}
        for column, labels in VOCABULARIES.items()
    }


def titles_in(language: Language, columns: Mapping[str, ColumnType]) -> dict[str, str]:
    """
    Give the title of each column of `FIELD_LABELS` in one language.

    Parameters
    ----------
    language : {"zh", "en"}
        Which.
    columns : Mapping
        Columns of a layer.

    Returns
    -------
    dict of str to str
        Title by column.
    """
    place = 0 if language == "zh" else 1
    return {column: FIELD_LABELS[column][place] for column in columns}


def licence_layer(
    register: RegisterSnapshot,
    day: date,
    *,
    language: Language = "zh",
    extra: Sequence[qml.Element] = (),
    halo: str | None = None,
) -> Layer:
    """
    Lay out the register.

    Parameters
    ----------
    register : RegisterSnapshot
        Licences.
    day : date
        On which they are in force or not.
    language : {"zh", "en"}, default "zh"
        Of titles and labels.
    extra : sequence of Element, optional
        What else its style holds.
    halo : str, optional
        Colour under the outlines, where they lie on imagery.

    Returns
    -------
    Layer
        One row a licence.

    Raises
    ------
    OutputError
        If the geometry of a licence is thinner than a centimetre.
    """
    place = 0 if language == "zh" else 1
    rows, geometries = [], []
    for licence in register.licences:
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
            label=f"{KIND_LABELS[kind][place]}·{VALIDITY_LABELS[validity][place]}",
            fill=None,
            outline=KIND_COLOURS[kind],
            outline_mm=0.7,
            line=_line(kind, validity),
            halo=halo,
        )
        for kind in LicenceKind
        for validity in Validity
        if (kind.value, validity.value) in present
    ]
    return Layer(
        name="licences",
        title=_LICENCE_TITLES[language][register.invented],
        columns=_LICENCE_COLUMNS,
        titles=FIELD_LABELS,
        geometries=geometries,
        rows=rows,
        style=_style(
            _LICENCE_COLUMNS,
            qml.categorised('"kind" || \' \' || "validity"', entries),
            label_field="licence_id",
            language=language,
            extra=extra,
        ),
    )


def _line(kind: LicenceKind, validity: Validity) -> str:
    """Dot what is not in force, as the map does; dash what is no mining right."""
    if validity is not Validity.IN_FORCE:
        return "dot"
    return "solid" if kind is LicenceKind.MINING else "dash"


def coverage_layer(
    coverage: Sequence[Coverage],
    *,
    language: Language = "zh",
    extra: Sequence[qml.Element] = (),
) -> Layer:
    """
    Lay out what was seen.

    Parameters
    ----------
    coverage : sequence of Coverage
        By grid and week.
    language : {"zh", "en"}, default "zh"
        Of titles and labels.
    extra : sequence of Element, optional
        What else its style holds.

    Returns
    -------
    Layer
        One row a district, week and grid.

    Raises
    ------
    OutputError
        If a geometry is no place on Earth, or thinner than a centimetre.
    """
    rows, geometries = [], []
    for one in sorted(coverage, key=lambda c: (c.district, c.week, c.grid_id)):
        geometry = rounded(one.geometry, what=f"coverage of {one.grid_id}")
        if geometry is None:
            raise OutputError(
                f"coverage of {one.grid_id}: its outline is thinner than a centimetre; "
                "correct the outline of the district"
            )
        geometries.append(geometry)
        age = one.median_days_since_clear
        rows.append(
            {
                "district": one.district,
                "grid_id": one.grid_id,
                "week": str(one.week),
                "area_m2": round(one.area_m2, 1),
                "share_seen": round(one.share_seen, 4),
                "share_monitored": round(one.share_monitored, 4),
                "median_days_since_clear": None if math.isnan(age) else round(age, 1),
                "scenes_used": one.scenes_used,
                "scenes_without_clear": one.scenes_without_clear,
            }
        )
    outline = qml.Entry(
        value="",
        label="监测范围" if language == "zh" else "monitored area",
        fill=None,
        outline="#333333",
        outline_mm=0.3,
    )
    return Layer(
        name="coverage",
        title="观测覆盖" if language == "zh" else "what was seen",
        columns=_COVERAGE_COLUMNS,
        titles=FIELD_LABELS,
        geometries=geometries,
        rows=rows,
        style=_style(
            _COVERAGE_COLUMNS, qml.single(outline), language=language, extra=extra
        ),
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
    columns: Mapping[str, ColumnType],
    renderer: str,
    label_field: str | None = None,
    *,
    language: Language = "zh",
    extra: Sequence[qml.Element] = (),
) -> str:
    """Write the style of a layer: renderer, labels, titles, code lists."""
    labels = labels_in(language)
    return qml.document(
        renderer,
        titles=titles_in(language, columns),
        code_lists={column: labels[column] for column in columns if column in labels},
        label_field=label_field,
        extra=extra,
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
