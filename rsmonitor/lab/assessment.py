"""Every detector on every series: one table, with what was not run and why."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import rsmonitor
from rsmonitor.errors import HistoryError, SourceError, SourceUnreachableError
from rsmonitor.interfaces import Progress
from rsmonitor.lab.datasets import DATASETS, Dataset, Places
from rsmonitor.lab.detector import EPOCH, Detection, detect
from rsmonitor.lab.measures import Delay, Score, clear_looks, score
from rsmonitor.lab.peers import PEERS, Peer, knows_seasons
from rsmonitor.lab.series import Series
from rsmonitor.records.parameters import HistoryParameters

OURS: Final = "rsmonitor"
"""Name of our detector."""
DETECTORS: Final = (OURS, *PEERS)
"""Names of all detectors."""
SEED: Final = 20_240_315
"""Of the chance in bootstraps, so that the table is the same every time."""
SHORT_LOOKS: Final = 5
"""Looks that a reference needs where no season is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One detector on one series."""

    detector: str
    """Name."""

    version: str | None
    """Version of the package that ran; None if none did."""

    settings: str
    """What it ran with."""

    series: str
    """Name."""

    truth: str
    """What the reference of the series is worth."""

    seconds: float | None
    """How long the detector took."""

    score: Score | None
    """What it reached; None if it was not run."""

    not_run: str | None
    """Why it was not run, beginning with ``not run:``."""

    missing: bool = False
    """True if it was not run because a package or a file is not there."""

    def as_json(self) -> dict[str, Any]:
        """
        Give the row as `rsmonitor assess peers --json` prints it.

        Returns
        -------
        dict
            Numbers, None where something is not known.
        """
        head: dict[str, Any] = {
            "detector": self.detector,
            "series": self.series,
            "precision": None,
            "recall": None,
            "f1": None,
            "openings_found": None,
            "openings": None,
            "false_objects": None,
            "exposure_km2_years": None,
            "false_upper95_per_100km2_year": None,
            "delay_looks": None,
            "delay_days": None,
            "version": self.version,
            "settings": self.settings,
            "truth": self.truth,
            "seconds": self.seconds,
            "not_run": self.not_run,
        }
        if self.score is None:
            return head
        flat = asdict(self.score)
        flat.pop("delay")
        whole = self.score.delay
        return {
            **head,
            **{key: value for key, value in flat.items() if key in head},
            "delay_looks": whole.looks,
            "delay_days": whole.days,
            **{key: value for key, value in flat.items() if key not in head},
            "delays_known": whole.openings,
            "delay_looks_interval": whole.looks_interval,
            "delay_days_interval": whole.days_interval,
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Assessment:
    """The table, and what pictures of it are made of."""

    rows: tuple[Row, ...]
    """In the order of series, then detectors."""

    series: Mapping[str, Series]
    """Those that could be read, by name."""

    detections: Mapping[tuple[str, str], Detection]
    """By names of series and detector."""


def ours(series: Series, progress: Progress) -> Detection:
    """
    Run our detector as it ships; without a known season, on a mean alone, as peers do.

    Parameters
    ----------
    series : Series
        The looks.
    progress : Progress
        Who watches.

    Returns
    -------
    Detection
        What it said.

    Raises
    ------
    HistoryError
        If the history does not suffice.
    """
    progress(f"{OURS} on {series.name}", 0, 1)
    return detect(series, history=history_of(series))


def history_of(series: Series) -> HistoryParameters:
    """
    Say how our reference is fitted on a series.

    Parameters
    ----------
    series : Series
        The looks.

    Returns
    -------
    HistoryParameters
        The defaults, or no season and few looks where the history is short.
    """
    until = EPOCH + timedelta(days=series.history_until)
    if knows_seasons(series):
        return HistoryParameters(until=until)
    return HistoryParameters(until=until, harmonics=0, min_looks=SHORT_LOOKS)


def assess_peers(
    places: Places,
    *,
    series: Sequence[str],
    detectors: Sequence[str],
    progress: Progress,
) -> Assessment:
    """
    Hold detectors against series.

    Parameters
    ----------
    places : Places
        Where data lies that no package brings.
    series : sequence of str
        Names in `rsmonitor.lab.datasets.DATASETS`; empty: all.
    detectors : sequence of str
        Names in `DETECTORS`; empty: all.
    progress : Progress
        Who watches.

    Returns
    -------
    Assessment
        A row for every pair; what could not be run says why.

    Raises
    ------
    SourceError
        If a name is not known.
    """
    wanted = _chosen(series, DATASETS, "series")
    runs = _chosen(detectors, DETECTORS, "detector")
    rows: list[Row] = []
    read: dict[str, Series] = {}
    found: dict[tuple[str, str], Detection] = {}
    for name in wanted:
        dataset = DATASETS[name]
        known = _load(dataset, places)
        if isinstance(known, SourceError):
            rows += [_row(detector, dataset, error=known) for detector in runs]
            continue
        if known is None:
            rows += [_row(detector, dataset) for detector in runs]
            continue
        read[name] = known
        seen = clear_looks(known)
        for detector in runs:
            row, detection = _run(detector, dataset, known, seen, progress)
            rows.append(row)
            if detection is not None:
                found[name, detector] = detection
    return Assessment(rows=tuple(rows), series=read, detections=found)


def table(rows: Sequence[Row]) -> str:
    """
    Write the table of one or more series as Markdown.

    Parameters
    ----------
    rows : sequence of Row
        What to tell.

    Returns
    -------
    str
        One table a series with what its reference is worth above it.
    """
    parts = []
    for name in dict.fromkeys(row.series for row in rows):
        own = [row for row in rows if row.series == name]
        parts.append(f"## {name}\n\n{own[0].truth}\n")
        ran = [row for row in own if row.score is not None]
        if ran:
            parts.append("\n".join([_HEAD, _RULE, *map(_line, ran)]) + "\n")
        reasons: dict[str, list[str]] = {}
        for row in own:
            if row.not_run is not None:
                reasons.setdefault(row.not_run, []).append(row.detector)
        parts += [f"{', '.join(who)}: {why}\n" for why, who in reasons.items()]
    return "\n".join(parts)


_COLUMNS: Final = (
    "detector",
    "precision",
    "recall",
    "F1 (95 %)",
    "F1 of objects",
    "openings found",
    "objects false",
    "false per 100 km² and year, at most",
    "delay, looks (dry; wet)",
    "delay, days (dry; wet)",
    "s",
)
_HEAD: Final = f"| {' | '.join(_COLUMNS)} |"
_RULE: Final = "|---" * len(_COLUMNS) + "|"


def _line(row: Row) -> str:
    """Write one row."""
    s = row.score
    if s is None:
        return ""
    limit = s.false_upper95_per_100km2_year
    cells = (
        s.detector,
        _number(s.precision),
        _number(s.recall),
        _number(s.f1) + _range(s.f1_interval),
        _number(s.object_f1) + _range(s.object_f1_interval),
        f"{s.openings_found} of {s.openings}",
        f"{s.false_objects} of {s.objects}",
        "-" if limit is None else f"{limit:.0f} ({s.exposure_km2_years:.3g} km² a)",
        _delays(s, lambda delay: delay.looks),
        _delays(s, lambda delay: delay.days),
        f"{row.seconds:.1f}",
    )
    return f"| {' | '.join(cells)} |"


def _delays(s: Score, of: Callable[[Delay], float | None]) -> str:
    """Write a delay: of all, and by season."""
    return (
        f"{_plain(of(s.delay))} ({_plain(of(s.delay_dry))}; {_plain(of(s.delay_wet))})"
    )


def _number(value: float | None) -> str:
    """Write a share."""
    return "-" if value is None else f"{value:.3f}"


def _plain(value: float | None) -> str:
    """Write a number of looks or days."""
    return "-" if value is None else f"{value:.0f}"


def _range(interval: tuple[float, float] | None) -> str:
    """Write an interval."""
    return "" if interval is None else f" ({interval[0]:.3f} to {interval[1]:.3f})"


def _chosen(
    names: Sequence[str], known: Sequence[str] | Mapping[str, Any], what: str
) -> list[str]:
    """Give the names asked for, in the order in which they are known."""
    for name in names:
        if name not in known:
            raise SourceError(f"no {what} {name!r}; there are {', '.join(known)}")
    return [name for name in known if not names or name in names]


def _load(dataset: Dataset, places: Places) -> Series | SourceError | None:
    """Read a series, or say why it was not; None if there is nothing to read."""
    if dataset.load is None:
        return None
    try:
        return dataset.load(places)
    except SourceError as error:
        return error


def _run(
    name: str,
    dataset: Dataset,
    series: Series,
    seen: NDArray[np.bool_],
    progress: Progress,
) -> tuple[Row, Detection | None]:
    """Run one detector on one series."""
    peer = PEERS.get(name)
    try:
        version = rsmonitor.__version__ if peer is None else peer.load()
        start = time.perf_counter()
        detection = (ours if peer is None else peer.run)(series, progress)
        seconds = time.perf_counter() - start
    except (HistoryError, SourceError) as error:
        return _row(name, dataset, error=error), None
    result = score(series, detection, random=np.random.default_rng(SEED), clear=seen)
    return (
        _row(name, dataset, version=version, seconds=seconds, result=result),
        detection,
    )


def _row(
    detector: str,
    dataset: Dataset,
    *,
    version: str | None = None,
    seconds: float | None = None,
    result: Score | None = None,
    error: Exception | None = None,
) -> Row:
    """Make a row; without a result it was not run, for an error or want of truth."""
    peer: Peer | None = PEERS.get(detector)
    reason = dataset.truth if error is None else str(error)
    return Row(
        detector=detector,
        version=version,
        settings="as it ships" if peer is None else peer.settings,
        series=dataset.name,
        truth=dataset.truth,
        seconds=None if seconds is None else round(seconds, 2),
        score=result,
        not_run=None if result else f"not run: {reason}",
        missing=isinstance(error, SourceUnreachableError),
    )
