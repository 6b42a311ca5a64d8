"""Before anything is spent."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from rsmonitor.errors import EXIT_BAD_INPUT, EXIT_DONE

Config = Annotated[Path, typer.Argument(help="Settings, a TOML file.")]
Until = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"],
        help="Last day to look at (Asia/Shanghai); up to its last whole week. "
        "Default: yesterday.",
    ),
]
Only = Annotated[
    str | None, typer.Option("--district", help="Only this district of the file.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def find(
    config: Config,
    until: Until = None,
    district: Only = None,
    as_json: Json = False,
) -> int:
    """
    Find the scenes that a run would know, and read none of them.

    Exit codes: 0 done; 3 bad settings; 5 the source cannot be reached.

    Example: rsmonitor find configs/ganzhou.toml --until 2026-11-01
    """
    from rsmonitor.config import read_districts
    from rsmonitor.wiring.survey import find_scenes

    day = until.date() if until else None
    scenes = [
        scene
        for settings in read_districts(config, district)
        for scene in find_scenes(settings, day, _tell)
    ]
    if as_json:
        typer.echo(json.dumps(scenes, ensure_ascii=False, indent=2))
        return EXIT_DONE
    for scene in scenes:
        typer.echo(
            f"{scene['grid_id']}  {scene['day']}  {scene['platform']:7}  "
            f"{scene['processing_baseline'] or '-':5}  {scene['product_id']}"
        )
    typer.echo(f"{len(scenes)} scenes")
    return EXIT_DONE


def explain(
    config: Config,
    until: Until = None,
    district: Only = None,
    as_json: Json = False,
) -> int:
    """
    Explain what a run would read and what that would cost; fetch nothing.

    Sizes and processing units are estimates. Searching the archive is not billed.

    Exit codes: 0 done; 3 bad settings; 5 the source cannot be reached.

    Example: rsmonitor explain configs/ganzhou.toml
    """
    from rsmonitor.config import read_districts
    from rsmonitor.wiring.survey import explain_cost

    day = until.date() if until else None
    costs = [
        explain_cost(each, day, _tell) for each in read_districts(config, district)
    ]
    if as_json:
        typer.echo(json.dumps(costs, ensure_ascii=False, indent=2))
        return EXIT_DONE
    for cost in costs:
        typer.echo(f"district {cost['district']}:")
        for grid in cost["grids"]:
            units = grid["processing_units"]
            typer.echo(
                f"  grid {grid['grid_id']}: {grid['pixels'] / 1e6:.1f} million pixels, "
                f"{grid['scenes']} scenes, {grid['pieces']} pieces to fetch, about "
                f"{grid['megabytes']:.0f} MB"
                + ("" if units is None else f", about {units:.0f} processing units")
            )
        typer.echo(
            f"  in all about {cost['megabytes']:.0f} MB to fetch; the cache holds "
            f"{cost['cache_megabytes']:.0f} MB"
        )
        if cost["kept_megabytes"]:
            typer.echo(
                f"  kept for {cost['keep_days']} days, at the rate of the last year, "
                f"scenes take about {cost['kept_megabytes'] / 1000:.1f} GB"
            )
    return EXIT_DONE


def check(config: Config, district: Only = None) -> int:
    """
    Check what a run needs: folders, licences, credentials, the source's answer.

    Exit codes: 0 everything works; 3 something would fail (said which).

    Example: rsmonitor check configs/ganzhou.toml
    """
    from rsmonitor.config import read_districts
    from rsmonitor.wiring.survey import check_all

    failed = 0
    for settings in read_districts(config, district):
        typer.echo(f"district {settings.district.code}:")
        for tried in check_all(settings):
            failed += not tried.ok
            word = "ok    " if tried.ok else "FAILED"
            typer.echo(f"  {word}  {tried.what}: {tried.says}")
    return EXIT_BAD_INPUT if failed else EXIT_DONE


def _tell(note: str) -> None:
    """Print what a source found worth telling."""
    typer.echo(f"note: {note}", err=True)
