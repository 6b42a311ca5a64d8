"""Which file a band is taken from, and how its pixels lie in the finest grid."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from rsmonitor.errors import SourceError
from rsmonitor.io.sources.cube_georeference import same_crs
from rsmonitor.io.sources.cube_metadata import ESA_BANDS, SCL, CubeFile
from rsmonitor.io.sources.cube_values import (
    Meaning,
    meaning_of_classes,
    meaning_of_reflectance,
)
from rsmonitor.io.sources.resampling import Placement, placement

_SAME_SIZE: Final = 1e-6
"""Pixels of two files are of one size if their areas differ by no larger share."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """One band: where it is stored, what its numbers mean, where its pixels lie."""

    file: CubeFile
    """The finest file that holds it."""

    meaning: Meaning
    """What its numbers stand for."""

    placement: Placement
    """Where the pixels of the finest grid lie in those of `file`."""


def combine(
    files: list[CubeFile],
    *,
    scale: float | None,
    offset: float | None,
    say: Callable[[str], None],
) -> tuple[Mapping[str, Layer], CubeFile]:
    """
    Put the files of one place together.

    Parameters
    ----------
    files : list of CubeFile
        At least one.
    scale : float or None
        Reflectance of one stored unit, where the file does not say.
    offset : float or None
        Reflectance added after scaling, where the file does not say.
    say : callable
        Receives what was chosen and assumed.

    Returns
    -------
    layers : mapping of str to Layer
        By ESA name of the band; `SCL` is always among them.
    base : CubeFile
        The file whose grid is that of the cube: the finest.

    Raises
    ------
    SourceError
        If the files contradict each other, or lack what a cube needs.
    """
    _refuse_other_times(files)
    chosen = _choose(files, say)
    base, placements = _finest(list(dict.fromkeys(chosen.values())))
    layers = {}
    for band, file in chosen.items():
        variable = file.variables[band]
        layers[band] = Layer(
            file=file,
            meaning=meaning_of_classes(file, variable)
            if band == SCL
            else meaning_of_reflectance(file, variable, scale=scale, offset=offset),
            placement=placements[file],
        )
    _tell(layers, say)
    return layers, base


def _refuse_other_times(files: list[CubeFile]) -> None:
    """Refuse files whose times differ: no telling which looks belong together."""
    first = files[0]
    for other in files[1:]:
        common = min(first.times.size, other.times.size)
        differ = np.flatnonzero(first.times[:common] != other.times[:common])
        if differ.size:
            at = int(differ[0])
            raise SourceError(
                f"{other.path}: time[{at}] is {other.times[at]}, but "
                f"{first.times[at]} in {first.path}; files of one place must have the "
                "same times"
            )
        if first.times.size != other.times.size:
            raise SourceError(
                f"{other.path}: {other.times.size} times, but {first.times.size} in "
                f"{first.path}; files of one place must have the same times"
            )


def _pixel_area(file: CubeFile) -> float:
    """Give the area of a pixel in units of the CRS: only to compare."""
    return file.grid.pixel_width * file.grid.pixel_height


def _choose(files: list[CubeFile], say: Callable[[str], None]) -> dict[str, CubeFile]:
    """Choose the file of each band: the finest."""
    for file in files[1:]:
        if not same_crs(file.grid.crs, files[0].grid.crs):
            raise SourceError(
                f"{file.path}: its CRS is {file.grid.crs[:60]}, but "
                f"{files[0].grid.crs[:60]} in {files[0].path}"
            )
    chosen: dict[str, CubeFile] = {}
    coarser: dict[tuple[CubeFile, CubeFile], list[str]] = {}
    for band in (*ESA_BANDS, SCL):
        holders = sorted((f for f in files if band in f.variables), key=_pixel_area)
        if not holders:
            continue
        finest, *others = holders
        for other in others:
            if _pixel_area(other) < _pixel_area(finest) * (1 + _SAME_SIZE):
                raise SourceError(
                    f"{band} is in {finest.path} and in {other.path} with pixels of "
                    "one size; leave one out"
                )
            coarser.setdefault((finest, other), []).append(band)
        chosen[band] = finest
    for (finest, other), bands in coarser.items():
        say(
            f"{', '.join(bands)}: in two files; took the finer, {finest.path.name} "
            f"({finest.grid.pixel_width:g}), not {other.path.name} "
            f"({other.grid.pixel_width:g})"
        )
    names = ", ".join(file.path.name for file in files)
    if SCL not in chosen:
        raise SourceError(
            f"{names}: no SCL; the scene classification is needed to know what was "
            "seen and what was cloud"
        )
    if len(chosen) == 1:
        raise SourceError(f"{names}: SCL alone; a cube needs bands of reflectance")
    return chosen


def _finest(files: list[CubeFile]) -> tuple[CubeFile, dict[CubeFile, Placement]]:
    """Choose the grid: the finest, and of equally fine ones one that all cover."""
    smallest = min(_pixel_area(file) for file in files)
    refusals: list[SourceError] = []
    for base in files:
        if _pixel_area(base) > smallest * (1 + _SAME_SIZE):
            continue
        try:
            return base, {file: _placement(file, base) for file in files}
        except SourceError as error:
            refusals.append(error)
    raise refusals[0]


def _placement(file: CubeFile, base: CubeFile) -> Placement:
    """Find where the finest grid lies in a file's own, or say why it does not."""
    try:
        return placement(file.grid, base.grid)
    except SourceError as error:
        raise SourceError(
            f"{file.path}: its grid does not fit that of {base.path}: {error}"
        ) from error


def _tell(layers: Mapping[str, Layer], say: Callable[[str], None]) -> None:
    """Tell what was assumed about scale, and what is resampled."""
    notes: dict[str, list[str]] = {}
    for band, layer in layers.items():
        place = layer.placement
        if layer.meaning.said:
            notes.setdefault(
                f"{layer.file.path.name}: {{}}: {layer.meaning.said}", []
            ).append(band)
        if not place.is_same_pixels:
            way = "nearest" if band == SCL else "bilinear"
            notes.setdefault(
                f"{layer.file.path.name}: {{}}: pixels of {place.ratio_x} x "
                f"{place.ratio_y} brought to the finest grid ({way})",
                [],
            ).append(band)
    for note, bands in notes.items():
        say(note.replace("{}", ", ".join(bands)))
