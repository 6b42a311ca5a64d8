"""Cubes small enough to check by eye, written as NetCDF or Zarr."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS

from rsmonitor.io.sources.cube import CubeSource
from rsmonitor.records.grid import Block, Grid

LEFT, TOP = 500_000.0, 2_800_000.0
DAYS = ("2018-01-01", "2018-01-06", "2018-01-11")
ALWAYS = datetime(2100, 1, 1, tzinfo=UTC)


def numbers(height: int, width: int, *, times: int = len(DAYS)) -> NDArray[np.uint16]:
    """Digital numbers, no two alike, none of them 0."""
    count = times * height * width
    return (np.arange(count) + 1000).astype(np.uint16).reshape(times, height, width)


def vegetation(height: int, width: int, *, times: int = len(DAYS)) -> NDArray[np.uint8]:
    """Class 4 everywhere."""
    return np.full((times, height, width), 4, dtype=np.uint8)


def cube(
    variables: Mapping[str, NDArray[Any]] | None = None,
    *,
    pixel: float = 10.0,
    left: float = LEFT,
    top: float = TOP,
    crs: str | None = "EPSG:32650",
    times: Sequence[str] = DAYS,
) -> xr.Dataset:
    """Put arrays of (time, y, x) on a grid; by default B04 and SCL of 4 by 6 pixels."""
    if variables is None:
        variables = {"B04": numbers(4, 6), "SCL": vegetation(4, 6)}
    _, height, width = next(iter(variables.values())).shape
    dataset = xr.Dataset(
        {name: (("time", "y", "x"), values) for name, values in variables.items()},
        coords={
            "time": np.array(times, dtype="datetime64[ns]"),
            "y": top - pixel * (np.arange(height) + 0.5),
            "x": left + pixel * (np.arange(width) + 0.5),
        },
    )
    if crs is not None:
        dataset["spatial_ref"] = xr.Variable((), 0, {"crs_wkt": CRS(crs).to_wkt()})
        for name in variables:
            dataset[name].attrs["grid_mapping"] = "spatial_ref"
    return dataset


def write(dataset: xr.Dataset, path: Path, *, zarr_format: int = 3) -> Path:
    """Write NetCDF, or Zarr where the name says so."""
    if path.suffix == ".zarr":
        dataset.to_zarr(path, zarr_format=zarr_format, consolidated=False)
    else:
        dataset.to_netcdf(path, engine="netcdf4")
    return path


def whole(grid: Grid) -> Block:
    """Give the block that is the grid."""
    return Block(row=0, col=0, height=grid.height, width=grid.width)


def scenes(source: CubeSource, block: Block | None = None) -> list[xr.Dataset]:
    """Load every scene."""
    (grid,) = source.grids()
    block = block or whole(grid)
    return [
        source.load(product, grid, block) for product in source.find(grid, until=ALWAYS)
    ]


def band(source: CubeSource, name: str, block: Block | None = None) -> NDArray[Any]:
    """Load one band of every scene, (time, y, x)."""
    if name == "SCL":
        return np.stack([scene.scl.to_numpy() for scene in scenes(source, block)])
    return np.stack(
        [scene.reflectance.sel(band=name).to_numpy() for scene in scenes(source, block)]
    )
