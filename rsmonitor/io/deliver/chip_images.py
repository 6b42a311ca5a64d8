"""Chips of a site as pictures, with its outline, a scale and north."""

import io
from typing import Final

import numpy as np
import shapely
from PIL import Image, ImageDraw
from shapely import MultiPolygon, Polygon

from rsmonitor.records.package import Chip
from rsmonitor.stages.geodesy import from_lonlat

OUTLINE: Final = (255, 230, 0)
HALO: Final = (20, 20, 20)


def chip_png(
    chip: Chip,
    outline: Polygon | MultiPolygon | None,
    *,
    side: int = 480,
    grey: bool = False,
) -> bytes:
    """
    Draw a chip.

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
        PNG.
    """
    height, width = chip.grid.shape
    zoom = max(1, round(side / max(height, width)))
    image = Image.fromarray(chip.rgb).resize(
        (width * zoom, height * zoom), Image.Resampling.NEAREST
    )
    if grey:
        image = image.convert("L").convert("RGB")
    if outline is not None:
        draw = ImageDraw.Draw(image)
        here = from_lonlat(outline, chip.grid.crs)
        origin = np.array([chip.grid.left, chip.grid.top])
        size = np.array([chip.grid.pixel_width, -chip.grid.pixel_height])
        for part in shapely.get_parts(here):
            for ring in (part.exterior, *part.interiors):
                points = (np.asarray(ring.coords)[:, :2] - origin) / size * zoom
                line = [tuple(point) for point in points]
                draw.line(line, fill=HALO, width=5)
                draw.line(line, fill=(255, 255, 255) if grey else OUTLINE, width=2)
    data = io.BytesIO()
    image.save(data, format="PNG", optimize=False)
    return data.getvalue()
