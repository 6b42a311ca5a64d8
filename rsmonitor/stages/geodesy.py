"""Where on the ellipsoid the pixels of a grid are, and how large they are."""

import math
from functools import lru_cache
from typing import Final, TypeVar

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Geod, Transformer
from pyproj.enums import TransformDirection
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from rsmonitor.errors import ContractError
from rsmonitor.records.grid import Grid

LONLAT: Final = "OGC:CRS84"
"""WGS84 longitude and latitude in degrees, in this order."""

WGS84: Final = Geod(ellps="WGS84")

_CELL_M: Final = 1000.0
"""Areas are measured on cells of about this size: large enough for rounding not to
matter (4e-3 m2 a polygon), small enough for the scale to be even within."""

_SAMPLED_ROWS: Final = 65
_SAMPLED_COLUMNS: Final = 5
_POINTS_PER_EDGE: Final = 33

_ROUND_DOWN: Final = 0.01
"""A radius may miss a whole pixel by this share: map scale varies by as much."""

_G = TypeVar("_G", bound=BaseGeometry)


def pixel_area_m2(grid: Grid) -> NDArray[np.float64]:
    r"""
    Measure the mean area of the pixels of each row, on the ellipsoid.

    The area of a projected pixel is not the product of its sides: in UTM it is off by
    0.1 %, in Web Mercator by far more.

    Parameters
    ----------
    grid : Grid
        In any CRS.

    Returns
    -------
    ndarray of float64, shape (height,)
        Square metres, north first. In degrees this is exact for every pixel. In a
        projected CRS it is the mean over the row, right to 1e-5; across a UTM tile of
        110 km at the edge of its zone single pixels differ from it by up to 8e-4.

    Notes
    -----
    In degrees, with :math:`e` the eccentricity, :math:`b` the semi-minor axis and
    :math:`\Delta\lambda` the width of a pixel, the area is
    :math:`\Delta\lambda\,(Q(\phi_n) - Q(\phi_s))` with

    .. math:: Q(\phi) = \frac{b^2}{2} \left( \frac{\sin\phi}{1 - e^2 \sin^2\phi}
       + \frac{\operatorname{artanh}(e \sin\phi)}{e} \right)

    Examples
    --------
    >>> grid = Grid(
    ...     crs="EPSG:4326",
    ...     left=115.0,
    ...     top=25.0,
    ...     pixel_width=1e-4,
    ...     pixel_height=1e-4,
    ...     height=2,
    ...     width=9,
    ... )
    >>> pixel_area_m2(grid).round(4)
    array([111.8254, 111.8255])
    """
    crs = _crs(grid.crs)
    if crs.is_geographic:
        return _area_of_degrees(grid, crs)
    return _area_of_projected(grid)


def pixel_size_m(grid: Grid) -> tuple[float, float]:
    """
    Measure the pixel at the centre of the grid.

    Parameters
    ----------
    grid : Grid
        In any CRS.

    Returns
    -------
    tuple of float
        Length along x and along y, metres on the ellipsoid.
    """
    x = (grid.left + grid.right) / 2
    y = (grid.top + grid.bottom) / 2
    half_x, half_y = grid.pixel_width / 2, grid.pixel_height / 2
    lon, lat = _lonlat(
        np.array([x - half_x, x + half_x, x, x]),
        np.array([y, y, y - half_y, y + half_y]),
        grid.crs,
    )
    _, _, metres = WGS84.inv(lon[[0, 2]], lat[[0, 2]], lon[[1, 3]], lat[[1, 3]])
    return float(metres[0]), float(metres[1])


def radius_pixels(grid: Grid, radius_m: float) -> int:
    """
    Convert a radius on the ground to whole pixels, rounded up.

    A radius that misses a whole number of pixels by less than 1 % is that number:
    20 m on a 10 m grid is 2 pixels wherever in its UTM zone the grid lies.

    Parameters
    ----------
    grid : Grid
        In any CRS.
    radius_m : float
        Metres, not negative.

    Returns
    -------
    int
        Pixels along the shorter side of a pixel; 0 only if `radius_m` is 0.

    Raises
    ------
    ContractError
        If the radius is negative or not finite.
    """
    if not math.isfinite(radius_m) or radius_m < 0:
        raise ContractError(f"radius_m must be finite and not negative, got {radius_m}")
    return math.ceil(radius_m / min(pixel_size_m(grid)) * (1 - _ROUND_DOWN))


def to_lonlat(geometry: _G, crs: str) -> _G:
    """
    Convert a geometry to WGS84 longitude and latitude.

    Only vertices are converted: a long straight edge in a projection is not straight
    in longitude and latitude, so densify it first.

    Parameters
    ----------
    geometry : shapely geometry
        With x before y, whatever axis order the CRS declares.
    crs : str
        Any text that PROJ reads, such as ``EPSG:32650`` or WKT.

    Returns
    -------
    shapely geometry
        Same type, CRS84.

    Raises
    ------
    ContractError
        If the CRS is unknown, or a vertex is nowhere on Earth.
    """

    def convert(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(_lonlat(points[:, 0], points[:, 1], crs))

    return shapely.transform(geometry, convert)


def from_lonlat(geometry: _G, crs: str) -> _G:
    """
    Convert a geometry from WGS84 longitude and latitude: the reverse of `to_lonlat`.

    Parameters
    ----------
    geometry : shapely geometry
        CRS84.
    crs : str
        Any text that PROJ reads, such as ``EPSG:32650`` or WKT.

    Returns
    -------
    shapely geometry
        Same type, with x before y, whatever axis order the CRS declares.

    Raises
    ------
    ContractError
        If the CRS is unknown, or a vertex cannot be placed in it.
    """

    def convert(points: NDArray[np.float64]) -> NDArray[np.float64]:
        placed = _transformer(crs).transform(
            points[:, 0], points[:, 1], direction=TransformDirection.INVERSE
        )
        x, y = (np.asarray(side, dtype=np.float64) for side in placed)
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise ContractError(f"a vertex cannot be placed in {crs[:60]}")
        return np.column_stack([x, y])

    return shapely.transform(geometry, convert)


def area_m2(geometry: Polygon | MultiPolygon) -> float:
    """
    Measure the area of a polygon on the WGS84 ellipsoid.

    Parameters
    ----------
    geometry : Polygon or MultiPolygon
        CRS84; rings may run either way.

    Returns
    -------
    float
        Square metres, holes left out, never negative; 0 if empty.

    Examples
    --------
    >>> round(area_m2(shapely.box(115.0, 25.0, 115.001, 25.001)))
    11182
    """
    if geometry.is_empty:
        return 0.0
    # pyproj adds signed rings, so that holes count only if they run the other way
    signed, _ = WGS84.geometry_area_perimeter(shapely.orient_polygons(geometry))
    return abs(float(signed))


def grid_outline(grid: Grid) -> Polygon:
    """
    Outline a grid in longitude and latitude.

    Parameters
    ----------
    grid : Grid
        In any CRS.

    Returns
    -------
    Polygon
        CRS84, with vertices along the edges so that they follow the grid.
    """
    west_to_east = np.linspace(grid.left, grid.right, _POINTS_PER_EDGE)
    south_to_north = np.linspace(grid.bottom, grid.top, _POINTS_PER_EDGE)
    bottom = np.full(_POINTS_PER_EDGE, grid.bottom)
    top = np.full(_POINTS_PER_EDGE, grid.top)
    left = np.full(_POINTS_PER_EDGE, grid.left)
    right = np.full(_POINTS_PER_EDGE, grid.right)
    x = [west_to_east[:-1], right[:-1], west_to_east[:0:-1], left[:-1]]
    y = [bottom[:-1], south_to_north[:-1], top[:-1], south_to_north[:0:-1]]
    ring = Polygon(np.column_stack([np.concatenate(x), np.concatenate(y)]))
    return to_lonlat(ring, grid.crs)


def _area_of_degrees(grid: Grid, crs: CRS) -> NDArray[np.float64]:
    """Area between two parallels, by the closed formula."""
    geod = crs.get_geod() or WGS84
    radians = crs.axis_info[0].unit_conversion_factor
    edges = grid.top - grid.pixel_height * np.arange(grid.height + 1)
    sin_lat = np.sin(edges * radians)
    eccentricity = math.sqrt(geod.es)
    q = sin_lat / (1 - geod.es * sin_lat**2)
    if eccentricity > 0:
        q += np.arctanh(eccentricity * sin_lat) / eccentricity
    else:
        q += sin_lat
    zone = (geod.b**2 / 2) * (q[:-1] - q[1:])
    return np.asarray(zone * (grid.pixel_width * radians), dtype=np.float64)


def _area_of_projected(grid: Grid) -> NDArray[np.float64]:
    """Mean over sampled columns of cells around sampled rows, linear between rows."""
    rows = np.unique(
        np.linspace(0, grid.height - 1, min(grid.height, _SAMPLED_ROWS)).round()
    )
    columns = (np.arange(_SAMPLED_COLUMNS) + 0.5) / _SAMPLED_COLUMNS * grid.width
    pixels = max(1.0, _CELL_M / min(pixel_size_m(grid)))
    x = grid.left + grid.pixel_width * columns
    y = grid.top - grid.pixel_height * (rows + 0.5)
    half_x, half_y = grid.pixel_width * pixels / 2, grid.pixel_height * pixels / 2
    corner_x = x[None, :, None] + half_x * np.array([-1.0, 1.0, 1.0, -1.0])
    corner_y = y[:, None, None] + half_y * np.array([-1.0, -1.0, 1.0, 1.0])
    corners = np.broadcast_arrays(corner_x, corner_y)
    lon, lat = _lonlat(corners[0].ravel(), corners[1].ravel(), grid.crs)
    areas = [
        abs(WGS84.polygon_area_perimeter(cell_lon, cell_lat)[0])
        for cell_lon, cell_lat in zip(
            lon.reshape(-1, 4), lat.reshape(-1, 4), strict=True
        )
    ]
    by_row = np.array(areas).reshape(rows.size, columns.size).mean(axis=1) / pixels**2
    every_row = np.interp(np.arange(grid.height), rows, by_row)
    return np.asarray(every_row, dtype=np.float64)


def _lonlat(
    x: NDArray[np.float64], y: NDArray[np.float64], crs: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Convert coordinates; refuse what PROJ cannot place."""
    lon, lat = _transformer(crs).transform(x, y)
    lon, lat = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    nowhere = ~(np.isfinite(lon) & np.isfinite(lat))
    if nowhere.any():
        first = int(np.flatnonzero(nowhere)[0])
        raise ContractError(
            f"x {x[first]}, y {y[first]} is nowhere on Earth in {crs[:60]}"
        )
    return lon, lat


@lru_cache(maxsize=64)
def _transformer(crs: str) -> Transformer:
    """One transformer a CRS: making one costs more than using it."""
    return Transformer.from_crs(_crs(crs), LONLAT, always_xy=True)


@lru_cache(maxsize=64)
def _crs(crs: str) -> CRS:
    """Read a CRS, or say that it is none."""
    try:
        return CRS.from_user_input(crs)
    except Exception as error:  # pyproj raises more than its own class
        raise ContractError(f"not a CRS that PROJ reads: {crs[:60]!r}") from error
