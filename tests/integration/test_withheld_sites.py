"""Which sites may not be shown: asked of the ledger without reading all of it."""

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rsmonitor.errors import StoreError
from rsmonitor.io.stores.ledger import SqliteLedger
from rsmonitor.io.stores.ledger_schema import FINDINGS_OF_WITHHELD
from rsmonitor.io.stores.memory_ledger import MemoryLedger
from rsmonitor.records.disturbance import Cause
from rsmonitor.records.event import EventDraft, EventKind
from rsmonitor.records.finding import (
    FINDING_KINDS,
    Finding,
    Judgement,
    body_of,
    withheld_by,
)

AT = datetime(2026, 11, 24, tzinfo=UTC)
SITES = tuple(f"s{'a' * 11}{letter}" for letter in "abcd")
ONE, TWO, *_ = SITES


def ledger_in(folder: Path) -> SqliteLedger:
    return SqliteLedger(folder / "ledger.sqlite", locks=folder / "locks")


def said(
    of: str,
    judgement: Judgement = Judgement.SPECIAL_USE,
    *,
    who: str = "李华",
    day: int = 20,
    note: str = "",
    kind: EventKind = EventKind.TRIAGED,
) -> EventDraft:
    """Write down what a person says of a site."""
    finding = Finding(
        site_id=of,
        kind=kind,
        judgement=judgement,
        cause=Cause.ORCHARD if judgement is Judgement.PSEUDO_CHANGE else None,
        imagery="",
        judged_by=who,
        judged_on=date(2026, 11, day),
        note=note,
    )
    body = body_of(finding, file="a.csv", file_sha256="0" * 64, row="line 2")
    return EventDraft(kind=kind, at=AT, who=who, body=body)


def passed_over(of: str, note: str) -> EventDraft:
    """Write down something else that may look alike."""
    body = {"site_id": of, "due": "2026-12-31", "why": note}
    return EventDraft(kind=EventKind.EXTENDED, at=AT, who="李四", body=body)


LOOKALIKE = '"finding_id":"x","verdict":"special_use"'

anything = st.one_of(
    st.builds(
        said,
        st.sampled_from(SITES),
        st.sampled_from(Judgement),
        who=st.sampled_from(["李华", "王强"]),
        day=st.integers(19, 21),
        note=st.sampled_from(["", "特殊用地", LOOKALIKE]),
        kind=st.sampled_from(FINDING_KINDS),
    ),
    st.builds(passed_over, st.sampled_from(SITES), st.just(LOOKALIKE)),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(appended=st.lists(st.lists(anything, min_size=1, max_size=4), max_size=3))
def test_the_index_says_what_the_chain_says(
    appended: list[list[EventDraft]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    disk = ledger_in(tmp_path_factory.mktemp("ledger"))
    memory = MemoryLedger()
    for drafts in appended:
        disk.append(drafts)
        memory.append(drafts)
        assert disk.withheld() == memory.withheld() == withheld_by(disk.events())
        assert disk.verify() == []


def test_a_ledger_that_does_not_exist_withholds_nothing(tmp_path: Path) -> None:
    assert ledger_in(tmp_path).withheld() == frozenset()
    assert not list(tmp_path.iterdir())


def statement(folder: Path, *statements: str) -> list[tuple[object, ...]]:
    """Run SQL on the file behind the ledger's back; give the rows of the last."""
    rows: list[tuple[object, ...]] = []
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as connection:
        for each in statements:
            rows = connection.execute(each).fetchall()
        connection.commit()
    return rows


def test_no_part_of_it_reads_the_chain_from_its_start(tmp_path: Path) -> None:
    ledger_in(tmp_path).append([said(ONE)])
    plan = statement(tmp_path, f"EXPLAIN QUERY PLAN {FINDINGS_OF_WITHHELD}")
    steps = [str(row[-1]) for row in plan if "event" in str(row[-1])]
    assert len(steps) == 2
    assert "finding_of_site " in steps[0]
    # the few events of special use are all looked at, and only those
    assert "finding_of_special_use" in steps[1]


def test_a_ledger_from_before_the_index_says_the_same_and_gets_it_when_written(
    tmp_path: Path,
) -> None:
    ledger = ledger_in(tmp_path)
    ledger.append([said(ONE), said(TWO, Judgement.LAWFUL)])
    names = ("finding_of_site", "finding_of_special_use")
    statement(tmp_path, *(f"DROP INDEX {name}" for name in names))
    assert ledger.withheld() == {ONE}
    assert ledger.verify() == []
    ledger.append([said(TWO, day=21)])
    found = statement(
        tmp_path, "SELECT name FROM sqlite_master WHERE name GLOB 'finding_of_*'"
    )
    assert sorted(str(name) for (name,) in found) == list(names)
    assert ledger.withheld() == {ONE, TWO}


def test_an_index_that_does_not_fit_the_chain_is_found_by_verify(
    tmp_path: Path,
) -> None:
    ledger = ledger_in(tmp_path)
    ledger.append([said(ONE)])
    statement(
        tmp_path,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = replace(sql, 'special_use\"''', 'lawful\"''')"
        " WHERE name = 'finding_of_special_use'",
    )
    assert any("finding_of_special_use" in text for text in ledger.verify())


def damaged(folder: Path, old: str, new: str) -> SqliteLedger:
    """Give a ledger whose first event, a special use, was changed by somebody."""
    ledger = ledger_in(folder)
    ledger.append([said(ONE)])
    statement(
        folder,
        "DROP TRIGGER event_fixed",
        f"UPDATE event SET body = replace(body, '{old}', '{new}')",  # noqa: S608
    )
    return ledger


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"judged_on":"2026-11-20"', '"judged_on":"yesterday"'),
        ('"photos":[]', '"photos":7'),
        ('"judged_by":"李华",', ""),
    ],
)
def test_special_use_that_is_no_whole_finding_is_believed(
    tmp_path: Path, old: str, new: str
) -> None:
    ledger = damaged(tmp_path, old, new)
    assert ledger.withheld() == withheld_by(ledger.events()) == {ONE}


@pytest.mark.parametrize(
    ("old", "new"), [('"judged_on":', '"judged_on'), (f'"site_id":"{ONE}",', "")]
)
def test_special_use_of_no_site_is_an_error_and_not_a_silence(
    tmp_path: Path, old: str, new: str
) -> None:
    ledger = damaged(tmp_path, old, new)
    with pytest.raises(StoreError, match="event 1 withholds a site"):
        ledger.withheld()
    assert any("event 1 was changed" in text for text in ledger.verify())
