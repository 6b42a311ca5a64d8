"""The door to a shelf: a connection for each thread, and what was asked before."""

import contextlib
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

from rsmonitor.errors import StoreError
from rsmonitor.io.stores.shelf_query import touches
from rsmonitor.io.stores.shelf_writing import APPLICATION_ID, SCHEMA_VERSION

_T = TypeVar("_T")

_REMEMBERED: Final = 512
"""Answers that are remembered of a shelf."""


class ShelfDoor:
    """Opens a shelf that others may replace; used from many threads.

    Parameters
    ----------
    path : Path
        The SQLite file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._own = threading.local()
        self._turn = threading.Lock()
        self._known: OrderedDict[Any, Any] = OrderedDict()

    @property
    def usable(self) -> bool:
        """True where a shelf of this version is there."""
        try:
            connection, _ = self.connection()
        except StoreError:
            return False
        return connection is not None

    @contextlib.contextmanager
    def one(self) -> Iterator[tuple[int, int]]:
        """
        Keep this thread at one shelf, though another may be moved into its place.

        The number of a row means something on its own shelf only: on the next one
        it may be that of an alert which nobody asked for.

        Yields
        ------
        tuple of int
            Which shelf it is.

        Raises
        ------
        StoreError
            If there is no shelf, or it is damaged.
        """
        _, generation = self.connection()
        outer = getattr(self._own, "stays", False)
        self._own.stays = True
        try:
            yield generation
        finally:
            self._own.stays = outer

    def remembered(self, key: object, ask: Callable[[], _T]) -> _T:
        """
        Answer from memory what was asked of the same shelf before.

        Parameters
        ----------
        key : object
            What is asked.
        ask : callable
            Finds the answer.

        Returns
        -------
        object
            The answer.
        """
        with self.one() as generation:
            with self._turn:
                if (generation, key) in self._known:
                    self._known.move_to_end((generation, key))
                    known: _T = self._known[generation, key]
                    return known
            answer = ask()
        with self._turn:
            self._known[generation, key] = answer
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return answer

    def rows(self, query: str, *values: object, **named: object) -> list[Any]:
        """
        Ask the shelf.

        Parameters
        ----------
        query : str
            SQL.
        *values : object
            Values by place.
        **named : object
            Values by name.

        Returns
        -------
        list
            Rows.

        Raises
        ------
        StoreError
            If there is no shelf, or it is damaged.
        """
        connection, _ = self.connection()
        try:
            return connection.execute(query, named or values).fetchall()
        except sqlite3.Error as error:
            raise StoreError(
                f"the read model {self.path} cannot be read: {error}; delete it, and "
                "it is made anew"
            ) from error

    def connection(self) -> tuple[sqlite3.Connection, tuple[int, int]]:
        """
        Give this thread's connection to the shelf that is shown now, or within `one`.

        Returns
        -------
        connection : sqlite3.Connection
            It cannot write.
        generation : tuple of int
            Which shelf it is.

        Raises
        ------
        StoreError
            If there is no shelf, or it is damaged.
        """
        if getattr(self._own, "stays", False):
            return self._own.connection, self._own.generation
        try:
            stat = self.path.stat()
        except OSError as error:
            raise StoreError(f"there is no read model {self.path}: {error}") from error
        generation = (stat.st_ino, stat.st_mtime_ns)
        if getattr(self._own, "generation", None) == generation:
            return self._own.connection, generation
        old = getattr(self._own, "connection", None)
        if old is not None:
            old.close()
            self._own.connection = self._own.generation = None
        self._own.connection = _opened(self.path)
        self._own.generation = generation
        return self._own.connection, generation


def _opened(path: Path) -> sqlite3.Connection:
    """Open a shelf that nobody writes to."""
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro&immutable=1",
            uri=True,
            isolation_level=None,
            check_same_thread=False,  # closed by whoever ends the thread
        )
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as error:
        raise StoreError(f"the read model {path} cannot be opened: {error}") from error
    if (application, version) != (APPLICATION_ID, SCHEMA_VERSION):
        connection.close()
        raise StoreError(f"{path} is not a read model of this rsmonitor")
    connection.create_function("meets", 5, touches, deterministic=True)
    return connection
