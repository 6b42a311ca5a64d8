"""Sessions and wrong passwords in the file of accounts, bounded however many come."""

import hashlib
import hmac
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rsmonitor.errors import StoreError
from rsmonitor.io.stores.accounts import account_of
from rsmonitor.io.stores.accounts_file import AccountsFile, written
from rsmonitor.records.access import AccessRules
from rsmonitor.records.account import Account

_FAMILIAR_ADDRESSES: Final = 20
_GONE_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    """A try that was counted before anybody looks whether its password is right."""

    name: str
    """What was typed as a name."""

    by_account: bytes
    """Counter of the name."""

    by_address: bytes
    """Counter of the address."""


class SessionStore:
    """Sessions, by the digest of what the browser keeps.

    Parameters
    ----------
    file : AccountsFile
        Where they lie.
    rules : AccessRules
        How long they last.
    """

    def __init__(self, file: AccountsFile, rules: AccessRules) -> None:
        self._file = file
        self._rules = rules

    def add(self, digest: bytes, owner: str, *, at: datetime, password: str) -> bool:
        """
        Begin a session; the oldest ones of the same account end if there are many.

        Parameters
        ----------
        digest : bytes
            SHA-256 of its secret.
        owner : str
            `Account.name`.
        at : datetime
            Now, UTC.
        password : str
            Hash that the password fitted.

        Returns
        -------
        bool
            False if the account is gone by now, or has another password.

        Raises
        ------
        StoreError
            If the file is damaged.
        OutputError
            If it cannot be written.
        """
        with self._file.writing() as connection:
            self._forget(connection, at)
            begun = connection.execute(
                "INSERT INTO session SELECT ?1, name, ?2, ?2 FROM account "
                "WHERE name = ?3 AND password = ?4",
                (digest, written(at), owner, password),
            ).rowcount
            connection.execute(
                "DELETE FROM session WHERE digest IN (SELECT digest FROM session "
                "WHERE owner = ? AND digest <> ? ORDER BY created_at DESC "
                "LIMIT -1 OFFSET ?)",
                (owner, digest, self._rules.most_sessions - 1),
            )
        return begun == 1

    def owner_of(self, digest: bytes, *, at: datetime) -> Account | None:
        """
        Give the account of a session, and write down now and then that it is in use.

        Parameters
        ----------
        digest : bytes
            SHA-256 of what somebody showed.
        at : datetime
            Now, UTC.

        Returns
        -------
        Account or None
            None where there is no session, or it is over.

        Raises
        ------
        StoreError
            If the file is damaged.
        """
        with self._file.reading() as connection:
            row = connection.execute(
                "SELECT seen_at, session.created_at, name, role, areas, "
                "account.created_at, password_set_at "
                "FROM session JOIN account ON owner = name WHERE digest = ?",
                (digest,),
            ).fetchone()
        if row is None:
            return None
        seen, begun = datetime.fromisoformat(row[0]), datetime.fromisoformat(row[1])
        if not (
            begun <= at < begun + self._rules.longest and at < seen + self._rules.idle
        ):
            return None
        if at - seen >= self._rules.noted_every:
            with self._file.writing() as connection:
                connection.execute(
                    "UPDATE session SET seen_at = ? WHERE digest = ?",
                    (written(at), digest),
                )
        return account_of(row[2:], where=str(self._file.path))

    def end(self, digest: bytes) -> None:
        """
        End a session.

        Parameters
        ----------
        digest : bytes
            SHA-256 of its secret.

        Raises
        ------
        StoreError
            If the file is damaged.
        OutputError
            If it cannot be written.
        """
        with self._file.writing() as connection:
            connection.execute("DELETE FROM session WHERE digest = ?", (digest,))

    def end_all(self, owner: str) -> int:
        """
        End all sessions of an account.

        Parameters
        ----------
        owner : str
            `Account.name`.

        Returns
        -------
        int
            How many there were.

        Raises
        ------
        StoreError
            If the file is damaged.
        OutputError
            If it cannot be written.
        """
        with self._file.writing() as connection:
            return connection.execute(
                "DELETE FROM session WHERE owner = ?", (owner,)
            ).rowcount

    def _forget(self, connection: sqlite3.Connection, at: datetime) -> None:
        """Remove sessions that are over."""
        connection.execute(
            "DELETE FROM session WHERE created_at <= ? OR seen_at <= ?",
            (written(at - self._rules.longest), written(at - self._rules.idle)),
        )


class TryStore:
    """Counts wrong passwords by account and by address, and says how long to wait.

    A try is counted before its password is looked at, so that many at once are not
    more than many one by one. Names that are no account are counted as accounts are.

    Parameters
    ----------
    file : AccountsFile
        Where they lie.
    rules : AccessRules
        How tries slow down.
    """

    def __init__(self, file: AccountsFile, rules: AccessRules) -> None:
        self._file = file
        self._rules = rules
        self._key = b""

    def charge(self, name: str, address: str, *, at: datetime) -> Charged | float:
        """
        Count a try as if it failed, unless tries are refused now.

        Parameters
        ----------
        name : str
            What was typed as a name.
        address : str
            From where.
        at : datetime
            Now, UTC.

        Returns
        -------
        Charged or float
            The counted try; or, where it is refused, seconds to wait.

        Raises
        ------
        StoreError
            If the file is damaged.
        OutputError
            If it cannot be written.
        """
        charged = self._charged(name, address, at)
        # who has to wait is told so without writing anything
        with self._file.reading() as connection:
            left = self._left(connection, charged, at)
        if left > 0:
            return left
        with self._file.writing() as connection:
            left = self._left(connection, charged, at)
            if left > 0:
                return left
            known = connection.execute(
                "SELECT 1 FROM account WHERE name = ?", (name,)
            ).fetchone()
            self._count(
                connection,
                charged.by_account,
                at,
                free=self._rules.free_by_account,
                kept=known is not None,
            )
            self._count(
                connection, charged.by_address, at, free=self._rules.free_by_address
            )
            self._trim(connection)
        return charged

    def forgive(self, charged: Charged, address: str, *, at: datetime) -> None:
        """
        Take back what was counted for a try that had the right password.

        Parameters
        ----------
        charged : Charged
            From `charge`.
        address : str
            From where; it is familiar from now on.
        at : datetime
            Now, UTC.

        Raises
        ------
        StoreError
            If the file is damaged.
        OutputError
            If it cannot be written.
        """
        with self._file.writing() as connection:
            connection.execute(
                "DELETE FROM attempt WHERE subject IN (?, ?)",
                (
                    charged.by_account,
                    self._at_place(charged.name, self._subject("place", address)),
                ),
            )
            # only this one: an account of one's own must not clear an address
            connection.execute(
                "UPDATE attempt SET failures = max(failures - 1, 0), "
                "until_at = min(until_at, ?) WHERE subject = ?",
                (written(at), charged.by_address),
            )
            connection.execute("DELETE FROM attempt WHERE failures = 0")
            connection.execute(
                "INSERT INTO familiar SELECT name, ?1, ?2 FROM account WHERE name = ?3 "
                "ON CONFLICT (owner, address) DO UPDATE SET last_at = excluded.last_at",
                (self._subject("place", address), written(at), charged.name),
            )
            connection.execute(
                "DELETE FROM familiar WHERE owner = ?1 AND address IN (SELECT address "
                "FROM familiar WHERE owner = ?1 ORDER BY last_at DESC "
                "LIMIT -1 OFFSET ?2)",
                (charged.name, _FAMILIAR_ADDRESSES),
            )

    def unlock(self, *, name: str | None = None, address: str | None = None) -> int:
        """
        Forget wrong passwords.

        Parameters
        ----------
        name : str, optional
            Those for this account, wherever they came from.
        address : str, optional
            Those from this address.

        Returns
        -------
        int
            How many counters there were.

        Raises
        ------
        StoreError
            If the file is damaged.
        OutputError
            If it cannot be written.
        """
        removed = 0
        with self._file.writing() as connection:
            subjects = []
            if name is not None:
                subjects.append(self._subject("account", name))
                places = connection.execute(
                    "SELECT address FROM familiar WHERE owner = ?", (name,)
                ).fetchall()
                subjects += [self._at_place(name, place) for (place,) in places]
            if address is not None:
                subjects.append(self._subject("address", address))
            for subject in subjects:
                removed += connection.execute(
                    "DELETE FROM attempt WHERE subject = ?", (subject,)
                ).rowcount
        return removed

    # ----------------------------------------------------------------------- inside

    def _charged(self, name: str, address: str, at: datetime) -> Charged:
        """Name the counters of a try."""
        place = self._subject("place", address)
        with self._file.reading() as connection:
            familiar = connection.execute(
                "SELECT 1 FROM familiar WHERE owner = ? AND address = ? "
                "AND last_at > ?",
                (name, place, written(at - self._rules.familiar_for)),
            ).fetchone()
        return Charged(
            name=name,
            by_account=self._subject("account", name)
            if familiar is None
            else self._at_place(name, place),
            by_address=self._subject("address", address),
        )

    def _left(
        self, connection: sqlite3.Connection, charged: Charged, at: datetime
    ) -> float:
        """Say how many seconds tries are still refused."""
        (until,) = connection.execute(
            "SELECT max(until_at) FROM attempt WHERE subject IN (?, ?)",
            (charged.by_account, charged.by_address),
        ).fetchone()
        if until is None:
            return 0.0
        left = (datetime.fromisoformat(until) - at).total_seconds()
        # a clock that was set back must not lock everybody out
        return left if left <= self._rules.longest_wait.total_seconds() else 0.0

    def _count(
        self,
        connection: sqlite3.Connection,
        subject: bytes,
        at: datetime,
        *,
        free: int,
        kept: bool = False,
    ) -> None:
        """Count one more failure."""
        row = connection.execute(
            "SELECT failures, last_at FROM attempt WHERE subject = ?", (subject,)
        ).fetchone()
        failures = 1
        if row is not None:
            last = datetime.fromisoformat(row[1])
            if at - last < self._rules.forgotten_after:
                failures += row[0]
        until = at + self._rules.wait(failures, free=free)
        connection.execute(
            "INSERT INTO attempt VALUES (?, ?, ?, ?, ?) ON CONFLICT (subject) "
            "DO UPDATE SET kept = excluded.kept, failures = excluded.failures, "
            "last_at = excluded.last_at, until_at = excluded.until_at",
            (subject, int(kept), failures, written(at), written(until)),
        )

    def _trim(self, connection: sqlite3.Connection) -> None:
        """Forget the oldest counters of strangers when there are too many."""
        (there,) = connection.execute(
            "SELECT count(*) FROM attempt WHERE kept = 0"
        ).fetchone()
        if there > self._rules.most_tries:
            connection.execute(
                "DELETE FROM attempt WHERE subject IN (SELECT subject FROM attempt "
                "WHERE kept = 0 ORDER BY last_at LIMIT ?)",
                (there - self._rules.most_tries + _GONE_AT_ONCE,),
            )

    def _at_place(self, name: str, place: bytes) -> bytes:
        """Name the counter of an account at an address that it logged in from."""
        return self._subject("familiar", name, place.hex())

    def _subject(self, *parts: str) -> bytes:
        """Digest what is counted under the key of this file."""
        if not self._key:
            with self._file.reading() as connection:
                row = connection.execute(
                    "SELECT value FROM meta WHERE key = 'key'"
                ).fetchone()
            if row is None:
                raise StoreError(
                    f"{self._file.path}: its key is missing; restore it from a backup"
                )
            self._key = bytes.fromhex(row[0])
        said = "\0".join(parts).encode(errors="replace")
        return hmac.digest(self._key, said, hashlib.sha256)[:16]
