"""Cases: what events add up to, and which acts are refused."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rsmonitor.errors import ContractError
from rsmonitor.io.stores.commit import chained, check_draft
from rsmonitor.records import alert as alerts
from rsmonitor.records import case as cases
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
from rsmonitor.records.event import (
    BODY_KEYS,
    GENESIS,
    KIND_LABELS,
    EventDraft,
    EventKind,
)
from rsmonitor.stages.cases import (
    Act,
    Casebook,
    assign,
    cases_of,
    close,
    extend,
    inspect,
    overdue,
    shanghai_day,
    transfer,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SITE = "saaaaaaaaaaaa"
ALERT = "aaaaaaaaaaaaa"
NOW = datetime(2026, 11, 23, 17, tzinfo=UTC)  # the 24th in Shanghai
TODAY = date(2026, 11, 24)
RULES = CaseRules(due_days=30, province_check_mu=10.0)
MU = 10_000 / 15


def said(area_mu: float = 5.0, *, version: int = 1, at: datetime = NOW) -> Said:
    return Said(
        alert_id=ALERT, site_id=SITE, version=version, area_m2=area_mu * MU, at=at
    )


def book(
    *drafts: EventDraft | None,
    of: tuple[Said, ...] = (said(),),
    standing: tuple[str, ...] = (ALERT,),
) -> Casebook:
    real = [draft for draft in drafts if draft is not None]
    for draft in real:
        if draft.kind in BODY_KEYS:
            check_draft(draft)
    events = chained(real, 0, GENESIS)
    return cases_of(of, standing, events, RULES, district="demo")


def case(*drafts: EventDraft | None, **context: Any) -> Case:  # noqa: ANN401
    (found,) = book(*drafts, **context).cases
    return found


def act(days: int = 0, why: str = "卫片线索") -> Act:
    return Act(who="李四", at=NOW + timedelta(days=days), why=why)


def given(of: Case | None = None, *, days: int = 0) -> EventDraft:
    draft = assign(
        of or case(), act(days), RULES, handler="张三", level=Level.PREFECTURE
    )
    assert draft is not None
    return draft


def visited(of: Case, level: Level = Level.PROVINCE) -> EventDraft | None:
    return inspect(of, act(), inspector="王五", level=level, on=TODAY, found="在采")


def event(kind: EventKind, **body: Any) -> EventDraft:  # noqa: ANN401
    return EventDraft(kind=kind, at=NOW, who="x", body={"site_id": SITE} | body)


def test_an_alert_is_a_case_that_is_due_by_the_shanghai_day() -> None:
    new = case()
    assert (new.state, new.due) == (CaseState.NEW, TODAY + timedelta(days=30))
    assert new.days_overdue(new.due) == 0
    assert new.days_overdue(new.due + timedelta(days=1)) == 1
    assert overdue([new], new.due) == ()
    assert overdue([new], date(2027, 12, 1)) == (new,)


def test_a_handler_has_the_case_until_it_is_closed() -> None:
    first = given()
    held = case(first)
    assert (held.state, held.handler, held.level) == (
        CaseState.ASSIGNED,
        "张三",
        Level.PREFECTURE,
    )
    later = extend(held, act(), due=date(2027, 3, 1))
    put_off = case(first, later)
    assert put_off.due == date(2027, 3, 1)
    assert put_off.extensions[0].why == "卫片线索"
    end = close(put_off, act(), handling=Handling.FILED, document="7号")
    closed = case(first, later, end)
    assert closed.state is CaseState.CLOSED
    assert closed.closing is not None
    assert closed.closing.document == "7号"
    assert closed.days_overdue(date(2030, 1, 1)) == 0
    opened = case(first, later, end, given(closed, days=9))
    assert (opened.state, opened.closing) == (CaseState.ASSIGNED, None)
    assert opened.due == TODAY + timedelta(days=39)


def test_what_was_done_before_adds_nothing() -> None:
    first = given()
    held = case(first)
    # on another day too, where no due date is given
    assert assign(held, act(5), RULES, handler="张三", level=Level.PREFECTURE) is None
    assert extend(held, act(), due=held.due) is None
    visit = visited(held)
    seen = case(first, visit)
    assert seen.state is CaseState.INSPECTED
    assert visited(seen) is None
    handed = transfer(seen, act(), to=Authority.FORESTRY, document="3号")
    sent = case(first, visit, handed)
    assert transfer(sent, act(), to=Authority.FORESTRY) is None
    assert transfer(sent, act(), to=Authority.FORESTRY, document="4号") is not None
    end = close(sent, act(), handling=Handling.TRANSFERRED)
    closed = case(first, visit, handed, end)
    assert close(closed, act(3), handling=Handling.TRANSFERRED) is None
    # opened again, it can be handed over again
    again = case(first, visit, handed, end, given(closed))
    assert transfer(again, act(), to=Authority.FORESTRY) is not None


def test_ten_mu_need_the_province_on_site_by_name() -> None:
    large = (said(10.0),)
    new = case(of=large)
    assert new.province_check is ProvinceCheck.DUE
    assert case(of=(said(9.99),)).province_check is ProvinceCheck.NOT_NEEDED
    with pytest.raises(ContractError, match=r"10\.00 mu .* province must"):
        close(new, act(), handling=Handling.FILED)
    county = visited(new, Level.COUNTY)
    with pytest.raises(ContractError, match="province must"):
        close(case(county, of=large), act(), handling=Handling.FILED)
    # who typed it in is not who was there
    unnamed = event(EventKind.INSPECTED, level="province", why="w")
    assert case(unnamed, of=large).province_check is ProvinceCheck.DUE
    province = case(county, visited(new), of=large)
    assert province.province_check is ProvinceCheck.DONE
    assert close(province, act(), handling=Handling.FILED) is not None


def test_the_largest_area_counts_though_the_site_shrank() -> None:
    grown = (said(12.0), said(3.0, version=2, at=NOW + timedelta(days=7)))
    assert case(of=grown).province_check is ProvinceCheck.DUE


def test_a_transfer_stops_the_clock_but_not_for_the_province() -> None:
    handed = transfer(case(), act(), to=Authority.PUBLIC_SECURITY)
    assert not case(handed).clock_runs
    assert case(handed, of=(said(10.0),)).clock_runs


def test_new_versions_after_the_closing_are_said() -> None:
    end = close(case(), act(1), handling=Handling.NO_ACTION)
    after = NOW + timedelta(days=8)
    same, news = said(at=after), said(version=2, at=after)
    assert not case(end, of=(said(), same)).changed_since
    assert case(end, of=(said(), news)).changed_since


def test_an_alert_that_stands_no_more_ends_its_case() -> None:
    assert book(standing=()).cases == (), "nobody did anything about it"
    first = given()
    gone = case(first, standing=())
    assert (gone.state, gone.clock_runs) == (CaseState.ENDED, False)
    heir = "sbbbbbbbbbbbb"
    merged = case(first, event(EventKind.MERGED, merged_into=heir), standing=())
    assert merged.merged_into == heir
    with pytest.raises(ContractError, match=heir):
        assign(merged, act(), RULES, handler="张三", level=Level.COUNTY)


def test_an_imported_finding_counts_as_a_visit() -> None:
    found = event(
        EventKind.INSPECTED,
        verdict="unlawful",
        note="在采",
        judged_by="王五",
        judged_on="2026-11-20",
    )
    (visit,) = case(found).inspections
    assert (visit.inspector, visit.on) == ("王五", date(2026, 11, 20))
    assert visit.found == "unlawful: 在采"


def test_an_event_that_nobody_understands_hides_no_other() -> None:
    odd = event(EventKind.INSPECTED, level="moon", why="w")
    held = book(odd, given())
    assert held.cases[0].state is CaseState.ASSIGNED
    assert held.unread == (
        (
            "event 1, inspected: level must be one of county, prefecture, province, "
            "got 'moon'"
        ),
    )


def test_acts_that_make_no_sense_are_refused_with_the_rule() -> None:
    held = case(given())
    refused: list[tuple[Callable[[], object], str]] = [
        (lambda: extend(held, act(), due=TODAY), "no extension"),
        (
            lambda: assign(
                held,
                act(),
                RULES,
                handler="张三",
                level=Level.COUNTY,
                due=date(2020, 1, 1),
            ),
            "before today",
        ),
        (
            lambda: assign(
                held,
                act(),
                RULES,
                handler="张三",
                level=Level.PREFECTURE,
                due=date(2027, 12, 1),
            ),
            "is an extension",
        ),
        (lambda: close(held, act(), handling=Handling.TRANSFERRED), "to nobody"),
        (
            lambda: inspect(
                held,
                act(),
                inspector="王五",
                level=Level.COUNTY,
                on=TODAY + timedelta(days=1),
                found="x",
            ),
            "yet to come",
        ),
        (lambda: act(why=" "), "why is empty"),
        (lambda: act(why="a\x00"), "control character"),
        (lambda: act(why="a" * 2001), "2001 characters"),
    ]
    for refuse, words in refused:
        with pytest.raises(ContractError, match=words):
            refuse()
    closed = case(close(held, act(), handling=Handling.FILED))
    with pytest.raises(ContractError, match="was closed as 立案"):
        close(closed, act(), handling=Handling.NO_ACTION)
    with pytest.raises(ContractError, match="nothing is due"):
        extend(closed, act(), due=date(2028, 1, 1))


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        (EventKind.DETECTED, {}, "written by a run"),
        (EventKind.CLOSED, {"handling": "filed"}, "missing: why"),
        (EventKind.CLOSED, {"handling": "x", "why": "w"}, "handling must be one of"),
        (EventKind.EXTENDED, {"due": "31.12.2026", "why": "w"}, "due must be a day"),
        (EventKind.TRANSFERRED, {"to": "police", "why": "w"}, "to must be one of"),
        (
            EventKind.EXTENDED,
            {"due": "2026-12-31", "why": "w", "phone": "1"},
            "not declared: phone",
        ),
    ],
)
def test_what_would_stay_in_the_chain_for_ever_is_looked_at_before(
    kind: EventKind, body: dict[str, Any], words: str
) -> None:
    with pytest.raises(ContractError, match=words):
        check_draft(event(kind, **body))


def test_tables_of_words_are_whole_and_one() -> None:
    assert set(KIND_LABELS) == set(EventKind)
    assert cases.M2_PER_MU == alerts.M2_PER_MU
    for labels, words in (
        (cases.LEVEL_LABELS, Level),
        (cases.HANDLING_LABELS, Handling),
        (cases.AUTHORITY_LABELS, Authority),
        (cases.CASE_STATE_LABELS, CaseState),
        (cases.PROVINCE_CHECK_LABELS, ProvinceCheck),
    ):
        assert set(labels) == set(words)


def test_midnight_is_that_of_shanghai() -> None:
    assert shanghai_day(datetime(2026, 12, 31, 15, 59, tzinfo=UTC)).year == 2026
    assert shanghai_day(datetime(2026, 12, 31, 16, 0, tzinfo=UTC)).year == 2027


def test_bodies_are_json_of_declared_keys_only() -> None:
    body = json.loads(json.dumps(dict(given().body)))
    assert set(body) == BODY_KEYS[EventKind.ASSIGNED].needed
