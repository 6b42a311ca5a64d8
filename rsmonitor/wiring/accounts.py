"""Accounts of one office: made, changed and removed, with the log of what they saw."""

import base64
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Final

from rsmonitor.config import Settings
from rsmonitor.errors import ContractError
from rsmonitor.interfaces import Clock
from rsmonitor.io.foundation.clock import SystemClock
from rsmonitor.io.foundation.passwords import (
    HashCost,
    Hasher,
    digest_of,
    draw_password,
    draw_secret,
    require_strong,
)
from rsmonitor.io.stores.access_log import AccessLog
from rsmonitor.io.stores.accounts_file import AccountsFile
from rsmonitor.records.access import AccessRules
from rsmonitor.records.account import (
    ACCOUNT_NAME,
    EVERYTHING,
    Account,
    Role,
    Scope,
    Token,
)
from rsmonitor.wiring.logins import TOKEN_PREFIX, Logins, Refusal

FIRST_NAME: Final = "admin"
"""The account that the first start makes."""


class Accounts(Logins):
    """Accounts and tokens, who comes in with them, and the log of who saw what.

    Parameters
    ----------
    folder : Path
        Where their files lie; made for their owner alone.
    locks : Path
        Folder of lock files.
    clock : Clock, optional
        Time; the machine's by default.
    rules : AccessRules, optional
        How long logins last, and how tries slow down.
    cost : HashCost, optional
        What a hash of a password costs.
    """

    def __init__(
        self,
        folder: Path,
        *,
        locks: Path,
        clock: Clock | None = None,
        rules: AccessRules | None = None,
        cost: HashCost | None = None,
    ) -> None:
        file = AccountsFile(folder / "accounts.sqlite", locks=locks)
        super().__init__(
            file,
            clock=clock or SystemClock(),
            rules=rules or AccessRules(),
            hasher=Hasher(cost),
        )
        self.log = AccessLog(folder / "access.sqlite", locks=locks)

    # --------------------------------------------------------------------- accounts

    def ensure_administrator(self) -> str | None:
        """
        Make the first account, if there is none.

        Returns
        -------
        str or None
            Its password, to be shown once; None if there are accounts.

        Raises
        ------
        StoreError
            If the file is damaged.
        OutputError
            If it cannot be written.
        """
        if self.store.all():
            return None
        return self.add(
            FIRST_NAME, role=Role.ADMINISTRATOR, scope=Scope(areas=(EVERYTHING,))
        )

    def add(
        self, name: str, *, role: Role, scope: Scope, password: str | None = None
    ) -> str:
        """
        Add an account.

        Parameters
        ----------
        name : str
            `Account.name`.
        role : Role
            What it may do.
        scope : Scope
            What it sees; at least one area.
        password : str, optional
            Its password; drawn by default.

        Returns
        -------
        str
            The password, to be shown once.

        Raises
        ------
        ContractError
            If there is such an account, or name, scope or password are not allowed.
        StoreError
            If the file is damaged.
        OutputError
            If it cannot be written.
        """
        now = self.clock.now()
        account = Account(
            name=name, role=role, scope=scope, created_at=now, password_set_at=now
        )
        _require_areas(scope)
        said = _given_or_drawn(password, name)
        self.store.add(account, self._hasher.make(said))
        return said

    def change(
        self, name: str, *, role: Role | None = None, scope: Scope | None = None
    ) -> Account:
        """
        Change what an account may do or sees; open sessions follow at once.

        Parameters
        ----------
        name : str
            `Account.name`.
        role : Role, optional
            Its role from now on.
        scope : Scope, optional
            Its scope from now on; at least one area.

        Returns
        -------
        Account
            As it is now.

        Raises
        ------
        ContractError
            If there is no such account, or no administrator would be left.
        StoreError
            If the file is damaged.
        OutputError
            If it cannot be written.
        """
        if scope is not None:
            _require_areas(scope)
        return self.store.change(name, role=role, scope=scope)

    def set_password(self, name: str, password: str | None = None) -> str:
        """
        Give an account another password; its sessions end.

        Parameters
        ----------
        name : str
            `Account.name`.
        password : str, optional
            The new one; drawn by default.

        Returns
        -------
        str
            The password, to be shown once.

        Raises
        ------
        ContractError
            If there is no such account, or the password is too simple.
        StoreError
            If the file is damaged.
        OutputError
            If it cannot be written.
        """
        said = _given_or_drawn(password, name)
        if self.store.get(name) is None:
            raise ContractError(
                f"there is no account {name!r}; 'rsmonitor accounts list' names all"
            )
        self.store.set_password(name, self._hasher.make(said), at=self.clock.now())
        return said

    def change_own_password(
        self, name: str, *, before: str, after: str, address: str
    ) -> Refusal | None:
        """
        Let somebody change the password that they know; all their sessions end.

        Parameters
        ----------
        name : str
            `Account.name`.
        before : str
            The present password; wrong ones count as at the login.
        after : str
            The new one.
        address : str
            From where.

        Returns
        -------
        Refusal or None
            None if it is changed.

        Raises
        ------
        ContractError
            If the new password is too simple.
        StoreError
            If the file is damaged.
        OutputError
            If it cannot be written.
        """
        require_strong(after, name=name)
        refused = self.prove(name, before, address)
        if refused is None:
            self.set_password(name, after)
        return refused

    # ----------------------------------------------------------------------- tokens

    def make_token(
        self,
        owner: str,
        *,
        label: str,
        days: int,
        scope: Scope | None = None,
    ) -> tuple[Token, str]:
        """
        Make a token for a program.

        Parameters
        ----------
        owner : str
            `Account.name`.
        label : str
            What it is for.
        days : int
            How long it is valid.
        scope : Scope, optional
            What it sees; all that its owner sees by default.

        Returns
        -------
        tuple of Token and str
            The token, and its secret, to be shown once.

        Raises
        ------
        ContractError
            If it would see more than its owner, or be valid for too long.
        StoreError
            If the file is damaged.
        OutputError
            If it cannot be written.
        """
        account = self.store.get(owner)
        if account is None:
            raise ContractError(
                f"there is no account {owner!r}; 'rsmonitor accounts list' names all"
            )
        sees = scope or account.scope
        _require_areas(sees)
        if not sees.within(account.scope):
            raise ContractError(
                f"a token sees at most what its owner sees: {owner} sees "
                f"{' '.join(account.scope.areas)}, not all of {' '.join(sees.areas)}"
            )
        if not 1 <= days <= self.rules.longest_token.days:
            raise ContractError(
                f"a token is valid for 1 to {self.rules.longest_token.days} days, "
                f"got {days}"
            )
        now = self.clock.now()
        secret = TOKEN_PREFIX + draw_secret()
        token = Token(
            token_id=base64.b32encode(secrets.token_bytes(10)).decode().lower(),
            owner=owner,
            label=label,
            scope=sees,
            created_at=now,
            expires_at=now + timedelta(days=days),
        )
        self.tokens.add(token, digest_of(secret), most=self.rules.most_tokens)
        return token, secret


def open_accounts(
    settings: Settings,
    *,
    clock: Clock | None = None,
    rules: AccessRules | None = None,
    cost: HashCost | None = None,
) -> Accounts:
    """
    Open the accounts of an office; nothing is made on disk before the first use.

    Parameters
    ----------
    settings : Settings
        Settings; the files lie in the folder ``web`` of `RunSettings.work`.
    clock : Clock, optional
        Time; the machine's by default.
    rules : AccessRules, optional
        How long logins last, and how tries slow down.
    cost : HashCost, optional
        What a hash of a password costs.

    Returns
    -------
    Accounts
        The accounts.

    Raises
    ------
    SourceUnreachableError
        If an optional package is missing.
    """
    work = settings.path(settings.run.work)
    return Accounts(
        work / "web", locks=work / "locks", clock=clock, rules=rules, cost=cost
    )


def _require_areas(scope: Scope) -> None:
    """Refuse a scope that sees nothing."""
    if not scope.areas:
        raise ContractError(
            "a scope needs at least one area: * for everything, digits of a GB/T 2260 "
            "code, or the identifier of a district"
        )


def _given_or_drawn(password: str | None, name: str) -> str:
    """Give a password that is hard to guess."""
    if not ACCOUNT_NAME.fullmatch(name):
        raise ContractError(f"{name!r} is not the name of an account")
    if password is None:
        return draw_password()
    require_strong(password, name=name)
    return password
