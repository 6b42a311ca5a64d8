"""Parameters of a query for features: read, held against their rules, documented."""

import base64
import binascii
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from starlette.requests import Request

from rsmonitor.errors import ContractError
from rsmonitor.io.stores.shelf_query import Box, Wanted
from rsmonitor.io.stores.shelf_writing import ALERTS
from rsmonitor.records.account import Viewer
from rsmonitor.records.lifecycle import Phase
from rsmonitor.records.site import SiteState
from rsmonitor.records.week import IsoWeek
from rsmonitor.stages.cases import shanghai_day
from rsmonitor.web.errors import Problem
from rsmonitor.wiring.alerts import STATES, Choice

DEFAULT_LIMIT: Final = 100
MOST: Final = 10_000
"""Features of one page."""

LONGEST: Final = 200
"""Characters of a value."""

CORE: Final = ("bbox", "datetime", "limit", "token")
"""Parameters of every collection."""

FILTERS: Final = ("tier", "category", "state", "county", "district", "week", "q")
"""Further parameters of alerts."""

_SITE_STATES: Final = frozenset(SiteState) & frozenset(STATES)
_AREA: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_OPEN: Final = frozenset({"", ".."})


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What was asked for."""

    wanted: Wanted
    """Which features."""

    limit: int
    """How many at most."""

    after: str
    """The id that the page before ended with; empty for the first."""


def query_of(
    request: Request, viewer: Viewer, collection: str, *, default: int = DEFAULT_LIMIT
) -> Query:
    """
    Read what a request asks for.

    Parameters
    ----------
    request : Request
        The request.
    viewer : Viewer
        Who asks.
    collection : str
        Of which collection.
    default : int
        The limit of a request that says none.

    Returns
    -------
    Query
        What is wanted, within the scope of the viewer.

    Raises
    ------
    Problem
        400 if a parameter is unknown, comes twice, or breaks its rule.
    """
    said = single(request, known_of(collection))
    since, until = _days(said.get("datetime"))
    return Query(
        wanted=Wanted(
            areas=viewer.scope.areas,
            collection=collection,
            box=_box(said.get("bbox")),
            since=since,
            until=until,
            **_filters(said),
        ),
        limit=_limit(said.get("limit"), default),
        after=_after(said.get("token")),
    )


def known_of(collection: str) -> tuple[str, ...]:
    """
    Name the parameters of a collection.

    Parameters
    ----------
    collection : str
        Which.

    Returns
    -------
    tuple of str
        Their names.
    """
    return (*CORE, *FILTERS) if collection == ALERTS else CORE


def single(request: Request, known: Sequence[str]) -> dict[str, str]:
    """
    Read parameters that may each come once.

    Parameters
    ----------
    request : Request
        The request.
    known : sequence of str
        Their names.

    Returns
    -------
    dict of str to str
        Those that came.

    Raises
    ------
    Problem
        400 if one is unknown, comes twice or is too long.
    """
    said: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in known:
            raise Problem(
                400,
                f"there is no parameter {name[:40]!r}; known are {', '.join(known)}",
            )
        if name in said:
            raise Problem(400, f"{name} may be given once")
        if len(value) > LONGEST or "\x00" in value:
            raise Problem(400, f"{name} may have {LONGEST} characters, and no NUL")
        said[name] = value
    return said


def token_after(item_id: str) -> str:
    """
    Make the token of the page that comes after an item.

    Parameters
    ----------
    item_id : str
        The last one of this page.

    Returns
    -------
    str
        Says nothing that the page did not: no place among others, no count.
    """
    return base64.urlsafe_b64encode(item_id.encode()).decode().rstrip("=")


def parameters_of(collection: str) -> list[dict[str, Any]]:
    """
    Describe the parameters of a collection as OpenAPI has it.

    Parameters
    ----------
    collection : str
        Which.

    Returns
    -------
    list of dict
        Parameter objects.
    """
    return [
        {"name": name, "in": "query", "required": False, **_DESCRIBED[name]}
        for name in known_of(collection)
    ]


def _filters(said: Mapping[str, str]) -> dict[str, str]:
    """Read the filters of alerts by the rules that the command has."""
    state, county = said.get("state"), said.get("county")
    try:
        Choice(
            tier=said.get("tier"),
            category=said.get("category"),
            state=state,
            county=county,
            week=IsoWeek.parse(said["week"]) if "week" in said else None,
        )
    except ContractError as error:
        raise Problem(400, str(error)) from error
    district = said.get("district")
    if district is not None and not _AREA.fullmatch(district):
        raise Problem(400, f"district must match {_AREA.pattern}")
    found = {
        name: said[name]
        for name in ("tier", "category", "county", "district", "week")
        if name in said
    }
    if state is not None:
        is_phase = state not in _SITE_STATES and state in frozenset(Phase)
        found["phase" if is_phase else "state"] = state
    if said.get("q", "").strip():
        found["words"] = said["q"].strip()
    return found


def _limit(text: str | None, default: int) -> int:
    """Read how many are wanted; more than there may be are cut."""
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < 1:
        raise Problem(400, f"limit must be a whole number from 1 to {MOST}")
    return min(int(text), MOST)


def _after(text: str | None) -> str:
    """Read the id in a token."""
    if text is None:
        return ""
    try:
        padded = text + "=" * (-len(text) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise Problem(400, "token must be one of a next link") from error


def _box(text: str | None) -> Box | None:
    """Read a box of four numbers, or of six with heights, which are passed over."""
    if text is None:
        return None
    rule = (
        "bbox is west,south,east,north in degrees (CRS84), or six numbers with "
        "heights; west beyond east spans the antimeridian"
    )
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise Problem(400, rule) from error
    if len(numbers) == 6:  # noqa: PLR2004 - with heights
        numbers = [*numbers[:2], *numbers[3:5]]
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)):  # noqa: PLR2004 - sides
        raise Problem(400, rule)
    west, south, east, north = numbers
    if not (
        abs(west) <= 180 and abs(east) <= 180 and -90 <= south <= north <= 90  # noqa: PLR2004 - degrees
    ):
        raise Problem(400, rule)
    return west, south, east, north


def _days(text: str | None) -> tuple[str | None, str | None]:
    """Read an instant or an interval, as days of Asia/Shanghai."""
    if text is None:
        return None, None
    ends = text.split("/")
    if len(ends) == 1 and ends[0] not in _OPEN:
        day = _day(ends[0])
        return day, day
    if len(ends) != 2 or all(end in _OPEN for end in ends):  # noqa: PLR2004 - an interval
        raise Problem(400, _DATETIME)
    since, until = (None if end in _OPEN else _day(end) for end in ends)
    if since is not None and until is not None and since > until:
        raise Problem(400, f"{_DATETIME}; the interval ends before it begins")
    return since, until


_DATETIME: Final = (
    "datetime is an RFC 3339 day or instant, or an interval of two such as "
    "2026-01-01/.. with .. for an open end"
)


def _day(text: str) -> str:
    """Read one end; the day of an instant is that of Asia/Shanghai."""
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text).isoformat()
        if not re.fullmatch(
            r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9:.]+([Zz]|[+-].*)", text
        ):
            raise Problem(400, _DATETIME)
        instant = datetime.fromisoformat(text.upper().replace(" ", "T"))
        return shanghai_day(instant.astimezone(UTC)).isoformat()
    except (ValueError, OverflowError) as error:
        raise Problem(400, _DATETIME) from error


_DESCRIBED: Final[Mapping[str, dict[str, Any]]] = {
    "bbox": {
        "description": "West, south, east, north in degrees (CRS84).",
        "style": "form",
        "explode": False,
        "schema": {
            "type": "array",
            "items": {"type": "number"},
            "minItems": 4,
            "maxItems": 6,
        },
    },
    "datetime": {
        "description": "A day, an instant or an interval with '..' for an open end.",
        "style": "form",
        "explode": False,
        "schema": {"type": "string"},
    },
    "limit": {
        "description": "How many features a page has at most.",
        "style": "form",
        "explode": False,
        "schema": {
            "type": "integer",
            "minimum": 1,
            "maximum": MOST,
            "default": DEFAULT_LIMIT,
        },
    },
    "token": {"description": "From a next link.", "schema": {"type": "string"}},
    "tier": {
        "description": "How much evidence there is.",
        "schema": {"type": "string", "enum": ["high", "medium", "low"]},
    },
    "category": {"description": "What it is in law.", "schema": {"type": "string"}},
    "state": {
        "description": "Of the site, or of its life.",
        "schema": {"type": "string", "enum": list(STATES)},
    },
    "county": {
        "description": "GB/T 2260 code, or its first digits.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
    "district": {"description": "Code of a district.", "schema": {"type": "string"}},
    "week": {
        "description": "ISO week in which it was said.",
        "schema": {"type": "string", "pattern": "^[0-9]{4}-W[0-9]{2}$"},
    },
    "q": {
        "description": "Text in ids, names and labels.",
        "schema": {"type": "string", "maxLength": LONGEST},
    },
}
"""Each parameter as OpenAPI has it."""
