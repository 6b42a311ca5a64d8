"""A site of special use stays in the ledger, and leaves every product of later runs."""

from datetime import date

from landscape import LOOKS, Desk, landscape, week_of

from rsmonitor.records.event import EventDraft, EventKind
from rsmonitor.records.finding import Finding, Judgement, body_of

LAST = LOOKS - 1


def test_special_use_withdraws_the_alert_and_blanks_the_place_from_then_on() -> None:
    desk, source = Desk.new(), landscape().source()
    desk.run(source, week_of(LAST - 1))
    (site,) = desk.shown.sites
    assert desk.shown.alerts
    finding = Finding(
        site_id=site.site_id,
        kind=EventKind.TRIAGED,
        judgement=Judgement.SPECIAL_USE,
        cause=None,
        imagery="",
        judged_by="李华",
        judged_on=date(2026, 11, 20),
    )
    desk.ledger.append(
        [
            EventDraft(
                kind=finding.kind,
                at=week_of(LAST).start,
                who="李华",
                body=body_of(finding, file="a.csv", file_sha256="0" * 64, row="line 2"),
            )
        ]
    )
    desk.run(source, week_of(LAST))
    assert desk.shown.sites == ()
    assert desk.shown.alerts == ()
    (evidence,) = desk.shown.evidence.values()
    assert not evidence["tier"].to_numpy().any()
    assert not evidence["monitored"].to_numpy().all()
    # it is followed all the same
    (kept,) = desk.ledger.sites(site.district)
    assert kept.site_id == site.site_id
    withdrawn = [e for e in desk.ledger.events() if e.kind == EventKind.WITHDRAWN]
    assert len(withdrawn) == 1
    assert "special" not in withdrawn[0].body
