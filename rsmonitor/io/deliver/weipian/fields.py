"""Which fact stands in which field of the 卫片 forms: a table that people can edit.

The layout comes from public samples; most meanings are a reading of initials. So the
meanings are data (``fields.toml``), each with what is known about it, and whoever has
the instructions of his province puts them right without touching code.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from rsmonitor.errors import SettingsError

SHIPPED: Final = Path(__file__).with_name("fields.toml")
"""The table that comes with rsmonitor."""

SCHEMA: Final = 1
"""Version of the layout of the table."""

ENCODINGS: Final = ("UTF-8", "GBK")
"""In what the shapefile and the TXT can be written."""

Status = Literal["confirmed", "unconfirmed"]

PARCEL_COLUMNS: Final[Mapping[str, str]] = {
    "JCBH": "TEXT",
    "TBLX": "TEXT",
    "XZQDM": "TEXT",
    "XMC": "TEXT",
    "JCMJ": "REAL",
    "QSX": "TEXT",
    "HSX": "TEXT",
    "XZB": "REAL",
    "YZB": "REAL",
    "TZ": "TEXT",
    "PZD": "TEXT",
    "BGDL": "TEXT",
    "BGFW": "TEXT",
    "WBGLX": "TEXT",
    "BZ": "TEXT",
    "JZRY": "TEXT",
    "TBFW": "TEXT",
}
"""Columns of table JCTB and their types, in the order of the sample."""

IMAGE_COLUMNS: Final[Mapping[str, str]] = {
    "F_ID": "INTEGER",
    "TCBM": "TEXT",
    "TBYBH": "TEXT",
    "XZQDM": "TEXT",
    "JKBSM": "TEXT",
    "FJMC": "TEXT",
    "FJLX": "TEXT",
    "FJ": "BLOB",
    "PSSJ": "TEXT",
    "PSJD": "INTEGER",
    "PSRY": "TEXT",
    "Longitude": "REAL",
    "Latitude": "REAL",
    "XZB": "REAL",
    "YZB": "REAL",
    "metaRecord": "TEXT",
    "JYM": "TEXT",
}
"""Columns of table FJ and their types, in the order of the sample."""

_DAYS: Final = ("iso", "compact", "seconds")

FACTS: Final[Mapping[str, tuple[str, ...]]] = {
    "nothing": (),
    "parcel_number": (),
    "alert_id": (),
    "county_code": (),
    "county_name": (),
    "category": (),
    "category_code": (),
    "tier": (),
    "cause": (),
    "state": (),
    "findings": (),
    "remark": (),
    "area": ("mu", "m2", "hectare", "km2"),
    "before_day": _DAYS,
    "after_day": _DAYS,
    "longitude": (),
    "latitude": (),
    "northing": (),
    "easting": (),
    "outline": (),
    "photo_points": (),
    "image": (),
    "image_name": (),
    "image_kind": (),
    "image_day": _DAYS,
    "image_sha256": (),
    "scenes": (),
}
"""What can stand in a field, and in which units; the first unless the table says."""

_OF_IMAGES: Final = frozenset(
    {"image", "image_name", "image_kind", "image_day", "image_sha256", "scenes"}
)
_NUMBERS: Final = frozenset({"area", "longitude", "latitude", "northing", "easting"})
_KEYS: Final = ("parcel_number", "alert_id")
_FIELD_KEYS: Final = frozenset({"fact", "unit", "status", "note"})
_TOP_KEYS: Final = frozenset(
    {"schema", "shapefile_encoding", "txt_encoding", "JCTB", "FJ"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """What stands in one field, and how sure that is."""

    fact: str
    """One of `FACTS`."""

    unit: str
    """One of its units; empty where it has none."""

    status: Status
    """Whether anybody has confirmed the meaning."""

    note: str
    """What is known about the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldTable:
    """What stands in every field of the forms."""

    parcels: Mapping[str, FieldRule]
    """By column of JCTB, all of `PARCEL_COLUMNS` in their order."""

    images: Mapping[str, FieldRule]
    """By column of FJ, all of `IMAGE_COLUMNS` in their order."""

    shapefile_encoding: str
    """One of `ENCODINGS`."""

    txt_encoding: str
    """One of `ENCODINGS`."""


def read_field_table(path: Path | None = None) -> FieldTable:
    """
    Read a table of fields.

    Parameters
    ----------
    path : Path, optional
        A TOML file laid out like the one that is shipped; by default that one.

    Returns
    -------
    FieldTable
        Complete: a field that is left out is an error, not an empty column.

    Raises
    ------
    SettingsError
        If it cannot be read, or says something that no form can hold: names the field,
        the value and what is possible.
    """
    path = path or SHIPPED
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{path} cannot be read as a table of 卫片 fields: {error}; copy "
            f"{SHIPPED.name} of rsmonitor and edit that"
        ) from error
    if said.get("schema") != SCHEMA:
        raise SettingsError(
            f"{path}: schema must be {SCHEMA}, got {said.get('schema')!r}"
        )
    _require_known(str(path), said, _TOP_KEYS)
    return FieldTable(
        parcels=_rules(path, said, "JCTB", PARCEL_COLUMNS),
        images=_rules(path, said, "FJ", IMAGE_COLUMNS),
        shapefile_encoding=_encoding(path, said, "shapefile_encoding"),
        txt_encoding=_encoding(path, said, "txt_encoding"),
    )


def _rules(
    path: Path, said: Mapping[str, Any], table: str, columns: Mapping[str, str]
) -> dict[str, FieldRule]:
    """Read the fields of one table."""
    given = said.get(table)
    if not isinstance(given, dict):
        raise SettingsError(f"{path}: has no table [{table}]")
    _require_known(f"{path}: [{table}]", given, frozenset(columns))
    missing = columns.keys() - given.keys()
    if missing:
        raise SettingsError(
            f"{path}: [{table}] lacks {', '.join(sorted(missing))}; what stays empty "
            'has fact = "nothing"'
        )
    rules = {
        column: _rule(f"{path}: {table}.{column}", given[column], kind, table)
        for column, kind in columns.items()
    }
    key = "JCBH" if table == "JCTB" else "TBYBH"
    if rules[key].fact not in _KEYS:
        raise SettingsError(
            f"{path}: {table}.{key} tells parcels apart, so its fact is one of "
            f"{', '.join(_KEYS)}, got {rules[key].fact!r}"
        )
    return rules


def _rule(where: str, given: object, kind: str, table: str) -> FieldRule:
    """Read one field."""
    if not isinstance(given, dict):
        raise SettingsError(f"{where} must be a table with fact, status and note")
    _require_known(where, given, _FIELD_KEYS)
    fact, status, note = (given.get(key) for key in ("fact", "status", "note"))
    possible = [
        each
        for each in FACTS
        if (table == "FJ" or each not in _OF_IMAGES) and _fits(each, kind)
    ]
    if fact not in possible:
        raise SettingsError(
            f"{where}.fact must be one of {', '.join(possible)}, got {fact!r}"
        )
    units = FACTS[fact]
    unit = given.get("unit", units[0] if units else "")
    if unit not in (units or ("",)):
        raise SettingsError(
            f"{where}.unit must be "
            + (f"one of {', '.join(units)}" if units else f"absent for {fact}")
            + f", got {unit!r}"
        )
    if status not in {"confirmed", "unconfirmed"}:
        raise SettingsError(
            f"{where}.status must be confirmed or unconfirmed, got {status!r}"
        )
    if not isinstance(note, str) or not note.strip():
        raise SettingsError(f"{where}.note must say what is known about the field")
    return FieldRule(fact=fact, unit=unit, status=status, note=" ".join(note.split()))


def _fits(fact: str, kind: str) -> bool:
    """Say whether a column of that type can hold a fact."""
    if fact == "nothing":
        return True
    if kind == "BLOB" or fact == "image":
        return kind == "BLOB" and fact == "image"
    return kind == "TEXT" or fact in _NUMBERS


def _encoding(path: Path, said: Mapping[str, Any], key: str) -> str:
    """Read an encoding."""
    value = said.get(key)
    if value not in ENCODINGS:
        raise SettingsError(
            f"{path}: {key} must be one of {', '.join(ENCODINGS)}, got {value!r}"
        )
    return str(value)


def _require_known(where: str, given: Mapping[str, Any], known: frozenset[str]) -> None:
    """Refuse keys that mean nothing here: a misspelt one would silently do nothing."""
    unknown = sorted(given.keys() - known)
    if unknown:
        raise SettingsError(
            f"{where} has unknown keys {', '.join(map(repr, unknown))}; known are "
            f"{', '.join(sorted(known))}"
        )
