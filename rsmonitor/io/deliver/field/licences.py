"""Which licences an inspector must know of at a site: that touch it, or lie near."""

import math
from typing import Final

import numpy as np
import shapely

from rsmonitor.io.deliver.field.words import one_line
from rsmonitor.io.deliver.legend import VALIDITY_LABELS, Validity, validity_on
from rsmonitor.records.licence import KIND_LABELS, Licence
from rsmonitor.records.package import Package, Reason
from rsmonitor.stages.geodesy import WGS84

NEAR_M: Final = 3000.0
"""So far is near: an hour's walk in hills, and where a mine may have spread."""

MOST: Final = 3
"""Licences that are told; of the others, how many they are."""

_DEGREE_M: Final = 110_574.0
"""Metres of the shortest degree of latitude: a window so measured is large enough."""

_WINDS: Final = (
    *(("北", "N"), ("东北", "NE"), ("东", "E"), ("东南", "SE")),
    *(("南", "S"), ("西南", "SW"), ("西", "W"), ("西北", "NW")),
)


def licences_near(package: Package) -> list[tuple[Reason, ...]]:
    """
    Tell the licences near each site of a package.

    Parameters
    ----------
    package : Package
        Its register holds the licences that are known.

    Returns
    -------
    list of tuple of Reason
        By dossier: one sentence a licence, the nearest first; one sentence where there
        is none.
    """
    licences = package.register.licences
    tree = shapely.STRtree([licence.geometry for licence in licences])
    told = []
    for dossier in package.dossiers:
        outline = shapely.make_valid(dossier.alert.site.latest.disturbance.geometry)
        west, south, east, north = outline.bounds
        shrink = max(math.cos(math.radians(max(abs(south), abs(north)))), 0.01)
        along = NEAR_M / _DEGREE_M
        across = along / shrink
        window = shapely.box(west - across, south - along, east + across, north + along)
        measured = []
        for place in tree.query(window).tolist():
            metres, wind = _from(outline, licences[place], shrink)
            if metres <= NEAR_M:
                measured.append((metres, licences[place].licence_id, place, wind))
        measured.sort()
        lines = [
            _told(licences[place], metres, wind, package)
            for metres, _, place, wind in measured[:MOST]
        ]
        if len(measured) > MOST:
            more = len(measured) - MOST
            lines.append(
                Reason(zh=f"另有 {more} 个许可在附近", en=f"{more} more licences near")
            )
        told.append(tuple(lines) or (_NONE,))
    return told


_NONE: Final = Reason(
    zh=f"登记库中 {NEAR_M / 1000:.0f} 公里内没有许可；登记不全时不等于没有",
    en=f"the register holds none within {NEAR_M / 1000:.0f} km; if it is not whole, "
    "there may be one",
)


def _from(
    outline: shapely.Geometry, licence: Licence, shrink: float
) -> tuple[float, tuple[str, str]]:
    """Measure how far a licence lies from an outline, and in which direction."""
    scale = np.array([shrink, 1.0])
    site, parcel = (
        shapely.transform(each, lambda xy: xy * scale)
        for each in (outline, licence.geometry)
    )
    ends = shapely.get_coordinates(shapely.shortest_line(site, parcel)) / scale
    azimuth, _, metres = WGS84.inv(*ends[0], *ends[1])
    return float(metres), _WINDS[round(azimuth / 45) % len(_WINDS)]


def _told(
    licence: Licence, metres: float, wind: tuple[str, str], package: Package
) -> Reason:
    """Name a licence, its holder, its validity and its place."""
    kind = KIND_LABELS[licence.kind]
    state = validity_on(licence, package.week.last_day)
    label = VALIDITY_LABELS[state]
    until = "" if licence.valid_to is None else licence.valid_to.isoformat()
    zh_when, en_when = label
    if state in {Validity.IN_FORCE, Validity.EXPIRED} and until:
        zh_when = f"{label[0]}，至 {until}"
        en_when = f"{label[1]}, to {until}"
    number, holder = one_line(licence.licence_id), one_line(licence.holder)
    if metres > 0:
        # to ten metres, which is a pixel
        zh_where = f"{wind[0]} {metres / 1000:.2f} 公里"
        en_where = f"{metres / 1000:.2f} km {wind[1]}"
    else:
        zh_where, en_where = "与图斑相交", "touches the site"
    zh = "，".join(filter(None, [f"{kind[0]} {number}", holder, zh_when]))
    en = ", ".join(filter(None, [f"{kind[1]} {number}", holder, en_when]))
    if licence.invented:
        zh, en = f"{zh}，虚构", f"{en}, invented"
    return Reason(zh=f"{zh_where}：{zh}", en=f"{en_where}: {en}")
