"""The books of an office, opened: SQLite files, or PostgreSQL by one setting."""

from typing import TYPE_CHECKING

from rsmonitor.config import Settings
from rsmonitor.io.stores.ledger import SqliteLedger, StoredLedger
from rsmonitor.io.stores.observations import SqliteObservations, StoredObservations
from rsmonitor.io.stores.register_database import DatabaseRegister, StoredRegister

if TYPE_CHECKING:
    from rsmonitor.io.stores.postgres.connection import Address


def open_ledger(settings: Settings) -> StoredLedger:
    """
    Open the ledger of the settings; one that is not there yet reads as empty.

    Parameters
    ----------
    settings : Settings
        Settings.

    Returns
    -------
    StoredLedger
        In the database of ``store.url``, or in the work folder.
    """
    address = address_of(settings)
    if address is not None:
        from rsmonitor.io.stores.postgres.ledger import (  # noqa: PLC0415 - where used
            PostgresLedger,
        )

        return PostgresLedger(address)
    work = settings.path(settings.run.work)
    return SqliteLedger(work / "ledger.sqlite", locks=work / "locks")


def open_diary(settings: Settings) -> StoredObservations:
    """
    Open the diary of sites; one that is not there yet reads as empty.

    Parameters
    ----------
    settings : Settings
        Settings.

    Returns
    -------
    StoredObservations
        In the database of ``store.url``, or in the work folder.
    """
    address = address_of(settings)
    if address is not None:
        from rsmonitor.io.stores.postgres.books import (  # noqa: PLC0415 - where used
            PostgresObservations,
        )

        return PostgresObservations(address)
    work = settings.path(settings.run.work)
    return SqliteObservations(work / "observations.sqlite", locks=work / "locks")


def open_licence_book(settings: Settings) -> StoredRegister | None:
    """
    Open the dated register that the settings name.

    Parameters
    ----------
    settings : Settings
        Settings.

    Returns
    -------
    StoredRegister or None
        None without ``licences.register``: that no right is known is a statement, and
        ``store.url`` does not change it. With both it is in the database.
    """
    named = settings.licences.register
    if named is None:
        return None
    address = address_of(settings)
    if address is not None:
        from rsmonitor.io.stores.postgres.books import (  # noqa: PLC0415 - where used
            PostgresRegister,
        )

        return PostgresRegister(address)
    return DatabaseRegister(settings.path(named))


def address_of(settings: Settings) -> "Address | None":
    """
    Say which database keeps the books.

    Parameters
    ----------
    settings : Settings
        Settings.

    Returns
    -------
    Address or None
        None where files do.
    """
    if settings.store.url is None:
        return None
    from rsmonitor.io.stores.postgres.connection import (  # noqa: PLC0415 - where used
        Address,
    )

    return Address(url=settings.store.url, schema=settings.store.schema)
