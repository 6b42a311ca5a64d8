"""What a licence file was understood to say, and what of it was not used.

Every reader gives these records, whatever the format; `rsmonitor.io.licences.check`
prints them, and the register takes nothing that they do not show.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shapely import MultiPolygon, Polygon

from rsmonitor.errors import LicenceError
from rsmonitor.records.licence import KIND_LABELS, Licence, LicenceKind

_LETTERS: Final[Mapping[str, LicenceKind]] = {
    "C": LicenceKind.MINING,
    "T": LicenceKind.EXPLORATION,
}
_OFFICIAL: Final = re.compile(r"[CT][0-9]{17,22}")
"""A number of 18 or 23 characters, as the ministry gives them."""


_SUBKINDS: Final[Mapping[str, LicenceKind]] = {
    "红线|保护区|基本农田|水源": LicenceKind.RESTRICTION,
    "用地|林地": LicenceKind.LAND_USE,
}
"""What permits nothing, and what permits no mining, by the words of the subkind."""


def kind_of_subkind(subkind: str) -> LicenceKind | None:
    """
    Tell what a parcel is from its sort (用地类型, 限制区类型).

    Parameters
    ----------
    subkind : str
        As the file says it.

    Returns
    -------
    LicenceKind or None
        None where it tells nothing.

    Examples
    --------
    >>> kind_of_subkind("生态保护红线").value
    'restriction'
    """
    for pattern, kind in _SUBKINDS.items():
        if re.search(pattern, subkind):
            return kind
    return None


def kind_of_number(number: str, given: LicenceKind | None) -> tuple[LicenceKind, str]:
    """
    Decide what a licence permits where no field says it.

    Parameters
    ----------
    number : str
        Number of the licence.
    given : LicenceKind or None
        What the caller says of the whole file.

    Returns
    -------
    kind : LicenceKind
        By the letter of an official number, even against the caller: an exploration
        right that is read as a mining right makes mining look lawful.
    warning : str
        What a person should look at; empty if nothing.

    Examples
    --------
    >>> kind_of_number("T3600002015035010054321", None)[0].value
    'exploration'
    >>> kind_of_number("T3600002015035010054321", LicenceKind.MINING)[0].value
    'exploration'
    """
    letter = _LETTERS.get(number[:1]) if number[1:].isdigit() else None
    if given is None:
        if letter is not None:
            return letter, ""
        return (
            LicenceKind.MINING,
            "nothing says what it permits: read as a mining right",
        )
    rights = _LETTERS.values()
    official = letter is not None and _OFFICIAL.fullmatch(number) is not None
    if official and given in rights and letter is not None and letter is not given:
        return letter, (
            f"{number[0]} begins the number of a right of another kind than "
            f"{given.value}: read as {KIND_LABELS[letter][1]}"
        )
    return given, ""


class UnusableError(LicenceError):
    """One parcel or row cannot be used; a reader makes a `Refusal` of it."""

    def __init__(self, value: str, rule: str, line: int | None = None) -> None:
        super().__init__(f"{value}: {rule}")
        self.value = value
        self.rule = rule
        self.line = line


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One thing in a file that was not used, and why."""

    file: str
    """Path of the file, as it was given."""

    where: str
    """Place in it that a person can find, with the ``licence_id`` where it has one."""

    value: str
    """The value that breaks the rule, shortened."""

    rule: str
    """What is expected, and what to do."""

    line: int | None = None
    """Line, row or feature, counted from 1; None where the format has none."""

    def __str__(self) -> str:
        return f"{self.file}, {self.where}: {self.value}: {self.rule}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadParcel:
    """One parcel as it was understood, with what a person should look at."""

    licence_id: str
    """Number of the licence it became."""

    name: str
    """Name of the mine or parcel, else its number."""

    where: str
    """Place in the file that a person can find."""

    geometry: Polygon | MultiPolygon
    """CRS84, valid."""

    computed_area_m2: float
    """Area on the ellipsoid."""

    stated_area_m2: float | None = None
    """Area that the file states, in the unit that it names; None where it states
    none."""

    crs: str = "OGC:CRS84"
    """What the numbers were read as, such as ``EPSG:4526``."""

    zone: int | None = None
    """Number of the Gauss-Krueger zone; None for degrees."""

    repairs: tuple[str, ...] = ()
    """What was put right or passed over, one sentence each."""

    warnings: tuple[str, ...] = ()
    """What is used as it is and may be wrong, one sentence each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenceFile:
    """What one file was understood to say."""

    path: str
    """Path of the file, as it was given."""

    sha256: str
    """Digest of its bytes, hexadecimal."""

    licences: tuple[Licence, ...]
    """The good ones, in the order of the file."""

    refused: tuple[Refusal, ...]
    """Features that were not used."""

    repairs: tuple[str, ...]
    """What was put right or passed over, one sentence each; names the file."""

    parcels: tuple[ReadParcel, ...] = ()
    """How each of `licences` was understood, in the same order."""
