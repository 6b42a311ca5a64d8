"""The week's sites as a workbook that comes back filled in, and as CSV.

A row a site, in the order of the visits. The cells that a person fills in stand under
the heads that `rsmonitor.io.returns.columns` knows; those of the verdict and the cause
offer words that it reads. What was delivered is locked, without a password: against
slips of a thumb, not against anybody.
"""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from rsmonitor.io.deliver.field.visits import Plan, Visit
from rsmonitor.io.deliver.field.words import NOT_APPLICABLE, WORDS
from rsmonitor.io.deliver.tables import (
    FORMULA_STARTS,
    Cell,
    Column,
    Table,
    clean,
    csv_bytes,
    without_time,
)
from rsmonitor.records.disturbance import CAUSE_LABELS, Cause
from rsmonitor.records.finding import JUDGEMENT_LABELS, Judgement
from rsmonitor.records.package import Language, Reason

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

ANSWERS: Final[Mapping[str, Reason]] = {
    "verdict": Reason(zh="核查结果", en="verdict"),
    "cause": Reason(zh="原因", en="cause"),
    "who": Reason(zh="核查人", en="who"),
    "date": Reason(zh="核查日期", en="date"),
    "kind": Reason(zh="核查方式", en="kind"),
    "photos": Reason(zh="照片", en="photos"),
    "note": Reason(zh="备注", en="note"),
}
"""What a person fills in; read back under these heads."""

_PROMPTS: Final[Mapping[str, Reason]] = {
    "verdict": Reason(zh="从列表中选择", en="choose from the list"),
    "cause": Reason(zh="伪变化必须选择原因", en="a pseudo-change needs a cause"),
    "kind": Reason(
        zh="到过现场选外业核查，只看影像选内业判读",
        en="inspection if you were there, triage if you looked at imagery",
    ),
}

_HEADS: Final[Mapping[str, tuple[Reason, int, str]]] = {
    "visit": (Reason(zh="走访", en="visit"), 6, "0"),
    "name": (Reason(zh="简称", en="name"), 11, "@"),
    **{
        key: (head, {"note": 30, "photos": 18, "cause": 20}.get(key, 13), "@")
        for key, head in ANSWERS.items()
    },
    "alert_id": (Reason(zh="线索编号", en="alert_id"), 17, "@"),
    "place": (Reason(zh="关注序", en="priority"), 8, "0"),
    "county": (Reason(zh="县（市、区）", en="county"), 16, "@"),
    "category": (Reason(zh="类别", en="category"), 26, "@"),
    "area_mu": (Reason(zh="面积（亩）", en="area, mu"), 10, "0.0"),
    "tier": (Reason(zh="证据等级", en="evidence"), 10, "@"),
    "due": (Reason(zh="核查期限", en="due"), 12, "@"),
    "latitude": (Reason(zh="纬度 WGS84", en="latitude WGS84"), 12, "0.000000"),
    "longitude": (Reason(zh="经度 WGS84", en="longitude WGS84"), 12, "0.000000"),
    "latitude_dms": (Reason(zh="纬度 度分秒", en="latitude, d m s"), 17, "@"),
    "longitude_dms": (Reason(zh="经度 度分秒", en="longitude, d m s"), 17, "@"),
    "zone": (Reason(zh="3度带带号", en="3-degree zone"), 9, "0"),
    "epsg": (Reason(zh="EPSG", en="EPSG"), 8, "0"),
    "northing_x": (
        Reason(zh="北坐标 X（CGCS2000）", en="northing X (CGCS2000)"),
        14,
        "0.00",
    ),
    "easting_y": (
        Reason(zh="东坐标 Y（含带号）", en="easting Y (with zone)"),
        15,
        "0.00",
    ),
    "gcj02_latitude": (
        Reason(zh="GCJ-02 纬度（仅手机地图）", en="GCJ-02 latitude (phone maps only)"),
        14,
        "0.000000",
    ),
    "gcj02_longitude": (
        Reason(zh="GCJ-02 经度（仅手机地图）", en="GCJ-02 longitude (phone maps only)"),
        14,
        "0.000000",
    ),
    "leg_km": (
        Reason(zh="距上一站（公里，直线）", en="km from last stop, straight"),
        11,
        "0.00",
    ),
    "first_seen": (Reason(zh="首次发现", en="first seen"), 12, "@"),
    "last_seen": (Reason(zh="最近可见", en="last seen"), 12, "@"),
    "last_clear": (Reason(zh="最近晴空", en="last clear"), 12, "@"),
    "causes": (Reason(zh="可能成因", en="probable causes"), 34, "@"),
    "look_for": (Reason(zh="现场查看", en="what to look for"), 60, "@"),
    "why": (Reason(zh="列入原因", en="why it is listed"), 44, "@"),
    "near": (Reason(zh="附近许可", en="licences near"), 96, "@"),
    "notice": (Reason(zh="声明", en="notice"), 60, "@"),
}
"""By key: head, width in characters, and format of a column."""

_ROW_POINTS: Final = 45
"""Height of a row: three lines, and room for a thumb."""

_FROZEN: Final = 2
"""Columns that stay on a small screen."""


def choices(key: str, language: Language) -> tuple[str, ...]:
    """
    Give the words that a cell offers.

    Parameters
    ----------
    key : str
        ``verdict``, ``cause`` or ``kind``.
    language : str
        ``zh`` or ``en``.

    Returns
    -------
    tuple of str
        Without commas, which part the entries of a list; in English codes.

    Examples
    --------
    >>> choices("verdict", "en")
    ('lawful', 'unlawful', 'pseudo_change', 'special_use', 'unclear')
    """
    chinese = language == "zh"
    if key == "verdict":
        return tuple(JUDGEMENT_LABELS[e][0] if chinese else e.value for e in Judgement)
    if key == "cause":
        return tuple(CAUSE_LABELS[e][0] if chinese else e.value for e in Cause)
    return ("外业核查", "内业判读") if chinese else ("inspection", "triage")


def sites_table(plan: Plan) -> Table:
    """
    List the sites of a week.

    Parameters
    ----------
    plan : Plan
        The week's visits.

    Returns
    -------
    Table
        A row a site, in the order of the visits; what is to be filled in is empty.
    """
    language = plan.language
    return Table(
        key="sites",
        title="核查表" if language == "zh" else "sites",
        columns=tuple(
            Column(key=key, zh=head.zh, en=head.en)
            for key, (head, _, _) in _HEADS.items()
        ),
        rows=tuple(
            tuple(_cells(plan, visit)[key] for key in _HEADS) for visit in plan.visits
        ),
    )


def sites_csv(plan: Plan) -> bytes:
    """
    Write the sites of a week as CSV.

    Parameters
    ----------
    plan : Plan
        The week's visits.

    Returns
    -------
    bytes
        UTF-8 with BOM; codes as heads. No cell begins like a formula.
    """
    return csv_bytes([sites_table(plan)])


def sites_xlsx(plan: Plan) -> bytes:
    """
    Write the sites of a week as a workbook to be filled in.

    Parameters
    ----------
    plan : Plan
        The week's visits.

    Returns
    -------
    bytes
        The same plan gives the same bytes with the same openpyxl. No cell is a formula.
    """
    # heavy, and most commands write none
    from openpyxl import Workbook  # noqa: PLC0415
    from openpyxl.styles import Alignment  # noqa: PLC0415

    book = Workbook()
    sheet, notes = book.worksheets[0], book.create_sheet()
    table = sites_table(plan)
    sheet.title = table.title
    sheet.append([clean(_HEADS[c.key][0][plan.language]) for c in table.columns])
    for row in table.rows:
        sheet.append([clean(said) if isinstance(said, str) else said for said in row])
    _dress(sheet, plan.language)
    _offer(sheet, plan.language)
    notes.title = "说明" if plan.language == "zh" else "notes"
    for line in _notes(plan):
        notes.append([clean(line)])
    notes.column_dimensions["A"].width = 80
    for (each,) in notes.iter_rows():
        each.alignment = Alignment(wrap_text=True, vertical="top")
    for line in (*sheet.iter_rows(), *notes.iter_rows()):
        for each in line:
            if isinstance(each.value, str):
                each.data_type = "s"  # never a formula
                if each.value.startswith(FORMULA_STARTS):
                    each.quotePrefix = True
    made = plan.package.week.end.replace(tzinfo=None)  # the format has no zone
    book.properties.created = book.properties.modified = made
    written = io.BytesIO()
    book.save(written)
    return without_time(written.getvalue())


def _dress(sheet: "Worksheet", language: Language) -> None:
    """Give widths, formats and locks; keep head and names in sight."""
    from openpyxl.styles import (  # noqa: PLC0415 - as above
        Alignment,
        Border,
        Font,
        PatternFill,
        Protection,
        Side,
    )
    from openpyxl.utils import get_column_letter  # noqa: PLC0415

    hair = Side(style="hair")
    head, answer = PatternFill("solid", "D9D9D9"), PatternFill("solid", "FFF2CC")
    for number, (key, (_, width, shape)) in enumerate(_HEADS.items(), start=1):
        letter = get_column_letter(number)
        sheet.column_dimensions[letter].width = width + (4 if language == "en" else 1)
        for cell in sheet[letter]:
            cell.border = Border(bottom=hair, right=hair)
            cell.alignment = Alignment(wrap_text=True, vertical="top")
            if cell.row == 1:
                cell.font, cell.fill = Font(bold=True), head
                continue
            cell.number_format = shape
            if key in ANSWERS:
                cell.fill, cell.protection = answer, Protection(locked=False)
    for row in range(1, sheet.max_row + 1):
        sheet.row_dimensions[row].height = _ROW_POINTS
    sheet.freeze_panes = sheet.cell(2, _FROZEN + 1).coordinate
    lock = sheet.protection
    lock.sheet = True
    # False: allowed although the sheet is locked
    lock.formatColumns = lock.formatRows = lock.sort = lock.autoFilter = False
    sheet.page_setup.orientation, sheet.page_setup.paperSize = "landscape", 9
    sheet.print_title_rows, sheet.print_title_cols = "1:1", "A:B"


def _offer(sheet: "Worksheet", language: Language) -> None:
    """Offer words in the cells that take no others."""
    from openpyxl.utils import get_column_letter  # noqa: PLC0415 - as above
    from openpyxl.worksheet.datavalidation import DataValidation  # noqa: PLC0415

    last = max(2, sheet.max_row)
    for key, prompt in _PROMPTS.items():
        words = choices(key, language)
        offered = DataValidation(
            type="list",
            # in the cell itself: apps on phones do not follow names or other sheets
            formula1=f'"{",".join(words)}"',
            allow_blank=True,
            showDropDown=False,
            showErrorMessage=True,
            showInputMessage=True,
            errorStyle="stop",
            errorTitle=ANSWERS[key][language],
            error=_PROMPTS["verdict"][language],
            promptTitle=ANSWERS[key][language],
            prompt=prompt[language],
        )
        letter = get_column_letter(list(_HEADS).index(key) + 1)
        offered.add(f"{letter}2:{letter}{last}")
        sheet.add_data_validation(offered)


def _notes(plan: Plan) -> list[str]:
    """Say what the sheet is and how it comes back."""
    language = plan.language
    told = (
        plan.notice,
        *plan.remarks,
        Reason(
            zh="黄色格由核查人填写：核查结果、原因、核查方式从列表选择，日期写作 "
            "2026-11-05，照片写文件名，用分号隔开。其余格已锁定（无密码）。",
            en="Fill in the yellow cells: choose verdict, cause and kind from the "
            "lists, write days like 2026-11-05, and photos as file names between "
            "semicolons. The other cells are locked, without a password.",
        ),
        Reason(
            zh="交回本文件后用 rsmonitor triage import 导入；没有填写的行不导入。",
            en="The file comes back with 'rsmonitor triage import'; rows that nobody "
            "filled in are passed over.",
        ),
        Reason(
            zh="坐标为 WGS 84（与 CGCS2000 相差不到半米）；GCJ-02 两列只用于手机地图。",
            en="Coordinates are WGS 84, which CGCS2000 equals to half a metre; the two "
            "columns in GCJ-02 are for phone maps only.",
        ),
    )
    title = f"{WORDS['title'][language]} {plan.area} {plan.package.week}"
    return [title, *(each[language] for each in told), plan.package.software]


def _cells(plan: Plan, visit: Visit) -> dict[str, Cell]:
    """Give the cells of a site."""
    language, dossier, grid = plan.language, visit.dossier, visit.grid
    no, web, case = NOT_APPLICABLE[language], visit.web_map, dossier.case
    first, last, clear = visit.seen
    between = "；" if language == "zh" else "; "
    return {
        "visit": visit.number,
        "name": visit.name,
        **dict.fromkeys(ANSWERS, ""),
        "alert_id": dossier.alert.alert_id,
        "place": dossier.place,
        "county": visit.county[language],
        "category": visit.category[language],
        "area_mu": round(visit.area_mu, 2),
        "tier": visit.tier[language],
        "due": "" if case is None or case.due is None else case.due.isoformat(),
        "latitude": round(dossier.point.y, 6),
        "longitude": round(dossier.point.x, 6),
        "latitude_dms": visit.dms_latitude,
        "longitude_dms": visit.dms_longitude,
        "zone": no if grid is None else grid.zone,
        "epsg": no if grid is None else grid.epsg,
        "northing_x": no if grid is None else round(grid.northing_m, 2),
        "easting_y": no if grid is None else round(grid.easting_m, 2),
        "gcj02_latitude": no if web is None else round(web.y, 6),
        "gcj02_longitude": no if web is None else round(web.x, 6),
        "leg_km": round(visit.leg_m / 1000, 2),
        "first_seen": first,
        "last_seen": last,
        "last_clear": clear,
        "causes": visit.causes[language],
        "look_for": between.join(each[language] for each in visit.look_for),
        "why": between.join(each[language] for each in visit.why),
        "near": between.join(each[language] for each in visit.near),
        "notice": plan.notice[language],
    }
