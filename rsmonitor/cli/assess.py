"""How good the detector is, beside others."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsmonitor.cli import assess_map, assess_pairs
from rsmonitor.cli.terminal import Watcher
from rsmonitor.errors import EXIT_DONE, EXIT_PARTIAL

if TYPE_CHECKING:
    from rsmonitor.lab.datasets import Places

app = typer.Typer(
    help="Measure the detector on real series, beside published ones.\n\n"
    "Example: rsmonitor assess peers --series romania",
    no_args_is_help=True,
    rich_markup_mode=None,
)


app.add_typer(assess_map.app, name="map")
app.command("pairs")(assess_pairs.pairs)


@app.callback()
def _root() -> None:
    """
    Measure the detector on real series, beside published ones.

    Example: rsmonitor assess peers --series romania
    """


Data = Annotated[
    Path | None,
    typer.Option(
        help="Folder of optional data. Default: the environment variable "
        "RSMONITOR_TEST_DATA."
    ),
]
Reference = Annotated[
    Path | None,
    typer.Option(
        help="Reference of the demo cube. Default: tests/reference/"
        "romania_openings.nc of a checkout."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def peers(
    series: Annotated[
        list[str] | None,
        typer.Option(
            help="Series; may be given again. Default: all of romania, romania-20m, "
            "rondonia, sichuan-fire, henan-crop, mine, landsat-breaks."
        ),
    ] = None,
    detector: Annotated[
        list[str] | None,
        typer.Option(
            help="Detector; may be given again. Default: all of rsmonitor, nrt-ewma, "
            "nrt-iqr-2, nrt-iqr-3, nrt-cusum-ols, nrt-cusum-roc, nrt-mosum, nrt-ccdc, "
            "nrt-iqr-plain, nrt-ccdc-plain, cold, cold-4, s-ccd, s-ccd-4."
        ),
    ] = None,
    data: Data = None,
    reference: Reference = None,
    figures: Annotated[
        Path | None,
        typer.Option(help="Folder for pictures of the table and maps of errors."),
    ] = None,
    as_json: Json = False,
) -> int:
    """
    Hold our detector and published ones against the same real series.

    Detectors are rsmonitor, and of the packages nrt and pyxccd those that
    pip install "rsmonitor[peers]" brings; what is not run says why. An alarm raised
    before a change began is false, and the change is then missed. All series and
    detectors take about six minutes on two cores.

    Exit codes: 0 done; 1 done, but a package or a file was missing, see not_run; 2
    usage.

    Example: rsmonitor assess peers --series romania --detector rsmonitor --detector
    cold --figures pictures
    """
    from rsmonitor.lab.assessment import DETECTORS, assess_peers, table
    from rsmonitor.lab.datasets import DATASETS

    _require_known(series, DATASETS, "--series")
    _require_known(detector, DETECTORS, "--detector")
    with Watcher() as watcher:
        done = assess_peers(
            _places(data, reference),
            series=series or [],
            detectors=detector or [],
            progress=watcher,
        )
    if as_json:
        typer.echo(
            json.dumps([row.as_json() for row in done.rows], indent=2, allow_nan=False)
        )
    else:
        typer.echo(table(done.rows))
    if figures is not None:
        from rsmonitor.lab.figures import draw

        for path in draw(done, figures):
            typer.echo(f"{path}", err=True)
    return EXIT_PARTIAL if any(row.missing for row in done.rows) else EXIT_DONE


@app.command("false-alarms")
def false_alarms(
    km2_years: Annotated[
        float,
        typer.Option(min=1.0, help="Exposure to simulate, km² times years."),
    ] = 1000.0,
    high: Annotated[
        list[float] | None,
        typer.Option(
            help="Level that confirms, nats; may be given again. Default: as it ships."
        ),
    ] = None,
    reference: Reference = None,
    as_json: Json = False,
) -> int:
    """
    Simulate how often undisturbed ground is called disturbed.

    Real departures of the unchanged ground of the demo cube are put in other orders, by
    blocks and half years, and the test runs on them: once on those of the monitoring
    period, once with those of the history too. A simulation and no measurement: all of
    it rests on about one real km² and year. 1000 km² and years take about a minute a
    line.

    Exit codes: 0 done; 3 the reference is not one; 5 the cube or the reference is
    missing.

    Example: rsmonitor assess false-alarms --km2-years 1000 --high 8 --high 12
    """
    from rsmonitor.lab.false_alarms import simulate_levels

    with Watcher() as watcher:
        done = simulate_levels(
            _places(None, reference),
            km2_years=km2_years,
            levels=high or [],
            progress=watcher,
        )
    if as_json:
        typer.echo(json.dumps([line.as_json() for line in done], indent=2))
        return EXIT_DONE
    for line in done:
        typer.echo(line.sentence())
    return EXIT_DONE


@app.command()
def settings(reference: Reference = None, as_json: Json = False) -> int:
    """
    Choose settings without the year and quadrant that are judged, and judge them.

    On the demo cube, from a fixed grid of the drop tested for, the level that confirms
    and the share that takes edges off. The last table has every setting on the whole
    scene; the best of it flatters. Takes about five minutes on two cores.

    Exit codes: 0 done; 3 the reference is not one; 5 the cube or the reference is
    missing.

    Example: rsmonitor assess settings --json
    """
    from rsmonitor.lab.datasets import load_romania
    from rsmonitor.lab.selection import select, summary

    with Watcher() as watcher:
        done = select(load_romania(_places(None, reference)), progress=watcher)
    typer.echo(json.dumps(done.as_json(), indent=2) if as_json else summary(done))
    return EXIT_DONE


def _require_known(
    names: Iterable[str] | None, known: Iterable[str], what: str
) -> None:
    """Refuse a name that nobody knows."""
    for name in names or ():
        if name not in known:
            raise typer.BadParameter(
                f"{name} is none of {', '.join(known)}", param_hint=what
            )


def _places(data: Path | None, reference: Path | None) -> "Places":
    """Say where data lies that no package brings."""
    from rsmonitor.lab.datasets import DATA_VARIABLE, Places

    named = os.environ.get(DATA_VARIABLE)
    folder = data or (Path(named) if named else None)
    return Places(data=folder, reference=reference)
