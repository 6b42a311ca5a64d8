"""Tables of corners (拐点坐标) as people keep them: CSV, XLSX and pasted text.

A table may stand under titles, hold several parcels one below the other or in columns
beside each other, or be a list with all corners of a licence in one cell. What a table
does not say is not guessed: a row that cannot be read costs its parcel, and the parcel
is named.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from rsmonitor.errors import LicenceError
from rsmonitor.io.licences.attributes import (
    MAX_TEXT,
    identity,
    names_area,
    names_licence,
    names_name,
    names_parcel,
    plain,
)
from rsmonitor.io.licences.corner_list import RULE_LIST, corner_rings
from rsmonitor.io.licences.found import Refusal, UnusableError
from rsmonitor.io.licences.headers import Head, Pair, declared, head
from rsmonitor.io.licences.parcel import Declared, Parcel, ParcelFile, Ring, Written
from rsmonitor.io.licences.sheets import (
    Cell,
    Formula,
    Sheet,
    as_text,
    read_sheets,
    split_text,
)
from rsmonitor.io.licences.terms import is_read, same_meaning
from rsmonitor.io.licences.untrusted import shown

_DELIMITERS: Final = ("\t", ",", ";", "，", "；", "|")
_SMALLEST_WITH_ZONE: Final = 1e7
_MAX_LINE: Final = 400
_MAX_TEXTS: Final = 50
_DIGIT: Final = re.compile(r"[0-9]")
_ANGLE: Final = (
    r"(?:东经|北纬|[ENen])?[0-9]{1,3}[°度d]"
    r"[0-9.°\u2032'\u2019\u2018\"\u2033\u201d\u201c度分秒\s]{0,25}[ENen]?"
)
_VALUE: Final = rf"(?:{_ANGLE}|[0-9]{{2,8}}(?:\.[0-9]{{1,12}})?)"
_LINE: Final = re.compile(
    rf"\s*(?:(?P<corner>[A-Za-z]{{0,2}}[0-9]{{1,4}})\s*[、,，.:：;\s]\s*)?"
    rf"(?P<first>{_VALUE})\s*[,，;；、/\s]\s*(?P<second>{_VALUE})\s*[;；,，。]?\s*"
)
_SAID: Final = re.compile(r"([^：:=]{0,29}[^：:=0-9\s]) ?[：:=](.{1,2000})", re.DOTALL)
_TITLE: Final = re.compile(
    r"(拐点|界址点|范围|矿区)*(坐标)?(成果)?(一览|登记|明细)?表$|\s*\(.*\)$"
)
_FEWEST: Final = 3
_PLAIN_TABLE: Final = ("点号", "X", "Y")

_RULE_FORMULA: Final = (
    "a formula is not a value that somebody wrote: copy the columns and paste them as "
    "values"
)
_RULE_BOTH: Final = "a corner has both coordinates; complete the row or take it out"
_RULE_VALUE: Final = "a coordinate is a number, or degrees, minutes and seconds"
_RULE_ROWS: Final = (
    "the rows of one licence say the same of it, and nothing says which is right: "
    "correct one"
)
_RULE_TABLE: Final = (
    "a table has columns such as 点号, X, Y or 经度, 纬度, or a column 拐点坐标 with "
    "X1,Y1;X2,Y2;...; add a head"
)


@dataclass(frozen=True, slots=True)
class _Corner:
    """One corner, and what stands beside it."""

    row: int
    number: str
    ring: str
    written: tuple[Written, Written]
    after_blank: bool
    """True where a blank row stands before it."""


@dataclass(slots=True)
class _Group:
    """One parcel while its rows are read."""

    row: int
    key: tuple[str, ...]
    blocks: list[list[_Corner]]
    """Corners of each pair of columns; those of the second follow on the first's."""

    values: dict[int, tuple[str, int]] = field(default_factory=dict)
    """First value of each column, and its row."""

    others: dict[int, tuple[str, int]] = field(default_factory=dict)
    """First value of each column that is another one, and its row."""

    said: dict[str, tuple[str, int]] = field(default_factory=dict)
    """What words below the corners say, and in which row."""

    notes: list[str] = field(default_factory=list)
    fresh: bool = False
    error: UnusableError | None = None


def read_tables(path: Path) -> ParcelFile:
    """
    Read the parcels of a table of corners.

    Parameters
    ----------
    path : Path
        CSV or other text, or an XLSX workbook; decided by content.

    Returns
    -------
    ParcelFile
        Its parcels, in the order of sheets and rows.

    Raises
    ------
    LicenceError
        If the file cannot be used as a whole: missing, too large, damaged, hostile, or
        without any table of corners.

    Examples
    --------
    >>> read_tables(Path("no-such.csv"))
    Traceback (most recent call last):
    rsmonitor.errors.LicenceError: no-such.csv: there is no such file
    """
    file = str(path)
    found = read_sheets(path)
    if found.text is not None:
        return read_pasted(file, found.text)
    parts = [_read_sheet(file, sheet) for sheet in found.sheets]
    notes = list(found.notes)
    for sheet, part in zip(found.sheets, parts, strict=True):
        if not part.parcels and not part.refused and sheet.rows:
            notes.append(
                f"{file}: sheet {shown(sheet.name)} has no table of corners; not read"
            )
    return _whole(file, parts, notes)


def read_pasted(file: str, text: str) -> ParcelFile:
    r"""
    Read the parcels of a table that is text.

    Parameters
    ----------
    file : str
        What messages call it.
    text : str
        CSV with commas, semicolons, tabs or full-width marks; lines such as
        ``1、2705381.95，38348613.52``; or ``X1,Y1;X2,Y2;...``.

    Returns
    -------
    ParcelFile
        Its parcels.

    Raises
    ------
    LicenceError
        If there is no table of corners in it, or it has too many rows or columns.

    Examples
    --------
    >>> found = read_pasted("pasted", "X,Y\n1,2\n3,4\n5,7\n")
    >>> found.parcels[0].rings[0].corners
    (('1', '2'), ('3', '4'), ('5', '7'))
    """
    candidates = [mark for mark in _DELIMITERS if mark in text]
    for delimiter in candidates:
        sheet = split_text(file, text, delimiter)
        if any(True for _ in _heads(sheet)):
            return _whole(file, [_read_sheet(file, sheet)], [])
    part = _read_lines(file, text)
    if not part.parcels and not part.refused:
        part = _read_list(file, text)
    return _whole(file, [part], [])


def _whole(file: str, parts: Sequence[ParcelFile], notes: Sequence[str]) -> ParcelFile:
    """Join what the sheets of a file hold."""
    whole = ParcelFile(
        parcels=tuple(parcel for part in parts for parcel in part.parcels),
        refused=tuple(refusal for part in parts for refusal in part.refused),
        repairs=(*notes, *(note for part in parts for note in part.repairs)),
    )
    if not whole.parcels and not whole.refused:
        raise LicenceError(f"{file}: no table of corners was found: {_RULE_TABLE}")
    return whole


def _heads(sheet: Sheet) -> Iterator[int]:
    """Give the places of the rows that are heads."""
    above: tuple[Cell, ...] = ()
    for place, (_, cells) in enumerate(sheet.rows):
        if head(cells, above) is not None:
            yield place
        above = cells


def _read_sheet(file: str, sheet: Sheet) -> ParcelFile:
    """Read a sheet by its heads; without one, by the look of its rows."""
    if any(True for _ in _heads(sheet)):
        return _Reader(file, sheet).read()
    lines = [
        (number, "\t".join(as_text(cell) for cell in cells if cell != ""))
        for number, cells in sheet.rows
    ]
    return _read_numbered(file, sheet.name, lines)


def _read_lines(file: str, text: str) -> ParcelFile:
    """Read lines such as ``1、2705381.95 ,38348613.52``."""
    return _read_numbered(file, "", list(enumerate(text.splitlines(), start=1)))


def _read_numbered(
    file: str, sheet: str, lines: Sequence[tuple[int, str]]
) -> ParcelFile:
    """Read lines that look like corners under a head of our own."""
    rows: list[tuple[int, tuple[Cell, ...]]] = []
    headed = False
    corners = 0
    for number, line in lines:
        found = _LINE.fullmatch(line) if len(line) <= _MAX_LINE else None
        if found is None:
            if line.strip():
                rows.append((number, (line.strip(),)))
            continue
        if not headed:
            rows.append((number, _PLAIN_TABLE))
            headed = True
        corners += 1
        rows.append((number, (found["corner"] or "", found["first"], found["second"])))
    if corners < _FEWEST:
        return ParcelFile(parcels=())
    return _Reader(file, Sheet(name=sheet, rows=tuple(rows))).read()


def _read_list(file: str, text: str) -> ParcelFile:
    """Read a text that is nothing but one list of corners."""
    if len(_DIGIT.findall(text[:_MAX_LINE])) < _FEWEST:
        return ParcelFile(parcels=())
    try:
        rings = corner_rings(text)
    except UnusableError:
        return ParcelFile(parcels=())
    if not all(
        _DIGIT.search(value) for ring in rings for pair in ring for value in pair
    ):
        return ParcelFile(parcels=())
    parcel = Parcel(
        file=file,
        where="the list",
        rings=tuple(Ring(label="", corners=ring) for ring in rings),
        line=1,
        declared=declared([]),
    )
    return ParcelFile(parcels=(parcel,))


class _Reader:
    """Reads one sheet, row by row."""

    def __init__(self, file: str, sheet: Sheet) -> None:
        self._file = file
        self._sheet = sheet
        self._parcels: list[Parcel] = []
        self._refused: list[Refusal] = []
        self._repairs: list[str] = []
        self._head: Head | None = None
        self._group: _Group | None = None
        self._texts: list[str] = []
        """Titles and notes, nearest last."""
        self._said: dict[str, str] = {}
        self._since: dict[str, str] = {}
        """What was said since the last parcel ended."""
        self._closed = False
        self._title = ""

    def read(self) -> ParcelFile:
        """Read all rows."""
        before = 0
        above: tuple[Cell, ...] = ()
        for place, (number, cells) in enumerate(self._sheet.rows):
            if number > before + 1 and self._group is not None:
                self._group.fresh = True
            before = number
            found = head(cells, above)
            above = cells
            if found is not None:
                self._close()
                self._head = self._usable(found, place)
            elif self._head is None:
                self._read_words(number, cells)
            elif self._head.listed is not None:
                self._read_listed(number, cells, self._head)
            else:
                self._read_corners(number, cells, self._head)
        self._close()
        return ParcelFile(
            parcels=tuple(self._parcels),
            refused=tuple(self._refused),
            repairs=tuple(self._repairs),
        )

    def _usable(self, found: Head, place: int) -> Head:
        """Prefer degrees to metres whose zone nobody names."""
        if not found.others:
            return found
        chosen = found.pairs[0]
        degrees = next((pair for pair in found.others if pair.geographic), None)
        following = self._sheet.rows[place + 1 : place + 2]
        if degrees is not None and not chosen.geographic and following:
            cells = following[0][1]
            unzoned = not any(
                _has_zone(_at(cells, column))
                for column in (*chosen.first, *chosen.second)
            )
            if unzoned and self._declared(chosen).zone is None:
                others = tuple(pair for pair in found.others if pair is not degrees)
                found = replace(found, pairs=(degrees,), others=(chosen, *others))
        passed = ", ".join(shown(pair.label) for pair in found.others)
        self._repairs.append(
            f"{self._place(self._sheet.rows[place][0])}: corners are read from "
            f"{shown(found.pairs[0].label)}, not from {passed}"
        )
        return found

    def _place(self, row: int) -> str:
        """Name a row, for a message."""
        return f"{self._file}, {self._where(row)}"

    def _where(self, row: int) -> str:
        """Name a row within the file."""
        if not self._sheet.name:
            return f"row {row}"
        return f"sheet {shown(self._sheet.name)[1:-1]}, row {row}"

    def _declared(self, pair: Pair) -> Declared:
        """Find what is said about two columns."""
        texts = [pair.label, self._title, *reversed(self._texts)]
        return declared([text for text in texts if text], geographic=pair.geographic)

    def _read_corners(self, number: int, cells: tuple[Cell, ...], above: Head) -> None:
        """Read a row of corners, one for each pair of columns."""
        written = [
            (block, _joined(cells, pair.first), _joined(cells, pair.second))
            for block, pair in enumerate(above.pairs)
        ]
        present = [item for item in written if item[1] != "" or item[2] != ""]
        values = [cell for item in present for cell in item[1:]]
        if not any(map(_is_value, values)) or any(map(_is_said, cells)):
            if any(as_text(cell) for cell in cells):
                self._read_words(number, cells)
            return
        group = self._group_of(number, cells, above)
        for column in above.labels:
            value = as_text(_at(cells, column))[:MAX_TEXT]
            if value and group.values.setdefault(column, (value, number))[0] != value:
                group.others.setdefault(column, (value, number))
        ring = as_text(_at(cells, above.ring)) if above.ring is not None else ""
        for block, first, second in present:
            corner = (
                as_text(_at(cells, above.corner[block]))
                if block < len(above.corner)
                else ""
            )
            try:
                pair = _checked(first), _checked(second)
            except UnusableError as error:
                if group.error is None:
                    group.error = UnusableError(error.value, error.rule, number)
                continue
            group.blocks[block].append(_Corner(number, corner, ring, pair, group.fresh))
        group.fresh = False

    def _group_of(self, number: int, cells: tuple[Cell, ...], above: Head) -> _Group:
        """Give the parcel of a row: the one before, or a new one."""
        key = tuple(as_text(_at(cells, column)) for column in above.keys)
        group = self._group
        if group is not None:
            same = all(
                not mine or mine == before
                for mine, before in zip(key, group.key, strict=True)
            )
            # a blank row ends a parcel, unless the next row names the same one
            if same and not (group.fresh and not any(key)):
                return group
            self._close()
        self._group = _Group(row=number, key=key, blocks=[[] for _ in above.pairs])
        return self._group

    def _read_listed(self, number: int, cells: tuple[Cell, ...], above: Head) -> None:
        """Read a row of a list: one licence, all its corners in one cell."""
        cell = _at(cells, above.listed)
        attributes = {
            **self._said,
            **{
                label: as_text(_at(cells, column))[:MAX_TEXT]
                for column, label in above.labels.items()
                if as_text(_at(cells, column))
            },
        }
        if cell == "" and not any(
            as_text(_at(cells, column)) for column in (*above.keys, *above.corner)
        ):
            self._read_words(number, cells)
            return
        try:
            rings = _listed_corners(cell)
        except UnusableError as error:
            self._refuse(number, attributes, error)
            return
        self._keep(
            number,
            tuple(Ring(label="", corners=ring) for ring in rings),
            attributes,
            declared([*reversed(self._texts)]),
        )

    def _read_words(self, number: int, cells: tuple[Cell, ...]) -> None:
        """Read a title, or what is said about the parcel above or below."""
        texts = [as_text(cell)[:MAX_TEXT] for cell in cells]
        filled = [text for text in texts if text]
        said = _said(filled)
        starts = any(
            names_licence(plain(key)) or names_parcel(plain(key)) for key in said
        )
        if self._group is not None:
            if said and not starts:
                for name, value in said.items():
                    self._add_words(self._group, name, value, number)
                return
            self._close()
        self._texts = [*self._texts, *filled][-_MAX_TEXTS:]
        self._since.update(said)
        if starts and self._closed:  # the words above another licence are not its own
            self._said = dict(self._since)
        self._said.update(said)
        if not said and len(filled) == 1:
            self._title = filled[0]

    def _add_words(self, group: _Group, name: str, value: str, row: int) -> None:
        """Add what is said below the corners; two sayings must agree."""
        known, before = group.said.setdefault(name, (value, row))
        if group.error is None and not same_meaning(name, known, value):
            group.error = _contradiction(name, (known, before), (value, row))

    def _settle(self, group: _Group, above: Head) -> dict[str, str]:
        """Gather the fields of a parcel; rows that contradict each other refuse it."""
        columns = {
            column: value
            for column, value in group.values.items()
            if column not in above.corner
        }
        settled: dict[str, str] = {}
        for column, one in columns.items():
            name = above.labels[column]
            other = group.others.get(column) or group.said.get(name, one)
            if not same_meaning(name, one[0], other[0]):
                group.error = group.error or _contradiction(name, one, other)
            elif other[0] == one[0] or is_read(name):
                settled[name] = one[0]
            elif names_area(plain(name)):
                group.notes.append(
                    f"{name} is {shown(one[0])} in row {one[1]} and {shown(other[0])} "
                    f"in row {other[1]}: not compared"
                )
        words = {name: value for name, (value, _) in group.said.items()}
        return {**self._said, **settled, **words}

    def _close(self) -> None:
        """Make a parcel of the rows so far."""
        group, above = self._group, self._head
        self._group = None
        if group is None or above is None:
            return
        self._closed = True
        self._since = {}
        attributes = self._settle(group, above)
        for key in [key for key in self._said if names_area(plain(key))]:
            del self._said[key]  # it is that of this parcel
        rings = _rings(
            [corner for block in group.blocks for corner in block],
            in_order=len(above.pairs) == 1,
        )
        if group.error is not None:
            self._refuse(group.row, attributes, group.error)
            return
        said = self._declared(above.pairs[0])
        self._keep(group.row, rings, attributes, said, tuple(group.notes))

    def _keep(
        self,
        row: int,
        rings: tuple[Ring, ...],
        attributes: dict[str, str],
        said: Declared,
        notes: tuple[str, ...] = (),
    ) -> None:
        """Put a parcel on record."""
        found = identity(attributes)
        self._parcels.append(
            Parcel(
                file=self._file,
                where=self._where(row),
                rings=rings,
                line=row,
                name=found.name or _TITLE.sub("", self._title).strip(),
                number=found.number,
                declared=said,
                attributes=attributes,
                stated_area=found.stated_area,
                stated_area_m2=found.stated_area_m2,
                repairs=notes,
            )
        )

    def _refuse(
        self, row: int, attributes: dict[str, str], error: UnusableError
    ) -> None:
        """Put a refusal on record."""
        found = identity(attributes)
        named = found.number or found.name
        self._refused.append(
            Refusal(
                file=self._file,
                where=self._where(error.line or row)
                + (f" ({shown(named)[1:-1]})" if named else ""),
                value=error.value,
                rule=error.rule,
                line=error.line or row,
            )
        )


def _contradiction(
    name: str, one: tuple[str, int], other: tuple[str, int]
) -> UnusableError:
    """Name a field that rows of one licence contradict each other in."""
    return UnusableError(
        f"{name} is {shown(one[0])} in row {one[1]} and {shown(other[0])} in row "
        f"{other[1]}",
        _RULE_ROWS,
        other[1],
    )


def _listed_corners(cell: Cell) -> tuple[tuple[tuple[str, str], ...], ...]:
    """Read the corners of a cell, which must be text."""
    if isinstance(cell, Formula):
        raise UnusableError(shown(str(cell)), _RULE_FORMULA)
    if not isinstance(cell, str) or not cell:
        value = "no corners" if cell == "" else f"corners are {shown(cell)}"
        raise UnusableError(value, RULE_LIST)
    return corner_rings(cell)


def _at(cells: Sequence[Cell], column: int | None) -> Cell:
    """Give a cell; empty where the row ends before it."""
    return cells[column] if column is not None and column < len(cells) else ""


def _joined(cells: Sequence[Cell], columns: Sequence[int]) -> Cell:
    """Give a coordinate; degrees, minutes and seconds of three columns as one."""
    parts = [_at(cells, column) for column in columns]
    if len(parts) == 1 or any(isinstance(part, Formula) for part in parts):
        return next((part for part in parts if isinstance(part, Formula)), parts[0])
    if all(part == "" for part in parts):
        return ""
    texts = [as_text(part) or "0" for part in parts]
    return "".join(
        text + mark for text, mark in zip(texts, ("°", "'", '"'), strict=False)
    )


def _is_value(cell: Cell) -> bool:
    """Say whether a cell can be meant as a coordinate."""
    return not isinstance(cell, str) or (
        isinstance(cell, Formula) or _DIGIT.search(cell) is not None
    )


def _is_said(cell: Cell) -> bool:
    """Say whether a cell is a remark such as 矿区面积：0.5平方公里."""
    return isinstance(cell, str) and _SAID.fullmatch(cell) is not None


def _has_zone(cell: Cell) -> bool:
    """Say whether a number is as large as an easting with its zone."""
    try:
        return float(cell) >= _SMALLEST_WITH_ZONE
    except ValueError:
        return False


def _checked(cell: Cell) -> Written:
    """Refuse what is no coordinate at all; what it means is decided elsewhere."""
    if isinstance(cell, Formula):
        raise UnusableError(shown(str(cell)), _RULE_FORMULA)
    if cell == "":
        raise UnusableError("one coordinate is empty", _RULE_BOTH)
    if not _is_value(cell):
        raise UnusableError(shown(cell), _RULE_VALUE)
    return as_text(cell) if isinstance(cell, str) else cell


def _rings(corners: Sequence[_Corner], *, in_order: bool) -> tuple[Ring, ...]:
    """Cut the corners of a parcel into rings."""
    rings: list[list[_Corner]] = []
    for corner in corners:
        ring = rings[-1] if rings else []
        if not ring or _begins(corner, ring):
            rings.append([])
        rings[-1].append(corner)
    return tuple(
        Ring(
            label=ring[0].ring,
            corners=tuple(corner.written for corner in ring),
            line=ring[0].row if in_order else None,
        )
        for ring in rings
    )


def _begins(corner: _Corner, ring: Sequence[_Corner]) -> bool:
    """Say whether a corner begins another ring than the one before it."""
    first = ring[0]
    closed = len(ring) > _FEWEST and ring[-1].written == first.written
    again = (
        corner.number != ""
        and corner.number == first.number
        and corner.written != first.written
        and len(ring) >= _FEWEST
    )
    # a blank row inside a parcel that names itself stands between its rings
    return corner.after_blank or closed or again or corner.ring not in ("", first.ring)


def _said(texts: Sequence[str]) -> dict[str, str]:
    """Find what a row says as ``name: value``, in one cell or in two."""
    said: dict[str, str] = {}
    pending = ""
    for text in texts:
        found = _SAID.fullmatch(text)
        if found and found[2].strip():
            said[found[1].strip()] = found[2].strip()
            pending = ""
            continue
        key = text.rstrip("：: ")
        if pending:
            said[pending] = text
            pending = ""
        elif key != text or _names(plain(key)):
            pending = key
    return said


def _names(label: str) -> bool:
    """Say whether a text is the name of a field that matters here."""
    return (
        names_licence(label)
        or names_parcel(label)
        or names_name(label)
        or names_area(label)
    )
