"""Commands killed, on full disks and read-only folders: whole, and done when repeated.

Two kills a command by default; RSMONITOR_TEST_KILLS asks for more, `make bench` for 200
in all.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from commands import Nursery, Ran, tree
from cubes import write
from landscape import HISTORY_UNTIL, LOOKS, landscape, week_of
from returned import csv_text, jpeg
from rights import rights, write_geojson

from rsmonitor.config import read_districts
from rsmonitor.io.stores.ledger import SqliteLedger
from rsmonitor.io.stores.register_database import DatabaseRegister
from rsmonitor.io.stores.tips import TipStore
from rsmonitor.wiring.verification import verify_ledger

KILLS = int(os.environ.get("RSMONITOR_TEST_KILLS", "20")) // 8
"""For each command that changes something; reading ones get fewer."""

DISTRICT = "360728"
GIVER = "赵某某实名"
SETTINGS = f"""
[district]
code = "{DISTRICT}"
name_zh = "定南县"
name_en = "Dingnan"
bureau = "定南县自然资源局"
[source]
kind = "cube"
files = ["forest.nc"]
[history]
until = {HISTORY_UNTIL}
[run]
work = "work"
out = "out"
"""

FULL = """
import resource, signal, sys
from rsmonitor.cli import main
limit = int(sys.argv.pop(1))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write then fails, as on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
main()
"""

# what keeps root from being refused is a capability, which a process may give up
ORDINARY = """
import ctypes
from rsmonitor.cli import main
libc = ctypes.CDLL(None, use_errno=True)
header, held = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
assert libc.capget(header, held) == 0
held[0] &= ~0b110  # DAC_OVERRIDE and DAC_READ_SEARCH
assert libc.capset(header, held) == 0
main()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bureau:
    """A folder in which a run has found one site."""

    folder: Path
    nursery: Nursery

    @property
    def settings(self) -> Path:
        return self.folder / "forest.toml"

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def ledger(self) -> SqliteLedger:
        return SqliteLedger(self.work / "ledger.sqlite", locks=self.work / "locks")

    @property
    def tips(self) -> TipStore:
        return TipStore(self.work / "tips.sqlite", locks=self.work / "locks")

    def copy(self, folder: Path) -> "Bureau":
        shutil.copytree(self.folder, folder, symlinks=True)
        return Bureau(folder=folder, nursery=self.nursery)

    def run(self, act: "Act", *first: str, program: str | None = None) -> Ran:
        return self.nursery.run(*first, *act.words(self), program=program)

    def verify(self) -> None:
        """Refuse a ledger or a register that is not whole."""
        found = verify_ledger(read_districts(self.settings))
        assert found.problems == ()
        assert found.heads == 1
        assert DatabaseRegister(self.folder / "register.sqlite").verify() == []

    def parts(self) -> dict[str, Any]:
        """Give each thing that must be there whole or not at all, without clocks."""
        register = DatabaseRegister(self.folder / "register.sqlite")
        labels = self.folder / "labels.geojson"
        return {
            "events": [
                (event.kind, event.who, without_ids(event.body))
                for event in self.ledger.events()
            ],
            "tips": [
                (each.tip.day, str(each.tip.place), each.erased)
                for each in self.tips.tips()
            ],
            "names": bool(holders(self.work)),
            "register": [
                (entry.act, entry.by, entry.sha256) for entry in register.history()
            ],
            "rights": register.snapshot().licences,
            "labels": labels.read_bytes() if labels.exists() else None,
            "photos": {
                name: digest
                for name, digest in tree(self.work / "photos").items()
                if "/." not in f"/{name}"
            },
        }


def without_ids(body: str) -> str:
    """Leave out the ids of tips, under a key that every store draws for itself."""
    said = json.loads(body)
    said.pop("tip_id", None)
    return json.dumps(said, sort_keys=True)


def holders(folder: Path) -> list[Path]:
    """List the files that hold the name of who gave the tip, journals included."""
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and GIVER.encode() in path.read_bytes()
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """A command that changes something."""

    name: str
    words: Callable[[Bureau], list[str | Path]]
    room: int = 20_000
    """Bytes that a file may have on its full disk."""


def site_of(bureau: Bureau) -> str:
    (site,) = bureau.ledger.sites(DISTRICT)
    return site.site_id


def about(*words: str) -> Callable[[Bureau], list[str | Path]]:
    """Give the words of a command about the case of the only site."""
    return lambda b: [
        *("cases", words[0], b.settings, site_of(b)),
        *words[1:],
        *("--who", "李四", "--why", "卫片线索"),
    ]


ACTS = (
    Act(
        name="triage import",
        words=lambda b: [
            *("triage", "import", b.settings, b.folder / "found.csv", "--apply")
        ],
    ),
    Act(
        name="tips import",
        words=lambda b: ["tips", "import", b.settings, b.folder / "tips.csv"],
    ),
    Act(
        name="tips erase",
        words=lambda b: ["tips", "erase", b.settings, b.tips.tips()[0].tip.tip_id],
    ),
    Act(name="cases assign", words=about("assign", "--handler", "张三")),
    Act(name="cases close", words=about("close", "--handling", "filed")),
    Act(
        name="labels export",
        words=lambda b: [
            *("labels", "export", b.settings, "--out", b.folder / "labels.geojson")
        ],
        room=900,
    ),
    Act(
        name="licences import",
        words=lambda b: [
            *("licences", "import", b.folder / "rights.geojson", "--kind", "mining"),
            *("--register", b.folder / "register.sqlite", "--by", "李华"),
        ],
    ),
)
by_name = pytest.mark.parametrize("act", ACTS, ids=lambda act: act.name)


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with Nursery(tmp_path_factory.mktemp("nursery")) as nursery:
        yield nursery


@pytest.fixture(scope="module")
def watched(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Bureau:
    """Watch a forest; nobody writes into this folder afterwards."""
    bureau = Bureau(folder=tmp_path_factory.mktemp("watched"), nursery=nursery)
    folder = bureau.folder
    write(landscape().cube(), folder / "forest.nc")
    bureau.settings.write_text(SETTINGS, encoding="utf-8")
    until = week_of(LOOKS - 1).last_day.isoformat()
    ran = nursery.run("run", bureau.settings, "--until", until)
    assert ran.code == 0, ran.stderr
    (site,) = bureau.ledger.sites(DISTRICT)
    seen = site.latest.disturbance
    found = (site.site_id, "违法", "采挖", "GF-2", "李华", "2026-11-20", "1.jpg;2.jpg")
    (folder / "found.csv").write_text(csv_text((*found, "")), encoding="utf-8")
    (folder / "1.jpg").write_bytes(jpeg("red"))
    (folder / "2.jpg").write_bytes(jpeg("blue"))
    place = seen.geometry.representative_point()
    tip = (seen.began_by.isoformat(), f"{place.x:.6f}", f"{place.y:.6f}", GIVER)
    head = ("日期", "经度", "纬度", "举报人")
    (folder / "tips.csv").write_text(csv_text(tip, head=head), encoding="utf-8")
    write_geojson(folder / "rights.geojson", *rights("C7", "C8"))
    return bureau


@pytest.fixture(scope="module")
def told(watched: Bureau, tmp_path_factory: pytest.TempPathFactory) -> Bureau:
    """Let people say something: there is a name to erase, and a label to export."""
    bureau = watched.copy(tmp_path_factory.mktemp("told") / "bureau")
    for act in ACTS[:2]:
        assert bureau.run(act).code == 0
    return bureau


@dataclass(frozen=True, slots=True, kw_only=True)
class Peace:
    """What a command does that nobody disturbs."""

    base: Bureau
    before: dict[str, Any]
    after: dict[str, Any]
    files: set[str]
    seconds: float


@pytest.fixture(scope="module")
def undisturbed(
    watched: Bureau, told: Bureau, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Peace]:
    folder = tmp_path_factory.mktemp("peace")
    found = {}
    for number, act in enumerate(ACTS):
        base = told if act.name in {"tips erase", "labels export"} else watched
        bureau = base.copy(folder / str(number))
        begun = time.monotonic()
        ran = bureau.run(act)
        seconds = time.monotonic() - begun
        assert ran.code == 0, ran.stderr
        found[act.name] = Peace(
            base=base,
            before=base.parts(),
            after=bureau.parts(),
            files=visible(bureau),
            seconds=seconds,
        )
    return found


def visible(bureau: Bureau) -> set[str]:
    """Name the files that anybody may meet; hidden drafts are nobody's."""
    return {name for name in tree(bureau.folder) if "/." not in f"/{name}"}


def require_whole(bureau: Bureau, peace: Peace) -> None:
    """Refuse anything that is neither as it was nor as it shall be."""
    bureau.verify()
    for name, part in bureau.parts().items():
        if name == "photos":  # each is kept before anything names it
            assert part.items() <= peace.after[name].items()
        else:
            assert part in (peace.before[name], peace.after[name]), name


def require_done(bureau: Bureau, act: Act, peace: Peace) -> None:
    """Repeat a command: it must end as one that nobody disturbed."""
    ran = bureau.run(act)
    assert ran.code == 0, ran.stderr
    bureau.verify()
    assert bureau.parts() == peace.after
    assert visible(bureau) == peace.files
    assert not list((bureau.work / "photos").rglob("*.tmp"))


def test_the_commands_do_something(undisturbed: dict[str, Peace]) -> None:
    for name, peace in undisturbed.items():
        assert peace.before != peace.after, name
    assert undisturbed["tips erase"].before["names"]
    assert not undisturbed["tips erase"].after["names"]
    assert len(undisturbed["triage import"].after["photos"]) == 2


@by_name
def test_killed_at_any_moment_it_is_whole_and_done_when_repeated(
    undisturbed: dict[str, Peace], act: Act, tmp_path: Path
) -> None:
    peace = undisturbed[act.name]
    chance = random.Random(act.name)  # noqa: S311 - where to kill
    killed, seconds = 0, peace.seconds
    for attempt in range(5 * KILLS):
        bureau = peace.base.copy(tmp_path / str(attempt))
        pid = bureau.nursery.start(*act.words(bureau))
        time.sleep(chance.uniform(0.05, 1.0) * seconds)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        if bureau.nursery.wait().code == -signal.SIGKILL:
            killed += 1
        else:
            seconds *= 0.9  # it was measured while others kept the machine busy
        require_whole(bureau, peace)
        require_done(bureau, act, peace)
        shutil.rmtree(bureau.folder)
        if killed == KILLS:
            return
    pytest.fail("the kills came too late to say anything")


def require_refused(ran: Ran) -> None:
    """Refuse an end without a reason, or with the wrong one."""
    assert ran.code == 3, (ran.stdout, ran.stderr)
    assert "Traceback" not in ran.stderr
    assert "rsmonitor: " in ran.stderr


@by_name
def test_on_a_full_disk_or_a_read_only_folder_it_says_so_and_is_done_later(
    undisturbed: dict[str, Peace], act: Act, tmp_path: Path
) -> None:
    peace = undisturbed[act.name]
    bureau = peace.base.copy(tmp_path / "bureau")
    require_refused(bureau.run(act, str(act.room), program=FULL))
    require_whole(bureau, peace)
    assert bureau.parts()["events"] == peace.before["events"]
    held = tree(bureau.folder)
    with read_only(bureau.folder):
        require_refused(bureau.run(act, program=ORDINARY))
    assert tree(bureau.folder) == held
    require_done(bureau, act, peace)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Take the right to write from a folder and all that is in it."""
    paths = [folder, *(p for p in folder.rglob("*") if not p.is_symlink())]
    modes = {path: path.stat().st_mode for path in paths}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222)
    try:
        yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of four megabytes, where this may be done."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    if os.geteuid() or mount is None or unmount is None:
        pytest.skip("not run: only root can mount a small disk")
    done = subprocess.run(  # noqa: S603 - the system's own
        [mount, "-t", "tmpfs", "-o", "size=4m", "rsmonitor-test", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"not run: a small disk cannot be mounted: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run([unmount, folder], check=True)  # noqa: S603 - the system's own


def fill(path: Path) -> None:
    """Take all room that a disk has left."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(2**12))
    assert not shutil.disk_usage(path).free


@by_name
def test_on_a_disk_without_room_it_says_so_and_is_done_when_there_is(
    undisturbed: dict[str, Peace], act: Act, small_disk: Path
) -> None:
    peace = undisturbed[act.name]
    bureau = peace.base.copy(small_disk / "bureau")
    fill(small_disk / "filler")
    require_refused(bureau.run(act))
    require_whole(bureau, peace)
    (small_disk / "filler").unlink()
    require_done(bureau, act, peace)


def test_computing_an_alert_again_changes_nothing_whatever_befalls_it(
    watched: Bureau, tmp_path: Path
) -> None:
    bureau = watched.copy(tmp_path / "bureau")
    (alert,) = bureau.ledger.alerts(DISTRICT)
    again = Act(
        name="reproduce",
        words=lambda b: ["reproduce", b.settings, alert.alert_id, "--json"],
    )
    held = tree(bureau.folder)
    begun = time.monotonic()
    with read_only(bureau.folder):
        peace = bureau.run(again, program=ORDINARY)
    seconds = time.monotonic() - begun
    assert peace.code == 0, peace.stderr
    assert json.loads(peace.stdout)["same"]
    chance = random.Random(7)  # noqa: S311 - where to kill
    for _ in range(max(1, KILLS // 5)):
        pid = bureau.nursery.start(*again.words(bureau))
        time.sleep(chance.uniform(0.05, 0.9) * seconds)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        bureau.nursery.wait()
        assert tree(bureau.folder) == held
    require_refused(bureau.run(again, "2000", program=FULL))
    assert tree(bureau.folder) == held
    repeated = bureau.run(again)
    assert (repeated.code, repeated.stdout) == (0, peace.stdout)
    assert tree(bureau.folder) == held
    bureau.verify()
