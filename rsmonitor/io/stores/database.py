"""The SQLite files of the stores: how they are opened, made and explained.

A rollback journal, not a write-ahead log: the ledger stays one file that can be copied,
mounted read-only or kept on a network disk, and a run commits once a week, so that
waiting for a reader costs nothing. ``synchronous=EXTRA`` is FULL and syncs the folder
after the journal is deleted as well: with FULL a power cut could bring the journal back
and undo a commit, and the slots it pointed at may have been written over since.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from rsmonitor.errors import BusyError, OutputError, RsmonitorError, StoreError
from rsmonitor.io.foundation.files import (
    lock_file,
    make_folder,
    rename_durably,
)
from rsmonitor.io.stores.layout import Layout
from rsmonitor.io.stores.ledger_schema import LEDGER, with_later_fields

_BUSY_SECONDS: Final = 30.0
_CANNOT_WRITE: Final = (
    "SQLITE_FULL",
    "SQLITE_READONLY",
    "SQLITE_IOERR_WRITE",
    "SQLITE_IOERR_FSYNC",
    "SQLITE_IOERR_DIR_FSYNC",
    "SQLITE_IOERR_TRUNCATE",
    "SQLITE_IOERR_DELETE",
)


class SqliteTables:
    """Tables of one layout in a file; satisfies `rsmonitor.io.stores.tables.Tables`.

    Parameters
    ----------
    path : Path
        The file; nothing is made before something is written.
    turn : Path
        Lock file: two processes may both find no file.
    layout : Layout
        What it is.
    """

    def __init__(self, path: Path, *, turn: Path, layout: Layout) -> None:
        self.path = path
        self.turn = turn
        self.layout = layout

    @property
    def name(self) -> str:
        """The path."""
        return str(self.path)

    def beside(self, suffix: str) -> "SqliteTables":
        """
        Give the tables of a hidden file in the same folder.

        Parameters
        ----------
        suffix : str
            What follows its name.

        Returns
        -------
        SqliteTables
            For a draft that is renamed when it is whole.
        """
        path = self.path.with_name(f".{self.path.name}{suffix}")
        return SqliteTables(path, turn=self.turn, layout=self.layout)

    def exists(self) -> bool:
        """Say whether there is a file."""
        return self.path.exists()

    def check(self) -> None:
        """Refuse a file that is no such database; one that is not there is fine."""
        if self.exists():
            with self.reading(older=True):
                pass

    def stamp(self) -> tuple[object, ...] | None:
        """Say when the file was written, how large it is, and which file it is."""
        with contextlib.suppress(OSError):
            stat = self.path.stat()
            return stat.st_mtime_ns, stat.st_size, stat.st_ino
        return None

    def create(self) -> None:
        """Make an empty file; see `create`."""
        create(self.path, turn=self.turn, layout=self.layout)

    def upgrade(self) -> Path | None:
        """Bring an older file up to date; see `upgrade`."""
        return upgrade(self.path, turn=self.turn, layout=self.layout)

    @contextlib.contextmanager
    def reading(self, *, older: bool = False) -> Iterator[sqlite3.Connection]:
        """Hold one instant of the file; see `reading`."""
        with reading(self.path, self.layout, older=older) as connection:
            connection.execute("BEGIN")  # one instant for all tables
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the only write transaction; see `writing`."""
        with writing(self.path, self.layout) as connection:
            yield connection

    def field(self, column: str, *path: str) -> str:
        """Give the SQL of one value inside a column of JSON."""
        return f"{column} ->> '$.{'.'.join(path)}'"

    def problems(self) -> list[str]:
        """
        Look for damage, for rows without their parent, and for open doors.

        The indexes are held against what they are made of, by SQLite. A file of an
        older schema can be looked at as it is.

        Returns
        -------
        list of str
            What is wrong, in words; empty if nothing is.

        Raises
        ------
        StoreError
            If the file cannot be read at all.
        """
        with reading(self.path, self.layout, older=True) as connection:
            whole = connection.execute("PRAGMA integrity_check").fetchall()
            orphans = connection.execute("PRAGMA foreign_key_check").fetchall()
            triggers = connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            ).fetchall()
        return found_problems(
            self.name,
            self.layout,
            damage=[text for (text,) in whole if text != "ok"],
            orphans=[table for table, *_ in orphans],
            triggers=[name for (name,) in triggers],
        )


def found_problems(
    name: str,
    layout: Layout,
    *,
    damage: Iterable[str],
    orphans: Iterable[str],
    triggers: Iterable[str],
) -> list[str]:
    """
    Put in words what a database was found to lack.

    Parameters
    ----------
    name : str
        Where it is.
    layout : Layout
        What it is.
    damage : iterable of str
        What the database says of damage.
    orphans : iterable of str
        For each row without its parent the table of the row.
    triggers : iterable of str
        The triggers that are there.

    Returns
    -------
    list of str
        One sentence a problem.
    """
    gone = ", ".join(sorted(layout.triggers - set(triggers)))
    return [
        *(f"{name}: {text}" for text in damage),
        *(
            f"{name}: a row of table {table} names {layout.parent} that is not there"
            for table in orphans
        ),
        *(
            [f"{name}: triggers that keep the past were removed: {gone}"]
            if gone
            else []
        ),
    ]


@contextlib.contextmanager
def reading(
    path: Path, layout: Layout = LEDGER, *, older: bool = False
) -> Iterator[sqlite3.Connection]:
    """
    Open a file over a connection that cannot write.

    Parameters
    ----------
    path : Path
        An existing file.
    layout : Layout, default LEDGER
        What it must be.
    older : bool, default False
        True also opens a file that `upgrade` would bring to the schema of today: for
        tables that never changed.

    Yields
    ------
    sqlite3.Connection
        Closed at the end; do not keep it longer than a query takes.

    Raises
    ------
    StoreError
        If it is damaged, something else, or of an unknown schema version.
    BusyError
        If a writer kept it for half a minute.
    """
    # mode=rw although nothing is written: SQLite must be able to undo what a writer
    # that died left half written, and it opens a write-protected file all the same
    with _connected(path, "rw", layout) as connection:
        connection.execute("PRAGMA query_only = ON")
        if not older or _version(path, connection, layout) not in layout.migrations:
            _require_version(path, connection, layout)
        yield connection


@contextlib.contextmanager
def writing(path: Path, layout: Layout = LEDGER) -> Iterator[sqlite3.Connection]:
    """
    Hold the only write transaction: committed at the end, undone by any exception.

    Parameters
    ----------
    path : Path
        An existing file.
    layout : Layout, default LEDGER
        What it must be.

    Yields
    ------
    sqlite3.Connection
        In a transaction.

    Raises
    ------
    StoreError
        If it is damaged, something else, or of an unknown schema version.
    OutputError
        If it cannot be written.
    BusyError
        If others kept it for half a minute.
    """
    with _connected(path, "rw", layout) as connection:
        _require_version(path, connection, layout)
        connection.execute("PRAGMA synchronous = EXTRA")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in layout.indexes:
                connection.execute(statement)
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            # SQLite ends the transaction by itself after some errors
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def create(path: Path, *, turn: Path, layout: Layout = LEDGER) -> None:
    """
    Make an empty file, whole or not at all; do nothing if there is one.

    It is made beside and renamed, so that an empty or half made file under its name is
    always damage and never a beginning.

    Parameters
    ----------
    path : Path
        The file; parents are made.
    turn : Path
        Lock file: two processes may both find no file.
    layout : Layout, default LEDGER
        What to make.

    Raises
    ------
    OutputError
        If it cannot be made.
    """
    if path.exists():
        return
    make_folder(path.parent)
    with lock_file(turn, what=f"making of {path}", wait=True):
        if path.exists():
            return
        draft = path.with_name(f".{path.name}.new")
        try:
            # a journal that outlived its database would be played into the new one
            for leftover in (draft, _journal(draft), _journal(path)):
                leftover.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(
                f"{layout.what} {path} cannot be made: {error}; check permissions"
            ) from error
        with _connected(draft, "rwc", layout) as connection:
            connection.execute("PRAGMA synchronous = EXTRA")
            connection.executescript(layout.schema)
            connection.execute(f"PRAGMA application_id = {layout.application_id}")
            connection.execute(f"PRAGMA user_version = {layout.schema_version}")
            connection.execute(
                "INSERT INTO meta (key, value) VALUES ('schema_version', ?)",
                (str(layout.schema_version),),
            )
            connection.execute("COMMIT")
        rename_durably(draft, path)


def upgrade(path: Path, *, turn: Path, layout: Layout = LEDGER) -> Path | None:
    """
    Bring an older file to the schema of today; the file as it was is kept beside it.

    Parameters
    ----------
    path : Path
        The file; nothing is done if there is none, or if it is of today already.
    turn : Path
        Lock file: two processes may both find an older one.
    layout : Layout, default LEDGER
        What it must become.

    Returns
    -------
    Path or None
        The copy of the file as it was, such as ``<name>.schema2``; None if nothing was
        done.

    Raises
    ------
    StoreError
        If it is damaged, or of a version that nothing leads on from.
    OutputError
        If it cannot be written.
    """
    if not path.exists():
        return None
    with _connected(path, "rw", layout) as connection:
        version = _version(path, connection, layout)
    if version not in layout.migrations:
        return None
    make_folder(turn.parent)
    with (
        lock_file(turn, what=f"upgrade of {path}", wait=True),
        _connected(path, "rw", layout) as connection,
    ):
        connection.execute("PRAGMA synchronous = EXTRA")
        connection.create_function(
            with_later_fields.__name__, 1, with_later_fields, deterministic=True
        )
        # nobody writes between the copy and the change
        connection.execute("BEGIN IMMEDIATE")
        version = _version(path, connection, layout)
        if version not in layout.migrations:
            connection.execute("ROLLBACK")
            return None
        kept = path.with_name(f"{path.name}.schema{version}")
        try:
            _copy(path, kept, layout)
            while version in layout.migrations:
                for statement in _statements(layout.migrations[version]):
                    connection.execute(statement)
                version += 1
            for statement in layout.indexes:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {version}")
            connection.execute(
                "UPDATE meta SET value = ? WHERE key = 'schema_version'",
                (str(version),),
            )
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return kept


@contextlib.contextmanager
def _connected(path: Path, mode: str, layout: Layout) -> Iterator[sqlite3.Connection]:
    """Open the file and close it; explain what SQLite says in between."""
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
        )
    except sqlite3.Error as error:
        raise _explained(path, error, layout.what) from error
    try:
        yield connection
    except sqlite3.Error as error:
        raise _explained(path, error, layout.what) from error
    except UnicodeDecodeError as error:
        # Python cannot even show a message that quotes a damaged schema
        raise StoreError(
            f"{layout.what} {path} is damaged: {error}; restore it from a backup"
        ) from error
    finally:
        connection.close()


def _require_version(
    path: Path, connection: sqlite3.Connection, layout: Layout
) -> None:
    """Refuse a file that is something else, or of another schema version."""
    version = _version(path, connection, layout)
    if version != layout.schema_version:
        advice = (
            "the next 'rsmonitor run' or 'rsmonitor cases list' brings it up to date "
            "and keeps it as it was beside"
            if version in layout.migrations
            else "use the rsmonitor that wrote it"
        )
        raise StoreError(
            f"{path} has schema version {version}, this rsmonitor knows "
            f"{layout.schema_version}; {advice}"
        )


def _version(path: Path, connection: sqlite3.Connection, layout: Layout) -> int:
    """Give the schema version of a file; refuse one that is something else."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != layout.application_id:
        raise StoreError(
            f"{path} is not a {layout.what} of rsmonitor; restore it from a backup or "
            "move it away"
        )
    return int(version)


def _copy(path: Path, target: Path, layout: Layout) -> None:
    """Copy a database that others only read; a plain read would drop our lock on it."""
    draft = target.with_name(f".{target.name}.new")
    draft.unlink(missing_ok=True)
    copy = sqlite3.connect(draft)
    try:
        # a connection of its own: one that writes cannot be copied from
        with _connected(path, "rw", layout) as connection:
            connection.backup(copy)
    finally:
        copy.close()
    rename_durably(draft, target)


def _statements(script: str) -> Iterator[str]:
    """Give the statements of a script one by one: a script would end a transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _journal(path: Path) -> Path:
    """Name the rollback journal of a database."""
    return path.with_name(f"{path.name}-journal")


def _explained(path: Path, error: sqlite3.Error, what: str) -> RsmonitorError:
    """Say what an error of SQLite means for the person who meets it."""
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return BusyError(
            f"{what} {path} is being written by another process ({error}); try again"
        )
    if name.startswith(_CANNOT_WRITE):
        return OutputError(
            f"{what} {path} cannot be written: {error} ({name}); check free space and "
            "permissions. Nothing of this was committed"
        )
    return StoreError(
        f"{what} {path} cannot be used: {error} ({name or type(error).__name__}); if "
        "it is damaged, restore it from a backup"
    )
