"""Reports from the ledger."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsmonitor.cli.terminal import say
from rsmonitor.errors import EXIT_DONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rsmonitor.io.deliver.tables import Table
    from rsmonitor.stages.rights_report import Quarter

app = typer.Typer(
    help="Reports from the ledger: of a year, and of each mining right.\n\n"
    "Example: rsmonitor report yearly configs/demo.toml --year 2019",
    no_args_is_help=True,
)

_Config = Annotated[Path, typer.Argument(help="Settings, a TOML file.")]
_Out = Annotated[
    Path | None,
    typer.Option(help="Write it to this file: .xlsx, .csv or .json."),
]
_District = Annotated[str | None, typer.Option(help="Only this district of the file.")]

_FORMATS = ("xlsx", "csv", "json")


@app.command()
def yearly(
    config: _Config,
    year: Annotated[int, typer.Option(min=2015, max=2200, help="Calendar year.")],
    out: _Out = None,
    district: _District = None,
) -> int:
    """
    Count the alerts of a year by county, category, month and holder.

    With areas, handled and open, cleared and not, and precision by tier with 95 %
    intervals from what people said; where nobody looked it is not measured, and not 0.
    Years and months are those of the first clear look that saw the change.

    Exit codes: 0 done; 2 usage; 3 bad input, or the file cannot be written.

    Example: rsmonitor report yearly configs/demo.toml --year 2019 --out 2019.xlsx
    """
    from rsmonitor.io.deliver.report_tables import (
        YEARLY_REMARKS,
        yearly_json,
        yearly_tables,
    )
    from rsmonitor.wiring.reports import open_books, yearly_report

    _check(out)
    books = open_books(config, district)
    report = yearly_report(books, year)
    _deliver(
        yearly_tables(report),
        yearly_json(report),
        heading=f"{year}年度自查表 Yearly table {year}",
        remarks=YEARLY_REMARKS,
        invented=books.invented,
        out=out,
    )
    return EXIT_DONE


@app.command()
def rights(
    config: _Config,
    quarter: Annotated[str, typer.Option(help="Such as 2026Q3.")],
    out: _Out = None,
    district: _District = None,
) -> int:
    """
    Say what was seen inside each mining right and recovery project in a quarter.

    Disturbed area, growth, last activity, share observed; rights on the list of
    producing mines without activity, and activity while suspended. Surface change does
    not measure in-situ output.

    Exit codes: 0 done; 2 usage; 3 bad input, or the file cannot be written.

    Example: rsmonitor report rights configs/demo.toml --quarter 2020Q4
    """
    from rsmonitor.io.deliver.report_tables import (
        findings_table,
        rights_json,
        rights_table,
    )
    from rsmonitor.stages.rights_report import CAVEAT
    from rsmonitor.wiring.reports import open_books, rights_report

    _check(out)
    asked = _quarter(quarter)
    report = rights_report(open_books(config, district), asked)
    say(report.notes)
    _deliver(
        (rights_table(report.rows, asked), findings_table(report.rows)),
        {
            "quarter": str(asked),
            "caveat": CAVEAT,
            "notes": list(report.notes),
            "register_snapshot": report.register_snapshot,
            "rights": rights_json(report.rows, asked),
        },
        heading=f"{asked} 采矿权与回收项目权内活动 Activity inside rights, {asked}",
        remarks=(CAVEAT, *report.notes),
        invented=report.invented,
        out=out,
    )
    return EXIT_DONE


def _quarter(text: str) -> "Quarter":
    """Read a quarter before anything is opened."""
    from rsmonitor.errors import ContractError
    from rsmonitor.stages.rights_report import Quarter

    try:
        return Quarter.parse(text)
    except ContractError as error:
        raise typer.BadParameter(str(error)) from error


def _check(out: Path | None) -> None:
    """Refuse a file that cannot be written before anything is counted."""
    if out is not None:
        from rsmonitor.io.deliver.tables import require_suffix
        from rsmonitor.io.foundation.files import require_writable

        require_suffix(out.name, _FORMATS)
        require_writable(out.absolute().parent)


def _deliver(
    tables: "Sequence[Table]",
    document: dict[str, Any],
    *,
    heading: str,
    remarks: "Sequence[str]",
    invented: bool,
    out: Path | None,
) -> None:
    """Write a report, or print it."""
    from rsmonitor.io.deliver.geojson import notice
    from rsmonitor.io.deliver.tables import csv_bytes, require_suffix, text_lines, xlsx
    from rsmonitor.io.foundation.files import write_atomic
    from rsmonitor.wiring.office import SOFTWARE

    remarks = (*remarks, notice(invented=invented))
    if out is None:
        typer.echo(heading)
        for table in tables:
            if table.key != "alerts":
                for line in text_lines(table):
                    typer.echo(line)
        for remark in remarks:
            typer.echo(remark)
        return
    form = require_suffix(out.name, _FORMATS)
    if form == "json":
        whole = {
            "schema_version": 1,
            "software": SOFTWARE,
            "notice": notice(invented=invented),
            "invented_licences": invented,
            **document,
        }
        text = json.dumps(whole, ensure_ascii=False, indent=1, allow_nan=False)
        data = f"{text}\n".encode()
    elif form == "csv":
        data = csv_bytes(tables)
    else:
        data = xlsx(tables, heading=heading, remarks=remarks)
    write_atomic(out, data)
    typer.echo(f"{heading}: {out}")
