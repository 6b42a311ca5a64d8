"""Elevation from DEM files: metres on the pixels of a grid, or unknown.

Files lie as they were delivered, in any CRS and beside each other. Every value is a
function of the files and the grid alone, never of the block that asks for it.
"""

import contextlib
import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError
from rasterio.errors import RasterioError
from rasterio.windows import Window

from rsmonitor.errors import RsmonitorError, SourceError
from rsmonitor.records.grid import Block, Grid
from rsmonitor.stages.geodesy import grid_outline, pixel_size_m

_DRIVERS: Final = {".tif": "GTiff", ".tiff": "GTiff"}
"""What may open a file, by its ending: no other driver looks at it."""

_ENVIRONMENT: Final = {
    "GDAL_NUM_THREADS": "1",
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GTIFF_IGNORE_READ_ERRORS": "NO",
}

_TYPES: Final = ("int16", "uint16", "int32", "float32", "float64")
"""Types that elevation is kept in; a byte is a picture of hills."""

_METRES: Final = frozenset({"", "m", "metre", "metres", "meter", "meters"})

LOWEST_M: Final = -500.0
"""The shore of the Dead Sea is at -430 m; what is lower stands for 'no data'."""

HIGHEST_M: Final = 9_000.0
"""Everest has 8,849 m; what is higher stands for 'no data'."""

_PIXEL_M: Final = (0.5, 1_000.0)
"""Pixels outside are a sign of degrees taken for metres, or the reverse."""

_FINEST: Final = 0.25
"""A DEM's pixel must be at least this share of the grid's: a few of its pixels would
else stand for all, and windows would be huge."""

_SAME_LATTICE: Final = 0.01
"""Files are one sheet if their pixels are off by less than this share of one."""

_NODES: Final = 16
"""Coordinates are converted at every 16th pixel and interpolated: right to 1 mm."""

_ON_A_CENTRE: Final = 1e-6
"""A place this near to the centre of a DEM's pixel, in pixels, is there."""

_MOST_PIXELS: Final = 2**26
"""Largest window read at once, and largest piece that a file may be stored in."""

_TILE: Final = 1024
"""Rows and columns of a grid that are looked at together for its relief."""

_CHUNK: Final = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """One file, and how far its first pixel is from that of its sheet."""

    path: Path
    grid: Grid
    nodata: float | None
    row: int = 0
    col: int = 0


class Elevation:
    """
    Read elevation from files; where two know a place, the first does.

    Files are opened anew for every read, so that workers may share one of these.

    Parameters
    ----------
    files : sequence of Path
        GeoTIFF files with one layer, metres above sea level.
    report : callable, optional
        Receives what is worth telling.

    Raises
    ------
    SourceError
        If a file is missing, damaged or of another kind; the message names it and the
        rule.
    """

    def __init__(
        self, files: Sequence[Path], report: Callable[[str], None] | None = None
    ) -> None:
        if not files:
            raise SourceError("no elevation file given")
        self._report = report
        self._told: set[tuple[str, str]] = set()
        self._sheets: list[list[_File]] = []
        for path in files:
            self._add(_described(path))
        self._sha256 = _digest(files)

    @property
    def sha256(self) -> str:
        """Digest of what stands in the files, in their order; not of their names."""
        return self._sha256

    def load(self, grid: Grid, block: Block, *, halo: int = 0) -> NDArray[np.float32]:
        """
        Read elevation at the pixel centres of a block and of a halo around it.

        Unlike `Block.with_halo`, the halo goes on beyond the grid: hills there cast
        shadows too. Elevation is interpolated bilinearly between the four centres of
        the DEM around a pixel; if one that counts is unknown, so is the pixel. Files
        whose pixels continue each other are read as one; between others a strip of one
        pixel stays unknown.

        Parameters
        ----------
        grid : Grid
            In any CRS.
        block : Block
            Of `grid`.
        halo : int, default 0
            Pixels to add on all sides.

        Returns
        -------
        ndarray of float32, shape (height + 2 halo, width + 2 halo)
            Metres; NaN where no file knows.

        Raises
        ------
        SourceError
            If a file is damaged, or a DEM's pixels are much finer than the grid's.
        """
        rows = np.arange(block.row - halo, block.row + block.height + halo)
        cols = np.arange(block.col - halo, block.col + block.width + halo)
        found = np.full((rows.size, cols.size), np.nan, dtype=np.float32)
        for sheet in self._sheets:
            _require_coarse(sheet[0], grid)
            y, x = _places(grid, rows, cols, sheet[0].grid)
            values = self._interpolated(sheet, y, x)
            unknown = np.isnan(found)
            found[unknown] = values[unknown]
        core = found[halo : halo + block.height, halo : halo + block.width]
        missing = int(np.isnan(core).sum())
        if missing:
            self._tell(
                (grid.grid_id, "unknown"),
                f"{grid.grid_id}: elevation is unknown at {missing} of {core.size} "
                f"pixels of block {block.block_id}, and perhaps of others; nothing is "
                "called terrain shadow there",
            )
        return found

    def relief_m(self, grid: Grid, *, beyond_m: float = 0.0) -> float:
        """
        Say how far apart the highest and the lowest ground of a grid are.

        Parameters
        ----------
        grid : Grid
            In any CRS.
        beyond_m : float, default 0
            How far around the grid to look too, metres.

        Returns
        -------
        float
            Metres, at least what any block of the grid holds; 0 if nothing is known.

        Raises
        ------
        SourceError
            If a file is damaged, or a DEM's pixels are much finer than the grid's.
        """
        halo = math.ceil(beyond_m / min(pixel_size_m(grid)))
        lowest, highest = math.inf, -math.inf
        for sheet in self._sheets:
            _require_coarse(sheet[0], grid)
            for rows in _stretches(-halo, grid.height + halo):
                for cols in _stretches(-halo, grid.width + halo):
                    y, x = _places(grid, rows, cols, sheet[0].grid)
                    window = self._window(sheet, _around(y, x))
                    if np.isfinite(window).any():
                        lowest = min(lowest, float(np.nanmin(window)))
                        highest = max(highest, float(np.nanmax(window)))
        return highest - lowest if highest > lowest else 0.0

    def _add(self, file: _File) -> None:
        """Put a file on the sheet whose pixels it continues, or begin another."""
        for sheet in self._sheets:
            placed = _on_sheet(sheet[0], file)
            if placed is not None:
                sheet.append(placed)
                return
        self._sheets.append([file])

    def _interpolated(
        self, sheet: Sequence[_File], y: NDArray[np.float64], x: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Interpolate at places of a sheet, counted in pixels between centres."""
        around = _around(y, x)
        values = self._window(sheet, around)
        if values.size == 0:
            return np.full(y.shape, np.nan, dtype=np.float32)
        row, col, _, _ = around
        here = np.isfinite(y) & np.isfinite(x)
        y, x = np.where(here, y, row), np.where(here, x, col)
        north, west = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
        total = np.where(here, 0.0, np.nan)
        for down, share_y in ((0, 1 - (y - north)), (1, y - north)):
            for right, share_x in ((0, 1 - (x - west)), (1, x - west)):
                share = share_y * share_x
                corner = values[north - row + down, west - col + right]
                # what does not count may be unknown
                total += np.where(share > 0, corner * share, 0.0)
        return total.astype(np.float32)

    def _window(
        self, sheet: Sequence[_File], around: tuple[int, int, int, int]
    ) -> NDArray[np.float64]:
        """Read a window of a sheet; NaN where no file knows. Empty if none is near."""
        row, col, height, width = around
        near = [
            file
            for file in sheet
            if row < file.row + file.grid.height
            and file.row < row + height
            and col < file.col + file.grid.width
            and file.col < col + width
        ]
        if not near:
            return np.empty((0, 0))
        if height * width > _MOST_PIXELS:
            raise SourceError(
                f"{near[0].path}: {height} x {width} of its pixels would be read at "
                f"once; at most {_MOST_PIXELS}. {_AVERAGE}"
            )
        window = np.full((height, width), np.nan)
        for file in near:
            first, last = (
                max(row, file.row),
                min(row + height, file.row + file.grid.height),
            )
            west, east = (
                max(col, file.col),
                min(col + width, file.col + file.grid.width),
            )
            values = self._read(
                file,
                Window(west - file.col, first - file.row, east - west, last - first),
            )
            part = window[first - row : last - row, west - col : east - col]
            unknown = np.isnan(part)
            part[unknown] = values[unknown]
        return window

    def _read(self, file: _File, window: Window) -> NDArray[np.float64]:
        """Read a window of a file; NaN where it does not know."""
        with _opened(file.path) as dataset:
            stored: NDArray[Any] = dataset.read(1, window=window)
        metres = stored.astype(np.float64)
        if file.nodata is not None:
            metres[stored == file.nodata] = np.nan
        impossible = (metres < LOWEST_M) | (metres > HIGHEST_M)
        if impossible.any():
            self._tell(
                (str(file.path), "impossible"),
                f"{file.path}: has {metres[impossible][0]:.6g}, which is no elevation; "
                f"what is outside {LOWEST_M:g} to {HIGHEST_M:g} m is taken for unknown",
            )
            metres[impossible] = np.nan
        return metres

    def _tell(self, what: tuple[str, str], note: str) -> None:
        """Tell every thing once."""
        if what not in self._told:
            self._told.add(what)
            if self._report is not None:
                self._report(note)


_AVERAGE: Final = "Average it to coarser pixels first, with gdalwarp -r average -tr"


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file by the one driver that its name allows; say what is wrong with it."""
    driver = _DRIVERS.get(path.suffix.lower())
    if driver is None:
        raise SourceError(
            f"{path}: an elevation file must end in {', '.join(_DRIVERS)}"
        )
    try:
        with (
            rasterio.Env(**_ENVIRONMENT),
            rasterio.open(path, driver=driver, sharing=False) as dataset,
        ):
            yield dataset
    except (RasterioError, ProjError, OSError, ValueError, MemoryError) as error:
        raise SourceError(
            f"{path}: it cannot be read: {error}; the file is missing, damaged or no "
            "GeoTIFF. Get it again"
        ) from error


def _described(path: Path) -> _File:
    """Read what a file says of itself, and refuse what is no DEM."""
    with _opened(path) as dataset:
        problem = _wrong(dataset)
        if problem:
            raise SourceError(f"{path}: {problem}")
        along, _, left, _, down, top = tuple(dataset.transform)[:6]
        crs = dataset.crs.to_wkt()
        shape = dataset.height, dataset.width
        nodata = dataset.nodata
    try:
        grid = Grid(
            crs=_horizontal(crs),
            left=left,
            top=top,
            pixel_width=along,
            pixel_height=-down,
            height=shape[0],
            width=shape[1],
        )
        grid_outline(grid)
        sizes = pixel_size_m(grid)
    except (RsmonitorError, ProjError) as error:
        raise SourceError(f"{path}: it lies nowhere on Earth: {error}") from error
    if not all(_PIXEL_M[0] <= size <= _PIXEL_M[1] for size in sizes):
        raise SourceError(
            f"{path}: from {left:.10g}, {top:.10g} in {grid.crs[:60]} a pixel is "
            f"{sizes[0]:.3g} by {sizes[1]:.3g} m; it must be "
            f"{_PIXEL_M[0]:g} to {_PIXEL_M[1]:g} m. Is the CRS right?"
        )
    return _File(path=path, grid=grid, nodata=nodata)


def _wrong(dataset: Any) -> str:  # noqa: ANN401 - rasterio has no types
    """Say why a file is no DEM; nothing if it may be one."""
    if dataset.count != 1 or dataset.dtypes[0] not in _TYPES:
        return (
            f"{dataset.count} layers of {dataset.dtypes[0]}; a DEM is one of "
            f"{', '.join(_TYPES)}"
        )
    if dataset.crs is None:
        return "it has no CRS; a DEM without one is nowhere"
    along, turned_x, _, turned_y, down, _ = tuple(dataset.transform)[:6]
    if turned_x or turned_y or down >= 0 or along <= 0:
        return (
            f"its pixels are turned: {tuple(dataset.transform)[:6]}; north must be up"
        )
    height, width = dataset.block_shapes[0]
    if height * width > _MOST_PIXELS:
        return (
            f"it is stored in pieces of {height} x {width} pixels; at most "
            f"{_MOST_PIXELS}. Write it in tiles, with gdal_translate -co TILED=YES"
        )
    return _no_metres(dataset)


def _no_metres(dataset: Any) -> str:  # noqa: ANN401 - rasterio has no types
    """Say why numbers are no metres; nothing if they may be."""
    if (dataset.scales[0], dataset.offsets[0]) != (1.0, 0.0):
        return (
            f"its numbers have scale {dataset.scales[0]:g} and offset "
            f"{dataset.offsets[0]:g}; write plain metres, with gdal_translate -unscale"
        )
    unit = (dataset.units[0] or _height_unit(dataset.crs.to_wkt())).strip().lower()
    if unit not in _METRES:
        return f"its unit is {unit!r}; elevation must be in metres"
    return ""


def _height_unit(wkt: str) -> str:
    """Give the unit of the height in a CRS that has one."""
    axes = CRS(wkt).axis_info
    return axes[2].unit_name if len(axes) > 2 else ""  # noqa: PLR2004 - x, y, height


def _horizontal(wkt: str) -> str:
    """Leave the height out of a CRS, and give its code if it has one."""
    crs = CRS(wkt)
    plane = crs.sub_crs_list[0] if crs.is_compound else crs.to_2d()
    code = plane.to_epsg()
    return str(plane.to_wkt()) if code is None else f"EPSG:{code}"


def _digest(files: Sequence[Path]) -> str:
    """Digest what stands in files."""
    whole = hashlib.sha256()
    for path in files:
        one = hashlib.sha256()
        try:
            with path.open("rb") as file:
                while piece := file.read(_CHUNK):
                    one.update(piece)
        except OSError as error:
            raise SourceError(f"{path}: it cannot be read: {error}") from error
        whole.update(one.digest())
    return whole.hexdigest()


def _on_sheet(first: _File, file: _File) -> _File | None:
    """Place a file among the pixels of a sheet; None if its pixels are others."""
    sheet, grid = first.grid, file.grid
    if sheet.crs != grid.crs:
        return None
    row = (sheet.top - grid.top) / sheet.pixel_height
    col = (grid.left - sheet.left) / sheet.pixel_width
    # sizes must agree so well that the far edge of the file is in its place too
    off_y = abs(grid.pixel_height / sheet.pixel_height - 1) * grid.height
    off_x = abs(grid.pixel_width / sheet.pixel_width - 1) * grid.width
    if max(abs(row - round(row)) + off_y, abs(col - round(col)) + off_x) > (
        _SAME_LATTICE
    ):
        return None
    return _File(
        path=file.path, grid=grid, nodata=file.nodata, row=round(row), col=round(col)
    )


def _require_coarse(file: _File, grid: Grid) -> None:
    """Refuse a DEM whose pixels are so small that a few would stand for many."""
    here, there = min(pixel_size_m(file.grid)), min(pixel_size_m(grid))
    if here < _FINEST * there:
        raise SourceError(
            f"{file.path}: its pixels are {here:.3g} m; for a grid of {there:.3g} m "
            f"they must be at least {_FINEST * there:.3g} m. {_AVERAGE}"
        )


def _stretches(first: int, end: int) -> Iterator[NDArray[np.int64]]:
    """Cut rows or columns into stretches; of each give every 16th and the last."""
    for start in range(first, end, _TILE):
        stop = min(start + _TILE, end)
        yield np.append(np.arange(start, stop - 1, _NODES), stop - 1)


def _places(
    grid: Grid, rows: NDArray[np.int64], cols: NDArray[np.int64], sheet: Grid
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find pixel centres of a grid in a sheet; NaN where its CRS has no such place."""
    node_rows, before_y, share_y = _nodes(rows)
    node_cols, before_x, share_x = _nodes(cols)
    x, y = np.meshgrid(
        grid.left + grid.pixel_width * (node_cols + 0.5),
        grid.top - grid.pixel_height * (node_rows + 0.5),
    )
    if grid.crs != sheet.crs:
        x, y = Transformer.from_crs(grid.crs, sheet.crs, always_xy=True).transform(x, y)
    found = []
    for nodes in (
        (sheet.top - np.asarray(y)) / sheet.pixel_height - 0.5,
        (np.asarray(x) - sheet.left) / sheet.pixel_width - 0.5,
    ):
        nodes[~np.isfinite(nodes)] = np.nan
        by_row = (
            nodes[before_y] * (1 - share_y)[:, None]
            + nodes[before_y + 1] * share_y[:, None]
        )
        place = by_row[:, before_x] * (1 - share_x) + by_row[:, before_x + 1] * share_x
        nearest = np.rint(place)
        found.append(np.where(np.abs(place - nearest) < _ON_A_CENTRE, nearest, place))
    return found[0], found[1]


def _nodes(
    pixels: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Give fixed nodes around pixels; to each the node before it, and how far on."""
    before, rest = np.divmod(pixels, _NODES)
    nodes = np.arange(before[0], before[-1] + 2) * _NODES
    return nodes, before - before[0], rest / _NODES


def _around(
    y: NDArray[np.float64], x: NDArray[np.float64]
) -> tuple[int, int, int, int]:
    """First row and column, height and width of what is needed around places."""
    here = np.isfinite(y) & np.isfinite(x)
    if not here.any():
        return 0, 0, 0, 0
    row, col = math.floor(y[here].min()), math.floor(x[here].min())
    last_row, last_col = math.floor(y[here].max()), math.floor(x[here].max())
    return row, col, last_row - row + 2, last_col - col + 2
