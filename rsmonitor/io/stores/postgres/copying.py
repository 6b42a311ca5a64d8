"""Books copied into PostgreSQL: all of them in one transaction."""

from collections.abc import Sequence

from rsmonitor.errors import StoreError
from rsmonitor.io.stores.copying import Part, copy_part
from rsmonitor.io.stores.postgres.tables import PostgresTables


def copy_into_server(parts: Sequence[Part]) -> None:
    """
    Copy books into one database, all of them or none.

    Parameters
    ----------
    parts : sequence of Part
        What is copied; all targets are `PostgresTables` of one address.

    Raises
    ------
    StoreError
        If a copy is not the same, or something is there by now.
    StoreUnreachableError
        If the server is away; then nothing was copied, or the message says that it is
        not known.
    OutputError
        If the role may not make the tables.
    """
    targets = [part.target for part in parts]
    first = targets[0]
    if not isinstance(first, PostgresTables):
        raise StoreError(f"{first.name} is no database server")
    with first.connected() as connection, first.transaction(connection):
        for part in parts:
            target = part.target
            if not isinstance(target, PostgresTables) or (
                target.address != first.address
            ):
                raise StoreError(f"{target.name} is not {first.name}")
            if not target.lay(connection):
                raise StoreError(
                    f"{part.layout.what} at {target.name} was made by somebody else "
                    "meanwhile; nothing was copied"
                )
            with part.source.reading() as source:
                copy_part(source, connection, part)
