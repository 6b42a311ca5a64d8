"""What a right says of itself: its days, its status, its datum; and of whom it is."""

from dataclasses import fields, replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rights import right

from rsmonitor.errors import ContractError
from rsmonitor.records.licence import (
    DATUM_ERRORS_M,
    STATUS_LABELS,
    Completeness,
    LicenceKind,
    LicenceStatus,
    ProducingList,
    StatusChange,
    military_word,
)

SUSPENDED = StatusChange(on=date(2024, 3, 1), status=LicenceStatus.SUSPENDED)
RESUMED = StatusChange(on=date(2024, 9, 1), status=LicenceStatus.IN_FORCE)
REVOKED = StatusChange(on=date(2025, 1, 1), status=LicenceStatus.REVOKED)
COMPLETE = Completeness(
    county_code="360728", kind=LicenceKind.MINING, complete_on=date(2026, 1, 1)
)
LISTED = ProducingList(
    year=2025,
    publisher="某集团",
    published=date(2025, 3, 1),
    licence_ids=frozenset({"C1"}),
)


def test_what_a_file_does_not_say_is_left_open() -> None:
    plain = right()
    assert plain.renewal_accepted is None
    assert plain.status_history == ()
    assert plain.elevation_m is None
    assert plain.deadline is None
    assert (plain.datum, plain.position_error_m) == ("WGS 84", 0.5)
    assert plain.version == 1


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        (
            {
                "renewal_accepted": date(2025, 3, 2),
                "renewal_decided": date(2025, 3, 1),
            },
            "renewal_decided 2025-03-01 is before renewal_accepted 2025-03-02",
        ),
        ({"status_history": (RESUMED, SUSPENDED)}, "ordered by day.*2024-09-01, 2024"),
        ({"status_history": (RESUMED, RESUMED)}, "one change a day"),
        ({"datum": "GCJ-02"}, "datum must be one of .*, got 'GCJ-02'"),
        ({"position_error_m": -0.1}, "position_error_m must be from 0 to 1000"),
        ({"position_error_m": float("nan")}, "position_error_m .* got nan"),
        ({"position_error_m": float("inf")}, "position_error_m .* got inf"),
        ({"elevation_m": (435.0, 280.0)}, "the lower first"),
        ({"elevation_m": (0.0, float("nan"))}, "two finite numbers"),
        ({"version": 0}, "versions count from 1, got 0"),
    ],
)
def test_a_right_that_cannot_be_is_refused_by_its_number(
    wrong: dict[str, Any], rule: str
) -> None:
    with pytest.raises(ContractError, match=f"licence C1: .*{rule}"):
        replace(right(), **wrong)


def test_a_renewal_may_be_decided_on_the_day_of_its_acceptance() -> None:
    day = date(2025, 3, 1)
    assert right(renewal_accepted=day, renewal_decided=day).renewal_decided == day
    assert right(renewal_accepted=None, renewal_decided=day).renewal_accepted is None


@pytest.mark.parametrize("datum", DATUM_ERRORS_M)
def test_every_datum_of_old_and_new_licences_has_its_error(datum: str) -> None:
    error = DATUM_ERRORS_M[datum]
    assert right(datum=datum, position_error_m=error).datum == datum
    assert error == (100.0 if datum in {"Xi'an 80", "Beijing 54"} else 0.5)


@pytest.mark.parametrize(
    ("day", "status"),
    [
        (date(2024, 2, 29), LicenceStatus.IN_FORCE),
        (date(2024, 3, 1), LicenceStatus.SUSPENDED),
        (date(2024, 8, 31), LicenceStatus.SUSPENDED),
        (date(2024, 9, 1), LicenceStatus.IN_FORCE),
        (date(2024, 12, 31), LicenceStatus.IN_FORCE),
        (date(2025, 1, 1), LicenceStatus.REVOKED),
        (date(2030, 1, 1), LicenceStatus.REVOKED),
    ],
)
def test_a_status_begins_on_its_day_and_lasts_until_the_next(
    day: date, status: LicenceStatus
) -> None:
    assert right(status_history=(SUSPENDED, RESUMED, REVOKED)).status_on(day) is status


def test_every_status_has_a_label_in_two_languages() -> None:
    assert set(STATUS_LABELS) == set(LicenceStatus)
    assert all(chinese and english for chinese, english in STATUS_LABELS.values())


# ----------------------------------------------------------------------- without an end


def test_a_right_without_end_has_a_period() -> None:
    start, end = right(valid_to=date.max).period()
    assert start == datetime(2019, 12, 31, 16, tzinfo=UTC)
    assert end == datetime(9999, 12, 30, 16, tzinfo=UTC)


@given(st.dates(), st.dates())
def test_a_period_is_some_time_that_utc_has_too(one: date, other: date) -> None:
    first, last = sorted((one, other))
    start, end = right(valid_from=first, valid_to=last).period()
    assert start < end
    assert start.astimezone(UTC) < end.astimezone(UTC)
    if date(1, 1, 2) <= first and last < date(9999, 12, 30):
        assert start.date() == first
        assert (end.date() - last).days == 1


# ----------------------------------------------------------------------------- military


@pytest.mark.parametrize(
    "said",
    ["军事用地", "某军事禁区", "军用机场", "特殊用地", "Military area", "MILITARY"],
)
def test_a_military_parcel_is_known_by_its_words(said: str) -> None:
    assert military_word(["C1", "", said]) is not None


@pytest.mark.parametrize("said", ["李建军", "冠军村", "采矿权", "武警黄金部队", ""])
def test_a_name_that_only_sounds_military_is_none(said: str) -> None:
    assert military_word([said]) is None


# ----------------------------------------------------------- completeness and producing


@pytest.mark.parametrize(
    "code", ["36072", "3607280", "36072x", "", "\uff13\uff16\uff10\uff17\uff12\uff18"]
)
def test_completeness_names_a_county_by_six_digits(code: str) -> None:
    with pytest.raises(ContractError, match="six digits"):
        replace(COMPLETE, county_code=code)


@pytest.mark.parametrize(
    ("declared", "county", "covered"),
    [
        ("360728", "360728", True),
        ("360728", "360729", False),
        ("360700", "360728", True),
        ("360700", "360828", False),
        ("360000", "360828", True),
        ("360000", "440828", False),
        ("000000", "360728", False),
    ],
)
def test_a_whole_prefecture_covers_its_counties(
    declared: str,
    county: str,
    covered: bool,  # noqa: FBT001
) -> None:
    assert replace(COMPLETE, county_code=declared).covers(county) is covered


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"year": 1948}, "year must be from 1949 to 2200, got 1948"),
        ({"year": 2201}, "year must be"),
        ({"publisher": ""}, "2025: publisher is empty"),
        ({"licence_ids": frozenset()}, "names licences by number"),
        ({"licence_ids": frozenset({"C1", ""})}, "names licences by number"),
    ],
)
def test_a_producing_list_of_nobody_or_nothing_is_refused(
    wrong: dict[str, Any], rule: str
) -> None:
    with pytest.raises(ContractError, match=rule):
        replace(LISTED, **wrong)


def test_all_of_it_is_frozen() -> None:
    for record in (right(), COMPLETE, LISTED, SUSPENDED):
        assert not hasattr(record, "__dict__")
        with pytest.raises(AttributeError):
            setattr(record, fields(record)[0].name, None)
