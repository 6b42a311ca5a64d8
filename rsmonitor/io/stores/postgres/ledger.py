"""The ledger on PostgreSQL: several machines write, one after another."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from rsmonitor.errors import BusyError, StoreUnreachableError
from rsmonitor.io.stores.ledger import StoredLedger
from rsmonitor.io.stores.postgres.connection import Address, PostgresConnection
from rsmonitor.io.stores.postgres.schema import LEDGER_HERE
from rsmonitor.io.stores.postgres.tables import PostgresTables
from rsmonitor.io.stores.tables import Connection

_KEY = "hashtextextended(?, 0)"
# of the lock of a session, as pg_locks tells it: two halves of the number
_IS_IT = (
    "locktype = 'advisory' AND objsubid = 1 AND granted AND database = "  # noqa: S608 - ours
    "(SELECT oid FROM pg_database WHERE datname = current_database()) AND "
    f"((classid::bigint << 32) | objid::bigint) = {_KEY}"
)


class PostgresLedger(StoredLedger):
    """The ledger on a server; satisfies `rsmonitor.interfaces.Ledger`.

    Parameters
    ----------
    address : Address
        Where.
    """

    def __init__(self, address: Address) -> None:
        self._server = PostgresTables(address, LEDGER_HERE)
        self._sessions: dict[str, int] = {}
        super().__init__(self._server)

    def upgrade(self) -> Path | None:
        """
        Do nothing: there is no older form of this ledger yet.

        Returns
        -------
        None
            Always.
        """
        return None

    @contextlib.contextmanager
    def _held(self, district: str) -> Iterator[None]:
        """Lock on a connection that stays open: the lock dies with this process."""
        with self._server.connected() as connection:
            key = self._key(district)
            # a run says nothing here for hours; PostgreSQL 13 has no such limit
            connection.execute(
                "SELECT set_config(name, '0', false) FROM pg_settings "
                "WHERE name = 'idle_session_timeout'"
            )
            # a machine that vanished is noticed by the server within a minute
            got = connection.execute(
                f"SELECT pg_try_advisory_lock({_KEY}), pg_backend_pid()",
                (key,),
            ).fetchone()
            if not got[0]:
                raise BusyError(
                    f"district {district} is busy: {_holder(connection, key)}; wait "
                    "until it ends"
                )
            self._sessions[district] = got[1]
            try:
                yield
            finally:
                del self._sessions[district]
                # free before this returns: a server notices a closed connection later
                connection.release(f"SELECT pg_advisory_unlock({_KEY})", key)

    def _fence(self, connection: Connection, district: str) -> None:
        """Refuse to commit a run whose lock was lost: another may have begun since."""
        session = self._sessions.get(district)
        if session is None:
            return
        held = connection.execute(
            f"SELECT count(*) FROM pg_locks WHERE pid = ? AND {_IS_IT}",  # noqa: S608 - ours
            (session, self._key(district)),
        ).fetchone()
        if not held[0]:
            raise StoreUnreachableError(
                f"the lock of district {district} at {self.name} was lost while the "
                "run went on, because its connection was: nothing was committed; run "
                "it again"
            )

    def _key(self, district: str) -> str:
        """Name the lock of a district."""
        return f"rsmonitor {self._server.address.schema} district {district}"


def _holder(connection: PostgresConnection, key: str) -> str:
    """Say who holds a lock, as far as the server tells."""
    row = connection.execute(
        "SELECT application_name, host(client_addr), "  # noqa: S608 - ours
        "to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') "
        f"FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE {_IS_IT}",
        (key,),
    ).fetchone()
    if row is None or not row[0]:
        return "a session that the server does not name holds it"
    who = row[0].removeprefix("rsmonitor ")
    return f"{who} ({row[1] or 'local'}) holds it since {row[2] or 'an unknown time'}"
