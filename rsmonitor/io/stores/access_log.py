"""The access log: who looked at which coordinates, in a file that only grows.

Triggers refuse to change an entry, and to remove one that is younger than what a
pruning, which is an entry of its own and stays, has declared to be over.
"""

import json
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from rsmonitor.errors import ContractError, StoreError
from rsmonitor.io.stores.accounts_file import hide, make_private, written
from rsmonitor.io.stores.database import create, reading, writing
from rsmonitor.io.stores.layout import Layout
from rsmonitor.records.access import MOST_IDS, Access

SHORTEST_KEPT: Final = timedelta(days=183)
"""Nothing younger is pruned: article 21 of the Cybersecurity Law (网络安全法) asks for
six months."""

KEPT: Final = timedelta(days=730)
"""What is older is pruned, unless somebody says otherwise."""

_LONGEST_QUERY: Final = 500
_LONGEST_TEXT: Final = 200

ACCESS: Final = Layout(
    what="access log",
    application_id=0x72736D78,
    schema_version=1,
    schema="""
BEGIN;

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);

CREATE TABLE access (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    who TEXT NOT NULL,
    role TEXT NOT NULL,
    how TEXT NOT NULL,
    address TEXT NOT NULL,
    what TEXT NOT NULL,
    query TEXT NOT NULL,
    count INTEGER NOT NULL CHECK (count >= 0),
    ids TEXT NOT NULL
);
CREATE INDEX access_at ON access (at);
CREATE INDEX access_who ON access (who, seq);

CREATE TABLE pruning (
    at TEXT NOT NULL,
    before TEXT NOT NULL,
    removed INTEGER NOT NULL
);

-- a REPLACE removes what is there without asking the trigger below
CREATE TRIGGER access_new BEFORE INSERT ON access
WHEN EXISTS (SELECT 1 FROM access WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'the access log is append-only'); END;
CREATE TRIGGER access_stays BEFORE UPDATE ON access
BEGIN SELECT RAISE(ABORT, 'the access log is append-only'); END;
CREATE TRIGGER access_kept BEFORE DELETE ON access
WHEN OLD.at >= coalesce((SELECT max(before) FROM pruning), '')
BEGIN SELECT RAISE(ABORT, 'the access log is append-only'); END;
CREATE TRIGGER pruning_stays BEFORE UPDATE ON pruning
BEGIN SELECT RAISE(ABORT, 'what was pruned is append-only'); END;
CREATE TRIGGER pruning_kept BEFORE DELETE ON pruning
BEGIN SELECT RAISE(ABORT, 'what was pruned is append-only'); END;
""",
)
"""``rsmx``: the file of the access log."""


class AccessLog:
    """Entries in a SQLite file; whoever adds one goes on when it is on disk.

    Many who come at once are written in one transaction.

    Parameters
    ----------
    path : Path
        The file; made at the first use, for its owner alone.
    locks : Path
        Folder of lock files.
    """

    def __init__(self, path: Path, *, locks: Path) -> None:
        self.path = path
        self._locks = locks
        self._made = False
        self._guard = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._is_led = False

    def add(self, entry: Access) -> None:
        """
        Write an entry down; it is on disk when this returns.

        Parameters
        ----------
        entry : Access
            The entry; long texts are cut.

        Raises
        ------
        StoreError
            If the file is damaged.
        OutputError
            If it cannot be written.
        BusyError
            If others kept it for half a minute.
        """
        mine = _Waiting(_columns(entry))
        with self._guard:
            self._waiting.append(mine)
            leads = not self._is_led
            self._is_led = True
        if not leads:
            mine.called.wait()
        if not mine.done:
            self._lead()
        if mine.error is not None:
            raise mine.error

    def entries(
        self, *, before: int | None = None, who: str | None = None, limit: int = 100
    ) -> tuple[Access, ...]:
        """
        List entries, the newest first.

        Parameters
        ----------
        before : int, optional
            Only those before this `Access.seq`.
        who : str, optional
            Only those of this account.
        limit : int, default 100
            At most so many.

        Returns
        -------
        tuple of Access
            The entries.

        Raises
        ------
        StoreError
            If the file is damaged.
        """
        if not self.path.exists():
            return ()
        with reading(self.path, ACCESS) as connection:
            rows = connection.execute(
                "SELECT seq, at, who, role, how, address, what, query, count, ids "
                "FROM access WHERE (?1 IS NULL OR seq < ?1) "
                "AND (?2 IS NULL OR who = ?2) ORDER BY seq DESC LIMIT ?3",
                (before, who, limit),
            ).fetchall()
        return tuple(self._entry(row) for row in rows)

    def prune(self, *, now: datetime, kept: timedelta = KEPT) -> int:
        """
        Remove what is older than it has to be kept; that this was done stays.

        Parameters
        ----------
        now : datetime
            UTC.
        kept : timedelta
            Age of what is kept; at least half a year.

        Returns
        -------
        int
            How many entries were removed.

        Raises
        ------
        ContractError
            If younger entries were to go.
        StoreError
            If the file is damaged.
        OutputError
            If it cannot be written.
        """
        if kept < SHORTEST_KEPT:
            raise ContractError(
                f"entries of the access log are kept for {SHORTEST_KEPT.days} days at "
                f"least, got {kept.days}"
            )
        if not self.path.exists():
            return 0
        limit = written(now - kept)
        with writing(self.path, ACCESS) as connection:
            (old,) = connection.execute(
                "SELECT count(*) FROM access WHERE at < ?", (limit,)
            ).fetchone()
            if old:
                connection.execute(
                    "INSERT INTO pruning VALUES (?, ?, ?)", (written(now), limit, old)
                )
                connection.execute("DELETE FROM access WHERE at < ?", (limit,))
        return int(old)

    # ----------------------------------------------------------------------- inside

    def _lead(self) -> None:
        """Write all that waits, and call whoever came meanwhile to do the same."""
        with self._guard:
            batch, self._waiting = self._waiting, []
        self._write(batch)
        with self._guard:
            following = self._waiting[0] if self._waiting else None
            self._is_led = following is not None
        for each in batch:
            each.called.set()
        if following is not None:
            following.called.set()

    def _write(self, batch: "Sequence[_Waiting]") -> None:
        """Write what waits, all or nothing."""
        try:
            self._make()
            with writing(self.path, ACCESS) as connection:
                connection.executemany(
                    "INSERT INTO access (at, who, role, how, address, what, query, "
                    "count, ids) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    [each.columns for each in batch],
                )
        except BaseException as error:  # noqa: BLE001 - each who waits raises it
            for each in batch:
                each.error = error
        for each in batch:
            each.done = True

    def _make(self) -> None:
        """Make the file, for its owner's eyes; look once."""
        if self._made:
            return
        make_private(self.path.parent)
        create(self.path, turn=self._locks / ".access.lock", layout=ACCESS)
        hide(self.path)
        self._made = True

    def _entry(self, row: Sequence[Any]) -> Access:
        """Make a record of a row."""
        try:
            return Access(
                seq=row[0],
                at=datetime.fromisoformat(row[1]).astimezone(UTC),
                who=row[2],
                role=row[3],
                how=row[4],
                address=row[5],
                what=row[6],
                query=row[7],
                count=row[8],
                ids=tuple(json.loads(row[9])),
            )
        except (ValueError, TypeError) as error:
            raise StoreError(
                f"{self.path}, entry {row[0]}: {error}; it was damaged or written by "
                "something else"
            ) from error


class _Waiting:
    """An entry that somebody waits for."""

    __slots__ = ("called", "columns", "done", "error")

    def __init__(self, columns: Sequence[Any]) -> None:
        self.called = threading.Event()
        self.columns = columns
        self.done = False
        self.error: BaseException | None = None


def _columns(entry: Access) -> Sequence[Any]:
    """Give the columns of an entry, none of them longer than is sensible."""
    return (
        written(entry.at),
        entry.who[:_LONGEST_TEXT],
        entry.role[:_LONGEST_TEXT],
        entry.how[:_LONGEST_TEXT],
        entry.address[:_LONGEST_TEXT],
        entry.what[:_LONGEST_TEXT],
        entry.query[:_LONGEST_QUERY],
        entry.count,
        json.dumps([each[:_LONGEST_TEXT] for each in entry.ids[:MOST_IDS]]),
    )
