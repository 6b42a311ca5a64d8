"""Tips taken in, matched to the sites of the ledger, and answered."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsmonitor.errors import ReturnsError
from rsmonitor.io.returns.columns import TIP_FIELDS
from rsmonitor.io.returns.geometry import point
from rsmonitor.io.returns.reading import open_returns
from rsmonitor.io.returns.rows import Refusal, UnusableRowError
from rsmonitor.io.returns.tips import understand_tips
from rsmonitor.io.stores.tips import KeptTip, Received
from rsmonitor.records.event import EventDraft, EventKind
from rsmonitor.records.finding import standings
from rsmonitor.records.tip import MatchingParameters
from rsmonitor.stages.alerting import alert_id_of
from rsmonitor.stages.matching import Matched, match_tips
from rsmonitor.wiring.office import SOFTWARE
from rsmonitor.wiring.returns import Desk, body_json, judgement_words, said_of


@dataclass(frozen=True, slots=True, kw_only=True)
class TipsTaken:
    """What taking tips in did."""

    new: int
    """Tips that were not there."""

    known: int
    """Tips that were there, or had been erased."""

    refused: tuple[Refusal, ...]
    """Rows that are not used."""

    notes: tuple[str, ...]
    """What is worth telling."""

    matched: Matched
    """What became of all tips."""


def import_tips(
    desk: Desk, path: Path, *, parameters: MatchingParameters | None = None
) -> TipsTaken:
    """
    Take tips in and match all tips to all sites.

    Parameters
    ----------
    desk : Desk
        The ledger and the tips.
    path : Path
        Any file of tips.
    parameters : MatchingParameters, optional
        How near counts; as the settings have it by default.

    Returns
    -------
    TipsTaken
        What was done.

    Raises
    ------
    ReturnsError
        If nothing of the file can be used; nothing is done then.
    BusyError
        If the ledger grew meanwhile; the tips are in, match again.
    OutputError
        If ledger or tips cannot be written.
    """
    with open_returns(path, fields=TIP_FIELDS) as file:
        understood = understand_tips(file, today=desk.today())
        if not understood.tips:
            reasons = "; ".join(map(str, understood.refused[:3]))
            raise ReturnsError(
                f"{path}: no row can be used, nothing was done: {reasons or 'no rows'}"
            )
        added = desk.tips.add(
            [
                Received(day=tip.day, place=tip.place, told=tip.told, key=tip.key)
                for tip in understood.tips
            ],
            at=desk.clock.now(),
        )
        new = sum(fresh for _, fresh in added)
        return TipsTaken(
            new=new,
            known=len(added) - new,
            refused=understood.refused,
            notes=file.notes,
            matched=match_again(desk, parameters=parameters),
        )


def match_again(desk: Desk, *, parameters: MatchingParameters | None = None) -> Matched:
    """
    Match all tips to the sites as they are now, and record what is new.

    Parameters
    ----------
    desk : Desk
        The ledger and the tips.
    parameters : MatchingParameters, optional
        How near counts; as the settings have it by default.

    Returns
    -------
    Matched
        What became of them.

    Raises
    ------
    BusyError
        If the ledger grew meanwhile.
    OutputError
        If the ledger cannot be written.
    """
    how = parameters or desk.near
    head = desk.ledger.head()
    matched, _ = matches_now(desk, parameters=how)
    told = {
        (body.get("tip_id"), body.get("site_id"))
        for event in desk.ledger.events()
        if event.kind == EventKind.TIP_MATCHED.value
        for body in [body_json(event.body)]
    }
    now = desk.clock.now()
    drafts = [
        EventDraft(
            kind=EventKind.TIP_MATCHED,
            at=now,
            who=SOFTWARE,
            body={
                "tip_id": match.tip_id,
                "site_id": match.site_id,
                "distance_m": match.distance_m,
                "days_apart": match.days_apart,
                "within_m": how.within_m,
            },
        )
        for match in matched.matches
        if (match.tip_id, match.site_id) not in told
    ]
    desk.ledger.append(drafts, expected_head=head)
    return matched


def matches_now(
    desk: Desk, *, parameters: MatchingParameters | None = None
) -> tuple[Matched, tuple[KeptTip, ...]]:
    """
    Match all tips to the sites as they are now, and record nothing.

    Parameters
    ----------
    desk : Desk
        The ledger and the tips.
    parameters : MatchingParameters, optional
        How near counts; as the settings have it by default.

    Returns
    -------
    matched : Matched
        What became of them.
    tips : tuple of KeptTip
        All tips.

    Raises
    ------
    StoreError
        If ledger or tips are damaged.
    """
    kept = desk.tips.tips()
    matched = match_tips(
        [one.tip for one in kept],
        tuple(desk.sites.values()),
        parameters=parameters or desk.near,
        suppressed=desk.suppressed(),
    )
    return matched, kept


def place_tip(desk: Desk, tip_id: str, *, longitude: float, latitude: float) -> None:
    """
    Give a tip that has an address only its place.

    Parameters
    ----------
    desk : Desk
        The tips.
    tip_id : str
        `Tip.tip_id`.
    longitude, latitude : float
        Degrees, CRS84.

    Raises
    ------
    ReturnsError
        If the place is nowhere.
    StoreError
        If there is no such tip.
    """
    try:
        place = point(longitude, latitude)
    except UnusableRowError as error:
        raise ReturnsError(f"--at: {error.value}: {error.rule}") from error
    desk.tips.place(tip_id, place, at=desk.clock.now())


def tip_results(
    desk: Desk, *, parameters: MatchingParameters | None = None
) -> Iterator[dict[str, Any]]:
    """
    Say what became of each tip.

    Parameters
    ----------
    desk : Desk
        The ledger and the tips.
    parameters : MatchingParameters, optional
        How near counts; as the settings have it by default.

    Yields
    ------
    dict
        ``tip_id, day, place, erased, result`` (``matched``, ``priority_look`` or
        ``needs_place``) and ``matches``: ``site_id, alert_id, distance_m, days_apart,
        state`` and what people found there. Nothing of who gave it.

    Raises
    ------
    StoreError
        If ledger or tips are damaged.
    """
    matched, kept = matches_now(desk, parameters=parameters)
    standing = standings(finding for _, finding in desk.findings())
    by_tip: dict[str, list[dict[str, Any]]] = {}
    for match in matched.matches:
        site = desk.sites[match.site_id]
        by_tip.setdefault(match.tip_id, []).append(
            {
                "site_id": match.site_id,
                "alert_id": alert_id_of(site),
                "distance_m": match.distance_m,
                "days_apart": match.days_apart,
                "state": site.state.value,
                "found": [
                    judgement_words(one.judgement)
                    for one in said_of(standing, match.site_id)
                ],
            }
        )
    for one in kept:
        tip = one.tip
        centre = None if tip.place is None else tip.place.representative_point()
        if tip.tip_id in by_tip:
            result = "matched"
        else:
            result = "needs_place" if tip.place is None else "priority_look"
        yield {
            "tip_id": tip.tip_id,
            "day": tip.day.isoformat(),
            "place": None
            if centre is None
            else [round(centre.x, 6), round(centre.y, 6)],
            "erased": one.erased,
            "result": result,
            "matches": by_tip.get(tip.tip_id, []),
        }
