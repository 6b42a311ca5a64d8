"""What the stores ask of a database, whether it is a SQLite file or PostgreSQL."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from rsmonitor.io.stores.layout import Layout


class Cursor(Protocol):
    """Rows that a query gave."""

    def fetchone(self) -> Any:  # noqa: ANN401 - a row
        """Give the next row; None at the end."""

    def fetchall(self) -> list[Any]:
        """Give all rows that are left."""

    def __iter__(self) -> Iterator[Any]:
        """Give the rows one by one."""


class Connection(Protocol):
    """An open database: values stand for question marks in a query."""

    def execute(self, query: str, values: Sequence[Any] = ..., /) -> Cursor:
        """Run one statement."""

    def executemany(self, query: str, rows: Iterable[Sequence[Any]], /) -> object:
        """Run one statement for each row."""


class Tables(Protocol):
    """The tables of one layout, wherever they are kept.

    What is written for both asks for nothing that only one of them has: ``ON CONFLICT``
    and not ``REPLACE``, explicit columns, ``rowid`` named where the order of insertion
    counts.
    """

    @property
    def name(self) -> str:
        """Where they are, for messages; it holds no secret."""

    @property
    def layout(self) -> Layout:
        """What they are."""

    def exists(self) -> bool:
        """Say whether they were made."""

    def check(self) -> None:
        """Refuse a place that cannot hold them, or what is there in their place."""

    def stamp(self) -> tuple[object, ...] | None:
        """Say cheaply which version of them is there; None: none."""

    def create(self) -> None:
        """Make them whole or not at all; do nothing if they are there."""

    def reading(self, *, older: bool = False) -> AbstractContextManager[Connection]:
        """Hold one instant of them, over a connection that cannot write."""

    def writing(self) -> AbstractContextManager[Connection]:
        """Hold the only write transaction: committed at the end, else undone."""

    def field(self, column: str, *path: str) -> str:
        """Give the SQL of one value inside a column of JSON."""

    def problems(self) -> list[str]:
        """List damage, rows without their parent, and triggers that are gone."""


class Stored:
    """What is kept in tables: base of ledger, register and diary.

    Parameters
    ----------
    tables : Tables
        Where it is.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    @property
    def tables(self) -> Tables:
        """What holds it."""
        return self._tables

    @property
    def name(self) -> str:
        """Where it is, for messages."""
        return self._tables.name

    def exists(self) -> bool:
        """
        Say whether anything was ever written to it.

        Returns
        -------
        bool
            False also for one that was lost.

        Raises
        ------
        StoreError
            If the place can be reached and not read; `StoreUnreachableError` if it
            cannot be reached.
        """
        return self._tables.exists()
