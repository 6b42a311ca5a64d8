"""What the classifier sees of a disturbance, in one fixed order."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

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
    if not disturbances:
        return ()
    order = np.arange(1, len(disturbances) + 1)
    per_index = planes_per_index(reference, len(names))
    departures = mean_departures(state)
    columns: dict[str, NDArray[np.float64]] = {}
    for k, name in enumerate(names):
        stored = reference[k * per_index].astype(np.float64)
        usual = np.where(
            stored == REFERENCE_FILL, np.nan, stored / REFERENCE_SCALE + norm.level[k]
        )
        columns[f"{name}_before"] = _mean(usual, labels, order)
        columns[f"{name}_change"] = _mean(departures[k], labels, order)
    plane = planes(state)
    confirmed = plane["confirmed"] > 0
    gone = (confirmed & (plane["score"] == 0)).astype(np.float64)
    columns["share_recovered"] = _mean(np.where(confirmed, gone, np.nan), labels, order)
    measured = []
    for i, disturbance in enumerate(disturbances):
        values = {name: float(column[i]) for name, column in columns.items()}
        values["area_m2"] = disturbance.area_m2
        if disturbance.confirmed is not None:
            days = (disturbance.confirmed - disturbance.began_by).days
            values["days_to_confirm"] = float(days)
        measured.append(
            replace(
                disturbance,
                features={
                    name: values.get(name, float("nan")) for name in FEATURE_ORDER
                },
            )
        )
    return tuple(measured)


def _mean(
    values: NDArray[np.floating], labels: NDArray[np.int32], order: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Mean over each label's pixels that have a value; NaN where none has."""
    valid = np.isfinite(values)
    total = ndimage.sum_labels(np.where(valid, values, 0.0), labels, order)
    count = ndimage.sum_labels(valid.astype(np.float64), labels, order)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean: NDArray[np.float64] = np.asarray(total) / np.asarray(count)
    return mean
