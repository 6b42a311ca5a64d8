"""Special use: shown nowhere from then on, and told nowhere but in the ledger."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from deliveries import ROMANIA, pixels_box, result_of, synthetic_evidence
from sightings import sighting, site, square, verdict

from rsmonitor.records.alert import Alert
from rsmonitor.records.district import District
from rsmonitor.records.event import EventKind
from rsmonitor.records.licence import RegisterSnapshot
from rsmonitor.records.parameters import AlertingParameters
from rsmonitor.records.provenance import Provenance
from rsmonitor.records.site import Site, SiteState
from rsmonitor.stages.alerting import alert_events_of, alert_sites
from rsmonitor.stages.suppression import suppressed_sites, without_suppressed

AT = datetime(2026, 11, 24, tzinfo=UTC)
ONE = site("s" + "a" * 12, sighting(square(0, 0, 3)))
TWO = site("s" + "b" * 12, sighting(square(0, 9, 3)))


DISTRICT = District(
    code="demo",
    name_zh="示例",
    name_en="Demo",
    bureau="示例局",
    county_codes=("360728",),
)


def computed_from(of: Site) -> Provenance:
    return Provenance(
        software="rsmonitor 0",
        settings_digest="0" * 64,
        scenes=(f"scene of {of.site_id}",),
        processing_baselines=(),
        model_id=of.latest.model_id,
    )


def alerts(suppressed: frozenset[str]) -> tuple[Alert, ...]:
    return alert_sites(
        [ONE, TWO],
        {each.site_id: verdict(each) for each in (ONE, TWO)},
        [],
        district=DISTRICT,
        provenance=computed_from,
        register=RegisterSnapshot(snapshot_id="none", licences=()),
        parameters=AlertingParameters(area_change=0.2),
        suppressed=suppressed,
    )


def test_a_suppressed_site_raises_no_alert_and_takes_no_rank() -> None:
    (left,) = alerts(frozenset({ONE.site_id}))
    assert (left.site, left.rank) == (TWO, 1)


def test_its_alert_is_withdrawn_by_an_event_that_does_not_tell_why() -> None:
    hidden = frozenset({ONE.site_id})
    (event,) = alert_events_of(
        alerts(frozenset()),
        alerts(hidden),
        sites=[ONE, TWO],
        verdicts={each.site_id: verdict(each) for each in (ONE, TWO)},
        at=AT,
        who="rsmonitor",
        run_id="run",
        suppressed=hidden,
    )
    assert event.kind is EventKind.WITHDRAWN
    assert event.body["reason"] == "finding"
    assert "special" not in str(event.body)


def test_nothing_is_suppressed_where_nobody_said_so() -> None:
    assert suppressed_sites([], [ONE]) == frozenset()


def test_what_it_was_merged_into_is_suppressed_too() -> None:
    heir = site("s" + "c" * 12, sighting(square(30, 30, 3)))
    merged = Site(
        site_id=ONE.site_id,
        district="demo",
        state=SiteState.MERGED,
        latest=ONE.latest,
        merged_into=heir.site_id,
    )
    assert suppressed_sites([ONE.site_id], [merged, heir, TWO]) == {
        ONE.site_id,
        heir.site_id,
    }


def test_sites_that_merge_in_a_ring_end() -> None:
    ring = [
        Site(
            site_id=one,
            district="demo",
            state=SiteState.MERGED,
            latest=sighting(square(0, 9 * n, 3)),
            merged_into=other,
        )
        for n, (one, other) in enumerate(
            [(ONE.site_id, TWO.site_id), (TWO.site_id, ONE.site_id)]
        )
    ]
    assert suppressed_sites([ONE.site_id], ring) == {ONE.site_id, TWO.site_id}


def test_a_piece_of_a_split_is_suppressed_by_the_ground_that_it_shares() -> None:
    piece = site("s" + "c" * 12, sighting(square(2, 2, 4)))
    beside = site("s" + "d" * 12, sighting(square(3, 0, 2)))
    hidden = suppressed_sites([ONE.site_id], [ONE, piece, beside])
    assert hidden == {ONE.site_id, piece.site_id}


def test_products_are_delivered_without_it_rasters_included() -> None:
    result = result_of(synthetic_evidence(ROMANIA))
    of = result.alerts[0].site
    left = without_suppressed(result, frozenset({of.site_id}))
    assert {s.site_id for s in left.sites} == {s.site_id for s in result.sites} - {
        of.site_id
    }
    assert of.site_id not in {alert.site.site_id for alert in left.alerts}
    assert [a.rank for a in left.alerts] == list(range(1, len(result.alerts)))
    before = result.evidence[ROMANIA.grid_id]
    after = left.evidence[ROMANIA.grid_id]
    hidden = (before["tier"] != after["tier"]).to_numpy()
    assert hidden.any()
    assert not after["monitored"].to_numpy()[hidden].any()
    assert np.isnat(after["first_seen"].to_numpy()[hidden]).all()
    assert (after["n_clear"] == before["n_clear"]).all()
    assert before["tier"].to_numpy()[hidden].all()
    # what the other sites show is untouched
    assert (
        after["tier"].to_numpy()[~hidden] == before["tier"].to_numpy()[~hidden]
    ).all()


def test_a_result_without_any_is_the_same_result() -> None:
    result = result_of(synthetic_evidence(ROMANIA))
    assert without_suppressed(result, frozenset()) is result
    left = without_suppressed(result, frozenset({"s" + "z" * 12}))
    assert (left.sites, left.alerts) == (result.sites, result.alerts)
    assert left.evidence[ROMANIA.grid_id] is result.evidence[ROMANIA.grid_id]


def test_ground_at_the_rim_of_a_grid_is_blanked_as_far_as_it_reaches() -> None:
    result = result_of(synthetic_evidence(ROMANIA))
    corner = pixels_box(ROMANIA, -4, -4, 6, 6)
    beyond = pixels_box(ROMANIA, -40, -40, 6, 6)
    of = result.sites[0]
    for geometry, wanted in ((corner, (3, 3)), (beyond, (0, 0))):
        seen = replace(of.latest.disturbance, geometry=geometry)
        moved = replace(of, latest=replace(of.latest, disturbance=seen))
        left = without_suppressed(
            replace(result, sites=(moved,)), frozenset({of.site_id})
        )
        after = left.evidence[ROMANIA.grid_id]
        before = result.evidence[ROMANIA.grid_id]
        changed = (before["history"] != after["history"]).to_numpy()
        changed |= (before["tier"] != after["tier"]).to_numpy()
        rows, cols = (np.flatnonzero(changed.any(axis=1 - n)) for n in (0, 1))
        assert all(rows < wanted[0] + 1)
        assert all(cols < wanted[1] + 1)
        hidden = after["monitored"].to_numpy()[: wanted[0], : wanted[1]]
        assert not hidden.any()
