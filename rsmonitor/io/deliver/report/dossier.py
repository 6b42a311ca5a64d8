"""What the page of one alert says: what was seen, what it is in law, what to do."""

from datetime import date
from typing import Any, Final

from rsmonitor.io.deliver.legend import TIER_LABELS, VALIDITY_LABELS, validity_on
from rsmonitor.io.deliver.report.case import case_facts
from rsmonitor.io.deliver.report.evidence import (
    causes,
    chip_captions,
    scenes,
    separating,
)
from rsmonitor.io.deliver.report.words import (
    LONGEST_SENTENCE,
    area_words,
    brief,
    decimal_place,
    interval,
    pick,
    plane_place,
    sexagesimal_place,
)
from rsmonitor.records.licence import KIND_LABELS, Licence
from rsmonitor.records.lifecycle import PHASE_LABELS
from rsmonitor.records.package import NEWS_LABELS, Dossier, Language, Package
from rsmonitor.records.verdict import CATEGORY_LABELS, CERTAINTY_LABELS, Part
from rsmonitor.stages.rules import RULES

MOST_PARTS: Final = 4
"""Parts of a site that its page describes, the one that decides first."""

MOST_LICENCES: Final = 4
"""Licences that its page describes."""

LONGEST_PART: Final = 160
"""Characters that a part that does not decide has room for."""

Fact = dict[str, str]


def dossier_page(package: Package, dossier: Dossier) -> dict[str, Any]:
    """
    Gather what the page of one alert says.

    Parameters
    ----------
    package : Package
        The package.
    dossier : Dossier
        The alert.

    Returns
    -------
    dict
        What the template prints: texts in the language of the package.
    """
    language, alert = package.language, dossier.alert
    seen, verdict = alert.site.latest.disturbance, alert.verdict
    return {
        "place": str(dossier.place),
        "short": dossier.short_name,
        "id": alert.alert_id,
        "version": pick(language, (f"第{alert.version}版", f"version {alert.version}")),
        "category": pick(language, CATEGORY_LABELS[verdict.category]),
        "certainty": _certainty(language, dossier),
        "tags": _tags(package, dossier),
        "chips": chip_captions(language, dossier),
        "facts": _facts(package, dossier),
        "trace": _trace(language, _deciding(dossier)),
        "basis": _basis(language, _deciding(dossier)),
        "parts": _other_parts(language, dossier),
        "warnings": [brief(each, LONGEST_SENTENCE) for each in verdict.warnings[:3]],
        "causes": causes(language, dossier),
        "separates": separating(
            language, alert.site.latest.model_id, dict(seen.features)
        ),
        "look_for": [each[language] for each in dossier.look_for],
        "licences": _licences(package, dossier),
        "reasons": pick(language, ("；", "; ")).join(
            each[language] for each in dossier.reasons
        ),
        "scenes": scenes(language, dossier),
    }


def _certainty(language: Language, dossier: Dossier) -> str:
    """Say how sure the category is."""
    sure = pick(language, CERTAINTY_LABELS[dossier.alert.verdict.certainty])
    return pick(language, (f"把握：{sure}", f"certainty: {sure}"))


def _tags(package: Package, dossier: Dossier) -> list[str]:
    """Say in single words what kind of alert it is."""
    language = package.language
    tier = dossier.alert.site.latest.disturbance.tier
    tags = [
        pick(language, NEWS_LABELS[dossier.news]),
        pick(language, ("证据等级 ", "evidence ")) + pick(language, TIER_LABELS[tier]),
    ]
    if dossier.phase is not None:
        tags.append(pick(language, PHASE_LABELS[dossier.phase]))
    restrictions = dossier.alert.verdict.restrictions
    if restrictions:
        named = pick(language, ("、", ", ")).join(brief(r, 30) for r in restrictions)
        tags.append(pick(language, (f"位于{named}内", f"inside {named}")))
    if dossier.also:
        named = pick(language, ("、", ", ")).join(
            brief(package.names.get(code, code), 20) for code in dossier.also
        )
        tags.append(pick(language, (f"同时涉及{named}", f"also in {named}")))
    return tags


def _facts(package: Package, dossier: Dossier) -> list[Fact]:
    """Give what was measured, where it is and who has it."""
    language = package.language
    seen = dossier.alert.site.latest.disturbance
    grown = (
        area_words(language, dossier.grown_m2)
        if dossier.grown_m2 > 0
        else pick(language, ("未见新增", "none seen"))
    )
    confirmed: date | str = seen.confirmed or pick(language, ("尚未确认", "not yet"))
    rows: list[tuple[tuple[str, str], str]] = [
        (("面积", "area"), area_words(language, seen.area_m2)),
        (("近90天新增", "growth in 90 days"), grown),
        (("开始时间", "began"), interval(language, seen.began_after, seen.began_by)),
        (("确认日期", "confirmed"), str(confirmed)),
        (("最近可见扰动", "last seen disturbed"), str(seen.last_seen)),
        (
            ("最近晴空观测", "last clear look"),
            pick(
                language,
                (
                    f"{seen.last_clear}（发现后共 {seen.clear_looks_since} 次）",
                    f"{seen.last_clear} ({seen.clear_looks_since} since it began)",
                ),
            ),
        ),
        (("坐标", "coordinates"), decimal_place(dossier.point)),
        (("度分秒", "in degrees"), sexagesimal_place(dossier.point)),
    ]
    plane = plane_place(dossier.point)
    if plane:
        rows.append((("平面坐标（米）", "CGCS2000, m"), plane))
    rows += case_facts(language, dossier)
    return [{"label": pick(language, label), "value": value} for label, value in rows]


def _deciding(dossier: Dossier) -> Part:
    """Find the part that gives the site its category: the largest of it."""
    verdict = dossier.alert.verdict
    mine = [part for part in verdict.parts if part.category is verdict.category]
    return max(mine, key=lambda part: part.area_m2)


def _trace(language: Language, part: Part) -> list[Fact]:
    """Say which rules were asked, and what they answered, but for the law."""
    answers: dict[str, list[str]] = {}
    for step in part.trace:
        if step.rule != "basis":
            said = brief(pick(language, (step.zh, step.en)), LONGEST_SENTENCE)
            answers.setdefault(step.rule, []).append(said)
    if answers:
        return [
            {
                "label": pick(language, RULES.get(rule, (rule, rule))),
                "value": pick(language, ("；", "; ")).join(
                    each.rstrip("。.") for each in said
                ),
            }
            for rule, said in answers.items()
        ]
    clause = brief(pick(language, (part.clause_zh, part.clause)), 2 * LONGEST_SENTENCE)
    return [{"label": pick(language, ("结论", "finding")), "value": clause}]


def _basis(language: Language, part: Part) -> str:
    """Name the law that was in force."""
    said = [
        pick(language, (step.zh, step.en))
        for step in part.trace
        if step.rule == "basis"
    ]
    return brief(" ".join(said), 2 * LONGEST_SENTENCE)


def _other_parts(language: Language, dossier: Dossier) -> list[Fact]:
    """Describe the other parts of a site, and say how many there are beyond these."""
    deciding = _deciding(dossier)
    others = [part for part in dossier.alert.verdict.parts if part is not deciding]
    rows = [
        {
            "label": (
                f"{pick(language, CATEGORY_LABELS[part.category])} · "
                f"{pick(language, CERTAINTY_LABELS[part.certainty])} · "
                f"{area_words(language, part.area_m2)}"
            ),
            "value": brief(pick(language, (part.clause_zh, part.clause)), LONGEST_PART),
        }
        for part in others[: MOST_PARTS - 1]
    ]
    more = len(others) - len(rows)
    if more > 0:
        rows.append(
            {
                "label": pick(language, (f"另有 {more} 个分部", f"{more} more parts")),
                "value": pick(
                    language, ("见图层文件的 parts。", "see parts in the layer file.")
                ),
            }
        )
    return rows


def _licences(package: Package, dossier: Dossier) -> list[list[str]]:
    """Describe the licences that touch it, one a row."""
    language = package.language
    wanted = dossier.alert.verdict.licence_ids
    known: dict[str, Licence] = {}
    for licence in package.register.licences:
        if licence.licence_id in wanted:
            older = known.get(licence.licence_id)
            if older is None or licence.version > older.version:
                known[licence.licence_id] = licence
    rows = [
        _licence_row(language, known.get(each), each, package.week.last_day)
        for each in wanted[:MOST_LICENCES]
    ]
    more = len(wanted) - len(rows)
    if more > 0:
        rows.append([pick(language, (f"另有 {more} 项", f"{more} more")), "", "", ""])
    return rows


def _licence_row(
    language: Language, licence: Licence | None, licence_id: str, on: date
) -> list[str]:
    """Describe one licence; of a number that the register lacks, say so."""
    if licence is None:
        missing = pick(language, ("不在本期登记册", "not in this register"))
        return [brief(licence_id, 40), missing, "", ""]
    unknown = pick(language, ("不详", "unknown"))
    first, last = licence.valid_from or unknown, licence.valid_to or unknown
    holder = " · ".join(
        brief(each, 30) for each in (licence.mine, licence.holder) if each.strip()
    )
    minerals = pick(language, ("、", ", ")).join(licence.minerals[:4])
    kind = pick(language, KIND_LABELS[licence.kind])
    standing = pick(language, VALIDITY_LABELS[validity_on(licence, on)])
    return [
        brief(licence_id, 40),
        f"{kind}{'，' if language == 'zh' else ', '}{brief(minerals, 30)}"
        if minerals
        else kind,
        holder or unknown,
        pick(language, (f"{first} 至 {last}", f"{first} to {last}")) + f" · {standing}",
    ]
