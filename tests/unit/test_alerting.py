"""Alerts: which sites raise one, in what order, and when one says something new."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sightings import FIRST, sighting, site, square, verdict

from rsmonitor.errors import ContractError
from rsmonitor.records.alert import Alert
from rsmonitor.records.district import District
from rsmonitor.records.disturbance import Cause, Classified
from rsmonitor.records.event import EventDraft, EventKind
from rsmonitor.records.licence import Licence, LicenceKind, RegisterSnapshot
from rsmonitor.records.parameters import AlertingParameters, TrackingParameters
from rsmonitor.records.provenance import Provenance
from rsmonitor.records.rasters import Tier
from rsmonitor.records.site import Site, SiteState
from rsmonitor.records.verdict import Category, Certainty, Verdict
from rsmonitor.stages.alerting import alert_events_of, alert_sites
from rsmonitor.stages.tracking import track

DISTRICT = District(
    code="demo",
    name_zh="示例",
    name_en="Demo",
    bureau="示例局",
    county_codes=("360728", "360729"),
)
NO_LICENCES = RegisterSnapshot(snapshot_id="none", licences=())
AT = datetime(2018, 10, 8, tzinfo=UTC)
ID = "saaaaaaaaaaaa"


def computed_from(of: Site) -> Provenance:
    return Provenance(
        software="rsmonitor 0",
        settings_digest="0" * 64,
        scenes=(f"scene of {of.site_id}",),
        processing_baselines=(),
        model_id=of.latest.model_id,
    )


def alerts_of(
    sites: Sequence[Site],
    previous: Sequence[Alert] = (),
    *,
    verdicts: Sequence[Verdict] = (),
    register: RegisterSnapshot = NO_LICENCES,
) -> tuple[Alert, ...]:
    """Alert with `Category.NO_RIGHT` for every site without a verdict of its own."""
    judged = {each.site_id: verdict(each) for each in sites}
    return alert_sites(
        sites,
        judged | {each.site_id: each for each in verdicts},
        previous,
        district=DISTRICT,
        provenance=computed_from,
        register=register,
        parameters=AlertingParameters(area_change=0.2),
    )


def test_an_alert_says_who_is_told_and_from_what_it_was_computed() -> None:
    seen = site(ID, sighting(square(0, 0, 2)))
    (alert,) = alerts_of([seen])
    assert alert == Alert(
        alert_id="aaaaaaaaaaaaa",
        version=1,
        rank=1,
        site=seen,
        verdict=verdict(seen),
        county_codes=("360728", "360729"),
        bureau="示例局",
        provenance=computed_from(seen),
        invented_licences=False,
    )


def test_an_alert_says_when_licences_are_invented() -> None:
    seen = site(ID, sighting(square(0, 0, 2)))
    parcel = Licence(
        licence_id="X1",
        kind=LicenceKind.MINING,
        geometry=sighting(square(50, 50, 2)).disturbance.geometry,
        invented=True,
    )
    register = RegisterSnapshot(snapshot_id="none", licences=(parcel,))
    (alert,) = alerts_of([seen], register=register)
    assert alert.invented_licences


@pytest.mark.parametrize(
    ("state", "raised"),
    [
        (SiteState.NEW, True),
        (SiteState.ACTIVE, True),
        (SiteState.RECOVERING, True),
        (SiteState.WITHDRAWN, False),
        (SiteState.MERGED, False),
    ],
)
def test_only_sites_that_stand_raise_an_alert(
    state: SiteState, *, raised: bool
) -> None:
    seen = Site(
        site_id=ID,
        district="demo",
        state=state,
        latest=sighting(square(0, 0, 2)),
        merged_into="sbbbbbbbbbbbb" if state is SiteState.MERGED else None,
    )
    assert bool(alerts_of([seen])) is raised


@pytest.mark.parametrize("category", list(Category))
def test_what_is_lawful_or_older_than_the_history_raises_no_alert(
    category: Category,
) -> None:
    seen = site(ID, sighting(square(0, 0, 2)))
    raised = bool(alerts_of([seen], verdicts=[verdict(seen, category)]))
    assert raised is (category not in {Category.NOTHING_ABNORMAL, Category.LEGACY})


def test_rank_is_tier_then_category_then_mining_then_area_then_id() -> None:
    felling = {Cause.CLEAR_CUT: 1.0}
    ponds = {Cause.PONDS: 0.2, Cause.IN_SITU_LEACH: 0.2, Cause.CLEAR_CUT: 0.6}
    digging = {Cause.DIGGING: 0.2, Cause.QUARRY: 0.1, Cause.CLEAR_CUT: 0.7}
    sites = [
        site("sb" + "a" * 11, sighting(square(0, 0, 1), tier=Tier.HIGH)),
        site("sg" + "a" * 11, sighting(square(2, 0, 1), causes=ponds)),
        site("sf" + "a" * 11, sighting(square(4, 0, 2), causes=digging)),
        site("se" + "a" * 11, sighting(square(7, 0, 3), causes=felling)),
        site("sc" + "a" * 11, sighting(square(11, 0, 2), causes=felling)),
        site("sd" + "a" * 11, sighting(square(14, 0, 2), causes=felling)),
        site("sa" + "a" * 11, sighting(square(17, 0, 9))),
    ]
    verdicts = [
        verdict(sites[0], Category.OTHER_MINERAL_RIGHT),
        verdict(sites[-1], Category.EXPIRED),
    ]
    for order in (sites, sites[::-1], sites[3:] + sites[:3]):
        ranked = alerts_of(order, verdicts=verdicts)
        assert [alert.site for alert in ranked] == sites
        assert [alert.rank for alert in ranked] == [1, 2, 3, 4, 5, 6, 7]


def changed(latest: Classified, **fields: Any) -> Classified:  # noqa: ANN401 - any field
    return replace(latest, disturbance=replace(latest.disturbance, **fields))


SEEN = sighting(square(0, 0, 2), area_m2=1000.0)
NEWS: dict[str, tuple[Site, dict[str, Any]]] = {
    "tier": (site(ID, changed(SEEN, tier=Tier.MEDIUM)), {}),
    "state": (site(ID, SEEN, state=SiteState.ACTIVE), {}),
    "cause": (site(ID, replace(SEEN, causes={Cause.ROAD: 1.0})), {}),
    "growth": (site(ID, changed(SEEN, area_m2=1201.0)), {}),
    "shrinkage": (site(ID, changed(SEEN, area_m2=799.0)), {}),
    "category": (site(ID, SEEN), {"category": Category.EXPIRED}),
    "certainty": (site(ID, SEEN), {"certainty": Certainty.POSSIBLE}),
}


@pytest.mark.parametrize("name", NEWS)
def test_an_alert_that_says_something_new_is_a_new_version_of_itself(name: str) -> None:
    now, judged = NEWS[name]
    before = alerts_of([site(ID, SEEN)])
    (alert,) = alerts_of([now], before, verdicts=[verdict(now, **judged)])
    assert (alert.alert_id, alert.version) == (before[0].alert_id, 2)
    (again,) = alerts_of([now], [alert], verdicts=[verdict(now, **judged)])
    assert again.version == 2


@pytest.mark.parametrize(
    "now",
    [
        SEEN,
        changed(SEEN, area_m2=1200.0),
        changed(SEEN, area_m2=800.0),
        changed(SEEN, last_clear=FIRST + timedelta(days=30), clear_looks_since=9),
        changed(SEEN, anchor=(1, 1), began_after=None),
        replace(SEEN, model_id="forest-2", causes={Cause.DIGGING: 1.0}),
    ],
    ids=["nothing", "growth", "shrinkage", "looks", "dates", "model"],
)
def test_an_alert_that_says_the_same_keeps_its_version(now: Classified) -> None:
    before = [replace(alerts_of([site(ID, SEEN)])[0], version=7)]
    (alert,) = alerts_of([site(ID, now)], before)
    assert alert.version == 7
    assert alert.site.latest is now


def test_a_change_of_rank_alone_is_no_news() -> None:
    before = alerts_of([site(ID, SEEN)])
    worse = site("sb" + "a" * 11, sighting(square(9, 9, 2), tier=Tier.HIGH))
    first, second = alerts_of([site(ID, SEEN), worse], before)
    assert (first.site, second.rank, second.version) == (worse, 2, 1)


def test_the_last_of_several_remembered_versions_counts() -> None:
    before = alerts_of([site(ID, SEEN)])[0]
    remembered = [replace(before, version=3), before, replace(before, version=2)]
    (alert,) = alerts_of([site(ID, SEEN)], remembered)
    assert alert.version == 3


def test_a_second_run_and_a_reprocessed_scene_raise_no_storm() -> None:
    def run(
        classified: Sequence[Classified], sites: Sequence[Site], told: Sequence[Alert]
    ) -> tuple[tuple[Site, ...], tuple[Alert, ...]]:
        now = track(classified, sites, district="demo", parameters=TrackingParameters())
        return now, alerts_of(now, told)

    places = [(row, col) for row in range(0, 40, 8) for col in range(0, 40, 8)]
    seen = [sighting(square(row, col, 5)) for row, col in places]
    sites, alerts = run(seen, (), ())
    assert run(seen, sites, alerts) == (sites, alerts)

    shifted = [
        sighting(
            square(row, col + 1, 5),
            anchor=(row + 2, col + 3),
            began_by=FIRST - timedelta(days=5),
            model_id="rules-2",
        )
        for row, col in places
    ]
    after, told = run(shifted, sites, alerts)
    assert {(each.alert_id, each.version) for each in told} == {
        (each.alert_id, each.version) for each in alerts
    }
    assert events(alerts, told, after) == ()


def events(
    before: Sequence[Alert],
    after: Sequence[Alert],
    sites: Sequence[Site],
    *verdicts: Verdict,
) -> tuple[EventDraft, ...]:
    return alert_events_of(
        before,
        after,
        sites=sites,
        verdicts={each.site_id: each for each in verdicts},
        at=AT,
        who="test",
        run_id="r",
    )


def test_an_upgrade_tells_what_the_alert_said_and_says() -> None:
    now, _ = NEWS["tier"]
    before = alerts_of([site(ID, SEEN)])
    after = alerts_of([now], before)
    (event,) = events(before, after, [now])
    said = {
        "tier": "low",
        "category": "no_right",
        "certainty": "certain",
        "state": "new",
        "cause": "digging",
        "area_m2": 1000.0,
    }
    assert event == EventDraft(
        kind=EventKind.UPGRADED,
        at=AT,
        who="test",
        body={
            "alert_id": "aaaaaaaaaaaaa",
            "site_id": ID,
            "run_id": "r",
            "version": 2,
            "said": said,
            "says": said | {"tier": "medium"},
        },
    )


def test_a_new_alert_is_told_by_its_site_and_not_twice() -> None:
    now = site(ID, SEEN)
    assert events((), alerts_of([now]), [now]) == ()


def test_an_alert_cleared_by_a_licence_is_withdrawn_in_the_record() -> None:
    now = site(ID, SEEN)
    before = alerts_of([now])
    lawful = verdict(now, Category.NOTHING_ABNORMAL)
    after = alerts_of([now], before, verdicts=[lawful])
    assert after == ()
    (event,) = events(before, after, [now], lawful)
    assert event.kind is EventKind.WITHDRAWN
    assert event.body["reason"] == "verdict"
    assert event.body["says"]["category"] == "nothing_abnormal"


def test_a_lawful_site_that_never_raised_an_alert_is_no_news() -> None:
    now = site(ID, SEEN)
    lawful = verdict(now, Category.NOTHING_ABNORMAL)
    assert events((), (), [now], lawful) == ()


def test_an_alert_of_a_site_that_went_away_is_told_by_its_site() -> None:
    before = alerts_of([site(ID, SEEN)])
    gone = site(ID, SEEN, state=SiteState.WITHDRAWN)
    assert events(before, alerts_of([gone], before), [gone]) == ()


def test_a_standing_site_without_a_verdict_is_refused() -> None:
    seen = site(ID, SEEN)
    with pytest.raises(ContractError, match=f"{ID} stands but has no verdict"):
        alert_sites(
            [seen],
            {},
            (),
            district=DISTRICT,
            provenance=computed_from,
            register=NO_LICENCES,
            parameters=AlertingParameters(),
        )


def test_a_verdict_of_another_register_is_refused() -> None:
    seen = site(ID, SEEN)
    with pytest.raises(ContractError, match="used register of-monday, not none"):
        alerts_of([seen], verdicts=[verdict(seen, register_snapshot="of-monday")])


def test_a_site_listed_twice_is_refused() -> None:
    with pytest.raises(ContractError, match=f"{ID} is listed twice"):
        alerts_of([site(ID, SEEN), site(ID, SEEN)])
