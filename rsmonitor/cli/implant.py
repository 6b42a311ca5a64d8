"""What the detector can find, by implants into real series."""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsmonitor.cli.terminal import Watcher, naming
from rsmonitor.errors import EXIT_DONE

if TYPE_CHECKING:
    from rsmonitor.lab.series import Series


def implant(  # noqa: PLR0913, PLR0917 - one for each option
    cubes: Annotated[
        list[Path] | None,
        typer.Argument(
            help="NetCDF files or Zarr folders of one place. Default: the demo cube."
        ),
    ] = None,
    sizes: Annotated[
        str | None,
        typer.Option(
            help="Hectares, separated by commas. Default: 0.01 to 5, fewer where the "
            "course, the shape or the material varies."
        ),
    ] = None,
    material: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this surface, sudden, growing and covered again; may be given "
            "again. 'list' says which there are, and where their numbers are from."
        ),
    ] = None,
    repeats: Annotated[
        int,
        typer.Option(
            min=1,
            help="Implants of each size in each season; half as many where the course, "
            "the shape or the material varies.",
        ),
    ] = 32,
    starts: Annotated[int, typer.Option(min=1, help="First days of each season.")] = 8,
    seed: Annotated[
        int, typer.Option(min=0, help="Of places, outlines and first days.")
    ] = 1,
    reference: Annotated[
        Path | None,
        typer.Option(
            help="Reference of the demo cube. Default: tests/reference/"
            "romania_openings.nc of a checkout."
        ),
    ] = None,
    everywhere_quiet: Annotated[
        bool,
        typer.Option(
            "--everywhere-quiet",
            help="Take for undisturbed what our own detector leaves alone. Always so "
            "with cubes.",
        ),
    ] = False,
    history_until: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Last day of the history of the cubes. Default: two years after the "
            "first look.",
        ),
    ] = None,
    bright_as_cloud: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Share of looks in which the scene classification takes a bright "
            "implant for cloud.",
        ),
    ] = 0.0,
    clouds: Annotated[
        list[Path] | None,
        typer.Option(
            help="Also say what would be found under the clouds of another place: a "
            "settings file, whose district keeps a record of its looks, or a table "
            "with the columns place, day, share_seen and if known spot, a line for "
            "each look, those that showed nothing too. May be given again."
        ),
    ] = None,
    evergreen: Annotated[
        bool,
        typer.Option(
            "--evergreen",
            help="With --clouds: judge digs of both seasons by implants of the "
            "clearest half year, as where the forest is green all year.",
        ),
    ] = False,
    thin: Annotated[
        float,
        typer.Option(
            min=0.01,
            max=1.0,
            help="Share of the looks after the history that stay, drawn by chance: a "
            "cloudier sky, tried directly.",
        ),
    ] = 1.0,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    figures: Annotated[
        Path | None,
        typer.Option(help="Folder for the curves, and for chips of implants."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """
    Say how likely a dig is found and how late, by size, surface, course and season.

    Surfaces of known spectrum are blended into undisturbed pixels of a real series,
    with its real clouds, noise and shifts, and the detector is run. What it finds
    without them is not counted. It is no accuracy on real mines: it says below which
    size and with which surfaces nothing can be expected. About six minutes on two
    free cores.

    With --clouds it also says, for each place, on which share of the days on which a
    dig could begin it is found within some weeks: clear looks that implants took,
    joined with the looks that its record really holds.

    Exit codes: 0 done; 2 usage; 3 bad input; 5 the demo cube, its reference or the
    record of a place is not there.

    Example: rsmonitor implant --sizes 0.02,0.1,0.5 --material bare_soil --repeats 12
    """
    from rsmonitor.lab.cloud_records import records
    from rsmonitor.lab.detectability import scenarios, study, table
    from rsmonitor.lab.district_limits import limits, limits_table
    from rsmonitor.lab.spectra import MATERIALS

    if material == ["list"]:
        for one in MATERIALS.values():
            mark = "assumed: " if one.assumed else ""
            typer.echo(f"{one.name}: {mark}{one.source}")
            for band, how in one.derived.items():
                typer.echo(f"  {band}: {how}")
        return EXIT_DONE
    chosen = scenarios(sizes_ha=_numbers(sizes), materials=material)
    # first: a record that cannot be read is known before six minutes are spent
    skies = records(clouds or [])
    series = _series(
        cubes or [],
        quiet_everywhere=everywhere_quiet,
        reference=reference,
        history_until=history_until,
    )
    if thin < 1:
        import numpy as np

        from rsmonitor.lab.series import thinned

        series = thinned(series, thin, np.random.default_rng(seed))
    with Watcher() as watcher:
        result, passes = study(
            series,
            chosen,
            repeats=repeats,
            seed=seed,
            workers=workers,
            cloud_share=bright_as_cloud,
            starts=starts,
            progress=watcher,
        )
    told = limits(result.rows, chosen, skies, evergreen=evergreen) if skies else None
    if as_json:
        content = asdict(result) | ({"places": asdict(told)} if told else {})
        typer.echo(json.dumps(content, indent=2, allow_nan=False))
    else:
        typer.echo(table(result))
        typer.echo("")
        typer.echo(result.summary())
        if told is not None:
            typer.echo(f"\n{limits_table(told)}")
    if figures is not None:
        from rsmonitor.lab.implant_figures import draw

        drawn = draw(result, passes, series, figures)
        if told is not None:
            from rsmonitor.lab.district_figures import draw_limits

            drawn += draw_limits(told, figures)
        for path in drawn:
            typer.echo(f"{path}", err=True)
    return EXIT_DONE


def _numbers(text: str | None) -> tuple[float, ...] | None:
    """Read numbers separated by commas."""
    if text is None:
        return None
    try:
        return tuple(float(word) for word in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(
            f"--sizes takes numbers separated by commas, got {text!r}"
        ) from error


def _series(
    cubes: list[Path],
    *,
    quiet_everywhere: bool,
    reference: Path | None,
    history_until: datetime | None,
) -> "Series":
    """Read the series, with what is known of undisturbed ground."""
    from rsmonitor.lab.datasets import Places, load_romania
    from rsmonitor.lab.detectability import quiet, read_series
    from rsmonitor.wiring import cube_settings, demo_settings

    if cubes:
        with naming(cubes):
            settings = cube_settings(
                cubes,
                Path("unused"),
                history_until=history_until.date() if history_until else None,
                licences=[],
                scale=None,
                offset=None,
            )
            return quiet(read_series(settings))
    if history_until is not None:
        raise typer.BadParameter("--history-until is for cubes: the demo has its own")
    if quiet_everywhere:
        return quiet(read_series(demo_settings(Path("unused"))))
    return load_romania(Places(reference=reference))
