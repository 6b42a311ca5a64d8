"""What keeps the watch going: disks, mail, deliveries, and the scheduler's memory."""

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from rsmonitor.config import Settings
from rsmonitor.errors import ContractError
from rsmonitor.io.foundation.files import make_folder, write_atomic
from rsmonitor.records.sending import UNFINISHED, Sending
from rsmonitor.records.week import IsoWeek
from rsmonitor.stages.notices import DiskFacts, Notice, NoticeKind, Standing
from rsmonitor.stages.schedule import Attempt, Task, TaskKind
from rsmonitor.wiring.mailroom import outbox_of

_WEEK: Final = re.compile(r"[0-9]{4}-W[0-9]{2}")


def disks_of(settings: Settings) -> tuple[DiskFacts, ...]:
    """
    Measure the room of the folders that grow.

    Parameters
    ----------
    settings : Settings
        Settings.

    Returns
    -------
    tuple of DiskFacts
        Of work, outputs, packages and, where scenes are fetched, the cache; one where
        several lie on the same disk.
    """
    named = [settings.run.work, settings.run.out, settings.deliver.out]
    if settings.source.kind != "cube":
        named.append(settings.source.cache)
    found: dict[int, DiskFacts] = {}
    for name in named:
        folder = settings.path(name).absolute()
        there = next(path for path in (folder, *folder.parents) if path.exists())
        disk = there.stat().st_dev
        if disk not in found:
            free = shutil.disk_usage(there).free
            found[disk] = DiskFacts(folder=str(folder), free_bytes=free)
    return tuple(found.values())


def waiting_of(settings: Settings) -> tuple[Sending, ...]:
    """
    List the letters that are still to go out.

    Parameters
    ----------
    settings : Settings
        Settings.

    Returns
    -------
    tuple of Sending
        By week, area and recipient.

    Raises
    ------
    StoreError
        If the outbox is damaged.
    """
    sendings = outbox_of(settings).all()
    return tuple(each for each in sendings if each.state in UNFINISHED)


def upkeep_of(settings: Settings) -> dict[str, Any]:
    """
    Say how disks, mail, deliveries and notices stand, for `rsmonitor status`.

    Parameters
    ----------
    settings : Settings
        Settings.

    Returns
    -------
    dict
        ``disks``, ``mail_waiting``, ``last_delivery``, ``notices`` and ``failing``.

    Raises
    ------
    StoreError
        If the outbox is damaged.
    """
    return {
        "disks": [asdict(each) for each in disks_of(settings)],
        "mail_waiting": len(waiting_of(settings)),
        "last_delivery": last_delivery(settings),
        "notices": [
            {"kind": notice.kind.value, "about": notice.about, "since": _text(since)}
            | {"zh": notice.zh, "en": notice.en}
            | {"do_zh": notice.do_zh, "do_en": notice.do_en}
            for notice, since in read_notices(settings)
            if notice.about in {"", settings.district.code}
            or notice.kind not in _OF_DISTRICTS
        ],
        "failing": [
            {"task": each.task.name, "failures": each.failures, "code": each.code}
            | {"at": _text(each.at), "said": each.said}
            for each in read_attempts(settings)
            if each.failures and each.task.district in {"", settings.district.code}
        ],
    }


_OF_DISTRICTS: Final = {NoticeKind.NO_RUN, NoticeKind.STALE, NoticeKind.OVERDUE}


def last_delivery(settings: Settings) -> dict[str, Any] | None:
    """
    Find the newest week of which packages were built.

    Parameters
    ----------
    settings : Settings
        Settings.

    Returns
    -------
    dict or None
        ``week`` and the number of ``packages``; None before the first delivery.
    """
    root = settings.path(settings.deliver.out)
    if not root.is_dir():
        return None
    weeks = sorted(p for p in root.iterdir() if _WEEK.fullmatch(p.name))
    for folder in reversed(weeks):
        packages = len(list(folder.glob("*/manifest.json")))
        if packages:
            return {"week": folder.name, "packages": packages}
    return None


# --------------------------------------------------------- what is kept between calls


def read_attempts(settings: Settings) -> tuple[Attempt, ...]:
    """
    Read what the scheduler did last; a file that is lost or damaged is an empty one.

    Parameters
    ----------
    settings : Settings
        Settings.

    Returns
    -------
    tuple of Attempt
        One for each kind and district. Without it what was done is asked again, which
        changes nothing.
    """
    found = []
    for each in _list(_path(settings, "schedule.json"), "attempts"):
        try:
            week = each["week"]
            task = Task(
                kind=TaskKind(each["kind"]),
                district=str(each["district"]),
                week=None if week is None else IsoWeek.parse(week),
                covered=tuple(map(str, each["covered"])),
            )
            found.append(
                Attempt(
                    task=task,
                    at=_instant(each["at"]),
                    code=int(each["code"]),
                    failures=int(each["failures"]),
                    seconds=float(each["seconds"]),
                    said=str(each["said"]),
                )
            )
        except (KeyError, TypeError, ValueError, ContractError):
            continue
    return tuple(found)


def write_attempts(settings: Settings, attempts: Iterable[Attempt]) -> None:
    """
    Write down what the scheduler did last.

    Parameters
    ----------
    settings : Settings
        Settings.
    attempts : iterable of Attempt
        One for each kind and district.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    rows = [
        {
            "kind": each.task.kind.value,
            "district": each.task.district,
            "week": None if each.task.week is None else str(each.task.week),
            "covered": list(each.task.covered),
            "at": _text(each.at),
            "code": each.code,
            "failures": each.failures,
            "seconds": round(each.seconds, 1),
            "said": each.said,
        }
        for each in attempts
    ]
    _write(_path(settings, "schedule.json"), {"attempts": rows})


def read_notices(settings: Settings) -> tuple[tuple[Notice, datetime], ...]:
    """
    Read the notices that stood when they were last looked for.

    Parameters
    ----------
    settings : Settings
        Settings.

    Returns
    -------
    tuple of tuple of Notice and datetime
        Each with since when; empty where the scheduler never looked.
    """
    found = []
    for each in _list(_path(settings, "notices.json"), "notices"):
        try:
            texts = {key: str(each[key]) for key in ("zh", "en", "do_zh", "do_en")}
            notice = Notice(
                kind=NoticeKind(each["kind"]), about=str(each["about"]), **texts
            )
            found.append((notice, _instant(each["since"])))
        except (KeyError, TypeError, ValueError):
            continue
    return tuple(found)


def read_standing(settings: Settings) -> tuple[Standing, ...]:
    """
    Read which notices were raised and who was told.

    Parameters
    ----------
    settings : Settings
        Settings.

    Returns
    -------
    tuple of Standing
        Empty where nothing is known: then everybody is told once more.
    """
    found = []
    for each in _list(_path(settings, "notices.json"), "notices"):
        try:
            found.append(
                Standing(
                    key=f"{each['kind']}:{each['about']}",
                    since=_instant(each["since"]),
                    told=tuple(map(str, each["told"])),
                )
            )
        except (KeyError, TypeError, ValueError):
            continue
    return tuple(found)


def write_notices(
    settings: Settings, notices: Iterable[Notice], standing: Iterable[Standing]
) -> None:
    """
    Write down what stands, and who was told.

    Parameters
    ----------
    settings : Settings
        Settings.
    notices : iterable of Notice
        What is the matter.
    standing : iterable of Standing
        From `rsmonitor.stages.notices.follow`.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    known = {each.key: each for each in standing}
    rows = [
        {
            **{key: value for key, value in asdict(each).items() if key != "kind"},
            "kind": each.kind.value,
            "since": _text(known[each.key].since),
            "told": list(known[each.key].told),
        }
        for each in notices
    ]
    _write(_path(settings, "notices.json"), {"notices": rows})


def _path(settings: Settings, name: str) -> Path:
    """Name a file of the work folder."""
    return settings.path(settings.run.work) / name


def _list(path: Path, key: str) -> list[Mapping[str, Any]]:
    """Read the rows of a file; nothing where it is not what it should be."""
    try:
        rows = json.loads(path.read_bytes())[key]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []
    return [row for row in rows if isinstance(row, dict)] if rows else []


def _write(path: Path, value: Mapping[str, Any]) -> None:
    """Write a file whole; it may hold mail addresses, so only its owner reads it."""
    make_folder(path.parent)
    text = json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True)
    write_atomic(path, f"{text}\n".encode())
    path.chmod(0o600)


def _text(instant: datetime) -> str:
    """Write an instant with Z."""
    return instant.isoformat().replace("+00:00", "Z")


def _instant(text: str) -> datetime:
    """Read an instant that knows its zone."""
    instant = datetime.fromisoformat(text)
    if instant.utcoffset() is None:
        raise ValueError(text)
    return instant
