"""Which features are wanted of the read model, and that in SQL."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import shapely

from rsmonitor.io.stores.shelf_writing import ALERTS

Box = tuple[float, float, float, float]
"""West, south, east, north in degrees; west beyond east spans the antimeridian."""

_EQUAL: Final = ("item_id", "tier", "category", "state", "phase", "district")
"""Columns that a filter names a value of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which features."""

    areas: tuple[str, ...]
    """`Scope.areas`: what lies in none of them is not there."""

    collection: str = ALERTS
    """One of `rsmonitor.io.stores.shelf_writing.COLLECTIONS`."""

    item_id: str | None = None
    """The only one wanted."""

    box: Box | None = None
    """What the geometry must meet."""

    since: str | None = None
    """Day, ISO 8601: it must not have ended before."""

    until: str | None = None
    """Day: it must not have begun after."""

    county: str | None = None
    """Digits of an area that must hold it."""

    district: str | None = None
    """`District.code`."""

    tier: str | None = None
    """Code of the tier."""

    category: str | None = None
    """`Category`."""

    state: str | None = None
    """`SiteState`."""

    phase: str | None = None
    """`Phase`."""

    week: str | None = None
    """ISO week in which it was said."""

    words: str | None = None
    """Text that must stand in its ids, names or labels."""


def boxes_of(box: Box) -> tuple[Box, ...]:
    """
    Cut a box at the antimeridian.

    Parameters
    ----------
    box : tuple of float
        West, south, east, north.

    Returns
    -------
    tuple of tuple of float
        One box, or two.

    Examples
    --------
    >>> boxes_of((170.0, 0.0, -170.0, 1.0))
    ((170.0, 0.0, 180.0, 1.0), (-180.0, 0.0, -170.0, 1.0))
    """
    west, south, east, north = box
    if west <= east:
        return (box,)
    return (west, south, 180.0, north), (-180.0, south, east, north)


def where_of(
    wanted: Wanted, boxes: Sequence[Box], near: Sequence[int] | None
) -> tuple[str, dict[str, Any]]:
    """
    Say in SQL what is wanted of one area, whose name is ``:area``.

    Parameters
    ----------
    wanted : Wanted
        What is wanted.
    boxes : sequence of tuple of float
        What `boxes_of` made of its box; empty without one.
    near : sequence of int, optional
        Rows that an index found near the boxes, if these are few.

    Returns
    -------
    str
        From ``FROM`` on; ``p`` is the place, ``i`` the item where that is asked for.
    dict
        Values by name.
    """
    tests = ["p.collection = :collection", "p.area = :area"]
    values: dict[str, Any] = {"collection": wanted.collection}
    for test, name, value in _tests(wanted):
        tests.append(test)
        values[name] = value
    tables = "place AS p"
    if boxes or {wanted.words, wanted.week} != {None}:
        tables = "place AS p CROSS JOIN item AS i ON i.number = p.number"
    if near is not None:
        tables = (
            "json_each(:near) AS j CROSS JOIN item AS i ON i.number = j.value "
            "CROSS JOIN place AS p ON p.item_id = i.item_id"
        )
        values["near"] = f"[{','.join(map(str, near))}]"
    if boxes:
        tests.append(f"({' OR '.join(_meets(k) for k in range(len(boxes)))})")
    for k, box in enumerate(boxes):
        names = (f"w{k}", f"s{k}", f"e{k}", f"n{k}")
        values |= dict(zip(names, box, strict=True))
    return f"FROM {tables} WHERE {' AND '.join(tests)}", values


def touches(
    outline: bytes | None, west: float, south: float, east: float, north: float
) -> bool:
    """
    Say whether an outline meets a box; SQL knows it as ``meets``.

    Parameters
    ----------
    outline : bytes or None
        WKB.
    west, south, east, north : float
        The box.

    Returns
    -------
    bool
        False without an outline.
    """
    if outline is None:
        return False
    box = shapely.box(west, south, east, north)
    return bool(shapely.from_wkb(outline).intersects(box))


def _tests(wanted: Wanted) -> Iterator[tuple[str, str, str]]:
    """Give each test with the name and the value that it needs."""
    for name in _EQUAL:
        if (value := getattr(wanted, name)) is not None:
            yield f"p.{name} = :{name}", name, value
    if wanted.since is not None:
        yield "p.ended >= :since", "since", wanted.since
    if wanted.until is not None:
        yield "p.began <= :until", "until", wanted.until
    if wanted.county is not None:
        inside = (
            "EXISTS (SELECT 1 FROM place AS c WHERE c.collection = p.collection "
            "AND c.area = :county AND c.item_id = p.item_id)"
        )
        yield inside, "county", wanted.county
    if wanted.week is not None:
        yield "i.week = :week", "week", wanted.week
    if wanted.words is not None:
        yield "instr(i.words, :words) > 0", "words", wanted.words.casefold()


def _meets(number: int) -> str:
    """Say in SQL that an item meets a box; the outline decides at its rim."""
    w, s, e, n = (f":{side}{number}" for side in "wsen")
    return (
        f"(i.east >= {w} AND i.west <= {e} AND i.north >= {s} AND i.south <= {n} AND "  # noqa: S608 - names alone
        f"((i.west >= {w} AND i.east <= {e} AND i.south >= {s} AND i.north <= {n}) "
        "OR meets((SELECT outline FROM document WHERE number = i.number), "
        f"{w}, {s}, {e}, {n})))"
    )
