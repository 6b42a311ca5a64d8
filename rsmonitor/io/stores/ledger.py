"""The ledger: one transaction a run, one chain of events; here in a SQLite file."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from rsmonitor.errors import ContractError, StoreError
from rsmonitor.io.foundation.files import lock_file
from rsmonitor.io.stores.codec import encode, encode_text
from rsmonitor.io.stores.commit import (
    chained,
    check_commit,
    check_draft,
    check_flip,
    check_head,
    check_same,
)
from rsmonitor.io.stores.database import SqliteTables
from rsmonitor.io.stores.ledger_reading import LedgerReader, pointer_of
from rsmonitor.io.stores.ledger_schema import LEDGER
from rsmonitor.io.stores.tables import Connection
from rsmonitor.records.acquisition import Product
from rsmonitor.records.district import IDENTIFIER
from rsmonitor.records.event import GENESIS, Event, EventDraft
from rsmonitor.records.run import RunCommit


class StoredLedger(LedgerReader, ABC):
    """A ledger in a database; what SQLite and PostgreSQL have in common.

    Nothing is made before the first commit; a ledger that does not exist reads as an
    empty one. Every call connects anew, so an instance may be used from several
    threads.

    Parameters
    ----------
    tables : Tables
        Where it is.
    """

    def lock(self, district: str) -> AbstractContextManager[None]:
        """
        Hold a district for this process; the lock dies with it.

        Parameters
        ----------
        district : str
            `District.code`.

        Returns
        -------
        context manager
            It is held inside.

        Raises
        ------
        ContractError
            If the district is no plain name.
        """
        if not IDENTIFIER.fullmatch(district):
            raise ContractError(
                f"district must match {IDENTIFIER.pattern}, got {district!r}"
            )
        return self._held(district)

    @abstractmethod
    def _held(self, district: str) -> AbstractContextManager[None]:
        """Hold a district whose name is plain."""

    @abstractmethod
    def upgrade(self) -> Path | None:
        """
        Bring a ledger of an older version to the schema of today.

        Returns
        -------
        Path or None
            The copy of the ledger as it was, where one is made; None if nothing was
            done.

        Raises
        ------
        StoreError
            If the ledger is damaged.
        OutputError
            If it cannot be written.
        """

    def retire(self, lines: Iterable[str]) -> None:
        """
        Take the state of lines out of the ledger; their runs and events stay.

        Do this before `StateStore.forget` removes the files.

        Parameters
        ----------
        lines : iterable of str
            Values of `Partition.line`.

        Raises
        ------
        StoreError
            If the ledger is damaged or of an unknown schema version.
        OutputError
            If it cannot be written.
        """
        if not self.exists():
            return
        with self._tables.writing() as connection:
            for line in lines:
                connection.execute("DELETE FROM slot WHERE line = ?", (line,))
                connection.execute("DELETE FROM applied WHERE line = ?", (line,))

    def commit(self, commit: RunCommit) -> None:
        """
        Write everything of a run in one transaction: all of it or nothing.

        Parameters
        ----------
        commit : RunCommit
            The run. With `replayed` its products replace those of the line; without,
            they are added, and one that is there already changes nothing.

        Raises
        ------
        ContractError
            If its parts contradict each other or cannot be stored.
        StoreError
            If the run is committed already, a slot was written over while it was the
            truth, another version of an acquisition is part of the state, or the
            ledger is damaged.
        OutputError
            If the ledger cannot be written.
        BusyError
            If other processes kept it busy for half a minute.
        """
        check_commit(commit)
        rows = _Rows(commit)
        self._tables.create()
        with self._tables.writing() as connection:
            self._fence(connection, commit.record.district)
            self._commit(connection, commit, rows)

    def append(
        self,
        drafts: Sequence[EventDraft],
        *,
        expected_head: tuple[int, str] | None = None,
    ) -> tuple[Event, ...]:
        """
        Add what people did to the chain, outside a run: all of it or nothing.

        Parameters
        ----------
        drafts : sequence of EventDraft
            What happened, in order; each body as `check_draft` wants it.
        expected_head : tuple of int and str, optional
            What `head` gave when the caller decided; nothing is added if the chain
            has grown since.

        Returns
        -------
        tuple of Event
            The new links.

        Raises
        ------
        ContractError
            If a body lacks what its kind must say, or cannot be stored.
        StoreError
            If the ledger is damaged or of an unknown schema version.
        OutputError
            If it cannot be written.
        BusyError
            If others kept it busy for half a minute, or wrote to it meanwhile.
        """
        for draft in drafts:
            check_draft(draft)
        chained(drafts, *self.head())  # refused before anything is made
        if not drafts:
            return ()
        self._tables.create()
        with self._tables.writing() as connection:
            end = _end(connection)
            check_head(end, expected_head)
            events = chained(drafts, *end)
            _write_events(connection, events)
        return tuple(events)

    def _fence(self, connection: Connection, district: str) -> None:
        """Refuse a commit under a lock that was lost; a file's lock cannot be."""

    def _commit(self, connection: Connection, commit: RunCommit, rows: "_Rows") -> None:
        """Write all rows of a run; the caller's transaction is open."""
        record = commit.record
        if connection.execute(
            "SELECT 1 FROM run WHERE run_id = ?", (record.run_id,)
        ).fetchone():
            raise StoreError(f"run {record.run_id} is already committed, {self.name}")
        connection.execute(
            "INSERT INTO run "
            "(rowid, run_id, line, district, week, finished_at, record) "
            "SELECT coalesce(max(rowid), 0) + 1, ?, ?, ?, ?, ?, ? FROM run",
            rows.run,
        )

        for pointer in commit.pointers:
            old = connection.execute(
                "SELECT line, grid_id, block_id, kind, slot, sha256 FROM slot "
                "WHERE (line, grid_id, block_id, kind) = (?, ?, ?, ?)",
                pointer.place,
            ).fetchone()
            with self._blaming("slot"):
                check_flip(pointer_of(*old) if old else None, pointer)
        connection.executemany(
            "INSERT INTO slot (line, grid_id, block_id, kind, slot, sha256, run_id) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (line, grid_id, block_id, kind) DO UPDATE SET "
            "slot = excluded.slot, sha256 = excluded.sha256, run_id = excluded.run_id",
            rows.slots,
        )

        if commit.replayed:
            connection.execute("DELETE FROM applied WHERE line = ?", (record.line,))
        for product, row in zip(commit.products, rows.applied, strict=True):
            old = connection.execute(
                "SELECT datatake_start, product FROM applied WHERE "
                "(line, grid_id, platform, datatake_start) = (?, ?, ?, ?)",
                row[:4],
            ).fetchone()
            if old:
                check_same(self._decoded(Product, "applied", *old), product)
            else:
                connection.execute(
                    "INSERT INTO applied (line, grid_id, platform, datatake_start, "
                    "product, run_id) VALUES (?, ?, ?, ?, ?, ?)",
                    row,
                )

        district = (record.district,)
        connection.execute("DELETE FROM site WHERE district = ?", district)
        connection.executemany(
            "INSERT INTO site (district, site_id, record, run_id) VALUES (?, ?, ?, ?)",
            rows.sites,
        )
        connection.execute("DELETE FROM alert WHERE district = ?", district)
        connection.executemany(
            "INSERT INTO alert (district, alert_id, record, run_id) "
            "VALUES (?, ?, ?, ?)",
            rows.alerts,
        )
        connection.executemany(
            "INSERT INTO alert_version (place, alert_id, sha256, record, run_id) "
            "SELECT (SELECT coalesce(max(place), 0) + 1 FROM alert_version), "
            "?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM alert_version "
            "WHERE alert_id = ? AND sha256 = ?)",
            [(*row, *row[:2]) for row in rows.versions],
        )

        _write_events(connection, chained(commit.events, *_end(connection)))


class SqliteLedger(StoredLedger):
    """The ledger in a file; satisfies `rsmonitor.interfaces.Ledger`.

    Parameters
    ----------
    path : Path
        The SQLite file.
    locks : Path
        Folder of the lock files, on the same machine as the runs.
    """

    def __init__(self, path: Path, *, locks: Path) -> None:
        self._path = path
        self._locks = locks
        self._file = SqliteTables(path, turn=locks / ".ledger.lock", layout=LEDGER)
        super().__init__(self._file)

    def upgrade(self) -> Path | None:
        """
        Bring a ledger of an older version to the schema of today.

        Returns
        -------
        Path or None
            The copy of the file as it was; None if nothing was done.

        Raises
        ------
        StoreError
            If the ledger is damaged.
        OutputError
            If it cannot be written.
        """
        return self._file.upgrade()

    def _held(self, district: str) -> AbstractContextManager[None]:
        """Lock a file; the message names the process that holds it, and since when."""
        path = self._locks / f"{district}.lock"
        return lock_file(path, what=f"district {district}")


class _Rows:
    """Everything of a run as it is stored; made before the transaction begins."""

    def __init__(self, commit: RunCommit) -> None:
        record = commit.record
        run_id, district = record.run_id, record.district
        alerts = [(alert, encode_text(alert)) for alert in commit.alerts]
        self.run = (
            run_id,
            record.line,
            district,
            str(record.week),
            commit.finished_at.isoformat(timespec="microseconds"),  # texts sort
            encode_text(record),
        )
        self.slots = [
            (*pointer.place, pointer.slot, pointer.sha256, run_id)
            for pointer in commit.pointers
        ]
        self.applied = [
            (
                record.line,
                product.key.grid_id,
                product.key.platform,
                encode(product.key)["datatake_start"],
                encode_text(product),
                run_id,
            )
            for product in commit.products
        ]
        self.sites = [
            (district, site.site_id, encode_text(site), run_id) for site in commit.sites
        ]
        self.alerts = [
            (district, alert.alert_id, text, run_id) for alert, text in alerts
        ]
        self.versions = [
            (
                alert.alert_id,
                hashlib.sha256(text.encode()).hexdigest(),
                text,
                run_id,
            )
            for alert, text in alerts
        ]


def _end(connection: Connection) -> tuple[int, str]:
    """Give number and hash of the last event."""
    row = connection.execute(
        "SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1"
    ).fetchone()
    return row or (0, GENESIS)


def _write_events(connection: Connection, events: Iterable[Event]) -> None:
    """Write links at the end of the chain."""
    connection.executemany(
        "INSERT INTO event (seq, prev_hash, hash, kind, at, who, body) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(e.seq, e.prev_hash, e.hash, e.kind, e.at, e.who, e.body) for e in events],
    )
