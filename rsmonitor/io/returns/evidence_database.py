"""The 举证 database of the land survey's field apps: parcels, and photos of them.

Its tables are known from two public samples; what its columns mean is the usual reading
of their initials. There is no column for a verdict: 未变更类型 (WBGLX) and 备注 (BZ)
hold it in words, as in practice 伪变化 with 特殊用地 behind it. Names of columns stand
in one table, `rsmonitor.io.returns.columns`, so that they can be put right.
"""

import re
import sqlite3
from collections.abc import Mapping
from typing import Any, Final

from rsmonitor.errors import ContractError, ReturnsError
from rsmonitor.io.foundation.foreign_sqlite import DAMAGE, quoted, tables
from rsmonitor.io.returns.columns import (
    FINDING_FIELDS,
    MAX_TEXT,
    cause_in,
    day_in,
    judgement_in,
    named,
)
from rsmonitor.io.returns.rows import Attachment, Row, UnusableRowError
from rsmonitor.records.finding import Judgement, PhotoReading

MAX_PARCELS: Final = 200_000
"""Most parcels of one database."""

MAX_PHOTO_BYTES: Final = 40 * 2**20
"""Largest photo that is read."""

_PARCELS: Final = "JCTB"
_PHOTOS: Final = "FJ"
_BETWEEN: Final = re.compile(r"[:：,，;；、/|\s()（）=]+")
_PHOTO_COLUMNS: Final = ("FJMC", "PSSJ", "PSJD", "Longitude", "Latitude")
_MOST_PHOTOS: Final = 100
_INSTANT: Final = re.compile(r"[0-9T :./+年月日Z-]{8,40}")


def is_evidence_database(database: sqlite3.Connection) -> bool:
    """
    Say whether an opened SQLite file has the tables of a 举证 database.

    Parameters
    ----------
    database : sqlite3.Connection
        From `rsmonitor.io.foundation.foreign_sqlite.opened`.

    Returns
    -------
    bool
        True if it has parcels, with or without photos.
    """
    return _PARCELS in tables(database)


def read_evidence(
    database: sqlite3.Connection, *, file: str
) -> tuple[list[Row], list[str]]:
    """
    Read the parcels of a 举证 database, each with its photos.

    Parameters
    ----------
    database : sqlite3.Connection
        From `rsmonitor.io.foundation.foreign_sqlite.opened`; photos are read through
        it.
    file : str
        Its name for messages.

    Returns
    -------
    rows : list of Row
        Fields of `FINDING_FIELDS`; where there is no column for verdict and cause they
        are taken from the words in WBGLX and BZ, and the day from the last photo.
    notes : list of str
        What was passed over.

    Raises
    ------
    ReturnsError
        If it is damaged, or its parcels have no number.
    """
    try:
        cursor = database.execute(f"SELECT rowid, * FROM {quoted(_PARCELS)}")  # noqa: S608
        names = [str(name) for name, *_ in cursor.description]
        known = named(names[1:], FINDING_FIELDS)
        if "id" not in known:
            raise ReturnsError(
                f"{file}: table {_PARCELS} has no column JCBH, the number of a parcel"
            )
        records = cursor.fetchmany(MAX_PARCELS + 1)
        if len(records) > MAX_PARCELS:
            raise ReturnsError(f"{file}: more than {MAX_PARCELS} parcels; split it")
        photos, notes = _photos_by_parcel(database, file)
    except DAMAGE as error:
        raise ReturnsError(
            f"{file}: cannot be read as a 举证 database ({error}); export it again"
        ) from error
    rows = []
    for record in records:
        values = dict(zip(names[1:], record[1:], strict=True))
        texts = {
            name: " ".join(str(values[column]).split())[:MAX_TEXT]
            for name, column in known.items()
            if isinstance(values[column], str | int | float)
            and str(values[column]).strip()
        }
        attached = photos.get(texts.get("id", ""), ())
        rows.append(
            Row(
                where=f"table {_PARCELS}, row {record[0]}",
                line=record[0] if isinstance(record[0], int) else None,
                fields=_read_words(texts, attached),
                attachments=tuple(attached),
            )
        )
    return rows, notes


def _read_words(
    texts: Mapping[str, str], attached: tuple[Attachment, ...] | list[Attachment]
) -> dict[str, str]:
    """Take verdict, cause and day from where such a database has them."""
    fields = dict(texts)
    if "verdict" not in fields:
        words = [
            word
            for name in ("cause", "note")
            for word in _BETWEEN.split(texts.get(name, ""))
            if word
        ]
        verdicts = dict.fromkeys(
            word for word in words if judgement_in(word) is not None
        )
        causes = dict.fromkeys(word for word in words if cause_in(word) is not None)
        fields.pop("cause", None)
        found = {judgement_in(word) for word in verdicts}
        if found == {Judgement.PSEUDO_CHANGE, Judgement.SPECIAL_USE}:
            fields["verdict"] = (
                Judgement.SPECIAL_USE.value
            )  # how the rule of 2024 has it
        elif verdicts:
            # more than one is a contradiction, which whoever understands the row says
            fields["verdict"] = " ".join(verdicts)
        if causes:
            fields["cause"] = " ".join(causes)
    if "day" not in fields:
        days = []
        for photo in attached:
            taken = photo.stated.taken_at if photo.stated else None
            if taken is not None:
                try:
                    days.append(day_in(taken))
                except UnusableRowError:
                    continue
        if days:
            fields["day"] = max(days).isoformat()
    return fields


def _photos_by_parcel(
    database: sqlite3.Connection, file: str
) -> tuple[dict[str, list[Attachment]], list[str]]:
    """List the photos by the number of their parcel; none is read yet."""
    if _PHOTOS not in tables(database):
        return {}, [f"{file}: has no table {_PHOTOS}, so no photos"]
    described = database.execute(f"SELECT * FROM {quoted(_PHOTOS)} LIMIT 0")  # noqa: S608
    names = [str(name) for name, *_ in described.description]
    key = next((name for name in ("TBYBH", "TCBM") if name in names), None)
    if key is None or _PHOTOS not in names:
        return {}, [f"{file}: table {_PHOTOS} names no parcel; its photos are not read"]
    columns = [name for name in _PHOTO_COLUMNS if name in names]
    listed = ", ".join(quoted(name) for name in (key, *columns))
    found: dict[str, list[Attachment]] = {}
    notes = []
    for rowid, parcel, *values in database.execute(
        f"SELECT rowid, {listed} FROM {quoted(_PHOTOS)} LIMIT 1000000"  # noqa: S608
    ):
        stated = dict(zip(columns, values, strict=True))
        of_parcel = found.setdefault(str(parcel).strip(), [])
        if len(of_parcel) >= _MOST_PHOTOS:
            notes.append(f"{file}: parcel {parcel}: more than {_MOST_PHOTOS} photos")
            continue
        of_parcel.append(
            Attachment(
                name=str(stated.get("FJMC") or f"photo {rowid}")[:120],
                read=_reader(database, int(rowid)),
                stated=_stated(stated),
            )
        )
    return found, list(dict.fromkeys(notes))


def _reader(database: sqlite3.Connection, rowid: int) -> Any:  # noqa: ANN401 - a closure
    """Give what reads one photo."""

    def read() -> bytes:
        try:
            row = database.execute(
                f"SELECT FJ FROM {quoted(_PHOTOS)} WHERE rowid = ?",  # noqa: S608
                (rowid,),
            ).fetchone()
        except DAMAGE as error:
            raise UnusableRowError(
                f"photo {rowid}: {error}", "the photo is damaged; export it again"
            ) from error
        content = row[0] if row else None
        if not isinstance(content, bytes) or not content:
            raise UnusableRowError(
                f"photo {rowid} is empty", "a photo has content; export it again"
            )
        if len(content) > MAX_PHOTO_BYTES:
            raise UnusableRowError(
                f"photo {rowid} has {len(content)} bytes",
                f"at most {MAX_PHOTO_BYTES} bytes are read of a photo",
            )
        return content

    return read


def _stated(values: Mapping[str, Any]) -> PhotoReading | None:
    """Read what the table says of a photo; what is no number is nothing."""
    numbers = {
        name: float(value)
        for name in ("Longitude", "Latitude", "PSJD")
        if isinstance(value := values.get(name), int | float)
    }
    taken = values.get("PSSJ")
    placed = {"Longitude", "Latitude"} <= numbers.keys()
    azimuth = numbers.get("PSJD")
    try:
        return PhotoReading(
            taken_at=taken
            if isinstance(taken, str) and _INSTANT.fullmatch(taken)
            else None,
            longitude=numbers["Longitude"] if placed else None,
            latitude=numbers["Latitude"] if placed else None,
            azimuth_deg=None if azimuth is None else azimuth % 360.0,
        )
    except ContractError:
        return None
