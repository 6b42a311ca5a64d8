"""Pixels that are told what to look like, one look after the other.

A series holds departures in spreads of the combined index, shape (time, y, x), and NaN
where a pixel was not seen. Most tests have one row of pixels.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rsmonitor.records.grid import Grid
from rsmonitor.records.parameters import EvidenceParameters
from rsmonitor.records.rasters import (
    EVIDENCE_PLANES,
    REFERENCE_COMMON,
    REFERENCE_FILL,
    planes,
)
from rsmonitor.stages.evidence import initial_state, log_ratio, update
from rsmonitor.stages.history import Norm, SceneNorm
from rsmonitor.stages.levelling import Cells

DAY = 17_716
"""2018-07-04 in days since 1970-01-01: the last clear look of the history."""

REVISIT = 5

NORM = Norm(
    spread=np.array([0.02, 0.02], dtype=np.float32),
    floor=np.array([0.02, 0.02], dtype=np.float32),
    level=np.array([0.8, 0.4], dtype=np.float32),
    combined=1.0,
)

INDEX_UNITS = np.array([0.02, 0.01], dtype=np.float32)
"""What one spread of the combined index is in each of two indices."""


def fixed(array: ArrayLike, dtype: type | None = None) -> NDArray:  # type: ignore[type-arg]
    """Give a copy that nobody can write to."""
    copy = np.array(array, dtype=dtype)
    copy.setflags(write=False)
    return copy


def row(*series: Sequence[float]) -> NDArray[np.float32]:
    """Lay the series of single pixels side by side in one row."""
    return np.array(series, dtype=np.float32).T[:, None, :]


def days_of(looks: int) -> list[int]:
    """Give the days of looks that come every five days after the history."""
    return [DAY + REVISIT * (i + 1) for i in range(looks)]


def start(shape: tuple[int, int], last_clear: int = DAY) -> NDArray[np.uint16]:
    """Give the evidence before the first look."""
    reference = np.full((REFERENCE_COMMON, *shape), REFERENCE_FILL, dtype=np.int16)
    reference[-2] = last_clear
    return initial_state(reference, 2)


def one_cell(pixels: int) -> tuple[NDArray[np.int64], Cells]:
    """Give the cell of each pixel of a sample that lies in one cell, and that cell."""
    cells = Cells(height=1, width=max(pixels, 1), rows=1, cols=1)
    return np.zeros(pixels, dtype=np.int64), cells


def common(indices: int, *, combined: float = 1.0) -> SceneNorm:
    """Give what is usual of a history whose scenes share nothing."""
    ones = np.ones(indices, dtype=np.float32)
    return SceneNorm(
        offsets=np.zeros((0, indices, 1), dtype=np.float32),
        spread=0.02 * ones,
        floor=0.02 * ones,
        level=0 * ones,
        green=0 * ones,
        combined=combined,
    )


def watch(
    series: NDArray[np.float32],
    *,
    days: Sequence[int] | None = None,
    parameters: EvidenceParameters | None = None,
    state: NDArray[np.uint16] | None = None,
) -> list[NDArray[np.uint16]]:
    """Show the looks one by one; give the evidence after each."""
    states = []
    state = start(series.shape[1:]) if state is None else state
    for look, day in zip(series, days or days_of(len(series)), strict=True):
        state = update(
            fixed(state),
            fixed(log_ratio(look, parameters or EvidenceParameters())),
            fixed(look * INDEX_UNITS[:, None, None]),
            day=day,
            parameters=parameters or EvidenceParameters(),
        )
        states.append(state)
    return states


def of_pixel(state: NDArray[np.uint16], col: int = 0) -> dict[str, int]:
    """Give the planes of one pixel of the first row."""
    return {name: int(plane[0, col]) for name, plane in planes(state).items()}


def evidence(shape: tuple[int, int], **values: ArrayLike) -> NDArray[np.uint16]:
    """Write evidence by hand: planes by name, the others zero."""
    state = start(shape, last_clear=0)
    for name, value in values.items():
        state[EVIDENCE_PLANES.index(name)] = value
    return state


def degrees(height: int, width: int) -> Grid:
    """Give a grid in longitude and latitude, so that outlines keep its coordinates."""
    return Grid(
        crs="EPSG:4326",
        left=115.0,
        top=25.0,
        pixel_width=2.0**-13,
        pixel_height=2.0**-13,
        height=height,
        width=width,
    )


def metres(height: int, width: int) -> Grid:
    """Give a grid of 10 m in UTM, away from the central meridian."""
    return Grid(
        crs="EPSG:32650",
        left=390_000.0,
        top=2_760_000.0,
        pixel_width=10.0,
        pixel_height=10.0,
        height=height,
        width=width,
    )
