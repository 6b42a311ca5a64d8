"""One link of the audit chain: what happened, when, by whom, after what."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from rsmonitor.errors import ContractError

GENESIS: Final = "0" * 64
"""`prev_hash` of the first event."""


class EventKind(StrEnum):
    """What can happen."""

    FITTED = "fitted"
    """A reference was fitted, or fitted again."""

    APPLIED = "applied"
    """A run applied acquisitions."""

    DETECTED = "detected"
    """A site was seen for the first time."""

    CONFIRMED = "confirmed"
    """A site reached the high tier."""

    UPGRADED = "upgraded"
    """What an alert says changed: a new version."""

    MERGED = "merged"
    """A site became part of an older one."""

    RECOVERED = "recovered"
    """A confirmed site looks like its reference again."""

    WITHDRAWN = "withdrawn"
    """An unconfirmed site's evidence went away; the alert is withdrawn, not deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDraft:
    """An event before it has its place in the chain."""

    kind: EventKind
    """What happened."""

    at: datetime
    """When it was recorded, timezone-aware UTC."""

    who: str
    """Person or program."""

    body: Mapping[str, Any]
    """JSON values only."""

    def __post_init__(self) -> None:
        if self.at.utcoffset() != timedelta(0):
            raise ContractError(f"event time must be UTC, got {self.at!r}")
        if not self.who:
            raise ContractError("an event names who caused it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A link of the chain; `hash` covers everything else, `prev_hash` included."""

    seq: int
    """Place in the chain, from 1."""

    prev_hash: str
    """`hash` of the event before, `GENESIS` for the first."""

    hash: str
    """SHA-256 of the canonical JSON of all other fields."""

    kind: str
    """`EventKind` value, as stored."""

    at: str
    """ISO 8601 instant with ``Z``."""

    who: str
    """Person or program."""

    body: str
    """Canonical JSON text."""

    def computed_hash(self) -> str:
        """
        Compute what `hash` must be.

        Returns
        -------
        str
            SHA-256, hexadecimal.
        """
        text = json.dumps(
            [self.seq, self.prev_hash, self.kind, self.at, self.who, self.body],
            ensure_ascii=False,
        )
        return hashlib.sha256(text.encode()).hexdigest()


def chain(draft: EventDraft, *, seq: int, prev_hash: str) -> Event:
    """
    Give a draft its place in the chain.

    Parameters
    ----------
    draft : EventDraft
        What happened.
    seq : int
        Its place, from 1.
    prev_hash : str
        `Event.hash` of the event before it.

    Returns
    -------
    Event
        The link, hash included.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> draft = EventDraft(
    ...     kind=EventKind.DETECTED,
    ...     at=datetime(2018, 7, 2, tzinfo=UTC),
    ...     who="rsmonitor",
    ...     body={"site_id": "s"},
    ... )
    >>> event = chain(draft, seq=1, prev_hash=GENESIS)
    >>> event.at, event.hash == event.computed_hash()
    ('2018-07-02T00:00:00Z', True)
    """
    blank = Event(
        seq=seq,
        prev_hash=prev_hash,
        hash="",
        kind=draft.kind.value,
        at=draft.at.isoformat().replace("+00:00", "Z"),
        who=draft.who,
        body=canonical_json(draft.body),
    )
    return Event(
        seq=blank.seq,
        prev_hash=blank.prev_hash,
        hash=blank.computed_hash(),
        kind=blank.kind,
        at=blank.at,
        who=blank.who,
        body=blank.body,
    )


def canonical_json(value: object) -> str:
    """
    Write JSON in the one form that is hashed.

    Parameters
    ----------
    value : object
        JSON values only; NaN is refused because JSON has none.

    Returns
    -------
    str
        Sorted keys, no spaces, characters unescaped.
    """
    return json.dumps(
        value,
        sort_keys=True,
        ensure_ascii=False,
        separators=(",", ":"),
        allow_nan=False,
    )
