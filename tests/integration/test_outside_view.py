"""What a newcomer tripped over, so that nobody does again."""

import json
import os
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from deliveries import result_of, synthetic_evidence
from landscape import Desk, landscape, week_of

from rsmonitor.errors import HistoryError, OutputError, SettingsError
from rsmonitor.io.deliver.folder import FolderSink, PlainFolderSink
from rsmonitor.io.deliver.geojson import alerts_collection
from rsmonitor.io.foundation.clock import FixedClock
from rsmonitor.io.licences.geojson import read_licences
from rsmonitor.io.sources.folder import FolderArchive
from rsmonitor.io.stores.register import FileRegister
from rsmonitor.records.disturbance import Cause
from rsmonitor.records.verdict import Certainty
from rsmonitor.stages.licensing import judge_all
from rsmonitor.wiring.weeks import last_whole_week

NOW = FixedClock(datetime(2026, 11, 24, tzinfo=UTC))
DUG = {Cause.DIGGING: 1.0}
ROOT = Path(__file__).parents[2]


def test_a_week_within_the_history_is_refused_and_freezes_nothing() -> None:
    desk, forest = Desk.new(), landscape()
    with pytest.raises(HistoryError, match=r"within the history.*history\.until"):
        desk.run(forest.source(), week_of(5))
    assert not list(desk.ledger.events())


@pytest.mark.parametrize(
    "day", [date(1, 1, 1), date(2015, 6, 26), date(2026, 11, 24), date(9999, 12, 25)]
)
def test_a_day_without_scenes_or_not_over_is_refused(day: date) -> None:
    with pytest.raises(SettingsError, match=rf"--until {day} must be from 2015-06-27"):
        last_whole_week(day, NOW)


def test_the_last_whole_week_ends_on_a_sunday_that_is_over() -> None:
    assert str(last_whole_week(None, NOW)) == "2026-W47"
    assert str(last_whole_week(date(2021, 1, 3), NOW)) == "2020-W53"
    assert str(last_whole_week(date(2021, 1, 2), NOW)) == "2020-W52"


def test_a_licence_that_cannot_be_read_makes_nothing_certainly_unlicensed(
    tmp_path: Path,
) -> None:
    whole = json.loads((ROOT / "configs" / "demo_licences.geojson").read_text())
    path = tmp_path / "licences.geojson"
    path.write_text(json.dumps(whole))
    register = FileRegister([path], read=read_licences).snapshot()
    result = result_of(synthetic_evidence())
    sites = [
        replace(alert.site, latest=replace(alert.site.latest, causes=DUG))
        for alert in result.alerts
    ]
    parameters = Desk.new().job.parameters.licensing
    before = judge_all(sites, register, parameters)
    whole["features"][0]["properties"]["valid_from"] = "01/02/2017"
    path.write_text(json.dumps(whole))
    broken = FileRegister([path], read=read_licences).snapshot()
    assert len(broken.refused) == 1
    assert "01/02/2017" in broken.refused[0]
    after = judge_all(sites, broken, parameters)
    unlicensed = {"no_right", "beyond_boundary"}
    found = [v for v in after.values() if v.category.value in unlicensed]
    assert found
    assert all(verdict.certainty is not Certainty.CERTAIN for verdict in found)
    assert all("登记册不完整" in v.parts[0].clause_zh for v in found)
    assert before != after
    said = alerts_collection(replace(result, register=broken))
    assert said["licences_refused"] == list(broken.refused)


def test_a_pipe_in_a_folder_of_products_is_no_product(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.zip")
    archive = FolderArchive(tmp_path)
    start, until = datetime(2015, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    assert not archive.search(mgrs_tile="50RKN", start=start, until=until)


def test_two_districts_do_not_share_a_folder_of_outputs(tmp_path: Path) -> None:
    result = result_of(synthetic_evidence())
    sink = FolderSink(tmp_path, geopackage=False)
    sink.publish(sink.stage(result))
    (tmp_path / ".district").write_text("360999\n")
    with pytest.raises(OutputError, match=r"district 360999, not of"):
        sink.stage(result)


def test_files_that_another_program_lists_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "manifest.json").write_text('{"files": {"notes.txt": "y"}}')
    sink = PlainFolderSink(tmp_path, geopackage=False)
    sink.publish(sink.stage(result_of(synthetic_evidence())))
    assert (tmp_path / "notes.txt").read_text() == "mine"
