"""Files to a median of clear looks: block by block, against odc-stac with dask.

Both read the same cloud-optimised GeoTIFFs of one window on many dates, leave out what
the scene classification calls cloud, shadow, snow or nothing, and take the median: of
NDVI, or of the three bands that an image shows. Results are compared before times are.
What decoding alone costs stands beside it: no way to a composite can be cheaper.

    python -m benchmarks.composite --dates 16 --size 1830
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import rasterio
from numpy.typing import NDArray

from benchmarks.ground import ADD_OFFSET, Recipe, days
from benchmarks.harness import PAIRS, compare, figure, machine, peak_bytes, table
from benchmarks.tile import default_folder, items, make
from rsmonitor.io.sources.folder import FolderArchive
from rsmonitor.io.sources.scenes import ArchiveScenes
from rsmonitor.io.stores.cache import SceneCache
from rsmonitor.records.parameters import ClearParameters
from rsmonitor.stages.fused.composite import median_of_looks
from rsmonitor.stages.fused.rows import index_values

if TYPE_CHECKING:
    from rsmonitor.records.acquisition import Product

TARGET: Final = 1 / 8
BLOCK: Final = 512
"""Rows and columns of a block: those of the tiles inside the files."""

CHUNK: Final = 1024
"""Pixels of a dask chunk of one look: what is common for odc-stac."""

THREADS: Final = 2
CLEAR: Final = ClearParameters().clear_classes
NDVI: Final = ("B04", "B08")
IMAGE: Final = ("B04", "B03", "B02")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is composed, and of which files."""

    recipe: Recipe
    root: Path
    dates: int
    ndvi: bool

    @property
    def bands(self) -> tuple[str, ...]:
        """Bands that are read beside the classes."""
        return NDVI if self.ndvi else IMAGE


class Ours:
    """The way of rsmonitor: numbers of a block of all looks, then one kernel."""

    def __init__(self, case: Case, kept: Path) -> None:
        self._case = case
        self._grid = case.recipe.grid
        self._is_clear = np.isin(np.arange(256), CLEAR)
        self._source = ArchiveScenes(
            FolderArchive(case.root),
            (self._grid,),
            cache=SceneCache(kept),
            start=datetime(2000, 1, 1, tzinfo=UTC),
            bands=case.bands,
        )
        until = datetime(2100, 1, 1, tzinfo=UTC)
        found = self._source.find(self._grid, until=until)
        self._products: Sequence[Product] = found[: case.dates]

    def read(self) -> None:
        """Decode, and do nothing with it."""
        for block in self._grid.blocks(BLOCK):
            for product in self._products:
                self._source.numbers(product, self._grid, block)

    def compose(self) -> NDArray[np.float32]:
        """Make the composite, shape (band, y, x)."""
        planes = 1 if self._case.ndvi else len(self._case.bands)
        dtype = np.float32 if self._case.ndvi else np.uint16
        whole = np.empty((planes, *self._grid.shape), dtype=np.float32)
        count = len(self._products)
        most = count * min(BLOCK, self._grid.height) * min(BLOCK, self._grid.width)
        # memory that is new costs more than the median of what is put there
        room_for_looks: Any = np.empty(most * planes, dtype=dtype)
        room_for_clear = np.empty(most, dtype=np.bool_)
        for block in self._grid.blocks(BLOCK):
            shape = (block.height, block.width)
            pixels = count * block.height * block.width
            looks = room_for_looks[: pixels * planes].reshape(count, planes, *shape)
            clear = room_for_clear[:pixels].reshape(count, *shape)
            rows = np.arange(block.height, dtype=np.int64)
            for look, product in enumerate(self._products):
                numbers = self._source.numbers(product, self._grid, block)
                # any other mode than `raise` writes straight into `out`
                np.take(self._is_clear, numbers.scl, out=clear[look], mode="clip")
                if self._case.ndvi:
                    looks[look] = index_values(numbers, ("ndvi",), clear[look], rows)
                    np.isfinite(looks[look, 0], out=clear[look])
                else:
                    for plane, band in enumerate(self._case.bands):
                        looks[look, plane] = numbers.fine[numbers.bands.index(band)]
                        clear[look] &= looks[look, plane] > 0
            median, _ = median_of_looks(looks, clear, add_offset=ADD_OFFSET)
            whole[:, block.rows, block.cols] = median
        return whole


class Theirs:
    """The way that a user of odc-stac and dask goes."""

    def __init__(self, case: Case, scheduler: str) -> None:
        # here, so that they do not count as memory of ours
        import dask.base  # noqa: PLC0415
        import odc.stac  # noqa: PLC0415
        from odc.geo.geobox import GeoBox  # noqa: PLC0415

        self._dask: Any = dask
        self._stac: Any = odc.stac
        self._case = case
        self._scheduler = scheduler
        grid = case.recipe.grid
        self._place = GeoBox(grid.shape, rasterio.Affine(*grid.transform), grid.crs)
        self._items = items(case.root, days(case.dates), case.recipe)

    def _load(self) -> Any:  # noqa: ANN401 - a dataset, of a library without types
        return self._stac.load(
            self._items,
            bands=[*self._case.bands, "SCL"],
            geobox=self._place,
            chunks={"x": CHUNK, "y": CHUNK},
            groupby="solar_day",
        )

    def read(self) -> None:
        """Decode, and do nothing with it."""
        with self._dask.config.set(scheduler=self._scheduler, num_workers=THREADS):
            self._load().compute()

    def compose(self) -> NDArray[np.float32]:
        """Make the composite, shape (band, y, x)."""
        looks = self._load()
        clear = looks.SCL.isin(CLEAR)
        values = {
            band: (looks[band].where(clear & (looks[band] > 0)) + ADD_OFFSET) / 10_000
            for band in self._case.bands
        }
        if self._case.ndvi:
            red, infrared = (values[band] for band in NDVI)
            values = {"ndvi": (infrared - red) / (infrared + red)}
        lazy = [value.median("time") for value in values.values()]
        with self._dask.config.set(scheduler=self._scheduler, num_workers=THREADS):
            found = self._dask.base.compute(*lazy)
        return np.stack([plane.to_numpy() for plane in found])


def decode(case: Case) -> Callable[[], None]:
    """
    Give what decodes the bands of a case by GDAL, tile by tile, and nothing else.

    Parameters
    ----------
    case : Case
        Which files.

    Returns
    -------
    callable
        The least that rasterio can do.
    """
    paths = [
        item.assets[band].href
        for item in items(case.root, days(case.dates), case.recipe)
        for band in (*case.bands, "SCL")
    ]

    def run() -> None:
        for path in paths:
            with rasterio.open(path) as file:
                for _, window in file.block_windows(1):
                    file.read(1, window=window)

    return run


def peak(case: Case, side: str, arguments: Sequence[str]) -> int:
    """
    Give the peak memory of one side, in a process of its own.

    Parameters
    ----------
    case : Case
        What is composed.
    side : str
        ``ours``, ``threads`` or ``synchronous``.
    arguments : sequence of str
        Of this program.

    Returns
    -------
    int
        Bytes, imports included.
    """
    done = subprocess.run(  # noqa: S603 - this program
        [
            sys.executable,
            "-m",
            "benchmarks.composite",
            *arguments,
            "--only",
            side,
            *(["--ndvi"] if case.ndvi else []),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    return int(json.loads(done.stdout)["peak_bytes"])


@contextmanager
def _opened(case: Case, side: str) -> Iterator[Ours | Theirs]:
    """Open one side."""
    if side != "ours":
        yield Theirs(case, side)
        return
    with tempfile.TemporaryDirectory() as kept:
        yield Ours(case, Path(kept))


def _measure(case: Case, arguments: Sequence[str], pairs: int) -> None:
    """Compare both sides, and print."""
    what = "NDVI" if case.ndvi else "true colour"
    with _opened(case, "ours") as ours:
        mine = ours.compose()
        rows, few = [], max(3, pairs // 3)
        for side in ("threads", "synchronous"):
            with _opened(case, side) as theirs:
                other = theirs.compose()
                off = np.abs(mine - other)
                gaps = np.isnan(mine) != np.isnan(other)
                sys.stdout.write(
                    f"{what}, {case.dates} dates of {case.recipe.size} x "
                    f"{case.recipe.size}: largest difference {np.nanmax(off):.2g}, "
                    f"{int(gaps.sum())} pixels missing in one alone\n"
                )
                against = f"odc-stac, dask {side}"
                rows.append(
                    compare(
                        f"load and composite, {what}",
                        ours.compose,
                        theirs.compose,
                        against=against,
                        target=TARGET,
                        inverted=True,
                        pairs=pairs,
                    )
                )
                rows.append(
                    compare(
                        f"load alone, {what}",
                        ours.read,
                        theirs.read,
                        against=against,
                        inverted=True,
                        pairs=few,
                    )
                )
        rows.append(
            compare(
                f"load alone, {what}",
                ours.read,
                decode(case),
                against="GDAL decoding the same tiles",
                pairs=few,
            )
        )
    sys.stdout.write(table(rows))
    for side in ("ours", "threads", "synchronous"):
        held = peak(case, side, arguments)
        sys.stdout.write(f"peak memory, {side}: {figure(held / 2**20)} MiB\n")
    sys.stdout.flush()


def main() -> int:
    """
    Measure and print.

    Returns
    -------
    int
        0.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=default_folder())
    parser.add_argument("--size", type=int, default=1830)
    parser.add_argument("--dates", type=int, default=16)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--only", help="one side, once, and its peak memory")
    parser.add_argument("--ndvi", action="store_true", help="with --only")
    asked = parser.parse_args()
    recipe = Recipe(size=asked.size)
    root = make(asked.folder, days(asked.dates), recipe)
    if asked.only:
        case = Case(recipe=recipe, root=root, dates=asked.dates, ndvi=asked.ndvi)
        with _opened(case, asked.only) as side:
            side.compose()
        sys.stdout.write(json.dumps({"peak_bytes": peak_bytes()}) + "\n")
        return 0
    sys.stdout.write(machine().sentence() + "\n")
    arguments = [str(asked.folder), f"--size={asked.size}", f"--dates={asked.dates}"]
    for ndvi in (True, False):
        case = Case(recipe=recipe, root=root, dates=asked.dates, ndvi=ndvi)
        _measure(case, arguments, asked.pairs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
