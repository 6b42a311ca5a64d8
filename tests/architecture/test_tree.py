"""What lies in the repository: small files, no trace of a workplace, exact versions."""

import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LARGEST = 1_000_000

# Written in two halves, so that this file does not find itself.
WORKPLACE = re.compile(
    "|".join(
        (
            r"(?<![\w.])/wo" + r"rk/",
            r"(?<!\w)/op" + r"t/(?:pypi|wheels)",
            r"/tm" + r"p/v/",
            r"index" + r"[-_]url",
            r"trusted" + r"-host",
            r"find" + r"-links",
        )
    )
)


@cache
def tracked_files() -> tuple[Path, ...]:
    """Give what git tracks or would track."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    done = subprocess.run(
        # A checkout may belong to another user than the one who tests it.
        [  # noqa: S607 - git from the path, as everywhere
            "git",
            "-c",
            "safe.directory=*",
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = [name for name in done.stdout.split("\0") if name]
    return tuple(path for path in map(ROOT.joinpath, names) if path.is_file())


@pytest.mark.needs_program("git", "git")
def test_no_file_is_larger_than_a_megabyte() -> None:
    large = {
        path.relative_to(ROOT).as_posix(): path.stat().st_size
        for path in tracked_files()
        if path.stat().st_size > LARGEST
    }
    assert not large


@pytest.mark.needs_program("git", "git")
def test_no_file_names_a_workplace_or_a_package_index() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in tracked_files()
        for match in WORKPLACE.finditer(path.read_bytes().decode(errors="replace"))
    ]
    assert not found


def test_constraints_are_exact_versions_and_nothing_else() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert lines
    wrong = [
        line
        for line in lines
        if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!]+", line)
    ]
    assert not wrong


def test_constraints_name_every_package_that_the_project_asks_for() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {canonical(line.split("==")[0]) for line in lines}
    assert asked_for() - pinned == set()


def asked_for() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = list(project["project"]["dependencies"])
    for extra in project["project"]["optional-dependencies"].values():
        wanted += extra
    names = {re.split(r"[^A-Za-z0-9._-]", each, maxsplit=1)[0] for each in wanted}
    return {canonical(name) for name in names} - {"rsmonitor"}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
