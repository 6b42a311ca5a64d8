"""How good a map of alerts is, by a sample drawn for it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from rsmonitor.cli.terminal import naming
from rsmonitor.errors import EXIT_DONE, EXIT_PARTIAL

app = typer.Typer(
    help="Judge the map of alerts by a stratified sample (Olofsson et al. 2014).\n\n"
    "Example: rsmonitor assess map draw configs/demo.toml --out sample",
    no_args_is_help=True,
)


@app.command()
def draw(
    config: Annotated[Path, typer.Argument(help="Settings, a TOML file.")],
    out: Annotated[Path, typer.Option(help="New folder of sheet and key.")],
    per_stratum: Annotated[
        int,
        typer.Option(min=2, help="Points a tier; twice as many where no alert is."),
    ] = 50,
    seed: Annotated[int, typer.Option(help="The same seed, the same sample.")] = 1,
    district: Annotated[
        str | None, typer.Option(help="Only this district of the file.")
    ] = None,
) -> int:
    """
    Draw points in the alerts of each tier and where there is no alert.

    The sheet, a GeoPackage, is filled in without knowing what the map says: the column
    reference takes 'unchanged', a cause, or 'cannot_tell'. Keep the key beside it from
    whoever judges.

    Exit codes: 0 done; 2 usage; 3 bad input, or the evidence of the run is not kept.

    Example: rsmonitor assess map draw configs/demo.toml --out sample --per-stratum 50
    """
    from rsmonitor.lab.map_sample import draw_sample
    from rsmonitor.wiring.reports import open_books

    with naming([config]):
        drawn = draw_sample(
            open_books(config, district), out, per_stratum=per_stratum, seed=seed
        )
    for stratum, points in drawn.points.items():
        typer.echo(f"{stratum}: {points} points, {drawn.area_m2[stratum] / 1e4:.2f} ha")
    typer.echo(f"not monitored, and not sampled: {drawn.unwatched_m2 / 1e4:.2f} ha")
    typer.echo(f"fill in: {drawn.folder / 'sample.gpkg'}")
    return EXIT_DONE


@app.command()
def judge(
    sheet: Annotated[Path, typer.Argument(help="The sheet that was filled in.")],
    key: Annotated[
        Path | None, typer.Option(help="Its key; default: beside the sheet.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """
    Estimate accuracy and areas from a sheet, with 95 % intervals.

    User's accuracy (of alerts: precision), producer's (what is found), overall, and the
    area of each class from the reference and not from pixels of the map; by tier, class
    and district. What was not judged is not measured.

    Exit codes: 0 done; 1 some rows were refused; 2 usage; 3 bad input, or a stratum
    without a judged point.

    Example: rsmonitor assess map judge sample/sample.gpkg
    """
    from rsmonitor.lab.map_accuracy import judge_sample, judged_lines

    with naming([sheet]):
        judged = judge_sample(sheet, key)
    if as_json:
        typer.echo(json.dumps(judged.document(), ensure_ascii=False, indent=1))
    else:
        for line in judged_lines(judged):
            typer.echo(line)
    for reason in judged.refused:
        typer.echo(f"refused: {reason}", err=True)
    return EXIT_PARTIAL if judged.refused else EXIT_DONE
