"""``rsmonitor store``: where ledger, register and diary of sites are kept."""

from pathlib import Path
from typing import Annotated

import typer

from rsmonitor.errors import EXIT_DONE

app = typer.Typer(
    help="Where ledger, register and diary of sites are kept: files or PostgreSQL.\n\n"
    "Example: rsmonitor store copy --from files.toml --to server.toml",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def _root() -> None:
    """Where ledger, register and diary of sites are kept: files or PostgreSQL.

    Example: rsmonitor store copy --from files.toml --to server.toml
    """


@app.command()
def copy(
    source: Annotated[
        Path, typer.Option("--from", help="Settings of where they are kept now.")
    ],
    target: Annotated[
        Path,
        typer.Option(
            "--to", help="Settings of where they shall be: the same but for [store]."
        ),
    ],
) -> int:
    """
    Copy the books to another database, and verify them at both ends.

    Ledger, register and diary of sites are copied byte for byte, all or nothing; the
    chain of events then verifies as it did. The source stays as it is. The target must
    be empty; what was copied already is compared and left, so that the command can be
    repeated. No run may be going on: stop 'rsmonitor schedule' first, and start it with
    the other settings afterwards.

    Exit codes: 0 done; 2 usage; 3 the source does not verify, or the target holds
    something else; 4 a run is going on; 5 the server is away.

    Example: rsmonitor store copy --from files.toml --to server.toml
    """
    from rsmonitor.wiring.store import copy_store

    copied = copy_store(source, target)
    for part in copied.parts:
        rows = ", ".join(f"{name} {count}" for name, count in part.content.rows)
        typer.echo(
            f"{part.what}: {'copied' if part.new else 'was there already'}, from "
            f"{part.source} to {part.target}"
        )
        typer.echo(f"  rows at both ends: {rows}; SHA-256 {part.content.sha256}")
    seq, digest = copied.head
    typer.echo(f"both chains verify: {seq} events, the last is {digest}")
    return EXIT_DONE
