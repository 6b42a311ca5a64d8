r"""One coordinate as people write it: metres, degrees, or degrees, minutes, seconds.

Minutes and seconds are also written without marks, packed into one number: 110 degrees
28.2 seconds is ``110.00282`` in exchange files and ``1100028.20`` in planning tables.
The first looks like decimal degrees, so that no single number can tell;
`rsmonitor.io.licences.coordinates` compares all of a file.
"""

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from rsmonitor.io.licences.found import UnusableError
from rsmonitor.io.licences.parcel import Written
from rsmonitor.io.licences.untrusted import shown

MAX_CHARACTERS: Final = 60
"""Longest text of one coordinate."""

_SIXTY: Final = 60

_MARKS: Final = str.maketrans(
    {
        "度": "d",
        "°": "d",
        "\u00ba": "d",
        "\u02da": "d",
        "分": "'",
        "\u2032": "'",
        "\u2019": "'",
        "\u2018": "'",
        "\u00b4": "'",
        "`": "'",
        "秒": '"',
        "\u2033": '"',
        "\u201d": '"',
        "\u201c": '"',
    }
)
_SIDES: Final = {
    "东经": "E",
    "西经": "W",
    "北纬": "N",
    "南纬": "S",
    "经度": "E",
    "纬度": "N",
}
_UNITS: Final = re.compile(r"(m|米)$", re.IGNORECASE)
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{0,15})?([eE][+]?[0-9]{1,2})?")
_GROUPED: Final = re.compile(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]{0,15})?")
_PARTS: Final = re.compile(
    r"([0-9]{1,3})\s*[d:\- ]\s*"
    r"(?:([0-9]{1,2}(?:\.[0-9]{1,12})?)\s*[':\- ]?\s*"
    r"(?:([0-9]{1,2}(?:\.[0-9]{1,12})?)\s*(?:\"|'')?)?)?"
)

_RULE_NUMBER: Final = (
    "a coordinate is a number, or degrees, minutes and seconds such as 110d00'28.20\""
)
_RULE_SIXTY: Final = "minutes and seconds are from 0 to less than 60"


@dataclass(frozen=True, slots=True)
class Measure:
    """One coordinate, as far as it can be understood alone."""

    number: Decimal
    """As written; degrees with a fraction where `marked`."""

    marked: bool = False
    """True where marks make it an angle in degrees, minutes and seconds."""

    axis: str = ""
    """``N`` or ``E`` where a letter or word names the axis."""


def measure(written: Written) -> Measure:
    """
    Read one coordinate.

    Parameters
    ----------
    written : float or str
        As the file has it: full-width digits, any of the marks for degrees, thousands
        in groups, a unit of metres and words such as 东经 are understood.

    Returns
    -------
    Measure
        Its number, and what its marks say.

    Raises
    ------
    UnusableError
        If it is neither a finite number nor an angle.

    Examples
    --------
    >>> float(measure("2705381.95").number)
    2705381.95
    >>> round(float(measure("东经110度00分28.20秒").number), 6)
    110.007833
    """
    if isinstance(written, float | int):
        number = Decimal(repr(float(written)))
        if not number.is_finite():
            raise UnusableError(shown(written), _RULE_NUMBER)
        return Measure(number)
    if len(written) > MAX_CHARACTERS:
        raise UnusableError(shown(written), _RULE_NUMBER)
    # marks first: the normal form of the ordinal that stands for degrees is an o
    text = unicodedata.normalize("NFKC", written.translate(_MARKS)).strip()
    if _NUMBER.fullmatch(text) and text.isascii():
        return Measure(Decimal(text))
    axis, text = _without_side(text)
    text = _UNITS.sub("", text).strip()
    if _GROUPED.fullmatch(text):
        text = text.replace(",", "")
    if _NUMBER.fullmatch(text) and text.isascii():
        number = -Decimal(text) if axis.startswith("-") else Decimal(text)
        return Measure(number, axis=axis[-1:])
    return Measure(_from_parts(text, written, axis), marked=True, axis=axis[-1:])


def _without_side(text: str) -> tuple[str, str]:
    """Take off the word or letter that names the axis; W and S give a minus."""
    for word, letter in _SIDES.items():
        text = text.replace(word, letter)
    found = re.fullmatch(r"([NSEW]?)[:\s]*(.*?)\s*([NSEW]?)", text, re.DOTALL)
    if not found:
        return "", text
    letter = found[1] or found[3]
    if found[1] and found[3]:
        return "", text
    axis = {"W": "-E", "S": "-N"}.get(letter, letter)
    return axis, found[2]


def _from_parts(text: str, written: str, axis: str) -> Decimal:
    """Add up degrees, minutes and seconds."""
    found = _PARTS.fullmatch(text)
    if not found or not text.isascii():
        raise UnusableError(shown(written), _RULE_NUMBER)
    degrees, minutes, seconds = (Decimal(part or 0) for part in found.groups())
    if minutes >= _SIXTY or seconds >= _SIXTY:
        raise UnusableError(shown(written), _RULE_SIXTY)
    angle = degrees + minutes / 60 + seconds / 3600
    return -angle if axis.startswith("-") else angle


def from_point_packed(number: Decimal) -> float | None:
    """
    Unpack an angle written as ddd.mmss, with decimals of a second after it.

    Parameters
    ----------
    number : Decimal
        Such as ``110.00282`` for 110°00'28.2".

    Returns
    -------
    float or None
        Degrees; None where minutes or seconds would be 60 or more.

    Examples
    --------
    >>> from_point_packed(Decimal("110.3015")), from_point_packed(Decimal("110.75"))
    (110.50416666666666, None)
    """
    degrees = number // 1
    return _sexagesimal(degrees, (number - degrees) * 10_000)


def from_whole_packed(number: Decimal) -> float | None:
    """
    Unpack an angle written as dddmmss, with decimals of a second after the point.

    Parameters
    ----------
    number : Decimal
        Such as ``1100028.20`` for 110°00'28.2".

    Returns
    -------
    float or None
        Degrees; None where minutes or seconds would be 60 or more.

    Examples
    --------
    >>> from_whole_packed(Decimal("1103015")), from_whole_packed(Decimal("1106115"))
    (110.50416666666666, None)
    """
    degrees = number // 10_000
    return _sexagesimal(degrees, number - degrees * 10_000)


def _sexagesimal(degrees: Decimal, packed: Decimal) -> float | None:
    """Give degrees from minutes and seconds packed as mmss."""
    minutes = packed // 100
    seconds = packed - minutes * 100
    if _is_outside(minutes) or _is_outside(seconds):
        return None
    return float(degrees + (minutes + seconds / 60) / 60)


def _is_outside(part: Decimal) -> bool:
    """Say whether minutes or seconds are none."""
    return not 0 <= part < _SIXTY
