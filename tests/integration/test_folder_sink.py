import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deliveries import (
    ROMANIA,
    result_of,
    synthetic_evidence,
)

from rsmonitor.errors import ContractError, OutputError
from rsmonitor.interfaces import AlertSink
from rsmonitor.io.deliver.folder import FolderSink, PlainFolderSink
from rsmonitor.records.run import RunResult

FILES = {
    "alerts.geojson",
    "alerts.gpkg",
    "coverage.geojson",
    "coverage.nc",
    "disturbances.geojson",
    "evidence.nc",
    "manifest.json",
}

Sink = Callable[[Path], AlertSink]


@pytest.fixture(scope="module")
def result() -> RunResult:
    return result_of(synthetic_evidence(patches=8))


def in_week(result: RunResult, later: int) -> RunResult:
    """Give the same result some weeks later."""
    week = result.partition.week
    for _ in range(later):
        week = week.next()
    partition = dataclasses.replace(result.partition, week=week)
    return dataclasses.replace(result, partition=partition)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def manifest(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
    return loaded


def content(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.is_file()
    }


def test_published_run_has_every_file_and_its_checksum(
    tmp_path: Path, result: RunResult
) -> None:
    sink: AlertSink = FolderSink(tmp_path)
    location = sink.stage(result)
    assert location == result.partition.run_id
    assert not (tmp_path / "latest").exists()
    sink.publish(location)
    latest = tmp_path / "latest"
    assert names(latest) == FILES
    told = manifest(latest)
    assert told["run_id"] == location
    assert told["week"] == "2020-W40"
    assert told["invented_licences"] is True
    checksums = {name: file["sha256"] for name, file in told["files"].items()}
    found = content(latest)
    del found["manifest.json"]
    assert checksums == found


def test_readers_see_the_run_before_until_the_next_is_published(
    tmp_path: Path, result: RunResult
) -> None:
    sink = FolderSink(tmp_path)
    first, second = sink.stage(result), sink.stage(in_week(result, 1))
    sink.publish(first)
    assert manifest(tmp_path / "latest")["week"] == "2020-W40"
    sink.publish(second)
    assert manifest(tmp_path / "latest")["week"] == "2020-W41"
    sink.publish(second)
    assert manifest(tmp_path / "latest")["week"] == "2020-W41"


@pytest.mark.parametrize("make", [FolderSink, PlainFolderSink])
def test_staging_and_publishing_twice_changes_nothing(
    tmp_path: Path, result: RunResult, make: Sink
) -> None:
    def deliver() -> dict[str, str]:
        sink = make(tmp_path)
        sink.publish(sink.stage(result))
        latest = tmp_path / "latest"
        return content(latest if latest.exists() else tmp_path)

    assert deliver() == deliver()


def test_half_a_head_of_a_killed_publishing_goes_with_the_next(
    tmp_path: Path, result: RunResult
) -> None:
    sink = FolderSink(tmp_path, geopackage=False, head=lambda *_: b"{}")
    location = sink.stage(result)
    folder = tmp_path / "runs" / location
    (folder / f".head.json.{'0' * 16}.tmp").write_text("{")
    (folder / ".head.json.of-somebody-else.tmp").write_text("kept")
    before = names(folder)
    sink.publish(location)
    assert names(folder) - before == {"head.json"}
    assert before - names(folder) == {f".head.json.{'0' * 16}.tmp"}


def test_link_survives_moving_the_whole_folder(
    tmp_path: Path, result: RunResult
) -> None:
    sink = FolderSink(tmp_path / "here", geopackage=False)
    sink.publish(sink.stage(result))
    (tmp_path / "here").rename(tmp_path / "there")
    assert manifest(tmp_path / "there" / "latest")["week"] == "2020-W40"


def test_only_the_newest_runs_are_kept_beside_the_published_one(
    tmp_path: Path, result: RunResult
) -> None:
    sink = FolderSink(tmp_path, keep=2, geopackage=False)
    locations = [sink.stage(in_week(result, n)) for n in range(5)]
    for order, location in enumerate(locations):
        os.utime(tmp_path / "runs" / location, (order, order))
    (tmp_path / "runs" / "notes").mkdir()
    (tmp_path / "runs" / "readme.txt").write_text("not a run")
    sink.publish(locations[0])
    assert names(tmp_path / "runs") == {
        locations[0],
        locations[3],
        locations[4],
        "latest",
        "notes",
        "readme.txt",
    }
    assert names(tmp_path / "latest") == FILES - {"alerts.gpkg"}


@pytest.mark.parametrize("make", [FolderSink, PlainFolderSink])
@pytest.mark.parametrize("location", ["../x", "/etc", "", ".", "a/b", "a\0b", "A"])
def test_location_that_leads_elsewhere_is_refused(
    tmp_path: Path, location: str, make: Sink
) -> None:
    with pytest.raises(OutputError, match="must match"):
        make(tmp_path).publish(location)


@pytest.mark.parametrize("make", [FolderSink, PlainFolderSink])
def test_run_that_was_never_staged_cannot_be_published(
    tmp_path: Path, make: Sink
) -> None:
    with pytest.raises(OutputError, match="is gone"):
        make(tmp_path).publish("demo-2020-w40-0123456789abcdef")


@pytest.mark.parametrize("make", [FolderSink, PlainFolderSink])
def test_run_that_fails_half_way_leaves_the_older_one_and_nothing_else(
    tmp_path: Path, result: RunResult, make: Sink
) -> None:
    sink = make(tmp_path)
    sink.publish(sink.stage(result))
    before = {p.relative_to(tmp_path) for p in tmp_path.rglob("*")}
    later = in_week(result, 1)
    grid_id = ROMANIA.grid_id
    broken = dataclasses.replace(
        later, evidence={grid_id: later.evidence[grid_id].drop_vars("n_clear")}
    )
    with pytest.raises(ContractError, match="n_clear"):
        sink.stage(broken)
    after = {p.relative_to(tmp_path) for p in tmp_path.rglob("*")}
    assert after - before <= {Path(".staged")}


def test_latest_of_somebody_else_is_not_overwritten(
    tmp_path: Path, result: RunResult
) -> None:
    (tmp_path / "latest").mkdir()
    (tmp_path / "latest" / "thesis.txt").write_text("years of work")
    sink = FolderSink(tmp_path, geopackage=False)
    with pytest.raises(OutputError, match="not rsmonitor's"):
        sink.publish(sink.stage(result))
    assert (tmp_path / "latest" / "thesis.txt").read_text() == "years of work"


def test_views_are_part_of_the_run(tmp_path: Path, result: RunResult) -> None:
    def views(folder: Path, shown: RunResult) -> None:
        (folder / "map.png").write_text(shown.partition.run_id)

    sink = FolderSink(tmp_path, geopackage=False, views=views)
    sink.publish(sink.stage(result))
    assert "map.png" in manifest(tmp_path / "latest")["files"]


def test_two_grids_have_a_raster_each(tmp_path: Path, result: RunResult) -> None:
    other = dataclasses.replace(ROMANIA, left=ROMANIA.right)
    both = dataclasses.replace(
        result,
        grids=(ROMANIA, other),
        evidence={
            **result.evidence,
            other.grid_id: synthetic_evidence(other, patches=1),
        },
        last_clear={
            **result.last_clear,
            other.grid_id: result.last_clear[ROMANIA.grid_id],
        },
    )
    sink = PlainFolderSink(tmp_path, geopackage=False)
    sink.publish(sink.stage(result))
    sink.publish(sink.stage(both))
    rasters = {path.name for path in tmp_path.glob("*.nc")}
    assert rasters == {
        f"{stem}-{grid.grid_id}.nc"
        for stem in ("evidence", "coverage")
        for grid in (ROMANIA, other)
    }


def test_plain_folder_holds_the_files_themselves_and_keeps_what_is_not_ours(
    tmp_path: Path, result: RunResult
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    sink: AlertSink = PlainFolderSink(tmp_path)
    location = sink.stage(result)
    assert not (tmp_path / "alerts.geojson").exists()
    sink.publish(location)
    assert names(tmp_path) == FILES | {"notes.txt"}
    assert (tmp_path / "notes.txt").read_text() == "mine"
    sink.publish(location)


def test_publishing_that_was_cut_short_is_completed_by_the_next(
    tmp_path: Path, result: RunResult
) -> None:
    sink = PlainFolderSink(tmp_path)
    location = sink.stage(result)
    staged = tmp_path / ".staged" / location
    for name in ("alerts.gpkg", "coverage.nc", "manifest.json"):
        (staged / name).rename(tmp_path / name)
    PlainFolderSink(tmp_path).publish(location)
    assert names(tmp_path) == FILES


def test_manifest_of_somebody_else_removes_nothing(
    tmp_path: Path, result: RunResult
) -> None:
    victim = tmp_path / "victim.txt"
    victim.write_text("precious")
    out = tmp_path / "out"
    out.mkdir()
    (out / "manifest.json").write_text('{"files": {"../victim.txt": {}}}')
    sink = PlainFolderSink(out, geopackage=False)
    sink.publish(sink.stage(result))
    assert victim.read_text() == "precious"


def test_folder_that_cannot_be_written_is_named(result: RunResult) -> None:
    # not even root may make a folder there
    with pytest.raises(OutputError, match="/proc"):
        FolderSink(Path("/proc/rsmonitor")).stage(result)


def test_file_in_the_place_of_the_folder_is_named(
    tmp_path: Path, result: RunResult
) -> None:
    out = tmp_path / "out"
    out.write_text("a file")
    with pytest.raises(OutputError, match="out"):
        FolderSink(out).stage(result)


def test_negative_keep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="-1"):
        FolderSink(tmp_path, keep=-1)


def test_week_without_geopackage_is_staged_for_a_fraction_of_the_cost(
    tmp_path: Path,
) -> None:
    result = result_of(synthetic_evidence())
    spent = {}
    for geopackage in (True, False):
        sink = FolderSink(tmp_path / str(geopackage), geopackage=geopackage)
        sink.stage(result)
        begun = time.process_time()
        for later in range(1, 4):
            sink.stage(in_week(result, later))
        spent[geopackage] = time.process_time() - begun
    # years are replayed without it; a sixth of the cost when this was written
    assert spent[False] < 0.5 * spent[True]
