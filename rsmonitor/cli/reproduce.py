"""An alert computed again."""

import json
from pathlib import Path
from typing import Annotated

import typer

from rsmonitor.cli.terminal import Watcher, naming
from rsmonitor.errors import EXIT_DONE, EXIT_PARTIAL


def reproduce(
    config: Annotated[Path, typer.Argument(help="Settings, a TOML file.")],
    alert_id: Annotated[str, typer.Argument(help="Its id: a and twelve characters.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the comparison as JSON.")
    ] = False,
) -> int:
    """
    Compute an alert again from the scenes, and compare it with what was said.

    Nothing that runs keep is used but the scenes. It says what is equal, what differs,
    and whether software, settings, scenes or licences are not what they were. State of
    the grid is built in TMPDIR.

    Exit codes: 0 every result is equal; 1 something differs; 3 there is no such alert,
    or it cannot be computed; 5 a scene is neither kept nor reachable.

    Example: rsmonitor reproduce configs/demo.toml a75nsj5lybfro
    """
    from rsmonitor.wiring.reports import open_books
    from rsmonitor.wiring.reproduce import lines_of
    from rsmonitor.wiring.reproduce import reproduce as compute

    with naming([config]), Watcher() as watcher:
        done = compute(open_books(config), alert_id, progress=watcher)
    if as_json:
        typer.echo(json.dumps(done.document(), ensure_ascii=False, indent=1))
    else:
        for line in lines_of(done):
            typer.echo(line)
    return EXIT_DONE if done.same else EXIT_PARTIAL
