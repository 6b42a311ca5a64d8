"""Files that say two things of one licence: refused by place, never settled."""

import datetime as dt
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from licence_samples import HEAD, LICENCE, PASTED, YANGSHAN
from openpyxl import Workbook
from rights import right

from rsmonitor.errors import LicenceError
from rsmonitor.io.licences.check import feature_collection, lines
from rsmonitor.io.licences.days import ENDLESS
from rsmonitor.io.licences.found import LicenceFile
from rsmonitor.io.licences.reading import read_any
from rsmonitor.io.licences.txt_writer import write_txt
from rsmonitor.records.licence import LicenceKind

NUMBER = "C3600002009115210045678"
OTHER = "C3600002011125220123456"
NORTH, EAST = 2733000.0, 39300000.0
CORNERS = [(0.0, 0.0), (0.0, 400.0), (-300.0, 400.0), (-300.0, 0.0)]

Write = Callable[[str], LicenceFile]


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., LicenceFile]:
    """Read a table in which some rows of the first licence say something else."""

    def write_and_read(
        head: Sequence[str],
        rows: Sequence[Sequence[object]],
        second: Sequence[object] | None = None,
        encoding: str = "gb18030",
    ) -> LicenceFile:
        lines = [["许可证号", "点号", "X坐标", "Y坐标", *head]]
        for number, said, shift in (
            (NUMBER, rows, 0.0),
            (OTHER, [second or rows[0]] * 4, 2000.0),
        ):
            for n, ((x, y), words) in enumerate(zip(CORNERS, said, strict=True), 1):
                lines.append([number, n, NORTH + x + shift, EAST + y, *words])
        path = tmp_path / "采矿权拐点.csv"
        text = "\r\n".join(",".join(map(str, line)) for line in lines)
        path.write_bytes(text.encode(encoding))
        return read_any(path)

    return write_and_read


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("有效期止", "2029-12-31", "2025-12-31"),
        ("有效期限", "2020-01-01至2029-12-31", "2020-01-01至2025-12-31"),
        ("开采矿种", "稀土", "高岭土"),
        ("采矿权人", "某稀土有限公司", "别人"),
        ("权利类型", "采矿权", "探矿权"),
        ("状态变更", "吊销(2024-05-01)", "停产(2024-05-01)"),
        ("开采标高", "280至435米", "280至535米"),
    ],
)
def test_rows_of_one_licence_that_contradict_each_other_refuse_it_alone(
    table: Callable[..., LicenceFile], name: str, one: str, other: str
) -> None:
    found = table([name], [[one], [one], [other], [one]], second=[one])
    assert [licence.licence_id for licence in found.licences] == [OTHER]
    (refusal,) = found.refused
    assert refusal.line == 4
    assert refusal.file.endswith("采矿权拐点.csv")
    assert f"row 4 ({NUMBER})" in refusal.where
    assert refusal.value == f"{name} is '{one}' in row 2 and '{other}' in row 4"
    assert "correct one" in refusal.rule


def test_rows_that_write_the_same_in_two_ways_and_blanks_do_not_contradict(
    table: Callable[..., LicenceFile],
) -> None:
    days = [["2029-12-31"], ["2029/12/31"], [""], ["2029年12月31日"]]
    found = table(["有效期止"], days)
    assert not found.refused
    assert found.licences[0].valid_to == dt.date(2029, 12, 31)


def test_columns_of_the_corner_and_two_stated_areas_refuse_nothing(
    table: Callable[..., LicenceFile],
) -> None:
    rows = [["界桩", "0.12"], ["石碑", "0.12"], ["", "0.13"], ["", ""]]
    found = table(["备注", "矿区面积(平方公里)"], rows)
    assert not found.refused
    assert found.parcels[0].stated_area_m2 is None
    assert any("'0.12' in row 2 and '0.13'" in note for note in found.repairs)


def test_words_below_the_corners_may_not_contradict_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = "".join(
        f"{NUMBER},{n},{NORTH + x},{EAST + y},2029-12-31\n"
        for n, (x, y) in enumerate(CORNERS, 1)
    )
    head = "许可证号,点号,X坐标,Y坐标,有效期止\n"
    path.write_text(f"{head}{rows}有效期止：2025-12-31\n", encoding="utf-8")
    with pytest.raises(LicenceError, match="'2029-12-31' in row 2 and '2025-12-31'"):
        read_any(path)


def test_parcels_of_one_licence_name_the_field_and_both_values(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    other = LICENCE.replace("2025年2月28日", "2026年2月28日").replace("27049", "27048")
    path.write_text(f"{LICENCE}{other}\n许可证号：C9\n{PASTED}", encoding="gb18030")
    found = read_any(path)
    (kept,) = found.licences
    assert (kept.licence_id, kept.holder, kept.valid_to) == ("C9", "", None)
    assert len(found.refused) == 2
    assert "valid_to is '2025-02-28' (line 10) and '2026-02-28' (line 23)" in (
        found.refused[0].value
    )


def test_a_line_that_comes_twice_above_the_corners_must_say_the_same(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("有效期限：2010-01-01至2012-01-01\n" + LICENCE, encoding="utf-8")
    with pytest.raises(LicenceError, match="有效期限 is '2010-01-01至2012-01-01' and"):
        read_any(path)


def test_what_stands_below_the_corners_belongs_to_them(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(
        f"坐标系=2000国家大地坐标系\n{YANGSHAN}\n许可证号：{NUMBER}\n有效期限：长期\n",
        encoding="utf-8",
    )
    (licence,) = read_any(path).licences
    assert (licence.licence_id, licence.valid_from) == (NUMBER, None)
    assert licence.valid_to == ENDLESS


def test_the_section_of_rights_may_not_say_two_things(tmp_path: Path) -> None:
    corners = "".join(
        f"J{n},1,{NORTH + x:.3f},{EAST + y:.3f}\n"
        for n, (x, y) in enumerate(CORNERS, 1)
    )
    path = tmp_path / "a.txt"
    path.write_text(
        f"{HEAD.replace('带号=40', '带号=39')}[矿业权信息]\n1.许可证号={NUMBER}\n"
        "1.有效期止=2029-12-31\n1.有效期止=2025-12-31\n"
        f"[地块坐标]\n4,12,FID_A,某矿,面,,,,@\n{corners}",
        encoding="utf-8",
    )
    with pytest.raises(LicenceError, match="'2029-12-31' and '2025-12-31'"):
        read_any(path)


def test_two_names_of_one_field_must_agree(table: Callable[..., LicenceFile]) -> None:
    rows = [["2020-01-01至2029-12-31", "2025-12-31"]] * 4
    found = table(["有效期限", "有效期止"], rows, second=["长期", "9999-12-31"])
    (refusal,) = found.refused
    assert refusal.value == (
        "有效期限 is '2020-01-01至2029-12-31' and 有效期止 is '2025-12-31'"
    )
    assert found.licences[0].valid_to == ENDLESS


def test_a_licence_without_end_survives_the_export(tmp_path: Path) -> None:
    licence = right(valid_to=ENDLESS, mine="")
    path = tmp_path / "a.txt"
    write_txt(path, [licence])
    found = read_any(path)
    (again,) = found.licences
    assert (again.valid_to, again.mine) == (ENDLESS, "")
    (parcel,) = feature_collection([found])["features"]
    assert parcel["properties"]["without_end"] is True
    assert any("长期" in line for line in lines([found]))


def test_a_length_of_time_beside_both_ends_is_passed_over(
    table: Callable[..., LicenceFile],
) -> None:
    rows = [["10年", "2020/1/1", "2029年12月31日"]] * 4
    found = table(["有效期", "有效期起", "有效期止"], rows)
    assert not found.refused
    assert found.licences[0].valid_from == dt.date(2020, 1, 1)


def geojson(path: Path, *said: dict[str, object]) -> LicenceFile:
    ring = [[115.0, 24.7], [115.01, 24.7], [115.01, 24.71], [115.0, 24.71]]
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
            "properties": one,
        }
        for one in said
    ]
    document = {"type": "FeatureCollection", "features": features}
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return read_any(path)


def test_geojson_with_both_names_that_agree_is_read(tmp_path: Path) -> None:
    found = geojson(
        tmp_path / "a.geojson",
        {
            "licence_id": NUMBER,
            "采矿许可证号": NUMBER,
            "valid_from": "2020/1/1",
            "valid_to": "2029-12-31",
            "有效期限": "2020年1月1日至2029年12月31日",
            "勘查许可证号": "T3600002009115210045678",
            "批准文号": "赣自然资〔2020〕12号",
        },
        {"licence_id": "C2", "valid_from": 20200101, "valid_to": "长期"},
        {"licence_id": "C3", "status": "吊销", "状态日期": "2024/2/1"},
    )
    assert not found.refused
    first, second, third = found.licences
    assert first.valid_from == second.valid_from == dt.date(2020, 1, 1)
    assert second.valid_to == ENDLESS
    assert third.status_history[0].on == dt.date(2024, 2, 1)


def test_days_of_a_workbook_are_days(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["许可证号", "点号", "X坐标", "Y坐标", "有效期起", "有效期止"])
    days = dt.datetime(2020, 1, 1), dt.datetime(2029, 12, 31)  # noqa: DTZ001 - a cell
    for n, (x, y) in enumerate(CORNERS, 1):
        sheet.append([NUMBER, n, NORTH + x, EAST + y, *days])
        for column in "EF":
            sheet[f"{column}{n + 1}"].number_format = 'yyyy"年"m"月"d"日"'
    for n, (x, y) in enumerate(CORNERS, 1):
        sheet.append([OTHER, n, NORTH + x + 2000, EAST + y, 43831, 47483])
    path = tmp_path / "采矿权.xlsx"
    book.save(path)
    found = read_any(path)
    assert found.licences[0].valid_from == dt.date(2020, 1, 1)
    assert found.licences[0].valid_to == dt.date(2029, 12, 31)
    (refusal,) = found.refused
    assert "43831" in refusal.value
    assert "give the cell the format of a date" in refusal.rule


def test_a_restriction_without_a_kind_is_never_a_mining_right(
    table: Callable[..., LicenceFile],
) -> None:
    found = table(["限制区类型"], [["生态保护红线"]] * 4)
    assert {one.kind for one in found.licences} == {LicenceKind.RESTRICTION}
    assert not any("mining right" in note for note in found.repairs)


def test_what_names_its_kind_is_not_said_to_be_read_as_a_mining_right(
    table: Callable[..., LicenceFile],
) -> None:
    found = table(["权利类型"], [["治理工程"]] * 4)
    assert {one.kind for one in found.licences} == {LicenceKind.RESTORATION}
    assert not any("read as a mining right" in note for note in found.repairs)
