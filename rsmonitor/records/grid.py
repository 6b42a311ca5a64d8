"""Grids and blocks: where pixels are. Holds no pixels, knows no projection."""

import hashlib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from rsmonitor.errors import ContractError

MGRS_TILE: Final = re.compile(r"^[0-9]{2}[A-Z]{3}$")

MGRS_TILE_SHAPE: Final = (10_980, 10_980)
"""Rows and columns of a Sentinel-2 tile at 10 m."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A north-up raster grid: CRS, affine transform and shape.

    Rows run south: row 0 is the northernmost. Coordinates are of pixel corners.
    """

    crs: str
    """``EPSG:32650`` where the CRS has a code, else its WKT."""

    left: float
    """x of the western edge, CRS units."""

    top: float
    """y of the northern edge, CRS units."""

    pixel_width: float
    """Pixel size along x, CRS units (metres or degrees), positive."""

    pixel_height: float
    """Pixel size along y, CRS units, positive."""

    height: int
    """Number of rows."""

    width: int
    """Number of columns."""

    mgrs_tile: str | None = None
    """Five characters, no leading ``T``, when the pixels are an MGRS tile's: all of
    them, or a window."""

    def __post_init__(self) -> None:
        if not self.crs:
            raise ContractError("Grid.crs is empty; a grid without CRS is nowhere")
        if self.height <= 0 or self.width <= 0:
            raise ContractError(
                f"Grid shape must be positive, got {self.height} x {self.width}"
            )
        for name in ("left", "top", "pixel_width", "pixel_height"):
            value = getattr(self, name)
            if not math.isfinite(value):
                raise ContractError(f"Grid.{name} must be finite, got {value}")
        if self.pixel_width <= 0 or self.pixel_height <= 0:
            raise ContractError(
                "Grid pixel size must be positive, got "
                f"{self.pixel_width} x {self.pixel_height}"
            )
        if self.mgrs_tile is not None and not MGRS_TILE.fullmatch(self.mgrs_tile):
            raise ContractError(
                f"mgrs_tile must be five characters such as 31TCJ, got {self.mgrs_tile}"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns, ``(height, width)``."""
        return (self.height, self.width)

    @property
    def transform(self) -> tuple[float, float, float, float, float, float]:
        """Affine coefficients ``(a, b, c, d, e, f)`` in rasterio's order."""
        return (self.pixel_width, 0.0, self.left, 0.0, -self.pixel_height, self.top)

    @property
    def right(self) -> float:
        """The x coordinate of the eastern edge."""
        return self.left + self.width * self.pixel_width

    @property
    def bottom(self) -> float:
        """The y coordinate of the southern edge."""
        return self.top - self.height * self.pixel_height

    @property
    def grid_id(self) -> str:
        """The MGRS tile where the grid is all of it; else a digest, behind the tile."""
        if self.mgrs_tile is not None and self.shape == MGRS_TILE_SHAPE:
            return self.mgrs_tile
        text = json.dumps([self.crs, self.transform, self.shape])
        digest = hashlib.sha256(text.encode()).hexdigest()
        if self.mgrs_tile is not None:
            return f"{self.mgrs_tile}-{digest[:8]}"
        return f"g{digest[:12]}"

    def blocks(self, size: int) -> Iterator["Block"]:
        """
        Cut the grid into square blocks, row by row.

        Parameters
        ----------
        size : int
            Rows and columns of a block; blocks at the south and east may be smaller.

        Yields
        ------
        Block
            Blocks that cover every pixel once.

        Raises
        ------
        ContractError
            If `size` is not positive.
        """
        if size <= 0:
            raise ContractError(f"block size must be positive, got {size}")
        for row in range(0, self.height, size):
            for col in range(0, self.width, size):
                yield Block(
                    row=row,
                    col=col,
                    height=min(size, self.height - row),
                    width=min(size, self.width - col),
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A rectangle of pixels of a grid: the unit of work and of state."""

    row: int
    """First row."""

    col: int
    """First column."""

    height: int
    """Number of rows."""

    width: int
    """Number of columns."""

    def __post_init__(self) -> None:
        if self.row < 0 or self.col < 0:
            raise ContractError(f"Block starts outside: row {self.row}, col {self.col}")
        if self.height <= 0 or self.width <= 0:
            raise ContractError(
                f"Block shape must be positive, got {self.height} x {self.width}"
            )

    @property
    def block_id(self) -> str:
        """A name that is safe as a folder: ``r00000c00000``."""
        return f"r{self.row:05d}c{self.col:05d}"

    @property
    def rows(self) -> slice:
        """Rows of the grid that belong to the block."""
        return slice(self.row, self.row + self.height)

    @property
    def cols(self) -> slice:
        """Columns of the grid that belong to the block."""
        return slice(self.col, self.col + self.width)

    def with_halo(self, halo: int, grid: Grid) -> "Block":
        """
        Grow the block on all sides, as far as the grid goes.

        Parameters
        ----------
        halo : int
            Pixels to add on each side.
        grid : Grid
            The grid that limits the growth.

        Returns
        -------
        Block
            The grown block.
        """
        row, col = max(0, self.row - halo), max(0, self.col - halo)
        return Block(
            row=row,
            col=col,
            height=min(grid.height, self.row + self.height + halo) - row,
            width=min(grid.width, self.col + self.width + halo) - col,
        )

    def within(self, outer: "Block") -> tuple[slice, slice]:
        """
        Give the slices that cut this block out of an array of a larger one.

        Parameters
        ----------
        outer : Block
            A block that contains this one.

        Returns
        -------
        tuple of slice
            Row slice and column slice.

        Raises
        ------
        ContractError
            If this block is not inside `outer`.
        """
        row, col = self.row - outer.row, self.col - outer.col
        if (
            row < 0
            or col < 0
            or row + self.height > outer.height
            or col + self.width > outer.width
        ):
            raise ContractError(f"{self.block_id} is not inside {outer.block_id}")
        return slice(row, row + self.height), slice(col, col + self.width)
