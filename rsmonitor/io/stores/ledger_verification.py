"""What is wrong with what alerts said, apart from the chain of events."""

import hashlib
from collections.abc import Iterator
from typing import Final

from rsmonitor.io.stores.tables import Tables

_TEXTS_AT_A_TIME: Final = 1000


def changed_versions(tables: Tables) -> Iterator[str]:
    """
    Say which texts of alerts do not fit their digest.

    Parameters
    ----------
    tables : Tables
        An existing ledger, of today's schema or an older one.

    Yields
    ------
    str
        What is wrong, in words.

    Raises
    ------
    StoreError
        If the ledger cannot be read at all.
    """
    last = -1
    while True:
        with tables.reading(older=True) as connection:
            rows = connection.execute(
                "SELECT place, alert_id, sha256, record FROM alert_version "
                "WHERE place > ? ORDER BY place LIMIT ?",
                (last, _TEXTS_AT_A_TIME),
            ).fetchall()
        for _, alert_id, digest, text in rows:
            if (
                not isinstance(text, str)
                or hashlib.sha256(text.encode()).hexdigest() != digest
            ):
                yield (
                    f"{tables.name}: what alert {alert_id} said was changed: its "
                    "digest does not fit"
                )
        if len(rows) < _TEXTS_AT_A_TIME:
            return
        last = rows[-1][0]
