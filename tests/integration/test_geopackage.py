import dataclasses
import hashlib
import json
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import geopandas
import numpy as np
import pyogrio
import pytest
from deliveries import (
    ROMANIA,
    evidence_dataset,
    licences_on,
    result_of,
    synthetic_evidence,
)

from rsmonitor.errors import OutputError
from rsmonitor.io.deliver.geojson import STANDING, alerts_collection
from rsmonitor.io.deliver.geopackage import VOCABULARIES, write_geopackage
from rsmonitor.io.deliver.legend import CATEGORY_COLOURS, FIELD_LABELS, KIND_COLOURS
from rsmonitor.records.alert import NOTICE_INVENTED
from rsmonitor.records.licence import LicenceKind
from rsmonitor.records.run import RunResult
from rsmonitor.records.verdict import CATEGORY_LABELS, Category

LAYERS = ("alerts", "disturbances", "licences", "coverage")


@pytest.fixture(scope="module")
def result() -> RunResult:
    return result_of(synthetic_evidence())


@pytest.fixture(scope="module")
def package(result: RunResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("delivery") / "alerts.gpkg"
    write_geopackage(path, result)
    return path


@pytest.fixture
def database(package: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"file:{package}?mode=ro", uri=True)) as connection:
        yield connection


def read(path: Path, layer: str) -> geopandas.GeoDataFrame:
    """Open a layer as anyone would; any warning of GDAL is a failure."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return geopandas.read_file(path, layer=layer)


def style(database: sqlite3.Connection, layer: str) -> ET.Element:
    (text,) = database.execute(
        "SELECT styleQML FROM layer_styles WHERE f_table_name = ? AND useAsDefault",
        (layer,),
    ).fetchone()
    assert isinstance(text, str)
    return ET.fromstring(text)  # noqa: S314 - our own text


def categories(root: ET.Element) -> dict[str, tuple[str, dict[str, str]]]:
    """Give label and symbol properties of each code of a renderer."""
    symbols = {
        symbol.attrib["name"]: {
            p.attrib["k"]: p.attrib["v"] for p in symbol.iter("prop")
        }
        for symbol in root.iter("symbol")
    }
    return {
        c.attrib["value"]: (c.attrib["label"], symbols[c.attrib["symbol"]])
        for c in root.iter("category")
    }


def test_it_is_a_sound_geopackage_1_3(database: sqlite3.Connection) -> None:
    assert database.execute("PRAGMA user_version").fetchone() == (10300,)
    assert database.execute("PRAGMA application_id").fetchone() == (0x47504B47,)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert database.execute("PRAGMA foreign_key_check").fetchall() == []


def test_layers_hold_one_geometry_type_in_crs84_order(package: Path) -> None:
    named = {name: kind for name, kind in pyogrio.list_layers(package) if kind}
    assert named == dict.fromkeys(LAYERS, "MultiPolygon")
    for layer in LAYERS:
        frame = read(package, layer)
        assert frame.crs is not None
        assert frame.crs.to_epsg() == 4326
        assert set(frame.geom_type) == {"MultiPolygon"}
        assert frame.is_valid.all()
        west, south, east, north = frame.total_bounds
        assert 22.1 < west < east < 22.2
        assert 45.1 < south < north < 45.3


def test_layers_say_what_the_records_say(package: Path, result: RunResult) -> None:
    alerts = read(package, "alerts")
    told = alerts_collection(result)["features"]
    assert alerts["alert_id"].tolist() == [f["id"] for f in told]
    assert [json.loads(text) for text in alerts["parts"]] == [
        json.loads(json.dumps(f["properties"]["parts"])) for f in told
    ]
    first = told[0]["properties"]
    row = alerts.iloc[0]
    assert row["area_m2"] == first["area_m2"]
    assert row["first_seen"].date().isoformat() == first["first_seen"]
    assert row["category_zh"] == CATEGORY_LABELS[Category(first["category"])][0]
    assert json.loads(row["causes"]) == first["causes"]
    assert row["invented_licences"]
    standing = [s.site_id for s in result.sites if s.state in STANDING]
    assert read(package, "disturbances")["site_id"].tolist() == standing
    assert read(package, "coverage")["share_seen"].tolist() == [0.62]


def test_licences_stand_with_their_validity_and_that_they_are_invented(
    package: Path,
) -> None:
    licences = read(package, "licences").set_index("licence_id")
    assert licences["validity"].tolist() == ["in_force", "expired", "in_force"]
    assert licences["kind"].tolist() == ["mining", "mining", "exploration"]
    assert licences["invented"].all()
    assert licences.loc["样例-采-002", "valid_to"].date() == date(2019, 12, 31)


def test_dates_that_are_not_known_are_null(tmp_path: Path) -> None:
    undated = [
        dataclasses.replace(licence, valid_from=None, valid_to=None)
        for licence in licences_on(ROMANIA)
    ]
    path = tmp_path / "alerts.gpkg"
    write_geopackage(path, result_of(synthetic_evidence(), licences=undated))
    licences = read(path, "licences")
    assert licences["valid_to"].isna().all()
    assert set(licences["validity"]) == {"undated"}


def test_same_result_gives_the_same_bytes_in_another_process(
    package: Path, tmp_path: Path
) -> None:
    other = tmp_path / "alerts.gpkg"
    script = (
        "import sys; from pathlib import Path\n"
        "from deliveries import result_of, synthetic_evidence\n"
        "from rsmonitor.io.deliver.geopackage import write_geopackage\n"
        "write_geopackage(Path(sys.argv[1]), result_of(synthetic_evidence()))\n"
    )
    subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", script, str(other)],
        check=True,
        env={
            "PYTHONPATH": ":".join(sys.path),
            "PYTHONHASHSEED": "7",
            "TZ": "Asia/Tokyo",
        },
    )
    digests = {hashlib.sha256(p.read_bytes()).hexdigest() for p in (package, other)}
    assert len(digests) == 1


def test_every_time_in_it_is_the_end_of_the_week(
    database: sqlite3.Connection,
) -> None:
    times = database.execute(
        "SELECT last_change FROM gpkg_contents "
        "UNION SELECT timestamp FROM gpkg_metadata_reference "
        "UNION SELECT update_time FROM layer_styles"
    ).fetchall()
    # Monday 00:00 in Shanghai
    assert times == [("2020-10-04T16:00:00.000Z",)]


def test_qgis_finds_a_default_style_for_every_layer(
    database: sqlite3.Connection,
) -> None:
    for layer in LAYERS:
        root = style(database, layer)
        assert root.tag == "qgis"
        assert root.find("renderer-v2") is not None
        columns = {
            row[1] for row in database.execute(f"PRAGMA table_info({layer})")
        } - {"fid", "geom"}
        titles = {a.attrib["field"]: a.attrib["name"] for a in root.iter("alias")}
        assert titles == {column: FIELD_LABELS[column][0] for column in columns}
    registered = database.execute(
        "SELECT data_type FROM gpkg_contents WHERE table_name = 'layer_styles'"
    ).fetchone()
    assert registered == ("attributes",)


def test_alerts_are_coloured_by_category_with_chinese_labels(
    database: sqlite3.Connection, result: RunResult
) -> None:
    root = style(database, "alerts")
    renderer = root.find("renderer-v2")
    assert renderer is not None
    assert renderer.attrib["attr"] == "category"
    drawn = categories(root)
    present = {alert.verdict.category for alert in result.alerts}
    assert set(drawn) == {category.value for category in present} | {""}
    for category in present:
        label, symbol = drawn[category.value]
        assert label == CATEGORY_LABELS[category][0]
        red, green, blue, _ = map(int, symbol["color"].split(","))
        assert f"#{red:02x}{green:02x}{blue:02x}" == CATEGORY_COLOURS[category]
        assert symbol["style"] == "solid"


def test_licences_are_outlined_by_kind_and_dotted_when_not_in_force(
    database: sqlite3.Connection,
) -> None:
    rows = database.execute("SELECT kind, validity FROM licences").fetchall()
    drawn = categories(style(database, "licences"))
    assert set(drawn) == {f"{kind} {validity}" for kind, validity in rows}
    lines = set()
    for value, (_, symbol) in drawn.items():
        kind, validity = value.split(" ")
        assert symbol["style"] == "no"
        red, green, blue, _ = map(int, symbol["outline_color"].split(","))
        colour = f"#{red:02x}{green:02x}{blue:02x}"
        assert colour == KIND_COLOURS[LicenceKind(kind)]
        lines.add((validity == "in_force", symbol["outline_style"] == "dot"))
    assert lines <= {(True, False), (False, True)}


def test_columns_have_chinese_titles_and_codes_in_the_schema_extension(
    database: sqlite3.Connection,
) -> None:
    for layer in LAYERS:
        for name, title, constraint in database.execute(
            "SELECT column_name, title, constraint_name FROM gpkg_data_columns "
            "WHERE table_name = ?",
            (layer,),
        ):
            assert title == FIELD_LABELS[name][0]
            assert (constraint is not None) == (name in VOCABULARIES)
    codes = dict(
        database.execute(
            "SELECT value, description FROM gpkg_data_column_constraints "
            "WHERE constraint_name = 'category_codes'"
        )
    )
    assert codes == {c.value: CATEGORY_LABELS[c][0] for c in Category}
    extensions = {
        row[0] for row in database.execute("SELECT extension_name FROM gpkg_extensions")
    }
    assert {"gpkg_schema", "gpkg_metadata", "gpkg_rtree_index"} <= extensions


def test_invented_licences_are_said_in_the_metadata_of_every_layer(
    package: Path, tmp_path: Path
) -> None:
    def metadata(path: Path) -> list[dict[str, Any]]:
        return [pyogrio.read_info(path, layer=x)["layer_metadata"] for x in LAYERS]

    for told in metadata(package):
        assert NOTICE_INVENTED in told["DESCRIPTION"]
        assert NOTICE_INVENTED in told["notice"]
        assert told["invented_licences"] == "true"
    path = tmp_path / "real.gpkg"
    real = licences_on(ROMANIA, invented=False)
    write_geopackage(path, result_of(synthetic_evidence(), licences=real))
    for told in metadata(path):
        assert NOTICE_INVENTED not in told["DESCRIPTION"] + told["notice"]
        assert told["invented_licences"] == "false"


def test_run_that_found_nothing_still_has_all_layers(tmp_path: Path) -> None:
    nothing = evidence_dataset(
        ROMANIA,
        np.zeros(ROMANIA.shape, dtype=np.uint8),
        np.full(ROMANIA.shape, np.datetime64("NaT"), dtype="datetime64[D]"),
    )
    path = tmp_path / "alerts.gpkg"
    write_geopackage(path, result_of(nothing, licences=()))
    for layer in ("alerts", "disturbances", "licences"):
        frame = read(path, layer)
        assert len(frame) == 0
        assert len(frame.columns) > 5
    assert len(read(path, "coverage")) == 1


def test_hostile_names_are_text_and_nothing_more(tmp_path: Path) -> None:
    name = "x'); DROP TABLE alerts;-- <b>&\"\n=1+1"
    licences = [dataclasses.replace(licences_on(ROMANIA)[0], licence_id=name)]
    path = tmp_path / "alerts.gpkg"
    write_geopackage(path, result_of(synthetic_evidence(), licences=licences))
    assert read(path, "licences")["licence_id"].tolist() == [name]
    assert len(read(path, "alerts")) > 0


def test_folder_that_is_not_there_is_named(tmp_path: Path, result: RunResult) -> None:
    with pytest.raises(OutputError, match=r"missing.alerts\.gpkg"):
        write_geopackage(tmp_path / "missing" / "alerts.gpkg", result)


def test_older_file_is_replaced_and_neither_writer_nor_reader_leaves_anything_beside(
    tmp_path: Path, result: RunResult
) -> None:
    path = tmp_path / "alerts.gpkg"
    path.write_text("an older file")
    write_geopackage(path, result)
    assert len(read(path, "alerts")) == len(result.alerts)
    assert list(tmp_path.iterdir()) == [path]


def test_gdal_is_left_as_it_was(tmp_path: Path, result: RunResult) -> None:
    option = "OGR_SQLITE_SYNCHRONOUS"
    former = pyogrio.get_gdal_config_option(option)
    write_geopackage(tmp_path / "alerts.gpkg", result)
    assert pyogrio.get_gdal_config_option(option) == former
