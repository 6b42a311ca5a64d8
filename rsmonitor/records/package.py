"""What one area receives for one week, and everything that its pages say.

A package is made of records and of small images alone, so that each writer (report,
triage file, field pack, forms) can be tried without a ledger, a source or a network.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from shapely import MultiPolygon, Point, Polygon

from rsmonitor.errors import ContractError
from rsmonitor.records.alert import Alert
from rsmonitor.records.case import Case, Level
from rsmonitor.records.grid import Grid
from rsmonitor.records.licence import RegisterSnapshot
from rsmonitor.records.lifecycle import Phase
from rsmonitor.records.run import Coverage
from rsmonitor.records.week import IsoWeek

Language = Literal["zh", "en"]
"""In which language a person reads it; Chinese unless English is asked for."""

AREA_CODE: Final = re.compile(r"^[a-z0-9][a-z0-9_-]{0,63}$")
"""What may become the name of a folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """Who receives a package: a county, a prefecture or a province."""

    code: str
    """GB/T 2260: six digits of a county, four of a prefecture, two of a province. A
    district outside China keeps its plain identifier."""

    level: Level
    """Which of the three."""

    name_zh: str
    """Chinese name; the code where nobody gave a name."""

    name_en: str
    """English name; the Chinese one where there is no other."""

    bureau: str = ""
    """Who receives it; empty where the settings name nobody."""

    geometry: Polygon | MultiPolygon | None = None
    """Border, CRS84; None where no layer of borders is known."""

    def __post_init__(self) -> None:
        if not AREA_CODE.fullmatch(self.code):
            raise ContractError(
                f"the code of an area must match {AREA_CODE.pattern}, got {self.code!r}"
            )


class ChipRole(StrEnum):
    """What an image of a site shows."""

    BEFORE = "before"
    """Before the change: the newest look that saw nothing of it."""

    AFTER = "after"
    """After it: the newest look that saw the ground."""

    EVIDENCE = "evidence"
    """When each pixel was first seen to change, on the image after."""


CHIP_LABELS: Final[Mapping[ChipRole, tuple[str, str]]] = {
    ChipRole.BEFORE: ("变化前", "before"),
    ChipRole.AFTER: ("变化后", "after"),
    ChipRole.EVIDENCE: ("变化时间", "when it changed"),
}
"""Chinese and English label of each image."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chip:
    """A small image around one site, and nothing of its neighbours' sites."""

    role: ChipRole
    """What it shows."""

    rgb: NDArray[np.uint8]
    """Colours, shape (y, x, 3)."""

    seen: NDArray[np.bool_]
    """True where the look showed the ground, shape (y, x)."""

    grid: Grid
    """Where its pixels are."""

    days: tuple[date, ...]
    """Days of the looks, oldest first; one, but for evidence."""

    scenes: tuple[str, ...]
    """Product ids of the looks."""

    true_colour: bool
    """False where near infrared stands for blue, which the source lacks."""

    def __post_init__(self) -> None:
        shape = (self.grid.height, self.grid.width)
        if self.rgb.shape != (*shape, 3) or self.seen.shape != shape:
            raise ContractError(
                f"chip {self.role}: the grid has {shape}, rgb {self.rgb.shape}, "
                f"seen {self.seen.shape}"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Overview:
    """The image that lies under the map of an area."""

    rgb: NDArray[np.uint8]
    """Colours, shape (y, x, 3)."""

    grid: Grid
    """Where its pixels are; thinned from the grid of the scenes where that is large."""

    days: tuple[date, ...]
    """Days of the looks behind it, oldest first."""

    true_colour: bool
    """False where near infrared stands for blue."""


class News(StrEnum):
    """What is new about an alert since the package of the week before."""

    NEW = "new"
    """It is named for the first time."""

    CHANGED = "changed"
    """What it says changed."""

    STANDING = "standing"
    """It says what it said."""


NEWS_LABELS: Final[Mapping[News, tuple[str, str]]] = {
    News.NEW: ("新增", "new"),
    News.CHANGED: ("有变化", "changed"),
    News.STANDING: ("延续", "standing"),
}
"""Chinese and English label of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One sentence for people, in both languages."""

    zh: str
    """In Chinese."""

    en: str
    """In English."""

    def __getitem__(self, language: Language) -> str:
        """Give it in one language."""
        return self.zh if language == "zh" else self.en


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dossier:
    """One alert with everything that its page and its sheet say."""

    alert: Alert
    """What was said."""

    place: int
    """Place in the order of attention of this package, from 1."""

    reasons: tuple[Reason, ...]
    """Why it stands there, the weightiest first."""

    news: News
    """What is new about it."""

    short_name: str
    """Capitals and digits, for a receiver, a sheet and a call; unique in its
    district."""

    point: Point
    """A point inside the outline, as far from its edge as there is: CRS84."""

    grown_m2: float
    """Ground that began to change in the 90 days before the week's end, square
    metres."""

    phase: Phase | None
    """Where the site is in its life; None where no observation was kept."""

    look_for: tuple[Reason, ...]
    """What to look for on site."""

    also: tuple[str, ...] = ()
    """Codes of other counties whose packages name it too."""

    case: Case | None = None
    """What people did about it."""

    days_overdue: int = 0
    """Days since the case was due; 0 where it is not overdue."""

    chips: tuple[Chip, ...] = ()
    """Images; empty where no look showed the ground."""

    def __post_init__(self) -> None:
        if self.place < 1:
            raise ContractError(f"place counts from 1, got {self.place}")

    def chip(self, role: ChipRole) -> Chip | None:
        """
        Find the image of one kind.

        Parameters
        ----------
        role : ChipRole
            Which.

        Returns
        -------
        Chip or None
            None where there is none.
        """
        return next((chip for chip in self.chips if chip.role is role), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekCount:
    """How many alerts began in one week, for the trend."""

    week: IsoWeek
    """The week."""

    new: int
    """Alerts whose first version was said in it, also those withdrawn later."""

    standing: int
    """Of the alerts that stand today, those that stood at its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountyFigures:
    """One county in the summary of a prefecture or a province."""

    area: Area
    """The county."""

    standing: int
    """Standing alerts."""

    new: int
    """Of those, named for the first time this week."""

    high: int
    """Of those, of the high tier."""

    open: int
    """Cases that are not closed."""

    overdue: int
    """Cases past their due date."""

    area_m2: float
    """Area of the standing alerts, square metres."""

    share_seen: float
    """Share of what is watched that was seen clear in the week, 0 to 1; NaN where
    nothing is watched."""

    by_category: Mapping[str, int] = field(default_factory=dict)
    """Standing alerts by `Category` value."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Package:
    """What one area receives for one week."""

    area: Area
    """Who receives it."""

    week: IsoWeek
    """The week."""

    language: Language
    """In which language people read it."""

    dossiers: tuple[Dossier, ...]
    """Standing alerts of the area, in the order of attention."""

    pages: int
    """How many of them get a page in the report."""

    counties: tuple[CountyFigures, ...]
    """The county itself; or the counties of a prefecture or province, ranked."""

    trend: tuple[WeekCount, ...]
    """The last weeks in which somebody looked, oldest first; may be empty."""

    coverage: tuple[Coverage, ...]
    """What was seen, by grid."""

    register: RegisterSnapshot
    """Licences that touch the area's alerts or lie within its map."""

    overviews: tuple[Overview, ...]
    """Images under the map, one a grid; may be empty."""

    names: Mapping[str, str]
    """Chinese name by code of every county that is named anywhere in it."""

    software: str
    """``rsmonitor`` and its version."""

    settings_digest: str
    """SHA-256 of the settings that can change a result; of several districts, of
    theirs together."""

    runs: tuple[str, ...]
    """`RunRecord.run_id` of the runs behind it."""

    invented: bool
    """True where any licence is invented."""

    visit_start: Point | None = None
    """Where a round of visits begins and ends, CRS84; None: at the first site."""

    map_links: bool = False
    """True prints codes that open a map app, which sends coordinates to a third
    party."""

    notes: tuple[Reason, ...] = ()
    """What its readers must know."""

    precision: Reason | None = None
    """How often the first alerts of earlier weeks were right, by people's verdicts;
    None where nobody counted."""

    def __post_init__(self) -> None:
        places = [dossier.place for dossier in self.dossiers]
        if places != list(range(1, len(places) + 1)):
            raise ContractError(f"places must count from 1 in order, got {places}")
        if self.pages < 0:
            raise ContractError(f"pages must not be negative, got {self.pages}")

    @property
    def paged(self) -> tuple[Dossier, ...]:
        """The dossiers that get a page."""
        return self.dossiers[: self.pages]
