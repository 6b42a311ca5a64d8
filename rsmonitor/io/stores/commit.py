"""What a commit must satisfy, whichever ledger takes it."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from rsmonitor.errors import BusyError, ContractError, StoreError
from rsmonitor.io.stores.codec import encode
from rsmonitor.records.acquisition import Product
from rsmonitor.records.alert import Alert
from rsmonitor.records.case import Said, check_values
from rsmonitor.records.event import BODY_KEYS, GENESIS, Event, EventDraft, chain
from rsmonitor.records.run import RunCommit, SlotPointer


def check_commit(commit: RunCommit) -> None:
    """
    Refuse a commit whose parts contradict each other.

    Parameters
    ----------
    commit : RunCommit
        What is to be written.

    Raises
    ------
    ContractError
        If something belongs to another line or district, is there twice, cannot be
        stored, or the time is not UTC.
    """
    run_id = commit.record.run_id
    if commit.finished_at.utcoffset() != timedelta(0):
        raise ContractError(
            f"run {run_id}: finished_at must be UTC, got {commit.finished_at!r}"
        )
    for pointer in commit.pointers:
        encode(pointer)
        if pointer.line != commit.record.line:
            raise ContractError(
                f"run {run_id}: pointer of line {pointer.line} in a commit of line "
                f"{commit.record.line}"
            )
    for site in (*commit.sites, *(alert.site for alert in commit.alerts)):
        if site.district != commit.record.district:
            raise ContractError(
                f"run {run_id}: site {site.site_id} of district {site.district} in a "
                f"commit of district {commit.record.district}"
            )
    _refuse_twice(run_id, "pointer", (p.place for p in commit.pointers))
    _refuse_twice(run_id, "product", (p.key for p in commit.products))
    _refuse_twice(run_id, "site", (s.site_id for s in commit.sites))
    _refuse_twice(run_id, "alert", (a.alert_id for a in commit.alerts))


def check_flip(old: SlotPointer | None, new: SlotPointer) -> None:
    """
    Refuse a pointer at a slot that was written over while it was the truth.

    Parameters
    ----------
    old : SlotPointer or None
        The truth until now.
    new : SlotPointer
        The truth to be, for the same place.

    Raises
    ------
    StoreError
        If both name one slot with two contents: a crash before this commit would
        have left the ledger pointing at neither.
    """
    if old is not None and old.slot == new.slot and old.sha256 != new.sha256:
        raise StoreError(
            f"state {'/'.join(new.place)}: slot {new.slot} was written while the "
            "ledger pointed at it; write with the ledger's pointer as `current`"
        )


def check_same(old: Product, new: Product) -> None:
    """
    Refuse a second version of an acquisition that is part of the state.

    Parameters
    ----------
    old : Product
        The version that was applied.
    new : Product
        The version to be added, of the same acquisition.

    Raises
    ------
    StoreError
        If they differ: the state holds the old one, and must be built anew.
    """
    if old != new:
        raise StoreError(
            f"{new.product_id} cannot be added: {old.product_id}, another version of "
            "the same acquisition, is part of the state; replay the line"
        )


def check_draft(draft: EventDraft) -> None:
    """
    Refuse what a person did if its body does not say what its kind must say.

    Parameters
    ----------
    draft : EventDraft
        What is to be appended outside a run.

    Raises
    ------
    ContractError
        If a key is missing or not declared, a value is none that it may have, or the
        kind is written by runs only.
    """
    declared = BODY_KEYS.get(draft.kind)
    if declared is None:
        raise ContractError(
            f"event {draft.kind.value} is written by a run, not by a person"
        )
    given = set(draft.body)
    missing = sorted(declared.needed - given)
    unknown = sorted(given - declared.needed - declared.allowed)
    if missing or (unknown and not declared.open):
        raise ContractError(
            f"event {draft.kind.value} must say {', '.join(sorted(declared.needed))}"
            + (f"; missing: {', '.join(missing)}" if missing else "")
            + (f"; not declared: {', '.join(map(str, unknown))}" if unknown else "")
        )
    check_values(draft.kind, draft.body)


def said_of(alert: Alert, at: datetime) -> Said:
    """
    Give what the case of an alert needs to know of one of its versions.

    Parameters
    ----------
    alert : Alert
        The version.
    at : datetime
        When the run that said so was committed, UTC.

    Returns
    -------
    Said
        Its short form.
    """
    return Said(
        alert_id=alert.alert_id,
        site_id=alert.site.site_id,
        version=alert.version,
        area_m2=alert.site.latest.disturbance.area_m2,
        at=at,
    )


def check_head(end: tuple[int, str], expected: tuple[int, str] | None) -> None:
    """
    Refuse to append to a chain that has grown since the caller looked.

    Parameters
    ----------
    end : tuple of int and str
        Number and hash of the last event now.
    expected : tuple of int and str or None
        What they were when the caller looked; None if that does not matter.

    Raises
    ------
    BusyError
        If they differ.
    """
    if expected is not None and end != expected:
        raise BusyError(
            f"the ledger has {end[0]} events, it had {expected[0]} when this was "
            "decided: somebody else wrote to it meanwhile; look again and repeat"
        )


def chained(drafts: Iterable[EventDraft], seq: int, prev_hash: str) -> list[Event]:
    """
    Append drafts to a chain.

    Parameters
    ----------
    drafts : iterable of EventDraft
        What happened, in order.
    seq : int
        Length of the chain until now.
    prev_hash : str
        Hash of its last event; `GENESIS` if there is none.

    Returns
    -------
    list of Event
        The new links.

    Raises
    ------
    ContractError
        If a body holds what JSON has not.
    """
    links = []
    for draft in drafts:
        try:
            event = chain(draft, seq=seq + 1, prev_hash=prev_hash)
        except (TypeError, ValueError, RecursionError) as error:
            raise ContractError(
                f"event {draft.kind.value} cannot be stored: {error}"
            ) from error
        links.append(event)
        seq, prev_hash = event.seq, event.hash
    return links


def chain_problems(
    events: Iterator[Event], *heads: tuple[int, str] | None
) -> list[str]:
    """
    Check a chain link by link.

    Parameters
    ----------
    events : iterator of Event
        The chain from its start.
    *heads : tuple of int and str, or None
        Heads that were kept elsewhere: number and hash of an event that was once the
        last one. Only they show a tail that was cut off or written anew.

    Returns
    -------
    list of str
        What is wrong, in words; empty if nothing is.
    """
    problems = []
    seq, prev_hash = 0, GENESIS
    missing = {head for head in heads if head is not None} - {(0, GENESIS)}
    for event in events:
        if event.seq != seq + 1:
            problems.append(f"event {event.seq} follows event {seq}: some are missing")
        elif event.prev_hash != prev_hash:
            problems.append(
                f"event {event.seq} names another event before it than event {seq}"
            )
        if not _is_intact(event):
            problems.append(f"event {event.seq} was changed: its hash does not fit")
        missing.discard((event.seq, event.hash))
        seq, prev_hash = event.seq, event.hash
    problems += [
        f"event {number} with hash {digest} is not in the chain of {seq} events: its "
        "end was cut off or written anew"
        for number, digest in sorted(missing)
    ]
    return problems


def _is_intact(event: Event) -> bool:
    """Compare the hash; what JSON cannot hold never had one."""
    try:
        return event.hash == event.computed_hash()
    except (TypeError, ValueError):
        return False


def _refuse_twice(run_id: str, what: str, names: Iterable[object]) -> None:
    """Refuse a name that is there twice."""
    for name, count in Counter(names).items():
        if count > 1:
            raise ContractError(f"run {run_id}: {what} {name} is there {count} times")
