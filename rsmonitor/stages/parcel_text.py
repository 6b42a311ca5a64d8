"""Outlines as the ministry's TXT: sections, fields and corners, made of pure text.

Corners are CGCS2000 in a Gauss-Krueger zone of China: northing first, then the easting
with the number of the zone before it. Areas are hectares. Every ring ends where it
began, rings count from 1, and corners of a ring from J1.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from shapely import MultiPolygon, Polygon

from rsmonitor.errors import ContractError
from rsmonitor.stages.geodesy import LONLAT, area_m2

MAX_OFF_DEGREES: Final = 4.5
"""How far from the middle of its zone an outline may reach."""

M2_PER_HECTARE: Final = 10_000.0

_NARROW_EPSG, _WIDE_EPSG = 4488, 4478
"""Zone 0 of 3 and of 6 degrees of CGCS2000, eastings with the number of the zone."""

_WIDE, _NARROW = range(13, 24), range(25, 46)
_COMMAS: Final = str.maketrans(dict.fromkeys(",，@;；\uff20", " "))
_UNPRINTABLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_HEAD: Final = (
    "[属性描述]",
    "格式版本号=1.01版本",
    "数据产生单位=rsmonitor",
    "坐标系=2000国家大地坐标系",
    "几度分带={width}",
    "投影类型=高斯克吕格",
    "计量单位=米",
    "带号={zone}",
    "精度={decimals}",
    "转换参数=,,,,,,",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextParcel:
    """One outline with what the format has fields for."""

    number: str
    """Its number (地块编号)."""

    name: str
    """Its name (地块名称)."""

    geometry: Polygon | MultiPolygon
    """Outline, CRS84."""


def zone_width(zone: int) -> int:
    """
    Give the width of a zone, which its number tells.

    Parameters
    ----------
    zone : int
        13 to 23, or 25 to 45.

    Returns
    -------
    int
        6 or 3, degrees.

    Raises
    ------
    ContractError
        If no zone of China has that number.
    """
    if zone in _NARROW:
        return 3
    if zone in _WIDE:
        return 6
    raise ContractError(
        f"zones (带号) of China are 25 to 45 (3 degrees) and 13 to 23 (6 degrees), got "
        f"{zone}"
    )


def meridian_of(zone: int) -> float:
    """
    Give the central meridian of a zone.

    Parameters
    ----------
    zone : int
        13 to 23, or 25 to 45.

    Returns
    -------
    float
        Degrees east.

    Raises
    ------
    ContractError
        If no zone of China has that number.
    """
    return 3.0 * zone if zone_width(zone) == 3 else 6.0 * zone - 3.0  # noqa: PLR2004


def degrees_off(geometry: Polygon | MultiPolygon, zone: int) -> float:
    """
    Say how far from the middle of a zone an outline reaches.

    Parameters
    ----------
    geometry : Polygon or MultiPolygon
        CRS84.
    zone : int
        13 to 23, or 25 to 45.

    Returns
    -------
    float
        Degrees; above `MAX_OFF_DEGREES` it belongs into another zone.
    """
    lon = shapely.get_coordinates(geometry)[:, 0]
    return float(np.abs(lon - meridian_of(zone)).max())


def to_zone(lonlat: NDArray[np.float64], zone: int) -> NDArray[np.float64]:
    """
    Convert to northing, and easting with the number of the zone before it.

    Parameters
    ----------
    lonlat : ndarray of float64, shape (n, 2)
        Longitude and latitude, degrees; WGS 84 and CGCS2000 differ by decimetres.
    zone : int
        13 to 23, or 25 to 45.

    Returns
    -------
    ndarray of float64, shape (n, 2)
        Metres.

    Examples
    --------
    >>> to_zone(np.array([[115.8, 24.9]]), 39).round(1).tolist()
    [[2755511.6, 39378756.3]]
    """
    easting, northing = _to_zone(zone).transform(lonlat[:, 0], lonlat[:, 1])
    return np.column_stack([northing, easting])


def head_lines(zone: int, *, decimals: int = 3) -> Iterator[str]:
    """
    Write the section that says what the coordinates are.

    Parameters
    ----------
    zone : int
        13 to 23, or 25 to 45.
    decimals : int, default 3
        Decimals of a metre.

    Yields
    ------
    str
        One line each.
    """
    for line in _HEAD:
        yield line.format(width=zone_width(zone), zone=zone, decimals=decimals)


def parcel_lines(
    parcels: Sequence[TextParcel], zone: int, *, decimals: int = 3
) -> Iterator[str]:
    """
    Write the section of the parcels.

    Parameters
    ----------
    parcels : sequence of TextParcel
        One or more.
    zone : int
        13 to 23, or 25 to 45.
    decimals : int, default 3
        Decimals of a metre.

    Yields
    ------
    str
        One line each.
    """
    yield "[地块坐标]"
    for parcel in parcels:
        rings = list(_rings(parcel.geometry))
        count = sum(len(ring.coords) for ring in rings)
        hectares = area_m2(parcel.geometry) / M2_PER_HECTARE
        number, name = one_field(parcel.number), one_field(parcel.name)
        yield f"{count},{hectares:.4f},{number},{name},面,,,,@"
        for label, ring in enumerate(rings, start=1):
            corners = to_zone(shapely.get_coordinates(ring), zone)
            different = len(corners) - 1
            for place, (northing, easting) in enumerate(corners.tolist()):
                point = place % different + 1
                yield f"J{point},{label},{northing:.{decimals}f},{easting:.{decimals}f}"


def one_field(value: str) -> str:
    """
    Make a text fit a field between commas, on one line.

    Parameters
    ----------
    value : str
        Any text, also one that a stranger wrote.

    Returns
    -------
    str
        Without what ends a field, a line or a parcel, and without what does not print.

    Examples
    --------
    >>> one_field("某矿,一区" + chr(10) + "J1,1,0,0@")
    '某矿 一区 J1 1 0 0'
    """
    spaced = " ".join(value.translate(_COMMAS).split())
    printed = (
        " " if unicodedata.category(sign) in _UNPRINTABLE else sign for sign in spaced
    )
    return " ".join("".join(printed).split())


def _rings(geometry: Polygon | MultiPolygon) -> Iterator[shapely.LinearRing]:
    """List outer rings and holes; containment tells them apart."""
    for part in shapely.get_parts(geometry):
        yield part.exterior
        yield from part.interiors


@lru_cache(maxsize=64)
def _to_zone(zone: int) -> Transformer:
    """Make one conversion a zone, x before y; eastings bear its number."""
    base = _NARROW_EPSG if zone_width(zone) == 3 else _WIDE_EPSG  # noqa: PLR2004
    return Transformer.from_crs(LONLAT, f"EPSG:{base + zone}", always_xy=True)
