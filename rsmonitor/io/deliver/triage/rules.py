"""Rules that a triage file enforces itself, whatever program writes to it.

Forms are only asked by the program that shows them; SQLite asks its triggers always.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final

from rsmonitor.io.deliver.triage.columns import (
    CODES,
    CONTRADICTIONS,
    FACTS,
    refused_causes,
)

LONGEST: Final = {"who": 80, "note": 2000, "imagery": 2000, "photos": 2000}
"""Characters that the import keeps of each column."""

_FIXED: Final = (
    "监测事实不可修改，请只填写判定各栏",
    "facts are fixed: fill in the columns of the verdict only",
)
_SHAPE: Final = ("图斑边界不可修改", "the outline of an alert is fixed")
_ROWS: Final = (
    "线索不可增加或删除；不需核查的请判为待核",
    "alerts are neither added nor deleted: judge one 'unclear' instead",
)
_OTHERS: Final = ("此图层只读", "this layer is read only")
_DAY: Final = (
    "核查日期应为 2026-01-31 这样的日期",
    "judged_on is a day such as 2026-01-31",
)

# A program may write the same outline under another header: what follows it counts.
# In the header, a box of two axes takes 32 bytes, and its code is in the fourth byte.
_WKB: Final = (
    "substr({row}.geom, 9 + CASE WHEN hex(substr({row}.geom, 4, 1)) IN ('00', '01') "
    "THEN 0 ELSE 32 END)"
)


def lay_rules(database: sqlite3.Connection, others: Sequence[str]) -> None:
    """
    Add the triggers to a triage file.

    Parameters
    ----------
    database : sqlite3.Connection
        The file, its rows written.
    others : sequence of str
        Tables beside ``alerts`` that nobody changes.
    """
    for statement in (*_of_alerts(), *(s for name in others for s in _frozen(name))):
        database.execute(statement)


def _of_alerts() -> Iterator[str]:
    """Write the triggers of the alerts."""
    for column in ("verdict", "cause"):
        codes = ", ".join(f"'{code}'" for code in CODES[column])
        labels = "、".join(zh for zh, _ in CODES[column].values())
        yield _trigger(
            f"alerts_{column}_known",
            f"UPDATE OF {column} ON alerts",
            f"NEW.{column} IS NOT NULL AND NEW.{column} NOT IN ({codes})",
            (
                f"不认识的{'判定' if column == 'verdict' else '原因'}，应为：{labels}",
                f"{column} is one of: {', '.join(CODES[column])}, or nothing",
            ),
        )
    for judgement, told in CONTRADICTIONS.items():
        causes = refused_causes(judgement)
        listed = ", ".join(
            "''" if cause is None else f"'{cause.value}'" for cause in causes
        )
        yield _trigger(
            f"alerts_{judgement.value}_cause",
            "UPDATE OF verdict, cause ON alerts",
            f"NEW.verdict = '{judgement.value}' "
            f"AND ifnull(NEW.cause, '') IN ({listed})",
            told,
        )
    digits = "[0-9]"
    pattern = f"{digits * 4}-{digits * 2}-{digits * 2}"
    yield _trigger(
        "alerts_judged_on_day",
        "UPDATE OF judged_on ON alerts",
        f"NEW.judged_on IS NOT NULL AND (NEW.judged_on NOT GLOB '{pattern}' "
        "OR date(NEW.judged_on, '+0 days') IS NOT NEW.judged_on)",
        _DAY,
    )
    for column, most in LONGEST.items():
        yield _trigger(
            f"alerts_{column}_length",
            f"UPDATE OF {column} ON alerts",
            f"length(NEW.{column}) > {most}",
            (
                f"{column} 最多 {most} 个字符",
                f"{column} has at most {most} characters",
            ),
        )
    fixed = ("fid", *FACTS)
    changed = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in fixed)
    yield _trigger("alerts_facts_fixed", "UPDATE ON alerts", changed, _FIXED)
    old, new = _WKB.format(row="OLD"), _WKB.format(row="NEW")
    yield _trigger(
        "alerts_outline_fixed",
        "UPDATE OF geom ON alerts",
        f"{old} IS NOT {new}",
        _SHAPE,
    )
    for action in ("INSERT", "DELETE"):
        name = f"alerts_no_{action.lower()}"
        yield _trigger(name, f"{action} ON alerts", None, _ROWS)


def _frozen(table: str) -> Iterator[str]:
    """Write the triggers of a table that nobody changes."""
    for action in ("INSERT", "UPDATE", "DELETE"):
        name = f"{table}_no_{action.lower()}"
        yield _trigger(name, f"{action} ON {table}", None, _OTHERS)


def _trigger(name: str, event: str, when: str | None, told: tuple[str, str]) -> str:
    """Write a trigger that refuses; SQLite takes no message but a literal."""
    message = "；".join(told).replace("'", "''")
    condition = "" if when is None else f"WHEN {when} "
    return (
        f"CREATE TRIGGER {name} BEFORE {event} {condition}"
        f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
    )
