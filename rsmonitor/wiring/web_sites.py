"""One alert for the page: as the ledger has it, told in words, and over time."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shapely import Point

from rsmonitor.config import Settings
from rsmonitor.io.deliver.geojson import notice
from rsmonitor.io.deliver.legend import TIER_LABELS
from rsmonitor.io.deliver.report.words import (
    area_words,
    decimal_place,
    interval,
    plane_place,
    sexagesimal_place,
)
from rsmonitor.io.stores.ledger_picks import alerts_in, events_at
from rsmonitor.io.stores.shelf import Found
from rsmonitor.records.account import Role, Scope
from rsmonitor.records.alert import M2_PER_MU, Alert
from rsmonitor.records.disturbance import CAUSE_LABELS, Cause
from rsmonitor.records.event import KIND_LABELS, Event, EventKind
from rsmonitor.records.finding import findings_in, standings
from rsmonitor.records.lifecycle import PHASE_LABELS
from rsmonitor.records.site import STATE_LABELS
from rsmonitor.records.verdict import CATEGORY_LABELS, CERTAINTY_LABELS, Part
from rsmonitor.stages.attention import by_attention, inner_point, look_for
from rsmonitor.stages.coordinates import web_map_point
from rsmonitor.stages.deciding import decided_by
from rsmonitor.stages.lifecycle import life_of, looks_to_confirm, visibility_of
from rsmonitor.stages.rules import RULES
from rsmonitor.wiring.office import diary_of
from rsmonitor.wiring.packages import codes_of_alert
from rsmonitor.wiring.returns import judgement_words
from rsmonitor.wiring.shelf import Group, KeptShelf, sites_named

_ROLES: Final = {
    EventKind.TRIAGED: (Role.ANALYST.value, "内业判读", "desk"),
    EventKind.INSPECTED: (Role.INSPECTOR.value, "外业核查", "on site"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """One alert that somebody may see, and where it comes from."""

    found: Found
    """As the shelf has it."""

    alert: Alert
    """As the ledger has it now."""

    settings: Settings
    """Those of its district."""

    group: Group
    """The districts that share its ledger."""

    head: int
    """Number of the last event that the shelf knows."""

    moments: tuple[int, ...]
    """Events up to it that speak of the site."""


def open_alert(kept: KeptShelf, found: Found, scope: Scope) -> Opened | None:
    """
    Read an alert that the shelf shows from its ledger.

    Parameters
    ----------
    kept : KeptShelf
        The shelf.
    found : Found
        What it says.
    scope : Scope
        Who asks: the ledger may be newer, and the alert another county's by now.

    Returns
    -------
    Opened or None
        None where it no longer stands, or is no longer seen.

    Raises
    ------
    StoreError
        If the ledger or the shelf is damaged.
    """
    group, settings = kept.group_of(found.source), kept.settings_of(found.source)
    alerts = alerts_of(group, found.district, [found.item_id])
    if not alerts or not scope.sees(codes_of_alert(alerts[0])):
        return None
    shelf = kept.now()
    state = shelf.sources().get(found.source)
    return Opened(
        found=found,
        alert=alerts[0],
        settings=settings,
        group=group,
        head=0 if state is None else state.head,
        moments=shelf.moments(found.source, found.site_id),
    )


def alerts_of(
    group: Group, district: str, alert_ids: Sequence[str]
) -> tuple[Alert, ...]:
    """
    Read some standing alerts of a district.

    Parameters
    ----------
    group : Group
        Whose ledger.
    district : str
        `District.code`.
    alert_ids : sequence of str
        Which.

    Returns
    -------
    tuple of Alert
        Those that stand, by id.

    Raises
    ------
    StoreError
        If the ledger is damaged.
    """
    return alerts_in(group.ledger.tables, district, alert_ids)


def events_of(opened: Opened) -> tuple[Event, ...]:
    """
    Read what the chain says of the site of an alert.

    Parameters
    ----------
    opened : Opened
        The alert.

    Returns
    -------
    tuple of Event
        In order; those that came after the shelf was made too.

    Raises
    ------
    StoreError
        If the ledger is damaged.
    """
    site_id = opened.found.site_id
    events = events_at(opened.group.ledger.tables, opened.moments, after=opened.head)
    return tuple(
        event for event in events if site_id in set(sites_named(json.loads(event.body)))
    )


def timeline_of(opened: Opened) -> dict[str, Any]:
    """
    Tell the life of the site of an alert.

    Parameters
    ----------
    opened : Opened
        The alert.

    Returns
    -------
    dict
        ``looks, phases, events, last_clear, words_zh, words_en``.

    Raises
    ------
    StoreError
        If ledger or diary is damaged.
    """
    settings, site = opened.settings, opened.alert.site
    seen = site.latest.disturbance
    observed = diary_of(settings).of(site.district, site.site_id)
    visible = visibility_of(
        observed,
        looks_to_confirm=looks_to_confirm(settings.parameters.evidence),
        parameters=settings.life,
    )
    life = life_of(site, observed, parameters=settings.life) if observed else None
    last_clear = visible.last_clear or seen.last_clear
    since = visible.looks_since
    return {
        "looks": [
            {
                "on": each.day.isoformat(),
                "area_m2": round(each.area_m2, 1),
                "greenness": None if each.ndvi is None else round(each.ndvi, 4),
                "clear_share": round(each.share_seen, 4),
            }
            for each in observed
        ],
        "phases": [
            {
                "phase": each.phase.value,
                "begin": each.since.isoformat(),
                "end": None if each.until is None else each.until.isoformat(),
                **_labels(PHASE_LABELS[each.phase]),
            }
            for each in (life.periods if life else ())
        ],
        "events": [_event(event) for event in events_of(opened)],
        "last_clear": last_clear.isoformat(),
        "words_zh": f"最近一次清晰影像：{last_clear}"
        + (f"；其后 {since} 次过境均未见清晰地面" if since else ""),
        "words_en": f"last clear look: {last_clear}"
        + (f"; {since} looks since, none of them clear" if since else ""),
    }


def reading_of(opened: Opened) -> dict[str, Any]:
    """
    Tell an alert in words.

    Parameters
    ----------
    opened : Opened
        The alert.

    Returns
    -------
    dict
        Titles, trace, causes, coordinates, dates, counties and findings, in Chinese
        and English.

    Raises
    ------
    StoreError
        If the ledger is damaged.
    SettingsError
        If a border layer cannot be used.
    """
    alert = opened.alert
    site, verdict = alert.site, alert.verdict
    seen = site.latest.disturbance
    names = opened.group.names
    category_zh, category_en = CATEGORY_LABELS[verdict.category]
    short = json.loads(opened.found.feature)["properties"]["short_name"]
    (attended,) = by_attention([alert], on=seen.last_clear, phases={}, cases={})
    said_zh, said_en = _split(notice(invented=alert.invented_licences))
    looked = look_for(alert)
    return {
        "alert_id": alert.alert_id,
        "site_id": site.site_id,
        "version": alert.version,
        "title_zh": f"{short} {category_zh}",
        "title_en": f"{short} {category_en}",
        **_coded("category", verdict.category, (category_zh, category_en)),
        **_coded("certainty", verdict.certainty, CERTAINTY_LABELS[verdict.certainty]),
        **_coded("tier", seen.tier.code, TIER_LABELS[seen.tier]),
        **_coded("state", site.state, STATE_LABELS[site.state]),
        "trace": _trace(verdict.parts),
        "clause_zh": "".join(dict.fromkeys(part.clause_zh for part in verdict.parts)),
        "clause_en": " ".join(dict.fromkeys(part.clause for part in verdict.parts)),
        "licence_ids": list(verdict.licence_ids),
        "restrictions": list(verdict.restrictions),
        "warnings": list(verdict.warnings),
        "causes": _causes(alert),
        "decided_by": [{"zh": e.zh, "en": e.en} for e in decided_by(site.latest)],
        "reasons": [{"zh": e.zh, "en": e.en} for e in attended.reasons],
        "coordinates": _coordinates(inner_point(seen.geometry), alert),
        "look_for_zh": "；".join(each.zh for each in looked),
        "look_for_en": "; ".join(each.en for each in looked),
        "area_mu": round(seen.area_m2 / M2_PER_MU, 2),
        "area_zh": area_words("zh", seen.area_m2),
        "area_en": area_words("en", seen.area_m2),
        "dates": {
            "began_after": None if seen.began_after is None else str(seen.began_after),
            "began_by": str(seen.began_by),
            "confirmed": None if seen.confirmed is None else str(seen.confirmed),
            "last_seen": str(seen.last_seen),
            "last_clear": str(seen.last_clear),
            "began_zh": interval("zh", seen.began_after, seen.began_by),
            "began_en": interval("en", seen.began_after, seen.began_by),
        },
        "counties": [
            {"code": code, "name": names.get(code, code)}
            for code in codes_of_alert(alert)
        ],
        "bureau": alert.bureau,
        "findings": findings_of(events_of(opened), site.site_id),
        "notice_zh": said_zh,
        "notice_en": said_en,
    }


def findings_of(events: Iterable[Event], site_id: str) -> list[dict[str, Any]]:
    """
    Give the last word of everybody on a site, without names.

    Parameters
    ----------
    events : iterable of Event
        Of the site.
    site_id : str
        `Site.site_id`.

    Returns
    -------
    list of dict
        ``verdict, reason, who_role, at, note`` and words, oldest first.

    Raises
    ------
    ContractError
        If an event says that it holds a finding, and does not.
    """
    standing = standings(finding for _, finding in findings_in(events)).get(site_id)
    said = []
    for one in standing.findings if standing else ():
        verdict_zh, _, verdict_en = judgement_words(one.judgement).partition(" ")
        reason = None if one.cause is None else CAUSE_LABELS[one.cause]
        role, role_zh, role_en = _ROLES[one.kind]
        said.append(
            {
                "verdict": one.judgement.value,
                "verdict_zh": verdict_zh,
                "verdict_en": verdict_en,
                "reason": None if one.cause is None else one.cause.value,
                "reason_zh": None if reason is None else reason[0],
                "reason_en": None if reason is None else reason[1],
                "who_role": role,
                "who_role_zh": role_zh,
                "who_role_en": role_en,
                "at": one.judged_on.isoformat(),
                "note": one.note,
                "imagery": one.imagery,
                "photos": len(one.photos),
            }
        )
    return said


def _labels(label: tuple[str, str]) -> dict[str, str]:
    """Give a label in both languages."""
    return {"label_zh": label[0], "label_en": label[1]}


def _coded(name: str, code: str, label: tuple[str, str]) -> dict[str, str]:
    """Give a code with its labels."""
    return {name: str(code), f"{name}_zh": label[0], f"{name}_en": label[1]}


def _event(event: Event) -> dict[str, Any]:
    """Say what happened, not by whom."""
    known = event.kind in set(EventKind)
    label = KIND_LABELS[EventKind(event.kind)] if known else (event.kind, event.kind)
    return {"kind": event.kind, **_labels(label), "at": event.at}


def _trace(parts: Sequence[Part]) -> list[dict[str, str]]:
    """Say which rules were asked of the parts, each answer once."""
    steps = dict.fromkeys(
        (step.rule, step.zh, step.en) for part in parts for step in part.trace
    )
    return [
        {
            "rule": rule,
            "rule_zh": RULES.get(rule, (rule, rule))[0],
            "rule_en": RULES.get(rule, (rule, rule))[1],
            "zh": zh,
            "en": en,
        }
        for rule, zh, en in steps
    ]


def _causes(alert: Alert) -> list[dict[str, Any]]:
    """Rank the causes."""
    order = list(Cause)
    ranked = sorted(
        alert.site.latest.causes.items(), key=lambda c: (-c[1], order.index(c[0]))
    )
    return [
        {
            "code": cause.value,
            "zh": CAUSE_LABELS[cause][0],
            "en": CAUSE_LABELS[cause][1],
            "probability": round(probability, 4),
        }
        for cause, probability in ranked
        if probability > 0
    ]


def _coordinates(point: Point, alert: Alert) -> list[dict[str, str]]:
    """Write a place in all the ways in which people ask for it."""
    shifted = web_map_point(point, codes_of_alert(alert))
    told = [
        ("WGS 84", decimal_place(point)),
        ("WGS 84 (°, min, s)", sexagesimal_place(point)),
        ("CGCS2000 3°", plane_place(point)),
        ("GCJ-02 (网络地图)", "" if shifted is None else decimal_place(shifted)),
    ]
    return [{"label": label, "value": value} for label, value in told if value]


def _split(words: str) -> tuple[str, str]:
    """Take sentences in two languages apart: Chinese ends with its own full stop."""
    zh, en = [], []
    for piece in words.replace("。", "。\n").split("\n"):
        # an English sentence may stand before the next Chinese one
        latin, stop, rest = piece.strip().rpartition(". ")
        if stop and "。" in rest:
            en.append(f"{latin}.")
            zh.append(rest)
        elif "。" in piece:
            zh.append(piece.strip())
        elif piece.strip():
            en.append(piece.strip())
    return "".join(zh), " ".join(en)
