"""Points and polygons as GeoPackage and GeoJSON write them, from untrusted files.

Neither GDAL nor GEOS parses: GEOS would nest as deeply as a file asks.
"""

import math
import struct
from collections.abc import Callable
from typing import Any, Final

import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError
from shapely import MultiPolygon, Point, Polygon

from rsmonitor.io.returns.rows import UnusableRowError
from rsmonitor.records.tip import Place

MAX_CORNERS: Final = 100_000
"""Most corners of one place."""

_BLOB: Final = struct.Struct("<2sBB")
_BLOB_BYTES: Final = 8
_ENVELOPE_BYTES: Final = (0, 32, 48, 48, 64)
_EMPTY: Final = 0x10
_EXTENDED: Final = 0x20
_POINT, _POLYGON, _MULTI = 1, 3, 6
_MAX_TYPE: Final = 4000
_FEWEST_CORNERS: Final = 4

_RULE_KIND: Final = "a place is a point or a polygon: export it as one"
_RULE_BLOB: Final = "the geometry is damaged; export the layer again"
_RULE_EARTH: Final = "longitude lies in +-180 and latitude in +-90; are they swapped?"

Converter = Callable[[float, float], tuple[float, float]]
"""From coordinates of a file, x before y, to CRS84."""

_Ring = list[tuple[float, float]]


def converter_of(definition: str) -> Converter:
    """
    Give what converts coordinates to CRS84.

    Parameters
    ----------
    definition : str
        A CRS such as ``EPSG:4527``, or WKT; x before y as GIS files have it.

    Returns
    -------
    callable
        Takes x and y.

    Raises
    ------
    UnusableRowError
        If the CRS is unknown, or nobody can say where it is.
    """
    try:
        # CGCS2000 differs from WGS 84 by less than a metre, and pyproj knows it
        transformer = Transformer.from_crs(
            CRS.from_user_input(definition), "OGC:CRS84", always_xy=True
        )
    except (CRSError, ProjError) as error:
        raise UnusableRowError(
            repr(definition[:80]),
            "the coordinate system is known to no one; set it, and export again",
        ) from error

    def convert(x: float, y: float) -> tuple[float, float]:
        longitude, latitude = transformer.transform(x, y)
        return float(longitude), float(latitude)

    return convert


def place_in_geopackage(blob: object, convert: Converter) -> Place | None:
    """
    Read a geometry as GeoPackage stores it.

    Parameters
    ----------
    blob : object
        What the column holds.
    convert : callable
        From `converter_of`.

    Returns
    -------
    Point, Polygon, MultiPolygon or None
        CRS84; None where there is none, or an empty one.

    Raises
    ------
    UnusableRowError
        If it is damaged, or neither point nor polygon.
    """
    if blob is None:
        return None
    if not isinstance(blob, bytes) or len(blob) < _BLOB_BYTES:
        raise UnusableRowError("a geometry that is none", _RULE_BLOB)
    magic, version, flags = _BLOB.unpack_from(blob)
    envelope = flags >> 1 & 7
    if (
        magic != b"GP"
        or version
        or envelope >= len(_ENVELOPE_BYTES)
        or flags & _EXTENDED
    ):
        raise UnusableRowError(
            f"a geometry that begins with {blob[:4].hex()}", _RULE_BLOB
        )
    if flags & _EMPTY:
        return None
    try:
        return _of_wkb(blob, _BLOB_BYTES + _ENVELOPE_BYTES[envelope], convert)
    except struct.error as error:
        raise UnusableRowError(
            f"a geometry of {len(blob)} bytes", _RULE_BLOB
        ) from error


def place_in_geojson(geometry: Any) -> Place | None:  # noqa: ANN401 - JSON
    """
    Read a geometry of a GeoJSON feature.

    Parameters
    ----------
    geometry : object
        The member ``geometry``.

    Returns
    -------
    Point, Polygon, MultiPolygon or None
        CRS84; None where it is null.

    Raises
    ------
    UnusableRowError
        If it is neither point nor polygon, or its coordinates are none.
    """
    if geometry is None:
        return None
    if not isinstance(geometry, dict):
        raise UnusableRowError("a geometry that is no object", _RULE_KIND)
    kind = geometry.get("type")
    given: Any = geometry.get("coordinates")
    try:
        match kind:
            case "Point":
                return point(*_pair(given))
            case "Polygon":
                return _polygon([[_pair(p) for p in ring] for ring in given])
            case "MultiPolygon":
                parts = [
                    _polygon([[_pair(p) for p in ring] for ring in part])
                    for part in given
                ]
                return _joined(parts)
    except (TypeError, ValueError, LookupError, OverflowError) as error:
        raise UnusableRowError(f"coordinates of {kind}", _RULE_BLOB) from error
    raise UnusableRowError(f"a geometry of type {str(kind)[:40]!r}", _RULE_KIND)


def point(longitude: float, latitude: float) -> Point:
    """
    Make a point.

    Parameters
    ----------
    longitude, latitude : float
        Degrees.

    Returns
    -------
    Point
        CRS84.

    Raises
    ------
    UnusableRowError
        If it is nowhere on Earth.

    Examples
    --------
    >>> point(115.0, 24.9)
    <POINT (115 24.9)>
    """
    _require_earth(longitude, latitude)
    return Point(longitude, latitude)


def _of_wkb(wkb: bytes, place: int, convert: Converter) -> Place | None:
    """Read a point, polygon or multipolygon."""
    kind, order, dimensions, place = _head(wkb, place)
    if kind == _POINT:
        x, y = struct.unpack_from(f"{order}2d", wkb, place)
        if math.isnan(x) and math.isnan(y):  # how WKB writes an empty point
            return None
        return point(*_converted(x, y, convert))
    if kind == _POLYGON:
        return _polygon(_rings(wkb, place, order, dimensions, convert)[0])
    if kind == _MULTI:
        (count,) = struct.unpack_from(f"{order}I", wkb, place)
        place += 4
        parts = []
        for _ in range(count):
            inner, inner_order, inner_dimensions, place = _head(wkb, place)
            if inner != _POLYGON:
                raise UnusableRowError(f"a part of type {inner}", _RULE_BLOB)
            rings, place = _rings(wkb, place, inner_order, inner_dimensions, convert)
            parts.append(_polygon(rings))
        return _joined(parts)
    raise UnusableRowError(f"a geometry of type {kind}", _RULE_KIND)


def _head(wkb: bytes, place: int) -> tuple[int, str, int, int]:
    """Read kind, byte order and number of dimensions, and where the rest begins."""
    order = "<" if wkb[place : place + 1] == b"\1" else ">"
    (code,) = struct.unpack_from(f"{order}I", wkb, place + 1)
    if code >= _MAX_TYPE:
        raise UnusableRowError(f"a geometry of type {code}", _RULE_BLOB)
    return code % 1000, order, (2, 3, 3, 4)[code // 1000], place + 5


def _rings(
    wkb: bytes, place: int, order: str, dimensions: int, convert: Converter
) -> tuple[list[_Ring], int]:
    """Read the rings of a polygon, and where they end."""
    (count,) = struct.unpack_from(f"{order}I", wkb, place)
    place += 4
    rings: list[_Ring] = []
    for _ in range(count):
        (corners,) = struct.unpack_from(f"{order}I", wkb, place)
        place += 4
        size = 8 * dimensions * corners
        if corners > MAX_CORNERS or place + size > len(wkb):  # counts are hostile
            raise UnusableRowError(f"a ring of {corners} corners", _RULE_BLOB)
        values = struct.unpack_from(f"{order}{dimensions * corners}d", wkb, place)
        place += size
        pairs = zip(values[::dimensions], values[1::dimensions], strict=True)
        rings.append([_converted(x, y, convert) for x, y in pairs])
    return rings, place


def _converted(x: float, y: float, convert: Converter) -> tuple[float, float]:
    """Convert a corner, and say so where it lands nowhere."""
    if not (math.isfinite(x) and math.isfinite(y)):
        raise UnusableRowError(f"({x}, {y})", "coordinates are finite numbers")
    longitude, latitude = convert(x, y)
    _require_earth(longitude, latitude)
    return longitude, latitude


def _polygon(rings: list[_Ring]) -> Polygon:
    """Make a polygon of rings."""
    for ring in rings:
        if len(ring) < _FEWEST_CORNERS or len(ring) > MAX_CORNERS:
            raise UnusableRowError(f"a ring of {len(ring)} corners", _RULE_BLOB)
        for longitude, latitude in ring:
            _require_earth(longitude, latitude)
    if not rings:
        raise UnusableRowError("a polygon without corners", _RULE_BLOB)
    whole = shapely.make_valid(Polygon(rings[0], rings[1:]))
    parts = [p for p in shapely.get_parts(whole) if isinstance(p, Polygon)]
    if not parts:
        raise UnusableRowError("a polygon without an inside", _RULE_BLOB)
    return max(parts, key=lambda part: float(part.area))


def _joined(parts: list[Polygon]) -> Polygon | MultiPolygon:
    """Make one place of parts that may overlap."""
    if not parts:
        raise UnusableRowError("a polygon without corners", _RULE_BLOB)
    whole = shapely.union_all(parts)
    if not isinstance(whole, Polygon | MultiPolygon):
        raise UnusableRowError("a polygon without an inside", _RULE_BLOB)
    return whole


def _pair(given: Any) -> tuple[float, float]:  # noqa: ANN401 - JSON
    """Read a position of GeoJSON; a height is passed over."""
    longitude, latitude = given[0], given[1]
    for value in (longitude, latitude):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(value)
    return float(longitude), float(latitude)


def _require_earth(longitude: float, latitude: float) -> None:
    """Refuse a corner that is nowhere."""
    # written so that NaN is outside
    if not (abs(longitude) <= 180 and abs(latitude) <= 90):  # noqa: PLR2004 - degrees
        raise UnusableRowError(f"({longitude}, {latitude})", _RULE_EARTH)
