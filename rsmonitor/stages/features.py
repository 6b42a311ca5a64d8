"""What the classifier sees of a disturbance, in one fixed order.

Spectral state, shape of the course in time, texture, shape and size, from evidence and
outline alone. Where a place is, what day it is and what lies near are not among them: a
model that knew them would learn the register instead of the ground.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray

from rsmonitor.records.disturbance import Disturbance
from rsmonitor.records.rasters import (
    REFERENCE_FILL,
    REFERENCE_SCALE,
    planes,
    planes_per_index,
)
from rsmonitor.stages.evidence import mean_departures
from rsmonitor.stages.history import Norm

BARE_NDVI: Final = 0.35
"""Below this little grows (NDVI of bare soil is about 0.1 to 0.3)."""

BRIGHT_DRED: Final = -0.3
"""Change of minus log10 of red below which red reflectance has doubled."""

WET_NDVI: Final = -0.2
"""Change of NDVI below which plants are gone, so that what stays moist is no plant."""

FEATURES: Final[Mapping[str, str]] = {
    "ndvi_before": "NDVI in a usual scene before the disturbance, index units",
    "ndvi_change": "mean change of NDVI since it was first seen, index units",
    "ndmi_before": "NDMI in a usual scene before the disturbance, index units",
    "ndmi_change": "mean change of NDMI, index units",
    "nbsi_before": "negative bare soil index before; below 0 is bare, index units",
    "nbsi_change": "mean change of the negative bare soil index, index units",
    "dred_before": "minus log10 of red reflectance before",
    "dred_change": "mean change of minus log10 of red reflectance",
    "area_m2": "area on the ellipsoid, square metres",
    "days_to_confirm": "days from first seen to confirmed; NaN if not confirmed",
    "share_recovered": "share of confirmed pixels whose evidence is gone, 0 to 1",
    "ndvi_spread": "standard deviation of the change of NDVI within, index units",
    "dred_spread": "standard deviation of the change of minus log10 of red within",
    "share_bare": "share of pixels whose NDVI is below 0.35 since, 0 to 1",
    "share_bright": "share of pixels whose red reflectance doubled, 0 to 1",
    "share_wet": "share of pixels whose NDVI fell by 0.2 but NDMI did not, 0 to 1",
    "compactness": "4 pi area / perimeter squared of the outline, 0 to 1",
    "solidity": "area of the outline / area of its convex hull, 0 to 1",
    "roundness": "area of the outline / area of the least circle around it, 0 to 1",
    "interval_days": "days from the last look without it to the first with it; NaN if "
    "there was none without it",
    "growth_days": "days from the start of its first part to that of its last",
    "growth_steps": "number of parts that began at different times",
    "looks_since": "clear looks since it was first seen, that look included",
}
"""Each feature with its meaning and unit; NaN where it was not measured."""

FEATURE_ORDER: Final = tuple(FEATURES)
"""The order in which a model takes them."""


def measure(
    disturbances: tuple[Disturbance, ...],
    labels: NDArray[np.int32],
    *,
    state: NDArray[np.uint16],
    reference: NDArray[np.int16],
    norm: Norm,
    names: tuple[str, ...],
) -> tuple[Disturbance, ...]:
    """
    Measure the features of all disturbances of a grid at once.

    Parameters
    ----------
    disturbances : tuple of Disturbance
        From `rsmonitor.stages.outline.outline`.
    labels : ndarray of int32, shape (y, x)
        From the same call.
    state : ndarray of uint16, shape (plane, y, x)
        Evidence.
    reference : ndarray of int16, shape (parameter, y, x)
        Reference.
    norm : Norm
        Usual level of each index.
    names : tuple of str
        The indices, in the order of `state` and `reference`.

    Returns
    -------
    tuple of Disturbance
        The same, each with a value for every name of `FEATURE_ORDER`.
    """
    rows, cols = np.nonzero(labels)
    per_index = planes_per_index(reference, len(names))
    return measure_members(
        disturbances,
        labels[rows, cols] - 1,
        state=state[:, None, rows, cols],
        usual=reference[: per_index * len(names) : per_index, rows, cols],
        norm=norm,
        names=names,
    )


def measure_members(
    disturbances: tuple[Disturbance, ...],
    number: NDArray[np.integer],
    *,
    state: NDArray[np.uint16],
    usual: NDArray[np.int16],
    norm: Norm,
    names: tuple[str, ...],
) -> tuple[Disturbance, ...]:
    """
    Measure the features of disturbances from their pixels alone.

    Parameters
    ----------
    disturbances : tuple of Disturbance
        From `rsmonitor.stages.outline`.
    number : ndarray of int, shape (pixel,)
        Disturbance of each pixel, from 0; those of one disturbance in reading order.
    state : ndarray of uint16, shape (plane, 1, pixel)
        Evidence.
    usual : ndarray of int16, shape (index, pixel)
        First coefficient of each index, from the reference.
    norm : Norm
        Usual level of each index.
    names : tuple of str
        The indices, in the order of `state` and `usual`.

    Returns
    -------
    tuple of Disturbance
        The same, each with a value for every name of `FEATURE_ORDER`.
    """
    if not disturbances:
        return ()
    count = len(disturbances)
    departures = mean_departures(state)[:, 0]
    columns: dict[str, NDArray[np.float64]] = {}
    for k, name in enumerate(names):
        stored = usual[k].astype(np.float64)
        before = np.where(
            stored == REFERENCE_FILL, np.nan, stored / REFERENCE_SCALE + norm.level[k]
        )
        columns[f"{name}_before"] = _mean(before, number, count)
        columns[f"{name}_change"] = _mean(departures[k], number, count)
    plane = planes(state)
    confirmed = plane["confirmed"][0] > 0
    gone = (confirmed & (plane["score"][0] == 0)).astype(np.float64)
    columns["share_recovered"] = _mean(np.where(confirmed, gone, np.nan), number, count)
    columns |= _within(columns, departures, usual, number, norm=norm, names=names)
    columns |= _shape(disturbances)
    ordered = [
        columns[name].tolist() if name in columns else [math.nan] * count
        for name in FEATURE_ORDER
    ]
    measured = []
    for disturbance, values in zip(
        disturbances, zip(*ordered, strict=True), strict=True
    ):
        of = dict(zip(FEATURE_ORDER, values, strict=True))
        of["area_m2"] = disturbance.area_m2
        if disturbance.confirmed is not None:
            days = (disturbance.confirmed - disturbance.began_by).days
            of["days_to_confirm"] = float(days)
        of |= _course(disturbance)
        measured.append(replace(disturbance, features=of))
    return tuple(measured)


def _within(
    columns: Mapping[str, NDArray[np.float64]],
    departures: NDArray[np.floating],
    usual: NDArray[np.int16],
    number: NDArray[np.integer],
    *,
    norm: Norm,
    names: tuple[str, ...],
) -> dict[str, NDArray[np.float64]]:
    """Measure how disturbances differ within: texture, bare, bright and wet spots."""
    found: dict[str, NDArray[np.float64]] = {}
    place = {name: k for k, name in enumerate(names)}
    count = len(columns["share_recovered"])

    def share(name: str, where: NDArray[np.bool_], known: NDArray[np.bool_]) -> None:
        found[name] = _mean(
            np.where(known, where.astype(np.float64), np.nan), number, count
        )

    change = {name: departures[k].astype(np.float64) for name, k in place.items()}
    for index in ("ndvi", "dred"):
        if index in place:
            mean = columns[f"{index}_change"]
            square = (change[index] - mean[number]) ** 2
            found[f"{index}_spread"] = np.sqrt(_mean(square, number, count))
    if "ndvi" in place:
        k = place["ndvi"]
        stored = usual[k].astype(np.float64)
        after = stored / REFERENCE_SCALE + norm.level[k] + change["ndvi"]
        share(
            "share_bare",
            after < BARE_NDVI,
            (stored != REFERENCE_FILL) & np.isfinite(after),
        )
    if "dred" in place:
        share(
            "share_bright", change["dred"] <= BRIGHT_DRED, np.isfinite(change["dred"])
        )
    if "ndvi" in place and "ndmi" in place:
        share(
            "share_wet",
            (change["ndvi"] < WET_NDVI) & (change["ndmi"] >= 0),
            np.isfinite(change["ndvi"]) & np.isfinite(change["ndmi"]),
        )
    return found


def _shape(disturbances: tuple[Disturbance, ...]) -> dict[str, NDArray[np.float64]]:
    """Measure outlines by numbers that do not depend on their size."""
    outlines = np.array([each.geometry for each in disturbances], dtype=object)
    coordinates, of = shapely.get_coordinates(outlines, return_index=True)
    # a degree of longitude is shorter than one of latitude
    middle = shapely.bounds(outlines)[:, [1, 3]].mean(axis=1)
    coordinates[:, 0] *= np.cos(np.radians(middle))[of]
    flat = shapely.set_coordinates(outlines, coordinates)
    area = shapely.area(flat)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = {
            "compactness": 4 * np.pi * area / shapely.length(flat) ** 2,
            "solidity": area / shapely.area(shapely.convex_hull(flat)),
            "roundness": area / (np.pi * shapely.minimum_bounding_radius(flat) ** 2),
        }
    # finer digits differ between libraries
    return {name: np.round(values, 4) for name, values in found.items()}


def _course(disturbance: Disturbance) -> dict[str, float]:
    """Measure how a disturbance went on in time."""
    starts = [part.began_by for part in disturbance.increments]
    before = disturbance.began_after
    return {
        "interval_days": (
            math.nan if before is None else float((disturbance.began_by - before).days)
        ),
        "growth_days": float((max(starts) - min(starts)).days),
        "growth_steps": float(len(starts)),
        "looks_since": float(disturbance.clear_looks_since),
    }


def _mean(
    values: NDArray[np.floating], number: NDArray[np.integer], count: int
) -> NDArray[np.float64]:
    """Mean over each number's pixels that have a value; NaN where none has."""
    valid = np.isfinite(values)
    total = np.bincount(number[valid], weights=values[valid], minlength=count)
    pixels = np.bincount(number[valid], minlength=count)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean: NDArray[np.float64] = total / pixels
    return mean
