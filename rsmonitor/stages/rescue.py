r"""
Take bright ground back from the cloud screen.

SCL calls bare soil, concrete and roofs cloud, and so hides the very mines that are
looked for. Two things tell such a 'cloud' from a true one, and both are asked only of
small patches in surroundings that are clear: in a cloudy scene nothing is rescued.

*It stays.* A cloud drifts on; a pit is called cloud at the same place, with the same
brightness, look after look. Each pixel remembers in how many looks that was so:

.. math::

   n \leftarrow \begin{cases}
     n + 1 & \text{in an isolated patch, as bright as before} \\
     n - \tfrac12 & \text{in an isolated patch, but not as bright, or seen} \\
     n     & \text{not seen}
   \end{cases}

and from `looks` on it is ground. A true cloud would have to stand there as often, each
time alone and equally bright, with hardly a clear look between. Ground that SCL calls
cloud in less than a third of the clear looks is not rescued, and needs it least.

*It does not stand high.* Where B07, B08 and B8A exist, a large enough patch without
parallax is ground at the first look, and one with parallax is never counted; see
`rsmonitor.stages.parallax`.

Whether a patch is isolated is read from one look alone, and what a pixel remembers is
moved by that pixel alone. So the result does not depend on how a grid is cut into
blocks, as long as each look is read `rescue_halo` pixels around its block.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from rsmonitor.errors import ContractError
from rsmonitor.records.parameters import ClearParameters, RescueParameters
from rsmonitor.records.rasters import Scl
from rsmonitor.stages.clear import grow
from rsmonitor.stages.parallax import displacement_halo

CLOUDS: Final = (Scl.CLOUD_MEDIUM, Scl.CLOUD_HIGH, Scl.CIRRUS)
"""Classes that bright ground is taken for."""

COUNT_BITS: Final = 4
"""Low bits of `bright_looks` that count half looks; the others hold brightness."""

BRIGHTNESS_SCALE: Final = 2048
"""Brightness is stored as reflectance of B04 times this."""

DARKEST: Final = 0.05
"""Ground darker than this in B04 counts as so bright: at the rim of a patch there may
be plants, whose brightness varies by more than a factor, though by little."""

_COUNT: Final = (1 << COUNT_BITS) - 1
_UP: Final = 2
_DOWN: Final = 1
_BRIGHTEST: Final = (1 << (16 - COUNT_BITS)) - 1
_TOUCHING: Final = np.ones((3, 3), dtype=np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Patches:
    """Where SCL says cloud although it may be ground; of one look."""

    standing: NDArray[np.bool_]
    """In or beside a small 'cloud' alone that may be ground, shape (y, x)."""

    flat: NDArray[np.bool_]
    """Of those, without parallax: ground at the first look, shape (y, x)."""

    def __getitem__(self, window: tuple[slice, slice]) -> "Patches":
        """Cut a window out, such as a block out of its surroundings."""
        return Patches(standing=self.standing[window], flat=self.flat[window])


def rescue_halo(
    pixel_m: float, *, grow_pixels: int, parameters: RescueParameters
) -> int:
    """
    Say how far around a block a look must be read.

    Parameters
    ----------
    pixel_m : float
        Size of a pixel, metres.
    grow_pixels : int
        Radius by which clouds and shadows grow, pixels.
    parameters : RescueParameters
        Sizes.

    Returns
    -------
    int
        Pixels on each side. It holds the growth of clouds and the window of the
        displacement index.

    Examples
    --------
    >>> rescue_halo(10.0, grow_pixels=2, parameters=RescueParameters())
    48
    """
    around = max(_pixels(parameters.ring_m, pixel_m), displacement_halo(pixel_m))
    # one pixel more shows that a patch ends
    return grow_pixels + _pixels(parameters.max_extent_m, pixel_m) + around + 1


def bright_patches(
    scl: NDArray[np.uint8],
    *,
    pixel_m: float,
    grow_pixels: int,
    cloud_share: float | None = None,
    displacement: NDArray[np.float32] | None = None,
    clear_parameters: ClearParameters,
    parameters: RescueParameters,
) -> Patches:
    """
    Find 'clouds' of one look that may be ground.

    Parameters
    ----------
    scl : ndarray of uint8, shape (y, x)
        Scene classification of a block with `rescue_halo` pixels around it, or as far
        as the grid goes: a patch that touches the edge of the array is left alone.
    pixel_m : float
        Size of a pixel, metres.
    grow_pixels : int
        Radius by which clouds and shadows grow, pixels.
    cloud_share : float, optional
        Share of the whole scene that SCL calls cloud, from 0 to 1, the same for all
        blocks; None or NaN: not known, and only the surroundings are asked.
    displacement : ndarray of float32, shape (y, x), optional
        Cloud displacement index; NaN where not known.
    clear_parameters : ClearParameters
        Classes that show the ground, and those that grow.
    parameters : RescueParameters
        Sizes and thresholds.

    Returns
    -------
    Patches
        Of the same shape. Empty if too much of the scene is cloud.

    Raises
    ------
    ContractError
        If shapes do not agree or the pixel size is not positive.

    Examples
    --------
    >>> scl = np.full((60, 60), Scl.VEGETATION, dtype=np.uint8)
    >>> scl[30:34, 30:34] = Scl.CLOUD_HIGH  # alone in the green
    >>> scl[:, :9] = Scl.CLOUD_HIGH  # the edge of a large one
    >>> found = bright_patches(
    ...     scl,
    ...     pixel_m=10.0,
    ...     grow_pixels=0,
    ...     clear_parameters=ClearParameters(),
    ...     parameters=RescueParameters(),
    ... )
    >>> int(found.standing.sum()), int(found.flat.sum())
    (16, 0)
    """
    if scl.ndim != 2 or (displacement is not None and displacement.shape != scl.shape):  # noqa: PLR2004
        raise ContractError(
            f"scl {scl.shape} and displacement "
            f"{None if displacement is None else displacement.shape} must be of one "
            "shape (y, x)"
        )
    if not pixel_m > 0:
        raise ContractError(f"pixel_m must be positive, got {pixel_m}")
    nothing = np.zeros(scl.shape, dtype=np.bool_)
    clouds = np.isin(scl, CLOUDS)
    too_cloudy = cloud_share is not None and cloud_share > parameters.max_cloud_share
    if too_cloudy or not clouds.any():
        return Patches(standing=nothing, flat=nothing)
    # a false cloud has a false shadow, which SCL puts beside it
    labels, n_labels = ndimage.label(
        clouds | (scl == Scl.CLOUD_SHADOW), structure=_TOUCHING
    )
    obscured = ~np.isin(scl, (*clear_parameters.clear_classes, Scl.DARK))
    alone = _alone(
        labels,
        n_labels,
        obscured,
        extent=_pixels(parameters.max_extent_m, pixel_m),
        ring=_pixels(parameters.ring_m, pixel_m),
        most_obscured=parameters.max_obscured,
    )
    # a shadow without a cloud is no false cloud
    sizes = np.bincount(labels[clouds], minlength=n_labels + 1)
    alone &= sizes > 0
    flat = np.zeros_like(alone)
    if displacement is not None:
        mean = _mean_of(labels, clouds & np.isfinite(displacement), displacement)
        with np.errstate(invalid="ignore"):
            alone &= ~(mean < parameters.cloud_displacement)
            flat = alone & (mean > parameters.ground_displacement)
        flat &= sizes * pixel_m**2 >= parameters.min_flat_m2
    others = np.isin(scl, clear_parameters.grown_classes) & ~alone[labels]
    # beside a patch only ground comes back, not snow or what SCL cannot read
    ground = np.isin(scl, clear_parameters.clear_classes)
    free = (ground | alone[labels]) & ~grow(others, grow_pixels)
    return Patches(
        standing=grow(alone[labels], grow_pixels) & free,
        flat=grow(flat[labels], grow_pixels) & free,
    )


def initial_bright_looks(shape: tuple[int, int]) -> NDArray[np.uint16]:
    """
    Make the memory of pixels that were never in a 'cloud'.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.

    Returns
    -------
    ndarray of uint16, shape (y, x)
        See `remember`.
    """
    return np.zeros(shape, dtype=np.uint16)


def remember(
    bright_looks: NDArray[np.uint16],
    patches: Patches,
    red: NDArray[np.float32],
    *,
    seen: NDArray[np.bool_],
    parameters: RescueParameters,
) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
    """
    Count one look, and say which pixels are ground in it.

    Parameters
    ----------
    bright_looks : ndarray of uint16, shape (y, x)
        What is remembered: half looks in the low `COUNT_BITS` bits, and above them the
        mean brightness of those looks in units of 1 / `BRIGHTNESS_SCALE`; 0 where
        nothing.
    patches : Patches
        From `bright_patches`, cut to the block.
    red : ndarray of float32, shape (y, x)
        Reflectance of B04; NaN where not measured.
    seen : ndarray of bool, shape (y, x)
        True where the screen let the ground through without any rescue.
    parameters : RescueParameters
        How many looks, and how alike.

    Returns
    -------
    bright_looks : ndarray of uint16, shape (y, x)
        After this look; the argument is not changed. Pixels that are neither in a
        patch nor seen have not moved.
    rescued : ndarray of bool, shape (y, x)
        True where the 'cloud' of this look is ground.

    Raises
    ------
    ContractError
        If shapes or types do not agree.

    Examples
    --------
    >>> always = np.ones((1, 1), dtype=bool)
    >>> pit = Patches(standing=always, flat=~always)
    >>> state = initial_bright_looks((1, 1))
    >>> for red in (0.21, 0.20, 0.23):
    ...     state, rescued = remember(
    ...         state,
    ...         pit,
    ...         np.full((1, 1), red, dtype=np.float32),
    ...         seen=~always,
    ...         parameters=RescueParameters(looks=3),
    ...     )
    ...     print(rescued.item())
    False
    False
    True
    """
    shape = bright_looks.shape
    if not shape == patches.standing.shape == red.shape == seen.shape:
        raise ContractError(
            f"bright_looks {shape}, patches {patches.standing.shape}, red {red.shape} "
            f"and seen {seen.shape} must be of one shape"
        )
    if bright_looks.dtype != np.uint16:
        raise ContractError(f"bright_looks must be uint16, got {bright_looks.dtype}")
    measured = np.isfinite(red)
    standing = patches.standing & measured
    reflectance = np.where(measured, red, 0.0).astype(np.float64)
    scaled = np.rint(np.maximum(reflectance, DARKEST) * BRIGHTNESS_SCALE)
    brightness = np.minimum(scaled, _BRIGHTEST).astype(np.int64)
    count = (bright_looks & _COUNT).astype(np.int64)
    usual = (bright_looks >> COUNT_BITS).astype(np.int64)
    most, least = np.maximum(brightness, usual), np.minimum(brightness, usual)
    alike = (count == 0) | (most <= least * parameters.brightness_ratio)
    up, down = standing & alike, (standing & ~alike) | (seen & ~standing)
    cap = _UP * (parameters.looks + parameters.spare)
    after = np.where(up, np.minimum(count + _UP, cap), count)
    after = np.where(down, np.maximum(count - _DOWN, 0), after)
    # a running mean, so that the brightness of the seasons is followed
    weight = np.maximum(after // _UP, 1)
    step = np.rint((brightness - usual) / weight).astype(np.int64)
    usual = np.where(up, np.where(count == 0, brightness, usual + step), usual)
    usual = np.where(after == 0, 0, usual)
    rescued = up & (after >= _UP * parameters.looks) | (patches.flat & measured)
    return ((usual << COUNT_BITS) | after).astype(np.uint16), rescued


def _pixels(length_m: float, pixel_m: float) -> int:
    """Turn a length into whole pixels, at least one."""
    return max(1, int(np.ceil(length_m / pixel_m)))


def _alone(
    labels: NDArray[np.int32],
    n_labels: int,
    obscured: NDArray[np.bool_],
    *,
    extent: int,
    ring: int,
    most_obscured: float,
) -> NDArray[np.bool_]:
    """Find labels that are small, whole, and in clear surroundings; 0 is none."""
    height, width = labels.shape
    found = ndimage.find_objects(labels)
    box = np.array(
        [(rows.start, rows.stop, cols.start, cols.stop) for rows, cols in found],
        dtype=np.int64,
    ).reshape(n_labels, 4)
    top, bottom, left, right = box.T
    small = (bottom - top <= extent) & (right - left <= extent)
    whole = (top > 0) & (left > 0) & (bottom < height) & (right < width)
    # sums over boxes from the corners of running sums of whole numbers, which are exact
    sums = np.zeros((height + 1, width + 1), dtype=np.int64)
    sums[1:, 1:] = obscured.cumsum(axis=0, dtype=np.int64).cumsum(axis=1)
    y0, y1 = np.maximum(top - ring, 0), np.minimum(bottom + ring, height)
    x0, x1 = np.maximum(left - ring, 0), np.minimum(right + ring, width)
    inside = sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0]
    own = np.bincount(labels.ravel(), minlength=n_labels + 1)[1:]
    around = (y1 - y0) * (x1 - x0) - own
    clear = inside - own <= most_obscured * around
    return np.concatenate(([False], small & whole & clear))


def _mean_of(
    labels: NDArray[np.int32], chosen: NDArray[np.bool_], values: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Take the mean of chosen pixels by label; NaN where there is none."""
    n_labels = int(labels.max()) + 1
    of = labels[chosen]
    # rounded to whole numbers, so that the order of adding cannot matter
    whole = np.rint(values[chosen].astype(np.float64) * 2.0**20)
    total = np.bincount(of, weights=whole, minlength=n_labels)
    number = np.bincount(of, minlength=n_labels)
    with np.errstate(invalid="ignore"):
        mean: NDArray[np.float64] = total / number / 2.0**20
    return mean
