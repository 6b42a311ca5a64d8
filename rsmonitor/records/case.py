"""What became of an alert in the hands of people: who, by when, and how it ended.

Imagery says what a site is; people say what was done about it. Both stand in the one
chain of events, and a case is what those events add up to.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

from rsmonitor.errors import ContractError
from rsmonitor.records.event import EventKind

M2_PER_MU: Final = 10_000 / 15
"""As in `rsmonitor.records.alert`, which would bring all of xarray with it; the words
of this module stand in the help of the command line."""

LONGEST_TEXT: Final = 2000
"""Characters that a name, a reason or a finding may have."""


class Level(StrEnum):
    """Which level of the administration works on a case, or was there."""

    COUNTY = "county"
    PREFECTURE = "prefecture"
    PROVINCE = "province"


LEVEL_LABELS: Final[Mapping[Level, tuple[str, str]]] = {
    Level.COUNTY: ("县级", "county"),
    Level.PREFECTURE: ("市级", "prefecture"),
    Level.PROVINCE: ("省级", "province"),
}
"""Chinese and English label of each level."""


class Handling(StrEnum):
    """How a case was handled, in the words of the parcel enforcement."""

    FILED = "filed"
    """A case of law was opened."""

    NOT_FILED = "not_filed"
    """It was dealt with, but not as a case of law."""

    NO_ACTION = "no_action"
    """Nothing had to be done; the reason must say why."""

    TRANSFERRED = "transferred"
    """Another authority has it."""


HANDLING_LABELS: Final[Mapping[Handling, tuple[str, str]]] = {
    Handling.FILED: ("立案", "filed"),
    Handling.NOT_FILED: ("非立案处理", "dealt with, not filed"),
    Handling.NO_ACTION: ("不处理", "no action"),
    Handling.TRANSFERRED: ("移送", "transferred"),
}
"""Chinese and English label of each way of handling."""


class Authority(StrEnum):
    """To whom a case can be transferred."""

    PUBLIC_SECURITY = "public_security"
    ECOLOGY = "ecology"
    FORESTRY = "forestry"
    EMERGENCY = "emergency"


AUTHORITY_LABELS: Final[Mapping[Authority, tuple[str, str]]] = {
    Authority.PUBLIC_SECURITY: ("公安", "public security"),
    Authority.ECOLOGY: ("生态环境", "ecology and environment"),
    Authority.FORESTRY: ("林业", "forestry"),
    Authority.EMERGENCY: ("应急", "emergency management"),
}
"""Chinese and English label of each authority."""


class CaseState(StrEnum):
    """Where a case stands."""

    NEW = "new"
    """Nobody has it yet."""

    ASSIGNED = "assigned"
    """A handler has it."""

    INSPECTED = "inspected"
    """Somebody was there; it is not closed."""

    TRANSFERRED = "transferred"
    """Another authority has it."""

    CLOSED = "closed"
    """It was handled, and why is said."""

    ENDED = "ended"
    """The alert stands no more: withdrawn, or its site became part of another."""


CASE_STATE_LABELS: Final[Mapping[CaseState, tuple[str, str]]] = {
    CaseState.NEW: ("待交办", "not assigned"),
    CaseState.ASSIGNED: ("已交办", "assigned"),
    CaseState.INSPECTED: ("已核查", "inspected"),
    CaseState.TRANSFERRED: ("已移送", "transferred"),
    CaseState.CLOSED: ("已结案", "closed"),
    CaseState.ENDED: ("已失效", "alert stands no more"),
}
"""Chinese and English label of each state."""


class ProvinceCheck(StrEnum):
    """Whether the province must look on site, and did."""

    NOT_NEEDED = "not needed"
    DUE = "due"
    DONE = "done"


PROVINCE_CHECK_LABELS: Final[Mapping[ProvinceCheck, tuple[str, str]]] = {
    ProvinceCheck.NOT_NEEDED: (
        "无须省级实地核查",
        "the province need not check on site",
    ),
    ProvinceCheck.DUE: (
        "须省级实地核查并明确责任人",
        "the province must check on site, with a named person",
    ),
    ProvinceCheck.DONE: ("省级已实地核查", "the province has checked on site"),
}
"""Chinese and English label of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRules:
    """What the settings say about cases."""

    due_days: int = 30
    """Days from the alert, or from its assignment, until a case is due."""

    province_check_mu: float = 10.0
    """Area from which the province must check on site, mu (the rule of 2023)."""

    def __post_init__(self) -> None:
        longest = 3650
        if not 1 <= self.due_days <= longest:
            raise ContractError(
                f"cases.due_days must be 1 to {longest}, got {self.due_days}"
            )
        if not 0 <= self.province_check_mu < float("inf"):
            raise ContractError(
                "cases.province_check_mu must be finite and not negative, got "
                f"{self.province_check_mu}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One version of an alert, as far as its case needs it."""

    alert_id: str
    """`Alert.alert_id`."""

    site_id: str
    """`Site.site_id`."""

    version: int
    """`Alert.version`."""

    area_m2: float
    """Area of the site in that version, square metres."""

    at: datetime
    """When the run that said so was committed, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """A due date that was put off."""

    due: date
    """The new one."""

    why: str
    """Reason."""

    who: str
    """Who allowed it."""

    at: datetime
    """When, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """A visit, and what was found."""

    inspector: str
    """The named person who was there."""

    level: Level
    """Of which level."""

    on: date
    """Day of the visit."""

    found: str
    """What was found; empty where whoever wrote the event said it otherwise."""

    who: str
    """Who reported it."""

    at: datetime
    """When it was reported, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """A case in the hands of another authority."""

    to: Authority
    """Which."""

    document: str
    """Number of the letter; empty if none was given."""

    why: str
    """Reason."""

    who: str
    """Who sent it."""

    at: datetime
    """When, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """How a case ended."""

    handling: Handling
    """How it was handled."""

    document: str
    """Number of the file; empty if none was given."""

    why: str
    """Reason."""

    who: str
    """Who closed it."""

    at: datetime
    """When, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One alert in the hands of people."""

    site_id: str
    """Which site."""

    alert_id: str
    """Its alert."""

    district: str
    """`District.code`."""

    area_m2: float
    """The largest area that the alert ever had, square metres."""

    opened: datetime
    """When the alert was first committed, UTC."""

    state: CaseState
    """Where it stands."""

    due: date
    """Day by which it is to be handled, Asia/Shanghai."""

    province_check: ProvinceCheck
    """Whether the province must look on site, and did."""

    level: Level = Level.COUNTY
    """Who works on it."""

    handler: str | None = None
    """Person or office; None while nobody has it."""

    assigned_why: str = ""
    """Why that handler, at that level."""

    extensions: tuple[Extension, ...] = ()
    """Oldest first."""

    inspections: tuple[Inspection, ...] = ()
    """Oldest first."""

    transfers: tuple[Transfer, ...] = ()
    """Oldest first."""

    closing: Closing | None = None
    """How it ended; None while it has not, and once it was assigned again."""

    changed_since: bool = False
    """True if the alert has a new version since the case was closed."""

    standing: bool = True
    """Whether the alert stands now."""

    merged_into: str | None = None
    """The site that this one became part of, and whose case goes on."""

    def __post_init__(self) -> None:
        if (self.state is CaseState.CLOSED) and self.closing is None:
            raise ContractError(f"case {self.site_id} is closed, but nothing says how")
        if self.changed_since and self.closing is None:
            raise ContractError(
                f"case {self.site_id} cannot have changed since a closing that is not"
            )

    @property
    def area_mu(self) -> float:
        """The largest area that the alert ever had, mu."""
        return self.area_m2 / M2_PER_MU

    @property
    def clock_runs(self) -> bool:
        """Whether somebody still has to do something by the due date."""
        if self.state is CaseState.TRANSFERRED:
            return self.province_check is ProvinceCheck.DUE
        return self.state not in {CaseState.CLOSED, CaseState.ENDED}

    def days_overdue(self, today: date) -> int:
        """
        Count the days since the case was due.

        Parameters
        ----------
        today : date
            In Asia/Shanghai.

        Returns
        -------
        int
            0 on the due date and before, and once the clock has stopped.
        """
        return max(0, (today - self.due).days) if self.clock_runs else 0


def check_values(kind: EventKind, body: Mapping[str, Any]) -> None:
    """
    Refuse what a person did to a case if a value is none of those that it may have.

    What is in the chain stays there for ever, so it is looked at before.

    Parameters
    ----------
    kind : EventKind
        What happened; only events of cases are looked at.
    body : Mapping of str to JSON values
        What it says; the keys are known to be there.

    Raises
    ------
    ContractError
        If a value is wrong; the message names the key, the value and the rule.
    """
    if kind not in _CHECKED:
        return
    for key, value in body.items():
        if key in _CHOICES:
            choose(_CHOICES[key].get(kind, str), value, key)
        elif key in {"due", "on"}:
            day_of(value, key)
    for key in ("site_id", "handler", "why", "inspector", "found", "document"):
        if key in body:
            require_text(body[key], key, may_be_empty=key == "document")


def choose(kind: type[StrEnum] | type[str], value: object, key: str) -> Any:  # noqa: ANN401
    """
    Read one of a few words.

    Parameters
    ----------
    kind : type
        The enumeration, or ``str`` where any text will do.
    value : object
        What was given.
    key : str
        Name of the value, for the message.

    Returns
    -------
    StrEnum or str
        The member.

    Raises
    ------
    ContractError
        If it is none of them.
    """
    if not issubclass(kind, StrEnum):
        return require_text(value, key)
    try:
        return kind(value)  # type: ignore[arg-type]  # refused below
    except ValueError as error:
        raise ContractError(
            f"{key} must be one of {', '.join(kind)}, got {value!r}"
        ) from error


def day_of(value: object, key: str) -> date:
    """
    Read a day.

    Parameters
    ----------
    value : object
        Text such as ``2026-12-31``.
    key : str
        Name of the value, for the message.

    Returns
    -------
    date
        The day.

    Raises
    ------
    ContractError
        If it is none.
    """
    try:
        day = date.fromisoformat(value)  # type: ignore[arg-type]  # caught below
    except (TypeError, ValueError) as error:
        raise ContractError(
            f"{key} must be a day, 2026-12-31, got {value!r}"
        ) from error
    if day.isoformat() != value:
        raise ContractError(f"{key} must be a day like 2026-12-31, got {value!r}")
    return day


def require_text(value: object, key: str, *, may_be_empty: bool = False) -> str:
    """
    Refuse what is no name, reason or finding.

    Parameters
    ----------
    value : object
        What was given.
    key : str
        Name of the value, for the message.
    may_be_empty : bool, default False
        True where nothing may be said.

    Returns
    -------
    str
        The text.

    Raises
    ------
    ContractError
        If it is no text, empty, too long, or holds a control character other than a
        new line.
    """
    if not isinstance(value, str):
        raise ContractError(f"{key} must be a text, got {value!r}")
    if not may_be_empty and not value.strip():
        raise ContractError(f"{key} is empty: say it")
    if len(value) > LONGEST_TEXT:
        raise ContractError(
            f"{key} has {len(value)} characters, at most {LONGEST_TEXT} are kept; put "
            "the rest into a document and name it"
        )
    # surrogates too: UTF-8 cannot hold them
    odd = [c for c in value if unicodedata.category(c) in {"Cc", "Cs"} and c != "\n"]
    if odd:
        raise ContractError(
            f"{key} holds the control character {odd[0]!r}, which no text needs; "
            "leave it out"
        )
    return value


_CHECKED: Final = frozenset(
    {
        EventKind.ASSIGNED,
        EventKind.EXTENDED,
        EventKind.TRANSFERRED,
        EventKind.CLOSED,
    }
)
"""Kinds whose every value is known here; the others are known where they are made."""

_CHOICES: Final[Mapping[str, Mapping[EventKind, type[StrEnum]]]] = {
    "level": {EventKind.ASSIGNED: Level},
    "handling": {EventKind.CLOSED: Handling},
    "to": {EventKind.TRANSFERRED: Authority},
}
"""Which words a key may hold, by kind."""
