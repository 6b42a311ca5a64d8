"""The commands as a person or a scheduler types them, each in a process of its own."""

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commands import Nursery, Ran, rsmonitor, tree
from cubes import write
from landscape import GRID, HISTORY_UNTIL, LOOKS, OPENED, landscape, week_of

from rsmonitor import __version__
from rsmonitor.io.stores.ledger import SqliteLedger

Rsmonitor = Callable[..., Ran]

FILES = {
    "alerts.geojson",
    "alerts.gpkg",
    "coverage.geojson",
    "coverage.nc",
    "disturbances.geojson",
    "evidence.nc",
    "manifest.json",
    "map.png",
}
SETTINGS = """
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
keep_runs = 1
"""


@pytest.fixture(scope="module")
def forest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a cube of the forest that is opened once."""
    return write(landscape().cube(), tmp_path_factory.mktemp("cube") / "forest.nc")


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with Nursery(tmp_path_factory.mktemp("nursery")) as nursery:
        yield nursery


@pytest.fixture
def run(nursery: Nursery) -> Rsmonitor:
    """Give the command line."""
    return nursery.run


@pytest.fixture
def config(tmp_path: Path, forest: Path) -> Path:
    """Give settings beside the cube."""
    (tmp_path / "forest.nc").symlink_to(forest)
    path = tmp_path / "forest.toml"
    path.write_text(SETTINGS.format(until=HISTORY_UNTIL), encoding="utf-8")
    return path


def sunday(look: int) -> str:
    """Give the last day of the week of a look."""
    return week_of(look).last_day.isoformat()


# ----------------------------------------------------------------------------- asking


@pytest.mark.parametrize("command", ["", "demo", "run", "detect", "verify"])
def test_help_ends_well_and_gives_an_example(tmp_path: Path, command: str) -> None:
    ran = rsmonitor(*command.split(), "--help", scratch=tmp_path)
    assert ran.code == 0
    assert f"Example: rsmonitor {command or 'demo'}" in ran.stdout
    assert ran.stderr == ""


def test_it_says_its_version(run: Rsmonitor) -> None:
    assert run("--version").stdout == f"rsmonitor {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["dig"], "dig"),
        (["demo", "a", "b"], "b"),
        (["run"], "config"),
        (["run", "x.toml", "--until", "last week"], "last week"),
        (["run", "x.toml", "--until", "2019-02-30"], "2019-02-30"),
        (["detect", "--out", "found"], "cubes"),
        (["detect", "forest.nc"], "--out"),
        (["detect", "forest.nc", "--out", "found", "--scale", "much"], "--scale"),
        (["verify", "x.toml", "--loud"], "--loud"),
    ],
)
def test_wrong_usage_ends_with_2_and_a_hint(
    tmp_path: Path, arguments: list[str], named: str
) -> None:
    ran = rsmonitor(*arguments, scratch=tmp_path)
    assert ran.code == 2
    assert named.lower() in ran.stderr.lower()
    assert "Usage: " in ran.stderr
    assert "Traceback" not in ran.stderr
    assert {p.name for p in tmp_path.iterdir()} == {"stdout", "stderr"}


def test_without_anything_it_shows_what_it_can(run: Rsmonitor) -> None:
    ran = run()
    assert ran.code in {0, 2}
    assert "detect" in ran.stdout + ran.stderr


# -------------------------------------------------------------------------- detecting


def test_detect_needs_no_settings_and_finds_the_opening(
    run: Rsmonitor, forest: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "found"
    out.mkdir(parents=True)
    (out / "mine.txt").write_text("not yours")
    ran = run("detect", forest, "--out", out)
    assert ran.code == 0, ran.stderr
    assert {path.name for path in out.iterdir()} == {*FILES, "mine.txt"}
    (alert,) = json.loads((out / "alerts.geojson").read_bytes())["features"]
    # two years of history, for nobody said how many
    assert alert["properties"]["began_by"] == f"{landscape().times[OPENED]:%Y-%m-%d}"
    assert alert["properties"]["invented_licences"] is False
    assert "alerts: 1 in week" in ran.stdout
    assert "no_right" in ran.stdout
    assert "mine.txt" not in ran.stdout
    assert "no scale in the file" in ran.stderr
    for name in FILES:
        assert str(out / name) in ran.stdout
    before = tree(out)
    assert run("detect", forest, "--out", out).code == 0
    assert tree(out) == before


def test_detect_reads_zarr_too(run: Rsmonitor, tmp_path: Path, forest: Path) -> None:
    folder = write(landscape().cube(), tmp_path / "forest.zarr")
    until = HISTORY_UNTIL.isoformat()
    for cube, out in ((folder, "zarr"), (forest, "netcdf")):
        ran = run("detect", cube, "--out", tmp_path / out, "--history-until", until)
        assert ran.code == 0, ran.stderr
    zarr, netcdf = (
        json.loads((tmp_path / out / "disturbances.geojson").read_bytes())["features"]
        for out in ("zarr", "netcdf")
    )
    assert zarr == netcdf != []


# ----------------------------------------------------------------------- scheduled runs


def test_a_run_is_done_once_and_verified(
    run: Rsmonitor, config: Path, tmp_path: Path
) -> None:
    first = run("run", config, "--until", sunday(LOOKS - 1))
    assert first.code == 0, first.stderr
    assert "alerts: 1" in first.stdout
    latest = tmp_path / "out" / "latest"
    assert {path.name for path in latest.iterdir()} == FILES | {"head.json"}
    before = {name: tree(tmp_path / name) for name in ("out", "work")}

    again = run("run", config, "--until", sunday(LOOKS - 1))
    assert again.code == 0, again.stderr
    assert f"week {week_of(LOOKS - 1)} was done before" in again.stdout
    assert {name: tree(tmp_path / name) for name in ("out", "work")} == before

    verified = run("verify", config)
    assert verified.code == 0
    assert re.match(r"\d+ events, head [0-9a-f]{64}; ", verified.stdout)
    assert verified.stdout.endswith("held against: 1; 台账完整 whole\n")


def test_until_a_day_in_mid_week_it_does_the_week_before(
    run: Rsmonitor, config: Path
) -> None:
    wednesday = week_of(45).start.date().isoformat()
    ran = run("run", config, "--until", wednesday, "--dry-run")
    assert f"week {week_of(45)}" not in ran.stdout
    assert re.search(r"^week 20\d\d-W\d\d: grid", ran.stdout)


def test_a_dry_run_says_what_it_would_do_and_does_nothing(
    run: Rsmonitor, config: Path, tmp_path: Path
) -> None:
    ran = run("run", config, "--until", sunday(45), "--dry-run")
    assert ran.code == 0, ran.stderr
    assert ran.stdout.startswith(
        f"week {week_of(45)}: grid {GRID.grid_id}, 24 x 30 pixels, 46 scenes"
    )
    assert not tree(tmp_path / "out")
    assert not tree(tmp_path / "work")


def test_a_week_that_was_done_and_is_no_longer_kept_is_no_accident(
    run: Rsmonitor, config: Path
) -> None:
    for look in range(45, 48):
        assert run("run", config, "--until", sunday(look)).code == 0
    ran = run("run", config, "--until", sunday(45))
    assert ran.code == 0, ran.stderr
    assert "was done before" in ran.stdout
    assert "Traceback" not in ran.stderr


def test_a_week_behind_the_newest_is_refused(run: Rsmonitor, config: Path) -> None:
    assert run("run", config, "--until", sunday(46)).code == 0
    ran = run("run", config, "--until", sunday(45))
    assert ran.code == 3
    assert f"week {week_of(45)} is behind" in ran.stderr
    assert "run.work" in ran.stderr


def test_another_district_is_refused(
    run: Rsmonitor, config: Path, tmp_path: Path
) -> None:
    ran = run("run", config, "--district", "360729")
    assert ran.code == 3
    assert str(config) in ran.stderr
    assert "360728" in ran.stderr
    assert "'360729'" in ran.stderr
    assert not (tmp_path / "work").exists()


def test_a_district_that_is_held_is_busy(
    run: Rsmonitor, config: Path, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    ledger = SqliteLedger(work / "ledger.sqlite", locks=work / "locks")
    with ledger.lock("360728"):
        ran = run("run", config, "--until", sunday(45))
    assert ran.code == 4
    assert "360728 is busy" in ran.stderr
    assert "process" in ran.stderr
    assert not (tmp_path / "out" / "latest").exists()
    assert run("run", config, "--until", sunday(45)).code == 0


def test_a_ledger_that_was_edited_is_found_out(
    run: Rsmonitor, config: Path, tmp_path: Path
) -> None:
    assert run("run", config, "--until", sunday(45)).code == 0
    path = tmp_path / "work" / "ledger.sqlite"
    data = path.read_bytes()
    assert data.count(b"2017-12-31") >= 1
    path.write_bytes(data.replace(b"2017-12-31", b"2016-12-31"))
    ran = run("verify", config)
    assert ran.code == 3
    assert "was changed" in ran.stdout
    assert "Traceback" not in ran.stderr


def test_there_is_nothing_to_verify_before_the_first_run(
    run: Rsmonitor, config: Path, tmp_path: Path
) -> None:
    ran = run("verify", config)
    assert ran.code == 3
    assert str(tmp_path / "work" / "ledger.sqlite") in ran.stderr


def test_deleted_outputs_do_not_stop_the_next_week(
    run: Rsmonitor, config: Path, tmp_path: Path
) -> None:
    assert run("run", config, "--until", sunday(45)).code == 0
    (tmp_path / "out").rename(tmp_path / "taken away")
    ran = run("run", config, "--until", sunday(46))
    assert ran.code == 0, ran.stderr
    there = {p.name for p in (tmp_path / "out" / "latest").iterdir()}
    assert there == FILES | {"head.json"}


def test_ctrl_c_in_a_run_leaves_the_week_undone(
    run: Rsmonitor, nursery: Nursery, config: Path, tmp_path: Path
) -> None:
    assert run("run", config, "--until", sunday(40)).code == 0
    before = {name: tree(tmp_path / name) for name in ("out", "work")}
    pid = nursery.start("run", config, "--until", sunday(50))
    state = tmp_path / "work" / "locks" / "360728.lock"
    deadline = time.monotonic() + 60
    while not state.read_text() and time.monotonic() < deadline:
        time.sleep(0.002)
    os.kill(pid, signal.SIGINT)
    ran = nursery.wait()
    assert ran.code == 130
    assert "interrupted" in ran.stderr
    assert "Traceback" not in ran.stderr
    after = tree(tmp_path / "work")
    assert after["ledger.sqlite"] == before["work"]["ledger.sqlite"]
    assert tree(tmp_path / "out") == before["out"]
    assert run("run", config, "--until", sunday(50)).code == 0
