"""What was sent is told to the ledger: once for each alert version and area."""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from rsmonitor.errors import BusyError
from rsmonitor.interfaces import Ledger
from rsmonitor.io.stores.outbox import Due
from rsmonitor.records.event import GENESIS, EventDraft, EventKind
from rsmonitor.records.sending import FOLDER
from rsmonitor.wiring.office import SOFTWARE

_APPENDS: Final = 5
"""How often the ledger is asked again if others write to it meanwhile."""


def tell_sent(ledger: Ledger, untold: Sequence[Due], *, at: datetime) -> int:
    """
    Add an event for each alert version that an area was sent for the first time.

    Parameters
    ----------
    ledger : Ledger
        Takes the events, all or none.
    untold : sequence of Due
        What was taken, and the ledger was not told of yet.
    at : datetime
        The time, UTC.

    Returns
    -------
    int
        How many events were added.

    Raises
    ------
    BusyError
        If others kept writing to the ledger meanwhile.
    StoreError
        If the ledger is damaged.
    OutputError
        If it cannot be written.
    """
    left = _APPENDS
    while True:
        known, end = _known(ledger)
        drafts = list(_drafts(untold, known, at))
        try:
            ledger.append(drafts, expected_head=end)
        except BusyError:
            left -= 1
            if not left:
                raise
        else:
            return len(drafts)


def _known(ledger: Ledger) -> tuple[set[tuple[str, int, str]], tuple[int, str]]:
    """Say what the chain knows to be sent, and where it ends."""
    known, end = set(), (0, GENESIS)
    for event in ledger.events():
        end = (event.seq, event.hash)
        if event.kind == EventKind.SENT.value:
            body = json.loads(event.body)
            known.add((body["alert_id"], body["version"], body["to"]))
    return known, end


def _drafts(
    untold: Iterable[Due], known: set[tuple[str, int, str]], at: datetime
) -> Iterator[EventDraft]:
    """Give an event for each alert version that an area did not have."""
    for due in untold:
        parcel, recipient = due.parcel, due.sending.recipient
        form = "sftp" if recipient.startswith("sftp://") else "mail"
        run = {"run_id": parcel.run_ids[0]} if len(parcel.run_ids) == 1 else {}
        for each in parcel.alerts:
            # the area, never the address: the chain is for ever
            place = (each.alert_id, each.version, parcel.area)
            if place in known:
                continue
            known.add(place)
            yield EventDraft(
                kind=EventKind.SENT,
                at=at,
                who=SOFTWARE,
                body={
                    "site_id": each.site_id,
                    "alert_id": each.alert_id,
                    "version": each.version,
                    "to": parcel.area,
                    "why": f"package of {parcel.week}, revision {parcel.revision}",
                    "form": "folder" if recipient == FOLDER else form,
                    "sha256": parcel.sha256,
                    **run,
                },
            )
