"""Small invented places, seen at regular looks, of which every change is known."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rsmonitor.lab.detector import Detection
from rsmonitor.lab.series import Series, Truth

FIRST = 17_000
"""2016-07-18: first look, days since 1970-01-01."""
REVISIT = 10
HISTORY = 75
"""Looks of the history: two years."""
LOOKS = 150
FOREST = {"B03": 0.05, "B04": 0.03, "B08": 0.35, "B11": 0.15}
SOIL = {"B03": 0.12, "B04": 0.18, "B08": 0.24, "B11": 0.32}
VEGETATION = 4


def day(look: int) -> int:
    """Give the day of a look."""
    return FIRST + REVISIT * look


def place(
    truth: ArrayLike,
    *,
    opened_at: int | NDArray[np.int64] = 100,
    noise: float = 0.0,
    **given: Any,  # noqa: ANN401 - any field of the record
) -> Series:
    """Make a place whose opened pixels turn from forest to soil at one look."""
    classes = np.asarray(truth, dtype=np.uint8)
    opened = classes == Truth.OPENED
    at = np.broadcast_to(np.asarray(opened_at), classes.shape)
    bare = opened & (np.arange(LOOKS)[:, None, None] >= at)
    season = 1 + 0.05 * np.cos(2 * np.pi * REVISIT * np.arange(LOOKS) / 365.25)
    random = np.random.default_rng(7)
    reflectance = np.stack(
        [np.where(bare, SOIL[band], FOREST[band]) for band in FOREST], axis=1
    )
    reflectance *= season[:, None, None, None]
    reflectance *= 1 + noise * random.standard_normal(reflectance.shape)
    series = Series(
        name="invented",
        days=FIRST + REVISIT * np.arange(LOOKS, dtype=np.int64),
        bands=tuple(FOREST),
        reflectance=reflectance.astype(np.float32),
        scl=np.full((LOOKS, *classes.shape), VEGETATION, dtype=np.uint8),
        pixel_m=10.0,
        connected=True,
        history_until=day(HISTORY - 1),
        truth=classes,
        began_after=np.where(opened, day(0) + REVISIT * (at - 1), 0),
        began_by=np.where(opened, day(0) + REVISIT * at, 0),
    )
    return replace(series, **given)


def alarms(confirmed: ArrayLike, *, monitored: ArrayLike | None = None) -> Detection:
    """Make a detection of the days on which alarms were raised, 0 where none was."""
    days = np.asarray(confirmed, dtype=np.int64)
    watched = np.ones(days.shape, np.bool_) if monitored is None else monitored
    return Detection(
        detector="invented",
        first_seen=days,
        confirmed=days,
        monitored=np.asarray(watched, dtype=np.bool_),
    )
