"""HTTP's bounds: pauses that are read right, turns that are spaced."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsmonitor.errors import ContractError, SourceError
from rsmonitor.io.foundation.gdal import gdal_environment, gdal_options
from rsmonitor.io.foundation.http import (
    Answer,
    Http,
    HttpPolicy,
    RateLimiter,
    retry_after,
)

NOW = datetime(2026, 11, 24, 8, 0, 0, tzinfo=UTC)


def pause(header: str | None) -> float | None:
    return retry_after(header, now=NOW, longest_s=60)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("-1", None),
        ("1e999", None),
        ("9" * 500, None),
        ("0", 0.0),
        ("1", 1.0),
        ("0.5", 0.5),
        (" 60 ", 60.0),
        ("61", 0.061),
        ("55408", 55.408),
        ("Tue, 24 Nov 2026 08:01:30 GMT", 90.0),
        ("Tue, 24 Nov 2026 07:00:00 GMT", 0.0),
        ("Tue, 24 Nov 2026 16:00:05 +0800", 5.0),
        ("Tue, 99 Nov 2026 08:01:30 GMT", None),
    ],
)
def test_retry_after_is_seconds_milliseconds_a_date_or_nothing(
    header: str | None, seconds: float | None
) -> None:
    assert pause(header) == seconds


@given(st.text(max_size=80))
def test_no_header_is_an_exception(header: str) -> None:
    found = pause(header)
    assert found is None or found >= 0


@given(st.integers(0, 10_000_000))
def test_a_date_is_waited_for_to_the_second(seconds: int) -> None:
    then = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert pause(then) == seconds


@given(st.lists(st.floats(0, 50), min_size=2, max_size=20), st.floats(1, 1e4))
def test_no_minute_spends_more_than_its_share(
    costs: list[float], per_minute: float
) -> None:
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    limiter = RateLimiter(per_minute, monotonic=lambda: now, sleep=sleep)
    turns = []
    for cost in costs:
        limiter.wait(cost)
        turns.append(now)
    for index in range(1, len(costs)):
        spent = sum(costs[:index])
        assert turns[index] >= spent * 60 / per_minute - 1e-6


def test_a_hold_makes_everybody_wait() -> None:
    slept: list[float] = []
    limiter = RateLimiter(60, monotonic=lambda: 100.0, sleep=slept.append)
    limiter.hold(7)
    limiter.wait()
    limiter.wait()
    assert slept == [7.0, 8.0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"attempts": 0},
        {"total_s": 0.0},
        {"read_timeout_s": float("nan")},
        {"connect_timeout_s": float("inf")},
        {"max_bytes": 0},
    ],
)
def test_a_policy_without_a_bound_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ContractError):
        HttpPolicy(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "address", ["", "no address", "ftp://x/y", "http://[::1", "//x"]
)
def test_what_is_no_address_is_not_asked(address: str) -> None:
    with pytest.raises(SourceError, match="not an address"):
        Http(HttpPolicy()).request("GET", address)


def test_an_answer_that_is_no_object_is_said_to_be_none() -> None:
    page = Answer(
        status=200,
        headers={},
        content=b"<html>\n sign in token=abcdefgh</html>",
        address="https://x",
        attempts=1,
    )
    with pytest.raises(SourceError, match="proxy") as refused:
        page.json()
    assert "abcdefgh" not in str(refused.value)


def test_gdal_is_bounded_whatever_the_policy() -> None:
    options = gdal_options(HttpPolicy(read_timeout_s=0.1, attempts=1))
    assert options["GDAL_HTTP_TIMEOUT"] == "0.1"
    assert options["GDAL_HTTP_LOW_SPEED_TIME"] == "1", "0 is no bound to GDAL"
    assert options["GDAL_HTTP_MAX_RETRY"] == "0"
    assert options["GDAL_DISABLE_READDIR_ON_OPEN"] == "EMPTY_DIR"


def test_the_operator_s_environment_wins_but_fetching_drivers_stay_out() -> None:
    wanted = gdal_environment(
        HttpPolicy(), {"GDAL_HTTP_TIMEOUT": "5", "GDAL_SKIP": "PDF VRT"}
    )
    assert "GDAL_HTTP_TIMEOUT" not in wanted
    assert "GDAL_HTTP_CONNECTTIMEOUT" in wanted
    assert wanted["GDAL_SKIP"].split()[:3] == ["PDF", "VRT", "HTTP"]
