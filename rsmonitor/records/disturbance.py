"""Land cover change seen in pixels, outlined; and what probably caused it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final

from shapely import MultiPolygon, Polygon

from rsmonitor.errors import ContractError
from rsmonitor.records.rasters import Tier


class Cause(StrEnum):
    """What can change the ground; one table for classifier, triage and reports."""

    DIGGING = "digging"
    PONDS = "ponds"
    IN_SITU_LEACH = "in_situ_leach"
    CONSTRUCTION = "construction"
    CLEAR_CUT = "clear_cut"
    ORCHARD = "orchard"
    FIRE = "fire"
    LANDSLIDE = "landslide"
    ROAD = "road"
    QUARRY = "quarry"
    SOLAR = "solar"
    FARMLAND = "farmland"
    REMEDIATION = "remediation"
    ARTEFACT = "artefact"
    UNKNOWN = "unknown"


CAUSE_LABELS: Final[Mapping[Cause, tuple[str, str]]] = {
    Cause.DIGGING: ("采挖", "digging"),
    Cause.PONDS: ("沉淀池/浸出池", "leaching or settling ponds"),
    Cause.IN_SITU_LEACH: ("疑似原地浸矿", "suspected in-situ leaching"),
    Cause.CONSTRUCTION: ("建设", "construction"),
    Cause.CLEAR_CUT: ("林木采伐", "felling"),
    Cause.ORCHARD: ("果园/油茶", "orchard terraces"),
    Cause.FIRE: ("火烧", "fire"),
    Cause.LANDSLIDE: ("滑坡/崩岗", "landslide or gully"),
    Cause.ROAD: ("道路", "road"),
    Cause.QUARRY: ("采石/其他矿", "quarry or other mine"),
    Cause.SOLAR: ("光伏", "solar farm"),
    Cause.FARMLAND: ("农田平整", "farmland levelling"),
    Cause.REMEDIATION: ("矿山修复", "mine remediation"),
    Cause.ARTEFACT: ("伪变化（云/影/错位）", "artefact: cloud, shadow, shift"),
    Cause.UNKNOWN: ("未知", "unknown"),
}
"""Chinese and English label of each cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Increment:
    """A part of a disturbance that began in one interval: what law is judged on."""

    geometry: Polygon | MultiPolygon
    """CRS84 longitude and latitude."""

    area_m2: float
    """Area on the ellipsoid, square metres."""

    began_after: date | None
    """Last clear look that saw nothing; None if there was none."""

    began_by: date
    """First clear look that saw the change."""

    def __post_init__(self) -> None:
        _require_area(self.area_m2)
        if self.began_after is not None and self.began_after >= self.began_by:
            raise ContractError(
                f"began_after {self.began_after} must be before "
                f"began_by {self.began_by}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """One connected patch of disturbed pixels on one grid, as seen now."""

    grid_id: str
    """Grid it was seen on."""

    anchor: tuple[int, int]
    """Row and column of its earliest pixel: what its identity is made of."""

    tier: Tier
    """Highest tier that enough of its pixels reached."""

    geometry: Polygon | MultiPolygon
    """CRS84 longitude and latitude."""

    area_m2: float
    """Sum of its pixels' areas on the ellipsoid, square metres."""

    pixels: int
    """Number of pixels."""

    began_after: date | None
    """Last clear look that saw nothing of it; None if there was none."""

    began_by: date
    """First clear look that saw it, which is also `first_seen`."""

    confirmed: date | None
    """Day it reached the high tier; None if it has not."""

    last_seen: date
    """Last clear look at which it still looked disturbed."""

    last_clear: date
    """Last clear look of any of its pixels."""

    clear_looks_since: int
    """Clear looks from `began_by` on, that look included; median of its pixels."""

    increments: tuple[Increment, ...]
    """Its parts by the interval in which they began, oldest first."""

    features: Mapping[str, float] = field(default_factory=dict)
    """Measurements named as in `stages.features.FEATURE_ORDER`; may be NaN."""

    def __post_init__(self) -> None:
        _require_area(self.area_m2)
        if self.tier is Tier.NONE:
            raise ContractError("a Disturbance of tier NONE is not a disturbance")
        if self.pixels <= 0:
            raise ContractError(f"pixels must be positive, got {self.pixels}")
        if self.began_after is not None and self.began_after >= self.began_by:
            raise ContractError(
                f"began_after {self.began_after} must be before "
                f"began_by {self.began_by}"
            )
        if not self.began_by <= self.last_seen <= self.last_clear:
            raise ContractError(
                f"dates must be in order: began_by {self.began_by}, last_seen "
                f"{self.last_seen}, last_clear {self.last_clear}"
            )
        if not self.increments:
            raise ContractError("a Disturbance has at least one increment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Classified:
    """A disturbance with the probability of each cause."""

    disturbance: Disturbance
    """What was classified."""

    causes: Mapping[Cause, float]
    """Probability by cause; they sum to 1."""

    model_id: str
    """Which model or rule set said so."""

    def __post_init__(self) -> None:
        if not self.causes:
            raise ContractError("Classified.causes is empty")
        for cause, probability in self.causes.items():
            if not 0.0 <= probability <= 1.0:
                raise ContractError(
                    f"probability of {cause} must be in [0, 1], got {probability}"
                )
        total = math.fsum(self.causes.values())
        if abs(total - 1.0) > 1e-6:  # noqa: PLR2004 - rounding of a sum of probabilities
            raise ContractError(f"probabilities must sum to 1, got {total}")

    @property
    def cause(self) -> Cause:
        """The most probable cause; ties go to the first in the table."""
        order = list(Cause)
        return max(self.causes, key=lambda c: (self.causes[c], -order.index(c)))


def _require_area(area_m2: float) -> None:
    """Refuse areas that no polygon on Earth has."""
    if not (math.isfinite(area_m2) and area_m2 > 0):
        raise ContractError(f"area_m2 must be positive and finite, got {area_m2}")
