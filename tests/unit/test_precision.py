"""Precision is counted from what people said, and never made up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsmonitor.errors import ContractError
from rsmonitor.records.finding import Judgement
from rsmonitor.records.rasters import Tier
from rsmonitor.stages.precision import (
    Triage,
    judgement_of,
    precision_by_tier,
    share_of,
    wilson,
)


def said(
    alert: str, judgement: Judgement, *, who: str = "li", tier: Tier = Tier.HIGH
) -> Triage:
    return Triage(alert_id=alert, tier=tier, who=who, judgement=judgement)


def test_where_nobody_looked_nothing_is_measured_and_nothing_is_zero() -> None:
    for each in precision_by_tier([]):
        assert (each.triaged, each.real, each.unlawful) == (0, None, None)


def test_lawful_digging_is_real_change_and_not_unlawful() -> None:
    high, *_, whole = precision_by_tier(
        [
            said("a1", Judgement.UNLAWFUL),
            said("a2", Judgement.LAWFUL),
            said("a3", Judgement.PSEUDO_CHANGE),
        ]
    )
    assert high == whole.__class__(
        tier=Tier.HIGH,
        triaged=3,
        disagreed=0,
        undecided=0,
        real=share_of(2, 3),
        unlawful=share_of(1, 3),
    )
    assert whole.real == high.real


def test_the_last_word_of_a_person_counts_and_two_people_may_disagree() -> None:
    high, *_ = precision_by_tier(
        [
            said("a1", Judgement.UNLAWFUL),
            said("a1", Judgement.PSEUDO_CHANGE),  # li looked again
            said("a2", Judgement.UNLAWFUL),
            said("a2", Judgement.LAWFUL, who="wang"),
        ]
    )
    assert (high.triaged, high.disagreed) == (2, 1)
    assert high.real == share_of(0, 1)


@pytest.mark.parametrize("word", [Judgement.SPECIAL_USE, Judgement.UNCLEAR])
def test_who_cannot_tell_is_in_no_share(word: Judgement) -> None:
    high, *_ = precision_by_tier([said("a1", word)])
    assert (high.triaged, high.undecided, high.real) == (1, 1, None)


def test_tiers_are_apart() -> None:
    high, medium, low, whole = precision_by_tier(
        [
            said("a1", Judgement.UNLAWFUL),
            said("a2", Judgement.PSEUDO_CHANGE, tier=Tier.LOW),
        ]
    )
    assert high.real == share_of(1, 1)
    assert medium.real is None
    assert low.real == share_of(0, 1)
    assert whole.real == share_of(1, 2)


@pytest.mark.parametrize("judgement", Judgement)
def test_a_verdict_is_read_as_it_is_written(judgement: Judgement) -> None:
    assert judgement_of(judgement.value) is judgement


@pytest.mark.parametrize("nonsense", [None, 3, "", "maybe", ["unlawful"], True])
def test_what_is_no_verdict_says_nothing(nonsense: object) -> None:
    assert judgement_of(nonsense) is None


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_share_and_lies_in_0_to_1(case: tuple[int, int]) -> None:
    found, n = case
    limits = wilson(found, n)
    assert limits is not None
    low, high = limits
    assert 0 <= low <= found / n <= high <= 1
    assert low < high


# 81 of 263: Newcombe (1998), Stat. Med. 17, 857-872, table I, score without correction.
# 0 of 10: z^2 / (n + z^2). 5 of 10: 1/2 -+ z / (2 sqrt(n + z^2)).
@pytest.mark.parametrize(
    ("found", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (81, 263, 0.2553, 0.3662)],
)
def test_the_interval_is_the_one_of_the_books(
    found: int, n: int, low: float, high: float
) -> None:
    assert wilson(found, n) == pytest.approx((low, high), abs=5e-5)


def test_more_than_all_is_refused() -> None:
    with pytest.raises(ContractError, match="11 of 10"):
        wilson(11, 10)
