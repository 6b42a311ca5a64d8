"""Files that come back from people, as small as they can be and still be real."""

import io
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from PIL import ExifTags, Image
from sightings import sighting, site, square

from rsmonitor.io.stores.ledger import SqliteLedger
from rsmonitor.records.run import RunCommit, RunRecord
from rsmonitor.records.site import Site, SiteState
from rsmonitor.records.week import IsoWeek

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
"""The 24th in Shanghai too."""

HEAD = (
    "图斑编号",
    "核查结果",
    "伪变化原因",
    "影像",
    "核查人",
    "核查日期",
    "照片",
    "备注",
)

EVIDENCE_SCHEMA = """
CREATE TABLE 'JCTB'('JCBH' TEXT NOT NULL PRIMARY KEY,'TBLX' TEXT,'XZQDM' TEXT,
 'XMC' TEXT,'JCMJ' REAL,'QSX' TEXT,'HSX' TEXT,'XZB' REAL,'YZB' REAL,'TZ' TEXT,
 'PZD' TEXT,'BGDL' TEXT,'BGFW' TEXT,'WBGLX' TEXT,'BZ' TEXT,'JZRY' TEXT,'TBFW' TEXT);
CREATE TABLE 'FJ'('F_ID' INTEGER PRIMARY KEY AUTOINCREMENT,'TCBM' TEXT,'TBYBH' TEXT,
 'XZQDM' TEXT,'JKBSM' TEXT,'FJMC' TEXT,'FJLX' TEXT,'FJ' BLOB,'PSSJ' TEXT,
 'PSJD' INTEGER,'PSRY' TEXT,'Longitude' REAL,'Latitude' REAL,'XZB' REAL,'YZB' REAL,
 'metaRecord' TEXT,'JYM' TEXT);
"""

SETTINGS = """
[district]
code = "demo"
name_zh = "示例"
name_en = "Demo"
bureau = "示例局"
county_codes = ["360728"]

[source]
kind = "cube"
files = ["forest.nc"]

[history]
until = 2017-12-31

[run]
work = "work"
out = "out"
"""


def letters(number: int) -> str:
    """Give twelve letters of a number."""
    return "a" * 11 + "abcdefghij"[number]


def sites(count: int = 4) -> tuple[Site, ...]:
    """Give sites of 30 m, each 100 m east of the one before."""
    return tuple(
        site(
            "s" + letters(n),
            sighting(square(0, 10 * n, 3)),
            state=SiteState.NEW,
        )
        for n in range(count)
    )


def office(folder: Path, found: Sequence[Site]) -> Path:
    """Write settings, and a ledger with one run that found some sites."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "demo.toml"
    config.write_text(SETTINGS, encoding="utf-8")
    ledger = SqliteLedger(
        folder / "work" / "ledger.sqlite", locks=folder / "work" / "locks"
    )
    ledger.commit(
        RunCommit(
            record=RunRecord(
                run_id="demo-2018-w30-0123456789abcdef",
                line="0123456789abcdef",
                district="demo",
                week=IsoWeek(year=2018, week=30),
                location="nowhere",
                counts={},
            ),
            finished_at=datetime(2018, 7, 30, tzinfo=UTC),
            pointers=(),
            products=(),
            replayed=False,
            sites=tuple(found),
            alerts=(),
        )
    )
    return config


def jpeg(
    colour: str = "red",
    *,
    latitude: tuple[float, ...] = (24, 59, 30.0),
    longitude: tuple[float, ...] = (115, 0, 3.6),
    **gps: Any,  # noqa: ANN401 - of any type
) -> bytes:
    """Take a photo."""
    exif = Image.Exif()
    shot = exif.get_ifd(ExifTags.IFD.Exif)
    shot[ExifTags.Base.DateTimeOriginal] = "2026:11:20 10:11:12"
    shot[ExifTags.Base.OffsetTimeOriginal] = "+08:00"
    place = exif.get_ifd(ExifTags.IFD.GPSInfo)
    tags = {
        "GPSLatitudeRef": "N",
        "GPSLatitude": latitude,
        "GPSLongitudeRef": "E",
        "GPSLongitude": longitude,
        "GPSImgDirectionRef": "T",
        "GPSImgDirection": 123.5,
        "GPSMapDatum": "CGCS2000",
    }
    for name, value in (tags | gps).items():
        if value is not None:
            place[ExifTags.GPS[name]] = value
    written = io.BytesIO()
    Image.new("RGB", (32, 24), colour).save(written, "JPEG", exif=exif)
    return written.getvalue()


def csv_text(*rows: Sequence[str], head: Sequence[str] = HEAD) -> str:
    """Write a table as text."""
    return "\r\n".join(",".join(row) for row in (head, *rows)) + "\r\n"


def write_xlsx(path: Path, *rows: Sequence[str], head: Sequence[str] = HEAD) -> Path:
    """Write a workbook, its table under a title."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["核查结果汇总表"])
    for row in (head, *rows):
        sheet.append(list(row))
    book.save(path)
    return path


def write_evidence(
    path: Path, *parcels: tuple[str, str, str], photos: Sequence[tuple[str, bytes]] = ()
) -> Path:
    """Write a 举证 database of parcels (JCBH, WBGLX, BZ), with photos of some."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as database:
        database.executescript(EVIDENCE_SCHEMA)
        database.executemany(
            "INSERT INTO JCTB (JCBH, HSX, WBGLX, BZ, JZRY) "
            "VALUES (?, 'GF1 2026-11-01', ?, ?, '孙某')",
            parcels,
        )
        database.executemany(
            "INSERT INTO FJ (TCBM, TBYBH, FJMC, FJ, PSSJ, PSJD, Longitude, Latitude) "
            "VALUES ('JCTB', ?, '1.jpg', ?, '2026-11-21 09:30:00', 271, 115.0, 24.99)",
            photos,
        )
        database.commit()
    return path
