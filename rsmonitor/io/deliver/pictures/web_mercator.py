"""Images laid into Web Mercator, as a map in a browser draws them: with their corners.

Pixels are taken from where they lie and not smoothed. What is not part of an image, or
not of the areas that it is cut to, is transparent.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from PIL import Image
from shapely import MultiPolygon, Polygon

from rsmonitor.errors import ContractError
from rsmonitor.records.grid import Grid
from rsmonitor.stages.geodesy import grid_outline, pixel_size_m

RADIUS: Final = 6_378_137.0
"""Of the sphere of Web Mercator, metres."""

MOST_LATITUDE: Final = 85.0
"""Beyond it a web map has nothing."""

UNSEEN: Final = 96
"""Opacity of what the look did not show, of 255."""

Bounds = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Laid:
    """One image in Web Mercator."""

    rgba: NDArray[np.uint8]
    """Colours and opacity, shape (y, x, 4)."""

    bounds: Bounds
    """West, south, east and north edge, degrees."""

    def corners(self) -> list[list[float]]:
        """
        Give the corners as map libraries want them.

        Returns
        -------
        list of list of float
            Longitude and latitude: north-west, north-east, south-east, south-west.
        """
        west, south, east, north = self.bounds
        return [[west, north], [east, north], [east, south], [west, south]]

    def png(self) -> bytes:
        """
        Write it.

        Returns
        -------
        bytes
            PNG, the same for the same image.
        """
        data = io.BytesIO()
        Image.fromarray(self.rgba).save(data, format="PNG", compress_level=6)
        return data.getvalue()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sheet:
    """An image on its own grid."""

    rgb: NDArray[np.uint8]
    """Colours, shape (y, x, 3)."""

    grid: Grid
    """Where its pixels are."""

    seen: NDArray[np.bool_] | None = None
    """True where the look showed the ground; None: everywhere."""


def lay(sheets: Sequence[Sheet], *, most: int, finer: float = 1.0) -> Laid:
    """
    Lay images side by side into one in Web Mercator.

    Parameters
    ----------
    sheets : sequence of Sheet
        One or more; a later one covers an earlier one.
    most : int
        Pixels of the longer side, at most.
    finer : float, default 1
        How many pixels stand for one of the first image, along a side.

    Returns
    -------
    Laid
        The image.

    Raises
    ------
    ContractError
        If there is no image, or one reaches where a web map has nothing.
    """
    if not sheets:
        raise ContractError("no image to lay out")
    # loads GDAL
    from rasterio.enums import Resampling  # noqa: PLC0415
    from rasterio.warp import reproject  # noqa: PLC0415

    outlines = [grid_outline(sheet.grid) for sheet in sheets]
    west, south, east, north = shapely.total_bounds(outlines)
    if max(abs(south), abs(north)) > MOST_LATITUDE:
        raise ContractError(f"a web map ends at {MOST_LATITUDE} degrees")
    left, bottom = forward(west, south)
    right, top = forward(east, north)
    pixel = max(pixel_size_m(sheets[0].grid)) / math.cos(
        math.radians((south + north) / 2)
    )
    size = max((right - left) / most, (top - bottom) / most, pixel / finer)
    width = max(1, math.ceil((right - left) / size - 1e-9))
    height = max(1, math.ceil((top - bottom) / size - 1e-9))
    target = Affine(size, 0.0, left, 0.0, -size, top)
    rgba = np.zeros((4, height, width), dtype=np.uint8)
    for sheet in sheets:
        opacity = np.full(sheet.grid.shape, 255, dtype=np.uint8)
        if sheet.seen is not None:
            opacity[~sheet.seen] = UNSEEN
        source = np.concatenate([np.moveaxis(sheet.rgb, -1, 0), opacity[None]])
        part = np.zeros_like(rgba)
        reproject(
            np.ascontiguousarray(source),
            part,
            src_transform=Affine(*sheet.grid.transform),
            src_crs=sheet.grid.crs,
            dst_transform=target,
            dst_crs="EPSG:3857",
            resampling=Resampling.nearest,
        )
        there = part[3] > 0
        rgba[:, there] = part[:, there]
    edge = backward(left + width * size, top - height * size)
    return Laid(
        rgba=np.ascontiguousarray(np.moveaxis(rgba, 0, -1)),
        bounds=(float(west), edge[1], edge[0], float(north)),
    )


def cut(laid: Laid, areas: Sequence[Polygon | MultiPolygon]) -> Laid:
    """
    Make everything outside some areas transparent, without a colour left.

    Parameters
    ----------
    laid : Laid
        The image.
    areas : sequence of Polygon or MultiPolygon
        CRS84.

    Returns
    -------
    Laid
        Of the same size and place, so that it says nothing of how it was cut.
    """
    from rasterio.features import geometry_mask  # noqa: PLC0415 - loads GDAL

    west, south, east, north = laid.bounds
    left, bottom = forward(west, south)
    right, top = forward(east, north)
    height, width = laid.rgba.shape[:2]
    target = Affine(
        (right - left) / width, 0.0, left, 0.0, -(top - bottom) / height, top
    )
    frame = shapely.box(*laid.bounds)
    shapes = [
        shapely.transform(part, _forward_all)
        for part in (shapely.intersection(area, frame) for area in areas)
        if not part.is_empty
    ]
    outside = np.ones((height, width), dtype=np.bool_)
    if shapes:
        outside = geometry_mask(shapes, out_shape=(height, width), transform=target)
    rgba = laid.rgba.copy()
    rgba[outside] = 0
    return Laid(rgba=rgba, bounds=laid.bounds)


def forward(longitude: float, latitude: float) -> tuple[float, float]:
    """
    Go from degrees to Web Mercator.

    Parameters
    ----------
    longitude, latitude : float
        Degrees.

    Returns
    -------
    tuple of float
        x and y, metres.

    Examples
    --------
    >>> [round(each) for each in forward(180.0, 0.0)]
    [20037508, 0]
    """
    x = RADIUS * math.radians(longitude)
    return x, RADIUS * math.asinh(math.tan(math.radians(latitude)))


def backward(x: float, y: float) -> tuple[float, float]:
    """
    Go from Web Mercator to degrees.

    Parameters
    ----------
    x, y : float
        Metres.

    Returns
    -------
    tuple of float
        Longitude and latitude.

    Examples
    --------
    >>> [round(each, 6) for each in backward(*forward(115.65, 24.95))]
    [115.65, 24.95]
    """
    return math.degrees(x / RADIUS), math.degrees(math.atan(math.sinh(y / RADIUS)))


def _forward_all(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Go to Web Mercator with many points."""
    x = RADIUS * np.radians(points[:, 0])
    return np.column_stack([x, RADIUS * np.arcsinh(np.tan(np.radians(points[:, 1])))])
