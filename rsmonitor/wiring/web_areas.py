"""What a person may choose from: the areas and weeks of a scope, with their names."""

from typing import Any, Final

from rsmonitor.io.stores.shelf import Shelf
from rsmonitor.io.stores.shelf_query import Box
from rsmonitor.io.stores.shelf_writing import ALERTS, COLLECTIONS
from rsmonitor.records.account import Scope
from rsmonitor.wiring.shelf import KeptShelf

_LEVELS: Final = {2: "province", 4: "prefecture", 6: "county"}


def session_areas(kept: KeptShelf, scope: Scope) -> list[dict[str, Any]]:
    """
    List the areas that a scope sees, with names and boxes.

    Parameters
    ----------
    kept : KeptShelf
        The shelf.
    scope : Scope
        Who sees what.

    Returns
    -------
    list of dict
        ``code, name_zh, name_en, level, bbox`` each: provinces and prefectures that
        the scope holds whole, then counties and districts; ``bbox`` is None where
        nothing has a place.

    Raises
    ------
    StoreError
        If a ledger or the shelf is damaged.
    """
    shelf = kept.now()
    codes = {code for code in shelf.codes(scope.areas) if scope.covers(code)}
    for code in tuple(codes):
        if code.isdigit() and len(code) == 6:  # noqa: PLR2004 - digits of a county
            codes |= {area for area in (code[:2], code[:4]) if scope.covers(area)}
    names_zh: dict[str, str] = {}
    names_en: dict[str, str] = {}
    for group in kept.groups:
        names_zh |= group.names
        for office in group.offices:
            names_en[office.district.code] = office.district.name_en
    return [
        {
            "code": code,
            "name_zh": names_zh.get(code, code),
            "name_en": names_en.get(code, names_zh.get(code, code)),
            "level": _LEVELS.get(len(code), "district")
            if code.isdigit()
            else "district",
            "bbox": _bounds(shelf, code),
        }
        for code in sorted(codes, key=lambda each: (len(each), each))
    ]


def session_weeks(kept: KeptShelf, scope: Scope) -> list[str]:
    """
    List the weeks in which what a scope sees was said, or was last looked at.

    Parameters
    ----------
    kept : KeptShelf
        The shelf.
    scope : Scope
        Who sees what.

    Returns
    -------
    list of str
        ISO weeks such as ``2026-W47``, the newest first.

    Raises
    ------
    StoreError
        If a ledger or the shelf is damaged.
    """
    return list(kept.now().weeks(scope.areas))


def invented(kept: KeptShelf, scope: Scope) -> bool:
    """
    Say whether anything that a scope sees rests on invented licences.

    Parameters
    ----------
    kept : KeptShelf
        The shelf.
    scope : Scope
        Who sees what.

    Returns
    -------
    bool
        True if so: every page must then say it.

    Raises
    ------
    StoreError
        If a ledger or the shelf is damaged.
    """
    return kept.now().invented(scope.areas)


def _bounds(shelf: Shelf, code: str) -> Box | None:
    """Give the box around everything of an area, of its alerts first."""
    for collection in (ALERTS, *COLLECTIONS):
        box, _ = shelf.extent((code,), collection)
        if box is not None:
            return box
    return None
