"""What would be found under the clouds of another place: implants and looks joined.

Two things decide whether a dig is found within some weeks: how many clear looks it
takes, and how many there are. The first is measured by implants
(`rsmonitor.lab.detectability`), the second is read from a record of real looks
(`rsmonitor.lab.cloud_records`), day by day, so that a month of rain in one piece counts
as what it is. Joined they say: on which share of all days on which a dig could begin,
and of all implants, is it found in time.

That a clear look there shows as much as one here is assumed, and cannot be tested
without images of there.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rsmonitor.errors import ContractError
from rsmonitor.lab.cloud_records import CloudRecord
from rsmonitor.lab.detectability import SEASONS, Row, Scenario
from rsmonitor.lab.detector import EPOCH
from rsmonitor.lab.implant import Course

WEEKS: Final = (2, 4, 8, 12, 26)
"""Ends at which the probability is told, weeks after a dig begins."""

HORIZON_DAYS: Final = 7 * WEEKS[-1]
"""The longest of them, days."""

LEAST_AT_RISK: Final = 4
"""Implants not found yet, and still looked at, below which a curve says no more."""

DRAWS: Final = 300
"""Times that implants and years are drawn again for an interval."""

SEED: Final = 20_261_130

DAYS_PER_MONTH: Final = 30.44
DAYS_PER_YEAR: Final = 365.25

Curve = NDArray[np.float64]
"""Probability of being found by the k-th clear look, from k = 0 on; never falls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What would be found of one kind of dig under the clouds of one place."""

    place: str
    """Name of the place."""

    scenario: str
    """Name of the scenario."""

    material: str
    """Surface."""

    size_ha: float
    """Hectares."""

    season: str
    """Half year in which it begins, of `SEASONS`: the one in which most is seen there,
    or the other."""

    implants: int
    """Implants that the curve over looks rests on."""

    within: tuple[tuple[int, float, float, float], ...]
    """Weeks, probability of being found within them, and its 95 % interval."""

    half_found_days: int | None
    """Days until half of all are found; None where that takes longer than the longest
    of `WEEKS`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sky:
    """What a record says of the clouds of a place."""

    place: str
    """Name."""

    rests_on: str
    """What it rests on, in words."""

    first: str
    """First day of the record."""

    last: str
    """Last day of it."""

    years: float
    """Years of days on which a dig could begin."""

    looks: int
    """Days with a look."""

    dry_months: tuple[int, ...]
    """The half year in which most is seen, months 1 to 12."""

    clear_by_month: tuple[float | None, ...]
    """Clear looks at a spot in each month of the year, January first; None for months
    that the record does not hold."""

    clear_a_month: dict[str, float]
    """Mean of them in the days after digs begin, by season."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Everything said of some places."""

    evergreen: bool
    """True if digs of both seasons are judged by implants of the clearest half year."""

    skies: tuple[Sky, ...]
    """One for each place."""

    rows: tuple[Limit, ...]
    """One for each place, kind, size and season."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Starts:
    """Days on which digs begin, counted by the clear looks after them."""

    days: NDArray[np.int64]
    """The days."""

    counts: NDArray[np.float64]
    """Starts, shape (weeks, looks)."""

    drawn: NDArray[np.float64]
    """The same with spots and years drawn again, shape (draw, weeks, looks)."""

    @classmethod
    def of(cls, record: CloudRecord, days: NDArray[np.int64]) -> "_Starts":
        """Count starts."""
        looks = np.stack([looks_after(record, days, 7 * weeks) for weeks in WEEKS])
        _, year = np.unique(
            [_day(day).year for day in days.tolist()], return_inverse=True
        )
        shape = (record.clear.shape[0], int(year.max()) + 1, looks.max() + 1)
        spot = np.arange(shape[0])[:, None]
        counts = np.stack(
            [
                np.bincount(
                    np.ravel_multi_index((spot, year, some), shape).ravel(),
                    minlength=math.prod(shape),
                ).reshape(shape)
                for some in looks
            ],
            axis=2,
        ).astype(np.float64)
        random = np.random.default_rng(SEED)
        spots, years = (
            random.multinomial(size, np.full(size, 1 / size), DRAWS)
            for size in shape[:2]
        )
        drawn = np.einsum("ds,dy,sywl->dwl", spots, years, counts, optimize=True)
        return cls(days=days, counts=counts.sum(axis=(0, 1)), drawn=drawn)


def looks_curve(
    to_find: Sequence[int] | NDArray[np.int64],
    in_vain: Sequence[int] | NDArray[np.int64],
) -> Curve:
    """
    Say how likely a dig is found by its k-th clear look.

    Implants that were not found had so many looks and no more, which says nothing of
    later ones: the estimate of Kaplan and Meier.

    Parameters
    ----------
    to_find : sequence of int
        Clear looks that each of those found took.
    in_vain : sequence of int
        Clear looks at each of those not found.

    Returns
    -------
    ndarray of float64, shape (look,)
        From 0 looks on. Once some have left unfound it is constant from where fewer
        than `LEAST_AT_RISK` are at risk.

    Examples
    --------
    >>> looks_curve([2, 2, 3, 3, 3], [1, 1, 4, 4, 4]).round(2).tolist()
    [0.0, 0.0, 0.25, 0.62, 0.62]
    """
    # an object may be confirmed on a look that showed less than half of it
    found = np.maximum(np.asarray(to_find, dtype=np.int64), 1)
    lost = np.asarray(in_vain, dtype=np.int64)
    size = int(max([0, *found.tolist(), *lost.tolist()])) + 1
    ends, leave = np.bincount(found, minlength=size), np.bincount(lost, minlength=size)
    at_risk = (ends + leave)[::-1].cumsum()[::-1]
    # as long as none has left unfound, the share is simply counted
    told = (at_risk >= LEAST_AT_RISK) | (leave.cumsum() - leave == 0)
    hazard = np.where(told, ends / np.maximum(at_risk, 1), 0.0)
    return np.asarray(1 - np.cumprod(1 - hazard))


def looks_after(
    record: CloudRecord, starts: NDArray[np.int64], days: int
) -> NDArray[np.int64]:
    """
    Count the clear looks at each spot in the days after each start.

    Parameters
    ----------
    record : CloudRecord
        Real looks.
    starts : ndarray of int64, shape (start,)
        Days on which digs begin; a look on that day counts.
    days : int
        How many days.

    Returns
    -------
    ndarray of int64, shape (spot, start)
        Clear looks.
    """
    first = np.searchsorted(record.days, starts)
    last = np.searchsorted(record.days, starts + days)
    sums = np.zeros((record.clear.shape[0], record.days.size + 1), dtype=np.int64)
    sums[:, 1:] = record.clear.cumsum(axis=1)
    return np.asarray(sums[:, last] - sums[:, first], dtype=np.int64)


def limits(
    rows: Sequence[Row],
    chosen: Sequence[Scenario],
    records: Sequence[CloudRecord],
    *,
    evergreen: bool = False,
) -> Limits:
    """
    Join what implants took with what was seen at some places.

    Parameters
    ----------
    rows : sequence of Row
        From `rsmonitor.lab.detectability.study`.
    chosen : sequence of Scenario
        The scenarios of the same study. Only sudden ones are used: what grows or is
        covered changes with days, not with looks. A dig that is covered after some
        weeks is found if it is found within them.
    records : sequence of CloudRecord
        Real looks.
    evergreen : bool, default False
        Judge digs of both seasons by implants of the clearest half year, as where the
        forest is green all year; otherwise each season by its own implants.

    Returns
    -------
    Limits
        One row for each place, kind, size and season.

    Raises
    ------
    ContractError
        If no scenario is sudden, or a record has no day on which a dig could begin.
    """
    sudden = {(one.name, one.material) for one in chosen if one.course is Course.SUDDEN}
    kinds = [row for row in rows if (row.scenario, row.material) in sudden]
    if not kinds:
        raise ContractError(
            "no scenario is sudden: what is found by looks is measured on those"
        )
    found: list[Limit] = []
    skies = []
    for record in records:
        skies.append(sky(record))
        starts = {
            season: _Starts.of(record, days)
            for season, days in _by_season(record).items()
        }
        for kind in kinds:
            if kind.season != SEASONS[0]:
                continue
            for season in SEASONS:
                wanted = SEASONS[0] if evergreen else season
                row = next(
                    one
                    for one in kinds
                    if one.season == wanted
                    and (one.scenario, one.material, one.size_ha)
                    == (kind.scenario, kind.material, kind.size_ha)
                )
                found.append(
                    replace(_limit(row, record, starts[season]), season=season)
                )
    return Limits(evergreen=evergreen, skies=tuple(skies), rows=tuple(found))


def sky(record: CloudRecord) -> Sky:
    """
    Say how often the ground of a place is seen.

    Parameters
    ----------
    record : CloudRecord
        Real looks.

    Returns
    -------
    Sky
        What the record holds.

    Raises
    ------
    ContractError
        If it has no day on which a dig could begin.
    """
    starts = _by_season(record)
    month = np.array([_day(day).month for day in record.days.tolist()])
    seen = record.clear.mean(axis=0)
    # calendar months that the record holds in full, by what they held
    held = {(_day(day).year, _day(day).month) for day in record.days.tolist()}
    count = [sum(1 for _, at in held if at == one) for one in range(1, 13)]
    return Sky(
        place=record.place,
        rests_on=record.rests_on,
        first=str(_day(int(record.days[0]))),
        last=str(_day(int(record.days[-1]))),
        years=round(sum(some.size for some in starts.values()) / DAYS_PER_YEAR, 1),
        looks=int(record.days.size),
        dry_months=tuple(sorted(record.dry)),
        clear_by_month=tuple(
            round(float(seen[month == one].sum()) / count[one - 1], 2)
            if count[one - 1]
            else None
            for one in range(1, 13)
        ),
        clear_a_month={
            season: round(
                float(looks_after(record, some, 91).mean()) / 91 * DAYS_PER_MONTH, 1
            )
            for season, some in starts.items()
        },
    )


def limits_table(told: Limits) -> str:
    """
    Write what was said as Markdown.

    Parameters
    ----------
    told : Limits
        From `limits`.

    Returns
    -------
    str
        A table of places, and one of kinds of digs.
    """
    lines = [
        (
            "| place | rests on | years | looks | clear looks a month, dry / wet |"
            " dry months |"
        ),
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {each.place} | {each.rests_on}, {each.first} to {each.last} | "
        f"{each.years:g} | {each.looks} | "
        f"{' / '.join(f'{each.clear_a_month[one]:g}' for one in SEASONS)} | "
        f"{', '.join(map(str, each.dry_months))} |"
        for each in told.skies
    ]
    heads = " | ".join(f"{weeks} weeks" for weeks in WEEKS)
    lines += [
        "",
        f"| place | material, scenario | ha | begins | {heads} | half found, days |",
        f"|---|---|---|---|{'---|' * len(WEEKS)}---|",
    ]
    for row in told.rows:
        cells = " | ".join(
            f"{share:.2f} ({low:.2f} to {high:.2f})"
            for _, share, low, high in row.within
        )
        half = "longer" if row.half_found_days is None else f"{row.half_found_days}"
        lines.append(
            f"| {row.place} | {row.material}, {row.scenario} | {row.size_ha:g} | "
            f"{row.season} | {cells} | {half} |"
        )
    return "\n".join(lines)


def _limit(row: Row, record: CloudRecord, starts: _Starts) -> Limit:
    """Join one curve with the looks after some starts."""
    curve = looks_curve(row.looks_to_find, row.looks_in_vain)
    own = np.array(
        [(looks, 1) for looks in row.looks_to_find]
        + [(looks, 0) for looks in row.looks_in_vain],
        dtype=np.int64,
    ).reshape(-1, 2)
    random = np.random.default_rng(SEED)
    drawn = np.empty((DRAWS, len(WEEKS)))
    for draw, counts in enumerate(starts.drawn):
        some = own[random.integers(len(own), size=len(own))] if len(own) else own
        again = looks_curve(some[some[:, 1] == 1, 0], some[some[:, 1] == 0, 0])
        drawn[draw] = _shares(again, counts)
    low, high = np.percentile(drawn, (2.5, 97.5), axis=0)
    shares = _shares(curve, starts.counts)
    return Limit(
        place=record.place,
        scenario=row.scenario,
        material=row.material,
        size_ha=row.size_ha,
        season=row.season,
        implants=row.implants,
        within=tuple(
            (weeks, round(float(share), 3), round(float(a), 3), round(float(b), 3))
            for weeks, share, a, b in zip(WEEKS, shares, low, high, strict=True)
        ),
        half_found_days=_half(
            lambda days: float(
                _at(curve, looks_after(record, starts.days, days)).mean()
            )
        ),
    )


def _shares(curve: Curve, counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the share found within each number of weeks."""
    found = counts @ _at(curve, np.arange(counts.shape[1]))
    return np.asarray(found / counts.sum(axis=1))


def _half(share: Callable[[int], float]) -> int | None:
    """Find the first day by which half are found; the share never falls."""
    low, high = 0, HORIZON_DAYS
    if share(high) < 0.5:  # noqa: PLR2004 - half
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if share(middle) >= 0.5 else (middle, high)  # noqa: PLR2004
    return high


def _at(curve: Curve, looks: NDArray[np.int64]) -> NDArray[np.float64]:
    """Read a curve at numbers of looks; beyond its end it stays as it is."""
    return np.asarray(curve[np.minimum(looks, curve.size - 1)])


def _by_season(record: CloudRecord) -> dict[str, NDArray[np.int64]]:
    """Divide the days on which a dig may begin by the seasons of the place."""
    days = record.starts(HORIZON_DAYS)
    dry = np.array([_day(day).month in record.dry for day in days.tolist()], np.bool_)
    found = dict(zip(SEASONS, (days[dry], days[~dry]), strict=True))
    empty = [season for season, some in found.items() if some.size == 0]
    if empty:
        raise ContractError(
            f"cloud record of {record.place}: on no day of the {' and '.join(empty)} "
            f"season could a dig begin and be watched for {HORIZON_DAYS} days: a "
            "longer record is needed"
        )
    return found


def _day(number: int) -> date:
    """Give the day of a number of days since 1970-01-01."""
    return EPOCH + timedelta(days=number)
