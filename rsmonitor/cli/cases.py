"""What became of alerts: who has them, by when, and how they ended."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsmonitor.cli.terminal import say
from rsmonitor.errors import EXIT_DONE, EXIT_PARTIAL
from rsmonitor.records.case import (
    AUTHORITY_LABELS,
    CASE_STATE_LABELS,
    HANDLING_LABELS,
    LEVEL_LABELS,
    PROVINCE_CHECK_LABELS,
    Authority,
    Case,
    CaseState,
    Handling,
    Level,
    ProvinceCheck,
)

if TYPE_CHECKING:
    from rsmonitor.records.event import EventDraft
    from rsmonitor.stages.cases import Act
    from rsmonitor.wiring.cases import Desk

app = typer.Typer(
    help="List alerts as cases, and record what is done about them 案件办理.\n\n"
    "Example: rsmonitor cases list configs/ganzhou.toml --overdue",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Config = Annotated[Path, typer.Argument(help="Settings, a TOML file.")]
Name = Annotated[str, typer.Argument(help="site_id or alert_id.")]
Only = Annotated[
    str | None, typer.Option("--district", help="Only this district of the file.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Who = Annotated[
    str,
    typer.Option(
        "--who", envvar="RSMONITOR_WHO", help="Who records this 填报人; a person."
    ),
]
Why = Annotated[str, typer.Option("--why", help="Reason 理由.")]
Document = Annotated[
    str, typer.Option("--document", help="Number of the file or letter 文号.")
]
_DAY = ["%Y-%m-%d"]


@app.command("list")
def list_cases(
    config: Config,
    overdue: Annotated[
        bool, typer.Option("--overdue", help="Only what is overdue 逾期.")
    ] = False,
    running: Annotated[
        bool, typer.Option("--open", help="Only what still has to be handled 未办结.")
    ] = False,
    district: Only = None,
    as_json: Json = False,
) -> int:
    """
    List the cases: one for each alert that stands or was worked on.

    Exit codes: 0 done; 1 done, but an event could not be understood; 3 no ledger.

    Example: rsmonitor cases list configs/ganzhou.toml --overdue --json
    """
    from rsmonitor.wiring.cases import case_json

    shown: list[tuple[Case, Desk]] = []
    unread: list[str] = []
    for desk in _desks(config, district):
        book = desk.book()
        unread += book.unread
        shown += [
            (case, desk)
            for case in book.cases
            if (not overdue or case.days_overdue(desk.today))
            and (not running or case.clock_runs)
        ]
    if as_json:
        _print_json([case_json(case, desk.today) for case, desk in shown])
    else:
        for case, desk in shown:
            typer.echo(_line(case, desk))
        typer.echo(f"{len(shown)} 件案件 cases")
    say(unread)
    return EXIT_PARTIAL if unread else EXIT_DONE


@app.command()
def show(
    config: Config, name: Name, district: Only = None, as_json: Json = False
) -> int:
    """
    Show a case with every event of its site, in order.

    Example: rsmonitor cases show configs/ganzhou.toml sabcdefghijkl
    """
    from rsmonitor.wiring.cases import case_json, event_json, find_desk

    desk = find_desk(_desks(config, district), name)
    case = desk.required(name)
    events = [event_json(event) for event in desk.events(case)]
    if as_json:
        _print_json(case_json(case, desk.today) | {"events": events})
        return EXIT_DONE
    typer.echo(_line(case, desk))
    for line in _details(case):
        typer.echo(f"  {line}")
    for event in events:
        why = event["body"].get("why") or event["body"].get("reason") or ""
        typer.echo(
            f"  {event['seq']:6} {event['at']}  {event['kind_zh']} {event['kind']}  "
            f"{event['who']}  {why}".rstrip()
        )
    return EXIT_DONE


@app.command()
def assign(  # noqa: PLR0913, PLR0917 - one for each option
    config: Config,
    name: Name,
    handler: Annotated[str, typer.Option("--handler", help="To whom 承办人.")],
    who: Who,
    why: Why,
    level: Annotated[
        Level, typer.Option("--level", help="Of which level 层级.")
    ] = Level.COUNTY,
    due: Annotated[
        datetime | None,
        typer.Option(
            formats=_DAY, help="By when 办理期限; default: cases.due_days from today."
        ),
    ] = None,
    district: Only = None,
    as_json: Json = False,
) -> int:
    """
    Assign a case to a handler 交办; one that was closed is opened again.

    Done twice, it adds nothing the second time.

    Example: rsmonitor cases assign configs/ganzhou.toml sabcdefghijkl
    --handler 张三 --level county --who 李四 --why 卫片线索
    """
    from rsmonitor.stages.cases import assign as decide

    day = due.date() if due else None

    def act(case: Case, by: "Act", desk: "Desk") -> "EventDraft | None":
        rules = desk.settings.cases.rules
        return decide(case, by, rules, handler=handler, level=level, due=day)

    return _record(config, name, district, act, who=who, why=why, as_json=as_json)


@app.command()
def extend(
    config: Config,
    name: Name,
    due: Annotated[datetime, typer.Option(formats=_DAY, help="New due date 延期至.")],
    who: Who,
    why: Why,
    district: Only = None,
    as_json: Json = False,
) -> int:
    """
    Extend the due date of a case 延期, with a reason.

    Done twice, it adds nothing the second time.

    Example: rsmonitor cases extend configs/ganzhou.toml sabcdefghijkl
    --due 2026-12-31 --who 李四 --why 大雪封山
    """
    from rsmonitor.stages.cases import extend as decide

    def act(case: Case, by: "Act", _: "Desk") -> "EventDraft | None":
        return decide(case, by, due=due.date())

    return _record(config, name, district, act, who=who, why=why, as_json=as_json)


@app.command()
def inspect(  # noqa: PLR0913, PLR0917 - one for each option
    config: Config,
    name: Name,
    inspector: Annotated[
        str, typer.Option("--inspector", help="Who was there 核查责任人; a person.")
    ],
    on: Annotated[datetime, typer.Option(formats=_DAY, help="Day of the visit 日期.")],
    found: Annotated[str, typer.Option("--found", help="What was found 核查情况.")],
    who: Who,
    why: Why = "实地核查 visit on site",
    level: Annotated[
        Level, typer.Option("--level", help="Of which level 层级.")
    ] = Level.COUNTY,
    district: Only = None,
    as_json: Json = False,
) -> int:
    """
    Report a visit on site 实地核查.

    From cases.province_check_mu on (10 mu, the rule of 2023) a case can only be closed
    after a visit with --level province.

    Done twice, it adds nothing the second time.

    Example: rsmonitor cases inspect configs/ganzhou.toml sabcdefghijkl
    --inspector 王五 --level province --on 2026-11-20 --found 在采 --who 李四
    """
    from rsmonitor.stages.cases import inspect as decide

    def act(case: Case, by: "Act", _: "Desk") -> "EventDraft | None":
        return decide(
            case, by, inspector=inspector, level=level, on=on.date(), found=found
        )

    return _record(config, name, district, act, who=who, why=why, as_json=as_json)


@app.command()
def transfer(
    config: Config,
    name: Name,
    to: Annotated[
        Authority,
        typer.Option("--to", help="To whom: 公安, 生态环境, 林业, 应急."),
    ],
    who: Who,
    why: Why,
    document: Document = "",
    district: Only = None,
    as_json: Json = False,
) -> int:
    """
    Transfer a case to another authority 移送.

    Done twice, it adds nothing the second time.

    Example: rsmonitor cases transfer configs/ganzhou.toml sabcdefghijkl
    --to public_security --document 赣自然资移〔2026〕3号 --who 李四 --why 涉嫌犯罪
    """
    from rsmonitor.stages.cases import transfer as decide

    def act(case: Case, by: "Act", _: "Desk") -> "EventDraft | None":
        return decide(case, by, to=to, document=document)

    return _record(config, name, district, act, who=who, why=why, as_json=as_json)


@app.command()
def close(
    config: Config,
    name: Name,
    handling: Annotated[
        Handling,
        typer.Option(
            "--handling", help="How it was handled: 立案, 非立案处理, 不处理, 移送."
        ),
    ],
    who: Who,
    why: Why,
    document: Document = "",
    district: Only = None,
    as_json: Json = False,
) -> int:
    """
    Close a case 结案, with how it was handled and why.

    Done twice, it adds nothing the second time.

    Exit codes: 0 done; 3 refused, such as where the province has yet to check.

    Example: rsmonitor cases close configs/ganzhou.toml sabcdefghijkl
    --handling filed --document 定自然资立〔2026〕7号 --who 李四 --why 无证开采
    """
    from rsmonitor.stages.cases import close as decide

    def act(case: Case, by: "Act", _: "Desk") -> "EventDraft | None":
        return decide(case, by, handling=handling, document=document)

    return _record(config, name, district, act, who=who, why=why, as_json=as_json)


def status(config: Config, district: Only = None, as_json: Json = False) -> int:
    """
    Say how each district stands: last run, newest scene, what is overdue.

    Exit codes: 0 done; 1 done, but an event could not be understood; 3 no ledger.

    Example: rsmonitor status configs/ganzhou.toml --json
    """
    from rsmonitor.wiring.cases import status_of

    found = [status_of(desk) for desk in _desks(config, district)]
    unread = [reason for each in found for reason in each["unread_events"]]
    if as_json:
        _print_json(found)
    else:
        for each in found:
            for line in _status_lines(each):
                typer.echo(line)
    say(unread)
    return EXIT_PARTIAL if unread else EXIT_DONE


def _desks(config: Path, district: str | None) -> "list[Desk]":
    """Open the districts of a settings file."""
    from rsmonitor.config import read_districts
    from rsmonitor.wiring.cases import open_desk

    desks = [open_desk(settings) for settings in read_districts(config, district)]
    for desk in desks:
        say(desk.notes)
    return desks


def _record(
    config: Path,
    name: str,
    district: str | None,
    act: "Callable[[Case, Act, Desk], EventDraft | None]",
    *,
    who: str,
    why: str,
    as_json: bool,
) -> int:
    """Record one act, and say what came of it."""
    from rsmonitor.stages.cases import Act
    from rsmonitor.wiring.cases import case_json, event_json, find_desk

    desk = find_desk(_desks(config, district), name)
    by = Act(who=who, at=desk.clock.now(), why=why)
    case, event = desk.act(name, lambda case: act(case, by, desk))
    if as_json:
        _print_json(
            case_json(case, desk.today)
            | {"added": None if event is None else event_json(event)}
        )
        return EXIT_DONE
    if event is None:
        typer.echo("已有相同记录，未新增 nothing was added: it was recorded before")
    else:
        said = event_json(event)
        typer.echo(
            f"已记录 recorded: event {event.seq}, {said['kind_zh']} {event.kind}"
        )
    typer.echo(_line(case, desk))
    return EXIT_DONE


def _line(case: Case, desk: "Desk") -> str:
    """Say a case in one line."""
    late = case.days_overdue(desk.today)
    parts = [
        case.site_id,
        _both(CASE_STATE_LABELS[case.state]),
        f"{_both(LEVEL_LABELS[case.level])} {case.handler or '-'}",
        f"{case.area_mu:.2f} 亩 mu",
        f"期限 due {case.due}",
    ]
    if late:
        parts.append(f"逾期 {late} 天 overdue {late} days")
    if case.province_check is not ProvinceCheck.NOT_NEEDED:
        parts.append(_both(PROVINCE_CHECK_LABELS[case.province_check]))
    if case.state is CaseState.CLOSED and case.closing is not None:
        parts.append(_both(HANDLING_LABELS[case.closing.handling]))
    if case.changed_since:
        parts.append("结案后又有变化 changed since it was closed")
    if case.merged_into:
        parts.append(f"并入 merged into {case.merged_into}")
    return "  ".join(parts)


def _details(case: Case) -> list[str]:
    """Say what was done about a case, one line each."""
    lines = [
        f"延期至 extended to {each.due}: {each.why} ({each.who})"
        for each in case.extensions
    ]
    lines += [
        f"核查 inspected on {each.on} by {each.inspector}, "
        f"{_both(LEVEL_LABELS[each.level])}: {each.found}"
        for each in case.inspections
    ]
    lines += [
        f"移送 transferred to {_both(AUTHORITY_LABELS[each.to])} "
        f"{each.document or '-'}: {each.why} ({each.who})"
        for each in case.transfers
    ]
    if case.closing is not None:
        closing = case.closing
        lines.append(
            f"结案 closed: {_both(HANDLING_LABELS[closing.handling])} "
            f"{closing.document or '-'}: {closing.why} ({closing.who})"
        )
    return lines


def _status_lines(found: dict[str, Any]) -> list[str]:
    """Say how a district stands in lines for a terminal."""
    last = found["last_run"]
    seen = found["seen"]
    lines = [
        f"{found['district']} {found['name_zh']} {found['name_en']}",
        "  最近一次运行 last run: "
        + (f"{last['week']}, {found['runs']} runs" if last else "none"),
        f"  最新影像 newest scene: {found['newest_scene'] or 'none'}",
        "  本周可见 seen in that week: "
        + (
            f"{seen['share_seen']:.0%}, monitored {seen['share_monitored']:.0%}"
            if seen
            else "its outputs are no longer kept"
        ),
        f"  隔离 in quarantine: {found['quarantined']}; 失败 failed: {found['failed']}",
        f"  预警 alerts: {found['alerts']}; "
        + "; ".join(
            f"{_both(CASE_STATE_LABELS[state])} {found['cases'][state.value]}"
            for state in CaseState
            if found["cases"][state.value]
        ),
        f"  逾期 overdue: {len(found['overdue'])}",
    ]
    lines += [
        f"    {case['site_id']}  {case['level_zh']} {case['handler'] or '-'}  "
        f"期限 due {case['due']}  逾期 {case['days_overdue']} 天 days"
        for case in found["overdue"]
    ]
    return [*lines, *_upkeep_lines(found)]


def _upkeep_lines(found: dict[str, Any]) -> list[str]:
    """Say how disks, mail, deliveries, jobs and notices stand."""
    last = found["last_delivery"]
    lines = [
        "  最近一次送达 last delivery: "
        + (f"{last['week']}, {last['packages']} packages" if last else "none"),
        f"  待发邮件 mail waiting: {found['mail_waiting']}",
    ]
    lines += [
        f"  磁盘 disk: {disk['free_bytes'] / 1e9:.1f} GB free, {disk['folder']}"
        for disk in found["disks"]
    ]
    lines += [
        f"  任务失败 failing: {job['task']}, {job['failures']} times, "
        f"exit code {job['code']}"
        for job in found["failing"]
    ]
    for notice in found["notices"]:
        lines += [
            f"  需要处理 notice: {notice['zh']} {notice['en']}",
            f"    {notice['do_zh']} {notice['do_en']}",
        ]
    return lines


def _both(labels: tuple[str, str]) -> str:
    """Say a label in both languages."""
    return f"{labels[0]} {labels[1]}"


def _print_json(value: object) -> None:
    """Print JSON as people read it."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))
