"""What a file of parcels says, before anything is made of it.

Every reader gives the same records: corners as the file writes them, and the file's
own words about how to read them. `rsmonitor.io.licences.coordinates` alone decides
what they mean, so that the same mistake is put right in the same way in every format.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from rsmonitor.io.licences.found import Refusal

Written = float | str
"""One coordinate: a number, or text such as ``110°00'28.20"`` or ``2705381.95``."""


class Order(StrEnum):
    """Which column of a corner comes first."""

    UNKNOWN = "unknown"
    """The file does not say: the size of the numbers decides."""

    NORTH_FIRST = "north_first"
    """X north and Y east, or latitude first; the size of the numbers may overrule."""

    EAST_FIRST = "east_first"
    """Easting or longitude first, as geodata formats write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a file says about its coordinates; all of it may be missing or wrong."""

    datum: str = ""
    """Such as ``2000国家大地坐标系``, as the file writes it."""

    zone: int | None = None
    """Number of the zone (带号)."""

    zone_width: int | None = None
    """Degrees of a zone, 3 or 6 (几度分带)."""

    definition: str = ""
    """``EPSG:4526`` or WKT, where the format has one: a ``.prj``, a GeoPackage."""

    order: Order = Order.UNKNOWN
    """Which column comes first."""

    unit: str = ""
    """Unit of the coordinates as the file writes it: ``米``, ``度``, ``度.分秒``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """One ring, as it is written."""

    label: str
    """Number of the ring (圈号); empty where the format has none."""

    corners: tuple[tuple[Written, Written], ...]
    """First and second column of each corner; the ring may be open or closed."""

    line: int | None = None
    """Line or row of its first corner, counted from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One parcel, as it is written."""

    file: str
    """Path of the file, as it was given."""

    where: str
    """Place in it that a person can find, such as ``line 12`` or ``row 3``."""

    rings: tuple[Ring, ...]
    """In the order of the file; which are holes is not decided yet."""

    line: int | None = None
    """Line, row or feature that it begins at, counted from 1."""

    name: str = ""
    """Name of the parcel; empty where there is none."""

    number: str = ""
    """Number of the parcel in its file, which need not be that of a licence."""

    declared: Declared = field(default_factory=Declared)
    """What the file says about its coordinates."""

    attributes: Mapping[str, str] = field(default_factory=dict)
    """Fields by the names of the file, as text; days as ISO 8601 where the format
    has a type for them."""

    stated_area: str = ""
    """Area as it is written, with its unit where there is one, such as ``5.7089``."""

    stated_area_m2: float | None = None
    """The same in square metres, by the unit that the format or the column names; None
    where no area, or no unit, is given."""

    repairs: tuple[str, ...] = ()
    """What its reader put right or passed over, one sentence each."""

    doubt: str = ""
    """Reason to refuse it unless the stated area agrees, such as corners missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParcelFile:
    """What a reader found in one file."""

    parcels: tuple[Parcel, ...]
    """In the order of the file."""

    refused: tuple[Refusal, ...] = ()
    """What was not used, and why."""

    repairs: tuple[str, ...] = ()
    """What was put right or passed over in the file as a whole."""
