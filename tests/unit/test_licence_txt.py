import pytest
from licence_samples import (
    DEGREES,
    HANGZHOU,
    HEAD,
    HOLE,
    LICENCE,
    OPEN_RINGS,
    PARTS,
    PASTED,
    SIX_COLUMNS,
    TXT,
    YANGSHAN,
)

from rsmonitor.errors import LicenceError
from rsmonitor.io.licences.coordinates import Understood, understand
from rsmonitor.io.licences.parcel import Parcel
from rsmonitor.io.licences.reading import licences_of
from rsmonitor.io.licences.txt import looks_like_txt, parse_txt

SQUARE = """J1,1,2700010.000,38500010.000
J2,1,2700010.000,38500020.000
J3,1,2700020.000,38500020.000
J4,1,2700020.000,38500010.000
"""
SOUND = "坐标系=2000国家大地坐标系\n带号=38\n"


def parcel_of(text: str) -> Parcel:
    found = parse_txt("a.txt", text.encode())
    assert not found.refused
    (parcel,) = found.parcels
    return parcel


def placed(text: str) -> Understood:
    return understand(parcel_of(text))


def test_sample_a_lies_in_hangzhou() -> None:
    understood = placed(HANGZHOU)
    corners = list(understood.geometry.exterior.coords)
    assert any(
        lon == pytest.approx(120.21816, abs=5e-6)
        and lat == pytest.approx(30.29819, abs=5e-6)
        for lon, lat in corners
    )
    assert understood.crs == "EPSG:4528"
    assert understood.datum == "CGCS2000"
    assert not understood.warnings


def test_the_published_corners_lie_in_yangshan_and_have_their_area() -> None:
    understood = placed(YANGSHAN)
    assert understood.computed_area_m2 == pytest.approx(69_341.6, abs=0.05)
    assert understood.crs == "EPSG:4526"
    assert any(
        lon == pytest.approx(112.507133, abs=5e-7)
        and lat == pytest.approx(24.444893, abs=5e-7)
        for lon, lat in understood.geometry.exterior.coords
    )


def test_open_rings_and_fields_of_spaces_are_read() -> None:
    parcel = parcel_of(OPEN_RINGS)
    assert (parcel.number, parcel.name) == ("FID_A", "地块甲")
    understood = understand(parcel)
    assert any(
        x == pytest.approx(112.85831, abs=5e-6)
        and y == pytest.approx(23.34304, abs=5e-6)
        for x, y in understood.geometry.exterior.coords
    )
    assert "1005000 m2" in understood.warnings[0]


def test_a_ring_inside_another_is_a_hole() -> None:
    understood = placed(HOLE)
    assert len(understood.geometry.interiors) == 1
    assert understood.computed_area_m2 == pytest.approx(8.0, abs=0.01)


def test_a_ring_outside_another_is_a_part_and_said_to_be() -> None:
    understood = placed(PARTS)
    assert len(understood.geometry.geoms) == 2
    assert understood.computed_area_m2 == pytest.approx(200.0, abs=0.1)
    assert any("read as another part" in note for note in understood.repairs)


@pytest.mark.parametrize("text", [YANGSHAN, PASTED, LICENCE, SIX_COLUMNS])
def test_swapped_columns_give_the_same_parcel(text: str) -> None:
    lines = []
    for line in text.splitlines():
        for piece in line.split(";"):
            parts = [part.strip() for part in piece.replace("、", ",").split(",")]
            numbers = [
                place
                for place, part in enumerate(parts)
                if part.replace(".", "").isdigit() and len(part) > 9
            ]
            if len(numbers) == 2:
                a, b = numbers
                parts[a], parts[b] = parts[b], parts[a]
                lines.append(",".join(parts))
            else:
                lines.append(piece)
    swapped = placed("\n".join(lines))
    assert swapped.geometry.equals(placed(text).geometry)
    assert any("swapped" in note for note in swapped.repairs)


@pytest.mark.parametrize("encoding", ["gbk", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("text", [HANGZHOU, LICENCE], ids=["exchange", "pasted"])
def test_encodings_and_line_ends_make_no_difference(text: str, encoding: str) -> None:
    expected = parcel_of(text)
    found = parse_txt("a.txt", text.replace("\n", "\r\n").encode(encoding))
    (parcel,) = found.parcels
    assert parcel.rings == expected.rings
    assert (parcel.name, parcel.attributes) == (expected.name, expected.attributes)


def full_width(text: str) -> str:
    return text.translate(
        {
            ord(half): full
            for half, full in (
                *zip("[]", "【】", strict=True),
                ("=", chr(0xFF1D)),
                (",", chr(0xFF0C)),
                ("@", chr(0xFF20)),
                *((str(n), chr(0xFF10 + n)) for n in range(10)),
            )
        }
    )


@pytest.mark.parametrize("text", [HANGZHOU, HOLE, PARTS])
def test_full_width_punctuation_and_digits_make_no_difference(text: str) -> None:
    assert placed(full_width(text)).geometry.equals(placed(text).geometry)


@pytest.mark.parametrize(
    "header",
    [
        "4,0.01,7,名,面,,@",
        "4,0.01,7,名,面,,,,@",
        "4,0.01,7,名,面,,,,,,,@",
        "4,0.01,7,名,面,图幅号,住宅用地,0101,,1,B,C,备注,@",
        "4,0.01,7,名,面,图幅号,地上,住宅用地,0101,,1,B,C,备注,@",
        "0.01公顷,7,名,面,,,,@",
        "5,100平方米,7,名,面,,,,@",
        "4,0.01,7,名,面,,,,",
    ],
)
def test_headers_of_every_length_are_read(header: str) -> None:
    parcel = parcel_of(f"[属性描述]\n{SOUND}[地块坐标]\n{header}\n{SQUARE}")
    assert (parcel.number, parcel.name) == ("7", "名")
    assert parcel.stated_area_m2 == pytest.approx(100.0)
    assert not understand(parcel).warnings
    assert not parcel.doubt


@pytest.mark.parametrize(
    "head",
    [
        "[属性描述]\n坐标系=2000国家大地坐标系\n分带=3度带\n[地块坐标]\n",
        (
            "[项目信息]\n项目名称=某项目\n[扩展信息]\n甲=乙\n[属性描述]\n"
            "坐标系=2000国家大地坐标系\n[地块坐标]\n"
        ),
        "格式版本号=1.00版本\n坐标系=2000国家大地坐标系\n几度分带=3\n",
    ],
    ids=["width in words", "more sections", "no sections"],
)
def test_heads_of_every_kind_are_read(head: str) -> None:
    understood = placed(head + "4,0.01,7,名,面,,,,@\n" + SQUARE)
    assert understood.crs == "EPSG:4526"
    assert understood.position_error_m == 0.5


@pytest.mark.parametrize(
    ("name", "datum", "code"),
    [
        ("2000国家大地坐标系", "CGCS2000", "EPSG:4526"),
        ("80国家大地坐标系", "Xi'an 80", "EPSG:2362"),
        ("1980西安坐标系", "Xi'an 80", "EPSG:2362"),
        ("1954北京坐标系", "Beijing 54", "EPSG:2414"),
        ("WGS84坐标系", "WGS 84", "WGS 84 / 3-degree Gauss-Kruger zone 38"),
    ],
)
def test_datums_are_known_by_the_names_of_the_format(
    name: str, datum: str, code: str
) -> None:
    understood = placed(f"[属性描述]\n坐标系={name}\n[地块坐标]\n{SQUARE}")
    assert (understood.datum, understood.crs) == (datum, code)
    old = datum in ("Xi'an 80", "Beijing 54")
    assert understood.position_error_m == (100.0 if old else 0.5)
    assert any(datum in one for one in understood.warnings) == old


def test_a_zone_in_the_head_that_contradicts_the_eastings_is_overruled() -> None:
    understood = placed(HANGZHOU.replace("带号=40", "带号=38"))
    assert understood.zone == 40
    assert any("zone 38" in one for one in understood.warnings)


def test_six_digits_take_the_zone_of_the_head() -> None:
    short = HANGZHOU.replace(",40520", ",520")
    understood = placed(short)
    assert understood.geometry.equals_exact(placed(HANGZHOU).geometry, 1e-12)
    assert understood.crs == "EPSG:4549"
    assert any("zone 40" in one for one in understood.repairs)


def test_six_digits_take_the_zone_of_the_central_meridian() -> None:
    short = HANGZHOU.replace(",40520", ",520").replace("带号=40", "中央子午线=120")
    assert placed(short).zone == 40


def test_several_parcels_are_told_apart_and_a_bad_one_costs_only_itself() -> None:
    line = "4,0.01,1,线,线,,,,@\nJ1,1,2700010.0,38500010.0\nJ2,1,2700020.0,38500010.0\n"
    torn = "4,0.01,3,坏,面,,,,@\nJ1,1,2700010.0,38500010.0\nJ2,1,27000x0.0,38500010.0\n"
    text = HEAD + line + "4,0.01,2,好,面,,,,@\n" + SQUARE + torn
    found = parse_txt("a.txt", text.encode())
    assert [parcel.number for parcel in found.parcels] == ["2"]
    assert [(one.line, one.value) for one in found.refused] == [
        (13, "shape '线'"),
        (23, "'J2,1,27000x0.0,38500010.0'"),
    ]


def test_points_are_refused_with_the_reason() -> None:
    text = HEAD + "1,0,1,点,点,,,,@\nJ1,1,2700010.0,38500010.0\n"
    (refusal,) = parse_txt("a.txt", text.encode()).refused
    assert "点" in refusal.rule


def test_a_file_that_is_cut_off_is_refused_where_the_area_says_so() -> None:
    cut = HANGZHOU.replace("4,0.1168", "66,5.7089")
    with pytest.raises(LicenceError, match="66 corners are stated and 4 are there"):
        licences_of("a.txt", "0", parse_txt("a.txt", cut.encode()))


def test_fields_of_a_pasted_licence_are_kept() -> None:
    (licence,) = licences_of(
        "a.txt", "0", parse_txt("a.txt", LICENCE.encode())
    ).licences
    assert licence.licence_id == "C3600002011015210105123"
    assert licence.holder == "某某稀土有限公司"
    assert licence.minerals == ("稀土",)
    assert licence.associated_minerals == ("钨", "钼")
    assert str(licence.valid_to) == "2025-02-28"
    assert licence.elevation_m == (280.0, 435.0)
    assert licence.position_error_m == 0.5


def test_degrees_minutes_and_seconds_are_read() -> None:
    understood = placed(DEGREES)
    assert understood.datum == "WGS 84"
    assert understood.geometry.bounds[0] == pytest.approx(110 + 28.2 / 3600)


def test_utm_is_refused() -> None:
    with pytest.raises(LicenceError, match="Gauss-Krueger"):
        parse_txt("a.txt", HANGZHOU.replace("高斯克吕格", "UTM").encode())


def test_a_text_without_corners_is_refused() -> None:
    with pytest.raises(LicenceError, match="no line of it is a corner"):
        parse_txt("a.txt", "第一章 总则".encode())


@pytest.mark.parametrize("text", TXT.values(), ids=TXT.keys())
def test_every_sample_is_known_for_what_it_is(text: str) -> None:
    assert looks_like_txt(text)


def test_a_table_is_not_taken_for_it() -> None:
    assert not looks_like_txt("点号,X,Y\n1,2705381.95,38348613.52\n")


def test_numbering_that_begins_again_begins_a_ring() -> None:
    inner = "".join(
        f"J{n},{2700000 + x}.0,{38500000 + y}.0\n"
        for n, (x, y) in enumerate(((12, 12), (12, 18), (18, 18), (18, 12)), start=1)
    )
    outer = SQUARE.replace(",1,", ",")
    understood = placed(outer + inner)
    assert understood.computed_area_m2 == pytest.approx(64.0, abs=0.1)
    assert len(parcel_of(outer + inner).rings) == 2


def test_a_ring_inside_another_of_its_number_is_a_hole_and_said_to_be() -> None:
    understood = placed(HOLE.replace(",2,", ",1,"))
    assert understood.computed_area_m2 == pytest.approx(8.0, abs=0.01)
    assert any("read as a hole" in note for note in understood.repairs)
