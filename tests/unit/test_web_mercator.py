"""Images in Web Mercator: each pixel where it lies, and nothing outside the areas."""

import io

import numpy as np
import pytest
import shapely
from PIL import Image

from rsmonitor.errors import ContractError
from rsmonitor.io.deliver.pictures.web_mercator import (
    Laid,
    Sheet,
    backward,
    cut,
    forward,
    lay,
)
from rsmonitor.records.grid import Grid
from rsmonitor.stages.geodesy import to_lonlat

GRID = Grid(
    crs="EPSG:32650",
    left=400_000.0,
    top=2_760_000.0,
    pixel_width=10.0,
    pixel_height=10.0,
    height=60,
    width=80,
)


def spotted() -> Sheet:
    rgb = np.full((60, 80, 3), 40, dtype=np.uint8)
    rgb[20:24, 50:54] = (250, 10, 10)
    return Sheet(rgb=rgb, grid=GRID)


def pixel(laid: Laid, longitude: float, latitude: float) -> tuple[int, ...]:
    west, south, east, north = laid.bounds
    left, bottom = forward(west, south)
    right, top = forward(east, north)
    x, y = forward(longitude, latitude)
    height, width = laid.rgba.shape[:2]
    col = int((x - left) / (right - left) * width)
    row = int((top - y) / (top - bottom) * height)
    return tuple(int(each) for each in laid.rgba[row, col])


@pytest.mark.parametrize("finer", [1.0, 3.0])
def test_a_spot_lies_where_it_is(finer: float) -> None:
    laid = lay([spotted()], most=1024, finer=finer)
    middle = shapely.Point(GRID.left + 520, GRID.top - 220)
    there = to_lonlat(middle, GRID.crs)
    assert pixel(laid, there.x, there.y) == (250, 10, 10, 255)
    beside = to_lonlat(shapely.Point(GRID.left + 520, GRID.top - 320), GRID.crs)
    assert pixel(laid, beside.x, beside.y) == (40, 40, 40, 255)


def test_it_is_as_large_as_is_allowed_and_its_corners_are_its_bounds() -> None:
    laid = lay([spotted()], most=32)
    assert max(laid.rgba.shape) == 32
    west, south, east, north = laid.bounds
    assert laid.corners() == [
        [west, north],
        [east, north],
        [east, south],
        [west, south],
    ]
    with Image.open(io.BytesIO(laid.png())) as image:
        assert image.size == laid.rgba.shape[1::-1]
        assert np.array_equal(np.asarray(image), laid.rgba)


def test_what_was_not_seen_is_paler_and_what_is_not_there_is_nothing() -> None:
    seen = np.ones(GRID.shape, dtype=np.bool_)
    seen[:, :40] = False
    laid = lay([Sheet(rgb=spotted().rgb, grid=GRID, seen=seen)], most=512)
    opacity = set(np.unique(laid.rgba[..., 3]).tolist())
    assert opacity == {0, 96, 255}
    assert not laid.rgba[laid.rgba[..., 3] == 0].any(), "no colour is left there"


def test_outside_the_areas_nothing_is_left() -> None:
    laid = lay([spotted()], most=512)
    west, south, east, north = laid.bounds
    middle = (west + east) / 2
    half = cut(laid, [shapely.box(west - 1, south - 1, middle, north + 1)])
    assert half.bounds == laid.bounds
    width = laid.rgba.shape[1]
    assert not half.rgba[:, width // 2 + 1 :].any()
    assert np.array_equal(
        half.rgba[:, : width // 2 - 1], laid.rgba[:, : width // 2 - 1]
    )
    assert not cut(laid, []).rgba.any()
    assert not cut(laid, [shapely.box(0, 0, 1, 1)]).rgba.any()


def test_there_and_back() -> None:
    for place in ((115.65, 24.95), (-179.9, -60.0), (0.0, 0.0)):
        assert backward(*forward(*place)) == pytest.approx(place, abs=1e-9)


def test_what_a_web_map_does_not_show_is_refused() -> None:
    with pytest.raises(ContractError, match="no image"):
        lay([], most=10)
    pole = Grid(
        crs="OGC:CRS84",
        left=10.0,
        top=88.0,
        pixel_width=0.01,
        pixel_height=0.01,
        height=4,
        width=4,
    )
    with pytest.raises(ContractError, match="ends at"):
        lay([Sheet(rgb=np.zeros((4, 4, 3), dtype=np.uint8), grid=pole)], most=10)
