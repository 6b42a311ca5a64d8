"""What the ledger knows, read once: for alerts, reports, and whoever asks again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

from rsmonitor.config import Settings, read_districts
from rsmonitor.errors import ContractError, StoreError
from rsmonitor.io.deliver.observed import shares_seen
from rsmonitor.io.stores.ledger import StoredLedger
from rsmonitor.records.alert import Alert
from rsmonitor.records.event import Event
from rsmonitor.records.licence import RegisterSnapshot
from rsmonitor.records.run import RunRecord
from rsmonitor.records.site import Site
from rsmonitor.stages.alerting import alert_id_of
from rsmonitor.stages.reporting import Yearly, cases_of, yearly
from rsmonitor.stages.rights_report import (
    Quarter,
    RightInTime,
    RightRow,
    rights,
    rights_in_time,
)
from rsmonitor.stages.suppression import suppressed_sites
from rsmonitor.wiring.licences import counties_of, register_of
from rsmonitor.wiring.sites import followed_sites
from rsmonitor.wiring.stores import open_ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """What the ledger says of one district, without what no product may show."""

    settings: Settings
    """The district's settings."""

    runs: tuple[RunRecord, ...]
    """Committed runs, oldest week first; at least one."""

    sites: tuple[Site, ...]
    """All sites by id, merged and withdrawn ones included."""

    alerts: tuple[Alert, ...]
    """Standing alerts by rank."""

    versions: Mapping[str, tuple[Alert, ...]]
    """All that was ever said of each alert, oldest first, by `Alert.alert_id`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What the ledger says of the districts of a settings file."""

    books: tuple[Book, ...]
    """One a district that was run, in the order of the file."""

    events: tuple[Event, ...]
    """The chain from its start, without events of sites that no product may show."""

    ledger: StoredLedger
    """Where it was read."""

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """Standing alerts: by district, then by rank."""
        return tuple(alert for book in self.books for alert in book.alerts)

    @property
    def invented(self) -> bool:
        """True if any alert was judged by invented licences."""
        return any(alert.invented_licences for alert in self.alerts)

    def book_of(self, alert_id: str) -> Book:
        """
        Find the district that an alert is of.

        Parameters
        ----------
        alert_id : str
            `Alert.alert_id`.

        Returns
        -------
        Book
            Its district's.

        Raises
        ------
        StoreError
            If nothing was ever said of such an alert.
        """
        for book in self.books:
            if alert_id in book.versions:
                return book
        raise StoreError(
            f"no alert {alert_id} was ever raised here; 'rsmonitor alerts list' names "
            "those that stand"
        )

    def county_names(self) -> dict[str, str]:
        """
        Name the counties that a border layer or the settings know.

        Returns
        -------
        dict of str to str
            Chinese names by GB/T 2260 code.

        Raises
        ------
        SettingsError
            If a border layer cannot be used.
        """
        names = {
            book.settings.district.code: book.settings.district.name_zh
            for book in self.books
            if book.settings.district.code.isdigit()
        }
        return names | {
            county.code: county.name for county in counties_of(self.books[0].settings)
        }

    def register(self) -> RegisterSnapshot:
        """
        Read the licences as they stand now.

        Returns
        -------
        RegisterSnapshot
            Those that all districts of the file share.

        Raises
        ------
        LicenceError
            If they cannot be used.
        """
        return register_of(self.books[0].settings).snapshot()


def open_books(config: Path, district: str | None = None) -> Books:
    """
    Read what the ledger of a settings file says.

    Sites that a person called special use are left out, and so is all that lies there.

    Parameters
    ----------
    config : Path
        Settings file.
    district : str, optional
        `District.code` of the only district wanted.

    Returns
    -------
    Books
        Nothing is written.

    Raises
    ------
    SettingsError
        If the settings cannot be used.
    StoreError
        If there is no ledger, no run in it, or it is damaged.
    """
    return books_of(read_districts(config, district))


def books_of(offices: Sequence[Settings]) -> Books:
    """
    Read what the ledger of some districts says.

    Sites that a person called special use are left out, and so is all that lies there.

    Parameters
    ----------
    offices : sequence of Settings
        Districts that share a ledger.

    Returns
    -------
    Books
        Nothing is written.

    Raises
    ------
    StoreError
        If there is no ledger, no run in it, or it is damaged.
    """
    ledger = open_ledger(offices[0])
    if not ledger.exists():
        raise StoreError(
            f"{ledger.name} does not exist: no run has been committed there"
        )
    events = tuple(ledger.events())
    said = ledger.withheld()
    books, hidden = [], set(said)
    for settings in offices:
        book, withheld = _book(ledger, settings, said)
        hidden |= withheld
        if book.runs:
            books.append(book)
    if not books:
        raise StoreError(
            f"{ledger.name}: no run of {', '.join(_codes(offices))} is in it"
        )
    return Books(
        books=tuple(books),
        events=tuple(
            event
            for event in events
            if not any(f'"{site_id}"' in event.body for site_id in hidden)
        ),
        ledger=ledger,
    )


def yearly_report(books: Books, year: int) -> Yearly:
    """
    Count the alerts of a year.

    Parameters
    ----------
    books : Books
        From `open_books`.
    year : int
        Calendar year.

    Returns
    -------
    Yearly
        Of all districts of the books.

    Raises
    ------
    LicenceError
        If the licences, which name the holders, cannot be used.
    SettingsError
        If the border layer cannot be used.
    """
    cases = cases_of(
        [versions for book in books.books for versions in book.versions.values()],
        sites=[site for book in books.books for site in book.sites],
        standing={alert.alert_id for alert in books.alerts},
        events=books.events,
        phases={
            each.site.site_id: each.life.now.value
            for book in books.books
            for each in followed_sites(book.settings)
            if each.observations
        },
    )
    return yearly(
        year,
        cases,
        licences=books.register().licences,
        county_names=books.county_names(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RightsReport:
    """What was seen inside each right in a quarter."""

    quarter: Quarter
    """The quarter."""

    rows: tuple[RightRow, ...]
    """By number of the right."""

    register_snapshot: str
    """`RegisterSnapshot.snapshot_id`."""

    invented: bool
    """True if any licence is invented."""

    notes: tuple[str, ...]
    """What a reader must know, one sentence each."""


def rights_report(books: Books, quarter: Quarter) -> RightsReport:
    """
    Say what was seen inside each mining right and recovery project in a quarter.

    Parameters
    ----------
    books : Books
        From `open_books`.
    quarter : Quarter
        The quarter.

    Returns
    -------
    RightsReport
        One row a right of the register.

    Raises
    ------
    LicenceError
        If the licences cannot be used.
    ContractError
        If nothing was watched in the quarter.
    OutputError
        If the coverage of a kept run is damaged.
    """
    register = books.register()
    notes = []
    settings = books.books[0].settings
    if quarter.last <= settings.history.until:
        raise ContractError(
            f"{quarter} ends on {quarter.last}, within the history, which lasts until "
            f"{settings.history.until} (history.until): nothing was watched"
        )
    if quarter.first <= settings.history.until:
        notes.append(f"watched from {settings.history.until} on only")
    weeks = [book.runs[-1].week for book in books.books]
    if min(week.last_day for week in weeks) < quarter.last:
        notes.append(f"runs reach {min(weeks)} only, so the quarter is not whole")
    folders = [folder for book in books.books for folder in _kept_runs(book, quarter)]
    if not folders:
        notes.append(
            "the share observed was not measured: no run of the quarter is kept any "
            "more (run.keep_runs)"
        )
    known = rights_in_time(register)
    parcels = {each.newest.licence_id: each.ground(quarter) for each in known}
    notes += _moved(known, quarter)
    observed = (
        shares_seen(folders, parcels, first=quarter.first, last=quarter.last)
        if folders
        else {}
    )
    if not any(each.year == quarter.year for each in register.producing):
        notes.append(f"the register holds no list of producing mines of {quarter.year}")
    return RightsReport(
        quarter=quarter,
        rows=rights(
            quarter,
            [site for book in books.books for site in book.sites],
            register,
            observed=observed,
            min_area_m2=settings.licensing.min_part_m2,
        ),
        register_snapshot=register.snapshot_id,
        invented=register.invented,
        notes=tuple(notes),
    )


def _book(
    ledger: StoredLedger, settings: Settings, said: frozenset[str]
) -> tuple[Book, frozenset[str]]:
    """Read one district, and name the sites that are left out."""
    code = settings.district.code
    everything = ledger.sites(code)
    withheld = suppressed_sites(said, everything)
    sites = tuple(s for s in everything if s.site_id not in withheld)
    ids = [alert_id_of(site) for site in sites]
    versions = {each: ledger.versions(each) for each in ids}
    return Book(
        settings=settings,
        runs=ledger.runs(code),
        sites=sites,
        alerts=tuple(
            alert for alert in ledger.alerts(code) if alert.site.site_id not in withheld
        ),
        versions={each: words for each, words in versions.items() if words},
    ), withheld


def _codes(offices: Sequence[Settings]) -> list[str]:
    """Name districts."""
    return [office.district.code for office in offices]


def _kept_runs(book: Book, quarter: Quarter) -> list[Path]:
    """List folders that know the quarter, if one of them ends in it or just after."""
    out = book.settings.path(book.settings.run.out) / "runs"
    kept = [
        (run.week.last_day, out / run.location)
        for run in book.runs
        if run.week.last_day >= quarter.first and (out / run.location).is_dir()
    ]
    if not any(_touches(day, quarter) for day, _ in kept):
        return []
    return [folder for _, folder in kept]


def _moved(known: Sequence[RightInTime], quarter: Quarter) -> list[str]:
    """Name the rights of which the boundary changed within a quarter."""
    return [
        f"the boundary of {each.newest.licence_id} changed on {after.valid_from}, "
        "within the quarter: what was first seen before is held against the one before"
        for each in known
        for before, after in pairwise(each.within(quarter))
        if not before.geometry.equals(after.geometry)
    ]


def _touches(sunday: date, quarter: Quarter) -> bool:
    """Say whether a week has a day in the quarter."""
    return quarter.first <= sunday <= quarter.last + timedelta(days=6)
