"""The reference of a block, a group of `LANES` pixels after the other."""

from typing import Final

import numpy as np
from numba import njit

from rsmonitor.records.rasters import REFERENCE_FILL, REFERENCE_SCALE
from rsmonitor.stages.fused.fit_breaks import clearest, may_break, scatter_of
from rsmonitor.stages.fused.fit_lanes import (
    LANES,
    absolute,
    everywhere,
    less_each,
    less_shared,
    load,
    maximum,
    store,
    store_rounded,
    where_less,
)
from rsmonitor.stages.fused.fit_robust import INFINITY, add_left, fit_lanes, space_for
from rsmonitor.stages.fused.fit_settle import (
    MOST_LOOKS,
    STABLE,
    TOO_FEW,
    put_aside,
    settle,
    write_pixel,
)

STRIP: Final = 8
"""Groups of lanes that are read at once."""


@njit(nogil=True, cache=True)
def _gather(values, offsets, shape, begin, n_groups, n_rows, strip):
    """Take the departures of some groups; NaN beyond the last look and pixel."""
    n_time, n_index, n_pixel, shared = shape
    for k in range(n_index):
        for t in range(n_rows):
            # planes lie far apart, so more than one group of each is taken at once
            for group in range(n_groups):
                row = (group * n_index + k) * n_rows + t
                start = begin + group * LANES
                plane = t * n_index + k
                at = plane * n_pixel + start
                if t >= n_time:
                    store(strip, row, everywhere(np.nan))
                elif start + LANES > n_pixel:
                    store(strip, row, everywhere(np.nan))
                    for lane in range(n_pixel - start):
                        offset = offsets[plane] if shared else offsets[at + lane]
                        strip[row * LANES + lane] = values[at + lane] - offset
                elif shared:
                    store(strip, row, less_shared(values, at, offsets, plane))
                else:
                    store(strip, row, less_each(values, at, offsets))


@njit(nogil=True, cache=True)
def _share_holes(y, n_index, n_rows, days, last):
    """Let a look count if all indices are there; give holes, and its last day."""
    turn, holes = everywhere(INFINITY), everywhere(0.0)
    latest = everywhere(-INFINITY)
    zero, one, unlimited = everywhere(0.0), everywhere(1.0), everywhere(INFINITY)
    for t in range(n_rows):
        known = zero
        for k in range(n_index):
            known = known + zero * load(y, k * n_rows + t)
        known = absolute(known)  # NaN where one is not a number
        for k in range(n_index):
            look = load(y, k * n_rows + t)
            store(y, k * n_rows + t, where_less(known, unlimited, look, turn))
        day = everywhere(days[t]) if t < days.size else zero
        day = where_less(known, unlimited, day, zero)
        if t < days.size:
            latest = maximum(latest, day)
        turn = where_less(known, unlimited, turn, zero - turn)
        holes = where_less(known, unlimited, holes, holes + one)
    store(last, 0, latest)
    return holes


@njit(nogil=True, cache=True)
def fit_block(
    values,
    days,
    offsets,
    shape,
    usual,
    green,
    columns,
    products,
    ridge,
    sizes,
    limits,
    reference,
):
    """Fill the reference of all pixels."""
    n_time, n_index, n_pixel, _ = shape
    n_terms, n_rows = ridge.size - 1, columns.shape[0]
    min_looks, break_step, bare = limits
    ndvi, least = green[0], bare - green[1] + 1e-6
    space = space_for(sizes, columns, products)
    size = n_index * n_rows * LANES
    strip = np.empty(STRIP * size)
    z = np.empty(n_rows * LANES)
    coefficients = np.empty(n_index * n_terms * LANES)
    spreads = np.empty(n_index * LANES)
    holes, last, scatter = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    possible = np.empty(LANES)
    aside = (
        np.empty(n_index * n_rows * LANES),
        np.empty(n_index * n_terms * LANES),
        np.empty(n_index * LANES),
        np.zeros((3, LANES), dtype=np.int64),
        np.zeros(LANES),
    )
    waiting = np.int64(0)
    for start in range(0, n_pixel, LANES):
        n_lanes = min(LANES, n_pixel - start)
        group = (start // LANES) % STRIP
        if group == 0:
            n_groups = min(STRIP, (n_pixel - start + LANES - 1) // LANES)
            _gather(values, offsets, shape, start, n_groups, n_rows, strip)
        y = strip[group * size : (group + 1) * size]
        missing = _share_holes(y, n_index, n_rows, days, last)
        store(holes, 0, missing)
        some = False
        for lane in range(n_lanes):
            pixel = start + lane
            looks = n_rows - int(holes[lane])
            reference[-3, pixel] = min(looks, MOST_LOOKS)
            reference[-2, pixel] = np.int16(int(last[lane]))
            reference[-1, pixel] = TOO_FEW
            some |= looks >= min_looks
        if not some:
            continue
        for k in range(n_index):
            spread = fit_lanes(
                y,
                k * n_rows,
                n_rows,
                missing,
                columns,
                products,
                ridge[:n_terms],
                sizes,
                coefficients,
                k * n_terms,
                space,
            )
            store(spreads, k, spread)
            add_left(z, space[0], usual[k], n_rows, k == 0)
        jump = scatter_of(z, n_rows, missing, space[1], sizes)
        store(scatter, 0, jump)
        store(possible, 0, may_break(z, n_rows, jump, missing, space[1]))
        simple = n_lanes == LANES
        for lane in range(n_lanes):
            simple &= possible[lane] == 0 and n_rows - int(holes[lane]) >= min_looks
            # greener than bare ground without its season is enough
            simple &= ndvi < 0 or coefficients[ndvi * n_terms * LANES + lane] >= least
        if simple:
            _write_all(
                reference, start, n_pixel, coefficients, spreads, n_index, n_terms
            )
            continue
        for lane in range(n_lanes):
            looks = n_rows - int(holes[lane])
            if looks < min_looks:
                continue
            if possible[lane] > 0:
                since, step = clearest(z, lane, n_time, scatter[lane], break_step)
                if since > 0:
                    put_aside(
                        (y, coefficients, spreads),
                        lane,
                        aside,
                        waiting,
                        (start + lane, since, looks),
                        step,
                    )
                    waiting += 1
                    if waiting == LANES:
                        settle(
                            aside,
                            waiting,
                            days,
                            usual,
                            green,
                            columns,
                            products,
                            ridge,
                            sizes,
                            limits,
                            space,
                            reference,
                        )
                        waiting = np.int64(0)
                    continue
            write_pixel(
                reference,
                start + lane,
                lane,
                np.int64(STABLE),
                looks,
                np.int64(0),
                coefficients,
                spreads,
                n_index,
                n_terms,
                green,
                limits,
            )
    if waiting:
        settle(
            aside,
            waiting,
            days,
            usual,
            green,
            columns,
            products,
            ridge,
            sizes,
            limits,
            space,
            reference,
        )


@njit(nogil=True, cache=True)
def _write_all(reference, start, n_pixel, coefficients, spreads, n_index, n_terms):
    """Write pixels all of which are one ground throughout."""
    flat = reference.reshape(-1)
    least, most = everywhere(REFERENCE_FILL + 1.0), everywhere(32_767.0)
    scale = everywhere(REFERENCE_SCALE)
    for k in range(n_index):
        at = k * (n_terms + 1) * n_pixel + start
        for j in range(n_terms):
            number = load(coefficients, k * n_terms + j)
            store_rounded(flat, at + j * n_pixel, number * scale, least, most)
        number = load(spreads, k)
        store_rounded(flat, at + n_terms * n_pixel, number * scale, least, most)
    for lane in range(LANES):
        reference[-1, start + lane] = STABLE
