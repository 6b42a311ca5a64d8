"""The 卫片 forms of a package: database, shapefile, TXT, and what is not confirmed.

Nobody outside has a public statement of these forms. They follow two public samples,
and beside them lies a table that says of each field what was put there and whether
anybody has confirmed that it belongs there.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rsmonitor.io.deliver.geojson import notice
from rsmonitor.io.deliver.tables import Column, Table, csv_bytes
from rsmonitor.io.deliver.weipian.database import database_bytes, database_name
from rsmonitor.io.deliver.weipian.fields import (
    FieldRule,
    FieldTable,
    read_field_table,
)
from rsmonitor.io.deliver.weipian.parcels import Parcel, parcels_of
from rsmonitor.io.deliver.weipian.shapes import shapefile_parts, txt_parts
from rsmonitor.io.foundation.files import make_folder, write_atomic
from rsmonitor.records.package import Language, Package

FIELDS_FILE: Final = "字段说明.csv"
"""Says of each field what was put there, and whether that is confirmed."""

NOTE_FILE: Final = "说明.txt"
"""What a reader of the forms must know."""

_WORDS: Final[Mapping[Language, tuple[tuple[str, ...], str]]] = {
    "zh": (
        (
            (
                "坐标系：2000国家大地坐标系（CGCS2000）。数据库和图层为经纬度，"
                "TXT为3度分带高斯克吕格投影，面积单位公顷。"
            ),
            (
                "编号（JCBH）为rsmonitor自编：县级代码、首次发现年份、"
                "线索编号十二位，各周不变。"
            ),
            f"字段含义多数未经确认，见{FIELDS_FILE}；填报前请与本省要求核对。",
        ),
        "下列图斑位于东经73.5至136.5度以外，CGCS2000无对应3度带，未写入TXT：",
    ),
    "en": (
        (
            (
                "Coordinates are CGCS2000: degrees in the database and the layer, "
                "Gauss-Krueger zones of 3 degrees in TXT, whose areas are hectares."
            ),
            (
                "Numbers (JCBH) are rsmonitor's own: county code, year first seen, "
                "twelve characters of the alert; the same in every week."
            ),
            (
                f"Most meanings of fields are not confirmed, see {FIELDS_FILE}; "
                "compare with what your province asks for before you hand them in."
            ),
        ),
        (
            "These parcels lie outside 73.5 to 136.5 degrees east, where CGCS2000 has "
            "no zones of 3 degrees; they are in no TXT:"
        ),
    ),
}
"""What the note says, and what it says before the parcels that no TXT holds."""

_COLUMNS: Final = (
    Column(key="table", zh="表", en="table"),
    Column(key="field", zh="字段", en="field"),
    Column(key="fact", zh="填写内容", en="what stands there"),
    Column(key="unit", zh="单位", en="unit"),
    Column(key="status", zh="是否确认", en="confirmed"),
    Column(key="note", zh="说明", en="what is known"),
)


def write_weipian(
    folder: Path, package: Package, *, table: FieldTable | None = None
) -> None:
    """
    Write the 卫片 forms of a package into a folder.

    Parameters
    ----------
    folder : Path
        Made if it is missing; files of the same names are replaced.
    package : Package
        What an area receives.
    table : FieldTable, optional
        What stands in which field, from
        `rsmonitor.io.deliver.weipian.fields.read_field_table`; by default the table
        that is shipped.

    Raises
    ------
    OutputError
        If a file cannot be written, or a geometry is not longitude and latitude.
    """
    table = table or read_field_table()
    parcels = parcels_of(package)
    texts, outside = txt_parts(parcels, table)
    files = {
        database_name(package.area.code, package.area.name_zh): database_bytes(
            parcels, table
        ),
        **shapefile_parts(parcels, table, day=package.week.last_day),
        **texts,
        FIELDS_FILE: csv_bytes([_fields(table)]),
        NOTE_FILE: note_bytes(
            outside, language=package.language, invented=package.invented
        ),
    }
    make_folder(folder)
    for name, data in files.items():
        write_atomic(folder / name, data)


def note_bytes(
    outside: Sequence[Parcel], *, language: Language, invented: bool
) -> bytes:
    """
    Say what a reader of the forms must know.

    Parameters
    ----------
    outside : sequence of Parcel
        Parcels that no TXT holds, from
        `rsmonitor.io.deliver.weipian.shapes.txt_parts`.
    language : {"zh", "en"}
        In which language.
    invented : bool
        True where licences are invented, which is said.

    Returns
    -------
    bytes
        UTF-8 with BOM, so that Notepad reads it, CRLF.
    """
    said, none = _WORDS[language]
    lines = [notice(invented=invented), *said]
    if outside:
        lines += [none, *(f"  {parcel.number}" for parcel in outside)]
    return "\r\n".join([*lines, ""]).encode("utf-8-sig")


def _fields(table: FieldTable) -> Table:
    """Lay out what stands in which field."""
    rules: list[tuple[str, str, FieldRule]] = [
        *(("JCTB", name, rule) for name, rule in table.parcels.items()),
        *(("FJ", name, rule) for name, rule in table.images.items()),
    ]
    return Table(
        key="fields",
        title="字段说明",
        columns=_COLUMNS,
        rows=tuple(
            (of, name, rule.fact, rule.unit, rule.status, rule.note)
            for of, name, rule in rules
        ),
    )
