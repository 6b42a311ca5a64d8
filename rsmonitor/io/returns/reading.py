"""Any file that comes back, opened: what it is, is decided by its content."""

import hashlib
import re
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Final

from rsmonitor.errors import LicenceError, ReturnsError
from rsmonitor.io.foundation.foreign_sqlite import START, companions
from rsmonitor.io.licences.untrusted import Members, is_zip, read_bytes
from rsmonitor.io.returns.columns import FINDING_FIELDS
from rsmonitor.io.returns.evidence_database import (
    is_evidence_database,
    read_evidence,
)
from rsmonitor.io.returns.exif import MAX_BYTES
from rsmonitor.io.returns.features import (
    is_geopackage,
    read_geojson,
    read_geopackage,
)
from rsmonitor.io.returns.rows import RowFile, UnusableRowError
from rsmonitor.io.returns.sqlite_door import opened
from rsmonitor.io.returns.tables import read_table

MAX_PACKAGE_BYTES: Final = 512 * 2**20
"""Largest zip of a table and its photos."""

_TABLES: Final = (".csv", ".txt", ".xlsx", ".gpkg", ".geojson", ".json", ".db")
_TRIAGE: Final = "triage.gpkg"
_WORKBOOK: Final = b"[Content_Types].xml"
_PIECE: Final = 2**20
_RULE_PHOTO: Final = (
    "a photo is named by its path in the package, or beside the file and below it"
)
_OUTSIDE: Final = re.compile(r"^[\\/]|^[A-Za-z]:|(^|[\\/])\.\.([\\/]|$)|[\x00-\x1f]")


@contextmanager
def open_returns(
    path: Path, *, fields: Mapping[str, tuple[str, ...]]
) -> Iterator[RowFile]:
    """
    Open a file that came back.

    Parameters
    ----------
    path : Path
        CSV, XLSX, GeoPackage, GeoJSON, a 举证 database, or a zip with one of them and
        photos.
    fields : Mapping of str to tuple of str
        `FINDING_FIELDS` or `TIP_FIELDS`.

    Yields
    ------
    RowFile
        Its photos can be read until the context ends.

    Raises
    ------
    ReturnsError
        If the file cannot be used as a whole; the message names file, value and rule.
    OutputError
        If there is no room for the private copy of a database.
    """
    try:
        start = _start(path)
        if is_zip(start) and not _is_workbook(path):
            with _unpacked(path, fields) as file:
                yield file
        else:
            with _opened(path, fields, path.name, _beside(path.parent)) as file:
                yield file
    except LicenceError as error:
        # the readers of cells and zips are those of licences, and so are their errors
        raise ReturnsError(str(error)) from error


@contextmanager
def _opened(
    path: Path,
    fields: Mapping[str, tuple[str, ...]],
    name: str,
    photo: Callable[[str], bytes],
) -> Iterator[RowFile]:
    """Open what is no package."""
    start, digest = _start(path), _digest(path)
    if start.startswith(START):
        with opened(path, file=name) as database:
            if is_geopackage(database):
                rows, refused, notes = read_geopackage(
                    database, fields=fields, file=name
                )
                evidence = False
            elif is_evidence_database(database) and fields is FINDING_FIELDS:
                rows, notes = read_evidence(database, file=name)
                refused, evidence = [], True
            else:
                raise ReturnsError(
                    f"{name}: is a SQLite database without the tables of a GeoPackage "
                    "(gpkg_contents) or of a 举证 database (JCTB)"
                )
            yield RowFile(
                file=name,
                sha256=digest,
                rows=tuple(rows),
                refused=tuple(refused),
                notes=tuple(notes),
                photo=photo,
                is_evidence=evidence,
            )
        return
    reader = read_geojson if _is_json(start) else read_table
    rows, refused, notes = reader(path, fields=fields, file=name)
    yield RowFile(
        file=name,
        sha256=digest,
        rows=tuple(rows),
        refused=tuple(refused),
        notes=tuple(notes),
        photo=photo,
    )


@contextmanager
def _unpacked(path: Path, fields: Mapping[str, tuple[str, ...]]) -> Iterator[RowFile]:
    """Open the one table in a package; only that is put on disk, under our name."""
    content = read_bytes(path, what="a package", max_bytes=MAX_PACKAGE_BYTES)
    members = Members(path.name, content, max_unpacked=2 * MAX_PACKAGE_BYTES)
    found = [n for n in members.names if PurePosixPath(n).suffix.lower() in _TABLES]
    # a whole delivery that comes back: its triage file is what people filled in
    triage = [name for name in found if PurePosixPath(name).name == _TRIAGE]
    passed = [name for name in found if name not in triage] if len(found) > 1 else []
    found = triage if len(triage) == 1 else found
    if len(found) != 1:
        raise ReturnsError(
            f"{path.name}: has {len(found)} tables ({', '.join(found[:5])}): a package "
            "is one table and its photos"
        )

    def photo(name: str) -> bytes:
        wanted = name.replace("\\", "/").removeprefix("./")
        inside = str(PurePosixPath(found[0]).parent / wanted)
        for each in (wanted, inside):
            if each in members.names:
                try:
                    return members.read(each)
                except LicenceError as error:
                    raise UnusableRowError(repr(name[:120]), str(error)) from error
        raise UnusableRowError(repr(name[:120]), f"is not in it; {_RULE_PHOTO}")

    with tempfile.TemporaryDirectory(prefix="rsmonitor-") as folder:
        table = Path(folder, "table" + PurePosixPath(found[0]).suffix.lower())
        _extract(path, found[0], table)
        if f"{found[0]}-wal" in members.names:
            _extract(path, f"{found[0]}-wal", table.with_name(f"{table.name}-wal"))
        name = f"{path.name}/{found[0]}"
        try:
            with _opened(table, fields, name, photo) as file:
                notes = tuple(
                    f"{path.name}: {one!r} in it is not read" for one in passed
                )
                yield replace(file, notes=(*file.notes, *notes))
        except LicenceError as error:
            raise ReturnsError(str(error).replace(str(table), name)) from error


def _extract(path: Path, member: str, target: Path) -> None:
    """Write one member, which `Members` has found harmless, to a file."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [
                info
                for info in archive.infolist()
                if info.filename.replace("\\", "/") == member
            ]
            if not infos:  # a name that only GBK explains
                infos = [
                    info
                    for info in archive.infolist()
                    if PurePosixPath(info.filename).suffix.lower()
                    == PurePosixPath(member).suffix.lower()
                ]
            info = infos[0]
            with archive.open(info) as source, target.open("wb") as out:
                left = info.file_size
                while left > 0 and (piece := source.read(min(_PIECE, left))):
                    left -= len(piece)
                    out.write(piece)
    except (OSError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise ReturnsError(
            f"{path.name}: {member} in it is damaged ({error}); get the zip again"
        ) from error


def _beside(folder: Path) -> Callable[[str], bytes]:
    """Give what reads a photo that lies beside a file, or below it."""

    def photo(name: str) -> bytes:
        if _OUTSIDE.search(name):
            raise UnusableRowError(repr(name[:120]), _RULE_PHOTO)
        found = folder / name.replace("\\", "/")
        try:
            whole = found.resolve(strict=True)
            if not whole.is_relative_to(folder.resolve()):
                raise UnusableRowError(repr(name[:120]), _RULE_PHOTO)
            return read_bytes(whole, what="a photo", max_bytes=MAX_BYTES)
        except (OSError, ValueError, RuntimeError) as error:
            raise UnusableRowError(
                repr(name[:120]), f"is not there; {_RULE_PHOTO}"
            ) from error
        except LicenceError as error:
            raise UnusableRowError(
                repr(name[:120]), f"cannot be read; {_RULE_PHOTO}"
            ) from error

    return photo


def _start(path: Path) -> bytes:
    """Read the first bytes of a regular file."""
    try:
        if not path.exists():
            raise ReturnsError(f"{path}: there is no such file")
        if not path.is_file():  # a pipe would never end
            raise ReturnsError(f"{path}: is not a regular file")
        with path.open("rb") as file:
            start = file.read(512)
    except (OSError, ValueError) as error:
        raise ReturnsError(f"{path}: cannot be read: {error}") from error
    if not start:
        raise ReturnsError(f"{path}: is empty (0 bytes); export it again")
    return start


def _digest(path: Path) -> str:
    """Give the digest of a file, with what SQLite keeps beside it."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
            file.seek(0)
            if file.read(len(START)) == START:
                # two copies may differ in what lies beside them only
                for beside in companions(path):
                    digest.update(beside.read_bytes())
            return digest.hexdigest()
    except OSError as error:
        raise ReturnsError(f"{path}: cannot be read: {error}") from error


def _is_json(start: bytes) -> bool:
    """Say whether a text begins as a JSON object does."""
    return start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")


def _is_workbook(path: Path) -> bool:
    """Say whether a zip is a workbook."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _WORKBOOK.decode() in archive.namelist()
    except (OSError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
        raise ReturnsError(
            f"{path.name}: is no whole zip ({error}); get it again"
        ) from error
