"""What a cube file says of itself: which bands, where, when. Reads no pixels."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from rsmonitor.errors import SourceError
from rsmonitor.io.sources.cube_container import coordinate, open_undecoded, reading
from rsmonitor.io.sources.cube_georeference import CRS_VARIABLES, georeference
from rsmonitor.records.grid import Grid

ESA_BANDS: Final = (
    "B01",
    "B02",
    "B03",
    "B04",
    "B05",
    "B06",
    "B07",
    "B08",
    "B8A",
    "B09",
    "B11",
    "B12",
)
"""Bands of Level-2A in the order of wavelength."""

SCL: Final = "SCL"
"""Name of the scene classification."""

ALIASES: Final[Mapping[str, str]] = {
    "coastal": "B01",
    "blue": "B02",
    "green": "B03",
    "red": "B04",
    "rededge1": "B05",
    "rededge2": "B06",
    "rededge3": "B07",
    "nir": "B08",
    "nir08": "B8A",
    "narrownir": "B8A",
    "nirnarrow": "B8A",
    "nir09": "B09",
    "swir16": "B11",
    "swir1": "B11",
    "swir22": "B12",
    "swir2": "B12",
    "scl": SCL,
    "sceneclassification": SCL,
}
"""Names of bands beside ESA's own, in small letters without ``_``, ``-`` and space.

``nir08`` is the band at 0.86 um, B8A, as STAC's common names have it; not B08.
"""

_TIME_NAMES: Final = ("time", "t")
_Y_NAMES: Final = ("y", "latitude", "lat")
_X_NAMES: Final = ("x", "longitude", "lon")

_FIRST_TIME: Final = np.datetime64("1970-01-02", "ms")
_END_OF_TIME: Final = np.datetime64("2149-06-06", "ms")
"""State counts days from 1970-01-01 in 16 bits; 0 means never."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CubeFile:
    """One file of a cube, open, and what it says of itself."""

    path: Path
    """NetCDF file or Zarr directory."""

    dataset: xr.Dataset
    """Undecoded, lazily read."""

    dims: tuple[str, str, str]
    """Names of the axes of time, y and x."""

    turned: tuple[bool, bool]
    """True along y if rows are stored south first; along x if stored east first."""

    grid: Grid
    """Where its pixels are, north-up."""

    times: NDArray[np.datetime64]
    """To the millisecond, UTC, strictly increasing."""

    variables: Mapping[str, str]
    """Variable name by ESA name of the band; `SCL` among them."""

    platform: str | None
    """The attribute ``platform``."""


def open_cube_file(path: Path, say: Callable[[str], None]) -> CubeFile:
    """
    Open a file and read what it says of itself.

    Parameters
    ----------
    path : Path
        NetCDF file or Zarr directory.
    say : callable
        Receives notes, such as what was ignored.

    Returns
    -------
    CubeFile
        Open until its dataset is closed.

    Raises
    ------
    SourceError
        If it is not a cube, or not a whole one.
    """
    dataset = open_undecoded(path, (*_TIME_NAMES, *_Y_NAMES, *_X_NAMES))
    try:
        with reading(path, "what it says of itself"):
            return _describe(path, dataset, say)
    except BaseException:
        dataset.close()
        raise


def esa_name(variable: str) -> str | None:
    """
    Recognise the name of a band.

    Parameters
    ----------
    variable : str
        As in the file: ``B4``, ``b04``, ``red``, ``swir_16``.

    Returns
    -------
    str or None
        ESA's name with two digits, ``SCL``, or None.

    Examples
    --------
    >>> [esa_name(name) for name in ("B4", "b8a", "nir", "nir08", "SCL", "B10")]
    ['B04', 'B8A', 'B08', 'B8A', 'SCL', None]
    """
    plain = re.sub(r"[_\- ]", "", variable).lower()
    match = re.fullmatch(r"b0?([1-9][0-9]?|8a)", plain)
    if match is None:
        return ALIASES.get(plain)
    name = f"B{match[1].upper():0>2}"
    return name if name in ESA_BANDS else None


def _describe(path: Path, dataset: xr.Dataset, say: Callable[[str], None]) -> CubeFile:
    """Read everything but pixels."""
    dims = (
        _dimension(path, dataset, _TIME_NAMES),
        _dimension(path, dataset, _Y_NAMES),
        _dimension(path, dataset, _X_NAMES),
    )
    variables = _variables(path, dataset, dims, say)
    grid, turned = georeference(path, dataset, dims[1:], tuple(variables.values()))
    if turned[0]:
        say(f"{path.name}: {dims[1]} is stored south first; rows are turned north-up")
    if turned[1]:
        say(f"{path.name}: {dims[2]} is stored east first; columns are turned")
    platform = dataset.attrs.get("platform")
    return CubeFile(
        path=path,
        dataset=dataset,
        dims=dims,
        turned=turned,
        grid=grid,
        times=_times(path, dataset, dims[0]),
        variables=variables,
        platform=platform if isinstance(platform, str) else None,
    )


def _dimension(path: Path, dataset: xr.Dataset, names: tuple[str, ...]) -> str:
    """Name of an axis in this file."""
    for name in names:
        if name in dataset.sizes:
            return name
    raise SourceError(
        f"{path}: no dimension {' or '.join(map(repr, names))}; a cube has time, y and "
        f"x, and this file has {sorted(map(str, dataset.sizes))}"
    )


def _variables(
    path: Path,
    dataset: xr.Dataset,
    dims: tuple[str, str, str],
    say: Callable[[str], None],
) -> Mapping[str, str]:
    """Variables that are bands, by ESA name; refuse two for one band."""
    found: dict[str, str] = {}
    ignored: list[str] = []
    for variable in map(str, dataset.data_vars):
        band = esa_name(variable)
        if band is None:
            ignored.append(variable)
            continue
        if band in found:
            raise SourceError(
                f"{path}: {found[band]} and {variable} are both {band}; remove one"
            )
        array = dataset.variables[variable]
        if set(array.dims) != set(dims):
            raise SourceError(
                f"{path}: {variable} has dimensions {array.dims}; it must have {dims}"
            )
        if array.dtype.kind not in "iuf":
            raise SourceError(
                f"{path}: {variable} is of type {array.dtype}; bands must be numbers"
            )
        found[band] = variable
    if not found:
        raise SourceError(
            f"{path}: no variable has the name of a band (such as B04, red or SCL); "
            f"there are {', '.join(sorted(ignored)) or 'none'}"
        )
    ignored = [name for name in ignored if name not in CRS_VARIABLES]
    if ignored:
        say(f"{path.name}: ignored, not bands: {', '.join(sorted(ignored))}")
    return found


def _times(path: Path, dataset: xr.Dataset, name: str) -> NDArray[np.datetime64]:
    """Read times to the millisecond; refuse what is no order of looks."""
    values = coordinate(path, dataset, name)
    if values.dtype.kind != "M":
        raise SourceError(
            f"{path}: {name} is not a time: its values are {values.dtype}, the first "
            f"{values[0]!r}; it needs units such as 'days since 2015-08-01' and a "
            "standard calendar"
        )
    if np.isnat(values).any():
        at = int(np.flatnonzero(np.isnat(values))[0])
        raise SourceError(f"{path}: {name}[{at}] is not a time (NaT)")
    # half a millisecond more, because the cast rounds down and fractions of days do not
    # come out even
    times = (values + np.timedelta64(500, "us")).astype("datetime64[ms]")
    outside = (times < _FIRST_TIME) | (times >= _END_OF_TIME)
    if outside.any():
        at = int(np.flatnonzero(outside)[0])
        raise SourceError(
            f"{path}: {name}[{at}] is {times[at]}; it must be from {_FIRST_TIME} to "
            f"{_END_OF_TIME}"
        )
    not_after = np.diff(times.astype("datetime64[s]")) <= np.timedelta64(0, "s")
    if not_after.any():
        at = int(np.flatnonzero(not_after)[0])
        raise SourceError(
            f"{path}: {name}[{at + 1}] is {times[at + 1]}, after {times[at]}; times "
            "must increase, by a second or more. Sort them and merge the duplicates"
        )
    return times
