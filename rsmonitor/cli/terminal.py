"""What a person sees while a command works, and when it is done."""

import contextlib
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import typer

from rsmonitor.errors import ContractError, HistoryError, SourceError

QUIET_SECONDS = 5.0
"""Without a terminal, progress is a line about this often."""


class Watcher:
    """Shows progress on stderr: a bar on a terminal, seldom lines elsewhere."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}
        self._said = time.monotonic()
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress

            self._bar = Progress(console=Console(stderr=True), transient=True)

    def __enter__(self) -> Self:
        """
        Start.

        Returns
        -------
        Watcher
            Itself.
        """
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """
        Take the bar away.

        Parameters
        ----------
        kind : type, optional
            Class of the error that ended the work.
        error : BaseException, optional
            The error.
        trace : TracebackType, optional
            Where it was raised.
        """
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        """
        Say how far the work is.

        Parameters
        ----------
        what : str
            Which work.
        done : int
            Steps done.
        total : int
            Steps in all.
        """
        if self._bar is not None:
            if what not in self._tasks:
                self._tasks[what] = self._bar.add_task(what, total=total)
            self._bar.update(self._tasks[what], completed=done, total=total)
        elif time.monotonic() - self._said > QUIET_SECONDS:
            self._said = time.monotonic()
            typer.echo(f"{what}: {done} of {total}", err=True)


def say(notes: Sequence[str]) -> None:
    """
    Print notes on stderr.

    Parameters
    ----------
    notes : sequence of str
        One sentence each.
    """
    for note in notes:
        typer.echo(f"note: {note}", err=True)


def say_refused(refused: Sequence[str]) -> None:
    """
    Print on stderr what was refused.

    Parameters
    ----------
    refused : sequence of str
        One sentence each.
    """
    for reason in refused:
        typer.echo(f"refused: {reason}", err=True)


def summarise(folder: Path) -> None:
    """
    Print what the outputs of a run say.

    Parameters
    ----------
    folder : Path
        A folder with ``alerts.geojson``, ``disturbances.geojson`` and
        ``coverage.geojson``.
    """
    from rsmonitor.records.verdict import CATEGORY_LABELS, Category

    alerts = _properties(folder / "alerts.geojson")
    sites = _properties(folder / "disturbances.geojson")
    week = json.loads((folder / "alerts.geojson").read_bytes()).get("week", "")
    typer.echo(f"alerts: {len(alerts)} in week {week}, of {len(sites)} disturbances")
    tiers = Counter(alert["tier"] for alert in alerts)
    for tier in ("high", "medium", "low"):
        typer.echo(f"  {tier:7} {tiers[tier]:4}")
    categories = Counter(alert["category"] for alert in alerts)
    for category in Category:
        if categories[category.value]:
            chinese, english = CATEGORY_LABELS[category]
            count = categories[category.value]
            typer.echo(f"  {category.value:26} {count:4}  {chinese} ({english})")
    for cover in _properties(folder / "coverage.geojson"):
        age = cover["median_days_since_clear"]
        typer.echo(
            f"seen in the week: {cover['share_seen']:.0%} of the area; monitored: "
            f"{cover['share_monitored']:.0%}; median age of the last clear look: "
            + ("never seen" if age is None else f"{age:.0f} days")
        )
    if any(alert["invented_licences"] for alert in alerts):
        typer.echo("许可证为虚构 (the licences are invented)")
    typer.echo("every alert is a clue and not a verdict; no alert is not 'no mining'")


def list_files(folder: Path) -> None:
    """
    Print where the outputs are.

    Parameters
    ----------
    folder : Path
        Their folder, with its ``manifest.json``; whatever else lies there is not ours.
    """
    manifest = folder / "manifest.json"
    listed = [*json.loads(manifest.read_bytes())["files"], manifest.name]
    if (folder / "head.json").exists():
        listed.append("head.json")  # comes after the manifest, so is not in it
    for name in sorted(listed):
        path = folder / name
        typer.echo(f"  {path}  ({path.stat().st_size / 1024:.0f} kB)")


@contextlib.contextmanager
def naming(files: Sequence[Path]) -> Iterator[None]:
    """
    Name files in what is refused: the rooms behind the sources know none.

    Parameters
    ----------
    files : sequence of Path
        What the user gave.

    Yields
    ------
    None
        To the work.

    Raises
    ------
    SourceError
        With the names, if no file was named.
    HistoryError
        The same.
    ContractError
        The same; a setting that only the stages understand ends so.
    """
    try:
        yield
    except (SourceError, HistoryError, ContractError) as error:
        if any(file.name in str(error) for file in files):
            raise
        names = ", ".join(map(str, files))
        raise type(error)(f"{names}: {error}") from error


def _properties(path: Path) -> list[dict[str, Any]]:
    """Read the properties of the features of one of our own files."""
    features: list[dict[str, Any]] = json.loads(path.read_bytes())["features"]
    return [feature["properties"] for feature in features]
