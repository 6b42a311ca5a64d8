"""A typeface that draws simplified Chinese, from a package that pip brings.

The package ``noto-cjk-sans-otc`` holds one collection with a face for each region. The
same code point has other strokes in Japan: 直, 关, 门, 骨. So the face is chosen by
its name, never by its place in the file.
"""

from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rsmonitor.errors import OutputError

if TYPE_CHECKING:
    from matplotlib.font_manager import FontProperties

PACKAGE: Final = "noto-cjk-sans-otc"
FACE: Final = "Noto Sans CJK SC"
"""The face for mainland China."""

INSTALL: Final = 'pip install "rsmonitor[map]"'
"""What brings the typeface and matplotlib."""

WIDE_SPACE: Final = "\u3000"
"""As wide as a character."""

GETA: Final = "〓"
"""What East Asian printers set where they have no type for a character."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Typeface:
    """One face of a font file, and the characters that it can draw."""

    path: str
    """The font file."""

    face_index: int
    """Place of the face in it."""

    characters: frozenset[int]
    """Code points that have a glyph."""

    def at(self, points: float) -> "FontProperties":
        """
        Give the face in one size.

        Parameters
        ----------
        points : float
            Size, points.

        Returns
        -------
        matplotlib.font_manager.FontProperties
            What matplotlib's text functions take.
        """
        from matplotlib.font_manager import (  # noqa: PLC0415 - optional, heavy
            FontPath,
            FontProperties,
        )

        return FontProperties(fname=FontPath(self.path, self.face_index), size=points)

    def drawable(self, text: str) -> str:
        """
        Replace what the face cannot draw, so that one odd name spoils no map.

        Parameters
        ----------
        text : str
            From anywhere, a licence file for instance.

        Returns
        -------
        str
            One line; `GETA` stands for each character without a glyph.
        """
        return "".join(self._or_geta(character) for character in text)

    def _or_geta(self, character: str) -> str:
        """Keep what can be drawn; line breaks and tabs become spaces."""
        if character == WIDE_SPACE:
            return character
        if character.isspace():
            return " "
        known = ord(character) in self.characters and character.isprintable()
        return character if known else GETA


@cache
def find_typeface() -> Typeface:
    """
    Find the simplified Chinese face among the installed packages.

    Returns
    -------
    Typeface
        The face.

    Raises
    ------
    OutputError
        If matplotlib or the typeface is missing, too old, or has no such face; the
        message says which command brings it.
    """
    try:
        from matplotlib.font_manager import (  # noqa: F401, PLC0415 - optional, heavy
            FontPath,
        )
        from matplotlib.ft2font import FT2Font  # noqa: PLC0415
    except ImportError as error:
        raise OutputError(
            "a map needs matplotlib 3.11 or newer, which draws any face of a font "
            f"collection: {INSTALL}"
        ) from error
    path = _collection()
    index = 0
    while True:
        font = FT2Font(str(path), face_index=index)
        if font.family_name == FACE:
            return Typeface(
                path=str(path),
                face_index=index,
                characters=frozenset(font.get_charmap()),
            )
        index += 1
        if index >= font.num_faces:
            raise OutputError(f"{path} has no face {FACE!r}; reinstall it: {INSTALL}")


def _collection() -> Path:
    """Find the font file of the package without importing it."""
    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate()))
        if path.suffix == ".ttc" and path.is_file():
            return path
    raise OutputError(
        f"a map needs the Chinese typeface of the package {PACKAGE}: {INSTALL}"
    )
