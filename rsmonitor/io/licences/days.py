"""Days as bureaus write them: one reader for every format and every field.

``2025-12-31``, ``2025/12/31``, ``2025年12月31日`` and ``20251231`` are one day each; a
spreadsheet's own date arrives here as ISO 8601. What could be two days, such as
``01/02/2020``, is refused and never guessed.
"""

import re
import unicodedata
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Final

from rsmonitor.io.licences.found import UnusableError
from rsmonitor.io.licences.untrusted import shown
from rsmonitor.records.licence import SHANGHAI

ENDLESS: Final = date(9999, 12, 31)
"""What a licence without end (长期) is valid to; an absent end is an unknown one."""

DAY: Final = re.compile(
    r"(?<![0-9])(?:"
    r"([12][0-9]{3}|9999)\s*[-年./]\s*([0-9]{1,2})\s*[-月./]\s*([0-9]{1,2})(?![0-9])\s*日?"
    r"|([12][0-9]{3}|9999)([01][0-9])([0-3][0-9])(?![0-9]))"
    r"(?:[T ]\s*(?P<time>[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?)"
    r"\s*(?P<zone>Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
"""One day anywhere in a text, perhaps with a time."""

FOREVER: Final = (
    "长期有效",
    "无固定期限",
    "长期",
    "永久",
    "无期限",
    "indefinite",
)
"""Words for no end, longer before shorter ones."""

_BETWEEN: Final = re.compile(r"[\s自从至到~\-—\u2013,，;；.()（）日起止]*")
_AMBIGUOUS: Final = re.compile(r"[0-9]{1,2}[-./][0-9]{1,2}[-./](?:[0-9]{2}){1,2}")
_SERIAL: Final = re.compile(r"[1-9][0-9]{4}(?:\.[0-9]+)?")

RULE_DAY: Final = (
    "a day is written like 2025-12-31, 2025/12/31, 2025年12月31日 or 20251231"
)
"""What is expected of a day."""

_RULE_AMBIGUOUS: Final = (
    "this could be two different days (day or month first): write the year first, "
    "like 2025-12-31"
)
_RULE_SERIAL: Final = (
    "this may be a spreadsheet's number of a day: give the cell the format of a date, "
    "or write it like 2025-12-31"
)
_RULE_PERIOD: Final = (
    "a period has two days, such as 2015年3月1日至2025年3月1日, or one and 长期, or is "
    "长期"
)


def day(name: str, value: str, *, endless: bool = False) -> date:
    """
    Read a day.

    Parameters
    ----------
    name : str
        The file's name of the field.
    value : str
        ``2025-12-31``, ``2025/12/31``, ``2025年12月31日``, ``20251231``; a time after
        it is left out, unless it names a zone: the day is that of Asia/Shanghai.
    endless : bool, default False
        Take ``长期`` as `ENDLESS`: true of ends alone.

    Returns
    -------
    date
        The day.

    Raises
    ------
    UnusableError
        If it is none, or could be two.

    Examples
    --------
    >>> day("有效期止", "2025年2月28日")
    datetime.date(2025, 2, 28)
    """
    text = unicodedata.normalize("NFKC", value).strip()
    if endless and text in FOREVER:
        return ENDLESS
    found = DAY.fullmatch(text)
    if found:
        return dated(found, name, value)
    rule = RULE_DAY
    if _AMBIGUOUS.fullmatch(text):
        rule = _RULE_AMBIGUOUS
    elif _SERIAL.fullmatch(text):
        rule = _RULE_SERIAL
    raise UnusableError(f"{name} is {shown(value)}", rule)


def period(name: str, value: str) -> tuple[date | None, date]:
    """
    Read the two days of a validity.

    Parameters
    ----------
    name : str
        The file's name of the field.
    value : str
        Such as ``自2015年3月1日至2025年3月1日``, ``2015-03-01至长期``, or ``长期``.

    Returns
    -------
    tuple of date
        First and last day; the first is None where it says only ``长期``, the last is
        `ENDLESS` where it has no end.

    Raises
    ------
    UnusableError
        If it has not two days, or has other words.

    Examples
    --------
    >>> period("有效期限", "2015-03-01至长期")[1].year
    9999
    >>> period("有效期限", "长期")
    (None, datetime.date(9999, 12, 31))
    """
    text = unicodedata.normalize("NFKC", value).strip()
    found = list(DAY.finditer(text))
    rest = DAY.sub("", text)
    endless = any(word in rest for word in FOREVER)
    for word in FOREVER:
        rest = rest.replace(word, "")
    days = [dated(one, name, value) for one in found]
    if _BETWEEN.fullmatch(rest):
        match days, endless:
            case [first, last], False:
                return first, last
            case [first], True:
                return first, ENDLESS
            case [], True:
                return None, ENDLESS
    raise UnusableError(f"{name} is {shown(value)}", _RULE_PERIOD)


def dated(found: re.Match[str], name: str, value: str) -> date:
    """
    Make a day of what `DAY` found.

    Parameters
    ----------
    found : re.Match
        What it found.
    name : str
        The file's name of the field, for the message.
    value : str
        All that the field says, for the message.

    Returns
    -------
    date
        The day.

    Raises
    ------
    UnusableError
        If the calendar has no such day.
    """
    numbers = [int(part) for part in found.groups()[:6] if part is not None]
    try:
        read = date(*numbers)
        zone = found["zone"]
        if zone is None:
            return read
        # 2024-12-31T16:00Z is what programs make of 2025-01-01 in China
        hour, minute = map(int, found["time"].split(":")[:2])
        at = datetime.combine(read, time(hour, minute), _offset(zone))
        return at.astimezone(SHANGHAI).date()
    except (ValueError, OverflowError) as error:
        raise UnusableError(f"{name} is {shown(value)}", RULE_DAY) from error


def _offset(zone: str) -> timezone:
    """Read ``Z`` or ``+08:00``."""
    if zone == "Z":
        return UTC
    ahead = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    return timezone(-ahead if zone[0] == "-" else ahead)
