"""One message about one suspected site. A clue, not a verdict."""

import re
from dataclasses import dataclass
from typing import Final

from rsmonitor.errors import ContractError
from rsmonitor.records.provenance import Provenance
from rsmonitor.records.site import Site
from rsmonitor.records.verdict import Verdict

ALERT_ID: Final = re.compile(r"^a[a-z2-7]{12}$")

M2_PER_MU: Final = 10_000 / 15
"""One mu (亩) is 666.67 square metres."""

NOTICE: Final = (
    "卫星影像发现只是问题线索，不能直接作为行政处罚的依据。"
    "Satellite findings are clues and not by themselves a basis for a penalty."
)
"""Printed on every product (自然资发〔2023〕258号)."""

NOTICE_INVENTED: Final = (
    "示例数据：许可证为虚构。Sample data: the licences are invented."
)
"""Printed beside the notice wherever invented licences were used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What a bureau receives about one site."""

    alert_id: str
    """Stable: ``a`` and the site's own twelve characters."""

    version: int
    """Counts from 1; raised when what the alert says changes."""

    rank: int
    """Place in the order of attention, from 1."""

    site: Site
    """What was seen."""

    verdict: Verdict
    """What it is in law."""

    county_codes: tuple[str, ...]
    """GB/T 2260 codes of the counties it concerns."""

    bureau: str
    """Who receives it."""

    provenance: Provenance
    """From what it was computed."""

    invented_licences: bool
    """True in the demo."""

    def __post_init__(self) -> None:
        if not ALERT_ID.fullmatch(self.alert_id):
            raise ContractError(
                f"alert_id must match {ALERT_ID.pattern}, got {self.alert_id!r}"
            )
        if self.version < 1 or self.rank < 1:
            raise ContractError(
                f"{self.alert_id}: version and rank count from 1, got "
                f"{self.version} and {self.rank}"
            )
        if self.verdict.site_id != self.site.site_id:
            raise ContractError(
                f"{self.alert_id}: verdict is on {self.verdict.site_id}, "
                f"site is {self.site.site_id}"
            )
