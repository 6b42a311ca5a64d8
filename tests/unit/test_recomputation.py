"""What a run had read is told grid by grid, and up to that run only."""

from datetime import UTC, datetime
from typing import Any

from rsmonitor.records.event import GENESIS, Event, EventDraft, EventKind, chain
from rsmonitor.records.run import RunRecord
from rsmonitor.records.week import IsoWeek
from rsmonitor.wiring.recomputation import read_by

LINE = "0123456789abcdef"
AT = datetime(2026, 11, 24, tzinfo=UTC)


def run_id(week: int, line: str = LINE) -> str:
    return f"demo-2018-w{week}-{line}"


def record(week: int) -> RunRecord:
    return RunRecord(
        run_id=run_id(week),
        line=LINE,
        district="demo",
        week=IsoWeek(year=2018, week=week),
        location="nowhere",
        counts={},
    )


def told(*bodies: dict[str, Any]) -> tuple[Event, ...]:
    """Chain what runs said that they had read."""
    events: list[Event] = []
    for body in bodies:
        draft = EventDraft(kind=EventKind.APPLIED, at=AT, who="rsmonitor", body=body)
        last = events[-1].hash if events else GENESIS
        events.append(chain(draft, seq=len(events) + 1, prev_hash=last))
    return tuple(events)


EVENTS = told(
    {"run_id": run_id(30), "grid_id": "one", "products": ["a"], "unusable": ["b"]},
    {"run_id": run_id(30), "grid_id": "two", "products": ["c"]},
    {"run_id": run_id(31, "f" * 16), "grid_id": "one", "products": ["d"]},
    {"run_id": run_id(31), "grid_id": "one", "products": ["e"]},
    {"run_id": run_id(31), "grid_id": "two", "products": ["f"]},
    {"run_id": run_id(32), "grid_id": "one", "products": ["g"]},
)


def test_scenes_of_another_grid_were_not_read_for_this_one() -> None:
    # they would count as gone, and scenes of their day as read in their place
    assert read_by(EVENTS, record(31), "one") == ({"a", "b", "e"}, None)
    assert read_by(EVENTS, record(31), "two") == ({"c", "f"}, None)


def test_without_a_grid_it_is_all_that_the_line_had_read_by_then() -> None:
    assert read_by(EVENTS, record(30)) == ({"a", "b", "c"}, None)
    assert read_by(EVENTS, record(31)) == ({"a", "b", "c", "e", "f"}, None)
