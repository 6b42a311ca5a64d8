"""What looks showed of sites: one small row for each site and look.

A row is known by site and acquisition, so writing the same twice leaves it once, and a
product that is processed again replaces what its older version said. The file can be
made anew from the cached scenes at any time; the ledger does not depend on it.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rsmonitor.errors import ContractError
from rsmonitor.io.stores.codec import decode, decode_text, encode_text
from rsmonitor.io.stores.database import SqliteTables
from rsmonitor.io.stores.layout import Layout, Table
from rsmonitor.io.stores.tables import Stored
from rsmonitor.records.lifecycle import HistoryCurve, Observation

_COLUMNS: Final = (
    "site_id",
    "look",
    "product_id",
    "day",
    "share_seen",
    "ndvi",
    "predicted",
    "ring",
    "ring_predicted",
    "bare_share",
    "area_m2",
)

OBSERVATIONS: Final = Layout(
    what="diary of sites",
    application_id=0x72736D64,
    schema_version=1,
    schema="""
BEGIN;

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);

CREATE TABLE observation (
    district TEXT NOT NULL,
    site_id TEXT NOT NULL,
    look TEXT NOT NULL,
    product_id TEXT NOT NULL,
    day TEXT NOT NULL,
    share_seen REAL NOT NULL,
    ndvi REAL,
    predicted REAL,
    ring REAL,
    ring_predicted REAL,
    bare_share REAL,
    area_m2 REAL NOT NULL,
    PRIMARY KEY (district, site_id, look)
) WITHOUT ROWID;

CREATE TABLE curve (
    district TEXT NOT NULL,
    site_id TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (district, site_id)
) WITHOUT ROWID;
""",
    tables=(
        Table(
            name="observation",
            columns=("district", *_COLUMNS),
            order=("district", "site_id", "look"),
        ),
        Table(
            name="curve",
            columns=("district", "site_id", "record"),
            order=("district", "site_id"),
        ),
    ),
)
"""``rsmd``: the file of observations."""

_KEEP_LOOK: Final = (
    "INSERT INTO observation "  # noqa: S608 - constants
    f"(district, {', '.join(_COLUMNS)}) VALUES (?, {', '.join('?' for _ in _COLUMNS)}) "
    "ON CONFLICT (district, site_id, look) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[2:])
)
_KEEP_CURVE: Final = (
    "INSERT INTO curve (district, site_id, record) VALUES (?, ?, ?) "
    "ON CONFLICT (district, site_id) DO UPDATE SET record = excluded.record"
)


class StoredObservations(Stored):
    """Observations in a database; satisfies `rsmonitor.interfaces.Diary`.

    Nothing is made before the first row; a diary that does not exist reads as an empty
    one. Every call connects anew.

    Parameters
    ----------
    tables : Tables
        Where they are.
    """

    def held(self, district: str) -> Mapping[str, Mapping[str, str]]:
        """
        Say which looks are held.

        Parameters
        ----------
        district : str
            `District.code`.

        Returns
        -------
        Mapping
            By site and look, the product that was observed.

        Raises
        ------
        StoreError
            If the file is damaged or of an unknown schema version.
        BusyError
            If a writer kept it for half a minute.
        """
        held: dict[str, dict[str, str]] = {}
        for site_id, look, product_id in self._rows(
            "SELECT site_id, look, product_id FROM observation WHERE district = ? "
            "ORDER BY site_id, look",
            district,
        ):
            held.setdefault(site_id, {})[look] = product_id
        return held

    def curves(self, district: str) -> Mapping[str, HistoryCurve]:
        """
        Give the curves that sites had before they were sites.

        Parameters
        ----------
        district : str
            `District.code`.

        Returns
        -------
        Mapping of str to HistoryCurve
            By site.

        Raises
        ------
        StoreError
            If the file is damaged or of an unknown schema version.
        BusyError
            If a writer kept it for half a minute.
        """
        where = f"{self._tables.name}, table curve"
        return {
            site_id: decode_text(HistoryCurve, record, where=where)
            for site_id, record in self._rows(
                "SELECT site_id, record FROM curve WHERE district = ? ORDER BY site_id",
                district,
            )
        }

    def of(self, district: str, site_id: str | None = None) -> tuple[Observation, ...]:
        """
        Give what was observed.

        Parameters
        ----------
        district : str
            `District.code`.
        site_id : str, optional
            Only of this site.

        Returns
        -------
        tuple of Observation
            By site, day and look.

        Raises
        ------
        StoreError
            If the file is damaged or of an unknown schema version.
        BusyError
            If a writer kept it for half a minute.
        """
        only = "" if site_id is None else " AND site_id = ?"
        rows = self._rows(
            f"SELECT {', '.join(_COLUMNS)} FROM observation "  # noqa: S608 - constants
            f"WHERE district = ?{only} ORDER BY site_id, day, look",
            *((district,) if site_id is None else (district, site_id)),
        )
        where = f"{self._tables.name}, table observation"
        return tuple(
            decode(Observation, dict(zip(_COLUMNS, row, strict=True)), where=where)
            for row in rows
        )

    def keep(
        self,
        district: str,
        observations: Iterable[Observation],
        curves: Iterable[HistoryCurve],
    ) -> None:
        """
        Keep observations and curves, all of them or none.

        Parameters
        ----------
        district : str
            `District.code`.
        observations : iterable of Observation
            Each replaces what is held of the same site and look.
        curves : iterable of HistoryCurve
            Each replaces what is held of the same site.

        Raises
        ------
        StoreError
            If the file is damaged or of an unknown schema version.
        OutputError
            If it cannot be written.
        BusyError
            If others kept it for half a minute.
        ContractError
            If `district` is empty.
        """
        if not district:
            raise ContractError("observations need the code of their district")
        rows = [(district, *_row(observation)) for observation in observations]
        told = [(district, curve.site_id, encode_text(curve)) for curve in curves]
        if not (rows or told):
            return
        self._tables.create()
        with self._tables.writing() as connection:
            connection.executemany(_KEEP_LOOK, rows)
            connection.executemany(_KEEP_CURVE, told)

    def _rows(self, query: str, *values: str) -> Sequence[Sequence[Any]]:
        """Ask the database; one that is not there is empty."""
        if not self._tables.exists():
            return []
        with self._tables.reading() as connection:
            return connection.execute(query, values).fetchall()


class SqliteObservations(StoredObservations):
    """Observations in a file.

    Parameters
    ----------
    path : Path
        The SQLite file.
    locks : Path
        Folder of the lock files.
    """

    def __init__(self, path: Path, *, locks: Path) -> None:
        turn = locks / ".observations.lock"
        super().__init__(SqliteTables(path, turn=turn, layout=OBSERVATIONS))


def _row(observation: Observation) -> tuple[Any, ...]:
    """Write an observation as the values of its columns."""
    values = [getattr(observation, name) for name in _COLUMNS]
    values[_COLUMNS.index("day")] = observation.day.isoformat()
    # no negative zero: SQLite does not keep its sign, and both must hold the same
    return tuple(v + 0.0 if isinstance(v, float) else v for v in values)
