"""The register of licences: looked at, filled, dated, and told."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from rsmonitor.cli.licence_options import (
    KINDS,
    PRODUCING,
    By,
    Config,
    Datum,
    Filled,
    Json,
    Register,
    Unit,
    WebMap,
    Zone,
    ZoneWidth,
    declared_of,
    end_of,
    kind_of,
    say_entry,
    say_plan,
    say_same,
    who,
)
from rsmonitor.cli.producing import check_producing, import_producing, required
from rsmonitor.cli.terminal import say
from rsmonitor.errors import EXIT_DONE, EXIT_PARTIAL

app = typer.Typer(
    help="Check files of licences, and keep the dated register.\n\n"
    "Example: rsmonitor licences check mining.geojson",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def check(  # noqa: PLR0913, PLR0917 - what the command takes
    file: Annotated[Path, typer.Argument(help="A file of licences, any format.")],
    kind: Annotated[
        str | None,
        typer.Option(
            help=f"What its parcels are where it does not say: {KINDS}; or producing, "
            "a published list of producing mines. Default: what the letter of the "
            "number says, else mining."
        ),
    ] = None,
    config: Config = None,
    register: Annotated[
        Path | None,
        typer.Option(
            help="A register to compare with: shifted parcels, mines that it lacks; "
            "wins over --config."
        ),
    ] = None,
    datum: Datum = "",
    zone: Zone = None,
    zone_width: ZoneWidth = None,
    unit: Unit = "",
    from_gcj02: WebMap = False,
    year: Annotated[
        int | None,
        typer.Option(help="producing: calendar year, where the list does not say."),
    ] = None,
    as_json: Json = False,
) -> int:
    """
    Check what a file of licences would be understood to say; change nothing.

    Says what was understood, what was repaired and why, and what was refused.

    Exit codes: 0 all of it is used; 1 some is refused; 2 usage; 3 nothing can be used.

    Example: rsmonitor licences check mining.geojson --kind mining
    """
    from rsmonitor.io.licences.check import feature_collection, lines
    from rsmonitor.wiring.county_checks import suspected_web_map
    from rsmonitor.wiring.licences import (
        borders_of,
        known_parcels,
        read_file,
    )

    if kind == PRODUCING:
        return check_producing(file, config, register, year, as_json=as_json)
    found = read_file(
        file,
        kind=None if kind is None else kind_of(kind),
        defaults=declared_of(datum, zone, zone_width, unit),
        known=known_parcels(config, register),
        convert_gcj02=from_gcj02,
    )
    counties = borders_of(config)
    doubt = "" if from_gcj02 else suspected_web_map(found, counties)
    if as_json:
        told = feature_collection([found], counties)
        told["warnings"] = [doubt] if doubt else []
        typer.echo(json.dumps(told, ensure_ascii=False, allow_nan=False))
    else:
        for line in lines([found], counties):
            typer.echo(line)
        if doubt:
            typer.echo(f"warning: {doubt}")
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
        int | None,
        typer.Option(
            help="producing: calendar year of the list, where it does not say; where "
            "it does, the only year that is taken."
        ),
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
    from rsmonitor.wiring.county_checks import suspected_web_map
    from rsmonitor.wiring.licences import (
        delivery_of,
        known_parcels,
        open_register,
        read_file,
    )

    if kind == PRODUCING:
        words = required(publisher, published)
        opened = open_register(config, register)
        return import_producing(file, opened, year, *words, who(by), dry_run=dry_run)
    wanted = kind_of(kind)
    opened = open_register(config, register)
    found = read_file(
        file,
        kind=wanted,
        defaults=declared_of(datum, zone, zone_width, unit),
        known=known_parcels(config, register, must_exist=False),
        convert_gcj02=from_gcj02,
    )
    delivery = delivery_of(found, wanted)
    for line in lines([found], opened.counties):
        typer.echo(line)
    web_map = "" if from_gcj02 else suspected_web_map(found, opened.counties)
    if web_map:
        typer.echo(f"warning: {web_map}")
    now = SystemClock().now()
    if dry_run:
        plan = opened.register.plan(
            delivery, at=now, counties=opened.counties, replaces=replaces
        )
        say_plan(plan, would=True)
        for doubt in plan.doubts:
            typer.echo(f"looks wrong: {doubt.reason} [{doubt.code}]")
        say_same(plan)
        return EXIT_DONE
    plan, entry = opened.register.import_licences(
        delivery,
        at=now,
        by=who(by),
        counties=opened.counties,
        accept=accept,
        replaces=replaces,
        again=again,
    )
    if entry is None:
        say_same(plan)
        return EXIT_DONE
    say_plan(plan, would=False)
    say_entry(opened, entry)
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
    from rsmonitor.wiring.county_checks import require_county
    from rsmonitor.wiring.licences import open_register

    wanted = kind_of(kind)
    opened = open_register(config, register)
    require_county(county, config, opened.counties)
    new = not opened.register.exists()
    declared = Completeness(county_code=county, kind=wanted, complete_on=on.date())
    entry = opened.register.declare_complete(
        declared, at=SystemClock().now(), by=who(by)
    )
    if new:
        say([f"{opened.register.name}: was not there; a register without licences"])
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
    say_entry(opened, entry)
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

    opened = open_register(config, None, must_exist=True)
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
        tuple(doubts.values()), reason=reason, at=SystemClock().now(), by=who(by)
    )
    say_entry(opened, entry)
    return EXIT_DONE


@app.command()
def withdraw(
    number: Annotated[int, typer.Argument(min=1, help="Number in the history.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    config: Config = None,
    register: Filled = None,
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

    opened = open_register(config, register, must_exist=True)
    entry = opened.register.withdraw(
        number, reason=reason, at=SystemClock().now(), by=who(by)
    )
    say_entry(opened, entry)
    return EXIT_DONE


@app.command("list")
def list_(
    config: Config = None,
    register: Filled = None,
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
    from rsmonitor.wiring.licences import open_register
    from rsmonitor.wiring.register_words import listing_json, listing_lines

    opened = open_register(config, register, must_exist=True)
    snapshot = opened.register.snapshot(end_of(on))
    if as_json:
        typer.echo(listing_json(snapshot))
        return EXIT_DONE
    for line in listing_lines(snapshot):
        typer.echo(line)
    return EXIT_DONE


@app.command()
def history(
    config: Config = None, register: Filled = None, as_json: Json = False
) -> int:
    """
    Show the history of the register: what was done, when, by whom, from which file.

    Example: rsmonitor licences history --register register.sqlite
    """
    from rsmonitor.wiring.licences import open_register
    from rsmonitor.wiring.register_words import history_json, history_lines

    opened = open_register(config, register, must_exist=True)
    entries = opened.register.history()
    if as_json:
        typer.echo(history_json(entries))
        return EXIT_DONE
    for line in history_lines(entries):
        typer.echo(line)
    return EXIT_DONE


@app.command()
def export(
    out: Annotated[
        Path, typer.Argument(help="The file to write; replaced whole if it is there.")
    ],
    form: Annotated[
        str, typer.Option("--format", help="geojson, or txt: the ministry's format.")
    ],
    config: Config = None,
    register: Filled = None,
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
    wanted = None if kind is None else kind_of(kind)
    opened = open_register(config, register, must_exist=True)
    licences = tuple(
        licence
        for licence in opened.register.snapshot(end_of(on)).licences
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
