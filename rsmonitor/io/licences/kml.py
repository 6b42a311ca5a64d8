"""KML and KMZ: parsed as XML that may be hostile, with nothing in it followed.

KML is always in WGS 84 longitude and latitude; that drawings on Chinese web maps are
shifted all the same (GCJ-02) is noticed where coordinates are judged.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from rsmonitor.errors import LicenceError
from rsmonitor.io.licences.attributes import MAX_TEXT, identity
from rsmonitor.io.licences.found import Refusal, UnusableError
from rsmonitor.io.licences.parcel import Declared, Order, Parcel, ParcelFile, Ring
from rsmonitor.io.licences.rings import MAX_CORNERS, RULE_CORNERS
from rsmonitor.io.licences.untrusted import Members, is_zip, read_bytes, shown

MAX_ELEMENTS: Final = 1_000_000
"""Most elements of a document."""

MAX_DEPTH: Final = 100
"""Deepest nesting; folders in folders are some ten deep."""

MAX_ATTRIBUTES: Final = 300
"""Most fields of one placemark."""

_MAX_DESCRIPTION: Final = 20_000
_NAMESPACES: Final = re.compile(
    r"http://(www\.opengis\.net/kml/|earth\.google\.com/kml/)[0-9.x]{1,10}|"
)
_DECLARED: Final = Declared(definition="EPSG:4326", order=Order.EAST_FIRST)
_TABLE_ROW: Final = re.compile(
    r"<t[dh][^<>]{0,200}>([^<>]{1,100})</t[dh]>\s{0,20}<td[^<>]{0,200}>([^<>]{0,500})</td>",
    re.IGNORECASE,
)
_RULE_POSITION: Final = "corners are longitude,latitude, with white space between them"
_RULE_AREAS: Final = "a licence is an area: draw it as a polygon"
_KINDS: Final = {
    "Point": "a point",
    "LineString": "a line",
    "LinearRing": "a ring outside a polygon",
    "Model": "a model",
    "Track": "a track",
}


class _Bounded(TreeBuilder):
    """Builds a tree of bearable size and depth."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the parser's
        super().__init__(*args, **kwargs)
        self._depth = 0
        self._count = 0

    def start(self, tag: Any, attrs: Any, /) -> Element:  # noqa: ANN401 - the parser's
        """Open an element."""
        self._depth += 1
        self._count += 1
        if self._depth > MAX_DEPTH:
            raise UnusableError(
                f"{self._depth} elements in each other", f"at most {MAX_DEPTH} are read"
            )
        if self._count > MAX_ELEMENTS:
            raise UnusableError(
                f"{self._count} elements", f"at most {MAX_ELEMENTS} are read"
            )
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        """Close an element."""
        self._depth -= 1
        return super().end(tag)


def read_kml(path: Path) -> ParcelFile:
    """
    Read the polygons of a KML or KMZ file.

    Parameters
    ----------
    path : Path
        KML, or a KMZ, of which the first ``.kml`` at its top is read.

    Returns
    -------
    ParcelFile
        A parcel for each placemark with polygons; ExtendedData are its attributes.

    Raises
    ------
    LicenceError
        If the file is missing, too large, no KML, declares a document type or
        entities, is nested too deeply, or is a zip built to harm.

    Examples
    --------
    >>> read_kml(Path("no-such.kml"))
    Traceback (most recent call last):
    rsmonitor.errors.LicenceError: no-such.kml: there is no such file
    """
    content = read_bytes(path, what="a KML or KMZ file")
    file = str(path)
    repairs: list[str] = []
    if is_zip(content):
        content = _document(file, content, repairs)
    root = _parsed(file, content)
    followed = sum(1 for _ in _all(root, "NetworkLink"))
    if followed:
        repairs.append(f"{file}: {followed} links to other files are not followed")
    parcels: list[Parcel] = []
    refused: list[Refusal] = []
    for number, placemark in enumerate(_all(root, "Placemark"), start=1):
        name = _text(placemark, "name")
        where = f"placemark {number}" + (f" ({shown(name)[1:-1]})" if name else "")
        try:
            parcels.append(_parcel(file, where, number, placemark, repairs))
        except UnusableError as error:
            refused.append(
                Refusal(
                    file=file,
                    where=where,
                    value=error.value,
                    rule=error.rule,
                    line=number,
                )
            )
    return ParcelFile(
        parcels=tuple(parcels), refused=tuple(refused), repairs=tuple(repairs)
    )


def _document(file: str, content: bytes, repairs: list[str]) -> bytes:
    """Give the document of a KMZ."""
    members = Members(file, content)
    found = [name for name in members.names if name.lower().endswith(".kml")]
    at_top = [name for name in found if "/" not in name] or found
    if not at_top:
        raise LicenceError(
            f"{file}: no member ends in .kml, of {len(members.names)}: a KMZ holds "
            "doc.kml; export it again"
        )
    chosen = "doc.kml" if "doc.kml" in at_top else at_top[0]
    repairs.extend(
        f"{file}: {shown(name)} in it is not read; {chosen} is its document"
        for name in found
        if name != chosen
    )
    return members.read(chosen)


def _parsed(file: str, content: bytes) -> Element:
    """Parse XML without document types, entities, or unbearable depth."""
    parser: Any = DefusedXMLParser(target=_Bounded(), forbid_dtd=True)
    try:
        parser.feed(content)
        root: Element = parser.close()
    except DefusedXmlException as error:
        raise LicenceError(
            f"{file}: declares a document type or entities ({type(error).__name__}): "
            "no KML does; it is hostile, or was made by hand: take them out"
        ) from error
    except UnusableError as error:
        raise LicenceError(f"{file}: {error}; it is hostile, or split it") from error
    except (ParseError, ValueError, LookupError) as error:
        raise LicenceError(
            f"{file}: is not XML ({error}); export it again as KML"
        ) from error
    if _name(root) != "kml":
        raise LicenceError(
            f"{file}: its root element is {shown(root.tag)}: that of KML is kml; name "
            "the file by what it is"
        )
    return root


def _name(element: Element) -> str:
    """Give the name of an element of KML, whatever its version; else nothing."""
    space, _, name = element.tag.rpartition("}")
    return name if _NAMESPACES.fullmatch(space.removeprefix("{")) else ""


def _all(element: Element, name: str) -> Iterator[Element]:
    """Give the elements of a name inside another, at any depth."""
    return (inner for inner in element.iter() if _name(inner) == name)


def _text(element: Element, name: str, limit: int = MAX_TEXT) -> str:
    """Give the text of the first child of a name, on one line."""
    for child in element:
        if _name(child) == name:
            return _line(child.text, limit)
    return ""


def _line(text: str | None, limit: int = MAX_TEXT) -> str:
    """Bring text to one line."""
    return " ".join((text or "").split())[:limit]


def _parcel(
    file: str, where: str, number: int, placemark: Element, repairs: list[str]
) -> Parcel:
    """Read one placemark."""
    polygons = list(_all(placemark, "Polygon"))
    others = [
        kind
        for name, kind in _KINDS.items()
        for _ in _all(placemark, name)
        if name != "LinearRing"
    ]
    if not polygons:
        loose = [kind for name, kind in _KINDS.items() for _ in _all(placemark, name)]
        raise UnusableError(
            f"it is {loose[0]}" if loose else "it has no geometry", _RULE_AREAS
        )
    repairs.extend(f"{file}, {where}: {kind} in it is not read" for kind in others)
    rings = tuple(ring for polygon in polygons for ring in _polygon_rings(polygon))
    attributes = _attributes(placemark)
    found = identity(attributes)
    return Parcel(
        file=file,
        where=where,
        rings=rings,
        line=number,
        name=found.name or _text(placemark, "name"),
        number=found.number,
        declared=_DECLARED,
        attributes=attributes,
        stated_area=found.stated_area,
        stated_area_m2=found.stated_area_m2,
    )


def _polygon_rings(polygon: Element) -> list[Ring]:
    """Read the outer ring and the holes of a polygon."""
    rings: list[Ring] = []
    for boundary in polygon:
        if _name(boundary) in {"outerBoundaryIs", "innerBoundaryIs"}:
            rings.extend(
                Ring(label="", corners=_corners(coordinates))
                for ring in _all(boundary, "LinearRing")
                for coordinates in _all(ring, "coordinates")
            )
    if not rings:
        raise UnusableError(
            "a polygon without outerBoundaryIs", "a polygon has an outer ring"
        )
    return rings


def _corners(coordinates: Element) -> tuple[tuple[float, float], ...]:
    """Read positions; heights are of no use here."""
    text = coordinates.text or ""
    corners: list[tuple[float, float]] = []
    # some programs put a space after the comma
    for position in ",".join(part.strip() for part in text.split(",")).split():
        if len(corners) > MAX_CORNERS:
            raise UnusableError(f"more than {MAX_CORNERS} corners", RULE_CORNERS)
        parts = position.split(",")
        try:
            longitude, latitude = float(parts[0]), float(parts[1])
        except (ValueError, IndexError) as error:
            raise UnusableError(shown(position), _RULE_POSITION) from error
        # written so that NaN and infinity fail too
        if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):  # noqa: PLR2004
            raise UnusableError(
                shown(position),
                "KML is in degrees, longitude from -180 to 180 first, then latitude "
                "from -90 to 90; export it again",
            )
        corners.append((longitude, latitude))
    if not corners:
        raise UnusableError("a ring without coordinates", _RULE_POSITION)
    return tuple(corners)


def _attributes(placemark: Element) -> dict[str, str]:
    """Read ExtendedData, and the table that ArcGIS writes into the description."""
    found: dict[str, str] = {}

    def add(key: str, value: str) -> None:
        if key and value and len(found) < MAX_ATTRIBUTES:
            found.setdefault(key, value)

    add("name", _text(placemark, "name"))
    for data in _all(placemark, "Data"):
        add(_line(data.get("name")), _text(data, "value"))
    for data in _all(placemark, "SimpleData"):
        add(_line(data.get("name")), _line(data.text))
    description = _text(placemark, "description", _MAX_DESCRIPTION)
    rows = _TABLE_ROW.findall(description)
    for key, value in rows:
        add(_line(key), _line(value))
    if not rows and "<" not in description:
        add("description", description[:MAX_TEXT])
    return found
