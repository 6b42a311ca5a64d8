"""What becomes of pixels whose history holds a break, and how a pixel is written.

Few pixels hold a break, and those need more fits. They are put aside until there are
`LANES` of them, so that no lane waits for its neighbours.
"""

from typing import Final

import numpy as np
from numba import njit

from rsmonitor.records.rasters import REFERENCE_FILL, REFERENCE_SCALE, HistoryClass
from rsmonitor.stages.fused.fit_breaks import (
    clearest,
    count_from,
    fit_wider,
    scatter_of,
)
from rsmonitor.stages.fused.fit_lanes import LANES, everywhere, load, store
from rsmonitor.stages.fused.fit_robust import (
    INFINITY,
    add_left,
    count_holes,
    fit_lanes,
    unsee,
)

MOST_LOOKS: Final = 32_767
"""Most that a plane of int16 holds."""
TOO_FEW: Final = int(HistoryClass.TOO_FEW)
STABLE: Final = int(HistoryClass.STABLE)
ROTATION: Final = int(HistoryClass.ROTATION)
DISTURBED: Final = int(HistoryClass.DISTURBED)
RECOVERED: Final = int(HistoryClass.RECOVERED)
LATE: Final = int(HistoryClass.LATE)
BARE: Final = int(HistoryClass.BARE)


@njit(nogil=True, cache=True)
def _copy_lane(source, lane, target, place):
    """Copy one lane of every row."""
    for row in range(source.size // LANES):
        target[row * LANES + place] = source[row * LANES + lane]


@njit(nogil=True, cache=True)
def put_aside(source, lane, aside, place, numbers, step):
    """Copy one lane to where pixels with a break wait."""
    _copy_lane(source[0], lane, aside[0], place)
    _copy_lane(source[1], lane, aside[1], place)
    _copy_lane(source[2], lane, aside[2], place)
    for i in range(3):
        aside[3][i, place] = numbers[i]
    aside[4][place] = step


@njit(nogil=True, cache=True)
def settle(
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
):
    """Choose what each of some pixels with a break rests on, fit it, write it."""
    y, coefficients, spreads, numbers, steps = aside
    n_index, n_rows, n_time = usual.size, columns.shape[0], days.size
    n_terms = ridge.size - 1
    min_looks, break_step, _ = limits
    for lane in range(waiting, LANES):  # what lies there is of no pixel any more
        for row in range(y.size // LANES):
            y[row * LANES + lane] = np.nan
    since = np.empty(LANES)
    for lane in range(LANES):
        since[lane] = numbers[1, lane]
    work = (
        np.empty((products.shape[1] + n_terms + 1) * LANES),
        np.empty((columns.shape[1] + 1) * LANES),
        np.empty((columns.shape[1] + 1) * LANES),
    )
    z = np.empty(n_rows * LANES)
    missing, nought = everywhere(0.0), np.int64(0)
    for k in range(n_index):
        series = y[k * n_rows * LANES : (k + 1) * n_rows * LANES]
        missing = count_holes(series, n_rows)
        fit_wider(
            series,
            nought,
            n_rows,
            missing,
            load(since, 0),
            columns,
            products,
            ridge,
            sizes,
            space,
            work,
        )
        add_left(z, space[0], usual[k], n_rows, k == 0)
    scatter = np.empty(LANES)
    store(scatter, 0, scatter_of(z, n_rows, missing, space[1], sizes))
    kinds = np.empty(LANES, dtype=np.int64)
    rests = np.empty((2, LANES), dtype=np.int64)  # looks from, looks before
    again = False
    for lane in range(waiting):
        begun, step = numbers[1, lane], steps[lane]
        _, second = clearest(z, lane, n_time, scatter[lane], break_step)
        after = count_from(y, lane, begun, n_time)
        before = numbers[2, lane] - after
        rests[0, lane], rests[1, lane] = 0, n_time
        if second * step < 0:
            kinds[lane] = ROTATION
            continue
        kinds[lane] = DISTURBED if step < 0 else RECOVERED
        if after >= min_looks:
            rests[0, lane] = begun
        elif step < 0 and before >= min_looks:
            rests[1, lane] = begun
            kinds[lane] = LATE
        elif step < 0:
            kinds[lane] = TOO_FEW
        again |= after >= min_looks or kinds[lane] == LATE
    for lane in range(waiting):
        if kinds[lane] == ROTATION:
            for k in range(n_index):
                spreads[k * LANES + lane] = _swing(
                    y, lane, k, n_time, n_rows, columns, coefficients, n_terms
                )
    if again:
        _fit_again(
            aside,
            waiting,
            rests,
            (n_time, n_rows, n_index),
            columns,
            products,
            ridge[:n_terms],
            sizes,
            space,
        )
    for lane in range(waiting):
        looks, day = np.int64(0), np.int64(0)
        for t in range(n_time):
            used = (
                rests[0, lane] <= t < rests[1, lane]
                and abs(y[t * LANES + lane]) < INFINITY
            )
            looks += used
            own = days[t] if used else np.int64(0)
            day = own if t == 0 else max(day, own)
        if kinds[lane] != LATE:
            day = np.int64(0)
        write_pixel(
            reference,
            numbers[0, lane],
            lane,
            kinds[lane],
            looks,
            day,
            coefficients,
            spreads,
            n_index,
            n_terms,
            green,
            limits,
        )


@njit(nogil=True, cache=True)
def _fit_again(aside, waiting, rests, extent, columns, products, ridge, sizes, space):
    """Fit pixels again on the looks that they rest on."""
    y, coefficients, spreads, _, _ = aside
    n_time, n_rows, n_index = extent
    nought = np.int64(0)
    n_terms = ridge.size
    series = np.empty(n_rows * LANES)
    found, spread = np.empty(n_terms * LANES), np.empty(LANES)
    for k in range(n_index):
        unsee(series, 0, series.size)
        for lane in range(waiting):
            for t in range(rests[0, lane], rests[1, lane]):
                series[t * LANES + lane] = y[(k * n_rows + t) * LANES + lane]
        missing = count_holes(series, n_rows)
        fitted = fit_lanes(
            series,
            nought,
            n_rows,
            missing,
            columns,
            products,
            ridge,
            sizes,
            found,
            nought,
            space,
        )
        store(spread, 0, fitted)
        for lane in range(waiting):
            if rests[0, lane] == 0 and rests[1, lane] == n_time:
                continue  # fitted already
            spreads[k * LANES + lane] = spread[lane]
            for j in range(n_terms):
                coefficients[(k * n_terms + j) * LANES + lane] = found[j * LANES + lane]


@njit(nogil=True, cache=True)
def _swing(y, lane, k, n_time, n_rows, columns, coefficients, n_terms):
    """Give the standard deviation of what a fit leaves, swings and all."""
    count, total, squares = 0, 0.0, 0.0
    mean = 0.0
    for turn in range(2):
        for t in range(n_time):
            look = y[(k * n_rows + t) * LANES + lane]
            if abs(look) < INFINITY:
                for j in range(n_terms):
                    look -= (
                        coefficients[(k * n_terms + j) * LANES + lane] * columns[t, j]
                    )
                if turn == 0:
                    count += 1
                    total += look
                else:
                    squares += (look - mean) ** 2
        mean = total / count
    return np.sqrt(squares / count)


@njit(nogil=True, cache=True)
def write_pixel(
    reference,
    pixel,
    lane,
    kind,
    looks,
    day,
    coefficients,
    spreads,
    n_index,
    n_terms,
    green,
    limits,
):
    """Write one pixel, unless it is not monitored; a day only if there is one."""
    ndvi, most = green
    if ndvi >= 0 and kind != TOO_FEW:
        peak = coefficients[ndvi * n_terms * LANES + lane]
        season = 0.0
        for j in range(1, n_terms, 2):
            row = ndvi * n_terms + j
            season += np.hypot(
                coefficients[row * LANES + lane], coefficients[(row + 1) * LANES + lane]
            )
        if peak + season + most < limits[2]:
            kind = BARE
    reference[-3, pixel] = min(looks, MOST_LOOKS)
    reference[-1, pixel] = kind
    if kind == LATE:
        reference[-2, pixel] = np.int16(day)
    if kind in (TOO_FEW, BARE):
        return
    for k in range(n_index):
        own = k * (n_terms + 1)
        for j in range(n_terms):
            number = coefficients[(k * n_terms + j) * LANES + lane]
            reference[own + j, pixel] = _quantised(number)
        reference[own + n_terms, pixel] = _quantised(spreads[k * LANES + lane])


@njit(nogil=True, cache=True)
def _quantised(number):
    """Round to what is stored; `REFERENCE_FILL` stays free."""
    scaled = np.rint(number * REFERENCE_SCALE)
    return np.int16(min(max(scaled, REFERENCE_FILL + 1.0), 32_767.0))
