"""One picture of a run: before, after, evidence, alerts and licences side by side.

Chinese first, English small beneath. The pixels come in as arrays; nothing is read
here. The same input gives the same bytes with the same matplotlib.
"""

import warnings
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import ContractError, OutputError
from rsmonitor.io.deliver.pictures.shades import MOST_PIXELS
from rsmonitor.io.deliver.pictures.typeface import find_typeface
from rsmonitor.io.foundation.files import write_atomic
from rsmonitor.records.grid import Grid
from rsmonitor.records.run import RunResult

TRUE_COLOUR: Final = ("真彩色", "true colour")
"""What red, green and blue are, where they are what the eye would see."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """A composite as people see it, and the days that it is made of."""

    rgb: NDArray[np.uint8]
    """Colours, shape (y, x, 3), on the grid's pixels, or on every so many rows and
    columns of a large grid; white where nothing was seen."""

    first_day: date
    """First day of the looks in it."""

    last_day: date
    """Last day of the looks in it."""

    rendering: tuple[str, str] = TRUE_COLOUR
    """What the colours are, in Chinese and English."""

    def __post_init__(self) -> None:
        if self.rgb.ndim != 3 or self.rgb.shape[2] != 3:  # noqa: PLR2004 - y, x, RGB
            raise ContractError(
                f"Picture.rgb must have shape (y, x, 3), got {self.rgb.shape}"
            )
        if self.rgb.dtype != np.uint8:
            raise ContractError(f"Picture.rgb must be uint8, got {self.rgb.dtype}")
        if self.last_day < self.first_day:
            raise ContractError(
                f"Picture.last_day {self.last_day} is before its first_day "
                f"{self.first_day}"
            )


def render_map(
    path: Path, *, before: Picture, after: Picture, result: RunResult, grid: Grid
) -> None:
    """
    Draw one grid of a run as a PNG of four panels.

    Parameters
    ----------
    path : Path
        The file, replaced if it is there.
    before : Picture
        The ground as the history knows it.
    after : Picture
        The ground at the end of the week.
    result : RunResult
        What the run says; its evidence on `grid`, alerts and licences are drawn.
    grid : Grid
        Where the pixels are.

    Raises
    ------
    ContractError
        If a picture has another shape than the grid and is not thinned evenly, or the
        run has no such grid.
    OutputError
        If matplotlib or the typeface is missing (the message says which command
        brings them), or the file cannot be written.
    """
    if grid.grid_id not in result.evidence:
        raise ContractError(f"the run has no evidence on grid {grid.grid_id}")
    for name, picture in (("before", before), ("after", after)):
        if not all(map(_shows, picture.rgb.shape, grid.shape)):
            raise ContractError(
                f"{name} must have the shape {grid.shape} of grid {grid.grid_id}, or "
                f"be thinned evenly to {MOST_PIXELS} a side or more; got "
                f"{picture.rgb.shape[:2]}"
            )
    typeface = find_typeface()
    # after the typeface, which says what to do where matplotlib is missing
    from rsmonitor.io.deliver.pictures.sheet import Sheet  # noqa: PLC0415

    with warnings.catch_warnings():
        # an empty box where a character should be is worse than no map
        warnings.filterwarnings("error", message="Glyph .* missing")
        try:
            data = Sheet(typeface, result, grid).png(before, after)
        except UserWarning as warning:
            raise OutputError(
                f"{path}: the typeface lacks a character: {warning}"
            ) from warning
    write_atomic(path, data)


def _shows(shown: int, side: int) -> bool:
    """Tell whether a picture shows every so many pixels of a side, and enough."""
    if not min(side, MOST_PIXELS) <= shown <= side:
        return False
    step = -(-side // shown)
    return shown == -(-side // step)
