import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from licence_samples import HANGZHOU, HEAD, LICENCE, PASTED, YANGSHAN
from shapely import box

from rsmonitor.errors import LicenceError
from rsmonitor.io.licences.check import feature_collection, lines, small_map
from rsmonitor.io.licences.found import LicenceFile
from rsmonitor.io.licences.parcel import Declared
from rsmonitor.io.licences.reading import read_any
from rsmonitor.io.licences.txt_writer import txt_of, write_txt
from rsmonitor.records.licence import Licence, LicenceKind
from rsmonitor.stages.gcj02 import to_gcj02
from rsmonitor.stages.jurisdiction import County

CORPUS = Path(__file__).parents[1] / "corpus" / "licences"
YANGSHAN_M2 = pytest.approx(69_341.6, abs=0.05)

Write = Callable[..., LicenceFile]


@pytest.fixture
def read(tmp_path: Path) -> Write:
    def write_and_read(
        text: str | bytes, name: str = "a.dat", **said: object
    ) -> LicenceFile:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_any(path, **said)  # type: ignore[arg-type]

    return write_and_read


@pytest.mark.parametrize(
    "name",
    [
        path.name
        for path in sorted(CORPUS.glob("*"))
        if "crash" not in path.name and not path.name.startswith("producing")
    ],
)
def test_the_content_and_not_the_name_decides_the_reader(
    name: str, tmp_path: Path
) -> None:
    original = read_any(CORPUS / name)
    path = tmp_path / "licences.dat"
    shutil.copy(CORPUS / name, path)
    again = read_any(path)
    assert [one.geometry for one in again.licences] == [
        one.geometry for one in original.licences
    ]
    assert len(again.parcels) == len(again.licences)


@pytest.mark.parametrize(
    "name", ["yangshan.txt", "pasted.txt", "licence.txt", "corners.csv", "lists.csv"]
)
def test_one_parcel_has_one_area_in_every_format(name: str) -> None:
    (parcel,) = read_any(CORPUS / name).parcels
    assert parcel.computed_area_m2 == YANGSHAN_M2


@pytest.mark.parametrize(
    "content",
    [
        b"<html><body>404</body></html>",
        b"<gml:FeatureCollection/>",
        b"\xd0\xcf\x11\xe0" + b"\0" * 600,
        b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
        b"MEMORY:/vsicurl/http://127.0.0.1/x",
        b"PK\x05\x06" + b"\0" * 18,
        b"PG:host=127.0.0.1",
    ],
)
def test_what_is_no_licence_file_is_refused(read: Write, content: bytes) -> None:
    with pytest.raises(LicenceError, match=r"a\.dat"):
        read(content)


def test_a_parcel_without_a_number_gets_a_stable_one_and_says_so(read: Write) -> None:
    first, again = read(YANGSHAN), read(PASTED, "b.dat")
    (one,), (other,) = first.licences, again.licences
    assert one.licence_id == other.licence_id
    assert one.licence_id.startswith("parcel-")
    assert any("a digest" in note for note in first.parcels[0].repairs)
    assert any("read as a mining right" in note for note in first.parcels[0].warnings)


def test_the_kind_is_the_callers_the_files_or_that_of_the_number(read: Write) -> None:
    number = "C3600002011015210105123"
    assert read(LICENCE).licences[0].kind is LicenceKind.MINING
    exploring = LICENCE.replace(number, "T" + number[1:])
    assert read(exploring).licences[0].kind is LicenceKind.EXPLORATION
    assert read(LICENCE, kind=LicenceKind.CLOSED).licences[0].kind is LicenceKind.CLOSED
    said = "权利类型：治理工程\n" + LICENCE
    found = read(said, kind=LicenceKind.CLOSED)
    assert found.licences[0].kind is LicenceKind.RESTORATION


def test_a_person_may_name_zone_and_datum(read: Write) -> None:
    short = YANGSHAN.replace(",38348", ",348")
    with pytest.raises(LicenceError, match="带号"):
        read(short)
    found = read(short, defaults=Declared(zone=38, datum="1980西安坐标系"))
    assert found.licences[0].datum == "Xi'an 80"
    assert found.licences[0].position_error_m == 100.0


def test_parcels_of_one_licence_are_joined(read: Write) -> None:
    def parcel(number: int, east: int) -> str:
        corners = "\n".join(
            f"J{n},1,{2700000 + y},{38500000 + east + x}"
            for n, (x, y) in enumerate(((0, 0), (0, 10), (10, 10), (10, 0)), start=1)
        )
        return f"4,0.01,C3600002011015210105123,{number}号块段,面,,,,@\n{corners}\n"

    found = read(HEAD + parcel(1, 0) + parcel(2, 50))
    (licence,) = found.licences
    assert len(licence.geometry.geoms) == 2
    assert found.parcels[0].stated_area_m2 == pytest.approx(200.0)
    assert any("joined" in note for note in found.parcels[0].repairs)


def test_parcels_of_one_licence_that_contradict_each_other_are_refused(
    read: Write,
) -> None:
    other = LICENCE.replace("某某稀土有限公司", "别人").replace("27049", "27048")
    sound = "\n许可证号：C9\n" + PASTED
    found = read(LICENCE + other + sound)
    assert [one.licence_id for one in found.licences] == ["C9"]
    assert len(found.refused) == 2
    assert "contradict" in found.refused[0].rule


@pytest.mark.parametrize("field", ["用地类型：军事用地", "备注：国防用地"])
def test_military_parcels_are_never_read(read: Write, field: str) -> None:
    with pytest.raises(LicenceError, match="military boundaries are never imported"):
        read(field + "\n" + LICENCE)


def test_geojson_with_the_names_of_bureaus_is_read() -> None:
    first, second = read_any(CORPUS / "licences.geojson").licences
    assert (first.mine, first.elevation_m) == ("某矿", (280.0, 435.0))
    assert (second.licence_id, second.holder) == ("C2", "乙")


def known(read: Write) -> dict[str, object]:
    (licence,) = read(LICENCE).licences
    return {licence.licence_id: licence.geometry}


@pytest.mark.parametrize("form", ["txt", "geojson"])
def test_a_file_shifted_as_web_maps_are_is_refused_and_converted_on_demand(
    read: Write, tmp_path: Path, form: str
) -> None:
    parcels = known(read)
    (licence,) = read(LICENCE).licences
    shifted = replace(licence, geometry=to_gcj02(licence.geometry))
    path = tmp_path / f"shifted.{form}"
    if form == "txt":
        write_txt(path, [shifted])
    else:
        shape = feature_collection([read_any(CORPUS / "licence.txt")])
        feature = shape["features"][0]
        ring = [list(xy) for xy in shifted.geometry.exterior.coords]
        feature["geometry"] = {"type": "Polygon", "coordinates": [ring]}
        feature["properties"] = {"licence_id": licence.licence_id}
        path.write_text(
            json.dumps({"type": "FeatureCollection", "features": [feature]})
        )
    with pytest.raises(LicenceError, match=r"web maps \(GCJ-02\)"):
        read_any(path, known=parcels)  # type: ignore[arg-type]
    found = read_any(path, known=parcels, convert_gcj02=True)  # type: ignore[arg-type]
    back = found.licences[0].geometry
    assert back.hausdorff_distance(licence.geometry) < 1e-7
    assert any("GCJ-02" in note for note in found.repairs)


def test_a_file_in_its_place_is_not_taken_for_a_shifted_one(read: Write) -> None:
    assert read(LICENCE, known=known(read)).licences


def test_the_report_is_geojson_as_the_contract_says(read: Write) -> None:
    text = HANGZHOU + "1,0,2,点,点,,,,@\nJ1,1,3353189.181,40520986.477\n"
    found = read(text, "某县.txt")
    county = County(
        code="330104", name="江干区", geometry=box(120.0, 30.0, 121.0, 31.0)
    )
    report = json.loads(json.dumps(feature_collection([found], [county])))
    assert report["type"] == "FeatureCollection"
    assert "crs" not in report
    (feature,) = report["features"]
    properties = feature["properties"]
    assert properties["county_codes"] == ["330104"]
    assert properties["zone"] == 40
    assert properties["crs"] == "EPSG:4528"
    assert properties["stated_area_m2"] == pytest.approx(1168.0)
    assert properties["computed_area_m2"] == pytest.approx(1168.4)
    assert isinstance(properties["repairs"], list)
    assert isinstance(properties["warnings"], list)
    assert feature["bbox"][0] == pytest.approx(120.21787, abs=1e-4)
    (refusal,) = report["refused"]
    assert refusal["file"].endswith("某县.txt")
    assert refusal["line"] == 18
    assert {"value", "rule"} <= refusal.keys()


def test_the_lines_say_what_was_understood_repaired_and_refused(read: Write) -> None:
    text = HANGZHOU.replace("带号=40", "带号=38")
    text += "1,0,2,点,点,,,,@\nJ1,1,3353189.181,40520986.477\n"
    told = "\n".join(lines([read(text)]))
    assert "彭埠单元B/R-14地块" in told
    assert "1168.4 m2 (1.75 mu, 0.0012 km2), stated 1168.0 m2, EPSG:4528" in told
    assert "warning: zone 38 is named, but the eastings begin with 40" in told
    assert told.count("zone 38 is named") == 1
    assert "refused:" in told
    assert "line 18" in told
    assert "11111" in told


def test_the_small_map_has_north_up_and_west_left() -> None:
    drawn = small_map(
        [box(115.0, 24.8, 115.01, 24.81), box(115.1, 24.7, 115.11, 24.71)]
    )
    assert drawn[1].lstrip().startswith("1")
    assert drawn[-1].rstrip().endswith("2")
    assert "." in drawn[len(drawn) // 2]


def licence(**said: object) -> Licence:
    sound = Licence(
        licence_id="C1",
        kind=LicenceKind.MINING,
        geometry=box(115.0, 24.7, 115.01, 24.71),
    )
    return replace(sound, **said)  # type: ignore[arg-type]


def test_a_licence_far_from_the_zone_is_not_written() -> None:
    with pytest.raises(LicenceError, match="file of its own zone"):
        txt_of([licence()], zone=33)


def test_nothing_is_not_written() -> None:
    with pytest.raises(LicenceError, match="no licence"):
        txt_of([])


def test_half_a_character_is_not_written() -> None:
    with pytest.raises(LicenceError, match="half of a pair"):
        txt_of([licence(holder="\ud800")])


def test_what_is_written_is_the_format_of_the_ministry(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_txt(path, [licence(mine="某矿,一区")])
    text = path.read_bytes().decode()
    assert "\r\n[地块坐标]\r\n5,112.0864,C1,某矿 一区,面,,,,@\r\nJ1,1," in text
    assert read_any(path).licences[0].mine == "某矿,一区"
