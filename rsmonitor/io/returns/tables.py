"""Rows of CSV files and XLSX workbooks."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

from rsmonitor.errors import ReturnsError
from rsmonitor.io.licences.sheets import (
    Cell,
    Formula,
    Sheet,
    as_text,
    read_sheets,
    split_text,
)
from rsmonitor.io.returns.columns import MAX_TEXT, named
from rsmonitor.io.returns.rows import Refusal, Row

_DELIMITERS: Final = (",", "\t", ";", "，", "；", "|")
_TITLES: Final = 20
"""Rows among which the head is looked for: tables stand under titles."""

_FEWEST: Final = 2
"""Known columns that make a row a head."""

_UNFILLED: Final = frozenset({"id"})
"""What a row holds that names a site and that nobody filled in: a field pack gives out
tables of such rows, and not every site is visited in a day."""


def read_table(
    path: Path, *, fields: Mapping[str, tuple[str, ...]], file: str
) -> tuple[list[Row], list[Refusal], list[str]]:
    """
    Read the rows of a table.

    Parameters
    ----------
    path : Path
        CSV or other text, or an XLSX workbook; decided by content.
    fields : Mapping of str to tuple of str
        Fields by the heads that name them.
    file : str
        Its name for messages.

    Returns
    -------
    rows : list of Row
        In the order of sheets and rows.
    refused : list of Refusal
        Rows with a formula where a value is needed.
    notes : list of str
        Sheets that were passed over, and how many rows nobody had filled in.

    Raises
    ------
    ReturnsError
        If no table in it has a head that names two known columns.
    LicenceError
        If the file is missing, too large, damaged or hostile.
    """
    content = read_sheets(path)
    if content.text is None:
        sheets = content.sheets
    else:
        split = [split_text(file, content.text, sign) for sign in _DELIMITERS]
        sheets = (max(split, key=lambda sheet: _best(sheet, fields)[1]),)
    rows: list[Row] = []
    refused: list[Refusal] = []
    notes = list(content.notes)
    tables = 0
    for sheet in sheets:
        head, known = _best(sheet, fields)
        if known < _FEWEST:
            if sheet.rows:
                notes.append(f"{file}, sheet {sheet.name!r}: no head; not read")
            continue
        tables += 1
        unfilled = 0
        for row in _rows(sheet, head, fields):
            if isinstance(row, Row) and row.fields.keys() == _UNFILLED:
                unfilled += 1
            elif isinstance(row, Row):
                rows.append(row)
            else:
                line, where, value = row
                refused.append(
                    Refusal(
                        file=file,
                        where=where,
                        line=line,
                        value=value,
                        rule="a formula is no value that somebody wrote: paste values",
                    )
                )
        if unfilled:
            named_it = f", sheet {sheet.name!r}" if sheet.name else ""
            notes.append(
                f"{file}{named_it}: {unfilled} rows name a site and nothing else: "
                "nobody filled them in, so they are passed over"
            )
    if not tables:
        wanted = ", ".join(names[0] for names in fields.values())
        raise ReturnsError(
            f"{file}: no row names at least {_FEWEST} known columns, such as {wanted}; "
            "add a head"
        )
    return rows, refused, notes


def _best(sheet: Sheet, fields: Mapping[str, tuple[str, ...]]) -> tuple[int, int]:
    """Give the place of the head, and how many known columns it names."""
    best = (0, 0)
    for place, (_, cells) in enumerate(sheet.rows[:_TITLES]):
        known = len(named(_heads(cells), fields))
        if known > best[1]:
            best = (place, known)
    return best


def _heads(cells: Collection[Cell]) -> list[str]:
    """Give the heads of a row."""
    return [as_text(cell) for cell in cells]


def _rows(
    sheet: Sheet, head: int, fields: Mapping[str, tuple[str, ...]]
) -> Iterator[Row | tuple[int, str, str]]:
    """Give the rows below a head; where one holds a formula: line, place and text."""
    heads = _heads(sheet.rows[head][1])
    columns = {name: heads.index(text) for name, text in named(heads, fields).items()}
    for line, cells in sheet.rows[head + 1 :]:
        where = f"sheet {sheet.name!r}, row {line}" if sheet.name else f"line {line}"
        found = {
            name: cells[place]
            for name, place in columns.items()
            if place < len(cells) and cells[place] != ""
        }
        formula = next((c for c in found.values() if isinstance(c, Formula)), None)
        if formula is not None:
            yield line, where, repr(str(formula)[:80])
        elif found:
            yield Row(
                where=where,
                line=line,
                fields={n: as_text(c)[:MAX_TEXT] for n, c in found.items()},
            )
