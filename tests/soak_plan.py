"""What goes wrong in which week of a soak: drawn from a seed, so it can be repeated.

Faults of services are those of `emulators.faults`; faults of jobs those of `soak_jobs`.
A trouble lasts one week, but for what takes weeks: an archive that is down, and a
machine that is off.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What goes wrong in one week."""

    name: str = ""
    """Nothing does where it is empty."""

    service: list[dict[str, Any]] = field(default_factory=list)
    """For the emulator."""

    jobs: list[dict[str, Any]] = field(default_factory=list)
    """For the jobs."""


LONG = ("source down", "machine off")
QUIET_FIRST = 2
"""Weeks before the first trouble: the history is fitted."""

QUIET_LAST = 3
"""And after the last one, so that all can be caught up."""

EVERY_REQUEST = {
    "stac": ("root", "search", "asset"),
    "sentinelhub": ("token", "search", "process"),
    "folder": (),
}
PIXELS = {"stac": "B8A.tif", "sentinelhub": "process", "folder": ""}


def plan_of(kind: str, weeks: int, seed: int) -> dict[int, Trouble]:
    """Draw what goes wrong, by number of the week."""
    random = np.random.default_rng([seed, *kind.encode()])
    choices = names_of(kind)
    # every kind comes up before one comes up again
    bag: list[str] = []
    found: dict[int, Trouble] = {}
    week = QUIET_FIRST
    while week < weeks - QUIET_LAST:
        if random.uniform() < 0.3:
            week += 1
            continue
        if not bag:
            bag = [choices[i] for i in random.permutation(len(choices))]
        name = bag.pop()
        length = int(random.integers(2, 5)) if name in LONG else 1
        if week + length > weeks - QUIET_LAST:
            length = 1
        trouble = trouble_of(name, kind, random)
        for _ in range(length):
            found[week] = trouble
            week += 1
        if name in LONG:
            week += 2  # what was missed is caught up in peace
    return found


def names_of(kind: str) -> tuple[str, ...]:
    """List what can go wrong with an archive."""
    anywhere = (
        *("run killed", "run killed", "delivery killed", "run on a full disk"),
        *("delivery on a full disk", "output cannot be written", "clock back"),
        *("machine off", "verification killed", "pruning killed"),
    )
    services = (
        *("search 500", "search 429", "search hangs", "search cut off"),
        *("search is garbage", "pixels 503", "pixels 429 for long", "pixels hang"),
        *("pixels cut off", "source down"),
    )
    hub = ("token expired", "token refused")
    return (
        anywhere + {"stac": services, "sentinelhub": services + hub, "folder": ()}[kind]
    )


def trouble_of(name: str, kind: str, random: np.random.Generator) -> Trouble:
    """Make one trouble."""
    pixels = PIXELS[kind]
    at, room = int(random.integers(1, 60)), int(random.integers(0, 60_000))
    half = "half-tiff" if kind == "stac" else "half-tar"
    service: dict[str, list[dict[str, Any]]] = {
        "search 500": [{"on": "search", "do": "500", "times": 2}],
        "search 429": [{"on": "search", "do": "429", "retry_after": "0.2"}],
        "search hangs": [{"on": "search", "do": "hang", "seconds": 3, "times": 2}],
        "search cut off": [{"on": "search", "do": "truncate", "times": 2}],
        "search is garbage": [{"on": "search", "do": "html", "times": 3}],
        "pixels 503": [{"on": pixels, "do": "503", "times": 2}],
        "pixels 429 for long": [
            {"on": pixels, "do": "429", "retry_after": "86400", "times": 3}
        ],
        "pixels hang": [{"on": pixels, "do": "hang", "seconds": 3, "times": 6}],
        "pixels cut off": [{"on": pixels, "do": half, "times": 4}],
        "source down": [
            {"on": each, "do": "503", "times": -1} for each in EVERY_REQUEST[kind]
        ],
        "token expired": [{"on": "process", "do": "expire"}],
        "token refused": [{"on": "token", "do": "401", "times": 2}],
    }
    jobs: dict[str, list[dict[str, Any]]] = {
        "run killed": [
            {"on": "run ", "do": "kill", "at": at},
            {"on": "run ", "do": "kill", "at": 60 - at},
        ],
        "delivery killed": [{"on": "deliver ", "do": "kill", "at": at}],
        "verification killed": [{"on": "verify ", "do": "kill", "at": 1}],
        "pruning killed": [{"on": "cache prune", "do": "kill", "at": 1}],
        "run on a full disk": [{"on": "run ", "do": "full", "bytes": room}],
        "delivery on a full disk": [{"on": "deliver ", "do": "full", "bytes": room}],
    }
    return Trouble(name=name, service=service.get(name, []), jobs=jobs.get(name, []))
