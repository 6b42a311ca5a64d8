"""Forms, attribute tables and map tips of QGIS layers, as pieces of a style."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree as ET

from rsmonitor.io.deliver.qml import Element, value_map

_NULL: Final = "{2839923C-8B7D-419E-B84B-CA2FE9B80EC7}"
"""What a list of codes holds where QGIS shall write NULL."""

_EXPRESSION: Final = "4"
_HARD: Final = "1"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FormField:
    """One column in a form and in the attribute table."""

    column: str
    """Name of the column."""

    title: str
    """What people read."""

    widget: Element
    """From one of the functions below."""

    editable: bool = False
    """Whether people may write there."""

    default: str = ""
    """Expression that fills it whenever the feature is changed; empty for none."""

    constraint: str = ""
    """Expression that must be true; empty for none."""

    why: str = ""
    """What the form says where it is not."""

    in_table: bool = True
    """Whether the attribute table shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Fields that stand together in a frame."""

    title: str
    """Title of the frame."""

    columns: tuple[str, ...]
    """From the top."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """One page of a form."""

    title: str
    """What stands on its tab."""

    groups: tuple[Group | tuple[Group, ...], ...]
    """From the top; those in a tuple stand side by side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a layer is edited and read."""

    fields: Sequence[FormField]
    """In the order of the columns of the table."""

    tabs: Sequence[Tab]
    """Pages; the first is the one that opens."""

    display: str
    """Expression that names a feature in lists."""

    sort: str
    """Column by which the table is sorted."""

    map_tip: str
    """HTML with expressions; what comes from data must be `escaped` in it."""


def escaped(column: str) -> str:
    """
    Give the expression of a column as text that HTML takes for text, line by line.

    Parameters
    ----------
    column : str
        Name of a column.

    Returns
    -------
    str
        A QGIS expression.

    Examples
    --------
    >>> escaped("who").count("replace(")
    5
    """
    text = f"coalesce(to_string(\"{column}\"), '')"
    # the ampersand first, else it would escape what the others wrote
    for sign, name in (("&", "amp"), ("<", "lt"), (">", "gt"), ('"', "quot")):
        text = f"replace({text}, '{sign}', '&{name};')"
    return f"replace({text}, '\\n', '<br>')"


def codes(labels: Mapping[str, str], *, none: str | None = None) -> Element:
    """
    Write a list of codes.

    Parameters
    ----------
    labels : Mapping of str to str
        Label by code.
    none : str, optional
        Label of nothing, which stands first; without it nothing cannot be chosen.

    Returns
    -------
    Element
        An ``editWidget`` element.
    """
    return value_map({**({} if none is None else {_NULL: none}), **labels})


def text(*, lines: bool = False, html: bool = False) -> Element:
    """
    Write a field of text.

    Parameters
    ----------
    lines : bool, default False
        Whether it has many lines.
    html : bool, default False
        Whether it is HTML, which only a column that holds nothing of strangers may be.

    Returns
    -------
    Element
        An ``editWidget`` element.
    """
    return _widget("TextEdit", {"IsMultiline": lines or html, "UseHtml": html})


def completing() -> Element:
    """
    Write a field of text that offers what stands in other rows.

    Returns
    -------
    Element
        An ``editWidget`` element.
    """
    return _widget("UniqueValues", {"Editable": True})


def day() -> Element:
    """
    Write a field for a day, with a calendar.

    Returns
    -------
    Element
        An ``editWidget`` element.
    """
    return _widget(
        "DateTime",
        {
            "allow_null": True,
            "calendar_popup": True,
            "display_format": "yyyy-MM-dd",
            "field_format": "yyyy-MM-dd",
            "field_iso_format": False,
        },
    )


def photo() -> Element:
    """
    Write a field for a photo, named by its path beside the project.

    Returns
    -------
    Element
        An ``editWidget`` element.
    """
    return _widget(
        "ExternalResource",
        {
            "DocumentViewer": 1,
            "DocumentViewerHeight": 0,
            "DocumentViewerWidth": 0,
            "FileWidget": True,
            "FileWidgetButton": True,
            "FileWidgetFilter": "",
            "RelativeStorage": 1,
            "StorageMode": 0,
        },
    )


def hidden() -> Element:
    """
    Write the widget of a column that no form shows.

    Returns
    -------
    Element
        An ``editWidget`` element.
    """
    return _widget("Hidden", {})


def form_parts(form: Form) -> list[Element]:
    """
    Write a form as pieces of a style.

    Parameters
    ----------
    form : Form
        The form.

    Returns
    -------
    list of Element
        For `rsmonitor.io.deliver.qml.layer_style`.
    """
    return [
        *_fields(form),
        _layout(form),
        _table(form),
        _worded("editorlayout", "tablayout"),
        _worded("featformsuppress", "0"),
        *tips(form.display, form.map_tip),
    ]


def tips(display: str, map_tip: str) -> list[Element]:
    """
    Write what names a feature in lists and what a pointer over it shows.

    Parameters
    ----------
    display : str
        Expression.
    map_tip : str
        HTML with expressions.

    Returns
    -------
    list of Element
        Two pieces of a style.
    """
    return [_worded("previewExpression", display), _worded("mapTip", map_tip)]


def _fields(form: Form) -> list[Element]:
    """Write widgets, titles, defaults, constraints, and what may be edited."""
    names = (
        "fieldConfiguration",
        "aliases",
        "defaults",
        "constraints",
        "constraintExpressions",
        "editable",
    )
    parts = {name: ET.Element(name) for name in names}
    first = ET.SubElement(
        parts["fieldConfiguration"], "field", name="fid", configurationFlags="None"
    )
    first.append(hidden())
    ET.SubElement(parts["editable"], "field", name="fid", editable="0")
    for index, field in enumerate(form.fields, start=1):  # 0 is the feature id
        column = field.column
        configured = ET.SubElement(
            parts["fieldConfiguration"],
            "field",
            name=column,
            configurationFlags="None",
        )
        configured.append(field.widget)
        ET.SubElement(
            parts["aliases"], "alias", index=str(index), field=column, name=field.title
        )
        ET.SubElement(
            parts["defaults"],
            "default",
            field=column,
            expression=field.default,
            applyOnUpdate="1" if field.default else "0",
        )
        bound = bool(field.constraint)
        ET.SubElement(
            parts["constraints"],
            "constraint",
            field=column,
            constraints=_EXPRESSION if bound else "0",
            exp_strength=_HARD if bound else "0",
            notnull_strength="0",
            unique_strength="0",
        )
        ET.SubElement(
            parts["constraintExpressions"],
            "constraint",
            field=column,
            exp=field.constraint,
            desc=field.why,
        )
        ET.SubElement(
            parts["editable"],
            "field",
            name=column,
            editable=str(int(field.editable)),
        )
    return list(parts.values())


def _layout(form: Form) -> Element:
    """Write the pages."""
    places = {field.column: n for n, field in enumerate(form.fields, start=1)}
    whole = ET.Element("attributeEditorForm")
    for tab in form.tabs:
        page = _container(whole, tab.title)
        for group in tab.groups:
            if isinstance(group, Group):
                _frame(page, group, places)
            else:
                row = _container(page, tab.title, frame=True, abreast=len(group))
                for each in group:
                    _frame(row, each, places)
    return whole


def _frame(inside: Element, group: Group, places: Mapping[str, int]) -> None:
    """Write a frame with its fields."""
    frame = _container(inside, group.title, frame=True)
    for column in group.columns:
        ET.SubElement(
            frame,
            "attributeEditorField",
            name=column,
            index=str(places[column]),
            showLabel="1" if len(group.columns) > 1 else "0",
        )


def _container(
    inside: Element, title: str, *, frame: bool = False, abreast: int = 1
) -> Element:
    """Write a page or a frame."""
    return ET.SubElement(
        inside,
        "attributeEditorContainer",
        name=title,
        columnCount=str(abreast),
        groupBox=str(int(frame)),
        showLabel="1" if abreast == 1 else "0",
        visibilityExpression="",
        visibilityExpressionEnabled="0",
    )


def _table(form: Form) -> Element:
    """Write which columns the attribute table shows, and its order."""
    table = ET.Element(
        "attributetableconfig",
        actionWidgetStyle="dropDown",
        sortExpression=f'"{form.sort}"',
        sortOrder="0",
    )
    columns = ET.SubElement(table, "columns")
    shown = [("fid", False), *((field.column, field.in_table) for field in form.fields)]
    for name, in_table in shown:
        ET.SubElement(
            columns,
            "column",
            type="field",
            name=name,
            hidden=str(int(not in_table)),
            width="-1",
        )
    ET.SubElement(columns, "column", type="actions", hidden="1", width="-1")
    return table


def _worded(name: str, words: str) -> Element:
    """Write an element that holds text alone."""
    element = ET.Element(name)
    element.text = words
    return element


def _widget(kind: str, options: Mapping[str, bool | int | str]) -> Element:
    """Write a widget with its options."""
    widget = ET.Element("editWidget", type=kind)
    config = ET.SubElement(widget, "config")
    listed = ET.SubElement(config, "Option", type="Map")
    for name, value in options.items():
        if isinstance(value, bool):
            written, told = "bool", str(value).lower()
        else:
            written = "int" if isinstance(value, int) else "QString"
            told = str(value)
        ET.SubElement(listed, "Option", name=name, type=written, value=told)
    return widget
