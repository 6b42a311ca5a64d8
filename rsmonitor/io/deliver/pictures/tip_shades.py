"""Colours of the evidence around a tip's place, on pixels alone."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.records.rasters import Tier
from rsmonitor.records.tip_view import EvidenceWindow, TipView

STRENGTHS: Final = (
    ("below", "#fff3a3", "低于报告阈值 below the threshold"),
    ("low", "#fec44f", "低 low"),
    ("medium", "#f16913", "中 medium"),
    ("high", "#99000d", "高 high"),
)
"""Name, colour and words of each strength, weakest first."""

OLDEST: Final = (90, 10, 30)
NEWEST: Final = (255, 225, 70)
"""Colours of the oldest and the newest day: dark to bright, also in grey print."""

HATCH: Final = 7
"""Pixels of a panel from one stroke over what is not known to the next."""

FINE: Final = 420
"""Pixels of a side to which images are enlarged, so that strokes are fine."""


MOST_KEYS: Final = 4
"""Days of change that are explained."""

Key = list[tuple[str | tuple[float, ...] | None, str]]
"""Colour and words; None for what is hatched."""


def coloured_by_strength(rgb: NDArray[np.uint8], evidence: EvidenceWindow) -> Key:
    """Lay the strengths over the ground, and explain those that are there."""
    key: Key = []
    for name, colour, words in STRENGTHS:
        where = (
            evidence.below & evidence.monitored
            if name == "below"
            else evidence.tier == Tier[name.upper()]
        )
        if where.any():
            rgb[where] = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
            key.append((colour, words))
    return key


def coloured_by_day(rgb: NDArray[np.uint8], evidence: EvidenceWindow) -> Key:
    """Lay the day of the first change over the ground, and explain some days."""
    there = evidence.monitored & ~np.isnat(evidence.first_seen)
    there &= (evidence.tier > 0) | evidence.below
    if not there.any():
        return []
    number = evidence.first_seen.astype("datetime64[D]").astype(np.int64)
    found = np.unique(number[there])
    oldest, newest = int(found[0]), int(found[-1])

    def colour(day: NDArray[np.int64]) -> NDArray[np.float64]:
        # of one day it is as bright as the newest
        share = 1.0 - (newest - day) / max(1, newest - oldest)
        ends = np.array([OLDEST, NEWEST], dtype=np.float64)
        shade: NDArray[np.float64] = ends[0] + share[..., None] * (ends[1] - ends[0])
        return shade

    rgb[there] = colour(number[there]).astype(np.uint8)
    places = (
        np.linspace(0, len(found) - 1, min(MOST_KEYS, len(found))).round().astype(int)
    )
    return [
        (tuple(colour(np.array(day)) / 255), str(np.datetime64(int(day), "D")))
        for day in found[places]
    ]


def hatched(rgb: NDArray[np.uint8], unknown: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Enlarge an image, and hatch what is not known."""
    times = max(1, math.ceil(FINE / max(unknown.shape)))
    large = rgb.repeat(times, axis=0).repeat(times, axis=1)
    veiled = unknown.repeat(times, axis=0).repeat(times, axis=1)
    rows, cols = np.indices(veiled.shape)
    stroke = (rows + cols) % HATCH < 2  # noqa: PLR2004 - pixels of it
    pale = (large * 0.45 + 255 * 0.5).astype(np.uint8)
    pale[stroke] = 70
    return np.where(veiled[..., None], pale, large)


def ground(evidence: EvidenceWindow, view: TipView) -> NDArray[np.uint8]:
    """Give the newest image in pale grey, on the pixels of the evidence."""
    shape = evidence.grid.shape
    mosaic = view.after or view.before
    grey = np.full(shape, 190.0)
    if mosaic is not None:
        thinned = mosaic.rgb.mean(axis=-1)
        rows, cols = (
            np.minimum(np.arange(side) * small // side, small - 1)
            for side, small in zip(shape, thinned.shape, strict=True)
        )
        grey = thinned[np.ix_(rows, cols)] * 0.5 + 105
    rgb = np.repeat(grey[..., None], 3, axis=-1)
    return rgb.clip(0, 255).astype(np.uint8)
