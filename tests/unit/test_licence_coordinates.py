# ruff: noqa: RUF001 - the marks of angles are the point
import numpy as np
import pytest
from pyproj import Transformer

from rsmonitor.io.licences.areas import area_warning
from rsmonitor.io.licences.coordinates import Understood, packed_angles, understand
from rsmonitor.io.licences.found import UnusableError
from rsmonitor.io.licences.gauss import BEIJING_54, CGCS2000, XIAN_80, Zone
from rsmonitor.io.licences.measures import measure
from rsmonitor.io.licences.parcel import Declared, Order, Parcel, Ring, Written

SQUARE = ((115.0, 24.7), (115.01, 24.7), (115.01, 24.71), (115.0, 24.71))
DINGNAN = Declared(datum="CGCS2000")


def parcel(
    *rings: tuple[tuple[Written, Written], ...],
    declared: Declared = DINGNAN,
    area: str = "",
    area_m2: float | None = None,
) -> Parcel:
    return Parcel(
        file="a.txt",
        where="line 1",
        rings=tuple(Ring(label=str(n + 1), corners=r) for n, r in enumerate(rings)),
        declared=declared,
        stated_area=area,
        stated_area_m2=area_m2,
    )


def read(*rings: tuple[tuple[Written, Written], ...], **said: object) -> Understood:
    return understand(parcel(*rings, **said))  # type: ignore[arg-type]


def square(
    east: float, north: float, size: float = 100.0
) -> tuple[tuple[float, float], ...]:
    return (
        (north, east),
        (north, east + size),
        (north + size, east + size),
        (north + size, east),
    )


@pytest.mark.parametrize("number", [*range(13, 24), *range(25, 46)])
@pytest.mark.parametrize("datum", [CGCS2000, XIAN_80, BEIJING_54])
@pytest.mark.parametrize("numbered", [True, False])
def test_codes_and_projections_are_those_of_epsg(
    number: int, datum: str, *, numbered: bool
) -> None:
    zone = Zone(number)
    code = zone.code(datum, numbered=numbered)
    geographic = {CGCS2000: 4490, XIAN_80: 4610, BEIJING_54: 4214}[datum]
    there = Transformer.from_crs(code, geographic, always_xy=True)
    shift = number * 1e6 if numbered else 0.0
    expected = there.transform(460_000.0 + shift, 2_700_000.0)
    lon, lat = zone.to_degrees(datum, np.array([460_000.0]), np.array([2_700_000.0]))
    assert (lon[0], lat[0]) == pytest.approx(expected, abs=1e-10)


def test_a_zone_that_china_has_not_is_refused() -> None:
    with pytest.raises(UnusableError, match="25 to 45"):
        Zone(24)


def test_six_degree_zones_are_told_by_their_number() -> None:
    understood = read(square(20_500_000.0, 2_700_000.0))
    assert (understood.crs, understood.zone) == ("EPSG:4498", 20)
    assert understood.geometry.centroid.x == pytest.approx(117.0, abs=0.001)


def test_eastings_without_a_zone_are_refused_with_what_to_do() -> None:
    with pytest.raises(UnusableError, match="带号"):
        read(square(500_000.0, 2_700_000.0))


def test_a_person_may_name_the_zone() -> None:
    found = understand(
        parcel(square(500_000.0, 2_700_000.0)), defaults=Declared(zone=38)
    )
    assert found.geometry.centroid.x == pytest.approx(114.0, abs=0.001)


def test_corners_in_two_zones_are_refused() -> None:
    corners = (*square(38_500_000.0, 2_700_000.0)[:3], (2_700_000.0, 39_500_000.0))
    with pytest.raises(UnusableError, match="one zone") as caught:
        read(corners)
    assert "39500000" in caught.value.value


def test_one_swapped_corner_is_refused() -> None:
    corners = square(38_500_000.0, 2_700_000.0)
    mixed = (*corners[:3], corners[3][::-1])
    with pytest.raises(UnusableError, match="in the same way") as caught:
        read(mixed)
    assert caught.value.value.startswith("corner 4")


def test_no_datum_is_read_as_cgcs2000_with_the_error_of_an_old_one() -> None:
    understood = read(square(38_500_000.0, 2_700_000.0), declared=Declared())
    assert (understood.datum, understood.position_error_m) == ("CGCS2000", 100.0)
    assert "no datum is named" in understood.warnings[0]


@pytest.mark.parametrize("datum", ["独立坐标系", "地方坐标系", "NAD27"])
def test_local_datums_are_refused(datum: str) -> None:
    with pytest.raises(UnusableError, match="local system"):
        read(SQUARE, declared=Declared(datum=datum))


def test_gcj02_is_refused_and_converted_on_demand() -> None:
    given = parcel(SQUARE, declared=Declared(datum="GCJ-02"))
    with pytest.raises(UnusableError, match="web maps"):
        understand(given)
    moved = understand(given, convert_gcj02=True)
    assert 0.001 < SQUARE[0][0] - moved.geometry.bounds[0] < 0.01
    assert any("GCJ-02" in note for note in moved.repairs)


@pytest.mark.parametrize("swap", [False, True])
def test_longitude_and_latitude_are_told_by_their_size(*, swap: bool) -> None:
    corners = tuple(pair[::-1] if swap else pair for pair in SQUARE)
    understood = read(corners)
    assert understood.geometry.bounds == pytest.approx((115.0, 24.7, 115.01, 24.71))
    assert understood.crs == "EPSG:4490"


@pytest.mark.parametrize(
    "text",
    [
        "110°00′28.20″",
        "110度00分28.20秒",
        "110° 0′ 28.2″",
        "110º00’28.20”",
        "东经110°00′28.20″",
        "E110°00'28.20\"",
        "110°00'28.20\"E",
        "110-00-28.20",
        "110:00:28.20",
        "１１０°００′２８．２０″",
    ],
)
def test_every_way_to_write_minutes_and_seconds_is_read(text: str) -> None:
    found = measure(text)
    assert found.marked
    assert float(found.number) == pytest.approx(110 + 28.2 / 3600, abs=1e-12)


@pytest.mark.parametrize("text", ["110°60′00″", "110°00′60″"])
def test_sixty_minutes_or_seconds_are_refused(text: str) -> None:
    with pytest.raises(UnusableError, match="less than 60"):
        measure(text)


@pytest.mark.parametrize(
    "text", ["", "-", "abc", "1e999", "nan", "inf", "12°", "9" * 99, "1.2.3", "٣٤٥"]
)
def test_what_is_no_coordinate_is_refused(text: str) -> None:
    if text == "12°":
        assert float(measure(text).number) == 12.0
        return
    with pytest.raises(UnusableError):
        measure(text)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(UnusableError):
        measure(value)


def test_whole_packed_angles_are_known_by_their_size() -> None:
    corners = (("1150000", "244200"), ("1150036.5", "244200"), ("1150036", "244236"))
    understood = read(corners)
    assert understood.geometry.bounds[0] == pytest.approx(115.0)
    assert understood.geometry.bounds[2] == pytest.approx(115 + 36.5 / 3600)
    assert any("dddmmss" in note for note in understood.repairs)


def packed(angle: float) -> str:
    seconds = round(angle * 3600 * 1000)
    degrees, rest = divmod(seconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{degrees}.{minutes:02d}{rest // 1000:02d}{rest % 1000:03d}"


SMALL = ((115.002, 24.702), (115.006, 24.702), (115.006, 24.705), (115.002, 24.705))


def test_packed_minutes_that_may_be_decimals_are_decided_by_the_area() -> None:
    corners = tuple((packed(a), packed(b)) for a, b in SMALL)
    true = read(SMALL).computed_area_m2
    with pytest.raises(UnusableError, match="nothing tells"):
        read(corners)
    found = read(corners, area=f"{true:.0f}", area_m2=true)
    assert found.geometry.bounds == pytest.approx((115.002, 24.702, 115.006, 24.705))


def test_packed_minutes_are_read_where_the_file_names_them() -> None:
    corners = tuple((packed(a), packed(b)) for a, b in SMALL)
    found = read(corners, declared=Declared(datum="CGCS2000", unit="度.分秒"))
    assert found.geometry.bounds == pytest.approx((115.002, 24.702, 115.006, 24.705))


def test_one_number_that_is_no_minute_makes_a_file_decimal() -> None:
    doubtful = parcel(tuple((packed(a), packed(b)) for a, b in SMALL))
    plain = parcel((("115.0750", "24.7"), ("115.08", "24.7"), ("115.08", "24.71")))
    assert packed_angles([doubtful]) is None
    assert packed_angles([doubtful, plain]) is False


def test_many_corners_that_all_are_minutes_make_a_file_packed() -> None:
    generator = np.random.default_rng(7)
    angles = 115.0 + generator.random((12, 1)), 24.0 + generator.random((12, 1))
    corners = np.hstack(angles).tolist()
    rings = tuple((packed(a), packed(b)) for a, b in corners)
    assert packed_angles([parcel(rings)]) is True


def test_a_bow_tie_is_refused_with_the_place() -> None:
    corners = (SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3])
    with pytest.raises(UnusableError, match="crosses itself"):
        read(corners)


def test_a_spike_is_taken_away() -> None:
    corners = (*SQUARE[:2], (115.02, 24.7), SQUARE[1], *SQUARE[2:])
    found = read(corners)
    assert found.computed_area_m2 == pytest.approx(read(SQUARE).computed_area_m2)
    assert any("taken away" in note for note in found.repairs)


def test_rings_that_cross_each_other_are_refused() -> None:
    other = tuple((a + 0.005, b + 0.005) for a, b in SQUARE)
    with pytest.raises(UnusableError, match="ring 2 crosses ring 1"):
        read(SQUARE, other)


def test_an_island_in_a_hole_is_part_of_the_parcel() -> None:
    def shrunk(share: float) -> tuple[tuple[float, float], ...]:
        return tuple(
            (115.005 + (a - 115.005) * share, 24.705 + (b - 24.705) * share)
            for a, b in SQUARE
        )

    whole = read(SQUARE).computed_area_m2
    found = read(SQUARE, shrunk(0.5), shrunk(0.2))
    assert found.computed_area_m2 == pytest.approx(whole * (1 - 0.25 + 0.04), rel=1e-4)


def test_a_ring_written_twice_is_read_once() -> None:
    found = read(SQUARE, SQUARE)
    assert found.computed_area_m2 == pytest.approx(read(SQUARE).computed_area_m2)
    assert any("twice" in note for note in found.repairs)


@pytest.mark.parametrize("count", [1, 2])
def test_two_corners_are_no_parcel(count: int) -> None:
    with pytest.raises(UnusableError, match="three or more"):
        read(SQUARE[:count])


def test_corners_on_one_line_are_no_parcel() -> None:
    with pytest.raises(UnusableError, match=r"no area|crosses itself"):
        read(((115.0, 24.7), (115.1, 24.7), (115.2, 24.7)))


@pytest.mark.parametrize(
    ("definition", "code", "zone"),
    [
        ("EPSG:4526", "EPSG:4526", 38),
        ("EPSG:4547", "EPSG:4547", 38),
        ("EPSG:2362", "EPSG:2362", 38),
        ("EPSG:32650", "EPSG:32650", None),
    ],
)
def test_a_definition_decides_what_geodata_means(
    definition: str, code: str, zone: int | None
) -> None:
    to_crs = Transformer.from_crs("OGC:CRS84", definition, always_xy=True)
    corners = tuple(to_crs.transform(*pair) for pair in SQUARE)
    found = read(
        corners, declared=Declared(definition=definition, order=Order.EAST_FIRST)
    )
    assert (found.crs, found.zone) == (code, zone)
    assert found.geometry.bounds == pytest.approx(
        (115.0, 24.7, 115.01, 24.71), abs=1e-7
    )
    assert not found.repairs


def test_a_definition_that_the_numbers_contradict_is_overruled_or_refused() -> None:
    degrees = Declared(definition="EPSG:4490", order=Order.EAST_FIRST)
    metres = tuple(pair[::-1] for pair in square(38_500_000.0, 2_700_000.0))
    found = read(metres, declared=degrees)
    assert found.zone == 38
    assert any("degrees" in note for note in found.warnings)
    other = Declared(definition="EPSG:4547", order=Order.EAST_FIRST)
    with pytest.raises(UnusableError, match="in metres and the numbers are degrees"):
        read(SQUARE, declared=other)


@pytest.mark.parametrize(
    "definition",
    ["http://example.com/crs", "/etc/passwd", "+proj=longlat", "EPSG:999999", "[" * 99],
)
def test_nothing_but_codes_and_wkt_is_a_definition(definition: str) -> None:
    with pytest.raises(UnusableError):
        read(SQUARE, declared=Declared(definition=definition))


def test_places_outside_china_are_read_only_from_geodata() -> None:
    romania = ((25.0, 45.0), (25.01, 45.0), (25.01, 45.01))
    with pytest.raises(UnusableError):
        read(romania)
    geodata = Declared(definition="EPSG:4326", order=Order.EAST_FIRST)
    assert read(romania, declared=geodata).geometry.bounds[0] == 25.0


@pytest.mark.parametrize(
    ("stated", "unit_m2", "fits"),
    [
        ("104.01", 1e4, "mu"),
        ("0.06934", 1e4, "square kilometres"),
        ("5", 1e4, "no unit"),
    ],
)
def test_an_area_in_another_unit_is_said_to_fit_it(
    stated: str, unit_m2: float, fits: str
) -> None:
    warning = area_warning(stated, float(stated) * unit_m2, 69_341.6)
    assert warning is not None
    assert fits in warning
    assert area_warning("6.93", 69_300.0, 69_341.6) is None


@pytest.mark.parametrize(("share", "warned"), [(1.005, False), (0.95, True)])
def test_an_area_is_warned_of_above_one_per_cent(share: float, *, warned: bool) -> None:
    stated = 69_341.6 * share
    assert (area_warning(f"{stated}", stated, 69_341.6) is not None) == warned
