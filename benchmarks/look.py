"""What one new scene of a whole tile costs, against GDAL decoding the same bands once.

Ours is `rsmonitor.pipeline.detection.detect` with one new look: read from a folder of
GeoTIFFs, screened, the scene's statistics and shift, the indices, the evidence of every
pixel, its tiers, and state on disk and synced. Theirs is a plain read of the same bands
in strips, with one thread. Both from a warm page cache.

    python -m benchmarks.look --size 10980

The state is made up: the reference is the ground of the year before without its noise.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.decoding import theirs
from benchmarks.ground import BANDS, Recipe, days, history
from benchmarks.harness import Measurement, machine, measured, peak_bytes, table
from benchmarks.tile import default_folder, make
from rsmonitor.io.executors.inprocess import InProcessExecutor
from rsmonitor.io.sources.folder import FolderArchive
from rsmonitor.io.sources.scenes import ArchiveScenes
from rsmonitor.io.stores.cache import SceneCache
from rsmonitor.io.stores.scratch import FolderScratch
from rsmonitor.io.stores.state import SlotStateStore
from rsmonitor.pipeline import BlockDoors, Doors, Job
from rsmonitor.pipeline.detection import GRID_BLOCK, SAMPLE_BLOCK, detect
from rsmonitor.pipeline.looks import sample_of
from rsmonitor.records.acquisition import Product
from rsmonitor.records.district import District
from rsmonitor.records.grid import Grid
from rsmonitor.records.parameters import HistoryParameters, Parameters
from rsmonitor.records.rasters import HistoryClass
from rsmonitor.records.run import SlotPointer
from rsmonitor.records.week import IsoWeek
from rsmonitor.stages.drift import Drift
from rsmonitor.stages.evidence import initial_state
from rsmonitor.stages.history import SceneNorm, quantised
from rsmonitor.stages.indices import spectral_indices

BLOCK: Final = int(os.environ.get("BLOCK", "1024"))
PAIRS: Final = 11
WITHOUT_STATE: Final = 1.5
WITH_STATE: Final = 1.8
MEMORY_MIB: Final = 512
NAMES: Final = ("ndvi", "ndmi", "dred")
SPREAD: Final = (0.02, 0.03, 0.04)
"""What the made-up ground scatters, index units."""


@dataclass(slots=True)
class Known:
    """A ledger that knows the state and the looks before; nothing is committed."""

    slots: tuple[SlotPointer, ...]
    products: tuple[Product, ...]

    def pointers(self, line: str) -> tuple[SlotPointer, ...]:
        """Give the slots that are the truth."""
        return tuple(slot for slot in self.slots if slot.line == line)

    def applied(self, line: str) -> tuple[Product, ...]:
        """Give the looks that are part of the evidence."""
        assert line  # noqa: S101 - there is one only
        return self.products


class Timed:
    """The store of slots, and the CPU seconds that were spent in it."""

    def __init__(self, store: SlotStateStore) -> None:
        self._store = store
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Give a method that counts."""
        method = getattr(self._store, name)

        def timed(*given: Any, **named: Any) -> Any:  # noqa: ANN401
            begun = time.process_time()
            try:
                return method(*given, **named)
            finally:
                self.seconds += time.process_time() - begun

        return timed


@dataclass(slots=True)
class Bench:
    """One tile with its state, ready for one more look."""

    job: Job
    week: IsoWeek
    grid: Grid
    source: ArchiveScenes
    work: Path
    ledger: Known

    def look(self, *, workers: int = 1) -> float:
        """Take the second look, never committed; give the CPU s spent on state."""
        store = Timed(SlotStateStore(self.work / "state"))
        blocks = BlockDoors(
            source=self.source,
            states=store,  # type: ignore[arg-type]
            scratch=FolderScratch(self.work / "scratch"),
        )
        doors = Doors(
            blocks=blocks,
            ledger=self.ledger,  # type: ignore[arg-type]
            register=None,  # type: ignore[arg-type]
            sink=None,  # type: ignore[arg-type]
            executor=InProcessExecutor(workers, blocks),
            clock=None,  # type: ignore[arg-type]
            progress=lambda what, done, total: None,  # noqa: ARG005
        )
        detected, refused = detect(
            self.job, doors, self.job.partition(self.week), self.grid
        )
        if refused or len(detected.applied) != 1:
            raise RuntimeError(f"one look was to be taken: {refused}")
        return store.seconds


@contextmanager
def opened(root: Path, grid: Grid, recipe: Recipe, work: Path) -> Iterator[Bench]:
    """
    Open a tile with two looks, the first of which is part of the state.

    Parameters
    ----------
    root : Path
        Folder of products.
    grid : Grid
        The tile.
    recipe : Recipe
        Which ground.
    work : Path
        Where the state lies; made if it is not there.

    Yields
    ------
    Bench
        Ready.
    """
    source = ArchiveScenes(
        FolderArchive(root),
        (grid,),
        cache=SceneCache(work / "cache"),
        start=datetime(2000, 1, 1, tzinfo=UTC),
        bands=BANDS,
    )
    products = source.find(grid, until=datetime(2100, 1, 1, tzinfo=UTC))
    week = IsoWeek.of(products[1].sensed_at)
    job = Job(
        district=District(
            code="bench", name_zh="基准", name_en="benchmark", bureau="none"
        ),
        parameters=Parameters(history=HistoryParameters(until=date(2025, 1, 1))),
        settings_digest="0" * 64,
        algorithm="bench",
        software="rsmonitor benchmark",
        block_size=BLOCK,
    )
    slots = _state(job, week, grid, recipe, work)
    yield Bench(job, week, grid, source, work, Known(slots, (products[0],)))


def _state(
    job: Job, week: IsoWeek, grid: Grid, recipe: Recipe, work: Path
) -> tuple[SlotPointer, ...]:
    """Write a reference and evidence for every block, once."""
    store = SlotStateStore(work / "state")
    line = job.partition(week).line
    kept = work / f"pointers-{line}.json"
    if kept.exists():
        return tuple(SlotPointer(**one) for one in json.loads(kept.read_text()))
    pointers, samples, places = [], [], []
    pixels = grid.height * grid.width
    step = max(1, int((pixels / job.parameters.history.sample_pixels) ** 0.5))
    when = [days(1)[0] - timedelta(days=365)]
    random = np.random.default_rng(7)

    def write(array: NDArray[Any], block_id: str, kind: str) -> None:
        pointers.append(
            store.write(
                array,
                line=line,
                grid_id=grid.grid_id,
                block_id=block_id,
                kind=kind,  # type: ignore[arg-type]
                current=None,
            )
        )

    for block in grid.blocks(BLOCK):
        reflectance, _ = history(when, block, BANDS, recipe)
        values = spectral_indices(reflectance[0], bands=BANDS, names=NAMES)
        values = np.nan_to_num(values)
        reference = np.zeros((15, *values.shape[1:]), dtype=np.int16)
        for k, spread in enumerate(SPREAD):
            reference[4 * k] = quantised(values[k])
            reference[4 * k + 1 : 4 * k + 3] = random.normal(
                0, 3, (2, *values.shape[1:])
            )
            reference[4 * k + 3] = quantised(
                spread * random.uniform(0.8, 1.4, values.shape[1:])
            )
        reference[-3], reference[-2] = 40, 20_000
        reference[-1] = HistoryClass.STABLE
        write(reference, block.block_id, "reference")
        state = initial_state(reference, len(NAMES))
        # a twentieth of the ground has a little evidence, as by chance
        some = random.random(values.shape[1:]) < 0.05  # noqa: PLR2004
        count = int(some.sum())
        state[0][some] = random.integers(1, 1024, count)
        state[1][some], state[2][some] = 20_240, 20_245
        state[4][some], state[6][some] = 20_245, 1
        state[5], state[7] = 20_245, random.integers(20, 60, values.shape[1:])
        state[9:, some] = random.integers(31_000, 32_768, (3, count))
        write(state, block.block_id, "evidence")
        rows, cols = sample_of(block, step)
        samples.append(
            reference[:, (rows - block.row)[:, None], (cols - block.col)[None]].reshape(
                15, -1
            )
        )
        places.append((rows[:, None] * grid.width + cols[None]).reshape(-1))
    order = np.argsort(np.concatenate(places))
    write(np.concatenate(samples, axis=1)[:, order][:, None], SAMPLE_BLOCK, "reference")
    spread = np.array(SPREAD, dtype=np.float32)
    norm = SceneNorm(
        offsets=np.zeros((1, 3, 1), np.float32),
        spread=spread,
        floor=spread / 2,
        level=np.zeros(3, np.float32),
        green=np.zeros(3, np.float32),
        combined=0.7,
    )
    write(norm.packed(), GRID_BLOCK, "reference")
    write(Drift().packed(), GRID_BLOCK, "evidence")
    fields = ("line", "grid_id", "block_id", "kind", "slot", "sha256")
    kept.write_text(
        json.dumps([{name: getattr(p, name) for name in fields} for p in pointers])
    )
    return tuple(pointers)


def weighed(arguments: Sequence[str]) -> int:
    """
    Measure the most memory that one look takes, in a process of its own.

    Parameters
    ----------
    arguments : sequence of str
        Of this command, without what it is to measure.

    Returns
    -------
    int
        Bytes, imports included.
    """
    command = [sys.executable, "-m", "benchmarks.look", *arguments, "--weigh"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return int(done.stdout.strip().splitlines()[-1])


def by_workers(bench: Bench, counts: Sequence[int], rounds: int) -> list[str]:
    """
    Take a look with several numbers of threads.

    Parameters
    ----------
    bench : Bench
        The tile.
    counts : sequence of int
        Threads.
    rounds : int
        Rounds; the median counts.

    Returns
    -------
    list of str
        Rows of a table: threads, seconds on the wall, seconds of CPU.
    """
    taken: dict[int, list[tuple[float, float]]] = {count: [] for count in counts}
    for _ in range(rounds):
        for count in counts:
            wall, cpu = time.perf_counter(), time.process_time()
            bench.look(workers=count)
            taken[count].append((time.perf_counter() - wall, time.process_time() - cpu))
    rows = ["| threads | wall, s | CPU, s |", "|---|---|---|"]
    for count, times in taken.items():
        wall, cpu = np.median(np.array(times), axis=0)
        rows.append(f"| {count} | {wall:.2f} | {cpu:.2f} |")
    return rows


def measure(bench: Bench, root: Path, pairs: int) -> list[Measurement]:
    """
    Compare one look with decoding its bands.

    Parameters
    ----------
    bench : Bench
        The tile.
    root : Path
        Folder of products.
    pairs : int
        Pairs that count.

    Returns
    -------
    list of Measurement
        Without and with durable state.
    """
    second = sorted(place for place in root.iterdir() if place.is_dir())[1]
    paths = sorted(second.glob("*.tif"))
    bench.look()
    theirs(paths)
    whole, without, decoded = [], [], []
    for _ in range(pairs):
        begun = time.process_time()
        state = bench.look()
        whole.append(time.process_time() - begun)
        without.append(whole[-1] - state)
        begun = time.process_time()
        theirs(paths)
        decoded.append(time.process_time() - begun)
    shape = f"{bench.grid.height} x {bench.grid.width}"
    return [
        measured(
            f"one look at {shape}, {told}",
            ours,
            decoded,
            against="GDAL, the same bands in strips",
            target=target,
        )
        for told, ours, target in (
            ("what is spent on state taken off", without, WITHOUT_STATE),
            ("with durable state", whole, WITH_STATE),
        )
    ]


def main() -> int:
    """
    Measure and print.

    Returns
    -------
    int
        0.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=10_980)
    parser.add_argument("--folder", type=Path, default=default_folder())
    parser.add_argument("--work", type=Path)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--weigh", action="store_true")
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    recipe = Recipe(size=given.size)
    root = make(given.folder, days(2), recipe)
    with tempfile.TemporaryDirectory() as made:
        work = given.work or Path(made)
        with opened(root, recipe.grid, recipe, work) as bench:
            if given.weigh:
                bench.look()
                print(peak_bytes())
                return 0
            if given.profile:
                import cProfile  # noqa: PLC0415
                import pstats  # noqa: PLC0415

                bench.look()
                profile = cProfile.Profile(time.process_time)
                profile.runcall(bench.look)
                pstats.Stats(profile).sort_stats(
                    os.environ.get("SORT", "tottime")
                ).print_stats(60)
                return 0
            print(machine().sentence())
            print(table(measure(bench, root, given.pairs)))
            arguments = ["--size", str(given.size), "--folder", str(given.folder)]
            mib = weighed([*arguments, "--work", str(work)]) / 2**20
            verdict = "met" if mib <= MEMORY_MIB else "missed"
            print(f"peak memory of one worker: {mib:.0f} MiB ({verdict})")
            print("\n".join(by_workers(bench, (1, 2, 4), max(3, given.pairs // 4))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
