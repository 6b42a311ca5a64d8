"""The doors: what the pipeline asks of the outside. Each has an in-memory fake."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol, TypeVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from rsmonitor.records.acquisition import Product
from rsmonitor.records.alert import Alert
from rsmonitor.records.event import Event, EventDraft
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.licence import RegisterSnapshot
from rsmonitor.records.lifecycle import HistoryCurve, Observation
from rsmonitor.records.offer import Numbers, Offer, TileWindow
from rsmonitor.records.run import (
    RunCommit,
    RunRecord,
    RunResult,
    SlotPointer,
    StateKind,
)
from rsmonitor.records.scene import SceneNumbers, ScreenedLook
from rsmonitor.records.site import Site
from rsmonitor.stages.clear import ClearCounts

_T = TypeVar("_T")
_R = TypeVar("_R")
_D_co = TypeVar("_D_co", covariant=True)


class Clock(Protocol):
    """Time, injected so that a run can be replayed."""

    def now(self) -> datetime:
        """Give the present instant, timezone-aware UTC."""


class SceneSource(Protocol):
    """Where scenes come from."""

    @property
    def name(self) -> str:
        """Short name, such as ``cube``; stands in `Product.source`."""

    @property
    def bands(self) -> tuple[str, ...]:
        """ESA names of the bands of `load`, in its order."""

    def grids(self) -> tuple[Grid, ...]:
        """Give the grids that cover the district."""

    def find(self, grid: Grid, *, until: datetime) -> Sequence[Product]:
        """List products sensed before `until`, oldest first, one per acquisition."""

    def load(self, product: Product, grid: Grid, block: Block) -> xr.Dataset:
        """Read one block of one product, as `rsmonitor.records.rasters.SCENE`."""

    def numbers(self, product: Product, grid: Grid, block: Block) -> SceneNumbers:
        """Read the same as it is stored; `reflectance_of` makes reflectance of it."""


class SceneArchive(Protocol):
    """One way to Level-2A scenes: what there is, and the numbers as shipped.

    `rsmonitor.io.sources.scenes` makes a `SceneSource` of it: identity, cache, checks
    and conversion are done there once, for all archives.
    """

    @property
    def name(self) -> str:
        """Short name, such as ``stac:earth-search``; stands in `Offer.source`."""

    @property
    def requests_cost(self) -> bool:
        """True where every request is billed, so that `explain` must estimate it."""

    def search(
        self, *, mgrs_tile: str, start: datetime, until: datetime
    ) -> Sequence[Offer]:
        """List all products over a tile sensed in [start, until), all versions."""

    def fetch(self, offer: Offer, window: TileWindow, bands: Sequence[str]) -> Numbers:
        """Get the numbers of a window; whole and right, or `SourceError`."""


class ElevationModel(Protocol):
    """How high the ground is."""

    def load(self, grid: Grid, block: Block, *, halo: int = 0) -> NDArray[np.float32]:
        """Read metres on the pixels of a block and its halo; NaN where unknown."""

    def relief_m(self, grid: Grid, *, beyond_m: float = 0.0) -> float:
        """Give the highest less the lowest elevation of a grid and what lies near."""


class StateStore(Protocol):
    """Per-block state in two slots; never decides which slot is the truth."""

    def write(
        self,
        array: NDArray[np.uint16] | NDArray[np.int16],
        *,
        line: str,
        grid_id: str,
        block_id: str,
        kind: StateKind,
        current: SlotPointer | None,
    ) -> SlotPointer:
        """Write the slot that `current` does not point at, durably; point at it."""

    def read(
        self,
        pointer: SlotPointer,
        planes: slice | None = None,
        *,
        out: NDArray[np.uint16] | NDArray[np.int16] | None = None,
    ) -> NDArray[np.uint16] | NDArray[np.int16]:
        """Read a slot or some planes, into `out` if given; verify what is read."""

    def read_window(
        self, pointer: SlotPointer, rows: slice, cols: slice
    ) -> NDArray[np.uint16] | NDArray[np.int16]:
        """Read rows and columns of all planes, and verify them."""

    def holds(self, line: str) -> bool:
        """Say whether anything at all is kept of a line."""

    def forget(self, keep: Iterable[SlotPointer], *, lines: Iterable[str]) -> None:
        """Remove the blocks of `lines` that no pointer of `keep` points at."""


class Scratch(Protocol):
    """What was screened of looks, kept until they are added: read once, not twice.

    It may forget: what is not there is read again.
    """

    def get(self, place: tuple[str, Block]) -> tuple[ScreenedLook, ClearCounts] | None:
        """Give what was put for a product and window; None if it is not there."""

    def put(
        self, place: tuple[str, Block], kept: tuple[ScreenedLook, ClearCounts]
    ) -> None:
        """Keep what was screened of a product at a window, if there is room."""

    def clear(self) -> None:
        """Forget everything."""


class LicenceRegister(Protocol):
    """Permissions over parcels."""

    def snapshot(self) -> RegisterSnapshot:
        """Give all licences as they stand now."""


class Ledger(Protocol):
    """The only commit point, and the memory of everything said."""

    def lock(self, district: str) -> AbstractContextManager[None]:
        """Hold the district for one process; `BusyError` if another does."""

    def runs(self, district: str) -> Sequence[RunRecord]:
        """List the committed runs of a district, oldest week first."""

    def pointers(self, line: str) -> Sequence[SlotPointer]:
        """List the slots that are the truth for a line of runs."""

    def applied(self, line: str) -> Sequence[Product]:
        """List the products that are part of a line's state, oldest first."""

    def sites(self, district: str) -> Sequence[Site]:
        """List the sites of a district by id."""

    def alerts(self, district: str) -> Sequence[Alert]:
        """List the standing alerts of a district by rank."""

    def lines(self, district: str) -> Sequence[str]:
        """List the lines of runs of a district that have state."""

    def retire(self, lines: Iterable[str]) -> None:
        """Stop pointing at the state of some lines, so that it can be forgotten."""

    def versions(self, alert_id: str) -> Sequence[Alert]:
        """List all that was ever said of an alert, in the order it was said."""

    def commit(self, commit: RunCommit) -> None:
        """Write everything of a run in one transaction."""

    def append(
        self,
        drafts: Sequence[EventDraft],
        *,
        expected_head: tuple[int, str] | None = None,
    ) -> Sequence[Event]:
        """Add what people did to the chain: all of it or nothing."""

    def events(self) -> Iterator[Event]:
        """Read the audit chain from its start."""

    def withheld(self) -> frozenset[str]:
        """Name the sites of which somebody's last word is special use."""


class Diary(Protocol):
    """Where observations of sites are kept."""

    def held(self, district: str) -> Mapping[str, Mapping[str, str]]:
        """Give by site and look the product that was observed."""

    def curves(self, district: str) -> Mapping[str, HistoryCurve]:
        """Give by site the curve that it had before it was one."""

    def keep(
        self,
        district: str,
        observations: Iterable[Observation],
        curves: Iterable[HistoryCurve],
    ) -> None:
        """Keep all of it or nothing; the same twice is there once."""


class AlertSink(Protocol):
    """Where the outputs of a run go: together or not at all."""

    def stage(self, result: RunResult) -> str:
        """Write all outputs durably where no reader looks; give their location."""

    def publish(self, location: str) -> None:
        """Make a staged location the one that readers see; repeatable."""


class Executor(Protocol[_D_co]):
    """Who does the work, and through which doors.

    A step and its tasks may go to another machine: both can be pickled, a task is
    small, and a step touches nothing but its doors. A task may be done twice, so doing
    it again must change nothing. Take the results in a ``for``, or close them: work
    that was started is only over when their iterator is.
    """

    def map(
        self, step: Callable[[_D_co, _T], _R], tasks: Sequence[_T]
    ) -> Generator[_R, None, None]:
        """Call ``step(doors, task)`` for every task; results come in their order."""


class Progress(Protocol):
    """Who watches: long work says how far it is."""

    def __call__(self, what: str, done: int, total: int) -> None:
        """Say that `done` of `total` steps of `what` are done."""
