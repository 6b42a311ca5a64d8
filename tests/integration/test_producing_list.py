"""Published lists of producing mines: used whole, or not at all."""

from datetime import date
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rsmonitor.errors import ContractError, LicenceError
from rsmonitor.io.licences.producing import MAX_BYTES, read_producing

NUMBERS = {"C3600002009115210045678", "C3600002011125220123456"}
ONE, TWO = sorted(NUMBERS)
TABLE = f"序号,采矿许可证号,矿山名称\n1,{ONE},某稀土矿\n2,{TWO},另一稀土矿\n"


def numbers(path: Path) -> frozenset[str]:
    (listed,) = read_producing(path, year=2026).lists(
        publisher="某集团", published=date(2026, 3, 1)
    )
    return listed.licence_ids


@pytest.mark.parametrize(
    "text",
    [
        TABLE,
        TABLE.replace("\n", "\r\n"),
        TABLE.replace(",", "\t"),
        TABLE.replace(",", "，"),
        TABLE.replace("采矿许可证号", "许可证号").replace("序号", "编 号"),
        f"licence_id\n{ONE}\n{TWO}\n",
        f"{ONE}\n{TWO}",
        f"{ONE}、{TWO}",
        f"1,{ONE}\n2.,{TWO}\n\n",
        f"{TABLE}1,{ONE},一次再列\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_a_list_is_read_in_every_way_that_offices_write_one(
    tmp_path: Path, text: str, encoding: str
) -> None:
    path = tmp_path / "名单.csv"
    path.write_bytes(text.encode(encoding))
    assert numbers(path) == NUMBERS


def test_an_approval_of_a_recovery_project_is_named_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("许可证号\n赣自然资〔2020〕12号\n", encoding="utf-8")
    assert numbers(path) == {"赣自然资〔2020〕12号"}


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "is empty"),
        (" \n\n", "is empty"),
        ("许可证号\n", "no number below its heading"),
        ("许可证号,采矿许可证号\nC1,C2\n", "2 columns look like licence numbers"),
        (f"许可证号,矿山名称\n{ONE},矿\n,另一矿\n", "line 3: '' is no number"),
        (f"{ONE}\n某稀土矿\n", "line 2: '某稀土矿' is no number"),
        ("许可证号\n" + "C" * 101 + "\n", "line 2: 'CCCC"),
        ("许可证号\nC1\x07\n", "line 2"),
    ],
)
def test_a_list_that_cannot_be_used_whole_is_refused_by_line(
    tmp_path: Path, text: str, rule: str
) -> None:
    path = tmp_path / "list.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LicenceError, match=rule) as caught:
        numbers(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"PK\x03\x04", "zip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is a workbook of Excel 97-2003"),
        (b"\xff" * 9, "UTF-8"),
        (b"a\0b", "is NUL"),
        (b"C" * (MAX_BYTES + 1), "larger than"),
        (b"C" * 200_000, "is no table: field larger"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes, rule: str) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(content)
    with pytest.raises(LicenceError, match=rule):
        numbers(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(LicenceError, match=r"no such file|not a regular"):
            numbers(path)


def test_a_list_of_nobody_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(TABLE, encoding="utf-8")
    with pytest.raises(ContractError, match="publisher is empty"):
        read_producing(path, year=2026).lists(publisher=" ", published=date(2026, 3, 1))


def workbook(path: Path, sheets: dict[str, list[list[object]]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_a_workbook_with_titles_and_a_column_of_years_holds_several_lists(
    tmp_path: Path,
) -> None:
    rows: list[list[object]] = [
        ["某集团采矿许可证号一览"],
        ["序号", "年度", "采矿许可证号", "矿山名称"],
        [1, 2025, ONE, "某稀土矿"],
        [2, None, TWO, "另一稀土矿"],
        [3, "2026年度", ONE, "某稀土矿"],
    ]
    path = workbook(tmp_path / "名单.xlsx", {"名单": rows, "说明": [["无"]]})
    found = read_producing(path)
    assert {
        year: [(mine.licence_id, mine.mine) for mine in mines]
        for year, mines in found.years.items()
    } == {
        2025: [(ONE, "某稀土矿"), (TWO, "另一稀土矿")],
        2026: [(ONE, "某稀土矿")],
    }
    assert any("'说明' has no column" in note for note in found.notes)
    both = found.lists(publisher="某集团", published=date(2026, 3, 1))
    assert [listed.year for listed in both] == [2025, 2026]


def test_sheets_named_by_years_are_lists_of_those_years(tmp_path: Path) -> None:
    head: list[object] = ["许可证号"]
    sheets = {"2025年": [head, [ONE], [ONE]], "2026": [head, [TWO]]}
    found = read_producing(workbook(tmp_path / "a.xlsx", sheets))
    assert list(found.years) == [2025, 2026]
    assert any("stands 2 times in the list of 2025" in note for note in found.notes)


def test_one_year_is_taken_of_several(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"年度,许可证号\n2025,{ONE}\n2026,{TWO}\n", encoding="gb18030")
    found = read_producing(path, year=2026)
    assert [mine.licence_id for mine in found.years[2026]] == [TWO]
    assert any("of 2025 nothing is taken" in note for note in found.notes)
    with pytest.raises(LicenceError, match="no mine of 2024, but of 2025, 2026"):
        read_producing(path, year=2024)


@pytest.mark.parametrize("year", ["", "二〇二五", "=2025+1", "25"])
def test_a_year_that_is_none_is_refused_by_row(tmp_path: Path, year: str) -> None:
    rows: list[list[object]] = [["年度", "许可证号"], [year, ONE]]
    with pytest.raises(LicenceError, match="row 2: year is"):
        read_producing(workbook(tmp_path / "a.xlsx", {"名单": rows}))


def test_a_number_that_a_formula_makes_is_refused(tmp_path: Path) -> None:
    rows: list[list[object]] = [["许可证号"], ['="C"&"36000020"']]
    with pytest.raises(LicenceError, match=r"row 2: .* is no number of a licence"):
        read_producing(workbook(tmp_path / "a.xlsx", {"名单": rows}))


def test_a_list_of_no_year_is_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(TABLE, encoding="utf-8")
    found = read_producing(path)
    assert list(found.years) == [None]
    with pytest.raises(LicenceError, match="give --year, or a column 年度"):
        found.lists(publisher="某集团", published=date(2026, 3, 1))


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=200), st.text(max_size=100).map(str.encode)))
def test_whatever_the_bytes_the_answer_is_a_list_or_a_reason(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(content)
    try:
        found = numbers(path)
    except LicenceError as error:
        assert str(path) in str(error)  # noqa: PT017 - one of two outcomes
    else:
        assert found
