"""Real disturbances of which somebody said the cause, measured as the pipeline does.

Labels differ in worth, so each object carries its source. Two are of whole images or of
single pixels; what that does to a feature is said where the object is made.

Of the series of an open pit our detector draws nothing: it was bare before monitoring
began, and is not monitored. Outlines without images (Amazon Mining Watch) are unions of
squares of 480 m, whose shape says nothing of a mine's. Neither gives an object.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from rsmonitor.errors import SourceError
from rsmonitor.lab.assessment import history_of
from rsmonitor.lab.datasets import (
    Places,
    load_romania,
    load_rondonia,
    load_sichuan_fire,
)
from rsmonitor.lab.detector import PlainDetector
from rsmonitor.lab.series import Series, Truth
from rsmonitor.records.disturbance import Cause, Disturbance
from rsmonitor.records.grid import Grid
from rsmonitor.records.parameters import (
    ClearParameters,
    EvidenceParameters,
    OutlineParameters,
)
from rsmonitor.records.rasters import (
    DEPARTURE_ZERO,
    EVIDENCE_PLANES,
    REFERENCE_COMMON,
    REFERENCE_FILL,
    REFERENCE_SCALE,
    Tier,
    planes,
)
from rsmonitor.stages.edges import core
from rsmonitor.stages.evidence import initial_state, strength, tiers
from rsmonitor.stages.features import measure
from rsmonitor.stages.history import Norm
from rsmonitor.stages.indices import spectral_indices, weights
from rsmonitor.stages.outline import outline

PAIR_BANDS: Final = ("B02", "B03", "B04", "B08", "B11", "B12")
"""Bands of the pairs, in their order."""

PAIR_SPREAD: Final[Mapping[str, float]] = {"ndvi": 0.04, "ndmi": 0.04, "dred": 0.08}
"""How far two composites of unchanged ground lie apart: the median absolute deviation
of pairs that did not change, times 1.48, rounded."""

PAIR_SPREADS: Final = 3.0
"""Spreads of the combined index that a pixel fell where it counts as changed: half of
what the detector tests for."""

TIMELESS: Final = (
    "days_to_confirm",
    "share_recovered",
    "interval_days",
    "growth_days",
    "growth_steps",
    "looks_since",
)
"""Features that two composites cannot give."""

SHAPES: Final = (
    "ndvi_spread",
    "dred_spread",
    "share_bare",
    "share_bright",
    "share_wet",
    "compactness",
    "solidity",
    "roundness",
    "area_m2",
)
"""Features that one pixel cannot give."""

ACCURATE: Final = 0.5
"""Share of an object that the reference must call opened, or unchanged."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labelled:
    """One disturbance with the cause that somebody gave it."""

    source: str
    """Data set, such as ``s2_mining_pairs``."""

    label: str
    """What its authors call it."""

    cause: Cause
    """What that is in our table; unknown where they say no more than what it is not."""

    place: tuple[float, float]
    """Longitude and latitude, for folds and never for a model."""

    year: int
    """Year of the first image, for folds."""

    disturbance: Disturbance
    """As measured."""


def pairs(places: Places) -> list[Labelled]:
    """
    Take the largest change of each pair of composites.

    The label is of the whole image, and the change may lie beside what was meant.

    Parameters
    ----------
    places : Places
        Where the optional data is.

    Returns
    -------
    list of Labelled
        One a pair; pairs in which nothing changed give none. Features of time are NaN.

    Raises
    ------
    SourceUnreachableError
        If the file is missing.
    SourceError
        If it is not what it should be.
    """
    path = places.file("s2_mining_pairs", "pairs_train_val.nc")
    causes = {
        "mining_emergence": Cause.DIGGING,
        # the label says what it is not, and nothing of what it is
        "human_activity": Cause.UNKNOWN,
        "natural_change": Cause.UNKNOWN,
    }
    found = []
    with xr.open_dataset(path) as opened:
        if tuple(opened["band"].to_numpy()) != PAIR_BANDS:
            raise SourceError(f"{path}: its bands are not {', '.join(PAIR_BANDS)}")
        before, after = opened["t0"].to_numpy(), opened["t1"].to_numpy()
        labels, started = opened["category"].to_numpy(), opened["t0_start"].to_numpy()
        where = np.stack([opened["lon"].to_numpy(), opened["lat"].to_numpy()], axis=1)
    for n, label in enumerate(labels):
        lon, lat = map(float, where[n])
        largest = _largest(_pair(before[n], after[n], lat))
        if largest is None:
            continue
        features = dict(largest.features) | dict.fromkeys(TIMELESS, float("nan"))
        found.append(
            Labelled(
                source="s2_mining_pairs",
                label=str(label),
                cause=causes[str(label)],
                place=(lon, lat),
                year=int(str(started[n])[:4]),
                disturbance=replace(largest, features=features),
            )
        )
    return found


def romania(places: Places) -> list[Labelled]:
    """
    Take what our detector finds in the demo, where the reference agrees.

    Parameters
    ----------
    places : Places
        Where the reference is.

    Returns
    -------
    list of Labelled
        Felled groups.

    Raises
    ------
    SourceUnreachableError
        If the package of the cube or the reference is missing.
    SourceError
        If the reference is not one.
    """
    series = load_romania(places)
    found = []
    for each, inside in _detected(series):
        opened = (series.truth[inside] == Truth.OPENED).mean()
        if opened >= ACCURATE:
            found.append(
                Labelled(
                    source="nrt_romania",
                    label="opened",
                    cause=Cause.CLEAR_CUT,
                    place=(25.1, 45.2),
                    year=each.began_by.year,
                    disturbance=each,
                )
            )
    return found


def rondonia(places: Places) -> list[Labelled]:
    """
    Take the pixels labelled deforestation that our detector finds.

    Parameters
    ----------
    places : Places
        Where the optional data is.

    Returns
    -------
    list of Labelled
        Single pixels: no shape, no texture.

    Raises
    ------
    SourceUnreachableError
        If the files are missing.
    SourceError
        If they are not what they should be.
    """
    series = load_rondonia(places)
    return [
        _pixel(each, "s2_deforest_ts", "deforestation", Cause.CLEAR_CUT, (-62.9, -10.4))
        for each, inside in _detected(series)
        if (series.truth[inside] == Truth.OPENED).all()
    ]


def sichuan(places: Places) -> list[Labelled]:
    """
    Take the pixel that burnt.

    Parameters
    ----------
    places : Places
        Where the optional data is.

    Returns
    -------
    list of Labelled
        One pixel, or none where our detector misses it.

    Raises
    ------
    SourceUnreachableError
        If the file is missing.
    SourceError
        If it is not what it should be.
    """
    return [
        _pixel(each, "pixel_series_china", "fire", Cause.FIRE, (101.0, 30.0))
        for each, _ in _detected(load_sichuan_fire(places))
    ]


SOURCES: Final[Mapping[str, Callable[[Places], list[Labelled]]]] = {
    "s2_mining_pairs": pairs,
    "nrt_romania": romania,
    "s2_deforest_ts": rondonia,
    "pixel_series_china": sichuan,
}
"""What reads each data set."""


def _pixel(
    each: Disturbance, source: str, label: str, cause: Cause, place: tuple[float, float]
) -> Labelled:
    """Take a pixel that is a place of its own: it has neither shape nor texture."""
    features = dict(each.features) | dict.fromkeys(SHAPES, float("nan"))
    return Labelled(
        source=source,
        label=label,
        cause=cause,
        place=place,
        year=each.began_by.year,
        disturbance=replace(each, features=features),
    )


def _largest(found: tuple[Disturbance, ...]) -> Disturbance | None:
    """Choose the largest; of equals the first."""
    return max(found, key=lambda each: each.pixels, default=None)


def _grid(shape: tuple[int, int], metres: float, lat: float = 45.0) -> Grid:
    """Lay pixels somewhere of a latitude: features know no place."""
    zone = "EPSG:32635" if lat >= 0 else "EPSG:32735"
    top = 110_600.0 * abs(lat) if lat >= 0 else 10_000_000 - 110_600.0 * abs(lat)
    return Grid(
        crs=zone,
        left=500_000.0,
        top=round(top, -1),
        pixel_width=metres,
        pixel_height=metres,
        height=shape[0],
        width=shape[1],
    )


def _pair(
    before: NDArray[np.int16], after: NDArray[np.int16], lat: float
) -> tuple[Disturbance, ...]:
    """Make evidence of two composites, then outlines and features as ever."""
    names = tuple(PAIR_SPREAD)
    share = weights(names)
    looks = []
    for numbers in (before, after):
        reflectance = np.where(numbers == 0, np.nan, numbers / np.float32(1e4))
        looks.append(
            spectral_indices(
                reflectance.astype(np.float32), bands=PAIR_BANDS, names=names
            )
        )
    change = looks[1] - looks[0]
    spread = np.array(list(PAIR_SPREAD.values()), dtype=np.float32)
    combined = np.tensordot(share, change / spread[:, None, None], axes=1)
    known = np.isfinite(combined)
    shape = combined.shape
    state = np.zeros((len(EVIDENCE_PLANES) + len(names), *shape), dtype=np.uint16)
    fallen = known & (combined <= -PAIR_SPREADS)
    plane = planes(state)
    for name in ("first_seen", "confirmed", "last_seen", "last_clear"):
        plane[name][fallen] = 18_000
    plane["looks_since"][fallen] = 1
    stored = np.nan_to_num(change * REFERENCE_SCALE) + DEPARTURE_ZERO
    state[len(EVIDENCE_PLANES) :] = np.round(stored).clip(0, 2**16 - 1)
    reference = np.full(
        (2 * len(names) + REFERENCE_COMMON, *shape), REFERENCE_FILL, dtype=np.int16
    )
    usual = np.round(np.nan_to_num(looks[0]) * REFERENCE_SCALE).astype(np.int16)
    reference[: 2 * len(names) : 2] = np.where(known, usual, REFERENCE_FILL)
    nothing = np.zeros(len(names), dtype=np.float32)
    norm = Norm(spread=spread, floor=spread, level=nothing, combined=1.0)
    graded = np.where(fallen, Tier.HIGH, Tier.NONE).astype(np.uint8)
    return tuple(
        each
        for each, _ in _drawn(
            state, graded, reference, norm, names, _grid(shape, 10.0, lat)
        )
    )


def _drawn(
    state: NDArray[np.uint16],
    graded: NDArray[np.uint8],
    reference: NDArray[np.int16],
    norm: Norm,
    names: tuple[str, ...],
    grid: Grid,
    parameters: OutlineParameters | None = None,
) -> list[tuple[Disturbance, NDArray[np.bool_]]]:
    """Outline and measure; give each disturbance with its pixels."""
    parameters = parameters or OutlineParameters()
    inside = core(
        graded,
        strength(state, norm, weights(names)),
        share=parameters.edge_share,
        pixels=parameters.edge_pixels,
    )
    drawn, labels = outline(state, graded, inside, grid=grid, parameters=parameters)
    measured = measure(
        drawn, labels, state=state, reference=reference, norm=norm, names=names
    )
    return [(each, labels == n) for n, each in enumerate(measured, start=1)]


def _detected(series: Series) -> list[tuple[Disturbance, NDArray[np.bool_]]]:
    """Run our detector to the end of a series; give what it drew."""
    evidence = EvidenceParameters()
    detector = PlainDetector(series, evidence, history_of(series), ClearParameters())
    state = initial_state(detector.reference, len(detector.names))
    for t in np.flatnonzero(series.days > series.history_until):
        state = detector.take(state, int(t))
    graded = tiers(state, evidence)
    if series.connected:
        return _drawn(
            state,
            graded,
            detector.reference,
            detector.norm,
            detector.names,
            _grid(series.truth.shape, series.pixel_m),
        )
    found = []
    for row, col in zip(*np.nonzero(graded == Tier.HIGH), strict=True):
        window = np.s_[:, row : row + 1, col : col + 1]
        ((each, _),) = _drawn(
            state[window],
            graded[window[1:]],
            detector.reference[window],
            detector.norm,
            detector.names,
            _grid((1, 1), series.pixel_m),
            OutlineParameters(min_pixels=1),
        )
        alone = np.zeros(series.truth.shape, dtype=np.bool_)
        alone[row, col] = True
        found.append((each, alone))
    return found
