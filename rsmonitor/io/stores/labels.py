"""Labels: what people found, with its geometry, for training and accuracy."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon
from shapely.geometry import shape

from rsmonitor.errors import OutputError
from rsmonitor.io.foundation.files import make_folder, write_atomic

SCHEMA_VERSION: Final = 1
"""Raised when a property changes its name or meaning."""

COLUMNS: Final[Mapping[str, str]] = {
    "label_id": "text",
    "site_id": "text",
    "verdict": "text",
    "verdict_zh": "text",
    "cause": "text",
    "cause_zh": "text",
    "kind": "text",
    "judged_by": "text",
    "judged_on": "day",
    "imagery": "text",
    "agreed": "flag",
    "latest": "flag",
    "photos": "number",
    "detected_cause": "text",
    "detected_probability": "number",
    "model_id": "text",
    "began_after": "day",
    "began_by": "day",
    "last_seen": "day",
    "tier": "text",
    "area_m2": "number",
    "district": "text",
    "event": "number",
}
"""Properties of a label, in their order, and how a GeoPackage types them."""

_NUMPY: Final = {"text": "O", "number": "f8", "flag": "?", "day": "datetime64[D]"}


def write_labels(
    path: Path, features: Sequence[Mapping[str, Any]], *, notice: str, software: str
) -> None:
    """
    Write labels, whole or not at all.

    Parameters
    ----------
    path : Path
        Ends in ``.geojson``, ``.json`` or ``.gpkg``, which decides the format.
    features : sequence of Mapping
        GeoJSON features with the properties `COLUMNS`.
    notice : str
        The sentence that every product carries.
    software : str
        Who wrote it.

    Raises
    ------
    OutputError
        If the name says no known format, or the file cannot be written.
    """
    ending = path.suffix.lower()
    if ending == ".gpkg":
        _write_geopackage(path, features, notice=notice, software=software)
    elif ending in {".geojson", ".json"}:
        lines = ",\n".join(_json(feature) for feature in features)
        head = {
            "type": "FeatureCollection",
            "schema_version": SCHEMA_VERSION,
            "notice": notice,
            "software": software,
        }
        members = ",\n".join(f"{_json(k)}:{_json(v)}" for k, v in head.items())
        body = f'"features":[\n{lines}\n]' if lines else '"features":[]'
        make_folder(path.absolute().parent)
        write_atomic(path.absolute(), f"{{{members},\n{body}}}\n".encode())
    else:
        raise OutputError(
            f"{path}: labels are written as .geojson or .gpkg; name the file so"
        )


def _write_geopackage(
    path: Path, features: Sequence[Mapping[str, Any]], *, notice: str, software: str
) -> None:
    """Write one layer with GDAL beside its place, and move it there."""
    import pyogrio  # noqa: PLC0415 - GeoJSON need not wait for GDAL

    shapes = [_multi(shape(feature["geometry"])) for feature in features]
    wkb = np.empty(len(shapes), dtype=object)
    wkb[:] = shapely.to_wkb(shapes, byte_order=1) if shapes else []
    target = path.absolute()
    make_folder(target.parent)
    with tempfile.TemporaryDirectory(prefix=".labels-", dir=target.parent) as folder:
        draft = Path(folder, "labels.gpkg")
        try:
            pyogrio.raw.write(
                str(draft),
                wkb,
                [_array(features, column) for column in COLUMNS],
                list(COLUMNS),
                layer="labels",
                driver="GPKG",
                geometry_type="MultiPolygon",
                crs="EPSG:4326",
                dataset_options={"VERSION": "1.3"},
                layer_metadata={"notice": notice, "software": software},
                layer_options={"IDENTIFIER": "标签 labels", "DESCRIPTION": notice},
            )
        except Exception as error:  # GDAL raises whatever it trips over
            raise OutputError(f"{path} cannot be written: {error}") from error
        write_atomic(target, draft.read_bytes())


def _multi(geometry: Any) -> MultiPolygon:  # noqa: ANN401 - shapely's shape
    """Give one type of geometry to the layer."""
    return MultiPolygon([geometry]) if isinstance(geometry, Polygon) else geometry


def _array(features: Sequence[Mapping[str, Any]], column: str) -> Any:  # noqa: ANN401 - of any type
    """Give one column as an array of its type."""
    kind = COLUMNS[column]
    array = np.empty(len(features), dtype=_NUMPY[kind])
    missing = {"text": None, "number": np.nan, "flag": False, "day": "NaT"}[kind]
    for index, feature in enumerate(features):
        value = feature["properties"][column]
        if isinstance(value, str) and kind == "day":
            value = np.datetime64(date.fromisoformat(value))
        array[index] = missing if value is None else value
    return array


def _json(value: object) -> str:
    """Write JSON on one line."""
    try:
        return json.dumps(
            value, ensure_ascii=False, separators=(",", ":"), allow_nan=False
        )
    except ValueError as error:
        raise OutputError(f"GeoJSON holds finite numbers only: {error}") from error
