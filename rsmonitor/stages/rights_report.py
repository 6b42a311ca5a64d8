"""What was seen inside each mining right and recovery project in a quarter.

Change of the surface does not measure output: in-situ leaching leaves the ground almost
as it was. So 'no activity seen' is said only of what was seen, and is no proof of rest.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

import shapely
from shapely import MultiPolygon, Polygon, STRtree

from rsmonitor.errors import ContractError
from rsmonitor.records.disturbance import Increment
from rsmonitor.records.licence import (
    Licence,
    LicenceKind,
    LicenceStatus,
    RegisterSnapshot,
)
from rsmonitor.records.site import Site, SiteState
from rsmonitor.stages.geodesy import area_m2
from rsmonitor.stages.standing import versions_in_time

REPORTED: Final = frozenset({LicenceKind.MINING, LicenceKind.RECOVERY})
"""Kinds that permit extraction."""

CAVEAT: Final = (
    "地表变化不能衡量原地浸矿产量；未见活动不等于停产，未观测不等于未变化。"
    "Surface change does not measure in-situ output; no activity seen is not rest, and "
    "not observed is not unchanged."
)
"""Stands on every report of rights."""

_QUARTER: Final = re.compile(r"([0-9]{4})-?Q([1-4])", re.IGNORECASE)
_DAY: Final = timedelta(days=1)
_NO_SITE: Final = frozenset({SiteState.MERGED, SiteState.WITHDRAWN})


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Quarter:
    """Three calendar months, Asia/Shanghai."""

    year: int
    """Calendar year."""

    number: int
    """1 to 4."""

    def __post_init__(self) -> None:
        if not (1 <= self.number <= 4 and 1 <= self.year < date.max.year):  # noqa: PLR2004
            raise ContractError(f"no such quarter: {self.year}Q{self.number}")

    def __str__(self) -> str:
        return f"{self.year:04d}Q{self.number}"

    @classmethod
    def parse(cls, text: str) -> "Quarter":
        """
        Read a quarter.

        Parameters
        ----------
        text : str
            Such as ``2026Q3``.

        Returns
        -------
        Quarter
            The quarter.

        Raises
        ------
        ContractError
            If the text is no quarter.

        Examples
        --------
        >>> quarter = Quarter.parse("2026Q4")
        >>> str(quarter.first), str(quarter.last)
        ('2026-10-01', '2026-12-31')
        """
        match = _QUARTER.fullmatch(text.strip())
        if match is None:
            raise ContractError(f"a quarter is written like 2026Q3, got {text!r}")
        return cls(year=int(match[1]), number=int(match[2]))

    @property
    def first(self) -> date:
        """First day."""
        return date(self.year, 3 * self.number - 2, 1)

    @property
    def last(self) -> date:
        """Last day."""
        month = 3 * self.number + 1
        after = date(self.year + month // 13, month if month < 13 else 1, 1)  # noqa: PLR2004
        return after - _DAY


class Finding(StrEnum):
    """What a report points at; a person decides what it means."""

    LISTED_WITHOUT_ACTIVITY = "listed_without_activity"
    LISTED_NOT_OBSERVED = "listed_not_observed"
    ACTIVITY_WHILE_SUSPENDED = "activity_while_suspended"
    ACTIVITY_AROUND_SUSPENSION = "activity_around_suspension"


FINDING_LABELS: Final[Mapping[Finding, tuple[str, str]]] = {
    Finding.LISTED_WITHOUT_ACTIVITY: (
        "列入名单，本季未见地表活动",
        "on the list without activity of the surface",
    ),
    Finding.LISTED_NOT_OBSERVED: (
        "列入名单，本季未观测到，不能判断",
        "on the list and not observed, so that nothing can be said",
    ),
    Finding.ACTIVITY_WHILE_SUSPENDED: (
        "疑似停产期间活动",
        "suspected activity while suspended",
    ),
    Finding.ACTIVITY_AROUND_SUSPENSION: (
        "停产前后活动，时间待核",
        "activity about the time of suspension, to be checked",
    ),
}
"""Chinese and English label of each finding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RightInTime:
    """One right with every boundary that it had."""

    newest: Licence
    """As the register has it now."""

    versions: tuple[Licence, ...]
    """What held one after the other, oldest first; the last is `newest`."""

    def on(self, day: date) -> Licence:
        """
        Find the version that held on a day.

        Parameters
        ----------
        day : date
            Asia/Shanghai.

        Returns
        -------
        Licence
            The last that had begun; the first before any had.
        """
        begun = [
            version
            for version in self.versions
            if version.valid_from is None or version.valid_from <= day
        ]
        return begun[-1] if begun else self.versions[0]

    def within(self, quarter: Quarter) -> tuple[Licence, ...]:
        """
        List the versions that held at some time in a quarter.

        Parameters
        ----------
        quarter : Quarter
            The quarter.

        Returns
        -------
        tuple of Licence
            Oldest first; at least one.
        """
        first = self.versions.index(self.on(quarter.first))
        last = self.versions.index(self.on(quarter.last))
        return self.versions[first : last + 1]

    def ground(self, quarter: Quarter) -> Polygon | MultiPolygon:
        """
        Give what belonged to the right at some time in a quarter.

        Parameters
        ----------
        quarter : Quarter
            The quarter.

        Returns
        -------
        Polygon or MultiPolygon
            CRS84.
        """
        held = self.within(quarter)
        if len(held) == 1:
            return held[0].geometry
        whole = shapely.union_all([each.geometry for each in held])
        parts = [p for p in shapely.get_parts(whole) if isinstance(p, Polygon)]
        return parts[0] if len(parts) == 1 else MultiPolygon(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class RightRow:
    """One right in one quarter."""

    licence: Licence
    """The version of the right that held at the end of the quarter, with the statuses
    that the register knows now."""

    listed: bool | None
    """Whether it is on a published list of that year; None: there is no list."""

    disturbed_m2: float
    """Ground inside that began to change by the end of the quarter, green again or
    not; square metres."""

    growth_m2: float
    """Ground inside that was first seen changed in the quarter; square metres."""

    last_activity: date | None
    """Last day on which newly changed ground inside was first seen, up to the end of
    the quarter; None: never."""

    share_observed: float | None
    """Share of the right with a clear look in the quarter, 0 to 1; None: not
    measured."""

    findings: tuple[Finding, ...]
    """What to look at."""


def rights_in_time(register: RegisterSnapshot) -> tuple[RightInTime, ...]:
    """
    Give the rights that are reported, each with every boundary that it had.

    Parameters
    ----------
    register : RegisterSnapshot
        The rights, and versions that later ones replaced.

    Returns
    -------
    tuple of RightInTime
        In the order of the register. A version that began no earlier than the next was
        a mistake in the register, and is left out.
    """
    chains: dict[tuple[str, LicenceKind], list[Licence]] = {}
    for licence in versions_in_time(register.licences, register.earlier):
        chains.setdefault((licence.licence_id, licence.kind), []).append(licence)
    return tuple(
        RightInTime(
            newest=licence,
            versions=tuple(
                sorted(
                    chains[licence.licence_id, licence.kind],
                    key=lambda version: version.version,
                )
            ),
        )
        for licence in register.licences
        if licence.kind in REPORTED
    )


def rights(
    quarter: Quarter,
    sites: Iterable[Site],
    register: RegisterSnapshot,
    *,
    observed: Mapping[str, float],
    min_area_m2: float,
) -> tuple[RightRow, ...]:
    """
    Say what was seen inside each right in a quarter.

    Parameters
    ----------
    quarter : Quarter
        The quarter.
    sites : iterable of Site
        All sites; those merged or withdrawn are left out.
    register : RegisterSnapshot
        The rights, and the lists of producing mines.
    observed : mapping of str to float
        Share of each right with a clear look in the quarter, by `Licence.licence_id`;
        one that is missing was not measured.
    min_area_m2 : float
        Growth inside below this is an edge, and no activity; square metres.

    Returns
    -------
    tuple of RightRow
        One for each mining right and recovery project, by number.

    Notes
    -----
    An increment counts in the quarter of the first clear look that saw it, and inside
    the boundary that held on that day: one that changed later, or in mid-quarter, does
    not change what lay inside. It may have begun before; where a suspension lies
    between, the time is to be checked.
    """
    parts = [
        part
        for site in sites
        if site.state not in _NO_SITE
        for part in site.latest.disturbance.increments
        if part.began_by <= quarter.last
    ]
    tree = STRtree([part.geometry for part in parts])
    lists = [each for each in register.producing if each.year == quarter.year]
    rows = []
    for each in rights_in_time(register):
        near = {
            int(index)
            for version in each.versions
            for index in tree.query(version.geometry, predicate="intersects")
        }
        inside = []
        for part in (parts[index] for index in sorted(near)):
            area = _common_m2(part.geometry, each.on(part.began_by).geometry)
            if area > 0:
                inside.append((part, area))
        licence = replace(
            each.on(quarter.last),
            status=each.newest.status,
            status_history=each.newest.status_history,
        )
        listed = any(licence.licence_id in one.licence_ids for one in lists)
        rows.append(
            _row(
                quarter,
                licence,
                inside,
                listed=listed if lists else None,
                share=observed.get(licence.licence_id),
                min_area_m2=min_area_m2,
            )
        )
    return tuple(sorted(rows, key=lambda row: row.licence.licence_id))


def _row(
    quarter: Quarter,
    licence: Licence,
    inside: Sequence[tuple[Increment, float]],
    *,
    listed: bool | None,
    share: float | None,
    min_area_m2: float,
) -> RightRow:
    """Describe one right."""
    new = [(part, area) for part, area in inside if part.began_by >= quarter.first]
    growth = math.fsum(area for _, area in new)
    active = growth >= min_area_m2
    # an edge that moved by a pixel is no activity
    days = [part.began_by for part, area in inside if area >= min_area_m2]
    findings = []
    if listed and not active:
        findings.append(
            Finding.LISTED_WITHOUT_ACTIVITY if share else Finding.LISTED_NOT_OBSERVED
        )
    standing = {_suspended(licence, part) for part, a in new if a >= min_area_m2}
    if True in standing:
        findings.append(Finding.ACTIVITY_WHILE_SUSPENDED)
    elif None in standing:
        findings.append(Finding.ACTIVITY_AROUND_SUSPENSION)
    return RightRow(
        licence=licence,
        listed=listed,
        disturbed_m2=math.fsum(area for _, area in inside),
        growth_m2=growth,
        last_activity=max(days, default=None),
        share_observed=share,
        findings=tuple(findings),
    )


def _suspended(licence: Licence, part: Increment) -> bool | None:
    """Say whether all of an interval lies in a suspension; None: some of it."""
    # it may have begun in the afternoon of the last day that saw nothing
    start = part.began_after or date.min
    marks = {start, part.began_by}
    marks |= {c.on for c in licence.status_history if start < c.on < part.began_by}
    words = {licence.status_on(day) is LicenceStatus.SUSPENDED for day in marks}
    return words.pop() if len(words) == 1 else None


def _common_m2(one: Polygon | MultiPolygon, other: Polygon | MultiPolygon) -> float:
    """Measure what two areas share, square metres."""
    common = shapely.intersection(one, other)
    polygons = [p for p in shapely.get_parts(common) if isinstance(p, Polygon)]
    return math.fsum(area_m2(polygon) for polygon in polygons)
