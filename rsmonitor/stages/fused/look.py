"""One screened look judged and added to the evidence, in one pass over the pixels.

The plain way is `rsmonitor.stages.sight.with_rescued` and then
`rsmonitor.stages.evidence.observe`; bit for bit the same, in the order of their
operations: single precision where they have it, double where they have that.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rsmonitor.records.parameters import EvidenceParameters, RescueParameters
from rsmonitor.records.rasters import (
    DEPARTURE_ZERO,
    EVIDENCE_PLANES,
    REFERENCE_FILL,
    REFERENCE_SCALE,
    SCORE_SCALE,
    planes_per_index,
)
from rsmonitor.records.scene import SceneNumbers
from rsmonitor.stages.evidence import DEPARTURE_LOOKS, SceneStatistics
from rsmonitor.stages.fused.rows import operands, row_of_values
from rsmonitor.stages.fused.screen import CLEAR, FLAT, POSSIBLE, STANDING
from rsmonitor.stages.history import Norm, seasonal_terms
from rsmonitor.stages.levelling import Cells, cells_between
from rsmonitor.stages.rescue import (
    BRIGHTNESS_SCALE,
    COUNT_BITS,
    DARKEST,
)

(
    SCORE,
    BEGAN_AFTER,
    FIRST_SEEN,
    CONFIRMED,
    LAST_SEEN,
    LAST_CLEAR,
    LOOKS_SINCE,
    N_CLEAR,
    BRIGHT_LOOKS,
) = range(len(EVIDENCE_PLANES))

_FIRST_DEPARTURE: Final = len(EVIDENCE_PLANES)
_FULL: Final = 65_535
_COUNT: Final = (1 << COUNT_BITS) - 1
_BRIGHTEST: Final = (1 << (16 - COUNT_BITS)) - 1
_INFINITE: Final = np.float32(np.inf)
_SCALE: Final = np.float32(REFERENCE_SCALE)


def observe(
    state: NDArray[np.uint16],
    reference: NDArray[np.int16],
    numbers: SceneNumbers,
    flags: NDArray[np.uint8],
    *,
    day: int,
    names: tuple[str, ...],
    weights: NDArray[np.float32],
    statistics: SceneStatistics,
    cells: Cells,
    place: tuple[slice, slice],
    cloud_share: float,
    norm: Norm,
    evidence: EvidenceParameters,
    rescue: RescueParameters,
) -> int:
    """
    Judge one look at a block against its reference and add it to the evidence.

    Parameters
    ----------
    state : ndarray of uint16, shape (plane, y, x)
        Evidence before the look, see `EVIDENCE_PLANES`; holds that after it.
    reference : ndarray of int16, shape (parameter, y, x)
        See `rsmonitor.records.rasters.REFERENCE_STATE`.
    numbers : SceneNumbers
        The bands of the indices, and B04.
    flags : ndarray of uint8, shape (y, x)
        From `rsmonitor.stages.fused.screen.screened`.
    day : int
        Days since 1970-01-01, not before any day in `state`.
    names : tuple of str
        Indices.
    weights : ndarray of float32, shape (index,)
        Share of each index in the evidence; they sum to 1.
    statistics : SceneStatistics
        What the scene shares.
    cells : Cells
        The lattice of `statistics`.
    place : tuple of slice
        Rows and columns of the block in the grid.
    cloud_share : float
        Share of the whole scene that SCL calls cloud.
    norm : Norm
        What is usual.
    evidence : EvidenceParameters
        Drop, clip and levels.
    rescue : RescueParameters
        When bright ground is taken back from the clouds.

    Returns
    -------
    int
        Pixels that were taken back.
    """
    n_index = len(names)
    own = planes_per_index(reference, n_index)
    terms = seasonal_terms(np.array([day]), (own - 2) // 2)[0].astype(np.float32)
    top, down = cells_between(place[0], cells.height, cells.rows)
    left, along = cells_between(place[1], cells.width, cells.cols)
    drop = evidence.drop
    return int(
        _observe(
            state,
            reference,
            operands(numbers, names),
            numbers.bands.index("B04"),
            flags,
            np.uint16(day),
            own,
            terms,
            weights.astype(np.float32),
            statistics.offset.reshape(n_index, cells.rows, cells.cols),
            statistics.noise.reshape(n_index, cells.rows, cells.cols),
            (top, down, left, along),
            norm.floor.astype(np.float32),
            np.float32(norm.combined),
            (drop, drop * drop / 2, evidence.clip, evidence.cap, evidence.high),
            cloud_share <= rescue.max_cloud_share,
            (
                rescue.looks,
                2 * (rescue.looks + rescue.spare),
                rescue.brightness_ratio,
            ),
        )
    )


@njit(nogil=True, cache=True, error_model="numpy")
def _observe(
    state,
    reference,
    stored,
    red_band,
    flags,
    day,
    own,
    terms,
    weights,
    offsets,
    noises,
    between,
    floor,
    combined,
    test,
    rescues,
    rescue,
):
    """Go through the block row by row; count what was taken back."""
    kinds, fine, coarse = stored[0], stored[2], stored[3]
    stored_dn, dn_offset, quantification = stored[6], stored[7], stored[8]
    top, down, left, along = between
    n_index = kinds.size
    height, width = flags.shape
    n_fine = fine.shape[0]
    bands = np.empty((n_fine + coarse.shape[0], width), dtype=np.float32)
    scratch = np.empty((2, max(1, coarse.shape[2])), dtype=np.float64)
    values = np.empty((n_index, width), dtype=np.float32)
    departure = np.empty((n_index, width), dtype=np.float32)
    z = np.empty(width, dtype=np.float32)
    predicted = np.empty(width, dtype=np.float32)
    above = np.empty((n_index, width), dtype=np.float32)
    below = np.empty((n_index, width), dtype=np.float32)
    noise_above = np.empty((n_index, width), dtype=np.float32)
    noise_below = np.empty((n_index, width), dtype=np.float32)
    laid_of = -1
    known = np.empty(width, dtype=np.bool_)
    taken = np.empty(width, dtype=np.bool_)
    rescued_pixels = 0
    for y in range(height):
        row_of_values(stored, y, bands, scratch, values)
        # What was seen; and what is bright ground although SCL calls it cloud.
        for x in range(width):
            known[x] = (flags[y, x] & POSSIBLE) != 0
        for k in range(n_index):
            for x in range(width):
                known[x] &= abs(values[k, x]) < _INFINITE
        anything = False
        for x in range(width):
            taken[x] = known[x] & ((flags[y, x] & CLEAR) != 0)
            anything |= taken[x] | (known[x] & ((flags[y, x] & STANDING) != 0))
        if not anything:
            continue
        remembers = False
        for x in range(width):
            remembers |= known[x] & (
                (rescues & ((flags[y, x] & STANDING) != 0))
                | ((state[BRIGHT_LOOKS, y, x] != 0) & taken[x])
            )
        for x in range(width if remembers else 0):
            bright = state[BRIGHT_LOOKS, y, x]
            flag = flags[y, x]
            standing = rescues and known[x] and (flag & STANDING) != 0
            if standing or (taken[x] and bright != 0):
                if red_band < n_fine:
                    red = np.float32(fine[red_band, y, x])
                    if stored_dn:
                        red = (red + dn_offset) / quantification
                else:
                    red = bands[red_band, x]
                after, sure = _remembered(
                    bright,
                    red,
                    standing,
                    standing and (flag & FLAT) != 0,
                    taken[x],
                    rescue,
                )
                state[BRIGHT_LOOKS, y, x] = after
                if sure and not taken[x]:
                    taken[x] = True
                    rescued_pixels += 1
        # How far each index departs, and all of them together.
        upper = top[y]
        if upper != laid_of:
            _laid(offsets, upper, left, along, above, below)
            _laid(noises, upper, left, along, noise_above, noise_below)
            laid_of = upper
        share = down[y]
        rest = np.float32(1) - share
        z[:] = np.float32(0)
        for k in range(n_index):
            base = k * own
            predicted[:] = np.float32(0)
            for term in range(own - 1):
                factor = terms[term]
                for x in range(width):
                    predicted[x] += factor * np.float32(reference[base + term, y, x])
            least, weight = floor[k], weights[k]
            for x in range(width):
                offset = above[k, x] * rest + below[k, x] * share
                noise = noise_above[k, x] * rest + noise_below[k, x] * share
                moved = (values[k, x] - predicted[x] / _SCALE) - offset
                spread = np.float32(reference[base + own - 1, y, x]) / _SCALE
                spread = max(least, spread)
                departure[k, x] = moved
                z[x] += weight * moved / (spread * noise)
        # Most ground was undisturbed and is: such pixels only count the look.
        drop, half_square = test[0], test[1]
        for x in range(width):
            z[x] = z[x] / combined
            quiet = (
                taken[x]
                & (-drop * np.float64(z[x]) - half_square <= 0.0)
                & (state[SCORE, y, x] == 0)
                & (state[FIRST_SEEN, y, x] == 0)
            )
            seen = state[N_CLEAR, y, x]
            state[N_CLEAR, y, x] = seen + np.uint16(quiet & (seen != _FULL))
            state[LAST_CLEAR, y, x] = day if quiet else state[LAST_CLEAR, y, x]
            taken[x] &= not quiet
        for x in range(width):
            if taken[x]:
                _add(
                    state,
                    y,
                    x,
                    z[x],
                    reference[0, y, x] != REFERENCE_FILL,
                    departure,
                    day,
                    test,
                )
    return rescued_pixels


@njit(nogil=True, cache=True, error_model="numpy")
def _laid(lattice, upper, left, along, above, below):
    """Lay two rows of cells over the columns of a block, as `Cells.at` does."""
    last_col = lattice.shape[2] - 1
    lower = min(upper + 1, lattice.shape[1] - 1)
    for k in range(lattice.shape[0]):
        for x in range(above.shape[1]):
            i = left[x]
            j = min(i + 1, last_col)
            east = along[x]
            west = np.float32(1) - east
            above[k, x] = lattice[k, upper, i] * west + lattice[k, upper, j] * east
            below[k, x] = lattice[k, lower, i] * west + lattice[k, lower, j] * east


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _remembered(bright, red, standing, flat, seen, rescue):
    """Count one look of one pixel: `rsmonitor.stages.rescue.remember`."""
    looks, cap, most_ratio = rescue
    reflectance = max(np.float64(red), DARKEST)
    brightness = np.int64(min(np.rint(reflectance * BRIGHTNESS_SCALE), _BRIGHTEST))
    count = np.int64(bright) & _COUNT
    usual = np.int64(bright) >> COUNT_BITS
    most, least = max(brightness, usual), min(brightness, usual)
    alike = count == 0 or most <= least * most_ratio
    up = standing and alike
    down = (standing and not alike) or (seen and not standing)
    after = count
    if up:
        after = min(count + 2, cap)
    if down:
        after = max(count - 1, 0)
    weight = max(after // 2, 1)
    if up:
        usual = (
            brightness
            if count == 0
            else usual + np.int64(np.rint((brightness - usual) / weight))
        )
    if after == 0:
        usual = 0
    sure = (up and after >= 2 * looks) or flat
    return np.uint16((usual << COUNT_BITS) | after), sure


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _add(state, y, x, z, monitored, departure, day, test):
    """Add a look at one pixel that was seen: `rsmonitor.stages.evidence.update`."""
    drop, half_square, clip, cap, high = test
    n_clear = state[N_CLEAR, y, x]
    if n_clear < _FULL:
        state[N_CLEAR, y, x] = n_clear + 1
    last_clear = state[LAST_CLEAR, y, x]
    state[LAST_CLEAR, y, x] = day
    if not monitored:
        return
    ratio = -drop * np.float64(z) - half_square
    ratio = min(max(ratio, -clip), clip)
    before = np.float64(state[SCORE, y, x]) / SCORE_SCALE
    whole = np.rint(min(max(before + ratio, 0.0), cap) * SCORE_SCALE)
    score = whole / SCORE_SCALE
    first_seen = state[FIRST_SEEN, y, x]
    if score == 0.0 and first_seen == 0:
        # undisturbed before and after: nothing else can move
        state[SCORE, y, x] = 0
        return
    unconfirmed = state[CONFIRMED, y, x] == 0
    starts = unconfirmed and before == 0.0 and score > 0.0
    ends = unconfirmed and score == 0.0
    if starts:
        state[BEGAN_AFTER, y, x] = last_clear
        first_seen = day
        state[FIRST_SEEN, y, x] = day
    if starts or ends:
        for k in range(departure.shape[0]):
            state[_FIRST_DEPARTURE + k, y, x] = DEPARTURE_ZERO
    if ends:
        state[BEGAN_AFTER, y, x] = 0
        state[FIRST_SEEN, y, x] = 0
        state[LAST_SEEN, y, x] = 0
        state[LOOKS_SINCE, y, x] = 0
        first_seen = np.uint16(0)
    if first_seen > 0:
        looks = np.int64(state[LOOKS_SINCE, y, x])
        if looks < _FULL:
            looks += 1
        state[LOOKS_SINCE, y, x] = np.uint16(looks)
        if ratio > 0.0:
            state[LAST_SEEN, y, x] = day
        if looks <= DEPARTURE_LOOKS:
            weight = 1.0 / max(looks, 1)
            for k in range(departure.shape[0]):
                mean = np.float64(state[_FIRST_DEPARTURE + k, y, x]) - DEPARTURE_ZERO
                look = np.float64(departure[k, x] * _SCALE)
                moved = np.rint(mean + (look - mean) * weight) + DEPARTURE_ZERO
                state[_FIRST_DEPARTURE + k, y, x] = np.uint16(
                    min(max(moved, 0.0), np.float64(_FULL))
                )
    if unconfirmed and score >= high:
        state[CONFIRMED, y, x] = day
    state[SCORE, y, x] = np.uint16(whole)
