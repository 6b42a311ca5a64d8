"""A place seen many times, with what is known of its changes."""

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import ContractError


class Truth(IntEnum):
    """What a reference says of a pixel over the monitoring period."""

    UNCHANGED = 0
    OPENED = 1
    NOT_COUNTED = 2
    """Uncertain, or changed before monitoring began."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Series:
    """Looks at one place, oldest first, and a reference for them."""

    name: str
    """Short name, such as ``romania``."""

    days: NDArray[np.int64]
    """Days since 1970-01-01, ascending, shape (time,)."""

    bands: tuple[str, ...]
    """ESA names of the bands."""

    reflectance: NDArray[np.float32]
    """Reflectance, NaN where not measured, shape (time, band, y, x)."""

    scl: NDArray[np.uint8]
    """Scene classification, shape (time, y, x)."""

    pixel_m: float
    """Length of a pixel, metres."""

    connected: bool
    """True if pixels are neighbours in one scene; False if each is a place of its own,
    as in a table of pixel series, so that nothing is shared between them."""

    history_until: int
    """Last day of the history, days since 1970-01-01."""

    truth: NDArray[np.uint8]
    """See `Truth`, shape (y, x)."""

    began_after: NDArray[np.int64]
    """Last day known to be unchanged, days since 1970-01-01; 0 where nothing began,
    shape (y, x)."""

    began_by: NDArray[np.int64]
    """First day known to be changed; 0 where nothing began, shape (y, x)."""

    def __post_init__(self) -> None:
        n_time = self.days.size
        height, width = self.truth.shape
        for name, shape, wanted in (
            (
                "reflectance",
                self.reflectance.shape,
                (n_time, len(self.bands), height, width),
            ),
            ("scl", self.scl.shape, (n_time, height, width)),
            ("began_after", self.began_after.shape, (height, width)),
            ("began_by", self.began_by.shape, (height, width)),
        ):
            if shape != wanted:
                raise ContractError(
                    f"series {self.name}: {name} must have shape {wanted}, got {shape}"
                )
        if (np.diff(self.days) < 0).any():
            raise ContractError(f"series {self.name}: days do not ascend")


def thinned(series: Series, share: float, random: np.random.Generator) -> Series:
    """
    Take looks away after the history, by chance: a cloudier sky, tried directly.

    Parameters
    ----------
    series : Series
        The series.
    share : float
        Share of the later looks that stay, above 0 up to 1.
    random : numpy.random.Generator
        Chance.

    Returns
    -------
    Series
        The history untouched.

    Raises
    ------
    ContractError
        If the share is out of its range.
    """
    if not 0 < share <= 1:
        raise ContractError(f"a share of looks is above 0 up to 1, got {share}")
    later = np.flatnonzero(series.days > series.history_until)
    kept = random.choice(later, size=max(1, round(share * later.size)), replace=False)
    some = np.sort([*np.flatnonzero(series.days <= series.history_until), *kept])
    return replace(
        series,
        days=series.days[some],
        reflectance=series.reflectance[some],
        scl=series.scl[some],
    )
