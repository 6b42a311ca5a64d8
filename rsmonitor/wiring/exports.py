"""Alerts taken along: each format alone, of the alerts that were chosen."""

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from rsmonitor.errors import ContractError, OutputError
from rsmonitor.io.deliver.bulletin import PUBLIC_FORMATS, write_bulletin
from rsmonitor.io.deliver.geojson import dumps, notice
from rsmonitor.io.deliver.geopackage import write_geopackage
from rsmonitor.io.deliver.handheld import (
    place_of,
    short_names,
    write_gpx,
    write_kml,
)
from rsmonitor.io.deliver.report_tables import alerts_table
from rsmonitor.io.deliver.stac import write_stac
from rsmonitor.io.deliver.tables import csv_bytes, require_suffix, xlsx
from rsmonitor.io.deliver.weipian.fields import read_field_table
from rsmonitor.io.deliver.weipian.forms import NOTE_FILE, note_bytes, write_weipian
from rsmonitor.io.deliver.weipian.parcels import Parcel, parcel_number
from rsmonitor.io.deliver.weipian.shapes import shapefile_parts, txt_parts
from rsmonitor.io.foundation.files import (
    require_writable,
    staged_folder,
    write_atomic,
)
from rsmonitor.records.case import Level
from rsmonitor.records.package import Area, Package
from rsmonitor.stages.attention import inner_point
from rsmonitor.wiring.alerts import features_of, result_of
from rsmonitor.wiring.packages import Weekly
from rsmonitor.wiring.reports import Books

FOLDERS: Final = ("weipian", "stac")
"""Formats that are a folder for each county."""

FORMATS: Final = (
    *("geojson", "csv", "xlsx", "kml", "gpx", "geopackage", "shapefile", "txt"),
    *FOLDERS,
)
"""What alerts can be exported as, with their places."""

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def require_form(form: str, *, public: bool) -> None:
    """
    Refuse a format that cannot be written.

    Parameters
    ----------
    form : str
        What was asked for.
    public : bool
        True where no place may be left.

    Raises
    ------
    ContractError
        If the format is unknown, or made of coordinates where there may be none.
    """
    known = PUBLIC_FORMATS if public else FORMATS
    if form not in known:
        raise ContractError(
            f"format must be one of {', '.join(known)}"
            + (" for the public: the others are made of coordinates" if public else "")
            + f", got {form!r}"
        )


def export(
    books: Books,
    path: Path,
    *,
    form: str,
    public: bool = False,
    county: str | None = None,
) -> tuple[str, ...]:
    """
    Write the standing alerts to a file, or to a folder for each county.

    Parameters
    ----------
    books : Books
        What was chosen.
    path : Path
        The file, replaced if it is there; for `FOLDERS` the folder around theirs.
    form : str
        One of `FORMATS`.
    public : bool, default False
        True leaves nothing that finds a place or a person.
    county : str, optional
        The county that was asked for: an alert of two counties is then written as that
        one's.

    Returns
    -------
    tuple of str
        What was left out, one sentence an alert.

    Raises
    ------
    ContractError
        If the format is unknown, or cannot do without places where it must.
    OutputError
        If the file cannot be written, or its name does not say what it is.
    LicenceError
        For what shows licences too: if they cannot be used.
    """
    require_form(form, public=public)
    if form in FOLDERS:
        _folders(books, path, form=form, county=county or "")
        return ()
    require_writable(path.absolute().parent)
    if public:
        data = write_bulletin(
            books.alerts,
            form=form,
            county_names=books.county_names(),
            invented=books.invented,
        )
        write_atomic(path, data)
        return ()
    if form == "geopackage":
        _geopackage(books, path)
        return ()
    if form == "txt":
        return _txt(books, path, county or "")
    write_atomic(path, _writers(books, path, county or "")[form]())
    return ()


def _writers(
    books: Books, path: Path, county: str
) -> Mapping[str, Callable[[], bytes]]:
    """Give what writes each format that is one file."""
    invented = books.invented
    return {
        "geojson": lambda: dumps(features_of(books)),
        "kml": lambda: write_kml(books.alerts, invented=invented),
        "gpx": lambda: write_gpx(books.alerts, invented=invented),
        "csv": lambda: csv_bytes([alerts_table(books.alerts)]),
        "xlsx": lambda: xlsx(
            [alerts_table(books.alerts)],
            heading="疑似线索 Suspected cases",
            remarks=[notice(invented=invented)],
        ),
        "shapefile": lambda: _shapefile(books, path, county),
    }


def _geopackage(books: Books, path: Path) -> None:
    """Write alerts of one district with the licences around them."""
    if len(books.books) > 1:
        raise OutputError(
            f"{path}: a GeoPackage is of one district; choose it with --district"
        )
    if path.suffix != ".gpkg":
        raise OutputError(f"{path}: the name of a GeoPackage must end in .gpkg")
    write_geopackage(path, result_of(books.books[0], books.register()))


def _shapefile(books: Books, path: Path, county: str) -> bytes:
    """Pack a shapefile with the fields of the 卫片 forms."""
    require_suffix(path.name, ["zip"])
    table = read_field_table()
    day = max(book.runs[-1].week.last_day for book in books.books)
    parcels = _parcels(books, county)
    return _zipped(
        {
            **shapefile_parts(parcels, table, day=day),
            NOTE_FILE: note_bytes((), language="zh", invented=books.invented),
        }
    )


def _txt(books: Books, path: Path, county: str) -> tuple[str, ...]:
    """Write outlines as the ministry's TXT: one zone is one file."""
    suffix = require_suffix(path.name, ["zip", "txt"])
    texts, outside = txt_parts(_parcels(books, county), read_field_table())
    left_out = tuple(
        f"{each.alert.alert_id} lies at {each.point.x:.3f} degrees east, where "
        "CGCS2000 has no zone of 3 degrees: it is in no TXT"
        for each in outside
    )
    if suffix == "zip":
        note = note_bytes(outside, language="zh", invented=books.invented)
        write_atomic(path, _zipped({**texts, NOTE_FILE: note}))
        return left_out
    if len(texts) != 1:
        raise OutputError(
            f"{path}: a TXT is of one zone, and the alerts lie in "
            f"{len(texts)} ({', '.join(texts) or 'none is in China'}); give a name "
            "that ends in .zip, or choose a county with --county"
        )
    write_atomic(path, next(iter(texts.values())))
    return left_out


def _parcels(books: Books, county: str) -> list[Parcel]:
    """Give the alerts as parcels, without images."""
    names = books.county_names()
    short = short_names(alert.alert_id for alert in books.alerts)
    found = []
    for alert in books.alerts:
        codes = [c for c in alert.county_codes if c.startswith(county)]
        code = codes[0] if codes else alert.site.district
        found.append(
            Parcel(
                alert=alert,
                number=parcel_number(alert, code),
                county_code=code,
                county_name=names.get(code, code),
                short_name=short[alert.alert_id],
                point=inner_point(alert.site.latest.disturbance.geometry),
                outline=place_of(alert)[1],
                chips=(),
            )
        )
    return found


def _folders(books: Books, path: Path, *, form: str, county: str) -> None:
    """Write a folder for each county that has alerts."""
    require_writable(path.absolute())
    for package in _packages(books, county):
        with staged_folder(path.absolute() / f"{form}-{package.area.code}") as folder:
            if form == "weipian":
                write_weipian(folder, package)
            else:
                _stac(folder, books, package)


def _stac(folder: Path, books: Books, package: Package) -> None:
    """Write the alerts of a county, and the item that describes the file."""
    ids = {dossier.alert.alert_id for dossier in package.dossiers}
    theirs = replace(
        books,
        books=tuple(
            replace(book, alerts=tuple(a for a in book.alerts if a.alert_id in ids))
            for book in books.books
        ),
    )
    write_atomic(folder / "alerts.geojson", dumps(features_of(theirs)))
    write_stac(folder, package)


def _packages(books: Books, county: str) -> Iterator[Package]:
    """Make the packages of the counties that have alerts."""
    weekly = Weekly(books)
    areas = [area for area, alerts in weekly.areas() if alerts]
    # settings may want packages of prefectures or provinces only
    lowest = next((lv for lv in Level if any(a.level is lv for a in areas)), None)

    def wanted(area: Area) -> bool:
        return area.level is lowest and area.code in {
            a.code for a in areas if a.code.startswith(county[: len(a.code)])
        }

    return weekly.packages(wanted=wanted)


def _zipped(files: Mapping[str, bytes]) -> bytes:
    """Pack files: the same give the same bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name, date_time=_EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return packed.getvalue()
