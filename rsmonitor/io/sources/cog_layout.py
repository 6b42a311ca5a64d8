"""Where the tiles inside a cloud-optimised GeoTIFF lie, if it is of the usual kind.

GDAL parses the file; what it says is taken only within bounds, and only after one
internal tile came out the same both ways. A file of any other kind is left to GDAL
altogether.
"""

import os
import sys
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.windows import Window

from rsmonitor.errors import SourceError
from rsmonitor.io.sources.cog_inflate import inflated, unpacked
from rsmonitor.io.sources.tile_image import ENVIRONMENT, place_in_tile
from rsmonitor.records.grid import Grid

SMALLEST_SIDE: Final = 128
LARGEST_SIDE: Final = 1024
"""Sides of internal tiles that are read here: not so many that listing them takes long,
not so large that one is a burden."""

_TILE_STEP: Final = 16
"""TIFF 6.0: sides of internal tiles are whole multiples of this."""

_LITTLE_ENDIAN: Final = (b"II*\x00", b"II+\x00")
"""First bytes of TIFF and BigTIFF."""

_NO_PREDICTOR: Final = 1
_HORIZONTAL: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CogLayout:
    """One file, as it was when it was looked at."""

    path: str
    """Where it is, links resolved."""

    stamp: tuple[int, int, int]
    """Length, time of change and number of the file."""

    dtype: np.dtype[Any]
    """uint8 or uint16."""

    height: int
    """Rows of the image."""

    width: int
    """Columns of the image."""

    row: int
    """Row of the MGRS tile, at the sampling of the image, of its first row."""

    col: int
    """Column of the MGRS tile, at the sampling of the image, of its first column."""

    tile_height: int
    """Rows of an internal tile."""

    tile_width: int
    """Columns of an internal tile."""

    has_differences: bool
    """True if rows hold differences from pixel to pixel (predictor 2)."""

    offsets: NDArray[np.int64]
    """First byte of each internal tile, shape (y, x)."""

    counts: NDArray[np.int64]
    """Bytes of each internal tile, shape (y, x); 0 where none is stored."""

    fill: int
    """What the pixels of an internal tile are that is not stored."""

    @property
    def tile_bytes(self) -> int:
        """Bytes of an internal tile, inflated; those at the edges are whole too."""
        return self.tile_height * self.tile_width * self.dtype.itemsize


def stamp_of(there: os.stat_result) -> tuple[int, int, int]:
    """
    Give what changes when a file does.

    Parameters
    ----------
    there : os.stat_result
        Of the file.

    Returns
    -------
    tuple of int
        Length in bytes, time of change in ns, number of the file on its disk.
    """
    return there.st_size, there.st_mtime_ns, there.st_ino


def layout_of(
    path: str,
    tile: Grid,
    *,
    pixel_m: int,
    dtype: str,
    shape: tuple[int, int] | None = None,
) -> CogLayout | None:
    """
    Look at a file.

    Parameters
    ----------
    path : str
        Where it is, links resolved.
    tile : Grid
        The 10 m grid of the tile.
    pixel_m : int
        10 or 20: the sampling of the file.
    dtype : str
        ``uint16`` or ``uint8``.
    shape : tuple of int, optional
        Rows and columns that the file must have.

    Returns
    -------
    CogLayout or None
        None if it is not a little-endian GeoTIFF with internal tiles of 128 to 1024
        pixels a side, deflated, with horizontal differences or none.

    Raises
    ------
    SourceError
        If it cannot be read, or does not lie on the tile's pixels.
    """
    if not path.lower().endswith((".tif", ".tiff")) or sys.byteorder != "little":
        return None
    try:
        stamp = stamp_of(os.stat(path))  # noqa: PTH116 - a path of GDAL is a string
        with open(path, "rb") as start:  # noqa: PTH123 - the same
            if start.read(4) not in _LITTLE_ENDIAN:
                return None
        with (
            rasterio.Env(**ENVIRONMENT),
            rasterio.open(path, driver="GTiff", sharing=False) as file,
        ):
            row, col = place_in_tile(file, path, tile, pixel_m, dtype, shape)
            layout = _layout(file, path, stamp, (row, col))
            if layout is None or not _comes_out_the_same(file, layout):
                return None
    except (RasterioError, OSError, ValueError, OverflowError) as error:
        raise SourceError(f"{path}: it cannot be read: {error}") from error
    return layout


def _layout(
    file: Any,  # noqa: ANN401 - rasterio has no types
    path: str,
    stamp: tuple[int, int, int],
    place: tuple[int, int],
) -> CogLayout | None:
    """Take what GDAL says of a file, if it is of the usual kind."""
    tags = {**file.tags(ns="IMAGE_STRUCTURE"), **file.tags(1, ns="IMAGE_STRUCTURE")}
    predictor = tags.get("PREDICTOR", str(_NO_PREDICTOR))
    tile_height, tile_width = file.block_shapes[0]
    sides = (tile_height, tile_width)
    fill = 0 if file.nodata is None else file.nodata
    dtype = np.dtype(file.dtypes[0])
    usual = (
        tags.get("COMPRESSION") == "DEFLATE"
        and "NBITS" not in tags
        and predictor in {str(_NO_PREDICTOR), str(_HORIZONTAL)}
        # a band of one tile may as well be one strip: GDAL does not tell them apart
        and (file.profile.get("tiled") or sides == (file.height, file.width))
        and all(
            SMALLEST_SIDE <= side <= LARGEST_SIDE and side % _TILE_STEP == 0
            for side in sides
        )
        and 0 <= fill <= np.iinfo(dtype).max
        and fill == int(fill)
    )
    if not usual:
        return None
    rows, cols = -(-file.height // tile_height), -(-file.width // tile_width)
    offsets = np.zeros((rows, cols), dtype=np.int64)
    counts = np.zeros((rows, cols), dtype=np.int64)
    for y, x in np.ndindex(rows, cols):
        offsets[y, x] = _number(file, f"BLOCK_OFFSET_{x}_{y}")
        counts[y, x] = _number(file, f"BLOCK_SIZE_{x}_{y}")
    counts[offsets == 0] = 0
    layout = CogLayout(
        path=path,
        stamp=stamp,
        dtype=dtype,
        height=file.height,
        width=file.width,
        row=place[0],
        col=place[1],
        tile_height=tile_height,
        tile_width=tile_width,
        has_differences=predictor == str(_HORIZONTAL),
        offsets=offsets,
        counts=counts,
        fill=int(fill),
    )
    # deflate never makes more than a few bytes more of what it cannot pack
    return layout if counts.max() <= 2 * layout.tile_bytes else None


def _number(file: Any, name: str) -> int:  # noqa: ANN401 - rasterio has no types
    """Read a number of the directory; 0 where there is none."""
    said = file.get_tag_item(name, "TIFF", bidx=1)
    return 0 if said is None else int(said)


def _comes_out_the_same(file: Any, layout: CogLayout) -> bool:  # noqa: ANN401
    """Compare the internal tile that says most, and gaps, with what GDAL reads there.

    A directory that GDAL cannot read looks like one of gaps until a pixel is wanted.
    """
    most = int(layout.counts.argmax())
    gaps = np.flatnonzero(layout.counts == 0)
    for number in {most, *gaps[:1].tolist(), *gaps[-1:].tolist()}:
        y, x = (int(place) for place in np.unravel_index(number, layout.counts.shape))
        top, left = y * layout.tile_height, x * layout.tile_width
        window = Window(
            left,
            top,
            min(layout.tile_width, layout.width - left),
            min(layout.tile_height, layout.height - top),
        )
        theirs = file.read(1, window=window)
        ours = np.full_like(theirs, layout.fill)
        if layout.counts[y, x] > 0:
            with open(layout.path, "rb") as data:  # noqa: PTH123 - GDAL's name of it
                stored = os.pread(
                    data.fileno(), int(layout.counts[y, x]), int(layout.offsets[y, x])
                )
            try:
                numbers = inflated(
                    stored, layout.tile_bytes, layout.dtype, layout.tile_width
                )
            except ValueError:  # what GDAL could read is left to GDAL
                return False
            unpacked(numbers, ours, (0, 0), has_differences=layout.has_differences)
        if not np.array_equal(ours, theirs):
            return False
    return True
