"""Cost of outlines: a tile of 20,000 objects against rasterio's polygoniser alone.

From blocks of evidence to measured disturbances in longitude and latitude, over
`rasterio.features.shapes` on the finished labels of the whole tile: process CPU time,
interleaved pairs after a warm-up, median and 95 % bootstrap interval. Making the
blocks, which stands for reading them, is not counted.

    python benchmarks/outlines.py [--pairs 11] [--objects 20000] [--block 512]
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio import features

from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.parameters import EvidenceParameters, OutlineParameters
from rsmonitor.records.rasters import (
    DEPARTURE_ZERO,
    EVIDENCE_PLANES,
    SCORE_SCALE,
    planes,
)
from rsmonitor.stages import graded, outline, tracing
from rsmonitor.stages.history import Norm
from rsmonitor.stages.indices import weights

NAMES = ("ndvi", "ndmi", "dred")
DAY = 19_000
SALT = 0.02
"""Share of pixels that are graded low by noise, each by itself."""
NEIGHBOURS = ((-1, 0), (0, -1), (0, 1), (1, 0))
NORM = Norm(
    spread=np.full(3, 0.02, dtype=np.float32),
    floor=np.full(3, 0.02, dtype=np.float32),
    level=np.array([0.8, 0.4, 1.3], dtype=np.float32),
    combined=1.0,
)
EVIDENCE = EvidenceParameters()
OUTLINE = OutlineParameters()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ground:
    """What happened on the tile: pixels that changed, in reading order."""

    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    first_seen: NDArray[np.uint16]
    strong: NDArray[np.bool_]


@dataclass(slots=True)
class Stopwatch:
    """CPU time by part of the work, each without what is inside it."""

    spent: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    inside: list[float] = field(default_factory=lambda: [0.0])

    def wrap(self, module: ModuleType, name: str, part: str) -> None:
        """Count the time of a function of a module."""
        function: Callable[..., object] = getattr(module, name)

        def counted(*args: object, **kwargs: object) -> object:
            self.inside.append(0.0)
            begun = time.process_time()
            result = function(*args, **kwargs)
            took = time.process_time() - begun
            self.spent[part] += took - self.inside.pop()
            self.inside[-1] += took
            return result

        setattr(module, name, counted)


def tile() -> Grid:
    """Give a Sentinel-2 tile."""
    return Grid(
        crs="EPSG:32650",
        left=399_960.0,
        top=2_800_020.0,
        pixel_width=10.0,
        pixel_height=10.0,
        height=10_980,
        width=10_980,
        mgrs_tile="50RKN",
    )


def grow(rng: np.random.Generator, pixels: int) -> list[tuple[int, int]]:
    """Grow one object from its middle, pixel by pixel, so that its rim is ragged."""
    grown, edge = {(0, 0)}, list(NEIGHBOURS)
    draws = rng.random(20 * pixels).tolist()
    while len(grown) < pixels and draws:
        spot = edge.pop(int(draws.pop() * len(edge)))
        if spot in grown:
            continue
        grown.add(spot)
        edge += [(spot[0] + y, spot[1] + x) for y, x in NEIGHBOURS]
    return sorted(grown)


def make_ground(grid: Grid, objects: int) -> Ground:
    """Scatter objects of 5 to 200 pixels, one in ten of two ages, with weak rims."""
    rng = np.random.default_rng(20_000)
    across = int(np.ceil(np.sqrt(objects)))
    cell = grid.width // across
    strong: dict[tuple[int, int], int] = {}
    for i in range(objects):
        size = int(np.clip(rng.lognormal(np.log(40), 0.9), 5, 200))
        row = i // across * cell + int(rng.integers(cell // 4, cell - cell // 4))
        col = i % across * cell + int(rng.integers(cell // 4, cell - cell // 4))
        two_ages = rng.random() < 0.1  # noqa: PLR2004 - one in ten
        for y, x in grow(rng, size):
            spot = (
                min(max(row + y, 0), grid.height - 1),
                min(max(col + x, 0), grid.width - 1),
            )
            strong[spot] = DAY + (120 if two_ages and x > 0 else int(i % 7))
    salt = rng.integers(0, grid.height * grid.width, int(SALT * grid.height**2))
    places = np.array([row * grid.width + col for row, col in strong])
    days = np.array(list(strong.values()))
    rim = np.concatenate([places + y * grid.width + x for y, x in NEIGHBOURS])
    rim = rim[(rim >= 0) & (rim < grid.height * grid.width)]
    every = np.concatenate([places, rim, salt])
    key, first = np.unique(every, return_index=True)
    seen = np.concatenate([days, np.full(rim.size + salt.size, DAY + 3)])
    rows, cols = np.divmod(key, grid.width)
    return Ground(
        rows=rows,
        cols=cols,
        first_seen=seen[first].astype(np.uint16),
        strong=first < places.size,
    )


def blocks(
    ground: Ground, grid: Grid, size: int
) -> Iterator[tuple[Block, NDArray[np.uint16], NDArray[np.int16]]]:
    """Make the evidence and the reference of each block."""
    for block in grid.blocks(size):
        shape = (block.height, block.width)
        state = np.zeros((len(EVIDENCE_PLANES) + len(NAMES), *shape), dtype=np.uint16)
        state[len(EVIDENCE_PLANES) :] = DEPARTURE_ZERO
        reference = np.zeros((15, *shape), dtype=np.int16)
        a, b = np.searchsorted(ground.rows, [block.row, block.row + block.height])
        here = a + np.flatnonzero(
            (ground.cols[a:b] >= block.col)
            & (ground.cols[a:b] < block.col + block.width)
        )
        rows, cols = ground.rows[here] - block.row, ground.cols[here] - block.col
        seen, strong = ground.first_seen[here], ground.strong[here]
        plane = planes(state)
        plane["last_clear"][...] = DAY + 200
        plane["score"][rows, cols] = np.where(strong, 20, 7) * SCORE_SCALE
        plane["began_after"][rows, cols] = seen - 5
        plane["first_seen"][rows, cols] = seen
        plane["confirmed"][rows, cols] = np.where(strong, seen + 10, 0)
        plane["last_seen"][rows, cols] = DAY + 190
        plane["looks_since"][rows, cols] = 1 + (rows + cols) % 30
        change = np.where(strong, 3000 + (rows * 7 + cols) % 500, 500)
        state[len(EVIDENCE_PLANES) :, rows, cols] = DEPARTURE_ZERO - change
        yield block, state, reference


def ours(ground: Ground, grid: Grid, size: int) -> tuple[graded.Drawn, float]:
    """Draw all disturbances of the tile; give the CPU time that it took, too."""
    spent = 0.0
    parts = []
    for block, state, reference in blocks(ground, grid, size):
        begun = time.process_time()
        parts.append(
            graded.graded(
                block,
                state,
                reference,
                norm=NORM,
                weights=weights(NAMES),
                evidence=EVIDENCE,
                min_pixels=OUTLINE.min_pixels,
            )
        )
        spent += time.process_time() - begun
    begun = time.process_time()
    drawn = graded.draw(parts, grid=grid, norm=NORM, names=NAMES, parameters=OUTLINE)
    return drawn, spent + time.process_time() - begun


def labels_of(drawn: graded.Drawn, grid: Grid) -> NDArray[np.int32]:
    """Lay the finished objects out as labels of the whole tile."""
    from scipy import ndimage  # noqa: PLC0415 - not in the process that is weighed

    inside = drawn.outlined(Block(row=0, col=0, height=grid.height, width=grid.width))
    return np.asarray(ndimage.label(inside)[0], dtype=np.int32)


def split(ground: Ground, grid: Grid, size: int) -> dict[str, float]:
    """Give the CPU time of each part, in one run of its own."""
    watch = Stopwatch()
    for module, name, part in (
        (graded, "graded", "sparse selection"),
        (graded, "draw", "sorting and gathering"),
        (graded, "core_of", "edges and labels"),
        (graded, "objects_of", "edges and labels"),
        (graded, "measure_members", "features"),
        (graded, "disturbances_of", "statistics and records"),
        (tracing, "_sheets", "sheets"),
        (outline, "traced", "sheets"),
        (tracing, "_rings", "shapes"),
        (tracing, "_assembled", "shapely"),
        (tracing, "to_lonlat", "projection"),
        (outline, "Disturbance", "constructing records"),
        (outline, "Increment", "constructing records"),
    ):
        watch.wrap(module, name, part)
    ours(ground, grid, size)
    return watch.spent


def peak_mib() -> float:
    """Give the most memory so far; getrusage would give that of the parent, too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def weigh(saved: Path, grid: Grid, size: int) -> None:
    """Run once in this process, and print the most memory that it had."""
    with np.load(saved) as arrays:
        ground = Ground(**arrays)
    before = peak_mib()
    drawn, _ = ours(ground, grid, size)
    sys.stdout.write(
        f"{peak_mib():.0f} MiB, of which {before:.0f} before "
        f"({len(drawn.disturbances)} disturbances)\n"
    )


def main() -> int:
    """
    Measure and print.

    Returns
    -------
    int
        0; 1 if a geometry is not valid.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=11)
    parser.add_argument("--objects", type=int, default=20_000)
    parser.add_argument("--block", type=int, default=512)
    parser.add_argument("--weigh", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    grid = tile()
    if asked.weigh:
        weigh(Path(asked.weigh), grid, asked.block)
        return 0
    ground = make_ground(grid, asked.objects)
    drawn, _ = ours(ground, grid, asked.block)
    found = drawn.disturbances
    labels = labels_of(drawn, grid)
    inside = labels > 0
    shapes = [d.geometry for d in found]
    shapes += [part.geometry for d in found for part in d.increments]
    valid = bool(shapely.is_valid(shapes).all())
    sys.stdout.write(
        f"{len(found)} disturbances of {drawn.rows.size} pixels "
        f"({ground.rows.size / labels.size:.1%} of the tile is graded), "
        f"{sum(len(d.increments) > 1 for d in found)} of several increments; "
        f"{'all' if valid else 'NOT ALL'} geometries valid\n"
    )
    times = []
    for _ in range(asked.pairs):
        begun = time.process_time()
        alone = [
            geometry
            for geometry, _ in features.shapes(labels, mask=inside, connectivity=4)
        ]
        took = time.process_time() - begun
        del alone
        times.append((ours(ground, grid, asked.block)[1], took))
    ratios = [whole / alone for whole, alone in times]
    draws = np.random.default_rng(0).choice(ratios, (2000, len(ratios)))
    low, high = np.percentile(np.median(draws, axis=1), [2.5, 97.5])
    whole, alone = (statistics.median(column) for column in zip(*times, strict=True))
    sys.stdout.write(
        f"outlines over shapes alone: {statistics.median(ratios):.2f} "
        f"(95 %: {low:.2f} to {high:.2f}, {len(ratios)} pairs; "
        f"{whole:.2f} s over {alone:.2f} s)\n"
    )
    spent = split(ground, grid, asked.block)
    for part, seconds in sorted(spent.items(), key=lambda item: -item[1]):
        sys.stdout.write(f"  {part}: {seconds:.2f} s\n")
    with TemporaryDirectory() as folder:
        saved = Path(folder) / "ground.npz"
        np.savez(saved, **{name: getattr(ground, name) for name in Ground.__slots__})
        peak = subprocess.run(  # noqa: S603 - this program
            [sys.executable, *sys.argv, "--weigh", str(saved)],
            capture_output=True,
            text=True,
            check=True,
        )
    sys.stdout.write(f"peak memory of a process of its own: {peak.stdout}")
    return 0 if valid else 1


if __name__ == "__main__":
    sys.exit(main())
