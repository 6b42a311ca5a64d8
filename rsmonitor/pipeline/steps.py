"""What is done block by block: steps that a worker anywhere can take.

A step is called with what a worker may touch and a task. Steps and tasks are frozen and
small, so that they travel; what they give back is small too, but for the chips. A step
may be taken twice: it then writes the same bytes to the same idle slot.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.pipeline.job import BlockDoors
from rsmonitor.pipeline.looks import Looks, Sample, day_number, sample_of
from rsmonitor.pipeline.readout import Readout, read_out
from rsmonitor.records.acquisition import Product
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.parameters import Parameters
from rsmonitor.records.rasters import (
    EVIDENCE_PLANES,
    REFERENCE_COMMON,
    HistoryClass,
    planes,
)
from rsmonitor.records.run import SlotPointer, StateKind
from rsmonitor.records.scene import ScreenedLook
from rsmonitor.stages.clear import ClearCounts
from rsmonitor.stages.evidence import SceneStatistics, initial_state
from rsmonitor.stages.evidence import observe as observe_plainly
from rsmonitor.stages.fused.fit import fit_reference
from rsmonitor.stages.fused.look import observe
from rsmonitor.stages.history import Norm, SceneNorm
from rsmonitor.stages.indices import weights
from rsmonitor.stages.levelling import Cells
from rsmonitor.stages.registration import Shift
from rsmonitor.stages.sight import Sight, with_rescued

FIT_BYTES: Final = 96 * 2**20
"""Indices of the whole history that a worker holds at once while it fits."""

State = NDArray[np.uint16]
Reference = NDArray[np.int16]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Watch:
    """What all steps on one grid share."""

    grid: Grid
    """The grid."""

    parameters: Parameters
    """How it is watched."""

    names: tuple[str, ...]
    """Indices."""

    step: int
    """Every how manieth row and column of the grid is in the fixed sample."""

    line: str
    """`Partition.line`: whose state it is."""

    until: datetime
    """End of the week: products sensed before it are looked at."""

    @property
    def cells(self) -> Cells:
        """The lattice over which a scene may differ from place to place."""
        return Cells.over(self.grid.shape, self.step)

    def looks(self, doors: BlockDoors) -> Looks:
        """Give what reads the looks of the grid."""
        return doors.looks(self.grid, self.parameters, until=self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class LookTask:
    """One look at one block."""

    product: Product
    """Which look."""

    block: Block
    """Where."""

    shift: Shift | None = None
    """How far the scene lies off, if it is to be put back."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Surveyed:
    """What a first look at a block says of the scene."""

    sample: Sample
    """What lies in the block of the fixed sample of pixels."""

    notes: tuple[str, ...]
    """What a person should know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Read and screen a block, and take what lies in it of the sample."""

    watch: Watch
    """Of which grid."""

    def __call__(self, doors: BlockDoors, task: LookTask) -> Surveyed:
        """Take the step; `SourceError` if the product cannot be read."""
        looks = self.watch.looks(doors)
        sample = looks.sample(task.product, task.block, self.watch.step, task.shift)
        notes = () if looks.relief is None else tuple(looks.relief.notes)
        return Surveyed(sample=sample, notes=notes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadChip:
    """Read a chip on which the shift of a scene is measured."""

    watch: Watch
    """Of which grid."""

    def __call__(self, doors: BlockDoors, task: LookTask) -> ScreenedLook | Sight:
        """Take the step; `SourceError` if the product cannot be read."""
        looks = self.watch.looks(doors)
        if task.shift is not None:
            return looks.sight(task.product, task.block, task.shift)
        return looks.screened(task.product, task.block)[0]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class History:
    """The looks of the history, as they are to be fitted."""

    products: tuple[Product, ...]
    """Which, oldest first."""

    shifts: Mapping[str, Shift]
    """How far those lie off that are to be put back, by product id."""

    norm: SceneNorm
    """What they share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitTask:
    """One block whose reference is to be fitted."""

    block: Block
    """Where."""

    current: SlotPointer | None
    """The slot that is the truth so far."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fitted:
    """A reference that was written."""

    pointer: SlotPointer
    """Where."""

    sample: Reference
    """The reference at the pixels of the fixed sample, shape (parameter, pixel)."""

    places: NDArray[np.int64]
    """Row times grid width plus column of those, shape (pixel,)."""

    kinds: NDArray[np.int64]
    """Pixels of the block by `HistoryClass`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fit:
    """Fit and write the reference of a block."""

    watch: Watch
    """Of which grid."""

    history: History
    """On what."""

    def __call__(self, doors: BlockDoors, task: FitTask) -> Fitted:
        """Take the step; `SourceError` if a product cannot be read any more."""
        block = task.block
        parts = [
            fitted(self.watch, self.history, doors, window)
            for window in windows(
                block, len(self.history.products) * len(self.watch.names)
            )
        ]
        reference = np.concatenate(parts, axis=1)
        rows, cols = sample_of(block, self.watch.step)
        cut = ((rows - block.row)[:, None], (cols - block.col)[None])
        pointer = doors.states.write(
            reference,
            line=self.watch.line,
            grid_id=self.watch.grid.grid_id,
            block_id=block.block_id,
            kind="reference",
            current=task.current,
        )
        places = (rows[:, None] * self.watch.grid.width + cols[None]).reshape(-1)
        return Fitted(
            pointer=pointer,
            sample=reference[:, *cut].reshape(len(reference), -1),
            places=places,
            kinds=np.bincount(reference[-1].ravel(), minlength=len(HistoryClass)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FitWindow:
    """Fit the reference of a window that is not kept: a chip."""

    watch: Watch
    """Of which grid."""

    history: History
    """On what."""

    def __call__(self, doors: BlockDoors, task: Block) -> Reference:
        """Take the step; `SourceError` if a product cannot be read any more."""
        return fitted(self.watch, self.history, doors, task)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Addition:
    """One look that is to be added to the evidence, and what its scene shares."""

    product: Product
    """Which look."""

    shift: Shift | None
    """How far it is to be put back."""

    statistics: SceneStatistics
    """Offset and noise."""

    cloud_share: float
    """Share of the scene that SCL calls cloud."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockTask:
    """One block whose evidence is to be brought up to date."""

    block: Block
    """Where."""

    reference: SlotPointer
    """Its reference."""

    evidence: SlotPointer | None
    """The evidence to start from; None: nothing has happened since the history."""

    current: Mapping[StateKind, SlotPointer]
    """Slots that are the truth so far, by kind; they are not written."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Added:
    """Evidence that was brought up to date."""

    pointers: tuple[SlotPointer, ...]
    """What was written."""

    counts: tuple[ClearCounts, ...]
    """What each screen removed, look by look."""

    readout: Readout | None
    """What the block says, if that was asked."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Add:
    """Add looks to the evidence of a block, and write it once."""

    watch: Watch
    """Of which grid."""

    norm: Norm
    """What is usual."""

    additions: tuple[Addition, ...]
    """The looks, oldest first."""

    kinds: tuple[StateKind, ...]
    """What is written: the evidence, a checkpoint beside it, or nothing."""

    reads_out: bool
    """True if this is the last of the run, and the block is to be read out."""

    since: int
    """First day of the week, days since 1970-01-01."""

    def __call__(self, doors: BlockDoors, task: BlockTask) -> Added:
        """Take the step; `SourceError` if a product cannot be read any more."""
        looks = self.watch.looks(doors)
        reference, state = self._stored(doors, task)
        counts = []
        for addition in self.additions:
            seen: ScreenedLook | Sight
            if addition.shift is not None:
                seen = looks.sight(addition.product, task.block, addition.shift)
                screened = seen.counts
            else:
                seen, screened = looks.screened(addition.product, task.block)
            rescued = add_look(
                state,
                reference,
                seen,
                addition,
                watch=self.watch,
                norm=self.norm,
                block=task.block,
            )
            counts.append(
                replace(screened, clear=screened.clear + rescued, rescued=rescued)
            )
        pointers = tuple(
            doors.states.write(
                state,
                line=self.watch.line,
                grid_id=self.watch.grid.grid_id,
                block_id=task.block.block_id,
                kind=kind,
                current=task.current.get(kind),
            )
            for kind in self.kinds
        )
        return Added(
            pointers=pointers,
            counts=tuple(counts),
            readout=(
                read_out(
                    task.block,
                    state,
                    reference,
                    norm=self.norm,
                    weights=weights(self.watch.names),
                    parameters=self.watch.parameters,
                    since=self.since,
                )
                if self.reads_out
                else None
            ),
        )

    def _stored(self, doors: BlockDoors, task: BlockTask) -> tuple[Reference, State]:
        """Read the state of a block into arrays that the next block overwrites."""
        shape = (task.block.height, task.block.width)
        n_index = len(self.watch.names)
        own = 2 + 2 * self.watch.parameters.history.harmonics
        n_planes = n_index * own + REFERENCE_COMMON
        reference = doors.buffer("reference", (n_planes, *shape), np.int16)
        if task.evidence is None:
            doors.states.read(task.reference, out=reference)
            return reference, initial_state(reference, n_index)
        # what the last planes say is asked only where nothing has been seen yet
        used = slice(0, n_index * own)
        doors.states.read(task.reference, used, out=reference[used])
        state = doors.buffer(
            "evidence", (len(EVIDENCE_PLANES) + n_index, *shape), np.uint16
        )
        doors.states.read(task.evidence, out=state)
        return reference, state


def add_look(
    state: State,
    reference: Reference,
    seen: ScreenedLook | Sight,
    addition: Addition,
    *,
    watch: Watch,
    norm: Norm,
    block: Block,
) -> int:
    """
    Add one look to the evidence of a window.

    Parameters
    ----------
    state : ndarray of uint16, shape (plane, y, x)
        Evidence before the look; holds that after it.
    reference : ndarray of int16, shape (parameter, y, x)
        Of the window.
    seen : ScreenedLook or Sight
        The look at the window; a sight if the scene was put back.
    addition : Addition
        What the scene shares.
    watch : Watch
        How the grid is watched.
    norm : Norm
        What is usual.
    block : Block
        Where the window is.

    Returns
    -------
    int
        Pixels of bright ground that were taken back from the clouds.
    """
    day = day_number(addition.product)
    share = weights(watch.names)
    evidence, rescue = watch.parameters.evidence, watch.parameters.rescue
    if isinstance(seen, ScreenedLook):
        return observe(
            state,
            reference,
            seen.numbers,
            seen.flags,
            day=day,
            names=watch.names,
            weights=share,
            statistics=addition.statistics,
            cells=watch.cells,
            place=(block.rows, block.cols),
            cloud_share=addition.cloud_share,
            norm=norm,
            evidence=evidence,
            rescue=rescue,
        )
    bright, values, rescued = with_rescued(
        seen,
        planes(state)["bright_looks"],
        cloud_share=addition.cloud_share,
        parameters=rescue,
    )
    state[...] = observe_plainly(
        state,
        reference,
        values,
        day=day,
        weights=share,
        shared=addition.statistics.over(watch.cells, block.rows, block.cols),
        norm=norm,
        parameters=evidence,
    )
    planes(state)["bright_looks"][...] = bright
    return rescued


def fitted(
    watch: Watch, history: History, doors: BlockDoors, window: Block
) -> Reference:
    """
    Fit the reference of a window.

    Parameters
    ----------
    watch : Watch
        Of which grid.
    history : History
        On what.
    doors : BlockDoors
        What a worker may touch.
    window : Block
        Where.

    Returns
    -------
    ndarray of int16, shape (parameter, y, x)
        See `rsmonitor.records.rasters.REFERENCE_STATE`.

    Raises
    ------
    SourceError
        If a product cannot be read any more.
    """
    looks = watch.looks(doors)
    values = np.empty(
        (len(history.products), len(watch.names), window.height, window.width),
        dtype=np.float32,
    )
    for row, product in zip(values, history.products, strict=True):
        row[...] = looks.seen(product, window, history.shifts.get(product.product_id))
    offsets = np.stack(
        [watch.cells.at(o, window.rows, window.cols) for o in history.norm.offsets]
        if history.norm.offsets.shape[2] > 1
        else [o[:, :, None] for o in history.norm.offsets]
    )
    return fit_reference(
        values,
        np.array([day_number(product) for product in history.products]),
        offsets,
        norm=history.norm,
        weights=weights(watch.names),
        names=watch.names,
        parameters=watch.parameters.history,
    )


def windows(block: Block, layers: int) -> list[Block]:
    """
    Cut a block into bands of rows whose whole history fits in memory.

    Parameters
    ----------
    block : Block
        The block.
    layers : int
        Values that each pixel has.

    Returns
    -------
    list of Block
        From north to south.

    Examples
    --------
    >>> [w.height for w in windows(Block(row=0, col=0, height=512, width=512), 120)]
    [171, 171, 170]
    """
    # values and offsets, single precision
    most = max(1, FIT_BYTES // max(1, 8 * layers * block.width))
    count = -(-block.height // most)
    height = -(-block.height // count)
    return [
        Block(
            row=row,
            col=block.col,
            height=min(height, block.row + block.height - row),
            width=block.width,
        )
        for row in range(block.row, block.row + block.height, height)
    ]
