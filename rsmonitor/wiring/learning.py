"""What people said, as something to learn from: labels, suggestions, precision."""

import glob
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import shapely
from shapely import MultiPolygon, Polygon

from rsmonitor.config import Settings
from rsmonitor.errors import ContractError, ReturnsError
from rsmonitor.io.returns.columns import cause_in, day_in
from rsmonitor.io.returns.reading import open_returns
from rsmonitor.io.returns.rows import Refusal, Row, UnusableRowError
from rsmonitor.records.case import Level
from rsmonitor.records.disturbance import Cause, Disturbance
from rsmonitor.records.finding import (
    Finding,
    Judgement,
    Standing,
    findings_in,
    standings,
)
from rsmonitor.records.site import Site, SiteState
from rsmonitor.records.week import IsoWeek
from rsmonitor.stages.precision import (
    BudgetPrecision,
    Shown,
    Triage,
    precision_at_budget,
)
from rsmonitor.stages.reporting import cases_of
from rsmonitor.stages.suggestion import Candidate, Suggestion, suggest
from rsmonitor.wiring.reports import Books
from rsmonitor.wiring.returns import Desk

LABEL_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "cause": ("cause", "reason", "原因", "成因", "变化原因", "变化类型", "类型"),
    "from": ("from", "since", "began_after", "start", "开始日期", "起始日期"),
    "to": ("to", "until", "last_seen", "end", "结束日期", "截止日期"),
    "day": ("day", "date", "on", "日期", "影像日期"),
}
"""Columns of polygons that somebody drew."""

COVERED: Final = 0.5
"""Share of a site that a polygon must cover to say what the site is."""

VERDICT, POLYGON = "verdict", "polygon"
"""Where a label is from."""

_DISPUTED: Final = "disputed"
_UNDECIDED: Final = frozenset({Judgement.UNCLEAR, Judgement.SPECIAL_USE})
_WEEK: Final = re.compile(r"[0-9]{4}-W[0-9]{2}")
_DAYS: Final = ("from", "to", "day")
_MANIFEST: Final = "manifest.json"
_DAMAGE: Final = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    RecursionError,
    ContractError,
)
_RULE_CAUSE: Final = "a label has a cause of the one table, such as digging or 采挖"
_RULE_POLYGON: Final = "a label is a polygon; draw one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A site of which people said the cause."""

    site: Site
    """The site, with the features of its last look."""

    cause: Cause
    """What they said."""

    origin: str
    """`VERDICT` of the ledger, or `POLYGON` of a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Everything that people said of causes."""

    labelled: tuple[Labelled, ...]
    """By `Site.site_id`; one a site."""

    left_out: Mapping[str, int]
    """Why sites or polygons that somebody judged are not among them, and how many."""

    refused: tuple[Refusal, ...] = ()
    """Polygons that are not used."""

    notes: tuple[str, ...] = ()
    """What is worth telling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """What people said of the alerts that may be shown."""

    known: frozenset[str]
    """`Alert.alert_id` of all alerts that were ever said, judged or not."""

    triages: tuple[Triage, ...]
    """In the order in which they were said, alert by alert."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawn:
    """One polygon with its cause and days."""

    geometry: Polygon | MultiPolygon
    cause: Cause
    start: date | None
    end: date | None

    def means(self, seen: Disturbance) -> bool:
        """Say whether it covers most of a disturbance, at the same time."""
        if self.end is not None and seen.began_by > self.end:
            return False
        if self.start is not None and seen.last_seen < self.start:
            return False
        whole = shapely.make_valid(seen.geometry)
        common = shapely.intersection(whole, self.geometry)
        return bool(common.area >= COVERED * whole.area)


def labels_of(desk: Desk, file: Path | None = None) -> Labels:
    """
    Gather the causes that people named.

    A site's cause is what all who judged it last agree on. Polygons of a file say the
    cause of the sites that they cover; where they contradict a verdict or each other,
    the site is left out.

    Parameters
    ----------
    desk : Desk
        The ledger.
    file : Path, optional
        Polygons with causes, and days if they are known: GeoPackage or GeoJSON.

    Returns
    -------
    Labels
        Sites that no product may show are not there, and not counted.

    Raises
    ------
    ReturnsError
        If the file cannot be used, or nothing in it.
    StoreError
        If the ledger is damaged.
    """
    hidden = desk.suppressed()
    sites = {s: site for s, site in sorted(desk.sites.items()) if s not in hidden}
    said, left = _said(desk, sites)
    refused: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()
    if file is not None:
        drawn, refused, notes = _drawn(file)
        _draw(drawn, sites, said, left)
    labelled = []
    for site_id, causes in sorted(said.items()):
        site = sites[site_id]
        if len(causes) > 1:
            left[_DISPUTED] += 1
        elif site.state is SiteState.MERGED:
            left["merged into another site"] += 1
        else:
            ((cause, origin),) = causes.items()
            labelled.append(Labelled(site=site, cause=cause, origin=origin))
    return Labels(
        labelled=tuple(labelled),
        left_out={why: n for why, n in sorted(left.items()) if n},
        refused=refused,
        notes=notes,
    )


def suggestions(books: Books, *, most: int = 20) -> tuple[Suggestion, ...]:
    """
    Order the standing alerts that nobody settled by what a verdict would teach.

    Parameters
    ----------
    books : Books
        From `rsmonitor.wiring.reports.open_books`.
    most : int, default 20
        Longest list.

    Returns
    -------
    tuple of Suggestion
        Of all districts of the books together.

    Raises
    ------
    ContractError
        If a finding of the ledger is damaged.
    """
    said = standings(finding for _, finding in findings_in(books.events))
    settled = {s for s, standing in said.items() if _is_settled(standing)}
    return suggest(
        [
            Candidate(
                alert_id=alert.alert_id,
                features=alert.site.latest.disturbance.features,
                causes=alert.site.latest.causes,
                disputed=alert.site.site_id in said
                and _disagree(_decided(said[alert.site.site_id])),
            )
            for alert in books.alerts
            if alert.site.site_id not in settled
        ],
        [
            site.latest.disturbance.features
            for book in books.books
            for site in book.sites
            if site.site_id in settled
        ],
        most=most,
    )


def verdicts_of(books: Books) -> Verdicts:
    """
    Gather what people said of alerts, once for all areas.

    Parameters
    ----------
    books : Books
        From `rsmonitor.wiring.reports.open_books`.

    Returns
    -------
    Verdicts
        Of all alerts that may be shown.
    """
    cases = cases_of(
        [versions for book in books.books for versions in book.versions.values()],
        sites=[site for book in books.books for site in book.sites],
        standing={alert.alert_id for alert in books.alerts},
        events=books.events,
    )
    return Verdicts(
        known=frozenset(case.alert.alert_id for case in cases),
        triages=tuple(triage for case in cases for triage in case.triages),
    )


def weekly_precision(
    settings: Settings,
    verdicts: Verdicts,
    *,
    report: Callable[[str], None],
    area: str = "",
    before: IsoWeek | None = None,
) -> BudgetPrecision:
    """
    Measure how often the first alerts of the weekly packages were right.

    Parameters
    ----------
    settings : Settings
        Where packages are kept.
    verdicts : Verdicts
        From `verdicts_of`.
    report : callable
        Told of manifests that cannot be read; their packages are not counted.
    area : str, optional
        First characters of the codes of the counties; all by default.
    before : IsoWeek, optional
        Only packages of earlier weeks; all by default.

    Returns
    -------
    BudgetPrecision
        Of the packages of counties that are kept, and by all verdicts until now.
    """
    shown = []
    root = settings.path(settings.deliver.out)
    for path in sorted(root.glob(f"*/{glob.escape(area)}*/{_MANIFEST}")):
        if not _WEEK.fullmatch(path.parts[-3]) or path.parent.is_symlink():
            continue
        try:
            each = _shown(path, settings.deliver.pages, verdicts.known)
        except _DAMAGE as error:
            report(f"{path}: is no manifest of a package, not counted: {error!r}")
            continue
        if each is not None and (before is None or each.week < before):
            shown.append(each)
    return precision_at_budget(shown, verdicts.triages)


def _said(
    desk: Desk, sites: dict[str, Site]
) -> tuple[dict[str, dict[Cause, str]], Counter[str]]:
    """Read verdicts; a site that is disputed is taken away: no polygon settles it."""
    said: dict[str, dict[Cause, str]] = {}
    left: Counter[str] = Counter()
    for site_id, standing in standings(f for _, f in desk.findings()).items():
        if site_id not in sites:
            continue
        cause, why = _cause_of(standing)
        if cause is not None:
            said[site_id] = {cause: VERDICT}
            continue
        left[why] += 1
        if why == _DISPUTED:
            sites.pop(site_id)
    return said, left


def _draw(
    drawn: Sequence[_Drawn],
    sites: Mapping[str, Site],
    said: dict[str, dict[Cause, str]],
    left: Counter[str],
) -> None:
    """Add what polygons say of the sites that they cover."""
    for each in drawn:
        meant = [s for s in sites.values() if each.means(s.latest.disturbance)]
        left["polygon without a site"] += not meant
        for site in meant:
            said.setdefault(site.site_id, {}).setdefault(each.cause, POLYGON)


def _cause_of(standing: Standing) -> tuple[Cause | None, str]:
    """Give the cause that people agree on, or why there is none."""
    decided = _decided(standing)
    if not decided:
        return None, "not decided"
    if _disagree(decided):
        return None, _DISPUTED
    causes = {one.cause for one in decided if one.cause is not None}
    if not causes:
        return None, "no cause named"
    (cause,) = causes
    return (None, "cause unknown") if cause is Cause.UNKNOWN else (cause, "")


def _decided(standing: Standing) -> list[Finding]:
    """Give the words of those who could tell."""
    return [one for one in standing.findings if one.judgement not in _UNDECIDED]


def _disagree(decided: Sequence[Finding]) -> bool:
    """Say whether people contradict each other; who names no cause contradicts none."""
    judgements = {one.judgement for one in decided}
    causes = {one.cause for one in decided if one.cause is not None}
    return len(judgements) > 1 or len(causes) > 1


def _is_settled(standing: Standing) -> bool:
    """Say whether somebody could tell, and nobody contradicts."""
    decided = _decided(standing)
    return bool(decided) and not _disagree(decided)


def _drawn(
    path: Path,
) -> tuple[list[_Drawn], tuple[Refusal, ...], tuple[str, ...]]:
    """Read the polygons of a file."""
    with open_returns(path, fields=LABEL_FIELDS) as file:
        drawn, refused = [], list(file.refused)
        for row in file.rows:
            try:
                drawn.append(_polygon(row))
            except UnusableRowError as error:
                refused.append(
                    Refusal(
                        file=file.file,
                        where=row.where,
                        line=row.line,
                        value=error.value,
                        rule=error.rule,
                    )
                )
        if not drawn:
            reasons = "; ".join(map(str, refused[:3])) or "no features"
            raise ReturnsError(f"{path}: no label can be used: {reasons}")
        return drawn, tuple(refused), file.notes


def _polygon(row: Row) -> _Drawn:
    """Read one polygon."""
    text = row.fields.get("cause")
    cause = None if text is None else cause_in(text)
    if cause is None or cause is Cause.UNKNOWN:
        raise UnusableRowError(f"cause {text!r:.80}", _RULE_CAUSE)
    if not isinstance(row.place, Polygon | MultiPolygon):
        raise UnusableRowError("no polygon", _RULE_POLYGON)
    whole = shapely.make_valid(row.place)
    parts = [p for p in shapely.get_parts(whole) if isinstance(p, Polygon)]
    geometry = shapely.union_all(parts)
    if not isinstance(geometry, Polygon | MultiPolygon) or geometry.is_empty:
        raise UnusableRowError("a polygon without area", _RULE_POLYGON)
    days = {name: day_in(row.fields[name]) for name in _DAYS if name in row.fields}
    start, end = days.get("from"), days.get("to", days.get("day"))
    if start is not None and end is not None and start > end:
        raise UnusableRowError(
            f"from {start} to {end}", "the first day is not after the last"
        )
    return _Drawn(geometry=geometry, cause=cause, start=start, end=end)


def _shown(path: Path, pages: int, known: frozenset[str]) -> Shown | None:
    """Read what the package of a county asked people to look at."""
    told = json.loads(path.read_bytes())
    if told["area"]["level"] != Level.COUNTY.value:
        return None
    # as many as had a page then, where the package says so
    first = told["alerts"][: int(told.get("pages", pages))]
    # what may not be shown is not counted either
    alert_ids = tuple(each["alert_id"] for each in first if each["alert_id"] in known)
    return Shown(week=IsoWeek.parse(told["week"]), alert_ids=alert_ids)
