"""Laws of cases: whatever people do, in whatever order."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rsmonitor.errors import ContractError
from rsmonitor.io.stores.commit import chain_problems, chained, check_draft
from rsmonitor.records.case import (
    Authority,
    Case,
    CaseRules,
    CaseState,
    Handling,
    Level,
    ProvinceCheck,
    Said,
)
from rsmonitor.records.event import GENESIS, EventDraft
from rsmonitor.stages.cases import (
    Act,
    assign,
    cases_of,
    close,
    extend,
    inspect,
    overdue,
    shanghai_day,
    transfer,
)

NOW = datetime(2026, 11, 23, 17, tzinfo=UTC)
RULES = CaseRules()
SITES = tuple(f"s{'a' * 11}{letter}" for letter in "abc")
AREAS_MU = (5.0, 10.0, 40.0)
SAID = tuple(
    Said(
        alert_id="a" + site[1:],
        site_id=site,
        version=1,
        area_m2=mu * 10_000 / 15,
        at=NOW,
    )
    for site, mu in zip(SITES, AREAS_MU, strict=True)
)
STANDING = frozenset(said.alert_id for said in SAID)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Something that a person tries."""

    what: str
    site: int
    day: int
    choice: int
    """Picks handler, level, authority or handling."""


deeds = st.builds(
    Deed,
    what=st.sampled_from(["assign", "extend", "inspect", "transfer", "close"]),
    site=st.integers(0, 2),
    day=st.integers(0, 60),
    choice=st.integers(0, 3),
)


def tried(case: Case, deed: Deed) -> EventDraft | None:
    """Decide on a case; refused is nothing too."""
    act = Act(who="李四", at=NOW + timedelta(days=deed.day), why="w")
    level = list(Level)[deed.choice % 3]
    today = shanghai_day(act.at)
    try:
        match deed.what:
            case "assign":
                name = "张三李四"[deed.choice]
                return assign(case, act, RULES, handler=name, level=level)
            case "extend":
                return extend(case, act, due=case.due + timedelta(days=deed.choice))
            case "inspect":
                return inspect(
                    case, act, inspector="王五", level=level, on=today, found="f"
                )
            case "transfer":
                return transfer(case, act, to=list(Authority)[deed.choice])
            case _:
                return close(case, act, handling=list(Handling)[deed.choice])
    except ContractError:
        return None


def cases(drafts: list[EventDraft]) -> dict[str, Case]:
    book = cases_of(SAID, STANDING, chained(drafts, 0, GENESIS), RULES, district="demo")
    assert book.unread == ()
    return {case.site_id: case for case in book.cases}


def lived(todo: list[Deed]) -> list[EventDraft]:
    """Give the events of people who do one thing after the other."""
    drafts: list[EventDraft] = []
    for deed in todo:
        draft = tried(cases(drafts)[SITES[deed.site]], deed)
        if draft is not None:
            check_draft(draft)
            drafts.append(draft)
    return drafts


@given(st.lists(deeds, max_size=15))
def test_whatever_is_recorded_can_be_read_and_the_chain_is_whole(
    todo: list[Deed],
) -> None:
    drafts = lived(todo)
    assert set(cases(drafts)) == set(SITES)
    assert chain_problems(iter(chained(drafts, 0, GENESIS))) == []


@given(st.lists(deeds, max_size=10), deeds)
def test_the_same_deed_twice_adds_nothing(todo: list[Deed], deed: Deed) -> None:
    drafts = lived(todo)
    first = tried(cases(drafts)[SITES[deed.site]], deed)
    if first is None or deed.what == "extend":  # that one is relative to what is due
        return
    assert tried(cases([*drafts, first])[SITES[deed.site]], deed) is None


@given(st.lists(deeds, max_size=15), st.permutations(range(3)))
def test_a_case_depends_on_its_own_events_only(
    todo: list[Deed], order: list[int]
) -> None:
    drafts = lived(todo)
    sorted_by_site = sorted(
        drafts, key=lambda draft: order[SITES.index(draft.body["site_id"])]
    )
    assert cases(sorted_by_site) == cases(drafts)


@given(st.lists(deeds, max_size=20))
def test_no_large_case_is_closed_before_the_province_was_there(
    todo: list[Deed],
) -> None:
    for case in cases(lived(todo)).values():
        if case.state is CaseState.CLOSED and case.area_mu >= 10:
            assert case.province_check is ProvinceCheck.DONE
            assert any(visit.level is Level.PROVINCE for visit in case.inspections)


@given(st.lists(deeds, max_size=20))
def test_nothing_that_was_reported_is_lost(todo: list[Deed]) -> None:
    drafts = lived(todo)
    for before, after in pairwise(range(len(drafts) + 1)):
        earlier, later = cases(drafts[:before]), cases(drafts[:after])
        for site in SITES:
            for name in ("extensions", "inspections", "transfers"):
                old, new = getattr(earlier[site], name), getattr(later[site], name)
                assert new[: len(old)] == old


@given(st.lists(deeds, max_size=15), st.integers(0, 400), st.integers(0, 400))
def test_what_is_overdue_stays_overdue_as_days_pass(
    todo: list[Deed], some: int, more: int
) -> None:
    found = list(cases(lived(todo)).values())
    today = shanghai_day(NOW) + timedelta(days=some)
    late = {case.site_id for case in overdue(found, today)}
    assert late <= {
        case.site_id for case in overdue(found, today + timedelta(days=more))
    }
    assert all(case.clock_runs for case in overdue(found, today))
