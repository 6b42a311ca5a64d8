"""Settings chosen without the year and the quadrant on which they are judged.

Every opening belongs to the year in which it was first seen open and to a quadrant of
the scene. For each year and quadrant the settings are chosen on the openings of the
other years in the other quadrants and on the unchanged pixels of the other quadrants,
and judged on what was left out: the openings of that year in that quadrant, and its
unchanged pixels, as far as alarms were raised there in that year. So nothing of the
year and nothing of the quadrant was seen when the settings were chosen. The counts of
all these judgements are summed.

An alarm before the first of the years belongs to the first, one after the last to the
last, so that each is counted once.
"""

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from multiprocessing import get_context
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import HistoryError
from rsmonitor.interfaces import Progress
from rsmonitor.lab.assessment import history_of
from rsmonitor.lab.detector import EPOCH, Detection, detect
from rsmonitor.lab.measures import (
    Objects,
    Openings,
    Pixels,
    Starts,
    clear_looks,
    f1_of,
    share_of,
)
from rsmonitor.lab.series import Series
from rsmonitor.records.parameters import EvidenceParameters, OutlineParameters

DROPS: Final = (5.0, 6.0, 7.0)
HIGHS: Final = (10.0, 12.0, 16.0)
EDGE_SHARES: Final = (0.4, 0.5, 0.6)
"""The grid, declared before anything is judged."""
WORKERS: Final = 2
"""Processes."""
QUADRANTS: Final = ("NW", "NE", "SW", "SE")
"""Of a scene, in the order of their numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One point of the grid."""

    drop: float
    """See `rsmonitor.records.parameters.EvidenceParameters.drop`."""

    high: float
    """The level that confirms, nats."""

    edge_share: float
    """See `rsmonitor.records.parameters.OutlineParameters.edge_share`."""

    def evidence(self) -> EvidenceParameters:
        """
        Make the sequential test.

        Returns
        -------
        EvidenceParameters
            The defaults but for the setting.
        """
        usual = EvidenceParameters()
        return replace(
            usual,
            drop=self.drop,
            high=self.high,
            low=min(usual.low, self.high),
            medium=min(usual.medium, self.high),
            cap=max(usual.cap, self.high),
        )

    def outline(self) -> OutlineParameters:
        """
        Make the outline step.

        Returns
        -------
        OutlineParameters
            The defaults but for the setting.
        """
        return replace(OutlineParameters(), edge_share=self.edge_share)


GRID: Final = tuple(
    Setting(drop=drop, high=high, edge_share=share)
    for drop, high, share in itertools.product(DROPS, HIGHS, EDGE_SHARES)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """One year in one quadrant, and the settings that were chosen without it."""

    year: int
    """Year of the openings judged."""

    quadrant: str
    """NW, NE, SW or SE."""

    chosen: Setting
    """Best F1 of pixels elsewhere and in other years."""

    f1_elsewhere: float
    """That F1: what it was chosen by."""

    f1: float | None
    """F1 of the pixels judged; None where nothing opened."""

    openings: int
    """Openings judged."""

    openings_found: int
    """Of those found."""

    false_objects: int
    """False objects of that year in that quadrant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What one setting reaches on the whole, for the curve of the trade-off."""

    setting: Setting
    """The setting."""

    precision: float | None
    """Of pixels."""

    recall: float | None
    """Of pixels."""

    f1: float | None
    """Of pixels."""

    openings_found: int
    """Of all openings."""

    false_objects: int
    """On the whole scene."""

    delay_looks: float | None
    """Median, clear looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """All folds, summed; and every setting on the whole, which is not a fair score."""

    series: str
    """Name."""

    precision: float | None
    """Of pixels, over all folds."""

    recall: float | None
    """Of pixels, over all folds."""

    f1: float | None
    """Of pixels, over all folds."""

    openings: int
    """Over all folds."""

    openings_found: int
    """Over all folds."""

    false_objects: int
    """Over all folds."""

    delay_looks: float | None
    """Median over the openings of all folds, clear looks."""

    delay_days: float | None
    """The same, days."""

    folds: tuple[Fold, ...]
    """By year, then quadrant."""

    whole: tuple[Point, ...]
    """Every setting on everything: chosen among these, a score would flatter."""

    def as_json(self) -> dict[str, Any]:
        """
        Give it as the command line prints it.

        Returns
        -------
        dict
            Plain values.
        """
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Trial:
    """What one setting did, by pixel, opening and object, with year and quadrant."""

    setting: Setting
    pixels: NDArray[np.int64]
    """Rows (year, quadrant, right, false, missed), one a pixel that counts."""
    openings: NDArray[np.int64]
    """Rows (year, quadrant, found, has a delay, looks, days)."""
    objects: NDArray[np.int64]
    """Rows (year, quadrant, false)."""

    def sums(self, year: int, quadrant: int, *, judged: bool) -> NDArray[np.int64]:
        """Sum right, false and missed pixels of a fold, or of what lies outside it."""
        own = _part(self.pixels, year, quadrant, judged=judged)
        return np.asarray(own[:, 2:].sum(axis=0), dtype=np.int64)


def select(
    series: Series,
    *,
    progress: Progress,
    grid: Sequence[Setting] = GRID,
    workers: int = WORKERS,
) -> Selection:
    """
    Choose settings for each year and quadrant without it, and judge them there.

    Parameters
    ----------
    series : Series
        A scene whose reference dates its openings.
    progress : Progress
        Who watches.
    grid : sequence of Setting, optional
        What is chosen from.
    workers : int, default 2
        Processes; 1: this one.

    Returns
    -------
    Selection
        Folds, and their sum.

    Raises
    ------
    HistoryError
        If the openings are all of one year.
    """
    years = _years(series)
    if len(years) < 2:  # noqa: PLR2004 - one to judge, one to choose on
        raise HistoryError(
            f"{series.name}: openings of {len(years)} years; to leave one out takes two"
        )
    seen = clear_looks(series)
    trials = []
    for done, (setting, detection) in enumerate(_detections(series, grid, workers)):
        progress("settings", done, len(grid))
        trials.append(_trial(series, setting, detection, seen, years))
    folds, sums, openings = [], np.zeros(3, dtype=np.int64), []
    for year, (number, quadrant) in itertools.product(years, enumerate(QUADRANTS)):
        elsewhere = [
            f1_of(*trial.sums(year, number, judged=False)) or 0.0 for trial in trials
        ]
        trial = trials[int(np.argmax(elsewhere))]
        own = trial.sums(year, number, judged=True)
        found = _part(trial.openings, year, number, judged=True)
        false = _part(trial.objects, year, number, judged=True)
        sums += own
        openings.append(found)
        folds.append(
            Fold(
                year=year,
                quadrant=quadrant,
                chosen=trial.setting,
                f1_elsewhere=max(elsewhere),
                f1=f1_of(*own) if own[0] + own[2] else None,
                openings=len(found),
                openings_found=int(found[:, 2].sum()),
                false_objects=int(false[:, 2].sum()),
            )
        )
    pooled = np.concatenate(openings)
    late = pooled[pooled[:, 3] > 0]
    return Selection(
        series=series.name,
        precision=share_of(sums[0], sums[0] + sums[1]),
        recall=share_of(sums[0], sums[0] + sums[2]),
        f1=f1_of(*sums),
        openings=len(pooled),
        openings_found=int(pooled[:, 2].sum()),
        false_objects=sum(fold.false_objects for fold in folds),
        delay_looks=float(np.median(late[:, 4])) if len(late) else None,
        delay_days=float(np.median(late[:, 5])) if len(late) else None,
        folds=tuple(folds),
        whole=tuple(map(_point, trials)),
    )


def summary(selection: Selection) -> str:
    """
    Write a selection as Markdown.

    Parameters
    ----------
    selection : Selection
        What was chosen and judged.

    Returns
    -------
    str
        The sum, the folds, and every setting on the whole.
    """
    head = (
        f"{selection.series}, settings chosen without the year and quadrant judged, "
        f"pooled: precision {_number(selection.precision)}, recall "
        f"{_number(selection.recall)}, F1 {_number(selection.f1)}; openings found "
        f"{selection.openings_found} of {selection.openings}; false objects "
        f"{selection.false_objects}; median delay "
        f"{_number(selection.delay_looks, 0)} clear looks, "
        f"{_number(selection.delay_days, 0)} days"
    )
    folds = (
        "| judged | drop | high | edge share | F1 elsewhere | F1 | openings found "
        "| false objects |"
    )
    whole = (
        "| drop | high | edge share | precision | recall | F1 | openings found "
        "| false objects | delay, looks |"
    )
    lines = [head, "", folds, "|---" * 8 + "|"]
    lines += [
        f"| {fold.year} {fold.quadrant} | {_setting(fold.chosen)} "
        f"| {fold.f1_elsewhere:.3f} | {_number(fold.f1)} "
        f"| {fold.openings_found} of {fold.openings} | {fold.false_objects} |"
        for fold in selection.folds
    ]
    lines += [
        "",
        "Every setting on the whole scene; the best of these flatters:",
        "",
        whole,
        "|---" * 9 + "|",
    ]
    lines += [
        f"| {_setting(point.setting)} | {_number(point.precision)} "
        f"| {_number(point.recall)} | {_number(point.f1)} | {point.openings_found} "
        f"| {point.false_objects} | {_number(point.delay_looks, 0)} |"
        for point in selection.whole
    ]
    return "\n".join(lines)


def _setting(setting: Setting) -> str:
    """Write a setting as three cells."""
    return f"{setting.drop:g} | {setting.high:g} | {setting.edge_share:g}"


def _number(value: float | None, digits: int = 3) -> str:
    """Write a number that may not be known."""
    return "-" if value is None else f"{value:.{digits}f}"


def _detections(
    series: Series, grid: Sequence[Setting], workers: int
) -> Iterator[tuple[Setting, Detection]]:
    """Run all settings, in order."""
    if workers == 1:
        for setting in grid:
            yield setting, _detected(series, setting)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(_detected, series, setting) for setting in grid]
        for setting, future in zip(grid, running, strict=True):
            yield setting, future.result()


def _detected(series: Series, setting: Setting) -> Detection:
    """Run one setting; a task of its own process."""
    return detect(
        series,
        evidence=setting.evidence(),
        outline=setting.outline(),
        history=history_of(series),
    )


def _years(series: Series) -> list[int]:
    """Give the years in which openings were first seen open."""
    began = series.began_by[series.began_by > 0]
    return sorted(set(_year(began).tolist()))


def _year(days: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the year of each day."""
    return np.array(
        [(EPOCH + timedelta(days=int(day))).year for day in days.ravel()], np.int64
    ).reshape(days.shape)


def _trial(
    series: Series,
    setting: Setting,
    detection: Detection,
    seen: NDArray[np.bool_],
    years: Sequence[int],
) -> _Trial:
    """Judge one setting, and keep what belongs to which year and quadrant."""
    everywhere = np.ones(series.truth.shape, np.bool_)
    pixels = Pixels.of(series, detection)
    openings = Openings.of(series, pixels, everywhere)
    objects = Objects.of(series, pixels, everywhere)
    quadrant = _quadrants(series.truth.shape)
    # of an opening the year in which it was seen open, of a false alarm its own
    raised = np.where(pixels.days > 0, pixels.days, series.days[-1])
    year = np.clip(
        _year(np.where(pixels.opened, series.began_by, raised)), years[0], years[-1]
    )
    counted = pixels.right | pixels.false | pixels.missed
    columns = (year, quadrant, pixels.right, pixels.false, pixels.missed)
    table = np.stack([column[counted].astype(np.int64) for column in columns], axis=1)
    rows = []
    for number, label in enumerate(openings.labels):
        place = openings.image == label
        alone = replace(
            openings,
            labels=openings.labels[[number]],
            found=openings.found[[number]],
            premature=openings.premature[[number]],
        )
        starts = Starts.of(series, pixels, alone, seen)
        known = starts.looks.size > 0
        rows.append(
            (
                int(np.median(year[place])),
                _usual(quadrant[place]),
                int(openings.found[number]),
                int(known),
                int(starts.looks[0]) if known else 0,
                int(starts.days[0]) if known else 0,
            )
        )
    drawn = [
        (
            int(np.median(year[objects.image == label])),
            _usual(quadrant[objects.image == label]),
            int(false),
        )
        for label, false in zip(objects.labels, objects.false, strict=True)
    ]
    return _Trial(
        setting=setting,
        pixels=table,
        openings=np.array(rows, dtype=np.int64).reshape(-1, 6),
        objects=np.array(drawn, dtype=np.int64).reshape(-1, 3),
    )


def _quadrants(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Say in which quadrant each pixel lies, by its number, shape (y, x)."""
    rows, cols = np.indices(shape[:2])
    south, east = rows >= shape[0] // 2, cols >= shape[1] // 2
    return np.asarray(2 * south + east, dtype=np.int64)


def _usual(values: NDArray[np.int64]) -> int:
    """Give the most frequent value."""
    return int(np.bincount(values.ravel()).argmax())


def _part(
    table: NDArray[np.int64], year: int, quadrant: int, *, judged: bool
) -> NDArray[np.int64]:
    """Take the rows of a year and quadrant, or those of neither."""
    if judged:
        chosen = (table[:, 0] == year) & (table[:, 1] == quadrant)
    else:
        chosen = (table[:, 0] != year) & (table[:, 1] != quadrant)
    return np.asarray(table[chosen], dtype=np.int64)


def _point(trial: _Trial) -> Point:
    """Sum what a setting did on everything."""
    right, false, missed = trial.pixels[:, 2:].sum(axis=0)
    late = trial.openings[trial.openings[:, 3] > 0]
    return Point(
        setting=trial.setting,
        precision=share_of(right, right + false),
        recall=share_of(right, right + missed),
        f1=f1_of(right, false, missed),
        openings_found=int(trial.openings[:, 2].sum()),
        false_objects=int(trial.objects[:, 2].sum()),
        delay_looks=float(np.median(late[:, 4])) if len(late) else None,
    )
