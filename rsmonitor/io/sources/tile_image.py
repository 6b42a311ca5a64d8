"""Windows of image files of a tile, read so that damage is an error and not a picture.

GDAL decodes a truncated JPEG 2000 with several threads without an error, and fills in
wrong pixels. With one thread, block by block, it raises.
"""

from typing import Any, Final

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.windows import Window

from rsmonitor.errors import SourceError
from rsmonitor.records.grid import Grid
from rsmonitor.records.offer import PIXELS_10M, TileWindow

_DRIVERS: Final = {".jp2": "JP2OpenJPEG", ".tif": "GTiff", ".tiff": "GTiff"}
"""What may open a file, by its ending: no other driver looks at it."""

ENVIRONMENT: Final = {
    "GDAL_NUM_THREADS": "1",
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GTIFF_IGNORE_READ_ERRORS": "NO",
}
"""Options of GDAL under which damage is an error, and no other file is opened."""

_TOLERANCE: Final = 0.001


def read_window(
    address: str,
    tile: Grid,
    window: TileWindow,
    *,
    pixel_m: int,
    dtype: str,
    shape: tuple[int, int] | None = None,
) -> NDArray[Any]:
    """
    Read a window of one band.

    Parameters
    ----------
    address : str
        GDAL's name of the file, ending in ``.jp2``, ``.tif`` or ``.tiff``.
    tile : Grid
        The 10 m grid of the tile.
    window : TileWindow
        Which of its pixels.
    pixel_m : int
        10 or 20: the sampling of the file.
    dtype : str
        ``uint16`` or ``uint8``.
    shape : tuple of int, optional
        Rows and columns that the file must have; by default it may hold any part of
        the tile.

    Returns
    -------
    ndarray
        As stored; 0 where the file has no pixels.

    Raises
    ------
    SourceError
        If the file is damaged, of another kind, or does not lie on the tile's pixels.
    """
    ending = address[address.rfind(".") :].lower()
    if ending not in _DRIVERS:
        raise SourceError(f"{address}: it must end in {', '.join(_DRIVERS)}")
    factor = pixel_m // 10
    height, width = window.height // factor, window.width // factor
    values = np.zeros((height, width), dtype=dtype)
    try:
        with (
            rasterio.Env(**ENVIRONMENT),
            rasterio.open(address, driver=_DRIVERS[ending], sharing=False) as file,
        ):
            top, left = place_in_tile(file, address, tile, pixel_m, dtype, shape)
            _fill(
                file,
                values,
                # rows and columns of the file at which the window starts
                window.row // factor - top,
                window.col // factor - left,
            )
    except (RasterioError, OSError, ValueError) as error:
        raise SourceError(
            f"{address}: it cannot be read: {error}; the file is damaged or no image. "
            "Get it again"
        ) from error
    return values


def place_in_tile(
    file: Any,  # noqa: ANN401 - rasterio has no types
    address: str,
    tile: Grid,
    pixel_m: int,
    dtype: str,
    shape: tuple[int, int] | None,
) -> tuple[int, int]:
    """
    Find the first row and column of a file in its tile.

    Parameters
    ----------
    file : rasterio.DatasetReader
        The open file.
    address : str
        Its name, for messages.
    tile : Grid
        The 10 m grid of the tile.
    pixel_m : int
        10 or 20: the sampling that the file must have.
    dtype : str
        ``uint16`` or ``uint8``.
    shape : tuple of int or None
        Rows and columns that it must have; None if any.

    Returns
    -------
    row, col : int
        Of the tile, at the sampling of the file.

    Raises
    ------
    SourceError
        If it is of another kind, or does not lie on the tile's pixels.
    """
    size = PIXELS_10M * 10 // pixel_m
    epsg = None if file.crs is None else file.crs.to_epsg()
    if file.count != 1 or file.dtypes[0] != dtype:
        raise SourceError(
            f"{address}: {file.count} bands of {file.dtypes[0]}; it must be one of "
            f"{dtype}"
        )
    if f"EPSG:{epsg}" != tile.crs:
        raise SourceError(
            f"{address}: its CRS is EPSG:{epsg}; tile {tile.mgrs_tile} is {tile.crs}"
        )
    along, turned_x, left, turned_y, down, top = tuple(file.transform)[:6]
    cols, rows = (left - tile.left) / pixel_m, (tile.top - top) / pixel_m
    row, col = round(rows), round(cols)
    fits = (
        (along, turned_x, turned_y, down) == (pixel_m, 0, 0, -pixel_m)
        and max(abs(rows - row), abs(cols - col)) < _TOLERANCE
        and 0 <= row <= size - file.height
        and 0 <= col <= size - file.width
    )
    if not fits:
        raise SourceError(
            f"{address}: {file.height} x {file.width} pixels of {along:g} m from "
            f"{left:.10g}, {top:.10g} are not pixels of tile {tile.mgrs_tile}, which "
            f"has {size} x {size} of {pixel_m} m from {tile.left:.10g}, {tile.top:.10g}"
        )
    if shape is not None and (file.height, file.width) != shape:
        raise SourceError(
            f"{address}: it has {file.height} x {file.width} pixels where MTD_TL.xml "
            f"says {shape[0]} x {shape[1]}"
        )
    return row, col


def _fill(
    file: Any,  # noqa: ANN401 - rasterio has no types
    values: NDArray[Any],
    row: int,
    col: int,
) -> None:
    """Read block by block what file and window share."""
    height, width = values.shape
    for _, block in file.block_windows(1):
        low_y, high_y = (
            max(block.row_off, row),
            min(block.row_off + block.height, row + height),
        )
        low_x, high_x = (
            max(block.col_off, col),
            min(block.col_off + block.width, col + width),
        )
        if low_y >= high_y or low_x >= high_x:
            continue
        part = Window(low_x, low_y, high_x - low_x, high_y - low_y)
        values[low_y - row : high_y - row, low_x - col : high_x - col] = file.read(
            1, window=part
        )
