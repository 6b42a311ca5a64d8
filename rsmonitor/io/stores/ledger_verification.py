"""What is wrong with the file of a ledger, apart from its chain."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from rsmonitor.io.stores.database import reading
from rsmonitor.io.stores.ledger_schema import TRIGGERS

_TEXTS_AT_A_TIME: Final = 1000


def file_problems(path: Path) -> list[str]:
    """
    Look for damage, for rows without their run, and for a changed past.

    The indexes are held against the chain that they are made of, by SQLite.

    Parameters
    ----------
    path : Path
        An existing ledger, of today's schema or an older one.

    Returns
    -------
    list of str
        What is wrong, in words; empty if nothing is.

    Raises
    ------
    StoreError
        If the file cannot be read as a ledger at all.
    """
    return [
        *(
            f"{path}: {text}"
            for (text,) in _rows(path, "PRAGMA integrity_check")
            if text != "ok"
        ),
        *(
            f"{path}: a row of table {table} names a run that is not there"
            for table, *_ in _rows(path, "PRAGMA foreign_key_check")
        ),
        *_open_doors(path),
        *_changed_versions(path),
    ]


def _open_doors(path: Path) -> list[str]:
    """Say which triggers that keep the past are gone."""
    rows = _rows(path, "SELECT name FROM sqlite_master WHERE type = 'trigger'")
    gone = sorted(set(TRIGGERS) - {name for (name,) in rows})
    if not gone:
        return []
    names = ", ".join(gone)
    return [f"{path}: triggers that keep the past were removed: {names}"]


def _changed_versions(path: Path) -> Iterator[str]:
    """Say which texts of alerts do not fit their digest."""
    last = -1
    while True:
        rows = _rows(
            path,
            "SELECT place, alert_id, sha256, record FROM alert_version "
            "WHERE place > ? ORDER BY place LIMIT ?",
            last,
            _TEXTS_AT_A_TIME,
        )
        for _, alert_id, digest, text in rows:
            if (
                not isinstance(text, str)
                or hashlib.sha256(text.encode()).hexdigest() != digest
            ):
                yield (
                    f"{path}: what alert {alert_id} said was changed: its digest does "
                    "not fit"
                )
        if len(rows) < _TEXTS_AT_A_TIME:
            return
        last = rows[-1][0]


def _rows(path: Path, query: str, *values: object) -> list[Any]:
    """Read rows of a ledger of any version."""
    with reading(path, older=True) as connection:
        return connection.execute(query, values).fetchall()
