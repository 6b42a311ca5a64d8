"""Chips as georeferenced images for QGIS and the like: cloud-optimised GeoTIFFs.

One file a role and grid holds the chips of all alerts of a package where they lie, and
nothing between them: pixels that no chip holds are transparent, and tiles without any
take no room in the file. The same chips give the same bytes with the same GDAL.
"""

import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import OutputError
from rsmonitor.io.foundation.files import make_folder, write_atomic
from rsmonitor.records.grid import Grid
from rsmonitor.records.package import CHIP_LABELS, Chip, ChipRole, Dossier, Package

if TYPE_CHECKING:
    from rasterio.io import DatasetWriter

FOLDER: Final = "imagery"
"""Where the files lie in a package."""

ROLES: Final = (ChipRole.BEFORE, ChipRole.AFTER)
"""What is written; the days of change are a raster of their own."""

BLOCK: Final = 256
"""Rows and columns of a tile inside a file: about a chip's."""

_SAME: Final = 1e-6
"""Share of a pixel by which two lattices may differ and be one."""

_MOST_FINER: Final = 16
"""A thinned chip is brought to a lattice up to so many times finer."""

_NAME: Final = re.compile(r"[^A-Za-z0-9-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipRaster:
    """One file of images."""

    path: str
    """Relative to the package, with ``/``."""

    title_zh: str
    """What it shows, in Chinese."""

    title_en: str
    """What it shows, in English."""

    role: ChipRole
    """What its chips show."""

    days: tuple[date, ...]
    """Days of the looks in it, oldest first, each once."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Mosaic:
    """Chips that lie on the pixels of one lattice."""

    grid_id: str
    lattice: Grid
    """The first chip's; the others lie on its pixels."""

    chips: list[tuple[Chip, int]] = field(default_factory=list)
    """The least important first, with how many pixels one of theirs is."""


def write_chip_rasters(folder: Path, package: Package) -> tuple[ChipRaster, ...]:
    """
    Write the chips of a package.

    Parameters
    ----------
    folder : Path
        Folder of the package; ``imagery`` is made in it.
    package : Package
        What is sent. Where chips of two alerts overlap, the one of higher attention
        lies on top.

    Returns
    -------
    tuple of ChipRaster
        By role and grid; empty where the package has no chip.

    Raises
    ------
    OutputError
        If a file cannot be written; an older one is then as it was.
    """
    written = []
    for role in ROLES:
        names: set[str] = set()
        for mosaic in _mosaics(package.dossiers, role):
            name = _name(role, mosaic.grid_id, names)
            path = folder / FOLDER / name
            make_folder(path.parent)
            days = {day for chip, _ in mosaic.chips for day in chip.days}
            zh, en = CHIP_LABELS[role]
            raster = ChipRaster(
                path=f"{FOLDER}/{name}",
                title_zh=f"{zh}影像 {mosaic.grid_id}",
                title_en=f"image {en}, {mosaic.grid_id}",
                role=role,
                days=tuple(sorted(days)),
            )
            _write(path, mosaic, raster)
            written.append(raster)
    return tuple(written)


def _mosaics(dossiers: Sequence[Dossier], role: ChipRole) -> list[_Mosaic]:
    """Sort chips by the lattice that they lie on; the finest lattice is the first."""
    found: list[_Mosaic] = []
    held = [
        (dossier.alert.site.latest.disturbance.grid_id, chip)
        for dossier in reversed(dossiers)
        for chip in dossier.chips
        if chip.role is role
    ]
    lattices = sorted(held, key=lambda pair: (pair[0], pair[1].grid.pixel_width))
    for grid_id, chip in lattices:
        if not any(m.grid_id == grid_id and _times(m, chip) for m in found):
            found.append(_Mosaic(grid_id=grid_id, lattice=chip.grid))
    for grid_id, chip in held:
        for mosaic in found:
            times = _times(mosaic, chip) if mosaic.grid_id == grid_id else 0
            if times:
                mosaic.chips.append((chip, times))
                break
    return found


def _times(mosaic: _Mosaic, chip: Chip) -> int:
    """Say how many pixels of a lattice one of a chip is; 0 if they do not fit."""
    lattice, grid = mosaic.lattice, chip.grid
    times = round(grid.pixel_width / lattice.pixel_width)
    steps = (
        grid.pixel_width / lattice.pixel_width - times,
        grid.pixel_height / lattice.pixel_height - times,
    )
    offsets = (
        (grid.left - lattice.left) / lattice.pixel_width,
        (lattice.top - grid.top) / lattice.pixel_height,
    )
    fits = (
        grid.crs == lattice.crs
        and 1 <= times <= _MOST_FINER
        and all(abs(step) < _SAME for step in steps)
        # of a tile of 10980 pixels it may be off by what adds up on the way
        and all(abs(offset - round(offset)) < _SAME * 1e3 for offset in offsets)
    )
    return times if fits else 0


def _name(role: ChipRole, grid_id: str, names: set[str]) -> str:
    """Name a file; what a grid is called may come from anywhere."""
    stem = f"{role.value}-{_NAME.sub('-', grid_id).strip('-') or 'grid'}"
    name, number = f"{stem}.tif", 1
    while name in names:
        number += 1
        name = f"{stem}-{number}.tif"
    names.add(name)
    return name


def _write(path: Path, mosaic: _Mosaic, raster: ChipRaster) -> None:
    """Write one file: first as it comes, then as cloud-optimised."""
    # heavy, and only packages need it
    import rasterio  # noqa: PLC0415
    from rasterio.enums import ColorInterp  # noqa: PLC0415
    from rasterio.shutil import copy as copy_raster  # noqa: PLC0415

    parts = list(_parts(mosaic))
    top, left = min(row for row, _, _ in parts), min(col for _, col, _ in parts)
    height = max(row + rgba.shape[1] for row, _, rgba in parts) - top
    width = max(col + rgba.shape[2] for _, col, rgba in parts) - left
    lattice = mosaic.lattice
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "dtype": "uint8",
        "count": 4,
        "height": height,
        "width": width,
        "crs": lattice.crs,
        "transform": rasterio.Affine(
            lattice.pixel_width,
            0.0,
            lattice.left + left * lattice.pixel_width,
            0.0,
            -lattice.pixel_height,
            lattice.top - top * lattice.pixel_height,
        ),
        "photometric": "RGB",
        "tiled": True,
        "blockxsize": BLOCK,
        "blockysize": BLOCK,
        "SPARSE_OK": True,
        "compress": "DEFLATE",
    }
    try:
        # beside the target, so that it fails or fits where the target will be
        with tempfile.TemporaryDirectory(
            prefix=f".{path.name}.", dir=path.parent
        ) as name:
            draft, final = Path(name) / "draft.tif", Path(name) / path.name
            with rasterio.Env(GDAL_NUM_THREADS="1", GDAL_PAM_ENABLED="NO"):
                with rasterio.open(draft, "w+", **profile) as file:
                    file.colorinterp = (
                        ColorInterp.red,
                        ColorInterp.green,
                        ColorInterp.blue,
                        ColorInterp.alpha,
                    )
                    for row, col, rgba in parts:
                        _paste(file, row - top, col - left, rgba)
                    file.update_tags(
                        TITLE=f"{raster.title_zh} {raster.title_en}",
                        DAYS=" ".join(day.isoformat() for day in raster.days),
                    )
                copy_raster(
                    draft,
                    final,
                    driver="COG",
                    compress="DEFLATE",
                    level=9,
                    predictor="STANDARD",
                    blocksize=BLOCK,
                    overview_resampling="NEAREST",
                    SPARSE_OK="TRUE",
                    BIGTIFF="NO",
                    STATISTICS="NO",
                )
            data = final.read_bytes()
    except (OSError, rasterio.errors.RasterioError) as error:
        raise OutputError(
            f"{path} cannot be written: {error}; look for free space and the right "
            "to write, or choose another folder"
        ) from error
    write_atomic(path, data)


def _parts(mosaic: _Mosaic) -> Iterator[tuple[int, int, NDArray[np.uint8]]]:
    """Give row, column and colours with opacity of each chip, on the lattice."""
    lattice = mosaic.lattice
    for chip, times in mosaic.chips:
        opaque = np.where(chip.seen, 255, 0).astype(np.uint8)
        # where nothing was seen nothing is told, not even behind transparency
        rgb = np.where(chip.seen[..., None], chip.rgb, 0)
        rgba = np.concatenate([np.moveaxis(rgb, -1, 0), opaque[None]])
        rgba = rgba.repeat(times, axis=1).repeat(times, axis=2)
        row = round((lattice.top - chip.grid.top) / lattice.pixel_height)
        col = round((chip.grid.left - lattice.left) / lattice.pixel_width)
        yield row, col, rgba


def _paste(file: "DatasetWriter", row: int, col: int, rgba: NDArray[np.uint8]) -> None:
    """Lay a chip over what is there, where it shows anything."""
    window = ((row, row + rgba.shape[1]), (col, col + rgba.shape[2]))
    there = file.read(window=window)
    seen = rgba[3] > 0
    there[:, seen] = rgba[:, seen]
    file.write(there, window=window)
