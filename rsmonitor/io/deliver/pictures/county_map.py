"""The map of a package: alerts, licences and borders on imagery, on one sheet.

A county's map shows its alerts by the number of their page. That of a prefecture or a
province shows how many each county has. In one language, the one of the package; the
same package gives the same bytes with the same matplotlib.
"""

import warnings
from typing import Final

from rsmonitor.errors import ContractError, OutputError
from rsmonitor.io.deliver.pictures.map_frame import frame_of
from rsmonitor.io.deliver.pictures.typeface import find_typeface
from rsmonitor.records.package import Package

DPI: Final = 200
"""Pixels an inch: print at the size of a page."""

LEAST_DPI: Final = 50
MOST_DPI: Final = 600


def county_map(package: Package, *, dpi: int = DPI) -> bytes:
    """
    Draw the map of a package.

    Parameters
    ----------
    package : Package
        What is sent to an area. Border, images, coverage, licences and alerts may each
        be missing.
    dpi : int, default 200
        Pixels an inch; the sheet is 7 inches wide.

    Returns
    -------
    bytes
        PNG.

    Raises
    ------
    ContractError
        If `dpi` is not 50 to 600, or the area lies where no projection has room.
    OutputError
        If matplotlib or the typeface is missing (the message says which command brings
        them).
    """
    if not LEAST_DPI <= dpi <= MOST_DPI:
        raise ContractError(f"dpi must be {LEAST_DPI} to {MOST_DPI}, got {dpi}")
    typeface = find_typeface()
    # after the typeface, which says what to do where matplotlib is missing
    from rsmonitor.io.deliver.pictures.county_sheet import CountySheet  # noqa: PLC0415

    with warnings.catch_warnings():
        # an empty box where a character should be is worse than no map
        warnings.filterwarnings("error", message="Glyph .* missing")
        try:
            return CountySheet(typeface, package, frame_of(package)).png(dpi)
        except UserWarning as warning:
            raise OutputError(
                f"map of {package.area.code}: the typeface lacks a character: {warning}"
            ) from warning
