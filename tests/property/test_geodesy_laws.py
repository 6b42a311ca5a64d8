"""Laws of areas and places that hold for any grid over southern China."""

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import Point, Polygon, box

from rsmonitor.records.grid import Grid
from rsmonitor.stages.geodesy import (
    area_m2,
    grid_outline,
    pixel_area_m2,
    pixel_size_m,
    radius_pixels,
    to_lonlat,
)

projected = st.builds(
    lambda crs, left, top, pixel, height, width: Grid(
        crs=crs,
        left=left,
        top=top,
        pixel_width=pixel,
        pixel_height=pixel,
        height=height,
        width=width,
    ),
    st.sampled_from(["EPSG:32648", "EPSG:32650", "EPSG:4547", "EPSG:3857"]),
    st.floats(200_000, 700_000),
    st.floats(2_300_000, 3_300_000),
    st.sampled_from([3.0, 10.0, 20.0, 60.0]),
    st.integers(1, 1500),
    st.integers(1, 1500),
)
geographic = st.builds(
    lambda left, top, pixel, height, width: Grid(
        crs="EPSG:4326",
        left=left,
        top=top,
        pixel_width=pixel,
        pixel_height=pixel,
        height=height,
        width=width,
    ),
    st.floats(97, 120),
    st.floats(18, 35),
    st.sampled_from([1e-4, 8.99e-5, 1e-3]),
    st.integers(1, 1500),
    st.integers(1, 1500),
)
grids = st.one_of(projected, geographic)


@given(grids)
def test_the_pixels_of_a_grid_add_up_to_its_outline(grid: Grid) -> None:
    total = pixel_area_m2(grid).sum() * grid.width
    assert total == pytest.approx(area_m2(grid_outline(grid)), rel=1e-5)


@given(grids)
def test_a_pixel_is_about_as_large_as_its_sides_say(grid: Grid) -> None:
    width, height = pixel_size_m(grid)
    middle = pixel_area_m2(grid)[grid.height // 2]
    assert middle == pytest.approx(width * height, rel=2e-3)


@given(grids, st.floats(0.01, 5000), st.floats(1, 3))
def test_a_larger_radius_never_reaches_fewer_pixels(
    grid: Grid, radius_m: float, factor: float
) -> None:
    pixels = radius_pixels(grid, radius_m)
    assert pixels >= 1
    assert pixels <= radius_pixels(grid, radius_m * factor)
    assert pixels * min(pixel_size_m(grid)) >= 0.99 * radius_m * (1 - 1e-9)


@given(
    st.floats(97, 120),
    st.floats(18, 35),
    st.floats(1e-4, 1e-2),
    st.floats(1e-4, 1e-2),
    st.floats(0.1, 0.9),
)
def test_area_is_the_sum_of_the_parts(
    west: float, south: float, width: float, height: float, cut: float
) -> None:
    # cut along a meridian, which is a geodesic
    east, north, middle = west + width, south + height, west + width * cut
    left, right = box(west, south, middle, north), box(middle, south, east, north)
    whole = shapely.union(left, right)
    assert isinstance(whole, Polygon)
    assert area_m2(whole) == pytest.approx(area_m2(left) + area_m2(right), abs=0.1)


@given(projected)
def test_conversion_keeps_the_order_of_rows_and_columns(grid: Grid) -> None:
    x = (grid.left + grid.right) / 2
    y = (grid.top + grid.bottom) / 2
    here = to_lonlat(Point(x, y), grid.crs)
    east = to_lonlat(Point(x + grid.pixel_width, y), grid.crs)
    north = to_lonlat(Point(x, y + grid.pixel_height), grid.crs)
    assert east.x > here.x
    assert north.y > here.y
