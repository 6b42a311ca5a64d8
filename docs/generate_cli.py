"""Write docs/cli.md from the commands' own help: ``python docs/generate_cli.py``."""

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
    for name in sorted(get_command(app).commands):  # type: ignore[attr-defined]
        result = runner.invoke(app, [name, "--help"], prog_name="rsmonitor")
        text = "\n".join(line.rstrip() for line in result.output.splitlines())
        parts.append(f"## rsmonitor {name}\n\n```\n{text.strip()}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    (Path(__file__).parent / "cli.md").write_text(document(), encoding="utf-8")
