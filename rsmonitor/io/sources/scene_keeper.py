"""What scenes from archives ask of the place that keeps them."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from rsmonitor.records.offer import Numbers, Offer, TileWindow


class SceneKeeper(Protocol):
    """Keeps what was fetched and what was learnt of it; `SceneCache` is one."""

    def fetch(
        self,
        offer: Offer,
        window: TileWindow,
        bands: Sequence[str],
        ask: Callable[[], Numbers],
    ) -> Numbers:
        """Give a piece; ask the archive only if it is not kept."""

    def holds(self, offer: Offer, window: TileWindow, bands: Sequence[str]) -> bool:
        """Tell whether a piece is kept, without reading it."""

    def search(
        self,
        *,
        source: str,
        mgrs_tile: str,
        start: datetime,
        until: datetime,
        ask: Callable[[], Sequence[Offer]],
    ) -> tuple[Offer, ...]:
        """Give what an archive offers; ask it only if it was not asked lately."""

    def is_checked(self, offer: Offer, scope: str) -> bool:
        """Tell whether a product passed the self-check before."""

    def note_checked(self, offer: Offer, scope: str, note: str) -> None:
        """Remember that a product passed the self-check."""

    def quarantine(self, offer: Offer, reason: str) -> None:
        """Put a product aside for good."""

    def quarantined(self, offer: Offer) -> str | None:
        """Give the reason why a product was put aside; None if it was not."""

    def note_failure(self, offer: Offer, reason: str) -> int:
        """Remember that a product could not be read; give how often by now."""

    def note_success(self, offer: Offer) -> None:
        """Forget the failures of a product."""
