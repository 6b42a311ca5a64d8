"""The ledger: one SQLite file, one transaction a run, one chain of events."""

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from rsmonitor.errors import ContractError, StoreError
from rsmonitor.io.foundation.files import lock_file
from rsmonitor.io.stores.codec import decode_text, encode, encode_text
from rsmonitor.io.stores.commit import (
    chain_problems,
    chained,
    check_commit,
    check_draft,
    check_flip,
    check_head,
    check_same,
)
from rsmonitor.io.stores.database import (
    OLDER_VERSIONS,
    TRIGGERS,
    create,
    reading,
    upgrade,
    with_later_fields,
    writing,
)
from rsmonitor.records.acquisition import Product
from rsmonitor.records.alert import Alert
from rsmonitor.records.case import Said
from rsmonitor.records.district import IDENTIFIER
from rsmonitor.records.event import GENESIS, Event, EventDraft
from rsmonitor.records.run import RunCommit, RunRecord, SlotPointer, StateKind
from rsmonitor.records.site import Site

_R = TypeVar("_R")

_EVENTS_AT_A_TIME: Final = 1000


class SqliteLedger:
    """The ledger in a file; satisfies `rsmonitor.interfaces.Ledger`.

    Nothing is made on disk before the first commit; a ledger that does not exist
    reads as an empty one. Every call opens the file anew, so an instance may be used
    from several threads.

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
        return upgrade(self._path, turn=self._locks / ".ledger.lock")

    @contextlib.contextmanager
    def lock(self, district: str) -> Iterator[None]:
        """
        Hold a district for this process; the lock dies with it.

        Parameters
        ----------
        district : str
            `District.code`.

        Yields
        ------
        None
            While it is held.

        Raises
        ------
        BusyError
            If another run holds it, in this process or another; the message says
            which process, since when.
        ContractError
            If the district is no plain name.
        OutputError
            If the lock file cannot be made.
        """
        if not IDENTIFIER.fullmatch(district):
            raise ContractError(
                f"district must match {IDENTIFIER.pattern}, got {district!r}"
            )
        with lock_file(self._locks / f"{district}.lock", what=f"district {district}"):
            yield

    def runs(self, district: str) -> tuple[RunRecord, ...]:
        """
        List the committed runs of a district, oldest week first.

        Parameters
        ----------
        district : str
            `District.code`.

        Returns
        -------
        tuple of RunRecord
            Of all lines; runs of one week in the order in which they finished.

        Raises
        ------
        StoreError
            If the ledger is damaged or of an unknown schema version.
        """
        rows = self._rows(
            "SELECT run_id, record FROM run WHERE district = ? "
            "ORDER BY week, finished_at, rowid",
            district,
        )
        return tuple(self._decoded(RunRecord, "run", *row) for row in rows)

    def pointers(self, line: str) -> tuple[SlotPointer, ...]:
        """
        List the slots that are the truth for a line of runs.

        Parameters
        ----------
        line : str
            `Partition.line`.

        Returns
        -------
        tuple of SlotPointer
            By grid, block and kind.

        Raises
        ------
        StoreError
            If the ledger is damaged or of an unknown schema version.
        """
        rows = self._rows(
            "SELECT line, grid_id, block_id, kind, slot, sha256 FROM slot "
            "WHERE line = ? ORDER BY grid_id, block_id, kind",
            line,
        )
        with self._blaming("slot"):
            return tuple(_pointer(*row) for row in rows)

    def applied(self, line: str) -> tuple[Product, ...]:
        """
        List the products that are part of a line's state.

        Parameters
        ----------
        line : str
            `Partition.line`.

        Returns
        -------
        tuple of Product
            Oldest first, by time of sensing.

        Raises
        ------
        StoreError
            If the ledger is damaged or of an unknown schema version.
        """
        rows = self._rows(
            "SELECT datatake_start, product FROM applied WHERE line = ?", line
        )
        products = [self._decoded(Product, "applied", *row) for row in rows]
        return tuple(sorted(products, key=lambda p: (p.sensed_at, p.key)))

    def sites(self, district: str) -> tuple[Site, ...]:
        """
        List the sites of a district as they are now.

        Parameters
        ----------
        district : str
            `District.code`.

        Returns
        -------
        tuple of Site
            By id, merged and withdrawn ones included.

        Raises
        ------
        StoreError
            If the ledger is damaged or of an unknown schema version.
        """
        rows = self._rows(
            "SELECT site_id, record FROM site WHERE district = ? ORDER BY site_id",
            district,
        )
        return tuple(self._decoded(Site, "site", *row) for row in rows)

    def alerts(self, district: str) -> tuple[Alert, ...]:
        """
        List the standing alerts of a district.

        Parameters
        ----------
        district : str
            `District.code`.

        Returns
        -------
        tuple of Alert
            By rank.

        Raises
        ------
        StoreError
            If the ledger is damaged or of an unknown schema version.
        """
        rows = self._rows(
            "SELECT alert_id, record FROM alert WHERE district = ?", district
        )
        alerts = [self._decoded(Alert, "alert", *row) for row in rows]
        return tuple(sorted(alerts, key=lambda a: (a.rank, a.alert_id)))

    def versions(self, alert_id: str) -> tuple[Alert, ...]:
        """
        List all that was ever said of an alert, withdrawn ones included.

        Parameters
        ----------
        alert_id : str
            `Alert.alert_id`.

        Returns
        -------
        tuple of Alert
            In the order in which it was committed; the same alert twice is listed
            once.

        Raises
        ------
        StoreError
            If the ledger is damaged or of an unknown schema version.
        """
        rows = self._rows(
            "SELECT alert_id, record, place <= CAST(coalesce("
            "(SELECT value FROM meta WHERE key = ?), 0) AS INTEGER) "
            "FROM alert_version WHERE alert_id = ? ORDER BY place",
            OLDER_VERSIONS,
            alert_id,
        )
        return tuple(
            self._decoded(
                Alert, "alert_version", name, with_later_fields(text) if old else text
            )
            for name, text, old in rows
        )

    def said(self, district: str) -> tuple[Said, ...]:
        """
        List when each version of each alert of a district was said.

        Parameters
        ----------
        district : str
            `District.code`.

        Returns
        -------
        tuple of Said
            In the order in which they were committed, withdrawn alerts included.

        Raises
        ------
        StoreError
            If the ledger is damaged or of an unknown schema version.
        """
        rows = self._rows(
            "SELECT alert_id, v.record ->> '$.site.site_id', v.record ->> '$.version', "
            "v.record ->> '$.site.latest.disturbance.area_m2', finished_at "
            "FROM alert_version AS v JOIN run USING (run_id) WHERE district = ? "
            "ORDER BY place",
            district,
        )
        with self._blaming("alert_version"):
            return tuple(
                Said(
                    alert_id=alert_id,
                    site_id=site_id,
                    version=version,
                    area_m2=area_m2,
                    at=datetime.fromisoformat(at),
                )
                for alert_id, site_id, version, area_m2, at in rows
            )

    def lines(self, district: str) -> tuple[str, ...]:
        """
        List the lines of a district that have state, so that old ones can be retired.

        Parameters
        ----------
        district : str
            `District.code`.

        Returns
        -------
        tuple of str
            Values of `Partition.line`, in order.

        Raises
        ------
        StoreError
            If the ledger is damaged or of an unknown schema version.
        """
        rows = self._rows(
            "SELECT DISTINCT line FROM run WHERE district = ? AND ("
            "line IN (SELECT line FROM slot) OR line IN (SELECT line FROM applied)) "
            "ORDER BY line",
            district,
        )
        return tuple(line for (line,) in rows)

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
        if not self._path.exists():
            return
        with writing(self._path) as connection:
            for line in lines:
                connection.execute("DELETE FROM slot WHERE line = ?", (line,))
                connection.execute("DELETE FROM applied WHERE line = ?", (line,))

    def events(self) -> Iterator[Event]:
        """
        Read the audit chain from its start.

        Yields
        ------
        Event
            In order; events that are committed meanwhile are included.

        Raises
        ------
        StoreError
            If the ledger is damaged or of an unknown schema version.
        """
        last = 0
        while True:
            # page by page: a reader that stays would keep writers waiting
            rows = self._rows(
                "SELECT seq, prev_hash, hash, kind, at, who, body FROM event "
                "WHERE seq > ? ORDER BY seq LIMIT ?",
                last,
                _EVENTS_AT_A_TIME,
                older=True,
            )
            for row in rows:
                event = _event(*row)
                yield event
                last = event.seq
            if len(rows) < _EVENTS_AT_A_TIME:
                return

    def head(self) -> tuple[int, str]:
        """
        Give the end of the chain: what to write down elsewhere, and `verify` against.

        Returns
        -------
        seq : int
            Number of events.
        hash : str
            `Event.hash` of the last one; `GENESIS` if there is none.

        Raises
        ------
        StoreError
            If the ledger is damaged or of an unknown schema version.
        """
        rows = self._rows(
            "SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1", older=True
        )
        return rows[0] if rows else (0, GENESIS)

    def last(self) -> Event | None:
        """
        Give the last event, which the published head names.

        Returns
        -------
        Event or None
            None if there is none.

        Raises
        ------
        StoreError
            If the ledger is damaged or of an unknown schema version.
        """
        rows = self._rows(
            "SELECT seq, prev_hash, hash, kind, at, who, body FROM event "
            "ORDER BY seq DESC LIMIT 1",
            older=True,
        )
        return _event(*rows[0]) if rows else None

    def verify(self, *heads: tuple[int, str] | None) -> list[str]:
        """
        Check the chain link by link, and the file that holds it.

        A chain that was cut, or written anew from some point on, is whole in itself:
        only a head that was kept elsewhere shows it. A ledger of an older schema can
        be verified as it is.

        Parameters
        ----------
        *heads : tuple of int and str, or None
            What `head` gave once.

        Returns
        -------
        list of str
            What is wrong, in words; empty if nothing is.

        Raises
        ------
        StoreError
            If the file cannot be read as a ledger at all.
        """
        problems = [
            f"{self._path}: {text}"
            for (text,) in self._rows("PRAGMA integrity_check", older=True)
            if text != "ok"
        ]
        problems += [
            f"{self._path}: a row of table {table} names a run that is not there"
            for table, *_ in self._rows("PRAGMA foreign_key_check", older=True)
        ]
        if self._path.exists():
            problems += self._open_doors()
            problems += self._changed_versions()
        return problems + chain_problems(self.events(), *heads)

    def _open_doors(self) -> list[str]:
        """Say which triggers that keep the past are gone."""
        rows = self._rows(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'", older=True
        )
        gone = sorted(set(TRIGGERS) - {name for (name,) in rows})
        if not gone:
            return []
        names = ", ".join(gone)
        return [f"{self._path}: triggers that keep the past were removed: {names}"]

    def _changed_versions(self) -> list[str]:
        """Say which texts of alerts do not fit their digest."""
        problems, last = [], -1
        while True:
            rows = self._rows(
                "SELECT place, alert_id, sha256, record FROM alert_version "
                "WHERE place > ? ORDER BY place LIMIT ?",
                last,
                _EVENTS_AT_A_TIME,
                older=True,
            )
            problems += [
                f"{self._path}: what alert {alert_id} said was changed: its digest "
                "does not fit"
                for _, alert_id, digest, text in rows
                if not isinstance(text, str)
                or hashlib.sha256(text.encode()).hexdigest() != digest
            ]
            if len(rows) < _EVENTS_AT_A_TIME:
                return problems
            last = rows[-1][0]

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
        create(self._path, turn=self._locks / ".ledger.lock")
        with writing(self._path) as connection:
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
        create(self._path, turn=self._locks / ".ledger.lock")
        with writing(self._path) as connection:
            end = _end(connection)
            check_head(end, expected_head)
            events = chained(drafts, *end)
            _write_events(connection, events)
        return tuple(events)

    def _commit(
        self, connection: sqlite3.Connection, commit: RunCommit, rows: "_Rows"
    ) -> None:
        """Write all rows of a run; the caller's transaction is open."""
        record = commit.record
        if connection.execute(
            "SELECT 1 FROM run WHERE run_id = ?", (record.run_id,)
        ).fetchone():
            raise StoreError(f"run {record.run_id} is already committed, {self._path}")
        connection.execute("INSERT INTO run VALUES (?, ?, ?, ?, ?, ?)", rows.run)

        for pointer in commit.pointers:
            old = connection.execute(
                "SELECT line, grid_id, block_id, kind, slot, sha256 FROM slot "
                "WHERE (line, grid_id, block_id, kind) = (?, ?, ?, ?)",
                pointer.place,
            ).fetchone()
            with self._blaming("slot"):
                check_flip(_pointer(*old) if old else None, pointer)
        connection.executemany(
            "INSERT OR REPLACE INTO slot VALUES (?, ?, ?, ?, ?, ?, ?)", rows.slots
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
                connection.execute("INSERT INTO applied VALUES (?, ?, ?, ?, ?, ?)", row)

        district = (record.district,)
        connection.execute("DELETE FROM site WHERE district = ?", district)
        connection.executemany("INSERT INTO site VALUES (?, ?, ?, ?)", rows.sites)
        connection.execute("DELETE FROM alert WHERE district = ?", district)
        connection.executemany("INSERT INTO alert VALUES (?, ?, ?, ?)", rows.alerts)
        connection.executemany(
            "INSERT INTO alert_version (alert_id, sha256, record, run_id) "
            "SELECT ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM alert_version "
            "WHERE alert_id = ? AND sha256 = ?)",
            [(*row, *row[:2]) for row in rows.versions],
        )

        _write_events(connection, chained(commit.events, *_end(connection)))

    def _rows(self, query: str, *values: object, older: bool = False) -> list[Any]:
        """Read rows; a ledger that does not exist has none."""
        if not self._path.exists():
            return []
        with reading(self._path, older=older) as connection:
            return connection.execute(query, values).fetchall()

    def _decoded(self, kind: type[_R], table: str, key: str, text: str) -> _R:
        """Read a stored record."""
        return decode_text(kind, text, where=f"{self._path}, table {table}, {key}")

    @contextlib.contextmanager
    def _blaming(self, table: str) -> Iterator[None]:
        """Say where a row lies that its record refuses."""
        try:
            yield
        except (ContractError, TypeError) as error:
            raise StoreError(f"{self._path}, table {table}: {error}") from error


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


def _pointer(
    line: str,
    grid_id: str,
    block_id: str,
    kind: StateKind,
    slot: int,
    sha256: str,
    /,
) -> SlotPointer:
    """Make a pointer of a row."""
    return SlotPointer(
        line=line,
        grid_id=grid_id,
        block_id=block_id,
        kind=kind,
        slot=slot,
        sha256=sha256,
    )


def _end(connection: sqlite3.Connection) -> tuple[int, str]:
    """Give number and hash of the last event."""
    row = connection.execute(
        "SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1"
    ).fetchone()
    return row or (0, GENESIS)


def _write_events(connection: sqlite3.Connection, events: Iterable[Event]) -> None:
    """Write links at the end of the chain."""
    connection.executemany(
        "INSERT INTO event (seq, prev_hash, hash, kind, at, who, body) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(e.seq, e.prev_hash, e.hash, e.kind, e.at, e.who, e.body) for e in events],
    )


def _event(*row: Any) -> Event:  # noqa: ANN401 - the columns of a row
    """Make an event of a row."""
    seq, prev_hash, digest, kind, at, who, body = row
    return Event(
        seq=seq,
        prev_hash=prev_hash,
        hash=digest,
        kind=kind,
        at=at,
        who=who,
        body=body,
    )
