"""Which delivery a triage file is: written into it, and read when it comes back."""

import hashlib
import re
import sqlite3
from typing import Final

from rsmonitor.records.event import canonical_json
from rsmonitor.records.package import Package

DELIVERY: Final = "rsmonitor_delivery"
"""Table of keys and values in the file; no layer."""

ALERTS: Final = "alerts"
"""The layer that people fill in."""

SCHEMA_VERSION: Final = 1
"""Raised when the meaning of a column for people changes."""

PACKAGE_ID: Final = re.compile(
    r"[a-z0-9][a-z0-9_-]{0,63}-[0-9]{4}-w[0-9]{2}-[0-9a-f]{12}"
)
"""What names a delivery."""


def package_id(package: Package) -> str:
    """
    Name a delivery: the same words, the same name.

    Parameters
    ----------
    package : Package
        The package.

    Returns
    -------
    str
        Area, week and twelve characters of a digest.
    """
    body = {
        "area": package.area.code,
        "week": str(package.week),
        "runs": list(package.runs),
        "settings": package.settings_digest,
        "software": package.software,
        "alerts": [[d.alert.alert_id, d.alert.version] for d in package.dossiers],
    }
    digest = hashlib.sha256(canonical_json(body).encode()).hexdigest()
    return f"{package.area.code}-{package.week}-{digest[:12]}".lower()


def sign(database: sqlite3.Connection, package: Package) -> None:
    """
    Say in a file which delivery it is.

    Parameters
    ----------
    database : sqlite3.Connection
        The file.
    package : Package
        The package that it is of.
    """
    database.execute(f"CREATE TABLE {DELIVERY} (key TEXT PRIMARY KEY, value TEXT)")
    database.executemany(
        f"INSERT INTO {DELIVERY} VALUES (?, ?)",  # noqa: S608 - a constant
        [
            ("package_id", package_id(package)),
            ("schema_version", str(SCHEMA_VERSION)),
            ("area", package.area.code),
            ("week", str(package.week)),
            ("software", package.software),
        ],
    )
