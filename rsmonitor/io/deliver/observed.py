"""How much of a parcel was seen in some days, from the coverage of kept runs."""

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from rsmonitor.errors import OutputError

Area = Polygon | MultiPolygon


def shares_seen(
    folders: Iterable[Path],
    parcels: Mapping[str, Area],
    *,
    first: date,
    last: date,
) -> dict[str, float]:
    """
    Measure the share of each parcel with a clear look in some days.

    Parameters
    ----------
    folders : iterable of Path
        Folders of runs, which hold ``coverage.nc`` or ``coverage-GRID.nc``.
    parcels : mapping of str to Polygon or MultiPolygon
        CRS84.
    first : date
        First day that counts.
    last : date
        Last day that counts.

    Returns
    -------
    dict of str to float
        Share by key, 0 to 1; 0 for a parcel outside all grids. At least so much: each
        file knows the last clear day of a pixel only, so that looks between the weeks
        of two folders may be missing.

    Raises
    ------
    OutputError
        If a file is there and cannot be read as coverage.
    """
    seen: dict[tuple[Any, ...], NDArray[np.bool_]] = {}
    for folder in folders:
        for path in sorted(folder.glob("coverage*.nc")):
            place, day = _last_clear(path)
            within = (day >= np.datetime64(first)) & (day <= np.datetime64(last))
            before = seen.get(place)
            seen[place] = within if before is None else before | within
    shares = dict.fromkeys(parcels, 0.0)
    for place, within in seen.items():
        for key, parcel in parcels.items():
            shares[key] += _share(parcel, within, *place)
    return {key: min(1.0, share) for key, share in shares.items()}


def _last_clear(
    path: Path,
) -> tuple[tuple[str, tuple[float, ...], tuple[int, ...]], NDArray[np.datetime64]]:
    """Read where a file lies, and the day of the last clear look at each pixel."""
    # heavy, and only reports of rights need them
    import xarray as xr  # noqa: PLC0415

    try:
        with xr.open_dataset(path, engine="netcdf4") as dataset:
            where = dataset["spatial_ref"].attrs
            transform = tuple(float(v) for v in where["GeoTransform"].split())
            day = dataset["last_clear"].to_numpy().astype("datetime64[D]")
            return (str(where["crs_wkt"]), transform, day.shape), day
    except (OSError, KeyError, ValueError, AttributeError) as error:
        raise OutputError(
            f"{path}: cannot be read as coverage: {error!r}; a run writes it anew, or "
            "take the folder of that run away"
        ) from error


def _share(
    parcel: Area,
    seen: NDArray[np.bool_],
    crs: str,
    transform: tuple[float, ...],
    shape: tuple[int, ...],
) -> float:
    """Measure the share of a parcel that one grid saw."""
    import pyproj  # noqa: PLC0415 - heavy
    import rasterio.features  # noqa: PLC0415
    from affine import Affine  # noqa: PLC0415

    to_grid = pyproj.Transformer.from_crs("OGC:CRS84", crs, always_xy=True)

    def converted(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(to_grid.transform(points[:, 0], points[:, 1]))

    here = shapely.transform(parcel, converted)
    bounds = np.asarray(here.bounds)
    left, width, _, top, _, height = transform
    right, bottom = left + shape[1] * width, top + shape[0] * height
    west, south, east, north = bounds
    if not (
        np.isfinite(bounds).all()
        and west < right
        and east > left
        and south < max(top, bottom)
        and north > min(top, bottom)
    ):
        return 0.0
    inside = rasterio.features.geometry_mask(
        [here],
        out_shape=shape,
        transform=Affine.from_gdal(*transform),
        invert=True,
        # what is narrower than a pixel has no centre of one
        all_touched=here.area < 4 * abs(width * height),
    )
    # counted against all of the parcel, also what lies beside the grid
    pixels = max(here.area / abs(width * height), 1.0)
    return min(1.0, int(np.count_nonzero(seen & inside)) / pixels)
