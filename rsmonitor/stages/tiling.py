"""Which Sentinel-2 tile and which 10 km cell a place belongs to: to exactly one.

Sentinel-2 tiles are the 100 km squares of the MGRS, enlarged to 109.8 km: neighbours
show the same ground twice, and at the border of two UTM zones up to four times. What
is watched is therefore cut into cells of 10 km, each within one square, and read from
that square's tile only.
"""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from shapely import MultiPoint, MultiPolygon, Point, Polygon
from shapely.geometry.base import BaseGeometry

from rsmonitor.errors import ContractError
from rsmonitor.records.grid import MGRS_TILE, Grid
from rsmonitor.records.offer import PIXELS_10M, TileWindow
from rsmonitor.stages.geodesy import LONLAT, area_m2, to_lonlat

CELL_M: Final = 10_000
"""Side of a cell, metres of the UTM projection."""

MAX_CELLS: Final = 20_000
"""Most cells of one cover, two million km2: more is a mistake in the geometry."""

_SQUARE_M: Final = 100_000
_LATTICE_M: Final = 60
_PIXEL_M: Final = 10
_PIXEL_M2: Final = 100.0
_FALSE_NORTHING_M: Final = 10_000_000
_CYCLE_M: Final = 2_000_000
_CENTRAL_EASTING_M: Final = 500_000
_FIRST_COLUMN_M: Final = 200_000
"""West of this easting a zone has no tile: its neighbour's reach that far."""

_COLUMNS: Final = ("ABCDEFGH", "JKLMNPQR", "STUVWXYZ")
_ROWS: Final = "ABCDEFGHJKLMNPQRSTUV"
_BANDS: Final = "CDEFGHJKLMNPQRSTUVWX"
_ZONE_DEGREES: Final = 6
_BAND_DEGREES: Final = 8
_SOUTH: Final = -80.0
_SVALBARD: Final = 72.0
_NORWAY: Final = (0.0, 56.0, 12.0, 64.0)
_ZONES: Final = 60
_FIRST_ZONE: Final = 2
_LAST_ZONE: Final = 59
_EQUATOR_BAND: Final = "N"
_CELL_ID: Final = re.compile(r"([0-9]{2}[C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V])_([0-9]{2})")
_EDGE_DEGREES: Final = 0.01
_EDGE_M: Final = 100.0
_BEYOND_ZONE_DEGREES: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Cell:
    """A square of 10 km within one 100 km square of the MGRS."""

    mgrs_tile: str
    """The 100 km square and so the tile that it is read from, such as ``50RKV``."""

    column: int
    """0 to 9 from west to east, the easting digit of the MGRS."""

    row: int
    """0 to 9 from south to north, the northing digit of the MGRS."""

    def __post_init__(self) -> None:
        if not _CELL_ID.fullmatch(self.cell_id):
            raise ContractError(
                f"no cell is named {self.cell_id!r}: a cell is named like 50RKV_23, an "
                "MGRS square and the digits of easting and northing"
            )

    @property
    def cell_id(self) -> str:
        """Name such as ``50RKV_23``, the MGRS reference with a line in it.

        The band letter is the tile's, also where the cell itself lies in the next band.
        """
        return f"{self.mgrs_tile}_{self.column}{self.row}"

    @property
    def crs(self) -> str:
        """The UTM zone, such as ``EPSG:32650``."""
        return _crs_of_square(self.mgrs_tile)

    @property
    def left(self) -> int:
        """Easting of the western edge, metres."""
        return _square_corner(self.mgrs_tile)[0] + self.column * CELL_M

    @property
    def bottom(self) -> int:
        """Northing of the southern edge, metres."""
        return _square_corner(self.mgrs_tile)[1] + self.row * CELL_M


def parse_cell(cell_id: str) -> Cell:
    """
    Read the name of a cell.

    Parameters
    ----------
    cell_id : str
        Such as ``50RKV_23``.

    Returns
    -------
    Cell
        The cell.

    Raises
    ------
    ContractError
        If it is not the name of a cell.
    """
    named = _CELL_ID.fullmatch(cell_id)
    if named is None:
        raise ContractError(f"a cell is named like 50RKV_23, got {cell_id[:40]!r}")
    cell = Cell(mgrs_tile=named[1], column=int(named[2][0]), row=int(named[2][1]))
    _square_corner(cell.mgrs_tile)  # refuses letters that contradict each other
    return cell


def utm_zone(lon: float, lat: float) -> int:
    """
    Give the UTM zone of a place.

    Parameters
    ----------
    lon, lat : float
        Degrees, CRS84.

    Returns
    -------
    int
        2 to 59; 114 degrees east belongs to zone 50.

    Raises
    ------
    ContractError
        If the place is not finite, beyond 80 degrees south or 72 degrees north, within
        6 degrees of the antimeridian, or where Norway's exceptions move the zones.

    Examples
    --------
    >>> utm_zone(113.999, 24.8), utm_zone(114.0, 24.8)
    (49, 50)
    """
    if not (math.isfinite(lon) and math.isfinite(lat)):
        raise ContractError(f"longitude and latitude must be finite, got {lon}, {lat}")
    zone = math.floor((lon + 180) / _ZONE_DEGREES) + 1
    if not _FIRST_ZONE <= zone <= _LAST_ZONE:
        raise ContractError(
            f"longitude {lon} is not from -174 to 174: the tiling at the antimeridian "
            "is not written; split the district there"
        )
    west, south, east, north = _NORWAY
    if not _SOUTH <= lat < _SVALBARD or (west <= lon < east and south <= lat < north):
        raise ContractError(
            f"longitude {lon}, latitude {lat}: the tiling of the polar regions, of "
            "Svalbard and of Norway, where zones have other widths, is not written"
        )
    return zone


def tile_grid(mgrs_tile: str) -> Grid:
    r"""
    Give the 10 m grid of a Sentinel-2 tile.

    Parameters
    ----------
    mgrs_tile : str
        Five characters, no leading ``T``.

    Returns
    -------
    Grid
        10980 rows and columns of 10 m.

    Raises
    ------
    ContractError
        If it is not the name of a square of the MGRS.

    Notes
    -----
    The upper left corner is that of the 100 km square, moved outwards to a multiple of
    60 m, so that pixels of 10, 20 and 60 m share edges:

    .. math:: x = 60 \lfloor E / 60 \rfloor, \quad
       y = 60 \lceil (N - f) / 60 \rceil + f

    with :math:`f` the false northing of the hemisphere, 0 or 10,000 km. The band
    letter is that of the centre of the square. This reproduces all 56,686 tiles of
    ESA's tiling file S2A_OPER_GIP_TILPAR_MPC__20151209T095117.

    Examples
    --------
    >>> grid = tile_grid("50RKV")
    >>> grid.crs, grid.left, grid.top
    ('EPSG:32650', 199980.0, 3500040.0)
    """
    left, bottom = _square_corner(mgrs_tile)
    false_northing = 0 if mgrs_tile[2] >= _EQUATOR_BAND else _FALSE_NORTHING_M
    from_equator = bottom + _SQUARE_M - false_northing
    return Grid(
        crs=_crs_of_square(mgrs_tile),
        left=float(left // _LATTICE_M * _LATTICE_M),
        top=float(-(-from_equator // _LATTICE_M) * _LATTICE_M + false_northing),
        pixel_width=float(_PIXEL_M),
        pixel_height=float(_PIXEL_M),
        height=PIXELS_10M,
        width=PIXELS_10M,
        mgrs_tile=mgrs_tile,
    )


def cell_of(lon: float, lat: float) -> Cell:
    """
    Give the one cell that a place belongs to.

    Parameters
    ----------
    lon, lat : float
        Degrees, CRS84.

    Returns
    -------
    Cell
        The cell; cells are half-open, their western and southern edges belong to them.

    Raises
    ------
    ContractError
        If `utm_zone` refuses the place.

    Notes
    -----
    Cells of two UTM zones do not fit together. Zones are served from west to east: a
    zone keeps a cell whose centre lies west of the zone's eastern border, and one that
    reaches where the next zone has no tile (south of 26 degrees north its first column
    of tiles begins up to 17 km east of the border). The next zone fills the rest. So
    no ground is lost; along a border cells overlap, by at most 1.1 cell widths, and a
    place in the overlap belongs to the western cell.

    Examples
    --------
    >>> cell_of(114.966, 24.8685).cell_id
    '50RKN_95'
    """
    zone = utm_zone(lon, lat)
    north = lat >= 0
    owner = zone + 1  # which keeps what the others do not
    for candidate in (zone - 1, zone):
        left, bottom = _square_of(candidate, north=north, lon=lon, lat=lat)
        if _keeps(candidate, north=north, left=left, bottom=bottom):
            owner = candidate
            break
    left, bottom = _square_of(owner, north=north, lon=lon, lat=lat)
    return _cell(owner, north=north, left=left, bottom=bottom)


def cell_outline(cell: Cell) -> Polygon:
    """
    Outline a cell in longitude and latitude.

    Parameters
    ----------
    cell : Cell
        The cell.

    Returns
    -------
    Polygon
        CRS84, with a vertex every kilometre so that its edges follow the grid.
    """
    return to_lonlat(_square(cell.left, cell.bottom, step_m=1000.0), cell.crs)


def cover(
    geometry: Point | MultiPoint | Polygon | MultiPolygon,
) -> tuple[Cell, ...]:
    """
    Give the cells that hold a geometry.

    Parameters
    ----------
    geometry : Point, MultiPoint, Polygon or MultiPolygon
        CRS84, valid, not empty.

    Returns
    -------
    tuple of Cell
        Every cell of which some place of the geometry is (`cell_of`), sorted; parts
        below 100 m2, one pixel, do not count beside larger ones.

    Raises
    ------
    ContractError
        If the geometry is empty, invalid, of another kind, needs more than `MAX_CELLS`,
        or lies where `utm_zone` refuses it.

    Examples
    --------
    >>> [cell.cell_id for cell in cover(shapely.box(114.9, 24.8, 114.95, 24.82))]
    ['50RKN_84', '50RKN_94']
    """
    if not isinstance(geometry, Point | MultiPoint | Polygon | MultiPolygon):
        raise ContractError(
            f"cells cover points and polygons, not a {type(geometry).__name__}"
        )
    if geometry.is_empty or not geometry.is_valid:
        raise ContractError(
            f"the geometry to cover is {shapely.is_valid_reason(geometry)[:80]}, or "
            "empty; repair it first"
        )
    west, south, east, north = geometry.bounds
    utm_zone(west, south)
    utm_zone(east, north)
    if isinstance(geometry, Point | MultiPoint):
        places = shapely.get_coordinates(geometry).tolist()
        return tuple(sorted({cell_of(lon, lat) for lon, lat in places}))
    if area_m2(geometry) > MAX_CELLS * float(CELL_M) ** 2:
        raise ContractError(_too_many())
    found = {cell_of(*shapely.get_coordinates(geometry.representative_point())[0])}
    for zone in range(utm_zone(west, south) - 1, utm_zone(east, north) + 2):
        for northern in (False, True):
            for cell in _cover_in_zone(geometry, zone, north=northern):
                found.add(cell)
                if len(found) > MAX_CELLS:
                    raise ContractError(_too_many())
    return tuple(sorted(found))


def grids(cells: Iterable[Cell]) -> tuple[Grid, ...]:
    """
    Give the grids that hold cells: one for each tile, as small as may be.

    Parameters
    ----------
    cells : iterable of Cell
        At least one.

    Returns
    -------
    tuple of Grid
        For each tile the rectangle of its pixels around its cells, on even rows and
        columns, sorted by tile. Rectangles of two tiles of one zone never overlap.

    Raises
    ------
    ContractError
        If there is no cell.
    """
    by_tile: dict[str, list[Cell]] = {}
    for cell in cells:
        by_tile.setdefault(cell.mgrs_tile, []).append(cell)
    if not by_tile:
        raise ContractError("a district without cells has no grid")
    return tuple(_window(tile, by_tile[tile]) for tile in sorted(by_tile))


def tile_window(grid: Grid) -> TileWindow:
    """
    Say which pixels of its tile a grid is.

    Parameters
    ----------
    grid : Grid
        With `mgrs_tile`, 10 m pixels, on the lattice of that tile.

    Returns
    -------
    TileWindow
        The rectangle.

    Raises
    ------
    ContractError
        If the grid is not of a tile, or not on its lattice.
    """
    if grid.mgrs_tile is None:
        raise ContractError(f"grid {grid.grid_id} is not of a Sentinel-2 tile")
    tile = tile_grid(grid.mgrs_tile)
    row, over_y = divmod(tile.top - grid.top, tile.pixel_height)
    col, over_x = divmod(grid.left - tile.left, tile.pixel_width)
    if (
        grid.crs != tile.crs
        or (grid.pixel_width, grid.pixel_height) != (_PIXEL_M, _PIXEL_M)
        or over_x
        or over_y
    ):
        raise ContractError(
            f"grid at {grid.left}, {grid.top} in {grid.crs[:40]} is not on the 10 m "
            f"lattice of tile {grid.mgrs_tile}"
        )
    return TileWindow(
        mgrs_tile=grid.mgrs_tile,
        row=int(row),
        col=int(col),
        height=grid.height,
        width=grid.width,
    )


def _window(mgrs_tile: str, cells: list[Cell]) -> Grid:
    """Cut the rectangle around cells out of their tile."""
    tile = tile_grid(mgrs_tile)
    left = min(cell.left for cell in cells)
    right = max(cell.left for cell in cells) + CELL_M
    bottom = min(cell.bottom for cell in cells)
    top = max(cell.bottom for cell in cells) + CELL_M
    # cells lie at multiples of 20 m from the tile's corner, so 20 m pixels stay whole
    return Grid(
        crs=tile.crs,
        left=float(left),
        top=float(top),
        pixel_width=tile.pixel_width,
        pixel_height=tile.pixel_height,
        height=(top - bottom) // _PIXEL_M,
        width=(right - left) // _PIXEL_M,
        mgrs_tile=mgrs_tile,
    )


def _cover_in_zone(
    geometry: Polygon | MultiPolygon, zone: int, *, north: bool
) -> Iterator[Cell]:
    """Give the cells of one zone that hold some of a polygon."""
    seam = _eastern_border(zone)
    # the zone with what its cells may reach beyond its borders
    clip = shapely.box(
        seam - _ZONE_DEGREES - _BEYOND_ZONE_DEGREES,
        0.0 if north else _SOUTH,
        seam + _BEYOND_ZONE_DEGREES,
        _SVALBARD if north else 0.0,
    )
    here = shapely.intersection(geometry, clip)
    if here.area == 0:
        return
    here = _project(here, zone, north=north)
    shapely.prepare(here)
    west, south, east, top = here.bounds
    columns = range(math.floor(west / CELL_M), math.floor(east / CELL_M) + 1)
    rows = range(math.floor(south / CELL_M), math.floor(top / CELL_M) + 1)
    if len(columns) * len(rows) > 2 * MAX_CELLS:
        raise ContractError(_too_many())
    for left in (column * CELL_M for column in columns):
        for bottom in (row * CELL_M for row in rows):
            square = _square(left, bottom)
            if not here.intersects(square):
                continue
            if not _keeps(zone, north=north, left=left, bottom=bottom):
                continue
            part = here.intersection(square)
            if part.area > _PIXEL_M2:
                taken = _taken(zone, north=north, left=left, bottom=bottom)
                part = part.difference(taken)
            if part.area > _PIXEL_M2:
                yield _cell(zone, north=north, left=left, bottom=bottom)


@lru_cache(maxsize=4096)
def _taken(zone: int, *, north: bool, left: int, bottom: int) -> BaseGeometry:
    """Give what of a cell belongs to cells of the zone in the west."""
    inverse = _transformer(zone, north=north)
    square = _square(left, bottom)
    corners = shapely.get_coordinates(square)
    lon, lat = inverse.transform(corners[:, 0], corners[:, 1], direction="INVERSE")
    border = _eastern_border(zone - 1)
    if zone == _FIRST_ZONE or min(lon) > border + _BEYOND_ZONE_DEGREES:
        return Polygon()
    x, y = _transformer(zone - 1, north=north).transform(lon, lat)
    neighbours = []
    for column in range(math.floor(min(x) / CELL_M), math.floor(max(x) / CELL_M) + 1):
        for row in range(math.floor(min(y) / CELL_M), math.floor(max(y) / CELL_M) + 1):
            corner = {"left": column * CELL_M, "bottom": row * CELL_M}
            if _keeps(zone - 1, north=north, **corner):
                outline = to_lonlat(
                    _square(**corner, step_m=_EDGE_M), _crs(zone - 1, north=north)
                )
                neighbours.append(_project(outline, zone, north=north))
    taken: BaseGeometry = shapely.union_all(neighbours)
    return taken


@lru_cache(maxsize=65536)
def _keeps(zone: int, *, north: bool, left: int, bottom: int) -> bool:
    """Say if a zone keeps a cell, or leaves it to the zone in the east."""
    if zone > _LAST_ZONE or zone < 1:
        return False
    middle = CELL_M / 2
    lon, lat = _transformer(zone, north=north).transform(
        [left + middle, left, left + CELL_M, left, left + CELL_M],
        [bottom + middle, bottom, bottom, bottom + CELL_M, bottom + CELL_M],
        direction="INVERSE",
    )
    if lon[0] < _eastern_border(zone):
        return True
    if zone == _LAST_ZONE:
        return False
    easting, _ = _transformer(zone + 1, north=north).transform(lon[1:], lat[1:])
    return bool(min(easting) < _FIRST_COLUMN_M)


def _square_of(zone: int, *, north: bool, lon: float, lat: float) -> tuple[int, int]:
    """Give the corner of the cell of a zone's lattice that a place lies in."""
    x, y = _transformer(min(max(zone, 1), _ZONES), north=north).transform(lon, lat)
    return math.floor(x / CELL_M) * CELL_M, math.floor(y / CELL_M) * CELL_M


def _cell(zone: int, *, north: bool, left: int, bottom: int) -> Cell:
    """Name a cell by its corner."""
    letters = _COLUMNS[(zone - 1) % 3]
    column, row = left // _SQUARE_M - 1, bottom // _SQUARE_M
    if not 0 <= column < len(letters):
        raise ContractError(f"easting {left} is in no square of zone {zone}")
    band = _band(row * _SQUARE_M, north=north)
    tile = f"{zone:02d}{band}{letters[column]}{_ROWS[(row + _row_shift(zone)) % 20]}"
    return Cell(
        mgrs_tile=tile,
        column=left % _SQUARE_M // CELL_M,
        row=bottom % _SQUARE_M // CELL_M,
    )


@lru_cache(maxsize=1024)
def _square_corner(mgrs_tile: str) -> tuple[int, int]:
    """Give easting and northing of the south-western corner of a 100 km square."""
    if not (MGRS_TILE.fullmatch(mgrs_tile) and 1 <= int(mgrs_tile[:2]) <= _ZONES):
        raise ContractError(f"mgrs_tile must be like 50RKV, got {mgrs_tile[:40]!r}")
    zone, band, column, row = int(mgrs_tile[:2]), *mgrs_tile[2:]
    letters = _COLUMNS[(zone - 1) % 3]
    if band in _BANDS and column in letters and row in _ROWS:
        north = band >= _EQUATOR_BAND
        first = (_ROWS.index(row) - _row_shift(zone)) % 20 * _SQUARE_M
        for bottom in range(first, _FALSE_NORTHING_M, _CYCLE_M):
            if _band(bottom, north=north) == band:
                return (letters.index(column) + 1) * _SQUARE_M, bottom
    raise ContractError(
        f"{mgrs_tile}: these letters name no square of the MGRS in zone {zone}"
    )


def _row_shift(zone: int) -> int:
    """Rows of even zones start with F."""
    return 5 if zone % 2 == 0 else 0


@lru_cache(maxsize=512)
def _band(bottom: int, *, north: bool) -> str:
    """Give the latitude band of the centre of a row of squares."""
    middle = bottom + _SQUARE_M / 2
    _, lat = _transformer(31, north=north).transform(
        _CENTRAL_EASTING_M, middle, direction="INVERSE"
    )
    index = math.floor((lat - _SOUTH) / _BAND_DEGREES)
    return _BANDS[min(max(index, 0), len(_BANDS) - 1)]


def _eastern_border(zone: int) -> float:
    """Longitude where a zone ends."""
    return float(zone * _ZONE_DEGREES - 180)


def _square(left: int, bottom: int, *, step_m: float | None = None) -> Polygon:
    """Outline a cell in its projection, with vertices along the edges if asked for."""
    square = shapely.box(left, bottom, left + CELL_M, bottom + CELL_M)
    return square if step_m is None else shapely.segmentize(square, step_m)


def _project(geometry: BaseGeometry, zone: int, *, north: bool) -> BaseGeometry:
    """Convert longitude and latitude to a zone; long edges stay where they were."""
    transformer = _transformer(zone, north=north)

    def convert(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(transformer.transform(points[:, 0], points[:, 1]))

    dense = shapely.segmentize(geometry, _EDGE_DEGREES)
    projected: BaseGeometry = shapely.transform(dense, convert)
    return projected if projected.is_valid else shapely.make_valid(projected)


def _crs_of_square(mgrs_tile: str) -> str:
    """Give the projection of a square."""
    return _crs(int(mgrs_tile[:2]), north=mgrs_tile[2] >= _EQUATOR_BAND)


def _crs(zone: int, *, north: bool) -> str:
    """Give the code of a UTM zone."""
    return f"EPSG:{'326' if north else '327'}{zone:02d}"


@lru_cache(maxsize=128)
def _transformer(zone: int, *, north: bool) -> Transformer:
    """One transformer a zone, from longitude and latitude."""
    return Transformer.from_crs(LONLAT, _crs(zone, north=north), always_xy=True)


def _too_many() -> str:
    """Say that a geometry is too large."""
    return (
        f"the geometry needs more than {MAX_CELLS} cells of 10 km; it is probably in "
        "another CRS than longitude and latitude, or not a district"
    )
