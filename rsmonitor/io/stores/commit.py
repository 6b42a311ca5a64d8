"""What a commit must satisfy, whichever ledger takes it."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta

from rsmonitor.errors import ContractError, StoreError
from rsmonitor.io.stores.codec import encode
from rsmonitor.records.acquisition import Product
from rsmonitor.records.event import GENESIS, Event, EventDraft, chain
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
    events: Iterator[Event], expected: tuple[int, str] | None = None
) -> list[str]:
    """
    Check a chain link by link.

    Parameters
    ----------
    events : iterator of Event
        The chain from its start.
    expected : tuple of int and str, optional
        A head that was kept elsewhere: number and hash of an event that was once the
        last one. Only it shows a tail that was cut off or written anew.

    Returns
    -------
    list of str
        What is wrong, in words; empty if nothing is.
    """
    problems = []
    seq, prev_hash = 0, GENESIS
    found = expected is None or expected == (0, GENESIS)
    for event in events:
        if event.seq != seq + 1:
            problems.append(f"event {event.seq} follows event {seq}: some are missing")
        elif event.prev_hash != prev_hash:
            problems.append(
                f"event {event.seq} names another event before it than event {seq}"
            )
        if not _is_intact(event):
            problems.append(f"event {event.seq} was changed: its hash does not fit")
        found = found or (event.seq, event.hash) == expected
        seq, prev_hash = event.seq, event.hash
    if expected is not None and not found:
        problems.append(
            f"event {expected[0]} with hash {expected[1]} is not in the chain of "
            f"{seq} events: its end was cut off or written anew"
        )
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
