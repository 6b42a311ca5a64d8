"""Tips of the public: taken in, matched, answered, and forgotten on request."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from rsmonitor.cli.terminal import say, say_refused
from rsmonitor.errors import EXIT_DONE, EXIT_PARTIAL

if TYPE_CHECKING:
    from rsmonitor.records.tip import MatchingParameters
    from rsmonitor.stages.matching import Matched
    from rsmonitor.wiring.returns import Desk

app = typer.Typer(
    help="Tips of the public (举报线索): match them to sites.\n\n"
    "Example: rsmonitor tips import district.toml 举报.xlsx",
    no_args_is_help=True,
    rich_markup_mode=None,
)

RESULTS: Final = {
    "matched": "已匹配 matched",
    "priority_look": "优先查看 priority look",
    "needs_place": "待定位 needs a place",
}
"""What became of a tip, in words."""

SHOWN: Final = 5
"""Nearest sites that are listed of a tip."""

Config = Annotated[Path, typer.Argument(help="Settings, a TOML file.")]
TipId = Annotated[str, typer.Argument(help="Id of the tip, t and twelve characters.")]
Within = Annotated[
    float | None,
    typer.Option(
        "--within-m",
        help="Metres between a tip and a site; default: tips.within_m of the settings.",
    ),
]
Ahead = Annotated[
    int | None,
    typer.Option(
        help="Days after the tip in which a change may be seen first; default: "
        "tips.days_ahead."
    ),
]
Behind = Annotated[
    int | None,
    typer.Option(
        help="Days before the tip since which a site may be quiet; default: "
        "tips.days_behind."
    ),
]


@app.command("import")
def import_(
    config: Config,
    file: Annotated[
        Path, typer.Argument(help="XLSX, CSV, GeoPackage or GeoJSON of tips.")
    ],
    within_m: Within = None,
    days_ahead: Ahead = None,
    days_behind: Behind = None,
) -> int:
    """
    Take tips in, and match all tips to all sites in space and time.

    A tip has a day and a point, a polygon or an address. Names and contacts go to a
    table of their own (tips.sqlite in the work folder), from which 'tips erase' removes
    them; everything else knows a tip by an opaque id. The same file twice adds nothing.

    Exit codes: 0 done; 1 done, but rows were refused; 2 usage; 3 no row can be used;
    4 the ledger is busy.

    Example: rsmonitor tips import district.toml 举报.xlsx --within-m 500
    """
    from rsmonitor.wiring.returns import open_desk
    from rsmonitor.wiring.tips import import_tips

    desk = open_desk(config)
    done = import_tips(
        desk, file, parameters=_near(desk, within_m, days_ahead, days_behind)
    )
    say(done.notes)
    say_refused([str(one) for one in done.refused])
    typer.echo(
        f"{done.new} tips taken in, {done.known} known before; "
        f"{len(done.refused)} rows refused"
    )
    _summarise(done.matched)
    return EXIT_PARTIAL if done.refused else EXIT_DONE


@app.command()
def match(
    config: Config,
    within_m: Within = None,
    days_ahead: Ahead = None,
    days_behind: Behind = None,
) -> int:
    """
    Match all tips to the sites as they are now, and record what is new.

    Do this after a run: what a tip spoke of may have been seen since.

    Example: rsmonitor tips match district.toml
    """
    from rsmonitor.wiring.returns import open_desk
    from rsmonitor.wiring.tips import match_again

    desk = open_desk(config)
    near = _near(desk, within_m, days_ahead, days_behind)
    _summarise(match_again(desk, parameters=near))
    return EXIT_DONE


@app.command("list")
def list_(
    config: Config,
    within_m: Within = None,
    days_ahead: Ahead = None,
    days_behind: Behind = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """
    Say what became of each tip; names nobody.

    Example: rsmonitor tips list district.toml --json
    """
    from rsmonitor.wiring.returns import open_desk
    from rsmonitor.wiring.tips import tip_results

    desk = open_desk(config)
    near = _near(desk, within_m, days_ahead, days_behind)
    results = list(tip_results(desk, parameters=near))
    if as_json:
        typer.echo(json.dumps(results, ensure_ascii=False, indent=1))
        return EXIT_DONE
    for tip in results:
        place = "" if tip["place"] is None else "{:.6f},{:.6f}".format(*tip["place"])
        erased = "  [来源已删除 source erased]" if tip["erased"] else ""
        typer.echo(
            f"{tip['tip_id']}  {tip['day']}  {place:22}  "
            f"{RESULTS[tip['result']]}{erased}"
        )
        for found in tip["matches"][:SHOWN]:
            said = "; ".join(found["found"]) or "未核查 not checked yet"
            typer.echo(
                f"    {found['alert_id']}  {found['distance_m']:.0f} m, "
                f"{found['days_apart']:+d} d, {found['state']}: {said}"
            )
        if tip["result"] == "priority_look":
            words = shlex.join(["tips", "imagery", str(config), tip["tip_id"]])
            typer.echo(f"    影像 imagery: rsmonitor {words}")
        if len(tip["matches"]) > SHOWN:
            typer.echo(f"    and {len(tip['matches']) - SHOWN} more; --json has all")
    typer.echo(f"{len(results)} tips")
    return EXIT_DONE


def _degrees(text: str) -> tuple[float, float]:
    """Read longitude and latitude, or complain as the command line does."""
    try:
        longitude, latitude = map(float, text.split(","))
    except ValueError as error:
        raise typer.BadParameter(
            f"--at is longitude,latitude such as 115.03,24.91, got {text!r}"
        ) from error
    return longitude, latitude


@app.command()
def place(
    config: Config,
    tip_id: TipId,
    at: Annotated[str, typer.Option(help="Longitude,latitude in WGS 84 or CGCS2000.")],
) -> int:
    """
    Give a tip that has an address only its place.

    Example: rsmonitor tips place district.toml tabcdefghijkl --at 115.03,24.91
    """
    from rsmonitor.wiring.returns import open_desk
    from rsmonitor.wiring.tips import place_tip

    longitude, latitude = _degrees(at)
    place_tip(open_desk(config), tip_id, longitude=longitude, latitude=latitude)
    typer.echo(f"{tip_id}: placed; 'rsmonitor tips match' matches it")
    return EXIT_DONE


@app.command()
def imagery(
    config: Config,
    tip_id: TipId,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder in which one of the tip's id is made; default: tip-imagery in "
            "the work folder."
        ),
    ] = None,
    within_m: Within = None,
    fetch: Annotated[
        bool,
        typer.Option(
            "--fetch", help="Ask the service for scenes that the cache does not hold."
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the numbers as JSON.")
    ] = False,
) -> int:
    """
    Show the place of a tip: before, newest, and all evidence, also the weak.

    Writes sheet.png for people; before.tif, after.tif, days.tif, evidence.tif and
    place.geojson for QGIS; tip.json with the numbers. No site is needed. Scenes are
    read from the cache, up to the end of the district's last run.

    Exit codes: 0 done; 1 done, but nothing clear was seen since the tip; 2 usage; 3
    no such tip, or outside every district; 5 scenes cannot be reached.

    Example: rsmonitor tips imagery district.toml tabcdefghijkl --out look
    """
    from rsmonitor.io.deliver.tip_folder import numbers_of
    from rsmonitor.records.tip_view import CHOSEN_LABELS
    from rsmonitor.wiring.returns import open_desk
    from rsmonitor.wiring.tip_imagery import imagery_folder, view_tip, write_view

    desk = open_desk(config)
    near = _near(desk, within_m, None, None)
    view = view_tip(desk, config, tip_id, parameters=near, fetch=fetch)
    folder = write_view(view, imagery_folder(desk) if out is None else out)
    numbers = numbers_of(view)
    nothing = view.since.clear == 0
    if as_json:
        typer.echo(json.dumps(numbers, ensure_ascii=False, indent=1))
        return EXIT_PARTIAL if nothing else EXIT_DONE
    for name, mosaic in (("线索前 before", view.before), ("最新 newest", view.after)):
        if mosaic is None:
            typer.echo(f"{name}: 无清晰影像 nothing clear was seen")
        else:
            days = sorted({day.isoformat() for day, _ in mosaic.looks})
            typer.echo(
                f"{name}: {days[0]}..{days[-1]}, {len(mosaic.looks)} looks, "
                f"{mosaic.share_near:.0%} of the ground near seen; "
                f"{' '.join(CHOSEN_LABELS[mosaic.chosen])}"
            )
    since, watched, found = view.since, view.share_monitored, view.strongest
    typer.echo(
        f"线索后 since the tip: {since.clear} of {since.looks} looks clear; "
        f"last clear look {since.last_clear or '无 none'}; monitored "
        f"{'unknown' if watched is None else f'{watched:.0%}'}"
    )
    typer.echo(
        "最强证据 strongest evidence near: "
        + (
            "无 none"
            if found is None
            else f"{found.tier.name.lower() if found.tier else 'below the threshold'}, "
            f"{found.score:.1f} nats, first seen {found.first_seen}, "
            f"{found.distance_m:.0f} m away"
        )
    )
    say([f"{note.zh} {note.en}" for note in view.notes])
    typer.echo(str(folder))
    return EXIT_PARTIAL if nothing else EXIT_DONE


@app.command()
def source(config: Config, tip_id: TipId) -> int:
    """
    Show what is known of who gave and who registered a tip, to answer them.

    Do not redirect it into a file: 'tips erase' could not erase that.

    Example: rsmonitor tips source district.toml tabcdefghijkl
    """
    from rsmonitor.wiring.returns import open_desk

    told = open_desk(config).tips.told(tip_id)
    for name, value in told.items():
        typer.echo(f"{name}: {value}")
    if not told:
        typer.echo("nothing is known, or it was erased")
    return EXIT_DONE


@app.command()
def erase(config: Config, tip_id: TipId) -> int:
    """
    Remove what is known of who gave a tip; day, place and result stay.

    What was there is written over, in the store and in its journal. The file that was
    imported, and backups, are yours to delete.

    Example: rsmonitor tips erase district.toml tabcdefghijkl
    """
    from rsmonitor.wiring.returns import open_desk

    desk = open_desk(config)
    removed = desk.tips.erase(tip_id, at=desk.clock.now())
    typer.echo(f"{tip_id}: " + ("erased" if removed else "was erased before"))
    typer.echo("the imported file and your backups are not touched; delete them too")
    return EXIT_DONE


def _near(
    desk: "Desk", within_m: float | None, ahead: int | None, behind: int | None
) -> "MatchingParameters":
    """Take what the options say, and of the rest what the settings say."""
    from dataclasses import replace

    from rsmonitor.errors import ContractError

    said = {"within_m": within_m, "days_ahead": ahead, "days_behind": behind}
    given: dict[str, Any] = {
        name: value for name, value in said.items() if value is not None
    }
    try:
        return replace(desk.near, **given)
    except ContractError as error:
        raise typer.BadParameter(str(error)) from error


def _summarise(matched: "Matched") -> None:
    """Print what became of all tips."""
    told = {match.tip_id for match in matched.matches}
    typer.echo(
        f"{len(told)} tips matched to sites; {len(matched.priority)} without a change, "
        f"for a priority look; {len(matched.unplaced)} need a place; "
        f"{len(matched.untold)} sites without a tip stay as they are"
    )
    for tip_id in matched.priority:
        typer.echo(f"  优先查看 priority look: {tip_id}")
    if matched.priority:
        typer.echo("  影像 their imagery: rsmonitor tips imagery CONFIG TIP")
