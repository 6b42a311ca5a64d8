"""How likely a dig of some size is found, and how late: by implants into a real series.

Many implants that are kept apart are judged in one pass of the detector. The control is
the same series without them, cut off on the same day: where the control alarms, nothing
is counted. A dig is found if an object of alarms touches it that was confirmed after it
began and before `HORIZON_DAYS` are over. For digs that are covered again, alarms at the
end of a month after the latest cover count as well: they were raised, whatever the
detector thinks of the place later.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from rsmonitor.config import Settings
from rsmonitor.errors import ContractError, HistoryError
from rsmonitor.interfaces import Progress
from rsmonitor.lab.detector import EPOCH, detect
from rsmonitor.lab.fitted import Fitted
from rsmonitor.lab.implant import (
    Conditions,
    Course,
    Implant,
    Shape,
    conditions,
    draw_parts,
    footprint,
    implanted,
)
from rsmonitor.lab.measures import clear_looks, dry_months, poisson_upper
from rsmonitor.lab.series import Series, Truth
from rsmonitor.lab.spectra import MATERIALS, material
from rsmonitor.pipeline.looks import day_number
from rsmonitor.records.grid import Block
from rsmonitor.records.parameters import OutlineParameters
from rsmonitor.stages.clear import grow
from rsmonitor.stages.precision import wilson
from rsmonitor.wiring import open_source
from rsmonitor.wiring.office import EVER

_T = TypeVar("_T")
_R = TypeVar("_R")

SIZES_HA: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Sizes of the first scenario, hectares."""

MIDDLE_HA: Final = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Sizes of the scenarios that vary course, shape and contrast."""

IN_SITU_HA: Final = (0.05, 0.1, 0.2, 0.5)
"""Sizes of in-situ sites: the track of a larger one is longer than its hill."""

MATERIAL_HA: Final = (0.1, 0.2, 0.5)
"""Sizes of the scenarios that vary the material."""

SEASONS: Final = ("dry", "wet")
"""The half year with the most clear looks, and the other."""

HORIZON_DAYS: Final = 180
"""Found later than this is not found."""

COVER_DAYS: Final = (14, 28)
"""A dig that is covered again stays open so long."""

AFTER_COVER_DAYS: Final = 30
"""When alarms of covered digs are looked at first, after the latest cover."""

GROWING_DAYS: Final = 56
"""How long a slow dig grows."""

STARTS: Final = 8
"""Days of each season on which digs begin."""

GAP_PIXELS: Final = 6
"""Least distance of implants from each other, pixels."""

OPENED_PIXELS: Final = 3
"""Least distance of implants from real openings, pixels."""

RIM_PIXELS: Final = 4
"""Least distance of implants from the edge of the grid, pixels."""

LEAST_UNCHANGED: Final = 0.85
"""Share of the ground of an implant that must be known as undisturbed."""

LARGE_HA: Final = 2.0
LARGE_PART: Final = 0.25
"""Implants of so many hectares get this share of the repeats: few fit into a pass."""

MOST_AREA: Final = 0.08
"""Share of the place that implants of one pass may take, besides the first: with more,
the scene's own statistics would not be those of undisturbed ground."""

CORE: Final = 0.2
"""Share of a pixel that an implant must cover for an alarm there to be about it."""

HALF: Final = 0.5
"""Share of an implant that a look must show to be a look at it; and of the pixels that
confirm an object above which what is said of them is said of it."""

CONTROL_SHARE: Final = 0.1
"""Share of an implant's pixels alarmed in the control above which it is set aside."""

M2_PER_HA: Final = 10_000.0
DAYS_PER_YEAR: Final = 365.25
M2_PER_KM2: Final = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is implanted, apart from size, season and place."""

    name: str
    """Short name for tables."""

    material: str
    """Name of a material."""

    sizes_ha: tuple[float, ...]
    """Hectares."""

    shapes: tuple[Shape, ...] = (Shape.DISC, Shape.SQUARE, Shape.RAGGED)
    """Taken in turn."""

    course: Course = Course.SUDDEN
    """How it comes and goes."""

    cover: str | None = None
    """Material of the cover; None: as the place looked before."""

    contrast: float = 1.0
    """Share of the outline that is of the material."""

    part: float = 1.0
    """Share of the repeats that this scenario gets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One implant to be judged."""

    scenario: Scenario
    """What."""

    size_ha: float
    """How large."""

    season: str
    """Of `SEASONS`."""

    start: int
    """Day on which it begins, days since 1970-01-01."""

    number: int
    """Of all trials; the chance of its outline depends on it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pass:
    """Implants that one run of the detector judges."""

    start: int
    """Day on which all begin."""

    trials: tuple[Trial, ...]
    """What they are of."""

    implants: tuple[Implant, ...]
    """Where they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the detector made of one implant."""

    trial: Trial
    """The trial."""

    counted: bool
    """False where the control alarms."""

    found: bool
    """True if an object of alarms touches it."""

    touched: bool
    """True if a single alarmed pixel does."""

    early: bool
    """True if it was found, but on evidence that began before the dig: bad looks had
    raised it, and the dig tipped it over."""

    delay_days: int | None
    """From its first day to the confirmation of the object."""

    delay_looks: int | None
    """Clear looks at it in that time, with that of the confirmation."""

    looks: int
    """Clear looks at it from its first day to the horizon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Detectability of one kind of dig."""

    scenario: str
    """Name of the scenario."""

    material: str
    """Name of the material."""

    assumed: bool
    """True where the spectrum is assumed."""

    size_ha: float
    """Hectares."""

    season: str
    """``dry`` or ``wet``."""

    implants: int
    """Counted."""

    found: int
    """Found as objects."""

    touched: int
    """With an alarmed pixel at least."""

    early: int
    """Found, but on evidence that began before the dig."""

    probability: float | None
    """Share found; None without any."""

    interval: tuple[float, float] | None
    """Wilson 95 % interval of it."""

    delay_days: float | None
    """Median of those found."""

    delay_looks: float | None
    """Median of those found."""

    looks: float | None
    """Median of clear looks within the horizon."""

    looks_to_find: tuple[int, ...] = ()
    """Clear looks that each of those found took, sorted."""

    looks_in_vain: tuple[int, ...] = ()
    """Clear looks at each of those not found, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What the detector says of the series without implants."""

    objects: int
    """Objects drawn."""

    false_objects: int
    """Those on ground that is known as undisturbed, all of their pixels."""

    exposure_km2_years: float
    """Undisturbed ground that was monitored, times how long."""

    upper95_per_km2_year: float
    """Exact upper 95 % limit of the rate of false objects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """The whole table, and what stands beside it."""

    series: str
    """Name of the series."""

    seed: int
    """Of places, outlines and starts."""

    dry_months: tuple[int, ...]
    """Months of the dry season here, 1 to 12."""

    starts: Mapping[str, tuple[str, ...]]
    """Days on which digs began, by season."""

    rows: tuple[Row, ...]
    """One for each scenario, size and season."""

    control: Control
    """Without implants."""

    passes: int
    """Runs of the detector with implants."""

    set_aside: int
    """Implants not counted because the control alarms there."""

    not_placed: int
    """Implants for which there was no place."""

    side_objects: int
    """Objects that touch no implant, and are not in the control."""

    def summary(self) -> str:
        """
        Say what stands beside the table.

        Returns
        -------
        str
            A paragraph.
        """
        counted = sum(row.implants for row in self.rows)
        control = self.control
        early = sum(row.early for row in self.rows)
        return (
            f"{self.series}, seed {self.seed}: {counted} implants in {self.passes} "
            f"passes; {self.set_aside} set aside where the control alarms, "
            f"{self.not_placed} without a place. Found: an object confirmed within "
            f"{HORIZON_DAYS} days; delays are medians of those found, in clear looks "
            f"and days; {early} were found on evidence that began before them. "
            "Dry season: months "
            f"{', '.join(map(str, self.dry_months))}. Digs begin on "
            f"{', '.join(day for days in self.starts.values() for day in days)}. "
            f"Control: {control.objects} objects, of which {control.false_objects} on "
            f"undisturbed ground in {control.exposure_km2_years:.2f} km2 x years "
            f"(upper 95 % limit {control.upper95_per_km2_year:.2f} per km2 and year). "
            f"{self.side_objects} objects in all passes touch no implant."
        )


def scenarios(
    *,
    sizes_ha: Sequence[float] | None = None,
    materials: Sequence[str] | None = None,
) -> tuple[Scenario, ...]:
    """
    List what is implanted.

    Parameters
    ----------
    sizes_ha : sequence of float, optional
        Hectares, for all scenarios; default: each its own.
    materials : sequence of str, optional
        Only these, each sudden, growing and covered again.

    Returns
    -------
    tuple of Scenario
        At least one.

    Raises
    ------
    ContractError
        If a size is not from 0.001 to 100 ha, or a material is unknown.
    """
    for size in sizes_ha or ():
        if not 0.001 <= size <= 100:  # noqa: PLR2004 - a tenth of a pixel, a tile
            raise ContractError(f"a size is from 0.001 to 100 ha, got {size}")
    for name in materials or ():
        material(name)
    full = tuple(sizes_ha or SIZES_HA)
    middle = tuple(sizes_ha or MIDDLE_HA)
    few = tuple(sizes_ha or MATERIAL_HA)
    if materials:
        return tuple(
            scenario
            for name in materials
            for scenario in (
                Scenario(name=f"{name}, sudden", material=name, sizes_ha=full),
                Scenario(
                    name=f"{name}, growing",
                    material=name,
                    sizes_ha=middle,
                    course=Course.GROWING,
                ),
                Scenario(
                    name=f"{name}, covered again",
                    material=name,
                    sizes_ha=middle,
                    course=Course.COVERED,
                ),
            )
        )
    bare = "bare_soil"
    return (
        Scenario(name="sudden", material=bare, sizes_ha=full),
        Scenario(
            name="growing in 8 weeks",
            material=bare,
            sizes_ha=middle,
            course=Course.GROWING,
            part=0.5,
        ),
        Scenario(
            name="covered again after 2 to 4 weeks",
            material=bare,
            sizes_ha=middle,
            course=Course.COVERED,
            part=0.5,
        ),
        Scenario(
            name="green net over it after 2 to 4 weeks",
            material=bare,
            sizes_ha=few,
            course=Course.COVERED,
            cover="green_net",
            part=0.5,
        ),
        Scenario(
            name="in-situ site: track, clearings, wet spots",
            material=bare,
            sizes_ha=tuple(sizes_ha or IN_SITU_HA),
            shapes=(Shape.IN_SITU,),
            part=0.5,
        ),
        Scenario(
            name="half contrast",
            material=bare,
            sizes_ha=middle,
            contrast=0.5,
            part=0.5,
        ),
        *(
            Scenario(name="sudden", material=name, sizes_ha=few, part=0.5)
            for name in MATERIALS
            if name != bare
        ),
    )


def study(
    series: Series,
    chosen: Sequence[Scenario],
    *,
    repeats: int,
    seed: int,
    workers: int = 1,
    cloud_share: float = 0.0,
    starts: int = STARTS,
    progress: Progress,
) -> tuple[Study, tuple[Pass, ...]]:
    """
    Implant, detect and count.

    Parameters
    ----------
    series : Series
        With a truth that tells undisturbed ground, see `quiet`.
    chosen : sequence of Scenario
        From `scenarios`.
    repeats : int
        Implants of each scenario with a whole part, size and season.
    seed : int
        Of places, outlines and starts.
    workers : int, default 1
        Processes.
    cloud_share : float, default 0
        Share of looks in which the scene classification takes bright implants for
        cloud.
    starts : int, default 8
        Days of each season on which digs begin. What is found of digs that are soon
        covered hangs on the clear looks after these few days.
    progress : Progress
        Who watches.

    Returns
    -------
    study : Study
        The table.
    passes : tuple of Pass
        What was implanted where.

    Raises
    ------
    ContractError
        If there is nothing to repeat, or the pixels are no neighbours.
    HistoryError
        If too little is left after the history.
    """
    if repeats < 1 or starts < 1:
        raise ContractError(
            f"repeats and starts must be 1 or more, got {repeats} and {starts}"
        )
    if not series.connected:
        raise ContractError(f"series {series.name}: its pixels are no neighbours")
    clear = clear_looks(series)
    looks = conditions(series, clear)
    dry = dry_months(series.days, clear.mean(axis=(1, 2)))
    random = np.random.default_rng(seed)
    first_days = {
        season: _starts(series, dry, season, starts, random) for season in SEASONS
    }
    trials = _trials(chosen, first_days, repeats)
    passes, not_placed = _passes(series, trials, random)
    days = {end for one in passes for end in _ends(one)}
    fitted = Fitted(series)
    last = int(series.days[-1])
    controls = {
        end: found.confirmed
        for end, found in fitted.detections(series, [*days, last]).items()
    }
    work = _Work(
        series=series, looks=looks, fitted=fitted, cloud_share=cloud_share, seed=seed
    )
    tasks = [
        (one, {end: controls[end] for end in _ends(one)}, number)
        for number, one in enumerate(passes)
    ]
    judged: list[Judged] = []
    side = 0
    with _Pool(work, workers) as pool:
        for done, (some, aside) in enumerate(pool.run(_judge, tasks), start=1):
            judged += some
            side += aside
            progress("implants", done, len(passes))
    result = Study(
        series=series.name,
        seed=seed,
        dry_months=tuple(sorted(dry)),
        starts={
            season: tuple(str(EPOCH + timedelta(days=day)) for day in chosen_days)
            for season, chosen_days in first_days.items()
        },
        rows=_rows(chosen, judged),
        control=_control_of(series, controls[last]),
        passes=len(passes),
        set_aside=sum(not one.counted for one in judged),
        not_placed=not_placed,
        side_objects=side,
    )
    return result, passes


def quiet(series: Series) -> Series:
    """
    Take for undisturbed what our own detector leaves alone.

    For series without a reference. It makes the false rate of the control meaningless:
    the detector would be its own judge.

    Parameters
    ----------
    series : Series
        Its truth is not read.

    Returns
    -------
    Series
        With a truth of unchanged, and of opened where our detector alarms; what it
        does not monitor is not counted.
    """
    found = detect(series)
    truth = np.full(series.truth.shape, Truth.NOT_COUNTED, dtype=np.uint8)
    truth[found.monitored] = Truth.UNCHANGED
    truth[found.confirmed > 0] = Truth.OPENED
    nowhere = np.zeros(truth.shape, dtype=np.int64)
    return replace(series, truth=truth, began_after=nowhere, began_by=nowhere)


def read_series(settings: Settings) -> Series:
    """
    Read all scenes of the settings' source as one series, of which nothing is known.

    Parameters
    ----------
    settings : Settings
        With a source of one grid.

    Returns
    -------
    Series
        Its truth is that nothing is counted.

    Raises
    ------
    SourceError
        If the source cannot be read.
    HistoryError
        If it has no scene.
    """
    with open_source(settings) as source:
        grid = source.grids()[0]
        whole = Block(row=0, col=0, height=grid.height, width=grid.width)
        products = source.find(grid, until=EVER)
        scenes = [source.load(product, grid, whole) for product in products]
        bands = source.bands
    if not scenes:
        raise HistoryError("the source has no scene")
    shape = (grid.height, grid.width)
    return Series(
        name=settings.district.code,
        days=np.array([day_number(product) for product in products], dtype=np.int64),
        bands=bands,
        reflectance=np.stack([scene["reflectance"].to_numpy() for scene in scenes]),
        scl=np.stack([scene["scl"].to_numpy() for scene in scenes]),
        pixel_m=float(grid.pixel_width),
        connected=True,
        history_until=(settings.history.until - EPOCH).days,
        truth=np.full(shape, Truth.NOT_COUNTED, dtype=np.uint8),
        began_after=np.zeros(shape, dtype=np.int64),
        began_by=np.zeros(shape, dtype=np.int64),
    )


def until(series: Series, day: int) -> Series:
    """
    Cut a series off.

    Parameters
    ----------
    series : Series
        The series.
    day : int
        Last day that is kept, days since 1970-01-01.

    Returns
    -------
    Series
        The looks up to that day.
    """
    n = int(np.searchsorted(series.days, day, side="right"))
    return replace(
        series,
        days=series.days[:n],
        reflectance=series.reflectance[:n],
        scl=series.scl[:n],
    )


_HEADS: Final = tuple(
    head for season in SEASONS for head in (f"found, {season}", "looks / days")
)


def table(result: Study) -> str:
    """
    Write a study as Markdown.

    Parameters
    ----------
    result : Study
        The study.

    Returns
    -------
    str
        One line for each scenario and size, both seasons side by side; materials whose
        spectrum is assumed are in a table of their own.
    """
    lines = []
    for assumed in (False, True):
        rows = [row for row in result.rows if row.assumed is assumed]
        if not rows:
            continue
        if assumed:
            lines += ["", "Spectra that are assumed:", ""]
        lines += [
            f"| material | scenario | ha | {' | '.join(_HEADS)} |",
            "|---|---|---|---|---|---|---|",
        ]
        pairs: dict[tuple[str, str, float], dict[str, Row]] = {}
        for row in rows:
            key = (row.material, row.scenario, row.size_ha)
            pairs.setdefault(key, {})[row.season] = row
        for (name, scenario, size), both in pairs.items():
            cells = [
                cell
                for season in SEASONS
                for cell in (_found(both.get(season)), _delay(both.get(season)))
            ]
            lines.append(f"| {name} | {scenario} | {size:g} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _found(row: Row | None) -> str:
    """Write how many were found."""
    if row is None or row.probability is None or row.interval is None:
        return "no place"
    low, high = row.interval
    share = f"{row.probability:.2f} ({low:.2f} to {high:.2f})"
    return f"{row.found} of {row.implants}: {share}"


def _delay(row: Row | None) -> str:
    """Write how late they were found."""
    if row is None or row.delay_looks is None:
        return ""
    return f"{row.delay_looks:.0f} / {row.delay_days:.0f}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Work:
    """What every process needs."""

    series: Series
    looks: Conditions
    fitted: Fitted
    cloud_share: float
    seed: int


_HELD: list[_Work] = []
"""What the processes of a pool were given."""


def _hold(work: _Work) -> None:
    """Keep what a process needs."""
    _HELD[:] = [work]


class _Pool:
    """Runs tasks here, or in processes."""

    def __init__(self, work: _Work, workers: int) -> None:
        _hold(work)
        self._executor = (
            ProcessPoolExecutor(workers, initializer=_hold, initargs=(work,))
            if workers > 1
            else None
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
        _HELD.clear()

    def run(self, what: Callable[[_T], _R], tasks: Iterable[_T]) -> Iterable[_R]:
        """Do tasks in their order."""
        if self._executor is None:
            return map(what, tasks)
        return self._executor.map(what, tasks)


def _judge(
    task: tuple[Pass, Mapping[int, NDArray[np.int64]], int],
) -> tuple[list[Judged], int]:
    """Detect with the implants of a pass, and say what became of each."""
    one, controls, number = task
    work = _HELD[0]
    random = np.random.default_rng([work.seed, number])
    changed = implanted(
        until(work.series, _until(one.start, first=False)),
        one.implants,
        work.looks,
        cloud_share=work.cloud_share,
        random=random,
    )
    least = OutlineParameters().min_pixels
    confirmed = np.zeros(changed.truth.shape, dtype=np.int64)
    first_seen = np.zeros_like(confirmed)
    before = np.zeros_like(confirmed, dtype=np.bool_)
    drawn = np.zeros_like(before)
    found = work.fitted.detections(changed, list(controls))
    for end, alarms in found.items():
        earlier = (alarms.confirmed > 0) & (
            (confirmed == 0) | (alarms.confirmed < confirmed)
        )
        confirmed[earlier] = alarms.confirmed[earlier]
        first_seen[earlier] = alarms.first_seen[earlier]
        drawn |= alarms.objects(least)
        before |= controls[end] > 0
    alarmed = (confirmed >= one.start) & ~before
    labels, count = ndimage.label(drawn & ~before)
    # an object of which nothing was confirmed since is not about an implant
    alive = set(np.unique(labels[alarmed]).tolist()) - {0}
    judged = []
    touching: set[int] = set()
    for trial, implant in zip(one.trials, one.implants, strict=True):
        covered = footprint(implant, changed.truth.shape, changed.pixel_m)
        core = covered >= min(CORE, float(covered.max()))
        touching |= set(np.unique(labels[grow(core, 1)]).tolist())
        here = alive & set(np.unique(labels[core]).tolist())
        pixels = np.isin(labels, list(here)) & alarmed
        order = np.argsort(confirmed[pixels], kind="stable")[:least]
        # the object is confirmed when enough of its pixels are
        when = int(confirmed[pixels][order[-1]]) if order.size else None
        one_judged = _judged(
            work, trial, core=core, before=before, alarmed=alarmed, when=when
        )
        seen_before = first_seen[pixels][order] < one.start
        judged.append(
            replace(one_judged, early=bool(order.size and seen_before.mean() > HALF))
        )
    return judged, len(alive & set(range(1, count + 1)) - touching)


def _judged(
    work: _Work,
    trial: Trial,
    *,
    core: NDArray[np.bool_],
    before: NDArray[np.bool_],
    alarmed: NDArray[np.bool_],
    when: int | None,
) -> Judged:
    """Say what became of an implant whose object was confirmed on a day, or never."""
    seen = work.looks.clear[:, core].mean(axis=1) >= HALF
    looks = work.series.days[seen]
    since = looks[looks >= trial.start]
    return Judged(
        trial=trial,
        counted=bool(before[core].mean() < CONTROL_SHARE),
        found=when is not None,
        touched=bool(alarmed[core].any()),
        early=False,
        delay_days=None if when is None else when - trial.start,
        delay_looks=None if when is None else int((since <= when).sum()),
        looks=int((since <= _until(trial.start, first=False)).sum()),
    )


def _until(start: int, *, first: bool) -> int:
    """Say when alarms are looked at."""
    days = COVER_DAYS[1] + AFTER_COVER_DAYS if first else HORIZON_DAYS
    return start + days


def _ends(one: Pass) -> tuple[int, ...]:
    """Say on which days the alarms of a pass are looked at."""
    covered = any(implant.course is Course.COVERED for implant in one.implants)
    last = _until(one.start, first=False)
    return (_until(one.start, first=True), last) if covered else (last,)


def _starts(
    series: Series,
    dry: frozenset[int],
    season: str,
    count: int,
    random: np.random.Generator,
) -> tuple[int, ...]:
    """Choose the days of a season on which digs begin."""
    first, last = series.history_until + 1, int(series.days[-1]) - HORIZON_DAYS
    days = [
        day
        for day in range(first, last + 1)
        if ((EPOCH + timedelta(days=day)).month in dry) == (season == "dry")
    ]
    if len(days) < count:
        raise HistoryError(
            f"series {series.name}: no {count} days of the {season} season lie after "
            f"its history and {HORIZON_DAYS} days before its end: end the history "
            "earlier"
        )
    # one in each part of the days, so that they are not of one year
    parts = np.array_split(np.array(days), count)
    return tuple(int(random.choice(part)) for part in parts)


def _trials(
    chosen: Sequence[Scenario], starts: Mapping[str, tuple[int, ...]], repeats: int
) -> list[Trial]:
    """List every implant."""
    trials: list[Trial] = []
    for scenario in chosen:
        for size in scenario.sizes_ha:
            for season in SEASONS:
                trials += [
                    Trial(
                        scenario=scenario,
                        size_ha=size,
                        season=season,
                        start=starts[season][k % len(starts[season])],
                        number=len(trials) + k,
                    )
                    for k in range(_repeats(repeats, scenario, size))
                ]
    return trials


def _repeats(repeats: int, scenario: Scenario, size_ha: float) -> int:
    """Say how many implants of a size there are."""
    part = scenario.part * (LARGE_PART if size_ha >= LARGE_HA else 1.0)
    return max(1, round(repeats * part))


def _passes(
    series: Series, trials: Sequence[Trial], random: np.random.Generator
) -> tuple[tuple[Pass, ...], int]:
    """Put implants into as few passes as they fit."""
    grounds = _Ground.of(series)
    passes: list[Pass] = []
    lost = 0
    for start in sorted({trial.start for trial in trials}):
        here = [trial for trial in trials if trial.start == start]
        # large ones are the hardest to place
        waiting = sorted(
            (here[k] for k in random.permutation(len(here))),
            key=lambda trial: trial.size_ha < LARGE_HA,
        )
        while waiting:
            free = grounds.free()
            placed: list[tuple[Trial, Implant]] = []
            later: list[Trial] = []
            area = 0.0
            for trial in waiting:
                wanted = trial.size_ha * M2_PER_HA
                fits = not placed or area + wanted <= MOST_AREA * grounds.area_m2
                implant = free.place(trial, random) if fits else None
                if implant is None:
                    later.append(trial)
                    continue
                placed.append((trial, implant))
                area += wanted
            if not placed:
                lost += len(later)
                break
            passes.append(
                Pass(
                    start=start,
                    trials=tuple(trial for trial, _ in placed),
                    implants=tuple(implant for _, implant in placed),
                )
            )
            waiting = later
    return tuple(passes), lost


@dataclass(slots=True, kw_only=True, eq=False)
class _Ground:
    """Where implants may lie."""

    unchanged: NDArray[np.bool_]
    forbidden: NDArray[np.bool_]
    pixel_m: float

    @classmethod
    def of(cls, series: Series) -> "_Ground":
        """Take undisturbed ground away from openings and edges."""
        forbidden = grow(series.truth == Truth.OPENED, OPENED_PIXELS)
        rim = np.ones_like(forbidden)
        rim[RIM_PIXELS:-RIM_PIXELS, RIM_PIXELS:-RIM_PIXELS] = False
        unchanged = series.truth == Truth.UNCHANGED
        if not (unchanged & ~forbidden & ~rim).any():
            raise ContractError(f"series {series.name} has no undisturbed ground")
        return cls(
            unchanged=unchanged, forbidden=forbidden | rim, pixel_m=series.pixel_m
        )

    @property
    def area_m2(self) -> float:
        """Area of the place."""
        return self.unchanged.size * self.pixel_m**2

    def free(self) -> "_Ground":
        """Give a copy in which nothing is taken."""
        return replace(self, forbidden=self.forbidden.copy())

    def place(self, trial: Trial, random: np.random.Generator) -> Implant | None:
        """Find a place for an implant, and take it."""
        implant = _implant(trial, random)
        under = _stamp(implant, self.pixel_m)
        if min(under.shape) > min(self.unchanged.shape):
            return None
        # anywhere within a pixel it stays under this
        near = grow(under, 1)
        blocked = _sum_under(self.forbidden, near)
        known = _sum_under(self.unchanged, under) / under.sum()
        # half a count: the sums are of a Fourier transform
        rows, cols = np.nonzero((blocked < 0.5) & (known >= LEAST_UNCHANGED))  # noqa: PLR2004
        if rows.size == 0:
            return None
        k = random.integers(rows.size)
        half = under.shape[0] // 2
        here = replace(
            implant,
            row=float(rows[k] + half + random.random()),
            col=float(cols[k] + half + random.random()),
        )
        covered = footprint(here, self.unchanged.shape, self.pixel_m)
        self.forbidden |= grow(covered > 0, GAP_PIXELS)
        return here


def _stamp(implant: Implant, pixel_m: float) -> NDArray[np.bool_]:
    """Say which pixels lie under an implant in the middle of a square of pixels."""
    reach = max(abs(value) for part in implant.parts for value in part.outline.bounds)
    half = math.ceil(reach / pixel_m) + 2
    side = 2 * half + 1
    middle = replace(implant, row=half + 0.5, col=half + 0.5)
    under: NDArray[np.bool_] = footprint(middle, (side, side), pixel_m) > 0
    return under


def _sum_under(
    ground: NDArray[np.bool_], stamp: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Count the true pixels under a stamp, wherever it fits into the ground."""
    counted: NDArray[np.float64] = signal.fftconvolve(
        ground.astype(np.float64), stamp[::-1, ::-1].astype(np.float64), mode="valid"
    )
    return counted


def _implant(trial: Trial, random: np.random.Generator) -> Implant:
    """Draw an implant, not yet in its place."""
    scenario = trial.scenario
    shape = scenario.shapes[trial.number % len(scenario.shapes)]
    lasts = {
        Course.SUDDEN: 0,
        Course.GROWING: GROWING_DAYS,
        Course.COVERED: int(random.integers(COVER_DAYS[0], COVER_DAYS[1] + 1)),
    }
    return Implant(
        row=0.0,
        col=0.0,
        parts=draw_parts(shape, trial.size_ha * M2_PER_HA, scenario.material, random),
        began=trial.start,
        course=scenario.course,
        lasts_days=lasts[scenario.course],
        cover=scenario.cover,
        contrast=scenario.contrast,
    )


def _rows(chosen: Sequence[Scenario], judged: Sequence[Judged]) -> tuple[Row, ...]:
    """Count what was found."""
    rows = []
    for scenario in chosen:
        for size in scenario.sizes_ha:
            for season in SEASONS:
                some = [
                    one
                    for one in judged
                    if one.counted
                    and one.trial.scenario == scenario
                    and one.trial.size_ha == size
                    and one.trial.season == season
                ]
                rows.append(_row(scenario, size, season, some))
    return tuple(rows)


def _row(scenario: Scenario, size: float, season: str, some: Sequence[Judged]) -> Row:
    """Count one cell."""
    found = [one for one in some if one.found]
    return Row(
        scenario=scenario.name,
        material=scenario.material,
        assumed=any(
            MATERIALS[name].assumed
            for name in (scenario.material, scenario.cover)
            if name is not None
        ),
        size_ha=size,
        season=season,
        implants=len(some),
        found=len(found),
        touched=sum(one.touched for one in some),
        early=sum(one.early for one in found),
        probability=len(found) / len(some) if some else None,
        interval=wilson(len(found), len(some)),
        delay_days=_median(one.delay_days for one in found),
        delay_looks=_median(one.delay_looks for one in found),
        looks=_median(one.looks for one in some),
        looks_to_find=tuple(
            sorted(one.delay_looks for one in found if one.delay_looks is not None)
        ),
        looks_in_vain=tuple(sorted(one.looks for one in some if not one.found)),
    )


def _median(values: Iterable[int | None]) -> float | None:
    """Take the median of what is known."""
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def _control_of(series: Series, confirmed: NDArray[np.int64]) -> Control:
    """Count the false objects of the series without implants."""
    labels, _ = ndimage.label(confirmed > 0)
    large = np.flatnonzero(
        np.bincount(labels.ravel()) >= OutlineParameters().min_pixels
    )
    objects = [labels == k for k in large if k != 0]
    unchanged = series.truth == Truth.UNCHANGED
    false = sum(bool(unchanged[one].all()) for one in objects)
    years = (int(series.days[-1]) - series.history_until) / DAYS_PER_YEAR
    exposure = float(unchanged.sum()) * series.pixel_m**2 / M2_PER_KM2 * years
    return Control(
        objects=len(objects),
        false_objects=false,
        exposure_km2_years=exposure,
        upper95_per_km2_year=poisson_upper(false, exposure),
    )
