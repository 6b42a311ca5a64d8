"""The test run keeps its own promises: run on a small project with this conftest."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Give a function that runs one test module, as exit code and what it prints."""
    (tmp_path / "tests" / "unit").mkdir(parents=True)
    shutil.copy(CONFTEST, tmp_path / "tests")

    def run_module(
        text: str, *options: str, data: Path | None = None
    ) -> tuple[int, str]:
        (tmp_path / "tests" / "unit" / "test_it.py").write_text(text, encoding="utf-8")
        environment = os.environ.copy()
        environment.pop("RSMONITOR_TEST_DATA", None)
        environment.pop("PYTEST_ADDOPTS", None)
        if data is not None:
            environment["RSMONITOR_TEST_DATA"] = str(data)
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "pytest", "-q", "-rs", *options, "tests"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return run_module


NEEDS_A_PROGRAM = """
import pytest

@pytest.mark.needs_program("no-such-program", "no-such-package")
def test_it():
    raise AssertionError("never runs")

def test_other():
    pass
"""


def test_a_missing_program_skips_its_test_and_names_the_debian_package(
    run: Run,
) -> None:
    code, printed = run(NEEDS_A_PROGRAM)
    assert code == 0
    assert (
        "program no-such-program is missing: 1 tests; Debian package no-such-package"
        in printed
    )


def test_a_missing_program_is_an_error_where_it_must_not_be_missing(run: Run) -> None:
    code, printed = run(NEEDS_A_PROGRAM, "--fail-on-missing-programs")
    assert code == 1
    assert "a missing program is an error here" in printed


NEEDS_DATA = """
def test_it(test_data):
    assert test_data.is_dir()
"""


def test_missing_data_skips_and_is_counted(run: Run, tmp_path: Path) -> None:
    _, printed = run(NEEDS_DATA)
    assert "skipped for missing optional data: 1 tests" in printed
    _, printed = run(NEEDS_DATA, data=tmp_path)
    assert printed.strip().splitlines()[-1].startswith("1 passed")


def test_data_named_and_not_there_is_an_error(run: Run, tmp_path: Path) -> None:
    code, printed = run(NEEDS_DATA, data=tmp_path / "nowhere")
    assert code == 1
    assert "RSMONITOR_TEST_DATA is no folder" in printed


REACHES_OUT = """
import contextlib, socket
import pytest

@pytest.mark.parametrize("reach", [
    lambda: socket.create_connection(("203.0.113.1", 80), timeout=1),
    lambda: socket.socket().connect_ex(("203.0.113.1", 80)),
    lambda: socket.socket(socket.AF_INET6).connect(("2001:db8::1", 80)),
    lambda: socket.getaddrinfo("tiles.example.org", 443),
])
def test_hidden(reach):
    with contextlib.suppress(OSError):
        reach()

def test_own_machine():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1])).close()
"""


def test_a_test_that_reaches_for_the_network_fails_even_if_it_hides_it(
    run: Run,
) -> None:
    code, printed = run(REACHES_OUT)
    assert code == 1
    assert printed.count("reached for the network") == 4
    assert printed.strip().splitlines()[-1].startswith("4 failed, 1 passed")


USES_GOLDEN = """
def test_it(golden):
    golden("folder/it.txt", {text!r})
"""


def test_a_golden_file_fails_when_rewritten_and_when_different(
    run: Run, tmp_path: Path
) -> None:
    first = USES_GOLDEN.format(text="年\r\n1")
    code, printed = run(first, "--update-goldens")
    assert code == 1
    assert "it.txt was rewritten" in printed
    assert run(first, "--update-goldens")[0] == 0
    assert run(USES_GOLDEN.format(text="2"))[0] == 1
    kept = (tmp_path / "tests" / "golden" / "folder" / "it.txt").read_bytes()
    assert kept.decode() == "年\r\n1"


def test_the_run_tells_the_time_of_each_tier(run: Run) -> None:
    _, printed = run("def test_it(): pass")
    lines = printed.splitlines()
    assert any(line.split()[:3] == ["unit", "1", "tests"] for line in lines)
