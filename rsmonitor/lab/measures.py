"""How good a detection is: pixels, objects, delay and false alarms, with intervals.

An alarm counts only if it was raised after the last day on which the reference knows
the ground unchanged. An alarm raised before is false, and since detectors raise one
alarm a pixel, the change that came later is missed as well. `Score.f1_any_day` says
what it would be if the day did not matter.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, stats

from rsmonitor.errors import ContractError
from rsmonitor.lab.detector import EPOCH, Detection, index_values
from rsmonitor.lab.series import Series, Truth
from rsmonitor.records.parameters import ClearParameters, EvidenceParameters
from rsmonitor.stages.history import DAYS_PER_YEAR
from rsmonitor.stages.indices import available

Interval = tuple[float, float]

MIN_PIXELS: Final = 4
"""Connected pixels below which neither an opening nor an object is counted."""
BLOCK_M: Final = 200.0
"""Length of the blocks that are drawn again: what lies closer is not independent."""
DRAWS: Final = 2000
"""Samples of a bootstrap."""
LEAST_UNITS: Final = 8
"""With fewer blocks or openings a bootstrap says nothing."""
CLEAR_SHARE: Final = 0.5
"""Share of an opening that a look must show to be a look at it."""
HALF_YEAR: Final = 6
"""Months of the dry season, and of the wet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """How late openings were confirmed, from the first look that shows them."""

    openings: int
    """Openings whose start is known and that were confirmed."""

    looks: float | None
    """Median, in clear looks of the opening's own pixels; negative where an opening was
    confirmed between the last look that knows it closed and the first that shows it."""

    looks_interval: Interval | None
    """95 % bootstrap interval of the median."""

    days: float | None
    """Median, days."""

    days_interval: Interval | None
    """95 % bootstrap interval of the median."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What one detector reached on one series."""

    detector: str
    """Its name."""

    series: str
    """Name of the series."""

    pixels_opened: int
    """Pixels that the reference calls opened."""

    precision: float | None
    """Share of alarmed pixels that are right; None without any."""

    recall: float | None
    """Share of opened pixels that were found; None without any."""

    f1: float | None
    """Harmonic mean of the two; None where nothing opened."""

    precision_interval: Interval | None
    """95 % bootstrap interval over blocks."""

    recall_interval: Interval | None
    """95 % bootstrap interval over blocks."""

    f1_interval: Interval | None
    """95 % bootstrap interval over blocks."""

    f1_any_day: float | None
    """F1 if an alarm before the change also counted."""

    openings: int
    """Openings of `MIN_PIXELS` and more."""

    openings_found: int
    """Those with at least one pixel that was found."""

    openings_premature: int
    """Those not found, in which an alarm was raised before they began."""

    objects: int
    """Objects drawn."""

    objects_right: int
    """Objects of whose counted pixels at least half are right."""

    false_objects: int
    """Objects that hold no right pixel and none that is not counted."""

    object_precision: float | None
    """Share of the objects with a counted pixel that are right."""

    object_recall: float | None
    """Share of the openings found."""

    object_f1: float | None
    """Harmonic mean of the two."""

    object_f1_interval: Interval | None
    """95 % bootstrap interval over blocks."""

    exposure_km2_years: float
    """Unchanged ground that was monitored, times how long."""

    false_upper95_per_100km2_year: float | None
    """Exact upper 95 % limit of the rate of false objects; None without exposure."""

    monitored: float
    """Share of pixels that the detector could judge."""

    delay: Delay
    """Of all openings."""

    delay_dry: Delay
    """Of openings that began in the dry season, see `dry_months`, as far as the middle
    of the interval in which they began tells."""

    delay_wet: Delay
    """Of the others."""


def least_pixels(series: Series) -> int:
    """
    Give the least size of an opening or object.

    Parameters
    ----------
    series : Series
        The series.

    Returns
    -------
    int
        `MIN_PIXELS`, or 1 where each pixel is a place of its own.
    """
    return MIN_PIXELS if series.connected else 1


def f1_of(right: float, false: float, missed: float) -> float | None:
    """
    Compute F1, the harmonic mean of precision and recall.

    Parameters
    ----------
    right : float
        What was found and is there.
    false : float
        What was found and is not there.
    missed : float
        What is there and was not found.

    Returns
    -------
    float or None
        From 0 to 1; None if there is nothing at all.

    Examples
    --------
    >>> f1_of(9, 1, 2)
    0.8571428571428571
    """
    return share_of(2 * right, 2 * right + false + missed)


def share_of(part: float, whole: float) -> float | None:
    """
    Divide, where there is something to divide by.

    Parameters
    ----------
    part : float
        Numerator.
    whole : float
        Denominator.

    Returns
    -------
    float or None
        None if `whole` is not positive.

    Examples
    --------
    >>> share_of(1, 4), share_of(0, 0)
    (0.25, None)
    """
    return float(part / whole) if whole > 0 else None


def poisson_upper(events: int, exposure: float, *, confidence: float = 0.95) -> float:
    r"""
    Give the exact upper limit of a rate of which some events were seen.

    Parameters
    ----------
    events : int
        Events seen, 0 or more.
    exposure : float
        How much was watched, such as km2 times years; positive.
    confidence : float, default 0.95
        One-sided.

    Returns
    -------
    float
        Events per unit of exposure.

    Raises
    ------
    ContractError
        If a number is out of its range.

    Notes
    -----
    The rate at which as few events would be seen in only ``1 - confidence`` of all
    cases [1]_:

    .. math:: \chi^2_{2 (n + 1)}(c) / 2 E

    References
    ----------
    .. [1] Garwood, F. (1936), "Fiducial limits for the Poisson distribution",
       Biometrika 28, 437-442. doi:10.1093/biomet/28.3-4.437

    Examples
    --------
    >>> round(poisson_upper(0, 1.0), 3)
    2.996
    """
    if events < 0 or not exposure > 0 or not 0 < confidence < 1:
        raise ContractError(
            f"no limit of {events} events in exposure {exposure} at {confidence}"
        )
    return float(stats.chi2.ppf(confidence, 2 * (events + 1)) / 2 / exposure)


def bootstrap(
    units: NDArray[np.floating] | NDArray[np.integer],
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    random: np.random.Generator,
) -> Interval | None:
    """
    Give the 95 % percentile interval of a statistic over units drawn again.

    Parameters
    ----------
    units : ndarray, shape (unit, ...)
        What is drawn with replacement: blocks, or openings.
    statistic : callable
        Takes samples, shape (draw, unit, ...), gives one number each, NaN where it is
        not defined.
    random : numpy.random.Generator
        Chance.

    Returns
    -------
    tuple of float or None
        Low and high; None with fewer units than `LEAST_UNITS`.
    """
    n = len(units)
    if n < LEAST_UNITS:
        return None
    drawn = np.asarray(units, dtype=np.float64)[random.integers(n, size=(DRAWS, n))]
    values = statistic(drawn)
    values = values[np.isfinite(values)]
    if values.size == 0:
        return None
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)


def clear_looks(series: Series) -> NDArray[np.bool_]:
    """
    Say which pixels each look shows, as our detector counts it.

    Parameters
    ----------
    series : Series
        The looks.

    Returns
    -------
    ndarray of bool, shape (time, y, x)
        True where the ground was seen.
    """
    names = available(EvidenceParameters().indices, series.bands)
    values = index_values(series, names, clear=ClearParameters())
    return np.asarray(np.isfinite(values).all(axis=1), dtype=np.bool_)


def dry_months(
    days: NDArray[np.int64], clear_share: NDArray[np.floating]
) -> frozenset[int]:
    """
    Find the half year of a place in which the ground is seen most often.

    It is called its dry season, the other its wet season, so that the same rule serves
    monsoon and temperate places.

    Parameters
    ----------
    days : ndarray of int64, shape (time,)
        Looks, days since 1970-01-01.
    clear_share : ndarray of float, shape (time,)
        Share of the place that each look showed.

    Returns
    -------
    frozenset of int
        Six months in a row, 1 to 12.

    Examples
    --------
    >>> days = np.arange(365)
    >>> sorted(dry_months(days, (days < 90).astype(float)))
    [1, 2, 3, 4, 11, 12]
    """
    month = np.array([(EPOCH + timedelta(days=int(d))).month for d in days], np.int64)
    seen = np.bincount(month, weights=clear_share, minlength=13)[1:]
    halves = [[(start + step) % 12 for step in range(HALF_YEAR)] for start in range(12)]
    # of equal halves the one in whose middle months more is seen
    best = max(halves, key=lambda half: (seen[half].sum(), seen[half[2:4]].sum()))
    return frozenset(month + 1 for month in best)


def opening_labels(series: Series) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """
    Label the openings of a reference.

    Parameters
    ----------
    series : Series
        With its truth.

    Returns
    -------
    labels : ndarray of int32, shape (y, x)
        0 where nothing opened; 4-connected, or one a pixel where pixels are places of
        their own.
    counted : ndarray of int64, shape (opening,)
        Labels of the openings that are large enough to be counted.
    """
    opened = series.truth == Truth.OPENED
    labels = _labels(opened, connected=series.connected)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return labels, np.flatnonzero(sizes >= least_pixels(series))


def score(
    series: Series,
    detection: Detection,
    *,
    random: np.random.Generator,
    clear: NDArray[np.bool_] | None = None,
    inside: NDArray[np.bool_] | None = None,
) -> Score:
    """
    Hold a detection against the reference of its series.

    Parameters
    ----------
    series : Series
        With its truth.
    detection : Detection
        What a detector said.
    random : numpy.random.Generator
        Chance, for the intervals.
    clear : ndarray of bool, shape (time, y, x), optional
        What each look showed; default: `clear_looks`.
    inside : ndarray of bool, shape (y, x), optional
        Where pixels count; openings and objects count where most of them does.

    Returns
    -------
    Score
        All measures.

    Raises
    ------
    ContractError
        If the detection has another shape than the series.
    """
    within = np.ones(series.truth.shape, np.bool_) if inside is None else inside
    seen = clear_looks(series) if clear is None else clear
    pixels = Pixels.of(series, detection, within)
    openings = Openings.of(series, pixels, within)
    objects = Objects.of(series, pixels, within)
    blocks = _block_sums(series, pixels, openings, objects)
    right, false, missed = blocks[:, :3].sum(axis=0)
    any_right = int((pixels.drawn & pixels.opened).sum())
    any_false = int((pixels.drawn & pixels.unchanged).sum())
    any_missed = int((~pixels.drawn & pixels.opened).sum())
    years = (int(series.days[-1]) - series.history_until) / DAYS_PER_YEAR
    watched = int((pixels.unchanged & detection.monitored).sum())
    exposure = watched * series.pixel_m**2 / 1e6 * years
    false_objects = int(objects.false.sum())
    found = int(openings.found.sum())
    object_precision = share_of(objects.right.sum(), objects.judged.sum())
    object_recall = share_of(found, len(openings.labels))
    starts = Starts.of(series, pixels, openings, seen)
    dry = starts.begins_in(dry_months(series.days, seen.mean(axis=(1, 2))))
    opened = int(pixels.opened.sum())
    return Score(
        detector=detection.detector,
        series=series.name,
        pixels_opened=opened,
        precision=share_of(right, right + false),
        recall=share_of(right, right + missed),
        f1=f1_of(right, false, missed) if opened else None,
        precision_interval=bootstrap(blocks, _ratio((0,), (0, 1)), random),
        recall_interval=bootstrap(blocks, _ratio((0,), (0, 2)), random),
        f1_interval=(
            bootstrap(blocks, _ratio((0, 0), (0, 0, 1, 2)), random) if opened else None
        ),
        f1_any_day=f1_of(any_right, any_false, any_missed) if opened else None,
        openings=len(openings.labels),
        openings_found=found,
        openings_premature=int(openings.premature.sum()),
        objects=len(objects.labels),
        objects_right=int(objects.right.sum()),
        false_objects=false_objects,
        object_precision=object_precision,
        object_recall=object_recall,
        object_f1=_harmonic(object_precision, object_recall),
        object_f1_interval=bootstrap(blocks, _object_f1, random),
        exposure_km2_years=exposure,
        false_upper95_per_100km2_year=(
            100 * poisson_upper(false_objects, exposure) if exposure > 0 else None
        ),
        monitored=float(detection.monitored[within].mean()),
        delay=starts.delay(np.ones(dry.shape, np.bool_), random),
        delay_dry=starts.delay(dry, random),
        delay_wet=starts.delay(~dry, random),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pixels:
    """Pixels of a detection against the truth; all of shape (y, x)."""

    opened: NDArray[np.bool_]
    """Opened, and counted."""

    unchanged: NDArray[np.bool_]
    """Unchanged, and counted."""

    drawn: NDArray[np.bool_]
    """In an object large enough to be drawn, counted or not."""

    right: NDArray[np.bool_]
    """Drawn, opened, and not alarmed before it began."""

    days: NDArray[np.int64]
    """Day of the alarm, 0 where there is none."""

    @property
    def false(self) -> NDArray[np.bool_]:
        """Drawn and counted, but not right."""
        return self.drawn & (self.unchanged | self.opened) & ~self.right

    @property
    def missed(self) -> NDArray[np.bool_]:
        """Opened, but not found in time."""
        return self.opened & ~self.right

    @classmethod
    def of(
        cls,
        series: Series,
        detection: Detection,
        inside: NDArray[np.bool_] | None = None,
    ) -> "Pixels":
        """
        Hold the pixels of a detection against the truth.

        Parameters
        ----------
        series : Series
            With its truth.
        detection : Detection
            What a detector said.
        inside : ndarray of bool, shape (y, x), optional
            Where pixels count; default: everywhere.

        Returns
        -------
        Pixels
            What is right, false and missed.

        Raises
        ------
        ContractError
            If the detection has another shape than the series.
        """
        if detection.confirmed.shape != series.truth.shape:
            raise ContractError(
                f"{detection.detector}: shape {detection.confirmed.shape} is not that "
                f"of series {series.name}, {series.truth.shape}"
            )
        if inside is None:
            inside = np.ones(series.truth.shape, np.bool_)
        drawn = detection.objects(least_pixels(series))
        opened = (series.truth == Truth.OPENED) & inside
        # a pixel that is drawn because its neighbours were confirmed has no day
        early = (detection.confirmed > 0) & (detection.confirmed <= series.began_after)
        return cls(
            opened=opened,
            unchanged=(series.truth == Truth.UNCHANGED) & inside,
            drawn=drawn,
            right=drawn & opened & ~early,
            days=detection.confirmed,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Openings:
    """Openings of the reference that are counted."""

    image: NDArray[np.int32]
    """Labels, shape (y, x)."""

    labels: NDArray[np.int64]
    """Those that are counted, shape (opening,)."""

    found: NDArray[np.bool_]
    """At least one pixel is right, shape (opening,)."""

    premature: NDArray[np.bool_]
    """Not found, but alarmed before it began, shape (opening,)."""

    @classmethod
    def of(
        cls,
        series: Series,
        pixels: Pixels,
        inside: NDArray[np.bool_],
    ) -> "Openings":
        """
        Say which openings were found.

        Parameters
        ----------
        series : Series
            With its truth.
        pixels : Pixels
            Of a detection.
        inside : ndarray of bool, shape (y, x)
            Openings count that lie mostly there.

        Returns
        -------
        Openings
            Found, missed or premature.
        """
        image, labels = opening_labels(series)
        labels = labels[_mostly(image, labels, inside)]
        found = _any(image, labels, pixels.right)
        return cls(
            image=image,
            labels=labels,
            found=found,
            premature=_any(image, labels, pixels.drawn) & ~found,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Objects:
    """Objects that were drawn."""

    image: NDArray[np.int32]
    """Labels, shape (y, x)."""

    labels: NDArray[np.int64]
    """Of the objects, shape (object,)."""

    judged: NDArray[np.bool_]
    """Holds a pixel that counts, shape (object,)."""

    right: NDArray[np.bool_]
    """At least half of the pixels that count are right, shape (object,)."""

    false: NDArray[np.bool_]
    """All its pixels count, and none is right, shape (object,)."""

    @classmethod
    def of(
        cls,
        series: Series,
        pixels: Pixels,
        inside: NDArray[np.bool_],
    ) -> "Objects":
        """
        Say which objects are right.

        Parameters
        ----------
        series : Series
            With its truth.
        pixels : Pixels
            Of a detection.
        inside : ndarray of bool, shape (y, x)
            Objects count that lie mostly there.

        Returns
        -------
        Objects
            Right, false, or neither.
        """
        image = _labels(pixels.drawn, connected=series.connected)
        labels = np.arange(1, int(image.max()) + 1)
        labels = labels[_mostly(image, labels, inside)]
        uncounted = _any(image, labels, series.truth == Truth.NOT_COUNTED)
        right = _count(image, labels, pixels.right)
        counted = _count(image, labels, pixels.opened | pixels.unchanged)
        return cls(
            image=image,
            labels=labels,
            judged=counted > 0,
            right=(counted > 0) & (2 * right >= counted),
            false=(right == 0) & ~uncounted & (counted > 0),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Starts:
    """Openings whose start is known and that were confirmed, and how late."""

    middle: NDArray[np.int64]
    """Day halfway between the last look that knows it closed and the first that shows
    it: the best guess of its season; shape (opening,)."""

    looks: NDArray[np.int64]
    """Clear looks from the first that shows it to its confirmation, same shape."""

    days: NDArray[np.int64]
    """Days between the same, same shape."""

    @classmethod
    def of(
        cls,
        series: Series,
        pixels: Pixels,
        openings: Openings,
        seen: NDArray[np.bool_],
    ) -> "Starts":
        """
        Count the looks of each opening from its start to its confirmation.

        Parameters
        ----------
        series : Series
            With its truth.
        pixels : Pixels
            Of a detection.
        openings : Openings
            Of the same.
        seen : ndarray of bool, shape (time, y, x)
            What each look showed.

        Returns
        -------
        Starts
            Of the openings whose start is known and that were confirmed.
        """
        rows = []
        for label in openings.labels:
            place = openings.image == label
            alarms = np.sort(pixels.days[place & pixels.right & (pixels.days > 0)])
            known = series.began_by[place & (series.began_by > 0)]
            # an opening is confirmed when enough of its pixels are
            least = least_pixels(series)
            if alarms.size < least or known.size == 0:
                continue
            confirmed, start = int(alarms[least - 1]), int(np.median(known))
            before_it = series.began_after[place & (series.began_after > 0)]
            earliest = int(np.median(before_it)) if before_it.size else start
            looks = series.days[seen[:, place].mean(axis=1) >= CLEAR_SHARE]
            after = ((looks > start) & (looks <= confirmed)).sum()
            before = ((looks > confirmed) & (looks <= start)).sum()
            rows.append(
                (
                    (earliest + start) // 2,
                    int(after) - int(before),
                    confirmed - start,
                )
            )
        table = np.array(rows, dtype=np.int64).reshape(-1, 3)
        return cls(middle=table[:, 0], looks=table[:, 1], days=table[:, 2])

    def begins_in(self, months: frozenset[int]) -> NDArray[np.bool_]:
        """
        Say which began in some months.

        Parameters
        ----------
        months : frozenset of int
            1 to 12.

        Returns
        -------
        ndarray of bool, shape (opening,)
            By the middle of the interval.
        """
        began: list[date] = [EPOCH + timedelta(days=int(d)) for d in self.middle]
        return np.array([day.month in months for day in began], dtype=np.bool_)

    def delay(self, chosen: NDArray[np.bool_], random: np.random.Generator) -> Delay:
        """
        Give the medians of some of them.

        Parameters
        ----------
        chosen : ndarray of bool, shape (opening,)
            Which.
        random : numpy.random.Generator
            Chance, for the intervals.

        Returns
        -------
        Delay
            Medians with intervals.
        """
        looks, days = self.looks[chosen], self.days[chosen]
        some = looks.size > 0
        return Delay(
            openings=int(looks.size),
            looks=float(np.median(looks)) if some else None,
            looks_interval=bootstrap(looks, _medians, random),
            days=float(np.median(days)) if some else None,
            days_interval=bootstrap(days, _medians, random),
        )


def _block_sums(
    series: Series, pixels: Pixels, openings: Openings, objects: Objects
) -> NDArray[np.float64]:
    """Sum counts by block, so that blocks can be drawn again; shape (block, 7)."""
    height, width = series.truth.shape
    step = max(1, round(BLOCK_M / series.pixel_m)) if series.connected else 1
    rows, cols = np.mgrid[:height, :width]
    block = rows // step * -(-width // step) + cols // step
    n = int(block.max()) + 1
    layers = (pixels.right, pixels.false, pixels.missed)
    sums = np.zeros((n, 7))
    for column, layer in enumerate(layers):
        sums[:, column] = np.bincount(block[layer], minlength=n)
    for column, image, labels, value in (
        (3, openings.image, openings.labels, openings.found),
        (4, openings.image, openings.labels, np.ones_like(openings.found)),
        (5, objects.image, objects.labels, objects.right),
        (6, objects.image, objects.labels, objects.judged),
    ):
        if labels.size:
            middle = np.rint(ndimage.center_of_mass(image > 0, image, labels))
            y, x = middle.astype(np.int64).T
            np.add.at(sums[:, column], block[y, x], value)
    counted = np.bincount(
        block.ravel(), (pixels.opened | pixels.unchanged).ravel(), minlength=n
    )
    return sums[(counted > 0) | (sums > 0).any(axis=1)]


def _ratio(
    above: tuple[int, ...], below: tuple[int, ...]
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Make a statistic: sums of some columns over sums of others."""

    def statistic(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
        sums = drawn.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(
                sums[:, above].sum(axis=1) / sums[:, below].sum(axis=1),
                dtype=np.float64,
            )

    return statistic


def _object_f1(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute F1 of objects from sums of blocks."""
    found, openings, right, objects = drawn.sum(axis=1)[:, 3:].T
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = right / objects, found / openings
        return np.asarray(2 * precision * recall / (precision + recall))


def _medians(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the median of each sample."""
    return np.asarray(np.median(drawn, axis=1), dtype=np.float64)


def _harmonic(a: float | None, b: float | None) -> float | None:
    """Compute a harmonic mean, where both are known."""
    if a is None or b is None:
        return None
    return share_of(2 * a * b, a + b) or 0.0


def _labels(chosen: NDArray[np.bool_], *, connected: bool) -> NDArray[np.int32]:
    """Label 4-connected pixels, or each by itself."""
    if connected:
        labels: NDArray[np.int32] = ndimage.label(chosen)[0]
        return labels
    return np.where(chosen, np.cumsum(chosen).reshape(chosen.shape), 0).astype(np.int32)


def _count(
    image: NDArray[np.int32], labels: NDArray[np.int64], chosen: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Count chosen pixels of each label."""
    counts = np.bincount(image[chosen], minlength=int(image.max()) + 1)
    return np.asarray(counts[labels], dtype=np.int64)


def _any(
    image: NDArray[np.int32], labels: NDArray[np.int64], chosen: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Say which labels hold a chosen pixel."""
    return _count(image, labels, chosen) > 0


def _mostly(
    image: NDArray[np.int32], labels: NDArray[np.int64], inside: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Say which labels lie mostly inside."""
    whole = _count(image, labels, np.ones(image.shape, np.bool_))
    return 2 * _count(image, labels, inside) > whole
