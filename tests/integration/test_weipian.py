"""The 卫片 forms: what other programs find in them, and what we read back ourselves."""

import hashlib
import io
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pyogrio
import pyproj
import pytest
import shapely
from PIL import Image
from sample_package import COUNTY, sample_package

from rsmonitor.errors import SettingsError
from rsmonitor.io.deliver.weipian.database import database_bytes, database_name
from rsmonitor.io.deliver.weipian.fields import (
    IMAGE_COLUMNS,
    PARCEL_COLUMNS,
    SHIPPED,
    FieldTable,
    read_field_table,
)
from rsmonitor.io.deliver.weipian.forms import write_weipian
from rsmonitor.io.deliver.weipian.parcels import Parcel, parcels_of
from rsmonitor.io.deliver.weipian.shapes import shapefile_parts, txt_parts
from rsmonitor.io.licences.reading import read_any
from rsmonitor.io.returns.evidence_database import read_evidence
from rsmonitor.records.alert import M2_PER_MU
from rsmonitor.records.case import Level
from rsmonitor.records.grid import Grid
from rsmonitor.records.package import Package
from rsmonitor.records.week import IsoWeek

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
TABLE = read_field_table()


@pytest.fixture(scope="module")
def package() -> Package:
    return sample_package(12, grid=XUNWU)


@pytest.fixture(scope="module")
def parcels(package: Package) -> tuple[Parcel, ...]:
    return parcels_of(package)


@pytest.fixture(scope="module")
def folder(package: Package, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forms")
    few = replace(package, dossiers=package.dossiers[:3], pages=0)
    write_weipian(folder, few)
    return folder


@pytest.fixture
def database(folder: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(folder / "360734寻乌县.db")) as connection:
        yield connection


def changed(tmp_path: Path, old: str, new: str) -> FieldTable:
    """Edit the table as a person would."""
    text = SHIPPED.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "fields.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return read_field_table(path)


def bare(package: Package) -> Package:
    """Take the images out, which take most of the time."""
    return replace(
        package, dossiers=tuple(replace(d, chips=()) for d in package.dossiers)
    )


# ------------------------------------------------------------------------ database


def test_the_tables_are_those_of_the_public_sample(
    database: sqlite3.Connection,
) -> None:
    def columns(table: str) -> dict[str, str]:
        rows = database.execute("SELECT name, type FROM pragma_table_info(?)", (table,))
        return dict(rows.fetchall())

    assert columns("JCTB") == PARCEL_COLUMNS
    assert columns("FJ") == IMAGE_COLUMNS
    keys = "SELECT name FROM pragma_table_info('JCTB') WHERE pk AND \"notnull\""
    assert database.execute(keys).fetchall() == [("JCBH",)]
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_row_says_what_the_alert_says(
    package: Package, database: sqlite3.Connection
) -> None:
    database.row_factory = sqlite3.Row
    rows = database.execute("SELECT * FROM JCTB").fetchall()
    assert len(rows) == 3
    for row, dossier in zip(rows, package.dossiers, strict=False):
        seen = dossier.alert.site.latest.disturbance
        assert row["XZQDM"] == COUNTY
        assert row["XMC"] == "寻乌县"
        assert row["JCMJ"] == pytest.approx(seen.area_m2 / M2_PER_MU, abs=0.005)
        before, after, _ = dossier.chips
        assert (row["QSX"], row["HSX"]) == (str(before.days[0]), str(after.days[0]))
        assert (row["XZB"], row["YZB"]) == (dossier.point.x, dossier.point.y)
        outline = shapely.from_wkt(row["TBFW"])
        assert outline.hausdorff_distance(seen.geometry) < 1e-7
        assert outline.contains(shapely.Point(row["XZB"], row["YZB"]))
        (point,) = json.loads(row["PZD"])
        assert (point["x"], point["y"]) == (row["XZB"], row["YZB"])
        assert dossier.alert.alert_id in row["BZ"]
        assert "只是问题线索" in row["BZ"]
        for empty in ("BGDL", "BGFW", "WBGLX", "JZRY"):
            assert row[empty] is None, "what the person on site fills in"


def test_images_are_pictures_and_join_to_their_parcels(
    package: Package, database: sqlite3.Connection
) -> None:
    rows = database.execute(
        "SELECT F_ID, FJMC, FJ, PSSJ, Longitude, metaRecord FROM FJ JOIN JCTB ON "
        "TBYBH = JCBH ORDER BY F_ID"
    ).fetchall()
    assert [row[0] for row in rows] == list(range(1, 10))
    assert [row[1].rpartition("_")[2] for row in rows[:3]] == [
        "before.png",
        "after.png",
        "evidence.png",
    ]
    day = package.dossiers[0].chips[0].days[0]
    for _, _, data, taken, lon, meta in rows:
        assert Image.open(io.BytesIO(data)).format == "PNG"
        assert taken == f"{day} 00:00:00"
        assert 115.4 < lon < 115.6
        assert json.loads(meta)["scenes"] == list(package.dossiers[0].chips[0].scenes)


def test_our_own_reader_of_such_databases_finds_parcels_photos_and_no_verdict(
    package: Package, database: sqlite3.Connection
) -> None:
    rows, notes = read_evidence(database, file="a.db")
    assert notes == []
    numbers = [row.fields["id"] for row in rows]
    assert numbers == [parcel.number for parcel in parcels_of(package)][:3]
    for row in rows:
        assert len(row.attachments) == 3
        assert {"verdict", "cause", "who"}.isdisjoint(row.fields), "nobody judged yet"


def test_a_number_is_an_alerts_own_and_stays(package: Package) -> None:
    numbers = [parcel.number for parcel in parcels_of(package)]
    assert len(set(numbers)) == len(numbers)
    later = replace(
        package, week=IsoWeek(year=2021, week=7), dossiers=package.dossiers[:2], pages=0
    )
    assert [parcel.number for parcel in parcels_of(later)] == numbers[:2]
    for number, dossier in zip(numbers, package.dossiers, strict=True):
        assert re.fullmatch(r"360734(2018|2019|2020)[A-Z2-7]{12}", number)
        assert f"a{number[-12:].lower()}" == dossier.alert.alert_id


def test_a_parcel_of_a_larger_area_is_of_its_county_there(package: Package) -> None:
    area = replace(package.area, code="3607", level=Level.PREFECTURE, name_zh="赣州市")
    for parcel in parcels_of(replace(package, area=area)):
        assert parcel.county_code == COUNTY
        assert parcel.county_name == "寻乌县"
        assert parcel.number.startswith(COUNTY)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("寻乌县", "360734寻乌县.db"),
        ("../../etc/passwd", "360734etcpasswd.db"),
        ("C:\\a\0b\n", "360734Cab.db"),
        ("=1+1", "36073411.db"),
        ("县" * 300, f"360734{'县' * 40}.db"),
    ],
)
def test_the_name_of_a_county_is_no_path(name: str, file: str) -> None:
    assert database_name("360734", name) == file
    assert len(file.encode()) < 200


def test_the_same_package_gives_the_same_bytes(
    package: Package, folder: Path, tmp_path: Path
) -> None:
    write_weipian(tmp_path, replace(package, dossiers=package.dossiers[:3], pages=0))

    def digests(of: Path) -> dict[str, str]:
        return {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in of.iterdir()
        }

    assert digests(tmp_path) == digests(folder)


def test_a_week_without_alerts_gives_whole_and_empty_forms(
    package: Package, tmp_path: Path
) -> None:
    write_weipian(tmp_path, replace(package, dossiers=(), pages=0))
    with closing(sqlite3.connect(tmp_path / "360734寻乌县.db")) as connection:
        assert connection.execute("SELECT count(*) FROM JCTB").fetchone() == (0,)
    frame = pyogrio.read_dataframe(tmp_path / "JCTB.shp")
    assert (len(frame), list(frame.columns[:2])) == (0, ["JCBH", "TBLX"])
    assert not list(tmp_path.glob("JCTB_*.txt"))


# ----------------------------------------------------------------------- shapefile


@pytest.mark.parametrize("encoding", ["UTF-8", "GBK"])
def test_gdal_reads_the_shapefile_in_cgcs2000(
    parcels: tuple[Parcel, ...], encoding: str, tmp_path: Path
) -> None:
    table = replace(TABLE, shapefile_encoding=encoding)
    day = IsoWeek(year=2020, week=40).last_day
    parts = shapefile_parts(parcels, table, day=day)
    assert sorted(parts) == [
        f"JCTB.{end}" for end in ("cpg", "dbf", "prj", "shp", "shx")
    ]
    for name, data in parts.items():
        (tmp_path / name).write_bytes(data)
    assert parts["JCTB.cpg"] == encoding.encode()
    frame = pyogrio.read_dataframe(tmp_path / "JCTB.shp")
    assert frame.crs == pyproj.CRS("EPSG:4490")
    assert list(frame.columns) == [*PARCEL_COLUMNS, "geometry"]
    assert all(len(name) <= 10 for name in PARCEL_COLUMNS)
    assert set(frame["XMC"]) == {"寻乌县"}
    assert all(word.startswith("疑似") for word in frame["TBLX"])
    for parcel, row in zip(parcels, frame.itertuples(), strict=True):
        assert parcel.number == row.JCBH
        assert shapely.equals(row.geometry, parcel.outline)
        assert pytest.approx(parcel.point.x, abs=1e-7) == row.XZB


def test_a_text_too_long_for_a_shapefile_is_cut_and_half_a_wkt_is_none(
    parcels: tuple[Parcel, ...], tmp_path: Path
) -> None:
    long = replace(
        parcels[0],
        outline=parcels[0].point.buffer(0.001, quad_segs=64),
        alert=replace(
            parcels[0].alert,
            verdict=replace(parcels[0].alert.verdict, licence_ids=("样例证号" * 60,)),
        ),
    )
    for name, data in shapefile_parts(
        [long], TABLE, day=IsoWeek(year=2020, week=40).last_day
    ).items():
        (tmp_path / name).write_bytes(data)
    (row,) = pyogrio.read_dataframe(tmp_path / "JCTB.shp").itertuples()
    assert row.TBFW is None
    assert 200 < len(row.TZ.encode()) <= 254
    assert row.TZ.startswith("疑似")
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(database_bytes([long], TABLE))
        (wkt,) = connection.execute("SELECT TBFW FROM JCTB").fetchone()
    assert shapely.from_wkt(wkt).area > 0, "the database has room for all of it"


# ----------------------------------------------------------------------------- TXT


@pytest.mark.parametrize("encoding", ["UTF-8", "GBK"])
def test_our_own_reader_reads_the_txt_of_both_zones_of_xunwu_back(
    parcels: tuple[Parcel, ...], encoding: str, tmp_path: Path
) -> None:
    texts, outside = txt_parts(parcels, replace(TABLE, txt_encoding=encoding))
    assert outside == ()
    assert sorted(texts) == ["JCTB_38.txt", "JCTB_39.txt"]
    read = {}
    for name, data in texts.items():
        (tmp_path / name).write_bytes(data)
        zone = int(name[5:7])
        found = read_any(tmp_path / name)
        assert found.refused == ()
        for licence, parcel in zip(found.licences, found.parcels, strict=True):
            read[licence.mine.rpartition(" ")[2]] = (zone, licence, parcel)
    assert len(read) == len(parcels)
    for parcel in parcels:
        zone, licence, understood = read[parcel.short_name]
        assert zone == (39 if parcel.point.x >= 115.5 else 38)
        assert licence.datum == "CGCS2000"
        # a millimetre, written to three decimals
        assert licence.geometry.hausdorff_distance(parcel.outline) < 2e-8
        assert understood.stated_area_m2 == pytest.approx(
            understood.computed_area_m2, abs=1.0
        )
        assert not [w for w in understood.warnings if "zone" in w]


def test_holes_are_rings_of_their_own_and_count_from_one(
    parcels: tuple[Parcel, ...],
) -> None:
    x, y = 115.65, 24.9
    ground = shapely.box(x, y, x + 0.002, y + 0.002)
    pond = shapely.box(x + 0.0005, y + 0.0005, x + 0.001, y + 0.001)
    holed = shapely.difference(ground, pond)
    assert isinstance(holed, shapely.Polygon)
    one = replace(parcels[0], outline=holed, point=shapely.Point(x + 0.0015, y))
    (text,) = txt_parts([one], replace(TABLE, txt_encoding="UTF-8"))[0].values()
    lines = text.decode().split("\r\n")
    corners = lines[lines.index("[地块坐标]") + 2 : -1]
    assert [corner.split(",")[:2] for corner in corners] == [
        [f"J{point}", ring] for ring in "12" for point in (1, 2, 3, 4, 1)
    ]
    for corner in corners:
        northing, easting = corner.split(",")[2:]
        assert re.fullmatch(r"27[0-9]{5}\.[0-9]{3}", northing)
        assert re.fullmatch(r"39[0-9]{6}\.[0-9]{3}", easting)


def test_outside_china_there_is_no_txt_and_the_note_says_which(
    tmp_path: Path,
) -> None:
    package = sample_package(2)
    write_weipian(tmp_path, bare(package))
    assert not list(tmp_path.glob("JCTB_*"))
    note = (tmp_path / "说明.txt").read_text(encoding="utf-8-sig")
    for parcel in parcels_of(package):
        assert parcel.number in note
    assert "无对应3度带" in note
    write_weipian(tmp_path, bare(sample_package(2, "en")))
    note = (tmp_path / "说明.txt").read_text(encoding="utf-8-sig")
    assert "no zones of 3 degrees" in note


# -------------------------------------------------------------------------- fields


def test_which_coordinate_is_x_is_a_line_in_a_file(
    package: Package, tmp_path: Path
) -> None:
    old = '[JCTB.XZB]\nfact = "longitude"'
    table = changed(tmp_path, old, '[JCTB.XZB]\nfact = "northing"')
    write_weipian(tmp_path, bare(package), table=table)
    with closing(sqlite3.connect(tmp_path / "360734寻乌县.db")) as connection:
        rows = connection.execute("SELECT XZB, TBFW FROM JCTB").fetchall()
    for northing, wkt in rows:
        latitude = shapely.from_wkt(wkt).centroid.y
        assert northing == pytest.approx(latitude * 110_780, rel=1e-3)
    abroad = parcels_of(sample_package(1))
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(database_bytes(abroad, table))
        rows = connection.execute("SELECT XZB FROM JCTB").fetchall()
    assert rows == [(None,)], "no zone, no northing"


def test_units_are_lines_in_a_file_too(package: Package, tmp_path: Path) -> None:
    table = changed(tmp_path, 'unit = "mu"', 'unit = "m2"')
    parcels = parcels_of(bare(package))
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(database_bytes(parcels, table))
        rows = connection.execute("SELECT JCMJ FROM JCTB").fetchall()
    assert [area for (area,) in rows] == [
        pytest.approx(p.alert.site.latest.disturbance.area_m2, abs=0.05)
        for p in parcels
    ]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('fact = "area"', 'fact = "size"', "JCTB.JCMJ.fact must be one of"),
        ('fact = "area"', 'fact = "remark"', "JCTB.JCMJ.fact must be one of"),
        ('unit = "mu"', 'unit = "acre"', "mu, m2, hectare, km2, got 'acre'"),
        ('status = "confirmed"', 'status = "sure"', "confirmed or unconfirmed"),
        ("[JCTB.TZ]", "[JCTB.TZZ]", "unknown keys 'TZZ'"),
        ("schema = 1", "schema = 2", "schema must be 1"),
        ('txt_encoding = "GBK"', 'txt_encoding = "ANSI"', "txt_encoding must be"),
        ('[JCTB.JCBH]\nfact = "parcel_number"', '[JCTB.JCBH]\nfact = "tier"', "apart"),
        ('fact = "findings"', 'fact = "image"', "JCTB.TZ.fact must be one of"),
        ("schema = 1", "schema = ", "cannot be read"),
    ],
)
def test_a_table_that_no_form_can_hold_is_refused(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    with pytest.raises(SettingsError, match=re.escape(complaint)):
        changed(tmp_path, old, new)


def test_beside_the_forms_lies_what_is_not_confirmed(folder: Path) -> None:
    text = (folder / "字段说明.csv").read_text(encoding="utf-8-sig")
    assert len(text.splitlines()) == 1 + len(PARCEL_COLUMNS) + len(IMAGE_COLUMNS)
    for table, rules in (("JCTB", TABLE.parcels), ("FJ", TABLE.images)):
        for field, rule in rules.items():
            assert f"{table},{field},{rule.fact},{rule.unit},{rule.status}," in text
