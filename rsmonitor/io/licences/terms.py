"""What bureaus call the fields of a licence, and how they write what stands in them.

One table of names, Chinese, English, and the pinyin initials that shapefiles cut names
to; the initials are the usual reading and no public standard shows them, so that a name
that is not here is reported and never guessed.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from rsmonitor.io.licences.attributes import plain
from rsmonitor.io.licences.found import UnusableError
from rsmonitor.io.licences.untrusted import shown
from rsmonitor.records.licence import (
    DATUM_ERRORS_M,
    KIND_LABELS,
    MAX_POSITION_ERROR_M,
    STATUS_LABELS,
    LicenceKind,
    LicenceStatus,
    StatusChange,
)

MAX_TEXT: Final = 500
"""Longest text of a field, characters."""

ENDLESS: Final = date(9999, 12, 31)
"""What a licence without end is valid to."""

NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "licence_id": (
        "许可证号",
        "采矿许可证号",
        "采矿许可证编号",
        "采矿证号",
        "探矿许可证号",
        "勘查许可证号",
        "勘查许可证编号",
        "探矿证号",
        "许可证编号",
        "证号",
        "批准文号",
        "批复文号",
        "批文号",
        "项目档案号",
        "licence_id",
        "license_id",
        "licence_no",
        "license_no",
        "licence_number",
        "license_number",
        "xkzh",
        "ckxkzh",
        "kcxkzh",
        "xmdah",
    ),
    "kind": ("权利类型", "矿业权类型", "许可类型", "许可证类型", "kind", "kqlx"),
    "holder": (
        "采矿权人",
        "采矿权人名称",
        "探矿权人",
        "探矿权人名称",
        "矿业权人",
        "权利人",
        "权利人名称",
        "持有人",
        "用地单位",
        "建设单位",
        "holder",
        "owner",
        "ckqr",
        "tkqr",
        "kyqr",
        "qlr",
        "qlrmc",
    ),
    "mine": (
        "矿山名称",
        "矿山",
        "勘查项目名称",
        "项目名称",
        "矿区名称",
        "企业名称",
        "地块名称",
        "名称",
        "mine",
        "mine_name",
        "project",
        "project_name",
        "name",
        "ksmc",
        "xmmc",
        "kqmc",
        "dkmc",
        "qymc",
    ),
    "minerals": (
        "开采矿种",
        "开采主矿种",
        "主矿种",
        "主要矿种",
        "勘查矿种",
        "矿种",
        "矿种名称",
        "mineral",
        "minerals",
        "kckz",
        "kczkz",
        "zkz",
        "kz",
        "kzmc",
    ),
    "associated_minerals": (
        "共伴生矿种",
        "共伴生矿产",
        "共生矿种",
        "伴生矿种",
        "共生、伴生矿种",
        "其它矿种",
        "其他矿种",
        "综合利用矿种",
        "associated_minerals",
        "gbskz",
        "qtkz",
    ),
    "method": ("开采方式", "method", "mining_method", "kcfs"),
    "issuer": (
        "发证机关",
        "发证机关名称",
        "批准机关",
        "登记机关",
        "审批机关",
        "issuer",
        "authority",
        "fzjg",
    ),
    "valid_from": (
        "有效期起",
        "有效期起始",
        "有效期起始日期",
        "有效期自",
        "有效期始",
        "起始日期",
        "开始日期",
        "生效日期",
        "valid_from",
        "start",
        "start_date",
        "yxqq",
        "yxqs",
        "qsrq",
    ),
    "valid_to": (
        "有效期止",
        "有效期终止",
        "有效期终止日期",
        "有效期至",
        "截止日期",
        "终止日期",
        "结束日期",
        "到期日期",
        "失效日期",
        "valid_to",
        "end",
        "end_date",
        "expiry",
        "yxqz",
        "jzrq",
        "zzrq",
    ),
    "period": (
        "有效期",
        "有效期限",
        "有效期起止",
        "有效起止日期",
        "许可证有效期",
        "许可证有效期限",
        "validity",
        "yxq",
        "yxqx",
    ),
    "status": ("状态", "许可证状态", "矿业权状态", "status", "zt", "xkzzt"),
    "status_on": ("状态日期", "注销日期", "吊销日期", "停产日期", "status_on"),
    "status_history": ("状态变更", "status_history"),
    "renewal_accepted": ("延续受理日期", "延续申请受理日期", "renewal_accepted"),
    "renewal_decided": ("延续决定日期", "延续批准日期", "renewal_decided"),
    "elevation": (
        "开采标高",
        "开采深度",
        "采矿标高",
        "批准标高",
        "标高",
        "elevation",
        "kcbg",
        "kcsd",
    ),
    "deadline": ("期限", "整改期限", "完成期限", "治理期限", "关闭期限", "deadline"),
    "subkind": ("用地类型", "限制区类型", "保护区类型", "红线类型", "subkind"),
    "datum": ("原坐标系", "datum"),
    "position_error_m": ("位置误差", "位置误差(米)", "position_error_m"),
    "source": ("资料来源", "来源", "source"),
    "version": ("版本", "version"),
    "invented": ("虚构", "invented"),
}
"""Names of each field, in the order in which they are preferred."""

PASSED_OVER: Final = frozenset(
    {
        *(
            "图幅号",
            "地块用途",
            "地类编码",
            "面积",
            "矿区面积",
            "登记面积",
            "点号",
            "序号",
        ),
        *("格式版本号", "数据产生单位", "数据产生日期", "坐标系", "几度分带", "分带"),
        *("投影类型", "计量单位", "带号", "精度", "转换参数", "中央子午线", "中央经线"),
        *("fid", "objectid", "oid", "shape_leng", "shape_length", "shape_area"),
        *("地块编号", "地块号", "dkbh", "dkmj", "kqmj", "area", "stated_area_m2"),
    }
)
"""Names that say nothing of a right, or that a reader has used already."""

_FIELD_OF: Final[Mapping[str, str]] = {
    plain(name): key for key, names in NAMES.items() for name in names
}
_KINDS: Final[Mapping[str, LicenceKind]] = {
    **{kind.value: kind for kind in LicenceKind},
    **{label: kind for kind, labels in KIND_LABELS.items() for label in labels},
    "采矿": LicenceKind.MINING,
    "采矿许可": LicenceKind.MINING,
    "采矿许可证": LicenceKind.MINING,
    "探矿": LicenceKind.EXPLORATION,
    "勘查": LicenceKind.EXPLORATION,
    "勘查许可证": LicenceKind.EXPLORATION,
    "压覆资源回收": LicenceKind.RECOVERY,
    "回收": LicenceKind.RECOVERY,
    "用地": LicenceKind.LAND_USE,
    "临时用地": LicenceKind.LAND_USE,
    "建设用地": LicenceKind.LAND_USE,
    "林地使用": LicenceKind.LAND_USE,
    "治理": LicenceKind.RESTORATION,
    "修复": LicenceKind.RESTORATION,
    "生态修复": LicenceKind.RESTORATION,
    "关闭": LicenceKind.CLOSED,
    "关闭矿山": LicenceKind.CLOSED,
}
_STATUSES: Final[Mapping[str, LicenceStatus]] = {
    **{status.value: status for status in LicenceStatus},
    **{label: status for status, labels in STATUS_LABELS.items() for label in labels},
}
_DAY: Final = re.compile(
    r"(?<![0-9])([12][0-9]{3})\s*[-年./]\s*([0-9]{1,2})\s*[-月./]\s*([0-9]{1,2})(?![0-9])"
    r"\s*日?(?:[T ]\s*[0-9:.]{1,12}Z?)?"
    r"|(?<![0-9])([12][0-9]{3})([01][0-9])([0-3][0-9])(?![0-9])"
)
_BETWEEN: Final = re.compile(r"[\s自从至到~\-—\u2013,，;；.()（）日起止]*")
_FOREVER: Final = frozenset({"长期", "永久", "长期有效", "无期限", "indefinite"})
_NOTHING: Final = frozenset(
    {"", "/", "-", "--", "—", "——", "无", "null", "none", "nan"}
)
_MARKS: Final = re.compile(r"[,;，；、/|]")
_BESIDE: Final = re.compile(
    r"[(（]?\s*(?:共伴生|共生|伴生)(?:矿种|矿产|矿)?\s*[:：]?\s*([^()（）]{1,200})[)）]?"
)
_NUMBERS: Final = re.compile(r"[+-]?[0-9]{1,5}(?:\.[0-9]{1,17})?")
_TRUE: Final = frozenset({"true", "1", "是", "yes"})
_FALSE: Final = frozenset({"false", "0", "否", "no"})

_RULE_DAY: Final = "a day is written like 2025-12-31, 2025年12月31日 or 20251231"
_RULE_PERIOD: Final = "a period has two days, such as 2015年3月1日至2025年3月1日"


RULE_MILITARY: Final = (
    "military boundaries are never imported: that a site is military is said by a "
    "person, site by site (特殊用地)"
)
"""Why a parcel that says it is military is refused."""


@dataclass(slots=True)
class Said:
    """What the fields of one parcel say, in the words of `Licence`."""

    values: dict[str, object] = field(default_factory=dict)
    """Arguments of `Licence`; only what the file says."""

    notes: list[str] = field(default_factory=list)
    """What was passed over."""


def named(attributes: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """
    Find the fields of a licence among those of a file.

    Parameters
    ----------
    attributes : mapping of str to str
        Fields by the names of the file.

    Returns
    -------
    dict of str to tuple of str
        For each field of `NAMES` that has a value, the file's name for it and the
        value; where several names have one, the preferred.

    Examples
    --------
    >>> named({"采矿权人": "某公司", "备注": "x", "开采矿种": " "})
    {'holder': ('采矿权人', '某公司')}
    """
    ranked: dict[str, tuple[int, str, str]] = {}
    for name, value in attributes.items():
        simple = _simple(name)
        key = _FIELD_OF.get(simple)
        if key is None or plain(value) in _NOTHING:
            continue
        rank = [plain(one) for one in NAMES[key]].index(simple)
        if key not in ranked or rank < ranked[key][0]:
            ranked[key] = rank, name, value
    return {key: (name, value) for key, (_, name, value) in ranked.items()}


def unread(attributes: Mapping[str, str]) -> Iterator[str]:
    """
    Name the fields of a file that nobody reads.

    Parameters
    ----------
    attributes : mapping of str to str
        Fields by the names of the file.

    Yields
    ------
    str
        Names with a value that are neither in `NAMES` nor in `PASSED_OVER`.
    """
    for name, value in attributes.items():
        simple = _simple(name)
        known = simple in _FIELD_OF or simple in PASSED_OVER
        if not known and plain(value) not in _NOTHING and not name.startswith("字段"):
            yield name


def said_by(attributes: Mapping[str, str]) -> Said:
    """
    Read what the fields of a parcel say.

    Parameters
    ----------
    attributes : mapping of str to str
        Fields by the names of the file.

    Returns
    -------
    Said
        Arguments of `Licence`, without geometry and datum.

    Raises
    ------
    UnusableError
        If a field says what it cannot: a day that is none, a kind that nobody knows.

    Examples
    --------
    >>> said_by({"许可证号": "C36", "有效期": "2015年3月1日至2025年3月1日"}).values[
    ...     "valid_to"
    ... ]
    datetime.date(2025, 3, 1)
    """
    said = Said()
    fields = named(attributes)
    values = said.values
    for key in (
        "licence_id",
        "holder",
        "mine",
        "method",
        "issuer",
        "status",
        "subkind",
    ):
        if key in fields:
            values[key] = tidy(*fields[key])
    if "source" in fields:
        values["source"] = tidy(*fields["source"])
    if "kind" in fields:
        values["kind"] = kind_named(*fields["kind"])
    _read_minerals(fields, values)
    for key in (
        *("valid_from", "valid_to", "renewal_accepted", "renewal_decided", "deadline"),
    ):
        if key in fields:
            values[key] = day(*fields[key])
    if "period" in fields and not {"valid_from", "valid_to"} & values.keys():
        values["valid_from"], values["valid_to"] = period(*fields["period"])
    if "elevation" in fields:
        _read_elevation(*fields["elevation"], said)
    _read_status(fields, said)
    _read_ours(fields, values)
    said.notes.extend(f"field {shown(name)} is not read" for name in unread(attributes))
    return said


def kind_named(name: str, value: str) -> LicenceKind:
    """
    Read what a licence permits.

    Parameters
    ----------
    name : str
        The file's name of the field.
    value : str
        Such as ``采矿权`` or ``mining``.

    Returns
    -------
    LicenceKind
        The kind.

    Raises
    ------
    UnusableError
        If nobody knows it.

    Examples
    --------
    >>> kind_named("权利类型", "探矿权").value
    'exploration'
    """
    kind = _KINDS.get(plain(value)) or _KINDS.get(value.strip())
    if kind is None:
        raise UnusableError(
            f"{name} is {shown(value)}",
            "it must be one of "
            + ", ".join(
                f"{kind.value} ({zh})" for kind, (zh, _) in KIND_LABELS.items()
            ),
        )
    return kind


def day(name: str, value: str) -> date:
    """
    Read a day.

    Parameters
    ----------
    name : str
        The file's name of the field.
    value : str
        ``2025-12-31``, ``2025年12月31日``, ``2025/12/31``, ``20251231``; a time after
        it is left out; ``长期`` is `ENDLESS`.

    Returns
    -------
    date
        The day.

    Raises
    ------
    UnusableError
        If it is none.

    Examples
    --------
    >>> day("有效期止", "2025年2月28日")
    datetime.date(2025, 2, 28)
    """
    text = unicodedata.normalize("NFKC", value).strip()
    if text in _FOREVER:
        return ENDLESS
    found = _DAY.fullmatch(text)
    if found:
        return _dated(found, name, value)
    raise UnusableError(f"{name} is {shown(value)}", _RULE_DAY)


def period(name: str, value: str) -> tuple[date, date]:
    """
    Read two days.

    Parameters
    ----------
    name : str
        The file's name of the field.
    value : str
        Such as ``自2015年3月1日至2025年3月1日``.

    Returns
    -------
    tuple of date
        First and last day.

    Raises
    ------
    UnusableError
        If it has not two days, or has other words.

    Examples
    --------
    >>> period("有效期限", "2015-03-01至长期")[1].year
    9999
    """
    text = unicodedata.normalize("NFKC", value).strip()
    found = list(_DAY.finditer(text))
    rest = _DAY.sub("", text)
    endless = any(word in rest for word in _FOREVER)
    for word in sorted(_FOREVER, key=len, reverse=True):
        rest = rest.replace(word, "")
    if len(found) + endless != 2 or not found or not _BETWEEN.fullmatch(rest):  # noqa: PLR2004 - both ends
        raise UnusableError(f"{name} is {shown(value)}", _RULE_PERIOD)
    first = _dated(found[0], name, value)
    return first, ENDLESS if endless else _dated(found[1], name, value)


def tidy(name: str, value: str) -> str:
    """
    Refuse text that could not be printed on an alert; remove surplus white space.

    Parameters
    ----------
    name : str
        The file's name of the field.
    value : str
        Its value.

    Returns
    -------
    str
        On one line.

    Raises
    ------
    UnusableError
        If it is too long or has characters that do not print.
    """
    text = " ".join(value.split())
    if len(text) > MAX_TEXT or not text.isprintable():
        raise UnusableError(
            f"{name} is {shown(value)}",
            f"text is at most {MAX_TEXT} printable characters",
        )
    return text


def listed(name: str, value: str) -> tuple[str, ...]:
    """
    Read a list of minerals.

    Parameters
    ----------
    name : str
        The file's name of the field.
    value : str
        With any of the marks of lists between them.

    Returns
    -------
    tuple of str
        Each once, in order.

    Raises
    ------
    UnusableError
        If it is no printable text.
    """
    parts = (tidy(name, part) for part in _MARKS.split(value))
    return tuple(dict.fromkeys(part for part in parts if part))


def _simple(name: str) -> str:
    """Bring a name to the form of the table: without a unit behind it."""
    simple = plain(name)
    if simple in _FIELD_OF:
        return simple
    return re.sub(r"[(\[].{0,12}[)\]]$|[:：]$", "", simple)


def _dated(found: re.Match[str], name: str, value: str) -> date:
    """Make a day of three numbers."""
    numbers = [int(part) for part in found.groups() if part is not None]
    try:
        return date(*numbers)
    except ValueError as error:
        raise UnusableError(f"{name} is {shown(value)}", _RULE_DAY) from error


def _read_minerals(
    fields: Mapping[str, tuple[str, str]], values: dict[str, object]
) -> None:
    """Read minerals, and those that are only beside them."""
    beside: tuple[str, ...] = ()
    if "minerals" in fields:
        name, value = fields["minerals"]
        for found in _BESIDE.finditer(value):
            beside += listed(name, _without_words(found[1]))
        values["minerals"] = listed(name, _BESIDE.sub("、", value))
    if "associated_minerals" in fields:
        name, value = fields["associated_minerals"]
        beside += listed(name, _without_words(value))
    if beside:
        values["associated_minerals"] = tuple(dict.fromkeys(beside))


def _without_words(value: str) -> str:
    """Leave out the words that say how minerals occur."""
    return re.sub(r"(共伴生|共生|伴生)(矿种|矿产|矿)?\s*[:：]?", "、", value)


def _read_elevation(name: str, value: str, said: Said) -> None:
    """Read two elevations; it is shown and never decides, so that it may be missing."""
    text = unicodedata.normalize("NFKC", value)
    text = re.sub(r"(?<=[0-9mM米])\s*(?:[~至\u2013-]|—+)\s*(?=[+-]?[0-9])", " ", text)
    numbers = [float(part) for part in _NUMBERS.findall(text)]
    if len(numbers) != 2:  # noqa: PLR2004 - lowest and highest
        said.notes.append(f"{name} {shown(value)} is not two elevations: not read")
        return
    said.values["elevation_m"] = min(numbers), max(numbers)


def _read_status(fields: Mapping[str, tuple[str, str]], said: Said) -> None:
    """Read when the status changed."""
    if "status_history" in fields:
        said.values["status_history"] = tuple(_changes(*fields["status_history"]))
        return
    status = _STATUSES.get(plain(str(said.values.get("status", ""))))
    if status is None or status is LicenceStatus.IN_FORCE:
        return
    if "status_on" in fields:
        change = StatusChange(on=day(*fields["status_on"]), status=status)
        said.values["status_history"] = (change,)
        return
    said.notes.append(
        f"status {shown(said.values['status'])} has no day (状态日期): it is shown and "
        "decides nothing"
    )


def _changes(name: str, value: str) -> Iterable[StatusChange]:
    """Read changes such as ``2024-05-01 suspended; 2025-01-01 停产``."""
    for part in re.split("[;；]", value):
        when, _, what = part.strip().partition(" ")
        status = _STATUSES.get(plain(what))
        if status is None:
            raise UnusableError(
                f"{name} is {shown(value)}",
                "changes are written like 2024-05-01 suspended; 2025-01-01 in_force",
            )
        yield StatusChange(on=day(name, when), status=status)


def _read_ours(
    fields: Mapping[str, tuple[str, str]], values: dict[str, object]
) -> None:
    """Read what rsmonitor's own writers add."""
    if "datum" in fields:
        name, value = fields["datum"]
        if value.strip() not in DATUM_ERRORS_M:
            raise UnusableError(
                f"{name} is {shown(value)}", f"it is one of {', '.join(DATUM_ERRORS_M)}"
            )
        values["datum"] = value.strip()
    if "position_error_m" in fields:
        name, value = fields["position_error_m"]
        if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,30})?", value.strip()) or (
            float(value) > MAX_POSITION_ERROR_M
        ):
            raise UnusableError(
                f"{name} is {shown(value)}",
                f"it is from 0 to {MAX_POSITION_ERROR_M:g} metres",
            )
        values["position_error_m"] = float(value)
    if "version" in fields:
        name, value = fields["version"]
        if not re.fullmatch("[1-9][0-9]{0,5}", value.strip()):
            raise UnusableError(f"{name} is {shown(value)}", "versions count from 1")
        values["version"] = int(value)
    if "invented" in fields:
        name, value = fields["invented"]
        if plain(value) not in _TRUE | _FALSE:
            raise UnusableError(f"{name} is {shown(value)}", "it is true or false")
        values["invented"] = plain(value) in _TRUE
