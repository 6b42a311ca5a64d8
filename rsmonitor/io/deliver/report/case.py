"""What people did about an alert, in the words of a page."""

from rsmonitor.io.deliver.report.words import brief, pick
from rsmonitor.records.case import (
    CASE_STATE_LABELS,
    HANDLING_LABELS,
    LEVEL_LABELS,
    PROVINCE_CHECK_LABELS,
    ProvinceCheck,
)
from rsmonitor.records.package import Dossier, Language


def case_words(language: Language, dossier: Dossier) -> str:
    """
    Say in a few words where a case stands.

    Parameters
    ----------
    language : Language
        Which.
    dossier : Dossier
        The alert.

    Returns
    -------
    str
        State, and by how many days it is overdue.
    """
    if dossier.case is None:
        return pick(language, ("未立事项", "no case"))
    state = pick(language, CASE_STATE_LABELS[dossier.case.state])
    late = overdue_words(language, dossier.days_overdue)
    return f"{state} · {late}" if late else state


def overdue_words(language: Language, days: int) -> str:
    """
    Say by how many days a case is overdue.

    Parameters
    ----------
    language : Language
        Which.
    days : int
        Days; 0 where it is not.

    Returns
    -------
    str
        Empty where it is not.
    """
    if days <= 0:
        return ""
    return pick(language, (f"逾期{days}天", f"{days} days overdue"))


def case_facts(
    language: Language, dossier: Dossier
) -> list[tuple[tuple[str, str], str]]:
    """
    Say what people did about an alert.

    Parameters
    ----------
    language : Language
        Which.
    dossier : Dossier
        The alert.

    Returns
    -------
    list of tuple
        Label in both languages, and value.
    """
    case = dossier.case
    if case is None:
        return [(("办理", "case"), case_words(language, dossier))]
    level = pick(language, LEVEL_LABELS[case.level])
    handler = (
        pick(language, ("尚未交办", "nobody yet"))
        if case.handler is None
        else f"{brief(case.handler, 40)}（{level}）"
        if language == "zh"
        else f"{brief(case.handler, 40)} ({level})"
    )
    late = overdue_words(language, dossier.days_overdue)
    due = f"{case.due} · {late}" if late else str(case.due)
    rows = [
        (("办理状态", "case"), pick(language, CASE_STATE_LABELS[case.state])),
        (("承办", "handler"), handler),
        (("办理期限", "due"), due),
    ]
    if case.province_check is not ProvinceCheck.NOT_NEEDED:
        label = pick(language, PROVINCE_CHECK_LABELS[case.province_check])
        rows.append((("省级核查", "province"), label))
    if case.inspections:
        last = case.inspections[-1]
        found = f"{last.on} {brief(last.inspector, 20)}：{brief(last.found, 80)}"
        rows.append((("现场核查", "inspection"), found))
    if case.closing is not None:
        how = pick(language, HANDLING_LABELS[case.closing.handling])
        rows.append(
            (("结案", "closed"), f"{how} {brief(case.closing.document, 40)}".strip())
        )
    if case.changed_since:
        rows.append(
            (
                ("结案之后", "since closing"),
                pick(language, ("线索又有变化", "the alert has changed")),
            )
        )
    return rows
