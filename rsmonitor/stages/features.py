"""What the classifier sees of a disturbance, in one fixed order."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
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
        measured.append(replace(disturbance, features=of))
    return tuple(measured)


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
