"""What a ledger in a file says, read over connections that cannot write."""

import contextlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from rsmonitor.errors import ContractError, StoreError
from rsmonitor.io.stores.codec import decode_text
from rsmonitor.io.stores.commit import chain_problems
from rsmonitor.io.stores.database import reading
from rsmonitor.io.stores.ledger_schema import (
    FINDINGS_OF_WITHHELD,
    OLDER_VERSIONS,
    with_later_fields,
)
from rsmonitor.io.stores.ledger_verification import file_problems
from rsmonitor.records.acquisition import Product
from rsmonitor.records.alert import Alert
from rsmonitor.records.case import Said
from rsmonitor.records.event import GENESIS, Event
from rsmonitor.records.finding import withheld_by
from rsmonitor.records.run import RunRecord, SlotPointer, StateKind
from rsmonitor.records.site import Site

_R = TypeVar("_R")

_EVENTS_AT_A_TIME: Final = 1000


class LedgerReader:
    """A ledger in a file, read; one that does not exist reads as an empty one.

    Every call opens the file anew, so an instance may be used from several threads.

    Parameters
    ----------
    path : Path
        The SQLite file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

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
            return tuple(pointer_of(*row) for row in rows)

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

    def withheld(self) -> frozenset[str]:
        """
        Name the sites, of all districts, of which somebody's last word is special use.

        What this reads does not grow with the chain: indexes lead to what was said of
        these sites alone. Only a ledger that nothing was written to since the indexes
        came is read whole.

        Returns
        -------
        frozenset of str
            Values of `Site.site_id`.

        Raises
        ------
        StoreError
            If the ledger is damaged or of an unknown schema version, or an event says
            special use and not of which site.
        """
        rows = self._rows(FINDINGS_OF_WITHHELD)
        try:
            return withheld_by(_event(*row) for row in rows)
        except ContractError as error:
            raise StoreError(
                f"{self._path}: {error}; 'rsmonitor verify' says more"
            ) from error

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
        problems = file_problems(self._path) if self._path.exists() else []
        return problems + chain_problems(self.events(), *heads)

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


def pointer_of(
    line: str,
    grid_id: str,
    block_id: str,
    kind: StateKind,
    slot: int,
    sha256: str,
    /,
) -> SlotPointer:
    """
    Make a pointer of a row of table ``slot``.

    Parameters
    ----------
    line, grid_id, block_id : str
        Where.
    kind : {"reference", "evidence"}
        Which state of the block.
    slot : int
        Which of the two slots.
    sha256 : str
        Digest of what it holds.

    Returns
    -------
    SlotPointer
        The pointer.
    """
    return SlotPointer(
        line=line,
        grid_id=grid_id,
        block_id=block_id,
        kind=kind,
        slot=slot,
        sha256=sha256,
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
