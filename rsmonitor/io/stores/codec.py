"""Records as JSON and back, exactly: what was stored is what is read.

The form follows the type hints of the records, so a new field needs no code here; but
it changes what is stored, and so needs a new `rsmonitor.io.stores.ledger` schema
version. Decoding is strict: an unknown key, a missing key or a value of another type
means that something else wrote it, or that it is damaged, and is refused.

=====================  =====================================================
in the record          in JSON
=====================  =====================================================
str, int, bool, None   the same
float                  number; ``"NaN"``, ``"Infinity"`` or ``"-Infinity"``
date                   ``"2018-07-02"``
datetime, UTC          ``"2018-07-02T02:55:49.000000Z"``
enumeration            its value
Polygon, MultiPolygon  little-endian WKB in hexadecimal, every bit kept
tuple                  array
frozenset of str       array, sorted
Mapping                object
record                 object, all fields
=====================  =====================================================
"""

import json
import math
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime
from enum import Enum
from functools import cache
from typing import Any, Final, Literal, NoReturn, TypeVar, Union, cast
from typing import get_args as arguments
from typing import get_origin as origin
from typing import get_type_hints as type_hints

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon

from rsmonitor.errors import ContractError, RsmonitorError, StoreError
from rsmonitor.records.event import canonical_json

_R = TypeVar("_R")
_Step = Callable[[Any], Any]


def encode(record: object) -> dict[str, Any]:
    """
    Write a record as JSON values.

    Parameters
    ----------
    record : object
        A record of `rsmonitor.records`: a dataclass, not its type.

    Returns
    -------
    dict
        All fields by name; JSON values only, so that ``json.dumps`` takes it with
        ``allow_nan=False``.

    Raises
    ------
    ContractError
        If a field holds what its type hint does not allow; it could not be read back.

    Examples
    --------
    >>> from rsmonitor.records.week import IsoWeek
    >>> encode(IsoWeek(year=2026, week=47))
    {'year': 2026, 'week': 47}
    """
    kind: Any = type(record)
    try:
        encoded: dict[str, Any] = _codec(kind).encode(record)
    except _MismatchError as error:
        raise ContractError(f"{kind.__name__} cannot be stored: {error}") from error
    return encoded


def decode(kind: type[_R], value: object, *, where: str) -> _R:
    """
    Read a record from JSON values.

    Parameters
    ----------
    kind : type
        The record to read, such as `rsmonitor.records.site.Site`.
    value : object
        What `encode` gave, possibly by way of a JSON text.
    where : str
        File and place it came from, for the message.

    Returns
    -------
    object
        The record; equal to the one that was encoded.

    Raises
    ------
    StoreError
        If a key is missing or unknown, a value has another type, or the record
        refuses it.

    Examples
    --------
    >>> from rsmonitor.records.week import IsoWeek
    >>> str(decode(IsoWeek, {"year": 2026, "week": 47}, where="here"))
    '2026-W47'
    >>> try:
    ...     decode(IsoWeek, {"year": 2026, "month": 11}, where="ledger.sqlite")
    ... except StoreError as error:
    ...     print(str(error).partition(";")[0])
    ledger.sqlite: IsoWeek has the keys week, year
    """
    try:
        record: _R = _codec(cast("Any", kind)).decode(value)
    except (_MismatchError, RsmonitorError) as error:
        raise StoreError(
            f"{where}: {error}; it is damaged or from another version of rsmonitor"
        ) from error
    return record


def encode_text(record: object) -> str:
    """
    Write a record as JSON text in the one form that is hashed and stored.

    Parameters
    ----------
    record : object
        A record of `rsmonitor.records`.

    Returns
    -------
    str
        See `rsmonitor.records.event.canonical_json`.

    Raises
    ------
    ContractError
        If a field holds what cannot be read back.
    """
    return canonical_json(encode(record))


def decode_text(kind: type[_R], text: str, *, where: str) -> _R:
    """
    Read a record from JSON text.

    Parameters
    ----------
    kind : type
        The record to read.
    text : str
        What `encode_text` gave.
    where : str
        File and place it came from, for the message.

    Returns
    -------
    object
        The record.

    Raises
    ------
    StoreError
        If the text is not JSON, or not such a record.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"{where}: not JSON ({error}); it is damaged") from error
    return decode(kind, value, where=where)


class _MismatchError(Exception):
    """A value and its type hint do not fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Codec:
    """How one type goes into JSON and comes back."""

    encode: _Step
    decode: _Step


@cache
def _codec(hint: Any) -> _Codec:  # noqa: ANN401 - a type hint has no narrower type
    """Find how a type hint is written."""
    if hint in _SCALARS:
        return _SCALARS[hint]
    made: _Codec
    if origin(hint) is Literal:
        made = _choice(arguments(hint))
    elif origin(hint) in {Union, types.UnionType}:
        rest = [part for part in arguments(hint) if part is not types.NoneType]
        if set(rest) == {Polygon, MultiPolygon}:
            made = _Codec(encode=_encode_geometry, decode=_decode_geometry)
        elif len(rest) == 1:
            made = _optional(_codec(rest[0]))
        else:
            raise TypeError(f"no JSON form for {hint}")
    elif origin(hint) is tuple:
        made = _sequence(arguments(hint))
    elif origin(hint) is Mapping:
        made = _mapping(*map(_codec, arguments(hint)))
    elif isinstance(hint, type) and issubclass(hint, Enum):
        made = _enumeration(hint)
    elif is_dataclass(hint):
        made = _record(hint)
    else:
        raise TypeError(f"no JSON form for {hint}")
    return made


def _record(kind: Any) -> _Codec:  # noqa: ANN401 - any dataclass
    """Write a record as an object of all its fields."""
    hints = type_hints(kind)
    codecs = {field.name: _codec(hints[field.name]) for field in fields(kind)}
    name = kind.__name__

    def write(value: object) -> dict[str, Any]:
        _require_type(value, kind)
        written = {}
        for key, codec in codecs.items():
            with _Within(f"{name}.{key}"):
                written[key] = codec.encode(getattr(value, key))
        return written

    def read(value: object) -> object:
        if not isinstance(value, dict) or set(value) != set(codecs):
            got = ", ".join(sorted(map(str, value))) if isinstance(value, dict) else ""
            raise _MismatchError(
                f"{name} has the keys {', '.join(sorted(codecs))}; got "
                f"{got or _shown(value)}"
            )
        parts = {}
        for key, codec in codecs.items():
            with _Within(f"{name}.{key}"):
                parts[key] = codec.decode(value[key])
        return kind(**parts)

    return _Codec(encode=write, decode=read)


class _Within:
    """Put the place before the message, so that it names the whole path."""

    def __init__(self, place: str) -> None:
        self._place = place

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, *_: object) -> None:
        if isinstance(error, _MismatchError):
            raise _MismatchError(f"{self._place}: {error}") from error


def _sequence(hints: tuple[Any, ...]) -> _Codec:
    """Write a tuple as an array: of one type, or of a fixed length."""
    if hints[-1] is Ellipsis:
        item = _codec(hints[0])
        items, length = None, None
    else:
        item = None
        items, length = [_codec(hint) for hint in hints], len(hints)

    def each(value: Any, step: str) -> list[Any]:  # noqa: ANN401 - checked by caller
        if length is not None and len(value) != length:
            raise _MismatchError(f"must have {length} items, got {len(value)}")
        codecs = items if items is not None else [item] * len(value)
        return [
            getattr(codec, step)(part)
            for codec, part in zip(codecs, value, strict=True)
        ]

    def write(value: object) -> list[Any]:
        _require_type(value, tuple)
        return each(value, "encode")

    def read(value: object) -> tuple[Any, ...]:
        _require_type(value, list)
        return tuple(each(value, "decode"))

    return _Codec(encode=write, decode=read)


def _mapping(key: _Codec, item: _Codec) -> _Codec:
    """Write a mapping as an object."""

    def write(value: object) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise _MismatchError(f"must be a mapping, got {_shown(value)}")
        return {key.encode(name): item.encode(part) for name, part in value.items()}

    def read(value: object) -> dict[Any, Any]:
        if not isinstance(value, dict):
            raise _MismatchError(f"must be an object, got {_shown(value)}")
        return {key.decode(name): item.decode(part) for name, part in value.items()}

    return _Codec(encode=write, decode=read)


def _optional(inner: _Codec) -> _Codec:
    """Write None as null."""
    return _Codec(
        encode=lambda value: None if value is None else inner.encode(value),
        decode=lambda value: None if value is None else inner.decode(value),
    )


def _enumeration(kind: type[Enum]) -> _Codec:
    """Write a member of an enumeration as its value."""

    def write(value: object) -> Any:  # noqa: ANN401 - str or int
        _require_type(value, kind)
        return value.value  # type: ignore[attr-defined]  # checked above

    def read(value: object) -> Enum:
        for member in kind:
            # the type too: in Python 1 is True and 1.0
            if member.value == value and type(member.value) is type(value):
                return member
        raise _MismatchError(f"no such {kind.__name__}: {_shown(value)}")

    return _Codec(encode=write, decode=read)


def _choice(values: tuple[Any, ...]) -> _Codec:
    """Write one of a few literal values."""

    def same(value: object) -> object:
        if value not in values:
            raise _MismatchError(f"must be one of {values}, got {_shown(value)}")
        return value

    return _Codec(encode=same, decode=same)


def _encode_int(value: object) -> int:
    """Write an integer, numpy's too; a bool is none."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise _MismatchError(f"must be an integer, got {_shown(value)}")
    return int(value)


def _encode_float(value: object) -> float | str:
    """Write a number, by name where JSON has none."""
    if isinstance(value, bool) or not isinstance(
        value, int | float | np.integer | np.floating
    ):
        raise _MismatchError(f"must be a number, got {_shown(value)}")
    try:
        number = float(value)
    except OverflowError as error:
        raise _MismatchError(f"too large: {_shown(value)}") from error
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return number


def _decode_float(value: object) -> float:
    """Read a number; an integer is none, because `_encode_float` writes none."""
    if isinstance(value, str) and value in _NOT_FINITE:
        return _NOT_FINITE[value]
    _require_type(value, float)
    return value  # type: ignore[return-value]  # checked above


def _encode_date(value: object) -> str:
    """Write a day; an instant is no day, though Python says so."""
    if isinstance(value, datetime) or not isinstance(value, date):
        raise _MismatchError(f"must be a date, got {_shown(value)}")
    return value.isoformat()


def _decode_date(value: object) -> date:
    """Read a day in the form that `_encode_date` writes."""
    try:
        day = date.fromisoformat(value)  # type: ignore[arg-type]  # caught below
    except (TypeError, ValueError) as error:
        raise _MismatchError(f"not a date: {_shown(value)}") from error
    if day.isoformat() != value:
        raise _MismatchError(f"not a date like 2018-07-02: {_shown(value)}")
    return day


def _encode_instant(value: object) -> str:
    """Write an instant in UTC, always with six decimals, so that texts sort."""
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise _MismatchError(f"must be an aware datetime, got {_shown(value)}")
    text = value.astimezone(UTC).isoformat(timespec="microseconds")
    return text.replace("+00:00", "Z")


def _decode_instant(value: object) -> datetime:
    """Read an instant in the form that `_encode_instant` writes."""
    try:
        instant = datetime.fromisoformat(value)  # type: ignore[arg-type]  # caught
    except (TypeError, ValueError) as error:
        raise _MismatchError(f"not an instant: {_shown(value)}") from error
    if instant.tzinfo is None or _encode_instant(instant) != value:
        raise _MismatchError(f"not an instant in UTC with Z: {_shown(value)}")
    return instant.astimezone(UTC)


def _encode_geometry(value: object) -> str:
    """Write a geometry bit by bit."""
    if not isinstance(value, Polygon | MultiPolygon):
        raise _MismatchError(f"must be a Polygon or MultiPolygon, got {_shown(value)}")
    written: str = shapely.to_wkb(
        value, hex=True, byte_order=1, include_srid=False, flavor="iso"
    )
    return written


def _decode_geometry(value: object) -> Polygon | MultiPolygon:
    """Read a geometry; GEOS refuses what is cut short."""
    _require_type(value, str)
    try:
        geometry = shapely.from_wkb(cast("str", value))
    except (shapely.errors.GEOSException, TypeError, ValueError) as error:
        raise _MismatchError(f"not WKB: {_shown(value)}") from error
    if not isinstance(geometry, Polygon | MultiPolygon):
        raise _MismatchError(f"must be a Polygon or MultiPolygon, got {geometry!r}")
    return geometry


def _plain(kind: type) -> _Codec:
    """Write a type that JSON has."""

    def same(value: object) -> object:
        _require_type(value, kind)
        return value

    return _Codec(encode=same, decode=same)


def _encode_str(value: object) -> str:
    """Write a text that UTF-8 can hold."""
    _require_type(value, str)
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _MismatchError(f"not a Unicode text: {_shown(value)}") from error
    return text


def _encode_names(value: object) -> list[str]:
    """Write a set of texts in one order."""
    _require_type(value, frozenset)
    return sorted(map(_encode_str, cast("frozenset[object]", value)))


def _decode_names(value: object) -> frozenset[str]:
    """Read a set of texts in the order that `_encode_names` writes, each once."""
    _require_type(value, list)
    names = [_encode_str(name) for name in cast("list[object]", value)]
    if names != sorted(set(names)):
        raise _MismatchError(f"must be sorted, each once, got {_shown(value)}")
    return frozenset(names)


def _require_type(value: object, kind: type) -> None:
    """Refuse a value of another type; a bool is no int here."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise _MismatchError(f"must be of type {kind.__name__}, got {_shown(value)}")


def _shown(value: object) -> str:
    """Quote the start of a value for a message."""
    text = repr(value)
    longest = 80
    return text if len(text) <= longest else text[:longest] + "..."


def _refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and infinity outside quotes, which Python writes and JSON has not."""
    raise ValueError(f"{name} is not JSON")


_NOT_FINITE: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

_SCALARS: Final[Mapping[Any, _Codec]] = {
    str: _Codec(encode=_encode_str, decode=_encode_str),
    int: _Codec(encode=_encode_int, decode=_plain(int).decode),
    float: _Codec(encode=_encode_float, decode=_decode_float),
    bool: _plain(bool),
    date: _Codec(encode=_encode_date, decode=_decode_date),
    datetime: _Codec(encode=_encode_instant, decode=_decode_instant),
    frozenset[str]: _Codec(encode=_encode_names, decode=_decode_names),
}
