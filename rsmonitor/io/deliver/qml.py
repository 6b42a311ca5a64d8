"""QGIS layer styles (QML) as text, so that a delivery opens styled.

Only the parts that matter are written: renderer, labels, titles of the columns, and
lists of codes. Properties are ``prop`` elements, which QGIS 3.22 and every later
version read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from xml.etree import ElementTree as ET

Element: TypeAlias = ET.Element
"""A piece of a style."""

_HALO_MM: Final = 0.7
"""By how much a halo is wider than its outline."""

_HEAD: Final = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a legend."""

    value: str
    """Code in the data."""

    label: str
    """What people read."""

    fill: str | None
    """Colour ``#rrggbb``; None for an outline only."""

    outline: str
    """Colour ``#rrggbb``."""

    outline_mm: float
    """Width of the outline, millimetres."""

    line: str = "solid"
    """Outline, one of Qt's: ``solid``, ``dash`` or ``dot``."""

    fill_alpha: int = 200
    """How dense the fill is, 0 to 255: what shall be judged must be seen through it."""

    halo: str | None = None
    """Colour ``#rrggbb`` of a wider line under the outline, for outlines on imagery."""


def categorised(
    field: str, entries: Sequence[Entry], *, other: Entry | None = None
) -> str:
    """
    Write a renderer that draws each code in its own way.

    Parameters
    ----------
    field : str
        Column that holds the codes, or a QGIS expression that gives them.
    entries : sequence of Entry
        One a code, in the order of the legend.
    other : Entry, optional
        For every code that is not listed.

    Returns
    -------
    str
        A ``renderer-v2`` element.
    """
    renderer = ET.Element(
        "renderer-v2",
        type="categorizedSymbol",
        attr=field,
        symbollevels="0",
        forceraster="0",
        enableorderby="0",
    )
    listed = [*entries, *([other] if other else [])]
    categories = ET.SubElement(renderer, "categories")
    symbols = ET.SubElement(renderer, "symbols")
    for index, entry in enumerate(listed):
        ET.SubElement(
            categories,
            "category",
            symbol=str(index),
            value=entry.value,
            label=entry.label,
            render="true",
            type="string",
        )
        symbols.append(_symbol(str(index), entry))
    return ET.tostring(renderer, encoding="unicode")


def single(entry: Entry) -> str:
    """
    Write a renderer that draws everything alike.

    Parameters
    ----------
    entry : Entry
        How.

    Returns
    -------
    str
        A ``renderer-v2`` element.
    """
    renderer = ET.Element(
        "renderer-v2",
        type="singleSymbol",
        symbollevels="0",
        forceraster="0",
        enableorderby="0",
    )
    ET.SubElement(renderer, "symbols").append(_symbol("0", entry))
    return ET.tostring(renderer, encoding="unicode")


def document(
    renderer: str,
    *,
    titles: Mapping[str, str],
    code_lists: Mapping[str, Mapping[str, str]],
    label_field: str | None = None,
    extra: Sequence[Element] = (),
) -> str:
    """
    Write a whole style.

    Parameters
    ----------
    renderer : str
        A ``renderer-v2`` element.
    titles : Mapping
        Title of each column.
    code_lists : Mapping
        By column: label of each code it may hold.
    label_field : str, optional
        Column that is written beside each feature.
    extra : sequence of Element, optional
        What else it holds: forms, map tips.

    Returns
    -------
    str
        What QGIS calls a QML file.
    """
    root = ET.Element(
        "qgis",
        version="3.22.0",
        styleCategories="Symbology|Labeling|Fields|Forms",
        labelsEnabled="1" if label_field else "0",
    )
    fields = ET.SubElement(root, "fieldConfiguration")
    for column in titles:
        field = ET.SubElement(fields, "field", name=column, configurationFlags="None")
        if column in code_lists:
            field.append(value_map(code_lists[column]))
    aliases = ET.SubElement(root, "aliases")
    # index 0 is the feature id
    for index, (column, title) in enumerate(titles.items(), start=1):
        ET.SubElement(aliases, "alias", index=str(index), field=column, name=title)
    root.append(ET.fromstring(renderer))  # noqa: S314 - our own text
    if label_field:
        root.append(labels(label_field))
    root.extend(extra)
    ET.SubElement(root, "layerGeometryType").text = "2"
    return _HEAD + ET.tostring(root, encoding="unicode")


def layer_style(renderer: str, parts: Sequence[Element]) -> str:
    """
    Write a style of which everything but the renderer is given as it is.

    Parameters
    ----------
    renderer : str
        A ``renderer-v2`` element.
    parts : sequence of Element
        Fields, forms, labels, map tips, in any order.

    Returns
    -------
    str
        What QGIS calls a QML file.
    """
    root = ET.Element(
        "qgis",
        version="3.22.0",
        styleCategories="AllStyleCategories",
        labelsEnabled="1",
    )
    root.extend(parts)
    root.append(ET.fromstring(renderer))  # noqa: S314 - our own text
    ET.SubElement(root, "layerGeometryType").text = "2"
    return _HEAD + ET.tostring(root, encoding="unicode")


def labels(field: str, *, expression: bool = False, always: bool = False) -> Element:
    """
    Write labels with a white halo.

    Parameters
    ----------
    field : str
        Column that is written beside each feature, or an expression.
    expression : bool, default False
        Which of the two it is.
    always : bool, default False
        Whether a label is drawn where it lies over another one too.

    Returns
    -------
    Element
        A ``labeling`` element.
    """
    labeling = ET.Element("labeling", type="simple")
    settings = ET.SubElement(labeling, "settings", calloutType="simple")
    style = ET.SubElement(
        settings,
        "text-style",
        fieldName=field,
        fontSize="9",
        fontSizeUnit="Point",
        textColor="0,0,0,255",
        isExpression=str(int(expression)),
    )
    ET.SubElement(
        style,
        "text-buffer",
        bufferDraw="1",
        bufferSize="0.8",
        bufferSizeUnits="MM",
        bufferColor="255,255,255,255",
    )
    ET.SubElement(settings, "placement", placement="1", placementFlags="10")
    rendering = ET.SubElement(settings, "rendering", drawLabels="1", obstacle="1")
    if always:
        rendering.set("displayAll", "1")
        style.set("fontWeight", "75")
    return labeling


def value_map(codes: Mapping[str, str]) -> Element:
    """
    Write the widget that shows labels for codes.

    Parameters
    ----------
    codes : Mapping of str to str
        Label by code, in the order of the list.

    Returns
    -------
    Element
        An ``editWidget`` element.
    """
    widget = ET.Element("editWidget", type="ValueMap")
    config = ET.SubElement(widget, "config")
    options = ET.SubElement(config, "Option", type="Map")
    entries = ET.SubElement(options, "Option", type="List", name="map")
    for code, label in codes.items():
        entry = ET.SubElement(entries, "Option", type="Map")
        ET.SubElement(entry, "Option", type="QString", name=label, value=code)
    return widget


def _symbol(name: str, entry: Entry) -> ET.Element:
    """Write a fill symbol."""
    symbol = ET.Element(
        "symbol",
        type="fill",
        name=name,
        alpha="1",
        clip_to_extent="1",
        force_rhr="0",
    )
    style = {
        "color": _rgba(entry.fill or "#ffffff", entry.fill_alpha if entry.fill else 0),
        "joinstyle": "miter",
        "outline_color": _rgba(entry.outline, 255),
        "outline_style": entry.line,
        "outline_width": f"{entry.outline_mm:g}",
        "outline_width_unit": "MM",
        "style": "solid" if entry.fill else "no",
    }
    if entry.halo is not None:
        wider = entry.outline_mm + _HALO_MM
        halo = {
            "style": "no",
            "outline_style": "solid",
            "outline_color": _rgba(entry.halo, 255),
            "outline_width": f"{wider:g}",
        }
        _symbol_layer(symbol, {**style, **halo})
    _symbol_layer(symbol, style)
    return symbol


def _symbol_layer(symbol: Element, properties: Mapping[str, str]) -> None:
    """Add a simple fill to a symbol."""
    layer = ET.SubElement(
        symbol, "layer", {"class": "SimpleFill", "enabled": "1", "locked": "0"}
    )
    layer.set("pass", "0")
    for key, value in properties.items():
        ET.SubElement(layer, "prop", k=key, v=value)


def _rgba(colour: str, alpha: int) -> str:
    """Write a colour as QGIS does: ``213,94,0,255``."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"{red},{green},{blue},{alpha}"
