"""The weekly report of a county, and the summary of a prefecture or a province, as PDF.

The pages are set by templates; what stands on them is gathered here and in the modules
beside. A page says what was seen, what was not, what it may be in law and who has it.
"""

from collections.abc import Sequence
from typing import Any, Final

from rsmonitor.errors import ContractError
from rsmonitor.io.deliver.pictures.chip_images import chip_png
from rsmonitor.io.deliver.report.coverage import coverage, expected_words, trend
from rsmonitor.io.deliver.report.dossier import dossier_page
from rsmonitor.io.deliver.report.evidence import chip_captions, chip_file
from rsmonitor.io.deliver.report.lists import leading_table, open_table, rest_table
from rsmonitor.io.deliver.report.sections import (
    budget_words,
    categories,
    figures,
    waiting,
)
from rsmonitor.io.deliver.report.summary import ranking, short_entry
from rsmonitor.io.deliver.report.words import (
    LONGEST_SENTENCE,
    area_name,
    brief,
    imprint,
    notices,
    pick,
    printable,
    span,
    week_words,
)
from rsmonitor.io.deliver.typesetting import typeset, typeset_pages
from rsmonitor.records.case import Level
from rsmonitor.records.package import ChipRole, Dossier, Package
from rsmonitor.stages.cases import shanghai_day

CHIP_SIDE: Final = 480
"""Pixels of the images on an alert's own page: about 200 an inch."""

SMALL_SIDE: Final = 240
"""The same in the short entries of a summary."""

MAP: Final = "map.png"

_TITLES: Final = {
    "report": ("疑似违法线索周报", "Weekly report of suspected sites"),
    "summary": ("疑似违法线索汇总", "Weekly summary of suspected sites"),
}
_LEVELS: Final = {
    Level.COUNTY: ("县级周报", "county report"),
    Level.PREFECTURE: ("市级汇总", "prefecture summary"),
    Level.PROVINCE: ("省级汇总", "province summary"),
}


def write_report(package: Package) -> bytes:
    """
    Write the weekly report of a county.

    Parameters
    ----------
    package : Package
        Of level `Level.COUNTY`.

    Returns
    -------
    bytes
        PDF, A4; the same for the same package.

    Raises
    ------
    ContractError
        If the package is not a county's.
    OutputError
        If the typesetter or the typeface is missing.
    """
    _require(package, Level.COUNTY)
    data, images = _report(package)
    return typeset("report", data, images, at=package.week.end)


def write_summary(package: Package) -> bytes:
    """
    Write the weekly summary of a prefecture or a province.

    Parameters
    ----------
    package : Package
        Of level `Level.PREFECTURE` or `Level.PROVINCE`.

    Returns
    -------
    bytes
        PDF, A4; the same for the same package.

    Raises
    ------
    ContractError
        If the package is a county's.
    OutputError
        If the typesetter or the typeface is missing.
    """
    _require(package, Level.PREFECTURE, Level.PROVINCE)
    data, images = _summary(package)
    return typeset("summary", data, images, at=package.week.end)


def picture_pages(package: Package, *, dpi: int) -> list[bytes]:
    """
    Give the same pages as pictures, for a screen.

    Parameters
    ----------
    package : Package
        Of any level.
    dpi : int
        Pixels an inch.

    Returns
    -------
    list of bytes
        PNG, one a page.

    Raises
    ------
    OutputError
        If the typesetter or the typeface is missing.
    """
    of_county = package.area.level is Level.COUNTY
    data, images = _report(package) if of_county else _summary(package)
    template = "report" if of_county else "summary"
    return typeset_pages(template, data, images, at=package.week.end, dpi=dpi)


def _require(package: Package, *levels: Level) -> None:
    """Refuse a package of another level."""
    if package.area.level not in levels:
        wanted = " or ".join(levels)
        raise ContractError(
            f"package {package.area.code}: this document is for a {wanted}, got a "
            f"{package.area.level}"
        )


def _report(package: Package) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Gather the report of a county."""
    language = package.language
    overdue = [each for each in waiting(package) if each.days_overdue > 0]
    rest = package.dossiers[len(package.paged) :]
    monday = shanghai_day(package.week.end)
    data = _common(package, "report") | {
        "leading": leading_table(package),
        "dossiers": [dossier_page(package, each) for each in package.paged],
        "rest": rest_table(package, rest),
        "overdue": open_table(package, overdue),
    }
    data["words"] |= {
        "overdue": pick(language, ("逾期事项", "Overdue cases")),
        "overdue_note": pick(
            language,
            (
                (f"截至{monday}，办理期限已过的 {len(overdue)} 项，逾期最久的在前。"),
                (
                    f"{len(overdue)} cases were past their due date at the week's end, "
                    "those overdue for longest first."
                ),
            ),
        ),
    }
    return printable(data), _pictures(package, package.paged, side=CHIP_SIDE)


def _summary(package: Package) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Gather the summary of a prefecture or a province."""
    language = package.language
    left = waiting(package)
    late = sum(each.days_overdue > 0 for each in left)
    data = _common(package, "summary") | {
        "ranking": ranking(package),
        "open": open_table(package, left),
        "entries": [
            short_entry(package, each)
            | {"chips": [c | {"scene": ""} for c in chip_captions(language, each)[:2]]}
            for each in package.paged
        ],
    }
    data["words"] |= {
        "ranking": pick(language, ("各县情况", "Counties")),
        "ranking_note": pick(
            language,
            (
                (
                    "排序：逾期多者在前，其次新增、未办结、面积。跨县的线索在各县分别计"
                    "数，"
                    "合计中只计一次。"
                ),
                (
                    "Ranked by overdue cases, then new alerts, open cases and area. An "
                    "alert of two counties counts in both, and once in the total."
                ),
            ),
        ),
        "open": pick(language, ("未办结与逾期", "Unresolved and overdue")),
        "open_note": pick(
            language,
            (
                (
                    f"待处理 {len(left)} 项（含结案后又有变化的），其中逾期 {late} 项；"
                    "逾期最久的在前。"
                ),
                (
                    f"{len(left)} cases wait for somebody, those that changed since "
                    "they "
                    f"were closed among them; {late} are overdue, the longest first."
                ),
            ),
        ),
        "entries": pick(language, ("重点线索", "Alerts that ask for most attention")),
    }
    return printable(data), _pictures(package, package.paged, side=SMALL_SIDE)


def _common(package: Package, kind: str) -> dict[str, Any]:
    """Gather what both documents say."""
    language = package.language
    title = pick(language, _TITLES[kind])
    days = sorted(day for each in package.overviews for day in each.days)
    return {
        "language": language,
        "title": title,
        "area": area_name(package, package.area),
        "area_short": brief(area_name(package, package.area), 24),
        "week": week_words(language, package.week),
        "iso_week": str(package.week),
        "level": pick(language, _LEVELS[package.area.level]),
        "bureau": brief(package.area.bureau),
        "notices": notices(package),
        "figures": figures(package),
        "trend": trend(package),
        "categories": categories(package),
        "budget": budget_words(package),
        "expected": expected_words(language, package.trend),
        "notes": [brief(each[language], LONGEST_SENTENCE) for each in package.notes],
        "coverage": coverage(package),
        "map": MAP,
        "map_days": span(language, days),
        "imprint": imprint(package),
        "words": _words(package),
    }


def _words(package: Package) -> dict[str, str]:
    """Give the headings and labels of the templates."""
    labels = {
        "to": ("送", "to"),
        "week_figures": ("本周情况", "This week"),
        "trend_none": ("尚无记录", "no record yet"),
        "categories": ("按类别", "By category"),
        "leading": ("最先要看的", "What to look at first"),
        "budget": ("篇幅与排序", "How many get a page, and in what order"),
        "notes": ("说明", "Remarks"),
        "map": ("线索分布", "Where the alerts are"),
        "map_days": ("底图影像", "imagery of the map"),
        "unseen": ("未观测到的范围", "What was not observed"),
        "no_chip": ("无可用影像", "no look showed the ground"),
        "facts": ("测得情况", "What was measured"),
        "trace": ("判定过程", "How it was judged"),
        "parts": ("其他分部", "Other parts of the site"),
        "basis": ("依据", "law"),
        "warnings": ("登记资料存疑", "What is odd about the register"),
        "causes": ("可能成因", "Probable causes"),
        "look_for": ("现场查看", "What to look for on site"),
        "licences": ("涉及许可证", "Licences concerned"),
        "no_licences": (
            "登记册中没有许可证与本图斑相接。",
            "No licence of the register touches this site.",
        ),
        "reasons": ("排序理由", "Why it stands here"),
        "scenes": ("影像全名", "Looks in full"),
        "datum": (
            "坐标为图斑内一点的 WGS 84 经纬度，与 CGCS2000 相差不到一米，可直接使用。",
            (
                "Coordinates are WGS 84 longitude and latitude of a point inside the "
                "outline; CGCS2000 differs by less than a metre."
            ),
        ),
        "rest": ("其余线索", "The other alerts"),
        "rest_note": (
            "简号为线索编号去掉首字母后的开头几位；面积单位为亩；坐标为 WGS 84。",
            (
                "The short name is the beginning of the alert's id without its first "
                "letter; areas in mu; coordinates WGS 84."
            ),
        ),
        "page": ("第", "page"),
        "of": ("页，共", "of"),
        "page_end": ("页", ""),
    }
    return {key: pick(package.language, label) for key, label in labels.items()}


def _pictures(
    package: Package, dossiers: Sequence[Dossier], *, side: int
) -> dict[str, bytes]:
    """Draw the map and the images of some alerts."""
    # draws with matplotlib, which is heavy
    from rsmonitor.io.deliver.pictures.county_map import county_map  # noqa: PLC0415

    images = {MAP: county_map(package)}
    for dossier in dossiers:
        outline = dossier.alert.site.latest.disturbance.geometry
        for role in ChipRole:
            chip = dossier.chip(role)
            if chip is not None:
                images[chip_file(dossier, role)] = chip_png(chip, outline, side=side)
    return images
