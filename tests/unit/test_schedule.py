"""What is due: laws over any clock, gap and failure, then the days that matter."""

import itertools
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsmonitor.errors import ContractError
from rsmonitor.records.licence import SHANGHAI
from rsmonitor.records.week import IsoWeek
from rsmonitor.stages.schedule import (
    GIVE_UP,
    Attempt,
    Task,
    TaskKind,
    Timetable,
    Watched,
    backfill_tasks,
    due_tasks,
    newest_week,
    next_change,
)

FIRST = IsoWeek(year=2018, week=27)
TIMES = st.datetimes(datetime(2019, 1, 1), datetime(2032, 1, 1)).map(  # noqa: DTZ001
    lambda t: t.replace(tzinfo=UTC)
)
MINUTES = st.integers(0, 24 * 60 - 1)
TABLES = st.builds(
    Timetable,
    run_at=MINUTES,
    deliver_at=MINUTES,
    verify_at=MINUTES,
    prune_at=MINUTES,
    deliver_grace_hours=st.integers(0, 120),
    catch_up_weeks=st.integers(1, 12),
    retry_minutes=st.integers(1, 360),
)
GAPS = st.lists(st.none() | st.integers(0, 30), min_size=1, max_size=4)


def at(text: str) -> datetime:
    """Read a local time of Shanghai."""
    local = datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)
    return local.astimezone(UTC)


def weeks_before(week: IsoWeek, count: int) -> IsoWeek:
    return IsoWeek.of(week.start - timedelta(days=7 * count))


def districts(newest: IsoWeek, gaps: list[int | None]) -> list[Watched]:
    """Make districts that were last run so many weeks ago; None: never."""
    return [
        Watched(
            district=f"d{place}",
            first_week=FIRST,
            last_week=None if gap is None else max(FIRST, weeks_before(newest, gap)),
        )
        for place, gap in enumerate(gaps)
    ]


class Office:
    """A bureau that does what is due, and remembers it as the scheduler does."""

    def __init__(self, timetable: Timetable, watched: list[Watched]) -> None:
        self.timetable = timetable
        self.watched = watched
        self.last: dict[tuple[TaskKind, str], Attempt] = {}
        self.done: list[tuple[datetime, Task]] = []

    def due(self, now: datetime) -> tuple[Task, ...]:
        return due_tasks(self.timetable, self.watched, self.last.values(), now)

    def do(self, task: Task, now: datetime, *, fails: bool = False) -> None:
        key = (task.kind, task.district)
        made = Attempt(task=task, at=now, code=3 * fails, failures=int(fails))
        self.last[key] = made.after(self.last.get(key))
        self.done.append((now, task))
        if task.kind is TaskKind.RUN and not fails:
            self.watched = [
                replace(each, last_week=task.week)
                if each.district == task.district
                else each
                for each in self.watched
            ]

    def work(self, now: datetime, fails: Collection[str] = ()) -> list[Task]:
        """Do what is due until nothing is; it must come to an end."""
        begun = len(self.done)
        while due := self.due(now):
            self.do(due[0], now, fails=due[0].district in fails)
            assert len(self.done) - begun < 200
        return [task for _, task in self.done[begun:]]


# ------------------------------------------------------------------------------- laws


@given(TABLES, TIMES, GAPS)
def test_what_was_missed_is_caught_up_once_in_order_and_then_nothing_is_due(
    timetable: Timetable, now: datetime, gaps: list[int | None]
) -> None:
    newest = newest_week(timetable, now)
    office = Office(timetable, districts(newest, gaps))
    before = {each.district: each.last_week for each in office.watched}
    done = office.work(now)
    assert len({(t.kind, t.district, t.week) for t in done}) == len(done), "once"
    for district, last in before.items():
        weeks = [t.week for t in done if t.district == district]
        if last is None:
            assert weeks == [newest]
            continue
        expected = []
        week = last.next()
        while week <= newest:
            expected.append(week)
            week = week.next()
        assert weeks == expected[-timetable.catch_up_weeks :]
    assert [t.kind for t in done].count(TaskKind.DELIVER) <= 1
    assert not office.due(now)


@given(TABLES, TIMES, GAPS)
def test_nothing_of_a_week_begins_before_its_monday_in_shanghai(
    timetable: Timetable, now: datetime, gaps: list[int | None]
) -> None:
    office = Office(timetable, districts(newest_week(timetable, now), gaps))
    for task in office.work(now):
        if task.week is None:
            continue
        local = now.astimezone(SHANGHAI)
        opened = timetable.run_at
        if task.kind is TaskKind.DELIVER:
            opened = timetable.deliver_at
        monday = task.week.end.astimezone(SHANGHAI)
        assert (monday.hour, monday.isoweekday()) == (0, 1), "no summer time"
        assert local >= monday + timedelta(minutes=opened)


@given(TABLES, TIMES, GAPS, st.sets(st.sampled_from(["d0", "d1"])), st.data())
def test_between_two_changes_nothing_else_becomes_due(
    timetable: Timetable,
    now: datetime,
    gaps: list[int | None],
    fails: set[str],
    data: st.DataObject,
) -> None:
    office = Office(timetable, districts(newest_week(timetable, now), gaps))
    office.work(now, fails)
    until = next_change(timetable, office.last.values(), now)
    assert now < until <= now + timedelta(days=1)
    share = data.draw(st.floats(0, 1, exclude_max=True))
    between = min(now + (until - now) * share, until - timedelta(microseconds=1))
    assert office.due(between) == office.due(now)


@given(TABLES, TIMES, GAPS, st.timedeltas(timedelta(0), timedelta(days=4000)))
def test_a_clock_that_was_set_back_runs_and_delivers_nothing_again(
    timetable: Timetable, now: datetime, gaps: list[int | None], back: timedelta
) -> None:
    office = Office(timetable, districts(newest_week(timetable, now), gaps))
    office.work(now)
    again = office.work(now - back)
    assert {task.kind for task in again} <= {TaskKind.VERIFY, TaskKind.PRUNE}
    assert len(again) <= 2
    assert not office.due(now - back)


@given(TABLES, TIMES, GAPS)
def test_a_district_that_fails_keeps_no_other_from_its_turn(
    timetable: Timetable, now: datetime, gaps: list[int | None]
) -> None:
    newest = newest_week(timetable, now)
    office = Office(timetable, districts(newest, [0, *gaps]))
    office.watched[0] = replace(
        office.watched[0], last_week=max(FIRST, weeks_before(newest, 3))
    )
    done = office.work(now, {"d0"})
    assert sum(task.district == "d0" for task in done) <= 1, "one try, then a pause"
    assert all(each.last_week == newest for each in office.watched[1:])


@given(TABLES, TIMES)
def test_what_always_fails_is_tried_ever_less_often(
    timetable: Timetable, now: datetime
) -> None:
    newest = newest_week(timetable, now)
    office = Office(timetable, districts(newest, [1]))
    begun, tries = now, []
    while now < begun + timedelta(days=3):
        if any(task.kind is TaskKind.RUN for task in office.work(now, {"d0"})):
            tries.append(now)
        now = next_change(timetable, office.last.values(), now)
    pauses = [b - a for a, b in itertools.pairwise(tries)]
    least = timedelta(minutes=timetable.retry_minutes)
    # a new week is a new task, and is tried at once
    opens = newest.next().end + timedelta(minutes=timetable.run_at)
    assert all(p >= least or opens in tries for p in pauses)
    assert len(tries) <= 3 * 24 * 60 / timetable.retry_minutes + 2
    assert len(tries) >= 3 * 24 / 6 - 1, "and never forgotten"
    assert len(tries) <= 12 + 2 * 10


# ------------------------------------------------------------------------------- days


def test_the_week_53_is_run_on_the_first_monday_of_the_year() -> None:
    watched = [
        Watched(
            district="d",
            first_week=FIRST,
            last_week=IsoWeek(year=2020, week=52),
        )
    ]
    table = Timetable()
    early = due_tasks(table, watched, (), at("2021-01-04 05:59:59"), prunes=False)
    assert [t.name for t in early] == ["verify", "deliver 2020-W52"]
    due = due_tasks(table, watched, (), at("2021-01-04 06:00"), prunes=False)
    assert [t.name for t in due] == ["verify", "run d 2020-W53"]


def test_a_delivery_waits_for_all_districts_and_not_for_ever() -> None:
    week = IsoWeek(year=2026, week=47)
    ran = Watched(district="a", first_week=FIRST, last_week=week)
    late = Watched(district="b", first_week=FIRST, last_week=weeks_before(week, 1))
    coming = Watched(district="c", first_week=IsoWeek(year=2027, week=1))
    table = Timetable()

    def delivery(now: str, *watched: Watched) -> list[Task]:
        due = due_tasks(table, watched, (), at(now))
        return [task for task in due if task.kind is TaskKind.DELIVER]

    assert not delivery("2026-11-23 07:59", ran, coming)
    assert delivery("2026-11-23 08:00", ran, coming)[0].covered == ("a",)
    assert not delivery("2026-11-23 08:00", ran, late)
    assert not delivery("2026-11-24 07:59", ran, late)
    assert delivery("2026-11-24 08:00", ran, late)[0].covered == ("a",)
    assert not delivery("2026-11-24 08:00", late), "nothing to deliver"


def test_a_district_that_comes_late_is_delivered_after_the_others() -> None:
    week = IsoWeek(year=2026, week=47)
    now = at("2026-11-25 12:00")
    office = Office(
        Timetable(),
        [
            Watched(district="a", first_week=FIRST, last_week=week),
            Watched(district="b", first_week=FIRST, last_week=weeks_before(week, 1)),
        ],
    )
    first = office.work(now, {"b"})
    assert [t.covered for t in first if t.kind is TaskKind.DELIVER] == [("a",)]
    second = office.work(now + timedelta(hours=1))
    assert [t.name for t in second] == ["run b 2026-W47", "deliver 2026-W47"]
    assert second[-1].covered == ("a", "b")


def test_a_week_that_cannot_be_run_is_passed_over_when_another_is_there() -> None:
    week = IsoWeek(year=2026, week=45)
    office = Office(
        Timetable(), [Watched(district="a", first_week=FIRST, last_week=week)]
    )
    now, failed = at("2026-11-23 09:00"), []
    while now < at("2026-11-25 09:00"):
        for task in office.due(now):
            office.do(task, now, fails=task.week == week.next())
            failed += [task.week] * (task.week == week.next())
        now = next_change(office.timetable, office.last.values(), now)
    assert len(failed) == GIVE_UP
    assert office.watched[0].last_week == IsoWeek(year=2026, week=47)


def test_a_new_district_begins_with_the_newest_week_and_says_so() -> None:
    new = Watched(district="n", first_week=FIRST)
    (task,) = due_tasks(Timetable(), [new], (), at("2026-11-25 12:00"), prunes=False)
    assert task == Task(
        kind=TaskKind.RUN,
        district="n",
        week=IsoWeek(year=2026, week=47),
        first=True,
    )


def test_a_period_is_filled_from_where_the_ledger_stands() -> None:
    new = Watched(district="n", first_week=FIRST)
    last = IsoWeek(year=2018, week=30)
    names = [t.name for t in backfill_tasks(new, IsoWeek(year=2015, week=1), last)]
    assert names == [f"run n 2018-W{week}" for week in (27, 28, 29, 30)]
    assert [t.first for t in backfill_tasks(new, FIRST, last)] == [True, *[False] * 3]
    begun = replace(new, last_week=IsoWeek(year=2018, week=29))
    weeks = [IsoWeek(year=2018, week=week) for week in (27, 28, 29)]
    more = backfill_tasks(begun, FIRST, last, done=weeks)
    assert [t.name for t in more] == ["run n 2018-W30"]
    assert backfill_tasks(begun, FIRST, weeks[-1], done=weeks) == (), "nothing is left"
    with pytest.raises(ContractError, match=r"up to 2018-W29, and 2018-W28 lies"):
        backfill_tasks(begun, FIRST, last, done=[weeks[0], weeks[2]])
