"""A sheet of paper a site, for hills without network, in black and white.

The sheets lie in the order of the visits, under a page that lists them all.
"""

import io
from typing import Any, Final

from rsmonitor.io.deliver.field.chips import chip_pngs
from rsmonitor.io.deliver.field.visits import Plan, Visit
from rsmonitor.io.deliver.field.words import NOT_APPLICABLE, one_line, words_in
from rsmonitor.io.deliver.typesetting import typeset
from rsmonitor.records.disturbance import CAUSE_LABELS
from rsmonitor.records.finding import JUDGEMENT_LABELS
from rsmonitor.records.package import CHIP_LABELS, Chip, ChipRole, Language

CHIP_SIDE: Final = 320
"""Pixels of a chip, printed between five and six centimetres wide."""

_DOT: Final = 8
"""Pixels of a dot of a code: sharp where a printer scales it."""


def sheets_pdf(plan: Plan) -> bytes:
    """
    Print the sheets of a week.

    Parameters
    ----------
    plan : Plan
        The week's visits.

    Returns
    -------
    bytes
        PDF: the list of visits, then one page a site. Nothing in it links anywhere.

    Raises
    ------
    OutputError
        If the typesetter, the typeface or the code's library is missing.
    """
    package, language = plan.package, plan.language
    drawn = chip_pngs(plan, side=CHIP_SIDE, grey=True)
    images = {_file(number, role): png for (number, role), png in drawn.items()}
    sheets = [_sheet(visit, plan, images) for visit in plan.visits]
    data: dict[str, Any] = {
        "language": language,
        "words": words_in(language),
        "area": plan.area,
        "week": str(package.week),
        "bureau": one_line(package.area.bureau),
        "remarks": [remark[language] for remark in plan.remarks],
        "notice": plan.notice[language],
        "software": package.software,
        "back": f"{plan.round.back_m / 1000:.2f}",
        "judgements": _labels(JUDGEMENT_LABELS.values(), language),
        "causes": _labels(CAUSE_LABELS.values(), language),
        "sheets": sheets,
    }
    return typeset("field", data, images, at=package.week.end)


def plain_code(visit: Visit) -> str:
    """
    Give the text of the code that works without a network.

    Parameters
    ----------
    visit : Visit
        The site.

    Returns
    -------
    str
        Latitude and longitude on WGS 84, and the short name.
    """
    return f"{visit.latitude},{visit.longitude} WGS84 {visit.name}"


def map_code(visit: Visit) -> str:
    """
    Give the text of the code that opens a map app.

    Parameters
    ----------
    visit : Visit
        The site.

    Returns
    -------
    str
        An address of a Chinese web map that is told the datum; elsewhere a ``geo:``
        address, which any map app opens.
    """
    if visit.web_map is None:
        return f"geo:{visit.latitude},{visit.longitude}"
    return (
        "https://uri.amap.com/marker?position="
        f"{visit.longitude},{visit.latitude}&coordinate=wgs84&name={visit.name}"
    )


def code_png(text: str) -> bytes:
    """
    Draw a QR code.

    Parameters
    ----------
    text : str
        What it says.

    Returns
    -------
    bytes
        PNG with its quiet zone; the same text gives the same bytes.
    """
    # optional, and only deliveries need it
    import segno  # noqa: PLC0415

    written = io.BytesIO()
    # a fold or a drop of mud may take 15 % of it
    segno.make(text, error="m", micro=False).save(written, kind="png", scale=_DOT)
    return written.getvalue()


def _labels(pairs: Any, language: Language) -> list[str]:  # noqa: ANN401 - two enums
    """Give labels in one language."""
    return [pair[0] if language == "zh" else pair[1] for pair in pairs]


def _sheet(visit: Visit, plan: Plan, images: dict[str, bytes]) -> dict[str, Any]:
    """Gather what a sheet says, and its images."""
    language, dossier = plan.language, visit.dossier
    no = NOT_APPLICABLE[language]
    grid, web, case = visit.grid, visit.web_map, dossier.case
    chips = []
    for role in ChipRole:
        chip = dossier.chip(role)
        zh, en = CHIP_LABELS[role]
        label = zh if language == "zh" else en
        file = None if chip is None else _file(visit.number, role)
        chips.append({"label": label, "file": file, "days": _days(chip)})
    codes = [(f"{visit.number}-plain.png", plain_code(visit), "qr_plain")]
    if plan.package.map_links:
        codes.append((f"{visit.number}-map.png", map_code(visit), "qr_map"))
    images |= {file: code_png(text) for file, text, _ in codes}
    return {
        "number": visit.number,
        "place": dossier.place,
        "name": visit.name,
        "id": dossier.alert.alert_id,
        "county": visit.county[language],
        "category": visit.category[language],
        "area": f"{visit.area_mu:.1f}",
        "tier": visit.tier[language],
        "leg": f"{visit.leg_m / 1000:.2f}",
        "seen": visit.seen,
        "due": "" if case is None or case.due is None else case.due.isoformat(),
        "lat": visit.latitude,
        "lon": visit.longitude,
        "dms_lat": visit.dms_latitude,
        "dms_lon": visit.dms_longitude,
        "zone": no if grid is None else f"{grid.zone}（EPSG:{grid.epsg}）",
        "north": no if grid is None else f"{grid.northing_m:.2f}",
        "east": no if grid is None else f"{grid.easting_m:.2f}",
        "web_lat": no if web is None else f"{web.y:.6f}",
        "web_lon": no if web is None else f"{web.x:.6f}",
        "chips": chips,
        "codes": [{"file": file, "label": label} for file, _, label in codes],
        "look_for": [each[language] for each in visit.look_for],
        "why": [each[language] for each in visit.why],
        "causes": visit.causes[language],
        "near": [each[language] for each in visit.near],
    }


def _file(number: int, role: ChipRole) -> str:
    """Name an image."""
    return f"{number}-{role.value}.png"


def _days(chip: Chip | None) -> str:
    """Give the days of a chip."""
    if chip is None:
        return ""
    days = [day.isoformat() for day in chip.days]
    return days[0] if len(days) == 1 else f"{days[0]} – {days[-1]}"  # noqa: RUF001
