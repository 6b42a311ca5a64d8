"""Pages as PDF: a template that ships with rsmonitor, filled with data only.

Typst sets the pages: from a wheel, without a system library, offline, the same bytes
for the same input. What comes from outside (names of holders, of mines, of people)
reaches a template as JSON and is printed as text; nothing in it is ever markup.
"""

import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Literal

from rsmonitor.errors import OutputError
from rsmonitor.io.deliver.pictures.typeface import FACE, PACKAGE

INSTALL: Final = 'pip install "rsmonitor[deliver]"'
"""What brings the typesetter and the typeface."""

TEMPLATES: Final = Path(__file__).parent / "templates"
"""Where the templates lie."""


def typeset(
    template: str, data: Mapping[str, Any], images: Mapping[str, bytes], *, at: datetime
) -> bytes:
    """
    Fill a template.

    Parameters
    ----------
    template : str
        Name of a template, without ``.typ``. It reads ``data.json``, and images by
        their names; it may import the other templates.
    data : Mapping
        What it says; anything that JSON can hold.
    images : Mapping of str to bytes
        PNG by file name, such as ``1-before.png``.
    at : datetime
        When the document says that it was made: a run's instant, not the clock's, so
        that the same input gives the same bytes.

    Returns
    -------
    bytes
        PDF, text selectable, typeface embedded.

    Raises
    ------
    OutputError
        If the typesetter or the typeface is missing, or the template does not accept
        the data: the message says what it complained of.
    """
    return _compiled(template, data, images, at=at, kind="pdf", dpi=None)[0]


def typeset_pages(
    template: str,
    data: Mapping[str, Any],
    images: Mapping[str, bytes],
    *,
    at: datetime,
    dpi: int,
) -> list[bytes]:
    """
    Fill a template, and give its pages as pictures.

    Parameters
    ----------
    template : str
        As for `typeset`.
    data : Mapping
        As for `typeset`.
    images : Mapping of str to bytes
        As for `typeset`.
    at : datetime
        As for `typeset`.
    dpi : int
        Pixels an inch.

    Returns
    -------
    list of bytes
        PNG, one a page.

    Raises
    ------
    OutputError
        As for `typeset`.
    """
    return _compiled(template, data, images, at=at, kind="png", dpi=float(dpi))


def _compiled(
    template: str,
    data: Mapping[str, Any],
    images: Mapping[str, bytes],
    *,
    at: datetime,
    kind: Literal["pdf", "png"],
    dpi: float | None,
) -> list[bytes]:
    """Run the typesetter in a folder and a process of its own."""
    if importlib.util.find_spec("typst") is None:
        raise OutputError(f"reports need the typesetter typst: {INSTALL}")
    with tempfile.TemporaryDirectory(prefix="rsmonitor-pages-") as name:
        folder = Path(name)
        for path in TEMPLATES.glob("*.typ"):
            (folder / path.name).write_bytes(path.read_bytes())
        text = json.dumps(data, ensure_ascii=False, allow_nan=False)
        (folder / "data.json").write_text(text, encoding="utf-8")
        for file, png in images.items():
            (folder / file).write_bytes(png)
        asked = {
            "input": str(folder / f"{template}.typ"),
            "root": str(folder),
            "font_paths": [font_folder()],
            "ignore_system_fonts": True,
            "timestamp": int(at.timestamp()),
            "format": kind,
            "ppi": dpi,
        }
        (folder / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
        # what it keeps of one document for the next would grow with every county
        ran = subprocess.run(  # noqa: S603 - our own interpreter and script
            [sys.executable, "-I", "-c", _SCRIPT, name],
            capture_output=True,
            check=False,
        )
        if ran.returncode != 0:
            told = ran.stderr.decode(errors="replace").strip()
            raise OutputError(f"template {template}: {told[-2000:]}")
        return [path.read_bytes() for path in sorted(folder.glob("page-*"))]


_SCRIPT: Final = """
import json, pathlib, sys
import typst
folder = pathlib.Path(sys.argv[1])
asked = json.loads((folder / "asked.json").read_text("utf-8"))
try:
    made, warnings = typst.compile_with_warnings(**asked)
except RuntimeError as error:
    sys.exit(str(error))
if warnings:
    sys.exit("; ".join(str(each.message) for each in warnings))
for number, page in enumerate(made if isinstance(made, list) else [made]):
    (folder / f"page-{number:05d}").write_bytes(page)
"""
"""Reads what is asked, writes the pages; ends with what was complained of."""


@cache
def font_folder() -> str:
    """
    Find the folder of the typeface.

    Returns
    -------
    str
        Its path.

    Raises
    ------
    OutputError
        If the package of the typeface is missing.
    """
    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError as error:
        raise OutputError(f"{FACE} is missing: {INSTALL}") from error
    for file in files:
        if file.suffix in {".otc", ".ttc", ".otf"}:
            return str(Path(str(file.locate())).parent)
    raise OutputError(f"{PACKAGE} holds no font: {INSTALL}")
