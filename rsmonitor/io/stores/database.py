"""The SQLite files of the stores: how they are opened, made and explained.

A rollback journal, not a write-ahead log: the ledger stays one file that can be copied,
mounted read-only or kept on a network disk, and a run commits once a week, so that
waiting for a reader costs nothing. ``synchronous=EXTRA`` is FULL and syncs the folder
after the journal is deleted as well: with FULL a power cut could bring the journal back
and undo a commit, and the slots it pointed at may have been written over since.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rsmonitor.errors import BusyError, OutputError, RsmonitorError, StoreError
from rsmonitor.io.foundation.files import (
    lock_file,
    make_folder,
    rename_durably,
)
from rsmonitor.records.event import canonical_json

SCHEMA_VERSION: Final = 3
"""Raised when a table or the JSON form of a stored record changes."""

APPLICATION_ID: Final = 0x72736D6C
"""``rsml``: says that a SQLite file is a ledger and not somebody else's."""

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

_SCHEMA: Final = """
BEGIN;

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);

CREATE TABLE event (
    seq INTEGER PRIMARY KEY,
    prev_hash TEXT NOT NULL CHECK (length(prev_hash) = 64),
    hash TEXT NOT NULL UNIQUE CHECK (length(hash) = 64),
    kind TEXT NOT NULL,
    at TEXT NOT NULL,
    who TEXT NOT NULL,
    body TEXT NOT NULL
);

CREATE TABLE run (
    run_id TEXT PRIMARY KEY,
    line TEXT NOT NULL,
    district TEXT NOT NULL,
    week TEXT NOT NULL,
    finished_at TEXT NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX run_by_district ON run (district, week);

CREATE TABLE slot (
    line TEXT NOT NULL,
    grid_id TEXT NOT NULL,
    block_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    slot INTEGER NOT NULL CHECK (slot IN (0, 1)),
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    run_id TEXT NOT NULL REFERENCES run (run_id),
    PRIMARY KEY (line, grid_id, block_id, kind)
);

CREATE TABLE applied (
    line TEXT NOT NULL,
    grid_id TEXT NOT NULL,
    platform TEXT NOT NULL,
    datatake_start TEXT NOT NULL,
    product TEXT NOT NULL,
    run_id TEXT NOT NULL REFERENCES run (run_id),
    PRIMARY KEY (line, grid_id, platform, datatake_start)
);

CREATE TABLE site (
    district TEXT NOT NULL,
    site_id TEXT NOT NULL,
    record TEXT NOT NULL,
    run_id TEXT NOT NULL REFERENCES run (run_id),
    PRIMARY KEY (district, site_id)
);

CREATE TABLE alert (
    district TEXT NOT NULL,
    alert_id TEXT NOT NULL,
    record TEXT NOT NULL,
    run_id TEXT NOT NULL REFERENCES run (run_id),
    PRIMARY KEY (district, alert_id)
);

-- all that was ever said of an alert; the same words twice are kept once
CREATE TABLE alert_version (
    place INTEGER PRIMARY KEY,
    alert_id TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    record TEXT NOT NULL,
    run_id TEXT NOT NULL REFERENCES run (run_id),
    UNIQUE (alert_id, sha256)
);

-- the chain only grows, and only at its end; REPLACE would pass by a delete trigger
CREATE TRIGGER event_in_order BEFORE INSERT ON event
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM event)
BEGIN SELECT RAISE(ABORT, 'events are appended at the end of the chain'); END;
CREATE TRIGGER event_kept BEFORE DELETE ON event
BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;
CREATE TRIGGER event_fixed BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
CREATE TRIGGER alert_version_new BEFORE INSERT ON alert_version
WHEN EXISTS (SELECT 1 FROM alert_version WHERE place = NEW.place
    OR (alert_id = NEW.alert_id AND sha256 = NEW.sha256))
BEGIN SELECT RAISE(ABORT, 'what an alert said is never replaced'); END;
CREATE TRIGGER alert_version_kept BEFORE DELETE ON alert_version
BEGIN SELECT RAISE(ABORT, 'what an alert said is never deleted'); END;
CREATE TRIGGER alert_version_fixed BEFORE UPDATE ON alert_version
BEGIN SELECT RAISE(ABORT, 'what an alert said is never changed'); END;
"""

TRIGGERS: Final = (
    "alert_version_fixed",
    "alert_version_kept",
    "alert_version_new",
    "event_fixed",
    "event_in_order",
    "event_kept",
)
"""What refuses a change of the past; a ledger without one was opened by somebody."""

OLDER_VERSIONS: Final = "alert_versions_of_schema_1"  # as in the migration below
"""Key in ``meta``: up to which place `alert_version` holds texts of the first schema.
They stay as they are, because what an alert said is never changed; who reads them
passes them through `with_later_fields`."""

_MIGRATIONS: Final = {
    # verdicts came to say how they were found; the tables did not change
    1: """
UPDATE alert SET record = with_later_fields(record);
INSERT INTO meta (key, value)
    SELECT 'alert_versions_of_schema_1', coalesce(max(place), 0) FROM alert_version;
""",
    # checkpoints are a kind of state too; which kinds there are is not the table's
    # business
    2: """
ALTER TABLE slot RENAME TO slot_before;
CREATE TABLE slot (
    line TEXT NOT NULL,
    grid_id TEXT NOT NULL,
    block_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    slot INTEGER NOT NULL CHECK (slot IN (0, 1)),
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    run_id TEXT NOT NULL REFERENCES run (run_id),
    PRIMARY KEY (line, grid_id, block_id, kind)
);
INSERT INTO slot SELECT * FROM slot_before;
DROP TABLE slot_before;
""",
}
"""SQL that brings a file of one schema version to the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What makes a SQLite file one of ours."""

    what: str
    """What it is, for messages."""

    application_id: int
    """Written into the file's header, so that it is not taken for somebody else's."""

    schema_version: int
    """Raised when a table or the JSON form of a stored record changes."""

    schema: str
    """SQL that makes the tables, ``meta`` among them, and leaves a transaction open."""

    migrations: Mapping[int, str] = field(default_factory=dict)
    """SQL that brings a file of one version to the next, by the version before."""


LEDGER: Final = Layout(
    what="ledger",
    application_id=APPLICATION_ID,
    schema_version=SCHEMA_VERSION,
    schema=_SCHEMA,
    migrations=_MIGRATIONS,
)
"""The ledger of runs."""


def with_later_fields(text: str) -> str:
    """
    Add to an alert of the first schema what its verdict did not say then.

    Parameters
    ----------
    text : str
        JSON of an `rsmonitor.records.alert.Alert` as the first schema had it.

    Returns
    -------
    str
        The same with the fields that came later, saying nothing: no trace of rules, no
        restriction, no warning, no table of laws. A text that is no such alert comes
        back as it is; whoever decodes it says why.
    """
    try:
        alert = json.loads(text)
        verdict = alert["verdict"]
        alert["verdict"] = {"warnings": [], "law_table": ""} | verdict
        alert["verdict"]["parts"] = [
            {"trace": [], "restrictions": [], "counted_only": False} | part
            for part in verdict["parts"]
        ]
        return canonical_json(alert)
    except (KeyError, TypeError, ValueError, RecursionError):
        return text


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
