"""Where the sun stands, and what is assumed of a look whose instant is not known."""

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from defusedxml import ElementTree
from hypothesis import given
from hypothesis import strategies as st

from rsmonitor.errors import ContractError
from rsmonitor.stages.sun import Sun, overpass, sun_of_look, sun_position
from rsmonitor.stages.tiling import tile_grid

GANNAN = {"lon": 115.0, "lat": 25.0}

lons = st.floats(-180, 180)
lats = st.floats(-90, 90)
instants = st.datetimes(
    datetime(2015, 6, 23),  # noqa: DTZ001 - hypothesis adds the zone
    datetime(2049, 12, 31),  # noqa: DTZ001
    timezones=st.just(UTC),
)


def apart_deg(one: Sun, other: Sun) -> float:
    """Measure the angle between two directions."""
    z, w = math.radians(one.zenith_deg), math.radians(other.zenith_deg)
    turn = math.radians(one.azimuth_deg - other.azimuth_deg)
    cosine = math.cos(z) * math.cos(w) + math.sin(z) * math.sin(w) * math.cos(turn)
    return math.degrees(math.acos(min(1.0, max(-1.0, cosine))))


# ------------------------------------------------------- against what is published


def test_the_worked_example_of_the_solar_position_algorithm_comes_out() -> None:
    # Reda and Andreas, NREL/TP-560-34302, table A5.1: without refraction
    sun = sun_position(
        datetime(2003, 10, 17, 12, 30, 30, tzinfo=timezone(timedelta(hours=-7))),
        lon=-105.1786,
        lat=39.742476,
    )
    assert sun.zenith_deg == pytest.approx(90 - 39.872046, abs=0.01)
    assert sun.azimuth_deg == pytest.approx(194.340241, abs=0.01)


def test_seen_from_the_pole_the_sun_is_as_high_as_its_declination() -> None:
    # Meeus, Astronomical Algorithms, example 25.a
    sun = sun_position(datetime(1992, 10, 13, tzinfo=UTC), lon=0.0, lat=90.0)
    assert sun.elevation_deg == pytest.approx(-7.78507, abs=0.01)


def test_at_the_solstice_the_sun_stands_over_the_tropic() -> None:
    sun = sun_position(datetime(2020, 6, 20, 21, 44, tzinfo=UTC), lon=0.0, lat=90.0)
    assert sun.elevation_deg == pytest.approx(23.4366, abs=0.01)


def test_the_winter_sun_over_gannan_is_low_and_in_the_south_east() -> None:
    sun = sun_position(datetime(2021, 1, 15, 3, 6, tzinfo=UTC), **GANNAN)
    assert 36 < sun.elevation_deg < 40
    assert 150 < sun.azimuth_deg < 160


@given(instants, lons, lats)
def test_half_a_turn_of_the_earth_away_the_sun_is_as_far_below_the_horizon(
    at: datetime, lon: float, lat: float
) -> None:
    here = sun_position(at, lon=lon, lat=lat)
    there = sun_position(at, lon=lon - math.copysign(180, lon), lat=-lat)
    assert here.elevation_deg == pytest.approx(-there.elevation_deg, abs=1e-6)


@given(instants, lons, lats, st.integers(1, 12))
def test_an_instant_is_the_same_in_every_time_zone(
    at: datetime, lon: float, lat: float, hours: int
) -> None:
    elsewhere = at.astimezone(timezone(timedelta(hours=hours)))
    one, other = (sun_position(t, lon=lon, lat=lat) for t in (at, elsewhere))
    assert apart_deg(one, other) < 1e-5


# --------------------------------------------------------------- against real metadata


@dataclass(frozen=True)
class Tile:
    """What the metadata of a tile say of the sun."""

    sensed_at: datetime
    sun: Sun
    lon: float
    lat: float


def tiles(data: Path) -> dict[str, Tile]:
    found = {}
    for path in sorted((data / "s2_metadata" / "safe").glob("*/MTD_TL.xml")):
        root = ElementTree.parse(path).getroot()
        name = root.findtext(".//TILE_ID").split("_T")[-1][:5]
        grid = tile_grid(name)
        (lon, lat) = centre(grid.crs, grid.left + 54_900, grid.top - 54_900)
        found[name] = Tile(
            sensed_at=datetime.fromisoformat(root.findtext(".//SENSING_TIME")),
            sun=Sun(
                zenith_deg=float(root.findtext(".//Mean_Sun_Angle/ZENITH_ANGLE")),
                azimuth_deg=float(root.findtext(".//Mean_Sun_Angle/AZIMUTH_ANGLE")),
            ),
            lon=lon,
            lat=lat,
        )
    assert len(found) == 5
    return found


def centre(crs: str, x: float, y: float) -> tuple[float, float]:
    from shapely import Point  # noqa: PLC0415 - only with data

    from rsmonitor.stages.geodesy import to_lonlat  # noqa: PLC0415

    point = to_lonlat(Point(x, y), crs)
    return point.x, point.y


TOO_EARLY = "31TDH"
"""Its SENSING_TIME is 6 s before the start of its own datatake: no instant of the tile
(processing baseline 02.06)."""


def test_the_sun_is_where_esa_says_it_was(test_data: Path) -> None:
    for name, tile in tiles(test_data).items():
        sun = sun_position(tile.sensed_at, lon=tile.lon, lat=tile.lat)
        if name == TOO_EARLY:
            assert apart_deg(sun, tile.sun) > 0.3
            continue
        assert sun.zenith_deg == pytest.approx(tile.sun.zenith_deg, abs=0.03)
        assert sun.azimuth_deg == pytest.approx(tile.sun.azimuth_deg, abs=0.05)
        assert sun_of_look(tile.sensed_at, lon=tile.lon, lat=tile.lat) == (sun, "")


def test_a_tile_that_says_when_its_datatake_began_was_seen_minutes_later(
    test_data: Path,
) -> None:
    tile = tiles(test_data)[TOO_EARLY]
    later = tile.sensed_at + timedelta(minutes=4, seconds=17)
    sun = sun_position(later, lon=tile.lon, lat=tile.lat)
    assert sun.zenith_deg == pytest.approx(tile.sun.zenith_deg, abs=0.02)
    assert sun.azimuth_deg == pytest.approx(tile.sun.azimuth_deg, abs=0.05)


def test_the_day_alone_tells_where_the_sun_was(test_data: Path) -> None:
    off = {}
    for name, tile in tiles(test_data).items():
        if abs(tile.lat) > 60:
            continue
        day = tile.sensed_at.replace(hour=0, minute=0, second=0, microsecond=0)
        sun, note = sun_of_look(day, lon=tile.lon, lat=tile.lat)
        assert note.startswith("only the day is known; ")
        off[name] = apart_deg(sun, tile.sun)
    assert len(off) == 4
    assert max(off.values()) < 2.5, off


# ---------------------------------------------------------- when a look was taken


def test_the_satellite_comes_later_in_the_north_and_earlier_in_the_south() -> None:
    day = date(2021, 1, 15)
    equator = overpass(day, lon=0.0, lat=0.0)
    assert equator == datetime(2021, 1, 15, 10, 30, tzinfo=UTC)
    north, south = (overpass(day, lon=0.0, lat=lat) for lat in (25.0, -25.0))
    assert timedelta(minutes=15) < north - equator < timedelta(minutes=17)
    assert north - equator == equator - south


@given(st.dates(date(2015, 6, 23), date(2049, 1, 1)), lons, lats)
def test_an_overpass_is_on_the_day_that_was_asked_for(
    day: date, lon: float, lat: float
) -> None:
    assert overpass(day, lon=lon, lat=lat).date() == day


@given(st.dates(date(2015, 6, 23), date(2049, 1, 1)), lons, st.floats(-55, 55))
def test_at_every_overpass_the_sun_is_up_on_its_morning_side(
    day: date, lon: float, lat: float
) -> None:
    sun = sun_position(overpass(day, lon=lon, lat=lat), lon=lon, lat=lat)
    assert sun.elevation_deg > 5
    assert 0 < sun.azimuth_deg < 180


def test_a_true_instant_counts_as_it_is() -> None:
    at = datetime(2021, 1, 15, 3, 0, 30, tzinfo=UTC)
    assert sun_of_look(at, **GANNAN) == (sun_position(at, **GANNAN), "")


def test_the_start_of_a_datatake_is_moved_on_to_the_overpass() -> None:
    start = datetime(2021, 1, 15, 2, 57, 21, tzinfo=UTC)
    sun, note = sun_of_look(
        start + timedelta(seconds=0.024), **GANNAN, datatake_start=start
    )
    assert sun == sun_position(overpass(start.date(), **GANNAN), **GANNAN)
    assert note == (
        "only the start of the datatake is known; the sun is that of Sentinel-2 "
        "overhead, 03:06 UTC"
    )


def test_an_instant_after_the_start_of_its_datatake_counts() -> None:
    at = datetime(2021, 1, 15, 3, 4, tzinfo=UTC)
    start = at - timedelta(minutes=8)
    assert sun_of_look(at, **GANNAN, datatake_start=start)[1] == ""


def test_a_start_after_the_overpass_counts_as_it_is() -> None:
    at = datetime(2021, 1, 15, 3, 9, tzinfo=UTC)
    sun, note = sun_of_look(at, **GANNAN, datatake_start=at)
    assert (sun, note) == (sun_position(at, **GANNAN), "")


def test_local_time_written_as_utc_is_noticed() -> None:
    sun, note = sun_of_look(datetime(2021, 1, 15, 11, 6, tzinfo=UTC), **GANNAN)
    assert sun.elevation_deg > 30, "not the evening's"
    assert note.startswith("Sentinel-2 cannot have been here at 11:06, 480 minutes")


def test_far_in_the_north_every_instant_counts() -> None:
    at = datetime(2022, 4, 13, 15, 8, 7, tzinfo=UTC)
    assert sun_of_look(at, lon=17.74, lat=79.66)[1] == ""


def test_across_midnight_utc_the_nearest_overpass_is_taken() -> None:
    # at 158 degrees east the overpass is a few minutes before midnight UTC
    place = {"lon": 158.0, "lat": 0.0}
    at = datetime(2021, 1, 15, 0, 1, tzinfo=UTC)
    assert sun_of_look(at, **place)[1] == ""


# ------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("at", "lon", "lat"),
    [
        (datetime(2021, 1, 15, 3), 115.0, 25.0),  # noqa: DTZ001 - the point
        (datetime(2051, 1, 1, tzinfo=UTC), 115.0, 25.0),
        (datetime(1949, 12, 31, tzinfo=UTC), 115.0, 25.0),
        (datetime(2021, 1, 15, tzinfo=UTC), 181.0, 25.0),
        (datetime(2021, 1, 15, tzinfo=UTC), 115.0, 91.0),
        (datetime(2021, 1, 15, tzinfo=UTC), math.nan, 25.0),
    ],
)
def test_no_instant_and_no_place_is_refused(
    at: datetime, lon: float, lat: float
) -> None:
    for ask in (sun_position, sun_of_look):
        with pytest.raises(ContractError):
            ask(at, lon=lon, lat=lat)


@pytest.mark.parametrize(("zenith", "azimuth"), [(-1, 0), (181, 0), (9, -1), (9, 361)])
def test_an_impossible_direction_is_no_sun(zenith: float, azimuth: float) -> None:
    with pytest.raises(ContractError):
        Sun(zenith_deg=zenith, azimuth_deg=azimuth)
