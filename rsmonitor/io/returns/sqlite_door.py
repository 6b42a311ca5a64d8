"""SQLite files that come back: how much of them is borne."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rsmonitor.errors import ReturnsError
from rsmonitor.io.foundation import foreign_sqlite

CONFINEMENT: Final = foreign_sqlite.Confinement(
    refusal=ReturnsError,
    max_file_bytes=2**31,  # a 举证 database carries its photos
    max_value_bytes=64 * 2**20,
    max_pauses=5_000,
)
"""For what people send back."""


@contextmanager
def opened(path: Path, *, file: str) -> Iterator[sqlite3.Connection]:
    """
    Open a private copy of a file that can do nothing but be read.

    Parameters
    ----------
    path : Path
        The file.
    file : str
        Its name for messages.

    Yields
    ------
    sqlite3.Connection
        Confined; closed at the end.

    Raises
    ------
    ReturnsError
        If it is no SQLite file, is too large, is damaged, or is being written.
    OutputError
        If there is no room for the copy.
    """
    with foreign_sqlite.opened(path, CONFINEMENT, name=file) as database:
        yield database
