"""Where a grid lies on a map: its frame, true sizes, true north, round degrees."""

import math

import numpy as np
import shapely
from shapely import LineString, MultiPolygon, Point, Polygon
from shapely.geometry.base import BaseGeometry

from rsmonitor.errors import ContractError
from rsmonitor.records.grid import Grid
from rsmonitor.stages.geodesy import WGS84, from_lonlat, to_lonlat

Box = tuple[float, float, float, float]
"""West, south, east and north."""


class Place:
    """Where a grid lies: from longitude and latitude to its CRS, and true sizes.

    Parameters
    ----------
    grid : Grid
        The grid.
    """

    def __init__(self, grid: Grid) -> None:
        self._crs = grid.crs
        self.extent = (grid.left, grid.right, grid.bottom, grid.top)
        x, y = (grid.left + grid.right) / 2, (grid.bottom + grid.top) / 2
        reach_x, reach_y = grid.right - x, grid.top - y
        width_m = self._distance(x - reach_x, y, x + reach_x, y)
        height_m = self._distance(x, y - reach_y, x, y + reach_y)
        self.metres_per_x = width_m / (2 * reach_x)
        self.metres_per_y = height_m / (2 * reach_y)
        # a panel is square on the ground, so that all that stands on it keeps its form
        reach_x *= max(1.0, height_m / width_m)
        reach_y *= max(1.0, width_m / height_m)
        self.view = (x - reach_x, x + reach_x, y - reach_y, y + reach_y)
        self._frame = shapely.box(x - reach_x, y - reach_y, x + reach_x, y + reach_y)
        middle = to_lonlat(Point(x, y), grid.crs)
        self.centre = (middle.x, middle.y)

    def _distance(self, x0: float, y0: float, x1: float, y1: float) -> float:
        """Measure on the ellipsoid, metres."""
        line = to_lonlat(LineString([(x0, y0), (x1, y1)]), self._crs)
        (lon0, lat0), (lon1, lat1) = shapely.get_coordinates(line)
        return float(WGS84.inv(lon0, lat0, lon1, lat1)[2])

    def here(self, geometry: Polygon | MultiPolygon) -> list[Polygon]:
        """
        Bring a geometry to the grid's CRS and cut it at the panel.

        Parameters
        ----------
        geometry : Polygon or MultiPolygon
            CRS84 longitude and latitude.

        Returns
        -------
        list of Polygon
            What of it lies on the panel.
        """
        try:
            moved = from_lonlat(geometry, self._crs)
        except ContractError:
            return []  # far outside what the projection can show
        cut = shapely.make_valid(moved).intersection(self._frame)
        return [
            part
            for part in shapely.get_parts(cut)
            if isinstance(part, Polygon) and not part.is_empty
        ]

    def percent(self, geometry: BaseGeometry) -> Box:
        """
        Give the bounds of a geometry in percent of the panel.

        Parameters
        ----------
        geometry : shapely geometry
            In the grid's CRS.

        Returns
        -------
        tuple of float
            West, south, east and north.
        """
        left, right, bottom, top = self.view
        west, south, east, north = geometry.bounds
        return (
            (west - left) / (right - left) * 100,
            (south - bottom) / (top - bottom) * 100,
            (east - left) / (right - left) * 100,
            (north - bottom) / (top - bottom) * 100,
        )

    def north(self) -> tuple[float, float]:
        """
        Find true north at the middle of the grid, which is rarely straight up.

        Returns
        -------
        tuple of float
            Unit vector on the sheet, x to the right and y up.
        """
        lon, lat = self.centre
        line = from_lonlat(LineString([(lon, lat), (lon, lat + 1e-3)]), self._crs)
        x, y = shapely.get_coordinates(line).T
        right = (x[1] - x[0]) * self.metres_per_x
        up = (y[1] - y[0]) * self.metres_per_y
        length = math.hypot(right, up)
        return right / length, up / length

    def ticks(self, *, along: str) -> list[tuple[float, float]]:
        """
        Find where round degrees cross an edge of the panel.

        Parameters
        ----------
        along : str
            ``x`` for longitudes on the southern edge, ``y`` for latitudes on the
            western one.

        Returns
        -------
        list of tuple
            Position in grid units, and degrees; two or three.
        """
        left, right, bottom, top = self.view
        samples = np.linspace(0.0, 1.0, 201)
        if along == "x":
            xs, ys = left + samples * (right - left), np.full(201, bottom)
            position, axis = xs, 0
        else:
            xs, ys = np.full(201, left), bottom + samples * (top - bottom)
            position, axis = ys, 1
        edge = to_lonlat(LineString(np.column_stack([xs, ys])), self._crs)
        degrees = shapely.get_coordinates(edge)[:, axis]
        step = round_below((degrees[-1] - degrees[0]) / 2)
        first = math.ceil(degrees[0] / step)
        last = math.floor(degrees[-1] / step)
        return [
            (float(np.interp(k * step, degrees, position)), k * step)
            for k in range(first, last + 1)
        ]


def round_below(value: float) -> float:
    """
    Give the largest 1, 2 or 5 times a power of ten that is not larger.

    Parameters
    ----------
    value : float
        Positive.

    Returns
    -------
    float
        Such as 200 for 333.

    Examples
    --------
    >>> round_below(333.0), round_below(5.0), round_below(0.0073)
    (200.0, 5.0, 0.005)
    """
    power = math.floor(math.log10(value))
    leading = value / 10.0**power
    digit = next(d for d in (5, 2, 1) if leading >= d or d == 1)
    return float(f"{digit}e{power}")
