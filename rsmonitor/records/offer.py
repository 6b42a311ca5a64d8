"""What an archive offers of one scene, and the numbers that it ships."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from rsmonitor.errors import ContractError
from rsmonitor.records.acquisition import PROCESSING_BASELINE
from rsmonitor.records.grid import MGRS_TILE

PIXELS_10M = 10_980
"""Rows and columns of a Sentinel-2 tile at 10 m."""

BANDS_10M = ("B02", "B03", "B04", "B08")
"""Bands with 10 m pixels."""

BANDS_20M = ("B05", "B06", "B07", "B8A", "B11", "B12")
"""Bands with 20 m pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Radiometry:
    """How digital numbers of one product become reflectance."""

    add_offset: int
    """``BOA_ADD_OFFSET`` still to be applied to the numbers as served, such as -1000
    or 0."""

    quantification_value: int
    """``BOA_QUANTIFICATION_VALUE``, 10000."""

    because: str
    """Where that was read, for the log and the quarantine's reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One product over one MGRS tile, as an archive lists it. Holds no pixels."""

    product_id: str
    """ESA's product name without ``.SAFE`` where known, else the archive's id."""

    mgrs_tile: str
    """Five characters, no leading ``T``."""

    platform: str
    """``S2A`` and so on."""

    datatake_start: datetime
    """Start of the datatake, UTC; with tile and platform the identity of the look."""

    sensed_at: datetime
    """Start of sensing of this granule, UTC."""

    processing_baseline: str | None
    """Such as ``05.10``; None where the archive does not say."""

    radiometry: Radiometry
    """What is still to be done to the numbers as served."""

    source: str
    """Name of the archive, such as ``stac:earth-search``."""

    created_at: datetime | None = None
    """When this version was made, UTC; newest wins between equal baselines."""

    cloud_percent: float | None = None
    """0 to 100."""

    refined: bool | None = None
    """True if the product's geometry was refined against the reference image."""

    footprint: Polygon | MultiPolygon | None = None
    """Where it has data, CRS84."""

    assets: Mapping[str, str] = field(default_factory=dict)
    """Address or member path by band name and ``SCL``; empty where not file-based."""

    def __post_init__(self) -> None:
        if not MGRS_TILE.fullmatch(self.mgrs_tile):
            raise ContractError(f"mgrs_tile must be like 31TCJ, got {self.mgrs_tile!r}")
        if not re.fullmatch(r"S2[A-Z]", self.platform):
            raise ContractError(f"platform must be like S2B, got {self.platform!r}")
        if self.processing_baseline is not None and not PROCESSING_BASELINE.fullmatch(
            self.processing_baseline
        ):
            raise ContractError(
                f"processing_baseline must be NN.NN, got {self.processing_baseline!r}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class TileWindow:
    """A rectangle of a tile's 10 m pixels, on even rows and columns."""

    mgrs_tile: str
    """Which tile."""

    row: int
    """First row, even."""

    col: int
    """First column, even."""

    height: int
    """Rows, even."""

    width: int
    """Columns, even."""

    def __post_init__(self) -> None:
        for name in ("row", "col", "height", "width"):
            value = getattr(self, name)
            if value < 0 or value % 2:
                raise ContractError(
                    f"TileWindow.{name} must be even and not negative, got {value}: "
                    "20 m pixels are never cut"
                )
        if (
            self.height == 0
            or self.width == 0
            or self.row + self.height > PIXELS_10M
            or self.col + self.width > PIXELS_10M
        ):
            raise ContractError(f"window is not within a tile: {self}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Numbers:
    """Digital numbers of one window at native sampling, exactly as shipped."""

    bands_10m: tuple[str, ...]
    """ESA names, in the order of `dn_10m`."""

    bands_20m: tuple[str, ...]
    """ESA names, in the order of `dn_20m`."""

    dn_10m: NDArray[np.uint16]
    """Shape (band, y, x); 0 is no data."""

    dn_20m: NDArray[np.uint16]
    """Shape (band, y / 2, x / 2); 0 is no data."""

    scl: NDArray[np.uint8]
    """Scene classification at 20 m, shape (y / 2, x / 2)."""
