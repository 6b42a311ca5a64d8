"""Where the sun stood when a look was taken, and when a look was taken.

Not every source says when a place was seen. Some know only the day, some the start of
the datatake, which can lie many minutes before. Sentinel-2 keeps the sun's time, so a
day and a place tell the rest; what was assumed is said in a note.
"""

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from rsmonitor.errors import ContractError

_J2000: Final = datetime(2000, 1, 1, 12, tzinfo=UTC)
_FIRST_YEAR: Final = 1950
_LAST_YEAR: Final = 2050

DESCENDING_NODE_HOURS: Final = 10.5
"""Mean local solar time at which Sentinel-2 crosses the equator southward."""

_INCLINATION_DEG: Final = 98.62
_EARTH_KM_PER_DEGREE: Final = 111.2
_HALF_SWATH_KM: Final = 145.0
_MINUTES_PER_DEGREE: Final = 4.0
_DRIFT_MINUTES: Final = 4.0
"""How far orbits and their model are off, beside the place in the swath."""

_ORDERLY_DEG: Final = 60.0
"""Beyond this latitude swaths run slantwise and overlap so much that an instant cannot
be told from a wrong one."""

_DATED: Final = timedelta(seconds=2)
"""Instants this near are one: names of products have no fractions of a second."""

_LONGEST_DATATAKE: Final = timedelta(minutes=45)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sun:
    """Direction to the centre of the sun, without refraction."""

    zenith_deg: float
    """Angle from the vertical, 0 to 180 degrees; above 90 the sun is down."""

    azimuth_deg: float
    """Clockwise from true north, 0 to 360 degrees; the grid's north is another."""

    def __post_init__(self) -> None:
        if not 0 <= self.zenith_deg <= 180:  # noqa: PLR2004 - half a circle
            raise ContractError(
                f"Sun.zenith_deg must be from 0 to 180, got {self.zenith_deg}"
            )
        if not 0 <= self.azimuth_deg <= 360:  # noqa: PLR2004 - a circle
            raise ContractError(
                f"Sun.azimuth_deg must be from 0 to 360, got {self.azimuth_deg}"
            )

    @property
    def elevation_deg(self) -> float:
        """Angle above the horizon, degrees; negative when the sun is down."""
        return 90.0 - self.zenith_deg


def sun_position(at: datetime, *, lon: float, lat: float) -> Sun:
    r"""
    Compute where the sun stands, to 0.01 degrees.

    Parameters
    ----------
    at : datetime
        Timezone-aware; from 1950 to 2050.
    lon : float
        Degrees east, -180 to 180.
    lat : float
        Degrees north, -90 to 90.

    Returns
    -------
    Sun
        Seen from the ground, without refraction, which lifts the sun by 0.02 degrees
        at an elevation of 35 degrees.

    Raises
    ------
    ContractError
        If the instant has no time zone or is outside 1950 to 2050, or the place is
        nowhere on Earth.

    Notes
    -----
    The Astronomical Almanac's formula for approximate position, as in [1]_. With
    :math:`n` days since 2000-01-01 12:00 UTC, mean longitude
    :math:`L = 280.460 + 0.9856474\,n` and mean anomaly
    :math:`g = 357.528 + 0.9856003\,n` in degrees, the ecliptic longitude is

    .. math:: \lambda = L + 1.915 \sin g + 0.020 \sin 2g

    and the obliquity :math:`23.439 - 0.0000004\,n`.

    References
    ----------
    .. [1] J. J. Michalsky, "The Astronomical Almanac's algorithm for approximate solar
       position (1950-2050)", Solar Energy 40(3), 1988, 227-235.
       https://doi.org/10.1016/0038-092X(88)90045-X

    Examples
    --------
    >>> sun = sun_position(
    ...     datetime(2003, 10, 17, 19, 30, 30, tzinfo=UTC), lon=-105.1786, lat=39.742476
    ... )
    >>> round(sun.zenith_deg, 2), round(sun.azimuth_deg, 2)
    (50.13, 194.34)
    """
    _require_place(lon, lat)
    if at.tzinfo is None or not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        raise ContractError(
            f"the sun is known from {_FIRST_YEAR} to {_LAST_YEAR} at instants with a "
            f"time zone, got {at.isoformat()}"
        )
    days = (at - _J2000) / timedelta(days=1)
    anomaly = math.radians((357.528 + 0.9856003 * days) % 360)
    longitude = math.radians(
        (
            280.460
            + 0.9856474 * days
            + 1.915 * math.sin(anomaly)
            + 0.020 * math.sin(2 * anomaly)
        )
        % 360
    )
    obliquity = math.radians(23.439 - 4e-7 * days)
    ascension = math.atan2(
        math.cos(obliquity) * math.sin(longitude), math.cos(longitude)
    )
    declination = math.asin(math.sin(obliquity) * math.sin(longitude))
    utc = at.astimezone(UTC)
    hours = (utc - utc.replace(hour=0, minute=0, second=0, microsecond=0)) / timedelta(
        hours=1
    )
    sidereal_hours = 6.697375 + 0.0657098242 * days + hours
    hour_angle = math.radians((15 * sidereal_hours + lon) % 360) - ascension
    phi = math.radians(lat)
    up = math.sin(phi) * math.sin(declination) + math.cos(phi) * math.cos(
        declination
    ) * math.cos(hour_angle)
    north = math.cos(phi) * math.sin(declination) - math.sin(phi) * math.cos(
        declination
    ) * math.cos(hour_angle)
    east = -math.cos(declination) * math.sin(hour_angle)
    return Sun(
        # from its tangent: at the zenith the cosine says nothing of small angles
        zenith_deg=math.degrees(math.atan2(math.hypot(east, north), up)),
        azimuth_deg=math.degrees(math.atan2(east, north)) % 360,
    )


def overpass(day: date, *, lon: float, lat: float) -> datetime:
    r"""
    Say when Sentinel-2 passes over a place, were it right below.

    Parameters
    ----------
    day : date
        Day in UTC.
    lon : float
        Degrees east, -180 to 180.
    lat : float
        Degrees north, -90 to 90; sensible to 60 degrees either way.

    Returns
    -------
    datetime
        UTC, on `day`. Places at the edge of a swath are seen up to 6 minutes earlier
        or later at 25 degrees of latitude; for the sun that is 1.5 degrees.

    Raises
    ------
    ContractError
        If the place is nowhere on Earth.

    Notes
    -----
    The orbit crosses the equator southward at 10:30 of mean local solar time [1]_ and
    is inclined by :math:`i = 98.62` degrees. On a sphere its time at latitude
    :math:`\phi` is later by :math:`\arcsin(-\tan\phi / \tan i)`, 15 degrees to the
    hour: 16 minutes at 25 degrees north.

    References
    ----------
    .. [1] ESA, "Sentinel-2 Mission", SentiWiki: mean local solar time at descending
       node 10:30, inclination 98.62 degrees.
       https://sentiwiki.copernicus.eu/web/s2-mission

    Examples
    --------
    >>> overpass(date(2021, 1, 15), lon=115.0, lat=25.0).isoformat(timespec="minutes")
    '2021-01-15T03:06+00:00'
    """
    _require_place(lon, lat)
    ratio = -math.tan(math.radians(lat)) / math.tan(math.radians(_INCLINATION_DEG))
    later = math.degrees(math.asin(min(1.0, max(-1.0, ratio)))) / 15
    hours = (DESCENDING_NODE_HOURS + later - lon / 15) % 24
    midnight = datetime.combine(day, datetime.min.time(), UTC)
    return midnight + timedelta(hours=hours)


def sun_of_look(
    sensed_at: datetime,
    *,
    lon: float,
    lat: float,
    datatake_start: datetime | None = None,
) -> tuple[Sun, str]:
    """
    Compute where the sun stood when a place was seen, whatever the source knows.

    An instant counts if Sentinel-2 can have been there then. Midnight means that the
    source knows only the day: then it is the overpass of that day. The start of a
    datatake is moved on to the overpass, if that is later. Any other instant at which
    the satellite cannot have been there is replaced by the nearest overpass. Beyond 60
    degrees of latitude every instant but midnight counts.

    Parameters
    ----------
    sensed_at : datetime
        As `Product.sensed_at` has it, timezone-aware: the instant, the start of the
        datatake, or 00:00 of the day in UTC.
    lon : float
        Degrees east, -180 to 180.
    lat : float
        Degrees north, -90 to 90.
    datatake_start : datetime, optional
        Where the source knows it apart from `sensed_at`: if `sensed_at` is no later, it
        is no instant at which this place was seen.

    Returns
    -------
    sun : Sun
        Right to 0.1 degrees if the instant is the tile's; its direction is off by as
        much as the sun moves in 10 minutes, 2.5 degrees, if the overpass was assumed.
    note : str
        What was assumed, for the reader; empty if nothing was.

    Raises
    ------
    ContractError
        If an instant has no time zone or is outside 1950 to 2050, or the place is
        nowhere on Earth.

    Examples
    --------
    >>> day = datetime(2021, 1, 15, tzinfo=UTC)
    >>> sun_of_look(day, lon=115.0, lat=25.0)[1]
    'only the day is known; the sun is that of Sentinel-2 overhead, 03:06 UTC'
    """
    for instant in (sensed_at, datatake_start):
        if instant is not None and instant.tzinfo is None:
            raise ContractError(f"{instant.isoformat()} has no time zone")
    utc = sensed_at.astimezone(UTC)
    midnight = utc.replace(hour=0, minute=0, second=0, microsecond=0)
    if utc - midnight < _DATED:
        at = overpass(utc.date(), lon=lon, lat=lat)
        because = "only the day is known"
    else:
        at = _nearest_overpass(utc, lon=lon, lat=lat)
        apart = utc - at
        started = datatake_start is not None and utc - datatake_start < _DATED
        if started and timedelta() < -apart < _LONGEST_DATATAKE:
            because = "only the start of the datatake is known"
        elif abs(lat) > _ORDERLY_DEG or abs(apart) <= _tolerance(lat):
            return sun_position(utc, lon=lon, lat=lat), ""
        else:
            because = (
                f"Sentinel-2 cannot have been here at {utc:%H:%M}, "
                f"{abs(apart) / timedelta(minutes=1):.0f} minutes from its time"
            )
    return (
        sun_position(at, lon=lon, lat=lat),
        f"{because}; the sun is that of Sentinel-2 overhead, {at:%H:%M} UTC",
    )


def _nearest_overpass(utc: datetime, *, lon: float, lat: float) -> datetime:
    """Find the overpass nearest to an instant; it may be of the day before or after."""
    passes = [
        overpass((utc + timedelta(days=shift)).date(), lon=lon, lat=lat)
        for shift in (-1, 0, 1)
    ]
    return min(passes, key=lambda instant: abs(instant - utc))


def _tolerance(lat: float) -> timedelta:
    """How far from the overpass a true instant may be."""
    degrees = _HALF_SWATH_KM / (_EARTH_KM_PER_DEGREE * math.cos(math.radians(lat)))
    return timedelta(minutes=_DRIFT_MINUTES + _MINUTES_PER_DEGREE * degrees)


def _require_place(lon: float, lat: float) -> None:
    """Refuse what is not longitude and latitude."""
    if not (abs(lon) <= 180 and abs(lat) <= 90):  # noqa: PLR2004 - degrees
        raise ContractError(f"lon {lon}, lat {lat} is nowhere on Earth")
