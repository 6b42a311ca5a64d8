"""The tables of one layout on PostgreSQL: made whole, read at one instant."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any, Final

from rsmonitor.errors import RsmonitorError, StoreError, StoreUnreachableError
from rsmonitor.io.stores.database import found_problems
from rsmonitor.io.stores.layout import Layout
from rsmonitor.io.stores.postgres.connection import (
    Address,
    PostgresConnection,
    connected,
)
from rsmonitor.io.stores.postgres.schema import SHARED

_OLDEST_SERVER: Final = 130_000
_BUSY_SECONDS: Final = 30
_ASKED_SECONDS: Final = 20.0


class PostgresTables:
    """Tables of one layout; satisfies `rsmonitor.io.stores.tables.Tables`.

    Nothing is made before something is written. Every call connects anew.

    Parameters
    ----------
    address : Address
        Where.
    layout : Layout
        One of `rsmonitor.io.stores.postgres.schema`.
    """

    def __init__(self, address: Address, layout: Layout) -> None:
        self.address = address
        self.layout = layout
        self._seen = False

    @property
    def name(self) -> str:
        """The address."""
        return str(self.address)

    def exists(self) -> bool:
        """
        Say whether the tables were made.

        Returns
        -------
        bool
            What was there once is not asked for again.

        Raises
        ------
        StoreUnreachableError
            If the server cannot be reached.
        """
        if not self._seen:
            with self.connected() as connection:
                self._seen = self._version(connection) is not None
        return self._seen

    def stamp(self) -> tuple[object, ...] | None:
        """
        Say how far each table that only grows has grown.

        Returns
        -------
        tuple or None
            Another one after every run, event and act; None where nothing was made.

        Raises
        ------
        StoreUnreachableError
            If the server cannot be reached.
        """
        if not self.exists():
            return None
        ends = [
            f"(SELECT max({table.order[0]}) FROM {table.name})"  # noqa: S608 - ours
            for table in self.layout.tables
            if len(table.order) == 1
        ]
        with self.reading() as connection:
            return tuple(connection.execute(f"SELECT {', '.join(ends)}").fetchone())

    def create(self) -> None:
        """
        Make the tables, whole or not at all; do nothing if they are there.

        Raises
        ------
        StoreUnreachableError
            If the server cannot be reached.
        StoreError
            If the database lacks PostGIS, or is not in UTF-8.
        OutputError
            If the role may not make them.
        """
        if self.exists():
            return
        with self.connected() as connection, self.transaction(connection):
            self.lay(connection)
        self._seen = True

    def check(self) -> None:
        """
        Try everything that needs no writing.

        Raises
        ------
        StoreUnreachableError
            If the server cannot be reached.
        StoreError
            If the database cannot hold the tables, or they are of another version.
        """
        with self.connected() as connection:
            self._require_server(connection)
            if self._version(connection) is not None:
                self._require_version(connection)

    def lay(self, connection: PostgresConnection) -> bool:
        """
        Make what is missing of the tables in a transaction of the caller.

        Parameters
        ----------
        connection : PostgresConnection
            In a transaction.

        Returns
        -------
        bool
            False if they were there.

        Raises
        ------
        StoreError
            If the database lacks PostGIS, or is not in UTF-8.
        """
        self._wait(connection, "making")
        if self._version(connection) is not None:
            return False
        postgis = self._require_server(connection)
        # asked first: IF NOT EXISTS wants the right to make one even where there is one
        if not _one(
            connection,
            "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = ?)",
            self.address.schema,
        ):
            connection.execute(f"CREATE SCHEMA {self.address.quoted}")
        for script in (SHARED, self.layout.schema):
            connection.execute(
                script.replace("{postgis}", postgis).replace(
                    "{schema}", self.address.quoted
                )
            )
        connection.execute(
            "INSERT INTO meta (key, value) VALUES (?, ?)",
            (self._key, str(self.layout.schema_version)),
        )
        return True

    @contextlib.contextmanager
    def connected(self) -> Iterator[PostgresConnection]:
        """Connect; see `rsmonitor.io.stores.postgres.connection.connected`."""
        with connected(self.address, self.layout.what) as connection:
            yield connection

    @contextlib.contextmanager
    def reading(self, *, older: bool = False) -> Iterator[PostgresConnection]:
        """
        Hold one instant of the tables, over a connection that cannot write.

        Parameters
        ----------
        older : bool, default False
            There is no older form of these tables yet.

        Yields
        ------
        PostgresConnection
            In a transaction that sees no later commit.

        Raises
        ------
        StoreError
            If the tables are damaged, or of an unknown schema version.
        """
        del older
        with self.connected() as connection:
            connection.begin(read_only=True)
            try:
                self._require_version(connection)
                yield connection
            finally:
                connection.undo()

    @contextlib.contextmanager
    def writing(self) -> Iterator[PostgresConnection]:
        """
        Hold the only write transaction: committed at the end, undone by any exception.

        Writers of one layout come one after another, from whichever machine. If the
        connection is lost while it commits, the server is asked what became of it.

        Yields
        ------
        PostgresConnection
            In a transaction.

        Raises
        ------
        StoreUnreachableError
            If the connection is lost; the message says whether it was committed.
        StoreError
            If the tables are damaged, or of an unknown schema version.
        OutputError
            If they cannot be written.
        BusyError
            If others kept them for half a minute.
        """
        with self.connected() as connection, self.transaction(connection):
            self._wait(connection, self.layout.what)
            self._require_version(connection)
            yield connection

    @contextlib.contextmanager
    def transaction(self, connection: PostgresConnection) -> Iterator[None]:
        """
        Hold a write transaction, and find out how it ended where that is not told.

        Parameters
        ----------
        connection : PostgresConnection
            Outside a transaction.

        Yields
        ------
        None
            Inside one: committed at the end, undone by any exception.

        Raises
        ------
        StoreUnreachableError
            If the connection is lost; the message says whether it was committed.
        """
        connection.begin(read_only=False)
        try:
            # slots that a commit leaves behind are written over: it must be on disk
            connection.execute(
                "SELECT set_config('synchronous_commit', 'on', true) "
                "WHERE current_setting('synchronous_commit') = 'off'"
            )
            yield
            xid = str(_one(connection, "SELECT pg_current_xact_id()::text"))
        except BaseException:
            connection.undo()
            raise
        self._end(connection, xid)

    def field(self, column: str, *path: str) -> str:
        """
        Give the SQL of one value inside a column of JSON.

        Parameters
        ----------
        column : str
            The column.
        *path : str
            Keys from the outside in.

        Returns
        -------
        str
            An expression that gives a text.
        """
        return f"{column}::json #>> '{{{','.join(path)}}}'"

    def problems(self) -> list[str]:
        """
        Look for rows without their parent, and for triggers that are gone or off.

        Damage of pages is found by the server's own checksums and by a dump.

        Returns
        -------
        list of str
            What is wrong, in words; empty if nothing is.

        Raises
        ------
        StoreError
            If the tables cannot be read at all.
        """
        with self.reading() as connection:
            triggers = connection.execute(
                "SELECT tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
                "WHERE relnamespace = ?::regnamespace AND tgenabled = 'A'",
                (self.address.schema,),
            ).fetchall()
            orphans = []
            if self.layout.reference is not None:
                column, parent, key = self.layout.reference
                for table in self.layout.tables:
                    if column in table.columns and table.name != parent:
                        orphans += connection.execute(
                            f"SELECT '{table.name}' FROM {table.name} AS child "  # noqa: S608 - ours
                            f"WHERE NOT EXISTS (SELECT FROM {parent} "
                            f"WHERE {parent}.{key} = child.{column}) LIMIT 100"
                        ).fetchall()
        return found_problems(
            self.name,
            self.layout,
            damage=(),
            orphans=[table for (table,) in orphans],
            triggers=[name for (name,) in triggers],
        )

    @property
    def _key(self) -> str:
        """Key in ``meta`` of the schema version."""
        return f"schema_version of {self.layout.what}"

    def _wait(self, connection: PostgresConnection, what: str) -> None:
        """Wait until no other writer of a thing is in a transaction."""
        connection.execute(f"SET LOCAL lock_timeout TO '{_BUSY_SECONDS}s'")
        connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(?, 0))",
            (f"rsmonitor {self.address.schema} {what}",),
        )

    def _version(self, connection: PostgresConnection) -> str | None:
        """Give the schema version of the tables; None where they were never made."""
        if _one(
            connection, "SELECT to_regclass(?)::text", f"{self.address.quoted}.meta"
        ):
            found = _one(connection, "SELECT value FROM meta WHERE key = ?", self._key)
            return None if found is None else str(found)
        return None

    def _require_version(self, connection: PostgresConnection) -> None:
        """Refuse tables that are gone, or of another schema version."""
        version, known = self._version(connection), str(self.layout.schema_version)
        if version != known:
            found = (
                "is not there" if version is None else f"has schema version {version}"
            )
            raise StoreError(
                f"{self.layout.what} at {self.name} {found}, this rsmonitor knows "
                f"{known}; use the rsmonitor that wrote it, or restore it from a backup"
            )

    def _require_server(self, connection: PostgresConnection) -> str:
        """Refuse a database that cannot hold the tables; give the schema of PostGIS."""
        version = int(_one(connection, "SHOW server_version_num"))
        if version < _OLDEST_SERVER:
            raise StoreError(
                f"{self.name}: PostgreSQL must be 13 or newer, got {version}"
            )
        encoding = _one(connection, "SHOW server_encoding")
        if encoding != "UTF8":
            raise StoreError(
                f"{self.name}: the database must be in UTF8, got {encoding}; make it "
                "with createdb --encoding=UTF8 --template=template0"
            )
        postgis = _one(
            connection,
            "SELECT quote_ident(nspname) FROM pg_extension JOIN pg_namespace "
            "ON pg_namespace.oid = extnamespace WHERE extname = ?",
            "postgis",
        )
        if postgis is None:
            raise StoreError(
                f"{self.name}: the database has no PostGIS; an administrator must run "
                "CREATE EXTENSION postgis in it once (docs/postgres.md)"
            )
        return str(postgis)

    def _end(self, connection: PostgresConnection, xid: str) -> None:
        """Commit; where the answer is lost, ask what became of it."""
        import psycopg  # noqa: PLC0415 - optional

        try:
            connection.execute("COMMIT")
        except psycopg.OperationalError as error:
            how = self._fate(xid)
            if how == "aborted":
                raise
            if how is None:
                raise StoreUnreachableError(
                    f"the connection to {self.name} was lost during the commit "
                    f"({error}), and nobody could be asked what became of it. It is "
                    "there whole or not at all: when the server is back, look, and run "
                    "the same command again"
                ) from error

    def _fate(self, xid: str) -> str | None:
        """Ask what became of a transaction whose end was not heard; None: not known."""
        until = time.monotonic() + _ASKED_SECONDS
        while time.monotonic() < until:
            with contextlib.suppress(RsmonitorError):
                with self.connected() as connection:
                    fate = _one(connection, "SELECT pg_xact_status(?::xid8)", xid)
                    if fate == "in progress":
                        # its session waits for us, and we are no longer there
                        connection.execute(
                            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                            "WHERE backend_xid = ?::xid8::xid",
                            (xid,),
                        )
                if fate in {"committed", "aborted"}:
                    return str(fate)
            time.sleep(0.2)
        return None


def _one(connection: PostgresConnection, query: str, *values: object) -> Any:  # noqa: ANN401 - a value
    """Give the one value of a query; None where it gives no row."""
    row = connection.execute(query, values).fetchone()
    return None if row is None else row[0]
