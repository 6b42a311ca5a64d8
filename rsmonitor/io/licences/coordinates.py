"""From corners as written to a place on Earth.

Files contradict themselves: columns are swapped, the zone in the header is another than
the one in the eastings, the leading digits are left out, minutes look like decimals.
The size of the numbers decides, because in China no northing, easting, longitude or
latitude can be taken for another; what a file says about itself fills the gaps. What
two readings fit is refused, never guessed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

import numpy as np
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from rsmonitor.io.licences import gauss
from rsmonitor.io.licences.areas import agrees, area_warning
from rsmonitor.io.licences.found import UnusableError
from rsmonitor.io.licences.gauss import A_ZONE_M, Definition, Zone
from rsmonitor.io.licences.measures import (
    Measure,
    from_point_packed,
    from_whole_packed,
    measure,
)
from rsmonitor.io.licences.parcel import Declared, Order, Parcel
from rsmonitor.io.licences.rings import (
    MAX_CORNERS,
    RULE_CORNERS,
    PlacedRing,
    assembled,
)
from rsmonitor.io.licences.untrusted import shown
from rsmonitor.records.licence import DATUM_ERRORS_M
from rsmonitor.stages.gcj02 import from_gcj02
from rsmonitor.stages.geodesy import area_m2

_NORTHING: Final = (1_600_000.0, 6_200_000.0)
_EASTING: Final = (50_000.0, 950_000.0)
_LON: Final = (73.0, 136.0)
_LAT: Final = (3.0, 54.0)
_LON_PACKED: Final = (730_000.0, 1_360_000.0)
_LAT_PACKED: Final = (30_000.0, 540_000.0)
_MAX_DEGREES: Final = 360.0

_PACKED_DECIMALS: Final = range(4, 8)
"""mmss has four decimals, and the ministry writes three decimals of a second."""

_CHANCE_TO_PASS: Final = 0.6
_ENOUGH: Final = 0.001
"""Decimal degrees that all look like minutes and seconds by a chance below this are
minutes and seconds."""

_UNKNOWN_DATUM_ERROR_M: Final = 100.0

_RULE_CORNER: Final = (
    "a corner is X north with 7 digits and Y east with 8 (two for the zone) or 6, in "
    "metres, or longitude and latitude in China; correct it"
)
_RULE_MIXED: Final = "all corners of a parcel are written in the same way; correct it"
_RULE_ZONE: Final = (
    "eastings without the number of the zone need it: give 带号 in the file, or name "
    "the zone when it is read"
)
_RULE_PACKED: Final = (
    "these numbers can be decimal degrees or ddd.mmss, kilometres apart, and nothing "
    "tells: name the unit in the file (计量单位=度 or 计量单位=度.分秒), or when it "
    "is read"
)
_RULE_GCJ02: Final = (
    "coordinates of web maps lie 300 to 700 m beside the ground: get the originals, or "
    "have them converted on demand"
)
_RULE_DATUM: Final = (
    "datums are CGCS2000 (2000国家大地坐标系), WGS 84, Xi'an 80 (1980西安坐标系) and "
    "Beijing 54 (1954北京坐标系); a local system has no public parameters: have it "
    "converted"
)
_RULE_DEGREES: Final = "the CRS is in metres and the numbers are degrees; correct one"
_RULE_NOWHERE: Final = "this is nowhere on Earth in that CRS; correct CRS or corners"

_POINT_UNITS: Final = ("秒", "dms", "mmss", "packed")
_DEGREE_UNITS: Final = ("度", "deg", "decimal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """What the corners of a parcel were understood to mean."""

    geometry: Polygon | MultiPolygon
    """CRS84, valid."""

    crs: str
    """What the numbers were read as, such as ``EPSG:4526``."""

    zone: int | None
    """Gauss-Krueger zone; None for degrees."""

    datum: str
    """One of `rsmonitor.records.licence.DATUM_ERRORS_M`."""

    position_error_m: float
    """Error of its corners that the datum brings, metres."""

    computed_area_m2: float
    """Area on the ellipsoid."""

    repairs: tuple[str, ...]
    """What was put right, one sentence each."""

    warnings: tuple[str, ...]
    """What is used as it is and may be wrong, one sentence each."""


@dataclass(slots=True)
class _Work:
    """Notes on one parcel while it is read."""

    declared: Declared
    repairs: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    datum: str = gauss.CGCS2000
    error_m: float = DATUM_ERRORS_M[gauss.CGCS2000]
    crs: str = "OGC:CRS84"
    zone: int | None = None


@dataclass(frozen=True, slots=True)
class _Columns:
    """Corners of all rings as two columns of numbers."""

    first: NDArray[np.float64]
    second: NDArray[np.float64]
    measures: tuple[tuple[Measure, Measure], ...]
    lines: tuple[int | None, ...]

    def refuse(self, wrong: NDArray[np.bool_], rule: str) -> UnusableError:
        """Name the first corner that breaks a rule."""
        number = int(np.flatnonzero(wrong)[0])
        first, second = self.measures[number]
        return UnusableError(
            f"corner {number + 1}: {first.number:f}, {second.number:f}",
            rule,
            self.lines[number],
        )


def understand(
    parcel: Parcel,
    *,
    defaults: Declared | None = None,
    packed: bool | None = None,
    convert_gcj02: bool = False,
) -> Understood:
    """
    Place a parcel on Earth.

    Parameters
    ----------
    parcel : Parcel
        As its reader found it.
    defaults : Declared, optional
        What a person says where the file says nothing.
    packed : bool, optional
        Whether angles are ddd.mmss, as `packed_angles` found for the whole file; None
        where it cannot tell.
    convert_gcj02 : bool, default False
        Take the corners for coordinates of web maps, and convert them.

    Returns
    -------
    Understood
        Its geometry, and how the corners were read.

    Raises
    ------
    UnusableError
        If the corners are no parcel, or can be read in two ways.
    """
    work = _Work(_filled(parcel.declared, defaults or Declared()))
    columns = _columns(parcel)
    given = _definition(work)
    _decide_datum(work, given, convert_gcj02=convert_gcj02)
    lon, lat, readings = _placed(columns, work, given, packed=packed)
    if readings:
        chosen = _by_area(parcel, columns, readings)
        lon, lat = readings[chosen]
        work.repairs.append(
            f"read as {'ddd.mmss' if chosen else 'decimal degrees'}: so the area fits"
        )
    geometry, repairs = assembled(_rings(parcel, lon, lat))
    work.repairs.extend(repairs)
    if convert_gcj02:
        geometry = from_gcj02(geometry)
        work.repairs.append("converted from GCJ-02, the coordinates of web maps")
        work.datum = gauss.WGS_84
    area = area_m2(geometry)
    warning = area_warning(parcel.stated_area, parcel.stated_area_m2, area)
    if warning:
        work.warnings.append(warning)
    return Understood(
        geometry=geometry,
        crs=work.crs,
        zone=work.zone,
        datum=work.datum,
        position_error_m=work.error_m,
        computed_area_m2=area,
        repairs=tuple(work.repairs),
        warnings=tuple(work.warnings),
    )


def packed_angles(parcels: Iterable[Parcel]) -> bool | None:
    """
    Find out from all of a file whether its angles are ddd.mmss or decimal degrees.

    Parameters
    ----------
    parcels : iterable of Parcel
        All of the file: one program wrote them in one way.

    Returns
    -------
    bool or None
        True for ddd.mmss, False for decimal degrees, None where the numbers allow
        both.

    Notes
    -----
    One number with 60 or more where minutes or seconds would be makes all of them
    decimal. Decimal degrees look like minutes by a chance of 0.6, and their seconds
    again; counted once for each ten that occurs, since corners of a parcel are near
    each other.
    """
    seen: set[tuple[int, int]] = set()
    for parcel in parcels:
        for ring in parcel.rings:
            for corner in ring.corners:
                try:
                    pair = [measure(written) for written in corner]
                except UnusableError:
                    continue
                if any(one.marked for one in pair) or not _in_degrees(pair):
                    continue
                if not all(_may_be_packed(one.number) for one in pair):
                    return False
                for one in pair:
                    mmss = int(one.number % 1 * 10_000)
                    seen.add((int(one.number), mmss // 1000))
                    seen.add((int(one.number), 10_000 + mmss // 10))
    if not seen:
        return None
    return True if _CHANCE_TO_PASS ** len(seen) < _ENOUGH else None


def _in_degrees(pair: Sequence[Measure]) -> bool:
    """Say whether a corner is in degrees of some kind."""
    return all(abs(one.number) <= _MAX_DEGREES for one in pair)


def _may_be_packed(number: Decimal) -> bool:
    """Say whether a number can be ddd.mmss."""
    exponent = number.as_tuple().exponent
    decimals = -exponent if isinstance(exponent, int) else 0
    if decimals > _PACKED_DECIMALS[-1]:
        return False
    return number >= 0 and from_point_packed(number) is not None


def _filled(declared: Declared, defaults: Declared) -> Declared:
    """Fill what a file does not say with what a person says."""
    return replace(
        declared,
        datum=declared.datum or defaults.datum,
        zone=declared.zone if declared.zone is not None else defaults.zone,
        zone_width=declared.zone_width or defaults.zone_width,
        definition=declared.definition or defaults.definition,
        unit=_unit(declared.unit) or _unit(defaults.unit),
    )


def _unit(text: str) -> str:
    """Reduce a unit to what matters here; metres are seen in the numbers."""
    plain = text.casefold()
    if any(word in plain for word in _POINT_UNITS):
        return "packed"
    return "degrees" if any(word in plain for word in _DEGREE_UNITS) else ""


def _columns(parcel: Parcel) -> _Columns:
    """Read all corners of a parcel."""
    if sum(len(ring.corners) for ring in parcel.rings) > MAX_CORNERS:
        raise UnusableError(f"more than {MAX_CORNERS} corners", RULE_CORNERS)
    measures: list[tuple[Measure, Measure]] = []
    lines: list[int | None] = []
    for ring in parcel.rings:
        for number, (first, second) in enumerate(ring.corners):
            line = None if ring.line is None else ring.line + number
            try:
                measures.append((measure(first), measure(second)))
            except UnusableError as error:
                raise UnusableError(error.value, error.rule, line) from error
            lines.append(line)
    if not measures:
        raise UnusableError("no corners", "a parcel has three or more corners")
    table = np.array([[float(a.number), float(b.number)] for a, b in measures])
    return _Columns(table[:, 0], table[:, 1], tuple(measures), tuple(lines))


def _definition(work: _Work) -> Definition | None:
    """Read the CRS definition, if there is one."""
    if not work.declared.definition:
        return None
    return gauss.definition(work.declared.definition)


def _decide_datum(
    work: _Work, given: Definition | None, *, convert_gcj02: bool
) -> None:
    """Decide the datum, and how far it may be off."""
    named = work.declared.datum.strip()
    if gauss.is_gcj02(named):
        if not convert_gcj02:
            raise UnusableError(f"datum {shown(named)}", _RULE_GCJ02)
        named = gauss.WGS_84
    datum = given.datum if given else gauss.datum_named(named)
    if datum is None and named:
        raise UnusableError(f"datum {shown(named)}", _RULE_DATUM)
    if datum is None:
        work.error_m = _UNKNOWN_DATUM_ERROR_M
        work.warnings.append(
            "no datum is named: read as CGCS2000; if it is Xi'an 80 or Beijing 54 the "
            f"corners may be {_UNKNOWN_DATUM_ERROR_M:g} m off"
        )
        return
    work.datum = datum
    work.error_m = DATUM_ERRORS_M[datum]
    if datum in (gauss.XIAN_80, gauss.BEIJING_54):
        work.warnings.append(
            f"{datum} has no public transformation to CGCS2000: corners may be "
            f"{work.error_m:g} m off"
        )


_Placed = tuple[NDArray[np.float64], NDArray[np.float64]]


def _placed(
    columns: _Columns, work: _Work, given: Definition | None, *, packed: bool | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[_Placed, ...]]:
    """Convert columns to longitude and latitude; several readings if several fit."""
    first, second = columns.first, columns.second
    marked = np.array([a.marked and b.marked for a, b in columns.measures])
    larger = np.maximum(np.abs(first), np.abs(second))
    if marked.any():
        if not marked.all():
            raise columns.refuse(~marked, _RULE_MIXED)
        return (*_degrees(columns, work, first, second, given), ())
    if given is not None and not given.geographic and given.zone is None:
        return (*_by_definition(columns, work, given), ())
    metres = larger >= _NORTHING[0]
    if metres.any():
        if not metres.all():
            raise columns.refuse(~metres, _RULE_CORNER)
        return (*_metres(columns, work, given), ())
    if given is not None and not given.geographic:
        raise columns.refuse(np.ones_like(metres), _RULE_DEGREES)
    degrees = larger <= _MAX_DEGREES
    if not degrees.any():
        return (*_whole_packed(columns, work, given), ())
    if not degrees.all():
        raise columns.refuse(~degrees, _RULE_MIXED)
    return _plain_or_packed(columns, work, given, packed=packed)


def _plain_or_packed(
    columns: _Columns, work: _Work, given: Definition | None, *, packed: bool | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[_Placed, ...]]:
    """Decide between decimal degrees and ddd.mmss."""
    plain = columns.first, columns.second
    unit = work.declared.unit
    if given is not None or work.declared.order == Order.EAST_FIRST:
        packed = False
    if unit:
        packed = unit == "packed"
    if packed is None:
        packed = None if _all_may_be_packed(columns) else False
    if packed is False:
        return (*_degrees(columns, work, *plain, given), ())
    unpacked = _unpacked(columns)
    if packed:
        work.repairs.append("read as degrees, minutes and seconds packed as ddd.mmss")
        return (*_degrees(columns, work, *unpacked, given), ())
    one = _degrees(columns, work, *plain, given)
    other = _degrees(columns, _Work(work.declared), *unpacked, given)
    return (*one, (one, other))


def _all_may_be_packed(columns: _Columns) -> bool:
    """Say whether every number can be ddd.mmss, and one has the decimals for it."""
    numbers = [one.number for pair in columns.measures for one in pair]
    exponents = [number.as_tuple().exponent for number in numbers]
    deep = any(isinstance(e, int) and -e in _PACKED_DECIMALS for e in exponents)
    return deep and all(_may_be_packed(number) for number in numbers)


def _unpacked(columns: _Columns) -> _Placed:
    """Unpack ddd.mmss."""
    angles = [
        [from_point_packed(one.number) for one in pair] for pair in columns.measures
    ]
    wrong = np.array([None in pair for pair in angles])
    if wrong.any():
        raise columns.refuse(wrong, "minutes and seconds of ddd.mmss are below 60")
    table = np.array(angles, dtype=np.float64)
    return table[:, 0], table[:, 1]


def _whole_packed(columns: _Columns, work: _Work, given: Definition | None) -> _Placed:
    """Unpack dddmmss, or refuse numbers that are nothing."""
    first, second = columns.first, columns.second
    fits = (_within(first, _LON_PACKED) & _within(second, _LAT_PACKED)) | (
        _within(second, _LON_PACKED) & _within(first, _LAT_PACKED)
    )
    if not fits.all():
        raise columns.refuse(~fits, _RULE_CORNER)
    angles = [
        [from_whole_packed(one.number) for one in pair] for pair in columns.measures
    ]
    wrong = np.array([None in pair for pair in angles])
    if wrong.any():
        raise columns.refuse(wrong, "minutes and seconds of dddmmss are below 60")
    table = np.array(angles, dtype=np.float64)
    work.repairs.append("read as degrees, minutes and seconds packed as dddmmss")
    return _degrees(columns, work, table[:, 0], table[:, 1], given)


def _by_area(parcel: Parcel, columns: _Columns, readings: Sequence[_Placed]) -> int:
    """Take the reading whose area is the stated one."""
    fitting = [
        number
        for number, reading in enumerate(readings)
        if parcel.stated_area_m2 is not None
        and _fits(parcel, reading, parcel.stated_area_m2)
    ]
    if len(fitting) != 1:
        raise columns.refuse(np.ones(len(columns.first), dtype=np.bool_), _RULE_PACKED)
    return fitting[0]


def _fits(parcel: Parcel, reading: _Placed, stated_m2: float) -> bool:
    """Say whether a reading has the stated area."""
    try:
        geometry, _ = assembled(_rings(parcel, *reading))
    except UnusableError:
        return False
    return agrees(stated_m2, area_m2(geometry))


def _within(
    values: NDArray[np.float64], limits: tuple[float, float]
) -> NDArray[np.bool_]:
    """Say which values lie within limits."""
    low, high = limits
    return (values >= low) & (values <= high)


def _degrees(
    columns: _Columns,
    work: _Work,
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    given: Definition | None,
) -> _Placed:
    """Decide which column is the longitude."""
    work.crs = gauss.degrees_code(work.datum)
    if given is not None and not given.geographic:
        raise columns.refuse(np.ones(len(first), dtype=np.bool_), _RULE_DEGREES)
    east_first = _within(first, _LON) & _within(second, _LAT)
    north_first = _within(second, _LON) & _within(first, _LAT)
    expected = work.declared.order
    if east_first.all():
        if expected == Order.NORTH_FIRST:
            work.repairs.append("longitude stands first: columns were swapped")
        _compare_axes(columns, "E")
        return first, second
    if north_first.all():
        if expected == Order.EAST_FIRST:
            work.repairs.append("latitude stands first: columns were swapped")
        _compare_axes(columns, "N")
        return second, first
    if given is None or expected != Order.EAST_FIRST:
        mixed = north_first if east_first.any() else ~(east_first | north_first)
        if not mixed.any():
            mixed = ~(east_first | north_first)
        raise columns.refuse(mixed, _RULE_CORNER)
    earth = (np.abs(first) <= 180.0) & (np.abs(second) <= 90.0)  # noqa: PLR2004 - degrees
    if not earth.all():
        raise columns.refuse(~earth, _RULE_NOWHERE)
    return first, second


def _compare_axes(columns: _Columns, leading: str) -> None:
    """Refuse letters that contradict the numbers."""
    wrong = np.array(
        [
            a.axis not in ("", leading) or (b.axis != "" and b.axis == leading)
            for a, b in columns.measures
        ]
    )
    if wrong.any():
        raise columns.refuse(wrong, "its letters and its size name different axes")


def _metres(columns: _Columns, work: _Work, given: Definition | None) -> _Placed:
    """Convert Gauss-Krueger coordinates."""
    northing, easting = columns.first, columns.second
    right = _within(northing, _NORTHING) & _is_easting(easting)
    swapped = _within(easting, _NORTHING) & _is_easting(northing)
    if swapped.all():
        northing, easting = easting, northing
        if work.declared.order != Order.EAST_FIRST:
            work.repairs.append("the easting stands first: columns were swapped")
    elif right.all():
        if work.declared.order == Order.EAST_FIRST:
            work.repairs.append("the northing stands first: columns were swapped")
    else:
        wrong = ~(right | swapped)
        raise columns.refuse(
            wrong if wrong.any() else (swapped if right[0] else right),
            _RULE_CORNER if wrong.any() else _RULE_MIXED,
        )
    numbers = np.where(easting >= A_ZONE_M, easting // A_ZONE_M, 0).astype(np.int64)
    other = numbers != numbers[0]
    if other.any():
        raise columns.refuse(other, "all corners of a parcel are in one zone")
    numbered = bool(numbers[0])
    zone = _zone(columns, work, given, int(numbers[0]))
    work.zone = zone.number
    work.crs = zone.code(work.datum, numbered=numbered)
    if given is not None and given.geographic:
        work.warnings.append(
            f"{given.code} is in degrees and the numbers are metres: read as {work.crs}"
        )
    lon, lat = zone.to_degrees(work.datum, easting - numbers * A_ZONE_M, northing)
    china = _within(lon, _LON) & _within(lat, _LAT)
    if not china.all():
        raise columns.refuse(~china, _RULE_CORNER)
    off = float(np.abs(lon - zone.meridian).max())
    if off > zone.width / 2 + 1:
        work.warnings.append(
            f"{off:.1f} degrees from the central meridian of zone {zone.number}: the "
            "number of the zone may be wrong"
        )
    return lon, lat


def _is_easting(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Say which values are eastings, with the number of a zone or without."""
    short = _within(values, _EASTING)
    zone = values // A_ZONE_M
    known = _within(zone, (13.0, 23.0)) | _within(zone, (25.0, 45.0))
    return short | (known & _within(values % A_ZONE_M, _EASTING))


def _zone(
    columns: _Columns, work: _Work, given: Definition | None, number: int
) -> Zone:
    """Decide the zone: the number before the eastings, else what the file says."""
    declared = work.declared.zone
    if given is not None and given.zone is not None:
        declared = given.zone
    if number and declared is not None and declared != number:
        work.warnings.append(
            f"zone {declared} is named, but the eastings begin with {number}: zone "
            f"{number} is taken"
        )
    if not number and declared is None:
        raise columns.refuse(np.ones(len(columns.first), dtype=np.bool_), _RULE_ZONE)
    zone = Zone(number or declared or 0)
    if not number and (given is None or given.zone is None):
        work.repairs.append(
            f"eastings bear no number of a zone: zone {zone.number} is taken, as named"
        )
    width = work.declared.zone_width
    if width is not None and width != zone.width:
        work.warnings.append(
            f"zones of {width} degrees are named, but zone {zone.number} is one of "
            f"{zone.width} degrees: that is taken"
        )
    return zone


def _by_definition(columns: _Columns, work: _Work, given: Definition) -> _Placed:
    """Convert by a definition such as UTM."""
    lon, lat = gauss.transformed(given, columns.first, columns.second)
    wrong = ~(np.isfinite(lon) & np.isfinite(lat))
    if wrong.any():
        raise columns.refuse(wrong, _RULE_NOWHERE)
    work.crs = given.code
    return lon, lat


def _rings(
    parcel: Parcel, lon: NDArray[np.float64], lat: NDArray[np.float64]
) -> list[PlacedRing]:
    """Cut the columns into rings again."""
    placed = np.column_stack([lon, lat])
    rings: list[PlacedRing] = []
    begin = 0
    for ring in parcel.rings:
        end = begin + len(ring.corners)
        rings.append(PlacedRing(ring.label, placed[begin:end], ring.line))
        begin = end
    return rings
