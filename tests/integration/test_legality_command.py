"""`rsmonitor legality`: a verdict on any polygons."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import shapely
from commands import Nursery, Ran
from squares import AROUND, PIT, square

from rsmonitor.io.licences.law import SHIPPED

Legality = Callable[..., Ran]


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with Nursery(tmp_path_factory.mktemp("nursery")) as nursery:
        yield nursery


@pytest.fixture
def legality(nursery: Nursery) -> Legality:
    def command(*arguments: str | Path) -> Ran:
        return nursery.run("legality", *arguments)

    return command


def feature(geometry: Any, **properties: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "type": "Feature",
        "properties": properties,
        "geometry": shapely.geometry.mapping(geometry),
    }


def write(path: Path, *features: dict[str, Any]) -> Path:
    document = {"type": "FeatureCollection", "features": list(features)}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@pytest.fixture
def licences(tmp_path: Path) -> Path:
    return write(
        tmp_path / "licences.geojson",
        feature(
            AROUND,
            licence_id="C3600002010015120000001",
            minerals=["离子型稀土"],
            valid_from="2010-01-01",
            valid_to="2024-11-05",
        ),
    )


@pytest.mark.parametrize(
    ("on", "category"),
    [
        ("2024-11-04", "nothing_abnormal"),
        ("2024-11-05", "nothing_abnormal"),
        ("2024-11-06", "expired"),
    ],
)
def test_a_polygon_is_judged_as_of_the_day_that_is_asked_for(
    legality: Legality, tmp_path: Path, licences: Path, on: str, category: str
) -> None:
    pits = write(tmp_path / "pits.geojson", feature(PIT, name="北坑", cause="digging"))
    out = tmp_path / "verdicts.geojson"
    done = legality(
        *(pits, "--on", on),
        *("--licences", licences, "--out", out),
    )
    assert done.code == 0, done.stdout + done.stderr
    assert "北坑" in (done.stdout + done.stderr)
    (told,) = json.loads(out.read_text(encoding="utf-8"))["features"]
    assert told["properties"]["category"] == category
    assert told["properties"]["parts"][0]["trace"]
    assert told["properties"]["area_mu"] == pytest.approx(15, rel=0.01)
    assert "不能直接作为行政处罚的依据" in told["properties"]["notice"]


def test_an_interval_of_its_own_goes_before_the_day_that_is_asked_for(
    legality: Legality, tmp_path: Path, licences: Path
) -> None:
    pits = write(
        tmp_path / "pits.geojson",
        feature(PIT, cause="digging", began_after="2024-10-20", began_by="2024-11-20"),
    )
    done = legality(*(pits, "--on", "2020-01-01", "--licences", licences))
    assert done.code == 0
    assert "待核" in (done.stdout + done.stderr)
    assert "2024-10-20" in (done.stdout + done.stderr)


def test_without_licences_no_right_is_known_and_that_is_said(
    legality: Legality, tmp_path: Path
) -> None:
    pits = write(tmp_path / "pits.geojson", feature(PIT, cause="digging"))
    done = legality(pits, "--on", "2024-11-05")
    assert done.code == 0
    assert "no register of licences was given" in (done.stdout + done.stderr)


def test_what_a_licence_file_does_not_say_is_said_by_a_person(
    legality: Legality, tmp_path: Path
) -> None:
    corners = shapely.get_coordinates(AROUND.exterior)[:-1]
    table = tmp_path / "探矿权.csv"
    table.write_text(
        "许可证号,点号,经度,纬度,有效期起,有效期止\n"
        + "".join(
            f"赣勘1,{n},{lon:.8f},{lat:.8f},2010/1/1,长期\n"
            for n, (lon, lat) in enumerate(corners, start=1)
        ),
        encoding="gb18030",
    )
    pits = write(tmp_path / "pits.geojson", feature(PIT, cause="digging"))
    out = tmp_path / "verdicts.geojson"
    command = (pits, "--on", "2024-11-05", "--licences", table, "--out", out)
    done = legality(*command, "--kind", "exploration", "--datum", "CGCS2000")
    assert done.code == 0, done.stdout + done.stderr
    (told,) = json.loads(out.read_text(encoding="utf-8"))["features"]
    assert told["properties"]["category"] == "mining_under_exploration"
    assert legality(*command, "--kind", "gold").code == 2
    assert legality(*command, "--zone-width", "4").code == 2


def test_what_cannot_be_used_is_refused_and_the_rest_is_judged(
    legality: Legality, tmp_path: Path, licences: Path
) -> None:
    bow_tie = shapely.Polygon([(115, 25), (116, 26), (116, 25), (115, 26)])
    pits = write(
        tmp_path / "pits.geojson",
        feature(PIT, cause="digging"),
        feature(PIT, cause="gold"),
        feature(bow_tie),
        feature(PIT, began_by="05/11/2024"),
        feature(shapely.Point(115, 25)),
        feature(shapely.box(400_000, 2_700_000, 400_100, 2_700_100)),
        feature(PIT, began_after="2024-11-05", began_by="2024-11-05"),
    )
    done = legality(*(pits, "--on", "2024-11-05", "--licences", licences))
    assert done.code == 1
    for number, word in (
        (2, "gold"),
        (3, "crosses itself"),
        (4, "could be two different days"),
        (5, "Polygon"),
        (6, "degrees"),
        (7, "before began_by"),
    ):
        assert f"feature {number}" in (done.stdout + done.stderr)
        assert word in (done.stdout + done.stderr)
    assert "权内未见异常" in (done.stdout + done.stderr)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("{", "not JSON"),
        ("[]", "GeoJSON"),
        ('{"type":"FeatureCollection","features":[]}', "no feature"),
        ('{"type":"Point","coordinates":[1,2]}', "Point"),
        ('{"type":"FeatureCollection","crs":{},"features":[1]}', "crs"),
        ('{"type":"FeatureCollection","features":[1]}', "no polygon can be used"),
        ("[" * 100_000, "not JSON"),
        ('{"a":NaN}', "not JSON"),
        (
            '{"type":"Polygon","coordinates":' + "[" * 900 + "]" * 900 + "}",
            "no polygon can be used",
        ),
    ],
)
def test_a_hostile_file_is_refused_clearly(
    legality: Legality, tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "pits.geojson"
    path.write_text(text)
    done = legality(path, "--on", "2024-11-05")
    assert done.code == 3
    assert said in (done.stdout + done.stderr)
    assert "Traceback" not in (done.stdout + done.stderr)


def test_a_table_of_laws_of_the_bureau_is_used(
    legality: Legality, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.toml"
    text = SHIPPED.read_text(encoding="utf-8")
    rules.write_text(text.replace("二（一）", "二（一）之一"), encoding="utf-8")
    pits = write(tmp_path / "pits.geojson", feature(PIT, cause="digging"))
    asked = (pits, "--on", "2024-11-05")
    assert "二（一）之一" in legality(*asked, "--rules", rules).stdout
    assert "二（一）之一" not in legality(*asked).stdout
    rules.write_text("x = 1")
    assert legality(*asked, "--rules", rules).code == 3


def test_an_alert_of_a_run_can_be_judged_again(
    legality: Legality, tmp_path: Path, licences: Path
) -> None:
    alert = feature(
        square(0, 0, 50, 50),
        alert_id="a" * 13,
        cause="digging",
        began_after="2024-01-01",
        began_by="2024-02-01",
    )
    pits = write(tmp_path / "alerts.geojson", alert)
    done = legality(*(pits, "--on", "2024-11-05", "--licences", licences))
    assert "a" * 13 in (done.stdout + done.stderr)
    assert done.code == 0


def test_a_register_that_is_not_there_is_no_empty_register(
    legality: Legality, tmp_path: Path
) -> None:
    pits = write(tmp_path / "pits.geojson", feature(PIT, cause="digging"))
    missing = tmp_path / "register.sqlite"
    done = legality(*(pits, "--on", "2024-11-05", "--register", missing))
    assert done.code == 3
    assert "there is no register" in (done.stdout + done.stderr)
