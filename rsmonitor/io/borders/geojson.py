"""A bureau's own border file, GeoJSON: hostile until parsed, used whole or not at all.

A layer that lacks one county would give that county's sites to nobody, in silence;
so, unlike a file of licences, one bad feature refuses the file. The standard library
parses it, never GDAL, which may follow what a ``crs`` link points at.
"""

import json
import math
import re
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import shapely
from shapely import MultiPolygon, Polygon

from rsmonitor.errors import SettingsError
from rsmonitor.stages.gcj02 import gcj02_shift
from rsmonitor.stages.jurisdiction import County, outlines

MAX_BYTES: Final = 256 * 2**20
"""Largest file that is read; every county of China in survey detail fits."""

CODE_KEYS: Final = ("code", "adcode", "district_adcode", "XZQDM", "PAC")
"""Properties that may hold the GB/T 2260 code; the first that is there counts."""

NAME_KEYS: Final = ("name", "name_zh", "district_name", "XZQMC", "NAME")
"""Properties that may hold the name."""

MAX_OFF_M: Final = 300.0
"""A layer farther than this from a known one is of another place or another datum."""

_MAX_NAME: Final = 100
_CODE: Final = re.compile(r"[0-9]{6}")
_CRS84: Final = re.compile(r".*(crs84|[:/](4326|4490))", re.IGNORECASE)
_RULE_CRS: Final = (
    "borders are longitude and latitude in degrees (CRS84, EPSG:4326 or EPSG:4490); "
    "convert the file and leave out crs"
)


def read_borders(
    path: Path, *, known: Sequence[County] | None = None
) -> tuple[County, ...]:
    """
    Read a border layer.

    Parameters
    ----------
    path : Path
        A GeoJSON FeatureCollection of counties in CRS84, each with its code in one of
        `CODE_KEYS`; parts of one county may be several features.
    known : sequence of County, optional
        A layer that is known to be right, to notice one that is shifted.

    Returns
    -------
    tuple of County
        Sorted by code.

    Raises
    ------
    SettingsError
        If the file cannot be read, is too large, is not such a collection, or any
        feature of it breaks a rule; or if it lies in GCJ-02, or more than `MAX_OFF_M`
        off, against `known`.
    """
    counties = _counties(path, _parsed(path))
    if known is not None:
        refuse_shifted(counties, known, what=str(path))
    return counties


def refuse_shifted(
    counties: Sequence[County], known: Sequence[County], *, what: str
) -> None:
    """
    Refuse a layer that lies beside one that is known to be right.

    Parameters
    ----------
    counties : sequence of County
        The layer in doubt.
    known : sequence of County
        The layer that is right.
    what : str
        The layer in doubt, for the message.

    Raises
    ------
    SettingsError
        If it is GCJ-02, or off by more than `MAX_OFF_M`.
    """
    shift = gcj02_shift(outlines(counties), outlines(known))
    if shift is None:
        return
    if shift.is_gcj02:
        raise SettingsError(
            f"{what}: lies {shift.length_m:.0f} m beside the ground "
            f"({shift.east_m:+.0f} m east, {shift.north_m:+.0f} m north, "
            f"{shift.compared} counties): it is GCJ-02, the coordinates of Chinese web "
            f"maps; converted it would be off by {shift.undone_m:.0f} m instead of "
            f"{shift.as_is_m:.0f} m. Take the survey's own file, in CGCS2000"
        )
    if shift.as_is_m > MAX_OFF_M:
        raise SettingsError(
            f"{what}: its borders are {shift.as_is_m:.0f} m from the known ones "
            f"({shift.compared} counties), more than {MAX_OFF_M:.0f} m: check its "
            "datum and its codes"
        )


def _parsed(path: Path) -> object:
    """Read and parse a regular file of bearable size."""
    try:
        if not path.is_file():
            raise SettingsError(f"{path}: there is no such file; name a GeoJSON file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error
    if len(content) > MAX_BYTES:
        raise SettingsError(
            f"{path}: is larger than {MAX_BYTES // 2**20} MB; keep only the counties "
            "of your districts and their neighbours"
        )
    try:
        parsed: object = json.loads(
            content.decode("utf-8-sig"), parse_constant=_refuse_constant
        )
    except RecursionError as error:
        raise SettingsError(f"{path}: is nested deeper than any GeoJSON") from error
    except ValueError as error:  # of the encoding or of JSON
        raise SettingsError(f"{path}: is not JSON in UTF-8: {error}") from error
    return parsed


def _refuse_constant(name: str) -> NoReturn:
    """Refuse the numbers that Python reads and JSON does not have."""
    raise ValueError(f"{name} is not a number in JSON")


def _counties(path: Path, document: object) -> tuple[County, ...]:
    """Read every feature, and join the parts of each county."""
    if not isinstance(document, dict) or document.get("type") != "FeatureCollection":
        raise SettingsError(f"{path}: is not a FeatureCollection (GeoJSON)")
    _require_crs84(path, document)
    features = document.get("features")
    if not isinstance(features, list) or not features:
        raise SettingsError(f"{path}: features must be a list with a county in it")
    parts: dict[str, list[Polygon | MultiPolygon]] = {}
    names: dict[str, str] = {}
    for number, feature in enumerate(features, start=1):
        where = f"{path}, feature {number}"
        if not isinstance(feature, dict):
            raise SettingsError(f"{where}: {_shown(feature)} is not a Feature")
        code, name = _named(where, feature.get("properties"))
        parts.setdefault(code, []).append(_outline(where, feature.get("geometry")))
        names.setdefault(code, name)
    return tuple(
        County(code=code, name=names[code], geometry=_joined(path, code, parts[code]))
        for code in sorted(parts)
    )


def _require_crs84(path: Path, document: Mapping[str, object]) -> None:
    """Refuse a ``crs`` member that names, or points at, another CRS."""
    if "crs" not in document:
        return
    crs: Any = document["crs"]
    try:
        name = crs["properties"]["name"]
    except (TypeError, KeyError, IndexError):
        name = None
    if not (isinstance(name, str) and _CRS84.fullmatch(name.strip())):
        raise SettingsError(f"{path}: crs is {_shown(crs)}: {_RULE_CRS}")


def _named(where: str, properties: object) -> tuple[str, str]:
    """Read code and name."""
    given = properties if isinstance(properties, dict) else {}
    code = next((given[key] for key in CODE_KEYS if given.get(key) is not None), None)
    if isinstance(code, int) and not isinstance(code, bool):
        code = str(code)
    if not (isinstance(code, str) and _CODE.fullmatch(code)):
        raise SettingsError(
            f"{where}: county code is {_shown(code)}: it must be the six digits of "
            f"GB/T 2260, in one of {', '.join(CODE_KEYS)}"
        )
    name = next((given[key] for key in NAME_KEYS if given.get(key) is not None), "")
    if not isinstance(name, str) or len(name) > _MAX_NAME or not name.isprintable():
        raise SettingsError(
            f"{where}: name is {_shown(name)}: it must be at most {_MAX_NAME} "
            "printable characters"
        )
    return code, name


def _outline(where: str, given: object) -> Polygon | MultiPolygon:
    """Build a Polygon or MultiPolygon."""
    try:
        built = _built(given if isinstance(given, dict) else {})
    except ValueError as error:
        raise SettingsError(
            f"{where}: {error}: a county is a Polygon or MultiPolygon of longitudes "
            "and latitudes in degrees, longitude first"
        ) from error
    if not built.is_valid:
        raise SettingsError(
            f"{where}: {shapely.is_valid_reason(built)[:120]}: the border crosses or "
            "touches itself there; correct it"
        )
    return built


def _built(given: Mapping[str, object]) -> Polygon | MultiPolygon:
    """Build what the geometry says; ValueError for what it may not say."""
    kind, coordinates = given.get("type"), given.get("coordinates")
    if kind == "Polygon":
        return _polygon(coordinates)
    if kind == "MultiPolygon":
        return MultiPolygon([_polygon(part) for part in _listed(coordinates)])
    raise ValueError(f"geometry is {_shown(kind)}")


def _polygon(rings: object) -> Polygon:
    """Build a polygon from its outer ring and its holes."""
    outer, *holes = (
        [_position(position) for position in _listed(ring)] for ring in _listed(rings)
    )
    return Polygon(outer, holes)


def _position(given: object) -> tuple[float, float]:
    """Read longitude and latitude."""
    match given:
        case [int() | float() as lon, int() | float() as lat, *_] if (
            -180 <= lon <= 180 and -90 <= lat <= 90  # noqa: PLR2004 - degrees
        ) and not (isinstance(lon, bool) or isinstance(lat, bool)):
            return float(lon), float(lat)
        case _:
            raise ValueError(f"position {_shown(given)}")


def _listed(given: object) -> list[object]:
    """Refuse what is not a list with something in it."""
    if not isinstance(given, list) or not given:
        raise ValueError(f"coordinates {_shown(given)}")
    return given


def _joined(
    path: Path, code: str, parts: Sequence[Polygon | MultiPolygon]
) -> Polygon | MultiPolygon:
    """Join the parts of a county."""
    joined = parts[0] if len(parts) == 1 else shapely.union_all(list(parts))
    if not isinstance(joined, Polygon | MultiPolygon) or not math.isfinite(joined.area):
        raise SettingsError(f"{path}: the parts of county {code} make no area")
    return joined


class _Short(reprlib.Repr):
    """Shows a value of any size on one short line."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxstring = self.maxother = 80


def _shown(value: object) -> str:
    """Show a value from outside, shortened, with escapes."""
    return _Short().repr(value)
