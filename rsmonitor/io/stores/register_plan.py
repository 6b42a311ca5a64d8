"""A delivery held against the register: what is new, what changes, what looks wrong.

Nothing here reads or writes a file: `rsmonitor.io.stores.register_database` does, and
asks twice, once to show the plan and once inside the transaction that carries it out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon

from rsmonitor.errors import LicenceError
from rsmonitor.io.stores.register_doubts import doubts_of, require_accepted
from rsmonitor.io.stores.register_history import Act, Delivery, Entry, Plan, standing
from rsmonitor.io.stores.snapshot import said_by
from rsmonitor.records.licence import (
    SHANGHAI,
    Completeness,
    Licence,
    ProducingList,
)
from rsmonitor.stages.jurisdiction import County

_Key = tuple[str, str]

SAME_PLACE_DEGREES: Final = 1e-8
"""Boundaries nearer to each other than this, a millimetre, are the same boundary: no
format writes more, and two versions of one projection library make no new right."""

_ACCEPT_ADVICE: Final = (
    "Look at the file with 'rsmonitor licences check'. Where it is right after all, "
    "say why with --accept REASON, which the history keeps"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the register holds, or held at an instant."""

    history: tuple[Entry, ...] = ()
    """All entries, oldest first."""

    licences: tuple[tuple[int, Licence], ...] = ()
    """What was said of each licence, with the number of the entry that said it."""

    words: tuple[tuple[int, Completeness], ...] = ()
    """Declarations of completeness, in the same way."""

    lists: tuple[tuple[int, ProducingList], ...] = ()
    """Lists of producing mines, in the same way."""

    void: tuple[int, ...] = ()
    """Entries that are about to be made void."""

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Those that stand, oldest first."""
        return standing(self.history, but=self.void)

    def said(self) -> dict[_Key, list[Licence]]:
        """
        Give what stands of each licence.

        Returns
        -------
        dict
            By number and kind; oldest first.
        """
        numbers = {entry.number for entry in self.entries}
        found: dict[_Key, list[Licence]] = {}
        for number, licence in self.licences:
            if number in numbers:
                found.setdefault(_key(licence), []).append(licence)
        return found

    def current(self) -> dict[_Key, Licence]:
        """
        Give the last word on each licence.

        Returns
        -------
        dict
            By number and kind.
        """
        return {key: said[-1] for key, said in self.said().items()}

    def earlier(self) -> list[Licence]:
        """
        Give the last word on each version that a later one replaced.

        Returns
        -------
        list of Licence
            Of each licence in the order of its versions.
        """
        found = []
        for said in self.said().values():
            last_of = {licence.version: licence for licence in said}
            found += [last_of[number] for number in sorted(last_of)[:-1]]
        return found

    def completeness(self) -> tuple[Completeness, ...]:
        """
        Say where the register is declared complete.

        Returns
        -------
        tuple of Completeness
            Each declaration once.
        """
        numbers = {entry.number for entry in self.entries}
        words = (word for number, word in self.words if number in numbers)
        return tuple(dict.fromkeys(words))

    def producing(self) -> tuple[ProducingList, ...]:
        """
        Give the published lists of producing mines.

        Returns
        -------
        tuple of ProducingList
            The last of each year and publisher.
        """
        numbers = {entry.number for entry in self.entries}
        return tuple(
            {
                (listed.year, listed.publisher): listed
                for number, listed in self.lists
                if number in numbers
            }.values()
        )


def planned(
    held: Held,
    delivery: Delivery,
    *,
    at: datetime,
    counties: Sequence[County],
    replaces: int | None,
    name: str,
) -> Plan:
    """
    Hold a delivery against what the register holds.

    Parameters
    ----------
    held : Held
        The register.
    delivery : Delivery
        What a file was understood to say.
    at : datetime
        When, timezone-aware.
    counties : sequence of County
        Counties that the licences are for; empty where no border layer is known.
    replaces : int or None
        Number of an earlier import that this one corrects.
    name : str
        The register's file, for messages.

    Returns
    -------
    Plan
        What an import would do.

    Raises
    ------
    LicenceError
        If the delivery contradicts itself, or there is no such import.
    """
    before = held
    if replaces is not None:
        replaced = require_entry(held.entries, replaces, name=name)
        if replaced.act is not Act.IMPORT:
            raise LicenceError(
                f"{name}: entry {replaces} is no import ({replaced.act.value}); an "
                "import replaces an import, other entries are withdrawn"
            )
        before = replace(held, void=(replaces,))
    delivered = _by_key(delivery)
    known = before.current()
    added, changed, amended = [], [], []
    for key, licence in delivered.items():
        old = known.get(key)
        if old is None:
            added.append(replace(licence, version=1))
        elif not _same_right(old, licence):
            changed.append((old, replace(licence, version=old.version + 1)))
        elif not _same_words(old, licence):
            amended.append((old, replace(licence, version=old.version)))
    after = {**known, **delivered}
    return Plan(
        added=tuple(added),
        changed=tuple(changed),
        amended=tuple(amended),
        unchanged=len(delivered) - len(added) - len(changed) - len(amended),
        absent=tuple(
            sorted(
                number
                for number, kind in known
                if kind == delivery.kind.value and (number, kind) not in delivered
            )
        ),
        gone=tuple(sorted(key[0] for key in held.current() if key not in after)),
        doubts=doubts_of(
            delivery.licences,
            day=at.astimezone(SHANGHAI).date(),
            counties=counties,
            before=_count_before(before, delivery),
        ),
        same_as=next(
            (
                entry
                for entry in reversed(before.entries)
                if entry.act is Act.IMPORT
                and (entry.sha256, entry.kind) == (delivery.sha256, delivery.kind.value)
            ),
            None,
        ),
    )


def wanted(plan: Plan, delivery: Delivery, *, accept: str, again: bool) -> bool:
    """
    Say whether there is something to do; refuse it where the layer looks wrong.

    Parameters
    ----------
    plan : Plan
        What an import would do.
    delivery : Delivery
        What the file was understood to say.
    accept : str
        Why a layer that looks wrong is right after all; empty where nobody says so.
    again : bool
        True takes bytes that were imported before.

    Returns
    -------
    bool
        False for bytes that were imported before.

    Raises
    ------
    SuspectRegisterError
        If the layer looks wrong as a whole and nobody says why it is right.
    """
    if plan.same_as is not None and not (again and plan.changes):
        return False
    if not accept.strip():
        require_accepted(delivery.file, plan.doubts, (), advice=_ACCEPT_ADVICE)
    return True


def _key(licence: Licence) -> _Key:
    """Give what makes a licence the same one."""
    return licence.licence_id, licence.kind.value


def _by_key(delivery: Delivery) -> dict[_Key, Licence]:
    """Give the licences of a file by number and kind, each once."""
    found: dict[_Key, Licence] = {}
    for licence in delivery.licences:
        other = found.setdefault(_key(licence), licence)
        if not (_same_right(other, licence) and _same_words(other, licence)):
            raise LicenceError(
                f"{delivery.file}: licence {licence.licence_id} "
                f"({licence.kind.value}) is given twice and differently; keep one, or "
                "give its parcels as one licence"
            )
    return found


def _same_right(old: Licence, new: Licence) -> bool:
    """Say whether boundary and dates are the same."""
    dates = ("valid_from", "valid_to", "deadline")
    return all(
        getattr(old, name) == getattr(new, name) for name in dates
    ) and _same_boundary(old.geometry, new.geometry)


def _same_boundary(old: Polygon | MultiPolygon, new: Polygon | MultiPolygon) -> bool:
    """Say whether two outlines are the same, wherever their rings begin."""
    if old == new:
        return True
    apart = np.abs(np.subtract(old.bounds, new.bounds)).max()
    if apart > SAME_PLACE_DEGREES:
        return False
    distance = shapely.hausdorff_distance(old.boundary, new.boundary)
    return bool(distance <= SAME_PLACE_DEGREES)


def _same_words(old: Licence, new: Licence) -> bool:
    """Say whether all but boundary, version and source are the same."""
    one, two = said_by(old), said_by(new)
    for said in (one, two):
        said.pop("version", None)
        del said["geometry"]
    return one == two


def _count_before(held: Held, delivery: Delivery) -> int | None:
    """Give the size of the import before: the last of the same name, or of the kind."""
    imports = [
        entry
        for entry in held.entries
        if entry.act is Act.IMPORT and entry.kind == delivery.kind.value
    ]
    if not imports:
        return None
    # files of two counties may come by turns
    alike = [entry for entry in imports if entry.file == delivery.file]
    return (alike or imports)[-1].count


def require_entry(entries: Iterable[Entry], number: int, *, name: str) -> Entry:
    """
    Find an entry that stands.

    Parameters
    ----------
    entries : iterable of Entry
        Those that stand.
    number : int
        `Entry.number`.
    name : str
        The register's file, for the message.

    Returns
    -------
    Entry
        The entry.

    Raises
    ------
    LicenceError
        If there is none.
    """
    for entry in entries:
        if entry.number == number:
            return entry
    raise LicenceError(
        f"{name}: there is no entry {number} that stands; see 'rsmonitor licences "
        "history'"
    )
