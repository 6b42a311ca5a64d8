"""Connections to PostgreSQL: how they are made, and what their errors mean."""

import contextlib
import os
import re
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rsmonitor.errors import (
    BusyError,
    ContractError,
    OutputError,
    RsmonitorError,
    StoreError,
    StoreUnreachableError,
)
from rsmonitor.io.stores.tables import Cursor

if TYPE_CHECKING:
    import psycopg

SCHEMA: Final = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,47}")
"""Names that a schema of ours may have; a word of SQL among them needs quotes."""

_CONNECT_SECONDS: Final = 10
_LOCALHOST: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_BUSY: Final = frozenset({"55P03", "40P01", "40001", "57014"})
_LOST: Final = ("08", "57P", "25P03", "25P04")
_CANNOT_WRITE: Final = ("42501", "25006", "53", "58")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the tables are; it holds no password."""

    url: str
    """What libpq takes: ``postgresql://host/db``, or ``service=name``."""

    schema: str = "rsmonitor"
    """Schema of the tables; several offices may share one database."""

    def __post_init__(self) -> None:
        if not SCHEMA.fullmatch(self.schema):
            raise ContractError(
                f"schema must match {SCHEMA.pattern}, got {self.schema!r}"
            )

    def __str__(self) -> str:
        return f"{self.url}, schema {self.schema}"

    @property
    def quoted(self) -> str:
        """The schema as SQL takes it, whatever word it is."""
        return f'"{self.schema}"'


class PostgresConnection:
    """An open connection; satisfies `rsmonitor.io.stores.tables.Connection`.

    Statements are those of SQLite: question marks stand for values, and a transaction
    begins and ends with a statement.

    Parameters
    ----------
    raw : psycopg.Connection
        Open, and committing each statement by itself.
    """

    def __init__(self, raw: "psycopg.Connection[Any]") -> None:
        self.raw = raw

    def execute(self, query: str, values: Sequence[Any] = (), /) -> Cursor:
        """
        Run one statement.

        Parameters
        ----------
        query : str
            With a question mark for each value.
        values : sequence
            The values.

        Returns
        -------
        Cursor
            What it gave.
        """
        if not values:
            return self.raw.execute(query.encode())
        return self.raw.execute(_marked(query), values)

    def executemany(self, query: str, rows: Iterable[Sequence[Any]], /) -> object:
        """
        Run one statement for each row, sent together.

        Parameters
        ----------
        query : str
            With a question mark for each value.
        rows : iterable of sequence
            The values.

        Returns
        -------
        object
            Nothing of use.
        """
        with self.raw.cursor() as cursor:
            cursor.executemany(_marked(query), rows)
        return None

    def begin(self, *, read_only: bool) -> None:
        """
        Begin a transaction.

        Parameters
        ----------
        read_only : bool
            True sees one instant and cannot write.
        """
        # a writer that waited must see what was written meanwhile, whatever default the
        # database has
        how = "REPEATABLE READ READ ONLY" if read_only else "READ COMMITTED READ WRITE"
        self.execute(f"BEGIN ISOLATION LEVEL {how}")

    def undo(self) -> None:
        """End a transaction, if one is open and the server still there."""
        self.release("ROLLBACK")

    def release(self, query: str, *values: object) -> None:
        """
        Let go of something, which a lost connection has let go of already.

        Parameters
        ----------
        query : str
            With a question mark for each value.
        *values : object
            The values.
        """
        import psycopg  # noqa: PLC0415 - optional

        with contextlib.suppress(psycopg.Error):
            if not self.raw.closed:
                self.execute(query, values)


@contextlib.contextmanager
def connected(address: Address, what: str) -> Iterator[PostgresConnection]:
    """
    Connect, and close in the end; explain what PostgreSQL says in between.

    Parameters
    ----------
    address : Address
        Where.
    what : str
        What is kept there, for messages.

    Yields
    ------
    PostgresConnection
        Outside a transaction; what has no schema is looked for in that of `address`.

    Raises
    ------
    StoreUnreachableError
        If psycopg is missing, the server does not answer or does not let us in, or the
        connection is lost.
    StoreError
        If the tables cannot be used.
    OutputError
        If they cannot be written.
    BusyError
        If others kept them for half a minute.
    """
    try:
        import psycopg  # noqa: PLC0415 - optional
    except ImportError as error:
        raise StoreUnreachableError(
            f"{what} at {address} needs psycopg ({error}): "
            'pip install "rsmonitor[postgres]"'
        ) from error
    try:
        raw = psycopg.connect(**arguments(address), autocommit=True)
    except psycopg.ProgrammingError as error:
        raise StoreError(
            f"store.url {address.url!r} is no address of PostgreSQL: {error}"
        ) from error
    except psycopg.Error as error:
        raise StoreUnreachableError(
            f"{what} at {address} cannot be reached: {_said(error)}. Check that the "
            "server runs and that store.url, the passfile and pg_hba.conf fit "
            "(docs/postgres.md); nothing was changed"
        ) from error
    with contextlib.closing(raw), _explaining(address, what):
        raw.execute(
            f"SET search_path TO {address.quoted}; SET tcp_keepalives_idle TO 30; "
            "SET tcp_keepalives_interval TO 10; SET tcp_keepalives_count TO 3; "
            # numbers as they are, whatever default the database has
            "SET extra_float_digits TO 1".encode()
        )
        yield PostgresConnection(raw)


@contextlib.contextmanager
def _explaining(address: Address, what: str) -> Iterator[None]:
    """Say what errors of PostgreSQL mean."""
    import psycopg  # noqa: PLC0415 - optional

    try:
        yield
    except psycopg.Error as error:
        raise explained(error, address, what) from error


def explained(error: "psycopg.Error", address: Address, what: str) -> RsmonitorError:
    """
    Say what an error of PostgreSQL means for the person who meets it.

    Parameters
    ----------
    error : psycopg.Error
        What was raised.
    address : Address
        Where.
    what : str
        What is kept there.

    Returns
    -------
    RsmonitorError
        To be raised from `error`.
    """
    import psycopg  # noqa: PLC0415 - optional

    state, said = error.sqlstate or "", _said(error)
    where = f"{what} at {address}"
    if state in _BUSY:
        return BusyError(f"{where} is being written by others ({said}); try again")
    lost = isinstance(error, psycopg.OperationalError) and not state
    if lost or state.startswith(_LOST):
        return StoreUnreachableError(
            f"the connection to {where} was lost: {said}. Nothing of this was "
            "committed; when the server is back, run the same command again"
        )
    if state.startswith(_CANNOT_WRITE):
        return OutputError(
            f"{where} cannot be written: {said}; check rights and free space of the "
            "server. Nothing of this was committed"
        )
    if isinstance(error, psycopg.DataError) and "NUL" in said:
        return ContractError(
            f"{where} cannot hold a text with the character NUL: {said}"
        )
    return StoreError(
        f"{where} cannot be used: {said} ({state or type(error).__name__}); if it is "
        "damaged, restore it from a backup"
    )


def arguments(address: Address) -> dict[str, Any]:
    """
    Give what psycopg is called with: what the address says wins.

    Parameters
    ----------
    address : Address
        Where.

    Returns
    -------
    dict
        Parameters of libpq. To another machine the certificate is verified, unless
        address, service or environment say otherwise.

    Raises
    ------
    psycopg.ProgrammingError
        If the address is none.
    """
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - optional

    given: dict[str, Any] = dict(conninfo_to_dict(address.url))
    name = f"rsmonitor process {os.getpid()} on {socket.gethostname()}"
    given = {
        "connect_timeout": _CONNECT_SECONDS,
        "application_name": name.encode("ascii", "replace")[:63].decode(),
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        # a network that swallows what is sent must not hold a run for hours
        "tcp_user_timeout": 60_000,
    } | given
    if _is_elsewhere(given):
        given.setdefault("sslmode", "verify-full")
    return given | {"client_encoding": "utf8"}


def _is_elsewhere(given: dict[str, Any]) -> bool:
    """Say whether an address names another machine and nothing says how to trust it."""
    if given.get("service") or os.environ.get("PGSERVICE"):
        return False
    # a numeric address is what libpq connects to, whatever the name is
    numeric = given.get("hostaddr") or os.environ.get("PGHOSTADDR")
    named = given.get("host") or os.environ.get("PGHOST")
    hosts = str(numeric or named or "").split(",")
    return "PGSSLMODE" not in os.environ and any(
        host and not host.startswith(("/", "@")) and host not in _LOCALHOST
        for host in hosts
    )


def _marked(query: str) -> bytes:
    """Write the marks for values as psycopg wants them."""
    return query.replace("%", "%%").replace("?", "%s").encode()


def _said(error: "psycopg.Error") -> str:
    """Give what an error says in one line."""
    return " ".join(str(error).split()) or type(error).__name__
