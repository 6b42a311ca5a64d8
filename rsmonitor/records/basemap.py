"""A bureau's own imagery under the alerts: what it is, and of which day."""

import re
from dataclasses import dataclass
from typing import Final

from rsmonitor.errors import ContractError

WEB: Final = re.compile(r"^https?://", re.IGNORECASE)
"""How the address of a service begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Basemap:
    """One image under the alerts; rsmonitor names it and reads no pixel of it."""

    title: str
    """What people call it."""

    source: str
    """Absolute path of a GeoTIFF or MBTiles file, which its readers find under the same
    path, or the address of a WMTS."""

    on: str = ""
    """Day or days on which it was taken, as people write it; empty if nobody said."""

    layer: str = ""
    """WMTS: name of its layer."""

    matrix: str = ""
    """WMTS: name of its tile matrix set."""

    def __post_init__(self) -> None:
        if not self.title.strip() or not self.source.strip():
            raise ContractError("a basemap needs a title and a source")
        if self.is_service and not (self.layer.strip() and self.matrix.strip()):
            raise ContractError(
                f"basemap {self.title!r} is a service, which needs 'layer' and "
                "'matrix', as its capabilities name them"
            )

    @property
    def is_service(self) -> bool:
        """True for an address, False for a file."""
        return WEB.match(self.source) is not None

    @property
    def dated_title(self) -> str:
        """Title with its days: an old image must not pass for a new one."""
        return f"{self.title} ({self.on})" if self.on else self.title
