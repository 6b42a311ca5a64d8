"""The yearly table and the report of rights, on sites small enough to check by eye."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sightings import CELL_M2, outline, sighting, site, square, verdict

from rsmonitor.errors import ContractError
from rsmonitor.io.stores.snapshot import snapshot_of
from rsmonitor.records.alert import Alert
from rsmonitor.records.disturbance import Increment
from rsmonitor.records.event import GENESIS, Event, EventDraft, EventKind, chain
from rsmonitor.records.licence import (
    Licence,
    LicenceKind,
    LicenceStatus,
    ProducingList,
    RegisterSnapshot,
    StatusChange,
)
from rsmonitor.records.provenance import Provenance
from rsmonitor.records.site import Site, SiteState
from rsmonitor.records.verdict import Category
from rsmonitor.stages.reporting import Yearly, cases_of, yearly
from rsmonitor.stages.rights_report import Finding, Quarter, RightRow, rights

AT = datetime(2021, 1, 4, tzinfo=UTC)
NAMES = {"360728": "定南县"}


def alert_on(
    number: int,
    *,
    began: date,
    state: SiteState = SiteState.ACTIVE,
    category: Category = Category.NO_RIGHT,
    counties: tuple[str, ...] = ("360728",),
    licence_ids: tuple[str, ...] = (),
) -> Alert:
    """Raise an alert on a square of nine cells of its own."""
    letters = "abcdefgh"[number] * 12
    seen = sighting(square(10 * number, 0, 3), began_by=began, confirmed=began)
    merged = "s" + "z" * 12 if state is SiteState.MERGED else None
    place = replace(site("s" + letters, seen), state=state, merged_into=merged)
    return Alert(
        alert_id="a" + letters,
        version=1,
        rank=number + 1,
        site=place,
        verdict=replace(verdict(place, category), licence_ids=licence_ids),
        county_codes=counties,
        bureau="局",
        provenance=Provenance(
            software="rsmonitor test",
            settings_digest="0" * 64,
            scenes=("T1",),
            processing_baselines=(),
            model_id="rules-1",
        ),
        invented_licences=False,
    )


def event(kind: EventKind, body: Mapping[str, Any], who: str = "li") -> Event:
    draft = EventDraft(kind=kind, at=AT, who=who, body=body)
    return chain(draft, seq=1, prev_hash=GENESIS)


def table(
    year: int,
    alerts: list[Alert],
    *,
    standing: set[str] | None = None,
    events: list[Event] | None = None,
    licences: tuple[Licence, ...] = (),
) -> Yearly:
    cases = cases_of(
        [[alert] for alert in alerts],
        sites=[alert.site for alert in alerts],
        standing={a.alert_id for a in alerts} if standing is None else standing,
        events=events or [],
    )
    return yearly(year, cases, licences=licences, county_names=NAMES)


def test_an_alert_counts_in_the_year_and_month_in_which_it_was_first_seen() -> None:
    told = table(
        2019,
        [
            alert_on(0, began=date(2018, 12, 31)),
            alert_on(1, began=date(2019, 1, 1)),
            alert_on(2, began=date(2019, 12, 31)),
            alert_on(3, began=date(2020, 1, 1)),
        ],
    )
    assert told.total.alerts == 2
    assert told.total.area_m2 == pytest.approx(18 * CELL_M2)
    counts = {row.key: row.alerts for row in told.tables["month"]}
    assert (counts["2019-01"], counts["2019-12"]) == (1, 1)
    assert sum(counts.values()) == 2
    assert len(counts) == 12


def test_growth_of_an_older_site_counts_as_growth_and_as_no_alert() -> None:
    alert = alert_on(0, began=date(2018, 7, 2))
    seen = alert.site.latest.disturbance
    later = Increment(
        geometry=outline(square(0, 3, 2)),
        area_m2=4 * CELL_M2,
        began_after=date(2019, 3, 1),
        began_by=date(2019, 3, 6),
    )
    grown = replace(seen, increments=(*seen.increments, later))
    latest = replace(alert.site.latest, disturbance=grown)
    told = table(2019, [replace(alert, site=replace(alert.site, latest=latest))])
    assert (told.total.alerts, told.total.area_m2) == (0, 0)
    assert told.total.grown_m2 == pytest.approx(4 * CELL_M2)
    assert [case.alert.alert_id for case in told.cases] == [alert.alert_id]


def test_handled_is_what_is_closed_and_not_given_to_somebody_again() -> None:
    first, second, third = (alert_on(i, began=date(2019, 5, 5)) for i in range(3))
    told = table(
        2019,
        [first, second, third],
        events=[
            event(
                EventKind.CLOSED,
                {"site_id": each.site.site_id, "handling": "filed", "why": "x"},
            )
            for each in (first, second)
        ]
        + [event(EventKind.ASSIGNED, {"site_id": second.site.site_id})],
    )
    assert (told.total.handled, told.total.open) == (1, 2)
    assert told.handling == {"filed": 1}


def test_cleared_is_what_imagery_sees_no_longer() -> None:
    told = table(
        2019,
        [
            alert_on(0, began=date(2019, 5, 5), state=SiteState.RECOVERING),
            alert_on(1, began=date(2019, 5, 5)),
        ],
    )
    assert (told.total.cleared, told.total.not_cleared) == (1, 1)


def test_withdrawn_and_merged_are_told_and_are_in_no_row() -> None:
    alerts = [
        alert_on(0, began=date(2019, 5, 5), state=SiteState.WITHDRAWN),
        alert_on(1, began=date(2019, 5, 5), state=SiteState.MERGED),
    ]
    told = table(2019, alerts, standing=set())
    assert (told.total.alerts, told.withdrawn, told.merged) == (0, 1, 1)


def test_an_alert_stands_in_the_row_of_each_county_and_holder_and_once_in_all() -> None:
    licences = tuple(
        Licence(
            licence_id=number,
            kind=LicenceKind.MINING,
            geometry=outline(square(0, 0, 3)),
            holder=holder,
        )
        for number, holder in (("C1", "甲公司"), ("C2", "乙公司"), ("C3", "甲公司"))
    )
    alert = alert_on(
        0,
        began=date(2019, 5, 5),
        counties=("360728", "441624"),
        licence_ids=("C1", "C2", "C3", "C4"),
    )
    told = table(2019, [alert], licences=licences)
    assert told.total.alerts == 1
    counties = {row.key: row.zh for row in told.tables["county"]}
    assert counties == {"360728": "定南县", "441624": "441624"}
    assert {row.key: row.alerts for row in told.tables["holder"]} == {
        "甲公司": 1,
        "乙公司": 1,
        "C4": 1,
    }


def test_categories_stand_in_the_order_of_attention() -> None:
    told = table(
        2019,
        [
            alert_on(0, began=date(2019, 5, 5), category=Category.UNCLEAR),
            alert_on(1, began=date(2019, 5, 5), category=Category.EXPIRED),
            alert_on(2, began=date(2019, 5, 5), category=Category.NO_RIGHT),
        ],
    )
    keys = [row.key for row in told.tables["category"]]
    assert keys == ["no_right", "expired", "unclear"]


def test_verdicts_of_people_become_precision_and_nonsense_becomes_nothing() -> None:
    alert = alert_on(0, began=date(2019, 5, 5))
    site_id = alert.site.site_id
    events = [
        event(EventKind.TRIAGED, {"site_id": site_id, "verdict": "unlawful"}),
        event(EventKind.TRIAGED, {"site_id": site_id, "verdict": 7}),
        event(EventKind.TRIAGED, {"site_id": "s" + "q" * 12, "verdict": "lawful"}),
        event(EventKind.TRIAGED, {"verdict": "lawful"}),
    ]
    high, medium, *_ = table(2019, [alert], events=events).precision
    assert high.unlawful is not None
    assert (high.unlawful.found, high.unlawful.n) == (1, 1)
    assert medium.unlawful is None


# ------------------------------------------------------------------------- rights


def mine(**said: Any) -> Licence:  # noqa: ANN401
    right = Licence(
        licence_id="C1",
        kind=LicenceKind.MINING,
        geometry=outline(square(0, 0, 10)),
        valid_from=date(2010, 1, 1),
        valid_to=date(2030, 12, 31),
    )
    return replace(right, **said)


def row(
    quarter: str,
    sites: list[Site],
    licence: Licence,
    *,
    share: float | None = 1.0,
    listed: bool = False,
) -> RightRow:
    lists = [
        ProducingList(
            year=Quarter.parse(quarter).year,
            publisher="集团",
            published=date(2019, 1, 1),
            licence_ids=frozenset({"C1"}),
        )
    ]
    register: RegisterSnapshot = snapshot_of(
        [licence], producing=lists if listed else []
    )
    observed = {} if share is None else {"C1": share}
    (told,) = rights(
        Quarter.parse(quarter), sites, register, observed=observed, min_area_m2=200.0
    )
    return told


def dug(began: date, *, size: int = 3, at: int = 0) -> Site:
    return site("s" + "a" * 12, sighting(square(at, at, size), began_by=began))


def test_ground_counts_in_the_quarter_that_first_saw_it_changed() -> None:
    pit = dug(date(2019, 7, 1))
    before, now, after = (row(q, [pit], mine()) for q in ("2019Q2", "2019Q3", "2019Q4"))
    area = 9 * CELL_M2
    assert (before.disturbed_m2, before.growth_m2, before.last_activity) == (0, 0, None)
    assert now.growth_m2 == pytest.approx(area, rel=0.2)
    assert now.last_activity == after.last_activity == date(2019, 7, 1)
    assert (after.growth_m2, after.disturbed_m2) == (0, now.disturbed_m2)


def test_only_what_lies_inside_counts() -> None:
    whole = row("2019Q3", [dug(date(2019, 7, 1))], mine())
    half = row(
        "2019Q3",
        [dug(date(2019, 7, 1))],
        mine(geometry=outline({(r, c) for r in range(10) for c in (0,)})),
    )
    assert half.growth_m2 == pytest.approx(whole.growth_m2 / 3, rel=0.01)


@pytest.mark.parametrize("state", [SiteState.MERGED, SiteState.WITHDRAWN])
def test_a_site_that_is_none_counts_nowhere(state: SiteState) -> None:
    merged = "s" + "b" * 12 if state is SiteState.MERGED else None
    gone = replace(dug(date(2019, 7, 1)), state=state, merged_into=merged)
    assert row("2019Q3", [gone], mine()).growth_m2 == 0


def test_on_the_list_without_activity_is_said_only_of_what_was_seen() -> None:
    quiet = row("2019Q3", [], mine(), listed=True)
    assert quiet.findings == (Finding.LISTED_WITHOUT_ACTIVITY,)
    for share in (0.0, None):
        hidden = row("2019Q3", [], mine(), listed=True, share=share)
        assert hidden.findings == (Finding.LISTED_NOT_OBSERVED,)
        assert hidden.share_observed == share
    busy = row("2019Q3", [dug(date(2019, 8, 1))], mine(), listed=True)
    assert (busy.listed, busy.findings) == (True, ())
    assert row("2019Q3", [], mine()).listed is None


def suspended(*days: tuple[date, LicenceStatus]) -> Licence:
    return mine(
        status_history=tuple(StatusChange(on=on, status=status) for on, status in days)
    )


def test_activity_while_suspended_needs_the_whole_interval_in_the_suspension() -> None:
    stop, go = LicenceStatus.SUSPENDED, LicenceStatus.IN_FORCE
    pit = dug(date(2019, 8, 10))  # began after 5 August
    always = suspended((date(2019, 8, 1), stop))
    part = suspended((date(2019, 8, 7), stop))
    ended = suspended((date(2019, 1, 1), stop), (date(2019, 8, 5), go))
    short = suspended((date(2019, 8, 6), stop), (date(2019, 8, 8), go))
    for licence, expected in (
        (always, (Finding.ACTIVITY_WHILE_SUSPENDED,)),
        (part, (Finding.ACTIVITY_AROUND_SUSPENSION,)),
        (short, (Finding.ACTIVITY_AROUND_SUSPENSION,)),
        (ended, ()),
        (mine(), ()),
    ):
        assert row("2019Q3", [pit], licence).findings == expected


def test_an_edge_of_a_pixel_is_no_activity() -> None:
    told = row("2019Q3", [dug(date(2019, 8, 10), size=1)], mine(), listed=True)
    assert told.growth_m2 > 0
    assert told.findings == (Finding.LISTED_WITHOUT_ACTIVITY,)
    assert told.last_activity is None


@pytest.mark.parametrize("text", ["2026Q5", "2026", "26Q1", "Q1 2026", "2026Q0", ""])
def test_what_is_no_quarter_is_refused(text: str) -> None:
    with pytest.raises(ContractError, match="2026Q3"):
        Quarter.parse(text)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_quarters_follow_each_other_without_a_gap(number: int) -> None:
    quarter = Quarter(year=2024, number=number)
    following = Quarter(year=2024 + number // 4, number=number % 4 + 1)
    assert (following.first - quarter.last).days == 1
