"""Findings in words, Chinese and English: measured, and with the dates that decide."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from rsmonitor.records.disturbance import CAUSE_LABELS, Cause, Increment
from rsmonitor.records.licence import KIND_LABELS, STATUS_LABELS, Licence
from rsmonitor.records.rule import LegalRule
from rsmonitor.records.verdict import CATEGORY_LABELS, Category
from rsmonitor.stages.rules import Act
from rsmonitor.stages.standing import OVER, Standing

Said = tuple[str, str]
"""A sentence, or part of one, in Chinese and in English."""

PERIODS: Final[Mapping[Standing, Said]] = {
    Standing.THROUGHOUT: (
        "有效期{first}至{last}",
        "in force from {first} to {last}",
    ),
    Standing.ENDED: (
        "有效期{first}至{last}，早于变化；延续情况待核",
        "valid from {first} to {last}, before that; renewal to be checked",
    ),
    Standing.LATER: (
        "有效期{first}至{last}，晚于变化",
        "valid from {first} to {last}, after that",
    ),
    Standing.RENEWING: (
        "有效期{first}至{last}，延续申请已于{accepted}受理、当时尚未批复",
        "valid from {first} to {last}; renewal accepted on {accepted}, not yet decided",
    ),
    Standing.SUSPENDED: (
        "有效期{first}至{last}，当时处于停产状态",
        "valid from {first} to {last}, and suspended then",
    ),
    Standing.PARTLY: (
        "有效期{first}至{last}，起止日期落在变化时段内，无法判定先后",
        "valid from {first} to {last}, so it began or ended within that time",
    ),
    Standing.UNDATED: (
        "有效期{first}至{last}，日期不全，无法判定",
        "valid from {first} to {last}: without both dates nothing can be said",
    ),
}

REASONS: Final[Mapping[str, Said]] = {
    "inside": ("", ""),
    "time": ("", ""),
    "beyond": ("", ""),
    "outside": ("", ""),
    "works_beyond": ("，规模属勘查施工", ", of the size of exploration works"),
    "ancillary": ("，为矿区外附属设施", ", ancillary works outside it"),
    "minerals_other": (
        "，矿种为{minerals}，不含稀土",
        ", for {minerals} and not for rare earth",
    ),
    "minerals_unsaid": (
        "，登记资料未载明矿种，不能认定包含稀土",
        ", whose minerals are not given: it cannot be said to cover rare earth",
    ),
    "minerals_associated": (
        "，稀土为其共生、伴生矿种，由人判断",
        ", with rare earth as a co-occurring mineral: that is for a person",
    ),
    "off_list": (
        "，不在当年公示的在产矿山名单内",
        ", which is not on the published list of producing mines of the year",
    ),
    "list_changed": (
        "，变化跨越两年，仅列入其中一年的在产矿山名单",
        ", which is on the list of one of the two years in which it may have begun",
    ),
    "ponds_in_restoration": (
        "，治理工程内见疑似浸出池或沉淀池",
        ", where a restoration project shows what looks like leaching ponds",
    ),
    "earthworks": (
        "，治理施工与开采在影像上不能区分",
        ", where imagery cannot tell earthworks of the project from mining",
    ),
    "overdue": (
        "，期限{deadline}已过，{disturbed}仍可见扰动",
        ", due by {deadline} and still disturbed on {disturbed}",
    ),
    "restarted": ("，关闭之后再次采挖", ", dug again after it was closed"),
    "construction_inside": (
        "，登记册内无其用地批准",
        ", and the register holds no land approval of it",
    ),
    "construction_near": (
        "，邻近矿业权、回收项目、关闭矿点或登记企业",
        ", near a mining right, a recovery project, a closed site or a plant",
    ),
    "counted": (
        "，远离矿业活动的一般建设，仅计数，不报警",
        ", construction far from mining: counted, and no alert",
    ),
    "datum": (
        "，该权属坐标系转换误差大，超出范围在误差之内，不作越界判断",
        ", by less than the error of its old datum: nothing is said to lie beyond it",
    ),
    "legacy": ("，历史起点之前已存在", ", already there when the history starts"),
}
"""What each reason adds to where it lies."""

UNSEEN: Final[Said] = (
    "影像不能判定：非法外包、超计划、开采标高、环评条件。",
    "Imagery cannot see: contracting out, output above quota, depth, EIA conditions.",
)
"""What 'nothing abnormal seen' does not cover."""

CHECKED: Final[Mapping[bool, Said]] = {
    False: ("（文字未经人工核对）", " (wording not checked by a person)"),
    True: ("", ""),
}


def named(licence: Licence) -> Said:
    """
    Name a licence with its kind.

    Parameters
    ----------
    licence : Licence
        The licence.

    Returns
    -------
    tuple of str
        Chinese and English.
    """
    zh, en = KIND_LABELS[licence.kind]
    return f"{zh}{licence.licence_id}", f"{en} {licence.licence_id}"


def period(licence: Licence, standing: Standing) -> Said:
    """
    Say when a right was valid, and how that stands to the act.

    Parameters
    ----------
    licence : Licence
        The right.
    standing : Standing
        How its validity stands to the act.

    Returns
    -------
    tuple of str
        Chinese and English, with both dates and every change of status.
    """
    zh, en = PERIODS[standing]
    first, last, accepted = (
        None if day is None else day.isoformat()
        for day in (licence.valid_from, licence.valid_to, licence.renewal_accepted)
    )
    zh = zh.format(
        first=first or "未载明", last=last or "未载明", accepted=accepted or "未载明"
    )
    en = en.format(
        first=first or "not given",
        last=last or "not given",
        accepted=accepted or "not given",
    )
    if standing is Standing.UNDATED and first is not None and last is not None:
        zh = f"有效期{first}至{last}，状态为{licence.status}而未载明日期，无法判定"
        en = f"valid from {first} to {last}, but {licence.status} on a day that is not "
        en += "given: nothing can be said"
    for change in licence.status_history:
        status_zh, status = STATUS_LABELS[change.status]
        zh += f"，{change.on}起{status_zh}"
        en += f", {status} from {change.on}"
    return zh, en


def reason(code: str, licence: Licence | None, act: Act) -> Said:
    """
    Say what a reason adds.

    Parameters
    ----------
    code : str
        One of `REASONS`.
    licence : Licence, optional
        The right that decides.
    act : Act
        The act.

    Returns
    -------
    tuple of str
        Chinese and English.
    """
    zh, en = REASONS[code]
    if "{" not in zh:
        return zh, en
    deadline = None if licence is None else licence.deadline or licence.valid_to
    minerals = () if licence is None else licence.minerals
    facts = {"deadline": deadline, "disturbed": act.disturbed_on}
    return (
        zh.format(minerals="、".join(minerals), **facts),
        en.format(minerals=", ".join(minerals), **facts),
    )


def began(increments: Sequence[Increment], *, known: bool = False) -> Said:
    """
    Say when something began: between two looks, never on a day.

    Parameters
    ----------
    increments : sequence of Increment
        What one sentence covers.
    known : bool, default False
        True where the day is known from something else than imagery.

    Returns
    -------
    tuple of str
        Chinese and English.
    """
    by = max(increment.began_by for increment in increments)
    if known:
        return f"按行为日期{by}判定", f"Judged as of {by}"
    looks = [increment.began_after for increment in increments]
    seen = [look for look in looks if look is not None]
    if len(seen) < len(looks):
        return (
            f"变化首见于{by}或之前，此前部分地块无晴空观测",
            f"First seen by {by}, with no clear look before at least part of it",
        )
    after = min(seen)
    return f"变化始于{after}至{by}之间", f"Began between {after} and {by}"


def caused(cause: Cause) -> Said:
    """
    Name a cause as a guess.

    Parameters
    ----------
    cause : Cause
        The most probable one.

    Returns
    -------
    tuple of str
        Chinese and English, in brackets.
    """
    zh, en = CAUSE_LABELS[cause]
    return f"（最可能：{zh}）", f" (most probably {en})"


def mention(licence: Licence, standing: Standing) -> Said:
    """
    Say why a right that covers it changes nothing.

    Parameters
    ----------
    licence : Licence
        The right.
    standing : Standing
        How its validity stands to the act.

    Returns
    -------
    tuple of str
        Chinese and English.
    """
    zh, en = named(licence)
    if standing is Standing.LATER:
        return (
            f"{zh}自{licence.valid_from}起生效，不追溯此前的开挖。",
            f"The {en}, valid from {licence.valid_from}, cures nothing earlier.",
        )
    if standing is Standing.ENDED:
        over = [change for change in licence.status_history if change.status in OVER]
        if over:
            word_zh, word = STATUS_LABELS[over[0].status]
            return (
                f"{zh}已于{over[0].on}{word_zh}。",
                f"The {en} was {word} on {over[0].on}.",
            )
        return (
            f"{zh}已于{licence.valid_to}到期。",
            f"The {en} had ended on {licence.valid_to}.",
        )
    return f"{zh}不准许此类活动。", f"The {en} does not permit this."


def basis(rules: Iterable[LegalRule]) -> Said:
    """
    Name the laws in force at the act.

    Parameters
    ----------
    rules : iterable of LegalRule
        From `rsmonitor.records.rule.LawTable.basis`.

    Returns
    -------
    tuple of str
        Chinese and English; says of each whether a person has checked its wording.
    """
    zh, en = [], []
    for rule in rules:
        until_zh = f"至{rule.valid_to}" if rule.valid_to else "起"
        until = f" to {rule.valid_to}" if rule.valid_to else " on"
        checked_zh, checked = CHECKED[rule.wording_checked_by_person]
        article = rule.article or rule.clause
        zh.append(
            f"《{rule.law_zh}》（{rule.number}）{article or '（条号待核）'}，"
            f"{rule.valid_from}{until_zh}施行：{rule.text_zh}{checked_zh}"
        )
        en.append(
            f"{rule.law_en}, {article or 'article to be checked'}, in force from "
            f"{rule.valid_from}{until}: {rule.text_en}{checked}"
        )
    return "；".join(zh) + "。", "; ".join(en) + "."


def in_force(rules: Iterable[LegalRule]) -> Said:
    """
    Name the same laws in short, for the sentence of a verdict.

    Parameters
    ----------
    rules : iterable of LegalRule
        From `rsmonitor.records.rule.LawTable.basis`.

    Returns
    -------
    tuple of str
        Chinese and English; empty without a rule.
    """
    zh: dict[str, list[str]] = {}
    en: dict[str, list[str]] = {}
    for rule in rules:
        article = rule.article or rule.clause
        zh.setdefault(f"《{rule.law_zh}》", []).append(article)
        en.setdefault(rule.law_en, []).append(article)
    if not zh:
        return "", ""
    listed_zh = "、".join(
        law + "、".join(dict.fromkeys(filter(None, articles)))
        for law, articles in zh.items()
    )
    listed = "; ".join(
        " ".join([law, ", ".join(dict.fromkeys(filter(None, articles)))]).strip()
        for law, articles in en.items()
    )
    return f"行为时施行：{listed_zh}。", f" In force at the time: {listed}."


def label(category: Category) -> Said:
    """
    Give the label of a category.

    Parameters
    ----------
    category : Category
        The category.

    Returns
    -------
    tuple of str
        Chinese and English.
    """
    return CATEGORY_LABELS[category]
