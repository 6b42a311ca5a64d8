"""What goes out each week, put together: one package a county, prefecture, province."""

import contextlib
import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, cast

import shapely

from rsmonitor.config import Settings
from rsmonitor.errors import ContractError, NoClearObservationError
from rsmonitor.interfaces import Progress, SceneSource
from rsmonitor.io.deliver.handheld import short_names
from rsmonitor.io.deliver.kept_run import first_seen_reader, read_coverage
from rsmonitor.io.deliver.rasters import raster_name
from rsmonitor.pipeline.chips import chips_of
from rsmonitor.pipeline.pictures import before_and_after, steps
from rsmonitor.records.alert import Alert
from rsmonitor.records.case import Case, CaseState, Level
from rsmonitor.records.grid import Grid
from rsmonitor.records.licence import RegisterSnapshot
from rsmonitor.records.lifecycle import Phase
from rsmonitor.records.package import (
    Area,
    Chip,
    CountyFigures,
    Dossier,
    Language,
    News,
    Overview,
    Package,
    WeekCount,
)
from rsmonitor.records.rasters import Tier
from rsmonitor.records.run import Coverage
from rsmonitor.records.week import IsoWeek
from rsmonitor.stages.attention import by_attention, inner_point, look_for
from rsmonitor.stages.cases import shanghai_day
from rsmonitor.wiring.cases import open_desk
from rsmonitor.wiring.licences import counties_of
from rsmonitor.wiring.office import SOFTWARE, job_of, unwatched
from rsmonitor.wiring.reports import Book, Books
from rsmonitor.wiring.sites import followed_sites
from rsmonitor.wiring.sources import open_source, unheard

TREND_WEEKS: Final = 12
"""Weeks of the trend."""

_DIGITS: Final = {Level.COUNTY: 6, Level.PREFECTURE: 4, Level.PROVINCE: 2}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Known:
    """What is known of one district beside its alerts."""

    book: Book
    """The ledger's words."""

    coverage: tuple[Coverage, ...]
    """What its last run saw."""

    phases: Mapping[str, Phase]
    """By `Site.site_id`."""

    cases: Mapping[str, Case]
    """By `Alert.alert_id`."""

    news: Mapping[str, News]
    """By `Alert.alert_id`."""

    firsts: Mapping[str, IsoWeek]
    """By `Alert.alert_id`: the week of its first version."""

    chips: Mapping[str, tuple[Chip, ...]] = field(default_factory=dict)
    """By `Site.site_id`."""

    overviews: tuple[Overview, ...] = ()
    """One a grid, where anything was seen."""


def packages_of(books: Books, *, progress: Progress = unwatched) -> Iterator[Package]:
    """
    Put the packages of a week together, one after the other.

    Parameters
    ----------
    books : Books
        From `rsmonitor.wiring.reports.open_books`.
    progress : Progress
        Who watches.

    Yields
    ------
    Package
        Counties first, then prefectures, then provinces, each by code.

    Raises
    ------
    ContractError
        If the districts do not stand at the same week.
    OutputError
        If the folder of a run cannot be read.
    SourceError
        If the scenes cannot be opened.
    """
    week = week_of(books)
    known = []
    for number, book in enumerate(books.books):
        progress("images", number, len(books.books))
        known.append(know(book, week))
    progress("images", len(books.books), len(books.books))
    counties = _counties(books, known)
    figures = {
        code: _figures(area, alerts, known, week)
        for code, (area, alerts) in counties.items()
    }
    wanted = books.books[0].settings.deliver.levels
    for level in Level:
        if level.value in wanted:
            for area, alerts in _areas(books, counties, level):
                yield _package(books, known, area, alerts, week, figures)


def week_of(books: Books) -> IsoWeek:
    """
    Give the week at which the ledger stands.

    Parameters
    ----------
    books : Books
        From `rsmonitor.wiring.reports.open_books`.

    Returns
    -------
    IsoWeek
        The week of the last run.

    Raises
    ------
    ContractError
        If the last runs of the districts are of several weeks.
    """
    weeks = {book.settings.district.code: book.runs[-1].week for book in books.books}
    if len(set(weeks.values())) > 1:
        told = ", ".join(f"{code} at {week}" for code, week in sorted(weeks.items()))
        raise ContractError(
            f"the districts stand at several weeks: {told}; run those that are behind "
            "first ('rsmonitor run'), or deliver one with --district"
        )
    return next(iter(weeks.values()))


def know(book: Book, week: IsoWeek) -> Known:
    """
    Read what a district's packages need beside its alerts.

    Parameters
    ----------
    book : Book
        The ledger's words.
    week : IsoWeek
        The week.

    Returns
    -------
    Known
        Images included.

    Raises
    ------
    OutputError
        If the folder of the run cannot be read.
    SourceError
        If the scenes cannot be opened.
    """
    settings = book.settings
    folder = _folder(book)
    desk = open_desk(settings)
    firsts: dict[str, IsoWeek] = {}
    lately: dict[str, tuple[int, IsoWeek]] = {}
    for said in desk.ledger.said(settings.district.code):
        # a run looks up to the end of the week before the Monday on which it runs
        then = IsoWeek.of(said.at - timedelta(days=1))
        firsts.setdefault(said.alert_id, then)
        if lately.get(said.alert_id, (0, then))[0] != said.version:
            lately[said.alert_id] = (said.version, then)
    chips, overviews = _images(settings, book, week, folder)
    return Known(
        book=book,
        coverage=read_coverage(folder),
        phases={
            each.site.site_id: each.life.now
            for each in followed_sites(settings)
            if each.observations
        },
        cases={case.alert_id: case for case in desk.book().cases},
        news={
            alert_id: _news(firsts[alert_id], then, week)
            for alert_id, (_, then) in lately.items()
        },
        firsts=firsts,
        chips=chips,
        overviews=overviews,
    )


def _news(first: IsoWeek, last: IsoWeek, week: IsoWeek) -> News:
    """Say what is new."""
    if first >= week:
        return News.NEW
    return News.CHANGED if last >= week else News.STANDING


def _folder(book: Book) -> Path:
    """Find the folder of the last run."""
    settings = book.settings
    return settings.path(settings.run.out) / "runs" / book.runs[-1].location


def _images(
    settings: Settings, book: Book, week: IsoWeek, folder: Path
) -> tuple[dict[str, tuple[Chip, ...]], tuple[Overview, ...]]:
    """Read the images of a district, grid by grid."""
    chips: dict[str, tuple[Chip, ...]] = {}
    overviews = []
    parameters = job_of(settings).parameters
    with open_source(settings, unheard) as source:
        grids = source.grids()
        for grid in grids:
            products = source.find(grid, until=week.end)
            sites = [
                alert.site
                for alert in book.alerts
                if alert.site.latest.disturbance.grid_id == grid.grid_id
            ]
            name = raster_name("evidence", grid, grids)
            chips |= chips_of(
                source,
                grid,
                products,
                sites,
                parameters=parameters,
                first_seen=first_seen_reader(folder, name),
            )
            with contextlib.suppress(NoClearObservationError):
                overviews.append(_overview(source, grid, products, settings))
    return chips, tuple(overviews)


def _overview(
    source: SceneSource, grid: Grid, products: Sequence[Any], settings: Settings
) -> Overview:
    """Make the image under the map of a grid."""
    _, after = before_and_after(
        source, grid, products, parameters=job_of(settings).parameters
    )
    down, along = steps(grid)
    height, width = after.rgb.shape[:2]
    return Overview(
        rgb=after.rgb,
        grid=Grid(
            crs=grid.crs,
            left=grid.left,
            top=grid.top,
            pixel_width=grid.pixel_width * along,
            pixel_height=grid.pixel_height * down,
            height=height,
            width=width,
            mgrs_tile=grid.mgrs_tile,
        ),
        days=after.days,
        true_colour=after.true_colour,
    )


def _names(books: Books) -> dict[str, str]:
    """Name counties, prefectures and provinces by their codes."""
    given = books.books[0].settings.deliver.names
    return books.county_names() | dict(name.split("=", 1) for name in given)


def codes_of_alert(alert: Alert) -> tuple[str, ...]:
    """
    Name the counties whose packages hold an alert.

    Parameters
    ----------
    alert : Alert
        The alert.

    Returns
    -------
    tuple of str
        Codes; the district's own where the alert names no county.
    """
    return alert.county_codes or (alert.site.district,)


def _counties(
    books: Books, known: Sequence[Known]
) -> dict[str, tuple[Area, tuple[Alert, ...]]]:
    """Give each county its alerts, also those that have none: that is news too."""
    names = _names(books)
    borders = {
        county.code: county.geometry for county in counties_of(books.books[0].settings)
    }
    alerts: dict[str, list[Alert]] = {}
    bureaus: dict[str, str] = {}
    english: dict[str, str] = {}
    for each in known:
        district = each.book.settings.district
        for code in district.county_codes or (district.code,):
            alerts.setdefault(code, [])
            if code == district.code or len(district.county_codes) <= 1:
                bureaus[code] = district.bureau
                english[code] = district.name_en
                names.setdefault(code, district.name_zh)
        for alert in each.book.alerts:
            for code in codes_of_alert(alert):
                alerts.setdefault(code, []).append(alert)
    return {
        code: (
            Area(
                code=code,
                level=Level.COUNTY,
                name_zh=names.get(code, code),
                name_en=english.get(code, names.get(code, code)),
                bureau=bureaus.get(code, ""),
                geometry=borders.get(code),
            ),
            tuple(theirs),
        )
        for code, theirs in sorted(alerts.items())
    }


def _areas(
    books: Books,
    counties: Mapping[str, tuple[Area, tuple[Alert, ...]]],
    level: Level,
) -> Iterator[tuple[Area, tuple[Alert, ...]]]:
    """Join the counties of a level; an alert of two counties counts once."""
    if level is Level.COUNTY:
        yield from counties.values()
        return
    names, digits = _names(books), _DIGITS[level]
    codes = sorted({code[:digits] for code in counties if code.isdigit()})
    for code in codes:
        alerts: dict[str, Alert] = {}
        borders = []
        for county, (area, theirs) in counties.items():
            if county.startswith(code):
                alerts |= {alert.alert_id: alert for alert in theirs}
                borders.append(area.geometry)
        whole = [border for border in borders if border is not None]
        name = names.get(code, code)
        yield (
            Area(
                code=code,
                level=level,
                name_zh=name,
                name_en=name,
                geometry=shapely.union_all(whole) if whole else None,
            ),
            tuple(alerts.values()),
        )


def _package(
    books: Books,
    known: Sequence[Known],
    area: Area,
    alerts: Sequence[Alert],
    week: IsoWeek,
    figures: Mapping[str, CountyFigures],
) -> Package:
    """Put one package together."""
    settings = books.books[0].settings
    phases = {key: value for each in known for key, value in each.phases.items()}
    cases = {key: value for each in known for key, value in each.cases.items()}
    news = {key: value for each in known for key, value in each.news.items()}
    chips = {key: value for each in known for key, value in each.chips.items()}
    short = {
        key: value
        for each in known
        for key, value in short_names(a.alert_id for a in each.book.alerts).items()
    }
    monday = shanghai_day(week.end)
    dossiers = []
    attended = by_attention(alerts, on=week.last_day, phases=phases, cases=cases)
    for place, each in enumerate(attended, start=1):
        alert, case = each.alert, cases.get(each.alert.alert_id)
        codes = codes_of_alert(alert)
        dossiers.append(
            Dossier(
                alert=alert,
                place=place,
                reasons=each.reasons,
                news=news.get(alert.alert_id, News.NEW),
                short_name=short[alert.alert_id],
                point=inner_point(alert.site.latest.disturbance.geometry),
                grown_m2=each.grown_m2,
                phase=phases.get(alert.site.site_id),
                look_for=look_for(alert),
                also=tuple(c for c in codes if not c.startswith(area.code)),
                case=case,
                days_overdue=0 if case is None else case.days_overdue(monday),
                chips=chips.get(alert.site.site_id, ()),
            )
        )
    theirs = [each for each in known if _concerns(each.book, area)]
    start = settings.deliver.visit_start
    return Package(
        area=area,
        week=week,
        language=cast("Language", settings.deliver.language),
        dossiers=tuple(dossiers),
        pages=settings.deliver.pages,
        counties=_ranked(
            [each for code, each in figures.items() if code.startswith(area.code)]
        ),
        trend=_trend(alerts, theirs, week),
        coverage=tuple(c for each in theirs for c in each.coverage),
        register=_near(books.register(), alerts, area, theirs),
        overviews=tuple(o for each in theirs for o in each.overviews),
        names=_names(books)
        | {code: each.area.name_zh for code, each in figures.items()},
        software=SOFTWARE,
        settings_digest=_digest([each.book.settings for each in theirs]),
        runs=tuple(each.book.runs[-1].run_id for each in theirs),
        invented=books.invented,
        visit_start=shapely.Point(start) if start else None,
        map_links=settings.deliver.map_links,
    )


def _concerns(book: Book, area: Area) -> bool:
    """Say whether a district watches ground of an area, or has an alert there."""
    district = book.settings.district
    codes = {*(district.county_codes or (district.code,))}
    codes |= {code for alert in book.alerts for code in codes_of_alert(alert)}
    return any(code.startswith(area.code) for code in codes)


def _figures(
    area: Area, alerts: Sequence[Alert], known: Sequence[Known], week: IsoWeek
) -> CountyFigures:
    """Count one county."""
    theirs = [each for each in known if _concerns(each.book, area)]
    cases = [
        each.cases[alert.alert_id]
        for each in theirs
        for alert in alerts
        if alert.alert_id in each.cases
    ]
    monday = shanghai_day(week.end)
    firsts = {key: value for each in theirs for key, value in each.firsts.items()}
    coverage = [c for each in theirs for c in each.coverage]
    watched = math.fsum(c.area_m2 for c in coverage)
    done = {CaseState.CLOSED, CaseState.ENDED, CaseState.TRANSFERRED}
    return CountyFigures(
        area=area,
        standing=len(alerts),
        new=sum(firsts.get(alert.alert_id, week) >= week for alert in alerts),
        high=sum(a.site.latest.disturbance.tier is Tier.HIGH for a in alerts),
        open=sum(case.state not in done for case in cases),
        overdue=sum(case.days_overdue(monday) > 0 for case in cases),
        area_m2=math.fsum(a.site.latest.disturbance.area_m2 for a in alerts),
        share_seen=(
            math.fsum(c.share_seen * c.area_m2 for c in coverage) / watched
            if watched
            else math.nan
        ),
        by_category=dict(Counter(a.verdict.category.value for a in alerts)),
    )


def _ranked(figures: Sequence[CountyFigures]) -> tuple[CountyFigures, ...]:
    """Order counties: overdue and open cases first, then new, then area."""
    return tuple(
        sorted(
            figures,
            key=lambda f: (-f.overdue, -f.new, -f.open, -f.area_m2, f.area.code),
        )
    )


def _trend(
    alerts: Sequence[Alert], known: Sequence[Known], week: IsoWeek
) -> tuple[WeekCount, ...]:
    """Count the alerts of the last weeks, of those that stand now."""
    firsts = {key: value for each in known for key, value in each.firsts.items()}
    mine = [firsts.get(alert.alert_id, week) for alert in alerts]
    weeks = [
        IsoWeek.of(week.end - timedelta(days=7 * back, seconds=1))
        for back in reversed(range(TREND_WEEKS))
    ]
    return tuple(
        WeekCount(
            week=each,
            new=sum(first == each for first in mine),
            standing=sum(first <= each for first in mine),
        )
        for each in weeks
    )


def _near(
    register: RegisterSnapshot,
    alerts: Sequence[Alert],
    area: Area,
    known: Sequence[Known],
) -> RegisterSnapshot:
    """Keep the licences of an area: named by its alerts, or on its ground."""
    named = {i for alert in alerts for i in alert.verdict.licence_ids}
    ground = area.geometry or shapely.union_all(
        [c.geometry for each in known for c in each.coverage]
    )
    kept = tuple(
        licence
        for licence in register.licences
        if licence.licence_id in named or licence.geometry.intersects(ground)
    )
    return RegisterSnapshot(snapshot_id=register.snapshot_id, licences=kept)


def _digest(settings: Sequence[Settings]) -> str:
    """Name the settings of some districts."""
    digests = sorted({each.digest for each in settings})
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
