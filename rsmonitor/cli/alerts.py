"""What was found: listed, told, and taken along."""

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsmonitor.errors import EXIT_DONE, EXIT_PARTIAL

if TYPE_CHECKING:
    from rsmonitor.wiring.alerts import Choice

app = typer.Typer(
    help="What was found, from the ledger.\n\n"
    "Example: rsmonitor alerts list configs/demo.toml",
    no_args_is_help=True,
)

_Config = Annotated[Path, typer.Argument(help="Settings, a TOML file.")]
_District = Annotated[str | None, typer.Option(help="Only this district of the file.")]
_County = Annotated[
    str | None,
    typer.Option(help="Only alerts of this county (GB/T 2260), or of 4 or 2 digits."),
]
_Tier = Annotated[str | None, typer.Option(help="Only this tier: high, medium, low.")]
_Category = Annotated[
    str | None, typer.Option(help="Only this category, such as no_right.")
]
_Since = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="Only what was first seen from then on."),
]
_Week = Annotated[
    str | None,
    typer.Option(
        help="Only what the run of this ISO week said first, new or changed, such as "
        "2026-W47."
    ),
]
_State = Annotated[
    str | None,
    typer.Option(
        help="Only this state: new, active, recovering (as in alerts.geojson); or of "
        "the site's life dormant, cleared, restoring, recovered_vegetation, restarted."
    ),
]


@app.command("list")
def list_alerts(  # noqa: PLR0913, PLR0917 - one for each option
    config: _Config,
    district: _District = None,
    county: _County = None,
    tier: _Tier = None,
    category: _Category = None,
    since: _Since = None,
    week: _Week = None,
    state: _State = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print the properties of alerts.geojson, a list."),
    ] = False,
) -> int:
    """
    List the alerts that stand, by rank.

    The third column is the name that the alert has on a GPS receiver.

    Exit codes: 0 done; 2 usage; 3 there is no ledger, or it is damaged.

    Example: rsmonitor alerts list configs/demo.toml --tier high --since 2019-06-01
    """
    choice = _choice(
        since, week, county=county, tier=tier, category=category, state=state
    )
    from rsmonitor.wiring.alerts import chosen, features_of, list_lines
    from rsmonitor.wiring.reports import open_books

    books = chosen(open_books(config, district), choice)
    if as_json:
        features = features_of(books)["features"]
        told = [feature["properties"] for feature in features]
        typer.echo(json.dumps(told, ensure_ascii=False, indent=1))
        return EXIT_DONE
    for line in list_lines(books):
        typer.echo(line)
    return EXIT_DONE


@app.command()
def show(
    config: _Config,
    alert_id: Annotated[str, typer.Argument(help="Its id: a and twelve characters.")],
) -> int:
    """
    Tell one alert: what it says and why, its versions, and what was done about it.

    Also one that stands no more: nothing that was said is lost.

    Exit codes: 0 done; 3 there is no such alert, or no ledger.

    Example: rsmonitor alerts show configs/demo.toml a75nsj5lybfro
    """
    from rsmonitor.wiring.alerts import show_lines
    from rsmonitor.wiring.reports import open_books

    for line in show_lines(open_books(config), alert_id):
        typer.echo(line)
    return EXIT_DONE


@app.command()
def export(  # noqa: PLR0913, PLR0917 - one for each option
    config: _Config,
    out: Annotated[
        Path, typer.Option(help="The file to write; a folder for weipian and stac.")
    ],
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="geojson, csv, xlsx, kml (phone), gpx (GPS receiver), geopackage, "
            "shapefile (CGCS2000, a zip), txt (the ministry's, a zip or one file), "
            "weipian (forms, a folder) or stac (a folder); with --public csv, xlsx, "
            "json or geojson.",
        ),
    ] = "geojson",
    public: Annotated[
        bool,
        typer.Option(
            "--public",
            help="Leave county, category, class of area and month only: no places, "
            "names, holders or numbers.",
        ),
    ] = False,
    district: _District = None,
    county: _County = None,
    tier: _Tier = None,
    category: _Category = None,
    since: _Since = None,
    week: _Week = None,
    state: _State = None,
) -> int:
    """
    Write the alerts that stand: for a desk, a phone, GPS, a form, or the public.

    KML and GPX hold a point inside each alert, and its outline. Coordinates are WGS 84;
    a map in GCJ-02 shows them some hundred metres off. What people of China's bureaus
    hand on (shapefile, txt, weipian) is CGCS2000.

    Exit codes: 0 done; 1 done, but some alerts fit no zone of the TXT (said which);
    2 usage; 3 bad input or the file cannot be written.

    Example: rsmonitor alerts export configs/demo.toml --format gpx --out alerts.gpx
    """
    choice = _choice(
        since, week, county=county, tier=tier, category=category, state=state
    )
    _require_form(form, public=public)
    from rsmonitor.wiring.alerts import chosen
    from rsmonitor.wiring.exports import export as write
    from rsmonitor.wiring.reports import open_books

    books = chosen(open_books(config, district), choice)
    left_out = write(books, out, form=form, public=public, county=county)
    for note in left_out:
        typer.echo(note, err=True)
    typer.echo(f"{len(books.alerts)} alerts: {out}")
    return EXIT_PARTIAL if left_out else EXIT_DONE


def _choice(since: datetime | None, week: str | None, **words: str | None) -> "Choice":
    """Read what is wanted, before anything is opened."""
    from rsmonitor.errors import ContractError
    from rsmonitor.records.week import IsoWeek
    from rsmonitor.wiring.alerts import Choice

    try:
        return Choice(
            since=since.date() if since else None,
            week=IsoWeek.parse(week) if week else None,
            **words,
        )
    except ContractError as error:
        raise typer.BadParameter(str(error)) from error


def _require_form(form: str, *, public: bool) -> None:
    """Refuse a format before anything is opened."""
    from rsmonitor.errors import ContractError
    from rsmonitor.wiring.exports import require_form

    try:
        require_form(form, public=public)
    except ContractError as error:
        raise typer.BadParameter(str(error)) from error
