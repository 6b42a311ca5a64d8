"""A district under watch."""

import re
from dataclasses import dataclass
from typing import Final

from rsmonitor.errors import ContractError

IDENTIFIER: Final = re.compile(r"^[a-z0-9][a-z0-9_-]{0,63}$")
"""What may become a folder name: nothing that a path or a shell could misread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class District:
    """An area under watch, and the bureau that answers for it."""

    code: str
    """GB/T 2260 county code (six digits); a plain identifier outside China."""

    name_zh: str
    """Chinese name."""

    name_en: str
    """English name."""

    bureau: str
    """Who receives the alerts."""

    county_codes: tuple[str, ...] = ()
    """GB/T 2260 codes of the counties that alerts of this district may name."""

    def __post_init__(self) -> None:
        if not IDENTIFIER.fullmatch(self.code):
            raise ContractError(
                f"District.code must match {IDENTIFIER.pattern}, got {self.code!r}"
            )
        for county in self.county_codes:
            if not re.fullmatch(r"[0-9]{6}", county):
                raise ContractError(
                    f"county codes have six digits (GB/T 2260), got {county!r}"
                )
