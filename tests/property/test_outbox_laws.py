"""Whatever happens in whatever order: one row, one name, and no doubt is forgotten."""

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)
from outgoing import AREA, WANG, WEEK, parcel_in

from rsmonitor.errors import ContractError
from rsmonitor.io.stores.outbox import SqliteOutbox
from rsmonitor.records.sending import (
    UNFINISHED,
    Sending,
    SendingState,
    message_id_of,
)

NOW = datetime(2026, 11, 24, tzinfo=UTC)
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108

STEPS = {
    "attempting": lambda s: s.attempting(at=NOW),
    "accepted": lambda s: s.accepted(said="250", at=NOW),
    "refused": lambda s: s.refused(said="550", at=NOW),
    "waiting": lambda s: s.waiting(said="451", at=NOW),
    "not tried": lambda s: s.waiting(said="down", at=NOW, tried=False),
    "unanswered": lambda s: s.waiting(said="?", at=NOW, unanswered=True),
}


@given(steps=st.lists(st.sampled_from(sorted(STEPS)), max_size=12))
def test_a_sending_only_goes_ways_that_make_sense(steps: list[str]) -> None:
    sending = Sending(
        key="k",
        area=AREA,
        week=WEEK,
        recipient=WANG,
        state=SendingState.PLANNED,
        message_id="<m@x>",
    )
    unanswered = False
    for step in steps:
        before = sending
        try:
            sending = STEPS[step](sending)
        except ContractError:
            allowed = {
                "attempting": before.state in UNFINISHED
                and before.state is not SendingState.ATTEMPTING,
                "accepted": before.state is SendingState.ATTEMPTING,
                "unanswered": before.state is SendingState.ATTEMPTING,
            }.get(step, before.state in UNFINISHED)
            assert not allowed
            continue
        assert before.state in UNFINISHED  # what is finished stays
        assert 0 <= sending.attempt - before.attempt <= 1
        assert sending.message_id == before.message_id
        unanswered |= step == "unanswered"
        assert sending.doubtful == unanswered  # a doubt is never taken back
        if sending.state is SendingState.ACCEPTED:
            assert before.state is SendingState.ATTEMPTING


@given(
    first=st.tuples(st.text(), st.text(), st.integers(0, 99)),
    second=st.tuples(st.text(), st.text(), st.integers(0, 99)),
)
def test_two_letters_never_have_one_name(
    first: tuple[str, str, int], second: tuple[str, str, int]
) -> None:
    # neither a key nor an address holds a NUL
    names = [
        message_id_of(
            key.replace("\0", ""), to.replace("\0", ""), series, domain="x.example"
        )
        for key, to, series in (first, second)
    ]
    cleaned = [
        (key.replace("\0", ""), to.replace("\0", ""), series)
        for key, to, series in (first, second)
    ]
    assert (names[0] == names[1]) == (cleaned[0] == cleaned[1])


class Outboxes(RuleBasedStateMachine):
    """One recipient, a server that forgets nothing, and a sender that dies."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY))
        self.parcel = parcel_in(self.folder)
        self.taken: list[tuple[str, bool]] = []  # name and mark, as a server sees it
        self.series = 0
        self.open_sending: Sending | None = None
        self.reopen()
        self.outbox.plan(self.parcel, [WANG], domain="x.example")

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def reopen(self) -> None:
        self.outbox = SqliteOutbox(
            self.folder / "outbox.sqlite", locks=self.folder / "locks"
        )

    def row(self) -> Sending:
        (row,) = self.outbox.all()
        return row

    @rule()
    def plan_again(self) -> None:
        before = self.row()
        self.outbox.plan(self.parcel, [WANG], domain="x.example")
        assert self.row() == before

    @precondition(lambda self: self.open_sending is None)
    @rule()
    def ask_for_a_resend(self) -> None:
        before = self.row()
        self.outbox.plan(self.parcel, [WANG], domain="x.example", again=True)
        after = self.row()
        if before.state in UNFINISHED:
            assert after == before
            return
        assert (after.series, after.state) == (before.series + 1, SendingState.PLANNED)
        assert after.resent == (
            before.resent or before.doubtful or before.state is SendingState.ACCEPTED
        )

    @precondition(lambda self: self.open_sending is None and self.outbox.due())
    @rule()
    def intend(self) -> None:
        (due,) = self.outbox.due()
        begun = due.sending.attempting(at=NOW)
        self.open_sending = self.outbox.record(due.sending, begun)

    @precondition(lambda self: self.open_sending is not None)
    @rule(
        took=st.booleans(), answer=st.sampled_from(["250", "451", "550", "lost", "die"])
    )
    def hand_over(self, took: bool, answer: str) -> None:  # noqa: FBT001
        sending = self.open_sending
        assert sending is not None
        self.open_sending = None
        if answer == "250" or (answer in {"lost", "die"} and took):
            self.taken.append((sending.message_id, sending.doubtful))
        after = {
            "250": lambda: sending.accepted(said="250", at=NOW),
            "451": lambda: sending.waiting(said="451", at=NOW),
            "550": lambda: sending.refused(said="550", at=NOW),
            "lost": lambda: sending.waiting(said="?", at=NOW, unanswered=True),
        }
        if answer in after:
            self.outbox.record(sending, after[answer]())
        else:
            self.reopen()
            (left,) = self.outbox.recover()
            assert left.doubtful

    @precondition(lambda self: self.outbox.untold())
    @rule()
    def tell(self) -> None:
        self.outbox.tell([due.sending for due in self.outbox.untold()])
        assert not self.outbox.untold()

    @invariant()
    def every_repeat_within_a_series_is_marked(self) -> None:
        first: set[str] = set()
        for name, marked in self.taken:
            assert marked or name not in first
            first.add(name)

    @invariant()
    def what_was_accepted_is_not_due(self) -> None:
        row = self.row()
        assert (row.state in UNFINISHED) == bool(self.outbox.due())
        if row.state is SendingState.ACCEPTED:
            assert self.taken[-1][0] == row.message_id


TestOutboxes = pytest.mark.slow(Outboxes.TestCase)
TestOutboxes.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
