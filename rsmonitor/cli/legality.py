"""Verdicts on any polygons."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from rsmonitor.cli.licence_options import (
    KINDS,
    Datum,
    Unit,
    WebMap,
    Zone,
    ZoneWidth,
    declared_of,
    kind_of,
)
from rsmonitor.cli.terminal import say, say_refused
from rsmonitor.errors import EXIT_DONE, EXIT_PARTIAL


def legality(  # noqa: PLR0913, PLR0917 - what the command takes
    sites: Annotated[
        Path,
        typer.Argument(
            help="GeoJSON polygons in WGS 84; properties may give cause, began_after, "
            "began_by."
        ),
    ],
    on: Annotated[
        datetime,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Day of the act, for polygons that do not give began_by.",
        ),
    ],
    licences: Annotated[
        list[Path] | None,
        typer.Option(help="File of licences, any format; may be given again."),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            help=f"What the parcels of --licences are where the files do not say: "
            f"{KINDS}. Default: what the letter of the number says, else mining."
        ),
    ] = None,
    datum: Datum = "",
    zone: Zone = None,
    zone_width: ZoneWidth = None,
    unit: Unit = "",
    from_gcj02: WebMap = False,
    register: Annotated[
        Path | None,
        typer.Option(help="Register that 'rsmonitor licences import' filled."),
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option(help="Table of laws, TOML, instead of the one that is shipped."),
    ] = None,
    county: Annotated[
        str,
        typer.Option(
            help="Code of the county (GB/T 2260), for which the register may be "
            "declared complete."
        ),
    ] = "",
    history_start: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="What was there by this day, with no clear look before, is legacy.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the verdicts as GeoJSON to this file.")
    ] = None,
) -> int:
    """
    Say what polygons are in law: which right is missing, since when, and how sure.

    A polygon without began_by is judged as of --on; with began_after and began_by it is
    judged by what was in force in that interval. Without licences no right is known,
    and the verdicts say so. A finding is a clue and by itself no basis for a penalty.

    Exit codes: 0 done; 1 done, but a polygon or licence was refused; 2 usage; 3 bad
    input, nothing done.

    Example: rsmonitor legality pits.geojson --on 2024-11-05 --licences mining.txt
    """
    from functools import partial

    from rsmonitor.wiring.legality import judge_file, table_lines
    from rsmonitor.wiring.licences import read_file

    if out is not None:
        from rsmonitor.io.foundation.files import require_writable

        require_writable(out.absolute().parent)
    judged = judge_file(
        sites,
        on=on.date(),
        licences=licences or [],
        read=partial(
            read_file,
            kind=None if kind is None else kind_of(kind),
            defaults=declared_of(datum, zone, zone_width, unit),
            convert_gcj02=from_gcj02,
        ),
        register=register,
        rules=rules,
        county=county,
        history_start=history_start.date() if history_start else None,
    )
    say(judged.notes)
    say_refused(judged.refused)
    for line in table_lines(judged):
        typer.echo(line)
    if out is not None:
        from rsmonitor.io.foundation.files import write_atomic

        write_atomic(out, judged.document)
        typer.echo(f"  {out}")
    typer.echo("every finding is a clue and not a verdict of an authority")
    return EXIT_PARTIAL if judged.refused else EXIT_DONE
