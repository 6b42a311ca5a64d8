"""Changes of a status: every common spelling, and nothing that is half said."""

from datetime import date

import pytest

from rsmonitor.io.licences.found import UnusableError
from rsmonitor.io.licences.statuses import changes
from rsmonitor.io.licences.terms import said_by
from rsmonitor.records.licence import LicenceStatus, StatusChange

REVOKED = StatusChange(on=date(2024, 5, 1), status=LicenceStatus.REVOKED)
STOPPED = StatusChange(on=date(2023, 1, 1), status=LicenceStatus.SUSPENDED)
RESUMED = StatusChange(on=date(2023, 7, 1), status=LicenceStatus.IN_FORCE)


@pytest.mark.parametrize(
    "text",
    [
        "2024-05-01 吊销",
        "吊销(2024-05-01)",
        "吊销（2024年5月1日）",
        "2024年5月1日吊销",
        "2024年5月1日被吊销",
        "于2024年5月1日依法吊销采矿许可证",
        "吊销:2024/5/1",
        "吊销，20240501",
        "2024-05-01 revoked",
        "revoked 2024-05-01;",
    ],
)
def test_one_change_is_read_in_every_way_that_offices_write_it(text: str) -> None:
    assert changes("状态变更", text) == (REVOKED,)


@pytest.mark.parametrize(
    "text",
    [
        "2023-01-01 停产；2023-07-01 恢复生产；2024-05-01 吊销",
        "吊销(2024-05-01);停产(2023-01-01);复产(2023-07-01)",
        "2023年1月1日停产，2023年7月1日恢复，2024年5月1日吊销",
        "2023-01-01 suspended\n2023-07-01 in_force\n2024-05-01 revoked",
        "停产 2023-01-01 恢复 2023-07-01 吊销 2024-05-01",
    ],
)
def test_several_changes_are_ordered_by_day(text: str) -> None:
    assert changes("状态变更", text) == (STOPPED, RESUMED, REVOKED)


@pytest.mark.parametrize(
    "text",
    [
        "吊销",
        "2024-05-01",
        "2024-05-01 吊销 停产",
        "2024-05-01 吊销 停产 2023-01-01",
        "2024-05-01 未吊销",
        "2024-05-01 拟吊销",
        "01/02/2024 吊销",
        "2024-02-30 吊销",
        "2024-05-01 吊销" + "。" * 50_000,
    ],
)
def test_what_is_half_said_or_says_more_is_refused(text: str) -> None:
    with pytest.raises(UnusableError, match="状态变更"):
        changes("状态变更", text)


def test_a_field_named_by_what_happened_needs_no_status_beside_it() -> None:
    said = said_by({"许可证号": "C1", "停产日期": "2023-01-01", "吊销日期": "2024/5/1"})
    assert said.values["status_history"] == (STOPPED, REVOKED)


def test_a_right_in_force_with_the_day_of_its_end_is_refused_with_both() -> None:
    with pytest.raises(
        UnusableError, match=r"状态 is '有效' and 注销日期 is '2024-5-1'"
    ):
        said_by({"状态": "有效", "注销日期": "2024-5-1"})


def test_a_status_that_is_not_among_the_changes_is_told() -> None:
    said = said_by({"状态": "注销", "状态变更": "停产(2023-01-01)"})
    assert said.values["status_history"] == (STOPPED,)
    assert any("'注销' has no day" in note for note in said.notes)
