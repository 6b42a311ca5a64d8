"""All corners of a parcel in one text: ``X1,Y1;X2,Y2;...`` and its relatives.

The national database of mining plans writes them so, and so does every list of
licences that has one row a licence.
"""

import re
from collections.abc import Iterator
from typing import Final

from rsmonitor.io.licences.found import UnusableError
from rsmonitor.io.licences.untrusted import shown

RULE_LIST: Final = "corners are written X1,Y1;X2,Y2;..., or as WKT; correct the cell"
"""What is expected of such a text."""

_WKT: Final = re.compile(r"\s*(?:SRID=[0-9]{1,6};)?(?:MULTI)?POLYGON\b", re.IGNORECASE)
_WKT_RING: Final = re.compile(r"\(([^()]*)\)")
_RING_MARKS: Final = re.compile(r"[|#]")
_CORNER_MARKS: Final = re.compile(r"[;；\n]+")
_NUMBER_MARKS: Final = re.compile(r"[,，、\s]+")
_AFTER_MARK: Final = re.compile(r"(?<=[°度分\u2032'])\s+")
_BRACKETS: Final = str.maketrans("", "", "()（）[]【】{}")
_NUMBERED: Final = 3
"""Numbers of a corner that has its own number before it."""


def corner_rings(text: str) -> tuple[tuple[tuple[str, str], ...], ...]:
    """
    Read the corners that are written in one cell.

    Parameters
    ----------
    text : str
        ``X1,Y1;X2,Y2;...``, with or without a number before each corner, or all in a
        row; several rings with ``|`` between them; or the WKT of a polygon.

    Returns
    -------
    tuple of rings
        Each a tuple of pairs of text, as they are written.

    Raises
    ------
    UnusableError
        If it cannot be taken apart.

    Examples
    --------
    >>> corner_rings("1,10.5,20;2,10,21;3,11,22")
    ((('10.5', '20'), ('10', '21'), ('11', '22')),)
    """
    if _WKT.match(text):
        rings = [
            [position.split() for position in ring.split(",")]
            for ring in _WKT_RING.findall(text)
        ]
        if not rings or any(len(pair) < 2 for ring in rings for pair in ring):  # noqa: PLR2004 - a pair
            raise UnusableError(shown(text), RULE_LIST)
        return tuple(tuple((pair[0], pair[1]) for pair in ring) for ring in rings)
    cleaned = _AFTER_MARK.sub("", text.strip())
    if "°" not in cleaned and "度" not in cleaned:
        cleaned = cleaned.translate(_BRACKETS)
    parts = [part for part in _RING_MARKS.split(cleaned) if part.strip()]
    if not parts:
        raise UnusableError(shown(text), RULE_LIST)
    return tuple(ring for part in parts for ring in _listed_rings(part))


def _listed_rings(text: str) -> Iterator[tuple[tuple[str, str], ...]]:
    """Take apart one list of corners; numbering that begins again begins a ring."""
    items = [
        [token for token in _NUMBER_MARKS.split(item.strip()) if token]
        for item in _CORNER_MARKS.split(text)
    ]
    items = [item for item in items if item]
    if len(items) == 1 and len(items[0]) > _NUMBERED:
        items = _unrolled(items[0])
    widths = {len(item) for item in items}
    if widths not in ({2}, {3}):
        wrong = next((item for item in items if len(item) != 2), [])  # noqa: PLR2004 - a pair
        raise UnusableError(shown(",".join(wrong) or text), RULE_LIST)
    ring: list[tuple[str, str]] = []
    first = items[0][0]
    for item in items:
        numbered = len(item) == _NUMBERED
        if numbered and ring and item[0] == first and tuple(item[1:]) != ring[0]:
            yield tuple(ring)
            ring = []
        ring.append((item[-2], item[-1]))
    yield tuple(ring)


def _unrolled(tokens: list[str]) -> list[list[str]]:
    """Cut numbers in a row into corners, each perhaps with its number."""
    count = len(tokens)
    numbers = tokens[::3]
    if count % 3 == 0 and numbers in (
        [str(n) for n in range(1, len(numbers) + 1)],
        [str(n) for n in range(len(numbers))],
    ):
        return [tokens[n : n + 3] for n in range(0, count, 3)]
    if count % 2:
        raise UnusableError(f"{count} numbers in a row", RULE_LIST)
    return [tokens[n : n + 2] for n in range(0, count, 2)]
