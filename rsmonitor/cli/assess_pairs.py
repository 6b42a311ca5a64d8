"""How good `pair-screen` is on a file of pairs."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsmonitor.errors import EXIT_DONE, EXIT_PARTIAL

if TYPE_CHECKING:
    from rsmonitor.lab.pair_assessment import Assessed


def pairs(
    file: Annotated[
        Path,
        typer.Argument(
            help="NetCDF with t0 and t1 (sample, band, y, x), and category as text or "
            "flags, or label 0 and 1."
        ),
    ],
    model: Annotated[
        str,
        typer.Option(help="Name, name/version, or folder of a model."),
    ] = "pair-screen",
    scores: Annotated[
        Path | None,
        typer.Option(
            help="CSV of the probability of every pair. Default: FILE-scores.csv here."
        ),
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option(help="Folder for pictures of ranking and calibration."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """
    Judge pair-screen on pairs of composites, before and after.

    Positive is mining_emergence. Prints AUC, average precision, F1 at the threshold of
    the model, Brier score and calibration error, with 95 % bootstrap intervals, and how
    often each other category is called positive. Writes FILE-scores.csv. What the file
    does not say is assumed and said.

    Exit codes: 0 done; 1 done, but some pairs could not be judged; 2 usage; 3 the file
    or the model is refused.

    Example: rsmonitor assess pairs pairs.nc --json
    """
    from rsmonitor.lab.pair_assessment import assess, write_scores

    done = assess(file, model=model)
    if as_json:
        typer.echo(json.dumps(done.as_json(), indent=2, allow_nan=False))
    else:
        typer.echo(_table(done))
    for note in done.notes:
        typer.echo(f"note: {note}", err=True)
    for reason in done.refused:
        typer.echo(f"refused: {reason}", err=True)
    path = scores or Path(f"{file.stem}-scores.csv")
    write_scores(done, path)
    typer.echo(f"{path}", err=True)
    if figures is not None:
        from rsmonitor.lab.pair_figures import draw_assessment

        for picture in draw_assessment(done, figures):
            typer.echo(f"{picture}", err=True)
    return EXIT_PARTIAL if done.refused else EXIT_DONE


def _table(done: "Assessed") -> str:
    """Write the measures for a person."""
    judged = done.judgement
    lines = [
        (
            f"{done.model_id} on {done.file}: {judged.n} pairs, "
            f"{judged.positives} of them positive"
        )
    ]
    for word, name in (
        ("AUC", "auc"),
        ("average precision", "average_precision"),
        (f"F1 from {judged.threshold:.4f}", "f1"),
        ("Brier score", "brier"),
        ("calibration error", "ece"),
    ):
        lines.append(
            f"  {word:18} {_number(getattr(judged, name))}"
            f"{_interval(judged.intervals[name])}"
        )
    lines.append("called positive:")
    lines += [
        f"  {line['category']:18} {line['called']:4} of {line['n']}"
        for line in done.by_category
    ]
    return "\n".join(lines)


def _number(value: float | None) -> str:
    """Write a measure."""
    return "not defined" if value is None else f"{value:.4f}"


def _interval(ends: Any) -> str:  # noqa: ANN401 - a pair or None
    """Write an interval."""
    return "" if ends is None else f"  ({ends[0]:.4f} to {ends[1]:.4f})"
