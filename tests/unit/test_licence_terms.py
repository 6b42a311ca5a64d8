from datetime import date

import pytest

from rsmonitor.io.licences.days import ENDLESS, day, period
from rsmonitor.io.licences.field_names import NAMES
from rsmonitor.io.licences.found import UnusableError
from rsmonitor.io.licences.terms import named, said_by
from rsmonitor.records.licence import LicenceKind, LicenceStatus


@pytest.mark.parametrize("name", [one for names in NAMES.values() for one in names])
def test_no_name_means_two_fields(name: str) -> None:
    assert sum(name in names for names in NAMES.values()) == 1


@pytest.mark.parametrize(
    "text",
    [
        "2025-03-01",
        "2025/3/1",
        "2025.3.1",
        "2025年3月1日",
        "2025年03月01日",
        "20250301",
        "2025-03-01 00:00:00",
        "2025-03-01T00:00:00Z",
        " 2025年3月1日 ",
    ],
)
def test_days_are_read_as_bureaus_write_them(text: str) -> None:
    assert day("有效期止", text) == date(2025, 3, 1)


@pytest.mark.parametrize(
    "text",
    ["2025", "2025年3月", "2025-02-30", "45717", "3/1/2025", "拾年", "2025-3-1x"],
)
def test_what_is_no_day_is_refused_and_never_guessed(text: str) -> None:
    with pytest.raises(UnusableError, match="有效期止"):
        day("有效期止", text)


def test_a_licence_without_end_ends_with_the_calendar() -> None:
    assert day("有效期止", "长期", endless=True) == ENDLESS
    assert period("有效期", "2015年3月1日至长期") == (date(2015, 3, 1), ENDLESS)


@pytest.mark.parametrize(
    "text",
    [
        "自2015年3月1日至2025年2月28日",
        "2015-03-01至2025-02-28",
        "2015.3.1-2025.2.28",
        "2015/3/1~2025/2/28",
        "20150301—20250228",
    ],
)
def test_periods_are_read_as_bureaus_write_them(text: str) -> None:
    assert period("有效期限", text) == (date(2015, 3, 1), date(2025, 2, 28))


@pytest.mark.parametrize(
    "text", ["2015-03-01", "十年", "2015-03-01 2016-01-01 2017-01-01"]
)
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(UnusableError, match="two days"):
        period("有效期限", text)


def test_co_occurring_and_associated_minerals_are_told_apart() -> None:
    values = said_by({"开采矿种": "稀土、钨（共生：铜；伴生：钼）"}).values
    assert values["minerals"] == ("稀土", "钨")
    assert values["associated_minerals"] == ("铜", "钼")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+435~+280m标高", (280.0, 435.0)),
        ("由435米至280米", (280.0, 435.0)),
        ("435-280m", (280.0, 435.0)),
        ("-50m至-300m", (-300.0, -50.0)),
        ("0.0至-0.5米", (-0.5, 0.0)),
    ],
)
def test_elevations_are_read_in_either_order(
    text: str, expected: tuple[float, float]
) -> None:
    assert said_by({"开采标高": text}).values["elevation_m"] == expected


def test_a_status_with_its_day_is_a_change_and_without_it_only_shown() -> None:
    said = said_by({"状态": "注销", "状态日期": "2024年5月1日"})
    (change,) = said.values["status_history"]
    assert (change.on, change.status) == (date(2024, 5, 1), LicenceStatus.CANCELLED)
    without = said_by({"状态": "注销"})
    assert "status_history" not in without.values
    assert any("状态日期" in note for note in without.notes)


def test_kinds_have_chinese_and_english_names() -> None:
    assert said_by({"权利类型": "探矿权"}).values["kind"] is LicenceKind.EXPLORATION
    assert said_by({"kind": "land_use"}).values["kind"] is LicenceKind.LAND_USE
    with pytest.raises(UnusableError, match=r"mining \(采矿权\)"):
        said_by({"kind": "fishing"})


def test_names_with_units_and_full_width_brackets_are_known() -> None:
    found = named({"开采标高（米）": "1~2", "采矿权人:": "某公司", "位置误差(米)": "3"})
    assert set(found) == {"elevation", "holder", "position_error_m"}


def test_the_preferred_of_two_names_is_taken() -> None:
    attributes = {"项目名称": "项目", "矿山名称": "矿山", "名称": "别名"}
    assert said_by(attributes).values["mine"] == "矿山"


def test_fields_that_nobody_reads_are_named() -> None:
    said = said_by({"经济类型": "国有", "采矿权人": "某公司", "面积": "5"})
    assert said.notes == ["field '经济类型' is not read"]


@pytest.mark.parametrize("text", ["x" * 501, "a\u202eb", "a\x00b"])
def test_text_that_cannot_be_printed_is_refused(text: str) -> None:
    with pytest.raises(UnusableError, match="printable"):
        said_by({"采矿权人": text})
