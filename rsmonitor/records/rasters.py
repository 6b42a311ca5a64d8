"""Every raster that passes between rooms, declared once and checked at the doors."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from rsmonitor.errors import ContractError


class Scl(IntEnum):
    """Classes of ESA's Level-2A scene classification."""

    NO_DATA = 0
    SATURATED = 1
    DARK = 2
    """Dark features before 2022-01-25, topographic cast shadow after."""
    CLOUD_SHADOW = 3
    VEGETATION = 4
    NOT_VEGETATED = 5
    WATER = 6
    UNCLASSIFIED = 7
    CLOUD_MEDIUM = 8
    CLOUD_HIGH = 9
    CIRRUS = 10
    SNOW = 11


class Tier(IntEnum):
    """How much evidence of disturbance there is."""

    NONE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3

    @property
    def code(self) -> str:
        """The word in the products: ``low``, ``medium`` or ``high``."""
        return self.name.lower()


class HistoryClass(IntEnum):
    """What the history of a pixel was, and so what its reference describes."""

    TOO_FEW = 0
    """Not monitored: too few looks at the present ground."""
    STABLE = 1
    """One ground throughout."""
    DISTURBED = 2
    """Plant cover was lost early; the reference describes the ground after that."""
    RECOVERED = 3
    """Plant cover came; the reference describes the ground after that."""
    ROTATION = 4
    """Both: fields or plantations. The spread holds the swings that are known."""
    BARE = 5
    """Not monitored: bare all year, so that nothing is left to lose."""
    LATE = 6
    """Plant cover was lost too late for a new reference: it describes what was before,
    and the first looks of monitoring report the loss, dated in the history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RasterSpec:
    """What one raster variable is: its dimensions, type and meaning."""

    name: str
    """Variable name."""

    dims: tuple[str, ...]
    """Dimensions in order."""

    dtype: str
    """numpy dtype name."""

    units: str
    """UDUNITS text; ``1`` where dimensionless."""

    meaning: str
    """One sentence, with the meaning of NaN or fill."""


REFLECTANCE: Final = RasterSpec(
    name="reflectance",
    dims=("band", "y", "x"),
    dtype="float32",
    units="1",
    meaning="Bottom-of-atmosphere reflectance, offset applied; NaN where not measured.",
)
SCL: Final = RasterSpec(
    name="scl",
    dims=("y", "x"),
    dtype="uint8",
    units="1",
    meaning="ESA scene classification, see `Scl`; 0 where not measured.",
)
CLEAR: Final = RasterSpec(
    name="clear",
    dims=("y", "x"),
    dtype="bool",
    units="1",
    meaning="True where the ground was seen: measured, free of cloud, shadow and snow.",
)

SCENE: Final = (REFLECTANCE, SCL)
"""What `SceneSource.load` gives for one product and block."""

DAY_ZERO: Final = np.datetime64("1970-01-01", "D")
"""Days in state are counted from here; 0 means 'never'."""

EVIDENCE_PLANES: Final[tuple[str, ...]] = (
    "score",
    "began_after",
    "first_seen",
    "confirmed",
    "last_seen",
    "last_clear",
    "looks_since",
    "n_clear",
    "bright_looks",
)
"""Planes of the evidence state, in the order of its first axis.

score : log likelihood ratio of 'disturbed' against 'unchanged', times `SCORE_SCALE`.
began_after : day of the last clear look that saw nothing, before `first_seen`.
first_seen : day of the first clear look of the current or confirmed disturbance.
confirmed : day on which the score first reached the level of the high tier.
last_seen : day of the last clear look that still looked disturbed.
last_clear : day of the last clear look.
looks_since : clear looks from `first_seen` on, that look included.
n_clear : clear looks since monitoring began.
bright_looks : looks in which SCL called the pixel cloud though it may be bright ground,
    and how bright it was; see `rsmonitor.stages.rescue.remember`.

After these comes one plane an index: the mean departure from the reference over
the first looks since `first_seen`, index units times `REFERENCE_SCALE` plus
`DEPARTURE_ZERO`.
"""

DEPARTURE_ZERO: Final = 32_768
"""What stands for no departure in the planes behind `EVIDENCE_PLANES`."""

SCORE_SCALE: Final = 256
"""Evidence is stored as integers: one unit is 1/256 nat."""

EVIDENCE_STATE: Final = RasterSpec(
    name="evidence",
    dims=("plane", "y", "x"),
    dtype="uint16",
    units="1",
    meaning="See `EVIDENCE_PLANES`; days since 1970-01-01, 0 where never.",
)

REFERENCE_SCALE: Final = 10_000
"""Coefficients and spread are stored as index units times this."""

REFERENCE_FILL: Final = -32_768
"""In `reference`: no reference, the pixel is not monitored."""

REFERENCE_STATE: Final = RasterSpec(
    name="reference",
    dims=("parameter", "y", "x"),
    dtype="int16",
    units="0.0001",
    meaning=(
        "Per index the seasonal coefficients and then the spread, times 10,000, "
        "-32768 where the pixel is not monitored; then the clear looks that the "
        "reference rests on; the day of the last of them, since 1970-01-01, 0 if there "
        "is none; and the `HistoryClass`."
    ),
)

REFERENCE_COMMON: Final = 3
"""Last planes of a reference, of no index: looks, last day, history class."""


def planes_per_index(reference: NDArray[np.int16], n_index: int) -> int:
    """
    Say how many planes of a reference belong to each index.

    Parameters
    ----------
    reference : ndarray of int16, shape (parameter, ...)
        See `REFERENCE_STATE`.
    n_index : int
        Number of indices.

    Returns
    -------
    int
        Seasonal coefficients and the spread.

    Raises
    ------
    ContractError
        If the planes cannot belong to so many indices.

    Examples
    --------
    >>> planes_per_index(np.zeros((15, 1, 1), dtype=np.int16), 3)
    4
    """
    own, rest = divmod(int(reference.shape[0]) - REFERENCE_COMMON, n_index)
    if rest or own < 2:  # noqa: PLR2004 - a mean and a spread
        raise ContractError(
            f"a reference of {reference.shape[0]} planes does not hold {n_index} "
            "indices: it was written by another version"
        )
    return own


EVIDENCE_PRODUCT: Final = (
    RasterSpec(
        name="tier",
        dims=("y", "x"),
        dtype="uint8",
        units="1",
        meaning="0 none, 1 low, 2 medium, 3 high; the blurred rim of a change too.",
    ),
    RasterSpec(
        name="outlined",
        dims=("y", "x"),
        dtype="bool",
        units="1",
        meaning="True inside an outline: at least half of the pixel changed.",
    ),
    RasterSpec(
        name="first_seen",
        dims=("y", "x"),
        dtype="datetime64[ns]",
        units="day",
        meaning="First clear look of the disturbance; NaT where there is none.",
    ),
    RasterSpec(
        name="confirmed",
        dims=("y", "x"),
        dtype="datetime64[ns]",
        units="day",
        meaning="Day on which the high tier was reached; NaT where it was not.",
    ),
    RasterSpec(
        name="n_clear",
        dims=("y", "x"),
        dtype="uint16",
        units="1",
        meaning="Clear looks since monitoring began.",
    ),
    RasterSpec(
        name="monitored",
        dims=("y", "x"),
        dtype="bool",
        units="1",
        meaning="True where the history sufficed to say what unchanged looks like.",
    ),
    RasterSpec(
        name="history",
        dims=("y", "x"),
        dtype="uint8",
        units="1",
        meaning=(
            "0 too few looks, 1 one ground, 2 cover lost early, 3 cover came, 4 by "
            "turns, 5 bare, 6 cover lost late: see HistoryClass."
        ),
    ),
)
"""The variables of ``evidence.nc``."""


def check(dataset: xr.Dataset, specs: tuple[RasterSpec, ...]) -> xr.Dataset:
    """
    Refuse a dataset that is not exactly what its specs say.

    Parameters
    ----------
    dataset : xarray.Dataset
        What is about to pass a door.
    specs : tuple of RasterSpec
        The variables it must hold.

    Returns
    -------
    xarray.Dataset
        The same dataset, so that the call can end a return statement.

    Raises
    ------
    ContractError
        If a variable is missing or has other dimensions or another type.
    """
    for spec in specs:
        if spec.name not in dataset:
            raise ContractError(
                f"raster variable {spec.name!r} is missing; there are "
                f"{sorted(map(str, dataset.data_vars))}"
            )
        variable = dataset[spec.name]
        if variable.dims != spec.dims:
            raise ContractError(
                f"{spec.name} must have dims {spec.dims}, got {variable.dims}"
            )
        if variable.dtype != np.dtype(spec.dtype):
            raise ContractError(
                f"{spec.name} must be {spec.dtype}, got {variable.dtype}"
            )
    return dataset


def planes(state: NDArray[np.uint16]) -> Mapping[str, NDArray[np.uint16]]:
    """
    Name the planes of an evidence state.

    Parameters
    ----------
    state : ndarray of uint16, shape (plane, y, x)
        Evidence as stored, see `EVIDENCE_PLANES`.

    Returns
    -------
    Mapping
        Views of the named planes; writing to one writes to the state.

    Raises
    ------
    ContractError
        If the array is not a stack of at least as many planes.
    """
    if state.ndim != 3 or state.shape[0] < len(EVIDENCE_PLANES):  # noqa: PLR2004
        raise ContractError(
            f"evidence state must be (plane, y, x) with at least "
            f"{len(EVIDENCE_PLANES)} planes, got shape {state.shape}"
        )
    return dict(zip(EVIDENCE_PLANES, state, strict=False))
