# ruff: noqa: INP001 - a script, not a package
"""Make districts.geojson and plants.geojson from the tables beside this file.

Run it after changing a table::

    python aoi/make_districts.py          # writes both files
    python aoi/make_districts.py --check  # exit code 1 if they are not up to date

It needs rsmonitor installed and nothing else: no border file, no network.
"""

import argparse
import csv
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import shapely
from shapely import Polygon

from rsmonitor.stages.geodesy import WGS84
from rsmonitor.stages.tiling import Cell, cell_outline, cover, grids

HERE: Final = Path(__file__).parent

CONFIDENCES: Final = ("mined", "licensed", "deposit known", "suspected")

CORNERS: Final = 64
"""Corners of a circle on the ground."""

DECIMALS: Final = 7

WHAT: Final = (
    "Cells of 10 km (the digits behind the tile are those of the MGRS) that touch a "
    "circle around a point. The point lies inside the county; it is no mine unless "
    "source_says so. No border is drawn: the cells of a district also hold ground of "
    "its neighbours and leave out parts of the county."
)

NOT_COVERED: Final = {
    "江西 Jiangxi": (
        "The other counties of 赣州 (大余, 上犹, 兴国, 石城, 瑞金, 于都, 南康 and "
        "more), 吉安 and 抚州; of each district what lies beyond its circle."
    ),
    "广东 Guangdong": (
        "清远 (佛冈, 英德, 连南), 汕尾 (陆河), 揭阳, 佛山 (高明), 茂名 and the rest of "
        "韶关, 河源 and 梅州, all named in reports; of each district what lies beyond "
        "its circle."
    ),
    "广西 Guangxi": (
        "崇左, 钦州, 玉林, 桂林, 贺州 beyond 八步, 梧州 beyond 苍梧 (岑溪 among "
        "them); of each district what lies beyond its circle."
    ),
    "福建 Fujian": (
        "三明 (宁化, 清流, 明溪), 漳平, 新罗, 宁德 (寿宁) and the rest; of each "
        "district what lies beyond its circle."
    ),
    "湖南 Hunan": (
        "All but one circle in 江华: 郴州 and the rest of 永州 are not covered, nor "
        "the monazite placers of the north."
    ),
    "云南 Yunnan": (
        "盈江, 梁河, the Lincang granite (临沧, 澜沧, 勐海) and the deposit reported "
        "at 红河 in 2025; of each district what lies beyond its circle."
    ),
    "浙江 Zhejiang": (
        "Not covered at all. An ion-adsorption deposit at Hedi is described "
        "(https://doi.org/10.3390/min14111178), but no source at hand says exactly "
        "where it is."
    ),
    "other": (
        "Reports name digging in Hainan (琼中) and Hubei too; outside the seven "
        "provinces nothing is covered."
    ),
}


def main() -> int:
    """Write the files, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    stale = []
    for name, text in (
        ("districts.geojson", districts(HERE / "leads.csv")),
        ("plants.geojson", plants(HERE / "plants.csv")),
    ):
        path = HERE / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not check:
            path.write_text(text, encoding="utf-8")
    print(  # noqa: T201 - a script
        ", ".join(stale) or "nothing", "to write" if check else "written"
    )
    return int(check and bool(stale))


def districts(table: Path) -> str:
    """Make the districts of the leads that have a source."""
    features, dropped = [], []
    for row in rows(table):
        if not row["source_url"]:
            dropped.append(
                {
                    "code": row["code"],
                    "name_zh": row["name_zh"],
                    "why": "no public source that names this county was found",
                }
            )
            continue
        if row["confidence"] not in CONFIDENCES:
            sys.exit(f"{table}: {row['code']}: confidence is {row['confidence']!r}")
        points = [
            tuple(map(float, point.split())) for point in row["points"].split(";")
        ]
        radius_m = float(row["radius_km"]) * 1000
        circles = shapely.union_all([circle(lon, lat, radius_m) for lon, lat in points])
        cells = cover(circles)
        properties = {
            "code": row["code"],
            "name_zh": row["name_zh"],
            "name_en": row["name_en"],
            "province": row["province"],
            "prefecture": row["prefecture"],
            "confidence": row["confidence"],
            "source_url": row["source_url"],
            "source_says": row["source_says"],
            "points": [list(point) for point in points],
            "radius_m": radius_m,
            "cells": [cell.cell_id for cell in cells],
            "tiles": [grid.mgrs_tile for grid in grids(cells)],
        }
        features.append(feature(row["code"], outline(cells), properties))
    return collection(features, about=WHAT, not_covered=NOT_COVERED, dropped=dropped)


def plants(table: Path) -> str:
    """Make the rings around the plants."""
    features = []
    for row in rows(table):
        lon, lat, ring_m = (float(row.pop(key)) for key in ("lon", "lat", "ring_m"))
        properties = {**row, "point": [lon, lat], "ring_m": ring_m}
        ring = circle(lon, lat, ring_m)
        features.append(feature(row["plant_id"], ring, properties))
    return collection(
        features,
        about=(
            "Smelting, separation and recycling plants, each with a ring in which "
            "construction is watched. The point is the source's; the ring is not the "
            "plant's ground."
        ),
    )


def rows(table: Path) -> list[dict[str, str]]:
    """Read a table."""
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def circle(lon: float, lat: float, radius_m: float) -> Polygon:
    """Draw a circle on the ellipsoid, counterclockwise."""
    azimuths = [-360 * corner / CORNERS for corner in range(CORNERS)]
    east, north, _ = WGS84.fwd(
        [lon] * CORNERS, [lat] * CORNERS, azimuths, [radius_m] * CORNERS
    )
    return Polygon(zip(east, north, strict=True))


def outline(cells: tuple[Cell, ...]) -> shapely.Geometry:
    """Join the cells; corners that neighbours share stay the same to the last digit."""
    return shapely.union_all(
        [shapely.set_precision(cell_outline(cell), 10**-DECIMALS) for cell in cells]
    )


def feature(
    identity: str, geometry: shapely.Geometry, properties: Mapping[str, object]
) -> dict[str, object]:
    """Make a feature as RFC 7946 has it."""
    turned = shapely.orient_polygons(shapely.set_precision(geometry, 10**-DECIMALS))
    rounded = json.loads(
        json.dumps(shapely.geometry.mapping(turned)),
        parse_float=lambda text: round(float(text), DECIMALS),
    )
    return {
        "type": "Feature",
        "id": identity,
        "bbox": [round(value, DECIMALS) for value in turned.bounds],
        "properties": properties,
        "geometry": rounded,
    }


def collection(features: list[dict[str, object]], **members: object) -> str:
    """Write a collection, one feature a line, so that changes can be read."""
    boxes = [one["bbox"] for one in features]
    head = {
        "type": "FeatureCollection",
        "bbox": [
            min(box[0] for box in boxes),
            min(box[1] for box in boxes),
            max(box[2] for box in boxes),
            max(box[3] for box in boxes),
        ],
        **members,
    }
    lines = [json.dumps(one, ensure_ascii=False) for one in features]
    start = json.dumps(head, ensure_ascii=False, indent=1)[:-2]
    return start + ',\n "features": [\n' + ",\n".join(lines) + "\n ]\n}\n"


if __name__ == "__main__":
    sys.exit(main())
