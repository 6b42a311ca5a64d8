"""Published lists of producing mines: licence numbers in a table or text."""

import csv
import hashlib
import re
from datetime import date
from pathlib import Path
from typing import Final

from rsmonitor.errors import LicenceError
from rsmonitor.io.licences.attributes import names_licence, plain
from rsmonitor.records.licence import ProducingList

MAX_BYTES: Final = 2**20
"""Largest list that is read; a country has fewer than a thousand such mines."""

_MARKS: Final = re.compile(r"[,;\t，；、]")
_NUMBER: Final = re.compile(r"[A-Za-z][A-Za-z0-9_/-]{1,63}")
"""What is taken for a number where no column is named so: C... and the like."""

MAX_TEXT: Final = 100
"""Longest number of a licence, characters; approvals are named 赣自然资〔2020〕12号."""

_COUNTED: Final = re.compile(r"[0-9]{1,3}[.、)]?")


def read_producing(
    path: Path, *, year: int, publisher: str, published: date
) -> tuple[ProducingList, str]:
    """
    Read a published list of producing mines.

    Parameters
    ----------
    path : Path
        CSV, or text with a number a line; UTF-8, UTF-16 or GBK. A table needs a column
        named 许可证号, ``licence_id`` or the like, or holds nothing but numbers.
    year : int
        Calendar year that the list is of.
    publisher : str
        Who published it.
    published : date
        Day of publication, Asia/Shanghai.

    Returns
    -------
    listed : ProducingList
        The numbers.
    sha256 : str
        Digest of the file's bytes, hexadecimal.

    Raises
    ------
    LicenceError
        If the file cannot be read, has no such column, or holds what is no number of a
        licence: a list is used whole or not at all, because a mine that is missing
        looks as if it produced outside the list.
    ContractError
        If the year or the publisher cannot be.
    """
    content = _content(path)
    texts = (_MARKS.sub(",", line) for line in _lines(path, content))
    try:
        lines = [[cell.strip() for cell in row] for row in csv.reader(texts)]
    except csv.Error as error:
        raise LicenceError(
            f"{path}: is no table: {error}; save it as CSV again"
        ) from error
    rows = [(number, row) for number, row in enumerate(lines, start=1) if any(row)]
    numbers = _numbers(path, rows)
    listed = ProducingList(
        year=year,
        publisher=publisher.strip(),
        published=published,
        licence_ids=frozenset(numbers),
    )
    return listed, hashlib.sha256(content).hexdigest()


def _content(path: Path) -> bytes:
    """Read the bytes of a regular file of bearable size."""
    try:
        if not path.is_file():
            raise LicenceError(f"{path}: there is no such file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise LicenceError(f"{path}: cannot be read: {error}") from error
    if len(content) > MAX_BYTES:
        raise LicenceError(f"{path}: is larger than {MAX_BYTES} bytes: no such list is")
    if content.startswith((b"PK", b"\xd0\xcf\x11\xe0")):
        raise LicenceError(
            f"{path}: is a workbook; save the sheet with the numbers as CSV"
        )
    return content


def _lines(path: Path, content: bytes) -> list[str]:
    """Decode a text in one of the encodings that offices use."""
    utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if utf16 else ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text.splitlines()
    raise LicenceError(f"{path}: is no text in UTF-8, UTF-16 or GBK; save it as UTF-8")


def _numbers(path: Path, rows: list[tuple[int, list[str]]]) -> list[str]:
    """Give the licence numbers of a table."""
    if not rows:
        raise LicenceError(f"{path}: is empty: a list names at least one licence")
    columns = [
        column
        for column, cell in enumerate(rows[0][1])
        if names_licence(plain(cell)) or plain(cell) == "licence_id"
    ]
    if len(columns) > 1:
        raise LicenceError(
            f"{path}: line {rows[0][0]}: {len(columns)} columns look like licence "
            "numbers; keep one"
        )
    if columns:
        wanted = [
            (line, row[columns[0]] if len(row) > columns[0] else "")
            for line, row in rows[1:]
        ]
    else:
        wanted = [
            (line, cell)
            for line, row in rows
            for place, cell in enumerate(row)
            if cell and not (place == 0 and len(row) > 1 and _COUNTED.fullmatch(cell))
        ]
    for line, cell in wanted:
        sound = bool(columns) and 0 < len(cell) <= MAX_TEXT and cell.isprintable()
        if not sound and not _NUMBER.fullmatch(cell):
            raise LicenceError(
                f"{path}: line {line}: {cell[:80]!r} is no number of a licence; give a "
                "table with a column 许可证号 (licence_id), or one number a line"
            )
    if not wanted:
        raise LicenceError(f"{path}: has no number below its heading")
    return [cell for _, cell in wanted]
