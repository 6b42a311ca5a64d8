"""The main job on the real sample: what it leaves, and that doing it again is safe."""

import json
import math
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from commands import ROOT, rsmonitor, tree
from cubes import ALWAYS
from demo_run import Demos, shared_demos  # noqa: F401
from jsonschema import Draft202012Validator, FormatChecker

from rsmonitor.io.stores.head import read_head
from rsmonitor.io.stores.ledger import SqliteLedger
from rsmonitor.pipeline.looks import day_of
from rsmonitor.records.alert import NOTICE, NOTICE_INVENTED
from rsmonitor.records.grid import Grid
from rsmonitor.wiring import demo_settings, open_source

FILES = (
    "alerts.geojson",
    "alerts.gpkg",
    "coverage.geojson",
    "coverage.nc",
    "disturbances.geojson",
    "evidence.nc",
    "head.json",
    "manifest.json",
    "map.png",
)
GRID = Grid(
    crs="EPSG:3035",
    left=5_271_982.5,
    top=2_533_004.25,
    pixel_width=10.0,
    pixel_height=10.0,
    height=100,
    width=100,
)
GEOPACKAGE_1_3 = 10_300


def features(folder: Path, name: str) -> list[dict[str, Any]]:
    collection = json.loads((folder / name).read_bytes())
    found: list[dict[str, Any]] = collection["features"]
    return found


# ----------------------------------------------------------------------- what it leaves


def test_the_demo_ends_well_and_leaves_its_files(demos: Demos) -> None:
    assert demos.ran.code == 0, demos.ran.stderr
    there = {path.name for path in demos.folder.iterdir() if path.is_file()}
    assert there == {*FILES, ".district"}
    for name in FILES:
        assert (demos.folder / name).read_bytes() == (
            demos.folder / "latest" / name
        ).read_bytes()


def test_the_demo_says_what_was_found_and_where_it_is(demos: Demos) -> None:
    alerts = features(demos.folder, "alerts.geojson")
    said = demos.ran.stdout
    assert f"alerts: {len(alerts)} in week 2020-W53" in said
    assert "许可证为虚构" in said
    assert "132 weekly runs" in said
    assert "time: " in said
    for name in FILES:
        assert str(demos.folder / name) in said
    assert "Warning" not in demos.ran.stderr
    assert "Traceback" not in demos.ran.stderr


@pytest.mark.parametrize("what", ["alerts", "coverage", "disturbances"])
def test_geojson_is_what_its_schema_says(demos: Demos, what: str) -> None:
    schema = json.loads((ROOT / "docs/schemas" / f"{what}.schema.json").read_bytes())
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    collection = json.loads((demos.folder / f"{what}.geojson").read_bytes())
    assert not list(validator.iter_errors(collection))
    assert collection["features"]


def test_every_alert_says_that_it_is_a_clue_and_the_licences_are_invented(
    demos: Demos,
) -> None:
    for feature in features(demos.folder, "alerts.geojson"):
        assert feature["properties"]["invented_licences"] is True
        assert NOTICE in feature["properties"]["notice"]
        assert NOTICE_INVENTED in feature["properties"]["notice"]
    with xr.open_dataset(demos.folder / "evidence.nc") as evidence:
        assert NOTICE_INVENTED in evidence.attrs["comment"]


def test_every_kind_of_verdict_of_the_invented_licences_is_there(demos: Demos) -> None:
    alerts = features(demos.folder, "alerts.geojson")
    categories = {alert["properties"]["category"] for alert in alerts}
    assert {"no_right", "exploration_works"} <= categories
    named = {i for alert in alerts for i in alert["properties"]["licence_ids"]}
    assert named == {"C-DEMO-0001", "C-DEMO-0002", "T-DEMO-0003"}


def test_the_parts_of_an_alert_are_all_of_it(demos: Demos) -> None:
    alerts = features(demos.folder, "alerts.geojson")
    for alert in alerts:
        says = alert["properties"]
        parts = math.fsum(part["area_m2"] for part in says["parts"])
        assert parts == pytest.approx(says["area_m2"], abs=0.1 * len(says["parts"]))
        assert says["category"] in {part["category"] for part in says["parts"]}
    assert any(len(alert["properties"]["parts"]) > 1 for alert in alerts)


def test_sites_are_unique_and_every_alert_is_about_one(demos: Demos) -> None:
    sites = [f["properties"]["site_id"] for f in features(demos.folder, FILES[4])]
    alerts = [f["properties"]["site_id"] for f in features(demos.folder, FILES[0])]
    assert len(sites) == len(set(sites)) > 20
    assert len(alerts) == len(set(alerts))
    assert set(alerts) <= set(sites)


def test_the_scenes_of_an_alert_exist_and_are_those_of_its_dates(demos: Demos) -> None:
    with open_source(demo_settings(demos.folder)) as source:
        (grid,) = source.grids()
        found = source.find(grid, until=ALWAYS)
    day = {product.product_id: day_of(product).isoformat() for product in found}
    for alert in features(demos.folder, "alerts.geojson"):
        says = alert["properties"]
        assert says["scenes"]
        decided = {day[scene] for scene in says["scenes"]}
        assert {says["began_by"], says["last_seen"]} <= decided
        assert decided <= {
            says[name] for name in ("began_after", "began_by", "confirmed", "last_seen")
        }


def test_the_evidence_is_on_the_grid_of_the_cube(
    demos: Demos, demo_cube: tuple[Path, Path]
) -> None:
    with xr.open_dataset(demo_cube[0]) as cube:
        x, y = cube["x"].to_numpy(), cube["y"].to_numpy()
    with xr.open_dataset(demos.folder / "evidence.nc") as evidence:
        assert set(evidence.data_vars) - {"spatial_ref"} == {
            "tier",
            "first_seen",
            "confirmed",
            "outlined",
            "n_clear",
            "monitored",
            "history",
        }
        assert evidence["tier"].dtype == np.uint8
        assert evidence["n_clear"].dtype == np.uint16
        assert evidence["monitored"].dtype == np.bool_
        assert evidence["tier"].dims == ("y", "x")
        assert evidence["tier"].shape == (100, 100)
        assert (evidence["x"].to_numpy() == x).all()
        assert (evidence["y"].to_numpy() == y).all()
        assert "3035" in evidence["spatial_ref"].attrs["crs_wkt"]
        graded = evidence["tier"].to_numpy() > 0
        first, confirmed = (
            evidence[name].to_numpy() for name in ("first_seen", "confirmed")
        )
    assert 500 < graded.sum() < 3000
    assert (~np.isnat(first) == graded).all()
    sure = ~np.isnat(confirmed)
    assert (confirmed[sure] > first[sure]).all()


def test_gdal_reads_the_evidence_at_its_place(demos: Demos) -> None:
    rasterio = pytest.importorskip("rasterio")
    with rasterio.open(f"netcdf:{demos.folder / 'evidence.nc'}:tier") as tier:
        assert tier.crs.to_epsg() == 3035
        assert tuple(tier.transform)[:6] == pytest.approx(GRID.transform)


def test_the_objects_of_the_evidence_are_the_sites(demos: Demos) -> None:
    sites = features(demos.folder, "disturbances.geojson")
    # evidence that was never confirmed may be gone, and its site still stands
    drawn = math.fsum(
        site["properties"]["area_m2"]
        for site in sites
        if site["properties"]["tier"] == "high"
    )
    with xr.open_dataset(demos.folder / "evidence.nc") as evidence:
        outlined = evidence["outlined"].to_numpy().astype(bool)
        graded = evidence["tier"].to_numpy() > 0
    # a pixel of the equal-area grid is 100 m2
    assert drawn == pytest.approx(100 * int(outlined.sum()), rel=1e-3)
    assert graded[outlined].all()


def test_the_coverage_says_what_was_seen(demos: Demos) -> None:
    (covered,) = features(demos.folder, "coverage.geojson")
    says = covered["properties"]
    assert says["area_m2"] == pytest.approx(1e6, rel=1e-3)
    assert 0 < says["share_seen"] < 1
    assert says["share_monitored"] > 0.99
    assert 0 < says["median_days_since_clear"] < 366


def test_the_map_is_a_picture(demos: Demos) -> None:
    image = pytest.importorskip("PIL.Image")
    path = demos.folder / "map.png"
    assert path.stat().st_size > 50_000
    with image.open(path) as picture:
        picture.load()
        assert picture.width > 1000
        assert len(picture.convert("RGB").getcolors(2**24)) > 500


def test_the_geopackage_is_1_3_with_one_geometry_type_a_layer(demos: Demos) -> None:
    path = demos.folder / "alerts.gpkg"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (GEOPACKAGE_1_3,)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        declared = dict(
            database.execute(
                "SELECT table_name, geometry_type_name FROM gpkg_geometry_columns"
            )
        )
    assert len(declared) >= 3
    geopandas = pytest.importorskip("geopandas")
    for layer, kind in declared.items():
        frame = geopandas.read_file(path, layer=layer)
        assert frame.crs is not None
        assert {str(name).upper() for name in frame.geom_type} == {kind}
    assert len(geopandas.read_file(path, layer="alerts")) == len(
        features(demos.folder, "alerts.geojson")
    )


def test_the_chain_of_events_is_whole_and_tells_the_alerts(demos: Demos) -> None:
    work = demos.folder / "work"
    ledger = SqliteLedger(work / "ledger.sqlite", locks=work / "locks")
    assert ledger.verify() == []
    told = {alert.alert_id: alert.version for alert in ledger.alerts("demo-romania")}
    assert told == {
        f["properties"]["alert_id"]: f["properties"]["version"]
        for f in features(demos.folder, "alerts.geojson")
    }
    body = [json.loads(event.body) for event in ledger.events()]
    runs = {each["run_id"] for each in body}
    assert len(runs) == 132


def test_every_week_that_is_kept_holds_the_head_of_its_time(demos: Demos) -> None:
    work = demos.folder / "work"
    ledger = SqliteLedger(work / "ledger.sqlite", locks=work / "locks")
    kept = sorted(f for f in (demos.folder / "runs").iterdir() if not f.is_symlink())
    heads = [read_head(folder / "head.json").head for folder in kept]
    assert [head.run_id for head in heads] == [folder.name for folder in kept]
    ends = [(head.seq, head.hash) for head in heads]
    assert ends == sorted(set(ends))
    assert ends[-1] == ledger.head()
    assert ledger.verify(*ends) == []


# ---------------------------------------------------------------------- doing it again


def test_a_second_demo_changes_nothing(demos: Demos, tmp_path: Path) -> None:
    before, times = tree(demos.folder), modified(demos.folder)
    begun = time.monotonic()
    again = rsmonitor("demo", demos.folder, scratch=tmp_path)
    assert time.monotonic() - begun < 20  # 2 s on an idle machine
    assert again.code == 0, again.stderr
    assert "132 weekly runs, 132 of them done before" in again.stdout
    assert tree(demos.folder) == before
    assert modified(demos.folder) == times


def test_ctrl_c_is_answered_in_words(demos: Demos) -> None:
    assert 0 < demos.weeks_before < 132
    assert demos.interrupted.code == 130
    assert "interrupted. Nothing is half-written" in demos.interrupted.stderr
    assert "Traceback" not in demos.interrupted.stderr
    assert not demos.interrupted.stdout


def test_after_ctrl_c_the_same_command_ends_as_if_nothing_had_been(
    demos: Demos,
) -> None:
    assert demos.resumed.code == 0, demos.resumed.stderr
    assert f"{demos.weeks_before} of them done before" in demos.resumed.stdout
    assert tree(demos.interrupted_folder) == tree(demos.folder)


def test_detect_in_one_go_finds_what_the_weekly_runs_found(
    demos: Demos, demo_cube: tuple[Path, Path], tmp_path: Path
) -> None:
    found = tmp_path / "found"
    ran = rsmonitor(
        "detect",
        *demo_cube,
        "--out",
        found,
        "--history-until",
        "2018-06-30",
        "--licences",
        ROOT / "configs" / "demo_licences.geojson",
        scratch=tmp_path / "scratch",
    )
    assert ran.code == 0, ran.stderr
    with (
        xr.open_dataset(demos.folder / "evidence.nc") as weekly,
        xr.open_dataset(found / "evidence.nc") as once,
    ):
        for name in ("tier", "first_seen", "confirmed", "n_clear", "history"):
            np.testing.assert_array_equal(weekly[name].values, once[name].values)
    ignored = {"site_id", "alert_id", "version"}

    def shapes(folder: Path, name: str) -> list[str]:
        return sorted(
            json.dumps(
                {
                    "geometry": f["geometry"],
                    "tells": {
                        key: value
                        for key, value in f["properties"].items()
                        if key not in ignored | COMMANDED
                    },
                }
            )
            for f in features(folder, name)
            # evidence that went away again leaves a site only where it was watched
            if f["properties"]["tier"] == "high"
        )

    for name in ("disturbances.geojson", "alerts.geojson"):
        assert shapes(found, name) == shapes(demos.folder, name)
    assert {path.name for path in found.iterdir()} == set(FILES) - {"head.json"}


COMMANDED = {"bureau", "rank"}
"""What the settings of the demo say, or what hangs on an id, and `detect` cannot."""


def modified(folder: Path) -> dict[str, int]:
    """Give the time of writing of every output."""
    return {
        path.relative_to(folder).as_posix(): path.lstat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and "locks" not in path.parts
    }
