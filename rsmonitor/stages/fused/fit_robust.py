"""The robust fit of `LANES` pixels at once, and the median that it rests on.

Looks that were not seen hold +inf and -inf by turns, the first of a pixel +inf, and the
number of looks is made even by one more that nobody saw. So there is as much above as
below what was seen, and the middle of all rows is the median of what was seen, whatever
a pixel misses: no lane needs an order of its own.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rsmonitor.stages.fused.fit_lanes import (
    LANES,
    absolute,
    everywhere,
    load,
    maximum,
    multiply_add,
    store,
    where_less,
)
from rsmonitor.stages.fused.fit_sort import middle
from rsmonitor.stages.history import BIWEIGHT, ITERATIONS, LEAST_SPREAD
from rsmonitor.stages.levelling import MAD_TO_SIGMA

COLUMNS_AT_ONCE: Final = 4
"""Sums that are kept in registers in one pass over the looks."""
INFINITY: Final = np.inf
NEVER: Final = -1e300
"""No difference is as low but that of a look that was not seen."""
SEASONAL: Final = 3
"""Terms of one harmonic, for which everything is kept in registers."""


def even(n_time: int) -> int:
    """
    Give the number of rows that hold so many looks.

    Parameters
    ----------
    n_time : int
        Looks.

    Returns
    -------
    int
        The same, or one more: even, and at least two.
    """
    return max(n_time + n_time % 2, 2)


def design(
    terms: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """
    Lay out what the sums of the fit are taken with.

    Parameters
    ----------
    terms : ndarray of float64, shape (time, term)
        Terms of the model.

    Returns
    -------
    columns : ndarray of float64, shape (row, term)
        The terms; zero in rows that hold no look, and more columns of zeros behind.
    products : ndarray of float64, shape (row, product)
        Products of two terms, the first not before the second, laid out alike.
    """
    n_time, n_terms = terms.shape
    first, second = np.tril_indices(n_terms)
    sides = []
    for columns in (terms, terms[:, first] * terms[:, second]):
        more = -columns.shape[1] % COLUMNS_AT_ONCE
        wide = np.pad(columns, ((0, even(n_time) - n_time), (0, more)))
        sides.append(np.ascontiguousarray(wide))
    return sides[0], sides[1]


@njit(nogil=True, cache=True)
def sums(rows, n_rows, columns, out):
    """Sum rows times columns, shape (row, column), into rows of `out`."""
    for c in range(0, columns.shape[1], COLUMNS_AT_ONCE):
        s0 = s1 = s2 = s3 = everywhere(0.0)
        for t in range(n_rows):
            row = load(rows, t)
            s0 = multiply_add(row, everywhere(columns[t, c]), s0)
            s1 = multiply_add(row, everywhere(columns[t, c + 1]), s1)
            s2 = multiply_add(row, everywhere(columns[t, c + 2]), s2)
            s3 = multiply_add(row, everywhere(columns[t, c + 3]), s3)
        store(out, c, s0)
        store(out, c + 1, s1)
        store(out, c + 2, s2)
        store(out, c + 3, s3)


@njit(nogil=True, cache=True)
def solve(normal, moment, ridge, n_terms, coefficients, at):
    """Solve the normal equations, in place, into rows of `coefficients` from `at`."""
    # L D L^T: the pivots are at least the ridge, which is never zero
    for j in range(n_terms):
        row = j * (j + 1) // 2
        pivot = load(normal, row + j) + everywhere(ridge[j])
        rest = load(moment, j)
        for k in range(j):
            scaled = load(normal, row + k)
            lower = scaled / load(normal, k * (k + 1) // 2 + k)
            pivot = pivot - lower * scaled
            rest = rest - lower * load(moment, k)
        store(normal, row + j, pivot)
        store(moment, j, rest)
        for i in range(j + 1, n_terms):
            own = i * (i + 1) // 2
            value = load(normal, own + j)
            for k in range(j):
                lower = load(normal, row + k) / load(normal, k * (k + 1) // 2 + k)
                value = value - load(normal, own + k) * lower
            store(normal, own + j, value)
    for j in range(n_terms - 1, -1, -1):
        rest = load(moment, j)
        for i in range(j + 1, n_terms):
            rest = rest - load(normal, i * (i + 1) // 2 + j) * load(
                coefficients, at + i
            )
        store(coefficients, at + j, rest / load(normal, j * (j + 1) // 2 + j))


@njit(nogil=True, cache=True)
def weigh(y, at, n_rows, inverse, first, rows, work):
    """Weigh each look by its residual; into `work` too, times the look."""
    zero, one = everywhere(0.0), everywhere(1.0)
    for t in range(n_rows):
        look = load(y, at + t)
        if first:
            weight = where_less(absolute(look), everywhere(INFINITY), one, zero)
        else:
            u = load(rows, t) * inverse
            left = maximum(one - u * u, zero)
            weight = left * left
        store(rows, t, weight)
        store(work, t, where_less(zero, weight, weight * look, zero))


@njit(nogil=True, cache=True)
def _seasonal_sums(y, at, n_rows, inverse, first, residual, columns, products):
    """Do what `weigh` and `sums` do, for a mean and one harmonic."""
    zero, one = everywhere(0.0), everywhere(1.0)
    s00 = s10 = s11 = s20 = s21 = s22 = m0 = m1 = m2 = zero
    for t in range(n_rows):
        look = load(y, at + t)
        if first:
            weight = where_less(absolute(look), everywhere(INFINITY), one, zero)
        else:
            u = load(residual, t) * inverse
            left = maximum(one - u * u, zero)
            weight = left * left
        moment = where_less(zero, weight, weight * look, zero)
        s00 = multiply_add(weight, everywhere(products[t, 0]), s00)
        s10 = multiply_add(weight, everywhere(products[t, 1]), s10)
        s11 = multiply_add(weight, everywhere(products[t, 2]), s11)
        s20 = multiply_add(weight, everywhere(products[t, 3]), s20)
        s21 = multiply_add(weight, everywhere(products[t, 4]), s21)
        s22 = multiply_add(weight, everywhere(products[t, 5]), s22)
        m0 = multiply_add(moment, everywhere(columns[t, 0]), m0)
        m1 = multiply_add(moment, everywhere(columns[t, 1]), m1)
        m2 = multiply_add(moment, everywhere(columns[t, 2]), m2)
    return s00, s10, s11, s20, s21, s22, m0, m1, m2


@njit(nogil=True, cache=True)
def leave(y, at, n_rows, columns, n_terms, coefficients, first, residual, keys):
    """Give what a fit leaves of each look, and its size into `keys`."""
    never = everywhere(NEVER)
    if n_terms == SEASONAL:
        c0 = load(coefficients, first)
        c1 = load(coefficients, first + 1)
        c2 = load(coefficients, first + 2)
        for t in range(n_rows):
            fitted = c0 * everywhere(columns[t, 0])
            fitted = multiply_add(c1, everywhere(columns[t, 1]), fitted)
            fitted = multiply_add(c2, everywhere(columns[t, 2]), fitted)
            left = load(y, at + t) - fitted
            store(residual, t, left)
            store(keys, t, where_less(left, never, left, absolute(left)))
    else:
        for t in range(n_rows):
            fitted = everywhere(0.0)
            for j in range(n_terms):
                fitted = multiply_add(
                    load(coefficients, first + j), everywhere(columns[t, j]), fitted
                )
            left = load(y, at + t) - fitted
            store(residual, t, left)
            store(keys, t, where_less(left, never, left, absolute(left)))


@njit(nogil=True, cache=True)
def spread_of(keys, n_rows, sizes, holes):
    """Give the spread of residuals whose sizes are in `keys`."""
    low, high = middle(keys, n_rows, sizes)
    half = everywhere(0.5)
    # an odd number of holes leaves an odd number of looks, with one in the middle
    single = odd(holes)
    median = where_less(half, single, low, (low + high) * half)
    spread = maximum(everywhere(MAD_TO_SIGMA) * median, everywhere(LEAST_SPREAD))
    nothing = everywhere(n_rows - 0.5)
    return where_less(nothing, holes, everywhere(LEAST_SPREAD), spread)


@njit(nogil=True, cache=True)
def odd(count):
    """Say 1 where a count is odd, else 0."""
    half = count * everywhere(0.5)
    # adding and taking away 2^52 rounds to the nearest whole number, half to even
    big = everywhere(4503599627370496.0)
    whole = (half + big) - big
    return absolute(half - whole) * everywhere(2.0)


@njit(nogil=True, cache=True)
def fit_lanes(
    y, at, n_rows, holes, columns, products, ridge, sizes, coefficients, first, space
):
    """
    Fit rows of `y` from `at`; coefficients into rows from `first`; give the spread.

    What is left of each look is in the first rows of `space` then.
    """
    n_terms = ridge.size
    residual, keys, normal, moment = space
    spread = everywhere(1.0)
    for iteration in range(ITERATIONS):
        inverse = everywhere(1.0) / (everywhere(BIWEIGHT) * spread)
        if n_terms == SEASONAL:
            s00, s10, s11, s20, s21, s22, m0, m1, m2 = _seasonal_sums(
                y, at, n_rows, inverse, iteration == 0, residual, columns, products
            )
            s00 = s00 + everywhere(ridge[0])
            s11 = s11 + everywhere(ridge[1])
            s22 = s22 + everywhere(ridge[2])
            i0 = everywhere(1.0) / s00
            l1 = s10 * i0
            l2 = s20 * i0
            d1 = s11 - l1 * s10
            v = s21 - l1 * s20
            i1 = everywhere(1.0) / d1
            l21 = v * i1
            d2 = s22 - l2 * s20 - l21 * v
            m1 = m1 - l1 * m0
            m2 = m2 - l2 * m0 - l21 * m1
            c2 = m2 / d2
            c1 = m1 * i1 - l21 * c2
            c0 = m0 * i0 - l1 * c1 - l2 * c2
            store(coefficients, first, c0)
            store(coefficients, first + 1, c1)
            store(coefficients, first + 2, c2)
        else:
            weigh(y, at, n_rows, inverse, iteration == 0, residual, keys)
            sums(residual, n_rows, products, normal)
            sums(keys, n_rows, columns, moment)
            solve(normal, moment, ridge, n_terms, coefficients, first)
        leave(y, at, n_rows, columns, n_terms, coefficients, first, residual, keys)
        spread = spread_of(keys, n_rows, sizes, holes)
    return spread


@njit(nogil=True, cache=True)
def space_for(sizes, columns, products):
    """Make room for one fit; see `fit_lanes`."""
    return (
        np.empty(columns.shape[0] * LANES),
        np.empty((sizes[0] + sizes[1]) * LANES),
        np.empty(products.shape[1] * LANES),
        np.empty(columns.shape[1] * LANES),
    )


@njit(nogil=True, cache=True)
def unsee(rows, start, stop):
    """Say that nothing was seen from one number to another."""
    for i in range(start, stop):
        rows[i] = np.nan


@njit(nogil=True, cache=True)
def count_holes(series, n_rows):
    """Put +inf and -inf by turns where nothing was seen; give how often."""
    turn, holes = everywhere(INFINITY), everywhere(0.0)
    for t in range(n_rows):
        look = load(series, t)
        known = absolute(look)
        unlimited = everywhere(INFINITY)
        store(series, t, where_less(known, unlimited, look, turn))
        turn = where_less(known, unlimited, turn, everywhere(0.0) - turn)
        holes = where_less(known, unlimited, holes, holes + everywhere(1.0))
    return holes


@njit(nogil=True, cache=True)
def add_left(z, residual, share, n_rows, first):
    """Add what one index leaves to the combined residual."""
    unlimited, part = everywhere(INFINITY), everywhere(share)
    for t in range(n_rows):
        left = load(residual, t)
        before = everywhere(0.0) if first else load(z, t)
        store(z, t, where_less(absolute(left), unlimited, before + part * left, left))
