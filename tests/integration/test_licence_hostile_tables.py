"""CSV files and workbooks that are broken, or built to harm."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from rsmonitor.errors import LicenceError
from rsmonitor.io.licences.tables import read_pasted, read_tables

ROWS = [("点号", "X", "Y"), (1, 2705381.95, 38348613.52), (2, 2705358.72, 38348783.0)]
ROWS += [(3, 2704966.25, 38348738.44), (4, 2704990.0, 38348560.0)]


def workbook() -> bytes:
    book = Workbook()
    for row in ROWS:
        book.worksheets[0].append(row)
    found = io.BytesIO()
    book.save(found)
    return found.getvalue()


def changed(change: Callable[[str, bytes], bytes], **more: bytes) -> bytes:
    """A workbook whose parts went through a function, and more parts."""
    found = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook())) as old,
        zipfile.ZipFile(found, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
        for name, content in more.items():
            new.writestr(name, content)
    return found.getvalue()


def in_sheet(old: str, new: str) -> Callable[[str, bytes], bytes]:
    def change(name: str, content: bytes) -> bytes:
        if name != "xl/worksheets/sheet1.xml":
            return content
        text = content.decode()
        assert old in text
        return text.replace(old, new, 1).encode()

    return change


def same(_: str, content: bytes) -> bytes:
    return content


def test_the_workbook_that_is_changed_here_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(changed(same))
    assert len(read_tables(path).parcels) == 1


DOCTYPE = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "is empty"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "save it as .xlsx"),
        (workbook()[:2000], "not a whole zip"),
        (b"PK\x03\x04" + bytes(100), "not a whole zip"),
        (bytes(1000), "which no text has"),
        (b"\xff\xfe\x00\xd8", "is not utf-16"),
        (b"\x81\x20\xff\xff", "byte 0 is not gb18030"),
        (
            changed(
                lambda _, c: c.replace(b"<worksheet", DOCTYPE.encode() + b"<worksheet")
            ),
            "document type or entities",
        ),
        (
            changed(
                lambda n, c: (
                    (DOCTYPE + c.decode()).encode("utf-16")
                    if n.endswith("sheet1.xml")
                    else c
                )
            ),
            "document type or entities",
        ),
        (changed(same, **{"xl/media/a.bin": bytes(50_000_000)}), "200 to one"),
        (changed(same, **{"../evil.xml": b"<a/>"}), "leads out of the zip"),
        (changed(same, **{"inner.zip": b"PK"}), "is an archive itself"),
        (
            changed(lambda n, c: b"" if n == "xl/workbook.xml" else c),
            "no whole XLSX workbook",
        ),
        (
            changed(in_sheet("</sheetData>", "")),
            "no whole XLSX workbook",
        ),
        (
            changed(in_sheet('r="C5"', 'r="XFD5"')),
            "16384 columns: at most 300",
        ),
        (
            changed(in_sheet('<row r="5"', '<row r="99999999"')),
            "more than 200000 rows",
        ),
    ],
)
def test_a_file_that_is_no_sound_table_is_refused(
    tmp_path: Path, content: bytes, rule: str
) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(content)
    with pytest.raises(LicenceError, match=rule) as caught:
        read_tables(path)
    assert str(path) in str(caught.value)


def test_a_sheet_that_lies_about_its_size_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(changed(in_sheet('ref="A1:C5"', 'ref="A1:XFD1048576"')))
    (parcel,) = read_tables(path).parcels
    assert len(parcel.rings[0].corners) == 4


@pytest.mark.parametrize(
    ("part", "note"),
    [
        ("xl/externalLinks/externalLink1.xml", "links to other workbooks"),
        ("xl/vbaProject.bin", "its macros are not run"),
    ],
)
def test_links_and_macros_are_passed_over_and_told(
    tmp_path: Path, part: str, note: str
) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(changed(same, **{part: b"<externalLink/>"}))
    found = read_tables(path)
    assert len(found.parcels) == 1
    assert any(note in repair for repair in found.repairs)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("<f>[1]Sheet1!A1</f><v>2705358.72</v>", "[1]Sheet1!A1"),
        ('<f>WEBSERVICE("http://127.0.0.1/")</f><v>2705358.72</v>', "WEBSERVICE"),
    ],
)
def test_a_formula_costs_its_parcel_even_if_it_has_a_value(
    tmp_path: Path, cell: str, value: str
) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(changed(in_sheet("<v>2705358.72</v>", cell)))
    found = read_tables(path)
    assert found.parcels == ()
    (refusal,) = found.refused
    assert value in refusal.value
    assert "paste them as values" in refusal.rule
    assert refusal.line == 3


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("点号,X,Y\n" + "1," * 1_000_000, "row 2: 1000000 columns: at most 300"),
        ("点号,X,Y\n" + "1,2,3\n" * 200_001, "more than 200000 rows"),
        ('点号,X,Y\n"' + "1" * 200_000, "is no CSV: field larger"),
        ("just a letter", "no table of corners was found"),
        ("X" * 1_000_000, "no table of corners was found"),
        ("点号,X,Y\n", "no table of corners was found"),
    ],
)
def test_a_text_that_is_no_table_is_refused(text: str, rule: str) -> None:
    with pytest.raises(LicenceError, match=rule):
        read_pasted("a.csv", text)


@given(st.text(max_size=200))
def test_no_text_makes_the_table_reader_fall(noise: str) -> None:
    for text in (noise, f"点号,X,Y\n{noise}", f"许可证号,拐点坐标\nC1,{noise}"):
        try:
            read_pasted("a.csv", text)
        except LicenceError as error:
            assert "a.csv" in str(error)  # noqa: PT017 - not raising is right as well


CELLS = ["点号", "X", "Y", "经度", "纬度", "拐点坐标", "度", "分", "C1", "1", "面积"]
CELLS += ["", "2705381.95", "38348613.52", "a：b", "=1", "nan", "1,2;3,4;5,6"]


@given(
    st.lists(
        st.lists(
            st.sampled_from(CELLS),
            max_size=8,
        ),
        max_size=12,
    )
)
def test_no_order_of_cells_makes_the_table_reader_fall(rows: list[list[str]]) -> None:
    text = "\n".join("\t".join(row) for row in rows)
    try:
        found = read_pasted("a.csv", text)
    except LicenceError as error:
        assert "a.csv" in str(error)  # noqa: PT017 - not raising is right as well
        return
    assert all(ring.corners for parcel in found.parcels for ring in parcel.rings)


@given(st.lists(st.tuples(st.integers(0, 10**5), st.integers(0, 255)), max_size=8))
def test_no_damage_makes_the_workbook_reader_fall(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    content = bytearray(SOUND)
    for place, value in changes:
        content[place % len(content)] = value
    path = tmp_path_factory.mktemp("noise") / "a.xlsx"
    path.write_bytes(content)
    try:
        read_tables(path)
    except LicenceError as error:
        assert str(path) in str(error)  # noqa: PT017 - not raising is right as well


SOUND = workbook()
