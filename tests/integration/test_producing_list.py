"""Published lists of producing mines: used whole, or not at all."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rsmonitor.errors import ContractError, LicenceError
from rsmonitor.io.licences.producing import MAX_BYTES, read_producing

NUMBERS = {"C3600002009115210045678", "C3600002011125220123456"}
ONE, TWO = sorted(NUMBERS)
TABLE = f"序号,采矿许可证号,矿山名称\n1,{ONE},某稀土矿\n2,{TWO},另一稀土矿\n"


def numbers(path: Path) -> frozenset[str]:
    listed, _ = read_producing(
        path, year=2026, publisher="某集团", published=date(2026, 3, 1)
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
        (b"PK\x03\x04", "is a workbook"),
        (b"\xd0\xcf\x11\xe0", "is a workbook"),
        (b"\xff" * 9, "no text in UTF-8"),
        (b"a\0b", "no text in UTF-8"),
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
        with pytest.raises(LicenceError, match="no such file"):
            numbers(path)


def test_a_list_of_nobody_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(TABLE, encoding="utf-8")
    with pytest.raises(ContractError, match="publisher is empty"):
        read_producing(path, year=2026, publisher=" ", published=date(2026, 3, 1))


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
