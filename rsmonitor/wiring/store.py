"""The books of an office moved from one database to another."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rsmonitor.config import Settings, read_districts
from rsmonitor.errors import SettingsError, StoreError
from rsmonitor.io.foundation.files import make_folder
from rsmonitor.io.stores.copying import Content, Part, content_of, copy_into_files
from rsmonitor.io.stores.database import SqliteTables
from rsmonitor.io.stores.ledger import StoredLedger
from rsmonitor.io.stores.ledger_schema import LEDGER
from rsmonitor.io.stores.observations import OBSERVATIONS
from rsmonitor.io.stores.register_database import StoredRegister
from rsmonitor.io.stores.register_schema import REGISTER
from rsmonitor.wiring.stores import open_diary, open_ledger, open_licence_book


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedPart:
    """One of the books after it was copied."""

    what: str
    """What it is."""

    source: str
    """Where it came from."""

    target: str
    """Where it is now."""

    content: Content
    """What both hold."""

    new: bool
    """False: the target held exactly the same already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What a copy did, after everything was verified at both ends."""

    parts: tuple[CopiedPart, ...]
    """The books."""

    head: tuple[int, str]
    """End of the chain of events, the same at both ends."""


def copy_store(source: Path, target: Path) -> Copied:
    """
    Copy ledger, register and diary of sites to where other settings keep them.

    Nothing is taken away at the source. The target must be empty; what holds exactly
    the same already is left as it is, so that the same command can be repeated.

    Parameters
    ----------
    source : Path
        Settings file of where they are.
    target : Path
        Settings file of where they shall be: the same districts.

    Returns
    -------
    Copied
        Counts and digests, the same at both ends.

    Raises
    ------
    SettingsError
        If the two files are not of the same districts, or name the same place.
    StoreError
        If there is no ledger, the source does not verify, or the target holds
        something else; nothing was copied.
    BusyError
        If a run is going on, there or here.
    StoreUnreachableError
        If a server is away.
    OutputError
        If the target cannot be written.
    """
    ours, theirs = read_districts(source), read_districts(target)
    codes = [office.district.code for office in ours]
    if sorted(codes) != sorted(office.district.code for office in theirs):
        raise SettingsError(
            f"{target}: must be of the districts of {source}, {', '.join(codes)}; copy "
            "the file and change [store]"
        )
    before, after = open_ledger(ours[0]), open_ledger(theirs[0])
    if not before.exists():
        raise StoreError(f"{before.name} does not exist: there is nothing to copy")
    parts = tuple(_parts(ours[0], theirs[0], before, after))
    for part in parts:
        if part.source.name == part.target.name:
            raise SettingsError(
                f"{target}: keeps its {part.layout.what} where {source} does, "
                f"{part.source.name}"
            )
    with contextlib.ExitStack() as held:
        for ledger in (before, after):
            for code in codes:
                held.enter_context(ledger.lock(code))
        registers = (open_licence_book(ours[0]), open_licence_book(theirs[0]))
        return _copied(parts, before, after, registers)


def _parts(
    ours: Settings, theirs: Settings, before: StoredLedger, after: StoredLedger
) -> Iterator[Part]:
    """List the books that are there; the ledger last: it is looked for first."""
    register, there = open_licence_book(ours), open_licence_book(theirs)
    if register is not None and register.exists():
        if there is None:
            raise SettingsError(
                "the settings to copy to have no licences.register, and "
                f"{register.name} holds licences; name it in both"
            )
        yield Part(layout=REGISTER, source=register.tables, target=there.tables)
    diary = open_diary(ours).tables
    if diary.exists():
        target = open_diary(theirs).tables
        yield Part(layout=OBSERVATIONS, source=diary, target=target)
    yield Part(layout=LEDGER, source=before.tables, target=after.tables)


def _copied(
    parts: Sequence[Part],
    before: StoredLedger,
    after: StoredLedger,
    registers: tuple[StoredRegister | None, StoredRegister | None],
) -> Copied:
    """Verify, compare, copy, verify again; nobody runs meanwhile."""
    head = before.head()
    _require_sound(before.verify(), registers[0])
    contents, there = {}, set()
    for part in parts:
        contents[part.layout.what] = content_of(part.source, part.layout)
        if not part.target.exists():
            continue
        if content_of(part.target, part.layout) != contents[part.layout.what]:
            raise StoreError(
                f"{part.layout.what}: {part.target.name} is there and holds something "
                f"else than {part.source.name}; nothing was copied. Copy to an empty "
                "place"
            )
        there.add(part.layout.what)
    new = [
        replace(part, verified=contents[part.layout.what])
        for part in parts
        if part.layout.what not in there
    ]
    if new and isinstance(new[0].target, SqliteTables):
        for part in new:
            if isinstance(part.target, SqliteTables):
                make_folder(part.target.path.parent)
        copy_into_files(new)
    elif new:
        from rsmonitor.io.stores.postgres.copying import (  # noqa: PLC0415 - where used
            copy_into_server,
        )

        copy_into_server(new)
    _require_sound(after.verify(head), registers[1])
    for part in parts:
        if content_of(part.target, part.layout) != contents[part.layout.what]:
            raise StoreError(
                f"{part.layout.what}: {part.target.name} does not hold what "
                f"{part.source.name} held when it was copied"
            )
    return Copied(
        parts=tuple(
            CopiedPart(
                what=part.layout.what,
                source=part.source.name,
                target=part.target.name,
                content=contents[part.layout.what],
                new=part.layout.what not in there,
            )
            for part in parts
        ),
        head=head,
    )


def _require_sound(problems: list[str], register: StoredRegister | None) -> None:
    """Refuse books that do not verify."""
    if register is not None:
        problems = [*problems, *register.verify()]
    if problems:
        raise StoreError(
            "what does not verify is not copied: " + "; ".join(problems[:5])
        )
