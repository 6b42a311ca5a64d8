"""Every notebook runs as a script on the demo, draws, and leaves nothing behind."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import PATIENCE, ROOT, tree
from demo_run import Demos, shared_demos  # noqa: F401
from PIL import Image

NOTEBOOKS = ROOT / "notebooks"
LONGEST = 150
"""Lines that a person reads in ten minutes, imports among them."""

# runs a script as Python would, then keeps what it drew
RUN = """
import runpy, sys
import matplotlib.pyplot as plt

runpy.run_path(sys.argv[1], run_name="__main__")
for number in plt.get_fignums():
    plt.figure(number).savefig(f"{sys.argv[2]}/{number}.png", dpi=40)
"""

SAYS = {
    "tour": ("alerts stand", "found.problems=()", "event 100 was changed"),
    "judging": ("precision of alerts 0.", "rsmonitor train pairs"),
    "field_trip": ("1. ", "EPSG:4527", "GCJ-02", "1-sheets.pdf"),
    "how_small": ("| bare_soil | sudden | 0.1 |", "upper 95 % limit"),
}
"""Words that stand in what each prints."""

DRAWS = {"tour": 4, "judging": 2, "field_trip": 2, "how_small": 2}
"""Figures of each, without optional data."""


@pytest.fixture(scope="module")
def demo_out(demos: Demos) -> Path:
    """Give the demo that was left in peace."""
    assert demos.ran.code == 0, demos.ran.stderr
    return demos.folder


def run(name: str, demo: Path, figures: Path) -> subprocess.CompletedProcess[str]:
    """Run a notebook in its own folder, as a person would."""
    figures.mkdir()
    return subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", RUN, f"{name}.py", str(figures)],
        cwd=NOTEBOOKS,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "MPLBACKEND": "Agg",
            # threads that wait for one another would cost more than they save
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "RSMONITOR_DEMO_OUT": str(demo),
            "TMPDIR": str(figures.parent),
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SAYS))
def test_it_runs_draws_and_leaves_the_demo_alone(
    name: str, demo_out: Path, tmp_path: Path
) -> None:
    before = tree(demo_out.resolve()), sorted(NOTEBOOKS.iterdir())
    done = run(name, demo_out, tmp_path / "figures")
    assert done.returncode == 0, done.stderr
    for words in SAYS[name]:
        assert words in done.stdout
    pictures = sorted((tmp_path / "figures").iterdir())
    further = name == "judging" and "not run" not in done.stdout
    assert len(pictures) == DRAWS[name] + further
    for picture in pictures:
        with Image.open(picture) as image:
            assert np.asarray(image.convert("L")).std() > 10, f"{picture} is blank"
    assert (tree(demo_out.resolve()), sorted(NOTEBOOKS.iterdir())) == before


def test_without_a_demo_it_says_what_to_do(tmp_path: Path) -> None:
    done = run("tour", tmp_path / "nothing", tmp_path / "figures")
    assert done.returncode == 1
    assert "run `make demo` first" in done.stderr
    assert "Traceback" not in done.stderr


def test_they_are_short_and_hold_no_logic_of_their_own() -> None:
    notebooks = sorted(NOTEBOOKS.glob("*.py"))
    assert [path.stem for path in notebooks] == sorted(SAYS)
    readme = (NOTEBOOKS / "README.md").read_text(encoding="utf-8")
    for path in notebooks:
        text = path.read_text(encoding="utf-8")
        assert f"({path.name})" in readme
        assert text.startswith("# %% [markdown]\n# # ")
        assert text.count("\n# %%\n") >= 5
        assert len(text.splitlines()) <= LONGEST
        assert max(map(len, text.splitlines())) <= 88
        if "RSMONITOR_DEMO_OUT" in text:
            assert "run `make demo` first" in text
        defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        for node in ast.walk(ast.parse(text)):
            assert not isinstance(node, defined), f"{path.name}: {node.lineno}"
