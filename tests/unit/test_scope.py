"""Who sees what: areas, codes, and the rules of names, tokens and waits."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsmonitor.errors import ContractError
from rsmonitor.records.access import AccessRules
from rsmonitor.records.account import MOST_AREAS, Account, Role, Scope, Token

NOW = datetime(2026, 11, 24, tzinfo=UTC)
COUNTIES = ("360732", "360702", "361021", "441621", "450881", "350681")
DISTRICTS = ("demo-romania", "36", "3607", "ganzhou_2")
CODES = st.sampled_from((*COUNTIES, "demo-romania", "ganzhou_2"))
AREAS = st.sampled_from(
    ("*", "36", "44", "3607", "3610", "360700", "440000", *COUNTIES, *DISTRICTS)
)
SCOPES = st.lists(AREAS, max_size=4).map(Scope.of)


@pytest.mark.parametrize(
    ("area", "code", "seen"),
    [
        ("36", "360732", True),
        ("3607", "360732", True),
        ("360732", "360732", True),
        ("44", "360732", False),
        ("3610", "360732", False),
        ("360702", "360732", False),
        ("*", "360732", True),
        ("*", "demo-romania", True),
        ("demo-romania", "demo-romania", True),
        ("demo", "demo-romania", False),
        # an identifier is no county, however it begins
        ("36", "36-hills", False),
        ("36", "36a", False),
        ("3", "360732", False),
        ("36073", "360732", False),
        ("360732", "36", False),
    ],
)
def test_an_area_holds_the_codes_that_begin_with_its_digits_or_equal_it(
    area: str, code: str, *, seen: bool
) -> None:
    scope = Scope.of([area])
    assert scope.covers(code) is seen
    assert scope.sees([code]) is seen
    assert scope.sees(["999999", code]) is seen
    assert scope.within(Scope.of(["*"]))


def test_a_prefecture_or_province_may_be_written_with_six_digits() -> None:
    assert Scope.of(["360700"]).areas == ("3607",)
    assert Scope.of(["360000"]).areas == ("36",)
    assert Scope.of([" 360732 ", "360700"]).areas == ("3607",)
    # a county of a province without prefectures is a county
    assert Scope.of(["419001"]).areas == ("419001",)


def test_what_has_no_code_is_seen_by_those_who_see_everything_only() -> None:
    assert Scope.of(["*"]).sees([])
    assert not Scope.of(["36", "44", "demo-romania"]).sees([])
    assert not Scope(areas=()).sees(["360732"])


@pytest.mark.parametrize(
    "area", ["", "**", "赣州", "36 07", "../etc", "A", "%", "a" * 65, "-36", "36\n"]
)
def test_what_is_no_area_is_refused(area: str) -> None:
    with pytest.raises(ContractError, match="area"):
        Scope(areas=(area,))


def test_a_scope_has_not_too_many_areas_nor_a_county_that_cannot_be() -> None:
    with pytest.raises(ContractError, match="at most"):
        Scope(areas=tuple(f"{number:06}" for number in range(1, MOST_AREAS + 2)))
    with pytest.raises(ContractError, match="360700"):
        Scope(areas=("360700",))


@given(SCOPES, SCOPES, CODES)
def test_what_two_scopes_both_see_is_what_each_of_them_sees(
    one: Scope, other: Scope, code: str
) -> None:
    both = one.meet(other)
    assert both.covers(code) is (one.covers(code) and other.covers(code))
    assert both == other.meet(one)
    assert both.within(one)
    assert both.within(other)


def test_hundreds_of_counties_meet_within_what_a_request_may_take() -> None:
    counties = [f"{36 + n // 90}{10 + n % 90}21" for n in range(MOST_AREAS)]
    scope = Scope(areas=tuple(sorted(counties)))
    begun = time.process_time()
    assert scope.meet(scope) == scope
    assert time.process_time() - begun < 0.1


@given(SCOPES, SCOPES, st.lists(CODES, max_size=3))
def test_a_scope_within_another_never_sees_more(
    one: Scope, other: Scope, codes: list[str]
) -> None:
    if one.within(other):
        assert not one.sees(codes) or other.sees(codes)
        assert one.meet(other) == one


@given(st.lists(AREAS, max_size=6), CODES)
def test_order_repetition_and_what_another_area_holds_change_nothing(
    areas: list[str], code: str
) -> None:
    assert Scope.of(areas) == Scope.of([*reversed(areas), *areas])
    assert Scope.of(areas).covers(code) is any(
        Scope.of([area]).covers(code) for area in areas
    )
    assert Scope.of(Scope.of(areas).areas) == Scope.of(areas)


# ------------------------------------------------------------- names, tokens, waits


@pytest.mark.parametrize(
    "name",
    ["", "a", "Li", "li wang", "李", "-li", "li/../x", "l" * 65, "li\n", "\u0131i"],
)
def test_a_name_that_could_be_taken_for_another_is_refused(name: str) -> None:
    with pytest.raises(ContractError, match="name of an account"):
        Account(
            name=name,
            role=Role.BUREAU,
            scope=Scope.of(["36"]),
            created_at=NOW,
            password_set_at=NOW,
        )


def test_a_token_says_when_it_ends_and_never_what_its_secret_is() -> None:
    token = Token(
        token_id="abcdefghijklmnop",  # noqa: S106 - a name
        owner="li",
        label="QGIS 办公室",
        scope=Scope.of(["36"]),
        created_at=NOW,
        expires_at=NOW + timedelta(days=1),
    )
    for wrong in (
        {"token_id": "short"},
        {"label": "x" * 101},
        {"label": "two\nlines"},
        {"expires_at": NOW},
    ):
        with pytest.raises(ContractError):
            replace(token, **wrong)  # type: ignore[arg-type]


@given(st.integers(0, 10_000), st.integers(1, 50))
def test_waits_grow_with_failures_and_never_beyond_the_longest(
    failures: int, free: int
) -> None:
    rules = AccessRules()
    wait = rules.wait(failures, free=free)
    assert timedelta(0) <= wait <= rules.longest_wait
    assert (wait == timedelta(0)) is (failures < free)
    assert wait <= rules.wait(failures + 1, free=free)
