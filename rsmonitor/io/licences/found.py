"""What a licence file was understood to say, and what of it was not used.

Every reader gives these records, whatever the format; `rsmonitor.io.licences.check`
prints them, and the register takes nothing that they do not show.
"""

from dataclasses import dataclass

from shapely import MultiPolygon, Polygon

from rsmonitor.errors import LicenceError
from rsmonitor.records.licence import Licence


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
