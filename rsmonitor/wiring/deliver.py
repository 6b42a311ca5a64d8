"""Packages on disk: built once, whole or absent, each with its manifest and a zip."""

import contextlib
import hashlib
import io
import json
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from rsmonitor.config import Settings
from rsmonitor.errors import ContractError, OutputError
from rsmonitor.interfaces import Progress
from rsmonitor.io.deliver.geojson import (
    alerts_collection,
    coverage_collection,
    dumps,
    notice,
)
from rsmonitor.io.deliver.report_tables import alerts_table
from rsmonitor.io.deliver.tables import xlsx
from rsmonitor.io.foundation.files import (
    make_folder,
    staged_folder,
    write_atomic,
)
from rsmonitor.records.basemap import Basemap
from rsmonitor.records.case import Level
from rsmonitor.records.district import District
from rsmonitor.records.package import Area, Package
from rsmonitor.records.run import RunResult
from rsmonitor.records.week import IsoWeek
from rsmonitor.stages.outgoing import letter_entry
from rsmonitor.wiring.cases import heads_of
from rsmonitor.wiring.office import job_of, unwatched
from rsmonitor.wiring.package_tips import noted, waiting_tips, write_tips
from rsmonitor.wiring.packages import Weekly
from rsmonitor.wiring.reports import Books

MANIFEST: Final = "manifest.json"
"""Lists the other files of a package with their SHA-256; written last."""

HEAD: Final = "head.json"
"""The end of the ledger's chain when the package was made."""

_WEEK: Final = re.compile(r"[0-9]{4}-W[0-9]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """One package on disk."""

    area: Area
    """Whose it is."""

    week: IsoWeek
    """Of which week."""

    folder: Path
    """Its files."""

    archive: Path
    """The same as one zip."""

    sha256: str
    """Of the zip."""

    revision: int
    """Counts from 1; raised where it was made again."""

    manifest: Mapping[str, Any]
    """What ``manifest.json`` says."""

    fresh: bool
    """False where it was there already."""


def build_packages(
    books: Books, *, again: bool = False, progress: Progress = unwatched
) -> Iterator[Built]:
    """
    Build the packages of the week at which the ledger stands.

    A package that is there already stays as it is, since somebody may have it.

    Parameters
    ----------
    books : Books
        From `rsmonitor.wiring.reports.open_books`.
    again : bool, default False
        True makes a further revision of every package.
    progress : Progress
        Who watches.

    Yields
    ------
    Built
        Counties first, then prefectures, then provinces.

    Raises
    ------
    OutputError
        If a file cannot be written; packages that are whole stay.
    StoreError
        If the ledger is damaged.
    """
    settings = books.books[0].settings
    weekly = Weekly(books)
    root = settings.path(settings.deliver.out) / str(weekly.week)
    make_folder(root)
    kept = {
        area.code: found
        for area, _ in weekly.areas()
        for found in [_found(root, area, weekly.week)]
        if found is not None
    }
    todo = {
        a.code for a, _ in weekly.areas() if again or not _is_current(kept, a, weekly)
    }
    made = weekly.packages(progress=progress, wanted=lambda area: area.code in todo)
    for area, _ in weekly.areas():
        if area.code not in todo:
            yield kept[area.code]
            continue
        package = next(made)
        before = kept.get(area.code)
        yield _build(root, package, books, before.revision + 1 if before else 1)
    for _ in made:  # says that it is done
        pass
    _prune(root.parent, settings.deliver.keep_weeks)


def kept_packages(settings: Settings, week: IsoWeek) -> tuple[Built, ...]:
    """
    Find the packages of a week that were built before.

    Parameters
    ----------
    settings : Settings
        Where packages lie.
    week : IsoWeek
        Which week.

    Returns
    -------
    tuple of Built
        By code; empty where there are none.

    Raises
    ------
    OutputError
        If one of them is damaged.
    """
    root = settings.path(settings.deliver.out) / str(week)
    if not root.is_dir():
        return ()
    found = []
    for path in sorted(root.iterdir()):
        manifest = _manifest(path)
        if manifest is None:
            continue
        built = _found(root, _area_of(path, manifest), week)
        if built is not None:
            found.append(built)
    return tuple(found)


def _area_of(folder: Path, manifest: Mapping[str, Any]) -> Area:
    """Read whose package a folder holds; its name must say the same."""
    said = manifest["area"]
    try:
        area = Area(
            code=said["code"],
            level=Level(said["level"]),
            name_zh=str(said["name_zh"]),
            name_en=str(said["name_en"]),
            bureau=str(said["bureau"]),
        )
    except (KeyError, TypeError, ValueError, ContractError) as error:
        why = f"its area is {said!r:.200} ({error!r:.200})"
        raise OutputError(
            _NO_MANIFEST.format(path=folder / MANIFEST, why=why)
        ) from error
    if area.code != folder.name:
        why = f"it is of area {area.code}"
        raise OutputError(_NO_MANIFEST.format(path=folder / MANIFEST, why=why))
    return area


def basemaps_of(settings: Settings) -> tuple[Basemap, ...]:
    """
    Give the bureau's own imagery as the triage project takes it.

    Parameters
    ----------
    settings : Settings
        Settings.

    Returns
    -------
    tuple of Basemap
        In the order of the settings; files by their path on this machine.
    """
    return tuple(
        Basemap(
            title=each.title,
            source=each.source
            if each.source.startswith(("https://", "http://"))
            else str(settings.path(each.source).absolute()),
            on=each.on,
            layer=each.layer,
            matrix=each.matrix,
        )
        for each in settings.deliver.basemaps
    )


def _is_current(kept: Mapping[str, Built], area: Area, weekly: Weekly) -> bool:
    """Say whether a package is there and of the runs that the ledger has."""
    built = kept.get(area.code)
    return built is not None and set(built.manifest["runs"]) == set(weekly.runs(area))


def _build(root: Path, package: Package, books: Books, revision: int) -> Built:
    """Write one package where nobody looks, then show it whole."""
    settings = books.books[0].settings
    head = heads_of(settings, books.ledger)
    final = root / package.area.code
    waiting = waiting_tips(books, package)
    package = noted(package, waiting)
    with staged_folder(final) as folder:
        write_tips(folder, waiting)
        write_package(folder, package, settings)
        manifest = _describe(folder, package, revision)
        text = json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True)
        data = f"{text}\n".encode()
        location = f"{package.area.code}-{package.week}".lower()
        digest = hashlib.sha256(data).hexdigest()
        write_atomic(folder / HEAD, head(location, digest))
        write_atomic(folder / MANIFEST, data)
    return _packed(root, package.area, package.week, manifest, fresh=True)


def write_package(folder: Path, package: Package, settings: Settings) -> None:
    """
    Write the files of a package, all but head and manifest.

    Parameters
    ----------
    folder : Path
        Where to; it exists.
    package : Package
        What is written.
    settings : Settings
        Whose basemaps go into the project for QGIS.

    Raises
    ------
    OutputError
        If a file cannot be written, or a library that it needs is missing.
    """
    # each brings libraries of its own, and most commands need none of them
    from rsmonitor.io.deliver.report.pages import (  # noqa: PLC0415
        write_report,
        write_summary,
    )
    from rsmonitor.io.deliver.stac import write_stac  # noqa: PLC0415

    if package.area.level is Level.COUNTY:
        write_atomic(folder / "report.pdf", write_report(package))
        _write_for_county(folder, package, settings)
    else:
        write_atomic(folder / "summary.pdf", write_summary(package))
    result = _as_result(package, settings)
    write_atomic(folder / "alerts.geojson", dumps(alerts_collection(result)))
    write_atomic(folder / "coverage.geojson", dumps(coverage_collection(result)))
    table = xlsx(
        [alerts_table(result.alerts)],
        heading="疑似线索 Suspected cases",
        remarks=[notice(invented=package.invented)],
    )
    write_atomic(folder / "alerts.xlsx", table)
    write_stac(folder, package)


def _write_for_county(folder: Path, package: Package, settings: Settings) -> None:
    """Write what those who look at sites and go there need."""
    from rsmonitor.io.deliver.field.pack import write_field_pack  # noqa: PLC0415
    from rsmonitor.io.deliver.triage.file import write_triage  # noqa: PLC0415
    from rsmonitor.io.deliver.weipian.forms import write_weipian  # noqa: PLC0415

    write_triage(folder, package, basemaps=basemaps_of(settings))
    write_field_pack(_made(folder / "field"), package)
    write_weipian(_made(folder / "forms"), package)


def _made(folder: Path) -> Path:
    """Make a folder of a package."""
    make_folder(folder)
    return folder


def _as_result(package: Package, settings: Settings) -> RunResult:
    """Give what the writers of a run take, of what a package holds."""
    area = package.area
    partition = job_of(settings).partition(package.week)
    return RunResult(
        partition=replace(
            partition, district=area.code, settings_digest=package.settings_digest
        ),
        district=District(
            code=area.code,
            name_zh=area.name_zh,
            name_en=area.name_en,
            bureau=area.bureau,
        ),
        grids=(),
        sites=tuple(dossier.alert.site for dossier in package.dossiers),
        alerts=tuple(dossier.alert for dossier in package.dossiers),
        evidence={},
        last_clear={},
        coverage=package.coverage,
        register=package.register,
        products=(),
        software=package.software,
    )


def _describe(folder: Path, package: Package, revision: int) -> dict[str, Any]:
    """List every file with its size and SHA-256."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            files[path.relative_to(folder).as_posix()] = {
                "bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
            }
    area = package.area
    return {
        "area": {
            "code": area.code,
            "level": area.level.value,
            "name_zh": area.name_zh,
            "name_en": area.name_en,
            "bureau": area.bureau,
        },
        "week": str(package.week),
        "revision": revision,
        "pages": package.pages,
        "runs": list(package.runs),
        "software": package.software,
        "settings_digest": package.settings_digest,
        "register_snapshot": package.register.snapshot_id,
        "invented_licences": package.invented,
        "notice": notice(invented=package.invented),
        "alerts": [
            {
                "alert_id": each.alert.alert_id,
                "site_id": each.alert.site.site_id,
                "version": each.alert.version,
                "also": list(each.also),
            }
            for each in package.dossiers
        ],
        "letter": letter_entry(package),
        "notes": [{"zh": each.zh, "en": each.en} for each in package.notes],
        "files": files,
    }


def _packed(
    root: Path, area: Area, week: IsoWeek, manifest: Mapping[str, Any], *, fresh: bool
) -> Built:
    """Make the zip of a package, or find the one that was made."""
    folder = root / area.code
    archive = root / f"rsmonitor-{area.code}-{week}.zip"
    inside = f"{area.code}-{week}"
    if not _holds(archive, folder, inside, manifest):
        write_atomic(archive, _zipped(folder, inside))
    return Built(
        area=area,
        week=week,
        folder=folder,
        archive=archive,
        sha256=hashlib.sha256(archive.read_bytes()).hexdigest(),
        revision=int(manifest["revision"]),
        manifest=manifest,
        fresh=fresh,
    )


def _zipped(folder: Path, inside: str) -> bytes:
    """Pack a folder; no time and no user stand in it."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                name = f"{inside}/{path.relative_to(folder).as_posix()}"
                archive.writestr(
                    zipfile.ZipInfo(name), path.read_bytes(), zipfile.ZIP_DEFLATED
                )
    return data.getvalue()


def _holds(
    archive: Path, folder: Path, inside: str, manifest: Mapping[str, Any]
) -> bool:
    """Say whether a zip holds exactly the files of a package."""
    files = {name: each["sha256"] for name, each in manifest["files"].items()}
    for name in (HEAD, MANIFEST):
        try:
            data = (folder / name).read_bytes()
        except OSError as error:
            why = f"{name} cannot be read: {error}"
            raise OutputError(
                _NO_MANIFEST.format(path=folder / MANIFEST, why=why)
            ) from error
        files[name] = hashlib.sha256(data).hexdigest()
    try:
        with zipfile.ZipFile(archive) as packed:
            there = {
                name: hashlib.sha256(packed.read(name)).hexdigest()
                for name in packed.namelist()
            }
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, EOFError):
        return False  # damaged: it is made again from the folder
    return there == {f"{inside}/{name}": digest for name, digest in files.items()}


def _found(root: Path, area: Area, week: IsoWeek) -> Built | None:
    """Find a package that is whole."""
    manifest = _manifest(root / area.code)
    if manifest is None:
        return None
    return _packed(root, area, week, manifest, fresh=False)


def _manifest(folder: Path) -> dict[str, Any] | None:
    """Read the manifest of a package; None where there is none."""
    path = folder / MANIFEST
    if folder.is_symlink() or not path.is_file():
        return None
    try:
        manifest = json.loads(path.read_bytes())
        missing = {key for key in _KEYS if key not in manifest}
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise OutputError(_NO_MANIFEST.format(path=path, why=error)) from error
    if not isinstance(manifest, dict) or missing:
        raise OutputError(
            _NO_MANIFEST.format(path=path, why=f"lacks {sorted(missing)}")
        )
    return manifest


_KEYS: Final = frozenset(
    {
        "area",
        "week",
        "revision",
        "runs",
        "alerts",
        "files",
        "letter",
        "invented_licences",
    }
)

_NO_MANIFEST: Final = (
    "{path}: cannot be read as the manifest of a package: {why}; take the folder away, "
    "and 'rsmonitor deliver' builds it anew"
)


def _prune(folder: Path, keep: int) -> None:
    """Remove the packages of old weeks; only folders of weeks are touched."""
    weeks = sorted(
        p for p in folder.iterdir() if _WEEK.fullmatch(p.name) and p.is_dir()
    )
    for path in weeks[: max(0, len(weeks) - keep)]:
        away = path.with_name(f".{path.name}.pruned")
        path.rename(away)
    for path in folder.glob(".*.pruned"):
        with contextlib.suppress(OSError):
            shutil.rmtree(path)
