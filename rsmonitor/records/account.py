"""Who may use the web service, as what, and for which areas."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal, Self

from rsmonitor.errors import ContractError
from rsmonitor.records.district import IDENTIFIER

ACCOUNT_NAME: Final = re.compile(r"^[a-z0-9][a-z0-9._-]{1,63}$")
"""Lower case ASCII: one name is never two that look the same."""

TOKEN_ID: Final = re.compile(r"^[a-z2-7]{16}$")
"""What names a token without being one."""

EVERYTHING: Final = "*"
"""The area that holds all others."""

MOST_AREAS: Final = 500
"""Areas of one scope: more than any province has counties."""

_LABEL_CHARACTERS: Final = 100
_DIGITS: Final = re.compile(r"^[0-9]{2}(?:[0-9]{2}){0,2}$")
_CODE: Final = re.compile(r"^[0-9]{6}$")


class Role(StrEnum):
    """What an account may do with what it sees."""

    BUREAU = "bureau"
    """Reads and downloads."""

    ANALYST = "analyst"
    """Also gives verdicts and uploads files."""

    INSPECTOR = "inspector"
    """Reads, downloads, and says what a visit found."""

    ADMINISTRATOR = "administrator"
    """Also keeps accounts and reads the access log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The areas that somebody sees."""

    areas: tuple[str, ...]
    """Each ``*`` (everything), the first two, four or six digits of GB/T 2260 codes
    (province, prefecture, county), or the identifier of a district without such a
    code. None: nothing is seen."""

    def __post_init__(self) -> None:
        if len(self.areas) > MOST_AREAS:
            raise ContractError(
                f"a scope has at most {MOST_AREAS} areas, got {len(self.areas)}; name "
                "prefectures or provinces"
            )
        for area in self.areas:
            if area == EVERYTHING:
                continue
            if not IDENTIFIER.fullmatch(area):
                raise ContractError(
                    f"an area is *, the digits of a GB/T 2260 code or the identifier "
                    f"of a district, got {area!r}"
                )
            if _CODE.fullmatch(area) and area.endswith("00"):
                raise ContractError(
                    f"no county has the code {area}; `Scope.of` makes a prefecture or "
                    "a province of it"
                )

    @classmethod
    def of(cls, areas: Iterable[str]) -> Self:
        """
        Make a scope of areas as people write them.

        Parameters
        ----------
        areas : iterable of str
            As `Scope.areas`; a prefecture or province may also be written with six
            digits, such as ``360700``. Blanks around them do not matter.

        Returns
        -------
        Scope
            Sorted, each area once, and none that another one holds.

        Raises
        ------
        ContractError
            If an area is none of these, or there are too many.

        Examples
        --------
        >>> Scope.of(["360700", "360732", "demo-romania"]).areas
        ('3607', 'demo-romania')
        """
        cleaned = set()
        for text in areas:
            area = text.strip()
            while _DIGITS.fullmatch(area) and len(area) > 2 and area.endswith("00"):  # noqa: PLR2004 - digits of a province
                area = area[:-2]
            cleaned.add(area)
        return cls(
            areas=tuple(
                sorted(
                    one
                    for one in cleaned
                    if (_holders(one) - {one}).isdisjoint(cleaned)
                )
            )
        )

    def covers(self, code: str) -> bool:
        """
        Say whether one code is seen.

        Parameters
        ----------
        code : str
            GB/T 2260 code of a county, or the identifier of a district.

        Returns
        -------
        bool
            True where an area is everything, equals the code, or is the beginning of
            a code of six digits.
        """
        return not _holders(code).isdisjoint(self.areas)

    def sees(self, codes: Iterable[str]) -> bool:
        """
        Say whether something with these codes is seen.

        Parameters
        ----------
        codes : iterable of str
            Codes of its counties; where it has none, the identifier of its district.

        Returns
        -------
        bool
            True if any of them is covered. What has no code at all is seen by those
            only who see everything.

        Examples
        --------
        >>> Scope.of(["3607"]).sees(["360732", "441621"])
        True
        >>> Scope.of(["3607"]).sees(["demo-romania"])
        False
        """
        return self.is_everything or any(self.covers(code) for code in codes)

    @property
    def is_everything(self) -> bool:
        """True where nothing is hidden."""
        return EVERYTHING in self.areas

    def within(self, other: "Scope") -> bool:
        """
        Say whether another scope sees all that this one does.

        Parameters
        ----------
        other : Scope
            The scope that may be wider.

        Returns
        -------
        bool
            True where each area lies in one area of the other.
        """
        return all(other.covers(area) for area in self.areas)

    def meet(self, other: "Scope") -> "Scope":
        """
        Give what both scopes see.

        Parameters
        ----------
        other : Scope
            The other one.

        Returns
        -------
        Scope
            Covers exactly the codes that both cover.
        """
        # asked with each request of a token, of scopes with hundreds of counties
        ours = [area for area in self.areas if other.covers(area)]
        return Scope.of([*ours, *(area for area in other.areas if self.covers(area))])


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One person or desk; its password is known to the store alone, as a hash."""

    name: str
    """What it logs in with."""

    role: Role
    """What it may do."""

    scope: Scope
    """What it sees."""

    created_at: datetime
    """UTC."""

    password_set_at: datetime
    """UTC."""

    def __post_init__(self) -> None:
        if not ACCOUNT_NAME.fullmatch(self.name):
            raise ContractError(
                "the name of an account is 2 to 64 characters of a-z, 0-9, '.', '_' "
                f"and '-', and begins with a letter or digit; got {self.name!r}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a program logs in with; its secret is known to nobody but its owner."""

    token_id: str
    """Names it; says nothing of the secret."""

    owner: str
    """`Account.name`; its role is the token's."""

    label: str
    """What it is for, in the owner's words."""

    scope: Scope
    """What it sees, as long as its owner sees it as well."""

    created_at: datetime
    """UTC."""

    expires_at: datetime
    """UTC; not valid from then on."""

    used_at: datetime | None = None
    """UTC, to the hour or so; None: never."""

    revoked_at: datetime | None = None
    """UTC; None: not revoked."""

    def __post_init__(self) -> None:
        if not TOKEN_ID.fullmatch(self.token_id):
            raise ContractError(
                f"the id of a token matches {TOKEN_ID.pattern}, got {self.token_id!r}"
            )
        if len(self.label) > _LABEL_CHARACTERS or not self.label.isprintable():
            raise ContractError(
                f"the label of a token is at most {_LABEL_CHARACTERS} printable "
                "characters"
            )
        if not self.created_at < self.expires_at:
            raise ContractError("a token expires after it was made, not before")


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Who asks: an account, by a session or a token."""

    name: str
    """`Account.name`."""

    role: Role
    """What it may do."""

    scope: Scope
    """What it sees: of a token, what token and owner both see."""

    how: Literal["session", "token"]
    """How it showed who it is."""

    token_id: str | None = None
    """`Token.token_id`; None for a session."""

    csrf: str | None = None
    """What unsafe requests of a session carry in ``X-CSRF-Token``; None for a token."""


def _holders(code: str) -> frozenset[str]:
    """Name the areas that hold a code, or another area."""
    wider = (code[:2], code[:4]) if _DIGITS.fullmatch(code) else ()
    return frozenset({EVERYTHING, code, *wider})
