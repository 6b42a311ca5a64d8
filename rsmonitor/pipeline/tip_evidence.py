"""Evidence around the place of a tip, from the state that the last run committed.

``evidence.nc`` begins at the lowest tier. Whoever looks into a tip wants to see less
than that too: the score of every pixel, and since when it has been rising.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Point, Polygon

from rsmonitor.errors import StoreError
from rsmonitor.interfaces import StateStore
from rsmonitor.pipeline.chip_places import Window
from rsmonitor.pipeline.chip_reading import grid_of
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.parameters import EvidenceParameters
from rsmonitor.records.rasters import (
    DAY_ZERO,
    REFERENCE_FILL,
    SCORE_SCALE,
    Tier,
    planes,
)
from rsmonitor.records.run import SlotPointer, StateKind
from rsmonitor.records.tip import Place
from rsmonitor.records.tip_view import EvidenceWindow, Strongest
from rsmonitor.stages.evidence import tiers
from rsmonitor.stages.geodesy import pixel_size_m, to_lonlat
from rsmonitor.stages.greenness import on_pixels
from rsmonitor.stages.suppression import touched

_NEVER: Final = np.datetime64("NaT", "D")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the ledger says of the state of one grid."""

    grid: Grid
    """The grid."""

    block_size: int
    """Rows and columns of its blocks."""

    pointers: Sequence[SlotPointer]
    """Slots that are the truth."""


def evidence_around(
    states: StateStore,
    held: Held,
    window: Window,
    place: Place,
    *,
    within_m: float,
    parameters: EvidenceParameters,
    withheld: Sequence[Polygon | MultiPolygon] = (),
) -> EvidenceWindow:
    """
    Read what runs know of the ground around a place.

    Parameters
    ----------
    states : StateStore
        Where state is kept.
    held : Held
        Which slots are the truth.
    window : Window
        What is shown; evidence is never thinned.
    place : Point, Polygon or MultiPolygon
        Where the tip points, CRS84.
    within_m : float
        How far around it counts as near, metres.
    parameters : EvidenceParameters
        Levels.
    withheld : sequence of Polygon or MultiPolygon, optional
        Outlines of sites that no product may show, CRS84: there it says 'not
        monitored', as everywhere else.

    Returns
    -------
    EvidenceWindow
        On the pixels of the district's grid.

    Raises
    ------
    StoreError
        If the state is damaged, or cut into other blocks.
    """
    whole = Window(block=window.block, step=1, own=np.ones((1, 1), dtype=np.bool_))
    grid = grid_of(whole, held.grid)
    state = _read(states, held, window.block, "evidence")
    reference = _read(states, held, window.block, "reference")
    hidden = touched(grid, withheld)
    monitored = (reference[0] != REFERENCE_FILL) & ~hidden
    plane = planes(state)

    def dated(name: str, where: NDArray[np.bool_]) -> NDArray[np.datetime64]:
        number = plane[name].astype(np.int64)
        days = DAY_ZERO + number.astype("timedelta64[D]")
        days[(number == 0) | ~where] = _NEVER
        return days

    changing = ((plane["score"] > 0) | (plane["confirmed"] > 0)) & monitored
    score = (plane["score"] / SCORE_SCALE).astype(np.float32)
    score[~monitored] = np.nan
    tier = tiers(state, parameters)
    tier[~monitored] = Tier.NONE
    return EvidenceWindow(
        grid=grid,
        monitored=monitored,
        tier=tier,
        score=score,
        first_seen=dated("first_seen", changing),
        began_after=dated("began_after", changing),
        confirmed=dated("confirmed", monitored),
        last_seen=dated("last_seen", changing),
        # says nothing of the ground, and a hole in it would draw what is withheld
        last_clear=dated("last_clear", np.ones_like(monitored)),
        n_clear=plane["n_clear"].copy(),
        near=near(place, grid, within_m),
        levels=(parameters.low, parameters.medium, parameters.high),
    )


def near(place: Place, grid: Grid, within_m: float) -> NDArray[np.bool_]:
    """
    Find the pixels near a place.

    Parameters
    ----------
    place : Point, Polygon or MultiPolygon
        CRS84.
    grid : Grid
        The pixels.
    within_m : float
        Metres.

    Returns
    -------
    ndarray of bool, shape (y, x)
        True where the centre lies within; of a place smaller than a pixel the nearest.
    """
    distance = _distances(place, grid)
    found = distance <= within_m
    if not found.any():
        found.flat[int(distance.argmin())] = True
    return found


def strongest_near(evidence: EvidenceWindow, place: Place) -> Strongest | None:
    """
    Find the pixel near a place of which the evidence is strongest.

    Parameters
    ----------
    evidence : EvidenceWindow
        From `evidence_around`.
    place : Point, Polygon or MultiPolygon
        CRS84.

    Returns
    -------
    Strongest or None
        Highest tier, then highest score, then nearest; None without any evidence.
    """
    score = np.nan_to_num(evidence.score)
    there = evidence.near & ((evidence.tier > 0) | (score > 0))
    rows, cols = np.nonzero(there & ~np.isnat(evidence.first_seen))
    if not rows.size:
        return None
    distance = _distances(place, evidence.grid)
    order = np.lexsort(
        (
            distance[rows, cols],
            -score[rows, cols],
            -evidence.tier[rows, cols].astype(int),
        )
    )
    row, col = int(rows[order[0]]), int(cols[order[0]])
    grid = evidence.grid
    spot = to_lonlat(
        Point(
            grid.left + (col + 0.5) * grid.pixel_width,
            grid.top - (row + 0.5) * grid.pixel_height,
        ),
        grid.crs,
    )
    days: dict[str, Any] = {
        name: None if np.isnat(day) else day.item()
        for name, day in (
            (name, getattr(evidence, name)[row, col])
            for name in ("first_seen", "began_after", "confirmed", "last_seen")
        )
    }
    return Strongest(
        lon=spot.x,
        lat=spot.y,
        distance_m=float(distance[row, col]),
        tier=Tier(int(evidence.tier[row, col])),
        score=float(score[row, col]),
        **days,
    )


def counts_near(evidence: EvidenceWindow) -> dict[str, int]:
    """
    Count the pixels near a place by what is known of them.

    Parameters
    ----------
    evidence : EvidenceWindow
        From `evidence_around`.

    Returns
    -------
    dict of str to int
        ``not_monitored``, ``none``, ``below``, ``low``, ``medium`` and ``high``.
    """
    watched = evidence.near & evidence.monitored
    quiet = watched & (evidence.tier == Tier.NONE) & ~evidence.below
    return {
        "not_monitored": int((evidence.near & ~evidence.monitored).sum()),
        "none": int(quiet.sum()),
        "below": int((watched & evidence.below).sum()),
    } | {
        tier.code: int((watched & (evidence.tier == tier)).sum())
        for tier in (Tier.LOW, Tier.MEDIUM, Tier.HIGH)
    }


def _read(
    states: StateStore, held: Held, window: Block, kind: StateKind
) -> NDArray[Any]:
    """Read a window of all blocks that it touches."""
    slots = {
        pointer.block_id: pointer
        for pointer in held.pointers
        if pointer.grid_id == held.grid.grid_id and pointer.kind == kind
    }
    whole: NDArray[Any] | None = None
    for block in held.grid.blocks(held.block_size):
        top, left = max(block.row, window.row), max(block.col, window.col)
        bottom = min(block.row + block.height, window.row + window.height)
        right = min(block.col + block.width, window.col + window.width)
        if top >= bottom or left >= right:
            continue
        pointer = slots.get(block.block_id)
        if pointer is None:
            raise StoreError(
                f"the ledger knows no {kind} of block {block.block_id} of grid "
                f"{held.grid.grid_id}: grid or run.block_size changed since the last "
                "run; run again"
            )
        part = states.read_window(
            pointer,
            slice(top - block.row, bottom - block.row),
            slice(left - block.col, right - block.col),
        )
        if part.shape[1:] != (bottom - top, right - left):
            raise StoreError(
                f"{kind} of block {block.block_id} of grid {held.grid.grid_id} is "
                "smaller than run.block_size says; run again"
            )
        if whole is None:
            shape = (part.shape[0], window.height, window.width)
            whole = np.zeros(shape, dtype=part.dtype)
        whole[
            :,
            top - window.row : bottom - window.row,
            left - window.col : right - window.col,
        ] = part
    if whole is None:
        raise StoreError(f"grid {held.grid.grid_id} has no block at {window.block_id}")
    return whole


def _distances(place: Place, grid: Grid) -> NDArray[np.float64]:
    """Measure from each pixel's centre to a place, metres."""
    wide, high = pixel_size_m(grid)
    placed = shapely.transform(
        on_pixels(place, grid), lambda points: points * (wide, high)
    )
    shapely.prepare(placed)
    x, y = np.meshgrid(
        (np.arange(grid.width) + 0.5) * wide, (np.arange(grid.height) + 0.5) * high
    )
    metres = np.asarray(shapely.distance(placed, shapely.points(x, y)), dtype=float)
    if not math.isfinite(float(metres.min())):
        raise StoreError(f"the place cannot be measured on grid {grid.grid_id}")
    return metres
