"""`alerts export`: each format alone, chosen by county, week, tier, category, state."""

import contextlib
import io
import json
import sqlite3
import zipfile
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pyogrio
import pytest
from deliveries import result_of, synthetic_evidence
from shapely.geometry import shape

from rsmonitor.cli import main
from rsmonitor.io.deliver.geojson import coverage_collection, dumps
from rsmonitor.io.licences.reading import read_any
from rsmonitor.io.stores.ledger import SqliteLedger
from rsmonitor.io.stores.observations import SqliteObservations
from rsmonitor.records.alert import Alert
from rsmonitor.records.grid import Grid
from rsmonitor.records.lifecycle import Observation
from rsmonitor.records.run import RunCommit, RunRecord, RunResult
from rsmonitor.records.site import SiteState
from rsmonitor.records.week import IsoWeek
from rsmonitor.wiring.exports import FORMATS

# 115.5 degrees east, where zone 38 ends and 39 begins, runs through the middle
XUNWU = Grid(
    crs="EPSG:32650",
    left=348_060.0,
    top=2_760_750.0,
    pixel_width=10.0,
    pixel_height=10.0,
    height=100,
    width=100,
)
FIRST, SECOND = IsoWeek(year=2020, week=39), IsoWeek(year=2020, week=40)
COUNTIES = ("360734", "360731")
SETTINGS = """
[district]
code = "demo"
name_zh = "寻乌县"
name_en = "Xunwu"
bureau = "寻乌县自然资源局"
county_codes = ["360734", "360731"]

[source]
kind = "cube"
files = ["forest.nc"]

[history]
until = 2017-12-31

[licences]
files = ["rights.geojson"]

[run]
work = "work"
out = "out"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """A bureau whose ledger has two weeks; its imagery is gone."""

    config: Path
    alerts: tuple[Alert, ...]

    def ask(self, *words: object) -> tuple[int, str]:
        """Give the exit code, and what was said on both streams."""
        argv = ["rsmonitor", "alerts", str(words[0]), str(self.config)]
        said = io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
        ):
            patch.setattr("sys.argv", [*argv, *map(str, words[1:])])
            with pytest.raises(SystemExit) as end:
                main()
        assert isinstance(end.value.code, int)
        return end.value.code, said.getvalue()

    def ids(self, *options: str) -> set[str]:
        """List the alerts that the options choose."""
        code, said = self.ask("list", "--json", *options)
        assert code == 0, said
        return {each["alert_id"] for each in json.loads(said)}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    return office_in(tmp_path_factory.mktemp("office"), XUNWU)


def is_east(alert: Alert) -> bool:
    """Say whether it lies beyond the border of the zones."""
    return alert.site.latest.disturbance.geometry.bounds[0] > 115.5


def office_in(folder: Path, grid: Grid) -> Office:
    """Commit two weeks: in the second one alert is new and one says something else."""
    result = result_of(synthetic_evidence(grid), grid=grid, week=SECOND)
    eastern = [a for a in result.alerts if is_east(a)]
    western = [a for a in result.alerts if not is_east(a)]
    chosen = [*eastern[:2], *western][:6]
    alerts = tuple(
        replace(alert, county_codes=COUNTIES[place % 2 :][:1], rank=place + 1)
        for place, alert in enumerate(chosen)
    )
    settled, changed, fresh, *others = alerts
    changed = replace(changed, version=2)
    before = (settled, replace(changed, version=1), *others)
    now = (settled, changed, fresh, *others)
    config = folder / "demo.toml"
    config.write_text(SETTINGS, encoding="utf-8")
    features = [
        {
            "type": "Feature",
            "properties": {"licence_id": one.licence_id, "kind": one.kind.value},
            "geometry": one.geometry.__geo_interface__,
        }
        for one in result.register.licences
    ]
    rights = {"type": "FeatureCollection", "features": features}
    (folder / "rights.geojson").write_text(json.dumps(rights), encoding="utf-8")
    work = folder / "work"
    ledger = SqliteLedger(work / "ledger.sqlite", locks=work / "locks")
    for week, said in ((FIRST, before), (SECOND, now)):
        commit(ledger, folder, replace(result, alerts=said), week)
    return Office(config=config, alerts=now)


def commit(
    ledger: SqliteLedger, folder: Path, result: RunResult, week: IsoWeek
) -> None:
    """Commit a run that ran long after its week, as one does that catches up."""
    location = f"demo-{week}".lower()
    published = folder / "out" / "runs" / location
    published.mkdir(parents=True)
    (published / "coverage.geojson").write_bytes(dumps(coverage_collection(result)))
    digest = {"settings_digest": result.partition.settings_digest}
    (published / "manifest.json").write_text(json.dumps(digest), encoding="utf-8")
    ledger.commit(
        RunCommit(
            record=RunRecord(
                run_id=f"demo-{week}-0123456789abcdef".lower(),
                line="0123456789abcdef",
                district="demo",
                week=week,
                location=location,
                counts={},
            ),
            finished_at=IsoWeek(year=2021, week=10).end,
            pointers=(),
            products=(),
            replayed=False,
            sites=result.sites,
            alerts=result.alerts,
        )
    )


# ----------------------------------------------------------------------- the choice


def test_a_week_chooses_what_its_run_said_first_new_or_changed(office: Office) -> None:
    settled, changed, fresh, *others = (alert.alert_id for alert in office.alerts)
    assert office.ids("--week", str(SECOND)) == {changed, fresh}
    assert office.ids("--week", str(FIRST)) == {settled, *others}
    # not the week in which the computer ran
    assert office.ids("--week", "2021-W10") == set()


@pytest.mark.parametrize("state", ["new", "active", "recovering"])
def test_a_state_chooses_by_the_state_that_alerts_geojson_has(
    office: Office, state: str
) -> None:
    assert office.ids("--state", state) == {
        alert.alert_id for alert in office.alerts if alert.site.state == state
    }


def test_a_word_of_the_sites_life_chooses_by_its_observations(
    tmp_path: Path,
) -> None:
    office = office_in(tmp_path, XUNWU)
    quiet = next(a for a in office.alerts if a.site.state is SiteState.ACTIVE)
    assert office.ids("--state", "dormant") == set(), "nobody looked"
    began = quiet.site.latest.disturbance.began_by
    days = [began, *(date(2020, 9, day) for day in (1, 6, 11, 16, 21, 26))]
    work = tmp_path / "work"
    SqliteObservations(work / "observations.sqlite", locks=work / "locks").keep(
        "demo",
        [
            Observation(
                site_id=quiet.site.site_id,
                look=f"look/{day}",
                product_id=f"cube/{day}",
                day=day,
                share_seen=1.0,
                ndvi=0.2,
                predicted=0.7,
                ring=0.7,
                ring_predicted=0.7,
                bare_share=0.9,
                area_m2=900.0,
            )
            for day in days
        ],
        [],
    )
    assert office.ids("--state", "dormant") == {quiet.alert_id}
    assert office.ids("--state", "restoring") == set()


def test_choices_add_up(office: Office) -> None:
    wanted = {
        alert.alert_id
        for alert in office.alerts
        if alert.county_codes == ("360734",)
        and alert.verdict.category == "no_right"
        and alert.site.latest.disturbance.tier.code == "high"
    }
    assert (
        office.ids(*("--county", "360734", "--category", "no_right", "--tier", "high"))
        == wanted
    )


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("--week", "2020-40", "2026-W47"),
        ("--week", "2021-W53", "no such ISO week"),
        ("--state", "gone", "recovered_vegetation"),
        ("--state", "withdrawn", "state must be one of"),
    ],
)
def test_a_choice_that_is_none_is_wrong_usage(
    office: Office, option: str, value: str, complaint: str
) -> None:
    code, said = office.ask("list", option, value)
    assert code == 2
    # the box around the message breaks lines where it likes
    assert complaint in " ".join(said.replace("│", " ").split())


# ---------------------------------------------------------------------- the formats


NAMES = {
    "geopackage": "a.gpkg",
    "shapefile": "a.zip",
    "txt": "a.zip",
    "weipian": "a",
    "stac": "a",
}


@pytest.mark.parametrize("form", FORMATS)
def test_each_format_alone_holds_the_chosen_alerts_and_no_other(
    office: Office, form: str, tmp_path: Path
) -> None:
    out = tmp_path / NAMES.get(form, f"a.{form}")
    choice = ("--week", str(SECOND))
    extra = ("--district", "demo") if form == "geopackage" else ()
    code, said = office.ask("export", "--format", form, "--out", out, *choice, *extra)
    assert code == 0, said
    assert "2 alerts" in said
    found = "".join(texts_of(out))
    for place, alert in enumerate(office.alerts):
        serial = alert.alert_id[1:]
        chosen = place in {1, 2}
        assert (serial in found or serial.upper() in found) is chosen, place


def texts_of(path: Path) -> list[str]:
    """Give everything readable of a file, or of all files of a folder."""
    if path.is_dir():
        return [
            text for one in path.rglob("*") if one.is_file() for text in texts_of(one)
        ]
    data = path.read_bytes()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return [
                archive.read(name).decode(errors="replace")
                for name in archive.namelist()
            ]
    return [data.decode(errors="replace")]


def test_forms_are_a_folder_for_each_county_and_only_for_those_asked_for(
    office: Office, tmp_path: Path
) -> None:
    assert (
        office.ask("export", "--format", "weipian", "--out", tmp_path / "all")[0] == 0
    )
    assert sorted(p.name for p in (tmp_path / "all").iterdir()) == [
        "weipian-360731",
        "weipian-360734",
    ]
    options = ("--county", "360734")
    code, said = office.ask(
        "export", "--format", "weipian", "--out", tmp_path / "one", *options
    )
    assert code == 0, said
    (folder,) = (tmp_path / "one").iterdir()
    (database,) = folder.glob("*.db")
    assert database.name.startswith("360734")
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT JCBH, XZQDM, QSX, HSX FROM JCTB").fetchall()
    theirs = {
        a.alert_id[1:].upper(): a for a in office.alerts if "360734" in a.county_codes
    }
    assert {number[-12:] for number, *_ in rows} == set(theirs)
    for number, code_of_row, before, after in rows:
        seen = theirs[number[-12:]].site.latest.disturbance
        assert code_of_row == "360734"
        # without images the days are those of the looks
        assert (before, after) == (str(seen.began_after), str(seen.last_clear))


def test_gdal_reads_the_shapefile_and_it_is_the_layer_of_the_forms(
    office: Office, tmp_path: Path
) -> None:
    out = tmp_path / "a.zip"
    assert office.ask("export", "--format", "shapefile", "--out", out)[0] == 0
    frame = pyogrio.read_dataframe(f"/vsizip/{out}/JCTB.shp")
    assert frame.crs.to_epsg() == 4490
    assert len(frame) == len(office.alerts)
    assert set(frame["XZQDM"]) == set(COUNTIES)


def test_txt_is_a_file_a_zone_and_one_zone_may_stand_alone(
    office: Office, tmp_path: Path
) -> None:
    out = tmp_path / "a.zip"
    assert office.ask("export", "--format", "txt", "--out", out)[0] == 0
    with zipfile.ZipFile(out) as archive:
        assert {"JCTB_38.txt", "JCTB_39.txt"} <= set(archive.namelist())
    code, said = office.ask("export", "--format", "txt", "--out", tmp_path / "a.txt")
    assert code == 3
    assert "JCTB_38.txt, JCTB_39.txt" in said
    for place, alert in enumerate(office.alerts):
        if place not in {1, 2}:
            continue
        options = ("--week", str(SECOND), "--county", alert.county_codes[0])
        code, said = office.ask(
            "export", "--format", "txt", "--out", tmp_path / "b.txt", *options
        )
        assert code == 0, said
        (licence,) = read_any(tmp_path / "b.txt").licences
        outline = alert.site.latest.disturbance.geometry
        assert licence.geometry.hausdorff_distance(outline) < 1e-7


def test_what_lies_outside_the_zones_of_china_is_named_and_the_rest_is_written(
    tmp_path: Path,
) -> None:
    romania = replace(XUNWU, crs="EPSG:3035", left=5_271_980.0, top=2_533_000.0)
    office = office_in(tmp_path, romania)
    code, said = office.ask("export", "--format", "txt", "--out", tmp_path / "a.zip")
    assert code == 1, "done, but not all of it"
    for alert in office.alerts:
        assert f"{alert.alert_id} lies at 22." in said
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == ["说明.txt"]
    code, said = office.ask("export", "--format", "txt", "--out", tmp_path / "a.txt")
    assert code == 3
    assert "none is in China" in said
    assert not (tmp_path / "a.txt").exists()


def test_a_name_that_does_not_say_what_is_written_is_refused(
    office: Office, tmp_path: Path
) -> None:
    code, said = office.ask(
        "export", "--format", "shapefile", "--out", tmp_path / "a.shp"
    )
    assert code == 3
    assert ".zip" in said
    assert not list(tmp_path.iterdir())


def test_the_stac_item_is_of_the_file_beside_it(office: Office, tmp_path: Path) -> None:
    assert office.ask("export", "--format", "stac", "--out", tmp_path)[0] == 0
    counted = 0
    for folder in sorted(tmp_path.iterdir()):
        code = folder.name.removeprefix("stac-")
        collection = json.loads((folder / "alerts.geojson").read_bytes())
        item = json.loads((folder / "stac" / f"{code}-2020-w40.json").read_bytes())
        assert list(item["assets"]) == ["alerts.geojson"]
        assert item["properties"]["rsmonitor:alerts"] == len(collection["features"])
        ground = shape(item["geometry"])
        for feature in collection["features"]:
            assert feature["properties"]["county_codes"] == [code]
            assert ground.buffer(1e-6).covers(shape(feature["geometry"]))
        counted += len(collection["features"])
    assert counted == len(office.alerts)


@pytest.mark.parametrize("form", ["shapefile", "txt", "weipian", "stac"])
def test_forms_are_not_for_the_public(
    office: Office, form: str, tmp_path: Path
) -> None:
    code, said = office.ask(
        "export", "--public", "--format", form, "--out", tmp_path / "a"
    )
    assert code == 2
    assert "coordinates" in said
    assert not list(tmp_path.iterdir())
