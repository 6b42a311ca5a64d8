"""The harness of the benchmarks, on clocks that say what they are told to."""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from benchmarks import harness
from benchmarks.harness import HEADINGS, compare, interval, measured, table


class Sides:
    """Two functions that take known CPU time on a clock of their own."""

    def __init__(self, ours: list[float], theirs: list[float]) -> None:
        self.now = 0.0
        self.calls: list[str] = []
        self._left = {"ours": iter(ours), "theirs": iter(theirs)}

    def run(self, name: str) -> Callable[[], None]:
        def side() -> None:
            self.calls.append(name)
            self.now += next(self._left[name])

        return side

    def clock(self) -> float:
        return self.now


def test_a_ratio_is_the_median_of_those_of_the_pairs_and_no_warm_up_counts() -> None:
    sides = Sides([90.0, 2.0, 3.0, 8.0], [1.0, 2.0, 2.0, 2.0])
    found = compare(
        "half",
        sides.run("ours"),
        sides.run("theirs"),
        against="whole",
        pairs=3,
        clock=sides.clock,
    )
    assert found.median == 1.5
    assert (found.low, found.high) == (1.0, 4.0)
    assert found.ours == (2.0, 3.0, 8.0)
    assert found.theirs == (2.0, 2.0, 2.0)


def test_the_sides_take_turns_and_so_does_who_goes_first() -> None:
    sides = Sides([1.0] * 5, [1.0] * 5)
    compare(
        "turns",
        sides.run("ours"),
        sides.run("theirs"),
        against="turns",
        pairs=3,
        warm_up=2,
        clock=sides.clock,
    )
    assert sides.calls == [
        *("ours", "theirs", "ours", "theirs"),
        *("ours", "theirs", "theirs", "ours", "ours", "theirs"),
    ]


def test_what_is_done_before_each_run_takes_none_of_its_time() -> None:
    sides = Sides([1.0] * 4, [2.0] * 4)
    prepared = []

    def prepare() -> None:
        prepared.append(sides.now)
        sides.now += 100.0

    found = compare(
        "prepared",
        sides.run("ours"),
        sides.run("theirs"),
        against="prepared",
        pairs=3,
        before_each=prepare,
        clock=sides.clock,
    )
    assert len(prepared) == 8
    assert (found.median, found.low, found.high) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("target", "met"), [(None, None), (1.4, False), (1.5, True), (1.2, False)]
)
def test_a_target_is_met_by_the_upper_end_of_the_interval_and_not_by_the_median(
    target: float | None,
    met: bool | None,  # noqa: FBT001 - a parameter of pytest
) -> None:
    ours = [1.0, 1.0, 1.1, 1.1, 1.1, 1.5, 1.5]
    found = measured("upper end", ours, [1.0] * 7, against="one", target=target)
    assert found.median == 1.1
    assert found.high == 1.5
    assert found.met is met


def test_times_less_are_said_the_other_way_round_and_judged_the_same() -> None:
    found = measured(
        "less",
        [1.0, 1.0, 1.0],
        [9.0, 10.0, 16.0],
        against="more",
        target=1 / 8,
        inverted=True,
    )
    assert found.shown() == pytest.approx((10.0, 9.0, 16.0))
    assert found.met is True
    assert found.cells()[2:5] == ("10 (9 to 16)", ">= 8", "yes")
    slow = measured("less", [1.0], [7.9], against="more", target=1 / 8, inverted=True)
    assert slow.cells()[2:5] == ("7.9 (7.9 to 7.9)", ">= 8", "no")


def test_an_interval_is_that_of_a_bootstrap_and_the_same_every_time() -> None:
    values = list(np.random.default_rng(3).lognormal(0.0, 0.2, 31))
    low, high = interval(values)
    assert interval(values) == (low, high)
    assert low < statistics.median(values) < high
    # order statistics 10 and 22 of 31 bound a median with 97 %, 11 and 21 with 93 %
    ordered = sorted(values)
    assert ordered[8] <= low <= ordered[11]
    assert ordered[19] <= high <= ordered[22]


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [([], [], "no pairs"), ([1.0], [1.0, 2.0], "no pairs"), ([0.0], [1.0], "no time")],
)
def test_times_that_are_no_pairs_are_refused(
    ours: list[float], theirs: list[float], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        measured("nothing", ours, theirs, against="nothing")


def test_a_comparison_without_pairs_is_refused() -> None:
    sides = Sides([1.0], [1.0])
    with pytest.raises(ValueError, match="at least"):
        compare("none", sides.run("ours"), sides.run("theirs"), against="none", pairs=0)
    assert sides.calls == []


def test_tables_hold_the_same_cells_for_documents_and_terminals() -> None:
    rows = [
        measured("one", [1.0], [2.0], against="GDAL", target=1.5),
        measured("another", [3.0], [2.0], against="nobody"),
    ]
    document = table(rows, markdown=True).splitlines()
    terminal = table(rows).splitlines()
    assert document[0] == f"| {' | '.join(HEADINGS)} |"
    assert document[1] == "| --- | --- | --- | --- | --- | --- | --- |"
    for line, row in zip(document[2:], rows, strict=True):
        assert line == f"| {' | '.join(row.cells())} |"
    assert document[2].split(" | ")[2:5] == ["0.5 (0.5 to 0.5)", "<= 1.5", "yes"]
    assert document[3].split(" | ")[2:5] == ["1.5 (1.5 to 1.5)", "-", "-"]
    assert len(terminal) == 3
    assert terminal[1].startswith("one      GDAL")
    assert terminal[2].startswith("another  nobody")


def test_measurements_and_machines_can_be_kept_as_json() -> None:
    found = measured("kept", [1.0, 2.0], [2.0, 2.0], against="lost", target=1.0)
    said = json.loads(json.dumps(found.as_dict()))
    assert said["what"] == "kept"
    assert said["ours"] == [1.0, 2.0]
    assert said["median"] == 0.75
    assert said["met"] is True
    facts = harness.machine()
    kept = json.loads(json.dumps(facts.as_dict()))
    assert kept["packages"]["numpy"] == np.__version__
    assert kept["measured_on"] == facts.measured_on.isoformat()
    for fact in (facts.cpu, facts.python, facts.gdal, np.__version__):
        assert fact in facts.sentence()
    assert facts.cores >= 1
    assert facts.memory_gib > 0.1


def test_the_clock_of_children_counts_them_once_they_have_ended() -> None:
    before = harness.cpu_with_children()
    work = "import time\nwhile time.process_time() < 0.15: pass"
    subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-S", "-c", work], check=True
    )
    assert harness.cpu_with_children() - before >= 0.14


def test_peak_memory_is_that_of_what_was_ever_held() -> None:
    before = harness.peak_bytes()
    held = np.ones(2**27, dtype=np.uint8)
    size = held.nbytes
    del held
    after = harness.peak_bytes()
    assert after >= size
    assert after >= before
    assert harness.peak_bytes() == after
