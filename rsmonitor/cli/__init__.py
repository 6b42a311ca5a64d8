"""The command line: parse, call, print. No arithmetic, and nothing heavy at start."""

import sys
import warnings
from typing import Any, Final

import typer

from rsmonitor import __version__
from rsmonitor.cli import (
    accounts,
    alerts,
    assess,
    audit,
    cache,
    cases,
    deliver,
    detect,
    implant,
    labels,
    legality,
    licences,
    report,
    reproduce,
    schedule,
    scheduled,
    serve,
    sites,
    store,
    survey,
    tips,
    train,
    triage,
)
from rsmonitor.errors import EXIT_INTERRUPTED, EXIT_USAGE, RsmonitorError

# typer brings a click of its own, or uses the one that is installed
_COMPLAINT: Final[Any] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)
"""What is raised where the usage is wrong."""

app = typer.Typer(
    name="rsmonitor",
    help="Find suspected illegal digging in rare-earth districts with Sentinel-2.\n\n"
    "Example: rsmonitor demo",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("demo")(scheduled.demo)
app.command("run")(scheduled.run)
app.command("check")(survey.check)
app.command("find")(survey.find)
app.command("explain")(survey.explain)
app.command("detect")(detect.detect)
app.command("deliver")(deliver.deliver)
app.command("legality")(legality.legality)
app.command("verify")(audit.verify)
app.command("status")(cases.status)
app.command("schedule")(schedule.schedule)
app.command("implant")(implant.implant)
app.command("reproduce")(reproduce.reproduce)
app.command("serve")(serve.serve)
app.add_typer(accounts.app, name="accounts")
app.add_typer(alerts.app, name="alerts")
app.add_typer(report.app, name="report")
app.add_typer(assess.app, name="assess")
app.add_typer(train.app, name="train")
app.add_typer(cache.app, name="cache")
app.add_typer(cases.app, name="cases")
app.add_typer(labels.app, name="labels")
app.add_typer(licences.app, name="licences")
app.add_typer(sites.app, name="sites")
app.add_typer(store.app, name="store")
app.add_typer(tips.app, name="tips")
app.add_typer(triage.app, name="triage")


def _print_version(asked: bool) -> None:
    """Print the version and stop."""
    if asked:
        typer.echo(f"rsmonitor {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False,
        "--version",
        callback=_print_version,
        is_eager=True,
        help="Print the version and stop.",
    ),
) -> None:
    """
    Find suspected illegal digging in rare-earth districts with Sentinel-2.

    No alert is not 'no mining': what was not observed is listed in coverage.geojson.
    An alert is a clue and not a verdict.

    Example: rsmonitor demo
    """


def main() -> None:
    """
    Run the command line and end the process with a documented exit code.

    Raises
    ------
    SystemExit
        Always; 0 done, 1 done in part, 2 usage, 3 bad input, 4 busy, 5 unreachable,
        130 interrupted.
    """
    # what an interrupt inside zarr leaves behind is no news to anybody
    warnings.filterwarnings("ignore", message="coroutine .* was never awaited")
    try:
        code = app(standalone_mode=False)
    except _COMPLAINT as error:
        error.show()
        sys.exit(EXIT_USAGE)
    except RsmonitorError as error:
        typer.echo(f"rsmonitor: {error}", err=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        code = EXIT_INTERRUPTED
    # some versions of typer raise, others give the code
    if code == EXIT_INTERRUPTED:
        typer.echo(
            "rsmonitor: interrupted. Nothing is half-written; the same command goes "
            "on where it stopped",
            err=True,
        )
    sys.exit(code or 0)
