"""What goes out each week, put together: one package a county, prefecture, province."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar, cast

import shapely
from shapely import MultiPolygon, Polygon

from rsmonitor.interfaces import Progress
from rsmonitor.io.deliver.handheld import short_names
from rsmonitor.io.deliver.kept_run import read_coverage, read_settings_digest
from rsmonitor.records.alert import Alert
from rsmonitor.records.case import Case, Level
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
    Reason,
)
from rsmonitor.records.run import Coverage
from rsmonitor.records.week import IsoWeek
from rsmonitor.stages.attention import by_attention, inner_point, look_for
from rsmonitor.stages.cases import shanghai_day
from rsmonitor.stages.precision import budget_sentence
from rsmonitor.stages.weekly import (
    Spoken,
    county_figures,
    licences_near,
    ranked,
    spoken,
    trend,
)
from rsmonitor.wiring.alerts import weeks_said
from rsmonitor.wiring.cases import open_desk
from rsmonitor.wiring.learning import verdicts_of, weekly_precision
from rsmonitor.wiring.licences import counties_of
from rsmonitor.wiring.office import SOFTWARE, unwatched
from rsmonitor.wiring.package_images import PackageImages, run_folder
from rsmonitor.wiring.reports import Book, Books
from rsmonitor.wiring.sites import followed_sites
from rsmonitor.wiring.sources import unheard

_T = TypeVar("_T")

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

    weeks: Mapping[str, Spoken]
    """By `Alert.alert_id`, withdrawn alerts included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """A district that has no run of the week that goes out."""

    code: str
    """`District.code`."""

    week: IsoWeek
    """Week of its last run."""


def everything(area: Area) -> bool:
    """
    Want the package of every area.

    Parameters
    ----------
    area : Area
        Any.

    Returns
    -------
    bool
        True.
    """
    return bool(area.code)


class Weekly:
    """
    The packages of a week, made one after the other.

    Only the images of one package are held at a time.

    Parameters
    ----------
    books : Books
        From `rsmonitor.wiring.reports.open_books`.

    Raises
    ------
    OutputError
        If the folder of a run cannot be read.
    StoreError
        If the ledger is damaged.
    SettingsError
        If a border layer cannot be used.
    LicenceError
        If the licences cannot be used.
    """

    def __init__(self, books: Books) -> None:
        self._books = books
        self.week = week_of(books)
        self.behind = behind(books)
        self._known = [_know(b) for b in books.books if b.runs[-1].week == self.week]
        self._register = books.register()
        self._verdicts = verdicts_of(books)
        given = books.books[0].settings.deliver.names
        self._names = books.county_names() | dict(n.split("=", 1) for n in given)
        self._counties = _counties(books, self._known, self._names)
        self._figures = {
            code: self._count(area, alerts)
            for code, (area, alerts) in self._counties.items()
        }

    def areas(self) -> tuple[tuple[Area, tuple[Alert, ...]], ...]:
        """
        List who receives a package, and which alerts it holds.

        Returns
        -------
        tuple of tuple
            Area and its standing alerts: counties first, then prefectures, then
            provinces, each by code. A county without alerts is there too.
        """
        levels = self._books.books[0].settings.deliver.levels
        return tuple(
            each
            for level in Level
            if level.value in levels
            for each in _areas(self._counties, self._names, level)
        )

    def runs(self, area: Area) -> tuple[str, ...]:
        """
        Name the runs behind the package of an area.

        Parameters
        ----------
        area : Area
            One of `areas`.

        Returns
        -------
        tuple of str
            `RunRecord.run_id`.
        """
        return tuple(
            each.book.runs[-1].run_id
            for each in self._known
            if _concerns(each.book, area)
        )

    def packages(
        self,
        *,
        progress: Progress = unwatched,
        wanted: Callable[[Area], bool] = everything,
    ) -> Iterator[Package]:
        """
        Put packages together.

        Parameters
        ----------
        progress : Progress
            Who watches.
        wanted : callable, optional
            Says whether the package of an area is to be made; all are by default.

        Yields
        ------
        Package
            In the order of `areas`.
        """
        todo = self.areas()
        images = PackageImages(self.week)
        for done, (area, alerts) in enumerate(todo):
            progress("packages", done, len(todo))
            if wanted(area):
                yield self._package(area, alerts, images)
        progress("packages", len(todo), len(todo))

    def _package(
        self, area: Area, alerts: Sequence[Alert], images: PackageImages
    ) -> Package:
        """Put one package together."""
        settings = self._books.books[0].settings
        theirs = [each for each in self._known if _concerns(each.book, area)]
        chips: dict[str, tuple[Chip, ...]] = {}
        overviews: list[Overview] = []
        for each in theirs:
            if area.level is Level.COUNTY:
                found, wide = images.of(each.book, alerts)
                chips |= found
                overviews += wide
            else:
                overviews += images.small(each.book)
        ground = [c.geometry for each in theirs for c in each.coverage]
        start = settings.deliver.visit_start
        return Package(
            area=area,
            week=self.week,
            language=cast("Language", settings.deliver.language),
            dossiers=self._dossiers(area, alerts, theirs, chips),
            pages=settings.deliver.pages,
            counties=ranked(
                figures
                for code, figures in self._figures.items()
                if code.startswith(area.code)
            ),
            trend=trend(
                _ever(area, theirs),
                [alert.alert_id for alert in alerts],
                weeks=_joined(each.weeks for each in theirs),
                since=min(
                    (each.book.runs[0].week for each in theirs), default=self.week
                ),
                week=self.week,
            ),
            coverage=tuple(c for each in theirs for c in each.coverage),
            register=licences_near(
                self._register, alerts, [area.geometry] if area.geometry else ground
            ),
            overviews=tuple(overviews),
            names=self._names
            | {code: area.name_zh for code, (area, _) in self._counties.items()},
            software=SOFTWARE,
            settings_digest=_digest([run_folder(each.book) for each in theirs]),
            runs=self.runs(area),
            invented=self._books.invented or self._register.invented,
            visit_start=shapely.Point(start) if start else None,
            map_links=settings.deliver.map_links,
            notes=self._notes(area, theirs, images),
            precision=budget_sentence(
                weekly_precision(
                    settings,
                    self._verdicts,
                    report=unheard,
                    area=area.code,
                    before=self.week,
                ),
                pages=settings.deliver.pages,
            ),
        )

    def _dossiers(
        self,
        area: Area,
        alerts: Sequence[Alert],
        known: Sequence[Known],
        chips: Mapping[str, tuple[Chip, ...]],
    ) -> tuple[Dossier, ...]:
        """Write a dossier for each alert, in the order of attention."""
        phases = _joined(each.phases for each in known)
        cases = _joined(each.cases for each in known)
        weeks = _joined(each.weeks for each in known)
        short = {
            key: name
            for each in known
            for key, name in short_names(a.alert_id for a in each.book.alerts).items()
        }
        monday = shanghai_day(self.week.end)
        found = []
        attended = by_attention(
            alerts, on=self.week.last_day, phases=phases, cases=cases
        )
        for place, each in enumerate(attended, start=1):
            alert, case = each.alert, cases.get(each.alert.alert_id)
            said = weeks.get(alert.alert_id)
            found.append(
                Dossier(
                    alert=alert,
                    place=place,
                    reasons=each.reasons,
                    news=News.NEW if said is None else said.news(self.week),
                    short_name=short[alert.alert_id],
                    point=inner_point(alert.site.latest.disturbance.geometry),
                    grown_m2=each.grown_m2,
                    phase=phases.get(alert.site.site_id),
                    look_for=look_for(alert),
                    also=tuple(
                        code
                        for code in codes_of_alert(alert)
                        if not code.startswith(area.code)
                    ),
                    case=case,
                    days_overdue=0 if case is None else case.days_overdue(monday),
                    chips=chips.get(alert.site.site_id, ()),
                )
            )
        return tuple(found)

    def _count(self, area: Area, alerts: Sequence[Alert]) -> CountyFigures:
        """Count one county."""
        theirs = [each for each in self._known if _concerns(each.book, area)]
        return county_figures(
            area,
            alerts,
            week=self.week,
            cases=_joined(each.cases for each in theirs),
            weeks=_joined(each.weeks for each in theirs),
            coverage=[c for each in theirs for c in each.coverage],
        )

    def _notes(
        self, area: Area, known: Sequence[Known], images: PackageImages
    ) -> tuple[Reason, ...]:
        """Say what readers must know: images that are missing, districts that are."""
        told = [
            Reason(
                zh=f"区域 {code} 的影像未能读取：{images.notes[code]}",
                en=f"the images of {code} could not be read: {images.notes[code]}",
            )
            for code in (each.book.settings.district.code for each in known)
            if code in images.notes
        ]
        told += [
            Reason(
                zh=f"区域 {each.code} 本周没有运行（最近为 {each.week}），未包括在内",
                en=f"district {each.code} was not run this week (last: {each.week}) "
                "and is not included",
            )
            for each in self.behind
            if each.code.startswith(area.code)
        ]
        return tuple(told)


def week_of(books: Books) -> IsoWeek:
    """
    Give the week that goes out: that of the newest run.

    Parameters
    ----------
    books : Books
        From `rsmonitor.wiring.reports.open_books`.

    Returns
    -------
    IsoWeek
        The week.
    """
    return max(book.runs[-1].week for book in books.books)


def behind(books: Books) -> tuple[Behind, ...]:
    """
    List the districts whose last run is of an earlier week than the others'.

    Parameters
    ----------
    books : Books
        From `rsmonitor.wiring.reports.open_books`.

    Returns
    -------
    tuple of Behind
        In the order of the settings file.
    """
    week = week_of(books)
    return tuple(
        Behind(code=book.settings.district.code, week=book.runs[-1].week)
        for book in books.books
        if book.runs[-1].week < week
    )


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


def _know(book: Book) -> Known:
    """Read what a district's packages need beside its alerts."""
    settings = book.settings
    desk = open_desk(settings)
    return Known(
        book=book,
        coverage=read_coverage(run_folder(book)),
        phases={
            each.site.site_id: each.life.now
            for each in followed_sites(settings)
            if each.observations
        },
        cases={case.alert_id: case for case in desk.book().cases},
        weeks=spoken(weeks_said(book)),
    )


def _joined(tables: Iterable[Mapping[str, _T]]) -> dict[str, _T]:
    """Join a table of several districts; ids are of one district each."""
    return {key: value for table in tables for key, value in table.items()}


def _ever(area: Area, known: Sequence[Known]) -> list[str]:
    """List the alerts that were ever said of an area."""
    return [
        alert_id
        for each in known
        for alert_id, versions in each.book.versions.items()
        if any(code.startswith(area.code) for code in codes_of_alert(versions[-1]))
    ]


def _concerns(book: Book, area: Area) -> bool:
    """Say whether a district watches ground of an area, or has an alert there."""
    district = book.settings.district
    codes = {*(district.county_codes or (district.code,))}
    codes |= {code for alert in book.alerts for code in codes_of_alert(alert)}
    return any(code.startswith(area.code) for code in codes)


def _counties(
    books: Books, known: Sequence[Known], names: Mapping[str, str]
) -> dict[str, tuple[Area, tuple[Alert, ...]]]:
    """Give each county its alerts, also those that have none: that is news too."""
    borders = {
        county.code: county.geometry for county in counties_of(books.books[0].settings)
    }
    alerts: dict[str, list[Alert]] = {}
    districts = {}
    for each in known:
        district = each.book.settings.district
        codes = district.county_codes or (district.code,)
        for code in codes:
            alerts.setdefault(code, [])
            if code == district.code or codes == (code,):
                districts[code] = district
        for alert in each.book.alerts:
            for code in codes_of_alert(alert):
                alerts.setdefault(code, []).append(alert)
    areas = {}
    for code, theirs in sorted(alerts.items()):
        own = districts.get(code)
        name = names.get(code) or (own.name_zh if own else code)
        areas[code] = (
            Area(
                code=code,
                level=Level.COUNTY,
                name_zh=name,
                name_en=own.name_en if own else name,
                bureau=own.bureau if own else "",
                geometry=borders.get(code),
            ),
            tuple(theirs),
        )
    return areas


def _areas(
    counties: Mapping[str, tuple[Area, tuple[Alert, ...]]],
    names: Mapping[str, str],
    level: Level,
) -> Iterator[tuple[Area, tuple[Alert, ...]]]:
    """Join the counties of a level; an alert of two counties counts once."""
    if level is Level.COUNTY:
        yield from counties.values()
        return
    digits = _DIGITS[level]
    for code in sorted({c[:digits] for c in counties if c.isdigit()}):
        inside = [each for county, each in counties.items() if county.startswith(code)]
        borders = [area.geometry for area, _ in inside if area.geometry is not None]
        name = names.get(code, code)
        yield (
            Area(
                code=code,
                level=level,
                name_zh=name,
                name_en=name,
                geometry=_whole(borders),
            ),
            tuple({a.alert_id: a for _, theirs in inside for a in theirs}.values()),
        )


def _whole(
    borders: Sequence[Polygon | MultiPolygon],
) -> Polygon | MultiPolygon | None:
    """Join borders."""
    if not borders:
        return None
    whole = shapely.union_all(list(borders))
    return whole if isinstance(whole, Polygon | MultiPolygon) else None


def _digest(folders: Sequence[Path]) -> str:
    """Name the settings of some runs."""
    digests = sorted({read_settings_digest(folder) for folder in folders})
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
