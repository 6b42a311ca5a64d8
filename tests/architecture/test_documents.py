"""Documents say what is there: commands, settings, decisions."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from rsmonitor import __version__, config
from rsmonitor.cli import app

ROOT = Path(__file__).parents[2]
DEFAULTS = (ROOT / "configs" / "default.toml").read_text(encoding="utf-8")


def commands(
    command: Any = None,  # noqa: ANN401 - typer brings its own click
    path: tuple[str, ...] = (),
) -> Iterator[tuple[str, str]]:
    """Give the words and the help text of every command."""
    command = command or typer.main.get_command(app)
    children = getattr(command, "commands", {})
    for name, child in children.items():
        yield from commands(child, (*path, name))
    if path and not children:
        yield " ".join(path), command.help or ""


COMMANDS = dict(commands())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    first, *_ = COMMANDS[command].strip().splitlines() or [""]
    assert len(first.split()) > 2, "one line that says what it does"
    assert f"rsmonitor {command}" in COMMANDS[command], "an example to copy"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_place_in_the_documents(command: str) -> None:
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert re.search(rf"rsmonitor {re.escape(command)}\b", text)


def keys_in(text: str) -> set[str]:
    """Give every key of a TOML text, dotted; a default may be commented out."""
    found: set[str] = set()
    table = ""
    for line in text.splitlines():
        if header := re.match(r"^(?:# ?)?\[\[?([a-z0-9_.]+)\]\]?$", line):
            table = f"{header[1]}."
        elif key := re.match(r"^(?:# ?)?([a-z0-9_]+) *=", line):
            found.add(table + key[1])
    return found


def test_every_settings_key_is_in_the_default_settings_and_no_other() -> None:
    known, told = set(config.keys()), keys_in(DEFAULTS)
    assert known - told == set(), "not explained"
    assert told - known == set(), "unknown to the code"


def test_the_default_settings_are_toml() -> None:
    assert tomllib.loads(DEFAULTS)


def test_decisions_are_numbered_without_gaps_and_say_why() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [path.name[:4] for path in records] == [
        f"{number:04d}" for number in range(1, len(records) + 1)
    ]
    for path in records:
        text = path.read_text(encoding="utf-8")
        for part in (
            "Date:",
            "Status:",
            "## Context",
            "## Decision",
            "## Consequences",
        ):
            assert part in text, f"{path.name} has no {part}"


def test_the_changelog_tells_the_version_and_keeps_a_heading_for_detections() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{__version__}]" in text
    assert "### Changed detections" in text


def test_every_test_that_a_document_names_exists() -> None:
    tests = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py")
    )
    for path in (ROOT / "docs").glob("*.md"):
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r"`(test_[a-z0-9_]+)`", text):
            assert f"def {name}(" in tests, f"{path.name} names {name}"
