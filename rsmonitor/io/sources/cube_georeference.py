"""Where the pixels of a cube are: CRS and axes to a north-up grid."""

import re
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr
from pyproj import CRS, Transformer

from rsmonitor.errors import RsmonitorError, SourceError
from rsmonitor.io.sources.cube_container import coordinate, reading
from rsmonitor.records.grid import Grid
from rsmonitor.stages import geodesy

_SPACING: Final = 1e-3
"""Coordinates may be off the regular grid by this share of a pixel."""

_PIXEL_M: Final = (0.1, 10_000.0)
"""Pixels outside are a sign of degrees taken for metres, or the reverse."""

_SAME_PLACE: Final = 1e-9
"""Degrees: a tenth of a millimetre."""

CRS_VARIABLES: Final = ("spatial_ref", "crs")
"""Where a CRS is looked for when no band names a variable for it."""


def georeference(
    path: Path, dataset: xr.Dataset, axes: tuple[str, str], bands: tuple[str, ...]
) -> tuple[Grid, tuple[bool, bool]]:
    """
    Find the grid of a cube file.

    Parameters
    ----------
    path : Path
        File to name in errors.
    dataset : xarray.Dataset
        Undecoded.
    axes : tuple of str
        Names of the axes of y and x; their coordinates are of pixel centres.
    bands : tuple of str
        Names of the variables that are bands.

    Returns
    -------
    grid : Grid
        North-up, west to east.
    turned : tuple of bool
        True along y if rows are stored south first; along x if stored east first.

    Raises
    ------
    SourceError
        If there is no CRS, or pixels that are not evenly spaced, or nowhere.
    """
    y_first, y_step, height = _axis(path, dataset, axes[0])
    x_first, x_step, width = _axis(path, dataset, axes[1])
    left = min(x_first, x_first + x_step * (width - 1)) - abs(x_step) / 2
    top = max(y_first, y_first + y_step * (height - 1)) + abs(y_step) / 2
    crs = _crs(path, dataset, bands)
    with reading(path, "the CRS"):
        text = _crs_text(crs, left, top)
    grid = Grid(
        crs=text,
        left=left,
        top=top,
        pixel_width=abs(x_step),
        pixel_height=abs(y_step),
        height=height,
        width=width,
    )
    _refuse_nowhere(path, grid, crs)
    return grid, (y_step > 0, x_step < 0)


def same_crs(one: str, other: str) -> bool:
    """
    Compare two texts of a CRS.

    Parameters
    ----------
    one : str
        EPSG code or WKT.
    other : str
        EPSG code or WKT.

    Returns
    -------
    bool
        True if they mean the same CRS, x before y in both.
    """
    if one == other:
        return True
    return bool(CRS(one).equals(CRS(other), ignore_axis_order=True))


def _axis(path: Path, dataset: xr.Dataset, name: str) -> tuple[float, float, int]:
    """First coordinate, signed step and number of pixels of a regular axis."""
    values = coordinate(path, dataset, name)
    if values.dtype.kind not in "iuf":
        raise SourceError(f"{path}: {name} is of type {values.dtype}, not numbers")
    if values.size == 1:
        raise SourceError(
            f"{path}: {name} has 1 pixel; the size of a pixel needs at least 2"
        )
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        at = int(np.flatnonzero(~np.isfinite(values))[0])
        raise SourceError(f"{path}: {name}[{at}] is {values[at]}; it must be a number")
    # nine digits: what is left over is the noise of the file's own arithmetic
    step = float(f"{(values[-1] - values[0]) / (values.size - 1):.9g}")
    if step == 0 or not np.isfinite(step):
        raise SourceError(f"{path}: {name} runs from {values[0]} to {values[-1]}")
    off = np.abs(values - values[0] - step * np.arange(values.size)) / abs(step)
    if off.max() > _SPACING:
        at = int(off.argmax())
        raise SourceError(
            f"{path}: {name} is not evenly spaced: {name}[{at}] is {values[at]}, "
            f"{off[at]:.3g} pixels of {abs(step)} from its place; at most {_SPACING}. "
            "Coordinates kept as float32 can be too coarse"
        )
    return float(values[0]), step, values.size


def _crs(path: Path, dataset: xr.Dataset, bands: tuple[str, ...]) -> CRS:
    """Find the CRS in the places where writers leave it."""
    holders = [dataset.variables[band].attrs for band in bands]
    named = [
        str(attributes["grid_mapping"]).split(":")[0].strip()
        for attributes in holders
        if "grid_mapping" in attributes
    ]
    for name in dict.fromkeys([*named, *CRS_VARIABLES]):
        if name not in dataset.variables:
            continue
        attributes = dataset.variables[name].attrs
        if {"crs_wkt", "spatial_ref", "grid_mapping_name"} & set(attributes):
            with reading(path, f"the CRS in variable {name}"):
                return CRS.from_cf(dict(attributes))
    for attributes in (dataset.attrs, *holders):
        if "crs" in attributes:
            value = attributes["crs"]
            with reading(path, f"the CRS in attribute crs, {value!r}"):
                if isinstance(value, np.integer):
                    value = int(value)
                elif isinstance(value, str):
                    value = re.sub(r"^\+init=", "", value.strip())
                return CRS.from_user_input(value)
    raise SourceError(
        f"{path}: no CRS. Looked for the variable that grid_mapping of "
        f"{', '.join(bands)} names, for a variable spatial_ref or crs, and for the "
        "attribute crs of the file and of the bands"
    )


def _crs_text(crs: CRS, x: float, y: float) -> str:
    """Give the EPSG code if it puts the cube in the same place, else WKT."""
    plain = crs.source_crs if crs.is_bound and crs.source_crs is not None else crs
    # old WKT names its parts in its own way, so names decide little; places decide
    code = plain.to_epsg(min_confidence=20)
    if code is not None:
        ways = [
            Transformer.from_crs(way, geodesy.LONLAT, always_xy=True)
            for way in (crs, CRS.from_epsg(code))
        ]
        here, there = (np.array(way.transform(x, y)) for way in ways)
        if np.allclose(here, there, rtol=0, atol=_SAME_PLACE):
            return f"EPSG:{code}"
    return str(crs.to_wkt())


def _refuse_nowhere(path: Path, grid: Grid, crs: CRS) -> None:
    """Refuse coordinates that do not fit the CRS."""
    edges = (
        f"x {grid.left} to {grid.right}, y {grid.bottom} to {grid.top} in "
        f"{grid.crs[:60]}"
    )
    if not (crs.is_geographic or crs.is_projected):
        raise SourceError(f"{path}: {grid.crs[:60]} is not the CRS of a map")
    if crs.is_geographic:
        radians = crs.axis_info[0].unit_conversion_factor
        far_y = max(abs(grid.top), abs(grid.bottom)) * radians
        far_x = max(abs(grid.left), abs(grid.right)) * radians
        if far_y > np.pi / 2 or far_x > 2 * np.pi:
            raise SourceError(f"{path}: {edges} goes beyond a pole or around the Earth")
    try:
        geodesy.grid_outline(grid)
        sizes = geodesy.pixel_size_m(grid)
    except RsmonitorError as error:
        raise SourceError(f"{path}: {edges}: {error}") from error
    if not all(_PIXEL_M[0] <= size <= _PIXEL_M[1] for size in sizes):
        raise SourceError(
            f"{path}: {edges}: a pixel is {sizes[0]:.3g} by {sizes[1]:.3g} m; it must "
            f"be {_PIXEL_M[0]:g} to {_PIXEL_M[1]:g} m. Is the CRS right?"
        )
