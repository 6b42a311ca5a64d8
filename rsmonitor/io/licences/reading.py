"""One way in for licence files of every format.

The content decides which reader takes a file, never its name and never GDAL. What the
readers find is placed, named and dated here; one parcel that cannot be used is refused
and the others are read.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

import shapely
from shapely import MultiPolygon, Polygon

from rsmonitor.errors import ContractError, LicenceError
from rsmonitor.io.licences.areas import is_no_area
from rsmonitor.io.licences.attributes import plain
from rsmonitor.io.licences.coordinates import Understood, packed_angles, understand
from rsmonitor.io.licences.found import (
    LicenceFile,
    ReadParcel,
    Refusal,
    UnusableError,
    kind_of_number,
    kind_of_subkind,
)
from rsmonitor.io.licences.gauss import CGCS2000
from rsmonitor.io.licences.parcel import Declared, Parcel, ParcelFile
from rsmonitor.io.licences.terms import (
    RULE_CONTRADICTION,
    RULE_MILITARY,
    Said,
    other_number,
    said_by,
)
from rsmonitor.io.licences.txt import looks_like_txt, read_txt
from rsmonitor.io.licences.untrusted import (
    Members,
    decoded,
    is_zip,
    read_bytes,
    shown,
)
from rsmonitor.records.licence import (
    DATUM_ERRORS_M,
    Licence,
    LicenceKind,
    StatusChange,
    military_word,
)
from rsmonitor.stages.gcj02 import from_gcj02, gcj02_shift
from rsmonitor.stages.geodesy import area_m2

_SQLITE: Final = b"SQLite format 3\0"
_SHP: Final = b"\x00\x00\x27\x0a"
_OLE: Final = b"\xd0\xcf\x11\xe0"
_SAMPLE: Final = 20_000
_DIGEST_DECIMALS: Final = 6
_MAX_REASONS: Final = 20

_RULE_TWICE: Final = (
    "parcels of one licence contradict each other, and nothing says which is right: "
    "keep one, or give all of them the same fields"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """A licence, and how its parcel was understood."""

    licence: Licence
    parcel: ReadParcel
    line: int | None


def read_any(
    path: Path,
    *,
    kind: LicenceKind | None = None,
    defaults: Declared | None = None,
    known: Mapping[str, Polygon | MultiPolygon] | None = None,
    convert_gcj02: bool = False,
) -> LicenceFile:
    """
    Read a file of licences, whatever its format.

    Parameters
    ----------
    path : Path
        GeoJSON, the ministry's TXT or a list of corners, a table as CSV or XLSX, a
        shapefile (or its zip), a GeoPackage, or KML.
    kind : LicenceKind, optional
        What the parcels are where the file does not say; by default what the first
        letter of the licence's number says, else a mining right, with a warning.
    defaults : Declared, optional
        What is known of the coordinates where the file does not say: datum, zone, unit.
    known : mapping of str to Polygon or MultiPolygon, optional
        Parcels by licence number that are known to be in place, CRS84: a file that is
        shifted against them as web maps are is refused.
    convert_gcj02 : bool, default False
        Take the corners for coordinates of web maps, and convert them.

    Returns
    -------
    LicenceFile
        Licences, refusals and repairs.

    Raises
    ------
    LicenceError
        If the file cannot be read, has another format, has nothing that can be used,
        or is shifted as web maps are.

    Examples
    --------
    >>> read_any(Path("no-such.txt"))
    Traceback (most recent call last):
    rsmonitor.errors.LicenceError: no-such.txt: there is no such file
    """
    content = read_bytes(path, what="a file of licences")
    reader = _reader(path, content)
    if reader is None:
        found = _geojson(path, kind, convert_gcj02=convert_gcj02)
    else:
        parcels = reader(path)
        found = licences_of(
            str(path),
            hashlib.sha256(content).hexdigest(),
            parcels,
            kind=kind,
            defaults=defaults,
            convert_gcj02=convert_gcj02,
        )
    if known and not convert_gcj02:
        _refuse_shifted(found, known)
    return found


def licences_of(
    file: str,
    sha256: str,
    found: ParcelFile,
    *,
    kind: LicenceKind | None = None,
    defaults: Declared | None = None,
    convert_gcj02: bool = False,
) -> LicenceFile:
    """
    Make licences of the parcels of a file.

    Parameters
    ----------
    file : str
        Its path, for messages.
    sha256 : str
        Digest of its bytes.
    found : ParcelFile
        What its reader found.
    kind : LicenceKind, optional
        As for `read_any`.
    defaults : Declared, optional
        As for `read_any`.
    convert_gcj02 : bool, default False
        As for `read_any`.

    Returns
    -------
    LicenceFile
        Licences, refusals and repairs.

    Raises
    ------
    LicenceError
        If nothing can be used.
    """
    packed = packed_angles(found.parcels)
    refused = list(found.refused)
    made: list[_Made] = []
    unread: Counter[str] = Counter()
    for parcel in found.parcels:
        try:
            understood = understand(
                parcel, defaults=defaults, packed=packed, convert_gcj02=convert_gcj02
            )
            made.append(_made(file, parcel, understood, kind, unread))
        except UnusableError as error:
            refused.append(_refusal(file, parcel, error))
    one_each = _joined(file, made, refused)
    if not one_each:
        raise LicenceError(_none_left(file, refused))
    repairs = list(found.repairs)
    for one in one_each:
        where = f"{file}, {one.parcel.where} ({shown(one.licence.licence_id)[1:-1]})"
        repairs.extend(f"{where}: {note}" for note in one.parcel.repairs)
        repairs.extend(f"{where}: {note}" for note in one.parcel.warnings)
    repairs.extend(
        f"{file}: {note} ({count} parcels)" for note, count in sorted(unread.items())
    )
    return LicenceFile(
        path=file,
        sha256=sha256,
        licences=tuple(one.licence for one in one_each),
        refused=tuple(refused),
        repairs=tuple(repairs),
        parcels=tuple(one.parcel for one in one_each),
    )


def _reader(path: Path, content: bytes) -> Callable[[Path], ParcelFile] | None:
    """Decide by content which reader takes a file; None for GeoJSON."""
    # heavy libraries are loaded for the format that needs them
    if is_zip(content):
        return _zip_reader(path, content)
    if content.startswith(_SQLITE):
        from rsmonitor.io.licences.geopackage import read_geopackage  # noqa: PLC0415

        return read_geopackage
    if content.startswith(_SHP):
        from rsmonitor.io.licences.shapefile import read_shapefile  # noqa: PLC0415

        return read_shapefile
    if content.startswith(_OLE):
        raise LicenceError(
            f"{path}: is a workbook or document of the old kind (.xls, .doc); save it "
            "as XLSX or CSV"
        )
    return _text_reader(path, content)


def _zip_reader(path: Path, content: bytes) -> Callable[[Path], ParcelFile]:
    """Decide which reader takes a zip."""
    names = [name.lower() for name in Members(str(path), content).names]
    if any(name.endswith(".shp") for name in names):
        from rsmonitor.io.licences.shapefile import read_shapefile  # noqa: PLC0415

        return read_shapefile
    if any(name.endswith(".kml") for name in names):
        from rsmonitor.io.licences.kml import read_kml  # noqa: PLC0415

        return read_kml
    if any(name.startswith("xl/") for name in names):
        from rsmonitor.io.licences.tables import read_tables  # noqa: PLC0415

        return read_tables
    raise LicenceError(
        f"{path}: is a zip without a shapefile, a KML or a workbook: "
        f"{shown(names[:5])}; unpack it and give the file itself"
    )


def _text_reader(path: Path, content: bytes) -> Callable[[Path], ParcelFile] | None:
    """Decide which reader takes a text."""
    start = content[:_SAMPLE].removeprefix(b"\xef\xbb\xbf").replace(b"\0", b"").lstrip()
    start = start.removeprefix(b"\xff\xfe").removeprefix(b"\xfe\xff").lstrip()
    if start.startswith((b"{", b"[{", b"[[")):
        return None
    if start.startswith(b"<"):
        if b"kml" not in start.lower():
            raise LicenceError(
                f"{path}: is XML or HTML and no KML; save it as KML, GeoJSON or a table"
            )
        from rsmonitor.io.licences.kml import read_kml  # noqa: PLC0415

        return read_kml
    if _is_txt(path, content):
        return read_txt
    from rsmonitor.io.licences.tables import read_tables  # noqa: PLC0415

    return read_tables


def _is_txt(path: Path, content: bytes) -> bool:
    """Say whether a text is the ministry's."""
    if b"\0" in content[:_SAMPLE] and not content.startswith(
        (b"\xff\xfe", b"\xfe\xff")
    ):
        return True  # UTF-16 without its mark, which only that reader knows
    text, _ = decoded(str(path), content)
    return looks_like_txt(text[:_SAMPLE])


def _geojson(
    path: Path, kind: LicenceKind | None, *, convert_gcj02: bool
) -> LicenceFile:
    """Read GeoJSON by its own strict reader."""
    from rsmonitor.io.licences.geojson import read_licences  # noqa: PLC0415

    found = read_licences(path, kind=kind)
    if not convert_gcj02:
        return found
    licences = tuple(
        replace(one, geometry=from_gcj02(one.geometry)) for one in found.licences
    )
    note = "converted from GCJ-02, the coordinates of web maps"
    return replace(
        found,
        licences=licences,
        parcels=tuple(
            replace(
                parcel,
                geometry=licence.geometry,
                computed_area_m2=area_m2(licence.geometry),
                repairs=(*parcel.repairs, note),
            )
            for parcel, licence in zip(found.parcels, licences, strict=True)
        ),
        repairs=(*found.repairs, f"{path}: {note}"),
    )


def _made(
    file: str,
    parcel: Parcel,
    understood: Understood,
    kind: LicenceKind | None,
    unread: Counter[str],
) -> _Made:
    """Make a licence of a parcel."""
    _refuse_military(parcel)
    said = said_by(parcel.attributes)
    repairs = [*parcel.repairs, *understood.repairs]
    warnings = list(understood.warnings)
    unread.update(note for note in said.notes if note.endswith("is not read"))
    warnings += [note for note in said.notes if not note.endswith("is not read")]
    _doubted(parcel, understood, warnings)
    if is_no_area(parcel.stated_area):
        warnings.append(
            f"stated area {shown(parcel.stated_area)} is none: not compared"
        )
    values = dict(said.values)
    values.setdefault("mine", " ".join(parcel.name.split()))
    values["licence_id"] = _number(parcel, understood, said, repairs)
    if "kind" not in values:
        values["kind"] = _kind(values, kind, repairs, warnings)
    if "valid_from" not in values or "valid_to" not in values:
        warnings.append(
            "its dates are not complete: what is judged by it stays unclear"
        )
    values.setdefault("source", Path(file).name)
    values.setdefault("datum", understood.datum)
    values["position_error_m"] = _error_m(values, understood)
    licence = _licence(understood.geometry, values)
    return _Made(
        licence=licence,
        line=parcel.line,
        parcel=ReadParcel(
            licence_id=licence.licence_id,
            name=licence.mine or parcel.number or licence.licence_id,
            where=parcel.where,
            geometry=licence.geometry,
            computed_area_m2=understood.computed_area_m2,
            stated_area_m2=parcel.stated_area_m2,
            crs=understood.crs,
            zone=understood.zone,
            repairs=tuple(repairs),
            warnings=tuple(warnings),
        ),
    )


def _licence(geometry: Polygon | MultiPolygon, values: Mapping[str, Any]) -> Licence:
    """Make the record, whose own rules refuse what contradicts itself."""
    try:
        return Licence(geometry=geometry, **values)
    except ContractError as error:
        raise UnusableError(str(error), "correct the fields of this licence") from error


def _error_m(values: Mapping[str, object], understood: Understood) -> float:
    """Decide the error of position: a field may not make a bad datum better."""
    stated = values.get("position_error_m")
    if not isinstance(stated, float):
        return understood.position_error_m
    if understood.position_error_m <= DATUM_ERRORS_M[CGCS2000]:
        return stated
    return max(stated, understood.position_error_m)


def _refuse_military(parcel: Parcel) -> None:
    """Refuse what a field says is military."""
    word = military_word(
        [parcel.name, *parcel.attributes.keys(), *parcel.attributes.values()]
    )
    if word is not None:
        raise UnusableError(f"says {word}", RULE_MILITARY)


def _doubted(parcel: Parcel, understood: Understood, warnings: list[str]) -> None:
    """Refuse a parcel that its reader doubts and whose area is another."""
    if not parcel.doubt:
        return
    stated = parcel.stated_area_m2
    if stated is not None and any("stated area" in one for one in understood.warnings):
        raise UnusableError(
            parcel.doubt,
            f"and the area is {understood.computed_area_m2:.1f} m2 where {stated:.10g} "
            "m2 are stated; get the whole file",
        )
    warnings.append(parcel.doubt)


def _number(
    parcel: Parcel, understood: Understood, said: Said, repairs: list[str]
) -> str:
    """Give the number of the licence, or a stable one made of the parcel."""
    number = str(said.values.get("licence_id", ""))
    own = plain(parcel.number).upper()
    official = own[:1] in ("C", "T", "D") and own[1:].isdigit() and len(own) >= 18  # noqa: PLR2004 - the shorter of both codes
    if official and number[:1].upper() == own[:1] and other_number(number, own):
        raise UnusableError(
            f"the licence is {shown(number)} and the parcel {shown(parcel.number)}",
            RULE_CONTRADICTION,
        )
    if number:
        return number
    if official:
        return own
    corners = shapely.get_coordinates(understood.geometry.normalize())
    words = corners.round(_DIGEST_DECIMALS).tolist(), parcel.name, parcel.number
    digest = hashlib.sha256(repr(words).encode("utf-8", "replace")).hexdigest()[:12]
    repairs.append(
        f"it has no number of a licence: it is called parcel-{digest}, a digest of its "
        "corners and names"
    )
    return f"parcel-{digest}"


def _kind(
    values: Mapping[str, object],
    given: LicenceKind | None,
    repairs: list[str],
    warnings: list[str],
) -> LicenceKind:
    """Decide what a licence permits where no field says it."""
    subkind = str(values.get("subkind", ""))
    told = kind_of_subkind(subkind) if given is None else None
    if told is not None:
        repairs.append(f"no kind; {subkind} is a {told.value}")
        return told
    kind, warning = kind_of_number(str(values["licence_id"]), given)
    if warning:
        warnings.append(warning)
    return kind


def _refusal(file: str, parcel: Parcel, error: UnusableError) -> Refusal:
    """Put a refusal on record."""
    called = parcel.number or parcel.name
    line = error.line if error.line is not None else parcel.line
    where = parcel.where
    if error.line is not None and error.line != parcel.line:
        where += f", line {error.line}" if "line" in where else f", row {error.line}"
    if called and shown(called)[1:-1] not in where:
        where += f" ({shown(called)[1:-1]})"
    return Refusal(
        file=file, where=where, value=error.value, rule=error.rule, line=line
    )


def _joined(file: str, made: Sequence[_Made], refused: list[Refusal]) -> list[_Made]:
    """Join the parcels of each licence; refuse those that contradict each other."""
    groups: dict[tuple[str, LicenceKind], list[_Made]] = {}
    for one in made:
        key = one.licence.licence_id, one.licence.kind
        groups.setdefault(key, []).append(one)
    kept: list[_Made] = []
    for (number, _), group in groups.items():
        first = group[0]
        if len(group) == 1:
            kept.append(first)
            continue
        different = next(
            (
                one
                for one in group
                if _but_geometry(one.licence) != _but_geometry(first.licence)
            ),
            None,
        )
        if different is not None:
            told = _difference(first, different)
            refused.extend(
                Refusal(
                    file=file,
                    where=f"{one.parcel.where} ({shown(number)[1:-1]})",
                    value=f"licence {shown(number)}: {told}",
                    rule=_RULE_TWICE,
                    line=one.line,
                )
                for one in group
            )
            continue
        kept.append(_union(group))
    return kept


def _difference(one: _Made, other: _Made) -> str:
    """Name the first field in which two parcels differ, and both values."""
    first, second = _but_geometry(one.licence), _but_geometry(other.licence)
    for item in fields(Licence):
        left, right = getattr(first, item.name), getattr(second, item.name)
        if left != right:
            return (
                f"{item.name} is {_word(left)} ({one.parcel.where}) and "
                f"{_word(right)} ({other.parcel.where})"
            )
    return "two parcels"


def _word(value: object) -> str:
    """Show a value of a licence as a person would write it."""
    if isinstance(value, tuple):
        value = "、".join(
            f"{one.on} {one.status}" if isinstance(one, StatusChange) else str(one)
            for one in value
        )
    return "unknown" if value in {None, ""} else shown(str(value))


def _but_geometry(licence: Licence) -> Licence:
    """Give a licence that differs from another only if their fields do."""
    return replace(licence, geometry=shapely.box(0.0, 0.0, 1.0, 1.0), mine="")


def _union(group: Sequence[_Made]) -> _Made:
    """Make one licence of several parcels."""
    first = group[0]
    whole = shapely.union_all([one.licence.geometry for one in group])
    parts = [part for part in shapely.get_parts(whole) if isinstance(part, Polygon)]
    geometry = parts[0] if len(parts) == 1 else MultiPolygon(parts)
    geometry = shapely.orient_polygons(geometry)
    licence = replace(first.licence, geometry=geometry)
    computed = area_m2(geometry)
    stated = [one.parcel.stated_area_m2 for one in group]
    total = sum(one.parcel.computed_area_m2 for one in group)
    notes = [note for one in group for note in one.parcel.repairs]
    warnings = [note for one in group for note in one.parcel.warnings]
    notes.append(f"{len(group)} parcels of one licence were joined")
    if total - computed > 1.0:
        warnings.append(f"its parcels overlap by {total - computed:.1f} m2")
    known = [one for one in stated if one is not None]
    return replace(
        first,
        licence=licence,
        parcel=replace(
            first.parcel,
            geometry=geometry,
            computed_area_m2=computed,
            stated_area_m2=sum(known) if len(known) == len(stated) else None,
            repairs=tuple(dict.fromkeys(notes)),
            warnings=tuple(dict.fromkeys(warnings)),
        ),
    )


def _refuse_shifted(
    found: LicenceFile, known: Mapping[str, Polygon | MultiPolygon]
) -> None:
    """Refuse a file that lies beside known parcels as web maps do."""
    shift = gcj02_shift({one.licence_id: one.geometry for one in found.licences}, known)
    if shift is not None and shift.is_gcj02:
        raise LicenceError(
            f"{found.path}: lies {shift.length_m:.0f} m beside {shift.compared} known "
            f"parcels, {shift.east_m:.0f} m east and {shift.north_m:.0f} m north, as "
            "coordinates of web maps (GCJ-02) do: get the originals, or have it "
            "converted with --from-gcj02"
        )


def _none_left(file: str, refused: Iterable[Refusal]) -> str:
    """Say why nothing of a file can be used."""
    reasons = [f"{one.where}: {one.value}: {one.rule}" for one in refused]
    more = len(reasons) - _MAX_REASONS
    listed = reasons[:_MAX_REASONS] + ([f"and {more} more"] if more > 0 else [])
    return f"{file}: no parcel can be used: " + ("; ".join(listed) or "there is none")
