"""The register of licences: looked at, filled, dated, and told."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsmonitor.cli.terminal import say
from rsmonitor.errors import EXIT_DONE, EXIT_PARTIAL

if TYPE_CHECKING:
    from rsmonitor.io.licences.parcel import Declared
    from rsmonitor.io.stores.register_history import Entry, Plan
    from rsmonitor.records.licence import LicenceKind
    from rsmonitor.wiring.licences import OpenedRegister

app = typer.Typer(
    help="Check files of licences, and keep the dated register.\n\n"
    "Example: rsmonitor licences check mining.geojson",
    no_args_is_help=True,
    rich_markup_mode=None,
)

PRODUCING = "producing"
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


@app.command()
def check(  # noqa: PLR0913, PLR0917 - what the command takes
    file: Annotated[Path, typer.Argument(help="A file of licences, any format.")],
    kind: Annotated[
        str | None,
        typer.Option(
            help=f"What its parcels are where it does not say: {KINDS}. Default: what "
            "the letter of the number says, else mining."
        ),
    ] = None,
    config: Config = None,
    register: Register = None,
    datum: Datum = "",
    zone: Zone = None,
    zone_width: ZoneWidth = None,
    unit: Unit = "",
    from_gcj02: WebMap = False,
    as_json: Json = False,
) -> int:
    """
    Check what a file of licences would be understood to say; change nothing.

    Says what was understood, what was repaired and why, and what was refused.

    Exit codes: 0 all of it is used; 1 some is refused; 2 usage; 3 nothing can be used.

    Example: rsmonitor licences check mining.geojson --kind mining
    """
    from rsmonitor.io.licences.check import feature_collection, lines
    from rsmonitor.wiring.licences import (
        borders_of,
        known_parcels,
        read_file,
    )

    found = read_file(
        file,
        kind=None if kind is None else _kind(kind),
        defaults=_declared(datum, zone, zone_width, unit),
        known=known_parcels(config, register),
        convert_gcj02=from_gcj02,
    )
    counties = borders_of(config)
    if as_json:
        told = feature_collection([found], counties)
        typer.echo(json.dumps(told, ensure_ascii=False, allow_nan=False))
    else:
        for line in lines([found], counties):
            typer.echo(line)
    return EXIT_PARTIAL if found.refused else EXIT_DONE


@app.command("import")
def import_(  # noqa: PLR0913, PLR0917 - what the command takes
    file: Annotated[Path, typer.Argument(help="A file of licences, any format.")],
    kind: Annotated[
        str,
        typer.Option(
            help=f"What its parcels are where it does not say: {KINDS}; or producing, "
            "a published list of producing mines."
        ),
    ],
    config: Config = None,
    register: Register = None,
    by: By = None,
    datum: Datum = "",
    zone: Zone = None,
    zone_width: ZoneWidth = None,
    unit: Unit = "",
    from_gcj02: WebMap = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and stop.")
    ] = False,
    accept: Annotated[
        str,
        typer.Option(
            metavar="REASON",
            help="Why a layer that looks wrong as a whole is right after all; kept in "
            "the history.",
        ),
    ] = "",
    replaces: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of an earlier import that this one corrects: it becomes void.",
        ),
    ] = None,
    again: Annotated[
        bool,
        typer.Option("--again", help="Go back to a file that was imported before."),
    ] = False,
    year: Annotated[
        int | None, typer.Option(help="producing: calendar year of the list.")
    ] = None,
    publisher: Annotated[
        str | None, typer.Option(help="producing: who published the list.")
    ] = None,
    published: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="producing: day of publication."),
    ] = None,
) -> int:
    """
    Import a file into the register; it does nothing that check did not show.

    Licences that the file lacks stay as they are. A boundary or a date that changes
    makes a version, and the older one is kept. The same file twice changes nothing. A
    layer that is empty, all expired, half of the one before, or outside all counties
    of the settings is refused until somebody says with --accept why it is right.

    Exit codes: 0 done, or nothing to do; 1 done, but some was refused; 2 usage; 3 bad
    input, nothing done; 4 the register is being written.

    Example: rsmonitor licences import mining.geojson --kind mining --register
    register.sqlite --by 'Li Hua'
    """
    from rsmonitor.io.foundation.clock import SystemClock
    from rsmonitor.io.licences.check import lines
    from rsmonitor.wiring.licences import (
        delivery_of,
        known_parcels,
        open_register,
        read_file,
    )

    if kind == PRODUCING:
        words = _required(year, publisher, published)
        opened = open_register(config, register)
        return _import_producing(file, opened, *words, _who(by), dry_run=dry_run)
    wanted = _kind(kind)
    opened = open_register(config, register)
    found = read_file(
        file,
        kind=wanted,
        defaults=_declared(datum, zone, zone_width, unit),
        known=known_parcels(config, register),
        convert_gcj02=from_gcj02,
    )
    delivery = delivery_of(found, wanted)
    for line in lines([found], opened.counties):
        typer.echo(line)
    now = SystemClock().now()
    if dry_run:
        plan = opened.register.plan(
            delivery, at=now, counties=opened.counties, replaces=replaces
        )
        _say_plan(plan, would=True)
        for doubt in plan.doubts:
            typer.echo(f"looks wrong: {doubt.reason} [{doubt.code}]")
        _say_same(plan)
        return EXIT_DONE
    plan, entry = opened.register.import_licences(
        delivery,
        at=now,
        by=_who(by),
        counties=opened.counties,
        accept=accept,
        replaces=replaces,
        again=again,
    )
    if entry is None:
        _say_same(plan)
        return EXIT_DONE
    _say_plan(plan, would=False)
    _say_entry(opened, entry)
    return EXIT_PARTIAL if found.refused else EXIT_DONE


@app.command()
def complete(
    county: Annotated[
        str, typer.Option(help="GB/T 2260, six digits; 360700 is a whole prefecture.")
    ],
    kind: Annotated[str, typer.Option(help=f"Kind that is complete: {KINDS}.")],
    on: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="Day that it holds for.")
    ],
    config: Config = None,
    register: Register = None,
    by: By = None,
) -> int:
    """
    Complete: declare that the register holds all rights of a kind in a county.

    Without that word nothing is certainly without a right. Rights over rare earth are
    registered by the ministry (自然资源部公告2020年第21号): a file of a province alone
    is not complete.

    Exit codes: 0 done, or nothing to do; 2 usage; 3 bad input; 4 the register is being
    written.

    Example: rsmonitor licences complete --county 360728 --kind mining --on 2026-11-01
    --register register.sqlite
    """
    from rsmonitor.io.foundation.clock import SystemClock
    from rsmonitor.records.licence import Completeness
    from rsmonitor.wiring.licences import open_register

    wanted = _kind(kind)
    opened = open_register(config, register)
    declared = Completeness(county_code=county, kind=wanted, complete_on=on.date())
    entry = opened.register.declare_complete(
        declared, at=SystemClock().now(), by=_who(by)
    )
    snapshot = opened.register.snapshot()
    if snapshot.refused:
        note = (
            f"{len(snapshot.refused)} licences were refused and not put right since: "
            "while they stand, nothing is certainly without a right"
        )
        say([note])
    if entry is None:
        typer.echo("the register holds that already; nothing changed")
        return EXIT_DONE
    _say_entry(opened, entry)
    return EXIT_DONE


@app.command()
def accept(
    reason: Annotated[str, typer.Argument(help="Why it is right after all.")],
    config: Annotated[
        Path, typer.Option(help="Settings with licences.register: what runs refuse.")
    ],
    by: By = None,
) -> int:
    """
    Accept a register that looks wrong to a run, until the next import.

    Exit codes: 0 done, or nothing looks wrong; 2 usage; 3 bad input.

    Example: rsmonitor licences accept 'all rights here ended in 2024' --config
    configs/ganzhou.toml
    """
    from rsmonitor.config import read_districts
    from rsmonitor.io.foundation.clock import SystemClock
    from rsmonitor.wiring.licences import doubts_in_runs, open_register

    opened = open_register(config, None)
    licences = opened.register.snapshot().licences
    doubts = {
        doubt.code: doubt
        for settings in read_districts(config)
        for doubt in doubts_in_runs(licences, settings)
    }
    if not doubts:
        typer.echo("nothing looks wrong; nothing changed")
        return EXIT_DONE
    for doubt in doubts.values():
        typer.echo(f"accepted: {doubt.reason} [{doubt.code}]")
    entry = opened.register.accept(
        tuple(doubts.values()), reason=reason, at=SystemClock().now(), by=_who(by)
    )
    _say_entry(opened, entry)
    return EXIT_DONE


@app.command()
def withdraw(
    number: Annotated[int, typer.Argument(min=1, help="Number in the history.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    config: Config = None,
    register: Register = None,
    by: By = None,
) -> int:
    """
    Withdraw an entry, as if it had not been made; the history keeps both.

    Exit codes: 0 done; 2 usage; 3 there is no such entry.

    Example: rsmonitor licences withdraw 3 --reason 'wrong county' --register
    register.sqlite
    """
    from rsmonitor.io.foundation.clock import SystemClock
    from rsmonitor.wiring.licences import open_register

    opened = open_register(config, register)
    entry = opened.register.withdraw(
        number, reason=reason, at=SystemClock().now(), by=_who(by)
    )
    _say_entry(opened, entry)
    return EXIT_DONE


@app.command("list")
def list_(
    config: Config = None,
    register: Register = None,
    on: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="As the register was at the end of that day (Asia/Shanghai).",
        ),
    ] = None,
    as_json: Json = False,
) -> int:
    """
    List what the register holds: rights, completeness, lists of producing mines.

    Example: rsmonitor licences list --register register.sqlite
    """
    from rsmonitor.wiring.licences import listing_json, listing_lines, open_register

    opened = open_register(config, register)
    snapshot = opened.register.snapshot(_end_of(on))
    if as_json:
        typer.echo(listing_json(snapshot))
        return EXIT_DONE
    for line in listing_lines(snapshot):
        typer.echo(line)
    return EXIT_DONE


@app.command()
def history(
    config: Config = None, register: Register = None, as_json: Json = False
) -> int:
    """
    Show the history of the register: what was done, when, by whom, from which file.

    Example: rsmonitor licences history --register register.sqlite
    """
    from rsmonitor.wiring.licences import history_json, history_lines, open_register

    opened = open_register(config, register)
    entries = opened.register.history()
    if as_json:
        typer.echo(history_json(entries))
        return EXIT_DONE
    for line in history_lines(entries):
        typer.echo(line)
    return EXIT_DONE


def _declared(
    datum: str, zone: int | None, zone_width: int | None, unit: str
) -> "Declared":
    """Gather what a person says of the coordinates."""
    from rsmonitor.io.licences.parcel import Declared

    if zone_width not in {None, 3, 6}:
        raise typer.BadParameter(f"--zone-width is 3 or 6, got {zone_width}")
    if unit not in {"", "degrees", "packed"}:
        raise typer.BadParameter(f"--unit is degrees or packed, got {unit!r}")
    return Declared(datum=datum, zone=zone, zone_width=zone_width, unit=unit)


def _required(
    year: int | None, publisher: str | None, published: datetime | None
) -> tuple[int, str, date]:
    """Ask for what a list of producing mines cannot do without."""
    if year is None or publisher is None or published is None:
        raise typer.BadParameter(
            "a list of producing mines needs --year, --publisher and --published"
        )
    return year, publisher, published.date()


@app.command()
def export(
    out: Annotated[
        Path, typer.Argument(help="The file to write; replaced whole if it is there.")
    ],
    form: Annotated[
        str, typer.Option("--format", help="geojson, or txt: the ministry's format.")
    ],
    config: Config = None,
    register: Register = None,
    kind: Annotated[
        str | None, typer.Option(help=f"Only licences of this kind: {KINDS}.")
    ] = None,
    on: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="As the register was at the end of that day (Asia/Shanghai).",
        ),
    ] = None,
    zone: Annotated[
        int | None,
        typer.Option(
            help="txt: Gauss-Krueger zone. Default: the one of 3 degrees that the "
            "first licence lies in."
        ),
    ] = None,
) -> int:
    """
    Export the licences of the register to a file that import reads back.

    GeoJSON keeps every digit of the corners; the ministry's format keeps millimetres,
    and what it has no field for stands in a section of its own.

    Exit codes: 0 done; 2 usage; 3 there is nothing to export, or it does not fit the
    format.

    Example: rsmonitor licences export rights.txt --format txt --register
    register.sqlite
    """
    from rsmonitor.io.licences.geojson_writer import write_geojson
    from rsmonitor.io.licences.txt_writer import write_txt
    from rsmonitor.wiring.licences import open_register

    _require_form(form)
    wanted = None if kind is None else _kind(kind)
    opened = open_register(config, register)
    licences = tuple(
        licence
        for licence in opened.register.snapshot(_end_of(on)).licences
        if wanted in {None, licence.kind}
    )
    if form == "txt":
        write_txt(out, licences, zone=zone)
    else:
        write_geojson(out, licences)
    typer.echo(f"{out}: {len(licences)} licences")
    return EXIT_DONE


def _require_form(form: str) -> None:
    """Refuse a format that is not written."""
    if form not in {"geojson", "txt"}:
        raise typer.BadParameter(f"--format is geojson or txt, got {form!r}")


def _import_producing(
    file: Path,
    opened: "OpenedRegister",
    year: int,
    publisher: str,
    published: date,
    by: str,
    *,
    dry_run: bool,
) -> int:
    """Import a list of producing mines, and say what it holds."""
    from rsmonitor.io.foundation.clock import SystemClock
    from rsmonitor.io.licences.producing import read_producing

    listed, sha256 = read_producing(
        file, year=year, publisher=publisher, published=published
    )
    typer.echo(
        f"{file.name}: {len(listed.licence_ids)} producing mines of {year}, published "
        f"by {listed.publisher} on {published}"
    )
    held = {licence.licence_id for licence in opened.register.snapshot().licences}
    unknown = sorted(listed.licence_ids - held)
    if unknown:
        say([f"not in the register: {_some(unknown)}"])
    if dry_run:
        return EXIT_DONE
    entry = opened.register.import_producing(
        listed, file=file.name, sha256=sha256, at=SystemClock().now(), by=by
    )
    if entry is None:
        typer.echo("the register holds that list already; nothing changed")
        return EXIT_DONE
    _say_entry(opened, entry)
    return EXIT_DONE


def _kind(word: str) -> "LicenceKind":
    """Read the word for a kind, English or Chinese."""
    from rsmonitor.records.licence import KIND_LABELS, LicenceKind

    for kind in LicenceKind:
        if word in {kind.value, KIND_LABELS[kind][0]}:
            return kind
    raise typer.BadParameter(f"--kind is one of {KINDS}; got {word!r}")


def _who(by: str | None) -> str:
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


def _end_of(day: datetime | None) -> datetime | None:
    """Give the end of a day in Shanghai."""
    from datetime import timedelta

    from rsmonitor.records.licence import SHANGHAI

    return None if day is None else day.replace(tzinfo=SHANGHAI) + timedelta(days=1)


def _some(numbers: list[str]) -> str:
    """Name the first of many."""
    more = len(numbers) - SHOWN
    return ", ".join(numbers[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _say_plan(plan: "Plan", *, would: bool) -> None:
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
        typer.echo(f"not in the file, and kept as they are: {_some(list(plan.absent))}")
    if plan.gone:
        typer.echo(f"no longer in the register: {_some(list(plan.gone))}")


def _say_same(plan: "Plan") -> None:
    """Say that a file was imported before."""
    if plan.same_as is None:
        return
    typer.echo(
        f"the same file was imported before, as entry {plan.same_as.number} on "
        f"{plan.same_as.at:%Y-%m-%d} by {plan.same_as.by}; nothing changed"
    )
    if plan.changes:
        note = (
            "the register says something else of some of its licences by now, or the "
            "file is read otherwise: --again goes back to it, --replaces "
            f"{plan.same_as.number} corrects how it was read"
        )
        say([note])


def _say_entry(opened: "OpenedRegister", entry: "Entry") -> None:
    """Say what the history keeps, and how a verdict will name the register."""
    typer.echo(
        f"{opened.register.path}: entry {entry.number} by {entry.by}; the register is "
        f"now {opened.register.snapshot().snapshot_id}"
    )
