"""What the fields of a licence say, in the ways that bureaus write it."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from rsmonitor.io.licences.attributes import plain
from rsmonitor.io.licences.days import day, period
from rsmonitor.io.licences.field_names import NAMES, PAPERS, PASSED_OVER
from rsmonitor.io.licences.found import UnusableError
from rsmonitor.io.licences.statuses import history_of
from rsmonitor.io.licences.untrusted import shown
from rsmonitor.records.licence import (
    DATUM_ERRORS_M,
    KIND_LABELS,
    MAX_POSITION_ERROR_M,
    LicenceKind,
)

MAX_TEXT: Final = 500
"""Longest text of a field, characters."""

_FIELD_OF: Final[Mapping[str, str]] = {
    plain(name): key for key, names in NAMES.items() for name in names
}
_KINDS: Final[Mapping[str, LicenceKind]] = {
    **{kind.value: kind for kind in LicenceKind},
    **{label: kind for kind, labels in KIND_LABELS.items() for label in labels},
    "采矿": LicenceKind.MINING,
    "采矿许可": LicenceKind.MINING,
    "采矿许可证": LicenceKind.MINING,
    "探矿": LicenceKind.EXPLORATION,
    "勘查": LicenceKind.EXPLORATION,
    "勘查许可证": LicenceKind.EXPLORATION,
    "压覆资源回收": LicenceKind.RECOVERY,
    "回收": LicenceKind.RECOVERY,
    "用地": LicenceKind.LAND_USE,
    "临时用地": LicenceKind.LAND_USE,
    "建设用地": LicenceKind.LAND_USE,
    "林地使用": LicenceKind.LAND_USE,
    "治理": LicenceKind.RESTORATION,
    "修复": LicenceKind.RESTORATION,
    "生态修复": LicenceKind.RESTORATION,
    "关闭": LicenceKind.CLOSED,
    "关闭矿山": LicenceKind.CLOSED,
}
_NOTHING: Final = frozenset(
    {"", "/", "-", "--", "—", "——", "无", "null", "none", "nan"}
)
_MARKS: Final = re.compile(r"[,;，；、/|]")
_BESIDE: Final = re.compile(
    r"[(（]?\s*(?:共伴生|共生|伴生)(?:矿种|矿产|矿)?\s*[:：]?\s*([^()（）]{1,200})[)）]?"
)
_NUMBERS: Final = re.compile(r"[+-]?[0-9]{1,5}(?:\.[0-9]{1,17})?")
_TRUE: Final = frozenset({"true", "1", "是", "yes"})
_FALSE: Final = frozenset({"false", "0", "否", "no"})

RULE_MILITARY: Final = (
    "military boundaries are never imported: that a site is military is said by a "
    "person, site by site (特殊用地)"
)
"""Why a parcel that says it is military is refused."""


_DAYS: Final = (
    "valid_from",
    "valid_to",
    "renewal_accepted",
    "renewal_decided",
    "deadline",
)
_ONE_MEANING: Final = frozenset({"licence_id", "kind", "valid_from", "valid_to"})
"""Fields of which two names in one file must say the same."""

RULE_CONTRADICTION: Final = (
    "these contradict each other, and nothing says which is right: correct one"
)
"""Why a licence is refused that says two things of one field."""


@dataclass(slots=True)
class Said:
    """What the fields of one parcel say, in the words of `Licence`."""

    values: dict[str, object] = field(default_factory=dict)
    """Arguments of `Licence`; only what the file says."""

    notes: list[str] = field(default_factory=list)
    """What was passed over."""


def named(attributes: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """
    Find the fields of a licence among those of a file.

    Parameters
    ----------
    attributes : mapping of str to str
        Fields by the names of the file.

    Returns
    -------
    dict of str to tuple of str
        For each field of `NAMES` that has a value, the file's name for it and the
        value; where several names have one, the preferred.

    Examples
    --------
    >>> named({"采矿权人": "某公司", "备注": "x", "开采矿种": " "})
    {'holder': ('采矿权人', '某公司')}
    """
    ranked: dict[str, tuple[int, str, str]] = {}
    for name, value in attributes.items():
        simple = _simple(name)
        key = _FIELD_OF.get(simple)
        if key is None or plain(value) in _NOTHING:
            continue
        rank = [plain(one) for one in NAMES[key]].index(simple)
        if key not in ranked or rank < ranked[key][0]:
            ranked[key] = rank, name, value
    return {key: (name, value) for key, (_, name, value) in ranked.items()}


def name_of(attributes: Mapping[str, str], key: str) -> str:
    """
    Give the file's name of the field that a value was taken from.

    Parameters
    ----------
    attributes : mapping of str to str
        Fields by the names of the file.
    key : str
        Field of `Licence`.

    Returns
    -------
    str
        Such as ``有效期限`` for ``valid_to``; the key itself where none is found.

    Examples
    --------
    >>> name_of({"有效期限": "2015-03-01至2025-03-01"}, "valid_to")
    '有效期限'
    """
    fields = named(attributes)
    if key in fields:
        return fields[key][0]
    if key in {"valid_from", "valid_to"} and "period" in fields:
        return fields["period"][0]
    return key


def unread(attributes: Mapping[str, str]) -> Iterator[str]:
    """
    Name the fields of a file that nobody reads.

    Parameters
    ----------
    attributes : mapping of str to str
        Fields by the names of the file.

    Yields
    ------
    str
        Names with a value that are neither in `NAMES` nor in `PASSED_OVER`.
    """
    for name, value in attributes.items():
        simple = _simple(name)
        known = simple in _FIELD_OF or simple in PASSED_OVER
        if not known and plain(value) not in _NOTHING and not name.startswith("字段"):
            yield name


def said_by(attributes: Mapping[str, str]) -> Said:
    """
    Read what the fields of a parcel say.

    Parameters
    ----------
    attributes : mapping of str to str
        Fields by the names of the file.

    Returns
    -------
    Said
        Arguments of `Licence`, without geometry and datum.

    Raises
    ------
    UnusableError
        If a field says what it cannot: a day that is none, a kind that nobody knows.

    Examples
    --------
    >>> said_by({"许可证号": "C36", "有效期": "2015年3月1日至2025年3月1日"}).values[
    ...     "valid_to"
    ... ]
    datetime.date(2025, 3, 1)
    """
    said = Said()
    fields = named(attributes)
    values = said.values
    for key in (
        "licence_id",
        "holder",
        "mine",
        "method",
        "issuer",
        "status",
        "subkind",
    ):
        if key in fields:
            values[key] = tidy(*fields[key])
    if "source" in fields:
        values["source"] = tidy(*fields["source"])
    if "kind" in fields:
        values["kind"] = kind_named(*fields["kind"])
    _read_minerals(fields, values)
    for key in _DAYS:
        if key in fields:
            values[key] = day(*fields[key], endless=key == "valid_to")
    if "period" in fields:
        _read_period(fields, said)
    if "elevation" in fields:
        _read_elevation(*fields["elevation"], said)
    history = history_of(fields, said.notes)
    if history:
        values["status_history"] = history
    _read_ours(fields, values)
    _require_agreement(attributes, fields)
    said.notes.extend(f"field {shown(name)} is not read" for name in unread(attributes))
    return said


def kind_named(name: str, value: str) -> LicenceKind:
    """
    Read what a licence permits.

    Parameters
    ----------
    name : str
        The file's name of the field.
    value : str
        Such as ``采矿权`` or ``mining``.

    Returns
    -------
    LicenceKind
        The kind.

    Raises
    ------
    UnusableError
        If nobody knows it.

    Examples
    --------
    >>> kind_named("权利类型", "探矿权").value
    'exploration'
    """
    kind = _KINDS.get(plain(value)) or _KINDS.get(value.strip())
    if kind is None:
        raise UnusableError(
            f"{name} is {shown(value)}",
            "it must be one of "
            + ", ".join(
                f"{kind.value} ({zh})" for kind, (zh, _) in KIND_LABELS.items()
            ),
        )
    return kind


def is_read(name: str) -> bool:
    """
    Say whether a field of this name is read.

    Parameters
    ----------
    name : str
        The file's name of the field.

    Returns
    -------
    bool
        True for the names of `NAMES`.

    Examples
    --------
    >>> is_read("有效期限"), is_read("备注")
    (True, False)
    """
    return _simple(name) in _FIELD_OF


@lru_cache(maxsize=4096)
def same_meaning(name: str, first: str, second: str) -> bool:
    """
    Say whether two values of a field mean the same.

    Parameters
    ----------
    name : str
        The file's name of the field.
    first, second : str
        The values.

    Returns
    -------
    bool
        True for ``2020/1/1`` and ``2020-01-01``, and for a field that nobody reads.

    Examples
    --------
    >>> same_meaning("有效期起", "2020/1/1", "2020年1月1日")
    True
    """
    if plain(first) == plain(second) or _simple(name) not in _FIELD_OF:
        return True
    try:
        one, other = said_by({name: first}), said_by({name: second})
    except UnusableError:
        return False
    return one.values == other.values and bool(one.values)


def tidy(name: str, value: str) -> str:
    """
    Refuse text that could not be printed on an alert; remove surplus white space.

    Parameters
    ----------
    name : str
        The file's name of the field.
    value : str
        Its value.

    Returns
    -------
    str
        On one line.

    Raises
    ------
    UnusableError
        If it is too long or has characters that do not print.
    """
    text = " ".join(value.split())
    if len(text) > MAX_TEXT or not text.isprintable():
        raise UnusableError(
            f"{name} is {shown(value)}",
            f"text is at most {MAX_TEXT} printable characters",
        )
    return text


def listed(name: str, value: str) -> tuple[str, ...]:
    """
    Read a list of minerals.

    Parameters
    ----------
    name : str
        The file's name of the field.
    value : str
        With any of the marks of lists between them.

    Returns
    -------
    tuple of str
        Each once, in order.

    Raises
    ------
    UnusableError
        If it is no printable text.
    """
    parts = (tidy(name, part) for part in _MARKS.split(value))
    return tuple(dict.fromkeys(part for part in parts if part))


def _read_period(fields: Mapping[str, tuple[str, str]], said: Said) -> None:
    """Read both ends from one field; ends of their own must say the same."""
    try:
        first, last = period(*fields["period"])
    except UnusableError as error:
        if not {"valid_from", "valid_to"} <= said.values.keys():
            raise
        said.notes.append(f"{error.value}: not read, because both ends are given")
        return
    for key, told in (("valid_from", first), ("valid_to", last)):
        if told is not None and said.values.setdefault(key, told) != told:
            raise _contradiction(fields["period"], fields[key])


def _require_agreement(
    attributes: Mapping[str, str], fields: Mapping[str, tuple[str, str]]
) -> None:
    """Refuse two names of one field that say different things."""
    for name, value in attributes.items():
        key = _FIELD_OF.get(_simple(name), "")
        if key not in _ONE_MEANING or plain(value) in _NOTHING:
            continue
        preferred, chosen = fields[key]
        if key == "licence_id":
            if not other_number(chosen, value) or _simple(name) in PAPERS:
                continue
        elif _meaning(key, preferred, chosen) == _meaning(key, name, value):
            continue
        raise _contradiction((preferred, chosen), (name, value))


def other_number(one: str, other: str) -> bool:
    """
    Say whether two numbers cannot be those of one licence.

    Parameters
    ----------
    one, other : str
        Numbers of licences.

    Returns
    -------
    bool
        False for equal ones, and for the number of a mining right beside that of the
        exploration right that it came from.

    Examples
    --------
    >>> other_number("C3600", "C3601"), other_number("C3600", "T3600")
    (True, False)
    """
    first, second = plain(one).upper(), plain(other).upper()
    return first != second and {first[:1], second[:1]} != {"C", "T"}


def _meaning(key: str, name: str, value: str) -> object:
    """Read one field alone."""
    if key == "kind":
        return kind_named(name, value)
    return day(name, value, endless=key == "valid_to")


def _contradiction(one: tuple[str, str], other: tuple[str, str]) -> UnusableError:
    """Name two fields that contradict each other."""
    told = " and ".join(f"{name} is {shown(value)}" for name, value in (one, other))
    return UnusableError(told, RULE_CONTRADICTION)


def _simple(name: str) -> str:
    """Bring a name to the form of the table: without a unit behind it."""
    simple = plain(name)
    if simple in _FIELD_OF:
        return simple
    return re.sub(r"[(\[].{0,12}[)\]]$|[:：]$", "", simple)


def _read_minerals(
    fields: Mapping[str, tuple[str, str]], values: dict[str, object]
) -> None:
    """Read minerals, and those that are only beside them."""
    beside: tuple[str, ...] = ()
    if "minerals" in fields:
        name, value = fields["minerals"]
        for found in _BESIDE.finditer(value):
            beside += listed(name, _without_words(found[1]))
        values["minerals"] = listed(name, _BESIDE.sub("、", value))
    if "associated_minerals" in fields:
        name, value = fields["associated_minerals"]
        beside += listed(name, _without_words(value))
    if beside:
        values["associated_minerals"] = tuple(dict.fromkeys(beside))


def _without_words(value: str) -> str:
    """Leave out the words that say how minerals occur."""
    return re.sub(r"(共伴生|共生|伴生)(矿种|矿产|矿)?\s*[:：]?", "、", value)


def _read_elevation(name: str, value: str, said: Said) -> None:
    """Read two elevations; it is shown and never decides, so that it may be missing."""
    text = unicodedata.normalize("NFKC", value)
    text = re.sub(r"(?<=[0-9mM米])\s*(?:[~至\u2013-]|—+)\s*(?=[+-]?[0-9])", " ", text)
    numbers = [float(part) for part in _NUMBERS.findall(text)]
    if len(numbers) != 2:  # noqa: PLR2004 - lowest and highest
        said.notes.append(f"{name} {shown(value)} is not two elevations: not read")
        return
    said.values["elevation_m"] = min(numbers), max(numbers)


def _read_ours(
    fields: Mapping[str, tuple[str, str]], values: dict[str, object]
) -> None:
    """Read what rsmonitor's own writers add."""
    if "datum" in fields:
        name, value = fields["datum"]
        if value.strip() not in DATUM_ERRORS_M:
            raise UnusableError(
                f"{name} is {shown(value)}", f"it is one of {', '.join(DATUM_ERRORS_M)}"
            )
        values["datum"] = value.strip()
    if "position_error_m" in fields:
        name, value = fields["position_error_m"]
        if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,30})?", value.strip()) or (
            float(value) > MAX_POSITION_ERROR_M
        ):
            raise UnusableError(
                f"{name} is {shown(value)}",
                f"it is from 0 to {MAX_POSITION_ERROR_M:g} metres",
            )
        values["position_error_m"] = float(value)
    if "version" in fields:
        name, value = fields["version"]
        if not re.fullmatch("[1-9][0-9]{0,5}", value.strip()):
            raise UnusableError(f"{name} is {shown(value)}", "versions count from 1")
        values["version"] = int(value)
    if "invented" in fields:
        name, value = fields["invented"]
        if plain(value) not in _TRUE | _FALSE:
            raise UnusableError(f"{name} is {shown(value)}", "it is true or false")
        values["invented"] = plain(value) in _TRUE
