"""More corners, rings and words than any licence has: refused early, with the rule."""

import json
from pathlib import Path

import pytest

from rsmonitor.errors import LicenceError
from rsmonitor.io.licences.producing import read_producing
from rsmonitor.io.licences.reading import read_any

LIMIT = "more than 100000 corners: no parcel has so many; split it"
SQUARE = [[115.0, 24.0], [116.0, 24.0], [116.0, 25.0], [115.0, 25.0], [115.0, 24.0]]


def geojson(path: Path, rings: list[list[list[float]]], **said: str) -> Path:
    feature = {
        "type": "Feature",
        "properties": {"licence_id": "C1", **said},
        "geometry": {"type": "Polygon", "coordinates": rings},
    }
    document = {"type": "FeatureCollection", "features": [feature]}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("rings", "reason"),
    [([SQUARE] * 100_000, "more than 5000 rings"), ([SQUARE * 25_000], LIMIT)],
)
def test_geojson_with_too_many_rings_or_corners_is_refused(
    tmp_path: Path, rings: list[list[list[float]]], reason: str
) -> None:
    with pytest.raises(LicenceError, match=reason):
        read_any(geojson(tmp_path / "a.geojson", rings))


def test_kml_with_too_many_corners_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.kml"
    path.write_text(
        '<kml xmlns="http://www.opengis.net/kml/2.2"><Placemark><name>C1</name>'
        "<Polygon><outerBoundaryIs><LinearRing><coordinates>"
        + "115,24 " * 200_000
        + "</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark></kml>",
        encoding="utf-8",
    )
    with pytest.raises(LicenceError, match=LIMIT):
        read_any(path)


def test_a_parcel_of_too_many_corners_costs_only_itself(tmp_path: Path) -> None:
    def parcel(number: str, count: int, east: int) -> str:
        corners = "".join(
            f"J{n},1,{2733000 + n % 2 * 9},{east + n}\n" for n in range(count)
        )
        return f"{count},1,{number},某矿,面,,,,@\n{corners}"

    path = tmp_path / "a.txt"
    path.write_text(
        "[地块坐标]\n"
        + parcel("C3600002009115210045678", 100_002, 39300000)
        + "3,1,C3600002011125220123456,某矿,面,,,,@\n"
        "J1,1,2733000,39300000\nJ2,1,2733000,39300400\nJ3,1,2732700,39300400\n",
        encoding="utf-8",
    )
    found = read_any(path)
    assert [one.licence_id for one in found.licences] == ["C3600002011125220123456"]
    assert f"{found.refused[0].value}: {found.refused[0].rule}" == LIMIT


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("有效期限", "1-" * 100_000),
        ("有效期", "至" * 200_000 + "x"),
        ("状态变更", "停产2024-05-01" * 50_000 + "x"),
        ("状态变更", "2024-05-01" + "于被自已" * 50_000 + "吊"),
    ],
)
def test_a_field_of_any_length_is_refused_on_one_short_line(
    tmp_path: Path, name: str, value: str
) -> None:
    path = geojson(tmp_path / "a.geojson", [SQUARE], **{name: value})
    with pytest.raises(LicenceError, match=name) as caught:
        read_any(path)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("area", "stated", "told"),
    [
        ("-12", None, True),
        ("nan", None, True),
        ("1e309", None, True),
        ("1.2e1", 120_000.0, False),
        ("", None, False),
        ("/", None, False),
        ("0", None, False),
    ],
)
def test_an_area_that_cannot_be_is_told_and_not_taken(
    tmp_path: Path, area: str, *, stated: float | None, told: bool
) -> None:
    corners = [(0, 0), (0, 400), (-300, 400), (-300, 0)]
    path = tmp_path / "a.csv"
    path.write_text(
        "许可证号,点号,X坐标,Y坐标,面积(公顷)\n"
        + "".join(
            f"C1,{n},{2733000 + x},{39300000 + y},{area}\n"
            for n, (x, y) in enumerate(corners, start=1)
        ),
        encoding="utf-8",
    )
    found = read_any(path)
    assert found.parcels[0].stated_area_m2 == stated
    assert any("is none: not compared" in note for note in found.repairs) == told


def test_a_mine_that_is_listed_very_often_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("许可证号\n" + "C1\n" * 20_000, encoding="utf-8")
    found = read_producing(path, year=2026)
    (note,) = found.notes
    assert "stands 20000 times" in note
    assert len(note) < 300
