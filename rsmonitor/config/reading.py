"""TOML becomes frozen settings; an unknown key is an error, not a silence."""

import dataclasses
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from rsmonitor.config.settings import Settings
from rsmonitor.errors import ContractError, SettingsError

NOT_KEYS: Final = frozenset({"folder"})
"""Fields of `Settings` that no file sets."""

LARGEST: Final = 2**63 - 1
"""The largest whole number of TOML."""


def read_settings(path: Path) -> Settings:
    """
    Read a settings file of one district.

    Parameters
    ----------
    path : Path
        A TOML file.

    Returns
    -------
    Settings
        Checked settings; relative paths start from the file's folder.

    Raises
    ------
    SettingsError
        If the file cannot be read, is not TOML, has an unknown, missing or wrong key,
        or is of several districts; the message names file, key, value and rule.
    """
    offices = read_districts(path)
    if len(offices) > 1:
        raise SettingsError(
            f"{path}: is of {len(offices)} districts; say which one with --district"
        )
    return offices[0]


def read_districts(path: Path, code: str | None = None) -> tuple[Settings, ...]:
    """
    Read a settings file of one district or of many.

    Many stand as ``[[districts]]`` in place of ``[district]``; all else is shared, and
    the outputs of each go to a folder of its code below ``run.out``.

    Parameters
    ----------
    path : Path
        A TOML file.
    code : str, optional
        `District.code` of the only district wanted.

    Returns
    -------
    tuple of Settings
        One a district, in the order of the file.

    Raises
    ------
    SettingsError
        As `read_settings`; or if a district is named twice, or `code` is none of them.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error
    try:
        value = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: a number too long
        raise SettingsError(f"{path}: is not TOML: {error}") from error
    many = value.pop("districts", None)
    if many is None:
        offices = [_build(Settings, value, str(path), "")]
    else:
        offices = _offices(many, value, str(path))
    folder = str(path.resolve().parent)
    found = tuple(dataclasses.replace(office, folder=folder) for office in offices)
    wanted = tuple(o for o in found if code in {None, o.district.code})
    if not wanted:
        known = ", ".join(office.district.code for office in found)
        raise SettingsError(f"{path}: has no district {code!r}; it has {known}")
    return wanted


def _offices(many: object, shared: dict[str, Any], file: str) -> list[Settings]:
    """Make settings of each district of a file of many."""
    if "district" in shared:
        raise SettingsError(f"{file}: has both [district] and [[districts]]; keep one")
    if not isinstance(many, list) or not many:
        raise SettingsError(f"{file}: districts must be a list of tables")
    offices: list[Settings] = []
    for table in many:
        office: Settings = _build(Settings, {**shared, "district": table}, file, "")
        code = office.district.code
        if any(code == other.district.code for other in offices):
            raise SettingsError(f"{file}: district {code} stands there twice")
        out = dataclasses.replace(office.run, out=f"{office.run.out}/{code}")
        offices.append(dataclasses.replace(office, run=out))
    return offices


def keys() -> tuple[str, ...]:
    """
    List every key that a settings file may hold.

    Returns
    -------
    tuple of str
        Dotted names, such as ``evidence.drop``.
    """
    return tuple(_keys(Settings, ""))


def _keys(kind: type[Any], prefix: str) -> list[str]:
    """List the keys of a record, those of its records included."""
    hints = typing.get_type_hints(kind)
    found: list[str] = []
    for item in fields(kind):
        if item.name in NOT_KEYS:
            continue
        name = f"{prefix}{item.name}"
        hint = hints[item.name]
        record = isinstance(hint, type) and is_dataclass(hint)
        found += _keys(hint, f"{name}.") if record else [name]
    return found


def _build(kind: Any, value: object, file: str, prefix: str) -> Any:  # noqa: ANN401
    """Make a record of a table."""
    if not isinstance(value, Mapping):
        place = prefix.rstrip(".") or "the file"
        raise SettingsError(f"{file}: {place} must be a table, got {value!r}")
    hints = typing.get_type_hints(kind)
    known = {f.name: f for f in fields(kind) if f.name not in NOT_KEYS}
    for key in value:
        if key not in known:
            raise SettingsError(
                f"{file}: unknown key {prefix}{key}; known are {', '.join(known)}"
            )
    arguments: dict[str, Any] = {}
    for name, item in known.items():
        where = f"{prefix}{name}"
        if name in value:
            arguments[name] = _convert(hints[name], value[name], file, where)
        elif (
            item.default is dataclasses.MISSING
            and item.default_factory is dataclasses.MISSING
        ):
            raise SettingsError(f"{file}: missing key {where}")
    try:
        return kind(**arguments)
    except ContractError as error:
        place = prefix.rstrip(".") or "settings"
        raise SettingsError(f"{file}: [{place}] {error}") from error


def _convert(hint: Any, value: object, file: str, where: str) -> Any:  # noqa: ANN401
    """Check a value against the type that its key asks for."""
    if isinstance(value, int) and abs(value) > LARGEST:
        raise SettingsError(
            f"{file}: {where} must fit 64 bits, got a number of "
            f"{value.bit_length()} bits"
        )
    if is_dataclass(hint):
        return _build(hint, value, file, f"{where}.")
    origin = typing.get_origin(hint)
    if origin is types.UnionType:
        inner = next(a for a in typing.get_args(hint) if a is not types.NoneType)
        return _convert(inner, value, file, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise SettingsError(f"{file}: {where} must be a list, got {value!r}")
        inner = typing.get_args(hint)[0]
        return tuple(_convert(inner, item, file, where) for item in value)
    # a TOML integer is a fine float; a TOML boolean is not a number
    accepted = (int, float) if hint is float else (hint,)
    if type(value) not in accepted:
        raise SettingsError(
            f"{file}: {where} must be {_TYPE_WORDS.get(hint, hint)}, got {value!r}"
        )
    return float(value) if hint is float else value  # type: ignore[arg-type]


_TYPE_WORDS: Final[Mapping[Any, str]] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    date: "a date such as 2018-06-30 without quotes",
}
