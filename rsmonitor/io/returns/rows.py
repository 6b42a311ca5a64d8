"""Rows of any file that comes back, before anybody asks what they mean."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rsmonitor.records.finding import PhotoReading
from rsmonitor.records.tip import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One row that is not used, and why."""

    file: str
    """Name of the file."""

    where: str
    """Where it stands, in words."""

    line: int | None
    """Line, row or feature number; None where the file counts none."""

    value: str
    """What was found."""

    rule: str
    """What it should be, and what to do."""

    def __str__(self) -> str:
        """
        Say it in one sentence.

        Returns
        -------
        str
            File, place, value and rule.
        """
        return f"{self.file}, {self.where}: {self.value}: {self.rule}"

    def as_json(self) -> dict[str, Any]:
        """
        Give it as JSON values.

        Returns
        -------
        dict
            ``file``, ``line``, ``value`` and ``rule``.
        """
        return {
            "file": self.file,
            "line": self.line,
            "value": self.value,
            "rule": self.rule,
        }


class UnusableRowError(Exception):
    """A row cannot be used; whoever knows the row makes a `Refusal` of it.

    Parameters
    ----------
    value : str
        What was found.
    rule : str
        What it should be.
    """

    def __init__(self, value: str, rule: str) -> None:
        super().__init__(value, rule)
        self.value = value
        self.rule = rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A photo that lies somewhere in or beside a package, not read yet."""

    name: str
    """As the row or the package names it."""

    read: Callable[[], bytes]
    """Reads it; raises `UnusableRowError`. Works while the file is open."""

    stated: PhotoReading | None = None
    """What the package says of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row or feature."""

    where: str
    """Where it stands, in words."""

    line: int | None
    """Line, row or feature number."""

    fields: Mapping[str, str]
    """Text by field of `rsmonitor.io.returns.columns`; what is empty is left out."""

    place: Place | None = None
    """CRS84; None where the row has no geometry."""

    attachments: tuple[Attachment, ...] = ()
    """Photos that the package attaches to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFile:
    """What a file holds, row by row."""

    file: str
    """Its name without folders."""

    sha256: str
    """Digest of the file."""

    rows: tuple[Row, ...]
    """What can be asked what it means."""

    refused: tuple[Refusal, ...] = ()
    """What cannot even be read."""

    notes: tuple[str, ...] = ()
    """What was passed over, and what was assumed."""

    photo: Callable[[str], bytes] | None = field(default=None)
    """Reads a photo that a row names, from the package or from beside it."""

    is_evidence: bool = False
    """True for a 举证 database, whose rows are visits."""
