"""Parcels and their images as the SQLite database of the field apps: JCTB and FJ."""

import sqlite3
from collections.abc import Sequence
from typing import Final

from rsmonitor.io.deliver.weipian.fields import (
    IMAGE_COLUMNS,
    PARCEL_COLUMNS,
    FieldTable,
)
from rsmonitor.io.deliver.weipian.parcels import Parcel, pictures_of, value_of

MAX_NAME: Final = 40
"""Characters of a county's name in the name of a file."""

# as they stand in the public samples, quotes included
PARCELS_DDL: Final = (
    "CREATE TABLE 'JCTB'('JCBH' TEXT NOT NULL PRIMARY KEY,'TBLX' TEXT,'XZQDM' TEXT,"
    "'XMC' TEXT,'JCMJ' REAL,\n 'QSX' TEXT,'HSX' TEXT,'XZB' REAL,'YZB' REAL,'TZ' TEXT,"
    "'PZD' TEXT,'BGDL' TEXT,'BGFW' TEXT,'WBGLX' TEXT,\n 'BZ' TEXT,'JZRY' TEXT,"
    "'TBFW' TEXT)"
)
IMAGES_DDL: Final = (
    "CREATE TABLE 'FJ'('F_ID' INTEGER PRIMARY KEY AUTOINCREMENT,'TCBM' TEXT,"
    "'TBYBH' TEXT,'XZQDM' TEXT,'JKBSM' TEXT,\n 'FJMC' TEXT,'FJLX' TEXT,'FJ' BLOB,"
    "'PSSJ' TEXT,'PSJD' INTEGER,'PSRY' TEXT,'Longitude' REAL,'Latitude' REAL,\n "
    "'XZB' REAL,'YZB' REAL,'metaRecord' TEXT,'JYM' TEXT)"
)


def database_name(code: str, name: str) -> str:
    """
    Name the database: the code of the county, then its name.

    Parameters
    ----------
    code : str
        `Area.code`, which is safe.
    name : str
        Chinese name, from a settings file or a border layer.

    Returns
    -------
    str
        Letters, digits and Chinese characters of the name only, so that no program
        takes any of it for a path.

    Examples
    --------
    >>> database_name("360734", "寻乌县"), database_name("360734", "../a b" + chr(0))
    ('360734寻乌县.db', '360734ab.db')
    """
    kept = "".join(sign for sign in name if sign.isalnum())[:MAX_NAME]
    return f"{code}{kept}.db"


def database_bytes(parcels: Sequence[Parcel], table: FieldTable) -> bytes:
    """
    Give parcels and their images as a database.

    Parameters
    ----------
    parcels : sequence of Parcel
        May be empty: no alert is news too.
    table : FieldTable
        What stands in the fields.

    Returns
    -------
    bytes
        SQLite; the same parcels give the same bytes with the same SQLite.
    """
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("PRAGMA encoding = 'UTF-8'")
        connection.execute(PARCELS_DDL)
        connection.execute(IMAGES_DDL)
        connection.executemany(
            f"INSERT INTO JCTB VALUES ({_marks(len(PARCEL_COLUMNS))})",  # noqa: S608 - marks only
            [
                [value_of(table.parcels[name], parcel) for name in PARCEL_COLUMNS]
                for parcel in parcels
            ],
        )
        for parcel in parcels:
            connection.executemany(
                f"INSERT INTO FJ VALUES ({_marks(len(IMAGE_COLUMNS))})",  # noqa: S608
                [
                    [value_of(table.images[n], parcel, picture) for n in IMAGE_COLUMNS]
                    for picture in pictures_of(parcel)
                ],
            )
        connection.commit()
        return connection.serialize()
    finally:
        connection.close()


def _marks(count: int) -> str:
    """Give so many places for values."""
    return ", ".join("?" * count)
