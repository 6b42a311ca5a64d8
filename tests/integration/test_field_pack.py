"""The field pack as its readers open it: paper, phone, receiver, table, import."""

import csv
import io
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pyogrio
import pytest
import shapely
import zxingcpp
from deliveries import ROMANIA
from PIL import Image
from sample_package import sample_package
from shapely import Point

from rsmonitor.io.deliver.field.pack import FILES, write_field_pack
from rsmonitor.io.deliver.field.sheets import code_png
from rsmonitor.io.deliver.field.tables import ANSWERS, choices, sites_table
from rsmonitor.io.deliver.field.visits import Plan, plan_of
from rsmonitor.io.deliver.tables import NOT_MEASURED
from rsmonitor.io.returns.columns import (
    FINDING_FIELDS,
    cause_in,
    judgement_in,
    kind_in,
    named,
)
from rsmonitor.io.returns.findings import Understood, understand
from rsmonitor.io.returns.reading import open_returns
from rsmonitor.records.alert import NOTICE
from rsmonitor.records.disturbance import Cause
from rsmonitor.records.event import EventKind
from rsmonitor.records.finding import Judgement
from rsmonitor.records.package import Dossier, Package, Reason

XUNWU = replace(ROMANIA, crs="EPSG:32650", left=365_000.0, top=2_760_000.0)
"""The synthetic ground, laid into the county for which it speaks."""

EVIL = '=cmd|"/c x"!A1]]><script>alert(1)</script>$[id]\x07\u202e\n"\'&<b>'
"""Formula, CDATA's end, script, a globe's entity, controls, markup."""

SCHEMAS = (
    "http://www.opengis.net/kml/2.2",
    "http://www.topografix.com/GPX/1/1",
    "http://schemas.openxmlformats.org/",
    "http://purl.org/dc/",
    "http://www.w3.org/",
    "http://ns.adobe.com/",
)
SITES = 4


def evil(dossier: Dossier) -> Dossier:
    said = (Reason(zh=EVIL, en=EVIL),)
    return replace(dossier, reasons=said, look_for=said)


def hostile_package(**changes: Any) -> Package:  # noqa: ANN401 - fields of a record
    package = sample_package(SITES, name=EVIL, grid=XUNWU, change=evil)
    licences = tuple(
        replace(licence, licence_id=f"{EVIL}{place}", holder=EVIL * 50)
        for place, licence in enumerate(package.register.licences)
    )
    register = replace(package.register, licences=licences)
    area = replace(package.area, name_en=EVIL, bureau=EVIL)
    return replace(package, register=register, area=area, **changes)


@pytest.fixture(scope="module")
def package() -> Package:
    return replace(sample_package(SITES, grid=XUNWU), visit_start=Point(115.66, 24.94))


@pytest.fixture(scope="module")
def plan(package: Package) -> Plan:
    return plan_of(package)


@pytest.fixture(scope="module")
def pack(package: Package, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("field")
    write_field_pack(folder, package)
    return folder


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    write_field_pack(folder, hostile_package(language="en", map_links=True))
    return folder


# ---------------------------------------------------------------------------- all files


def test_three_files_lead_and_the_same_package_gives_the_same_bytes(
    package: Package, pack: Path, tmp_path: Path
) -> None:
    names = sorted(path.name for path in pack.iterdir())
    assert names == list(FILES)
    assert names[:3] == ["1-sheets.pdf", "2-sites.kmz", "3-sites.xlsx"]
    write_field_pack(tmp_path, package)
    for name in names:
        assert (tmp_path / name).read_bytes() == (pack / name).read_bytes(), name


@pytest.mark.parametrize("which", ["pack", "hostile"])
def test_no_file_points_anywhere_outside_itself(
    which: str, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(which)
    for name, content in parts(folder):
        text = content.decode("utf-8", errors="replace")
        found = set(re.findall(r"(?:https?|ftp|file)://[^\s\"'<>]+", text))
        # names of schemas, which nothing fetches
        named_only = {url for url in found if url.startswith(SCHEMAS)}
        assert found == named_only, name
        if name.endswith(".rels"):
            assert "External" not in text


def test_every_file_that_is_read_carries_the_notice(pack: Path) -> None:
    chinese = NOTICE.partition("Satellite")[0]
    shown = {name for name, content in parts(pack) if chinese.encode() in content}
    for name in ("README.txt", "corners.txt", "sites.csv", "sites.gpx"):
        assert name in shown
    assert "2-sites.kmz/doc.kml" in shown
    assert "3-sites.xlsx/xl/worksheets/sheet2.xml" in shown


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_week_without_sites_is_a_pack_too(tmp_path: Path, language: Any) -> None:  # noqa: ANN401 - a literal
    empty = sample_package(0, language)
    write_field_pack(tmp_path, empty)
    assert sorted(path.name for path in tmp_path.iterdir()) == list(FILES)
    assert len(table(tmp_path / "sites.csv")) == 0


# ------------------------------------------------------------------------------- sheets


@pytest.mark.needs_program("pdftotext", "poppler-utils")
def test_a_sheet_says_where_in_every_notation(pack: Path, plan: Plan) -> None:
    pages = pdf_pages(pack / "1-sheets.pdf")
    assert len(pages) == 1 + SITES
    for visit, page in zip(plan.visits, pages[1:], strict=True):
        grid, web = visit.grid, visit.web_map
        assert grid is not None
        assert web is not None
        for said in (
            *(visit.name, visit.dossier.alert.alert_id, "寻乌县"),
            *(visit.latitude, visit.longitude),
            *(visit.dms_latitude, visit.dms_longitude),
            *("EPSG:4527", f"{grid.northing_m:.2f}", f"{grid.easting_m:.2f}"),
            *("北坐标 X", "东坐标 Y", "GCJ-02", f"{web.y:.6f}", f"{web.x:.6f}"),
            *("核查结果", "签字", "合法", "疑似违法", "伪变化"),
        ):
            assert said in page, said
        assert visit.dossier.alert.site.latest.disturbance.geometry.contains(
            Point(float(visit.longitude), float(visit.latitude))
        )


@pytest.mark.needs_program("pdftotext", "poppler-utils")
def test_a_place_outside_china_has_no_chinese_notation(tmp_path: Path) -> None:
    write_field_pack(tmp_path, sample_package(1))
    page = pdf_pages(tmp_path / "1-sheets.pdf")[1]
    assert page.count("不适用") == 5
    (row,) = table(tmp_path / "sites.csv")
    assert row["gcj02_latitude"] == row["northing_x"] == "不适用"


@pytest.mark.needs_program("pdftotext", "poppler-utils")
def test_words_of_strangers_stay_words_on_their_own_sheet(hostile: Path) -> None:
    pages = pdf_pages(hostile / "1-sheets.pdf")
    assert len(pages) == 1 + SITES
    assert all("<script>alert(1)" in page for page in pages)
    assert not any("\u202e" in page or "\x07" in page for page in pages)


@pytest.mark.needs_program("pdftoppm", "poppler-utils")
def test_the_codes_on_paper_are_read_by_a_camera(
    package: Package, tmp_path: Path
) -> None:
    linked = replace(package, map_links=True)
    write_field_pack(tmp_path, linked)
    visit = plan_of(linked).visits[0]
    plain = f"{visit.latitude},{visit.longitude} WGS84 {visit.name}"
    opening = (
        f"https://uri.amap.com/marker?position={visit.longitude},{visit.latitude}"
        f"&coordinate=wgs84&name={visit.name}"
    )
    assert codes(tmp_path) == {plain, opening}
    write_field_pack(tmp_path, package)
    assert codes(tmp_path) == {plain}


def test_a_code_with_a_drop_of_mud_is_still_read() -> None:
    image = np.array(Image.open(io.BytesIO(code_png("24.9,115.6 WGS84 ABCDEF"))))
    side = len(image)
    muddy = image.copy()
    muddy[side // 2 : side // 2 + side // 9, side // 2 : side // 2 + side // 9] = True
    assert (muddy != image).any()
    (found,) = zxingcpp.read_barcodes(muddy.astype(np.uint8) * 255)
    assert found.text == "24.9,115.6 WGS84 ABCDEF"


@pytest.mark.needs_program("pdfinfo", "poppler-utils")
@pytest.mark.parametrize("which", ["pack", "hostile"])
def test_no_sheet_links_anywhere(which: str, request: pytest.FixtureRequest) -> None:
    sheets = request.getfixturevalue(which) / "1-sheets.pdf"
    told = run("pdfinfo", "-url", str(sheets))
    assert "http" not in told
    assert b"/URI" not in sheets.read_bytes()


# ---------------------------------------------------------------------------------- kmz


def test_the_archive_is_whole_and_opens_in_gdal(pack: Path, plan: Plan) -> None:
    with zipfile.ZipFile(pack / "2-sites.kmz") as packed:
        names = packed.namelist()
        root = ET.fromstring(packed.read("doc.kml"))  # noqa: S314 - our own
    assert names[0] == "doc.kml"
    assert all(re.fullmatch(r"doc\.kml|files/[a-z0-9-]+\.png", name) for name in names)
    text = ET.tostring(root, encoding="unicode")
    used = set(re.findall(r"files/[a-z0-9-]+\.png", text))
    assert used == set(names) - {"doc.kml"}
    layers = [name for name, _ in pyogrio.list_layers(pack / "2-sites.kmz")]
    points = pyogrio.read_dataframe(pack / "2-sites.kmz", layer=layers[1])
    outlines = pyogrio.read_dataframe(pack / "2-sites.kmz", layer=layers[2])
    assert list(points["Name"]) == [f"{v.number} {v.name}" for v in plan.visits]
    assert list(points["visit"].astype(int)) == list(range(1, SITES + 1))
    for point, outline, visit in zip(
        points.geometry, outlines.geometry, plan.visits, strict=True
    ):
        assert outline.contains(shapely.force_2d(point))
        assert point.distance(visit.dossier.point) < 1e-7
    (way,) = pyogrio.read_dataframe(pack / "2-sites.kmz", layer=layers[0]).geometry
    assert len(way.coords) == SITES + 2  # from the start and back


def test_balloons_hold_nothing_that_runs(hostile: Path) -> None:
    with zipfile.ZipFile(hostile / "2-sites.kmz") as packed:
        raw = packed.read("doc.kml")
    assert b"CDATA" not in raw
    root = ET.fromstring(raw)  # noqa: S314 - our own
    spoken = 0
    for node in root.iter("{http://www.opengis.net/kml/2.2}description"):
        seen = Tags()
        seen.feed(node.text or "")
        assert seen.tags <= {
            *("h2", "table", "tr", "td", "p", "br", "img", "b", "ul", "li")
        }
        assert all(re.fullmatch(r"files/[a-z0-9-]+\.png", src) for src in seen.sources)
        assert "$[" not in (node.text or "")
        spoken += "<script>alert(1)</script>" in seen.said
    assert spoken >= 2 * SITES


def test_a_receiver_gets_waypoints_and_the_round(pack: Path, plan: Plan) -> None:
    points = pyogrio.read_dataframe(pack / "sites.gpx", layer="waypoints")
    assert list(points["name"]) == [f"{v.number} {v.name}" for v in plan.visits]
    assert [(p.x, p.y) for p in points.geometry] == [
        (v.dossier.point.x, v.dossier.point.y) for v in plan.visits
    ]
    (way,) = pyogrio.read_dataframe(pack / "sites.gpx", layer="routes").geometry
    assert len(way.coords) == SITES + 2


# ------------------------------------------------------------------------------- tables


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_word_that_a_cell_offers_is_read_back(language: Any) -> None:  # noqa: ANN401 - a literal
    assert [judgement_in(w) for w in choices("verdict", language)] == list(Judgement)
    assert [cause_in(w) for w in choices("cause", language)] == list(Cause)
    assert [kind_in(w) for w in choices("kind", language)] == [
        EventKind.INSPECTED,
        EventKind.TRIAGED,
    ]
    for key in ("verdict", "cause", "kind"):
        words = choices(key, language)
        assert not any("," in word for word in words)
        assert len(",".join(words)) <= 253  # what a list in a cell may hold


def test_the_heads_are_those_that_come_back(pack: Path, hostile: Path) -> None:
    for folder in (pack, hostile):
        sheet = openpyxl.load_workbook(folder / "3-sites.xlsx").worksheets[0]
        heads = [str(cell.value) for cell in sheet[1]]
        found = named(heads, FINDING_FIELDS)
        assert found.keys() == FINDING_FIELDS.keys() - {"imagery"}
        assert [heads.index(found[key]) for key in ("verdict", "cause")] == [2, 3]
        unlocked = {
            str(sheet.cell(1, cell.column).value)
            for cell in sheet[2]
            if not cell.protection.locked
        }
        assert unlocked == set(found.values()) - {found["id"]}
        assert sheet.protection.sheet
        assert sheet.protection.password is None
        assert sheet.freeze_panes == "C2"


def test_no_cell_is_a_formula_whatever_column_it_is_in(hostile: Path) -> None:
    book = openpyxl.load_workbook(hostile / "3-sites.xlsx")
    cells = [c for sheet in book for row in sheet.iter_rows() for c in row]
    assert "f" not in {cell.data_type for cell in cells}
    assert any(str(cell.value).startswith("=cmd") for cell in cells)
    for row in table(hostile / "sites.csv"):
        for key, said in row.items():
            assert not said.startswith(("=", "+", "-", "@", "\t", "\r")), key
    heads = table(hostile / "sites.csv")[0]
    assert heads["county"].startswith("'=cmd")


def test_the_table_holds_every_site_with_the_number_of_its_visit(
    pack: Path, plan: Plan
) -> None:
    assert (pack / "sites.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    rows = table(pack / "sites.csv")
    assert [row["visit"] for row in rows] == [str(n) for n in range(1, SITES + 1)]
    assert sorted(row["place"] for row in rows) == [str(n) for n in range(1, SITES + 1)]
    for row, visit in zip(rows, plan.visits, strict=True):
        assert row["alert_id"] == visit.dossier.alert.alert_id
        assert float(row["latitude"]) == float(visit.latitude)
        assert row["easting_y"].startswith("39")
        assert all(row[key] == "" for key in ANSWERS)
    assert NOT_MEASURED not in (pack / "sites.csv").read_text("utf-8-sig")
    assert len(sites_table(plan).rows) == SITES


@pytest.mark.parametrize("name", ["3-sites.xlsx", "sites.csv"])
def test_what_is_filled_in_comes_back_and_the_rest_is_passed_over(
    pack: Path, plan: Plan, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    shutil.copy(pack / name, path)
    fill(path)
    came, notes = read_back(path, plan)
    assert came.refused == ()
    (said,) = came.said
    assert said.finding.judgement is Judgement.PSEUDO_CHANGE
    assert said.finding.cause is Cause.CLEAR_CUT
    assert said.finding.kind is EventKind.INSPECTED
    assert said.finding.judged_by == "王五"
    assert said.finding.judged_on == date(2020, 10, 6)
    assert any(f"{SITES - 1} rows name a site and nothing else" in n for n in notes)


def test_a_row_with_a_name_but_no_verdict_is_refused_not_passed_over(
    pack: Path, plan: Plan, tmp_path: Path
) -> None:
    path = tmp_path / "3-sites.xlsx"
    shutil.copy(pack / "3-sites.xlsx", path)
    book = openpyxl.load_workbook(path)
    book.worksheets[0].cell(2, 5).value = "王五"
    book.save(path)
    came, _ = read_back(path, plan)
    assert len(came.refused) == 1
    assert came.said == ()


@pytest.mark.needs_program("soffice", "libreoffice-calc")
def test_lists_survive_another_office(pack: Path, plan: Plan, tmp_path: Path) -> None:
    path = tmp_path / "3-sites.xlsx"
    shutil.copy(pack / "3-sites.xlsx", path)
    fill(path)
    out = tmp_path / "out"
    profile = (tmp_path / "profile").as_uri()
    run(
        *("soffice", f"-env:UserInstallation={profile}", "--headless"),
        *("--convert-to", "xlsx", "--outdir", str(out), str(path)),
    )
    sheet = openpyxl.load_workbook(out / "3-sites.xlsx").worksheets[0]
    offered = {
        str(each.formula1).strip('"')
        for each in sheet.data_validations.dataValidation
        if each.type == "list"
    }
    assert offered == {
        ",".join(choices(key, "zh")) for key in ("verdict", "cause", "kind")
    }
    assert sheet.protection.sheet
    came, _ = read_back(out / "3-sites.xlsx", plan)
    assert [said.finding.cause for said in came.said] == [Cause.CLEAR_CUT]


def test_the_corners_close_and_cover_the_area_of_the_site(
    pack: Path, plan: Plan
) -> None:
    text = (pack / "corners.txt").read_text("utf-8-sig")
    lines = [line.split("\t") for line in text.splitlines() if line[0] != "#"]
    assert lines[0][-4:] == ["北坐标X", "东坐标Y", "经度", "纬度"]
    for visit in plan.visits:
        rows = [row for row in lines[1:] if row[1] == visit.name]
        rings: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for row in rows:
            assert row[6] == "4527"
            rings.setdefault((row[3], row[4]), []).append(
                (float(row[8]), float(row[7]))
            )
        assert all(ring[0] == ring[-1] for ring in rings.values())
        area = sum(
            shapely.Polygon(ring).area * (1 if place[1] == "0" else -1)
            for place, ring in rings.items()
        )
        seen = visit.dossier.alert.site.latest.disturbance
        # a zone stretches by 1e-4, and corners are written to a centimetre
        assert area == pytest.approx(seen.area_m2, rel=2e-3)


# ------------------------------------------------------------------------------ helpers


class Tags(HTMLParser):
    """Collect what a balloon is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.sources: list[str] = []
        self.said = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            assert name in {"src", "width"}
            if name == "src":
                self.sources.append(value or "")

    def handle_data(self, data: str) -> None:
        self.said += data


def parts(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Give every file, and what is inside the archives."""
    for path in sorted(folder.iterdir()):
        yield path.name, path.read_bytes()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                for name in packed.namelist():
                    yield f"{path.name}/{name}", packed.read(name)


def table(path: Path) -> list[dict[str, str]]:
    """Read a CSV."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def fill(path: Path) -> None:
    """Fill in one site, as a person would."""
    answers = ("伪变化", "林木采伐", "王五", "2020-10-06", "外业核查")
    if path.suffix == ".csv":
        rows = list(csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline="")))
        rows[2][2:7] = answers
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            csv.writer(file).writerows(rows)
        return
    book = openpyxl.load_workbook(path)
    for column, said in enumerate(answers, start=3):
        book.worksheets[0].cell(3, column).value = said
    book.save(path)


def read_back(path: Path, plan: Plan) -> tuple[Understood, tuple[str, ...]]:
    """Read a table as the import does."""
    known = {
        each.dossier.alert.alert_id: each.dossier.alert.site.site_id
        for each in plan.visits
    }
    with open_returns(path, fields=FINDING_FIELDS) as file:
        came = understand(file, known=known, who=None, today=date(2020, 12, 1))
        return came, file.notes


def run(*command: str) -> str:
    """Run a program."""
    done = subprocess.run(command, check=True, capture_output=True, timeout=120)  # noqa: S603 - our own words
    return done.stdout.decode()


def pdf_pages(path: Path) -> list[str]:
    """Read the text of a PDF page by page."""
    return run("pdftotext", "-layout", str(path), "-").split("\f")[:-1]


def codes(folder: Path) -> set[str]:
    """Read the codes on the first sheet from its picture."""
    picture = folder / "page"
    run(
        *("pdftoppm", "-r", "150", "-f", "2", "-l", "2", "-gray", "-png"),
        *("-singlefile", str(folder / "1-sheets.pdf"), str(picture)),
    )
    image = np.array(Image.open(picture.with_suffix(".png")))
    return {found.text for found in zxingcpp.read_barcodes(image)}
