"""The screening of one look in a few passes over its stored numbers.

`rsmonitor.stages.sight.sight` is the plain form, to which this is equal to the last
bit, and the place where it is said what is screened and why.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rsmonitor.errors import ContractError
from rsmonitor.records.scene import SceneNumbers
from rsmonitor.stages.clear import ClearCounts
from rsmonitor.stages.fused import patches
from rsmonitor.stages.fused.displacement import lens, mean_displacement
from rsmonitor.stages.fused.haze import Land, hazy
from rsmonitor.stages.fused.patches import CLOUD, GROWN
from rsmonitor.stages.fused.planes import (
    ABSENT,
    INFINITE,
    Plane,
    gaps,
    gaps_of_row,
    neighbours,
    plane,
    read_rectangle,
    sealed,
)
from rsmonitor.stages.haze import HAZE_BANDS, haze_halo
from rsmonitor.stages.parallax import COARSEST_M, PARALLAX_BANDS
from rsmonitor.stages.rescue import _pixels
from rsmonitor.stages.sight import Screening

CLEAR: Final = 1
"""Flag: the ground was seen, as far as this look alone can say."""

POSSIBLE: Final = 2
"""Flag: the ground was seen if every 'cloud' that may be ground is."""

STANDING: Final = 4
"""Flag: in or beside a 'cloud' that may be ground."""

FLAT: Final = 8
"""Flag: of those, without parallax."""

CLOUDY: Final = 16
"""Flag: SCL says cloud."""

SNOW_BANDS: Final = ("B03", "B11")
"""Bands without which no snow is found."""

_SEEN: Final = CLEAR | POSSIBLE
# places of bits in kinds; ground is the first, and cloud lies where `CLOUDY` does
_GROWN: Final = patches.GROWN.bit_length() - 1
_OTHERS: Final = patches.OTHERS.bit_length() - 1
_ALONE: Final = patches.ALONE.bit_length() - 1
_FLAT: Final = patches.FLAT.bit_length() - 1
_NO_DATA: Final = 0

Box = tuple[int, int, int, int]
"""First row, row behind the last, first column, column behind the last."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Screened:
    """What the screens say of one look at a window."""

    flags: NDArray[np.uint8]
    """Bits `CLEAR`, `POSSIBLE`, `STANDING`, `FLAT` and `CLOUDY`, shape (y, x). They say
    nothing of whether an index can be computed, and the last three nothing of whether
    a band was measured."""

    counts: ClearCounts
    """What each screen removed."""


def screened(
    numbers: SceneNumbers,
    *,
    window: tuple[slice, slice],
    screening: Screening,
    shadow: NDArray[np.bool_] | None = None,
    counted: tuple[slice, slice] | None = None,
) -> Screened:
    """
    Screen one look.

    Parameters
    ----------
    numbers : SceneNumbers
        The look, with a halo around the window. Where the ground is seen, all its bands
        are measured.
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
    Screened
        Of the window.

    Raises
    ------
    ContractError
        If the pixel size is not positive, or if the shadow does not fit the window.

    See Also
    --------
    rsmonitor.stages.sight.sight : The plain form, which computes indices as well.
    """
    if not screening.pixel_m > 0:
        raise ContractError(f"pixel_m must be positive, got {screening.pixel_m}")
    of_window = _box(window, numbers)
    of_counted = of_window if counted is None else _box(counted, numbers)
    region = _around(of_window, of_counted)
    counting = _within(of_counted, region)
    first_row, last_row, first_col, last_col = _within(of_window, region)
    inside = (slice(first_row, last_row), slice(first_col, last_col))
    place = (region[0], region[2])
    kinds, any_spreads = _kinds(numbers, region, screening)
    flags = np.zeros((region[1] - region[0], region[3] - region[2]), dtype=np.uint8)
    grown = np.zeros_like(flags)
    if any_spreads:
        half_widths = patches.disk(screening.grow_pixels)
        patches.grown(kinds, numbers.scl.shape[1], half_widths, *place, grown)
    digital = numbers.fine.dtype == np.uint16
    missing, some = gaps(sealed(numbers.coarse), digital)
    not_measured, classed_out, grown_out = _flag(
        sealed(numbers.fine),
        digital,
        (missing, some, numbers.ratio, numbers.row, numbers.col),
        sealed(numbers.scl),
        (kinds, grown),
        place,
        counting,
        flags,
    )
    snow = _without_snow(flags, numbers, place, counting, screening)
    under_haze = _without_haze(flags, numbers, kinds, place, counting, screening)
    shadowed = 0
    if shadow is not None:
        if shadow.shape != flags[inside].shape:
            raise ContractError(
                f"shadow {shadow.shape} does not fit a window {flags[inside].shape}"
            )
        over = np.zeros_like(flags)
        over[inside] = shadow
        shadowed = _drop(flags, over, counting)
    return Screened(
        flags=flags[inside],
        counts=ClearCounts(
            pixels=(counting[1] - counting[0]) * (counting[3] - counting[2]),
            not_measured=not_measured,
            classed_out=classed_out,
            grown_out=grown_out,
            snow=snow,
            clear=_number(flags, counting),
            hazy=under_haze,
            shadowed=shadowed,
        ),
    )


def _box(part: tuple[slice, slice], numbers: SceneNumbers) -> Box:
    """Rows and columns as whole numbers from 0 on."""
    (top, bottom, _), (left, right, _) = (
        along.indices(size) for along, size in zip(part, numbers.scl.shape, strict=True)
    )
    return top, max(bottom, top), left, max(right, left)


def _around(one: Box, two: Box) -> Box:
    """Give the smallest that holds both."""
    return (
        min(one[0], two[0]),
        max(one[1], two[1]),
        min(one[2], two[2]),
        max(one[3], two[3]),
    )


def _within(part: Box, whole: Box) -> Box:
    """See a part from the corner of the whole."""
    top, left = whole[0], whole[2]
    return part[0] - top, part[1] - top, part[2] - left, part[3] - left


def _kinds(
    numbers: SceneNumbers, region: Box, screening: Screening
) -> tuple[NDArray[np.uint8], bool]:
    """Kinds of all pixels, with 'clouds' that may be ground; True if any spreads."""
    scl, word = sealed(numbers.scl), patches.WORD
    height, width = scl.shape
    words = np.empty((height, -(-width // word)), dtype=np.uint64)
    kinds = words.view(np.uint8)
    table, obscured = patches.kinds_of_classes(screening.clear)
    found = patches.kinds_of(scl, table, kinds)
    if found & CLOUD:
        pixel_m, rescue = screening.pixel_m, screening.rescue
        runs = patches.runs_of(kinds, words)
        asked = patches.Asked(
            _pixels(rescue.max_extent_m, pixel_m),
            _pixels(rescue.ring_m, pixel_m),
            float(rescue.max_obscured),
        )
        grow = screening.grow_pixels
        near = (region[0] - grow, region[1] + grow, region[2] - grow, region[3] + grow)
        alone, clouds = patches.alone_of(runs, kinds, scl, obscured, asked, near)
        flat = np.zeros_like(alone)
        red_edge, wide, narrow = (plane(numbers, band) for band in PARALLAX_BANDS)
        if (
            red_edge is not None
            and wide is not None
            and narrow is not None
            and pixel_m <= COARSEST_M
            and alone.any()
        ):
            mean = mean_displacement(
                runs, alone, kinds, width, (red_edge, wide, narrow), lens(pixel_m)
            )
            alone &= ~(mean < rescue.cloud_displacement)
            flat = alone & (mean > rescue.ground_displacement)
            flat &= clouds * pixel_m**2 >= rescue.min_flat_m2
        patches.mark(kinds, runs, alone, flat)
    # a patch spreads even if its class does not
    return kinds, bool(found & (GROWN | CLOUD))


def _without_snow(
    flags: NDArray[np.uint8],
    numbers: SceneNumbers,
    place: tuple[int, int],
    counting: Box,
    screening: Screening,
) -> int:
    """Take snow out of the flags; how much of it was clear."""
    green, swir = (plane(numbers, band) for band in SNOW_BANDS)
    if green is None or swir is None:
        return 0
    return _drop_snow(
        flags,
        (green, swir),
        place,
        counting,
        np.float32(screening.clear.snow_ndsi),
        np.float32(screening.clear.snow_green),
    )


def _without_haze(
    flags: NDArray[np.uint8],
    numbers: SceneNumbers,
    kinds: NDArray[np.uint8],
    place: tuple[int, int],
    counting: Box,
    screening: Screening,
) -> int:
    """Take haze out of the flags; how much of it was clear."""
    blue, red = (plane(numbers, band) for band in HAZE_BANDS)
    if blue is None or red is None:
        return 0
    radius = haze_halo(screening.pixel_m, parameters=screening.rescue) - 1
    over = hazy(
        flags,
        POSSIBLE,
        Land(
            kinds,
            numbers.scl.shape[1],
            blue,
            red,
            float(screening.rescue.haze),
        ),
        place,
        radius,
    )
    return _drop(flags, over, counting) if over.size else 0


@njit(nogil=True, cache=True, error_model="numpy")
def _flag(
    fine: NDArray[Any],
    digital: bool,
    coarse: tuple[NDArray[np.uint8], int, int, int, int],
    scl: NDArray[np.uint8],
    of_kind: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    place: tuple[int, int],
    counting: Box,
    flags: NDArray[np.uint8],
) -> tuple[int, int, int]:
    """Flag what classes and gaps say; count what they took."""
    kinds, grown = of_kind
    missing, some, ratio, row, col = coarse
    top, left = place
    height, width = flags.shape
    gap = np.empty(width, np.uint8)
    held, west, east, _ = neighbours(left - col, width, ratio, missing.shape[1])
    y0, y1, x0, x1 = counting
    not_measured = classed_out = grown_out = 0
    for y in range(height):
        gap[:] = 0
        gaps_of_row(fine, digital, top + y, left, gap)
        if some:
            held_y, north, south, _ = neighbours(
                top + y - row, 1, ratio, missing.shape[0]
            )
            for x in range(width):
                gap[x] |= missing[held_y[0], held[x]] & np.uint8(ABSENT)
            if some & INFINITE:
                for x in range(width):
                    gap[x] |= (
                        missing[north[0], west[x]]
                        | missing[north[0], east[x]]
                        | missing[south[0], west[x]]
                        | missing[south[0], east[x]]
                    ) & np.uint8(INFINITE)
        classes, kind = scl[top + y, left:], kinds[top + y, left:]
        near, flag = grown[y], flags[y]
        for x in range(width):
            measured = np.uint8(1 if (gap[x] == 0) & (classes[x] != _NO_DATA) else 0)
            seen = measured & kind[x] & ~(near[x] >> _GROWN)
            free = (kind[x] | (kind[x] >> _ALONE)) & ~(near[x] >> _OTHERS) & 1
            standing = free & (near[x] >> _ALONE)
            possible = (seen | (measured & standing)) & 1
            flag[x] = (
                (seen & CLEAR)
                | (possible << 1)
                | (standing << 2)
                | ((free & (near[x] >> _FLAT)) << 3)
                | (kind[x] & CLOUDY)
            )
        if y0 <= y < y1:
            classed = by_growth = gone = 0
            classes, kind, of_gap = classes[x0:x1], kind[x0:x1], gap[x0:x1]
            near = near[x0:x1]
            for x in range(len(near)):
                measured = np.uint8(
                    1 if (of_gap[x] == 0) & (classes[x] != _NO_DATA) else 0
                )
                gone += 1 - int(measured)
                classed += int(measured & ~kind[x])
                by_growth += int(measured & kind[x] & (near[x] >> _GROWN))
            not_measured += gone
            classed_out += classed
            grown_out += by_growth
    return not_measured, classed_out, grown_out


@njit(nogil=True, cache=True, error_model="numpy")
def _drop_snow(
    flags: NDArray[np.uint8],
    bands: tuple[Plane, Plane],
    place: tuple[int, int],
    counting: Box,
    limit: np.float32,
    darkest: np.float32,
) -> int:
    """Take snow out of the flags; how much of it was clear."""
    green, swir = bands
    top, left = place
    height, width = flags.shape
    line, other = np.empty((1, width), np.float32), np.empty((1, width), np.float32)
    over = np.zeros((height, width), np.uint8)
    some_snow = False
    bright = np.empty(width, np.uint8)
    for y in range(height):
        read_rectangle(green, top + y, left, line)
        flag, light = flags[y], line[0]
        some = np.uint8(0)
        for x in range(width):
            is_bright = np.uint8(POSSIBLE if light[x] > darkest else 0)
            bright[x] = flag[x] & is_bright
            some |= bright[x]
        if some == 0:
            continue
        read_rectangle(swir, top + y, left, other)
        infrared = other[0]
        for x in range(width):
            ratio = (light[x] - infrared[x]) / (light[x] + infrared[x])
            over[y, x] = np.uint8(1 if (ratio > limit) & (bright[x] != 0) else 0)
        some_snow = True
    return _drop(flags, over, counting) if some_snow else 0


@njit(nogil=True, cache=True)
def _drop(flags: NDArray[np.uint8], over: NDArray[np.uint8], counting: Box) -> int:
    """Take what is covered out of the flags; how much of it was clear."""
    before = _number(flags, counting)
    for y in range(flags.shape[0]):
        flag, covered = flags[y], over[y]
        for x in range(len(flag)):
            flag[x] &= np.uint8(255 - _SEEN if covered[x] else 255)
    return before - _number(flags, counting)


@njit(nogil=True, cache=True)
def _number(flags: NDArray[np.uint8], counting: Box) -> int:
    """Count what is clear."""
    top, bottom, left, right = counting
    number = 0
    for y in range(top, bottom):
        of_row = 0
        flag = flags[y, left:right]
        for x in range(len(flag)):
            of_row += int(flag[x] & np.uint8(CLEAR))
        number += of_row
    return number
