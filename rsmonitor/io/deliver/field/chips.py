"""The images of all sites of a field pack, drawn side by side."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from rsmonitor.io.deliver.field.visits import Plan
from rsmonitor.io.deliver.pictures.chip_images import chip_png
from rsmonitor.records.package import ChipRole

_MOST_THREADS: Final = 8
"""Packing a PNG, which is most of the work, leaves Python to others."""


def chip_pngs(
    plan: Plan, *, side: int, grey: bool
) -> dict[tuple[int, ChipRole], bytes]:
    """
    Draw the images of all sites.

    Parameters
    ----------
    plan : Plan
        The week's visits.
    side : int
        Pixels of the longer side.
    grey : bool
        True for pages that are printed in black and white.

    Returns
    -------
    dict of tuple of int and ChipRole to bytes
        PNG by number of the visit and role, in the order of the visits.
    """
    wanted = {
        (visit.number, chip.role): (visit, chip)
        for visit in plan.visits
        for chip in visit.dossier.chips
    }

    def draw(key: tuple[int, ChipRole]) -> bytes:
        visit, chip = wanted[key]
        outline = visit.dossier.alert.site.latest.disturbance.geometry
        return chip_png(chip, outline, side=side, grey=grey)

    threads = min(_MOST_THREADS, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads) as pool:
        return dict(zip(wanted, pool.map(draw, wanted), strict=True))
