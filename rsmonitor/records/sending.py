"""What leaves the house: a package for an area, and how far each of its letters is."""

import hashlib
import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, Self

from rsmonitor.errors import (
    EXIT_DONE,
    EXIT_PARTIAL,
    EXIT_UNREACHABLE,
    ContractError,
)
from rsmonitor.records.package import AREA_CODE, Language, Reason
from rsmonitor.records.week import IsoWeek

FOLDER: Final = ""
"""The recipient of a parcel that goes nowhere but into the folder of packages."""

_SHA256: Final = re.compile(r"[0-9a-f]{64}")

_PERSON: Final = re.compile(r"[^\s<>@\"',;:()]+@[^\s<>@\"',;:()]+")


class SendingState(StrEnum):
    """How far a parcel is on its way to one recipient."""

    PLANNED = "planned"
    """It is to go out; nothing was tried."""

    ATTEMPTING = "attempting"
    """It is being handed over just now, or whoever did it died: then nobody knows
    whether the server took it."""

    ACCEPTED = "accepted"
    """The server took it, or it was published in the folder."""

    WAITING = "waiting"
    """It did not go out for now; the next run tries again."""

    REFUSED = "refused"
    """The server will not take it; only a person can ask again."""

    SUPERSEDED = "superseded"
    """A later revision of the same week goes out in its place."""


UNFINISHED: Final = (
    SendingState.PLANNED,
    SendingState.ATTEMPTING,
    SendingState.WAITING,
)
"""States from which a parcel may still go out without being asked for again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """One version of an alert that a parcel holds."""

    site_id: str
    """`Site.site_id`."""

    alert_id: str
    """`Alert.alert_id`."""

    version: int
    """`Alert.version`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A package that is built, and what the letter around it says."""

    area: str
    """`Area.code` of who receives it."""

    name_zh: str
    """`Area.name_zh`."""

    name_en: str
    """`Area.name_en`."""

    bureau: str = ""
    """`Area.bureau`."""

    week: IsoWeek
    """The week."""

    revision: int = 1
    """Counts from 1; a package that was corrected after it went out has the next."""

    run_ids: tuple[str, ...]
    """`RunRecord.run_id` of the runs behind it."""

    zip: str
    """Path of the archive: relative to the folder of packages, or absolute."""

    sha256: str
    """SHA-256 of the archive, in hexadecimal."""

    report: str = ""
    """Path of the report for people, as `zip`; empty where there is none."""

    language: Language = "zh"
    """In which language its letter is written."""

    standing: int
    """Standing alerts."""

    new: int
    """Of those, named for the first time."""

    changed: int
    """Of those, changed since the week before."""

    lines: tuple[Reason, ...] = ()
    """What to look at first, the weightiest first."""

    unseen: tuple[Reason, ...] = ()
    """What was not observed."""

    invented: bool = False
    """True where any licence is invented."""

    alerts: tuple[Named, ...] = ()
    """Every alert that it holds."""

    def __post_init__(self) -> None:
        if not AREA_CODE.fullmatch(self.area):
            raise ContractError(
                f"the code of an area must match {AREA_CODE.pattern}, got {self.area!r}"
            )
        if self.revision < 1:
            raise ContractError(f"a revision counts from 1, got {self.revision}")
        if not self.run_ids or not all(self.run_ids):
            raise ContractError("a parcel names the runs behind it")
        if not _SHA256.fullmatch(self.sha256):
            raise ContractError(f"sha256 must be SHA-256 in hex, got {self.sha256!r}")
        if not self.zip:
            raise ContractError("a parcel names its archive")
        if min(self.standing, self.new, self.changed) < 0:
            raise ContractError(
                "counts must not be negative, got "
                f"{self.standing}, {self.new} and {self.changed}"
            )

    @property
    def key(self) -> str:
        """What goes out once to each recipient: area, week, runs and revision."""
        runs = hashlib.sha256("\n".join(sorted(self.run_ids)).encode()).hexdigest()
        return f"{self.week}/{self.area}/{runs[:16]}/{self.revision}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One parcel on its way to one recipient."""

    key: str
    """`Parcel.key`."""

    area: str
    """`Area.code`."""

    week: IsoWeek
    """The week."""

    recipient: str
    """Mail address, or `FOLDER`."""

    series: int = 0
    """How often a person asked for it again."""

    attempt: int = 0
    """Attempts of this series."""

    state: SendingState
    """How far it is."""

    doubtful: bool = False
    """True where an attempt of this series may have been taken although no answer was
    recorded: the next letter says that it may be a repeat."""

    resent: bool = False
    """True where an earlier series was taken, or may have been."""

    message_id: str
    """``Message-ID`` of every letter of this series."""

    at: datetime | None = None
    """When it came into this state, UTC; None before the first attempt."""

    said: str = ""
    """What the server replied, or why it waits or was refused."""

    next_try: datetime | None = None
    """From when on another attempt makes sense, UTC; None where it does not wait."""

    def __post_init__(self) -> None:
        if self.series < 0 or self.attempt < 0:
            raise ContractError(
                f"series and attempt count from 0, got {self.series} and {self.attempt}"
            )
        if self.attempt == 0 and (
            self.doubtful or self.state is SendingState.ATTEMPTING
        ):
            raise ContractError(
                f"{self.key}: without an attempt nothing is {self.state.value} or "
                "doubtful"
            )

    def attempting(self, *, at: datetime) -> Self:
        """
        Give it as it is just before the server may take it.

        Parameters
        ----------
        at : datetime
            The time, UTC.

        Returns
        -------
        Sending
            With one attempt more.

        Raises
        ------
        ContractError
            If it is being handed over already, or finished.
        """
        self._require(SendingState.PLANNED, SendingState.WAITING)
        return replace(
            self,
            state=SendingState.ATTEMPTING,
            attempt=self.attempt + 1,
            at=at,
            next_try=None,
        )

    def accepted(self, *, said: str, at: datetime) -> Self:
        """
        Give it as it is once it was taken.

        Parameters
        ----------
        said : str
            What the server replied.
        at : datetime
            The time, UTC.

        Returns
        -------
        Sending
            Finished.

        Raises
        ------
        ContractError
            If nothing was handed over.
        """
        self._require(SendingState.ATTEMPTING)
        return replace(self, state=SendingState.ACCEPTED, said=said, at=at)

    def refused(self, *, said: str, at: datetime) -> Self:
        """
        Give it as it is once it was refused for good.

        Parameters
        ----------
        said : str
            Why.
        at : datetime
            The time, UTC.

        Returns
        -------
        Sending
            Finished.

        Raises
        ------
        ContractError
            If it was finished already.
        """
        self._require(*UNFINISHED)
        return replace(
            self,
            state=SendingState.REFUSED,
            attempt=self._counted,
            said=said,
            at=at,
            next_try=None,
        )

    def waiting(
        self,
        *,
        said: str,
        at: datetime | None = None,
        next_try: datetime | None = None,
        unanswered: bool = False,
        tried: bool = True,
    ) -> Self:
        """
        Give it as it is when it did not go out for now.

        Parameters
        ----------
        said : str
            Why.
        at : datetime, optional
            The time, UTC; else it stays that of the attempt.
        next_try : datetime, optional
            From when on another attempt makes sense, UTC; at once where it is not said.
        unanswered : bool, default False
            True where all of it was handed over and no answer came: it may have been
            taken.
        tried : bool, default True
            False where the server was not even asked.

        Returns
        -------
        Sending
            Waiting.

        Raises
        ------
        ContractError
            If it was finished already, or nothing was handed over that could be
            unanswered.
        """
        self._require(*((SendingState.ATTEMPTING,) if unanswered else UNFINISHED))
        return replace(
            self,
            state=SendingState.WAITING,
            attempt=self._counted if tried else self.attempt,
            doubtful=self.doubtful or unanswered,
            said=said,
            at=at or self.at,
            next_try=next_try,
        )

    @property
    def _counted(self) -> int:
        """Attempts, with one that ended before anything was handed over."""
        return self.attempt + (self.state is not SendingState.ATTEMPTING)

    def _require(self, *states: SendingState) -> None:
        """Refuse what cannot follow."""
        if self.state not in states:
            raise ContractError(
                f"{self.key} to {self.shown} is {self.state.value}, not "
                f"{' or '.join(state.value for state in states)}"
            )

    @property
    def shown(self) -> str:
        """Who receives it, as logs may say it: without the name of a person."""
        return f"{self.area} ({hidden_address(self.recipient) or 'folder'})"

    @property
    def why(self) -> str:
        """What the server replied, as logs may say it: it may repeat the address."""
        return _PERSON.sub(lambda found: hidden_address(found[0]), self.said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of what was to go out."""

    accepted: tuple[Sending, ...] = ()
    """What was taken in this call."""

    waiting: tuple[Sending, ...] = ()
    """What the next run tries again."""

    refused: tuple[Sending, ...] = ()
    """What the server refused, in this call or before it."""

    before: int = 0
    """How many letters of the same parcels had been taken before this call."""

    events: int = 0
    """How many events were added to the ledger."""

    unreachable: bool = False
    """True where the server could not be reached, or not over TLS that can be
    trusted."""

    notes: tuple[str, ...] = ()
    """What is worth telling, one sentence each; no address of a person."""

    @property
    def exit_code(self) -> int:
        """
        Say how the command ends.

        Returns
        -------
        int
            0 if all of it went out; 5 if nothing did because the server cannot be
            reached; else 1.
        """
        if not (self.waiting or self.refused):
            return EXIT_DONE
        if self.unreachable and not self.accepted:
            return EXIT_UNREACHABLE
        return EXIT_PARTIAL

    @property
    def lines(self) -> tuple[str, ...]:
        """
        Say for people what became of all of it.

        Returns
        -------
        tuple of str
            One sentence each; no address in full.
        """
        counted = (
            f"{len(self.accepted)} sent now, {self.before} sent before, "
            f"{len(self.waiting)} waiting, {len(self.refused)} refused"
        )
        return (
            counted,
            *self.notes,
            *(f"{each.week} to {each.shown}: sent" for each in self.accepted),
            *(
                f"{each.week} to {each.shown} waits: {each.why}"
                for each in self.waiting
            ),
            *(
                f"{each.week} to {each.shown} was refused: {each.why}"
                for each in self.refused
            ),
        )


def message_id_of(key: str, recipient: str, series: int, *, domain: str) -> str:
    """
    Name the letters of one series, always the same.

    Parameters
    ----------
    key : str
        `Parcel.key`.
    recipient : str
        Mail address.
    series : int
        `Sending.series`.
    domain : str
        Of the sender.

    Returns
    -------
    str
        A ``Message-ID`` in angle brackets; nothing of the address can be read in it.

    Examples
    --------
    >>> message_id_of("k", "a@b.example", 0, domain="c.example")
    '<35090143a3f97df53c017d557ca33c0dcf3da3e8@c.example>'
    """
    # no part may hold a NUL, so no two different triples give one text
    text = "\0".join((key, recipient, str(series)))
    return f"<{hashlib.sha256(text.encode()).hexdigest()[:40]}@{domain}>"


def hidden_address(address: str) -> str:
    """
    Give a mail address as logs may say it.

    Parameters
    ----------
    address : str
        A mail address, or an empty text.

    Returns
    -------
    str
        Its first letter and its domain.

    Examples
    --------
    >>> hidden_address("zhang.san@bureau.example")
    'z***@bureau.example'
    """
    name, sign, domain = address.rpartition("@")
    return f"{name[:1]}***@{domain}" if sign else ""
