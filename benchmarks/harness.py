"""Two ways to do one thing, timed in turns: a ratio of CPU time with an interval.

The machine is shared, so seconds mean little and wall time less. What is compared is
the CPU time of the process (and of its children, when asked), in interleaved pairs
after a warm-up; of the ratios of the pairs the median counts, and a target is met when
the far end of its 95 % bootstrap interval meets it.
"""

import gc
import math
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np
import rasterio

PAIRS: Final = 11
"""Pairs of a comparison, unless told otherwise: odd, so that one pair is the median."""

WARM_UP: Final = 1
"""Runs of each side before the first pair: compiling, caches of files and of memory."""

DRAWS: Final = 10_000
"""Samples of the bootstrap."""

SEED: Final = 0

PACKAGES: Final = ("numpy", "numba", "rasterio", "scipy")
"""Whose versions stand beside the figures."""

HEADINGS: Final = ("what", "against", "ratio (95 %)", "target", "met", "pairs", "CPU s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where and when something was measured."""

    cpu: str
    """Model of the processor."""

    cores: int
    """Processors that this process may use."""

    memory_gib: float
    """Memory of the machine, GiB."""

    system: str
    """Kernel and its version."""

    python: str
    """Version of Python."""

    gdal: str
    """Version of GDAL, as rasterio brings it."""

    packages: tuple[tuple[str, str], ...]
    """Names and versions of `PACKAGES`; ``-`` for one that is not installed."""

    measured_on: date
    """Day, UTC."""

    def sentence(self) -> str:
        """
        Say it in one line.

        Returns
        -------
        str
            For the head of a table.
        """
        packages = ", ".join(f"{name} {version}" for name, version in self.packages)
        return (
            f"{self.measured_on.isoformat()}, {self.cpu}, {self.cores} cores, "
            f"{self.memory_gib:.0f} GiB, {self.system}, Python {self.python}, "
            f"{packages}, GDAL {self.gdal}"
        )

    def as_dict(self) -> dict[str, Any]:
        """
        Give what JSON can hold.

        Returns
        -------
        dict
            By field.
        """
        return {
            **asdict(self),
            "packages": dict(self.packages),
            "measured_on": self.measured_on.isoformat(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A comparison: how often the CPU time of theirs ours takes."""

    what: str
    """What was done."""

    against: str
    """What it is compared with."""

    ours: tuple[float, ...]
    """CPU seconds of our runs."""

    theirs: tuple[float, ...]
    """CPU seconds of theirs, in the order of `ours`."""

    median: float
    """Median of the ratios ours / theirs."""

    low: float
    """Lower end of its 95 % interval."""

    high: float
    """Upper end of its 95 % interval."""

    target: float | None = None
    """Most that the ratio may be; None where there is nothing to meet."""

    inverted: bool = False
    """True if tables say theirs / ours: 'eight times less' reads better than 0.125."""

    @property
    def met(self) -> bool | None:
        """True if the upper end of the interval meets the target; None without one."""
        return None if self.target is None else self.high <= self.target

    def shown(self) -> tuple[float, float, float]:
        """
        Give median and interval as tables say them.

        Returns
        -------
        median, low, high : float
            Of theirs / ours if `inverted`, else of ours / theirs.
        """
        if self.inverted:
            return 1 / self.median, 1 / self.high, 1 / self.low
        return self.median, self.low, self.high

    def cells(self) -> tuple[str, ...]:
        """
        Give one row of a table.

        Returns
        -------
        tuple of str
            In the order of `HEADINGS`.
        """
        median, low, high = self.shown()
        goal = "-"
        if self.target is not None:
            goal = (
                f">= {1 / self.target:.4g}" if self.inverted else f"<= {self.target:g}"
            )
        spent = [statistics.median(side) for side in (self.ours, self.theirs)]
        return (
            self.what,
            self.against,
            f"{median:.3g} ({low:.3g} to {high:.3g})",
            goal,
            {True: "yes", False: "no", None: "-"}[self.met],
            str(len(self.ours)),
            f"{spent[0]:.3g} / {spent[1]:.3g}",
        )

    def as_dict(self) -> dict[str, Any]:
        """
        Give what JSON can hold.

        Returns
        -------
        dict
            By field, and `met`.
        """
        return {**asdict(self), "met": self.met}


def compare(  # noqa: PLR0913 - a measurement says how it was taken, all by keyword
    what: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    *,
    against: str,
    target: float | None = None,
    inverted: bool = False,
    pairs: int = PAIRS,
    warm_up: int = WARM_UP,
    before_each: Callable[[], object] | None = None,
    clock: Callable[[], float] = time.process_time,
) -> Measurement:
    """
    Time two functions in turns.

    Which of the two goes first changes from pair to pair, so that what the first leaves
    in the caches serves both.

    Parameters
    ----------
    what : str
        What is done.
    ours, theirs : callable
        Take nothing; what they return is let go of.
    against : str
        What `theirs` is.
    target : float, optional
        Most that ours / theirs may be.
    inverted : bool, default False
        True if tables say theirs / ours.
    pairs : int, default 11
        Pairs that count.
    warm_up : int, default 1
        Runs of each before the first pair.
    before_each : callable, optional
        Called before every run, outside the time.
    clock : callable, default time.process_time
        Gives CPU seconds; `cpu_with_children` counts children too.

    Returns
    -------
    Measurement
        Ratios, interval and verdict.

    Raises
    ------
    ValueError
        If there are no pairs, or a run took no time that the clock can show.
    """
    if pairs < 1:
        raise ValueError(f"a comparison needs a pair at least, got {pairs}")
    prepare = before_each or _nothing
    for _ in range(warm_up):
        for run in (ours, theirs):
            prepare()
            run()
    times: dict[bool, list[float]] = {True: [], False: []}
    for pair in range(pairs):
        for mine in (True, False) if pair % 2 == 0 else (False, True):
            prepare()
            gc.collect()
            begun = clock()
            result = (ours if mine else theirs)()
            times[mine].append(clock() - begun)
            del result
    return measured(
        what,
        times[True],
        times[False],
        against=against,
        target=target,
        inverted=inverted,
    )


def measured(
    what: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    *,
    against: str,
    target: float | None = None,
    inverted: bool = False,
) -> Measurement:
    """
    Judge pairs of times that were taken elsewhere, for instance in processes.

    Parameters
    ----------
    what : str
        What was done.
    ours, theirs : sequence of float
        CPU seconds; the runs of a pair stand at the same place.
    against : str
        What `theirs` is.
    target : float, optional
        Most that ours / theirs may be.
    inverted : bool, default False
        True if tables say theirs / ours.

    Returns
    -------
    Measurement
        Ratios, interval and verdict.

    Raises
    ------
    ValueError
        If there are no pairs, or a time is not positive.
    """
    if not ours or len(ours) != len(theirs):
        raise ValueError(f"{len(ours)} and {len(theirs)} times are no pairs")
    if min(*ours, *theirs) <= 0:
        raise ValueError(
            f"{what}: a run took no time that the clock can show; let it do more"
        )
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    low, high = interval(ratios)
    return Measurement(
        what=what,
        against=against,
        ours=tuple(ours),
        theirs=tuple(theirs),
        median=statistics.median(ratios),
        low=low,
        high=high,
        target=target,
        inverted=inverted,
    )


def interval(values: Sequence[float]) -> tuple[float, float]:
    """
    Give the 95 % bootstrap interval of a median.

    Parameters
    ----------
    values : sequence of float
        At least one.

    Returns
    -------
    low, high : float
        The same for the same values: the draws are seeded. Of few values it is the
        smallest and the largest.
    """
    draws = np.random.default_rng(SEED).choice(np.asarray(values), (DRAWS, len(values)))
    medians = np.median(draws, axis=1)
    # a quantile that is one of the medians: what lies between two was never drawn
    low, high = np.quantile(medians, (0.025, 0.975), method="nearest")
    return float(low), float(high)


def cpu_with_children() -> float:
    """
    Give the CPU time of this process and of all children that have ended.

    Returns
    -------
    float
        Seconds, of user and system. Of children that still run nothing is known: wait
        for them before the clock is read.
    """
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def peak_bytes() -> int:
    """
    Give the most memory that this process ever held.

    Returns
    -------
    int
        Bytes resident, files that are mapped included.

    Raises
    ------
    OSError
        If the system does not say; Linux does.
    """
    # `ru_maxrss` would count what the parent held before it started this process
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status has no VmHWM")


def machine() -> Machine:
    """
    Look where this runs.

    Returns
    -------
    Machine
        Today.
    """
    pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return Machine(
        cpu=_cpu_model(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(pages * page / 2**30, 1),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        gdal=rasterio.__gdal_version__,
        packages=tuple((name, _version(name)) for name in PACKAGES),
        measured_on=datetime.now(UTC).date(),
    )


def table(measurements: Sequence[Measurement], *, markdown: bool = False) -> str:
    """
    Write measurements as a table.

    Parameters
    ----------
    measurements : sequence of Measurement
        One row each.
    markdown : bool, default False
        True for a document, else columns for a terminal.

    Returns
    -------
    str
        Lines, the last one ended.
    """
    rows = [HEADINGS, *(measurement.cells() for measurement in measurements)]
    if markdown:
        rows.insert(1, ("---",) * len(HEADINGS))
        return "".join(f"| {' | '.join(row)} |\n" for row in rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "".join(
        "  ".join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        + "\n"
        for row in rows
    )


def figure(value: float, digits: int = 3) -> str:
    """
    Write a number with so many digits that mean something.

    Parameters
    ----------
    value : float
        Any; what is not finite is a dash.
    digits : int, default 3
        Digits that mean something.

    Returns
    -------
    str
        With commas between thousands and no exponent.

    Examples
    --------
    >>> figure(1234567.0), figure(0.012345)
    ('1,230,000', '0.0123')
    """
    if not math.isfinite(value):
        return "-"
    if value == 0:
        return "0"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{round(value, places):,.{max(places, 0)}f}"


def _cpu_model() -> str:
    """Give the processor's name, or its kind where the system does not say."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    for line in text.splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(package: str) -> str:
    """Give the version of a package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "-"


def _nothing() -> None:
    """Prepare nothing."""
