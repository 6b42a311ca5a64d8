"""Three simulated years of weekly runs, with everything that goes wrong thrown in.

    python -m benchmarks.soak                 three years; two archives, three districts
    python -m benchmarks.soak --years 1
    python -m benchmarks.soak --told FOLDER   the table of a soak that has ended

Each archive is a process of its own (`tests/soak.py`): a scheduler with simulated time,
an emulator, real jobs. What is demanded stands there (`Watch.judge`, `Watch.compare`)
and here (`BOUNDS`). Ends with 1 if anything was wrong. docs/reliability.md tells what a
soak found.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import numpy as np

ROOT: Final = Path(__file__).parents[1]
KINDS: Final = ("stac", "sentinelhub")
YEAR: Final = 52
WARM: Final = 13
"""Weeks after which memory has to be flat."""

BOUNDS: Final = {
    "scheduler's memory, KiB a year": 4096.0,
    "memory of a later run at its most, to the first": 1.05,
    "state, bytes a district and week": 2048.0,
    "ledger, bytes a district and week": 20_480.0,
    "cache, second half to first half": 1.5,
    "outputs, second half to first half": 1.25,
    "packages, weeks kept": 6.0,
    "files that the scheduler holds open, more than before": 0.0,
}
"""What each figure may be at most.

The scheduler reads runs and events of the ledger each round, so what it needs grows a
little as they do; a run remembers 256 MiB of looks at most. The ledger grows with the
alerts that stand, here three a district.
"""


def slope(values: "list[float]", a_unit: float = 1.0) -> float:
    """
    Fit a line through weekly values.

    Parameters
    ----------
    values : list of float
        One a week.
    a_unit : float, default 1
        Weeks of the unit that the slope is told in.

    Returns
    -------
    float
        How much they grow in a unit; 0 of fewer than two.

    Examples
    --------
    >>> round(slope([1.0, 3.0, 5.0], 52), 6)
    104.0
    """
    if len(values) < 2:  # noqa: PLR2004 - a line has two points
        return 0.0
    return float(np.polyfit(np.arange(len(values)), values, 1)[0]) * a_unit


def figures(told: "dict[str, Any]") -> "dict[str, float]":
    """
    Give what `BOUNDS` bounds, of one archive.

    Parameters
    ----------
    told : dict
        What `tests/soak.py` wrote.

    Returns
    -------
    dict
        By the names of `BOUNDS`.
    """
    weekly = told["weekly"]
    late = weekly[min(WARM, len(weekly) // 2) :]
    middle = len(late) // 2
    districts = len(told["districts"])

    def column(name: str) -> list[float]:
        return [float(row[name]) for row in late]

    def halves(name: str) -> float:
        values = column(name)
        return max(values[middle:]) / max([1.0, *values[:middle]])

    runs = [
        float(job["peak_kib"])
        for job in told["jobs"]
        if job["kind"] == "run" and job["code"] in {0, 1}
    ]
    files = column("files")
    return {
        "scheduler's memory, KiB a year": slope(column("rss_kib"), YEAR),
        # the first run of a district reads its whole history
        "memory of a later run at its most, to the first": (
            max(runs[districts:], default=0.0) / max([1.0, *runs[:districts]])
        ),
        "state, bytes a district and week": slope(column("state")) / districts,
        "ledger, bytes a district and week": slope(column("ledger")) / districts,
        "cache, second half to first half": halves("cache"),
        "outputs, second half to first half": halves("out"),
        "packages, weeks kept": max(column("package_weeks")),
        "files that the scheduler holds open, more than before": (
            max(files) - files[0]
        ),
    }


def table(found: "list[dict[str, Any]]") -> str:
    """
    Tell what was found, as Markdown.

    Parameters
    ----------
    found : list of dict
        What `tests/soak.py` wrote, one an archive.

    Returns
    -------
    str
        Tables.
    """
    kinds = [told["kind"] for told in found]
    head = [f"| | {' | '.join(kinds)} |", "|---|" + "--:|" * len(kinds)]
    rows: list[tuple[str, list[str]]] = [
        ("simulated weeks", [str(t["weeks"]) for t in found]),
        ("districts", [str(len(t["districts"])) for t in found]),
        ("jobs started", [str(len(t["jobs"])) for t in found]),
        ("jobs that failed or were killed", [str(_failed(t)) for t in found]),
        ("weekly runs in the ledger", [str(t["runs"]) for t in found]),
        (
            "weeks passed over while the source was down, seen by the next run",
            [str(sum(map(len, t["gaps"].values()))) for t in found],
        ),
        ("events in the chain", [str(t["events"]) for t in found]),
        ("alerts in the end", [str(_counted(t, "alerts of ", "")) for t in found]),
        (
            "versions of them, and in peace",
            [
                f"{_counted(t, 'versions of ', '')}, "
                f"{_counted(t, 'versions of ', ' in peace')}"
                for t in found
            ],
        ),
        ("things that were wrong", [str(len(t["wrong"])) for t in found]),
        ("minutes", [f"{t['counts']['seconds'] / 60:.0f}" for t in found]),
    ]
    measured = [figures(told) for told in found]
    rows += [
        (f"{name} (at most {bound:g})", [f"{each[name]:.4g}" for each in measured])
        for name, bound in BOUNDS.items()
    ]
    lines = [*head, *(f"| {what} | {' | '.join(said)} |" for what, said in rows)]
    thrown: Counter[str] = Counter()
    for told in found:
        thrown += Counter(
            {
                name: number
                for name, number in told["counts"].items()
                if name.split(" ", maxsplit=1)[0] in {"week", "scene", "job", "service"}
            }
        )
    lines += ["", "| thrown in | times |", "|---|--:|"]
    lines += [f"| {name} | {number} |" for name, number in sorted(thrown.items())]
    return "\n".join(lines)


def _failed(told: "dict[str, Any]") -> int:
    """Count the jobs that ended badly."""
    return sum(job["code"] not in {0, 1} for job in told["jobs"])


def _counted(told: "dict[str, Any]", before: str, after: str) -> int:
    """Add up a count over the districts."""
    return sum(
        told["counts"].get(f"{before}{code}{after}", 0) for code in told["districts"]
    )


def beyond(found: "list[dict[str, Any]]") -> "list[str]":
    """
    Say what was wrong, and which bound does not hold.

    Parameters
    ----------
    found : list of dict
        What `tests/soak.py` wrote, one an archive.

    Returns
    -------
    list of str
        Empty if all is well.
    """
    said = []
    for told in found:
        said += [f"{told['kind']}: {each}" for each in told["wrong"]]
        said += [
            f"{told['kind']}: {name} is {value:g}, more than {BOUNDS[name]:g}"
            for name, value in figures(told).items()
            if value > BOUNDS[name]
        ]
    return said


def live(folder: Path, weeks: int, seed: int) -> "list[dict[str, Any]]":
    """
    Keep all watches, each in a process of its own, and wait for their ends.

    Parameters
    ----------
    folder : Path
        Where they live.
    weeks : int
        Simulated weeks.
    seed : int
        What goes wrong, and when.

    Returns
    -------
    list of dict
        What each wrote, in the order of `KINDS`.
    """
    running = {
        kind: subprocess.Popen(  # noqa: S603 - our own program
            [
                *(sys.executable, str(ROOT / "tests" / "soak.py"), str(folder / kind)),
                *("--kind", kind, "--weeks", str(weeks), "--seed", str(seed)),
            ],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        )
        for kind in KINDS
    }
    for process in running.values():
        process.wait()
    return [json.loads((folder / kind / "summary.json").read_text()) for kind in KINDS]


def main() -> int:
    """
    Soak, and print the tables.

    Returns
    -------
    int
        1 if something was wrong, else 0.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--years", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="kept; default: a temporary one")
    parser.add_argument("--told", type=Path, help="a soak that has ended")
    given = parser.parse_args()
    begun = time.monotonic()
    if given.told:
        found = [
            json.loads((given.told / kind / "summary.json").read_text())
            for kind in KINDS
            if (given.told / kind / "summary.json").exists()
        ]
    else:
        with tempfile.TemporaryDirectory() as temporary:
            folder = given.folder or Path(temporary)
            folder.mkdir(parents=True, exist_ok=True)
            found = live(folder, round(given.years * YEAR), given.seed)
    print(table(found))
    said = beyond(found)
    for each in said:
        print(f"\nwrong: {each}")
    print(f"\n{time.monotonic() - begun:.0f} s")
    return 1 if said or not found else 0


if __name__ == "__main__":
    sys.exit(main())
