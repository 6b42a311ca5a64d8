"""Tips in a file of their own: what is followed, and apart from it what is erasable.

Ids are a keyed digest of day and place, under a key that was drawn for this file; they
say nothing of who gave a tip. Erasing writes over what was there, in the file and in
its journal; what disks and backups keep of it is beyond any program.
"""

import base64
import contextlib
import hashlib
import hmac
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import shapely
from shapely.errors import ShapelyError

from rsmonitor.errors import ContractError, OutputError, StoreError
from rsmonitor.io.foundation.files import lock_file
from rsmonitor.io.stores.database import create, reading, writing
from rsmonitor.io.stores.layout import Layout
from rsmonitor.records.tip import Place, Tip

_COLUMNS: Final = ("number", "name", "contact", "address", "text", "registered_by")

_SCHEMA: Final = """
BEGIN;

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
INSERT INTO meta VALUES ('key', hex(randomblob(32)));

CREATE TABLE tip (
    tip_id TEXT PRIMARY KEY,
    day TEXT NOT NULL,
    place BLOB,
    received_at TEXT NOT NULL,
    placed_at TEXT,
    erased_at TEXT
);

-- everything that may say who gave a tip
CREATE TABLE reporter (
    tip_id TEXT PRIMARY KEY REFERENCES tip (tip_id),
    number TEXT,
    name TEXT,
    contact TEXT,
    address TEXT,
    text TEXT,
    registered_by TEXT
);
"""

TIPS: Final = Layout(
    what="store of tips",
    application_id=0x72736D74,
    schema_version=1,
    schema=_SCHEMA,
)
"""``rsmt``: the file of tips."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A tip to be taken in."""

    day: date
    """The day that it speaks of."""

    place: Place | None
    """CRS84."""

    told: Mapping[str, str]
    """What must be possible to erase, by column."""

    key: str
    """What makes it the same tip when it comes again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTip:
    """A tip as it is kept, without what is erasable."""

    tip: Tip
    """The tip."""

    erased: bool
    """True where names and contacts were erased."""


class TipStore:
    """Tips in a SQLite file; a file that does not exist reads as an empty one.

    Parameters
    ----------
    path : Path
        The file.
    locks : Path
        Folder of lock files.
    """

    def __init__(self, path: Path, *, locks: Path) -> None:
        self._path = path
        self._turn = locks / ".tips.lock"

    def tips(self) -> tuple[KeptTip, ...]:
        """
        List the tips.

        Returns
        -------
        tuple of KeptTip
            By day, then by id.

        Raises
        ------
        StoreError
            If the file is damaged.
        """
        if not self._path.exists():
            return ()
        with reading(self._path, TIPS) as connection:
            rows = connection.execute(
                "SELECT tip_id, day, place, erased_at FROM tip ORDER BY day, tip_id"
            ).fetchall()
        return tuple(self._kept(*row) for row in rows)

    def add(
        self, received: Sequence[Received], *, at: datetime
    ) -> tuple[tuple[str, bool], ...]:
        """
        Take tips in: all or none, and none twice.

        Parameters
        ----------
        received : sequence of Received
            In any order.
        at : datetime
            When, timezone-aware UTC.

        Returns
        -------
        tuple of (str, bool)
            For each its id, and whether it is new. What was erased stays erased.

        Raises
        ------
        StoreError
            If the file is damaged.
        OutputError
            If it cannot be written.
        """
        if not received:
            return ()
        create(self._path, turn=self._turn, layout=TIPS)
        done = []
        with writing(self._path, TIPS) as connection:
            for one in received:
                tip_id = _tip_id(connection, one.key)
                new = not connection.execute(
                    "SELECT 1 FROM tip WHERE tip_id = ?", (tip_id,)
                ).fetchone()
                if new:
                    connection.execute(
                        "INSERT INTO tip (tip_id, day, place, received_at) "
                        "VALUES (?, ?, ?, ?)",
                        (tip_id, one.day.isoformat(), _blob(one.place), _instant(at)),
                    )
                    connection.execute(
                        "INSERT INTO reporter VALUES (?, ?, ?, ?, ?, ?, ?)",
                        (tip_id, *(one.told.get(name) for name in _COLUMNS)),
                    )
                done.append((tip_id, new))
        return tuple(done)

    def place(self, tip_id: str, place: Place, *, at: datetime) -> None:
        """
        Give a tip its place.

        Parameters
        ----------
        tip_id : str
            `Tip.tip_id`.
        place : Point, Polygon or MultiPolygon
            CRS84.
        at : datetime
            When, timezone-aware UTC.

        Raises
        ------
        StoreError
            If there is no such tip.
        OutputError
            If the file cannot be written.
        """
        self._require(tip_id)
        with writing(self._path, TIPS) as connection:
            connection.execute(
                "UPDATE tip SET place = ?, placed_at = ? WHERE tip_id = ?",
                (_blob(place), _instant(at), tip_id),
            )

    def told(self, tip_id: str) -> dict[str, str]:
        """
        Read what is erasable of a tip, to answer whoever gave or registered it.

        Parameters
        ----------
        tip_id : str
            `Tip.tip_id`.

        Returns
        -------
        dict of str to str
            By column; empty if it was erased.

        Raises
        ------
        StoreError
            If there is no such tip.
        """
        self._require(tip_id)
        with reading(self._path, TIPS) as connection:
            row = connection.execute(
                f"SELECT {', '.join(_COLUMNS)} FROM reporter WHERE tip_id = ?",  # noqa: S608
                (tip_id,),
            ).fetchone()
        pairs = zip(_COLUMNS, row or (), strict=False)
        return {name: value for name, value in pairs if value}

    def erase(self, tip_id: str, *, at: datetime) -> bool:
        """
        Remove what was told of whoever gave a tip, so that no file holds it any more.

        Day, place and what became of the tip stay.

        Parameters
        ----------
        tip_id : str
            `Tip.tip_id`.
        at : datetime
            When, timezone-aware UTC.

        Returns
        -------
        bool
            False if it had been erased before; the file is swept all the same.

        Raises
        ------
        StoreError
            If there is no such tip.
        OutputError
            If the file cannot be written.
        """
        self._require(tip_id)
        erase = "DELETE FROM reporter WHERE tip_id = ?"
        mark = "UPDATE tip SET erased_at = coalesce(erased_at, ?) WHERE tip_id = ?"
        with (
            lock_file(self._turn, what=f"erasing from {self._path}", wait=True),
            self._sweeping() as connection,
        ):
            connection.execute("BEGIN IMMEDIATE")
            removed = connection.execute(erase, (tip_id,)).rowcount
            connection.execute(mark, (_instant(at), tip_id))
            connection.execute("COMMIT")
            connection.execute("VACUUM")
        return removed > 0

    @contextlib.contextmanager
    def _sweeping(self) -> Iterator[sqlite3.Connection]:
        """Open the file so that what is freed is written over, journal included."""
        try:
            connection = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode=rw",
                uri=True,
                isolation_level=None,
                timeout=30.0,
            )
            with contextlib.closing(connection):
                for pragma in (
                    "secure_delete = ON",
                    "synchronous = EXTRA",
                    "temp_store = MEMORY",
                    # a journal that is deleted leaves its pages on the disk; one that
                    # stays can be written over
                    "journal_mode = PERSIST",
                ):
                    connection.execute(f"PRAGMA {pragma}")
                yield connection
        except sqlite3.Error as error:
            raise OutputError(
                f"{self._path} cannot be erased from: {error}; check free space and "
                "permissions, and erase again"
            ) from error
        finally:
            self._wipe_journal()

    def _wipe_journal(self) -> None:
        """Write zeros over a journal that is done with, and remove it."""
        journal = self._path.with_name(f"{self._path.name}-journal")
        try:
            with journal.open("r+b") as file:
                header = file.read(8)
                if header.strip(b"\0"):
                    return  # somebody is writing, or died: SQLite needs it
                size = file.seek(0, 2)
                file.seek(0)
                file.write(bytes(size))
                file.flush()
            journal.unlink()
        except OSError:
            return  # there is none

    def _require(self, tip_id: str) -> None:
        """Refuse a tip that is not there."""
        if self._path.exists():
            with reading(self._path, TIPS) as connection:
                if connection.execute(
                    "SELECT 1 FROM tip WHERE tip_id = ?", (tip_id,)
                ).fetchone():
                    return
        raise StoreError(
            f"{self._path}: there is no tip {tip_id[:40]!r}; 'rsmonitor tips list' "
            "names them"
        )

    def _kept(
        self, tip_id: str, day: str, place: bytes | None, erased_at: str | None
    ) -> KeptTip:
        """Make a record of a row."""
        try:
            geometry: Any = None if place is None else shapely.from_wkb(place)
            tip = Tip(tip_id=tip_id, day=date.fromisoformat(day), place=geometry)
        except (ShapelyError, ContractError, TypeError, ValueError) as error:
            raise StoreError(f"{self._path}, tip {tip_id}: {error}") from error
        return KeptTip(tip=tip, erased=erased_at is not None)


def _tip_id(connection: sqlite3.Connection, key: str) -> str:
    """Give the id of a tip: a digest that only this file can compute."""
    (secret,) = connection.execute("SELECT value FROM meta WHERE key='key'").fetchone()
    digest = hmac.new(bytes.fromhex(secret), key.encode(), hashlib.sha256).digest()
    return "t" + base64.b32encode(digest).decode().lower()[:12]


def _blob(place: Place | None) -> bytes | None:
    """Write a place as it is stored."""
    return None if place is None else bytes(shapely.to_wkb(place, byte_order=1))


def _instant(at: datetime) -> str:
    """Write an instant."""
    return at.isoformat().replace("+00:00", "Z")
