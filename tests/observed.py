"""Observations of an invented site, look by look."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from sightings import CELL_M2, FIRST, outline, sighting, square

from rsmonitor.records.disturbance import Increment
from rsmonitor.records.lifecycle import Observation
from rsmonitor.records.site import Site, SiteState

SITE_ID = "saaaaaaaaaaaa"
WOOD = 0.85


def look(
    day: date, greenness: float = 1.0, *, seen: float = 1.0, bare: float = 0.0
) -> Observation:
    """Observe a site that has a share of the greenness of the wood around it."""
    clear = seen > 0
    return Observation(
        site_id=SITE_ID,
        look=f"g0/S2A/{day:%Y%m%d}T000000Z",
        product_id=f"product {day}",
        day=day,
        share_seen=seen,
        ndvi=WOOD * greenness if clear else None,
        predicted=0.02,
        ring=WOOD if clear else None,
        ring_predicted=0.02 if clear else None,
        bare_share=bare if clear else None,
        area_m2=400.0,
    )


def every(
    days: int, greenness: Sequence[float], *, start: date = FIRST, bare: float = 0.0
) -> list[Observation]:
    """Observe at an even pace."""
    return [
        look(start + timedelta(days=days * i), value, bare=bare)
        for i, value in enumerate(greenness)
    ]


def grown(
    *parts: tuple[int, date],
    confirmed: date | None = FIRST + timedelta(days=10),
    state: SiteState = SiteState.ACTIVE,
) -> Site:
    """Follow a site whose parts of so many cells began on these days."""
    first = parts[0][1]
    latest = sighting(square(0, 0, 2), began_by=first, confirmed=confirmed)
    seen = replace(
        latest.disturbance,
        increments=tuple(
            Increment(
                geometry=outline(square(0, 10 * i, 2)),
                area_m2=CELL_M2 * cells,
                began_after=None,
                began_by=day,
            )
            for i, (cells, day) in enumerate(parts)
        ),
    )
    return Site(
        site_id=SITE_ID,
        district="demo",
        state=state,
        latest=replace(latest, disturbance=seen),
    )
