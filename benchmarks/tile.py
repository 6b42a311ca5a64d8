"""Synthetic Level-2A products of one tile, made from a seed and only once.

The files are cloud-optimised GeoTIFF (deflate, predictor 2, internal tiles, overviews)
in a folder that `rsmonitor.io.sources.folder` reads. What decides the cost of decoding
is like that of real products: reflectance compresses to 1 / 1.6 or 1 / 1.7, classes lie
in patches. What they show is `benchmarks.ground`.

    python -m benchmarks.tile FOLDER --size 10980 --dates 2 --check
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import rasterio
from rasterio.io import MemoryFile
from rasterio.shutil import copy as copy_raster

from benchmarks.ground import (
    ADD_OFFSET,
    BANDS,
    MGRS_TILE,
    Recipe,
    classes,
    days,
    digital_numbers,
    history,
    pixel_m,
)
from rsmonitor.io.sources.folder import FolderArchive
from rsmonitor.io.sources.folder_product import DESCRIPTION
from rsmonitor.io.sources.scenes import ArchiveScenes
from rsmonitor.io.stores.cache import SceneCache
from rsmonitor.records.grid import Block, Grid
from rsmonitor.records.offer import BANDS_10M, PIXELS_10M
from rsmonitor.stages.geodesy import grid_outline

if TYPE_CHECKING:
    from pystac import Item

STRIP: Final = 512
"""Rows that are made at once."""


def make(folder: Path, when: Sequence[date], recipe: Recipe) -> Path:
    """
    Make the products of some days, unless they are there.

    Parameters
    ----------
    folder : Path
        Where; one folder inside it holds the products of one recipe.
    when : sequence of date
        Days of looks.
    recipe : Recipe
        Pixels and files.

    Returns
    -------
    Path
        What `FolderArchive` opens. It may hold other days as well.
    """
    bands = "-".join(recipe.bands)
    root = (
        folder
        / f"{recipe.size}-{recipe.block}-{recipe.level}-{recipe.seed}-{bands}".lower()
    )
    root.mkdir(parents=True, exist_ok=True)
    for day in when:
        place = root / _name(day)
        if (place / DESCRIPTION).exists():
            continue
        # a search does not look into folders whose name begins with a dot
        unfinished = root / f".{_name(day)}"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        for band in (*recipe.bands, "SCL"):
            _write(unfinished / _file(day, band), band, day, recipe)
        said = {
            "product_id": _name(day),
            "mgrs_tile": MGRS_TILE,
            "platform": "S2A",
            "sensed_at": _sensed_at(day).isoformat(),
            "add_offset": ADD_OFFSET,
            "quantification_value": 10_000,
            "processing_baseline": "05.11",
        }
        (unfinished / DESCRIPTION).write_text(json.dumps(said), encoding="utf-8")
        unfinished.rename(place)
    return root


def items(root: Path, when: Sequence[date], recipe: Recipe) -> "list[Item]":
    """
    Describe products as STAC items, so that other libraries can load them.

    Parameters
    ----------
    root : Path
        What `make` gave.
    when : sequence of date
        Days of looks.
    recipe : Recipe
        Of these files.

    Returns
    -------
    list of pystac.Item
        With the projection and raster extensions for every asset.
    """
    from pystac import Asset, Item  # noqa: PLC0415 - only few comparisons need it

    grid = recipe.grid
    outline = grid_outline(grid)
    found = []
    for day in when:
        item = Item(
            id=_name(day),
            geometry=json.loads(json.dumps(outline.__geo_interface__)),
            bbox=list(outline.bounds),
            datetime=_sensed_at(day),
            properties={"proj:code": grid.crs},
            stac_extensions=[
                "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
                "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
            ],
        )
        for band in (*recipe.bands, "SCL"):
            metres = pixel_m(band)
            size = recipe.size * 10 // metres
            kind = "uint8" if band == "SCL" else "uint16"
            asset = Asset(
                href=str(root / _name(day) / _file(day, band)),
                media_type="image/tiff; application=geotiff; profile=cloud-optimized",
                roles=["data"],
                extra_fields={
                    "proj:shape": [size, size],
                    "proj:transform": [metres, 0, grid.left, 0, -metres, grid.top],
                    "raster:bands": [{"data_type": kind, "nodata": 0}],
                },
            )
            item.add_asset(band, asset)
        found.append(item)
    return found


def problems(root: Path, day: date, recipe: Recipe) -> Iterator[str]:
    """
    Read a window through the doors of rsmonitor, and compare.

    Parameters
    ----------
    root : Path
        What `make` gave.
    day : date
        Day of a look.
    recipe : Recipe
        Of these files.

    Yields
    ------
    str
        What is wrong.
    """
    side = min(400, recipe.size)
    tile = recipe.grid
    grid = Grid(**{**asdict(tile), "height": side, "width": side})
    block = Block(row=0, col=0, height=side, width=side)
    with tempfile.TemporaryDirectory() as kept:
        source = ArchiveScenes(
            FolderArchive(root),
            (grid,),
            cache=SceneCache(Path(kept)),
            start=datetime(2000, 1, 1, tzinfo=UTC),
            bands=recipe.bands,
        )
        looks = source.find(grid, until=datetime(2100, 1, 1, tzinfo=UTC))
        mine = [look for look in looks if look.sensed_at == _sensed_at(day)]
        if len(mine) != 1:
            yield f"{len(mine)} looks of {day} where there must be one"
            return
        scene = source.load(mine[0], grid, block)
    fine = [band for band in recipe.bands if band in BANDS_10M]
    reflectance, scl = history([day], block, fine, recipe)
    for row, band in enumerate(fine):
        read = scene["reflectance"].sel(band=band).to_numpy()
        if not np.array_equal(read, reflectance[0, row]):
            yield f"{day}, {band}: the file does not hold what was made"
    if not np.array_equal(scene["scl"].to_numpy(), scl[0]):
        yield f"{day}, SCL: the file does not hold what was made"


def main() -> int:
    """
    Make products and say how large they are.

    Returns
    -------
    int
        1 if a check failed.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=default_folder())
    parser.add_argument("--size", type=int, default=PIXELS_10M, help="made even")
    parser.add_argument("--dates", type=int, default=2)
    parser.add_argument("--block", type=int, default=512)
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--b12", action="store_true", help="B12 as well")
    parser.add_argument("--check", action="store_true", help="read it back, compare")
    asked = parser.parse_args()
    recipe = Recipe(
        size=asked.size - asked.size % 2,
        seed=asked.seed,
        block=asked.block,
        bands=(*BANDS, "B12") if asked.b12 else BANDS,
    )
    when = days(asked.dates)
    begun = time.process_time()
    root = make(asked.folder, when, recipe)
    sys.stdout.write(f"{root}: {time.process_time() - begun:.1f} s of CPU\n")
    for band in (*recipe.bands, "SCL"):
        stored = [(root / _name(day) / _file(day, band)).stat().st_size for day in when]
        side = recipe.size * 10 // pixel_m(band)
        # overviews hold a third of the pixels once more
        raw = side * side * (1 if band == "SCL" else 2) * len(when) * 4 / 3
        sys.stdout.write(
            f"{band}: {sum(stored) / 1e6:.1f} MB in {len(when)} files, "
            f"1 / {raw / sum(stored):.2f} of its pixels\n"
        )
    found = [
        each for day in when if asked.check for each in problems(root, day, recipe)
    ]
    sys.stdout.writelines(f"{each}\n" for each in found)
    return 1 if found else 0


def default_folder() -> Path:
    """
    Give the folder that is used unless another is asked for.

    Returns
    -------
    Path
        In the system's folder for what may be lost.
    """
    return Path(tempfile.gettempdir()) / "rsmonitor-benchmark-tile"


def _write(path: Path, band: str, day: date, recipe: Recipe) -> None:
    """Write one file."""
    metres = pixel_m(band)
    side = recipe.size * 10 // metres
    grid = recipe.grid
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "dtype": "uint8" if band == "SCL" else "uint16",
        "count": 1,
        "height": side,
        "width": side,
        "crs": grid.crs,
        "transform": rasterio.Affine(metres, 0, grid.left, 0, -metres, grid.top),
        "nodata": 0,
    }
    with MemoryFile() as memory:
        with memory.open(**profile) as file:
            for top in range(0, side, STRIP):
                rows = range(top, min(top + STRIP, side))
                strip = (
                    classes(day, rows, range(side), recipe)
                    if band == "SCL"
                    else digital_numbers(band, day, rows, range(side), recipe)
                )
                window = rasterio.windows.Window(0, top, side, len(rows))
                file.write(strip, 1, window=window)
        with memory.open() as file:
            copy_raster(
                file,
                path,
                driver="COG",
                compress="DEFLATE",
                level=recipe.level,
                predictor="STANDARD",
                blocksize=recipe.block,
                overview_resampling="NEAREST" if band == "SCL" else "AVERAGE",
            )


def _sensed_at(day: date) -> datetime:
    """Instant of a look."""
    return datetime.combine(day, time_of_day(2, 51, 11), tzinfo=UTC)


def _name(day: date) -> str:
    """Product id of a look, in ESA's form."""
    sensed = f"{_sensed_at(day):%Y%m%dT%H%M%S}"
    return f"S2A_MSIL2A_{sensed}_N0511_R132_T{MGRS_TILE}_{day:%Y%m%d}T080000"


def _file(day: date, band: str) -> str:
    """File of a band, in ESA's form."""
    return f"T{MGRS_TILE}_{_sensed_at(day):%Y%m%dT%H%M%S}_{band}_{pixel_m(band)}m.tif"


if __name__ == "__main__":
    sys.exit(main())
