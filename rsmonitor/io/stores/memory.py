"""In-memory doors that obey the same laws as the real ones, for tests and trials.

Of `rsmonitor.interfaces`, the clock and the executor have theirs elsewhere:
`rsmonitor.io.foundation.clock.FixedClock` and
`rsmonitor.io.executors.inprocess.InProcessExecutor`.
"""

import contextlib
import hashlib
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import xarray as xr
import xxhash
from numpy.typing import NDArray

from rsmonitor.errors import (
    BusyError,
    ContractError,
    OutputError,
    SourceError,
    StoreError,
)
from rsmonitor.io.stores.codec import encode_text
from rsmonitor.io.stores.commit import (
    chain_problems,
    chained,
    check_commit,
    check_draft,
    check_flip,
    check_head,
    check_same,
    said_of,
)
from rsmonitor.io.stores.slot_format import Layout, State
from rsmonitor.io.stores.snapshot import snapshot_of
from rsmonitor.io.stores.state import idle_slot, part_of, target_of
from rsmonitor.records.acquisition import AcquisitionKey, Product
from rsmonitor.records.alert import Alert
from rsmonitor.records.case import Said
from rsmonitor.records.district import IDENTIFIER
from rsmonitor.records.event import GENESIS, Event, EventDraft
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.licence import Licence, RegisterSnapshot
from rsmonitor.records.rasters import SCENE, check
from rsmonitor.records.run import (
    RunCommit,
    RunRecord,
    RunResult,
    SlotPointer,
    StateKind,
)
from rsmonitor.records.scene import SceneNumbers
from rsmonitor.records.site import Site
from rsmonitor.stages.reflectance import as_numbers

_Place = tuple[str, str, str, str]


class MemoryStateStore:
    """State of blocks in memory; satisfies `rsmonitor.interfaces.StateStore`."""

    def __init__(self) -> None:
        self._slots: dict[tuple[_Place, int], State] = {}

    def write(
        self,
        array: State,
        *,
        line: str,
        grid_id: str,
        block_id: str,
        kind: StateKind,
        current: SlotPointer | None,
    ) -> SlotPointer:
        """
        Keep a copy in the slot that `current` does not point at.

        Parameters
        ----------
        array : ndarray of uint16 or int16, shape (plane, y, x)
            The state.
        line : str
            `Partition.line`.
        grid_id : str
            `Grid.grid_id`.
        block_id : str
            `Block.block_id`.
        kind : {"reference", "evidence"}
            Which state of the block.
        current : SlotPointer or None
            The slot that is the truth for this place.

        Returns
        -------
        SlotPointer
            Points at what was written.

        Raises
        ------
        ContractError
            As `rsmonitor.io.stores.state.SlotStateStore.write`.
        """
        place = (line, grid_id, block_id, kind)
        slot = idle_slot(array, place=place, current=current)
        native: Any = np.array(array, dtype=Layout.of(array).dtype, order="C")
        self._slots[place, slot] = native
        return SlotPointer(
            line=line,
            grid_id=grid_id,
            block_id=block_id,
            kind=kind,
            slot=slot,
            sha256=_array_digest(native),
        )

    def read(
        self,
        pointer: SlotPointer,
        planes: slice | None = None,
        *,
        out: State | None = None,
    ) -> State:
        """
        Read a slot, or some of its planes, and check its digest.

        Parameters
        ----------
        pointer : SlotPointer
            From `write`, or from the ledger.
        planes : slice, optional
            Which planes, in steps of 1; all by default.
        out : ndarray of uint16 or int16, shape (plane, y, x), optional
            Where to.

        Returns
        -------
        ndarray of uint16 or int16, shape (plane, y, x)
            `out`, or a copy.

        Raises
        ------
        StoreError
            If the slot is missing or holds something else.
        ContractError
            If `planes` or `out` does not fit.
        """
        array = self._held(pointer)
        part = part_of(Layout.of(array), planes=planes)
        target = target_of(Layout.of(array), part, out)
        target[:] = array[part[0].start : part[0].stop]
        return target

    def read_window(self, pointer: SlotPointer, rows: slice, cols: slice) -> State:
        """
        Read a window of a slot.

        Parameters
        ----------
        pointer : SlotPointer
            As for `read`.
        rows : slice
            Rows of the block, in steps of 1.
        cols : slice
            Columns, likewise.

        Returns
        -------
        ndarray of uint16 or int16, shape (plane, y, x)
            A copy.

        Raises
        ------
        StoreError
            If the slot is missing or holds something else.
        ContractError
            If a slice has another step.
        """
        array = self._held(pointer)
        part_of(Layout.of(array), rows=rows, cols=cols)
        return array[:, rows, cols].copy()

    def _held(self, pointer: SlotPointer) -> State:
        """Give what a slot holds, if it is what the pointer means."""
        array = self._slots.get((pointer.place, pointer.slot))
        name = f"state {'/'.join(pointer.place)}/{pointer.slot}"
        if array is None:
            raise StoreError(f"{name} is missing")
        if _array_digest(array) != pointer.sha256:
            raise StoreError(f"{name} is damaged: its digest is not {pointer.sha256}")
        return array

    def forget(self, keep: Iterable[SlotPointer], *, lines: Iterable[str]) -> None:
        """
        Remove the blocks of `lines` that no pointer of `keep` points at.

        Parameters
        ----------
        keep : iterable of SlotPointer
            The truth.
        lines : iterable of str
            Lines to clean.
        """
        kept = {pointer.place for pointer in keep}
        cleaned = set(lines)
        for place, slot in list(self._slots):
            if place[0] in cleaned and place not in kept:
                del self._slots[place, slot]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Books:
    """Everything that a ledger holds; a commit makes new ones or none."""

    runs: tuple[tuple[datetime, RunRecord], ...] = ()
    pointers: Mapping[_Place, SlotPointer] = field(default_factory=dict)
    applied: Mapping[tuple[str, AcquisitionKey], Product] = field(default_factory=dict)
    sites: Mapping[str, tuple[Site, ...]] = field(default_factory=dict)
    alerts: Mapping[str, tuple[Alert, ...]] = field(default_factory=dict)
    versions: tuple[Alert, ...] = ()
    said: tuple[tuple[str, Said], ...] = ()
    events: tuple[Event, ...] = ()


class MemoryLedger:
    """The ledger in memory; satisfies `rsmonitor.interfaces.Ledger`."""

    def __init__(self) -> None:
        self._books = _Books()
        self._turn = threading.Lock()
        self._busy: set[str] = set()

    @contextlib.contextmanager
    def lock(self, district: str) -> Iterator[None]:
        """
        Hold a district.

        Parameters
        ----------
        district : str
            `District.code`.

        Yields
        ------
        None
            While it is held.

        Raises
        ------
        BusyError
            If it is held already.
        ContractError
            If the district is no plain name.
        """
        if not IDENTIFIER.fullmatch(district):
            raise ContractError(
                f"district must match {IDENTIFIER.pattern}, got {district!r}"
            )
        with self._turn:
            if district in self._busy:
                raise BusyError(f"district {district} is busy; wait until it ends")
            self._busy.add(district)
        try:
            yield
        finally:
            self._busy.discard(district)

    def runs(self, district: str) -> tuple[RunRecord, ...]:
        """
        List the committed runs of a district, oldest week first.

        Parameters
        ----------
        district : str
            `District.code`.

        Returns
        -------
        tuple of RunRecord
            Of all lines.
        """
        runs = sorted(self._books.runs, key=lambda run: (run[1].week, run[0]))
        return tuple(record for _, record in runs if record.district == district)

    def pointers(self, line: str) -> tuple[SlotPointer, ...]:
        """
        List the slots that are the truth for a line of runs.

        Parameters
        ----------
        line : str
            `Partition.line`.

        Returns
        -------
        tuple of SlotPointer
            By grid, block and kind.
        """
        pointers = sorted(self._books.pointers.items())
        return tuple(pointer for place, pointer in pointers if place[0] == line)

    def applied(self, line: str) -> tuple[Product, ...]:
        """
        List the products that are part of a line's state.

        Parameters
        ----------
        line : str
            `Partition.line`.

        Returns
        -------
        tuple of Product
            Oldest first.
        """
        products = [p for (of, _), p in self._books.applied.items() if of == line]
        return tuple(sorted(products, key=lambda p: (p.sensed_at, p.key)))

    def sites(self, district: str) -> tuple[Site, ...]:
        """
        List the sites of a district as they are now.

        Parameters
        ----------
        district : str
            `District.code`.

        Returns
        -------
        tuple of Site
            By id.
        """
        sites = self._books.sites.get(district, ())
        return tuple(sorted(sites, key=lambda s: s.site_id))

    def alerts(self, district: str) -> tuple[Alert, ...]:
        """
        List the standing alerts of a district.

        Parameters
        ----------
        district : str
            `District.code`.

        Returns
        -------
        tuple of Alert
            By rank.
        """
        alerts = self._books.alerts.get(district, ())
        return tuple(sorted(alerts, key=lambda a: (a.rank, a.alert_id)))

    def versions(self, alert_id: str) -> tuple[Alert, ...]:
        """
        List all that was ever said of an alert.

        Parameters
        ----------
        alert_id : str
            `Alert.alert_id`.

        Returns
        -------
        tuple of Alert
            In the order in which it was committed.
        """
        return tuple(a for a in self._books.versions if a.alert_id == alert_id)

    def said(self, district: str) -> tuple[Said, ...]:
        """
        List when each version of each alert of a district was said.

        Parameters
        ----------
        district : str
            `District.code`.

        Returns
        -------
        tuple of Said
            In the order in which they were committed.
        """
        return tuple(said for of, said in self._books.said if of == district)

    def lines(self, district: str) -> tuple[str, ...]:
        """
        List the lines of a district that have state.

        Parameters
        ----------
        district : str
            `District.code`.

        Returns
        -------
        tuple of str
            Values of `Partition.line`, in order.
        """
        books = self._books
        alive = {place[0] for place in books.pointers}
        alive |= {line for line, _ in books.applied}
        lines = {record.line for _, record in books.runs if record.district == district}
        return tuple(sorted(lines & alive))

    def retire(self, lines: Iterable[str]) -> None:
        """
        Take the state of lines out of the ledger; their runs and events stay.

        Parameters
        ----------
        lines : iterable of str
            Values of `Partition.line`.
        """
        gone = set(lines)
        with self._turn:
            books = self._books
            self._books = replace(
                books,
                pointers={k: p for k, p in books.pointers.items() if k[0] not in gone},
                applied={k: p for k, p in books.applied.items() if k[0] not in gone},
            )

    def events(self) -> Iterator[Event]:
        """
        Read the audit chain from its start.

        Yields
        ------
        Event
            In order.
        """
        yield from self._books.events

    def head(self) -> tuple[int, str]:
        """
        Give the end of the chain.

        Returns
        -------
        seq : int
            Number of events.
        hash : str
            `Event.hash` of the last one; `GENESIS` if there is none.
        """
        events = self._books.events
        return (events[-1].seq, events[-1].hash) if events else (0, GENESIS)

    def verify(self, *heads: tuple[int, str] | None) -> list[str]:
        """
        Check the chain link by link.

        Parameters
        ----------
        *heads : tuple of int and str, or None
            What `head` gave once.

        Returns
        -------
        list of str
            What is wrong, in words; empty if nothing is.
        """
        return chain_problems(self.events(), *heads)

    def commit(self, commit: RunCommit) -> None:
        """
        Take everything of a run, or nothing.

        Parameters
        ----------
        commit : RunCommit
            The run.

        Raises
        ------
        ContractError
            As `rsmonitor.io.stores.ledger.SqliteLedger.commit`.
        StoreError
            As there.
        """
        check_commit(commit)
        for record in (commit.record, *commit.products, *commit.sites, *commit.alerts):
            encode_text(record)
        with self._turn:
            self._books = _with(self._books, commit)

    def append(
        self,
        drafts: Sequence[EventDraft],
        *,
        expected_head: tuple[int, str] | None = None,
    ) -> tuple[Event, ...]:
        """
        Add what people did to the chain, outside a run.

        Parameters
        ----------
        drafts : sequence of EventDraft
            What happened, in order.
        expected_head : tuple of int and str, optional
            What `head` gave when the caller decided.

        Returns
        -------
        tuple of Event
            The new links.

        Raises
        ------
        ContractError
            As `rsmonitor.io.stores.ledger.SqliteLedger.append`.
        BusyError
            As there.
        """
        for draft in drafts:
            check_draft(draft)
        with self._turn:
            end = self.head()
            check_head(end, expected_head)
            events = tuple(chained(drafts, *end))
            self._books = replace(self._books, events=(*self._books.events, *events))
        return events


class MemoryRegister:
    """Licences in memory; satisfies `rsmonitor.interfaces.LicenceRegister`.

    Parameters
    ----------
    licences : iterable of Licence, default none
        The register.
    """

    def __init__(self, licences: Iterable[Licence] = ()) -> None:
        self._licences = tuple(licences)

    def snapshot(self) -> RegisterSnapshot:
        """
        Give all licences.

        Returns
        -------
        RegisterSnapshot
            See `rsmonitor.io.stores.snapshot.snapshot_of`.
        """
        return snapshot_of(self._licences)


class MemorySink:
    """Results in memory; satisfies `rsmonitor.interfaces.AlertSink`."""

    def __init__(self) -> None:
        self.staged: dict[str, RunResult] = {}
        """Results by location, whether readers see them or not."""
        self.published: list[str] = []
        """Locations in the order in which they became visible."""

    @property
    def current(self) -> RunResult | None:
        """The result that readers see; None before the first."""
        return self.staged[self.published[-1]] if self.published else None

    def stage(self, result: RunResult) -> str:
        """
        Keep a result where no reader looks.

        Parameters
        ----------
        result : RunResult
            What a run says.

        Returns
        -------
        str
            Its location, `Partition.run_id`.
        """
        location = result.partition.run_id
        self.staged[location] = result
        return location

    def publish(self, location: str) -> None:
        """
        Make a staged result the one that readers see; repeatable.

        Parameters
        ----------
        location : str
            From `stage`.

        Raises
        ------
        OutputError
            If nothing was staged there.
        """
        if location not in self.staged:
            raise OutputError(f"nothing was staged at {location}")
        if self.published[-1:] != [location]:
            self.published.append(location)


class MemorySource:
    """Scenes in memory; satisfies `rsmonitor.interfaces.SceneSource`.

    Parameters
    ----------
    grid : Grid
        The grid of all arrays.
    times : sequence of datetime
        Time of sensing of each scene, timezone-aware UTC, in any order.
    reflectance : ndarray of float32, shape (time, band, y, x)
        Surface reflectance, NaN where not measured.
    scl : ndarray of uint8, shape (time, y, x)
        Scene classification.
    bands : sequence of str
        ESA names of the bands.

    Raises
    ------
    SourceError
        If shapes or types do not fit, or a time is there twice.
    """

    name = "memory"
    """Stands in `Product.source`."""

    def __init__(
        self,
        grid: Grid,
        *,
        times: Sequence[datetime],
        reflectance: NDArray[np.float32],
        scl: NDArray[np.uint8],
        bands: Sequence[str],
    ) -> None:
        shape = (len(times), len(bands), *grid.shape)
        if reflectance.shape != shape or reflectance.dtype != np.float32:
            raise SourceError(
                f"reflectance must be float32 of shape {shape}, got "
                f"{reflectance.dtype} of shape {reflectance.shape}"
            )
        scl_shape = (len(times), *grid.shape)
        if scl.shape != scl_shape or scl.dtype != np.uint8:
            raise SourceError(
                f"scl must be uint8 of shape {scl_shape}, got {scl.dtype} of shape "
                f"{scl.shape}"
            )
        if len(set(times)) != len(times):
            raise SourceError("a time is there twice; one scene is one acquisition")
        self._grid = grid
        self._bands = tuple(bands)
        self._reflectance = reflectance
        self._scl = scl
        self._index = {time: index for index, time in enumerate(times)}

    @property
    def bands(self) -> tuple[str, ...]:
        """ESA names of the bands of `load`, in its order."""
        return self._bands

    def grids(self) -> tuple[Grid, ...]:
        """
        Give the only grid.

        Returns
        -------
        tuple of Grid
            One.
        """
        return (self._grid,)

    def find(self, grid: Grid, *, until: datetime) -> tuple[Product, ...]:
        """
        List the scenes sensed before `until`, oldest first.

        Parameters
        ----------
        grid : Grid
            The only one.
        until : datetime
            Timezone-aware; not included.

        Returns
        -------
        tuple of Product
            One per scene.

        Raises
        ------
        SourceError
            If it is another grid.
        """
        self._require_grid(grid)
        return tuple(
            Product(
                key=AcquisitionKey(
                    grid_id=grid.grid_id, platform="unknown", datatake_start=time
                ),
                product_id=f"memory-{time:%Y%m%dT%H%M%S.%f}",
                processing_baseline=None,
                sensed_at=time,
                source=self.name,
            )
            for time in sorted(self._index)
            if time < until
        )

    def load(self, product: Product, grid: Grid, block: Block) -> xr.Dataset:
        """
        Read one block of one scene.

        Parameters
        ----------
        product : Product
            From `find`.
        grid : Grid
            The only one.
        block : Block
            Which pixels.

        Returns
        -------
        xarray.Dataset
            `rsmonitor.records.rasters.SCENE`; copies, so that a caller may write.

        Raises
        ------
        SourceError
            If the grid or the scene is unknown.
        """
        self._require_grid(grid)
        index = self._index.get(product.sensed_at.astimezone(UTC))
        if index is None:
            raise SourceError(f"no scene {product.product_id} in memory")
        window = (index, ..., block.rows, block.cols)
        dataset = xr.Dataset(
            {
                "reflectance": (("band", "y", "x"), self._reflectance[window].copy()),
                "scl": (("y", "x"), self._scl[window].copy()),
            },
            coords={"band": list(self._bands)},
        )
        return check(dataset, SCENE)

    def numbers(self, product: Product, grid: Grid, block: Block) -> SceneNumbers:
        """
        Read the same as kernels take it.

        Parameters
        ----------
        product : Product
            From `find`.
        grid : Grid
            The only one.
        block : Block
            Which pixels.

        Returns
        -------
        SceneNumbers
            The reflectance of `load`, all bands on the pixels of the block.

        Raises
        ------
        SourceError
            If the grid or the scene is unknown.
        """
        scene = self.load(product, grid, block)
        return as_numbers(
            scene["reflectance"].to_numpy(), scene["scl"].to_numpy(), self._bands
        )

    def _require_grid(self, grid: Grid) -> None:
        """Refuse another grid."""
        if grid.grid_id != self._grid.grid_id:
            raise SourceError(
                f"grid {grid.grid_id} is not in memory, {self._grid.grid_id} is"
            )


class MemoryProgress:
    """Steps in memory; satisfies `rsmonitor.interfaces.Progress`."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int, int]] = []
        """What was said, in order: what, done, total."""

    def __call__(self, what: str, done: int, total: int) -> None:
        """
        Keep a step.

        Parameters
        ----------
        what : str
            The work.
        done : int
            Steps done.
        total : int
            Steps in all.
        """
        self.steps.append((what, done, total))


def _array_digest(array: State) -> str:
    """Digest type, shape and values; a slip is meant to be found, not a forger."""
    values = xxhash.xxh3_128_hexdigest(np.ascontiguousarray(array).data)
    text = f"{array.dtype.name} {array.shape} {values}"
    return hashlib.sha256(text.encode()).hexdigest()


def _with(books: _Books, commit: RunCommit) -> _Books:
    """Make the books after a commit; the old ones are not touched."""
    record = commit.record
    if any(run.run_id == record.run_id for _, run in books.runs):
        raise StoreError(f"run {record.run_id} is already committed")
    for pointer in commit.pointers:
        check_flip(books.pointers.get(pointer.place), pointer)
    applied = dict(books.applied)
    if commit.replayed:
        applied = {key: p for key, p in applied.items() if key[0] != record.line}
    for product in commit.products:
        check_same(applied.setdefault((record.line, product.key), product), product)
    known = {encode_text(alert) for alert in books.versions}
    new = [alert for alert in commit.alerts if encode_text(alert) not in known]
    seq, prev_hash = (len(books.events), books.events[-1].hash if books.events else "")
    return _Books(
        runs=(*books.runs, (commit.finished_at, record)),
        pointers={**books.pointers, **{p.place: p for p in commit.pointers}},
        applied=applied,
        sites={**books.sites, record.district: commit.sites},
        alerts={**books.alerts, record.district: commit.alerts},
        versions=(*books.versions, *new),
        said=(
            *books.said,
            *((record.district, said_of(alert, commit.finished_at)) for alert in new),
        ),
        events=(*books.events, *chained(commit.events, seq, prev_hash or GENESIS)),
    )
