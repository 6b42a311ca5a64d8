"""What the folder of a published run says, for whoever packs it up: hostile till read.

Somebody may have edited it, a disk may have damaged it, an older version may have
written it: each field is held against what a run writes before anything is believed.
"""

import json
import math
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn, TypeGuard

import netCDF4
import numpy as np
import shapely.geometry
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from rsmonitor.errors import ContractError, OutputError
from rsmonitor.io.deliver.rasters import DAY_FILL, DAY_UNITS
from rsmonitor.records.grid import Block
from rsmonitor.records.run import Coverage
from rsmonitor.records.week import IsoWeek

COVERAGE: Final = "coverage.geojson"

MOST_BYTES: Final = 64 * 2**20
"""Of a coverage: thousands of grids with borders of thousands of points."""

MOST_GRIDS: Final = 10_000
MOST_POINTS: Final = 2_000_000

LONGEST_NAME: Final = 128
LARGEST_M2: Final = 6e14
"""More than the Earth has."""

MOST_COUNT: Final = 1_000_000
"""Days, and scenes of a week: more is a mistake."""

LAST_DAY: Final = 84_006
"""2200-01-01, as days are stored."""

_NAME: Final = re.compile(rf"[^\x00-\x1f\x7f]{{1,{LONGEST_NAME}}}")
_FILE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_FIRST_SEEN: Final = "first_seen"
_NEVER: Final = np.datetime64("NaT", "D")


def read_coverage(folder: Path) -> tuple[Coverage, ...]:
    """
    Read what a run saw.

    Parameters
    ----------
    folder : Path
        Folder of a run.

    Returns
    -------
    tuple of Coverage
        One a grid.

    Raises
    ------
    OutputError
        If ``coverage.geojson`` is missing, is larger than `MOST_BYTES` or is not what a
        run writes; the message names the feature, the field and the rule.
    """
    path = folder / COVERAGE
    try:
        document = json.loads(_bytes(path), parse_constant=_no_constant)
        found = [
            _coverage(feature, f"feature {number}")
            for number, feature in enumerate(_features(document), start=1)
        ]
        _require_once(found)
        return tuple(found)
    except (OSError, ValueError, RecursionError, ContractError) as error:
        raise OutputError(
            f"{path}: cannot be read as coverage: {error}; run the week again, which "
            "writes its own"
        ) from error


def read_settings_digest(folder: Path) -> str:
    """
    Read by which settings a run was computed.

    Parameters
    ----------
    folder : Path
        Folder of a run.

    Returns
    -------
    str
        SHA-256, hexadecimal.

    Raises
    ------
    OutputError
        If ``manifest.json`` is missing or is not what a run writes.
    """
    path = folder / "manifest.json"
    try:
        document = json.loads(_bytes(path), parse_constant=_no_constant)
        digest = document.get("settings_digest") if isinstance(document, dict) else None
        if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise OutputError(
                f"{path}: settings_digest must be SHA-256, got {digest!r}"
            )
    except (OSError, ValueError, RecursionError) as error:
        raise OutputError(
            f"{path}: cannot be read as the manifest of a run: {error}; run the week "
            "again, which writes its own"
        ) from error
    return digest


def first_seen_reader(folder: Path, name: str) -> Callable[[Block], NDArray[Any]]:
    """
    Give what reads the day on which pixels were first seen to change.

    Parameters
    ----------
    folder : Path
        Folder of a run.
    name : str
        Name of its evidence file, such as ``evidence.nc``.

    Returns
    -------
    callable
        Takes a block of the grid and gives datetime64[D] of its shape, NaT where no
        change was seen; `OutputError` where the file is missing, is damaged, is not
        what a run writes, or does not hold the block.

    Raises
    ------
    ContractError
        If `name` is not a plain name of a file.
    """
    if not _FILE.fullmatch(name):
        raise ContractError(f"a name of an evidence file is plain, got {name!r}")
    path = folder / name

    def read(block: Block) -> NDArray[Any]:
        try:
            _require_file(path)
            with netCDF4.Dataset(path, "r") as dataset:
                return _days(dataset, block)
        except (
            OSError,
            RuntimeError,  # netCDF-C's own
            AttributeError,
            IndexError,
            KeyError,
            TypeError,
            ValueError,
            MemoryError,
            ContractError,
        ) as error:
            raise OutputError(
                f"{path}: cannot be read as evidence: {error}; run the week again, "
                "which writes its own"
            ) from error

    return read


def _require_file(path: Path) -> None:
    """Refuse what is not a file: a pipe would be waited for without end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise ContractError("it is not a regular file")


def _bytes(path: Path) -> bytes:
    """Read a file, unless it is too large to be what it should be."""
    _require_file(path)
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ContractError(f"it has more than {MOST_BYTES} bytes")
    return data


def _no_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which JSON does not have."""
    raise ContractError(f"{name} is not JSON")


def _require_once(found: Sequence[Coverage]) -> None:
    """Refuse a grid that is there twice."""
    grids = {(each.district, each.grid_id) for each in found}
    if len(grids) != len(found):
        raise ContractError("a grid is there twice")


def _features(document: object) -> list[object]:
    """Give the features of a collection."""
    if not _is_object(document) or document.get("type") != "FeatureCollection":
        raise ContractError("it is no FeatureCollection")
    features = document.get("features")
    if not isinstance(features, list) or len(features) > MOST_GRIDS:
        raise ContractError(f"features must be a list of at most {MOST_GRIDS}")
    return features


def _is_object(value: object) -> TypeGuard[Mapping[str, object]]:
    """Say whether a value is an object of JSON."""
    return isinstance(value, dict)


def _coverage(feature: object, where: str) -> Coverage:
    """Read one grid."""
    said = feature.get("properties") if _is_object(feature) else None
    if not _is_object(feature) or not _is_object(said):
        raise ContractError(f"{where} has no properties")

    def number(key: str, least: float, most: float) -> float:
        value = said.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ContractError(f"{where}: {key} must be a number, got {value!r:.60}")
        if not least <= value <= most:  # not finite is neither
            raise ContractError(
                f"{where}: {key} must be {least:g} to {most:g}, got {value!r:.60}"
            )
        return float(value)

    def count(key: str) -> int:
        value = number(key, 0, MOST_COUNT)
        if value != int(value):
            raise ContractError(f"{where}: {key} must be whole, got {value}")
        return int(value)

    def text(key: str) -> str:
        value = said.get(key)
        if not isinstance(value, str) or not _NAME.fullmatch(value):
            raise ContractError(
                f"{where}: {key} must be 1 to {LONGEST_NAME} plain characters, "
                f"got {value!r:.60}"
            )
        return value

    return Coverage(
        district=text("district"),
        grid_id=text("grid_id"),
        week=IsoWeek.parse(text("week")),
        geometry=_geometry(feature.get("geometry"), where),
        area_m2=number("area_m2", 0, LARGEST_M2),
        share_seen=number("share_seen", 0, 1),
        share_monitored=number("share_monitored", 0, 1),
        median_days_since_clear=(
            math.nan
            if said.get("median_days_since_clear", 0) is None
            else number("median_days_since_clear", 0, MOST_COUNT)
        ),
        scenes_used=count("scenes_used"),
        scenes_without_clear=count("scenes_without_clear"),
    )


def _geometry(value: object, where: str) -> Polygon | MultiPolygon:
    """Read an area in longitude and latitude."""
    kind = value.get("type") if _is_object(value) else None
    if not _is_object(value) or kind not in {"Polygon", "MultiPolygon"}:
        raise ContractError(f"{where}: a coverage is an area, got {kind!r:.60}")
    try:
        geometry = shapely.geometry.shape(dict(value))
    except Exception as error:  # shapely raises whatever its parts do
        raise ContractError(f"{where}: no geometry: {error}") from error
    points = shapely.get_coordinates(geometry)
    if geometry.is_empty or len(points) > MOST_POINTS:
        raise ContractError(f"{where}: an area has 1 to {MOST_POINTS} points")
    if not (np.abs(points) <= [180.0, 90.0]).all():  # NaN is not less either
        raise ContractError(f"{where}: a point is not longitude and latitude")
    if not geometry.is_valid:
        # coordinates are rounded in the file, which may let a border touch itself
        parts = shapely.get_parts(shapely.make_valid(geometry))
        geometry = shapely.union_all([p for p in parts if isinstance(p, Polygon)])
    if not isinstance(geometry, Polygon | MultiPolygon) or geometry.is_empty:
        raise ContractError(f"{where}: a coverage is an area")
    return geometry


def _days(dataset: netCDF4.Dataset, block: Block) -> NDArray[Any]:
    """Read a block of days."""
    variable = dataset.variables.get(_FIRST_SEEN)
    if variable is None or variable.dimensions != ("y", "x"):
        raise ContractError(f"it has no variable {_FIRST_SEEN} (y, x)")
    units = getattr(variable, "units", None)
    if variable.dtype != np.dtype(np.int32) or units != DAY_UNITS:
        raise ContractError(
            f"{_FIRST_SEEN} must be int32 in {DAY_UNITS!r}, got {variable.dtype} in "
            f"{units!r:.60}"
        )
    shape = variable.shape
    if block.rows.stop > shape[0] or block.cols.stop > shape[1]:
        raise ContractError(
            f"rows to {block.rows.stop} and columns to {block.cols.stop} are asked "
            f"for, and it has {shape[0]} and {shape[1]}"
        )
    variable.set_auto_maskandscale(False)
    number = np.asarray(variable[block.rows, block.cols])
    never = number == DAY_FILL
    if ((number < 0) | (number > LAST_DAY))[~never].any():
        raise ContractError(f"{_FIRST_SEEN} has a day beyond 1970 to 2200")
    days = number.astype("datetime64[D]")
    days[never] = _NEVER
    return days
