"""What the head of a table of corners says: which column holds what.

X is the northing and Y the easting on Chinese licences, and the other way round in
tables that a GIS wrote; the names only say that two columns belong together, and the
size of the numbers decides which is which.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

from rsmonitor.io.licences.attributes import (
    names_area,
    names_licence,
    names_name,
    names_parcel,
    plain,
)
from rsmonitor.io.licences.parcel import Declared, Order
from rsmonitor.io.licences.sheets import Cell, as_text

MAX_LABEL: Final = 60
"""Longest text that can be the name of a column, characters."""


class Role(Enum):
    """What a column holds."""

    NORTH = auto()
    EAST = auto()
    LATITUDE = auto()
    LONGITUDE = auto()
    CORNER = auto()
    RING = auto()
    PARCEL = auto()
    LISTED = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two columns, or groups of columns, that hold the corners."""

    first: tuple[int, ...]
    """Column of the northing or latitude; three where 度, 分, 秒 stand apart."""

    second: tuple[int, ...]
    """Column of the easting or longitude."""

    label: str
    """What the head says about it."""

    geographic: bool
    """True for latitude and longitude."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The head of a table."""

    labels: Mapping[int, str]
    """Name of each column, as the file writes it."""

    pairs: tuple[Pair, ...]
    """Several only where the table is written in several columns of corners."""

    corner: tuple[int, ...]
    """Columns with the number of the corner, one a pair or none."""

    ring: int | None
    """Column with the number of the ring."""

    keys: tuple[int, ...]
    """Columns that say which parcel a corner belongs to."""

    listed: int | None
    """Column with all corners of a parcel in one cell."""

    others: tuple[Pair, ...]
    """Columns that give the same corners in other systems."""


_NORTH: Final = re.compile(
    r"x|x\(?(m|米|北|北坐标|纵坐标|northing)?\)?|x/?northing|.*(北坐标|纵坐标).*"
    r"|(.*[^a-z])?x坐标.*|.*坐标x|northing.*|north|n|point_y|北|北向|纵"
)
_EAST: Final = re.compile(
    r"y|y\(?(m|米|东|东坐标|横坐标|easting)?\)?|y/?easting|.*(东坐标|横坐标).*"
    r"|(.*[^a-z])?y坐标.*|.*坐标y|easting.*|east|e|point_x|东|东向|横"
)
_LATITUDE: Final = re.compile(r".*(纬度|北纬|latitude).*|lat|lat[_(].*|纬|b")
_LONGITUDE: Final = re.compile(
    r".*(经度|东经|longitude).*|lon|lng|long|(lon|lng)[_(].*|经|l"
)
_CORNER: Final = re.compile(
    r"(拐|折|界址|边界|控制|角|范围)?点(编|序|名)?(号|名)?|.*(拐点|界址点|点)(编|序)?号"
    r"|(拐点|界址点|角点)|序号|编号|号|顺序号|point(_?(id|no|number|name))?"
    r"|corner(_?(id|no|number))?|vertex|(no|id|fid|oid|objectid|n[o°])\.?"
)
_RING: Final = re.compile(r"(地块)?[圈环](序|编)?号|ring(_?(id|no|number))?")
_LISTED: Final = re.compile(
    r".*(拐点|界址点|角点|范围|区域|边界|矿区)?坐标(串|范围|集|点)?(\(.*\))?"
    r"|(corners?|coordinates?|coords?|wkt|geometry|geom|tbfw|zb|gdzb|拐点|范围)"
)
_PARTS: Final = (
    {"度", "°", "d", "deg", "degrees"},
    {"分", "\u2032", "'", "m", "min", "minutes"},
    {"秒", "\u2032\u2032", '"', "s", "sec", "seconds"},
)
_DATUM: Final = re.compile(
    r"(cgcs|国家|大地)?2000(国家)?(大地)?(坐标系)?"
    r"|(1980|80)?(年)?西安(19)?(80)?(坐标系)?|(19)?80(国家)?(大地)?坐标系"
    r"|(1954|54)?(年)?北京(19)?(54)?(坐标系)?|(19)?54(北京)?坐标系|wgs-?_?(19)?84"
    r"|gcj-?02|火星坐标系?|bd-?09|百度坐标系?|独立坐标系|地方坐标系|城市坐标系"
)
_KNOWN_DATUM: Final = re.compile(r"2000|80|54|84|02|09|火星|百度|独立|地方|城市")
_ZONE: Final = re.compile(
    r"带号[:=为]?第?([0-9]{1,2})(?![0-9])|(?<![0-9])第?([0-9]{2})(号)?带"
    r"|zone[:=]?([0-9]{1,2})(?![0-9])"
)
_WIDTH: Final = re.compile(r"([36三六])[度°](分)?带|([36])-?degree")
_MERIDIAN: Final = re.compile(
    r"(中央子午线|中央经线|centralmeridian)[^0-9]{0,8}([0-9]{2,3})(?:[^0-9]|$)"
)
_PACKED: Final = re.compile(r"度分秒|度\.分秒|dms|ddd?\.?mmss|dddmmss")
_DECIMAL: Final = re.compile(r"十进制|小数|decimal|\(度\)|\(°\)|\(deg")
_WIDTHS: Final = {"3": 3, "三": 3, "6": 6, "六": 6}
_FEWEST: Final = 2


def head(row: Sequence[Cell], above: Sequence[Cell] = ()) -> Head | None:
    """
    Understand a row as the head of a table of corners.

    Parameters
    ----------
    row : sequence of cells
        The row.
    above : sequence of cells, optional
        The row above it, whose cells may span several columns.

    Returns
    -------
    Head or None
        None if the row names no two columns of coordinates, and no column of lists.

    Examples
    --------
    >>> found = head(["点号", "X", "Y"])
    >>> found.pairs[0].first, found.pairs[0].second, found.corner
    ((1,), (2,), (0,))
    """
    own = [_label(cell) for cell in row]
    if any(label is None for label in own) or sum(bool(label) for label in own) < 1:
        return None
    spanning = _spanning(above, len(row))
    labels = {
        column: label or spanning.get(column, "")
        for column, label in enumerate(own)
        if label is not None
    }
    roles = {
        column: _role(plain(label), plain(spanning.get(column, "")))
        for column, label in labels.items()
        if label
    }
    pairs = _pairs(roles, labels, spanning)
    listed = None
    if not pairs:
        listed = _listed(roles, labels)
        if listed is None:
            return None
    corner = tuple(column for column, role in roles.items() if role is Role.CORNER)
    blocks = len(pairs) > 1 and len(corner) == len(pairs)
    chosen, others = (pairs, ()) if blocks else _best(pairs)
    used = {column for pair in pairs for column in (*pair.first, *pair.second)}
    return Head(
        labels={
            column: label
            for column, label in labels.items()
            if label and column not in used and column != listed
        },
        pairs=chosen,
        corner=corner if blocks else corner[:1],
        ring=next((c for c, role in roles.items() if role is Role.RING), None),
        keys=tuple(c for c, role in roles.items() if role is Role.PARCEL),
        listed=listed,
        others=others,
    )


def declared(texts: Sequence[str], *, geographic: bool = False) -> Declared:
    """
    Find what texts around a table say about its coordinates.

    Parameters
    ----------
    texts : sequence of str
        Nearest first: the head of the columns, then titles and notes.
    geographic : bool, default False
        Whether the columns are latitude and longitude.

    Returns
    -------
    Declared
        Datum, zone, width of zones and unit, each from the first text that names it.

    Examples
    --------
    >>> found = declared(["拐点坐标（2000国家大地坐标系，3度带，中央子午线117°）"])
    >>> found.datum, found.zone, found.zone_width
    ('2000国家大地坐标系', 39, 3)
    """
    found = Declared(order=Order.NORTH_FIRST)
    for text in map(plain, texts):
        datum = next(
            (
                match[0]
                for match in _DATUM.finditer(text)
                if _KNOWN_DATUM.search(match[0]) and _stands_alone(text, match)
            ),
            "",
        )
        width = _WIDTH.search(text)
        found = replace(
            found,
            datum=found.datum or datum,
            zone_width=found.zone_width
            or (_WIDTHS[width[1] or width[3]] if width else None),
        )
        zone = _zone(text, found.zone_width)
        if found.zone is None and zone is not None:
            found = replace(found, zone=zone)
        if geographic and not found.unit:
            unit = "度.分秒" if _PACKED.search(text) else ""
            found = replace(found, unit=unit or ("度" if _DECIMAL.search(text) else ""))
    return found


def _stands_alone(text: str, match: re.Match[str]) -> bool:
    """Say whether a bare 2000 is a datum, and not part of a number or a year."""
    before, after = text[: match.start()][-1:], text[match.end() :][:1]
    if match[0] != "2000":
        return not before.isdigit()
    return before in {"", "(", ",", "、"} and after in {"", ")", ",", "、", "系"}


def _zone(text: str, width: int | None) -> int | None:
    """Find a zone by its number, else by its meridian."""
    found = _ZONE.search(text)
    if found:
        return int(next(part for part in found.groups() if part and part.isdigit()))
    meridian = _MERIDIAN.search(text)
    if not meridian:
        return None
    degrees = int(meridian[2])
    # a zone of 6 degrees is the same projection as the one of 3 on its meridian
    return (degrees + 3) // 6 if width == 6 else degrees // 3  # noqa: PLR2004 - degrees


def _label(cell: Cell) -> str | None:
    """Give the name of a column; None for what cannot be one."""
    if not isinstance(cell, str):
        return None
    text = as_text(cell)
    return text if len(text) <= MAX_LABEL else None


def _spanning(above: Sequence[Cell], width: int) -> dict[int, str]:
    """Give the text above each column; a text reaches over the blanks beside it."""
    if sum(cell != "" for cell in above) < _FEWEST:
        return {}  # a title, which says nothing about columns
    texts: dict[int, str] = {}
    last = ""
    for column in range(width):
        cell = above[column] if column < len(above) else ""
        if not isinstance(cell, str):
            return {}  # numbers: it is a row of the table before
        last = as_text(cell) or last
        if last and len(last) <= MAX_LABEL:
            texts[column] = last
    return texts


def _role(label: str, spanning: str) -> Role:  # noqa: PLR0911 - one line a role
    """Say what a column of a name holds."""
    if any(label in part for part in _PARTS) and spanning:
        if _LATITUDE.fullmatch(spanning):
            return Role.LATITUDE
        if _LONGITUDE.fullmatch(spanning):
            return Role.LONGITUDE
    for pattern, role in (
        (_LATITUDE, Role.LATITUDE),
        (_LONGITUDE, Role.LONGITUDE),
        (_NORTH, Role.NORTH),
        (_EAST, Role.EAST),
        (_RING, Role.RING),
    ):
        if pattern.fullmatch(label):
            return role
    if names_licence(label) or names_parcel(label) or names_name(label):
        return Role.PARCEL
    if names_area(label):
        return Role.OTHER
    if _CORNER.fullmatch(label):
        return Role.CORNER
    return Role.LISTED if _LISTED.fullmatch(label) else Role.OTHER


def _pairs(
    roles: Mapping[int, Role], labels: Mapping[int, str], spanning: Mapping[int, str]
) -> tuple[Pair, ...]:
    """Put columns of coordinates together, the nearest with each other."""
    pairs = []
    for first, second, geographic in (
        (Role.NORTH, Role.EAST, False),
        (Role.LATITUDE, Role.LONGITUDE, True),
    ):
        firsts = _grouped(first, roles, labels)
        seconds = _grouped(second, roles, labels)
        if geographic and not firsts:
            continue
        for one, other in zip(firsts, seconds, strict=False):
            texts = [labels[one[0]], labels[other[0]]]
            texts += [
                spanning[c] for c in (one[0], other[0]) if spanning.get(c) is not None
            ]
            pairs.append(
                Pair(
                    first=one,
                    second=other,
                    label=" ".join(dict.fromkeys(texts)),
                    geographic=geographic,
                )
            )
    return tuple(sorted(pairs, key=lambda pair: min(*pair.first, *pair.second)))


def _grouped(
    role: Role, roles: Mapping[int, Role], labels: Mapping[int, str]
) -> list[tuple[int, ...]]:
    """Give the columns of a role; 度, 分 and 秒 beside each other are one."""
    groups: list[tuple[int, ...]] = []
    for column in sorted(c for c, found in roles.items() if found is role):
        part = next(
            (n for n, names in enumerate(_PARTS) if plain(labels[column]) in names), 0
        )
        if part and groups and groups[-1][-1] == column - 1:
            groups[-1] = (*groups[-1], column)
        else:
            groups.append((column,))
    return groups


def _listed(roles: Mapping[int, Role], labels: Mapping[int, str]) -> int | None:
    """Find the column with all corners in one cell; a title is no head."""
    if sum(bool(label) for label in labels.values()) < _FEWEST:
        return None
    return next((c for c, role in roles.items() if role is Role.LISTED), None)


def _best(pairs: Sequence[Pair]) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
    """Choose one pair of several that give the same corners in several systems."""
    if not pairs:
        return (), ()

    def worth(pair: Pair) -> tuple[int, int]:
        datum = declared([pair.label]).datum
        modern = 2 if "2000" in datum or "84" in datum else 0 if datum else 1
        return modern, 0 if pair.geographic else 1

    best = max(pairs, key=worth)
    return (best,), tuple(pair for pair in pairs if pair is not best)
