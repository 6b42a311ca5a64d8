"""Licences as the ministry's TXT.

The format has fields for a number, a name and an area. What else a licence says is
written in a section of its own, which other programs skip and `rsmonitor` reads, so
that nothing is lost on the way out and back but the digits that are not printed.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

from rsmonitor.errors import LicenceError
from rsmonitor.io.foundation.files import write_atomic
from rsmonitor.io.licences.gauss import Zone, zone_at
from rsmonitor.io.licences.txt import RIGHTS_SECTION
from rsmonitor.records.licence import Licence
from rsmonitor.stages.parcel_text import (
    MAX_OFF_DEGREES,
    TextParcel,
    degrees_off,
    head_lines,
    parcel_lines,
)


def write_txt(
    path: Path, licences: Sequence[Licence], *, zone: int | None = None
) -> None:
    """
    Write licences as the ministry's TXT, in CGCS2000, UTF-8.

    Parameters
    ----------
    path : Path
        Replaced whole, or not at all.
    licences : sequence of Licence
        One or more; each becomes a parcel.
    zone : int, optional
        Gauss-Krueger zone; by default the one of 3 degrees that the first lies in.

    Raises
    ------
    LicenceError
        If there is none, one lies too far from the zone, or a text cannot be written.
    """
    write_atomic(path, txt_of(licences, zone=zone).encode("utf-8"))


def txt_of(
    licences: Sequence[Licence], *, zone: int | None = None, decimals: int = 3
) -> str:
    """
    Give licences as the ministry's TXT.

    Parameters
    ----------
    licences : sequence of Licence
        One or more; each becomes a parcel.
    zone : int, optional
        Gauss-Krueger zone; by default the one of 3 degrees that the first lies in.
    decimals : int, default 3
        Decimals of a metre.

    Returns
    -------
    str
        The text, with CRLF as the programs of the bureaus write it.

    Raises
    ------
    LicenceError
        If there is none, one lies too far from the zone, or a text cannot be written.
    """
    if not licences:
        raise LicenceError("no licence to write: a TXT has at least one parcel")
    chosen = (
        Zone(zone) if zone is not None else zone_at(licences[0].geometry.centroid.x)
    )
    for licence in licences:
        _require_near(licence, chosen)
    lines = [*head_lines(chosen.number, decimals=decimals), f"[{RIGHTS_SECTION}]"]
    for number, licence in enumerate(licences, start=1):
        lines += (f"{number}.{name}={_escaped(v)}" for name, v in _said(licence) if v)
    parcels = [
        TextParcel(number=one.licence_id, name=one.mine, geometry=one.geometry)
        for one in licences
    ]
    lines += parcel_lines(parcels, chosen.number, decimals=decimals)
    text = "\r\n".join([*lines, ""])
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise LicenceError(
            f"character {error.start} of the text is half of a pair and cannot be "
            "written; correct the name that has it"
        ) from error
    return text


def _said(licence: Licence) -> Iterator[tuple[str, str]]:
    """List what a licence says, by the names that the reader knows."""
    yield "许可证号", licence.licence_id
    yield "权利类型", licence.kind.value
    yield "矿山名称", licence.mine
    yield "权利人", licence.holder
    yield "矿种", "、".join(licence.minerals)
    yield "共伴生矿种", "、".join(licence.associated_minerals)
    yield "开采方式", licence.method
    yield "发证机关", licence.issuer
    yield "有效期起", _text(licence.valid_from)
    yield "有效期止", _text(licence.valid_to)
    yield "状态", licence.status
    yield (
        "状态变更",
        ";".join(f"{change.on} {change.status}" for change in licence.status_history),
    )
    yield "延续受理日期", _text(licence.renewal_accepted)
    yield "延续决定日期", _text(licence.renewal_decided)
    if licence.elevation_m is not None:
        low, high = licence.elevation_m
        yield "开采标高", f"{low!r}至{high!r}米"
    yield "期限", _text(licence.deadline)
    yield "限制区类型", licence.subkind
    yield "原坐标系", licence.datum
    yield "位置误差", f"{Decimal(repr(float(licence.position_error_m))):f}"
    yield "版本", str(licence.version)
    yield "来源", licence.source
    yield "虚构", "true" if licence.invented else ""


def _text(value: object) -> str:
    """Give a text; empty for None."""
    return "" if value is None else str(value)


def _escaped(value: str) -> str:
    """Keep a value on one line."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")


def _require_near(licence: Licence, zone: Zone) -> None:
    """Refuse what lies too far from the middle of the zone."""
    off = degrees_off(licence.geometry, zone.number)
    # written so that NaN is too far
    if not off <= MAX_OFF_DEGREES:
        raise LicenceError(
            f"licence {licence.licence_id} lies {off:.1f} degrees from the middle of "
            f"zone {zone.number}; write it in a file of its own zone"
        )
