"""Cells: no ground is lost, none is counted twice, wherever zones meet."""

import math

import shapely
from hypothesis import given
from hypothesis import strategies as st

from rsmonitor.stages.geodesy import area_m2
from rsmonitor.stages.tiling import (
    CELL_M,
    cell_of,
    cell_outline,
    cover,
    grids,
    parse_cell,
    tile_window,
)

SEAMS = (102.0, 108.0, 114.0, 120.0)
LATS = st.floats(18.0, 32.0)
LONS = st.floats(97.0, 120.0) | st.builds(
    lambda seam, step: seam + step, st.sampled_from(SEAMS), st.floats(-0.4, 0.4)
)
FAR_FROM_SEAM = 0.4
"""Degrees: 17 km without tiles, a cell to either side, and its tilt."""

EDGE = 1e-7
ONE_PIXEL_M2 = 100


@given(lon=LONS, lat=LATS)
def test_a_place_lies_in_its_cell(lon: float, lat: float) -> None:
    cell = cell_of(lon, lat)
    assert cell_outline(cell).buffer(EDGE).contains(shapely.Point(lon, lat))
    assert parse_cell(cell.cell_id) == cell


@given(lon=LONS, lat=LATS)
def test_a_place_lies_in_exactly_one_cell_except_along_a_seam(
    lon: float, lat: float
) -> None:
    place = shapely.Point(lon, lat)
    cells = cover(shapely.box(lon - 0.12, lat - 0.12, lon + 0.12, lat + 0.12))
    within = [
        cell for cell in cells if cell_outline(cell).buffer(-EDGE).contains(place)
    ]
    around = [cell for cell in cells if cell_outline(cell).buffer(EDGE).contains(place)]
    assert around, "ground is lost"
    assert cell_of(lon, lat) in around
    zones = [cell.crs for cell in within]
    assert len(set(zones)) == len(zones), "two cells of one zone overlap"
    if min(abs(lon - seam) for seam in SEAMS) > FAR_FROM_SEAM:
        assert len(within) <= 1


@given(
    lon=LONS,
    lat=LATS,
    width=st.floats(0.001, 0.3),
    height=st.floats(0.001, 0.3),
    across=st.floats(0.02, 0.98),
    up=st.floats(0.02, 0.98),
)
def test_a_cover_holds_every_place_of_its_polygon_and_no_idle_cell(
    lon: float, lat: float, width: float, height: float, across: float, up: float
) -> None:
    polygon = shapely.box(lon, lat, lon + width, lat + height)
    cells = cover(polygon)
    outlines = [cell_outline(cell) for cell in cells]
    left_out = polygon.difference(shapely.union_all(outlines).buffer(EDGE))
    for part in getattr(left_out, "geoms", (left_out,)):
        assert area_m2(part) <= ONE_PIXEL_M2
    assert cell_of(lon + width * across, lat + height * up) in cells
    assert all(outline.intersects(polygon) for outline in outlines)


@given(lon=LONS, lat=LATS, size=st.floats(0.01, 0.5))
def test_windows_of_one_zone_never_overlap_and_fit_their_tiles(
    lon: float, lat: float, size: float
) -> None:
    cells = cover(shapely.box(lon, lat, lon + size, lat + size))
    windows = grids(cells)
    for number, one in enumerate(windows):
        tile_window(one)  # refuses odd rows, and what is beyond the tile
        for other in windows[number + 1 :]:
            apart = (
                one.crs != other.crs
                or one.right <= other.left
                or other.right <= one.left
                or one.bottom >= other.top
                or other.bottom >= one.top
            )
            assert apart
    for cell in cells:
        (grid,) = (one for one in windows if one.mgrs_tile == cell.mgrs_tile)
        assert grid.left <= cell.left < grid.right
        assert grid.bottom <= cell.bottom < grid.top


@given(
    lon=st.builds(
        lambda seam, step: seam + step, st.sampled_from(SEAMS), st.floats(-0.3, 0.3)
    ),
    lat=LATS,
)
def test_along_a_seam_cells_overlap_by_little_more_than_their_width(
    lon: float, lat: float
) -> None:
    cells = cover(shapely.box(lon - 0.2, lat - 0.05, lon + 0.2, lat + 0.05))
    by_zone: dict[str, list[shapely.Polygon]] = {}
    for cell in cells:
        by_zone.setdefault(cell.crs, []).append(cell_outline(cell))
    if len(by_zone) < 2:
        return
    west, east = (shapely.union_all(by_zone[crs]) for crs in sorted(by_zone))
    line = shapely.LineString([(lon - 0.5, lat), (lon + 0.5, lat)])
    shared = line.intersection(west.intersection(east))
    assert shared.length * metres_a_degree(lat) <= 1.1 * CELL_M


def metres_a_degree(lat: float) -> float:
    return 111_320 * math.cos(math.radians(lat))
