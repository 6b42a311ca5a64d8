"""One scheduled run: its identity, its result, and what is committed of it."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import xarray as xr
from shapely import MultiPolygon, Polygon

from rsmonitor.errors import ContractError
from rsmonitor.records.acquisition import Product
from rsmonitor.records.alert import Alert
from rsmonitor.records.district import District
from rsmonitor.records.event import EventDraft
from rsmonitor.records.grid import Grid
from rsmonitor.records.licence import RegisterSnapshot
from rsmonitor.records.site import Site
from rsmonitor.records.week import IsoWeek

StateKind = Literal["reference", "evidence", "checkpoint0", "checkpoint1"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """The identity of a run: the same partition is never computed twice."""

    district: str
    """`District.code`."""

    week: IsoWeek
    """The ISO week in Asia/Shanghai whose end the run looks up to."""

    algorithm: str
    """`rsmonitor.ALGORITHM_VERSION`."""

    settings_digest: str
    """SHA-256 of the settings that can change a result."""

    @property
    def line(self) -> str:
        """Name of the series of runs that share state: everything but the week."""
        text = f"{self.district}\n{self.algorithm}\n{self.settings_digest}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def run_id(self) -> str:
        """A name that is safe as a folder: district, week and line."""
        return f"{self.district}-{self.week}-{self.line}".lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotPointer:
    """Which of the two slots of a state block holds the truth."""

    line: str
    """`Partition.line`."""

    grid_id: str
    """`Grid.grid_id`."""

    block_id: str
    """`Block.block_id`."""

    kind: StateKind
    """``reference`` (between refits read-only) or ``evidence``."""

    slot: int
    """0 or 1."""

    sha256: str
    """SHA-256 of what vouches for the array: of a file, its header, which holds the
    checksum of every part. Checked on every read."""

    def __post_init__(self) -> None:
        if self.slot not in {0, 1}:
            raise ContractError(f"a state block has slots 0 and 1, got {self.slot}")
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ContractError(f"sha256 must be hex of 64, got {self.sha256!r}")

    @property
    def place(self) -> tuple[str, str, str, str]:
        """What the pointer points for: everything but slot and digest."""
        return (self.line, self.grid_id, self.block_id, self.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What was seen of a district in one week: no alert is not 'no mining'."""

    district: str
    """`District.code`."""

    grid_id: str
    """`Grid.grid_id`."""

    week: IsoWeek
    """The week."""

    geometry: Polygon | MultiPolygon
    """Outline of the area, CRS84."""

    area_m2: float
    """Area on the ellipsoid, square metres."""

    share_seen: float
    """Share of the area with at least one clear look in the week, 0 to 1."""

    share_monitored: float
    """Share of the area whose history suffices, 0 to 1."""

    median_days_since_clear: float
    """Median age of the last clear look at the week's end, days; NaN if never seen."""

    scenes_used: int
    """Scenes applied in the week."""

    scenes_without_clear: int
    """Of those, scenes that showed no pixel clear."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunResult:
    """Everything that a run tells the world; a pure function of its inputs."""

    partition: Partition
    """Which run."""

    district: District
    """Where."""

    grids: tuple[Grid, ...]
    """The grids that cover it."""

    sites: tuple[Site, ...]
    """All sites of the district, merged and withdrawn ones included, by id."""

    alerts: tuple[Alert, ...]
    """Standing alerts by rank."""

    evidence: Mapping[str, xr.Dataset]
    """By grid_id: `rsmonitor.records.rasters.EVIDENCE_PRODUCT`, with x, y and CRS."""

    last_clear: Mapping[str, xr.DataArray]
    """By grid_id: day of the last clear look, datetime64, NaT where never."""

    coverage: tuple[Coverage, ...]
    """What was seen."""

    register: RegisterSnapshot
    """The licences that the verdicts used."""

    products: tuple[Product, ...]
    """Acquisitions applied by this run, oldest first."""

    software: str
    """``rsmonitor`` and its version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run as the ledger remembers it."""

    run_id: str
    """`Partition.run_id`."""

    line: str
    """`Partition.line`."""

    district: str
    """`District.code`."""

    week: IsoWeek
    """The week."""

    location: str
    """Name of the published output folder."""

    counts: Mapping[str, int]
    """Sites and alerts by tier, for status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCommit:
    """What one run writes to the ledger in one transaction."""

    record: RunRecord
    """The run."""

    finished_at: datetime
    """When, UTC."""

    pointers: tuple[SlotPointer, ...]
    """Slots that become the truth."""

    products: tuple[Product, ...]
    """Acquisitions that are now part of the state."""

    replayed: bool
    """True if the state was built anew: `products` then replaces what was applied."""

    sites: tuple[Site, ...]
    """All sites of the district as they are now."""

    alerts: tuple[Alert, ...]
    """Standing alerts."""

    events: tuple[EventDraft, ...] = field(default=())
    """What happened, in order."""
