"""Passwords as argon2id hashes, and secrets that nobody can guess.

Hashing is made to cost memory, so only a few are computed at a time; whoever comes
later waits.
"""

import hashlib
import secrets
import threading
import unicodedata
from dataclasses import dataclass
from typing import Final

from rsmonitor.errors import ContractError, SourceUnreachableError

SHORTEST: Final = 12
"""Characters of a password that a person chose."""

LONGEST_BYTES: Final = 1024
"""Longer passwords are refused unread."""

_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_DRAWN_CHARACTERS: Final = 22
_FEWEST_DIFFERENT: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class HashCost:
    """What one hash costs."""

    memory_kib: int = 65_536
    """Memory, KiB: the second choice of RFC 9106."""

    passes: int = 3
    """Passes over it."""

    at_a_time: int = 2
    """Hashes that are computed at the same time; a third one waits."""


class Hasher:
    """Makes and checks argon2id hashes, a few at a time.

    Parameters
    ----------
    cost : HashCost, optional
        What one costs; tests take a small one.

    Raises
    ------
    SourceUnreachableError
        If the optional package that computes them is missing.
    """

    def __init__(self, cost: HashCost | None = None) -> None:
        try:
            from argon2 import PasswordHasher  # noqa: PLC0415 - optional
        except ImportError as error:
            raise SourceUnreachableError(
                'accounts need the package argon2-cffi: pip install "rsmonitor[web]"'
            ) from error
        self.cost = cost or HashCost()
        self._turns = threading.BoundedSemaphore(self.cost.at_a_time)
        self._hasher = PasswordHasher(
            time_cost=self.cost.passes,
            memory_cost=self.cost.memory_kib,
            parallelism=1,
        )
        self._nobody = ""

    def make(self, password: str) -> str:
        """
        Hash a password.

        Parameters
        ----------
        password : str
            The password.

        Returns
        -------
        str
            Hash, salt and cost in one text.
        """
        with self._turns:
            return self._hasher.hash(_prepared(password))

    def fits(self, known: str | None, password: str) -> bool:
        """
        Say whether a password is the one that was hashed.

        Parameters
        ----------
        known : str or None
            A hash; None for an account that does not exist, which costs the same.
        password : str
            What was typed.

        Returns
        -------
        bool
            True only if there is a hash and the password fits it.
        """
        from argon2.exceptions import Argon2Error, InvalidHashError  # noqa: PLC0415

        prepared = _prepared(password)
        if not self._nobody:  # whoever comes first waits for it, known or not
            self._nobody = self.make(secrets.token_urlsafe(32))
        with self._turns:
            try:
                self._hasher.verify(known or self._nobody, prepared)
            except (Argon2Error, InvalidHashError):
                return False
        return known is not None and max(len(password), len(prepared)) <= LONGEST_BYTES

    def is_outdated(self, known: str) -> bool:
        """
        Say whether a hash has another cost than one made today.

        Parameters
        ----------
        known : str
            A hash.

        Returns
        -------
        bool
            True where the password should be hashed anew when it is next typed.
        """
        return self._hasher.check_needs_rehash(known)


def require_strong(password: str, *, name: str) -> None:
    """
    Refuse a password that is easily guessed.

    Parameters
    ----------
    password : str
        What somebody chose.
    name : str
        The account, which a password may not repeat.

    Raises
    ------
    ContractError
        If it is too short, too long, or too simple; says the rule, not the password.
    """
    if len(password) < SHORTEST:
        raise ContractError(f"a password has at least {SHORTEST} characters")
    if len(password.encode(errors="replace")) > LONGEST_BYTES:
        raise ContractError(f"a password has at most {LONGEST_BYTES} bytes")
    if len(set(password)) < _FEWEST_DIFFERENT or name in password.casefold():
        raise ContractError(
            f"a password has at least {_FEWEST_DIFFERENT} different characters and "
            "does not hold the name of its account"
        )


def draw_password() -> str:
    """
    Draw a password.

    Returns
    -------
    str
        22 letters and digits that are not taken for each other: 127 bits.
    """
    return "".join(secrets.choice(_ALPHABET) for _ in range(_DRAWN_CHARACTERS))


def draw_secret() -> str:
    """
    Draw a secret for a program to keep.

    Returns
    -------
    str
        256 bits in 43 characters that are safe in a header, a cookie and an address.
    """
    return secrets.token_urlsafe(32)


def digest_of(secret: str) -> bytes:
    """
    Digest a secret of `draw_secret`, to be stored in its place.

    Parameters
    ----------
    secret : str
        The secret, or what somebody says it is.

    Returns
    -------
    bytes
        SHA-256: nothing slower is needed where nobody can guess.
    """
    return hashlib.sha256(secret.encode(errors="replace")).digest()


def _prepared(password: str) -> bytes:
    """Give the bytes of a password, the same from every keyboard."""
    # one more than may be: such a password never fits, and costs no more
    some = unicodedata.normalize("NFKC", password[: LONGEST_BYTES + 1])
    return some.encode(errors="replace")[: LONGEST_BYTES + 1]
