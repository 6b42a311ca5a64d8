"""Names and colours that every picture and table of a delivery shares.

Colours are from the palettes of Okabe and Ito and of Paul Tol, which people with the
common colour vision deficiencies can tell apart. The labels of categories, causes,
states and kinds stand beside their codes in `rsmonitor.records`.
"""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Final

from rsmonitor.records.licence import Licence, LicenceKind
from rsmonitor.records.rasters import Tier
from rsmonitor.records.verdict import Category


class Validity(StrEnum):
    """Where a licence stands on one day."""

    IN_FORCE = "in_force"
    EXPIRED = "expired"
    NOT_YET = "not_yet"
    UNDATED = "undated"


VALIDITY_LABELS: Final[Mapping[Validity, tuple[str, str]]] = {
    Validity.IN_FORCE: ("有效", "in force"),
    Validity.EXPIRED: ("已过期", "expired"),
    Validity.NOT_YET: ("未生效", "not yet in force"),
    Validity.UNDATED: ("日期不详", "undated"),
}
"""Chinese and English label of each validity."""

TIER_LABELS: Final[Mapping[Tier, tuple[str, str]]] = {
    Tier.NONE: ("无", "none"),
    Tier.LOW: ("低", "low"),
    Tier.MEDIUM: ("中", "medium"),
    Tier.HIGH: ("高", "high"),
}
"""Chinese and English label of each tier."""

CATEGORY_COLOURS: Final[Mapping[Category, str]] = {
    Category.NO_RIGHT: "#d55e00",
    Category.MINING_UNDER_EXPLORATION: "#cc79a7",
    Category.BEYOND_BOUNDARY: "#e69f00",
    Category.EXPIRED: "#f0e442",
    Category.RESTARTED: "#882255",
    Category.MINING_UNDER_RESTORATION: "#aa4499",
    Category.RECOVERY_BEYOND_AREA: "#ddcc77",
    Category.RECOVERY_BEYOND_PERIOD: "#999933",
    Category.OTHER_MINERAL: "#332288",
    Category.OFF_LIST: "#661100",
    Category.EXPLORATION_WITHOUT_RIGHT: "#6699cc",
    Category.UNAUTHORISED_CONSTRUCTION: "#44aa99",
    Category.CLOSED_NOT_CLEARED: "#117733",
    Category.RESTORATION_OVERDUE: "#88ccee",
    Category.UNCLEAR: "#777777",
    Category.EXPLORATION_WORKS: "#0072b2",
    Category.ANCILLARY_LAND: "#56b4e9",
    Category.OTHER_MINERAL_RIGHT: "#009e73",
    Category.LEGACY: "#bbbbbb",
    Category.NOTHING_ABNORMAL: "#dddddd",
}
"""Fill of each category."""

KIND_COLOURS: Final[Mapping[LicenceKind, str]] = {
    LicenceKind.MINING: "#0072b2",
    LicenceKind.EXPLORATION: "#117733",
    LicenceKind.RECOVERY: "#aa4499",
    LicenceKind.LAND_USE: "#661100",
    LicenceKind.RESTORATION: "#44aa99",
    LicenceKind.CLOSED: "#555555",
    LicenceKind.PLANT: "#332288",
    LicenceKind.RESTRICTION: "#882255",
}
"""Outline of each kind of licence."""

FIELD_LABELS: Final[Mapping[str, tuple[str, str]]] = {
    "rank": ("顺序", "place in the order of attention"),
    "alert_id": ("线索编号", "alert id"),
    "version": ("版本", "version"),
    "tier": ("证据等级", "how much evidence there is"),
    "tier_zh": ("证据等级（中文）", "tier in Chinese"),
    "category": ("类别", "what it is in the terms of the law"),
    "category_zh": ("类别（中文）", "category in Chinese"),
    "certainty": ("把握程度", "how sure the category is"),
    "area_mu": ("面积（亩）", "area in mu"),
    "area_m2": ("面积（平方米）", "area in square metres"),
    "began_after": ("开始晚于", "last clear look that saw nothing"),
    "began_by": ("开始不晚于", "first clear look that saw the change"),
    "first_seen": ("首次发现", "first seen"),
    "confirmed": ("确认日期", "day it reached the high tier"),
    "last_seen": ("最近可见", "last clear look at which it looked disturbed"),
    "last_clear": ("最近晴空观测", "last clear look"),
    "clear_looks_since": ("此后晴空观测次数", "clear looks since it was first seen"),
    "cause": ("成因", "what probably changed the ground"),
    "cause_zh": ("成因（中文）", "cause in Chinese"),
    "cause_probability": ("成因概率", "probability of the cause"),
    "causes": ("各成因概率", "probability by cause, JSON"),
    "state": ("状态", "where the site stands in its life"),
    "state_zh": ("状态（中文）", "state in Chinese"),
    "site_id": ("图斑编号", "site id"),
    "parts": ("分部判定", "parts with category, area and clause, JSON"),
    "licence_ids": ("涉及许可证", "licences that touch it"),
    "restrictions": ("涉及限制区", "restriction layers that it lies in"),
    "register_warnings": ("登记资料存疑", "what is odd about the register here"),
    "register_snapshot": ("许可证库快照", "digest of the licences used"),
    "law_table": ("法规表摘要", "digest of the table of laws"),
    "county_codes": ("县级代码", "GB/T 2260 codes"),
    "bureau": ("接收单位", "who receives it"),
    "scenes": ("影像", "product ids of the deciding looks"),
    "software": ("软件", "software"),
    "settings_digest": ("参数摘要", "digest of the settings"),
    "model_id": ("模型", "model or rule set that named the cause"),
    "invented_licences": ("许可证为虚构", "licences are invented"),
    "notice": ("声明", "notice"),
    "licence_id": ("许可证号", "number of the licence"),
    "kind": ("种类", "what it permits"),
    "kind_zh": ("种类（中文）", "kind in Chinese"),
    "validity": ("效力", "where it stands at the week's end"),
    "holder": ("权利人", "holder"),
    "minerals": ("矿种", "minerals"),
    "valid_from": ("有效期起", "first valid day"),
    "valid_to": ("有效期止", "last valid day"),
    "status": ("登记状态", "status as the file says it"),
    "invented": ("虚构", "invented"),
    "district": ("监测区", "district"),
    "grid_id": ("格网", "grid"),
    "week": ("周次", "ISO week"),
    "share_seen": ("本周可见面积比", "share of the area seen in the week"),
    "share_monitored": ("可监测面积比", "share of the area with enough history"),
    "median_days_since_clear": (
        "距上次晴空天数（中位）",
        "median days since the last clear look",
    ),
    "scenes_used": ("使用影像数", "scenes used"),
    "scenes_without_clear": ("全云影像数", "scenes without a clear pixel"),
}
"""Chinese and English title of each column."""


def validity_on(licence: Licence, day: date) -> Validity:
    """
    Say where a licence stands on one day.

    Parameters
    ----------
    licence : Licence
        The licence.
    day : date
        A day in Asia/Shanghai.

    Returns
    -------
    Validity
        `UNDATED` if either end of its validity is unknown.

    Examples
    --------
    >>> import shapely
    >>> licence = Licence(
    ...     licence_id="C1",
    ...     kind=LicenceKind.MINING,
    ...     geometry=shapely.box(115, 25, 116, 26),
    ...     valid_from=date(2018, 1, 1),
    ...     valid_to=date(2019, 12, 31),
    ... )
    >>> validity_on(licence, date(2019, 12, 31)).value
    'in_force'
    >>> validity_on(licence, date(2020, 1, 1)).value
    'expired'
    """
    if licence.valid_from is None or licence.valid_to is None:
        return Validity.UNDATED
    if day < licence.valid_from:
        return Validity.NOT_YET
    return Validity.IN_FORCE if day <= licence.valid_to else Validity.EXPIRED
