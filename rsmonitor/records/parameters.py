"""Parameters of the stages, which `rsmonitor.config` fills from the settings.

Each default says where it comes from; what was measured stands in docs/accuracy.md.
"""

import math
from dataclasses import dataclass, field
from datetime import date

from rsmonitor.errors import ContractError
from rsmonitor.records.rasters import SCORE_SCALE, Scl


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearParameters:
    """What counts as a look at the ground."""

    clear_classes: tuple[int, ...] = (
        Scl.VEGETATION,
        Scl.NOT_VEGETATED,
        Scl.WATER,
        Scl.UNCLASSIFIED,
    )
    """SCL classes that show the ground; 7 stays in, because bare soil lands there."""

    grown_classes: tuple[int, ...] = (
        Scl.CLOUD_SHADOW,
        Scl.CLOUD_MEDIUM,
        Scl.CLOUD_HIGH,
        Scl.CIRRUS,
    )
    """SCL classes whose edges are not trusted."""

    grow_m: float = 20.0
    """How far clouds and shadows are grown, metres on the ground."""

    snow_ndsi: float = 0.2
    """(B03 - B11) / (B03 + B11) above which a bright pixel is snow. Turbid ponds are
    lost to it. A limit in near-infrared, or letting pass what SCL calls water, would
    keep them; both were tried and let shaded snow through, which SCL calls water."""

    snow_green: float = 0.08
    """B03 below which nothing is snow: it keeps dark water out of the test."""

    def __post_init__(self) -> None:
        _require("grow_m", self.grow_m, 0.0, 1000.0)
        _require("snow_ndsi", self.snow_ndsi, -1.0, 1.0)
        _require("snow_green", self.snow_green, 0.0, 1.0)
        known = {int(scl) for scl in Scl}
        for value in (*self.clear_classes, *self.grown_classes):
            if value not in known:
                raise ContractError(f"SCL classes are 0 to 11, got {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RescueParameters:
    """When a 'cloud' is bright ground, and when ground is under haze."""

    looks: int = 3
    """Looks in which a 'cloud' stood at the same place after which it is ground."""

    spare: int = 3
    """Looks beyond `looks` that are remembered: twice so many looks that differ are
    borne."""

    brightness_ratio: float = 1.4
    """Brightness in B04 may differ from the usual by this factor: that of bare ground
    does by less in 95 of 100 looks, that of the clouds over it in 6."""

    max_extent_m: float = 300.0
    """A 'cloud' that is longer is left to be one, metres."""

    ring_m: float = 150.0
    """How far the surroundings of a 'cloud' reach, metres."""

    max_obscured: float = 0.1
    """Share of the surroundings that may be cloud, shadow, snow or without data."""

    max_cloud_share: float = 0.3
    """Share of the scene that is cloud above which nothing in it is rescued."""

    cloud_displacement: float = -0.25
    """Cloud displacement index below which a 'cloud' is one: the value to which
    Frantz et al. (2018) grow clouds."""

    ground_displacement: float = 0.1
    """Cloud displacement index above which a 'cloud' is ground at the first look."""

    min_flat_m2: float = 3000.0
    """Smaller 'clouds' are not judged by displacement at the first look: too little
    of the window is theirs."""

    haze: float = 0.06
    """B02 - B04 / 2 above which the darkest ground around is under haze too thick to be
    seen through. Thinner haze is left to scene offsets and noise: taking it out at 0.04
    cost more looks of the Romanian sample than it saved (F1 0.941 for 0.959)."""

    haze_window_m: float = 300.0
    """Side of the window in which that is looked for, metres: white ground must be as
    large to be taken for haze."""

    def __post_init__(self) -> None:
        _require("looks", self.looks, 2, 7)
        _require("spare", self.spare, 0, 5)
        if 2 * (self.looks + self.spare) > 15:  # noqa: PLR2004 - four bits count halves
            raise ContractError(
                f"looks {self.looks} and spare {self.spare} must not exceed 7 together"
            )
        _require("brightness_ratio", self.brightness_ratio, 1.0, 10.0)
        _require("max_extent_m", self.max_extent_m, 10.0, 5000.0)
        _require("ring_m", self.ring_m, 10.0, 5000.0)
        _require("max_obscured", self.max_obscured, 0.0, 1.0)
        _require("max_cloud_share", self.max_cloud_share, 0.0, 1.0)
        _require("cloud_displacement", self.cloud_displacement, -1.0, 1.0)
        _require("ground_displacement", self.ground_displacement, -1.0, 1.0)
        _require("min_flat_m2", self.min_flat_m2, 0.0, 1e9)
        _require("haze", self.haze, 0.0, 1.0)
        _require("haze_window_m", self.haze_window_m, 10.0, 5000.0)
        if self.ground_displacement <= self.cloud_displacement:
            raise ContractError(
                f"ground_displacement {self.ground_displacement} must be above "
                f"cloud_displacement {self.cloud_displacement}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryParameters:
    """How the per-pixel seasonal reference is fitted."""

    until: date
    """Last day of the history, which must hold no disturbance that matters."""

    start: date | None = None
    """First day of the history; None: as far back as the source goes."""

    harmonics: int = 1
    """Pairs of sine and cosine of the year."""

    min_looks: int = 12
    """Clear looks below which a pixel is not monitored."""

    ridge: float = 0.3
    """Weight that holds the seasonal terms near zero where looks are few."""

    sample_pixels: int = 10_000
    """Pixels of the fixed sample from which scene statistics are taken."""

    bare_ndvi: float = 0.3
    """Ground that never gets greener than this NDVI is bare, and not monitored."""

    break_step: float = 3.0
    """A step of the history by this many scatters of the pixel is a change of ground:
    half the drop that is tested for."""

    def __post_init__(self) -> None:
        _require("harmonics", self.harmonics, 0, 3)
        _require("min_looks", self.min_looks, 3 + 2 * self.harmonics, 10_000)
        _require("ridge", self.ridge, 0.0, 100.0)
        _require("sample_pixels", self.sample_pixels, 100, 10_000_000)
        _require("bare_ndvi", self.bare_ndvi, -1.0, 1.0)
        _require("break_step", self.break_step, 1.0, 100.0)
        if self.start is not None and self.start >= self.until:
            raise ContractError(
                f"history.start {self.start} must be before history.until {self.until}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceParameters:
    """The sequential test.

    Levels are log likelihood ratios in nats. With `clip` 4 and `high` 12 no pixel
    reaches the high tier on fewer than three looks.
    """

    indices: tuple[str, ...] = ("ndvi", "ndmi", "dred")
    """Names in `rsmonitor.stages.indices.INDICES`; those whose bands are missing are
    left out, and the run says so."""

    drop: float = 6.0
    """The change that is tested for, in spreads of the combined index."""

    clip: float = 4.0
    """Most that one look can add or take away: one bad look raises no alarm."""

    low: float = 6.0
    """Level of the low tier."""

    medium: float = 8.0
    """Level of the medium tier."""

    high: float = 12.0
    """Level of the high tier; reaching it confirms the pixel. Simulated on residuals of
    the Romanian sample, docs/accuracy.md: some 14 false objects in 100 km² and year at
    12, some 48 at 10, none seen at 14."""

    cap: float = 24.0
    """Where evidence stops growing, so that recovery can be seen."""

    min_sample: int = 200
    """Clear sample pixels below which a scene's offset cannot be estimated and the
    scene is not used."""

    def __post_init__(self) -> None:
        if not self.indices:
            raise ContractError("evidence.indices is empty")
        _require("drop", self.drop, 0.5, 20.0)
        _require("clip", self.clip, 0.1, 50.0)
        _require("min_sample", self.min_sample, 1, 10_000_000)
        if not 0 < self.low <= self.medium <= self.high <= self.cap:
            raise ContractError(
                "levels must rise: 0 < low <= medium <= high <= cap, got "
                f"{self.low}, {self.medium}, {self.high}, {self.cap}"
            )
        if self.cap * SCORE_SCALE > 65_535:  # noqa: PLR2004 - evidence is uint16
            raise ContractError(f"cap must be below 256, got {self.cap}")
        if self.low <= self.clip:
            raise ContractError(
                f"low {self.low} must be above clip {self.clip}: "
                "one look is no evidence"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlineParameters:
    """How disturbed pixels become polygons."""

    min_pixels: int = 4
    """Connected pixels below which there is no object."""

    edge_share: float = 0.5
    """An outline holds the pixels of which at least this share changed, measured by the
    strongest change within `edge_pixels`: at one half, what is left out at the rim
    makes up for what is taken in."""

    edge_pixels: int = 2
    """How far an edge is blurred, pixels: point spread, 20 m bands and shifts."""

    growth_gap_days: int = 45
    """Pixels whose first looks lie farther apart belong to different increments."""

    def __post_init__(self) -> None:
        _require("min_pixels", self.min_pixels, 1, 10_000)
        _require("edge_share", self.edge_share, 0.0, 1.0)
        _require("edge_pixels", self.edge_pixels, 0, 10)
        _require("growth_gap_days", self.growth_gap_days, 1, 3660)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingParameters:
    """How disturbances are joined to the sites of the run before."""

    min_overlap: float = 0.1
    """Share of the smaller geometry that must overlap to be the same place."""

    recovering_days: int = 60
    """Days without a disturbed look, while looks were clear, after which a confirmed
    site is recovering."""

    def __post_init__(self) -> None:
        _require("min_overlap", self.min_overlap, 0.0, 1.0)
        _require("recovering_days", self.recovering_days, 1, 3660)


@dataclass(frozen=True, slots=True, kw_only=True)
class LicensingParameters:
    """How sites are held against licences."""

    position_error_m: float = 20.0
    """Geolocation and outline together; nearer to a boundary nothing is certain."""

    min_part_m2: float = 200.0
    """Smaller parts do not decide the category."""

    construction_near_m: float = 200.0
    """Construction within this of a mining right, a recovery project, a closed site or
    a plant is suspected; farther away it is only counted."""

    exploration_works_m2: float = 1000.0
    """Digging below this that did not grow is a trench or a pad of exploration."""

    def __post_init__(self) -> None:
        _require("position_error_m", self.position_error_m, 0.0, 1000.0)
        _require("min_part_m2", self.min_part_m2, 0.0, 1e9)
        _require("construction_near_m", self.construction_near_m, 0.0, 10_000.0)
        _require("exploration_works_m2", self.exploration_works_m2, 0.0, 1e9)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertingParameters:
    """When an alert becomes a new version of itself."""

    area_change: float = 0.2
    """Relative change of area that makes a new version."""

    def __post_init__(self) -> None:
        _require("area_change", self.area_change, 0.0, 100.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Every parameter that can change a result."""

    history: HistoryParameters
    """The reference."""

    clear: ClearParameters = field(default_factory=ClearParameters)
    """What was seen."""

    rescue: RescueParameters = field(default_factory=RescueParameters)
    """Bright ground that is taken for cloud, and haze."""

    evidence: EvidenceParameters = field(default_factory=EvidenceParameters)
    """The sequential test."""

    outline: OutlineParameters = field(default_factory=OutlineParameters)
    """Polygons."""

    tracking: TrackingParameters = field(default_factory=TrackingParameters)
    """Sites."""

    licensing: LicensingParameters = field(default_factory=LicensingParameters)
    """Licences."""

    alerting: AlertingParameters = field(default_factory=AlertingParameters)
    """Alerts."""


def _require(name: str, value: float, low: float, high: float) -> None:
    """Refuse a number outside its range."""
    if not (math.isfinite(value) and low <= value <= high):
        raise ContractError(f"{name} must be from {low} to {high}, got {value}")
