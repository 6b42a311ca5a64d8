"""The area that a file states, and whether the parcel has it.

Land bureaus speak 亩, exchange files hectares, mining licences square kilometres, and
geodata square metres; a column without a unit is often in another one than expected.
"""

import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Final

SQUARE_METRES: Final[Mapping[str, float]] = {
    "m2": 1.0,
    "mu": 2000.0 / 3.0,
    "ha": 10_000.0,
    "km2": 1_000_000.0,
}
"""Square metres of each unit; ``mu`` is 亩."""

MAX_DIFFERENCE: Final = 0.01
"""Share by which a stated area may differ without a warning."""

_NAMES: Final[Mapping[str, str]] = {
    "平方米": "m2",
    "m2": "m2",
    "m²": "m2",
    "sqm": "m2",
    "亩": "mu",
    "mu": "mu",
    "公顷": "ha",
    "ha": "ha",
    "hm2": "ha",
    "hectares": "ha",
    "平方公里": "km2",
    "平方千米": "km2",
    "km2": "km2",
    "sqkm": "km2",
}
_LABELS: Final[Mapping[str, str]] = {
    "m2": "square metres",
    "mu": "mu (亩)",
    "ha": "hectares (公顷)",
    "km2": "square kilometres",
}
_AREA: Final = re.compile(
    r"([0-9]{1,15}(?:\.[0-9]{0,15})?(?:[eE][+-]?[0-9]{1,3}(?![0-9]))?)"
    r"\s*((?![eE][+-]?[0-9])[^0-9\s].*)?"
)
_NONE: Final = re.compile(r"[0.]*|[/\u2014-]+|无|null|none", re.IGNORECASE)
"""What files write for an area that they do not know."""


def unit_of(text: str) -> str | None:
    """
    Find the unit of area in a text, such as a column's name.

    Parameters
    ----------
    text : str
        Such as ``面积(公顷)`` or ``AREA_KM2``.

    Returns
    -------
    str or None
        A key of `SQUARE_METRES`; None where none is named.

    Examples
    --------
    >>> unit_of("面积（公顷）"), unit_of("矿区面积km²"), unit_of("面积")
    ('ha', 'km2', None)
    """
    plain = unicodedata.normalize("NFKC", text).casefold().replace("平方 ", "平方")
    plain = plain.replace("^2", "2")
    for name in sorted(_NAMES, key=len, reverse=True):
        if name.isascii():
            if re.search(rf"(?<![a-z]){name}(?![a-z0-9])", plain):
                return _NAMES[name]
        elif name in plain:
            return _NAMES[name]
    return None


def stated_area(text: str, unit: str | None) -> tuple[float, str | None] | None:
    """
    Read a stated area.

    Parameters
    ----------
    text : str
        Such as ``5.7089``, ``0.7655公顷`` or ``1,234.5``.
    unit : str or None
        What it is in where the text names no unit: a key of `SQUARE_METRES`.

    Returns
    -------
    tuple of float and str, or None
        The number, and its unit where one is known; None where there is no area: no
        number, or 0, which files write for unknown.

    Examples
    --------
    >>> stated_area("0.7655公顷", None), stated_area("0", "ha")
    ((0.7655, 'ha'), None)
    """
    plain = unicodedata.normalize("NFKC", text).replace(",", "").strip()
    found = _AREA.fullmatch(plain)
    if not found or not found[1].isascii():
        return None
    number = float(found[1])
    if not math.isfinite(number) or number <= 0:
        return None
    return number, unit_of(found[2] or "") or unit


def in_square_metres(text: str, unit: str | None) -> float | None:
    """
    Read a stated area in square metres.

    Parameters
    ----------
    text : str
        As for `stated_area`.
    unit : str or None
        As for `stated_area`.

    Returns
    -------
    float or None
        Square metres; None where there is no area, or no unit.

    Examples
    --------
    >>> in_square_metres("0.7655公顷", None), in_square_metres("5", None)
    (7655.0, None)
    """
    stated = stated_area(text, unit)
    if stated is None or stated[1] is None:
        return None
    return stated[0] * SQUARE_METRES[stated[1]]


def is_no_area(text: str) -> bool:
    """
    Say whether a text states an area that cannot be, such as ``-12``.

    Parameters
    ----------
    text : str
        As the file writes it.

    Returns
    -------
    bool
        False for an area, and for what files write where they do not know it.

    Examples
    --------
    >>> is_no_area("-12"), is_no_area("0"), is_no_area("1.2公顷")
    (True, False, False)
    """
    plain = unicodedata.normalize("NFKC", text).strip()
    return stated_area(text, None) is None and _NONE.fullmatch(plain) is None


def area_warning(text: str, stated_m2: float | None, computed_m2: float) -> str | None:
    """
    Compare the stated area with the one on the ellipsoid.

    Parameters
    ----------
    text : str
        Area as it is written.
    stated_m2 : float or None
        The same in square metres, by the unit that the file names.
    computed_m2 : float
        Area of the parcel on the ellipsoid, square metres.

    Returns
    -------
    str or None
        A sentence if they differ by more than 1 %, with the unit that would fit; None
        if they agree or nothing is stated.

    Examples
    --------
    >>> area_warning("104.0", 1_040_000.0, 69_341.6)
    'stated area 104.0 is 1040000 m2, computed is 69341.6 m2: it fits as mu (亩)'
    """
    stated = stated_area(text, None)
    number = stated[0] if stated else stated_m2
    if number is None or computed_m2 <= 0:
        return None
    if stated_m2 is not None and agrees(stated_m2, computed_m2):
        return None
    fitting = [
        label
        for unit, label in _LABELS.items()
        if agrees(number * SQUARE_METRES[unit], computed_m2)
    ]
    read = "has no unit" if stated_m2 is None else f"is {stated_m2:.10g} m2"
    end = f"it fits as {fitting[0]}" if fitting else "no unit fits: see to the corners"
    return (
        f"stated area {text or number} {read}, computed is {computed_m2:.1f} m2: {end}"
    )


def agrees(stated_m2: float, computed_m2: float) -> bool:
    """
    Say whether two areas are the same within `MAX_DIFFERENCE`.

    Parameters
    ----------
    stated_m2 : float
        Square metres.
    computed_m2 : float
        Square metres, more than 0.

    Returns
    -------
    bool
        True where they are.
    """
    return abs(stated_m2 / computed_m2 - 1.0) <= MAX_DIFFERENCE
