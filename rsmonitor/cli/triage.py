"""What people found, brought back into the ledger."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsmonitor.cli.terminal import say, say_refused
from rsmonitor.errors import EXIT_DONE, EXIT_PARTIAL

if TYPE_CHECKING:
    from rsmonitor.stages.precision import BudgetPrecision, Share

app = typer.Typer(
    help="Bring back what people found at the desk or on site.\n\n"
    "Example: rsmonitor triage import district.toml 核查结果.xlsx",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def _refuse_both(dry_run: bool, apply: bool) -> None:
    """Complain as the command line does."""
    if dry_run and apply:
        raise typer.BadParameter("--dry-run and --apply contradict each other")


def _refuse_language(language: str | None) -> None:
    """Complain as the command line does."""
    if language not in {None, "zh", "en"}:
        raise typer.BadParameter(f"--language is zh or en, got {language!r}")


@app.command("import")
def import_(
    config: Annotated[Path, typer.Argument(help="Settings, a TOML file.")],
    file: Annotated[
        Path,
        typer.Argument(
            help="XLSX, CSV, GeoPackage, GeoJSON, a 举证 database, or a zip of one of "
            "them with photos."
        ),
    ],
    who: Annotated[
        str | None,
        typer.Option(help="Who brings it; stands where a row names nobody."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only check and show: the default.")
    ] = False,
    apply: Annotated[
        bool, typer.Option("--apply", help="Add what is new to the ledger.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print lines and refusals as JSON.")
    ] = False,
) -> int:
    """
    Check results of triage and inspection, show them, and with --apply add them.

    A row names a site or an alert, a verdict (lawful 合法, unlawful 违法, pseudo_change
    伪变化, special_use 特殊用地, unclear 待核), for a pseudo-change a cause of the one
    table, the imagery that decided, who judged, when, and photos. People who disagree
    are both kept and shown. The same file twice adds nothing.

    Exit codes: 0 done; 1 done, but rows were refused; 2 usage; 3 no row can be used;
    4 the ledger is busy.

    Example: rsmonitor triage import district.toml 核查结果.xlsx --who 李华 --apply
    """
    _refuse_both(dry_run, apply)
    from rsmonitor.records.disturbance import CAUSE_LABELS
    from rsmonitor.wiring.returns import (
        import_findings,
        judgement_words,
        open_desk,
    )

    done = import_findings(open_desk(config), file, who=who, apply=apply)
    if as_json:
        document = {
            "findings": [
                {
                    "row": line.where,
                    "site_id": line.finding.site_id,
                    "verdict": judgement_words(line.finding.judgement),
                    "cause": line.finding.cause,
                    "judged_by": line.finding.judged_by,
                    "judged_on": line.finding.judged_on.isoformat(),
                    "photos": line.photos,
                    "state": line.state,
                    "against": list(line.against),
                }
                for line in done.lines
            ],
            "refused": [one.as_json() for one in done.refused],
            "notes": list(done.notes),
            "applied": done.applied,
        }
        typer.echo(json.dumps(document, ensure_ascii=False, indent=1))
    else:
        say(done.notes)
        say_refused([str(one) for one in done.refused])
        for line in done.lines:
            finding = line.finding
            cause = f" ({CAUSE_LABELS[finding.cause][0]})" if finding.cause else ""
            photos = f", {line.photos} photos" if line.photos else ""
            typer.echo(
                f"{line.state:7} {finding.site_id}  "
                f"{judgement_words(finding.judgement)}{cause}  {finding.judged_by} "
                f"{finding.judged_on}{photos}  [{line.where}]"
            )
            for other in line.against:
                typer.echo(f"        意见不一 disagrees with {other}")
        fresh = sum(line.state != "known" for line in done.lines)
        typer.echo(
            f"{len(done.lines)} findings: {fresh} to be added, "
            f"{len(done.lines) - fresh} known before; {len(done.refused)} rows refused"
        )
        typer.echo(
            f"{done.applied} events added to the ledger"
            if apply
            else "nothing was changed; add --apply to add them"
        )
    return EXIT_PARTIAL if done.refused else EXIT_DONE


@app.command("list")
def list_(
    config: Annotated[Path, typer.Argument(help="Settings, a TOML file.")],
    disputed: Annotated[
        bool, typer.Option("--disputed", help="Only sites on which people disagree.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """
    List the last word of everybody, site by site; sites that may not be shown are not.

    Example: rsmonitor triage list district.toml --disputed
    """
    from rsmonitor.records.disturbance import CAUSE_LABELS
    from rsmonitor.wiring.returns import judgement_words, open_desk, standing_now

    standing = [
        one for one in standing_now(open_desk(config)) if not (disputed and one.agreed)
    ]
    if as_json:
        document = [
            {
                "site_id": one.site_id,
                "agreed": one.agreed,
                "findings": [
                    {
                        "finding_id": said.finding_id,
                        "verdict": said.judgement,
                        "cause": said.cause,
                        "judged_by": said.judged_by,
                        "judged_on": said.judged_on.isoformat(),
                        "imagery": said.imagery,
                        "photos": [photo.sha256 for photo in said.photos],
                    }
                    for said in one.findings
                ],
            }
            for one in standing
        ]
        typer.echo(json.dumps(document, ensure_ascii=False, indent=1))
        return EXIT_DONE
    for one in standing:
        typer.echo(one.site_id + ("" if one.agreed else "  意见不一 disputed"))
        for said in one.findings:
            cause = f" ({CAUSE_LABELS[said.cause][0]})" if said.cause else ""
            typer.echo(
                f"    {judgement_words(said.judgement)}{cause}  {said.judged_by} "
                f"{said.judged_on}  {said.imagery}"
            )
    typer.echo(f"{len(standing)} sites")
    return EXIT_DONE


@app.command("suggest")
def suggest(
    config: Annotated[Path, typer.Argument(help="Settings, a TOML file.")],
    most: Annotated[int, typer.Option(min=1, max=1000, help="Longest list.")] = 20,
    district: Annotated[
        str | None, typer.Option(help="Code of the only district wanted.")
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="zh or en. Default: deliver.language.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """
    List what to look at next by what a verdict would teach, beside the rank.

    Each line: place, rank, alert, share of all doubt about standing alerts that its
    verdict would settle, and why. What is serious comes first by rank, not here.

    Example: rsmonitor triage suggest district.toml --most 10
    """
    _refuse_language(language)
    from rsmonitor.stages.precision import budget_sentence
    from rsmonitor.wiring.learning import suggestions, verdicts_of, weekly_precision
    from rsmonitor.wiring.reports import open_books

    books = open_books(config, district)
    settings = books.books[0].settings
    deliver = settings.deliver
    chinese = (language or deliver.language) == "zh"
    alerts = {alert.alert_id: alert for alert in books.alerts}
    found = suggestions(books, most=most)
    notes: list[str] = []
    precision = weekly_precision(settings, verdicts_of(books), report=notes.append)
    say(notes)
    sentence = budget_sentence(precision, pages=deliver.pages)
    if as_json:
        document = {
            "suggestions": [
                {
                    "place": one.place,
                    "rank": alerts[one.alert_id].rank,
                    "district": alerts[one.alert_id].site.district,
                    "alert_id": one.alert_id,
                    "site_id": alerts[one.alert_id].site.site_id,
                    "share": round(one.share, 6),
                    "doubt": round(one.doubt, 4),
                    "nearest_judged": round(one.nearest, 4),
                    "alike": one.alike,
                    "reasons": [{"zh": each.zh, "en": each.en} for each in one.reasons],
                }
                for one in found
            ],
            "precision_at_budget": _precision_json(precision, deliver.pages),
        }
        typer.echo(json.dumps(document, ensure_ascii=False, indent=1))
        return EXIT_DONE
    for one in found:
        why = "；" if chinese else "; "
        words = why.join(each.zh if chinese else each.en for each in one.reasons)
        typer.echo(
            f"{one.place:3}  rank {alerts[one.alert_id].rank:4}  {one.alert_id}  "
            f"{one.share:6.1%}  {words}"
        )
    settled = sum(one.share for one in found)
    typer.echo(
        f"{len(found)} of {len(alerts)} standing alerts; their verdicts would settle "
        f"{settled:.0%} of what is in doubt"
    )
    typer.echo(sentence.zh if chinese else sentence.en)
    return EXIT_DONE


def _precision_json(precision: "BudgetPrecision", pages: int) -> dict[str, Any]:
    """Give the precision at the budget as JSON values; null is not yet measured."""

    def share(one: "Share | None") -> dict[str, float] | None:
        if one is None:
            return None
        limits = (one.value, one.low, one.high)
        value, low, high = (round(each, 4) for each in limits)
        return {
            "found": one.found,
            "n": one.n,
            "value": value,
            "low": low,
            "high": high,
        }

    return {
        "pages": pages,
        "shown": precision.shown,
        "triaged": precision.triaged,
        "disagreed": precision.disagreed,
        "undecided": precision.undecided,
        "unlawful": share(precision.unlawful),
        "real": share(precision.real),
        "weeks": [
            {
                "week": str(each.week),
                "shown": each.shown,
                "triaged": each.triaged,
                "unlawful": share(each.unlawful),
            }
            for each in precision.weeks
        ],
    }
