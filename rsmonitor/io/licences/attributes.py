"""Fields of a parcel by the names that bureaus give them.

Only what a reader itself has to know is picked here: which field names the parcel, and
which states its area in which unit. What the other fields mean is decided where
licences are made of parcels.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Final, NamedTuple

from rsmonitor.io.licences.areas import in_square_metres, unit_of

MAX_TEXT: Final = 2000
"""Longest value of a field that is kept, characters."""

_LICENCE: Final = re.compile(
    # a shapefile cuts names after 10 bytes: 采矿许可证号 is 采矿许 in it
    r"许可证(证)?(编)?号|许可证?$|^(采矿|勘查|探矿)许$|^证号$|licen[cs]e_?(id|no|number)|^xkzh$|^xmdah$|^kqbh$|项目档案号"
)
_PARCEL: Final = re.compile(
    r"(地块|图斑|宗地|区块|块段|矿区|矿段|矿权)(编)?号|^(地块|区块|块段|矿段)$"
    r"|^(parcel|block|plot)(_?(id|no|number))?$|^dkbh$|^jcbh$|^tbbh$"
)
_NAME: Final = re.compile(
    r"(矿山|项目|地块|矿区|企业|区块)名称?$|名称$|^矿山$|^(mine|project|parcel)?_?name$"
    r"|^mine$|^dkmc$|^ksmc$|^xmmc$"
)
_AREA: Final = re.compile(r"面积|(^|[^a-z])area([^a-z]|$)|^dkmj$|^kqmj$|^jcmj$")
_COMPUTED: Final = re.compile(r"shape_?(st)?area|shape_?length|st_area")


class Identity(NamedTuple):
    """What a parcel is called, and how large it is said to be."""

    number: str
    """Number of the licence, else of the parcel; empty if there is none."""

    name: str
    """Name; empty if there is none."""

    stated_area: str
    """As it is written; empty if there is none."""

    stated_area_m2: float | None
    """The same in square metres; None without number or unit."""


def plain(text: str) -> str:
    """
    Bring the name of a field to one form: half-width, lower case, no white space.

    Parameters
    ----------
    text : str
        As the file writes it.

    Returns
    -------
    str
        For comparing, not for showing.

    Examples
    --------
    >>> plain("X 坐标（m）")
    'x坐标(m)'
    """
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text)).lower()


def names_licence(field: str) -> bool:
    """
    Say whether a field holds the number of a licence.

    Parameters
    ----------
    field : str
        Name of the field, as `plain` gives it.

    Returns
    -------
    bool
        True for 采矿许可证号, ``licence_id`` and the like.
    """
    return _LICENCE.search(field) is not None


def names_parcel(field: str) -> bool:
    """
    Say whether a field holds the number of a parcel.

    Parameters
    ----------
    field : str
        Name of the field, as `plain` gives it.

    Returns
    -------
    bool
        True for 地块编号, ``parcel`` and the like.
    """
    return _PARCEL.search(field) is not None


def names_name(field: str) -> bool:
    """
    Say whether a field holds the name of a parcel.

    Parameters
    ----------
    field : str
        Name of the field, as `plain` gives it.

    Returns
    -------
    bool
        True for 矿山名称, ``name`` and the like.
    """
    return _NAME.search(field) is not None


def names_area(field: str) -> bool:
    """
    Say whether a field holds an area that a person stated.

    Parameters
    ----------
    field : str
        Name of the field, as `plain` gives it.

    Returns
    -------
    bool
        True for 面积 and the like, not for what a GIS computed (``Shape_Area``).
    """
    return _AREA.search(field) is not None and _COMPUTED.search(field) is None


def identity(attributes: Mapping[str, str]) -> Identity:
    """
    Pick the number, the name and the stated area of a parcel.

    Parameters
    ----------
    attributes : mapping of str to str
        Fields by the names of the file.

    Returns
    -------
    Identity
        Of the first field of each sort that is not empty.

    Examples
    --------
    >>> identity({"采矿许可证号": "C3600", "矿区面积（km²）": "0.5"})
    Identity(number='C3600', name='', stated_area='0.5', stated_area_m2=500000.0)
    """
    fields = [(plain(key), value) for key, value in attributes.items() if value]
    number = [value for key, value in fields if names_licence(key)]
    number += [value for key, value in fields if names_parcel(key)]
    name = [value for key, value in fields if names_name(key)]
    stated, unit = next(
        ((value, unit_of(key)) for key, value in fields if names_area(key)), ("", None)
    )
    return Identity(
        number[0] if number else "",
        name[0] if name else "",
        stated,
        in_square_metres(stated, unit),
    )
