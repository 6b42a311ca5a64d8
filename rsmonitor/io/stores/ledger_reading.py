"""What a ledger says, read over connections that cannot write."""

import contextlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TypeVar

from rsmonitor.errors import ContractError, StoreError
from rsmonitor.io.stores.codec import decode_text
from rsmonitor.io.stores.ledger_chain import ChainReader
from rsmonitor.io.stores.ledger_schema import (
    OLDER_VERSIONS,
    with_later_fields,
)
from rsmonitor.records.acquisition import Product
from rsmonitor.records.alert import Alert
from rsmonitor.records.case import Said
from rsmonitor.records.run import RunRecord, SlotPointer, StateKind
from rsmonitor.records.site import Site
from rsmonitor.records.week import IsoWeek

_R = TypeVar("_R")


class LedgerReader(ChainReader):
    """A ledger, read; one that does not exist reads as an empty one.

    Every call connects anew, so an instance may be used from several threads.
    """

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
            "(SELECT value FROM meta WHERE key = ?), '0') AS INTEGER) "
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
        told = ", ".join(
            self._tables.field("v.record", *path)
            for path in (
                ("site", "site_id"),
                ("version",),
                ("site", "latest", "disturbance", "area_m2"),
            )
        )
        rows = self._rows(
            f"SELECT alert_id, {told}, finished_at "  # noqa: S608 - constants
            "FROM alert_version AS v JOIN run USING (run_id) WHERE district = ? "
            "ORDER BY place",
            district,
        )
        with self._blaming("alert_version"):
            return tuple(
                Said(
                    alert_id=alert_id,
                    site_id=site_id,
                    version=int(version),
                    area_m2=float(area_m2),
                    at=datetime.fromisoformat(at),
                )
                for alert_id, site_id, version, area_m2, at in rows
            )

    def first_weeks(self, district: str) -> dict[tuple[str, int], IsoWeek]:
        """
        Give the week in which each version of each alert of a district was first said.

        Parameters
        ----------
        district : str
            `District.code`.

        Returns
        -------
        dict of tuple of str and int to IsoWeek
            By `Alert.alert_id` and `Alert.version`.

        Raises
        ------
        StoreError
            If the ledger is damaged or of an unknown schema version.
        """
        version = self._tables.field("v.record", "version")
        rows = self._rows(
            f"SELECT v.alert_id, {version}, run.week "  # noqa: S608 - constants
            "FROM alert_version AS v JOIN run USING (run_id) WHERE run.district = ? "
            "ORDER BY v.place",
            district,
        )
        weeks: dict[tuple[str, int], IsoWeek] = {}
        with self._blaming("alert_version"):
            for alert_id, number, week in rows:
                weeks.setdefault((alert_id, int(number)), IsoWeek.parse(week))
        return weeks

    def run_that_said(self, alert_id: str) -> str | None:
        """
        Name the run that first said the last version of an alert.

        Parameters
        ----------
        alert_id : str
            `Alert.alert_id`.

        Returns
        -------
        str or None
            `RunRecord.run_id`; None if nothing was ever said of it.

        Raises
        ------
        StoreError
            If the ledger is damaged or of an unknown schema version.
        """
        rows = self._rows(
            "SELECT run_id FROM alert_version WHERE alert_id = ? "
            "ORDER BY place DESC LIMIT 1",
            alert_id,
        )
        return rows[0][0] if rows else None

    def last_runs(self) -> dict[str, tuple[int, int, str]]:
        """
        Say of each district how many runs it has, and which was committed last.

        Returns
        -------
        dict of str to tuple
            By `District.code`: how many, the place of the last one in the order of
            commits of all districts, and its `RunRecord.run_id`.

        Raises
        ------
        StoreError
            If the ledger is damaged or of an unknown schema version.
        """
        rows = self._rows(
            "SELECT run.district, many, run.rowid, run.run_id FROM run JOIN ("
            "SELECT max(rowid) AS place, count(*) AS many FROM run GROUP BY district"
            ") AS newest ON run.rowid = newest.place ORDER BY run.district"
        )
        return {district: (many, place, run) for district, many, place, run in rows}

    def districts_of(self, site_ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """
        Say in which districts sites lie.

        Parameters
        ----------
        site_ids : iterable of str
            Values of `Site.site_id`; what is not there is left out.

        Returns
        -------
        dict of str to tuple of str
            By `District.code` the sites that are there, in order.

        Raises
        ------
        StoreError
            If the ledger is damaged or of an unknown schema version.
        """
        wanted = sorted(set(site_ids))
        if not wanted:
            return {}
        marks = ", ".join("?" for _ in wanted)
        rows = self._rows(
            "SELECT district, site_id FROM site "  # noqa: S608 - marks
            f"WHERE site_id IN ({marks}) ORDER BY site_id",
            *wanted,
        )
        found: dict[str, tuple[str, ...]] = {}
        for district, site_id in rows:
            found[district] = (*found.get(district, ()), site_id)
        return found

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

    def _decoded(self, kind: type[_R], table: str, key: str, text: str) -> _R:
        """Read a stored record."""
        return decode_text(kind, text, where=f"{self.name}, table {table}, {key}")

    @contextlib.contextmanager
    def _blaming(self, table: str) -> Iterator[None]:
        """Say where a row lies that its record refuses."""
        try:
            yield
        except (ContractError, TypeError, ValueError) as error:
            raise StoreError(f"{self.name}, table {table}: {error}") from error


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
