"""The read model of the web service, written: one SQLite file, made aside, then shown.

It holds nothing that a ledger does not say, so it is never repaired: what is odd about
it is a reason to make it anew. It is not synced while it is written for that reason.
"""

import contextlib
import re
import shutil
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rsmonitor.errors import OutputError
from rsmonitor.io.foundation.files import make_folder, rename_durably

SCHEMA_VERSION: Final = 1
"""Raised when a table changes; a shelf of another version is made anew."""

APPLICATION_ID: Final = 0x72736D77
"""``rsmw``: says that a SQLite file is a shelf."""

ALL: Final = "*"
"""The area that everything is in."""

ALERTS: Final = "alerts"
COVERAGE: Final = "coverage"
DISTRICTS: Final = "districts"
LICENCES: Final = "licences"
COLLECTIONS: Final = (ALERTS, COVERAGE, DISTRICTS, LICENCES)
"""What lies on the shelf."""

_DIGITS: Final = re.compile(r"[0-9]{2}(?:[0-9]{2}){0,2}")

_SCHEMA: Final = """
CREATE TABLE source (
    source TEXT PRIMARY KEY,
    signature TEXT NOT NULL,
    week TEXT NOT NULL,
    head INTEGER NOT NULL,
    invented INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE item (
    number INTEGER PRIMARY KEY,
    collection TEXT NOT NULL,
    item_id TEXT NOT NULL,
    source TEXT NOT NULL,
    district TEXT NOT NULL,
    site_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    week TEXT NOT NULL,
    invented INTEGER NOT NULL,
    began TEXT NOT NULL,
    ended TEXT NOT NULL,
    west REAL, south REAL, east REAL, north REAL,
    words TEXT NOT NULL,
    UNIQUE (collection, item_id)
);
CREATE INDEX item_of_source ON item (source);

-- apart from the small columns, which are scanned
CREATE TABLE document (
    number INTEGER PRIMARY KEY, feature TEXT NOT NULL, brief TEXT NOT NULL, outline BLOB
);

CREATE VIRTUAL TABLE box USING rtree (number, west, east, south, north);

-- one row for each area that holds an item: its county, prefecture, province, and '*'
CREATE TABLE place (
    collection TEXT NOT NULL,
    area TEXT NOT NULL,
    item_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    tier TEXT NOT NULL,
    category TEXT NOT NULL,
    state TEXT NOT NULL,
    phase TEXT NOT NULL,
    district TEXT NOT NULL,
    began TEXT NOT NULL,
    ended TEXT NOT NULL,
    PRIMARY KEY (collection, area, item_id)
) WITHOUT ROWID;
CREATE INDEX place_of_item ON place (number);

CREATE TABLE code (
    number INTEGER NOT NULL, code TEXT NOT NULL, PRIMARY KEY (number, code)
) WITHOUT ROWID;

-- where the chain of events speaks of a site
CREATE TABLE moment (
    source TEXT NOT NULL, site_id TEXT NOT NULL, seq INTEGER NOT NULL,
    PRIMARY KEY (source, site_id, seq)
) WITHOUT ROWID;
"""

_FORGET: Final = (
    "DELETE FROM place WHERE number IN (SELECT number FROM item WHERE source = ?)",
    "DELETE FROM code WHERE number IN (SELECT number FROM item WHERE source = ?)",
    "DELETE FROM box WHERE number IN (SELECT number FROM item WHERE source = ?)",
    "DELETE FROM document WHERE number IN (SELECT number FROM item WHERE source = ?)",
    "DELETE FROM item WHERE source = ?",
    "DELETE FROM moment WHERE source = ?",
    "DELETE FROM source WHERE source = ?",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelved:
    """One feature as it lies on the shelf."""

    collection: str
    """One of `COLLECTIONS`."""

    item_id: str
    """Its id, unique in the collection."""

    codes: tuple[str, ...]
    """What a scope must cover one of: county codes, or the code of its district."""

    feature: str
    """GeoJSON, ready to be sent."""

    brief: str = ""
    """What a list of alerts says of it, as JSON."""

    district: str
    """`District.code`; empty for what is of no district."""

    box: tuple[float, float, float, float] | None = None
    """West, south, east, north; None without a geometry."""

    outline: bytes | None = None
    """The geometry as WKB."""

    site_id: str = ""
    """`Site.site_id` of an alert."""

    version: int = 1
    """`Alert.version` of an alert."""

    week: str = ""
    """ISO week in which it was said; empty where nobody knows."""

    invented: bool = False
    """True where it rests on invented licences."""

    began: str = "0001-01-01"
    """First day, ISO 8601."""

    ended: str = "9999-12-31"
    """Last day."""

    tier: str = ""
    """Code of the tier of an alert."""

    category: str = ""
    """`Category` of an alert."""

    state: str = ""
    """`SiteState` of an alert."""

    phase: str = ""
    """`Phase` of an alert; empty where no observation was kept."""

    words: str = ""
    """What a search looks in, lower case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What one district, or one register, puts on the shelf."""

    source: str
    """Names it."""

    signature: str
    """Of what it was made; as long as it is the same, the shelf is."""

    week: str = ""
    """ISO week of its last run; empty where there is none."""

    head: int = 0
    """Number of the last event that `moments` was read up to."""

    invented: bool = False
    """True where any licence behind it is invented."""

    items: tuple[Shelved, ...] = ()
    """Its features."""

    moments: Mapping[str, Sequence[int]] | None = None
    """Numbers of the events that speak of a site, by `Site.site_id`."""


def areas_of(codes: Iterable[str]) -> tuple[str, ...]:
    """
    Name the areas that hold what has some codes.

    Parameters
    ----------
    codes : iterable of str
        County codes, or the identifier of a district.

    Returns
    -------
    tuple of str
        The codes, their prefectures and provinces, and `ALL`; each once.

    Examples
    --------
    >>> areas_of(["360734", "demo"])
    ('*', '36', '3607', '360734', 'demo')
    """
    found = {ALL}
    for code in codes:
        found.add(code)
        if _DIGITS.fullmatch(code):
            found |= {code[:2], code[:4]}
    return tuple(sorted(found))


def write_shelf(
    path: Path, changed: Iterable[Source], *, gone: Iterable[str] = (), anew: bool
) -> None:
    """
    Make the next shelf aside, and show it in place of the one before.

    Parameters
    ----------
    path : Path
        The shelf; its folder is made.
    changed : iterable of Source
        What takes the place of what lay there of the same name.
    gone : iterable of str
        Sources of which nothing is left.
    anew : bool
        True begins with an empty shelf, False with a copy of the one before.

    Raises
    ------
    OutputError
        If it cannot be written; the one before stays.
    """
    make_folder(path.parent)
    draft = path.with_name(f".{path.name}.new")
    try:
        for left in (draft, draft.with_name(f"{draft.name}-journal")):
            left.unlink(missing_ok=True)
        if not anew:
            shutil.copyfile(path, draft)
        with contextlib.closing(
            sqlite3.connect(draft, isolation_level=None)
        ) as connection:
            # a draft that a crash left half written is thrown away
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("BEGIN")
            if anew:
                for statement in _statements():
                    connection.execute(statement)
            for name in gone:
                _forget(connection, name)
            for source in changed:
                _forget(connection, source.source)
                _put(connection, source)
            connection.execute("COMMIT")
            connection.execute("ANALYZE")
    except (OSError, sqlite3.Error) as error:
        raise OutputError(
            f"the read model {path} cannot be written: {error}; check free space and "
            "permissions"
        ) from error
    rename_durably(draft, path)


def _statements() -> list[str]:
    """Give the statements that make an empty shelf."""
    script = [each.strip() for each in _SCHEMA.split(";") if each.strip()]
    return [
        *script,
        f"PRAGMA application_id = {APPLICATION_ID}",
        f"PRAGMA user_version = {SCHEMA_VERSION}",
    ]


def _forget(connection: sqlite3.Connection, source: str) -> None:
    """Take away what a source put there."""
    for statement in _FORGET:
        connection.execute(statement, (source,))


def _put(connection: sqlite3.Connection, source: Source) -> None:
    """Put what a source has."""
    connection.execute(
        "INSERT INTO source VALUES (?, ?, ?, ?, ?)",
        (source.source, source.signature, source.week, source.head, source.invented),
    )
    for item in source.items:
        cursor = connection.execute(
            # two ledgers may watch one district: the first of them is shown
            "INSERT OR IGNORE INTO item (collection, item_id, source, district, "
            "site_id, version, week, invented, began, ended, west, south, east, north, "
            "words) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(item.collection, item.item_id, source.source, item.district),
                *(item.site_id, item.version, item.week, item.invented),
                *(item.began, item.ended),
                *(item.box or (None,) * 4),
                item.words,
            ),
        )
        if not cursor.rowcount:
            continue
        number = cursor.lastrowid
        connection.execute(
            "INSERT INTO document VALUES (?, ?, ?, ?)",
            (number, item.feature, item.brief, item.outline),
        )
        if item.box is not None:
            west, south, east, north = item.box
            connection.execute(
                "INSERT INTO box VALUES (?, ?, ?, ?, ?)",
                (number, west, east, south, north),
            )
        connection.executemany(
            "INSERT INTO place VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    *(item.collection, area, item.item_id, number, item.tier),
                    *(item.category, item.state, item.phase, item.district),
                    *(item.began, item.ended),
                )
                for area in areas_of(item.codes)
            ],
        )
        connection.executemany(
            "INSERT INTO code VALUES (?, ?)",
            [(number, code) for code in sorted(set(item.codes))],
        )
    connection.executemany(
        "INSERT INTO moment VALUES (?, ?, ?)",
        [
            (source.source, site_id, seq)
            for site_id, seqs in (source.moments or {}).items()
            for seq in seqs
        ],
    )
