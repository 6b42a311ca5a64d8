"""What can be seen of the place of a tip: images, evidence, and what was not observed.

Nothing here knows who gave a tip; it is named by its opaque id.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import ContractError
from rsmonitor.records.grid import Grid
from rsmonitor.records.package import Reason
from rsmonitor.records.rasters import Tier
from rsmonitor.records.tip import Place, Tip

CAVEAT: Final = (
    "线索仅供优先查看：影像不证明举报属实，也不证明其不实；未观测不等于未变化。"
    "A tip asks for a look: imagery proves it neither true nor false; "
    "not observed is not unchanged."
)
"""Stands on every picture and list of tips."""


class Chosen(StrEnum):
    """From which looks an image of a tip's place is made."""

    SINCE = "since_the_tip"
    """From the newest back to the day of the tip."""

    UNTIL = "before_the_tip_nothing_clear_since"
    """From the newest at all: since the tip nothing near its place was seen clear."""

    YEAR_EARLIER = "a_year_earlier_same_season"
    """Of the season of the image after, in the year before the tip."""

    SEASON = "years_earlier_same_season"
    """Of that season in the years before."""

    OTHER_SEASON = "another_season"
    """Of another season, half a year or more before the tip."""

    SHORTLY = "shortly_before_the_tip"
    """Less than half a year before it: there is nothing older."""


CHOSEN_LABELS: Final[Mapping[Chosen, tuple[str, str]]] = {
    Chosen.SINCE: ("线索日期之后最新", "newest since the tip"),
    Chosen.UNTIL: ("线索日期之后无清晰影像", "nothing clear since the tip"),
    Chosen.YEAR_EARLIER: ("约一年前同季", "same season, a year earlier"),
    Chosen.SEASON: ("更早年份同季", "same season, years earlier"),
    Chosen.OTHER_SEASON: ("季节不同，慎作对比", "another season: compare with care"),
    Chosen.SHORTLY: ("线索前不久（无更早影像）", "shortly before: nothing older"),
}
"""Chinese and English label of each."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mosaic:
    """An image of one look, with what it does not show from others of some days."""

    grid: Grid
    """Where its pixels are."""

    rgb: NDArray[np.uint8]
    """Colours, shape (y, x, 3); mid grey where nothing was seen."""

    days: NDArray[np.datetime64]
    """Day of the look that each pixel shows, datetime64[D]; NaT where none was
    clear."""

    looks: tuple[tuple[date, str], ...]
    """Day and product id of each look in it, oldest first."""

    chosen: Chosen
    """From which looks it is made."""

    share_near: float
    """Share of the ground near the tip's place that it shows, 0 to 1."""

    true_colour: bool
    """False where near infrared stands for blue, which the source lacks."""

    def __post_init__(self) -> None:
        shape = self.grid.shape
        if self.rgb.shape != (*shape, 3) or self.days.shape != shape:
            raise ContractError(
                f"mosaic {self.chosen}: the grid has {shape}, rgb {self.rgb.shape}, "
                f"days {self.days.shape}"
            )

    @property
    def seen(self) -> NDArray[np.bool_]:
        """True where it shows the ground."""
        shown: NDArray[np.bool_] = ~np.isnat(self.days)
        return shown


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EvidenceWindow:
    """What runs know of each pixel of a window, also below the reporting threshold."""

    grid: Grid
    """Where the pixels are: those of the district's grid."""

    monitored: NDArray[np.bool_]
    """True where the history suffices to say what unchanged looks like, shape
    (y, x)."""

    tier: NDArray[np.uint8]
    """`rsmonitor.records.rasters.Tier`."""

    score: NDArray[np.float32]
    """Log likelihood ratio of 'disturbed' against 'unchanged', nats; 0 where the last
    looks saw nothing, NaN where not monitored."""

    first_seen: NDArray[np.datetime64]
    """First clear look of the change, datetime64[D], also of one that is not confirmed;
    NaT where there is none."""

    began_after: NDArray[np.datetime64]
    """Last clear look that saw nothing of it; NaT where there is none."""

    confirmed: NDArray[np.datetime64]
    """Day on which the high tier was reached; NaT where it was not."""

    last_seen: NDArray[np.datetime64]
    """Last clear look that still looked disturbed; NaT where there is none."""

    last_clear: NDArray[np.datetime64]
    """Last clear look; NaT where never."""

    n_clear: NDArray[np.uint16]
    """Clear looks since monitoring began."""

    near: NDArray[np.bool_]
    """True within `TipView.within_m` of the tip's place."""

    levels: tuple[float, float, float]
    """Scores at which low, medium and high begin, nats."""

    @property
    def below(self) -> NDArray[np.bool_]:
        """True where there is some evidence, too weak for the lowest tier."""
        weak: NDArray[np.bool_] = (self.tier == Tier.NONE) & (self.score > 0)
        return weak


@dataclass(frozen=True, slots=True, kw_only=True)
class Strongest:
    """The pixel near a tip's place of which the evidence is strongest."""

    lon: float
    """Its centre, CRS84 degrees."""

    lat: float
    """Likewise."""

    distance_m: float
    """From the tip's place, metres."""

    tier: Tier
    """Its tier; `Tier.NONE` below the threshold."""

    score: float
    """Nats."""

    first_seen: date
    """First clear look of the change."""

    began_after: date | None
    """Last clear look that saw nothing of it."""

    confirmed: date | None
    """Day on which it reached the high tier."""

    last_seen: date | None
    """Last clear look that still looked disturbed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LooksSince:
    """What the looks since a tip showed of its place."""

    looks: int
    """Looks from the day of the tip on that could be read."""

    clear: int
    """Of those, looks that showed half or more of the ground near."""

    partly: int
    """Of those, looks that showed some of it, and less than half."""

    unreadable: int
    """Looks that could not be read."""

    left_out: int
    """Older looks since the tip that were not read, because there are very many."""

    last_clear: date | None
    """Last look, before the tip or since, that showed half or more of it; None if none
    of those that were read did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NearSite:
    """A site near the place of a tip, whenever it changed."""

    site_id: str
    """`Site.site_id`."""

    alert_id: str
    """Id of its alert, raised or not."""

    state: str
    """`SiteState` value."""

    distance_m: float
    """From the tip's place, metres."""

    days_apart: int
    """See `rsmonitor.records.tip.TipMatch`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TipView:
    """What can be seen of the place of one tip."""

    tip: Tip
    """The tip."""

    place: Place
    """Where it points, CRS84."""

    within_m: float
    """How far around it counts as near, metres."""

    district: str
    """`District.code` of the district that watches the place."""

    grid_id: str
    """The grid that is shown."""

    until: date
    """Last day that images and evidence know: the end of the district's last run."""

    run_id: str
    """That run."""

    before: Mosaic | None
    """None where nothing clear was seen."""

    after: Mosaic | None
    """None where nothing clear was seen."""

    evidence: EvidenceWindow | None
    """None where the state of the run cannot be read; `notes` says why."""

    since: LooksSince
    """What the looks since the tip showed."""

    strongest: Strongest | None
    """None where there is no evidence at all near."""

    pixels_near: Mapping[str, int]
    """Pixels near by ``not_monitored``, ``none``, ``below``, ``low``, ``medium`` and
    ``high``; empty without evidence."""

    sites: tuple[NearSite, ...]
    """Sites near, whenever they changed; nearest first."""

    notes: tuple[Reason, ...]
    """What a reader must know."""

    software: str
    """``rsmonitor`` and its version."""

    @property
    def share_monitored(self) -> float | None:
        """Share of the ground near that is monitored, 0 to 1; None: not known."""
        total = sum(self.pixels_near.values())
        if not total:
            return None
        return 1 - self.pixels_near.get("not_monitored", 0) / total
