"""The demo, killed in the middle as often as you like, ends as if it had not been.

Twenty kills by default; RSMONITOR_TEST_KILLS asks for more, `make bench` for 200.
"""

import json
import os
import random
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
import xarray as xr
from commands import ROOT, Nursery, Ran, tree

from rsmonitor.io.stores.ledger import SqliteLedger

KILLS = int(os.environ.get("RSMONITOR_TEST_KILLS", "20"))
DISTRICT = "demo-romania"

QUICK_HISTORY = """
start = 2018-06-01
until = 2020-06-30
sample_pixels = 1000
"""

REPLAY = """
import sys
from pathlib import Path
from rsmonitor.config import read_settings
from rsmonitor.wiring import replay
replay(read_settings(Path(sys.argv[1])))
"""


@pytest.fixture(scope="module")
def nursery(
    demo_cube: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nursery]:
    assert all(path.is_file() for path in demo_cube)
    with Nursery(tmp_path_factory.mktemp("nursery")) as nursery:
        yield nursery


def settings_in(folder: Path) -> Path:
    """Copy the settings of the demo, with less to fit and fewer weeks to watch."""
    folder.mkdir()
    text = (ROOT / "configs" / "demo.toml").read_text(encoding="utf-8")
    assert "until = 2018-06-30" in text
    text = text.replace("until = 2018-06-30", QUICK_HISTORY)
    text = text[: text.index("[run]")] + '[run]\nwork = "work"\nout = "out"\n'
    path = folder / "demo.toml"
    path.write_text(text, encoding="utf-8")
    shutil.copy(ROOT / "configs" / "demo_licences.geojson", folder)
    return path


def replay(nursery: Nursery, settings: Path) -> Ran:
    ran = nursery.run(settings, program=REPLAY)
    assert ran.code == 0, ran.stderr
    return ran


def weeks_done(folder: Path) -> int:
    work = folder / "work"
    ledger = SqliteLedger(work / "ledger.sqlite", locks=work / "locks")
    return len(ledger.runs(DISTRICT))


def require_whole(folder: Path) -> None:
    """Refuse a broken ledger, and outputs that are half-written or unfounded."""
    work, out = folder / "work", folder / "out"
    ledger = SqliteLedger(work / "ledger.sqlite", locks=work / "locks")
    assert ledger.verify() == []
    committed = {record.location for record in ledger.runs(DISTRICT)}
    if (out / "latest").exists():
        assert (out / "runs" / "latest").readlink().name in committed
        manifest = json.loads((out / "latest" / "manifest.json").read_bytes())
        shown = tree(out / "latest")
        del shown["manifest.json"]
        shown.pop("head.json", None)  # written after the commit, so not listed
        assert shown == {
            name: entry["sha256"] for name, entry in manifest["files"].items()
        }
        require_parsed(out / "latest")
    if out.exists():
        require_parsed(out)


def require_parsed(folder: Path) -> None:
    """Read every file that a reader could meet."""
    image = pytest.importorskip("PIL.Image")
    for path in folder.iterdir():
        if path.name.startswith(".") or path.is_dir():
            continue
        if path.suffix in {".geojson", ".json"}:
            assert json.loads(path.read_bytes())
        elif path.suffix == ".nc":
            with xr.open_dataset(path) as dataset:
                dataset.load()
        elif path.suffix == ".gpkg":
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
                assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        else:
            assert path.suffix == ".png"
            with image.open(path) as picture:
                picture.load()


@pytest.fixture(scope="module")
def undisturbed(
    nursery: Nursery, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, str], float]:
    """Give every file of a replay in peace, and the seconds that it takes."""
    folder = tmp_path_factory.mktemp("peace") / "demo"
    settings = settings_in(folder)
    begun = time.monotonic()
    replay(nursery, settings)
    seconds = time.monotonic() - begun
    require_whole(folder)
    assert weeks_done(folder) == 27
    return tree(folder), seconds


def test_killed_at_any_moment_it_ends_as_if_nothing_had_been(
    nursery: Nursery, undisturbed: tuple[dict[str, str], float], tmp_path: Path
) -> None:
    expected, seconds = undisturbed
    moments = random.Random(7)  # noqa: S311 - no secret
    folder = tmp_path / "demo"
    settings = settings_in(folder)
    killed, weeks = 0, []
    while killed < KILLS:
        pid = nursery.start(settings, program=REPLAY)
        time.sleep(moments.uniform(0.05, 0.5) * seconds)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        code = nursery.wait().code
        require_whole(folder)
        if code == -signal.SIGKILL:
            killed += 1
            weeks.append(weeks_done(folder))
            continue
        # it was done before the kill came: look, and begin anew
        assert code == 0
        assert tree(folder) == expected
        shutil.rmtree(folder)
        settings = settings_in(folder)
        seconds /= 2  # the first run compiled its kernels, so measured far too much
    replay(nursery, settings)
    assert tree(folder) == expected
    # or the kills came too early or too late to say anything
    assert any(0 < done < 27 for done in weeks), weeks


def test_a_killed_run_passes_verify_on_the_command_line(
    nursery: Nursery, undisturbed: tuple[dict[str, str], float], tmp_path: Path
) -> None:
    _, seconds = undisturbed
    folder = tmp_path / "demo"
    settings = settings_in(folder)
    pid = nursery.start(settings, program=REPLAY)
    deadline = time.monotonic() + 20 * seconds
    while weeks_done(folder) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    assert nursery.wait().code == -signal.SIGKILL
    verified = nursery.run("verify", settings)
    assert verified.code == 0, verified.stdout
    assert "events, head" in verified.stdout
