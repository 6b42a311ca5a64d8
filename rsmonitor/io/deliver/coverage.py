"""When each pixel was last seen, and how old that is at the week's end."""

import numpy as np
import xarray as xr

from rsmonitor.errors import ContractError
from rsmonitor.io.deliver.rasters import COUNT_FILL
from rsmonitor.records.grid import Block
from rsmonitor.records.run import RunResult


def coverage_raster(
    result: RunResult, grid_id: str, window: Block | None = None
) -> xr.Dataset:
    """
    Say of every pixel of a grid when it was last seen.

    Parameters
    ----------
    result : RunResult
        What the run says.
    grid_id : str
        Which of its grids.
    window : Block, optional
        What of it; all by default.

    Returns
    -------
    xarray.Dataset
        `rsmonitor.io.deliver.rasters.COVERAGE_PRODUCT`: `last_clear`, its age on the
        Sunday of the week, and whether it lies in the week.

    Raises
    ------
    ContractError
        If a look is dated after the week, which a run cannot have seen.
    """
    seen_last = result.last_clear[grid_id]
    if window is not None:
        seen_last = seen_last.isel(y=window.rows, x=window.cols)
    last_clear = seen_last.to_numpy()
    day = last_clear.astype("datetime64[D]")
    seen_ever = ~np.isnat(day)
    sunday = np.datetime64(result.partition.week.last_day)
    age = np.where(seen_ever, (sunday - day).astype(np.int64), COUNT_FILL)
    if (age[seen_ever] < 0).any():
        raise ContractError(
            f"last_clear of grid {grid_id} reaches {day[seen_ever].max()}, after the "
            f"end of week {result.partition.week}"
        )
    dims = ("y", "x")
    days_a_week = 7
    return xr.Dataset(
        {
            "last_clear": (dims, day.astype("datetime64[ns]")),
            "days_since_clear": (dims, age.astype(np.int32)),
            "seen": (dims, seen_ever & (age < days_a_week)),
        }
    )
