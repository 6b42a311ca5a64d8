"""A site over the years: what each look showed of it, and the life read from that."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from rsmonitor.errors import ContractError
from rsmonitor.records.licence import LicenceKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one look showed of one site, small enough to keep for every look."""

    site_id: str
    """`Site.site_id`."""

    look: str
    """The acquisition, see `look_name`: a product that is processed again replaces what
    its older version said."""

    product_id: str
    """`Product.product_id`."""

    day: date
    """Day of the look, Asia/Shanghai."""

    share_seen: float
    """Share of the site's pixels that were seen, 0 to 1."""

    ndvi: float | None = None
    """Median NDVI of the site's pixels; None if none was seen."""

    predicted: float | None = None
    """What its own history has on such a day of the year, as NDVI above what the whole
    scene has in common on that day; None if the site is not monitored."""

    ring: float | None = None
    """Median NDVI of unchanged pixels around the site; None if too few were seen."""

    ring_predicted: float | None = None
    """Median of what the history of those same pixels has, likewise."""

    bare_share: float | None = None
    """Share of the site's seen pixels that are bare, 0 to 1; None if none was seen."""

    area_m2: float = 0.0
    """Area of what had begun by that day, square metres; 0 before the site began."""

    def __post_init__(self) -> None:
        for name in ("share_seen", "bare_share"):
            value = getattr(self, name)
            if value is not None and not 0.0 <= value <= 1.0:
                raise ContractError(
                    f"Observation.{name} of {self.site_id} must be from 0 to 1, "
                    f"got {value}"
                )
        for name in ("ndvi", "predicted", "ring", "ring_predicted"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise ContractError(
                    f"Observation.{name} of {self.site_id} must be finite or None, "
                    f"got {value}"
                )
        if not (math.isfinite(self.area_m2) and self.area_m2 >= 0.0):
            raise ContractError(
                f"Observation.area_m2 of {self.site_id} must be finite and not "
                f"negative, got {self.area_m2}"
            )
        if (self.ndvi is None) != (self.bare_share is None):
            raise ContractError(
                f"Observation of {self.site_id}: ndvi and bare_share are both measured "
                f"or both not, got {self.ndvi} and {self.bare_share}"
            )

    @property
    def expected(self) -> float | None:
        """NDVI of the site had nothing happened; None if that is unknown.

        What the unchanged pixels around it show, and by how much the site differed
        from them on such days before. So haze, light, and a dry or an early year are
        in it.
        """
        if self.predicted is None or self.ring is None or self.ring_predicted is None:
            return None
        return self.ring + self.predicted - self.ring_predicted


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryCurve:
    """How green a site was before it was one, as a curve over the year.

    Above what the whole scene has in common on each day, as references are.

    Kept when a later reference is fitted: that one may describe the bare ground.
    """

    site_id: str
    """`Site.site_id`."""

    line: str
    """`Partition.line` whose reference it was taken from."""

    coefficients: tuple[float, ...]
    """Median over the site's pixels of each seasonal coefficient, see
    `rsmonitor.stages.history.seasonal_terms`; NDVI units."""

    def __post_init__(self) -> None:
        if len(self.coefficients) % 2 != 1:
            raise ContractError(
                f"HistoryCurve of {self.site_id} needs a constant and pairs of cosine "
                f"and sine, got {len(self.coefficients)} coefficients"
            )
        if not all(map(math.isfinite, self.coefficients)):
            raise ContractError(
                f"HistoryCurve of {self.site_id} must be finite, got "
                f"{self.coefficients}"
            )


class Phase(StrEnum):
    """What the imagery says a site is going through."""

    NEW = "new"
    """Seen, not confirmed."""

    ACTIVE = "active"
    """Confirmed, and growing."""

    DORMANT = "dormant"
    """No growth and no new loss of plants for a while in which it was looked at."""

    CLEARED = "cleared"
    """Dormant, and the bare spots that it had are gone."""

    RESTORING = "restoring"
    """Dormant, and greening."""

    RECOVERED_VEGETATION = "recovered_vegetation"
    """As green as its own history and its neighbourhood. Greenness alone: never that a
    restoration meets its standard."""

    RESTARTED = "restarted"
    """Growth, or new loss of plants, after it had been dormant."""


PHASE_LABELS: Final[Mapping[Phase, tuple[str, str]]] = {
    Phase.NEW: ("新发现", "new"),
    Phase.ACTIVE: ("活动", "active"),
    Phase.DORMANT: ("停滞", "dormant"),
    Phase.CLEARED: ("裸地消失", "bare spots gone"),
    Phase.RESTORING: ("植被恢复中", "restoring"),
    Phase.RECOVERED_VEGETATION: ("植被已恢复（非验收结论）", "vegetation recovered"),
    Phase.RESTARTED: ("疑似再次活动", "restarted"),
}
"""Chinese and English label of each phase."""

QUIET: Final = frozenset(
    {Phase.DORMANT, Phase.CLEARED, Phase.RESTORING, Phase.RECOVERED_VEGETATION}
)
"""Phases of a site at which nothing is going on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeParameters:
    """When a site counts as quiet, greening or recovered."""

    clear_share: float = 0.5
    """Share of a site's pixels that a look must show to count as clear, 0 to 1."""

    quiet_days: int = 90
    """Days without growth, while it was looked at, after which a site is dormant."""

    quiet_looks: int = 3
    """Clear looks in those days that are needed to say so; also how many looks in the
    growing season each value of the recovery curve is the median of."""

    growth_m2: float = 400.0
    """Smallest growth that counts, square metres."""

    growing_season: float = 0.75
    """A look is of the growing season where the expected NDVI is at least this share of
    the most that is expected: in winter a felled wood looks like a standing one."""

    lost: float = 0.85
    """Share of the expected greenness that a site must have fallen to before there is
    anything to recover."""

    greening: float = 0.15
    """Rise above its lowest, as a share of the expected greenness, that makes a dormant
    site a greening one; a fall by as much from its best is a new loss of plants."""

    recovered: float = 0.9
    """Share of the expected greenness, and of the neighbourhood's, from which the
    vegetation counts as recovered, once it has held for `recovered_days`."""

    recovered_days: int = 365
    """How long it must have held: herbs are green in their first summer, and a slope
    of herbs is brown again when spring comes late."""

    bare_before: float = 0.2
    """Share of bare pixels that a site must have had for it to be cleared."""

    bare_after: float = 0.05
    """Share of bare pixels up to which it is cleared."""

    def __post_init__(self) -> None:
        for name in (
            "clear_share",
            "growing_season",
            "lost",
            "greening",
            "recovered",
            "bare_before",
            "bare_after",
        ):
            value = getattr(self, name)
            if not 0.0 < value <= 1.0:
                raise ContractError(f"life.{name} must be in (0, 1], got {value}")
        for name in ("quiet_days", "quiet_looks", "recovered_days"):
            value = getattr(self, name)
            if not 1 <= value <= 3660:  # noqa: PLR2004 - ten years
                raise ContractError(f"life.{name} must be from 1 to 3660, got {value}")
        if not self.growth_m2 > 0:
            raise ContractError(
                f"life.growth_m2 must be positive, got {self.growth_m2}"
            )
        if self.bare_after >= self.bare_before:
            raise ContractError(
                f"life.bare_after {self.bare_after} must be below bare_before "
                f"{self.bare_before}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A phase and when it lasted."""

    phase: Phase
    """Which."""

    since: date
    """First day: of the look that showed it."""

    until: date | None
    """First day of the next phase; None while it lasts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Greenness:
    """One point of a recovery curve."""

    day: date
    """The look, of the growing season and clear."""

    own: float
    """Share of the greenness that its own history would have; median of a few looks."""

    beside: float | None
    """Share of the greenness of its neighbourhood; None if that was not seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeCycle:
    """The life of a site as the imagery has it."""

    site_id: str
    """`Site.site_id`."""

    periods: tuple[Period, ...]
    """Phases, oldest first, without a gap; at least one."""

    area: tuple[tuple[date, float], ...]
    """Area that had begun by each day on which it grew, square metres."""

    curve: tuple[Greenness, ...]
    """Recovery curve, oldest first; empty until enough was seen."""

    last_activity: date
    """Last day on which growth or new loss of plants was first seen."""

    bare_gone: tuple[tuple[date, date | None], ...] = ()
    """Times in which the bare spots that it had were gone, each from the look that
    showed it to the one that showed new ones, None where they stayed away."""

    def __post_init__(self) -> None:
        if not self.periods:
            raise ContractError(f"LifeCycle of {self.site_id} has no period")
        untils = [period.until for period in self.periods]
        sinces = [period.since for period in self.periods]
        if untils != [*sinces[1:], None] or sinces != sorted(sinces):
            raise ContractError(
                f"periods of {self.site_id} must follow each other without a gap"
            )

    @property
    def now(self) -> Phase:
        """The phase that lasts."""
        return self.periods[-1].phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Visibility:
    """What could not be seen of a site, and what that means for what comes next."""

    last_clear: date | None
    """Last clear look; None if there was none."""

    looks_since: int
    """Looks after it, none of them clear."""

    clear_looks: int
    """Clear looks in the year up to the last look."""

    gap_median_days: float | None
    """Median of the days between clear looks of that year; None if there were fewer
    than two."""

    gap_90_days: float | None
    """Nine of ten of those gaps are no longer than this."""

    looks_to_confirm: int
    """Clear looks that a change needs to be confirmed, at least."""

    @property
    def delay_median_days(self) -> float | None:
        """Days from a change to its confirmation, with the clouds as they were."""
        if self.gap_median_days is None:
            return None
        return self.gap_median_days * self.looks_to_confirm

    @property
    def delay_90_days(self) -> float | None:
        """The same where every gap is as long as nine of ten at most are."""
        if self.gap_90_days is None:
            return None
        return self.gap_90_days * self.looks_to_confirm


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """What became of a site in a closed site, a recovery or a restoration project."""

    site_id: str
    """`Site.site_id`."""

    licence_id: str
    """`Licence.licence_id`."""

    kind: LicenceKind
    """``closed``, ``recovery`` or ``restoration``."""

    since: date | None
    """From when nothing may go on: the closing, the start of the restoration, the end
    of the recovery project. None where the register has no date: then nothing can be
    said of what came after."""

    cleared: date | None = None
    """First day after that on which the bare spots were seen gone."""

    regreening: date | None = None
    """First day after that on which it was seen greening."""

    recovered_vegetation: date | None = None
    """First day after that on which its vegetation was seen recovered."""

    started_again: date | None = None
    """First growth or new loss of plants after that."""


class Kinship(StrEnum):
    """How two sites belong together."""

    SPLIT = "split"
    """The younger parted from the older."""

    MERGE = "merge"
    """The younger became part of the older."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Kin:
    """One branch of the family tree of sites."""

    older: str
    """The site that goes on."""

    younger: str
    """The site that parted from it, or went into it."""

    kinship: Kinship
    """Which of both."""

    def __post_init__(self) -> None:
        if self.older == self.younger:
            raise ContractError(f"site {self.older} cannot be kin to itself")


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Where a site comes from, and what came of it."""

    site_id: str
    """`Site.site_id`."""

    parents: tuple[str, ...]
    """Sites that it parted from, and sites that went into it; by id."""

    children: tuple[str, ...]
    """Sites that parted from it, and the one that it went into; by id."""

    tree: tuple[Kin, ...]
    """All branches of the tree that it belongs to, near and far."""
