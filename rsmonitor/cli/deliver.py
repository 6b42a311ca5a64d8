"""What goes out each week."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsmonitor.cli.terminal import Watcher, naming, say
from rsmonitor.errors import EXIT_DONE, EXIT_PARTIAL, ContractError

if TYPE_CHECKING:
    from rsmonitor.records.week import IsoWeek
    from rsmonitor.wiring.deliver import Built


def deliver(
    config: Annotated[Path, typer.Argument(help="Settings, a TOML file.")],
    week: Annotated[
        str | None,
        typer.Option(help="ISO week such as 2026-W47; default: that of the last run."),
    ] = None,
    district: Annotated[
        str | None, typer.Option(help="Only this district of the file.")
    ] = None,
    rebuild: Annotated[
        bool, typer.Option(help="Make the packages again, as a further revision.")
    ] = False,
    again: Annotated[
        bool, typer.Option(help="Send again what was sent; marked as a repeat.")
    ] = False,
    send: Annotated[
        bool, typer.Option(help="--no-send builds the packages and sends no mail.")
    ] = True,
) -> int:
    """
    Build the week's packages for county, prefecture and province, and send them.

    A folder and a zip for each, with report, alerts, triage file for QGIS, field pack,
    forms and coverage. A package that is there already is not built again, and one
    that was sent is not sent again. Packages of an earlier week can be sent as they
    were built; new ones are of the week at which the ledger stands.

    Exit codes: 0 done; 1 some mail was not accepted, or a district has no run of the
    week; 2 usage; 3 bad input, or a file cannot be written; 5 no mail server answers.

    Example: rsmonitor deliver configs/demo.toml
    """
    from rsmonitor.wiring.deliver import build_packages, kept_packages
    from rsmonitor.wiring.packages import behind, week_of
    from rsmonitor.wiring.reports import open_books
    from rsmonitor.wiring.sending import send_packages

    wanted = _week(week)
    with naming([config]), Watcher() as watcher:
        books = open_books(config, district)
        settings = books.books[0].settings
        stands = week_of(books)
        late = behind(books)
        if wanted is None or wanted == stands:
            built = tuple(build_packages(books, again=rebuild, progress=watcher))
        else:
            built = kept_packages(settings, wanted)
            _require_kept(built, wanted, stands, rebuild=rebuild)
        for each in built:
            typer.echo(_line(each))
        say([f"district {b.code} stands at {b.week} and is left out" for b in late])
        if not send:
            return EXIT_PARTIAL if late else EXIT_DONE
        outcome = send_packages(
            settings, built, ledger=books.ledger, again=again, progress=watcher
        )
    for line in outcome.lines:
        typer.echo(line)
    return outcome.exit_code or (EXIT_PARTIAL if late else EXIT_DONE)


def _require_kept(
    built: "tuple[Built, ...]", wanted: "IsoWeek", stands: "IsoWeek", *, rebuild: bool
) -> None:
    """Refuse a week of which nothing was built: it cannot be built any more."""
    if not built or rebuild:
        raise ContractError(
            f"week {wanted}: no package of it was built, and the ledger stands at "
            f"{stands}; packages are built after each week's run"
        )


def _week(text: str | None) -> "IsoWeek | None":
    """Read a week, or complain of the usage."""
    from rsmonitor.records.week import IsoWeek

    if text is None:
        return None
    try:
        return IsoWeek.parse(text)
    except ContractError as error:
        raise typer.BadParameter(str(error)) from error


def _line(built: "Built") -> str:
    """Say what was built."""
    alerts = len(built.manifest["alerts"])
    state = "built" if built.fresh else "was there"
    revision = f", revision {built.revision}" if built.revision > 1 else ""
    return (
        f"{built.week} {built.area.code} {built.area.name_zh} "
        f"({built.area.level.value}): {alerts} alerts, {state}{revision}: "
        f"{built.archive}"
    )
