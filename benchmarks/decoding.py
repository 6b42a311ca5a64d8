"""What reading a scene as stored numbers costs, against GDAL reading its bands once.

Ours is `numbers` of every block of a tile, one after the other, with what it needs
around it, from a folder of GeoTIFFs: identity, checks and all. Theirs is a plain read
of the same bands in strips, with one thread.

    python -m benchmarks.decoding --size 10980
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import rasterio
from rasterio.windows import Window

from benchmarks.ground import BANDS, Recipe, days
from benchmarks.harness import Measurement, compare, machine, table
from benchmarks.tile import default_folder, make
from rsmonitor.io.sources.folder import FolderArchive
from rsmonitor.io.sources.scenes import ArchiveScenes
from rsmonitor.io.stores.cache import SceneCache
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.offer import PIXELS_10M

BLOCK: Final = 1024
HALO: Final = 48
PAIRS: Final = 7
TARGET: Final = 0.85
STRIP: Final = 512
"""Rows that GDAL reads at once: whole rows of tiles inside the files."""


def blocks(grid: Grid) -> Iterator[Block]:
    """
    Cut a grid into blocks with what they need around them.

    Parameters
    ----------
    grid : Grid
        All pixels.

    Yields
    ------
    Block
        Row by row.
    """
    for block in grid.blocks(BLOCK):
        top, left = max(block.row - HALO, 0), max(block.col - HALO, 0)
        bottom = min(block.row + block.height + HALO, grid.height)
        right = min(block.col + block.width + HALO, grid.width)
        yield Block(row=top, col=left, height=bottom - top, width=right - left)


def ours(root: Path, grid: Grid) -> int:
    """
    Read all blocks of the first look.

    Parameters
    ----------
    root : Path
        Folder of products.
    grid : Grid
        The tile.

    Returns
    -------
    int
        Bytes of numbers.
    """
    with tempfile.TemporaryDirectory() as kept:
        source = ArchiveScenes(
            FolderArchive(root),
            (grid,),
            cache=SceneCache(Path(kept)),
            start=datetime(2000, 1, 1, tzinfo=UTC),
            bands=BANDS,
        )
        product = source.find(grid, until=datetime(2100, 1, 1, tzinfo=UTC))[0]
        return sum(
            source.numbers(product, grid, block).nbytes for block in blocks(grid)
        )


def theirs(paths: Sequence[Path]) -> int:
    """
    Read whole bands in strips.

    Parameters
    ----------
    paths : sequence of Path
        One file a band.

    Returns
    -------
    int
        Bytes of numbers.
    """
    count = 0
    with rasterio.Env(GDAL_NUM_THREADS="1"):
        for path in paths:
            with rasterio.open(path) as file:
                for top in range(0, file.height, STRIP):
                    rows = min(STRIP, file.height - top)
                    window = Window(0, top, file.width, rows)
                    count += file.read(1, window=window).nbytes
    return count


def measure(root: Path, grid: Grid, pairs: int) -> Measurement:
    """
    Compare both.

    Parameters
    ----------
    root : Path
        Folder of products.
    grid : Grid
        The tile.
    pairs : int
        Pairs that count.

    Returns
    -------
    Measurement
        Ratio ours / theirs.
    """
    first = min(place for place in root.iterdir() if place.is_dir())
    paths = sorted(first.glob("*.tif"))
    return compare(
        f"stored numbers of {grid.height} x {grid.width} in blocks of {BLOCK}, "
        f"halo {HALO}",
        lambda: ours(root, grid),
        lambda: theirs(paths),
        against="GDAL, the same bands in strips",
        target=TARGET,
        pairs=pairs,
    )


def main() -> int:
    """
    Measure and print.

    Returns
    -------
    int
        0 if the target is met, else 1.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=default_folder())
    parser.add_argument("--size", type=int, default=PIXELS_10M)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--json", type=Path, help="also write it here")
    said = parser.parse_args()
    recipe = Recipe(size=said.size)
    root = make(said.folder, days(1), recipe)
    found = measure(root, recipe.grid, said.pairs)
    print(machine().sentence())
    print(table([found]))
    if said.json is not None:
        said.json.write_text(json.dumps(found.as_dict(), indent=1), encoding="utf-8")
    return 0 if found.met else 1


if __name__ == "__main__":
    sys.exit(main())
