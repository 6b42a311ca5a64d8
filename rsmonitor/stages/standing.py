"""How the validity of a right stands to the interval in which something began."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from enum import Enum, auto
from typing import Final

from rsmonitor.records.licence import (
    STATUS_LABELS,
    Licence,
    LicenceKind,
    LicenceStatus,
)

_DAY: Final = timedelta(days=1)

OVER: Final = frozenset(
    {LicenceStatus.CANCELLED, LicenceStatus.REVOKED, LicenceStatus.ANNULLED}
)
"""Statuses that end a right before its last valid day."""


_NOT_IN_FORCE: Final = frozenset(
    word
    for status, labels in STATUS_LABELS.items()
    if status is not LicenceStatus.IN_FORCE
    for word in (status.value, *labels)
)
"""How files write that a right is over or at rest."""


class Standing(Enum):
    """How the validity of a right stands to the interval in which something began."""

    THROUGHOUT = auto()
    """In force on every day of the interval."""

    ENDED = auto()
    """Over before the interval, by date or by an act of the authority."""

    LATER = auto()
    """Not yet begun at the end of the interval."""

    RENEWING = auto()
    """Expired, with a renewal that was accepted in time and not decided."""

    SUSPENDED = auto()
    """Suspended (停产) on every day of the interval."""

    PARTLY = auto()
    """It changed within the interval: which came first cannot be said."""

    UNDATED = auto()
    """Its dates are not known."""


def standing_of(licence: Licence, first: date, last: date) -> Standing:
    """
    Compare the validity of a right with the days on which something may have begun.

    Parameters
    ----------
    licence : Licence
        The right; in force on its last valid day, and on each before it. A closed site
        is closed from its first day on, whatever its last says.
    first : date
        First day on which it may have begun: that of the last clear look that saw
        nothing, for it may have begun that afternoon.
    last : date
        Day of the first clear look that saw it.

    Returns
    -------
    Standing
        The one that holds on every day from `first` to `last`, or that there is none.

    Examples
    --------
    >>> import shapely
    >>> right = Licence(
    ...     licence_id="C1",
    ...     kind=LicenceKind.MINING,
    ...     geometry=shapely.box(115, 25, 116, 26),
    ...     valid_from=date(2015, 1, 1),
    ...     valid_to=date(2019, 12, 31),
    ... )
    >>> standing_of(right, date(2019, 12, 1), date(2019, 12, 31)).name
    'THROUGHOUT'
    >>> standing_of(right, date(2019, 12, 1), date(2020, 1, 1)).name
    'PARTLY'
    >>> standing_of(right, date(2020, 1, 1), date(2020, 2, 1)).name
    'ENDED'
    """
    begins, ends = licence.valid_from, _end_of(licence)
    turns = [change.on for change in licence.status_history]
    if begins is not None and ends is not None:
        turns += begins, ends + _DAY if ends < date.max else ends
    if licence.renewal_decided is not None:
        turns.append(licence.renewal_decided)
    found = _on(licence, ends, first)
    for day in turns:
        if first < day <= last and _on(licence, ends, day) is not found:
            return Standing.PARTLY
    return found


def _end_of(licence: Licence) -> date | None:
    """Give the last valid day; a closed site stays closed."""
    return date.max if licence.kind is LicenceKind.CLOSED else licence.valid_to


def _on(licence: Licence, ends: date | None, day: date) -> Standing:
    """Say how a right stands on one day."""
    status = LicenceStatus.IN_FORCE
    if licence.status_history:
        status = licence.status_on(day)
    if status in OVER:
        return Standing.ENDED
    if licence.valid_from is None or ends is None or _ended_some_day(licence):
        return Standing.UNDATED
    if day < licence.valid_from:
        return Standing.LATER
    if day > ends:
        return Standing.RENEWING if _renewing(licence, ends, day) else Standing.ENDED
    return (
        Standing.SUSPENDED if status is LicenceStatus.SUSPENDED else Standing.THROUGHOUT
    )


def _ended_some_day(licence: Licence) -> bool:
    """Say whether the file says that a right is over or at rest, and not since when."""
    if licence.status_history:
        return False
    return licence.status.strip() in _NOT_IN_FORCE


def _renewing(licence: Licence, ends: date, day: date) -> bool:
    """Say whether an application that was accepted in time is open on a day."""
    accepted, decided = licence.renewal_accepted, licence.renewal_decided
    return (
        accepted is not None and accepted <= ends and (decided is None or day < decided)
    )


def versions_in_time(
    licences: Sequence[Licence], earlier: Sequence[Licence]
) -> tuple[Licence, ...]:
    """
    Put the versions of the rights into the times in which each held.

    Parameters
    ----------
    licences : sequence of Licence
        The last version of each right.
    earlier : sequence of Licence
        Versions that later ones replaced.

    Returns
    -------
    tuple of Licence
        The last versions, then each earlier one up to the day before the next began. An
        earlier version that began no earlier than the next was a mistake in the
        register, and is left out.
    """
    if not earlier:
        return tuple(licences)
    chains: dict[tuple[str, LicenceKind], list[Licence]] = {}
    for licence in (*licences, *earlier):
        chains.setdefault((licence.licence_id, licence.kind), []).append(licence)
    held: list[Licence] = []
    for chain in chains.values():
        chain.sort(key=lambda licence: -licence.version)
        after = chain[0]
        for version in chain[1:]:
            if (
                version.valid_from is None
                or after.valid_from is None
                or version.valid_from >= after.valid_from
            ):
                continue
            last = after.valid_from - _DAY
            ends = last if version.valid_to is None else min(version.valid_to, last)
            held.append(replace(version, valid_to=ends))
            after = version
    return (*licences, *held)
