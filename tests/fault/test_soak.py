"""A season of a watch in short: real schedule, real jobs, simulated time, and faults.

The long form is ``python -m benchmarks.soak``: three years, more districts.
"""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soak
from soak_offices import Soak
from soak_plan import (
    LONG,
    QUIET_FIRST,
    QUIET_LAST,
    Trouble,
    names_of,
    plan_of,
    trouble_of,
)
from soak_scenes import FATES, HISTORY, shots_of

from benchmarks.soak import BOUNDS, beyond, figures

WEEKS = 11
CHOSEN = (
    *("run killed", "search 500", "pixels cut off", "output cannot be written"),
    *("clock back", "run on a full disk", "machine off", "delivery killed"),
)
"""One a week after the first; nothing else happens in it."""


def short_plan(kind: str, weeks: int, seed: int) -> dict[int, Trouble]:
    del weeks
    random = np.random.default_rng(seed)
    return {
        QUIET_FIRST - 1 + number: trouble_of(name, kind, random)
        for number, name in enumerate(CHOSEN)
    }


@pytest.mark.slow
def test_a_season_with_faults_ends_as_one_in_peace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soak, "plan_of", short_plan)
    short = Soak(kind="stac", weeks=WEEKS, seed=1, levels=("province",))
    watch = soak.Watch(short, tmp_path / "watch", say=lambda _: None)
    watch.keep()
    assert watch.wrong == []
    told = watch.summary()
    assert told["runs"] == 2 * WEEKS
    assert told["gaps"] == {"360728": [], "360729": []}
    ended = Counter(job["code"] for job in told["jobs"])
    assert ended[-9] == 3, "two runs and a delivery were killed"
    assert ended[3] >= 2, "a full disk and a folder that cannot be written"
    assert watch.counts["alerts of 360728"] >= 1
    # a season is too short for slopes; what must not move at all does not
    assert figures(told)["packages, weeks kept"] <= BOUNDS["packages, weeks kept"]
    assert figures(told)["files that the scheduler holds open, more than before"] <= 0


@pytest.mark.parametrize("kind", ["stac", "sentinelhub", "folder"])
def test_all_that_can_go_wrong_does_within_three_years(kind: str) -> None:
    plan = plan_of(kind, 156, 0)
    assert plan == plan_of(kind, 156, 0), "it can be repeated"
    assert plan != plan_of(kind, 156, 1)
    assert {trouble.name for trouble in plan.values()} == set(names_of(kind))
    assert min(plan) >= QUIET_FIRST
    assert max(plan) < 156 - QUIET_LAST
    assert any(plan.get(week) == plan.get(week + 1) for week in plan), LONG


def test_both_worlds_show_the_same_products_in_the_end() -> None:
    long = Soak(kind="stac", weeks=156)
    fates: Counter[str] = Counter()
    for number, place in enumerate(long.places()):
        shots, counts = shots_of(place, number, long.last_day, disturbed=True)
        quiet, _ = shots_of(place, number, long.last_day, disturbed=False)
        fates += counts
        best: dict[object, str] = {}
        for shot in shots:
            if not shot.damage:
                best[shot.taken] = max(shot.name, best.get(shot.taken, ""))
        # by name: the newer baseline, then the later making
        assert best == {shot.taken: shot.name for shot in quiet}
        assert all(
            shot.damage == "" for shot in shots if shot.taken.date() < HISTORY[1]
        )
    assert set(fates) == set(FATES) - {""}


def test_a_figure_beyond_its_bound_is_told() -> None:
    row = {"rss_kib": 1000, "files": 5, "state": 9, "ledger": 9, "cache": 9, "out": 9}
    weekly = [{**row, "package_weeks": 6} for _ in range(104)]
    told = {
        "kind": "stac",
        "weekly": weekly,
        "districts": ["a"],
        "jobs": [],
        "wrong": [],
    }
    assert beyond([told]) == []
    leaking = [{**row, "rss_kib": 1000 + 100 * week} for week, row in enumerate(weekly)]
    (said,) = beyond([{**told, "weekly": leaking}])
    assert "scheduler's memory" in said
    assert beyond([{**told, "wrong": ["ran a week twice"]}]) == [
        "stac: ran a week twice"
    ]
