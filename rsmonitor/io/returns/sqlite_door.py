"""SQLite files that somebody else made, opened so that they can only be read.

A private copy is opened; nothing that the file defines (views, triggers, functions)
runs; a query ends, however the file is built.
"""

import re
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from rsmonitor.errors import OutputError
from rsmonitor.io.returns.rows import ReturnsError

MAX_FILE_BYTES: Final = 2**31
"""Largest file that is read: a 举证 database carries its photos."""

START: Final = b"SQLite format 3\0"
"""First bytes of every SQLite file."""

DAMAGE: Final = (sqlite3.Error, UnicodeError, OverflowError, MemoryError)
"""What reading a damaged file raises."""

_PIECE: Final = 2**20
_STEPS: Final = 100_000
_MAX_PAUSES: Final = 5_000
_LIMITS: Final = {
    sqlite3.SQLITE_LIMIT_LENGTH: 64 * 2**20,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 2**20,
    sqlite3.SQLITE_LIMIT_COLUMN: 500,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
_READING: Final = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ})
_VIRTUAL: Final = re.compile(r"\s*create\s+virtual\b", re.IGNORECASE)


@contextmanager
def opened(path: Path, *, file: str) -> Iterator[sqlite3.Connection]:
    """
    Open a private copy of a file that can do nothing but be read.

    Parameters
    ----------
    path : Path
        The file.
    file : str
        Its name for messages.

    Yields
    ------
    sqlite3.Connection
        Confined; closed at the end.

    Raises
    ------
    ReturnsError
        If it is no SQLite file, is too large, or is damaged.
    OutputError
        If there is no room for the copy.
    """
    with tempfile.TemporaryDirectory(prefix="rsmonitor-") as folder:
        copy = Path(folder, "copy.sqlite")
        _copy(path, copy, file)
        journal = path.with_name(path.name + "-wal")
        if journal.is_file() and not journal.is_symlink() and journal.stat().st_size:
            _copy(journal, Path(folder, "copy.sqlite-wal"), file, start=b"")
        with closing(sqlite3.connect(f"{copy.as_uri()}?mode=rw", uri=True)) as database:
            try:
                _confine(database)
            except DAMAGE as error:
                raise ReturnsError(
                    f"{file}: is no whole SQLite database ({error}); export it again"
                ) from error
            yield database


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
    rows = database.execute(
        "SELECT name, sql, rootpage FROM sqlite_master WHERE type = 'table' LIMIT 1000"
    ).fetchall()
    return tuple(
        str(name) for name, sql, page in rows if page and not _VIRTUAL.match(str(sql))
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


def _copy(path: Path, target: Path, file: str, start: bytes = START) -> None:
    """Copy a file piece by piece, and never more than is bearable."""
    size = 0
    try:
        with path.open("rb") as source, target.open("wb") as out:
            while piece := source.read(_PIECE):
                if not size and not piece.startswith(start):
                    raise ReturnsError(
                        f"{file}: begins with {piece[:16]!r}, and no SQLite file does"
                    )
                size += len(piece)
                if size > MAX_FILE_BYTES:
                    raise ReturnsError(
                        f"{file}: is larger than {MAX_FILE_BYTES // 2**20} MB; split it"
                    )
                out.write(piece)
    except OSError as error:
        raise OutputError(
            f"{file} cannot be copied to be read: {error}; check free space"
        ) from error


def _confine(database: sqlite3.Connection) -> None:
    """Take from a connection everything but reading, and that without end."""
    for limit, value in _LIMITS.items():
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
        return pauses > _MAX_PAUSES

    def allow(action: int, *_: str | None) -> int:
        return sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY

    database.set_progress_handler(give_up, _STEPS)
    database.set_authorizer(allow)
