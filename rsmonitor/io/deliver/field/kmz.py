"""The week's sites for a globe or a field app: one KMZ with its pictures inside.

Everything that it shows lies in the archive: icons and images too, so that it opens
without a network. What strangers wrote is escaped twice, for HTML and for XML, and no
CDATA is used that could be broken out of.
"""

import html
import io
import xml.etree.ElementTree as ET  # written, never parsed
import zipfile
from collections.abc import Sequence
from typing import Final

import shapely
from PIL import Image, ImageDraw
from shapely import Polygon

from rsmonitor.io.deliver.field.chips import chip_pngs
from rsmonitor.io.deliver.field.visits import Plan, Visit
from rsmonitor.io.deliver.field.words import NOT_APPLICABLE, WORDS
from rsmonitor.io.deliver.geojson import rounded
from rsmonitor.io.deliver.handheld import KML
from rsmonitor.io.deliver.tables import clean
from rsmonitor.records.package import CHIP_LABELS, ChipRole
from rsmonitor.records.rasters import Tier

CHIP_SIDE: Final = 256
"""Pixels of an image in a balloon."""

FOLDER: Final = "files"
"""Where images lie in the archive."""

_COLOURS: Final = {
    Tier.HIGH: "#d55e00",
    Tier.MEDIUM: "#e69f00",
    Tier.LOW: "#f0e442",
}
"""By tier; told apart with the common colour vision deficiencies."""

_CORNERS: Final = {Tier.HIGH: 3, Tier.MEDIUM: 4, Tier.LOW: 36}
"""The icon's shape says it too: triangle, square, disc."""

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_ICON: Final = 64


def sites_kmz(plan: Plan) -> bytes:
    """
    Pack the sites of a week.

    Parameters
    ----------
    plan : Plan
        The week's visits.

    Returns
    -------
    bytes
        KMZ: ``doc.kml`` first, then its images. The same plan gives the same bytes.

    Raises
    ------
    OutputError
        If a geometry is not longitude and latitude.
    """
    files: dict[str, bytes] = {}
    for tier in _COLOURS:
        files[f"{FOLDER}/{tier.code}.png"] = _icon(tier)
    for (number, role), png in chip_pngs(plan, side=CHIP_SIDE, grey=False).items():
        files[_image(number, role)] = png
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as packed:
        _add(packed, "doc.kml", _document(plan), zipfile.ZIP_DEFLATED)
        for name, png in files.items():
            _add(packed, name, png, zipfile.ZIP_STORED)
    return written.getvalue()


def _add(packed: zipfile.ZipFile, name: str, data: bytes, how: int) -> None:
    """Add a file without the time at which it was made."""
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = how
    entry.external_attr = 0o644 << 16
    packed.writestr(entry, data)


def _image(number: int, role: ChipRole) -> str:
    """Name an image by the number of its visit: no outside text is in a path."""
    return f"{FOLDER}/{number:03d}-{role.value}.png"


def _document(plan: Plan) -> bytes:
    """Write ``doc.kml``."""
    language, package = plan.language, plan.package
    root = ET.Element("kml", xmlns=KML)
    document = ET.SubElement(root, "Document")
    title = f"{WORDS['title'][language]} {plan.area} {package.week}"
    _text(document, "name", title)
    _text(document, "open", "1")
    said = [plan.notice[language], *(remark[language] for remark in plan.remarks)]
    _text(document, "description", "<br/>".join(_html(each) for each in said))
    for tier, colour in _COLOURS.items():
        _style(document, tier, colour)
    route = ET.SubElement(document, "Style", id="route")
    _line(route, "ffb27200", 3)
    folder = _folder(document, WORDS["point"][language])
    for visit in plan.visits:
        mark = _placemark(folder, plan, visit)
        point = ET.SubElement(mark, "Point")
        place = visit.dossier.point
        _text(point, "coordinates", f"{place.x:.7f},{place.y:.7f}")
    folder = _folder(document, "图斑" if language == "zh" else "Outlines")
    for visit in plan.visits:
        _outline(_placemark(folder, plan, visit), visit)
    if plan.visits:
        _route(document, plan)
    ET.indent(root, space=" ")
    body: bytes = ET.tostring(root, encoding="UTF-8", xml_declaration=True)
    return body + b"\n"


def _style(document: ET.Element, tier: Tier, colour: str) -> None:
    """Say how a tier looks."""
    red, green, blue = colour[1:3], colour[3:5], colour[5:7]
    style = ET.SubElement(document, "Style", id=tier.code)
    icon = ET.SubElement(style, "IconStyle")
    _text(icon, "scale", "0.8")
    _text(ET.SubElement(icon, "Icon"), "href", f"{FOLDER}/{tier.code}.png")
    _text(ET.SubElement(style, "LabelStyle"), "scale", "0.9")
    _line(style, f"ff{blue}{green}{red}", 3)
    poly = ET.SubElement(style, "PolyStyle")
    _text(poly, "color", f"33{blue}{green}{red}")
    # only the description: the default balloon adds links for directions
    _text(ET.SubElement(style, "BalloonStyle"), "text", "$[description]")


def _line(style: ET.Element, colour: str, width: int) -> None:
    """Say how a line looks; KML writes alpha, blue, green, red."""
    line = ET.SubElement(style, "LineStyle")
    _text(line, "color", colour)
    _text(line, "width", str(width))


def _folder(document: ET.Element, name: str) -> ET.Element:
    """Add a folder."""
    folder = ET.SubElement(document, "Folder")
    _text(folder, "name", name)
    return folder


def _placemark(folder: ET.Element, plan: Plan, visit: Visit) -> ET.Element:
    """Add a site with its balloon; what has which geometry is added by the caller."""
    mark = ET.SubElement(folder, "Placemark")
    _text(mark, "name", f"{visit.number} {visit.name}")
    _text(mark, "Snippet", f"{visit.area_mu:.1f} {WORDS['mu'][plan.language]}")
    _text(mark, "description", _balloon(plan, visit))
    tier = visit.dossier.alert.site.latest.disturbance.tier
    _text(mark, "styleUrl", f"#{tier.code}")
    data = ET.SubElement(mark, "ExtendedData")
    for key, value in (
        ("visit", str(visit.number)),
        ("place", str(visit.dossier.place)),
        ("short_name", visit.name),
        ("alert_id", visit.dossier.alert.alert_id),
        ("tier", tier.code),
        ("category", visit.dossier.alert.verdict.category.value),
        ("area_mu", f"{visit.area_mu:.2f}"),
    ):
        _text(ET.SubElement(data, "Data", name=key), "value", value)
    return mark


def _balloon(plan: Plan, visit: Visit) -> str:
    """Write the HTML of a balloon."""
    language, dossier, grid = plan.language, visit.dossier, visit.grid
    no = NOT_APPLICABLE[language]
    gauss = (
        no
        if grid is None
        else f"X {grid.northing_m:.2f}, Y {grid.easting_m:.2f} (EPSG:{grid.epsg})"
    )
    web = no
    if visit.web_map is not None:
        web = f"{visit.web_map.y:.6f}, {visit.web_map.x:.6f}"
    rows = (
        ("visit", f"{visit.number} / {len(plan.visits)}"),
        ("place", str(dossier.place)),
        ("id", dossier.alert.alert_id),
        ("county", visit.county[language]),
        ("category", visit.category[language]),
        ("area", f"{visit.area_mu:.1f} {WORDS['mu'][language]}"),
        ("tier", visit.tier[language]),
        ("seen", " / ".join(visit.seen)),
        ("degrees", f"{visit.latitude}, {visit.longitude}"),
        ("dms", f"{visit.dms_latitude} {visit.dms_longitude}"),
        ("grid", gauss),
        ("web", web),
        ("causes", visit.causes[language]),
    )
    parts = [f"<h2>{_html(visit.name)}</h2>", '<table width="480">']
    parts += [
        f"<tr><td>{_html(WORDS[key][language])}</td><td>{_html(value)}</td></tr>"
        for key, value in rows
    ]
    parts.append("</table>")
    for chip in dossier.chips:
        zh, en = CHIP_LABELS[chip.role]
        days = " – ".join(  # noqa: RUF001 - between days
            day.isoformat() for day in (chip.days[:1] + chip.days[1:][-1:])
        )
        label = _html(f"{zh if language == 'zh' else en} {days}")
        parts.append(
            f'<p>{label}<br/><img src="{_image(visit.number, chip.role)}" '
            f'width="{CHIP_SIDE}"/></p>'
        )
    for key, reasons in (
        ("look_for", visit.look_for),
        ("why", visit.why),
        ("near", visit.near),
    ):
        items = "".join(f"<li>{_html(each[language])}</li>" for each in reasons)
        parts.append(f"<b>{_html(WORDS[key][language])}</b><ul>{items}</ul>")
    parts.append(f"<p>{_html(plan.notice[language])}</p>")
    return "".join(parts)


def _outline(mark: ET.Element, visit: Visit) -> None:
    """Draw the outline of a site with its holes."""
    alert = visit.dossier.alert
    outline = rounded(alert.site.latest.disturbance.geometry, what=alert.alert_id)
    parent = ET.SubElement(mark, "MultiGeometry")
    for part in shapely.get_parts(outline) if outline is not None else ():
        if not isinstance(part, Polygon):
            continue
        drawn = ET.SubElement(parent, "Polygon")
        _text(drawn, "tessellate", "1")
        rings = [("outerBoundaryIs", part.exterior)]
        rings += [("innerBoundaryIs", ring) for ring in part.interiors]
        for role, ring in rings:
            line = ET.SubElement(ET.SubElement(drawn, role), "LinearRing")
            _coordinates(line, shapely.get_coordinates(ring).tolist())


def _route(document: ET.Element, plan: Plan) -> None:
    """Draw the round."""
    mark = ET.SubElement(document, "Placemark")
    _text(mark, "name", WORDS["round"][plan.language])
    _text(mark, "description", _html(plan.remarks[0][plan.language]))
    _text(mark, "styleUrl", "#route")
    stops = [visit.dossier.point for visit in plan.visits]
    start = plan.package.visit_start
    way = [*stops, stops[0]] if start is None else [start, *stops, start]
    line = ET.SubElement(mark, "LineString")
    _text(line, "tessellate", "1")
    _coordinates(line, [(stop.x, stop.y) for stop in way])


def _coordinates(parent: ET.Element, pairs: Sequence[Sequence[float]]) -> None:
    """Write places."""
    _text(parent, "coordinates", " ".join(f"{x:.7f},{y:.7f}" for x, y in pairs))


def _html(text: str) -> str:
    """Make a text safe in HTML; a globe would also fill in ``$[name]``."""
    return html.escape(clean(text)).replace("$[", "&#36;[")


def _text(parent: ET.Element, tag: str, text: str) -> None:
    """Add an element that holds text."""
    ET.SubElement(parent, tag).text = clean(text)


def _icon(tier: Tier) -> bytes:
    """Draw the icon of a tier: its colour and shape in a black rim."""
    image = Image.new("RGBA", (_ICON, _ICON))
    draw = ImageDraw.Draw(image)
    circle = (_ICON / 2, _ICON / 2, _ICON * 0.46)
    turn = 45 if _CORNERS[tier] == 4 else 0  # noqa: PLR2004 - a square on its side
    draw.regular_polygon(
        circle,
        _CORNERS[tier],
        rotation=turn,
        fill=_COLOURS[tier],
        outline="black",
        width=5,
    )
    written = io.BytesIO()
    image.save(written, format="PNG")
    return written.getvalue()
