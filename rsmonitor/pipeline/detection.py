"""From what a source has of one grid to its evidence: fit once, then look by look.

A look is taken in two passes with a barrier between them. First every block is read and
screened, and the fixed sample and a few chips say what the whole scene shares and how
far it lies off. Then it is added to each block's evidence. The first pass goes on for
several looks before the second begins, so that a block's state is read and written once
for all of them; the evidence of the chips, on which shifts rest, goes along in memory.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final, cast

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from rsmonitor.errors import HistoryError, SourceError, StoreError
from rsmonitor.pipeline.checkpoints import (
    CHECKPOINTS,
    Checkpoint,
    due,
    newest_before,
)
from rsmonitor.pipeline.job import Doors, Job, Refused
from rsmonitor.pipeline.looks import (
    Sample,
    day_number,
    day_of,
    values_seen,
    whole_sample,
)
from rsmonitor.pipeline.readout import (
    Readout,
    Seen,
    evidence_of,
    rasters_of,
)
from rsmonitor.pipeline.steps import (
    Add,
    Addition,
    BlockTask,
    Fit,
    FitTask,
    FitWindow,
    History,
    LookTask,
    ReadChip,
    Survey,
    Watch,
    add_look,
)
from rsmonitor.records.acquisition import Product
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.parameters import HistoryParameters
from rsmonitor.records.rasters import DAY_ZERO, HistoryClass
from rsmonitor.records.run import Partition, SlotPointer, StateKind
from rsmonitor.records.scene import ScreenedLook
from rsmonitor.stages.clear import ClearCounts, total
from rsmonitor.stages.drift import Drift
from rsmonitor.stages.evidence import (
    SceneStatistics,
    initial_state,
    residuals,
    scene_statistics,
    tiers,
)
from rsmonitor.stages.graded import Drawn
from rsmonitor.stages.history import Norm, SceneNorm, scene_norm, unlike_before
from rsmonitor.stages.indices import weights
from rsmonitor.stages.registration import MOST_SHIFT, Shift, chips, shift_of
from rsmonitor.stages.sight import Sight

GRID_BLOCK = "grid"
"""Block id of what a grid stores beside its blocks: its `Norm` as reference, its
`Drift` as evidence, a `Checkpoint` beside each checkpoint."""

SAMPLE_BLOCK = "sample"
"""Block id of the reference at the pixels of the fixed sample."""

SCRATCH_BYTES: Final = 4 * 2**30
"""What waits on disk between the two passes: it bounds how many looks go together."""

SCRATCH_PER_PIXEL: Final = 10
"""Bytes of a screened look that a pixel takes, at most about."""

DAY_ZERO_ORDINAL: Final = date.fromisoformat(str(DAY_ZERO)).toordinal()

MOST_NAMED = 3
"""Products that a note names; the ledger holds them all."""

State = NDArray[np.uint16]
Reference = NDArray[np.int16]
Stored = NDArray[np.uint16] | NDArray[np.int16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run has to do on one grid."""

    past: tuple[Product, ...]
    """Looks of the history: those to fit on, or those that were."""

    late_past: tuple[Product, ...]
    """Looks of the history that came, or were processed again, after the fit."""

    kept: tuple[Product, ...]
    """Looks that the evidence holds already and goes on holding."""

    new: tuple[Product, ...]
    """Looks to add to the evidence, oldest first."""

    fits: bool
    """True if there is no reference yet."""

    replays: bool
    """True if the evidence starts again, from a checkpoint or from the reference."""

    checkpoint: StateKind | None = None
    """The checkpoint from which it starts again; None: from the reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How one look was taken into the evidence."""

    product: Product
    """Which."""

    shift: Shift | None
    """How far it lay off; None where that could not be told."""

    put_back: bool
    """True if it was put back by its shift."""

    noise: float
    """How much noisier than usual, median over indices and cells."""

    sample: int
    """Clear pixels of the fixed sample."""

    weak_cells: int
    """Cells in which too little was seen to tell them from the whole scene."""

    counts: ClearCounts
    """Pixels that each screen removed or brought back."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detected:
    """The evidence of one grid after a run."""

    grid: Grid
    """The grid."""

    names: tuple[str, ...]
    """Indices, in the order of the state."""

    norm: Norm
    """What is usual."""

    readouts: tuple[Readout, ...]
    """What its blocks say."""

    seen: Seen
    """What was seen of it."""

    kinds: NDArray[np.int64]
    """Pixels by `HistoryClass`, if this run fitted the reference."""

    rasters: Callable[[Drawn], tuple[xr.Dataset, xr.DataArray]]
    """Gives evidence per pixel, and the day of the last clear look."""

    plan: Plan
    """What was done."""

    applied: tuple[Product, ...]
    """Looks added to the evidence by this run."""

    looks: tuple[Look, ...]
    """How each of them was taken in."""

    unusable: tuple[Product, ...]
    """Looks that showed too little ground to be judged, or that lay off their place and
    could not be put back; recorded, not tried again."""

    found: int
    """Looks that the source knows up to the end of the week."""

    pointers: tuple[SlotPointer, ...]
    """Slots that this run wrote."""

    drift: Drift
    """How far the ground has drifted from its reference."""

    notes: tuple[str, ...]
    """What a person should know."""


def plan(
    found: Sequence[Product],
    applied: Sequence[Product],
    *,
    has_reference: bool,
    history: HistoryParameters,
    checkpoints: Mapping[StateKind, Checkpoint] | None = None,
) -> Plan:
    """
    Sort what a source has into history, known and new.

    Parameters
    ----------
    found : sequence of Product
        All products up to the end of the week, oldest first.
    applied : sequence of Product
        Products that are part of the stored evidence.
    has_reference : bool
        True if a reference is stored.
    history : HistoryParameters
        Where the history starts and ends.
    checkpoints : Mapping, optional
        Checkpoints of the evidence, by the kind of state that holds them.

    Returns
    -------
    Plan
        What to do. A late or reprocessed look changes everything after it, so the
        evidence then starts again: from the newest checkpoint before it, or from the
        reference.
    """
    started = [p for p in found if history.start is None or day_of(p) >= history.start]
    past = tuple(p for p in started if day_of(p) <= history.until)
    monitoring = tuple(p for p in started if day_of(p) > history.until)
    known = {p.key: p for p in applied}
    fresh = tuple(p for p in monitoring if known.get(p.key) != p)
    last = max((p.sensed_at for p in applied), default=None)
    late = last is not None and any(p.sensed_at <= last for p in fresh)
    replays = late or not has_reference
    fitted = tuple(p for p in applied if day_of(p) <= history.until)
    held = tuple(p for p in applied if day_of(p) > history.until)
    checkpoint, kept, new = None, held, fresh
    if replays:
        kept, new = (), monitoring
        start = newest_before(fresh, held, checkpoints or {}) if has_reference else None
        if start is not None:
            checkpoint, until = start
            kept = tuple(p for p in held if p.sensed_at <= until)
            new = tuple(p for p in monitoring if p.sensed_at > until)
    return Plan(
        past=fitted if has_reference else past,
        late_past=tuple(p for p in past if has_reference and known.get(p.key) != p),
        kept=kept,
        new=new,
        fits=not has_reference,
        replays=replays,
        checkpoint=checkpoint,
    )


def detect(
    job: Job,
    doors: Doors,
    partition: Partition,
    grid: Grid,
) -> tuple[Detected, tuple[Refused, ...]]:
    """
    Bring the evidence of one grid up to the end of a week.

    Parameters
    ----------
    job : Job
        What to do.
    doors : Doors
        The outside.
    partition : Partition
        Which run.
    grid : Grid
        The grid.

    Returns
    -------
    detected : Detected
        Evidence and what was done.
    refused : tuple of Refused
        Looks that could not be read; they are not recorded, so the next run tries
        them again.

    Raises
    ------
    SourceError
        If the source's bands give no index.
    HistoryError
        If the history does not suffice for a reference.
    StoreError
        If stored state is damaged.
    """
    # what a run that died left behind may not be whole, and may be of other settings
    doors.blocks.scratch.clear()
    work = _Work(job, doors, partition, grid)
    found = doors.source.find(grid, until=partition.week.end)
    applied = [
        product
        for product in doors.ledger.applied(partition.line)
        if product.key.grid_id == grid.grid_id
    ]
    todo = plan(
        found,
        applied,
        has_reference=work.stored(GRID_BLOCK, "reference") is not None,
        history=job.parameters.history,
        checkpoints=work.checkpoints(),
    )
    norm = work.fit(todo.past) if todo.fits else work.norm()
    chips_ = work.start(todo)
    readouts: tuple[Readout, ...] = ()
    batches = work.batches(todo.new)
    done = 0
    for number, batch in enumerate(batches, start=1):
        for product in batch:
            doors.progress("looks", done, len(todo.new))
            done += 1
            work.survey(product, chips_, norm)
        readouts = work.add(norm, todo, last=number == len(batches))
    if todo.new:
        doors.progress("looks", len(todo.new), len(todo.new))
    detected = Detected(
        grid=grid,
        names=work.watch.names,
        norm=norm,
        readouts=readouts,
        seen=Seen.over(grid, readouts),
        kinds=work.kinds,
        rasters=work.rasters,
        plan=replace(todo, past=work.usable(todo.past)),
        applied=tuple(look.product for look in work.taken),
        looks=tuple(work.taken),
        unusable=tuple(work.unusable),
        found=len(found),
        pointers=tuple(work.written.values()),
        drift=work.drift,
        notes=(
            *work.notes,
            *_late_notes(todo),
            *_drift_notes(grid, work.drift),
        ),
    )
    return detected, tuple(work.refused)


def _late_notes(todo: Plan) -> tuple[str, ...]:
    """Say that the reference does not hold what came after it was fitted."""
    if not todo.late_past:
        return ()
    ids = [product.product_id for product in todo.late_past]
    shown = ", ".join(ids[:MOST_NAMED]) + (", ..." if len(ids) > MOST_NAMED else "")
    note = (
        f"{len(ids)} looks of the history came, or were processed again, after the "
        f"reference was fitted, and are not in it ({shown}). To fit again, start with "
        "an empty work folder"
    )
    return (note,)


def _drift_notes(grid: Grid, drift: Drift) -> tuple[str, ...]:
    """Say that a new reference is due."""
    if not drift.due:
        return ()
    note = (
        f"grid {grid.grid_id}: a new reference is due. Over the last looks the ground "
        f"scattered {drift.noise:.1f} times as much about it as over the history, so "
        "small changes are seen late. Move history.until to a later day; sites are "
        "carried over"
    )
    return (note,)


@dataclass(slots=True, kw_only=True, eq=False)
class _Chip:
    """A window on which the shift of scenes is measured, kept in memory."""

    window: Block
    """Where."""

    reference: Reference
    """Its reference."""

    state: State
    """Its evidence, which goes along with that of the blocks."""


class _Work:
    """What the passes over one grid share: doors, blocks, and what was written."""

    def __init__(
        self, job: Job, doors: Doors, partition: Partition, grid: Grid
    ) -> None:
        self.job, self.doors, self.grid = job, doors, grid
        self.blocks = tuple(grid.blocks(job.block_size))
        self.written: dict[tuple[str, StateKind], SlotPointer] = {}
        self.refused: list[Refused] = []
        self.taken: list[Look] = []
        self.unusable: list[Product] = []
        self.drift = Drift()
        self.kinds = np.zeros(len(HistoryClass), dtype=np.int64)
        until = partition.week.end
        looks = doors.blocks.looks(grid, job.parameters, until=until)
        pixels = grid.height * grid.width
        step = max(1, int((pixels / job.parameters.history.sample_pixels) ** 0.5))
        self.watch = Watch(
            grid=grid,
            parameters=job.parameters,
            names=looks.names,
            step=step,
            line=partition.line,
            until=until,
        )
        self._notes: dict[str, None] = {}
        if looks.left_out:
            note = (
                f"no bands for {', '.join(looks.left_out)}: detecting with "
                f"{', '.join(looks.names)} alone"
            )
            self._notes[note] = None
        self._committed = {
            (pointer.block_id, pointer.kind): pointer
            for pointer in doors.ledger.pointers(partition.line)
            if pointer.grid_id == grid.grid_id
        }
        self._since = partition.week.last_day.toordinal() - 6 - DAY_ZERO_ORDINAL
        self._cells = self.watch.cells
        self._weights = weights(looks.names)
        # a tiny grid cannot give the sample that a tile gives
        self._min_sample = min(
            job.parameters.evidence.min_sample, max(1, pixels // step**2 // 20)
        )
        self._test = replace(job.parameters.evidence, min_sample=self._min_sample)
        self._waiting: list[tuple[Addition, Look]] = []
        self._start: StateKind | None = None
        self._from_reference = True
        self._sample: Reference | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know."""
        return tuple(self._notes)

    def usable(self, products: Sequence[Product]) -> tuple[Product, ...]:
        """Leave out what was put aside."""
        failed = {refused.product_id for refused in self.refused}
        return tuple(p for p in products if p.product_id not in failed)

    def batches(self, products: Sequence[Product]) -> list[tuple[Product, ...]]:
        """Cut the looks so that those of one batch wait together; at least one."""
        pixels = self.grid.height * self.grid.width
        most = max(1, SCRATCH_BYTES // (SCRATCH_PER_PIXEL * pixels))
        starts = range(0, len(products), most)
        return [tuple(products[i : i + most]) for i in starts] or [()]

    # State.

    def stored(self, block_id: str, kind: StateKind) -> SlotPointer | None:
        """Give the slot that holds the newest state, if there is one."""
        return self.written.get((block_id, kind)) or self._committed.get(
            (block_id, kind)
        )

    def norm(self) -> Norm:
        """Read what is usual."""
        return Norm.unpack(cast("Reference", self._read(GRID_BLOCK, "reference")))

    def checkpoints(self) -> dict[StateKind, Checkpoint]:
        """Read what the checkpoints hold."""
        return {
            kind: Checkpoint.unpack(cast("State", self._read(GRID_BLOCK, kind)))
            for kind in CHECKPOINTS
            if self.stored(GRID_BLOCK, kind) is not None
        }

    def _pointer(self, block_id: str, kind: StateKind) -> SlotPointer:
        """Give the slot that holds the newest state."""
        pointer = self.stored(block_id, kind)
        if pointer is None:
            raise StoreError(
                f"the ledger has no {kind} of block {block_id} of grid "
                f"{self.grid.grid_id}, though it has others: was run.block_size "
                "changed? Put it back, or start with an empty work folder"
            )
        return pointer

    def _read(self, block_id: str, kind: StateKind) -> Stored:
        """Read the newest state."""
        return self.doors.states.read(self._pointer(block_id, kind))

    def _window(self, kind: StateKind, window: Block) -> Stored:
        """Read a window that may lie in several blocks, shape (plane, y, x)."""
        whole: NDArray[Any] | None = None
        for block in self.blocks:
            top, left = max(block.row, window.row), max(block.col, window.col)
            bottom = min(block.row + block.height, window.row + window.height)
            right = min(block.col + block.width, window.col + window.width)
            if top >= bottom or left >= right:
                continue
            part = self.doors.states.read_window(
                self._pointer(block.block_id, kind),
                slice(top - block.row, bottom - block.row),
                slice(left - block.col, right - block.col),
            )
            if whole is None:
                whole = np.empty(
                    (len(part), window.height, window.width), dtype=part.dtype
                )
            whole[
                :,
                top - window.row : bottom - window.row,
                left - window.col : right - window.col,
            ] = part
        if whole is None:
            raise StoreError(f"no block of grid {self.grid.grid_id} holds {window}")
        return whole

    def _write(self, array: Stored, block_id: str, kind: StateKind) -> None:
        """Write the idle slot; the ledger will point at it when the run commits."""
        self.written[block_id, kind] = self.doors.states.write(
            array,
            line=self.watch.line,
            grid_id=self.grid.grid_id,
            block_id=block_id,
            kind=kind,
            current=self._committed.get((block_id, kind)),
        )

    # Passes.

    def _map(self, step: Any, tasks: Sequence[Any]) -> list[Any]:  # noqa: ANN401
        """Take a step for every task, wherever the workers are."""
        # closed, so that no task goes on behind an error or an interrupt
        with contextlib.closing(self.doors.executor.map(step, tasks)) as results:
            return list(results)

    def fit(self, past: Sequence[Product]) -> Norm:
        """Fit the reference of every block from the looks of the history."""
        products, samples = self._history(past)
        history = History(
            products=products, shifts={}, norm=self._common(products, samples)
        )
        shifts = self._shifts(history)
        if shifts:
            for product in products:
                if product.product_id in shifts:
                    samples[product.product_id] = self._sampled(
                        product, shifts[product.product_id]
                    )
            common = self._common(products, samples)
            history = History(products=products, shifts=shifts, norm=common)
        tasks = [
            FitTask(
                block=block,
                current=self._committed.get((block.block_id, "reference")),
            )
            for block in self.blocks
        ]
        parts, places = [], []
        step = Fit(watch=self.watch, history=history)
        with contextlib.closing(self.doors.executor.map(step, tasks)) as results:
            for number, (block, fitted) in enumerate(
                zip(self.blocks, results, strict=True), start=1
            ):
                self.doors.progress("reference", number, len(tasks))
                self.written[block.block_id, "reference"] = fitted.pointer
                parts.append(fitted.sample)
                places.append(fitted.places)
                self.kinds += fitted.kinds
        order = np.argsort(np.concatenate(places))
        sample = np.concatenate(parts, axis=1)[:, order]
        self._write(sample[:, None, :], SAMPLE_BLOCK, "reference")
        packed = history.norm.packed()
        self._write(packed, GRID_BLOCK, "reference")
        self.doors.blocks.scratch.clear()
        # read back as stored, so that this run and the next see the same numbers
        return Norm.unpack(packed)

    def _history(
        self, past: Sequence[Product]
    ) -> tuple[tuple[Product, ...], dict[str, Sample]]:
        """Sample the looks of the history; put aside those that cannot be read."""
        readable, samples = [], {}
        for done, product in enumerate(past):
            self.doors.progress("history", done, len(past))
            try:
                samples[product.product_id] = self._sampled(product)
            except SourceError as error:
                self._refuse(product, error)
                continue
            readable.append(product)
        if not readable:
            raise HistoryError(
                f"there is no look at grid {self.grid.grid_id} up to "
                f"{self.job.parameters.history.until} (history.until)"
            )
        self.doors.progress("history", len(past), len(past))
        return tuple(readable), samples

    def _common(
        self, products: Sequence[Product], samples: Mapping[str, Sample]
    ) -> SceneNorm:
        """Estimate what scenes of the history share, as they now lie."""
        places = samples[products[0].product_id].places
        return scene_norm(
            np.stack([samples[product.product_id].values for product in products]),
            np.array([day_number(product) for product in products]),
            weights=self._weights,
            min_sample=self._min_sample,
            parameters=self.job.parameters.history,
            cell=self._cells.of(*np.divmod(places, self.grid.width)),
            cells=self._cells,
        )

    def _shifts(self, history: History) -> dict[str, Shift]:
        """Measure how far scenes of the history lie off; give those that are far."""
        windows = chips(self.grid)
        references = self._map(FitWindow(watch=self.watch, history=history), windows)
        changed = [unlike_before(reference) for reference in references]
        far = {}
        for product in history.products:
            shift = shift_of(
                [self._values(chip) for chip in self._chips(product, windows)],
                references,
                changed,
                day_number(product),
                self._weights,
            )
            if shift is not None and shift.length > MOST_SHIFT:
                far[product.product_id] = shift
        return far

    def start(self, todo: Plan) -> list[_Chip]:
        """Say from which evidence the looks go on; give the chips as they are there."""
        self._from_reference = todo.replays and todo.checkpoint is None
        self._start = todo.checkpoint or "evidence"
        if todo.checkpoint is not None:
            packed = cast("State", self._read(GRID_BLOCK, todo.checkpoint))
            self.drift = Checkpoint.unpack(packed).drift
        elif not todo.replays:
            self.drift = Drift.unpack(cast("State", self._read(GRID_BLOCK, "evidence")))
        self._sample = cast("Reference", self._read(SAMPLE_BLOCK, "reference"))[:, 0]
        if not todo.new:
            return []
        found = []
        for window in chips(self.grid):
            reference = cast("Reference", self._window("reference", window))
            state = (
                initial_state(reference, len(self.watch.names))
                if self._from_reference
                else cast("State", self._window(self._start, window))
            )
            found.append(_Chip(window=window, reference=reference, state=state))
        return found

    def survey(self, product: Product, chips_: list[_Chip], norm: Norm) -> None:
        """Read and screen one look, and find what its scene shares."""
        try:
            sample = self._sampled(product)
            seen = self._chips(product, [chip.window for chip in chips_])
            shift = self._shift(product, seen, chips_)
            far = shift if shift is not None and shift.length > MOST_SHIFT else None
            if far is not None:
                seen = self._chips(product, [chip.window for chip in chips_], far)
                rest = self._shift(product, seen, chips_)
                if rest is None or rest.length > MOST_SHIFT:
                    self.unusable.append(product)
                    return
                sample = self._sampled(product, far)
            statistics = self._statistics(sample, norm, day_number(product))
        except SourceError as error:
            self._refuse(product, error)
            return
        if statistics is None:
            self.unusable.append(product)
            return
        addition = Addition(
            product=product,
            shift=far,
            statistics=statistics,
            cloud_share=sample.cloud_share,
        )
        for chip, look in zip(chips_, seen, strict=True):
            add_look(
                chip.state,
                chip.reference,
                look,
                addition,
                watch=self.watch,
                norm=norm,
                block=chip.window,
            )
        noise = round(float(np.median(statistics.noise)), 3)
        self.drift = self.drift.after(noise)
        nothing = ClearCounts(
            pixels=0, not_measured=0, classed_out=0, grown_out=0, snow=0, clear=0
        )
        look_taken = Look(
            product=product,
            shift=shift,
            put_back=far is not None,
            noise=noise,
            sample=statistics.sample,
            weak_cells=statistics.weak_cells,
            counts=nothing,
        )
        self._waiting.append((addition, look_taken))

    def add(self, norm: Norm, todo: Plan, *, last: bool) -> tuple[Readout, ...]:
        """Add the looks that wait to every block; write what changed."""
        writes = bool(self._waiting) or (last and todo.replays and not self.taken)
        kinds: tuple[StateKind, ...] = ("evidence",) if writes else ()
        held = [
            *todo.kept,
            *(look.product for look in self.taken),
            *(look.product for _, look in self._waiting),
            *self.unusable,
        ]
        checkpoint = due(held, self.checkpoints()) if last and writes else None
        if checkpoint is not None:
            kinds = (*kinds, checkpoint)
        step = Add(
            watch=self.watch,
            norm=norm,
            additions=tuple(addition for addition, _ in self._waiting),
            kinds=kinds,
            reads_out=last,
            since=self._since,
        )
        tasks = [
            BlockTask(
                block=block,
                reference=self._pointer(block.block_id, "reference"),
                evidence=(
                    None
                    if self._from_reference
                    else self._pointer(block.block_id, self._start or "evidence")
                ),
                current={
                    kind: self._committed[block.block_id, kind]
                    for kind in kinds
                    if (block.block_id, kind) in self._committed
                },
            )
            for block in self.blocks
        ]
        readouts: list[Readout] = []
        counts: list[list[ClearCounts]] = [[] for _ in self._waiting]
        with contextlib.closing(self.doors.executor.map(step, tasks)) as results:
            for number, (block, added) in enumerate(
                zip(self.blocks, results, strict=True), start=1
            ):
                if len(tasks) > 1:
                    self.doors.progress("blocks", number, len(tasks))
                for pointer in added.pointers:
                    self.written[block.block_id, pointer.kind] = pointer
                for parts, part in zip(counts, added.counts, strict=True):
                    parts.append(part)
                if added.readout is not None:
                    readouts.append(added.readout)
        self.taken += [
            replace(look, counts=total(parts))
            for (_, look), parts in zip(self._waiting, counts, strict=True)
        ]
        self._waiting = []
        self.doors.blocks.scratch.clear()
        if writes:
            self._from_reference, self._start = False, "evidence"
            self._write(self.drift.packed(), GRID_BLOCK, "evidence")
        if checkpoint is not None:
            packed = Checkpoint.of(held, self.drift).packed()
            self._write(packed, GRID_BLOCK, checkpoint)
        return tuple(readouts)

    def rasters(self, drawn: Drawn) -> tuple[xr.Dataset, xr.DataArray]:
        """Give evidence per pixel, and the day of the last clear look."""
        evidence = {
            block: self._pointer(block.block_id, "evidence") for block in self.blocks
        }

        def read(block: Block) -> Mapping[str, NDArray[Any]]:
            reference = self._read(block.block_id, "reference")
            return evidence_of(
                cast("State", self.doors.states.read(evidence[block])),
                cast("Reference", reference),
                drawn.outlined(block),
                self.job.parameters,
            )

        return rasters_of(self.grid, self.blocks, read)

    def _refuse(self, product: Product, error: SourceError) -> None:
        """Put a look aside with its reason."""
        self.refused.append(Refused(product_id=product.product_id, reason=str(error)))

    def _sampled(self, product: Product, shift: Shift | None = None) -> Sample:
        """Take the fixed sample of a look; every block is read and screened."""
        tasks = [
            LookTask(product=product, block=block, shift=shift) for block in self.blocks
        ]
        parts = self._map(Survey(watch=self.watch), tasks)
        for part in parts:
            self._notes |= dict.fromkeys(part.notes)
        return whole_sample([part.sample for part in parts])

    def _chips(
        self, product: Product, windows: Sequence[Block], shift: Shift | None = None
    ) -> list[ScreenedLook | Sight]:
        """Read the chips of a look."""
        tasks = [
            LookTask(product=product, block=window, shift=shift) for window in windows
        ]
        return self._map(ReadChip(watch=self.watch), tasks)

    def _values(self, seen: ScreenedLook | Sight) -> NDArray[np.float32]:
        """Give the indices of a chip where its ground was seen."""
        return (
            seen.seen
            if isinstance(seen, Sight)
            else values_seen(seen, self.watch.names)
        )

    def _shift(
        self,
        product: Product,
        seen: Sequence[ScreenedLook | Sight],
        chips_: Sequence[_Chip],
    ) -> Shift | None:
        """Measure how far a scene lies off."""
        return shift_of(
            [self._values(look) for look in seen],
            [chip.reference for chip in chips_],
            [tiers(chip.state, self.job.parameters.evidence) > 0 for chip in chips_],
            day_number(product),
            self._weights,
        )

    def _statistics(
        self, sample: Sample, norm: Norm, day: int
    ) -> SceneStatistics | None:
        """Compare the scene's fixed sample with the reference."""
        if self._sample is None:
            raise StoreError(f"grid {self.grid.grid_id} has no sample of its reference")
        rows, cols = np.divmod(sample.places, self.grid.width)
        return scene_statistics(
            residuals(sample.values, self._sample, day),
            norm=norm,
            parameters=self._test,
            cell=self._cells.of(rows, cols),
            cells=self._cells,
        )
