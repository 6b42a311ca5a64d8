"""Alerts for a phone (KML) or a GPS receiver (GPX): where to go, and how far round.

Coordinates are longitude and latitude on WGS 84, which a receiver and a field app take
as they are; maps in GCJ-02 would show them some hundred metres off.
"""

import re
import xml.etree.ElementTree as ET  # written, never parsed
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shapely import MultiPolygon, Point, Polygon, get_parts

from rsmonitor.errors import OutputError
from rsmonitor.io.deliver.geojson import DECIMALS, notice, rounded
from rsmonitor.io.deliver.legend import TIER_LABELS
from rsmonitor.io.deliver.tables import clean
from rsmonitor.records.alert import M2_PER_MU, Alert
from rsmonitor.records.disturbance import CAUSE_LABELS
from rsmonitor.records.verdict import CATEGORY_LABELS, CERTAINTY_LABELS

NAME_CHARACTERS: Final = 6
"""Of a name on the screen of a receiver; more where two would be the same."""

KML: Final = "http://www.opengis.net/kml/2.2"
GPX: Final = "http://www.topografix.com/GPX/1/1"

_COLOURS: Final = {"high": "ff0000ff", "medium": "ff0080ff", "low": "ff00ffff"}
"""KML writes alpha, blue, green, red."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """One alert as a receiver shows it."""

    name: str
    point: Point
    polygons: tuple[Polygon, ...]
    title: str
    text: str
    tier: str
    alert: Alert


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How a package names one alert, and where it sends a person."""

    name: str
    """For the screen of a receiver."""

    point: Point
    """Inside the outline, CRS84."""


def short_names(alert_ids: Iterable[str]) -> dict[str, str]:
    """
    Name alerts for a small screen: short, unique, the same in every export.

    Parameters
    ----------
    alert_ids : iterable of str
        `Alert.alert_id` of all that go into one file.

    Returns
    -------
    dict of str to str
        Capitals and digits, the beginning of the id without its ``a``.

    Examples
    --------
    >>> short_names(["a75nsj5lybfro"])
    {'a75nsj5lybfro': '75NSJ5'}
    """
    ids = sorted(set(alert_ids))
    names: dict[str, str] = {}
    for length in range(NAME_CHARACTERS, 13):
        cut = [each[1 : 1 + length].upper() for each in ids]
        names |= {
            each: name
            for each, name in zip(ids, cut, strict=True)
            if each not in names and cut.count(name) == 1
        }
    return names


def write_kml(alerts: Sequence[Alert], *, invented: bool) -> bytes:
    """
    Write alerts as KML 2.2: a folder of points, and one of outlines.

    Parameters
    ----------
    alerts : sequence of Alert
        By rank.
    invented : bool
        True where licences are invented, which is said.

    Returns
    -------
    bytes
        UTF-8.

    Raises
    ------
    OutputError
        If a geometry is not longitude and latitude.
    """
    root = ET.Element("kml", xmlns=KML)
    document = ET.SubElement(root, "Document")
    _text(document, "name", "疑似线索 suspected cases")
    _text(document, "description", notice(invented=invented))
    for tier, colour in _COLOURS.items():
        style = ET.SubElement(document, "Style", id=tier)
        line = ET.SubElement(style, "LineStyle")
        _text(line, "color", colour)
        _text(line, "width", "2")
        _text(ET.SubElement(style, "PolyStyle"), "fill", "0")
    places = list(_places(alerts))
    for folder_name, points in (("点位 points", True), ("图斑 outlines", False)):
        folder = ET.SubElement(document, "Folder")
        _text(folder, "name", folder_name)
        for place in places:
            mark = ET.SubElement(folder, "Placemark")
            _text(mark, "name", place.name)
            _text(mark, "description", f"{place.title}\n{place.text}")
            _text(mark, "styleUrl", f"#{place.tier}")
            _extended(mark, place.alert)
            if points:
                point = ET.SubElement(mark, "Point")
                _text(point, "coordinates", _pair(place.point.x, place.point.y))
            else:
                _kml_outline(mark, place.polygons)
    return _document(root)


def write_gpx(
    alerts: Sequence[Alert],
    *,
    invented: bool,
    marks: Mapping[str, Mark] | None = None,
    route: Sequence[tuple[str, Point]] = (),
) -> bytes:
    """
    Write alerts as GPX 1.1: a waypoint each, and its outline as a track.

    Parameters
    ----------
    alerts : sequence of Alert
        By rank, or in the order of visits.
    invented : bool
        True where licences are invented, which is said.
    marks : Mapping of str to Mark, optional
        By `Alert.alert_id`: names and points of a package, in place of those that
        every export gives.
    route : sequence of tuple of str and Point, default ()
        Stops of a round, which becomes a route; none is written without them.

    Returns
    -------
    bytes
        UTF-8. Every ring is a segment that ends where it began.

    Raises
    ------
    OutputError
        If a geometry is not longitude and latitude.
    """
    root = ET.Element("gpx", xmlns=GPX, version="1.1", creator="rsmonitor")
    _text(ET.SubElement(root, "metadata"), "desc", notice(invented=invented))
    places = list(_places(alerts, marks))
    for place in places:
        mark = ET.SubElement(root, "wpt", _lat_lon(place.point.x, place.point.y))
        _text(mark, "name", place.name)
        _text(mark, "cmt", place.title)
        _text(mark, "desc", f"{place.title}; {place.text}")
        _text(mark, "sym", "Flag, Red" if place.tier == "high" else "Flag, Blue")
        _text(mark, "type", place.alert.verdict.category.value)
    if route:
        drawn = ET.SubElement(root, "rte")
        _text(drawn, "name", "走访顺序 visits")
        _text(drawn, "desc", "直线，不是道路 straight lines, not roads")
        for name, point in route:
            stop = ET.SubElement(drawn, "rtept", _lat_lon(point.x, point.y))
            _text(stop, "name", name)
    for place in places:
        track = ET.SubElement(root, "trk")
        _text(track, "name", place.name)
        _text(track, "desc", place.title)
        for polygon in place.polygons:
            for ring in (polygon.exterior, *polygon.interiors):
                segment = ET.SubElement(track, "trkseg")
                for x, y in ring.coords:
                    ET.SubElement(segment, "trkpt", _lat_lon(x, y))
    return _document(root)


def place_of(alert: Alert) -> tuple[Point, Polygon | MultiPolygon]:
    """
    Give the point that a person is sent to, and the outline, as every export has them.

    Parameters
    ----------
    alert : Alert
        The alert.

    Returns
    -------
    point : Point
        Inside the outline, CRS84, seven decimals.
    outline : Polygon or MultiPolygon
        As `rsmonitor.io.deliver.geojson.rounded` gives it.

    Raises
    ------
    OutputError
        If its geometry is not longitude and latitude, or is thinner than a centimetre.
    """
    outline = rounded(alert.site.latest.disturbance.geometry, what=alert.alert_id)
    if outline is None:
        raise OutputError(
            f"{alert.alert_id}: its outline is thinner than a centimetre; a site is at "
            "least a pixel"
        )
    inside = outline.representative_point()
    return Point(round(inside.x, DECIMALS), round(inside.y, DECIMALS)), outline


def _places(
    alerts: Sequence[Alert], marks: Mapping[str, Mark] | None = None
) -> Iterator[_Place]:
    """Say of each alert what a small screen shows."""
    names = short_names(alert.alert_id for alert in alerts)
    for alert in alerts:
        point, outline = place_of(alert)
        name = names[alert.alert_id]
        if marks and alert.alert_id in marks:
            mark = marks[alert.alert_id]
            name, point = mark.name, mark.point
        seen, verdict = alert.site.latest.disturbance, alert.verdict
        zh, en = CATEGORY_LABELS[verdict.category]
        sure = CERTAINTY_LABELS[verdict.certainty]
        tier, cause = TIER_LABELS[seen.tier], CAUSE_LABELS[alert.site.latest.cause]
        mu = seen.area_m2 / M2_PER_MU
        yield _Place(
            name=name,
            point=point,
            polygons=tuple(p for p in get_parts(outline) if isinstance(p, Polygon)),
            title=f"{zh} {mu:.1f}亩 ({en}, {mu:.1f} mu)",
            text=(
                f"{alert.alert_id} v{alert.version}; 证据{tier[0]} {tier[1]}; "
                f"把握{sure[0]} {sure[1]}; {cause[0]} {cause[1]}; "
                f"首次发现 first seen {seen.began_by}; "
                f"最近可见 last seen {seen.last_seen}"
            ),
            tier=seen.tier.code,
            alert=alert,
        )


def _extended(mark: ET.Element, alert: Alert) -> None:
    """Add what a field app filters by."""
    seen = alert.site.latest.disturbance
    data = ET.SubElement(mark, "ExtendedData")
    for key, value in (
        ("alert_id", alert.alert_id),
        ("version", str(alert.version)),
        ("rank", str(alert.rank)),
        ("tier", seen.tier.code),
        ("category", alert.verdict.category.value),
        ("area_mu", f"{seen.area_m2 / M2_PER_MU:.2f}"),
        ("first_seen", seen.began_by.isoformat()),
        ("licence_ids", "、".join(alert.verdict.licence_ids)),
    ):
        _text(ET.SubElement(data, "Data", name=key), "value", value)


def _kml_outline(mark: ET.Element, polygons: Sequence[Polygon]) -> None:
    """Draw polygons with their holes."""
    parent = mark if len(polygons) == 1 else ET.SubElement(mark, "MultiGeometry")
    for polygon in polygons:
        drawn = ET.SubElement(parent, "Polygon")
        rings = [("outerBoundaryIs", polygon.exterior)]
        rings += [("innerBoundaryIs", ring) for ring in polygon.interiors]
        for role, ring in rings:
            line = ET.SubElement(ET.SubElement(drawn, role), "LinearRing")
            _text(line, "coordinates", " ".join(_pair(x, y) for x, y in ring.coords))


def _number(value: float) -> str:
    """Write a coordinate."""
    return re.sub(r"\.?0+$", "", f"{value:.{DECIMALS}f}")


def _pair(x: float, y: float) -> str:
    """Write a place as KML does."""
    return f"{_number(x)},{_number(y)}"


def _lat_lon(x: float, y: float) -> dict[str, str]:
    """Write a place as GPX does."""
    return {"lat": _number(y), "lon": _number(x)}


def _text(parent: ET.Element, tag: str, text: str) -> None:
    """Add an element that holds text."""
    ET.SubElement(parent, tag).text = clean(text)


def _document(root: ET.Element) -> bytes:
    """Write a document."""
    ET.indent(root, space=" ")
    body: bytes = ET.tostring(root, encoding="UTF-8", xml_declaration=True)
    return body + b"\n"
