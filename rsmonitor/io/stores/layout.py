"""What makes a SQLite file one of ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


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
