"""Days: one reader for every format and field, and what could be two is refused."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsmonitor.io.licences.days import ENDLESS, day, period
from rsmonitor.io.licences.found import UnusableError

NEW_YEAR = date(2020, 1, 1)


@pytest.mark.parametrize(
    "text",
    [
        "2020-01-01",
        "2020/1/1",
        "2020.1.1",
        "2020年1月1日",
        "2020 年 1 月 1 日",
        "20200101",
        "２０２０年１月１日",
        "2020-01-01 00:00:00",
        "2020/1/1 0:00",
        "2020-01-01T00:00:00.000Z",
        "2019-12-31T16:00:00.000Z",
        "2020-01-01T00:00:00+08:00",
    ],
)
def test_a_day_is_read_in_every_way_that_offices_write_one(text: str) -> None:
    assert day("有效期起", text) == NEW_YEAR


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("01/02/2020", "could be two different days"),
        ("1-2-20", "could be two different days"),
        ("31.12.2020", "could be two different days"),
        ("43831", "spreadsheet's number"),
        ("2020-02-30", "a day is written like"),
        ("2020年", "a day is written like"),
        ("2020-1", "a day is written like"),
        ("20201301", "a day is written like"),
        ("2020-01-01T25:00Z", "a day is written like"),
        ("2020-01-01T00:00+99:00", "a day is written like"),
        ("1000-01-01x", "a day is written like"),
        ("\u200f2020-01-01", "a day is written like"),
        ("2020-01-01\0", "a day is written like"),
        ("长期", "a day is written like"),
        ("", "a day is written like"),
        ("9" * 100_000, "a day is written like"),
    ],
)
def test_what_is_no_day_or_could_be_two_is_refused_with_the_rule(
    text: str, rule: str
) -> None:
    with pytest.raises(UnusableError, match=rule) as caught:
        day("有效期起", text)
    assert len(str(caught.value)) < 400


def test_only_an_end_can_be_without_end() -> None:
    assert day("有效期止", "长期", endless=True) == ENDLESS
    with pytest.raises(UnusableError):
        day("有效期起", "长期有效")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("长期", (None, ENDLESS)),
        ("长期有效", (None, ENDLESS)),
        ("无固定期限", (None, ENDLESS)),
        ("2020-01-01起长期有效", (NEW_YEAR, ENDLESS)),
        ("自2020年1月1日至长期", (NEW_YEAR, ENDLESS)),
        ("2020-01-01 2029-12-31", (NEW_YEAR, date(2029, 12, 31))),
        ("20200101-20291231", (NEW_YEAR, date(2029, 12, 31))),
    ],
)
def test_a_period_may_be_without_end(
    text: str, expected: tuple[date | None, date]
) -> None:
    assert period("有效期限", text) == expected


@pytest.mark.parametrize(
    "text",
    ["10年", "长期(待定)", "2020-01-01", "2020-01-01至2025-01-01至2030-01-01", ""],
)
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(UnusableError, match="a period has two days"):
        period("有效期限", text)


@given(st.dates(min_value=date(1000, 1, 1)))
def test_every_spelling_of_a_day_is_the_same_day(one: date) -> None:
    for text in (
        one.isoformat(),
        f"{one.year}/{one.month}/{one.day}",
        f"{one.year}年{one.month}月{one.day}日",
        f"{one:%Y%m%d}",
    ):
        if one.year < 3000:
            assert day("a", text) == one
