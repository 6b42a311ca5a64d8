"""What the commands of licences and of legality have in common."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsmonitor.cli.terminal import say

if TYPE_CHECKING:
    from rsmonitor.io.licences.parcel import Declared
    from rsmonitor.io.stores.register_history import Entry, Plan
    from rsmonitor.records.licence import LicenceKind
    from rsmonitor.wiring.licences import OpenedRegister

PRODUCING = "producing"
"""Kind of a published list of producing mines, which is no licence."""

KINDS = (
    "mining, exploration, recovery, land_use, restoration, closed, plant or restriction"
)
"""Written out, because the records would make --help slow."""

SHOWN = 10
"""Licences that are named one by one, where more are counted."""

Config = Annotated[
    Path | None,
    typer.Option(help="Settings with licences.register; its borders are used too."),
]
Register = Annotated[
    Path | None,
    typer.Option(help="The register's file, made if missing; wins over --config."),
]
Filled = Annotated[
    Path | None,
    typer.Option(help="The register's file, which must be there; wins over --config."),
]
By = Annotated[
    str | None,
    typer.Option(help="Who does it, for the history. Default: the login name."),
]
Datum = Annotated[
    str,
    typer.Option(help="Datum where the file names none, such as CGCS2000 or Xi'an 80."),
]
Zone = Annotated[
    int | None,
    typer.Option(help="Gauss-Krueger zone (带号) where the file names none."),
]
ZoneWidth = Annotated[
    int | None,
    typer.Option(help="Degrees of a zone, 3 or 6, where the file does not say."),
]
Unit = Annotated[
    str,
    typer.Option(
        help="degrees or packed (ddd.mmss) where the file's numbers can be either."
    ),
]
WebMap = Annotated[
    bool,
    typer.Option(
        "--from-gcj02", help="The corners are of a web map (GCJ-02): convert them."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def declared_of(
    datum: str, zone: int | None, zone_width: int | None, unit: str
) -> "Declared":
    """Gather what a person says of the coordinates."""
    from rsmonitor.io.licences.parcel import Declared

    if zone_width not in {None, 3, 6}:
        raise typer.BadParameter(f"--zone-width is 3 or 6, got {zone_width}")
    if unit not in {"", "degrees", "packed"}:
        raise typer.BadParameter(f"--unit is degrees or packed, got {unit!r}")
    return Declared(datum=datum, zone=zone, zone_width=zone_width, unit=unit)


def kind_of(word: str) -> "LicenceKind":
    """Read the word for a kind, English or Chinese."""
    from rsmonitor.records.licence import KIND_LABELS, LicenceKind

    for kind in LicenceKind:
        if word in {kind.value, KIND_LABELS[kind][0]}:
            return kind
    raise typer.BadParameter(f"--kind is one of {KINDS}; got {word!r}")


def who(by: str | None) -> str:
    """Name the person: as given, or by the login."""
    import getpass

    if by is not None and by.strip():
        return by.strip()
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError) as error:
        raise typer.BadParameter(
            "the machine does not say who you are; give --by NAME"
        ) from error


def end_of(day: datetime | None) -> datetime | None:
    """Give the end of a day in Shanghai."""
    from datetime import timedelta

    from rsmonitor.records.licence import SHANGHAI

    return None if day is None else day.replace(tzinfo=SHANGHAI) + timedelta(days=1)


def some(numbers: list[str]) -> str:
    """Name the first of many."""
    more = len(numbers) - SHOWN
    return ", ".join(numbers[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def say_plan(plan: "Plan", *, would: bool) -> None:
    """Say what an import does to the register."""
    typer.echo(
        ("would be " if would else "")
        + f"imported: {len(plan.added)} new, {len(plan.changed)} with a new version, "
        f"{len(plan.amended)} amended, {plan.unchanged} unchanged"
    )
    for old, new in plan.changed[:SHOWN]:
        typer.echo(
            f"  {new.licence_id}: version {old.version} -> {new.version}; valid "
            f"{old.valid_from} to {old.valid_to} -> {new.valid_from} to {new.valid_to}"
            + ("; the boundary changes" if old.geometry != new.geometry else "")
        )
    if plan.absent:
        typer.echo(f"not in the file, and kept as they are: {some(list(plan.absent))}")
    if plan.gone:
        typer.echo(f"no longer in the register: {some(list(plan.gone))}")


def say_same(plan: "Plan") -> None:
    """Say that a file was imported before."""
    if plan.same_as is None:
        return
    from rsmonitor.records.licence import SHANGHAI

    on = plan.same_as.at.astimezone(SHANGHAI)
    typer.echo(
        f"the same file was imported before, as entry {plan.same_as.number} on "
        f"{on:%Y-%m-%d} by {plan.same_as.by}; nothing changed"
    )
    if plan.changes:
        note = (
            "the register says something else of some of its licences by now, or the "
            "file is read otherwise: --again goes back to it, --replaces "
            f"{plan.same_as.number} corrects how it was read"
        )
        say([note])


def say_entry(opened: "OpenedRegister", entry: "Entry") -> None:
    """Say what the history keeps, and how a verdict will name the register."""
    typer.echo(
        f"{opened.register.name}: entry {entry.number} by {entry.by}; the register is "
        f"now {opened.register.snapshot().snapshot_id}"
    )
