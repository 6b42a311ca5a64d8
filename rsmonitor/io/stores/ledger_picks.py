"""A few rows of a ledger by their keys: what is asked for one alert, not a district."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeVar

from rsmonitor.io.stores.codec import decode_text
from rsmonitor.io.stores.tables import Connection, Tables
from rsmonitor.records.alert import Alert
from rsmonitor.records.event import Event

_K = TypeVar("_K")

AT_A_TIME: Final = 500
"""Keys of one query: every database takes so many values."""

_EVENT: Final = "SELECT seq, prev_hash, hash, kind, at, who, body FROM event"


def alerts_in(
    tables: Tables, district: str, alert_ids: Sequence[str]
) -> tuple[Alert, ...]:
    """
    Read some standing alerts of a district.

    Parameters
    ----------
    tables : Tables
        The ledger's.
    district : str
        `District.code`.
    alert_ids : sequence of str
        `Alert.alert_id` of each.

    Returns
    -------
    tuple of Alert
        Those that stand, by id.

    Raises
    ------
    StoreError
        If the ledger is damaged.
    BusyError
        If it was being written for half a minute.
    """
    with tables.reading() as connection:
        rows = [
            row
            for keys in _pieces(sorted(set(alert_ids)))
            for row in connection.execute(
                "SELECT alert_id, record FROM alert WHERE district = ? AND alert_id "  # noqa: S608 - marks
                f"IN ({_marks(keys)}) ORDER BY alert_id",
                (district, *keys),
            ).fetchall()
        ]
    return tuple(
        decode_text(Alert, text, where=f"{tables.name}, table alert, {alert_id}")
        for alert_id, text in rows
    )


def events_at(tables: Tables, seqs: Sequence[int], *, after: int) -> tuple[Event, ...]:
    """
    Read some events of the chain, and all that came after one.

    Parameters
    ----------
    tables : Tables
        The ledger's.
    seqs : sequence of int
        `Event.seq` of each.
    after : int
        Number of the event after which all are read.

    Returns
    -------
    tuple of Event
        In order.

    Raises
    ------
    StoreError
        If the ledger is damaged.
    BusyError
        If it was being written for half a minute.
    """
    with tables.reading() as connection:
        rows = {row[0]: row for row in _events(connection, seqs, after)}
    return tuple(
        Event(seq=seq, prev_hash=prev, hash=own, kind=kind, at=at, who=who, body=body)
        for _, (seq, prev, own, kind, at, who, body) in sorted(rows.items())
    )


def _events(connection: Connection, seqs: Sequence[int], after: int) -> Iterator[Any]:
    """Read the rows of some events."""
    for keys in _pieces(sorted(set(seqs))):
        yield from connection.execute(
            f"{_EVENT} WHERE seq IN ({_marks(keys)})", tuple(keys)
        ).fetchall()
    yield from connection.execute(f"{_EVENT} WHERE seq > ?", (after,)).fetchall()


def _pieces(keys: Sequence[_K]) -> Iterator[Sequence[_K]]:
    """Cut keys into what one query takes."""
    for start in range(0, len(keys), AT_A_TIME):
        yield keys[start : start + AT_A_TIME]


def _marks(keys: Sequence[object]) -> str:
    """Give a mark for each value."""
    return ", ".join("?" for _ in keys)
