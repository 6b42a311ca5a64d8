"""Sites over time."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsmonitor.cli.terminal import Watcher, naming, say
from rsmonitor.errors import EXIT_DONE, SettingsError
from rsmonitor.records.lifecycle import Phase

if TYPE_CHECKING:
    from datetime import date

    from rsmonitor.config import Settings
    from rsmonitor.wiring.sites import Biography, Followed

app = typer.Typer(
    help="Follow sites over time: growth, quiet, greening, and what was not seen.\n\n"
    "Example: rsmonitor sites list configs/demo.toml",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Config = Annotated[Path, typer.Argument(help="Settings, a TOML file.")]
SiteId = Annotated[str, typer.Argument(help="Id of a site, see `sites list`.")]
District = Annotated[str | None, typer.Option(help="Only this district of the file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]


@app.command("list")
def list_sites(
    config: Config,
    phase: Annotated[
        Phase | None, typer.Option(help="Only sites that are in this phase.")
    ] = None,
    district: District = None,
    gone: Annotated[
        bool, typer.Option("--all", help="Merged and withdrawn sites too.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """
    List sites: phase and since when, area, last activity, last clear look.

    Example: rsmonitor sites list configs/demo.toml --phase restoring
    """
    from rsmonitor.config import read_districts
    from rsmonitor.records.lifecycle import PHASE_LABELS
    from rsmonitor.stages.tracking import LIVING
    from rsmonitor.wiring.sites import followed_sites

    told = [
        (settings.district.code, each)
        for settings in read_districts(config, district)
        for each in followed_sites(settings)
        if (gone or each.site.state in LIVING)
        and (phase is None or each.life.now is phase)
    ]
    if as_json:
        rows = [{"district": code, **_summary(each)} for code, each in told]
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=1))
        return EXIT_DONE
    for code, each in told:
        zh, en = PHASE_LABELS[each.life.now]
        gone_as = "" if each.site.state in LIVING else f" ({each.site.state.value})"
        typer.echo(
            f"{code}  {each.site.site_id}  {zh} {en}{gone_as} since "
            f"{each.life.periods[-1].since}  {each.life.area[-1][1]:,.0f} m2  last "
            f"activity {each.life.last_activity}  last clear "
            f"{each.visibility.last_clear or 'never'}, "
            f"{each.visibility.looks_since} looks since"
        )
    typer.echo(f"{len(told)} sites")
    return EXIT_DONE


@app.command()
def show(
    config: Config, site_id: SiteId, district: District = None, as_json: AsJson = False
) -> int:
    """
    Show the life of a site: phases, growth, recovery, kin, and what was not seen.

    Example: rsmonitor sites show configs/demo.toml scozyqtpf7k3z
    """
    from rsmonitor.wiring.sites import biography_of

    biography = biography_of(_settings(config, site_id, district), site_id)
    if as_json:
        typer.echo(json.dumps(_whole(biography), ensure_ascii=False, indent=1))
        return EXIT_DONE
    for line in _lines(biography):
        typer.echo(line)
    return EXIT_DONE


@app.command()
def timeline(
    config: Config,
    site_id: SiteId,
    out: Annotated[Path, typer.Option(help="The picture, a PNG file.")],
    district: District = None,
) -> int:
    """
    Draw area and greenness of a site over time, with its phases and clear looks.

    Example: rsmonitor sites timeline configs/demo.toml scozyqtpf7k3z --out site.png
    """
    from rsmonitor.wiring.sites import draw_timeline

    settings = _settings(config, site_id, district)
    biography = draw_timeline(settings, site_id, out)
    for line in _lines(biography):
        typer.echo(line)
    typer.echo(f"picture: {out}")
    return EXIT_DONE


@app.command()
def follow(config: Config, district: District = None) -> int:
    """
    Read sites in all committed looks that were not observed yet.

    Every run follows its sites by itself; this catches up where a work folder is from
    an older version, or the file of observations was lost. Done twice, it changes
    nothing the second time.

    Exit codes: 0 done; 3 bad input; 4 a run holds the district.

    Example: rsmonitor sites follow configs/demo.toml
    """
    from rsmonitor.config import read_districts
    from rsmonitor.wiring.sites import follow_committed

    for settings in read_districts(config, district):
        with naming([config]), Watcher() as watcher:
            rows, notes = follow_committed(settings, progress=watcher)
        say(notes)
        typer.echo(f"{settings.district.code}: {rows} observations added")
    return EXIT_DONE


def _settings(config: Path, site_id: str, district: str | None) -> "Settings":
    """Find the district that has a site."""
    from rsmonitor.config import read_districts
    from rsmonitor.wiring.sites import has_site

    offices = read_districts(config, district)
    if len(offices) == 1:
        return offices[0]
    having = [settings for settings in offices if has_site(settings, site_id)]
    if len(having) != 1:
        raise SettingsError(
            f"{config}: {len(having)} of its districts have a site {site_id!r}; name "
            "one with --district, and see `rsmonitor sites list`"
        )
    return having[0]


def _summary(each: "Followed") -> dict[str, Any]:
    """Say of a site what a list needs, as JSON values."""
    seen = each.visibility
    return {
        "site_id": each.site.site_id,
        "state": each.site.state.value,
        "phase": each.life.now.value,
        "since": _day(each.life.periods[-1].since),
        "area_m2": round(each.life.area[-1][1], 1),
        "last_activity": _day(each.life.last_activity),
        "last_clear": _day(seen.last_clear),
        "looks_since": seen.looks_since,
        "clear_looks_in_year": seen.clear_looks,
        "gap_median_days": seen.gap_median_days,
        "gap_90_days": seen.gap_90_days,
        "looks_to_confirm": seen.looks_to_confirm,
        "delay_median_days": seen.delay_median_days,
        "delay_90_days": seen.delay_90_days,
    }


def _whole(biography: "Biography") -> dict[str, Any]:
    """Say all of a site, as JSON values."""
    followed = biography.followed
    return {
        **_summary(followed),
        "periods": [
            {
                "phase": period.phase.value,
                "since": _day(period.since),
                "until": _day(period.until),
            }
            for period in followed.life.periods
        ],
        "area_by_date": [
            {"day": _day(day), "area_m2": round(area, 1)}
            for day, area in followed.life.area
        ],
        "recovery": [
            {"day": _day(point.day), "own": point.own, "beside": point.beside}
            for point in followed.life.curve
        ],
        "parents": list(biography.family.parents),
        "children": list(biography.family.children),
        "tree": [
            {"older": kin.older, "younger": kin.younger, "kinship": kin.kinship.value}
            for kin in biography.family.tree
        ],
        "aftermath": [
            {
                "licence_id": each.licence_id,
                "kind": each.kind.value,
                "since": _day(each.since),
                "cleared": _day(each.cleared),
                "regreening": _day(each.regreening),
                "recovered_vegetation": _day(each.recovered_vegetation),
                "started_again": _day(each.started_again),
            }
            for each in biography.aftermath
        ],
        "observations": [
            {
                "day": _day(row.day),
                "product_id": row.product_id,
                "share_seen": row.share_seen,
                "ndvi": row.ndvi,
                "expected": None if row.expected is None else round(row.expected, 4),
                "ring": row.ring,
                "bare_share": row.bare_share,
                "area_m2": row.area_m2,
            }
            for row in followed.observations
        ],
    }


def _lines(biography: "Biography") -> list[str]:
    """Say the life of a site in lines."""
    from rsmonitor.records.lifecycle import PHASE_LABELS
    from rsmonitor.records.site import STATE_LABELS

    followed, family = biography.followed, biography.family
    life, seen = followed.life, followed.visibility
    lines = [f"{followed.site.site_id}  {' '.join(STATE_LABELS[followed.site.state])}"]
    for period in life.periods:
        until = period.until or "now"
        lines.append(
            f"  {period.since} to {until}: {' '.join(PHASE_LABELS[period.phase])}"
        )
    lines += [f"  grown by {day}: {area:,.0f} m2" for day, area in life.area]
    if life.curve:
        lowest = min(life.curve, key=lambda point: point.own)
        last = life.curve[-1]
        beside = (
            "" if last.beside is None else f", {last.beside:.0%} of its surroundings"
        )
        lines.append(
            f"  greenness, share of what was to be expected: lowest {lowest.own:.0%} "
            f"on {lowest.day}, {last.own:.0%} on {last.day}{beside}"
        )
    lines.append(
        f"  last clear look {seen.last_clear or 'never'}, {seen.looks_since} looks "
        f"since; {seen.clear_looks} clear looks in the year before the last look"
    )
    if seen.gap_median_days is not None and seen.gap_90_days is not None:
        lines.append(
            f"  between clear looks: median {seen.gap_median_days:.0f} days, nine of "
            f"ten up to {seen.gap_90_days:.0f}; so a change here is confirmed after "
            f"about {seen.delay_median_days:.0f}, or up to {seen.delay_90_days:.0f} "
            f"days ({seen.looks_to_confirm} clear looks)"
        )
    if family.parents or family.children:
        lines.append(
            f"  parents: {', '.join(family.parents) or 'none'}; children: "
            f"{', '.join(family.children) or 'none'}"
        )
    for each in biography.aftermath:
        lines.append(
            f"  {each.kind.value} {each.licence_id} since {each.since or 'no date'}: "
            f"bare spots gone {each.cleared or '-'}, greening "
            f"{each.regreening or '-'}, vegetation recovered "
            f"{each.recovered_vegetation or '-'}, started again "
            f"{each.started_again or '-'}"
        )
    return lines


def _day(day: "date | None") -> str | None:
    """Write a day in ISO 8601."""
    return None if day is None else day.isoformat()
