"""Permission over a parcel between two dates."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
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
            both Asia/Shanghai.

        Raises
        ------
        ContractError
            If a date is unknown.
        """
        if self.valid_from is None or self.valid_to is None:
            raise ContractError(f"licence {self.licence_id} has no complete period")
        day_after = self.valid_to + timedelta(days=1)
        return (
            datetime.combine(self.valid_from, datetime.min.time(), SHANGHAI),
            datetime.combine(day_after, datetime.min.time(), SHANGHAI),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterSnapshot:
    """The licences as they stood when a verdict was made."""

    snapshot_id: str
    """Digest of the licences; the same licences give the same digest."""

    licences: tuple[Licence, ...]
    """All licences, in and out of force, ordered by id."""

    refused: tuple[str, ...] = ()
    """Licences that could not be used, each with its reason: the register is not whole,
    so that nothing is certainly without a right."""

    @property
    def invented(self) -> bool:
        """True if any licence is invented."""
        return any(licence.invented for licence in self.licences)
