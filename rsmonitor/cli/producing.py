"""Published lists of producing mines, for ``licences check`` and ``import``."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rsmonitor.cli.licence_options import say_entry, some
from rsmonitor.cli.terminal import say
from rsmonitor.errors import EXIT_DONE

if TYPE_CHECKING:
    from rsmonitor.wiring.licences import OpenedRegister


def required(publisher: str | None, published: datetime | None) -> tuple[str, date]:
    """Ask for what a list of producing mines cannot do without."""
    if publisher is None or published is None:
        raise typer.BadParameter(
            "a list of producing mines needs --publisher and --published"
        )
    return publisher, published.date()


def check_producing(
    file: Path,
    config: Path | None,
    register: Path | None,
    year: int | None,
    *,
    as_json: bool,
) -> int:
    """Say what a list of producing mines says; change nothing."""
    from rsmonitor.io.licences.check import producing_document, producing_lines
    from rsmonitor.io.licences.producing import read_producing
    from rsmonitor.wiring.licences import known_parcels

    found = read_producing(file, year=year)
    held = known_parcels(config, register) or None
    if as_json:
        told = producing_document(found, held)
        typer.echo(json.dumps(told, ensure_ascii=False, allow_nan=False))
    else:
        for line in producing_lines(found, held):
            typer.echo(line)
    return EXIT_DONE


def import_producing(
    file: Path,
    opened: "OpenedRegister",
    year: int | None,
    publisher: str,
    published: date,
    by: str,
    *,
    dry_run: bool,
) -> int:
    """Import lists of producing mines, and say what they hold."""
    from rsmonitor.io.foundation.clock import SystemClock
    from rsmonitor.io.licences.producing import read_producing

    found = read_producing(file, year=year)
    lists = found.lists(publisher=publisher, published=published)
    say(found.notes)
    held = {licence.licence_id for licence in opened.register.snapshot().licences}
    for listed in lists:
        typer.echo(
            f"{file.name}: {len(listed.licence_ids)} producing mines of {listed.year}, "
            f"published by {listed.publisher} on {listed.published}"
        )
        unknown = sorted(listed.licence_ids - held)
        if unknown:
            say([f"not in the register: {some(unknown)}"])
    if dry_run:
        return EXIT_DONE
    for listed in lists:
        entry = opened.register.import_producing(
            listed, file=file.name, sha256=found.sha256, at=SystemClock().now(), by=by
        )
        if entry is None:
            typer.echo(
                f"the register holds the list of {listed.year} already; nothing changed"
            )
        else:
            say_entry(opened, entry)
    return EXIT_DONE
