"""Events become cases: who has each, when it is due, and what is overdue.

All of it is a function of the events: whoever reads the same ledger sees the same
cases. What a person wants to do is turned into an event here too, or into nothing where
it was done before.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from rsmonitor.errors import ContractError
from rsmonitor.records.case import (
    AUTHORITY_LABELS,
    HANDLING_LABELS,
    Authority,
    Case,
    CaseRules,
    CaseState,
    Closing,
    Extension,
    Handling,
    Inspection,
    Level,
    ProvinceCheck,
    Said,
    Transfer,
    choose,
    day_of,
    require_text,
)
from rsmonitor.records.event import Event, EventDraft, EventKind
from rsmonitor.records.licence import SHANGHAI


@dataclass(frozen=True, slots=True, kw_only=True)
class Casebook:
    """All cases of a district."""

    cases: tuple[Case, ...]
    """Those whose clock runs first, by due date; then the others; by `site_id`."""

    unread: tuple[str, ...] = ()
    """Events that say what no case understands, one sentence each."""


def cases_of(
    said: Sequence[Said],
    standing: Collection[str],
    events: Iterable[Event],
    rules: CaseRules,
    *,
    district: str,
) -> Casebook:
    """
    Add up what people did about the alerts of a district.

    Parameters
    ----------
    said : sequence of Said
        Every version of every alert of the district, in the order of the ledger.
    standing : collection of str
        `Alert.alert_id` of the alerts that stand now.
    events : iterable of Event
        The chain, or any part of it that holds all events of the district, in order.
    rules : CaseRules
        From the settings.
    district : str
        `District.code`.

    Returns
    -------
    Casebook
        One case for each alert that stands, or about which a person did something.
    """
    versions: dict[str, list[Said]] = {}
    for each in said:
        versions.setdefault(each.site_id, []).append(each)
    done: dict[str, list[tuple[Event, Mapping[str, Any]]]] = {}
    unread = []
    for event in events:
        if event.kind not in _READ:
            continue
        try:
            body = json.loads(event.body)
            site_id = body["site_id"]
            if site_id in versions:
                done.setdefault(site_id, []).append((event, body))
        except (ValueError, KeyError, TypeError, RecursionError):
            unread.append(f"event {event.seq}, {event.kind}: names no site")
    cases = []
    for site_id, of in versions.items():
        happened = done.get(site_id, [])
        touched = any(event.kind in _OF_PEOPLE for event, _ in happened)
        if of[0].alert_id not in standing and not touched:
            continue
        case = _opened(of, rules, district)
        for event, body in happened:
            try:
                case = _STEPS[event.kind](case, event, body)
            except (ContractError, KeyError, TypeError, ValueError) as error:
                unread.append(f"event {event.seq}, {event.kind}: {error}")
        cases.append(_settled(case, of, stands=case.alert_id in standing))
    cases.sort(key=lambda case: (not case.clock_runs, case.due, case.site_id))
    return Casebook(cases=tuple(cases), unread=tuple(unread))


def overdue(cases: Iterable[Case], today: date) -> tuple[Case, ...]:
    """
    List what should have been handled by now.

    Parameters
    ----------
    cases : iterable of Case
        Cases.
    today : date
        In Asia/Shanghai.

    Returns
    -------
    tuple of Case
        The longest overdue first.
    """
    late = [case for case in cases if case.days_overdue(today) > 0]
    return tuple(sorted(late, key=lambda case: (case.due, case.site_id)))


def shanghai_day(instant: datetime) -> date:
    """
    Give the day of an instant as bureaus count it.

    Parameters
    ----------
    instant : datetime
        Timezone-aware.

    Returns
    -------
    date
        In Asia/Shanghai.
    """
    return instant.astimezone(SHANGHAI).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Who does something about a case, when and why."""

    who: str
    """Person."""

    at: datetime
    """When, timezone-aware UTC."""

    why: str
    """Reason."""

    def __post_init__(self) -> None:
        require_text(self.who, "who")
        require_text(self.why, "why")


def assign(
    case: Case,
    act: Act,
    rules: CaseRules,
    *,
    handler: str,
    level: Level,
    due: date | None = None,
) -> EventDraft | None:
    """
    Give a case to a handler; one that was closed is opened again.

    Parameters
    ----------
    case : Case
        The case as it is.
    act : Act
        Who, when and why.
    rules : CaseRules
        From the settings.
    handler : str
        Person or office.
    level : Level
        Of which level.
    due : date, optional
        By when; by default so many days from the act as the rules say.

    Returns
    -------
    EventDraft or None
        None if the handler has it already, at that level and with that due date.

    Raises
    ------
    ContractError
        If the alert stands no more, the due date is past, or a text is none.
    """
    _require_standing(case)
    require_text(handler, "handler")
    today = shanghai_day(act.at)
    open_ = case.state not in {CaseState.CLOSED, CaseState.TRANSFERRED}
    same = open_ and (case.handler, case.level) == (handler, level)
    if same and due in {None, case.due}:
        return None
    wanted = due or today + timedelta(days=rules.due_days)
    if wanted < today:
        raise ContractError(
            f"due {wanted} lies before today, {today} in Asia/Shanghai; give a day to "
            "come"
        )
    if same and wanted > case.due:
        raise ContractError(
            f"case {case.site_id} is due on {case.due}; a later day is an extension: "
            "use 'rsmonitor cases extend' and say why"
        )
    return _draft(
        EventKind.ASSIGNED,
        case,
        act,
        handler=handler,
        level=level.value,
        due=wanted.isoformat(),
    )


def extend(case: Case, act: Act, *, due: date) -> EventDraft | None:
    """
    Put the due date of a case off.

    Parameters
    ----------
    case : Case
        The case as it is.
    act : Act
        Who, when and why.
    due : date
        The new due date.

    Returns
    -------
    EventDraft or None
        None if it is due then already.

    Raises
    ------
    ContractError
        If the clock of the case does not run, or the day is not later.
    """
    if due == case.due:
        return None
    if not case.clock_runs:
        raise ContractError(
            f"case {case.site_id} is {case.state.value}: nothing is due any more; "
            "assign it again to open it"
        )
    if due < case.due:
        raise ContractError(
            f"case {case.site_id} is due on {case.due}; {due} would be earlier and no "
            "extension"
        )
    return _draft(EventKind.EXTENDED, case, act, due=due.isoformat())


def inspect(
    case: Case, act: Act, *, inspector: str, level: Level, on: date, found: str
) -> EventDraft | None:
    """
    Report a visit.

    Parameters
    ----------
    case : Case
        The case as it is.
    act : Act
        Who reports it, when and why.
    inspector : str
        The named person who was there.
    level : Level
        Of which level.
    on : date
        Day of the visit, Asia/Shanghai.
    found : str
        What was found.

    Returns
    -------
    EventDraft or None
        None if that visit was reported already with these words.

    Raises
    ------
    ContractError
        If the day is yet to come, or a text is none.
    """
    require_text(inspector, "inspector")
    require_text(found, "found")
    if on > shanghai_day(act.at):
        raise ContractError(f"inspected on {on}: that day is yet to come")
    visit = (inspector, level, on, found)
    if any((i.inspector, i.level, i.on, i.found) == visit for i in case.inspections):
        return None
    return _draft(
        EventKind.INSPECTED,
        case,
        act,
        inspector=inspector,
        level=level.value,
        on=on.isoformat(),
        found=found,
    )


def transfer(
    case: Case, act: Act, *, to: Authority, document: str = ""
) -> EventDraft | None:
    """
    Hand a case over to another authority.

    Parameters
    ----------
    case : Case
        The case as it is.
    act : Act
        Who, when and why.
    to : Authority
        To whom.
    document : str, optional
        Number of the letter.

    Returns
    -------
    EventDraft or None
        None if that authority has it already, by that letter.

    Raises
    ------
    ContractError
        If the case is closed, or a text is none.
    """
    require_text(document, "document", may_be_empty=True)
    # another letter to the same authority is another transfer
    if case.state in {CaseState.TRANSFERRED, CaseState.CLOSED} and any(
        t.to is to and document in {"", t.document} for t in case.transfers
    ):
        return None
    if case.state is CaseState.CLOSED:
        raise ContractError(
            f"case {case.site_id} is closed; assign it again before it is transferred"
        )
    return _draft(EventKind.TRANSFERRED, case, act, to=to.value, document=document)


def close(
    case: Case, act: Act, *, handling: Handling, document: str = ""
) -> EventDraft | None:
    """
    Close a case.

    Parameters
    ----------
    case : Case
        The case as it is.
    act : Act
        Who, when and why.
    handling : Handling
        How it was handled.
    document : str, optional
        Number of the file.

    Returns
    -------
    EventDraft or None
        None if it was closed like that already; what changed since needs an
        assignment first.

    Raises
    ------
    ContractError
        If it was closed otherwise, the province has yet to check it on site, or it is
        said to be transferred and is not.
    """
    require_text(document, "document", may_be_empty=True)
    if case.state is CaseState.CLOSED and case.closing is not None:
        if case.closing.handling is handling and document in {
            "",
            case.closing.document,
        }:
            return None
        zh, en = HANDLING_LABELS[case.closing.handling]
        raise ContractError(
            f"case {case.site_id} was closed as {zh} ({en}); assign it again to open it"
        )
    if case.province_check is ProvinceCheck.DUE:
        raise ContractError(
            f"case {case.site_id} has {case.area_mu:.2f} mu (亩): the province must "
            "check it on site first, by a named person; report that with 'rsmonitor "
            "cases inspect --level province --inspector NAME'"
        )
    if handling is Handling.TRANSFERRED and not case.transfers:
        names = ", ".join(f"{a.value} {zh}" for a, (zh, _) in AUTHORITY_LABELS.items())
        raise ContractError(
            f"case {case.site_id} was transferred to nobody; say to whom with "
            f"'rsmonitor cases transfer --to ...': {names}"
        )
    return _draft(
        EventKind.CLOSED, case, act, handling=handling.value, document=document
    )


def _draft(kind: EventKind, case: Case, act: Act, **said: str) -> EventDraft:
    """Make an event of an act."""
    return EventDraft(
        kind=kind,
        at=act.at,
        who=act.who,
        body={"site_id": case.site_id, "why": act.why, **said},
    )


def _require_standing(case: Case) -> None:
    """Refuse to give away what is no alert any more."""
    if case.state is CaseState.ENDED:
        where = f"; its case goes on as {case.merged_into}" if case.merged_into else ""
        raise ContractError(f"the alert of {case.site_id} stands no more{where}")


def _opened(of: Sequence[Said], rules: CaseRules, district: str) -> Case:
    """Begin a case with its alert."""
    first = of[0]
    area_m2 = max(each.area_m2 for each in of)
    case = Case(
        site_id=first.site_id,
        alert_id=first.alert_id,
        district=district,
        area_m2=area_m2,
        opened=first.at,
        state=CaseState.NEW,
        due=shanghai_day(first.at) + timedelta(days=rules.due_days),
        province_check=ProvinceCheck.NOT_NEEDED,
    )
    if case.area_mu >= rules.province_check_mu:
        return replace(case, province_check=ProvinceCheck.DUE)
    return case


def _settled(case: Case, of: Sequence[Said], *, stands: bool) -> Case:
    """Finish a case: what the imagery says now."""
    case = replace(case, standing=stands)
    if case.closing is not None:
        closed = case.closing.at
        known = max((each.version for each in of if each.at <= closed), default=0)
        return replace(case, changed_since=max(e.version for e in of) > known)
    return case if stands else replace(case, state=CaseState.ENDED)


def _assigned(case: Case, event: Event, body: Mapping[str, Any]) -> Case:
    """Give it to a handler, and open it where it was closed."""
    del event
    return replace(
        case,
        handler=require_text(body["handler"], "handler"),
        level=choose(Level, body["level"], "level"),
        due=day_of(body["due"], "due"),
        assigned_why=str(body.get("why", "")),
        state=CaseState.ASSIGNED,
        closing=None,
    )


def _extended(case: Case, event: Event, body: Mapping[str, Any]) -> Case:
    """Put the due date off."""
    due = day_of(body["due"], "due")
    put_off = Extension(due=due, why=body["why"], who=event.who, at=_at(event))
    return replace(case, due=due, extensions=(*case.extensions, put_off))


def _inspected(case: Case, event: Event, body: Mapping[str, Any]) -> Case:
    """Add a visit; a finding that was imported says it in other words."""
    at = _at(event)
    on = body.get("on") or body.get("judged_on")
    words = (body.get("verdict"), body.get("note"))
    visit = Inspection(
        inspector=str(body.get("inspector") or body.get("judged_by") or event.who),
        level=choose(Level, body.get("level", Level.COUNTY.value), "level"),
        on=day_of(on, "on") if on else shanghai_day(at),
        found=str(body.get("found") or ": ".join(str(word) for word in words if word)),
        who=event.who,
        at=at,
    )
    waiting = case.state in {CaseState.NEW, CaseState.ASSIGNED}
    # only a person by name counts, not whoever typed it in
    checked = visit.level is Level.PROVINCE and bool(body.get("inspector"))
    needed = case.province_check is not ProvinceCheck.NOT_NEEDED
    return replace(
        case,
        inspections=(*case.inspections, visit),
        state=CaseState.INSPECTED if waiting else case.state,
        province_check=ProvinceCheck.DONE
        if checked and needed
        else case.province_check,
    )


def _transferred(case: Case, event: Event, body: Mapping[str, Any]) -> Case:
    """Hand it over."""
    handed = Transfer(
        to=choose(Authority, body["to"], "to"),
        document=str(body.get("document", "")),
        why=body["why"],
        who=event.who,
        at=_at(event),
    )
    return replace(
        case, transfers=(*case.transfers, handed), state=CaseState.TRANSFERRED
    )


def _closed(case: Case, event: Event, body: Mapping[str, Any]) -> Case:
    """Close it."""
    closing = Closing(
        handling=choose(Handling, body["handling"], "handling"),
        document=str(body.get("document", "")),
        why=body["why"],
        who=event.who,
        at=_at(event),
    )
    return replace(case, closing=closing, state=CaseState.CLOSED)


def _merged(case: Case, event: Event, body: Mapping[str, Any]) -> Case:
    """Say where its case goes on."""
    del event
    return replace(case, merged_into=str(body["merged_into"]))


def _at(event: Event) -> datetime:
    """Read when an event was recorded."""
    return datetime.fromisoformat(event.at)


_STEPS: Final[Mapping[str, Callable[[Case, Event, Mapping[str, Any]], Case]]] = {
    EventKind.ASSIGNED.value: _assigned,
    EventKind.EXTENDED.value: _extended,
    EventKind.INSPECTED.value: _inspected,
    EventKind.TRANSFERRED.value: _transferred,
    EventKind.CLOSED.value: _closed,
    EventKind.MERGED.value: _merged,
}
"""What each kind of event does to a case."""

_READ: Final = frozenset(_STEPS)
_OF_PEOPLE: Final = _READ - {EventKind.MERGED.value}
