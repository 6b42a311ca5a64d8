"""When the status of a licence changed, in the ways that bureaus write it."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from rsmonitor.io.licences.attributes import plain
from rsmonitor.io.licences.days import DAY, dated, day
from rsmonitor.io.licences.found import UnusableError
from rsmonitor.io.licences.untrusted import shown
from rsmonitor.records.licence import STATUS_LABELS, LicenceStatus, StatusChange

STATUSES: Final[Mapping[str, LicenceStatus]] = {
    **{status.value: status for status in LicenceStatus},
    **{label: status for status, labels in STATUS_LABELS.items() for label in labels},
    "停产整顿": LicenceStatus.SUSPENDED,
    "恢复生产": LicenceStatus.IN_FORCE,
    "恢复": LicenceStatus.IN_FORCE,
    "复产": LicenceStatus.IN_FORCE,
}
"""What each word for a status means."""

_OF_FIELD: Final[Mapping[str, LicenceStatus]] = {
    "suspended_on": LicenceStatus.SUSPENDED,
    "cancelled_on": LicenceStatus.CANCELLED,
    "revoked_on": LicenceStatus.REVOKED,
    "annulled_on": LicenceStatus.ANNULLED,
}
"""Fields whose name says what happened on the day that they hold."""

_WORD: Final = re.compile(
    "|".join(re.escape(word) for word in sorted(STATUSES, key=len, reverse=True)),
    re.IGNORECASE,
)
_BETWEEN: Final = re.compile(
    r"(?:[\s(),.:、→>\[\]【】\-—于自起被已经由]|依法|采矿|勘查|许可证|登记)*"
)
_MARKS: Final = re.compile(r"[;；\n]+")

_RULE_CHANGES: Final = (
    "each change has one day and one status (停产, 注销, 吊销, 撤销, 恢复生产): "
    "2024-05-01 停产；吊销(2025年1月1日)"
)
_RULE_NOW: Final = "these contradict each other; write all changes in 状态变更"


def changes(name: str, value: str) -> tuple[StatusChange, ...]:
    """
    Read the changes of a status.

    Parameters
    ----------
    name : str
        The file's name of the field.
    value : str
        ``2024-05-01 吊销``, ``吊销(2024-05-01)``, ``2024年5月1日吊销``; several with
        ``；`` between them, in any order.

    Returns
    -------
    tuple of StatusChange
        Ordered by day.

    Raises
    ------
    UnusableError
        If a day has no status, a status no day, or there are other words.

    Examples
    --------
    >>> [change.status.value for change in changes("状态变更", "吊销(2024-05-01)")]
    ['revoked']
    """
    found: list[StatusChange] = []
    for part in _MARKS.split(unicodedata.normalize("NFKC", value)):
        if not part.strip():
            continue
        try:
            found.extend(_of_part(name, part))
        except UnusableError as error:
            raise UnusableError(f"{name} is {shown(value)}", error.rule) from error
    return tuple(sorted(found, key=lambda change: change.on))


def history_of(
    fields: Mapping[str, tuple[str, str]], notes: list[str]
) -> tuple[StatusChange, ...]:
    """
    Find when the status changed, among all fields that can say it.

    Parameters
    ----------
    fields : mapping of str to tuple of str
        Name and value of each field, as `rsmonitor.io.licences.terms.named` gives them.
    notes : list of str
        What is worth telling is added here.

    Returns
    -------
    tuple of StatusChange
        Ordered by day; empty where nothing says it.

    Raises
    ------
    UnusableError
        If a field cannot be read, or two contradict each other.
    """
    word = fields.get("status", ("", ""))
    now = STATUSES.get(plain(word[1]))
    if "status_history" in fields:
        found = changes(*fields["status_history"])
    else:
        found = tuple(
            sorted(
                (
                    StatusChange(on=day(*fields[key]), status=status)
                    for key, status in _OF_FIELD.items()
                    if key in fields
                ),
                key=lambda change: change.on,
            )
        )
        if now is LicenceStatus.IN_FORCE and found and "status_on" not in fields:
            last = found[-1].status
            name, value = next(
                fields[key] for key, status in _OF_FIELD.items() if status is last
            )
            raise UnusableError(
                f"{word[0]} is {shown(word[1])} and {name} is {shown(value)}", _RULE_NOW
            )
        told = "status_on" in fields and now is not None
        if told and now is not None and (now is not LicenceStatus.IN_FORCE or found):
            change = StatusChange(on=day(*fields["status_on"]), status=now)
            if change not in found:
                found = tuple(sorted((*found, change), key=lambda one: one.on))
    undated = now not in {None, LicenceStatus.IN_FORCE} and all(
        change.status is not now for change in found
    )
    if undated:
        notes.append(
            f"status {shown(word[1])} has no day (状态日期): it is shown and decides "
            "nothing"
        )
    return found


def _of_part(name: str, part: str) -> list[StatusChange]:
    """Read a part without semicolons, days and words in turn."""
    tokens = sorted(
        [*DAY.finditer(part), *_WORD.finditer(part)], key=lambda found: found.start()
    )
    between = [
        part[left:right]
        for left, right in zip(
            [0, *(found.end() for found in tokens)],
            [*(found.start() for found in tokens), len(part)],
            strict=True,
        )
    ]
    if not tokens or len(tokens) % 2 or not all(map(_BETWEEN.fullmatch, between)):
        raise UnusableError(f"{name} is {shown(part)}", _RULE_CHANGES)
    found: list[StatusChange] = []
    day_first = tokens[0].re is DAY
    for left, right in zip(tokens[::2], tokens[1::2], strict=True):
        when, what = (left, right) if day_first else (right, left)
        if when.re is not DAY or what.re is not _WORD:
            raise UnusableError(f"{name} is {shown(part)}", _RULE_CHANGES)
        found.append(
            StatusChange(
                on=dated(when, name, part), status=STATUSES[plain(what.group())]
            )
        )
    return found
