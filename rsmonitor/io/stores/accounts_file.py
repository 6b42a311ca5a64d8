"""The file of accounts: its tables, and how it is opened.

It holds hashes of passwords, so nobody but its owner may read it. One process writes
from several threads, which take turns here rather than poll the file.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rsmonitor.errors import OutputError
from rsmonitor.io.foundation.files import make_folder
from rsmonitor.io.stores.database import create, reading, writing
from rsmonitor.io.stores.layout import Layout

ACCOUNTS: Final = Layout(
    what="store of accounts",
    application_id=0x72736D75,
    schema_version=1,
    schema="""
BEGIN;

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
INSERT INTO meta VALUES ('key', lower(hex(randomblob(32))));

CREATE TABLE account (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL CHECK (role IN (
        'bureau', 'analyst', 'inspector', 'administrator')),
    areas TEXT NOT NULL,
    password TEXT NOT NULL,
    created_at TEXT NOT NULL,
    password_set_at TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE token (
    token_id TEXT PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    owner TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,
    label TEXT NOT NULL,
    areas TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    used_at TEXT,
    revoked_at TEXT
) WITHOUT ROWID;
CREATE INDEX token_owner ON token (owner);

CREATE TABLE session (
    digest BLOB PRIMARY KEY,
    owner TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,
    created_at TEXT NOT NULL,
    seen_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX session_owner ON session (owner, created_at);

-- where an account logged in from: digests, so that no list of addresses grows
CREATE TABLE familiar (
    owner TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,
    address BLOB NOT NULL,
    last_at TEXT NOT NULL,
    PRIMARY KEY (owner, address)
) WITHOUT ROWID;

-- who tried wrong passwords: names are digests, for some type a password as a name
CREATE TABLE attempt (
    subject BLOB PRIMARY KEY,
    kept INTEGER NOT NULL CHECK (kept IN (0, 1)),
    failures INTEGER NOT NULL CHECK (failures >= 0),
    last_at TEXT NOT NULL,
    until_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX attempt_age ON attempt (kept, last_at);
""",
)
"""``rsmu``: the file of accounts. `attempt.kept` rows are of accounts that exist."""


class AccountsFile:
    """The SQLite file of accounts; one that does not exist is made at the first use.

    Parameters
    ----------
    path : Path
        The file; its folder is made, for its owner alone.
    locks : Path
        Folder of lock files.
    """

    def __init__(self, path: Path, *, locks: Path) -> None:
        self.path = path
        self._locks = locks
        self._turn = threading.Lock()
        self._made = False

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """
        Open the file over a connection that cannot write.

        Yields
        ------
        sqlite3.Connection
            Closed at the end.

        Raises
        ------
        StoreError
            If the file is damaged, something else, or of an unknown schema version.
        OutputError
            If there was none and none can be made.
        BusyError
            If a writer kept it for half a minute.
        """
        self._make()
        with reading(self.path, ACCOUNTS) as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """
        Hold the only write transaction: all of it is written, or nothing.

        Yields
        ------
        sqlite3.Connection
            In a transaction.

        Raises
        ------
        StoreError
            If the file is damaged, something else, or of an unknown schema version.
        OutputError
            If it cannot be written.
        BusyError
            If others kept it for half a minute.
        """
        self._make()
        with self._turn, writing(self.path, ACCOUNTS) as connection:
            yield connection

    def _make(self) -> None:
        """Make the file, for its owner's eyes; look once."""
        if self._made:
            return
        make_private(self.path.parent)
        create(self.path, turn=self._locks / ".accounts.lock", layout=ACCOUNTS)
        hide(self.path)
        self._made = True


def make_private(folder: Path) -> None:
    """
    Make a folder that only its owner may open.

    Parameters
    ----------
    folder : Path
        The folder; parents are made as usual.

    Raises
    ------
    OutputError
        If it cannot be made, or belongs to somebody else.
    """
    make_folder(folder)
    hide(folder, 0o700)


def hide(path: Path, mode: int = 0o600) -> None:
    """
    Let nobody but its owner read a file or folder.

    Parameters
    ----------
    path : Path
        The file or folder.
    mode : int, default 0o600
        Its rights from now on.

    Raises
    ------
    OutputError
        If that cannot be done.
    """
    try:
        path.chmod(mode)  # the journal of a database takes the same mode
    except OSError as error:
        raise OutputError(
            f"{path} is of accounts and cannot be hidden from others: "
            f"{error.strerror}; let its owner run this"
        ) from error


def written(instant: datetime) -> str:
    """
    Write an instant, so that texts sort as instants do.

    Parameters
    ----------
    instant : datetime
        Timezone-aware.

    Returns
    -------
    str
        UTC, to the microsecond.
    """
    return instant.astimezone(UTC).isoformat(timespec="microseconds")
