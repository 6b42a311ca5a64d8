"""Tables of corners as bureaus write them: one file a variant, by real programs."""

import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from rsmonitor.errors import LicenceError
from rsmonitor.io.licences.coordinates import understand
from rsmonitor.io.licences.corner_list import corner_rings
from rsmonitor.io.licences.parcel import Order, Parcel, ParcelFile
from rsmonitor.io.licences.tables import read_pasted, read_tables

YANGSHAN = [
    (2705381.95, 38348613.52),
    (2705358.72, 38348783.00),
    (2704966.25, 38348738.44),
    (2704990.00, 38348560.00),
]
"""Published by the bureau of Qingyuan; 112.507 E 24.445 N, 69 341.6 m2."""

NEIGHBOUR = [(x + 1000, y + 1000) for x, y in YANGSHAN]
HOLE = [
    (2705200.0, 38348650.0),
    (2705200.0, 38348700.0),
    (2705100.0, 38348700.0),
    (2705100.0, 38348650.0),
]

Rows = Sequence[Sequence[object]]
Corners = Sequence[tuple[float, float]]


def numbered(corners: Corners, prefix: str = "") -> list[list[object]]:
    return [[f"{prefix}{n}", x, y] for n, (x, y) in enumerate(corners, start=1)]


def csv_of(rows: Rows, delimiter: str = ",") -> str:
    return "".join(delimiter.join(str(cell) for cell in row) + "\r\n" for row in rows)


@pytest.fixture
def csv_file(tmp_path: Path) -> Callable[..., ParcelFile]:
    def write_and_read(text: str, encoding: str = "utf-8") -> ParcelFile:
        path = tmp_path / "拐点坐标.csv"
        path.write_bytes(text.encode(encoding))
        return read_tables(path)

    return write_and_read


@pytest.fixture
def xlsx_file(tmp_path: Path) -> Callable[..., ParcelFile]:
    def write_and_read(
        rows: Rows, change: Callable[[Workbook, Worksheet], None] | None = None
    ) -> ParcelFile:
        book = Workbook()
        sheet = book.worksheets[0]
        sheet.title = "拐点坐标"
        for row in rows:
            sheet.append(list(row))
        if change is not None:
            change(book, sheet)
        path = tmp_path / "拐点坐标.xlsx"
        book.save(path)
        return read_tables(path)

    return write_and_read


ReadCsv = Callable[..., ParcelFile]
ReadXlsx = Callable[..., ParcelFile]


def only(found: ParcelFile) -> Parcel:
    assert found.refused == ()
    (parcel,) = found.parcels
    return parcel


def corners_of(parcel: Parcel) -> list[list[tuple[float, float]]]:
    return [[(float(a), float(b)) for a, b in ring.corners] for ring in parcel.rings]


def assert_yangshan(parcel: Parcel) -> None:
    """The parcel is where it is, and as large as it is."""
    understood = understand(parcel)
    assert understood.computed_area_m2 == pytest.approx(69_341.6, abs=0.5)
    centre = understood.geometry.centroid
    assert (centre.x, centre.y) == pytest.approx((112.50746, 24.44298), abs=2e-3)


# ------------------------------------------------------------------- heads of columns


@pytest.mark.parametrize(
    "names",
    [
        ("点号", "X", "Y"),
        ("拐点编号", "X坐标（m）", "Y坐标（m）"),
        ("序号", "X（北）", "Y（东）"),
        ("界址点号", "纵坐标X", "横坐标Y"),
        ("拐点", "北坐标", "东坐标"),
        ("point", "northing", "easting"),
        ("No.", "x", "y"),
        ("ID", "POINT_Y", "POINT_X"),
        ("点号", "2000国家大地坐标系X坐标", "2000国家大地坐标系Y坐标"),
    ],
)
def test_columns_are_found_by_their_names(
    csv_file: ReadCsv, names: tuple[str, str, str]
) -> None:
    parcel = only(csv_file(csv_of([names, *numbered(YANGSHAN)])))
    assert corners_of(parcel) == [YANGSHAN]
    assert_yangshan(parcel)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
def test_a_table_is_read_in_every_encoding_that_offices_use(
    csv_file: ReadCsv, encoding: str
) -> None:
    text = csv_of([("点号", "X坐标", "Y坐标", "备注"), *numbered(YANGSHAN)])
    assert corners_of(only(csv_file(text, encoding))) == [YANGSHAN]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "，"])
def test_a_table_is_read_with_every_delimiter(
    csv_file: ReadCsv, delimiter: str
) -> None:
    text = csv_of([("点号", "X", "Y"), *numbered(YANGSHAN)], delimiter)
    assert corners_of(only(csv_file(text))) == [YANGSHAN]


def test_swapped_columns_are_put_right_by_their_size(csv_file: ReadCsv) -> None:
    swapped = [(y, x) for x, y in YANGSHAN]
    parcel = only(csv_file(csv_of([("点号", "X", "Y"), *numbered(swapped)])))
    assert_yangshan(parcel)


@pytest.mark.parametrize(
    ("names", "rows"),
    [
        (
            ("点号", "经度", "纬度"),
            [(115.7012345, 24.9512345), (115.7112345, 24.9512345), (115.7, 24.96)],
        ),
        (
            ("点号", "经度(E)", "纬度(N)"),
            [
                ("115°42\u203204.444″", "24°57\u203204.444″"),
                ("115°42\u203240.444″", "24°57\u203204.444″"),
                ("115°42\u203200.000″", "24°57\u203236.000″"),
            ],
        ),
        (
            ("no", "longitude", "latitude"),
            [
                ("115d42'04.444\"E", "24d57'04.444\"N"),
                ("115d42'40.444\"E", "24d57'04.444\"N"),
                ("115d42'00.000\"E", "24d57'36.000\"N"),
            ],
        ),
        (
            ("点号", "经度（度分秒）", "纬度（度分秒）"),
            [
                ("115.4204444", "24.5704444"),
                ("115.4240444", "24.5704444"),
                ("115.4200000", "24.5736000"),
            ],
        ),
    ],
)
def test_longitude_and_latitude_are_read_however_they_are_written(
    xlsx_file: ReadXlsx, names: tuple[str, ...], rows: list[tuple[object, object]]
) -> None:
    parcel = only(xlsx_file([names, *([n, *row] for n, row in enumerate(rows, 1))]))
    geometry = understand(parcel).geometry
    west, south, east, north = geometry.bounds
    assert (west, south) == pytest.approx((115.7, 24.9512345), abs=1e-5)
    assert (east, north) == pytest.approx((115.7112345, 24.96), abs=1e-5)


def test_degrees_minutes_and_seconds_may_have_a_column_each(
    xlsx_file: ReadXlsx,
) -> None:
    rows: Rows = [
        ("拐点号", "经度", "", "", "纬度", "", ""),
        ("", "度", "分", "秒", "度", "分", "秒"),
        (1, 115, 42, 4.444, 24, 57, 4.444),
        (2, 115, 42, 40.444, 24, 57, 4.444),
        (3, 115, 42, 0, 24, 57, 36),
    ]

    def merge(_: Workbook, sheet: Worksheet) -> None:
        sheet.merge_cells("B1:D1")
        sheet.merge_cells("E1:G1")
        sheet.merge_cells("A1:A2")

    west, south, east, north = understand(only(xlsx_file(rows, merge))).geometry.bounds
    assert (west, south) == pytest.approx((115.7, 24.9512345), abs=1e-5)
    assert (east, north) == pytest.approx((115.7112345, 24.96), abs=1e-5)


# ------------------------------------------------------------- titles and what they say


def test_merged_titles_above_the_head_say_what_the_numbers_are(
    xlsx_file: ReadXlsx,
) -> None:
    rows: Rows = [
        ("寻乌县石排稀土矿拐点坐标表",),
        ("采矿许可证号：C3600002010126210099999", "", "矿山名称：石排稀土矿"),
        ("（1980西安坐标系，3度带，中央子午线117°）",),
        (),
        ("点号", "X", "Y"),
        *([n, x, y - 38_000_000] for n, (x, y) in enumerate(YANGSHAN, start=1)),
        ("矿区面积：0.0694平方公里", "", "开采标高：+435~+280m"),
    ]

    def merge(_: Workbook, sheet: Worksheet) -> None:
        for row in (1, 3):
            sheet.merge_cells(start_row=row, end_row=row, start_column=1, end_column=3)

    parcel = only(xlsx_file(rows, merge))
    assert parcel.number == "C3600002010126210099999"
    assert parcel.name == "石排稀土矿"
    assert parcel.stated_area == "0.0694平方公里"
    assert parcel.stated_area_m2 == pytest.approx(69_400)
    assert parcel.attributes["开采标高"] == "+435~+280m"
    assert parcel.declared.datum == "1980西安坐标系"
    assert (parcel.declared.zone, parcel.declared.zone_width) == (39, 3)
    assert parcel.declared.order is Order.NORTH_FIRST
    assert understand(parcel).crs == "EPSG:2384"  # Xi'an 80, meridian 117 E, no prefix


def test_of_two_systems_side_by_side_cgcs2000_is_read_and_the_other_named(
    xlsx_file: ReadXlsx,
) -> None:
    rows: Rows = [
        ("点号", "1980西安坐标系", "", "2000国家大地坐标系", ""),
        ("", "X", "Y", "X", "Y"),
        *([n, x - 3, y - 117, x, y] for n, (x, y) in enumerate(YANGSHAN, start=1)),
    ]
    found = xlsx_file(rows)
    parcel = only(found)
    assert corners_of(parcel) == [YANGSHAN]
    assert "2000" in parcel.declared.datum
    assert any("1980西安" in note for note in found.repairs)


def test_metres_without_a_zone_give_way_to_degrees_beside_them(
    xlsx_file: ReadXlsx,
) -> None:
    rows: Rows = [
        ("点号", "X", "Y", "经度", "纬度"),
        (1, 2761000.0, 469800.0, 115.7012345, 24.9512345),
        (2, 2761000.0, 470800.0, 115.7112345, 24.9512345),
        (3, 2762000.0, 469700.0, 115.7, 24.9612345),
    ]
    west, south, *_ = understand(only(xlsx_file(rows))).geometry.bounds
    assert (west, south) == pytest.approx((115.7, 24.9512345))


def test_numbers_stored_as_text_are_numbers(xlsx_file: ReadXlsx) -> None:
    rows = [("点号", "X", "Y")]
    rows += [(str(n), f" {x:,.2f} ", f"{y:.2f}米") for n, (x, y) in enumerate(YANGSHAN)]
    assert_yangshan(only(xlsx_file(rows)))


# ---------------------------------------------------------------------- several parcels


def test_a_column_with_the_number_of_the_parcel_separates_parcels(
    csv_file: ReadCsv,
) -> None:
    rows = [("地块编号", "点号", "X", "Y", "面积（公顷）")]
    rows += [("DK1", *row, 6.9342) for row in numbered(YANGSHAN)]  # type: ignore[misc]
    rows += [("DK2", *row, 6.9) for row in numbered(NEIGHBOUR)]  # type: ignore[misc]
    found = csv_file(csv_of(rows))
    assert [parcel.number for parcel in found.parcels] == ["DK1", "DK2"]
    assert [corners_of(parcel) for parcel in found.parcels] == [[YANGSHAN], [NEIGHBOUR]]
    assert found.parcels[0].stated_area_m2 == pytest.approx(69_342)


def test_a_merged_cell_names_the_parcel_for_all_its_rows(xlsx_file: ReadXlsx) -> None:
    rows: list[list[object]] = [["采矿许可证号", "点号", "X", "Y"]]
    for licence, corners in (("C1", YANGSHAN), ("C2", NEIGHBOUR)):
        rows += [
            [licence if n == 0 else None, *row]
            for n, row in enumerate(numbered(corners))
        ]

    def merge(_: Workbook, sheet: Worksheet) -> None:
        sheet.merge_cells("A2:A5")
        sheet.merge_cells("A6:A9")

    found = xlsx_file(rows, merge)
    assert [parcel.number for parcel in found.parcels] == ["C1", "C2"]
    assert [corners_of(parcel) for parcel in found.parcels] == [[YANGSHAN], [NEIGHBOUR]]


def test_a_blank_row_separates_parcels_that_no_column_names(csv_file: ReadCsv) -> None:
    text = csv_of([("点号", "X", "Y"), *numbered(YANGSHAN)]) + "\r\n"
    text += csv_of([("矿区二", "", ""), *numbered(NEIGHBOUR, "J")])
    found = csv_file(text)
    assert [corners_of(parcel) for parcel in found.parcels] == [[YANGSHAN], [NEIGHBOUR]]
    assert [parcel.line for parcel in found.parcels] == [2, 8]
    assert found.parcels[1].name == "矿区二"


def test_blank_rows_of_one_licence_separate_its_rings(csv_file: ReadCsv) -> None:
    head = [("许可证号", "点号", "X", "Y")]
    text = csv_of([*head, *(["C1", *row] for row in numbered(YANGSHAN))]) + "\r\n"
    text += csv_of([["C1", *row] for row in numbered(HOLE)])
    parcel = only(csv_file(text))
    assert corners_of(parcel) == [YANGSHAN, HOLE]


def test_a_repeated_head_begins_another_parcel(csv_file: ReadCsv) -> None:
    part = [("许可证号：C1",), ("点号", "X", "Y"), *numbered(YANGSHAN)]
    other = [("许可证号：C2",), ("点号", "X", "Y"), *numbered(NEIGHBOUR)]
    found = csv_file(csv_of([*part, *other]))
    assert [parcel.number for parcel in found.parcels] == ["C1", "C2"]


def test_every_sheet_is_read_and_a_hidden_one_named(xlsx_file: ReadXlsx) -> None:
    def add(book: Workbook, _: Worksheet) -> None:
        second = book.create_sheet("二号")
        for row in [("点号", "X", "Y"), *numbered(NEIGHBOUR)]:
            second.append(row)
        hidden = book.create_sheet("旧")
        hidden.append(("点号", "X", "Y"))
        hidden.sheet_state = "hidden"
        book.create_sheet("说明").append(("本表坐标由测绘队提供",))

    found = xlsx_file([("点号", "X", "Y"), *numbered(YANGSHAN)], add)
    assert [parcel.where for parcel in found.parcels] == [
        "sheet 拐点坐标, row 2",
        "sheet 二号, row 2",
    ]
    assert any("旧" in note and "hidden" in note for note in found.repairs)
    assert any("说明" in note for note in found.repairs)


# ------------------------------------------------------------------------------- rings


@pytest.mark.parametrize("closed", [True, False])
def test_numbering_that_begins_again_begins_a_ring(
    csv_file: ReadCsv, *, closed: bool
) -> None:
    rows = [("点号", "X", "Y")]
    for ring in (YANGSHAN, HOLE):
        part = numbered(ring, "J")
        rows += [*part, part[0]] if closed else part  # type: ignore[list-item]
    parcel = only(csv_file(csv_of(rows)))
    assert [ring[:4] for ring in corners_of(parcel)] == [YANGSHAN, HOLE]
    assert understand(parcel).computed_area_m2 == pytest.approx(69_341.6 - 5000, abs=10)


def test_a_column_with_the_number_of_the_ring_separates_rings(
    csv_file: ReadCsv,
) -> None:
    rows = [("点号", "圈号", "X", "Y")]
    rows += [(f"J{n}", 1, *corner) for n, corner in enumerate(YANGSHAN)]  # type: ignore[misc]
    rows += [(f"J{n}", 2, *corner) for n, corner in enumerate(HOLE, 4)]  # type: ignore[misc]
    parcel = only(csv_file(csv_of(rows)))
    assert [ring.label for ring in parcel.rings] == ["1", "2"]
    assert corners_of(parcel) == [YANGSHAN, HOLE]


def test_a_table_in_three_columns_of_corners_is_one_parcel(
    xlsx_file: ReadXlsx,
) -> None:
    ring = [*YANGSHAN, (2705100.0, 38348560.0), (2705200.0, 38348580.0)]
    cells = numbered(ring, "J")
    rows: Rows = [
        ("点号", "X", "Y") * 3,
        (*cells[0], *cells[2], *cells[4]),
        (*cells[1], *cells[3], *cells[5]),
    ]
    parcel = only(xlsx_file(rows))
    joined = [corner for part in corners_of(parcel) for corner in part]
    assert joined == ring
    assert understand(parcel).geometry.geom_type == "Polygon"


# ------------------------------------------------------------------- lists and pasted


def test_a_list_of_licences_has_one_row_a_licence(xlsx_file: ReadXlsx) -> None:
    def text(corners: Corners) -> str:
        return ";".join(f"{x:.2f},{y:.2f}" for x, y in corners)

    found = xlsx_file(
        [
            ("2024年稀土采矿权一览表",),
            ("序号", "许可证号", "采矿权人", "矿种", "有效期止", "拐点坐标"),
            (1, "C1", "甲公司", "稀土", dt.date(2027, 5, 1), text(YANGSHAN)),
            (2, "C2", "乙公司", "稀土", "2026-01-01", text(YANGSHAN)[:-5] + ";x"),
            (3, "C3", "丙公司", "钨", None, f"{text(YANGSHAN)}|{text(HOLE)}"),
            (4, "C4", "丁公司", "钨", None, None),
        ]
    )
    assert [parcel.number for parcel in found.parcels] == ["C1", "C3"]
    assert_yangshan(found.parcels[0])
    assert corners_of(found.parcels[1]) == [YANGSHAN, HOLE]
    assert found.parcels[0].attributes == {
        "序号": "1",
        "许可证号": "C1",
        "采矿权人": "甲公司",
        "矿种": "稀土",
        "有效期止": "2027-05-01",
    }
    assert [(refusal.line, refusal.where[-4:]) for refusal in found.refused] == [
        (4, "(C2)"),
        (6, "(C4)"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "1,10.5,20;2,10,21;3,11,22",
        "10.5,20;10,21;11,22",
        "10.5，20；10，21；11，22；",
        "10.5,20\n10,21\n11,22",
        "10.5 20,10 21,11 22",
        "1,10.5,20,2,10,21,3,11,22",
        "(10.5,20);(10,21);(11,22)",
        "POLYGON((10.5 20, 10 21, 11 22))",
        "POLYGON Z ((10.5 20 3,10 21 3,11 22 3))",
    ],
)
def test_corners_in_one_cell_are_taken_apart(text: str) -> None:
    (ring,) = corner_rings(text)
    assert ring == (("10.5", "20"), ("10", "21"), ("11", "22"))


def test_pasted_lines_of_a_notice_are_read() -> None:
    text = """采矿许可证号：C4400002009056210099999
拐点坐标（2000国家大地坐标系）：
1、2705381.95 ,38348613.52
2、2705358.72 ,38348783.00
3、2704966.25 ,38348738.44
4、2704990.00 ,38348560.00
（+435~+280m标高）
"""
    parcel = only(read_pasted("pasted", text))
    assert parcel.number == "C4400002009056210099999"
    assert parcel.rings[0].line == 3
    assert_yangshan(parcel)


def test_a_pasted_list_is_read() -> None:
    text = ";".join(f"{x},{y}" for x, y in YANGSHAN)
    assert_yangshan(only(read_pasted("pasted", text)))


@given(
    corners=st.lists(
        st.tuples(
            st.integers(260_000_000, 280_000_000), st.integers(30_000_000, 60_000_000)
        ),
        min_size=3,
        max_size=30,
        unique=True,
    ),
    delimiter=st.sampled_from([",", ";", "\t"]),
    number=st.booleans(),
)
def test_what_is_written_is_what_is_read(
    corners: list[tuple[int, int]], delimiter: str, *, number: bool
) -> None:
    rows = [
        [f"J{n}", f"{x / 100:.2f}", f"38{y / 100:.2f}"]
        for n, (x, y) in enumerate(corners, start=1)
    ]
    head = ["点号", "X", "Y"]
    cut = 0 if number else 1
    text = csv_of([head[cut:], *(row[cut:] for row in rows)], delimiter)
    (parcel,) = read_pasted("pasted", text).parcels
    assert [list(pair) for ring in parcel.rings for pair in ring.corners] == [
        row[1:] for row in rows
    ]


# ---------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("bad", "value"),
    [
        (["2", None, 38348783.0], "one coordinate is empty"),
        (["2", "=C2+1", 38348783.0], "'=C2+1'"),
        (["2", "见附图1", 38348783.0], "见附图1"),
    ],
)
def test_a_bad_corner_costs_its_parcel_and_not_its_neighbour(
    xlsx_file: ReadXlsx, bad: list[object], value: str
) -> None:
    rows: list[list[object]] = [["地块编号", "点号", "X", "Y"]]
    broken: list[Sequence[object]] = list(numbered(YANGSHAN))
    broken[1] = bad
    rows += [["坏", *row] for row in broken]
    rows += [["好", *row] for row in numbered(NEIGHBOUR)]
    found = xlsx_file(rows)
    good = [parcel for parcel in found.parcels if parcel.number == "好"]
    assert [corners_of(parcel) for parcel in good] == [[NEIGHBOUR]]
    if found.refused:
        (refusal,) = found.refused
        assert value in refusal.value
        assert refusal.line == 3
        assert "坏" in refusal.where
        assert refusal.rule
    else:  # a value that only the judge of coordinates can refuse
        with pytest.raises(LicenceError, match=value):
            understand(found.parcels[0])


def test_a_table_without_a_head_of_coordinates_is_refused(csv_file: ReadCsv) -> None:
    with pytest.raises(LicenceError, match=r"no table of corners was found: .*点号, X"):
        csv_file(csv_of([("矿山", "年份"), ("石排", "2024")]))


def test_a_parcel_knows_the_row_of_each_corner(csv_file: ReadCsv) -> None:
    rows = [("标题",), ("点号", "X", "Y"), *numbered(YANGSHAN)]
    (ring,) = only(csv_file(csv_of(rows))).rings
    assert ring.line == 3


def test_the_rings_of_a_table_make_the_polygon_they_draw(csv_file: ReadCsv) -> None:
    rows = [("no", "lon", "lat"), (1, 115, 25), (2, 115.1, 25), (3, 115.1, 25.1)]
    geometry = understand(only(csv_file(csv_of(rows)))).geometry
    expected = shapely.Polygon([(115, 25), (115.1, 25), (115.1, 25.1)])
    assert geometry.equals(expected)
