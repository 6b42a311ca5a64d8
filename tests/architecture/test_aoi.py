"""The areas of interest: made by their script, each with its source, on the grid."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import shapely
from shapely.geometry import shape

from rsmonitor.records.district import District
from rsmonitor.stages.geodesy import WGS84
from rsmonitor.stages.tiling import (
    cell_of,
    cell_outline,
    grids,
    parse_cell,
    tile_window,
)

ROOT: Final = Path(__file__).parents[2]
AOI: Final = ROOT / "aoi"
DISTRICTS: Final = json.loads((AOI / "districts.geojson").read_text(encoding="utf-8"))
PLANTS: Final = json.loads((AOI / "plants.geojson").read_text(encoding="utf-8"))
SEVEN: Final = ("江西", "广东", "广西", "福建", "湖南", "云南", "浙江")
EACH_DISTRICT: Final = pytest.mark.parametrize(
    "one", DISTRICTS["features"], ids=lambda one: one["id"]
)
EACH_PLANT: Final = pytest.mark.parametrize(
    "one", PLANTS["features"], ids=lambda one: one["id"]
)
PUBLIC: Final = re.compile(r"https?://[a-z0-9.-]+\.[a-z]{2,}/\S+")


def test_the_files_are_what_the_script_makes_of_the_tables() -> None:
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, AOI / "make_districts.py", "--check"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("document", [DISTRICTS, PLANTS], ids=["districts", "plants"])
def test_a_file_of_areas_is_geojson_as_the_standard_has_it(document: Any) -> None:  # noqa: ANN401
    assert document["type"] == "FeatureCollection"
    assert "crs" not in document
    ids = [one["id"] for one in document["features"]]
    assert len(ids) == len(set(ids))
    boxes = [shape(one["geometry"]).bounds for one in document["features"]]
    assert document["bbox"] == pytest.approx(
        [
            min(box[0] for box in boxes),
            min(box[1] for box in boxes),
            max(box[2] for box in boxes),
            max(box[3] for box in boxes),
        ],
        abs=1e-7,
    )
    for one in document["features"]:
        geometry = shape(one["geometry"])
        assert geometry.is_valid
        assert geometry.equals_exact(shapely.orient_polygons(geometry), 0)
        assert one["bbox"] == pytest.approx(list(geometry.bounds), abs=1e-7)
        for value in shapely.get_coordinates(geometry).ravel():
            assert round(value, 7) == value


@EACH_DISTRICT
def test_a_district_has_its_names_its_source_and_how_sure_that_is(one: Any) -> None:  # noqa: ANN401
    said = one["properties"]
    district = District(
        code=said["code"],
        name_zh=said["name_zh"],
        name_en=said["name_en"],
        bureau=f"{said['name_zh']}自然资源局",
        county_codes=(said["code"],),
    )
    assert district.code == one["id"]
    assert PUBLIC.fullmatch(said["source_url"])
    assert len(said["source_says"]) > 20
    assert said["confidence"] in ("mined", "licensed", "deposit known", "suspected")
    assert said["province"] in SEVEN
    assert said["prefecture"]


@EACH_DISTRICT
def test_a_district_is_cells_that_hold_its_points(one: Any) -> None:  # noqa: ANN401
    said = one["properties"]
    cells = [parse_cell(name) for name in said["cells"]]
    assert len(set(cells)) == len(cells)
    for lon, lat in said["points"]:
        assert cell_of(lon, lat) in cells
        for azimuth in range(0, 360, 45):
            edge = WGS84.fwd(lon, lat, azimuth, said["radius_m"] - 200)
            assert cell_of(*edge[:2]) in cells
    assert [grid.mgrs_tile for grid in grids(cells)] == said["tiles"]
    assert all(tile_window(grid) for grid in grids(cells))
    joined = shapely.union_all([cell_outline(cell) for cell in cells])
    assert shape(one["geometry"]).symmetric_difference(joined).area < 1e-6


def test_no_lead_without_a_source_became_a_district() -> None:
    with (AOI / "leads.csv").open(encoding="utf-8", newline="") as file:
        leads = list(csv.DictReader(file))
    codes = [lead["code"] for lead in leads]
    assert len(codes) == len(set(codes))
    kept = {one["id"] for one in DISTRICTS["features"]}
    dropped = {one["code"] for one in DISTRICTS["dropped"]}
    assert kept == {lead["code"] for lead in leads if lead["source_url"]}
    assert dropped == set(codes) - kept
    assert dropped, "leads without a source are kept in the table, and said"


def test_what_is_not_covered_is_said_for_each_of_the_seven_provinces() -> None:
    said = DISTRICTS["not_covered"]
    for province in SEVEN:
        (text,) = (said[key] for key in said if key.startswith(province))
        assert len(text) > 40
    covered = {one["properties"]["province"] for one in DISTRICTS["features"]}
    for province in set(SEVEN) - covered:
        (text,) = (said[key] for key in said if key.startswith(province))
        assert "Not covered at all" in text


@EACH_PLANT
def test_a_plant_has_a_source_and_a_ring_of_the_stated_size(one: Any) -> None:  # noqa: ANN401
    said = one["properties"]
    assert PUBLIC.fullmatch(said["source_url"])
    assert said["kind"] in ("smelting", "separation", "smelting and separation")
    lon, lat = said["point"]
    for x, y in shape(one["geometry"]).exterior.coords:
        _, _, metres = WGS84.inv(lon, lat, x, y)
        assert metres == pytest.approx(said["ring_m"], abs=0.1)


# ------------------------------------------------- against real counties, if there


def county_polygons(test_data: Path) -> dict[str, Any]:
    (path,) = (test_data / "china_counties").glob("tianditu*.geojson")
    document = json.loads(path.read_text(encoding="utf-8"))
    return {one["properties"]["district_adcode"]: one for one in document["features"]}


def test_codes_and_names_are_those_of_the_counties(test_data: Path) -> None:
    counties = county_polygons(test_data)
    provinces = {code[:2] for code in counties}
    checked = 0
    for one in (*DISTRICTS["features"], *DISTRICTS["dropped"]):
        said = one.get("properties", one)
        if said["code"][:2] not in provinces:
            continue
        known = counties[said["code"]]["properties"]
        assert known["district_name"] == said["name_zh"]
        if "province" in said:
            assert known["province_name"].startswith(said["province"])
            assert known["city_name"].startswith(said["prefecture"])
        checked += 1
    assert checked > 30


def test_points_lie_in_the_county_or_a_few_hundred_metres_off(test_data: Path) -> None:
    counties = county_polygons(test_data)
    places = [
        (one["id"], lon, lat)
        for one in DISTRICTS["features"]
        for lon, lat in one["properties"]["points"]
    ] + [
        (one["properties"]["county_code"], *one["properties"]["point"])
        for one in PLANTS["features"]
    ]
    for code, lon, lat in places:
        if code in counties:
            county = shape(counties[code]["geometry"])
            assert county.distance(shapely.Point(lon, lat)) < 0.003, code
