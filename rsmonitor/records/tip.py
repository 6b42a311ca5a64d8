"""A tip of the public (举报线索): a place and a day, and nothing of who gave it."""

import math
import re
from dataclasses import dataclass
from datetime import date
from typing import Final

from shapely import MultiPolygon, Point, Polygon

from rsmonitor.errors import ContractError

TIP_ID: Final = re.compile(r"^t[a-z2-7]{12}$")

_MOST_DAYS: Final = 36_500

Place = Point | Polygon | MultiPolygon
"""Where a tip points, CRS84."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tip:
    """What rsmonitor knows of a tip; names and contacts lie elsewhere, erasable."""

    tip_id: str
    """Opaque: ``t`` and twelve characters that say nothing of its giver."""

    day: date
    """The day that the tip speaks of, else that on which it was given, Shanghai."""

    place: Place | None
    """CRS84; None while only an address is known."""

    def __post_init__(self) -> None:
        if not TIP_ID.fullmatch(self.tip_id):
            raise ContractError(
                f"tip_id must match {TIP_ID.pattern}, got {self.tip_id!r}"
            )
        if self.place is not None and self.place.is_empty:
            raise ContractError(f"{self.tip_id}: its place is empty; leave it out")


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingParameters:
    """How near a site must be to what a tip says."""

    within_m: float = 500.0
    """Metres between place and outline: people point at a hill, not at a pixel."""

    days_ahead: int = 120
    """Days after the tip in which a change may be seen first: clouds delay it."""

    days_behind: int = 365
    """Days before the tip since which a site may have been quiet."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.within_m) and self.within_m >= 0):
            raise ContractError(f"within_m must be 0 or more, got {self.within_m}")
        for name in ("days_ahead", "days_behind"):
            if not 0 <= getattr(self, name) <= _MOST_DAYS:
                raise ContractError(
                    f"{name} must be from 0 to {_MOST_DAYS}, got {getattr(self, name)}"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class TipMatch:
    """One tip and one site that may be what it speaks of."""

    tip_id: str
    """`Tip.tip_id`."""

    site_id: str
    """`Site.site_id`."""

    distance_m: float
    """Between place and outline on the ellipsoid, metres; 0 where they touch."""

    days_apart: int
    """From the tip to the nearest day of the site's activity: positive where the
    change was first seen after the tip, negative where it was last seen before it,
    0 where the tip lies within."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.distance_m) and self.distance_m >= 0):
            raise ContractError(
                f"{self.tip_id}: distance_m must be 0 or more, got {self.distance_m}"
            )
