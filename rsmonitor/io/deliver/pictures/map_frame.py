"""Where the map of an area lies: its projection, its square, the images under it."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from rsmonitor.errors import ContractError
from rsmonitor.io.deliver.pictures.place import Place
from rsmonitor.records.grid import Grid
from rsmonitor.records.package import Overview, Package, Reason
from rsmonitor.stages.geodesy import from_lonlat, grid_outline

LEAST_M: Final = 800.0
"""Side of the smallest map, metres."""

MARGIN: Final = 0.05
"""Ground around an area on each side, as a share of its extent."""

PIXELS: Final = 1000
"""Rows and columns of the images under a map."""

CHINA: Final = (73.0, 3.0, 136.0, 54.0)
"""Longitudes and latitudes in which Chinese bureaus use the zones of three degrees."""

_FIRST_MERIDIAN: Final = 75
_FIRST_CODE: Final = 4534
"""EPSG code of CGCS2000 / 3-degree Gauss-Kruger with that central meridian."""

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """The square of a map on the ground."""

    grid: Grid
    """Its CRS and extent, `PIXELS` a side."""

    place: Place
    """The same, as the pen takes it."""

    projection: Reason
    """What is said of it on the map."""


def frame_of(package: Package) -> Frame | None:
    """
    Find the square that holds an area, what is watched of it, and its alerts.

    Parameters
    ----------
    package : Package
        What is sent to the area.

    Returns
    -------
    Frame or None
        None where nothing says where the area is: no border, no coverage, no image and
        no alert.
    """
    alerts = [d.alert.site.latest.disturbance.geometry for d in package.dossiers]
    ground: list[BaseGeometry] = []
    if package.area.geometry is not None:
        ground.append(package.area.geometry)
    else:
        ground += [each.geometry for each in package.coverage]
    if not ground:
        ground += [grid_outline(each.grid) for each in package.overviews]
    ground += alerts
    ground = [each for each in ground if not each.is_empty]
    if not ground:
        return None
    west, south, east, north = shapely.total_bounds(np.array(ground))
    crs, projection = _projection((west + east) / 2, (south + north) / 2)
    left, bottom, right, top = _bounds(ground, crs)
    side = max(LEAST_M, max(right - left, top - bottom) * (1 + 2 * MARGIN))
    grid = Grid(
        crs=crs,
        left=(left + right - side) / 2,
        top=(bottom + top + side) / 2,
        pixel_width=side / PIXELS,
        pixel_height=side / PIXELS,
        height=PIXELS,
        width=PIXELS,
    )
    return Frame(grid=grid, place=Place(grid), projection=projection)


def lying_here(
    geometry: BaseGeometry, frame: Frame
) -> Polygon | MultiPolygon | BaseGeometry:
    """
    Bring an area to the map, and cut it there.

    Parameters
    ----------
    geometry : shapely geometry
        CRS84.
    frame : Frame
        The map.

    Returns
    -------
    shapely geometry
        Polygons in the map's units; empty where none lies on it.
    """
    if not isinstance(geometry, Polygon | MultiPolygon):
        return Polygon()
    return shapely.union_all(frame.place.here(geometry))


def background(overviews: tuple[Overview, ...], frame: Frame) -> Image | None:
    """
    Bring the images of an area to the pixels of its map.

    Parameters
    ----------
    overviews : tuple of Overview
        In any CRS; the first lies on top where two show the same ground.
    frame : Frame
        The map.

    Returns
    -------
    ndarray of uint8, shape (y, x, 4), or None
        Red, green, blue and opacity; None without an image.
    """
    if not overviews:
        return None
    # heavy, and only maps with images need it
    from rasterio import Affine  # noqa: PLC0415
    from rasterio.warp import Resampling, reproject  # noqa: PLC0415

    whole = np.zeros((4, *frame.grid.shape), dtype=np.uint8)
    for overview in reversed(overviews):
        source = overview.grid
        opaque = np.full((1, *source.shape), 255, dtype=np.uint8)
        bands = np.concatenate([np.moveaxis(overview.rgb, -1, 0), opaque])
        moved = np.zeros_like(whole)
        reproject(
            np.ascontiguousarray(bands),
            moved,
            src_transform=Affine(*source.transform),
            src_crs=source.crs,
            dst_transform=Affine(*frame.grid.transform),
            dst_crs=frame.grid.crs,
            resampling=Resampling.nearest,
        )
        shown = moved[3] > 0
        whole[:, shown] = moved[:, shown]
    return np.moveaxis(whole, 0, -1)


def _projection(lon: float, lat: float) -> tuple[str, Reason]:
    """Choose a transverse Mercator of which the area lies in the middle."""
    if CHINA[0] <= lon <= CHINA[2] and CHINA[1] <= lat <= CHINA[3]:
        meridian = min(max(75, 3 * round(lon / 3)), 135)
        code = _FIRST_CODE + (meridian - _FIRST_MERIDIAN) // 3
        return f"EPSG:{code}", Reason(
            zh=f"CGCS2000 高斯-克吕格3°带，中央经线{meridian}°E；"
            "影像为 WGS84，图上二者无异",
            en=f"CGCS2000, 3-degree Gauss-Kruger, central meridian {meridian}°E; "
            "imagery is WGS 84, which cannot be told apart here",
        )
    zone = int((lon + 180) // 6) % 60 + 1
    letter = "N" if lat >= 0 else "S"
    return f"EPSG:{(32600 if lat >= 0 else 32700) + zone}", Reason(
        zh=f"WGS84 UTM {zone}{letter} 带", en=f"WGS 84, UTM zone {zone}{letter}"
    )


def _bounds(ground: list[BaseGeometry], crs: str) -> tuple[float, float, float, float]:
    """Bound some ground in a projection; what it has no place for is left out."""
    boxes = []
    for each in ground:
        try:
            boxes.append(shapely.bounds(from_lonlat(each, crs)))
        except ContractError:
            continue
    if not boxes:
        raise ContractError(f"nothing of the area can be placed in {crs}")
    sides = np.array(boxes)
    found = (*sides[:, :2].min(axis=0), *sides[:, 2:].max(axis=0))
    if not all(math.isfinite(side) for side in found):
        raise ContractError(f"the area has no extent in {crs}")
    left, bottom, right, top = (float(side) for side in found)
    return left, bottom, right, top
