"""Shapefiles, KML and GeoPackages as GIS programs write them, and as attackers do."""

import math
import socket
import sqlite3
import struct
import threading
import zipfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import pyogrio.raw
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from rsmonitor.errors import LicenceError
from rsmonitor.io.licences import untrusted
from rsmonitor.io.licences.coordinates import understand
from rsmonitor.io.licences.geopackage import read_geopackage
from rsmonitor.io.licences.kml import read_kml
from rsmonitor.io.licences.parcel import ParcelFile
from rsmonitor.io.licences.reading import read_any
from rsmonitor.io.licences.shapefile import read_shapefile

SQUARE = shapely.box(115.70, 24.95, 115.71, 24.96)
HOLED = Polygon(
    shapely.box(115.72, 24.95, 115.73, 24.96).exterior,
    [shapely.box(115.723, 24.953, 115.727, 24.957).exterior],
)
PARTS = MultiPolygon(
    [
        shapely.box(115.74, 24.95, 115.75, 24.96),
        shapely.box(115.76, 24.95, 115.77, 24.96),
    ]
)


def frame(crs: str = "EPSG:4490") -> gpd.GeoDataFrame:
    found = gpd.GeoDataFrame(
        {
            "许可证号": ["C3600001", "C3600002", "C3600003"],
            "矿山名称": ["石排稀土矿", "龙勾稀土矿", "三丘田钨矿"],
            "面积公顷": [112.0, 95.1, None],
        },
        geometry=[SQUARE, HOLED, PARTS],
        crs="EPSG:4490",
    )
    return found.to_crs(crs)


def assert_same_places(found: ParcelFile, tolerance: float = 1e-9) -> None:
    assert found.refused == ()
    for parcel, expected in zip(found.parcels, (SQUARE, HOLED, PARTS), strict=True):
        geometry = understand(parcel).geometry
        assert geometry.geom_type == expected.geom_type
        assert geometry.symmetric_difference(expected).area < tolerance


def zipped(folder: Path, *, name: Callable[[str], str] = str) -> Path:
    path = folder.parent / "上报.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in sorted(folder.iterdir()):
            archive.write(part, name(part.name))
    return path


@pytest.fixture
def shp(tmp_path: Path) -> Callable[..., Path]:
    def write(
        crs: str = "EPSG:4490", encoding: str = "UTF-8", *, drop: tuple[str, ...] = ()
    ) -> Path:
        folder = tmp_path / "shp"
        folder.mkdir()
        path = folder / "采矿权.shp"
        pyogrio.write_dataframe(
            frame(crs), path, driver="ESRI Shapefile", encoding=encoding
        )
        for side in drop:
            path.with_suffix(side).unlink(missing_ok=True)
        return path

    return write


WriteShp = Callable[..., Path]


# ------------------------------------------------------------------------- shapefiles


@pytest.mark.parametrize("encoding", ["UTF-8", "GBK", "GB18030"])
@pytest.mark.parametrize("drop", [(), (".cpg",)])
def test_a_shapefile_is_read_in_its_encoding_even_if_no_file_names_it(
    shp: WriteShp, encoding: str, drop: tuple[str, ...]
) -> None:
    found = read_shapefile(shp(encoding=encoding, drop=drop))
    assert_same_places(found)
    assert [parcel.number for parcel in found.parcels] == [
        "C3600001",
        "C3600002",
        "C3600003",
    ]
    first = found.parcels[0]
    assert first.name == "石排稀土矿"
    assert first.attributes["矿山名称"] == "石排稀土矿"


@pytest.mark.parametrize("encoding", ["UTF-8", "GBK"])
def test_names_that_a_shapefile_cuts_off_are_completed_where_one_fits(
    tmp_path: Path, encoding: str
) -> None:
    path = tmp_path / "cut.shp"
    data = gpd.GeoDataFrame(
        {
            "采矿许可证号": ["C3600001"],
            "采矿权人": ["某公司"],
            "有效期起": ["2017-05-01"],
            "有效期止": ["2027-05-01"],
            "批准面积(公顷)": ["112"],
        },
        geometry=[SQUARE],
        crs="EPSG:4490",
    )
    pyogrio.write_dataframe(data, path, encoding=encoding)
    found = read_any(path)
    (licence,) = found.licences
    assert licence.licence_id == "C3600001"
    assert licence.holder == "某公司"
    assert licence.valid_from == date(2017, 5, 1)
    assert licence.valid_to == date(2027, 5, 1)
    assert any("was cut off after 10 bytes" in note for note in found.repairs)


def test_text_in_another_encoding_than_the_cpg_says_is_read_and_told(
    shp: WriteShp,
) -> None:
    path = shp(encoding="GBK")
    path.with_suffix(".cpg").write_text("UTF-8")
    found = read_shapefile(path)
    assert found.parcels[0].name == "石排稀土矿"
    assert any("'UTF-8' and is not; read as gb18030" in note for note in found.repairs)


@pytest.mark.parametrize(
    ("crs", "understood"),
    [
        ("EPSG:4490", None),
        ("EPSG:4326", None),
        ("EPSG:4527", "EPSG:4527"),  # CGCS2000, 3 degrees, zone 39 before the easting
        ("EPSG:4548", "EPSG:4548"),  # the same without the zone
        ("EPSG:32650", "EPSG:32650"),
    ],
)
def test_a_shapefile_lies_where_its_prj_says(
    shp: WriteShp, crs: str, understood: str | None
) -> None:
    path = shp(crs)
    assert path.with_suffix(".prj").read_text().startswith(("GEOGCS[", "PROJCS["))
    found = read_shapefile(path)
    assert_same_places(found, tolerance=1e-8)
    if understood:
        assert understand(found.parcels[0]).crs == understood


@pytest.mark.parametrize("crs", ["EPSG:4490", "EPSG:4527"])
def test_without_a_prj_the_size_of_the_numbers_decides_and_that_is_told(
    shp: WriteShp, crs: str
) -> None:
    found = read_shapefile(shp(crs, drop=(".prj",)))
    assert_same_places(found, tolerance=1e-8)
    assert any("no .prj" in note for note in found.repairs)


def test_without_a_prj_metres_without_a_zone_are_refused(shp: WriteShp) -> None:
    found = read_shapefile(shp("EPSG:4548", drop=(".prj",)))
    with pytest.raises(LicenceError, match="zone"):
        understand(found.parcels[0])


def test_a_zip_of_a_shapefile_is_read_out_of_its_folder(shp: WriteShp) -> None:
    path = zipped(shp(encoding="GBK").parent, name=lambda name: f"上报/{name}")
    found = read_shapefile(path)
    assert_same_places(found)
    assert found.parcels[0].where == "采矿权.shp, record 1"


def test_a_zip_that_an_old_windows_made_has_names_in_gbk(
    shp: WriteShp, tmp_path: Path
) -> None:
    folder = shp(encoding="GBK").parent
    path = tmp_path / "old.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for part in folder.iterdir():
            info = zipfile.ZipInfo("x" * 6 + part.suffix)  # 采矿权 has 6 bytes in GBK
            archive.writestr(info, part.read_bytes())
    path.write_bytes(path.read_bytes().replace(b"x" * 6, "采矿权".encode("gbk")))
    found = read_shapefile(path)
    assert_same_places(found)
    assert found.parcels[0].where == "采矿权.shp, record 1"


def test_heights_and_measures_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "z.shp"
    data = gpd.GeoDataFrame(
        {"xkzh": ["C1"]}, geometry=[shapely.force_3d(SQUARE, 300.0)], crs="EPSG:4490"
    )
    data.to_file(path, engine="pyogrio")
    (parcel,) = read_shapefile(path).parcels
    assert understand(parcel).geometry.equals(SQUARE)
    assert parcel.number == "C1"


def test_days_and_numbers_come_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "days.shp"
    pyogrio.raw.write(
        path,
        np.array([shapely.to_wkb(SQUARE)], dtype=object),
        [np.array(["2027-05-01"], dtype="datetime64[D]"), np.array([3])],
        ["yxqz", "count"],
        geometry_type="Polygon",
        crs="EPSG:4490",
        driver="ESRI Shapefile",
    )
    (parcel,) = read_shapefile(path).parcels
    assert parcel.attributes["yxqz"] == "2027-05-01"
    assert parcel.attributes["count"] == "3"


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_a_shapefile_that_was_cut_off_keeps_what_is_whole(
    shp: WriteShp, share: float
) -> None:
    path = shp()
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    found = read_shapefile(path)
    assert found.refused
    assert "cut off or damaged" in found.refused[-1].rule
    assert len(found.parcels) < 3
    whole = (SQUARE, HOLED, PARTS)[: len(found.parcels)]
    for parcel, expected in zip(found.parcels, whole, strict=True):
        assert understand(parcel).geometry.equals(expected)


def test_a_coordinate_that_is_no_number_costs_its_parcel_only(shp: WriteShp) -> None:
    path = shp()
    content = bytearray(path.read_bytes())
    first_point = 100 + 8 + 44 + 4
    content[first_point : first_point + 8] = struct.pack("<d", math.nan)
    path.write_bytes(content)
    found = read_shapefile(path)
    assert [parcel.number for parcel in found.parcels] == ["C3600002", "C3600003"]
    (refusal,) = found.refused
    assert (refusal.where, refusal.value) == ("record 1", "a coordinate is nan")


def test_counts_that_promise_more_than_there_is_are_refused(shp: WriteShp) -> None:
    path = shp()
    content = bytearray(path.read_bytes())
    content[100 + 8 + 36 : 100 + 8 + 44] = struct.pack("<2i", 2**30, 2**31 - 1)
    path.write_bytes(content)
    found = read_shapefile(path)
    assert len(found.parcels) == 2
    assert found.refused[0].value.startswith("1073741824 rings")


def test_a_parcel_without_a_row_is_nobodys_and_refused(shp: WriteShp) -> None:
    path = shp()
    dbf = bytearray(path.with_suffix(".dbf").read_bytes())
    dbf[4:8] = struct.pack("<I", 2)
    path.with_suffix(".dbf").write_bytes(dbf)
    found = read_shapefile(path)
    assert len(found.parcels) == 2
    assert found.refused[0].value == "no row 3 in the .dbf, which has 2"


@pytest.mark.parametrize(
    ("geometry", "kind"),
    [(shapely.Point(115, 25), "points"), (SQUARE.exterior, "lines")],
)
def test_points_and_lines_are_no_parcels(
    tmp_path: Path, geometry: BaseGeometry, kind: str
) -> None:
    path = tmp_path / "no.shp"
    if kind == "lines":
        geometry = shapely.LineString(geometry.coords)
    gpd.GeoDataFrame({"a": [1]}, geometry=[geometry], crs="EPSG:4490").to_file(path)
    with pytest.raises(LicenceError, match=f"it holds {kind}: a licence is an area"):
        read_shapefile(path)


VRT = b'<OGRVRTDataSource><OGRVRTLayer name="a"><SrcDataSource>/etc/passwd'


@pytest.mark.parametrize(
    ("reader", "name", "rule"),
    [
        (read_shapefile, "a.shp", "another format under this name|has a header of 100"),
        (read_geopackage, "a.gpkg", "another format under this name"),
        (read_kml, "a.kml", "is not XML"),
    ],
)
def test_a_vrt_under_another_name_is_not_opened(
    tmp_path: Path, reader: Callable[[Path], ParcelFile], name: str, rule: str
) -> None:
    path = tmp_path / name
    path.write_bytes(VRT)
    with pytest.raises(LicenceError, match=rule):
        reader(path)


def test_a_link_beside_a_shapefile_is_not_followed(shp: WriteShp) -> None:
    path = shp()
    path.with_suffix(".prj").unlink()
    path.with_suffix(".prj").symlink_to("/etc/hostname")
    found = read_shapefile(path)
    assert found.parcels[0].declared.definition == ""
    assert any("is a link" in note for note in found.repairs)


@given(st.binary(max_size=400), st.integers(0, 399))
def test_no_bytes_make_the_shapefile_reader_fall(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, place: int
) -> None:
    header = struct.pack(">7i", 9994, 0, 0, 0, 0, 0, 2**20) + struct.pack(
        "<2i", 1000, 5
    )
    content = bytearray(header.ljust(100, b"\0") + noise)
    content[place % len(content)] ^= 0x55
    assert_only_refusals(tmp_path_factory, "a.shp", bytes(content), read_shapefile)


def assert_only_refusals(
    factory: pytest.TempPathFactory,
    name: str,
    content: bytes,
    reader: Callable[[Path], ParcelFile],
) -> None:
    path = factory.mktemp("noise") / name
    path.write_bytes(content)
    try:
        reader(path)
    except LicenceError as error:
        assert str(path) in str(error)  # noqa: PT017 - not raising is right as well


# ------------------------------------------------------------------------------- zips


def make_zip(path: Path, members: dict[str, bytes], **attributes: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            for key, value in attributes.items():
                setattr(info, key, value)
            archive.writestr(info, content)
    return path


@pytest.mark.parametrize(
    ("members", "attributes", "rule"),
    [
        ({"a.shp": bytes(30_000_000)}, {}, "more than 200 to one"),
        ({f"{n}": b"" for n in range(1001)}, {}, "1001 members: at most 1000"),
        ({"../a.shp": b"x"}, {}, "leads out of the zip"),
        ({"/etc/a.shp": b"x"}, {}, "leads out of the zip"),
        ({"..\\a.shp": b"x"}, {}, "leads out of the zip"),
        ({"C:\\a.shp": b"x"}, {}, "leads out of the zip"),
        ({"a.shp": b"/etc/passwd"}, {"external_attr": 0o120777 << 16}, "is a link"),
        ({"inner.zip": b"PK\x03\x04"}, {}, "is an archive itself"),
        ({"a.shp": b"PK\x03\x04" + bytes(200)}, {}, "is itself a zip"),
        ({"readme.txt": b"x"}, {}, "no member ends in .shp"),
    ],
)
def test_zips_built_to_harm_are_refused(
    tmp_path: Path, members: dict[str, bytes], attributes: dict[str, int], rule: str
) -> None:
    path = make_zip(tmp_path / "evil.zip", members, **attributes)
    with pytest.raises(LicenceError, match=rf"evil\.zip: .*{rule}"):
        read_shapefile(path)
    assert [other.name for other in tmp_path.iterdir()] == ["evil.zip"]


def test_a_zip_of_more_than_is_bearable_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(untrusted, "MAX_RATIO", 10**9)
    huge = bytes(100_000_000)
    path = make_zip(tmp_path / "a.zip", {"1": huge, "2": huge, "3": huge})
    with pytest.raises(LicenceError, match=r"300000000 bytes: at most 268435456"):
        read_shapefile(path)


def test_a_name_that_stands_twice_in_a_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.shp", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.shp", b"2")
    with pytest.raises(LicenceError, match="is in it twice"):
        read_shapefile(path)


def test_a_damaged_zip_is_refused(shp: WriteShp) -> None:
    path = zipped(shp().parent)
    content = bytearray(path.read_bytes())
    content[60:80] = bytes(20)
    path.write_bytes(content)
    with pytest.raises(LicenceError, match=r"is damaged|not a whole zip"):
        read_shapefile(path)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(LicenceError, match="not a whole zip"):
        read_shapefile(path)


def test_of_two_shapefiles_in_a_zip_the_whole_one_is_kept(shp: WriteShp) -> None:
    folder = shp().parent
    (folder / "坏.shp").write_bytes(b"no shapefile")
    found = read_shapefile(zipped(folder))
    assert len(found.parcels) == 3
    assert [refusal.where for refusal in found.refused] == ["坏.shp, the file"]


# -------------------------------------------------------------------------------- KML

POLYGON = """<Polygon><outerBoundaryIs><LinearRing><coordinates>
  {outer}</coordinates></LinearRing></outerBoundaryIs>{inner}</Polygon>"""
INNER = """<innerBoundaryIs><LinearRing><coordinates>{ring}</coordinates>
</LinearRing></innerBoundaryIs>"""


def positions(ring: shapely.LinearRing, height: str = ",0") -> str:
    return " ".join(f"{x!r},{y!r}{height}" for x, y in ring.coords)


def kml_polygon(polygon: Polygon) -> str:
    inner = "".join(INNER.format(ring=positions(hole)) for hole in polygon.interiors)
    return POLYGON.format(outer=positions(polygon.exterior), inner=inner)


def kml_of(
    *placemarks: str, namespace: str = "http://www.opengis.net/kml/2.2", head: str = ""
) -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{head}'
        f'<kml xmlns="{namespace}"><Document><Folder>'
        + "".join(f"<Placemark>{inner}</Placemark>" for inner in placemarks)
        + "</Folder></Document></kml>"
    )


EXTENDED = """<name>石排稀土矿</name><ExtendedData>
<Data name="采矿许可证号"><value>C3600001</value></Data>
<SchemaData schemaUrl="#s"><SimpleData name="矿区面积（km²）">1.12</SimpleData>
</SchemaData></ExtendedData>"""


@pytest.mark.parametrize(
    "namespace",
    ["http://www.opengis.net/kml/2.2", "http://earth.google.com/kml/2.1", ""],
)
def test_kml_is_read_with_holes_parts_and_fields(
    tmp_path: Path, namespace: str
) -> None:
    path = tmp_path / "a.kml"
    parts = "".join(kml_polygon(part) for part in PARTS.geoms)
    path.write_text(
        kml_of(
            EXTENDED + kml_polygon(SQUARE),
            kml_polygon(HOLED),
            f"<MultiGeometry>{parts}</MultiGeometry>",
            namespace=namespace,
        )
    )
    found = read_kml(path)
    assert_same_places(found)
    first = found.parcels[0]
    assert (first.number, first.name) == ("C3600001", "石排稀土矿")
    assert first.stated_area_m2 == pytest.approx(1_120_000)


@pytest.mark.parametrize("driver", ["KML", "LIBKML"])
def test_kml_of_gdal_is_read(tmp_path: Path, driver: str) -> None:
    path = tmp_path / "gdal.kml"
    pyogrio.write_dataframe(frame("EPSG:4326"), path, driver=driver)
    found = read_kml(path)
    assert_same_places(found)
    assert [parcel.number for parcel in found.parcels][:2] == ["C3600001", "C3600002"]


def test_kmz_is_read_by_its_document(tmp_path: Path) -> None:
    members = {
        "doc.kml": kml_of(kml_polygon(SQUARE)).encode(),
        "files/other.kml": b"<kml/>",
        "files/icon.png": b"PNG",
    }
    found = read_kml(make_zip(tmp_path / "a.kmz", members))
    assert len(found.parcels) == 1
    assert any("other.kml" in note for note in found.repairs)


def test_the_table_that_arcgis_writes_into_a_description_is_read(
    tmp_path: Path,
) -> None:
    path = tmp_path / "arc.kml"
    table = "<table><tr><td>XKZH</td> <td>C3600001</td></tr></table>"
    path.write_text(
        kml_of(f"<description><![CDATA[{table}]]></description>" + kml_polygon(SQUARE))
    )
    (parcel,) = read_kml(path).parcels
    assert parcel.number == "C3600001"


@pytest.mark.parametrize(
    ("placemark", "value"),
    [
        ("<Point><coordinates>115,25</coordinates></Point>", "it is a point"),
        ("<name>空</name>", "it has no geometry"),
        (POLYGON.format(outer="115,25 nan,25 115,26", inner=""), "'nan,25'"),
        (POLYGON.format(outer="115,25 inf,25 115,26", inner=""), "'inf,25'"),
        (POLYGON.format(outer="2705381,38348613 1,2", inner=""), "'2705381,38348613'"),
        (POLYGON.format(outer="24.9,115.7 24.9,115.8", inner=""), "'24.9,115.7'"),
        (POLYGON.format(outer="115 25 116", inner=""), "'115'"),
        (POLYGON.format(outer="", inner=""), "a ring without coordinates"),
        ("<Polygon/>", "a polygon without outerBoundaryIs"),
    ],
)
def test_a_placemark_that_is_no_parcel_is_refused_alone(
    tmp_path: Path, placemark: str, value: str
) -> None:
    path = tmp_path / "a.kml"
    path.write_text(kml_of(placemark, kml_polygon(SQUARE)))
    found = read_kml(path)
    assert [parcel.line for parcel in found.parcels] == [2]
    (refusal,) = found.refused
    assert refusal.value == value
    assert refusal.line == 1


LAUGHS = "<!DOCTYPE k [<!ENTITY a 'ha'>" + "".join(
    f"<!ENTITY a{n} '{f'&a{n - 1 if n else str()};' * 10}'>" for n in range(9)
)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (kml_of("&a8;", head=LAUGHS + "]>"), "document type or entities"),
        (
            kml_of(
                "<name>&x;</name>",
                head='<!DOCTYPE k [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
            ),
            "document type or entities",
        ),
        ("<a>" * 5000, "at most 100 are read"),
        (kml_of("<a/>" * 1_000_001), "at most 1000000 are read"),
        ("<gpx/>", "that of KML is kml"),
        (kml_of(kml_polygon(SQUARE))[:-60], "is not XML"),
        ("\0\1\2", "is not XML"),
    ],
)
def test_hostile_kml_is_refused(tmp_path: Path, text: str, rule: str) -> None:
    path = tmp_path / "a.kml"
    path.write_text(text)
    with pytest.raises(LicenceError, match=rule):
        read_kml(path)


def test_what_kml_points_at_is_not_followed(
    tmp_path: Path, listener: tuple[str, list[bytes]]
) -> None:
    address, asked = listener
    path = tmp_path / "a.kml"
    link = f"<NetworkLink><Link><href>{address}/a.kml</href></Link></NetworkLink>"
    path.write_text(
        kml_of(kml_polygon(SQUARE)).replace("</Document>", f"{link}</Document>")
    )
    found = read_kml(path)
    assert len(found.parcels) == 1
    assert any("1 links to other files are not followed" in n for n in found.repairs)
    assert asked == []


@pytest.fixture
def listener() -> Iterator[tuple[str, list[bytes]]]:
    """A server that notes who asks."""
    asked: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            asked.append(connection.recv(100))
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
    finally:
        server.close()


@given(st.binary(max_size=300))
def test_no_bytes_make_the_kml_reader_fall(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes
) -> None:
    content = kml_of(kml_polygon(SQUARE)).encode()
    mixed = content[:200] + noise + content[200:]
    assert_only_refusals(tmp_path_factory, "a.kml", mixed, read_kml)


# ------------------------------------------------------------------------- GeoPackages


@pytest.fixture
def gpkg(tmp_path: Path) -> Callable[..., Path]:
    def write(crs: str = "EPSG:4490", layer: str = "采矿权") -> Path:
        path = tmp_path / "上报.gpkg"
        pyogrio.write_dataframe(frame(crs), path, driver="GPKG", layer=layer)
        return path

    return write


WriteGpkg = Callable[..., Path]


def execute(path: Path, script: str) -> None:
    database = sqlite3.connect(path)
    # what GDAL's triggers call, so that they do not stand in the way
    for name in ("ST_IsEmpty", "ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY"):
        database.create_function(name, 1, lambda _: 0.0)
    database.executescript(script)
    database.close()


@pytest.mark.parametrize("crs", ["EPSG:4490", "EPSG:4527", "EPSG:4548", "EPSG:32650"])
def test_a_geopackage_lies_where_it_says(gpkg: WriteGpkg, crs: str) -> None:
    found = read_geopackage(gpkg(crs))
    assert_same_places(found, tolerance=1e-8)
    first = found.parcels[0]
    assert first.where == "layer 采矿权, feature 1"
    assert (first.number, first.name) == ("C3600001", "石排稀土矿")
    assert first.stated_area_m2 == pytest.approx(1_120_000)


def test_every_layer_is_read_and_a_name_may_hold_quotes(
    gpkg: WriteGpkg,
) -> None:
    path = gpkg(layer='a"; DROP TABLE gpkg_contents; --')
    pyogrio.write_dataframe(frame(), path, driver="GPKG", layer="二", append=False)
    found = read_geopackage(path)
    assert len(found.parcels) == 6


def test_a_view_named_like_a_layer_is_refused_and_not_run(gpkg: WriteGpkg) -> None:
    path = gpkg()
    execute(
        path,
        """
        CREATE VIEW evil AS WITH RECURSIVE n(i) AS
          (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS fid, load_extension('x')
          AS geom FROM n;
        INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id)
          VALUES ('evil', 'features', 'evil', 4490);
        INSERT INTO gpkg_geometry_columns
          VALUES ('evil', 'geom', 'POLYGON', 4490, 0, 0);
        """,
    )
    found = read_geopackage(path)
    assert len(found.parcels) == 3
    (refusal,) = found.refused
    assert (refusal.where, refusal.value) == ("layer evil", "it is a view")


def test_a_virtual_table_and_a_missing_one_are_refused(gpkg: WriteGpkg) -> None:
    path = gpkg()
    script = """
    CREATE VIRTUAL TABLE v USING rtree(id, a, b);
    INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id)
      VALUES ('v', 'features', 'v', 4490), ('gone', 'features', 'gone', 4490);
    INSERT INTO gpkg_geometry_columns VALUES
      ('v', 'a', 'POLYGON', 4490, 0, 0), ('gone', 'a', 'POLYGON', 4490, 0, 0);
    """
    execute(path, script)
    found = read_geopackage(path)
    assert [refusal.value for refusal in found.refused] == [
        "it is a virtual table",
        "it is missing",
    ]


def test_triggers_change_nothing_and_the_file_stays_as_it_is(gpkg: WriteGpkg) -> None:
    path = gpkg()
    execute(
        path,
        "CREATE TRIGGER t AFTER UPDATE ON gpkg_contents BEGIN DELETE FROM 采矿权; END;",
    )
    before = path.read_bytes()
    assert len(read_geopackage(path).parcels) == 3
    assert path.read_bytes() == before
    assert sorted(other.name for other in path.parent.iterdir()) == [path.name]


def test_a_system_table_that_is_a_view_is_refused(gpkg: WriteGpkg) -> None:
    path = gpkg()
    execute(
        path,
        "ALTER TABLE gpkg_contents RENAME TO c; "
        "CREATE VIEW gpkg_contents AS SELECT * FROM c;",
    )
    with pytest.raises(LicenceError, match="gpkg_contents is a view"):
        read_geopackage(path)


def test_a_computed_column_is_not_computed(gpkg: WriteGpkg) -> None:
    path = gpkg()
    execute(path, "ALTER TABLE 采矿权 ADD COLUMN x AS (zeroblob(100000000));")
    with pytest.raises(LicenceError, match="cannot be read as a GeoPackage"):
        read_geopackage(path)


def test_edits_that_qgis_has_not_closed_yet_are_read(gpkg: WriteGpkg) -> None:
    path = gpkg()
    database = sqlite3.connect(path)
    for name in ("ST_IsEmpty", "ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY"):
        database.create_function(name, 1, lambda _: 0.0)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("UPDATE 采矿权 SET 许可证号 = 'C9' WHERE fid = 1")
    database.commit()
    try:
        found = read_geopackage(path)
    finally:
        database.close()
    assert found.parcels[0].number == "C9"
    assert any("-wal" in note for note in found.repairs)


@pytest.mark.parametrize(
    ("blob", "value"),
    [
        (None, "its geometry is nothing"),
        ("text", "its geometry is 'text'"),
        (b"GP", "a geometry of 2 bytes"),
        (b"XX\0\1" + bytes(4), "a geometry that begins with 58580001"),
        (b"GP\0\x11" + bytes(4), "its geometry is empty"),
        (
            b"GP\0\1" + bytes(4) + shapely.to_wkb(shapely.Point(1, 2)),
            "its geometry is a point",
        ),
        (
            b"GP\0\1" + bytes(4) + shapely.to_wkb(SQUARE)[:40],
            "a ring of 5 corners in 27 bytes",
        ),
        (
            b"GP\0\1" + bytes(4) + struct.pack("<BIII", 1, 3, 1, 2**32 - 1),
            "a ring of 4294967295 corners in 0 bytes",
        ),
        (b"GP\0\1" + bytes(4) + struct.pack("<BII", 1, 7, 1) * 9, "a collection"),
        (
            b"GP\0\1" + bytes(4) + struct.pack("<BII", 1, 6, 1) * 100_000,
            "its geometry is of type 6",
        ),
    ],
)
def test_a_bad_geometry_costs_its_parcel_only(
    gpkg: WriteGpkg, blob: object, value: str
) -> None:
    path = gpkg()
    database = sqlite3.connect(path)
    for name in ("ST_IsEmpty", "ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY"):
        database.create_function(name, 1, lambda _: 0.0)
    database.execute("UPDATE 采矿权 SET geom = ? WHERE fid = 2", (blob,))
    database.commit()
    database.close()
    found = read_geopackage(path)
    assert [parcel.number for parcel in found.parcels] == ["C3600001", "C3600003"]
    (refusal,) = found.refused
    assert value in refusal.value
    assert refusal.line == 2


def test_a_truncated_geopackage_is_refused(gpkg: WriteGpkg) -> None:
    path = gpkg()
    content = path.read_bytes()
    for share in (0.1, 0.3, 0.5, 0.9):
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(LicenceError, match=r"上报.gpkg"):
            read_geopackage(path)


def test_a_database_that_is_no_geopackage_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    execute(path, "CREATE TABLE JCTB (JCBH TEXT);")
    with pytest.raises(LicenceError, match="gpkg_contents is missing"):
        read_geopackage(path)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=30))
def test_no_damage_makes_the_geopackage_reader_fall(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    content = bytearray(sound_geopackage(tmp_path_factory))
    for place, value in changes:
        content[place % len(content)] = value
    assert_only_refusals(tmp_path_factory, "a.gpkg", bytes(content), read_geopackage)


SOUND: list[bytes] = []


def sound_geopackage(factory: pytest.TempPathFactory) -> bytes:
    if not SOUND:
        path = factory.mktemp("sound") / "a.gpkg"
        pyogrio.write_dataframe(frame(), path, driver="GPKG")
        SOUND.append(path.read_bytes())
    return SOUND[0]
