"""A database that somebody else made can be read, and can do nothing."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rsmonitor.errors import LicenceError
from rsmonitor.io.foundation.foreign_sqlite import (
    DAMAGE,
    Confinement,
    companions,
    kind_of,
    opened,
    tables,
)

BEARABLE = Confinement(
    refusal=LicenceError, max_file_bytes=2**20, max_value_bytes=2**16, max_pauses=5
)
MANY = 2000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            "CREATE TABLE parcels (number INTEGER, said TEXT);"
            "CREATE VIEW evil AS SELECT * FROM parcels;"
            "CREATE VIRTUAL TABLE near USING rtree (id, west, east);"
        )
        database.executemany(
            "INSERT INTO parcels VALUES (?, 'before')", ((n,) for n in range(MANY))
        )
        database.commit()
    return path


def test_only_real_tables_are_tables(path: Path) -> None:
    with opened(path, BEARABLE) as database:
        assert "parcels" in tables(database)
        assert not {"evil", "near"} & set(tables(database))
        assert kind_of(database, "parcels") == "table"
        assert kind_of(database, "evil") == "a view"
        assert kind_of(database, "near") == "a virtual table"
        assert kind_of(database, "no such") == "missing"


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO parcels VALUES (1, 'x')",
        "DROP TABLE parcels",
        "PRAGMA query_only = OFF",
        "ATTACH ':memory:' AS other",
        "SELECT upper(said) FROM parcels",
        "SELECT load_extension('x')",
        "SELECT count(*) FROM parcels a, parcels b, parcels c",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT * FROM n",
    ],
)
def test_nothing_but_plain_reading_is_allowed(path: Path, statement: str) -> None:
    before = path.read_bytes()
    with opened(path, BEARABLE) as database, pytest.raises(DAMAGE):
        database.execute(statement).fetchall()
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_query_that_would_not_end_is_given_up(path: Path) -> None:
    query = (
        "SELECT a.number FROM parcels a, parcels b, parcels c "
        "WHERE a.number + b.number + c.number < 0"
    )
    with opened(path, BEARABLE) as database, pytest.raises(DAMAGE, match="interrupted"):
        database.execute(query).fetchall()


@pytest.fixture
def broken_off(path: Path, tmp_path: Path) -> Iterator[Path]:
    """Copy a database in the middle of a change, as a crash would leave it."""
    copy = tmp_path / "copy" / path.name
    copy.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA cache_size = 2")  # so that pages spill into the file
        database.execute("BEGIN")
        database.execute("UPDATE parcels SET said = 'half'")
        for name in (path.name, f"{path.name}-journal"):
            shutil.copy(path.with_name(name), copy.with_name(name))
        yield copy


def test_a_change_that_was_broken_off_is_undone_in_the_copy_only(
    broken_off: Path,
) -> None:
    assert b"half" in broken_off.read_bytes()
    before = {each: each.read_bytes() for each in broken_off.parent.iterdir()}
    assert len(companions(broken_off)) == 1
    with opened(broken_off, BEARABLE) as database:
        said = database.execute("SELECT DISTINCT said FROM parcels").fetchall()
    assert said == [("before",)]
    assert {e: e.read_bytes() for e in broken_off.parent.iterdir()} == before


def test_what_is_no_whole_database_is_refused_by_its_name(
    path: Path, tmp_path: Path
) -> None:
    for content, says in (
        (b"", "is empty"),
        (b"PK\3\4", "begins with"),
        (path.read_bytes()[:100], "is no whole SQLite database"),
        (path.read_bytes()[:16] + bytes(2**20), "is larger than 1 MB"),
    ):
        other = tmp_path / "other.db"
        other.write_bytes(content)
        with (
            pytest.raises(LicenceError, match=f"^theirs: {says}"),
            opened(other, BEARABLE, name="theirs"),
        ):
            pass
    os.mkfifo(tmp_path / "pipe.db")
    for name, says in (("pipe.db", "not a regular"), ("none.db", "no such file")):
        with (
            pytest.raises(LicenceError, match=says),
            opened(tmp_path / name, BEARABLE),
        ):
            pass
