"""One observation of the ground, and the products that are versions of it."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from rsmonitor.errors import ContractError

PLATFORM: Final = re.compile(r"^(S2[A-Z]|unknown)$")
PROCESSING_BASELINE: Final = re.compile(r"^[0-9]{2}\.[0-9]{2}$")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class AcquisitionKey:
    """The identity of one look: grid, platform and start of the datatake.

    Never ESA's datatake identifier, which ends in the processing baseline and so
    changes when the same look is processed again.
    """

    grid_id: str
    """`Grid.grid_id` of the grid that was seen."""

    platform: str
    """``S2A``, ``S2B``, ``S2C`` and whatever follows; ``unknown`` in a bare cube."""

    datatake_start: datetime
    """Start of the datatake, timezone-aware UTC."""

    def __post_init__(self) -> None:
        if not PLATFORM.fullmatch(self.platform):
            raise ContractError(
                f"platform must be S2 and a letter, or 'unknown', got {self.platform!r}"
            )
        _require_utc("AcquisitionKey.datatake_start", self.datatake_start)


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One version of an acquisition, as a source offers it. Holds no pixels."""

    key: AcquisitionKey
    """What was seen."""

    product_id: str
    """ESA's product name without ``.SAFE``, or file and date for a cube."""

    processing_baseline: str | None
    """ESA processor version such as ``05.10``; None where the source does not say."""

    sensed_at: datetime
    """Start of sensing, timezone-aware UTC."""

    source: str
    """Name of the source that offers it, such as ``cube``."""

    def __post_init__(self) -> None:
        _require_utc("Product.sensed_at", self.sensed_at)
        if not self.product_id:
            raise ContractError("Product.product_id is empty")
        if self.processing_baseline is not None and not PROCESSING_BASELINE.fullmatch(
            self.processing_baseline
        ):
            raise ContractError(
                "processing_baseline must be NN.NN, got "
                f"{self.processing_baseline!r} in {self.product_id}"
            )


def _require_utc(name: str, value: datetime) -> None:
    """Refuse naive times and times of other zones."""
    if value.utcoffset() != timedelta(0):
        raise ContractError(f"{name} must be timezone-aware UTC, got {value!r}")
