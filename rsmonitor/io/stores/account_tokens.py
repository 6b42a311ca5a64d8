"""Tokens in the file of accounts: known by the digest of their secret alone."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from rsmonitor.errors import ContractError, StoreError
from rsmonitor.io.stores.accounts import account_of, require_there
from rsmonitor.io.stores.accounts_file import AccountsFile, written
from rsmonitor.records.account import Account, Scope, Token

_COLUMNS: Final = (
    "token_id, owner, label, token.areas, token.created_at, expires_at, used_at, "
    "revoked_at"
)
_OVER_KEPT: Final = 100


class TokenStore:
    """Tokens; secrets go in as digests only.

    Parameters
    ----------
    file : AccountsFile
        Where they lie.
    """

    def __init__(self, file: AccountsFile) -> None:
        self._file = file

    def all(self, owner: str | None = None) -> tuple[Token, ...]:
        """
        List tokens, also those that are no longer valid.

        Parameters
        ----------
        owner : str, optional
            Only those of this account.

        Returns
        -------
        tuple of Token
            By owner, then by age.

        Raises
        ------
        StoreError
            If the file is damaged.
        """
        where, values = ("", ()) if owner is None else ("WHERE owner = ?", (owner,))
        with self._file.reading() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM token {where} "  # noqa: S608 - constants
                "ORDER BY owner, created_at, token_id",
                values,
            ).fetchall()
        return tuple(self._token(row) for row in rows)

    def add(self, token: Token, digest: bytes, *, most: int) -> None:
        """
        Add a token; of those that are over, the newest hundred stay to be seen.

        Parameters
        ----------
        token : Token
            The token.
        digest : bytes
            SHA-256 of its secret.
        most : int
            Tokens that one account may have at a time.

        Raises
        ------
        ContractError
            If its owner has too many, or is gone.
        StoreError
            If the file is damaged.
        OutputError
            If it cannot be written.
        """
        with self._file.writing() as connection:
            require_there(connection, token.owner)
            now = written(token.created_at)
            (valid,) = connection.execute(
                "SELECT count(*) FROM token WHERE owner = ? AND revoked_at IS NULL "
                "AND expires_at > ?",
                (token.owner, now),
            ).fetchone()
            if valid >= most:
                raise ContractError(
                    f"{token.owner} has {valid} valid tokens, which is the most; "
                    "revoke one first"
                )
            connection.execute(
                "DELETE FROM token WHERE token_id IN (SELECT token_id FROM token "
                "WHERE owner = ? AND (revoked_at IS NOT NULL OR expires_at <= ?) "
                "ORDER BY created_at DESC LIMIT -1 OFFSET ?)",
                (token.owner, now, _OVER_KEPT),
            )
            connection.execute(
                "INSERT INTO token VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    token.token_id,
                    digest,
                    token.owner,
                    token.label,
                    json.dumps(token.scope.areas),
                    now,
                    written(token.expires_at),
                    None,
                    None,
                ),
            )

    def revoke(self, token_id: str, *, at: datetime, owner: str | None = None) -> bool:
        """
        End a token.

        Parameters
        ----------
        token_id : str
            `Token.token_id`.
        at : datetime
            Now, UTC.
        owner : str, optional
            Only if it is of this account.

        Returns
        -------
        bool
            False if there is none that is not revoked yet.

        Raises
        ------
        StoreError
            If the file is damaged.
        OutputError
            If it cannot be written.
        """
        with self._file.writing() as connection:
            changed = connection.execute(
                "UPDATE token SET revoked_at = ?1 WHERE token_id = ?2 "
                "AND revoked_at IS NULL AND (?3 IS NULL OR owner = ?3)",
                (written(at), token_id, owner),
            ).rowcount
        return bool(changed == 1)

    def find(self, digest: bytes) -> tuple[Token, Account] | None:
        """
        Find a token by the digest of its secret.

        Parameters
        ----------
        digest : bytes
            SHA-256 of what somebody showed.

        Returns
        -------
        tuple of Token and Account, or None
            Also where it expired or was revoked: look at its days.

        Raises
        ------
        StoreError
            If the file is damaged.
        """
        with self._file.reading() as connection:
            row = connection.execute(
                f"SELECT {_COLUMNS}, name, role, account.areas, account.created_at, "  # noqa: S608 - constants
                "password_set_at FROM token JOIN account ON owner = name "
                "WHERE digest = ?",
                (digest,),
            ).fetchone()
        if row is None:
            return None
        return self._token(row[:8]), account_of(row[8:], where=str(self._file.path))

    def note_use(self, token_id: str, *, at: datetime) -> None:
        """
        Write down that a token was used.

        Parameters
        ----------
        token_id : str
            `Token.token_id`.
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
                "UPDATE token SET used_at = ? WHERE token_id = ?",
                (written(at), token_id),
            )

    def _token(self, row: Sequence[Any]) -> Token:
        """Make a record of a row."""
        (token_id, owner, label, areas, created, expires, used, revoked) = row
        try:
            return Token(
                token_id=token_id,
                owner=owner,
                label=label,
                scope=Scope(areas=tuple(json.loads(areas))),
                created_at=datetime.fromisoformat(created),
                expires_at=datetime.fromisoformat(expires),
                used_at=used and datetime.fromisoformat(used),
                revoked_at=revoked and datetime.fromisoformat(revoked),
            )
        except (ContractError, ValueError, TypeError) as error:
            raise StoreError(
                f"{self._file.path}, table token, {token_id}: {error}; it was damaged "
                "or written by something else"
            ) from error
