"""From what, and by what, a value was computed."""

import re
from dataclasses import dataclass

from rsmonitor.errors import ContractError


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Enough to compute an alert again."""

    software: str
    """``rsmonitor`` and its version."""

    settings_digest: str
    """SHA-256 of the settings that can change a result, hexadecimal."""

    scenes: tuple[str, ...]
    """Product ids of the looks that decided, oldest first."""

    processing_baselines: tuple[str, ...]
    """Distinct processing baselines of those scenes; empty where unknown."""

    model_id: str
    """Which model or rule set named the cause."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{64}", self.settings_digest):
            raise ContractError(
                f"settings_digest must be SHA-256 in hex, got {self.settings_digest!r}"
            )
