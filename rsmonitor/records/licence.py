"""Permission over a parcel between two dates."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from shapely import MultiPolygon, Polygon

from rsmonitor.errors import ContractError

SHANGHAI: Final = ZoneInfo("Asia/Shanghai")
"""Days and weeks of law and of reports are days and weeks here."""


class LicenceKind(StrEnum):
    """What a licence permits."""

    MINING = "mining"
    EXPLORATION = "exploration"
    RECOVERY = "recovery"
    LAND_USE = "land_use"
    RESTORATION = "restoration"
    CLOSED = "closed"
    PLANT = "plant"
    RESTRICTION = "restriction"


KIND_LABELS: Final[Mapping[LicenceKind, tuple[str, str]]] = {
    LicenceKind.MINING: ("采矿权", "mining right"),
    LicenceKind.EXPLORATION: ("探矿权", "exploration right"),
    LicenceKind.RECOVERY: ("压覆稀土回收项目", "recovery project"),
    LicenceKind.LAND_USE: ("用地批准", "land approval"),
    LicenceKind.RESTORATION: ("治理工程", "restoration project"),
    LicenceKind.CLOSED: ("关闭矿点", "closed site"),
    LicenceKind.PLANT: ("冶炼分离企业", "plant"),
    LicenceKind.RESTRICTION: ("限制区", "restriction"),
}
"""Chinese and English label of each kind."""


class LicenceStatus(StrEnum):
    """What an authority made of a permission before its end."""

    IN_FORCE = "in_force"
    SUSPENDED = "suspended"
    CANCELLED = "cancelled"
    REVOKED = "revoked"
    ANNULLED = "annulled"


STATUS_LABELS: Final[Mapping[LicenceStatus, tuple[str, str]]] = {
    LicenceStatus.IN_FORCE: ("有效", "in force"),
    LicenceStatus.SUSPENDED: ("停产", "suspended"),
    LicenceStatus.CANCELLED: ("注销", "cancelled"),
    LicenceStatus.REVOKED: ("吊销", "revoked"),
    LicenceStatus.ANNULLED: ("撤销", "annulled"),
}
"""Chinese and English label of each status."""

DATUM_ERRORS_M: Final[Mapping[str, float]] = {
    "CGCS2000": 0.5,
    "WGS 84": 0.5,
    "Xi'an 80": 100.0,
    "Beijing 54": 100.0,
}
"""Error of position that each datum brings where the file gives no parameters, metres.

There is no public transformation from Xi'an 80 and Beijing 54 better than that."""

_MILITARY: Final = re.compile(
    r"军事|军用|军产|国防用地|特殊用地|military", re.IGNORECASE
)
MAX_POSITION_ERROR_M: Final = 1000.0
"""Error of position beyond which a boundary says nothing."""

_COUNTY: Final = re.compile(r"[0-9]{6}")
_YEARS: Final = (1949, 2200)
_DAY: Final = timedelta(days=1)


def military_word(texts: Iterable[str]) -> str | None:
    """
    Find the word that makes a parcel military: such boundaries are never imported.

    That a place is military comes from a person who looked at one site, never from a
    layer that this program would then hold, print and deliver.

    Parameters
    ----------
    texts : iterable of str
        Attributes of one parcel: names and values, as the file writes them.

    Returns
    -------
    str or None
        The word as it stands there; None where there is none.

    Examples
    --------
    >>> military_word(["用地类型", "军事用地"])
    '军事'
    >>> military_word(["holder", "李建军"])
    """
    for text in texts:
        found = _MILITARY.search(text)
        if found:
            return found.group()
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChange:
    """One change of the status of a permission."""

    on: date
    """First day of the new status, Asia/Shanghai."""

    status: LicenceStatus
    """What it became."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """One permission, as the register holds it."""

    licence_id: str
    """Number of the licence."""

    kind: LicenceKind
    """What it permits."""

    geometry: Polygon | MultiPolygon
    """The parcel, CRS84 longitude and latitude, valid and not empty."""

    minerals: tuple[str, ...] = ()
    """Minerals named; empty where the file does not say."""

    holder: str = ""
    """Who holds it."""

    valid_from: date | None = None
    """First valid day, Asia/Shanghai; None where the file does not say."""

    valid_to: date | None = None
    """Last valid day, Asia/Shanghai; None where the file does not say."""

    status: str = ""
    """As the file says it."""

    invented: bool = False
    """True for the demo's licences: every product that shows them says so."""

    mine: str = ""
    """Name of the mine, project, plant or area."""

    associated_minerals: tuple[str, ...] = ()
    """Minerals named as co-occurring (共生) or associated (伴生)."""

    method: str = ""
    """How it is mined (开采方式), as the file says it."""

    issuer: str = ""
    """Authority that issued or approved it."""

    renewal_accepted: date | None = None
    """Day on which the application for renewal was accepted, Asia/Shanghai."""

    renewal_decided: date | None = None
    """Day on which that application was decided; None while it is open."""

    status_history: tuple[StatusChange, ...] = ()
    """Changes of its status, oldest first; in force before the first."""

    elevation_m: tuple[float, float] | None = None
    """Lowest and highest elevation permitted, metres; shown, never decisive."""

    datum: str = "WGS 84"
    """Datum in which its corners are given, one of `DATUM_ERRORS_M`."""

    position_error_m: float = 0.5
    """Error of its corners that the datum and its transformation bring, metres."""

    deadline: date | None = None
    """Last day to clear a closed site or to finish a restoration, Asia/Shanghai."""

    subkind: str = ""
    """Which land approval it is (临时用地, 建设用地, 林地使用), or which restriction
    (生态保护红线, 自然保护区, 永久基本农田, 饮用水水源保护区)."""

    version: int = 1
    """Counted from 1: a boundary or a date that changes makes a new one."""

    source: str = ""
    """File, or publication, that it was taken from."""

    def __post_init__(self) -> None:
        if not self.licence_id:
            raise ContractError("Licence.licence_id is empty")
        if self.geometry.is_empty or not self.geometry.is_valid:
            raise ContractError(f"licence {self.licence_id}: geometry is not valid")
        if (
            self.valid_from is not None
            and self.valid_to is not None
            and self.valid_to < self.valid_from
        ):
            raise ContractError(
                f"licence {self.licence_id}: valid_to {self.valid_to} is before "
                f"valid_from {self.valid_from}"
            )
        self._check_renewal_and_status()
        self._check_position()
        if self.version < 1:
            raise ContractError(
                f"licence {self.licence_id}: versions count from 1, got {self.version}"
            )

    def _check_renewal_and_status(self) -> None:
        """Refuse days in an order that cannot be."""
        if (
            self.renewal_accepted is not None
            and self.renewal_decided is not None
            and self.renewal_decided < self.renewal_accepted
        ):
            raise ContractError(
                f"licence {self.licence_id}: renewal_decided {self.renewal_decided} is "
                f"before renewal_accepted {self.renewal_accepted}"
            )
        days = [change.on for change in self.status_history]
        if any(later <= day for day, later in pairwise(days)):
            raise ContractError(
                f"licence {self.licence_id}: status_history must be ordered by day, "
                f"one change a day, got {', '.join(map(str, days))}"
            )

    def _check_position(self) -> None:
        """Refuse a datum that nobody knows, and numbers that are none."""
        if self.datum not in DATUM_ERRORS_M:
            raise ContractError(
                f"licence {self.licence_id}: datum must be one of "
                f"{', '.join(DATUM_ERRORS_M)}, got {self.datum!r}"
            )
        if not 0.0 <= self.position_error_m <= MAX_POSITION_ERROR_M:
            raise ContractError(
                f"licence {self.licence_id}: position_error_m must be from 0 to "
                f"{MAX_POSITION_ERROR_M:g}, got {self.position_error_m}"
            )
        if self.elevation_m is not None:
            low, high = self.elevation_m
            if not (math.isfinite(low) and math.isfinite(high) and low <= high):
                raise ContractError(
                    f"licence {self.licence_id}: elevation_m must be two finite "
                    f"numbers, the lower first, got {self.elevation_m}"
                )

    @property
    def dated(self) -> bool:
        """True where both ends of its validity are known."""
        return self.valid_from is not None and self.valid_to is not None

    def period(self) -> tuple[datetime, datetime]:
        """
        Give the validity as a half-open interval of instants.

        Returns
        -------
        tuple of datetime
            Start of the first valid day and start of the day after the last one,
            both Asia/Shanghai. A licence without end is written as 9999-12-31, after
            which the calendar has no day; its end is the start of that day.

        Raises
        ------
        ContractError
            If a date is unknown.
        """
        if self.valid_from is None or self.valid_to is None:
            raise ContractError(f"licence {self.licence_id} has no complete period")
        # a day from either end of the calendar, so that both exist in UTC as well
        first, last = (
            min(max(day, date.min + _DAY), date.max - _DAY)
            for day in (self.valid_from, self.valid_to)
        )
        return (
            datetime.combine(first, datetime.min.time(), SHANGHAI),
            datetime.combine(last + _DAY, datetime.min.time(), SHANGHAI),
        )

    def status_on(self, day: date) -> LicenceStatus:
        """
        Give the status on a day.

        Parameters
        ----------
        day : date
            Asia/Shanghai.

        Returns
        -------
        LicenceStatus
            Of the last change on or before that day; in force before the first. It
            says nothing of the dates between which the licence is valid.
        """
        status = LicenceStatus.IN_FORCE
        for change in self.status_history:
            if change.on <= day:
                status = change.status
        return status


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """A person's word that the register holds all rights of a kind in a county."""

    county_code: str
    """GB/T 2260, six digits; ``360700`` and ``360000`` are whole prefectures and
    provinces."""

    kind: LicenceKind
    """Kind that is complete there."""

    complete_on: date
    """Day for which it is complete, Asia/Shanghai."""

    def __post_init__(self) -> None:
        if not _COUNTY.fullmatch(self.county_code):
            raise ContractError(
                "Completeness.county_code has six digits (GB/T 2260), got "
                f"{self.county_code!r}"
            )

    def covers(self, county_code: str) -> bool:
        """
        Say whether a county is part of what is declared.

        Parameters
        ----------
        county_code : str
            GB/T 2260, six digits.

        Returns
        -------
        bool
            True for the county itself, and for counties of the prefecture or province.

        Examples
        --------
        >>> kind, day = LicenceKind.MINING, date(2026, 1, 1)
        >>> ganzhou = Completeness(county_code="360700", kind=kind, complete_on=day)
        >>> ganzhou.covers("360728"), ganzhou.covers("441400")
        (True, False)
        """
        area = self.county_code
        while area.endswith("00"):
            area = area.removesuffix("00")
        return bool(area) and county_code.startswith(area)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducingList:
    """The published list of the mines that produce in a year."""

    year: int
    """Calendar year that it is of."""

    publisher: str
    """Who published it: a group, or an authority."""

    published: date
    """Day of publication, Asia/Shanghai."""

    licence_ids: frozenset[str]
    """Numbers of the mining rights and recovery projects on it."""

    def __post_init__(self) -> None:
        first, last = _YEARS
        if not first <= self.year <= last:
            raise ContractError(
                f"ProducingList.year must be from {first} to {last}, got {self.year}"
            )
        if not self.publisher:
            raise ContractError(f"producing list of {self.year}: publisher is empty")
        if not self.licence_ids or not all(self.licence_ids):
            raise ContractError(
                f"producing list of {self.year} by {self.publisher}: a list names "
                f"licences by number, got {sorted(self.licence_ids)}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterSnapshot:
    """The licences as they stood when a verdict was made."""

    snapshot_id: str
    """Digest of the licences; the same licences give the same digest."""

    licences: tuple[Licence, ...]
    """All licences, in and out of force, ordered by id; of each its last version."""

    refused: tuple[str, ...] = ()
    """Licences that could not be used, each with its reason: the register is not whole,
    so that nothing is certainly without a right."""

    completeness: tuple[Completeness, ...] = ()
    """Where the register is declared complete; nowhere else is it."""

    producing: tuple[ProducingList, ...] = ()
    """Published lists of producing mines, by year and publisher."""

    earlier: tuple[Licence, ...] = ()
    """Versions of `licences` that later ones replaced, ordered by id and version: what
    happened under an older boundary is judged by it."""

    @property
    def invented(self) -> bool:
        """True if any licence is invented."""
        return any(licence.invented for licence in self.licences)
