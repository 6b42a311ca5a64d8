"""How good the demo is against what the whole series shows in hindsight."""

import os
import subprocess
import sys
from typing import Any

import pytest
from commands import ROOT
from demo_run import Demos, shared_demos  # noqa: F401
from reference.judge import judge


@pytest.fixture(scope="module")
def verdict(demos: Demos) -> dict[str, Any]:
    return judge(demos.folder)


@pytest.fixture(scope="module")
def whole(verdict: dict[str, Any]) -> dict[str, Any]:
    score: dict[str, Any] = verdict["scores"][0]
    assert score["where"] == "outlines"
    return score


def test_the_pixels_are_no_worse_than_promised(whole: dict[str, Any]) -> None:
    assert whole["pixels_opened"] > 500
    assert whole["f1"] >= 0.94
    # a harmonic mean can hide one of them
    assert whole["precision"] >= 0.90
    assert whole["recall"] >= 0.90


def test_all_evidence_holds_the_openings_and_their_rims(
    verdict: dict[str, Any],
) -> None:
    (graded,) = (s for s in verdict["scores"] if s["where"].endswith("rims included"))
    assert graded["recall"] >= 0.97
    named = {score["where"]: score for score in verdict["scores"]}
    assert named["all evidence; unchanged below 10 %"]["f1"] >= 0.93


def test_outlines_are_as_large_as_what_opened(verdict: dict[str, Any]) -> None:
    area = verdict["area"]
    assert area["outlined_pixels"] == pytest.approx(area["opened_pixels"], rel=0.2)


def test_openings_of_four_pixels_and_more_are_found(whole: dict[str, Any]) -> None:
    assert whole["openings"] > 30
    assert whole["openings_found"] >= 0.95 * whole["openings"]


def test_hardly_an_object_is_false(whole: dict[str, Any]) -> None:
    assert whole["objects"] > 20
    assert whole["false_objects"] <= 3


def test_openings_are_confirmed_within_a_few_clear_looks(
    verdict: dict[str, Any],
) -> None:
    assert verdict["delay_looks"]["openings"] > 30
    assert verdict["delay_looks"]["median"] <= 3
    assert verdict["delay_looks"]["quartiles"][1] <= 6


def test_the_document_says_what_its_command_prints(demos: Demos) -> None:
    done = subprocess.run(  # noqa: S603 - a script of ours
        [sys.executable, ROOT / "tests/reference/judge.py", demos.folder],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    told = (ROOT / "docs/accuracy.md").read_text(encoding="utf-8")
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert len(rows) > 3
    for row in rows:
        assert row in told
