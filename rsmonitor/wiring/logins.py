"""Who comes in: by name and password, by a session's cookie, or by a token."""

import hashlib
import hmac
import re
import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from rsmonitor.interfaces import Clock
from rsmonitor.io.foundation.passwords import Hasher, digest_of, draw_secret
from rsmonitor.io.stores.account_logins import SessionStore, TryStore
from rsmonitor.io.stores.account_tokens import TokenStore
from rsmonitor.io.stores.accounts import AccountStore
from rsmonitor.io.stores.accounts_file import AccountsFile
from rsmonitor.records.access import AccessRules
from rsmonitor.records.account import Account, Viewer

TOKEN_PREFIX: Final = "rsm_"  # noqa: S105 - no secret
"""Begins every token, so that a leaked one is found by those who search for it."""

_SECRET: Final = re.compile(r"^[A-Za-z0-9_-]{43}$")
_LONGEST_NAME: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A login that just began."""

    secret: str
    """What the browser keeps; nobody else knows it."""

    viewer: Viewer
    """Who logged in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A login that was refused, in the same way for every name."""

    code: Literal["wrong", "locked"]
    """``wrong``: name or password; ``locked``: too many wrong ones, wait."""

    wait_s: int = 0
    """How long, in whole seconds."""


class Logins:
    """Who comes in.

    Parameters
    ----------
    file : AccountsFile
        Accounts, sessions, tokens and wrong passwords.
    clock : Clock
        Time.
    rules : AccessRules
        How long logins last, and how tries slow down.
    hasher : Hasher
        Makes and checks hashes of passwords.
    """

    def __init__(
        self, file: AccountsFile, *, clock: Clock, rules: AccessRules, hasher: Hasher
    ) -> None:
        self.clock = clock
        self.rules = rules
        self.store = AccountStore(file)
        self.tokens = TokenStore(file)
        self._sessions = SessionStore(file, rules)
        self._tries = TryStore(file, rules)
        self._hasher = hasher

    def log_in(self, name: str, password: str, address: str) -> Session | Refusal:
        """
        Begin a session, if name and password fit.

        A name that is no account takes the same way at the same cost.

        Parameters
        ----------
        name : str
            What was typed; blanks around it and upper case do not matter.
        password : str
            What was typed.
        address : str
            From where.

        Returns
        -------
        Session or Refusal
            The session, with an id that nobody had before; or why there is none.

        Raises
        ------
        StoreError
            If the file is damaged.
        OutputError
            If it cannot be written.
        """
        named = unicodedata.normalize("NFKC", name)[:_LONGEST_NAME].strip().casefold()
        proved = self._proved(named, password, address)
        if isinstance(proved, Refusal):
            return proved
        secret = draw_secret()
        begun = self._sessions.add(
            digest_of(secret), named, at=self.clock.now(), password=proved
        )
        account = self.store.get(named) if begun else None
        if account is None:  # removed, or given another password, in this very moment
            return Refusal(code="wrong")
        return Session(secret=secret, viewer=_viewer(account, secret))

    def of_session(self, secret: str) -> Viewer | None:
        """
        Say who a browser is.

        Parameters
        ----------
        secret : str
            What its cookie says.

        Returns
        -------
        Viewer or None
            None where the session is over, or never was.

        Raises
        ------
        StoreError
            If the file is damaged.
        """
        if not _SECRET.fullmatch(secret):
            return None
        account = self._sessions.owner_of(digest_of(secret), at=self.clock.now())
        return None if account is None else _viewer(account, secret)

    def log_out(self, secret: str) -> None:
        """
        End a session.

        Parameters
        ----------
        secret : str
            What its cookie says.

        Raises
        ------
        StoreError
            If the file is damaged.
        OutputError
            If it cannot be written.
        """
        self._sessions.end(digest_of(secret))

    def unlock(self, *, name: str | None = None, address: str | None = None) -> int:
        """
        Forget wrong passwords, so that nobody has to wait for them.

        Parameters
        ----------
        name : str, optional
            `Account.name`.
        address : str, optional
            From where they came.

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
        return self._tries.unlock(name=name, address=address)

    def of_token(self, secret: str) -> Viewer | None:
        """
        Say who a program is.

        Parameters
        ----------
        secret : str
            What it showed.

        Returns
        -------
        Viewer or None
            None where the token is not valid. It sees what token and owner both see.

        Raises
        ------
        StoreError
            If the file is damaged.
        """
        if not secret.startswith(TOKEN_PREFIX) or not _SECRET.fullmatch(
            secret.removeprefix(TOKEN_PREFIX)
        ):
            return None
        found = self.tokens.find(digest_of(secret))
        if found is None:
            return None
        token, owner = found
        now = self.clock.now()
        if token.revoked_at is not None or now >= token.expires_at:
            return None
        if token.used_at is None or now - token.used_at > timedelta(hours=1):
            self.tokens.note_use(token.token_id, at=now)
        return Viewer(
            name=owner.name,
            role=owner.role,
            scope=token.scope.meet(owner.scope),
            how="token",
            token_id=token.token_id,
        )

    def prove(self, name: str, password: str, address: str) -> Refusal | None:
        """
        Say whether a name and its password fit; a wrong one counts.

        Parameters
        ----------
        name : str
            What was typed, as accounts are written.
        password : str
            What was typed.
        address : str
            From where.

        Returns
        -------
        Refusal or None
            None if they fit.

        Raises
        ------
        StoreError
            If the file is damaged.
        OutputError
            If it cannot be written.
        """
        proved = self._proved(name, password, address)
        return proved if isinstance(proved, Refusal) else None

    def _proved(self, name: str, password: str, address: str) -> Refusal | str:
        """Give the hash that stands for a name, if the password fits it."""
        now = self.clock.now()
        charged = self._tries.charge(name, address, at=now)
        if isinstance(charged, float):
            return Refusal(code="locked", wait_s=int(charged) + 1)
        known = self.store.password_of(name)
        if not self._hasher.fits(known, password) or known is None:
            return Refusal(code="wrong")
        self._tries.forgive(charged, address, at=now)
        if self._hasher.is_outdated(known):
            made = self._hasher.make(password)
            self.store.rehash(name, before=known, after=made)
            return made
        return known


def _viewer(account: Account, secret: str) -> Viewer:
    """Say who a session is of."""
    return Viewer(
        name=account.name,
        role=account.role,
        scope=account.scope,
        how="session",
        # of the secret, so that nothing more has to be kept
        csrf=hmac.new(secret.encode(), b"csrf", hashlib.sha256).hexdigest(),
    )
