"""What the folder of a published run says, for whoever packs it up: hostile till read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import shapely.geometry
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from rsmonitor.errors import ContractError, OutputError
from rsmonitor.records.grid import Block
from rsmonitor.records.run import Coverage
from rsmonitor.records.week import IsoWeek


def read_coverage(folder: Path) -> tuple[Coverage, ...]:
    """
    Read what a run saw.

    Parameters
    ----------
    folder : Path
        Folder of a run.

    Returns
    -------
    tuple of Coverage
        One a grid.

    Raises
    ------
    OutputError
        If ``coverage.geojson`` is missing or is not what a run writes.
    """
    path = folder / "coverage.geojson"
    try:
        document = json.loads(path.read_bytes())
        return tuple(_coverage(feature) for feature in document["features"])
    except (OSError, ValueError, KeyError, TypeError, ContractError) as error:
        raise OutputError(
            f"{path}: cannot be read as coverage: {error!r}; the next run writes its own"
        ) from error


def first_seen_reader(folder: Path, name: str) -> Callable[[Block], NDArray[Any]]:
    """
    Give what reads the day on which pixels were first seen to change.

    Parameters
    ----------
    folder : Path
        Folder of a run.
    name : str
        Name of its evidence file.

    Returns
    -------
    callable
        Takes a block of the grid and gives datetime64[D] of its shape, NaT where no
        change was seen; `OutputError` where the file is damaged.
    """
    path = folder / name

    def read(block: Block) -> NDArray[Any]:
        # heavy, and only packages need it
        import xarray as xr  # noqa: PLC0415

        try:
            with xr.open_dataset(path, engine="netcdf4") as dataset:
                part = dataset["first_seen"].isel(y=block.rows, x=block.cols)
                return np.asarray(part.to_numpy(), dtype="datetime64[D]")
        except (OSError, KeyError, ValueError) as error:
            raise OutputError(
                f"{path}: cannot be read as evidence: {error!r}"
            ) from error

    return read


def _coverage(feature: dict[str, Any]) -> Coverage:
    """Read one grid."""
    said = feature["properties"]
    geometry = shapely.geometry.shape(feature["geometry"])
    if not isinstance(geometry, Polygon | MultiPolygon):
        raise ContractError(f"a coverage is an area, got {geometry.geom_type}")
    median = said["median_days_since_clear"]
    return Coverage(
        district=said["district"],
        grid_id=said["grid_id"],
        week=IsoWeek.parse(said["week"]),
        geometry=geometry,
        area_m2=float(said["area_m2"]),
        share_seen=float(said["share_seen"]),
        share_monitored=float(said["share_monitored"]),
        median_days_since_clear=float("nan") if median is None else float(median),
        scenes_used=int(said["scenes_used"]),
        scenes_without_clear=int(said["scenes_without_clear"]),
    )
