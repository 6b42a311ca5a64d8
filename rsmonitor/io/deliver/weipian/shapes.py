"""Parcels of the 卫片 forms as a shapefile, and as the ministry's TXT, in CGCS2000."""

import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon

from rsmonitor.errors import OutputError
from rsmonitor.io.deliver.weipian.fields import PARCEL_COLUMNS, FieldTable
from rsmonitor.io.deliver.weipian.parcels import MACHINE_READ, Parcel, value_of
from rsmonitor.records.verdict import CATEGORY_LABELS
from rsmonitor.stages.coordinates import zone_of
from rsmonitor.stages.parcel_text import TextParcel, head_lines, parcel_lines

NAME: Final = "JCTB"
"""Name of the layer, and of its files."""

CRS: Final = "EPSG:4490"
"""CGCS2000, degrees."""

MAX_DBF_BYTES: Final = 254
"""Longest text in a field of a shapefile."""


def shapefile_parts(
    parcels: Sequence[Parcel], table: FieldTable, *, day: date
) -> dict[str, bytes]:
    """
    Give parcels as a shapefile.

    Parameters
    ----------
    parcels : sequence of Parcel
        May be empty: no alert is news too.
    table : FieldTable
        What stands in the fields, which are those of JCTB.
    day : date
        Of which day it says that it is: not the one on which it was written.

    Returns
    -------
    dict of str to bytes
        ``JCTB.shp``, ``.shx``, ``.dbf``, ``.prj`` and ``.cpg``, by name. A text that is
        longer than 254 bytes is cut; WKT and lists are then left out.

    Raises
    ------
    OutputError
        If GDAL cannot write it.
    """
    # heavy, and most commands write none
    import pyogrio.raw  # noqa: PLC0415
    from pyogrio.errors import (  # noqa: PLC0415
        DataLayerError,
        DataSourceError,
        FeatureError,
        FieldError,
    )

    wkb = np.empty(len(parcels), dtype=object)
    wkb[:] = [
        shapely.to_wkb(
            one.outline
            if isinstance(one.outline, MultiPolygon)
            else MultiPolygon([one.outline]),
            byte_order=1,
        )
        for one in parcels
    ]
    with tempfile.TemporaryDirectory(prefix="rsmonitor-") as folder:
        try:
            pyogrio.raw.write(
                str(Path(folder, f"{NAME}.shp")),
                wkb,
                [_column(name, parcels, table) for name in PARCEL_COLUMNS],
                list(PARCEL_COLUMNS),
                driver="ESRI Shapefile",
                crs=CRS,
                geometry_type="Polygon",
                encoding=table.shapefile_encoding,
                layer_options={"DBF_DATE_LAST_UPDATE": day.isoformat()},
            )
        except (DataLayerError, DataSourceError, FeatureError, FieldError) as error:
            raise OutputError(
                f"{NAME}.shp cannot be written: {error}; look for free space where "
                "temporary files lie"
            ) from error
        return {part.name: part.read_bytes() for part in sorted(Path(folder).iterdir())}


def txt_parts(
    parcels: Sequence[Parcel], table: FieldTable
) -> tuple[dict[str, bytes], tuple[Parcel, ...]]:
    """
    Give the outlines as the ministry's TXT, a file for each zone.

    Parameters
    ----------
    parcels : sequence of Parcel
        Any.
    table : FieldTable
        Says the encoding.

    Returns
    -------
    files : dict of str to bytes
        ``JCTB_39.txt`` for zone 39, by name. An outline that lies across the border of
        two zones stands whole in that of its point.
    outside : tuple of Parcel
        Those in no file, because they lie outside the zones of China: CGCS2000 has
        Gauss-Krueger zones from 73.5 to 136.5 degrees east only.
    """
    zones: dict[int, list[Parcel]] = {}
    outside = []
    for parcel in parcels:
        zone = zone_of(parcel.point.x)
        if zone is None:
            outside.append(parcel)
        else:
            zones.setdefault(zone, []).append(parcel)
    return {
        f"{NAME}_{zone}.txt": _txt(theirs, zone).encode(table.txt_encoding, "replace")
        for zone, theirs in sorted(zones.items())
    }, tuple(outside)


def _txt(parcels: Sequence[Parcel], zone: int) -> str:
    """Write the parcels of a zone; CRLF as the programs of the bureaus do."""
    said = [
        TextParcel(
            number=one.number,
            name=f"{CATEGORY_LABELS[one.alert.verdict.category][0]} {one.short_name}",
            geometry=one.outline,
        )
        for one in parcels
    ]
    return "\r\n".join([*head_lines(zone), *parcel_lines(said, zone), ""])


def _column(name: str, parcels: Sequence[Parcel], table: FieldTable) -> NDArray[Any]:
    """Give one column of the shapefile."""
    rule = table.parcels[name]
    values = [value_of(rule, parcel) for parcel in parcels]
    if PARCEL_COLUMNS[name] == "REAL":
        return np.array(
            [v if isinstance(v, float) else np.nan for v in values], dtype=np.float64
        )
    column = np.empty(len(parcels), dtype=object)
    encoding = table.shapefile_encoding
    column[:] = [
        None if v is None else _held(str(v), encoding, whole=rule.fact in MACHINE_READ)
        for v in values
    ]
    return column


def _held(text: str, encoding: str, *, whole: bool) -> str | None:
    """Give what a field of a shapefile holds of a text."""
    data = text.encode(encoding, "replace")
    if len(data) <= MAX_DBF_BYTES:
        return data.decode(encoding)
    # cut between characters, which take several bytes
    return None if whole else data[:MAX_DBF_BYTES].decode(encoding, "ignore")
