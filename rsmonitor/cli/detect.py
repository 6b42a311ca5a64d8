"""The detector on anyone's cube."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from rsmonitor.cli.terminal import (
    Watcher,
    list_files,
    naming,
    say,
    say_refused,
    summarise,
)
from rsmonitor.errors import EXIT_DONE, EXIT_PARTIAL


def detect(
    cubes: Annotated[
        list[Path],
        typer.Argument(
            help="NetCDF files or Zarr folders of one place: time, y, x; ESA band "
            "names or common aliases; SCL. Several may hold different bands."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the outputs, made if missing.")],
    history_until: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Last day of the undisturbed history. Default: two years after the "
            "first look.",
        ),
    ] = None,
    licences: Annotated[
        list[Path] | None, typer.Option(help="Licence GeoJSON; may be given again.")
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option(help="Reflectance of one digital number, if the file says none."),
    ] = None,
    offset: Annotated[
        float | None,
        typer.Option(help="Reflectance of digital number 0, if the file says none."),
    ] = None,
) -> int:
    """
    Detect disturbances in a cube and hold them against licences.

    Writes disturbances.geojson, alerts.geojson, coverage, evidence.nc, alerts.gpkg and
    map.png. Without --licences no right is known, and the verdicts say so.

    Exit codes: 0 done; 1 done, but something was refused; 2 usage; 3 bad input,
    nothing done; 5 a source cannot be reached; 130 interrupted.

    Example: rsmonitor detect cube_10m.nc cube_20m.nc --out found --history-until
    2018-06-30
    """
    from rsmonitor.wiring import cube_settings, detect_once

    with naming(cubes), Watcher() as watcher:
        settings = cube_settings(
            cubes,
            out,
            history_until=history_until.date() if history_until else None,
            licences=licences or [],
            scale=scale,
            offset=offset,
        )
        outcome, notes, refused = detect_once(settings, out, progress=watcher)
    say([*notes, *outcome.notes])
    failed = [f"{r.product_id}: {r.reason}" for r in outcome.refused]
    say_refused([*refused, *failed])
    summarise(out)
    list_files(out)
    return EXIT_PARTIAL if failed or refused else EXIT_DONE
