"""Labels of what people found."""

from pathlib import Path
from typing import Annotated

import typer

from rsmonitor.errors import EXIT_DONE

app = typer.Typer(
    help="What people found, as labels for training and accuracy.\n\n"
    "Example: rsmonitor labels export district.toml --out labels.gpkg",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def _group() -> None:
    """
    Give what people found as labels for training and accuracy.

    Example: rsmonitor labels export district.toml --out labels.gpkg
    """


@app.command()
def export(
    config: Annotated[Path, typer.Argument(help="Settings, a TOML file.")],
    out: Annotated[Path, typer.Option(help="File to write: .geojson or .gpkg.")],
) -> int:
    """
    Write every finding with the outline of its site, its cause, and who said so.

    People who disagree are both there ('agreed' is false), and what somebody revised is
    there with 'latest' false. Sites that may not be shown are not there.

    Example: rsmonitor labels export district.toml --out labels.gpkg
    """
    from rsmonitor.wiring.labels import export_labels
    from rsmonitor.wiring.returns import open_desk

    counts = export_labels(open_desk(config), out)
    for verdict, count in sorted(counts.items()):
        typer.echo(f"  {verdict:14} {count:5}")
    typer.echo(f"{counts.total()} labels: {out}")
    return EXIT_DONE
