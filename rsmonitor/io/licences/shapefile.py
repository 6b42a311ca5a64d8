"""Shapefiles, bare or in a zip, read byte by byte.

GDAL is not asked: pyogrio has no list of drivers that it may use, so that a file that
only pretends to be a shapefile would be opened as whatever it is. The format is a page
long; read here, a damaged record costs itself and not its neighbours, and rings come as
they are written. Specification: ESRI Shapefile Technical Description, July 1998; dBASE
III tables.
"""

import math
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Final

from rsmonitor.errors import LicenceError
from rsmonitor.io.licences.attributes import MAX_TEXT, identity, plain
from rsmonitor.io.licences.field_names import NAMES
from rsmonitor.io.licences.found import Refusal, UnusableError
from rsmonitor.io.licences.parcel import Declared, Order, Parcel, ParcelFile, Ring
from rsmonitor.io.licences.untrusted import Members, decoded, is_zip, read_bytes, shown

MAX_FIELDS: Final = 255
"""Most fields of a dBASE table that ESRI allows."""

MAX_RECORDS: Final = 200_000
"""Most parcels of one layer; the whole country has fewer mining rights."""

_FILE_CODE: Final = 9994
_VERSION: Final = 1000
_HEADER_BYTES: Final = 100
_HEADER: Final = struct.Struct(">7i")
_HEADER_TYPE: Final = struct.Struct("<2i")
_RECORD: Final = struct.Struct(">2i")
_NULL: Final = 0
_POLYGONS: Final = (5, 15, 25)
_TYPES: Final[Mapping[int, str]] = {
    1: "points",
    3: "lines",
    8: "points",
    11: "points",
    13: "lines",
    18: "points",
    21: "points",
    23: "lines",
    28: "points",
    31: "surfaces in space",
}
_COUNTS: Final = struct.Struct("<2i")
_COUNTS_AT: Final = 36
_PARTS_AT: Final = 44
_POINT_BYTES: Final = 16

_DBF_HEADER: Final = struct.Struct("<xxxxIHH17xB")
_FIELD_BYTES: Final = 32
_FIELD: Final = struct.Struct("<11sc4xB")
_FIELDS_END: Final = 0x0D
_DELETED: Final = 0x2A
_DAY: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_CODE_PAGES: Final[Mapping[int, str]] = {0x4D: "gb18030", 0x7A: "gb18030"}
_ENCODINGS: Final = (
    (re.compile(r"utf-?8|65001", re.IGNORECASE), "utf-8"),
    (re.compile(r"gbk|gb-?2312|gb-?18030|936|euc-?cn", re.IGNORECASE), "gb18030"),
    (re.compile(r"big-?5|950", re.IGNORECASE), "big5"),
)
_CUT_CHARACTER: Final = 4
_NAME_BYTES: Final = 10
_KNOWN: Final[Mapping[str, str]] = {
    plain(name): key for key, names in NAMES.items() for name in names
}
_MAX_WKT: Final = 2**16

_SIDES: Final = ("dbf", "prj", "cpg")
_RULE_AREAS: Final = "a licence is an area: export the polygons"
_RULE_CUT: Final = "the file is cut off or damaged there; get it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    """The files of one shapefile."""

    name: str
    """What messages call it."""

    shp: bytes
    dbf: bytes | None
    prj: bytes | None
    cpg: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """One record of a ``.shp``."""

    number: int
    """Counted from 1."""

    rings: tuple[Ring, ...] | None
    """None where the record has no shape."""

    error: UnusableError | None
    """Why it cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A ``.dbf``: one row a shape."""

    rows: tuple[Mapping[str, str] | None, ...]
    """None where the row is marked as deleted."""

    stated: int
    """How many rows the header says that there are."""

    notes: tuple[str, ...]


def read_shapefile(path: Path) -> ParcelFile:
    """
    Read a shapefile, or all shapefiles in a zip.

    Parameters
    ----------
    path : Path
        A ``.shp`` with its ``.dbf``, ``.prj`` and ``.cpg`` beside it, or a zip.

    Returns
    -------
    ParcelFile
        A parcel for each polygon; where there is no ``.prj``, nothing is declared and
        the size of the numbers has to decide.

    Raises
    ------
    LicenceError
        If the file is missing, too large or no shapefile, or the zip is built to harm
        or has no shapefile in it.

    Examples
    --------
    >>> read_shapefile(Path("no-such.shp"))
    Traceback (most recent call last):
    rsmonitor.errors.LicenceError: no-such.shp: there is no such file
    """
    content = read_bytes(path, what="a shapefile, or a zip of one")
    parcels: list[Parcel] = []
    refused: list[Refusal] = []
    repairs: list[str] = []
    layers = (
        _zipped(str(path), content)
        if is_zip(content)
        else [_beside(path, content, repairs)]
    )
    for layer in layers:
        _read_layer(str(path), layer, parcels, refused, repairs)
    return ParcelFile(
        parcels=tuple(parcels), refused=tuple(refused), repairs=tuple(repairs)
    )


def _zipped(file: str, content: bytes) -> Iterator[_Files]:
    """Give the shapefiles of a zip, each with the files of its name."""
    members = Members(file, content)
    by_name = {name.lower(): name for name in members.names}
    shapes = [name for name in members.names if name.lower().endswith(".shp")]
    if not shapes:
        raise LicenceError(
            f"{file}: no member ends in .shp, of {len(members.names)}: pack the .shp "
            "with its .dbf, .prj and .cpg"
        )
    for shape in shapes:
        stem = shape.lower().removesuffix("shp")
        beside = {
            side: members.read(by_name[stem + side])
            for side in _SIDES
            if stem + side in by_name
        }
        yield _Files(
            name=PurePosixPath(shape).name,
            shp=members.read(shape),
            dbf=beside.get("dbf"),
            prj=beside.get("prj"),
            cpg=beside.get("cpg"),
        )


def _beside(path: Path, content: bytes, repairs: list[str]) -> _Files:
    """Give a bare shapefile with the files of its name beside it."""
    found: dict[str, bytes] = {}
    for side in _SIDES:
        for written in (side, side.upper(), side.capitalize()):
            neighbour = path.with_suffix(f".{written}")
            if not neighbour.exists():
                continue
            if neighbour.is_symlink() and not path.is_symlink():
                repairs.append(f"{path}: {neighbour.name} is a link, which is not read")
                continue
            found.setdefault(side, read_bytes(neighbour, what="a part of a shapefile"))
    return _Files(
        name=path.name,
        shp=content,
        dbf=found.get("dbf"),
        prj=found.get("prj"),
        cpg=found.get("cpg"),
    )


def _read_layer(
    file: str,
    layer: _Files,
    parcels: list[Parcel],
    refused: list[Refusal],
    repairs: list[str],
) -> None:
    """Join shapes with their rows; what cannot be used is refused alone."""
    inside = "" if Path(file).name == layer.name else f"{shown(layer.name)[1:-1]}, "
    called = file if not inside else f"{file}, {inside[:-2]}"

    def refuse(where: str, value: str, rule: str, line: int | None = None) -> None:
        refused.append(
            Refusal(file=file, where=inside + where, value=value, rule=rule, line=line)
        )

    try:
        shapes = list(_shapes(called, layer.shp))
        table = _table(called, layer, len(shapes))
    except LicenceError as error:
        if not inside:
            raise
        # another shapefile of the zip may be whole
        refuse("the file", str(error).removeprefix(f"{called}: "), "it is not used")
        return
    declared, notes = _declared(called, layer.prj)
    repairs.extend([*notes, *(table.notes if table else ())])
    for shape in shapes:
        where = f"record {shape.number}"
        if shape.error is not None:
            refuse(where, shape.error.value, shape.error.rule, shape.number)
            continue
        if table is not None and shape.number > len(table.rows):
            refuse(
                where,
                f"no row {shape.number} in the .dbf, which has {len(table.rows)}",
                "every parcel has a row that says whose it is; export it again",
                shape.number,
            )
            continue
        attributes = {} if table is None else table.rows[shape.number - 1]
        if attributes is None:
            repairs.append(f"{called}, {where}: marked as deleted; not read")
            continue
        if shape.rings is None:
            refuse(where, "it has no shape", _RULE_AREAS, shape.number)
            continue
        found = identity(attributes)
        parcels.append(
            Parcel(
                file=file,
                where=inside + where,
                rings=shape.rings,
                line=shape.number,
                name=found.name,
                number=found.number,
                declared=declared,
                attributes=attributes,
                stated_area=found.stated_area,
                stated_area_m2=found.stated_area_m2,
            )
        )


def _shapes(called: str, content: bytes) -> Iterator[_Shape]:
    """Give the records of a ``.shp``; the first that is cut off is the last."""
    if len(content) < _HEADER_BYTES:
        raise LicenceError(
            f"{called}: {len(content)} bytes: a .shp has a header of {_HEADER_BYTES}; "
            "get it again"
        )
    code, *_, words = _HEADER.unpack_from(content)
    version, layer_type = _HEADER_TYPE.unpack_from(content, _HEADER.size)
    if code != _FILE_CODE or version != _VERSION:
        raise LicenceError(
            f"{called}: begins with {shown(content[:12])}: a .shp begins with the "
            f"number {_FILE_CODE}; it is another format under this name"
        )
    if layer_type not in (*_POLYGONS, _NULL):
        kind = _TYPES.get(layer_type, f"shapes of type {layer_type}")
        raise LicenceError(f"{called}: it holds {kind}: {_RULE_AREAS}")
    stated = 2 * words
    end = min(stated, len(content))
    place, number = _HEADER_BYTES, 0
    while place < end:
        number += 1
        if number > MAX_RECORDS:
            raise LicenceError(
                f"{called}: more than {MAX_RECORDS} records: keep only the licences of "
                "your districts"
            )
        if place + _RECORD.size > end:
            yield _broken(number, f"byte {place}", _RULE_CUT)
            return
        _, length = _RECORD.unpack_from(content, place)
        place += _RECORD.size
        if length < 2 or place + 2 * length > end:  # noqa: PLR2004 - the shape's type
            yield _broken(
                number,
                f"a record of {2 * length} bytes at byte {place}, of {len(content)}",
                _RULE_CUT,
            )
            return
        record = memoryview(content)[place : place + 2 * length]
        place += 2 * length
        try:
            yield _Shape(number=number, rings=_rings(record), error=None)
        except UnusableError as error:
            yield _Shape(number=number, rings=None, error=error)
    if stated > len(content):
        yield _broken(
            number + 1,
            f"{len(content)} bytes where the header says {stated}",
            _RULE_CUT,
        )


def _broken(number: int, value: str, rule: str) -> _Shape:
    """Say why a record cannot be used."""
    return _Shape(number=number, rings=None, error=UnusableError(value, rule))


def _rings(record: memoryview) -> tuple[Ring, ...] | None:
    """Read the rings of one polygon; heights and measures are of no use here."""
    (shape_type,) = struct.unpack_from("<i", record)
    if shape_type == _NULL:
        return None
    if shape_type not in _POLYGONS:
        kind = _TYPES.get(shape_type, f"a shape of type {shape_type}")
        raise UnusableError(f"it holds {kind}", _RULE_AREAS)
    if len(record) < _PARTS_AT:
        raise UnusableError(f"a polygon of {len(record)} bytes", _RULE_CUT)
    parts, points = _COUNTS.unpack_from(record, _COUNTS_AT)
    points_at = _PARTS_AT + 4 * parts
    if (
        parts < 1
        or points < parts
        or points_at + _POINT_BYTES * points > len(record)  # counts are hostile
    ):
        raise UnusableError(
            f"{parts} rings of {points} corners in {len(record)} bytes", _RULE_CUT
        )
    starts = [*struct.unpack_from(f"<{parts}i", record, _PARTS_AT), points]
    if starts[0] != 0 or any(end <= start for start, end in pairwise(starts)):
        raise UnusableError(f"rings that start at {shown(starts)}", _RULE_CUT)
    values = struct.unpack_from(f"<{2 * points}d", record, points_at)
    wrong = next((value for value in values if not math.isfinite(value)), None)
    if wrong is not None:
        raise UnusableError(
            f"a coordinate is {wrong}", "coordinates are finite numbers; correct it"
        )
    corners = tuple(zip(values[::2], values[1::2], strict=True))
    return tuple(
        Ring(label="", corners=corners[start:end]) for start, end in pairwise(starts)
    )


def _declared(called: str, prj: bytes | None) -> tuple[Declared, list[str]]:
    """Give what a ``.prj`` says; what it means is not decided here."""
    if prj is None or not prj.strip():
        note = (
            f"{called}: no .prj says what the coordinates are; their size has to decide"
        )
        return Declared(order=Order.EAST_FIRST), [note]
    if len(prj) > _MAX_WKT:
        raise LicenceError(
            f"{called}: its .prj has {len(prj)} bytes: at most {_MAX_WKT} are read; "
            "export it again"
        )
    text, _ = decoded(f"{called}, .prj", prj)
    return Declared(definition=text.strip(), order=Order.EAST_FIRST), []


def _table(called: str, layer: _Files, shapes: int) -> _Table | None:
    """Read the ``.dbf`` in the encoding that is stated, else in the one that fits."""
    content = layer.dbf
    if content is None:
        return None
    if len(content) < _FIELD_BYTES + 1:
        raise LicenceError(
            f"{called}: its .dbf has {len(content)} bytes, less than a header; get it "
            "again"
        )
    stated, header_bytes, row_bytes, code_page = _DBF_HEADER.unpack_from(content)
    fields = _fields(called, content, header_bytes, row_bytes)
    whole = (len(content) - header_bytes) // row_bytes
    count = min(stated, whole, shapes)
    rows = [
        content[start : start + row_bytes]
        for start in range(header_bytes, header_bytes + row_bytes * count, row_bytes)
    ]
    texts = [
        row[start : start + width]
        for row in rows
        for _, kind, start, width in fields
        if kind == "C"
    ]
    encoding, notes = _encoding(
        called, layer.cpg, code_page, [*texts, *(name for name, *_ in fields)]
    )
    names, cut = _named(called, fields, encoding)
    notes.extend(cut)
    if stated != shapes:
        notes.append(
            f"{called}: {shapes} shapes and {stated} rows in the .dbf; joined in their "
            "order"
        )
    return _Table(
        rows=tuple(_row(row, fields, names, encoding) for row in rows),
        stated=stated,
        notes=tuple(notes),
    )


def _fields(
    called: str, content: bytes, header_bytes: int, row_bytes: int
) -> list[tuple[bytes, str, int, int]]:
    """Give name, type, start in the row, and width of each field."""
    fields: list[tuple[bytes, str, int, int]] = []
    start = 1
    place = _FIELD_BYTES
    while place + _FIELD_BYTES <= min(header_bytes, len(content)):
        if content[place] == _FIELDS_END:
            break
        name, kind, width = _FIELD.unpack_from(content, place)
        fields.append((name.split(b"\0")[0], kind.decode("latin-1"), start, width))
        start += width
        place += _FIELD_BYTES
    if not 1 <= len(fields) <= MAX_FIELDS or start > row_bytes:
        raise LicenceError(
            f"{called}: its .dbf has {len(fields)} fields of {start} bytes in rows of "
            f"{row_bytes}: that is no dBASE table; export it again"
        )
    if header_bytes > len(content):
        raise LicenceError(f"{called}: its .dbf ends in its header; get it again")
    return fields


def _encoding(
    called: str, cpg: bytes | None, code_page: int, texts: list[bytes]
) -> tuple[str, list[str]]:
    """Choose the encoding in which every text can be read."""
    said = (cpg or b"").decode("latin-1").strip()
    stated = next((name for mark, name in _ENCODINGS if mark.search(said)), None)
    first = stated or _CODE_PAGES.get(code_page)
    candidates = [first] if first else []
    candidates += [name for name in ("utf-8", "gb18030") if name != first]
    for encoding in candidates:
        if all(_readable(text, encoding) for text in texts):
            if first and encoding != first:
                note = (
                    f"{called}: its text is said to be {shown(said or hex(code_page))} "
                    f"and is not; read as {encoding}"
                )
                return encoding, [note]
            return encoding, []
    raise LicenceError(
        f"{called}: the text of its .dbf is none of {', '.join(candidates)}: export it "
        "again as UTF-8 with a .cpg"
    )


def _readable(raw: bytes, encoding: str) -> bool:
    """Say whether a text is in an encoding, its last character perhaps cut off."""
    try:
        _text(raw, encoding)
    except UnicodeDecodeError:
        return False
    return True


def _text(raw: bytes, encoding: str) -> str:
    """Decode a field; its width may have cut its last character."""
    raw = raw.rstrip(b" \0")
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        if error.start == 0 or len(raw) - error.start >= _CUT_CHARACTER:
            raise
        if error.end != len(raw):
            raise
        return raw[: error.start].decode(encoding)


def _named(
    called: str, fields: list[tuple[bytes, str, int, int]], encoding: str
) -> tuple[list[str], list[str]]:
    """Give the names of the fields, each once, and which were cut off."""
    candidates = [_candidates(raw, encoding) for raw, *_ in fields]
    ends = any(
        {_KNOWN[one] for one in fitting} == {"valid_to"} for fitting in candidates
    )
    names: list[str] = []
    notes: list[str] = []
    for (raw, *_), fitting in zip(fields, candidates, strict=True):
        name = _text(raw, encoding).strip() or "field"
        keys = {_KNOWN[one] for one in fitting}
        # beside an end of validity there is a beginning, not a period or another end
        if ends and "valid_from" in keys <= {"valid_from", "period", "valid_to"}:
            fitting = [one for one in fitting if _KNOWN[one] == "valid_from"]  # noqa: PLW2901 - the same, fewer
            keys = {"valid_from"}
        whole = fitting[0] if len(keys) == 1 else f"{name}…" if keys else name
        if whole != name:
            notes.append(
                f"{called}: field {shown(name)} was cut off after {_NAME_BYTES} bytes; "
                + (
                    f"read as {whole}"
                    if len(keys) == 1
                    else "not read: write it as CSV"
                )
            )
        again = 2
        unique = whole
        while unique in names:
            unique, again = f"{whole}_{again}", again + 1
        names.append(unique)
    return names, notes


def _candidates(raw: bytes, encoding: str) -> list[str]:
    """Give the names of a licence's fields that a name may be the beginning of."""
    name = raw.decode(encoding, errors="replace").lower()
    cut_within = name.endswith("\ufffd")
    # a character of two bytes does not fit into the last one
    full = _NAME_BYTES if encoding == "utf-8" else _NAME_BYTES - 1
    if len(raw) < full and not cut_within:
        return []
    if plain(name) in _KNOWN and not cut_within:
        return []
    return [
        one
        for one in _KNOWN
        if one.encode(encoding, errors="replace").startswith(raw.lower())
    ]


def _row(
    row: bytes,
    fields: list[tuple[bytes, str, int, int]],
    names: list[str],
    encoding: str,
) -> Mapping[str, str] | None:
    """Read one row; empty fields are left out."""
    if row[0] == _DELETED:
        return None
    values: dict[str, str] = {}
    for name, (_, kind, start, width) in zip(names, fields, strict=True):
        raw = row[start : start + width]
        if kind == "C":
            text = _text(raw, encoding)
        elif kind in "NFDL":
            text = raw.decode("latin-1").strip(" \0")
        else:  # memos and blobs are in files that are not read
            continue
        if kind == "D":
            text = _day(text)
        if kind == "L" and text == "?":
            text = ""
        text = " ".join(text.split())[:MAX_TEXT]
        if text:
            values[name] = text
    return values


def _day(text: str) -> str:
    """Write a dBASE date as ISO 8601, if it is one; leave it as it is if not."""
    found = _DAY.fullmatch(text)
    if found is None:
        return text
    try:
        return date(*(int(part) for part in found.groups())).isoformat()
    except ValueError:
        return "" if text == "00000000" else text
