"""What makes a SQLite file one of ours, and which tables are copied elsewhere."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table as it is copied from one database to another."""

    name: str
    """Its name."""

    columns: tuple[str, ...]
    """Everything that a row says; ``rowid`` where the order of insertion counts."""

    order: tuple[str, ...]
    """Columns that give the rows one order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What makes a SQLite file one of ours."""

    what: str
    """What it is, for messages."""

    application_id: int
    """Written into the file's header, so that it is not taken for somebody else's."""

    schema_version: int
    """Raised when a table or the JSON form of a stored record changes."""

    schema: str
    """SQL that makes the tables, ``meta`` among them, and leaves a transaction open."""

    migrations: Mapping[int, str] = field(default_factory=dict)
    """SQL that brings a file of one version to the next, by the version before."""

    indexes: Sequence[str] = ()
    """SQL that makes what is missing of the indexes; whoever writes runs it first."""

    queries: Mapping[str, str] = field(default_factory=dict)
    """SQL by name that each database needs in words, or with indexes, of its own."""

    tables: Sequence[Table] = ()
    """What is copied, in the order in which it can be inserted."""

    parent: str = "a run"
    """What the rows of other tables refer to, for messages."""

    reference: tuple[str, str, str] | None = None
    """How they do: their column, and the table and column that it is looked up in."""

    together: bool = False
    """True: rows are inserted right after the row of the first table that they refer
    to, because its triggers refuse them later."""

    @property
    def triggers(self) -> frozenset[str]:
        """Names of the triggers that keep the past."""
        return frozenset(re.findall(r"CREATE TRIGGER (\w+)", self.schema))
