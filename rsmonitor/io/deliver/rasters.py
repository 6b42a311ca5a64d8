"""Evidence and coverage as CF NetCDF on the grid's own pixels.

netCDF-C writes no times of its own, so the same dataset gives the same bytes with the
same library versions (HDF5 and netCDF-C note theirs in the file).
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import netCDF4
import numpy as np
import pyproj
import xarray as xr
from numpy.typing import NDArray

from rsmonitor.errors import ContractError, OutputError
from rsmonitor.io.foundation.files import write_atomic
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.rasters import EVIDENCE_PRODUCT, RasterSpec, check

DAY_FILL: Final = np.int32(np.iinfo(np.int32).min)
"""Stands for NaT among days."""

DAY_UNITS: Final = "days since 1970-01-01"
"""Of every date, stored as int32."""

COUNT_FILL: Final = np.int32(-1)
"""Stands for 'never' among counts of days."""

COVERAGE_PRODUCT: Final = (
    RasterSpec(
        name="last_clear",
        dims=("y", "x"),
        dtype="datetime64[ns]",
        units="day",
        meaning="Day of the last clear look; NaT where there was none.",
    ),
    RasterSpec(
        name="days_since_clear",
        dims=("y", "x"),
        dtype="int32",
        units="day",
        meaning="Days from the last clear look to the week's Sunday; -1 where never.",
    ),
    RasterSpec(
        name="seen",
        dims=("y", "x"),
        dtype="bool",
        units="1",
        meaning="True where the ground was seen in the week.",
    ),
)
"""The variables of ``coverage.nc``."""


WINDOW: Final = 1024
"""Rows and columns that are written at once, a multiple of what is compressed together:
a large grid is never in memory as a whole."""

Windows = Callable[[Block], xr.Dataset]
"""Gives the variables of a window."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Stored:
    """One variable as it stands in the file."""

    values: NDArray[Any]
    attributes: Mapping[str, Any]
    fill: np.generic | None = None


def write_evidence(
    path: Path,
    dataset: xr.Dataset,
    grid: Grid,
    *,
    attributes: Mapping[str, str] | None = None,
) -> None:
    """
    Write evidence per pixel as ``evidence.nc``.

    Parameters
    ----------
    path : Path
        The file, replaced if it is there.
    dataset : xarray.Dataset
        `rsmonitor.records.rasters.EVIDENCE_PRODUCT`, shape of the grid.
    grid : Grid
        Where the pixels are; coordinates of `dataset` are not used.
    attributes : Mapping, optional
        Further global attributes, such as the notice.

    Raises
    ------
    ContractError
        If the dataset is not what its specs say or has another shape than the grid.
    OutputError
        If the file cannot be written; an older one is then as it was.
    """
    _write(
        path,
        _windows_of(dataset, EVIDENCE_PRODUCT, grid),
        EVIDENCE_PRODUCT,
        grid,
        {"title": "evidence", **(attributes or {})},
    )


def write_coverage_raster(
    path: Path,
    dataset: xr.Dataset | Windows,
    grid: Grid,
    *,
    attributes: Mapping[str, str] | None = None,
) -> None:
    """
    Write when each pixel was last seen as ``coverage.nc``.

    Parameters
    ----------
    path : Path
        The file, replaced if it is there.
    dataset : xarray.Dataset or callable
        `COVERAGE_PRODUCT`, as `rsmonitor.io.deliver.coverage.coverage_raster` gives; or
        what gives it for a window.
    grid : Grid
        Where the pixels are; coordinates of `dataset` are not used.
    attributes : Mapping, optional
        Further global attributes, such as the notice.

    Raises
    ------
    ContractError
        If the dataset is not what its specs say or has another shape than the grid.
    OutputError
        If the file cannot be written; an older one is then as it was.
    """
    _write(
        path,
        _windows_of(dataset, COVERAGE_PRODUCT, grid)
        if isinstance(dataset, xr.Dataset)
        else dataset,
        COVERAGE_PRODUCT,
        grid,
        {"title": "coverage", **(attributes or {})},
    )


def raster_name(stem: str, grid: Grid, grids: tuple[Grid, ...]) -> str:
    """
    Name the file of one grid.

    Parameters
    ----------
    stem : str
        ``evidence`` or ``coverage``.
    grid : Grid
        The grid.
    grids : tuple of Grid
        All grids of the delivery.

    Returns
    -------
    str
        ``evidence.nc`` where there is one grid, else ``evidence-31TCJ.nc``.
    """
    return f"{stem}.nc" if len(grids) == 1 else f"{stem}-{grid.grid_id}.nc"


def _windows_of(
    dataset: xr.Dataset, specs: tuple[RasterSpec, ...], grid: Grid
) -> Windows:
    """Give windows of a dataset of the grid's shape."""
    check(dataset, specs)
    for spec in specs:
        if dataset[spec.name].shape != grid.shape:
            raise ContractError(
                f"{spec.name} must have the shape {grid.shape} of grid "
                f"{grid.grid_id}, got {dataset[spec.name].shape}"
            )
    return lambda window: dataset.isel(y=window.rows, x=window.cols)


def _write(
    path: Path,
    windows: Windows,
    specs: tuple[RasterSpec, ...],
    grid: Grid,
    attributes: Mapping[str, str],
) -> None:
    """Write the variables of some specs with the grid's georeference."""
    try:
        # beside the target, so that it fails or fits where the target will be
        with tempfile.TemporaryDirectory(
            prefix=f".{path.name}.", dir=path.parent
        ) as folder:
            draft = Path(folder) / path.name
            with netCDF4.Dataset(draft, "w", format="NETCDF4") as file:
                file.setncatts(
                    {"Conventions": "CF-1.8", **dict(sorted(attributes.items()))}
                )
                _georeference(file, grid)
                for block in grid.blocks(WINDOW):
                    part = check(windows(block), specs)
                    for spec in specs:
                        encoded = _stored(part[spec.name].to_numpy(), spec)
                        if spec.name not in file.variables:
                            _add(file, spec.name, encoded, grid)
                        file[spec.name][block.rows, block.cols] = encoded.values
            data = draft.read_bytes()
    except (OSError, RuntimeError) as error:  # netCDF-C raises either
        raise OutputError(
            f"{path} cannot be written: {error}; look for free space and the right "
            "to write, or choose another folder"
        ) from error
    write_atomic(path, data)


def _stored(values: NDArray[Any], spec: RasterSpec) -> _Stored:
    """Encode one variable: days as int32, truth as int8, all else as it is."""
    about: dict[str, Any] = {"long_name": spec.meaning}
    if spec.dtype.startswith("datetime64"):
        days = values.astype("datetime64[D]")
        never = np.isnat(days)
        encoded = np.where(never, 0, days.astype(np.int64)).astype(np.int32)
        encoded[never] = DAY_FILL
        about |= {"units": DAY_UNITS, "calendar": "proleptic_gregorian"}
        return _Stored(values=encoded, attributes=about, fill=DAY_FILL)
    if spec.dtype == "bool":
        # xarray gives a variable with this attribute back as bool
        about |= {
            "dtype": "bool",
            "flag_values": np.array([0, 1], dtype=np.int8),
            "flag_meanings": "false true",
        }
        return _Stored(values=values.astype(np.int8), attributes=about)
    if spec.name == "tier":
        about |= {
            "flag_values": np.arange(4, dtype=np.uint8),
            "flag_meanings": "none low medium high",
        }
        return _Stored(values=values, attributes=about)
    # xarray would turn "days" into timedeltas; "day" means the same and stays a number
    about["units"] = spec.units
    fill = COUNT_FILL if spec.units == "day" else None
    return _Stored(values=values, attributes=about, fill=fill)


def _georeference(file: netCDF4.Dataset, grid: Grid) -> None:
    """Write axes and grid mapping so that GDAL, QGIS and xarray know the place."""
    crs = pyproj.CRS.from_user_input(grid.crs)
    axes = {axis["axis"]: axis for axis in crs.cs_to_cf() if "axis" in axis}
    height, width = grid.shape
    centres = {
        "y": grid.top - (np.arange(height) + 0.5) * grid.pixel_height,
        "x": grid.left + (np.arange(width) + 0.5) * grid.pixel_width,
    }
    for name, values in centres.items():
        file.createDimension(name, values.size)
        axis = file.createVariable(name, "f8", (name,))
        axis.setncatts(axes[name.upper()])
        axis[:] = values
    mapping = file.createVariable("spatial_ref", "i4", ())
    a, b, c, d, e, f = grid.transform
    mapping.setncatts(
        {
            **{k: v for k, v in crs.to_cf().items() if v is not None},
            # the name that GDAL before 3.1 reads
            "spatial_ref": crs.to_wkt(),
            "GeoTransform": " ".join(repr(float(v)) for v in (c, a, b, f, d, e)),
        }
    )
    mapping.assignValue(0)


def _add(file: netCDF4.Dataset, name: str, variable: _Stored, grid: Grid) -> None:
    """Make one variable, compressed."""
    stored = file.createVariable(
        name,
        variable.values.dtype,
        ("y", "x"),
        compression="zlib",
        complevel=4,
        shuffle=True,
        chunksizes=(min(512, grid.height), min(512, grid.width)),
        fill_value=False if variable.fill is None else variable.fill,
    )
    stored.set_auto_maskandscale(False)
    stored.setncatts({**variable.attributes, "grid_mapping": "spatial_ref"})
