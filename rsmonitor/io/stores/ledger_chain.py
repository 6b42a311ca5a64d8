"""The chain of events of a ledger, read and verified."""

from collections.abc import Iterator
from typing import Any, Final

from rsmonitor.errors import ContractError, StoreError
from rsmonitor.io.stores.commit import chain_problems
from rsmonitor.io.stores.ledger_verification import changed_versions
from rsmonitor.io.stores.tables import Stored
from rsmonitor.records.event import GENESIS, Event
from rsmonitor.records.finding import withheld_by

_EVENTS_AT_A_TIME: Final = 1000


class ChainReader(Stored):
    """The chain of a ledger; one that does not exist reads as an empty one.

    Every call connects anew, so an instance may be used from several threads.

    Parameters
    ----------
    tables : Tables
        Where it is.
    """

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
        rows = self._rows(self._tables.layout.queries["findings_of_withheld"])
        try:
            return withheld_by(_event(*row) for row in rows)
        except ContractError as error:
            raise StoreError(
                f"{self.name}: {error}; 'rsmonitor verify' says more"
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
        Check the chain link by link, and the database that holds it.

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
            If it cannot be read as a ledger at all.
        """
        problems = []
        if self.exists():
            problems = [*self._tables.problems(), *changed_versions(self._tables)]
        return problems + chain_problems(self.events(), *heads)

    def _rows(self, query: str, *values: object, older: bool = False) -> list[Any]:
        """Read rows; a ledger that does not exist has none."""
        if not self.exists():
            return []
        with self._tables.reading(older=older) as connection:
            return connection.execute(query, values).fetchall()


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
