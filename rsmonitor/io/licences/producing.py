"""Published lists of producing mines: licence numbers in a table, a workbook or text.

A list is used whole or not at all, because a mine that is missing looks as if it
produced outside the list. One file may hold the lists of several years, by a column
年度 or by the names of its sheets.
"""

import csv
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from rsmonitor.errors import LicenceError
from rsmonitor.io.licences.attributes import names_licence, names_name, plain
from rsmonitor.io.licences.sheets import Cell, Formula, as_text, read_sheets
from rsmonitor.io.licences.untrusted import read_bytes, shown
from rsmonitor.records.licence import ProducingList

MAX_BYTES: Final = 2**20
"""Largest text that is read; a country has fewer than a thousand such mines."""

MAX_TEXT: Final = 100
"""Longest number of a licence, characters; approvals are named 赣自然资〔2020〕12号."""

_MARKS: Final = re.compile(r"[,;\t，；、]")
_NUMBER: Final = re.compile(r"[A-Za-z][A-Za-z0-9_/-]{1,63}")
"""What is taken for a number where no column is named so: C... and the like."""

_COUNTED: Final = re.compile(r"[0-9]{1,3}[.、)]?")
_YEAR: Final = re.compile(r"([12][0-9]{3})(?:年|年度)?")
_YEAR_NAMES: Final = frozenset({"年度", "年份", "年", "year"})
_MOST_PLACES: Final = 5
_TITLES: Final = 10
"""Rows above the head that may be titles."""

_RULE_YEAR: Final = "a year is written like 2026 or 2026年度"

_Row = tuple[int, tuple[Cell, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedMine:
    """One line of a list."""

    licence_id: str
    """Number of the right."""

    mine: str = ""
    """Name beside it; empty where the list has none."""

    where: str
    """Line or row in the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducingFile:
    """What a file with lists of producing mines says."""

    path: str
    """Path of the file, as it was given."""

    sha256: str
    """Digest of its bytes, hexadecimal."""

    years: Mapping[int | None, tuple[ListedMine, ...]]
    """The list of each year, by year; None where nothing says the year."""

    notes: tuple[str, ...] = ()
    """What a person should know, one sentence each."""

    def lists(self, *, publisher: str, published: date) -> tuple[ProducingList, ...]:
        """
        Give the lists as the register takes them.

        Parameters
        ----------
        publisher : str
            Who published them.
        published : date
            Day of publication, Asia/Shanghai.

        Returns
        -------
        tuple of ProducingList
            One for each year.

        Raises
        ------
        LicenceError
            If nothing says the year.
        ContractError
            If the year or the publisher cannot be.
        """
        if None in self.years:
            raise LicenceError(
                f"{self.path}: nothing says which year the list is of: give --year, or "
                "a column 年度"
            )
        return tuple(
            ProducingList(
                year=year,
                publisher=publisher.strip(),
                published=published,
                licence_ids=frozenset(mine.licence_id for mine in mines),
            )
            for year, mines in self.years.items()
            if year is not None
        )


def read_producing(path: Path, *, year: int | None = None) -> ProducingFile:
    """
    Read published lists of producing mines.

    Parameters
    ----------
    path : Path
        An XLSX workbook, CSV, or text with a number a line; UTF-8, UTF-16 or GBK. A
        table needs a column named 许可证号, ``licence_id`` or the like, or holds
        nothing but numbers. A column 年度 says the year of each row; a blank cell
        below a year means the same.
    year : int, optional
        Calendar year of the list where the file does not say; where it does, the only
        year that is taken of it.

    Returns
    -------
    ProducingFile
        The list of each year.

    Raises
    ------
    LicenceError
        If the file cannot be read, holds what is no number of a licence, or has no
        list of the year.

    Examples
    --------
    >>> read_producing(Path("no-such.xlsx"))
    Traceback (most recent call last):
    rsmonitor.errors.LicenceError: no-such.xlsx: there is no such file
    """
    content = read_bytes(path, what="a list of producing mines")
    file = str(path)
    found = read_sheets(path)
    notes = list(found.notes)
    years: dict[int | None, list[ListedMine]] = {}
    if found.text is not None:
        if len(content) > MAX_BYTES:
            raise LicenceError(
                f"{file}: is larger than {MAX_BYTES} bytes: no such list is"
            )
        rows = _rows_of_text(file, found.text)
        if not rows:
            raise LicenceError(f"{file}: is empty: a list names at least one licence")
        _read_rows(file, "line", rows, year, years)
    else:
        for sheet in found.sheets:
            if not any(_is_head(cells) for _, cells in sheet.rows[:_TITLES]):
                notes.append(
                    f"{file}: sheet {shown(sheet.name)} has no column 许可证号; not "
                    "read"
                )
                continue
            called = _YEAR.match(plain(sheet.name))
            own = int(called[1]) if called else None
            place = f"sheet {shown(sheet.name)[1:-1]}, row"
            _read_rows(file, place, sheet.rows, own or year, years)
        if not years:
            raise LicenceError(
                f"{file}: no sheet has a column 许可证号 (licence_id); add a head"
            )
    if year is not None and set(years) != {year}:
        others = sorted(str(each) for each in years if each != year)
        if year not in years:
            raise LicenceError(
                f"{file}: has no mine of {year}, but of {', '.join(others)}"
            )
        notes.append(f"{file}: of {', '.join(others)} nothing is taken (--year {year})")
        years = {year: years[year]}
    return ProducingFile(
        path=file,
        sha256=hashlib.sha256(content).hexdigest(),
        years={
            each: tuple(_each_once(file, each, years[each], notes))
            for each in sorted(years, key=lambda one: one or 0)
        },
        notes=tuple(notes),
    )


def _each_once(
    file: str, year: int | None, mines: Sequence[ListedMine], notes: list[str]
) -> Iterator[ListedMine]:
    """Give each mine once, and tell those that stand there twice."""
    places: dict[str, list[ListedMine]] = {}
    for mine in mines:
        places.setdefault(mine.licence_id, []).append(mine)
    of_year = f" of {year}" if year is not None else ""
    for number, same in places.items():
        yield same[0]
        if len(same) > 1:
            where = ", ".join(mine.where for mine in same[:_MOST_PLACES])
            more = "" if len(same) <= _MOST_PLACES else ", ..."
            notes.append(
                f"{file}: {shown(number)[1:-1]} stands {len(same)} times in the "
                f"list{of_year}: {where}{more}"
            )


def _rows_of_text(file: str, text: str) -> list[_Row]:
    """Split a text at any mark between cells."""
    lines = (_MARKS.sub(",", line) for line in text.splitlines())
    try:
        rows = [tuple(cell.strip() for cell in row) for row in csv.reader(lines)]
    except csv.Error as error:
        raise LicenceError(
            f"{file}: is no table: {error}; save it as CSV again"
        ) from error
    return [(number, row) for number, row in enumerate(rows, start=1) if any(row)]


def _columns(cells: Sequence[Cell]) -> list[int]:
    """Find the columns that are named as numbers of licences."""
    names = [plain(as_text(cell)) for cell in cells]
    return [
        column
        for column, name in enumerate(names)
        if names_licence(name) or name == "licence_id"
    ]


def _is_head(cells: Sequence[Cell]) -> bool:
    """Say whether a row is the head of a list, and no title."""
    return bool(_columns(cells)) and all(
        len(as_text(cell)) <= MAX_TEXT for cell in cells
    )


def _read_rows(
    file: str,
    place: str,
    rows: Sequence[_Row],
    year: int | None,
    years: dict[int | None, list[ListedMine]],
) -> None:
    """Read the licence numbers of a table."""
    heads = [n for n, (_, cells) in enumerate(rows[:_TITLES]) if _is_head(cells)]
    # a title above the head may name numbers of licences too
    at = max(heads, key=lambda n: (_filled(rows[n][1]), -n), default=None)
    if at is None:
        for number, cells in rows:
            for column, cell in enumerate(cells):
                text = as_text(cell)
                counted = column == 0 and len(cells) > 1 and _COUNTED.fullmatch(text)
                if text and not counted:
                    where = f"{place} {number}"
                    _require_number(file, where, cell, named=False)
                    mine = ListedMine(licence_id=text, where=where)
                    years.setdefault(year, []).append(mine)
        return
    number, names = rows[at]
    columns = _columns(names)
    if len(columns) > 1:
        raise LicenceError(
            f"{file}: {place} {number}: {len(columns)} columns look like licence "
            "numbers; keep one"
        )
    labels = [plain(as_text(cell)) for cell in names]
    year_at = next((n for n, label in enumerate(labels) if label in _YEAR_NAMES), None)
    name_at = next((n for n, label in enumerate(labels) if names_name(label)), None)
    own = None if year_at is not None else year
    for row, cells in rows[at + 1 :]:
        where = f"{place} {row}"
        cell = _at(cells, columns[0])
        _require_number(file, where, cell, named=True)
        if year_at is not None:
            own = _year(file, where, _at(cells, year_at), own)
        mine = ListedMine(
            licence_id=as_text(cell),
            mine=as_text(_at(cells, name_at))[:MAX_TEXT],
            where=where,
        )
        years.setdefault(own, []).append(mine)
    if len(rows) == at + 1:
        raise LicenceError(
            f"{file}: has no number below its heading ({place} {number})"
        )


def _filled(cells: Sequence[Cell]) -> int:
    """Count the cells with something in them."""
    return sum(cell != "" for cell in cells)


def _at(cells: Sequence[Cell], column: int | None) -> Cell:
    """Give a cell; empty where the row ends before it."""
    return cells[column] if column is not None and column < len(cells) else ""


def _require_number(file: str, where: str, cell: Cell, *, named: bool) -> None:
    """Refuse what is no number of a licence."""
    text = as_text(cell)
    sound = named and 0 < len(text) <= MAX_TEXT and text.isprintable()
    whole = isinstance(cell, str) and not isinstance(cell, Formula)
    if whole and str(cell).isprintable() and (sound or _NUMBER.fullmatch(text)):
        return
    raise LicenceError(
        f"{file}: {where}: {str(cell)[:80]!r} is no number of a licence; give a "
        "table with a column 许可证号 (licence_id), or one number a line"
    )


def _year(file: str, where: str, cell: Cell, above: int | None) -> int:
    """Read the year of a row; a blank cell repeats the one above."""
    text = plain(as_text(cell))
    if not text and above is not None:
        return above
    found = _YEAR.fullmatch(text) if not isinstance(cell, Formula) else None
    if found is None:
        raise LicenceError(f"{file}: {where}: year is {shown(text)}: {_RULE_YEAR}")
    return int(found[1])
