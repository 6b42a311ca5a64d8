"""Metrics of the watch, for Prometheus: how far each district is, and what fails."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from rsmonitor.config import Settings
from rsmonitor.errors import RsmonitorError
from rsmonitor.io.deliver.metrics import Metric, write_metrics
from rsmonitor.io.foundation.clock import FixedClock
from rsmonitor.io.foundation.files import make_folder, write_atomic
from rsmonitor.records.week import IsoWeek
from rsmonitor.stages.notices import Notice, NoticeKind
from rsmonitor.stages.schedule import Attempt
from rsmonitor.wiring.cases import open_desk, status_of
from rsmonitor.wiring.upkeep import disks_of, read_attempts, waiting_of

_DISTRICT: Final = {
    "last_week_end_timestamp_seconds": "End of the last week that was run.",
    "newest_scene_timestamp_seconds": "When the newest scene used was sensed.",
    "share_seen": "Share of the area with a clear look in that week, 0 to 1.",
    "alerts": "Alerts that stand.",
    "cases_overdue": "Cases that are overdue.",
    "scenes_quarantined": "Scenes that were put aside.",
    "scenes_failed": "Scenes that could not be read.",
}

_JOB: Final = {
    "job_ended_timestamp_seconds": "When a job ended last.",
    "job_exit_code": "Its exit code.",
    "job_failures": "How often in a row it failed.",
    "job_duration_seconds": "How long it took.",
}


def write_gauges(
    path: Path, offices: Sequence[Settings], notices: Sequence[Notice], now: datetime
) -> None:
    """
    Write the metrics file, whole.

    Parameters
    ----------
    path : Path
        Where to; the textfile collector reads names that end in ``.prom``.
    offices : sequence of Settings
        The districts.
    notices : sequence of Notice
        What stands.
    now : datetime
        The time, UTC.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    make_folder(path.absolute().parent)
    write_atomic(path, write_metrics(_metrics(offices, notices, now)))


def _metrics(
    offices: Sequence[Settings], notices: Sequence[Notice], now: datetime
) -> Iterator[Metric]:
    """Give every gauge."""
    settings = offices[0]
    found = [
        (settings.district.code, values)
        for settings in offices
        if (values := _of(settings, now)) is not None
    ]
    for name, says in _DISTRICT.items():
        yield Metric(
            name=f"rsmonitor_{name}",
            says=says,
            samples=tuple(
                ({"district": code}, values[name])
                for code, values in found
                if name in values
            ),
        )
    disks = {each.folder: each for office in offices for each in disks_of(office)}
    yield Metric(
        name="rsmonitor_disk_free_bytes",
        says="Free space where a folder lies.",
        samples=tuple(
            ({"folder": name}, float(disk.free_bytes)) for name, disk in disks.items()
        ),
    )
    yield _one("mail_waiting", "Letters that wait.", _waiting(settings))
    counts = Counter(notice.kind for notice in notices)
    yield Metric(
        name="rsmonitor_notices",
        says="Notices that stand, by kind.",
        samples=tuple(
            ({"kind": kind.value}, float(counts[kind])) for kind in NoticeKind
        ),
    )
    attempts = read_attempts(settings)
    for name, says in _JOB.items():
        yield Metric(
            name=f"rsmonitor_{name}",
            says=says,
            samples=tuple(
                (
                    {"job": each.task.kind.value, "district": each.task.district},
                    _of_job(each)[name],
                )
                for each in attempts
            ),
        )
    yield _one(
        "scheduler_seen_timestamp_seconds",
        "When the scheduler wrote this.",
        now.timestamp(),
    )


def _of(settings: Settings, now: datetime) -> Mapping[str, float] | None:
    """Give the values of a district; None before its first run."""
    try:
        status: dict[str, Any] = status_of(open_desk(settings, clock=FixedClock(now)))
    except RsmonitorError:
        return None
    values = {
        "alerts": float(status["alerts"]),
        "cases_overdue": float(len(status["overdue"])),
        "scenes_quarantined": float(status["quarantined"]),
        "scenes_failed": float(status["failed"]),
    }
    if status["last_run"]:
        week = IsoWeek.parse(status["last_run"]["week"])
        values["last_week_end_timestamp_seconds"] = week.end.timestamp()
    if status["newest_scene"]:
        newest = datetime.fromisoformat(status["newest_scene"])
        values["newest_scene_timestamp_seconds"] = newest.timestamp()
    if status["seen"]:
        values["share_seen"] = float(status["seen"]["share_seen"])
    return values


def _of_job(attempt: Attempt) -> Mapping[str, float]:
    """Give the values of a job."""
    return {
        "job_ended_timestamp_seconds": attempt.at.timestamp(),
        "job_exit_code": float(attempt.code),
        "job_failures": float(attempt.failures),
        "job_duration_seconds": round(attempt.seconds, 1),
    }


def _waiting(settings: Settings) -> float:
    """Count the letters that wait."""
    try:
        return float(len(waiting_of(settings)))
    except RsmonitorError:
        return float("nan")


def _one(name: str, says: str, value: float) -> Metric:
    """Give a gauge without labels."""
    return Metric(name=f"rsmonitor_{name}", says=says, samples=(({}, value),))
