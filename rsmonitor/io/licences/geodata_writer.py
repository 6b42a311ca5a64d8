"""Licences as a GeoPackage and as a shapefile, for the programs of others.

Fields have the names of `Licence`, which every reader here knows; what is written is
read back as it was. Coordinates are longitude and latitude in WGS 84, in full.
"""

import io
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

import numpy as np
import pyogrio.raw
import shapely
from shapely import MultiPolygon

from rsmonitor.errors import LicenceError
from rsmonitor.io.foundation.files import write_atomic
from rsmonitor.records.licence import Licence

MAX_DBF_BYTES: Final = 254
"""Longest text in a field of a shapefile, bytes of UTF-8."""

FIELDS: Final = (
    "licence_id",
    "kind",
    "mine",
    "holder",
    "minerals",
    "associated_minerals",
    "method",
    "issuer",
    "valid_from",
    "valid_to",
    "status",
    "status_history",
    "renewal_accepted",
    "renewal_decided",
    "elevation",
    "deadline",
    "subkind",
    "datum",
    "position_error_m",
    "version",
    "source",
    "invented",
)
"""Names of the fields, in their order."""

_LAYER: Final = "licences"
_DBF_NAME_BYTES: Final = 10
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def write_geopackage(path: Path, licences: Sequence[Licence]) -> None:
    """
    Write licences as the layer ``licences`` of a GeoPackage.

    Parameters
    ----------
    path : Path
        Replaced whole, or not at all.
    licences : sequence of Licence
        One or more.

    Raises
    ------
    LicenceError
        If there is none, or a text cannot be written as UTF-8.
    """
    with tempfile.TemporaryDirectory(prefix="rsmonitor-") as folder:
        draft = Path(folder, "licences.gpkg")
        _write(
            draft,
            licences,
            FIELDS,
            driver="GPKG",
            dataset_options={"VERSION": "1.3"},
            geometry_type="MultiPolygon",
        )
        write_atomic(path, draft.read_bytes())


def write_shapefile(path: Path, licences: Sequence[Licence]) -> None:
    """
    Write licences as a zip of a shapefile, in UTF-8.

    Names of fields are cut after 10 bytes, as the format wants; readers here know them.

    Parameters
    ----------
    path : Path
        The zip; replaced whole, or not at all.
    licences : sequence of Licence
        One or more.

    Raises
    ------
    LicenceError
        If there is none, or a text is longer than the format can hold.
    """
    for licence in _some(licences):
        for name, value in _said(licence).items():
            if len(_encoded(value)) > MAX_DBF_BYTES:
                raise LicenceError(
                    f"licence {licence.licence_id}: {name} has {len(_encoded(value))} "
                    f"bytes, a shapefile holds {MAX_DBF_BYTES}; write a GeoPackage"
                )
    packed = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="rsmonitor-") as folder:
        _write(
            Path(folder, f"{_LAYER}.shp"),
            licences,
            [name[:_DBF_NAME_BYTES] for name in FIELDS],
            driver="ESRI Shapefile",
            encoding="UTF-8",
            # not the day on which it was written: the same licences, the same bytes
            layer_options={"DBF_DATE_LAST_UPDATE": "2000-01-01"},
            geometry_type="Polygon",
        )
        with zipfile.ZipFile(packed, "w") as archive:
            for part in sorted(Path(folder).iterdir()):
                info = zipfile.ZipInfo(part.name, date_time=_EPOCH)
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, part.read_bytes())
    write_atomic(path, packed.getvalue())


def _write(
    path: Path,
    licences: Sequence[Licence],
    names: Sequence[str],
    **options: object,
) -> None:
    """Write a layer with GDAL."""
    rows = [_said(licence) for licence in _some(licences)]
    wkb = np.empty(len(rows), dtype=object)
    wkb[:] = [
        shapely.to_wkb(
            shape if isinstance(shape, MultiPolygon) else MultiPolygon([shape]),
            byte_order=1,
        )
        for shape in (shapely.orient_polygons(one.geometry) for one in licences)
    ]
    columns = []
    for name in FIELDS:
        column = np.empty(len(rows), dtype=object)
        column[:] = [row[name] or None for row in rows]
        for value in column:
            _encoded(value or "")
        columns.append(column)
    pyogrio.raw.write(
        str(path),
        wkb,
        columns,
        list(names),
        layer=_LAYER,
        crs="EPSG:4326",
        **options,
    )


def _some(licences: Sequence[Licence]) -> Sequence[Licence]:
    """Refuse to write nothing: an empty layer would make everything unlicensed."""
    if not licences:
        raise LicenceError("no licence to write: a file of licences has at least one")
    return licences


def _said(licence: Licence) -> Mapping[str, str]:
    """Give all that a licence says, as text."""
    elevation = licence.elevation_m
    return {
        "licence_id": licence.licence_id,
        "kind": licence.kind.value,
        "mine": licence.mine,
        "holder": licence.holder,
        "minerals": "、".join(licence.minerals),
        "associated_minerals": "、".join(licence.associated_minerals),
        "method": licence.method,
        "issuer": licence.issuer,
        "valid_from": str(licence.valid_from or ""),
        "valid_to": str(licence.valid_to or ""),
        "status": licence.status,
        "status_history": ";".join(
            f"{change.on} {change.status.value}" for change in licence.status_history
        ),
        "renewal_accepted": str(licence.renewal_accepted or ""),
        "renewal_decided": str(licence.renewal_decided or ""),
        "elevation": f"{elevation[0]!r}至{elevation[1]!r}米" if elevation else "",
        "deadline": str(licence.deadline or ""),
        "subkind": licence.subkind,
        "datum": licence.datum,
        "position_error_m": f"{Decimal(repr(float(licence.position_error_m))):f}",
        "version": str(licence.version),
        "source": licence.source,
        "invented": "true" if licence.invented else "",
    }


def _encoded(text: str) -> bytes:
    """Encode text, and say which cannot be."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise LicenceError(
            f"character {error.start} of the text is half of a pair and cannot be "
            "written; correct the name that has it"
        ) from error
