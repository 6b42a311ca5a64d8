"""Pixels have the size and place on the ellipsoid that surveyors give them."""

import numpy as np
import pytest
import shapely
from shapely import MultiPolygon, Point, Polygon, box

from rsmonitor.errors import ContractError
from rsmonitor.records.grid import Grid
from rsmonitor.stages.geodesy import (
    area_m2,
    grid_outline,
    pixel_area_m2,
    pixel_size_m,
    radius_pixels,
    to_lonlat,
)

EARTH_M2 = 510_065_621_724_088.4
"""Surface of the WGS84 ellipsoid."""


def utm(left: float = 500_000.0, *, pixel: float = 10.0, size: int = 10) -> Grid:
    return Grid(
        crs="EPSG:32650",
        left=left,
        top=2_800_000.0,
        pixel_width=pixel,
        pixel_height=pixel,
        height=size,
        width=size,
    )


def degrees(pixel: float, height: int, width: int, top: float = 25.0) -> Grid:
    return Grid(
        crs="EPSG:4326",
        left=115.0,
        top=top,
        pixel_width=pixel,
        pixel_height=pixel,
        height=height,
        width=width,
    )


def test_pixels_of_the_whole_earth_cover_it() -> None:
    earth = Grid(
        crs="EPSG:4326",
        left=-180.0,
        top=90.0,
        pixel_width=10.0,
        pixel_height=10.0,
        height=18,
        width=36,
    )
    total = pixel_area_m2(earth).sum() * earth.width
    assert total == pytest.approx(EARTH_M2, rel=1e-12)


def test_a_pixel_in_degrees_is_smaller_nearer_the_pole() -> None:
    areas = pixel_area_m2(degrees(0.5, 20, 3, top=60.0))
    assert (np.diff(areas) > 0).all()
    assert areas.shape == (20,)


def test_pixels_of_a_utm_grid_are_larger_than_nominal_at_the_central_meridian() -> None:
    # the scale there is 0.9996, so 10 m on the map are 10.004 m on the ground
    assert pixel_area_m2(utm(499_950.0)) == pytest.approx(100 / 0.9996**2, rel=1e-6)
    assert pixel_size_m(utm(499_950.0)) == pytest.approx((10 / 0.9996,) * 2, rel=1e-6)


def test_web_mercator_pixels_are_measured_on_the_ground() -> None:
    grid = Grid(
        crs="EPSG:3857",
        left=12_800_000.0,
        top=2_900_000.0,
        pixel_width=10.0,
        pixel_height=10.0,
        height=3,
        width=3,
    )
    assert pixel_area_m2(grid)[1] == pytest.approx(81.53, rel=1e-3)


def test_an_equal_area_projection_gives_equal_areas() -> None:
    grid = Grid(
        crs="EPSG:3035",
        left=5_271_982.5,
        top=2_533_004.2,
        pixel_width=10.0,
        pixel_height=10.0,
        height=100,
        width=100,
    )
    assert pixel_area_m2(grid) == pytest.approx(100.0, rel=1e-7)
    # yet no pixel of it is square on the ground there
    width, height = pixel_size_m(grid)
    assert width > 10.01
    assert height < 9.99


def test_a_whole_tile_adds_up_to_its_outline() -> None:
    tile = utm(300_000.0, size=10_980)
    total = pixel_area_m2(tile).sum() * tile.width
    assert total == pytest.approx(area_m2(grid_outline(tile)), rel=1e-5)


@pytest.mark.parametrize(
    ("radius_m", "pixels"), [(0.0, 0), (0.1, 1), (10.0, 1), (20.0, 2), (21.0, 3)]
)
def test_a_radius_is_rounded_up_to_pixels(radius_m: float, pixels: int) -> None:
    assert radius_pixels(utm(), radius_m) == pixels


@pytest.mark.parametrize("left", [170_000.0, 500_000.0, 820_000.0])
def test_a_radius_is_the_same_number_of_pixels_all_over_a_zone(left: float) -> None:
    assert radius_pixels(utm(left), 200.0) == 20


@pytest.mark.parametrize("radius_m", [-1.0, float("nan"), float("inf")])
def test_a_radius_that_is_none_is_refused(radius_m: float) -> None:
    with pytest.raises(ContractError, match="radius_m"):
        radius_pixels(utm(), radius_m)


def test_longitude_comes_first_whatever_the_crs_declares() -> None:
    # EPSG:4326 declares latitude first, EPSG:3035 northing first
    assert to_lonlat(Point(115.0, 25.0), "EPSG:4326").coords[0] == (115.0, 25.0)
    centre = to_lonlat(Point(4_321_000.0, 3_210_000.0), "EPSG:3035")
    assert centre.x == pytest.approx(10.0)
    assert centre.y == pytest.approx(52.0)


def test_the_central_meridian_of_a_zone_is_where_it_should_be() -> None:
    assert to_lonlat(Point(500_000.0, 0.0), "EPSG:32650").coords[0] == pytest.approx(
        (117.0, 0.0), abs=1e-9
    )


def test_a_geometry_keeps_its_type() -> None:
    parts = MultiPolygon([box(0, 0, 1, 1), box(2, 2, 3, 3)])
    assert isinstance(to_lonlat(parts, "EPSG:32650"), MultiPolygon)


def test_a_vertex_that_is_nowhere_is_refused() -> None:
    with pytest.raises(ContractError, match="nowhere on Earth"):
        to_lonlat(Point(1e12, 1e12), "EPSG:32650")


@pytest.mark.parametrize("crs", ["", "EPSG:999999", "garbage"])
def test_a_crs_that_is_none_is_refused(crs: str) -> None:
    with pytest.raises(ContractError, match="not a CRS"):
        to_lonlat(Point(0, 0), crs)


def test_area_of_a_square_degree_at_the_equator() -> None:
    # 111,319 m along the equator by 110,574 m along the meridian
    assert area_m2(box(115, 0, 116, 1)) == pytest.approx(1.2309e10, rel=1e-4)


def test_a_hole_is_left_out_whichever_way_its_ring_runs() -> None:
    outer = box(115, 25, 115.01, 25.01)
    hole = box(115.002, 25.002, 115.004, 25.004)
    expected = area_m2(outer) - area_m2(hole)
    for ring in (hole.exterior.coords, list(hole.exterior.coords)[::-1]):
        for shell in (outer.exterior.coords, list(outer.exterior.coords)[::-1]):
            assert area_m2(Polygon(shell, [ring])) == pytest.approx(expected)


def test_nothing_has_no_area() -> None:
    assert area_m2(Polygon()) == 0
    assert area_m2(MultiPolygon()) == 0


def test_an_outline_holds_the_centres_of_the_corner_pixels_and_no_more() -> None:
    grid = utm(300_000.0, size=1000)
    outline = grid_outline(grid)
    inside = [
        Point(x, y)
        for x in (grid.left + 1, grid.right - 1)
        for y in (grid.bottom + 1, grid.top - 1)
    ]
    outside = [Point(grid.left - 1, grid.top - 5000), Point(grid.right + 1, grid.top)]
    assert all(outline.contains(to_lonlat(point, grid.crs)) for point in inside)
    assert not any(outline.contains(to_lonlat(point, grid.crs)) for point in outside)
    assert outline.exterior.is_ccw
    assert shapely.is_valid(outline)
