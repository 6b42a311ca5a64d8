"""What a block says at the end of a run, and what the blocks of a grid say together.

Nothing here is of the size of a grid: pixels are counted by row, graded ones are kept
one by one, and rasters of a large grid are read block by block when they are written.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.parameters import Parameters
from rsmonitor.records.rasters import (
    DAY_ZERO,
    EVIDENCE_PRODUCT,
    REFERENCE_FILL,
    RasterSpec,
    check,
    planes,
)
from rsmonitor.stages.evidence import tiers
from rsmonitor.stages.fused.counts import DAYS, counted
from rsmonitor.stages.graded import Graded, graded
from rsmonitor.stages.history import Norm

WHOLE_PIXELS: Final = 4_000_000
"""Rasters of a grid of up to this many pixels are handed on as they are; those of a
larger one are read when they are written."""

LAST_CLEAR: Final = "last_clear"

BlockRasters = Callable[[Block], Mapping[str, NDArray[Any]]]
"""Reads all variables of a block."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Readout:
    """What one block says."""

    block: Block
    """Where."""

    graded: Graded
    """Its graded pixels."""

    seen: NDArray[np.int64]
    """Pixels with a clear look in the week by row, shape (y,)."""

    monitored: NDArray[np.int64]
    """Pixels that are monitored by row, shape (y,)."""

    days: NDArray[np.int64]
    """Days of last clear looks and the pixels of each, shape (2, day); 0 is never."""


def read_out(
    block: Block,
    state: NDArray[np.uint16],
    reference: NDArray[np.int16],
    *,
    norm: Norm,
    weights: NDArray[np.float32],
    parameters: Parameters,
    since: int,
) -> Readout:
    """
    Read a block out.

    Parameters
    ----------
    block : Block
        Where.
    state : ndarray of uint16, shape (plane, y, x)
        Its evidence.
    reference : ndarray of int16, shape (parameter, y, x)
        Its reference.
    norm : Norm
        What is usual.
    weights : ndarray of float32, shape (index,)
        Share of each index.
    parameters : Parameters
        Levels, and how many pixels an object needs.
    since : int
        First day of the week, days since 1970-01-01.

    Returns
    -------
    Readout
        What it says.
    """
    last_clear = planes(state)[LAST_CLEAR]
    seen, monitored, days = counted(last_clear, reference, since)
    found = np.flatnonzero(days)
    return Readout(
        block=block,
        graded=graded(
            block,
            state,
            reference,
            norm=norm,
            weights=weights,
            evidence=parameters.evidence,
            min_pixels=parameters.outline.min_pixels,
        ),
        seen=seen,
        monitored=monitored,
        days=np.stack([found, days[found]]),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """What was seen of a grid."""

    seen: NDArray[np.int64]
    """Pixels with a clear look in the week by row of the grid."""

    monitored: NDArray[np.int64]
    """Pixels that are monitored by row of the grid."""

    days: NDArray[np.int64]
    """Pixels by day of their last clear look; 0 is never."""

    @classmethod
    def over(cls, grid: Grid, readouts: Sequence[Readout]) -> "Seen":
        """
        Add blocks up.

        Parameters
        ----------
        grid : Grid
            The grid.
        readouts : sequence of Readout
            Of all its blocks.

        Returns
        -------
        Seen
            The same for any cutting into blocks: whole numbers are added.
        """
        seen = np.zeros(grid.height, dtype=np.int64)
        monitored = np.zeros(grid.height, dtype=np.int64)
        days = np.zeros(DAYS, dtype=np.int64)
        for readout in readouts:
            seen[readout.block.rows] += readout.seen
            monitored[readout.block.rows] += readout.monitored
            days[readout.days[0]] += readout.days[1]
        return cls(
            seen=seen,
            monitored=monitored,
            days=days,
        )

    def median_age(self, day: int) -> float:
        """
        Give the median age of the last clear look.

        Parameters
        ----------
        day : int
            Of which day, days since 1970-01-01.

        Returns
        -------
        float
            Days; NaN if nothing was ever seen.
        """
        reached = np.cumsum(np.where(np.arange(DAYS) > 0, self.days, 0))
        total = int(reached[-1])
        if total == 0:
            return float("nan")
        low, high = (
            int(np.searchsorted(reached, place + 1))
            for place in ((total - 1) // 2, total // 2)
        )
        return day - (low + high) / 2

    @property
    def share_monitored(self) -> float:
        """Share of the pixels that are monitored, 0 to 1."""
        return int(self.monitored.sum()) / int(self.days.sum())


def evidence_of(
    state: NDArray[np.uint16],
    reference: NDArray[np.int16],
    outlined: NDArray[np.bool_],
    parameters: Parameters,
) -> Mapping[str, NDArray[Any]]:
    """
    Turn the evidence of a block into what ``evidence.nc`` and ``coverage.nc`` hold.

    Parameters
    ----------
    state : ndarray of uint16, shape (plane, y, x)
        Evidence.
    reference : ndarray of int16, shape (parameter, y, x)
        Reference.
    outlined : ndarray of bool, shape (y, x)
        True inside an outline.
    parameters : Parameters
        Levels.

    Returns
    -------
    Mapping
        Variables of `EVIDENCE_PRODUCT`, and `LAST_CLEAR`.
    """
    plane = planes(state)
    tier = tiers(state, parameters.evidence)
    return {
        "tier": tier,
        "first_seen": _dates(np.where(tier > 0, plane["first_seen"], 0)),
        "confirmed": _dates(np.where(tier > 0, plane["confirmed"], 0)),
        "outlined": outlined,
        "n_clear": plane["n_clear"],
        "monitored": reference[0] != REFERENCE_FILL,
        "history": reference[-1].astype(np.uint8),
        LAST_CLEAR: _dates(plane["last_clear"]),
    }


def rasters_of(
    grid: Grid, blocks: Sequence[Block], read: BlockRasters
) -> tuple[xr.Dataset, xr.DataArray]:
    """
    Give the rasters of a grid.

    Parameters
    ----------
    grid : Grid
        The grid.
    blocks : sequence of Block
        Blocks that cover it.
    read : callable
        Reads the variables of `evidence_of` of one block.

    Returns
    -------
    evidence : xarray.Dataset
        `EVIDENCE_PRODUCT`. Of a large grid nothing is read before a window is asked
        for.
    last_clear : xarray.DataArray
        Day of the last clear look; NaT where never.
    """
    specs = {spec.name: np.dtype(spec.dtype) for spec in EVIDENCE_PRODUCT}
    held = _Blocks(grid, blocks, read)
    data = xr.Dataset(
        {
            name: (
                ("y", "x"),
                indexing.LazilyIndexedArray(_Raster(held, name, dtype)),
            )
            for name, dtype in {
                **specs,
                LAST_CLEAR: np.dtype("datetime64[ns]"),
            }.items()
        }
    )
    if grid.height * grid.width <= WHOLE_PIXELS:
        data.load()
    evidence: tuple[RasterSpec, ...] = EVIDENCE_PRODUCT
    return check(data[list(specs)], evidence), data[LAST_CLEAR]


class _Blocks:
    """Reads blocks, and remembers the last ones."""

    def __init__(self, grid: Grid, blocks: Sequence[Block], read: BlockRasters) -> None:
        self.shape = grid.shape
        self._blocks = tuple(blocks)
        self._read = read
        self._last: tuple[Block, Mapping[str, NDArray[Any]]] | None = None

    def fill(self, name: str, window: Block, into: NDArray[Any]) -> None:
        """Fill an array with a window of one variable."""
        for block in self._blocks:
            top, left = max(block.row, window.row), max(block.col, window.col)
            bottom = min(block.row + block.height, window.row + window.height)
            right = min(block.col + block.width, window.col + window.width)
            if top >= bottom or left >= right:
                continue
            last = self._last
            if last is None or last[0] != block:
                last = block, self._read(block)
                self._last = last
            into[
                top - window.row : bottom - window.row,
                left - window.col : right - window.col,
            ] = last[1][name][
                top - block.row : bottom - block.row,
                left - block.col : right - block.col,
            ]


class _Raster(BackendArray):
    """One variable of a grid, read window by window."""

    def __init__(self, blocks: _Blocks, name: str, dtype: np.dtype[Any]) -> None:
        self.shape, self.dtype = blocks.shape, dtype
        self._blocks, self._name = blocks, name

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:  # noqa: ANN401
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.BASIC, self._window
        )

    def _window(self, key: tuple[int | slice, ...]) -> Any:  # noqa: ANN401
        """Read the rectangle that holds what is asked for, and cut it out."""
        places = [
            np.arange(length)[part]
            for part, length in zip(key, self.shape, strict=True)
        ]
        if not all(np.size(along) for along in places):
            return np.empty([np.size(along) for along in places], dtype=self.dtype)
        first = [int(np.min(along)) for along in places]
        last = [int(np.max(along)) for along in places]
        window = Block(
            row=first[0],
            col=first[1],
            height=last[0] - first[0] + 1,
            width=last[1] - first[1] + 1,
        )
        into = np.empty((window.height, window.width), dtype=self.dtype)
        self._blocks.fill(self._name, window, into)
        rows, cols = (along - low for along, low in zip(places, first, strict=True))
        return into[rows][..., cols]


def _dates(days: NDArray[np.integer]) -> NDArray[np.datetime64]:
    """Turn day numbers into dates; 0 becomes NaT."""
    dated = DAY_ZERO + days.astype("timedelta64[D]")
    dated[days == 0] = np.datetime64("NaT")
    return dated.astype("datetime64[ns]")
