"""The demo cube, put once on the pixels of a Sentinel-2 tile and cut into scenes.

Run it to see where it lies: ``python tests/scenes_of_demo.py``. Numbers are moved by
nearest neighbour and never mixed; bands of 20 m come from the 20 m file.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from rasterio.warp import Resampling, reproject, transform_bounds

from rsmonitor.errors import SourceError
from rsmonitor.records.grid import Grid
from rsmonitor.records.offer import Numbers, Offer, Radiometry, TileWindow
from rsmonitor.stages.tiling import cell_of, tile_grid, tile_window

FINE = {"B02": "B2", "B03": "B3", "B04": "B4", "B08": "B8"}
COARSE = {"B8A": "B8A", "B11": "B11"}
SOURCE = "memory"
AS_SHIPPED = Radiometry(
    add_offset=0, quantification_value=10_000, because="the cube is harmonised"
)


@dataclass(frozen=True)
class TileCube:
    """Digital numbers through time on a window of a tile."""

    grid: Grid
    times: tuple[datetime, ...]
    fine: NDArray[np.uint16]
    """Shape (band, time, y, x), in the order of `FINE`."""
    coarse: NDArray[np.uint16]
    """Shape (band, time, y / 2, x / 2), in the order of `COARSE`."""
    scl: NDArray[np.uint8]
    """Shape (time, y / 2, x / 2)."""

    @property
    def place(self) -> TileWindow:
        return tile_window(self.grid)

    def numbers(self, time: int, window: TileWindow, bands: Sequence[str]) -> Numbers:
        """Cut a window of one time; 0 beside the cube."""
        fine = tuple(band for band in FINE if band in bands)
        coarse = tuple(band for band in COARSE if band in bands)
        rows = [list(FINE).index(band) for band in fine]
        coarse_rows = [list(COARSE).index(band) for band in coarse]
        at = (window.row - self.place.row, window.col - self.place.col)
        half = (at[0] // 2, at[1] // 2)
        small = (window.height // 2, window.width // 2)
        return Numbers(
            bands_10m=fine,
            bands_20m=coarse,
            dn_10m=cut(self.fine[rows, time], at, (window.height, window.width)),
            dn_20m=cut(self.coarse[coarse_rows, time], half, small),
            scl=cut(self.scl[time], half, small),
        )


def cut(
    values: NDArray[Any], start: tuple[int, int], shape: tuple[int, int]
) -> NDArray[Any]:
    """Cut a rectangle that may reach beyond; 0 there."""
    out = np.zeros((*values.shape[:-2], *shape), dtype=values.dtype)
    low = [max(0, -at) for at in start]
    high = [
        min(size, there - at)
        for size, there, at in zip(shape, values.shape[-2:], start, strict=True)
    ]
    if low[0] < high[0] and low[1] < high[1]:
        out[..., low[0] : high[0], low[1] : high[1]] = values[
            ...,
            start[0] + low[0] : start[0] + high[0],
            start[1] + low[1] : start[1] + high[1],
        ]
    return out


def tile_cube(fine_path: Path, coarse_path: Path) -> TileCube:
    """Resample the demo cube, once."""
    with (
        xr.open_dataset(fine_path, mask_and_scale=False) as fine,
        xr.open_dataset(coarse_path, mask_and_scale=False) as coarse,
    ):
        crs = CRS(fine.spatial_ref.attrs["spatial_ref"])
        grid = _grid_around(fine, crs)
        half = Grid(
            crs=grid.crs,
            left=grid.left,
            top=grid.top,
            pixel_width=20.0,
            pixel_height=20.0,
            height=grid.height // 2,
            width=grid.width // 2,
        )
        return TileCube(
            grid=grid,
            times=tuple(
                time.astype("datetime64[s]").item().replace(tzinfo=UTC)
                for time in fine.time.values
            ),
            fine=np.stack([_moved(fine, crs, name, grid) for name in FINE.values()]),
            coarse=np.stack(
                [_moved(coarse, crs, name, half) for name in COARSE.values()]
            ),
            scl=_moved(coarse, crs, "SCL", half).astype(np.uint8),
        )


def _corner(dataset: xr.Dataset) -> tuple[float, float, float]:
    pixel = float(dataset.x[1] - dataset.x[0])
    return float(dataset.x[0]) - pixel / 2, float(dataset.y[0]) + pixel / 2, pixel


def _grid_around(dataset: xr.Dataset, crs: CRS) -> Grid:
    """Give the window of the tile that holds the cube, on whole 20 m pixels."""
    left, top, pixel = _corner(dataset)
    right = left + pixel * dataset.sizes["x"]
    bottom = top - pixel * dataset.sizes["y"]
    lon, lat = Transformer.from_crs(crs, "OGC:CRS84", always_xy=True).transform(
        (left + right) / 2, (top + bottom) / 2
    )
    tile = tile_grid(cell_of(lon, lat).mgrs_tile)
    west, south, east, north = transform_bounds(
        crs.to_wkt(), tile.crs, left, bottom, right, top
    )
    first_row, first_col = (
        int((tile.top - north) // 20 * 2),
        int((west - tile.left) // 20 * 2),
    )
    return Grid(
        crs=tile.crs,
        left=tile.left + 10 * first_col,
        top=tile.top - 10 * first_row,
        pixel_width=10.0,
        pixel_height=10.0,
        height=int(-(-(tile.top - south) // 20) * 2) - first_row,
        width=int(-(-(east - tile.left) // 20) * 2) - first_col,
        mgrs_tile=tile.mgrs_tile,
    )


def _moved(dataset: xr.Dataset, crs: CRS, name: str, grid: Grid) -> NDArray[Any]:
    """Move one variable to a grid by nearest neighbour."""
    left, top, pixel = _corner(dataset)
    values = np.ascontiguousarray(dataset[name].values)
    out = np.zeros((len(values), grid.height, grid.width), dtype=values.dtype)
    for source, target in zip(values, out, strict=True):
        reproject(
            source,
            target,
            src_transform=Affine(pixel, 0, left, 0, -pixel, top),
            src_crs=crs.to_wkt(),
            dst_transform=Affine(*grid.transform),
            dst_crs=grid.crs,
            resampling=Resampling.nearest,
        )
    return out


def write_cubes(cube: TileCube, folder: Path) -> tuple[Path, Path]:
    """Write the numbers as the NetCDF files that `detect` reads."""
    paths = folder / "utm_10m.nc", folder / "utm_20m.nc"
    fine = dict(zip(FINE, cube.fine, strict=True))
    coarse = {**dict(zip(COARSE, cube.coarse, strict=True)), "SCL": cube.scl}
    for path, variables, pixel in ((paths[0], fine, 10), (paths[1], coarse, 20)):
        height, width = next(iter(variables.values())).shape[1:]
        dataset = xr.Dataset(
            {
                name: (
                    ("time", "y", "x"),
                    values,
                    {"_FillValue": values.dtype.type(0), "grid_mapping": "crs"},
                )
                for name, values in variables.items()
            },
            coords={
                "time": [
                    np.datetime64(time.replace(tzinfo=None)) for time in cube.times
                ],
                "y": cube.grid.top - pixel * (np.arange(height) + 0.5),
                "x": cube.grid.left + pixel * (np.arange(width) + 0.5),
            },
        )
        dataset["crs"] = xr.Variable((), 0, {"crs_wkt": CRS(cube.grid.crs).to_wkt()})
        dataset.to_netcdf(path, engine="netcdf4")
    return paths


@dataclass
class MemoryArchive:
    """An archive that has the scenes of a cube, and counts what it is asked."""

    cube: TileCube
    radiometry: Radiometry = AS_SHIPPED
    added: int = 0
    """What was added to every number that is data."""
    failing: set[str] = field(default_factory=set)
    fetched: list[tuple[str, TileWindow]] = field(default_factory=list)
    searched: int = 0

    name: str = SOURCE
    requests_cost: bool = False

    def offers(self) -> list[Offer]:
        return [
            Offer(
                product_id=product_name(time, self.cube.grid.mgrs_tile or ""),
                mgrs_tile=self.cube.grid.mgrs_tile or "",
                platform="S2A",
                datatake_start=time,
                sensed_at=time,
                processing_baseline="03.00",
                radiometry=self.radiometry,
                source=self.name,
                created_at=time + timedelta(days=1),
            )
            for time in self.cube.times
        ]

    def search(
        self, *, mgrs_tile: str, start: datetime, until: datetime
    ) -> Sequence[Offer]:
        self.searched += 1
        return [
            offer
            for offer in self.offers()
            if offer.mgrs_tile == mgrs_tile and start <= offer.sensed_at < until
        ]

    def fetch(self, offer: Offer, window: TileWindow, bands: Sequence[str]) -> Numbers:
        self.fetched.append((offer.product_id, window))
        if offer.product_id in self.failing:
            raise SourceError("B04 at https://me:secret@host/b04.tif?sig=abc: HTTP 500")
        numbers = self.cube.numbers(
            self.cube.times.index(offer.datatake_start), window, bands
        )
        return Numbers(
            bands_10m=numbers.bands_10m,
            bands_20m=numbers.bands_20m,
            dn_10m=self._shifted(numbers.dn_10m),
            dn_20m=self._shifted(numbers.dn_20m),
            scl=numbers.scl,
        )

    def _shifted(self, dn: NDArray[np.uint16]) -> NDArray[np.uint16]:
        return np.where(dn == 0, dn, dn + np.uint16(self.added)).astype(np.uint16)


def product_name(time: datetime, mgrs_tile: str) -> str:
    """Make a name as ESA does."""
    made = time + timedelta(hours=5)
    return (
        f"S2A_MSIL2A_{time:%Y%m%dT%H%M%S}_N0300_R007_T{mgrs_tile}_{made:%Y%m%dT%H%M%S}"
    )


if __name__ == "__main__":
    import importlib.metadata

    found = importlib.metadata.distribution("nrt")
    demo = tile_cube(
        *(
            Path(
                str(
                    found.locate_file(
                        f"nrt/data/sentinel2_cube_subset_romania_{size}.nc"
                    )
                )
            )
            for size in ("10m", "20m")
        )
    )
    print(demo.grid, demo.place, len(demo.times))  # noqa: T201
