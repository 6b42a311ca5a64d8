"""Pages as PDF: a template that ships with rsmonitor, filled with data only.

Typst sets the pages: from a wheel, without a system library, offline, the same bytes
for the same input. What comes from outside (names of holders, of mines, of people)
reaches a template as JSON and is printed as text; nothing in it is ever markup.
"""

import json
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
    """Run the typesetter in a folder of its own."""
    try:
        # heavy, and only deliveries need it
        import typst  # noqa: PLC0415
    except ImportError as error:
        raise OutputError(f"reports need the typesetter typst: {INSTALL}") from error
    with tempfile.TemporaryDirectory(prefix="rsmonitor-pages-") as name:
        folder = Path(name)
        for path in TEMPLATES.glob("*.typ"):
            (folder / path.name).write_bytes(path.read_bytes())
        text = json.dumps(data, ensure_ascii=False, allow_nan=False)
        (folder / "data.json").write_text(text, encoding="utf-8")
        for file, png in images.items():
            (folder / file).write_bytes(png)
        # its stubs know of PDF alone: of several pictures it gives a list
        made: Any
        try:
            made, warnings = typst.compile_with_warnings(
                str(folder / f"{template}.typ"),
                root=str(folder),
                font_paths=[font_folder()],
                ignore_system_fonts=True,
                timestamp=int(at.timestamp()),
                format=kind,
                ppi=dpi,
            )
        except RuntimeError as error:  # typst.TypstError is one
            raise OutputError(f"template {template}: {error}") from error
    told = [str(warning.message) for warning in warnings]
    if told:
        raise OutputError(f"template {template}: {'; '.join(told)}")
    pages = made if isinstance(made, list) else [made]
    return [bytes(page) for page in pages]


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
