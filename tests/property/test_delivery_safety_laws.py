"""What strangers write into a register or into settings runs nowhere, breaks nothing.

Every writer gets packages whose every text is hostile; every file that it leaves is
opened as its reader would open it, whatever it is packed in.
"""

import csv
import io
import json
import re
import sqlite3
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import cache
from importlib import import_module
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree as ET

import pyogrio
import pytest
from deliveries import result_of, synthetic_evidence
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook
from sample_package import sample_package

from rsmonitor.io.deliver.geojson import alerts_collection, dumps
from rsmonitor.io.deliver.geopackage import write_geopackage
from rsmonitor.io.deliver.handheld import write_gpx, write_kml
from rsmonitor.io.deliver.report_tables import alerts_table
from rsmonitor.io.deliver.stac import write_stac
from rsmonitor.io.deliver.tables import FORMULA_STARTS, csv_bytes, xlsx
from rsmonitor.io.deliver.weipian.forms import write_weipian
from rsmonitor.records.grid import Grid
from rsmonitor.records.licence import Licence
from rsmonitor.records.package import Dossier, Package, Reason
from rsmonitor.records.run import RunResult

Write = Callable[[Path, Package], object]

XUNWU = Grid(
    crs="EPSG:32650",
    left=348_060.0,
    top=2_760_750.0,
    pixel_width=10.0,
    pixel_height=10.0,
    height=100,
    width=100,
)

LURES = (
    "=HYPERLINK(0)",
    "+1+1",
    "-2+3",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\uff1d1\uff0b1",
    "\uff20SUM(1)",
    "\x00=1",
    "a\r\n[地块坐标]\r\nJ1,1,0,0",
    "a\u2028J1,1,0,0\u0085J2,1,0,0\x0bJ3",
    "甲,乙,面,,,,@\nJ9,9,1,2",
    "../../etc/passwd",
    "..\\..\\windows",
    "C:\\con",
    "/etc/passwd",
    "nul\x00.txt",
    "<script>alert(1)</script>",
    "]]><x>&#0;&lt;",
    "\ufffe\x01\x1f",
    "甲'; DROP TABLE JCTB; --",
    "\u202etxt.exe",
)
hostile = st.lists(st.sampled_from(LURES), min_size=1, max_size=2).map("".join)
texts = st.lists(hostile, min_size=1, max_size=5).map(cycle)

# a member of a package is one zip or several, which are opened again
few = settings(max_examples=max(1, settings.default.max_examples // 10))


@cache
def clean_result() -> RunResult:
    return result_of(synthetic_evidence(XUNWU), grid=XUNWU)


@cache
def clean_package() -> Package:
    return sample_package(2, grid=XUNWU)


def poisoned(text: Callable[[], str], *, images: bool = False) -> Package:
    """Give a package whose every text comes from a stranger."""

    def change(dossier: Dossier) -> Dossier:
        alert = dossier.alert
        verdict = replace(
            alert.verdict,
            licence_ids=(text(), text()),
            warnings=(text(),),
            parts=tuple(
                replace(
                    part,
                    licence_ids=(text(),),
                    restrictions=(text(),),
                    clause=text(),
                    clause_zh=text(),
                )
                for part in alert.verdict.parts
            ),
        )
        provenance = replace(alert.provenance, scenes=(text(),), model_id=text())
        return replace(
            dossier,
            alert=replace(alert, verdict=verdict, provenance=provenance, bureau=text()),
            reasons=(Reason(zh=text(), en=text()),),
            look_for=(Reason(zh=text(), en=text()),),
            chips=tuple(
                replace(chip, scenes=(text(),)) for chip in dossier.chips if images
            ),
        )

    def licence(one: Licence) -> Licence:
        return replace(
            one,
            licence_id=text(),
            holder=text(),
            mine=text(),
            issuer=text(),
            status=text(),
            minerals=(text(),),
        )

    package = clean_package()
    return replace(
        package,
        dossiers=tuple(map(change, package.dossiers)),
        area=replace(package.area, name_zh=text(), name_en=text(), bureau=text()),
        register=replace(
            package.register, licences=tuple(map(licence, package.register.licences))
        ),
        names={"360734": text(), "441426": text()},
        notes=(Reason(zh=text(), en=text()),),
    )


def run_of(package: Package) -> RunResult:
    """Give the same as a run has it."""
    return replace(
        clean_result(),
        alerts=tuple(d.alert for d in package.dossiers),
        register=package.register,
    )


def alerts_of(package: Package) -> list[Any]:
    return [dossier.alert for dossier in package.dossiers]


def table_xlsx(package: Package) -> bytes:
    return xlsx(
        [alerts_table(alerts_of(package))],
        heading=package.area.name_zh,
        remarks=[package.area.bureau],
    )


WRITERS: dict[str, Write] = {
    "geojson": lambda folder, p: (folder / "a.geojson").write_bytes(
        dumps(alerts_collection(run_of(p)))
    ),
    "csv": lambda folder, p: (folder / "a.csv").write_bytes(
        csv_bytes([alerts_table(alerts_of(p))])
    ),
    "xlsx": lambda folder, p: (folder / "a.xlsx").write_bytes(table_xlsx(p)),
    "kml": lambda folder, p: (folder / "a.kml").write_bytes(
        write_kml(alerts_of(p), invented=True)
    ),
    "gpx": lambda folder, p: (folder / "a.gpx").write_bytes(
        write_gpx(alerts_of(p), invented=True)
    ),
    "geopackage": lambda folder, p: write_geopackage(folder / "a.gpkg", run_of(p)),
    "weipian": write_weipian,
    "stac": write_stac,
}
"""What is written of a package, by name, in a moment."""

LATER = {
    "report": ("report.pages", "write_report"),
    "field": ("field.pack", "write_field_pack"),
    "triage": ("triage.file", "write_triage"),
}
"""Module and function of the writers that take seconds."""


# ------------------------------------------------------------------- what is looked at


def files_in(folder: Path) -> Iterator[tuple[str, bytes]]:
    """List all files, those in archives too; archives must be safe to unpack."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield from unpacked(path.relative_to(folder).as_posix(), path.read_bytes())


def unpacked(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    require_safe([name])
    yield name, data
    if data.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            require_safe(archive.namelist())
            for member in archive.namelist():
                yield from unpacked(f"{name}/{member}", archive.read(member))


def require_safe(names: Iterable[str]) -> None:
    """Names of files lead nowhere but into the folder that they are unpacked to."""
    names = list(names)
    folded = [name.casefold() for name in names]
    assert len(set(folded)) == len(folded), "two would be one file on Windows"
    for name in names:
        assert not name.startswith("/"), name
        assert not re.search(r'[\\:*?"<>|\x00-\x1f\x7f\u202a-\u202e]', name), repr(name)
        assert ".." not in name.split("/"), name
        assert not re.match(r"^[A-Za-z]:", name), name
        for part in name.split("/"):
            assert part.rstrip(". ") == part, f"Windows drops the end of {part!r}"


def require_inert(cell: object) -> None:
    """A text begins with nothing that a spreadsheet runs; a number is none."""
    if not isinstance(cell, str) or re.fullmatch(r"[+-][0-9]+(\.[0-9]+)?", cell):
        return
    assert not cell.startswith(FORMULA_STARTS), repr(cell)


def look_at(name: str, data: bytes) -> None:
    """Open a file as its reader would."""
    end = name.rpartition(".")[2].lower()
    if end == "csv":
        text = data.decode("utf-8-sig")
        for row in csv.reader(io.StringIO(text, newline="")):
            for cell in row:
                require_inert(cell)
    elif end == "xlsx":
        look_at_workbook(data)
    elif end in {"kml", "gpx", "xml", "qgs", "qml", "rels"}:
        ET.fromstring(data)  # noqa: S314 - our own
    elif end in {"json", "geojson"}:
        json.loads(data.decode())
    elif end in {"gpkg", "db"}:
        look_at_database(data, cells=end == "db")
    elif name.startswith("JCTB_"):
        look_at_txt(data.decode("gbk"))
    elif end == "pdf":
        assert data.startswith(b"%PDF")
        assert b"/JavaScript" not in data
        assert b"/Launch" not in data


def look_at_workbook(data: bytes) -> None:
    for sheet in load_workbook(io.BytesIO(data)).worksheets:
        for row in sheet.iter_rows():
            for cell in row:
                assert cell.data_type != "f", repr(cell.value)
                assert cell.hyperlink is None or not str(
                    cell.hyperlink.target
                ).casefold().startswith(("javascript:", "file:"))
                if isinstance(cell.value, str) and cell.value.startswith(
                    FORMULA_STARTS
                ):
                    assert cell.quotePrefix, f"an edit would run {cell.value!r}"


def look_at_database(data: bytes, *, cells: bool) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(data)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        if cells:
            for table in ("JCTB", "FJ"):
                for row in connection.execute(f"SELECT * FROM {table}"):  # noqa: S608
                    for cell in row:
                        require_inert(cell)


CORNER = re.compile(r"J[0-9]+,[0-9]+,[0-9]{7}\.[0-9]{3},[0-9]{8}\.[0-9]{3}")
HEADING = re.compile(r"[0-9]+,[0-9]+\.[0-9]{4},[0-9A-Z]+,[^,@]*,面,,,,@")


def look_at_txt(text: str) -> None:
    """Every line is one that the format knows, and there are no more than announced."""
    lines = text.split("\r\n")
    start = lines.index("[地块坐标]")
    assert lines[0] == "[属性描述]"
    assert len(lines[1:start]) == 9
    assert [line for line in lines if line.startswith("[")] == [lines[0], "[地块坐标]"]
    announced = corners = 0
    for line in lines[start + 1 : -1]:
        assert len(line.splitlines()) == 1, repr(line)
        if CORNER.fullmatch(line):
            corners += 1
        else:
            assert HEADING.fullmatch(line), repr(line)
            announced += int(line.split(",")[0])
    assert corners == announced > 0


def look_at_shapefile(folder: Path) -> None:
    for path in folder.rglob("*.shp"):
        frame = pyogrio.read_dataframe(path)
        for cell in frame.drop(columns="geometry").to_numpy().ravel():
            require_inert(cell)


# ---------------------------------------------------------------------------- the laws


@pytest.mark.parametrize("form", WRITERS)
@few
@given(words=texts)
def test_what_a_stranger_wrote_runs_nowhere_and_breaks_nothing(
    form: str, words: Iterator[str]
) -> None:
    package = poisoned(lambda: next(words))
    with TemporaryDirectory() as name:
        folder = Path(name)
        WRITERS[form](folder, package)
        files = list(files_in(folder))
        assert files
        for inside, content in files:
            look_at(inside, content)
        look_at_shapefile(folder)


@pytest.mark.parametrize("form", LATER)
def test_nor_in_the_files_that_take_longer_to_make(form: str, tmp_path: Path) -> None:
    module, function = LATER[form]
    write = getattr(import_module(f"rsmonitor.io.deliver.{module}"), function)
    lures = cycle(LURES)
    package = poisoned(lambda: next(lures), images=True)
    if form == "report":
        (tmp_path / "report.pdf").write_bytes(write(package))
    else:
        write(tmp_path, package)
    files = list(files_in(tmp_path))
    assert files
    for inside, content in files:
        look_at(inside, content)


@few
@given(text=hostile)
def test_the_laws_would_notice(text: str) -> None:
    if text.startswith(FORMULA_STARTS):
        with pytest.raises(AssertionError):
            require_inert(text)
    if re.search(r"[/\\]", text):
        with pytest.raises(AssertionError):
            require_safe([f"/{text}"])
    if "\n" in text:
        good = "[属性描述]\r\n" + "a=1\r\n" * 9 + "[地块坐标]\r\n"
        with pytest.raises(AssertionError):
            look_at_txt(f"{good}1,0.1000,A1,{text},面,,,,@\r\n")
