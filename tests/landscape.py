"""A small forest in which ground is opened, and an office that watches it in memory.

The noise of the measurements is bounded, so that undisturbed ground never starts to
look disturbed: what the pipeline must find here is known exactly.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache

import numpy as np
import xarray as xr
from cubes import cube
from numpy.typing import NDArray

from rsmonitor.errors import SourceError
from rsmonitor.interfaces import Clock, ElevationModel, Ledger, SceneSource, StateStore
from rsmonitor.io.deliver.geojson import (
    alerts_collection,
    coverage_collection,
    disturbances_collection,
    dumps,
)
from rsmonitor.io.executors.inprocess import InProcessExecutor
from rsmonitor.io.foundation.clock import FixedClock
from rsmonitor.io.stores.memory import (
    MemoryProgress,
    MemoryRegister,
    MemorySink,
    MemorySource,
    MemoryStateStore,
)
from rsmonitor.io.stores.memory_ledger import MemoryLedger
from rsmonitor.io.stores.scratch import MemoryScratch
from rsmonitor.pipeline import BlockDoors, Doors, Job, Outcome, run
from rsmonitor.records.acquisition import Product
from rsmonitor.records.district import District
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.parameters import HistoryParameters, Parameters
from rsmonitor.records.rasters import Scl
from rsmonitor.records.run import RunResult, StateKind
from rsmonitor.records.week import IsoWeek

BANDS = ("B03", "B04", "B08", "B8A", "B11")
FOREST = np.array([0.05, 0.03, 0.30, 0.32, 0.14], dtype=np.float32)
SOIL = np.array([0.10, 0.14, 0.22, 0.24, 0.30], dtype=np.float32)
LEAVES = np.array([0.0, -0.2, 0.25, 0.25, 0.1], dtype=np.float32)
"""How much more each band shows in summer, as a share."""

FIRST = datetime(2016, 1, 4, 3, tzinfo=UTC)
LOOKS = 60
EVERY = timedelta(days=24)
HISTORY_UNTIL = date(2017, 12, 31)
OPENED = 40
"""Number of the first look at the open ground, in 2018."""

HEIGHT, WIDTH = 24, 30
SPOT = (slice(6, 12), slice(11, 18))
"""Where it is: across the seams of blocks of 7 and of 16."""

DISTRICT = District(code="360728", name_zh="定南县", name_en="Dingnan", bureau="局")
GRID = Grid(
    crs="EPSG:32650",
    left=500_000.0,
    top=2_800_000.0,
    pixel_width=10.0,
    pixel_height=10.0,
    height=HEIGHT,
    width=WIDTH,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Landscape:
    """Everything that there is to see of a forest."""

    times: tuple[datetime, ...]
    reflectance: NDArray[np.float32]
    scl: NDArray[np.uint8]

    def source(
        self,
        *,
        without: Collection[int] = (),
        bands: Sequence[str] = BANDS,
        failing: Collection[int] = (),
        again: Collection[int] = (),
        dies_at: int | None = None,
    ) -> "Archive":
        """Open an archive: some looks missing, broken, or processed once more.

        Whoever reads from it is interrupted at the read number `dies_at`.
        """
        kept = [i for i in range(len(self.times)) if i not in without]
        rows = [BANDS.index(band) for band in bands]
        return Archive(
            GRID,
            times=[self.times[i] for i in kept],
            reflectance=self.reflectance[kept][:, rows],
            scl=self.scl[kept],
            bands=bands,
        ).with_faults(
            failing=[self.times[i] for i in failing],
            again=[self.times[i] for i in again],
            dies_at=dies_at,
        )

    def cube(self) -> xr.Dataset:
        """Give the same as a cube of digital numbers, ready to be written."""
        variables: dict[str, NDArray[np.integer]] = {
            band: np.rint(self.reflectance[:, i] * 10_000).astype(np.uint16)
            for i, band in enumerate(BANDS)
        }
        variables["SCL"] = self.scl.copy()
        times = [f"{time:%Y-%m-%dT%H:%M:%S}" for time in self.times]
        return cube(variables, times=times)

    def clouded(self, looks: Iterable[int]) -> "Landscape":
        """Draw a cloud over whole looks."""
        scl = self.scl.copy()
        scl[list(looks)] = Scl.CLOUD_HIGH
        return replace(self, scl=scl)


class Archive(MemorySource):
    """A source that can hold broken products and new versions of old ones."""

    failing: Collection[datetime] = ()
    again: Collection[datetime] = ()
    dies_at: int | None = None
    reads = 0

    def with_faults(
        self,
        *,
        failing: Collection[datetime],
        again: Collection[datetime],
        dies_at: int | None,
    ) -> "Archive":
        self.failing, self.again = frozenset(failing), frozenset(again)
        self.dies_at = dies_at
        return self

    def find(self, grid: Grid, *, until: datetime) -> tuple[Product, ...]:
        return tuple(
            replace(p, product_id=f"{p.product_id}-again", processing_baseline="05.10")
            if p.sensed_at in self.again
            else p
            for p in super().find(grid, until=until)
        )

    def load(self, product: Product, grid: Grid, block: Block) -> xr.Dataset:
        self.reads += 1
        if self.reads == self.dies_at:
            raise KeyboardInterrupt
        if product.sensed_at in self.failing:
            raise SourceError(f"{product.product_id}: B04 is truncated")
        return super().load(product, grid, block)


@cache
def landscape(seed: int = 0, *, opened: int | None = OPENED) -> Landscape:
    """Grow a forest over four years, with clouds, and open it at one look, if any."""
    random = np.random.default_rng(seed)
    times = tuple(FIRST + EVERY * i for i in range(LOOKS))
    shape = (HEIGHT, WIDTH)
    stand = random.uniform(0.9, 1.1, shape).astype(np.float32)
    reflectance = np.empty((LOOKS, len(BANDS), *shape), dtype=np.float32)
    scl = np.full((LOOKS, *shape), Scl.VEGETATION, dtype=np.uint8)
    rows, cols = np.mgrid[:HEIGHT, :WIDTH]
    for i, time in enumerate(times):
        summer = -np.cos(2 * np.pi * (time - FIRST).days / 365.25)
        cover = FOREST * (1 + LEAVES * summer)
        scene = cover[:, None, None] * stand
        if opened is not None and i >= opened:
            scene[:, *SPOT] = SOIL[:, None, None]
        noise = random.uniform(-1, 1, scene.shape).astype(np.float32)
        reflectance[i] = scene * (1 + 0.04 * noise)
        for _ in range(int(random.integers(0, 4))):
            row, col = random.integers(0, HEIGHT), random.integers(0, WIDTH)
            cloud = np.hypot(rows - row, cols - col) < random.uniform(2, 6)
            scl[i][cloud] = Scl.CLOUD_HIGH
            reflectance[i][:, cloud] = 0.6
    return Landscape(times=times, reflectance=reflectance, scl=scl)


@dataclass(slots=True, kw_only=True)
class Desk:
    """All that stays between two runs, and the runs."""

    states: StateStore
    ledger: Ledger
    sink: MemorySink
    progress: MemoryProgress
    register: MemoryRegister
    parameters: Parameters
    digest: str
    block_size: int
    workers: int
    elevation: ElevationModel | None = None

    @classmethod
    def new(
        cls,
        *,
        block_size: int = 16,
        workers: int = 1,
        digest: str = "a" * 64,
        register: MemoryRegister | None = None,
        until: date = HISTORY_UNTIL,
    ) -> "Desk":
        """Open an empty one."""
        return cls(
            states=MemoryStateStore(),
            ledger=MemoryLedger(),
            sink=MemorySink(),
            progress=MemoryProgress(),
            register=register or MemoryRegister(),
            parameters=Parameters(history=HistoryParameters(until=until)),
            digest=digest,
            block_size=block_size,
            workers=workers,
        )

    @property
    def job(self) -> Job:
        return Job(
            district=DISTRICT,
            parameters=self.parameters,
            settings_digest=self.digest,
            algorithm="1",
            software="rsmonitor test",
            block_size=self.block_size,
        )

    def doors(self, source: SceneSource, clock: Clock) -> Doors:
        """Open what a run asks."""
        blocks = BlockDoors(
            source=source,
            states=self.states,
            scratch=MemoryScratch(),
            elevation=self.elevation,
        )
        return Doors(
            blocks=blocks,
            ledger=self.ledger,
            register=self.register,
            sink=self.sink,
            executor=InProcessExecutor(self.workers, blocks),
            clock=clock,
            progress=self.progress,
        )

    def run(self, source: SceneSource, week: IsoWeek) -> Outcome:
        """Do the job of one week, on the Monday after it."""
        clock = FixedClock(week.end + timedelta(hours=6))
        return run(self.job, self.doors(source, clock), week=week)

    def run_all(self, source: SceneSource, weeks: Iterable[IsoWeek]) -> list[Outcome]:
        """Do several weeks one after the other."""
        return [self.run(source, week) for week in weeks]

    def state(self, kind: StateKind) -> bytes:
        """Give what the ledger holds for true, however it was cut into blocks."""
        line = self.job.partition(IsoWeek.of(FIRST)).line
        slots = {
            p.block_id: self.states.read(p)
            for p in self.ledger.pointers(line)
            if p.kind == kind and p.grid_id == GRID.grid_id
        }
        norm = slots.pop("grid", np.empty(0, np.int16))
        slots.pop("sample", None)
        blocks = list(GRID.blocks(self.block_size))
        assert slots.keys() == {block.block_id for block in blocks}
        whole = np.zeros(
            (len(next(iter(slots.values()))), *GRID.shape),
            dtype=next(iter(slots.values())).dtype,
        )
        for block in blocks:
            whole[:, block.rows, block.cols] = slots[block.block_id]
        return whole.tobytes() + norm.tobytes()

    @property
    def shown(self) -> RunResult:
        """The result that readers see."""
        assert self.sink.current is not None
        return self.sink.current


def outputs(result: RunResult) -> Mapping[str, bytes]:
    """Give everything that a run tells, as bytes."""
    return {
        "alerts": dumps(alerts_collection(result)),
        "disturbances": dumps(disturbances_collection(result)),
        "coverage": dumps(coverage_collection(result)),
        **{
            f"evidence {name}": values.to_numpy().tobytes()
            for dataset in result.evidence.values()
            for name, values in dataset.data_vars.items()
        },
        **{
            f"last_clear {grid_id}": values.to_numpy().tobytes()
            for grid_id, values in result.last_clear.items()
        },
    }


def week_of(look: int) -> IsoWeek:
    """Give the week in which a look was taken."""
    return IsoWeek.of(FIRST + EVERY * look)


def monitored_weeks(first: int = 31, last: int = LOOKS - 1) -> list[IsoWeek]:
    """List the weeks in which a look is taken, from one look to another."""
    return [week_of(i) for i in range(first, last + 1)]
