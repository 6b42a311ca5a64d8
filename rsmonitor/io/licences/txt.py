"""Parcels from the ministry's TXT exchange format, and from lists of corners.

The format has as many dialects as programs that write it: sections in square or
full-width brackets or none, 8 to 14 fields a parcel, two more columns a corner, columns
in another order, full-width punctuation, four encodings. A line is judged by what is in
it, never by where it should stand; a parcel with a line that nobody understands is
refused whole, because a corner less makes another parcel.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

from rsmonitor.errors import LicenceError
from rsmonitor.io.licences.areas import in_square_metres
from rsmonitor.io.licences.attributes import names_licence, plain
from rsmonitor.io.licences.found import Refusal, UnusableError
from rsmonitor.io.licences.measures import MAX_CHARACTERS, measure
from rsmonitor.io.licences.parcel import Declared, Order, Parcel, ParcelFile, Ring
from rsmonitor.io.licences.rings import MAX_CORNERS, RULE_CORNERS
from rsmonitor.io.licences.terms import RULE_CONTRADICTION, is_read, same_meaning
from rsmonitor.io.licences.untrusted import decoded, read_bytes, shown

MAX_LINES: Final = 2_000_000
"""Most lines that are read."""

MAX_LINE: Final = 1_000_000
"""Longest line, characters: a whole parcel may stand on one."""

MAX_FIELDS: Final = 40
"""Most fields of the line that begins a parcel."""

MAX_TEXT: Final = 500
"""Longest name or value that is kept, characters."""

RIGHTS_SECTION: Final = "矿业权信息"
"""Section in which rsmonitor writes what the format has no field for."""

_FIELD_NAMES: Final = ("图幅号", "地块用途", "地类编码")
_POLYGON_WORDS: Final = ("面", "polygon")
_OTHER_SHAPES: Final = ("点", "线", "point", "line", "polyline")

_HALF_WIDTH: Final[dict[int, int | str]] = {
    **{code: code - 0xFEE0 for code in range(0xFF10, 0xFF1A)},
    0x3010: "[",
    0x3011: "]",
    0xFF0E: ".",
    0xFF1D: "=",
    0xFF20: "@",
    0xFF38: "X",
    0xFF39: "Y",
    0xFF3B: "[",
    0xFF3D: "]",
    0xFF5E: "~",
}
"""Half-width forms of what the structure of a line is made of; commas and round
brackets stay, because they stand in names."""

_NORTHING: Final = (1.6e6, 6.2e6)
_EASTING: Final = (5e4, 9.5e5)
_LONG_EASTING: Final = (1.3e7, 4.6e7)
_LON: Final = (73.0, 136.0)
_LAT: Final = (3.0, 54.0)

_BREAK: Final = re.compile(r"\r\n|\r|\n")
_SECTION: Final = re.compile(r"\s*\[\s*([^\]]{1,40}?)\s*\]\s*")
_KEY: Final = re.compile(r"\s*([^\d\s=:：,，;；][^=:：,，;；]{0,40}?)\s*[=:：]\s*(.*)")
_RIGHT: Final = re.compile(r"([0-9]{1,6})\.([^=]{1,40})=(.*)")
_XY: Final = re.compile(r"[XxYy]\s*(坐标)?\s*[=:：]\s*")
_MARK_SPACE: Final = re.compile(r"([°度\u2032'分])\s+")
_SEPARATORS: Final = re.compile(r"[,，、;；\t ]+")
_PIECES: Final = re.compile(r"[;；]")
_NUMBERED: Final = re.compile(r"[(（]?[A-Za-z]{0,3}[0-9]{1,6}[)）.:：]?")
_HEADINGS: Final = re.compile(
    r"[\s,，、:：()（）_-]*((拐点|界址点|坐标|点号|编号|序号|圈号|经度|纬度|东经|北纬|横坐标|"
    r"纵坐标|一览表|表|米|m|[XxYy])[\s,，、:：()（）_-]*){1,40}"
)
_ELEVATION: Final = re.compile(
    r"[(（]?\s*[+-]?[0-9.]{1,9}\s*m?\s*[~至-]\s*[+-]?[0-9.]{1,9}\s*(m|米).{0,20}"
)
_WHOLE: Final = re.compile(r"[0-9]{1,9}")
_DIGITS: Final = re.compile(r"[0-9]{1,3}(\.[0-9]+)?")
_WIDTHS: Final = {"三": 3, "六": 6, "3": 3, "6": 6}
_RULE_LINE: Final = (
    "a line is a section, key=value, the fields of a parcel ending in @, or a corner "
    "such as J1,1,3353189.181,40520986.477; correct it"
)


@dataclass(slots=True)
class _Corner:
    """One corner line, taken apart."""

    name: str
    label: str
    first: str
    second: str
    line: int


@dataclass(slots=True)
class _Draft:
    """One parcel while its lines are read."""

    line: int
    number: str = ""
    name: str = ""
    shape: str = "面"
    stated_count: int | None = None
    stated_area: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    corners: list[_Corner] = field(default_factory=list)
    repairs: list[str] = field(default_factory=list)
    wrong: UnusableError | None = None
    headed: bool = False
    full: bool = False
    """True where it has more corners than any parcel: no further one is looked at."""


@dataclass(slots=True)
class _Document:
    """One file while its lines are read."""

    file: str
    section: str = ""
    head: dict[str, str] = field(default_factory=dict)
    pending: dict[str, str] = field(default_factory=dict)
    rights: dict[int, dict[str, str]] = field(default_factory=dict)
    wrong: UnusableError | None = None
    """Two words of the next parcel that contradict each other."""

    wrong_rights: dict[int, UnusableError] = field(default_factory=dict)
    drafts: list[_Draft] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    repairs: list[str] = field(default_factory=list)

    def refuse(self, line: int, value: str, rule: str) -> None:
        """Put a line on record that was not used."""
        self.refused.append(
            Refusal(
                file=self.file,
                where=f"line {line}",
                value=value,
                rule=rule,
                line=line,
            )
        )


def read_txt(path: Path) -> ParcelFile:
    """
    Read the ministry's TXT, or a list of corners.

    Parameters
    ----------
    path : Path
        The file, in any encoding of `rsmonitor.io.licences.untrusted.decoded`, and
        UTF-16 without a byte order mark.

    Returns
    -------
    ParcelFile
        Its parcels, and the lines that were not used.

    Raises
    ------
    LicenceError
        If the file cannot be read, or has no corner at all.

    Examples
    --------
    >>> read_txt(Path("no-such.txt"))
    Traceback (most recent call last):
    rsmonitor.errors.LicenceError: no-such.txt: there is no such file
    """
    return parse_txt(str(path), read_bytes(path, what="a TXT file"))


def parse_txt(file: str, content: bytes) -> ParcelFile:
    """
    Parse the ministry's TXT, or a list of corners.

    Parameters
    ----------
    file : str
        Its name, for messages.
    content : bytes
        All of it.

    Returns
    -------
    ParcelFile
        Its parcels, and the lines that were not used.

    Raises
    ------
    LicenceError
        If it is no text, or has no corner at all.

    Examples
    --------
    >>> found = parse_txt("a.txt", b"1,2705381.95,38348613.52")
    >>> found.parcels[0].rings[0].corners
    (('2705381.95', '38348613.52'),)
    """
    text, encoding = decoded(file, _marked(content))
    document = _Document(file)
    if encoding not in ("utf-8", "utf-8-sig"):
        document.repairs.append(f"{file}: read as {encoding}")
    lines = _BREAK.split(text)
    if len(lines) > MAX_LINES:
        raise LicenceError(
            f"{file}: {len(lines)} lines: at most {MAX_LINES} are read; split it"
        )
    for number, line in enumerate(lines, start=1):
        if len(line) > MAX_LINE:
            document.refuse(number, f"{len(line)} characters", "no such line is read")
            continue
        _read_line(document, number, line.strip().strip("\ufeff"))
    _take_words_below(document)
    declared = _declared(document)
    parcels: list[Parcel] = []
    for ordinal, draft in enumerate(document.drafts, start=1):
        _take_rights(document, ordinal, draft)
        try:
            parcels.append(_parcel(document, draft, declared))
        except UnusableError as error:
            line_number = error.line or draft.line
            where = f"line {line_number}"
            called = draft.number or draft.name
            if called:
                where += f" (parcel {shown(called)[1:-1]})"
            document.refused.append(
                Refusal(
                    file=file,
                    where=where,
                    value=error.value,
                    rule=error.rule,
                    line=line_number,
                )
            )
    if not document.drafts:
        raise LicenceError(
            f"{file}: no line of it is a corner; the ministry's TXT has lines such as "
            "J1,1,3353189.181,40520986.477"
        )
    return ParcelFile(
        parcels=tuple(parcels),
        refused=tuple(document.refused),
        repairs=tuple(document.repairs),
    )


def looks_like_txt(text: str) -> bool:
    """
    Say whether a text is the ministry's TXT or a list of corners, rather than a table.

    Parameters
    ----------
    text : str
        Some of the beginning.

    Returns
    -------
    bool
        True for a section, a parcel's line ending in @, or a first line that is a
        corner or a key with a value.

    Examples
    --------
    >>> looks_like_txt("[属性描述]"), looks_like_txt("许可证号,X,Y")
    (True, False)
    """
    lines = [line.strip() for line in _BREAK.split(text.translate(_HALF_WIDTH))]
    lines = [line for line in lines if line.strip("\ufeff")]
    for line in lines[:50]:
        if _SECTION.fullmatch(line) or line.endswith("@"):
            return True
    if not lines:
        return False
    first = lines[0].strip("\ufeff")
    return (
        _corner(first, 1) is not None
        or _pieces(first, 1) is not None
        or bool(_KEY.fullmatch(first))
    )


def _marked(content: bytes) -> bytes:
    """Give UTF-16 without a byte order mark the one that it lacks."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or len(content) % 2:
        return content
    # only UTF-16 has zero bytes in a text: half of each digit and line end
    little, big = content[1::2].count(0), content[0::2].count(0)
    if little == big:
        return content
    return (b"\xff\xfe" if little > big else b"\xfe\xff") + content


def _read_line(document: _Document, number: int, written: str) -> None:
    """Take one line for what it is."""
    if document.section == RIGHTS_SECTION:
        right = _RIGHT.fullmatch(written)
        if right:
            _take_right(document, number, right)
            return
    line = written.translate(_HALF_WIDTH)
    if not line:
        return
    section = _SECTION.fullmatch(line)
    if section:
        document.section = section[1]
        return
    if line.endswith("@") or _is_header(line):
        _begin(document, number, line)
        return
    if (
        _is_beyond(document)
        or _take_corners(document, number, line)
        or _take_key(document, number, line)
    ):
        return
    if _ELEVATION.fullmatch(line):
        document.pending["开采标高"] = line[:MAX_TEXT]
        return
    if not _HEADINGS.fullmatch(line):
        _not_understood(document, number, line)


def _take_right(document: _Document, number: int, right: re.Match[str]) -> None:
    """Keep a field of the section of rights."""
    ordinal, key, value = int(right[1]), right[2].strip(), _unescaped(right[3])
    kept = document.rights.setdefault(ordinal, {})
    known = kept.setdefault(key, value)
    if not same_meaning(key, known, value):
        document.wrong_rights.setdefault(
            ordinal, _contradiction(key, known, value, number)
        )


def _take_rights(document: _Document, ordinal: int, draft: _Draft) -> None:
    """Give a parcel what the section of rights says of it."""
    rights = document.rights.get(ordinal, {})
    draft.wrong = draft.wrong or document.wrong_rights.get(ordinal)
    for key in rights.keys() & draft.attributes.keys():
        one, other = draft.attributes[key], rights[key]
        if not same_meaning(key, one, other):
            draft.wrong = _contradiction(key, one, other, draft.line)
    draft.attributes.update(rights)


def _contradiction(key: str, one: str, other: str, line: int) -> UnusableError:
    """Name a key that one parcel has twice, with different values."""
    return UnusableError(
        f"{key} is {shown(one)} and {shown(other)}", RULE_CONTRADICTION, line
    )


def _is_header(line: str) -> bool:
    """Say whether a line has the fields of a parcel, without its @."""
    fields = [part.strip() for part in _fields(line)]
    return len(fields) <= MAX_FIELDS and any(
        part in _POLYGON_WORDS for part in fields[3:6]
    )


def _fields(line: str) -> list[str]:
    """Split a parcel's line: at full-width commas only where it has no others."""
    return line.split(",") if "," in line else re.split("[,，]", line)


def _begin(document: _Document, number: int, line: str) -> None:
    """Begin a parcel."""
    draft = _Draft(line=number, headed=True)
    document.drafts.append(draft)
    whole = line.rstrip("@ ")
    if whole == line:
        draft.repairs.append("the line of the parcel lacks its @")
    fields = [part.strip() for part in _fields(whole)]
    if len(fields) > MAX_FIELDS:
        draft.wrong = UnusableError(f"{len(fields)} fields", _RULE_LINE, number)
        return
    shapes = (*_POLYGON_WORDS, *_OTHER_SHAPES)
    at = next(
        (
            place
            for place, part in enumerate(fields)
            if place >= 2 and part.casefold() in shapes  # noqa: PLR2004 - see the format
        ),
        None,
    )
    if at is None:
        draft.repairs.append("no shape is named (面, 线 or 点): read as 面")
        at = 4
    else:
        draft.shape = fields[at].casefold()
    before = fields[:at]
    if before and not _WHOLE.fullmatch(before[0]):
        before.insert(0, "")
    count, area, parcel, name = (*before, "", "", "", "")[:4]
    draft.stated_count = int(count) if _WHOLE.fullmatch(count) else None
    draft.stated_area, draft.number, draft.name = (
        part[:MAX_TEXT] for part in (area, parcel, name)
    )
    draft.attributes.update(document.pending)
    draft.wrong, document.wrong = document.wrong, None
    document.pending.clear()
    for place, part in enumerate(fields[at + 1 :]):
        if part:
            known = place < len(_FIELD_NAMES)
            key = _FIELD_NAMES[place] if known else f"字段{at + place + 2}"
            draft.attributes[key] = part[:MAX_TEXT]


def _take_words_below(document: _Document) -> None:
    """Give the words below the corners to the parcel above them."""
    left, drafts = document.pending, document.drafts
    if not drafts or not any(map(is_read, left)):
        return
    first, last = drafts[0], drafts[-1]
    below = not any(map(is_read, first.attributes))
    if any(draft.headed for draft in drafts) or (len(drafts) > 1 and not below):
        document.repairs.append(
            f"{document.file}: {len(left)} lines below the last corner are not read: "
            f"{shown('; '.join(left))}"
        )
        return
    if len(drafts) > 1:
        for draft, following in pairwise(drafts):
            draft.attributes, draft.wrong = following.attributes, following.wrong
        last.attributes, last.wrong = dict(left), document.wrong
        return
    for key, value in left.items():
        known = last.attributes.setdefault(key, value)
        if not same_meaning(key, known, value):
            last.wrong = _contradiction(key, known, value, last.line)
    last.wrong = last.wrong or document.wrong


def _take_corners(document: _Document, number: int, line: str) -> bool:
    """Add the corners of a line, if it has any."""
    pieces = _pieces(line, number)
    if pieces is not None:
        drafts = document.drafts
        if not (drafts and drafts[-1].headed and not drafts[-1].corners):
            _open(document, number)
        document.drafts[-1].corners.extend(pieces)
        _require_bearable(document.drafts[-1], number)
        return True
    corner = _corner(line, number)
    if corner is None:
        return False
    if not document.drafts or (document.pending and not document.drafts[-1].headed):
        _open(document, number)
    document.drafts[-1].corners.append(corner)
    _require_bearable(document.drafts[-1], number)
    return True


def _is_beyond(document: _Document) -> bool:
    """Say whether the last parcel has so many corners that no more are looked at."""
    return bool(document.drafts) and document.drafts[-1].full


def _require_bearable(draft: _Draft, number: int) -> None:
    """Refuse a parcel of more corners than any has, before all are looked at."""
    if len(draft.corners) > MAX_CORNERS and not draft.full:
        draft.full = True
        draft.wrong = draft.wrong or UnusableError(
            f"more than {MAX_CORNERS} corners", RULE_CORNERS, number
        )


def _open(document: _Document, number: int) -> None:
    """Begin a parcel that no line of its own announces."""
    draft = _Draft(line=number, attributes=dict(document.pending), wrong=document.wrong)
    document.wrong = None
    document.pending.clear()
    document.drafts.append(draft)


def _pieces(line: str, number: int) -> list[_Corner] | None:
    """Split ``X1,Y1;X2,Y2;...``; None if a line is not that."""
    parts = [part for part in _PIECES.split(line) if part.strip()]
    if len(parts) < 3:  # noqa: PLR2004 - corners of a ring
        return None
    corners = [_corner(part.strip(), number) for part in parts]
    known = [corner for corner in corners if corner is not None]
    return known if len(known) == len(corners) else None


def _corner(line: str, number: int) -> _Corner | None:
    """Take a corner line apart; None if it is none."""
    if len(line) > MAX_CHARACTERS * 8:
        return None
    spaced = _MARK_SPACE.sub(r"\1", _XY.sub(" ", line))
    parts = [part for part in _SEPARATORS.split(spaced) if part]
    if len(parts) < 2:  # noqa: PLR2004 - two numbers
        return None
    sizes = [_size(part) for part in parts]
    pairs = [
        place
        for place in range(len(parts) - 1)
        if {sizes[place], sizes[place + 1]} in ({"n", "e"}, {"lon", "lat"})
    ]
    if not pairs:
        pairs = [
            place
            for place in (2, 1, 0)
            if place + 1 < len(parts)
            and sizes[place]
            and sizes[place + 1]
            and all(_NUMBERED.fullmatch(part) for part in parts[:place])
        ][:1]
        if not pairs:
            return None
    at = pairs[-1]
    others = parts[:at] + parts[at + 2 :]
    name, label = _names(others[:2] if at else [])
    return _Corner(name, label, parts[at], parts[at + 1], number)


def _names(others: Sequence[str]) -> tuple[str, str]:
    """Tell the name of a corner from the number of its ring."""
    if not others:
        return "", ""
    if len(others) == 1:
        return others[0].strip("()（）.:："), ""
    first, second = others
    if first.isdigit() and not second.isdigit():
        first, second = second, first
    return first, second if _WHOLE.fullmatch(second) else ""


def _size(part: str) -> str:
    """Say what a number can be by its size; empty if it is no number."""
    try:
        found = measure(part)
    except UnusableError:
        return ""
    value = float(found.number)
    if found.marked:
        return "lon" if value > _LAT[1] else "lat"
    sizes = [
        name
        for name, limits in (("n", _NORTHING), ("e", _EASTING), ("e", _LONG_EASTING))
        if limits[0] <= value <= limits[1]
    ]
    if "." in part:
        sizes += [
            name
            for name, limits in (("lon", _LON), ("lat", _LAT))
            if limits[0] <= value <= limits[1]
        ]
    return sizes[0] if sizes else "number"


def _take_key(document: _Document, number: int, line: str) -> bool:
    """Keep a key and its value, if a line is that."""
    found = _KEY.fullmatch(line)
    if not found:
        return False
    key, value = found[1].strip(), found[2].strip()[:MAX_TEXT]
    if document.section in ("", "属性描述") and not document.drafts:
        document.head.setdefault(key, value)
    if document.section != "属性描述":
        known = document.pending.setdefault(key, value)
        if document.wrong is None and not same_meaning(key, known, value):
            document.wrong = _contradiction(key, known, value, number)
    return True


def _not_understood(document: _Document, number: int, line: str) -> None:
    """Refuse a line, and the parcel that it stands in."""
    wrong = UnusableError(shown(line), _RULE_LINE, number)
    inside = document.section == "地块坐标" or (
        document.drafts and document.drafts[-1].headed
    )
    if document.drafts and (inside or _has_numbers(line)):
        draft = document.drafts[-1]
        draft.wrong = draft.wrong or wrong
    elif not document.drafts and document.section == "":
        document.repairs.append(
            f"{document.file}: line {number} is not read: {shown(line)}"
        )
    else:
        document.refuse(number, wrong.value, wrong.rule)


def _has_numbers(line: str) -> bool:
    """Say whether a line may be a corner gone wrong."""
    return len(re.findall(r"[0-9]{2,}", line)) > 1


def _declared(document: _Document) -> Declared:
    """Gather what the head of the file says of its coordinates."""
    head = document.head
    projection = head.get("投影类型", "")
    if re.search("utm|墨卡托|mercator", projection, re.IGNORECASE) and (
        "高斯" not in projection
    ):
        raise LicenceError(
            f"{document.file}: 投影类型={shown(projection)[1:-1]}: this format is in "
            "Gauss-Krueger (高斯克吕格); convert the file"
        )
    parameters = re.findall(r"[0-9.]+", head.get("转换参数", ""))
    if any(part.strip("0.") for part in parameters):
        document.repairs.append(f"{document.file}: 转换参数 are not applied")
    width_text = head.get("几度分带") or head.get("分带") or ""
    width = next((_WIDTHS[c] for c in width_text if c in _WIDTHS), None)
    zone_text = re.search("[0-9]{1,3}", head.get("带号", ""))
    meridian_text = head.get("中央子午线") or head.get("中央经线") or ""
    meridian = _DIGITS.search(meridian_text)
    zone = int(zone_text[0]) if zone_text else None
    if zone is None and meridian:
        degrees = float(meridian[0])
        number = (degrees + 3) / 6 if width == 6 else degrees / 3  # noqa: PLR2004
        zone = int(number) if number == int(number) else None
    return Declared(
        datum=head.get("坐标系", "")[:MAX_TEXT],
        zone=zone or None,
        zone_width=width,
        order=Order.NORTH_FIRST if head else Order.UNKNOWN,
        unit=head.get("计量单位", "")[:MAX_TEXT],
    )


def _parcel(document: _Document, draft: _Draft, declared: Declared) -> Parcel:
    """Finish a parcel."""
    if draft.shape not in _POLYGON_WORDS:
        raise UnusableError(
            f"shape {shown(draft.shape)}",
            "a licence has an area: points (点) and lines (线) are not read",
            draft.line,
        )
    if draft.wrong is not None:
        raise draft.wrong
    rings = tuple(_rings(draft.corners))
    if not rings:
        raise UnusableError("no corners", "a parcel has three or more", draft.line)
    doubt = _count_doubt(draft)
    attributes = dict(draft.attributes)
    if not draft.headed:
        inherited = document.head
        if any(names_licence(plain(key)) for key in attributes):
            # what is said of another licence above is not said of this one
            inherited = {k: v for k, v in inherited.items() if not is_read(k)}
        attributes = {**inherited, **attributes}
    return Parcel(
        file=document.file,
        where=f"line {draft.line}",
        line=draft.line,
        rings=rings,
        name=draft.name,
        number=draft.number,
        declared=declared,
        attributes=attributes,
        stated_area=draft.stated_area,
        stated_area_m2=in_square_metres(draft.stated_area, "ha"),
        repairs=tuple(draft.repairs),
        doubt=doubt,
    )


def _count_doubt(draft: _Draft) -> str:
    """Compare the stated number of corners with those that were read."""
    stated, read = draft.stated_count, len(draft.corners)
    different = len({(corner.first, corner.second) for corner in draft.corners})
    if not stated or stated in (read, different, different + 1):
        return ""
    return f"{stated} corners are stated and {read} are there: the file may be cut off"


def _rings(corners: Sequence[_Corner]) -> Iterator[Ring]:
    """Cut corners into rings: at another label, and where numbering restarts."""
    ring: list[_Corner] = []
    for corner in corners:
        if ring and _starts(ring, corner):
            yield _ring(ring)
            ring = []
        ring.append(corner)
    if ring:
        yield _ring(ring)


def _starts(ring: Sequence[_Corner], corner: _Corner) -> bool:
    """Say whether a corner begins another ring."""
    first = ring[0]
    if corner.label != first.label:
        return True
    restarts = bool(corner.name) and corner.name == first.name and len(ring) > 2  # noqa: PLR2004
    return restarts and (corner.first, corner.second) != (first.first, first.second)


def _ring(corners: Sequence[_Corner]) -> Ring:
    """Finish a ring."""
    return Ring(
        label=corners[0].label,
        corners=tuple((corner.first, corner.second) for corner in corners),
        line=corners[0].line,
    )


def _unescaped(value: str) -> str:
    """Give back the line breaks that the writer wrote as escapes."""
    return re.sub(
        r"\\([nr\\])", lambda found: {"n": "\n", "r": "\r"}.get(found[1], "\\"), value
    )
