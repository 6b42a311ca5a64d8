"""Cases and the state of affairs: ledger and settings together."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final

from rsmonitor.config import Settings
from rsmonitor.errors import BusyError, StoreError
from rsmonitor.interfaces import Clock
from rsmonitor.io.deliver.folder import RUNS, Heads
from rsmonitor.io.foundation.clock import SystemClock
from rsmonitor.io.stores.head import read_signing_key, write_head
from rsmonitor.io.stores.ledger import StoredLedger
from rsmonitor.records.case import (
    AUTHORITY_LABELS,
    CASE_STATE_LABELS,
    HANDLING_LABELS,
    LEVEL_LABELS,
    PROVINCE_CHECK_LABELS,
    Case,
    CaseState,
)
from rsmonitor.records.event import GENESIS, KIND_LABELS, Event, EventDraft, Head
from rsmonitor.stages.cases import Casebook, cases_of, overdue, shanghai_day
from rsmonitor.stages.suppression import suppressed_sites
from rsmonitor.wiring.sources import cache_of
from rsmonitor.wiring.stores import open_ledger
from rsmonitor.wiring.upkeep import upkeep_of

_ATTEMPTS: Final = 3
"""How often an act is decided anew when somebody else wrote to the ledger meanwhile."""


def ledger_of(settings: Settings) -> StoredLedger:
    """
    Find the ledger that the settings name; there must be one.

    Parameters
    ----------
    settings : Settings
        Settings.

    Returns
    -------
    StoredLedger
        The ledger.

    Raises
    ------
    StoreError
        If no run has been committed yet: an empty ledger would look like one that
        was lost.
    """
    ledger = open_ledger(settings)
    if not ledger.exists():
        raise StoreError(
            f"{ledger.name} does not exist: no run has been committed there; begin "
            "with 'rsmonitor run'"
        )
    return ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The cases of one district, and the ledger that they are kept in."""

    settings: Settings
    """Which district, and by which rules."""

    ledger: StoredLedger
    """Where events are."""

    clock: Clock
    """Time."""

    notes: tuple[str, ...] = ()
    """What opening found worth telling."""

    @property
    def today(self) -> date:
        """The day, Asia/Shanghai."""
        return shanghai_day(self.clock.now())

    def book(self) -> Casebook:
        """
        Add up the cases.

        Returns
        -------
        Casebook
            All cases of the district, but for what may not be shown.

        Raises
        ------
        StoreError
            If the ledger is damaged.
        """
        code = self.settings.district.code
        events = tuple(self.ledger.events())
        # special use (特殊用地) is shown nowhere, not even that there is something
        hidden = suppressed_sites(self.ledger.withheld(), self.ledger.sites(code))
        return cases_of(
            [said for said in self.ledger.said(code) if said.site_id not in hidden],
            {alert.alert_id for alert in self.ledger.alerts(code)},
            events,
            self.settings.cases.rules,
            district=code,
        )

    def case(self, name: str) -> Case | None:
        """
        Find a case.

        Parameters
        ----------
        name : str
            `Case.site_id` or `Case.alert_id`.

        Returns
        -------
        Case or None
            None if the district has no such case.

        Raises
        ------
        StoreError
            If the ledger is damaged.
        """
        found = (c for c in self.book().cases if name in {c.site_id, c.alert_id})
        return next(found, None)

    def act(
        self, name: str, decide: Callable[[Case], EventDraft | None]
    ) -> tuple[Case, Event | None]:
        """
        Do something about a case, on what is in the ledger at that moment.

        Parameters
        ----------
        name : str
            `Case.site_id` or `Case.alert_id`.
        decide : callable
            Gives the event for the case as it is; None if nothing is to be added.

        Returns
        -------
        case : Case
            As it is afterwards.
        event : Event or None
            What was added; None if it was recorded before.

        Raises
        ------
        StoreError
            If there is no such case, or the ledger is damaged.
        BusyError
            If others kept writing to the ledger meanwhile.
        OutputError
            If the ledger cannot be written.
        ContractError
            If `decide` refuses.
        """
        attempt = 0
        while True:
            attempt += 1
            end = self.ledger.head()
            case = self.required(name)
            draft = decide(case)
            if draft is None:
                return case, None
            try:
                (event,) = self.ledger.append([draft], expected_head=end)
            except BusyError:
                if attempt == _ATTEMPTS:
                    raise
                continue
            return self.required(name), event

    def events(self, case: Case) -> tuple[Event, ...]:
        """
        List everything that the chain says of the site of a case.

        Parameters
        ----------
        case : Case
            The case.

        Returns
        -------
        tuple of Event
            In order.

        Raises
        ------
        StoreError
            If the ledger is damaged.
        """
        return tuple(e for e in self.ledger.events() if case.site_id in e.body)

    def required(self, name: str) -> Case:
        """
        Find a case that must be there.

        Parameters
        ----------
        name : str
            `Case.site_id` or `Case.alert_id`.

        Returns
        -------
        Case
            The case.

        Raises
        ------
        StoreError
            If there is none, or the ledger is damaged.
        """
        case = self.case(name)
        if case is None:
            raise StoreError(
                f"{self.settings.district.code} has no case {name!r}; give a site_id "
                "or alert_id that 'rsmonitor cases list' shows"
            )
        return case


def open_desk(settings: Settings, *, clock: Clock | None = None) -> Desk:
    """
    Open the cases of a district; an older ledger is brought up to date.

    Parameters
    ----------
    settings : Settings
        Settings.
    clock : Clock, optional
        Time; the machine's by default.

    Returns
    -------
    Desk
        The cases.

    Raises
    ------
    StoreError
        If there is no ledger, or it is damaged.
    OutputError
        If an older ledger cannot be brought up to date.
    """
    ledger = ledger_of(settings)
    older = ledger.upgrade()
    notes = (
        ()
        if older is None
        else (f"the ledger was brought up to date; as it was it is kept in {older}",)
    )
    return Desk(
        settings=settings, ledger=ledger, clock=clock or SystemClock(), notes=notes
    )


def find_desk(desks: Sequence[Desk], name: str) -> Desk:
    """
    Find which district has a case.

    Parameters
    ----------
    desks : sequence of Desk
        Districts of one settings file.
    name : str
        `Case.site_id` or `Case.alert_id`.

    Returns
    -------
    Desk
        The one that has it; the only one, where there is only one.

    Raises
    ------
    StoreError
        If none has it.
    """
    if len(desks) == 1:
        return desks[0]
    for desk in desks:
        if desk.case(name) is not None:
            return desk
    codes = ", ".join(desk.settings.district.code for desk in desks)
    raise StoreError(
        f"no district of {codes} has a case {name!r}; give a site_id or alert_id that "
        "'rsmonitor cases list' shows"
    )


def case_json(case: Case, today: date) -> dict[str, Any]:
    """
    Write a case as JSON values, codes and Chinese labels beside each other.

    Parameters
    ----------
    case : Case
        The case.
    today : date
        Asia/Shanghai.

    Returns
    -------
    dict
        As ``docs/cli.md`` has it.
    """
    closing = case.closing
    return {
        "site_id": case.site_id,
        "alert_id": case.alert_id,
        "district": case.district,
        "state": case.state.value,
        "state_zh": CASE_STATE_LABELS[case.state][0],
        "handler": case.handler,
        "level": case.level.value,
        "level_zh": LEVEL_LABELS[case.level][0],
        "area_mu": round(case.area_mu, 2),
        "opened": shanghai_day(case.opened).isoformat(),
        "due": case.due.isoformat(),
        "days_overdue": case.days_overdue(today),
        "province_check": case.province_check.value,
        "province_check_zh": PROVINCE_CHECK_LABELS[case.province_check][0],
        "handling": closing.handling.value if closing else None,
        "handling_zh": HANDLING_LABELS[closing.handling][0] if closing else None,
        "closing": _plain(closing) if closing else None,
        "changed_since_closed": case.changed_since,
        "merged_into": case.merged_into,
        "extensions": [_plain(each) for each in case.extensions],
        "inspections": [_plain(each) for each in case.inspections],
        "transfers": [
            _plain(each) | {"to_zh": AUTHORITY_LABELS[each.to][0]}
            for each in case.transfers
        ],
    }


def event_json(event: Event) -> dict[str, Any]:
    """
    Write an event as JSON values.

    Parameters
    ----------
    event : Event
        A link of the chain.

    Returns
    -------
    dict
        Its fields, the body opened, and the Chinese label of its kind.
    """
    labels = {kind.value: label for kind, label in KIND_LABELS.items()}
    return {
        "seq": event.seq,
        "kind": event.kind,
        "kind_zh": labels.get(event.kind, (event.kind,))[0],
        "at": event.at,
        "who": event.who,
        "body": json.loads(event.body),
        "hash": event.hash,
    }


def status_of(desk: Desk) -> dict[str, Any]:
    """
    Say how a district stands: what ran, what was seen, what is overdue.

    Parameters
    ----------
    desk : Desk
        The district.

    Returns
    -------
    dict
        As ``docs/cli.md`` has it.

    Raises
    ------
    StoreError
        If ledger or outbox is damaged.
    """
    settings, ledger = desk.settings, desk.ledger
    runs = ledger.runs(settings.district.code)
    last = runs[-1] if runs else None
    applied = ledger.applied(last.line) if last else ()
    book = desk.book()
    late = overdue(book.cases, desk.today)
    cached = settings.source.kind != "cube"
    cache = cache_of(settings) if cached else None
    return {
        "district": settings.district.code,
        "name_zh": settings.district.name_zh,
        "name_en": settings.district.name_en,
        "today": desk.today.isoformat(),
        "runs": len(runs),
        "last_run": None
        if last is None
        else {
            "run_id": last.run_id,
            "week": str(last.week),
            "counts": dict(sorted(last.counts.items())),
        },
        "newest_scene": _instant(applied[-1].sensed_at) if applied else None,
        "seen": _seen(settings, last.location) if last else None,
        "quarantined": len(cache.quarantines()) if cache else 0,
        "failed": len(cache.failures()) if cache else 0,
        "alerts": sum(case.standing for case in book.cases),
        "cases": {
            state.value: sum(case.state is state for case in book.cases)
            for state in CaseState
        },
        "overdue": [case_json(case, desk.today) for case in late],
        "unread_events": list(book.unread),
        **upkeep_of(settings),
    }


def heads_of(settings: Settings, ledger: StoredLedger) -> Heads:
    """
    Give what publishes the head of the ledger with each delivery.

    Parameters
    ----------
    settings : Settings
        Which district, and with which key.
    ledger : StoredLedger
        Whose head.

    Returns
    -------
    callable
        For `rsmonitor.io.deliver.folder.FolderSink`.

    Raises
    ------
    SettingsError
        If the key cannot be used; before a run begins, not after it.
    """
    named = settings.cases.signing_key
    key = None if named is None else read_signing_key(settings.path(named))

    def head(location: str, manifest_sha256: str) -> bytes:
        last = ledger.last()
        return write_head(
            Head(
                seq=last.seq if last else 0,
                hash=last.hash if last else GENESIS,
                at=last.at if last else "",
                district=settings.district.code,
                run_id=location,
                manifest_sha256=manifest_sha256,
            ),
            key,
        )

    return head


def _seen(settings: Settings, location: str) -> dict[str, Any] | None:
    """Read what a run saw from its outputs; None where they were removed."""
    path = settings.path(settings.run.out) / RUNS / location / "coverage.geojson"
    keys = ("share_seen", "share_monitored", "median_days_since_clear")
    try:
        features = json.loads(path.read_bytes())["features"]
        seen: Mapping[str, Any] = features[0]["properties"]
        return {key: seen[key] for key in keys}
    except (OSError, ValueError, KeyError, IndexError, TypeError, RecursionError):
        return None


def _plain(record: Any) -> dict[str, Any]:  # noqa: ANN401 - a record of a case
    """Write a part of a case as JSON values."""
    return {key: _value(value) for key, value in asdict(record).items()}


def _value(value: Any) -> Any:  # noqa: ANN401 - a value of a record
    """Write a value; a day is no instant, though Python says that an instant is one."""
    if hasattr(value, "utcoffset"):
        return _instant(value)
    return value.isoformat() if isinstance(value, date) else value


def _instant(value: Any) -> str:  # noqa: ANN401 - a datetime
    """Write an instant with Z."""
    text: str = value.isoformat()
    return text.replace("+00:00", "Z")
