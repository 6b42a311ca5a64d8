"""Breaks in the history of `LANES` pixels at once.

The plain way is `rsmonitor.stages.stability`.

Whether a pixel may hold a break is asked without a division, of all lanes together and
a little too generously; the few that may are then gone through as the plain way does.
"""

from typing import Final

import numpy as np
from numba import njit

from rsmonitor.stages.fused.fit_lanes import (
    LANES,
    absolute,
    everywhere,
    load,
    maximum,
    minimum,
    store,
    where_less,
)
from rsmonitor.stages.fused.fit_robust import (
    INFINITY,
    NEVER,
    odd,
    solve,
    spread_of,
    sums,
    weigh,
)
from rsmonitor.stages.fused.fit_sort import middle
from rsmonitor.stages.history import BIWEIGHT, ITERATIONS
from rsmonitor.stages.levelling import MAD_TO_SIGMA
from rsmonitor.stages.stability import CLIP, LEAST_SIDE, LEAST_T

GENEROUS: Final = 0.999
"""Share of the significance from which on it is worth to look closely."""
JUMP_TO_SIGMA: Final = MAD_TO_SIGMA / np.sqrt(2)


@njit(nogil=True, cache=True)
def scatter_of(z, n_rows, holes, keys, sizes):
    """Give the scatter of successive looks, at least 1."""
    unlimited = everywhere(INFINITY)
    # the first look has none before it: one hole more, below or above by turns
    first = where_less(everywhere(0.5), odd(holes), everywhere(-INFINITY), unlimited)
    before = unlimited
    for t in range(n_rows):
        look = load(z, t)
        size = absolute(look)
        jump = absolute(look - before)
        jump = where_less(absolute(before), unlimited, jump, first)
        store(keys, t, where_less(size, unlimited, jump, look))
        before = where_less(size, unlimited, look, before)
    low, _ = middle(keys, n_rows, sizes)
    known = where_less(absolute(low), unlimited, low, everywhere(0.0))
    return maximum(everywhere(JUMP_TO_SIGMA) * known, everywhere(1.0))


@njit(nogil=True, cache=True)
def may_break(z, n_rows, scatter, holes, keys):
    """Say 1 where a split may be significant, else 0."""
    zero, one, unlimited = everywhere(0.0), everywhere(1.0), everywhere(INFINITY)
    clip, inverse = everywhere(CLIP), one / scatter
    total = zero
    for t in range(n_rows):
        look = load(z, t)
        part = maximum(minimum(look * inverse, clip), zero - clip)
        part = where_less(absolute(look), unlimited, part, zero)
        store(keys, t, part)
        total = total + part
    looks = everywhere(n_rows) - holes
    # |step| / sqrt(1 / before + 1 / after), squared and multiplied out
    least = looks * everywhere(GENEROUS * LEAST_T * LEAST_T)
    # no side has too few looks: the product of both is least where one has LEAST_SIDE
    enough = everywhere(LEAST_SIDE) * (looks - everywhere(LEAST_SIDE))
    excess, sum_before, before = zero - one, zero, zero
    for t in range(n_rows):
        sum_before = sum_before + load(keys, t)
        known = where_less(absolute(load(z, t)), unlimited, one, zero)
        before = before + known
        both = before * (looks - before)
        difference = total * before - sum_before * looks
        more = difference * difference - least * both
        excess = where_less(both, enough, excess, maximum(excess, more))
    return where_less(excess, zero, zero, one)


@njit(nogil=True, cache=True)
def clearest(z, lane, n_time, scatter, least_step):
    """Give the first look after the clearest break of one lane, and its step; or 0."""
    looks, total = 0, 0.0
    for t in range(n_time):
        look = z[t * LANES + lane]
        if abs(look) < INFINITY:
            looks += 1
            total += min(max(look / scatter, -CLIP), CLIP)
    last, most, size = 0, 0.0, 0.0
    before, sum_before = 0, 0.0
    for t in range(n_time):
        look = z[t * LANES + lane]
        if not abs(look) < INFINITY:
            continue
        before += 1
        sum_before += min(max(look / scatter, -CLIP), CLIP)
        after = looks - before
        if before < LEAST_SIDE or after < LEAST_SIDE:
            continue
        step = (total - sum_before) / after - sum_before / before
        significance = abs(step) / np.sqrt(1 / before + 1 / after)
        if significance > most:
            last, most, size = t, significance, step
    if most < LEAST_T or abs(size) < least_step:
        return 0, 0.0
    since = last + 1
    while not abs(z[since * LANES + lane]) < INFINITY:
        since += 1
    return since, size


@njit(nogil=True, cache=True)
def count_from(y, lane, since, n_time):
    """Count the looks of one lane from one on."""
    looks = 0
    for t in range(since, n_time):
        looks += abs(y[t * LANES + lane]) < INFINITY
    return looks


@njit(nogil=True, cache=True)
def fit_wider(
    y, at, n_rows, holes, since, columns, products, ridge, sizes, space, work
):
    """Fit a step at `since` beside the terms; what is left is in `space` then."""
    n_terms = ridge.size - 1
    residual, keys, _, _ = space
    normal, moment, coefficients = work
    own = n_terms * (n_terms + 1) // 2
    zero, never = everywhere(0.0), everywhere(NEVER)
    spread, nought = everywhere(1.0), np.int64(0)
    for iteration in range(ITERATIONS):
        inverse = everywhere(1.0) / (everywhere(BIWEIGHT) * spread)
        weigh(y, at, n_rows, inverse, iteration == 0, residual, keys)
        sums(residual, n_rows, products, normal)
        sums(keys, n_rows, columns, moment)
        step_moment, step_weight = zero, zero
        for t in range(n_rows):
            begun = everywhere(t + 0.5)
            step_moment = step_moment + where_less(since, begun, load(keys, t), zero)
            weight = where_less(since, begun, load(residual, t), zero)
            step_weight = step_weight + weight
            store(residual, t, weight)
        sums(residual, n_rows, columns, coefficients)
        for j in range(n_terms):
            store(normal, own + j, load(coefficients, j))
        store(normal, own + n_terms, step_weight)
        store(moment, n_terms, step_moment)
        solve(normal, moment, ridge, n_terms + 1, coefficients, nought)
        step = load(coefficients, n_terms)
        for t in range(n_rows):
            fitted = where_less(since, everywhere(t + 0.5), step, zero)
            for j in range(n_terms):
                fitted = fitted + load(coefficients, j) * everywhere(columns[t, j])
            left = load(y, at + t) - fitted
            store(residual, t, left)
            store(keys, t, where_less(left, never, left, absolute(left)))
        spread = spread_of(keys, n_rows, sizes, holes)
