"""Sites + verdicts -> alerts, ranked; and what is new about them.

An alert is one message about one site. Its id is the site's, so that a second run, a
reprocessed scene or a newer model writes a new version of the same alert, or nothing.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from rsmonitor.errors import ContractError
from rsmonitor.records.alert import Alert
from rsmonitor.records.district import District
from rsmonitor.records.disturbance import Cause
from rsmonitor.records.event import EventDraft, EventKind
from rsmonitor.records.licence import RegisterSnapshot
from rsmonitor.records.parameters import AlertingParameters
from rsmonitor.records.provenance import Provenance
from rsmonitor.records.site import Site
from rsmonitor.records.verdict import Category, Verdict
from rsmonitor.stages.tracking import LIVING

MINING_CAUSES: Final = (
    Cause.DIGGING,
    Cause.PONDS,
    Cause.QUARRY,
    Cause.IN_SITU_LEACH,
)
"""Causes that are mining; their summed probability ranks alerts of one category."""

SERIOUSNESS: Final = {category: place for place, category in enumerate(Category)}
"""Place of each category in the order of attention, the most serious first."""


def alert_sites(  # noqa: PLR0913 - what an alert is made of
    sites: Sequence[Site],
    verdicts: Mapping[str, Verdict],
    previous: Sequence[Alert],
    *,
    district: District,
    provenance: Callable[[Site], Provenance],
    register: RegisterSnapshot,
    parameters: AlertingParameters,
    counties: Callable[[Site], tuple[str, ...]] | None = None,
    suppressed: frozenset[str] = frozenset(),
) -> tuple[Alert, ...]:
    """
    Make the standing alerts of a district, ranked.

    Parameters
    ----------
    sites : sequence of Site
        All sites of the district; those merged or withdrawn raise no alert.
    verdicts : Mapping of str to Verdict
        By `site_id`, for at least every standing site.
    previous : sequence of Alert
        The last version of every alert that the caller remembers, standing or not.
        An alert that is not among them starts at version 1.
    district : District
        Who receives the alerts, and the counties they may concern.
    provenance : callable
        Gives from what a site was computed.
    register : RegisterSnapshot
        The licences that the verdicts used.
    parameters : AlertingParameters
        How much an area must change to be news.
    counties : callable, optional
        Gives the codes of the counties that a site concerns; the district's by
        default, and where it gives none.
    suppressed : frozenset of str, optional
        `Site.site_id` of sites that no product may show; they raise no alert, whatever
        their verdict. See `rsmonitor.stages.suppression`.

    Returns
    -------
    tuple of Alert
        By rank, which counts from 1.

    Raises
    ------
    ContractError
        If a site is listed twice, a standing site has no verdict, or a verdict is of
        another register.

    Notes
    -----
    Rank is by tier, high first; then category, in the order of `Category`; then those
    inside a restriction layer; then the probability that the cause is mining; then
    area; then id.

    The version is raised when tier, category, certainty, state or cause changed, or
    the area by more than `area_change` of what it was. A change of rank alone, which
    comes from other sites, is no news about this one.
    """
    shown = [site for site in sites if site.site_id not in suppressed]
    standing = _standing(shown, verdicts, register)
    versions = _latest_versions(previous)
    ranked = sorted(standing, key=lambda site: _attention(site, verdicts[site.site_id]))
    return tuple(
        Alert(
            alert_id=alert_id_of(site),
            version=_version(
                versions.get(alert_id_of(site)),
                site,
                verdicts[site.site_id],
                area_change=parameters.area_change,
            ),
            rank=rank,
            site=site,
            verdict=verdicts[site.site_id],
            county_codes=(counties(site) if counties else ()) or district.county_codes,
            bureau=district.bureau,
            provenance=provenance(site),
            invented_licences=register.invented,
        )
        for rank, site in enumerate(ranked, start=1)
    )


def alert_id_of(site: Site) -> str:
    """
    Give the id of the alert about a site.

    Parameters
    ----------
    site : Site
        The site.

    Returns
    -------
    str
        ``a`` and the site's own twelve characters.
    """
    return "a" + site.site_id[1:]


def alert_events_of(
    before: Sequence[Alert],
    after: Sequence[Alert],
    *,
    sites: Sequence[Site],
    verdicts: Mapping[str, Verdict],
    at: datetime,
    who: str,
    run_id: str,
    suppressed: frozenset[str] = frozenset(),
) -> tuple[EventDraft, ...]:
    """
    Say what is new about the alerts of a district from one run to the next.

    A new alert is no event of its own: its site was detected, which
    `rsmonitor.stages.tracking.events_of` says, as it says when a site is withdrawn
    or merged.

    Parameters
    ----------
    before : sequence of Alert
        The standing alerts of the run before.
    after : sequence of Alert
        What `alert_sites` gave.
    sites : sequence of Site
        All sites of the district as they are now.
    verdicts : Mapping of str to Verdict
        By `site_id`, as `alert_sites` used them.
    at : datetime
        When it is recorded, timezone-aware UTC.
    who : str
        Person or program that caused it.
    run_id : str
        `Partition.run_id`.
    suppressed : frozenset of str, optional
        As `alert_sites` used it. Their alerts are withdrawn for a ``finding``, which
        is not told here.

    Returns
    -------
    tuple of EventDraft
        Upgraded alerts by `alert_id`, with what they said and say; then, withdrawn,
        the alerts of sites that still stand but have a verdict that raises none.
    """
    earlier = {alert.alert_id: alert for alert in before}
    now = {alert.alert_id: alert for alert in after}
    upgraded = [
        {
            "alert_id": alert_id,
            "site_id": alert.site.site_id,
            "run_id": run_id,
            "version": alert.version,
            "said": _said(earlier[alert_id].site, earlier[alert_id].verdict),
            "says": _said(alert.site, alert.verdict),
        }
        for alert_id, alert in sorted(now.items())
        if alert_id in earlier and alert.version > earlier[alert_id].version
    ]
    standing = {alert_id_of(site): site for site in sites if site.state in LIVING}
    cleared = [
        {
            "alert_id": alert_id,
            "site_id": site.site_id,
            "run_id": run_id,
            "version": earlier[alert_id].version,
            "reason": "finding" if site.site_id in suppressed else "verdict",
            "says": _said(site, verdicts[site.site_id]),
        }
        for alert_id, site in sorted(standing.items())
        if alert_id in earlier and alert_id not in now
    ]
    return tuple(
        EventDraft(kind=kind, at=at, who=who, body=body)
        for kind, bodies in (
            (EventKind.UPGRADED, upgraded),
            (EventKind.WITHDRAWN, cleared),
        )
        for body in bodies
    )


def _standing(
    sites: Sequence[Site], verdicts: Mapping[str, Verdict], register: RegisterSnapshot
) -> list[Site]:
    """Choose the sites that raise an alert."""
    standing: dict[str, Site] = {}
    for site in sites:
        if site.state not in LIVING:
            continue
        verdict = verdicts.get(site.site_id)
        if verdict is None:
            raise ContractError(f"site {site.site_id} stands but has no verdict")
        if verdict.register_snapshot != register.snapshot_id:
            raise ContractError(
                f"the verdict on {site.site_id} used register "
                f"{verdict.register_snapshot}, not {register.snapshot_id}"
            )
        if site.site_id in standing:
            raise ContractError(f"site {site.site_id} is listed twice")
        if verdict.raises_alert:
            standing[site.site_id] = site
    return list(standing.values())


def _latest_versions(previous: Sequence[Alert]) -> dict[str, Alert]:
    """Index alerts by id; where several versions of one are given, the last counts."""
    return {
        alert.alert_id: alert
        for alert in sorted(previous, key=lambda alert: alert.version)
    }


def _attention(
    site: Site, verdict: Verdict
) -> tuple[int, int, bool, float, float, str]:
    """Give the sort key of the order of attention."""
    seen = site.latest.disturbance
    mining = math.fsum(site.latest.causes.get(cause, 0.0) for cause in MINING_CAUSES)
    return (
        -seen.tier,
        SERIOUSNESS[verdict.category],
        # a restriction layer permits nothing, and raises the rank within a category
        not verdict.restrictions,
        -mining,
        -seen.area_m2,
        site.site_id,
    )


def _version(
    before: Alert | None, site: Site, verdict: Verdict, *, area_change: float
) -> int:
    """Give the version of the alert: one more than before if it says something new."""
    if before is None:
        return 1
    said, says = _said(before.site, before.verdict), _said(site, verdict)
    area_before, area = said.pop("area_m2"), says.pop("area_m2")
    news = said != says or abs(area - area_before) > area_change * area_before
    return before.version + int(news)


def _said(site: Site, verdict: Verdict) -> dict[str, Any]:
    """Give what an alert says, as JSON values: all that can make a new version."""
    return {
        "tier": site.latest.disturbance.tier.code,
        "category": verdict.category.value,
        "certainty": verdict.certainty.value,
        "state": site.state.value,
        "cause": site.latest.cause.value,
        "area_m2": round(site.latest.disturbance.area_m2, 1),
    }
