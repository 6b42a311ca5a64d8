"""One place of disturbance followed over time."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from rsmonitor.errors import ContractError
from rsmonitor.records.disturbance import Classified

SITE_ID: Final = re.compile(r"^s[a-z2-7]{12}$")


class SiteState(StrEnum):
    """Where a site stands in its life, from imagery alone."""

    NEW = "new"
    """Seen, not confirmed yet."""

    ACTIVE = "active"
    """Confirmed, and still looked disturbed at its last clear looks."""

    RECOVERING = "recovering"
    """Confirmed earlier; its last clear looks are like the reference again."""

    WITHDRAWN = "withdrawn"
    """Was seen but never confirmed, and its evidence has gone: it was no change."""

    MERGED = "merged"
    """Became part of an older site, named in `merged_into`."""


STATE_LABELS: Final[Mapping[SiteState, tuple[str, str]]] = {
    SiteState.NEW: ("新发现", "new"),
    SiteState.ACTIVE: ("活动", "active"),
    SiteState.RECOVERING: ("光谱恢复", "recovering"),
    SiteState.WITHDRAWN: ("撤回", "withdrawn"),
    SiteState.MERGED: ("已合并", "merged"),
}
"""Chinese and English label of each state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A stable identity, and the latest observation of what lies there.

    Identity and geometry never depend on a licence: importing one changes verdicts,
    never sites.
    """

    site_id: str
    """Given once: ``s`` and twelve base-32 characters."""

    district: str
    """`District.code`."""

    state: SiteState
    """Where it stands in its life."""

    latest: Classified
    """The newest observation that still saw it."""

    merged_into: str | None = None
    """The older site that it became part of."""

    def __post_init__(self) -> None:
        if not SITE_ID.fullmatch(self.site_id):
            raise ContractError(
                f"site_id must match {SITE_ID.pattern}, got {self.site_id!r}"
            )
        if (self.state is SiteState.MERGED) != (self.merged_into is not None):
            raise ContractError(
                f"{self.site_id}: state {self.state} and merged_into "
                f"{self.merged_into} contradict each other"
            )
