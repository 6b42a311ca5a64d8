"""Write docs/cli.md from the commands' own help: ``python docs/generate_cli.py``."""

from collections.abc import Iterator
from pathlib import Path

from typer.main import get_command
from typer.testing import CliRunner

from rsmonitor.cli import app

HEAD = """# The command line

Written by `python docs/generate_cli.py` from `--help`; a test compares.

Exit codes: 0 done; 1 done, but some input was refused or some scene failed (said
which); 2 wrong usage; 3 bad input, nothing done; 4 busy, another run holds the
district; 5 a source cannot be reached; 130 interrupted. Results go to standard
output, progress, notes and refusals to standard error.
"""


def document() -> str:
    """
    Write the help of every command.

    Returns
    -------
    str
        Markdown.
    """
    runner = CliRunner(env={"COLUMNS": "88", "TERMINAL_WIDTH": "88"})
    parts = [HEAD]
    for words in sorted(_commands(get_command(app))):
        result = runner.invoke(app, [*words, "--help"], prog_name="rsmonitor")
        text = "\n".join(line.rstrip() for line in result.output.splitlines())
        title = " ".join(words)
        parts.append(f"## rsmonitor {title}\n\n```\n{text.strip()}\n```\n")
    return "\n".join(parts)


def _commands(command: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Give the words of every command."""
    children: dict[str, object] = getattr(command, "commands", {})
    for name, child in children.items():
        yield from _commands(child, (*path, name))
    if path and not children:
        yield path


if __name__ == "__main__":
    (Path(__file__).parent / "cli.md").write_text(document(), encoding="utf-8")
