"""NetCDF files and Zarr directories opened as they are, whatever is in them.

Nothing is decoded by xarray but coordinates: scale, offset and fill are applied once,
in `rsmonitor.stages.reflectance`, and never twice.
"""

import warnings
from collections.abc import Collection, Hashable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import NetCDF4DataStore, ScipyDataStore, ZarrStore

from rsmonitor.errors import RsmonitorError, SourceError

_MAX_AXIS: Final = 100_000
"""1,000 km of 10 m pixels, or 270 years of days: more is a damaged or a wrong file."""


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """
    Turn whatever a reading library throws at a bad file into a `SourceError`.

    Parameters
    ----------
    path : Path
        File to name.
    what : str
        What is being read.

    Yields
    ------
    None
        Once.

    Raises
    ------
    SourceError
        If anything but an error of our own is raised inside.
    RsmonitorError
        If an error of our own is raised inside, as it is.
    """
    try:
        yield
    except RsmonitorError:
        raise
    except Exception as error:
        # libraries for HDF5 and Zarr raise anything from OSError to KeyError
        raise SourceError(
            f"{path}: cannot read {what}: {type(error).__name__}: {error}"
        ) from error


def open_undecoded(path: Path, axes: Collection[str]) -> xr.Dataset:
    """
    Open a NetCDF file or a Zarr directory without decoding anything.

    Parameters
    ----------
    path : Path
        What it is decides how it is opened, not how it is named.
    axes : collection of str
        Dimensions whose sizes must be sensible.

    Returns
    -------
    xarray.Dataset
        Lazily read; close it to close the file.

    Raises
    ------
    SourceError
        If it cannot be opened, or has an axis that is empty or absurdly long.
    """
    with reading(path, "it"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about what is refused or ignored here anyway
        store = _open_store(path)
        try:
            # before any coordinate is read: xarray reads those whole
            _refuse_sizes(path, dict(store.get_dimensions()), axes)
            return xr.open_dataset(store, decode_cf=False, cache=False)
        except BaseException:
            store.close()
            raise


def coordinate(path: Path, dataset: xr.Dataset, name: str) -> NDArray[Any]:
    """
    Read the coordinate of an axis, decoded by the rules of CF.

    Parameters
    ----------
    path : Path
        File to name in errors.
    dataset : xarray.Dataset
        Undecoded.
    name : str
        The axis.

    Returns
    -------
    ndarray, shape (size of the axis,)
        Numbers, or datetime64 where it has units of time.

    Raises
    ------
    SourceError
        If there is none, or it is not readable.
    """
    if name not in dataset.variables:
        raise SourceError(
            f"{path}: dimension {name} has no coordinates: a variable {name} must say "
            "where or when its steps are"
        )
    with reading(path, name), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd times are refused by what they give
        alone: list[Hashable] = [name]
        decoded = xr.decode_cf(dataset[alone], decode_timedelta=False)
        values: NDArray[Any] = np.asarray(decoded[name].to_numpy())
    if values.ndim != 1:
        raise SourceError(
            f"{path}: {name} has {values.ndim} dimensions; it must run along its own"
        )
    return values


def _refuse_sizes(path: Path, sizes: Mapping[str, int], axes: Collection[str]) -> None:
    """Refuse axes that are empty, or so long that reading them is a risk."""
    for name, size in sizes.items():
        if name in axes and not 1 <= size <= _MAX_AXIS:
            raise SourceError(
                f"{path}: dimension {name} has size {size}; it must have 1 to "
                f"{_MAX_AXIS:,}"
            )


def _open_store(path: Path) -> Any:  # noqa: ANN401 - the stores have no typed base
    """Never wait for a pipe, never follow an address."""
    if path.is_dir():
        return ZarrStore.open_group(path, mode="r", consolidated=False)
    if not path.is_file():
        raise SourceError(
            f"{path}: no such file; a cube is a NetCDF file or a Zarr directory"
        )
    try:
        return NetCDF4DataStore.open(path)  # type: ignore[no-untyped-call]
    except UnicodeDecodeError:  # NetCDF 3 with attributes in Latin-1
        return ScipyDataStore(str(path))
