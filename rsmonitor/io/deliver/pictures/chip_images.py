"""Chips of a site as pictures, with its outline, a scale and north.

Pixels stay pixels: a person sees how coarse the satellite is, nothing is invented
between two of them, and the file is a third of a smoothed one. All that is drawn on
them is told by light and dark, so that a page printed in black and white says the same.
"""

import io
import math
from functools import cache
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from shapely import MultiPolygon, Point, Polygon

from rsmonitor.errors import ContractError
from rsmonitor.io.deliver.pictures.place import round_below
from rsmonitor.records.grid import Grid
from rsmonitor.records.package import Chip, ChipRole
from rsmonitor.stages.geodesy import from_lonlat, pixel_size_m, to_lonlat

OUTLINE: Final = (255, 230, 0)
PAPER: Final = (255, 255, 255)
HALO: Final = (20, 20, 20)

EVIDENCE_ENDS: Final = ((90, 10, 30), (255, 225, 70))
"""Colours of the oldest and the newest day in `rsmonitor.pipeline.chips`."""

SMALLEST: Final = 160
"""Sides below which there is no room for letters, and none are drawn."""

LARGEST: Final = 4096
"""Pixels of a side that a picture may have."""

BAR_M: Final = 100.0
"""Length of the scale, metres, unless the chip is much smaller or larger."""

UPRIGHT: Final = math.radians(2.0)
"""North that leans less than this is up, and needs no arrow."""

FINER: Final = 2
"""Lines are drawn so many times larger and then reduced, which smooths them."""

HATCH: Final = 9
"""Pixels from one stroke over what was not seen to the next."""

M_PER_KM: Final = 1000

_Spot = tuple[float, float]


def chip_png(
    chip: Chip,
    outline: Polygon | MultiPolygon | None,
    *,
    side: int = 480,
    grey: bool = False,
) -> bytes:
    """
    Draw a chip.

    What the look did not show is paler, under dark strokes: it can still be looked at,
    and nobody takes it for ground that was seen.

    Parameters
    ----------
    chip : Chip
        The image.
    outline : Polygon or MultiPolygon or None
        Outline of the site, CRS84; None draws none.
    side : int, default 480
        Pixels of the longer side.
    grey : bool, default False
        True for pages that are printed in black and white.

    Returns
    -------
    bytes
        PNG, the same for the same chip.

    Raises
    ------
    ContractError
        If `side` is not 16 to `LARGEST`.
    """
    if not 16 <= side <= LARGEST:  # noqa: PLR2004 - below it nothing can be told
        raise ContractError(f"side must be 16 to {LARGEST} pixels, got {side}")
    metres = pixel_size_m(chip.grid)
    width, height = _size(chip.grid, metres, side)
    image = Image.fromarray(_veiled(chip, (width, height)))
    if grey:
        image = image.convert("L").convert("RGB")
    layer = _Layer(image, PAPER if grey else OUTLINE)
    if outline is not None:
        layer.outline(outline, chip.grid)
    if side >= SMALLEST:
        layer.scale(metres[0] * chip.grid.width)
        layer.north(chip.grid)
        if chip.role is ChipRole.EVIDENCE and chip.days:
            layer.key([day.isoformat() for day in chip.days])
    data = io.BytesIO()
    layer.done(grey=grey).save(data, format="PNG", compress_level=6)
    return data.getvalue()


def _size(grid: Grid, metres: tuple[float, float], side: int) -> tuple[int, int]:
    """Give width and height of the picture, true to the ground."""
    wide, high = grid.width * metres[0], grid.height * metres[1]
    longest = max(wide, high)
    return max(1, round(side * wide / longest)), max(1, round(side * high / longest))


def _veiled(chip: Chip, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Enlarge a chip, and hatch what was not seen."""
    image = Image.fromarray(chip.rgb)
    # fewer pixels than there are is a mean; more of them repeat
    fewer = size[0] < image.width or size[1] < image.height
    how = Image.Resampling.BOX if fewer else Image.Resampling.NEAREST
    rgb = np.asarray(image.resize(size, how))
    seen = np.asarray(Image.fromarray(chip.seen).resize(size, Image.Resampling.NEAREST))
    if seen.all() or chip.role is ChipRole.EVIDENCE:
        return rgb  # the days are of many looks, the ground only lies under them
    rows, cols = np.indices(seen.shape)
    stroke = np.asarray((rows + cols) % HATCH < 2)  # noqa: PLR2004 - pixels of it
    pale = rgb * 0.45 + 255 * 0.5
    veiled = np.where(stroke[..., None], 70.0, pale)
    return np.where(seen[..., None], rgb, veiled.astype(np.uint8))


class _Layer:
    """What is drawn over an image, several times as large, and then reduced."""

    def __init__(self, image: Image.Image, colour: tuple[int, int, int]) -> None:
        self._image, self._colour = image, colour
        self._side = max(image.size)
        whole = (image.width * FINER, image.height * FINER)
        self._over = Image.new("RGBA", whole, (0, 0, 0, 0))
        self._draw = ImageDraw.Draw(self._over)
        self._font = _font(max(9, round(self._side / 32)) * FINER)

    def done(self, *, grey: bool) -> Image.Image:
        """Lay it over the image."""
        small = self._over.resize(self._image.size, Image.Resampling.BOX)
        whole = Image.alpha_composite(self._image.convert("RGBA"), small)
        return whole.convert("L") if grey else whole.convert("RGB")

    def outline(self, outline: Polygon | MultiPolygon, grid: Grid) -> None:
        """Draw a polygon, dark around bright."""
        here = from_lonlat(outline, grid.crs)
        factor = (
            self._over.width / grid.width / grid.pixel_width,
            self._over.height / grid.height / grid.pixel_height,
        )
        lines = [
            [
                ((x - grid.left) * factor[0], (grid.top - y) * factor[1])
                for x, y in shapely.get_coordinates(ring)
            ]
            for part in shapely.get_parts(here)
            for ring in (part.exterior, *part.interiors)
        ]
        thin = max(1.5, self._side / 240)
        for colour, width in ((HALO, thin * 2.4), (self._colour, thin)):
            for line in lines:
                self._draw.line(
                    line, fill=colour, width=round(width * FINER), joint="curve"
                )

    def scale(self, across_m: float) -> None:
        """Draw a bar of a round length in the lower left corner."""
        metres = BAR_M if 2 * BAR_M < across_m < 20 * BAR_M else 0.0
        metres = metres or round_below(across_m / 4)
        text = f"{metres / M_PER_KM:g} km" if metres >= M_PER_KM else f"{metres:g} m"
        long = metres / across_m * self._over.width
        pad, high = 4 * FINER, 3 * FINER
        wide = max(long, self._draw.textlength(text, font=self._font))
        bottom = self._over.height - 2 * pad
        top = bottom - high - self._line
        self._paper((pad, top - pad, 3 * pad + wide, bottom + pad))
        self._write((2 * pad + wide / 2, top), text)
        left = 2 * pad + (wide - long) / 2
        middle = left + long / 2
        self._draw.rectangle((left, bottom - high, middle, bottom), fill=HALO)
        self._draw.rectangle(
            (middle, bottom - high, left + long, bottom), fill=PAPER, outline=HALO
        )

    def north(self, grid: Grid) -> None:
        """Draw an arrow to true north, where that is not up."""
        right, up = _north(grid)
        if abs(math.atan2(right, up)) < UPRIGHT:
            return
        long = self._side / 13 * FINER
        x, y = self._over.width - long, long
        self._disc(x, y, 0.85 * long)

        def spot(forward: float, aside: float) -> _Spot:
            return (
                x + long * (forward * right + aside * up),
                y - long * (forward * up - aside * right),
            )

        for aside, fill in ((-0.22, HALO), (0.22, PAPER)):
            self._draw.polygon(
                [spot(0.42, 0), spot(-0.62, aside), spot(-0.42, 0)],
                fill=fill,
                outline=HALO,
                width=FINER,
            )
        x_n, y_n = spot(0.62, 0)
        self._write((x_n, y_n - self._line / 2), "N")

    def key(self, days: list[str]) -> None:
        """Explain the colours of days in the lower right corner."""
        pad, high = 4 * FINER, 6 * FINER
        wide = max(self._draw.textlength(day, font=self._font) for day in days)
        right, bottom = self._over.width - 2 * pad, self._over.height - 2 * pad
        rows = len(days)
        top = bottom - rows * self._line
        box = self._font.getbbox("0")
        self._paper(
            (right - wide - high - 2 * pad, top - pad, right + pad, bottom + pad)
        )
        for row, day in enumerate(days):
            y = top + row * self._line
            colour = EVIDENCE_ENDS[-1] if row == rows - 1 else EVIDENCE_ENDS[0]
            x = right - wide - high - pad
            self._draw.rectangle(
                (x, y + box[1], x + high, y + box[3]), fill=colour, outline=HALO
            )
            self._write((right - wide / 2, y), day)

    @property
    def _line(self) -> float:
        """Height of a line."""
        return float(self._font.size) * 1.15

    def _paper(self, box: tuple[float, float, float, float]) -> None:
        """Lay something pale under letters."""
        self._draw.rounded_rectangle(box, radius=2 * FINER, fill=(*PAPER, 210))

    def _disc(self, x: float, y: float, radius: float) -> None:
        """Lay something pale and round under an arrow."""
        self._draw.ellipse(
            (x - radius, y - radius, x + radius, y + radius), fill=(*PAPER, 190)
        )

    def _write(self, top: _Spot, text: str) -> None:
        """Write centred below a spot."""
        self._draw.text(top, text, fill=HALO, font=self._font, anchor="ma")


def _north(grid: Grid) -> tuple[float, float]:
    """Find true north at the middle, to the right and up, as long as 1."""
    middle = Point((grid.left + grid.right) / 2, (grid.top + grid.bottom) / 2)
    here = to_lonlat(middle, grid.crs)
    north = from_lonlat(Point(here.x, here.y + 1e-3), grid.crs)
    metres = pixel_size_m(grid)
    right = (north.x - middle.x) / grid.pixel_width * metres[0]
    up = (north.y - middle.y) / grid.pixel_height * metres[1]
    length = math.hypot(right, up)
    return right / length, up / length


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """Give the letters that come with Pillow: digits, units and N are all there is."""
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise ContractError("this Pillow has no FreeType; install its wheel")
    return font
