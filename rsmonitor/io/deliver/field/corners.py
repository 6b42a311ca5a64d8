"""Corners of the sites' outlines as a plain table of text.

The ministry's exchange format is another file, of the forms; this one is for eyes and
for a receiver's keyboard.
"""

from collections.abc import Iterator

import numpy as np
import shapely
from shapely import Polygon

from rsmonitor.io.deliver.field.visits import Plan, Visit
from rsmonitor.io.deliver.field.words import NOT_APPLICABLE
from rsmonitor.io.deliver.geojson import rounded
from rsmonitor.stages.coordinates import in_zone


def corners_txt(plan: Plan) -> bytes:
    """
    Write the corners of every outline.

    Parameters
    ----------
    plan : Plan
        The week's visits.

    Returns
    -------
    bytes
        UTF-8 with BOM and line ends as Windows has them; columns between tabs. Every
        outline is in one zone of three degrees, that of its point, and each ring ends
        with its first corner.

    Raises
    ------
    OutputError
        If a geometry is not longitude and latitude.
    """
    chinese = plan.language == "zh"
    said = (
        (
            (
                "CGCS2000 高斯-克吕格 3度带，北坐标 X、东坐标 Y（含带号），米；"
                "经纬度为 WGS 84。每个图斑用其到达点所在的带。"
            ),
            "部分：图斑的第几块；圈：0 为外圈，1 起为内圈（洞）。每圈首尾点相同。",
        )
        if chinese
        else (
            (
                "CGCS2000 Gauss-Krueger, 3-degree zones, northing X and easting Y with "
                "the zone before it, metres; longitude and latitude are WGS 84. Every "
                "site is in the zone of its point."
            ),
            (
                "part: of the site; ring: 0 is the outer one, 1 and more are holes. "
                "Each ring ends with its first corner."
            ),
        )
    )
    heads = (
        "走访 简称 线索编号 部分 圈 点号 EPSG 北坐标X 东坐标Y 经度 纬度"
        if chinese
        else "visit name alert_id part ring corner EPSG northing_X easting_Y "
        "longitude latitude"
    )
    lines = [f"# {line}" for line in (plan.notice[plan.language], *said)]
    lines.append("\t".join(heads.split()))
    for visit in plan.visits:
        lines += _corners(plan, visit)
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8-sig")


def _corners(plan: Plan, visit: Visit) -> Iterator[str]:
    """Write the corners of one outline."""
    alert, grid = visit.dossier.alert, visit.grid
    no = NOT_APPLICABLE[plan.language]
    outline = rounded(alert.site.latest.disturbance.geometry, what=alert.alert_id)
    parts = [p for p in shapely.get_parts(outline) if isinstance(p, Polygon)]
    for number, part in enumerate(parts, start=1):
        for ring, line in enumerate((part.exterior, *part.interiors)):
            places = shapely.get_coordinates(line)
            if grid is None:
                metres = [(no, no)] * len(places)
            else:
                placed = in_zone(np.asarray(places), grid.zone)
                metres = [(f"{x:.2f}", f"{y:.2f}") for y, x in placed]
            last = len(places) - 1
            for corner, ((x, y), (lon, lat)) in enumerate(
                zip(metres, places, strict=True)
            ):
                cells = (
                    *(visit.number, visit.name, alert.alert_id, number, ring),
                    f"J{1 if corner == last else corner + 1}",
                    *(no if grid is None else grid.epsg, x, y),
                    *(f"{lon:.7f}", f"{lat:.7f}"),
                )
                yield "\t".join(map(str, cells))
