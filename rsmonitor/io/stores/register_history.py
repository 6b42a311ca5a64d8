"""What happened to the register: one entry for every act, never changed afterwards."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from rsmonitor.errors import ContractError
from rsmonitor.records.licence import Licence, LicenceKind

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class Act(StrEnum):
    """What a person can do to the register."""

    IMPORT = "import"
    """Licences were taken from a file."""

    PRODUCING = "producing"
    """A published list of producing mines was taken from a file."""

    COMPLETE = "complete"
    """A kind was declared complete in a county."""

    ACCEPT = "accept"
    """What looked wrong was accepted, with a reason."""

    WITHDRAW = "withdraw"
    """An earlier entry was made void."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What a file was understood to say, ready for the register."""

    file: str
    """Name of the file, without its folder."""

    sha256: str
    """Digest of its bytes, hexadecimal."""

    kind: LicenceKind
    """Kind that it was delivered as."""

    licences: tuple[Licence, ...]
    """What can be used."""

    refused: tuple[str, ...] = ()
    """What cannot, each with its reason: until it is put right, the register is not
    whole."""

    military: tuple[str, ...] = ()
    """Parcels that are military and never imported, each with its reason."""

    def __post_init__(self) -> None:
        if not self.file:
            raise ContractError("Delivery.file is empty")
        if not _DIGEST.fullmatch(self.sha256):
            raise ContractError(
                f"Delivery.sha256 must be 64 hexadecimal digits, got {self.sha256!r}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A reason to think that a layer is wrong."""

    code: str
    """``empty``, ``expired``, ``half`` or ``elsewhere``."""

    reason: str
    """One sentence with the numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One act on the register, as its history keeps it."""

    number: int
    """Counted from 1."""

    at: datetime
    """When, timezone-aware UTC."""

    by: str
    """Who did it."""

    act: Act
    """What was done."""

    file: str = ""
    """Name of the file, where there is one."""

    sha256: str = ""
    """Digest of its bytes, hexadecimal."""

    kind: str = ""
    """`LicenceKind` value, where the act is of one."""

    count: int = 0
    """Licences in the file; numbers on a list."""

    added: int = 0
    """Licences that the register did not know."""

    changed: tuple[str, ...] = ()
    """Licences of which a boundary or a date changed: ``C1 version 1 -> 2``."""

    amended: tuple[str, ...] = ()
    """Licences of which something else changed."""

    refused: tuple[str, ...] = ()
    """What could not be used."""

    military: int = 0
    """Parcels that are military and were not imported."""

    replaces: int | None = None
    """Number of the entry that this one makes void."""

    doubts: tuple[str, ...] = ()
    """Codes of the doubts that were accepted."""

    reason: str = ""
    """Why they were accepted, or why an entry was made void."""

    words: str = ""
    """What else there is to tell."""

    def __post_init__(self) -> None:
        if self.at.utcoffset() != timedelta(0):
            raise ContractError(f"an entry's time must be UTC, got {self.at!r}")
        if self.number < 1:
            raise ContractError(f"entries count from 1, got {self.number}")
        if not self.by.strip():
            raise ContractError("an entry of the register names who made it")
        if (self.doubts or self.act is Act.WITHDRAW) and not self.reason.strip():
            raise ContractError(
                f"entry {self.number} ({self.act.value}) needs a reason"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an import would do, or did."""

    added: tuple[Licence, ...]
    """Licences that the register does not know."""

    changed: tuple[tuple[Licence, Licence], ...]
    """Before and after, where a boundary or a date changes: a version."""

    amended: tuple[tuple[Licence, Licence], ...]
    """Before and after, where something else changes: the version stays."""

    unchanged: int
    """Licences that the register holds as they are."""

    absent: tuple[str, ...]
    """Numbers of this kind that the register holds and the file lacks: they stay."""

    gone: tuple[str, ...]
    """Numbers that only the replaced import gave: they go."""

    doubts: tuple[Doubt, ...]
    """Why the layer may be wrong."""

    same_as: Entry | None
    """The entry that imported the same bytes as the same kind, if there is one."""

    @property
    def changes(self) -> bool:
        """True if the register would say something else of a licence."""
        return bool(self.added or self.changed or self.amended or self.gone)


def standing(entries: Iterable[Entry], *, but: Iterable[int] = ()) -> tuple[Entry, ...]:
    """
    Leave out what later entries made void.

    Parameters
    ----------
    entries : iterable of Entry
        The history, oldest first.
    but : iterable of int, optional
        Numbers of entries that are about to be made void.

    Returns
    -------
    tuple of Entry
        Oldest first. An entry that is void voids nothing.
    """
    void = set(but)
    kept: list[Entry] = []
    for entry in reversed(tuple(entries)):
        if entry.number in void:
            continue
        if entry.replaces is not None:
            void.add(entry.replaces)
        kept.append(entry)
    return tuple(reversed(kept))


def refused_still(entries: Sequence[Entry]) -> tuple[str, ...]:
    """
    List what was refused and not put right since.

    Parameters
    ----------
    entries : sequence of Entry
        Those that stand, oldest first.

    Returns
    -------
    tuple of str
        What the last import of each file name and kind refused.
    """
    last: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        if entry.act is Act.IMPORT:
            last[entry.kind, entry.file] = entry
    return tuple(reason for entry in last.values() for reason in entry.refused)


def accepted_now(entries: Sequence[Entry]) -> dict[str, str]:
    """
    List the doubts that a person accepted for the register as it is.

    Parameters
    ----------
    entries : sequence of Entry
        Those that stand, oldest first.

    Returns
    -------
    dict of str to str
        Reason by `Doubt.code`, of acceptances at the last import or after it: an
        import makes a new layer, which nobody has looked at yet.
    """
    accepted: dict[str, str] = {}
    for entry in entries:
        if entry.act in {Act.IMPORT, Act.WITHDRAW}:
            accepted = {}
        accepted.update(dict.fromkeys(entry.doubts, entry.reason))
    return accepted
