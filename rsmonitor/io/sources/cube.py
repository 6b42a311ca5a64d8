"""Scenes from cubes: NetCDF files and Zarr directories of one place through time.

Several files may hold different bands, or the same at different resolutions. The grid
is that of the finest bands, which are never resampled. Coarser bands are brought to it
block by block: reflectance by bilinear interpolation between the centres of coarse
pixels, NaN wherever the coarse pixel that holds a fine one was not measured; classes by
repeating the coarse pixel.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from rsmonitor.errors import ContractError, SourceError
from rsmonitor.io.sources.cube_layers import Layer, combine
from rsmonitor.io.sources.cube_metadata import ESA_BANDS, SCL, CubeFile, open_cube_file
from rsmonitor.io.sources.cube_values import classes, reflectance
from rsmonitor.io.sources.cube_windows import StoredValues
from rsmonitor.records.acquisition import PLATFORM, AcquisitionKey, Product
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.rasters import SCENE, check
from rsmonitor.records.scene import SceneNumbers
from rsmonitor.stages.reflectance import as_numbers

NAME: Final = "cube"

_UNKNOWN_PLATFORM: Final = "unknown"

_SAMPLE_TIMES: Final = 5
_SAMPLE_PIXELS: Final = 256
"""How much is looked at on opening, so that wrong numbers are refused early."""


class CubeSource:
    """
    Scenes of one place from cube files; satisfies `rsmonitor.interfaces.SceneSource`.

    Build it with `open`. It is a context manager that closes its files.

    Parameters
    ----------
    layers : mapping of str to Layer
        Bands by ESA name, and `SCL`.
    grid : Grid
        The finest grid.
    products : tuple of Product
        One a time, oldest first.
    files : tuple of CubeFile
        All files that are open.
    """

    def __init__(
        self,
        *,
        layers: Mapping[str, Layer],
        grid: Grid,
        products: tuple[Product, ...],
        files: tuple[CubeFile, ...],
    ) -> None:
        self._layers = layers
        self._bands = tuple(band for band in ESA_BANDS if band in layers)
        self._grid = grid
        self._products = products
        self._times = {product: time for time, product in enumerate(products)}
        self._files = files
        self._values = StoredValues()
        self._closed = False

    @classmethod
    def open(
        cls,
        paths: Sequence[Path | str],
        *,
        scale: float | None = None,
        offset: float | None = None,
        platform: str | None = None,
        report: Callable[[str], None] | None = None,
    ) -> Self:
        """
        Open the cube files of one place.

        Parameters
        ----------
        paths : sequence of Path or str
            NetCDF files and Zarr directories with axes of time, y and x, bands by
            ESA's names or common aliases, and the scene classification ``SCL``.
        scale : float, optional
            Reflectance of one stored unit, such as 0.0001, for bands whose file does
            not say.
        offset : float, optional
            Reflectance added after scaling, such as -0.1, for the same bands.
        platform : str, optional
            ``S2A`` and so on, for all scenes.
        report : callable, optional
            Receives what is worth telling: what was chosen, assumed or ignored.

        Returns
        -------
        CubeSource
            Open until closed.

        Raises
        ------
        SourceError
            If the files are not cubes, contradict each other, or leave open where,
            when or what they measured.
        """
        say = report or _say_nothing
        _refuse_arguments(paths, scale, offset, platform)
        files: list[CubeFile] = []
        try:
            files.extend(open_cube_file(Path(path), say) for path in paths)
            return cls._of(files, scale, offset, platform, say)
        except BaseException:
            for file in files:
                file.dataset.close()
            raise

    @classmethod
    def _of(
        cls,
        files: list[CubeFile],
        scale: float | None,
        offset: float | None,
        platform: str | None,
        say: Callable[[str], None],
    ) -> Self:
        """Put open files together."""
        layers, base = combine(files, scale=scale, offset=offset, say=say)
        source = cls(
            layers=layers,
            grid=base.grid,
            products=_products(base, platform),
            files=tuple(files),
        )
        source._refuse_sampled()
        return source

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the files and drop what was read of them."""
        self._closed = True
        self._values.forget()
        for file in self._files:
            file.dataset.close()

    @property
    def name(self) -> str:
        """``cube``."""
        return NAME

    @property
    def bands(self) -> tuple[str, ...]:
        """ESA names of the bands of `load`, in its order: by wavelength."""
        return self._bands

    def grids(self) -> tuple[Grid, ...]:
        """
        Give the grid of the finest bands.

        Returns
        -------
        tuple of Grid
            One grid.
        """
        return (self._grid,)

    def find(self, grid: Grid, *, until: datetime) -> Sequence[Product]:
        """
        List the scenes of the cube.

        Parameters
        ----------
        grid : Grid
            The grid of `grids`.
        until : datetime
            Scenes sensed at this instant or later are left out; timezone-aware.

        Returns
        -------
        sequence of Product
            Oldest first.

        Raises
        ------
        ContractError
            If the grid is another one, or `until` has no timezone.
        """
        self._refuse_other_grid(grid)
        if until.tzinfo is None:
            raise ContractError(f"until must be timezone-aware, got {until!r}")
        return [product for product in self._products if product.sensed_at < until]

    def load(self, product: Product, grid: Grid, block: Block) -> xr.Dataset:
        """
        Read one block of one scene.

        Parameters
        ----------
        product : Product
            One that `find` gave.
        grid : Grid
            The grid of `grids`.
        block : Block
            Inside the grid. The values of a pixel do not depend on its block.

        Returns
        -------
        xarray.Dataset
            As `rsmonitor.records.rasters.SCENE`, with `bands` as the coordinate
            ``band``.

        Raises
        ------
        ContractError
            If product, grid or block are not of this cube, or it is closed.
        SourceError
            If the file is damaged there, or holds numbers that cannot be reflectance
            or class.
        """
        if self._closed:  # xarray would quietly open the files again
            raise ContractError("this cube is closed")
        self._refuse_other_grid(grid)
        if product not in self._times:
            raise ContractError(f"{product.product_id} is not a scene of this cube")
        block.within(Block(row=0, col=0, height=grid.height, width=grid.width))
        time = self._times[product]
        shape = (len(self._bands), block.height, block.width)
        measured = np.empty(shape, dtype=np.float32)
        for plane, band in zip(measured, self._bands, strict=True):
            layer = self._layers[band]
            window = layer.placement.window(block)
            plane[:] = layer.placement.bilinear(
                self._reflectance(layer, time, window), block
            )
        classified = self._layers[SCL]
        window = classified.placement.window(block)
        scl = classified.placement.nearest(
            self._classes(classified, time, window), block
        )
        return check(
            xr.Dataset(
                {
                    "reflectance": (("band", "y", "x"), measured),
                    "scl": (("y", "x"), scl),
                },
                coords={"band": list(self._bands)},
            ),
            SCENE,
        )

    def numbers(self, product: Product, grid: Grid, block: Block) -> SceneNumbers:
        """
        Read one block of one scene as kernels take it: the reflectance of `load`.

        Files of a cube may each have a scale, fill values and a sampling of their own,
        so nothing is left to be converted later.

        Parameters
        ----------
        product : Product
            One that `find` gave.
        grid : Grid
            The grid of `grids`.
        block : Block
            Inside the grid.

        Returns
        -------
        SceneNumbers
            float32, all bands on the pixels of the block, in the order of `bands`.

        Raises
        ------
        ContractError
            If product, grid or block are not of this cube, or it is closed.
        SourceError
            If the file is damaged there, or holds numbers that cannot be reflectance
            or class.
        """
        scene = self.load(product, grid, block)
        return as_numbers(
            scene["reflectance"].to_numpy(), scene["scl"].to_numpy(), self._bands
        )

    def _reflectance(
        self, layer: Layer, time: int, window: Block
    ) -> NDArray[np.float32]:
        """Read reflectance on the pixels of the layer's own file."""
        file, meaning = layer.file, layer.meaning
        stored = self._values.read(file, meaning.variable, time, window)
        return reflectance(stored, meaning, file.times[time])

    def _classes(self, layer: Layer, time: int, window: Block) -> NDArray[np.uint8]:
        """Read classes on the pixels of the layer's own file."""
        file, meaning = layer.file, layer.meaning
        stored = self._values.read(file, meaning.variable, time, window)
        return classes(stored, meaning, file.times[time])

    def _refuse_other_grid(self, grid: Grid) -> None:
        """Refuse a grid that is not this cube's."""
        if grid != self._grid:
            raise ContractError(
                f"grid {grid.grid_id} is not this cube's, {self._grid.grid_id}"
            )

    def _refuse_sampled(self) -> None:
        """Look at a few windows of every band, so that wrong numbers show at once."""
        count = len(self._products)
        times = np.unique(np.linspace(0, count - 1, _SAMPLE_TIMES).astype(int))
        for band, layer in self._layers.items():
            grid = layer.file.grid
            height = min(grid.height, _SAMPLE_PIXELS)
            width = min(grid.width, _SAMPLE_PIXELS)
            window = Block(
                row=(grid.height - height) // 2,
                col=(grid.width - width) // 2,
                height=height,
                width=width,
            )
            read = self._classes if band == SCL else self._reflectance
            for time in times:
                read(layer, int(time), window)


def _say_nothing(note: str) -> None:
    """Stand in for a listener."""


def _refuse_arguments(
    paths: Sequence[Path | str],
    scale: float | None,
    offset: float | None,
    platform: str | None,
) -> None:
    """Refuse what no cube could make right."""
    if not paths:
        raise SourceError("no cube file given")
    if scale is not None and not (np.isfinite(scale) and scale > 0):
        raise SourceError(f"scale must be positive and finite, got {scale}")
    if offset is not None and not np.isfinite(offset):
        raise SourceError(f"offset must be finite, got {offset}")
    if platform is not None and not PLATFORM.fullmatch(platform):
        raise SourceError(f"platform must be S2 and a letter, got {platform!r}")


def _products(file: CubeFile, platform: str | None) -> tuple[Product, ...]:
    """Name every time of the cube; at midnight it is a date."""
    if platform is None:
        known = file.platform is not None and PLATFORM.fullmatch(file.platform)
        platform = file.platform if known and file.platform else _UNKNOWN_PLATFORM
    products = []
    for time in file.times:
        sensed_at = time.item().replace(tzinfo=UTC)
        midnight = sensed_at.replace(hour=0, minute=0, second=0, microsecond=0)
        dated = sensed_at - midnight < timedelta(seconds=1)
        form = "%Y%m%d" if dated else "%Y%m%dT%H%M%S"
        products.append(
            Product(
                key=AcquisitionKey(
                    grid_id=file.grid.grid_id,
                    platform=platform,
                    datatake_start=sensed_at,
                ),
                product_id=f"{file.path.stem}@{sensed_at:{form}}",
                processing_baseline=None,
                sensed_at=sensed_at,
                source=NAME,
            )
        )
    return tuple(products)
