"""Accounts in the file of accounts, each change whole or not at all."""

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from rsmonitor.errors import ContractError, StoreError
from rsmonitor.io.stores.accounts_file import AccountsFile, written
from rsmonitor.records.account import Account, Role, Scope

MOST_ACCOUNTS: Final = 2_000
"""Accounts of one service."""

_ACCOUNT: Final = "name, role, areas, created_at, password_set_at"


class AccountStore:
    """Accounts; passwords go in and are asked for as hashes only.

    Parameters
    ----------
    file : AccountsFile
        Where they lie.
    """

    def __init__(self, file: AccountsFile) -> None:
        self._file = file

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    def all(self) -> tuple[Account, ...]:
        """
        List the accounts.

        Returns
        -------
        tuple of Account
            By name.

        Raises
        ------
        StoreError
            If the file is damaged.
        """
        with self._file.reading() as connection:
            rows = connection.execute(
                f"SELECT {_ACCOUNT} FROM account ORDER BY name"  # noqa: S608 - constants
            ).fetchall()
        return tuple(self._account(row) for row in rows)

    def get(self, name: str) -> Account | None:
        """
        Give an account.

        Parameters
        ----------
        name : str
            `Account.name`, or anything that somebody typed.

        Returns
        -------
        Account or None
            None where there is none.

        Raises
        ------
        StoreError
            If the file is damaged.
        """
        with self._file.reading() as connection:
            row = connection.execute(
                f"SELECT {_ACCOUNT} FROM account WHERE name = ?",  # noqa: S608 - constants
                (name,),
            ).fetchone()
        return None if row is None else self._account(row)

    def password_of(self, name: str) -> str | None:
        """
        Give the hash of a password.

        Parameters
        ----------
        name : str
            `Account.name`, or anything that somebody typed.

        Returns
        -------
        str or None
            None where there is no such account.

        Raises
        ------
        StoreError
            If the file is damaged.
        """
        with self._file.reading() as connection:
            row = connection.execute(
                "SELECT password FROM account WHERE name = ?", (name,)
            ).fetchone()
        return None if row is None else str(row[0])

    def add(self, account: Account, password: str) -> None:
        """
        Add an account.

        Parameters
        ----------
        account : Account
            The account.
        password : str
            Hash of its password.

        Raises
        ------
        ContractError
            If there is one of this name, or there are too many.
        StoreError
            If the file is damaged.
        OutputError
            If it cannot be written.
        """
        with self._file.writing() as connection:
            (there,) = connection.execute("SELECT count(*) FROM account").fetchone()
            if there >= MOST_ACCOUNTS:
                raise ContractError(
                    f"there are {there} accounts, which is the most; remove one first"
                )
            if _is_there(connection, account.name):
                raise ContractError(
                    f"there is an account {account.name} already; change its password "
                    "or choose another name"
                )
            connection.execute(
                "INSERT INTO account VALUES (?, ?, ?, ?, ?, ?)",
                (
                    account.name,
                    account.role.value,
                    json.dumps(account.scope.areas),
                    password,
                    written(account.created_at),
                    written(account.password_set_at),
                ),
            )

    def change(
        self, name: str, *, role: Role | None = None, scope: Scope | None = None
    ) -> Account:
        """
        Change what an account may do or sees; its sessions and tokens follow at once.

        Parameters
        ----------
        name : str
            `Account.name`.
        role : Role, optional
            Its role from now on; left as it is by default.
        scope : Scope, optional
            Its scope from now on; left as it is by default.

        Returns
        -------
        Account
            As it is now.

        Raises
        ------
        ContractError
            If there is no such account, or none would be left that keeps accounts.
        StoreError
            If the file is damaged.
        OutputError
            If it cannot be written.
        """
        with self._file.writing() as connection:
            require_there(connection, name)
            kept = _is_kept(connection)
            if role is not None:
                connection.execute(
                    "UPDATE account SET role = ? WHERE name = ?", (role.value, name)
                )
            if scope is not None:
                connection.execute(
                    "UPDATE account SET areas = ? WHERE name = ?",
                    (json.dumps(scope.areas), name),
                )
            _require_kept(connection, name, before=kept)
            row = connection.execute(
                f"SELECT {_ACCOUNT} FROM account WHERE name = ?",  # noqa: S608 - constants
                (name,),
            ).fetchone()
        return self._account(row)

    def set_password(self, name: str, password: str, *, at: datetime) -> None:
        """
        Give an account another password; all its sessions end.

        Parameters
        ----------
        name : str
            `Account.name`.
        password : str
            Hash of the new one.
        at : datetime
            Now, UTC.

        Raises
        ------
        ContractError
            If there is no such account.
        StoreError
            If the file is damaged.
        OutputError
            If it cannot be written.
        """
        with self._file.writing() as connection:
            require_there(connection, name)
            connection.execute(
                "UPDATE account SET password = ?, password_set_at = ? WHERE name = ?",
                (password, written(at), name),
            )
            connection.execute("DELETE FROM session WHERE owner = ?", (name,))

    def rehash(self, name: str, *, before: str, after: str) -> None:
        """
        Store the same password under another cost; sessions go on.

        Parameters
        ----------
        name : str
            `Account.name`.
        before : str
            The hash that fitted; another one that stands there now is left alone.
        after : str
            The new hash.

        Raises
        ------
        StoreError
            If the file is damaged.
        OutputError
            If it cannot be written.
        """
        with self._file.writing() as connection:
            connection.execute(
                "UPDATE account SET password = ? WHERE (name, password) = (?, ?)",
                (after, name, before),
            )

    def remove(self, name: str) -> None:
        """
        Remove an account with its sessions and tokens.

        Parameters
        ----------
        name : str
            `Account.name`.

        Raises
        ------
        ContractError
            If there is no such account, or none would be left that keeps accounts.
        StoreError
            If the file is damaged.
        OutputError
            If it cannot be written.
        """
        with self._file.writing() as connection:
            require_there(connection, name)
            kept = _is_kept(connection)
            connection.execute("DELETE FROM account WHERE name = ?", (name,))
            _require_kept(connection, name, before=kept)

    # ----------------------------------------------------------------------- inside

    def _account(self, row: Sequence[Any]) -> Account:
        """Make a record of a row."""
        return account_of(row, where=str(self._file.path))


def account_of(row: Sequence[Any], *, where: str) -> Account:
    """
    Make an account of its columns.

    Parameters
    ----------
    row : sequence
        ``name, role, areas, created_at, password_set_at``.
    where : str
        The file, for messages.

    Returns
    -------
    Account
        The account.

    Raises
    ------
    StoreError
        If the columns make none.
    """
    name, role, areas, created, password_set = row
    try:
        return Account(
            name=name,
            role=Role(role),
            scope=Scope(areas=tuple(json.loads(areas))),
            created_at=datetime.fromisoformat(created),
            password_set_at=datetime.fromisoformat(password_set),
        )
    except (ContractError, ValueError, TypeError) as error:
        raise StoreError(
            f"{where}, table account, {name}: {error}; it was damaged or written by "
            "something else"
        ) from error


def _is_there(connection: sqlite3.Connection, name: str) -> bool:
    """Say whether there is an account of a name."""
    found = connection.execute("SELECT 1 FROM account WHERE name = ?", (name,))
    return found.fetchone() is not None


def require_there(connection: sqlite3.Connection, name: str) -> None:
    """
    Refuse the name of no account.

    Parameters
    ----------
    connection : sqlite3.Connection
        Of the file of accounts.
    name : str
        What may be an `Account.name`.

    Raises
    ------
    ContractError
        If there is no such account.
    """
    if not _is_there(connection, name):
        raise ContractError(
            f"there is no account {name!r}; 'rsmonitor accounts list' names all"
        )


def _is_kept(connection: sqlite3.Connection) -> bool:
    """Say whether anybody keeps accounts."""
    found = connection.execute("SELECT 1 FROM account WHERE role = 'administrator'")
    return found.fetchone() is not None


def _require_kept(connection: sqlite3.Connection, name: str, *, before: bool) -> None:
    """Refuse that nobody is left who keeps accounts; undoes the transaction."""
    if before and not _is_kept(connection):
        raise ContractError(f"{name} is the last administrator; make another one first")
