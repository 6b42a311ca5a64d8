"""The schedule on a real ledger and a real cube: jobs, signals, notices, units."""

import io
import json
import logging
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from commands import Command
from cubes import write
from emulators.smtp_server import PASSWORD, USER, mail_server
from landscape import HISTORY_UNTIL, landscape, week_of

from rsmonitor.cli import main
from rsmonitor.config import MailSettings, NoticeSettings, read_settings
from rsmonitor.errors import BusyError, ContractError, SettingsError
from rsmonitor.io.foundation.clock import FixedClock
from rsmonitor.io.foundation.logs import logged_to, run_named
from rsmonitor.records.licence import SHANGHAI
from rsmonitor.records.week import IsoWeek
from rsmonitor.stages.schedule import Attempt, Task, TaskKind
from rsmonitor.wiring.notices import look_after
from rsmonitor.wiring.processes import Bell, run_process
from rsmonitor.wiring.scheduling import Scheduler
from rsmonitor.wiring.upkeep import read_attempts, write_attempts

LEDGER = Path(__file__).parents[1] / "corpus" / "ledgers" / "schema1.sqlite"
FOREST = """
[district]
code = "360728"
name_zh = "定南县"
name_en = "Dingnan"
bureau = "定南县自然资源局"
[source]
kind = "cube"
files = ["forest.nc"]
[history]
until = {until}
[run]
work = "work"
out = "out"
"""


@pytest.fixture
def rs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Give the command line, within this process: exit code and standard output."""

    def run(*arguments: str | Path) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["rsmonitor", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), capsys.readouterr().out

    return run


def verified(config: Path, at: datetime) -> None:
    """Note that the ledger was verified: another job costs seconds."""
    task = Task(kind=TaskKind.VERIFY)
    write_attempts(read_settings(config), [Attempt(task=task, at=at, code=0)])


def forest_in(folder: Path, *, cube: bool = True) -> Path:
    """Write the settings of a small forest, with its cube or without."""
    if cube:
        write(landscape().cube(), folder / "forest.nc")
    path = folder / "forest.toml"
    path.write_text(FOREST.format(until=HISTORY_UNTIL), encoding="utf-8")
    return path


def with_ledger(folder: Path) -> Path:
    """Write settings without a cube, and a ledger that a real run wrote."""
    config = forest_in(folder, cube=False)
    text = config.read_text(encoding="utf-8").replace("360728", "demo-romania")
    config.write_text(text, encoding="utf-8")
    (folder / "work").mkdir()
    shutil.copy(LEDGER, folder / "work" / "ledger.sqlite")
    return config


def failed_week(config: Path) -> IsoWeek | None:
    """Give the week of the last attempt."""
    return read_attempts(read_settings(config))[-1].task.week


def monday(hour: int) -> datetime:
    """Give an hour of the Monday after a week of the forest."""
    local = week_of(50).end.astimezone(SHANGHAI)
    return (local + timedelta(hours=hour)).astimezone(UTC)


def events(lines: str) -> list[dict[str, Any]]:
    """Read lines of JSON."""
    return [json.loads(line) for line in lines.splitlines()]


# -------------------------------------------------------------------------------- jobs


def test_a_new_district_begins_by_itself_and_is_run_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    config = forest_in(tmp_path)
    early = Scheduler(config=config, clock=FixedClock(monday(5)))
    (before,) = early.due()
    assert before.week != week_of(50), "its Monday has not come"
    log = io.StringIO()
    verified(config, monday(6))
    scheduler = Scheduler(
        config=config,
        clock=FixedClock(monday(7)),
        metrics=tmp_path / "metrics" / "rsmonitor.prom",
    )
    with logged_to(log):
        assert scheduler.once() == 0
    said = events(log.getvalue())
    (begins,) = (each for each in said if each["event"] == "a new district begins")
    assert begins["scenes"] > 30
    assert begins["computing_minutes"] >= 0
    ended = [each["task"] for each in said if each["event"] == "job ended"]
    assert ended == [f"run 360728 {week_of(50)}"]
    (run_id,) = {each["run_id"] for each in said if "alerts: " in each.get("line", "")}
    assert run_id.startswith("run-360728-")
    metrics = scheduler.metrics.read_text() if scheduler.metrics else ""
    end = week_of(50).end.timestamp()
    assert (
        f'rsmonitor_last_week_end_timestamp_seconds{{district="360728"}} {end}\n'
    ) in metrics
    assert 'rsmonitor_job_failures{job="run",district="360728"} 0.0\n' in metrics
    # done twice, nothing is done the second time
    log.truncate(0)
    with logged_to(log):
        assert Scheduler(config=config, clock=FixedClock(monday(7))).once() == 0
    assert "job started" not in log.getvalue()
    (late,) = Scheduler(config=config, clock=FixedClock(monday(8))).due()
    assert (late.kind, late.covered) == (TaskKind.DELIVER, ("360728",))
    # a period that lies behind the ledger is refused, and one that follows is not
    after = Scheduler(config=config, clock=FixedClock(monday(24 * 15)))
    assert len(after.backfill(week_of(50).last_day)) == 2
    with pytest.raises(ContractError, match="another work folder"):
        after.backfill(HISTORY_UNTIL)


def test_what_fails_waits_for_its_next_try_and_sigterm_stops_the_scheduler(
    tmp_path: Path,
) -> None:
    config = with_ledger(tmp_path)
    verified(config, datetime.now(UTC))
    kept = Command("schedule", config, scratch=tmp_path / "scratch")
    deadline = time.monotonic() + 60
    log = tmp_path / "scratch" / "stderr"
    while '"job failed"' not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    with pytest.raises(BusyError, match="the schedule is busy"):
        Scheduler(config=config).once()
    kept.process.send_signal(signal.SIGTERM)
    ran = kept.wait()
    assert ran.code == 0
    said = events(ran.stderr)
    assert said[-1]["event"] == "scheduler stopped"
    assert [e["task"] for e in said if e["event"] == "job started"] == [
        f"run demo-romania {failed_week(config)}"
    ]
    assert not list(tmp_path.rglob("*.tmp")), "nothing is half-written"
    failed = read_attempts(read_settings(config))[-1]
    assert (failed.code, failed.failures) == (3, 1)
    assert "forest.nc" in failed.said
    soon = FixedClock(failed.at + timedelta(minutes=29))
    assert Scheduler(config=config, clock=soon).due() == ()
    later = FixedClock(failed.at + timedelta(minutes=30))
    assert [t.kind for t in Scheduler(config=config, clock=later).due()] == ["run"]


# --------------------------------------------------------------------------- processes


def test_a_job_is_heard_and_outlives_a_first_signal() -> None:
    bell, lines = Bell(), []
    program = "import time; print('a'); time.sleep(0.6); print('sig=abcdef')"
    threading.Timer(0.2, bell.ring).start()
    code = run_process(
        [sys.executable, "-c", program], longest_s=60, said=lines.append, bell=bell
    )
    assert (code, lines, bell.rang) == (0, ["a", "sig=***"], True)


@pytest.mark.parametrize("why", ["hurry", "late"])
def test_a_job_is_interrupted_when_it_hurries_or_is_late(why: str) -> None:
    bell, lines = Bell(), []
    program = (
        "import sys, time\ntry:\n print('up'); time.sleep(60)\n"
        "except KeyboardInterrupt:\n print('down'); sys.exit(130)"
    )
    if why == "hurry":
        for after in (0.6, 0.7):
            threading.Timer(after, bell.ring).start()
    code = run_process(
        [sys.executable, "-c", program],
        longest_s=60 if why == "hurry" else 0.8,
        said=lines.append,
        bell=bell,
    )
    assert (code, lines) == (130, ["up", "down"])


def test_what_a_job_says_bears_its_run() -> None:
    log = io.StringIO()
    with logged_to(log), run_named("r-1"):
        run_process(
            [sys.executable, "-c", "print('x')"],
            longest_s=60,
            said=lambda line: logging.getLogger("rsmonitor.x").info(line),
            bell=Bell(),
        )
    assert [e["run_id"] for e in events(log.getvalue())] == ["r-1"]


# ----------------------------------------------------------------------------- notices


def test_a_notice_is_mailed_once_to_each_until_it_clears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mail_server(tmp_path, "tls") as server:
        addresses = ("a@ops.example", "b@ops.example")
        config = forest_in(tmp_path, cube=False)
        mail = MailSettings(
            host="localhost",
            port=server.port,
            sender="rsmonitor@office.example",
            user=USER,
            ca=str(server.ca),
        )
        monkeypatch.setenv("RSMONITOR_MAIL_PASSWORD", PASSWORD)
        notices = NoticeSettings(addresses=addresses)
        settings = replace(read_settings(config), mail=mail, notices=notices)
        now = monday(7)
        task = Task(kind=TaskKind.RUN, district=settings.district.code)
        failed = Attempt(task=task, at=now, code=5, failures=3, said="no answer")

        def letters() -> list[str]:
            look_after(config, [settings], now)
            found = server.noted("accepted")
            server.forget()
            return [server.letter(each).get_content() for each in found]

        assert letters() == [], "all is well"
        write_attempts(settings, [failed])
        server.faults(
            {"on": "RCPT", "do": "say", "say": "451 later", "to": addresses[1]}
        )
        one = letters()
        assert len(one) == 1
        assert "no answer" in one[0]
        assert len(letters()) == 1, "who was put off is told later"
        assert letters() == []
        write_attempts(settings, [replace(failed, failures=0)])
        assert letters() == []
        write_attempts(settings, [failed])
        assert len(letters()) == 2, "it came back"
        kept = settings.path(settings.run.work) / "notices.json"
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_status_says_what_needs_a_person(
    rs: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    config = with_ledger(tmp_path)
    settings = read_settings(config)
    found = look_after(config, [settings], datetime(2026, 11, 30, tzinfo=UTC))
    assert [each.kind for each in found] == ["no_run", "stale", "overdue"]
    (status,) = json.loads(rs("status", config, "--json")[1])
    assert [each["kind"] for each in status["notices"]] == [
        "no_run",
        "stale",
        "overdue",
    ]
    assert status["disks"][0]["free_bytes"] > 0
    assert (status["mail_waiting"], status["last_delivery"]) == (0, None)
    assert "需要处理 notice" in rs("status", config)[1]
    # what the scheduler remembers may be lost or damaged; it says nothing then
    (tmp_path / "work" / "notices.json").write_text('{"notices": [{"kind": 1}, 2]}')
    (tmp_path / "work" / "schedule.json").write_text("[" * 10_000)
    assert "需要处理" not in rs("status", config)[1]
    assert read_attempts(settings) == ()


# -------------------------------------------------------------- dry run, systemd, cron


def test_a_dry_run_says_what_is_due_and_changes_nothing(
    rs: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    config = forest_in(tmp_path)
    code, said = rs("schedule", config, "--dry-run")
    assert code == 0
    assert f"rsmonitor run {config} --district 360728 --until " in said
    assert "a new district: " in said
    assert "1 due; next looked at " in said
    _, filled = rs(
        *("schedule", config, "--dry-run", "--backfill", "2000-01-01"),
        *("--until", week_of(52).last_day.isoformat()),
    )
    assert filled.count("rsmonitor run ") > 20
    assert not (tmp_path / "work").exists()
    assert rs("schedule", config, "--until", "2020-01-01")[0] == 2
    assert rs("schedule", config, "--backfill", "2999-01-01")[0] == 3


def test_settings_that_cannot_be_read_end_it_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        Scheduler(config=tmp_path / "none.toml").once()


@pytest.mark.needs_program("systemd-analyze", "systemd")
def test_systemd_understands_the_units(
    rs: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    config = forest_in(tmp_path, cube=False)
    code, said = rs("schedule", config, "--systemd", tmp_path / "units")
    assert code == 0
    names = [Path(line) for line in said.splitlines()]
    assert len(names) == 9
    done = subprocess.run(  # noqa: S603 - a program of the system
        [shutil.which("systemd-analyze") or "", "verify", *names],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
    )
    ours = [line for line in done.stderr.splitlines() if "rsmonitor" in line]
    assert (done.returncode, ours) == (0, [])
