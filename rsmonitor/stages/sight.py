"""One look at one window: its indices, and what of the ground was seen.

What a single look can say of cloud, haze, snow and shadow is said here. Whether a
'cloud' is bright ground is known only with the looks before (`with_rescued`).
"""

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.records.parameters import ClearParameters, RescueParameters
from rsmonitor.stages.clear import ClearCounts, Screens, clear_ground
from rsmonitor.stages.haze import hazy_ground
from rsmonitor.stages.indices import spectral_indices
from rsmonitor.stages.parallax import cloud_displacement
from rsmonitor.stages.registration import Shift, margin, put_back
from rsmonitor.stages.rescue import CLOUDS, Patches, bright_patches, remember

SCREENING_BANDS: Final = ("B02", "B03", "B04", "B07", "B08", "B8A", "B11")
"""Bands that the screens read where there are any: haze, snow, parallax."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Screening:
    """How looks of one grid are screened."""

    pixel_m: float
    """Size of a pixel, metres."""

    grow_pixels: int
    """Radius by which clouds and shadows grow, pixels; 0 where pixels are no
    neighbours."""

    clear: ClearParameters = field(default_factory=ClearParameters)
    """Classes and thresholds."""

    rescue: RescueParameters = field(default_factory=RescueParameters)
    """Bright ground that is taken for cloud, and haze."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sight:
    """What one look shows of a window."""

    values: NDArray[np.float32]
    """Indices, NaN where the pixel is no ground whatever looks before say; shape
    (index, y, x)."""

    clear: NDArray[np.bool_]
    """True where the ground was seen, as far as this look alone can say; (y, x)."""

    patches: Patches
    """'Clouds' that may be bright ground."""

    red: NDArray[np.float32]
    """Reflectance of B04; NaN where not measured, shape (y, x)."""

    cloudy: NDArray[np.bool_]
    """True where SCL says cloud, shape (y, x)."""

    counts: ClearCounts
    """What each screen removed in the window."""

    @property
    def seen(self) -> NDArray[np.float32]:
        """The indices where the ground was seen, NaN elsewhere; (index, y, x)."""
        return np.where(self.clear, self.values, np.float32(np.nan))

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return int(self.values.nbytes + self.red.nbytes + 4 * self.clear.nbytes)


def sight(
    reflectance: NDArray[np.float32],
    scl: NDArray[np.uint8],
    *,
    bands: tuple[str, ...],
    names: tuple[str, ...],
    window: tuple[slice, slice],
    screening: Screening,
    shadow: NDArray[np.bool_] | None = None,
    counted: tuple[slice, slice] | None = None,
) -> Sight:
    """
    Screen one look and compute its indices.

    Parameters
    ----------
    reflectance : ndarray of float32, shape (band, y, x)
        Reflectance with a halo around the window; NaN where not measured.
    scl : ndarray of uint8, shape (y, x)
        Scene classification.
    bands : tuple of str
        ESA names of the bands.
    names : tuple of str
        Indices.
    window : tuple of slice
        Rows and columns of the window in the arrays.
    screening : Screening
        Classes and thresholds.
    shadow : ndarray of bool, shape of the window, optional
        True in the shadow of relief.
    counted : tuple of slice, optional
        Rows and columns in the arrays of what is counted, if not the window.

    Returns
    -------
    Sight
        Of the window.

    Raises
    ------
    ContractError
        If shapes or the number of bands do not agree.
    """
    pixel_m, grow_pixels = screening.pixel_m, screening.grow_pixels
    rescue = screening.rescue
    hazy = hazy_ground(
        reflectance, scl, bands=bands, pixel_m=pixel_m, parameters=rescue
    )
    patches = bright_patches(
        scl,
        pixel_m=pixel_m,
        grow_pixels=grow_pixels,
        displacement=cloud_displacement(reflectance, bands=bands, pixel_m=pixel_m),
        clear_parameters=screening.clear,
        parameters=rescue,
    )
    shadowed = None
    if shadow is not None:
        shadowed = np.zeros(scl.shape, dtype=np.bool_)
        shadowed[window] = shadow

    def screened(
        rescued: NDArray[np.bool_] | None,
    ) -> tuple[NDArray[np.bool_], ClearCounts]:
        clear, counts = clear_ground(
            reflectance,
            scl,
            bands=bands,
            grow_pixels=grow_pixels,
            parameters=screening.clear,
            screens=Screens(rescued=rescued, hazy=hazy, shadowed=shadowed),
            window=counted or window,
        )
        return clear[window], counts

    clear, counts = screened(None)
    possible = clear
    if patches.standing[window].any():
        possible, _ = screened(patches.standing)
    values = spectral_indices(reflectance[:, *window], bands=bands, names=names)
    # an index that failed makes the look unusable for all of them
    values[:, ~(possible & np.isfinite(values).all(axis=0))] = np.nan
    measured = np.isfinite(values[0])
    return Sight(
        values=values,
        clear=clear & measured,
        patches=Patches(
            standing=patches.standing[window] & measured,
            flat=patches.flat[window] & measured,
        ),
        red=reflectance[bands.index("B04")][window].copy(),
        cloudy=np.isin(scl[window], CLOUDS),
        counts=counts,
    )


def put_back_sight(seen: Sight, shift: Shift) -> Sight:
    """
    Put a shifted look back in its place.

    Parameters
    ----------
    seen : Sight
        With `margin` pixels more on each side than are wanted.
    shift : Shift
        How far it lies off.

    Returns
    -------
    Sight
        Without the margin. Indices are interpolated; what is true or false of a pixel
        moves by whole pixels.
    """
    rim = margin(shift)
    inside = (slice(rim, -rim), slice(rim, -rim))
    whole = (-round(shift.dy), -round(shift.dx))
    values = put_back(seen.values, shift)[:, *inside]

    def moved(plane: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.roll(plane, whole, axis=(0, 1))[inside]

    measured = np.isfinite(values[0])
    return replace(
        seen,
        values=values,
        clear=moved(seen.clear) & measured,
        patches=Patches(
            standing=moved(seen.patches.standing) & measured,
            flat=moved(seen.patches.flat) & measured,
        ),
        red=np.roll(seen.red, whole, axis=(0, 1))[inside],
        cloudy=moved(seen.cloudy),
    )


def padded(seen: Sight, margins: tuple[tuple[int, int], tuple[int, int]]) -> Sight:
    """
    Add what lies beyond the grid: nothing that was seen.

    Parameters
    ----------
    seen : Sight
        A look.
    margins : tuple of tuple of int
        Rows before and after, columns before and after.

    Returns
    -------
    Sight
        Larger.
    """

    def wider(plane: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.pad(plane, margins)

    return replace(
        seen,
        values=np.pad(seen.values, ((0, 0), *margins), constant_values=np.nan),
        clear=wider(seen.clear),
        patches=Patches(
            standing=wider(seen.patches.standing), flat=wider(seen.patches.flat)
        ),
        red=np.pad(seen.red, margins, constant_values=np.nan),
        cloudy=wider(seen.cloudy),
    )


def with_rescued(
    seen: Sight,
    bright_looks: NDArray[np.uint16],
    *,
    cloud_share: float,
    parameters: RescueParameters,
) -> tuple[NDArray[np.uint16], NDArray[np.float32], int]:
    """
    Take bright ground back that the looks before show to be ground.

    Parameters
    ----------
    seen : Sight
        The look.
    bright_looks : ndarray of uint16, shape (y, x)
        What is remembered, see `rsmonitor.stages.rescue.remember`.
    cloud_share : float
        Share of the whole scene that SCL calls cloud.
    parameters : RescueParameters
        How many looks, and how alike.

    Returns
    -------
    bright_looks : ndarray of uint16, shape (y, x)
        After this look.
    values : ndarray of float32, shape (index, y, x)
        Indices; NaN where the ground was not seen.
    rescued : int
        Pixels that were taken back.
    """
    patches = seen.patches
    if cloud_share > parameters.max_cloud_share:
        nothing = np.zeros_like(seen.clear)
        patches = Patches(standing=nothing, flat=nothing)
    after, rescued = remember(
        bright_looks, patches, seen.red, seen=seen.clear, parameters=parameters
    )
    rescued &= ~seen.clear
    values = np.where(seen.clear | rescued, seen.values, np.float32(np.nan))
    return after, values, int(rescued.sum())
