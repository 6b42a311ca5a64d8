"""The audit chain."""

from pathlib import Path
from typing import Annotated

import typer

from rsmonitor.errors import EXIT_BAD_INPUT, EXIT_DONE, StoreError


def verify(
    config: Annotated[Path, typer.Argument(help="Settings, a TOML file.")],
) -> int:
    """
    Verify the chain of events in the ledger: nothing edited, lost or reordered.

    Exit codes: 0 the chain is whole; 3 it is not, or there is none.

    Example: rsmonitor verify configs/demo.toml
    """
    from rsmonitor.config import read_districts
    from rsmonitor.io.stores.ledger import SqliteLedger

    settings = read_districts(config)[0]  # all districts share one ledger
    work = settings.path(settings.run.work)
    path = work / "ledger.sqlite"
    _require_there(path)
    ledger = SqliteLedger(path, locks=work / "locks")
    problems = ledger.verify()
    for problem in problems:
        typer.echo(problem)
    seq, head = ledger.head()
    typer.echo(f"{seq} events, head {head}")
    return EXIT_BAD_INPUT if problems else EXIT_DONE


def _require_there(ledger: Path) -> None:
    """Refuse a ledger that was never begun, which would read as an empty one."""
    if not ledger.exists():
        raise StoreError(f"{ledger} does not exist: no run has been committed there")
