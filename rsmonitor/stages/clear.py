"""What was seen of the ground: free of cloud, shadow, snow and missing data.

The scene classification (SCL) decides, with clouds and their shadows grown, because
their edges carry through. Classes are never interpolated: between class 4 and 8 lies
6, which is water. Bare soil that SCL calls cloud is lost here and counted as cloud,
unless `rsmonitor.stages.rescue` says that it is ground: that needs more than one scene.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from rsmonitor.errors import ContractError
from rsmonitor.records.parameters import ClearParameters
from rsmonitor.records.rasters import Scl


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearCounts:
    """Pixels that each screen removed; every pixel is counted once.

    It is either clear, or counted by the first screen that took it.
    """

    pixels: int
    """All pixels."""

    not_measured: int
    """Without data in a band or in SCL."""

    classed_out: int
    """SCL says cloud, shadow, snow, saturated or dark."""

    grown_out: int
    """Next to a cloud or a shadow."""

    snow: int
    """Bright and snow-like although SCL says ground."""

    clear: int
    """What is left."""

    hazy: int = 0
    """Under haze although SCL says ground."""

    shadowed: int = 0
    """In the shadow of relief although SCL says ground."""

    rescued: int = 0
    """Of `clear`, what the cloud screen took and the rescue of bright ground brought
    back."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Screens:
    """What is known of the pixels of a look beside their classes; None: nothing."""

    rescued: NDArray[np.bool_] | None = None
    """True where a 'cloud', or what is beside it, is bright ground: neither its class
    nor the growth of clouds takes it. See `rsmonitor.stages.rescue`."""

    hazy: NDArray[np.bool_] | None = None
    """True under haze. See `rsmonitor.stages.haze`."""

    shadowed: NDArray[np.bool_] | None = None
    """True in the shadow of relief. See `rsmonitor.stages.terrain`."""

    def over(
        self, shape: tuple[int, ...]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
        """
        Give the three of them, False everywhere where nothing is known.

        Parameters
        ----------
        shape : tuple of int
            Rows and columns.

        Returns
        -------
        tuple of ndarray of bool, shape (y, x)
            Rescued, hazy and shadowed.

        Raises
        ------
        ContractError
            If one has another shape.
        """
        given = {
            "rescued": self.rescued,
            "hazy": self.hazy,
            "shadowed": self.shadowed,
        }
        for name, plane in given.items():
            if plane is not None and plane.shape != shape:
                raise ContractError(f"{name} {plane.shape} does not fit scl {shape}")
        nothing = np.zeros(shape, dtype=np.bool_)
        rescued, hazy, shadowed = (
            nothing if plane is None else plane for plane in given.values()
        )
        return rescued, hazy, shadowed


def clear_ground(
    reflectance: NDArray[np.float32],
    scl: NDArray[np.uint8],
    *,
    bands: tuple[str, ...],
    grow_pixels: int,
    parameters: ClearParameters,
    screens: Screens | None = None,
    window: tuple[slice, slice] | None = None,
) -> tuple[NDArray[np.bool_], ClearCounts]:
    """
    Say for each pixel whether the ground was seen.

    Parameters
    ----------
    reflectance : ndarray of float32, shape (band, y, x)
        Reflectance, NaN where not measured.
    scl : ndarray of uint8, shape (y, x)
        Scene classification, see `Scl`.
    bands : tuple of str
        ESA names of the bands, in the order of the first axis.
    grow_pixels : int
        Radius by which clouds and shadows grow, pixels.
    parameters : ClearParameters
        Classes and thresholds.
    screens : Screens, optional
        What is known beside the classes.
    window : tuple of slice, optional
        What is counted, if not all: a block without its halo.

    Returns
    -------
    clear : ndarray of bool, shape (y, x)
        True where the ground was seen.
    counts : ClearCounts
        What each screen removed.

    Raises
    ------
    ContractError
        If shapes or the number of bands do not agree.

    Examples
    --------
    >>> scl = np.array([[4, 4, 4, 9]], dtype=np.uint8)
    >>> reflectance = np.full((1, 1, 4), 0.1, dtype=np.float32)
    >>> clear, counts = clear_ground(
    ...     reflectance,
    ...     scl,
    ...     bands=("B04",),
    ...     grow_pixels=1,
    ...     parameters=ClearParameters(),
    ... )
    >>> clear
    array([[ True,  True, False, False]])
    >>> counts.classed_out, counts.grown_out, counts.clear
    (1, 1, 2)
    """
    if reflectance.shape != (len(bands), *scl.shape):
        raise ContractError(
            f"reflectance {reflectance.shape} does not fit {len(bands)} bands "
            f"and scl {scl.shape}"
        )
    rescued, hazy, shadowed = (screens or Screens()).over(scl.shape)
    measured = np.isfinite(reflectance).all(axis=0) & (scl != Scl.NO_DATA)
    classed = np.isin(scl, parameters.clear_classes)
    near_cloud = grow(np.isin(scl, parameters.grown_classes), grow_pixels)
    snow = _snow(reflectance, bands, parameters)
    unscreened = measured & classed & ~near_cloud
    ground = unscreened | (measured & rescued)
    lit = ground & ~snow & ~hazy
    clear = lit & ~shadowed
    counted = (slice(None), slice(None)) if window is None else window

    def number(taken: NDArray[np.bool_]) -> int:
        return int(taken[counted].sum())

    counts = ClearCounts(
        pixels=scl[counted].size,
        not_measured=number(~measured),
        classed_out=number(measured & ~classed & ~rescued),
        grown_out=number(measured & classed & near_cloud & ~rescued),
        snow=number(ground & snow),
        hazy=number(ground & ~snow & hazy),
        shadowed=number(lit & shadowed),
        clear=number(clear),
        rescued=number(clear & ~unscreened),
    )
    return clear, counts


def total(parts: Sequence[ClearCounts]) -> ClearCounts:
    """
    Add the counts of the blocks of one look.

    Parameters
    ----------
    parts : sequence of ClearCounts
        At least one.

    Returns
    -------
    ClearCounts
        Of all of them.
    """
    return ClearCounts(
        **{
            field.name: sum(getattr(part, field.name) for part in parts)
            for field in fields(ClearCounts)
        }
    )


def grow(covered: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """
    Grow what is True by a disk.

    Parameters
    ----------
    covered : ndarray of bool, shape (y, x)
        What grows.
    radius : int
        Radius of the disk, pixels; 0 grows nothing.

    Returns
    -------
    ndarray of bool, shape (y, x)
        True within `radius` of what was True.

    Examples
    --------
    >>> grow(np.array([[True, False, False]]), 1)
    array([[ True,  True, False]])
    """
    if radius == 0 or not covered.any():
        return covered.copy()
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    # half a pixel more than the radius makes the disk round on a pixel grid
    disk = y * y + x * x <= (radius + 0.5) ** 2
    if radius == 1:
        disk = np.abs(y) + np.abs(x) <= 1
    grown: NDArray[np.bool_] = ndimage.binary_dilation(covered, structure=disk)
    return grown


def _snow(
    reflectance: NDArray[np.float32],
    bands: tuple[str, ...],
    parameters: ClearParameters,
) -> NDArray[np.bool_]:
    """Find bright snow; without B03 and B11 nothing is called snow."""
    if "B03" not in bands or "B11" not in bands:
        return np.zeros(reflectance.shape[1:], dtype=np.bool_)
    green = reflectance[bands.index("B03")]
    swir = reflectance[bands.index("B11")]
    with np.errstate(divide="ignore", invalid="ignore"):
        ndsi = (green - swir) / (green + swir)
    snowy: NDArray[np.bool_] = (ndsi > parameters.snow_ndsi) & (
        green > parameters.snow_green
    )
    return snowy
