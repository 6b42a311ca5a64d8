"""One link of the audit chain: what happened, when, by whom, after what."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from rsmonitor.errors import ContractError

GENESIS: Final = "0" * 64
"""`prev_hash` of the first event."""

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


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

    SENT = "sent"
    """An alert was handed to a bureau."""

    TRIAGED = "triaged"
    """A person looked at the imagery and said what it is."""

    ASSIGNED = "assigned"
    """A case was given to a handler, with a level and a due date."""

    EXTENDED = "extended"
    """The due date of a case was put off, with a reason."""

    INSPECTED = "inspected"
    """Somebody was there and said what was found."""

    TRANSFERRED = "transferred"
    """A case was handed over to another authority."""

    TIP_MATCHED = "tip matched"
    """A tip was matched to a site."""

    CLOSED = "closed"
    """A case was closed, with how it was handled."""


KIND_LABELS: Final[Mapping[EventKind, tuple[str, str]]] = {
    EventKind.FITTED: ("建立参照", "fitted"),
    EventKind.APPLIED: ("影像入库", "applied"),
    EventKind.DETECTED: ("发现", "detected"),
    EventKind.CONFIRMED: ("确认变化", "confirmed"),
    EventKind.UPGRADED: ("更新", "upgraded"),
    EventKind.MERGED: ("合并", "merged"),
    EventKind.RECOVERED: ("光谱恢复", "recovered"),
    EventKind.WITHDRAWN: ("撤回", "withdrawn"),
    EventKind.SENT: ("下发", "sent"),
    EventKind.TRIAGED: ("初判", "triaged"),
    EventKind.ASSIGNED: ("交办", "assigned"),
    EventKind.EXTENDED: ("延期", "extended"),
    EventKind.INSPECTED: ("核查", "inspected"),
    EventKind.TRANSFERRED: ("移送", "transferred"),
    EventKind.TIP_MATCHED: ("举报匹配", "tip matched"),
    EventKind.CLOSED: ("结案", "closed"),
}
"""Chinese and English label of each kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyKeys:
    """What the body of an event says."""

    needed: frozenset[str]
    """Keys that are always there."""

    allowed: frozenset[str] = frozenset()
    """Keys that may be there as well."""

    open: bool = False
    """True where further keys are the business of whoever writes the event."""


BODY_KEYS: Final[Mapping[EventKind, BodyKeys]] = {
    EventKind.SENT: BodyKeys(
        needed=frozenset({"site_id", "alert_id", "version", "to", "why"}),
        allowed=frozenset({"run_id", "form", "sha256"}),
    ),
    EventKind.TRIAGED: BodyKeys(needed=frozenset({"site_id"}), open=True),
    EventKind.ASSIGNED: BodyKeys(
        needed=frozenset({"site_id", "handler", "level", "due", "why"})
    ),
    EventKind.EXTENDED: BodyKeys(needed=frozenset({"site_id", "due", "why"})),
    EventKind.INSPECTED: BodyKeys(needed=frozenset({"site_id"}), open=True),
    EventKind.TRANSFERRED: BodyKeys(
        needed=frozenset({"site_id", "to", "why"}), allowed=frozenset({"document"})
    ),
    EventKind.TIP_MATCHED: BodyKeys(needed=frozenset(), open=True),
    EventKind.CLOSED: BodyKeys(
        needed=frozenset({"site_id", "handling", "why"}),
        allowed=frozenset({"document"}),
    ),
}
"""What events that people cause say, by kind; the others are written by runs."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The end of the chain as it is published: what the chain must hold ever after."""

    seq: int
    """Number of events."""

    hash: str
    """`Event.hash` of the last one; `GENESIS` if there is none."""

    at: str
    """`Event.at` of the last one; empty if there is none."""

    district: str
    """`District.code` whose delivery it came with."""

    run_id: str
    """Folder of that delivery; empty if it came with none."""

    manifest_sha256: str
    """SHA-256 of that delivery's ``manifest.json``, which names every other file; empty
    if it came with none."""

    def __post_init__(self) -> None:
        if self.seq < 0:
            raise ContractError(f"a chain has 0 events or more, got {self.seq}")
        for name, value in (("hash", self.hash), ("manifest", self.manifest_sha256)):
            if not _SHA256.fullmatch(value) and (name, value) != ("manifest", ""):
                raise ContractError(f"{name} must be SHA-256 in hex, got {value!r}")
        if (self.seq == 0) != (self.hash == GENESIS):
            raise ContractError(f"event {self.seq} cannot have the hash {self.hash}")


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
