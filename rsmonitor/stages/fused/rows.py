"""Rows of indices from stored numbers: conversion, interpolation and ratio in one pass.

The plain way is `rsmonitor.stages.reflectance.reflectance_of` and then
`rsmonitor.stages.indices.spectral_indices`; bit for bit the same.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rsmonitor.errors import ContractError
from rsmonitor.records.scene import SceneNumbers
from rsmonitor.stages.indices import DARKEST_RED, INDICES, bands_of_index
from rsmonitor.stages.reflectance import NODATA_DN, SATURATED_DN

DIFFERENCE: Final = 0
BARE_SOIL: Final = 1
DARKNESS: Final = 2

_KINDS: Final = {
    "ndvi": DIFFERENCE,
    "ndmi": DIFFERENCE,
    "nbr": DIFFERENCE,
    "nbsi": BARE_SOIL,
    "dred": DARKNESS,
}
_MOST_BANDS: Final = 4
_NEAR: Final = 0.25
_FAR: Final = 0.75
_NAN: Final = np.float32(np.nan)
_NO_TABLE: Final = np.empty(0, dtype=np.float32)
_NO_TABLE.flags.writeable = False
_ONE: Final = np.float32(1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recipe:
    """Which indices are computed from which bands of some numbers."""

    kinds: NDArray[np.int64]
    """`DIFFERENCE`, `BARE_SOIL` or `DARKNESS`, shape (index,)."""

    sources: NDArray[np.int64]
    """Bands of each index, fine ones first, then coarse ones; shape (index, 4)."""

    @classmethod
    def of(cls, names: tuple[str, ...], bands: tuple[str, ...]) -> "Recipe":
        """
        Say where indices find their bands.

        Parameters
        ----------
        names : tuple of str
            Names in `rsmonitor.stages.indices.INDICES`.
        bands : tuple of str
            ESA names: those of `SceneNumbers.bands`.

        Returns
        -------
        Recipe
            For the kernels.

        Raises
        ------
        ContractError
            If an index cannot be computed by a kernel, or a band is missing.
        """
        kinds = np.zeros(len(names), dtype=np.int64)
        sources = np.zeros((len(names), _MOST_BANDS), dtype=np.int64)
        for k, name in enumerate(names):
            if name not in _KINDS:
                raise ContractError(f"no kernel computes the index {name}")
            chosen = bands_of_index(INDICES[name], bands)
            kinds[k] = _KINDS[name]
            sources[k, : len(chosen)] = [bands.index(band) for band in chosen]
        return cls(kinds=kinds, sources=sources)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Between:
    """To each row or column of a window its two coarse ones."""

    holder: NDArray[np.int64]
    """The coarse pixel that holds it."""

    before: NDArray[np.int64]
    """The coarse pixel whose centre lies before it, or at it."""

    after: NDArray[np.int64]
    """The one whose centre lies behind it, or at it."""

    weight: NDArray[np.float64]
    """Weight of `after`."""

    @classmethod
    def along(cls, start: int, count: int, ratio: int, size: int) -> "Between":
        """
        Find the neighbours of the pixels of a window along one axis.

        Parameters
        ----------
        start : int
            Pixels from the edge of the first coarse one to the first of the window.
        count : int
            Pixels of the window.
        ratio : int
            Pixels in a coarse one.
        size : int
            Coarse pixels; beyond the outermost centres the outermost value holds.

        Returns
        -------
        Between
            Whole numbers and exact weights.

        Examples
        --------
        >>> Between.along(0, 4, 2, 2).before.tolist()
        [0, 0, 0, 1]
        """
        fine = np.arange(start, start + count, dtype=np.int64)
        before, remainder = np.divmod(2 * fine + 1 - ratio, 2 * ratio)
        return cls(
            holder=fine // ratio,
            before=np.clip(before, 0, size - 1),
            after=np.clip(before + (remainder > 0), 0, size - 1),
            weight=remainder / (2 * ratio),
        )


@lru_cache(maxsize=4)
def darkness_table(add_offset: int, quantification_value: int) -> NDArray[np.float32]:
    """
    Tabulate minus log10 of red reflectance by digital number.

    Parameters
    ----------
    add_offset : int
        Of the product.
    quantification_value : int
        Of the product.

    Returns
    -------
    ndarray of float32, shape (65536,)
        NaN where the number is no measurement.
    """
    dn = np.arange(SATURATED_DN + 1, dtype=np.float32)
    red = (dn + np.float32(add_offset)) / np.float32(quantification_value)
    table: NDArray[np.float32] = INDICES["dred"].formula(red)
    table[[NODATA_DN, SATURATED_DN]] = np.nan
    table.flags.writeable = False
    return table


def index_values(
    numbers: SceneNumbers,
    names: tuple[str, ...],
    possible: NDArray[np.bool_],
    rows: NDArray[np.int64],
) -> NDArray[np.float32]:
    """
    Compute indices of some rows of a window.

    Parameters
    ----------
    numbers : SceneNumbers
        The window.
    names : tuple of str
        Names in `rsmonitor.stages.indices.INDICES`.
    possible : ndarray of bool, shape (y, x)
        False where the pixel is no ground whatever the indices are.
    rows : ndarray of int64, shape (row,)
        Rows of the window.

    Returns
    -------
    ndarray of float32, shape (index, row, x)
        NaN where not possible, or where one of the indices is not finite.
    """
    values = np.empty((len(names), rows.size, possible.shape[1]), dtype=np.float32)
    _values(operands(numbers, names), possible, rows, values)
    return values


def operands(numbers: SceneNumbers, names: tuple[str, ...]) -> tuple[object, ...]:
    """
    Lay out some numbers for `row_of_values`.

    Parameters
    ----------
    numbers : SceneNumbers
        A window.
    names : tuple of str
        Indices.

    Returns
    -------
    tuple
        The first arguments of the kernels, from the recipe to the tables.
    """
    recipe = Recipe.of(names, numbers.bands)
    height, width = numbers.scl.shape
    down = Between.along(-numbers.row, height, numbers.ratio, numbers.coarse.shape[1])
    along = Between.along(-numbers.col, width, numbers.ratio, numbers.coarse.shape[2])
    stored_dn = numbers.fine.dtype == np.uint16
    table = (
        darkness_table(numbers.add_offset, numbers.quantification_value)
        if stored_dn and "dred" in names
        else _NO_TABLE
    )
    return (
        recipe.kinds,
        recipe.sources,
        numbers.fine,
        numbers.coarse,
        (down.holder, down.before, down.after, down.weight),
        (along.holder, along.before, along.after, along.weight),
        stored_dn,
        np.float32(numbers.add_offset),
        np.float32(numbers.quantification_value),
        table,
    )


@njit(nogil=True, cache=True, error_model="numpy")
def _values(stored, possible, rows, values):
    """Fill `values` row by row."""
    kinds, fine, coarse = stored[0], stored[2], stored[3]
    width = possible.shape[1]
    bands = np.empty((fine.shape[0] + coarse.shape[0], width), dtype=np.float32)
    row = np.empty((kinds.size, width), dtype=np.float32)
    scratch = np.empty((2, max(1, coarse.shape[2])), dtype=np.float64)
    for i in range(rows.size):
        y = rows[i]
        row_of_values(stored, y, bands, scratch, row)
        for k in range(kinds.size):
            for x in range(width):
                known = possible[y, x]
                for other in range(kinds.size):
                    known = known and np.isfinite(row[other, x])
                values[k, i, x] = row[k, x] if known else _NAN


@njit(nogil=True, cache=True, error_model="numpy")
def row_of_values(stored, y, bands, scratch, row):
    """Fill `row` (index, x) with the indices of one row; NaN or infinite where none."""
    (
        kinds,
        sources,
        fine,
        coarse,
        down,
        along,
        stored_dn,
        offset,
        quantification,
        table,
    ) = stored
    n_fine = fine.shape[0]
    width = row.shape[1]
    # convert each band that is asked for once
    for band in range(bands.shape[0]):
        wanted = False
        for k in range(kinds.size):
            count = 4 if kinds[k] == BARE_SOIL else 2
            if kinds[k] == DARKNESS:
                count = 0 if stored_dn and sources[k, 0] < n_fine else 1
            for slot in range(count):
                wanted = wanted or sources[k, slot] == band
        if not wanted:
            continue
        if band < n_fine:
            for x in range(width):
                bands[band, x] = _measured(
                    np.float32(fine[band, y, x]), stored_dn, offset, quantification
                )
        else:
            _interpolated(
                coarse[band - n_fine],
                down,
                along,
                stored_dn,
                offset,
                quantification,
                y,
                scratch,
                bands[band],
            )
    for k in range(kinds.size):
        first, second = sources[k, 0], sources[k, 1]
        if kinds[k] == DIFFERENCE:
            for x in range(width):
                row[k, x] = _difference(bands[first, x], bands[second, x])
        elif kinds[k] == BARE_SOIL:
            # blue, red, near infrared, short-wave infrared
            nir, swir = sources[k, 2], sources[k, 3]
            for x in range(width):
                row[k, x] = _difference(
                    bands[nir, x] + bands[first, x], bands[swir, x] + bands[second, x]
                )
        elif stored_dn and first < n_fine:
            for x in range(width):
                row[k, x] = table[np.int64(fine[first, y, x])]
        else:
            for x in range(width):
                red = bands[first, x]
                if np.isnan(red):
                    row[k, x] = _NAN
                else:
                    row[k, x] = np.float32(-np.log10(np.float64(max(red, DARKEST_RED))))


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _measured(stored, stored_dn, offset, quantification):
    """Give the reflectance of one number."""
    if not stored_dn:
        return stored
    reflectance = (stored + offset) / quantification
    known = stored != np.float32(NODATA_DN) and stored != np.float32(SATURATED_DN)
    return reflectance if known else _NAN


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _difference(a, b):
    """Give `rsmonitor.stages.indices.normalized_difference` of two numbers."""
    total = a + b
    ratio = (a - b) / total
    return ratio if total > np.float32(0) and abs(ratio) <= _ONE else _NAN


@njit(nogil=True, cache=True, error_model="numpy")
def _interpolated(
    band, down, along, stored_dn, offset, quantification, y, scratch, row
):
    """Interpolate one row of a coarse band between the centres of its pixels."""
    holder_y, before_y, after_y, weight_y = down
    holder_x, before_x, after_x, weight_x = along
    held_row, upper, lower = holder_y[y], before_y[y], after_y[y]
    south = weight_y[y]
    gaps = False
    for x in range(band.shape[1]):
        a = _measured(np.float32(band[upper, x]), stored_dn, offset, quantification)
        b = _measured(np.float32(band[lower, x]), stored_dn, offset, quantification)
        gaps |= np.isnan(a) | np.isnan(b)
        scratch[0, x] = np.float64(a) * (1.0 - south) + np.float64(b) * south
    if not gaps:
        # all weights are 1 then, and dividing by them changes nothing
        _without_gaps(before_x, after_x, weight_x, scratch[0], row)
        return
    for x in range(band.shape[1]):
        a = _measured(np.float32(band[upper, x]), stored_dn, offset, quantification)
        b = _measured(np.float32(band[lower, x]), stored_dn, offset, quantification)
        a_known = not np.isnan(a)
        b_known = not np.isnan(b)
        first = np.float64(a) if a_known else 0.0
        second = np.float64(b) if b_known else 0.0
        scratch[0, x] = first * (1.0 - south) + second * south
        scratch[1, x] = (1.0 if a_known else 0.0) * (1.0 - south) + (
            1.0 if b_known else 0.0
        ) * south
    for x in range(row.size):
        east = weight_x[x]
        i, j = before_x[x], after_x[x]
        total = scratch[0, i] * (1.0 - east) + scratch[0, j] * east
        weight = scratch[1, i] * (1.0 - east) + scratch[1, j] * east
        held = _measured(
            np.float32(band[held_row, holder_x[x]]), stored_dn, offset, quantification
        )
        row[x] = _NAN if np.isnan(held) else np.float32(total / weight)


@njit(nogil=True, cache=True, error_model="numpy")
def _without_gaps(before, after, weight, between, row):
    """Interpolate along x where every coarse pixel was measured."""
    width = row.size
    begin = 0
    # Twice as many pixels: those between two centres come in pairs.
    while begin < width and not (
        before[begin] != after[begin] and weight[begin] == _NEAR
    ):
        begin += 1
    end = width - 1
    while end > begin and not (before[end] != after[end] and weight[end] == _FAR):
        end -= 1
    pairs = (end - begin + 1) // 2
    regular = pairs > 0 and before[end] - before[begin] == pairs - 1
    if not regular:
        begin, pairs = width, 0
    for x in range(begin):
        east = weight[x]
        row[x] = np.float32(
            between[before[x]] * (1.0 - east) + between[after[x]] * east
        )
    for x in range(begin + 2 * pairs, width):
        east = weight[x]
        row[x] = np.float32(
            between[before[x]] * (1.0 - east) + between[after[x]] * east
        )
    if pairs:
        first = before[begin]
        for i in range(pairs):
            west, east = between[first + i], between[first + i + 1]
            row[begin + 2 * i] = np.float32(west * _FAR + east * _NEAR)
            row[begin + 2 * i + 1] = np.float32(west * _NEAR + east * _FAR)
