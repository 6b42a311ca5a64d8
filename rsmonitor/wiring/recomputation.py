"""A week computed again with nothing that runs keep, from what a run had read.

The scenes are those that the run had read, and the licences those that it judged by,
as far as both are still to be had.
"""

import json
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import xarray as xr

from rsmonitor.config import Settings
from rsmonitor.errors import StoreError
from rsmonitor.interfaces import Progress, SceneSource
from rsmonitor.io.executors.inprocess import InProcessExecutor
from rsmonitor.io.stores.memory import MemorySink
from rsmonitor.io.stores.memory_ledger import MemoryLedger
from rsmonitor.io.stores.register import FileRegister
from rsmonitor.io.stores.scratch import MemoryScratch
from rsmonitor.io.stores.state import SlotStateStore
from rsmonitor.pipeline import BlockDoors, Doors, run
from rsmonitor.records.acquisition import Product
from rsmonitor.records.alert import Alert
from rsmonitor.records.event import Event, EventKind
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.licence import RegisterSnapshot
from rsmonitor.records.provenance import Origin, origin_of
from rsmonitor.records.run import RunRecord, RunResult
from rsmonitor.records.scene import SceneNumbers
from rsmonitor.records.week import IsoWeek
from rsmonitor.wiring.licences import counties_of, read_file, register_of
from rsmonitor.wiring.office import elevation_of, job_of
from rsmonitor.wiring.reports import Book
from rsmonitor.wiring.sources import open_source, unheard
from rsmonitor.wiring.stores import open_ledger, open_licence_book
from rsmonitor.wiring.weeks import monday_morning


class Again:
    """
    A run of one grid with nothing kept.

    The state of the grid is built in a temporary folder.

    Parameters
    ----------
    settings : Settings
        Settings.
    grid_id : str
        `Grid.grid_id` of the only grid that is computed.
    ids : collection of str
        Products that may be read; empty: all that there are.
    register : RegisterSnapshot
        Licences to judge by.
    progress : Progress
        Who watches.
    """

    def __init__(
        self,
        settings: Settings,
        grid_id: str,
        ids: Collection[str],
        register: RegisterSnapshot,
        progress: Progress,
    ) -> None:
        self._settings = settings
        self._grid_id = grid_id
        self._ids = ids
        self._register = register
        self._progress = progress
        self.offered: frozenset[str] = frozenset()
        """Products that the source has, and that the run had read."""

    def result(self, week: IsoWeek) -> RunResult:
        """
        Compute everything up to the end of a week.

        Parameters
        ----------
        week : IsoWeek
            The week.

        Returns
        -------
        RunResult
            What a run says that knows of no week before.

        Raises
        ------
        StoreError
            If the source has the grid no more.
        SourceError
            If the scenes cannot be opened.
        HistoryError
            If the history does not suffice.
        """
        settings = self._settings
        with (
            open_source(settings) as source,
            tempfile.TemporaryDirectory(prefix="rsmonitor-reproduce-") as folder,
        ):
            elevation = elevation_of(settings, unheard)
            job = job_of(settings, elevation.sha256 if elevation else None)
            known = AsKnown(source, self._grid_id, self._ids)
            blocks = BlockDoors(
                source=known,
                states=SlotStateStore(Path(folder)),
                scratch=MemoryScratch(),
                elevation=elevation,
            )
            outcome = run(
                job,
                Doors(
                    blocks=blocks,
                    ledger=MemoryLedger(),
                    register=_Given(self._register),
                    sink=MemorySink(),
                    executor=InProcessExecutor(settings.run.workers, blocks),
                    clock=monday_morning(week),
                    progress=self._progress,
                    counties=counties_of(settings),
                ),
                week=week,
            )
            self.offered |= known.offered
        if outcome.result is None:  # pragma: no cover - an empty ledger has no run
            raise StoreError(f"week {week} was not computed")
        return outcome.result


class AsKnown:
    """
    A source as a run knew it: one grid, and only the products that it read.

    A product that was processed again since is taken where the one that was read is no
    longer offered. Satisfies `rsmonitor.interfaces.SceneSource`.

    Parameters
    ----------
    source : SceneSource
        What there is.
    grid_id : str
        `Grid.grid_id` of the grid.
    ids : collection of str
        Products that were read; empty: all that there are.
    """

    def __init__(self, source: SceneSource, grid_id: str, ids: Collection[str]) -> None:
        self._source = source
        self._grid_id = grid_id
        self._ids = ids
        self.offered: frozenset[str] = frozenset()
        """Products that `find` gave."""

    @property
    def name(self) -> str:
        """That of the source."""
        return self._source.name

    @property
    def bands(self) -> tuple[str, ...]:
        """Those of the source."""
        return self._source.bands

    def grids(self) -> tuple[Grid, ...]:
        """
        Give the grid.

        Returns
        -------
        tuple of Grid
            The one.

        Raises
        ------
        StoreError
            If the source has it no more.
        """
        found = tuple(g for g in self._source.grids() if g.grid_id == self._grid_id)
        if not found:
            raise StoreError(
                f"the source has no grid {self._grid_id}, on which the alert was seen: "
                "its area or files are others now"
            )
        return found

    def find(self, grid: Grid, *, until: datetime) -> Sequence[Product]:
        """
        List what was read, and is still offered.

        Parameters
        ----------
        grid : Grid
            The grid.
        until : datetime
            Products sensed before it.

        Returns
        -------
        sequence of Product
            Oldest first.
        """
        products = self._source.find(grid, until=until)
        if not self._ids:
            self.offered |= {product.product_id for product in products}
            return products
        here = {product.product_id for product in products}
        gone = [each for each in self._ids if each not in here]
        kept = [
            product
            for product in products
            if product.product_id in self._ids
            or any(f"{product.sensed_at:%Y%m%d}" in each for each in gone)
        ]
        self.offered |= {product.product_id for product in kept}
        return kept

    def load(self, product: Product, grid: Grid, block: Block) -> xr.Dataset:
        """
        Read one block of one product.

        Parameters
        ----------
        product : Product
            From `find`.
        grid : Grid
            The grid.
        block : Block
            The block.

        Returns
        -------
        xarray.Dataset
            As the source gives it.
        """
        return self._source.load(product, grid, block)

    def numbers(self, product: Product, grid: Grid, block: Block) -> SceneNumbers:
        """
        Read the same as it is stored.

        Parameters
        ----------
        product : Product
            From `find`.
        grid : Grid
            The grid.
        block : Block
            The block.

        Returns
        -------
        SceneNumbers
            As the source gives it.
        """
        return self._source.numbers(product, grid, block)


@dataclass(frozen=True, slots=True)
class _Given:
    """A register that is known already."""

    given: RegisterSnapshot

    def snapshot(self) -> RegisterSnapshot:
        return self.given


def last_said(book: Book, alert_id: str) -> tuple[Alert, RunRecord]:
    """
    Give the last that was said of an alert, and the run that said so.

    Parameters
    ----------
    book : Book
        Its district's.
    alert_id : str
        `Alert.alert_id`.

    Returns
    -------
    alert : Alert
        Its last words.
    record : RunRecord
        Of an alert that stands the last run, which said the same or something new.

    Raises
    ------
    StoreError
        If no run is known that said it.
    """
    for alert in book.alerts:
        if alert.alert_id == alert_id:
            # what stands was said by the last run, in the same words or in new ones
            return alert, book.runs[-1]
    ledger = open_ledger(book.settings)
    run_id = ledger.run_that_said(alert_id)
    runs = {record.run_id: record for record in book.runs}
    if run_id not in runs:
        raise StoreError(f"{ledger.name}: no run is known that said {alert_id}")
    return book.versions[alert_id][-1], runs[run_id]


def read_by(
    events: Sequence[Event], record: RunRecord, grid_id: str | None = None
) -> tuple[frozenset[str], Origin | None]:
    """
    List what the runs of a line had read up to one of them.

    Parameters
    ----------
    events : sequence of Event
        The chain from its start.
    record : RunRecord
        The run.
    grid_id : str, optional
        `Grid.grid_id` of the only grid whose scenes are wanted.

    Returns
    -------
    ids : frozenset of str
        `Product.product_id` of all that was read, also by runs before.
    origin : Origin or None
        What they recorded of bytes and software; None: nothing.
    """
    ids: set[str] = set()
    recorded: Origin | None = None
    past = False
    for event in events:
        if event.kind not in {EventKind.FITTED, EventKind.APPLIED}:
            continue
        body = json.loads(event.body)
        run_id = str(body.get("run_id", ""))
        mine = run_id == record.run_id
        if past and not mine:
            break
        past = past or mine
        if run_id.endswith(f"-{record.line}"):
            if grid_id is None or body.get("grid_id", grid_id) == grid_id:
                ids.update(body.get("products", []))
                # they were looked at, and showed too little
                ids.update(body.get("unusable", []))
            recorded = _joined(recorded, origin_of(body.get("origin")))
    return frozenset(ids), recorded


def _joined(before: Origin | None, after: Origin | None) -> Origin | None:
    """Add what a later run recorded: its software, and the scenes that it read."""
    if before is None or after is None:
        return after or before
    return Origin(
        versions=after.versions, checksums={**before.checksums, **after.checksums}
    )


def register_as_it_was(settings: Settings, snapshot_id: str) -> RegisterSnapshot:
    """
    Give the licences that a verdict used.

    Parameters
    ----------
    settings : Settings
        Settings.
    snapshot_id : str
        `Verdict.register_snapshot`.

    Returns
    -------
    RegisterSnapshot
        As it was then, if the dated register and today's files still give it; else as
        it is today, which its own id shows.

    Raises
    ------
    LicenceError
        If the licences cannot be used.
    """
    now = register_of(settings).snapshot()
    database = open_licence_book(settings)
    if now.snapshot_id == snapshot_id or database is None:
        return now
    paths = [settings.path(name) for name in settings.licences.files]
    for entry in reversed(database.history()):
        beside = database.snapshot(entry.at)
        then = FileRegister(paths, read=read_file, beside=beside).snapshot()
        if then.snapshot_id == snapshot_id:
            return then
    return now
