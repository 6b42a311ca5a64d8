"""Tables for people: XLSX and CSV that open in Excel and WPS, in Chinese and English.

A cell that holds text is text: what a file or a person wrote is never a formula.
The same tables give the same bytes.
"""

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final, TypeAlias
from unicodedata import east_asian_width

from rsmonitor.errors import ContractError, OutputError

Cell: TypeAlias = str | int | float | date | bool | None

NOT_MEASURED: Final = "未测 not measured"
"""What stands where nothing was measured: never 0, and never nothing."""

MAX_CELL: Final = 32_767
"""Characters that a cell of Excel holds."""

_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
"""Characters that XML 1.0 cannot hold."""

FORMULA_STARTS: Final = (
    *("=", "+", "-", "@", "\t", "\r", "\n"),
    *("\uff1d", "\uff0b", "\uff0d", "\uff20"),
)
"""With what a text begins that a spreadsheet takes for a formula: an input method for
Chinese writes the signs at full width, and some programs take them too."""

_SHEET_NAME: Final = re.compile(r"[^\[\]:*?/\\']{1,31}")
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_WIDEST: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table."""

    key: str
    """Code, for programs."""

    zh: str
    """Heading in Chinese."""

    en: str
    """Heading in English."""

    @property
    def heading(self) -> str:
        """Both."""
        return f"{self.zh} {self.en}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table, which becomes a sheet of its own."""

    key: str
    """Code, for programs."""

    title: str
    """Name of the sheet, at most 31 characters."""

    columns: tuple[Column, ...]
    """Columns, from the left."""

    rows: tuple[tuple[Cell, ...], ...]
    """Cells; None: not measured."""

    def __post_init__(self) -> None:
        if not _SHEET_NAME.fullmatch(self.title):
            raise ContractError(
                f"a sheet is named with 1 to 31 characters without []:*?/\\', got "
                f"{self.title!r}"
            )
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ContractError(
                    f"table {self.key}: a row has {len(row)} cells for "
                    f"{len(self.columns)} columns"
                )


def xlsx(tables: Sequence[Table], *, heading: str, remarks: Sequence[str]) -> bytes:
    """
    Write tables as a workbook, a sheet each, remarks on the first.

    Parameters
    ----------
    tables : sequence of Table
        At least one; titles are unique.
    heading : str
        What it is.
    remarks : sequence of str
        What a reader must know, the notice among it.

    Returns
    -------
    bytes
        The same tables give the same bytes with the same openpyxl.

    Raises
    ------
    ContractError
        If there is no table, or two have one title.
    """
    # heavy, and most commands write none
    from openpyxl import Workbook  # noqa: PLC0415
    from openpyxl.styles import Alignment, Font  # noqa: PLC0415
    from openpyxl.utils import get_column_letter  # noqa: PLC0415

    if not tables or len({table.title for table in tables}) < len(tables):
        raise ContractError("a workbook needs tables, each with a title of its own")
    book = Workbook()
    book.remove(book.worksheets[0])
    for table in tables:
        sheet = book.create_sheet(table.title)
        top = (heading, *remarks) if table is tables[0] else (heading,)
        for words in top:
            sheet.append([clean(words)])
        sheet.append([clean(column.heading) for column in table.columns])
        sheet.freeze_panes = f"A{len(top) + 2}"
        for cell in sheet[len(top) + 1]:
            cell.font = Font(bold=True)
            cell.alignment = Alignment(wrap_text=True, vertical="top")
        for row in table.rows:
            sheet.append([_shown(cell) for cell in row])
        for line in sheet.iter_rows():
            _hold_as_text(line)
        for number, column in enumerate(table.columns):
            widest = max((len(str(row[number])) for row in table.rows), default=0)
            width = min(_WIDEST, max(8, widest, len(column.heading)) + 2)
            sheet.column_dimensions[get_column_letter(number + 1)].width = width
    moment = datetime(*_EPOCH, tzinfo=UTC).replace(tzinfo=None)
    book.properties.created = book.properties.modified = moment
    written = io.BytesIO()
    book.save(written)
    return without_time(written.getvalue())


def csv_bytes(tables: Sequence[Table]) -> bytes:
    """
    Write tables below each other as CSV: a column says which table a row is of.

    Parameters
    ----------
    tables : sequence of Table
        One or more. A single table has no such column.

    Returns
    -------
    bytes
        UTF-8 with BOM, which Excel needs, RFC 4180; codes as headings. A cell of a
        column that its table does not have is empty.
    """
    keys = list(dict.fromkeys(c.key for table in tables for c in table.columns))
    many = len(tables) > 1
    written = io.StringIO(newline="")
    out = csv.writer(written)
    out.writerow([*(["table"] if many else []), *keys])
    for table in tables:
        for row in table.rows:
            cells = {
                column.key: _plain(cell)
                for column, cell in zip(table.columns, row, strict=True)
            }
            first = [table.key] if many else []
            out.writerow([*first, *(cells.get(key, "") for key in keys)])
    return written.getvalue().encode("utf-8-sig")


def text_lines(table: Table) -> list[str]:
    """
    Write a table for a terminal.

    Parameters
    ----------
    table : Table
        The table.

    Returns
    -------
    list of str
        Its title, then the codes of its columns, then a line a row.
    """
    rows = [
        [column.key for column in table.columns],
        *([_printed(cell) for cell in row] for row in table.rows),
    ]
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    return [
        f"{table.title} ({table.key})",
        *(
            "  "
            + "  ".join(
                cell + " " * (width - _width(cell))
                for cell, width in zip(row, widths, strict=True)
            ).rstrip()
            for row in rows
        ),
    ]


def clean(text: str) -> str:
    """
    Take out what XML cannot hold, and what no cell has room for.

    Parameters
    ----------
    text : str
        Any text, also one that a stranger wrote.

    Returns
    -------
    str
        At most 32,767 characters.

    Examples
    --------
    >>> clean("a" + chr(0) + "b")
    'ab'
    """
    return _CONTROL.sub("", text)[:MAX_CELL]


def harmless(text: str) -> str:
    """
    Write a text so that no spreadsheet takes it for a formula.

    Parameters
    ----------
    text : str
        Any text, also one that a stranger wrote.

    Returns
    -------
    str
        As `clean` gives it, after an apostrophe where it began like a formula.

    Examples
    --------
    >>> harmless("=1+1"), harmless("甲矿")
    ("'=1+1", '甲矿')
    """
    text = clean(text)
    return f"'{text}"[:MAX_CELL] if text.startswith(FORMULA_STARTS) else text


def require_suffix(name: str, known: Sequence[str]) -> str:
    """
    Tell a format by the name of a file.

    Parameters
    ----------
    name : str
        Name of the file.
    known : sequence of str
        Endings that can be written, such as ``xlsx``.

    Returns
    -------
    str
        Which of them.

    Raises
    ------
    OutputError
        If it is none of them.

    Examples
    --------
    >>> require_suffix("2026.XLSX", ["xlsx", "csv"])
    'xlsx'
    """
    suffix = name.rpartition(".")[2].lower()
    if suffix not in known:
        raise OutputError(
            f"{name}: the name must end in {', '.join('.' + each for each in known)}, "
            "which says what is written"
        )
    return suffix


def _shown(cell: Cell) -> Cell:
    """Give a cell as openpyxl takes it."""
    if cell is None:
        return NOT_MEASURED
    return clean(cell) if isinstance(cell, str) else cell


def _hold_as_text(cells: Iterable[Any]) -> None:
    """Keep openpyxl from making a formula of a text, and Excel once it is edited."""
    for cell in cells:
        if isinstance(cell.value, str):
            cell.data_type = "s"
            if cell.value.startswith(FORMULA_STARTS):
                cell.quotePrefix = True


def _plain(cell: Cell) -> str:
    """Give a cell as text that no spreadsheet takes for a formula."""
    if cell is None:
        return NOT_MEASURED
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return harmless(cell) if isinstance(cell, str) else str(cell)


def _printed(cell: Cell) -> str:
    """Give a cell as a terminal shows it: a control character would move the cursor."""
    text = NOT_MEASURED if cell is None else str(cell)
    return "".join(c if c.isprintable() else " " for c in text)


def _width(text: str) -> int:
    """Count the columns that a text takes: a Chinese character takes two."""
    return sum(1 + (east_asian_width(c) in "WF") for c in text)


def without_time(data: bytes) -> bytes:
    """
    Pack a workbook anew, without the time at which it was made.

    Parameters
    ----------
    data : bytes
        An XLSX as openpyxl writes it.

    Returns
    -------
    bytes
        The same workbook; the same content gives the same bytes.
    """
    written = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as packed,
        zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as anew,
    ):
        for name in packed.namelist():
            part = packed.read(name)
            if name == "docProps/core.xml":
                # openpyxl sets the time of saving whatever it is told
                part = re.sub(
                    rb"(<dcterms:modified[^>]*>)[^<]*",
                    rb"\g<1>1980-01-01T00:00:00Z",
                    part,
                )
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            anew.writestr(entry, part)
    return written.getvalue()
