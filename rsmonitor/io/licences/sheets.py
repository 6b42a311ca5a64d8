"""Cells of CSV files and XLSX workbooks, with nothing in them computed or followed.

A formula is not a number that somebody wrote: it is kept as a `Formula`, which readers
refuse where they need a value. Links to other workbooks are not followed, macros not
run, hidden sheets not read.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final

from rsmonitor.errors import LicenceError
from rsmonitor.io.licences.untrusted import (
    Members,
    decoded,
    is_zip,
    read_bytes,
    shown,
)

MAX_ROWS: Final = 200_000
"""Most rows with something in them."""

MAX_COLUMNS: Final = 300
"""Most columns."""

MAX_SHEETS: Final = 100
"""Most sheets of a workbook."""

MAX_WORKBOOK_BYTES: Final = 100 * 2**20
"""Most bytes that the parts of a workbook unpack to."""

_LAST_ROW: Final = 2**20
_OLD_EXCEL: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_DOCTYPES: Final = tuple(
    word.encode(encoding)
    for word in ("<!DOCTYPE", "<!ENTITY", "<!doctype", "<!entity")
    for encoding in ("utf-8", "utf-16-le", "utf-16-be")
)
_XML: Final = re.compile(r"\.(xml|rels|vml)$", re.IGNORECASE)
_RULE_FEWER: Final = "keep only the licences of your districts, one table a sheet"


class Formula(str):
    """Text of a formula, which is not computed."""

    __slots__ = ()


Cell = str | float
"""A cell: text, or a number; empty text where there is nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """The rows of one sheet that have something in them."""

    name: str
    """Empty for a text file."""

    rows: tuple[tuple[int, tuple[Cell, ...]], ...]
    """Number of the row, counted from 1, and its cells up to the last that is filled;
    a number that is left out is a blank row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheets:
    """What a file of cells holds."""

    sheets: tuple[Sheet, ...]
    """Of a workbook, in its order; none for a text file."""

    text: str | None
    """Of a text file; None for a workbook."""

    notes: tuple[str, ...]
    """What was passed over, one sentence each; names the file."""


def read_sheets(path: Path) -> Sheets:
    """
    Read the cells of a workbook, or the text of a text file.

    What a file is, is decided by its first bytes, never by its name.

    Parameters
    ----------
    path : Path
        An XLSX workbook, or text in UTF-8, UTF-16 or GB 18030.

    Returns
    -------
    Sheets
        The visible sheets, or the text.

    Raises
    ------
    LicenceError
        If it is missing, too large, damaged, built to harm, a workbook of before 2007,
        or neither.

    Examples
    --------
    >>> read_sheets(Path("no-such.xlsx"))
    Traceback (most recent call last):
    rsmonitor.errors.LicenceError: no-such.xlsx: there is no such file
    """
    content = read_bytes(path, what="a CSV or XLSX table")
    file = str(path)
    if content.startswith(_OLD_EXCEL):
        raise LicenceError(
            f"{file}: is a workbook of Excel 97-2003, or encrypted: save it as .xlsx "
            "without a password"
        )
    if is_zip(content):
        return _workbook(file, content)
    text, _ = decoded(file, content)
    return Sheets(sheets=(), text=text, notes=())


def split_text(file: str, text: str, delimiter: str) -> Sheet:
    r"""
    Split a text into cells.

    Parameters
    ----------
    file : str
        Its name, for messages.
    text : str
        Lines of cells; quotes as in CSV.
    delimiter : str
        The character between cells.

    Returns
    -------
    Sheet
        Without a name.

    Raises
    ------
    LicenceError
        If it has too many rows or columns, or a quote is never closed.

    Examples
    --------
    >>> split_text("a.csv", "X;Y\n\n1; 2\n", ";").rows
    ((1, ('X', 'Y')), (3, ('1', '2')))
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)

    def numbered() -> Iterator[tuple[int, list[str]]]:
        begins = 1
        for row in reader:
            yield begins, row
            begins = reader.line_num + 1

    try:
        rows = _filled(file, "", numbered())
    except csv.Error as error:
        raise LicenceError(
            f"{file}: line {reader.line_num} is no CSV: {error}; look for a quote that "
            "is not closed"
        ) from error
    return Sheet(name="", rows=rows)


def as_text(cell: Cell) -> str:
    """
    Write a cell as a person would.

    Parameters
    ----------
    cell : str or float
        A cell.

    Returns
    -------
    str
        On one line; whole numbers without a decimal point.

    Examples
    --------
    >>> as_text(3.0), as_text(0.1), as_text("a  b")
    ('3', '0.1', 'a b')
    """
    if isinstance(cell, str):
        return " ".join(cell.split())
    whole = isinstance(cell, int) or (abs(cell) < 2**53 and cell == int(cell))
    return str(int(cell)) if whole else repr(cell)


def _filled(
    file: str, sheet: str, rows: Iterable[tuple[int, Iterable[Cell]]]
) -> tuple[tuple[int, tuple[Cell, ...]], ...]:
    """Keep the rows with something in them, up to their last filled cell."""
    where = f"{file}, {sheet}" if sheet else file
    kept: list[tuple[int, tuple[Cell, ...]]] = []
    for number, row in rows:
        cells = [cell.strip() if type(cell) is str else cell for cell in row]
        while cells and cells[-1] == "":
            cells.pop()
        if number > _LAST_ROW or len(kept) >= MAX_ROWS:
            raise LicenceError(
                f"{where}: more than {MAX_ROWS} rows, at row {number}: {_RULE_FEWER}"
            )
        if len(cells) > MAX_COLUMNS:
            raise LicenceError(
                f"{where}, row {number}: {len(cells)} columns: at most {MAX_COLUMNS} "
                f"are read; {_RULE_FEWER}"
            )
        if cells:
            kept.append((number, tuple(cells)))
    return tuple(kept)


def _workbook(file: str, content: bytes) -> Sheets:
    """Read the visible sheets of a workbook."""
    import openpyxl  # noqa: PLC0415 - half a second that other formats need not wait

    members = Members(file, content, max_unpacked=MAX_WORKBOOK_BYTES)
    names = set(members.names)
    if not {"[Content_Types].xml", "xl/workbook.xml"} <= names:
        raise LicenceError(
            f"{file}: is a zip without xl/workbook.xml, so no workbook; save it as "
            ".xlsx, or name it by what it is"
        )
    for name in sorted(names):
        if _XML.search(name) and any(
            mark in part for part in [members.read(name)] for mark in _DOCTYPES
        ):
            raise LicenceError(
                f"{file}: {shown(name)} in it declares a document type or entities: no "
                "workbook does; it is hostile"
            )
    notes = [
        f"{file}: {what}"
        for start, what in (
            ("xl/externalLinks/", "links to other workbooks are not followed"),
            ("xl/vbaProject", "its macros are not run"),
        )
        if any(name.startswith(start) for name in names)
    ]
    try:
        book = openpyxl.load_workbook(
            io.BytesIO(content), read_only=True, data_only=False, keep_links=False
        )
        sheets = [
            Sheet(name=sheet.title, rows=_rows(file, sheet))
            for sheet in book.worksheets[:MAX_SHEETS]
            if sheet.sheet_state == "visible"
        ]
        notes.extend(
            f"{file}: sheet {shown(sheet.title)} is hidden; not read"
            for sheet in book.worksheets
            if sheet.sheet_state != "visible"
        )
        count = len(book.worksheets)
    except LicenceError:
        raise
    except Exception as error:  # openpyxl raises whatever it trips over
        raise LicenceError(
            f"{file}: is no whole XLSX workbook ({type(error).__name__}: "
            f"{str(error)[:200]}); save it again"
        ) from error
    if count > MAX_SHEETS:
        raise LicenceError(
            f"{file}: {count} sheets: at most {MAX_SHEETS} are read; split it"
        )
    return Sheets(sheets=tuple(sheets), text=None, notes=tuple(notes))


def _rows(file: str, sheet: Any) -> tuple[tuple[int, tuple[Cell, ...]], ...]:  # noqa: ANN401 - openpyxl's
    """Read a sheet, not trusting the size that it claims."""
    sheet.reset_dimensions()
    return _filled(
        file,
        f"sheet {shown(sheet.title)[1:-1]}",
        (
            (number, [_cell(cell) for cell in row])
            for number, row in enumerate(sheet.iter_rows(), start=1)
        ),
    )


def _cell(cell: Any) -> Cell:  # noqa: ANN401 - openpyxl's
    """Give what a cell holds as it is written."""
    value = cell.value
    if value is None:
        return ""
    if cell.data_type == "f":
        return Formula(value if isinstance(value, str) else "=")
    match value:
        case bool():
            return str(value).upper()
        case int() | float():
            return value
        case datetime() if value.time() == time():
            return value.date().isoformat()
        case _:
            return value.isoformat() if isinstance(value, date) else str(value)
