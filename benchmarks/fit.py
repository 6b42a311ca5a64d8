"""Speed of the history fit against nrt's, on the same synthetic block.

Three ratios of process CPU time, one thread each, compilation left out, interleaved
pairs, median and 95 % bootstrap interval:

- *robust*: our whole `fit_reference` of one index, six reweighted fits, search for
  breaks and storage included, against nrt's EWMA fit by ordinary least squares with
  Shewhart's screen, which is one or two plain fits;
- *like for like*: a kernel that does what that fit of nrt does, and no more, against
  it; its results are held against nrt's own before it is timed;
- *same class*: our whole robust fit against nrt's robust one (RIRLS), on few pixels.
"""

import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
import xarray as xr
from llvmlite import ir
from numba import njit, types
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from rsmonitor.records.parameters import HistoryParameters
from rsmonitor.stages.fused.fit import fit_reference
from rsmonitor.stages.fused.fit_lanes import (
    LANES,
    absolute,
    everywhere,
    intrinsic,
    less_shared,
    load,
    maximum,
    multiply_add,
    store,
    where_less,
)
from rsmonitor.stages.history import SceneNorm

PAIRS: Final = 11
SIDE: Final = 200
"""Pixels along a side of the block."""
FEW: Final = 32
"""The same for RIRLS, which is slow."""
DATES: Final = (24, 48, 96)
MISSING: Final = 0.2
CLOUDS: Final = 0.01
"""Share of looks that show a cloud that was missed."""
YEARS_DAYS: Final = 1095
LIMIT: Final = 5.0
"""nrt's default: standard deviations beyond which a look is screened."""
MEMORY: Final = 0.3
"""nrt's default: weight of a new look in the moving average."""
SENSITIVITY: Final = 2.0
"""nrt's default."""
TOLERANCE: Final = 2e-6
"""Between our like-for-like kernel and nrt, which stores float32; index units."""
FEWEST: Final = 4.5
"""nrt masks series shorter than one and a half times the three terms."""
INFINITY: Final = np.inf
STRIP: Final = 8
"""Groups of lanes that are read at once."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Block:
    """A forest with a season, noise, clouds, and nothing that happens."""

    values: NDArray[np.float32]
    """NDVI, shape (time, y, x)."""

    days: NDArray[np.int64]
    """Days since 1970-01-01, shape (time,)."""

    @classmethod
    def of(cls, n_time: int, side: int) -> "Block":
        """
        Make one.

        Parameters
        ----------
        n_time : int
            Dates over three years.
        side : int
            Pixels along a side.

        Returns
        -------
        Block
            The same each time.
        """
        random = np.random.default_rng(n_time)
        days = 16_801 + np.arange(n_time) * (YEARS_DAYS // n_time)
        season = 0.1 * np.cos(2 * np.pi * (days / 365.25 - 0.5))[:, None, None]
        shape = (n_time, side, side)
        values = 0.75 + season + random.normal(0, 0.02, shape)
        values[random.random(shape) < CLOUDS] -= 0.4
        values[random.random(shape) < MISSING] = np.nan
        return cls(values=values.astype(np.float32), days=days.astype(np.int64))

    def to_xarray(self) -> xr.DataArray:
        """
        Give what nrt takes.

        Returns
        -------
        DataArray
            Dimensions time, y and x.
        """
        side = self.values.shape[1]
        return xr.DataArray(
            self.values,
            dims=("time", "y", "x"),
            coords={
                "time": self.days.astype("datetime64[D]").astype("datetime64[ns]"),
                "y": np.arange(side, dtype=np.float64)[::-1],
                "x": np.arange(side, dtype=np.float64),
            },
        )


@njit(nogil=True, cache=True)
def _plain_fit(y, n_time, columns, limit, coefficients, found, residual):  # noqa: ANN001, ANN202 - a kernel
    """Fit the looks of `y` by least squares; give spread, and how many they are."""
    zero, one, unlimited = everywhere(0.0), everywhere(1.0), everywhere(INFINITY)
    s00 = s10 = s11 = s20 = s21 = s22 = m0 = m1 = m2 = zero
    for t in range(n_time):
        look = load(y, t)
        known = absolute(look)
        seen = where_less(known, unlimited, one, zero)
        look = where_less(known, unlimited, look, zero)
        a, b = everywhere(columns[t, 0]), everywhere(columns[t, 1])
        seen_a, seen_b = seen * a, seen * b
        s00 = s00 + seen
        s10 = s10 + seen_a
        s20 = s20 + seen_b
        s11 = multiply_add(seen_a, a, s11)
        s21 = multiply_add(seen_a, b, s21)
        s22 = multiply_add(seen_b, b, s22)
        m0 = m0 + look
        m1 = multiply_add(look, a, m1)
        m2 = multiply_add(look, b, m2)
    l1, l2 = s10 / s00, s20 / s00
    d1 = s11 - l1 * s10
    cross = s21 - l1 * s20
    l21 = cross / d1
    m1 = m1 - l1 * m0
    m2 = m2 - l2 * m0 - l21 * m1
    c2 = m2 / (s22 - l2 * s20 - l21 * cross)
    c1 = m1 / d1 - l21 * c2
    c0 = m0 / s00 - l1 * c1 - l2 * c2
    total = squares = furthest = zero
    for t in range(n_time):
        look = load(y, t)
        left = multiply_add(c1, everywhere(columns[t, 0]), c0)
        left = multiply_add(c2, everywhere(columns[t, 1]), left) - look
        store(residual, t, left)
        left = where_less(absolute(left), unlimited, left, zero)
        square = left * left
        total = total + left
        squares = squares + square
        furthest = maximum(furthest, square)
    mean = total / s00
    store(coefficients, 0, c0)
    store(coefficients, 1, c1)
    store(coefficients, 2, c2)
    variance = squares / s00 - mean * mean
    far = variance * everywhere(limit * limit)
    store(found, 0, s00)
    store(found, 1, where_less(far, furthest, one, zero))
    store(found, 2, variance)


@intrinsic
def _store_narrowed(typing, array, at, value):  # noqa: ANN001, ANN202, ARG001 - numba's
    """Store as float32 from one number on."""

    def build(context, builder, signature, arguments):  # noqa: ANN001, ANN202
        array, at, value = arguments
        data = context.make_array(signature.args[0])(context, builder, array).data
        floats = ir.VectorType(ir.FloatType(), LANES)
        place = builder.bitcast(builder.gep(data, [at]), floats.as_pointer())
        builder.store(builder.fptrunc(value, floats), place, align=4)
        return context.get_dummy_value()

    return types.none(array, types.intp, value), build


@njit(nogil=True, cache=True)
def ols_and_shewhart(values, shape, columns, settings, beta, sigma, process, state):  # noqa: ANN001, ANN201, C901 - a kernel
    """Do what EWMA.fit of nrt does with one harmonic, for pixels in whole rows."""
    n_time, n_pixel = shape
    limit, memory, sensitivity = settings
    strip = np.empty(STRIP * n_time * LANES)
    residual = np.empty(n_time * LANES)
    coefficients, found = np.empty(3 * LANES), np.empty(3 * LANES)
    spread, average = np.empty(LANES), np.empty(LANES)
    zero, unlimited = everywhere(0.0), everywhere(INFINITY)
    keep, new = everywhere(1 - memory), everywhere(memory)
    bound = sensitivity * np.sqrt(memory / (2 - memory))
    origin = np.zeros(1, dtype=np.float32)
    for begin in range(0, n_pixel, STRIP * LANES):
        n_chunks = min(STRIP, (n_pixel - begin) // LANES)
        for t in range(n_time):  # planes are far apart: take more of each at once
            for chunk in range(n_chunks):
                at = t * n_pixel + begin + chunk * LANES
                store(strip, chunk * n_time + t, less_shared(values, at, origin, 0))
        for chunk in range(n_chunks):
            y = strip[chunk * n_time * LANES : (chunk + 1) * n_time * LANES]
            _plain_fit(y, n_time, columns, limit, coefficients, found, residual)
            again = False
            for lane in range(LANES):
                again |= found[LANES + lane] > 0
            if again:  # without a look screened, the same fit would come out
                far = load(found, 2) * everywhere(limit * limit)
                for t in range(n_time):
                    left = load(residual, t)
                    missing = everywhere(np.nan)
                    store(y, t, where_less(far, left * left, missing, load(y, t)))
                _plain_fit(y, n_time, columns, limit, coefficients, found, residual)
            moving = zero
            for t in range(n_time):
                left = load(residual, t)
                after = multiply_add(new, left, keep * moving)
                moving = where_less(absolute(left), unlimited, after, moving)
            start = begin + chunk * LANES
            few = where_less(load(found, 0), everywhere(FEWEST), zero, everywhere(1.0))
            for lane in range(LANES):
                spread[lane] = np.sqrt(found[2 * LANES + lane])
            store(average, 0, moving)
            for j in range(3):
                fitted = load(coefficients, j) * few
                _store_narrowed(beta, j * n_pixel + start, fitted)
            _store_narrowed(sigma, start, load(spread, 0) * few)
            _store_narrowed(process, start, moving * few)
            for lane in range(LANES):
                crossed = average[lane] > bound * spread[lane]
                enough = found[lane] >= FEWEST
                state[start + lane] = (2 if crossed else 1) if enough else 4


def _ewma() -> Any:  # noqa: ANN401 - nrt has no types
    """Make nrt's monitor with the terms of ours."""
    from nrt.monitor.ewma import EWMA  # noqa: PLC0415 - its absence is told by name

    return EWMA(trend=False, harmonic_order=1)


def _ours(block: Block) -> Callable[[], Any]:
    """Prepare our whole fit."""
    one = np.ones(1, dtype=np.float32)
    offsets = np.zeros((len(block.days), 1, 1, 1), dtype=np.float32)
    norm = SceneNorm(
        offsets=offsets[:, :, 0],
        spread=0.02 * one,
        floor=0.02 * one,
        level=0 * one,
        green=0 * one,
        combined=1.0,
    )
    values = np.ascontiguousarray(block.values[:, None])
    parameters = HistoryParameters(until=date(2019, 12, 31))
    return lambda: fit_reference(
        values,
        block.days,
        offsets,
        norm=norm,
        weights=one,
        names=("ndvi",),
        parameters=parameters,
    )


def _like_for_like(block: Block) -> Callable[[], Any]:
    """Prepare the kernel that does what nrt does, and make sure that it does."""
    data = block.to_xarray()
    theirs = _ewma()
    n_time, height, width = block.values.shape
    n_pixel = height * width
    flat = block.values.reshape(-1)

    def run() -> tuple[NDArray[Any], ...]:
        terms = theirs.build_design_matrix(data, trend=False, harmonic_order=1)
        beta = np.empty((3, n_pixel), dtype=np.float32)
        sigma, process = np.empty((2, n_pixel), dtype=np.float32)
        state = np.empty(n_pixel, dtype=np.uint8)
        ols_and_shewhart(
            flat,
            (n_time, n_pixel),
            np.ascontiguousarray(terms[:, 1:]),
            (LIMIT, MEMORY, SENSITIVITY),
            beta.reshape(-1),
            sigma,
            process,
            state,
        )
        return beta, sigma, process, state

    theirs.fit(data)
    beta, sigma, process, state = run()
    for ours, other in (
        (beta, theirs.beta),
        (sigma, theirs.sigma),
        (process, theirs.process),
    ):
        np.testing.assert_allclose(ours, other.reshape(ours.shape), atol=TOLERANCE)
    differing = np.mean(state != theirs.mask.reshape(-1))
    if differing > 1e-4:  # noqa: PLR2004 - the average may lie on the boundary
        sys.exit(f"{differing:.2%} of the pixels are judged otherwise than by nrt")
    return run


def _cpu(run: Callable[[], Any]) -> float:
    """Time one run, seconds of CPU."""
    started = time.process_time()
    run()
    return time.process_time() - started


def _ratio(theirs: Callable[[], Any], ours: Callable[[], Any]) -> dict[str, float]:
    """Say how many times as fast ours is."""
    theirs(), ours()  # compile
    with threadpool_limits(1):
        ratios = [_cpu(theirs) / _cpu(ours) for _ in range(PAIRS)]
    draws = np.random.default_rng(0).choice(ratios, (2000, PAIRS))
    low, high = np.percentile(np.median(draws, axis=1), [2.5, 97.5])
    return {
        "ratio": statistics.median(ratios),
        "low": float(low),
        "high": float(high),
        "seconds": statistics.median(_cpu(ours) for _ in range(3)),
    }


def main() -> dict[str, dict[str, float]]:
    """
    Measure, and print one row of a table.

    Returns
    -------
    dict of dict
        By kind of comparison and number of dates, as ``"robust 24"``: ``ratio`` (how
        many times as fast as nrt), ``low`` and ``high`` of its 95 % interval,
        ``seconds`` of CPU and ``pixel_dates`` a second of ours.
    """
    warnings.simplefilter("ignore")  # nrt on short series
    found = {}
    for n_time in DATES:
        for kind, side in (("robust", SIDE), ("like for like", SIDE), ("RIRLS", FEW)):
            block = Block.of(n_time, side)
            data = block.to_xarray()
            ours = (_like_for_like if kind == "like for like" else _ours)(block)
            fit = (
                {"method": "RIRLS", "screen_outliers": None} if kind == "RIRLS" else {}
            )
            measured = _ratio(lambda d=data, f=fit: _ewma().fit(d, **f), ours)
            measured["pixel_dates"] = block.values.size / measured["seconds"]
            found[f"{kind} {n_time}"] = measured
    cells = [
        f"{name}: {m['ratio']:.1f} ({m['low']:.1f} to {m['high']:.1f})"
        for name, m in found.items()
    ]
    sys.stdout.write(
        f"| history fit over nrt's, {PAIRS} pairs | {' | '.join(cells)} |\n"
    )
    return found


if __name__ == "__main__":
    main()
