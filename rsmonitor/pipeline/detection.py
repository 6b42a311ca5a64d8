"""From what a source has of one grid to its evidence: fit once, then look by look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import HistoryError, SourceError, StoreError
from rsmonitor.pipeline.job import Doors, Job, Refused
from rsmonitor.pipeline.looks import Looks, Sample, day_number, day_of
from rsmonitor.pipeline.relief import Relief
from rsmonitor.records.acquisition import Product
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.parameters import HistoryParameters
from rsmonitor.records.rasters import planes
from rsmonitor.records.run import Partition, SlotPointer, StateKind
from rsmonitor.stages.clear import ClearCounts, total
from rsmonitor.stages.drift import Drift
from rsmonitor.stages.evidence import (
    SceneStatistics,
    initial_state,
    observe,
    residuals,
    scene_statistics,
    tiers,
)
from rsmonitor.stages.history import (
    Norm,
    SceneNorm,
    fit_reference,
    scene_norm,
    unlike_before,
)
from rsmonitor.stages.indices import weights
from rsmonitor.stages.levelling import Cells
from rsmonitor.stages.registration import MOST_SHIFT, Shift, chips, shift_of
from rsmonitor.stages.sight import with_rescued

GRID_BLOCK = "grid"
"""Block id of what a grid stores beside its blocks: its `Norm` as reference, its
`Drift` as evidence."""

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
    relief = None if doors.elevation is None else Relief(doors.elevation, grid)
    looks = Looks(doors.source, grid, job.parameters, relief)
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
        states, drift = work.initial_states(references), Drift()
    else:
        states = {b.block_id: work.read_evidence(b.block_id) for b in work.blocks}
        drift = Drift.unpack(work.read_evidence(GRID_BLOCK))
    looks.forget()
    taken: list[Look] = []
    unusable: list[Product] = []
    for done, product in enumerate(todo.new):
        doors.progress("looks", done, len(todo.new))
        try:
            added = work.take(product, states, references, norm)
            if added is None:
                unusable.append(product)
            else:
                states, look = added
                drift = drift.after(look.noise)
                taken.append(look)
        except SourceError as error:
            work.refuse(product, error)
        looks.forget()
    if todo.new:
        doors.progress("looks", len(todo.new), len(todo.new))
    if taken or todo.replays:
        for block in work.blocks:
            work.write(states[block.block_id], block.block_id, "evidence")
        work.write(drift.packed(), GRID_BLOCK, "evidence")
    detected = Detected(
        grid=grid,
        names=looks.names,
        state=work.assemble(states),
        reference=work.assemble(references),
        norm=norm,
        plan=replace(todo, past=work.usable(todo.past)),
        applied=tuple(look.product for look in taken),
        looks=tuple(taken),
        unusable=tuple(unusable),
        found=len(found),
        pointers=tuple(work.written),
        drift=drift,
        notes=(
            *work.notes,
            *(() if relief is None else relief.notes),
            *_late_notes(todo),
            *_drift_notes(grid, drift),
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Places:
    """What is known of the chips on which the shift of a scene is measured."""

    references: list[Reference]
    """Reference of each chip."""

    disturbed: list[NDArray[np.bool_]]
    """True where there is evidence of a disturbance, of each chip."""


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
        self._cells = Cells.over(grid.shape, self._step)
        self._chips = chips(grid)
        self._shifts: dict[str, Shift] = {}
        # a tiny grid cannot give the sample that a tile gives
        self._min_sample = min(
            job.parameters.evidence.min_sample, max(1, pixels // self._step**2 // 20)
        )
        self._test = replace(job.parameters.evidence, min_sample=self._min_sample)

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
        readable = self._readable(past)
        common = self._common(readable)
        if self._register(readable, common):
            common = self._common(readable)
        numbers = np.array([day_number(product) for product in readable])
        references: dict[str, Reference] = {}
        results = self.doors.executor.map(
            lambda block: self._fitted(readable, numbers, block, common), self.blocks
        )
        for block, reference in zip(self.blocks, results, strict=True):
            self.write(reference, block.block_id, "reference")
            references[block.block_id] = reference
        self.write(common.packed(), GRID_BLOCK, "reference")
        self.doors.progress("history", len(past), len(past))
        # read back as stored, so that this run and the next see the same numbers
        return references, Norm.unpack(common.packed())

    def _readable(self, past: Sequence[Product]) -> list[Product]:
        """Put aside the looks of the history that cannot be read."""
        readable = []
        for done, product in enumerate(past):
            self.doors.progress("history", done, len(past))
            try:
                self.looks.sample(product, self.blocks, self._step)
            except SourceError as error:
                self.refuse(product, error)
                continue
            readable.append(product)
        if not readable:
            raise HistoryError(
                f"there is no look at grid {self.grid.grid_id} up to "
                f"{self.job.parameters.history.until} (history.until)"
            )
        return readable

    def _common(self, products: Sequence[Product]) -> SceneNorm:
        """Estimate what scenes of the history share, as they now lie."""
        samples, places = [], np.empty(0, dtype=np.int64)
        for product in products:
            shift = self._shifts.get(product.product_id)
            sample = self.looks.sample(product, self.blocks, self._step, shift)
            samples.append(sample.values)
            places = sample.places
        return scene_norm(
            np.stack(samples),
            np.array([day_number(product) for product in products]),
            weights=self._weights,
            min_sample=self._min_sample,
            parameters=self.job.parameters.history,
            cell=self._cells.of(*np.divmod(places, self.grid.width)),
            cells=self._cells,
        )

    def _register(self, products: Sequence[Product], common: SceneNorm) -> bool:
        """Measure how far scenes of the history lie off; True if any is far."""
        numbers = np.array([day_number(product) for product in products])
        references = [
            self._fitted(products, numbers, chip, common) for chip in self._chips
        ]
        for product, day in zip(products, numbers, strict=True):
            seen = [self.looks.sight(product, chip).seen for chip in self._chips]
            changed = [unlike_before(reference) for reference in references]
            shift = shift_of(seen, references, changed, int(day), self._weights)
            if shift is not None and shift.length > MOST_SHIFT:
                self._shifts[product.product_id] = shift
        return bool(self._shifts)

    def _fitted(
        self,
        products: Sequence[Product],
        days: NDArray[np.int64],
        window: Block,
        common: SceneNorm,
    ) -> Reference:
        """Fit the reference of a window."""
        values = np.stack(
            [
                self.looks.sight(p, window, self._shifts.get(p.product_id)).seen
                for p in products
            ]
        )
        offsets = np.stack(
            [self._cells.at(o, window.rows, window.cols) for o in common.offsets]
        )
        return fit_reference(
            values,
            days,
            offsets,
            norm=common,
            weights=self._weights,
            names=self.looks.names,
            parameters=self.job.parameters.history,
        )

    def initial_states(self, references: Mapping[str, Reference]) -> dict[str, State]:
        """Make evidence in which nothing has happened since the history."""
        return {
            block_id: initial_state(reference, len(self.looks.names))
            for block_id, reference in references.items()
        }

    def take(
        self,
        product: Product,
        states: Mapping[str, State],
        references: Mapping[str, Reference],
        norm: Norm,
    ) -> tuple[dict[str, State], Look] | None:
        """Add one look to the evidence; None if it shows too little or lies off."""
        day = day_number(product)
        places = _Places(
            references=[self._cut(references, chip) for chip in self._chips],
            disturbed=[
                tiers(self._cut(states, chip), self.job.parameters.evidence) > 0
                for chip in self._chips
            ],
        )
        shift = self._shift(product, places, day)
        far = shift if shift is not None and shift.length > MOST_SHIFT else None
        if far is not None:
            rest = self._shift(product, places, day, far)
            if rest is None or rest.length > MOST_SHIFT:
                return None
        sample = self.looks.sample(product, self.blocks, self._step, far)
        statistics = self._statistics(sample, references, norm, day)
        if statistics is None:
            return None

        def added(block: Block) -> tuple[State, ClearCounts]:
            seen = self.looks.sight(product, block, far)
            before = states[block.block_id]
            bright, values, rescued = with_rescued(
                seen,
                planes(before)["bright_looks"],
                cloud_share=sample.cloud_share,
                parameters=self.job.parameters.rescue,
            )
            state = observe(
                before,
                references[block.block_id],
                values,
                day=day,
                weights=self._weights,
                shared=statistics.over(self._cells, block.rows, block.cols),
                norm=norm,
                parameters=self.job.parameters.evidence,
            )
            planes(state)["bright_looks"][...] = bright
            return state, replace(
                seen.counts, clear=seen.counts.clear + rescued, rescued=rescued
            )

        results = list(self.doors.executor.map(added, self.blocks))
        after = {
            block.block_id: state
            for block, (state, _) in zip(self.blocks, results, strict=True)
        }
        look = Look(
            product=product,
            shift=shift,
            put_back=far is not None,
            noise=round(float(np.median(statistics.noise)), 3),
            sample=statistics.sample,
            weak_cells=statistics.weak_cells,
            counts=total([counts for _, counts in results]),
        )
        return after, look

    def _shift(
        self,
        product: Product,
        places: "_Places",
        day: int,
        put_back: Shift | None = None,
    ) -> Shift | None:
        """Measure how far a scene lies off."""
        seen = [self.looks.sight(product, c, put_back).seen for c in self._chips]
        return shift_of(seen, places.references, places.disturbed, day, self._weights)

    def _cut(
        self, parts: Mapping[str, NDArray[_Number]], window: Block
    ) -> NDArray[_Number]:
        """Cut a window out of the blocks, shape (plane, y, x)."""
        first = next(iter(parts.values()))
        cut = np.empty((len(first), window.height, window.width), dtype=first.dtype)
        for block in self.blocks:
            top = max(block.row, window.row)
            left = max(block.col, window.col)
            bottom = min(block.row + block.height, window.row + window.height)
            right = min(block.col + block.width, window.col + window.width)
            if top < bottom and left < right:
                cut[
                    :,
                    top - window.row : bottom - window.row,
                    left - window.col : right - window.col,
                ] = parts[block.block_id][
                    :,
                    top - block.row : bottom - block.row,
                    left - block.col : right - block.col,
                ]
        return cut

    def _statistics(
        self,
        sample: Sample,
        references: Mapping[str, Reference],
        norm: Norm,
        day: int,
    ) -> SceneStatistics | None:
        """Compare the scene's fixed sample with the reference."""
        rows, cols = np.divmod(sample.places, self.grid.width)
        reference = np.empty(
            (len(next(iter(references.values()))), rows.size), dtype=np.int16
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
        departures = residuals(sample.values, reference, day)
        return scene_statistics(
            departures,
            norm=norm,
            parameters=self._test,
            cell=self._cells.of(rows, cols),
            cells=self._cells,
        )
