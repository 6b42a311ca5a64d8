"""Train models again: on a bureau's own labels, or on pairs of images."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from rsmonitor.cli.terminal import Watcher, say, say_refused
from rsmonitor.cli.train_pairs import pairs
from rsmonitor.errors import EXIT_BAD_INPUT, EXIT_DONE, EXIT_PARTIAL

if TYPE_CHECKING:
    from rsmonitor.config import Settings
    from rsmonitor.lab.retraining import Comparison, InUse


class _CauseByDefault(TyperGroup):
    """Takes what is no command for the settings of `cause`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - click's
        """
        Put the command in that was left out.

        Parameters
        ----------
        ctx : click.Context
            Where.
        args : list of str
            What was typed.

        Returns
        -------
        list of str
            As click takes it.
        """
        if args and args[0] not in self.commands and args[0] not in {"--help", "-h"}:
            args = ["cause", *args]
        rest: list[str] = super().parse_args(ctx, args)
        return rest


app = typer.Typer(
    cls=_CauseByDefault,
    help="Train a model again, and hold it against the one in use.\n\n"
    "'rsmonitor train CONFIG' is short for 'rsmonitor train cause CONFIG'.\n\n"
    "Example: rsmonitor train district.toml",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def cause(
    config: Annotated[Path, typer.Argument(help="Settings, a TOML file.")],
    labels: Annotated[
        Path | None,
        typer.Option(
            help="Polygons with a cause, and days if known (from, to): GeoPackage or "
            "GeoJSON, drawn in QGIS. They say the cause of the sites they cover."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the data of the shipped model, to train on it as well."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the model. Default: models/cause/<next number> in the work "
            "folder."
        ),
    ] = None,
    in_use: Annotated[
        str | None,
        typer.Option(
            help="Compare with this model: rules-1, a name such as cause/1, or a "
            "folder. Default: what the settings name."
        ),
    ] = None,
    replace_worse: Annotated[
        bool,
        typer.Option(
            "--replace-worse", help="Write the new model even where it is worse."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """
    Train the model of causes on your own verdicts, and compare it with the one in use.

    Labels are the last verdicts that nobody contradicts. Both models judge the same
    objects in places that trained neither; the one with the smaller Brier score is the
    better. A worse one is not written unless told. The same labels give the same bytes.

    Exit codes: 0 written; 1 the new model is worse, nothing was written; 2 usage; 3 not
    enough labels, or bad input.

    Example: rsmonitor train cause district.toml --labels 样本.gpkg
    """
    from rsmonitor.config import read_districts
    from rsmonitor.lab.cause_material import gather
    from rsmonitor.lab.datasets import Places
    from rsmonitor.lab.retraining import compare, retrain, write
    from rsmonitor.lab.retraining_material import own_material, shortage
    from rsmonitor.lab.retraining_models import next_model
    from rsmonitor.wiring.learning import labels_of
    from rsmonitor.wiring.returns import open_desk

    offices = read_districts(config)
    used = _in_use(offices[0], in_use)
    found = labels_of(open_desk(config), labels)
    say(found.notes)
    say_refused([str(one) for one in found.refused])
    material = own_material(
        found,
        district=", ".join(each.district.code for each in offices),
        others=None if data is None else gather(Places(data=data)),
    )
    document: dict[str, Any] = {
        "labels": len(material.causes),
        "left_out": dict(material.left_out),
        "in_use": used.model_id,
    }
    short = shortage(material)
    comparison: Comparison | str | None = short
    if short is None:
        with Watcher() as watcher:
            comparison = compare(material, used, progress=watcher)
    if comparison is None or isinstance(comparison, str):
        return _tell(document | {"said": comparison}, EXIT_BAD_INPUT, as_json=as_json)
    document["comparison"] = comparison.as_json()
    if comparison.is_worse and not replace_worse:
        said = (
            f"refused: the new model is worse than {used.model_id}; nothing was "
            "written. --replace-worse writes it all the same"
        )
        return _tell(document | {"said": said}, EXIT_PARTIAL, as_json=as_json)
    folder, number = next_model(offices[0], out, used.metadata)
    made = retrain(
        material, comparison, number=number, command=_command(config, labels, data)
    )
    if used.metadata is not None and used.metadata.sha256 == made.metadata.sha256:
        said = f"the same as {used.model_id}, which is in use; nothing was written"
        return _tell(document | {"said": said}, EXIT_DONE, as_json=as_json)
    document["files"] = [str(path) for path in write(made, folder)]
    document["settings"] = f'[classify]\nmodel = "{_named(folder, offices[0])}"'
    shown = "better" if comparison.is_shown else "not shown to be better or worse"
    if comparison.is_worse:
        shown = "worse, and written because you said so"
    said = f"{made.metadata.model_id} is {shown}; to use it, write into {config.name}:"
    return _tell(document | {"said": said}, EXIT_DONE, as_json=as_json)


app.command("pairs")(pairs)


def _in_use(settings: "Settings", which: str | None) -> "InUse":
    """Load who names causes now."""
    from rsmonitor.lab.retraining import InUse
    from rsmonitor.lab.retraining_models import model_in_use

    found = model_in_use(settings, which)
    return InUse() if found is None else InUse(model=found[0], metadata=found[1])


def _command(config: Path, labels: Path | None, data: Path | None) -> str:
    """Say what makes the model again."""
    words = ["rsmonitor train cause", config.name]
    words += [] if labels is None else ["--labels", labels.name]
    words += [] if data is None else ["--data DATA"]
    return " ".join(words)


def _named(folder: Path, settings: "Settings") -> str:
    """Name a folder as settings do: relative to their file."""
    relative = os.path.relpath(folder.absolute(), settings.path(".").absolute())
    path = Path(relative).as_posix()
    return path if path.startswith(".") else f"./{path}"


def _tell(document: dict[str, Any], code: int, *, as_json: bool) -> int:
    """Print what was done."""
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False, indent=1))
        return code
    typer.echo(f"{document['labels']} labelled objects")
    for why, count in document["left_out"].items():
        typer.echo(f"  left out, {why}: {count}")
    told = document.get("comparison")
    if told is not None:
        typer.echo(
            f"on {told['judged']} held-out objects in {told['places']} places"
            + (
                f" ({told['passed_over']} passed over, which trained {told['in_use']})"
                if told["passed_over"]
                else ""
            )
        )
        typer.echo(f"{'':14}{'new':>8}{told['in_use']:>12}    gain, 95 % interval")
        for key, label in (("brier", "Brier score"), ("accuracy", "accuracy")):
            (new, old), (gain, low, high) = told[key], told[f"{key}_gain"]
            typer.echo(
                f"  {label:12}{new:8.3f}{old:12.3f}    {gain:+.3f}, {low:+.3f} to "
                f"{high:+.3f}"
            )
        for name, each in told["by_cause"].items():
            typer.echo(
                f"  {name:12}{each['new']:8.2f}{each['in_use']:12.2f}    of "
                f"{each['objects']} called right"
            )
    typer.echo(document["said"])
    if "settings" in document:
        typer.echo(document["settings"])
        for path in document["files"]:
            typer.echo(f"  {path}")
    return code
