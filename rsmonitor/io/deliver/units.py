"""Text of systemd units and crontab lines for those who prefer them."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rsmonitor.errors import ContractError

_ZONE: Final = "Asia/Shanghai"
_MINUTES_A_DAY: Final = 24 * 60
_AHEAD: Final = 8 * 60
"""Minutes by which Shanghai is ahead of UTC, all year."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What the units call, and when."""

    program: tuple[str, ...]
    """How rsmonitor is started, absolute."""

    config: str
    """The settings file, absolute."""

    run_at: int
    """Minutes since midnight in Shanghai, Monday."""

    deliver_at: int
    """The same, of the delivery."""

    verify_at: int
    """The same, of the verification."""

    prune_at: int
    """Minutes since midnight in Shanghai, every day."""

    def __post_init__(self) -> None:
        for text in (*self.program, self.config):
            if not text.isprintable():
                raise ContractError(
                    f"{text!r} cannot stand in a unit or crontab: move the file to a "
                    "path without control characters"
                )

    @property
    def commands(self) -> Mapping[str, tuple[str, ...]]:
        """The commands by name; each can be repeated without harm."""
        return {
            "verify": ("verify", self.config),
            "prune": ("cache", "prune", self.config),
            "run": ("run", self.config),
            "deliver": ("deliver", self.config),
        }


_SAYS: Final = {
    "verify": "verify the ledger",
    "prune": "remove old scenes",
    "run": "run the week before",
    "deliver": "deliver the week",
}


def systemd_units(made: Installation) -> dict[str, str]:
    """
    Write units for systemd.

    One service keeps the schedule by itself; or else a timer starts each command. A
    timer catches up once what was missed while the machine was off.

    Parameters
    ----------
    made : Installation
        What they call.

    Returns
    -------
    dict
        Text by file name.
    """
    watch = _quoted((*made.program, "schedule", made.config))
    units = {
        "rsmonitor-schedule.service": _service(
            "rsmonitor: keep the schedule",
            watch,
            more="Restart=on-failure\nRestartSec=5min\n"
            "# the job at hand is let finish; only the scheduler is told to stop\n"
            "KillMode=mixed\nTimeoutStopSec=15min\n",
            kind="exec",
            wanted="\n[Install]\nWantedBy=multi-user.target\n",
        )
    }
    times = {
        "verify": f"Mon *-*-* {_clock(made.verify_at)}:00 {_ZONE}",
        "prune": f"*-*-* {_clock(made.prune_at)}:00 {_ZONE}",
        "run": f"Mon *-*-* {_clock(made.run_at)}:00 {_ZONE}",
        "deliver": f"Mon *-*-* {_clock(made.deliver_at)}:00 {_ZONE}",
    }
    for name, words in made.commands.items():
        units[f"rsmonitor-{name}.service"] = _service(
            f"rsmonitor: {_SAYS[name]}",
            _quoted((*made.program, *words)),
            # 1: done, but something was refused; of a delivery, mail that waits
            more="Restart=on-failure\nRestartSec=1h\n"
            if name == "deliver"
            else "SuccessExitStatus=1\n",
            kind="oneshot",
            after=" rsmonitor-run.service" if name == "deliver" else "",
        )
        units[f"rsmonitor-{name}.timer"] = (
            f"[Unit]\nDescription=rsmonitor: when to {_SAYS[name]}\n\n"
            f"[Timer]\nOnCalendar={times[name]}\nPersistent=true\n\n"
            "[Install]\nWantedBy=timers.target\n"
        )
    return units


def crontab(made: Installation) -> str:
    """
    Write lines for a crontab.

    Cron knows neither weeks nor zones that all its kinds agree on, and catches nothing
    up. So one line asks every hour what is due; single commands follow as comments.

    Parameters
    ----------
    made : Installation
        What they call.

    Returns
    -------
    str
        Lines.
    """
    once = _shell((*made.program, "schedule", "--once", made.config))
    lines = [
        "# rsmonitor: what is due is done; what was missed is caught up once",
        f"17 * * * * {once}",
        "# or each command by itself, on a machine whose clock is set to UTC:",
    ]
    times = {
        "verify": _cron(made.verify_at, weekly=True),
        "prune": _cron(made.prune_at, weekly=False),
        "run": _cron(made.run_at, weekly=True),
        "deliver": _cron(made.deliver_at, weekly=True),
    }
    lines += [
        f"# {times[name]} {_shell((*made.program, *words))}"
        for name, words in made.commands.items()
    ]
    return "\n".join(lines) + "\n"


def _service(
    says: str, command: str, *, more: str, kind: str, wanted: str = "", after: str = ""
) -> str:
    """Write a service; secrets come from a file that only its user reads."""
    return (
        f"[Unit]\nDescription={says}\n"
        "Wants=network-online.target\n"
        f"After=network-online.target{after}\n\n"
        f"[Service]\nType={kind}\nExecStart={command}\n{more}"
        "# a user of its own, who owns run.work, run.out and source.cache:\n"
        "# User=rsmonitor\n"
        "# lines such as RSMONITOR_MAIL_PASSWORD=...; mode 0600\n"
        "EnvironmentFile=-/etc/rsmonitor/rsmonitor.env\n"
        "UMask=0027\nNoNewPrivileges=yes\nPrivateTmp=yes\nProtectSystem=full\n"
        f"{wanted}"
    )


def _quoted(words: tuple[str, ...]) -> str:
    """Write a command as systemd reads it: % and $ are its own."""
    return " ".join(
        '"' + word.replace("\\", r"\\").replace('"', r"\"").replace("%", "%%") + '"'
        for word in (each.replace("$", "$$") for each in words)
    )


def _shell(words: tuple[str, ...]) -> str:
    """Write a command as cron reads it: % ends a line there."""
    return shlex.join(words).replace("%", r"\%")


def _clock(minutes: int) -> str:
    """Write a time of day."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _cron(minutes: int, *, weekly: bool) -> str:
    """Write when, in UTC; Monday morning in Shanghai is Sunday evening there."""
    there = minutes - _AHEAD
    day = ("0" if there < 0 else "1") if weekly else "*"
    there %= _MINUTES_A_DAY
    return f"{there % 60} {there // 60} * * {day}"
