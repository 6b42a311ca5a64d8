"""What a verdict would teach: laws first, then the reasons that people read."""

import itertools
import math
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsmonitor.errors import ContractError
from rsmonitor.records.disturbance import Cause
from rsmonitor.records.finding import Judgement
from rsmonitor.records.rasters import Tier
from rsmonitor.records.week import IsoWeek
from rsmonitor.stages.precision import (
    Shown,
    Triage,
    budget_sentence,
    precision_at_budget,
)
from rsmonitor.stages.suggestion import Candidate, doubt_of, suggest

TORN = {Cause.DIGGING: 0.5, Cause.CLEAR_CUT: 0.5}
SURE = {Cause.DIGGING: 1.0}
NAMES = ("ndvi_before", "ndvi_change", "dred_change")
W1, W2 = IsoWeek(year=2026, week=47), IsoWeek(year=2026, week=48)

numbers = st.floats(-3, 3) | st.just(math.nan)
features = st.fixed_dictionaries(dict.fromkeys(NAMES, numbers))
shares = st.floats(0, 1).map(lambda p: {Cause.DIGGING: p, Cause.UNKNOWN: 1 - p})


@st.composite
def crowds(draw: st.DrawFn) -> list[Candidate]:
    found = draw(st.lists(st.tuples(features, shares, st.booleans()), max_size=12))
    return [
        Candidate(alert_id=f"a{n:02}", features=f, causes=c, disputed=d)
        for n, (f, c, d) in enumerate(found)
    ]


def at(name: str, *values: float, disputed: bool = False) -> Candidate:
    told = dict(zip(NAMES, values, strict=False))
    return Candidate(alert_id=name, features=told, causes=TORN, disputed=disputed)


def ids(candidates: Sequence[Candidate], *judged: dict[str, float]) -> list[str]:
    return [each.alert_id for each in suggest(candidates, judged)]


@settings(max_examples=60, deadline=None)
@given(crowds(), st.lists(features, max_size=4), st.randoms(use_true_random=False))
def test_the_list_is_the_same_for_any_order_and_teaches_less_and_less(
    crowd: list[Candidate],
    judged: list[dict[str, float]],
    random: Random,
) -> None:
    found = suggest(crowd, judged, most=50)
    shuffled, rejudged = crowd[:], judged[:]
    random.shuffle(shuffled)
    random.shuffle(rejudged)
    assert suggest(shuffled, rejudged, most=50) == found
    told = [each.share for each in found]
    assert all(a >= b - 1e-12 for a, b in itertools.pairwise(told))
    assert all(share > 0 for share in told)
    assert sum(told) <= 1 + 1e-9
    assert [each.place for each in found] == list(range(1, len(found) + 1))
    assert suggest(crowd, judged, most=2) == found[:2]


@settings(max_examples=40, deadline=None)
@given(crowds())
def test_what_is_exactly_like_something_judged_teaches_nothing(
    crowd: list[Candidate],
) -> None:
    assert suggest(crowd, [each.features for each in crowd]) == ()


@given(shares, st.booleans())
def test_doubt_lies_within_its_bounds(
    causes: dict[Cause, float],
    disputed: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    doubt = doubt_of(
        Candidate(alert_id="a", features={}, causes=causes, disputed=disputed)
    )
    assert 0 <= doubt <= 1
    assert not disputed or doubt == 1


def test_of_a_crowd_and_a_loner_the_crowd_comes_first_and_its_twins_last() -> None:
    crowd = [at(f"c{n}", 0.0 + n / 100, 0.0) for n in range(4)]
    found = ids([*crowd, at("z", 3.0, 3.0)])
    assert found[0].startswith("c")
    # a second one of the crowd repeats what the first has taught
    assert found[1] == "z"


def test_of_two_loners_the_one_that_is_unlike_what_was_judged_comes_first() -> None:
    known = dict(zip(NAMES, (0.1, 0.1), strict=False))
    spread = [at(f"m{n}", n - 2.0, 2.0 - n) for n in range(5)]
    assert ids([*spread, at("a", 0.0, 0.0), at("b", 3.0, 3.0)], known)[-1] == "a"


def test_certain_alerts_among_themselves_teach_nothing() -> None:
    sure = [Candidate(alert_id=f"a{n}", features={}, causes=SURE) for n in range(3)]
    assert suggest(sure, []) == ()
    assert suggest([], []) == ()


def test_reasons_are_told_in_both_languages() -> None:
    crowd = [at("a", 0.0, 0.0), at("b", 0.0, 0.01), at("c", 9.0, 9.0, disputed=True)]
    # nobody judged anything like them
    judged = [dict(zip(NAMES, (-9.0, -9.0), strict=False))]
    told = {each.alert_id: each.reasons for each in suggest(crowd, judged)}
    assert {r.zh for r in told["c"]} >= {"核查意见不一", "与已核查的线索都不相似"}
    first = told.get("a") or told["b"]
    assert first[0].zh == "成因：采挖50%、林木采伐50%"
    assert first[-1].en == "1 other standing alert is like it"


def test_an_alert_twice_is_refused() -> None:
    with pytest.raises(ContractError, match="twice"):
        suggest([at("a"), at("a")], [])


def said(alert: str, judgement: Judgement, who: str = "li") -> Triage:
    return Triage(alert_id=alert, tier=Tier.HIGH, who=who, judgement=judgement)


def test_an_alert_that_stands_for_weeks_counts_once() -> None:
    found = precision_at_budget(
        [Shown(week=W2, alert_ids=("b", "c")), Shown(week=W1, alert_ids=("a", "b"))],
        [
            said("a", Judgement.PSEUDO_CHANGE),
            said("b", Judgement.UNLAWFUL),
            said("elsewhere", Judgement.UNLAWFUL),
        ],
    )
    assert (found.shown, found.triaged) == (3, 2)
    assert found.unlawful is not None
    assert (found.unlawful.found, found.unlawful.n) == (1, 2)
    assert [(w.week, w.shown, w.triaged) for w in found.weeks] == [
        (W1, 2, 2),
        (W2, 2, 1),
    ]
    sentence = budget_sentence(found, pages=2)
    assert "50%" in sentence.zh
    assert "9% 至 91%" in sentence.zh
    assert "9% to 91%" in sentence.en


def test_disagreement_and_doubt_are_in_no_share_and_that_is_not_yet_measured() -> None:
    found = precision_at_budget(
        [Shown(week=W1, alert_ids=("a", "b"))],
        [
            said("a", Judgement.UNLAWFUL),
            said("a", Judgement.LAWFUL, "sun"),
            said("b", Judgement.UNCLEAR),
        ],
    )
    assert (found.triaged, found.disagreed, found.undecided) == (2, 1, 1)
    assert found.unlawful is found.real is None
    assert "尚未测得" in budget_sentence(found, pages=10).zh


@given(st.lists(st.sampled_from("abcdef"), unique=True), st.integers(0, 6))
def test_more_verdicts_never_make_fewer_measured(shown: list[str], n: int) -> None:
    verdicts = [said(a, Judgement.UNLAWFUL) for a in "abcdef"]
    package = [Shown(week=W1, alert_ids=tuple(shown))]
    fewer = precision_at_budget(package, verdicts[:n])
    more = precision_at_budget(package, verdicts)
    assert fewer.triaged <= more.triaged == len(shown)
