"""The audit chain."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rsmonitor.errors import EXIT_BAD_INPUT, EXIT_DONE, EXIT_PARTIAL


def verify(
    config: Annotated[Path, typer.Argument(help="Settings, a TOML file.")],
    head: Annotated[
        list[Path] | None,
        typer.Option(
            "--head",
            help="A head.json of a delivery that was kept elsewhere; may be repeated. "
            "Those in the outputs are looked at anyway.",
        ),
    ] = None,
    public_key: Annotated[
        Path | None,
        typer.Option(
            "--public-key", help="Every head must be signed with this key (PEM)."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """
    Verify the chain of events in the ledger: nothing edited, lost, cut or reordered.

    A chain whose end was cut off is whole in itself: only a head that was published
    earlier shows it. Give those that others keep. A ledger of an older version is
    verified as it is.

    Exit codes: 0 the chain is whole; 1 it is, but a head could not be used; 3 it is
    not, or there is none.

    Example: rsmonitor verify configs/demo.toml --head kept/2026-W47/head.json
    """
    from rsmonitor.config import read_districts
    from rsmonitor.wiring.verification import verify_ledger

    found = verify_ledger(
        read_districts(config),  # all districts share one ledger
        head or (),
        public_key=public_key,
    )
    if as_json:
        typer.echo(json.dumps(asdict(found), ensure_ascii=False, indent=2))
    else:
        for problem in found.problems:
            typer.echo(problem)
        typer.echo(
            f"{found.events} events, head {found.head}; published heads that it was "
            f"held against: {found.heads}; "
            + ("台账不完整 NOT whole" if found.problems else "台账完整 whole")
        )
    for reason in found.unread:
        typer.echo(f"refused: {reason}", err=True)
    for note in found.notes:
        typer.echo(f"note: {note}", err=True)
    if found.problems:
        return EXIT_BAD_INPUT
    return EXIT_PARTIAL if found.unread else EXIT_DONE
