"""Gauss-Krueger zones of China, and the datums that files name.

Zones of 6 degrees have the numbers 13 to 23 and zones of 3 degrees 25 to 45, so that
the number, which stands before the easting, says the width as well. Numbers follow
EPSG; the projection itself is PROJ's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Proj, Transformer
from pyproj.exceptions import CRSError

from rsmonitor.io.licences.found import UnusableError
from rsmonitor.io.licences.untrusted import shown
from rsmonitor.stages.geodesy import LONLAT

CGCS2000: Final = "CGCS2000"
WGS_84: Final = "WGS 84"
XIAN_80: Final = "Xi'an 80"
BEIJING_54: Final = "Beijing 54"

FALSE_EASTING_M: Final = 500_000.0
A_ZONE_M: Final = 1_000_000.0
"""What one more zone adds to an easting that bears its number."""

_ELLIPSOIDS: Final[Mapping[str, tuple[float, float]]] = {
    CGCS2000: (6_378_137.0, 298.257222101),
    WGS_84: (6_378_137.0, 298.257223563),
    XIAN_80: (6_378_140.0, 298.257),
    BEIJING_54: (6_378_245.0, 298.3),
}
"""Semi-major axis in metres, and inverse flattening."""

_CODES: Final[Mapping[tuple[str, int, bool], int]] = {
    (CGCS2000, 3, True): 4488,
    (CGCS2000, 3, False): 4509,
    (CGCS2000, 6, True): 4478,
    (CGCS2000, 6, False): 4489,
    (XIAN_80, 3, True): 2324,
    (XIAN_80, 3, False): 2345,
    (XIAN_80, 6, True): 2314,
    (XIAN_80, 6, False): 2325,
    (BEIJING_54, 3, True): 2376,
    (BEIJING_54, 3, False): 2397,
    (BEIJING_54, 6, True): 21400,
    (BEIJING_54, 6, False): 21440,
}
"""EPSG code of zone 0 by datum, width, and whether eastings bear the zone's number."""

_DEGREES: Final[Mapping[str, str]] = {
    CGCS2000: "EPSG:4490",
    WGS_84: "OGC:CRS84",
    XIAN_80: "EPSG:4610",
    BEIJING_54: "EPSG:4214",
}
_DATUMS: Final = (
    (re.compile(r"2000|cgcs"), CGCS2000),
    (re.compile(r"wgs|84"), WGS_84),
    (re.compile(r"80|xi.?an|西安"), XIAN_80),
    (re.compile(r"54|beijing|北京"), BEIJING_54),
)
_GCJ: Final = re.compile(r"gcj|火星|bd-?09|百度|高德|腾讯")
_DEFINITION: Final = re.compile(
    r"(EPSG|ESRI|OGC):[A-Z0-9]{1,12}"
    r"|(GEOGCS|PROJCS|GEOGCRS|GEODCRS|PROJCRS|COMPD_?CS|COMPOUNDCRS|BOUNDCRS)\s*\[.*",
    re.IGNORECASE | re.DOTALL,
)
_MAX_DEFINITION: Final = 20_000
_OFF_MIDDLE_DEGREES: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone of the Gauss-Krueger projection."""

    number: int
    """13 to 23 for zones of 6 degrees, 25 to 45 for zones of 3 degrees."""

    def __post_init__(self) -> None:
        if not is_zone(self.number):
            raise UnusableError(
                f"zone {self.number}",
                "zones (带号) of China are 25 to 45 (3 degrees) and 13 to 23 (6 "
                "degrees); correct it",
            )

    @property
    def width(self) -> int:
        """Degrees."""
        return 6 if self.number <= 23 else 3  # noqa: PLR2004 - see the module

    @property
    def meridian(self) -> float:
        """Central meridian, degrees."""
        return 6.0 * self.number - 3.0 if self.width == 6 else 3.0 * self.number  # noqa: PLR2004

    def code(self, datum: str, *, numbered: bool) -> str:
        """
        Name the CRS.

        Parameters
        ----------
        datum : str
            One of the four of this module.
        numbered : bool
            True where eastings bear the number of the zone.

        Returns
        -------
        str
            ``EPSG:4526``, or words for WGS 84, for which EPSG has none.

        Examples
        --------
        >>> Zone(38).code(CGCS2000, numbered=True)
        'EPSG:4526'
        """
        base = _CODES.get((datum, self.width, numbered))
        if base is None:
            return f"{datum} / {self.width}-degree Gauss-Kruger zone {self.number}"
        return f"EPSG:{base + self.number}"

    def to_degrees(
        self, datum: str, easting: NDArray[np.float64], northing: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """
        Convert to longitude and latitude on the datum.

        Parameters
        ----------
        datum : str
            Decides the ellipsoid.
        easting : ndarray of float64
            Metres, without the number of the zone.
        northing : ndarray of float64
            Metres.

        Returns
        -------
        tuple of ndarray
            Longitude and latitude, degrees; infinite where there is none.
        """
        lon, lat = _projection(datum, self.meridian)(easting, northing, inverse=True)
        return np.asarray(lon), np.asarray(lat)

    def to_metres(
        self, datum: str, lon: NDArray[np.float64], lat: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """
        Convert to easting and northing.

        Parameters
        ----------
        datum : str
            Decides the ellipsoid.
        lon : ndarray of float64
            Degrees on the datum.
        lat : ndarray of float64
            Degrees on the datum.

        Returns
        -------
        tuple of ndarray
            Easting without the number of the zone, and northing, metres.
        """
        easting, northing = _projection(datum, self.meridian)(lon, lat)
        return np.asarray(easting), np.asarray(northing)


@dataclass(frozen=True, slots=True)
class Definition:
    """What a CRS definition says."""

    datum: str
    """One of the four of this module."""

    geographic: bool
    """True for degrees."""

    zone: int | None
    """Gauss-Krueger zone; None for degrees and for other projections."""

    text: str
    """Definition that PROJ reads."""

    code: str
    """Short name."""


def is_zone(number: int) -> bool:
    """
    Say whether a number is that of a zone in China.

    Parameters
    ----------
    number : int
        Any.

    Returns
    -------
    bool
        True for 13 to 23 and 25 to 45.
    """
    return 13 <= number <= 23 or 25 <= number <= 45  # noqa: PLR2004 - see the module


def zone_at(lon: float, width: int = 3) -> Zone:
    """
    Give the zone that a place lies in.

    Parameters
    ----------
    lon : float
        Degrees.
    width : int, default 3
        Degrees of a zone, 3 or 6.

    Returns
    -------
    Zone
        The one whose central meridian is nearest.

    Raises
    ------
    UnusableError
        If no zone of China is there.

    Examples
    --------
    >>> zone_at(115.65).number, zone_at(115.4).number, zone_at(115.4, 6).number
    (39, 38, 20)
    """
    number = int((lon + 1.5) // 3) if width == 3 else int(lon // 6) + 1  # noqa: PLR2004
    return Zone(number)


def degrees_code(datum: str) -> str:
    """
    Name the CRS of longitude and latitude on a datum.

    Parameters
    ----------
    datum : str
        One of the four of this module.

    Returns
    -------
    str
        Such as ``EPSG:4490``.
    """
    return _DEGREES[datum]


def is_gcj02(text: str) -> bool:
    """
    Say whether words name the shifted coordinates of web maps.

    Parameters
    ----------
    text : str
        What a file says about its datum.

    Returns
    -------
    bool
        True for GCJ-02 and its relatives.
    """
    return bool(_GCJ.search(text.casefold()))


def datum_named(text: str) -> str | None:
    """
    Find the datum that words name.

    Parameters
    ----------
    text : str
        Such as ``2000国家大地坐标系`` or ``Xian_1980_3_Degree_GK_Zone_38``.

    Returns
    -------
    str or None
        One of the four of this module; None where it is none of them.

    Examples
    --------
    >>> (
    ...     datum_named("1980西安坐标系"),
    ...     datum_named("China Geodetic Coordinate System 2000"),
    ... )
    ("Xi'an 80", 'CGCS2000')
    """
    plain = text.casefold()
    for pattern, datum in _DATUMS:
        if pattern.search(plain):
            return datum
    return None


@lru_cache(maxsize=256)
def definition(text: str) -> Definition:
    """
    Read a CRS definition.

    Parameters
    ----------
    text : str
        ``EPSG:4526``, or WKT. Nothing else is tried: no URL, no file.

    Returns
    -------
    Definition
        What it says.

    Raises
    ------
    UnusableError
        If it is none, or on a datum that this package cannot place.
    """
    if len(text) > _MAX_DEFINITION or not _DEFINITION.fullmatch(text.strip()):
        raise UnusableError(
            shown(text), "a CRS is given as EPSG:4526 or as WKT; export the file again"
        )
    try:
        crs = CRS.from_user_input(text.strip())
        while crs.is_bound and crs.source_crs is not None:
            crs = crs.source_crs
        if crs.is_compound:
            crs = crs.sub_crs_list[0]
        base = crs.geodetic_crs
        words = "" if base is None else f"{base.name} {base.datum and base.datum.name}"
        datum = datum_named(words)
        short = ":".join(crs.to_authority() or ()) or crs.name
    except (CRSError, IndexError, ValueError) as error:
        raise UnusableError(
            shown(text), "PROJ does not know this CRS; export the file again"
        ) from error
    if datum is None:
        raise UnusableError(
            f"CRS {shown(short)}",
            "parcels are in CGCS2000, WGS 84, Xi'an 80 or Beijing 54; convert the file",
        )
    return Definition(
        datum=datum,
        geographic=crs.is_geographic,
        zone=_zone_of(crs),
        text=text.strip(),
        code=short,
    )


def transformed(
    by: Definition, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """
    Convert by a definition that is not Gauss-Krueger, such as UTM.

    Parameters
    ----------
    by : Definition
        Read by `definition`.
    x : ndarray of float64
        Easting, or longitude.
    y : ndarray of float64
        Northing, or latitude.

    Returns
    -------
    tuple of ndarray
        Longitude and latitude, degrees; infinite where there is none.

    Raises
    ------
    UnusableError
        If PROJ has no way to convert.
    """
    try:
        lon, lat = _transformer(by.text).transform(x, y)
    except Exception as error:  # pyproj raises more than its own class
        raise UnusableError(by.code, "PROJ cannot convert it; convert it") from error
    return np.asarray(lon), np.asarray(lat)


@lru_cache(maxsize=64)
def _transformer(text: str) -> Transformer:
    """One transformer a definition: making one costs more than using it."""
    return Transformer.from_crs(CRS.from_user_input(text), LONLAT, always_xy=True)


@lru_cache(maxsize=256)
def _projection(datum: str, meridian: float) -> Proj:
    """One projection a zone and datum."""
    semi_major, flattening = _ELLIPSOIDS[datum]
    return Proj(
        proj="tmerc",
        lon_0=meridian,
        x_0=FALSE_EASTING_M,
        a=semi_major,
        rf=flattening,
    )


def _zone_of(crs: CRS) -> int | None:
    """Give the zone of a Gauss-Krueger CRS; None for all others."""
    operation = crs.coordinate_operation if crs.is_projected else None
    if operation is None:
        return None
    given = {param.name.casefold(): param.value for param in operation.params}
    name = operation.method_name.casefold()
    if "transverse mercator" not in name and "gauss" not in name:
        return None
    meridian = float(given.get("longitude of natural origin", 0.0))
    easting = float(given.get("false easting", 0.0))
    unlike = (
        float(given.get("scale factor at natural origin", 1.0)) != 1.0,
        float(given.get("latitude of natural origin", 0.0)) != 0.0,
        float(given.get("false northing", 0.0)) != 0.0,
        easting % A_ZONE_M != FALSE_EASTING_M,
    )
    if any(unlike):
        return None
    numbered = int(easting // A_ZONE_M)
    for number in (numbered, round(meridian / 3.0)):
        if is_zone(number) and (
            abs(Zone(number).meridian - meridian) < _OFF_MIDDLE_DEGREES
        ):
            return number
    return None
