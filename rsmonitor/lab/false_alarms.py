"""How often undisturbed ground is called disturbed: a simulation on real residuals.

One square kilometre watched for some years cannot show a rate of one false object in
100 km2 and a year. So the real departures of its unchanged pixels are put in other
orders: blocks of the scene are run through years that are put together of real half
years, each drawn at random among those of the same season. Within a block and a half
year everything stays as it was, so that what neighbours and successive looks have in
common (haze, shifts, a dry summer) is kept; what goes on longer than half a year or is
wider than a block is not. Then the sequential test and the outline step run as they do
in the detector, and objects are counted.

The result is a property of the test on residuals like these. It is no measurement: all
the years rest on the few real ones of one forest, whose exposure stands beside it, and
a false object that shows in one real half year shows wherever that half year is drawn:
`FalseAlarms.real_places` says from how many places all of them are.
Ground is unchanged by a reference that was made from the same images, so what such a
reference leaves uncertain is left out here as well.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from rsmonitor.errors import HistoryError
from rsmonitor.interfaces import Progress
from rsmonitor.lab.assessment import SEED
from rsmonitor.lab.datasets import Places, load_romania
from rsmonitor.lab.departures import Departures, departures_of
from rsmonitor.lab.detector import EPOCH
from rsmonitor.lab.measures import poisson_upper
from rsmonitor.lab.series import Series, Truth
from rsmonitor.records.parameters import EvidenceParameters, OutlineParameters
from rsmonitor.records.rasters import HistoryClass, Tier, planes
from rsmonitor.stages.edges import core
from rsmonitor.stages.evidence import (
    initial_state,
    log_ratio,
    strength,
    tiers,
    update,
)
from rsmonitor.stages.history import DAYS_PER_YEAR
from rsmonitor.stages.outline import drawn_objects, label_objects

BLOCK_M: Final = 500.0
"""Length of a block of the scene."""
HALF_YEARS: Final = 4
"""Half years in a run: as long as monitoring on the sample took, about."""
HALF_YEAR_DAYS: Final = 183
SUMMER: Final = range(4, 10)
"""Months of one half of the year; the others are the other half."""
FIRST_DAY: Final = 10_000
"""Where simulated days begin; any number does that leaves room on both sides."""
BATCH: Final = 128
"""Blocks that are run side by side."""
GUARD_PIXELS: Final = 1
"""How far from changed or uncertain ground a pixel must be: nearer, it shows the edge
of that change, which the detector would draw as part of it and not by itself."""
GAP: Final = 3
"""Empty rows between blocks when outlines are made, wider than an edge."""
LEAST_LOOKS: Final = 3
"""Looks below which a half year is too empty to be drawn."""


class Pool(StrEnum):
    """Where residuals come from."""

    MONITORING = "monitoring"
    """After the history: as far from the reference as those of a real watch."""

    ALL = "all"
    """From the history too, to which the reference was fitted, so a little too near."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseAlarms:
    """What a simulation counted."""

    series: str
    """Name of the series whose residuals were used."""

    pool: str
    """See `Pool`."""

    high: float
    """Level at which a pixel is confirmed, nats."""

    simulated_km2_years: float
    """Unchanged ground times years that were simulated."""

    real_km2_years: float
    """Real ground times real years that it rests on."""

    events: int
    """False objects."""

    real_places: int
    """Real places at which all of them lie: so many chances in the real series they are
    made of."""

    false_per_100km2_year: float
    """Their rate."""

    false_upper95_per_100km2_year: float
    """Exact upper 95 % limit of the rate, as far as the simulation goes."""

    seconds: float
    """What it cost."""

    def as_json(self) -> dict[str, Any]:
        """
        Give it as the command line prints it.

        Returns
        -------
        dict
            Plain values, and that they are simulated.
        """
        return {"simulated": True, **asdict(self)}

    def sentence(self) -> str:
        """
        Say it in words.

        Returns
        -------
        str
            With what it rests on.
        """
        return (
            f"simulated, level {self.high:g}, residuals of {self.pool}: {self.events} "
            f"false objects in {self.simulated_km2_years:.0f} km² and years, "
            f"{self.false_per_100km2_year:.2f} per 100 km² and year (at most "
            f"{self.false_upper95_per_100km2_year:.2f} at 95 %, as far as the "
            f"simulation goes); all of them at {self.real_places} real places; made of "
            f"{self.real_km2_years:.2g} real km² and years of {self.series}; "
            f"{self.seconds:.0f} s"
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Ground:
    """Blocks of a scene and the half years that they can be run through."""

    departures: Departures
    places: Sequence[tuple[slice, slice]]
    halves: Mapping[int, Sequence[NDArray[np.int64]]]
    """Looks of each real half year, by season: 0 winter, 1 summer."""
    km2: NDArray[np.float64]
    """Unchanged ground in each block."""
    years: float
    """Real years that the looks cover."""


def simulate_levels(
    places: Places,
    *,
    km2_years: float,
    levels: Sequence[float],
    progress: Progress,
) -> list[FalseAlarms]:
    """
    Simulate on the demo cube, for some levels and both pools.

    Parameters
    ----------
    places : Places
        Where the reference is.
    km2_years : float
        Exposure of each simulation at least, km2 times years.
    levels : sequence of float
        Levels that confirm, nats; empty: as the detector ships.
    progress : Progress
        Who watches.

    Returns
    -------
    list of FalseAlarms
        By level, then pool.

    Raises
    ------
    SourceUnreachableError
        If the cube or its reference is missing.
    """
    series = load_romania(places)
    usual = EvidenceParameters()
    away = departures_of(series)
    done = []
    for high in levels or [usual.high]:
        test = replace(
            usual,
            high=high,
            low=min(usual.low, high),
            medium=min(usual.medium, high),
            cap=max(usual.cap, high),
        )
        for pool in Pool:
            # the same draws for every line, so that lines differ by what they say
            random = np.random.default_rng(SEED)
            done.append(
                simulate(
                    series,
                    km2_years=km2_years,
                    pool=pool,
                    random=random,
                    progress=progress,
                    evidence=test,
                    departures=away,
                )
            )
    return done


def simulate(
    series: Series,
    *,
    km2_years: float,
    pool: Pool,
    random: np.random.Generator,
    progress: Progress,
    evidence: EvidenceParameters | None = None,
    outline: OutlineParameters | None = None,
    departures: Departures | None = None,
) -> FalseAlarms:
    """
    Simulate how often undisturbed ground is called disturbed.

    Parameters
    ----------
    series : Series
        A scene with a reference that says which pixels are unchanged.
    km2_years : float
        Exposure to simulate at least, km2 times years.
    pool : Pool
        Which residuals.
    random : numpy.random.Generator
        Chance.
    progress : Progress
        Who watches.
    evidence : EvidenceParameters, optional
        The sequential test; default: the defaults.
    outline : OutlineParameters, optional
        How objects are drawn; default: the defaults.
    departures : Departures, optional
        Those of the series, if they are at hand.

    Returns
    -------
    FalseAlarms
        The count, labelled by what it rests on.

    Raises
    ------
    HistoryError
        If no half year of one of the seasons holds looks enough, or nothing is
        unchanged.
    """
    start = time.perf_counter()
    test, shapes = evidence or EvidenceParameters(), outline or OutlineParameters()
    away = departures_of(series) if departures is None else departures
    ground = _ground(series, away, pool)
    years = HALF_YEARS * HALF_YEAR_DAYS / DAYS_PER_YEAR
    events, exposure = 0, 0.0
    struck = np.zeros(series.truth.shape, dtype=np.bool_)
    while exposure < km2_years:
        progress("false alarms, km2 years", int(exposure), int(km2_years))
        place = random.integers(len(ground.places), size=BATCH)
        objects, where = _run(ground, place, test, shapes, random)
        events += objects
        for number, (rows, cols) in enumerate(ground.places):
            struck[rows, cols] |= where[place == number].any(axis=0)
        exposure += float(ground.km2[place].sum()) * years
    return FalseAlarms(
        series=series.name,
        pool=pool.value,
        high=test.high,
        simulated_km2_years=exposure,
        real_km2_years=float(ground.km2.sum()) * ground.years,
        events=events,
        real_places=int(ndimage.label(struck)[1]),
        false_per_100km2_year=100 * events / exposure,
        false_upper95_per_100km2_year=100 * poisson_upper(events, exposure),
        seconds=round(time.perf_counter() - start, 1),
    )


def _ground(series: Series, away: Departures, pool: Pool) -> _Ground:
    """Cut a scene into blocks and its looks into half years."""
    unchanged = _unchanged(series, away)
    side = max(1, round(BLOCK_M / series.pixel_m))
    side = min(side, *unchanged.shape)
    places = [
        (slice(row, row + side), slice(col, col + side))
        for row in range(0, unchanged.shape[0] - side + 1, side)
        for col in range(0, unchanged.shape[1] - side + 1, side)
    ]
    km2 = np.array(
        [unchanged[place].sum() * series.pixel_m**2 / 1e6 for place in places]
    )
    usable = np.flatnonzero(~away.past) if pool is Pool.MONITORING else None
    looks = np.arange(away.days.size) if usable is None else usable
    halves: dict[int, dict[int, list[int]]] = {0: {}, 1: {}}
    for t in looks:
        day = EPOCH + timedelta(days=int(away.days[t]))
        season = int(day.month in SUMMER)
        # the winter belongs to the year in which it ends
        year = day.year + (day.month > SUMMER[-1])
        halves[season].setdefault(year, []).append(int(t))
    drawn = {
        season: [np.array(ts) for ts in years.values() if len(ts) >= LEAST_LOOKS]
        for season, years in halves.items()
    }
    if not all(drawn.values()) or not km2.any():
        raise HistoryError(
            f"{series.name}: no half year of each season with {LEAST_LOOKS} looks, or "
            "no unchanged ground: there is nothing to simulate with"
        )
    seen = np.where(unchanged, away.combined, np.nan).astype(np.float32)
    return _Ground(
        departures=Departures(
            days=away.days,
            past=away.past,
            combined=seen,
            each=away.each,
            reference=away.reference,
            norm=away.norm,
            weights=away.weights,
        ),
        places=places,
        halves=drawn,
        km2=km2,
        years=float(np.ptp(away.days[looks])) / DAYS_PER_YEAR,
    )


def _unchanged(series: Series, away: Departures) -> NDArray[np.bool_]:
    """Find ground that was one ground throughout, and shows the edge of no change."""
    changed = series.truth != Truth.UNCHANGED
    near = ndimage.binary_dilation(changed, iterations=GUARD_PIXELS)
    # a reference that describes the ground after a change says nothing of that before
    stable = away.reference[-1] == HistoryClass.STABLE
    unchanged: NDArray[np.bool_] = ~near & stable & away.monitored
    return unchanged


def _run(
    ground: _Ground,
    place: NDArray[np.int64],
    test: EvidenceParameters,
    outline: OutlineParameters,
    random: np.random.Generator,
) -> tuple[int, NDArray[np.bool_]]:
    """Run blocks through half years drawn at random; count objects, say where."""
    away = ground.departures
    n_index = away.each.shape[1]
    combined = np.stack([away.combined[:, rows, cols] for rows, cols in ground.places])
    each = np.stack([away.each[:, :, rows, cols] for rows, cols in ground.places])
    side = combined.shape[-1]
    reference = np.stack([away.reference[:, r, c] for r, c in ground.places], axis=1)
    state = initial_state(
        reference[:, place].reshape(len(reference), -1, side), n_index
    )
    state = state.reshape(len(state), place.size, side, side)
    planes(state.reshape(len(state), -1, side))["last_clear"][...] = FIRST_DAY - 1
    season = int(random.integers(2))
    for half in range(HALF_YEARS):
        pieces = ground.halves[(season + half) % 2]
        chosen = random.integers(len(pieces), size=place.size)
        for number, looks in enumerate(pieces):
            blocks = np.flatnonzero(chosen == number)
            if not blocks.size:
                continue
            part = state[:, blocks].reshape(len(state), -1, side)
            where = place[blocks]
            first = int(away.days[looks[0]])
            for t in looks:
                part = update(
                    part,
                    log_ratio(combined[where, t].reshape(-1, side), test),
                    each[where, t].swapaxes(0, 1).reshape(n_index, -1, side),
                    day=FIRST_DAY + half * HALF_YEAR_DAYS + int(away.days[t]) - first,
                    parameters=test,
                )
            state[:, blocks] = part.reshape(len(state), blocks.size, side, side)
    return _count(state, away, test, outline)


def _count(
    state: NDArray[np.uint16],
    away: Departures,
    test: EvidenceParameters,
    outline: OutlineParameters,
) -> tuple[int, NDArray[np.bool_]]:
    """Draw the confirmed objects of blocks; where has shape (block, y, x)."""
    apart = np.pad(state, ((0, 0), (0, 0), (0, GAP), (0, 0)))
    sheet = apart.reshape(len(state), -1, state.shape[-1])
    graded = tiers(sheet, test)
    labels, tier_of = label_objects(graded, outline.min_pixels)
    inside = core(
        graded,
        strength(sheet, away.norm, away.weights),
        share=outline.edge_share,
        pixels=outline.edge_pixels,
    )
    labels, drawn = drawn_objects(labels, tier_of, graded, inside, outline.min_pixels)
    high = [label for label, tier in drawn.items() if tier is Tier.HIGH]
    where = np.isin(labels, high).reshape(state.shape[1], -1, state.shape[-1])
    return len(high), where[:, : state.shape[2]]
