"""Train `pair-screen` again."""

from pathlib import Path
from typing import Annotated

import typer

from rsmonitor.cli.terminal import Watcher
from rsmonitor.errors import EXIT_DONE


def pairs(
    data: Annotated[
        list[Path],
        typer.Argument(
            help="NetCDF files of pairs, or folders that hold pairs_train_val.nc."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the model, made if missing.")],
    number: Annotated[str, typer.Option(help="Version of the model.")] = "2",
    licence: Annotated[
        str | None,
        typer.Option(
            help="Licence of the data. Default: what is known of it, else none stated."
        ),
    ] = None,
    repeats: Annotated[
        int, typer.Option(min=1, max=50, help="Times that the folds are cut anew.")
    ] = 5,
    brief: Annotated[
        bool,
        typer.Option(
            "--brief",
            help="Measure blocked folds only: no countries, windows, learning curve "
            "and other classifiers.",
        ),
    ] = False,
    figures: Annotated[
        Path | None, typer.Option(help="Folder for pictures of the validation.")
    ] = None,
) -> int:
    """
    Train pair-screen on pairs of composites, and measure it in blocked folds.

    Writes model.skops, metadata.json and card.md. The same data, versions and processor
    give the same bytes. About ten minutes on two cores.

    Exit codes: 0 done; 2 usage; 3 the data is refused.

    Example: rsmonitor train pairs pairs_train_val.nc --out models/pair-screen/2
    --number 2
    """
    from rsmonitor.lab.pair_training import suspicious, train, write

    with Watcher() as watcher:
        trained = train(
            data,
            number=number,
            licence=licence,
            repeats=repeats,
            brief=brief,
            progress=watcher,
        )
    for path in write(trained, out):
        typer.echo(f"{path}")
    metrics = trained.metadata.metrics
    typer.echo(f"AUC in blocked folds: {metrics['auc']} {metrics['auc_interval']}")
    typer.echo("labels that all the rest contradicts:")
    for line in suspicious(trained, most=20):
        typer.echo(f"  {line['sample']:16} {line['category']:18} {line['probability']}")
    if figures is not None:
        from rsmonitor.lab.pair_figures import draw_validation

        for picture in draw_validation(trained, figures):
            typer.echo(f"{picture}", err=True)
    return EXIT_DONE
