"""Where relief hides the ground from the sun, look by look."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.interfaces import ElevationModel
from rsmonitor.records.acquisition import Product
from rsmonitor.records.grid import Block, Grid
from rsmonitor.stages.clear import grow
from rsmonitor.stages.geodesy import grid_outline, radius_pixels
from rsmonitor.stages.sun import sun_of_look
from rsmonitor.stages.terrain import cast_shadow, pixel_frame, shadow_halo

LOWEST_SUN_DEG: Final = 20.0
"""Elevation of the sun for which shadows are followed to their end; south of 45 degrees
Sentinel-2 never sees less by much. Below it they are cut at the halo."""

BEYOND_M: Final = 5_000.0
"""What stands farther away casts no shadow here."""

EDGE_M: Final = 20.0
"""How far the edge of a shadow is not trusted: the error of elevation models."""


class Relief:
    """
    Work out the shadow of relief over one grid.

    Parameters
    ----------
    model : ElevationModel
        Elevations.
    grid : Grid
        The grid.
    """

    def __init__(self, model: ElevationModel, grid: Grid) -> None:
        self._model, self._grid = model, grid
        self._frame = pixel_frame(grid)
        # one sun for the whole grid, so that cutting it changes nothing
        self._centre = grid_outline(grid).centroid
        self._halo = shadow_halo(
            model.relief_m(grid, beyond_m=BEYOND_M),
            elevation_deg=LOWEST_SUN_DEG,
            frame=self._frame,
            limit_m=BEYOND_M,
        )
        self._edge = radius_pixels(grid, EDGE_M)
        self._loaded: tuple[Block, NDArray[np.float32]] | None = None
        self.notes: dict[str, None] = {}

    def shadow(self, product: Product, window: Block) -> NDArray[np.bool_]:
        """
        Say which pixels of a window lie in the shadow of relief.

        Parameters
        ----------
        product : Product
            Which look: it says when.
        window : Block
            Where.

        Returns
        -------
        ndarray of bool, shape (y, x)
            True in cast shadow and beside it; False where elevation is unknown.
        """
        sun, note = sun_of_look(
            product.sensed_at, lon=self._centre.x, lat=self._centre.y
        )
        if note:
            self.notes[note] = None
        halo = self._halo + self._edge
        loaded = self._loaded  # another thread may be at another window
        if loaded is None or loaded[0] != window:
            loaded = window, self._model.load(self._grid, window, halo=halo)
            self._loaded = loaded
        cast = cast_shadow(loaded[1], sun=sun, frame=self._frame, halo=self._halo)
        edge = self._edge
        height, width = cast.shape
        return grow(cast, edge)[edge : height - edge, edge : width - edge]
