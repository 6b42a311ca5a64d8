"""SQLite files that somebody else made, opened so that they can only be read.

A private copy is opened, with what SQLite keeps beside the file: the newest edits may
lie in a ``-wal``, and a ``-journal`` undoes what a crash left half written. Nothing is
ever written beside the file. Nothing that it defines (views, triggers, functions) runs;
a query ends, however the file is built.
"""

import re
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rsmonitor.errors import OutputError, RsmonitorError

START: Final = b"SQLite format 3\0"
"""First bytes of every SQLite file."""

DAMAGE: Final = (sqlite3.Error, UnicodeError, OverflowError, MemoryError)
"""What reading a damaged file raises; its own texts stand in the messages, and need not
be UTF-8."""

_BESIDE: Final = ("-wal", "-journal")
_PIECE: Final = 2**20
_STEPS: Final = 100_000
_READING: Final = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ})
_VIRTUAL: Final = re.compile(r"\s*create\s+virtual\b", re.IGNORECASE)
_TABLES: Final = (
    "SELECT name, sql, rootpage FROM sqlite_master WHERE type = 'table' LIMIT 1000"
)
_NAMED: Final = "SELECT type, sql, rootpage FROM sqlite_master WHERE name = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Confinement:
    """How much of a file is borne, and how it is refused."""

    refusal: type[RsmonitorError]
    """What is raised where a file cannot be used."""

    max_file_bytes: int
    """Largest file that is copied, and largest of what lies beside it."""

    max_value_bytes: int
    """Largest text or blob that is read."""

    max_pauses: int
    """Times 100,000 instructions of SQLite's machine after which it is given up."""


@contextmanager
def opened(
    path: Path, confinement: Confinement, *, name: str | None = None
) -> Iterator[sqlite3.Connection]:
    """
    Open a private copy of a file that can do nothing but be read.

    Parameters
    ----------
    path : Path
        The file.
    confinement : Confinement
        How much is borne.
    name : str, optional
        What the file is called in messages; its path by default.

    Yields
    ------
    sqlite3.Connection
        Confined; closed at the end.

    Raises
    ------
    RsmonitorError
        As `Confinement.refusal`, if the file is missing, empty, no SQLite file, too
        large, damaged, or being written.
    OutputError
        If there is no room for the copy.
    """
    file = name or str(path)
    before = _state(path, file, confinement)  # and that it is a file at all
    with tempfile.TemporaryDirectory(prefix="rsmonitor-") as folder:
        copy = Path(folder, "copy.sqlite")
        _copy(path, copy, file, confinement, start=START)
        for beside in companions(path):
            suffix = beside.name.removeprefix(path.name)
            _copy(beside, Path(folder, copy.name + suffix), file, confinement)
        if _state(path, file, confinement) != before:
            raise confinement.refusal(
                f"{file}: is being written at this moment; save and close it there, "
                "then try again"
            )
        with ExitStack() as held:
            try:
                database = sqlite3.connect(f"{copy.as_uri()}?mode=rw", uri=True)
                held.callback(database.close)
                _confine(database, confinement)
            except DAMAGE as error:
                raise confinement.refusal(
                    f"{file}: is no whole SQLite database ({error}); export it again"
                ) from error
            yield database


def companions(path: Path) -> tuple[Path, ...]:
    """
    List what SQLite left beside a file: part of what the file says.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    tuple of Path
        Regular files that are not empty, no links.
    """
    beside = (path.with_name(path.name + suffix) for suffix in _BESIDE)
    return tuple(
        each
        for each in beside
        if each.is_file() and not each.is_symlink() and each.stat().st_size
    )


def kind_of(database: sqlite3.Connection, name: str) -> str:
    """
    Say what the schema has under a name.

    Parameters
    ----------
    database : sqlite3.Connection
        From `opened`.
    name : str
        Of a table, as the file writes it.

    Returns
    -------
    str
        ``table`` if that is real; else words such as ``a view``, ``a virtual table`` or
        ``missing``.
    """
    rows = database.execute(_NAMED, (name,)).fetchall()
    kinds = {str(kind) for kind, *_ in rows} - {"trigger", "index"}
    if not kinds:
        return "missing"
    if kinds != {"table"}:
        return f"a {min(kinds)}"
    virtual = any(
        not page or _VIRTUAL.match(str(sql))
        for kind, sql, page in rows
        if kind == "table"
    )
    return "a virtual table" if virtual else "table"


def tables(database: sqlite3.Connection) -> tuple[str, ...]:
    """
    List the real tables: no views, nothing virtual.

    Parameters
    ----------
    database : sqlite3.Connection
        From `opened`.

    Returns
    -------
    tuple of str
        Their names.
    """
    return tuple(
        str(name)
        for name, sql, page in database.execute(_TABLES).fetchall()
        if page and not _VIRTUAL.match(str(sql))
    )


def quoted(name: str) -> str:
    """
    Quote a name of a table or column.

    Parameters
    ----------
    name : str
        As it is.

    Returns
    -------
    str
        For SQL.
    """
    return '"' + name.replace('"', '""') + '"'


def _state(
    path: Path, file: str, confinement: Confinement
) -> list[tuple[str, int, int]]:
    """Say by what a change of a file and of its companions would be seen."""
    try:
        if not path.exists():
            raise confinement.refusal(f"{file}: there is no such file")
        if not path.is_file():  # a pipe would never end
            raise confinement.refusal(f"{file}: is not a regular file")
        stats = [(each.name, each.stat()) for each in (path, *companions(path))]
    except (OSError, ValueError) as error:
        raise confinement.refusal(
            f"{file}: cannot be read: {error}; check its name and permissions"
        ) from error
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


def _copy(
    path: Path, target: Path, file: str, confinement: Confinement, *, start: bytes = b""
) -> None:
    """Copy a file piece by piece, and never more than is bearable."""
    size = 0
    try:
        with target.open("wb") as out:
            for piece in _pieces(path, file, confinement):
                if not size and not piece.startswith(start):
                    raise confinement.refusal(
                        f"{file}: begins with {piece[:16]!r}: every SQLite file, and "
                        f"so every GeoPackage, begins with {START!r}; it is another "
                        "format under this name"
                    )
                size += len(piece)
                if size > confinement.max_file_bytes:
                    raise confinement.refusal(
                        f"{file}: is larger than "
                        f"{confinement.max_file_bytes // 2**20} MB, the most that is "
                        "read; split it"
                    )
                out.write(piece)
    except OSError as error:
        raise OutputError(
            f"{file} cannot be copied to be read: {error}; check free space"
        ) from error
    if start and not size:
        raise confinement.refusal(f"{file}: is empty (0 bytes); export it again")


def _pieces(path: Path, file: str, confinement: Confinement) -> Iterator[bytes]:
    """Read a file piece by piece; what fails here is not the fault of the copy."""
    try:
        with path.open("rb") as source:
            while piece := source.read(_PIECE):
                yield piece
    except OSError as error:
        raise confinement.refusal(
            f"{file}: cannot be read: {error}; check its name and permissions"
        ) from error


def _confine(database: sqlite3.Connection, confinement: Confinement) -> None:
    """Take from a connection everything but reading, and that without end."""
    for limit, value in (
        (sqlite3.SQLITE_LIMIT_LENGTH, confinement.max_value_bytes),
        (sqlite3.SQLITE_LIMIT_SQL_LENGTH, 2**20),
        (sqlite3.SQLITE_LIMIT_COLUMN, 500),
        (sqlite3.SQLITE_LIMIT_ATTACHED, 0),
        (sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 1),
        (sqlite3.SQLITE_LIMIT_WORKER_THREADS, 0),
    ):
        database.setlimit(limit, value)
    database.text_factory = lambda raw: raw.decode("utf-8", errors="replace")
    database.executescript(
        "PRAGMA trusted_schema=OFF; PRAGMA query_only=ON; PRAGMA cell_size_check=ON; "
        "PRAGMA mmap_size=0;"
    )
    database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    pauses = 0

    def give_up() -> bool:
        nonlocal pauses
        pauses += 1
        return pauses > confinement.max_pauses

    def allow(action: int, *_: str | None) -> int:
        return sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY

    database.set_progress_handler(give_up, _STEPS)
    database.set_authorizer(allow)
