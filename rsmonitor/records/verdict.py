"""What a site is in the terms of the law, how sure that is, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shapely import MultiPolygon, Polygon

from rsmonitor.errors import ContractError


class Category(StrEnum):
    """Legal categories, in the order in which they rank an alert."""

    NO_RIGHT = "no_right"
    MINING_UNDER_EXPLORATION = "mining_under_exploration"
    BEYOND_BOUNDARY = "beyond_boundary"
    EXPIRED = "expired"
    RESTARTED = "restarted"
    MINING_UNDER_RESTORATION = "mining_under_restoration"
    RECOVERY_BEYOND_AREA = "recovery_beyond_area"
    RECOVERY_BEYOND_PERIOD = "recovery_beyond_period"
    OTHER_MINERAL = "other_mineral"
    OFF_LIST = "off_list"
    EXPLORATION_WITHOUT_RIGHT = "exploration_without_right"
    UNAUTHORISED_CONSTRUCTION = "unauthorised_construction"
    CLOSED_NOT_CLEARED = "closed_not_cleared"
    RESTORATION_OVERDUE = "restoration_overdue"
    UNCLEAR = "unclear"
    EXPLORATION_WORKS = "exploration_works"
    ANCILLARY_LAND = "ancillary_land"
    OTHER_MINERAL_RIGHT = "other_mineral_right"
    LEGACY = "legacy"
    NOTHING_ABNORMAL = "nothing_abnormal"


CATEGORY_LABELS: Final[Mapping[Category, tuple[str, str]]] = {
    Category.NO_RIGHT: ("疑似无证开采", "suspected mining without a right"),
    Category.MINING_UNDER_EXPLORATION: (
        "疑似以采代探",
        "suspected mining under an exploration right",
    ),
    Category.BEYOND_BOUNDARY: ("疑似越界开采", "suspected mining beyond the boundary"),
    Category.EXPIRED: (
        "疑似许可证过期开采",
        "suspected mining after the licence expired",
    ),
    Category.RESTARTED: ("疑似死灰复燃", "suspected restart at a closed site"),
    Category.MINING_UNDER_RESTORATION: (
        "疑似借治理之名采矿",
        "suspected mining under cover of restoration",
    ),
    Category.RECOVERY_BEYOND_AREA: (
        "疑似回收超范围",
        "suspected recovery beyond its area",
    ),
    Category.RECOVERY_BEYOND_PERIOD: (
        "疑似回收超期",
        "suspected recovery beyond its period",
    ),
    Category.OTHER_MINERAL: ("疑似超矿种", "suspected mining of another mineral"),
    Category.OFF_LIST: ("疑似名单外生产", "suspected production off the list"),
    Category.EXPLORATION_WITHOUT_RIGHT: (
        "疑似无证勘查",
        "suspected exploration without a right",
    ),
    Category.UNAUTHORISED_CONSTRUCTION: (
        "疑似违规新建",
        "suspected unauthorised construction",
    ),
    Category.CLOSED_NOT_CLEARED: (
        "疑似关闭未清理",
        "suspected closed site not cleared",
    ),
    Category.RESTORATION_OVERDUE: ("疑似修复逾期", "suspected restoration overdue"),
    Category.UNCLEAR: ("待核", "to be checked"),
    Category.EXPLORATION_WORKS: ("勘查施工待核", "exploration works, to be checked"),
    Category.ANCILLARY_LAND: ("附属设施用地待核", "ancillary land, to be checked"),
    Category.OTHER_MINERAL_RIGHT: (
        "其他矿种权内",
        "inside a right for another mineral",
    ),
    Category.LEGACY: ("历史遗留", "already there when the history starts"),
    Category.NOTHING_ABNORMAL: (
        "权内未见异常",
        "nothing abnormal seen inside the right",
    ),
}
"""Chinese and English label; those that accuse begin with 疑似."""


class Certainty(StrEnum):
    """How sure a verdict is, in space and in time."""

    CERTAIN = "certain"
    POSSIBLE = "possible"
    UNCLEAR = "unclear"


CERTAINTY_LABELS: Final[Mapping[Certainty, tuple[str, str]]] = {
    Certainty.CERTAIN: ("确定", "certain"),
    Certainty.POSSIBLE: ("可能", "possible"),
    Certainty.UNCLEAR: ("不明", "unclear"),
}
"""Chinese and English label of each certainty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceStep:
    """One rule that was asked about a part, and its answer."""

    rule: str
    """Code of the rule, one of `rsmonitor.stages.rules.RULES`."""

    zh: str
    """What it was asked and what it answered, in Chinese."""

    en: str
    """The same in English."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a site that one rule decided."""

    category: Category
    """What it is."""

    certainty: Certainty
    """How sure that is."""

    area_m2: float
    """Area on the ellipsoid, square metres."""

    licence_ids: tuple[str, ...]
    """Licences that touch it, in force or not."""

    clause: str
    """Which rule decided, in one sentence (English)."""

    clause_zh: str
    """The same sentence in Chinese."""

    geometry: Polygon | MultiPolygon
    """CRS84 longitude and latitude."""

    trace: tuple[TraceStep, ...] = ()
    """The rules in the order in which they were asked."""

    restrictions: tuple[str, ...] = ()
    """Restriction layers that it lies in; they raise its rank and permit nothing."""

    counted_only: bool = False
    """True for construction near nothing that the register knows: it is counted, and
    never raises an alert."""

    def __post_init__(self) -> None:
        if not self.area_m2 > 0:
            raise ContractError(f"Part.area_m2 must be positive, got {self.area_m2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The legal side of one site at one register snapshot."""

    site_id: str
    """Which site."""

    category: Category
    """The category of the most serious part that is large enough to count."""

    certainty: Certainty
    """How sure that category is."""

    parts: tuple[Part, ...]
    """All parts; their areas sum to the site's."""

    licence_ids: tuple[str, ...]
    """Every licence that touches the site."""

    register_snapshot: str
    """`RegisterSnapshot.snapshot_id`."""

    warnings: tuple[str, ...] = ()
    """What is odd about the register here, such as two mining rights on one place."""

    law_table: str = ""
    """Digest of the table of laws that was used; empty without one."""

    def __post_init__(self) -> None:
        if not self.parts:
            raise ContractError(f"verdict on {self.site_id} has no part")
        if self.category not in {part.category for part in self.parts}:
            raise ContractError(
                f"verdict on {self.site_id}: no part is {self.category.value}"
            )

    @property
    def raises_alert(self) -> bool:
        """False where nothing abnormal was seen, or it was there before the history.

        Construction near nothing that the register knows raises none either.
        """
        if self.category in {Category.NOTHING_ABNORMAL, Category.LEGACY}:
            return False
        return not self.counted_only

    @property
    def counted_only(self) -> bool:
        """True where all that decides is construction that is only counted."""
        return all(
            part.counted_only for part in self.parts if part.category is self.category
        )

    @property
    def restrictions(self) -> tuple[str, ...]:
        """Restriction layers that any part lies in."""
        return tuple(
            sorted({name for part in self.parts for name in part.restrictions})
        )
