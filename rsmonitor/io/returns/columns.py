"""Names under which columns come back, and the words and days that stand in them."""

import re
import unicodedata
from collections.abc import Collection, Mapping
from datetime import date
from typing import Final

from rsmonitor.io.returns.rows import UnusableRowError
from rsmonitor.records.disturbance import CAUSE_LABELS, Cause
from rsmonitor.records.event import EventKind
from rsmonitor.records.finding import Judgement

MAX_TEXT: Final = 2_000
"""Longest text that is kept of a cell."""

FINDING_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "id": (
        *("site_id", "alert_id", "id", "图斑编号", "监测编号", "监测图斑编号"),
        *("JCBH", "JCTBBH", "线索编号", "点位编号", "预警编号", "TBBH", "tbbh"),
    ),
    "verdict": (
        *("verdict", "judgement", "判定", "判定结果", "判定结论", "核查结果"),
        *("核查结论", "认定结果", "结论", "合法性", "合法性判定"),
    ),
    "cause": (
        *("cause", "reason", "原因", "伪变化原因", "变化原因", "变化类型"),
        *("未变更类型", "WBGLX"),
    ),
    "imagery": (
        *("imagery", "image", "影像", "判定影像", "依据影像", "影像来源"),
        *("后时相", "HSX"),
    ),
    "who": (
        *("who", "judged_by", "inspector", "核查人", "核查人员", "判定人", "判读人"),
        *("举证人员", "JZRY"),
    ),
    "day": (
        *("date", "on", "judged_on", "day", "日期", "核查日期", "判定日期"),
        *("核查时间", "判定时间", "举证日期"),
    ),
    "photos": ("photos", "photo", "照片", "现场照片", "附件"),
    "note": ("note", "notes", "备注", "说明", "BZ"),
    "kind": ("kind", "method", "核查方式", "方式"),
}
"""Columns of triage and inspection."""

TIP_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "number": ("number", "tip_number", "线索编号", "举报编号", "受理编号", "编号"),
    "day": (
        *("date", "day", "日期", "举报日期", "举报时间", "发现日期", "发现时间"),
        "受理日期",
    ),
    "longitude": ("longitude", "lon", "lng", "x", "经度"),
    "latitude": ("latitude", "lat", "y", "纬度"),
    "datum": ("datum", "crs", "坐标系"),
    "address": ("address", "地址", "地点", "举报地点", "位置", "详细地址"),
    "name": ("name", "reporter", "举报人", "姓名", "举报人姓名"),
    "contact": ("contact", "phone", "电话", "联系电话", "联系方式", "手机", "手机号"),
    "text": ("text", "content", "内容", "举报内容", "线索内容", "描述", "备注", "BZ"),
    "registered_by": ("registered_by", "登记人", "登记单位", "受理人", "受理单位"),
}
"""Columns of tips."""

JUDGEMENT_WORDS: Final[Mapping[str, Judgement]] = {
    **{each.value: each for each in Judgement},
    "legal": Judgement.LAWFUL,
    "合法": Judgement.LAWFUL,
    "合法图斑": Judgement.LAWFUL,
    "illegal": Judgement.UNLAWFUL,
    "违法": Judgement.UNLAWFUL,
    "非法": Judgement.UNLAWFUL,
    "疑似违法": Judgement.UNLAWFUL,
    "违法图斑": Judgement.UNLAWFUL,
    "pseudochange": Judgement.PSEUDO_CHANGE,
    "falsechange": Judgement.PSEUDO_CHANGE,
    "伪变化": Judgement.PSEUDO_CHANGE,
    "伪图斑": Judgement.PSEUDO_CHANGE,
    "specialuse": Judgement.SPECIAL_USE,
    "特殊用地": Judgement.SPECIAL_USE,
    "待核": Judgement.UNCLEAR,
    "待核实": Judgement.UNCLEAR,
    "无法判定": Judgement.UNCLEAR,
    "不明": Judgement.UNCLEAR,
}
"""Words for verdicts, as `plain` writes them or as they stand."""

_MORE_CAUSES: Final[Mapping[Cause, tuple[str, ...]]] = {
    Cause.DIGGING: ("挖掘", "采矿", "mining"),
    Cause.PONDS: ("沉淀池", "浸出池", "池", "pond"),
    Cause.IN_SITU_LEACH: ("原地浸矿",),
    Cause.CONSTRUCTION: ("建房", "房屋建设", "工程建设", "施工"),
    Cause.CLEAR_CUT: ("采伐", "皆伐", "桉树采伐", "砍伐", "竹林采伐", "felling"),
    Cause.ORCHARD: ("果园", "脐橙", "柑橘", "油茶", "防虫网", "大棚"),
    Cause.FIRE: ("火灾", "火烧迹地", "防火带"),
    Cause.LANDSLIDE: ("滑坡", "崩岗", "崩塌"),
    Cause.ROAD: ("修路", "林道", "公路", "风电道路"),
    Cause.QUARRY: ("采石", "采石场", "其他矿", "其他矿种"),
    Cause.SOLAR: ("光伏电站", "光伏用地"),
    Cause.FARMLAND: ("农田", "土地平整", "土地整治", "耕地平整"),
    Cause.REMEDIATION: ("修复", "治理", "生态修复", "矿山治理"),
    Cause.ARTEFACT: (
        "云",
        "阴影",
        "云影",
        "错位",
        "影像错位",
        "误判",
        "cloud",
        "shadow",
    ),
    Cause.UNKNOWN: ("不详",),
}

_KINDS: Final[Mapping[str, EventKind]] = {
    "triage": EventKind.TRIAGED,
    "triaged": EventKind.TRIAGED,
    "内业": EventKind.TRIAGED,
    "内业判读": EventKind.TRIAGED,
    "inspection": EventKind.INSPECTED,
    "inspected": EventKind.INSPECTED,
    "外业": EventKind.INSPECTED,
    "外业核查": EventKind.INSPECTED,
    "实地核查": EventKind.INSPECTED,
    "现场核查": EventKind.INSPECTED,
}

_DAY: Final = re.compile(
    r"([0-9]{4})(?:[-/.]|\s*年\s*)([0-9]{1,2})(?:[-/.]|\s*月\s*)([0-9]{1,2})\s*日?"
    r"(?:[T\s].{0,40})?"
)
_PACKED_DAY: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:[0-9]{6})?")
_DEGREES: Final = re.compile(
    r"([0-9]{1,3})\s*[°度]\s*([0-9]{1,2})\s*[\u2032'分]\s*([0-9]{1,2}(?:\.[0-9]{1,8})?)"
    r"\s*[\u2033\"秒]"
)
_WEB_MAPS: Final = ("gcj", "火星", "高德", "腾讯")
_KNOWN_DATUMS: Final = ("", "wgs84", "cgcs2000", "4326", "epsg4326", "4490", "epsg4490")
_NAMED_LIKE_CGCS: Final = ("2000国家大地坐标系", "国家2000")


def plain(text: str) -> str:
    """
    Write a name so that its spellings meet.

    Parameters
    ----------
    text : str
        A head of a column, or a word.

    Returns
    -------
    str
        Letters and digits only, half-width, lower case.

    Examples
    --------
    >>> plain(" Site_ID "), plain("（核查）结果")
    ('siteid', '核查结果')
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(sign for sign in folded if sign.isalnum())


def named(
    heads: Collection[str], fields: Mapping[str, tuple[str, ...]]
) -> dict[str, str]:
    """
    Find which heads name which fields.

    Parameters
    ----------
    heads : collection of str
        Heads of columns, as they stand.
    fields : Mapping of str to tuple of str
        `FINDING_FIELDS` or `TIP_FIELDS`.

    Returns
    -------
    dict of str to str
        Head by field; of two heads for one field the better known wins.

    Examples
    --------
    >>> named(["图斑编号", "结论", "长度"], FINDING_FIELDS)
    {'id': '图斑编号', 'verdict': '结论'}
    """
    by_plain = {plain(head): head for head in reversed(list(heads))}
    found = {}
    for name, spellings in fields.items():
        for spelling in spellings:
            if plain(spelling) in by_plain:
                found[name] = by_plain[plain(spelling)]
                break
    return found


def judgement_in(text: str) -> Judgement | None:
    """
    Read a verdict.

    Parameters
    ----------
    text : str
        A word, Chinese or English.

    Returns
    -------
    Judgement or None
        None where it is no known word.

    Examples
    --------
    >>> judgement_in("伪变化"), judgement_in("pseudo-change"), judgement_in("maybe")
    (<Judgement.PSEUDO_CHANGE: 'pseudo_change'>, <Judgement.PSEUDO_CHANGE: \
'pseudo_change'>, None)
    """
    stripped = text.strip().casefold()
    return JUDGEMENT_WORDS.get(stripped) or JUDGEMENT_WORDS.get(plain(text))


def cause_in(text: str) -> Cause | None:
    """
    Read a cause of the one table.

    Parameters
    ----------
    text : str
        A code, a label or a usual word.

    Returns
    -------
    Cause or None
        None where it is no known word.

    Examples
    --------
    >>> cause_in("油茶"), cause_in("clear cut"), cause_in("什么")
    (<Cause.ORCHARD: 'orchard'>, <Cause.CLEAR_CUT: 'clear_cut'>, None)
    """
    return _CAUSE_WORDS.get(plain(text))


def kind_in(text: str) -> EventKind | None:
    """
    Read whether somebody sat at a desk or was there.

    Parameters
    ----------
    text : str
        内业 or 外业, and their like.

    Returns
    -------
    EventKind or None
        `TRIAGED` or `INSPECTED`; None where it is no known word.
    """
    return _KINDS.get(plain(text))


def day_in(text: str) -> date:
    """
    Read a day.

    Parameters
    ----------
    text : str
        Such as 2026-11-05, 2026年11月5日, 20261105; a time behind it is passed over.

    Returns
    -------
    date
        The day as it is written.

    Raises
    ------
    UnusableRowError
        If it is no day.

    Examples
    --------
    >>> day_in("2026年11月5日"), day_in("2026-11-05 10:31:00")
    (datetime.date(2026, 11, 5), datetime.date(2026, 11, 5))
    """
    folded = unicodedata.normalize("NFKC", text.strip())
    match = _DAY.fullmatch(folded) or _PACKED_DAY.fullmatch(folded)
    if match is not None:
        try:
            return date(*map(int, match.groups()))
        except ValueError:
            pass
    raise UnusableRowError(repr(text[:80]), "a day is written like 2026-11-05")


def degrees_in(text: str) -> float:
    """
    Read an angle.

    Parameters
    ----------
    text : str
        Decimal degrees, or degrees, minutes and seconds.

    Returns
    -------
    float
        Degrees, finite.

    Raises
    ------
    UnusableRowError
        If it is no angle.

    Examples
    --------
    >>> degrees_in("115.25"), degrees_in("115度15分0秒")
    (115.25, 115.25)
    """
    stripped = text.strip()
    match = _DEGREES.fullmatch(stripped)
    if match is not None:
        whole, minutes, seconds = map(float, match.groups())
        return whole + minutes / 60 + seconds / 3600
    try:
        value = float(stripped)
    except ValueError:
        value = float("nan")
    if not abs(value) <= 360:  # noqa: PLR2004 - a full circle; NaN is outside
        raise UnusableRowError(
            repr(text[:80]), "an angle is decimal degrees, or like 115°15'00\""
        )
    return value


def is_web_map(text: str) -> bool:
    """
    Say whether a column 坐标系 names the shifted datum of Chinese web maps.

    Parameters
    ----------
    text : str
        What the column says; empty where there is none.

    Returns
    -------
    bool
        True for GCJ-02, False for WGS 84 and CGCS2000, which differ by less than a
        metre.

    Raises
    ------
    UnusableRowError
        If it is another datum.

    Examples
    --------
    >>> is_web_map("GCJ-02"), is_web_map("CGCS2000")
    (True, False)
    """
    name = plain(text)
    if any(word in name for word in _WEB_MAPS):
        return True
    if name in _KNOWN_DATUMS or name in _NAMED_LIKE_CGCS:
        return False
    raise UnusableRowError(
        repr(text[:80]), "a tip is in WGS 84, CGCS2000 or GCJ-02; convert it first"
    )


def _cause_words() -> dict[str, Cause]:
    """Gather all words for causes."""
    words: dict[str, Cause] = {}
    for cause in Cause:
        chinese, english = CAUSE_LABELS[cause]
        spellings = (cause.value, chinese, english, *_MORE_CAUSES[cause])
        words |= dict.fromkeys(map(plain, spellings), cause)
    # 伪变化 is a verdict, and of causes it is the label of artefacts only in full
    return words


_CAUSE_WORDS: Final = _cause_words()
