"""The ledger in memory; it obeys the same laws as the one in a file."""

import contextlib
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from rsmonitor.errors import BusyError, ContractError, StoreError
from rsmonitor.io.stores.codec import encode_text
from rsmonitor.io.stores.commit import (
    chain_problems,
    chained,
    check_commit,
    check_draft,
    check_flip,
    check_head,
    check_same,
    said_of,
)
from rsmonitor.records.acquisition import AcquisitionKey, Product
from rsmonitor.records.alert import Alert
from rsmonitor.records.case import Said
from rsmonitor.records.district import IDENTIFIER
from rsmonitor.records.event import GENESIS, Event, EventDraft
from rsmonitor.records.finding import withheld_by
from rsmonitor.records.run import RunCommit, RunRecord, SlotPointer
from rsmonitor.records.site import Site

_Place = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Books:
    """Everything that a ledger holds; a commit makes new ones or none."""

    runs: tuple[tuple[datetime, RunRecord], ...] = ()
    pointers: Mapping[_Place, SlotPointer] = field(default_factory=dict)
    applied: Mapping[tuple[str, AcquisitionKey], Product] = field(default_factory=dict)
    sites: Mapping[str, tuple[Site, ...]] = field(default_factory=dict)
    alerts: Mapping[str, tuple[Alert, ...]] = field(default_factory=dict)
    versions: tuple[Alert, ...] = ()
    said: tuple[tuple[str, Said], ...] = ()
    events: tuple[Event, ...] = ()


class MemoryLedger:
    """The ledger in memory; satisfies `rsmonitor.interfaces.Ledger`.

    Its methods do what those of `rsmonitor.io.stores.ledger.SqliteLedger` do, which say
    more: they give the same, and raise the same but for what files can suffer.
    """

    def __init__(self) -> None:
        self._books = _Books()
        self._turn = threading.Lock()
        self._busy: set[str] = set()

    @contextlib.contextmanager
    def lock(self, district: str) -> Iterator[None]:
        """Hold a district."""
        if not IDENTIFIER.fullmatch(district):
            raise ContractError(
                f"district must match {IDENTIFIER.pattern}, got {district!r}"
            )
        with self._turn:
            if district in self._busy:
                raise BusyError(f"district {district} is busy; wait until it ends")
            self._busy.add(district)
        try:
            yield
        finally:
            self._busy.discard(district)

    def runs(self, district: str) -> tuple[RunRecord, ...]:
        """List the committed runs of a district, oldest week first."""
        runs = sorted(self._books.runs, key=lambda run: (run[1].week, run[0]))
        return tuple(record for _, record in runs if record.district == district)

    def pointers(self, line: str) -> tuple[SlotPointer, ...]:
        """List the slots that are the truth for a line of runs."""
        pointers = sorted(self._books.pointers.items())
        return tuple(pointer for place, pointer in pointers if place[0] == line)

    def applied(self, line: str) -> tuple[Product, ...]:
        """List the products that are part of a line's state."""
        products = [p for (of, _), p in self._books.applied.items() if of == line]
        return tuple(sorted(products, key=lambda p: (p.sensed_at, p.key)))

    def sites(self, district: str) -> tuple[Site, ...]:
        """List the sites of a district as they are now."""
        sites = self._books.sites.get(district, ())
        return tuple(sorted(sites, key=lambda s: s.site_id))

    def alerts(self, district: str) -> tuple[Alert, ...]:
        """List the standing alerts of a district."""
        alerts = self._books.alerts.get(district, ())
        return tuple(sorted(alerts, key=lambda a: (a.rank, a.alert_id)))

    def versions(self, alert_id: str) -> tuple[Alert, ...]:
        """List all that was ever said of an alert."""
        return tuple(a for a in self._books.versions if a.alert_id == alert_id)

    def said(self, district: str) -> tuple[Said, ...]:
        """List when each version of each alert of a district was said."""
        return tuple(said for of, said in self._books.said if of == district)

    def lines(self, district: str) -> tuple[str, ...]:
        """List the lines of a district that have state."""
        books = self._books
        alive = {place[0] for place in books.pointers}
        alive |= {line for line, _ in books.applied}
        lines = {record.line for _, record in books.runs if record.district == district}
        return tuple(sorted(lines & alive))

    def retire(self, lines: Iterable[str]) -> None:
        """Take the state of lines out of the ledger; their runs and events stay."""
        gone = set(lines)
        with self._turn:
            books = self._books
            self._books = replace(
                books,
                pointers={k: p for k, p in books.pointers.items() if k[0] not in gone},
                applied={k: p for k, p in books.applied.items() if k[0] not in gone},
            )

    def events(self) -> Iterator[Event]:
        """Read the audit chain from its start."""
        yield from self._books.events

    def withheld(self) -> frozenset[str]:
        """Name the sites of which somebody's last word is special use."""
        return withheld_by(self.events())

    def head(self) -> tuple[int, str]:
        """Give the end of the chain."""
        events = self._books.events
        return (events[-1].seq, events[-1].hash) if events else (0, GENESIS)

    def verify(self, *heads: tuple[int, str] | None) -> list[str]:
        """Check the chain link by link."""
        return chain_problems(self.events(), *heads)

    def commit(self, commit: RunCommit) -> None:
        """Take everything of a run, or nothing."""
        check_commit(commit)
        for record in (commit.record, *commit.products, *commit.sites, *commit.alerts):
            encode_text(record)
        with self._turn:
            self._books = _with(self._books, commit)

    def append(
        self,
        drafts: Sequence[EventDraft],
        *,
        expected_head: tuple[int, str] | None = None,
    ) -> tuple[Event, ...]:
        """Add what people did to the chain, outside a run."""
        for draft in drafts:
            check_draft(draft)
        with self._turn:
            end = self.head()
            check_head(end, expected_head)
            events = tuple(chained(drafts, *end))
            self._books = replace(self._books, events=(*self._books.events, *events))
        return events


def _with(books: _Books, commit: RunCommit) -> _Books:
    """Make the books after a commit; the old ones are not touched."""
    record = commit.record
    if any(run.run_id == record.run_id for _, run in books.runs):
        raise StoreError(f"run {record.run_id} is already committed")
    for pointer in commit.pointers:
        check_flip(books.pointers.get(pointer.place), pointer)
    applied = dict(books.applied)
    if commit.replayed:
        applied = {key: p for key, p in applied.items() if key[0] != record.line}
    for product in commit.products:
        check_same(applied.setdefault((record.line, product.key), product), product)
    known = {encode_text(alert) for alert in books.versions}
    new = [alert for alert in commit.alerts if encode_text(alert) not in known]
    seq, prev_hash = (len(books.events), books.events[-1].hash if books.events else "")
    return _Books(
        runs=(*books.runs, (commit.finished_at, record)),
        pointers={**books.pointers, **{p.place: p for p in commit.pointers}},
        applied=applied,
        sites={**books.sites, record.district: commit.sites},
        alerts={**books.alerts, record.district: commit.alerts},
        versions=(*books.versions, *new),
        said=(
            *books.said,
            *((record.district, said_of(alert, commit.finished_at)) for alert in new),
        ),
        events=(*books.events, *chained(commit.events, seq, prev_hash or GENESIS)),
    )
