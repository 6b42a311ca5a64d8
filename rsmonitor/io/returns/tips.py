"""Rows -> tips, and apart from them what is told of the people who gave them.

What a row says is never quoted in a refusal: columns shift, and a name would then
stand in a log.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from rsmonitor.io.returns.columns import day_in, degrees_in, is_web_map
from rsmonitor.io.returns.geometry import point
from rsmonitor.io.returns.rows import Refusal, Row, RowFile, UnusableRowError
from rsmonitor.records.event import canonical_json
from rsmonitor.records.tip import Place
from rsmonitor.stages.gcj02 import from_gcj02

ERASABLE: Final = ("number", "name", "contact", "address", "text", "registered_by")
"""Fields of a row that may say who gave the tip; they are kept apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenTip:
    """A tip as it came in, before it has an id."""

    day: date
    """The day in Asia/Shanghai."""

    place: Place | None
    """CRS84; None where the row has an address only."""

    told: Mapping[str, str]
    """By `ERASABLE`: everything that must be possible to erase."""

    key: str
    """What makes it the same tip when the file comes again; holds nothing of people."""

    where: str
    """Where it stands in its file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderstoodTips:
    """What a file of tips says."""

    tips: tuple[GivenTip, ...]
    """In the order of the file."""

    refused: tuple[Refusal, ...]
    """Rows that are not used."""


def understand_tips(file: RowFile, *, today: date) -> UnderstoodTips:
    """
    Read the tips of a file.

    Parameters
    ----------
    file : RowFile
        An open file.
    today : date
        The day in Asia/Shanghai; no tip speaks of a day after it.

    Returns
    -------
    UnderstoodTips
        Tips and refusals.
    """
    refused = [_unquoted(one) for one in file.refused]
    tips: list[GivenTip] = []
    same: Counter[str] = Counter()
    for row in file.rows:
        try:
            day, place = _day(row, today), _place(row)
        except UnusableRowError as error:
            refused.append(
                Refusal(
                    file=file.file,
                    where=row.where,
                    line=row.line,
                    value="not shown, because rows of tips hold names",
                    rule=error.rule,
                )
            )
            continue
        told = {name: row.fields[name] for name in ERASABLE if name in row.fields}
        key = canonical_json([day.isoformat(), None if place is None else place.wkt])
        same[key] += 1
        tips.append(
            GivenTip(
                day=day,
                place=place,
                told=told,
                key=f"{key}#{same[key]}",
                where=row.where,
            )
        )
    return UnderstoodTips(tips=tuple(tips), refused=tuple(refused))


def _day(row: Row, today: date) -> date:
    """Read the day of a tip."""
    if "day" not in row.fields:
        raise UnusableRowError("nothing", "a tip has a day: column 日期 or date")
    day = day_in(row.fields["day"])
    if day > today:
        raise UnusableRowError(str(day), f"no tip speaks of a day after today, {today}")
    return day


def _place(row: Row) -> Place | None:
    """Read the place: the geometry, else the coordinates."""
    if row.place is not None:
        return row.place
    given = [row.fields.get(name) for name in ("longitude", "latitude")]
    if given == [None, None] and "address" in row.fields:
        return None
    if None in given:
        raise UnusableRowError(
            "one coordinate", "a tip has a geometry, 经度 and 纬度, or an address 地址"
        )
    longitude, latitude = (degrees_in(text) for text in given if text is not None)
    place = point(longitude, latitude)
    return from_gcj02(place) if is_web_map(row.fields.get("datum", "")) else place


def _unquoted(refusal: Refusal) -> Refusal:
    """Say of a row that cannot be read where it stands, and nothing that it holds."""
    return Refusal(
        file=refusal.file,
        where=refusal.where,
        line=refusal.line,
        value="not shown, because rows of tips hold names",
        rule=refusal.rule,
    )
