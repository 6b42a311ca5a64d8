"""What draws the place of a tip as a picture, once the typeface is there."""

import warnings
from pathlib import Path

from rsmonitor.errors import OutputError
from rsmonitor.io.deliver.pictures.typeface import find_typeface
from rsmonitor.io.foundation.files import write_atomic
from rsmonitor.records.tip_view import TipView


def render_tip_sheet(path: Path, view: TipView) -> None:
    """
    Draw what can be seen of a tip's place as a PNG of four panels.

    Parameters
    ----------
    path : Path
        The file, replaced if it is there.
    view : TipView
        What can be seen.

    Raises
    ------
    OutputError
        If matplotlib or the typeface is missing (the message says which command
        brings them), or the file cannot be written.
    """
    typeface = find_typeface()
    # after the typeface, which says what to do where matplotlib is missing
    from rsmonitor.io.deliver.pictures.tip_sheet import TipSheet  # noqa: PLC0415

    with warnings.catch_warnings():
        # an empty box where a character should be is worse than no picture
        warnings.filterwarnings("error", message="Glyph .* missing")
        try:
            data = TipSheet(typeface, view).png()
        except UserWarning as warning:
            raise OutputError(
                f"{path}: the typeface lacks a character: {warning}"
            ) from warning
    write_atomic(path, data)
