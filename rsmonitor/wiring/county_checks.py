"""Counties that licences and declarations name, held against codes and borders."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import shapely

from rsmonitor.errors import SettingsError
from rsmonitor.io.licences.found import LicenceFile
from rsmonitor.stages.gcj02 import from_gcj02
from rsmonitor.stages.jurisdiction import County
from rsmonitor.wiring.licences import borders_of

PROVINCES: Final = frozenset(
    {
        *("11", "12", "13", "14", "15", "21", "22", "23", "31", "32", "33", "34"),
        *("35", "36", "37", "41", "42", "43", "44", "45", "46", "50", "51", "52"),
        *("53", "54", "61", "62", "63", "64", "65", "71", "81", "82"),
    }
)
"""First two digits of the codes of GB/T 2260."""

_MOST_NAMED: Final = 10


def suspected_web_map(found: LicenceFile, counties: Sequence[County]) -> str:
    """
    Suspect a file that lies inside the counties only when taken for a web map's.

    The shift is of the size by which public borders differ, so that this is told and
    refuses nothing; parcels that are known decide, as
    `rsmonitor.wiring.licences.known_parcels` gives them.

    Parameters
    ----------
    found : LicenceFile
        What it was understood to say.
    counties : sequence of County
        Border layer; without it nothing is suspected.

    Returns
    -------
    str
        What a person should look at; empty if nothing.
    """
    if not counties:
        return ""
    whole = shapely.union_all([county.geometry for county in counties])
    shapely.prepare(whole)
    enter = leave = 0
    for licence in found.licences:
        inside = shapely.contains(whole, licence.geometry)
        moved = shapely.contains(whole, from_gcj02(licence.geometry))
        enter += bool(moved and not inside)
        leave += bool(inside and not moved)
    if not enter or leave:
        return ""
    return (
        f"{enter} of {len(found.licences)} parcels lie across or beyond the borders, "
        "and inside when taken for coordinates of a web map (GCJ-02): ask where they "
        "come from; --from-gcj02 converts them"
    )


def require_county(
    code: str, config: Path | None, counties: Sequence[County] = ()
) -> None:
    """
    Refuse the code of a county that cannot be.

    Parameters
    ----------
    code : str
        GB/T 2260; ``360700`` is a prefecture, ``360000`` a province.
    config : Path or None
        Settings file; where it names a border layer, that layer must know the code.
    counties : sequence of County, optional
        Counties that the settings are for, for the message.

    Raises
    ------
    SettingsError
        If it has not six digits, its first two are those of no province, or the border
        layer has no such county.

    Examples
    --------
    >>> require_county("990000", None)
    Traceback (most recent call last):
    rsmonitor.errors.SettingsError: county 990000: no province has the number 99
    """
    if not re.fullmatch("[0-9]{6}", code):
        raise SettingsError(
            f"county {code!r}: a code has six digits (GB/T 2260), such as 360728"
        )
    if code[:2] not in PROVINCES:
        raise SettingsError(f"county {code}: no province has the number {code[:2]}")
    if code[2:4] == "00" and code[4:] != "00":
        raise SettingsError(
            f"county {code}: belongs to no prefecture: digits three and four are 00 "
            "only in the code of a province (GB/T 2260)"
        )
    known = borders_of(config)
    start = code
    while start.endswith("00"):
        start = start.removesuffix("00")
    if known and not any(county.code.startswith(start) for county in known):
        names = ", ".join(county.code for county in (*counties, *known)[:_MOST_NAMED])
        raise SettingsError(
            f"county {code}: the border layer of {config} has no such county; it has "
            f"{names}"
        )
