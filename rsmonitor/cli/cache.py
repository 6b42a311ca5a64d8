"""The scenes that are kept."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from rsmonitor.errors import EXIT_DONE, EXIT_PARTIAL

app = typer.Typer(
    help="List, verify and prune the scenes that are kept.\n\n"
    "Example: rsmonitor cache list configs/ganzhou.toml",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Config = Annotated[Path, typer.Argument(help="Settings, a TOML file.")]


@app.command("list")
def list_kept(config: Config) -> int:
    """
    List what is kept, and which scenes were put aside or failed, and why.

    Example: rsmonitor cache list configs/ganzhou.toml
    """
    from rsmonitor.config import read_districts
    from rsmonitor.wiring.sources import cache_of

    cache = cache_of(read_districts(config)[0])
    pieces = cache.pieces()
    for piece in pieces:
        typer.echo(
            f"{piece.product_id}  rows {piece.window.row}, columns {piece.window.col}  "
            f"{piece.size_bytes / 1e6:.1f} MB"
        )
    for word, troubles in (
        ("in quarantine", cache.quarantines()),
        ("failed", cache.failures()),
    ):
        for trouble in troubles:
            typer.echo(
                f"{word}: {trouble.product_id}: {trouble.reason} "
                f"({trouble.attempts} times)"
            )
    typer.echo(f"{len(pieces)} pieces, {cache.total_bytes() / 1e6:.1f} MB")
    return EXIT_DONE


@app.command()
def verify(config: Config) -> int:
    """
    Verify every piece against its checksum; what is damaged is fetched again.

    Exit codes: 0 all sound; 1 some were damaged and removed.

    Example: rsmonitor cache verify configs/ganzhou.toml
    """
    from rsmonitor.config import read_districts
    from rsmonitor.wiring.sources import cache_of

    found = cache_of(read_districts(config)[0]).verify()
    for reason in found.removed:
        typer.echo(reason)
    typer.echo(f"{found.sound} pieces are sound, {len(found.removed)} were removed")
    return EXIT_PARTIAL if found.removed else EXIT_DONE


@app.command()
def prune(
    config: Config,
    days: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Keep what was fetched in the last so many days. Default: "
            "source.keep_days of the settings.",
        ),
    ] = None,
) -> int:
    """
    Prune old pieces that no standing alert of any district of the file cites.

    Example: rsmonitor cache prune configs/ganzhou.toml --days 1100
    """
    from rsmonitor.config import read_districts
    from rsmonitor.io.foundation.clock import SystemClock
    from rsmonitor.wiring.office import cited_scenes
    from rsmonitor.wiring.sources import cache_of

    offices = read_districts(config)
    cited = {scene for settings in offices for scene in cited_scenes(settings)}
    kept = days or max(settings.source.keep_days for settings in offices)
    before = SystemClock().now() - timedelta(days=kept)
    done = cache_of(offices[0]).prune(keep=cited, older_than=before)
    typer.echo(
        f"{done.pieces} pieces removed, {done.freed_bytes / 1e6:.1f} MB freed, "
        f"{done.kept} kept"
    )
    return EXIT_DONE
