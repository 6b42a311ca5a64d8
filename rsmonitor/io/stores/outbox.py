"""The outbox: what is to leave the house, and how far it is, in SQLite.

One row a parcel and recipient. A row is written before a letter is handed over and
again when the answer is there, each time in a transaction of its own: whatever dies in
between, the row says which letters may have been taken without our knowing. It holds
mail addresses, so nobody but its owner may read the file.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rsmonitor.errors import ContractError, OutputError, StoreError
from rsmonitor.io.foundation.files import lock_file
from rsmonitor.io.stores.codec import decode_text, encode_text
from rsmonitor.io.stores.database import create, reading, writing
from rsmonitor.io.stores.layout import Layout
from rsmonitor.records.sending import (
    Parcel,
    Sending,
    SendingState,
    message_id_of,
)
from rsmonitor.records.week import IsoWeek

OUTBOX: Final = Layout(
    what="outbox",
    application_id=0x72736D6F,
    schema_version=1,
    schema="""
BEGIN;

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);

CREATE TABLE parcel (
    key TEXT PRIMARY KEY,
    area TEXT NOT NULL,
    week TEXT NOT NULL,
    revision INTEGER NOT NULL,
    record TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE sending (
    key TEXT NOT NULL REFERENCES parcel (key),
    recipient TEXT NOT NULL,
    series INTEGER NOT NULL CHECK (series >= 0),
    attempt INTEGER NOT NULL CHECK (attempt >= 0),
    state TEXT NOT NULL CHECK (state IN (
        'planned', 'attempting', 'accepted', 'waiting', 'refused', 'superseded')),
    doubtful INTEGER NOT NULL CHECK (doubtful IN (0, 1)),
    resent INTEGER NOT NULL CHECK (resent IN (0, 1)),
    message_id TEXT NOT NULL,
    at TEXT,
    said TEXT NOT NULL,
    next_try TEXT,
    told INTEGER NOT NULL CHECK (told IN (0, 1)),
    UNIQUE (key, recipient)
);
""",
)
"""``rsmo``: the file of what leaves the house. `told` says that the ledger knows."""

_COLUMNS: Final = (
    "key, area, week, recipient, series, attempt, state, doubtful, resent, "
    "message_id, at, said, next_try"
)
_SELECT: Final = f"SELECT {_COLUMNS} FROM sending JOIN parcel USING (key)"  # noqa: S608
_ORDER: Final = " ORDER BY week, area, revision, recipient"

_DIED: Final = "whoever sent it died before the answer was recorded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A parcel that is still to reach one recipient."""

    sending: Sending
    """How far it is."""

    parcel: Parcel
    """What it is."""


class SqliteOutbox:
    """Sendings in a file.

    Nothing is made on disk before the first row; a file that does not exist reads as
    an empty one. Every call opens the file anew. Whoever sends holds `lock`, so that a
    row that says ``attempting`` at its start was left by somebody who died.

    Parameters
    ----------
    path : Path
        The SQLite file.
    locks : Path
        Folder of the lock files.
    """

    def __init__(self, path: Path, *, locks: Path) -> None:
        self._path = path
        self._locks = locks

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """
        Be the only one who sends; the lock dies with its process.

        Yields
        ------
        None
            While it is held.

        Raises
        ------
        BusyError
            If another process sends.
        OutputError
            If the lock file cannot be made.
        """
        with lock_file(self._locks / ".sending.lock", what="sending of packages"):
            yield

    def plan(
        self,
        parcel: Parcel,
        recipients: Iterable[str],
        *,
        domain: str,
        again: bool = False,
    ) -> None:
        """
        Write down that a parcel is to go to some recipients; repeatable.

        What went out already, or was refused, is left as it is. Earlier revisions of
        the same week that are still to go out are superseded.

        Parameters
        ----------
        parcel : Parcel
            The parcel; replaces what was planned under its key.
        recipients : iterable of str
            Mail addresses, or `rsmonitor.records.sending.FOLDER`.
        domain : str
            Right half of each ``Message-ID``.
        again : bool, default False
            True begins a new series for those to whom it is finished.

        Raises
        ------
        ContractError
            If the parcel cannot be stored.
        StoreError
            If the file is damaged or of an unknown schema version.
        OutputError
            If it cannot be written.
        BusyError
            If others kept it for half a minute.
        """
        record, key = encode_text(parcel), parcel.key
        self._create()
        with writing(self._path, OUTBOX) as connection:
            connection.execute(
                "INSERT INTO parcel VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) "
                "DO UPDATE SET record = excluded.record",
                (key, parcel.area, str(parcel.week), parcel.revision, record),
            )
            connection.execute(
                "UPDATE sending SET state = 'superseded', next_try = NULL, said = ? "
                "WHERE state IN ('planned', 'attempting', 'waiting') AND key IN ("
                "SELECT key FROM parcel WHERE area = ? AND week = ? AND revision < ?)",
                (
                    f"revision {parcel.revision} goes out instead",
                    parcel.area,
                    str(parcel.week),
                    parcel.revision,
                ),
            )
            for recipient in recipients:
                named = message_id_of(key, recipient, 0, domain=domain)
                connection.execute(
                    "INSERT INTO sending VALUES "
                    "(?, ?, 0, 0, 'planned', 0, 0, ?, NULL, '', NULL, 0) "
                    "ON CONFLICT (key, recipient) DO NOTHING",
                    (key, recipient, named),
                )
                if again:
                    _begin_series(connection, key, recipient, domain)

    def recover(self) -> tuple[Sending, ...]:
        """
        Find what those who died were handing over; hold `lock` while you ask.

        Returns
        -------
        tuple of Sending
            They now wait, and are doubtful.

        Raises
        ------
        StoreError
            If the file is damaged or of an unknown schema version.
        OutputError
            If it cannot be written.
        BusyError
            If others kept it for half a minute.
        """
        return tuple(
            self.record(each, each.waiting(said=_DIED, unanswered=True))
            for each in self.all()
            if each.state is SendingState.ATTEMPTING
        )

    def all(self, key: str | None = None) -> tuple[Sending, ...]:
        """
        List what was ever planned.

        Parameters
        ----------
        key : str, optional
            Only this `Parcel.key`.

        Returns
        -------
        tuple of Sending
            By week, area, revision and recipient.

        Raises
        ------
        StoreError
            If the file is damaged or of an unknown schema version.
        BusyError
            If a writer kept it for half a minute.
        """
        if key is None:
            rows = self._rows(_SELECT + _ORDER)
        else:
            rows = self._rows(f"{_SELECT} WHERE key = ?{_ORDER}", key)
        return tuple(self._sending(row) for row in rows)

    def due(self) -> tuple[Due, ...]:
        """
        List what is still to go out, of this week and of earlier ones.

        Returns
        -------
        tuple of Due
            By week, area, revision and recipient.

        Raises
        ------
        StoreError
            If the file is damaged or of an unknown schema version.
        BusyError
            If a writer kept it for half a minute.
        """
        return self._with_parcels("state IN ('planned', 'attempting', 'waiting')")

    def untold(self) -> tuple[Due, ...]:
        """
        List what was taken, but is not known to stand in the ledger.

        Returns
        -------
        tuple of Due
            By week, area, revision and recipient.

        Raises
        ------
        StoreError
            If the file is damaged or of an unknown schema version.
        BusyError
            If a writer kept it for half a minute.
        """
        return self._with_parcels("state = 'accepted' AND told = 0")

    def record(self, before: Sending, after: Sending) -> Sending:
        """
        Write down what became of a sending.

        Parameters
        ----------
        before : Sending
            As the outbox gave it.
        after : Sending
            What one of its methods made of it.

        Returns
        -------
        Sending
            `after`, once it is on disk.

        Raises
        ------
        StoreError
            If the row is not as `before` says, or the file is damaged.
        OutputError
            If it cannot be written.
        BusyError
            If others kept it for half a minute.
        """
        with writing(self._path, OUTBOX) as connection:
            changed = connection.execute(
                "UPDATE sending SET attempt = ?, state = ?, doubtful = ?, at = ?, "
                "said = ?, next_try = ? WHERE (key, recipient) = (?, ?) "
                "AND (series, attempt, state, doubtful) = (?, ?, ?, ?)",
                (
                    after.attempt,
                    after.state.value,
                    after.doubtful,
                    _text(after.at),
                    after.said,
                    _text(after.next_try),
                    before.key,
                    before.recipient,
                    before.series,
                    before.attempt,
                    before.state.value,
                    before.doubtful,
                ),
            ).rowcount
            if changed != 1:
                raise StoreError(
                    f"{self._path}: {before.key} to {before.shown} cannot become "
                    f"{after.state.value}: it is no longer {before.state.value}; "
                    "something else changed it meanwhile"
                )
        return after

    def tell(self, sendings: Sequence[Sending]) -> None:
        """
        Write down that the ledger knows what was taken.

        Parameters
        ----------
        sendings : sequence of Sending
            Accepted ones, as `untold` gave them.

        Raises
        ------
        StoreError
            If the file is damaged.
        OutputError
            If it cannot be written.
        BusyError
            If others kept it for half a minute.
        """
        if not sendings:
            return
        with writing(self._path, OUTBOX) as connection:
            connection.executemany(
                "UPDATE sending SET told = 1 WHERE (key, recipient, series) = "
                "(?, ?, ?) AND state = 'accepted'",
                [(each.key, each.recipient, each.series) for each in sendings],
            )

    def _create(self) -> None:
        """Make the file, for its owner's eyes."""
        create(self._path, turn=self._locks / ".outbox.lock", layout=OUTBOX)
        try:
            self._path.chmod(0o600)  # its journal takes the same mode
        except OSError as error:
            raise OutputError(
                f"{self._path} holds mail addresses and cannot be hidden from others: "
                f"{error.strerror}; let its owner run this"
            ) from error

    def _with_parcels(self, condition: str) -> tuple[Due, ...]:
        """Read rows with what they carry."""
        rows = self._rows(
            f"SELECT record, {_COLUMNS} FROM sending JOIN parcel USING (key) "  # noqa: S608 - constants
            f"WHERE {condition}{_ORDER}"
        )
        where = f"{self._path}, table parcel"
        return tuple(
            Due(
                sending=self._sending(row),
                parcel=decode_text(Parcel, record, where=f"{where}, {row[0]}"),
            )
            for record, *row in rows
        )

    def _rows(self, query: str, *values: str) -> list[Any]:
        """Ask the file; one that is not there is empty."""
        if not self._path.exists():
            return []
        with reading(self._path, OUTBOX) as connection:
            return connection.execute(query, values).fetchall()

    def _sending(self, row: Sequence[Any]) -> Sending:
        """Make a record of a row."""
        (key, area, week, recipient, series, attempt, state, doubtful, resent) = row[:9]
        message_id, at, said, next_try = row[9:]
        try:
            return Sending(
                key=key,
                area=area,
                week=IsoWeek.parse(week),
                recipient=recipient,
                series=series,
                attempt=attempt,
                state=SendingState(state),
                doubtful=bool(doubtful),
                resent=bool(resent),
                message_id=message_id,
                at=_instant(at),
                said=said,
                next_try=_instant(next_try),
            )
        except (ContractError, ValueError, TypeError) as error:
            raise StoreError(
                f"{self._path}, table sending, {key}: {error}; it was damaged or "
                "written by something else"
            ) from error


def _begin_series(
    connection: sqlite3.Connection, key: str, recipient: str, domain: str
) -> None:
    """Begin a new series for a recipient to whom a parcel is finished."""
    found = connection.execute(
        "SELECT series FROM sending WHERE (key, recipient) = (?, ?) "
        "AND state IN ('accepted', 'refused', 'superseded')",
        (key, recipient),
    ).fetchone()
    if found is None:
        return
    named = message_id_of(key, recipient, found[0] + 1, domain=domain)
    # what was refused without doubt never arrived, so it does not arrive again
    connection.execute(
        "UPDATE sending SET series = series + 1, attempt = 0, "
        "resent = (resent OR doubtful OR state = 'accepted'), state = 'planned', "
        "doubtful = 0, message_id = ?, at = NULL, said = '', next_try = NULL, told = 0 "
        "WHERE (key, recipient) = (?, ?)",
        (named, key, recipient),
    )


def _text(instant: datetime | None) -> str | None:
    """Write an instant."""
    return None if instant is None else instant.astimezone(UTC).isoformat()


def _instant(text: str | None) -> datetime | None:
    """Read an instant."""
    return None if text is None else datetime.fromisoformat(text)
