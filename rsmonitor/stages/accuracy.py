"""How good a map is, and how much there is of what it shows, from a drawn sample.

A share of points that are right says nothing where nearly all ground is unchanged. Each
point counts for the ground that it stands for, and the ground without an alert is
sampled too: only there can be found what was missed.

References
----------
Olofsson, P., Foody, G. M., Herold, M., Stehman, S. V., Woodcock, C. E. and Wulder,
M. A. (2014). Good practices for estimating area and assessing accuracy of land change.
Remote Sensing of Environment 148, 42-57. https://doi.org/10.1016/j.rse.2014.02.015

Stehman, S. V. (2014). Estimating area and map accuracy for stratified random sampling
when the strata are different from the map classes. International Journal of Remote
Sensing 35, 4923-4939. https://doi.org/10.1080/01431161.2014.930207
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import ContractError

Z95: Final = 1.959963984540054
"""Half the width of a 95 % interval, in standard errors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledPoint:
    """One point of the sample, with what the map says and what is true there."""

    stratum: str
    """Stratum that it was drawn in."""

    mapped: str
    """Class of the map."""

    reference: str
    """Class that a person found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number that was estimated, and how sure it is."""

    value: float
    """The estimate; NaN where nothing was sampled that tells."""

    standard_error: float
    """Its standard error; NaN where it cannot be told."""

    points: int
    """Points of the sample that tell."""

    low: float
    """Lower end of the 95 % interval."""

    high: float
    """Upper end of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapAccuracy:
    """What a stratified sample says of a map."""

    overall: Estimate
    """Share of the ground that the map has right."""

    users: Mapping[str, Estimate]
    """By class: share of what the map calls so that is so. Of alerts: precision."""

    producers: Mapping[str, Estimate]
    """By class: share of what is so that the map calls so. Of mining: what is found."""

    area_m2: Mapping[str, Estimate]
    """By class of the reference: how much there is, square metres."""


def map_accuracy(
    points: Sequence[SampledPoint], area_m2: Mapping[str, float]
) -> MapAccuracy:
    """
    Estimate the accuracy of a map and the area of each class.

    Parameters
    ----------
    points : sequence of SampledPoint
        The sample: within each stratum, drawn at random and equally likely.
    area_m2 : Mapping of str to float
        Area of each stratum, square metres.

    Returns
    -------
    MapAccuracy
        With standard errors from the variance within strata (n - 1).

    Raises
    ------
    ContractError
        If a point lies in a stratum without an area, a stratum with an area has no
        point, or an area is not positive.

    Notes
    -----
    A stratum with one point has no variance: the standard errors that it touches are
    NaN, and not 0. Intervals of shares are Wilson's, with the number of points that
    would have the same standard error; so ten right of ten is not 'certainly all'.
    Intervals of areas are normal.

    Examples
    --------
    Two strata, of which the first is what the map calls a mine:

    >>> points = [
    ...     SampledPoint(stratum="alert", mapped="mine", reference=r)
    ...     for r in ["mine"] * 8 + ["other"] * 2
    ... ] + [
    ...     SampledPoint(stratum="none", mapped="other", reference=r)
    ...     for r in ["mine"] * 1 + ["other"] * 19
    ... ]
    >>> found = map_accuracy(points, {"alert": 1e6, "none": 99e6})
    >>> f"{found.users['mine'].value:.2f} {found.producers['mine'].value:.2f}"
    '0.80 0.14'
    """
    strata = _checked(points, area_m2)
    weights = {name: area_m2[name] for name in strata}
    whole = math.fsum(weights.values())
    mapped = np.array([point.mapped for point in points])
    reference = np.array([point.reference for point in points])
    stratum = np.array([point.stratum for point in points])
    right = mapped == reference

    def share(y: NDArray[np.bool_], x: NDArray[np.bool_]) -> Estimate:
        return _ratio(y, x, stratum, weights)

    everywhere = np.ones(len(points), dtype=np.bool_)
    classes = sorted({*mapped.tolist(), *reference.tolist()})
    areas = {}
    for name in classes:
        found = share(reference == name, everywhere)
        half = Z95 * found.standard_error * whole
        areas[name] = Estimate(
            value=found.value * whole,
            standard_error=found.standard_error * whole,
            points=found.points,
            low=max(0.0, found.value * whole - half),
            high=min(whole, found.value * whole + half),
        )
    return MapAccuracy(
        overall=share(right, everywhere),
        users={
            name: share(right & (mapped == name), mapped == name) for name in classes
        },
        producers={
            name: share(right & (reference == name), reference == name)
            for name in classes
        },
        area_m2=areas,
    )


def _ratio(
    y: NDArray[np.bool_],
    x: NDArray[np.bool_],
    stratum: NDArray[np.str_],
    weights: Mapping[str, float],
) -> Estimate:
    """Estimate total of y over total of x, with its Taylor variance (Stehman 2014)."""
    top = bottom = 0.0
    for name, weight in weights.items():
        here = stratum == name
        top += weight * float(y[here].mean())
        bottom += weight * float(x[here].mean())
    if bottom == 0:
        nothing = math.nan
        return Estimate(
            value=nothing, standard_error=nothing, points=0, low=nothing, high=nothing
        )
    ratio = top / bottom
    variance = 0.0
    for name, weight in weights.items():
        here = stratum == name
        residual = y[here].astype(np.float64) - ratio * x[here]
        if residual.size > 1:
            variance += weight**2 * float(residual.var(ddof=1)) / residual.size
        elif x[here].any() or y[here].any():
            variance = math.nan
    error = math.sqrt(variance) / bottom
    low, high = _wilson(ratio, error, int(x.sum()))
    return Estimate(
        value=ratio, standard_error=error, points=int(x.sum()), low=low, high=high
    )


def _wilson(share: float, error: float, points: int) -> tuple[float, float]:
    """Give Wilson's interval for as many points as would have this standard error."""
    if math.isnan(error):
        return math.nan, math.nan
    spread = share * (1 - share)
    count = points if error == 0 or spread == 0 else spread / error**2
    middle = (share + Z95**2 / (2 * count)) / (1 + Z95**2 / count)
    half = math.sqrt(spread / count + Z95**2 / (4 * count**2)) * Z95
    half /= 1 + Z95**2 / count
    return max(0.0, middle - half), min(1.0, middle + half)


def _checked(
    points: Sequence[SampledPoint], area_m2: Mapping[str, float]
) -> tuple[str, ...]:
    """Refuse a sample that does not cover its strata."""
    sampled = {point.stratum for point in points}
    for name, area in area_m2.items():
        if not (math.isfinite(area) and area > 0):
            raise ContractError(f"area of stratum {name} must be positive, got {area}")
        if name not in sampled:
            raise ContractError(
                f"stratum {name} has {area:.0f} m2 and no judged point: judge some of "
                "its points, or leave its ground out of what is estimated"
            )
    for name in sampled:
        if name not in area_m2:
            raise ContractError(f"points lie in stratum {name}, whose area is unknown")
    return tuple(sorted(sampled))
