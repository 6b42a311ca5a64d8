"""Alerts as the parcels (图斑) of the 卫片 forms: the facts that their fields hold."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import shapely
from shapely import MultiPolygon, Point, Polygon

from rsmonitor.io.deliver.geojson import DECIMALS, notice
from rsmonitor.io.deliver.handheld import place_of
from rsmonitor.io.deliver.legend import TIER_LABELS
from rsmonitor.io.deliver.pictures.chip_images import chip_png
from rsmonitor.io.deliver.tables import harmless
from rsmonitor.io.deliver.weipian.fields import FieldRule
from rsmonitor.records.alert import M2_PER_MU, Alert
from rsmonitor.records.case import Level
from rsmonitor.records.disturbance import CAUSE_LABELS
from rsmonitor.records.package import CHIP_LABELS, Chip, ChipRole, Dossier, Package
from rsmonitor.records.site import STATE_LABELS
from rsmonitor.records.verdict import CATEGORY_LABELS, CERTAINTY_LABELS
from rsmonitor.stages.coordinates import gauss_krueger
from rsmonitor.stages.parcel_text import one_field

Value = str | float | bytes | None
"""What a field holds; None where nothing is known or nothing is said."""

MACHINE_READ: Final = frozenset({"outline", "photo_points", "scenes"})
"""Facts that programs read, and that begin with a letter or a bracket of ours: half of
one is worse than none."""

IMAGE_SIDE: Final = 480
"""Pixels of the longer side of an image."""

_M2: Final[Mapping[str, float]] = {
    "mu": M2_PER_MU,
    "m2": 1.0,
    "hectare": 10_000.0,
    "km2": 1_000_000.0,
}
_AREA_DECIMALS: Final[Mapping[str, int]] = {"mu": 2, "m2": 1, "hectare": 4, "km2": 6}
_DAYS: Final[Mapping[str, str]] = {
    "iso": "%Y-%m-%d",
    "compact": "%Y%m%d",
    "seconds": "%Y-%m-%d 00:00:00",
}
_METRE_DECIMALS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parcel:
    """One alert as the forms have it."""

    alert: Alert
    """What was said."""

    number: str
    """Its number (JCBH), see `parcel_number`."""

    county_code: str
    """GB/T 2260, or the code of the district where no county is known."""

    county_name: str
    """Chinese name of the county."""

    short_name: str
    """As on a receiver."""

    point: Point
    """A point inside, CRS84."""

    outline: Polygon | MultiPolygon
    """CRS84, seven decimals."""

    chips: tuple[Chip, ...]
    """Images; may be empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One image of a parcel, drawn."""

    chip: Chip
    """What it shows."""

    name: str
    """Name of a file."""

    png: bytes
    """The image, the outline drawn in."""


def parcel_number(alert: Alert, county_code: str) -> str:
    """
    Give the number of an alert as a parcel: the same every week, and no other's.

    Parameters
    ----------
    alert : Alert
        The alert.
    county_code : str
        Of the county that receives it.

    Returns
    -------
    str
        The code of the county, the year in which the change was first seen, and the
        twelve characters of the alert's own id in capitals: ``a`` and these, small, are
        the id again.

    Notes
    -----
    The numbers of provinces (``130403SJBG26210183``) are county, source, year, serial.
    A serial that counted would have to be kept; characters that only begin the id
    could one day be those of another alert.
    """
    year = alert.site.latest.disturbance.began_by.year
    return f"{county_code}{year}{alert.alert_id[1:].upper()}"


def parcels_of(package: Package) -> tuple[Parcel, ...]:
    """
    Give the parcels of a package.

    Parameters
    ----------
    package : Package
        What an area receives.

    Returns
    -------
    tuple of Parcel
        In the order of attention. In a county's package all are that county's; in a
        larger one each is of its first county there.

    Raises
    ------
    OutputError
        If a geometry is not longitude and latitude.
    """
    return tuple(_parcel(dossier, package) for dossier in package.dossiers)


def _parcel(dossier: Dossier, package: Package) -> Parcel:
    """Give one parcel."""
    area, alert = package.area, dossier.alert
    code, name = area.code, area.name_zh
    if area.level is not Level.COUNTY:
        inside = [c for c in alert.county_codes if c.startswith(area.code)]
        code = inside[0] if inside else area.code
        name = package.names.get(code, code)
    return Parcel(
        alert=alert,
        number=parcel_number(alert, code),
        county_code=code,
        county_name=name,
        short_name=dossier.short_name,
        point=dossier.point,
        outline=place_of(alert)[1],
        chips=dossier.chips,
    )


def pictures_of(parcel: Parcel) -> tuple[Picture, ...]:
    """
    Draw the images of a parcel.

    Parameters
    ----------
    parcel : Parcel
        The parcel.

    Returns
    -------
    tuple of Picture
        Before, after, and when it changed, as far as there are any.
    """
    return tuple(
        Picture(
            chip=chip,
            name=f"{parcel.number}_{role.value}.png",
            png=chip_png(chip, parcel.outline, side=IMAGE_SIDE),
        )
        for role in ChipRole
        for chip in parcel.chips
        if chip.role is role
    )


def value_of(rule: FieldRule, parcel: Parcel, picture: Picture | None = None) -> Value:
    """
    Give what stands in a field.

    Parameters
    ----------
    rule : FieldRule
        What the table says of the field.
    parcel : Parcel
        The parcel.
    picture : Picture, optional
        The image, in the table of images.

    Returns
    -------
    str, float, bytes or None
        A text is one that no spreadsheet runs.
    """
    value = _fact(rule, parcel, picture)
    if isinstance(value, str) and rule.fact not in MACHINE_READ:
        return harmless(value)
    return value


def _fact(rule: FieldRule, parcel: Parcel, picture: Picture | None) -> Value:  # noqa: PLR0911 - one for each kind of fact
    """Find a fact."""
    alert, fact = parcel.alert, rule.fact
    if fact == "nothing":
        return None
    if fact == "area":
        area = alert.site.latest.disturbance.area_m2 / _M2[rule.unit]
        return round(area, _AREA_DECIMALS[rule.unit])
    if fact in {"longitude", "latitude", "northing", "easting"}:
        return _coordinate(fact, parcel.point)
    if fact in {"before_day", "after_day"}:
        day = _before_day(parcel) if fact == "before_day" else _after_day(parcel)
        return None if day is None else day.strftime(_DAYS[rule.unit])
    if picture is not None:
        if fact == "image":
            return picture.png
        if fact == "image_day":
            return picture.chip.days[-1].strftime(_DAYS[rule.unit])
        if fact in {"image_name", "image_kind", "image_sha256", "scenes"}:
            return _of_picture(fact, picture)
    return _words(fact, parcel)


def _coordinate(fact: str, point: Point) -> float | None:
    """Give a coordinate of the point inside."""
    if fact == "longitude":
        return round(point.x, DECIMALS)
    if fact == "latitude":
        return round(point.y, DECIMALS)
    placed = gauss_krueger(point)
    if placed is None:
        return None
    metres = placed.northing_m if fact == "northing" else placed.easting_m
    return round(metres, _METRE_DECIMALS)


def _before_day(parcel: Parcel) -> date | None:
    """Day of the image before; without one, of the last clear look that saw nothing."""
    days = [c.days[-1] for c in parcel.chips if c.role is ChipRole.BEFORE and c.days]
    return days[0] if days else parcel.alert.site.latest.disturbance.began_after


def _after_day(parcel: Parcel) -> date:
    """Day of the image after; without one, of the last clear look."""
    days = [c.days[-1] for c in parcel.chips if c.role is ChipRole.AFTER and c.days]
    return days[0] if days else parcel.alert.site.latest.disturbance.last_clear


def _of_picture(fact: str, picture: Picture) -> str:
    """Say something of an image."""
    chip = picture.chip
    return {
        "image_name": picture.name,
        "image_kind": CHIP_LABELS[chip.role][0],
        "image_sha256": hashlib.sha256(picture.png).hexdigest(),
        "scenes": _json(
            {
                "source": "satellite",
                "role": chip.role.value,
                "days": [day.isoformat() for day in chip.days],
                "scenes": list(chip.scenes),
                "true_colour": chip.true_colour,
            }
        ),
    }[fact]


def _words(fact: str, parcel: Parcel) -> str:
    """Say something of a parcel."""
    alert = parcel.alert
    site, verdict = alert.site, alert.verdict
    if fact == "findings":
        return _findings(alert)
    if fact == "remark":
        return _remark(parcel)
    if fact == "outline":
        return shapely.to_wkt(parcel.outline, rounding_precision=DECIMALS)
    if fact == "photo_points":
        x, y = round(parcel.point.x, DECIMALS), round(parcel.point.y, DECIMALS)
        return _json([{"type": "", "x": x, "y": y, "radius": 0}])
    return {
        "parcel_number": parcel.number,
        "alert_id": alert.alert_id,
        "county_code": parcel.county_code,
        "county_name": one_field(parcel.county_name),
        "category": CATEGORY_LABELS[verdict.category][0],
        "category_code": verdict.category.value,
        "tier": TIER_LABELS[site.latest.disturbance.tier][0],
        "cause": CAUSE_LABELS[site.latest.cause][0],
        "state": STATE_LABELS[site.state][0],
    }[fact]


def _findings(alert: Alert) -> str:
    """Say in one sentence what was found; the name of a licence stays on its line."""
    site, verdict = alert.site, alert.verdict
    cause = CAUSE_LABELS[site.latest.cause][0]
    said = [
        f"{CATEGORY_LABELS[verdict.category][0]}（{CERTAINTY_LABELS[verdict.certainty][0]}）",
        f"可能成因：{cause}（{site.latest.causes[site.latest.cause]:.0%}）",
        f"证据等级：{TIER_LABELS[site.latest.disturbance.tier][0]}",
    ]
    licences = "、".join(filter(None, map(one_field, verdict.licence_ids)))
    if licences:
        said.append(f"涉及许可证：{licences}")
    restrictions = "、".join(filter(None, map(one_field, verdict.restrictions)))
    if restrictions:
        said.append(f"位于：{restrictions}")
    return "；".join(said)


def _remark(parcel: Parcel) -> str:
    """Say which alert it is, and that it is a clue."""
    alert = parcel.alert
    return (
        f"rsmonitor {alert.alert_id} v{alert.version} {parcel.short_name}；"
        f"{notice(invented=alert.invented_licences)}"
    )


def _json(value: object) -> str:
    """Write JSON on one line."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
