"""What needs a person is found, written down, and told by mail, each once."""

import logging
import platform
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, cast

from rsmonitor.config import Settings
from rsmonitor.errors import EXIT_BAD_INPUT, RsmonitorError
from rsmonitor.io.deliver.mail.notice_letter import write_notice_letter
from rsmonitor.io.deliver.mail.postman import Postman
from rsmonitor.io.deliver.mail.server import MailPolicy, Verdict
from rsmonitor.io.foundation.clock import FixedClock
from rsmonitor.io.foundation.logs import values
from rsmonitor.records.sending import hidden_address, message_id_of
from rsmonitor.records.week import IsoWeek
from rsmonitor.stages.notices import (
    DistrictFacts,
    Facts,
    FailingFacts,
    Limits,
    Notice,
    Standing,
    follow,
    notices_of,
    told,
    untold,
)
from rsmonitor.stages.schedule import Attempt, TaskKind
from rsmonitor.wiring.cases import open_desk, status_of
from rsmonitor.wiring.mailroom import server_of
from rsmonitor.wiring.reports import open_books, yearly_report
from rsmonitor.wiring.stores import open_ledger
from rsmonitor.wiring.upkeep import (
    disks_of,
    read_attempts,
    read_standing,
    waiting_of,
    write_notices,
)

logger = logging.getLogger(__name__)

_SAID_CHARACTERS: Final = 300


def look_after(
    config: Path,
    offices: Sequence[Settings],
    now: datetime,
    *,
    settings_error: str = "",
    policy: MailPolicy | None = None,
) -> tuple[Notice, ...]:
    """
    Find what needs a person, and tell those whom the settings name what they miss.

    Parameters
    ----------
    config : Path
        The settings file, as the advice names it.
    offices : sequence of Settings
        The districts; the last that could be read, where the file cannot.
    now : datetime
        The time, UTC.
    settings_error : str, default ""
        Why the settings cannot be read; empty if they can.
    policy : MailPolicy, optional
        Patience with the server; a single round by default, since it is asked again.

    Returns
    -------
    tuple of Notice
        What stands, the most urgent first.

    Raises
    ------
    OutputError
        If what stands cannot be written down.
    """
    settings = offices[0]
    facts = gather(config, offices, now, settings_error=settings_error)
    notices = notices_of(facts, limits_of(settings))
    before = read_standing(settings)
    standing = follow(before, notices, now)
    known = {each.key for each in before}
    for notice in notices:
        if notice.key not in known:
            logger.warning(
                "notice raised",
                extra=values(notice=notice.key, says=notice.en, do=notice.do_en),
            )
    for key in known - {each.key for each in notices}:
        logger.info("notice cleared", extra=values(notice=key))
    # before the mail: a crash in between tells again rather than never
    write_notices(settings, notices, standing)
    after = _mail(config, settings, notices, standing, now, policy)
    if after != standing:
        write_notices(settings, notices, after)
    return notices


def limits_of(settings: Settings) -> Limits:
    """
    Give from when on something is worth a notice.

    Parameters
    ----------
    settings : Settings
        Settings.

    Returns
    -------
    Limits
        Those of ``[notices]``.
    """
    said = settings.notices
    return Limits(
        stale_days=said.stale_days,
        no_run_days=said.no_run_days,
        disk_free_gb=said.disk_free_gb,
        failures=said.failures,
        waiting_hours=said.waiting_hours,
        precision_below=said.precision_below,
    )


def gather(
    config: Path,
    offices: Sequence[Settings],
    now: datetime,
    *,
    settings_error: str = "",
) -> Facts:
    """
    Gather what is known of districts, disks, jobs and mail.

    What cannot be looked at is logged and left out: a damaged ledger must not keep a
    full disk from being told.

    Parameters
    ----------
    config : Path
        The settings file, as the advice names it.
    offices : sequence of Settings
        The districts.
    now : datetime
        The time, UTC.
    settings_error : str, default ""
        Why the settings cannot be read; empty if they can.

    Returns
    -------
    Facts
        What is known.
    """
    settings = offices[0]
    attempts = read_attempts(settings)
    disks = {each.folder: each for office in offices for each in disks_of(office)}
    waiting, since = _waiting(settings)
    broken = [
        each
        for each in attempts
        if each.task.kind is TaskKind.VERIFY
        and each.failures
        and each.code == EXIT_BAD_INPUT
    ]
    right, most = _precision(config, now)
    return Facts(
        at=now,
        config=str(config),
        districts=tuple(_district(office, now) for office in offices),
        disks=tuple(disks.values()),
        failing=tuple(
            _failing(config, each)
            for each in attempts
            if each.failures and each not in broken
        ),
        chain=next((each.said or "exit code 3" for each in broken), ""),
        settings=settings_error,
        waiting=waiting,
        waiting_since=since,
        right=right,
        right_at_most=most,
    )


def command_of(config: Path, attempt: Attempt) -> str:
    """
    Say how a person does what the scheduler tried.

    Parameters
    ----------
    config : Path
        The settings file.
    attempt : Attempt
        What was tried.

    Returns
    -------
    str
        A command line.
    """
    task = attempt.task
    if task.kind is TaskKind.PRUNE:
        return f"rsmonitor cache prune {config}"
    if task.kind is TaskKind.RUN and task.week is not None:
        return (
            f"rsmonitor run {config} --district {task.district} "
            f"--until {task.week.last_day}"
        )
    return f"rsmonitor {task.kind.value} {config}"


def _failing(config: Path, attempt: Attempt) -> FailingFacts:
    """Say what failed."""
    task = attempt.task
    return FailingFacts(
        # not the week: the same trouble a week later is the same trouble
        name=" ".join(part for part in (task.kind.value, task.district) if part),
        command=command_of(config, attempt),
        failures=attempt.failures,
        code=attempt.code,
        said=attempt.said[-_SAID_CHARACTERS:],
    )


def _district(settings: Settings, now: datetime) -> DistrictFacts:
    """Say how a district stands."""
    district = settings.district
    found = DistrictFacts(
        code=district.code, name_zh=district.name_zh, name_en=district.name_en
    )
    try:
        if not open_ledger(settings).exists():
            return found
        status = status_of(open_desk(settings, clock=FixedClock(now)))
    except RsmonitorError as error:
        logger.warning(
            "status cannot be read",
            extra=values(district=district.code, why=str(error)),
        )
        return found
    last, newest = status["last_run"], status["newest_scene"]
    return DistrictFacts(
        code=district.code,
        name_zh=district.name_zh,
        name_en=district.name_en,
        last_week=None if last is None else IsoWeek.parse(last["week"]),
        newest_scene=None if newest is None else datetime.fromisoformat(newest),
        overdue=len(status["overdue"]),
    )


def _waiting(settings: Settings) -> tuple[int, datetime | None]:
    """Count the letters that wait, and say since when the oldest does."""
    try:
        waiting = waiting_of(settings)
    except RsmonitorError as error:
        logger.warning("outbox cannot be read", extra=values(why=str(error)))
        return 0, None
    # what was never tried waits since its week was over
    return len(waiting), min(
        (each.at or each.week.end for each in waiting), default=None
    )


def _precision(
    config: Path, now: datetime
) -> tuple[tuple[int, int] | None, float | None]:
    """Ask what people said this year of the alerts of all districts."""
    try:
        shares = yearly_report(open_books(config), now.year).precision
    except RsmonitorError:
        return None, None  # before the first run of all districts there is none
    share = next((each.unlawful for each in shares if each.tier is None), None)
    return (None, None) if share is None else ((share.found, share.n), share.high)


def _mail(
    config: Path,
    settings: Settings,
    notices: Sequence[Notice],
    standing: tuple[Standing, ...],
    now: datetime,
    policy: MailPolicy | None,
) -> tuple[Standing, ...]:
    """Tell each address what it misses; give who was told."""
    addresses = tuple(dict.fromkeys(settings.notices.addresses))
    due = {a: found for a in addresses if (found := untold(standing, notices, a))}
    if not due:
        return standing
    if settings.mail.host is None:
        logger.warning(
            "notices cannot be mailed: notices.addresses needs mail.host",
            extra=values(addresses=len(due)),
        )
        return standing
    since = {each.key: each.since.isoformat() for each in standing}
    domain = settings.mail.comes_from.rpartition("@")[2]
    try:
        with Postman(server_of(settings, policy or MailPolicy(rounds=1))) as postman:
            for address, missed in due.items():
                keys = "\n".join(f"{each.key} {since[each.key]}" for each in missed)
                letter = write_notice_letter(
                    missed,
                    sender=settings.mail.comes_from,
                    recipient=address,
                    message_id=message_id_of(keys, address, 0, domain=domain),
                    language=cast("Literal['zh', 'en']", settings.deliver.language),
                    at=now,
                    where=f"{config} ({platform.node()})",
                )
                answer = postman.hand_over(
                    address,
                    letter=lambda _, letter=letter: letter,  # type: ignore[misc]
                    intend=lambda: None,
                )
                logger.info(
                    "notice mailed",
                    extra=values(
                        to=hidden_address(address),
                        notices=len(missed),
                        verdict=answer.verdict.value,
                        said="" if answer.verdict is Verdict.ACCEPTED else answer.said,
                    ),
                )
                # what is refused for good is not sent again and again
                if answer.verdict in {Verdict.ACCEPTED, Verdict.REFUSED}:
                    standing = told(standing, missed, address)
    except RsmonitorError as error:
        logger.warning("notices cannot be mailed", extra=values(why=str(error)))
    return standing
