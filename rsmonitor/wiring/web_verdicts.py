"""A verdict that somebody gives on the page: the same event as an import makes of it.

It is written into a file and taken in as any file that comes back, so that no rule can
be another one here.
"""

import json
import tempfile
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rsmonitor.errors import BusyError, ReturnsError
from rsmonitor.interfaces import Clock
from rsmonitor.io.stores.ledger import StoredLedger
from rsmonitor.io.stores.photos import PhotoStore
from rsmonitor.io.stores.tips import TipStore
from rsmonitor.records.account import Role, Scope
from rsmonitor.records.event import Event
from rsmonitor.stages.suppression import suppressed_sites
from rsmonitor.wiring.packages import codes_of_alert
from rsmonitor.wiring.returns import Desk, Triage, import_findings
from rsmonitor.wiring.shelf import KeptShelf
from rsmonitor.wiring.web_sites import Opened, alerts_of, events_of

FILE: Final = "web-verdict.geojson"
"""What stands in the event as the file that the words came in."""

ATTEMPTS: Final = 20
"""Times that a verdict is tried while others write."""

_turn: Final = threading.Lock()


class StaleError(Exception):
    """The alert says something else by now than what was judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What somebody says of an alert."""

    verdict: str
    """One of `Judgement`, or a word for it."""

    reason: str | None
    """One of `Cause`, or a word for it."""

    note: str | None
    """What else."""

    imagery: str | None
    """The imagery that decided."""

    expected_version: int
    """`Alert.version` that was looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of a verdict."""

    event_seq: int
    """`Event.seq` that says it."""

    fresh: bool
    """False where the same words were there already."""


class _OneSite(StoredLedger):
    """A ledger of which only one site is read, as it was at one moment."""

    def __init__(self, opened: Opened, head: tuple[int, str]) -> None:
        super().__init__(opened.group.ledger.tables)
        self._opened, self._at = opened, head

    def _held(self, district: str) -> AbstractContextManager[None]:
        """Hold a district of the whole ledger."""
        return self._opened.group.ledger.lock(district)

    def upgrade(self) -> Path | None:
        """
        Bring the whole ledger to the schema of today.

        Returns
        -------
        Path or None
            As the ledger itself gives it.
        """
        return self._opened.group.ledger.upgrade()

    def head(self) -> tuple[int, str]:
        """
        Give the end of the chain at which the alert was read.

        Returns
        -------
        tuple of int and str
            Nothing is added where it has grown since.
        """
        return self._at

    def events(self) -> Iterator[Event]:
        """
        Read what the chain says of the site.

        Yields
        ------
        Event
            In order.
        """
        yield from events_of(self._opened)


def give_verdict(
    kept: KeptShelf,
    opened: Opened,
    judged: Judged,
    *,
    who: str,
    role: Role,
    scope: Scope,
    clock: Clock,
) -> Taken:
    """
    Add a verdict to the ledger.

    Parameters
    ----------
    kept : KeptShelf
        The shelf; made anew before this returns, where something may no longer be
        shown.
    opened : Opened
        The alert.
    judged : Judged
        What is said of it.
    who : str
        Who says it.
    role : Role
        An inspector was there; the others looked at imagery.
    scope : Scope
        What `who` sees.
    clock : Clock
        Time.

    Returns
    -------
    Taken
        The event.

    Raises
    ------
    StaleError
        If the alert has another version, or no longer stands where `who` sees it.
    ReturnsError
        If a rule refuses it; the message says which.
    BusyError
        If others keep writing to the ledger.
    OutputError
        If it cannot be written.
    """
    attempt = 0
    while True:
        attempt += 1
        try:
            with _turn:
                taken = _tried(opened, judged, who, role, scope, clock)
        except BusyError:
            if attempt == ATTEMPTS:
                raise
            continue
        kept.now()
        return taken


def _tried(
    opened: Opened,
    judged: Judged,
    who: str,
    role: Role,
    scope: Scope,
    clock: Clock,
) -> Taken:
    """Add a verdict, unless the ledger grows meanwhile."""
    group, site_id = opened.group, opened.found.site_id
    # the head first: what is read after it is of that moment, or nothing is added
    head = group.ledger.head()
    _require_current(opened, judged, scope)
    ledger = _OneSite(opened, head)
    work = opened.settings.path(opened.settings.run.work)
    desk = Desk(
        work=work,
        ledger=ledger,
        sites={site_id: opened.alert.site},
        photos=PhotoStore(work / "photos"),
        tips=TipStore(work / "tips.sqlite", locks=work / "locks"),
        clock=clock,
        near=opened.settings.tips,
    )
    with tempfile.TemporaryDirectory(prefix="rsmonitor-") as folder:
        path = Path(folder, FILE)
        path.write_text(_file_of(opened, judged, who, role), encoding="utf-8")
        try:
            done = import_findings(desk, path, who=who, apply=True)
        except ReturnsError as error:
            raise ReturnsError(_without_path(str(error), path)) from error
    return _taken(opened, done)


def _require_current(opened: Opened, judged: Judged, scope: Scope) -> None:
    """Refuse a verdict on what the alert no longer says."""
    found = opened.found
    alerts = alerts_of(opened.group, found.district, [found.item_id])
    hidden = opened.group.ledger.withheld()
    if (
        not alerts
        or not scope.sees(codes_of_alert(alerts[0]))
        or suppressed_sites(hidden & {found.site_id}, (alerts[0].site,))
    ):
        raise StaleError("the alert no longer stands; load the list anew")
    version = alerts[0].version
    if version != judged.expected_version:
        raise StaleError(
            f"the alert has version {version} by now, and version "
            f"{judged.expected_version} was judged; look at it again"
        )


def _file_of(opened: Opened, judged: Judged, who: str, role: Role) -> str:
    """Write a verdict as a file that comes back."""
    said: dict[str, Any] = {
        "alert_id": opened.found.item_id,
        "verdict": judged.verdict,
        "reason": judged.reason,
        "note": judged.note,
        "imagery": judged.imagery,
        "who": who,
        "method": "inspection" if role is Role.INSPECTOR else "triage",
    }
    return json.dumps(
        {
            "type": "FeatureCollection",
            "features": [
                {
                    "type": "Feature",
                    "geometry": None,
                    "properties": {k: v for k, v in said.items() if v},
                }
            ],
        },
        ensure_ascii=False,
    )


def _taken(opened: Opened, done: Triage) -> Taken:
    """Find the event that says what was said."""
    (line,) = done.lines
    finding_id = line.finding.finding_id
    # the newest: it was added a moment ago, or is one of the site's
    said = [e.seq for e in events_of(opened) if f'"{finding_id}"' in e.body]
    seq = said[-1] if said else 0
    return Taken(event_seq=seq, fresh=bool(done.applied))


def _without_path(message: str, path: Path) -> str:
    """Say which rule refuses, and not where on this machine the file lay."""
    return (
        message.replace(f"{path}: no row can be used, nothing was done: ", "")
        .replace(f"{FILE}, feature 1: ", "")
        .replace(str(path), FILE)
    )
