"""Letters go out once, wherever the sender is killed and whatever the server does."""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from emulators.smtp_server import Running, mail_server
from outgoing import AREA, LI, OTHER, WANG, WEEK, parcel_in, settings_in

from rsmonitor.config import Settings
from rsmonitor.errors import BusyError, OutputError
from rsmonitor.io.deliver.mail.server import MailPolicy
from rsmonitor.io.foundation.clock import SystemClock
from rsmonitor.io.stores.ledger import SqliteLedger
from rsmonitor.io.stores.outbox import SqliteOutbox
from rsmonitor.records.sending import Outcome, Parcel, Sending, SendingState
from rsmonitor.wiring.mailroom import outbox_of
from rsmonitor.wiring.sending import send_parcels

TESTS = Path(__file__).parents[1]

QUICK = MailPolicy(
    connect_s=2, reply_s=0.4, final_s=0.4, total_s=3, rounds=2, first_pause_s=0.02
)
"""Patience with a server that is on this machine and faulty on purpose."""

# Forks a child for every line it reads, which is killed before its n-th step: each
# connection to the server or to a database and each line to the server is one.
SENDER = """
import json, os, signal, sys
from pathlib import Path
from outgoing import OTHER, parcel_in
from rsmonitor.config import read_settings
from rsmonitor.io.foundation.clock import SystemClock
from rsmonitor.io.stores.ledger import SqliteLedger
from rsmonitor.wiring.sending import send_parcels

STEPS = {"smtplib.connect", "smtplib.send", "sqlite3.connect", "os.rename"}

def send(folder, limit, run):
    steps = 0
    def step(event, _):
        nonlocal steps
        if event in STEPS:
            steps += 1
            if steps == limit:
                os.kill(os.getpid(), signal.SIGKILL)
    settings = read_settings(folder / "settings.toml")
    parcels = [parcel_in(folder / "packages", run=run),
               parcel_in(folder / "packages", OTHER, run=run)]
    ledger = SqliteLedger(folder / "ledger.sqlite", locks=folder / "locks")
    if limit:
        sys.addaudithook(step)
    return send_parcels(settings, parcels, ledger=ledger, clock=SystemClock()).exit_code

warm = Path(sys.argv[1])
send(warm, 0, "run-0")  # caches of this process are those of its children

for line in sys.stdin:
    folder, limit, run = json.loads(line)
    child = os.fork()
    if not child:
        code = 99
        try:
            code = send(Path(folder), limit, run)
        finally:
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with mail_server(tmp_path_factory.mktemp("server"), "starttls") as running:
        yield running


@pytest.fixture
def fresh(server: Running) -> Running:
    server.forget()
    return server


@pytest.fixture
def ledger(tmp_path: Path) -> SqliteLedger:
    return ledger_in(tmp_path)


def ledger_in(folder: Path) -> SqliteLedger:
    return SqliteLedger(folder / "ledger.sqlite", locks=folder / "locks")


def send(
    settings: Settings, *parcels: Parcel, again: bool = False, **policy: float
) -> Outcome:
    return send_parcels(
        settings,
        parcels,
        ledger=ledger_in(Path(settings.folder)),
        clock=SystemClock(),
        again=again,
        policy=replace(QUICK, **policy),
    )


def accepted(server: Running, key: str = "") -> list[dict[str, Any]]:
    found = server.noted("accepted")
    return [
        one for one in found if key in str(server.letter(one)["X-Rsmonitor-Package"])
    ]


def told(ledger: SqliteLedger) -> Counter[tuple[Any, ...]]:
    bodies = [json.loads(event.body) for event in ledger.events()]
    return Counter((one["alert_id"], one["version"], one["to"]) for one in bodies)


def by_recipient(settings: Settings) -> dict[str, Sending]:
    return {one.recipient: one for one in outbox_of(settings).all()}


# ------------------------------------------------------------------ whoever sends dies


@pytest.fixture
def memory() -> Iterator[Path]:
    """Give a folder without a disk: a killed process loses nothing that it wrote."""
    place = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
    with tempfile.TemporaryDirectory(dir=place) as folder:
        yield Path(folder)


def test_killed_at_any_step_it_goes_out_once_and_only_one_window_may_repeat(
    fresh: Running, memory: Path
) -> None:
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    settings_in(memory / "0", fresh, recipients={AREA: (WANG,)})
    sender = subprocess.Popen(  # noqa: S603 - the program above
        [sys.executable, "-c", SENDER, str(memory / "0")],
        env={**os.environ, "PYTHONPATH": paths},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def run(folder: Path, limit: int, name: str) -> int:
        assert sender.stdin
        assert sender.stdout
        sender.stdin.write(json.dumps([str(folder), limit, name]) + "\n")
        sender.stdin.flush()
        return int(sender.stdout.readline())

    repeated, doubted, limit = 0, 0, 0
    try:
        while True:
            limit += 1
            folder, name = memory / f"{limit}", f"run-{limit}"
            settings = settings_in(folder, fresh, recipients={AREA: (WANG,)})
            key = parcel_in(folder / "packages", run=name).key
            ended = run(folder, limit, name)
            before = {each.recipient: each for each in outbox_of(settings).all(key)}
            taken = Counter(one["to"] for one in accepted(fresh, key))
            if ended == 0:
                break
            assert ended == -9
            assert run(folder, 0, name) == 0
            letters = accepted(fresh, key)
            left = before.get(WANG)
            in_doubt = bool(left and left.state is SendingState.ATTEMPTING)
            # one letter; a second only if the first was taken and not recorded
            lost = in_doubt and taken[WANG] == 1
            assert len(letters) == 1 + lost, limit
            assert len({one["message_id"] for one in letters}) == 1
            marks = [one["repeat"] for one in letters]
            assert marks == [None] * lost + ["possible" if in_doubt else None]
            doubted += in_doubt
            repeated += lost
            assert set(told(ledger_in(folder)).values()) == {1}
            assert len(told(ledger_in(folder))) == 4
            assert {each.state for each in outbox_of(settings).all()} == {
                SendingState.ACCEPTED
            }
    finally:
        sender.kill()
        sender.communicate()
    # once between intent and dot, once between answer and record
    assert (doubted, repeated) == (2, 1)
    assert limit > 25


def test_the_answer_is_recorded_before_anything_else_is_said(
    fresh: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_in(tmp_path, fresh, recipients={AREA: (WANG,)})
    at_record: list[list[str]] = []
    record = SqliteOutbox.record

    def watched(self: SqliteOutbox, before: Sending, after: Sending) -> Sending:
        at_record.append([one["kind"] for one in fresh.noted()])
        return record(self, before, after)

    monkeypatch.setattr(SqliteOutbox, "record", watched)
    send(settings, parcel_in(tmp_path / "packages"))
    intent, acceptance = at_record
    assert intent[-1] == "RCPT"
    assert acceptance == [*intent, "accepted"]
    assert fresh.noted()[-1]["kind"] == "QUIT"


def test_what_cannot_be_written_down_is_not_sent(
    fresh: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_in(tmp_path, fresh)
    parcel = parcel_in(tmp_path / "packages")

    def full(*_: object) -> Sending:
        raise OutputError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(SqliteOutbox, "record", full)
        with pytest.raises(OutputError, match="disk is full"):
            send(settings, parcel)
    assert not accepted(fresh)
    assert send(settings, parcel).exit_code == 0
    assert [one["repeat"] for one in accepted(fresh)] == [None, None]


def test_only_one_process_sends(fresh: Running, tmp_path: Path) -> None:
    settings = settings_in(tmp_path, fresh)
    with outbox_of(settings).lock(), pytest.raises(BusyError, match="sending"):
        send(settings, parcel_in(tmp_path / "packages"))
    assert not fresh.noted()


def test_an_event_that_was_not_appended_is_appended_by_the_next_run(
    fresh: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_in(tmp_path, fresh)
    parcel = parcel_in(tmp_path / "packages")

    def busy(*_: object, **__: object) -> None:
        raise BusyError("others write")

    with monkeypatch.context() as patch:
        patch.setattr(SqliteLedger, "append", busy)
        with pytest.raises(BusyError):
            send(settings, parcel)
    assert len(accepted(fresh)) == 2
    assert not told(ledger_in(tmp_path))
    # a week later, with nothing of that week in hand
    outcome = send(settings)
    assert outcome.events == 2
    assert set(told(ledger_in(tmp_path)).values()) == {1}
    assert len(accepted(fresh)) == 2


# --------------------------------------------------------------- what the server does

NOT_TAKEN = [
    {"on": "MAIL", "do": "say", "say": "451 4.3.0 later"},
    {"on": "RCPT", "do": "say", "say": "450 4.2.0 greylisted", "to": WANG},
    {"on": "RCPT", "do": "drop", "to": WANG},
    {"on": "RCPT", "do": "say", "say": "421 4.3.2 closing", "to": WANG},
    {"on": "RCPT", "do": "hang", "to": WANG},
    {"on": "RCPT", "do": "drip", "to": WANG},
    {"on": "RCPT", "do": "say", "say": "what? no code", "to": WANG},
    {"on": "DATA", "do": "say", "say": "451 4.3.0 disk", "to": WANG},
    {"on": "TEXT", "do": "drop", "to": WANG},
    {"on": "DOT", "do": "say", "say": "452 4.3.1 full", "to": WANG},
    {"on": "EHLO", "do": "drop"},
    {"on": "STARTTLS", "do": "say", "say": "454 4.7.0 TLS for the moment not"},
    {"on": "AUTH", "do": "say", "say": "454 4.7.0 try again"},
]


@pytest.mark.parametrize("fault", NOT_TAKEN, ids=lambda f: f"{f['on']}-{f['do']}")
def test_a_passing_fault_is_overcome_within_the_call(
    fresh: Running, tmp_path: Path, fault: dict[str, Any]
) -> None:
    settings = settings_in(tmp_path, fresh)
    fresh.faults(fault)
    content, patience = b"short", {}
    if fault["on"] == "TEXT":
        # too long to be on its way before we hear that the server hung up
        content, patience = b"x" * 2_000_000, {"final_s": 20, "total_s": 30}
    if fault["do"] == "drip":
        patience = {"total_s": 0.8}
    outcome = send(
        settings, parcel_in(tmp_path / "packages", content=content), **patience
    )
    assert outcome.exit_code == 0
    found = Counter((one["to"], one["repeat"]) for one in accepted(fresh))
    assert found == {(WANG, None): 1, (LI, None): 1}


@pytest.mark.parametrize("do", ["drop", "lose", "lose-slowly"])
def test_a_letter_without_an_answer_is_sent_again_and_says_so(
    fresh: Running, tmp_path: Path, do: str
) -> None:
    settings = settings_in(tmp_path, fresh)
    fresh.faults({"on": "DOT", "do": do, "to": WANG, "seconds": 1})
    assert send(settings, parcel_in(tmp_path / "packages")).exit_code == 0
    theirs = [one for one in accepted(fresh) if one["to"] == WANG]
    assert [one["repeat"] for one in theirs] == [None, "possible"][do == "drop" :]
    assert len({one["message_id"] for one in theirs}) == 1
    assert "可能重复" in theirs[-1]["subject"]
    assert by_recipient(settings)[WANG].doubtful
    assert [one["repeat"] for one in accepted(fresh) if one["to"] == LI] == [None]


def test_a_doubt_outlives_a_later_clear_answer(fresh: Running, tmp_path: Path) -> None:
    settings = settings_in(tmp_path, fresh, recipients={AREA: (WANG,)})
    fresh.faults(
        {"on": "DOT", "do": "lose"},
        {"on": "RCPT", "do": "nothing"},
        {"on": "DOT", "do": "say", "say": "451 4.3.0 later"},
    )
    outcome = send(settings, parcel_in(tmp_path / "packages"))
    assert [each.doubtful for each in outcome.waiting] == [True]
    assert send(settings).exit_code == 0
    assert [one["repeat"] for one in accepted(fresh)] == [None, "possible"]


@pytest.mark.parametrize("on", ["MAIL", "RCPT", "DATA", "DOT"])
def test_who_is_refused_is_not_tried_again_and_others_get_theirs(
    fresh: Running, tmp_path: Path, on: str
) -> None:
    settings = settings_in(tmp_path, fresh)
    to = {} if on == "MAIL" else {"to": LI}
    fresh.faults({"on": on, "do": "say", "say": "550 5.1.1 unknown", **to})
    parcel = parcel_in(tmp_path / "packages")
    outcome = send(settings, parcel)
    assert outcome.exit_code == 1
    assert [(each.recipient, each.said) for each in outcome.refused] == [
        (LI, "550 5.1.1 unknown")
    ]
    assert [one["to"] for one in accepted(fresh)] == [WANG]
    # nobody tries again, and nobody forgets
    assert send(settings, parcel).refused == outcome.refused
    assert len(accepted(fresh)) == 1
    # asked for again, the refused one is new and not "resent"
    assert send(settings, parcel, again=True).exit_code == 0
    marks = [(one["to"], one["resent"]) for one in accepted(fresh)[1:]]
    assert marks == [(LI, None), (WANG, "1")]


def test_what_waits_goes_out_with_the_next_run_also_weeks_later(
    fresh: Running, tmp_path: Path
) -> None:
    settings = settings_in(tmp_path, fresh)
    packages = tmp_path / "packages"
    fresh.faults({"on": "RCPT", "do": "say", "say": "450 4.2.0 later", "times": -1})
    outcome = send(settings, parcel_in(packages))
    assert outcome.exit_code == 1
    assert {each.attempt for each in outcome.waiting} == {QUICK.rounds}
    assert all(
        each.next_try and each.at and each.next_try > each.at
        for each in outcome.waiting
    )
    fresh.faults()
    outcome = send(settings, parcel_in(packages, week=WEEK.next(), run="run-2"))
    assert outcome.exit_code == 0
    assert [str(each.week) for each in outcome.accepted] == ["2026-W47"] * 2 + [
        "2026-W48"
    ] * 2


def test_a_server_that_is_not_there_is_asked_once_a_round(
    fresh: Running, tmp_path: Path
) -> None:
    settings = settings_in(tmp_path, fresh, port=1)
    outcome = send(
        settings,
        parcel_in(tmp_path / "packages"),
        parcel_in(tmp_path / "packages", OTHER),
    )
    assert [each.area for each in outcome.accepted] == [OTHER]  # the folder
    assert outcome.exit_code == 1
    assert [each.attempt for each in outcome.waiting] == [QUICK.rounds, 0]
    outcome = send(settings)
    assert (outcome.exit_code, outcome.unreachable) == (5, True)
    assert "Connection refused" in outcome.waiting[0].said


def test_an_archive_that_was_changed_or_is_gone_does_not_go_out(
    fresh: Running, tmp_path: Path
) -> None:
    packages = tmp_path / "packages"
    settings = settings_in(tmp_path, fresh)
    parcel, other = parcel_in(packages), parcel_in(packages, OTHER)
    (packages / parcel.zip).write_bytes(b"something else")
    outcome = send(settings, parcel, other)
    assert outcome.exit_code == 1
    assert [each.area for each in outcome.accepted] == [OTHER]
    assert "build the package again" in outcome.waiting[0].said
    # built again: it goes; and what is gone for good a week later is given up
    assert send(settings, parcel_in(packages)).exit_code == 0
    fresh.faults({"on": "MAIL", "do": "say", "say": "451 later", "times": -1})
    late = parcel_in(packages, week=WEEK.next())
    assert len(send(settings, late).waiting) == 2
    (packages / late.zip).unlink()
    assert len(send(settings).refused) == 2
    assert send(settings).exit_code == 0


def test_a_later_revision_takes_the_place_of_what_still_waits(
    fresh: Running, tmp_path: Path
) -> None:
    packages = tmp_path / "packages"
    settings = settings_in(tmp_path, fresh)
    fresh.faults({"on": "RCPT", "do": "say", "say": "450 l", "to": LI, "times": -1})
    send(settings, parcel_in(packages))
    fresh.faults()
    second = parcel_in(packages, revision=2, content=b"better", run="run-2")
    assert send(settings, second).exit_code == 0
    subjects = [(one["to"], "更正 2" in one["subject"]) for one in accepted(fresh)]
    assert subjects == [(WANG, False), (LI, True), (WANG, True)]
    states = Counter(each.state for each in outbox_of(settings).all())
    assert states == {SendingState.ACCEPTED: 3, SendingState.SUPERSEDED: 1}


def test_an_address_that_was_taken_out_gets_nothing_more(
    fresh: Running, tmp_path: Path
) -> None:
    settings = settings_in(tmp_path, fresh)
    fresh.faults({"on": "RCPT", "do": "say", "say": "450 l", "times": -1})
    send(settings, parcel_in(tmp_path / "packages"))
    fresh.faults()
    settings = settings_in(tmp_path, fresh, recipients={AREA: (WANG,)})
    outcome = send(settings)
    assert [one["to"] for one in accepted(fresh)] == [WANG]
    assert any("do not name" in note for note in outcome.notes)


@pytest.mark.parametrize("again", [False, True])
def test_a_resend_is_asked_for_and_says_so(
    fresh: Running,
    tmp_path: Path,
    again: bool,  # noqa: FBT001
) -> None:
    settings = settings_in(tmp_path, fresh, recipients={AREA: (WANG,)})
    parcel = parcel_in(tmp_path / "packages")
    send(settings, parcel)
    outcome = send(settings, parcel, again=again)
    letters = accepted(fresh)
    assert len(letters) == 1 + again
    assert outcome.exit_code == 0
    if again:
        assert letters[1]["message_id"] != letters[0]["message_id"]
        assert letters[1]["resent"] == "1"
        assert letters[1]["repeat"] is None
        assert "重发" in letters[1]["subject"]
    assert set(told(ledger_in(tmp_path)).values()) == {1}


def test_the_ledger_names_areas_and_no_person(
    fresh: Running, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    settings = settings_in(tmp_path, fresh)
    fresh.faults({"on": "RCPT", "do": "say", "say": f"550 no {LI}", "to": LI})
    outcome = send(settings, parcel_in(tmp_path / "packages"))
    said = caplog.text + "".join(outcome.lines)
    said += "".join(event.body for event in ledger_in(tmp_path).events())
    assert {to for _, _, to in told(ledger_in(tmp_path))} == {AREA}
    for address in (WANG, LI):
        assert address not in said
    mode = (tmp_path / "demo-out" / "work" / "outbox.sqlite").stat().st_mode
    assert mode & 0o077 == 0
