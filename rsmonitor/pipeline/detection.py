"""From what a source has of one grid to its evidence: fit once, then look by look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import HistoryError, SourceError, StoreError
from rsmonitor.pipeline.job import Doors, Job, Refused
from rsmonitor.pipeline.looks import Looks, day_number, day_of
from rsmonitor.records.acquisition import Product
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.parameters import HistoryParameters
from rsmonitor.records.run import Partition, SlotPointer, StateKind
from rsmonitor.stages.evidence import (
    SceneStatistics,
    initial_state,
    observe,
    residuals,
    scene_statistics,
)
from rsmonitor.stages.history import Norm, fit_reference, scene_norm
from rsmonitor.stages.indices import weights

GRID_BLOCK = "grid"
"""Block id under which a grid's `Norm` is stored, beside those of its blocks."""

MOST_NAMED = 3
"""Products that a note names; the ledger holds them all."""

State = NDArray[np.uint16]
Reference = NDArray[np.int16]
Stored = NDArray[np.uint16] | NDArray[np.int16]
_Number = TypeVar("_Number", bound=np.generic)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run has to do on one grid."""

    past: tuple[Product, ...]
    """Looks of the history: those to fit on, or those that were."""

    late_past: tuple[Product, ...]
    """Looks of the history that came, or were processed again, after the fit."""

    new: tuple[Product, ...]
    """Looks to add to the evidence, oldest first."""

    fits: bool
    """True if there is no reference yet."""

    replays: bool
    """True if the evidence starts again from the reference."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detected:
    """The evidence of one grid after a run."""

    grid: Grid
    """The grid."""

    names: tuple[str, ...]
    """Indices, in the order of `state` and `reference`."""

    state: State
    """Evidence of the whole grid, shape (plane, y, x)."""

    reference: Reference
    """Reference of the whole grid, shape (parameter, y, x)."""

    norm: Norm
    """What is usual."""

    plan: Plan
    """What was done."""

    applied: tuple[Product, ...]
    """Looks added to the evidence by this run."""

    unusable: tuple[Product, ...]
    """Looks that showed too little ground to be judged; recorded, not tried again."""

    found: int
    """Looks that the source knows up to the end of the week."""

    pointers: tuple[SlotPointer, ...]
    """Slots that this run wrote."""

    notes: tuple[str, ...]
    """What a person should know."""


def plan(
    found: Sequence[Product],
    applied: Sequence[Product],
    *,
    has_reference: bool,
    history: HistoryParameters,
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

    Returns
    -------
    Plan
        What to do. A late or reprocessed look changes everything after it, so the
        evidence then starts again from the reference.
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
    return Plan(
        past=fitted if has_reference else past,
        late_past=tuple(p for p in past if has_reference and known.get(p.key) != p),
        new=monitoring if replays else fresh,
        fits=not has_reference,
        replays=replays,
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
    looks = Looks(doors.source, grid, job.parameters)
    work = _Work(job, doors, partition, grid, looks)
    found = doors.source.find(grid, until=partition.week.end)
    todo = plan(
        found,
        [
            product
            for product in doors.ledger.applied(partition.line)
            if product.key.grid_id == grid.grid_id
        ],
        has_reference=work.stored(GRID_BLOCK, "reference") is not None,
        history=job.parameters.history,
    )
    if todo.fits:
        references, norm = work.fit(todo.past)
    else:
        references = {b.block_id: work.read_reference(b.block_id) for b in work.blocks}
        norm = Norm.unpack(work.read_reference(GRID_BLOCK))
    if todo.replays:
        states = work.initial_states(todo.past)
    else:
        states = {b.block_id: work.read_evidence(b.block_id) for b in work.blocks}
    looks.forget()
    applied, unusable = [], []
    for done, product in enumerate(todo.new):
        doors.progress("looks", done, len(todo.new))
        try:
            statistics = work.statistics(product, references, norm)
            if statistics is None:
                unusable.append(product)
            else:
                states = work.observe(product, states, references, norm, statistics)
                applied.append(product)
        except SourceError as error:
            work.refuse(product, error)
        looks.forget()
    if todo.new:
        doors.progress("looks", len(todo.new), len(todo.new))
    if applied or todo.replays:
        for block in work.blocks:
            work.write(states[block.block_id], block.block_id, "evidence")
    detected = Detected(
        grid=grid,
        names=looks.names,
        state=work.assemble(states),
        reference=work.assemble(references),
        norm=norm,
        plan=replace(todo, past=work.usable(todo.past)),
        applied=tuple(applied),
        unusable=tuple(unusable),
        found=len(found),
        pointers=tuple(work.written),
        notes=(*work.notes, *_late_notes(todo)),
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


class _Work:
    """What the steps on one grid share: doors, blocks, and what was written."""

    def __init__(
        self, job: Job, doors: Doors, partition: Partition, grid: Grid, looks: Looks
    ) -> None:
        self.job, self.doors, self.grid, self.looks = job, doors, grid, looks
        self.blocks = tuple(grid.blocks(job.block_size))
        self._weights = weights(looks.names)
        self.written: list[SlotPointer] = []
        self.refused: list[Refused] = []
        self._line = partition.line
        self._pointers = {
            (pointer.block_id, pointer.kind): pointer
            for pointer in doors.ledger.pointers(partition.line)
            if pointer.grid_id == grid.grid_id
        }
        pixels = grid.height * grid.width
        self._step = max(1, int((pixels / job.parameters.history.sample_pixels) ** 0.5))
        # a tiny grid cannot give the sample that a tile gives
        self._min_sample = min(
            job.parameters.evidence.min_sample, max(1, pixels // self._step**2 // 20)
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know."""
        if not self.looks.left_out:
            return ()
        note = (
            f"no bands for {', '.join(self.looks.left_out)}: detecting with "
            f"{', '.join(self.looks.names)} alone"
        )
        return (note,)

    def refuse(self, product: Product, error: SourceError) -> None:
        """Put a look aside with its reason."""
        self.refused.append(Refused(product_id=product.product_id, reason=str(error)))

    def usable(self, products: Sequence[Product]) -> tuple[Product, ...]:
        """Leave out what was put aside."""
        failed = {refused.product_id for refused in self.refused}
        return tuple(p for p in products if p.product_id not in failed)

    # State.

    def stored(self, block_id: str, kind: StateKind) -> SlotPointer | None:
        """Give the slot that holds the truth, if there is one."""
        return self._pointers.get((block_id, kind))

    def read_reference(self, block_id: str) -> Reference:
        """Read the reference of a block, or the grid's norm."""
        return cast("Reference", self._read(block_id, "reference"))

    def read_evidence(self, block_id: str) -> State:
        """Read the evidence of a block."""
        return cast("State", self._read(block_id, "evidence"))

    def _read(self, block_id: str, kind: StateKind) -> Stored:
        """Read the slot that holds the truth."""
        pointer = self.stored(block_id, kind)
        if pointer is None:
            raise StoreError(
                f"the ledger has no {kind} of block {block_id} of grid "
                f"{self.grid.grid_id}, though it has others: was run.block_size "
                "changed? Put it back, or start with an empty work folder"
            )
        return self.doors.states.read(pointer)

    def write(self, array: Stored, block_id: str, kind: StateKind) -> None:
        """Write the idle slot; the ledger will point at it when the run commits."""
        pointer = self.doors.states.write(
            array,
            line=self._line,
            grid_id=self.grid.grid_id,
            block_id=block_id,
            kind=kind,
            current=self.stored(block_id, kind),
        )
        self.written.append(pointer)

    def assemble(self, parts: Mapping[str, NDArray[_Number]]) -> NDArray[_Number]:
        """Lay the blocks side by side, shape (plane, y, x)."""
        first = parts[self.blocks[0].block_id]
        whole = np.empty((len(first), *self.grid.shape), dtype=first.dtype)
        for block in self.blocks:
            whole[:, block.rows, block.cols] = parts[block.block_id]
        return whole

    # Steps.

    def fit(self, past: Sequence[Product]) -> tuple[dict[str, Reference], Norm]:
        """Fit the reference of every block from the looks of the history."""
        parameters = self.job.parameters
        samples, days = [], []
        for done, product in enumerate(past):
            self.doors.progress("history", done, len(past))
            try:
                sample, _ = self.looks.sample(product, self.blocks, self._step)
            except SourceError as error:
                self.refuse(product, error)
                continue
            samples.append(sample)
            days.append(product)
        if not samples:
            raise HistoryError(
                f"there is no look at grid {self.grid.grid_id} up to "
                f"{parameters.history.until} (history.until)"
            )
        numbers = np.array([day_number(product) for product in days])
        common = scene_norm(
            np.stack(samples),
            numbers,
            weights=self._weights,
            min_sample=self._min_sample,
            parameters=parameters.history,
        )

        def fitted(block: Block) -> Reference:
            values = np.stack([self.looks.values(p, block) for p in days])
            return fit_reference(
                values, numbers, common.offsets, parameters=parameters.history
            )

        references: dict[str, Reference] = {}
        results = self.doors.executor.map(fitted, self.blocks)
        for block, reference in zip(self.blocks, results, strict=True):
            self.write(reference, block.block_id, "reference")
            references[block.block_id] = reference
        self.write(common.packed(), GRID_BLOCK, "reference")
        self.doors.progress("history", len(past), len(past))
        # read back as stored, so that this run and the next see the same numbers
        return references, Norm.unpack(common.packed())

    def initial_states(self, past: Sequence[Product]) -> dict[str, State]:
        """Make evidence in which nothing has happened since the history."""
        last_clear = {
            block.block_id: np.zeros((block.height, block.width), dtype=np.uint16)
            for block in self.blocks
        }
        for product in self.usable(past):
            try:
                seen = {
                    block.block_id: np.isfinite(self.looks.values(product, block)[0])
                    for block in self.blocks
                }
            except SourceError as error:
                # a replay fits nothing, so it meets the look for the first time
                self.refuse(product, error)
                continue
            for block_id, clear in seen.items():
                last_clear[block_id][clear] = day_number(product)
        return {
            block_id: initial_state(len(self.looks.names), days)
            for block_id, days in last_clear.items()
        }

    def statistics(
        self, product: Product, references: Mapping[str, Reference], norm: Norm
    ) -> SceneStatistics | None:
        """Compare the scene's fixed sample with the reference."""
        values, places = self.looks.sample(product, self.blocks, self._step)
        rows, cols = np.divmod(places, self.grid.width)
        reference = np.empty(
            (len(next(iter(references.values()))), places.size), dtype=np.int16
        )
        for block in self.blocks:
            inside = (
                (rows >= block.row)
                & (rows < block.row + block.height)
                & (cols >= block.col)
                & (cols < block.col + block.width)
            )
            reference[:, inside] = references[block.block_id][
                :, rows[inside] - block.row, cols[inside] - block.col
            ]
        departures = residuals(values, reference, day_number(product))
        return scene_statistics(
            departures,
            norm=norm,
            parameters=replace(
                self.job.parameters.evidence, min_sample=self._min_sample
            ),
        )

    def observe(
        self,
        product: Product,
        states: Mapping[str, State],
        references: Mapping[str, Reference],
        norm: Norm,
        statistics: SceneStatistics,
    ) -> dict[str, State]:
        """Add one look to the evidence of every block."""

        def added(block: Block) -> State:
            return observe(
                states[block.block_id],
                references[block.block_id],
                self.looks.values(product, block),
                day=day_number(product),
                weights=self._weights,
                statistics=statistics,
                norm=norm,
                parameters=self.job.parameters.evidence,
            )

        results = self.doors.executor.map(added, self.blocks)
        return {
            block.block_id: state
            for block, state in zip(self.blocks, results, strict=True)
        }
