"""How long a login lasts, when tries are refused, and what is written of a look."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

MOST_IDS: Final = 100
"""Ids of alerts that one entry of the access log names; the count tells the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRules:
    """How long a login lasts, and how wrong passwords slow down who tries them."""

    idle: timedelta = timedelta(hours=2)
    """A session ends when nothing was asked for so long."""

    longest: timedelta = timedelta(hours=12)
    """A session ends after so long, whatever is asked."""

    noted_every: timedelta = timedelta(minutes=1)
    """That a session is in use is written down so often, not at every request."""

    most_sessions: int = 10
    """Sessions of one account; the oldest ends for an eleventh."""

    most_tokens: int = 50
    """Tokens of one account that are valid at a time."""

    longest_token: timedelta = timedelta(days=366)
    """A token is valid for so long at most."""

    free_by_account: int = 5
    """Wrong passwords for one account before the first wait."""

    free_by_address: int = 20
    """Wrong passwords from one address before the first wait: offices share one."""

    first_wait: timedelta = timedelta(seconds=2)
    """The first wait; each further wrong password doubles it."""

    longest_wait: timedelta = timedelta(minutes=15)
    """No wait is longer, so that nobody locks others out for a day."""

    forgotten_after: timedelta = timedelta(hours=24)
    """Wrong passwords are forgotten when none came for so long."""

    familiar_for: timedelta = timedelta(days=30)
    """From an address that logged in within so long, wrong passwords are counted apart,
    so that strangers do not lock out who is known there."""

    most_tries: int = 20_000
    """Counters for names that are no account and for addresses; the oldest go first."""

    def wait(self, failures: int, *, free: int) -> timedelta:
        """
        Say how long tries are refused after some failures.

        Parameters
        ----------
        failures : int
            Wrong passwords so far.
        free : int
            How many of them cost nothing.

        Returns
        -------
        timedelta
            Zero, or the wait from the last of them on.

        Examples
        --------
        >>> rules = AccessRules()
        >>> [rules.wait(n, free=5).seconds for n in (4, 5, 6, 7, 100)]
        [0, 2, 4, 8, 900]
        """
        if failures < free:
            return timedelta(0)
        doublings = min(failures - free, 30)
        return min(self.first_wait * (1 << doublings), self.longest_wait)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One look at coordinates: who, when, from where, and at what."""

    at: datetime
    """UTC."""

    who: str
    """`Account.name`."""

    role: str
    """`Account.role` at that time."""

    how: str
    """``session``, or ``token`` and its id."""

    address: str
    """From where."""

    what: str
    """What was asked for, such as ``GET /api/collections/alerts/items``."""

    query: str
    """Filters that were asked for, without secrets."""

    count: int
    """How many alerts were in the answer."""

    ids: tuple[str, ...]
    """Ids of the first hundred of them."""

    seq: int | None = None
    """Its number in the log; None before it stands there."""
