"""The GeoJSON reader against good, bad and hostile files."""

import copy
import hashlib
import json
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from rsmonitor.errors import LicenceError
from rsmonitor.io.licences import geojson
from rsmonitor.io.licences.geojson import LicenceFile, read_licences
from rsmonitor.records.grid import Grid
from rsmonitor.records.licence import LicenceKind
from rsmonitor.stages.geodesy import area_m2, grid_outline

DEMO = Path(__file__).parents[2] / "configs" / "demo_licences.geojson"
SQUARE = [[115.0, 25.0], [115.01, 25.0], [115.01, 25.01], [115.0, 25.01], [115.0, 25.0]]
BOW_TIE = [
    [115.0, 25.0],
    [115.01, 25.01],
    [115.01, 25.0],
    [115.0, 25.01],
    [115.0, 25.0],
]
METRES = [
    [540_000.0, 2_754_000.0],
    [541_000.0, 2_754_000.0],
    [541_000.0, 2_755_000.0],
    [540_000.0, 2_754_000.0],
]


def polygon(*rings: object) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings)}


def feature(
    licence_id: object = "C1", geometry: object = None, **properties: object
) -> dict[str, Any]:
    return {
        "type": "Feature",
        "properties": {"licence_id": licence_id, **properties},
        "geometry": polygon(SQUARE) if geometry is None else geometry,
    }


def collection(*features: object, **members: object) -> dict[str, Any]:
    return {"type": "FeatureCollection", **members, "features": list(features)}


@pytest.fixture
def read(tmp_path: Path) -> Callable[[object], LicenceFile]:
    """Write a document, or bytes as they are, and read it."""

    def write_and_read(document: object) -> LicenceFile:
        path = tmp_path / "licences.geojson"
        if not isinstance(document, bytes):
            document = json.dumps(document, ensure_ascii=False).encode()
        path.write_bytes(document)
        return read_licences(path)

    return write_and_read


Read = Callable[[object], LicenceFile]


def only_refusal(file: LicenceFile) -> geojson.Refusal:
    """The one refusal of a file whose other feature is still used."""
    assert [licence.licence_id for licence in file.licences] == ["good"]
    (refusal,) = file.refused
    return refusal


# ------------------------------------------------------------------- what is read


def test_every_property_is_read(read: Read) -> None:
    file = read(
        collection(
            feature(
                "T360000201801",
                kind="exploration",
                minerals=["稀土", "钨"],
                holder="某公司",
                valid_from="2018-01-01",
                valid_to="2022-12-31",
                status="有效",
                invented=True,
            )
        )
    )
    (licence,) = file.licences
    assert licence.licence_id == "T360000201801"
    assert licence.kind is LicenceKind.EXPLORATION
    assert licence.minerals == ("稀土", "钨")
    assert licence.holder == "某公司"
    assert licence.valid_from == date(2018, 1, 1)
    assert licence.valid_to == date(2022, 12, 31)
    assert licence.status == "有效"
    assert licence.invented
    assert licence.geometry.equals(shapely.Polygon(SQUARE))
    assert file.refused == ()
    assert file.repairs == ()


def test_a_licence_that_says_nothing_but_its_number_is_an_undated_mining_right(
    read: Read,
) -> None:
    (licence,) = read(collection(feature(kind=None, valid_to=None))).licences
    assert licence.kind is LicenceKind.MINING
    assert not licence.dated
    assert licence.minerals == ()
    assert licence.holder == licence.status == ""
    assert not licence.invented


def test_the_digest_is_of_the_bytes_of_the_file(read: Read, tmp_path: Path) -> None:
    file = read(collection(feature()))
    path = tmp_path / "licences.geojson"
    assert file.path == str(path)
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_holes_and_several_parcels_are_kept(read: Read) -> None:
    hole = [[115.002, 25.002], [115.004, 25.002], [115.004, 25.004], [115.002, 25.002]]
    far = [[[lon + 1, lat] for lon, lat in SQUARE]]
    (licence,) = read(
        collection(
            feature(
                geometry={"type": "MultiPolygon", "coordinates": [[SQUARE, hole], far]}
            )
        )
    ).licences
    assert licence.geometry.geom_type == "MultiPolygon"
    whole = area_m2(shapely.Polygon(SQUARE))
    assert area_m2(licence.geometry) == pytest.approx(
        2 * whole - area_m2(shapely.Polygon(hole)), rel=1e-6
    )


def test_rings_are_turned_as_rfc_7946_asks_and_height_is_passed_over(
    read: Read,
) -> None:
    clockwise = [[lon, lat, 312.5] for lon, lat in reversed(SQUARE)]
    (licence,) = read(collection(feature(geometry=polygon(clockwise)))).licences
    assert isinstance(licence.geometry, shapely.Polygon)
    assert licence.geometry.exterior.is_ccw
    assert not licence.geometry.has_z


@pytest.mark.parametrize(
    "name",
    [
        "urn:ogc:def:crs:OGC:1.3:CRS84",
        "urn:ogc:def:crs:OGC::CRS84",
        "OGC:CRS84",
        "urn:ogc:def:crs:EPSG::4326",
        "EPSG:4326",
        "epsg:4490",
        "http://www.opengis.net/def/crs/EPSG/0/4490",
    ],
)
def test_a_crs_member_that_means_longitude_and_latitude_is_accepted(
    read: Read, name: str
) -> None:
    crs = {"type": "name", "properties": {"name": name}}
    assert len(read(collection(feature(), crs=crs)).licences) == 1


def test_a_byte_order_mark_is_passed_over(read: Read) -> None:
    document = b"\xef\xbb\xbf" + json.dumps(collection(feature())).encode()
    assert len(read(document).licences) == 1


# ----------------------------------------------------------------- what is repaired


def test_a_ring_that_only_lacks_its_closing_position_is_closed_and_this_is_said(
    read: Read,
) -> None:
    file = read(collection(feature(geometry=polygon(SQUARE[:-1]))))
    assert file.licences[0].geometry.equals(shapely.Polygon(SQUARE))
    (repair,) = file.repairs
    assert "feature 1 (C1)" in repair
    assert "[115.0, 25.0]" in repair


def test_surplus_white_space_is_removed_and_this_is_said(read: Read) -> None:
    file = read(collection(feature(" C1\n", holder="a\u3000b")))
    assert file.licences[0].licence_id == "C1"
    assert file.licences[0].holder == "a b"
    assert len(file.repairs) == 2


def test_minerals_that_software_made_a_text_of_are_split_and_this_is_said(
    read: Read,
) -> None:
    file = read(collection(feature(minerals="稀土、钨, 锡")))
    assert file.licences[0].minerals == ("稀土", "钨", "锡")
    assert any("minerals" in repair for repair in file.repairs)


def test_unknown_properties_are_named_once_with_their_count(read: Read) -> None:
    file = read(
        collection(feature("C1", valid_until="2025"), feature("C2", valid_until="2025"))
    )
    (repair,) = file.repairs
    assert "'valid_until' is not read (2 features)" in repair


def test_the_same_licence_given_twice_is_read_once_and_this_is_said(read: Read) -> None:
    file = read(collection(feature("C1"), feature("C1")))
    assert len(file.licences) == 1
    assert file.refused == ()
    assert "feature 2 (C1): the same as feature 1 (C1)" in file.repairs[0]


# ------------------------------------------------------- what is refused, one by one

BAD_FEATURES = [
    pytest.param(
        feature(geometry=polygon(BOW_TIE)), "115.005 25.005", "crosses", id="bow-tie"
    ),
    pytest.param(
        feature(geometry=polygon(METRES)),
        "[540000.0, 2754000.0]",
        "look like metres: this reader takes CRS84",
        id="wrong CRS",
    ),
    pytest.param(
        feature(geometry=polygon([[lat, lon] for lon, lat in SQUARE])),
        "[25.0, 115.0]",
        "swapped",
        id="latitude first",
    ),
    pytest.param(
        feature(geometry=polygon([[181, 25], [115, 25], [115, 26]])),
        "[181, 25]",
        "from -180 to 180",
        id="out of range",
    ),
    pytest.param(
        feature(geometry=polygon([[10**400, 25], [115, 25], [115, 26]])),
        "10000",
        "metres",
        id="an integer beyond any float",
    ),
    pytest.param(
        feature(geometry=polygon([[True, 25], [115, 25], [115, 26]])),
        "[True, 25]",
        "a position is a list of numbers",
        id="a truth value as longitude",
    ),
    pytest.param(
        feature(geometry=polygon([["115", "25"], [115, 25], [115, 26]])),
        "['115', '25']",
        "a position is a list of numbers",
        id="text as coordinates",
    ),
    pytest.param(
        feature(geometry=polygon([[115], [115, 25], [115, 26]])),
        "[115]",
        "a position is a list of numbers",
        id="one number",
    ),
    pytest.param(
        feature(geometry=polygon([[115, 25], [115, 26], [115, 25], [115, 25]])),
        "2 different corners",
        "three or more",
        id="two corners",
    ),
    pytest.param(
        feature(geometry=polygon([[115, 25], [115, 26], [115, 27]])),
        "115",
        "crosses or touches",
        id="no area",
    ),
    pytest.param(feature(geometry=polygon()), "[]", "list of rings", id="no ring"),
    pytest.param(
        feature(geometry={"type": "Polygon"}), "null", "list of rings", id="no corners"
    ),
    pytest.param(
        {"type": "Feature", "properties": {"licence_id": "C1"}, "geometry": None},
        "geometry is null",
        "Polygon or MultiPolygon",
        id="null geometry",
    ),
    pytest.param(
        feature(geometry={"type": "Point", "coordinates": [115, 25]}),
        "geometry is 'Point'",
        "Polygon or MultiPolygon",
        id="point",
    ),
    pytest.param(
        feature(geometry={"type": "LineString", "coordinates": SQUARE}),
        "geometry is 'LineString'",
        "Polygon or MultiPolygon",
        id="line",
    ),
    pytest.param(
        feature(geometry={"type": "GeometryCollection", "geometries": []}),
        "geometry is 'GeometryCollection'",
        "Polygon or MultiPolygon",
        id="collection of geometries",
    ),
    pytest.param(
        feature(
            geometry={
                **polygon(SQUARE),
                "crs": {"type": "name", "properties": {"name": "EPSG:2383"}},
            }
        ),
        "EPSG:2383",
        "CRS84",
        id="a crs on the geometry",
    ),
    pytest.param(feature(None), "licence_id is null", "every licence", id="no number"),
    pytest.param(
        feature("  "), "licence_id is '  '", "every licence", id="blank number"
    ),
    pytest.param(
        feature(36000), "licence_id is 36000", "text, in quotes", id="number as number"
    ),
    pytest.param(
        feature("C1\x1b[31m"), r"\x1b", "printable", id="terminal codes in the number"
    ),
    pytest.param(
        feature("C" * 501), "CCC...CCC", "at most 500", id="a number without end"
    ),
    pytest.param(
        feature(holder="\u202eevil"), r"\u202e", "printable", id="text that turns round"
    ),
    pytest.param(
        feature(kind="producing"),
        "kind is 'producing'",
        "mining, exploration, recovery",
        id="unknown kind",
    ),
    pytest.param(
        feature(kind=["mining"]), "kind is ['mining']", "one of", id="list as kind"
    ),
    pytest.param(
        feature(minerals={"a": 1}), "minerals is {'a': 1}", "list", id="bad minerals"
    ),
    pytest.param(
        feature(minerals=[1]), "minerals is 1", "text, in quotes", id="bad mineral"
    ),
    pytest.param(
        feature(valid_from="01/02/2020"),
        "valid_from is '01/02/2020'",
        "could be two different days",
        id="day or month first",
    ),
    pytest.param(
        feature(valid_from="长期"),
        "valid_from is '长期'",
        "a day is written like 2025-12-31",
        id="a beginning without end",
    ),
    pytest.param(
        feature(valid_to="2021-02-29"),
        "valid_to is '2021-02-29'",
        "a day is written like 2025-12-31",
        id="no such day",
    ),
    pytest.param(
        feature(valid_to=46022), "valid_to is 46022", "a day is text", id="day as int"
    ),
    pytest.param(
        feature(valid_to="\u200f2025-12-31"),
        "valid_to is '\\u200f2025-12-31'",
        "a day is written like",
        id="right-to-left mark",
    ),
    pytest.param(
        feature(licence_id="C1", 许可证号="C2"),
        "licence_id is 'C1' and 许可证号 is 'C2'",
        "contradict each other",
        id="two numbers",
    ),
    pytest.param(
        feature(valid_to="2029-12-31", 有效期限="2020年1月1日至2025年12月31日"),
        "valid_to is '2029-12-31' and 有效期限 is '2020年1月1日至2025年12月31日'",
        "contradict each other",
        id="two ends",
    ),
    pytest.param(
        feature(minerals=["稀土"], 开采矿种="钨"),
        "minerals is ['稀土'] and 开采矿种 is '钨'",
        "contradict each other",
        id="two minerals",
    ),
    pytest.param(
        feature(kind="mining", 权利类型="探矿权"),
        "kind is 'mining' and 权利类型 is '探矿权'",
        "contradict each other",
        id="two kinds",
    ),
    pytest.param(
        feature(valid_from="2020-01-02", valid_to="2020-01-01"),
        "valid_to 2020-01-01",
        "before valid_from 2020-01-02",
        id="ends before it begins",
    ),
    pytest.param(
        feature(invented="yes"), "invented is 'yes'", "true or false", id="invented"
    ),
    pytest.param(
        {**feature(), "type": "Fature"}, "'Fature'", "type Feature", id="no feature"
    ),
    pytest.param(17, "17", "type Feature", id="a number as feature"),
]


@pytest.mark.parametrize(("bad", "value", "rule"), BAD_FEATURES)
def test_a_bad_feature_is_refused_with_value_and_rule_and_the_good_one_is_used(
    read: Read, bad: object, value: str, rule: str
) -> None:
    file = read(collection(bad, feature("good")))
    refusal = only_refusal(file)
    assert value in refusal.value
    assert rule in refusal.rule
    assert refusal.where.startswith("feature 1")
    assert refusal.file == file.path
    assert str(refusal).isprintable()


@pytest.mark.parametrize(("bad", "value", "rule"), BAD_FEATURES)
def test_a_file_without_a_good_feature_is_refused_with_every_reason(
    read: Read, bad: object, value: str, rule: str
) -> None:
    nowhere = feature("C9", geometry=polygon([[0, 95], *SQUARE]))
    with pytest.raises(LicenceError) as caught:
        read(collection(bad, nowhere))
    message = str(caught.value)
    for reason in (value, rule, "licences.geojson", "[0, 95]", "feature 2 (C9)"):
        assert reason in message


def test_an_infinite_coordinate_is_refused(read: Read) -> None:
    text = json.dumps(collection(feature("C1"), feature("good")))
    refusal = only_refusal(read(text.replace("115.0,", "1e999,", 1).encode()))
    assert refusal.value == "[inf, 25.0]"


def test_a_key_that_stands_twice_is_refused(read: Read) -> None:
    text = json.dumps(
        collection(feature("C1", valid_to="2020-01-01"), feature("good"))
    ).replace('"valid_to"', '"valid_to": "2030-01-01", "valid_to"')
    assert "twice" in only_refusal(read(text.encode())).rule


def test_features_that_contradict_each_other_are_both_refused(read: Read) -> None:
    file = read(
        collection(
            feature("C1", valid_to="2020-01-01"),
            feature("good"),
            feature("C1", valid_to="2030-01-01"),
        )
    )
    assert [licence.licence_id for licence in file.licences] == ["good"]
    assert [refusal.where for refusal in file.refused] == [
        "feature 1 (C1)",
        "feature 3 (C1)",
    ]


def test_one_number_may_stand_for_licences_of_two_kinds(read: Read) -> None:
    file = read(collection(feature("C1"), feature("C1", kind="closed")))
    assert len(file.licences) == 2


def test_the_reasons_of_a_thousand_bad_features_fit_on_a_page(read: Read) -> None:
    with pytest.raises(LicenceError, match="and 980 more"):
        read(collection(*[feature(None)] * 1000))


# ---------------------------------------------------------- what is refused as a whole


def test_an_empty_collection_is_refused_because_all_would_look_unlicensed(
    read: Read,
) -> None:
    with pytest.raises(LicenceError, match=r"empty licence file.*unlicensed"):
        read(collection())


@pytest.mark.parametrize("content", [b"", b" \n\t"])
def test_an_empty_file_is_refused(read: Read, content: bytes) -> None:
    with pytest.raises(LicenceError, match="is empty"):
        read(content)


@pytest.mark.parametrize(
    "document",
    [
        feature(),
        polygon(SQUARE),
        [collection(feature())],
        "FeatureCollection",
        None,
        {"type": "Topology"},
        {"features": []},
    ],
)
def test_what_is_no_feature_collection_is_refused(read: Read, document: object) -> None:
    with pytest.raises(LicenceError, match="must be a FeatureCollection"):
        read(document)


@pytest.mark.parametrize("features", [None, {}, "x", 3])
def test_features_that_are_no_list_are_refused(read: Read, features: object) -> None:
    with pytest.raises(LicenceError, match="must be a list of Features"):
        read({"type": "FeatureCollection", "features": features})


@pytest.mark.parametrize(
    ("crs", "shown"),
    [
        ({"type": "name", "properties": {"name": "EPSG:4526"}}, "EPSG:4526"),
        (
            {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3857"}},
            "3857",
        ),
        ({"type": "link", "properties": {"href": "http://x.invalid/crs"}}, "x.invalid"),
        ("EPSG:4526", "EPSG:4526"),
        (None, "null"),
        ({}, "{}"),
    ],
)
def test_another_crs_is_refused_with_its_text(
    read: Read, crs: object, shown: str
) -> None:
    with pytest.raises(LicenceError, match="CRS84 longitude and latitude") as caught:
        read(collection(feature(), crs=crs))
    assert shown in str(caught.value)


def test_a_crs_link_causes_no_request(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def refuse(*_: object, **__: object) -> None:
        asked.append(1)
        raise OSError("no network")

    monkeypatch.setattr("socket.socket", refuse)
    crs = {"type": "link", "properties": {"href": "http://x.invalid/", "type": "proj4"}}
    with pytest.raises(LicenceError):
        read(collection(feature(), crs=crs))
    assert asked == []


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b'{"type": "FeatureCollection", "features": [',
        b'{"type": "FeatureCollection", "features": [NaN]}',
        b'{"type": "FeatureCollection", "features": [-Infinity]}',
        b"[" + b"1" * 5000 + b"]",
        b"<OGRVRTDataSource><OGRVRTLayer name='x'/></OGRVRTDataSource>",
        b"PK\x03\x04" + b"\x00" * 40,
    ],
)
def test_what_is_not_json_is_refused(read: Read, content: bytes) -> None:
    with pytest.raises(LicenceError, match="is not JSON"):
        read(content)


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(collection(feature(holder="某公司")), ensure_ascii=False).encode(
            "gbk"
        ),
        json.dumps(collection(feature())).encode("utf-16"),
    ],
)
def test_what_is_not_utf_8_is_refused(read: Read, content: bytes) -> None:
    with pytest.raises(LicenceError, match=r"is not UTF-8.*save it as UTF-8"):
        read(content)


@pytest.mark.parametrize("content", [b"[" * 200_000, b'{"a":' * 200_000])
def test_what_is_nested_without_end_is_refused(read: Read, content: bytes) -> None:
    with pytest.raises(LicenceError, match="nested deeper"):
        read(content)


def test_what_is_nested_deeply_inside_a_feature_is_refused_on_one_line(
    read: Read,
) -> None:
    deep: object = {}
    for _ in range(150):
        deep = {"a": [deep]}
    file = read(collection(feature(minerals=deep), feature("good")))
    assert len(only_refusal(file).value) < 300


def test_a_file_beyond_the_limit_is_refused_with_the_limit(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = json.dumps(collection(feature())).encode()
    monkeypatch.setattr(geojson, "MAX_BYTES", len(document))
    assert len(read(document).licences) == 1
    monkeypatch.setattr(geojson, "MAX_BYTES", len(document) - 1)
    with pytest.raises(LicenceError, match="is larger than"):
        read(document)


def test_the_limit_is_64_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "sparse.geojson"
    with path.open("wb") as file:
        file.truncate(64 * 2**20 + 1)
    with pytest.raises(LicenceError, match="larger than 64 MB"):
        read_licences(path)


def test_a_file_that_is_missing_a_folder_or_a_pipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LicenceError, match="no such file"):
        read_licences(tmp_path / "missing.geojson")
    with pytest.raises(LicenceError, match="not a regular file"):
        read_licences(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(LicenceError, match="not a regular file"):
        read_licences(tmp_path / "pipe")


# ---------------------------------------------------------------------- any input

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(["Feature", "Polygon", "MultiPolygon", "mining", "2020-01-01"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)
places = st.sampled_from(
    [
        ("type",),
        ("crs",),
        ("features",),
        ("features", 0),
        ("features", 0, "type"),
        ("features", 0, "crs"),
        ("features", 0, "properties"),
        ("features", 0, "geometry"),
        ("features", 0, "geometry", "type"),
        ("features", 0, "geometry", "coordinates"),
        ("features", 0, "geometry", "coordinates", 0),
        ("features", 0, "geometry", "coordinates", 0, 1),
        ("features", 0, "geometry", "coordinates", 0, 1, 0),
        *[("features", 0, "properties", key) for key in geojson._KEYS],  # noqa: SLF001
    ]
)


@given(places, values)
def test_whatever_stands_anywhere_in_a_file_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[Any, ...], value: object
) -> None:
    document: Any = copy.deepcopy(collection(feature(), feature("good")))
    inner = document
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    path = tmp_path_factory.mktemp("any") / "licences.geojson"
    path.write_text(json.dumps(document), encoding="utf-8")
    try:
        licences, said = read_licences(path).licences, ""
    except LicenceError as error:
        licences, said = (), str(error)
    assert licences or str(path) in said
    assert len(said) < 2000
    # whatever was read can be written again
    json.dumps([each.holder for each in licences], ensure_ascii=False).encode()


# ------------------------------------------------------------------------ the demo


def test_the_demo_licences_are_all_read_and_all_invented() -> None:
    file = read_licences(DEMO)
    assert file.refused == ()
    assert file.repairs == ()
    assert all(licence.invented for licence in file.licences)
    assert [(each.licence_id, each.kind.value) for each in file.licences] == [
        ("C-DEMO-0001", "mining"),
        ("C-DEMO-0002", "mining"),
        ("T-DEMO-0003", "exploration"),
    ]
    text = DEMO.read_text(encoding="utf-8")
    assert "虚构" in json.loads(text)["note"]
    assert "nvented" in json.loads(text)["note"]


def test_the_demo_licences_lie_in_the_square_kilometre_of_the_demo() -> None:
    square = grid_outline(
        Grid(
            crs="EPSG:3035",
            left=5_271_982.57655193,
            top=2_533_004.21491519,
            pixel_width=10.0,
            pixel_height=10.0,
            height=100,
            width=100,
        )
    )
    licences = read_licences(DEMO).licences
    assert all(square.contains(licence.geometry) for licence in licences)
    united = shapely.union_all([licence.geometry for licence in licences])
    assert area_m2(united) == pytest.approx(
        sum(area_m2(licence.geometry) for licence in licences)
    )
    assert 0.1 < area_m2(united) / area_m2(square) < 0.25


def test_the_demo_licences_have_at_most_seven_decimals() -> None:
    document = json.loads(DEMO.read_text(encoding="utf-8"), parse_float=str)
    for each in document["features"]:
        for ring in each["geometry"]["coordinates"]:
            for number in (text for position in ring for text in position):
                assert len(number.split(".")[1]) <= 7
