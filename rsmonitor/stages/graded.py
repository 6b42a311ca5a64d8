"""Disturbances of a whole grid from its blocks, in any order, of any size.

Of each block only the graded pixels are kept, one after the other and not as a raster;
of most grids that is one pixel in a hundred. Objects are found among them as
`rsmonitor.stages.outline.outline` finds them in rasters, to the last bit, so that no
block leaves a seam, and memory grows with what is graded and not with the grid.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import ContractError
from rsmonitor.records.disturbance import Disturbance
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.parameters import EvidenceParameters, OutlineParameters
from rsmonitor.records.rasters import SCORE_SCALE, Tier, planes, planes_per_index
from rsmonitor.stages.evidence import strength, tiers
from rsmonitor.stages.features import measure_members
from rsmonitor.stages.history import Norm
from rsmonitor.stages.increments import Members
from rsmonitor.stages.outline import disturbances_of
from rsmonitor.stages.patches import core_of, objects_of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Graded:
    """The graded pixels of one block: all that outlines need to know of it."""

    rows: NDArray[np.int32]
    """Row of each in the grid, shape (pixel,)."""

    cols: NDArray[np.int32]
    """Column of each, shape (pixel,)."""

    strength: NDArray[np.float32]
    """How strongly each changed, shape (pixel,)."""

    held: NDArray[np.bool_]
    """True for those that an object may hold, shape (pixel,): they were dated, and are
    not alone. Of the others only where they are and how strong decides anything."""

    tier: NDArray[np.uint8]
    """Tier of those, shape (held,)."""

    state: NDArray[np.uint16]
    """Evidence of those, shape (plane, 1, held)."""

    usual: NDArray[np.int16]
    """Their first coefficient of each index in the reference, shape (index, held)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawn:
    """Disturbances of a grid, and the pixels inside their outlines."""

    disturbances: tuple[Disturbance, ...]
    """In the order of their northernmost, then westernmost pixel; with features."""

    rows: NDArray[np.int32]
    """Row of each pixel inside an outline, shape (pixel,); rising."""

    cols: NDArray[np.int32]
    """Column of each, shape (pixel,); rising in each row."""

    def outlined(self, block: Block) -> NDArray[np.bool_]:
        """
        Say which pixels of a block lie inside an outline.

        Parameters
        ----------
        block : Block
            Any block of the grid.

        Returns
        -------
        ndarray of bool, shape (y, x)
            True inside.
        """
        inside = np.zeros((block.height, block.width), dtype=np.bool_)
        a, b = np.searchsorted(self.rows, [block.row, block.row + block.height])
        rows, cols = self.rows[a:b] - block.row, self.cols[a:b] - block.col
        here = (cols >= 0) & (cols < block.width)
        inside[rows[here], cols[here]] = True
        return inside


def graded(
    block: Block,
    state: NDArray[np.uint16],
    reference: NDArray[np.int16],
    *,
    norm: Norm,
    weights: NDArray[np.float32],
    evidence: EvidenceParameters,
    min_pixels: int,
) -> Graded:
    """
    Keep what is graded in a block.

    Parameters
    ----------
    block : Block
        Where the arrays lie in the grid.
    state : ndarray of uint16, shape (plane, y, x)
        Evidence of the block, see `rsmonitor.records.rasters.EVIDENCE_PLANES`.
    reference : ndarray of int16, shape (parameter, y, x)
        See `rsmonitor.records.rasters.REFERENCE_STATE`.
    norm : Norm
        Least spreads of the indices.
    weights : ndarray of float32, shape (index,)
        From `rsmonitor.stages.indices.weights`.
    evidence : EvidenceParameters
        Levels of the tiers.
    min_pixels : int
        Pixels that an object needs, as in the `OutlineParameters` of `draw`: if more
        than 1, little is kept of a pixel that has no graded neighbour.

    Returns
    -------
    Graded
        Its graded pixels, in reading order.

    Raises
    ------
    ContractError
        If the arrays are not of the block's shape.
    """
    shape = (block.height, block.width)
    if state.shape[1:] != shape or reference.shape[1:] != shape:
        raise ContractError(
            f"evidence {state.shape[1:]} and reference {reference.shape[1:]} must have "
            f"the shape of block {block.block_id}, {shape}"
        )
    plane = planes(state)
    # `tiers` without its rasters of float64: a level is a whole number of units
    least = math.ceil(evidence.low * SCORE_SCALE)
    some = (plane["score"] >= least) | (plane["confirmed"] > 0)
    rows, cols = np.divmod(np.flatnonzero(some), block.width)
    picked = state[:, None, rows, cols]
    held = planes(picked)["first_seen"][0] > 0
    if min_pixels > 1:
        held &= _not_alone(some, rows, cols)
    per_index = planes_per_index(reference, weights.size)
    usual = reference[: per_index * weights.size : per_index]
    return Graded(
        rows=(rows + block.row).astype(np.int32),
        cols=(cols + block.col).astype(np.int32),
        strength=strength(picked, norm, weights)[0],
        held=held,
        tier=tiers(picked[:, :, held], evidence)[0],
        state=picked[:, :, held],
        usual=usual[:, rows[held], cols[held]],
    )


def draw(
    blocks: Iterable[Graded],
    *,
    grid: Grid,
    norm: Norm,
    names: tuple[str, ...],
    parameters: OutlineParameters,
) -> Drawn:
    """
    Draw and measure the disturbances of a grid.

    Parameters
    ----------
    blocks : iterable of Graded
        Graded pixels of blocks that cover the grid once, in any order.
    grid : Grid
        Where the pixels are.
    norm : Norm
        Usual level of each index.
    names : tuple of str
        The indices, in the order of the planes.
    parameters : OutlineParameters
        Least size, rims, and what separates increments.

    Returns
    -------
    Drawn
        What `outline` and `measure` give for the whole grid at once.

    Raises
    ------
    ContractError
        If a pixel comes twice.
    """
    parts = [part for part in blocks if part.rows.size]
    if not parts:
        nowhere = np.zeros(0, dtype=np.int32)
        return Drawn(disturbances=(), rows=nowhere, cols=nowhere)
    number, tier, place, rows, cols = _objects(parts, grid, parameters)
    state = np.concatenate([part.state for part in parts], axis=2)[:, :, place]
    usual = np.concatenate([part.usual for part in parts], axis=1)[:, place]
    members = Members.sorted_from(
        rows, cols, number, {name: each[0] for name, each in planes(state).items()}
    )
    found = disturbances_of(members, tier, grid=grid, parameters=parameters)
    return Drawn(
        disturbances=measure_members(
            found, number, state=state, usual=usual, norm=norm, names=names
        ),
        rows=rows,
        cols=cols,
    )


def _objects(
    parts: Sequence[Graded], grid: Grid, parameters: OutlineParameters
) -> tuple[
    NDArray[np.int32],
    list[Tier],
    NDArray[np.int32],
    NDArray[np.int32],
    NDArray[np.int32],
]:
    """Find the pixels in outlines: object, tiers, place among those held, row, col."""
    # what is as long as all graded pixels ends here, before records are made
    line = grid.width + max(1, parameters.edge_pixels)
    keys = np.concatenate(
        [part.rows.astype(np.int64) * line + part.cols for part in parts]
    )
    order = np.argsort(keys)
    keys = keys[order]
    twice = np.flatnonzero(keys[1:] == keys[:-1])
    if twice.size:
        row, col = divmod(int(keys[twice[0]]), line)
        raise ContractError(f"row {row}, col {col} is in two blocks")
    inside = core_of(
        keys,
        np.concatenate([part.strength for part in parts])[order],
        line=line,
        shape=grid.shape,
        share=parameters.edge_share,
        pixels=parameters.edge_pixels,
    )
    held = np.concatenate([part.held for part in parts])
    place = (np.cumsum(held, dtype=np.int32) - 1)[order]
    held = held[order]
    keys, place, inside = keys[held], place[held], inside[held]
    number, tier = objects_of(
        keys,
        np.concatenate([part.tier for part in parts])[place],
        inside,
        line=line,
        min_pixels=parameters.min_pixels,
    )
    drawn = number > 0
    rows, cols = np.divmod(keys[drawn], line)
    return (
        number[drawn] - 1,
        [Tier(each) for each in tier.tolist()],
        place[drawn],
        rows.astype(np.int32),
        cols.astype(np.int32),
    )


def _not_alone(
    some: NDArray[np.bool_], rows: NDArray[np.int64], cols: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Say which pixels share an edge with one that is set, or with another block."""
    height, width = some.shape
    near = (rows == 0) | (cols == 0) | (rows == height - 1) | (cols == width - 1)
    flat, at = some.ravel(), rows * width + cols
    for step in (-width, -1, 1, width):
        # at the border, where this would step elsewhere, the answer is known
        near |= flat.take(at + step, mode="clip")
    beside: NDArray[np.bool_] = near
    return beside
