"""What is taken along from the page: alerts in any format, and packages of weeks."""

import io
import json
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rsmonitor.errors import ContractError
from rsmonitor.io.stores.shelf_query import Wanted
from rsmonitor.records.account import Scope
from rsmonitor.records.licence import RegisterSnapshot
from rsmonitor.records.package import AREA_CODE
from rsmonitor.records.week import IsoWeek
from rsmonitor.stages.suppression import suppressed_sites
from rsmonitor.stages.weekly import licences_near
from rsmonitor.wiring.deliver import MANIFEST
from rsmonitor.wiring.exports import export
from rsmonitor.wiring.packages import codes_of_alert
from rsmonitor.wiring.reports import Book, Books
from rsmonitor.wiring.shelf import Group, KeptShelf
from rsmonitor.wiring.web_sites import alerts_of

MOST_ALERTS: Final = 10_000
"""Alerts of one download."""

MOST_MANIFEST: Final = 16 * 2**20
"""Bytes of a manifest that is believed."""

FORMATS: Final[Mapping[str, tuple[str, str, str]]] = {
    "geojson": ("geojson", "geojson", "application/geo+json"),
    "csv": ("csv", "csv", "text/csv; charset=utf-8"),
    "xlsx": (
        "xlsx",
        "xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
    "kml": ("kml", "kml", "application/vnd.google-earth.kml+xml"),
    "kmz": ("kml", "kmz", "application/vnd.google-earth.kmz"),
    "gpx": ("gpx", "gpx", "application/gpx+xml"),
    "geopackage": ("geopackage", "gpkg", "application/geopackage+sqlite3"),
    "shapefile": ("shapefile", "zip", "application/zip"),
    "txt": ("txt", "zip", "application/zip"),
}
"""By name: what `rsmonitor alerts export` calls it, how its file ends, its media type.
"""

_WEEK: Final = re.compile(r"[0-9]{4}-W[0-9]{2}")
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen(Books):
    """Alerts that somebody sees, with the licences that they name and no other."""

    def register(self) -> RegisterSnapshot:
        """
        Read the licences that the alerts name.

        Returns
        -------
        RegisterSnapshot
            Those of the district's register.
        """
        return licences_near(Books.register(self), self.alerts, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A package on disk that somebody may have."""

    code: str
    """`Area.code`."""

    week: IsoWeek
    """The week."""

    folder: Path
    """Its files."""

    archive: Path
    """The same as one zip."""

    manifest: Mapping[str, Any]
    """What ``manifest.json`` says."""

    @property
    def alert_ids(self) -> tuple[str, ...]:
        """Alerts that it names."""
        return tuple(str(each["alert_id"]) for each in self.manifest["alerts"])


def chosen_books(kept: KeptShelf, wanted: Wanted, scope: Scope) -> Books | None:
    """
    Gather the alerts that are wanted, as exports take them.

    Parameters
    ----------
    kept : KeptShelf
        The shelf.
    wanted : Wanted
        Which; within the scope.
    scope : Scope
        Who asks: held against what the ledger says now, too.

    Returns
    -------
    Books
        One district after the other; None where no alert is wanted.

    Raises
    ------
    ContractError
        If more than `MOST_ALERTS` are wanted.
    StoreError
        If a ledger or the shelf is damaged.
    """
    shelf = kept.now()
    ids = shelf.ids(wanted, most=MOST_ALERTS + 1)
    if len(ids) > MOST_ALERTS:
        raise ContractError(
            f"a download holds at most {MOST_ALERTS} alerts; choose by county, tier or "
            "week, or read them page by page"
        )
    by_source = shelf.sources_of(ids)
    books = []
    for source in sorted(by_source):
        group, settings = kept.group_of(source), kept.settings_of(source)
        alerts = [
            alert
            for alert in alerts_of(group, settings.district.code, by_source[source])
            if scope.sees(codes_of_alert(alert))
        ]
        if alerts:
            books.append(
                Book(
                    settings=settings,
                    runs=group.ledger.runs(settings.district.code),
                    sites=(),
                    alerts=tuple(sorted(alerts, key=lambda a: (a.rank, a.alert_id))),
                    versions={},
                )
            )
    if not books:
        return None
    first = kept.group_of(min(by_source))
    return _Seen(books=tuple(books), events=(), ledger=first.ledger)


def download(books: Books, form: str, *, county: str | None = None) -> bytes:
    """
    Write alerts in a format.

    Parameters
    ----------
    books : Books
        From `chosen_books`.
    form : str
        One of `FORMATS`.
    county : str, optional
        The county that was asked for.

    Returns
    -------
    bytes
        The file.

    Raises
    ------
    ContractError
        If the format cannot say what is wanted.
    OutputError
        If it cannot be written.
    """
    name, suffix, _ = FORMATS[form]
    with tempfile.TemporaryDirectory(prefix="rsmonitor-") as folder:
        path = Path(folder, f"alerts.{'kml' if form == 'kmz' else suffix}")
        export(books, path, form=name, county=county)
        data = path.read_bytes()
    if form != "kmz":
        return data
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        info = zipfile.ZipInfo("doc.kml", date_time=_EPOCH)
        info.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(info, data)
    return packed.getvalue()


def packages_of(kept: KeptShelf, scope: Scope) -> Iterator[Kept]:
    """
    Find the packages that a scope holds whole.

    Parameters
    ----------
    kept : KeptShelf
        The shelf.
    scope : Scope
        Who asks: a county does not have its province's.

    Yields
    ------
    Kept
        The newest week first; none that names a site which may no longer be shown.

    Raises
    ------
    StoreError
        If a ledger is damaged.
    """
    seen: set[Path] = set()
    for group in kept.groups:
        root = group.offices[0].path(group.offices[0].deliver.out)
        if root in seen or not root.is_dir():
            continue
        seen.add(root)
        weeks = [p for p in root.iterdir() if _WEEK.fullmatch(p.name) and p.is_dir()]
        for folder in sorted(weeks, reverse=True):
            for area in sorted(folder.iterdir()):
                if AREA_CODE.fullmatch(area.name) and scope.covers(area.name):
                    found = find_package(kept, scope, folder.name, area.name)
                    if found is not None and found.folder == area:
                        yield found


def find_package(kept: KeptShelf, scope: Scope, week: str, code: str) -> Kept | None:
    """
    Find one package.

    Parameters
    ----------
    kept : KeptShelf
        The shelf.
    scope : Scope
        Who asks.
    week : str
        ISO week.
    code : str
        `Area.code`.

    Returns
    -------
    Kept or None
        None where there is none that the scope holds whole and that may be shown.

    Raises
    ------
    StoreError
        If a ledger is damaged.
    """
    if not (_WEEK.fullmatch(week) and AREA_CODE.fullmatch(code)):
        return None
    if not scope.covers(code):
        return None
    for group in kept.groups:
        folder = group.offices[0].path(group.offices[0].deliver.out) / week / code
        manifest = _manifest(folder)
        if manifest is None:
            continue
        named = {str(each["site_id"]) for each in manifest["alerts"]}
        # of all ledgers: several may deliver to the same folder
        if any(named & hidden_in(each) for each in kept.groups):
            return None  # it was built before somebody said special use
        return Kept(
            code=code,
            week=IsoWeek.parse(week),
            folder=folder,
            archive=folder.parent / f"rsmonitor-{code}-{week}.zip",
            manifest=manifest,
        )
    return None


def file_of(package: Kept, name: str) -> Path | None:
    """
    Find a file of a package.

    Parameters
    ----------
    package : Kept
        The package.
    name : str
        As its manifest has it.

    Returns
    -------
    Path or None
        None where the manifest names no such file, or it lies elsewhere.
    """
    if name != MANIFEST and name not in package.manifest["files"]:
        return None
    path = package.folder / name
    try:
        whole = path.resolve(strict=True)
        inside = whole.is_relative_to(package.folder.resolve(strict=True))
    except (OSError, ValueError, RuntimeError):
        return None
    return whole if inside and whole.is_file() else None


def archive_of(package: Kept) -> Path | None:
    """
    Find the zip of a package.

    Parameters
    ----------
    package : Kept
        The package.

    Returns
    -------
    Path or None
        None where there is none, or one that was made of the package before: it is
        made after the folder, and may name a site that the folder no longer does.
    """
    name = f"{package.code}-{package.week}/{MANIFEST}"
    try:
        with zipfile.ZipFile(package.archive) as archive:
            if archive.getinfo(name).file_size > MOST_MANIFEST:
                return None
            same = bool(json.loads(archive.read(name)) == package.manifest)
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, EOFError):
        return None
    except (KeyError, ValueError, RecursionError):
        return None
    return package.archive if same else None


def hidden_in(group: Group) -> frozenset[str]:
    """
    Name the sites of some districts that no product may show.

    Parameters
    ----------
    group : Group
        Districts that share a ledger.

    Returns
    -------
    frozenset of str
        Values of `Site.site_id`.

    Raises
    ------
    StoreError
        If the ledger is damaged.
    """
    name, version = group.ledger.name, group.ledger.tables.stamp()
    if version is None:
        return frozenset()
    known = _hidden.get(name)
    if known is None or known[0] != version:
        known = _hidden[name] = (version, _hidden_now(group))
    return known[1]


_hidden: Final[dict[str, tuple[tuple[object, ...], frozenset[str]]]] = {}
"""By ledger: which version of it was asked, and what it said."""


def _hidden_now(group: Group) -> frozenset[str]:
    """Ask the ledger."""
    said = group.ledger.withheld()
    if not said:
        return frozenset()
    sites = [
        site
        for office in group.offices
        for site in group.ledger.sites(office.district.code)
    ]
    return suppressed_sites(said, sites)


def _manifest(folder: Path) -> Mapping[str, Any] | None:
    """Read a manifest; what is odd about it is as if it were not there."""
    path = folder / MANIFEST
    try:
        if folder.is_symlink() or path.stat().st_size > MOST_MANIFEST:
            return None
        found = json.loads(path.read_bytes())
        if found["area"]["code"] != folder.name:
            return None
        # what is read later is there
        for each in found["alerts"]:
            _ = each["site_id"], each["alert_id"]
        for each in found["files"].values():
            _ = int(each["bytes"])
        _ = int(found["revision"]), found["area"]["level"], found["area"]["name_zh"]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
