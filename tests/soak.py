"""Years of a watch in minutes: one archive, its districts, and all that goes wrong.

`Watch` keeps the schedule of one settings file as ``rsmonitor schedule`` does
(`Scheduler.keep`), but its bell tells a story: to sleep is to let the story go on,
which moves the clock, lets scenes appear, scripts faults, and measures. What is
demanded of the watch stands in `Watch.judge` and `Watch.compare`.

    PYTHONPATH=.:tests python tests/soak.py FOLDER --kind stac --weeks 156
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import soak_jobs
from emulators.start import TESTS
from soak_offices import DISTRICTS, MARGIN, Soak, write_settings
from soak_peace import live_in_peace, told
from soak_plan import Trouble, plan_of
from soak_scenes import AT, SIDE, World

from rsmonitor.config import Settings, read_districts
from rsmonitor.io.foundation.logs import logged_to
from rsmonitor.io.stores.ledger import SqliteLedger
from rsmonitor.records.week import IsoWeek
from rsmonitor.wiring import scheduling
from rsmonitor.wiring.processes import Bell
from rsmonitor.wiring.scheduling import Scheduler
from rsmonitor.wiring.upkeep import read_attempts

QUARTER = 13
"""Weeks."""


@dataclass(slots=True)
class Hand:
    """A clock that shows what the story says."""

    instant: datetime

    def now(self) -> datetime:
        return self.instant


class Story(Bell):
    """A bell whose sleep lets the story go on, and that rings at its end."""

    def __init__(self) -> None:
        super().__init__()
        self.told: Iterator[None] = iter(())

    def sleep(self, seconds: float) -> None:
        del seconds
        try:
            next(self.told)
        except StopIteration:
            self.ring()


@dataclass(slots=True)
class Watch:
    """One scheduler, its archive, and what befalls both."""

    soak: Soak
    folder: Path
    say: Any = print
    hand: Hand = field(default_factory=lambda: Hand(datetime(2026, 7, 1, tzinfo=UTC)))
    counts: Counter[str] = field(default_factory=Counter)
    weekly: list[dict[str, Any]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    down: set[str] = field(default_factory=set)
    """Weeks in which the archive did not answer."""
    offices: tuple[Settings, ...] = ()
    _scheduler: Scheduler | None = None
    _world: World | None = None
    _faults: Path | None = None

    # ------------------------------------------------------------------------ setting

    def keep(self) -> None:
        """Live all weeks, then compare with the same weeks in peace."""
        begun = time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._world, fates = self.soak.world(self.folder / "world", disturbed=True)
        self.counts += Counter({f"scene {name}": n for name, n in fates.items()})
        render(self.soak, self.folder / "world", disturbed=True)
        with ExitStack() as opened:
            address = opened.enter_context(self._service())
            office = self.folder / "office"
            config = write_settings(
                office,
                self.soak.places(),
                self.soak.kind,
                {self.soak.kind: address},
                self._world.archive.resolve(),
                self.soak.levels,
            )
            jobs = opened.enter_context(
                soak_jobs.server(
                    self.folder / "jobs",
                    side=SIDE + 2 * MARGIN,
                    at=(AT[0] - MARGIN, AT[1] - MARGIN),
                )
            )
            opened.enter_context(
                replaced(scheduling, "PROGRAM", soak_jobs.program(jobs))
            )
            self.offices = read_districts(config)
            bell = Story()
            self._scheduler = Scheduler(config=config, clock=self.hand, bell=bell)
            bell.told = self._story()
            log = opened.enter_context((self.folder / "schedule.jsonl").open("w"))
            opened.enter_context(logged_to(log))
            next(bell.told)  # the first Monday
            self._scheduler.keep()
        self.judge("at the end")
        self.compare()
        self.counts["seconds"] = round(time.monotonic() - begun)

    @contextmanager
    def _service(self) -> Iterator[str]:
        """Run the archive's emulator; a folder needs none."""
        assert self._world is not None
        if self.soak.kind == "folder":
            yield ""
            return
        root = self._world.archive
        self._faults = self.folder / "faults.json"
        paths = os.pathsep.join([str(TESTS), str(TESTS.parent)])
        process = subprocess.Popen(  # noqa: S603 - our own program
            [
                *(
                    sys.executable,
                    "-m",
                    "emulators.growing",
                    self.soak.kind,
                    str(root),
                ),
                *("--log", os.devnull, "--faults", str(self._faults)),
            ],
            env={**os.environ, "PYTHONPATH": paths},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout
            yield process.stdout.readline().strip()
        finally:
            process.kill()
            process.communicate()

    # -------------------------------------------------------------------------- story

    def _story(self) -> Iterator[None]:
        """Tell what happens; each step is a moment at which the scheduler looks."""
        week = self.soak.first
        plan = plan_of(self.soak.kind, self.soak.weeks, self.soak.seed)
        for number in range(self.soak.weeks):
            monday = week.end
            trouble = plan.get(number, Trouble())
            self.counts[f"week {trouble.name or 'at peace'}"] += 1
            if trouble.name == "machine off":
                week = week.next()
                continue
            if trouble.name == "source down":
                self.down.add(str(week))
            self._script(trouble)
            yield from self._moment(monday + timedelta(hours=7))
            if trouble.name == "clock back":
                yield from self._moment(
                    monday + timedelta(hours=7) - timedelta(days=30)
                )
            yield from self._moment(monday + timedelta(hours=8, minutes=30))
            yield from self._again(monday + timedelta(hours=34))
            if trouble.name == "source down" and plan.get(number + 1) != trouble:
                # it is back; what failed is tried again
                self._script(Trouble())
                yield from self._again(monday + timedelta(hours=60))
            self._measure(number, week)
            if number % QUARTER == QUARTER - 1:
                behind = trouble.name == "source down"
                self.judge(f"after {number + 1} weeks", behind=behind)
            week = week.next()

    def _moment(self, instant: datetime) -> Iterator[None]:
        """Let it be an instant."""
        assert self._world is not None
        self.hand.instant = instant
        self._world.at(instant)
        (self.folder / "jobs" / "now").write_text(instant.isoformat())
        yield

    def _again(self, until: datetime) -> Iterator[None]:
        """Go from one retry to the next while something failed."""
        assert self._scheduler is not None
        while any(each.failures for each in read_attempts(self.offices[0])):
            self._unblock()
            later = self._scheduler.next_change()
            if later > until:
                return
            yield from self._moment(later)

    def _script(self, trouble: Trouble) -> None:
        """Prepare what goes wrong next."""
        (self.folder / "jobs" / "due.json").write_text(json.dumps(trouble.jobs))
        for fault in trouble.jobs:
            self.counts[f"job {fault['do']}"] += 1
        if self._faults is not None:
            self._faults.write_text(json.dumps(trouble.service))
            for fault in trouble.service:
                self.counts[f"service {fault['do']} on {fault['on']}"] += 1
        if trouble.name == "output cannot be written":
            for office in self.offices:
                out = office.path(office.run.out)
                if out.is_dir():
                    out.rename(out.with_name(f"{out.name}.away"))
                out.parent.mkdir(parents=True, exist_ok=True)
                out.write_text("a file stands where the folder should")

    def _unblock(self) -> None:
        """Let the output folders be written again, if they could not be."""
        for office in self.offices:
            out = office.path(office.run.out)
            if out.is_file():
                out.unlink()
                away = out.with_name(f"{out.name}.away")
                if away.is_dir():
                    away.rename(out)

    # ------------------------------------------------------------------- what is held

    def ledger(self) -> SqliteLedger:
        work = self.offices[0].path(self.offices[0].run.work)
        return SqliteLedger(work / "ledger.sqlite", locks=work / "locks")

    def _measure(self, number: int, week: IsoWeek) -> None:
        """Note memory and disk."""
        office = self.folder / "office"
        packages = self.offices[0].path(self.offices[0].deliver.out)
        row = {
            "week": str(week),
            "rss_kib": rss_kib(),
            "files": len(list(Path("/proc/self/fd").iterdir())),
            "ledger": size_of(office / "work" / "ledger.sqlite"),
            "state": size_of(office / "work" / "state"),
            "scratch": size_of(office / "work" / "scratch"),
            "work": size_of(office / "work"),
            "cache": size_of(office / "cache"),
            "out": size_of(office / "out"),
            "packages": size_of(packages),
            "package_weeks": len(list(packages.glob("20*"))),
        }
        self.weekly.append(row)
        if number % 4 == 3:
            self.say(f"{self.soak.kind} {number + 1}/{self.soak.weeks} {row}")

    def judge(self, when: str, *, behind: bool = False) -> None:
        """Hold the watch to what is demanded of it; say what is not so.

        Who is `behind` cannot be up to date: the archive does not answer.
        """
        ledger = self.ledger()
        for said in ledger.verify():
            self.wrong.append(f"{when}: verify: {said}")
        newest = IsoWeek.of(self.hand.instant - timedelta(days=7))
        for office in self.offices:
            code = office.district.code
            weeks = [record.week for record in ledger.runs(code)]
            if len(set(weeks)) < len(weeks):
                self.wrong.append(f"{when}: {code} ran a week twice: {weeks}")
            if weeks != sorted(weeks):
                self.wrong.append(f"{when}: {code} ran weeks out of order")
            if not behind and weeks[-1:] != [newest]:
                self.wrong.append(
                    f"{when}: {code} stands at {weeks[-1:]}, not {newest}"
                )
            alerts = ledger.alerts(code)
            ids = [alert.alert_id for alert in alerts]
            if len(set(ids)) < len(ids):
                self.wrong.append(f"{when}: {code} has an alert twice")
            for alert in alerts:
                versions = [each.version for each in ledger.versions(alert.alert_id)]
                # what changes no word worth telling is kept under the same version
                once = sorted(set(versions))
                if versions != sorted(versions) or once != list(
                    range(1, len(once) + 1)
                ):
                    self.wrong.append(f"{when}: {alert.alert_id} has {versions}")
            missing = set(self.gaps()[code]) - self.down
            if missing:
                self.wrong.append(f"{when}: {code} passed over {sorted(missing)}")
        self.wrong += [f"{when}: {each}" for each in self._twice()]

    def _twice(self) -> list[str]:
        """List letters that went out twice, or that wait."""
        from rsmonitor.wiring.mailroom import outbox_of  # noqa: PLC0415

        sendings = outbox_of(self.offices[0]).all()
        keys = Counter((s.area, s.week, s.recipient, s.series) for s in sendings)
        found = [f"{key} went out {n} times" for key, n in keys.items() if n > 1]
        return found + [f"{s.key} is {s.state.value}" for s in sendings if s.resent]

    def gaps(self) -> dict[str, list[str]]:
        """List the weeks that were passed over, by district."""
        found = {}
        for office in self.offices:
            code = office.district.code
            ran = {record.week for record in self.ledger().runs(code)}
            week, missing = min(ran), []
            while week <= max(ran):
                if week not in ran:
                    missing.append(str(week))
                week = week.next()
            found[code] = missing
        return found

    # ---------------------------------------------------------------------- comparing

    def compare(self) -> None:
        """Run the same weeks over the same scenes in peace; note every difference."""
        peace = self.folder / "peace"
        said = subprocess.run(  # noqa: S603 - this file
            [
                *(sys.executable, __file__, str(peace), "--peace"),
                *("--kind", self.soak.kind, "--weeks", str(self.soak.weeks)),
                *("--seed", str(self.soak.seed)),
                *("--districts", str(self.soak.districts)),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if said.returncode:
            self.wrong.append(f"peace ended with {said.returncode}: {said.stderr}")
            return
        quiet: dict[str, Any] = json.loads((peace / "told.json").read_text())
        for office in self.offices:
            code = office.district.code
            ours = told(self.ledger(), code)
            for what in ("sites", "alerts"):
                if ours[what] != quiet[code][what]:
                    extra = [x for x in ours[what] if x not in quiet[code][what]]
                    lost = [x for x in quiet[code][what] if x not in ours[what]]
                    self.wrong.append(f"{code} {what}: only here {extra}; lost {lost}")
                self.counts[f"{what} of {code}"] = len(ours[what])
            self.counts[f"versions of {code}"] = ours["versions"]
            self.counts[f"versions of {code} in peace"] = quiet[code]["versions"]
            self.counts[f"same site ids of {code}"] = len(
                set(ours["ids"]) & set(quiet[code]["ids"])
            )

    def summary(self) -> dict[str, Any]:
        """Give what was found, for a table."""
        lines = (self.folder / "jobs" / "jobs.jsonl").read_text().splitlines()
        jobs = [json.loads(line) for line in lines]
        return {
            "kind": self.soak.kind,
            "weeks": self.soak.weeks,
            "seed": self.soak.seed,
            "districts": [office.district.code for office in self.offices],
            "counts": dict(sorted(self.counts.items())),
            "gaps": self.gaps(),
            "wrong": self.wrong,
            "weekly": self.weekly,
            "jobs": [
                {key: job[key] for key in ("now", "fault", "code", "cpu", "peak_kib")}
                | {"kind": job["words"][0]}
                for job in jobs
            ],
            "runs": sum(len(self.ledger().runs(o.district.code)) for o in self.offices),
            "events": sum(1 for _ in self.ledger().events()),
        }


# ---------------------------------------------------------------------------- measures


def rss_kib() -> int:
    """Give the memory of this process."""
    text = Path("/proc/self/status").read_text()
    (line,) = (line for line in text.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1])


def size_of(path: Path) -> int:
    """Add up what lies below a path, bytes."""
    if path.is_file():
        return path.stat().st_size
    found = 0
    for file in path.rglob("*"):
        if file.is_file() and not file.is_symlink():
            found += file.stat().st_size
    return found


@contextmanager
def replaced(module: Any, name: str, value: Any) -> Iterator[None]:  # noqa: ANN401
    """Put something in place of a module's own for a while."""
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


def render(soak: Soak, folder: Path, *, disturbed: bool) -> None:
    """Write all images in a process of its own, so that memory says something."""
    subprocess.run(  # noqa: S603 - this file
        [
            *(sys.executable, __file__, str(folder), "--render"),
            *("--kind", soak.kind, "--weeks", str(soak.weeks)),
            *("--seed", str(soak.seed), "--districts", str(soak.districts)),
        ],
        check=True,
    )
    del disturbed


def main() -> int:
    """Keep a watch; 1 if something was wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kind", choices=DISTRICTS, default="stac")
    parser.add_argument("--weeks", type=int, default=156)
    parser.add_argument("--districts", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peace", action="store_true")
    parser.add_argument("--render", action="store_true")
    given = parser.parse_args()
    soak = Soak(
        kind=given.kind, weeks=given.weeks, seed=given.seed, districts=given.districts
    )
    if given.render:
        soak.world(given.folder, disturbed=True)[0].render()
        return 0
    if given.peace:
        live_in_peace(soak, given.folder)
        return 0
    shutil.rmtree(given.folder, ignore_errors=True)
    watch = Watch(soak, given.folder, say=lambda text: print(text, flush=True))  # noqa: T201
    watch.keep()
    (given.folder / "summary.json").write_text(json.dumps(watch.summary(), indent=1))
    for each in watch.wrong:
        print(f"WRONG {each}", flush=True)  # noqa: T201 - a script
    return 1 if watch.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
