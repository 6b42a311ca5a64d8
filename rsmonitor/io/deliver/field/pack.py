"""The field pack: what an inspector takes into hills without network.

Three files lead, by name: sheets of paper, a map for a phone, and a table to be filled
in. Each opens alone and asks nothing of any network.
"""

from pathlib import Path
from typing import Final

from rsmonitor.io.deliver.field.corners import corners_txt
from rsmonitor.io.deliver.field.kmz import sites_kmz
from rsmonitor.io.deliver.field.readme import (
    CORNERS,
    CSV,
    GPX,
    KMZ,
    README,
    SHEETS,
    WORKBOOK,
    readme_txt,
)
from rsmonitor.io.deliver.field.sheets import sheets_pdf
from rsmonitor.io.deliver.field.tables import sites_csv, sites_xlsx
from rsmonitor.io.deliver.field.visits import Plan, plan_of
from rsmonitor.io.deliver.handheld import Mark, write_gpx
from rsmonitor.io.foundation.files import make_folder, write_atomic
from rsmonitor.records.package import Package

FILES: Final = (SHEETS, KMZ, WORKBOOK, README, CORNERS, CSV, GPX)
"""Names of the files, ASCII, in the order in which a folder lists them."""


def write_field_pack(folder: Path, package: Package) -> None:
    """
    Write the field pack of a package.

    Parameters
    ----------
    folder : Path
        Where `FILES` go; made if need be.
    package : Package
        The week's package.

    Raises
    ------
    OutputError
        If a file cannot be written, a geometry is not longitude and latitude, or what
        ``rsmonitor[deliver]`` brings is missing.

    Notes
    -----
    The same package gives the same bytes.
    """
    make_folder(folder)
    plan = plan_of(package)
    for name, write in (
        (SHEETS, sheets_pdf),
        (KMZ, sites_kmz),
        (WORKBOOK, sites_xlsx),
        (README, readme_txt),
        (CORNERS, corners_txt),
        (CSV, sites_csv),
        (GPX, _gpx),
    ):
        write_atomic(folder / name, write(plan))


def _gpx(plan: Plan) -> bytes:
    """Write waypoints, the round and the outlines for a receiver."""
    marks = {
        visit.dossier.alert.alert_id: Mark(
            name=f"{visit.number} {visit.name}", point=visit.dossier.point
        )
        for visit in plan.visits
    }
    route = [(mark.name, mark.point) for mark in marks.values()]
    start = plan.package.visit_start
    if start is not None and route:
        ends = ("起点 start", start)
        route = [ends, *route, ends]
    elif route:
        route.append(route[0])
    return write_gpx(
        [visit.dossier.alert for visit in plan.visits],
        invented=plan.package.invented,
        marks=marks,
        route=route,
    )
