"""Books copied from one database to another, byte for byte, and compared."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rsmonitor.errors import StoreError
from rsmonitor.io.foundation.files import lock_file, rename_durably
from rsmonitor.io.stores.database import SqliteTables
from rsmonitor.io.stores.layout import Layout, Table
from rsmonitor.io.stores.ledger_schema import LEDGER, OLDER_VERSIONS
from rsmonitor.io.stores.tables import Connection, Tables

_ROWS_AT_A_TIME: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What the tables of a layout hold."""

    rows: tuple[tuple[str, int], ...]
    """Number of rows of each table, in the order of `Layout.tables`."""

    sha256: str
    """Digest of every value of every row, in one order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One of the books, here and there."""

    layout: Layout
    """What it is."""

    source: Tables
    """Where it is."""

    target: Tables
    """Where it shall be."""

    verified: Content | None = None
    """What the source held when it was verified; what it holds must still be that."""


def content_of(tables: Tables, layout: Layout) -> Content:
    """
    Read and digest everything that a database holds of a layout.

    Parameters
    ----------
    tables : Tables
        Where; it must exist.
    layout : Layout
        What.

    Returns
    -------
    Content
        Equal for two databases exactly if they hold the same.

    Raises
    ------
    StoreError
        If it is damaged.
    """
    with tables.reading() as connection:
        return read_content(connection, layout, name=tables.name)


def read_content(connection: Connection, layout: Layout, *, name: str) -> Content:
    """
    Read and digest everything of a layout over an open connection.

    Parameters
    ----------
    connection : Connection
        In a transaction, so that it is one instant.
    layout : Layout
        What.
    name : str
        Where, for messages.

    Returns
    -------
    Content
        What is there.

    Raises
    ------
    StoreError
        If a value is neither text nor number.
    """
    digest, counts = hashlib.sha256(), []
    for table in layout.tables:
        count = 0
        digest.update(f"{table.name}\n".encode())
        for row in _rows(connection, table):
            try:
                text = json.dumps(row, ensure_ascii=False)
                digest.update(f"{text}\n".encode())
            except (TypeError, UnicodeError) as error:
                raise StoreError(
                    f"{name}, table {table.name}: a row cannot be copied: {error}"
                ) from error
            count += 1
        counts.append((table.name, count))
    digest.update(f"{_older(connection, layout)}\n".encode())
    return Content(rows=tuple(counts), sha256=digest.hexdigest())


def copy_part(source: Connection, target: Connection, part: Part) -> Content:
    """
    Copy everything of one of the books inside transactions of the caller.

    Parameters
    ----------
    source : Connection
        Reads.
    target : Connection
        Writes; its tables are there and empty.
    part : Part
        What is copied.

    Returns
    -------
    Content
        What is there now, the same as was read.

    Raises
    ------
    StoreError
        If the two are not the same afterwards, or not what was verified.
    """
    layout = part.layout
    if layout.together:
        _copy_together(source, target, layout)
    else:
        for table in layout.tables:
            for rows in _pages(source, table):
                target.executemany(_insert(table), rows)
    older = _older(source, layout)
    if older is not None:
        target.execute(
            "INSERT INTO meta (key, value) VALUES (?, ?)", (OLDER_VERSIONS, older)
        )
    before = read_content(source, layout, name=part.source.name)
    if part.verified not in {None, before}:
        raise StoreError(
            f"{layout.what}: {part.source.name} was written to while it was copied; "
            "nothing was copied. Repeat it when nobody writes there"
        )
    after = read_content(target, layout, name=part.target.name)
    if before != after:
        raise StoreError(
            f"{layout.what}: {part.target.name} would not hold what "
            f"{part.source.name} holds ({before} became {after}); nothing was copied"
        )
    return after


def copy_into_files(parts: Sequence[Part]) -> None:
    """
    Copy books into SQLite files, each beside its place and then renamed.

    A file is whole or not there. If it ends between two of them, the same again takes
    what is there for what it is, and goes on.

    Parameters
    ----------
    parts : sequence of Part
        What is copied, the ledger last: it is what everybody looks for first.

    Raises
    ------
    StoreError
        If a copy is not the same, or somebody made a file there meanwhile; that one
        stays.
    OutputError
        If a file cannot be written.
    """
    drafts = []
    for part in parts:
        target = part.target
        if not isinstance(target, SqliteTables):
            raise StoreError(f"{target.name} is no file")
        draft = target.beside(".copy")
        for leftover in (draft.path, Path(f"{draft.path}-journal")):
            leftover.unlink(missing_ok=True)
        draft.create()
        with part.source.reading() as source, draft.writing() as writer:
            copy_part(source, writer, part)
        drafts.append((draft, target))
    for draft, target in drafts:
        # whoever makes an empty file there waits for the same lock
        with lock_file(target.turn, what=f"making of {target.name}", wait=True):
            if target.exists():
                raise StoreError(
                    f"{target.name} was made by somebody else meanwhile, and stays as "
                    "it is; copy to an empty place"
                )
            # a journal that outlived its database would be played into the copy
            Path(f"{target.path}-journal").unlink(missing_ok=True)
            rename_durably(draft.path, target.path)


def _copy_together(source: Connection, target: Connection, layout: Layout) -> None:
    """Insert each row of the first table, and what refers to it right after."""
    first, *others = layout.tables
    if layout.reference is None:
        raise StoreError(f"{layout.what}: nothing says what refers to what")
    column, _, key = layout.reference
    following: dict[tuple[str, Any], list[Sequence[Any]]] = {}
    for table in others:
        at = table.columns.index(column)
        for row in _rows(source, table):
            following.setdefault((table.name, row[at]), []).append(row)
    number = first.columns.index(key)
    for row in _rows(source, first):
        target.execute(_insert(first), row)
        for table in others:
            rows = following.pop((table.name, row[number]), [])
            if rows:
                target.executemany(_insert(table), rows)


def _rows(connection: Connection, table: Table) -> Iterator[tuple[Any, ...]]:
    """Give all rows of a table in its order."""
    for page in _pages(connection, table):
        yield from page


def _pages(connection: Connection, table: Table) -> Iterator[list[tuple[Any, ...]]]:
    """Give all rows of a table, page by page: a ledger need not fit into memory."""
    columns, order = ", ".join(table.columns), ", ".join(table.order)
    places = [table.columns.index(name) for name in table.order]
    marks = ", ".join("?" for _ in places)
    after: list[Any] = []
    while True:
        where = f"WHERE ({order}) > ({marks}) " if after else ""
        page = connection.execute(
            f"SELECT {columns} FROM {table.name} {where}"  # noqa: S608 - constants
            f"ORDER BY {order} LIMIT {_ROWS_AT_A_TIME}",
            after,
        ).fetchall()
        if page:
            yield page
        if len(page) < _ROWS_AT_A_TIME:
            return
        after = [page[-1][place] for place in places]


def _insert(table: Table) -> str:
    """Give the SQL that writes a row."""
    columns, marks = ", ".join(table.columns), ", ".join("?" for _ in table.columns)
    return f"INSERT INTO {table.name} ({columns}) VALUES ({marks})"  # noqa: S608 - constants


def _older(connection: Connection, layout: Layout) -> str | None:
    """Give up to where texts of alerts are of the first schema; None: nowhere."""
    if layout.what != LEDGER.what:
        return None  # on a server all books share one table of such words
    row = connection.execute(
        "SELECT value FROM meta WHERE key = ?", (OLDER_VERSIONS,)
    ).fetchone()
    return None if row is None else str(row[0])
