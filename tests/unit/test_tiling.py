"""Sentinel-2 tiles and 10 km cells, against ESA's own tiling and real products."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import shapely
import utm
from shapely import LineString, MultiPoint, Point, Polygon

from rsmonitor.errors import ContractError
from rsmonitor.records.grid import Grid
from rsmonitor.records.offer import TileWindow
from rsmonitor.stages.tiling import (
    CELL_M,
    Cell,
    cell_of,
    cell_outline,
    cover,
    grids,
    parse_cell,
    tile_grid,
    tile_window,
    utm_zone,
)

# Every tile of ESA's tiling file over South China (16 to 31.6 degrees north), by zone
# and band: columns, and the rows that each of these columns has.
ESA_TILES: Final[Mapping[str, list[tuple[str, str]]]] = {
    "46Q": [("BCDEFGH", "DEFGHJKLM")],
    "46R": [("BCDEFG", "NPQRSTUV"), ("H", "NP")],
    "47Q": [("KLMNPQR", "ABCDEFGUV")],
    "47R": [("KLMNPQ", "HJKLMNPQ"), ("R", "HJ")],
    "48Q": [("TUVWXYZ", "DEFGHJKLM")],
    "48R": [("TUVWXY", "NPQRSTUV"), ("Z", "NP")],
    "49Q": [("BCDEFGH", "ABCDEFGUV")],
    "49R": [("BCDEFG", "HJKLMNPQ"), ("H", "HJ")],
    "50Q": [("KLMNPQR", "DEFGHJKLM")],
    "50R": [("KLMNPQ", "NPQRSTUV"), ("R", "NP")],
    "51Q": [("TUVWXYZ", "ABCDEFGUV")],
    "51R": [("TUVWXY", "HJKLMNPQ"), ("Z", "HJ")],
}
TILES: Final = {
    f"{zone}{column}{row}"
    for zone, blocks in ESA_TILES.items()
    for columns, rows in blocks
    for column in columns
    for row in rows
}

CORNERS: Final = [  # from ESA's tiling file and real products
    ("01CDH", "EPSG:32701", 399960, 800020),
    ("01CCV", "EPSG:32701", 300000, 2000020),
    ("01KAB", "EPSG:32701", 99960, 8200000),
    ("07HFE", "EPSG:32707", 600000, 6500020),
    ("20EPT", "EPSG:32720", 600000, 3300040),
    ("24MUA", "EPSG:32724", 300000, 9600040),
    ("36NYH", "EPSG:32636", 699960, 300000),
    ("31TDH", "EPSG:32631", 399960, 4800000),
    ("46RER", "EPSG:32646", 499980, 3100020),
    ("49QHG", "EPSG:32649", 799980, 2700000),
    ("50QKM", "EPSG:32650", 199980, 2700000),
    ("50RKN", "EPSG:32650", 199980, 2800020),
    ("33XWJ", "EPSG:32633", 499980, 8900040),
    ("46XES", "EPSG:32646", 499980, 9200040),
]


@pytest.mark.parametrize(("tile", "crs", "left", "top"), CORNERS)
def test_the_corner_of_a_tile_is_that_of_esa(
    tile: str, crs: str, left: int, top: int
) -> None:
    grid = tile_grid(tile)
    assert (grid.crs, grid.left, grid.top) == (crs, left, top)
    assert grid.shape == (10_980, 10_980)
    assert grid.pixel_width == grid.pixel_height == 10
    assert grid.mgrs_tile == tile


def corners_in_metadata(folder: Path) -> Iterator[tuple[str, str, float, float]]:
    """Give tile, CRS and corner of every real SAFE product and STAC item."""
    for path in folder.glob("safe/*/MTD_TL.xml"):
        text = path.read_text(encoding="utf-8")
        tile = re.search(r"_T(\w{5})_N", text)
        crs = re.search(r"<HORIZONTAL_CS_CODE>(EPSG:\d+)<", text)
        corner = re.search(
            r'<Geoposition resolution="10">\s*<ULX>(\d+)</ULX>\s*<ULY>(\d+)</ULY>', text
        )
        assert tile
        assert crs
        assert corner
        yield tile[1], crs[1], float(corner[1]), float(corner[2])
    for path in folder.rglob("*.json"):
        yield from corners_in_items(json.loads(path.read_text(encoding="utf-8")))


def corners_in_items(value: Any) -> Iterator[tuple[str, str, float, float]]:  # noqa: ANN401 - JSON
    """Give tile, CRS and corner of every STAC item that states them."""
    if isinstance(value, list):
        for one in value:
            yield from corners_in_items(one)
    elif isinstance(value, dict):
        properties = value.get("properties") or {}
        named = properties.get("s2:mgrs_tile") or properties.get("grid:code") or ""
        code = properties.get("proj:code") or properties.get("proj:epsg")
        for asset in (value.get("assets") or {}).values():
            transform = asset.get("proj:transform") or [0]
            if transform[0] == 10 and named and code:
                crs = code if isinstance(code, str) else f"EPSG:{code}"
                yield named.removeprefix("MGRS-"), crs, transform[2], transform[5]
                break
        for one in value.values():
            yield from corners_in_items(one)


def test_the_corner_of_a_tile_is_that_of_every_real_product(test_data: Path) -> None:
    seen = set(corners_in_metadata(test_data / "s2_metadata"))
    assert len(seen) > 20
    wrong = []
    for tile, crs, left, top in sorted(seen):
        grid = tile_grid(tile)
        # some archives write south of the equator with the zone's northern code
        if (grid.crs[-2:], grid.left, grid.top) != (crs[-2:], left, top):
            wrong.append((tile, crs, left, top, grid))
    assert not wrong


@pytest.mark.parametrize(
    "name",
    [
        "",
        "50RK",
        "T50RKV",
        "50rkv",
        "50RAV",
        "50RKA",
        "61RKV",
        "00RKV",
        "50IKV",
        "50RKW",
    ],
)
def test_what_is_no_square_of_the_mgrs_is_refused(name: str) -> None:
    with pytest.raises(ContractError, match=r"50RKV|no square"):
        tile_grid(name)


@pytest.mark.parametrize(
    ("lon", "lat", "name"),
    [
        (114.966, 24.8685, "50RKN_95"),
        (115.16, 24.80, "50RLN_14"),
        (121.4, 31.2, "51RUQ_45"),
        (-70.0, -12.0, "19LCG_97"),
        # in band R, but the centre of its square, and so the tile, is in Q
        (97.95, 24.40, "47QLG_99"),
        # in zone 49, where Sentinel-2 has no tile for it
        (108.0, 20.0, "48QZH_11"),
    ],
)
def test_a_place_has_the_mgrs_reference_of_its_cell(
    lon: float, lat: float, name: str
) -> None:
    assert cell_of(lon, lat).cell_id == name


def test_zones_are_those_of_another_package() -> None:
    for lon in range(-174, 174, 5):
        for lat in range(-78, 72, 7):
            if 0 <= lon < 12 and 56 <= lat < 64:
                continue
            assert utm_zone(lon, lat) == utm.latlon_to_zone_number(lat, lon)


def test_eastings_and_northings_are_those_of_another_package() -> None:
    for lon in (98.3, 104.2, 107.4, 111.6, 115.4, 118.9):
        for lat in (18.5, 22.7, 25.0, 29.9):
            easting, northing, zone, _ = utm.from_latlon(lat, lon)
            cell = cell_of(lon, lat)
            assert cell.mgrs_tile.startswith(str(zone))
            assert cell.left <= easting < cell.left + CELL_M
            assert cell.bottom <= northing < cell.bottom + CELL_M


def test_every_cell_of_south_china_is_in_a_tile_that_esa_makes() -> None:
    used = set()
    for lon in grid_of(97.0, 120.0, 0.4):
        for lat in grid_of(18.0, 31.5, 0.4):
            used.add(cell_of(lon, lat).mgrs_tile)
    for seam in (102.0, 108.0, 114.0):
        for step in grid_of(-0.28, 0.28, 0.04):
            for lat in grid_of(18.0, 31.5, 0.3):
                used.add(cell_of(seam + step, lat).mgrs_tile)
    assert used - TILES == set()
    assert len(used) > 200


def grid_of(start: float, end: float, step: float) -> list[float]:
    return [start + step * index for index in range(math.ceil((end - start) / step))]


def test_a_cell_lies_within_its_tile_on_even_pixels() -> None:
    for name in sorted(TILES)[::17]:
        for digits in ("00", "09", "90", "99", "23"):
            (grid,) = grids([parse_cell(f"{name}_{digits}")])
            window = tile_window(grid)
            assert (window.height, window.width) == (1000, 1000)


def test_a_district_across_the_114th_meridian_has_grids_in_two_zones() -> None:
    cells = cover(shapely.box(113.9, 24.3, 114.1, 24.4))
    assert {grid.crs for grid in grids(cells)} == {"EPSG:32649", "EPSG:32650"}
    assert all(tile_window(grid) for grid in grids(cells))


def test_the_overlap_of_two_tiles_belongs_to_one() -> None:
    # 50RKN and 50RLN both show the 9.8 km east of easting 300 km
    in_both = Point(115.06, 24.8)
    for tile in ("50RKN", "50RLN"):
        assert tile_outline(tile).contains(in_both)
    (cell,) = cover(in_both)
    assert cell.mgrs_tile == "50RLN"


def tile_outline(tile: str) -> Polygon:
    grid = tile_grid(tile)
    box = shapely.box(grid.left, grid.bottom, grid.right, grid.top)
    corners = [
        utm.to_latlon(x, y, int(tile[:2]), northern=True)
        for x, y in shapely.get_coordinates(box)
    ]
    return Polygon([(lon, lat) for lat, lon in corners])


def test_grids_are_the_rectangles_around_the_cells_of_each_tile() -> None:
    cells = [parse_cell(name) for name in ("50RKN_13", "50RKN_45", "50RLN_00")]
    first, second = grids(reversed(cells))
    assert (first.mgrs_tile, second.mgrs_tile) == ("50RKN", "50RLN")
    assert (first.left, first.top) == (210_000, 2_760_000)
    assert first.shape == (3000, 4000)
    assert second.shape == (1000, 1000)
    assert tile_window(first) == TileWindow(
        mgrs_tile="50RKN", row=4002, col=1002, height=3000, width=4000
    )


def test_a_district_without_cells_is_refused() -> None:
    with pytest.raises(ContractError, match="without cells"):
        grids([])


def test_a_point_is_covered_by_its_cell_and_points_by_theirs() -> None:
    assert cover(Point(115.16, 24.80)) == (cell_of(115.16, 24.80),)
    both = cover(MultiPoint([(115.16, 24.80), (107.4, 22.5), (115.16, 24.80)]))
    assert both == tuple(sorted({cell_of(115.16, 24.80), cell_of(107.4, 22.5)}))


def test_a_polygon_smaller_than_a_pixel_still_has_a_cell() -> None:
    tiny = shapely.box(115.16, 24.80, 115.16 + 1e-6, 24.80 + 1e-6)
    assert cover(tiny) == (cell_of(115.16, 24.80),)


def test_a_polygon_across_the_equator_is_covered_on_both_sides() -> None:
    cells = cover(shapely.box(-61.0, -0.05, -60.95, 0.05))
    assert {cell.crs for cell in cells} == {"EPSG:32620", "EPSG:32720"}


@pytest.mark.parametrize(
    ("lon", "lat"),
    [
        (math.nan, 25.0),
        (115.0, math.inf),
        (179.0, 0.0),
        (-175.0, 0.0),
        (1e300, 25.0),
        (5.0, 60.0),
        (20.0, 75.0),
        (20.0, -81.0),
        (20.0, 91.0),
    ],
)
def test_a_place_that_the_rule_does_not_know_is_refused(lon: float, lat: float) -> None:
    with pytest.raises(ContractError, match="longitude"):
        cell_of(lon, lat)


@pytest.mark.parametrize(
    ("geometry", "rule"),
    [
        (LineString([(115, 25), (116, 25)]), "LineString"),
        (Polygon(), "empty"),
        (Polygon([(115, 25), (116, 26), (116, 25), (115, 26)]), "Self-intersection"),
        (shapely.box(-170, -60, 170, 50), "20000 cells"),
        (shapely.box(500000, 2700000, 510000, 2710000), "longitude"),
        (MultiPoint([(115, 25), (179, 25)]), "antimeridian"),
    ],
)
def test_what_cannot_be_a_district_is_refused(geometry: Any, rule: str) -> None:  # noqa: ANN401
    with pytest.raises(ContractError, match=rule):
        cover(geometry)


def test_the_name_of_a_cell_reads_back() -> None:
    cell = Cell(mgrs_tile="50RKV", column=2, row=3)
    assert cell.cell_id == "50RKV_23"
    assert parse_cell("50RKV_23") == cell
    assert (cell.left, cell.bottom) == (220_000, 3_430_000)
    assert cell_outline(cell).is_valid


@pytest.mark.parametrize(
    "name", ["", "50RKV", "50RKV23", "50RKV_2", "50RKV_234", "50RKV_2x", "50RAV_23"]
)
def test_what_is_no_name_of_a_cell_is_refused(name: str) -> None:
    with pytest.raises(ContractError, match=r"50RKV_23|no square"):
        parse_cell(name)


@pytest.mark.parametrize("digits", [(10, 0), (-1, 0), (0, 10)])
def test_a_cell_beyond_its_square_is_refused(digits: tuple[int, int]) -> None:
    with pytest.raises(ContractError, match="no cell"):
        Cell(mgrs_tile="50RKV", column=digits[0], row=digits[1])


@pytest.mark.parametrize(
    "changed",
    [
        {"left": 210_005.0},
        {"top": 2_760_010.0},
        {"left": 0.0},
        {"pixel_width": 20.0},
        {"crs": "EPSG:32649"},
        {"mgrs_tile": None},
    ],
)
def test_a_grid_that_is_no_window_of_its_tile_is_refused(
    changed: Mapping[str, Any],
) -> None:
    window: dict[str, Any] = {
        "crs": "EPSG:32650",
        "left": 210_000.0,
        "top": 2_760_000.0,
        "pixel_width": 10.0,
        "pixel_height": 10.0,
        "height": 1000,
        "width": 1000,
        "mgrs_tile": "50RKN",
    }
    assert tile_window(Grid(**window))
    with pytest.raises(ContractError):
        tile_window(Grid(**{**window, **changed}))
